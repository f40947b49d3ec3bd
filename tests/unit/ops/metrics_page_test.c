/* What /metrics promises whoever scrapes it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "limits.h"
#include "ops/metrics_page.h"

/* Of each kind one, with as many digits as there can be: every shard shows the same. */
static struct ops_shard full_shard(void)
{
    constexpr size_t bytes = 1024 * 1024;
    void *digits = aligned_alloc(alignof(struct shard), bytes);
    assert_non_null(digits);
    memset(digits, 0x3c, bytes);
    return (struct ops_shard){ .shard = digits, .http = digits, .webhooks = digits, .journal = digits, .db = digits, .calls = digits, .bookings = digits, .directory = digits };
}

static void the_page_of_the_largest_engine_fits_into_an_answer(void **)
{
    struct ops_view view = { .count = SHARD_COUNT_MAX };
    struct ops_shard shard = full_shard();
    for (uint16_t n = 0; n < view.count; n++) view.shards[n] = shard;
    struct heap heap;
    heap_init(&heap, http_response_bytes_max);
    struct metrics_writer w;
    metrics_init(&w, &heap);
    metrics_page_write(&w, &view, "1.2.3");
    assert_false(slice_is_absent(metrics_text(&w)));
    assert_true(metrics_text(&w).length > view.count * 20 * 1024u); /* all of it is there */
    metrics_deinit(&w);
    free((void *)(uintptr_t)shard.shard);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(the_page_of_the_largest_engine_fits_into_an_answer) };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
