#include "report.h"
#include <stdio.h>
#include <stdlib.h>
#include "base/ensure.h"
#include "base/json.h"

static uint64_t sum(const struct lane *lanes, uint32_t count, size_t offset)
{
    uint64_t total = 0;
    for (uint32_t i = 0; i < count; i++) total += counter_read((const struct counter *)((const char *)&lanes[i].counters + offset));
    return total;
}
#define sum_of(lanes, count, field) sum((lanes), (count), offsetof(struct lane_counters, field))

/* Percentiles are of everything so far; rates of the last second. */
void report_progress(const struct lane *lanes, uint32_t count, double at_s)
{
    static struct histogram all;
    static uint64_t sent_before, acknowledged_before;
    all = (struct histogram){ 0 };
    int64_t open = 0;
    for (uint32_t i = 0; i < count; i++) {
        for (uint8_t e = 0; e < SCRIPT_EVENTS; e++) histogram_add(&all, &lanes[i].latency_us[e]);
        open += gauge_read(&lanes[i].counters.open);
    }
    uint64_t sent = sum_of(lanes, count, sent), acknowledged = sum_of(lanes, count, acknowledged);
    fprintf(stderr, "%6.1f s  sent %6llu/s  2xx %6llu/s  open %6lld  p50 %7.2f ms  p99 %8.2f ms  retried %llu  given up %llu\n", at_s, (unsigned long long)(sent - sent_before),
            (unsigned long long)(acknowledged - acknowledged_before), (long long)open, (double)histogram_quantile(&all, 0.5) / 1000, (double)histogram_quantile(&all, 0.99) / 1000,
            (unsigned long long)sum_of(lanes, count, retried), (unsigned long long)sum_of(lanes, count, given_up));
    sent_before = sent;
    acknowledged_before = acknowledged;
}

void report_gather(struct load_report *r, const struct lane *lanes, uint32_t count, double took_s)
{
    *r = (struct load_report){ .took_s = took_s };
    for (uint32_t i = 0; i < count; i++) {
        for (uint8_t e = 0; e < SCRIPT_EVENTS; e++) {
            histogram_add(&r->latency_us[e], &lanes[i].latency_us[e]);
            histogram_add(&r->all_us, &lanes[i].latency_us[e]);
        }
        histogram_add(&r->wire_us, &lanes[i].wire_us);
        histogram_add(&r->late_us, &lanes[i].late_us);
    }
    r->sent = sum_of(lanes, count, sent);
    r->acknowledged = sum_of(lanes, count, acknowledged);
    r->given_up = sum_of(lanes, count, given_up);
    r->retried = sum_of(lanes, count, retried);
    r->overrun = sum_of(lanes, count, overrun);
    r->refused_4xx = sum_of(lanes, count, refused_4xx);
    r->refused_5xx = sum_of(lanes, count, refused_5xx);
    r->other_status = sum_of(lanes, count, other_status);
    r->timed_out = sum_of(lanes, count, timed_out);
    r->broken = sum_of(lanes, count, broken);
    r->unreached = sum_of(lanes, count, unreached);
    r->connects = sum_of(lanes, count, connects);
}

static const double quantiles[] = { 0.5, 0.9, 0.99, 0.999, 0.9999 };
static const char *const quantile_names[] = { "p50", "p90", "p99", "p99.9", "p99.99" };

static double ms_of(uint64_t us) { return (double)us / 1000; }

static void print_row(const char *name, const struct histogram *h)
{
    uint64_t count = atomic_load_explicit(&h->count, memory_order_relaxed);
    printf("  %-22s %9llu", name, (unsigned long long)count);
    for (uint32_t i = 0; i < sizeof quantiles / sizeof *quantiles; i++) printf(" %9.3f", ms_of(histogram_quantile(h, quantiles[i])));
    printf(" %9.3f\n", ms_of(atomic_load_explicit(&h->max_us, memory_order_relaxed)));
}

static double counted_s(const struct load_report *r, const struct load_options *o) { return (o->closed ? o->duration_s : r->took_s) - o->warmup_s; }

static void print_title(const struct load_options *o, const struct load_plan *p)
{
    if (o->closed)
        printf("\nclosed loop: %llu connections, %.1f s\n", (unsigned long long)o->closed, o->duration_s);
    else
        printf("\nopen loop: %llu calls at once, %.1f new ones a second for %.1f s: %llu calls, %llu of them book\n", (unsigned long long)o->calls, o->rate, o->duration_s,
               (unsigned long long)p->call_count, (unsigned long long)p->bookings);
    if (o->warmup_s > 0) printf("  the first %.1f s are not counted\n", o->warmup_s);
    if (p->bookings_without_slot) printf("  %llu calls that wanted to book found no slot left, and only talked\n", (unsigned long long)p->bookings_without_slot);
}

