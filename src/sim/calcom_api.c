/* The door of the simulated api.cal.com. START READING HERE: one request, from its arrival to the last byte of its answer.
 *
 *   arrived → is_let_in (credential, rate limit, version) → faults_meet → check ─┊─ commit ─┊─ reply
 *
 * Each ┊ is a wait of the behaviour that the request met (faults.h); the last may be for subscribers (F23). An exchange is what waits; it keeps the HTTP request, whose slices live
 * until it is answered, also when the peer has long gone: so a commit can come after the client's patience (F11). Every exchange is answered
 * or broken in the end.
 */
#include <stdio.h>
#include "base/ensure.h"
#include "limits.h"
#include "net/http_response.h"
#include "sim/answers.h"
#include "sim/host.h"
#include "sim/routes.h"
#include "sim/simulator.h"
#include "sim/tokens.h"

/* "Never" must end some time: after this the connection is broken. Longer than any client waits. */
constexpr uint32_t silence_ms = 600'000;

enum : uint32_t { SIM_EXCHANGE_MAGIC = 0x51a1ec4a };

struct sim_exchange {
    uint32_t              magic;
    struct list_node      node;
    struct simulator     *simulator;
    struct http_exchange  http;
    struct sim_request    request;
    struct json_document *document;
    struct limiter_answer limit;
    struct sim_behaviour  behaviour;
    uint64_t              log_number;
    struct timer          timer;
    void                (*next)(struct sim_exchange *x);
    struct sim_create     create;
    struct sim_plan       plan;
    uint32_t              replica_lag_ms;
    uint32_t              webhooks_running; /* of those that it caused */
    uint16_t              status;       /* of the answer, once there is one */
    const char           *content_type;
    char                 *answer;       /* heap memory: head and body of a raw one, else the body */
    size_t                answer_bytes, answer_capacity, answer_sent;
};

static void check(struct sim_exchange *x);
static void commit(struct sim_exchange *x);
static void reply(struct sim_exchange *x);

/* -- waiting -- */

static void wait_is_over(struct timer *t)
{
    struct sim_exchange *x = container_of(t, struct sim_exchange, timer);
    ensure_magic(x, SIM_EXCHANGE_MAGIC);
    x->next(x);
}

static void go_on(struct sim_exchange *x, uint32_t after_ms, void (*next)(struct sim_exchange *x))
{
    if (after_ms == 0) return next(x);
    struct shard *shard = x->simulator->shard;
    x->next = next;
    timer_start(&shard->timers, &x->timer, shard->now_us + after_ms * UINT64_C(1000), wait_is_over);
}

static void end_exchange(struct sim_exchange *x)
{
    struct simulator *s = x->simulator;
    struct sim_log_entry *e = request_log_find(&s->log, x->log_number);
    if (e) e->answered_at_us = s->shard->wall_us;
    timer_stop(&s->shard->timers, &x->timer);
    json_release(x->document, &s->world.heap);
    heap_release(&s->world.heap, x->answer, x->answer_capacity);
    list_remove(&s->exchanges_open, &x->node);
    x->magic = 0;
    pool_release(&s->exchanges, x);
}

/* -- the answer, as text -- */

static int64_t clock_skew_us(const struct sim_exchange *x) { return (x->simulator->world.settings.clock_skew_ms + x->behaviour.clock_skew_ms) * INT64_C(1000); }

static int64_t server_time_us(const struct sim_exchange *x) { return x->simulator->shard->wall_us + clock_skew_us(x); }

static struct sim_answer begin_answer(struct sim_exchange *x)
{
    x->request.now_us = server_time_us(x);
    x->request.visible_until_us = x->simulator->shard->wall_us - x->replica_lag_ms * INT64_C(1000);
    return (struct sim_answer){ .status = 500, .content_type = "application/json; charset=utf-8", .body = buffer_over(x->simulator->scratch, sim_answer_bytes_max) };
}

/* Memory for another form of the answer, with room for its head. false: there is none. */
static bool begin_form(struct sim_exchange *x, size_t body_bytes, struct buffer *form)
{
    size_t capacity = body_bytes + 1024;
    char *memory = heap_acquire(&x->simulator->world.heap, capacity);
    *form = buffer_over(memory, memory ? capacity : 0);
    return memory != nullptr;
}

