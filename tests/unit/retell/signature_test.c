/* What the signature check promises: Retell's own deliveries pass, and nothing else does. Vectors A to C were made with Retell's SDK and a
 * made-up key; D is Retell's published one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "retell/signature.h"

#define KEY "key_made_up_0123456789abcdef0123456789ab"
#define A_DIGEST "eb7285542549c3413af6e4aeb0ed110bca6e8c31a4d3f145c9da70f8f9f46286"
#define A_HEADER "v=1780000000000,d=" A_DIGEST

static const struct slice key = slice_of(KEY);
static const struct slice a_body = slice_of("{\"event\":\"call_ended\",\"call\":{\"call_id\":\"call_1a2b3c4d5e6f7a8b9c0d1e2f3a4\",\"call_type\":\"phone_call\",\"call_status\":\"ended\"}}");
static const int64_t a_at_ms = 1'780'000'000'000;

static enum signature_verdict verdict(struct slice header, struct slice body, int64_t now_ms) { return retell_signature_verify(header, 1, body, &key, 1, now_ms); }
static enum signature_verdict verdict_of_a(const char *header) { return verdict(slice_from_text(header), a_body, a_at_ms); }

static void what_retell_signs_is_valid(void **)
{
    static const struct slice b_body = slice_of("{\"event\":\"call_analyzed\",\"call\":{\"call_id\":\"call_9f8e7d6c5b4a39281706f5e4d3c\","
                                                "\"transcript\":\"User: ¿Tenéis mesa a las 8? 👍\\nAgent: Sí, señora Núñez.\"}}");
    static const struct slice d_key = slice_of("test-api-key");
    assert_int_equal(a_body.length, 123);
    assert_int_equal(b_body.length, 159);
    assert_int_equal(verdict_of_a(A_HEADER), SIGNATURE_VALID);
    assert_int_equal(verdict(slice_of("v=1780000000000,d=e0ddab49d3216d0fdae0abb8022c8c9ba764f709c828395fa25f7baad23cfc98"), b_body, a_at_ms), SIGNATURE_VALID);
    assert_int_equal(verdict(slice_of("v=1780000000000,d=e7b4dc84cd7e1372e16458444224b328ee6f3b4b4b8e77a223a1ec97df3c54df"), slice_of(""), a_at_ms), SIGNATURE_VALID);
    assert_int_equal(retell_signature_verify(slice_of("v=1700000000000,d=07024cabe7dd8f6d1c6e4a8324ca92c812e6ad4a7ee506c04f7e462e3321823e"), 1,
                                             slice_of("{\"event\":\"call_ended\"}"), &d_key, 1, 1'700'000'000'000), SIGNATURE_VALID);
}

static void five_minutes_either_way_are_fresh_and_a_millisecond_more_is_not(void **)
{
    static const struct { int64_t late_ms; enum signature_verdict verdict; } table[] = {
        { 0, SIGNATURE_VALID },       { 300'000, SIGNATURE_VALID },  { 300'001, SIGNATURE_STALE },
        { -300'000, SIGNATURE_VALID }, { -300'001, SIGNATURE_STALE },
    };
    for (size_t n = 0; n < sizeof table / sizeof *table; n++)
        assert_int_equal(verdict(slice_of(A_HEADER), a_body, a_at_ms + table[n].late_ms), table[n].verdict);
}

static void a_changed_body_is_refused(void **)
{
    char changed[124];
    for (size_t n = 0; n <= a_body.length; n++) { /* each byte once, and one byte more */
        memcpy(changed, a_body.start, a_body.length);
        changed[123] = ' ';
        if (n < a_body.length) changed[n] ^= 1;
        size_t length = a_body.length + (n == a_body.length);
        assert_int_equal(verdict(slice_of(A_HEADER), slice_from(changed, length), a_at_ms), SIGNATURE_WRONG);
    }
}

static void a_changed_header_is_never_valid(void **)
{
    char changed[sizeof A_HEADER];
    for (size_t n = 0; n < sizeof A_HEADER - 1; n++)
        for (int bit = 0; bit < 8; bit++) {
            memcpy(changed, A_HEADER, sizeof A_HEADER);
            changed[n] ^= (char)(1 << bit);
            bool is_case_of_hex = n >= 18 && bit == 5 && A_HEADER[n] >= 'a';
            enum signature_verdict v = verdict(slice_from(changed, sizeof A_HEADER - 1), a_body, a_at_ms);
            assert_int_equal(v == SIGNATURE_VALID, is_case_of_hex);
        }
}

