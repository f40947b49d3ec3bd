/* calcom/client.c: accounts and ops. An op that runs is in one of three places, and each leads to the next on the account's shard:
 *
 *     waiting for the budget (its timer runs) ──► asked (its HTTP call runs) ──► finished (its task is ready) ──► done
 *                  ▲                                      │
 *                  └───────── find: the next page ────────┘
 */
#include "base/ensure.h"
#include "base/log.h"
#include "calcom/errors.h"
#include "calcom/wire.h"
#include "limits.h"

enum : uint32_t { ACCOUNT_MAGIC = 0xca1c0a01 };
enum { ACCOUNT_TEXT_BYTES_MAX = 4096, HEADERS = 5 }; /* an OAuth token is a JWT of 1 to 2 KiB */

/* cal-api-version differs by resource; without it, or with one that it does not know, Cal.com answers as in April 2024. */
enum resource : uint8_t { RESOURCE_BOOKINGS, RESOURCE_SLOTS, RESOURCE_EVENT_TYPES, RESOURCE_ME };
enum { RESOURCES = RESOURCE_ME + 1 };

struct calcom_account {
    uint32_t               magic;
    struct shard          *shard;
    struct http_client    *http;
    struct calcom_config   config;
    struct budget          budget;
    struct breaker         breaker;
    struct heap            heap; /* answers being taken apart */
    struct calcom_counters counters;
    int64_t                company_id;
    uint32_t               ops_running;
    struct http_header     headers[RESOURCES][HEADERS];
    uint32_t               header_counts[RESOURCES];
    char                   text[ACCOUNT_TEXT_BYTES_MAX]; /* versions and the key; wiped at the end */
};

struct manner { enum budget_priority priority; enum resource resource; enum http_method method; bool is_write; };
static const struct manner manners[] = {
    [CALCOM_CREATE]         = { BUDGET_BOOKING, RESOURCE_BOOKINGS, HTTP_POST, true },
    [CALCOM_GET]            = { BUDGET_SETTLE, RESOURCE_BOOKINGS, HTTP_GET, false },
    [CALCOM_FIND]           = { BUDGET_SETTLE, RESOURCE_BOOKINGS, HTTP_GET, false },
    [CALCOM_LIST_SLOTS]     = { BUDGET_CHECK, RESOURCE_SLOTS, HTTP_GET, false },
    [CALCOM_CANCEL]         = { BUDGET_SETTLE, RESOURCE_BOOKINGS, HTTP_POST, true },
    [CALCOM_GET_ME]         = { BUDGET_SYNC, RESOURCE_ME, HTTP_GET, false },
    [CALCOM_GET_EVENT_TYPE] = { BUDGET_SYNC, RESOURCE_EVENT_TYPES, HTTP_GET, false },
};

static struct calcom_account *account_of(const struct calcom_op *op)
{
    ensure_magic(op->account, ACCOUNT_MAGIC);
    return op->account;
}

/* -- the end of an op -- */

static void call_done(struct task *t)
{
    struct calcom_op *op = container_of(t, struct calcom_op, finished);
    account_of(op)->ops_running -= 1;
    op->running = false;
    op->done(op); /* last: the op may be gone, or asking again */
}

static void finish(struct calcom_op *op, enum calcom_outcome outcome, enum calcom_refusal refusal, const char *message)
{
    struct calcom_account *a = account_of(op);
    op->outcome = outcome;
    op->refusal = refusal;
    op->message = outcome == CALCOM_OK ? "" : message;
    counter_add(&a->counters.outcomes[outcome], 1);
    op->finished.run = call_done;
    shard_make_ready(a->shard, &op->finished);
}

static void finish_not_sent(struct calcom_op *op, uint64_t retry_at_us, const char *message)
{
    op->retry_at_us = retry_at_us;
    finish(op, CALCOM_NOT_SENT, CALCOM_REFUSAL_NONE, message);
}

/* -- the answer -- */

static struct slice header(const struct calcom_op *op, const char *name) { return http_call_header(&op->call, slice_from_text(name)); }

