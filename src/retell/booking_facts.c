#include "retell/booking_facts.h"
#include "base/ensure.h"
#include "base/text.h"
#include "limits.h"
#include "retell/arguments.h"

/* ---- what was given ---- */

/* Models fill these with "unknown" and the like. Not so a service: "unknown" is a name that no service has, and must not become the usual one. */
static bool may_be_invented(enum argument a) { return a == ARGUMENT_NAME || a == ARGUMENT_STAFF || a == ARGUMENT_EMAIL; }

/* A variable that nobody filled in is sent as its own name in braces. */
static bool is_template(struct slice text)
{
    return slice_starts_with(text, slice_of("{{")) && slice_equal(slice_skip(text, text.length - 2), slice_of("}}"));
}

static bool is_given(enum argument a, const struct json_value *v)
{
    enum json_type type = json_type_of(v);
    if (type == JSON_NULL) return false;
    if (type != JSON_TEXT) return true;

    struct slice text = slice_trim(json_text(v));
    return text.length > 0 && !is_template(text) && !(may_be_invented(a) && name_is_placeholder(text));
}

struct given { const struct json_value *values[ARGUMENT_COUNT]; };

static struct given given_in(const struct json_value *source)
{
    struct given             g = {};
    uint32_t                 ranks[ARGUMENT_COUNT];
    struct json_iterator     members = json_each(source);
    struct slice             key;
    const struct json_value *value;
    while (json_next(&members, &key, &value)) {
        struct argument_match m = argument_find(key);
        if (!m.found || !is_given(m.argument, value)) continue;
        if (g.values[m.argument] && ranks[m.argument] < m.rank) continue;
        g.values[m.argument] = value;
        ranks[m.argument] = m.rank;
    }
    return g;
}

static struct given given_anywhere(const struct booking_sources *s)
{
    const struct json_value *in_order[] = { s->custom_analysis, s->collected_variables, s->dynamic_variables };
    struct given             all = {};
    for (size_t n = 0; n < sizeof in_order / sizeof *in_order; n++) {
        struct given here = given_in(in_order[n]);
        for (size_t a = 0; a < ARGUMENT_COUNT; a++)
            if (!all.values[a]) all.values[a] = here.values[a];
    }
    return all;
}

/* ---- as texts ---- */

/* Cut between two characters. A field this long is no name and no date; what is left of it still shows what came. */
static struct slice cut(struct slice text)
{
    if (text.length <= booking_text_bytes_max) return text;
    size_t length = 0;
    for (size_t next = 0; next <= booking_text_bytes_max; next += utf8_character_bytes(slice_skip(text, next))) length = next;
    return slice_take(text, length);
}

/* A number, truth value, list or object where a text belongs, as it would stand in JSON. What does not fit is cut. */
static struct slice printed(const struct json_value *v, enum argument a, struct buffer *memory)
{
    enum { SHARE = BOOKING_MEMORY_BYTES / 8 }; /* of each of the eight fields that may be text */
    ensure(memory->capacity - memory->length >= SHARE);
    struct buffer text = buffer_over(memory->start + memory->length, SHARE);

    int64_t digits;
    bool    is_date_of_digits = a == ARGUMENT_DATE && json_integer(v, &digits) && digits >= 0;
    if (is_date_of_digits) buffer_print(&text, "%08lld", (long long)digits); /* DDMMYYYY lost its leading zero when it became a number */
    else json_print(&text, v);
    memory->length += text.length;
    return buffer_slice(&text);
}

static struct slice text_of(const struct given *g, enum argument a, struct buffer *memory)
{
    const struct json_value *v = g->values[a];
    if (!v) return slice_absent;
    return json_type_of(v) == JSON_TEXT ? cut(slice_trim(json_text(v))) : printed(v, a, memory);
}

static bool is_yes(const struct json_value *v)
{
    static const struct slice yes[] = { slice_of("true"), slice_of("1"), slice_of("yes"), slice_of("ja") };
    bool    truth;
    int64_t number;
    if (json_boolean(v, &truth)) return truth;
    if (json_integer(v, &number)) return number == 1;

    struct slice text = slice_trim(json_text(v));
    for (size_t n = 0; n < sizeof yes / sizeof *yes; n++)
        if (slice_equal_ignoring_case(text, yes[n])) return true;
    return false;
}

/* "20.11.2026 14:30" or "2026-11-20T14:30:00". With an offset behind it the time is not understood later: it would be another clock's. */
static void split_date_and_time(struct booking_facts *f, struct slice text)
{
    enum { DATE_BYTES = 10, MINUTE_BYTES = 5 };
    f->date = f->time = text; /* prose: neither will be understood, and the phrase is whole */
    if (text.length <= DATE_BYTES || (text.start[DATE_BYTES] != ' ' && text.start[DATE_BYTES] != 'T')) return;

    f->date = slice_take(text, DATE_BYTES);
    f->time = slice_trim(slice_skip(text, DATE_BYTES + 1));
    if (slice_equal(slice_skip(f->time, MINUTE_BYTES), slice_of(":00"))) f->time = slice_take(f->time, MINUTE_BYTES);
}

