/* What the named statements promise (src/db/statements.h), asked as the engine asks them: through the pool, as the runtime role. */
#include "tests/unit/db/harness.h"

static struct harness harness;
static const int64_t nine_us = 1'773'133'200'000'000; /* 2026-03-10T09:00:00Z */
static const int64_t minute_us = 60'000'000;

static void run(struct db_unit *u) { assert_int_equal(ask(&harness, u), DB_OK); }

static struct db_unit unit_for(uint32_t company)
{
    struct db_unit u = {};
    db_unit_begin(&u, (struct db_tenant){ .company_id = database.companies[company], .workspace_id = database.workspace });
    return u;
}

/* -- filing -- */

enum { STARTED, ENDED, ANALYZED, OTHER };
struct delivery { const char *event; int64_t kind; const char *facts, *caller, *transcript; };

static const char *const events[] = { "call_started", "call_ended", "call_analyzed", "transcript_updated" };
static const char caller_1[] = "+491713920001";

static struct delivery delivery(int kind, const char *facts) { return (struct delivery){ events[kind], kind, facts, caller_1, nullptr }; }

static void add_filing(struct db_unit *u, uint32_t company, const char *call_id, struct delivery d)
{
    db_unit_call(u, DB_FILE_CALL_EVENT);
    db_add_integer(u, database.companies[company]);
    db_add_integer(u, database.branches[company]);
    db_add_integer(u, database.workspace);
    db_add_text(u, slice_from_text(call_id));
    db_add_text(u, slice_from_text(d.event));
    db_add_integer(u, d.kind);
    db_add_text(u, slice_of(""));
    db_add_integer(u, nine_us + d.kind * minute_us);
    db_add_text(u, slice_of("correlation"));
    db_add_text(u, slice_of("{\"body\":1}"));
    db_add_text(u, slice_from_text(d.facts));
    db_add_text(u, slice_from_text(d.caller));
    db_add_text(u, slice_from_text(d.transcript));
}

struct filed { bool is_new, has_intent, is_closed; int64_t call, customer; char booking[256]; };

static struct filed file(uint32_t company, const char *call_id, struct delivery d)
{
    struct db_unit u = unit_for(company);
    add_filing(&u, company, call_id, d);
    run(&u);
    assert_int_equal(db_row_count(&u, 0), 1);
    struct filed f = { .is_new = db_boolean(&u, 0, 0, 0), .call = db_integer(&u, 0, 0, 1), .customer = db_integer(&u, 0, 0, 2),
                       .has_intent = db_boolean(&u, 0, 0, 4), .is_closed = db_boolean(&u, 0, 0, 5) };
    snprintf(f.booking, sizeof f.booking, SLICE_FORMAT, slice_print(db_text(&u, 0, 0, 3)));
    db_unit_release(&u);
    return f;
}

static void a_first_delivery_is_new_and_a_copy_changes_nothing(void **)
{
    struct filed first = file(0, "call_copy", delivery(STARTED, "{\"call_status\":\"ongoing\"}"));
    const char *before = value(database.owner, "SELECT c::text FROM calls c WHERE call_id = 'call_copy'");
    struct filed copy = file(0, "call_copy", delivery(STARTED, "{\"call_status\":\"error\",\"direction\":\"inbound\"}"));
    assert_true(first.is_new && !copy.is_new);
    assert_int_equal(first.call, copy.call);
    assert_int_equal(first.customer, copy.customer);
    assert_false(copy.is_closed);
    assert_string_equal(before, value(database.owner, "SELECT c::text FROM calls c WHERE call_id = 'call_copy'"));
    assert_int_equal(number(database.owner, "SELECT count(*) FROM call_events WHERE call_id = 'call_copy'"), 1);
}

/* The row without its identity. */
static const char *row_of(const char *call_id)
{
    return value(database.owner, "SELECT (to_jsonb(c) - 'id' - 'call_id')::text FROM calls c WHERE call_id = '%s'", call_id);
}

static const struct delivery story[] = {
    { "call_started", STARTED, "{\"call_status\":\"ongoing\",\"agent_id\":\"a1\",\"started_at_us\":1773133200000001,\"booking\":{\"name\":\"Started\"}}", caller_1, nullptr },
    { "call_ended", ENDED, "{\"call_status\":\"ended\",\"duration_ms\":61000,\"cost_cents\":12.375,\"booking\":{\"name\":\"Ended\",\"datum\":\"2026-03-11\"}}", caller_1, "Guten Tag" },
    { "call_analyzed", ANALYZED, "{\"call_status\":\"ended\",\"call_summary\":\"Termin\",\"booking\":{\"booking_confirmed\":true}}", caller_1, "Guten Tag, hier" },
};

/* Five deliveries: each event once, and two of them twice: 5!/(2!·2!) = 30 orders. */
static uint32_t walk(const int *counts, uint32_t depth, int *order, void (*visit)(const int *order, uint32_t length, uint32_t number), uint32_t number)
{
    if (counts[0] + counts[1] + counts[2] == 0) {
        visit(order, depth, number);
        return number + 1;
    }
    for (int kind = 0; kind < 3; kind++) {
        if (counts[kind] == 0) continue;
        int left[3] = { counts[0], counts[1], counts[2] };
        left[kind] -= 1;
        order[depth] = kind;
        number = walk(left, depth + 1, order, visit, number);
    }
    return number;
}

