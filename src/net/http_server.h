#pragma once
/* net/http_server.h: the HTTP/1.1 server of one shard: listener, connections, requests in, responses out; llhttp parses, mbedTLS where a
 * certificate is configured.
 *
 * A connection serves one request at a time, in order (pipelined ones wait behind it, copied, bounded); any number of connections wait on
 * their handlers at once. Everything strict: what request smuggling needs (both lengths, doubled lengths, obs-fold, bare LF, bad chunks) is
 * refused by 400 and the connection closed.
 *
 *   free → open → (request complete → handler → http_respond) … → closing (join what the kernel has) → free
 *
 * A handler runs on the shard's thread when the last body byte is there; it answers now or later, exactly once, also when the peer has gone
 * away meanwhile: then the answer is dropped and counted. (A peer that has only ended its own half, FIN, still gets it.)
 *
 * An idle connection costs less than 1 KiB (with TLS: about 60 KiB), one with a request under way 4 KiB more, its body, and a long head.
 */
#include <netinet/in.h>
#include <stdint.h>
#include "base/heap.h"
#include "base/pool.h"
#include "base/slice.h"
#include "net/http.h"
#include "shard/shard.h"
#include "shard/worker.h"

/* Names the exchange across anything asynchronous. */
struct http_exchange { struct handle connection; uint32_t request_number; };

struct http_server;
struct http_request {
    struct http_server  *server;
    struct http_exchange exchange;
    enum http_method     method;
    struct slice         target;   /* as sent */
    struct slice         path;     /* up to '?', not decoded */
    struct slice         query;    /* after '?'; absent: none */
    struct slice         body;     /* see http_request_take_body() */
    uint64_t             head_at_us, complete_at_us; /* monotonic: first byte of the head, last byte of the body */
    const struct http_header *headers;
    uint32_t             header_count;
};

/* The value of the only header of that name (any case); absent when there is none or several, and *count (may be null) tells how many. */
[[nodiscard]] struct slice http_request_header(const struct http_request *r, struct slice name, uint32_t *count);

/* The request and all its slices live until the answer is given, on this shard, whatever becomes of the connection. The body may outlive it: taken, it is heap memory of
 * the server's heap (http_server_heap) with `capacity` bytes, the caller's to release. */
[[nodiscard]] struct http_body http_request_take_body(struct http_request *r);

/* Answers. Copies everything before it returns. false: the exchange is gone, nothing was sent. Date, Content-Length and Connection are added.
 * status ≥ 200. HEAD sends no body. `close`: this connection ends after the answer. What finds no room becomes 503, what is larger
 * than http_response_bytes_max 500, both without a body. */
struct http_response { uint16_t status; const struct http_header *headers; uint32_t header_count; struct slice body; bool close; };
bool http_respond(struct http_server *s, struct http_exchange e, const struct http_response *r);

/* A response with only a status (204, 401 …; 503 with Retry-After): no allocation. */
bool http_respond_status(struct http_server *s, struct http_exchange e, uint16_t status);

typedef void http_handler(void *context, struct http_request *r);

/* Asked when the head is complete, before a body byte is read: 0 accepts, else that status is answered and the connection closed after it
 * (404, 411, 413, 503 …). `body_bytes` is the declared length, or -1 for chunked. May lower *body_bytes_max for this request. An admission
 * that has more to say (405 with Allow) answers by http_respond() itself, and then returns anything but 0. */
typedef uint16_t http_admission(void *context, const struct http_request *r, int64_t body_bytes, uint64_t *body_bytes_max);

struct tls_server_config; /* tls.h */
struct http_server_config {
    struct sockaddr_in address;         /* port 0: any free one */
    uint32_t connections_max;
    uint64_t body_bytes_max;
    uint64_t heap_bytes;                /* bodies of this shard. Large answers have as much again, http_answers_bytes_max at most: neither takes the other's room */
    uint32_t head_timeout_ms, body_idle_timeout_ms, body_timeout_ms, keep_alive_timeout_ms, send_timeout_ms, drain_timeout_ms;
    const struct tls_server_config *tls; /* nullptr: plain */
    struct worker *worker;              /* takes the steps of TLS handshakes; nullptr: they run on the shard */
    http_handler   *handler;
    http_admission *admission;          /* nullptr: everything */
    void           *context;
    const char     *server_name;        /* Server header; nullptr: none */
};
[[nodiscard]] struct http_server_config http_server_config_default(void); /* limits.h; the address is 127.0.0.1:0 */

/* nullptr: *refusal says why (port taken, …). Starts accepting at once. */
[[nodiscard]] struct http_server *http_server_open(struct shard *s, const struct http_server_config *c, struct io_refusal *refusal);
[[nodiscard]] uint16_t http_server_port(const struct http_server *s);
[[nodiscard]] struct heap *http_server_heap(struct http_server *s);
/* Stops accepting; idle connections close, busy ones after their answer ("Connection: close"), those whose request is not whole
 * within drain_timeout_ms by 408. Holds the shard until all are closed. */
void http_server_drain(struct http_server *s);
/* Breaks what is still open. The simulators end so; the engine drains, and past its patience the process ends. */
void http_server_abort(struct http_server *s);
void http_server_close(struct http_server *s); /* in finish: nothing is open */

/* -- for simulators of servers that fail; the engine uses none of it -- */

/* Bytes as they are instead of an answer, and what follows them. While the exchange goes on, another piece may be sent once the last one has left. */
enum http_ending : uint8_t { HTTP_GOES_ON, HTTP_CLOSES, HTTP_BREAKS /* without a goodbye */ };
bool http_respond_raw(struct http_server *s, struct http_exchange e, struct slice bytes, enum http_ending ending); /* false: the exchange is gone, or the last piece has not left */

/* Shut: nobody listens, idle connections are closed, busy ones go on. Opening may fail: *refusal says why, and it stays shut. */
void http_server_shut(struct http_server *s);
[[nodiscard]] bool http_server_reopen(struct http_server *s, struct io_refusal *refusal);

struct http_server_counters {
    struct counter accepted, refused_full, closed_idle, timed_out_head, timed_out_body, timed_out_send, malformed, too_large, peer_gone, tls_failed,
                   requests, responses_1xx_2xx, responses_4xx, responses_5xx, bytes_in, bytes_out;
    struct gauge   open;
};
[[nodiscard]] const struct http_server_counters *http_server_counters(const struct http_server *s);
