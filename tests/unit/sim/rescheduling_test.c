/* What becomes of a booking after it was made (S12 to S16, S21): it moves, recurs, changes hands, is decided. As Cal.com does it, traps included. */
#include "worlds.h"

#define MONDAY_TEN   "2025-10-20T08:00:00Z"
#define MONDAY_NOON  "2025-10-20T10:00:00Z"
#define NOW          "2025-10-20T06:00:00Z"

static struct sim_booking *move_to(struct sim_world *w, struct sim_booking *b, const char *start, const char *by, struct sim_refusal *refusal)
{
    const struct sim_move move = { .starts_at_us = at(start), .reason = slice_of("later"), .by = by ? slice_from_text(by) : slice_absent };
    return booking_reschedule(w, b, &move, at(NOW), refusal);
}

static void a_moved_booking_is_a_new_one_and_each_names_the_other(void **state)
{
    struct sim_refusal refusal;
    struct sim_booking *old = book(*state, 10, MONDAY_TEN, "a@b.example", "r"), *b = move_to(*state, old, MONDAY_NOON, nullptr, &refusal);
    assert_non_null(b);
    assert_true(old->status == SIM_CANCELLED && old->rescheduled_to == b && old->idempotency_key[0] == 0);
    assert_true(b->status == SIM_ACCEPTED && b->rescheduled_from == old && b->idempotency_key[0] != 0);
    assert_string_not_equal(b->uid, old->uid);
    assert_true(slice_equal(b->engine_reference, slice_of("r")) && slice_equal(b->metadata, old->metadata) && slice_equal(b->rescheduling_reason, slice_of("later")));
    assert_true(b->engine_reference.start != old->engine_reference.start);
    assert_true(b->ends_at_us - b->starts_at_us == old->ends_at_us - old->starts_at_us);
}

static void moving_again_on_the_old_uid_is_told_where_it_went(void **state)
{
    struct sim_refusal refusal;
    struct sim_booking *old = book(*state, 10, MONDAY_TEN, "a@b.example", "r"), *b = move_to(*state, old, MONDAY_NOON, nullptr, &refusal);
    assert_null(move_to(*state, old, MONDAY_NOON, nullptr, &refusal));
    assert_int_equal(refusal.status, 400);
    assert_true(slice_starts_with(slice_from_text(refusal.message), slice_of("Can't reschedule booking with uid=")));
    assert_non_null(strstr(refusal.message, "cancelled and rescheduled already to booking with uid="));
    assert_non_null(strstr(refusal.message, b->uid));
}

static void a_move_that_is_refused_changes_nothing(void **state)
{
    struct sim_refusal refusal;
    struct sim_world *w = *state;
    struct sim_booking *b = book(w, 10, MONDAY_TEN, "a@b.example", "r");
    book(w, 10, MONDAY_NOON, "c@d.example", "s");
    char key[37];
    memcpy(key, b->idempotency_key, sizeof key);
    assert_null(move_to(w, b, MONDAY_NOON, nullptr, &refusal));
    assert_string_equal(refusal.message, "User either already has booking at this time or is not available");
    assert_true(b->status == SIM_ACCEPTED && !b->rescheduled_to && w->booking_count == 2);
    assert_string_equal(b->idempotency_key, key);
    assert_non_null(move_to(w, b, "2025-10-20T08:15:00Z", nullptr, &refusal)); /* its own time is not in its way */
}

static void what_needs_confirmation_needs_it_again_unless_its_owner_moves_it(void **state)
{
    struct sim_refusal refusal;
    struct sim_booking *b = book(*state, 13, MONDAY_TEN, "a@b.example", "r");
    assert_true(booking_confirm_by_host(b, true, at(NOW)));
    b = move_to(*state, b, MONDAY_NOON, "a@b.example", &refusal);
    assert_int_equal(b->status, SIM_PENDING);
    b = move_to(*state, b, "2025-10-20T11:00:00Z", "user-1@calcom.example", &refusal);
    assert_int_equal(b->status, SIM_ACCEPTED);
}

static void a_host_moves_without_any_check(void **state)
{
    struct sim_refusal refusal;
    struct sim_booking *b = book(*state, 10, MONDAY_TEN, "a@b.example", "r");
    const struct sim_move move = { .starts_at_us = at("2025-10-26T02:00:00Z"), .unchecked = true };
    b = booking_reschedule(*state, b, &move, at(NOW), &refusal);
    assert_true(b && b->status == SIM_ACCEPTED && b->starts_at_us == move.starts_at_us);
}

