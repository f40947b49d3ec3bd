/* What instants promise: one text is one moment, and at both changes of the clock nobody is told an hour that does not exist
 * or exists twice without knowing it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include "base/instant.h"

static int64_t instant(const char *text)
{
    int64_t at_us;
    if (!instant_parse(slice_from_text(text), &at_us)) fail_msg("not an instant: %s", text);
    return at_us;
}

static struct wall_time wall(int32_t year, uint8_t month, uint8_t day, uint8_t hour, uint8_t minute)
{
    return (struct wall_time){ .year = year, .month = month, .day = day, .hour = hour, .minute = minute };
}

static void assert_wall(struct wall_time got, struct wall_time expected)
{
    char a[64], b[64];
    snprintf(a, sizeof a, "%d-%d-%d %d:%d:%d", got.year, got.month, got.day, got.hour, got.minute, got.second);
    snprintf(b, sizeof b, "%d-%d-%d %d:%d:%d", expected.year, expected.month, expected.day, expected.hour, expected.minute, expected.second);
    assert_string_equal(a, b);
}

static void reads_rfc_3339_and_iso_8601_with_a_zone(void **)
{
    static const struct { const char *text; int64_t at_us; } table[] = {
        { "1970-01-01T00:00:00Z", 0 },
        { "2026-03-10T14:00:00Z", 1'773'151'200'000'000 },
        { "2026-03-10T14:00:00.000Z", 1'773'151'200'000'000 },
        { "2026-03-10T15:00:00+01:00", 1'773'151'200'000'000 },
        { "2026-03-10t15:00+0100", 1'773'151'200'000'000 },
        { "2026-03-10 09:30-04:30", 1'773'151'200'000'000 },
        { "2026-03-10T15:00:00+01", 1'773'151'200'000'000 },
        { "2026-03-10T14:00:00.123456789z", 1'773'151'200'123'456 },
        { "2026-03-10T14:00:00.5Z", 1'773'151'200'500'000 },
        { "1969-12-31T23:59:59.999999Z", -1 },
        { "0001-01-01T00:00:00Z", -62'135'596'800'000'000 },
        { "9999-12-31T23:59:59Z", 253'402'300'799'000'000 },
        { "2000-02-29T00:00:00Z", 951'782'400'000'000 },
    };
    for (size_t n = 0; n < sizeof table / sizeof *table; n++) assert_int_equal(instant(table[n].text), table[n].at_us);
}

static void refuses_everything_else(void **)
{
    static const char *const bad[] = {
        "", "2026-03-10", "2026-03-10T14:00:00", "2026-03-10T14:00", "2026-03-10T14Z", "2026-03-10T14:00:00 Z", " 2026-03-10T14:00:00Z",
        "2026-03-10T14:00:00Z ", "2026-3-10T14:00:00Z", "2026-02-29T14:00:00Z", "1900-02-29T14:00:00Z", "2026-04-31T14:00:00Z", "2026-13-01T14:00:00Z",
        "2026-00-01T14:00:00Z", "2026-01-00T14:00:00Z", "0000-01-01T00:00:00Z", "2026-03-10T24:00:00Z", "2026-03-10T14:60:00Z", "2026-03-10T14:00:60Z",
        "2026-03-10T14:00:00.Z", "2026-03-10T14:00:00,5Z", "2026-03-10T14:00:00+1", "2026-03-10T14:00:00+01:", "2026-03-10T14:00:00+01:0",
        "2026-03-10T14:00:00+24:00", "2026-03-10T14:00:00+01:60", "+2026-03-10T14:00:00Z", "-026-03-10T14:00:00Z", "2026-03-10T14:00:00Europe/Berlin",
        "20260310T140000Z", "now", "1773151200",
    };
    for (size_t n = 0; n < sizeof bad / sizeof *bad; n++) {
        int64_t at_us = 7;
        if (instant_parse(slice_from_text(bad[n]), &at_us)) fail_msg("accepted: %s", bad[n]);
        assert_int_equal(at_us, 7);
    }
}

static void prints_what_it_reads(void **)
{
    static const struct { int64_t at_us; const char *seconds, *millis; } table[] = {
        { 0, "1970-01-01T00:00:00Z", "1970-01-01T00:00:00.000Z" },
        { 1'773'151'200'123'456, "2026-03-10T14:00:00Z", "2026-03-10T14:00:00.123Z" },
        { -1, "1969-12-31T23:59:59Z", "1969-12-31T23:59:59.999Z" },
        { 951'782'400'000'000, "2000-02-29T00:00:00Z", "2000-02-29T00:00:00.000Z" },
    };
    for (size_t n = 0; n < sizeof table / sizeof *table; n++) {
        char memory[64];
        struct buffer b = buffer_over(memory, sizeof memory);
        instant_print(&b, table[n].at_us);
        assert_true(slice_equal(buffer_slice(&b), slice_from_text(table[n].seconds)));
        b = buffer_over(memory, sizeof memory);
        instant_print_millis(&b, table[n].at_us);
        assert_true(slice_equal(buffer_slice(&b), slice_from_text(table[n].millis)));
    }
}

static void every_day_of_four_centuries_follows_the_one_before(void **)
{
    struct time_zone *utc = time_zone_open(slice_of("UTC"));
    struct wall_time before = instant_to_wall(utc, instant("1799-12-31T00:00:00Z"));
    int64_t at_us = instant("1800-01-01T00:00:00Z"), end_us = instant("2201-01-01T00:00:00Z");
    for (; at_us < end_us; at_us += INT64_C(86'400'000'000)) {
        struct wall_time w = instant_to_wall(utc, at_us);
        assert_true(date_is_valid(w.year, w.month, w.day));
        if (w.day != 1) assert_true(w.day == before.day + 1 && w.month == before.month && w.year == before.year);
        else assert_true(!date_is_valid(before.year, before.month, before.day + 1) && w.month == before.month % 12 + 1);
        assert_int_equal(wall_weekday(w), (wall_weekday(before) + 1) % 7);
        int64_t back_us;
        assert_int_equal(wall_to_instant(utc, w, &back_us), WALL_OK);
        assert_int_equal(back_us, at_us);
        before = w;
    }
    time_zone_close(utc);
}

static void weekdays_begin_on_monday(void **)
{
    assert_int_equal(wall_weekday(wall(2026, 3, 9, 0, 0)), 0);
    assert_int_equal(wall_weekday(wall(2026, 3, 15, 23, 59)), 6);
    assert_int_equal(wall_weekday(wall(1970, 1, 1, 0, 0)), 3);
    assert_int_equal(wall_weekday(wall(1969, 12, 31, 0, 0)), 2);
}

struct change {
    const char      *zone;
    struct wall_time spring_before, spring_gap_first, spring_gap_last, spring_after;
    const char      *spring_before_utc, *spring_after_utc;
    struct wall_time autumn_before, autumn_fold_first, autumn_fold_last, autumn_after;
    const char      *autumn_fold_first_utc, *autumn_fold_last_utc, *autumn_after_utc;
};

static const struct change changes[] = {
    { "Europe/Berlin",
      { 2026, 3, 29, 1, 59, 59 }, { 2026, 3, 29, 2, 0, 0 }, { 2026, 3, 29, 2, 59, 59 }, { 2026, 3, 29, 3, 0, 0 }, "2026-03-29T00:59:59Z", "2026-03-29T01:00:00Z",
      { 2026, 10, 25, 1, 59, 59 }, { 2026, 10, 25, 2, 0, 0 }, { 2026, 10, 25, 2, 59, 59 }, { 2026, 10, 25, 3, 0, 0 },
      "2026-10-25T00:00:00Z", "2026-10-25T00:59:59Z", "2026-10-25T02:00:00Z" },
    { "America/New_York",
      { 2026, 3, 8, 1, 59, 59 }, { 2026, 3, 8, 2, 0, 0 }, { 2026, 3, 8, 2, 59, 59 }, { 2026, 3, 8, 3, 0, 0 }, "2026-03-08T06:59:59Z", "2026-03-08T07:00:00Z",
      { 2026, 11, 1, 0, 59, 59 }, { 2026, 11, 1, 1, 0, 0 }, { 2026, 11, 1, 1, 59, 59 }, { 2026, 11, 1, 2, 0, 0 },
      "2026-11-01T05:00:00Z", "2026-11-01T05:59:59Z", "2026-11-01T07:00:00Z" },
};

static void assert_outcome(const struct time_zone *z, struct wall_time w, enum wall_outcome outcome, const char *utc)
{
    int64_t at_us = 7;
    assert_int_equal(wall_to_instant(z, w, &at_us), outcome);
    assert_int_equal(at_us, utc ? instant(utc) : 7);
}

static void the_hour_that_the_clock_skips_is_a_gap(void **)
{
    for (size_t n = 0; n < sizeof changes / sizeof *changes; n++) {
        const struct change *c = &changes[n];
        struct time_zone *z = time_zone_open(slice_from_text(c->zone));
        assert_outcome(z, c->spring_before, WALL_OK, c->spring_before_utc);
        assert_outcome(z, c->spring_gap_first, WALL_GAP, nullptr);
        assert_outcome(z, c->spring_gap_last, WALL_GAP, nullptr);
        assert_outcome(z, c->spring_after, WALL_OK, c->spring_after_utc);
        assert_wall(instant_to_wall(z, instant(c->spring_after_utc) - 1), c->spring_before);
        assert_wall(instant_to_wall(z, instant(c->spring_after_utc)), c->spring_after);
        time_zone_close(z);
    }
}

static void the_hour_that_comes_twice_is_a_fold_and_means_the_first(void **)
{
    for (size_t n = 0; n < sizeof changes / sizeof *changes; n++) {
        const struct change *c = &changes[n];
        struct time_zone *z = time_zone_open(slice_from_text(c->zone));
        int64_t at_us;
        assert_int_equal(wall_to_instant(z, c->autumn_before, &at_us), WALL_OK);
        assert_int_equal(at_us, instant(c->autumn_fold_first_utc) - 1'000'000);
        assert_outcome(z, c->autumn_fold_first, WALL_FOLD, c->autumn_fold_first_utc);
        assert_outcome(z, c->autumn_fold_last, WALL_FOLD, c->autumn_fold_last_utc);
        assert_outcome(z, c->autumn_after, WALL_OK, c->autumn_after_utc);
        /* an hour later the same wall time shows again */
        assert_wall(instant_to_wall(z, instant(c->autumn_fold_first_utc)), c->autumn_fold_first);
        assert_wall(instant_to_wall(z, instant(c->autumn_fold_first_utc) + INT64_C(3'600'000'000)), c->autumn_fold_first);
        time_zone_close(z);
    }
}

static void a_day_that_a_zone_left_out_is_a_gap(void **)
{
    struct time_zone *apia = time_zone_open(slice_of("Pacific/Apia")); /* crossed the date line: no 30 December 2011 */
    assert_outcome(apia, wall(2011, 12, 29, 23, 59), WALL_OK, "2011-12-30T09:59:00Z");
    assert_outcome(apia, wall(2011, 12, 30, 0, 0), WALL_GAP, nullptr);
    assert_outcome(apia, wall(2011, 12, 30, 23, 59), WALL_GAP, nullptr);
    assert_outcome(apia, wall(2011, 12, 31, 0, 0), WALL_OK, "2011-12-30T10:00:00Z");
    time_zone_close(apia);
}

static void hours_that_are_none_are_invalid(void **)
{
    struct time_zone *z = time_zone_open(slice_of("Europe/Berlin"));
    assert_outcome(z, wall(2026, 2, 29, 10, 0), WALL_INVALID, nullptr);
    assert_outcome(z, wall(2026, 3, 1, 24, 0), WALL_INVALID, nullptr);
    assert_outcome(z, wall(2026, 3, 1, 23, 60), WALL_INVALID, nullptr);
    assert_outcome(z, wall(0, 1, 1, 0, 0), WALL_INVALID, nullptr);
    time_zone_close(z);
}

static void many_years_at_once_are_right_whatever_is_remembered(void **)
{
    struct time_zone *z = time_zone_open(slice_of("Europe/Berlin"));
    for (int round = 0; round < 2; round++) {
        for (int32_t year = 2000; year < 2040; year++) {
            int64_t winter_us, summer_us;
            assert_int_equal(wall_to_instant(z, wall(year, 1, 15, 12, 0), &winter_us), WALL_OK);
            assert_int_equal(wall_to_instant(z, wall(year, 7, 15, 12, 0), &summer_us), WALL_OK);
            assert_int_equal(summer_us - winter_us, (INT64_C(181) + (year % 4 == 0)) * 86'400'000'000 - 3'600'000'000);
        }
    }
    time_zone_close(z);
}

static void a_zone_that_iana_does_not_list_is_refused(void **)
{
    static const struct slice bad[] = {
        { nullptr, 0 }, slice_of(""), slice_of("Berlin"), slice_of("Europe/Atlantis"), slice_of("europe/berlin"), slice_of("GMT+02:00"), slice_of("GMT+2"),
        slice_of("+02:00"), slice_of("Europe/Berlin "), slice_of("Etc/Unknown"), slice_of("Europe/Berl\xc3\xad"), slice_of("Europe/Berlin\0x"),
        slice_of("Europe/Berlin/Europe/Berlin/Europe/Berlin/Europe/Berlin/Europe/Berlin"),
    };
    for (size_t n = 0; n < sizeof bad / sizeof *bad; n++) {
        struct time_zone *z = time_zone_open(bad[n]);
        if (z) fail_msg("accepted: " SLICE_FORMAT, slice_print(bad[n]));
    }
    static const char *const good[] = { "UTC", "Etc/UTC", "Europe/Zurich", "Asia/Kathmandu", "America/Argentina/ComodRivadavia" };
    for (size_t n = 0; n < sizeof good / sizeof *good; n++) {
        struct time_zone *z = time_zone_open(slice_from_text(good[n]));
        assert_non_null(z);
        time_zone_close(z);
    }
    time_zone_close(nullptr);
}

static void dates_and_times_of_day_are_read_exactly(void **)
{
    struct wall_time w = {};
    assert_true(date_parse(slice_of("2028-02-29"), &w) && time_of_day_parse(slice_of("9:05"), &w));
    assert_wall(w, wall(2028, 2, 29, 9, 5));
    assert_true(time_of_day_parse(slice_of("23:59"), &w) && time_of_day_parse(slice_of("00:00"), &w) && time_of_day_parse(slice_of("0:00"), &w));
    w = wall(2026, 1, 1, 7, 7);
    static const struct slice dates[] = { slice_of(""), slice_of("2026-02-29"), slice_of("2026-2-28"), slice_of("28.02.2026"), slice_of("2026-02-28T"), slice_of("2026-02-28 ") };
    for (size_t n = 0; n < sizeof dates / sizeof *dates; n++) assert_false(date_parse(dates[n], &w));
    static const struct slice times[] = { slice_of(""), slice_of("9"), slice_of("9:5"), slice_of("24:00"), slice_of("10:60"), slice_of("10:00:00"),
                                          slice_of("10.00"), slice_of("10:00 "), slice_of("+9:00"), slice_of("009:00") };
    for (size_t n = 0; n < sizeof times / sizeof *times; n++) assert_false(time_of_day_parse(times[n], &w));
    assert_wall(w, wall(2026, 1, 1, 7, 7));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_rfc_3339_and_iso_8601_with_a_zone),
        cmocka_unit_test(refuses_everything_else),
        cmocka_unit_test(prints_what_it_reads),
        cmocka_unit_test(every_day_of_four_centuries_follows_the_one_before),
        cmocka_unit_test(weekdays_begin_on_monday),
        cmocka_unit_test(the_hour_that_the_clock_skips_is_a_gap),
        cmocka_unit_test(the_hour_that_comes_twice_is_a_fold_and_means_the_first),
        cmocka_unit_test(a_day_that_a_zone_left_out_is_a_gap),
        cmocka_unit_test(hours_that_are_none_are_invalid),
        cmocka_unit_test(many_years_at_once_are_right_whatever_is_remembered),
        cmocka_unit_test(a_zone_that_iana_does_not_list_is_refused),
        cmocka_unit_test(dates_and_times_of_day_are_read_exactly),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
