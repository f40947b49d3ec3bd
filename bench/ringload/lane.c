#include "lane.h"
#include <stdio.h>
#include <stdlib.h>
#include "base/clock.h"
#include "base/ensure.h"
#include "retell/signature.h"

constexpr uint32_t webhook_timeout_ms = 10'000; /* Retell's default */
constexpr uint32_t retries_max = 3, retry_ms_first = 1'000;
constexpr uint32_t deliveries_per_lane_max = 256 * 1024; /* a minute of 4,000 events a second with a dead engine. Past it: overrun */
constexpr uint32_t head_room = 640;

struct load_delivery {
    struct list_node node;     /* of lane->waiting */
    struct timer     retry;
    struct lane     *lane;
    uint64_t         call, due_at_us, sent_at_us;
    enum call_event  event;
    uint8_t          attempts;
};

struct load_wire { struct wire wire; struct lane *lane; struct load_delivery *delivery; char *request; size_t request_capacity; };

static void pump(struct lane *l);
static void end_if_done(struct lane *l);

static struct load_wire *load_wire_of(struct wire *w) { return container_of(w, struct load_wire, wire); }

/* By when it was due: what is under way at the end counts, as what was under way when the warm-up ended does not. */
static bool counts(const struct lane *l, const struct load_delivery *d) { return d->due_at_us >= l->counts_from_us; }

/* -- requests -- */

/* Head and body in one piece: the body first, at a fixed place, then the head so that it ends there. */
static struct slice write_request(struct lane *l, struct load_wire *w, const struct load_delivery *d)
{
    const struct body_template *t = bodies_choose(l->bodies, l->plan, d->call, d->event);
    if (w->request_capacity < head_room + t->length) {
        free(w->request);
        w->request_capacity = head_room + t->length;
        w->request = malloc(w->request_capacity);
        ensure(w->request);
    }
    char *body = w->request + head_room, signature_memory[RETELL_SIGNATURE_BYTES_MAX + 1], head[head_room];
    struct buffer signature = buffer_over(signature_memory, sizeof signature_memory);
    int64_t started_at_ms = l->began_at_ms + (int64_t)(l->plan->calls ? plan_due_us(l->plan, d->call, SCRIPT_STARTED) / 1000 : 0);
    bodies_fill(body, t, l->plan, d->call, started_at_ms);
    retell_sign(&signature, slice_from(body, t->length), slice_from_text(l->plan->options->key), clock_wall_us() / 1000);
    int length = snprintf(head, sizeof head, "POST %s HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\nX-Retell-Signature: " SLICE_FORMAT "\r\nContent-Length: %u\r\n\r\n",
                          l->path, l->host, slice_print(buffer_slice(&signature)), t->length);
    ensure(length > 0 && length < (int)head_room); /* options bound the URL */
    memcpy(body - length, head, (size_t)length);
    return slice_from(body - length, (size_t)length + t->length);
}

static void send_delivery(struct lane *l, struct load_wire *w, struct load_delivery *d)
{
    struct slice request = write_request(l, w, d);
    uint64_t now_us = clock_monotonic_us();
    if (d->attempts == 0 && counts(l, d)) histogram_record(&l->late_us, now_us - d->due_at_us);
    d->sent_at_us = now_us;
    d->attempts += 1;
    w->delivery = d;
    counter_add(&l->counters.sent, 1);
    wire_send(&w->wire, request, l->shard->now_us + webhook_timeout_ms * UINT64_C(1000));
}

/* -- what became of them -- */

static void note_fate(struct lane *l, const struct load_delivery *d, bool acknowledged)
{
    if (!l->plan->calls) return;
    struct planned_call *c = &l->plan->calls[d->call];
    if (acknowledged) c->acknowledged |= (uint8_t)(1 << d->event);
    else c->given_up |= (uint8_t)(1 << d->event);
}

static void settle(struct lane *l, struct load_delivery *d, bool acknowledged, uint64_t now_us)
{
    note_fate(l, d, acknowledged);
    if (acknowledged && counts(l, d)) {
        histogram_record(&l->latency_us[d->event], now_us - d->due_at_us);
        counter_add(&l->counters.acknowledged, 1);
    }
    if (!acknowledged) counter_add(&l->counters.given_up, 1);
    gauge_add(&l->counters.open, -1);
    pool_release(&l->deliveries, d);
    end_if_done(l);
}

static void send_again(struct timer *t)
{
    struct load_delivery *d = container_of(t, struct load_delivery, retry);
    list_push_back(&d->lane->waiting, &d->node);
    pump(d->lane);
}

