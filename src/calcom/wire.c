#include "calcom/wire.h"
#include <inttypes.h>
#include "base/ensure.h"
#include "base/json.h"

static const int64_t minute_us = 60'000'000, event_length_us_max = 24 * 60 * minute_us;

/* -- what is sent -- */

void calcom_print_create(struct buffer *b, const struct calcom_create *c)
{
    ensure(!slice_is_absent(c->attendee_email) || !slice_is_absent(c->attendee_phone));
    ensure(c->reference.length > 0 && c->reference.length <= CALCOM_REFERENCE_BYTES_MAX);
    char          start_memory[32];
    struct buffer start = buffer_over(start_memory, sizeof start_memory);
    instant_print(&start, c->starts_at_us);

    /* Cal.com refuses a field that it does not know: nothing may be added here because it seems harmless. */
    struct json_writer w = json_writer_over(b);
    json_begin_object(&w, nullptr);
    json_add_text(&w, "start", buffer_slice(&start));
    json_add_integer(&w, "eventTypeId", c->event_type_id);
    json_begin_object(&w, "attendee");
    json_add_text(&w, "name", c->attendee_name);
    if (!slice_is_absent(c->attendee_email)) json_add_text(&w, "email", c->attendee_email);
    if (!slice_is_absent(c->attendee_phone)) json_add_text(&w, "phoneNumber", c->attendee_phone);
    json_add_text(&w, "timeZone", c->attendee_time_zone);
    if (!slice_is_absent(c->attendee_language)) json_add_text(&w, "language", c->attendee_language);
    json_end_object(&w);
    json_begin_object(&w, "metadata");
    json_add_text(&w, "engineRef", c->reference);
    json_end_object(&w);
    json_end_object(&w);
}

void calcom_print_customer_email(struct buffer *b, int64_t company_id, int64_t customer_id)
{
    buffer_print(b, "customer-%" PRId64 ".company-%" PRId64 "@ringmaster.invalid", customer_id, company_id);
}

void calcom_print_cancel(struct buffer *b, struct slice reason)
{
    struct json_writer w = json_writer_over(b);
    json_begin_object(&w, nullptr);
    json_add_text(&w, "cancellationReason", slice_take(reason, CALCOM_REASON_BYTES_MAX));
    json_end_object(&w);
}

static bool is_unreserved(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_' || c == '~';
}

static void add_encoded(struct buffer *b, struct slice text)
{
    static const char digits[] = "0123456789ABCDEF";
    for (size_t n = 0; n < text.length; n++) {
        uint8_t byte = (uint8_t)text.start[n];
        if (is_unreserved(text.start[n])) buffer_add_byte(b, text.start[n]);
        else buffer_add(b, slice_from((char[]){ '%', digits[byte >> 4], digits[byte & 15] }, 3));
    }
}

static void add_instant(struct buffer *b, int64_t at_us)
{
    char          memory[32];
    struct buffer text = buffer_over(memory, sizeof memory);
    instant_print(&text, at_us);
    add_encoded(b, buffer_slice(&text));
}

void calcom_print_booking_target(struct buffer *b, struct slice uid, const char *verb)
{
    buffer_add(b, slice_of("/bookings/"));
    add_encoded(b, uid);
    buffer_add(b, slice_from_text(verb));
}

/* No `status`: cancelled and rejected ones are wanted too. The newest first: what is looked for was made a moment ago. The end is asked for a day after
 * the start, the longest that an event type can be: had its length been changed over there, a booking of ours would end late and pass for absent. */
void calcom_print_find_target(struct buffer *b, const struct calcom_find *f, bool by_email, uint32_t skip)
{
    buffer_print(b, "/bookings?eventTypeId=%" PRId64, f->event_type_id);
    if (by_email) {
        buffer_add(b, slice_of("&attendeeEmail="));
        add_encoded(b, f->attendee_email);
    }
    buffer_add(b, slice_of("&afterStart="));
    add_instant(b, f->starts_at_us);
    buffer_add(b, slice_of("&beforeEnd="));
    add_instant(b, f->starts_at_us + event_length_us_max);
    buffer_print(b, "&sortCreated=desc&take=%d&skip=%" PRIu32, CALCOM_BOOKINGS_PER_PAGE, skip);
}

