/* What lists promise: order, and a node that knows whether it is on one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "base/list.h"

struct thing { int value; struct list_node node; };

static void keeps_order_through_pushes_at_both_ends_and_removal(void **)
{
    struct list l;
    struct thing things[4] = { { .value = 0 }, { .value = 1 }, { .value = 2 }, { .value = 3 } };
    list_init(&l);
    assert_null(list_pop_front(&l));
    list_push_back(&l, &things[1].node);
    list_push_back(&l, &things[2].node);
    list_push_front(&l, &things[0].node);
    list_push_back(&l, &things[3].node);
    assert_int_equal(l.count, 4);

    list_remove(&l, &things[2].node);
    assert_false(list_node_is_linked(&things[2].node));
    static const int left[] = { 0, 1, 3 };
    size_t at = 0;
    for (struct list_node *n = list_first(&l); n; n = list_next(&l, n)) assert_int_equal(container_of(n, struct thing, node)->value, left[at++]);
    assert_int_equal(at, 3);

    while (list_pop_front(&l)) continue;
    assert_true(list_is_empty(&l));
    for (int n = 0; n < 4; n++) assert_false(list_node_is_linked(&things[n].node));
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(keeps_order_through_pushes_at_both_ends_and_removal) };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
