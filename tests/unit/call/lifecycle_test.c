/* What the life of a call promises: webhooks in any order and any number leave it in the same state, and every pair of state and happening is decided. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "call/call.h"

enum { STATES = CALL_OVER + 1, HAPPENINGS = CALL_TIME_IS_UP + 1 };

static enum call_state after(const enum call_happening *happenings, size_t count)
{
    enum call_state s = CALL_NEW;
    for (size_t n = 0; n < count; n++) s = call_next_state(s, happenings[n]);
    return s;
}

static void every_state_has_an_answer_to_everything(void **)
{
    for (int s = 0; s < STATES; s++)
        for (int h = 0; h < HAPPENINGS; h++) assert_true(call_next_state((enum call_state)s, (enum call_happening)h) < STATES);
}

static void nothing_becomes_new_again(void **)
{
    for (int s = 0; s < STATES; s++)
        for (int h = 0; h < HAPPENINGS; h++) assert_int_not_equal(call_next_state((enum call_state)s, (enum call_happening)h), CALL_NEW);
}

/* Started, ended and analyzed, each twice, one of something else: in every order. */
static void try_orders(enum call_happening *left, size_t count, enum call_happening *order, size_t chosen)
{
    if (count == 0) {
        assert_int_equal(after(order, chosen), CALL_COMPLETE);
        return;
    }
    for (size_t n = 0; n < count; n++) {
        enum call_happening next = left[n];
        order[chosen] = next;
        left[n] = left[count - 1];
        try_orders(left, count - 1, order, chosen + 1);
        left[n] = next;
    }
}

static void every_order_of_all_webhooks_ends_complete(void **)
{
    enum call_happening all[] = { CALL_IT_STARTED, CALL_IT_STARTED, CALL_IT_ENDED, CALL_IT_ENDED, CALL_IT_WAS_ANALYZED, CALL_IT_WAS_ANALYZED, CALL_SOMETHING_ELSE }, order[7];
    try_orders(all, 7, order, 0);
}

static void a_repetition_changes_nothing(void **)
{
    for (int s = 0; s < STATES; s++)
        for (enum call_happening h = CALL_IT_STARTED; h <= CALL_SOMETHING_ELSE; h++) {
            enum call_state once = call_next_state((enum call_state)s, h);
            assert_int_equal(call_next_state(once, h), once);
        }
}

static void an_end_is_not_forgotten_by_what_comes_late(void **)
{
    for (enum call_state s = CALL_ENDED; s <= CALL_COMPLETE; s++) {
        assert_int_equal(call_next_state(s, CALL_IT_STARTED), s);
        assert_int_equal(call_next_state(s, CALL_SOMETHING_ELSE), s);
    }
}

static void silence_ends_every_life(void **)
{
    for (int s = 0; s < STATES; s++) {
        enum call_state now = (enum call_state)s;
        for (int n = 0; n < 3; n++) now = call_next_state(now, CALL_TIME_IS_UP);
        assert_int_equal(now, CALL_OVER);
    }
}

static void only_a_call_whose_end_did_not_come_is_lost(void **)
{
    for (int s = 0; s < STATES; s++) {
        bool lost = call_next_state((enum call_state)s, CALL_TIME_IS_UP) == CALL_LOST;
        assert_int_equal(lost, s == CALL_ONGOING || s == CALL_ANALYZED);
    }
}

static void a_lost_call_takes_its_late_end(void **)
{
    assert_int_equal(call_next_state(CALL_LOST, CALL_IT_ENDED), CALL_ENDED);
    assert_int_equal(call_next_state(CALL_LOST, CALL_IT_WAS_ANALYZED), CALL_ANALYZED);
}

static void every_state_has_a_name_of_its_own(void **)
{
    for (int a = 0; a < STATES; a++)
        for (int b = 0; b < a; b++) assert_string_not_equal(call_state_name((enum call_state)a), call_state_name((enum call_state)b));
}

static void workspaces_do_not_share_calls(void **)
{
    struct hash128 one = call_key(1, slice_of("call_a")), same = call_key(1, slice_of("call_a"));
    assert_true(hash128_equal(one, same));
    assert_false(hash128_equal(one, call_key(2, slice_of("call_a"))));
    assert_false(hash128_equal(one, call_key(1, slice_of("call_b"))));
}

static void the_key_of_a_call_is_the_same_in_every_run(void **)
{
    struct hash128 key = call_key(4, slice_of("call_0a1b2c"));
    assert_true(key.high == 0x38f7e7a93d916206 && key.low == 0x5250fef1e2749c67); /* stands in journals */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_state_has_an_answer_to_everything),
        cmocka_unit_test(nothing_becomes_new_again),
        cmocka_unit_test(every_order_of_all_webhooks_ends_complete),
        cmocka_unit_test(a_repetition_changes_nothing),
        cmocka_unit_test(an_end_is_not_forgotten_by_what_comes_late),
        cmocka_unit_test(silence_ends_every_life),
        cmocka_unit_test(only_a_call_whose_end_did_not_come_is_lost),
        cmocka_unit_test(a_lost_call_takes_its_late_end),
        cmocka_unit_test(every_state_has_a_name_of_its_own),
        cmocka_unit_test(workspaces_do_not_share_calls),
        cmocka_unit_test(the_key_of_a_call_is_the_same_in_every_run),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