void booking_facts_read(struct booking_facts *f, const struct booking_sources *sources, struct buffer *memory)
{
    struct given g = given_anywhere(sources);
    *f = (struct booking_facts){
        .confirmation_given = g.values[ARGUMENT_CONFIRMED] != nullptr,
        .confirmed = is_yes(g.values[ARGUMENT_CONFIRMED]),
        .date = text_of(&g, ARGUMENT_DATE, memory),
        .time = text_of(&g, ARGUMENT_TIME, memory),
        .name = text_of(&g, ARGUMENT_NAME, memory),
        .service = text_of(&g, ARGUMENT_SERVICE, memory),
        .staff = text_of(&g, ARGUMENT_STAFF, memory),
        .email = text_of(&g, ARGUMENT_EMAIL, memory),
        .phone = text_of(&g, ARGUMENT_PHONE, memory),
    };
    /* Only as a pair: a date from one place with the time from another would be an appointment that nobody named. */
    if (g.values[ARGUMENT_DATE_AND_TIME] && !g.values[ARGUMENT_DATE] && !g.values[ARGUMENT_TIME])
        split_date_and_time(f, text_of(&g, ARGUMENT_DATE_AND_TIME, memory));
}

/* ---- as JSON ---- */

static void write_text(struct json_writer *w, const char *key, struct slice text)
{
    if (!slice_is_absent(text)) json_add_text(w, key, text);
}

static bool is_anything_known(const struct booking_facts *f)
{
    return f->confirmation_given || f->date.start || f->time.start || f->name.start || f->service.start || f->staff.start || f->email.start || f->phone.start;
}

void booking_facts_write(struct json_writer *w, const char *key, const struct booking_facts *f)
{
    if (!is_anything_known(f)) return;
    json_begin_object(w, key);
    if (f->confirmation_given) json_add_boolean(w, "booking_confirmed", f->confirmed);
    write_text(w, "datum", f->date);
    write_text(w, "uhrzeit", f->time);
    write_text(w, "name", f->name);
    write_text(w, "dienstleistung", f->service);
    write_text(w, "mitarbeiter", f->staff);
    write_text(w, "email", f->email);
    write_text(w, "telefon", f->phone);
    json_end_object(w);
}

/* ---- the appointment ---- */

/* The first `count` of the text as a number; they are digits already. */
static uint32_t number_of(const char *digits, size_t count)
{
    uint32_t number = 0;
    for (size_t n = 0; n < count; n++) number = number * 10 + (uint32_t)(digits[n] - '0');
    return number;
}

static bool are_digits(struct slice s)
{
    for (size_t n = 0; n < s.length; n++)
        if (s.start[n] < '0' || s.start[n] > '9') return false;
    return s.length > 0;
}

/* DDMMYYYY */
static bool digits_to_date(struct slice digits, struct wall_time *at)
{
    if (digits.length != 8 || !are_digits(digits)) return false;
    at->day = (uint8_t)number_of(digits.start, 2);
    at->month = (uint8_t)number_of(digits.start + 2, 2);
    at->year = (int32_t)number_of(digits.start + 4, 4);
    return date_is_valid(at->year, at->month, at->day);
}

static bool read_date(struct slice text, struct wall_time *at)
{
    if (text.length != 10 || text.start[2] != '.' || text.start[5] != '.') return date_parse(text, at) || digits_to_date(text, at);
    const char digits[8] = { text.start[0], text.start[1], text.start[3], text.start[4], text.start[6], text.start[7], text.start[8], text.start[9] };
    return digits_to_date(slice_from(digits, sizeof digits), at);
}

static bool read_hour(struct slice text, struct wall_time *at)
{
    if (text.length > 2 || !are_digits(text) || number_of(text.start, text.length) > 23) return false;
    at->hour = (uint8_t)number_of(text.start, text.length);
    at->minute = 0;
    return true;
}

static bool read_time(struct slice text, struct wall_time *at)
{
    const struct slice uhr = slice_of("uhr");
    if (text.length > uhr.length && slice_equal_ignoring_case(slice_skip(text, text.length - uhr.length), uhr))
        text = slice_trim(slice_take(text, text.length - uhr.length));
    return read_hour(text, at) || time_of_day_parse(text, at);
}

enum appointment_reading booking_facts_appointment(const struct booking_facts *f, struct wall_time *at, struct slice *phrase)
{
    *at = (struct wall_time){};
    *phrase = slice_absent;
    if (slice_is_absent(f->date)) return APPOINTMENT_DATE_MISSING;
    if (slice_is_absent(f->time)) return APPOINTMENT_TIME_MISSING;

    *phrase = f->date;
    if (!read_date(f->date, at)) return APPOINTMENT_DATE_NOT_UNDERSTOOD;
    *phrase = f->time;
    if (!read_time(f->time, at)) return APPOINTMENT_TIME_NOT_UNDERSTOOD;
    *phrase = slice_absent;
    return APPOINTMENT_READ;
}

const char *appointment_reading_name(enum appointment_reading r)
{
    switch (r) {
    case APPOINTMENT_READ:                return "read";
    case APPOINTMENT_DATE_MISSING:        return "date_missing";
    case APPOINTMENT_TIME_MISSING:        return "time_missing";
    case APPOINTMENT_DATE_NOT_UNDERSTOOD: return "date_not_understood";
    case APPOINTMENT_TIME_NOT_UNDERSTOOD: return "time_not_understood";
    }
    ensure(false);
    return nullptr;
}
