/* ops/webhook_replay.c: a batch of kept webhooks at a time:
 *
 *     read (PostgreSQL) → decode → ┌─ send (an errand: sign, POST, one after the other, oldest first) → settle (PostgreSQL: is it filed?) ─┐ → tell
 *                                  └──────────────────────── what should be there and is not, once more ◄────────────────────────────┘
 *
 * Once more, because an engine that has just been told of a new number needs a moment to know it, and keeps until then. That is no loss: what is only kept
 * is forgotten by its memory of duplicates. Whether a webhook is filed is never guessed from the answer; PostgreSQL says it. */
#include "ops/webhook_replay.h"

#include <inttypes.h>
#include <stdlib.h>
#include <time.h>
#include "base/clock.h"
#include "db/admin.h"
#include "net/http_client.h"
#include "ops/command_line.h"
#include "ops/commands.h"
#include "ops/errand.h"
#include "ops/table.h"
#include "retell/events.h"
#include "retell/signature.h"
#include "tenant/tenant.h"

enum { BATCH_MAX = 16, ID_BYTES_MAX = 32, TARGET_BYTES_MAX = 2 * world_text_bytes_max, ROUNDS_MAX = 5 };
constexpr uint64_t round_us = 1'000'000, look_again_us = 20'000;
constexpr uint32_t answer_timeout_ms = 30'000;
constexpr uint64_t batch_heap_bytes = UINT64_C(1) << 30; /* sixteen of the largest bodies, as values */

enum replay_end : uint8_t { REPLAY_PENDING, REPLAY_FILED, REPLAY_FILED_BEFORE, REPLAY_FAILED };

struct kept_webhook {
    char                id[ID_BYTES_MAX];
    int64_t             workspace_id;
    char               *body;
    size_t              body_bytes;
    enum retell_reading reading;
    struct retell_event event;
    char                dedupe[RETELL_DEDUPE_BYTES_MAX + 1];
    bool                expected; /* as far as this command can see, the engine can file it */
    uint16_t            status;   /* 0: no answer */
    enum replay_end     end;
    const char         *why;      /* FAILED */
};

struct webhook_replay {
    const struct config          *config;
    struct db_admin              *admin;
    struct tenant_snapshot       *tenants;
    struct http_client_config     http;
    struct tls_client_config     *tls;
    struct heap                   heap;
    struct kept_webhook           batch[BATCH_MAX];
    uint32_t                      count;
    uint32_t                      filed, filed_before, failed;
    bool                          unreachable, blind; /* no engine answers; PostgreSQL does not (error) */
    struct db_admin_error         error;
    /* the sending */
    struct errand                 errand;
    struct http_client           *client;
    struct http_call              call;
    uint32_t                      next;
    char                          target[TARGET_BYTES_MAX], signature[RETELL_SIGNATURE_BYTES_MAX + 1];
    struct http_header            headers[2];
};

/* -- reading -- */

static bool read_body(struct kept_webhook *k, struct slice hex)
{
    k->body_bytes = hex.length / 2;
    k->body = malloc(k->body_bytes + 1);
    return k->body && hex_parse(hex, (uint8_t *)k->body, k->body_bytes);
}

static void decode(struct webhook_replay *r, struct kept_webhook *k)
{
    k->reading = retell_event_decode(&k->event, slice_from(k->body, k->body_bytes), &r->heap);
    if (k->reading != RETELL_UNDERSTOOD) return;
    struct buffer dedupe = buffer_over(k->dedupe, sizeof k->dedupe - 1);
    retell_event_dedupe(&k->event, &dedupe);
}

static void take_row(struct webhook_replay *r, const struct db_rows *rows, uint32_t row)
{
    uint64_t workspace = 0;
    struct kept_webhook *k = &r->batch[r->count++];
    *k = (struct kept_webhook){};
    snprintf(k->id, sizeof k->id, SLICE_FORMAT, slice_print(db_rows_text(rows, row, 0)));
    bool good = slice_to_u64(db_rows_text(rows, row, 1), INT64_MAX, &workspace) && read_body(k, db_rows_text(rows, row, 2));
    ensure(good); /* the query writes numbers and hex; memory for a webhook is there, or nothing is */
    k->workspace_id = (int64_t)workspace;
    decode(r, k);
}