static void keep_form(struct sim_exchange *x, const struct buffer *form)
{
    ensure(!form->overflowed);
    heap_release(&x->simulator->world.heap, x->answer, x->answer_capacity);
    x->answer = form->start;
    x->answer_capacity = form->capacity;
    x->answer_bytes = form->length;
    x->answer_sent = 0;
}

/* Keeps what was written until its time to leave. */
static void keep_answer(struct sim_exchange *x, const struct sim_answer *a)
{
    struct buffer form;
    x->status = 503;
    x->content_type = a->content_type;
    x->answer_bytes = 0;
    if (a->body.overflowed || !begin_form(x, a->body.length, &form)) return;
    buffer_add(&form, buffer_slice(&a->body));
    keep_form(x, &form);
    x->status = a->status;
}

/* F25: the same, bent. Without memory it stays true. */
static void garble(struct sim_exchange *x)
{
    struct buffer form;
    enum sim_garble how = x->behaviour.garble;
    if (how == SIM_GARBLE_NOTHING || !begin_form(x, garble_bytes_max(how, x->answer_bytes), &form)) return;
    garble_print(&form, how, slice_from(x->answer, x->answer_bytes));
    keep_form(x, &form);
}

static void keep_refusal(struct sim_exchange *x, const struct sim_refusal *refusal)
{
    struct sim_answer a = begin_answer(x);
    endpoint_refuse(&x->request, &a, refusal);
    keep_answer(x, &a);
}

[[gnu::format(printf, 4, 5)]] static void keep_no(struct sim_exchange *x, uint16_t status, enum sim_shape shape, const char *format, ...)
{
    struct sim_refusal refusal = { .status = status, .shape = shape };
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(refusal.message, sizeof refusal.message, format, arguments);
    va_end(arguments);
    keep_refusal(x, &refusal);
}

/* What the fault makes the client hear instead of the truth. */
static void keep_fault_status(struct sim_exchange *x)
{
    uint16_t status = x->behaviour.status;
    switch (status) {
    case 400:
        if (x->behaviour.fault == SIM_FAULT_CONFLICT_OF_OUR_OWN)
            return keep_no(x, 400, SIM_SHAPE_EXCEPTION, "User either already has booking at this time or is not available");
        if (x->behaviour.fault == SIM_FAULT_TOKEN_USED) return keep_no(x, 400, SIM_SHAPE_OAUTH, "invalid_grant");
        return keep_no(x, 400, SIM_SHAPE_EXCEPTION, "Missing payment credentials");
    case 401: return keep_no(x, 401, SIM_SHAPE_EXCEPTION, "ApiAuthStrategy - api key - Your api key is not valid.");
    case 409: return keep_no(x, 409, SIM_SHAPE_PLAIN, "booking_conflict_error");
    case 429: return keep_no(x, 429, SIM_SHAPE_EXCEPTION_TEXT, "CustomThrottlerGuard - Too many requests. Please try again later.");
    case 502:
    case 503:
    case 504: return keep_no(x, status, SIM_SHAPE_HTML, "proxy");
    default:  return keep_no(x, status, SIM_SHAPE_PLAIN, "%s", status >= 500 ? "Internal server error" : "refused by a fault");
    }
}

/* -- who is let in -- */

static void keep_throttled(struct sim_exchange *x)
{
    keep_no(x, 429, SIM_SHAPE_EXCEPTION_TEXT,
            x->limit.state == LIMITER_LOCKED ? "CustomThrottlerGuard - Your account has been locked due to excessive API usage. Please contact support."
                                             : "CustomThrottlerGuard - Too many requests. Please try again later.");
}

/* The old controllers behind 2024-04-15: another world under the same paths. */
static void keep_old_version(struct sim_exchange *x, enum sim_resource resource)
{
    struct sim_answer a = begin_answer(x);
    struct json_writer w;
    if (resource == SIM_SLOTS_2024_09_04)
        return keep_no(x, 404, SIM_SHAPE_EXCEPTION, "Cannot %s " SLICE_FORMAT, http_method_name(x->request.method), slice_print(slice_take(x->request.path, 200)));
    if (x->request.method == HTTP_POST)
        return keep_no(x, 400, SIM_SHAPE_VALIDATION, "end must be a string, timeZone must be a string, language must be a string, metadata must be an object");
    a.status = 200;
    answer_begin(&w, &a.body);
    json_begin_object(&w, "data");
    if (resource == SIM_BOOKINGS) {
        json_begin_array(&w, "bookings");
        json_end_array(&w);
    } else {
        json_add_null(&w, "eventType");
    }
    json_end_object(&w);
    answer_end(&w);
    keep_answer(x, &a);
}

