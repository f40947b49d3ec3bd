#include "db/steady.h"

#include "base/clock.h"

constexpr uint32_t steady_retry_ms_min = 10, steady_retry_ms_max = 1'000;

static void ask(struct steady_unit *u);
static void asked_when_up(struct db_waiter *w) { ask(container_of(w, struct steady_unit, waiter)); }
static void asked_after_wait(struct timer *t) { ask(container_of(t, struct steady_unit, timer)); }

static void ask_later(struct steady_unit *u)
{
    uint32_t doublings = u->tries < 7 ? u->tries : 7;
    uint32_t wait_ms = steady_retry_ms_min << doublings;
    if (wait_ms > steady_retry_ms_max) wait_ms = steady_retry_ms_max;
    u->tries += 1;
    timer_start(&u->shard->timers, &u->timer, u->shard->now_us + wait_ms * UINT64_C(1000), asked_after_wait);
}

static void end(struct steady_unit *u, bool given_up)
{
    u->running = false;
    u->given_up = given_up;
    u->done(u);
}

static void answered(struct db_unit *unit)
{
    struct steady_unit *u = container_of(unit, struct steady_unit, unit);
    switch (unit->outcome) {
    case DB_OK:
    case DB_CONFLICT:
    case DB_REJECTED:
        end(u, false);
        return;
    case DB_UNAVAILABLE:
        if (u->shard->stopping) return end(u, true);
        u->tries += 1;
        db_pool_when_up(u->pool, &u->waiter);
        return;
    case DB_BUSY:
    case DB_TRY_AGAIN:
        if (u->shard->stopping) return end(u, true);
        ask_later(u);
        return;
    }
    ensure(false);
}

static void ask(struct steady_unit *u)
{
    ensure(u->running);
    db_unit_release(&u->unit);
    db_submit(u->pool, &u->unit, answered);
}

void steady_submit(struct steady_unit *u, struct shard *s, struct db_pool *p, steady_unit_done *done)
{
    ensure_on(s);
    ensure(!u->running && u->unit.call_count > 0);
    u->shard = s;
    u->pool = p;
    u->done = done;
    u->waiter.up = asked_when_up;
    u->tries = 0;
    u->given_up = false;
    u->running = true;
    ask(u);
}

bool steady_abandon(struct steady_unit *u)
{
    if (!u->running) return true;
    bool waits = timer_is_running(&u->timer) || list_node_is_linked(&u->waiter.node);
    if (!waits) return false;
    timer_stop(&u->shard->timers, &u->timer);
    if (list_node_is_linked(&u->waiter.node)) db_pool_forget(u->pool, &u->waiter);
    u->running = false;
    return true;
}
