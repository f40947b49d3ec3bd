#pragma once
/* base/metrics.h: numbers for Prometheus. Counters and gauges live in the structs of those who count; there is no registry.
 *
 * A counter has one writer thread and any number of readers. Whoever answers a scrape goes through the modules and lets each
 * write its families: a family is one name with its help and type, then its samples, all together (the format demands it).
 *
 *     metrics_begin_family(&w, "ringmaster_webhooks_total", "Webhooks answered, by status.", METRIC_COUNTER);
 *     metrics_add_label(&labels, "status", slice_of("204"));
 *     metrics_add_sample(&w, buffer_slice(&labels), (double)counter_read(&accepted));
 *
 * Units are Prometheus's: seconds, bytes. The text grows in the memory of a heap; what does not fit its budget makes
 * metrics_text() absent, and the scrape is answered 503.
 */
#include <stdatomic.h>
#include "base/buffer.h"
#include "base/heap.h"
#include "base/histogram.h"
#include "base/slice.h"

/* Relaxed, because a number stands for itself; load and store instead of an atomic addition, because there is one writer. */
struct counter { _Atomic(uint64_t) value; };
static inline uint64_t counter_read(const struct counter *c) { return atomic_load_explicit(&c->value, memory_order_relaxed); }
static inline void counter_add(struct counter *c, uint64_t n) { atomic_store_explicit(&c->value, counter_read(c) + n, memory_order_relaxed); }

struct gauge { _Atomic(int64_t) value; };
static inline int64_t gauge_read(const struct gauge *g) { return atomic_load_explicit(&g->value, memory_order_relaxed); }
static inline void gauge_set(struct gauge *g, int64_t value) { atomic_store_explicit(&g->value, value, memory_order_relaxed); }
static inline void gauge_add(struct gauge *g, int64_t n) { gauge_set(g, gauge_read(g) + n); }

enum metric_type : uint8_t { METRIC_COUNTER, METRIC_GAUGE, METRIC_HISTOGRAM };

struct metrics_writer {
    struct heap     *heap;
    struct buffer    out;
    struct slice     family; /* absent: none begun */
    enum metric_type type;
};

void metrics_init(struct metrics_writer *w, struct heap *heap);
void metrics_deinit(struct metrics_writer *w); /* frees the text */
[[nodiscard]] struct slice metrics_text(const struct metrics_writer *w); /* absent: the heap refused */

/* name and help are literals that outlive the writer. A counter's name ends in _total, no other does. */
void metrics_begin_family(struct metrics_writer *w, const char *name, const char *help, enum metric_type type);

/* labels: `a="b",c="d"` as metrics_add_label() makes them; absent or empty: none. Of a family that is no histogram. */
void metrics_add_sample(struct metrics_writer *w, struct slice labels, double value);

/* bounds_s in rising order. Counts are exact for bounds up to 63 µs and at most 3 % of the value low above (histogram.h). */
void metrics_add_histogram(struct metrics_writer *w, struct slice labels, const struct histogram *h, const double *bounds_s, uint32_t bound_count);

/* Appends `name="value"`, escaped, after a comma where needed. */
void metrics_add_label(struct buffer *labels, const char *name, struct slice value);
