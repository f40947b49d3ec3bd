/* What a booking's words promise: the same call always asks with the same bytes, no two tenants or people ever share a reference or an address, and what
 * does not fit is refused instead of being cut. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#include "base/json.h"
#include "call/booking_request.h"
#include "tests/unit/call/tenants.h"

static const struct e164 caller = { "+491701234567" }, withheld = {};

static struct booking_person person(void)
{
    return (struct booking_person){ .company_id = 3, .workspace_id = 4, .customer_id = 17, .call_id = slice_of("call_0a1b"), .caller = &caller };
}

static struct booking_facts facts(void)
{
    return (struct booking_facts){ .confirmed = true, .date = slice_of("2026-03-12"), .time = slice_of("10:30"), .name = slice_of("Zoe \"Zed\" Kraft"), .service = slice_of("Haarschnitt") };
}

static struct after_call decision(void)
{
    return (struct after_call){ .wish = AFTER_CALL_BOOK, .service = &salon_services[0], .staff = &salon_staff[0], .calcom_event_type_id = 501,
                                .starts_at_us = INT64_C(1'773'307'800'000'000), .ends_at_us = INT64_C(1'773'309'600'000'000) };
}

static bool put_into_words(struct booking_request *r, struct booking_person p, struct booking_facts f)
{
    struct after_call a = decision();
    memset(r, 0, sizeof *r);
    booking_request_name(r, &p);
    return booking_request_write(r, &p, &salon_branches[0], &f, &a);
}

static struct booking_request written(struct booking_person p, struct booking_facts f)
{
    struct booking_request r;
    assert_true(put_into_words(&r, p, f));
    return r;
}

/* The text at a path of up to two keys. */
static void read_text(const char *json, const char *outer, const char *key, char *text, size_t room)
{
    struct heap heap;
    heap_init(&heap, 256 * 1024);
    struct json_error error;
    struct json_document *d = json_parse(slice_from_text(json), &heap, &error);
    assert_non_null(d);
    const struct json_value *at = outer ? json_get(json_root(d), outer) : json_root(d);
    snprintf(text, room, SLICE_FORMAT, slice_print(json_get_text(at, key)));
    json_release(d, &heap);
}

static void expect_text(const char *json, const char *outer, const char *key, const char *wanted)
{
    char text[512];
    read_text(json, outer, key, text, sizeof text);
    assert_string_equal(text, wanted);
}

static void the_same_call_asks_with_the_same_bytes(void **)
{
    struct booking_request one = written(person(), facts()), two = written(person(), facts());
    assert_memory_equal(&one, &two, sizeof one);
}

static void a_request_says_who_when_and_whose_it_is(void **)
{
    struct booking_request r = written(person(), facts());
    assert_string_equal(r.operation_key, "after_call:call_0a1b");
    assert_string_equal(r.calendar, "user:901");
    expect_text(r.payload, nullptr, "start", "2026-03-12T09:30:00Z");
    expect_text(r.payload, "attendee", "name", "Zoe \"Zed\" Kraft");
    expect_text(r.payload, "attendee", "timeZone", "Europe/Berlin");
    expect_text(r.payload, "attendee", "phoneNumber", caller.text);
    expect_text(r.payload, "metadata", "engineRef", r.reference);
    expect_text(r.attendee, nullptr, "name", "Zoe \"Zed\" Kraft");
    expect_text(r.attendee, nullptr, "time_zone", "Europe/Berlin");
}

static void a_request_never_asks_to_ignore_conflicts(void **)
{
    struct booking_request r = written(person(), facts());
    assert_null(strstr(r.payload, "allowConflicts"));
    assert_null(strstr(r.payload, "allowBookingOutOfBounds"));
    assert_null(strstr(r.payload, "overrideAvailability"));
}

static void a_reference_is_short_and_says_nothing(void **)
{
    struct booking_request r = written(person(), facts());
    assert_int_equal(strlen(r.reference), 35);
    assert_memory_equal(r.reference, "rm-", 3);
    assert_null(strstr(r.reference, "0a1b"));
}

static void no_two_tenants_workspaces_or_calls_share_a_reference(void **)
{
    struct booking_person all[] = { person(), person(), person(), person(), person() };
    all[1].company_id = 33;
    all[2].workspace_id = 44;
    all[3].call_id = slice_of("call_0a1c");
    all[4].company_id = 34, all[4].workspace_id = 4; /* "34" and "4" against "3" and "44" */
    struct booking_request r[5];
    for (int n = 0; n < 5; n++) r[n] = written(all[n], facts());
    for (int a = 0; a < 5; a++)
        for (int b = 0; b < a; b++) assert_string_not_equal(r[a].reference, r[b].reference);
}

