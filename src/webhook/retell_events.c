/* webhook/retell_events.c: what happens to a Retell event, from the last body byte to the 2xx. START READING HERE.
 *
 *   on the shard that holds the socket (this file)                     on the call's home shard (intake.c)
 *   find_workspace → verify_signature → take_delivery → decode ──hop──► settle: duplicate? room? → journal_append ...
 *                                                                        ... journalled → deliver → answer ──hop──► socket
 *
 * Bytes that do not verify never reach another core or the JSON parser. The body is copied twice before the answer: from the kernel's buffers into its own
 * memory, and from there into the journal's batch. It is parsed once.
 */
#include "webhook/retell_events.h"

#include "base/buffer.h"
#include "base/clock.h"
#include "base/hmac.h"
#include "base/log.h"
#include "retell/signature.h"

constexpr uint64_t unverified_silence_us = 1'000'000;
static const struct slice signature_header = { "x-retell-signature", sizeof "x-retell-signature" - 1 };

static void answer(struct webhook_door *door, const struct http_request *r, uint16_t status, struct counter *why)
{
    counter_add(why, 1);
    (void)http_respond_status(door->server, r->exchange, status);
}

static const struct workspace *find_workspace(const struct tenant_snapshot *t, struct slice token)
{
    return slice_is_absent(token) ? tenant_default_workspace(t) : tenant_find_workspace(t, token);
}

/* Anybody can send these, without knowing anything: the log grows by a line a second at most, and the counters tell the rest. */
static void tell_unverified(struct webhook_door *door, const struct workspace *w, enum signature_verdict verdict)
{
    if (door->shard->now_us < door->unverified_silent_until_us) return;
    door->unverified_silent_until_us = door->shard->now_us + unverified_silence_us;
    log_event(LOG_WARNING, "webhook_unverified", log_integer("workspace", w->id), log_cstring("verdict", signature_verdict_name(verdict)));
}

static bool verify_signature(struct webhook_door *door, const struct http_request *r, const struct workspace *w, uint64_t *verified_at_us)
{
    uint64_t began_at_us = clock_monotonic_us();
    uint32_t count;
    struct slice value = http_request_header(r, signature_header, &count);
    enum signature_verdict verdict = retell_signature_verify(value, count, r->body, w->keys, w->key_count, door->shard->wall_us / 1'000);
    counter_add(&door->counters.verdicts[verdict], 1);
    *verified_at_us = clock_monotonic_us();
    histogram_record(&door->counters.verify_us, *verified_at_us - began_at_us);
    if (verdict == SIGNATURE_VALID) return true;
    tell_unverified(door, w, verdict);
    return false;
}

static struct delivery *take_delivery(struct webhook_door *door, struct http_request *r, const struct workspace *w)
{
    struct delivery *d = pool_acquire(&door->deliveries);
    if (!d) return nullptr;
    d->magic = delivery_magic;
    d->door = door;
    d->workspace_id = w->id;
    d->exchange = r->exchange;
    d->complete_at_us = r->complete_at_us;
    d->received_at_us = door->shard->wall_us;
    d->body = http_request_take_body(r);
    gauge_set(&door->counters.under_way, door->deliveries.used);
    return d;
}

/* Signed, so kept, whatever it says. Only memory may be missing. */
static bool decode(struct webhook_door *door, struct delivery *d, uint64_t began_at_us)
{
    d->reading = retell_event_decode(&d->event, slice_from(d->body.start, d->body.length), door->config.heap);
    histogram_record(&door->counters.decode_us, clock_monotonic_us() - began_at_us);
    return d->reading != RETELL_NO_MEMORY;
}

void webhook_receive_event(struct webhook_door *door, struct http_request *r, struct slice token)
{
    ensure_magic(door, webhook_door_magic);
    struct webhook_counters *count = &door->counters;
    const struct tenant_snapshot *tenants = door->config.directory->current;
    if (!tenants || door->draining) return answer(door, r, 503, &count->refused_503);

    const struct workspace *w = find_workspace(tenants, token);
    if (!w) return answer(door, r, 404, &count->refused_404);
    uint64_t verified_at_us; /* and decoding begins: the clock is read once for both */
    if (!verify_signature(door, r, w, &verified_at_us)) return answer(door, r, 401, &count->refused_401);

    struct delivery *d = take_delivery(door, r, w);
    if (!d) {
        counter_add(&count->full_deliveries, 1);
        return answer(door, r, 503, &count->refused_503);
    }
    if (!decode(door, d, verified_at_us)) {
        counter_add(&count->full_memory, 1);
        delivery_give_back(d);
        return answer(door, r, 503, &count->refused_503);
    }
    counter_add(&count->accepted, 1);
    delivery_travel(d);
}
