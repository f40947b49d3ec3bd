/* webhook/intake.c: the second half of a webhook's way, on the home shard of its call: duplicates meet here, nothing is promised that cannot be kept, and the answer
 * leaves when the bytes are durable. Replayed records of an earlier life come the same way, without an answer. */
#include "webhook/door.h"

#include <endian.h>
#include "base/buffer.h"
#include "base/hmac.h"

void webhook_door_open(struct webhook_door *d, const struct webhook_door_config *c)
{
    *d = (struct webhook_door){ .magic = webhook_door_magic, .config = *c, .shard = c->shard };
    pool_init(&d->deliveries, "deliveries", sizeof(struct delivery), c->deliveries_max);
    dedupe_init(&d->dedupe, c->dedupe_max);
    list_init(&d->quarantine);
    d->shard->webhooks = d;
}

void webhook_door_serve(struct webhook_door *d, struct http_server *s) { d->server = s; }

struct webhook_door *webhook_door_of(const struct shard *s)
{
    ensure_magic((struct webhook_door *)s->webhooks, webhook_door_magic);
    return s->webhooks;
}

/* -- identity -- */

/* The key of a body that names no call: its own bytes, in its workspace, so that two workspaces that send the same nonsense do not meet. */
static struct hash128 key_of_body(const struct delivery *d) { return call_key(d->workspace_id, slice_from(d->body.start, d->body.length)); }

static struct hash128 identity_of(const struct delivery *d)
{
    struct hash128 event_and_dedupe = hash128_mix(hash128_stable(d->event.name), hash128_stable(slice_from_text(d->dedupe)));
    return hash128_mix(d->call_key, event_and_dedupe);
}

static void print_correlation_id(struct delivery *d)
{
    struct buffer out = buffer_over(d->correlation_id, sizeof d->correlation_id);
    const uint64_t key[2] = { htobe64(d->call_key.high), htobe64(d->call_key.low) };
    hex_print(&out, (const uint8_t *)key, sizeof key);
}

static void identify(struct delivery *d)
{
    if (delivery_is_understood(d)) {
        struct buffer dedupe = buffer_over(d->dedupe, sizeof d->dedupe - 1);
        retell_event_dedupe(&d->event, &dedupe);
        d->call_key = call_key(d->workspace_id, d->event.call_id);
    } else {
        d->call_key = key_of_body(d);
    }
    d->identity = identity_of(d);
    print_correlation_id(d);
}

/* -- at the door again -- */

void delivery_give_back(struct delivery *d)
{
    struct webhook_door *door = d->door;
    ensure_magic(d, delivery_magic);
    ensure_on(door->shard);
    if (delivery_is_understood(d)) retell_event_release(&d->event, door->config.heap);
    heap_release(door->config.heap, d->body.start, d->body.capacity);
    d->magic = 0;
    pool_release(&door->deliveries, d);
    gauge_set(&door->counters.under_way, door->deliveries.used);
}

static void one_is_back(struct delivery *d)
{
    ensure(d->out > 0);
    d->out -= 1;
    if (d->out == 0) delivery_give_back(d);
}

static void travel_came_home(struct shard *at, struct envelope *e)
{
    struct delivery *d = container_of(e, struct delivery, travel);
    ensure_magic(d, delivery_magic);
    if (d->replayed) replay_came_home(webhook_door_of(at)->replay, d);
    else one_is_back(d);
}

static void answer_came_home(struct shard *at, struct envelope *e)
{
    struct delivery *d = container_of(e, struct delivery, answer);
    struct webhook_door *door = webhook_door_of(at);
    struct webhook_counters *count = &door->counters;
    counter_add(d->status == 204 ? &count->answered_204 : &count->refused_503, 1);
    (void)http_respond_status(door->server, d->exchange, d->status);
    histogram_record(&count->answer_us, at->now_us > d->complete_at_us ? at->now_us - d->complete_at_us : 0);
    one_is_back(d);
}

/* -- where the call lives -- */

static void answer(struct webhook_door *home, struct delivery *d, uint16_t status)
{
    d->status = status;
    if (!d->replayed) envelope_return(home->shard, &d->answer);
}

static void send_home(struct webhook_door *home, struct delivery *d) { envelope_return(home->shard, &d->travel); }

static void refuse(struct webhook_door *home, struct delivery *d)
{
    answer(home, d, 503);
    send_home(home, d);
}

static void refuse_for_lack_of_room(struct webhook_door *home, struct delivery *d, struct counter *what_is_full)
{
    counter_add(what_is_full, 1);
    refuse(home, d);
}

static void retire(struct webhook_door *home, struct delivery *d)
{
    if (d->replayed) journal_recovery_retire(home->config.recovery, d->recovered);
    else journal_retire(home->config.journal, d->entry.position);
}

