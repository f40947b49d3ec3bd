#pragma once
/* net/http_connection.h: one connection of the server, and the server as its connections see it. Private to net/http_*.
 *
 *                       ┌────────────────────────── answer sent, kept alive ──────────────────────────┐
 *                       ▼                                                                             │
 *   (SHAKING_HANDS) → IDLE ─ first byte → READING_HEAD ─ admitted → READING_BODY → HANDLING ─ answer → SENDING ─ refused → LINGERING
 *                                               └────────── refused: 4xx, 503 ──────────────────────────┘ └─ closes ┐       │
 *   any of them: peer gone, timed out, aborted ────────────────────────────────────────────────────────► CLOSING ◄┴───────┘
 *                                                                 joined, the handler not done yet ─► ORPHANED ─ answer → free
 */
#include "base/list.h"
#include "base/metrics.h"
#include "base/pool.h"
#include "net/http_message.h"
#include "net/http_response.h"
#include "net/http_server.h"
#include "net/stream.h"

enum http_connection_state : uint8_t {
    CONNECTION_SHAKING_HANDS,
    CONNECTION_IDLE,         /* between requests: not a byte of the next one */
    CONNECTION_READING_HEAD,
    CONNECTION_READING_BODY,
    CONNECTION_HANDLING,     /* the handler has the request */
    CONNECTION_SENDING,      /* the answer is under way */
    CONNECTION_LINGERING,    /* refused and told so: what still comes is thrown away */
    CONNECTION_CLOSING,      /* the stream joins */
    CONNECTION_ORPHANED,     /* without a stream: kept for the request that the handler still reads */
};

/* From the first byte of a request to its answer. */
struct http_work {
    struct http_request request; /* first: http_request_take_body() finds the rest by it */
    struct http_message message; /* last: from its headers on, nothing is zeroed (see begin_request()) */
};

constexpr uint32_t http_answer_bytes = 512; /* most answers to webhooks are a status, and fit */

enum : uint32_t { HTTP_CONNECTION_MAGIC = 0x4711c099 };

struct http_connection {
    uint32_t                   magic;
    uint32_t                   request_number;
    enum http_connection_state state;
    bool is_with_handler; /* the handler owes an answer, and may read the request */
    bool keeps_alive;     /* the peer wants to go on after this request */
    bool closes;          /* we do not, after this answer */
    bool breaks;          /* and without a goodbye: http_respond_raw() */
    bool lingers;         /* the request was refused before it was read to its end */
    bool is_continuing;   /* "100 Continue" is being sent; an answer waits for that */
    bool peer_has_ended;
    bool is_head, is_1_0;
    struct http_server        *server;
    struct http_work          *work;
    struct stream              stream;
    struct list_node           node;       /* of server->connections, or ->orphans */
    struct timer               timer;      /* at or before the deadline of the state: it looks again when early */
    uint64_t                   entered_at_us, progress_at_us;
    char                      *waiting;    /* pipelined bytes behind the request under way; heap memory */
    uint32_t                   waiting_used, waiting_length, waiting_capacity;
    uint32_t                   lingered_bytes;
    struct slice               answer;     /* in small_answer, or large_answer: memory of server->answers */
    char                      *large_answer;
    size_t                     large_answer_bytes;
    char                       small_answer[http_answer_bytes];
};
static_assert(sizeof(struct http_connection) <= 1024);

enum : uint32_t { HTTP_SERVER_MAGIC = 0x4711547e };

struct http_server {
    uint32_t                  magic;
    bool                      is_draining, is_shut, holds_shard;
    uint16_t                  port;
    int                       listener;
    uint64_t                  requests_end_at_us; /* what has begun to arrive must be whole by then; UINT64_MAX until a drain */
    struct shard             *shard;
    struct http_server_config config;
    struct io_op              accept;
    struct timer              accept_again; /* out of descriptors: not at once */
    struct heap               heap, answers;
    struct pool               connection_pool, work_pool;
    struct list               connections, orphans;
    struct http_date          date;
    struct http_server_counters counters;
};

/* The socket becomes the connection's; session nullptr: plain. */
[[nodiscard]] bool http_connection_open(struct http_connection *c, struct http_server *s, int fd, struct tls *session); /* false: as stream_accept() */
void http_connection_drain(struct http_connection *c); /* idle: closes; busy: closes after its answer; reading: has until requests_end_at_us */
void http_connection_break(struct http_connection *c);
void http_connection_forget_orphan(struct http_connection *c);

/* When a connection is gone: the drain may be over. */
void http_server_connection_gone(struct http_server *s);
