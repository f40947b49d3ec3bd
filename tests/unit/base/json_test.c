/* What JSON promises: outside text is either understood strictly or refused; what is written can always be read. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include "base/json.h"

#define assert_text(s, literal) assert_true(slice_equal((s), slice_of(literal)))

static struct heap heap;

static int fresh_heap(void **)
{
    heap_init(&heap, 256 << 20);
    return 0;
}

static int nothing_leaks(void **) { return heap.used_bytes == 0 ? 0 : -1; }

static struct json_document *parsed(struct slice text)
{
    struct json_error error;
    struct json_document *d = json_parse(text, &heap, &error);
    if (!d) fail_msg("%s at %zu in " SLICE_FORMAT, error.message, error.offset, slice_print(text));
    assert_int_equal(error.status, JSON_OK);
    return d;
}

static struct json_error refused(struct slice text)
{
    struct json_error error;
    struct json_document *d = json_parse(text, &heap, &error);
    assert_null(d);
    assert_int_not_equal(error.status, JSON_OK);
    assert_non_null(error.message);
    return error;
}

static void a_chain_of_getters_needs_no_checks(void **)
{
    struct json_document *d = parsed(slice_of("{\"call\":{\"analysis\":null,\"id\":\"c\",\"list\":[1]}}"));
    const struct json_value *call = json_get(json_root(d), "call");
    assert_text(json_get_text(call, "id"), "c");

    const struct json_value *lost[] = {
        nullptr,
        json_get(call, "analysis"),
        json_get(json_get(call, "analysis"), "x"),
        json_get(json_get(json_get(nullptr, "x"), "y"), "z"),
        json_get(json_get(call, "id"), "x"),
        json_get(json_get(call, "list"), "0"),
    };
    for (size_t n = 0; n < sizeof lost / sizeof *lost; n++) {
        int64_t integer;
        double real;
        bool boolean;
        assert_true(slice_is_absent(json_text(lost[n])));
        assert_false(json_integer(lost[n], &integer) || json_real(lost[n], &real) || json_boolean(lost[n], &boolean));
        assert_int_equal(json_length(lost[n]), 0);
        struct json_iterator i = json_each(lost[n]);
        const struct json_value *value;
        assert_false(json_next(&i, nullptr, &value));
    }
    assert_int_equal(json_type_of(json_get(call, "analysis")), JSON_NULL);
    assert_int_equal(json_type_of(json_get(call, "nothing")), JSON_ABSENT);
    json_release(d, &heap);
}

static void the_first_of_two_equal_keys_wins(void **)
{
    struct json_document *d = parsed(slice_of("{\"a\":1,\"b\":2,\"a\":3}"));
    int64_t value;
    assert_true(json_integer(json_get(json_root(d), "a"), &value));
    assert_int_equal(value, 1);
    assert_int_equal(json_length(json_root(d)), 3); /* and none is lost to who walks them */
    json_release(d, &heap);
}

static void one_walk_finds_the_first_of_each_key_in_any_order(void **)
{
    struct json_document *d = parsed(slice_of("{\"a\":1,\"x\":0,\"b\":2,\"a\":3,\"\":4,\"ab\":5,\"b\":6,\"\\u0063\":7}"));
    const struct slice in_order[] = { slice_of("a"), slice_of("b"), slice_of("ab"), slice_of("c"), slice_of("d") };
    const struct slice backwards[] = { slice_of("d"), slice_of("c"), slice_of("ab"), slice_of("b"), slice_of("a") };
    static const int64_t expected[] = { 1, 2, 5, 7 };
    const struct json_value *forth[5], *back[5];
    json_find_each(json_root(d), in_order, 5, forth);
    json_find_each(json_root(d), backwards, 5, back);
    for (int n = 0; n < 4; n++) {
        int64_t value;
        assert_true(json_integer(forth[n], &value));
        assert_int_equal(value, expected[n]);
        assert_ptr_equal(forth[n], json_find(json_root(d), in_order[n]));
        assert_ptr_equal(forth[n], back[4 - n]);
    }
    assert_null(forth[4]);
    assert_null(back[0]);
    json_release(d, &heap);
}

static void only_an_object_has_members_to_find(void **)
{
    static const char *const others[] = { "[\"a\",\"\"]", "{}", "\"a\"", "null" };
    const struct slice keys[] = { slice_of("a"), slice_of("") };
    for (size_t n = 0; n <= sizeof others / sizeof *others; n++) {
        struct json_document *d = n > 0 ? parsed(slice_from_text(others[n - 1])) : nullptr;
        const struct json_value *values[] = { json_root(d), json_root(d) };
        json_find_each(json_root(d), keys, 2, values);
        assert_null(values[0]);
        assert_null(values[1]);
        json_release(d, &heap);
    }
}

