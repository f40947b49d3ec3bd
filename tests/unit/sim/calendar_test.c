/* What the simulated slots promise: schedules in their zones through both changes of the clock, buffers, notice, holds, and the kinds of events. */
#include "worlds.h"

static int64_t slots[1024];

static uint32_t slots_between(struct sim_world *w, int type, const char *from, const char *until, const char *now)
{
    return event_type_slots(w, world_find_event_type(w, type), (struct sim_stretch){ at(from), at(until) }, at(now), nullptr, slots, 1024);
}

static bool offers(uint32_t count, const char *start)
{
    for (uint32_t i = 0; i < count; i++)
        if (slots[i] == at(start)) return true;
    return false;
}

static void a_working_day_is_cut_into_slots_of_the_users_zone(void **state)
{
    uint32_t count = slots_between(*state, 10, "2025-10-20T22:00:00Z", "2025-10-21T22:00:00Z", "2025-10-20T06:00:00Z");
    assert_int_equal(count, 16);
    assert_true(slots[0] == at("2025-10-21T07:00:00Z")); /* 09:00 in summer time */
    assert_true(slots[15] == at("2025-10-21T14:30:00Z"));
}

static void the_same_wall_time_is_another_instant_after_the_clock_went_back(void **state)
{
    uint32_t before = slots_between(*state, 10, "2025-10-24T00:00:00Z", "2025-10-25T00:00:00Z", "2025-10-20T06:00:00Z");
    assert_true(before == 16 && slots[0] == at("2025-10-24T07:00:00Z"));
    uint32_t after = slots_between(*state, 10, "2025-10-27T00:00:00Z", "2025-10-28T00:00:00Z", "2025-10-20T06:00:00Z");
    assert_true(after == 16 && slots[0] == at("2025-10-27T08:00:00Z"));
}

static void the_night_of_the_long_hour_has_seven_hours_between_midnight_and_six(void **state)
{
    assert_int_equal(slots_between(*state, 15, "2025-10-25T12:00:00Z", "2025-10-26T12:00:00Z", "2025-10-20T06:00:00Z"), 7);
}

static void the_night_of_the_missing_hour_has_five(void **state)
{
    assert_int_equal(slots_between(*state, 15, "2026-03-28T12:00:00Z", "2026-03-29T12:00:00Z", "2026-03-20T06:00:00Z"), 5);
}

static void notice_hides_what_is_too_near_and_shows_what_is_exactly_on_the_limit(void **state)
{
    uint32_t count = slots_between(*state, 10, "2025-10-21T00:00:00Z", "2025-10-22T00:00:00Z", "2025-10-21T11:45:00Z");
    assert_true(offers(count, "2025-10-21T12:00:00Z"));
    count = slots_between(*state, 10, "2025-10-21T00:00:00Z", "2025-10-22T00:00:00Z", "2025-10-21T11:45:01Z");
    assert_false(offers(count, "2025-10-21T12:00:00Z"));
}

static void buffers_on_both_sides_keep_their_distance(void **state)
{
    struct sim_world *w = *state;
    book(w, 14, "2025-10-21T10:00:00Z", "a@b.example", "r"); /* 10:00-11:00, held 09:50-11:20 */
    uint32_t count = slots_between(w, 10, "2025-10-21T00:00:00Z", "2025-10-22T00:00:00Z", "2025-10-20T06:00:00Z");
    assert_true(offers(count, "2025-10-21T09:00:00Z"));
    assert_false(offers(count, "2025-10-21T09:30:00Z")); /* would end at 10:00, in the buffer before */
    assert_false(offers(count, "2025-10-21T11:00:00Z"));
    assert_true(offers(count, "2025-10-21T11:30:00Z"));
    count = slots_between(w, 14, "2025-10-21T00:00:00Z", "2025-10-22T00:00:00Z", "2025-10-20T06:00:00Z");
    assert_true(offers(count, "2025-10-21T08:30:00Z"));  /* held 08:20-09:50 */
    assert_false(offers(count, "2025-10-21T11:00:00Z"));
    assert_true(offers(count, "2025-10-21T11:30:00Z"));  /* held from 11:20 */
}

