/* What each endpoint of the simulated Cal.com does and says (calcom.md 2 to 7). One function each; they decide at once and wait for nothing. */
#include <stdio.h>
#include <stdlib.h>
#include "base/ensure.h"
#include "sim/answers.h"
#include "sim/calendar.h"
#include "sim/host.h"
#include "sim/query.h"
#include "sim/simulator.h"
#include "sim/tokens.h"
#include "sim/workspace.h"
#include "sim/world_file.h"

static const int64_t minute_us = 60'000'000;

void endpoint_refuse(const struct sim_request *r, struct sim_answer *a, const struct sim_refusal *refusal)
{
    a->status = refusal->status;
    a->body.length = 0; /* whatever was begun */
    a->content_type = refusal->shape == SIM_SHAPE_HTML ? "text/html" : "application/json; charset=utf-8";
    answer_refusal(&a->body, refusal, r->path, r->body, r->now_us);
}

[[gnu::format(printf, 4, 5)]] static void say_no(const struct sim_request *r, struct sim_answer *a, uint16_t status, const char *format, ...)
{
    struct sim_refusal refusal = { .status = status, .shape = SIM_SHAPE_EXCEPTION };
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(refusal.message, sizeof refusal.message, format, arguments);
    va_end(arguments);
    endpoint_refuse(r, a, &refusal);
}

/* What the global validator says: shape B, echoing the input. */
static void say_invalid(const struct sim_request *r, struct sim_answer *a, const char *what)
{
    struct sim_refusal refusal;
    refuse(&refusal, 400, SIM_SHAPE_VALIDATION, "%s", what);
    endpoint_refuse(r, a, &refusal);
}

/* -- bookings -- */

void endpoint_say_booking(struct sim_answer *a, uint16_t status, const struct sim_booking *b)
{
    struct json_writer w;
    a->status = status;
    answer_begin(&w, &a->body);
    answer_booking(&w, "data", b);
    answer_end(&w);
}

void endpoint_say_series(struct sim_answer *a, uint16_t status, const struct sim_booking *first, uint32_t count)
{
    struct json_writer w;
    a->status = status;
    answer_begin(&w, &a->body);
    json_begin_array(&w, "data");
    for (uint32_t i = 0; i < count; i++) answer_booking(&w, nullptr, first + i);
    json_end_array(&w);
    answer_end(&w);
}

/* The filters of a list; an instant of 0 is no filter. */
struct booking_filter {
    struct slice email, name, uid, event_types, statuses;
    int64_t      after_start_us, before_end_us, after_created_us, before_created_us, after_updated_us, before_updated_us;
    int64_t      visible_until_us; /* the replica's */
    int64_t      now_us;
};

static bool is_of_type(struct slice ids, const struct sim_booking *b)
{
    while (!slice_is_absent(ids)) {
        uint64_t id;
        if (slice_to_u64(slice_trim(slice_split(&ids, ',')), INT64_MAX, &id) && (int64_t)id == b->type->id) return true;
    }
    return false;
}

static bool has_status(struct slice statuses, const struct sim_booking *b, int64_t now_us)
{
    while (!slice_is_absent(statuses)) {
        struct slice s = slice_trim(slice_split(&statuses, ','));
        bool live = booking_is_live(b);
        if (slice_equal(s, slice_of("upcoming")) && live && b->ends_at_us >= now_us) return true;
        if (slice_equal(s, slice_of("past")) && live && b->ends_at_us < now_us) return true;
        if (slice_equal(s, slice_of("cancelled")) && !live) return true;
        if (slice_equal(s, slice_of("unconfirmed")) && b->status == SIM_PENDING) return true;
    }
    return false;
}

static bool filter_passes(const struct booking_filter *f, const struct sim_booking *b)
{
    if (b->committed_at_us > f->visible_until_us) return false;
    if (!slice_is_absent(f->email) && !slice_equal(slice_trim(f->email), b->attendee_email)) return false;
    if (!slice_is_absent(f->name) && !slice_equal(slice_trim(f->name), b->attendee_name)) return false;
    if (!slice_is_absent(f->uid) && !slice_equal(f->uid, slice_from_text(b->uid))) return false;
    if (!slice_is_absent(f->event_types) && !is_of_type(f->event_types, b)) return false;
    if (!slice_is_absent(f->statuses) && !has_status(f->statuses, b, f->now_us)) return false;
    if (f->after_start_us && b->starts_at_us < f->after_start_us) return false;
    if (f->before_end_us && b->ends_at_us > f->before_end_us) return false;
    if (f->after_created_us && b->created_at_us < f->after_created_us) return false;
    if (f->before_created_us && b->created_at_us > f->before_created_us) return false;
    if (f->after_updated_us && b->updated_at_us < f->after_updated_us) return false;
    return !f->before_updated_us || b->updated_at_us <= f->before_updated_us;
}

