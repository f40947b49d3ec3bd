#include "engine.h"
#include "base/log.h"
#include "db/admin.h"
#include "io/thread.h"
#include "ops/health.h"
#include "ops/metrics_page.h"
#include "webhook/replay.h"
#include "webhook/retell_events.h"

constexpr uint32_t engine_magic = 0xe4614e00;
constexpr uint64_t drain_look_us = 10'000, gate_retry_us = 1'000'000;

/* Before anything is served from the database, the runtime role must be proven unable to pass row-level security. Blocking, so on the helper thread. */
struct gate { struct job job; struct timer timer; bool confined; struct db_admin_error error; };

struct engine {
    uint32_t                magic;
    struct engine_shared   *shared;
    struct shard           *shard;
    struct http_server     *server;
    struct journal         *journal;
    struct db_pool         *pool;
    struct tenant_directory directory;
    struct tenant_loader    loader;      /* shard 0 */
    struct booking_desk    *bookings;
    struct call_desk       *calls;
    struct webhook_door     door;
    struct replay           replay;      /* shard 0 */
    struct gate             gate;        /* shard 0 */
    struct timer            drain_timer, replay_timer;
    bool                    draining, pool_drains;
    _Atomic(bool)           tenants_known, replaying;
};

/* -- what can be seen from outside -- */

static struct ops_view view_of(const struct engine *e)
{
    struct ops_view v = {};
    for (uint16_t n = 0; n < e->shard->group->count; n++) {
        struct engine *other = atomic_load_explicit(&e->shared->engines[n], memory_order_acquire);
        if (!other) continue;
        v.shards[v.count++] = (struct ops_shard){
            .shard = other->shard, .http = http_server_counters(other->server), .webhooks = &other->door.counters, .journal = journal_counters(other->journal),
            .db = db_pool_counters(other->pool), .calls = call_desk_counters(other->calls), .bookings = booking_desk_counters(other->bookings), .directory = &other->directory,
            .tenants_known = &other->tenants_known, .replaying = &other->replaying,
        };
    }
    return v;
}

static void respond(struct engine *e, const struct http_request *r, uint16_t status, struct slice type, struct slice body)
{
    const struct http_header header = { slice_of("Content-Type"), type };
    (void)http_respond(e->server, r->exchange, &(struct http_response){ .status = status, .headers = &header, .header_count = 1, .body = body });
}

static void answer_metrics(struct engine *e, struct http_request *r)
{
    struct ops_view view = view_of(e);
    struct heap heap; /* not the webhooks': when that one is full, these figures are wanted most */
    heap_init(&heap, http_response_bytes_max);
    struct metrics_writer w;
    metrics_init(&w, &heap);
    metrics_page_write(&w, &view, e->shared->version);
    struct slice text = metrics_text(&w);
    if (slice_is_absent(text)) (void)http_respond_status(e->server, r->exchange, 503);
    else respond(e, r, 200, slice_of("text/plain; version=0.0.4; charset=utf-8"), text);
    metrics_deinit(&w);
}

static void answer_ready(struct engine *e, struct http_request *r)
{
    struct ops_view view = view_of(e);
    char memory[512];
    struct buffer json = buffer_over(memory, sizeof memory);
    bool ready = health_write(&json, &view, e->draining);
    respond(e, r, ready ? 200 : 503, slice_of("application/json"), buffer_slice(&json));
}

static void answer_live(struct engine *e, struct http_request *r) { respond(e, r, 200, slice_of("application/json"), slice_of("{\"live\":true}")); }

/* -- routes -- */

typedef void route_handler(struct engine *e, struct http_request *r);
static const struct { struct slice path; route_handler *answer; } pages[] = {
    { { "/metrics", 8 }, answer_metrics },
    { { "/livez", 6 }, answer_live },
    { { "/readyz", 7 }, answer_ready },
    { { "/healthz", 8 }, answer_ready },
    { { "/api/webhooks/health", 20 }, answer_ready },
};
enum { PAGE_COUNT = sizeof pages / sizeof pages[0] };

static const struct slice default_webhook = { "/api/mcp/retell/webhook", 23 }, workspace_prefix = { "/w/", 3 }, workspace_webhook = { "/retell/webhook", 15 };

