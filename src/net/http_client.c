/* The client of one origin: calls wait in one queue, connections are on the list of their state, and pump() brings both together.
 *
 *   call:        waiting → on a connection → finished → done
 *   connection:  FREE → CONNECTING → IDLE ⇄ BUSY → CLOSING → FREE      (any of them may go to CLOSING)
 *
 * A connection goes back to IDLE only after an answer that leaves no doubt: the request was sent whole, the answer is complete, nothing
 * came behind it, and the peer wants to go on. After anything else it is closed. */
#include "net/http_client.h"
#include <stdlib.h>
#include "base/ensure.h"
#include "base/heap.h"
#include "limits.h"
#include "net/http_message.h"
#include "net/http_request.h"
#include "net/resolver.h"
#include "net/stream.h"

enum connection_state : uint8_t { CONNECTION_FREE, CONNECTION_CONNECTING, CONNECTION_IDLE, CONNECTION_BUSY, CONNECTION_CLOSING };
enum { CONNECTION_STATES = CONNECTION_CLOSING + 1 };
enum : uint32_t { HTTP_CLIENT_MAGIC = 0x4711c11e };

struct http_client_connection {
    enum connection_state state;
    bool                  request_is_sent, peer_has_ended, has_served;
    uint8_t               interim_count; /* 1xx before this answer */
    struct http_client   *client;
    struct list_node      node;
    struct stream         stream;
    struct timer          timer; /* CONNECTING, IDLE: until when */
    struct http_call     *call;  /* BUSY */
    char                 *request;
    struct http_message   message;
};

struct http_client {
    uint32_t                      magic;
    bool                          is_closing;
    struct shard                 *shard;
    struct http_client_config     config;
    struct resolver               resolver;
    struct heap                   heap;
    struct tls_resume            *resume; /* the newest ticket of this origin; nullptr: the next handshake is a full one */
    struct http_client_connection *connections;
    struct list                   by_state[CONNECTION_STATES];
    struct list                   waiting, finished; /* calls */
    uint32_t                      running;
    struct task                   tell;
    struct http_client_counters   counters;
};

static void pump(struct http_client *c);
static void close_connection(struct http_client_connection *k);

static uint64_t in_ms(const struct http_client *c, uint32_t ms) { return c->shard->now_us + ms * UINT64_C(1000); }

static void enter(struct http_client_connection *k, enum connection_state state)
{
    struct http_client *c = k->client;
    list_remove(&c->by_state[k->state], &k->node);
    k->state = state;
    list_push_back(&c->by_state[state], &k->node);
    timer_stop(&c->shard->timers, &k->timer);
    gauge_set(&c->counters.open, c->by_state[CONNECTION_IDLE].count + c->by_state[CONNECTION_BUSY].count);
}

/* -- calls come to their end -- */

/* Owners are told in a step of their own: they may start, cancel and close from there. */
static void tell_owners(struct task *t)
{
    struct http_client *c = container_of(t, struct http_client, tell);
    for (uint32_t n = c->finished.count; n > 0; n--) {
        struct http_call *call = container_of(list_pop_front(&c->finished), struct http_call, node);
        call->running = false;
        c->running -= 1;
        bool is_last = c->running == 0; /* its owner may close the client, which may free it */
        call->done(call);
        if (is_last) return;
    }
}

/* The call is on no connection, and on no list. */
static void finish_call(struct http_call *call, enum http_outcome outcome)
{
    struct http_client *c = call->client;
    timer_stop(&c->shard->timers, &call->timer);
    call->connection = nullptr;
    call->outcome = outcome;
    call->answered_at_us = c->shard->now_us;
    list_push_back(&c->finished, &call->node);
    shard_make_ready(c->shard, &c->tell);
}

static struct http_call *take_call(struct http_client_connection *k)
{
    struct http_call *call = k->call;
    k->call = nullptr;
    return call;
}

/* This call will have no answer, and this connection no further call. */
static void fail_call(struct http_client_connection *k, enum http_outcome outcome)
{
    finish_call(take_call(k), outcome);
    close_connection(k);
}

