#pragma once
/* bare_server/reader.h: the requests of one connection, out of its bytes; in one of two ways. By Content-Length: the least that tells one request from the next; it
 * trusts its client (the head in one piece, that header in that spelling). Or by llhttp, which reads everything, and finds the signature.
 *
 * A body that came in one piece is shown where it was received; only what came in several is copied. */
#include "base/buffer.h"
#include "net/http_llhttp.h"
#include "retell/signature.h"

enum : uint32_t { BODY_BYTES_MAX = 64 * 1024 };

/* Lives as long as the call that shows it. */
struct request { struct slice body, signature; uint32_t signature_count; };

struct reader;
struct reader_config {
    bool by_llhttp, shows_bodies; /* without the second a body is counted, and not looked at */
    void (*complete)(struct reader *r, struct request request);
};

struct reader {
    const struct reader_config *config;
    struct slice  body;          /* so far; in `memory` once its first bytes have gone */
    char         *memory;        /* for bodies that come in pieces, from the first of them on */
    uint32_t      missing_bytes; /* by Content-Length: of the body under way */
    llhttp_t      parser;
    struct buffer name, signature;
    uint32_t      signature_count;
    bool          in_signature;
    char          name_memory[32], signature_memory[RETELL_SIGNATURE_BYTES_MAX];
};

void reader_init(struct reader *r, const struct reader_config *config); /* r does not move from here on */
void reader_deinit(struct reader *r);
/* Calls complete() for each request that ends in them. false: they cannot be understood. */
[[nodiscard]] bool reader_feed(struct reader *r, struct slice bytes);