/* Providers are configured by hand: a trailing slash is the same place, and never a redirect, which Retell would not follow. */
static struct slice without_slash(struct slice path)
{
    return path.length > 1 && path.start[path.length - 1] == '/' ? slice_take(path, path.length - 1) : path;
}

/* true: a webhook's path; *token is absent for the default workspace. */
static bool is_webhook_path(struct slice path, struct slice *token)
{
    *token = slice_absent;
    if (slice_equal(path, default_webhook)) return true;
    if (!slice_starts_with(path, workspace_prefix)) return false;
    struct slice rest = slice_skip(path, workspace_prefix.length);
    if (rest.length <= workspace_webhook.length) return false;
    *token = slice_take(rest, rest.length - workspace_webhook.length);
    return slice_equal(slice_skip(rest, token->length), workspace_webhook);
}

static int page_at(struct slice path)
{
    for (int n = 0; n < PAGE_COUNT; n++)
        if (slice_equal(pages[n].path, path)) return n;
    return -1;
}

static void answer_method(struct engine *e, const struct http_request *r, uint16_t status, struct slice allow)
{
    const struct http_header header = { slice_of("Allow"), allow };
    (void)http_respond(e->server, r->exchange, &(struct http_response){ .status = status, .headers = &header, .header_count = 1 });
}

/* A webhook without a length has no body that could verify: say what is wrong with it. */
static bool has_length(const struct http_request *r)
{
    uint32_t lengths, encodings;
    (void)http_request_header(r, slice_of("content-length"), &lengths);
    (void)http_request_header(r, slice_of("transfer-encoding"), &encodings);
    return lengths + encodings > 0;
}

/* Before a body byte is read: is there such a place, and may it be asked like that? */
static uint16_t admit(void *context, const struct http_request *r, int64_t body_bytes, uint64_t *body_bytes_max)
{
    struct engine *e = context;
    (void)body_bytes;
    struct slice token, path = without_slash(r->path);
    bool webhook = is_webhook_path(path, &token);
    if (!webhook && page_at(path) < 0) return 404;
    if (!webhook) *body_bytes_max = 0;
    bool allowed = webhook ? r->method == HTTP_POST : r->method == HTTP_GET || r->method == HTTP_HEAD;
    if (allowed && webhook && !has_length(r)) return 411;
    if (allowed || r->method == HTTP_OPTIONS) return 0;
    answer_method(e, r, 405, webhook ? slice_of("POST, OPTIONS") : slice_of("GET, HEAD, OPTIONS"));
    return 405;
}

static void handle(void *context, struct http_request *r)
{
    struct engine *e = context;
    struct slice token, path = without_slash(r->path);
    bool webhook = is_webhook_path(path, &token);
    if (r->method == HTTP_OPTIONS) answer_method(e, r, 204, webhook ? slice_of("POST, OPTIONS") : slice_of("GET, HEAD, OPTIONS"));
    else if (webhook) webhook_receive_event(&e->door, r, token);
    else pages[page_at(path)].answer(e, r);
}

/* -- the gate: shard 0 proves the role, then lets the tenants in -- */

static void look_at_role(struct job *j)
{
    struct gate *g = container_of(j, struct gate, job);
    struct engine *e = container_of(g, struct engine, gate);
    struct db_admin *a = db_admin_open(e->shared->config->database_url, &g->error);
    g->confined = a && db_schema_is_current(a, &g->error) && db_role_is_confined(a, &g->error);
    if (a) db_admin_close(a);
}

static void open_gate(struct engine *e);
static void look_again(struct timer *t) { open_gate(container_of(t, struct engine, gate.timer)); }

