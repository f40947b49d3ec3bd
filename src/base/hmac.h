#pragma once
/* base/hmac.h: HMAC-SHA256, and secrets at rest (AES-256-GCM). libcrypto behind it: it is in the process with libpq anyway, and uses
 * the CPU's SHA instructions (a 60 KB body: 50 µs instead of 300 µs with mbedTLS's portable code). Any thread. */
#include <stdint.h>
#include "base/buffer.h"
#include "base/slice.h"
#include "limits.h"

struct hmac_digest { uint8_t bytes[32]; };

/* Over the parts in order, as if they were one text. */
[[nodiscard]] struct hmac_digest hmac_sha256(struct slice key, const struct slice *parts, uint32_t part_count);
[[nodiscard]] struct hmac_digest sha256_of(struct slice text);
[[nodiscard]] bool constant_time_equal(const void *a, const void *b, size_t bytes);

void hex_print(struct buffer *b, const uint8_t *bytes, size_t count);              /* lower case */
[[nodiscard]] bool hex_parse(struct slice text, uint8_t *bytes, size_t count);     /* either case; exactly 2 × count digits */

/* Sealed form: 12 bytes nonce, ciphertext, 16 bytes tag. `context` is bound to it (e.g. "workspace_keys/17") but not stored. */
struct secret_key { uint8_t bytes[32]; };
enum { SECRET_OVERHEAD_BYTES = 28 };
/* false: longer than secret_bytes_max, or it does not fit. Appends to `sealed`. */
[[nodiscard]] bool secret_seal(const struct secret_key *k, struct slice context, struct slice plain, struct buffer *sealed);
/* false: wrong key or context, damaged, or it does not fit. Appends to `plain`, all or nothing. */
[[nodiscard]] bool secret_open(const struct secret_key *k, struct slice context, struct slice sealed, struct buffer *plain);
[[nodiscard]] bool secret_key_parse(struct slice text, struct secret_key *k); /* 64 hex digits */
