/* One connection of the server, from accept to close: see the picture in http_connection.h. Bytes come in at the bottom of this file
 * (received), become requests in read_on(), and go to the handler; answers leave by answer(). */
#include "net/http_connection.h"
#include "base/ensure.h"
#include "limits.h"

static const struct slice continue_answer = slice_of("HTTP/1.1 100 Continue\r\n\r\n");

static void close_stream(struct http_connection *c);
static void answer(struct http_connection *c, const struct http_response *r);

static uint64_t now_of(const struct http_connection *c) { return c->server->shard->now_us; }
static uint64_t us_of(uint32_t ms) { return ms * UINT64_C(1000); }

/* -- states and their deadlines -- */

static void on_timer(struct timer *t);

static uint64_t earlier(uint64_t a, uint64_t b) { return a < b ? a : b; }

/* UINT64_MAX: none. */
static uint64_t deadline_of(const struct http_connection *c)
{
    const struct http_server_config *limit = &c->server->config;
    switch (c->state) {
    case CONNECTION_SHAKING_HANDS:
    case CONNECTION_READING_HEAD: return earlier(c->entered_at_us + us_of(limit->head_timeout_ms), c->server->requests_end_at_us);
    case CONNECTION_IDLE:         return c->entered_at_us + us_of(limit->keep_alive_timeout_ms);
    case CONNECTION_SENDING:      return c->entered_at_us + us_of(limit->send_timeout_ms);
    case CONNECTION_LINGERING:    return c->entered_at_us + us_of(http_linger_ms);
    case CONNECTION_READING_BODY: {
        uint64_t silence = c->progress_at_us + us_of(limit->body_idle_timeout_ms), all = c->entered_at_us + us_of(limit->body_timeout_ms);
        return earlier(earlier(silence, all), c->server->requests_end_at_us);
    }
    case CONNECTION_HANDLING:
    case CONNECTION_CLOSING:
    case CONNECTION_ORPHANED: break;
    }
    return UINT64_MAX;
}

/* A running timer is only moved to an earlier instant: five states a request would else mean five moves. */
static void watch_deadline(struct http_connection *c)
{
    uint64_t deadline = deadline_of(c);
    if (deadline == UINT64_MAX || (timer_is_running(&c->timer) && c->timer.at_us <= deadline)) return;
    timer_stop(&c->server->shard->timers, &c->timer);
    timer_start(&c->server->shard->timers, &c->timer, deadline, on_timer);
}

static void enter(struct http_connection *c, enum http_connection_state state)
{
    c->state = state;
    c->entered_at_us = c->progress_at_us = now_of(c);
    watch_deadline(c);
}

static bool is_reading(const struct http_connection *c)
{
    return c->state == CONNECTION_IDLE || c->state == CONNECTION_READING_HEAD || c->state == CONNECTION_READING_BODY;
}

static void drop_work(struct http_connection *c)
{
    if (!c->work) return;
    ensure(!c->is_with_handler);
    http_message_end(&c->work->message);
    pool_release(&c->server->work_pool, c->work);
    c->work = nullptr;
}

/* -- answers out -- */

static void count_answer(struct http_connection *c, uint16_t status)
{
    struct http_server_counters *n = &c->server->counters;
    if (status < 400) counter_add(&n->responses_1xx_2xx, 1);
    else if (status < 500) counter_add(&n->responses_4xx, 1);
    else counter_add(&n->responses_5xx, 1);
}

static void send_answer(struct http_connection *c) { stream_send(&c->stream, c->answer, c->closes && !c->breaks); }

static struct http_answer_frame frame_of(struct http_connection *c)
{
    struct http_server *s = c->server;
    return (struct http_answer_frame){
        .date = http_date_at(&s->date, s->shard->wall_us),
        .server_name = slice_from_text(s->config.server_name),
        .is_head = c->is_head,
        .closes = c->closes,
        .is_1_0 = c->is_1_0,
    };
}

