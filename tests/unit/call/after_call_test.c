/* What is decided once a call is over: a booking exactly as it was agreed, or the reason why not. Nothing is made up, moved or guessed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "call/after_call.h"
#include "tests/unit/call/tenants.h"

constexpr int64_t minute_us = 60'000'000;
static const int64_t now_us = INT64_C(1'773'151'200'000'000); /* 2026-03-10T14:00:00Z, 15:00 in Berlin */
static struct time_zone *berlin;

static struct booking_facts agreed(const char *date, const char *time)
{
    return (struct booking_facts){ .confirmation_given = true, .confirmed = true, .date = slice_from_text(date), .time = slice_from_text(time), .name = slice_of("Zoe Kraft"),
                                   .service = slice_of("Haarschnitt") };
}

static struct after_call decide(struct booking_facts f, uint32_t choice) { return after_call_decide(&salon, &salon_branches[0], &f, berlin, now_us, choice); }

static void expect(struct after_call a, enum after_call_wish wish, const char *reason)
{
    if (reason) assert_string_equal(a.reason ? a.reason : "none", reason);
    assert_int_equal(a.wish, wish);
}

static int64_t instant(const char *text)
{
    int64_t at_us = 0;
    assert_true(instant_parse(slice_from_text(text), &at_us));
    return at_us;
}

static void books_what_was_agreed_in_the_branchs_zone(void **)
{
    struct after_call a = decide(agreed("2026-03-12", "10:30"), 0);
    expect(a, AFTER_CALL_BOOK, nullptr);
    assert_int_equal(a.starts_at_us, instant("2026-03-12T09:30:00Z"));
    assert_int_equal(a.ends_at_us, a.starts_at_us + 30 * minute_us);
    assert_int_equal(a.busy_from_us, a.starts_at_us - 5 * minute_us);
    assert_int_equal(a.busy_until_us, a.ends_at_us + 10 * minute_us);
    assert_int_equal(a.service->id, 41);
    assert_int_equal(a.staff->id, 31);
    assert_int_equal(a.calcom_event_type_id, 501);
}

static void what_was_not_confirmed_is_nothing(void **)
{
    struct booking_facts f = agreed("2026-03-12", "10:30");
    f.confirmed = false;
    expect(decide(f, 0), AFTER_CALL_NOTHING, nullptr);
    expect(decide((struct booking_facts){}, 0), AFTER_CALL_NOTHING, nullptr);
}

static void what_is_missing_may_still_come_and_is_not_made_up(void **)
{
    struct booking_facts f = agreed("2026-03-12", "10:30");
    f.date = slice_absent;
    expect(decide(f, 0), AFTER_CALL_INCOMPLETE, "missing_date");
    f = agreed("2026-03-12", "10:30");
    f.time = slice_absent;
    expect(decide(f, 0), AFTER_CALL_INCOMPLETE, "missing_time");
    f = agreed("2026-03-12", "10:30");
    f.name = slice_absent;
    expect(decide(f, 0), AFTER_CALL_INCOMPLETE, "missing_name");
}

static void what_was_said_and_not_understood_is_kept_as_it_was_said(void **)
{
    struct after_call a = decide(agreed("nächsten Dienstag", "10:30"), 0);
    expect(a, AFTER_CALL_IMPOSSIBLE, "date_not_understood");
    assert_true(slice_equal(a.phrase, slice_of("nächsten Dienstag")));
    expect(decide(agreed("2026-02-30", "10:30"), 0), AFTER_CALL_IMPOSSIBLE, "date_not_understood");
    a = decide(agreed("2026-03-12", "halb drei"), 0);
    expect(a, AFTER_CALL_IMPOSSIBLE, "time_not_understood");
    assert_true(slice_equal(a.phrase, slice_of("halb drei")));
    expect(decide(agreed("2026-03-12", "25:00"), 0), AFTER_CALL_IMPOSSIBLE, "time_not_understood");
}

static void a_year_is_never_shifted(void **)
{
    expect(decide(agreed("2025-03-12", "10:30"), 0), AFTER_CALL_IMPOSSIBLE, "past_time");
    expect(decide(agreed("2026-03-10", "14:59"), 0), AFTER_CALL_IMPOSSIBLE, "past_time"); /* a minute ago */
    expect(decide(agreed("2026-03-10", "15:00"), 0), AFTER_CALL_IMPOSSIBLE, "past_time"); /* now */
}

static void notice_is_kept_to_the_minute(void **)
{
    expect(decide(agreed("2026-03-10", "15:59"), 0), AFTER_CALL_IMPOSSIBLE, "too_soon");
    expect(decide(agreed("2026-03-10", "16:00"), 0), AFTER_CALL_BOOK, nullptr); /* exactly an hour ahead */
}

