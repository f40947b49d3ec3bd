/* What the clock promises: time that never goes back, a wall clock that can be started elsewhere, bytes nobody can guess. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>
#include "base/clock.h"

static void monotonic_time_never_goes_back(void **)
{
    uint64_t last = clock_monotonic_us();
    for (int n = 0; n < 1000; n++) {
        uint64_t now = clock_monotonic_us();
        assert_true(now >= last);
        last = now;
    }
}

static void a_shifted_wall_clock_runs_on_from_where_it_was_set(void **)
{
    const int64_t at_us = 1'773'147'600'000'000; /* 2026-03-10T13:00:00Z */
    uint64_t before_us = clock_monotonic_us();
    clock_start_at(at_us);
    int64_t first_us = clock_wall_us();
    while (clock_monotonic_us() < before_us + 50) continue;
    int64_t second_us = clock_wall_us();
    int64_t elapsed_us = (int64_t)(clock_monotonic_us() - before_us);
    assert_true(first_us >= at_us && second_us <= at_us + elapsed_us);
    assert_true(second_us > first_us || first_us > at_us); /* it runs */
}

static void random_bytes_fill_all_that_was_asked_for(void **)
{
    static char bytes[100'000], zeros[64];
    random_fill(bytes, sizeof bytes);
    for (size_t at = 0; at + 64 <= sizeof bytes; at += 64) assert_memory_not_equal(bytes + at, zeros, 64);
    assert_int_not_equal(random_u64(), random_u64());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(monotonic_time_never_goes_back),
        cmocka_unit_test(a_shifted_wall_clock_runs_on_from_where_it_was_set),
        cmocka_unit_test(random_bytes_fill_all_that_was_asked_for),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
