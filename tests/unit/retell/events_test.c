/* What decoding a webhook promises: whatever shape Retell gave it, the same facts come out; what is missing stays missing; nothing secret leaves. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>
#include "limits.h"
#include "retell/events.h"

static struct heap heap = { .budget_bytes = 64 * 1024 * 1024 };

static struct retell_event understood(const char *body)
{
    struct retell_event e;
    enum retell_reading r = retell_event_decode(&e, slice_from_text(body), &heap);
    if (r != RETELL_UNDERSTOOD) fail_msg("%s: %s", retell_reading_text(r), body);
    return e;
}

static void assert_reading(const char *body, enum retell_reading expected)
{
    struct retell_event e;
    uint64_t            used_bytes = heap.used_bytes;
    assert_int_equal(retell_event_decode(&e, slice_from_text(body), &heap), expected);
    if (expected == RETELL_UNDERSTOOD) retell_event_release(&e, &heap);
    assert_int_equal(heap.used_bytes, used_bytes);
}

static void assert_slice(struct slice s, const char *expected)
{
    if (!slice_equal(s, slice_from_text(expected))) fail_msg("\"" SLICE_FORMAT "\" is not \"%s\"", slice_print(s), expected);
}

static void assert_facts(const char *body, const char *expected)
{
    static char         memory[256 * 1024];
    struct buffer       json = buffer_over(memory, sizeof memory);
    struct retell_event e = understood(body);
    retell_event_facts(&e, &json);
    assert_slice(buffer_slice(&json), expected);
    retell_event_release(&e, &heap);
}

static void assert_dedupe(const char *body, const char *expected)
{
    char                memory[RETELL_DEDUPE_BYTES_MAX];
    struct buffer       dedupe = buffer_over(memory, sizeof memory);
    struct retell_event e = understood(body);
    retell_event_dedupe(&e, &dedupe);
    assert_slice(buffer_slice(&dedupe), expected);
    retell_event_release(&e, &heap);
}

static void every_event_has_its_kind_and_a_new_one_is_kept_as_unknown(void **)
{
    static const struct { const char *name; enum retell_event_kind kind; bool once; } table[] = {
        { "call_started", RETELL_CALL_STARTED, true },          { "call_ended", RETELL_CALL_ENDED, true },
        { "call_analyzed", RETELL_CALL_ANALYZED, true },        { "transfer_started", RETELL_TRANSFER_STARTED, false },
        { "transfer_bridged", RETELL_TRANSFER_BRIDGED, false }, { "transfer_cancelled", RETELL_TRANSFER_CANCELLED, false },
        { "transfer_ended", RETELL_TRANSFER_ENDED, false },     { "transcript_updated", RETELL_TRANSCRIPT_UPDATED, false },
        { "call_teleported", RETELL_UNKNOWN, false },
    };
    for (size_t n = 0; n < sizeof table / sizeof *table; n++) {
        char body[128];
        snprintf(body, sizeof body, "{\"event\":\"%s\",\"call\":{\"call_id\":\"c1\"}}", table[n].name);
        struct retell_event e = understood(body);
        assert_int_equal(e.kind, table[n].kind);
        assert_int_equal(e.once_per_call, table[n].once);
        assert_slice(e.name, table[n].name);
        retell_event_release(&e, &heap);
    }
}

static void flat_and_nested_envelopes_say_the_same(void **)
{
    const char *facts = "{\"call_status\":\"ended\",\"to_number\":\"+493023125001\",\"started_at_us\":1751450400000000,\"ended_at_us\":1751450461500000}";
    assert_facts("{\"event\":\"call_ended\",\"call\":{\"call_id\":\"c1\",\"call_status\":\"ended\",\"to_number\":\"+493023125001\","
                 "\"start_timestamp\":1751450400000,\"end_timestamp\":1751450461500}}", facts);
    assert_facts("{\"event\":\"call_ended\",\"call_id\":\"c1\",\"call_status\":\"ended\",\"to_number\":\"+493023125001\","
                 "\"start_timestamp\":\"2025-07-02T10:00:00Z\",\"end_timestamp\":\"2025-07-02T12:01:01.500+02:00\"}", facts);
    assert_facts("{\"event\":\"call_ended\",\"call_id\":\"c1\",\"call\":\"{\\\"call_status\\\":\\\"ended\\\",\\\"to_number\\\":\\\"+493023125001\\\","
                 "\\\"start_timestamp\\\":\\\"1751450400000\\\",\\\"end_timestamp\\\":1751450461500.0}\"}", facts);
    assert_facts("\"{\\\"event\\\":\\\"call_ended\\\",\\\"call\\\":{\\\"call_id\\\":\\\"c1\\\",\\\"call_status\\\":\\\"ended\\\",\\\"to_number\\\":\\\"+493023125001\\\","
                 "\\\"start_timestamp\\\":1751450400000,\\\"end_timestamp\\\":1751450461500}}\"", facts);
}

static void a_time_that_cannot_be_one_is_left_out(void **)
{
    static const char *const times[] = { "null", "0", "-1", "1e300", "9223372036854775807", "\"\"", "\"gestern\"", "\"2025-07-02T10:00:00\"", "\"99999999999999999999\"", "true", "[]" };
    for (size_t n = 0; n < sizeof times / sizeof *times; n++) {
        char body[128];
        snprintf(body, sizeof body, "{\"event\":\"call_ended\",\"call\":{\"call_id\":\"c1\",\"start_timestamp\":%s}}", times[n]);
        assert_facts(body, "{}");
    }
}

static void a_full_analysed_call_gives_all_its_facts_and_no_more(void **)
{
    assert_facts("{\"event\":\"call_analyzed\",\"call\":{\"call_id\":\"c1\",\"call_type\":\"web_call\",\"access_token\":\"secret\",\"agent_id\":\"agent_1\",\"agent_version\":0,"
                 "\"agent_name\":\"Front desk\",\"call_status\":\"ended\",\"direction\":\"inbound\",\"from_number\":\"anonymous\",\"to_number\":\"+493023125001\","
                 "\"start_timestamp\":1780000000123,\"end_timestamp\":1780000035423,\"duration_ms\":35300,\"disconnection_reason\":\"user_hangup\",\"transfer_destination\":null,"
                 "\"metadata\":{\"business_id\":\"biz_42\"},\"retell_llm_dynamic_variables\":{\"name\":\"Max\"},"
                  "\"collected_dynamic_variables\":{\"booking_confirmed\":\"ja\",\"datum\":\"2026-11-20\"},"
                 "\"transcript\":\"Agent: hello\",\"transcript_object\":[{\"role\":\"agent\"}],\"recording_url\":\"https://r.example/1.wav\",\"public_log_url\":\"https://l.example/1\","
                 "\"latency\":{\"e2e\":{\"min\":-1444}},\"call_cost\":{\"combined_cost\":6.5333333,\"total_duration_seconds\":35.3},"
                 "\"call_analysis\":{\"call_summary\":\"A table.\",\"in_voicemail\":false,\"user_sentiment\":\"Positive\",\"call_successful\":true,"
                 "\"custom_analysis_data\":{\"uhrzeit\":\"14:00\",\"party_size\":2}}}}",
                 "{\"call_status\":\"ended\",\"call_type\":\"web_call\",\"direction\":\"inbound\",\"from_number\":\"anonymous\",\"to_number\":\"+493023125001\",\"agent_id\":\"agent_1\","
                 "\"agent_version\":0,\"agent_name\":\"Front desk\",\"started_at_us\":1780000000123000,\"metadata\":{\"business_id\":\"biz_42\"},\"ended_at_us\":1780000035423000,"
                 "\"duration_ms\":35300,\"disconnection_reason\":\"user_hangup\",\"recording_url\":\"https://r.example/1.wav\",\"public_log_url\":\"https://l.example/1\","
                 "\"cost_cents\":6.5333333,\"billed_seconds\":36,\"call_summary\":\"A table.\",\"user_sentiment\":\"Positive\",\"call_successful\":true,\"in_voicemail\":false,"
                 "\"analysis\":{\"uhrzeit\":\"14:00\",\"party_size\":2},"
                 "\"booking\":{\"booking_confirmed\":true,\"datum\":\"2026-11-20\",\"uhrzeit\":\"14:00\",\"name\":\"Max\"}}");
}

static void a_started_call_has_no_booking_and_no_end(void **)
{
    assert_facts("{\"event\":\"call_started\",\"call\":{\"call_id\":\"c1\",\"direction\":\"inbound\",\"duration_ms\":5,\"retell_llm_dynamic_variables\":{\"booking_confirmed\":true,"
                 "\"datum\":\"2026-11-20\"}}}", "{\"direction\":\"inbound\"}");
}

static void nulls_and_empty_texts_say_nothing(void **)
{
    assert_facts("{\"event\":\"call_analyzed\",\"call\":{\"call_id\":\"c1\",\"call_type\":null,\"agent_id\":null,\"agent_version\":null,\"call_status\":\"\",\"direction\":null,"
                 "\"from_number\":null,\"to_number\":\"\",\"start_timestamp\":null,\"duration_ms\":null,\"metadata\":null,\"retell_llm_dynamic_variables\":null,"
                 "\"collected_dynamic_variables\":null,\"transcript\":null,\"recording_url\":\"\",\"disconnection_reason\":null,\"call_cost\":null,\"call_analysis\":null}}", "{}");
    assert_facts("{\"event\":\"call_analyzed\",\"call\":{\"call_id\":\"c1\",\"metadata\":{},\"call_cost\":{\"combined_cost\":null,\"total_duration_seconds\":-3},"
                 "\"call_analysis\":{\"call_summary\":null,\"in_voicemail\":null,\"custom_analysis_data\":null}}}", "{}");
}

static void values_of_another_type_are_left_out(void **)
{
    assert_facts("{\"event\":\"call_ended\",\"call\":{\"call_id\":\"c1\",\"agent_id\":7,\"agent_version\":\"latest\",\"from_number\":491713920001,\"metadata\":[1],"
                 "\"retell_llm_dynamic_variables\":\"none\",\"collected_dynamic_variables\":\"{broken\",\"call_cost\":7,\"duration_ms\":\"long\",\"call_analysis\":[]}}", "{}");
}

static void objects_that_came_as_text_are_read(void **)
{
    assert_facts("{\"event\":\"call_ended\",\"call\":{\"call_id\":\"c1\",\"metadata\":\"{\\\"a\\\":{\\\"b\\\":\\\"}]\\\"}}\",\"collected_dynamic_variables\":\" {\\\"uhrzeit\\\":\\\"9:30\\\"} \","
                 "\"call_analysis\":\"{\\\"custom_analysis_data\\\":\\\"{\\\\\\\"datum\\\\\\\":\\\\\\\"2026-11-20\\\\\\\"}\\\"}\"}}",
                 "{\"metadata\":{\"a\":{\"b\":\"}]\"}},\"analysis\":{\"datum\":\"2026-11-20\"},\"booking\":{\"datum\":\"2026-11-20\",\"uhrzeit\":\"9:30\"}}");
}

static void zero_characters_never_reach_the_database(void **)
{
    assert_facts("{\"event\":\"call_ended\",\"call\":{\"call_id\":\"c1\",\"agent_name\":\"a\\u0000b\",\"metadata\":{\"k\\u0000\":\"\\\\u0000\",\"q\":\"\\u0001\\\"\\u0000\"}}}",
                 "{\"agent_name\":\"a\xef\xbf\xbd" "b\",\"metadata\":{\"k\xef\xbf\xbd\":\"\\\\u0000\",\"q\":\"\\u0001\\\"\xef\xbf\xbd\"}}");

    struct retell_event e = understood("{\"event\":\"call_ended\",\"call\":{\"call_id\":\"c1\",\"transcript\":\"User: a\\u0000b\",\"agent_id\":\"\\u0000\"}}");
    assert_slice(e.transcript, "User: a");
    assert_true(slice_is_absent(e.agent_id));
    retell_event_release(&e, &heap);
}

static void a_web_call_without_numbers_and_a_withheld_caller_are_normal(void **)
{
    struct retell_event web = understood("{\"event\":\"call_started\",\"call\":{\"call_type\":\"web_call\",\"access_token\":\"t\",\"call_id\":\"c1\",\"agent_id\":\"a1\",\"agent_version\":0}}");
    assert_true(slice_is_absent(web.from_number) && slice_is_absent(web.to_number) && slice_is_absent(web.direction));
    assert_int_equal(web.agent_version, 0);
    retell_event_release(&web, &heap);

    struct retell_event withheld = understood("{\"event\":\"call_started\",\"call\":{\"call_id\":\"c1\",\"from_number\":\"anonymous\",\"to_number\":\"+493023125001\"}}");
    assert_slice(withheld.from_number, "anonymous");
    assert_slice(withheld.to_number, "+493023125001");
    assert_int_equal(withheld.agent_version, -1);
    retell_event_release(&withheld, &heap);
}

static void of_two_fields_with_one_name_the_first_counts(void **)
{
    static const char body[] = "{\"event\":\"call_started\",\"call\":{\"agent_id\":\"a\",\"call_id\":\"c1\",\"call_id\":\"c2\",\"agent_id\":\"b\",\"call_status\":\"s\",\"call_status\":\"t\"}}";
    struct retell_event e = understood(body);
    assert_slice(e.call_id, "c1");
    assert_slice(e.agent_id, "a");
    retell_event_release(&e, &heap);
    assert_facts(body, "{\"call_status\":\"s\",\"agent_id\":\"a\"}");
}

static void a_transfers_destination_is_found_beside_and_inside_the_call(void **)
{
    static const char *const bodies[] = {
        "{\"event\":\"transfer_started\",\"call\":{\"call_id\":\"c1\"},\"transfer_destination\":{\"number\":\"+4930\",\"extension\":\"12\"},\"transfer_option\":{\"showTransfereeAsCaller\":true}}",
        "{\"event\":\"transfer_bridged\",\"call\":{\"call_id\":\"c1\",\"transfer_destination\":\"+4930\"}}",
        "{\"event\":\"transfer_bridged\",\"call\":{\"call_id\":\"c1\",\"transfer_destination\":null},\"transfer_destination\":\"+4930\"}",
    };
    for (size_t n = 0; n < sizeof bodies / sizeof *bodies; n++) {
        struct retell_event e = understood(bodies[n]);
        assert_slice(e.transfer_destination, "+4930");
        retell_event_release(&e, &heap);
    }
}

static void chats_are_known_by_their_own_id(void **)
{
    struct retell_event e = understood("{\"event\":\"chat_ended\",\"chat\":{\"chat_id\":\"chat_1\",\"agent_id\":\"a1\",\"transcript\":\"User: hi\",\"metadata\":{\"k\":1}}}");
    assert_int_equal(e.kind, RETELL_CHAT);
    assert_slice(e.call_id, "chat_1");
    assert_slice(e.transcript, "User: hi");
    retell_event_release(&e, &heap);
    e = understood("{\"event\":\"transcript_updated\",\"chat\":{\"chat_id\":\"chat_1\"}}");
    assert_int_equal(e.kind, RETELL_CHAT);
    assert_false(e.once_per_call);
    retell_event_release(&e, &heap);
}

static void lifecycle_events_happen_once_and_the_others_as_often_as_their_bodies_differ(void **)
{
    assert_dedupe("{\"event\":\"call_ended\",\"call\":{\"call_id\":\"c1\",\"duration_ms\":1}}", "");
    assert_dedupe("{\"event\":\"chat_analyzed\",\"chat\":{\"chat_id\":\"c1\"}}", "");
    /* printf '%s' '{"event":…}' | sha256sum */
    assert_dedupe("{\"event\":\"transfer_started\",\"call\":{\"call_id\":\"c1\"}}", "01ea756305e52e4322a4c2530514f1a22de6bd1b9c79ac713eb0a4e4b3bce5fb");
    assert_dedupe("{\"event\":\"transcript_updated\",\"call\":{\"call_id\":\"c1\"}}", "d1c3b98aca2be73203faeb1a2218a3f583c908823a0a2a8d162ed41cc6fedc8c");
    assert_dedupe("{\"event\":\"call_teleported\",\"call\":{\"call_id\":\"c1\"}}", "477cc1e5cec0560aa00f65244eba5505e7daf0d32cb682143dce015f5fbdc00c");
}