/* Finds the account; false: a credential that is none. */
static bool identify(struct sim_exchange *x, const struct http_request *r)
{
    struct slice header = http_request_header(r, slice_of("authorization"), nullptr), bearer = slice_of("Bearer ");
    if (slice_is_absent(header)) return true;
    if (!slice_starts_with(header, bearer)) return false;
    x->request.account = world_find_account(&x->simulator->world, slice_skip(header, bearer.length));
    if (!x->request.account) x->request.account = tokens_find_account(&x->simulator->world, slice_skip(header, bearer.length), simulator_time_us(x->simulator));
    return x->request.account != nullptr;
}

static bool is_let_in(struct sim_exchange *x, const struct http_request *r, const struct sim_route *route)
{
    struct simulator *s = x->simulator;
    if (!identify(x, r)) return keep_no(x, 401, SIM_SHAPE_EXCEPTION, "CustomThrottlerGuard - Invalid API Key"), false;
    x->limit = limiter_ask(x->request.account ? &x->request.account->limiter : &s->strangers, s->shard->now_us);
    if (x->limit.state != LIMITER_OPEN) return keep_throttled(x), false;
    if (x->request.account && x->request.account->expired) return keep_no(x, 401, SIM_SHAPE_EXCEPTION, "ApiAuthStrategy - api key - Your api key is expired"), false;
    if (route->needs_account && !x->request.account)
        return keep_no(x, 401, SIM_SHAPE_EXCEPTION, "ApiAuthStrategy - no authentication provided. Provide API key as bearer token."), false;
    if (!version_fits(route->resource, version_of(http_request_header(r, slice_of("cal-api-version"), nullptr)))) return keep_old_version(x, route->resource), false;
    bool takes_forms = route->endpoint == SIM_OAUTH_TOKEN;
    if (!slice_is_empty(x->request.body) && !x->request.json && !takes_forms) return keep_no(x, 400, SIM_SHAPE_EXCEPTION, "Unexpected token in JSON"), false;
    return true;
}

/* -- what it does -- */

static void note(struct sim_exchange *x, struct slice reference, const char *booking_uid)
{
    struct sim_log_entry *e = request_log_find(&x->simulator->log, x->log_number);
    if (!e) return;
    if (!slice_is_absent(reference)) snprintf(e->engine_reference, sizeof e->engine_reference, SLICE_FORMAT, slice_print(slice_take(reference, 63)));
    if (booking_uid) memcpy(e->booking_uid, booking_uid, sizeof e->booking_uid);
}

static void decide_create(struct sim_exchange *x)
{
    struct simulator *s = x->simulator;
    struct sim_refusal refusal;
    x->request.now_us = server_time_us(x);
    if (!create_request_read(&s->world, x->request.json, &x->create, &refusal)) {
        keep_refusal(x, &refusal);
        return go_on(x, x->behaviour.before_reply_ms, reply);
    }
    note(x, x->create.engine_reference, nullptr);
    struct sim_answer a = begin_answer(x);
    switch (booking_decide(&s->world, &x->create, x->request.account != nullptr, x->request.now_us, &x->plan, &refusal)) {
    case SIM_MAY_COMMIT: return go_on(x, x->behaviour.before_commit_ms + s->world.settings.race_window_ms, commit);
    case SIM_REFUSED:    keep_refusal(x, &refusal); return go_on(x, x->behaviour.before_reply_ms, reply);
    case SIM_EARLIER:
        endpoint_say_booking(&a, 201, x->plan.earlier);
        note(x, slice_absent, x->plan.earlier->uid);
        keep_answer(x, &a);
        return go_on(x, x->behaviour.before_reply_ms, reply);
    }
    ensure(false);
}

