/* What the slot locks promise: two owners never overlap on one calendar, and nobody waits for what has gone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "calendar/slot_locks.h"

static const struct hash128          jane = { 1, 1 }, paul = { 2, 2 };
static const struct slot_claim_owner anna = { { 10, 1 } }, ben = { { 11, 2 } };

static struct slot_locks *locks;

static int open_locks(void **) { return locks = slot_locks_open(64), 0; }
static int close_locks(void **) { return slot_locks_close(locks), 0; }

static enum slot_answer claim(struct hash128 calendar, struct slot_claim_owner owner, int64_t from_us, int64_t until_us)
{
    return slot_claim(locks, calendar, owner, from_us, until_us, 0, SLOT_UNTIL_RELEASED, nullptr);
}

static void a_second_owner_is_told_until_when_it_is_taken(void **)
{
    uint64_t free_at_us = 0;
    assert_int_equal(slot_claim(locks, jane, anna, 100, 200, 0, 1'000, nullptr), SLOT_CLAIMED);
    assert_int_equal(slot_claim(locks, jane, anna, 200, 300, 0, 3'000, nullptr), SLOT_CLAIMED);
    assert_int_equal(slot_claim(locks, jane, ben, 150, 250, 1, 9'000, &free_at_us), SLOT_TAKEN);
    assert_int_equal(free_at_us, 3'000); /* both must be gone */
    assert_int_equal(claim(jane, anna, 400, 500), SLOT_CLAIMED);
    assert_int_equal(slot_claim(locks, jane, ben, 450, 460, 1, 9'000, &free_at_us), SLOT_TAKEN);
    assert_int_equal(free_at_us, SLOT_UNTIL_RELEASED);
}

static void neighbours_touch_without_standing_in_each_others_way(void **)
{
    assert_int_equal(claim(jane, anna, 100, 200), SLOT_CLAIMED);
    assert_int_equal(claim(jane, ben, 200, 300), SLOT_CLAIMED);
    assert_int_equal(claim(jane, ben, 0, 100), SLOT_CLAIMED);
    assert_int_equal(claim(jane, ben, 199, 201), SLOT_TAKEN);
    assert_int_equal(claim(jane, ben, 99, 101), SLOT_TAKEN);
    assert_int_equal(claim(jane, ben, 0, 1'000), SLOT_TAKEN);
    assert_int_equal(claim(jane, ben, 120, 130), SLOT_TAKEN);
}

static void calendars_know_nothing_of_each_other(void **)
{
    assert_int_equal(claim(jane, anna, 100, 200), SLOT_CLAIMED);
    assert_int_equal(claim(paul, ben, 100, 200), SLOT_CLAIMED);
}

static void an_owner_never_stands_in_its_own_way(void **)
{
    assert_int_equal(claim(jane, anna, 100, 200), SLOT_CLAIMED);
    assert_int_equal(claim(jane, anna, 150, 250), SLOT_CLAIMED);
    assert_true(slot_is_free(locks, jane, anna, 100, 250, 0));
    assert_false(slot_is_free(locks, jane, ben, 240, 260, 0));
    slot_release(locks, jane, anna, 100, 200);
    assert_true(slot_is_free(locks, jane, ben, 100, 150, 0));
    assert_false(slot_is_free(locks, jane, ben, 100, 151, 0)); /* the other one still stands */
}

static void a_hold_ends_by_itself_at_its_instant(void **)
{
    assert_int_equal(slot_claim(locks, jane, anna, 100, 200, 0, 5'000, nullptr), SLOT_CLAIMED);
    assert_false(slot_is_free(locks, jane, ben, 100, 200, 4'999));
    assert_true(slot_is_free(locks, jane, ben, 100, 200, 5'000));
    assert_int_equal(slot_claims(locks), 0);
}

static void claiming_again_extends_and_never_shortens(void **)
{
    assert_int_equal(slot_claim(locks, jane, anna, 100, 200, 0, 5'000, nullptr), SLOT_CLAIMED);
    assert_int_equal(slot_claim(locks, jane, anna, 100, 200, 1, 9'000, nullptr), SLOT_CLAIMED);
    assert_int_equal(slot_claim(locks, jane, anna, 100, 200, 2, 6'000, nullptr), SLOT_CLAIMED);
    assert_int_equal(slot_claims(locks), 1);
    assert_false(slot_is_free(locks, jane, ben, 100, 200, 8'999));
    assert_int_equal(slot_claim(locks, jane, anna, 100, 200, 8'999, SLOT_UNTIL_RELEASED, nullptr), SLOT_CLAIMED); /* the hold became a booking */
    assert_false(slot_is_free(locks, jane, ben, 100, 200, UINT64_MAX - 1));
}

static void a_release_frees_exactly_what_it_names(void **)
{
    assert_int_equal(claim(jane, anna, 100, 200), SLOT_CLAIMED);
    slot_release(locks, jane, ben, 100, 200);
    slot_release(locks, paul, anna, 100, 200);
    slot_release(locks, jane, anna, 100, 201);
    assert_int_equal(claim(jane, ben, 100, 200), SLOT_TAKEN);
    slot_release(locks, jane, anna, 100, 200);
    slot_release(locks, jane, anna, 100, 200);
    assert_int_equal(claim(jane, ben, 100, 200), SLOT_CLAIMED);
}

static void an_owner_that_goes_leaves_nothing_behind(void **)
{
    assert_int_equal(claim(jane, anna, 100, 200), SLOT_CLAIMED);
    assert_int_equal(claim(paul, anna, 100, 200), SLOT_CLAIMED);
    assert_int_equal(slot_claim(locks, paul, anna, 300, 400, 0, 1'000, nullptr), SLOT_CLAIMED);
    assert_int_equal(claim(paul, ben, 500, 600), SLOT_CLAIMED);
    slot_release_all(locks, anna);
    slot_release_all(locks, anna);
    assert_int_equal(slot_claims(locks), 1);
    assert_true(slot_is_free(locks, paul, ben, 0, 1'000, 0));
}

static void a_full_table_says_so_and_makes_room_for_the_living(void **)
{
    for (int64_t n = 0; n < 64; n++) assert_int_equal(slot_claim(locks, jane, anna, n, n + 1, 0, n < 1 ? 1'000 : 2'000, nullptr), SLOT_CLAIMED);
    assert_int_equal(slot_claim(locks, paul, ben, 0, 1, 999, 9'000, nullptr), SLOT_NO_ROOM);
    assert_int_equal(slot_claim(locks, jane, ben, 5, 6, 999, 9'000, nullptr), SLOT_TAKEN); /* known without room */
    assert_int_equal(slot_claim(locks, jane, anna, 5, 6, 999, 9'000, nullptr), SLOT_CLAIMED); /* needs none */
    assert_int_equal(slot_claim(locks, paul, ben, 0, 1, 1'000, 9'000, nullptr), SLOT_CLAIMED); /* one expired on another calendar */
}

/* -- against a model that is too simple to be wrong -- */

enum { MODEL_CLAIMS = 48, CALENDARS = 3, OWNERS = 4 };
struct model_claim { bool live; uint64_t calendar, owner, expires_at_us; int64_t from_us, until_us; };
struct model { struct model_claim claims[MODEL_CLAIMS]; };

static uint64_t next_random(uint64_t *state)
{
    *state ^= *state >> 12, *state ^= *state << 25, *state ^= *state >> 27;
    return *state * UINT64_C(2685821657736338717);
}

static bool overlaps(const struct model_claim *c, const struct model_claim *wish)
{
    return c->live && c->calendar == wish->calendar && c->from_us < wish->until_us && wish->from_us < c->until_us;
}

static uint64_t model_taken_until(const struct model *m, const struct model_claim *wish)
{
    uint64_t until_us = 0;
    for (int n = 0; n < MODEL_CLAIMS; n++) {
        const struct model_claim *c = &m->claims[n];
        if (overlaps(c, wish) && c->owner != wish->owner && c->expires_at_us > until_us) until_us = c->expires_at_us;
    }
    return until_us;
}

static struct model_claim *model_find(struct model *m, const struct model_claim *wish)
{
    for (int n = 0; n < MODEL_CLAIMS; n++) {
        struct model_claim *c = &m->claims[n];
        if (overlaps(c, wish) && c->owner == wish->owner && c->from_us == wish->from_us && c->until_us == wish->until_us) return c;
    }
    return nullptr;
}

static enum slot_answer model_claim(struct model *m, const struct model_claim *wish, uint64_t *free_at_us)
{
    *free_at_us = model_taken_until(m, wish);
    if (*free_at_us > 0) return SLOT_TAKEN;
    struct model_claim *c = model_find(m, wish);
    for (int n = 0; n < MODEL_CLAIMS && !c; n++)
        if (!m->claims[n].live) c = &m->claims[n];
    if (!c) return SLOT_NO_ROOM;
    uint64_t expires_at_us = c->live && c->expires_at_us > wish->expires_at_us ? c->expires_at_us : wish->expires_at_us;
    *c = *wish;
    c->expires_at_us = expires_at_us;
    return SLOT_CLAIMED;
}

static uint32_t model_expire(struct model *m, uint64_t now_us)
{
    uint32_t live = 0;
    for (int n = 0; n < MODEL_CLAIMS; n++) {
        if (m->claims[n].live && m->claims[n].expires_at_us <= now_us) m->claims[n].live = false;
        live += m->claims[n].live;
    }
    return live;
}

static void assert_owners_are_disjoint(const struct model *m)
{
    for (int a = 0; a < MODEL_CLAIMS; a++)
        for (int b = 0; b < a; b++)
            if (m->claims[a].live && overlaps(&m->claims[b], &m->claims[a])) assert_int_equal(m->claims[a].owner, m->claims[b].owner);
}

static void play(struct slot_locks *l, struct model *m, uint64_t *random, uint64_t now_us)
{
    uint64_t draw = next_random(random);
    struct model_claim wish = { .live = true, .calendar = draw % CALENDARS, .owner = draw / 8 % OWNERS, .from_us = (int64_t)(draw / 64 % 100) };
    wish.until_us = wish.from_us + 1 + (int64_t)(draw / 8'192 % 12);
    wish.expires_at_us = draw / 131'072 % 5 == 0 ? SLOT_UNTIL_RELEASED : now_us + 1 + draw / 1'048'576 % 400;
    struct hash128          calendar = { 7, wish.calendar };
    struct slot_claim_owner owner = { { 9, wish.owner } };
    uint64_t                free_at_us = 0, model_free_at_us = 0;

    assert_int_equal(slot_is_free(l, calendar, owner, wish.from_us, wish.until_us, now_us), model_taken_until(m, &wish) == 0);
    switch (next_random(random) % 16) {
    case 0: case 1: case 2:
        slot_release(l, calendar, owner, wish.from_us, wish.until_us);
        struct model_claim *gone = model_find(m, &wish);
        if (gone) gone->live = false;
        break;
    case 3:
        if (draw >> 60 != 0) break; /* rarely: it empties the world */
        slot_release_all(l, owner);
        for (int n = 0; n < MODEL_CLAIMS; n++)
            if (m->claims[n].owner == wish.owner) m->claims[n].live = false;
        break;
    default:
        assert_int_equal(slot_claim(l, calendar, owner, wish.from_us, wish.until_us, now_us, wish.expires_at_us, &free_at_us),
                         model_claim(m, &wish, &model_free_at_us));
        assert_int_equal(free_at_us, model_free_at_us);
        break;
    }
}

static void does_what_the_naive_model_does_for_any_sequence(void **)
{
    for (uint64_t seed = 1; seed <= 50; seed++) {
        uint64_t           random = seed, now_us = 0;
        struct model       m = {};
        struct slot_locks *l = slot_locks_open(MODEL_CLAIMS);
        for (int n = 0; n < 2'000; n++) {
            now_us += next_random(&random) % 20;
            (void)model_expire(&m, now_us);
            play(l, &m, &random, now_us);
            assert_int_equal(slot_claims(l), model_expire(&m, now_us));
            if (n % 16 == 0) assert_owners_are_disjoint(&m);
        }
        slot_locks_close(l);
    }
}

#define with_locks(test) cmocka_unit_test_setup_teardown(test, open_locks, close_locks)

int main(void)
{
    const struct CMUnitTest tests[] = {
        with_locks(a_second_owner_is_told_until_when_it_is_taken),
        with_locks(neighbours_touch_without_standing_in_each_others_way),
        with_locks(calendars_know_nothing_of_each_other),
        with_locks(an_owner_never_stands_in_its_own_way),
        with_locks(a_hold_ends_by_itself_at_its_instant),
        with_locks(claiming_again_extends_and_never_shortens),
        with_locks(a_release_frees_exactly_what_it_names),
        with_locks(an_owner_that_goes_leaves_nothing_behind),
        with_locks(a_full_table_says_so_and_makes_room_for_the_living),
        cmocka_unit_test(does_what_the_naive_model_does_for_any_sequence),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
