/* What the zones of a shard promise: each is opened once, as long as there is room, and the oldest makes room. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "call/zones.h"

static const char *const names[] = {
    "Europe/Berlin", "Europe/Paris", "Europe/London", "Europe/Madrid", "Europe/Rome", "Europe/Vienna", "Europe/Zurich", "Europe/Prague", "Europe/Warsaw", "Europe/Athens",
    "Europe/Helsinki", "Europe/Oslo", "Europe/Lisbon", "Europe/Dublin", "Europe/Sofia", "Europe/Kyiv", "Asia/Tokyo", "Asia/Seoul", "Asia/Kolkata", "Asia/Dubai",
    "Asia/Tehran", "Asia/Singapore", "Asia/Shanghai", "America/New_York", "America/Chicago", "America/Denver", "America/Phoenix", "America/Toronto", "America/Lima",
    "America/Bogota", "Africa/Cairo", "Africa/Lagos", "Australia/Sydney", "Pacific/Auckland",
};
enum { NAMES = sizeof names / sizeof names[0] };
static_assert(NAMES > ZONES_MAX);

static const struct time_zone *get(struct zones *z, const char *name)
{
    const struct time_zone *zone;
    assert_int_equal(zones_get(z, slice_from_text(name), &zone), ZONE_FOUND);
    return zone;
}

static void expect_unknown(struct zones *z, const char *name)
{
    const struct time_zone *zone;
    assert_int_equal(zones_get(z, slice_from_text(name), &zone), ZONE_UNKNOWN);
    assert_null(zone);
}

static int64_t noon_in(const struct time_zone *zone)
{
    int64_t at_us = 0;
    assert_int_equal(wall_to_instant(zone, (struct wall_time){ .year = 2026, .month = 1, .day = 15, .hour = 12 }, &at_us), WALL_OK);
    return at_us;
}

static void a_zone_is_opened_once(void **)
{
    struct zones z = {};
    const struct time_zone *berlin = get(&z, "Europe/Berlin");
    assert_non_null(berlin);
    assert_non_null(get(&z, "Asia/Tokyo"));
    assert_ptr_equal(get(&z, "Europe/Berlin"), berlin);
    assert_int_equal(z.count, 2);
    zones_close(&z);
}

/* Each of more names than there are places is right, however often they take each other's. */
static void when_all_places_are_taken_the_oldest_makes_room(void **)
{
    struct zones z = {};
    int64_t noon[NAMES];
    for (uint32_t n = 0; n < NAMES; n++) noon[n] = noon_in(get(&z, names[n]));
    for (uint32_t n = 0; n < ZONES_MAX; n++) assert_string_equal(z.entries[n].name, names[n < NAMES - ZONES_MAX ? ZONES_MAX + n : n]);
    for (uint32_t round = 0; round < 3; round++)
        for (uint32_t n = 0; n < NAMES; n++) assert_int_equal(noon_in(get(&z, names[n])), noon[n]);
    assert_int_equal(z.count, ZONES_MAX);
    assert_int_not_equal(noon[0], noon[NAMES - 1]);
    zones_close(&z);
}

static void what_is_no_zone_takes_no_place(void **)
{
    struct zones z = {};
    char long_name[ZONE_NAME_BYTES_MAX + 2] = {};
    memset(long_name, 'x', sizeof long_name - 1);
    expect_unknown(&z, "");
    expect_unknown(&z, "Europe/Nowhere");
    expect_unknown(&z, long_name);
    assert_int_equal(z.count, 0);
    zones_close(&z);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_zone_is_opened_once),
        cmocka_unit_test(when_all_places_are_taken_the_oldest_makes_room),
        cmocka_unit_test(what_is_no_zone_takes_no_place),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
