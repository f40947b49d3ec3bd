/* base/hmac.c: libcrypto's algorithms are looked up once per process (a look-up costs more than hashing a webhook), and each
 * thread keeps one context of each kind: made at its first use, freed when the thread ends. */
#include "base/hmac.h"
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <pthread.h>
#include "base/clock.h"
#include "base/ensure.h"

enum { NONCE_BYTES = 12, TAG_BYTES = 16 };
static_assert(SECRET_OVERHEAD_BYTES == NONCE_BYTES + TAG_BYTES);

static pthread_once_t algorithms_fetched = PTHREAD_ONCE_INIT;
static EVP_MD        *sha256;
static EVP_MAC       *hmac;
static EVP_CIPHER    *aes_256_gcm;

struct contexts { EVP_MD_CTX *digest; EVP_MAC_CTX *mac; };
static thread_local struct contexts *own_contexts;
static pthread_key_t                 contexts_of_ended_thread;

static void contexts_free(void *contexts)
{
    struct contexts *c = contexts;
    EVP_MD_CTX_free(c->digest);
    EVP_MAC_CTX_free(c->mac);
    free(c);
}

static void fetch_algorithms(void)
{
    sha256 = EVP_MD_fetch(nullptr, "SHA256", nullptr);
    hmac = EVP_MAC_fetch(nullptr, "HMAC", nullptr);
    aes_256_gcm = EVP_CIPHER_fetch(nullptr, "AES-256-GCM", nullptr);
    ensure(sha256 && hmac && aes_256_gcm);
    ensure(pthread_key_create(&contexts_of_ended_thread, contexts_free) == 0);
}

static struct contexts *contexts(void)
{
    if (own_contexts) return own_contexts;
    ensure(pthread_once(&algorithms_fetched, fetch_algorithms) == 0);
    struct contexts *c = malloc(sizeof *c);
    ensure(c);
    *c = (struct contexts){ .digest = EVP_MD_CTX_new(), .mac = EVP_MAC_CTX_new(hmac) };
    ensure(c->digest && c->mac);
    /* The digest stays set through every later EVP_MAC_init(), which then only changes the key. */
    static char hash_name[] = "SHA256"; /* not const only because the type of a parameter is not */
    OSSL_PARAM digest[] = { OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, hash_name, 0), OSSL_PARAM_construct_end() };
    ensure(EVP_MAC_CTX_set_params(c->mac, digest));
    ensure(pthread_setspecific(contexts_of_ended_thread, c) == 0);
    return own_contexts = c;
}

/* libcrypto takes a null key as "the one before" and a null text as an error: an absent slice is an empty text here. */
static const uint8_t *bytes_of(struct slice s) { return (const uint8_t *)(s.length > 0 ? s.start : ""); }

struct hmac_digest hmac_sha256(struct slice key, const struct slice *parts, uint32_t part_count)
{
    struct hmac_digest d;
    size_t             length = 0;
    EVP_MAC_CTX       *mac = contexts()->mac;
    ensure(EVP_MAC_init(mac, bytes_of(key), key.length, nullptr));
    for (uint32_t n = 0; n < part_count; n++) ensure(EVP_MAC_update(mac, bytes_of(parts[n]), parts[n].length));
    ensure(EVP_MAC_final(mac, d.bytes, &length, sizeof d.bytes) && length == sizeof d.bytes);
    return d;
}

struct hmac_digest sha256_of(struct slice text)
{
    struct hmac_digest d;
    EVP_MD_CTX        *digest = contexts()->digest;
    ensure(EVP_DigestInit_ex2(digest, sha256, nullptr));
    ensure(EVP_DigestUpdate(digest, bytes_of(text), text.length));
    ensure(EVP_DigestFinal_ex(digest, d.bytes, nullptr));
    return d;
}

bool constant_time_equal(const void *a, const void *b, size_t bytes) { return CRYPTO_memcmp(a, b, bytes) == 0; }

void hex_print(struct buffer *b, const uint8_t *bytes, size_t count)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t n = 0; n < count; n++) {
        buffer_add_byte(b, digits[bytes[n] >> 4]);
        buffer_add_byte(b, digits[bytes[n] & 15]);
    }
}

/* One more than the digit's value; 0: no digit. A table, because the digits of a signature are as good as random: each comparison would be guessed wrong by the processor. */
static const uint8_t hex_values[256] = {
    ['0'] = 1, ['1'] = 2, ['2'] = 3, ['3'] = 4, ['4'] = 5, ['5'] = 6, ['6'] = 7, ['7'] = 8, ['8'] = 9, ['9'] = 10,
    ['a'] = 11, ['b'] = 12, ['c'] = 13, ['d'] = 14, ['e'] = 15, ['f'] = 16, ['A'] = 11, ['B'] = 12, ['C'] = 13, ['D'] = 14, ['E'] = 15, ['F'] = 16,
};

