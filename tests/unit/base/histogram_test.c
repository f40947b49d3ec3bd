/* What a histogram promises: no duration is off by more than 1/32, and none is lost. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "base/histogram.h"

static struct histogram h, other;

static int emptied(void **)
{
    h = (struct histogram){};
    other = (struct histogram){};
    return 0;
}

static void every_value_is_within_a_thirty_second_of_its_bucket(void **)
{
    uint64_t limit_us = UINT64_C(1) << 36;
    for (uint64_t us = 0; us < limit_us; us += us / 97 + 1) {
        emptied(nullptr);
        histogram_record(&h, us);
        uint64_t shown_us = histogram_quantile(&h, 0.5);
        assert_true(shown_us >= us);
        assert_true((shown_us - us) * 32 <= us);
    }
}

static void buckets_follow_one_another_without_gap(void **)
{
    for (uint32_t bucket = 0; bucket + 1 < HISTOGRAM_BUCKETS; bucket++) {
        emptied(nullptr);
        uint64_t end_us = histogram_bucket_end_us(bucket);
        assert_true(histogram_bucket_end_us(bucket + 1) > end_us);
        histogram_record(&h, end_us);
        histogram_record(&h, end_us + 1);
        assert_int_equal(atomic_load(&h.counts[bucket]), 1);
        assert_int_equal(atomic_load(&h.counts[bucket + 1]), 1);
    }
    assert_int_equal(histogram_bucket_end_us(HISTOGRAM_BUCKETS - 1), (UINT64_C(1) << 36) - 1);
}

static void quantiles_count_from_the_first_to_the_last(void **)
{
    assert_int_equal(histogram_quantile(&h, 0.99), 0);
    for (uint64_t us = 1; us <= 30; us++) histogram_record(&h, us);
    assert_int_equal(histogram_quantile(&h, 0), 1);
    assert_int_equal(histogram_quantile(&h, 0.5), 15);
    assert_int_equal(histogram_quantile(&h, 0.9), 27);
    assert_int_equal(histogram_quantile(&h, 1), 30);
}

static void counts_at_most_never_flatter(void **)
{
    histogram_record(&h, 10);
    histogram_record_n(&h, 5000, 3); /* in the bucket 4992 to 5119 */
    assert_int_equal(histogram_count_at_most(&h, 9), 0);
    assert_int_equal(histogram_count_at_most(&h, 10), 1);
    assert_int_equal(histogram_count_at_most(&h, 5000), 1);
    assert_int_equal(histogram_count_at_most(&h, 5119), 4);
    assert_int_equal(histogram_count_at_most(&h, UINT64_MAX), 4);
}

static void what_is_beyond_the_last_bucket_is_still_counted(void **)
{
    histogram_record(&h, UINT64_C(1) << 40);
    assert_int_equal(histogram_count_at_most(&h, UINT64_MAX), 1);
    assert_int_equal(atomic_load(&h.max_us), UINT64_C(1) << 40);
}

static void sums_of_shards_lose_nothing(void **)
{
    for (uint64_t us = 0; us < 100'000; us += 7) histogram_record(us % 2 ? &h : &other, us);
    uint64_t count = atomic_load(&h.count) + atomic_load(&other.count), sum_us = atomic_load(&h.sum_us) + atomic_load(&other.sum_us);
    histogram_add(&h, &other);
    assert_int_equal(atomic_load(&h.count), count);
    assert_int_equal(histogram_count_at_most(&h, UINT64_MAX), count);
    assert_int_equal(atomic_load(&h.sum_us), sum_us);
    assert_int_equal(atomic_load(&h.max_us), 99'995);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(every_value_is_within_a_thirty_second_of_its_bucket, emptied),
        cmocka_unit_test_setup(buckets_follow_one_another_without_gap, emptied),
        cmocka_unit_test_setup(quantiles_count_from_the_first_to_the_last, emptied),
        cmocka_unit_test_setup(counts_at_most_never_flatter, emptied),
        cmocka_unit_test_setup(what_is_beyond_the_last_bucket_is_still_counted, emptied),
        cmocka_unit_test_setup(sums_of_shards_lose_nothing, emptied),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
