/* What buffers promise: an overflow is seen at the end, and nothing is ever written past it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>
#include "base/buffer.h"

static void fills_to_the_last_byte(void **)
{
    char memory[5];
    struct buffer b = buffer_over(memory, sizeof memory);
    buffer_add(&b, slice_of("abcd"));
    buffer_add_byte(&b, 'e');
    assert_false(b.overflowed);
    assert_true(slice_equal(buffer_slice(&b), slice_of("abcde")));
}

static void after_an_overflow_nothing_more_is_written(void **)
{
    char memory[] = "........";
    struct buffer b = buffer_over(memory, 4);
    buffer_add(&b, slice_of("abc"));
    buffer_add(&b, slice_of("de"));
    buffer_add_byte(&b, 'f');
    buffer_print(&b, "%d", 1);
    assert_true(b.overflowed);
    assert_memory_equal(memory, "abc.....", 8);
    assert_true(slice_equal(buffer_slice(&b), slice_of("abc")));
}

static void prints_or_overflows_but_never_cuts_in_silence(void **)
{
    char memory[16];
    struct buffer b = buffer_over(memory, 8);
    buffer_print(&b, "%s-%d", "abc", 42);
    assert_true(slice_equal(buffer_slice(&b), slice_of("abc-42")));
    buffer_print(&b, "%d", 12345);
    assert_true(b.overflowed);
    assert_true(slice_equal(buffer_slice(&b), slice_of("abc-42")));
}

static void an_absent_text_adds_nothing(void **)
{
    struct buffer b = buffer_over(nullptr, 0);
    buffer_add(&b, slice_absent);
    assert_false(b.overflowed);
    buffer_print(&b, "%s", "x");
    assert_true(b.overflowed);
}

static void integers_are_written_as_printf_writes_them(void **)
{
    static const int64_t values[] = { 0, 1, -1, 9, 10, -10, 1'234'567'890, INT64_MAX, INT64_MIN };
    for (size_t n = 0; n < sizeof values / sizeof *values; n++) {
        char memory[32], expected[32];
        struct buffer b = buffer_over(memory, sizeof memory);
        buffer_add_integer(&b, values[n]);
        snprintf(expected, sizeof expected, "%lld", (long long)values[n]);
        assert_true(slice_equal(buffer_slice(&b), slice_from_text(expected)));
    }
    char memory[20];
    struct buffer b = buffer_over(memory, sizeof memory);
    buffer_add_unsigned(&b, UINT64_MAX);
    assert_true(slice_equal(buffer_slice(&b), slice_of("18446744073709551615")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fills_to_the_last_byte),
        cmocka_unit_test(after_an_overflow_nothing_more_is_written),
        cmocka_unit_test(prints_or_overflows_but_never_cuts_in_silence),
        cmocka_unit_test(an_absent_text_adds_nothing),
        cmocka_unit_test(integers_are_written_as_printf_writes_them),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
