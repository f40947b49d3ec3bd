/* tests/simulation/database_test.c: the real src/db/ over the simulated libpq: whatever happens to sessions, each unit is answered once while its process lives, and what it was
 * answered is what the tables say; a killed process's units took effect once or not at all; nobody leaves a session behind. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>
#include "base/log.h"
#include "db/db.h"
#include "db/steady.h"
#include "limits.h"
#include "database/session.h"
#include "shard/worker.h"
#include "world.h"

/* What a database without a world needs to be linked. */
struct world world;
void disk_crash(struct disk *) {}
void checkers_see_log(const char *, size_t) {}
void world_broken(const char *promise, const char *, ...)
{
    fprintf(stderr, "%s\n", promise);
    abort();
}

enum { UNITS = 400, UNDER_WAY = 60, SEEDS = 12 };
static const struct database_climate stormy = { .connect_us = 400, .unit_us = 500, .refuse_per_connect = 0.2, .die_before_per_unit = 0.02, .die_after_per_unit = 0.02,
                                                .try_again_per_unit = 0.05, .slow_per_unit = 0.02 };
static const char tenants[] = "{\"companies\":[{\"id\":1}],\"branches\":[],\"services\":[],\"staff\":[]}";

/* A process that asks one question after the other; its story is told here, in the world, where it outlives it. */
struct asker { struct shard_group group; struct worker *worker; struct db_pool *pool; struct timer timer; struct asked *asked; uint32_t next, answered, under_way, heard; bool is_steady; };
struct asked { struct steady_unit steady; char subject[16]; enum db_outcome outcome; uint32_t answers; };
static struct asked asked[UNITS];
static struct asker asker;

static void answered(struct db_unit *u, struct asked *a)
{
    a->outcome = u->outcome;
    a->answers += 1;
    asker.answered += 1;
    asker.under_way -= 1;
    db_unit_release(u);
    if (asker.answered == UNITS) shard_group_stop(&asker.group);
}

static void unit_done(struct db_unit *u) { answered(u, container_of(u, struct asked, steady.unit)); }
static void steady_done(struct steady_unit *u) { answered(&u->unit, container_of(u, struct asked, steady)); }

static void ask(struct asked *a)
{
    struct db_unit *u = &a->steady.unit;
    snprintf(a->subject, sizeof a->subject, "s%u", (uint32_t)(a - asked));
    db_unit_begin(u, (struct db_tenant){ .company_id = 1 });
    db_unit_call(u, DB_AUDIT);
    db_add_integer(u, 1);
    db_add_text(u, slice_of("test"));
    db_add_text(u, slice_of("did"));
    db_add_text(u, slice_from_text(a->subject));
    db_add_null(u);
    db_add_integer(u, 1);
    asker.under_way += 1;
    if (asker.is_steady) steady_submit(&a->steady, shard_here(), asker.pool, steady_done);
    else db_submit(asker.pool, u, unit_done);
}