static char expected_row[8192];

static void file_in_order(const int *order, uint32_t length, uint32_t number)
{
    static uint32_t calls_made;
    char call_id[32];
    snprintf(call_id, sizeof call_id, "order_%u_%u", calls_made++, number);
    for (uint32_t n = 0; n < length; n++) (void)file(0, call_id, story[order[n]]);
    const char *row = row_of(call_id);
    if (!expected_row[0]) snprintf(expected_row, sizeof expected_row, "%s", row);
    assert_string_equal(row, expected_row);
}

static void any_order_and_multiplicity_of_events_gives_the_same_call(void **)
{
    int order[5];
    assert_int_equal(walk((int[]){ 1, 2, 2 }, 0, order, file_in_order, 0), 30);
    assert_int_equal(walk((int[]){ 2, 1, 2 }, 0, order, file_in_order, 0), 30);
    assert_int_equal(walk((int[]){ 2, 2, 1 }, 0, order, file_in_order, 0), 30);
    static const char *const shown[] = { "\"cost_cents\": 12.375", "\"agent_id\": \"a1\"", "\"call_summary\": \"Termin\"", "\"outcome\": \"ended\"",
                                         "\"transcript\": \"Guten Tag, hier\"", "\"booking_confirmed\": true", "\"started_at\": \"2026-03-10T09:00:00.000001+00:00\"" };
    for (uint32_t n = 0; n < sizeof shown / sizeof shown[0]; n++) assert_non_null(strstr(expected_row, shown[n]));
}

static void booking_facts_are_merged_field_by_field(void **)
{
    (void)file(0, "call_facts", story[ANALYZED]);
    (void)file(0, "call_facts", story[STARTED]);
    struct filed last = file(0, "call_facts", story[ENDED]);
    assert_string_equal(last.booking, "{\"name\": \"Ended\", \"datum\": \"2026-03-11\", \"booking_confirmed\": true}");
}

static void what_an_event_does_not_say_erases_nothing(void **)
{
    (void)file(0, "call_erase", story[ENDED]);
    (void)file(0, "call_erase", (struct delivery){ "call_analyzed", ANALYZED, "{}", nullptr, nullptr });
    assert_string_equal(value(database.owner, "SELECT duration_ms || ' ' || cost_cents || ' ' || transcript FROM calls WHERE call_id = 'call_erase'"), "61000 12.375 Guten Tag");
    assert_string_equal(value(database.owner, "SELECT phone FROM customers k JOIN calls c ON c.customer_id = k.id WHERE call_id = 'call_erase'"), caller_1);
}

static void an_event_of_another_kind_leaves_the_call_as_it_is_and_open(void **)
{
    struct filed f = file(0, "call_other", delivery(OTHER, "{\"call_status\":\"ongoing\"}"));
    assert_true(f.is_new && !f.is_closed);
    assert_string_equal(value(database.owner, "SELECT outcome || coalesce(status, '') FROM calls WHERE call_id = 'call_other'"), "open");
}

static void two_calls_of_one_new_caller_at_once_make_one_customer(void **)
{
    enum { ROUNDS = 20, CALLS = 8 };
    static struct asked asked[CALLS];
    for (uint32_t round = 0; round < ROUNDS; round++) {
        char caller[32], call_id[CALLS][32];
        snprintf(caller, sizeof caller, "+4930%06u", round);
        for (uint32_t n = 0; n < CALLS; n++) {
            snprintf(call_id[n], sizeof call_id[n], "twin_%u_%u", round, n);
            asked[n].unit = unit_for(0);
            struct delivery d = story[STARTED];
            d.caller = caller;
            add_filing(&asked[n].unit, 0, call_id[n], d);
        }
        ask_all(&harness, asked, CALLS);
        int64_t customer = 0;
        for (uint32_t n = 0; n < CALLS; n++) {
            assert_int_equal(asked[n].unit.outcome, DB_OK);
            if (n > 0) assert_int_equal(db_integer(&asked[n].unit, 0, 0, 2), customer);
            customer = db_integer(&asked[n].unit, 0, 0, 2);
            db_unit_release(&asked[n].unit);
        }
    }
}

static void a_withheld_number_is_a_customer_of_its_own_per_call(void **)
{
    struct delivery withheld = story[STARTED], ended = story[ENDED];
    withheld.caller = ended.caller = nullptr;
    struct filed a = file(0, "call_anonymous_a", withheld), b = file(0, "call_anonymous_b", withheld), again = file(0, "call_anonymous_a", ended);
    assert_int_not_equal(a.customer, b.customer);
    assert_int_equal(a.customer, again.customer);
}

static void a_number_that_comes_to_be_known_replaces_withheld_and_nothing_else(void **)
{
    struct delivery withheld = story[STARTED], known = story[ENDED], other = story[ANALYZED];
    withheld.caller = nullptr;
    other.caller = "+491713920002";
    struct filed first = file(0, "call_late_number", withheld), second = file(0, "call_late_number", known), third = file(0, "call_late_number", other);
    assert_int_not_equal(first.customer, second.customer);
    assert_int_equal(second.customer, third.customer);
}