static bool read_instant(const struct sim_request *r, const char *name, struct buffer *memory, int64_t *at_us)
{
    struct slice text = query_get(r->query, name, memory);
    return slice_is_absent(text) || instant_parse(text, at_us);
}

static bool read_filter(const struct sim_request *r, struct buffer *memory, struct booking_filter *f)
{
    *f = (struct booking_filter){ .visible_until_us = r->visible_until_us, .now_us = r->now_us };
    f->email = query_get(r->query, "attendeeEmail", memory);
    f->name = query_get(r->query, "attendeeName", memory);
    f->uid = query_get(r->query, "bookingUid", memory);
    f->statuses = query_get(r->query, "status", memory);
    f->event_types = query_get(r->query, "eventTypeIds", memory);
    if (slice_is_absent(f->event_types)) f->event_types = query_get(r->query, "eventTypeId", memory);
    return read_instant(r, "afterStart", memory, &f->after_start_us) && read_instant(r, "beforeEnd", memory, &f->before_end_us) &&
           read_instant(r, "afterCreatedAt", memory, &f->after_created_us) && read_instant(r, "beforeCreatedAt", memory, &f->before_created_us) &&
           read_instant(r, "afterUpdatedAt", memory, &f->after_updated_us) && read_instant(r, "beforeUpdatedAt", memory, &f->before_updated_us);
}

struct booking_order { enum : uint8_t { BY_NOTHING, BY_START, BY_END, BY_CREATED, BY_UPDATED } key; bool descending; };

static int64_t order_value(const struct sim_booking *b, const struct booking_order *o)
{
    switch (o->key) {
    case BY_NOTHING: return b->id;
    case BY_START:   return b->starts_at_us;
    case BY_END:     return b->ends_at_us;
    case BY_CREATED: return b->created_at_us;
    case BY_UPDATED: return b->updated_at_us;
    }
    ensure(false);
}

static int compare_bookings(const void *a, const void *b, void *order)
{
    const struct booking_order *o = order;
    const struct sim_booking *x = *(const struct sim_booking *const *)a, *y = *(const struct sim_booking *const *)b;
    int64_t p = order_value(x, o), q = order_value(y, o);
    if (p == q) p = x->id, q = y->id;
    int ascending = p < q ? -1 : p > q;
    return o->descending ? -ascending : ascending;
}

static struct booking_order read_order(const struct sim_request *r, struct buffer *memory)
{
    static const char *const names[] = { "sortStart", "sortEnd", "sortCreated", "sortUpdatedAt" };
    for (uint8_t i = 0; i < 4; i++) {
        struct slice direction = query_get(r->query, names[i], memory);
        if (!slice_is_absent(direction)) return (struct booking_order){ .key = BY_START + i, .descending = slice_equal(direction, slice_of("desc")) };
    }
    return (struct booking_order){ 0 };
}

static uint32_t read_page_number(const struct sim_request *r, const char *name, uint32_t otherwise, struct buffer *memory)
{
    uint64_t value;
    return slice_to_u64(query_get(r->query, name, memory), UINT32_MAX, &value) ? (uint32_t)value : otherwise;
}

static void list_bookings(struct simulator *s, const struct sim_request *r, struct sim_answer *a)
{
    struct sim_booking **found = s->world.workspace->found;
    char memory[2048];
    struct buffer b = buffer_over(memory, sizeof memory);
    struct booking_filter filter;
    uint32_t take = read_page_number(r, "take", 100, &b), skip = read_page_number(r, "skip", 0, &b), total = 0, returned = 0;
    if (!read_filter(r, &b, &filter)) return say_invalid(r, a, "dates must be valid ISO 8601 date strings");
    if (take < 1 || take > 250) return say_invalid(r, a, "take must not be less than 1 and not greater than 250");

    for (uint32_t i = 0; i < s->world.booking_count; i++)
        if (account_sees_booking(r->account, &s->world.bookings[i]) && filter_passes(&filter, &s->world.bookings[i])) found[total++] = &s->world.bookings[i];
    struct booking_order order = read_order(r, &b);
    qsort_r(found, total, sizeof *found, compare_bookings, &order);

    struct json_writer w;
    a->status = 200;
    answer_begin(&w, &a->body);
    json_begin_array(&w, "data");
    for (uint32_t i = skip; i < total && returned < take; i++, returned++) answer_booking(&w, nullptr, found[i]);
    json_end_array(&w);
    answer_pagination(&w, total, skip, returned, take);
    answer_end(&w);
}