static void check(struct sim_exchange *x)
{
    if (x->behaviour.gives_up_before_check) {
        if (x->behaviour.status) keep_fault_status(x);
        return go_on(x, x->behaviour.before_reply_ms, reply);
    }
    if (x->request.endpoint == SIM_CREATE_BOOKING) return decide_create(x);
    if (x->behaviour.tells_before_commit) endpoint_announce(x->simulator, &x->request);
    go_on(x, x->behaviour.before_commit_ms, commit);
}

/* Somebody else got this start a day ago, and that is what the client is told about (F17). */
static void make_foreign(struct sim_booking *b)
{
    b->created_at_us -= INT64_C(24) * 3600 * 1'000'000;
    b->updated_at_us = b->committed_at_us = b->created_at_us;
    b->metadata = slice_of("{\"engineRef\":\"foreign\"}");
    b->engine_reference = slice_of("foreign");
}

/* One row, or those of a series; the true clock and the fault get their say. Fewer than wanted: *refusal. */
static struct sim_series commit_rows(struct sim_exchange *x, uint32_t wanted, struct sim_refusal *refusal)
{
    struct sim_world *w = &x->simulator->world;
    struct sim_series made = { 0 };
    if (x->create.type->recurrence_count) {
        made = booking_commit_series(w, &x->create, &x->plan, wanted, x->request.now_us, refusal);
    } else {
        made.first = booking_commit(w, &x->create, &x->plan, x->request.now_us, refusal);
        made.count = made.first != nullptr;
    }
    for (uint32_t i = 0; i < made.count; i++) {
        made.first[i].committed_at_us = x->simulator->shard->wall_us;
        if (x->behaviour.fault == SIM_FAULT_STALE_FOREIGN) make_foreign(&made.first[i]);
        if (x->behaviour.fault == SIM_FAULT_NO_REFERENCES) made.first[i].has_references = false;
    }
    return made;
}

static void commit_create(struct sim_exchange *x, struct sim_answer *a)
{
    struct simulator *s = x->simulator;
    struct sim_refusal refusal;
    uint32_t wanted = x->behaviour.commits_half ? (x->create.occurrences + 1) / 2 : x->create.occurrences;
    struct sim_series made = commit_rows(x, wanted, &refusal);
    for (uint32_t i = 0; i < made.count; i++) /* before the reply: as there */
        webhooks_send(s, made.first[i].status == SIM_PENDING ? SIM_BOOKING_REQUESTED : SIM_BOOKING_CREATED, &made.first[i], &x->request.cause);
    if (made.count > 0) note(x, slice_absent, made.first->uid);
    if (made.count < wanted) endpoint_refuse(&x->request, a, &refusal);
    else if (x->create.type->recurrence_count) endpoint_say_series(a, 201, made.first, made.count);
    else endpoint_say_booking(a, 201, made.first);
    for (uint32_t i = 0; i < made.count; i++) host_act_later(s, &made.first[i], x->behaviour.host_act, x->behaviour.delay_ms);
}

/* The wait before the reply ends early when it is for subscribers and there are none, or they have answered. */
static void reply_in_time(struct sim_exchange *x)
{
    bool waits_for_nobody = x->behaviour.replies_after_subscribers && x->webhooks_running == 0;
    go_on(x, waits_for_nobody ? 0 : x->behaviour.before_reply_ms, reply);
}

void calcom_api_webhook_began(struct simulator *s, struct handle exchange)
{
    struct sim_exchange *x = pool_find(&s->exchanges, exchange);
    if (x) x->webhooks_running += 1;
}

void calcom_api_webhook_ended(struct simulator *s, struct handle exchange)
{
    struct sim_exchange *x = pool_find(&s->exchanges, exchange);
    if (!x) return;
    ensure(x->webhooks_running > 0);
    x->webhooks_running -= 1;
    if (!x->behaviour.replies_after_subscribers || x->webhooks_running > 0 || !timer_is_running(&x->timer)) return;
    timer_stop(&s->shard->timers, &x->timer);
    x->next(x);
}

static void commit(struct sim_exchange *x)
{
    struct sim_answer a = begin_answer(x);
    if (x->request.endpoint == SIM_CREATE_BOOKING) commit_create(x, &a);
    else endpoint_answer(x->simulator, &x->request, &a);
    keep_answer(x, &a);
    if (x->behaviour.status && x->status / 100 == 2) keep_fault_status(x);
    reply_in_time(x);
}