/* A 429 silences the account. */
static void heed_429(struct calcom_op *op, struct calcom_rate_headers h)
{
    struct calcom_account *a = account_of(op);
    uint64_t               block_us = calcom_block_us(h, a->shard->wall_us);
    budget_block(&a->budget, a->shard->now_us + block_us);
    op->retry_at_us = a->budget.blocked_until_us;
    log_event(LOG_WARNING, "calcom_throttled", log_integer("company", a->company_id), log_integer("block_ms", block_us / 1000));
}

/* Every answer tells how much of the key's minute is left, whoever used the rest. */
static void heed_minute(struct calcom_account *a, struct calcom_minute m)
{
    const uint64_t minute_us = calcom_minute_ms * UINT64_C(1000);
    uint64_t       ends_at_us = a->shard->now_us + m.ends_in_us;
    uint32_t       left = m.left > calcom_requests_left_min ? m.left - calcom_requests_left_min : 0;
    if (m.limit > 0) budget_cap(&a->budget, m.limit > calcom_requests_left_min ? m.limit - calcom_requests_left_min : 1);
    budget_learn(&a->budget, left, ends_at_us > minute_us ? ends_at_us - minute_us : 0);
}

/* A 5xx without a word on limits may be a proxy's, which has counted nothing and knows nothing. */
static void tell_budget(struct calcom_op *op)
{
    struct calcom_account     *a = account_of(op);
    struct calcom_rate_headers h = { .retry_after = header(op, "Retry-After"), .date = header(op, "Date"),
                                     .reset = header(op, "X-RateLimit-Reset-Default"), .remaining = header(op, "X-RateLimit-Remaining-Default"), .limit = header(op, "X-RateLimit-Limit-Default") };
    struct calcom_minute       minute;
    if (op->call.status == 429) heed_429(op, h);
    else if (calcom_read_minute(h, a->shard->wall_us, &minute)) heed_minute(a, minute);
    else if (op->call.status < 500) budget_learn(&a->budget, BUDGET_UNTOLD, 0);
    else budget_ask_again(&a->budget);
}

static enum breaker_answer breaker_answer_of(const struct http_call *call)
{
    switch (call->outcome) {
    case HTTP_ANSWERED:      return call->status >= 500 ? BREAKER_FAILED : BREAKER_SUCCEEDED;
    case HTTP_TOO_LARGE:     return BREAKER_SUCCEEDED; /* alive, and other questions have smaller answers */
    case HTTP_NOT_CONNECTED:
    case HTTP_NOT_TRUSTED:
    case HTTP_TIMED_OUT:
    case HTTP_BROKEN:        return BREAKER_FAILED;
    case HTTP_GIVEN_UP:      return BREAKER_ABANDONED;
    }
    ensure(false);
    return BREAKER_ABANDONED;
}

static void tell_breaker(struct calcom_op *op)
{
    struct calcom_account *a = account_of(op);
    enum breaker_state     before = a->breaker.state;
    breaker_report(&a->breaker, op->ticket, breaker_answer_of(&op->call), a->shard->now_us);
    if (a->breaker.state == before) return;
    if (a->breaker.state == BREAKER_OPEN)
        log_event(LOG_WARNING, "calcom_breaker_opened", log_integer("company", a->company_id), log_integer("status", op->call.status));
    else
        log_event(LOG_INFO, "calcom_breaker_closed", log_integer("company", a->company_id));
}

static const char *http_failure_message(enum http_outcome outcome)
{
    switch (outcome) {
    case HTTP_NOT_CONNECTED: return "No connection";
    case HTTP_NOT_TRUSTED:   return "The certificate was refused";
    case HTTP_TIMED_OUT:     return "No answer in time";
    case HTTP_BROKEN:        return "The connection broke";
    case HTTP_TOO_LARGE:     return "The answer was too large";
    case HTTP_GIVEN_UP:      return "Given up";
    case HTTP_ANSWERED:      break;
    }
    ensure(false); /* an answer is no failure */
    return "";
}