static void fail_first_waiting(struct http_client *c, enum http_outcome outcome)
{
    struct list_node *first = list_pop_front(&c->waiting);
    if (first) finish_call(container_of(first, struct http_call, node), outcome);
}

static void end_early(struct http_call *call, enum http_outcome outcome)
{
    if (call->connection) return fail_call(call->connection, outcome);
    list_remove(&call->client->waiting, &call->node);
    finish_call(call, outcome);
}

static void deadline_passed(struct timer *t) { end_early(container_of(t, struct http_call, timer), HTTP_TIMED_OUT); }

/* -- requests out -- */

static void send_request(struct http_client_connection *k, struct http_call *call)
{
    struct http_client *c = k->client;
    size_t              bytes = http_request_bytes(&c->config.origin, call);
    k->request = malloc(bytes); /* a copy: the call may end before the kernel has let go of it */
    if (!k->request) return finish_call(call, HTTP_NOT_CONNECTED);
    struct buffer b = buffer_over(k->request, bytes);
    http_request_print(&b, &c->config.origin, call);

    k->call = call;
    k->request_is_sent = false;
    k->interim_count = 0;
    http_message_begin(&k->message, call->method == HTTP_HEAD ? MESSAGE_ANSWER_TO_HEAD : MESSAGE_ANSWER, &c->heap);
    enter(k, CONNECTION_BUSY);
    counter_add(&c->counters.calls, 1);
    if (k->has_served) counter_add(&c->counters.reused, 1);
    k->has_served = true;
    call->connection = k;
    call->maybe_sent = true;
    call->sent_at_us = c->shard->now_us;
    stream_send(&k->stream, buffer_slice(&b), false);
}

/* -- answers in -- */

static void move_slice(struct slice *s, const char *from, char *to)
{
    if (s->start) s->start = to + (s->start - from);
}

/* The answer's head and body become the call's. false: no memory for the head. */
static bool give_answer(struct http_client_connection *k, struct http_call *call)
{
    struct http_message *m = &k->message;
    char                *text = heap_acquire(&k->client->heap, m->text_length);
    if (!text) return false;
    memcpy(text, m->text, m->text_length);
    call->head_memory = text;
    call->head_bytes = m->text_length;
    ensure(m->header_count <= http_headers_max);
    call->answer_header_count = m->header_count;
    for (uint32_t n = 0; n < call->answer_header_count; n++) {
        call->answer_headers[n] = m->headers[n];
        move_slice(&call->answer_headers[n].name, m->text, text);
        move_slice(&call->answer_headers[n].value, m->text, text);
    }
    call->answer_body = http_message_take_body(m);
    call->answer = slice_from(call->answer_body.start, call->answer_body.length);
    call->status = http_message_status(m);
    return true;
}

static void keep_ticket(struct http_client_connection *k)
{
    struct tls        *session = stream_session(&k->stream);
    struct tls_resume *ticket = session ? tls_resume_of(session) : nullptr;
    if (!ticket) return;
    tls_resume_free(k->client->resume);
    k->client->resume = ticket;
}

static void rest(struct http_client_connection *k);

static void complete(struct http_client_connection *k, bool has_surplus)
{
    bool may_go_on = http_message_keeps_alive(&k->message) && k->request_is_sent && !has_surplus && !k->peer_has_ended && !k->client->is_closing;
    if (!give_answer(k, k->call)) return fail_call(k, HTTP_TOO_LARGE);
    http_message_end(&k->message);
    keep_ticket(k);
    finish_call(take_call(k), HTTP_ANSWERED);
    if (may_go_on) rest(k);
    else close_connection(k);
}

/* 100 Continue and the like: not the answer yet. false: no conversation that we would lead. */
static bool pass_interim(struct http_client_connection *k)
{
    k->interim_count += 1;
    if (http_message_status(&k->message) == 101 || k->interim_count > http_client_interim_max) return false;
    enum message_kind kind = k->message.kind;
    http_message_end(&k->message);
    http_message_begin(&k->message, kind, &k->client->heap);
    return true;
}