static void looked(struct job *j)
{
    struct gate *g = container_of(j, struct gate, job);
    struct engine *e = container_of(g, struct engine, gate);
    if (e->draining) return;
    if (!g->confined) {
        bool may_pass = g->error.may_pass;
        log_event(may_pass ? LOG_WARNING : LOG_ERROR, may_pass ? "database_unreachable" : "database_refused", log_cstring("reason", g->error.text));
        if (!may_pass) { /* a role that could see every tenant, or a schema of another version: not served */
            atomic_store(&e->shared->refused, true);
            engine_stop(e->shared);
        } else timer_start(&e->shard->timers, &g->timer, e->shard->now_us + gate_retry_us, look_again);
        return;
    }
    for (uint16_t n = 0; n < e->shard->group->count; n++) e->shared->directories[n] = &atomic_load_explicit(&e->shared->engines[n], memory_order_acquire)->directory;
    tenant_loader_start(&e->loader, e->shard, &(struct tenant_loader_config){
        .pool = e->pool, .worker = e->shared->worker, .secret = e->shared->secret, .default_calcom_url = slice_from_text(e->shared->config->calcom_url), .directories = e->shared->directories });
}

static void open_gate(struct engine *e) { worker_give(e->shared->worker, e->shard, &e->gate.job, look_at_role, looked); }

static void look_at_replay(struct timer *t)
{
    struct engine *e = container_of(t, struct engine, replay_timer);
    bool done = replay_is_done(&e->replay);
    atomic_store_explicit(&e->replaying, !done, memory_order_relaxed);
    if (!done && !e->draining) timer_start(&e->shard->timers, t, e->shard->now_us + drain_look_us, look_at_replay);
}

/* After every switch of the tenants; the first one begins what needs them. */
static void tenants_switched(void *context)
{
    struct engine *e = context;
    booking_tenants_switched(e->bookings);
    if (atomic_load_explicit(&e->tenants_known, memory_order_relaxed) || e->draining) return;
    atomic_store_explicit(&e->tenants_known, true, memory_order_relaxed);
    call_restore_start(e->calls);
    if (e->shard->index != 0) return;
    booking_sweep_start(e->bookings);
    replay_start(&e->replay, &e->door, e->shared->worker, e->shared->recovery, e->shared->recovered);
    look_at_replay(&e->replay_timer);
}

/* -- a shard's start -- */

static struct calcom_config calcom_config_of(const struct engine_shared *shared)
{
    const struct config *c = shared->config;
    struct calcom_config calcom = calcom_config_default();
    calcom.http.tls = shared->calcom_tls;
    calcom.http.worker = shared->worker;
    calcom.read_timeout_ms = (uint32_t)c->calcom_read_timeout_ms;
    calcom.write_timeout_ms = (uint32_t)c->calcom_write_timeout_ms;
    calcom.breaker = (struct breaker_config){ .failures_to_open = (uint32_t)c->breaker_failures, .open_ms = (uint32_t)c->breaker_open_ms, .successes_to_close = (uint32_t)c->breaker_successes };
    calcom.budget.requests_per_window = (uint32_t)c->budget_per_minute;
    return calcom;
}

static bool open_journal(struct engine *e, struct io_refusal *refusal)
{
    const struct config *c = e->shared->config;
    const struct journal_config journal = {
        .directory = c->journal_directory, .segment_bytes = (uint32_t)c->journal_segment_mib * 1024 * 1024, .segments_max = (uint32_t)c->journal_segments,
        .worker = e->shared->worker, .recovery = e->shared->recovery,
    };
    e->journal = journal_open(e->shard, &journal, refusal);
    return e->journal != nullptr;
}

static void open_desks(struct engine *e)
{
    const struct config *c = e->shared->config;
    tenant_directory_init(&e->directory, e->shard, tenants_switched, e);
    e->pool = db_pool_open(e->shard, &(struct db_config){ .url = c->database_url, .connections = (uint32_t)c->database_connections, .pipeline_depth = db_pipeline_depth,
                                                          .queue_max = db_queue_max, .unit_timeout_ms = (uint32_t)c->database_timeout_ms, .worker = e->shared->worker });
    if (e->shard->index == 0) tenant_loader_listen(&e->loader, e->pool);
    e->bookings = booking_desk_open(&(struct booking_desk_config){
        .shard = e->shard, .pool = e->pool, .directory = &e->directory, .calcom = calcom_config_of(e->shared), .retry_ms = (uint32_t)c->booking_retry_ms,
        .lookup_percent = (uint32_t)c->booking_lookup_percent, .attempts_max = (uint32_t)c->booking_attempts,
        .pending_ms = (uint32_t)c->booking_pending_s * 1'000, .bookings_max = bookings_max, .claims_max = slot_claims_max,
        .accounts_max = calcom_accounts_max });
    e->calls = call_desk_open(&(struct call_desk_config){
        .shard = e->shard, .pool = e->pool, .directory = &e->directory, .bookings = e->bookings, .calls_max = (uint32_t)c->calls, .filings_max = filings_max,
        .heap_bytes = filing_heap_bytes, .longest_call_us = (uint64_t)c->call_duration_max_s * 1'000'000, .end_grace_us = (uint64_t)c->call_end_grace_s * 1'000'000 });
}

