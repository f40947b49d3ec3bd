/* What a bent answer is: each kind breaks what it says and nothing else. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "base/json.h"
#include "sim/garble.h"

static const char answer[] = "{\"status\":\"success\",\"data\":{\"id\":4001,\"uid\":\"a\\\"1,2\",\"hosts\":[{\"id\":42,\"name\":\"N\"}],\"ratio\":-1.5e3,\"metadata\":{\"n\":\"7\"}}}";

struct bent { struct buffer text; struct heap heap; struct json_document *document; struct json_error error; };

static struct bent bend(enum sim_garble g)
{
    size_t capacity = garble_bytes_max(g, sizeof answer - 1);
    struct bent b = { .text = buffer_over(malloc(capacity), capacity) };
    heap_init(&b.heap, 64 << 20);
    garble_print(&b.text, g, slice_from_text(answer));
    assert_false(b.text.overflowed);
    b.document = json_parse(buffer_slice(&b.text), &b.heap, &b.error);
    return b;
}

static void drop(struct bent *b)
{
    json_release(b->document, &b->heap);
    free(b->text.start);
}

static void bytes_that_are_no_text_and_deep_nesting_cannot_be_read(void **)
{
    for (enum sim_garble g = SIM_GARBLE_UTF8; g <= SIM_GARBLE_NESTING; g++) {
        struct bent b = bend(g);
        assert_null(b.document);
        assert_int_equal(b.error.status, JSON_MALFORMED);
        drop(&b);
    }
}

static void a_huge_answer_is_still_true(void **)
{
    struct bent b = bend(SIM_GARBLE_HUGE);
    assert_true(b.text.length > 5'000'000);
    assert_true(slice_equal(json_get_text(json_root(b.document), "status"), slice_of("success")));
    assert_int_equal(json_get_text(json_root(b.document), "more").length, 5'000'000);
    drop(&b);
}

static void doubled_keys_stand_first_as_null_in_the_answer_and_its_data(void **)
{
    struct bent b = bend(SIM_GARBLE_DOUBLED_KEYS);
    const struct json_value *root = json_root(b.document), *data = nullptr, *value;
    struct slice key;
    assert_int_equal(json_length(root), 4);
    assert_int_equal(json_type_of(json_get(root, "status")), JSON_NULL);
    for (struct json_iterator each = json_each(root); json_next(&each, &key, &value);) data = value; /* the last one is the true data */
    assert_int_equal(json_length(data), 10);
    assert_int_equal(json_type_of(json_get(data, "uid")), JSON_NULL);
    assert_true(strstr(b.text.start, "\"metadata\":{\"n\":\"7\"}") != nullptr);
    drop(&b);
}

static void numbers_become_texts_and_texts_stay(void **)
{
    struct bent b = bend(SIM_GARBLE_NUMBERS);
    const struct json_value *data = json_get(json_root(b.document), "data");
    assert_true(slice_equal(json_get_text(data, "id"), slice_of("4001")));
    assert_true(slice_equal(json_get_text(data, "ratio"), slice_of("-1.5e3")));
    assert_true(slice_equal(json_get_text(data, "uid"), slice_of("a\"1,2")));
    drop(&b);
}

static void the_hosts_id_is_unknown(void **)
{
    struct bent b = bend(SIM_GARBLE_HOST_ID);
    struct json_iterator hosts = json_each(json_get(json_get(json_root(b.document), "data"), "hosts"));
    const struct json_value *host = nullptr;
    assert_true(json_next(&hosts, nullptr, &host));
    assert_true(slice_equal(json_get_text(host, "id"), slice_of("unknown")));
    assert_true(slice_equal(json_get_text(host, "name"), slice_of("N")));
    drop(&b);
}

static void what_is_no_json_stays_as_it_is(void **)
{
    char memory[64];
    for (enum sim_garble g = SIM_GARBLE_NOTHING; g <= SIM_GARBLE_HOST_ID; g++) {
        struct buffer b = buffer_over(memory, sizeof memory);
        garble_print(&b, g, slice_of("<html>502</html>"));
        assert_true(slice_equal(buffer_slice(&b), slice_of("<html>502</html>")));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_that_are_no_text_and_deep_nesting_cannot_be_read),
        cmocka_unit_test(a_huge_answer_is_still_true),
        cmocka_unit_test(doubled_keys_stand_first_as_null_in_the_answer_and_its_data),
        cmocka_unit_test(numbers_become_texts_and_texts_stay),
        cmocka_unit_test(the_hosts_id_is_unknown),
        cmocka_unit_test(what_is_no_json_stays_as_it_is),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