/* Where the answer is written: small ones beside the connection, so that they need no memory. */
static struct buffer room_for_answer(struct http_connection *c, size_t bytes)
{
    ensure(!c->large_answer);
    if (bytes <= sizeof c->small_answer) return buffer_over(c->small_answer, sizeof c->small_answer);
    c->large_answer = heap_acquire(&c->server->answers, bytes);
    c->large_answer_bytes = bytes;
    return buffer_over(c->large_answer, c->large_answer ? bytes : 0);
}

static void answer(struct http_connection *c, const struct http_response *r)
{
    c->lingers = c->state == CONNECTION_READING_HEAD || c->state == CONNECTION_READING_BODY;
    bool heard_all = c->peer_has_ended && c->waiting_length == c->waiting_used;
    c->closes = r->close || c->lingers || heard_all || !c->keeps_alive || c->server->is_draining;

    struct http_answer_frame frame = frame_of(c);
    struct http_response     bare = { .status = r->status };
    size_t                   bytes = http_response_bytes(r, &frame);
    struct buffer            b = bytes > 0 ? room_for_answer(c, bytes) : buffer_over(nullptr, 0);
    if (b.capacity == 0) { /* too large for anybody, or for now */
        bare.status = bytes > 0 ? 503 : 500;
        r = &bare;
        b = buffer_over(c->small_answer, sizeof c->small_answer);
    }
    frame.retry_after = r->status == 503 && r->header_count == 0;
    http_response_print(&b, r, &frame);
    ensure(!b.overflowed);

    c->answer = buffer_slice(&b);
    count_answer(c, r->status);
    enter(c, CONNECTION_SENDING);
    if (!c->is_continuing) send_answer(c); /* else answer_sent() does, behind "100 Continue" */
}

/* Ends the connection with a reason; what the peer is still sending is read and thrown away for a while, see LINGERING. */
static void refuse(struct http_connection *c, uint16_t status)
{
    answer(c, &(struct http_response){ .status = status, .close = true });
    drop_work(c);
}

/* -- requests in -- */

static struct slice path_of(struct slice target)
{
    if (target.length > 0 && target.start[0] == '/') return target;
    struct slice scheme = slice_of("http://"), secure = slice_of("https://"); /* RFC 9112 3.2.2: a server must accept the absolute form */
    size_t skipped = slice_starts_with(target, scheme) ? scheme.length : slice_starts_with(target, secure) ? secure.length : 0;
    if (skipped == 0) return target; /* "*", or CONNECT's authority */
    struct slice rest = slice_skip(target, skipped);
    const char  *path = memchr(rest.start, '/', rest.length);
    return path ? slice_skip(rest, (size_t)(path - rest.start)) : slice_of("/");
}

static void describe_request(struct http_connection *c)
{
    struct http_message *m = &c->work->message;
    struct http_request *r = &c->work->request;
    r->server = c->server;
    r->exchange = (struct http_exchange){ pool_handle_of(&c->server->connection_pool, c), c->request_number };
    r->method = http_message_method(m);
    r->target = m->target;
    r->query = path_of(m->target);
    r->path = slice_split(&r->query, '?');
    r->headers = m->headers;
    r->header_count = m->header_count;
    c->is_head = r->method == HTTP_HEAD;
    c->is_1_0 = http_message_is_1_0(m);
}

static uint16_t status_of(enum message_progress refusal)
{
    switch (refusal) {
    case MESSAGE_IS_MALFORMED:    return 400;
    case MESSAGE_VERSION_UNKNOWN: return 505;
    case MESSAGE_HEAD_TOO_LARGE:  return 431;
    case MESSAGE_BODY_TOO_LARGE:  return 413;
    case MESSAGE_HAS_NO_MEMORY:   return 503;
    case MESSAGE_WANTS_BYTES:
    case MESSAGE_HAS_HEAD:
    case MESSAGE_IS_COMPLETE: break;
    }
    ensure(false); /* these refuse nothing */
    return 500;
}