/* B23: only what certainly left no byte there is certain not to have happened. */
static void finish_unanswered(struct calcom_op *op)
{
    enum http_outcome outcome = op->call.outcome;
    ensure(!op->call.maybe_sent || (outcome != HTTP_NOT_CONNECTED && outcome != HTTP_NOT_TRUSTED));
    if (!op->call.maybe_sent) budget_ask_again(&account_of(op)->budget);
    finish(op, op->call.maybe_sent ? CALCOM_UNKNOWN : CALCOM_NOT_SENT, CALCOM_REFUSAL_NONE, http_failure_message(outcome));
}

static void finish_judged(struct calcom_op *op)
{
    struct calcom_judgement j = calcom_judge(op->question, op->call.status, op->call.answer, &account_of(op)->heap);
    finish(op, j.outcome, j.refusal, j.message);
}

static bool read_one_booking(struct calcom_op *op)
{
    bool readable = calcom_read_booking(op->call.answer, &account_of(op)->heap, &op->bookings[0]);
    op->booking_count = readable;
    return readable;
}

/* false: the answer does not say what was asked. */
static bool read_answer(struct calcom_op *op, struct calcom_page *page)
{
    struct slice answer = op->call.answer;
    struct heap *heap = &account_of(op)->heap;
    switch (op->question) {
    case CALCOM_CREATE:
    case CALCOM_GET:            return read_one_booking(op);
    case CALCOM_CANCEL:         return read_one_booking(op) || calcom_read_success(answer, heap);
    case CALCOM_FIND:           return calcom_read_page(answer, heap, &op->find, op, page);
    case CALCOM_LIST_SLOTS:     return calcom_read_slots(answer, heap, op->from_us, op->until_us, op);
    case CALCOM_GET_ME:         return calcom_read_me(answer, heap);
    case CALCOM_GET_EVENT_TYPE: return calcom_read_event_type(answer, heap, op->event_type);
    }
    ensure(false);
    return false;
}

/* Which page to ask for next. false: all are read. The round by the attendee's address is followed by one without it, if it showed nothing. */
static bool turn_page(struct calcom_op *op, struct calcom_page page)
{
    op->pages += 1;
    op->skip += page.count;
    if (!page.is_last) return true;
    if (!op->by_email || op->booking_count > 0) return false;
    op->by_email = false;
    op->pages = op->skip = 0;
    return true;
}

static void ask_page(struct calcom_op *op);

static void take_answer(struct calcom_op *op)
{
    struct calcom_page page = {};
    bool               readable = read_answer(op, &page);
    http_call_release(&op->call);
    if (!readable) finish(op, CALCOM_UNKNOWN, CALCOM_REFUSAL_NONE, "An answer that cannot be read");
    else if (op->question != CALCOM_FIND || !turn_page(op, page)) finish(op, CALCOM_OK, CALCOM_REFUSAL_NONE, "");
    else if (op->pages == CALCOM_PAGES_MAX) finish(op, CALCOM_UNKNOWN, CALCOM_REFUSAL_NONE, "More pages than are read");
    else ask_page(op);
}

static void http_done(struct http_call *call)
{
    struct calcom_op      *op = container_of(call, struct calcom_op, call);
    struct calcom_account *a = account_of(op);
    tell_breaker(op);
    if (call->outcome != HTTP_ANSWERED) {
        finish_unanswered(op);
        http_call_release(call);
        return;
    }
    op->status = call->status;
    histogram_record(&a->counters.latency_us, call->answered_at_us - call->started_at_us);
    tell_budget(op);
    if (call->status >= 200 && call->status <= 299) {
        take_answer(op);
        return;
    }
    finish_judged(op);
    http_call_release(call);
}

/* -- the question -- */

static void send_request(struct calcom_op *op)
{
    struct calcom_account *a = account_of(op);
    const struct manner   *m = &manners[op->question];
    uint32_t               timeout_ms = m->is_write ? a->config.write_timeout_ms : a->config.read_timeout_ms;
    op->call = (struct http_call){
        .method = m->method,
        .target = op->target,
        .headers = a->headers[m->resource],
        .header_count = a->header_counts[m->resource] - (m->method == HTTP_GET), /* Content-Type is the last */
        .body = op->body,
        .deadline_us = a->shard->now_us + timeout_ms * UINT64_C(1000),
        .done = http_done,
    };
    counter_add(&a->counters.requests, 1);
    http_call_start(a->http, &op->call);
}

