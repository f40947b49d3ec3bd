/* What an operator's words on a command line mean. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "ops/command_line.h"

static void a_flag_is_taken_wherever_it_stands(void **)
{
    char list[] = "list", json[] = "--json", id[] = "17", *arguments[] = { list, json, id };
    int count = 3;
    assert_true(take_flag(&count, arguments, "--json"));
    assert_int_equal(count, 2);
    assert_string_equal(arguments[0], "list");
    assert_string_equal(arguments[1], "17");
    assert_false(take_flag(&count, arguments, "--json"));
    assert_int_equal(count, 2);
}

static void a_value_is_taken_with_its_flag(void **)
{
    char recent[] = "recent", limit_flag[] = "--limit", five[] = "5", company_flag[] = "--company", fri[] = "fri";
    char *arguments[] = { recent, limit_flag, five, company_flag, fri };
    int count = 5;
    const char *limit = "20", *company = nullptr, *kind = "all";
    assert_true(take_value(&count, arguments, "--limit", &limit));
    assert_true(take_value(&count, arguments, "--company", &company));
    assert_true(take_value(&count, arguments, "--kind", &kind));
    assert_string_equal(limit, "5");
    assert_string_equal(company, "fri");
    assert_string_equal(kind, "all"); /* not given: as it was */
    assert_int_equal(count, 1);
    assert_string_equal(arguments[0], "recent");
}

static void a_flag_without_its_value_is_a_mistake_and_takes_nothing(void **)
{
    char recent[] = "recent", limit_flag[] = "--limit", *arguments[] = { recent, limit_flag };
    int count = 2;
    const char *limit = "20";
    assert_false(take_value(&count, arguments, "--limit", &limit));
    assert_string_equal(limit, "20");
    assert_int_equal(count, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_flag_is_taken_wherever_it_stands),
        cmocka_unit_test(a_value_is_taken_with_its_flag),
        cmocka_unit_test(a_flag_without_its_value_is_a_mistake_and_takes_nothing),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
