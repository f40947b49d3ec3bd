/* A table's columns stand straight, whatever is in them, and what is in them stays in its cell. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>
#include "ops/table.h"

static void assert_cell(struct slice text, uint32_t width, bool last, const char *wanted)
{
    char *printed;
    size_t length;
    FILE *out = open_memstream(&printed, &length);
    table_print_cell(out, text, width, last);
    fclose(out);
    assert_string_equal(printed, wanted);
    free(printed);
}

static void umlauts_are_one_wide(void **)
{
    assert_int_equal(table_width(slice_of("Jörg Müßig")), 10);
    assert_cell(slice_of("Jörg"), 6, false, "Jörg    ");
    assert_cell(slice_of("Joerg"), 6, false, "Joerg   ");
}

static void the_last_column_ends_the_line_without_blanks(void **) { assert_cell(slice_of("fri"), 20, true, "fri\n"); }

static void a_cut_never_halves_a_character(void **)
{
    assert_true(slice_equal(table_cut(slice_of("Männer"), 2), slice_of("Mä")));
    assert_true(slice_equal(table_cut(slice_of("Männer"), 6), slice_of("Männer")));
    assert_true(slice_equal(table_cut(slice_of("Männer"), 60), slice_of("Männer")));
    assert_true(slice_equal(table_cut(slice_of("\xff\xfe" "a"), 2), slice_of("\xff\xfe")));
}

static void nothing_from_outside_steers_the_terminal(void **)
{
    assert_cell(slice_of("a\x1b[2Jb\nc\x7f"), 9, true, "a?[2Jb?c?\n");
    assert_cell(slice_of("a\xc2\x9b" "2J\xc2\xa0\x9b"), 9, true, "a?2J\xc2\xa0?\n");
}

static void a_text_wider_than_its_column_keeps_its_distance(void **)
{
    assert_cell(slice_of("call_1"), 4, false, "call_1  ");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(umlauts_are_one_wide),
        cmocka_unit_test(the_last_column_ends_the_line_without_blanks),
        cmocka_unit_test(a_cut_never_halves_a_character),
        cmocka_unit_test(nothing_from_outside_steers_the_terminal),
        cmocka_unit_test(a_text_wider_than_its_column_keeps_its_distance),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