void calcom_print_slots_target(struct buffer *b, int64_t event_type_id, int64_t from_us, int64_t until_us, struct slice time_zone)
{
    buffer_print(b, "/slots?eventTypeId=%" PRId64 "&start=", event_type_id);
    add_instant(b, from_us);
    buffer_add(b, slice_of("&end="));
    add_instant(b, until_us);
    if (time_zone.length == 0) return;
    buffer_add(b, slice_of("&timeZone="));
    add_encoded(b, time_zone);
}

void calcom_print_event_type_target(struct buffer *b, int64_t id) { buffer_print(b, "/event-types/%" PRId64, id); }

/* -- what comes back -- */

struct envelope_read { struct json_document *document; const struct json_value *root, *data; };

/* false: not an envelope that says success. To be released either way. */
static bool open_envelope(struct slice answer, struct heap *heap, struct envelope_read *e)
{
    struct json_error error;
    *e = (struct envelope_read){ .document = json_parse(answer, heap, &error) };
    if (!e->document) return false;
    e->root = json_root(e->document);
    e->data = json_get(e->root, "data");
    return slice_equal(json_get_text(e->root, "status"), slice_of("success"));
}

/* A number, or a number as text: Cal.com's ids have been both. 0: absent, or neither ("unknown"). */
static int64_t integer_of(const struct json_value *v)
{
    int64_t  integer;
    uint64_t from_text;
    if (json_integer(v, &integer)) return integer;
    return slice_to_u64(json_text(v), INT64_MAX, &from_text) ? (int64_t)from_text : 0;
}

/* A text over its bound, or with a zero byte in it, is none of ours and is not compared in part. */
static void copy_text(char *to, size_t capacity, struct slice text)
{
    bool fits = text.length < capacity && (text.length == 0 || !memchr(text.start, 0, text.length));
    size_t length = fits ? text.length : 0;
    if (length > 0) memcpy(to, text.start, length);
    to[length] = 0;
}
#define copy_into(array, text) copy_text((array), sizeof(array), (text))

static bool instant_of(const struct json_value *object, const char *key, int64_t *at_us)
{
    struct slice text = json_get_text(object, key);
    return text.length > 0 && instant_parse(text, at_us);
}

static enum calcom_booking_status status_of(struct slice text)
{
    static const struct { struct slice name; enum calcom_booking_status status; } names[] = {
        { slice_of("accepted"), CALCOM_ACCEPTED },   { slice_of("pending"), CALCOM_PENDING },
        { slice_of("cancelled"), CALCOM_CANCELLED }, { slice_of("rejected"), CALCOM_REJECTED },
    };
    for (size_t n = 0; n < sizeof names / sizeof *names; n++)
        if (slice_equal_ignoring_case(text, names[n].name)) return names[n].status;
    return CALCOM_STATUS_OTHER;
}

static bool email_is(const struct json_value *attendee, struct slice email)
{
    return slice_equal_ignoring_case(json_get_text(attendee, "email"), email) || slice_equal_ignoring_case(json_get_text(attendee, "displayEmail"), email);
}

/* Co-hosts of collective and round-robin bookings stand among the attendees. The booker is the one whom the booking's own form names; else the first. */
static const struct json_value *booker_of(const struct json_value *booking)
{
    struct slice             email = json_get_text(json_get(booking, "bookingFieldsResponses"), "email");
    struct json_iterator     attendees = json_each(json_get(booking, "attendees"));
    const struct json_value *attendee, *first = nullptr;
    while (json_next(&attendees, nullptr, &attendee)) {
        if (!first) first = attendee;
        if (email.length > 0 && email_is(attendee, email)) return attendee;
    }
    return first;
}

static void read_people(const struct json_value *v, struct calcom_booking *b)
{
    const struct json_value *booker = booker_of(v), *form = json_get(v, "bookingFieldsResponses"), *host;
    struct slice             email = json_get_text(booker, "email"), phone = json_get_text(booker, "phoneNumber");
    copy_into(b->attendee_email, email.length > 0 ? email : json_get_text(form, "email"));
    copy_into(b->attendee_display_email, json_get_text(booker, "displayEmail"));
    copy_into(b->attendee_phone, phone.length > 0 ? phone : json_get_text(form, "attendeePhoneNumber"));

    struct json_iterator hosts = json_each(json_get(v, "hosts"));
    if (json_next(&hosts, nullptr, &host)) copy_into(b->host_name, json_get_text(host, "name"));
}

