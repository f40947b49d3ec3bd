/* What a connection promises whatever the other side does: every unit hears an outcome, and the pool comes back by itself. */
#include <sched.h>
#include <semaphore.h>
#include "db/pool.h"
#include "tests/unit/db/middleman.h"

static constexpr uint32_t hasty_ms = 300; /* of the tests that wait for a time-out */

static struct db_unit probe(void)
{
    struct db_unit u = {};
    db_unit_begin(&u, (struct db_tenant){});
    db_unit_call(&u, DB_PROBE);
    return u;
}

static struct db_config one_connection(const char *url, uint32_t timeout_ms)
{
    struct db_config c = harness_config(url);
    c.connections = 1;
    c.unit_timeout_ms = timeout_ms;
    return c;
}

/* Asks until there is an answer. None but UNAVAILABLE stands before it. */
static void ask_until_answered(struct harness *h)
{
    struct db_unit u = probe();
    for (bool answered = false; !answered;) {
        wait_up(h);
        enum db_outcome outcome = ask(h, &u);
        answered = outcome == DB_OK;
        if (answered) assert_int_equal(db_row_count(&u, 0), 1);
        else assert_int_equal(outcome, DB_UNAVAILABLE);
        db_unit_release(&u);
    }
}

/* What became of a pool of one connection whose first session was mistreated. It answered in the end, or the test has failed. */
struct story { bool met; uint32_t sessions, timeouts; char letters[LETTERS_MAX]; };

static struct story play(enum fate fate, uint32_t at, uint32_t timeout_ms)
{
    struct middleman m = { .fate = fate, .at = at };
    struct harness h;
    middleman_open(&m, database.runtime_url);
    harness_open(&h, one_connection(m.url, timeout_ms), nullptr);
    if (fate == FATE_UNSEEN) middleman_hold_shard(&m, &h);
    ask_until_answered(&h);
    struct story s = { m.met, m.sessions, (uint32_t)counter_read(&db_pool_counters(h.pool)->timeouts), {} };
    memcpy(s.letters, m.letters, sizeof s.letters);
    harness_close(&h);
    middleman_close(&m);
    return s;
}

/* Where the nth (from 0) of those letters stands in a session that goes well: the setup ends with the first Z after the one that welcomes, a unit with the next. */
static uint32_t position(char letter, uint32_t nth)
{
    static struct story undisturbed;
    if (undisturbed.sessions == 0) undisturbed = play(FATE_CUT, UINT32_MAX, db_unit_timeout_ms);
    const char *found = strchr(undisturbed.letters, letter);
    for (; found && nth > 0; nth--) found = strchr(found + 1, letter);
    assert_non_null(found);
    return (uint32_t)(found - undisturbed.letters);
}
static uint32_t welcomed(void) { return position('Z', 0); }
static uint32_t set_up(void)   { return position('Z', 1); }
static uint32_t answered(void) { return position('Z', 2); }

static void wherever_a_session_breaks_the_pool_comes_back_and_answers(void **)
{
    for (uint32_t at = 0; at <= answered(); at++) {
        struct story s = play(FATE_CUT, at, db_unit_timeout_ms);
        assert_true(s.met);
        assert_int_equal(s.sessions, 2);
        assert_int_equal(s.timeouts, 0);
    }
}

static void a_session_that_has_ended_before_its_setup_is_sent_is_begun_again(void **)
{
    assert_int_equal(play(FATE_UNSEEN, welcomed(), db_unit_timeout_ms).sessions, 2);
}

/* Whatever state the session is in when the server falls silent, the time-out of a unit ends it. */
static void a_server_that_falls_silent_costs_the_session_and_no_more(void **)
{
    const uint32_t silent_from[] = { 0, welcomed() + 1, set_up() + 1 }; /* connecting, preparing, ready */
    for (uint32_t n = 0; n < 3; n++) {
        struct story s = play(FATE_STALL, silent_from[n], hasty_ms);
        assert_int_equal(s.sessions, 2);
        assert_int_equal(s.timeouts, 1);
    }
}

/* It would be the server's turn, and the time-out is far away. */
static void a_drain_does_not_wait_for_a_session_that_is_being_opened(void **)
{
    const uint32_t silent_from[] = { 0, welcomed() + 1 }; /* connecting, preparing */
    for (uint32_t n = 0; n < 2; n++) {
        struct middleman m = { .fate = FATE_STALL, .at = silent_from[n] };
        struct harness h;
        middleman_open(&m, database.runtime_url);
        harness_open(&h, one_connection(m.url, 3'600'000), nullptr);
        middleman_wait_until_met(&m);
        harness_close(&h);
        middleman_close(&m);
    }
}

