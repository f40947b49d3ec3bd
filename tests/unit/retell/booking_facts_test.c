/* What reading a booking promises: the considered word counts over the earlier one, every known name is understood, and nothing is made up. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>
#include "limits.h"
#include "retell/arguments.h"
#include "retell/booking_facts.h"

static struct heap            heap = { .budget_bytes = 1024 * 1024 };
static struct json_document  *documents[3];
static char                   memory[BOOKING_MEMORY_BYTES];

static const struct json_value *parsed(int n, const char *json)
{
    struct json_error error;
    json_release(documents[n], &heap);
    documents[n] = json ? json_parse(slice_from_text(json), &heap, &error) : nullptr;
    if (json && !documents[n]) fail_msg("not JSON: %s", json);
    return json ? json_root(documents[n]) : nullptr;
}

/* The facts live until the next call. */
static struct booking_facts facts_of(const char *custom_analysis, const char *collected, const char *dynamic)
{
    struct booking_facts   f;
    struct buffer          texts = buffer_over(memory, sizeof memory);
    struct booking_sources sources = { parsed(0, custom_analysis), parsed(1, collected), parsed(2, dynamic) };
    booking_facts_read(&f, &sources, &texts);
    return f;
}

static void assert_slice(struct slice s, const char *expected)
{
    if (!expected && slice_is_absent(s)) return;
    if (!expected || slice_is_absent(s) || !slice_equal(s, slice_from_text(expected)))
        fail_msg("\"" SLICE_FORMAT "\" is not \"%s\"", slice_print(s), expected ? expected : "(absent)");
}

static struct slice field(const struct booking_facts *f, enum argument a)
{
    const struct slice fields[ARGUMENT_COUNT] = {
        [ARGUMENT_DATE] = f->date, [ARGUMENT_TIME] = f->time, [ARGUMENT_NAME] = f->name, [ARGUMENT_SERVICE] = f->service,
        [ARGUMENT_STAFF] = f->staff, [ARGUMENT_EMAIL] = f->email, [ARGUMENT_PHONE] = f->phone,
    };
    return fields[a];
}

static void every_name_that_was_seen_is_understood(void **)
{
    static const struct { enum argument argument; const char *names[12]; } table[] = {
        { ARGUMENT_DATE, { "date", "datum", "appointment_date", "date_string", "preferred_date", "relative_day", "new_date", "new_datum", "neues_datum", "_datum__termin", "_datum" } },
        { ARGUMENT_TIME, { "time", "uhrzeit", "appointment_time", "preferred_time", "zeitraum", "new_time", "new_uhrzeit", "neue_uhrzeit", "_uhrzeit__termin", "_uhrzeit" } },
        { ARGUMENT_SERVICE, { "service", "service_name", "service_type", "dienstleistung", "service_id", "_dienstleistung" } },
        { ARGUMENT_STAFF, { "mitarbeiter", "mitarbeiter_wunsch", "staff", "preferred_staff_id" } },
        { ARGUMENT_NAME, { "name", "customer_name", "kundename", "kunde", "_name", "Customer_Name" } },
        { ARGUMENT_PHONE, { "customer_phone", "phone_number", "telefonnummer", "phone", "telefon" } },
        { ARGUMENT_EMAIL, { "customer_email", "email", "_email" } },
    };
    for (size_t row = 0; row < sizeof table / sizeof *table; row++)
        for (size_t n = 0; n < 12 && table[row].names[n]; n++) {
            char json[64];
            snprintf(json, sizeof json, "{\"%s\":\"said\"}", table[row].names[n]);
            struct booking_facts f = facts_of(json, nullptr, nullptr);
            for (int a = 0; a < ARGUMENT_COUNT; a++) assert_slice(field(&f, (enum argument)a), a == table[row].argument ? "said" : nullptr);
        }
}