/* -- the answer, as bytes -- */

enum { REPLY_HEADERS_MAX = 7 };
struct reply_head { struct http_header headers[REPLY_HEADERS_MAX]; uint32_t count; char memory[256]; struct buffer text; };

[[gnu::format(printf, 3, 4)]] static void add_header(struct reply_head *h, struct slice name, const char *format, ...)
{
    size_t from = h->text.length;
    char value[80];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(value, sizeof value, format, arguments);
    va_end(arguments);
    buffer_add(&h->text, slice_from_text(value));
    ensure(!h->text.overflowed && h->count < REPLY_HEADERS_MAX);
    h->headers[h->count++] = (struct http_header){ name, slice_from(h->memory + from, h->text.length - from) };
}

static void add_retry_after(struct reply_head *h, const struct sim_exchange *x)
{
    const char *date = "Fri, 31 Dec 2100 23:59:59 GMT"; /* far beyond any honest wait */
    switch (x->simulator->world.settings.retry_after) {
    case SIM_RETRY_AFTER_OFF:      return;
    case SIM_RETRY_AFTER_DELTA:    return add_header(h, slice_of("Retry-After"), "%u", x->limit.reset_after_s);
    case SIM_RETRY_AFTER_DATE:     return add_header(h, slice_of("Retry-After"), "%s", date);
    case SIM_RETRY_AFTER_ABSURD:   return add_header(h, slice_of("Retry-After"), "86400");
    case SIM_RETRY_AFTER_NEGATIVE: return add_header(h, slice_of("Retry-After"), "-5");
    }
    ensure(false);
}

static void make_head(struct reply_head *h, const struct sim_exchange *x)
{
    const struct simulator *s = x->simulator;
    h->count = 0;
    h->text = buffer_over(h->memory, sizeof h->memory);
    add_header(h, slice_of("Content-Type"), "%s", x->content_type ? x->content_type : "application/json; charset=utf-8");
    if (x->limit.limit && !s->world.settings.limit_is_untold) {
        long long reset = s->world.settings.reset_is_epoch ? s->shard->wall_us / 1'000'000 + x->limit.reset_after_s : x->limit.reset_after_s;
        add_header(h, slice_of("X-RateLimit-Limit-Default"), "%u", x->limit.limit);
        add_header(h, slice_of("X-RateLimit-Remaining-Default"), "%u", x->status == 429 ? 0 : x->limit.remaining);
        add_header(h, slice_of("X-RateLimit-Reset-Default"), "%lld", x->status == 429 && reset == 0 ? 60 : reset);
    }
    if (x->status == 429) add_retry_after(h, x);
    if (x->status >= 400) add_header(h, slice_of("X-Request-Id"), "unknown-request-id");
    if (clock_skew_us(x) != 0) add_header(h, slice_of("Date"), "%s", http_date_at(&(struct http_date){ 0 }, server_time_us(x)).start);
}

/* The answer becomes head and body in one piece, for those who send it by pieces, or with what the server would not send: another Date, 5 MB.
 * declared: the Content-Length; kept: so much of the body is there. */
static bool make_raw(struct sim_exchange *x, size_t declared_bytes, size_t kept_bytes)
{
    struct reply_head h;
    struct buffer raw;
    if (!begin_form(x, kept_bytes, &raw)) return false;
    make_head(&h, x);
    buffer_print(&raw, "HTTP/1.1 %d Whatever\r\nConnection: close\r\nContent-Length: %zu\r\n", x->status, declared_bytes);
    for (uint32_t i = 0; i < h.count; i++)
        buffer_print(&raw, SLICE_FORMAT ": " SLICE_FORMAT "\r\n", slice_print(h.headers[i].name), slice_print(h.headers[i].value));
    buffer_add(&raw, slice_of("\r\n"));
    buffer_add(&raw, slice_from(x->answer, kept_bytes));
    keep_form(x, &raw);
    return true;
}

static void reply_broken(struct sim_exchange *x, size_t bytes, enum http_ending ending)
{
    http_respond_raw(x->simulator->calcom, x->http, slice_from(x->answer, bytes), ending);
    end_exchange(x);
}