static void a_reassigned_booking_has_another_host_and_another_key(void **state)
{
    struct sim_booking *b = book(*state, 10, MONDAY_TEN, "a@b.example", "r");
    char key[37];
    assert_true(booking_reassign_by_host(b, world_find_user(*state, 2), at(NOW)));
    booking_print_key(key, b->starts_at_us, b->ends_at_us, 2, 1);
    assert_string_equal(b->idempotency_key, key);
    assert_int_equal(b->hosts[0]->id, 2);
    booking_cancel_by_host(*state, b, slice_of("no"), at(NOW));
    assert_false(booking_reassign_by_host(b, world_find_user(*state, 1), at(NOW)));
}

static void two_pending_ones_on_one_slot_can_both_be_confirmed(void **state)
{
    struct sim_booking *one = book(*state, 13, MONDAY_TEN, "a@b.example", "r"), *other = book(*state, 13, MONDAY_TEN, "c@d.example", "s");
    assert_true(booking_confirm_by_host(one, true, at(NOW)) && booking_confirm_by_host(other, true, at(NOW)));
    assert_true(one->status == SIM_ACCEPTED && other->status == SIM_ACCEPTED && one->hosts[0] == other->hosts[0]);
    assert_true(one->idempotency_key[0] == 0 && other->idempotency_key[0] == 0);
    assert_false(booking_confirm_by_host(one, false, at(NOW)));
}

static void who_always_attends_organizes_and_the_others_take_turns(void **state)
{
    struct sim_booking *one = book(*state, 18, MONDAY_TEN, "a@b.example", "r"), *other = book(*state, 18, MONDAY_NOON, "a@b.example", "s");
    assert_true(one->host_count == 2 && one->hosts[0]->id == 1 && one->hosts[1]->id == 2);
    assert_true(other->host_count == 2 && other->hosts[0]->id == 1 && other->hosts[1]->id == 2); /* the third works on Sundays */
}

static void slots_of_such_a_type_need_everyone_who_always_attends_and_one_more(void **state)
{
    struct sim_world *w = *state;
    static int64_t starts_us[64];
    struct sim_stretch morning = { at("2025-10-20T07:00:00Z"), at("2025-10-20T09:00:00Z") };
    assert_int_equal(event_type_slots(w, world_find_event_type(w, 18), morning, at(NOW), nullptr, starts_us, 64), 4);
    book(w, 10, "2025-10-20T07:30:00Z", "a@b.example", "r");
    world_find_user(w, 2)->busy[world_find_user(w, 2)->busy_count++] = (struct sim_stretch){ at("2025-10-20T08:00:00Z"), at("2025-10-20T08:30:00Z") };
    assert_int_equal(event_type_slots(w, world_find_event_type(w, 18), morning, at(NOW), nullptr, starts_us, 64), 2);
    assert_true(starts_us[0] == at("2025-10-20T07:00:00Z") && starts_us[1] == at("2025-10-20T08:30:00Z"));
}

/* -- series -- */

static struct sim_series book_series(struct sim_world *w, uint32_t count, struct sim_refusal *refusal)
{
    struct asked a = decide(w, 19, MONDAY_TEN, "a@b.example", "r");
    assert_true(a.read && a.decision == SIM_MAY_COMMIT && a.create.occurrences == 4);
    return booking_commit_series(w, &a.create, &a.plan, count, at(NOW), refusal);
}

static void a_series_is_a_booking_a_week_under_one_uid(void **state)
{
    struct sim_refusal refusal;
    struct sim_series s = book_series(*state, 4, &refusal);
    assert_int_equal(s.count, 4);
    /* at ten in Berlin, whose clocks change on the 26th */
    static const char *const starts[] = { MONDAY_TEN, "2025-10-27T09:00:00Z", "2025-11-03T09:00:00Z", "2025-11-10T09:00:00Z" };
    for (uint32_t i = 0; i < 4; i++) {
        assert_string_equal(s.first[i].recurring_uid, s.first->recurring_uid);
        assert_true(s.first[i].starts_at_us == at(starts[i]));
    }
}

