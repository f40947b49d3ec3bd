/* What the loop promises to everything that runs in it. Each story runs on real threads with real rings; what it saw is judged after
 * the join, for an assertion may not fail on a shard's thread. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>
#include "base/clock.h"
#include "limits.h"
#include "shard/shard.h"

static struct shard_group group;

static struct shard_config config_of(bool (*start)(struct shard *, void *))
{
    return (struct shard_config){ .io = { .entries = 64, .receive_buffers = 16, .receive_buffer_bytes = 1024 }, .pin = true, .start = start };
}

static void play_with(uint16_t count, struct shard_config config)
{
    struct io_refusal refusal = {};
    if (!shard_group_start(&group, count, &config, &refusal)) fail_msg("%s", refusal.text);
    shard_group_join(&group);
}

static void play(uint16_t count, bool (*start)(struct shard *, void *)) { play_with(count, config_of(start)); }

/* -- tasks -- */

static struct task self_readying, other;
static uint32_t self_runs;
static struct timer end_timer;
static uint32_t timer_firings;

static void ready_itself(struct task *t)
{
    self_runs += 1;
    if (!shard_here()->stopping) shard_make_ready(shard_here(), t);
}
/* The tenth ends it: by then both must have had their turns. */
static void end_at_the_tenth(struct timer *t)
{
    timer_firings += 1;
    if (timer_firings == 10) shard_group_stop(&group);
    else timer_start(&shard_here()->timers, t, shard_here()->now_us, end_at_the_tenth);
}
static bool start_self_readying(struct shard *s, void *)
{
    self_readying.run = ready_itself;
    shard_make_ready(s, &self_readying);
    timer_start(&s->timers, &end_timer, s->now_us, end_at_the_tenth);
    return true;
}
static void a_task_that_readies_itself_starves_neither_timers_nor_letters(void **)
{
    self_runs = timer_firings = 0;
    play(1, start_self_readying);
    assert_int_equal(timer_firings, 10);
    assert_in_range(self_runs, 10, 12); /* once in every turn, also in that of the stop letter */
}

static uint32_t order[8], order_count;
static void note_order(struct task *t) { order[order_count++] = t == &other ? 2 : 1; }
static void run_once_more(struct task *t)
{
    note_order(t);
    if (order_count == 1) { /* what is made ready now stands behind what is ready already */
        shard_make_ready(shard_here(), t);
        shard_make_ready(shard_here(), t); /* twice is once */
    } else {
        shard_group_stop(&group);
    }
}
static bool start_two(struct shard *s, void *)
{
    self_readying.run = run_once_more;
    other.run = note_order;
    shard_make_ready(s, &self_readying);
    shard_make_ready(s, &other);
    return true;
}
static void tasks_run_in_the_order_in_which_they_became_ready_and_once(void **)
{
    order_count = 0;
    play(1, start_two);
    assert_int_equal(order_count, 3);
    assert_int_equal(order[0], 1);
    assert_int_equal(order[1], 2);
    assert_int_equal(order[2], 1);
}

static bool forgotten_ran;
static void must_not_run(struct task *) { forgotten_ran = true; }
static void forget_the_other(struct task *)
{
    shard_forget_task(shard_here(), &other);
    shard_forget_task(shard_here(), &other);
    shard_group_stop(&group);
}
static bool start_to_forget(struct shard *s, void *)
{
    self_readying.run = forget_the_other;
    other.run = must_not_run;
    shard_make_ready(s, &self_readying);
    shard_make_ready(s, &other);
    return true;
}
static void a_forgotten_task_does_not_run(void **)
{
    forgotten_ran = false;
    play(1, start_to_forget);
    assert_false(forgotten_ran);
}

/* -- flushes -- */

static struct flush_hook hooks[2];
static uint32_t hook_calls[2], tasks_before_flush;
static bool second_before_first;
static struct task batch[3];
static void first_hook(struct flush_hook *) { hook_calls[0] += 1; second_before_first |= hook_calls[1] >= hook_calls[0]; }
static void second_hook(struct flush_hook *)
{
    hook_calls[1] += 1;
    if (tasks_before_flush == 3) shard_group_stop(&group);
}
static void count_task(struct task *) { tasks_before_flush += 1; }
static bool start_flushing(struct shard *s, void *)
{
    hooks[0].flush = first_hook;
    hooks[1].flush = second_hook;
    shard_add_flush(s, &hooks[0]);
    shard_add_flush(s, &hooks[1]);
    for (int n = 0; n < 3; n++) {
        batch[n].run = count_task;
        shard_make_ready(s, &batch[n]);
    }
    return true;
}
static void hooks_run_in_order_once_for_all_that_a_turn_did(void **)
{
    memset(hook_calls, 0, sizeof hook_calls);
    tasks_before_flush = 0;
    second_before_first = false;
    play(1, start_flushing);
    assert_false(second_before_first);
    assert_int_equal(hook_calls[0], hook_calls[1]);
    assert_int_equal(hook_calls[0], 3); /* after start, after the turn of the tasks, after the turn of the stop letter */
}

/* -- time -- */

