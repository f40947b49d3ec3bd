/* What texts promise: the same number or name written in two ways is the same, and what is none is not taken for one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "base/text.h"

static void numbers_with_a_country_code_become_e164(void **)
{
    static const struct { const char *text, *number; } table[] = {
        { "+493023125001", "+493023125001" },   { "+49 (30) 23125-001", "+493023125001" }, { "00493023125001", "+493023125001" },
        { "+49 (0)30 / 23125.001", "+493023125001" }, { "0049 (0) 30 23125001", "+493023125001" }, { "  +1 202-555-0142\n", "+12025550142" },
        { "+1 (202) 555 0142", "+12025550142" }, { "+123456789012345", "+123456789012345" }, { "+6834001", "+6834001" },
    };
    for (size_t n = 0; n < sizeof table / sizeof *table; n++) {
        struct e164 number;
        if (!e164_parse(slice_from_text(table[n].text), &number)) fail_msg("refused: %s", table[n].text);
        assert_string_equal(number.text, table[n].number);
        assert_int_equal(e164_slice(&number).length, strlen(table[n].number));
    }
}

static void what_is_no_number_is_not_made_into_one(void **)
{
    static const char *const bad[] = {
        nullptr, "", " ", "+", "00", "anonymous", "Anonymous", "unknown", "restricted", "private", "03023125001", "3023125001", "+0302312500", "+49", "+123456",
        "+1234567890123456", "++493023125001", "+49+3023125001", "+49 30 CALLME1", "sip:+493023125001@example.test", "+49\xc2\xa0" "3023125001",
        "493023125001", "(0)493023125001",
    };
    for (size_t n = 0; n < sizeof bad / sizeof *bad; n++) {
        struct e164 number = { .text = "before" };
        if (e164_parse(slice_from_text(bad[n]), &number)) fail_msg("accepted: %s", bad[n]);
        assert_string_equal(number.text, "before");
    }
    struct e164 number;
    assert_false(e164_parse(slice_of("+493023125\0001"), &number)); /* a zero byte is not the end of the text */
}

static void names_that_models_invent_are_placeholders(void **)
{
    static const char *const invented[] = {
        "", " ", "Unbekannt", "UNBEKANNT", " unbekannt ", "Kunde", "kundin", "Anonym", "Anonymer  Anrufer", "{{name}}", "{{customer_name}}", "Herr {{name}}",
        "unknown", "Unknown Caller", "N/A", "n.a.", "k. A.", "[Name]", "<name>", "{name}", "???", "-", "…", "null", "None", "undefined", "Nicht angegeben",
        "Max Mustermann", "John Doe", "Frau", "+49 30 123",
    };
    for (size_t n = 0; n < sizeof invented / sizeof *invented; n++)
        if (!name_is_placeholder(slice_from_text(invented[n]))) fail_msg("taken for a name: %s", invented[n]);
    assert_true(name_is_placeholder(slice_absent));

    static const char *const real[] = { "Kunde-Meier", "Anna Kunde", "Hans Unbekannt", "Müller", "Li", "Ng", "Łukasz", "李", "O’Neill", "Na", "Gast, Peter", "Frau Schmidt", "Christopher Null" };
    for (size_t n = 0; n < sizeof real / sizeof *real; n++)
        if (name_is_placeholder(slice_from_text(real[n]))) fail_msg("taken for a placeholder: %s", real[n]);
}

