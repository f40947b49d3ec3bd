/* A server's Date is believed in its one lawful form, and in no other. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "ops/clock_check.h"

static void reads_the_form_that_servers_send(void **)
{
    int64_t at_s = 0;
    assert_true(http_date_parse(slice_of("Mon, 20 Oct 2025 08:00:05 GMT"), &at_s));
    assert_int_equal(at_s, 1'760'947'205);
}

static void takes_nothing_else_for_a_date(void **)
{
    int64_t at_s = 7;
    const struct slice others[] = { slice_absent, slice_of(""), slice_of("yesterday"), slice_of("Mon, 20 Oct 2025 08:00:05 +0200"), slice_of("Mon, 20 Oct 2025 08:00:05 GMT, then"),
                                    slice_of("2025-10-20T08:00:05Z"), slice_of("Mon, 20 Oct 2025 08:00:05 GMT                                        ") };
    for (size_t n = 0; n < sizeof others / sizeof *others; n++) assert_false(http_date_parse(others[n], &at_s));
    assert_int_equal(at_s, 7);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(reads_the_form_that_servers_send), cmocka_unit_test(takes_nothing_else_for_a_date) };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