static bool read_times(const struct json_value *v, struct calcom_booking *b)
{
    int64_t minutes = integer_of(json_get(v, "duration"));
    (void)instant_of(v, "createdAt", &b->created_at_us);
    if (!instant_of(v, "start", &b->starts_at_us)) return false;
    if (instant_of(v, "end", &b->ends_at_us)) return true;
    if (minutes <= 0 || minutes > event_length_us_max / minute_us) return false;
    b->ends_at_us = b->starts_at_us + minutes * minute_us;
    return true;
}

static bool read_booking(const struct json_value *v, struct calcom_booking *b)
{
    *b = (struct calcom_booking){ .id = integer_of(json_get(v, "id")), .event_type_id = integer_of(json_get(v, "eventTypeId")) };
    if (b->event_type_id == 0) b->event_type_id = integer_of(json_get(json_get(v, "eventType"), "id"));

    const struct json_value *metadata = json_get(v, "metadata");
    b->has_metadata = json_length(metadata) > 0;
    b->of_series = json_get_text(v, "recurringBookingUid").length > 0;
    copy_into(b->reference, json_get_text(metadata, "engineRef"));
    copy_into(b->uid, json_get_text(v, "uid"));
    copy_into(b->rescheduled_to_uid, json_get_text(v, "rescheduledToUid"));
    read_people(v, b);

    struct slice status = json_get_text(v, "status");
    b->status = status_of(status);
    return b->uid[0] != 0 && status.length > 0 && read_times(v, b);
}

/* A recurring booking's `data` is an array; we book none of those, but one occurrence of one may be asked for. */
static const struct json_value *first_of(const struct json_value *data)
{
    const struct json_value *first = nullptr;
    struct json_iterator     each = json_each(data);
    if (json_type_of(data) != JSON_ARRAY) return data;
    return json_next(&each, nullptr, &first) ? first : nullptr;
}

bool calcom_read_booking(struct slice answer, struct heap *heap, struct calcom_booking *b)
{
    struct envelope_read e;
    bool readable = open_envelope(answer, heap, &e) && read_booking(first_of(e.data), b);
    json_release(e.document, heap);
    return readable;
}

static bool created_before(const struct calcom_booking *a, const struct calcom_booking *b)
{
    return a->created_at_us != b->created_at_us ? a->created_at_us < b->created_at_us : a->id < b->id;
}

/* Offset paging shows a booking twice when a newer one comes in between; taken for two, the flow would cancel one of them, and with it the other. */
static bool is_kept(const struct calcom_op *op, const char *uid)
{
    for (uint32_t n = 0; n < op->booking_count; n++)
        if (strcmp(op->bookings[n].uid, uid) == 0) return true;
    return false;
}

static void keep_booking(struct calcom_op *op, const struct calcom_booking *b)
{
    if (is_kept(op, b->uid)) return;
    uint32_t at = op->booking_count;
    while (at > 0 && created_before(b, &op->bookings[at - 1])) at -= 1;
    if (op->booking_count == CALCOM_BOOKINGS_KEPT_MAX) {
        op->more_matches = true;
        if (at == CALCOM_BOOKINGS_KEPT_MAX) return;
        op->booking_count -= 1;
    }
    memmove(&op->bookings[at + 1], &op->bookings[at], (op->booking_count - at) * sizeof *b);
    op->bookings[at] = *b;
    op->booking_count += 1;
}

static bool is_last_page(const struct json_value *root, uint32_t count)
{
    bool has_next = count >= CALCOM_BOOKINGS_PER_PAGE;
    (void)json_boolean(json_get(json_get(root, "pagination"), "hasNextPage"), &has_next);
    return !has_next || count == 0;
}

static bool read_page(const struct envelope_read *e, const struct calcom_find *wanted, struct calcom_op *op, struct calcom_page *page)
{
    if (json_type_of(e->data) != JSON_ARRAY) return false;
    struct json_iterator     each = json_each(e->data);
    const struct json_value *item;
    while (json_next(&each, nullptr, &item)) {
        struct calcom_booking b;
        if (!read_booking(item, &b)) return false; /* it may be ours: what cannot be read must not pass for absent (B7) */
        if (calcom_verify(&b, wanted) != CALCOM_FOREIGN) keep_booking(op, &b);
    }
    *page = (struct calcom_page){ .count = json_length(e->data), .is_last = is_last_page(e->root, json_length(e->data)) };
    return true;
}