static struct sim_booking *find_booking(struct simulator *s, const struct sim_request *r, struct sim_answer *a)
{
    struct sim_booking *b = world_find_booking(&s->world, r->segment);
    if (!b) say_no(r, a, 404, "Booking with uid=" SLICE_FORMAT " was not found in the database", slice_print(slice_take(r->segment, 60)));
    return b;
}

/* The rows of a series lie side by side. nullptr: no series has that uid. */
static struct sim_booking *find_series(struct simulator *s, struct slice uid, uint32_t *count)
{
    struct sim_booking *first = nullptr;
    *count = 0;
    for (uint32_t i = 0; i < s->world.booking_count; i++) {
        struct sim_booking *b = &s->world.bookings[i];
        if (slice_is_empty(uid) || b->rescheduled_from || !slice_equal(uid, slice_from_text(b->recurring_uid))) continue;
        if (!first) first = b;
        *count += 1;
    }
    return first;
}

static void get_booking(struct simulator *s, const struct sim_request *r, struct sim_answer *a)
{
    uint32_t count;
    const struct sim_booking *series = find_series(s, r->segment, &count);
    if (series) return endpoint_say_series(a, 200, series, count);
    const struct sim_booking *b = find_booking(s, r, a);
    if (b) endpoint_say_booking(a, 200, b);
}

/* The bodies of writes are read strictly. */
static bool body_is_known(const struct sim_request *r, struct sim_answer *a, const char *const *fields, uint32_t field_count)
{
    struct json_iterator each = json_each(r->json);
    struct slice key;
    const struct json_value *value;
    while (json_next(&each, &key, &value)) {
        bool known = false;
        for (uint32_t i = 0; i < field_count; i++) known |= slice_equal(key, slice_from_text(fields[i]));
        if (known) continue;
        int length = (int)(key.length < 40 ? key.length : 40);
        say_no(r, a, 400, SLICE_FORMAT " property is wrong,property " SLICE_FORMAT " should not exist ", length, key.start, length, key.start);
        return false;
    }
    return true;
}

static bool is_host(const struct sim_request *r, const struct sim_booking *b) { return r->account && account_sees_booking(r->account, b); }

/* From the first that is still to come, or from this occurrence on. */
static void cancel_series(struct simulator *s, const struct sim_request *r, struct sim_answer *a, struct slice recurring_uid, int64_t from_us)
{
    uint32_t count;
    const struct sim_booking *first = find_series(s, recurring_uid, &count);
    struct slice reason = json_get_text(r->json, "cancellationReason");
    if (is_host(r, first) && slice_is_empty(reason)) return say_no(r, a, 400, "Cancellation reason is required when you are the host");
    struct sim_booking *b = booking_cancel_one_of_series(&s->world, recurring_uid, from_us, reason, r->now_us);
    if (!b)
        return say_no(r, a, 400, "Can't cancel booking with uid=" SLICE_FORMAT " because it has been cancelled already. Please provide uid of a booking that is not cancelled.",
                      slice_print(slice_take(r->segment, 60)));
    for (; b; b = booking_cancel_one_of_series(&s->world, recurring_uid, from_us, reason, r->now_us)) webhooks_send(s, SIM_BOOKING_CANCELLED, b, &r->cause);
    endpoint_say_series(a, 200, first, count);
}

static void cancel_booking(struct simulator *s, const struct sim_request *r, struct sim_answer *a)
{
    static const char *const fields[] = { "cancellationReason", "cancelSubsequentBookings", "seatUid" };
    uint32_t count;
    bool subsequent = false;
    if (find_series(s, r->segment, &count)) return cancel_series(s, r, a, r->segment, r->now_us);
    struct sim_booking *b = find_booking(s, r, a);
    if (!b || !body_is_known(r, a, fields, 3)) return;
    (void)json_boolean(json_get(r->json, "cancelSubsequentBookings"), &subsequent);
    if (subsequent && b->recurring_uid[0]) return cancel_series(s, r, a, slice_from_text(b->recurring_uid), b->starts_at_us);
    struct sim_refusal refusal;
    if (!booking_cancel(&s->world, b, is_host(r, b), json_get_text(r->json, "cancellationReason"), r->now_us, &refusal)) return endpoint_refuse(r, a, &refusal);
    if (!r->is_told) webhooks_send(s, SIM_BOOKING_CANCELLED, b, &r->cause);
    endpoint_say_booking(a, 200, b);
}

