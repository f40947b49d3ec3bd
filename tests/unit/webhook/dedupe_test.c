/* What the memory of webhooks promises: it knows the last so many that are durable, forgets the oldest first, and never more than it must. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "webhook/dedupe.h"

enum { CAPACITY = 8 };
static struct dedupe d;

static struct hash128 identity(uint64_t n) { return (struct hash128){ n * 0x9e3779b97f4a7c15u, n }; }
static bool knows(uint64_t n) { return dedupe_knows(&d, identity(n)); }
static void remember(uint64_t n) { dedupe_remember(&d, identity(n)); }
static void forget(uint64_t n) { dedupe_forget(&d, identity(n)); }

static int set_up(void **)
{
    dedupe_init(&d, CAPACITY);
    return 0;
}

static int tear_down(void **)
{
    dedupe_deinit(&d);
    return 0;
}

static void knows_what_it_was_told_and_nothing_else(void **)
{
    assert_false(knows(1));
    remember(1);
    assert_true(knows(1));
    assert_false(knows(2));
}

static void knows_exactly_the_last_so_many_however_often_it_goes_round(void **)
{
    for (uint64_t n = 1; n <= 10 * CAPACITY; n++) {
        remember(n);
        for (uint64_t back = 0; back < CAPACITY && back < n; back++) assert_true(knows(n - back));
        if (n > CAPACITY) assert_false(knows(n - CAPACITY));
    }
}

static void a_repetition_costs_no_place(void **)
{
    for (uint64_t n = 1; n <= CAPACITY; n++) remember(n);
    for (int n = 0; n < 100; n++) remember(3);
    for (uint64_t n = 1; n <= CAPACITY; n++) assert_true(knows(n));
}

static void what_is_forgotten_is_new_again(void **)
{
    remember(1);
    forget(1);
    assert_false(knows(1));
    forget(1); /* and once more is nothing */
    forget(2);
    remember(1);
    assert_true(knows(1));
}

static void what_is_remembered_again_is_as_young_as_any(void **)
{
    remember(1);
    forget(1);
    for (uint64_t n = 1; n <= CAPACITY; n++) remember(n);
    for (uint64_t n = 1; n <= CAPACITY; n++) assert_true(knows(n));
}

static void a_forgotten_place_takes_nobody_with_it(void **)
{
    for (uint64_t n = 1; n <= CAPACITY; n++) remember(n);
    forget(1);
    forget(2);
    for (uint64_t n = CAPACITY + 1; n <= CAPACITY + 2; n++) remember(n);
    for (uint64_t n = 3; n <= CAPACITY + 2; n++) assert_true(knows(n));
}

/* What it knows was told and not forgotten since, is never more than it has room for, and holds the newest. */
static void any_order_of_telling_and_forgetting_keeps_the_promise(void **)
{
    enum { STEPS = 20'000, NAMES = 32 };
    uint64_t seed = 1;
    bool told[NAMES] = {};
    for (int n = 0; n < STEPS; n++) {
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        uint64_t name = (seed >> 33) % NAMES;
        if ((seed >> 60) < 4) {
            forget(name + 1);
            told[name] = false;
        } else if (!knows(name + 1)) {
            remember(name + 1);
            told[name] = true;
        }
        uint32_t known = 0;
        for (uint64_t other = 0; other < NAMES; other++) {
            known += knows(other + 1);
            if (!told[other]) assert_false(knows(other + 1));
        }
        assert_true(known <= CAPACITY);
        assert_int_equal(knows(name + 1), told[name]);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(knows_what_it_was_told_and_nothing_else),
        TEST(knows_exactly_the_last_so_many_however_often_it_goes_round),
        TEST(a_repetition_costs_no_place),
        TEST(what_is_forgotten_is_new_again),
        TEST(a_forgotten_place_takes_nobody_with_it),
        TEST(what_is_remembered_again_is_as_young_as_any),
        TEST(any_order_of_telling_and_forgetting_keeps_the_promise),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
