#include "sim/caller.h"
#include <stdio.h>
#include <stdlib.h>
#include "base/clock.h"
#include "base/ensure.h"
#include "base/json.h"
#include "io/file.h"
#include "limits.h"
#include "net/http_client.h"
#include "retell/signature.h"
#include "sim/branches.h"
#include "sim/call_script.h"
#include "sim/query.h"

constexpr uint32_t webhook_timeout_ms = 10'000; /* Retell's default */
constexpr uint32_t retries_max = 3;
constexpr uint32_t retry_ms_first = 1'000;
enum { DELIVERIES_MAX = 2 * SCRIPT_EVENTS, BODY_BYTES_MAX = 1024 * 1024 };

struct caller;
struct delivery {
    struct http_call   call;
    struct timer       timer;
    struct caller     *caller;
    enum call_event    event;
    uint32_t           attempt;   /* from 1 */
    bool               duplicate;
    char              *body;
    size_t             body_bytes;
    struct http_header headers[2];
    char               signature[RETELL_SIGNATURE_BYTES_MAX + 1];
};

struct caller {
    const struct caller_options *options;
    struct shard       *shard;
    struct worker      *worker;
    const struct tls_client_config *trust;
    struct http_client *engine, *control;
    struct http_call    slots_call;
    char                slots_target[128];
    struct prng         dice;
    struct call_script  script;
    char                call_id[CALL_ID_BYTES + 1], date[16], time[8];
    char                target[128];
    struct heap         heap;
    struct delivery     deliveries[DELIVERIES_MAX];
    uint32_t            delivery_count, open_count;
    int                 exit_status;
};

static void finish(struct caller *c)
{
    if (c->engine) http_client_close(c->engine);
    if (c->control) http_client_close(c->control);
    c->engine = c->control = nullptr;
    shard_group_stop(c->shard->group);
    shard_release(c->shard);
}

static void fail(struct caller *c, const char *what, const char *why)
{
    fprintf(stderr, "ringsim call: %s: %s\n", what, why);
    c->exit_status = 2;
    finish(c);
}

/* -- telling -- */

static void tell_begin(const struct caller *c)
{
    const struct call_script *s = &c->script;
    bool booked = !slice_is_absent(s->date);
    if (c->options->json)
        printf("{\"call_id\":\"" SLICE_FORMAT "\",\"datum\":%s" SLICE_FORMAT "%s,\"uhrzeit\":%s" SLICE_FORMAT "%s}\n", slice_print(s->call_id), booked ? "\"" : "null",
               slice_print(s->date), booked ? "\"" : "", booked ? "\"" : "null", slice_print(s->time), booked ? "\"" : "");
    else if (booked) printf(SLICE_FORMAT ": asks for " SLICE_FORMAT " at " SLICE_FORMAT "\n", slice_print(s->call_id), slice_print(s->date), slice_print(s->time));
    else printf(SLICE_FORMAT ": books nothing\n", slice_print(s->call_id));
    fflush(stdout);
}

static const char *outcome_name(enum http_outcome o)
{
    switch (o) {
    case HTTP_ANSWERED:      return "answered";
    case HTTP_NOT_CONNECTED: return "not_connected";
    case HTTP_NOT_TRUSTED:   return "not_trusted";
    case HTTP_TIMED_OUT:     return "timed_out";
    case HTTP_BROKEN:        return "broken";
    case HTTP_TOO_LARGE:     return "too_large";
    case HTTP_GIVEN_UP:      return "given_up";
    }
    ensure(false);
}

static void tell_delivery(const struct delivery *d)
{
    const struct http_call *h = &d->call;
    bool answered = h->outcome == HTTP_ANSWERED;
    double ms = (double)(d->caller->shard->now_us - h->started_at_us) / 1000;
    if (d->caller->options->json)
        printf("{\"event\":\"%s\",\"status\":%d,\"outcome\":\"%s\",\"ms\":%.3f,\"attempt\":%u,\"duplicate\":%s}\n", call_event_name(d->event), answered ? h->status : 0,
               outcome_name(h->outcome), ms, d->attempt, d->duplicate ? "true" : "false");
    else if (answered)
        printf("  %-14s %3d %8.1f ms%s%s\n", call_event_name(d->event), h->status, ms, d->duplicate ? "  duplicate" : "", d->attempt > 1 ? "  again" : "");
    else printf("  %-14s  -- %8.1f ms  %s%s\n", call_event_name(d->event), ms, outcome_name(h->outcome), d->attempt > 1 ? "  again" : "");
    fflush(stdout);
}

/* -- delivering -- */

static void answered(struct http_call *h);

static void end_delivery(struct delivery *d)
{
    struct caller *c = d->caller;
    heap_release(&c->heap, d->body, d->body_bytes);
    d->body = nullptr;
    c->open_count -= 1;
    if (c->open_count == 0) finish(c);
}