void endpoint_announce(struct simulator *s, struct sim_request *r)
{
    const struct sim_booking *b = r->endpoint == SIM_CANCEL_BOOKING ? world_find_booking(&s->world, r->segment) : nullptr;
    r->is_told = b && booking_is_live(b);
    if (r->is_told) webhooks_send(s, SIM_BOOKING_CANCELLED, b, &r->cause);
}

/* Availability and commit in one step: of two that move one booking the second is told where it went. */
static void reschedule_booking(struct simulator *s, const struct sim_request *r, struct sim_answer *a)
{
    static const char *const fields[] = { "start", "reschedulingReason", "rescheduledBy", "emailVerificationCode", "seatUid" };
    struct sim_booking *old = find_booking(s, r, a);
    if (!old || !body_is_known(r, a, fields, 5)) return;
    struct sim_move move = { .reason = json_get_text(r->json, "reschedulingReason"), .by = json_get_text(r->json, "rescheduledBy") };
    if (!instant_parse(json_get_text(r->json, "start"), &move.starts_at_us)) return say_no(r, a, 400, "start property is wrong,start must be a valid ISO 8601 date string ");
    struct sim_refusal refusal;
    struct sim_booking *b = booking_reschedule(&s->world, old, &move, r->now_us, &refusal);
    if (!b) return endpoint_refuse(r, a, &refusal);
    b->committed_at_us = s->shard->wall_us;
    webhooks_send(s, b->status == SIM_PENDING ? SIM_BOOKING_REQUESTED : SIM_BOOKING_RESCHEDULED, b, &r->cause);
    endpoint_say_booking(a, 201, b);
}

static void settle_booking(struct simulator *s, const struct sim_request *r, struct sim_answer *a)
{
    bool accepted = r->endpoint == SIM_CONFIRM_BOOKING;
    struct sim_booking *b = find_booking(s, r, a);
    if (!b) return;
    if (!is_host(r, b)) return say_no(r, a, 403, "You are not authorized to manage this booking");
    if (!booking_confirm_by_host(b, accepted, r->now_us)) return say_no(r, a, 400, "Booking already %s", b->status == SIM_ACCEPTED ? "confirmed" : sim_status_name(b->status));
    webhooks_send(s, accepted ? SIM_BOOKING_CREATED : SIM_BOOKING_REJECTED, b, &r->cause);
    endpoint_say_booking(a, 200, b);
}

static void oauth_token(struct simulator *s, const struct sim_request *r, struct sim_answer *a)
{
    struct sim_refusal refusal;
    a->status = 200;
    if (!tokens_refresh(&s->world, r->body, r->json, r->now_us, &a->body, &refusal)) endpoint_refuse(r, a, &refusal);
}

static void booking_references(struct simulator *s, const struct sim_request *r, struct sim_answer *a)
{
    const struct sim_booking *b = find_booking(s, r, a);
    if (!b) return;
    struct json_writer w;
    a->status = 200;
    answer_begin(&w, &a->body);
    json_begin_array(&w, "data");
    if (b->has_references) {
        json_begin_object(&w, nullptr);
        json_add_text(&w, "type", slice_of("google_calendar"));
        json_add_text(&w, "eventUid", slice_from_text(b->uid));
        json_add_integer(&w, "id", b->id);
        json_end_object(&w);
    }
    json_end_array(&w);
    answer_end(&w);
}

/* -- slots -- */

/* A bare date is its first moment in UTC, or its last: not in the asked zone. */
static bool read_edge(const struct sim_request *r, const char *name, bool last, struct buffer *memory, int64_t *at_us)
{
    struct slice text = query_get(r->query, name, memory);
    struct wall_time date;
    char full[40];
    if (instant_parse(text, at_us)) return true;
    if (!date_parse(text, &date)) return false;
    snprintf(full, sizeof full, SLICE_FORMAT "T%sZ", slice_print(text), last ? "23:59:59" : "00:00:00");
    return instant_parse(slice_from_text(full), at_us);
}