static void reply_raw(struct sim_exchange *x, size_t declared_bytes, size_t kept_bytes, enum http_ending ending)
{
    if (make_raw(x, declared_bytes, kept_bytes)) reply_broken(x, x->answer_bytes, ending);
    else reply_broken(x, 0, HTTP_BREAKS);
}

static void reply_whole(struct sim_exchange *x, size_t body_bytes, bool close)
{
    struct reply_head h;
    if (clock_skew_us(x) != 0 || body_bytes > sim_answer_bytes_max / 2) return reply_raw(x, body_bytes, body_bytes, HTTP_CLOSES);
    make_head(&h, x);
    http_respond(x->simulator->calcom, x->http,
                 &(struct http_response){ .status = x->status, .headers = h.headers, .header_count = h.count, .body = slice_from(x->answer, body_bytes), .close = close });
    end_exchange(x);
}

static void reply_half(struct sim_exchange *x, enum http_ending ending) { reply_raw(x, x->answer_bytes, x->answer_bytes / 2, ending); }

static void print_capitals(struct buffer *b, struct slice name)
{
    for (size_t i = 0; i < name.length; i++) buffer_add_byte(b, name.start[i] >= 'a' && name.start[i] <= 'z' ? (char)(name.start[i] - 'a' + 'A') : name.start[i]);
}

static void print_chunk(struct buffer *b, struct slice bytes)
{
    if (bytes.length == 0) return; /* it would be the last one */
    buffer_print(b, "%zx\r\n", bytes.length);
    buffer_add(b, bytes);
    buffer_add(b, slice_of("\r\n"));
}

static void reply_chunked(struct sim_exchange *x)
{
    struct reply_head h;
    make_head(&h, x);
    struct slice body = slice_from(x->answer, x->answer_bytes);
    struct buffer raw;
    if (!begin_form(x, body.length, &raw)) return reply_broken(x, 0, HTTP_BREAKS);
    buffer_print(&raw, "HTTP/1.1 %d Whatever\r\nCONNECTION: close\r\nTRANSFER-ENCODING: chunked\r\n", x->status);
    for (uint32_t i = 0; i < h.count; i++) {
        print_capitals(&raw, h.headers[i].name);
        buffer_print(&raw, ": " SLICE_FORMAT "\r\n", slice_print(h.headers[i].value));
    }
    buffer_add(&raw, slice_of("\r\n"));
    print_chunk(&raw, slice_take(body, body.length / 2));
    print_chunk(&raw, slice_skip(body, body.length / 2));
    buffer_add(&raw, slice_of("0\r\n\r\n"));
    keep_form(x, &raw);
    reply_broken(x, x->answer_bytes, HTTP_CLOSES);
}

static void give_up(struct sim_exchange *x) { reply_broken(x, 0, HTTP_BREAKS); }

/* A byte at a time, until the peer goes away. */
static void drip(struct sim_exchange *x)
{
    if (x->answer_sent + 1 >= x->answer_bytes) {
        http_respond_raw(x->simulator->calcom, x->http, slice_skip(slice_from(x->answer, x->answer_bytes), x->answer_sent), HTTP_CLOSES);
        return end_exchange(x);
    }
    if (!http_respond_raw(x->simulator->calcom, x->http, slice_from(x->answer + x->answer_sent, 1), HTTP_GOES_ON)) return give_up(x);
    x->answer_sent += 1;
    go_on(x, x->behaviour.delay_ms, drip);
}

static void begin_dripping(struct sim_exchange *x)
{
    if (!make_raw(x, x->answer_bytes, x->answer_bytes)) return give_up(x);
    drip(x);
}

