#include "base/metrics.h"
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include "base/ensure.h"
#include "base/text.h"

enum { FIRST_CAPACITY_BYTES = 16 * 1024 };

void metrics_init(struct metrics_writer *w, struct heap *heap) { *w = (struct metrics_writer){ .heap = heap }; }

void metrics_deinit(struct metrics_writer *w)
{
    heap_release(w->heap, w->out.start, w->out.capacity);
    *w = (struct metrics_writer){ .heap = nullptr };
}

struct slice metrics_text(const struct metrics_writer *w)
{
    if (w->out.overflowed) return slice_absent;
    return w->out.start ? buffer_slice(&w->out) : slice_of("");
}

/* Doubling: a text of any length is copied twice at most, on average. */
static void make_room(struct metrics_writer *w, size_t bytes)
{
    size_t capacity = w->out.capacity > 0 ? w->out.capacity : FIRST_CAPACITY_BYTES;
    while (capacity - w->out.length < bytes) capacity *= 2;
    if (capacity == w->out.capacity || w->out.overflowed) return;

    char *grown = heap_resize(w->heap, w->out.start, w->out.capacity, capacity);
    if (!grown) {
        w->out.overflowed = true;
        return;
    }
    w->out.start = grown;
    w->out.capacity = capacity;
}

static void add(struct metrics_writer *w, struct slice text)
{
    make_room(w, text.length);
    buffer_add(&w->out, text);
}

static void add_text(struct metrics_writer *w, const char *text) { add(w, slice_from_text(text)); }

static const char *name_of_type(enum metric_type type)
{
    switch (type) {
    case METRIC_COUNTER:   return "counter";
    case METRIC_GAUGE:     return "gauge";
    case METRIC_HISTOGRAM: return "histogram";
    }
    ensure(false); /* all types are above */
    return nullptr;
}

static bool ends_with(struct slice s, struct slice end)
{
    return s.length >= end.length && slice_equal(slice_skip(s, s.length - end.length), end);
}

void metrics_begin_family(struct metrics_writer *w, const char *name, const char *help, enum metric_type type)
{
    w->family = slice_from_text(name);
    w->type = type;
    ensure(ends_with(w->family, slice_of("_total")) == (type == METRIC_COUNTER));
    ensure(help[0] != 0 && !strpbrk(help, "\n\\"));
    add_text(w, "# HELP ");
    add_text(w, name);
    add_text(w, " ");
    add_text(w, help);
    add_text(w, "\n# TYPE ");
    add_text(w, name);
    add_text(w, " ");
    add_text(w, name_of_type(type));
    add_text(w, "\n");
}

/* The fewest digits that read back as the same number; 17 always do. Whole numbers are printed whole. */
static void print_number(char *out, size_t bytes, double value)
{
    if (isnan(value)) snprintf(out, bytes, "NaN");
    else if (isinf(value)) snprintf(out, bytes, value > 0 ? "+Inf" : "-Inf");
    else if (value == floor(value) && fabs(value) < 0x1p53) snprintf(out, bytes, "%.0f", value);
    else
        for (int precision = 15; precision <= 17; precision++) {
            snprintf(out, bytes, "%.*g", precision, value);
            if (strtod(out, nullptr) == value) return;
        }
}

/* family + suffix {labels, le="bound"} value. bound: nullptr for none. */
static void add_line(struct metrics_writer *w, const char *suffix, struct slice labels, const char *bound, const char *value)
{
    ensure(!slice_is_absent(w->family));
    add(w, w->family);
    add_text(w, suffix);
    if (labels.length > 0 || bound) {
        add_text(w, "{");
        add(w, labels);
        if (bound) {
            add_text(w, labels.length > 0 ? ",le=\"" : "le=\"");
            add_text(w, bound);
            add_text(w, "\"");
        }
        add_text(w, "}");
    }
    add_text(w, " ");
    add_text(w, value);
    add_text(w, "\n");
}

void metrics_add_sample(struct metrics_writer *w, struct slice labels, double value)
{
    char digits[32];
    ensure(w->type != METRIC_HISTOGRAM);
    print_number(digits, sizeof digits, value);
    add_line(w, "", labels, nullptr, digits);
}

static void add_count(struct metrics_writer *w, const char *suffix, struct slice labels, const char *bound, uint64_t count)
{
    char digits[24];
    snprintf(digits, sizeof digits, "%" PRIu64, count);
    add_line(w, suffix, labels, bound, digits);
}

/* One pass over the buckets; +Inf and _count are the same reading, or a scrape during a recording would not add up. */
void metrics_add_histogram(struct metrics_writer *w, struct slice labels, const struct histogram *h, const double *bounds_s, uint32_t bound_count)
{
    uint64_t seen = 0, sum_us = atomic_load_explicit(&h->sum_us, memory_order_relaxed);
    uint32_t bucket = 0;
    char     text[48];
    ensure(w->type == METRIC_HISTOGRAM);
    for (uint32_t n = 0; n < bound_count; n++) {
        ensure(bounds_s[n] > 0 && (n == 0 || bounds_s[n] > bounds_s[n - 1]));
        uint64_t bound_us = (uint64_t)llround(bounds_s[n] * 1e6);
        for (; bucket < HISTOGRAM_BUCKETS && histogram_bucket_end_us(bucket) <= bound_us; bucket++)
            seen += atomic_load_explicit(&h->counts[bucket], memory_order_relaxed);
        print_number(text, sizeof text, bounds_s[n]);
        add_count(w, "_bucket", labels, text, seen);
    }
    for (; bucket < HISTOGRAM_BUCKETS; bucket++) seen += atomic_load_explicit(&h->counts[bucket], memory_order_relaxed);
    add_count(w, "_bucket", labels, "+Inf", seen);
    snprintf(text, sizeof text, "%" PRIu64 ".%06" PRIu64, sum_us / 1'000'000, sum_us % 1'000'000);
    add_line(w, "_sum", labels, nullptr, text);
    add_count(w, "_count", labels, nullptr, seen);
}

void metrics_add_label(struct buffer *labels, const char *name, struct slice value)
{
    if (labels->length > 0) buffer_add_byte(labels, ',');
    buffer_add(labels, slice_from_text(name));
    buffer_add(labels, slice_of("=\""));
    while (value.length > 0) {
        size_t       bytes = utf8_character_bytes(value);
        struct slice character = slice_take(value, bytes > 0 ? bytes : 1);
        if (bytes == 0) buffer_add(labels, slice_of("\xef\xbf\xbd")); /* U+FFFD: the format is UTF-8 */
        else if (character.start[0] == '\n') buffer_add(labels, slice_of("\\n"));
        else if (character.start[0] == '"') buffer_add(labels, slice_of("\\\""));
        else if (character.start[0] == '\\') buffer_add(labels, slice_of("\\\\"));
        else buffer_add(labels, character);
        value = slice_skip(value, character.length);
    }
    buffer_add_byte(labels, '"');
}
