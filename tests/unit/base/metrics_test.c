/* What the metrics promise: a text that Prometheus reads without complaint, whatever is in a label. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "base/metrics.h"

static struct heap heap;
static const double bounds_s[] = { 0.001, 0.005, 0.1, 2.5 };
enum { BOUNDS = sizeof bounds_s / sizeof *bounds_s };

static int fresh_heap(void **)
{
    heap_init(&heap, 1 << 20);
    return 0;
}

static int nothing_leaks(void **) { return heap.used_bytes == 0 ? 0 : -1; }

static void write_some_of_each(struct metrics_writer *w)
{
    static struct histogram h, empty;
    struct counter c = {};
    struct gauge g = {};
    char memory[256];
    struct buffer labels = buffer_over(memory, sizeof memory);

    h = (struct histogram){};
    histogram_record(&h, 800);
    histogram_record_n(&h, 40'000, 2);
    histogram_record(&h, 3'000'000);
    counter_add(&c, 41);
    counter_add(&c, 1);
    gauge_set(&g, 5);
    gauge_add(&g, -7);

    metrics_begin_family(w, "test_webhooks_total", "Webhooks answered, by what was odd about them.", METRIC_COUNTER);
    metrics_add_label(&labels, "reason", slice_of("a \"b\" \\ \n ü \xff"));
    metrics_add_label(&labels, "shard", slice_of("0"));
    metrics_add_sample(w, buffer_slice(&labels), (double)counter_read(&c));
    metrics_add_sample(w, slice_of("reason=\"none\",shard=\"1\""), 9'007'199'254'740'991);
    metrics_begin_family(w, "test_clock_offset_seconds", "How far the clock is off.", METRIC_GAUGE);
    metrics_add_sample(w, slice_absent, (double)gauge_read(&g) / 10);
    metrics_begin_family(w, "test_stage_seconds", "Time in each stage.", METRIC_HISTOGRAM);
    metrics_add_histogram(w, slice_of("stage=\"parse\""), &h, bounds_s, BOUNDS);
    metrics_begin_family(w, "test_empty_seconds", "Nothing happened yet.", METRIC_HISTOGRAM);
    metrics_add_histogram(w, slice_absent, &empty, bounds_s, BOUNDS);
}

static void writes_the_format_exactly(void **)
{
    struct metrics_writer w;
    metrics_init(&w, &heap);
    write_some_of_each(&w);
    char text[4096] = {};
    memcpy(text, metrics_text(&w).start, metrics_text(&w).length);
    metrics_deinit(&w);
    assert_string_equal(text,
        "# HELP test_webhooks_total Webhooks answered, by what was odd about them.\n"
        "# TYPE test_webhooks_total counter\n"
        "test_webhooks_total{reason=\"a \\\"b\\\" \\\\ \\n ü \ufffd\",shard=\"0\"} 42\n"
        "test_webhooks_total{reason=\"none\",shard=\"1\"} 9007199254740991\n"
        "# HELP test_clock_offset_seconds How far the clock is off.\n"
        "# TYPE test_clock_offset_seconds gauge\n"
        "test_clock_offset_seconds -0.2\n"
        "# HELP test_stage_seconds Time in each stage.\n"
        "# TYPE test_stage_seconds histogram\n"
        "test_stage_seconds_bucket{stage=\"parse\",le=\"0.001\"} 1\n"
        "test_stage_seconds_bucket{stage=\"parse\",le=\"0.005\"} 1\n"
        "test_stage_seconds_bucket{stage=\"parse\",le=\"0.1\"} 3\n"
        "test_stage_seconds_bucket{stage=\"parse\",le=\"2.5\"} 3\n"
        "test_stage_seconds_bucket{stage=\"parse\",le=\"+Inf\"} 4\n"
        "test_stage_seconds_sum{stage=\"parse\"} 3.080800\n"
        "test_stage_seconds_count{stage=\"parse\"} 4\n"
        "# HELP test_empty_seconds Nothing happened yet.\n"
        "# TYPE test_empty_seconds histogram\n"
        "test_empty_seconds_bucket{le=\"0.001\"} 0\n"
        "test_empty_seconds_bucket{le=\"0.005\"} 0\n"
        "test_empty_seconds_bucket{le=\"0.1\"} 0\n"
        "test_empty_seconds_bucket{le=\"2.5\"} 0\n"
        "test_empty_seconds_bucket{le=\"+Inf\"} 0\n"
        "test_empty_seconds_sum 0.000000\n"
        "test_empty_seconds_count 0\n");
}

static void promtool_finds_nothing_to_complain_about(void **)
{
    if (system("command -v promtool >/dev/null 2>&1") != 0) skip(); /* tests/runner.py has .tools/ on the path, too */
    struct metrics_writer w;
    metrics_init(&w, &heap);
    write_some_of_each(&w);
    FILE *promtool = popen("promtool check metrics 2>&1", "w");
    assert_non_null(promtool);
    assert_int_equal(fwrite(metrics_text(&w).start, 1, metrics_text(&w).length, promtool), metrics_text(&w).length);
    assert_int_equal(pclose(promtool), 0);
    metrics_deinit(&w);
}

static void grows_until_the_heap_refuses_and_then_says_so(void **)
{
    struct metrics_writer w;
    metrics_init(&w, &heap);
    assert_int_equal(metrics_text(&w).length, 0);
    metrics_begin_family(&w, "test_things", "Things.", METRIC_GAUGE);
    for (int n = 0; n < 10'000; n++) metrics_add_sample(&w, slice_of("of_a_kind=\"some\""), n);
    assert_false(slice_is_absent(metrics_text(&w)));
    assert_true(slice_contains(metrics_text(&w), slice_of("test_things{of_a_kind=\"some\"} 9999\n")));
    for (int n = 0; n < 100'000; n++) metrics_add_sample(&w, slice_of("of_a_kind=\"more\""), n);
    assert_true(slice_is_absent(metrics_text(&w)));
    assert_true(heap.used_bytes_max <= heap.budget_bytes);
    metrics_deinit(&w);
}

#define promise(test) cmocka_unit_test_setup_teardown(test, fresh_heap, nothing_leaks)

int main(void)
{
    const struct CMUnitTest tests[] = {
        promise(writes_the_format_exactly),
        promise(promtool_finds_nothing_to_complain_about),
        promise(grows_until_the_heap_refuses_and_then_says_so),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