static void refuse_message(struct http_connection *c, enum message_progress refusal)
{
    struct http_server_counters *n = &c->server->counters;
    uint16_t                     status = status_of(refusal);
    if (status == 413 || status == 431) counter_add(&n->too_large, 1);
    else if (status != 503) counter_add(&n->malformed, 1);
    refuse(c, status);
}

static void begin_request(struct http_connection *c)
{
    c->work = pool_acquire_head(&c->server->work_pool, offsetof(struct http_work, message.headers)); /* 300 bytes of 3 KiB */
    ensure(c->work); /* as many as connections */
    http_message_begin(&c->work->message, MESSAGE_REQUEST, &c->server->heap);
    c->request_number += 1;
    c->work->request.head_at_us = now_of(c);
    c->is_head = c->is_1_0 = c->keeps_alive = false; /* until the head has told */
    enter(c, CONNECTION_READING_HEAD);
}

/* Asks whoever is responsible. true: accepted; false: answered already. */
static bool ask_admission(struct http_connection *c, uint64_t *body_bytes_max)
{
    const struct http_server_config *config = &c->server->config;
    if (!config->admission) return true;

    c->is_with_handler = true; /* it may answer by itself */
    uint16_t status = config->admission(config->context, &c->work->request, c->work->message.body_bytes_declared, body_bytes_max);
    if (!c->is_with_handler) return false;
    c->is_with_handler = false;
    if (status == 0) return true;
    if (status == 413) counter_add(&c->server->counters.too_large, 1);
    refuse(c, status);
    return false;
}

/* RFC 9110 10.1.1: who waits for it is told to go on, unless the body is on its way already. */
static void say_continue(struct http_connection *c, bool body_has_begun)
{
    if (c->is_1_0 || body_has_begun || c->work->message.body_bytes_declared == 0) return;
    c->is_continuing = true;
    stream_send(&c->stream, continue_answer, false);
}

/* The head is complete: may the body come? */
static void admit(struct http_connection *c, bool body_has_begun)
{
    describe_request(c);
    uint32_t     expectations;
    struct slice expectation = http_request_header(&c->work->request, slice_of("expect"), &expectations);
    if (expectations > 0 && !slice_equal_ignoring_case(expectation, slice_of("100-continue"))) return refuse(c, 417);

    uint64_t body_bytes_max = c->server->config.body_bytes_max;
    if (!ask_admission(c, &body_bytes_max)) return;

    enum message_progress room = http_message_accept_body(&c->work->message, body_bytes_max);
    if (room != MESSAGE_WANTS_BYTES) return refuse_message(c, room);
    enter(c, CONNECTION_READING_BODY);
    if (expectations > 0) say_continue(c, body_has_begun);
}

static void hand_over(struct http_connection *c)
{
    struct http_request *r = &c->work->request;
    r->body = slice_from(c->work->message.body.start, c->work->message.body.length);
    r->complete_at_us = now_of(c);
    c->keeps_alive = http_message_keeps_alive(&c->work->message);
    c->is_with_handler = true;
    counter_add(&c->server->counters.requests, 1);
    enter(c, CONNECTION_HANDLING);
    c->server->config.handler(c->server->config.context, r);
}

/* Reads requests as far as the bytes go, until one is with its handler or refused. */
static void read_on(struct http_connection *c, struct slice *bytes)
{
    while (is_reading(c)) {
        if (c->state == CONNECTION_IDLE && bytes->length == 0) return;
        if (c->state == CONNECTION_IDLE) begin_request(c);

        enum message_progress progress = http_message_feed(&c->work->message, bytes);
        switch (progress) {
        case MESSAGE_WANTS_BYTES: c->progress_at_us = now_of(c); return;
        case MESSAGE_HAS_HEAD:    admit(c, bytes->length > 0); break;
        case MESSAGE_IS_COMPLETE: hand_over(c); break;
        case MESSAGE_IS_MALFORMED:
        case MESSAGE_VERSION_UNKNOWN:
        case MESSAGE_HEAD_TOO_LARGE:
        case MESSAGE_BODY_TOO_LARGE:
        case MESSAGE_HAS_NO_MEMORY: refuse_message(c, progress); break;
        }
    }
}