static void only_the_first_two_of_a_series_are_looked_at(void **state)
{
    book(*state, 10, "2025-11-03T09:00:00Z", "c@d.example", "s"); /* in the third one's way */
    assert_int_equal(decide(*state, 19, MONDAY_TEN, "a@b.example", "r").decision, SIM_MAY_COMMIT);
    book(*state, 10, "2025-10-27T09:00:00Z", "c@d.example", "t");
    assert_int_equal(decide(*state, 19, MONDAY_TEN, "a@b.example", "r").decision, SIM_REFUSED);
}

static void a_series_that_meets_the_key_of_another_booking_is_partial(void **state)
{
    struct sim_refusal refusal;
    book(*state, 10, "2025-11-03T09:00:00Z", "c@d.example", "s");
    struct sim_series s = book_series(*state, 4, &refusal);
    assert_int_equal(s.count, 2);
    assert_int_equal(refusal.status, 409);
    assert_true(s.first[0].status == SIM_ACCEPTED && s.first[1].status == SIM_ACCEPTED);
}

static void cancelling_a_series_spares_what_is_over(void **state)
{
    struct sim_refusal refusal;
    struct sim_series s = book_series(*state, 4, &refusal);
    for (int n = 1; n < 4; n++)
        assert_ptr_equal(booking_cancel_one_of_series(*state, slice_from_text(s.first->recurring_uid), s.first[1].starts_at_us, slice_of("no more"), at(NOW)), &s.first[n]);
    assert_true(s.first[0].status == SIM_ACCEPTED && s.first[1].status == SIM_CANCELLED && s.first[3].status == SIM_CANCELLED);
    assert_null(booking_cancel_one_of_series(*state, slice_from_text(s.first->recurring_uid), s.first[1].starts_at_us, slice_of("no more"), at(NOW)));
}

static void a_count_is_for_types_that_recur_and_within_theirs(void **state)
{
#define ASKING(type, count) "{\"start\":\"" MONDAY_TEN "\",\"eventTypeId\":" type ",\"recurrenceCount\":" count ",\"attendee\":{\"name\":\"N\",\"email\":\"a@b.example\",\"timeZone\":\"UTC\"}}"
    assert_int_equal(decide_body(*state, ASKING("19", "2"), NOW).create.occurrences, 2);
    assert_false(decide_body(*state, ASKING("19", "5"), NOW).read);
    assert_false(decide_body(*state, ASKING("10", "1"), NOW).read);
}

/* -- for checkers -- */

static void every_booking_is_walked_in_the_order_in_which_it_came(void **state)
{
    struct sim_world *w = *state;
    assert_null(world_next_booking(w, nullptr));
    const struct sim_booking *one = book(w, 10, MONDAY_TEN, "a@b.example", "r"), *other = book(w, 10, MONDAY_NOON, "c@d.example", "s");
    assert_ptr_equal(world_next_booking(w, nullptr), one);
    assert_ptr_equal(world_next_booking(w, one), other);
    assert_null(world_next_booking(w, other));
}

#define in_a_world(test) cmocka_unit_test_setup_teardown(test, open_world, close_world)

int main(void)
{
    const struct CMUnitTest tests[] = {
        in_a_world(a_moved_booking_is_a_new_one_and_each_names_the_other),
        in_a_world(moving_again_on_the_old_uid_is_told_where_it_went),
        in_a_world(a_move_that_is_refused_changes_nothing),
        in_a_world(what_needs_confirmation_needs_it_again_unless_its_owner_moves_it),
        in_a_world(a_host_moves_without_any_check),
        in_a_world(a_reassigned_booking_has_another_host_and_another_key),
        in_a_world(two_pending_ones_on_one_slot_can_both_be_confirmed),
        in_a_world(who_always_attends_organizes_and_the_others_take_turns),
        in_a_world(slots_of_such_a_type_need_everyone_who_always_attends_and_one_more),
        in_a_world(a_series_is_a_booking_a_week_under_one_uid),
        in_a_world(only_the_first_two_of_a_series_are_looked_at),
        in_a_world(a_series_that_meets_the_key_of_another_booking_is_partial),
        in_a_world(cancelling_a_series_spares_what_is_over),
        in_a_world(a_count_is_for_types_that_recur_and_within_theirs),
        in_a_world(every_booking_is_walked_in_the_order_in_which_it_came),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
