/* retell/facts.c: what an event says about its call, as the JSON that the database merges. */
#include <math.h>
#include "base/ensure.h"
#include "base/instant.h"
#include "retell/booking_facts.h"
#include "retell/events.h"

static void add_text(struct json_writer *w, const char *key, struct slice text)
{
    if (text.length > 0) json_add_text(w, key, text);
}

static void add_boolean(struct json_writer *w, const char *key, const struct json_value *v)
{
    bool truth;
    if (json_boolean(v, &truth)) json_add_boolean(w, key, truth);
}

static void add_object(struct json_writer *w, const char *key, const struct json_value *v)
{
    if (json_length(v) > 0) json_add_value(w, key, v);
}

/* Milliseconds since 1970, as a number or its digits, or ISO text with a zone. Past the year 9999 it is no time. */
static bool read_instant(const struct json_value *v, int64_t *at_us)
{
    constexpr int64_t year_10000_ms = 253'402'300'800'000;
    int64_t  ms;
    uint64_t digits;
    if (json_integer(v, &ms) && ms > 0 && ms < year_10000_ms) {
        *at_us = ms * 1000;
        return true;
    }
    struct slice text = slice_trim(json_text(v));
    if (slice_to_u64(text, (uint64_t)year_10000_ms - 1, &digits)) {
        *at_us = (int64_t)digits * 1000;
        return digits > 0;
    }
    return instant_parse(text, at_us);
}

static void add_instant(struct json_writer *w, const char *key, const struct json_value *v)
{
    int64_t at_us;
    if (read_instant(v, &at_us)) json_add_integer(w, key, at_us);
}

/* Rounded up: Retell bills 35.3 seconds as 36. Negative or beyond what a double counts exactly: no amount. */
static void add_amount(struct json_writer *w, const char *key, const struct json_value *v)
{
    double amount;
    if (json_real(v, &amount) && amount >= 0 && amount < 0x1p53) json_add_integer(w, key, (int64_t)ceil(amount));
}

static void add_connection(struct json_writer *w, const struct retell_event *e)
{
    add_text(w, "call_status", json_text(e->fields[RETELL_FIELD_CALL_STATUS]));
    add_text(w, "call_type", json_text(e->fields[RETELL_FIELD_CALL_TYPE]));
    add_text(w, "direction", e->direction);
    add_text(w, "from_number", e->from_number);
    add_text(w, "to_number", e->to_number);
    add_text(w, "agent_id", e->agent_id);
    if (e->agent_version >= 0) json_add_integer(w, "agent_version", e->agent_version);
    add_text(w, "agent_name", json_text(e->fields[RETELL_FIELD_AGENT_NAME]));
    add_instant(w, "started_at_us", e->fields[RETELL_FIELD_START_TIMESTAMP]);
    add_object(w, "metadata", e->metadata);
}

static void add_end(struct json_writer *w, const struct retell_event *e)
{
    const struct json_value *cost = e->fields[RETELL_FIELD_CALL_COST];
    const struct json_value *cents = json_get(cost, "combined_cost");
    add_instant(w, "ended_at_us", e->fields[RETELL_FIELD_END_TIMESTAMP]);
    add_amount(w, "duration_ms", e->fields[RETELL_FIELD_DURATION]);
    add_text(w, "disconnection_reason", json_text(e->fields[RETELL_FIELD_DISCONNECTION_REASON]));
    add_text(w, "recording_url", json_text(e->fields[RETELL_FIELD_RECORDING_URL]));
    add_text(w, "public_log_url", json_text(e->fields[RETELL_FIELD_PUBLIC_LOG_URL]));
    if (json_type_of(cents) == JSON_NUMBER) json_add_value(w, "cost_cents", cents);
    add_amount(w, "billed_seconds", json_get(cost, "total_duration_seconds"));
}

static void add_analysis(struct json_writer *w, const struct retell_event *e)
{
    add_text(w, "call_summary", json_get_text(e->analysis, "call_summary"));
    add_text(w, "user_sentiment", json_get_text(e->analysis, "user_sentiment"));
    add_boolean(w, "call_successful", json_get(e->analysis, "call_successful"));
    add_boolean(w, "in_voicemail", json_get(e->analysis, "in_voicemail"));
    add_object(w, "analysis", e->custom_analysis);
}

static void add_booking(struct json_writer *w, const struct retell_event *e)
{
    char                   memory[BOOKING_MEMORY_BYTES];
    struct buffer          texts = buffer_over(memory, sizeof memory);
    struct booking_sources sources = { e->custom_analysis, e->collected_variables, e->dynamic_variables };
    struct booking_facts   facts;
    booking_facts_read(&facts, &sources, &texts);
    booking_facts_write(w, "booking", &facts);
}

/* Replaces \u0000 by U+FFFD, in place: three bytes where six were. A backslash that is itself escaped does not begin an escape. */
static void without_zeros(char *json, size_t *length)
{
    const struct slice zero = slice_of("\\u0000"), replacement = slice_of("\xef\xbf\xbd");
    char              *to = memchr(json, '\\', *length); /* few facts have one */
    struct slice       rest = slice_from(to, to ? *length - (size_t)(to - json) : 0);
    if (!slice_contains(rest, zero)) return; /* as good as always */
    while (rest.length > 0) {
        bool         is_zero = slice_starts_with(rest, zero);
        size_t       taken = is_zero ? zero.length : rest.start[0] == '\\' ? 2 : 1;
        struct slice kept = is_zero ? replacement : slice_take(rest, taken);
        memmove(to, kept.start, kept.length);
        to += kept.length;
        rest = slice_skip(rest, taken);
    }
    *length = (size_t)(to - json);
}

void retell_event_facts(const struct retell_event *e, struct buffer *json)
{
    size_t             begin = json->length;
    struct json_writer w = json_writer_over(json);
    json_begin_object(&w, nullptr);
    add_connection(&w, e);
    if (e->kind == RETELL_CALL_ENDED || e->kind == RETELL_CALL_ANALYZED) {
        add_end(&w, e);
        add_analysis(&w, e);
        add_booking(&w, e);
    }
    json_end_object(&w);

    size_t length = json->length - begin;
    without_zeros(json->start + begin, &length);
    json->length = begin + length;
}
