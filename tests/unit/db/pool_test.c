/* What the pool promises, against a real PostgreSQL. */
#include <signal.h>
#include "tests/unit/db/harness.h"

static struct harness harness;

static int open_pool(void **)
{
    harness_open(&harness, harness_config(database.runtime_url), "ringmaster_tenants");
    wait_up(&harness);
    return 0;
}

static int close_pool(void **)
{
    harness_close(&harness);
    return 0;
}

static struct db_unit probe(void)
{
    struct db_unit u = {};
    db_unit_begin(&u, (struct db_tenant){});
    db_unit_call(&u, DB_PROBE);
    return u;
}

static struct db_unit audit(uint32_t company, const char *subject)
{
    struct db_unit u = {};
    db_unit_begin(&u, (struct db_tenant){ .company_id = database.companies[company] });
    db_unit_call(&u, DB_AUDIT);
    db_add_integer(&u, database.companies[company]);
    db_add_text(&u, slice_of("test"));
    db_add_text(&u, slice_of("did"));
    db_add_text(&u, slice_from_text(subject));
    db_add_null(&u);
    db_add_integer(&u, 1'700'000'000'000'000);
    return u;
}

static int64_t audited(const char *subject) { return number(database.owner, "SELECT count(*) FROM audit_log WHERE subject = '%s'", subject); }

/* A unit that tries to write for a company which is not its tenant: forbidden, so it ends in an error. */
static struct db_unit forbidden(const char *subject)
{
    struct db_unit u = audit(0, subject);
    u.tenant.company_id = database.companies[1];
    return u;
}

static void answers_a_unit_and_the_same_unit_again(void **)
{
    struct db_unit u = probe();
    for (int n = 0; n < 2; n++) {
        assert_int_equal(ask(&harness, &u), DB_OK);
        assert_int_equal(db_row_count(&u, 0), 1);
        assert_int_equal(db_integer(&u, 0, 0, 0), 1);
        db_unit_release(&u);
    }
}

static void an_error_fails_its_unit_and_no_neighbour_in_the_pipeline(void **)
{
    enum { COUNT = 32 };
    static struct asked asked[COUNT];
    static char subjects[COUNT][32];
    for (uint32_t n = 0; n < COUNT; n++) {
        snprintf(subjects[n], sizeof subjects[n], "neighbour %u", n);
        asked[n].unit = n % 4 == 1 ? forbidden(subjects[n]) : audit(0, subjects[n]);
    }
    ask_all(&harness, asked, COUNT);
    for (uint32_t n = 0; n < COUNT; n++) {
        assert_int_equal(asked[n].unit.outcome, n % 4 == 1 ? DB_REJECTED : DB_OK);
        assert_int_equal(audited(subjects[n]), n % 4 == 1 ? 0 : 1);
        db_unit_release(&asked[n].unit);
    }
}

static void all_calls_of_a_unit_take_effect_or_none(void **)
{
    struct db_unit u = audit(0, "first half");
    db_unit_call(&u, DB_AUDIT); /* the second half is another company's */
    db_add_integer(&u, database.companies[1]);
    for (int n = 0; n < 3; n++) db_add_text(&u, slice_of("x"));
    db_add_null(&u);
    db_add_integer(&u, 1);
    assert_int_equal(ask(&harness, &u), DB_REJECTED);
    assert_string_equal(u.sqlstate, "42501");
    assert_int_equal(audited("first half"), 0);
    db_unit_release(&u);
}

/* In pipeline mode a transaction lasts from sync to sync, and set_config(…, true) as long as it: the next unit on the same connection starts without. */
static void a_units_tenant_does_not_leak_into_the_next(void **)
{
    static struct asked asked[3];
    asked[0].unit = audit(0, "leak 0");
    asked[1].unit = audit(0, "leak 1");
    asked[1].unit.tenant = (struct db_tenant){};
    asked[2].unit = forbidden("leak 2");
    struct harness one;
    struct db_config config = harness_config(database.runtime_url);
    config.connections = 1;
    harness_open(&one, config, nullptr);
    wait_up(&one);
    ask_all(&one, asked, 3);
    harness_close(&one);
    assert_int_equal(asked[0].unit.outcome, DB_OK);
    assert_int_equal(asked[1].unit.outcome, DB_REJECTED);
    assert_int_equal(asked[2].unit.outcome, DB_REJECTED);
    assert_int_equal(audited("leak 0") + audited("leak 1") + audited("leak 2"), 1);
    for (int n = 0; n < 3; n++) db_unit_release(&asked[n].unit);
}

static void a_full_queue_is_busy_and_what_is_in_it_is_served(void **)
{
    static struct asked asked[6];
    struct harness narrow;
    struct db_config config = harness_config(database.runtime_url);
    config.connections = config.pipeline_depth = 1;
    config.queue_max = 4;
    harness_open(&narrow, config, nullptr);
    wait_up(&narrow);
    for (uint32_t n = 0; n < 6; n++) asked[n].unit = probe();
    ask_all(&narrow, asked, 6);
    harness_close(&narrow);
    for (uint32_t n = 0; n < 6; n++) {
        assert_int_equal(asked[n].unit.outcome, n < 4 ? DB_OK : DB_BUSY);
        db_unit_release(&asked[n].unit);
    }
}

static void what_is_large_both_ways_does_not_deadlock_the_sockets(void **)
{
    enum { COUNT = 16, BYTES = 1 << 20 };
    static struct asked asked[COUNT];
    static char body[BYTES];
    memset(body, 'x', sizeof body);
    for (uint32_t n = 0; n < COUNT; n++) {
        struct db_unit *u = &asked[n].unit;
        db_unit_begin(u, (struct db_tenant){ .workspace_id = database.workspace });
        db_unit_call(u, DB_KEEP_WEBHOOK);
        db_add_integer(u, database.workspace);
        db_add_null(u);
        db_add_text(u, slice_of("retell"));
        db_add_text(u, slice_of("large"));
        db_add_null(u);
        db_add_text(u, slice_from(body, n + 1));
        db_add_integer(u, 1);
        db_add_null(u);
        db_add_text(u, slice_of("kept"));
        db_add_null(u);
        db_add_text(u, slice_from(body, sizeof body));
    }
    ask_all(&harness, asked, COUNT);
    for (uint32_t n = 0; n < COUNT; n++) {
        assert_int_equal(asked[n].unit.outcome, DB_OK);
        db_unit_release(&asked[n].unit);
    }
    assert_int_equal(number(database.owner, "SELECT sum(length(body)) FROM webhook_log WHERE event = 'large'"), (long long)COUNT * BYTES);
}

/* -- outages -- */

/* The units hang on a lock that we hold, so they are certainly under way when their backends die. */
static void a_killed_backend_makes_its_units_unavailable_and_the_pool_comes_back(void **)
{
    enum { COUNT = 4 };
    static struct asked asked[COUNT];
    struct batch b = { asked, COUNT, COUNT };
    struct db_admin *locker = open_or_fail(database.owner_url), *admin = open_or_fail(database.admin_url);
    script(locker, "BEGIN; LOCK TABLE audit_log IN ACCESS EXCLUSIVE MODE");
    for (uint32_t n = 0; n < COUNT; n++) asked[n].unit = audit(0, "killed");
    on_shard(&harness, submit_batch, &b);
    while (number(admin, "SELECT count(*) FROM pg_stat_activity WHERE usename = 'rm_runtime' AND wait_event_type = 'Lock'") == 0) {}
    value(admin, "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE usename = 'rm_runtime'");
    wait_until(&harness, b.left == 0);
    script(locker, "ROLLBACK");
    db_admin_close(locker);
    db_admin_close(admin);
    for (uint32_t n = 0; n < COUNT; n++) {
        assert_int_equal(asked[n].unit.outcome, DB_UNAVAILABLE);
        db_unit_release(&asked[n].unit);
    }
    assert_int_equal(audited("killed"), 0);

    wait_up(&harness);
    struct db_unit u = audit(0, "after the kill");
    assert_int_equal(ask(&harness, &u), DB_OK);
    db_unit_release(&u);
}

/* One is under way, and the others wait for its place: nobody waits for a database that has gone. */
static void a_lost_connection_makes_those_who_wait_for_it_unavailable_too(void **)
{
    enum { COUNT = 4 };
    static struct asked asked[COUNT];
    struct batch b = { asked, COUNT, COUNT };
    struct harness narrow;
    struct db_config config = harness_config(database.runtime_url);
    config.connections = config.pipeline_depth = 1;
    harness_open(&narrow, config, nullptr);
    wait_up(&narrow);
    struct db_admin *locker = open_or_fail(database.owner_url), *admin = open_or_fail(database.admin_url);
    script(locker, "BEGIN; LOCK TABLE audit_log IN ACCESS EXCLUSIVE MODE");
    for (uint32_t n = 0; n < COUNT; n++) asked[n].unit = audit(0, "queued");
    on_shard(&narrow, submit_batch, &b);
    while (number(admin, "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE usename = 'rm_runtime' AND wait_event_type = 'Lock'") == 0) {}
    wait_until(&narrow, b.left == 0);
    script(locker, "ROLLBACK");
    db_admin_close(locker);
    db_admin_close(admin);
    for (uint32_t n = 0; n < COUNT; n++) {
        assert_int_equal(asked[n].unit.outcome, DB_UNAVAILABLE);
        db_unit_release(&asked[n].unit);
    }
    assert_int_equal(audited("queued"), 0);
    harness_close(&narrow);
}

static struct db_unit load_intent(void)
{
    struct db_unit u = {};
    db_unit_begin(&u, (struct db_tenant){ .company_id = database.companies[0] });
    db_unit_call(&u, DB_LOAD_INTENT);
    db_add_integer(&u, database.companies[0]);
    db_add_integer(&u, 1);
    return u;
}

/* As a migration does it under a serving engine: what a session has prepared cannot be carried out any more, and it says so for ever. */
static void a_session_whose_statements_have_gone_stale_is_renewed(void **)
{
    struct harness one;
    struct db_config config = harness_config(database.runtime_url);
    config.connections = 1;
    harness_open(&one, config, nullptr);
    wait_up(&one);
    struct db_unit u = load_intent();
    assert_int_equal(ask(&one, &u), DB_OK);
    db_unit_release(&u);
    script(database.owner, "ALTER TABLE booking_intents ALTER COLUMN reason TYPE varchar(80)");
    assert_int_equal(ask(&one, &u), DB_TRY_AGAIN);
    assert_string_equal(u.sqlstate, "0A000");
    db_unit_release(&u);
    wait_up(&one);
    assert_int_equal(ask(&one, &u), DB_OK);
    assert_int_equal(counter_read(&db_pool_counters(one.pool)->connects), 2);
    db_unit_release(&u);
    harness_close(&one);
    script(database.owner, "ALTER TABLE booking_intents ALTER COLUMN reason TYPE text");
}

/* Sends a signal to the backends of one application. As the server's own user, or as root. */
static void signal_backends(const char *application, int signal_number)
{
    struct db_admin *admin = open_or_fail(database.admin_url);
    const char *pids = value(admin, "SELECT string_agg(pid::text, ' ') FROM pg_stat_activity WHERE application_name = '%s'", application);
    for (char *end; *pids; pids = end) assert_int_equal(kill((pid_t)strtol(pids, &end, 10), signal_number), 0);
    db_admin_close(admin);
}

/* A server that says nothing at all: it cannot even end the statement by its own time-out. */
static void a_unit_that_takes_too_long_costs_its_connection_and_is_unavailable(void **)
{
    char url[600];
    snprintf(url, sizeof url, "%s&application_name=hasty", database.runtime_url);
    struct db_config config = harness_config(url);
    config.unit_timeout_ms = 300;
    config.connections = 1;
    struct harness hasty;
    harness_open(&hasty, config, nullptr);
    wait_up(&hasty);
    signal_backends("hasty", SIGSTOP);
    struct db_unit u = probe();
    assert_int_equal(ask(&hasty, &u), DB_UNAVAILABLE);
    assert_true(counter_read(&db_pool_counters(hasty.pool)->timeouts) > 0);
    db_unit_release(&u);
    signal_backends("hasty", SIGCONT);
    wait_up(&hasty);
    assert_int_equal(ask(&hasty, &u), DB_OK);
    db_unit_release(&u);
    harness_close(&hasty);
}

static int postgres(const char *what)
{
    char command[512];
    snprintf(command, sizeof command, "\"$RM_TEST_POSTGRES\" %s", what);
    return system(command);
}

static void a_database_that_is_gone_is_said_at_once_and_found_again(void **)
{
    assert_int_equal(postgres("--stop"), 0);
    struct db_unit u = audit(0, "outage");
    assert_int_equal(ask(&harness, &u), DB_UNAVAILABLE);
    db_unit_release(&u);
    uint64_t asked_at_us = clock_monotonic_us();
    assert_int_equal(ask(&harness, &u), DB_UNAVAILABLE);
    assert_true(clock_monotonic_us() - asked_at_us < 5'000'000); /* nobody waits for a connection attempt */
    db_unit_release(&u);

    struct up_watch watch = { .waiter.up = watch_is_up, .h = &harness };
    on_shard(&harness, start_watch, &watch);
    assert_false(watch.up);
    uint32_t heard = harness.heard;
    assert_int_equal(postgres("--start"), 0);
    wait_until(&harness, watch.up);
    wait_until(&harness, harness.heard > heard); /* something may have been missed meanwhile */
    assert_int_equal(ask(&harness, &u), DB_OK);
    db_unit_release(&u);
    db_admin_close(database.owner);
    database.owner = open_or_fail(database.owner_url);
    assert_int_equal(audited("outage"), 1);
}

static void a_changed_tenant_is_heard(void **)
{
    wait_until(&harness, harness.heard > 0);
    uint32_t heard = harness.heard;
    script(database.owner, "UPDATE companies SET name = name");
    wait_until(&harness, harness.heard > heard);
}

static void a_database_that_was_never_there_does_not_keep_a_shard_from_ending(void **)
{
    struct harness lost;
    harness_open(&lost, harness_config("postgresql://nobody@/nothing?host=/nonexistent"), nullptr);
    struct db_unit u = probe();
    assert_int_equal(ask(&lost, &u), DB_UNAVAILABLE);
    db_unit_release(&u);
    harness_close(&lost);
    harness_open(&lost, harness_config("this is no URL"), nullptr);
    assert_int_equal(ask(&lost, &u), DB_UNAVAILABLE);
    db_unit_release(&u);
    harness_close(&lost);
}

/* The helper looks the name up; nobody listens at its address, so the pool tries again and again, and still ends when it should. */
static void a_host_name_is_looked_up_by_the_helper(void **)
{
    static struct harness named;
    struct db_config config = harness_config("postgresql://nobody@localhost:1/nothing");
    config.worker = worker_start(&named.group);
    assert_non_null(config.worker);
    harness_open(&named, config, nullptr);
    struct db_unit u = probe();
    assert_int_equal(ask(&named, &u), DB_UNAVAILABLE);
    db_unit_release(&u);
    harness_close(&named);
    worker_stop(config.worker);
}

static void a_drain_waits_for_what_runs(void **)
{
    enum { COUNT = 100 };
    static struct asked asked[COUNT];
    static char subjects[COUNT][32];
    struct harness h;
    harness_open(&h, harness_config(database.runtime_url), nullptr);
    wait_up(&h);
    for (uint32_t n = 0; n < COUNT; n++) {
        snprintf(subjects[n], sizeof subjects[n], "drain %u", n);
        asked[n].unit = audit(0, subjects[n]);
    }
    struct batch b = { asked, COUNT, COUNT };
    on_shard(&h, submit_batch, &b);
    harness_close(&h);
    assert_int_equal(b.left, 0);
    for (uint32_t n = 0; n < COUNT; n++) {
        assert_int_equal(asked[n].unit.outcome, DB_OK);
        db_unit_release(&asked[n].unit);
    }
}

int main(int, char **arguments)
{
    need_postgres(arguments);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_a_unit_and_the_same_unit_again),
        cmocka_unit_test(an_error_fails_its_unit_and_no_neighbour_in_the_pipeline),
        cmocka_unit_test(all_calls_of_a_unit_take_effect_or_none),
        cmocka_unit_test(a_units_tenant_does_not_leak_into_the_next),
        cmocka_unit_test(a_full_queue_is_busy_and_what_is_in_it_is_served),
        cmocka_unit_test(what_is_large_both_ways_does_not_deadlock_the_sockets),
        cmocka_unit_test(a_changed_tenant_is_heard),
        cmocka_unit_test(a_killed_backend_makes_its_units_unavailable_and_the_pool_comes_back),
        cmocka_unit_test(a_lost_connection_makes_those_who_wait_for_it_unavailable_too),
        cmocka_unit_test(a_session_whose_statements_have_gone_stale_is_renewed),
        cmocka_unit_test(a_unit_that_takes_too_long_costs_its_connection_and_is_unavailable),
        cmocka_unit_test(a_database_that_is_gone_is_said_at_once_and_found_again),
        cmocka_unit_test(a_database_that_was_never_there_does_not_keep_a_shard_from_ending),
        cmocka_unit_test(a_host_name_is_looked_up_by_the_helper),
        cmocka_unit_test(a_drain_waits_for_what_runs),
    };
    int failed = open_database(nullptr);
    open_pool(nullptr);
    failed += cmocka_run_group_tests(tests, nullptr, nullptr);
    close_pool(nullptr);
    close_database(nullptr);
    return failed;
}