static void the_other_names_are_known_for_what_they_are(void **)
{
    static const struct { const char *name; enum argument argument; } table[] = {
        { "bestaetigung", ARGUMENT_CONFIRMED },  { "confirm_booking", ARGUMENT_CONFIRMED }, { "booking_confirmed", ARGUMENT_CONFIRMED },
        { "confirm_reschedule", ARGUMENT_MOVE_CONFIRMED }, { "old_date", ARGUMENT_OLD_DATE }, { "old_datum", ARGUMENT_OLD_DATE },
        { "altes_datum", ARGUMENT_OLD_DATE },    { "datetime", ARGUMENT_DATE_AND_TIME },    { "grund", ARGUMENT_REASON },
        { "reason", ARGUMENT_REASON },           { "notizen", ARGUMENT_NOTES },             { "notes", ARGUMENT_NOTES },
        { "kundenpraeferenzen", ARGUMENT_PREFERENCES }, { "duration", ARGUMENT_DURATION },
    };
    for (size_t n = 0; n < sizeof table / sizeof *table; n++) {
        struct argument_match m = argument_find(slice_from_text(table[n].name));
        assert_true(m.found);
        assert_int_equal(m.argument, table[n].argument);
    }
    assert_false(argument_find(slice_of("call_id")).found);
    assert_false(argument_find(slice_of("____")).found);
    assert_false(argument_find(slice_absent).found);
}

static void moving_an_appointment_confirms_no_booking_and_names_no_date_to_book(void **)
{
    struct booking_facts f = facts_of("{\"confirm_reschedule\":true,\"old_date\":\"2026-11-20\",\"altes_datum\":\"2026-11-20\"}", nullptr, nullptr);
    assert_false(f.confirmation_given || f.confirmed);
    assert_slice(f.date, nullptr);
}

static void custom_analysis_counts_over_collected_over_dynamic_field_by_field(void **)
{
    struct booking_facts f = facts_of("{\"datum\":\"A\",\"booking_confirmed\":false}",
                                      "{\"datum\":\"B\",\"uhrzeit\":\"B\",\"booking_confirmed\":true}",
                                      "{\"datum\":\"C\",\"uhrzeit\":\"C\",\"name\":\"C\",\"booking_confirmed\":true}");
    assert_slice(f.date, "A");
    assert_slice(f.time, "B");
    assert_slice(f.name, "C");
    assert_true(f.confirmation_given);
    assert_false(f.confirmed);
}

static void what_was_not_given_leaves_its_place_to_the_next_source(void **)
{
    static const char *const nothing[] = { "null", "\"\"", "\"  \"", "\"{{datum}}\"", "\" {{ datum }} \"" };
    for (size_t n = 0; n < sizeof nothing / sizeof *nothing; n++) {
        char json[64];
        snprintf(json, sizeof json, "{\"datum\":%s,\"dienstleistung\":%s}", nothing[n], nothing[n]);
        struct booking_facts f = facts_of(json, "{\"datum\":\"2026-11-20\"}", nullptr);
        assert_slice(f.date, "2026-11-20");
        assert_slice(f.service, nullptr);
    }
}

static void invented_names_are_missing_ones(void **)
{
    static const char *const invented[] = { "Unbekannt", "Kunde", "Anonym", "{{name}}", "unknown", "N/A" };
    for (size_t n = 0; n < sizeof invented / sizeof *invented; n++) {
        char json[64];
        snprintf(json, sizeof json, "{\"name\":\"%s\"}", invented[n]);
        assert_slice(facts_of(json, nullptr, nullptr).name, nullptr);
        assert_slice(facts_of(json, nullptr, "{\"customer_name\":\"Maria Muster\"}").name, "Maria Muster");
    }
}

static void a_plain_name_counts_over_a_synonym_in_any_order(void **)
{
    assert_slice(facts_of("{\"new_date\":\"B\",\"datum\":\"A\"}", nullptr, nullptr).date, "A");
    assert_slice(facts_of("{\"datum\":\"A\",\"new_date\":\"B\"}", nullptr, nullptr).date, "A");
    assert_slice(facts_of("{\"datum\":null,\"new_date\":\"B\"}", nullptr, nullptr).date, "B");
}

