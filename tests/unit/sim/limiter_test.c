/* What the simulated rate limit promises: Cal.com's 120 in 60 s, 60 s of silence for the one too many, and the lock for those who do not learn. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "sim/limiter.h"

static const uint64_t second_us = 1'000'000;

static struct limiter used_up(uint32_t lock_after)
{
    struct limiter l;
    limiter_init(&l, 120, lock_after);
    for (int n = 0; n < 120; n++) assert_int_equal(limiter_ask(&l, second_us).state, LIMITER_OPEN);
    return l;
}

static void serves_the_limit_and_not_one_more(void **)
{
    struct limiter l = used_up(0);
    struct limiter_answer a = limiter_ask(&l, 2 * second_us);
    assert_int_equal(a.state, LIMITER_BLOCKED);
    assert_int_equal(a.remaining, 0);
    assert_int_equal(a.reset_after_s, 60);
}

static void tells_how_many_are_left_and_when_the_window_ends(void **)
{
    struct limiter l;
    limiter_init(&l, 120, 0);
    (void)limiter_ask(&l, second_us);
    struct limiter_answer a = limiter_ask(&l, 11 * second_us);
    assert_int_equal(a.remaining, 118);
    assert_int_equal(a.reset_after_s, 50);
}

static void a_new_window_begins_sixty_seconds_after_the_first_request(void **)
{
    struct limiter l = used_up(0);
    assert_int_equal(limiter_ask(&l, 61 * second_us).state, LIMITER_OPEN);
}

static void a_block_lasts_sixty_seconds_whatever_is_asked_meanwhile(void **)
{
    struct limiter l = used_up(0);
    (void)limiter_ask(&l, 2 * second_us);
    assert_int_equal(limiter_ask(&l, 61 * second_us).state, LIMITER_BLOCKED);
    assert_int_equal(limiter_ask(&l, 62 * second_us).state, LIMITER_OPEN);
}

static void locks_for_good_after_so_many_overshoots(void **)
{
    struct limiter l = used_up(1);
    assert_int_equal(limiter_ask(&l, 2 * second_us).state, LIMITER_LOCKED);
    assert_int_equal(limiter_ask(&l, 1000 * second_us).state, LIMITER_LOCKED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(serves_the_limit_and_not_one_more),
        cmocka_unit_test(tells_how_many_are_left_and_when_the_window_ends),
        cmocka_unit_test(a_new_window_begins_sixty_seconds_after_the_first_request),
        cmocka_unit_test(a_block_lasts_sixty_seconds_whatever_is_asked_meanwhile),
        cmocka_unit_test(locks_for_good_after_so_many_overshoots),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