static void fail(struct lane *l, struct load_delivery *d)
{
    if (d->attempts > retries_max || l->plan->options->closed) return settle(l, d, false, clock_monotonic_us());
    uint64_t wait_ms = (uint64_t)retry_ms_first << (d->attempts ? d->attempts - 1 : 0);
    counter_add(&l->counters.retried, 1);
    timer_start(&l->shard->timers, &d->retry, l->shard->now_us + wait_ms * 1000, send_again);
}

static void count_failure(struct lane *l, enum wire_end how, uint16_t status)
{
    switch (how) {
    case WIRE_ANSWERED:
        counter_add(status / 100 == 4 ? &l->counters.refused_4xx : status / 100 == 5 ? &l->counters.refused_5xx : &l->counters.other_status, 1);
        return;
    case WIRE_TIMED_OUT: counter_add(&l->counters.timed_out, 1); return;
    case WIRE_BROKEN:    counter_add(&l->counters.broken, 1); return;
    case WIRE_UNREACHED: counter_add(&l->counters.unreached, 1); return;
    }
    ensure(false);
}

/* -- connections -- */

static void wire_ready(struct wire *w)
{
    struct load_wire *lw = load_wire_of(w);
    lw->lane->wires_connecting -= 1;
    list_push_back(&lw->lane->idle, &w->node);
    pump(lw->lane);
}

static void next_of_closed_loop(struct lane *l);

/* The warmest connection goes first, unless all are to be in use. */
static void give_back(struct lane *l, struct wire *w)
{
    if (l->plan->options->spread) list_push_back(&l->idle, &w->node);
    else list_push_front(&l->idle, &w->node);
}

static void wire_answered(struct wire *w, enum wire_end how, uint16_t status)
{
    struct load_wire *lw = load_wire_of(w);
    struct lane *l = lw->lane;
    struct load_delivery *d = lw->delivery;
    uint64_t now_us = clock_monotonic_us();
    lw->delivery = nullptr;
    if (w->state == WIRE_IDLE) give_back(l, w);
    if (how == WIRE_ANSWERED && counts(l, d)) histogram_record(&l->wire_us, now_us - d->sent_at_us);
    if (how == WIRE_ANSWERED && status / 100 == 2) {
        settle(l, d, true, now_us);
    } else {
        count_failure(l, how, status);
        fail(l, d);
    }
    if (l->plan->options->closed) next_of_closed_loop(l);
    pump(l);
}

/* The connection is joined. One that never came up takes the oldest waiting event down with it: that is how a dead engine is noticed. */
static void wire_gone(struct wire *w, bool was_connected)
{
    struct load_wire *lw = load_wire_of(w);
    struct lane *l = lw->lane;
    if (list_node_is_linked(&w->node)) list_remove(&l->idle, &w->node);
    free(lw->request);
    pool_release(&l->wires, lw);
    l->wires_open -= 1;
    if (!was_connected) {
        l->wires_connecting -= 1;
        struct list_node *n = list_pop_front(&l->waiting);
        if (n) {
            struct load_delivery *d = container_of(n, struct load_delivery, node);
            d->attempts += 1;
            count_failure(l, WIRE_UNREACHED, 0);
            fail(l, d);
        }
    }
    if (!l->finishing) pump(l);
    end_if_done(l);
}

static const struct wire_owner callbacks = { .ready = wire_ready, .answered = wire_answered, .gone = wire_gone };

static bool connect_one(struct lane *l)
{
    struct load_wire *lw = pool_acquire(&l->wires);
    if (!lw) return false;
    lw->lane = l;
    if (!wire_open(&lw->wire, l->shard, &callbacks, &l->engine)) {
        pool_release(&l->wires, lw);
        return false;
    }
    l->wires_open += 1;
    l->wires_connecting += 1;
    counter_add(&l->counters.connects, 1);
    return true;
}

/* Gives waiting events to idle connections, and makes as many new ones as are still wanted. */
static void pump(struct lane *l)
{
    if (l->finishing) return;
    while (!list_is_empty(&l->waiting) && !list_is_empty(&l->idle)) {
        struct wire *w = container_of(list_pop_front(&l->idle), struct wire, node);
        struct load_delivery *d = container_of(list_pop_front(&l->waiting), struct load_delivery, node);
        if (w->state == WIRE_IDLE) send_delivery(l, load_wire_of(w), d);
        else list_push_front(&l->waiting, &d->node); /* it is closing; gone() will come */
    }
    while (l->wires_connecting < l->waiting.count && l->wires_open < l->wires_max && connect_one(l)) {}
}

/* -- the plan -- */

