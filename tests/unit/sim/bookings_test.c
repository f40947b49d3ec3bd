/* What the simulated bookings promise: what Cal.com does with the same create twice, with two at once, and with bodies that it does not like. The rows are
 * those of the table in the contract (3.4): what protects, and what does not. */
#include "worlds.h"
#include "sim/uuid5.h"

#define MONDAY_TEN "2025-10-20T08:00:00Z"

static void the_derived_key_is_cal_coms(void **)
{
    char key[37];
    booking_print_key(key, at("2026-03-10T14:00:00Z"), at("2026-03-10T14:30:00Z"), 42, 0);
    assert_string_equal(key, "d7f2fc64-dd01-5323-86c1-00a13494323b");
    assert_string_equal(uuid5_of_url(slice_of("1773151200000.1773153000000.42.77")).text, "30f503e7-f168-5993-860f-11d5bcc00ef0");
}

static void individual_the_same_again_is_told_that_the_host_is_busy(void **state)
{
    book(*state, 10, MONDAY_TEN, "a@b.example", "r");
    struct asked again = decide(*state, 10, MONDAY_TEN, "a@b.example", "r");
    assert_int_equal(again.decision, SIM_REFUSED);
    assert_int_equal(again.refusal.status, 400);
    assert_string_equal(again.refusal.message, "User either already has booking at this time or is not available");
}

static void individual_two_at_once_one_wins_and_the_key_stops_the_other(void **state)
{
    struct asked one = decide(*state, 10, MONDAY_TEN, "a@b.example", "r"), other = decide(*state, 10, MONDAY_TEN, "a@b.example", "r");
    assert_non_null(commit(*state, &one));
    assert_null(commit(*state, &other));
    assert_int_equal(other.refusal.status, 409);
    assert_string_equal(other.refusal.message, "booking_conflict_error");
}

static void two_overlapping_starts_at_once_both_become_bookings(void **state)
{
    struct asked one = decide(*state, 10, MONDAY_TEN, "a@b.example", "r"), other = decide(*state, 10, "2025-10-20T08:15:00Z", "c@d.example", "s");
    assert_non_null(commit(*state, &one));
    assert_non_null(commit(*state, &other));
}

static void round_robin_the_same_again_gets_the_first_booking_back(void **state)
{
    struct sim_booking *first = book(*state, 11, MONDAY_TEN, "a@b.example", "r1");
    struct asked again = decide(*state, 11, MONDAY_TEN, "a@b.example", "r2");
    assert_int_equal(again.decision, SIM_EARLIER);
    assert_ptr_equal(again.plan.earlier, first); /* with another reference: somebody else's, if the e-mail is shared */
}

static void round_robin_two_at_once_make_two_bookings_on_two_hosts(void **state)
{
    struct sim_world *w = *state;
    struct asked one = decide(w, 11, MONDAY_TEN, "a@b.example", "r"), other = decide(w, 11, MONDAY_TEN, "a@b.example", "r");
    other.plan.hosts[0] = world_find_user(w, 2);
    struct sim_booking *a = commit(w, &one), *b = commit(w, &other);
    assert_non_null(a);
    assert_non_null(b);
    assert_ptr_not_equal(a->hosts[0], b->hosts[0]);
}

static void round_robin_takes_turns(void **state)
{
    struct sim_booking *a = book(*state, 11, MONDAY_TEN, "a@b.example", "r"), *b = book(*state, 11, "2025-10-20T09:00:00Z", "a@b.example", "s");
    assert_ptr_not_equal(a->hosts[0], b->hosts[0]);
}

static void requires_confirmation_is_pending_without_a_key_and_gives_itself_back(void **state)
{
    struct sim_booking *first = book(*state, 13, MONDAY_TEN, "a@b.example", "r");
    assert_int_equal(first->status, SIM_PENDING);
    assert_string_equal(first->idempotency_key, "");
    assert_ptr_equal(decide(*state, 13, MONDAY_TEN, "a@b.example", "r").plan.earlier, first);
    assert_true(booking_confirm_by_host(first, true, 0));
    assert_string_equal(first->idempotency_key, ""); /* a confirmation never sets it */
}

static void two_pending_ones_of_two_people_share_a_slot(void **state)
{
    struct sim_booking *one = book(*state, 13, MONDAY_TEN, "a@b.example", "r"), *other = book(*state, 13, MONDAY_TEN, "c@d.example", "s");
    assert_true(booking_confirm_by_host(one, true, 0) && booking_confirm_by_host(other, true, 0));
}

