/* What the five letters are taken for. A wrong line here books twice or gives up too early, so each class has a case. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "db/sqlstate.h"

static void expect(const char *sqlstate, enum db_outcome outcome, bool renew)
{
    struct sqlstate_meaning m = sqlstate_meaning(sqlstate);
    assert_int_equal(m.outcome, outcome);
    assert_int_equal(m.renew_connection, renew);
}

static void unique_and_exclusion_are_conflicts_and_other_constraints_are_ours(void **)
{
    expect("23505", DB_CONFLICT, false);
    expect("23P01", DB_CONFLICT, false);
    expect("23503", DB_REJECTED, false);
    expect("23514", DB_REJECTED, false);
    expect("42501", DB_REJECTED, false);
}

static void what_passes_by_itself_is_tried_again(void **)
{
    expect("40001", DB_TRY_AGAIN, false);
    expect("40P01", DB_TRY_AGAIN, false);
    expect("55P03", DB_TRY_AGAIN, false);
    expect("57014", DB_TRY_AGAIN, false);
    expect("53100", DB_TRY_AGAIN, false);
}

static void a_session_that_ends_leaves_the_outcome_open(void **)
{
    expect("57P01", DB_UNAVAILABLE, true);
    expect("57P03", DB_UNAVAILABLE, true);
    expect("08006", DB_UNAVAILABLE, true);
    expect("25006", DB_UNAVAILABLE, true); /* became a standby under us */
    expect(nullptr, DB_UNAVAILABLE, true);
}

static void stale_statements_are_prepared_anew(void **)
{
    expect("26000", DB_TRY_AGAIN, true);
    expect("0A000", DB_TRY_AGAIN, true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(unique_and_exclusion_are_conflicts_and_other_constraints_are_ours),
        cmocka_unit_test(what_passes_by_itself_is_tried_again),
        cmocka_unit_test(a_session_that_ends_leaves_the_outcome_open),
        cmocka_unit_test(stale_statements_are_prepared_anew),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
