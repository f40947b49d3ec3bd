/* No statement of the engine reads a table of calls from end to end. Not by reading plans: the server counts the sequential scans of what really ran,
 * inside the functions too, in sessions that have run each statement often enough to have settled on their plans. */
#include "tests/unit/db/harness.h"

enum { CALLS = 1000, TIMES = 12 }; /* a session settles after five */

static struct harness harness;
static int64_t call, customer, intent;

/* A day of one company and a day of another, so that no condition selects everything. */
static void fill(void)
{
    for (uint32_t n = 0; n < 2; n++) {
        const long long c = database.companies[n], b = database.branches[n], w = database.workspace;
        value(database.owner, "SELECT count(file_call_event(%lld, %lld, %lld, 'call_' || %u || '_' || i, 'call_started', 0::smallint, '', i, NULL, '{}', '{}', '+49' || (1000 + i), NULL))"
              " FROM generate_series(1, %d) i", c, b, w, n, CALLS);
        value(database.owner, "SELECT count(file_call_event(%lld, %lld, %lld, 'call_' || %u || '_' || i, 'call_ended', 1::smallint, '', i, NULL, '{}', '{}', '+49' || (1000 + i), NULL))"
              " FROM generate_series(1, %d) i WHERE i %% 100 <> 0", c, b, w, n, CALLS);
        value(database.owner, "SELECT count(write_intent(%lld, %lld, id, customer_id, 'op' || id, 'ref' || id, NULL, NULL, 'cal', 1, id * 60000000, (id + 1) * 60000000, id * 60000000,"
              " (id + 1) * 60000000, '{}', '{}', 1)) FROM calls WHERE company_id = %lld", c, b, c);
        value(database.owner, "SELECT count(book_intent(%lld, id, 'uid' || id, id, 'accepted', 0, 60000000, NULL, 1)) FROM booking_intents WHERE company_id = %lld AND id %% 10 <> 0", c, c);
        value(database.owner, "SELECT count(refuse_operation(%lld, %lld, id, customer_id, 'no' || id, 'why', NULL, 1)) FROM calls WHERE company_id = %lld", c, b, c);
        value(database.owner, "WITH i AS (INSERT INTO webhook_log (workspace_id, company_id, provider, event, call_id, dedupe, received_at, outcome, body)"
              " SELECT %lld, %lld, 'retell', 'e', NULL, %u || '-' || i, now(), 'kept', '' FROM generate_series(1, %d) i RETURNING 1) SELECT count(*) FROM i", w, c, n, CALLS);
    }
    script(database.owner, "ANALYZE");
    call = number(database.owner, "SELECT max(id) FROM calls WHERE company_id = %lld", (long long)database.companies[0]);
    customer = number(database.owner, "SELECT customer_id FROM calls WHERE id = %lld", (long long)call);
    intent = number(database.owner, "SELECT max(id) FROM booking_intents WHERE company_id = %lld AND state = 'written'", (long long)database.companies[0]);
    assert_true(call > 0 && customer > 0 && intent > 0);
}

/* Parameters by their letters: ids where an id is wanted first, small unlike numbers and texts after. */
static void add_parameters(struct db_unit *u, enum db_statement s, uint32_t time)
{
    static char texts[DB_PARAMETERS_MAX][32];
    static const int64_t *const call_ids[] = { &database.companies[0], &database.branches[0], &call, &customer };
    const char *letters = db_statement_definition(s)->parameters;
    bool of_intent = s == DB_LOAD_INTENT || s == DB_SEND_INTENT || s == DB_DELAY_INTENT || s == DB_BOOK_INTENT || s == DB_REFUSE_INTENT || s == DB_PARK_INTENT;
    for (uint32_t p = 0; letters[p]; p++) {
        snprintf(texts[p], sizeof texts[p], "%s %u %u", db_statement_definition(s)->name, time, p);
        if (letters[p] == 'j') db_add_text(u, slice_of("{}"));
        else if (letters[p] != 'i') db_add_text(u, slice_from_text(texts[p]));
        else if (s == DB_OPEN_CALLS || s == DB_UNDECIDED_CALLS) db_add_integer(u, p == 0 ? 1 + time : 100); /* calls are of the first instants of all */
        else if (p == 0 && (s == DB_DUE_INTENTS || s == DB_KEEP_WEBHOOK)) db_add_integer(u, s == DB_KEEP_WEBHOOK ? database.workspace : 100);
        else if (p == 1 && s == DB_KEEP_WEBHOOK) db_add_integer(u, database.companies[0]);
        else if (p == 1 && of_intent) db_add_integer(u, intent);
        else if (p == 2 && s == DB_FILE_CALL_EVENT) db_add_integer(u, database.workspace);
        else if (p == 5 && s == DB_FILE_CALL_EVENT) db_add_integer(u, time % 4);
        else if (p < 4) db_add_integer(u, *call_ids[p]);
        else if (s == DB_WRITE_INTENT && (p == 6 || p == 7)) db_add_null(u);
        else if (s == DB_WRITE_INTENT && p >= 10 && p <= 13) db_add_integer(u, -1'000'000LL * time - (p % 2 ? 0 : 1'000'000));
        else db_add_integer(u, 1000 + p + (int64_t)time * 100);
    }
}

