/* tests/simulation/retell.c: Retell as a process of the world: tells of the planned calls, each event signed and tried up to four times, repeated, reordered, on many
 * connections at once, and whatever else comes to such a door. Its ledger is the world's: what it was told is what the engine has promised.
 *
 *     planned call ─► tellings: one per event and repetition, and the bogus ones ─► due → sent → 2xx: acknowledged
 *                                                                                        └─ else again after 1, 2, 4 s, then given up
 */
#include <stdio.h>
#include <stdlib.h>
#include "base/ensure.h"
#include "limits.h"
#include "net/http_client.h"
#include "retell/signature.h"
#include "sim/call_script.h"
#include "world.h"

constexpr uint64_t second_us = 1'000'000, timeout_us = 10 * second_us; /* Retell's default */
constexpr uint32_t attempts_max = 4;
enum { BODY_BYTES_MAX = 256 * 1024, CONNECTIONS_MAX = 64 };
constexpr int64_t far_ms = 30 * 60 * 1'000; /* outside the signature's window, however wrong the engine's clock is */

struct telling {
    struct retell_delivery entry;
    struct http_call       http;
    struct timer           timer;
    uint64_t               due_at_us;
    bool                   with_old_key, by_default_path;
    struct http_header     headers[2];
    char                   signature[RETELL_SIGNATURE_BYTES_MAX + 1], target[96];
};

static struct retell {
    struct shard_group  group;
    struct shard       *shard;
    struct worker      *worker;
    struct fiber       *main;
    struct http_client *engine, *strange; /* what is bogus has connections of its own: it may cost them */
    struct telling     *tellings;
    uint32_t            count, room, open, running;
    bool                is_to_stop, is_closing;
    uint64_t            answers[600];
    struct http_call    metrics_call;
    struct timer        tick;
    bool                wants_metrics;
    char               *metrics;
    size_t              metrics_bytes;
} retell;

#define SHAPE_NAME(name) #name,
const char *retell_shape_name(enum retell_shape s)
{
    static const char *const names[] = { RETELL_SHAPES(SHAPE_NAME) };
    ensure(s < RETELL_SHAPE_COUNT);
    return names[s];
}

/* -- bodies -- */

static struct slice keep(const struct buffer *b)
{
    ensure(!b->overflowed);
    char *body = malloc(b->length + 1);
    ensure(body);
    memcpy(body, b->start, b->length);
    return slice_from(body, b->length);
}

static char body_memory[BODY_BYTES_MAX];

static struct slice body_of_event(const struct planned_call *c, enum call_event e)
{
    struct buffer b = buffer_over(body_memory, sizeof body_memory);
    struct call_script script = plan_script(&world.plan, c);
    call_script_print(&b, &script, e);
    return keep(&b);
}

/* Of the same call, and the like of it nobody has said: it would be seen in the call's row. */
static struct slice bogus_body(const struct planned_call *c, uint32_t number)
{
    struct buffer b = buffer_over(body_memory, sizeof body_memory);
    struct call_script script = plan_script(&world.plan, c);
    script.duration_ms = 666'000'000 + number;
    script.date = slice_absent;
    call_script_print(&b, &script, SCRIPT_ANALYZED);
    return keep(&b);
}

/* A message may name nothing but its call. */
static struct slice other_body(const struct planned_call *c, const char *event, uint32_t number, bool is_lean)
{
    struct buffer b = buffer_over(body_memory, sizeof body_memory);
    struct json_writer w = json_writer_over(&b);
    json_begin_object(&w, nullptr);
    json_add_text(&w, "event", slice_from_text(event));
    json_begin_object(&w, "call");
    json_add_text(&w, "call_id", slice_from_text(c->id));
    json_add_integer(&w, "told", number);
    if (!is_lean) {
        json_add_text(&w, "direction", slice_of("inbound"));
        json_add_text(&w, "from_number", slice_from_text(c->from));
        json_add_text(&w, "to_number", slice_from_text(c->to));
    }
    json_end_object(&w);
    json_end_object(&w);
    return keep(&b);
}

static struct slice broken_body(const struct planned_call *c, uint32_t number)
{
    struct buffer b = buffer_over(body_memory, sizeof body_memory);
    buffer_print(&b, "{\"event\":\"call_ended\",\"told\":%u,\"call\":{\"call_id\":\"%s\",", number, c->id);
    return keep(&b);
}

static struct slice oversized_body(void)
{
    static char *memory;
    if (!memory) memory = calloc(1, http_body_bytes_max + 1);
    ensure(memory);
    return slice_from(memory, http_body_bytes_max + 1);
}

/* -- the plan of one call -- */