static void an_integer_is_what_is_integral_and_fits(void **)
{
    static const struct { struct slice text; bool good; int64_t value; } table[] = {
        { slice_of("0"), true, 0 },
        { slice_of("-0"), true, 0 },
        { slice_of("35.0"), true, 35 },
        { slice_of("1e3"), true, 1000 },
        { slice_of("9223372036854775807"), true, INT64_MAX },
        { slice_of("-9223372036854775808"), true, INT64_MIN },
        { slice_of("9223372036854775808"), false, 0 },
        { slice_of("18446744073709551615"), false, 0 },
        { slice_of("9223372036854775808.0"), false, 0 },
        { slice_of("-1e300"), false, 0 },
        { slice_of("35.3"), false, 0 },
        { slice_of("\"1\""), false, 0 },
        { slice_of("true"), false, 0 },
    };
    for (size_t n = 0; n < sizeof table / sizeof *table; n++) {
        struct json_document *d = parsed(table[n].text);
        int64_t value = 7;
        assert_int_equal(json_integer(json_root(d), &value), table[n].good);
        assert_int_equal(value, table[n].good ? table[n].value : 7);
        json_release(d, &heap);
    }
}

static void a_walk_sees_every_item_in_order(void **)
{
    struct json_document *d = parsed(slice_of("{\"a\":[1,[2],{}],\"\":null,\"c\":{\"d\":4}}"));
    struct json_iterator i = json_each(json_root(d));
    struct slice key;
    const struct json_value *value;
    assert_true(json_next(&i, &key, &value));
    assert_text(key, "a");
    assert_int_equal(json_length(value), 3);
    struct json_iterator inner = json_each(value);
    static const enum json_type types[] = { JSON_NUMBER, JSON_ARRAY, JSON_OBJECT };
    for (int n = 0; n < 3; n++) {
        const struct json_value *item;
        assert_true(json_next(&inner, &key, &item));
        assert_true(slice_is_absent(key));
        assert_int_equal(json_type_of(item), types[n]);
    }
    assert_false(json_next(&inner, nullptr, &value));
    assert_true(json_next(&i, &key, &value));
    assert_false(slice_is_absent(key));
    assert_text(key, "");
    assert_int_equal(json_type_of(value), JSON_NULL);
    assert_true(json_next(&i, &key, &value));
    assert_text(key, "c");
    assert_false(json_next(&i, &key, &value));
    json_release(d, &heap);
}

static struct slice nested(uint32_t depth, bool objects)
{
    static char text[8 << 20];
    struct buffer b = buffer_over(text, sizeof text);
    for (uint32_t n = 0; n < depth; n++) buffer_add(&b, objects ? slice_of("{\"a\":") : slice_of("["));
    buffer_add(&b, objects ? slice_of("1") : slice_of(""));
    for (uint32_t n = 0; n < depth; n++) buffer_add_byte(&b, objects ? '}' : ']');
    assert_false(b.overflowed);
    return buffer_slice(&b);
}

static void depth_is_bounded_and_a_bomb_is_refused(void **)
{
    for (int objects = 0; objects < 2; objects++) {
        struct slice text = nested(json_depth_max, objects);
        struct json_document *d = parsed(text);
        char memory[1024];
        struct buffer b = buffer_over(memory, sizeof memory);
        json_print(&b, json_root(d));
        assert_true(slice_equal(buffer_slice(&b), text));
        json_release(d, &heap);
        assert_int_equal(refused(nested(json_depth_max + 1, objects)).status, JSON_MALFORMED);
        assert_int_equal(refused(nested(1'000'000, objects)).status, JSON_MALFORMED);
    }
    struct slice half = nested(json_depth_max / 2, true);
    char thrice[1024];
    struct buffer b = buffer_over(thrice, sizeof thrice);
    buffer_print(&b, "[" SLICE_FORMAT ",1," SLICE_FORMAT ",1," SLICE_FORMAT "]", slice_print(half), slice_print(half), slice_print(half));
    assert_false(b.overflowed);
    json_release(parsed(buffer_slice(&b)), &heap); /* what stands side by side is not deep */
    struct json_document *wide = parsed(slice_of("[[[]],[[]],[[]],[[]],[[]],[[]],[[]],[[]],[[]],[[]],[[]],[[]],[[]],[[]],[[]],[[]],[[]],[[]],[[]],[[]],"
                                                 "[[]],[[]],[[]],[[]],[[]],[[]],[[]],[[]],[[]],[[]],[[]],[[]],[[]],[[]],[[]],[[]],[[]],[[]],[[]]]"));
    assert_int_equal(json_length(json_root(wide)), 39); /* many containers, but never deep */
    json_release(wide, &heap);
}