bool calcom_read_page(struct slice answer, struct heap *heap, const struct calcom_find *wanted, struct calcom_op *op, struct calcom_page *page)
{
    struct envelope_read e;
    bool readable = open_envelope(answer, heap, &e) && read_page(&e, wanted, op, page);
    json_release(e.document, heap);
    return readable;
}

static void keep_slot(struct calcom_op *op, int64_t at_us)
{
    uint32_t at = op->slot_count;
    while (at > 0 && op->slots_us[at - 1] > at_us) at -= 1;
    if (at == CALCOM_SLOTS_MAX || (at > 0 && op->slots_us[at - 1] == at_us)) return;
    if (op->slot_count == CALCOM_SLOTS_MAX) op->slot_count -= 1;
    memmove(&op->slots_us[at + 1], &op->slots_us[at], (op->slot_count - at) * sizeof *op->slots_us);
    op->slots_us[at] = at_us;
    op->slot_count += 1;
}

static void read_day(const struct json_value *day, int64_t from_us, int64_t until_us, struct calcom_op *op)
{
    struct json_iterator     slots = json_each(day);
    const struct json_value *slot;
    while (json_next(&slots, nullptr, &slot)) {
        /* Objects in practice; the published schema says texts. */
        struct slice start = json_type_of(slot) == JSON_TEXT ? json_text(slot) : json_get_text(slot, "start");
        int64_t      at_us;
        if (start.length == 0 || !instant_parse(start, &at_us)) continue;
        if (at_us >= from_us && at_us < until_us) keep_slot(op, at_us); /* Cal.com has offered what lies outside, and then refused it */
    }
}

bool calcom_read_slots(struct slice answer, struct heap *heap, int64_t from_us, int64_t until_us, struct calcom_op *op)
{
    struct envelope_read     e;
    const struct json_value *day;
    bool readable = open_envelope(answer, heap, &e) && json_type_of(e.data) == JSON_OBJECT;
    if (readable)
        for (struct json_iterator days = json_each(e.data); json_next(&days, nullptr, &day);) read_day(day, from_us, until_us, op);
    json_release(e.document, heap);
    return readable;
}

/* Policies and limits are objects; `disabled` in one means that there is none. */
static bool is_in_force(const struct json_value *policy)
{
    bool disabled = false;
    (void)json_boolean(json_get(policy, "disabled"), &disabled);
    return json_type_of(policy) == JSON_OBJECT && json_length(policy) > 0 && !disabled;
}

static bool read_event_type(const struct json_value *v, struct calcom_event_type *e)
{
    struct slice kind = json_get_text(v, "schedulingType");
    int64_t      minutes = integer_of(json_get(v, "lengthInMinutes"));
    bool         managed = slice_equal_ignoring_case(kind, slice_of("managed"));
    *e = (struct calcom_event_type){
        .id = integer_of(json_get(v, "id")),
        .length_minutes = minutes > 0 && minutes <= UINT32_MAX ? (uint32_t)minutes : 0,
        .requires_confirmation = is_in_force(json_get(v, "confirmationPolicy")),
        .seats = is_in_force(json_get(v, "seats")),
        .recurring = is_in_force(json_get(v, "recurrence")),
        .managed_parent = managed && integer_of(json_get(v, "parentEventTypeId")) == 0,
        .collective = slice_equal_ignoring_case(kind, slice_of("collective")),
        .round_robin = slice_equal_ignoring_case(kind, slice_of("roundRobin")) || slice_equal_ignoring_case(kind, slice_of("round_robin")),
    };
    return e->id != 0 && e->length_minutes != 0;
}

bool calcom_read_event_type(struct slice answer, struct heap *heap, struct calcom_event_type *e)
{
    struct envelope_read envelope;
    bool readable = open_envelope(answer, heap, &envelope) && read_event_type(first_of(envelope.data), e);
    json_release(envelope.document, heap);
    return readable;
}

bool calcom_read_me(struct slice answer, struct heap *heap)
{
    struct envelope_read e;
    bool readable = open_envelope(answer, heap, &e) && integer_of(json_get(e.data, "id")) != 0;
    json_release(e.document, heap);
    return readable;
}

bool calcom_read_success(struct slice answer, struct heap *heap)
{
    struct envelope_read e;
    bool readable = open_envelope(answer, heap, &e);
    json_release(e.document, heap);
    return readable;
}
