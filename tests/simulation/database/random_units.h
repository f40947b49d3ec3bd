#pragma once
/* tests/simulation/database/random_units.h: units of work for differential_test.c: the same questions twice, once for the store and once for PostgreSQL, each with its own ids.
 * Texts and keys come from small pools, so that they meet again; a few are odd, missing, or somebody else's. */
#include <stdio.h>
#include <stdlib.h>
#include "../kernel.h"
#include "arena.h"
#include "base/ensure.h"
#include "db/db.h"

enum { COMPANIES = 3, WORKSPACES = 2, PHASE_UNITS = 1500, CALLS_OF_A_PHASE = 60, THINGS_MAX = 60'000, RECENT = 120 };

/* Rows that both sides know, under the id that each has given them. */
enum thing : uint8_t { THING_CALL, THING_CUSTOMER, THING_INTENT, THING_WEBHOOK, THING_APPOINTMENT, THING_COUNT };
struct known { int64_t of_store, of_real; uint32_t company; };
struct known_things { struct known *list; uint32_t count; int64_t *real_by_store, *store_by_real; };

struct entities { int64_t companies[COMPANIES], branches[COMPANIES], services[COMPANIES], staff[COMPANIES], workspaces[WORKSPACES]; };

struct generator {
    struct prng         dice;
    struct arena        memory;   /* of the unit at hand */
    struct entities     is;
    struct known_things things[THING_COUNT];
    uint32_t            unit_number, company, tenant_company;
    struct db_unit      of_store, of_real;
};

static const int64_t day_us = INT64_C(86'400'000'000), monday_us = INT64_C(1'773'100'800'000'000);

static uint32_t throw(struct generator *g, uint32_t sides) { return (uint32_t)prng_below(&g->dice, sides); }
static bool one_in(struct generator *g, uint32_t n) { return throw(g, n) == 0; }
#define one_of(g, list) ((list)[throw((g), sizeof(list) / sizeof *(list))])

/* -- ids -- */

static void things_open(struct generator *g)
{
    for (enum thing t = 0; t < THING_COUNT; t++) {
        g->things[t] = (struct known_things){ calloc(THINGS_MAX, sizeof(struct known)), 0, calloc(THINGS_MAX, sizeof(int64_t)), calloc(THINGS_MAX, sizeof(int64_t)) };
        ensure(g->things[t].list && g->things[t].real_by_store && g->things[t].store_by_real);
    }
}

/* false: one of them is known already, as somebody else. */
static bool things_meet(struct generator *g, enum thing t, int64_t of_store, int64_t of_real)
{
    struct known_things *k = &g->things[t];
    ensure(of_store > 0 && of_store < THINGS_MAX && of_real > 0 && of_real < THINGS_MAX && k->count < THINGS_MAX);
    if (k->real_by_store[of_store] == 0 && k->store_by_real[of_real] == 0) {
        k->list[k->count++] = (struct known){ of_store, of_real, g->company };
        k->real_by_store[of_store] = of_real;
        k->store_by_real[of_real] = of_store;
    }
    return k->real_by_store[of_store] == of_real && k->store_by_real[of_real] == of_store;
}

/* -- parameters, for both -- */

static void add_call_of(struct generator *g, enum db_statement s)
{
    db_unit_call(&g->of_store, s);
    db_unit_call(&g->of_real, s);
}

static void give_null(struct generator *g)
{
    db_add_null(&g->of_store);
    db_add_null(&g->of_real);
}

/* Now and then nothing at all stands where something should. */
static bool is_left_out(struct generator *g)
{
    if (!one_in(g, 400)) return false;
    give_null(g);
    return true;
}

static void give_ids(struct generator *g, int64_t of_store, int64_t of_real)
{
    if (is_left_out(g)) return;
    db_add_integer(&g->of_store, of_store);
    db_add_integer(&g->of_real, of_real);
}
static void give_integer(struct generator *g, int64_t value) { give_ids(g, value, value); }

static void give_text(struct generator *g, struct slice text)
{
    if (is_left_out(g)) return;
    db_add_text(&g->of_store, text);
    db_add_text(&g->of_real, text);
}
#define give_print(g, ...) give_text((g), arena_print(&(g)->memory, __VA_ARGS__))

/* One that both know; lately seen ones mostly, of the company at hand mostly. Sometimes one that nobody has. */
static void give_thing(struct generator *g, enum thing t)
{
    const struct known_things *k = &g->things[t];
    if (k->count == 0 || one_in(g, 60)) {
        give_integer(g, 999'999);
        return;
    }
    const uint32_t from = k->count > RECENT && !one_in(g, 20) ? k->count - RECENT : 0;
    const struct known *chosen = nullptr;
    for (uint32_t tries = 0; tries < 12; tries++) {
        chosen = &k->list[from + throw(g, k->count - from)];
        if (chosen->company == g->company) break;
    }
    give_ids(g, chosen->of_store, chosen->of_real);
}

/* -- odd ones -- */

static struct slice text_of_length(struct generator *g, size_t length)
{
    char *text = arena_take(&g->memory, length + 1);
    for (size_t n = 0; n < length; n++) text[n] = (char)('a' + throw(g, 26));
    return slice_from(text, length);
}

/* What a caller, a voice model or a broken client may come up with. */
static struct slice odd_text(struct generator *g)
{
    static const struct slice odd[] = {
        { "", 0 }, { "a\0b", 3 }, { "\0\0\0", 3 }, { "J\xC3\xBCrgen O'Neil; DROP TABLE calls", 32 }, { "\xF0\x9F\x93\x9E", 4 }, { "\\u0000", 6 }, { "\t\r\n\x01\x7F", 5 },
        { "\"quoted\\\"", 9 },
        { "\xEF\xBF\xBD", 3 }, { "e\xCC\x81", 3 }, { "%s|~", 4 } };
    static const struct slice broken[] = { { "\xFF", 1 }, { "\xC0\x80", 2 }, { "\xED\xA0\x80", 3 }, { "\xF4\x90\x80\x80", 4 }, { "ab\xE2\x82", 4 }, { "\x80", 1 } };
    if (one_in(g, 12)) return one_of(g, broken);
    if (one_in(g, 15)) return text_of_length(g, 60'000 + throw(g, 60'000));
    return one_of(g, odd);
}

static struct slice words(struct generator *g)
{
    static const char *const some[] = { "Guten Tag", "Termin am Montag", "ja", "Auf Wiederh\xC3\xB6ren", "hier ist die Praxis", "zwei", "" };
    if (one_in(g, 8)) return odd_text(g);
    return arena_print(&g->memory, "%s %s", one_of(g, some), one_of(g, some));
}

/* -- JSON -- */

struct json_text { struct generator *g; char text[4096]; size_t length; };

[[gnu::format(printf, 2, 3)]] static void put_json(struct json_text *j, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    const int length = vsnprintf(j->text + j->length, sizeof j->text - j->length, format, arguments);
    va_end(arguments);
    ensure(length >= 0 && j->length + (size_t)length < sizeof j->text);
    j->length += (size_t)length;
}

static const char *odd_json(struct generator *g)
{
    static const char *const odd[] = {
        "null", "true", "0", "-0", "-0.00", "1.50", "1e3", "1E-2", "12.5e1", "0.1e-3", "123456789012345678901234567890.5", "9123456789012345678", "9223372036854775808", "1.0",
        "\"\"", "\"61000\"", "\" 42 \"", "\"yes\"", "\"oN\"", "\"of\"", "\"maybe\"", "\"t\"", "\"NaN\"", "\"-inf\"", "\"1e2\"", "\".5\"", "\"5.\"", "\"+7\"", "\"1 2\"", "[]", "{}", "[1, \"a\", null]",
        "{\"b\":1,\"aa\":2,\"a\":{\"z\":[{}]},\"b\":3}", "\"\\u00e9\\n\\\"\\\\\\/\\b\\f\\t\\r\"", "\"\\ud83d\\udcde\"", "\"\\u0001\\u001f\\u007f\"", "\"\\u0000\"", "\"\\\\u0000\"", "[[[[[[1]]]]]]",
        "{\"\":\"\"}", "99999999999999999999", "-9223372036854775808", "1e400" };
    return one_of(g, odd);
}

static const char *broken_json(struct generator *g)
{
    static const char *const broken[] = { "", " ", "{", "{\"a\":}", "{\"a\":1,}", "[1,]", "01", "1.", ".5", "+1", "nul", "\"\\ud800\"", "\"\\udc00\"", "\"\\u12g4\"", "\"\\x\"", "\"a\nb\"", "{} {}",
                                          "{a:1}", "'a'", "\"a", "-", "1e", "{\"a\" 1}", "[1 2]", "\"\\ud83dx\"", "\xEF\xBB\xBF{}", "tru", "{\"a\":\"\x01\"}" };
    return one_of(g, broken);
}

static void put_field(struct json_text *j, const char *key, const char *usual)
{
    put_json(j, "%s\"%s\":%s", j->text[j->length - 1] == '{' ? "" : ",", key, one_in(j->g, 80) ? odd_json(j->g) : usual);
}

static void put_booking(struct json_text *j)
{
    static const char *const fields[][3] = { { "booking_confirmed", "true", "false" }, { "name", "\"Meier\"", "\"J\xC3\xBCrgen\"" }, { "datum", "\"2026-03-11\"", "\"11.3.\"" },
    { "uhrzeit", "\"10:30\"", "\"halb elf\"" },
                                             { "email", "\"a@example.org\"", "null" }, { "x", "1", "2.50" } };
    put_json(j, "%s\"booking\":{", j->text[j->length - 1] == '{' ? "" : ",");
    for (size_t n = 0; n < sizeof fields / sizeof *fields; n++) {
        if (!one_in(j->g, 3)) put_field(j, fields[n][0], fields[n][1 + throw(j->g, 2)]);
    }
    put_json(j, "}");
}

static struct slice facts(struct generator *g)
{
    static const char *const fields[][3] = {
        { "call_status", "\"ongoing\"", "\"ended\"" }, { "direction", "\"inbound\"", "\"outbound\"" }, { "from_number", "\"+491713920001\"", "\"anonymous\"" },
        { "to_number", "\"+493012345\"", "\"\"" },
        { "agent_id", "\"agent_1\"", "\"agent_2\"" }, { "agent_version", "\"3\"", "4" }, { "started_at_us", "1773133200000001", "1773133200123456" },
        { "ended_at_us", "1773133261000000", "\"1773133261000000\"" },
        { "duration_ms", "61000", "9223372036854775807" }, { "disconnection_reason", "\"user_hangup\"", "\"agent_hangup\"" },
        { "recording_url", "\"https://example.org/r.wav\"", "null" }, { "public_log_url", "\"https://x\"", "null" },
        { "call_summary", "\"Termin\"", "\"\\u00fcber \\\"das\\\"\"" }, { "user_sentiment", "\"Positive\"", "\"Unknown\"" }, { "call_successful", "true", "false" },
        { "in_voicemail", "false", "\"true\"" },
        { "cost_cents", "12.375", "7" }, { "billed_seconds", "61", "61.0" }, { "metadata", "{\"k\":[1,2],\"aa\":null}", "{}" }, { "unknown", "1", "[{\"deep\":true}]" } };
    if (one_in(g, 120)) return slice_from_text(broken_json(g));
    if (one_in(g, 120)) return slice_from_text(odd_json(g));
    struct json_text j = { .g = g };
    put_json(&j, "%s{", one_in(g, 10) ? " \n" : "");
    for (size_t n = 0; n < sizeof fields / sizeof *fields; n++) {
        if (one_in(g, 3)) put_field(&j, fields[n][0], fields[n][1 + throw(g, 2)]);
    }
    if (one_in(g, 40)) put_field(&j, "started_at_us", one_in(g, 2) ? "99999999999999999" : "-300000000000000000");
    if (one_in(g, 50)) put_field(&j, "booking", odd_json(g));
    else if (!one_in(g, 3)) put_booking(&j);
    put_json(&j, "}%s", one_in(g, 10) ? " " : "");
    return arena_copy(&g->memory, slice_from(j.text, j.length));
}

static void give_json(struct generator *g, const char *usual)
{
    if (one_in(g, 12)) give_null(g);
    else give_text(g, one_in(g, 40) ? slice_from_text(broken_json(g)) : slice_from_text(one_in(g, 6) ? odd_json(g) : usual));
}

/* -- who asks -- */

/* Now and then another company's. */
static uint32_t company_here(struct generator *g) { return one_in(g, 150) ? throw(g, COMPANIES) : g->company; }
static void give_company(struct generator *g) { give_integer(g, one_in(g, 300) ? 12'345 : g->is.companies[company_here(g)]); }
static void give_branch(struct generator *g) { give_integer(g, one_in(g, 100) ? 12'345 : g->is.branches[company_here(g)]); }
static uint32_t phase(const struct generator *g) { return g->unit_number / PHASE_UNITS; }
/* A company's own calls, and now and then those of another. */
static void give_call_id(struct generator *g)
{
    const uint32_t of_phase = one_in(g, 20) && phase(g) > 0 ? phase(g) - 1 : phase(g);
    give_print(g, "call_%u_%u", of_phase, one_in(g, 80) ? throw(g, CALLS_OF_A_PHASE) : throw(g, CALLS_OF_A_PHASE / COMPANIES) * COMPANIES + g->company);
}

/* Instants that hardly ever meet, and instants that often do. */
static int64_t instant_of_its_own(struct generator *g) { return monday_us - 20 * day_us + (int64_t)(prng_next(&g->dice) % (uint64_t)(60 * day_us)); }
static int64_t coarse_instant(struct generator *g) { return monday_us + throw(g, 40) * (day_us / 8); }
static int64_t far_instant(struct generator *g)
{
    static const int64_t far[] = { 9'200'000'000'000'000'000, INT64_MIN, -210'866'803'200'000'000, -210'866'803'200'000'001, -1, 0, 253'402'300'799'999'999 };
    return one_of(g, far);
}

/* -- the statements -- */

static void ask_file_call_event(struct generator *g)
{
    static const char *const names[] = { "call_started", "call_ended", "call_analyzed", "transcript_updated" };
    const uint32_t kind = throw(g, 4);
    add_call_of(g, DB_FILE_CALL_EVENT);
    give_company(g);
    give_branch(g);
    give_integer(g, one_in(g, 40) ? 77 : g->is.workspaces[one_in(g, 6)]);
    give_call_id(g);
    give_text(g, slice_from_text(names[kind]));
    give_integer(g, one_in(g, 100) ? (one_in(g, 2) ? 40'000 : 17) : kind);
    give_text(g, slice_from_text(one_of(g, ((const char *const[]){ "", "", "", "a", "b" }))));
    give_integer(g, one_in(g, 150) ? far_instant(g) : one_in(g, 3) ? coarse_instant(g) : instant_of_its_own(g));
    if (one_in(g, 10)) give_null(g);
    else give_print(g, "correlation-%u", throw(g, 100));
    give_text(g, one_in(g, 6) ? odd_text(g) : slice_of("{\"event\":\"…\"}"));
    if (one_in(g, 30)) give_null(g);
    else give_text(g, facts(g));
    if (one_in(g, 4)) give_null(g);
    else give_print(g, "+4917139200%02u", throw(g, 25));
    if (one_in(g, 3)) give_null(g);
    else give_text(g, words(g));
}

static void ask_keep_webhook(struct generator *g)
{
    add_call_of(g, DB_KEEP_WEBHOOK);
    give_integer(g, g->is.workspaces[one_in(g, 12)]);
    if (one_in(g, 3)) give_null(g);
    else give_company(g);
    give_text(g, one_in(g, 5) ? slice_of("calcom") : slice_of("retell"));
    if (one_in(g, 3)) give_null(g);
    else give_text(g, one_in(g, 3) ? slice_of("chat_started") : slice_of(""));
    if (one_in(g, 3)) give_null(g);
    else give_call_id(g);
    give_print(g, "%u-%u", one_in(g, 40) ? 0 : g->company, throw(g, 8));
    give_integer(g, one_in(g, 100) ? far_instant(g) : coarse_instant(g));
    give_text(g, words(g));
    give_text(g, slice_from_text(one_of(g, ((const char *const[]){ "unrouted", "quarantined", "kept", "replayed", one_in(g, 20) ? "lost" : "kept" }))));
    give_text(g, words(g));
    give_text(g, one_in(g, 2) ? slice_of("\xFF\0{\x80") : words(g));
}

static void ask_close_call(struct generator *g)
{
    add_call_of(g, DB_CLOSE_CALL);
    give_company(g);
    give_call_id(g);
    give_integer(g, monday_us + throw(g, 2));
    give_text(g, words(g));
}

static void give_limit(struct generator *g)
{
    if (one_in(g, 10)) give_null(g);
    else give_integer(g, one_in(g, 20) ? -1 : one_in(g, 3) ? throw(g, 4) : 1'000'000);
}

/* From the first, or from the midst of calls that were seen at the same instant. */
static void ask_for_calls(struct generator *g)
{
    add_call_of(g, one_in(g, 2) ? DB_OPEN_CALLS : DB_UNDECIDED_CALLS);
    give_integer(g, one_in(g, 3) ? 0 : coarse_instant(g));
    give_thing(g, THING_CALL);
    give_limit(g);
}

static void give_service_and_staff(struct generator *g)
{
    if (one_in(g, 3)) give_null(g);
    else give_integer(g, one_in(g, 60) ? 4'321 : g->is.services[company_here(g)]);
    if (one_in(g, 3)) give_null(g);
    else give_integer(g, one_in(g, 60) ? 4'321 : g->is.staff[company_here(g)]);
}

static void give_appointment_times(struct generator *g)
{
    const int64_t quarter_us = 15 * INT64_C(60'000'000), starts_at = monday_us + phase(g) * 7 * day_us + throw(g, 160) * quarter_us;
    const int64_t ends_at = starts_at + (one_in(g, 60) ? 0 : quarter_us * (1 + throw(g, 3))), before = one_in(g, 3) ? quarter_us : 0, after = one_in(g, 3) ? quarter_us : 0;
    give_integer(g, one_in(g, 200) ? far_instant(g) : starts_at);
    give_integer(g, ends_at);
    give_integer(g, one_in(g, 80) ? starts_at + 1 : starts_at - before);
    give_integer(g, one_in(g, 80) ? ends_at - 1 : ends_at + after);
}

static void ask_write_intent(struct generator *g)
{
    const uint32_t key = throw(g, 3 * CALLS_OF_A_PHASE);
    add_call_of(g, DB_WRITE_INTENT);
    give_company(g);
    give_branch(g);
    give_thing(g, THING_CALL);
    give_thing(g, THING_CUSTOMER);
    give_print(g, "after_call:%u:%u", phase(g), key);
    if (one_in(g, 60)) give_print(g, "rm-%s", "\xC3\xA4\xC3\xA4\xC3\xA4 longer than what fits in forty characters");
    else if (one_in(g, 60)) give_print(g, "rm-%s", "\xC3\xA4 of exactly forty characters, not bytes");
    else give_print(g, "rm-%u-%u-%u", phase(g), g->company, one_in(g, 10) ? throw(g, 3 * CALLS_OF_A_PHASE) : key);
    give_service_and_staff(g);
    give_print(g, "calendar-%u", throw(g, 3));
    give_integer(g, 100 + throw(g, 3));
    give_appointment_times(g);
    if (one_in(g, 10)) give_json(g, "{\"name\":null}");
    else give_text(g, one_of(g, ((const struct slice[]){ slice_of("{\"name\":\"Meier\",\"email\":\"m@example.org\",\"timeZone\":\"Europe/Berlin\"}"),
    slice_of("{\"name\":\"J\\u00fcrgen\"}"), slice_of("{}") })));
    give_text(g, words(g));
    give_integer(g, coarse_instant(g));
}

static void ask_refuse_operation(struct generator *g)
{
    add_call_of(g, DB_REFUSE_OPERATION);
    give_company(g);
    give_branch(g);
    give_thing(g, THING_CALL);
    give_thing(g, THING_CUSTOMER);
    give_print(g, "after_call:%u:%u", phase(g), throw(g, 3 * CALLS_OF_A_PHASE));
    give_text(g, words(g));
    give_json(g, "{\"missing\":[\"date\"]}");
    give_integer(g, coarse_instant(g));
}

static void ask_due_intents(struct generator *g)
{
    add_call_of(g, DB_DUE_INTENTS);
    give_integer(g, coarse_instant(g));
    give_limit(g);
}

static void begin_intent_question(struct generator *g, enum db_statement s)
{
    add_call_of(g, s);
    give_company(g);
    give_thing(g, THING_INTENT);
}

static void ask_load_intent(struct generator *g) { begin_intent_question(g, DB_LOAD_INTENT); }

static void ask_send_intent(struct generator *g)
{
    begin_intent_question(g, DB_SEND_INTENT);
    give_integer(g, monday_us + throw(g, 3));
    give_integer(g, throw(g, 4));
}

static void ask_delay_intent(struct generator *g)
{
    begin_intent_question(g, DB_DELAY_INTENT);
    give_text(g, slice_from_text(one_of(g, ((const char *const[]){ "written", "unknown", "unknown", one_in(g, 10) ? "lost" : "written" }))));
    give_text(g, words(g));
    give_integer(g, coarse_instant(g));
    if (one_in(g, 4)) give_null(g);
    else give_text(g, words(g));
    give_integer(g, coarse_instant(g));
    give_integer(g, throw(g, 3));
}

static void ask_book_intent(struct generator *g)
{
    begin_intent_question(g, DB_BOOK_INTENT);
    give_print(g, "uid-%u-%u", phase(g), throw(g, 120));
    give_integer(g, throw(g, 1'000));
    give_text(g, slice_from_text(one_of(g, ((const char *const[]){ "accepted", "accepted", "pending", one_in(g, 4) ? "cancelled" : "pending", one_in(g, 10) ? "lost" : "accepted" }))));
    give_integer(g, coarse_instant(g));
    give_integer(g, coarse_instant(g));
    if (one_in(g, 2)) give_null(g);
    else give_text(g, words(g));
    give_integer(g, coarse_instant(g));
}

static void ask_refuse_intent(struct generator *g)
{
    begin_intent_question(g, DB_REFUSE_INTENT);
    give_text(g, words(g));
    give_json(g, "{\"status\":400}");
    give_integer(g, coarse_instant(g));
    if (one_in(g, 4)) give_null(g);
    else give_integer(g, throw(g, 3));
}

static void ask_park_intent(struct generator *g)
{
    begin_intent_question(g, DB_PARK_INTENT);
    give_text(g, words(g));
    give_integer(g, coarse_instant(g));
    give_integer(g, coarse_instant(g));
    give_integer(g, throw(g, 3));
}

static void ask_audit(struct generator *g)
{
    add_call_of(g, DB_AUDIT);
    give_company(g);
    give_text(g, one_in(g, 2) ? slice_of("engine") : slice_of("operator"));
    give_text(g, one_of(g, ((const struct slice[]){ slice_of("booking_refused"), slice_of("did"), slice_of("a\0b"), slice_of("\xED\xA0\x80") }))); /* part of a key: no long ones */
    give_print(g, "subject/%u", throw(g, 5));
    give_json(g, "{\"a\":1}");
    give_integer(g, one_in(g, 40) ? far_instant(g) : coarse_instant(g));
}

static void ask_probe(struct generator *g) { add_call_of(g, DB_PROBE); }
static void ask_snapshot(struct generator *g) { add_call_of(g, DB_SNAPSHOT); }

static const struct { uint32_t weight; void (*ask)(struct generator *g); } questions[] = {
    { 40, ask_file_call_event }, { 10, ask_keep_webhook }, { 6, ask_close_call }, { 2, ask_for_calls }, { 18, ask_write_intent }, { 6, ask_refuse_operation },
    { 2, ask_due_intents }, { 8, ask_load_intent },
    { 9, ask_send_intent }, { 7, ask_delay_intent }, { 12, ask_book_intent }, { 6, ask_refuse_intent }, { 7, ask_park_intent }, { 4, ask_audit }, { 1, ask_probe }, { 1, ask_snapshot } };

static void ask_something(struct generator *g)
{
    uint32_t all = 0, thrown;
    for (size_t n = 0; n < sizeof questions / sizeof *questions; n++) all += questions[n].weight;
    thrown = throw(g, all);
    for (size_t n = 0;; n++) {
        if (thrown < questions[n].weight) {
            questions[n].ask(g);
            return;
        }
        thrown -= questions[n].weight;
    }
}

/* The next unit, for both. Of its tenant mostly; sometimes nobody has set one, or another. */
static void next_unit(struct generator *g)
{
    g->unit_number += 1;
    g->company = throw(g, COMPANIES);
    g->tenant_company = one_in(g, 50) ? throw(g, COMPANIES + 1) : g->company;
    const struct db_tenant tenant = { .company_id = g->tenant_company < COMPANIES ? g->is.companies[g->tenant_company] : 0, .workspace_id = one_in(g, 30) ? 0 : g->is.workspaces[one_in(g, 12)] };
    arena_free(&g->memory);
    db_unit_begin(&g->of_store, tenant);
    db_unit_begin(&g->of_real, tenant);
    const uint32_t calls = one_in(g, 2) ? 1 : 1 + throw(g, DB_UNIT_CALLS_MAX);
    for (uint32_t n = 0; n < calls; n++) ask_something(g);
}