static void different_writings_fold_to_one(void **)
{
    static const struct { const char *text, *folded; } table[] = {
        { "Müller", "mueller" }, { "MÜLLER", "mueller" }, { "Mu\u0308ller", "mueller" }, { "Mueller", "mueller" },
        { "Weiß", "weiss" }, { "WEISS", "weiss" }, { "WEIẞ", "weiss" }, { "Ärger Öl", "aerger oel" },
        { "  Damen \t\u00a0\n Haarschnitt ", "damen haarschnitt" }, { "José", "josé" }, { "ΣΊΣΥΦΟΣ", "σίσυφοσ" },
        { "ﬁn\u00adale", "finale" }, { "", "" }, { "  ", "" }, { "a\xff" "b", "a\ufffd" "b" },
    };
    for (size_t n = 0; n < sizeof table / sizeof *table; n++) {
        char memory[64];
        struct buffer b = buffer_over(memory, sizeof memory);
        text_fold(&b, slice_from_text(table[n].text));
        if (!slice_equal(buffer_slice(&b), slice_from_text(table[n].folded))) fail_msg("%s became " SLICE_FORMAT, table[n].text, slice_print(buffer_slice(&b)));
    }
}

static void what_is_too_long_to_fold_is_said(void **)
{
    static char text[text_fold_bytes_max + 1], memory[8 * text_fold_bytes_max];
    memset(text, 'A', sizeof text);
    struct buffer b = buffer_over(memory, sizeof memory);
    text_fold(&b, slice_from(text, text_fold_bytes_max));
    assert_false(b.overflowed);
    assert_int_equal(b.length, text_fold_bytes_max);
    text_fold(&b, slice_from(text, text_fold_bytes_max + 1));
    assert_true(b.overflowed);

    for (size_t n = 0; n + 3 <= text_fold_bytes_max; n += 3) memcpy(text + n, "\ufdfa", 3); /* one character that unfolds into 18 */
    b = buffer_over(memory, sizeof memory);
    text_fold(&b, slice_from(text, text_fold_bytes_max));
    assert_true(b.overflowed);
    assert_false(name_is_placeholder(slice_from(text, text_fold_bytes_max)));
}

static void utf8_is_read_as_rfc_3629_says(void **)
{
    static const struct { struct slice text; size_t bytes; } table[] = {
        { slice_of(""), 0 },                 { slice_of("a"), 1 },                { slice_of("\0"), 1 },               { slice_of("\x7f"), 1 },
        { slice_of("\xc2\x80"), 2 },         { slice_of("\xdf\xbf"), 2 },         { slice_of("\xe0\xa0\x80"), 3 },     { slice_of("\xed\x9f\xbf"), 3 },
        { slice_of("\xee\x80\x80"), 3 },     { slice_of("\xef\xbf\xbf"), 3 },     { slice_of("\xf0\x90\x80\x80"), 4 }, { slice_of("\xf4\x8f\xbf\xbf"), 4 },
        { slice_of("\x80"), 0 },             { slice_of("\xbf"), 0 },             { slice_of("\xc0\x80"), 0 },         { slice_of("\xc1\xbf"), 0 },
        { slice_of("\xe0\x9f\xbf"), 0 },     { slice_of("\xed\xa0\x80"), 0 },     { slice_of("\xf0\x8f\xbf\xbf"), 0 }, { slice_of("\xf4\x90\x80\x80"), 0 },
        { slice_of("\xf5\x80\x80\x80"), 0 }, { slice_of("\xff"), 0 },             { slice_of("\xc3"), 0 },             { slice_of("\xe2\x82"), 0 },
        { slice_of("\xf0\x9f\x91"), 0 },     { slice_of("\xc3("), 0 },            { slice_of("\xe2\x82("), 0 },        { slice_of("\xf0\x9f\x91("), 0 },
    };
    for (size_t n = 0; n < sizeof table / sizeof *table; n++) assert_int_equal(utf8_character_bytes(table[n].text), table[n].bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_with_a_country_code_become_e164),
        cmocka_unit_test(what_is_no_number_is_not_made_into_one),
        cmocka_unit_test(names_that_models_invent_are_placeholders),
        cmocka_unit_test(different_writings_fold_to_one),
        cmocka_unit_test(what_is_too_long_to_fold_is_said),
        cmocka_unit_test(utf8_is_read_as_rfc_3629_says),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
