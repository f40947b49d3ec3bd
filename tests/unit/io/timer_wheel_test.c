/* What the timer wheel promises: never early, hardly late, however near or far. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "io/timer_wheel.h"

static constexpr uint64_t tick_us = 1024;

struct probe {
    struct timer        timer;
    struct timer_wheel *wheel;
    uint32_t            fired;
    uint32_t            order;   /* the n-th to fire */
    uint64_t            restart_at_us; /* 0: do not */
    struct probe       *victim;  /* stopped when this one fires */
};
static uint32_t fired_so_far;

static void probe_fired(struct timer *t)
{
    struct probe *p = container_of(t, struct probe, timer);
    p->fired += 1;
    p->order = fired_so_far++;
    if (p->victim) timer_stop(p->wheel, &p->victim->timer);
    if (p->restart_at_us) timer_start(p->wheel, t, p->restart_at_us, probe_fired);
}

static struct timer_wheel wheel;

static int start_of_test(void **)
{
    timer_wheel_init(&wheel, 0);
    fired_so_far = 0;
    return 0;
}

static void fires_at_its_instant_and_not_a_microsecond_early(void **)
{
    const uint64_t deadlines_us[] = { 1, 1023, 1024, 1025, 65'536, 70'000'000, UINT64_C(86'400'000'000) * 400 };
    for (size_t n = 0; n < sizeof deadlines_us / sizeof *deadlines_us; n++) {
        timer_wheel_init(&wheel, 0);
        struct probe p = {};
        timer_start(&wheel, &p.timer, deadlines_us[n], probe_fired);
        assert_int_equal(timer_wheel_advance(&wheel, deadlines_us[n] - 1), 0);
        assert_int_equal(timer_wheel_advance(&wheel, deadlines_us[n] + tick_us), 1);
        assert_int_equal(p.fired, 1);
        assert_false(timer_is_running(&p.timer));
    }
}

static void a_past_instant_fires_in_the_next_advance(void **)
{
    struct probe p = {};
    timer_wheel_advance(&wheel, 5'000'500);
    timer_start(&wheel, &p.timer, 5'000'500, probe_fired);
    assert_true(timer_wheel_next(&wheel) <= 5'000'500);
    assert_int_equal(timer_wheel_advance(&wheel, 5'000'500), 1);
}