static void message_is_complete(struct http_client_connection *k, bool has_surplus)
{
    if (http_message_status(&k->message) >= 200) complete(k, has_surplus);
    else if (!pass_interim(k)) fail_call(k, HTTP_BROKEN);
}

static void read_answer(struct http_client_connection *k, struct slice bytes)
{
    while (k->state == CONNECTION_BUSY) {
        enum message_progress progress = http_message_feed(&k->message, &bytes);
        if (progress == MESSAGE_HAS_HEAD) progress = http_message_accept_body(&k->message, k->client->config.answer_bytes_max);
        else if (progress == MESSAGE_WANTS_BYTES) return;

        switch (progress) {
        case MESSAGE_HAS_HEAD:
        case MESSAGE_WANTS_BYTES: break; /* the head is accepted: on to the body */
        case MESSAGE_IS_COMPLETE: message_is_complete(k, bytes.length > 0); break;
        case MESSAGE_IS_MALFORMED:
        case MESSAGE_VERSION_UNKNOWN: fail_call(k, HTTP_BROKEN); break;
        case MESSAGE_HEAD_TOO_LARGE:
        case MESSAGE_BODY_TOO_LARGE:
        case MESSAGE_HAS_NO_MEMORY: fail_call(k, HTTP_TOO_LARGE); break;
        }
    }
}

/* -- connections -- */

static struct http_client_connection *connection_of(struct stream *s) { return container_of(s, struct http_client_connection, stream); }

static void free_client(struct http_client *c)
{
    ensure(c->heap.used_bytes == 0); /* every answer is released */
    shard_forget_task(c->shard, &c->tell);
    shard_release(c->shard);
    tls_resume_free(c->resume);
    c->magic = 0;
    free(c->connections);
    free(c);
}

static void free_if_over(struct http_client *c)
{
    bool is_joined = c->by_state[CONNECTION_FREE].count == c->config.connections_max && !resolver_is_busy(&c->resolver);
    if (c->is_closing && is_joined) free_client(c);
}

static void close_connection(struct http_client_connection *k)
{
    if (k->state == CONNECTION_CLOSING) return;
    bool has_stream = k->stream.state != STREAM_CLOSED;
    enter(k, has_stream ? CONNECTION_CLOSING : CONNECTION_FREE);
    if (has_stream) stream_close(&k->stream);
}

/* One attempt to connect failed: it was made for the call that waits longest. */
static void give_up_connecting(struct http_client_connection *k, enum http_outcome outcome)
{
    struct http_client *c = k->client;
    counter_add(&c->counters.connects_failed, 1);
    tls_resume_free(c->resume); /* if the ticket was the reason, the next attempt is without */
    c->resume = nullptr;
    fail_first_waiting(c, outcome);
    close_connection(k);
}

static void connecting_took_too_long(struct timer *t)
{
    struct http_client_connection *k = container_of(t, struct http_client_connection, timer);
    give_up_connecting(k, HTTP_NOT_CONNECTED);
    pump(k->client);
}

static void idled_too_long(struct timer *t) { close_connection(container_of(t, struct http_client_connection, timer)); }

/* Ready for the next call. */
static void rest(struct http_client_connection *k)
{
    enter(k, CONNECTION_IDLE);
    timer_start(&k->client->shard->timers, &k->timer, in_ms(k->client, k->client->config.idle_timeout_ms), idled_too_long);
    pump(k->client);
}

static void opened(struct stream *s)
{
    struct http_client_connection *k = connection_of(s);
    struct tls                    *session = stream_session(s);
    counter_add(&k->client->counters.connects, 1);
    if (session) counter_add(tls_was_resumed(session) ? &k->client->counters.handshakes_resumed : &k->client->counters.handshakes_full, 1);
    rest(k);
}

static void received(struct stream *s, struct slice bytes)
{
    struct http_client_connection *k = connection_of(s);
    if (k->state == CONNECTION_BUSY) read_answer(k, bytes);
    else close_connection(k); /* nobody asked */
}