static bool open_server(struct engine *e, struct io_refusal *refusal)
{
    const struct config *c = e->shared->config;
    struct http_server_config server = http_server_config_default();
    server.address = e->shared->address;
    server.connections_max = (uint32_t)c->connections;
    server.body_bytes_max = (uint64_t)c->body_bytes_max;
    server.heap_bytes = (uint64_t)c->webhook_heap_mib * 1024 * 1024;
    server.head_timeout_ms = (uint32_t)c->head_timeout_ms;
    server.body_timeout_ms = (uint32_t)c->body_timeout_ms;
    if (server.body_idle_timeout_ms > server.body_timeout_ms) server.body_idle_timeout_ms = server.body_timeout_ms;
    server.tls = e->shared->server_tls;
    server.worker = e->shared->worker;
    server.handler = handle;
    server.admission = admit;
    server.context = e;
    e->server = http_server_open(e->shard, &server, refusal);
    return e->server != nullptr;
}

/* At start there is nothing to save, and the other shards are starting too: say it, and end. */
[[noreturn]] static void give_up(const struct io_refusal *refusal)
{
    fprintf(stderr, "ringmaster: %s\n", refusal->text);
    process_give_up();
}

static bool start(struct shard *s, void *context)
{
    struct engine *e = calloc(1, sizeof *e);
    ensure(e != nullptr);
    e->magic = engine_magic;
    e->shared = context;
    e->shard = s;
    s->resident = e;
    struct io_refusal refusal = {};
    if (!open_journal(e, &refusal)) give_up(&refusal);
    open_desks(e);
    if (!open_server(e, &refusal)) give_up(&refusal);
    webhook_door_open(&e->door, &(struct webhook_door_config){
        .shard = s, .journal = e->journal, .recovery = e->shared->recovery, .pool = e->pool, .calls = e->calls, .directory = &e->directory,
        .heap = http_server_heap(e->server), .deliveries_max = (uint32_t)e->shared->config->webhooks_waiting, .dedupe_max = dedupe_max });
    webhook_door_serve(&e->door, e->server);
    atomic_store_explicit(&e->replaying, s->index == 0, memory_order_relaxed);
    atomic_store_explicit(&e->shared->engines[s->index], e, memory_order_release);
    if (s->index == 0) open_gate(e); /* answered after the first turn, so after every shard has started */
    return true;
}

/* -- its end -- */

static void look_whether_drained(struct timer *t)
{
    struct engine *e = container_of(t, struct engine, drain_timer);
    bool idle = call_desk_filing(e->calls) == 0 && booking_desk_running(e->bookings) == 0 && e->loader.state == TENANT_IDLE;
    if (idle) db_pool_drain(e->pool);
    else timer_start(&e->shard->timers, t, e->shard->now_us + drain_look_us, look_whether_drained);
    if (idle) shard_release(e->shard);
}

/* New work ends at the door; what is under way finishes; PostgreSQL goes last. */
static void stop(struct shard *s)
{
    struct engine *e = s->resident;
    e->draining = true;
    log_event(LOG_INFO, "draining", log_integer("shard", s->index));
    http_server_drain(e->server);
    webhook_door_drain(&e->door);
    call_desk_drain(e->calls);
    booking_desk_drain(e->bookings);
    if (s->index == 0) {
        timer_stop(&s->timers, &e->gate.timer);
        timer_stop(&s->timers, &e->replay_timer);
        if (e->replay.door) replay_stop(&e->replay);
        if (e->loader.shard) tenant_loader_stop(&e->loader);
    }
    shard_hold(s);
    look_whether_drained(&e->drain_timer);
}