static const struct sim_event_type *asked_type(struct simulator *s, const struct sim_request *r, struct buffer *memory)
{
    uint64_t id;
    if (slice_to_u64(query_get(r->query, "eventTypeId", memory), INT64_MAX, &id)) return world_find_event_type(&s->world, (int64_t)id);
    struct slice slug = query_get(r->query, "eventTypeSlug", memory), username = query_get(r->query, "username", memory);
    for (uint32_t i = 0; i < s->world.event_type_count; i++) {
        const struct sim_event_type *t = &s->world.event_types[i];
        if (!slice_is_absent(slug) && slice_equal(t->slug, slug) && slice_equal(t->hosts[0]->username, username)) return t;
    }
    return nullptr;
}

static uint32_t slots_today(struct simulator *s, const struct sim_request *r, const struct sim_event_type *t, struct sim_stretch range, int64_t *starts_us)
{
    static const int64_t leak_us = 24 * 60 * minute_us;
    char memory[64];
    struct buffer b = buffer_over(memory, sizeof memory);
    const struct sim_booking *ignored = world_find_booking(&s->world, query_get(r->query, "bookingUidToReschedule", &b));
    struct sim_world seen = s->world;
    switch (s->world.settings.slots_mode) {
    case SIM_SLOTS_NORMAL:
    case SIM_SLOTS_STRINGS: break;
    case SIM_SLOTS_EMPTY:   return 0;
    case SIM_SLOTS_STALE:   seen.booking_count = 0; break; /* a cache from before all bookings */
    case SIM_SLOTS_LEAK:    range = (struct sim_stretch){ range.from_us - leak_us, range.until_us + leak_us }; break;
    }
    return event_type_slots(&seen, t, range, r->now_us, ignored, starts_us, sim_slots_max);
}

/* Between this answer and whatever is booked because of it, the hosts have found something else to do. */
static void take_time(const struct sim_event_type *t, int64_t starts_at_us)
{
    for (uint32_t i = 0; i < t->host_count; i++)
        (void)host_add_busy(t->hosts[i], (struct sim_stretch){ starts_at_us, starts_at_us + t->length_minutes * minute_us }); /* without room they stay free */
}

static void list_slots(struct simulator *s, const struct sim_request *r, struct sim_answer *a)
{
    int64_t *starts_us = s->world.workspace->starts_us;
    char memory[512];
    struct buffer b = buffer_over(memory, sizeof memory);
    struct sim_stretch range;
    if (!read_edge(r, "start", false, &b, &range.from_us)) return say_invalid(r, a, "start must be a valid ISO 8601 date string");
    if (!read_edge(r, "end", true, &b, &range.until_us)) return say_invalid(r, a, "end must be a valid ISO 8601 date string");
    if (range.from_us >= range.until_us) return say_no(r, a, 400, "Invalid time range given - check the 'start' and 'end' query parameters.");
    if (range.until_us - range.from_us > 400 * 24 * 60 * minute_us) return say_no(r, a, 400, "Invalid time range given - longer than the simulator looks ahead.");
    const struct sim_event_type *t = asked_type(s, r, &b);
    if (!t || t->kind == SIM_MANAGED) return say_no(r, a, 404, "Event Type not found");

    struct slice zone_name = query_get(r->query, "timeZone", &b);
    struct time_zone *zone = time_zone_open(slice_is_absent(zone_name) ? slice_of("UTC") : zone_name);
    if (!zone) return say_invalid(r, a, "timeZone must be a valid IANA time-zone");
    struct answer_slots_form form = { .zone = zone,
                                      .strings = s->world.settings.slots_mode == SIM_SLOTS_STRINGS,
                                      .range = slice_equal(query_get(r->query, "format", &b), slice_of("range")),
                                      .length_minutes = t->length_minutes };
    uint32_t count = slots_today(s, r, t, range, starts_us);
    if (r->host_act == SIM_HOST_BECOMES_BUSY && count > 0) take_time(t, starts_us[0]);
    struct json_writer w;
    a->status = 200;
    answer_begin(&w, &a->body);
    answer_slots(&w, "data", starts_us, count, &form);
    answer_end(&w);
    time_zone_close(zone);
}

/* -- reservations -- */