/* false: r->error. */
static bool read_rows(struct webhook_replay *r, const char *sql, struct slice parameter)
{
    struct db_rows *rows = db_admin_query(r->admin, sql, &parameter, 1, &r->error);
    if (!rows) return false;
    for (uint32_t row = 0; row < db_rows_count(rows); row++) take_row(r, rows, row);
    db_rows_free(rows);
    return true;
}

static const char one_of_log[] = "SELECT 'log:' || id, workspace_id, encode(body, 'hex') FROM webhook_log WHERE id = $1::bigint";
static const char one_of_calls[] = "SELECT 'call:' || id, workspace_id, encode(convert_to(body, 'UTF8'), 'hex') FROM call_events WHERE id = $1::bigint LIMIT 1";
/* In the order in which they came, which is not that of their ids: shards write side by side. Behind the last one of the batch before, so what fails is not read again. */
static const char failed_after[] = "SELECT 'log:' || id, workspace_id, encode(body, 'hex') FROM webhook_log"
                                   "  WHERE outcome IN ('unrouted', 'quarantined')"
                                   "    AND ($1::bigint = 0 OR (received_at, id) > (SELECT received_at, id FROM webhook_log WHERE id = $1::bigint))"
                                   "  ORDER BY received_at, id LIMIT 16"; /* BATCH_MAX */
static_assert(BATCH_MAX == 16);

static struct slice number_of_id(const char *id)
{
    struct slice rest = slice_from_text(id);
    (void)slice_split(&rest, ':');
    return rest;
}

static bool is_id(const char *id)
{
    uint64_t number;
    struct slice text = slice_from_text(id);
    bool has_source = slice_starts_with(text, slice_of("log:")) || slice_starts_with(text, slice_of("call:"));
    return has_source && text.length < ID_BYTES_MAX && slice_to_u64(number_of_id(id), INT64_MAX, &number);
}

static void forget_batch(struct webhook_replay *r)
{
    for (uint32_t n = 0; n < r->count; n++) {
        if (r->batch[n].reading == RETELL_UNDERSTOOD) retell_event_release(&r->batch[n].event, &r->heap);
        free(r->batch[n].body);
    }
    r->count = 0;
}

/* -- what may be hoped for -- */

/* Did the query find its row? */
static bool found(struct webhook_replay *r, struct db_rows *rows)
{
    bool one = rows && db_rows_count(rows) == 1;
    if (rows) db_rows_free(rows);
    else r->blind = true;
    return one;
}

static bool call_is_known(struct webhook_replay *r, const struct kept_webhook *k)
{
    char workspace[24];
    snprintf(workspace, sizeof workspace, "%" PRId64, k->workspace_id);
    const struct slice parameters[] = { slice_from_text(workspace), k->event.call_id };
    return found(r, db_admin_query(r->admin, "SELECT 1 FROM calls WHERE workspace_id = $1::bigint AND call_id = $2", parameters, 2, &r->error));
}

static bool comes_behind_its_call(const struct webhook_replay *r, const struct kept_webhook *k)
{
    for (const struct kept_webhook *other = r->batch; other < k; other++)
        if (other->expected && other->workspace_id == k->workspace_id && slice_equal(other->event.call_id, k->event.call_id)) return true;
    return false;
}

/* As call/filing.c finds a tenant: by the number of ours, which is the one that calls when we call out. A message without one belongs to the tenant of its call. */
static bool is_expected(struct webhook_replay *r, const struct kept_webhook *k)
{
    const struct retell_event *e = &k->event;
    struct e164 ours;
    if (k->reading != RETELL_UNDERSTOOD || e->kind == RETELL_CHAT) return false;
    struct slice number = slice_equal(e->direction, slice_of("outbound")) ? e->from_number : e->to_number;
    if (e164_parse(number, &ours)) return tenant_find_branch(r->tenants, k->workspace_id, &ours) != nullptr;
    return comes_behind_its_call(r, k) || call_is_known(r, k);
}

/* -- sending, on the errand's shard -- */