static void ended(struct stream *s, enum stream_end how)
{
    struct http_client_connection *k = connection_of(s);
    k->peer_has_ended = true;
    switch (k->state) {
    case CONNECTION_CONNECTING:
        if (how == STREAM_UNREACHED) resolver_skip_address(&k->client->resolver);
        give_up_connecting(k, how == STREAM_UNTRUSTED ? HTTP_NOT_TRUSTED : HTTP_NOT_CONNECTED);
        break;
    case CONNECTION_BUSY: /* an answer without a length ends so */
        if (how == STREAM_FINISHED && http_message_feed_end(&k->message) == MESSAGE_IS_COMPLETE) complete(k, false);
        else fail_call(k, HTTP_BROKEN);
        break;
    case CONNECTION_IDLE: close_connection(k); break;
    case CONNECTION_FREE:
    case CONNECTION_CLOSING: ensure(false); break; /* the stream is closed, or tells nothing any more */
    }
}

/* A failed one tells nothing yet: the peer may have answered before it stopped listening. What it received says so, or ended() does. */
static void sent(struct stream *s, bool is_sent)
{
    struct http_client_connection *k = connection_of(s);
    k->request_is_sent = is_sent;
    free(k->request);
    k->request = nullptr;
}

static void closed(struct stream *s)
{
    struct http_client_connection *k = connection_of(s);
    free(k->request);
    k->request = nullptr;
    http_message_end(&k->message);
    enter(k, CONNECTION_FREE);
    if (k->client->is_closing) free_if_over(k->client);
    else pump(k->client);
}

static const struct stream_owner callbacks = { .opened = opened, .received = received, .ended = ended, .sent = sent, .closed = closed };

/* -- connecting -- */

static void dial(struct http_client_connection *k)
{
    struct http_client *c = k->client;
    if (!resolver_has_address(&c->resolver)) {
        if (!resolver_ask(&c->resolver)) give_up_connecting(k, HTTP_NOT_CONNECTED);
        return;
    }
    struct stream_security security = { 0 };
    if (c->config.origin.tls) {
        security.session = tls_open_client(c->config.tls, c->config.origin.host, c->resume);
        security.worker = c->config.worker;
        if (!security.session) return give_up_connecting(k, HTTP_NOT_CONNECTED);
    }
    struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(c->config.origin.port), .sin_addr = resolver_address(&c->resolver) };
    if (stream_connect(&k->stream, c->shard, &callbacks, &to, security)) return;
    tls_close(security.session);
    give_up_connecting(k, HTTP_NOT_CONNECTED);
}

static void connect_one(struct http_client *c)
{
    struct http_client_connection *k = container_of(list_first(&c->by_state[CONNECTION_FREE]), struct http_client_connection, node);
    k->has_served = k->peer_has_ended = false;
    enter(k, CONNECTION_CONNECTING);
    timer_start(&c->shard->timers, &k->timer, in_ms(c, c->config.connect_timeout_ms), connecting_took_too_long);
    dial(k);
}

static void resolved(struct resolver *r)
{
    struct http_client *c = container_of(r, struct http_client, resolver);
    if (c->is_closing) return free_if_over(c);
    struct list_node *next;
    for (struct list_node *n = list_first(&c->by_state[CONNECTION_CONNECTING]); n; n = next) {
        next = list_next(&c->by_state[CONNECTION_CONNECTING], n);
        struct http_client_connection *k = container_of(n, struct http_client_connection, node);
        if (k->stream.state != STREAM_CLOSED) continue;
        if (c->resolver.count == 0) give_up_connecting(k, HTTP_NOT_CONNECTED); /* no such name */
        else dial(k);
    }
    pump(c);
}

/* Gives waiting calls to idle connections, the one used last first; opens as many as are missing. */
static void pump(struct http_client *c)
{
    while (!list_is_empty(&c->waiting)) {
        struct list *idle = &c->by_state[CONNECTION_IDLE];
        if (!list_is_empty(idle)) {
            struct http_call *call = container_of(list_pop_front(&c->waiting), struct http_call, node);
            send_request(container_of(idle->head.previous, struct http_client_connection, node), call);
        } else if (c->by_state[CONNECTION_CONNECTING].count < c->waiting.count && !list_is_empty(&c->by_state[CONNECTION_FREE])) {
            connect_one(c);
        } else {
            return;
        }
    }
}

