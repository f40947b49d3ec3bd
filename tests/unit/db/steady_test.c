/* A unit that does not take an outage for an answer, against a real PostgreSQL. */
#include "db/steady.h"
#include "tests/unit/db/harness.h"

struct steady_asked { struct steady_unit steady; struct harness *h; uint32_t done; bool abandoned; };

static void steady_is_done(struct steady_unit *u)
{
    struct steady_asked *a = container_of(u, struct steady_asked, steady);
    pthread_mutex_lock(&a->h->lock);
    a->done += 1;
    harness_signal(a->h);
}

static void submit_steady(struct harness *h, void *context)
{
    struct steady_asked *a = context;
    a->h = h;
    steady_submit(&a->steady, shard_here(), h->pool, steady_is_done);
}

static void abandon(struct harness *, void *context)
{
    struct steady_asked *a = context;
    a->abandoned = steady_abandon(&a->steady);
}

static void build_audit(struct db_unit *u, const char *subject)
{
    db_unit_begin(u, (struct db_tenant){ .company_id = database.companies[0] });
    db_unit_call(u, DB_AUDIT);
    db_add_integer(u, database.companies[0]);
    db_add_text(u, slice_of("test"));
    db_add_text(u, slice_of("did"));
    db_add_text(u, slice_from_text(subject));
    db_add_null(u);
    db_add_integer(u, 1'700'000'000'000'000);
}

static int64_t audited(const char *subject) { return number(database.owner, "SELECT count(*) FROM audit_log WHERE subject = '%s'", subject); }

static int postgres(const char *what)
{
    char command[512];
    snprintf(command, sizeof command, "\"$RM_TEST_POSTGRES\" %s", what);
    return system(command);
}

static struct db_config narrow(void)
{
    struct db_config c = harness_config(database.runtime_url);
    c.connections = c.pipeline_depth = c.queue_max = 1;
    return c;
}

/* -- asked again -- */

enum { CROWD = 6 };
static struct steady_asked crowd[CROWD];

static void submit_crowd(struct harness *h, void *)
{
    for (uint32_t n = 0; n < CROWD; n++) submit_steady(h, &crowd[n]);
}

static bool crowd_is_done(void)
{
    uint32_t done = 0;
    for (uint32_t n = 0; n < CROWD; n++) done += crowd[n].done;
    return done == CROWD;
}

static void a_full_queue_is_tried_again_until_there_is_room(void **)
{
    struct harness h;
    harness_open(&h, narrow(), nullptr);
    wait_up(&h);
    static const char *const subjects[CROWD] = { "crowd a", "crowd b", "crowd c", "crowd d", "crowd e", "crowd f" };
    for (uint32_t n = 0; n < CROWD; n++) build_audit(&crowd[n].steady.unit, subjects[n]);
    on_shard(&h, submit_crowd, nullptr);
    wait_until(&h, crowd_is_done());
    assert_true(counter_read(&db_pool_counters(h.pool)->busy) >= CROWD - 1);
    harness_close(&h);
    for (uint32_t n = 0; n < CROWD; n++) {
        assert_int_equal(audited(subjects[n]), 1);
        assert_int_equal(crowd[n].steady.unit.outcome, DB_OK);
        db_unit_release(&crowd[n].steady.unit);
    }
}

/* Whoever looks after the database may cancel what hangs on his lock. That is no answer. */
static void a_cancelled_statement_is_asked_again(void **)
{
    static struct steady_asked a;
    struct harness h;
    harness_open(&h, narrow(), nullptr);
    wait_up(&h);
    struct db_admin *locker = open_or_fail(database.owner_url), *admin = open_or_fail(database.admin_url);
    script(locker, "BEGIN; LOCK TABLE audit_log IN ACCESS EXCLUSIVE MODE");
    build_audit(&a.steady.unit, "cancelled");
    on_shard(&h, submit_steady, &a);
    while (number(admin, "SELECT count(pg_cancel_backend(pid)) FROM pg_stat_activity WHERE usename = 'rm_runtime' AND wait_event_type = 'Lock'") == 0) {}
    script(locker, "ROLLBACK");
    db_admin_close(locker);
    db_admin_close(admin);
    wait_until(&h, a.done == 1);
    assert_int_equal(a.steady.unit.outcome, DB_OK);
    assert_true(counter_read(&db_pool_counters(h.pool)->try_again) > 0);
    assert_int_equal(audited("cancelled"), 1);
    db_unit_release(&a.steady.unit);
    harness_close(&h);
}

/* -- abandoned -- */

static void a_unit_that_waits_for_the_database_can_be_forgotten(void **)
{
    static struct steady_asked forgotten, kept;
    struct harness h;
    harness_open(&h, narrow(), nullptr);
    wait_up(&h);
    build_audit(&forgotten.steady.unit, "forgotten");
    build_audit(&kept.steady.unit, "kept");
    assert_int_equal(postgres("--stop"), 0);
    on_shard(&h, submit_steady, &forgotten);
    on_shard(&h, submit_steady, &kept);
    while (!forgotten.abandoned) on_shard(&h, abandon, &forgotten); /* false until the pool has said that there is no database */
    assert_int_equal(postgres("--start"), 0);
    wait_until(&h, kept.done == 1); /* it was asked after the other one */
    harness_close(&h);
    assert_int_equal(kept.steady.unit.outcome, DB_OK);
    assert_int_equal(forgotten.done, 0);
    db_unit_release(&forgotten.steady.unit);
    db_unit_release(&kept.steady.unit);
    db_admin_close(database.owner);
    database.owner = open_or_fail(database.owner_url);
    assert_int_equal(audited("forgotten"), 0);
    assert_int_equal(audited("kept"), 1);
}

/* One is in the pool's hands, and the others have been told that it is full. */
static void those_who_wait_for_room_can_be_forgotten(void **)
{
    struct harness h;
    harness_open(&h, narrow(), nullptr);
    wait_up(&h);
    struct db_admin *locker = open_or_fail(database.owner_url);
    script(locker, "BEGIN; LOCK TABLE audit_log IN ACCESS EXCLUSIVE MODE");
    memset(crowd, 0, sizeof crowd);
    for (uint32_t n = 0; n < CROWD; n++) build_audit(&crowd[n].steady.unit, "impatient");
    on_shard(&h, submit_crowd, nullptr);
    uint32_t forgotten = 0;
    for (uint32_t n = 2; n < CROWD; n++) { /* the first two are sent and queued */
        while (!crowd[n].abandoned) on_shard(&h, abandon, &crowd[n]);
        forgotten += 1;
    }
    script(locker, "ROLLBACK");
    db_admin_close(locker);
    wait_until(&h, crowd[0].done + crowd[1].done == 2);
    harness_close(&h);
    for (uint32_t n = 0; n < CROWD; n++) {
        assert_int_equal(crowd[n].done, n < CROWD - forgotten);
        db_unit_release(&crowd[n].steady.unit);
    }
}

/* Neither yes nor no, and nobody waits: the shard is to end. */
static void a_unit_that_is_not_served_while_the_shard_stops_is_given_up(void **)
{
    struct harness h;
    harness_open(&h, narrow(), nullptr);
    wait_up(&h);
    struct db_admin *locker = open_or_fail(database.owner_url);
    script(locker, "BEGIN; LOCK TABLE audit_log IN ACCESS EXCLUSIVE MODE");
    memset(crowd, 0, sizeof crowd);
    for (uint32_t n = 0; n < CROWD; n++) build_audit(&crowd[n].steady.unit, "too late");
    on_shard(&h, submit_crowd, nullptr);
    shard_group_stop(&h.group);
    wait_until(&h, crowd[2].done + crowd[3].done + crowd[4].done + crowd[5].done == CROWD - 2);
    script(locker, "ROLLBACK");
    db_admin_close(locker);
    harness_close(&h);
    for (uint32_t n = 0; n < CROWD; n++) {
        assert_int_equal(crowd[n].done, 1);
        assert_int_equal(crowd[n].steady.given_up, crowd[n].steady.unit.outcome != DB_OK);
        db_unit_release(&crowd[n].steady.unit);
    }
    assert_true(crowd[CROWD - 1].steady.given_up);
}

static void a_unit_in_the_pools_hands_cannot_be_forgotten(void **)
{
    static struct steady_asked a;
    struct harness h;
    harness_open(&h, narrow(), nullptr);
    wait_up(&h);
    struct db_admin *locker = open_or_fail(database.owner_url);
    script(locker, "BEGIN; LOCK TABLE audit_log IN ACCESS EXCLUSIVE MODE");
    build_audit(&a.steady.unit, "asked");
    on_shard(&h, submit_steady, &a);
    on_shard(&h, abandon, &a);
    assert_false(a.abandoned);
    script(locker, "ROLLBACK");
    db_admin_close(locker);
    wait_until(&h, a.done == 1);
    on_shard(&h, abandon, &a);
    assert_true(a.abandoned); /* there is nothing left to forget */
    db_unit_release(&a.steady.unit);
    harness_close(&h);
}

int main(int, char **arguments)
{
    need_postgres(arguments);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_full_queue_is_tried_again_until_there_is_room),
        cmocka_unit_test(a_cancelled_statement_is_asked_again),
        cmocka_unit_test(a_unit_that_waits_for_the_database_can_be_forgotten),
        cmocka_unit_test(those_who_wait_for_room_can_be_forgotten),
        cmocka_unit_test(a_unit_that_is_not_served_while_the_shard_stops_is_given_up),
        cmocka_unit_test(a_unit_in_the_pools_hands_cannot_be_forgotten),
    };
    return cmocka_run_group_tests(tests, open_database, close_database);
}