static void reply(struct sim_exchange *x)
{
    struct sim_log_entry *e = request_log_find(&x->simulator->log, x->log_number);
    if (e) e->status = x->status;
    garble(x);
    switch (x->behaviour.reply) {
    case SIM_REPLY_WHOLE:                  return x->simulator->world.settings.chunked ? reply_chunked(x) : reply_whole(x, x->answer_bytes, false);
    case SIM_REPLY_NEVER:                  return go_on(x, silence_ms, give_up);
    case SIM_REPLY_RESET:                  return give_up(x);
    case SIM_REPLY_RESET_MID_BODY:         return reply_half(x, HTTP_BREAKS);
    case SIM_REPLY_TRUNCATED:              return reply_half(x, HTTP_CLOSES);
    case SIM_REPLY_TRUNCATED_WRONG_LENGTH: return reply_whole(x, x->answer_bytes / 2, true);
    case SIM_REPLY_DRIPPING:               return begin_dripping(x);
    }
    ensure(false);
}

/* -- arrival -- */

static void write_log(struct sim_exchange *x, const struct http_request *r)
{
    struct simulator *s = x->simulator;
    struct sim_log_entry *e = request_log_add(&s->log);
    x->log_number = e->number;
    e->at_us = s->shard->wall_us;
    e->method = r->method;
    e->endpoint = x->request.endpoint;
    e->account = x->request.account ? (int32_t)(x->request.account - s->world.accounts) : -1;
    e->fault = x->behaviour.fault;
    snprintf(e->target, sizeof e->target, SLICE_FORMAT, slice_print(slice_take(r->target, sizeof e->target - 1)));
}

/* Faults that are the account's or the door's, not the request's alone; and those that the endpoint has to know of. */
static void spread_fault(struct sim_exchange *x)
{
    struct simulator *s = x->simulator;
    const struct sim_behaviour *b = &x->behaviour;
    struct limiter *limiter = x->request.account ? &x->request.account->limiter : &s->strangers;
    if (b->fault == SIM_FAULT_ACCOUNT_LOCKED) limiter_lock(limiter);
    if (b->fault == SIM_FAULT_REPLICA_LAG) x->replica_lag_ms = b->delay_ms;
    if (sim_fault_is_of_the_port(b->fault)) door_shut(&s->door, sim_fault_door(b->fault), 2'000);
    x->request.host_act = b->host_act;
    x->request.cause = (struct sim_cause){ pool_handle_of(&s->exchanges, x), b->telling, b->delay_ms };
}

static struct sim_exchange *take_apart(struct simulator *s, struct http_request *r, const struct sim_route *route)
{
    struct sim_exchange *x = pool_acquire(&s->exchanges);
    if (!x) return nullptr;
    struct json_error error;
    x->magic = SIM_EXCHANGE_MAGIC;
    list_push_back(&s->exchanges_open, &x->node);
    x->simulator = s;
    x->http = r->exchange;
    x->replica_lag_ms = s->world.settings.replica_lag_ms;
    x->request = (struct sim_request){ .endpoint = route->endpoint, .method = r->method, .path = r->path, .query = r->query, .body = r->body,
                                       .segment = route->segment };
    if (!slice_is_empty(r->body)) x->document = json_parse(r->body, &s->world.heap, &error);
    if (x->document) x->request.json = json_root(x->document);
    return x;
}

static void arrived(void *context, struct http_request *r)
{
    struct simulator *s = context;
    struct sim_route route = route_of(r->method, r->path);
    struct sim_exchange *x = take_apart(s, r, &route);
    if (!x) {
        http_respond_status(s->calcom, r->exchange, 503);
        return;
    }
    bool let_in = is_let_in(x, r, &route);
    if (let_in) x->behaviour = faults_meet(&s->faults, route.endpoint);
    write_log(x, r);
    if (!let_in) return reply(x);
    spread_fault(x);
    go_on(x, x->behaviour.before_check_ms, check);
}

bool calcom_api_open(struct simulator *s, const struct http_server_config *config, struct io_refusal *refusal)
{
    struct http_server_config c = *config;
    c.handler = arrived;
    c.context = s;
    limiter_init(&s->strangers, 120, 0);
    pool_init(&s->exchanges, "requests under way", sizeof(struct sim_exchange), sim_exchanges_max);
    list_init(&s->exchanges_open);
    s->calcom = http_server_open(s->shard, &c, refusal);
    if (s->calcom) door_init(&s->door, s->shard, s->calcom);
    return s->calcom != nullptr;
}

void calcom_api_drop_all(struct simulator *s)
{
    struct list_node *n;
    while ((n = list_first(&s->exchanges_open))) give_up(container_of(n, struct sim_exchange, node));
}