static void try_to_send(struct calcom_op *op);

static void room_came(struct timer *t) { try_to_send(container_of(t, struct calcom_op, timer)); }

/* A booking and what settles it wait for room that comes soon; the rest is told when to ask again. */
static void wait_for_room(struct calcom_op *op, uint64_t room_at_us)
{
    struct calcom_account *a = account_of(op);
    enum budget_priority   p = manners[op->question].priority;
    if ((p == BUDGET_BOOKING || p == BUDGET_SETTLE) && room_at_us <= op->wait_until_us) {
        counter_add(&a->counters.budget_waited, 1);
        timer_start(&a->shard->timers, &op->timer, room_at_us, room_came);
        return;
    }
    counter_add(&a->counters.budget_refused, 1);
    finish_not_sent(op, room_at_us, "The request budget is used up");
}

/* When a breaker that admits nobody may do so again. */
static uint64_t breaker_opens_door_at(const struct calcom_account *a)
{
    if (a->breaker.state == BREAKER_OPEN) return a->breaker.opened_at_us + a->breaker.config.open_ms * UINT64_C(1000);
    return a->shard->now_us + calcom_probe_wait_ms * UINT64_C(1000); /* half open: all probes are under way */
}

static void try_to_send(struct calcom_op *op)
{
    struct calcom_account *a = account_of(op);
    uint64_t               now_us = a->shard->now_us, room_at_us;
    op->ticket = breaker_admit(&a->breaker, now_us);
    if (!op->ticket.admitted) {
        counter_add(&a->counters.breaker_refused, 1);
        finish_not_sent(op, breaker_opens_door_at(a), "The circuit breaker is open");
        return;
    }
    if (budget_take(&a->budget, manners[op->question].priority, now_us, &room_at_us)) {
        send_request(op);
        return;
    }
    breaker_report(&a->breaker, op->ticket, BREAKER_ABANDONED, now_us);
    wait_for_room(op, room_at_us);
}

static struct buffer target_of(struct calcom_op *op) { return buffer_over(op->target_memory, sizeof op->target_memory); }

static void ask(struct calcom_op *op, const struct buffer *target)
{
    op->target = buffer_slice(target);
    if (op->given_up) finish_not_sent(op, 0, "Given up");
    else if (target->overflowed) finish(op, CALCOM_REFUSED, CALCOM_REFUSAL_BAD_REQUEST, "Longer than any lawful request");
    else try_to_send(op);
}

static void ask_page(struct calcom_op *op)
{
    struct buffer target = target_of(op);
    calcom_print_find_target(&target, &op->find, op->by_email, op->skip);
    ask(op, &target);
}

static struct buffer begin(struct calcom_account *a, struct calcom_op *op, enum calcom_question q, calcom_done *done)
{
    ensure_magic(a, ACCOUNT_MAGIC);
    ensure_on(a->shard);
    ensure(!op->running);
    op->running = true;
    op->account = a;
    op->question = q;
    op->done = done;
    op->given_up = op->more_matches = op->by_email = false;
    op->status = 0;
    op->retry_at_us = 0;
    op->booking_count = op->slot_count = op->pages = op->skip = 0;
    op->body = slice_absent;
    op->wait_until_us = a->shard->now_us + a->config.budget_wait_ms * UINT64_C(1000);
    a->ops_running += 1;
    return target_of(op);
}

void calcom_create_booking(struct calcom_account *a, struct calcom_op *op, struct slice payload, calcom_done *done)
{
    struct buffer target = begin(a, op, CALCOM_CREATE, done);
    buffer_add(&target, slice_of("/bookings"));
    op->body = payload;
    ask(op, &target);
}

