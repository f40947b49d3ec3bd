/* What the budget promises: never more than the limit in any window, whoever else sends with the key, and always room for what settles a booking. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "guard/budget.h"

static const uint64_t second_us = 1'000'000;

static struct budget budget_of(uint32_t requests, uint32_t window_ms)
{
    struct budget b;
    budget_init(&b, (struct budget_config){ .requests_per_window = requests, .window_ms = window_ms });
    return b;
}

static bool takes(struct budget *b, enum budget_priority p, uint64_t now_us)
{
    uint64_t retry_at_us;
    return budget_take(b, p, now_us, &retry_at_us);
}

/* xorshift64*: the same world at every run. */
static uint64_t next_random(uint64_t *state)
{
    *state ^= *state >> 12, *state ^= *state << 25, *state ^= *state >> 27;
    return *state * UINT64_C(2685821657736338717);
}

static uint32_t most_in_any_window(const uint64_t *sent_at_us, uint32_t count, uint64_t window_us)
{
    uint32_t most = 0;
    for (uint32_t last = 0, first = 0; last < count; last++) {
        while (sent_at_us[last] - sent_at_us[first] >= window_us) first += 1;
        if (last - first + 1 > most) most = last - first + 1;
    }
    return most;
}

static void no_window_ever_holds_more_than_the_limit(void **)
{
    enum { TRIES = 20'000 };
    static uint64_t sent_at_us[TRIES];
    for (uint64_t seed = 1; seed <= 20; seed++) {
        uint64_t random = seed, now_us = 5;
        uint32_t sent = 0, limit = 1 + (uint32_t)(next_random(&random) % 120);
        struct budget b = budget_of(limit, 60'000);
        for (int n = 0; n < TRIES; n++) {
            /* Bursts in one instant, and now and then a long silence. */
            uint64_t draw = next_random(&random);
            if (draw % 4 == 0) now_us += draw % (draw % 50 == 0 ? 90 * second_us : second_us);
            if (takes(&b, (enum budget_priority)(draw % BUDGET_PRIORITIES), now_us)) sent_at_us[sent++] = now_us;
        }
        assert_int_equal(most_in_any_window(sent_at_us, sent, 60 * second_us), limit);
    }
}

static void what_is_refused_is_told_exactly_when_there_is_room(void **)
{
    struct budget b = budget_of(3, 60'000);
    uint64_t retry_at_us = 0;
    assert_true(takes(&b, BUDGET_SYNC, 1 * second_us));
    assert_true(takes(&b, BUDGET_SYNC, 2 * second_us));
    assert_true(takes(&b, BUDGET_SYNC, 3 * second_us));
    assert_false(budget_take(&b, BUDGET_SYNC, 4 * second_us, &retry_at_us));
    assert_int_equal(retry_at_us, 61 * second_us);
    assert_false(takes(&b, BUDGET_SYNC, retry_at_us - 1));
    assert_true(takes(&b, BUDGET_SYNC, retry_at_us));
    assert_false(takes(&b, BUDGET_SYNC, retry_at_us));
}

static void a_flood_of_checks_leaves_room_for_bookings_and_their_look_ups(void **)
{
    struct budget b;
    budget_init(&b, budget_config_default());
    budget_learn(&b, BUDGET_UNTOLD, 0);
    uint32_t sent[BUDGET_PRIORITIES] = {};
    static const enum budget_priority floods[] = { BUDGET_SYNC, BUDGET_CHECK, BUDGET_BOOKING, BUDGET_SETTLE };
    for (int f = 0; f < 4; f++)
        while (takes(&b, floods[f], second_us)) sent[floods[f]] += 1;
    assert_int_equal(sent[BUDGET_SYNC] + sent[BUDGET_CHECK] + sent[BUDGET_BOOKING] + sent[BUDGET_SETTLE], 110);
    for (int p = 0; p < BUDGET_PRIORITIES; p++) assert_true(sent[p] >= 15);
}

static void the_smallest_budget_still_lets_everybody_through(void **)
{
    for (uint32_t requests = 1; requests < 20; requests++)
        for (int p = 0; p < BUDGET_PRIORITIES; p++) {
            struct budget_config config = budget_config_default();
            config.requests_per_window = requests;
            struct budget b;
            budget_init(&b, config);
            assert_true(takes(&b, (enum budget_priority)p, second_us));
        }
}

static void a_low_priority_hears_when_its_own_room_comes(void **)
{
    struct budget b;
    budget_init(&b, (struct budget_config){ .requests_per_window = 3, .window_ms = 60'000, .reserve_percent = { [BUDGET_CHECK] = 67 } });
    uint64_t retry_at_us = 0;
    assert_true(takes(&b, BUDGET_BOOKING, 1 * second_us));
    assert_true(takes(&b, BUDGET_BOOKING, 2 * second_us));
    assert_false(budget_take(&b, BUDGET_CHECK, 3 * second_us, &retry_at_us));
    assert_int_equal(retry_at_us, 62 * second_us); /* both must be gone */
    assert_true(takes(&b, BUDGET_CHECK, retry_at_us));
}

static void a_block_stops_everybody_and_is_never_shortened(void **)
{
    struct budget b = budget_of(10, 60'000);
    uint64_t retry_at_us = 0;
    budget_block(&b, 60 * second_us);
    budget_block(&b, 30 * second_us);
    assert_int_equal(budget_left(&b, 59 * second_us), 0);
    assert_false(budget_take(&b, BUDGET_SETTLE, 59 * second_us, &retry_at_us));
    assert_int_equal(retry_at_us, 60 * second_us);
    assert_int_equal(budget_left(&b, 60 * second_us), 10);
    assert_true(takes(&b, BUDGET_SETTLE, 60 * second_us));
}

static void what_is_left_is_what_may_still_be_taken(void **)
{
    uint64_t random = 7, now_us = 0;
    for (int round = 0; round < 200; round++) {
        struct budget b = budget_of(20, 1'000);
        for (uint64_t n = next_random(&random) % 30; n > 0; n--) (void)takes(&b, BUDGET_SYNC, now_us += next_random(&random) % 100'000);
        now_us += next_random(&random) % 1'500'000;
        uint32_t left = budget_left(&b, now_us), taken = 0;
        while (takes(&b, BUDGET_SETTLE, now_us)) taken += 1;
        assert_int_equal(left, taken);
        now_us += 10 * second_us;
    }
}

/* -- what the provider counts -- */

static uint32_t takes_until_full(struct budget *b, enum budget_priority p, uint64_t now_us)
{
    uint32_t taken = 0;
    while (takes(b, p, now_us)) taken += 1;
    return taken;
}

static void what_others_have_sent_is_counted_until_their_window_ends(void **)
{
    struct budget b = budget_of(100, 65'000);
    assert_true(takes(&b, BUDGET_SETTLE, 100 * second_us));
    budget_learn(&b, 10, 70 * second_us);
    assert_int_equal(budget_left(&b, 101 * second_us), 10);
    assert_int_equal(takes_until_full(&b, BUDGET_SETTLE, 101 * second_us), 10);

    uint64_t retry_at_us;
    assert_false(budget_take(&b, BUDGET_SETTLE, 102 * second_us, &retry_at_us));
    assert_int_equal(retry_at_us, (70 + 65) * second_us);
    assert_int_equal(takes_until_full(&b, BUDGET_SETTLE, retry_at_us), 100 - 11); /* ours are younger */
}

/* Ours of before their window make no room in it when they leave ours: what they have counted is still counted there. */
static void our_own_past_does_not_hide_what_others_send(void **)
{
    struct budget b = budget_of(100, 65'000);
    for (int n = 0; n < 50; n++) assert_true(takes(&b, BUDGET_SETTLE, 100 * second_us));
    budget_learn(&b, 60, 155 * second_us); /* 40 of others, in a window that is a second old */
    assert_int_equal(budget_left(&b, 156 * second_us), 50);
    assert_int_equal(budget_left(&b, 170 * second_us), 60);
    assert_int_equal(budget_left(&b, 220 * second_us), 100);
}

static void no_answer_makes_room(void **)
{
    struct budget b = budget_of(100, 65'000);
    assert_int_equal(takes_until_full(&b, BUDGET_SETTLE, 100 * second_us), 100);
    static const uint32_t said[] = { 0, 1, 99, 100, 101, UINT32_MAX - 1, BUDGET_UNTOLD };
    for (size_t n = 0; n < sizeof said / sizeof *said; n++) {
        budget_learn(&b, said[n], 100 * second_us);
        assert_false(takes(&b, BUDGET_SETTLE, 101 * second_us));
    }
}

static void what_others_leave_is_shared_by_the_same_reserves(void **)
{
    struct budget b;
    budget_init(&b, budget_config_default());
    budget_learn(&b, 20, second_us);
    assert_false(takes(&b, BUDGET_SYNC, second_us));
    assert_false(takes(&b, BUDGET_CHECK, second_us));
    assert_int_equal(takes_until_full(&b, BUDGET_BOOKING, second_us), 4);
    assert_int_equal(takes_until_full(&b, BUDGET_SETTLE, second_us), 16);
}

/* Lives that forget, and another who shares the key: Cal.com's own kind of window is never overshot as long as one asks at a time. */
static void lives_that_forget_do_not_overshoot_together(void **)
{
    for (uint64_t seed = 1; seed <= 50; seed++) {
        uint64_t random = seed, now_us = 1'000 * second_us, began_at_us = 0;
        uint32_t used = 0, served = 0;
        struct budget b = budget_of(110, 65'000);
        for (int n = 0; n < 20'000; n++) {
            uint64_t draw = next_random(&random);
            now_us += draw % 400'000;
            if (now_us - began_at_us >= 60 * second_us) used = 0, began_at_us = now_us;
            if (draw % 997 == 0) b = budget_of(110, 65'000), b.config.probe_ms = 15'000;
            bool others = draw % 5 == 0 && used < 100;
            if (!others && !takes(&b, BUDGET_SETTLE, now_us)) continue;
            used += 1;
            served += !others;
            assert_in_range(used, 0, 120);
            if (!others) budget_learn(&b, 120 - used > 10 ? 120 - used - 10 : 0, began_at_us);
        }
        assert_true(served > 1'000);
    }
}

/* -- before anything was heard -- */

static struct budget unheard(void)
{
    struct budget b;
    budget_init(&b, (struct budget_config){ .requests_per_window = 100, .window_ms = 65'000, .probe_ms = 15'000 });
    return b;
}

static void until_the_first_answer_one_asks_at_a_time(void **)
{
    struct budget b = unheard();
    uint64_t retry_at_us;
    assert_true(takes(&b, BUDGET_SYNC, 100 * second_us));
    assert_false(budget_take(&b, BUDGET_SETTLE, 100 * second_us, &retry_at_us));
    assert_int_equal(retry_at_us, 101 * second_us); /* it may have been answered by then */
    budget_learn(&b, 7, 100 * second_us);
    assert_int_equal(takes_until_full(&b, BUDGET_SETTLE, 101 * second_us), 7);
}

/* Otherwise what the provider never allowed counts as sent by others, and nothing is left for bookings. */
static void a_limit_below_the_configured_one_is_what_there_is(void **)
{
    struct budget b;
    struct budget_config config = budget_config_default();
    config.requests_per_window = 1'000;
    budget_init(&b, config);
    assert_true(takes(&b, BUDGET_BOOKING, 100 * second_us));
    budget_cap(&b, 110);
    budget_learn(&b, 109, 100 * second_us);
    assert_int_equal(takes_until_full(&b, BUDGET_BOOKING, 100 * second_us), 110 - 16 - 1); /* 15 % stay for look-ups */
    budget_cap(&b, 2'000);
    assert_true(takes(&b, BUDGET_BOOKING, 100 * second_us)); /* more than configured is not taken */
    assert_int_equal(budget_left(&b, 100 * second_us), 1'000 - 95);
}

static void an_answer_that_tells_nothing_leaves_our_own_count(void **)
{
    struct budget b = unheard();
    assert_true(takes(&b, BUDGET_SETTLE, 100 * second_us));
    budget_learn(&b, BUDGET_UNTOLD, 0);
    assert_int_equal(takes_until_full(&b, BUDGET_SETTLE, 100 * second_us), 99);
}

static void silence_lets_one_ask_now_and_then(void **)
{
    struct budget b = unheard();
    uint32_t asked = 0;
    for (uint64_t now_us = 100 * second_us; now_us < 160 * second_us; now_us += second_us / 10) asked += takes(&b, BUDGET_SETTLE, now_us);
    assert_int_equal(asked, 4);
}

static void what_never_left_does_not_keep_the_next_from_asking(void **)
{
    struct budget b = unheard();
    assert_true(takes(&b, BUDGET_SETTLE, 100 * second_us));
    budget_ask_again(&b);
    assert_true(takes(&b, BUDGET_SETTLE, 100 * second_us));
    assert_false(takes(&b, BUDGET_SETTLE, 100 * second_us));
}

static void a_429_is_an_answer(void **)
{
    struct budget b = unheard();
    assert_true(takes(&b, BUDGET_SETTLE, 100 * second_us));
    budget_block(&b, 130 * second_us);
    assert_int_equal(takes_until_full(&b, BUDGET_SETTLE, 130 * second_us), 99);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_window_ever_holds_more_than_the_limit),
        cmocka_unit_test(what_is_refused_is_told_exactly_when_there_is_room),
        cmocka_unit_test(a_flood_of_checks_leaves_room_for_bookings_and_their_look_ups),
        cmocka_unit_test(the_smallest_budget_still_lets_everybody_through),
        cmocka_unit_test(a_low_priority_hears_when_its_own_room_comes),
        cmocka_unit_test(a_block_stops_everybody_and_is_never_shortened),
        cmocka_unit_test(what_is_left_is_what_may_still_be_taken),
        cmocka_unit_test(what_others_have_sent_is_counted_until_their_window_ends),
        cmocka_unit_test(our_own_past_does_not_hide_what_others_send),
        cmocka_unit_test(no_answer_makes_room),
        cmocka_unit_test(what_others_leave_is_shared_by_the_same_reserves),
        cmocka_unit_test(lives_that_forget_do_not_overshoot_together),
        cmocka_unit_test(until_the_first_answer_one_asks_at_a_time),
        cmocka_unit_test(a_limit_below_the_configured_one_is_what_there_is),
        cmocka_unit_test(an_answer_that_tells_nothing_leaves_our_own_count),
        cmocka_unit_test(silence_lets_one_ask_now_and_then),
        cmocka_unit_test(what_never_left_does_not_keep_the_next_from_asking),
        cmocka_unit_test(a_429_is_an_answer),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