static void what_is_not_understood_says_why(void **)
{
    char long_id[256] = "{\"event\":\"call_ended\",\"call\":{\"call_id\":\"";
    size_t begin = strlen(long_id);
    memset(long_id + begin, 'c', call_id_bytes_max + 1);
    strcpy(long_id + begin + call_id_bytes_max + 1, "\"}}");

    assert_reading("", RETELL_NOT_JSON);
    assert_reading("{\"event\":\"call_ended\",\"call\":{", RETELL_NOT_JSON);
    assert_reading("{\"event\":\"\xff\"}", RETELL_NOT_JSON);
    assert_reading("[{\"event\":\"call_ended\"}]", RETELL_NOT_AN_OBJECT);
    assert_reading("null", RETELL_NOT_AN_OBJECT);
    assert_reading("\"{\"", RETELL_NOT_AN_OBJECT);
    assert_reading("{\"call\":{\"call_id\":\"c1\"}}", RETELL_NO_EVENT_NAME);
    assert_reading("{\"event\":null,\"call\":{\"call_id\":\"c1\"}}", RETELL_NO_EVENT_NAME);
    assert_reading("{\"event\":\"call\\u0000ended\",\"call\":{\"call_id\":\"c1\"}}", RETELL_BAD_EVENT_NAME);
    assert_reading("{\"event\":\"12345678901234567890123456789012345678901234567890123456789012345\",\"call_id\":\"c1\"}", RETELL_BAD_EVENT_NAME);
    assert_reading("{\"event\":\"call_ended\",\"call\":{}}", RETELL_NO_CALL_ID);
    assert_reading("{\"event\":\"call_ended\",\"call\":{\"call_id\":12}}", RETELL_NO_CALL_ID);
    assert_reading("{\"event\":\"call_ended\",\"call\":{\"call_id\":\"\"}}", RETELL_NO_CALL_ID);
    assert_reading("{\"event\":\"chat_ended\",\"chat\":{\"call_id\":\"c1\"}}", RETELL_NO_CALL_ID);
    assert_reading("{\"event\":\"call_ended\",\"call\":{\"call_id\":\"c\\n1\"}}", RETELL_BAD_CALL_ID);
    assert_reading(long_id, RETELL_BAD_CALL_ID);
    long_id[begin + call_id_bytes_max] = '"', strcpy(long_id + begin + call_id_bytes_max + 1, "}}");
    assert_reading(long_id, RETELL_UNDERSTOOD);
}