void report_print(const struct load_report *r, const struct load_options *o, const struct load_plan *p)
{
    print_title(o, p);
    printf("\n  %-22s %9s", "milliseconds", "count");
    for (uint32_t i = 0; i < sizeof quantiles / sizeof *quantiles; i++) printf(" %9s", quantile_names[i]);
    printf(" %9s\n", "max");
    for (uint8_t e = 0; e < SCRIPT_EVENTS; e++) print_row(call_event_name((enum call_event)e), &r->latency_us[e]);
    print_row("all, due to 2xx", &r->all_us);
    print_row("sent to answered", &r->wire_us);
    print_row("due to sent", &r->late_us);
    printf("\n  %llu acknowledged (%.0f/s), %llu given up, %llu sent, %llu sent again: 4xx %llu, 5xx %llu, other %llu, timed out %llu, broken %llu, unreached %llu\n",
           (unsigned long long)r->acknowledged, (double)r->acknowledged / counted_s(r, o), (unsigned long long)r->given_up, (unsigned long long)r->sent,
           (unsigned long long)r->retried, (unsigned long long)r->refused_4xx, (unsigned long long)r->refused_5xx, (unsigned long long)r->other_status,
           (unsigned long long)r->timed_out, (unsigned long long)r->broken, (unsigned long long)r->unreached);
    if (r->overrun) printf("  VOID: the generator itself had no room for %llu events\n", (unsigned long long)r->overrun);
}

/* -- JSON -- */

static void add_histogram(struct json_writer *w, const char *key, const struct histogram *h)
{
    json_begin_object(w, key);
    json_add_unsigned(w, "count", atomic_load_explicit(&h->count, memory_order_relaxed));
    for (uint32_t i = 0; i < sizeof quantiles / sizeof *quantiles; i++) json_add_real(w, quantile_names[i], ms_of(histogram_quantile(h, quantiles[i])));
    json_add_real(w, "max", ms_of(atomic_load_explicit(&h->max_us, memory_order_relaxed)));
    json_end_object(w);
}

static void add_asked(struct json_writer *w, const struct load_options *o, const struct load_plan *p)
{
    json_begin_object(w, "asked");
    json_add_text(w, "loop", o->closed ? slice_of("closed") : slice_of("open"));
    json_add_unsigned(w, "connections", o->closed ? o->closed : o->connections);
    json_add_unsigned(w, "calls_at_once", o->calls);
    json_add_real(w, "calls_per_second", o->rate);
    json_add_real(w, "seconds", o->duration_s);
    json_add_real(w, "warmup_seconds", o->warmup_s);
    json_add_unsigned(w, "calls", p->call_count);
    json_add_unsigned(w, "bookings", p->bookings);
    json_add_unsigned(w, "body_bytes_min", o->body_bytes_min);
    json_add_unsigned(w, "body_bytes_max", o->body_bytes_max);
    json_add_unsigned(w, "threads", o->threads);
    json_add_unsigned(w, "seed", o->seed);
    json_end_object(w);
}

static void add_counts(struct json_writer *w, const struct load_report *r, const struct load_options *o)
{
    json_add_real(w, "seconds", r->took_s);
    json_add_real(w, "acknowledged_per_second", (double)r->acknowledged / counted_s(r, o));
    json_add_unsigned(w, "acknowledged", r->acknowledged);
    json_add_unsigned(w, "given_up", r->given_up);
    json_add_unsigned(w, "sent", r->sent);
    json_add_unsigned(w, "retried", r->retried);
    json_add_unsigned(w, "status_4xx", r->refused_4xx);
    json_add_unsigned(w, "status_5xx", r->refused_5xx);
    json_add_unsigned(w, "status_other", r->other_status);
    json_add_unsigned(w, "timed_out", r->timed_out);
    json_add_unsigned(w, "broken", r->broken);
    json_add_unsigned(w, "unreached", r->unreached);
    json_add_unsigned(w, "connects", r->connects);
    json_add_unsigned(w, "overrun", r->overrun);
}

bool report_write(const char *path, const struct load_report *r, const struct load_options *o, const struct load_plan *p, const struct verify_result *verified)
{
    char memory[16 * 1024];
    struct buffer b = buffer_over(memory, sizeof memory);
    struct json_writer w = json_writer_over(&b);
    json_begin_object(&w, nullptr);
    add_asked(&w, o, p);
    add_counts(&w, r, o);
    json_begin_object(&w, "latency_ms");
    for (uint8_t e = 0; e < SCRIPT_EVENTS; e++) add_histogram(&w, call_event_name((enum call_event)e), &r->latency_us[e]);
    add_histogram(&w, "all", &r->all_us);
    add_histogram(&w, "sent_to_answered", &r->wire_us);
    add_histogram(&w, "due_to_sent", &r->late_us);
    json_end_object(&w);
    if (verified) verify_write(&w, "verification", verified);
    json_end_object(&w);
    buffer_add_byte(&b, '\n');
    ensure(!b.overflowed);

    FILE *file = fopen(path, "w");
    if (!file) return false;
    bool written = fwrite(b.start, 1, b.length, file) == b.length;
    return fclose(file) == 0 && written;
}
