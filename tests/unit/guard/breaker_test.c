/* What the breaker promises. Each test is named for the promise that it guards, and fails without the code behind it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "guard/breaker.h"

static const struct breaker_config config = { .failures_to_open = 5, .open_ms = 60'000, .successes_to_close = 2 };
static const uint64_t minute_us = 60'000'000;

static struct breaker closed(void)
{
    struct breaker b;
    breaker_init(&b, config);
    return b;
}

static void ask(struct breaker *b, enum breaker_answer answer, uint64_t now_us)
{
    struct breaker_ticket t = breaker_admit(b, now_us);
    assert_true(t.admitted);
    breaker_report(b, t, answer, now_us);
}

static struct breaker opened(void)
{
    struct breaker b = closed();
    for (int n = 0; n < 5; n++) ask(&b, BREAKER_FAILED, 0);
    return b;
}

static void opens_at_the_fifth_failure_in_a_row(void **)
{
    struct breaker b = closed();
    for (int n = 0; n < 4; n++) ask(&b, BREAKER_FAILED, 0);
    ask(&b, BREAKER_SUCCEEDED, 0);
    for (int n = 0; n < 4; n++) ask(&b, BREAKER_FAILED, 0);
    assert_int_equal(b.state, BREAKER_CLOSED);
    ask(&b, BREAKER_FAILED, 0);
    assert_int_equal(b.state, BREAKER_OPEN);
}

static void asks_nothing_for_a_minute_then_two_at_once(void **)
{
    struct breaker b = opened();
    assert_false(breaker_admit(&b, minute_us - 1).admitted);
    assert_true(breaker_admit(&b, minute_us).admitted);
    assert_true(breaker_admit(&b, minute_us).admitted);
    assert_false(breaker_admit(&b, minute_us).admitted);
}

static void closes_after_two_successes_and_reopens_on_one_failure(void **)
{
    struct breaker b = opened();
    ask(&b, BREAKER_SUCCEEDED, minute_us);
    assert_int_equal(b.state, BREAKER_HALF_OPEN);
    ask(&b, BREAKER_FAILED, minute_us);
    assert_int_equal(b.state, BREAKER_OPEN);
    ask(&b, BREAKER_SUCCEEDED, 2 * minute_us);
    ask(&b, BREAKER_SUCCEEDED, 2 * minute_us);
    assert_int_equal(b.state, BREAKER_CLOSED);
}

static void ignores_an_answer_from_before_it_opened(void **)
{
    struct breaker b = closed();
    struct breaker_ticket slow = breaker_admit(&b, 0);
    for (int n = 0; n < 5; n++) ask(&b, BREAKER_FAILED, 0);
    ask(&b, BREAKER_SUCCEEDED, minute_us); /* half open now, one of two */
    breaker_report(&b, slow, BREAKER_SUCCEEDED, minute_us);
    assert_int_equal(b.state, BREAKER_HALF_OPEN);
}

static void an_abandoned_probe_gives_its_place_back(void **)
{
    struct breaker b = opened();
    for (int n = 0; n < 100; n++) ask(&b, BREAKER_ABANDONED, minute_us);
    assert_int_equal(b.state, BREAKER_HALF_OPEN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(opens_at_the_fifth_failure_in_a_row),
        cmocka_unit_test(asks_nothing_for_a_minute_then_two_at_once),
        cmocka_unit_test(closes_after_two_successes_and_reopens_on_one_failure),
        cmocka_unit_test(ignores_an_answer_from_before_it_opened),
        cmocka_unit_test(an_abandoned_probe_gives_its_place_back),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