/* -- pipelined bytes wait behind the request under way -- */

static void drop_waiting(struct http_connection *c)
{
    heap_release(&c->server->heap, c->waiting, c->waiting_capacity);
    c->waiting = nullptr;
    c->waiting_used = c->waiting_length = c->waiting_capacity = 0;
}

static bool make_waiting_room(struct http_connection *c, size_t bytes)
{
    size_t length = c->waiting_length - c->waiting_used;
    if (c->waiting_used > 0) memmove(c->waiting, c->waiting + c->waiting_used, length);
    c->waiting_used = 0;
    c->waiting_length = (uint32_t)length;
    if (bytes <= c->waiting_capacity - length) return true;

    size_t capacity = 2 * (length + bytes);
    char  *grown = capacity <= UINT32_MAX ? heap_acquire(&c->server->heap, capacity) : nullptr;
    if (!grown) return false;
    if (length > 0) memcpy(grown, c->waiting, length);
    drop_waiting(c);
    c->waiting = grown;
    c->waiting_length = (uint32_t)length;
    c->waiting_capacity = (uint32_t)capacity;
    return true;
}

/* Past http_waiting_bytes_max receiving pauses, so that only what was already under way is added to it. */
static void keep_waiting(struct http_connection *c, struct slice bytes)
{
    if (bytes.length == 0 || c->state == CONNECTION_CLOSING) return;
    if (c->state == CONNECTION_LINGERING || c->closes) return; /* nothing behind this answer will be served */
    if (!make_waiting_room(c, bytes.length)) return close_stream(c);
    memcpy(c->waiting + c->waiting_length, bytes.start, bytes.length);
    c->waiting_length += (uint32_t)bytes.length;
    if (c->waiting_length > http_waiting_bytes_max) stream_pause(&c->stream);
}

static void read_waiting(struct http_connection *c)
{
    if (!c->waiting) return;
    struct slice bytes = slice_from(c->waiting + c->waiting_used, c->waiting_length - c->waiting_used);
    read_on(c, &bytes);
    c->waiting_used = c->waiting_length - (uint32_t)bytes.length;
    if (bytes.length == 0) drop_waiting(c);
    if (bytes.length <= http_waiting_bytes_max) stream_resume(&c->stream);
}

/* -- what the stream tells -- */

static struct http_connection *connection_of(struct stream *s)
{
    struct http_connection *c = container_of(s, struct http_connection, stream);
    ensure_magic(c, HTTP_CONNECTION_MAGIC);
    return c;
}

static void linger(struct http_connection *c, size_t bytes)
{
    c->lingered_bytes += (uint32_t)bytes;
    if (c->lingered_bytes > http_linger_bytes_max) close_stream(c);
}

static void received(struct stream *s, struct slice bytes)
{
    struct http_connection *c = connection_of(s);
    counter_add(&c->server->counters.bytes_in, bytes.length);
    if (c->state == CONNECTION_LINGERING) return linger(c, bytes.length);
    if (is_reading(c)) read_on(c, &bytes);
    keep_waiting(c, bytes);
}

static void opened(struct stream *s) { enter(connection_of(s), CONNECTION_IDLE); }

static void ended(struct stream *s, enum stream_end how)
{
    struct http_connection *c = connection_of(s);
    c->peer_has_ended = true;
    if (c->state == CONNECTION_SHAKING_HANDS) counter_add(&c->server->counters.tls_failed, 1);
    bool is_owed_an_answer = c->state == CONNECTION_HANDLING || c->state == CONNECTION_SENDING;
    if (how != STREAM_FINISHED || !is_owed_an_answer) close_stream(c);
}