static void only_the_six_forms_of_yes_are_a_yes(void **)
{
    static const char *const yes[] = { "true", "1", "1.0", "\"true\"", "\"TRUE\"", "\" true \"", "\"1\"", "\"yes\"", "\"Yes\"", "\"ja\"", "\"JA \"" };
    static const char *const no[] = { "false", "0", "2", "-1", "1.5", "\"false\"", "\"no\"", "\"nein\"", "\"ja gern\"", "\"j\"", "\"y\"", "\"ok\"", "\"on\"", "\"01\"", "[true]", "{\"v\":1}" };
    static const char *const nothing[] = { "null", "\"\"", "\"{{booking_confirmed}}\"" };
    char json[64];
    for (size_t n = 0; n < sizeof yes / sizeof *yes; n++) {
        snprintf(json, sizeof json, "{\"booking_confirmed\":%s}", yes[n]);
        assert_true(facts_of(nullptr, json, nullptr).confirmed);
    }
    for (size_t n = 0; n < sizeof no / sizeof *no; n++) {
        snprintf(json, sizeof json, "{\"booking_confirmed\":%s}", no[n]);
        assert_false(facts_of(nullptr, json, nullptr).confirmed);
        assert_true(facts_of(nullptr, json, nullptr).confirmation_given);
    }
    for (size_t n = 0; n < sizeof nothing / sizeof *nothing; n++) {
        snprintf(json, sizeof json, "{\"booking_confirmed\":%s}", nothing[n]);
        assert_false(facts_of(nullptr, json, nullptr).confirmation_given);
    }
    assert_false(facts_of(nullptr, nullptr, nullptr).confirmed);
}

static const struct wall_time nine_thirty = { .year = 2026, .month = 11, .day = 5, .hour = 9, .minute = 30 };

static void assert_appointment(const char *json, enum appointment_reading expected, struct wall_time expected_at, const char *expected_phrase)
{
    struct wall_time         at;
    struct slice             phrase;
    struct booking_facts     f = facts_of(json, nullptr, nullptr);
    enum appointment_reading r = booking_facts_appointment(&f, &at, &phrase);
    if (r != expected) fail_msg("%s: %s instead of %s", json, appointment_reading_name(r), appointment_reading_name(expected));
    assert_slice(phrase, expected_phrase);
    if (r != APPOINTMENT_READ) return;
    assert_int_equal(at.year, expected_at.year);
    assert_int_equal(at.month, expected_at.month);
    assert_int_equal(at.day, expected_at.day);
    assert_int_equal(at.hour, expected_at.hour);
    assert_int_equal(at.minute, expected_at.minute);
    assert_int_equal(at.second, 0);
}

static void dates_and_times_are_read_in_their_exact_forms(void **)
{
    static const char *const dates[] = { "\"2026-11-05\"", "\"05.11.2026\"", "\"05112026\"", "\" 2026-11-05 \"", "5112026" };
    static const char *const times[] = { "\"09:30\"", "\"9:30\"", "\"09:30 Uhr\"" };
    static const char *const hours[] = { "\"14\"", "\"14 Uhr\"", "\"14 uhr\"", "\"14Uhr\"", "\"14:00\"", "14", "14.0" };
    char json[128];
    for (size_t d = 0; d < sizeof dates / sizeof *dates; d++)
        for (size_t t = 0; t < sizeof times / sizeof *times; t++) {
            snprintf(json, sizeof json, "{\"_datum__termin\":%s,\"_uhrzeit__termin\":%s}", dates[d], times[t]);
            assert_appointment(json, APPOINTMENT_READ, nine_thirty, nullptr);
        }
    for (size_t t = 0; t < sizeof hours / sizeof *hours; t++) {
        snprintf(json, sizeof json, "{\"datum\":\"20112026\",\"uhrzeit\":%s}", hours[t]);
        assert_appointment(json, APPOINTMENT_READ, (struct wall_time){ .year = 2026, .month = 11, .day = 20, .hour = 14 }, nullptr);
    }
}

