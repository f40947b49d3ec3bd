/* What the backoff promises: it doubles, it stops at its maximum, and jitter only ever shortens, by a quarter at most. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "guard/backoff.h"

static const struct backoff one_to_sixty = { .base_ms = 1'000, .max_ms = 60'000 };

static void doubles_from_one_second_up_to_its_maximum(void **)
{
    static const uint32_t waits_ms[] = { 1'000, 2'000, 4'000, 8'000, 16'000, 32'000, 60'000, 60'000 };
    for (uint32_t n = 0; n < 8; n++) assert_int_equal(backoff_ms(one_to_sixty, n, 0), waits_ms[n]);
    for (uint32_t n = 6; n < 200; n++) assert_int_equal(backoff_ms(one_to_sixty, n, 0), 60'000);
    assert_int_equal(backoff_ms(one_to_sixty, UINT32_MAX, 0), 60'000);
    assert_int_equal(backoff_ms((struct backoff){ 1, UINT32_MAX }, 31, 0), UINT32_C(1) << 31);
}

static void chance_takes_off_a_quarter_at_most_and_spreads_over_all_of_it(void **)
{
    uint32_t least = UINT32_MAX, most = 0;
    for (uint64_t random = 0; random < 10'000; random++) {
        uint32_t wait_ms = backoff_ms(one_to_sixty, 2, random * UINT64_C(0x9e3779b97f4a7c15));
        if (wait_ms < least) least = wait_ms;
        if (wait_ms > most) most = wait_ms;
    }
    assert_in_range(least, 3'000, 3'010);
    assert_in_range(most, 3'990, 4'000);
    assert_int_equal(backoff_ms((struct backoff){ 1, 1 }, 0, UINT64_MAX), 1); /* never nothing */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(doubles_from_one_second_up_to_its_maximum),
        cmocka_unit_test(chance_takes_off_a_quarter_at_most_and_spreads_over_all_of_it),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