static bool has_live_booking(const struct sim_world *w, const struct sim_event_type *t, int64_t starts_at_us, int64_t ends_at_us)
{
    for (uint32_t i = 0; i < w->booking_count; i++) {
        const struct sim_booking *b = &w->bookings[i];
        if (booking_is_live(b) && b->type == t && b->starts_at_us < ends_at_us && starts_at_us < b->ends_at_us) return true;
    }
    return false;
}

static bool is_reserved(const struct sim_world *w, const struct sim_event_type *t, int64_t starts_at_us, int64_t ends_at_us, int64_t now_us, const struct sim_reservation *own)
{
    for (uint32_t i = 0; i < w->reservation_count; i++) {
        const struct sim_reservation *r = &w->reservations[i];
        if (r != own && r->live && r->until_us > now_us && r->type == t && r->starts_at_us < ends_at_us && starts_at_us < r->ends_at_us) return true;
    }
    return false;
}

static bool owns_type(const struct sim_account *a, const struct sim_event_type *t)
{
    for (uint32_t i = 0; i < t->host_count; i++)
        if (account_has_user(a, t->hosts[i]->id)) return true;
    return false;
}

/* The body of POST and PATCH alike: what is reserved, from when, for how long. false: the answer is there. */
static bool read_reservation(struct simulator *s, const struct sim_request *r, struct sim_answer *a, struct sim_reservation *wanted, uint32_t *minutes)
{
    int64_t id = 0, duration = 0, starts_at_us = 0;
    if (!json_integer(json_get(r->json, "eventTypeId"), &id)) return say_invalid(r, a, "eventTypeId must be an integer number"), false;
    if (!instant_parse(json_get_text(r->json, "slotStart"), &starts_at_us)) return say_invalid(r, a, "slotStart must be a valid ISO 8601 date string"), false;
    const struct sim_event_type *t = world_find_event_type(&s->world, id);
    if (!t) return say_no(r, a, 404, "Event Type with ID=%lld not found", (long long)id), false;

    bool asks_duration = json_integer(json_get(r->json, "reservationDuration"), &duration);
    if (asks_duration && !r->account) return say_no(r, a, 401, "reservationDuration can only be used for authenticated requests."), false;
    if (asks_duration && !owns_type(r->account, t)) return say_no(r, a, 403, "reservationDuration can only be used by the event type's owner or team members."), false;
    if (asks_duration && (duration < 1 || duration > 1440)) return say_invalid(r, a, "reservationDuration must be at least 1"), false;
    *minutes = asks_duration ? (uint32_t)duration : 5;
    *wanted = (struct sim_reservation){ .type = t, .starts_at_us = starts_at_us, .ends_at_us = starts_at_us + t->length_minutes * minute_us, .duration_minutes = t->length_minutes,
                                        .until_us = r->now_us + *minutes * minute_us, .live = true };
    return true;
}

static void reserve_into(struct simulator *s, const struct sim_request *r, struct sim_answer *a, struct sim_reservation *place)
{
    struct sim_reservation wanted;
    uint32_t minutes;
    if (!read_reservation(s, r, a, &wanted, &minutes)) return;
    if (wanted.type->kind != SIM_ROUND_ROBIN && has_live_booking(&s->world, wanted.type, wanted.starts_at_us, wanted.ends_at_us))
        return say_no(r, a, 422, "Can't reserve a slot if the event is already booked.");
    if (is_reserved(&s->world, wanted.type, wanted.starts_at_us, wanted.ends_at_us, r->now_us, place))
        return say_no(r, a, 422, "This time slot is already reserved by another user. Please choose a different time.");

    bool is_new = !place;
    if (is_new) place = world_add_reservation(&s->world, r->now_us);
    if (!place) return say_no(r, a, 503, "the simulator is full");
    if (is_new) world_make_uuid(&s->world, wanted.uid);
    else memcpy(wanted.uid, place->uid, sizeof wanted.uid);
    *place = wanted;

    struct json_writer w;
    a->status = is_new ? 201 : 200;
    answer_begin(&w, &a->body);
    answer_reservation(&w, "data", place, minutes);
    answer_end(&w);
}

static struct sim_reservation *find_reservation(struct simulator *s, const struct sim_request *r)
{
    for (uint32_t i = 0; i < s->world.reservation_count; i++) {
        struct sim_reservation *place = &s->world.reservations[i];
        if (place->live && place->until_us > r->now_us && slice_equal(slice_from_text(place->uid), r->segment)) return place;
    }
    return nullptr;
}

