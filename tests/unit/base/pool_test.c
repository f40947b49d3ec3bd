/* What pools promise: fixed size, zeroed slots, and handles that do not outlive what they point to. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>
#include "base/pool.h"

struct thing { char bytes[100]; };

static void a_handle_is_stale_once_its_slot_is_released(void **)
{
    struct pool p;
    pool_init(&p, "things", sizeof(struct thing), 1);
    void *first = pool_acquire(&p);
    struct handle h = pool_handle_of(&p, first);
    assert_ptr_equal(pool_find(&p, h), first);

    pool_release(&p, first);
    assert_null(pool_find(&p, h));
    void *second = pool_acquire(&p);
    assert_ptr_equal(second, first);
    assert_null(pool_find(&p, h)); /* the same slot, and yet another thing */
    assert_ptr_equal(pool_find(&p, pool_handle_of(&p, second)), second);
    pool_release(&p, second);
    pool_deinit(&p);
}

static void no_handle_finds_nothing(void **)
{
    struct pool p;
    pool_init(&p, "things", 64, 2);
    void *slot = pool_acquire(&p);
    assert_null(pool_find(&p, (struct handle){ 0, 0 }));
    assert_null(pool_find(&p, (struct handle){ 1, 0 })); /* never acquired: its generation is 0 as well */
    assert_null(pool_find(&p, (struct handle){ 2, 1 }));
    assert_null(pool_find(&p, (struct handle){ UINT32_MAX, 1 }));
    pool_release(&p, slot);
    pool_deinit(&p);
}

static void says_when_it_is_empty_and_counts_it(void **)
{
    struct pool p;
    pool_init(&p, "things", 1, 3);
    void *slots[3];
    for (int n = 0; n < 3; n++) assert_non_null(slots[n] = pool_acquire(&p));
    assert_null(pool_acquire(&p));
    assert_int_equal(p.exhausted, 1);
    pool_release(&p, slots[1]);
    assert_ptr_equal(pool_acquire(&p), slots[1]);
    for (int n = 0; n < 3; n++) pool_release(&p, slots[n]);
    assert_int_equal(p.used, 0);
    assert_int_equal(p.used_max, 3);
    pool_deinit(&p);
}

static void slots_come_zeroed_and_on_a_cache_line_of_their_own(void **)
{
    static const char zeros[sizeof(struct thing)];
    struct pool p;
    pool_init(&p, "things", sizeof(struct thing), 2);
    for (int round = 0; round < 2; round++) {
        char *a = pool_acquire(&p), *b = pool_acquire(&p);
        assert_int_equal((uintptr_t)a % 64 + (uintptr_t)b % 64, 0);
        assert_true(b - a >= 128 || a - b >= 128);
        assert_memory_equal(a, zeros, sizeof zeros);
        assert_memory_equal(b, zeros, sizeof zeros);
        memset(a, 0xff, sizeof(struct thing));
        memset(b, 0xff, sizeof(struct thing));
        pool_release(&p, a);
        pool_release(&p, b);
    }
    assert_true(pool_bytes(&p) >= 2 * 128);
    pool_deinit(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_handle_is_stale_once_its_slot_is_released),
        cmocka_unit_test(no_handle_finds_nothing),
        cmocka_unit_test(says_when_it_is_empty_and_counts_it),
        cmocka_unit_test(slots_come_zeroed_and_on_a_cache_line_of_their_own),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