static void a_caller_known_to_one_company_is_new_to_another(void **)
{
    struct filed a = file(0, "call_at_fri", story[STARTED]), b = file(1, "call_at_prx", story[STARTED]);
    assert_int_not_equal(a.customer, b.customer);
}

/* The number that was called may have been given to another company in the middle of a call. */
static void a_call_of_one_company_is_not_another_ones_to_file(void **)
{
    file(0, "call_moves", delivery(STARTED, "{\"direction\":\"inbound\"}"));
    const char *before = value(database.owner, "SELECT c::text FROM calls c WHERE call_id = 'call_moves'");
    struct db_unit u = unit_for(1);
    add_filing(&u, 1, "call_moves", delivery(ENDED, "{\"call_status\":\"ended\"}"));
    assert_int_equal(ask(&harness, &u), DB_REJECTED);
    assert_string_equal(u.sqlstate, "42501"); /* row-level security */
    db_unit_release(&u);
    assert_string_equal(before, value(database.owner, "SELECT c::text FROM calls c WHERE call_id = 'call_moves'"));
    assert_int_equal(number(database.owner, "SELECT count(*) FROM call_events WHERE call_id = 'call_moves'"), 1);
}

static void no_text_of_a_caller_can_stop_its_own_filing(void **)
{
    struct db_unit u = unit_for(0);
    struct delivery d = delivery(ENDED, "{\"call_summary\":\"a\\u0000b\"}");
    add_filing(&u, 0, "call_zero", d);
    u.calls[0].parameters[12] = (struct db_parameter){ .kind = DB_TEXT, .text = slice_of("a\0b") };
    run(&u);
    db_unit_release(&u);
    assert_string_equal(value(database.owner, "SELECT call_summary || transcript FROM calls WHERE call_id = 'call_zero'"), "a\uFFFDba\uFFFDb");
}

static int64_t keep(struct slice body, const char *dedupe)
{
    struct db_unit u = {};
    db_unit_begin(&u, (struct db_tenant){ .workspace_id = database.workspace });
    db_unit_call(&u, DB_KEEP_WEBHOOK);
    db_add_integer(&u, database.workspace);
    db_add_null(&u);
    db_add_text(&u, slice_of("retell"));
    db_add_null(&u);
    db_add_null(&u);
    db_add_text(&u, slice_from_text(dedupe));
    db_add_integer(&u, nine_us);
    db_add_text(&u, slice_of("correlation"));
    db_add_text(&u, slice_of("quarantined"));
    db_add_text(&u, slice_of("not JSON"));
    db_add_text(&u, body);
    run(&u);
    int64_t id = db_integer(&u, 0, 0, 0);
    db_unit_release(&u);
    return id;
}

static void a_webhook_of_any_bytes_is_kept_once_and_listed(void **)
{
    struct slice bytes = slice_of("\xff\0{");
    int64_t id = keep(bytes, "one");
    assert_int_equal(keep(bytes, "one"), id);
    assert_int_not_equal(keep(slice_of("{\"fine\":1}"), "two"), id);
    assert_string_equal(value(database.owner, "SELECT string_agg(body, ' ' ORDER BY id) FROM webhooks WHERE outcome = 'quarantined'"), "\\xff007b {\"fine\":1}");
    assert_string_equal(value(database.owner, "SELECT encode(body, 'hex') FROM webhook_log WHERE id = %lld", (long long)id), "ff007b");
}

/* -- the end of a call -- */

static bool close_call(const char *call_id, int64_t at_us)
{
    struct db_unit u = unit_for(0);
    db_unit_call(&u, DB_CLOSE_CALL);
    db_add_integer(&u, database.companies[0]);
    db_add_text(&u, slice_from_text(call_id));
    db_add_integer(&u, at_us);
    db_add_text(&u, slice_of("ended_unknown"));
    run(&u);
    bool changed = db_boolean(&u, 0, 0, 0);
    db_unit_release(&u);
    return changed;
}

/* How often OPEN_CALLS or UNDECIDED_CALLS, asked without a tenant, a few at a time, tells of it. The calls here were seen at few instants. */
static uint32_t times_listed(const char *call_id, enum db_statement list)
{
    enum { PAGE = 3 };
    int64_t seen_at_us = 0, call = 0;
    uint32_t listed = 0, rows = PAGE;
    while (rows == PAGE) {
        struct db_unit u = {};
        db_unit_begin(&u, (struct db_tenant){});
        db_unit_call(&u, list);
        db_add_integer(&u, seen_at_us);
        db_add_integer(&u, call);
        db_add_integer(&u, PAGE);
        run(&u);
        rows = db_row_count(&u, 0);
        for (uint32_t row = 0; row < rows; row++) {
            int64_t earlier_us = seen_at_us, earlier = call;
            seen_at_us = db_integer(&u, 0, row, 7);
            call = db_integer(&u, 0, row, 5);
            assert_true(seen_at_us > earlier_us || (seen_at_us == earlier_us && call > earlier));
            if (!slice_equal(db_text(&u, 0, row, 3), slice_from_text(call_id))) continue;
            listed += 1;
            assert_int_equal(db_integer(&u, 0, row, 0), database.companies[0]);
            assert_int_equal(db_integer(&u, 0, row, 1), database.branches[0]);
            assert_int_equal(db_integer(&u, 0, row, 2), database.workspace);
            assert_int_equal(db_integer(&u, 0, row, 4), nine_us);
            assert_true(db_integer(&u, 0, row, 6) > 0);
        }
        db_unit_release(&u);
    }
    return listed;
}

