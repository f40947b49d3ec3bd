#pragma once
/* net/http_message.h: one HTTP/1.1 message being read, request or answer: bytes in; a head, then a body out. llhttp parses, with every
 * leniency off; what it lets through and smuggling could use is refused here.
 *
 *     begin ─► feed … MESSAGE_HAS_HEAD ─► accept_body ─► feed … MESSAGE_IS_COMPLETE ─► take_body, end
 *
 * It knows no socket and no clock: the server, the client, the fuzzers and the bench drive the same code. Nothing points into the bytes
 * it was fed. The head is copied once into the message (a longer one into heap memory), the body once into heap memory of its size.
 */
#include <stdint.h>
#include "base/heap.h"
#include "base/slice.h"
#include "limits.h"
#include "net/http.h"
#include "net/http_llhttp.h"

enum message_progress : uint8_t {
    MESSAGE_WANTS_BYTES, /* all that was given is used up */
    MESSAGE_HAS_HEAD,    /* once: decide on the body, then feed on, even if no bytes are left */
    MESSAGE_IS_COMPLETE, /* what is left of the bytes belongs to the next message */
    /* The connection cannot be used any more: */
    MESSAGE_IS_MALFORMED,
    MESSAGE_VERSION_UNKNOWN, /* neither HTTP/1.1 nor 1.0 */
    MESSAGE_HEAD_TOO_LARGE,
    MESSAGE_BODY_TOO_LARGE,
    MESSAGE_HAS_NO_MEMORY, /* the heap's budget is used up */
};

enum message_kind : uint8_t { MESSAGE_REQUEST, MESSAGE_ANSWER, MESSAGE_ANSWER_TO_HEAD };

/* A webhook's head is 500 to 900 bytes; up to this a head needs no memory of its own. */
constexpr uint32_t message_text_bytes = 1024;

struct http_message {
    llhttp_t              parser;
    struct heap          *heap;
    enum message_kind     kind;
    enum message_progress reached; /* by a callback in this feed: a stop, or what is wrong */
    bool                  in_body; /* the head is complete: what looks like headers from here on are trailers, and ignored */
    uint32_t              head_bytes;
    int64_t               body_bytes_declared; /* once the head is there: 0 none, -1 not known beforehand */
    uint64_t              body_raw_bytes;      /* with the frames of its chunks */
    uint64_t              body_bytes_max;
    struct http_body      body;
    struct slice          target; /* of a request */
    uint32_t              header_count;
    char                 *text; /* method, names and values one after the other: small_text, or heap memory */
    uint32_t              text_length, text_capacity;
    struct http_header    headers[http_headers_max + 1]; /* each is cleared when its turn comes; the last one is where an answer's surplus goes */
    char                  small_text[message_text_bytes];
};

void http_message_begin(struct http_message *m, enum message_kind kind, struct heap *heap); /* of memory that is zeroed up to `headers`, or after end */
void http_message_end(struct http_message *m);                                             /* gives the heap its memory back */

/* Reads on; *bytes is left with what was not used. */
[[nodiscard]] enum message_progress http_message_feed(struct http_message *m, struct slice *bytes);
/* An answer without a length ends with its connection: MESSAGE_IS_COMPLETE, or MESSAGE_IS_MALFORMED if something was still to come. */
[[nodiscard]] enum message_progress http_message_feed_end(struct http_message *m);

/* After MESSAGE_HAS_HEAD. MESSAGE_WANTS_BYTES: go on. MESSAGE_BODY_TOO_LARGE, MESSAGE_HAS_NO_MEMORY: refuse before a byte of it is read. */
[[nodiscard]] enum message_progress http_message_accept_body(struct http_message *m, uint64_t body_bytes_max);
[[nodiscard]] struct http_body http_message_take_body(struct http_message *m);

[[nodiscard]] enum http_method http_message_method(const struct http_message *m);
[[nodiscard]] uint16_t http_message_status(const struct http_message *m);
[[nodiscard]] bool http_message_is_1_0(const struct http_message *m);
[[nodiscard]] bool http_message_keeps_alive(const struct http_message *m); /* valid once complete */
