#include "shard/envelope.h"
#include "io/doorbell.h"
#include "limits.h"
#include "shard/shard.h"
#include "shard/wake.h"

/* The shard's own queue: what was taken from its inbox, and what it sends to itself. One queue, so the order is one. */
static void queue(struct shard *s, struct envelope *e)
{
    e->next = nullptr;
    if (s->arrived_last) s->arrived_last->next = e;
    else s->arrived_first = e;
    s->arrived_last = e;
}

static struct envelope *unqueue(struct shard *s)
{
    struct envelope *e = s->arrived_first;
    if (e == nullptr) return nullptr;
    s->arrived_first = e->next;
    if (s->arrived_first == nullptr) s->arrived_last = nullptr;
    return e;
}

/* After the push the envelope is no longer ours to look at. */
static void post(struct shard *from, struct envelope *e, uint16_t to)
{
    counter_add(&from->envelopes_sent, 1);
    if (to == from->index) queue(from, e);
    else if (inbox_push(&from->group->shards[to]->inbox, e)) wake_later(from, to);
}

void envelope_lend(struct shard *from, struct envelope *e, envelope_arrived *came_home)
{
    ensure_on(from);
    ensure(!e->travelling && came_home != nullptr);
    e->home = from->index;
    e->came_home = came_home;
    e->travelling = true;
    e->returning = false;
    shard_hold(from); /* until it is back */
}

void envelope_send(struct shard *from, struct envelope *e, uint16_t to, envelope_arrived *arrived, envelope_arrived *came_home)
{
    ensure_on(from);
    ensure(!e->travelling && arrived != nullptr && to < from->group->count);
    if (came_home) envelope_lend(from, e, came_home);
    else *e = (struct envelope){ .home = from->index };
    e->arrived = arrived;
    post(from, e, to);
}

void envelope_return(struct shard *at, struct envelope *e)
{
    ensure_on(at);
    ensure(e->travelling && !e->returning);
    e->returning = true;
    post(at, e, e->home);
}

/* Once pushed, the envelope may bring its shard's end about, and the shard would be freed under our wake: `outsiders` keeps it until we
 * are through. The push's release carries the increment to whoever joins; ours at the end lets the wake happen before the freeing. */
void envelope_post_from_outside(struct shard_group *g, struct envelope *e, uint16_t to)
{
    atomic_fetch_add_explicit(&g->outsiders, 1, memory_order_relaxed);
    struct shard *target = g->shards[to];
    if (inbox_push(&target->inbox, e)) doorbell_ring(target->doorbell);
    atomic_fetch_sub_explicit(&g->outsiders, 1, memory_order_release);
}

void envelope_return_from_outside(struct shard_group *g, struct envelope *e)
{
    ensure(e->travelling && !e->returning);
    e->returning = true;
    envelope_post_from_outside(g, e, e->home);
}

static void handle(struct shard *s, struct envelope *e)
{
    if (!e->returning) {
        e->arrived(s, e);
        return;
    }
    ensure(e->home == s->index && e->travelling);
    e->travelling = e->returning = false;
    e->came_home(s, e); /* its owner may die here */
    shard_release(s);
}

uint32_t envelope_handle_arrivals(struct shard *s)
{
    struct envelope *next;
    for (struct envelope *e = inbox_take_all(&s->inbox); e != nullptr; e = next) {
        next = e->next;
        queue(s, e);
    }

    /* What handling sends to ourselves queues up behind `last` and comes next turn, so two envelopes that answer each other do not hold it up. */
    struct envelope *last = s->arrived_last;
    uint32_t handled = 0;
    for (struct envelope *e = nullptr; e != last && handled < shard_envelopes_per_turn_max; handled++) {
        e = unqueue(s);
        handle(s, e);
    }
    return handled;
}
