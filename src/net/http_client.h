#pragma once
/* net/http_client.h: HTTP/1.1 to one origin from one shard: a few kept-alive connections, one request at a time on each.
 *
 * Nothing is ever sent twice here, not even on a kept-alive connection that turned out to be closed: what may be repeated is decided by who
 * knows what it means (calcom/). So every failure says whether a byte of the request may have reached the other side.
 *
 * A call is embedded in its owner, which keeps the request's slices alive until `done`. The answer's slices live until http_call_release().
 */
#include <stdint.h>
#include "base/buffer.h"
#include "base/slice.h"
#include "limits.h"
#include "net/http.h"
#include "net/tls.h"
#include "shard/shard.h"
#include "shard/worker.h"

enum http_outcome : uint8_t {
    HTTP_ANSWERED,       /* status, headers and a whole body are there */
    HTTP_NOT_CONNECTED,  /* name, connect, TLS: no byte of the request was sent */
    HTTP_NOT_TRUSTED,    /* certificate or host name refused: nothing sent */
    HTTP_TIMED_OUT,      /* at the deadline. maybe_sent tells */
    HTTP_BROKEN,         /* reset, truncated or not HTTP. maybe_sent tells */
    HTTP_TOO_LARGE,      /* the answer is past its bound; maybe_sent is true */
    HTTP_GIVEN_UP,       /* http_call_cancel(). maybe_sent tells */
};

struct http_call;
typedef void http_call_done(struct http_call *c);
struct http_call {
    /* set by the owner */
    enum http_method          method;
    struct slice              target;       /* path and query */
    const struct http_header *headers;      /* without Host, Content-Length, Connection */
    uint32_t                  header_count;
    struct slice              body;
    uint64_t                  deadline_us;  /* monotonic; includes waiting for a connection */
    http_call_done           *done;
    /* the answer */
    enum http_outcome         outcome;
    bool                      maybe_sent;   /* a byte of the request may have left */
    uint16_t                  status;
    struct http_header        answer_headers[http_headers_max]; /* the first ones; more are left out */
    uint32_t                  answer_header_count;
    struct slice              answer;
    uint64_t                  started_at_us, sent_at_us, answered_at_us;
    /* of http_client.c */
    struct list_node          node;
    struct timer              timer;
    struct http_client_connection *connection; /* nullptr: waits for one, or is over */
    struct http_client       *client;
    bool                      running;  /* from http_call_start() until `done` is called */
    struct http_body          answer_body;
    char                     *head_memory;
    size_t                    head_bytes;
};

/* "https://api.cal.com/v2": scheme, host, port, base path. Host and base path are copies, zero-terminated. */
struct http_origin { bool tls; char host[254]; uint16_t port; char base_path[128]; };
[[nodiscard]] bool http_origin_parse(struct slice url, struct http_origin *o); /* http or https, no user, query or fragment */

struct http_client_config {
    struct http_origin origin;
    const struct tls_client_config *tls;    /* nullptr only for plain origins */
    struct worker *worker;                  /* name resolution, handshakes; nullptr: only numeric hosts, handshakes on the shard (tests) */
    uint32_t connections_max;
    uint32_t connect_timeout_ms;            /* name + connect + handshake. Past it: HTTP_NOT_CONNECTED */
    uint32_t idle_timeout_ms;
    uint64_t answer_bytes_max;              /* of one body. Answers that are not released count against connections_max times this */
};
[[nodiscard]] struct http_client_config http_client_config_default(void); /* limits.h; the rest zero */

struct http_client; /* opaque; one per origin, credential and shard */
[[nodiscard]] struct http_client *http_client_open(struct shard *s, const struct http_client_config *c); /* nullptr: no memory */
/* Idle connections close at once; no call may be running, and every answer is released. Frees itself when the last connection has been
 * joined; an open client holds its shard until then. */
void http_client_close(struct http_client *c);

/* `done` comes in a later step of the loop, never from within. Names, values and target are one line each (no CR, no LF). */
void http_call_start(struct http_client *c, struct http_call *call);
void http_call_cancel(struct http_call *call);   /* running: done comes in a later turn, with HTTP_GIVEN_UP or what it became; its connection is closed */
void http_call_release(struct http_call *call);  /* after done: the answer's memory */
[[nodiscard]] struct slice http_call_header(const struct http_call *c, struct slice name); /* any case; absent: none */

struct http_client_counters { struct counter connects, connects_failed, handshakes_full, handshakes_resumed, calls, reused; struct gauge open; };
[[nodiscard]] const struct http_client_counters *http_client_counters(const struct http_client *c);