/* A pooler or a proxy that has lost count: whose answer is the next one? Nobody's. */
static void answers_that_do_not_match_the_questions_cost_the_session(void **)
{
    const struct { enum fate fate; uint32_t at; } wrong[] = {
        { FATE_LOST, set_up() - 1 }, /* one answer of the setup */
        { FATE_TWICE, set_up() + 4 }, { FATE_TWICE, answered() - 1 }, /* the tenant's, and the statement's */
    };
    for (uint32_t n = 0; n < sizeof wrong / sizeof wrong[0]; n++) {
        struct story s = play(wrong[n].fate, wrong[n].at, db_unit_timeout_ms);
        assert_int_equal(s.sessions, 2);
        assert_int_equal(s.timeouts, 0);
    }
}

/* -- a unit on its way when the server is gone already -- */

struct late { struct middleman *m; struct batch batch; };

static void submit_while_held(struct harness *h, void *context)
{
    struct late *l = context;
    submit_batch(h, &l->batch);
    be_held(h, l->m);
}

static void a_unit_sent_into_a_session_that_is_gone_is_unavailable(void **)
{
    static struct asked first = {}, second = {};
    struct middleman m = { .fate = FATE_GONE, .at = set_up() + 1 };
    struct harness h;
    middleman_open(&m, database.runtime_url);
    harness_open(&h, one_connection(m.url, db_unit_timeout_ms), nullptr);
    wait_up(&h);
    first.unit = probe();
    second.unit = probe();
    struct batch before = { &first, 1, 1 };
    struct late after = { &m, { &second, 1, 1 } };
    on_shard(&h, submit_batch, &before);
    middleman_wait_for_fate(&m);
    on_shard(&h, submit_while_held, &after);
    wait_until(&h, before.left == 0 && after.batch.left == 0);
    assert_int_equal(first.unit.outcome, DB_UNAVAILABLE);
    assert_int_equal(second.unit.outcome, DB_UNAVAILABLE);
    ask_until_answered(&h);
    harness_close(&h);
    middleman_close(&m);
}

/* -- time -- */

