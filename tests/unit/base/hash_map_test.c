/* What the map promises: what was put in is found until it is removed, at any load it admits and after any history. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "base/hash_map.h"

static int things[256];

/* All of one home: the longest possible chain, which also runs over the end of the table. */
static struct hash128 crowded(uint64_t n) { return (struct hash128){ .high = n, .low = UINT64_MAX }; }

static void holds_its_capacity_and_refuses_one_more(void **)
{
    struct hash_map m;
    hash_map_init(&m, 100);
    for (uint64_t n = 0; n < 100; n++) assert_true(hash_map_insert(&m, crowded(n), &things[n]));
    assert_false(hash_map_insert(&m, crowded(100), &things[100]));
    for (uint64_t n = 0; n < 100; n++) assert_ptr_equal(hash_map_find(&m, crowded(n)), &things[n]);
    assert_null(hash_map_find(&m, crowded(100)));
    hash_map_remove(&m, crowded(50));
    assert_true(hash_map_insert(&m, crowded(100), &things[100]));
    hash_map_deinit(&m);
}

static void a_removal_hides_nothing_behind_it(void **)
{
    struct hash_map m;
    for (uint64_t gone = 0; gone < 12; gone++) {
        hash_map_init(&m, 12);
        /* two homes, interleaved, so that some entries may move into the hole and others may not */
        for (uint64_t n = 0; n < 12; n++) assert_true(hash_map_insert(&m, (struct hash128){ n, 30 + n % 2 * 3 }, &things[n]));
        hash_map_remove(&m, (struct hash128){ gone, 30 + gone % 2 * 3 });
        for (uint64_t n = 0; n < 12; n++)
            assert_ptr_equal(hash_map_find(&m, (struct hash128){ n, 30 + n % 2 * 3 }), n == gone ? nullptr : &things[n]);
        hash_map_deinit(&m);
    }
}

static void any_history_leaves_it_equal_to_a_plain_table(void **)
{
    struct hash_map m;
    bool present[256] = {};
    uint32_t count = 0;
    hash_map_init(&m, 64);
    for (uint64_t step = 0; step < 20'000; step++) {
        struct hash128 r = hash128_stable(slice_from(&step, sizeof step));
        uint64_t n = r.high % 256;
        struct hash128 key = { .high = n, .low = n % 37 };
        if (present[n]) hash_map_remove(&m, key), present[n] = false, count -= 1;
        else if (hash_map_insert(&m, key, &things[n])) present[n] = true, count += 1;
        else assert_int_equal(count, 64);
        assert_int_equal(m.used, count);
        uint64_t other = r.low % 256;
        assert_ptr_equal(hash_map_find(&m, (struct hash128){ other, other % 37 }), present[other] ? &things[other] : nullptr);
    }
    hash_map_deinit(&m);
}

/* SipHash-2-4 with 128 bits, key 00..0f, text 00, 01, 02, …: computed with OpenSSL; the first is also in the authors' list. */
static void the_stable_hash_is_siphash_and_never_changes(void **)
{
    static const struct { size_t length; uint64_t high, low; } vectors[] = {
        { 0, UINT64_C(0xe6a825ba047f81a3), UINT64_C(0x930255c71472f66d) },
        { 1, UINT64_C(0x44af996bd8c187da), UINT64_C(0x45fc229b11597634) },
        { 7, UINT64_C(0x53c1dbd8beebf1a1), UINT64_C(0x3982f01fa64ab8c0) },
        { 8, UINT64_C(0x61f55862baa9623b), UINT64_C(0xb49714f364e2830f) },
        { 15, UINT64_C(0x11a8b03399e99354), UINT64_C(0xd9c3cf970fec087e) },
        { 16, UINT64_C(0xbb54b067caa4e26e), UINT64_C(0x77052385bf1533fd) },
        { 63, UINT64_C(0x4a83502f77d15051), UINT64_C(0x7cbd3f979a063e50) },
    };
    uint8_t bytes[64];
    for (uint8_t n = 0; n < 64; n++) bytes[n] = n;
    for (size_t n = 0; n < sizeof vectors / sizeof *vectors; n++) {
        struct hash128 h = hash128_stable(slice_from(bytes, vectors[n].length));
        assert_int_equal(h.high, vectors[n].high);
        assert_int_equal(h.low, vectors[n].low);
    }
}

static void the_process_hash_differs_from_the_stable_one_and_stays(void **)
{
    struct hash128 h = hash128_of(slice_of("call_1"));
    assert_true(hash128_equal(h, hash128_of(slice_of("call_1"))));
    assert_false(hash128_equal(h, hash128_stable(slice_of("call_1"))));
    assert_false(hash128_equal(h, hash128_of(slice_of("call_2"))));
}

static void a_mix_depends_on_both_and_on_their_order(void **)
{
    struct hash128 a = hash128_stable(slice_of("tenant")), b = hash128_stable(slice_of("call"));
    struct hash128 ab = hash128_mix(a, b);
    assert_false(hash128_equal(ab, hash128_mix(b, a)));
    assert_false(hash128_equal(ab, hash128_mix(a, a)));
    assert_false(hash128_equal(ab, hash128_mix(b, b)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(holds_its_capacity_and_refuses_one_more),
        cmocka_unit_test(a_removal_hides_nothing_behind_it),
        cmocka_unit_test(any_history_leaves_it_equal_to_a_plain_table),
        cmocka_unit_test(the_stable_hash_is_siphash_and_never_changes),
        cmocka_unit_test(the_process_hash_differs_from_the_stable_one_and_stays),
        cmocka_unit_test(a_mix_depends_on_both_and_on_their_order),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