static struct telling *add(const struct planned_call *c, enum retell_shape shape, const char *event, struct slice body, uint64_t due_at_us, struct prng *dice)
{
    ensure(retell.count < retell.room);
    struct telling *t = &retell.tellings[retell.count++];
    const struct planned_workspace *w = &world.plan.workspaces[world.plan.companies[c->company].workspace];
    *t = (struct telling){
        .entry = { .call = c, .event = event, .shape = shape, .is_bogus = shape >= RETELL_BAD_SIGNATURE, .body = body.start, .body_bytes = body.length },
        .due_at_us = due_at_us, .with_old_key = w->old_api_key[0] && prng_happens(dice, 0.5), .by_default_path = w->is_default && prng_happens(dice, 0.5),
    };
    retell.open += 1;
    return t;
}

static void shuffle(uint64_t *of, uint32_t count, struct prng *dice)
{
    for (uint32_t i = count - 1; i > 0; i--) {
        uint32_t j = (uint32_t)prng_below(dice, i + 1);
        uint64_t kept = of[i];
        of[i] = of[j];
        of[j] = kept;
    }
}

static void add_events(const struct planned_call *c, struct prng *dice)
{
    uint64_t ends_at_us = c->begins_at_us + c->duration_ms * UINT64_C(1'000);
    uint64_t analysis_us = second_us + prng_below(dice, prng_happens(dice, 0.1) ? 480 * second_us : 20 * second_us);
    uint64_t due_at_us[SCRIPT_EVENTS] = { c->begins_at_us, ends_at_us, ends_at_us + analysis_us };
    if (c->reorders) shuffle(due_at_us, SCRIPT_EVENTS, dice);
    for (uint8_t e = 0; e < SCRIPT_EVENTS; e++) {
        if (!(c->tells & 1 << e)) continue;
        struct slice body = body_of_event(c, (enum call_event)e);
        for (uint32_t copy = 0; copy <= c->repeats; copy++) {
            uint64_t late_us = copy == 0 ? 0 : prng_below(dice, prng_happens(dice, 0.7) ? second_us / 100 : 60 * second_us);
            add(c, RETELL_HONEST, call_event_name((enum call_event)e), body, due_at_us[e] + late_us, dice)->entry.kind = (enum call_event)e;
        }
    }
}

static void add_bogus(const struct planned_call *c, uint32_t number, struct prng *dice)
{
    static const char *const others[] = { "transcript_updated", "transfer_started", "transfer_ended", "call_dreamt_of" };
    enum retell_shape shape = (enum retell_shape)(RETELL_OTHER_EVENT + prng_below(dice, RETELL_SHAPE_COUNT - RETELL_OTHER_EVENT));
    if (shape == RETELL_VOID_KEY || (shape == RETELL_OVERSIZED && !prng_happens(dice, 0.2))) shape = RETELL_BAD_SIGNATURE;
    uint64_t due_at_us = c->begins_at_us + prng_below(dice, c->duration_ms * UINT64_C(1'500));
    const char *event = shape == RETELL_OTHER_EVENT ? others[prng_below(dice, 4)] : call_event_name(SCRIPT_ANALYZED);
    struct slice body = shape == RETELL_OTHER_EVENT ? other_body(c, event, number, prng_happens(dice, 0.3)) : shape == RETELL_BROKEN_BODY ? broken_body(c, number)
                      : shape == RETELL_OVERSIZED ? oversized_body() : bogus_body(c, number);
    uint32_t copies = prng_happens(dice, 0.3) ? 2 : 1;
    for (uint32_t copy = 0; copy < copies; copy++) add(c, shape, event, body, due_at_us + copy * prng_below(dice, second_us), dice);
}

static void add_call(const struct planned_call *c)
{
    struct prng dice = { plan_script(&world.plan, c).seed };
    add_events(c, &dice);
    for (uint32_t n = 0; n < c->bogus; n++) add_bogus(c, c->number * 10 + n, &dice);
}

/* When the last change of the tenants is long past, nothing opens with a key that it has made void. */
static void add_void_key(const struct planned_call *c)
{
    const struct planned_workspace *w = &world.plan.workspaces[world.plan.companies[c->company].workspace];
    struct prng dice = { plan_script(&world.plan, c).seed + 1 };
    if (c->is_late && w->old_api_key[0]) add(c, RETELL_VOID_KEY, call_event_name(SCRIPT_ANALYZED), bogus_body(c, c->number), c->begins_at_us + second_us, &dice);
}

static void plan_tellings(void)
{
    for (uint32_t n = 0; n < world.plan.call_count; n++) retell.room += SCRIPT_EVENTS * (world.plan.calls[n].repeats + 1) + 2 * world.plan.calls[n].bogus + 1;
    retell.tellings = calloc(retell.room + 1, sizeof *retell.tellings);
    ensure(retell.tellings);
    for (uint32_t n = 0; n < world.plan.call_count; n++)
        if (!world.plan.calls[n].is_left_out) add_call(&world.plan.calls[n]), add_void_key(&world.plan.calls[n]);
}

/* -- sending -- */

static const struct planned_workspace *workspace_of(const struct telling *t) { return &world.plan.workspaces[world.plan.companies[t->entry.call->company].workspace]; }

/* Before the old key is void, some are still signed with it. */
static struct slice key_of(const struct telling *t)
{
    const struct planned_workspace *w = workspace_of(t);
    const struct planned_workspace *other = &world.plan.workspaces[(w - world.plan.workspaces + 1) % world.plan.workspace_count];
    if (t->entry.shape == RETELL_OTHER_KEY) return other == w ? slice_of("key_secret_of_nobody") : slice_from_text(other->api_key);
    if (t->entry.shape == RETELL_VOID_KEY) return slice_from_text(w->old_api_key);
    return slice_from_text(t->with_old_key && plan_old_keys_are_used(world.tenants_revision) ? w->old_api_key : w->api_key);
}

static void sign(struct telling *t, int64_t wall_us)
{
    int64_t at_ms = wall_us / 1'000 + (t->entry.shape == RETELL_STALE ? -far_ms : t->entry.shape == RETELL_FROM_FUTURE ? far_ms : 0);
    struct buffer signature = buffer_over(t->signature, sizeof t->signature);
    retell_sign(&signature, slice_from(t->entry.body, t->entry.body_bytes), key_of(t), at_ms);
    char *last = &t->signature[signature.length - 1];
    if (t->entry.shape == RETELL_BAD_SIGNATURE) *last = *last == '0' ? '1' : '0';
    t->headers[0] = (struct http_header){ slice_of("Content-Type"), slice_of("application/json") };
    t->headers[1] = (struct http_header){ slice_of("X-Retell-Signature"), buffer_slice(&signature) };
}

static void choose_target(struct telling *t)
{
    const struct planned_workspace *w = workspace_of(t);
    const char *token = t->entry.shape == RETELL_WRONG_PATH ? "wt_no_such_token" : w->token;
    bool by_default = t->by_default_path && t->entry.shape != RETELL_WRONG_PATH;
    if (by_default) snprintf(t->target, sizeof t->target, "/api/mcp/retell/webhook");
    else snprintf(t->target, sizeof t->target, "/w/%s/retell/webhook", token);
}

static void answered(struct http_call *h);

static void tell(struct timer *timer)
{
    struct telling *t = container_of(timer, struct telling, timer);
    struct shard *s = retell.shard;
    if (t->entry.shape == RETELL_VOID_KEY && !plan_old_keys_are_void(world.tenants_revision)) {
        t->entry.is_over = true;
        retell.open -= 1;
        return;
    }
    t->entry.with_old_key = t->with_old_key && plan_old_keys_are_used(world.tenants_revision);
    sign(t, s->wall_us);
    choose_target(t);
    if (t->entry.attempts++ == 0) t->entry.first_at_us = s->now_us;
    t->http = (struct http_call){
        .method = HTTP_POST, .target = slice_from_text(t->target), .headers = t->headers, .header_count = t->entry.shape == RETELL_UNSIGNED ? 1 : 2,
        .body = slice_from(t->entry.body, t->entry.body_bytes), .deadline_us = s->now_us + timeout_us, .done = answered,
    };
    retell.running += 1;
    http_call_start(t->entry.is_bogus ? retell.strange : retell.engine, &t->http);
}

static void close_if_over(void)
{
    if (!retell.is_closing || retell.running > 0 || !retell.engine) return;
    http_client_close(retell.engine);
    http_client_close(retell.strange);
    retell.engine = retell.strange = nullptr;
}

static void note_attempt(struct telling *t)
{
    const struct http_call *h = &t->http;
    bool has_answer = h->outcome == HTTP_ANSWERED;
    t->entry.last_status = has_answer ? h->status : 0;
    t->entry.maybe_delivered |= !has_answer && h->maybe_sent;
    retell.answers[t->entry.last_status < 600 ? t->entry.last_status : 599] += 1;
    if (has_answer && h->status / 100 == 2) {
        t->entry.acknowledged = true;
        t->entry.acknowledged_at_us = retell.shard->now_us;
    }
    trace("%s %s %s%s: %u", t->entry.call->id, t->entry.event, retell_shape_name(t->entry.shape), t->entry.attempts > 1 ? " again" : "", t->entry.last_status);
    checkers_see_attempt(&(struct retell_attempt){ .delivery = &t->entry, .began_at_us = h->started_at_us, .sent_at_us = h->sent_at_us, .ended_at_us = retell.shard->now_us,
                                                   .status = t->entry.last_status, .timed_out = h->outcome == HTTP_TIMED_OUT });
}

static void answered(struct http_call *h)
{
    struct telling *t = container_of(h, struct telling, http);
    note_attempt(t);
    http_call_release(h);
    retell.running -= 1;
    t->entry.is_over = t->entry.acknowledged || t->entry.attempts == attempts_max;
    if (t->entry.is_over) retell.open -= 1;
    else if (!retell.is_closing) timer_start(&retell.shard->timers, &t->timer, retell.shard->now_us + (second_us << (t->entry.attempts - 1)), tell);
    close_if_over();
}

/* -- asking for the figures -- */

static void metrics_answered(struct http_call *h)
{
    if (h->outcome == HTTP_ANSWERED && h->status == 200) {
        retell.metrics = malloc(h->answer.length + 1);
        ensure(retell.metrics);
        memcpy(retell.metrics, h->answer.start, h->answer.length);
        retell.metrics_bytes = h->answer.length;
    }
    http_call_release(h);
    retell.running -= 1;
    close_if_over();
}

static void tick(struct timer *timer)
{
    timer_start(&retell.shard->timers, timer, retell.shard->now_us + second_us, tick);
    if (!retell.wants_metrics || retell.metrics_call.running) return;
    retell.wants_metrics = false;
    retell.metrics_call = (struct http_call){ .method = HTTP_GET, .target = slice_of("/metrics"), .deadline_us = retell.shard->now_us + timeout_us, .done = metrics_answered };
    retell.running += 1;
    http_call_start(retell.engine, &retell.metrics_call);
}

void retell_ask_metrics(void)
{
    free(retell.metrics);
    retell.metrics = nullptr;
    retell.wants_metrics = true;
}

struct slice retell_metrics(void) { return retell.metrics ? slice_from(retell.metrics, retell.metrics_bytes) : slice_absent; }

/* -- the ledger -- */

void retell_each_delivery(void (*each)(void *context, const struct retell_delivery *d), void *context)
{
    for (uint32_t n = 0; n < retell.count; n++)
        if (retell.tellings[n].entry.attempts > 0) each(context, &retell.tellings[n].entry);
}

uint64_t retell_answers(uint16_t status) { return status < 600 ? retell.answers[status] : 0; }
bool retell_has_finished(void) { return retell.open == 0; }

/* -- its process -- */

static struct http_client *open_client(struct shard *s)
{
    struct http_client_config config = http_client_config_default();
    char url[64];
    snprintf(url, sizeof url, world.plan.tls ? "https://engine.simulated:%u" : "http://127.0.0.1:%u", world.engine_port);
    ensure(http_origin_parse(slice_from_text(url), &config.origin));
    config.connections_max = CONNECTIONS_MAX;
    config.tls = world.plan.tls ? world_trust : nullptr;
    config.worker = retell.worker;
    return http_client_open(s, &config);
}

static bool start(struct shard *s, void *)
{
    retell.shard = s;
    s->resident = &retell;
    retell.engine = open_client(s);
    retell.strange = open_client(s);
    ensure(retell.engine && retell.strange);
    for (uint32_t n = 0; n < retell.count; n++) timer_start(&s->timers, &retell.tellings[n].timer, retell.tellings[n].due_at_us, tell);
    timer_start(&s->timers, &retell.tick, s->now_us + second_us, tick);
    return true;
}

static void stop(struct shard *s)
{
    retell.is_closing = true;
    timer_stop(&s->timers, &retell.tick);
    for (uint32_t n = 0; n < retell.count; n++) {
        timer_stop(&s->timers, &retell.tellings[n].timer);
        if (retell.tellings[n].http.running) http_call_cancel(&retell.tellings[n].http);
    }
    if (retell.metrics_call.running) http_call_cancel(&retell.metrics_call);
    close_if_over();
}

static void run(void *)
{
    struct io_refusal refusal;
    const struct shard_config config = { .io = { ring_entries, 1024, receive_buffer_bytes }, .start = start, .stop = stop };
    retell.worker = worker_start(&retell.group);
    ensure(retell.worker);
    if (!shard_group_start(&retell.group, 1, &config, &refusal)) world_broken("the simulators start", "Retell: %s", refusal.text);
    while (!retell.is_to_stop) fiber_wait();
    shard_group_stop(&retell.group);
    shard_group_join(&retell.group);
    worker_stop(retell.worker);
}

void retell_process_start(void)
{
    plan_tellings();
    world.retell = process_start("retell", nullptr, run, nullptr);
    retell.main = process_main(world.retell);
}

void retell_process_stop(void)
{
    retell.is_to_stop = true;
    fiber_ready(retell.main);
}