static void reserve(struct simulator *s, const struct sim_request *r, struct sim_answer *a) { reserve_into(s, r, a, nullptr); }

static void get_reservation(struct simulator *s, const struct sim_request *r, struct sim_answer *a)
{
    struct json_writer w;
    a->status = 200;
    answer_begin(&w, &a->body);
    answer_reservation(&w, "data", find_reservation(s, r), 0);
    answer_end(&w);
}

static void change_reservation(struct simulator *s, const struct sim_request *r, struct sim_answer *a)
{
    struct sim_reservation *place = find_reservation(s, r);
    if (!place) return say_no(r, a, 404, "Reservation not found");
    reserve_into(s, r, a, place);
}

static void delete_reservation(struct simulator *s, const struct sim_request *r, struct sim_answer *a)
{
    struct sim_reservation *place = find_reservation(s, r);
    if (place) place->live = false;
    struct json_writer w;
    a->status = 200;
    answer_begin(&w, &a->body);
    answer_end(&w);
}

/* -- who and what -- */

static void me(struct simulator *s, const struct sim_request *r, struct sim_answer *a)
{
    struct json_writer w;
    a->status = 200;
    answer_begin(&w, &a->body);
    answer_user(&w, "data", world_find_user(&s->world, r->account->user_ids[0]));
    answer_end(&w);
}

static void list_event_types(struct simulator *s, const struct sim_request *r, struct sim_answer *a)
{
    struct json_writer w;
    a->status = 200;
    answer_begin(&w, &a->body);
    json_begin_array(&w, "data");
    for (uint32_t i = 0; i < s->world.event_type_count; i++)
        if (owns_type(r->account, &s->world.event_types[i])) answer_event_type(&w, nullptr, &s->world.event_types[i]);
    json_end_array(&w);
    answer_end(&w);
}

static void get_event_type(struct simulator *s, const struct sim_request *r, struct sim_answer *a)
{
    uint64_t id = 0;
    const struct sim_event_type *t = slice_to_u64(r->segment, INT64_MAX, &id) ? world_find_event_type(&s->world, (int64_t)id) : nullptr;
    if (!t || !owns_type(r->account, t)) return say_no(r, a, 404, "Event type with id=%llu not found", (unsigned long long)id);
    struct json_writer w;
    a->status = 200;
    answer_begin(&w, &a->body);
    answer_event_type(&w, "data", t);
    answer_end(&w);
}

/* -- webhook subscriptions -- */

static uint32_t account_index(const struct simulator *s, const struct sim_request *r) { return (uint32_t)(r->account - s->world.accounts); }

static struct sim_subscription *find_subscription(struct simulator *s, const struct sim_request *r)
{
    uint64_t id;
    if (!slice_to_u64(r->segment, INT64_MAX, &id)) return nullptr;
    for (uint32_t i = 0; i < s->world.subscription_count; i++) {
        struct sim_subscription *sub = &s->world.subscriptions[i];
        if (sub->live && sub->id == (int64_t)id && sub->account == account_index(s, r)) return sub;
    }
    return nullptr;
}

static void say_subscription(struct simulator *s, struct sim_answer *a, uint16_t status, const struct sim_subscription *sub)
{
    struct json_writer w;
    a->status = status;
    answer_begin(&w, &a->body);
    answer_subscription(&w, "data", &s->world, sub);
    answer_end(&w);
}

/* Triggers that the simulator never fires are taken and forgotten. */
static uint8_t read_triggers(const struct json_value *list)
{
    struct json_iterator each = json_each(list);
    const struct json_value *v;
    uint8_t triggers = 0;
    while (json_next(&each, nullptr, &v)) triggers |= sim_trigger_parse(json_text(v));
    return triggers;
}

static void create_webhook(struct simulator *s, const struct sim_request *r, struct sim_answer *a)
{
    struct slice url = json_get_text(r->json, "subscriberUrl");
    struct http_origin origin;
    if (!json_get(r->json, "triggers")) return say_invalid(r, a, "triggers must be an array");
    if (slice_is_empty(url) || url.length > 1000 || !http_origin_parse(url, &origin)) return say_invalid(r, a, "subscriberUrl must be a URL address");
    struct sim_subscription *sub = world_add_subscription(&s->world);
    if (!sub) return say_no(r, a, 503, "the simulator is full");
    sub->account = account_index(s, r);
    if (!subscription_fill(&s->world, sub, url, json_get_text(r->json, "secret"), read_triggers(json_get(r->json, "triggers")))) {
        world_drop_subscription(&s->world, sub);
        return say_no(r, a, 503, "the simulator is full");
    }
    (void)json_boolean(json_get(r->json, "active"), &sub->active);
    say_subscription(s, a, 201, sub);
}