static void fix_texts(struct db_unit *u, enum db_statement s)
{
    struct db_parameter *p = u->calls[0].parameters;
    if (s == DB_DELAY_INTENT) p[2].text = slice_of("unknown");
    if (s == DB_BOOK_INTENT) p[4].text = slice_of("accepted");
    if (s == DB_BOOK_INTENT) p[2].text = slice_of("the one uid");
    if (s == DB_KEEP_WEBHOOK) p[8].text = slice_of("kept");
}

static void run_all(void)
{
    /* Refusal and booking end an intent: those that need it unfinished come first in the enum. */
    for (enum db_statement s = 0; s < DB_STATEMENT_COUNT; s++) {
        for (uint32_t time = 0; time < TIMES; time++) {
            struct db_unit u = {};
            db_unit_begin(&u, (struct db_tenant){ .company_id = database.companies[0], .workspace_id = database.workspace });
            db_unit_call(&u, s);
            add_parameters(&u, s, time);
            fix_texts(&u, s);
            enum db_outcome outcome = ask(&harness, &u);
            if (outcome != DB_OK) fail_msg("%s: outcome %d, sqlstate %s, constraint %s", db_statement_definition(s)->name, outcome, u.sqlstate, u.constraint);
            db_unit_release(&u);
        }
    }
}

static const char large_tables[] = "'customers', 'calls', 'call_events', 'booking_intents', 'busy_ranges', 'appointments', 'jobs', 'webhook_log', 'audit_log'";

static void no_statement_reads_a_table_of_calls_from_end_to_end(void **)
{
    fill();
    script(database.owner, "SELECT pg_stat_force_next_flush()");
    db_admin_close(database.owner); /* its counts are in, now and for certain */
    database.owner = open_or_fail(database.owner_url);
    const char *before = value(database.owner, "SELECT coalesce(jsonb_object_agg(relname, seq_scan), '{}')::text FROM pg_stat_user_tables");

    struct db_config config = harness_config(database.runtime_url);
    config.connections = 1;
    harness_open(&harness, config, nullptr);
    wait_up(&harness);
    run_all();
    harness_close(&harness);
    /* A session's counts are flushed as it ends, and it ends a moment after its client has gone. */
    struct db_admin *admin = open_or_fail(database.admin_url);
    while (number(admin, "SELECT count(*) FROM pg_stat_activity WHERE usename = 'rm_runtime' AND datname = current_database()") > 0) {}
    db_admin_close(admin);
    script(database.owner, "SELECT pg_stat_clear_snapshot()");
    assert_true(number(database.owner, "SELECT sum(idx_scan) FROM pg_stat_user_tables WHERE relname IN (%s)", large_tables) > 0);
    assert_string_equal(value(database.owner, "SELECT string_agg(relname || ' +' || seq_scan - ('%s'::jsonb ->> relname)::bigint, ', ') FROM pg_stat_user_tables"
                              " WHERE relname IN (%s) AND seq_scan > ('%s'::jsonb ->> relname)::bigint", before, large_tables, before), "");
}

int main(int, char **arguments)
{
    need_postgres(arguments);
    const struct CMUnitTest tests[] = { cmocka_unit_test(no_statement_reads_a_table_of_calls_from_end_to_end) };
    return cmocka_run_group_tests(tests, open_database, close_database);
}