static bool is_listed(const char *call_id, bool undecided)
{
    uint32_t times = times_listed(call_id, undecided ? DB_UNDECIDED_CALLS : DB_OPEN_CALLS);
    assert_true(times <= 1);
    return times == 1;
}

static void pages_of_open_calls_have_each_of_them_once(void **)
{
    char id[16];
    for (uint32_t n = 0; n < 20; n++) {
        snprintf(id, sizeof id, "call_page_%u", n);
        (void)file(0, id, story[STARTED]); /* at one and the same instant */
    }
    for (uint32_t n = 0; n < 20; n++) {
        snprintf(id, sizeof id, "call_page_%u", n);
        assert_true(is_listed(id, false));
    }
}

static void a_call_whose_end_never_came_is_closed_and_still_takes_its_end(void **)
{
    (void)file(0, "call_zombie", story[STARTED]);
    assert_true(is_listed("call_zombie", false));
    assert_true(close_call("call_zombie", nine_us));
    assert_true(close_call("call_zombie", nine_us)); /* asked again, the same answer */
    assert_false(close_call("call_zombie", nine_us + 1));
    assert_false(is_listed("call_zombie", false));
    assert_string_equal(value(database.owner, "SELECT outcome FROM calls WHERE call_id = 'call_zombie'"), "ended_unknown");
    (void)file(0, "call_zombie", story[ENDED]);
    assert_string_equal(value(database.owner, "SELECT outcome FROM calls WHERE call_id = 'call_zombie'"), "ended");
    assert_false(close_call("call_zombie", nine_us));
}

static bool refuse_operation(struct filed call, const char *operation_key, const char *reason)
{
    struct db_unit u = unit_for(0);
    db_unit_call(&u, DB_REFUSE_OPERATION);
    db_add_integer(&u, database.companies[0]);
    db_add_integer(&u, database.branches[0]);
    db_add_integer(&u, call.call);
    db_add_integer(&u, call.customer);
    db_add_text(&u, slice_from_text(operation_key));
    db_add_text(&u, slice_from_text(reason));
    db_add_null(&u);
    db_add_integer(&u, nine_us);
    run(&u);
    bool is_new = db_boolean(&u, 0, 0, 0);
    db_unit_release(&u);
    return is_new;
}

static void what_was_agreed_and_is_not_decided_is_told_of_until_it_is(void **)
{
    struct delivery agreed = story[ENDED], plain = story[ENDED];
    agreed.facts = "{\"call_status\":\"ended\",\"booking\":{\"booking_confirmed\":true}}";
    (void)file(0, "call_plain", story[STARTED]);
    (void)file(0, "call_plain", plain);
    assert_false(is_listed("call_plain", true));

    (void)file(0, "call_agreed", story[STARTED]);
    struct filed f = file(0, "call_agreed", agreed);
    assert_true(is_listed("call_agreed", true));
    assert_false(is_listed("call_agreed", false));
    assert_true(refuse_operation(f, "after_call:call_agreed", "analysis_never_came"));
    assert_false(is_listed("call_agreed", true));

    (void)file(0, "call_analyzed", story[STARTED]);
    (void)file(0, "call_analyzed", agreed);
    (void)file(0, "call_analyzed", story[ANALYZED]);
    assert_false(is_listed("call_analyzed", true)); /* the analysis has decided */
}

/* -- bookings -- */

struct wanted { struct filed call; uint32_t company; const char *key, *calendar; int64_t from_us, until_us; const char *name; };

static void add_intent(struct db_unit *u, struct wanted w)
{
    char attendee[128];
    snprintf(attendee, sizeof attendee, "{\"name\":\"%s\"}", w.name);
    *u = unit_for(w.company);
    db_unit_call(u, DB_WRITE_INTENT);
    db_add_integer(u, database.companies[w.company]);
    db_add_integer(u, database.branches[w.company]);
    db_add_integer(u, w.call.call);
    db_add_integer(u, w.call.customer);
    db_add_text(u, slice_from_text(w.key));
    db_add_text(u, slice_from_text(w.key)); /* reference */
    db_add_null(u);
    db_add_null(u);
    db_add_text(u, slice_from_text(w.calendar));
    db_add_integer(u, 5001);
    db_add_integer(u, w.from_us);
    db_add_integer(u, w.until_us);
    db_add_integer(u, w.from_us);
    db_add_integer(u, w.until_us);
    static char kept[16][128];
    static uint32_t next;
    char *attendee_kept = strcpy(kept[next++ % 16], attendee);
    db_add_text(u, slice_from_text(attendee_kept));
    db_add_text(u, slice_of("{\"exact\": \"bytes\"}"));
    db_add_integer(u, nine_us);
}

