/* What a heap promises: its owner never holds more than the budget, and every byte is accounted for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>
#include "base/heap.h"

static void refuses_what_would_exceed_the_budget(void **)
{
    struct heap h;
    heap_init(&h, 1000);
    void *a = heap_acquire(&h, 600);
    assert_non_null(a);
    assert_null(heap_acquire(&h, 401));
    assert_null(heap_acquire(&h, SIZE_MAX)); /* the sum would wrap round */
    assert_int_equal(h.refused, 2);
    void *b = heap_acquire(&h, 400);
    assert_non_null(b);
    heap_release(&h, a, 600);
    heap_release(&h, b, 400);
    assert_int_equal(h.used_bytes, 0);
    assert_int_equal(h.used_bytes_max, 1000);
}

static void nothing_is_a_valid_wish(void **)
{
    struct heap h;
    heap_init(&h, 0);
    void *nothing = heap_acquire(&h, 0);
    assert_non_null(nothing);
    heap_release(&h, nothing, 0);
    heap_release(&h, nullptr, 0);
    assert_int_equal(h.used_bytes, 0);
}

static void a_refused_resize_leaves_the_old_memory_whole(void **)
{
    struct heap h;
    heap_init(&h, 100);
    char *text = heap_acquire(&h, 60);
    memcpy(text, "kept", 5);
    assert_null(heap_resize(&h, text, 60, 101));
    assert_int_equal(h.used_bytes, 60);
    text = heap_resize(&h, text, 60, 100); /* the sum counts, not old and new together */
    assert_non_null(text);
    assert_string_equal(text, "kept");
    heap_release(&h, text, 100);
    assert_int_equal(h.used_bytes, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refuses_what_would_exceed_the_budget),
        cmocka_unit_test(nothing_is_a_valid_wish),
        cmocka_unit_test(a_refused_resize_leaves_the_old_memory_whole),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
