/* What the keyed hash and the sealed secrets promise: the standards' own vectors, and that nothing altered is ever accepted. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <threads.h>
#include "base/hmac.h"

static struct slice hex_of(struct hmac_digest d)
{
    static char memory[64];
    struct buffer b = buffer_over(memory, sizeof memory);
    hex_print(&b, d.bytes, sizeof d.bytes);
    return buffer_slice(&b);
}

static struct slice repeated(char *memory, char byte, size_t count)
{
    memset(memory, byte, count);
    return slice_from(memory, count);
}

static void equals_the_vectors_of_rfc_4231(void **)
{
    char bytes[8][152], counting[25];
    for (char n = 0; n < 25; n++) counting[(int)n] = (char)(n + 1);
    struct slice long_key = repeated(bytes[0], '\xaa', 131);
    const struct { struct slice key, text, digest; } vectors[] = {
        { repeated(bytes[1], '\x0b', 20), slice_of("Hi There"), slice_of("b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7") },
        { slice_of("Jefe"), slice_of("what do ya want for nothing?"), slice_of("5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843") },
        { repeated(bytes[2], '\xaa', 20), repeated(bytes[3], '\xdd', 50), slice_of("773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe") },
        { slice_from(counting, 25), repeated(bytes[4], '\xcd', 50), slice_of("82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b") },
        { long_key, slice_of("Test Using Larger Than Block-Size Key - Hash Key First"),
          slice_of("60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54") },
        { long_key, slice_of("This is a test using a larger than block-size key and a larger than block-size data. The key needs to be hashed before "
                             "being used by the HMAC algorithm."),
          slice_of("9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2") },
        { slice_absent, slice_absent, slice_of("b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad") }, /* not in the RFC: no key is not "the key before" */
    };
    for (size_t n = 0; n < sizeof vectors / sizeof *vectors; n++)
        assert_true(slice_equal(hex_of(hmac_sha256(vectors[n].key, &vectors[n].text, 1)), vectors[n].digest));
}

/* Retell signs the raw body followed by the digits of the time stamp. */
static void signs_as_retell_does(void **)
{
    const struct slice key = slice_of("key_made_up_0123456789abcdef0123456789ab"), stamp = slice_of("1780000000000");
    const struct { struct slice key, body, stamp, digest; } vectors[] = {
        { key, slice_of("{\"event\":\"call_ended\",\"call\":{\"call_id\":\"call_1a2b3c4d5e6f7a8b9c0d1e2f3a4\",\"call_type\":\"phone_call\",\"call_status\":\"ended\"}}"),
          stamp, slice_of("eb7285542549c3413af6e4aeb0ed110bca6e8c31a4d3f145c9da70f8f9f46286") },
        { key, slice_of("{\"event\":\"call_analyzed\",\"call\":{\"call_id\":\"call_9f8e7d6c5b4a39281706f5e4d3c\","
                        "\"transcript\":\"User: ¿Tenéis mesa a las 8? 👍\\nAgent: Sí, señora Núñez.\"}}"),
          stamp, slice_of("e0ddab49d3216d0fdae0abb8022c8c9ba764f709c828395fa25f7baad23cfc98") },
        { key, slice_of(""), stamp, slice_of("e7b4dc84cd7e1372e16458444224b328ee6f3b4b4b8e77a223a1ec97df3c54df") },
        { slice_of("test-api-key"), slice_of("{\"event\":\"call_ended\"}"), slice_of("1700000000000"),
          slice_of("07024cabe7dd8f6d1c6e4a8324ca92c812e6ad4a7ee506c04f7e462e3321823e") },
    };
    assert_int_equal(vectors[0].body.length, 123);
    assert_int_equal(vectors[1].body.length, 159);
    for (size_t n = 0; n < sizeof vectors / sizeof *vectors; n++) {
        struct slice two[] = { vectors[n].body, vectors[n].stamp };
        assert_true(slice_equal(hex_of(hmac_sha256(vectors[n].key, two, 2)), vectors[n].digest));
        /* a body that came in pieces signs the same */
        size_t half = vectors[n].body.length / 2;
        struct slice four[] = { slice_take(vectors[n].body, half), slice_absent, slice_skip(vectors[n].body, half), vectors[n].stamp };
        assert_true(slice_equal(hex_of(hmac_sha256(vectors[n].key, four, 4)), vectors[n].digest));
    }
}

static void hashes_like_fips_180(void **)
{
    assert_true(slice_equal(hex_of(sha256_of(slice_of("abc"))), slice_of("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")));
    assert_true(slice_equal(hex_of(sha256_of(slice_absent)), slice_of("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")));
}

static int hash_in_a_thread(void *)
{
    struct slice text = slice_of("what do ya want for nothing?");
    return hmac_sha256(slice_of("Jefe"), &text, 1).bytes[0];
}

static void every_thread_may_hash_and_leaves_nothing_behind(void **)
{
    thrd_t threads[4];
    for (int n = 0; n < 4; n++) assert_int_equal(thrd_create(&threads[n], hash_in_a_thread, nullptr), thrd_success);
    for (int n = 0; n < 4; n++) {
        int first_byte;
        assert_int_equal(thrd_join(threads[n], &first_byte), thrd_success);
        assert_int_equal(first_byte, 0x5b);
    }
}

