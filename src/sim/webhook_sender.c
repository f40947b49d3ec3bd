/* Tells subscribers of bookings: one attempt each, signed, as Cal.com does by default; what does not arrive is lost (calcom.md 7).
 * A subscriber is a URL with its connections; it stays once it was used, as long as the simulator runs. */
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
    struct http_call   call;
    struct list_node   node;
    struct simulator  *simulator;
    struct http_header headers[3];
    char               signature[65];
    char              *body;
    size_t             body_bytes;
};

void webhooks_open(struct simulator *s)
{
    pool_init(&s->deliveries, "webhook deliveries", sizeof(struct sim_delivery), sim_deliveries_max);
    list_init(&s->subscribers);
    list_init(&s->deliveries_running);
}

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

static void delivered(struct http_call *call)
{
    struct sim_delivery *d = container_of(call, struct sim_delivery, call);
    struct simulator *s = d->simulator;
    bool arrived = call->outcome == HTTP_ANSWERED && call->status / 100 == 2;
    if (arrived) s->webhooks_delivered += 1;
    else s->webhooks_lost += 1;
    http_call_release(call);
    heap_release(&s->world.heap, d->body, d->body_bytes);
    list_remove(&s->deliveries_running, &d->node);
    pool_release(&s->deliveries, d);
    if (s->stopping && list_is_empty(&s->deliveries_running)) close_clients(s);
}

static void sign(struct sim_delivery *d, struct slice secret)
{
    struct buffer b = buffer_over(d->signature, sizeof d->signature);
    if (slice_is_absent(secret)) {
        buffer_add(&b, slice_of("no-secret-provided"));
    } else {
        struct slice body = slice_from(d->body, d->body_bytes);
        hex_print(&b, hmac_sha256(secret, &body, 1).bytes, 32);
    }
    d->headers[0] = (struct http_header){ slice_of("Content-Type"), slice_of("application/json") };
    d->headers[1] = (struct http_header){ slice_of("X-Cal-Signature-256"), buffer_slice(&b) };
    d->headers[2] = (struct http_header){ slice_of("x-cal-webhook-version"), slice_of("2021-10-20") };
}

/* false: lost for want of room, or nobody to send it to. */
static bool deliver(struct simulator *s, const struct sim_subscription *to, struct slice body)
{
    struct sim_subscriber *subscriber = s->stopping ? nullptr : subscriber_of(s, to->url);
    struct sim_delivery *d = subscriber ? pool_acquire(&s->deliveries) : nullptr;
    char *memory = d ? heap_acquire(&s->world.heap, body.length) : nullptr;
    if (!memory) {
        if (d) pool_release(&s->deliveries, d);
        return false;
    }
    memcpy(memory, body.start, body.length);
    d->simulator = s;
    d->body = memory;
    d->body_bytes = body.length;
    sign(d, to->secret);
    d->call = (struct http_call){ .method = HTTP_POST,
                                  .target = slice_from_text(subscriber->target),
                                  .headers = d->headers,
                                  .header_count = 3,
                                  .body = slice_from(memory, body.length),
                                  .deadline_us = s->shard->now_us + delivery_timeout_ms * UINT64_C(1000),
                                  .done = delivered };
    list_push_back(&s->deliveries_running, &d->node);
    http_call_start(subscriber->client, &d->call);
    return true;
}

void webhooks_send(struct simulator *s, enum sim_trigger trigger, const struct sim_booking *b)
{
    char memory[delivery_bytes_max];
    struct buffer body = buffer_over(memory, sizeof memory);
    answer_webhook(&body, trigger, b, s->shard->wall_us);
    for (uint32_t i = 0; i < s->world.subscription_count; i++) {
        const struct sim_subscription *to = &s->world.subscriptions[i];
        bool wanted = to->live && to->active && (to->triggers & trigger) && account_sees_booking(&s->world.accounts[to->account], b);
        if (wanted && (body.overflowed || !deliver(s, to, buffer_slice(&body)))) s->webhooks_lost += 1;
    }
}

void webhooks_close(struct simulator *s)
{
    ensure(s->stopping);
    if (list_is_empty(&s->deliveries_running)) return close_clients(s);
    for (struct list_node *n = list_first(&s->deliveries_running); n; n = list_next(&s->deliveries_running, n))
        http_call_cancel(&container_of(n, struct sim_delivery, node)->call);
}