void calcom_get_booking(struct calcom_account *a, struct calcom_op *op, struct slice uid, calcom_done *done)
{
    struct buffer target = begin(a, op, CALCOM_GET, done);
    calcom_print_booking_target(&target, uid, "");
    ask(op, &target);
}

void calcom_find_booking(struct calcom_account *a, struct calcom_op *op, const struct calcom_find *f, calcom_done *done)
{
    (void)begin(a, op, CALCOM_FIND, done);
    op->find = *f;
    op->by_email = f->attendee_email.length > 0 && f->attendee_email.length <= CALCOM_EMAIL_BYTES_MAX;
    ask_page(op);
}

void calcom_list_slots(struct calcom_account *a, struct calcom_op *op, int64_t event_type_id, int64_t from_us, int64_t until_us, struct slice time_zone,
                       calcom_done *done)
{
    ensure(from_us < until_us);
    struct buffer target = begin(a, op, CALCOM_LIST_SLOTS, done);
    op->from_us = from_us;
    op->until_us = until_us;
    calcom_print_slots_target(&target, event_type_id, from_us, until_us, time_zone);
    ask(op, &target);
}

void calcom_cancel_booking(struct calcom_account *a, struct calcom_op *op, struct slice uid, struct slice reason, calcom_done *done)
{
    ensure(reason.length > 0); /* Cal.com demands one of a host, and our credential is one */
    struct buffer target = begin(a, op, CALCOM_CANCEL, done);
    struct buffer body = buffer_over(op->body_memory, sizeof op->body_memory);
    calcom_print_booking_target(&target, uid, "/cancel");
    calcom_print_cancel(&body, reason);
    ensure(!body.overflowed);
    op->body = buffer_slice(&body);
    ask(op, &target);
}

void calcom_get_me(struct calcom_account *a, struct calcom_op *op, calcom_done *done)
{
    struct buffer target = begin(a, op, CALCOM_GET_ME, done);
    buffer_add(&target, slice_of("/me"));
    ask(op, &target);
}

void calcom_get_event_type(struct calcom_account *a, struct calcom_op *op, int64_t id, struct calcom_event_type *out, calcom_done *done)
{
    struct buffer target = begin(a, op, CALCOM_GET_EVENT_TYPE, done);
    op->event_type = out;
    calcom_print_event_type_target(&target, id);
    ask(op, &target);
}

void calcom_cancel_op(struct calcom_op *op)
{
    struct calcom_account *a = account_of(op);
    ensure_on(a->shard);
    ensure(op->running);
    if (op->given_up || list_node_is_linked(&op->finished.node)) return; /* done is on its way */
    op->given_up = true;
    if (timer_is_running(&op->timer)) {
        timer_stop(&a->shard->timers, &op->timer);
        finish_not_sent(op, 0, "Given up");
    } else {
        http_call_cancel(&op->call);
    }
}

/* -- accounts -- */