static void finish(struct shard *s)
{
    struct engine *e = s->resident;
    if (!e->draining) give_up(s->group->refusal); /* another shard was not to be had: this one has never run, so nothing of it is joined */
    atomic_store_explicit(&e->shared->engines[s->index], nullptr, memory_order_release);
    http_server_close(e->server);
    webhook_door_close(&e->door);
    call_desk_close(e->calls);
    booking_desk_close(e->bookings);
    db_pool_close(e->pool);
    tenant_loader_close(&e->loader); /* all shards have ended: nobody looks into a snapshot any more */
    journal_close(e->journal);
    e->magic = 0;
    free(e);
}

/* -- all shards -- */

bool engine_recover(struct engine_shared *shared, struct io_refusal *refusal)
{
    const struct config *c = shared->config;
    const struct journal_config journal = { .directory = c->journal_directory, .segment_bytes = (uint32_t)c->journal_segment_mib * 1024 * 1024, .segments_max = (uint32_t)c->journal_segments };
    struct journal_report report;
    shared->recovery = journal_recover(&journal, &report, refusal);
    if (!shared->recovery) return false;
    shared->recovered = report.replayed;
    log_event(LOG_INFO, "journal_recovered", log_integer("segments", report.segments), log_integer("records", report.records), log_integer("to_replay", report.replayed));
    if (report.torn_bytes)
        log_event(LOG_WARNING, "journal_torn_tail_cut", log_cstring("file", report.torn_file), log_integer("offset", report.torn_offset), log_integer("bytes", report.torn_bytes));
    return true;
}

bool engine_start(struct engine_shared *shared, uint16_t shards, struct io_refusal *refusal)
{
    const struct shard_config config = {
        .io = { .entries = ring_entries, .receive_buffers = receive_buffers, .receive_buffer_bytes = receive_buffer_bytes },
        .pin = shared->config->pin, .start = start, .stop = stop, .finish = finish, .context = shared,
    };
    return shard_group_start(&shared->group, shards, &config, refusal);
}

void engine_stop(struct engine_shared *shared) { shard_group_stop(&shared->group); }
void engine_join(struct engine_shared *shared) { shard_group_join(&shared->group); }

struct memory_row { const char *what, *field; uint64_t bytes; };
enum { MEMORY_ROWS = 9 };

static void size_memory(const struct config *c, struct memory_row rows[MEMORY_ROWS])
{
    const struct memory_row sized[MEMORY_ROWS] = {
        { "receive buffers", "receive_buffers_kib", (uint64_t)receive_buffers * receive_buffer_bytes },
        { "webhooks under way", "deliveries_kib", (uint64_t)c->webhooks_waiting * sizeof(struct delivery) },
        { "their bodies, at most", "bodies_kib_max", (uint64_t)c->webhook_heap_mib << 20 },
        { "large answers, at most", "answers_kib_max", http_answers_bytes_max },
        { "repeats remembered", "dedupe_kib", dedupe_bytes(dedupe_max) },
        { "calls and filings", "calls_kib", call_desk_bytes((uint32_t)c->calls, filings_max) },
        { "facts being filed, at most", "facts_kib_max", filing_heap_bytes },
        { "bookings", "bookings_kib", booking_desk_bytes(bookings_max, calcom_accounts_max) },
        { "connections", "connections_kib", (uint64_t)c->connections * http_connection_bytes },
    };
    memcpy(rows, sized, sizeof sized);
}

void engine_print_memory(const struct config *c, FILE *out)
{
    struct memory_row rows[MEMORY_ROWS];
    size_memory(c, rows);
    fputs("memory per shard (the kernel gives pages when they are first used)\n", out);
    for (size_t n = 0; n < MEMORY_ROWS; n++) fprintf(out, "  %-28s %10.1f MiB\n", rows[n].what, (double)rows[n].bytes / (1024 * 1024));
}

void engine_log_memory(const struct config *c)
{
    struct memory_row rows[MEMORY_ROWS];
    struct log_field fields[MEMORY_ROWS];
    size_memory(c, rows);
    for (size_t n = 0; n < MEMORY_ROWS; n++) fields[n] = log_integer(rows[n].field, rows[n].bytes / 1024);
    log_write(LOG_INFO, "memory_per_shard", fields, MEMORY_ROWS);
}