static void customers_without_an_address_never_share_one(void **)
{
    struct booking_person other = person(), elsewhere = person();
    other.customer_id = 18;
    elsewhere.company_id = 5;
    char one[512], two[512], three[512];
    read_text(written(person(), facts()).payload, "attendee", "email", one, sizeof one);
    read_text(written(other, facts()).payload, "attendee", "email", two, sizeof two);
    read_text(written(elsewhere, facts()).payload, "attendee", "email", three, sizeof three);
    assert_string_not_equal(one, two);
    assert_string_not_equal(one, three);
    assert_non_null(strstr(one, "@ringmaster.invalid"));
}

static void an_address_that_was_given_is_used_and_nonsense_is_not(void **)
{
    struct booking_facts f = facts();
    f.email = slice_of("zoe@example.com");
    expect_text(written(person(), f).payload, "attendee", "email", "zoe@example.com");
    static const char *const nonsense[] = { "zoe at example dot com", "zoe@", "@example.com", "zoe@localhost", "zoe k@example.com" };
    for (size_t n = 0; n < sizeof nonsense / sizeof *nonsense; n++) {
        char email[512];
        f.email = slice_from_text(nonsense[n]);
        read_text(written(person(), f).payload, "attendee", "email", email, sizeof email);
        assert_non_null(strstr(email, "@ringmaster.invalid"));
    }
}

static void a_withheld_number_is_left_out(void **)
{
    struct booking_person p = person();
    p.caller = &withheld;
    struct booking_request r = written(p, facts());
    assert_null(strstr(r.payload, "phoneNumber"));
}

static void a_name_that_does_not_fit_is_refused_and_not_cut(void **)
{
    char name[201];
    memset(name, 'x', sizeof name);
    struct booking_facts f = facts();
    struct booking_request r;
    f.name = slice_from(name, 200);
    assert_true(put_into_words(&r, person(), f));
    f.name = slice_from(name, 201);
    assert_false(put_into_words(&r, person(), f));
}

static void the_longest_of_everything_fits_or_is_refused_whole(void **)
{
    char name[200], email[CALCOM_EMAIL_BYTES_MAX], id[call_id_bytes_max];
    memset(name, '"', sizeof name); /* two bytes each in JSON */
    memset(email, 'e', sizeof email);
    memcpy(email + sizeof email - 5, "@a.de", 5);
    memset(id, 'c', sizeof id);
    struct booking_facts f = facts();
    struct booking_person p = person();
    f.name = slice_from(name, sizeof name);
    f.email = slice_from(email, sizeof email);
    p.call_id = slice_from(id, sizeof id);
    struct booking_request r = written(p, f);
    assert_int_equal(strlen(r.operation_key), sizeof "after_call:" - 1 + call_id_bytes_max);
    expect_text(r.payload, "metadata", "engineRef", r.reference);
}

static void people_are_told_what_was_asked_for_and_what_is_missing(void **)
{
    struct booking_request r = {};
    struct booking_facts f = facts();
    struct after_call a = { .wish = AFTER_CALL_IMPOSSIBLE, .reason = "time_not_understood", .phrase = slice_of("halb \"drei\"") };
    booking_request_explain(&r, &salon_branches[1], &f, &a);
    expect_text(r.details, nullptr, "name", "Zoe \"Zed\" Kraft");
    expect_text(r.details, nullptr, "not_understood", "halb \"drei\"");
    assert_non_null(strstr(r.details, "no Cal.com event type"));
    assert_non_null(strstr(r.details, "no Retell agent id"));
    assert_null(strstr(r.details, "API key"));
}

static void the_longest_explanation_is_still_json_or_nothing(void **)
{
    char long_text[256];
    memset(long_text, '\x01', sizeof long_text); /* six bytes each in JSON */
    struct slice all = slice_from(long_text, sizeof long_text);
    struct booking_facts f = { .date = all, .time = all, .name = all, .service = all };
    struct booking_request r = {};
    booking_request_explain(&r, &salon_branches[1], &f, &(struct after_call){ .phrase = all });
    assert_int_equal(r.details[0], 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_same_call_asks_with_the_same_bytes),
        cmocka_unit_test(a_request_says_who_when_and_whose_it_is),
        cmocka_unit_test(a_request_never_asks_to_ignore_conflicts),
        cmocka_unit_test(a_reference_is_short_and_says_nothing),
        cmocka_unit_test(no_two_tenants_workspaces_or_calls_share_a_reference),
        cmocka_unit_test(customers_without_an_address_never_share_one),
        cmocka_unit_test(an_address_that_was_given_is_used_and_nonsense_is_not),
        cmocka_unit_test(a_withheld_number_is_left_out),
        cmocka_unit_test(a_name_that_does_not_fit_is_refused_and_not_cut),
        cmocka_unit_test(the_longest_of_everything_fits_or_is_refused_whole),
        cmocka_unit_test(people_are_told_what_was_asked_for_and_what_is_missing),
        cmocka_unit_test(the_longest_explanation_is_still_json_or_nothing),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