static uint64_t timer_asked_us, timer_now_us;
static struct timer nap;
static void note_nap(struct timer *)
{
    timer_now_us = shard_here()->now_us;
    shard_group_stop(&group);
}
static bool start_napping(struct shard *s, void *)
{
    timer_asked_us = s->now_us + 20'000;
    timer_start(&s->timers, &nap, timer_asked_us, note_nap);
    return true;
}
static uint64_t sleeps_of_nap;
static void count_sleeps(struct shard *s) { sleeps_of_nap = counter_read(&s->sleeps); }
static void a_timer_ends_the_sleep_and_the_turn_knows_the_time(void **)
{
    struct shard_config config = config_of(start_napping);
    config.finish = count_sleeps;
    play_with(1, config);
    assert_true(timer_now_us >= timer_asked_us);
    assert_in_range(sleeps_of_nap, 1, 20); /* it slept; it did not spin */
}

/* -- start and end -- */

static _Atomic(uint32_t) started, finished, stopped;
static bool second_gives_up(struct shard *s, void *context)
{
    atomic_fetch_add(&started, 1);
    ensure(*(int *)context == 42);
    return s->index != 1;
}
static void count_finish(struct shard *) { atomic_fetch_add(&finished, 1); }
static void count_stop(struct shard *) { atomic_fetch_add(&stopped, 1); }

static void when_one_shard_cannot_start_none_runs_and_the_reason_is_told(void **)
{
    started = finished = 0;
    int context = 42;
    struct io_refusal refusal = {};
    struct shard_config config = config_of(second_gives_up);
    config.finish = count_finish;
    config.context = &context;
    assert_false(shard_group_start(&group, 3, &config, &refusal));
    assert_int_equal(started, 3);
    assert_int_equal(finished, 2); /* those whose start succeeded */
    assert_non_null(strstr(refusal.text, "Shard 1"));
}

static bool just_start(struct shard *, void *) { return true; }
static void *stop_from_here(void *) { shard_group_stop(&group); return nullptr; }
static void any_thread_may_stop_and_twice_is_once(void **)
{
    stopped = finished = 0;
    struct shard_config config = config_of(just_start);
    config.stop = count_stop;
    config.finish = count_finish;
    struct io_refusal refusal = {};
    assert_true(shard_group_start(&group, 4, &config, &refusal));
    pthread_t a, b;
    pthread_create(&a, nullptr, stop_from_here, nullptr);
    pthread_create(&b, nullptr, stop_from_here, nullptr);
    pthread_join(a, nullptr);
    pthread_join(b, nullptr);
    shard_group_join(&group);
    assert_int_equal(stopped, 4);
    assert_int_equal(finished, 4);
}

static struct timer drain;
static bool drained, finished_before_drained;
static void drained_at_last(struct timer *) { drained = true; shard_release(shard_here()); }
static bool hold_and_stop(struct shard *s, void *)
{
    if (s->index == 0) shard_hold(s);
    if (s->index == 1) shard_group_stop(&group);
    return true;
}
static void begin_to_drain(struct shard *s)
{
    if (s->index == 0) timer_start(&s->timers, &drain, s->now_us + 10'000, drained_at_last);
}
static void note_finish(struct shard *) { if (!drained) finished_before_drained = true; }
static void no_shard_ends_while_one_is_held(void **)
{
    drained = finished_before_drained = false;
    struct shard_config config = config_of(hold_and_stop);
    config.stop = begin_to_drain;
    config.finish = note_finish;
    play_with(3, config);
    assert_true(drained);
    assert_false(finished_before_drained);
}

/* -- homes -- */

static void homes_are_stable_and_even(void **)
{
    struct shard_group g = { .count = 3 };
    uint32_t count[3] = {};
    for (uint64_t n = 0; n < 30'000; n++) {
        struct hash128 key = { .high = n * UINT64_C(0x9E3779B97F4A7C15), .low = n };
        uint16_t home = shard_home_of(&g, key);
        assert_in_range(home, 0, 2);
        assert_int_equal(home, shard_home_of(&g, key));
        count[home] += 1;
    }
    for (int n = 0; n < 3; n++) assert_in_range(count[n], 9'500, 10'500);
    assert_int_equal(shard_home_of(&g, (struct hash128){ .high = 0 }), 0); /* the same on every machine */
    assert_int_equal(shard_home_of(&g, (struct hash128){ .high = UINT64_MAX }), 2);
}

int main(void)
{
    alarm(60); /* what is starved stands still */
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_task_that_readies_itself_starves_neither_timers_nor_letters),
        cmocka_unit_test(tasks_run_in_the_order_in_which_they_became_ready_and_once),
        cmocka_unit_test(a_forgotten_task_does_not_run),
        cmocka_unit_test(hooks_run_in_order_once_for_all_that_a_turn_did),
        cmocka_unit_test(a_timer_ends_the_sleep_and_the_turn_knows_the_time),
        cmocka_unit_test(when_one_shard_cannot_start_none_runs_and_the_reason_is_told),
        cmocka_unit_test(any_thread_may_stop_and_twice_is_once),
        cmocka_unit_test(no_shard_ends_while_one_is_held),
        cmocka_unit_test(homes_are_stable_and_even),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