static void a_past_year_is_read_as_said_and_never_shifted(void **)
{
    assert_appointment("{\"datum\":\"2023-06-13\",\"uhrzeit\":\"0\"}", APPOINTMENT_READ, (struct wall_time){ .year = 2023, .month = 6, .day = 13 }, nullptr);
    assert_appointment("{\"datum\":\"29.02.2028\",\"uhrzeit\":\"23:59\"}", APPOINTMENT_READ, (struct wall_time){ .year = 2028, .month = 2, .day = 29, .hour = 23, .minute = 59 }, nullptr);
}

static void what_is_not_understood_is_said_and_not_replaced(void **)
{
    static const char *const bad_dates[] = { "morgen", "blaugrün", "2026-02-29", "31.04.2026", "2026-13-01", "2026-11-5", "5.11.2026", "15.1", "20.11.", "7. November", "11/20/2026",
                                             "20261120", "2026-11-20T09:30", "0", "2026-11-05x", "05.11.26", "+5112026", "05,11,2026", "0x112026" };
    static const char *const bad_times[] = { "vierzehn Uhr", "Uhr", " Uhr", "nachmittags", "24", "24:00", "9:60", "14.30", "14:3", "140",
                                             "1430", "-1", "09:30:00", "2 pm", "14 Uhr 30", "halb drei", "::" };
    char json[128];
    for (size_t n = 0; n < sizeof bad_dates / sizeof *bad_dates; n++) {
        snprintf(json, sizeof json, "{\"datum\":\"%s\",\"uhrzeit\":\"09:30\"}", bad_dates[n]);
        assert_appointment(json, APPOINTMENT_DATE_NOT_UNDERSTOOD, nine_thirty, bad_dates[n]);
    }
    for (size_t n = 0; n < sizeof bad_times / sizeof *bad_times; n++) {
        snprintf(json, sizeof json, "{\"datum\":\"2026-11-05\",\"uhrzeit\":\"%s\"}", bad_times[n]);
        struct slice said = slice_trim(slice_from_text(bad_times[n]));
        char phrase[32];
        snprintf(phrase, sizeof phrase, SLICE_FORMAT, slice_print(said));
        assert_appointment(json, APPOINTMENT_TIME_NOT_UNDERSTOOD, nine_thirty, phrase);
    }
    assert_appointment("{\"uhrzeit\":\"09:30\"}", APPOINTMENT_DATE_MISSING, nine_thirty, nullptr);
    assert_appointment("{\"datum\":\"2026-11-05\"}", APPOINTMENT_TIME_MISSING, nine_thirty, nullptr);
}

static void a_value_of_another_type_is_a_phrase_and_not_a_gap(void **)
{
    struct booking_facts f = facts_of("{\"dienstleistung\":[\"Herrenhaarschnitt\"],\"datum\":{\"y\":2026},\"uhrzeit\":14.5,\"name\":true,\"telefon\":491713920001}", nullptr, nullptr);
    assert_slice(f.service, "[\"Herrenhaarschnitt\"]");
    assert_slice(f.date, "{\"y\":2026}");
    assert_slice(f.time, "14.5");
    assert_slice(f.phone, "491713920001");
}

static void date_and_time_in_one_text_are_a_pair_or_nothing(void **)
{
    assert_appointment("{\"datetime\":\"05.11.2026 09:30\"}", APPOINTMENT_READ, nine_thirty, nullptr);
    assert_appointment("{\"datetime\":\"2026-11-05T09:30\"}", APPOINTMENT_READ, nine_thirty, nullptr);
    assert_appointment("{\"datetime\":\"2026-11-05T09:30:00\"}", APPOINTMENT_READ, nine_thirty, nullptr);
    assert_appointment("{\"datetime\":\"2026-11-05T09:30:00+01:00\"}", APPOINTMENT_TIME_NOT_UNDERSTOOD, nine_thirty, "09:30:00+01:00");
    assert_appointment("{\"datetime\":\"Dienstag um drei\"}", APPOINTMENT_DATE_NOT_UNDERSTOOD, nine_thirty, "Dienstag um drei");
    assert_appointment("{\"datetime\":\"2026-11-05T09:30\",\"datum\":\"2026-12-01\"}", APPOINTMENT_TIME_MISSING, nine_thirty, nullptr);
}