static void busy_time_of_another_calendar_takes_its_slots(void **state)
{
    struct sim_world *w = *state;
    world_find_user(w, 1)->busy[0] = (struct sim_stretch){ at("2025-10-21T07:15:00Z"), at("2025-10-21T08:00:00Z") };
    world_find_user(w, 1)->busy_count = 1;
    uint32_t count = slots_between(w, 10, "2025-10-21T00:00:00Z", "2025-10-22T00:00:00Z", "2025-10-20T06:00:00Z");
    assert_true(count == 14 && slots[0] == at("2025-10-21T08:00:00Z"));
}

static void a_hold_hides_its_slot_of_that_type_alone_until_it_expires(void **state)
{
    struct sim_world *w = *state;
    *world_add_reservation(w, 0) = (struct sim_reservation){ .type = world_find_event_type(w, 10), .starts_at_us = at("2025-10-21T07:00:00Z"), .ends_at_us = at("2025-10-21T07:30:00Z"),
                                                             .until_us = at("2025-10-20T06:05:00Z"), .live = true };
    assert_false(offers(slots_between(w, 10, "2025-10-21T00:00:00Z", "2025-10-22T00:00:00Z", "2025-10-20T06:00:00Z"), "2025-10-21T07:00:00Z"));
    assert_true(offers(slots_between(w, 13, "2025-10-21T00:00:00Z", "2025-10-22T00:00:00Z", "2025-10-20T06:00:00Z"), "2025-10-21T07:00:00Z"));
    assert_true(offers(slots_between(w, 10, "2025-10-21T00:00:00Z", "2025-10-22T00:00:00Z", "2025-10-20T06:05:00Z"), "2025-10-21T07:00:00Z"));
}

static void round_robin_needs_one_free_host_and_a_collective_all(void **state)
{
    struct sim_world *w = *state;
    book(w, 10, "2025-10-21T07:00:00Z", "a@b.example", "r");
    assert_true(offers(slots_between(w, 11, "2025-10-21T00:00:00Z", "2025-10-22T00:00:00Z", "2025-10-20T06:00:00Z"), "2025-10-21T07:00:00Z"));
    assert_false(offers(slots_between(w, 12, "2025-10-21T00:00:00Z", "2025-10-22T00:00:00Z", "2025-10-20T06:00:00Z"), "2025-10-21T07:00:00Z"));
}

static void an_override_replaces_the_hours_of_its_day(void **state)
{
    struct sim_world *w = *state;
    struct sim_user *ada = world_find_user(w, 1);
    ada->overrides[0] = (struct sim_override){ .date = { .year = 2025, .month = 10, .day = 21 }, .start_minute = 600, .end_minute = 660 };
    ada->overrides[1] = (struct sim_override){ .date = { .year = 2025, .month = 10, .day = 22 } };
    ada->override_count = 2;
    assert_int_equal(slots_between(w, 10, "2025-10-21T00:00:00Z", "2025-10-23T00:00:00Z", "2025-10-20T06:00:00Z"), 2);
    assert_true(slots[0] == at("2025-10-21T08:00:00Z"));
}

#define in_a_world(test) cmocka_unit_test_setup_teardown(test, open_world, close_world)

int main(void)
{
    const struct CMUnitTest tests[] = {
        in_a_world(a_working_day_is_cut_into_slots_of_the_users_zone),
        in_a_world(the_same_wall_time_is_another_instant_after_the_clock_went_back),
        in_a_world(the_night_of_the_long_hour_has_seven_hours_between_midnight_and_six),
        in_a_world(the_night_of_the_missing_hour_has_five),
        in_a_world(notice_hides_what_is_too_near_and_shows_what_is_exactly_on_the_limit),
        in_a_world(buffers_on_both_sides_keep_their_distance),
        in_a_world(busy_time_of_another_calendar_takes_its_slots),
        in_a_world(a_hold_hides_its_slot_of_that_type_alone_until_it_expires),
        in_a_world(round_robin_needs_one_free_host_and_a_collective_all),
        in_a_world(an_override_replaces_the_hours_of_its_day),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
