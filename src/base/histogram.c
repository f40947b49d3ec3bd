/* base/histogram.c: values below 32 have a bucket each; above, every power of two is cut into 32 buckets of equal width. */
#include "base/histogram.h"
#include <math.h>
#include "base/ensure.h"

enum { SUB_BUCKETS = 1 << HISTOGRAM_SUB_BITS };

static uint32_t bucket_of(uint64_t us)
{
    if (us < SUB_BUCKETS) return (uint32_t)us;
    uint32_t exponent = 63 - (uint32_t)__builtin_clzll(us);
    uint32_t shift = exponent - HISTOGRAM_SUB_BITS;
    uint32_t bucket = (shift + 1) * SUB_BUCKETS + (uint32_t)(us >> shift & (SUB_BUCKETS - 1));
    return bucket < HISTOGRAM_BUCKETS ? bucket : HISTOGRAM_BUCKETS - 1;
}

uint64_t histogram_bucket_end_us(uint32_t bucket)
{
    ensure(bucket < HISTOGRAM_BUCKETS);
    if (bucket < SUB_BUCKETS) return bucket;
    uint32_t shift = bucket / SUB_BUCKETS - 1;
    uint64_t first_of_next = (uint64_t)(SUB_BUCKETS + bucket % SUB_BUCKETS + 1) << shift;
    return first_of_next - 1;
}

/* Relaxed everywhere: each number stands for itself. Load and store instead of an atomic addition: there is one writer. */
static uint64_t read_of(const _Atomic(uint64_t) *value) { return atomic_load_explicit(value, memory_order_relaxed); }
static void     set(_Atomic(uint64_t) *value, uint64_t to) { atomic_store_explicit(value, to, memory_order_relaxed); }
static void     add(_Atomic(uint64_t) *value, uint64_t n) { set(value, read_of(value) + n); }

void histogram_record_n(struct histogram *h, uint64_t us, uint64_t n)
{
    if (n == 0) return;
    add(&h->counts[bucket_of(us)], n);
    add(&h->sum_us, us * n);
    add(&h->count, n);
    if (us > read_of(&h->max_us)) set(&h->max_us, us);
}

void histogram_record(struct histogram *h, uint64_t us) { histogram_record_n(h, us, 1); }

void histogram_add(struct histogram *into, const struct histogram *from)
{
    for (uint32_t n = 0; n < HISTOGRAM_BUCKETS; n++) {
        uint64_t count = read_of(&from->counts[n]);
        if (count > 0) add(&into->counts[n], count);
    }
    add(&into->sum_us, read_of(&from->sum_us));
    add(&into->count, read_of(&from->count));
    if (read_of(&from->max_us) > read_of(&into->max_us)) set(&into->max_us, read_of(&from->max_us));
}

uint64_t histogram_quantile(const struct histogram *h, double q)
{
    ensure(q >= 0 && q <= 1);
    uint64_t total = histogram_count_at_most(h, UINT64_MAX); /* not h->count: a reader may see it ahead of the buckets */
    uint64_t rank = (uint64_t)ceil(q * (double)total), seen = 0;
    if (total == 0) return 0;
    if (rank < 1) rank = 1;
    for (uint32_t n = 0; n < HISTOGRAM_BUCKETS; n++) {
        seen += read_of(&h->counts[n]);
        if (seen >= rank) return histogram_bucket_end_us(n);
    }
    return histogram_bucket_end_us(HISTOGRAM_BUCKETS - 1);
}

uint64_t histogram_count_at_most(const struct histogram *h, uint64_t us)
{
    uint64_t sum = 0;
    for (uint32_t n = 0; n < HISTOGRAM_BUCKETS && histogram_bucket_end_us(n) <= us; n++) sum += read_of(&h->counts[n]);
    return sum;
}
