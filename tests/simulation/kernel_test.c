/* tests/simulation/kernel_test.c: the machine keeps its own promises: real shards run on it, the same seed gives the same story, and the dead leave nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>
#include "base/log.h"
#include "disk.h"
#include "kernel.h"
#include "shard/shard.h"
#include "shard/worker.h"
#include "sim_memory.h"
#include "world.h"

/* What a kernel without a world needs to be linked. */
struct world world;
void disk_crash(struct disk *) {}
void checkers_see_log(const char *, size_t) {}
void world_broken(const char *promise, const char *, ...)
{
    fprintf(stderr, "%s\n", promise);
    abort();
}

/* -- a process with shards that send a letter round and round, and a helper -- */

enum { SHARDS = 3, ROUNDS = 200 };
struct ring_of_shards { struct shard_group group; struct worker *worker; struct envelope letter; struct job job; struct timer timer; uint32_t hops, jobs, timers; bool leaves_a_block; };

static void arrived(struct shard *at, struct envelope *e);
static void came_home(struct shard *at, struct envelope *e)
{
    struct ring_of_shards *r = container_of(e, struct ring_of_shards, letter);
    if (++r->hops == ROUNDS) shard_group_stop(&r->group);
    else envelope_send(at, e, (uint16_t)(1 + r->hops % (SHARDS - 1)), arrived, came_home);
}
static void arrived(struct shard *at, struct envelope *e) { envelope_return(at, e); }

static void work(struct job *j) { container_of(j, struct ring_of_shards, job)->jobs += 1; }
static void worked(struct job *j)
{
    struct ring_of_shards *r = container_of(j, struct ring_of_shards, job);
    if (r->hops < ROUNDS) worker_give(r->worker, shard_here(), j, work, worked);
}
static void fired(struct timer *t)
{
    struct ring_of_shards *r = container_of(t, struct ring_of_shards, timer);
    r->timers += 1;
    if (!shard_here()->stopping) timer_start(&shard_here()->timers, t, shard_here()->now_us + 5'000, fired);
}

static bool start(struct shard *s, void *context)
{
    struct ring_of_shards *r = context;
    if (s->index != 0) return true;
    envelope_send(s, &r->letter, 1, arrived, came_home);
    worker_give(r->worker, s, &r->job, work, worked);
    timer_start(&s->timers, &r->timer, s->now_us + 1'000, fired);
    return true;
}

static void run(void *context)
{
    struct ring_of_shards *r = context;
    struct io_refusal refusal;
    const struct shard_config config = { .io = { .entries = 64, .receive_buffers = 16, .receive_buffer_bytes = 4096 }, .start = start, .context = r };
    r->worker = worker_start(&r->group);
    assert_true(shard_group_start(&r->group, SHARDS, &config, &refusal));
    shard_group_join(&r->group);
    worker_stop(r->worker);
    if (r->leaves_a_block) (void)sim_malloc(100);
}

static bool is_over(void *process) { return process_is_over(process); }

static void shards_run_to_their_end_and_leave_nothing(void **)
{
    dice_seed(7);
    struct ring_of_shards r = {};
    struct process *p = process_start("shards", nullptr, run, &r);
    assert_true(kernel_run(UINT64_MAX, is_over, p));
    assert_int_equal(r.hops, ROUNDS);
    assert_true(r.jobs > 0 && r.timers > 0);
    struct process_remains left = process_remains(p);
    assert_int_equal(left.memory_blocks + left.descriptors + left.rings + left.fibers, 0);
    process_forget(p);
}

static void what_a_process_leaves_is_counted(void **)
{
    struct ring_of_shards r = { .leaves_a_block = true };
    struct process *p = process_start("shards", nullptr, run, &r);
    assert_true(kernel_run(UINT64_MAX, is_over, p));
    assert_int_equal(process_remains(p).memory_blocks, 1);
    assert_int_equal(process_remains(p).memory_bytes, 100);
    process_forget(p);
}

/* Dies at every seam call that there is, one life after the other; the machine goes on. */
static void a_process_may_die_at_every_seam_call(void **)
{
    uint64_t calls = 0;
    for (uint64_t nth = 1; ; nth++) {
        struct ring_of_shards r = {};
        struct process *p = process_start("shards", nullptr, run, &r);
        process_kill_at_seam(p, nth);
        assert_true(kernel_run(UINT64_MAX, is_over, p));
        process_forget(p);
        if (r.hops == ROUNDS) break;
        calls = nth;
    }
    assert_true(calls > 500);
}

static void a_frozen_process_does_nothing_until_it_goes_on(void **)
{
    struct ring_of_shards r = {};
    struct process *p = process_start("shards", nullptr, run, &r);
    (void)kernel_run(world_now_us() + 300, nullptr, nullptr);
    uint64_t until_us = world_now_us() + 60'000'000;
    process_freeze(p, until_us);
    uint32_t hops = r.hops;
    (void)kernel_run(until_us - 1, nullptr, nullptr);
    assert_int_equal(r.hops, hops);
    assert_true(kernel_run(UINT64_MAX, is_over, p));
    assert_int_equal(r.hops, ROUNDS);
    process_forget(p);
}

/* It takes longer, and ends all the same; and whoever dies may be without a processor just then. */
static void threads_may_stall_and_go_on(void **)
{
    fibers_stall(0.2);
    for (uint64_t nth = 0; nth < 300; nth += 10) {
        struct ring_of_shards r = {};
        struct process *p = process_start("shards", nullptr, run, &r);
        process_kill_at_seam(p, nth);
        uint64_t began_at_us = world_now_us();
        assert_true(kernel_run(UINT64_MAX, is_over, p));
        assert_true(nth > 0 || (r.hops == ROUNDS && world_now_us() > began_at_us + 100'000));
        process_forget(p);
    }
    fibers_stall(0);
}

/* Each life in a process of its own, as worlds are. */
static uint64_t story_of(uint64_t seed, double stalls)
{
    uint64_t *shared = mmap(nullptr, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    pid_t pid = fork();
    if (pid == 0) {
        dice_seed(seed);
        fibers_stall(stalls);
        struct ring_of_shards r = {};
        struct process *p = process_start("shards", nullptr, run, &r);
        (void)kernel_run(UINT64_MAX, is_over, p);
        *shared = world_now_us() * 31 + r.jobs;
        _exit(0);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    return *shared;
}

static void one_seed_is_one_story(void **)
{
    assert_true(story_of(11, 0) == story_of(11, 0));
    assert_true(story_of(11, 0) != story_of(12, 0));
    assert_true(story_of(11, 0.1) == story_of(11, 0.1));
    assert_true(story_of(11, 0) != story_of(11, 0.1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shards_run_to_their_end_and_leave_nothing), cmocka_unit_test(what_a_process_leaves_is_counted),
        cmocka_unit_test(a_process_may_die_at_every_seam_call), cmocka_unit_test(a_frozen_process_does_nothing_until_it_goes_on),
        cmocka_unit_test(threads_may_stall_and_go_on), cmocka_unit_test(one_seed_is_one_story),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