static void collective_needs_every_host_and_takes_every_host(void **state)
{
    struct sim_booking *b = book(*state, 12, MONDAY_TEN, "a@b.example", "r");
    assert_int_equal(b->host_count, 2);
    struct asked again = decide(*state, 12, MONDAY_TEN, "a@b.example", "r");
    assert_int_equal(again.decision, SIM_REFUSED);
    assert_string_equal(again.refusal.message, "One of the hosts either already has booking at this time or is not available");
}

static void a_cancelled_booking_frees_its_time_and_its_key(void **state)
{
    struct sim_world *w = *state;
    struct sim_refusal refusal;
    struct sim_booking *b = book(w, 10, MONDAY_TEN, "a@b.example", "r");
    assert_false(booking_cancel(w, b, true, slice_absent, 0, &refusal)); /* the host must say why */
    assert_string_equal(refusal.message, "Cancellation reason is required when you are the host");
    assert_true(booking_cancel(w, b, true, slice_of("ill"), 0, &refusal));
    assert_false(booking_cancel(w, b, true, slice_of("ill"), 0, &refusal));
    assert_int_equal(refusal.status, 400);
    book(w, 10, MONDAY_TEN, "a@b.example", "s");
}

static void past_and_too_soon_are_told_apart(void **state)
{
    assert_string_equal(decide(*state, 10, "2025-10-20T05:00:00Z", "a@b.example", "r").refusal.message, "Attempting to book a meeting in the past.");
    struct asked soon = decide_body(*state, "{\"start\":\"2025-10-20T08:00:00Z\",\"eventTypeId\":10,\"attendee\":{\"name\":\"N\",\"email\":\"a@b.example\",\"timeZone\":\"UTC\"}}",
                                    "2025-10-20T07:46:00Z");
    assert_true(slice_starts_with(slice_from_text(soon.refusal.message), slice_of("The event type can't be booked at the \"start\" time provided. This could be because it's too soon")));
}

static void a_start_off_the_grid_is_accepted(void **state) { book(*state, 10, "2025-10-20T08:07:00Z", "a@b.example", "r"); }

static void outside_of_the_schedule_nobody_is_available(void **state)
{
    assert_int_equal(decide(*state, 10, "2025-10-20T15:00:00Z", "a@b.example", "r").decision, SIM_REFUSED);
    assert_int_equal(decide(*state, 10, "2025-10-25T08:00:00Z", "a@b.example", "r").decision, SIM_REFUSED);
}

static void unknown_fields_are_refused_with_one_flat_text(void **state)
{
    struct asked a = decide_body(*state, "{\"start\":\"2025-10-20T08:00:00Z\",\"eventTypeId\":10,\"idempotencyKey\":\"x\",\"attendee\":{\"name\":\"N\",\"email\":\"a@b.example\","
                                         "\"timeZone\":\"UTC\",\"age\":3}}", "2025-10-20T06:00:00Z");
    assert_false(a.read);
    assert_string_equal(a.refusal.message, "idempotencyKey property is wrong,property idempotencyKey should not exist , age property is wrong,property age should not exist ");
    assert_int_equal(a.refusal.shape, SIM_SHAPE_EXCEPTION);
}

static void instant_false_is_refused_too(void **state)
{
    struct asked a = decide_body(*state, "{\"start\":\"2025-10-20T08:00:00Z\",\"eventTypeId\":10,\"instant\":false,\"attendee\":{\"name\":\"N\",\"email\":\"a@b.example\",\"timeZone\":\"UTC\"}}",
                                 "2025-10-20T06:00:00Z");
    assert_false(a.read);
}

static void a_start_without_a_zone_is_utc(void **state)
{
    struct asked a = decide_body(*state, "{\"start\":\"2025-10-20T08:00:00\",\"eventTypeId\":10,\"attendee\":{\"name\":\"N\",\"email\":\"a@b.example\",\"timeZone\":\"Europe/Berlin\"}}",
                                 "2025-10-20T06:00:00Z");
    assert_true(a.read && a.create.starts_at_us == at("2025-10-20T08:00:00Z"));
}

static void a_telephone_number_alone_becomes_an_address(void **state)
{
    struct asked a = decide_body(*state, "{\"start\":\"2025-10-20T08:00:00Z\",\"eventTypeId\":10,\"attendee\":{\"name\":\"N\",\"phoneNumber\":\"+491713920001\",\"timeZone\":\"UTC\"}}",
                                 "2025-10-20T06:00:00Z");
    assert_true(a.read && slice_equal(commit(*state, &a)->attendee_email, slice_of("491713920001@sms.cal.com")));
    a = decide_body(*state, "{\"start\":\"2025-10-20T08:00:00Z\",\"eventTypeId\":10,\"attendee\":{\"name\":\"N\",\"timeZone\":\"UTC\"}}", "2025-10-20T06:00:00Z");
    assert_false(a.read);
    a = decide_body(*state, "{\"start\":\"2025-10-20T08:00:00Z\",\"eventTypeId\":10,\"attendee\":{\"name\":\"N\",\"phoneNumber\":\"0171 3920001\",\"timeZone\":\"UTC\"}}", "2025-10-20T06:00:00Z");
    assert_false(a.read);
}