/* A pipeline is as slow as its units together; each has its own time, from when it is the next to be answered. */
static void a_unit_that_waits_behind_others_has_its_own_time(void **)
{
    enum { COUNT = 4 };
    static struct asked asked[COUNT];
    struct middleman m = { .at = UINT32_MAX, .slow_ms = 400 };
    struct harness h;
    middleman_open(&m, database.runtime_url);
    harness_open(&h, one_connection(m.url, 1'200), nullptr);
    wait_up(&h);
    for (uint32_t n = 0; n < COUNT; n++) asked[n].unit = probe();
    ask_all(&h, asked, COUNT);
    for (uint32_t n = 0; n < COUNT; n++) {
        assert_int_equal(asked[n].unit.outcome, DB_OK);
        db_unit_release(&asked[n].unit);
    }
    assert_int_equal(counter_read(&db_pool_counters(h.pool)->timeouts), 0);
    harness_close(&h);
    middleman_close(&m);
}

/* -- names -- */

static void a_pool_finds_its_server_by_name(void **)
{
    static struct harness h;
    struct middleman m = { .at = UINT32_MAX };
    middleman_open_by_name(&m, database.runtime_url);
    struct db_config c = one_connection(m.url, db_unit_timeout_ms);
    c.worker = worker_start(&h.group);
    harness_open(&h, c, nullptr);
    ask_until_answered(&h);
    assert_int_equal(m.sessions, 1);
    harness_close(&h);
    worker_stop(c.worker);
    middleman_close(&m);
}

/* Somebody who takes the connection and says nothing does not hide the server that stands behind him in the URL. */
static void a_silent_server_is_passed_over_for_the_next(void **)
{
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t length = sizeof address;
    int silent = listen_at(AF_INET, &address, length);
    assert_int_equal(getsockname(silent, (struct sockaddr *)&address, &length), 0);
    const char *url = database.runtime_url, *directory = strstr(url, "?host=") + strlen("?host=");
    char both[700];
    snprintf(both, sizeof both, "%.*s?host=127.0.0.1,%s&port=%u,5432", (int)strcspn(url, "?"), url, directory, ntohs(address.sin_port));
    struct harness h;
    harness_open(&h, one_connection(both, hasty_ms), nullptr);
    ask_until_answered(&h);
    assert_int_equal(counter_read(&db_pool_counters(h.pool)->timeouts), 1);
    harness_close(&h);
    close(silent);
}

struct look { enum connection_state state; uint32_t failures; bool draining; };
static void look(struct harness *h, void *context)
{
    *(struct look *)context = (struct look){ h->pool->connections[0].state, h->pool->connections[0].failures, h->pool->draining };
}
static struct look looked_at(struct harness *h)
{
    struct look l;
    on_shard(h, look, &l);
    return l;
}

/* The helper says so each time; the shard ends in spite of it. */
static void a_name_that_nobody_knows_is_an_outage(void **)
{
    static struct harness h;
    struct db_config c = one_connection("postgresql://nobody@name.invalid/nothing", db_unit_timeout_ms);
    c.worker = worker_start(&h.group);
    harness_open(&h, c, nullptr);
    while (looked_at(&h).failures == 0) sched_yield();
    struct db_unit u = probe();
    assert_int_equal(ask(&h, &u), DB_UNAVAILABLE);
    db_unit_release(&u);
    harness_close(&h);
    worker_stop(c.worker);
}

/* A helper that is slow: with another job, as if the name server did not answer. */
static sem_t  helper_may_go_on;
static struct job slow_job;
static void be_slow(struct job *) { sem_wait(&helper_may_go_on); }
static void was_slow(struct job *) {}
static void give_slow_job(struct harness *h, void *) { worker_give(h->config.worker, shard_here(), &slow_job, be_slow, was_slow); }

static void a_drain_waits_for_the_helper_who_looks_a_name_up(void **)
{
    static struct harness h;
    struct db_config c = one_connection("postgresql://nobody@name.invalid/nothing", db_unit_timeout_ms);
    c.worker = worker_start(&h.group);
    sem_init(&helper_may_go_on, 0, 0);
    harness_open(&h, c, nullptr);
    while (looked_at(&h).state != CONNECTION_RESTING) sched_yield(); /* the first look-up has failed */
    on_shard(&h, give_slow_job, nullptr);
    while (looked_at(&h).state != CONNECTION_LOOKING_UP) sched_yield();
    shard_group_stop(&h.group);
    while (!looked_at(&h).draining) sched_yield();
    assert_int_equal(looked_at(&h).state, CONNECTION_LOOKING_UP);
    sem_post(&helper_may_go_on);
    harness_close(&h);
    worker_stop(c.worker);
    sem_destroy(&helper_may_go_on);
}

/* -- the schema -- */

/* The setup fails on a database that is not migrated, again and again, and goes well once it is. */
static void a_pool_waits_for_the_schema(void **)
{
    struct harness h;
    close_database(nullptr);
    database_create_empty();
    harness_open(&h, one_connection(database.runtime_url, db_unit_timeout_ms), nullptr);
    struct db_unit u = probe();
    assert_int_equal(ask(&h, &u), DB_UNAVAILABLE);
    db_unit_release(&u);
    migrate_or_fail();
    ask_until_answered(&h);
    harness_close(&h);
}

int main(int, char **arguments)
{
    need_postgres(arguments);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wherever_a_session_breaks_the_pool_comes_back_and_answers),
        cmocka_unit_test(a_session_that_has_ended_before_its_setup_is_sent_is_begun_again),
        cmocka_unit_test(a_server_that_falls_silent_costs_the_session_and_no_more),
        cmocka_unit_test(a_drain_does_not_wait_for_a_session_that_is_being_opened),
        cmocka_unit_test(answers_that_do_not_match_the_questions_cost_the_session),
        cmocka_unit_test(a_unit_sent_into_a_session_that_is_gone_is_unavailable),
        cmocka_unit_test(a_unit_that_waits_behind_others_has_its_own_time),
        cmocka_unit_test(a_pool_finds_its_server_by_name),
        cmocka_unit_test(a_silent_server_is_passed_over_for_the_next),
        cmocka_unit_test(a_name_that_nobody_knows_is_an_outage),
        cmocka_unit_test(a_drain_waits_for_the_helper_who_looks_a_name_up),
        cmocka_unit_test(a_pool_waits_for_the_schema),
    };
    return cmocka_run_group_tests(tests, open_database, close_database);
}