static void free_answer(struct http_connection *c)
{
    heap_release(&c->server->answers, c->large_answer, c->large_answer_bytes);
    c->large_answer = nullptr;
}

static void after_answer(struct http_connection *c)
{
    free_answer(c);
    if (c->lingers && !c->peer_has_ended) return enter(c, CONNECTION_LINGERING);
    if (c->closes) return close_stream(c);
    enter(c, CONNECTION_IDLE);
    read_waiting(c);
    if (c->peer_has_ended && is_reading(c)) close_stream(c);
    else if (c->server->is_draining) http_connection_drain(c);
}

static void sent(struct stream *s, bool is_sent)
{
    struct http_connection *c = connection_of(s);
    if (!is_sent) {
        if (!c->is_with_handler) counter_add(&c->server->counters.peer_gone, 1); /* else http_respond() counts it */
        return close_stream(c);
    }
    if (c->is_continuing) {
        c->is_continuing = false;
        counter_add(&c->server->counters.bytes_out, continue_answer.length);
        if (c->state == CONNECTION_SENDING) send_answer(c);
        return;
    }
    counter_add(&c->server->counters.bytes_out, c->answer.length);
    if (c->state == CONNECTION_SENDING) after_answer(c);
    else free_answer(c); /* a piece of a raw one */
}

static void forget(struct http_connection *c)
{
    struct http_server *s = c->server;
    drop_work(c);
    c->magic = 0;
    pool_release(&s->connection_pool, c);
}

static void closed(struct stream *s)
{
    struct http_connection *c = connection_of(s);
    struct http_server     *server = c->server;
    timer_stop(&server->shard->timers, &c->timer);
    drop_waiting(c);
    heap_release(&server->answers, c->large_answer, c->large_answer_bytes);
    list_remove(&server->connections, &c->node);
    if (c->is_with_handler) {
        enter(c, CONNECTION_ORPHANED);
        list_push_back(&server->orphans, &c->node);
    } else {
        forget(c);
    }
    http_server_connection_gone(server);
}

static const struct stream_owner callbacks = { .opened = opened, .received = received, .ended = ended, .sent = sent, .closed = closed };

static void close_stream(struct http_connection *c)
{
    if (c->state == CONNECTION_CLOSING) return;
    enter(c, CONNECTION_CLOSING);
    stream_close(&c->stream);
}

/* With TLS an idle peer is told that this end is no accident. */
static void close_idle(struct http_connection *c)
{
    if (!stream_session(&c->stream)) return close_stream(c);
    c->answer = slice_of("");
    c->closes = true;
    c->lingers = false;
    enter(c, CONNECTION_SENDING);
    send_answer(c);
}

static void on_timer(struct timer *t)
{
    struct http_connection      *c = container_of(t, struct http_connection, timer);
    struct http_server_counters *n = &c->server->counters;
    if (now_of(c) < deadline_of(c)) return watch_deadline(c); /* it was set for an earlier state */

    switch (c->state) {
    case CONNECTION_SHAKING_HANDS: counter_add(&n->tls_failed, 1); close_stream(c); break;
    case CONNECTION_IDLE:          counter_add(&n->closed_idle, 1); close_idle(c); break;
    case CONNECTION_READING_HEAD:  counter_add(&n->timed_out_head, 1); refuse(c, 408); break;
    case CONNECTION_READING_BODY:  counter_add(&n->timed_out_body, 1); refuse(c, 408); break;
    case CONNECTION_SENDING:       counter_add(&n->timed_out_send, 1); close_stream(c); break;
    case CONNECTION_LINGERING:     close_stream(c); break;
    case CONNECTION_HANDLING:
    case CONNECTION_CLOSING:
    case CONNECTION_ORPHANED: ensure(false); break; /* their deadline is never */
    }
}