struct calcom_config calcom_config_default(void)
{
    return (struct calcom_config){
        .http = http_client_config_default(),
        .breaker = { .failures_to_open = 5, .open_ms = 60'000, .successes_to_close = 2 },
        .budget = budget_config_default(),
        .connect_timeout_ms = 3'000,
        .read_timeout_ms = 10'000,
        .write_timeout_ms = 45'000,
        .budget_wait_ms = calcom_budget_wait_ms,
    };
}

/* What goes into a header without escaping: no line end can smuggle another one in. */
static bool is_visible(struct slice text)
{
    for (size_t n = 0; n < text.length; n++)
        if (text.start[n] <= ' ' || text.start[n] > '~') return false;
    return text.length > 0;
}

static struct slice keep_text(struct buffer *kept, const char *before, struct slice text)
{
    size_t at = kept->length;
    buffer_add(kept, slice_from_text(before));
    buffer_add(kept, text);
    return slice_skip(buffer_slice(kept), at);
}

static void set_headers(struct calcom_account *a, enum resource r, struct slice version, struct slice authorization)
{
    const struct http_header headers[HEADERS] = {
        { slice_of("cal-api-version"), version },
        { slice_of("Authorization"), authorization },
        { slice_of("Accept"), slice_of("application/json") },
        { slice_of("User-Agent"), slice_of("ringmaster") },
        { slice_of("Content-Type"), slice_of("application/json") },
    };
    uint32_t first = slice_is_absent(version) ? 1 : 0;
    a->header_counts[r] = HEADERS - first;
    memcpy(a->headers[r], headers + first, (HEADERS - first) * sizeof *headers);
}

static struct slice version_or(struct slice version, struct slice known) { return version.length > 0 ? version : known; }

/* false: something is no text for a header, or there is too much of it; found out before anything is changed, because the account may be in use. */
static bool keep_credential(struct calcom_account *a, const struct credential *c)
{
    struct slice versions[] = {
        [RESOURCE_BOOKINGS] = version_or(c->bookings_version, slice_of("2024-08-13")),
        [RESOURCE_SLOTS] = version_or(c->slots_version, slice_of("2024-09-04")),
        [RESOURCE_EVENT_TYPES] = version_or(c->event_types_version, slice_of("2024-06-14")),
    };
    bool   visible = is_visible(c->api_key);
    size_t bytes = strlen("Bearer ") + c->api_key.length;
    for (enum resource r = RESOURCE_BOOKINGS; r < RESOURCE_ME; r++) {
        visible &= is_visible(versions[r]);
        bytes += versions[r].length;
    }
    if (!visible || bytes > sizeof a->text) return false;

    struct buffer kept = buffer_over(a->text, sizeof a->text);
    struct slice  authorization = keep_text(&kept, "Bearer ", c->api_key);
    for (enum resource r = RESOURCE_BOOKINGS; r < RESOURCE_ME; r++) set_headers(a, r, keep_text(&kept, "", versions[r]), authorization);
    set_headers(a, RESOURCE_ME, slice_absent, authorization);
    return true;
}

static void free_account(struct calcom_account *a)
{
    explicit_bzero(a, sizeof *a);
    free(a);
}

struct calcom_account *calcom_account_open(struct shard *s, const struct credential *c, const struct calcom_config *config)
{
    ensure_on(s);
    struct http_client_config http = config->http;
    if (!http_origin_parse(c->base_url, &http.origin)) return nullptr;
    ensure(!http.origin.tls || http.tls);

    struct calcom_account *a = calloc(1, sizeof *a);
    if (!a) return nullptr;
    a->magic = ACCOUNT_MAGIC;
    a->shard = s;
    a->config = *config;
    a->company_id = c->company_id;
    if (!keep_credential(a, c)) {
        free_account(a);
        return nullptr;
    }
    budget_init(&a->budget, config->budget);
    breaker_init(&a->breaker, config->breaker);
    heap_init(&a->heap, calcom_answer_heap_bytes);
    http.connect_timeout_ms = config->connect_timeout_ms;
    a->http = http_client_open(s, &http);
    if (a->http) return a;
    free_account(a);
    return nullptr;
}

bool calcom_account_renew(struct calcom_account *a, const struct credential *c)
{
    ensure_magic(a, ACCOUNT_MAGIC);
    ensure_on(a->shard);
    return keep_credential(a, c);
}

void calcom_account_close(struct calcom_account *a)
{
    ensure_magic(a, ACCOUNT_MAGIC);
    ensure_on(a->shard);
    ensure(a->ops_running == 0 && a->heap.used_bytes == 0);
    http_client_close(a->http);
    free_account(a);
}

const struct breaker *calcom_account_breaker(const struct calcom_account *a)
{
    ensure_magic(a, ACCOUNT_MAGIC);
    return &a->breaker;
}

struct budget *calcom_account_budget(struct calcom_account *a)
{
    ensure_magic(a, ACCOUNT_MAGIC);
    return &a->budget;
}

void calcom_account_reset_breaker(struct calcom_account *a)
{
    ensure_magic(a, ACCOUNT_MAGIC);
    ensure_on(a->shard);
    breaker_reset(&a->breaker);
}

const struct calcom_counters *calcom_counters(const struct calcom_account *a)
{
    ensure_magic(a, ACCOUNT_MAGIC);
    return &a->counters;
}
