/* What the simulated Retell promises: bodies that are JSON of the asked size and say what was agreed, the same for the same seed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "base/json.h"
#include "sim/call_script.h"

static char memory[2 << 20];
static struct heap heap = { .budget_bytes = 64 << 20 };

static const struct call_script booked = { .call_id = slice_of("call_1"), .agent_id = slice_of("agent_1"), .from_number = slice_of("+491713920001"), .to_number = slice_of("+493023125001"),
                                           .started_at_ms = 1'780'000'000'123, .duration_ms = 61'000, .date = slice_of("2025-10-21"), .time = slice_of("14:00"),
                                           .name = slice_of("Maria \"Muster\""), .service = slice_of("Herrenhaarschnitt"), .seed = 7 };

static struct json_document *printed(const struct call_script *s, enum call_event e, size_t *length)
{
    struct buffer b = buffer_over(memory, sizeof memory);
    struct json_error error;
    call_script_print(&b, s, e);
    assert_false(b.overflowed);
    if (length) *length = b.length;
    struct json_document *d = json_parse(buffer_slice(&b), &heap, &error);
    assert_non_null(d);
    return d;
}

static void every_event_is_json_with_its_name_and_call(void **)
{
    for (uint8_t e = 0; e < SCRIPT_EVENTS; e++) {
        struct json_document *d = printed(&booked, (enum call_event)e, nullptr);
        assert_true(slice_equal(json_get_text(json_root(d), "event"), slice_from_text(call_event_name((enum call_event)e))));
        assert_true(slice_equal(json_get_text(json_get(json_root(d), "call"), "call_id"), slice_of("call_1")));
        json_release(d, &heap);
    }
}

static void the_analysis_says_what_was_agreed(void **)
{
    struct json_document *d = printed(&booked, SCRIPT_ANALYZED, nullptr);
    const struct json_value *agreed = json_get(json_get(json_get(json_root(d), "call"), "call_analysis"), "custom_analysis_data");
    bool confirmed = false;
    assert_true(json_boolean(json_get(agreed, "booking_confirmed"), &confirmed) && confirmed);
    assert_true(slice_equal(json_get_text(agreed, "datum"), slice_of("2025-10-21")));
    assert_true(slice_equal(json_get_text(agreed, "uhrzeit"), slice_of("14:00")));
    assert_true(slice_equal(json_get_text(agreed, "name"), slice_of("Maria \"Muster\"")));
    assert_true(slice_equal(json_get_text(agreed, "dienstleistung"), slice_of("Herrenhaarschnitt")));
    json_release(d, &heap);
}

static void a_call_that_agreed_on_nothing_says_so(void **)
{
    struct call_script s = booked;
    s.date = slice_absent;
    struct json_document *d = printed(&s, SCRIPT_ANALYZED, nullptr);
    const struct json_value *agreed = json_get(json_get(json_get(json_root(d), "call"), "call_analysis"), "custom_analysis_data");
    bool confirmed = true;
    assert_true(json_boolean(json_get(agreed, "booking_confirmed"), &confirmed) && !confirmed);
    assert_true(slice_is_absent(json_get_text(agreed, "datum")));
    json_release(d, &heap);
}

static void bodies_have_about_the_asked_size(void **)
{
    for (uint32_t wanted = 2'000; wanted <= 512'000; wanted *= 4) {
        struct call_script s = booked;
        size_t length;
        s.body_bytes = wanted;
        json_release(printed(&s, SCRIPT_ENDED, &length), &heap);
        assert_in_range(length, wanted * 7 / 10, wanted * 13 / 10 + 1'000);
    }
}

static void ids_are_of_retells_shape_and_differ(void **)
{
    char one[CALL_ID_BYTES + 1], other[CALL_ID_BYTES + 1];
    struct prng dice = { 1 };
    call_script_make_id(one, &dice);
    call_script_make_id(other, &dice);
    assert_int_equal(strlen(one), CALL_ID_BYTES);
    assert_string_not_equal(one, other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_event_is_json_with_its_name_and_call),
        cmocka_unit_test(the_analysis_says_what_was_agreed),
        cmocka_unit_test(a_call_that_agreed_on_nothing_says_so),
        cmocka_unit_test(bodies_have_about_the_asked_size),
        cmocka_unit_test(ids_are_of_retells_shape_and_differ),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