struct intent { enum db_outcome outcome; int64_t id; bool is_new; char state[16], constraint[64]; };

static struct intent write_intent(struct wanted w)
{
    struct db_unit u;
    add_intent(&u, w);
    struct intent i = { .outcome = ask(&harness, &u) };
    snprintf(i.constraint, sizeof i.constraint, "%s", u.constraint);
    if (i.outcome == DB_OK) {
        i.id = db_integer(&u, 0, 0, 0);
        i.is_new = db_boolean(&u, 0, 0, 2);
        snprintf(i.state, sizeof i.state, SLICE_FORMAT, slice_print(db_text(&u, 0, 0, 1)));
    }
    db_unit_release(&u);
    return i;
}

static struct wanted wanted(const char *key, const char *calendar, int64_t from_minute, int64_t until_minute)
{
    return (struct wanted){ .call = file(0, key, story[STARTED]), .key = key, .calendar = calendar, .from_us = nine_us + from_minute * minute_us,
                            .until_us = nine_us + until_minute * minute_us, .name = "Maria" };
}

static void an_intent_is_written_once_per_operation(void **)
{
    struct wanted w = wanted("op_once", "once", 0, 30);
    struct intent first = write_intent(w), again = write_intent(w);
    assert_true(first.is_new && !again.is_new);
    assert_int_equal(first.id, again.id);
    assert_string_equal(again.state, "written");
    assert_true(file(0, "op_once", story[ENDED]).has_intent);
}

static void overlapping_intents_of_a_calendar_conflict_and_nothing_of_the_second_stays(void **)
{
    (void)write_intent(wanted("op_overlap_1", "overlap", 0, 30));
    struct intent second = write_intent(wanted("op_overlap_2", "overlap", 29, 59));
    assert_int_equal(second.outcome, DB_CONFLICT);
    assert_string_equal(second.constraint, "busy_ranges_no_overlap");
    assert_int_equal(number(database.owner, "SELECT count(*) FROM booking_intents WHERE operation_key = 'op_overlap_2'"), 0);
}

static void back_to_back_and_other_calendars_and_companies_do_not_conflict(void **)
{
    assert_int_equal(write_intent(wanted("op_next_1", "next", 0, 30)).outcome, DB_OK);
    assert_int_equal(write_intent(wanted("op_next_2", "next", 30, 60)).outcome, DB_OK);
    assert_int_equal(write_intent(wanted("op_next_3", "another", 0, 30)).outcome, DB_OK);
    struct wanted w = wanted("op_next_4", "next", 0, 30);
    w.company = 1;
    w.call = file(1, "op_next_4_prx", story[STARTED]);
    assert_int_equal(write_intent(w).outcome, DB_OK);
}

/* R30: many at once over overlapping starts: what is accepted is disjoint, everyone else hears a definite no, and nobody a deadlock. */
static void of_many_overlapping_intents_at_once_exactly_one_is_accepted(void **)
{
    enum { ROUNDS = 10, RIVALS = 12 };
    static struct asked asked[RIVALS];
    static char keys[RIVALS][32], calendar[32];
    for (uint32_t round = 0; round < ROUNDS; round++) {
        snprintf(calendar, sizeof calendar, "rivals %u", round);
        for (uint32_t n = 0; n < RIVALS; n++) {
            snprintf(keys[n], sizeof keys[n], "rival_%u_%u", round, n);
            add_intent(&asked[n].unit, wanted(keys[n], calendar, n, n + 30));
        }
        ask_all(&harness, asked, RIVALS);
        uint32_t accepted = 0;
        for (uint32_t n = 0; n < RIVALS; n++) {
            assert_true(asked[n].unit.outcome == DB_OK || asked[n].unit.outcome == DB_CONFLICT);
            accepted += asked[n].unit.outcome == DB_OK;
            db_unit_release(&asked[n].unit);
        }
        assert_int_equal(accepted, 1);
    }
}

static void add_two(struct db_unit *u, enum db_statement s, int64_t intent)
{
    *u = unit_for(0);
    db_unit_call(u, s);
    db_add_integer(u, database.companies[0]);
    db_add_integer(u, intent);
}

static int64_t send_knowing(int64_t intent, int64_t now_us, int64_t attempts_known_of)
{
    struct db_unit u;
    add_two(&u, DB_SEND_INTENT, intent);
    db_add_integer(&u, now_us);
    db_add_integer(&u, attempts_known_of);
    run(&u);
    int64_t attempts = db_row_count(&u, 0) ? db_integer(&u, 0, 0, 0) : -1;
    db_unit_release(&u);
    return attempts;
}

static int64_t attempts_of(int64_t intent)
{
    struct db_unit u;
    add_two(&u, DB_LOAD_INTENT, intent);
    run(&u);
    int64_t attempts = db_integer(&u, 0, 0, 14);
    db_unit_release(&u);
    return attempts;
}

static int64_t send_intent(int64_t intent, int64_t now_us) { return send_knowing(intent, now_us, attempts_of(intent)); }