static void nobody_means_more_than_a_year_ahead(void **)
{
    expect(decide(agreed("2027-03-11", "15:00"), 0), AFTER_CALL_BOOK, nullptr); /* exactly 366 days */
    expect(decide(agreed("2027-03-11", "15:01"), 0), AFTER_CALL_IMPOSSIBLE, "too_far_ahead");
}

static void an_hour_that_does_not_exist_is_not_moved(void **)
{
    expect(decide(agreed("2026-03-29", "02:30"), 0), AFTER_CALL_IMPOSSIBLE, "time_does_not_exist");
    struct after_call a = decide(agreed("2026-03-29", "03:00"), 0);
    expect(a, AFTER_CALL_BOOK, nullptr);
    assert_int_equal(a.starts_at_us, instant("2026-03-29T01:00:00Z"));
}

static void of_an_hour_that_comes_twice_the_first_is_meant(void **)
{
    struct after_call a = decide(agreed("2026-10-25", "02:30"), 0);
    expect(a, AFTER_CALL_BOOK, nullptr);
    assert_int_equal(a.starts_at_us, instant("2026-10-25T00:30:00Z"));
    assert_int_equal(a.ends_at_us - a.starts_at_us, 30 * minute_us);
}

static void a_service_is_what_was_named_or_nothing(void **)
{
    struct booking_facts f = agreed("2026-03-12", "10:30");
    f.service = slice_of("Maniküre");
    struct after_call a = decide(f, 0);
    expect(a, AFTER_CALL_IMPOSSIBLE, "unknown_service");
    assert_true(slice_equal(a.phrase, slice_of("Maniküre")));
    f.service = slice_of("Waschen");
    expect(decide(f, 0), AFTER_CALL_IMPOSSIBLE, "ambiguous_service");
    f.service = slice_of("Farbe");
    expect(decide(f, 0), AFTER_CALL_IMPOSSIBLE, "service_without_calcom_event_type");
}

static void of_two_people_with_one_name_none_is_guessed(void **)
{
    const struct staff_member twins[] = { salon_staff[0], salon_staff[0] };
    const struct staff_service pairs[] = { { &twins[0], &salon_services[0], 501 }, { &twins[1], &salon_services[0], 502 } };
    struct tenant_snapshot t = salon;
    t.staff = twins, t.staff_count = 2;
    t.staff_services = pairs, t.staff_service_count = 2;
    struct booking_facts f = agreed("2026-03-12", "10:30");
    f.staff = slice_of("Lena");
    struct after_call a = after_call_decide(&t, &salon_branches[0], &f, berlin, now_us, 0);
    expect(a, AFTER_CALL_IMPOSSIBLE, "ambiguous_staff");
    assert_true(slice_equal(a.phrase, slice_of("Lena")));
}

static void without_a_service_the_branchs_own_event_type_is_meant(void **)
{
    struct booking_facts f = agreed("2026-03-12", "10:30");
    f.service = slice_absent;
    struct after_call a = decide(f, 0);
    expect(a, AFTER_CALL_BOOK, nullptr);
    assert_int_equal(a.calcom_event_type_id, 500);
    assert_int_equal(a.service->id, 41);
}

static void a_branch_that_is_not_set_up_books_nothing(void **)
{
    struct booking_facts f = agreed("2026-03-12", "10:30");
    f.service = slice_absent;
    expect(after_call_decide(&salon, &salon_branches[1], &f, berlin, now_us, 0), AFTER_CALL_IMPOSSIBLE, "branch_without_calcom_event_type");

    struct branch odd = salon_branches[0];
    odd.default_service_id = 0; /* how long would it be? */
    expect(after_call_decide(&salon, &odd, &f, berlin, now_us, 0), AFTER_CALL_IMPOSSIBLE, "branch_event_type_without_service");

    f = agreed("2026-03-12", "10:30");
    salon_companies[0].credential = nullptr;
    expect(decide(f, 0), AFTER_CALL_IMPOSSIBLE, "company_without_calcom_key");
    salon_companies[0].credential = &salon_credential;
}

static void a_zone_that_is_not_known_is_not_replaced(void **)
{
    struct booking_facts f = agreed("2026-03-12", "10:30");
    expect(after_call_decide(&salon, &salon_branches[0], &f, nullptr, now_us, 0), AFTER_CALL_IMPOSSIBLE, "unknown_time_zone");
}

static void who_was_asked_for_is_who_is_booked(void **)
{
    struct booking_facts f = agreed("2026-03-12", "10:30");
    f.staff = slice_of("Mia");
    struct after_call a = decide(f, 0);
    expect(a, AFTER_CALL_BOOK, nullptr);
    assert_int_equal(a.staff->id, 32);
    assert_int_equal(a.calcom_event_type_id, 502);
    expect(decide(f, 1), AFTER_CALL_IMPOSSIBLE, "slot_taken"); /* and nobody else */
    f.staff = slice_of("Ida");
    expect(decide(f, 0), AFTER_CALL_IMPOSSIBLE, "unknown_staff"); /* of another branch */
}