/* Every allocation fails once: it is always said, and nothing leaks. */
static void running_out_of_memory_is_not_the_bodys_fault(void **)
{
    const struct slice body = slice_of("{\"event\":\"call_ended\",\"call\":\"{\\\"call_id\\\":\\\"c1\\\",\\\"metadata\\\":{\\\"a\\\":\\\"b\\\"}}\"}");
    struct retell_event e;
    struct heap         roomy = { .budget_bytes = 1 << 20 };
    assert_int_equal(retell_event_decode(&e, body, &roomy), RETELL_UNDERSTOOD);
    retell_event_release(&e, &roomy);
    assert_int_equal(roomy.used_bytes, 0);
    for (uint64_t budget_bytes = 0; budget_bytes < roomy.used_bytes_max; budget_bytes++) {
        struct heap tight = { .budget_bytes = budget_bytes };
        assert_int_equal(retell_event_decode(&e, body, &tight), RETELL_NO_MEMORY);
        assert_int_equal(tight.used_bytes, 0);
    }
}

/* `times`: it swells by more than that, or it would be no test. */
static void expect_facts_to_fit(const struct buffer *body, size_t times)
{
    struct retell_event e;
    assert_false(body->overflowed);
    assert_int_equal(retell_event_decode(&e, buffer_slice(body), &heap), RETELL_UNDERSTOOD);
    size_t bytes = retell_facts_bytes_max(&e);
    struct buffer facts = buffer_over(test_malloc(bytes), bytes);
    retell_event_facts(&e, &facts);
    assert_false(facts.overflowed);
    assert_true(facts.length > times * body->length);
    test_free(facts.start);
    retell_event_release(&e, &heap);
}