static struct db_unit booking(int64_t intent, const char *uid, const char *status)
{
    struct db_unit u;
    add_two(&u, DB_BOOK_INTENT, intent);
    db_add_text(&u, slice_from_text(uid));
    db_add_integer(&u, 77);
    db_add_text(&u, slice_from_text(status));
    db_add_integer(&u, nine_us);
    db_add_integer(&u, nine_us + 30 * minute_us);
    db_add_text(&u, slice_of("Lena"));
    db_add_integer(&u, nine_us + 5);
    return u;
}

static int64_t book(int64_t intent, const char *uid, const char *status)
{
    struct db_unit u = booking(intent, uid, status);
    run(&u);
    int64_t appointment = db_integer(&u, 0, 0, 0);
    db_unit_release(&u);
    return appointment;
}

static bool refuse_intent(int64_t intent, const char *reason, int64_t attempts)
{
    struct db_unit u;
    add_two(&u, DB_REFUSE_INTENT, intent);
    db_add_text(&u, slice_from_text(reason));
    db_add_text(&u, slice_of("{\"asked\":\"10:00\"}"));
    db_add_integer(&u, nine_us + 6);
    db_add_integer(&u, attempts);
    run(&u);
    bool is_refused = db_boolean(&u, 0, 0, 0);
    db_unit_release(&u);
    return is_refused;
}

/* Both until nine and 100 µs, by who knows of no create. */
static void park_intent(int64_t intent)
{
    struct db_unit u;
    add_two(&u, DB_PARK_INTENT, intent);
    db_add_text(&u, slice_of("still unknown"));
    db_add_integer(&u, nine_us + 100);
    db_add_integer(&u, nine_us);
    db_add_integer(&u, 0);
    run(&u);
    db_unit_release(&u);
}

static void delay_intent(int64_t intent, const char *state)
{
    struct db_unit u;
    add_two(&u, DB_DELAY_INTENT, intent);
    db_add_text(&u, slice_from_text(state));
    db_add_text(&u, slice_of("LOOKING_UP"));
    db_add_integer(&u, nine_us + 100);
    db_add_text(&u, slice_of("timed out"));
    db_add_integer(&u, nine_us);
    db_add_integer(&u, 0);
    run(&u);
    db_unit_release(&u);
}

static void each_create_is_counted_before_it_leaves_and_once(void **)
{
    int64_t intent = write_intent(wanted("op_send", "send", 0, 30)).id;
    assert_int_equal(send_intent(intent, nine_us + 1), 1);
    assert_int_equal(send_intent(intent, nine_us + 1), 1); /* the answer was lost, the question is the same */
    assert_int_equal(send_intent(intent, nine_us + 2), 2);
    struct db_unit u;
    add_two(&u, DB_LOAD_INTENT, intent);
    run(&u);
    assert_true(slice_equal(db_text(&u, 0, 0, 0), slice_of("sending")));
    assert_true(slice_equal(db_text(&u, 0, 0, 13), slice_of("{\"exact\": \"bytes\"}")));
    assert_int_equal(db_integer(&u, 0, 0, 14), 2);
    assert_int_equal(db_integer(&u, 0, 0, 16), nine_us + 1); /* the first time stays */
    assert_int_equal(db_integer(&u, 0, 0, 10), nine_us);
    assert_int_equal(db_integer(&u, 0, 0, 18), nine_us + 30 * minute_us);
    assert_true(db_is_null(&u, 0, 0, 6));
    db_unit_release(&u);
}

static void of_two_who_would_send_the_same_intent_only_one_may(void **)
{
    int64_t intent = write_intent(wanted("op_two", "two", 0, 30)).id;
    assert_int_equal(send_knowing(intent, nine_us + 1, 0), 1);
    assert_int_equal(send_knowing(intent, nine_us + 2, 0), -1); /* read the row before the other one sent */
    assert_int_equal(send_knowing(intent, nine_us + 1, 0), 1);  /* the first one's answer was lost */
    assert_int_equal(attempts_of(intent), 1);
}

static void a_booking_is_kept_once_and_nothing_is_sent_after_it(void **)
{
    int64_t intent = write_intent(wanted("op_book", "book", 0, 30)).id;
    int64_t appointment = book(intent, "uid_book", "accepted");
    assert_int_equal(book(intent, "uid_book", "accepted"), appointment);
    assert_int_equal(send_intent(intent, nine_us), -1);
    assert_false(refuse_intent(intent, "too late", 0));
    assert_string_equal(value(database.owner, "SELECT state FROM booking_intents WHERE id = %lld", (long long)intent), "booked");
    assert_string_equal(value(database.owner, "SELECT status || attendee_name || host_name FROM appointments WHERE id = %lld", (long long)appointment), "acceptedMariaLena");
    assert_int_equal(number(database.owner, "SELECT count(*) FROM audit_log WHERE subject = 'intent/%lld'", (long long)intent), 1);
    assert_int_equal(number(database.owner, "SELECT count(*) FROM jobs WHERE intent_id = %lld", (long long)intent), 0);
}

