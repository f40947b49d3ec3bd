/* Tells subscribers of bookings: one attempt each, signed, as Cal.com does by default; what does not arrive is lost (calcom.md 7).
 * A subscriber is a URL with its connections; it stays once it was used, as long as the simulator runs.
 *
 * A delivery may meet a fault: that of the request which caused it, else one of its own (faults.h: "webhook"). It is made at once, bytes and signature;
 * then it waits, if the fault says so, is on its way, and is gone. Whoever caused it is told when it is no longer on its way (F23).
 *
 *     waiting ──(delay, or the next one to that subscriber)──► running ──(answered, or given up)──► gone
 */
#include <stdlib.h>
#include "base/ensure.h"
#include "base/hmac.h"
#include "limits.h"
#include "sim/answers.h"
#include "sim/simulator.h"

constexpr uint32_t delivery_timeout_ms = 10'000;
constexpr uint32_t delivery_bytes_max = 64 * 1024;

struct sim_subscriber {
    struct list_node    node;
    struct http_client *client;
    struct hash128      key;          /* of its URL */
    char                target[128];
};

struct sim_delivery {
    struct http_call       call;
    struct list_node       node;        /* of deliveries_waiting or deliveries_running */
    struct timer           timer;       /* while it waits */
    struct simulator      *simulator;
    struct sim_subscriber *subscriber;
    struct handle          exchange;    /* of the request that caused it; may be gone since */
    bool                   goes_after_next;
    struct http_header     headers[3];
    char                   signature[65];
    char                  *body;
    size_t                 body_bytes;
};

/* What is told, and how. */
struct telling { enum sim_telling how; uint32_t delay_ms; enum sim_trigger trigger; const struct sim_booking *booking; struct handle exchange; };

void webhooks_open(struct simulator *s)
{
    pool_init(&s->deliveries, "webhook deliveries", sizeof(struct sim_delivery), sim_deliveries_max);
    list_init(&s->subscribers);
    list_init(&s->deliveries_waiting);
    list_init(&s->deliveries_running);
}

/* -- subscribers -- */

static struct sim_subscriber *add_subscriber(struct simulator *s, struct slice url)
{
    struct http_client_config config = http_client_config_default();
    if (s->subscribers.count == sim_subscriptions_max || !http_origin_parse(url, &config.origin)) return nullptr;
    if (config.origin.tls && !s->subscriber_trust) return nullptr;
    config.tls = s->subscriber_trust;
    config.worker = s->worker;

    struct sim_subscriber *subscriber = calloc(1, sizeof *subscriber);
    ensure(subscriber);
    subscriber->key = hash128_of(url);
    memcpy(subscriber->target, config.origin.base_path[0] ? config.origin.base_path : "/", config.origin.base_path[0] ? sizeof subscriber->target : 2);
    config.origin.base_path[0] = 0;
    subscriber->client = http_client_open(s->shard, &config);
    ensure(subscriber->client);
    list_push_back(&s->subscribers, &subscriber->node);
    return subscriber;
}

static struct sim_subscriber *subscriber_of(struct simulator *s, struct slice url)
{
    struct hash128 key = hash128_of(url);
    for (struct list_node *n = list_first(&s->subscribers); n; n = list_next(&s->subscribers, n)) {
        struct sim_subscriber *subscriber = container_of(n, struct sim_subscriber, node);
        if (hash128_equal(subscriber->key, key)) return subscriber;
    }
    return add_subscriber(s, url);
}

static void close_clients(struct simulator *s)
{
    struct list_node *n;
    while ((n = list_pop_front(&s->subscribers))) {
        struct sim_subscriber *subscriber = container_of(n, struct sim_subscriber, node);
        http_client_close(subscriber->client);
        free(subscriber);
    }
}

/* -- one delivery -- */

static void forget(struct sim_delivery *d)
{
    struct simulator *s = d->simulator;
    timer_stop(&s->shard->timers, &d->timer);
    heap_release(&s->world.heap, d->body, d->body_bytes);
    pool_release(&s->deliveries, d);
}

