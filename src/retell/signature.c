#include "retell/signature.h"
#include <inttypes.h>
#include "base/ensure.h"
#include "base/hmac.h"

/* The official verifiers normalise a leading zero and then hash another number than the one that was sent; numbers past 2^53 they round.
 * Neither is ever sent, so neither is accepted. */
constexpr uint64_t sixteen_digits = UINT64_C(9'999'999'999'999'999);

struct signature { struct slice digits; uint64_t at_ms; struct hmac_digest digest; };

static bool signature_read(struct slice header, struct signature *s)
{
    struct slice digest = header;
    struct slice time = slice_split(&digest, ',');
    if (!slice_starts_with(time, slice_of("v=")) || !slice_starts_with(digest, slice_of("d="))) return false;

    s->digits = slice_skip(time, 2);
    return slice_to_u64(s->digits, sixteen_digits, &s->at_ms) && hex_parse(slice_skip(digest, 2), s->digest.bytes, sizeof s->digest.bytes);
}

static bool is_fresh(uint64_t at_ms, int64_t now_ms)
{
    int64_t age_ms = now_ms - (int64_t)at_ms;
    return age_ms >= -signature_window_ms && age_ms <= signature_window_ms;
}

static struct hmac_digest digest_of(struct slice body, struct slice digits, struct slice key)
{
    const struct slice parts[] = { body, digits };
    return hmac_sha256(key, parts, 2);
}

static bool has_key(const struct slice *keys, uint32_t key_count)
{
    for (uint32_t n = 0; n < key_count; n++)
        if (keys[n].length > 0) return true;
    return false;
}

static bool any_key_made(const struct signature *s, struct slice body, const struct slice *keys, uint32_t key_count)
{
    bool made = false;
    for (uint32_t n = 0; n < key_count; n++) {
        if (keys[n].length == 0) continue;
        struct hmac_digest ours = digest_of(body, s->digits, keys[n]);
        made |= constant_time_equal(ours.bytes, s->digest.bytes, sizeof ours.bytes); /* no early end: it would tell which key it was */
    }
    return made;
}

enum signature_verdict retell_signature_verify(struct slice header, uint32_t header_count, struct slice body, const struct slice *keys, uint32_t key_count, int64_t now_ms)
{
    struct signature claimed;
    if (!has_key(keys, key_count)) return SIGNATURE_NO_KEY;
    if (header_count == 0) return SIGNATURE_MISSING;
    if (header_count > 1 || !signature_read(header, &claimed)) return SIGNATURE_MALFORMED;
    if (!is_fresh(claimed.at_ms, now_ms)) return SIGNATURE_STALE;
    return any_key_made(&claimed, body, keys, key_count) ? SIGNATURE_VALID : SIGNATURE_WRONG;
}

const char *signature_verdict_name(enum signature_verdict v)
{
    switch (v) {
    case SIGNATURE_VALID:     return "valid";
    case SIGNATURE_MISSING:   return "missing";
    case SIGNATURE_MALFORMED: return "malformed";
    case SIGNATURE_STALE:     return "stale";
    case SIGNATURE_WRONG:     return "wrong";
    case SIGNATURE_NO_KEY:    return "no_key";
    }
    ensure(false);
    return nullptr;
}

void retell_sign(struct buffer *header, struct slice body, struct slice key, int64_t at_ms)
{
    ensure(at_ms >= 0);
    char digits[24];
    int  length = snprintf(digits, sizeof digits, "%" PRId64, at_ms);
    struct slice       time = slice_from(digits, (size_t)length);
    struct hmac_digest digest = digest_of(body, time, key);

    buffer_add(header, slice_of("v="));
    buffer_add(header, time);
    buffer_add(header, slice_of(",d="));
    hex_print(header, digest.bytes, sizeof digest.bytes);
}
