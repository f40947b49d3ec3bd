#pragma once
/* retell/signature.h: is this body from Retell, just now? Decided on the raw bytes, before anything looks inside them.
 *
 * Retell signs with the workspace's webhook key: the header x-retell-signature is "v=<unix milliseconds>,d=<64 hex digits>", where
 * d = HMAC-SHA256(key, body ‖ v as written). URL, method and headers are not signed, so every endpoint also checks that the body is one of its own.
 * A replay inside the window is genuine here; idempotency catches it. Pure, any thread.
 */
#include <stdint.h>
#include "base/buffer.h"
#include "base/slice.h"

/* Retell's own verifiers allow ±300,000 ms, both ends included. */
constexpr int64_t signature_window_ms = 300'000;

enum signature_verdict : uint8_t {
    SIGNATURE_VALID,
    SIGNATURE_MISSING,
    SIGNATURE_MALFORMED, /* not exactly that form, or two such headers */
    SIGNATURE_STALE,     /* or from the future */
    SIGNATURE_WRONG,     /* of another key, or of another body */
    SIGNATURE_NO_KEY,    /* the workspace has none: fails closed, and an operator has to know */
};
[[nodiscard]] const char *signature_verdict_name(enum signature_verdict v); /* for logs and metrics: "valid", "no_key", … */

/* header: the value of the first x-retell-signature of header_count. Takes the same time for every key and every wrong digest: all keys
 * are always tried. Empty keys are no keys: anyone can sign with one. */
[[nodiscard]] enum signature_verdict retell_signature_verify(struct slice header, uint32_t header_count, struct slice body, const struct slice *keys, uint32_t key_count, int64_t now_ms);

enum { RETELL_SIGNATURE_BYTES_MAX = 2 + 20 + 3 + 64 };
/* Appends the header's value, as Retell would make it at at_ms (not negative). For the simulator and the load harness. */
void retell_sign(struct buffer *header, struct slice body, struct slice key, int64_t at_ms);
