/* What an envelope promises: it arrives, in order, once, and comes home; and so does what goes to the helper thread and back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>
#include <unistd.h>
#include "limits.h"
#include "shard/shard.h"
#include "shard/worker.h"

static struct shard_group group;

static void play(uint16_t count, struct shard_config config)
{
    config.io = (struct io_config){ .entries = 64, .receive_buffers = 16, .receive_buffer_bytes = 1024 };
    config.pin = true;
    struct io_refusal refusal = {};
    if (!shard_group_start(&group, count, &config, &refusal)) fail_msg("%s", refusal.text);
    shard_group_join(&group);
}

/* -- order -- */

enum { LETTERS = 5000 }; /* several batches: shard_envelopes_per_turn_max is less */
static_assert(LETTERS > 2 * shard_envelopes_per_turn_max);

struct letter { struct envelope envelope; uint32_t number; };
static struct letter letters[LETTERS];
static uint32_t next_there, next_home;
static bool out_of_order, wrong_shard, still_travelling;
static uint16_t destination;

static void letter_arrived(struct shard *at, struct envelope *e)
{
    if (container_of(e, struct letter, envelope)->number != next_there++) out_of_order = true;
    if (at->index != destination) wrong_shard = true;
    envelope_return(at, e);
}
static void letter_came_home(struct shard *at, struct envelope *e)
{
    if (container_of(e, struct letter, envelope)->number != next_home++) out_of_order = true;
    if (at->index != 0) wrong_shard = true;
    if (e->travelling) still_travelling = true;
    if (next_home == LETTERS) shard_group_stop(&group);
}
static bool post_all(struct shard *s, void *)
{
    for (uint32_t n = 0; s->index == 0 && n < LETTERS; n++) {
        letters[n] = (struct letter){ .number = n };
        envelope_send(s, &letters[n].envelope, destination, letter_arrived, letter_came_home);
    }
    return true;
}
static void letters_go_there_and_back_in_order(uint16_t to)
{
    destination = to;
    next_there = next_home = 0;
    out_of_order = wrong_shard = still_travelling = false;
    play(2, (struct shard_config){ .start = post_all });
    assert_int_equal(next_there, LETTERS);
    assert_int_equal(next_home, LETTERS);
    assert_false(out_of_order);
    assert_false(wrong_shard);
    assert_false(still_travelling);
}
static void letters_to_another_shard_keep_their_order_both_ways(void **) { letters_go_there_and_back_in_order(1); }
static void letters_to_ourselves_keep_their_order_both_ways(void **) { letters_go_there_and_back_in_order(0); }

/* -- a turn is bounded -- */

static struct envelope to_self;
static uint32_t trips;
static struct timer end_timer;
static void again(struct shard *at, struct envelope *e) { envelope_return(at, e); }
static void and_again(struct shard *at, struct envelope *e)
{
    trips += 1;
    if (!at->stopping) envelope_send(at, e, at->index, again, and_again);
}
static uint32_t firings;
static void stop_at_the_tenth(struct timer *t)
{
    struct shard *s = shard_here();
    if (++firings == 10) shard_group_stop(&group);
    else timer_start(&s->timers, t, s->now_us, stop_at_the_tenth);
}
static bool start_tripping(struct shard *s, void *)
{
    envelope_send(s, &to_self, s->index, again, and_again);
    timer_start(&s->timers, &end_timer, s->now_us, stop_at_the_tenth);
    return true;
}
static void an_envelope_that_goes_round_for_ever_does_not_hold_up_the_turn(void **)
{
    trips = firings = 0;
    play(1, (struct shard_config){ .start = start_tripping });
    assert_int_equal(firings, 10);
    assert_in_range(trips, 4, 8); /* there in one turn, home in the next */
}

/* -- sleepers -- */

/* One letter at a time: the other shard sleeps before nearly every one, and each has to wake it. */
static struct envelope single;
static uint32_t round_trips;
enum { ROUND_TRIPS = 2000 };
static void single_home(struct shard *at, struct envelope *e)
{
    round_trips += 1;
    if (round_trips < ROUND_TRIPS) envelope_send(at, e, 1, again, single_home);
    else shard_group_stop(&group);
}
static bool start_single(struct shard *s, void *)
{
    if (s->index == 0) envelope_send(s, &single, 1, again, single_home);
    return true;
}
static _Atomic(uint64_t) wakes_of_all, sleeps_of_all;
static void add_up(struct shard *s)
{
    atomic_fetch_add(&wakes_of_all, counter_read(&s->wakes_sent));
    atomic_fetch_add(&sleeps_of_all, counter_read(&s->sleeps));
}
static void a_sleeping_shard_is_woken_by_every_single_letter_and_no_more_often_than_it_sleeps(void **)
{
    round_trips = 0;
    wakes_of_all = sleeps_of_all = 0;
    play(2, (struct shard_config){ .start = start_single, .finish = add_up });
    assert_int_equal(round_trips, ROUND_TRIPS);
    assert_true(wakes_of_all <= sleeps_of_all);
}