/* One row per difference between the official verifiers (2.1 of the contract), and what this one does. */
static void only_the_exact_form_is_read(void **)
{
    static const struct { const char *header; enum signature_verdict verdict; } table[] = {
        { "v=1780000000000,d=EB7285542549C3413AF6E4AEB0ED110BCA6E8C31A4D3F145C9DA70F8F9F46286", SIGNATURE_VALID },
        { "V=1780000000000,D=" A_DIGEST, SIGNATURE_MALFORMED },
        { "v=01780000000000,d=" A_DIGEST, SIGNATURE_MALFORMED },
        { "v=1780000000000, d=" A_DIGEST, SIGNATURE_MALFORMED },
        { A_HEADER "\n", SIGNATURE_MALFORMED },
        { " " A_HEADER, SIGNATURE_MALFORMED },
        { A_HEADER ",x=1", SIGNATURE_MALFORMED },
        { A_HEADER "0", SIGNATURE_MALFORMED },
        { "v=1780000000,d=" A_DIGEST, SIGNATURE_STALE },           /* seconds */
        { "v=9999999999999999,d=" A_DIGEST, SIGNATURE_STALE },     /* sixteen digits */
        { "v=10000000000000000,d=" A_DIGEST, SIGNATURE_MALFORMED }, /* seventeen */
        { "v=18446744073709551616,d=" A_DIGEST, SIGNATURE_MALFORMED },
        { "v=-1780000000000,d=" A_DIGEST, SIGNATURE_MALFORMED },
        { "v=+1780000000000,d=" A_DIGEST, SIGNATURE_MALFORMED },
        { "v=,d=" A_DIGEST, SIGNATURE_MALFORMED },
        { "v=1780000000000,d=", SIGNATURE_MALFORMED },
        { "v=1780000000000,d=zz7285542549c3413af6e4aeb0ed110bca6e8c31a4d3f145c9da70f8f9f46286", SIGNATURE_MALFORMED },
        { "v=1780000000000", SIGNATURE_MALFORMED },
        { "d=" A_DIGEST ",v=1780000000000", SIGNATURE_MALFORMED },
        { "sha256=" A_DIGEST, SIGNATURE_MALFORMED },
        { "", SIGNATURE_MALFORMED },
    };
    for (size_t n = 0; n < sizeof table / sizeof *table; n++) assert_int_equal(verdict_of_a(table[n].header), table[n].verdict);
}

static void a_missing_or_doubled_header_is_refused(void **)
{
    assert_int_equal(retell_signature_verify(slice_absent, 0, a_body, &key, 1, a_at_ms), SIGNATURE_MISSING);
    assert_int_equal(retell_signature_verify(slice_of(A_HEADER), 2, a_body, &key, 1, a_at_ms), SIGNATURE_MALFORMED);
}

static void every_key_of_a_rotation_counts_and_a_foreign_one_does_not(void **)
{
    const struct slice other = slice_of("key_other");
    const struct slice rotation[] = { other, slice_of("key_older"), key };
    assert_int_equal(retell_signature_verify(slice_of(A_HEADER), 1, a_body, rotation, 3, a_at_ms), SIGNATURE_VALID);
    assert_int_equal(retell_signature_verify(slice_of(A_HEADER), 1, a_body, rotation, 2, a_at_ms), SIGNATURE_WRONG);
}

static void without_a_key_nothing_verifies_not_even_what_is_signed_with_the_empty_one(void **)
{
    char          memory[RETELL_SIGNATURE_BYTES_MAX];
    struct buffer header = buffer_over(memory, sizeof memory);
    const struct slice keys[] = { slice_absent, slice_of("") };
    const struct slice with_an_empty_one[] = { slice_of(""), key };
    retell_sign(&header, a_body, slice_of(""), a_at_ms);

    assert_int_equal(retell_signature_verify(buffer_slice(&header), 1, a_body, nullptr, 0, a_at_ms), SIGNATURE_NO_KEY);
    assert_int_equal(retell_signature_verify(buffer_slice(&header), 1, a_body, keys, 2, a_at_ms), SIGNATURE_NO_KEY);
    assert_int_equal(retell_signature_verify(buffer_slice(&header), 1, a_body, with_an_empty_one, 2, a_at_ms), SIGNATURE_WRONG);
}

static void the_simulator_signs_as_retell_does(void **)
{
    char          memory[RETELL_SIGNATURE_BYTES_MAX];
    struct buffer header = buffer_over(memory, sizeof memory);
    retell_sign(&header, a_body, key, a_at_ms);
    assert_false(header.overflowed);
    assert_true(slice_equal(buffer_slice(&header), slice_of(A_HEADER)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_retell_signs_is_valid),
        cmocka_unit_test(five_minutes_either_way_are_fresh_and_a_millisecond_more_is_not),
        cmocka_unit_test(a_changed_body_is_refused),
        cmocka_unit_test(a_changed_header_is_never_valid),
        cmocka_unit_test(only_the_exact_form_is_read),
        cmocka_unit_test(a_missing_or_doubled_header_is_refused),
        cmocka_unit_test(every_key_of_a_rotation_counts_and_a_foreign_one_does_not),
        cmocka_unit_test(without_a_key_nothing_verifies_not_even_what_is_signed_with_the_empty_one),
        cmocka_unit_test(the_simulator_signs_as_retell_does),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
