#pragma once
/* base/histogram.h: counts of durations in log-linear buckets (HDR style): 0 µs to 2^36 µs (19 h), each within 1/32 (3 %) of its value;
 * up to 63 µs exact. What is longer counts in the last bucket, and in max_us as it was.
 * One thread records; any thread may read (relaxed atomics: a reader sees every bucket at some recent moment). */
#include <stdatomic.h>
#include <stdint.h>

enum { HISTOGRAM_SUB_BITS = 5, HISTOGRAM_BUCKETS = (36 - HISTOGRAM_SUB_BITS + 1) * (1 << HISTOGRAM_SUB_BITS) };

struct histogram { _Atomic(uint64_t) counts[HISTOGRAM_BUCKETS]; _Atomic(uint64_t) sum_us, count, max_us; };

void histogram_record(struct histogram *h, uint64_t us);
void histogram_record_n(struct histogram *h, uint64_t us, uint64_t n);
void histogram_add(struct histogram *into, const struct histogram *from);
[[nodiscard]] uint64_t histogram_quantile(const struct histogram *h, double q); /* q in 0..1: upper end of its bucket, µs; 0 when empty */
[[nodiscard]] uint64_t histogram_count_at_most(const struct histogram *h, uint64_t us); /* values in a bucket that `us` cuts are left out: never better than it was */
[[nodiscard]] uint64_t histogram_bucket_end_us(uint32_t bucket); /* the largest value it counts */
