/* The listener of one shard, and the life of its server. What happens on a connection is in http_connection.c. */
#include "net/http_server.h"
#include <stdlib.h>
#include "base/ensure.h"
#include "limits.h"
#include "net/http_connection.h"

/* Out of descriptors: others have to close first. Long enough not to spin, short enough not to be noticed. */
enum : uint32_t { ACCEPT_AGAIN_MS = 50, LISTEN_BACKLOG = 4096 };

static void accepted(struct io_op *op, struct io_result result);

struct http_server_config http_server_config_default(void)
{
    return (struct http_server_config){
        .address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) },
        .connections_max = http_connections_max,
        .body_bytes_max = http_body_bytes_max,
        .heap_bytes = delivery_heap_bytes,
        .head_timeout_ms = http_head_timeout_ms,
        .body_idle_timeout_ms = http_body_idle_timeout_ms,
        .body_timeout_ms = http_body_timeout_ms,
        .keep_alive_timeout_ms = http_keep_alive_timeout_ms,
        .send_timeout_ms = http_send_timeout_ms,
        .drain_timeout_ms = http_drain_timeout_ms,
    };
}

/* -- accepting -- */

static void accept_more(struct http_server *s) { io_accept(s->shard->io, &s->accept, s->listener, accepted); }

static void accept_again(struct timer *t) { accept_more(container_of(t, struct http_server, accept_again)); }

static void welcome(struct http_server *s, int fd)
{
    counter_add(&s->counters.accepted, 1);
    struct http_connection *c = s->is_draining || s->is_shut ? nullptr : pool_acquire(&s->connection_pool);
    struct tls             *session = c && s->config.tls ? tls_open_server(s->config.tls) : nullptr;
    bool has_memory = c && (session || !s->config.tls);
    if (has_memory && http_connection_open(c, s, fd, session)) {
        gauge_add(&s->counters.open, 1);
        return;
    }
    tls_close(session);
    if (c) pool_release(&s->connection_pool, c);
    counter_add(&s->counters.refused_full, 1);
    io_close(fd);
}

static void stop_listening(struct http_server *s)
{
    io_close(s->listener);
    s->listener = -1;
}

static void accepted(struct io_op *op, struct io_result result)
{
    struct http_server *s = container_of(op, struct http_server, accept);
    if (result.status == IO_OK) welcome(s, result.fd);
    if (result.more) return;
    if (s->is_draining) http_server_connection_gone(s);
    else if (s->is_shut) stop_listening(s);
    else if (result.status == IO_OK) accept_more(s);
    else timer_start(&s->shard->timers, &s->accept_again, s->shard->now_us + ACCEPT_AGAIN_MS * UINT64_C(1000), accept_again);
}

/* -- life -- */

struct http_server *http_server_open(struct shard *shard, const struct http_server_config *config, struct io_refusal *refusal)
{
    ensure(config->handler && config->connections_max > 0);
    int listener = io_listen(&config->address, LISTEN_BACKLOG, refusal);
    if (listener < 0) return nullptr;

    struct http_server *s = calloc(1, sizeof *s);
    ensure(s); /* at start */
    s->magic = HTTP_SERVER_MAGIC;
    s->shard = shard;
    s->config = *config;
    s->listener = listener;
    s->requests_end_at_us = UINT64_MAX;
    s->port = io_port_of(listener);
    heap_init(&s->heap, config->heap_bytes);
    heap_init(&s->answers, config->heap_bytes < http_answers_bytes_max ? config->heap_bytes : http_answers_bytes_max);
    pool_init(&s->connection_pool, "http connections", sizeof(struct http_connection), config->connections_max);
    pool_init(&s->work_pool, "http requests", sizeof(struct http_work), config->connections_max);
    list_init(&s->connections);
    list_init(&s->orphans);
    shard_hold(shard);
    s->holds_shard = true;
    accept_more(s);
    return s;
}

uint16_t     http_server_port(const struct http_server *s) { return s->port; }
struct heap *http_server_heap(struct http_server *s) { return &s->heap; }

const struct http_server_counters *http_server_counters(const struct http_server *s) { return &s->counters; }

void http_server_connection_gone(struct http_server *s)
{
    gauge_set(&s->counters.open, s->connections.count);
    if (!s->is_draining || !s->holds_shard || s->accept.submitted || !list_is_empty(&s->connections)) return;
    if (s->listener >= 0) stop_listening(s);
    s->holds_shard = false;
    shard_release(s->shard);
}

static void for_each_connection(struct http_server *s, void (*visit)(struct http_connection *c))
{
    struct list_node *next;
    for (struct list_node *n = list_first(&s->connections); n; n = next) {
        next = list_next(&s->connections, n);
        visit(container_of(n, struct http_connection, node));
    }
}

void http_server_drain(struct http_server *s)
{
    ensure_magic(s, HTTP_SERVER_MAGIC);
    ensure_on(s->shard);
    if (s->is_draining) return;
    s->is_draining = true;
    s->requests_end_at_us = s->shard->now_us + s->config.drain_timeout_ms * UINT64_C(1000);
    timer_stop(&s->shard->timers, &s->accept_again);
    io_cancel(s->shard->io, &s->accept);
    for_each_connection(s, http_connection_drain);
    http_server_connection_gone(s);
}

void http_server_shut(struct http_server *s)
{
    ensure_magic(s, HTTP_SERVER_MAGIC);
    ensure_on(s->shard);
    if (s->is_draining || s->is_shut) return;
    s->is_shut = true;
    timer_stop(&s->shard->timers, &s->accept_again);
    io_cancel(s->shard->io, &s->accept);
    if (!s->accept.submitted) stop_listening(s); /* else accepted() does, once it is over */
    for_each_connection(s, http_connection_drain);
}

bool http_server_reopen(struct http_server *s, struct io_refusal *refusal)
{
    ensure_magic(s, HTTP_SERVER_MAGIC);
    ensure_on(s->shard);
    if (!s->is_shut) return true;
    if (s->listener < 0) {
        struct sockaddr_in here = s->config.address;
        here.sin_port = htons(s->port);
        s->listener = io_listen(&here, LISTEN_BACKLOG, refusal);
        if (s->listener < 0) return false;
        accept_more(s);
    } /* else accepted() finds it open again and goes on */
    s->is_shut = false;
    return true;
}

void http_server_abort(struct http_server *s)
{
    http_server_drain(s);
    for_each_connection(s, http_connection_break);
}

void http_server_close(struct http_server *s)
{
    ensure_magic(s, HTTP_SERVER_MAGIC);
    ensure(!s->holds_shard); /* drained, or aborted */
    for (struct list_node *n = list_first(&s->orphans); n; n = list_first(&s->orphans))
        http_connection_forget_orphan(container_of(n, struct http_connection, node)); /* their handlers will not run any more */
    ensure(s->answers.used_bytes == 0);
    pool_deinit(&s->connection_pool);
    pool_deinit(&s->work_pool);
    s->magic = 0;
    free(s);
}