static void list_webhooks(struct simulator *s, const struct sim_request *r, struct sim_answer *a)
{
    struct json_writer w;
    a->status = 200;
    answer_begin(&w, &a->body);
    json_begin_array(&w, "data");
    for (uint32_t i = 0; i < s->world.subscription_count; i++) {
        const struct sim_subscription *sub = &s->world.subscriptions[i];
        if (sub->live && sub->account == account_index(s, r)) answer_subscription(&w, nullptr, &s->world, sub);
    }
    json_end_array(&w);
    answer_end(&w);
}

/* GET, PATCH and DELETE of one. PATCH changes what it names. */
static void one_webhook(struct simulator *s, const struct sim_request *r, struct sim_answer *a)
{
    struct sim_subscription *sub = find_subscription(s, r);
    if (!sub) return say_no(r, a, 404, "Webhook with id=" SLICE_FORMAT " not found", slice_print(slice_take(r->segment, 40)));
    if (r->endpoint == SIM_CHANGE_WEBHOOK) {
        struct slice url = json_get(r->json, "subscriberUrl") ? json_get_text(r->json, "subscriberUrl") : sub->url;
        struct slice secret = json_get(r->json, "secret") ? json_get_text(r->json, "secret") : sub->secret;
        uint8_t triggers = json_get(r->json, "triggers") ? read_triggers(json_get(r->json, "triggers")) : sub->triggers;
        struct http_origin origin;
        if (!http_origin_parse(url, &origin)) return say_invalid(r, a, "subscriberUrl must be a URL address");
        if (!subscription_fill(&s->world, sub, url, secret, triggers)) return say_no(r, a, 503, "the simulator is full");
        (void)json_boolean(json_get(r->json, "active"), &sub->active);
    }
    say_subscription(s, a, 200, sub);
    if (r->endpoint == SIM_DELETE_WEBHOOK) world_drop_subscription(&s->world, sub);
}

void endpoint_answer(struct simulator *s, const struct sim_request *r, struct sim_answer *a)
{
    switch (r->endpoint) {
    case SIM_LIST_BOOKINGS:      return list_bookings(s, r, a);
    case SIM_GET_BOOKING:        return get_booking(s, r, a);
    case SIM_CANCEL_BOOKING:     return cancel_booking(s, r, a);
    case SIM_RESCHEDULE_BOOKING: return reschedule_booking(s, r, a);
    case SIM_CONFIRM_BOOKING:
    case SIM_DECLINE_BOOKING:    return settle_booking(s, r, a);
    case SIM_OAUTH_TOKEN:        return oauth_token(s, r, a);
    case SIM_BOOKING_REFERENCES: return booking_references(s, r, a);
    case SIM_SLOTS:              return list_slots(s, r, a);
    case SIM_RESERVE:            return reserve(s, r, a);
    case SIM_GET_RESERVATION:    return get_reservation(s, r, a);
    case SIM_CHANGE_RESERVATION: return change_reservation(s, r, a);
    case SIM_DELETE_RESERVATION: return delete_reservation(s, r, a);
    case SIM_ME:                 return me(s, r, a);
    case SIM_LIST_EVENT_TYPES:   return list_event_types(s, r, a);
    case SIM_GET_EVENT_TYPE:     return get_event_type(s, r, a);
    case SIM_CREATE_WEBHOOK:     return create_webhook(s, r, a);
    case SIM_LIST_WEBHOOKS:      return list_webhooks(s, r, a);
    case SIM_GET_WEBHOOK:
    case SIM_CHANGE_WEBHOOK:
    case SIM_DELETE_WEBHOOK:     return one_webhook(s, r, a);
    case SIM_NOWHERE:
        return say_no(r, a, 404, "Cannot %s " SLICE_FORMAT, http_method_name(r->method), slice_print(slice_take(r->path, 200)));
    case SIM_CREATE_BOOKING:
    case SIM_WEBHOOK:
    case SIM_ENDPOINT_COUNT:     break;
    }
    ensure(false); /* creating takes its time: calcom_api.c */
}
