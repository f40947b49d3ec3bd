#include "calcom/errors.h"
#include "base/ensure.h"
#include "base/json.h"
#include "limits.h"

/* Cal.com's words, from its sources: status first, then how the text begins (what follows may name people). 0: whatever the status; the booking core's own
 * errors come out as 409, as 500, or as 400, depending on the version. `message` is what we repeat. */
struct known_error { uint16_t status; struct slice begins, contains; enum calcom_outcome outcome; enum calcom_refusal refusal; const char *message; };
#define BEGINS(status_, text, outcome_, refusal_) { (status_), slice_of(text), slice_of(""), CALCOM_##outcome_, CALCOM_REFUSAL_##refusal_, text }
#define CONTAINS(status_, before, text, outcome_, refusal_) \
    { (status_), slice_of(before), slice_of(text), CALCOM_##outcome_, CALCOM_REFUSAL_##refusal_, before "... " text }

static const struct known_error of_create[] = {
    /* Each of these can be our own earlier attempt standing in the way: unknown, until it was looked up (B4, B9). */
    BEGINS(400, "User either already has booking at this time or is not available", UNKNOWN, BUSY),
    BEGINS(400, "One of the hosts either already has booking at this time or is not available", UNKNOWN, BUSY),
    BEGINS(400, "Attendee with this email can't book because the maximum number of active bookings has been reached.", UNKNOWN, ATTENDEE_LIMIT),
    BEGINS(0, "booking_conflict_error", UNKNOWN, BUSY),
    BEGINS(0, "already_signed_up_for_this_booking_error", UNKNOWN, BUSY),
    BEGINS(0, "no_available_users_found_error", UNKNOWN, BUSY),
    BEGINS(0, "hosts_unavailable_for_booking", UNKNOWN, BUSY),
    BEGINS(0, "fixed_hosts_unavailable_for_booking", UNKNOWN, BUSY),
    BEGINS(0, "round_robin_host_unavailable_for_booking", UNKNOWN, BUSY),
    BEGINS(409, "No more seats left at this seated booking.", UNKNOWN, BUSY),
    BEGINS(409, "Invalid Input: Trying to create a record that already exists.", UNKNOWN, BUSY),

    /* These come after the booking was written. */
    BEGINS(400, "Missing payment credentials", UNKNOWN, OTHER),
    BEGINS(0, "Booking with uid=", UNKNOWN, OTHER),

    BEGINS(400, "The event type can't be booked at the \"start\" time provided.", REFUSED, TOO_SOON),
    BEGINS(400, "Attempting to book a meeting in the past.", REFUSED, PAST),

    BEGINS(400, "Missing attendee phone number", REFUSED, BAD_REQUEST),
    BEGINS(400, "Missing required booking field response", REFUSED, BAD_REQUEST),
    BEGINS(400, "Invalid type for booking field", REFUSED, BAD_REQUEST),
    BEGINS(400, "Invalid option", REFUSED, BAD_REQUEST),
    BEGINS(400, "Can't specify 'lengthInMinutes'", REFUSED, BAD_REQUEST),
    BEGINS(400, "Provided 'lengthInMinutes' is not one of", REFUSED, BAD_REQUEST),
    BEGINS(400, "Booking location with type", REFUSED, BAD_REQUEST),
    BEGINS(400, "Attendee must have at least one contact method", REFUSED, BAD_REQUEST),
    BEGINS(400, "email_verification_required", REFUSED, BAD_REQUEST),
    BEGINS(400, "invalid_verification_code", REFUSED, BAD_REQUEST),
    CONTAINS(400, "", "property is wrong", REFUSED, BAD_REQUEST),

    CONTAINS(400, "Event type with id=", "is the parent managed event type", REFUSED, EVENT_TYPE),
    BEGINS(404, "Event type with", REFUSED, EVENT_TYPE),
    BEGINS(404, "User with username", REFUSED, EVENT_TYPE),
    BEGINS(404, "Team with slug", REFUSED, EVENT_TYPE),
    BEGINS(404, "Cannot POST", REFUSED, OTHER), /* no such path: the base URL is wrong */
    BEGINS(422, "Can't book this team event type because it has no hosts", REFUSED, NO_HOSTS),
};

static const struct known_error of_cancel[] = {
    CONTAINS(400, "Can't cancel booking with uid=", "cancelled already", OK, NONE), /* what was wanted is so (B20) */
    BEGINS(400, "Cancellation reason is required", REFUSED, BAD_REQUEST),
    BEGINS(400, "This event type does not allow cancellations", REFUSED, EVENT_TYPE),
};

/* Where the words stand in the four shapes of error bodies: error.message, error.details(.message), message; a list of texts instead of one is possible. */
enum { TEXTS_MAX = 12 };
struct error_texts { struct slice texts[TEXTS_MAX]; uint32_t count; bool lists_properties /* shape B */, is_core_error /* shape D */; };

static void add_texts(struct error_texts *t, const struct json_value *v)
{
    struct json_iterator     each = json_each(v);
    const struct json_value *item = v;
    bool                     is_list = json_type_of(v) == JSON_ARRAY;
    while (t->count < TEXTS_MAX && (!is_list || json_next(&each, nullptr, &item))) {
        if (json_text(item).length > 0) t->texts[t->count++] = json_text(item);
        if (!is_list) return;
    }
}

static struct error_texts texts_of(const struct json_value *root)
{
    struct error_texts       t = {};
    const struct json_value *error = json_get(root, "error"), *details = json_get(error, "details");
    add_texts(&t, json_get(error, "message"));
    add_texts(&t, json_get(details, "message"));
    add_texts(&t, details);
    add_texts(&t, json_get(root, "message"));
    t.lists_properties = json_length(json_get(details, "errors")) > 0;
    t.is_core_error = json_type_of(json_get(root, "statusCode")) == JSON_NUMBER;
    return t;
}

static const struct known_error *find_known(const struct known_error *rows, size_t count, uint16_t status, const struct error_texts *t)
{
    for (size_t n = 0; n < count; n++) {
        if (rows[n].status != 0 && rows[n].status != status) continue;
        for (uint32_t text = 0; text < t->count; text++)
            if (slice_starts_with(t->texts[text], rows[n].begins) && slice_contains(t->texts[text], rows[n].contains)) return &rows[n];
    }
    return nullptr;
}

static struct calcom_judgement judged(enum calcom_outcome outcome, enum calcom_refusal refusal, const char *message)
{
    return (struct calcom_judgement){ outcome, refusal, message };
}

/* Without known words. A 4xx to a create is not believed: there are some that come after the booking was written. */
static struct calcom_judgement judge_by_status(enum calcom_question q, uint16_t status)
{
    if (status == 409) return judged(CALCOM_UNKNOWN, CALCOM_REFUSAL_BUSY, "Conflict");
    if (status >= 500) return judged(CALCOM_UNKNOWN, CALCOM_REFUSAL_NONE, "Server error");
    if (status < 400) return judged(CALCOM_UNKNOWN, CALCOM_REFUSAL_NONE, "No answer of the API");
    if (q == CALCOM_CREATE) return judged(CALCOM_UNKNOWN, CALCOM_REFUSAL_OTHER, "Refused in words that are not known");
    if (status == 404) return judged(CALCOM_NOT_FOUND, CALCOM_REFUSAL_NONE, "Not found");
    return judged(CALCOM_REFUSED, CALCOM_REFUSAL_OTHER, "Refused in words that are not known");
}

static struct calcom_judgement judge_words(enum calcom_question q, uint16_t status, const struct error_texts *t)
{
    /* Before the words: who is refused, or told to wait, was not served. A 403 of the booking core is about the attendee, not about the credential. */
    if (status == 429) return judged(CALCOM_THROTTLED, CALCOM_REFUSAL_NONE, "Too many requests");
    if (status == 403 && q == CALCOM_CREATE && t->is_core_error) return judged(CALCOM_REFUSED, CALCOM_REFUSAL_OTHER, "This attendee may not book");
    if (status == 401 || status == 403 || status == 498) return judged(CALCOM_UNAUTHORIZED, CALCOM_REFUSAL_NONE, "The credential was refused");

    const struct known_error *known = nullptr;
    if (q == CALCOM_CREATE) known = find_known(of_create, sizeof of_create / sizeof *of_create, status, t);
    if (q == CALCOM_CANCEL) known = find_known(of_cancel, sizeof of_cancel / sizeof *of_cancel, status, t);
    if (known) return judged(known->outcome, known->refusal, known->message);
    if (status == 400 && t->lists_properties) return judged(CALCOM_REFUSED, CALCOM_REFUSAL_BAD_REQUEST, "A property of the request is wrong");
    return judge_by_status(q, status);
}

struct calcom_judgement calcom_judge(enum calcom_question q, uint16_t status, struct slice answer, struct heap *heap)
{
    ensure(status < 200 || status > 299);
    struct json_error     error;
    struct json_document *document = json_parse(answer, heap, &error); /* HTML, or nothing at all, has no words */
    struct error_texts    texts = {};
    if (document) texts = texts_of(json_root(document));
    struct calcom_judgement judgement = judge_words(q, status, &texts);
    json_release(document, heap);
    return judgement;
}

/* -- limits -- */

static const int64_t second_us = 1'000'000;

/* "Sun, 06 Nov 1994 08:49:37 GMT" (RFC 9110, IMF-fixdate; the two obsolete forms are as good as none). */
static bool read_http_date(struct slice text, int64_t *at_us)
{
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    if (text.length != 29 || !slice_equal(slice_skip(text, 25), slice_of(" GMT"))) return false;
    const char *at = text.start;
    const char *month = memmem(months, sizeof months - 1, at + 8, 3);
    if (!month || (month - months) % 3 != 0) return false;

    char          memory[32];
    struct buffer iso = buffer_over(memory, sizeof memory);
    buffer_print(&iso, "%.4s-%02d-%.2sT%.8sZ", at + 12, (int)(month - months) / 3 + 1, at + 5, at + 17);
    return instant_parse(buffer_slice(&iso), at_us);
}

/* Seconds from now, or a date. false: absent, negative or unreadable. */
static bool read_wait(struct slice text, int64_t now_us, int64_t *wait_us)
{
    static const uint64_t epoch_s_least = 1'000'000'000; /* more seconds than that are a date */
    uint64_t number;
    int64_t  at_us;
    text = slice_trim(text);
    if (slice_to_u64(text, 100'000'000'000, &number)) *wait_us = number > epoch_s_least ? (int64_t)number * second_us - now_us : (int64_t)number * second_us;
    else if (read_http_date(text, &at_us)) *wait_us = at_us - now_us;
    else return false;
    return *wait_us >= 0;
}

static int64_t time_of_answer(struct calcom_rate_headers h, int64_t wall_us)
{
    int64_t at_us;
    return read_http_date(slice_trim(h.date), &at_us) ? at_us : wall_us;
}

uint64_t calcom_block_us(struct calcom_rate_headers h, int64_t wall_us)
{
    const int64_t least_us = calcom_block_ms_min * INT64_C(1000), most_us = calcom_block_ms_max * INT64_C(1000);
    int64_t       now_us = time_of_answer(h, wall_us), wait_us;
    if (!read_wait(h.retry_after, now_us, &wait_us) && !read_wait(h.reset, now_us, &wait_us)) wait_us = calcom_block_ms_default * INT64_C(1000);
    if (wait_us < least_us) return (uint64_t)least_us;
    return (uint64_t)(wait_us < most_us ? wait_us : most_us);
}

bool calcom_read_minute(struct calcom_rate_headers h, int64_t wall_us, struct calcom_minute *m)
{
    const int64_t most_us = calcom_minute_ms * INT64_C(1000);
    uint64_t      left, limit;
    int64_t       wait_us;
    if (!slice_to_u64(slice_trim(h.remaining), UINT32_MAX - 1, &left)) return false;
    if (!read_wait(h.reset, time_of_answer(h, wall_us), &wait_us)) return false;
    if (!slice_to_u64(slice_trim(h.limit), UINT32_MAX - 1, &limit)) limit = 0;
    *m = (struct calcom_minute){ .left = (uint32_t)left, .limit = (uint32_t)limit, .ends_in_us = (uint64_t)(wait_us < most_us ? wait_us : most_us) };
    return true;
}

/* -- names -- */

const char *calcom_refusal_name(enum calcom_refusal r)
{
    switch (r) {
    case CALCOM_REFUSAL_NONE:           return "none";
    case CALCOM_REFUSAL_BUSY:           return "busy";
    case CALCOM_REFUSAL_TOO_SOON:       return "too_soon";
    case CALCOM_REFUSAL_PAST:           return "past";
    case CALCOM_REFUSAL_ATTENDEE_LIMIT: return "attendee_limit";
    case CALCOM_REFUSAL_BAD_REQUEST:    return "bad_request";
    case CALCOM_REFUSAL_EVENT_TYPE:     return "event_type";
    case CALCOM_REFUSAL_NO_HOSTS:       return "no_hosts";
    case CALCOM_REFUSAL_OTHER:          return "other";
    }
    ensure(false);
    return "";
}

const char *calcom_outcome_name(enum calcom_outcome o)
{
    switch (o) {
    case CALCOM_OK:           return "ok";
    case CALCOM_NOT_SENT:     return "not_sent";
    case CALCOM_THROTTLED:    return "throttled";
    case CALCOM_REFUSED:      return "refused";
    case CALCOM_UNKNOWN:      return "unknown";
    case CALCOM_UNAUTHORIZED: return "unauthorized";
    case CALCOM_NOT_FOUND:    return "not_found";
    }
    ensure(false);
    return "";
}
