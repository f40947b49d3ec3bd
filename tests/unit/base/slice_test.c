/* What slices promise: they compare, split and read numbers without ever reading past their end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "base/slice.h"

#define assert_text(s, literal) assert_true(slice_equal((s), slice_of(literal)))

static void ignores_the_case_of_ascii_letters_only(void **)
{
    assert_true(slice_equal_ignoring_case(slice_of("Content-LENGTH"), slice_of("content-length")));
    assert_false(slice_equal_ignoring_case(slice_of("a"), slice_of("ab")));
    assert_false(slice_equal_ignoring_case(slice_of("@"), slice_of("`")));       /* 0x40 and 0x60 */
    assert_false(slice_equal_ignoring_case(slice_of("\xc3\x84"), slice_of("\xc3\xa4"))); /* Ä, ä */
}

static void finds_a_part_at_both_ends_and_not_beyond(void **)
{
    struct slice s = slice_take(slice_of("chunked, gzip"), 7);
    assert_true(slice_contains(s, slice_of("chu")));
    assert_true(slice_contains(s, slice_of("ked")));
    assert_false(slice_contains(s, slice_of("ked,")));
    assert_true(slice_contains(slice_absent, slice_of("")));
    assert_false(slice_contains(slice_absent, slice_of("a")));
}

static void trims_blanks_but_keeps_those_inside(void **)
{
    assert_text(slice_trim(slice_of(" \t a b\r\n")), "a b");
    assert_text(slice_trim(slice_of(" \n ")), "");
    assert_true(slice_is_absent(slice_trim(slice_absent)));
}

static void splits_until_nothing_is_left(void **)
{
    struct slice rest = slice_of("v=1,,d=2,");
    assert_text(slice_split(&rest, ','), "v=1");
    assert_text(slice_split(&rest, ','), "");
    assert_text(slice_split(&rest, ','), "d=2");
    assert_false(slice_is_absent(rest)); /* a text ending in the separator has one more, empty part */
    assert_text(slice_split(&rest, ','), "");
    assert_true(slice_is_absent(rest));
    assert_true(slice_is_absent(slice_split(&rest, ',')));
}

static void an_absent_slice_can_be_skipped_and_taken(void **)
{
    assert_true(slice_is_absent(slice_skip(slice_absent, 3)));
    assert_true(slice_is_absent(slice_take(slice_absent, 3)));
    assert_text(slice_skip(slice_of("abc"), 9), "");
}

static void reads_numbers_of_digits_alone(void **)
{
    static const struct { struct slice text; uint64_t max; bool good; uint64_t value; } table[] = {
        { slice_of("0"), 0, true, 0 },
        { slice_of("18446744073709551615"), UINT64_MAX, true, UINT64_MAX },
        { slice_of("18446744073709551616"), UINT64_MAX, false, 0 },
        { slice_of("99999999999999999999"), UINT64_MAX, false, 0 },
        { slice_of("8388608"), 8388608, true, 8388608 },
        { slice_of("8388609"), 8388608, false, 0 },
        { slice_of(""), 9, false, 0 },
        { slice_of("00"), 9, false, 0 },
        { slice_of("01"), 9, false, 0 },
        { slice_of("+1"), 9, false, 0 },
        { slice_of("-1"), 9, false, 0 },
        { slice_of(" 1"), 9, false, 0 },
        { slice_of("1 "), 9, false, 0 },
        { slice_of("1a"), 99, false, 0 },
    };
    for (size_t n = 0; n < sizeof table / sizeof *table; n++) {
        uint64_t value = 7;
        assert_int_equal(slice_to_u64(table[n].text, table[n].max, &value), table[n].good);
        assert_int_equal(value, table[n].good ? table[n].value : 7);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ignores_the_case_of_ascii_letters_only),
        cmocka_unit_test(finds_a_part_at_both_ends_and_not_beyond),
        cmocka_unit_test(trims_blanks_but_keeps_those_inside),
        cmocka_unit_test(splits_until_nothing_is_left),
        cmocka_unit_test(an_absent_slice_can_be_skipped_and_taken),
        cmocka_unit_test(reads_numbers_of_digits_alone),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