/* -- the end -- */

static struct letter late[64];
static uint32_t late_home;
static void late_came_home(struct shard *at, struct envelope *e)
{
    struct letter *l = container_of(e, struct letter, envelope);
    late_home += 1;
    if (l->number++ < 20) envelope_send(at, e, 1 + l->number % 2, again, late_came_home);
}
static void ask_on_while_stopping(struct shard *s)
{
    for (uint32_t n = 0; s->index == 0 && n < 64; n++) {
        late[n] = (struct letter){};
        envelope_send(s, &late[n].envelope, 1, again, late_came_home);
    }
}
static bool stop_at_once(struct shard *s, void *)
{
    if (s->index == 2) shard_group_stop(&group);
    return true;
}
static void a_shard_that_is_still_asking_is_answered_to_the_last(void **)
{
    for (int round = 0; round < 20; round++) {
        late_home = 0;
        play(3, (struct shard_config){ .start = stop_at_once, .stop = ask_on_while_stopping });
        assert_int_equal(late_home, 64 * 21);
    }
}

/* -- the helper thread -- */

enum { JOBS = 200 };
struct sum { struct job job; uint32_t number, result; };
static struct sum sums[JOBS];
static struct worker *worker;
static uint32_t jobs_worked, jobs_done;
static bool worked_on_a_shard, done_elsewhere;
static pthread_t shard_thread;

static void square(struct job *j)
{
    struct sum *s = container_of(j, struct sum, job);
    if (s->number != jobs_worked++) out_of_order = true;
    if (pthread_equal(pthread_self(), shard_thread)) worked_on_a_shard = true;
    s->result = s->number * s->number;
}
static void squared(struct job *j)
{
    if (!pthread_equal(pthread_self(), shard_thread) || j->running) done_elsewhere = true;
    if (++jobs_done == JOBS) shard_group_stop(&group);
}
static bool give_all(struct shard *s, void *)
{
    if (s->index != 0) return true;
    shard_thread = pthread_self();
    for (uint32_t n = 0; n < JOBS; n++) {
        sums[n] = (struct sum){ .number = n };
        worker_give(worker, s, &sums[n].job, square, squared);
    }
    return true;
}
static void jobs_run_in_order_on_the_helper_and_are_done_at_home(void **)
{
    jobs_worked = jobs_done = 0;
    out_of_order = worked_on_a_shard = done_elsewhere = false;
    worker = worker_start(&group);
    assert_non_null(worker);
    play(2, (struct shard_config){ .start = give_all });
    worker_stop(worker);
    assert_int_equal(jobs_done, JOBS);
    assert_false(out_of_order);
    assert_false(worked_on_a_shard);
    assert_false(done_elsewhere);
    for (uint32_t n = 0; n < JOBS; n++) assert_int_equal(sums[n].result, n * n);
}

static bool give_one_and_stop(struct shard *s, void *)
{
    shard_thread = pthread_self();
    sums[0] = (struct sum){ .number = 0 };
    worker_give(worker, s, &sums[0].job, square, squared);
    shard_group_stop(&group);
    return true;
}
static void a_shard_waits_for_the_job_that_it_gave(void **)
{
    for (int round = 0; round < 50; round++) {
        jobs_worked = jobs_done = 0;
        worker = worker_start(&group);
        play(1, (struct shard_config){ .start = give_one_and_stop });
        worker_stop(worker);
        assert_int_equal(jobs_done, 1);
    }
}

int main(void)
{
    alarm(60); /* what is starved, or never woken, stands still */
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(letters_to_another_shard_keep_their_order_both_ways),
        cmocka_unit_test(letters_to_ourselves_keep_their_order_both_ways),
        cmocka_unit_test(an_envelope_that_goes_round_for_ever_does_not_hold_up_the_turn),
        cmocka_unit_test(a_sleeping_shard_is_woken_by_every_single_letter_and_no_more_often_than_it_sleeps),
        cmocka_unit_test(a_shard_that_is_still_asking_is_answered_to_the_last),
        cmocka_unit_test(jobs_run_in_order_on_the_helper_and_are_done_at_home),
        cmocka_unit_test(a_shard_waits_for_the_job_that_it_gave),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