/* Signed anew at every attempt: whether Retell renews it is not published, and both must be taken. */
static void send_delivery(struct timer *t)
{
    struct delivery *d = container_of(t, struct delivery, timer);
    struct caller *c = d->caller;
    struct slice body = slice_from(d->body, d->body_bytes);
    struct buffer signature = buffer_over(d->signature, sizeof d->signature);
    retell_sign(&signature, body, slice_from_text(c->options->key), clock_wall_us() / 1000);
    d->attempt += 1;
    d->headers[0] = (struct http_header){ slice_of("Content-Type"), slice_of("application/json") };
    d->headers[1] = (struct http_header){ slice_of("X-Retell-Signature"), buffer_slice(&signature) };
    d->call = (struct http_call){ .method = HTTP_POST, .target = slice_from_text(c->target), .headers = d->headers, .header_count = 2, .body = body,
                                  .deadline_us = c->shard->now_us + webhook_timeout_ms * UINT64_C(1000), .done = answered };
    http_call_start(c->engine, &d->call);
}

static void answered(struct http_call *h)
{
    struct delivery *d = container_of(h, struct delivery, call);
    bool taken = h->outcome == HTTP_ANSWERED && h->status / 100 == 2;
    tell_delivery(d);
    http_call_release(h);
    if (taken) return end_delivery(d);
    if (d->attempt > retries_max) {
        d->caller->exit_status = 1;
        return end_delivery(d);
    }
    uint64_t wait_ms = (uint64_t)retry_ms_first << (d->attempt - 1);
    timer_start(&d->caller->shard->timers, &d->timer, d->caller->shard->now_us + wait_ms * 1000, send_delivery);
}

/* -- planning -- */

static bool print_body(struct caller *c, struct delivery *d)
{
    char *scratch = heap_acquire(&c->heap, BODY_BYTES_MAX);
    ensure(scratch);
    struct buffer b = buffer_over(scratch, BODY_BYTES_MAX);
    call_script_print(&b, &c->script, d->event);
    d->body_bytes = b.length;
    d->body = b.overflowed ? nullptr : heap_acquire(&c->heap, b.length);
    if (d->body) memcpy(d->body, scratch, b.length);
    heap_release(&c->heap, scratch, BODY_BYTES_MAX);
    return d->body != nullptr;
}

static bool plan_delivery(struct caller *c, enum call_event e, uint64_t at_ms, bool duplicate)
{
    struct delivery *d = &c->deliveries[c->delivery_count++];
    *d = (struct delivery){ .caller = c, .event = e, .duplicate = duplicate };
    if (!print_body(c, d)) return false;
    uint64_t late_ms = c->options->delay_ms ? prng_below(&c->dice, c->options->delay_ms + 1) : 0;
    c->open_count += 1;
    timer_start(&c->shard->timers, &d->timer, c->shard->now_us + (at_ms + late_ms) * 1000, send_delivery);
    return true;
}

/* A place in time for each event: in order, or shuffled. */
static void order_events(struct caller *c, uint32_t place[SCRIPT_EVENTS])
{
    for (uint32_t i = 0; i < SCRIPT_EVENTS; i++) place[i] = i;
    if (!c->options->reorder) return;
    for (uint32_t i = SCRIPT_EVENTS - 1; i > 0; i--) {
        uint32_t j = (uint32_t)prng_below(&c->dice, i + 1), kept = place[i];
        place[i] = place[j];
        place[j] = kept;
    }
}

static void plan_deliveries(struct caller *c)
{
    uint32_t place[SCRIPT_EVENTS];
    bool planned = true;
    order_events(c, place);
    tell_begin(c);
    for (uint8_t e = 0; e < SCRIPT_EVENTS; e++) {
        bool dropped = prng_happens(&c->dice, c->options->drop), doubled = prng_happens(&c->dice, c->options->duplicate);
        uint64_t at_ms = place[e] * c->options->gap_ms;
        if (!dropped) planned &= plan_delivery(c, (enum call_event)e, at_ms, false);
        if (!dropped && doubled) planned &= plan_delivery(c, (enum call_event)e, at_ms + prng_below(&c->dice, 50), true);
    }
    ensure(planned || c->options->body_bytes > BODY_BYTES_MAX / 2); /* main bounds body_bytes */
    if (c->open_count == 0) finish(c);
}

/* -- the next free slot -- */

static void slots_answered(struct http_call *h)
{
    struct caller *c = container_of(h, struct caller, slots_call);
    struct json_error error;
    struct json_document *document = h->outcome == HTTP_ANSWERED && h->status == 200 ? json_parse(h->answer, &c->heap, &error) : nullptr;
    struct json_iterator slots = json_each(document ? json_get(json_root(document), "slots") : nullptr);
    const struct json_value *first = nullptr;
    bool found = json_next(&slots, nullptr, &first);
    struct slice date = json_get_text(first, "date"), time = json_get_text(first, "time");
    if (found) {
        snprintf(c->date, sizeof c->date, SLICE_FORMAT, slice_print(slice_take(date, 10)));
        snprintf(c->time, sizeof c->time, SLICE_FORMAT, slice_print(slice_take(time, 5)));
        c->script.date = slice_from_text(c->date);
        c->script.time = slice_from_text(c->time);
    }
    bool answered_at_all = document != nullptr;
    json_release(document, &c->heap);
    http_call_release(h);
    if (!found) return fail(c, "next free slot", answered_at_all ? "there is none within 60 days" : "the simulator's control port did not say");
    plan_deliveries(c);
}