static void compares_every_byte(void **)
{
    uint8_t a[32] = {}, b[32] = {};
    assert_true(constant_time_equal(a, b, 32));
    for (int n = 0; n < 32; n++) {
        b[n] = 1;
        assert_false(constant_time_equal(a, b, 32));
        b[n] = 0;
    }
}

static void hex_is_exactly_two_digits_a_byte(void **)
{
    uint8_t bytes[2];
    assert_true(hex_parse(slice_of("0aFf"), bytes, 2));
    assert_int_equal(bytes[0], 0x0a);
    assert_int_equal(bytes[1], 0xff);
    static const struct slice bad[] = { slice_of(""), slice_of("0aF"), slice_of("0aFf0"), slice_of("0aFf00"), slice_of("0aFg"), slice_of(" aFf"), slice_of("0x12") };
    for (size_t n = 0; n < sizeof bad / sizeof *bad; n++) assert_false(hex_parse(bad[n], bytes, 2));
    struct secret_key key;
    assert_false(secret_key_parse(slice_of("00"), &key));
}

static struct secret_key some_key(void)
{
    struct secret_key k;
    assert_true(secret_key_parse(slice_of("000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"), &k));
    return k;
}

static void a_secret_opens_with_its_key_and_context_only(void **)
{
    struct secret_key k = some_key(), other = k;
    other.bytes[31] ^= 1;
    const struct slice context = slice_of("workspace_keys/17"), secret = slice_of("key_made_up_0123456789");
    char sealed_memory[128], plain_memory[128];
    struct buffer sealed = buffer_over(sealed_memory, sizeof sealed_memory), plain = buffer_over(plain_memory, sizeof plain_memory);
    assert_true(secret_seal(&k, context, secret, &sealed));
    assert_int_equal(sealed.length, secret.length + SECRET_OVERHEAD_BYTES);
    assert_false(slice_contains(buffer_slice(&sealed), secret));

    assert_true(secret_open(&k, context, buffer_slice(&sealed), &plain));
    assert_true(slice_equal(buffer_slice(&plain), secret));
    assert_false(secret_open(&other, context, buffer_slice(&sealed), &plain));
    assert_false(secret_open(&k, slice_of("workspace_keys/18"), buffer_slice(&sealed), &plain));
    assert_int_equal(plain.length, secret.length); /* nothing was added by those, nor left behind: the wrong context decrypts rightly */
    for (size_t n = plain.length; n < 2 * secret.length; n++) assert_int_equal(plain_memory[n], 0);
}

static void a_sealed_secret_with_any_bit_changed_or_cut_does_not_open(void **)
{
    struct secret_key k = some_key();
    char sealed_memory[64], plain_memory[64];
    struct buffer sealed = buffer_over(sealed_memory, sizeof sealed_memory);
    assert_true(secret_seal(&k, slice_absent, slice_of("secret"), &sealed));
    for (size_t bit = 0; bit < sealed.length * 8; bit++) {
        struct buffer plain = buffer_over(plain_memory, sizeof plain_memory);
        sealed_memory[bit / 8] ^= (char)(1 << bit % 8);
        assert_false(secret_open(&k, slice_absent, buffer_slice(&sealed), &plain));
        sealed_memory[bit / 8] ^= (char)(1 << bit % 8);
    }
    for (size_t length = 0; length < sealed.length; length++) {
        struct buffer plain = buffer_over(plain_memory, sizeof plain_memory);
        assert_false(secret_open(&k, slice_absent, slice_take(buffer_slice(&sealed), length), &plain));
    }
}

static void sealing_twice_looks_different_and_too_little_room_is_said(void **)
{
    struct secret_key k = some_key();
    char a_memory[64], b_memory[64], small_memory[8];
    struct buffer a = buffer_over(a_memory, 64), b = buffer_over(b_memory, 64), small = buffer_over(small_memory, 8);
    assert_true(secret_seal(&k, slice_absent, slice_absent, &a));
    assert_true(secret_seal(&k, slice_absent, slice_absent, &b));
    assert_false(slice_equal(buffer_slice(&a), buffer_slice(&b)));
    assert_false(secret_seal(&k, slice_absent, slice_absent, &small));
    assert_true(small.overflowed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equals_the_vectors_of_rfc_4231),
        cmocka_unit_test(signs_as_retell_does),
        cmocka_unit_test(hashes_like_fips_180),
        cmocka_unit_test(every_thread_may_hash_and_leaves_nothing_behind),
        cmocka_unit_test(compares_every_byte),
        cmocka_unit_test(hex_is_exactly_two_digits_a_byte),
        cmocka_unit_test(a_secret_opens_with_its_key_and_context_only),
        cmocka_unit_test(a_sealed_secret_with_any_bit_changed_or_cut_does_not_open),
        cmocka_unit_test(sealing_twice_looks_different_and_too_little_room_is_said),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