static void delivered(struct http_call *call)
{
    struct sim_delivery *d = container_of(call, struct sim_delivery, call);
    struct simulator *s = d->simulator;
    struct handle exchange = d->exchange;
    bool arrived = call->outcome == HTTP_ANSWERED && call->status / 100 == 2;
    if (arrived) s->webhooks_delivered += 1;
    else s->webhooks_lost += 1;
    http_call_release(call);
    list_remove(&s->deliveries_running, &d->node);
    forget(d);
    if (s->stopping && list_is_empty(&s->deliveries_running)) close_clients(s);
    if (!s->stopping) calcom_api_webhook_ended(s, exchange);
}

static void send_now(struct sim_delivery *d)
{
    struct simulator *s = d->simulator;
    d->call = (struct http_call){ .method = HTTP_POST,
                                  .target = slice_from_text(d->subscriber->target),
                                  .headers = d->headers,
                                  .header_count = 3,
                                  .body = slice_from(d->body, d->body_bytes),
                                  .deadline_us = s->shard->now_us + delivery_timeout_ms * UINT64_C(1000),
                                  .done = delivered };
    list_push_back(&s->deliveries_running, &d->node);
    calcom_api_webhook_began(s, d->exchange);
    http_call_start(d->subscriber->client, &d->call);
}

static void send_waiting(struct sim_delivery *d)
{
    timer_stop(&d->simulator->shard->timers, &d->timer);
    list_remove(&d->simulator->deliveries_waiting, &d->node);
    d->exchange = (struct handle){ 0 }; /* nobody waits for what comes later */
    send_now(d);
}

static void time_has_come(struct timer *t) { send_waiting(container_of(t, struct sim_delivery, timer)); }

static void wait_ms(struct sim_delivery *d, uint32_t ms)
{
    struct shard *shard = d->simulator->shard;
    list_push_back(&d->simulator->deliveries_waiting, &d->node);
    timer_start(&shard->timers, &d->timer, shard->now_us + ms * UINT64_C(1000), time_has_come);
}

/* Those that were to go behind the one that has just gone. */
static void send_overtaken(struct simulator *s, const struct sim_subscriber *subscriber)
{
    struct list_node *next;
    for (struct list_node *n = list_first(&s->deliveries_waiting); n; n = next) {
        struct sim_delivery *d = container_of(n, struct sim_delivery, node);
        next = list_next(&s->deliveries_waiting, n);
        if (d->goes_after_next && d->subscriber == subscriber) send_waiting(d);
    }
}

/* -- what it says -- */

/* What was seen instead of it, or what it is most like. */
static enum sim_trigger wrong_trigger(enum sim_trigger t)
{
    switch (t) {
    case SIM_BOOKING_RESCHEDULED:
    case SIM_BOOKING_CREATED:   return SIM_BOOKING_REQUESTED;
    case SIM_BOOKING_REQUESTED: return SIM_BOOKING_CREATED;
    case SIM_BOOKING_CANCELLED: return SIM_BOOKING_REJECTED;
    case SIM_BOOKING_REJECTED:  return SIM_BOOKING_CANCELLED;
    }
    ensure(false);
}

static void print_body(struct buffer *body, const struct telling *t, int64_t now_us)
{
    enum sim_trigger trigger = t->how == SIM_TELL_WRONG_TRIGGER ? wrong_trigger(t->trigger) : t->trigger;
    if (t->how == SIM_TELL_AS_FORM) answer_webhook_form(body, trigger, t->booking);
    else answer_webhook(body, trigger, t->booking, now_us);
}