static void a_timer_that_restarts_itself_in_the_past_does_not_hold_up_the_turn(void **)
{
    struct probe p = { .wheel = &wheel, .restart_at_us = 1 };
    timer_start(&wheel, &p.timer, 1, probe_fired);
    assert_int_equal(timer_wheel_advance(&wheel, 50'000), 1);
    assert_int_equal(timer_wheel_advance(&wheel, 50'000), 1);
    timer_stop(&wheel, &p.timer);
}

static void a_stopped_timer_does_not_fire_even_when_it_is_due_in_the_same_turn(void **)
{
    struct probe second = {}, first = { .wheel = &wheel, .victim = &second };
    timer_start(&wheel, &first.timer, 1'000, probe_fired);
    timer_start(&wheel, &second.timer, 1'000, probe_fired);
    assert_int_equal(timer_wheel_advance(&wheel, 9'000), 1);
    assert_int_equal(second.fired, 0);
    assert_int_equal(wheel.running, 0);
    timer_stop(&wheel, &second.timer); /* not running: nothing happens */
}

static void nothing_running_means_no_need_to_look_again(void **)
{
    struct probe p = {};
    assert_true(timer_wheel_next(&wheel) == UINT64_MAX);
    timer_start(&wheel, &p.timer, 7'000'000, probe_fired);
    assert_true(timer_wheel_next(&wheel) <= 7'000'000 + tick_us);
    timer_stop(&wheel, &p.timer);
    assert_true(timer_wheel_next(&wheel) == UINT64_MAX);
}

static void the_end_of_time_has_a_place_on_the_wheel(void **)
{
    struct probe p = {};
    timer_start(&wheel, &p.timer, UINT64_MAX, probe_fired);
    assert_int_equal(timer_wheel_advance(&wheel, UINT64_C(1) << 62), 0);
    timer_stop(&wheel, &p.timer);
}

/* -- against a plain array that is searched whole, from random seeds -- */

enum { PROBES = 64, STEPS = 400, SEEDS = 300 };

static uint64_t random_state;
static uint64_t draw(void) /* xorshift64*: the test must be the same on every run */
{
    random_state ^= random_state >> 12;
    random_state ^= random_state << 25;
    random_state ^= random_state >> 27;
    return random_state * UINT64_C(2685821657736338717);
}
/* As likely 3 µs as 3 years: every level of the wheel gets its share. */
static uint64_t draw_distance(uint32_t bits_max) { return draw() >> (64 - 1 - draw() % bits_max); }

struct world { struct probe probes[PROBES]; uint64_t due_tick[PROBES]; uint64_t now_us; };

static uint64_t due_tick_of(const struct world *w, uint64_t at_us)
{
    return at_us <= w->now_us ? w->now_us / tick_us : at_us / tick_us + (at_us % tick_us != 0);
}

static void start_or_stop(struct world *w, uint32_t n)
{
    struct probe *p = &w->probes[n];
    if (timer_is_running(&p->timer)) {
        timer_stop(&wheel, &p->timer);
        return;
    }
    uint64_t distance_us = draw_distance(62);
    bool past = draw() % 8 == 0;
    uint64_t at_us = past ? w->now_us - (distance_us < w->now_us ? distance_us : w->now_us) : w->now_us + distance_us;
    w->due_tick[n] = due_tick_of(w, at_us);
    p->fired = 0;
    timer_start(&wheel, &p->timer, at_us, probe_fired);
}

static uint64_t earliest_due_us(const struct world *w)
{
    uint64_t earliest = UINT64_MAX;
    for (uint32_t n = 0; n < PROBES; n++)
        if (timer_is_running(&w->probes[n].timer) && w->due_tick[n] * tick_us < earliest) earliest = w->due_tick[n] * tick_us;
    return earliest;
}

static void advance_and_compare(struct world *w, uint64_t now_us)
{
    bool should_fire[PROBES];
    uint32_t expected = 0;
    for (uint32_t n = 0; n < PROBES; n++) {
        should_fire[n] = timer_is_running(&w->probes[n].timer) && w->due_tick[n] <= now_us / tick_us;
        expected += should_fire[n];
        w->probes[n].fired = 0;
    }
    w->now_us = now_us;
    assert_int_equal(timer_wheel_advance(&wheel, now_us), expected);
    for (uint32_t n = 0; n < PROBES; n++) {
        assert_int_equal(w->probes[n].fired, should_fire[n]);
        for (uint32_t m = 0; m < n; m++)
            if (should_fire[n] && should_fire[m] && w->due_tick[n] != w->due_tick[m])
                assert_int_equal(w->probes[n].order < w->probes[m].order, w->due_tick[n] < w->due_tick[m]);
    }
}

static void agrees_with_a_sorted_list_for_every_seed(void **)
{
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        random_state = seed * UINT64_C(0x9E3779B97F4A7C15);
        struct world w = { .now_us = draw_distance(61) };
        timer_wheel_init(&wheel, w.now_us);
        for (uint32_t step = 0; step < STEPS; step++) {
            if (draw() % 4 != 0) {
                start_or_stop(&w, draw() % PROBES);
                continue;
            }
            uint64_t next_us = timer_wheel_next(&wheel);
            if (next_us > earliest_due_us(&w)) fail_msg("seed %llu step %u: would oversleep", (unsigned long long)seed, step);
            bool go_to_next = draw() % 2 == 0 && next_us > w.now_us && next_us < UINT64_C(1) << 63;
            uint64_t now_us = go_to_next ? next_us : w.now_us + draw_distance(55);
            if (now_us < UINT64_C(1) << 63) advance_and_compare(&w, now_us);
        }
        for (uint32_t n = 0; n < PROBES; n++) timer_stop(&wheel, &w.probes[n].timer);
        assert_int_equal(wheel.running, 0);
        assert_true(timer_wheel_next(&wheel) == UINT64_MAX);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(fires_at_its_instant_and_not_a_microsecond_early, start_of_test),
        cmocka_unit_test_setup(a_past_instant_fires_in_the_next_advance, start_of_test),
        cmocka_unit_test_setup(a_timer_that_restarts_itself_in_the_past_does_not_hold_up_the_turn, start_of_test),
        cmocka_unit_test_setup(a_stopped_timer_does_not_fire_even_when_it_is_due_in_the_same_turn, start_of_test),
        cmocka_unit_test_setup(nothing_running_means_no_need_to_look_again, start_of_test),
        cmocka_unit_test_setup(the_end_of_time_has_a_place_on_the_wheel, start_of_test),
        cmocka_unit_test_setup(agrees_with_a_sorted_list_for_every_seed, start_of_test),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