static void one_value_that_is_no_text_empties_all_metadata(void **state)
{
    struct asked a = decide_body(*state, "{\"start\":\"2025-10-20T08:00:00Z\",\"eventTypeId\":10,\"attendee\":{\"name\":\"N\",\"email\":\"a@b.example\",\"timeZone\":\"UTC\"},"
                                         "\"metadata\":{\"engineRef\":\"r\",\"attempt\":1}}", "2025-10-20T06:00:00Z");
    struct sim_booking *b = commit(*state, &a);
    assert_true(slice_equal(b->metadata, slice_of("{}")));
    assert_true(slice_is_absent(b->engine_reference));
}

static void metadata_over_its_limits_is_refused(void **state)
{
    char body[1024];
    snprintf(body, sizeof body,
             "{\"start\":\"2025-10-20T08:00:00Z\",\"eventTypeId\":10,\"attendee\":{\"name\":\"N\",\"email\":\"a@b.example\",\"timeZone\":\"UTC\"},\"metadata\":{\"%041d\":\"x\"}}", 0);
    assert_false(decide_body(*state, body, "2025-10-20T06:00:00Z").read);
    snprintf(body, sizeof body,
             "{\"start\":\"2025-10-20T08:00:00Z\",\"eventTypeId\":10,\"attendee\":{\"name\":\"N\",\"email\":\"a@b.example\",\"timeZone\":\"UTC\"},\"metadata\":{\"k\":\"%0501d\"}}", 0);
    assert_false(decide_body(*state, body, "2025-10-20T06:00:00Z").read);
}

static void parents_and_strangers_are_refused(void **state)
{
    assert_int_equal(decide(*state, 16, MONDAY_TEN, "a@b.example", "r").refusal.status, 400);
    assert_int_equal(decide(*state, 999, MONDAY_TEN, "a@b.example", "r").refusal.status, 404);
    struct asked a = decide(*state, 17, MONDAY_TEN, "a@b.example", "r");
    assert_int_equal(booking_decide(*state, &a.create, false, at("2025-10-20T06:00:00Z"), &a.plan, &a.refusal), SIM_REFUSED);
    assert_int_equal(a.refusal.status, 401);
}

static void the_same_seed_gives_the_same_uids(void **state)
{
    struct sim_world *w = *state;
    char first[23];
    memcpy(first, book(w, 10, MONDAY_TEN, "a@b.example", "r")->uid, sizeof first);
    world_reset(w);
    assert_int_equal(w->booking_count, 0);
    assert_string_equal(book(w, 10, MONDAY_TEN, "a@b.example", "r")->uid, first);
}

#define in_a_world(test) cmocka_unit_test_setup_teardown(test, open_world, close_world)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_derived_key_is_cal_coms),
        in_a_world(individual_the_same_again_is_told_that_the_host_is_busy),
        in_a_world(individual_two_at_once_one_wins_and_the_key_stops_the_other),
        in_a_world(two_overlapping_starts_at_once_both_become_bookings),
        in_a_world(round_robin_the_same_again_gets_the_first_booking_back),
        in_a_world(round_robin_two_at_once_make_two_bookings_on_two_hosts),
        in_a_world(round_robin_takes_turns),
        in_a_world(requires_confirmation_is_pending_without_a_key_and_gives_itself_back),
        in_a_world(two_pending_ones_of_two_people_share_a_slot),
        in_a_world(collective_needs_every_host_and_takes_every_host),
        in_a_world(a_cancelled_booking_frees_its_time_and_its_key),
        in_a_world(past_and_too_soon_are_told_apart),
        in_a_world(a_start_off_the_grid_is_accepted),
        in_a_world(outside_of_the_schedule_nobody_is_available),
        in_a_world(unknown_fields_are_refused_with_one_flat_text),
        in_a_world(instant_false_is_refused_too),
        in_a_world(a_start_without_a_zone_is_utc),
        in_a_world(a_telephone_number_alone_becomes_an_address),
        in_a_world(one_value_that_is_no_text_empties_all_metadata),
        in_a_world(metadata_over_its_limits_is_refused),
        in_a_world(parents_and_strangers_are_refused),
        in_a_world(the_same_seed_gives_the_same_uids),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