static void a_pending_booking_becomes_accepted_and_not_pending_again(void **)
{
    int64_t intent = write_intent(wanted("op_pending", "pending", 0, 30)).id;
    (void)book(intent, "uid_pending", "pending");
    assert_string_equal(value(database.owner, "SELECT state FROM booking_intents WHERE id = %lld", (long long)intent), "pending");
    (void)book(intent, "uid_pending", "accepted");
    (void)book(intent, "uid_pending", "pending");
    assert_string_equal(value(database.owner, "SELECT state || status FROM booking_intents i JOIN appointments a ON a.intent_id = i.id WHERE i.id = %lld", (long long)intent), "bookedaccepted");
}

static void one_booking_belongs_to_one_intent_and_one_intent_to_one_booking(void **)
{
    int64_t first = write_intent(wanted("op_uid_1", "uid", 0, 30)).id, second = write_intent(wanted("op_uid_2", "uid", 30, 60)).id;
    (void)book(first, "uid_shared", "accepted");
    struct db_unit foreign = booking(second, "uid_shared", "accepted"), twice = booking(first, "uid_other", "accepted");
    assert_int_equal(ask(&harness, &foreign), DB_CONFLICT);
    assert_string_equal(foreign.constraint, "appointments_calcom_uid");
    assert_int_equal(ask(&harness, &twice), DB_CONFLICT);
    assert_string_equal(twice.constraint, "appointments_one_per_intent");
    db_unit_release(&foreign);
    db_unit_release(&twice);
    assert_string_equal(value(database.owner, "SELECT state FROM booking_intents WHERE id = %lld", (long long)second), "written");
}

static void a_name_is_given_once_and_never_overwritten(void **)
{
    struct wanted w = wanted("op_name_1", "name", 0, 30);
    struct delivery d = story[STARTED];
    d.caller = "+493099990001";
    w.call = file(0, "call_name", d);
    (void)book(write_intent(w).id, "uid_name_1", "accepted");
    w.key = "op_name_2";
    w.name = "Otto";
    w.from_us += 30 * minute_us;
    w.until_us += 30 * minute_us;
    (void)book(write_intent(w).id, "uid_name_2", "accepted");
    assert_string_equal(value(database.owner, "SELECT name FROM customers WHERE phone = '+493099990001'"), "Maria");
    assert_string_equal(value(database.owner, "SELECT attendee_name FROM appointments WHERE calcom_booking_uid = 'uid_name_2'"), "Otto");
}

/* Two engines, of which one has not noticed yet that the other took over: what it believes of a row is older than the last create. */
static void who_does_not_know_of_the_last_create_has_no_say(void **)
{
    int64_t intent = write_intent(wanted("op_fence", "fence", 0, 30)).id;
    assert_int_equal(send_intent(intent, nine_us + 1), 1);
    assert_false(refuse_intent(intent, "slot_not_available", 0));
    park_intent(intent);
    delay_intent(intent, "written");
    assert_string_equal(value(database.owner, "SELECT state || attempts FROM booking_intents WHERE id = %lld", (long long)intent), "sending1");
    assert_true(refuse_intent(intent, "slot_taken", 1));
}

static void a_definite_no_frees_the_time_and_leaves_one_callback_with_its_reason(void **)
{
    int64_t intent = write_intent(wanted("op_no", "no", 0, 30)).id;
    assert_true(refuse_intent(intent, "slot_taken", 0));
    assert_true(refuse_intent(intent, "slot_taken", 0)); /* the answer was lost, the question is the same */
    assert_string_equal(value(database.owner, "SELECT string_agg(kind || reason || state || (details ->> 'asked'), ',') FROM jobs"
                                              " WHERE intent_id = %lld", (long long)intent), "callbackslot_takenopen10:00");
    assert_int_equal(send_intent(intent, nine_us), -1);
    assert_int_equal(write_intent(wanted("op_no_next", "no", 0, 30)).outcome, DB_OK);
    struct intent again = write_intent(wanted("op_no", "no", 0, 30));
    assert_string_equal(again.state, "refused");
    assert_false(again.is_new);
}

static void what_cannot_be_asked_for_is_one_refused_intent_and_one_callback(void **)
{
    struct wanted w = wanted("op_impossible", "impossible", 0, 30);
    for (int n = 0; n < 2; n++) assert_int_equal(refuse_operation(w.call, "op_impossible", "service_unknown"), n == 0);
    assert_string_equal(value(database.owner, "SELECT state || reason FROM booking_intents WHERE operation_key = 'op_impossible'"), "refusedservice_unknown");
    assert_int_equal(number(database.owner, "SELECT count(*) FROM jobs WHERE reason = 'service_unknown'"), 1);
    assert_string_equal(write_intent(w).state, "refused");
}

/* Whether DUE_INTENTS, asked without a tenant, tells of it. */
static bool is_due(int64_t intent, int64_t now_us)
{
    struct db_unit u = {};
    db_unit_begin(&u, (struct db_tenant){});
    db_unit_call(&u, DB_DUE_INTENTS);
    db_add_integer(&u, now_us);
    db_add_integer(&u, 1000);
    run(&u);
    bool due = false;
    for (uint32_t row = 0; row < db_row_count(&u, 0); row++) due |= db_integer(&u, 0, row, 1) == intent;
    db_unit_release(&u);
    return due;
}