static void the_facts_of_the_most_swelling_event_fit_their_bound(void **)
{
    enum { NUMBERS = 10'000 };
    static char body_memory[64 * 1024];
    struct buffer body = buffer_over(body_memory, sizeof body_memory);
    buffer_add(&body, slice_of("{\"event\":\"call_ended\",\"call\":{\"call_id\":\"c1\",\"metadata\":{\"k\":[0"));
    for (int n = 0; n < NUMBERS; n++) buffer_add(&body, slice_of(",1e14"));
    buffer_add(&body, slice_of("]}}}"));
    expect_facts_to_fit(&body, 2);
}

/* A control character takes two bytes when it comes and six when it goes; a datetime becomes a date and a time. */
static void the_facts_of_the_most_swelling_booking_fit_their_bound(void **)
{
    static const char *const fields[] = { "datetime", "name", "dienstleistung", "mitarbeiter", "email", "telefon" };
    static char body_memory[16 * 1024];
    struct buffer body = buffer_over(body_memory, sizeof body_memory);
    buffer_add(&body, slice_of("{\"event\":\"call_ended\",\"call_id\":\"c1\",\"call_analysis\":{\"custom_analysis_data\":{\"a\":0"));
    for (size_t f = 0; f < sizeof fields / sizeof *fields; f++) {
        buffer_print(&body, ",\"%s\":\"x", fields[f]); /* or it would be blank, and not given */
        for (uint32_t n = 1; n < booking_text_bytes_max; n++) buffer_add(&body, slice_of("\\b"));
        buffer_add(&body, slice_of("\""));
    }
    buffer_add(&body, slice_of("}}}"));
    expect_facts_to_fit(&body, 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_event_has_its_kind_and_a_new_one_is_kept_as_unknown),
        cmocka_unit_test(flat_and_nested_envelopes_say_the_same),
        cmocka_unit_test(a_time_that_cannot_be_one_is_left_out),
        cmocka_unit_test(a_full_analysed_call_gives_all_its_facts_and_no_more),
        cmocka_unit_test(a_started_call_has_no_booking_and_no_end),
        cmocka_unit_test(nulls_and_empty_texts_say_nothing),
        cmocka_unit_test(values_of_another_type_are_left_out),
        cmocka_unit_test(objects_that_came_as_text_are_read),
        cmocka_unit_test(zero_characters_never_reach_the_database),
        cmocka_unit_test(a_web_call_without_numbers_and_a_withheld_caller_are_normal),
        cmocka_unit_test(of_two_fields_with_one_name_the_first_counts),
        cmocka_unit_test(a_transfers_destination_is_found_beside_and_inside_the_call),
        cmocka_unit_test(chats_are_known_by_their_own_id),
        cmocka_unit_test(lifecycle_events_happen_once_and_the_others_as_often_as_their_bodies_differ),
        cmocka_unit_test(what_is_not_understood_says_why),
        cmocka_unit_test(running_out_of_memory_is_not_the_bodys_fault),
        cmocka_unit_test(the_facts_of_the_most_swelling_event_fit_their_bound),
        cmocka_unit_test(the_facts_of_the_most_swelling_booking_fit_their_bound),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