/* Of a team's event type Cal.com chooses the host: a caller who asks for Mia could be given Lena, and be told Mia. */
static void who_was_asked_for_is_not_drawn_from_a_team(void **)
{
    static const struct staff_service shared[] = { { &salon_staff[0], &salon_services[2], 509 }, { &salon_staff[1], &salon_services[2], 509 } };
    struct tenant_snapshot team = salon;
    team.staff_services = shared;
    team.staff_service_count = 2;
    team.service_count = 3; /* one is called Waschen */
    struct booking_facts f = agreed("2026-03-12", "10:30");
    f.service = slice_of("Waschen");
    struct after_call a = after_call_decide(&team, &salon_branches[0], &f, berlin, now_us, 0);
    expect(a, AFTER_CALL_BOOK, nullptr);
    assert_int_equal(a.calcom_event_type_id, 509);
    assert_null(a.staff);

    f.staff = slice_of("Mia");
    a = after_call_decide(&team, &salon_branches[0], &f, berlin, now_us, 0);
    expect(a, AFTER_CALL_IMPOSSIBLE, "staff_without_calcom_event_type");
    assert_true(slice_equal(a.phrase, slice_of("Mia")));
}

/* Where the second choice is a team's event type, it is nobody's calendar but its own. */
static void the_next_after_a_taken_slot_may_be_a_team(void **)
{
    static const struct staff_service pairs[] = { { &salon_staff[0], &salon_services[0], 501 }, { &salon_staff[1], &salon_services[0], 509 }, { &salon_staff[2], &salon_services[0], 509 } };
    struct tenant_snapshot team = salon;
    team.staff_services = pairs;
    struct booking_facts f = agreed("2026-03-12", "10:30");
    struct after_call a = after_call_decide(&team, &salon_branches[0], &f, berlin, now_us, 1);
    expect(a, AFTER_CALL_BOOK, nullptr);
    assert_int_equal(a.calcom_event_type_id, 509);
    assert_null(a.staff);
}

static void a_taken_slot_goes_to_the_next_of_the_branch_and_then_to_people(void **)
{
    struct after_call a = decide(agreed("2026-03-12", "10:30"), 1);
    expect(a, AFTER_CALL_BOOK, nullptr);
    assert_int_equal(a.staff->id, 32);
    assert_int_equal(a.starts_at_us, instant("2026-03-12T09:30:00Z")); /* the same time: it is never moved */
    expect(decide(agreed("2026-03-12", "10:30"), 2), AFTER_CALL_IMPOSSIBLE, "slot_taken");
}

static void a_host_has_one_calendar_whatever_the_event_type(void **)
{
    char name[CALENDAR_NAME_BYTES_MAX];
    struct after_call a = { .staff = &salon_staff[0], .calcom_event_type_id = 501 };
    after_call_calendar_name(&a, name);
    assert_string_equal(name, "user:901");
    a.staff = nullptr;
    after_call_calendar_name(&a, name);
    assert_string_equal(name, "type:501");
}

static int open_zone(void **)
{
    berlin = time_zone_open(slice_of("Europe/Berlin"));
    return berlin ? 0 : -1;
}

static int close_zone(void **)
{
    time_zone_close(berlin);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(books_what_was_agreed_in_the_branchs_zone),
        cmocka_unit_test(what_was_not_confirmed_is_nothing),
        cmocka_unit_test(what_is_missing_may_still_come_and_is_not_made_up),
        cmocka_unit_test(what_was_said_and_not_understood_is_kept_as_it_was_said),
        cmocka_unit_test(a_year_is_never_shifted),
        cmocka_unit_test(notice_is_kept_to_the_minute),
        cmocka_unit_test(nobody_means_more_than_a_year_ahead),
        cmocka_unit_test(an_hour_that_does_not_exist_is_not_moved),
        cmocka_unit_test(of_an_hour_that_comes_twice_the_first_is_meant),
        cmocka_unit_test(a_service_is_what_was_named_or_nothing),
        cmocka_unit_test(of_two_people_with_one_name_none_is_guessed),
        cmocka_unit_test(without_a_service_the_branchs_own_event_type_is_meant),
        cmocka_unit_test(a_branch_that_is_not_set_up_books_nothing),
        cmocka_unit_test(a_zone_that_is_not_known_is_not_replaced),
        cmocka_unit_test(who_was_asked_for_is_who_is_booked),
        cmocka_unit_test(who_was_asked_for_is_not_drawn_from_a_team),
        cmocka_unit_test(the_next_after_a_taken_slot_may_be_a_team),
        cmocka_unit_test(a_taken_slot_goes_to_the_next_of_the_branch_and_then_to_people),
        cmocka_unit_test(a_host_has_one_calendar_whatever_the_event_type),
    };
    return cmocka_run_group_tests(tests, open_zone, close_zone);
}