static void the_budget_bounds_the_document(void **)
{
    struct slice text = nested(10'000, false);
    heap_init(&heap, 20'000);
    assert_int_equal(refused(text).status, JSON_NO_MEMORY);
    assert_int_equal(heap.used_bytes, 0);
    assert_true(heap.refused > 0);
}

static void what_is_not_strict_json_is_refused(void **)
{
    static const struct slice bad[] = {
        { nullptr, 0 }, slice_of(""), slice_of(" "), slice_of("{"), slice_of("[1,]"), slice_of("{\"a\":1,}"), slice_of("{a:1}"), slice_of("'a'"),
        slice_of("[1] x"), slice_of("[1][2]"), slice_of("NaN"), slice_of("Infinity"), slice_of("01"), slice_of("+1"), slice_of(".5"), slice_of("1."),
        slice_of("0x1"), slice_of("1e999"), slice_of("// c\n1"), slice_of("\"\n\""), slice_of("\"\t\""), slice_of("\"\\x\""), slice_of("\"\\u12\""),
        slice_of("\"a"), slice_of("tru"), slice_of("\0"), slice_of("[1,\0]"), slice_of("\"\0\""), slice_of("\xef\xbb\xbf{}"),
        /* UTF-8: lone continuation, overlong, surrogate, past U+10FFFF, cut short; and surrogates that are escaped but alone */
        slice_of("\"\x80\""), slice_of("\"\xc0\xaf\""), slice_of("\"\xe0\x80\xaf\""), slice_of("\"\xed\xa0\x80\""), slice_of("\"\xf4\x90\x80\x80\""),
        slice_of("\"\xc3\""), slice_of("\"\xf0\x9f\x91\""), slice_of("\"\xff\""), slice_of("\"\\ud800\""), slice_of("\"\\udc00\\ud800\""),
    };
    for (size_t n = 0; n < sizeof bad / sizeof *bad; n++) {
        struct json_error error;
        struct json_document *d = json_parse(bad[n], &heap, &error);
        if (d) fail_msg("accepted: " SLICE_FORMAT, slice_print(bad[n]));
        assert_int_equal(error.status, JSON_MALFORMED);
    }
    assert_int_equal(refused(slice_of("[1,2,x]")).offset, 5);
}

static void escapes_become_text_and_text_becomes_escapes(void **)
{
    struct json_document *d = parsed(slice_of("\"\\u00e4\\ud83d\\udc4d \\\"\\\\\\/\\b\\f\\n\\r\\t\\u0000\\u001f\u007f\""));
    struct slice text = json_text(json_root(d));
    assert_text(text, "ä👍 \"\\/\b\f\n\r\t\0\x1f\x7f");

    char memory[128];
    struct buffer b = buffer_over(memory, sizeof memory);
    json_print(&b, json_root(d));
    assert_text(buffer_slice(&b), "\"ä👍 \\\"\\\\/\\u0008\\u000c\\n\\r\\t\\u0000\\u001f\x7f\"");
    json_release(d, &heap);
}

static void assert_reads_back(char byte, size_t place, size_t length)
{
    char text[20], memory[64];
    memset(text, byte == 'x' ? '!' : 'x', length);
    text[place] = byte;
    struct buffer b = buffer_over(memory, sizeof memory);
    struct json_writer w = json_writer_over(&b);
    json_add_text(&w, nullptr, slice_from(text, length));
    struct json_document *d = parsed(buffer_slice(&b));
    assert_true(slice_equal(json_text(json_root(d)), slice_from(text, length)));
    json_release(d, &heap);
}

/* Wherever it stands among eight bytes that are looked at together, and whatever stands beside it. */
static void every_byte_at_every_place_reads_back_as_it_was(void **)
{
    for (unsigned byte = 0; byte < 0x80; byte++) {
        for (size_t length = 1; length <= 20; length++)
            for (size_t place = 0; place < length; place++) assert_reads_back((char)byte, place, length);
    }
}

static void invalid_bytes_are_written_as_the_replacement_character(void **)
{
    char memory[128];
    struct buffer b = buffer_over(memory, sizeof memory);
    struct json_writer w = json_writer_over(&b);
    json_add_text(&w, nullptr, slice_of("a\xff\xc3(\xed\xa0\x80ü\xf0\x9f\x91"));
    assert_text(buffer_slice(&b), "\"a\ufffd\ufffd(\ufffd\ufffd\ufffdü\ufffd\ufffd\ufffd\"");
    json_release(parsed(buffer_slice(&b)), &heap);
}

static void the_writer_places_commas_and_keys(void **)
{
    char memory[512];
    struct buffer b = buffer_over(memory, sizeof memory);
    struct json_writer w = json_writer_over(&b);
    struct json_document *d = parsed(slice_of("{\"x\":[1,2.5,{\"y\":null}]}"));

    json_begin_object(&w, nullptr);
    json_add_text(&w, "text", slice_of("a\"b"));
    json_add_text(&w, "absent", slice_absent);
    json_add_text(&w, "empty", slice_of(""));
    json_begin_array(&w, "list");
    json_add_integer(&w, nullptr, INT64_MIN);
    json_add_unsigned(&w, nullptr, UINT64_MAX);
    json_begin_object(&w, nullptr);
    json_end_object(&w);
    json_add_boolean(&w, nullptr, true);
    json_end_array(&w);
    json_add_key(&w, slice_of("a key\n"));
    json_begin_array(&w, nullptr);
    json_end_array(&w);
    json_add_real(&w, "nan", NAN);
    json_add_value(&w, "value", json_root(d));
    json_add_value(&w, "no_value", nullptr);
    json_add_raw(&w, "raw", slice_of("[1]"));
    json_end_object(&w);
    json_release(d, &heap);

    assert_text(buffer_slice(&b),
                "{\"text\":\"a\\\"b\",\"absent\":null,\"empty\":\"\",\"list\":[-9223372036854775808,18446744073709551615,{},true],"
                "\"a key\\n\":[],\"nan\":null,\"value\":{\"x\":[1,2.5,{\"y\":null}]},\"no_value\":null,\"raw\":[1]}");
}

static void reals_read_back_as_the_same_number(void **)
{
    static const struct { double value; struct slice text; } table[] = {
        { 0.1, slice_of("0.1") }, { 35.3, slice_of("35.3") }, { 1.0 / 3, slice_of("0.3333333333333333") }, { 5e-324, slice_of("4.94065645841247e-324") },
        { 7.66, slice_of("7.66") }, { 1050, slice_of("1050") }, { 0.005, slice_of("0.005") }, { -1.25, slice_of("-1.25") }, { 100.01, slice_of("100.01") },
        { 999'999'999'999.999, slice_of("999999999999.999") }, { 1e12, slice_of("1000000000000") }, { 0.0005, slice_of("0.0005") }, { 1e-7, slice_of("1e-07") },
        { 1e300, slice_of("1e+300") }, { 0.1 + 0.2, slice_of("0.30000000000000004") }, { -2, slice_of("-2") }, { -0.0, slice_of("0") },
    };
    for (size_t n = 0; n < sizeof table / sizeof *table; n++) {
        char memory[64];
        struct buffer b = buffer_over(memory, sizeof memory);
        struct json_writer w = json_writer_over(&b);
        json_add_real(&w, nullptr, table[n].value);
        assert_true(slice_equal(buffer_slice(&b), table[n].text));
        struct json_document *d = parsed(buffer_slice(&b));
        double value;
        assert_true(json_real(json_root(d), &value) && value == table[n].value);
        json_release(d, &heap);
    }
}

static void prices_are_written_as_printf_writes_them(void **)
{
    for (int64_t thousandths = -1'002'003; thousandths < 100'000'000'000'000; thousandths += 1 + llabs(thousandths) / 1009) {
        char memory[64], expected[64];
        struct buffer b = buffer_over(memory, sizeof memory);
        struct json_writer w = json_writer_over(&b);
        json_add_real(&w, nullptr, (double)thousandths / 1000);
        snprintf(expected, sizeof expected, "%.15g", (double)thousandths / 1000);
        assert_true(slice_equal(buffer_slice(&b), slice_from_text(expected)));
    }
}

#define promise(test) cmocka_unit_test_setup_teardown(test, fresh_heap, nothing_leaks)

int main(void)
{
    const struct CMUnitTest tests[] = {
        promise(a_chain_of_getters_needs_no_checks),
        promise(the_first_of_two_equal_keys_wins),
        promise(one_walk_finds_the_first_of_each_key_in_any_order),
        promise(only_an_object_has_members_to_find),
        promise(an_integer_is_what_is_integral_and_fits),
        promise(a_walk_sees_every_item_in_order),
        promise(depth_is_bounded_and_a_bomb_is_refused),
        promise(the_budget_bounds_the_document),
        promise(what_is_not_strict_json_is_refused),
        promise(escapes_become_text_and_text_becomes_escapes),
        promise(every_byte_at_every_place_reads_back_as_it_was),
        promise(invalid_bytes_are_written_as_the_replacement_character),
        promise(the_writer_places_commas_and_keys),
        promise(reals_read_back_as_the_same_number),
        promise(prices_are_written_as_printf_writes_them),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