static void send_next(struct webhook_replay *r);

static void answered(struct http_call *call)
{
    struct webhook_replay *r = container_of(call, struct webhook_replay, call);
    struct kept_webhook *k = &r->batch[r->next];
    k->status = call->outcome == HTTP_ANSWERED ? call->status : 0;
    r->unreachable = call->outcome == HTTP_NOT_CONNECTED || call->outcome == HTTP_NOT_TRUSTED;
    http_call_release(call);
    r->next += 1;
    send_next(r);
}

static void post(struct webhook_replay *r, const struct kept_webhook *k, const struct workspace *w)
{
    struct buffer target = buffer_over(r->target, sizeof r->target), signature = buffer_over(r->signature, sizeof r->signature);
    struct slice body = slice_from(k->body, k->body_bytes);
    buffer_print(&target, "/w/" SLICE_FORMAT "/retell/webhook", slice_print(w->token));
    retell_sign(&signature, body, w->keys[0], clock_wall_us() / 1'000);
    ensure(!target.overflowed && !signature.overflowed);
    r->headers[0] = (struct http_header){ slice_of("Content-Type"), slice_of("application/json") };
    r->headers[1] = (struct http_header){ slice_of("X-Retell-Signature"), buffer_slice(&signature) };
    r->call = (struct http_call){ .method = HTTP_POST, .target = buffer_slice(&target), .headers = r->headers, .header_count = 2, .body = body,
                                  .deadline_us = r->errand.shard->now_us + answer_timeout_ms * UINT64_C(1000), .done = answered };
    http_call_start(r->client, &r->call);
}

static const struct workspace *workspace_of(const struct webhook_replay *r, const struct kept_webhook *k)
{
    const struct workspace *w = tenant_workspace_by_id(r->tenants, k->workspace_id);
    return w && w->key_count > 0 ? w : nullptr;
}

static void send_next(struct webhook_replay *r)
{
    while (r->next < r->count && r->batch[r->next].end != REPLAY_PENDING) r->next += 1;
    if (r->unreachable || r->next == r->count) {
        http_client_close(r->client);
        errand_done(&r->errand);
        return;
    }
    struct kept_webhook *k = &r->batch[r->next];
    post(r, k, workspace_of(r, k));
}

static void begin_sending(struct errand *e)
{
    struct webhook_replay *r = container_of(e, struct webhook_replay, errand);
    r->http.worker = e->worker;
    r->client = http_client_open(e->shard, &r->http);
    ensure(r->client != nullptr); /* a command that finds no memory ends */
    r->next = 0;
    send_next(r);
}

/* -- settling -- */

static void end_as(struct webhook_replay *r, struct kept_webhook *k, enum replay_end end, const char *why)
{
    k->end = end;
    k->why = why;
    r->filed += end == REPLAY_FILED;
    r->filed_before += end == REPLAY_FILED_BEFORE;
    r->failed += end == REPLAY_FAILED;
}

static bool is_pending(const struct kept_webhook *k) { return k->end == REPLAY_PENDING; }

/* Is it filed under a call? `mark`: then a row of the log has done its duty, and belongs to that tenant from now on. */
static bool is_filed(struct webhook_replay *r, const struct kept_webhook *k, bool mark)
{
    mark = mark && slice_starts_with(slice_from_text(k->id), slice_of("log:"));
    char workspace[24];
    snprintf(workspace, sizeof workspace, "%" PRId64, k->workspace_id);
    const struct slice parameters[] = { slice_from_text(workspace), k->event.call_id, k->event.name, slice_from_text(k->dedupe), mark ? number_of_id(k->id) : slice_absent };
    return found(r, db_admin_query(r->admin,
        "WITH filed AS (SELECT company_id FROM call_events WHERE workspace_id = $1::bigint AND call_id = $2 AND event = $3 AND dedupe = $4),"
        "     marked AS (UPDATE webhook_log l SET outcome = 'replayed', company_id = f.company_id FROM filed f WHERE l.id = $5::bigint)"
        "  SELECT 1 FROM filed", parameters, 5, &r->error));
}

/* Before anything is sent. What is filed already is sent all the same: the engine has to take it for a copy, and only then is it one. */
static void judge_before(struct webhook_replay *r, bool *filed_before)
{
    for (uint32_t n = 0; n < r->count; n++) {
        struct kept_webhook *k = &r->batch[n];
        k->expected = is_expected(r, k);
        filed_before[n] = k->reading == RETELL_UNDERSTOOD && is_filed(r, k, false);
        if (!workspace_of(r, k)) end_as(r, k, REPLAY_FAILED, "its workspace is gone, or has no key to sign with");
    }
}

static const char *refusal_of(uint16_t status)
{
    switch (status) {
    case 0:   return "no whole answer came: ask again";
    case 401: return "its signature was refused: is the clock the engine's?";
    case 503: return "the engine is too busy, or draining: ask again";
    default:  return "the engine refuses it";
    }
}

static const char *failure_of(const struct kept_webhook *k)
{
    if (k->status / 100 != 2) return refusal_of(k->status);
    if (k->reading != RETELL_UNDERSTOOD) return retell_reading_text(k->reading);
    if (k->event.kind == RETELL_CHAT) return "a chat belongs to no call";
    return k->expected ? "acknowledged, and not filed within its time: ask again" : "no number leads it to a branch";
}

/* Once what is on its way has had a second to arrive. true: nothing is left that waiting or sending could help. */
static bool settle(struct webhook_replay *r)
{
    const struct timespec pause = { .tv_nsec = look_again_us * 1000 };
    uint64_t until_us = clock_monotonic_us() + round_us;
    for (bool waiting = true; waiting;) {
        waiting = false;
        for (uint32_t n = 0; n < r->count; n++) {
            struct kept_webhook *k = &r->batch[n];
            if (!is_pending(k) || k->status / 100 != 2 || k->reading != RETELL_UNDERSTOOD) continue;
            if (is_filed(r, k, true)) end_as(r, k, REPLAY_FILED, nullptr);
            else waiting |= k->expected;
        }
        if (!waiting || r->blind) return true;
        if (clock_monotonic_us() >= until_us) return false;
        nanosleep(&pause, nullptr);
    }
    return true;
}

static void tell(const struct kept_webhook *k)
{
    static const char *const words[] = { [REPLAY_PENDING] = "not sent", [REPLAY_FILED] = "filed", [REPLAY_FILED_BEFORE] = "already filed", [REPLAY_FAILED] = "FAILED" };
    bool known = k->reading == RETELL_UNDERSTOOD;
    struct slice event = known ? k->event.name : slice_of("-"), call = known ? k->event.call_id : slice_of("-");
    printf("%-10s  ", k->id);
    table_print_cell(stdout, event, 18, false);
    table_print_cell(stdout, call, 34, false);
    printf("%3u  %s%s%s\n", k->status, words[k->end], k->why ? ": " : "", k->why ? k->why : "");
}

static bool send_once(struct webhook_replay *r)
{
    struct io_refusal refusal;
    if (!errand_run(&r->errand, begin_sending, &refusal)) return command_failed("webhooks", refusal.text), false;
    if (r->unreachable) fprintf(stderr, "ringmaster webhooks: no engine answers at %s (setting `url`)\n", r->config->url);
    return !r->unreachable;
}

static void end_copies(struct webhook_replay *r, const bool *filed_before)
{
    for (uint32_t n = 0; n < r->count; n++) {
        struct kept_webhook *k = &r->batch[n];
        if (filed_before[n] && is_pending(k) && k->status / 100 == 2 && is_filed(r, k, true)) end_as(r, k, REPLAY_FILED_BEFORE, nullptr);
    }
}

/* false: the engine was not reached, PostgreSQL could not be asked, or there was no shard to ask from. */
static bool send_batch(struct webhook_replay *r)
{
    bool filed_before[BATCH_MAX], settled = r->count == 0;
    judge_before(r, filed_before);
    for (uint32_t round = 0; round < ROUNDS_MAX && !settled; round++) {
        if (!send_once(r)) return false;
        end_copies(r, filed_before);
        settled = settle(r);
    }
    if (r->blind) return command_failed("webhooks", r->error.text), false;
    for (uint32_t n = 0; n < r->count; n++) {
        if (is_pending(&r->batch[n])) end_as(r, &r->batch[n], REPLAY_FAILED, failure_of(&r->batch[n]));
        tell(&r->batch[n]);
    }
    return true;
}

/* -- opening and closing -- */

static bool open_client(struct webhook_replay *r)
{
    struct tls_error error;
    r->http = http_client_config_default();
    r->http.connections_max = 1;
    if (!http_origin_parse(slice_from_text(r->config->url), &r->http.origin)) return command_failed("webhooks", "url: must be an http or https URL without a query"), false;
    if (!r->http.origin.tls) return true;
    r->tls = tls_client_config_open(nullptr, &error);
    r->http.tls = r->tls;
    return r->tls != nullptr || (command_failed("webhooks", error.text), false);
}

static bool open_tenants(struct webhook_replay *r)
{
    struct secret_key key;
    struct tenant_error why;
    if (!command_secret_key(r->config, &key)) return false;
    struct db_rows *rows = db_admin_query(r->admin, "SELECT tenant_snapshot()", nullptr, 0, &r->error);
    if (!rows) return command_failed("webhooks", r->error.text), false;
    r->tenants = tenant_snapshot_parse(db_rows_text(rows, 0, 0), &key, slice_from_text(r->config->calcom_url), &why);
    db_rows_free(rows);
    return r->tenants != nullptr || (command_failed("webhooks", why.text), false);
}

static bool open_replay(struct webhook_replay *r, const struct config *c)
{
    *r = (struct webhook_replay){ .config = c };
    heap_init(&r->heap, batch_heap_bytes);
    if (!command_start_clock(c, "webhooks") || !open_client(r)) return false;
    r->admin = command_open_as_owner(c, "webhooks");
    return r->admin && open_tenants(r);
}

/* Closes what was opened; `done`: all that was to be sent was sent. */
static int close_replay(struct webhook_replay *r, bool done)
{
    forget_batch(r);
    if (r->tenants) tenant_snapshot_free(r->tenants);
    if (r->admin) db_admin_close(r->admin);
    if (r->tls) tls_client_config_close(r->tls);
    if (done) printf("%u filed, %u already filed, %u failed\n", r->filed, r->filed_before, r->failed);
    return done && r->failed == 0 ? 0 : 1;
}

/* -- the two commands -- */

static struct webhook_replay the_replay; /* one per process; too large for a stack */

static bool read_ids(struct webhook_replay *r, int count, char **ids)
{
    for (int n = 0; n < count; n++) {
        uint32_t before = r->count;
        bool of_calls = slice_starts_with(slice_from_text(ids[n]), slice_of("call:"));
        if (!read_rows(r, of_calls ? one_of_calls : one_of_log, number_of_id(ids[n]))) return command_failed("webhooks", r->error.text), false;
        if (r->count > before) continue;
        fprintf(stderr, "ringmaster webhooks: there is no webhook %s\n", ids[n]);
        r->failed += 1;
    }
    return true;
}

int webhooks_replay(const struct config *c, int count, char **ids)
{
    struct webhook_replay *r = &the_replay;
    for (int n = 0; n < count; n++)
        if (!is_id(ids[n])) return command_misused("webhooks replay ID... (as `webhooks list` shows them: log:17, call:4)");
    bool good = open_replay(r, c);
    for (int n = 0; good && n < count; n += BATCH_MAX) {
        good = read_ids(r, count - n < BATCH_MAX ? count - n : BATCH_MAX, ids + n) && send_batch(r);
        forget_batch(r);
    }
    return close_replay(r, good);
}

int webhooks_retry_failed(const struct config *c)
{
    struct webhook_replay *r = &the_replay;
    char last[ID_BYTES_MAX] = "log:0";
    bool good = open_replay(r, c), more = true;
    while (good && more) {
        good = read_rows(r, failed_after, number_of_id(last)) || (command_failed("webhooks", r->error.text), false);
        more = r->count > 0;
        if (more) memcpy(last, r->batch[r->count - 1].id, sizeof last);
        good = good && (!more || send_batch(r));
        forget_batch(r);
    }
    return close_replay(r, good);
}