/* -- the verbs -- */

struct http_client_config http_client_config_default(void)
{
    return (struct http_client_config){
        .connections_max = http_client_connections_max,
        .connect_timeout_ms = http_client_connect_timeout_ms,
        .idle_timeout_ms = http_client_idle_timeout_ms,
        .answer_bytes_max = http_client_body_bytes_max,
    };
}

struct http_client *http_client_open(struct shard *s, const struct http_client_config *config)
{
    ensure_on(s);
    ensure(config->connections_max > 0 && (!config->origin.tls || config->tls));
    struct http_client *c = calloc(1, sizeof *c);
    if (!c) return nullptr;
    c->connections = calloc(config->connections_max, sizeof *c->connections);
    if (!c->connections) {
        free(c);
        return nullptr;
    }
    c->magic = HTTP_CLIENT_MAGIC;
    c->shard = s;
    c->config = *config;
    c->tell.run = tell_owners;
    heap_init(&c->heap, config->connections_max * (config->answer_bytes_max + http_head_bytes_max));
    resolver_init(&c->resolver, s, config->worker, c->config.origin.host, resolved);
    for (uint32_t n = 0; n < CONNECTION_STATES; n++) list_init(&c->by_state[n]);
    list_init(&c->waiting);
    list_init(&c->finished);
    for (uint32_t n = 0; n < config->connections_max; n++) {
        struct http_client_connection *k = &c->connections[n];
        k->client = c;
        k->stream.fd = -1;
        k->message.heap = &c->heap;
        k->message.text = k->message.small_text;
        list_push_back(&c->by_state[CONNECTION_FREE], &k->node);
    }
    shard_hold(s);
    return c;
}

void http_client_close(struct http_client *c)
{
    ensure_magic(c, HTTP_CLIENT_MAGIC);
    ensure_on(c->shard);
    ensure(c->running == 0 && !c->is_closing);
    c->is_closing = true;
    for (uint32_t n = 0; n < c->config.connections_max; n++)
        if (c->connections[n].state != CONNECTION_FREE) close_connection(&c->connections[n]);
    free_if_over(c);
}

void http_call_start(struct http_client *c, struct http_call *call)
{
    ensure_magic(c, HTTP_CLIENT_MAGIC);
    ensure_on(c->shard);
    ensure(!call->running && !c->is_closing && call->done);
    call->client = c;
    call->connection = nullptr;
    call->maybe_sent = false;
    call->status = 0;
    call->answer_header_count = 0;
    call->answer = slice_absent;
    call->answer_body = (struct http_body){ 0 };
    call->head_memory = nullptr;
    call->head_bytes = 0;
    call->started_at_us = c->shard->now_us;
    call->sent_at_us = call->answered_at_us = 0;
    call->running = true;
    c->running += 1;
    timer_start(&c->shard->timers, &call->timer, call->deadline_us, deadline_passed);
    list_push_back(&c->waiting, &call->node);
    pump(c);
}

void http_call_cancel(struct http_call *call)
{
    ensure(call->running);
    bool is_over = !call->connection && !timer_is_running(&call->timer); /* only `done` is still to come */
    if (!is_over) end_early(call, HTTP_GIVEN_UP);
}

void http_call_release(struct http_call *call)
{
    ensure(!call->running);
    heap_release(&call->client->heap, call->answer_body.start, call->answer_body.capacity);
    heap_release(&call->client->heap, call->head_memory, call->head_bytes);
    call->answer_body = (struct http_body){ 0 };
    call->head_memory = nullptr;
    call->answer = slice_absent;
    call->answer_header_count = 0;
}

struct slice http_call_header(const struct http_call *c, struct slice name)
{
    return http_header_find(c->answer_headers, c->answer_header_count, name, nullptr);
}

const struct http_client_counters *http_client_counters(const struct http_client *c) { return &c->counters; }