static void launch(struct lane *l, uint64_t call, enum call_event e, uint64_t due_at_us)
{
    struct load_delivery *d = pool_acquire(&l->deliveries);
    if (!d) {
        counter_add(&l->counters.overrun, 1);
        return;
    }
    d->lane = l;
    d->call = call;
    d->event = e;
    d->due_at_us = due_at_us;
    gauge_add(&l->counters.open, 1);
    list_push_back(&l->waiting, &d->node);
}

/* The earliest event that has not been launched. false: all have. */
static bool find_next(const struct lane *l, enum call_event *e, uint64_t *due_at_us)
{
    bool found = false;
    for (uint32_t i = 0; i < l->plan->options->told_count; i++) {
        enum call_event told = l->plan->options->told[i];
        if (l->next_call[told] >= l->plan->call_count) continue;
        uint64_t due = l->began_at_us + plan_due_us(l->plan, l->next_call[told], told);
        if (found && due >= *due_at_us) continue;
        found = true;
        *due_at_us = due;
        *e = told;
    }
    return found;
}

static void on_beat(struct metronome *m)
{
    struct lane *l = container_of(m, struct lane, metronome);
    uint64_t now_us = clock_monotonic_us(), due_at_us;
    enum call_event e;
    while (find_next(l, &e, &due_at_us) && due_at_us <= now_us) {
        launch(l, l->next_call[e], e, due_at_us);
        l->next_call[e] += l->count;
    }
    pump(l);
    if (find_next(l, &e, &due_at_us)) metronome_set(m, due_at_us);
    else end_if_done(l);
}

/* In a closed loop an event is due when it can be sent: call after call with its events, without end until the time is over. */
static void next_of_closed_loop(struct lane *l)
{
    const struct load_options *o = l->plan->options;
    uint64_t now_us = clock_monotonic_us();
    if (l->finishing || now_us >= l->ends_at_us) return;
    uint64_t n = l->next_call[0]++;
    launch(l, n / o->told_count * l->count + l->index, o->told[n % o->told_count], now_us);
}

static bool plan_is_over(const struct lane *l)
{
    uint64_t due_at_us;
    enum call_event e;
    return l->plan->options->closed ? clock_monotonic_us() >= l->ends_at_us : !find_next(l, &e, &due_at_us);
}

static void close_all(struct lane *l)
{
    while (!list_is_empty(&l->idle)) wire_close(container_of(list_pop_front(&l->idle), struct wire, node));
}

static void end_if_done(struct lane *l)
{
    if (atomic_load_explicit(&l->finished, memory_order_relaxed) || l->metronome.poll.submitted) return;
    if (!l->finishing && (gauge_read(&l->counters.open) > 0 || !plan_is_over(l))) return;
    if (!l->finishing) {
        l->finishing = true;
        close_all(l);
    }
    if (l->wires_open > 0) return;
    atomic_store_explicit(&l->finished, true, memory_order_release); /* the figures are complete before main reads them */
    shard_release(l->shard);
}

void lane_begin(struct lane *l, struct shard *s, uint64_t begins_at_us)
{
    const struct load_options *o = l->plan->options;
    l->shard = s;
    s->resident = l;
    pool_init(&l->deliveries, "events under way", sizeof(struct load_delivery), deliveries_per_lane_max);
    l->wires_max = (uint32_t)((o->closed ? o->closed : o->connections) + l->count - 1) / l->count;
    pool_init(&l->wires, "connections", sizeof(struct load_wire), l->wires_max);
    list_init(&l->waiting);
    list_init(&l->idle);
    l->began_at_us = begins_at_us;
    l->began_at_ms = (s->wall_us + (int64_t)(begins_at_us - s->now_us)) / 1000;
    l->counts_from_us = begins_at_us + (uint64_t)(o->warmup_s * 1e6);
    l->ends_at_us = begins_at_us + (uint64_t)(o->duration_s * 1e6);
    for (uint8_t e = 0; e < SCRIPT_EVENTS; e++) l->next_call[e] = o->closed ? 0 : l->index;
    metronome_init(&l->metronome, s, on_beat);
    shard_hold(s);
    if (o->closed) {
        for (uint32_t n = 0; n < l->wires_max; n++) next_of_closed_loop(l);
        pump(l);
    }
    while (o->spread && l->wires_open < l->wires_max && connect_one(l)) {}
    metronome_set(&l->metronome, o->closed ? l->ends_at_us : begins_at_us);
}

void lane_end(struct lane *l)
{
    metronome_close(&l->metronome);
    pool_deinit(&l->wires);
    pool_deinit(&l->deliveries);
}