static void sign(struct sim_delivery *d, struct slice secret, enum sim_telling how)
{
    struct buffer b = buffer_over(d->signature, sizeof d->signature);
    if (slice_is_absent(secret) || how == SIM_TELL_UNSIGNED) {
        buffer_add(&b, slice_of("no-secret-provided"));
    } else {
        struct slice body = slice_from(d->body, d->body_bytes);
        hex_print(&b, hmac_sha256(secret, &body, 1).bytes, 32);
    }
    if (how == SIM_TELL_BADLY_SIGNED) d->signature[0] = d->signature[0] == '0' ? '1' : '0';
    struct slice type = how == SIM_TELL_AS_FORM ? slice_of("application/x-www-form-urlencoded") : slice_of("application/json");
    d->headers[0] = (struct http_header){ slice_of("Content-Type"), type };
    d->headers[1] = (struct http_header){ slice_of("X-Cal-Signature-256"), buffer_slice(&b) };
    d->headers[2] = (struct http_header){ slice_of("x-cal-webhook-version"), slice_of("2021-10-20") };
}

/* nullptr: lost for want of room, or nobody to send it to. */
static struct sim_delivery *make_delivery(struct simulator *s, const struct sim_subscription *to, const struct telling *t)
{
    char memory[delivery_bytes_max];
    struct buffer body = buffer_over(memory, sizeof memory);
    print_body(&body, t, simulator_time_us(s));
    struct sim_subscriber *subscriber = s->stopping || body.overflowed ? nullptr : subscriber_of(s, to->url);
    struct sim_delivery *d = subscriber ? pool_acquire(&s->deliveries) : nullptr;
    if (!d) return nullptr;
    d->simulator = s;
    d->subscriber = subscriber;
    d->exchange = t->exchange;
    d->body_bytes = body.length;
    d->body = heap_acquire(&s->world.heap, body.length);
    if (!d->body) {
        d->body_bytes = 0;
        forget(d);
        return nullptr;
    }
    memcpy(d->body, memory, body.length);
    sign(d, to->secret, t->how);
    return d;
}

static void tell_once(struct simulator *s, const struct sim_subscription *to, const struct telling *t)
{
    struct sim_delivery *d = t->how == SIM_TELL_NOT ? nullptr : make_delivery(s, to, t);
    if (!d) {
        s->webhooks_lost += 1;
        return;
    }
    d->goes_after_next = t->how == SIM_TELL_AFTER_NEXT;
    if (d->goes_after_next || t->how == SIM_TELL_LATE) return wait_ms(d, t->delay_ms);
    send_now(d);
    send_overtaken(s, d->subscriber);
}

/* A fault of the request that caused it goes before one of its own. */
static struct telling telling_of(struct simulator *s, enum sim_trigger trigger, const struct sim_booking *b, const struct sim_cause *cause)
{
    struct telling t = { .how = cause->telling, .delay_ms = cause->telling_ms, .trigger = trigger, .booking = b, .exchange = cause->exchange };
    struct sim_behaviour own = faults_meet(&s->faults, SIM_WEBHOOK);
    if (t.how == SIM_TELL) t.how = own.telling, t.delay_ms = own.delay_ms;
    return t;
}

void webhooks_send(struct simulator *s, enum sim_trigger trigger, const struct sim_booking *b, const struct sim_cause *cause)
{
    for (uint32_t i = 0; i < s->world.subscription_count; i++) {
        const struct sim_subscription *to = &s->world.subscriptions[i];
        if (!to->live || !to->active || !(to->triggers & trigger) || !account_sees_booking(&s->world.accounts[to->account], b)) continue;
        struct telling t = telling_of(s, trigger, b, cause);
        tell_once(s, to, &t);
        if (t.how == SIM_TELL_TWICE) tell_once(s, to, &t);
    }
}

/* -- the end -- */

void webhooks_forget_waiting(struct simulator *s)
{
    struct list_node *n;
    while ((n = list_pop_front(&s->deliveries_waiting))) forget(container_of(n, struct sim_delivery, node));
}

void webhooks_close(struct simulator *s)
{
    ensure(s->stopping);
    webhooks_forget_waiting(s);
    if (list_is_empty(&s->deliveries_running)) return close_clients(s);
    for (struct list_node *n = list_first(&s->deliveries_running); n; n = list_next(&s->deliveries_running, n))
        http_call_cancel(&container_of(n, struct sim_delivery, node)->call);
}