/* -- the verbs -- */

bool http_connection_open(struct http_connection *c, struct http_server *s, int fd, struct tls *session)
{
    c->magic = HTTP_CONNECTION_MAGIC;
    c->server = s;
    if (!stream_accept(&c->stream, s->shard, &callbacks, fd, (struct stream_security){ session, s->config.worker })) return false;
    list_push_back(&s->connections, &c->node);
    enter(c, session ? CONNECTION_SHAKING_HANDS : CONNECTION_IDLE);
    return true;
}

void http_connection_drain(struct http_connection *c)
{
    if (c->state == CONNECTION_IDLE) close_idle(c);
    if (c->state == CONNECTION_SHAKING_HANDS) close_stream(c);
    if (is_reading(c)) watch_deadline(c);
}

void http_connection_break(struct http_connection *c) { close_stream(c); }

void http_connection_forget_orphan(struct http_connection *c)
{
    ensure(c->state == CONNECTION_ORPHANED);
    list_remove(&c->server->orphans, &c->node);
    c->is_with_handler = false;
    forget(c);
}

/* The connection that still owes this answer to its peer; nullptr: nobody waits for it any more. */
static struct http_connection *take_answer_of(struct http_server *s, struct http_exchange e)
{
    ensure_magic(s, HTTP_SERVER_MAGIC);
    ensure_on(s->shard);
    struct http_connection *c = pool_find(&s->connection_pool, e.connection);
    if (!c || c->request_number != e.request_number || !c->is_with_handler) return nullptr;
    c->is_with_handler = false;
    if (c->state != CONNECTION_CLOSING && c->state != CONNECTION_ORPHANED) return c;

    counter_add(&s->counters.peer_gone, 1);
    if (c->state == CONNECTION_ORPHANED) http_connection_forget_orphan(c);
    else drop_work(c);
    return nullptr;
}

bool http_respond(struct http_server *s, struct http_exchange e, const struct http_response *r)
{
    struct http_connection *c = take_answer_of(s, e);
    if (!c) return false;
    answer(c, r);
    drop_work(c); /* after: the answer may be made of the request's slices */
    return true;
}

bool http_respond_status(struct http_server *s, struct http_exchange e, uint16_t status)
{
    return http_respond(s, e, &(struct http_response){ .status = status });
}

/* A piece that the handler goes on with leaves the connection as it is: the exchange is still owed its end. */
bool http_respond_raw(struct http_server *s, struct http_exchange e, struct slice bytes, enum http_ending ending)
{
    struct http_connection *c = pool_find(&s->connection_pool, e.connection);
    if (c && c->state == CONNECTION_HANDLING && c->stream.is_sending) return false;
    if (ending != HTTP_GOES_ON) c = take_answer_of(s, e);
    if (!c || c->request_number != e.request_number || c->state != CONNECTION_HANDLING) return false;

    struct buffer b = room_for_answer(c, bytes.length);
    buffer_add(&b, b.capacity ? bytes : slice_absent);
    c->answer = buffer_slice(&b);
    if (ending == HTTP_GOES_ON) {
        if (c->answer.length > 0) send_answer(c);
        return true;
    }
    c->closes = true;
    c->breaks = ending == HTTP_BREAKS;
    c->lingers = false;
    drop_work(c);
    if (c->breaks && c->answer.length == 0) return close_stream(c), true;
    enter(c, CONNECTION_SENDING);
    send_answer(c);
    return true;
}

struct slice http_request_header(const struct http_request *r, struct slice name, uint32_t *count)
{
    return http_header_find(r->headers, r->header_count, name, count);
}

struct http_body http_request_take_body(struct http_request *r)
{
    struct http_work *w = container_of(r, struct http_work, request);
    return http_message_take_body(&w->message);
}