static void an_endless_field_is_cut_between_characters_and_still_named(void **)
{
    char          text[2048];
    struct buffer json = buffer_over(text, sizeof text);
    buffer_add(&json, slice_of("{\"dienstleistung\":\"x"));
    for (int n = 0; n < 800; n++) buffer_add(&json, slice_of("ä"));
    buffer_print(&json, "\"}");
    buffer_add_byte(&json, 0);
    struct booking_facts f = facts_of(text, nullptr, nullptr);
    assert_int_equal(f.service.length, booking_text_bytes_max - 1); /* x and 127 of two bytes each */
}

static void what_was_written_reads_back_the_same(void **)
{
    char                 written[1024];
    struct buffer        out = buffer_over(written, sizeof written);
    struct json_writer   w = json_writer_over(&out);
    struct booking_facts f = facts_of("{\"booking_confirmed\":\"ja\",\"_datum__termin\":5112026,\"_uhrzeit__termin\":9,\"_name\":\"Maria \\\"M\\\" Muster\",\"_email\":\"m@example.org\"}",
                                      "{\"service_name\":\"Dauerwelle\",\"staff\":\"Lena\"}", "{\"phone\":\"+491713920001\"}");
    booking_facts_write(&w, nullptr, &f);
    assert_slice(buffer_slice(&out), "{\"booking_confirmed\":true,\"datum\":\"05112026\",\"uhrzeit\":\"9\",\"name\":\"Maria \\\"M\\\" Muster\",\"dienstleistung\":\"Dauerwelle\","
                                     "\"mitarbeiter\":\"Lena\",\"email\":\"m@example.org\",\"telefon\":\"+491713920001\"}");
    written[out.length] = 0;
    f = facts_of(written, nullptr, nullptr);
    assert_true(f.confirmed);
    assert_slice(f.date, "05112026");
    assert_slice(f.time, "9");
    assert_slice(f.name, "Maria \"M\" Muster");
    assert_slice(f.service, "Dauerwelle");
    assert_slice(f.staff, "Lena");
    assert_slice(f.email, "m@example.org");
    assert_slice(f.phone, "+491713920001");
}

static int release_documents(void **)
{
    for (int n = 0; n < 3; n++) json_release(documents[n], &heap);
    return (int)heap.used_bytes;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_name_that_was_seen_is_understood),
        cmocka_unit_test(the_other_names_are_known_for_what_they_are),
        cmocka_unit_test(moving_an_appointment_confirms_no_booking_and_names_no_date_to_book),
        cmocka_unit_test(custom_analysis_counts_over_collected_over_dynamic_field_by_field),
        cmocka_unit_test(what_was_not_given_leaves_its_place_to_the_next_source),
        cmocka_unit_test(invented_names_are_missing_ones),
        cmocka_unit_test(a_plain_name_counts_over_a_synonym_in_any_order),
        cmocka_unit_test(only_the_six_forms_of_yes_are_a_yes),
        cmocka_unit_test(dates_and_times_are_read_in_their_exact_forms),
        cmocka_unit_test(a_past_year_is_read_as_said_and_never_shifted),
        cmocka_unit_test(what_is_not_understood_is_said_and_not_replaced),
        cmocka_unit_test(a_value_of_another_type_is_a_phrase_and_not_a_gap),
        cmocka_unit_test(date_and_time_in_one_text_are_a_pair_or_nothing),
        cmocka_unit_test(an_endless_field_is_cut_between_characters_and_still_named),
        cmocka_unit_test(what_was_written_reads_back_the_same),
    };
    return cmocka_run_group_tests(tests, nullptr, release_documents);
}