static int hex_value(char c) { return hex_values[(uint8_t)c] - 1; }

bool hex_parse(struct slice text, uint8_t *bytes, size_t count)
{
    if (text.length / 2 != count || text.length % 2 != 0) return false;
    for (size_t n = 0; n < count; n++) {
        int high = hex_value(text.start[2 * n]), low = hex_value(text.start[2 * n + 1]);
        if (high < 0 || low < 0) return false;
        bytes[n] = (uint8_t)(high << 4 | low);
    }
    return true;
}

bool secret_key_parse(struct slice text, struct secret_key *k) { return hex_parse(text, k->bytes, sizeof k->bytes); }

/* Where `bytes` more would be written; nullptr and the overflow noted when they do not fit. */
static uint8_t *room_for(struct buffer *b, size_t bytes)
{
    if (b->overflowed || bytes > b->capacity - b->length) {
        b->overflowed = true;
        return nullptr;
    }
    return (uint8_t *)b->start + b->length;
}

static bool encrypt(EVP_CIPHER_CTX *c, const struct secret_key *k, struct slice context, struct slice plain, uint8_t *sealed)
{
    uint8_t *nonce = sealed, *text = nonce + NONCE_BYTES, *tag = text + plain.length;
    int      written;
    random_fill(nonce, NONCE_BYTES);
    return EVP_EncryptInit_ex2(c, aes_256_gcm, k->bytes, nonce, nullptr)
        && EVP_EncryptUpdate(c, nullptr, &written, bytes_of(context), (int)context.length)
        && EVP_EncryptUpdate(c, text, &written, bytes_of(plain), (int)plain.length)
        && EVP_EncryptFinal_ex(c, text + plain.length, &written)
        && EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_GET_TAG, TAG_BYTES, tag);
}

static bool decrypt(EVP_CIPHER_CTX *c, const struct secret_key *k, struct slice context, struct slice sealed, uint8_t *plain)
{
    const uint8_t *nonce = bytes_of(sealed), *text = nonce + NONCE_BYTES;
    size_t         length = sealed.length - SECRET_OVERHEAD_BYTES;
    uint8_t        tag[TAG_BYTES];
    int            written;
    memcpy(tag, text + length, TAG_BYTES);
    return EVP_DecryptInit_ex2(c, aes_256_gcm, k->bytes, nonce, nullptr)
        && EVP_DecryptUpdate(c, nullptr, &written, bytes_of(context), (int)context.length)
        && EVP_DecryptUpdate(c, plain, &written, text, (int)length)
        && EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_SET_TAG, TAG_BYTES, tag)
        && EVP_DecryptFinal_ex(c, plain + length, &written); /* compares the tag */
}

bool secret_seal(const struct secret_key *k, struct slice context, struct slice plain, struct buffer *sealed)
{
    if (plain.length > secret_bytes_max || context.length > secret_bytes_max) return false;
    uint8_t *to = room_for(sealed, plain.length + SECRET_OVERHEAD_BYTES);
    if (!to) return false;

    ensure(pthread_once(&algorithms_fetched, fetch_algorithms) == 0);
    EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
    ensure(c && encrypt(c, k, context, plain, to)); /* only lack of memory makes encryption fail */
    EVP_CIPHER_CTX_free(c);
    sealed->length += plain.length + SECRET_OVERHEAD_BYTES;
    return true;
}

bool secret_open(const struct secret_key *k, struct slice context, struct slice sealed, struct buffer *plain)
{
    if (sealed.length < SECRET_OVERHEAD_BYTES || sealed.length - SECRET_OVERHEAD_BYTES > secret_bytes_max) return false;
    if (context.length > secret_bytes_max) return false;
    size_t   length = sealed.length - SECRET_OVERHEAD_BYTES;
    uint8_t *to = room_for(plain, length);
    if (!to) return false;

    ensure(pthread_once(&algorithms_fetched, fetch_algorithms) == 0);
    EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
    ensure(c);
    bool genuine = decrypt(c, k, context, sealed, to);
    EVP_CIPHER_CTX_free(c);
    if (genuine) plain->length += length;
    else OPENSSL_cleanse(to, length); /* what was decrypted before the tag said no */
    return genuine;
}
