#include "sim/host.h"
#include "base/ensure.h"
#include "sim/calendar.h"
#include "sim/workspace.h"

struct sim_errand {
    struct list_node    node;
    struct timer        timer;
    struct simulator   *simulator;
    struct sim_booking *booking;   /* rows stay until a reset, and errands do not outlive one */
    enum sim_host_act   act;
};

static const struct sim_cause nobody = { 0 };

void hosts_open(struct simulator *s)
{
    pool_init(&s->errands, "errands of hosts", sizeof(struct sim_errand), sim_errands_max);
    list_init(&s->errands_waiting);
}

static void end_errand(struct sim_errand *e)
{
    struct simulator *s = e->simulator;
    timer_stop(&s->shard->timers, &e->timer);
    list_remove(&s->errands_waiting, &e->node);
    pool_release(&s->errands, e);
}

void hosts_forget(struct simulator *s)
{
    struct list_node *n;
    while ((n = list_first(&s->errands_waiting))) end_errand(container_of(n, struct sim_errand, node));
}

/* -- what they do -- */

void host_cancel(struct simulator *s, struct sim_booking *b, struct slice reason)
{
    booking_cancel_by_host(&s->world, b, slice_is_empty(reason) ? slice_of("the host cancelled") : reason, simulator_time_us(s));
    webhooks_send(s, SIM_BOOKING_CANCELLED, b, &nobody);
}

bool host_settle(struct simulator *s, struct sim_booking *b, bool accepted)
{
    if (!booking_confirm_by_host(b, accepted, simulator_time_us(s))) return false;
    webhooks_send(s, accepted ? SIM_BOOKING_CREATED : SIM_BOOKING_REJECTED, b, &nobody);
    return true;
}

bool host_move(struct simulator *s, struct sim_booking *b, int64_t starts_at_us, struct sim_booking **moved)
{
    const struct sim_move move = { .starts_at_us = starts_at_us, .reason = slice_of("the host moved it"), .by = b->hosts[0]->email, .unchecked = true };
    struct sim_refusal refusal;
    *moved = booking_reschedule(&s->world, b, &move, simulator_time_us(s), &refusal);
    if (!*moved) return false;
    (*moved)->committed_at_us = s->shard->wall_us;
    webhooks_send(s, SIM_BOOKING_RESCHEDULED, *moved, &nobody);
    return true;
}

bool host_reassign(struct simulator *s, struct sim_booking *b, struct sim_user *to) { return booking_reassign_by_host(b, to, simulator_time_us(s)); }

bool host_add_busy(struct sim_user *u, struct sim_stretch busy)
{
    if (u->busy_count == sim_busy_max) return false;
    u->busy[u->busy_count++] = busy;
    return true;
}

/* -- in a moment -- */

/* To the next start that is offered after its own; without one in a month, by a day. */
static int64_t next_start(struct simulator *s, const struct sim_booking *b)
{
    static const int64_t day_us = INT64_C(24) * 3600 * 1'000'000;
    struct sim_stretch month = { b->starts_at_us + 1, b->starts_at_us + 30 * day_us };
    int64_t *starts_us = s->world.workspace->starts_us;
    uint32_t count = event_type_slots(&s->world, b->type, month, s->shard->wall_us, nullptr, starts_us, sim_slots_max);
    return count > 0 ? starts_us[0] : b->starts_at_us + day_us;
}

static void act_now(struct simulator *s, struct sim_booking *b, enum sim_host_act act)
{
    struct sim_booking *moved;
    if (!booking_is_live(b)) return; /* somebody else was faster */
    switch (act) {
    case SIM_HOST_RESTS:
    case SIM_HOST_BECOMES_BUSY: return; /* not about a booking */
    case SIM_HOST_CANCELS:      host_cancel(s, b, slice_of("changed my mind")); return;
    case SIM_HOST_MOVES:        (void)host_move(s, b, next_start(s, b), &moved); return;
    case SIM_HOST_CONFIRMS:     (void)host_settle(s, b, true); return;
    case SIM_HOST_DECLINES:     (void)host_settle(s, b, false); return;
    }
    ensure(false);
}

static void moment_came(struct timer *t)
{
    struct sim_errand *e = container_of(t, struct sim_errand, timer);
    act_now(e->simulator, e->booking, e->act);
    end_errand(e);
}

void host_act_later(struct simulator *s, struct sim_booking *b, enum sim_host_act act, uint32_t after_ms)
{
    if (act == SIM_HOST_RESTS) return;
    if (after_ms == 0) return act_now(s, b, act);
    struct sim_errand *e = pool_acquire(&s->errands);
    if (!e) return; /* limits.h */
    e->simulator = s;
    e->booking = b;
    e->act = act;
    list_push_back(&s->errands_waiting, &e->node);
    timer_start(&s->shard->timers, &e->timer, s->shard->now_us + after_ms * UINT64_C(1000), moment_came);
}