static void fired(struct timer *t)
{
    if (shard_here()->stopping) return;
    while (asker.next < UNITS && asker.under_way < UNDER_WAY) ask(&asked[asker.next++]);
    timer_start(&shard_here()->timers, t, shard_here()->now_us + 2'000, fired);
}

static void heard(void *, struct slice) { asker.heard += 1; }

static bool start(struct shard *s, void *)
{
    asker.pool = db_pool_open(s, &(struct db_config){ .url = "postgresql://rm@127.0.0.1/ringmaster", .connections = 3, .pipeline_depth = 8, .queue_max = 32, .unit_timeout_ms = 200 });
    db_pool_listen(asker.pool, "ringmaster_tenants", heard, nullptr);
    timer_start(&s->timers, &asker.timer, s->now_us + 2'000, fired);
    return true;
}
static void stop(struct shard *s)
{
    timer_stop(&s->timers, &asker.timer);
    db_pool_drain(asker.pool);
}
static void finish(struct shard *) { db_pool_close(asker.pool); }

static void run(void *)
{
    struct io_refusal refusal;
    const struct shard_config config = { .io = { .entries = 64, .receive_buffers = 16, .receive_buffer_bytes = 4096 }, .start = start, .stop = stop, .finish = finish };
    assert_true(shard_group_start(&asker.group, 1, &config, &refusal));
    shard_group_join(&asker.group);
}

static bool is_over(void *process) { return process_is_over(process); }

static struct process *begin(uint64_t seed, bool is_steady)
{
    dice_seed(seed);
    database_open(&stormy);
    database_set_tenants(tenants, sizeof tenants - 1);
    memset(asked, 0, sizeof asked);
    asker = (struct asker){ .is_steady = is_steady };
    return process_start("asker", nullptr, run, nullptr);
}

static uint32_t effects_of(const struct asked *a)
{
    uint32_t found = 0;
    for (uint32_t n = 0; n < store_audit_log_count(database_store()); n++) found += slice_equal(store_audit_log_at(database_store(), n)->subject, slice_from_text(a->subject));
    return found;
}

static void nothing_is_left(struct process *p)
{
    const struct process_remains left = process_remains(p);
    assert_int_equal(left.memory_blocks + left.descriptors + left.rings + left.fibers, 0);
    (void)kernel_run(world_now_us() + 60'000'000, nullptr, nullptr);
    assert_true(list_is_empty(&database.sessions));
    process_forget(p);
}

static void an_answer_is_given_once_and_is_what_the_tables_say(void **)
{
    uint64_t seen[6] = {}, lost_answers = 0;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct process *p = begin(seed, false);
        assert_true(kernel_run(UINT64_MAX, is_over, p));
        for (struct asked *a = asked; a < asked + UNITS; a++) {
            const uint32_t effects = effects_of(a);
            assert_int_equal(a->answers, 1);
            if (a->outcome == DB_OK) assert_int_equal(effects, 1);
            else if (a->outcome != DB_UNAVAILABLE) assert_int_equal(effects, 0);
            assert_true(effects <= 1);
            seen[a->outcome] += 1;
            lost_answers += a->outcome == DB_UNAVAILABLE && effects == 1;
        }
        nothing_is_left(p);
    }
    assert_true(seen[DB_OK] > 0 && seen[DB_TRY_AGAIN] > 0 && seen[DB_UNAVAILABLE] > 0 && seen[DB_BUSY] > 0 && lost_answers > 0);
}

static void what_is_asked_until_it_is_answered_takes_effect_exactly_once(void **)
{
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct process *p = begin(seed, true);
        (void)kernel_run(world_now_us() + 20'000, nullptr, nullptr);
        database_go_down(world_now_us() + 3'000'000);
        assert_true(kernel_run(UINT64_MAX, is_over, p));
        for (struct asked *a = asked; a < asked + UNITS; a++) {
            assert_int_equal(a->outcome, DB_OK);
            assert_int_equal(effects_of(a), 1);
        }
        nothing_is_left(p);
    }
}

static void a_killed_process_leaves_units_that_took_effect_or_not_and_no_session(void **)
{
    uint64_t orphans = 0;
    for (uint64_t seed = 1; seed <= 8 * SEEDS; seed++) {
        struct process *p = begin(seed, false);
        process_kill_at_seam(p, 50 + 37 * seed);
        assert_true(kernel_run(UINT64_MAX, is_over, p));
        nothing_is_left(p);
        for (struct asked *a = asked; a < asked + asker.next; a++) assert_true(effects_of(a) <= 1 && (a->answers == 0 || a->outcome != DB_OK || effects_of(a) == 1));
        orphans += database_counters().orphans_executed;
    }
    assert_true(orphans > 0);
}

static bool has_heard(void *least) { return asker.heard >= *(uint32_t *)least; }

static void changed_tenants_are_heard_and_so_is_every_new_session(void **)
{
    struct process *p = begin(3, true);
    uint32_t least = 1;
    assert_true(kernel_run(world_now_us() + 60'000'000, has_heard, &least));
    least = asker.heard + 1;
    database_set_tenants(tenants, sizeof tenants - 1);
    assert_true(kernel_run(UINT64_MAX, is_over, p));
    assert_true(asker.heard >= least);
    nothing_is_left(p);
}

static void a_database_has_a_user_and_a_host_or_is_no_url(void **)
{
    PQconninfoOption *options = PQconninfoParse("postgresql://rm@database/ringmaster", nullptr);
    assert_string_equal(options[0].val, "rm");
    assert_string_equal(options[1].val, "database");
    assert_null(options[2].keyword);
    PQconninfoFree(options);
    assert_null(PQconninfoParse("this is no URL", nullptr));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_answer_is_given_once_and_is_what_the_tables_say),
        cmocka_unit_test(what_is_asked_until_it_is_answered_takes_effect_exactly_once),
        cmocka_unit_test(a_killed_process_leaves_units_that_took_effect_or_not_and_no_session),
        cmocka_unit_test(changed_tenants_are_heard_and_so_is_every_new_session),
        cmocka_unit_test(a_database_has_a_user_and_a_host_or_is_no_url),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