static void an_unfinished_intent_is_due_when_its_time_has_come(void **)
{
    int64_t intent = write_intent(wanted("op_due", "due", 0, 30)).id;
    assert_true(is_due(intent, nine_us));
    delay_intent(intent, "unknown");
    assert_false(is_due(intent, nine_us + 99));
    assert_true(is_due(intent, nine_us + 100));
    (void)book(intent, "uid_due", "accepted");
    assert_false(is_due(intent, nine_us + 100));
}

static void a_parked_intent_keeps_its_time_and_calls_for_people_until_it_is_known(void **)
{
    int64_t intent = write_intent(wanted("op_park", "park", 0, 30)).id;
    for (int n = 0; n < 2; n++) park_intent(intent);
    assert_string_equal(value(database.owner, "SELECT string_agg(kind || state, ',') FROM jobs WHERE intent_id = %lld", (long long)intent), "reconcileopen");
    assert_int_equal(write_intent(wanted("op_park_rival", "park", 0, 30)).outcome, DB_CONFLICT);
    assert_true(is_due(intent, nine_us + 100));
    (void)book(intent, "uid_park", "accepted");
    assert_string_equal(value(database.owner, "SELECT string_agg(kind || state, ',') FROM jobs WHERE intent_id = %lld", (long long)intent), "reconciledone");
}

static void the_snapshot_shows_the_world_without_a_tenant(void **)
{
    struct db_unit u = {};
    db_unit_begin(&u, (struct db_tenant){});
    db_unit_call(&u, DB_SNAPSHOT);
    run(&u);
    assert_true(slice_contains(db_text(&u, 0, 0, 0), slice_of("\"key\" : \"prx\"")));
    db_unit_release(&u);
}

int main(int, char **arguments)
{
    need_postgres(arguments);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_first_delivery_is_new_and_a_copy_changes_nothing),
        cmocka_unit_test(any_order_and_multiplicity_of_events_gives_the_same_call),
        cmocka_unit_test(booking_facts_are_merged_field_by_field),
        cmocka_unit_test(what_an_event_does_not_say_erases_nothing),
        cmocka_unit_test(an_event_of_another_kind_leaves_the_call_as_it_is_and_open),
        cmocka_unit_test(two_calls_of_one_new_caller_at_once_make_one_customer),
        cmocka_unit_test(a_withheld_number_is_a_customer_of_its_own_per_call),
        cmocka_unit_test(a_number_that_comes_to_be_known_replaces_withheld_and_nothing_else),
        cmocka_unit_test(a_caller_known_to_one_company_is_new_to_another),
        cmocka_unit_test(a_call_of_one_company_is_not_another_ones_to_file),
        cmocka_unit_test(no_text_of_a_caller_can_stop_its_own_filing),
        cmocka_unit_test(a_webhook_of_any_bytes_is_kept_once_and_listed),
        cmocka_unit_test(a_call_whose_end_never_came_is_closed_and_still_takes_its_end),
        cmocka_unit_test(pages_of_open_calls_have_each_of_them_once),
        cmocka_unit_test(what_was_agreed_and_is_not_decided_is_told_of_until_it_is),
        cmocka_unit_test(an_intent_is_written_once_per_operation),
        cmocka_unit_test(overlapping_intents_of_a_calendar_conflict_and_nothing_of_the_second_stays),
        cmocka_unit_test(back_to_back_and_other_calendars_and_companies_do_not_conflict),
        cmocka_unit_test(of_many_overlapping_intents_at_once_exactly_one_is_accepted),
        cmocka_unit_test(each_create_is_counted_before_it_leaves_and_once),
        cmocka_unit_test(of_two_who_would_send_the_same_intent_only_one_may),
        cmocka_unit_test(a_booking_is_kept_once_and_nothing_is_sent_after_it),
        cmocka_unit_test(a_pending_booking_becomes_accepted_and_not_pending_again),
        cmocka_unit_test(one_booking_belongs_to_one_intent_and_one_intent_to_one_booking),
        cmocka_unit_test(a_name_is_given_once_and_never_overwritten),
        cmocka_unit_test(who_does_not_know_of_the_last_create_has_no_say),
        cmocka_unit_test(a_definite_no_frees_the_time_and_leaves_one_callback_with_its_reason),
        cmocka_unit_test(what_cannot_be_asked_for_is_one_refused_intent_and_one_callback),
        cmocka_unit_test(an_unfinished_intent_is_due_when_its_time_has_come),
        cmocka_unit_test(a_parked_intent_keeps_its_time_and_calls_for_people_until_it_is_known),
        cmocka_unit_test(the_snapshot_shows_the_world_without_a_tenant),
    };
    int failed = open_database(nullptr);
    struct db_config config = harness_config(database.runtime_url);
    config.connections = 4; /* what is submitted in one turn meets in different sessions */
    harness_open(&harness, config, nullptr);
    wait_up(&harness);
    failed += cmocka_run_group_tests(tests, nullptr, nullptr);
    harness_close(&harness);
    close_database(nullptr);
    return failed;
}
