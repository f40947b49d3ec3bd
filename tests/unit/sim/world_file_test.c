/* What reading a world promises: every mistake is named by its path, and nothing is guessed. */
#include "worlds.h"

static void refused(const char *text, const char *with)
{
    struct sim_world w;
    struct sim_world_error error;
    assert_false(world_load(&w, slice_from_text(text), 1, &error));
    assert_string_equal(error.text, with);
}

#define USER(more) "{\"calcom\":{\"users\":[{\"id\":1,\"name\":\"A\",\"time_zone\":\"Europe/Berlin\"" more "}]}}"

static void mistakes_are_named_by_their_path(void **)
{
    refused("{}", "calcom: is missing; it says what the simulated Cal.com holds");
    refused("{\"calcom\":{\"accounts\":{}}}", "calcom.accounts: must be a list");
    refused("{\"calcom\":{\"hosts\":[]}}", "calcom.hosts: unknown field");
    refused("{\"calcom\":{\"users\":[{\"id\":1,\"name\":\"A\",\"time_zone\":\"Europe/Nowhere\"}]}}", "calcom.users[0].time_zone: no such time zone");
    refused(USER(",\"colour\":1"), "calcom.users[0]: unknown field \"colour\"");
    refused(USER(",\"schedule\":[{\"days\":[\"Monday\"],\"start\":\"9\",\"end\":\"17:00\"}]"), "calcom.users[0].schedule[0].start: must be a time of day, HH:MM");
    refused(USER(",\"schedule\":[{\"days\":[\"Montag\"],\"start\":\"09:00\",\"end\":\"17:00\"}]"), "calcom.users[0].schedule[0].days: must hold names of days in English");
    refused(USER(",\"schedule\":[{\"days\":[\"Monday\"],\"start\":\"17:00\",\"end\":\"09:00\"}]"), "calcom.users[0].schedule[0].end: must be after start");
    refused("{\"calcom\":{\"accounts\":[{\"api_key\":\"k\",\"user_ids\":[7]}]}}", "calcom.accounts[0].user_ids: there is no user 7");
    refused("{\"calcom\":{\"users\":[{\"id\":1,\"name\":\"A\",\"time_zone\":\"UTC\"}],\"event_types\":[{\"id\":1,\"slug\":\"s\",\"title\":\"t\",\"user_ids\":[1]}]}}",
            "calcom.event_types[0].length_minutes: must be an integer from 1");
}

static void defaults_are_those_of_the_documentation(void **state)
{
    struct sim_world *w = *state;
    const struct sim_event_type *t = world_find_event_type(w, 10);
    assert_true(t->kind == SIM_INDIVIDUAL && t->slot_interval_minutes == 30 && t->before_buffer_minutes == 0 && t->allow_cancelling && !t->requires_confirmation);
    assert_true(slice_equal(world_find_user(w, 1)->username, slice_of("user-1")));
    assert_int_equal(w->accounts[0].requests_per_minute, 120);
}

static void a_full_table_of_bookings_says_so(void **state)
{
    struct sim_world *w = *state;
    w->booking_count = sim_bookings_max;
    assert_null(world_add_booking(w));
    w->booking_count = 0;
}

static void a_dead_reservation_gives_its_place_to_the_next(void **state)
{
    struct sim_world *w = *state;
    struct sim_reservation *r = world_add_reservation(w, 100);
    *r = (struct sim_reservation){ .live = true, .until_us = 200 };
    assert_ptr_not_equal(world_add_reservation(w, 100), r);
    assert_ptr_equal(world_add_reservation(w, 200), r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mistakes_are_named_by_their_path),
        cmocka_unit_test_setup_teardown(defaults_are_those_of_the_documentation, open_world, close_world),
        cmocka_unit_test_setup_teardown(a_full_table_of_bookings_says_so, open_world, close_world),
        cmocka_unit_test_setup_teardown(a_dead_reservation_gives_its_place_to_the_next, open_world, close_world),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