static uint64_t wanted_event_type(struct caller *c)
{
    char *text = nullptr;
    size_t length = 0;
    if (c->options->event_type || !c->options->world_path) return c->options->event_type;
    if (file_read_whole(c->options->world_path, world_file_bytes_max, &text, &length) != IO_OK) return 0;
    struct json_error error;
    struct json_document *world = json_parse(slice_from(text, length), &c->heap, &error);
    uint64_t id = world ? branch_event_type(json_root(world), slice_from_text(c->options->to)) : 0;
    json_release(world, &c->heap);
    free(text);
    return id;
}

static struct http_client *open_client(struct caller *c, const char *url, char target[128], uint32_t connections)
{
    struct http_client_config config = http_client_config_default();
    if (!url || !http_origin_parse(slice_from_text(url), &config.origin)) return nullptr;
    memcpy(target, config.origin.base_path, 128);
    config.origin.base_path[0] = 0;
    config.tls = c->trust;
    config.worker = c->worker;
    config.connections_max = connections;
    return http_client_open(c->shard, &config);
}

static void find_slot(struct caller *c)
{
    char base[128];
    uint64_t event_type = wanted_event_type(c);
    if (!event_type) return fail(c, "--next-free", "needs --event-type, or --world with a branch of that --to number");
    c->control = open_client(c, c->options->control_url, base, 1);
    if (!c->control) return fail(c, "--control", "wants the URL of the simulator's control port");
    struct buffer target = buffer_over(c->slots_target, sizeof c->slots_target - 1);
    buffer_print(&target, "/control/slots?eventTypeId=%llu&take=1", (unsigned long long)event_type);
    if (c->options->after) {
        buffer_add(&target, slice_of("&after="));
        query_print(&target, slice_from_text(c->options->after));
    }
    c->slots_call = (struct http_call){ .method = HTTP_GET, .target = buffer_slice(&target), .deadline_us = c->shard->now_us + webhook_timeout_ms * UINT64_C(1000),
                                        .done = slots_answered };
    http_call_start(c->control, &c->slots_call);
}

/* -- life -- */

static void write_script(struct caller *c)
{
    const struct caller_options *o = c->options;
    call_script_make_id(c->call_id, &c->dice);
    c->script = (struct call_script){ .call_id = slice_from_text(o->call_id ? o->call_id : c->call_id), .agent_id = slice_from_text(o->agent),
                                      .from_number = slice_from_text(o->from), .to_number = slice_from_text(o->to), .started_at_ms = c->shard->wall_us / 1000,
                                      .duration_ms = 61'000, .name = slice_from_text(o->name ? o->name : "Erika Beispiel"), .service = slice_from_text(o->service),
                                      .body_bytes = (uint32_t)o->body_bytes, .seed = o->seed };
    if (o->no_booking) return;
    c->script.date = slice_from_text(o->date);
    c->script.time = slice_from_text(o->time);
}

static bool start(struct shard *s, void *context)
{
    struct caller *c = context;
    c->shard = s;
    s->resident = c;
    heap_init(&c->heap, UINT64_C(64) << 20);
    write_script(c);
    shard_hold(s); /* until finish() */
    c->engine = open_client(c, c->options->url, c->target, DELIVERIES_MAX);
    if (!c->engine) fail(c, "--url", "wants http://HOST:PORT/PATH or https://…");
    else if (c->options->next_free) find_slot(c);
    else plan_deliveries(c);
    return true;
}

static void stop(struct shard *s) { (void)s; }

int caller_run(const struct caller_options *o)
{
    static struct caller c;
    struct tls_error tls_error;
    c = (struct caller){ .options = o, .dice = { o->seed } };
    struct tls_client_config *trust = slice_starts_with(slice_from_text(o->url), slice_of("https")) ? tls_client_config_open(o->ca_path, &tls_error) : nullptr;
    if (!trust && slice_starts_with(slice_from_text(o->url), slice_of("https"))) {
        fprintf(stderr, "ringsim call: %s\n", tls_error.text);
        return 2;
    }
    struct shard_group group;
    struct io_refusal refusal;
    struct shard_config config = { .io = { 64, 64, 4096 }, .start = start, .stop = stop, .context = &c };
    c.trust = trust;
    c.worker = worker_start(&group);
    ensure(c.worker);
    if (shard_group_start(&group, 1, &config, &refusal)) {
        shard_group_join(&group);
    } else {
        fprintf(stderr, "ringsim call: %s\n", refusal.text);
        c.exit_status = 2;
    }
    worker_stop(c.worker);
    if (trust) tls_client_config_close(trust);
    return c.exit_status;
}
