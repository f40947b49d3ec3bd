#include "ops/metrics_page.h"

#include <string.h>
#include "base/log.h"
#include "ops/metrics_table.h"

struct page { struct metrics_writer *w; const struct ops_view *view; const char *family; };

static const double seconds_bounds[] = { 0.00001, 0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60 };

/* Rows of one name are one family: the first of them brings the help. */
static void begin(struct page *p, const char *name, const char *help, enum metric_type type)
{
    if (p->family && strcmp(p->family, name) == 0) return;
    metrics_begin_family(p->w, name, help, type);
    p->family = name;
}

static struct slice labels_of(uint16_t shard, const char *own, struct buffer *b)
{
    buffer_print(b, "shard=\"%u\"%s%s", shard, *own ? "," : "", own);
    return buffer_slice(b);
}

/* The table's expressions speak of `s`: the rows below expand to one loop over the shards each. */
#define EACH_SHARD(statement)                                                        \
    for (uint16_t n = 0; n < p->view->count; n++) {                                  \
        const struct ops_shard *s = &p->view->shards[n];                             \
        char memory[128];                                                            \
        struct buffer b = buffer_over(memory, sizeof memory);                        \
        statement;                                                                   \
    }
#define COUNTER_ROW(name, labels, help, at) \
    begin(p, name, help, METRIC_COUNTER);   \
    EACH_SHARD(metrics_add_sample(p->w, labels_of(n, labels, &b), (double)counter_read(&(at))))
#define GAUGE_ROW(name, labels, help, at) \
    begin(p, name, help, METRIC_GAUGE);   \
    EACH_SHARD(metrics_add_sample(p->w, labels_of(n, labels, &b), (double)gauge_read(&(at))))
#define HISTOGRAM_ROW(name, labels, help, at) \
    begin(p, name, help, METRIC_HISTOGRAM);   \
    EACH_SHARD(metrics_add_histogram(p->w, labels_of(n, labels, &b), &(at), seconds_bounds, sizeof seconds_bounds / sizeof seconds_bounds[0]))

static void write_counters(struct page *p) { METRIC_COUNTERS(COUNTER_ROW) }
static void write_gauges(struct page *p) { METRIC_GAUGES(GAUGE_ROW) }
static void write_histograms(struct page *p) { METRIC_HISTOGRAMS(HISTOGRAM_ROW) }

static void write_process(struct page *p, const char *version)
{
    char memory[128];
    struct buffer b = buffer_over(memory, sizeof memory);
    metrics_add_label(&b, "version", slice_from_text(version));
    metrics_begin_family(p->w, "ringmaster_info", "1; the version is a label.", METRIC_GAUGE);
    metrics_add_sample(p->w, buffer_slice(&b), 1);
    metrics_begin_family(p->w, "ringmaster_log_lines_dropped_total", "Log lines that found no room. Alarm on many.", METRIC_COUNTER);
    metrics_add_sample(p->w, slice_absent, (double)log_lines_dropped());
    metrics_begin_family(p->w, "ringmaster_shards", "Shards of this engine.", METRIC_GAUGE);
    metrics_add_sample(p->w, slice_absent, p->view->count);
}

void metrics_page_write(struct metrics_writer *w, const struct ops_view *view, const char *version)
{
    struct page p = { .w = w, .view = view };
    write_process(&p, version);
    write_counters(&p);
    write_gauges(&p);
    write_histograms(&p);
}

#define MARKDOWN_ROW(type) "| `%s` | " type " | %s | %s |\n"
#define COUNTER_LINE(name, labels, help, at)   fprintf(out, MARKDOWN_ROW("counter"), name, labels, help);
#define GAUGE_LINE(name, labels, help, at)     fprintf(out, MARKDOWN_ROW("gauge"), name, labels, help);
#define HISTOGRAM_LINE(name, labels, help, at) fprintf(out, MARKDOWN_ROW("histogram"), name, labels, help);

void metrics_page_print_markdown(FILE *out)
{
    fputs("| metric | type | labels (beside `shard`) | meaning |\n|---|---|---|---|\n", out);
    COUNTER_LINE("ringmaster_log_lines_dropped_total", "", "Log lines that found no room. Alarm on many.", 0)
    METRIC_COUNTERS(COUNTER_LINE)
    METRIC_GAUGES(GAUGE_LINE)
    METRIC_HISTOGRAMS(HISTOGRAM_LINE)
}