void delivery_settled(struct delivery *d, enum mail_end end)
{
    struct webhook_door *home = webhook_door_of(shard_here());
    switch (end) {
    case MAIL_KEPT: dedupe_forget(&home->dedupe, d->identity); [[fallthrough]]; /* sent again, it may find its tenant */
    case MAIL_FILED: retire(home, d); break;
    case MAIL_LEFT: break;
    }
    send_home(home, d);
}

static void letter_done(struct call_mail *m, enum mail_end end) { delivery_settled(container_of(m, struct delivery, mail), end); }

static void deliver(struct webhook_door *home, struct delivery *d)
{
    if (!delivery_is_understood(d)) {
        quarantine_put(home, d);
        return;
    }
    d->mail = (struct call_mail){
        .event = &d->event, .dedupe = slice_from_text(d->dedupe), .correlation_id = slice_from_text(d->correlation_id),
        .workspace_id = d->workspace_id, .received_at_us = d->received_at_us, .done = letter_done,
    };
    call_post(home->config.calls, d->call_key, &d->mail);
}

static void journalled(struct journal_entry *e)
{
    struct delivery *d = container_of(e, struct delivery, entry);
    struct webhook_door *home = webhook_door_of(shard_here());
    counter_add(&home->counters.journalled, 1);
    histogram_record(&home->counters.durable_us, home->shard->now_us - d->appended_at_us);
    dedupe_remember(&home->dedupe, d->identity);
    answer(home, d, 204);
    deliver(home, d);
}

static void append(struct webhook_door *home, struct delivery *d)
{
    d->entry = (struct journal_entry){
        .type = JOURNAL_WEBHOOK, .provider = PROVIDER_RETELL, .call_key = d->call_key, .workspace_id = (uint64_t)d->workspace_id,
        .received_at_us = d->received_at_us, .meta = slice_absent, .body = slice_from(d->body.start, d->body.length), .done = journalled,
    };
    d->appended_at_us = home->shard->now_us;
    journal_append(home->config.journal, &d->entry);
}

/* Everything that the event will need is reserved before it is promised. */
static void settle(struct shard *at, struct envelope *e)
{
    struct delivery *d = container_of(e, struct delivery, travel);
    struct webhook_door *home = webhook_door_of(at);
    struct webhook_counters *count = &home->counters;
    ensure_magic(d, delivery_magic);

    if (!d->replayed && dedupe_knows(&home->dedupe, d->identity)) {
        counter_add(&count->duplicates, 1);
        answer(home, d, 204);
        send_home(home, d);
        return;
    }
    if (home->draining || !home->config.directory->current) return refuse(home, d); /* the door has tenants, and here the first ones are still on their way */
    if (delivery_is_understood(d) && !call_admit(home->config.calls, d->call_key, d->workspace_id, d->event.call_id))
        return refuse_for_lack_of_room(home, d, &count->full_calls);
    if (d->replayed) {
        counter_add(&count->replayed, 1);
        answer(home, d, 204);
        deliver(home, d);
        return;
    }
    if (journal_admit(home->config.journal, d->body.length) != JOURNAL_ADMITTED) {
        if (delivery_is_understood(d)) call_dismiss(home->config.calls, d->call_key);
        return refuse_for_lack_of_room(home, d, &count->full_journal);
    }
    append(home, d);
}

/* The answer's envelope only waits at the call's home until it is needed. */
static void answer_waits(struct shard *at, struct envelope *e)
{
    (void)at;
    (void)e;
}

/* By the time it is settled, after all that has come in this turn, what settles it is in the cache. Of another shard's memory we know nothing. */
static void prefetch(const struct webhook_door *home, const struct delivery *d)
{
    dedupe_prefetch(&home->dedupe, d->identity);
    call_prefetch(home->config.calls, d->call_key);
}

void delivery_travel(struct delivery *d)
{
    struct shard *s = d->door->shard;
    ensure_on(s);
    identify(d);
    uint16_t home = shard_home_of(s->group, d->call_key);
    if (home == s->index) prefetch(d->door, d);
    d->out = d->replayed ? 1 : 2;
    if (!d->replayed) envelope_send(s, &d->answer, home, answer_waits, answer_came_home);
    envelope_send(s, &d->travel, home, settle, travel_came_home);
}

/* -- the end -- */

void webhook_door_drain(struct webhook_door *d)
{
    d->draining = true;
    quarantine_drain(d);
}

void webhook_door_close(struct webhook_door *d)
{
    ensure_magic(d, webhook_door_magic);
    dedupe_deinit(&d->dedupe);
    pool_deinit(&d->deliveries);
    d->shard->webhooks = nullptr;
    d->magic = 0;
}
