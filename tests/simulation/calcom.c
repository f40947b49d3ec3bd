/* tests/simulation/calcom.c: the simulated Cal.com as a process of the world: ringsim's own logic on a shard of its own. Faults are given to it from outside; what its
 * people do is written down from outside and done on its shard a moment later, for it is told to subscribers. What it held when it stopped is copied, so that it can be walked until the world ends. */
#include <stdlib.h>
#include "base/ensure.h"
#include "sim/host.h"
#include "sim/request_log.h"
#include "sim/simulator.h"
#include "world.h"

constexpr int64_t minute_us = 60'000'000, hour_us = 60 * minute_us;
constexpr uint64_t edits_every_us = 50'000;

/* In the world's memory: the process may be over when somebody asks. */
static struct cal_com {
    struct simulator         simulator;
    struct simulator_config  config;
    struct shard_group       group;
    struct fiber            *main;
    bool                     is_open, is_to_stop;
    bool                     has_fault[PLAN_FAULTS_MAX];
    struct timer             edits_timer; /* until the calm */
    uint32_t                 edits[HOST_EDITS]; /* not done yet, by what they are */
    struct booking_at_calcom *kept; /* at its end */
    uint32_t                 kept_count, overshoots;
    uint64_t                 faults_met[SIM_FAULT_COUNT];
    struct webhooks_of_calcom webhooks;
} calcom;

/* -- faults: each until its own end -- */

static void apply_fault(const struct planned_fault *f)
{
    struct sim_refusal refusal;
    if (!calcom.is_open) return; /* its start does it */
    if (!simulator_add_fault(&calcom.simulator, slice_from_text(f->rule), &refusal)) world_broken("the plan's faults are rules of the simulator", "f%u: %s", f->number, refusal.message);
}

static void apply_faults(void)
{
    for (uint32_t n = 0; n < world.plan.fault_count; n++)
        if (calcom.has_fault[n]) apply_fault(&world.plan.faults[n]);
}

void calcom_add_fault(const struct planned_fault *f)
{
    calcom.has_fault[f->number] = true;
    apply_fault(f);
}

/* A lock lasts until Cal.com's support has been spoken with: that is done now. */
static void unlock(struct limiter *l)
{
    if (l->state == LIMITER_LOCKED) l->state = LIMITER_OPEN, l->used = 0;
}

void calcom_clear_faults(void)
{
    for (uint32_t n = 0; n < world.plan.fault_count; n++) calcom.has_fault[n] &= !world.is_calm && world.plan.faults[n].until_us > world_now_us();
    if (!calcom.is_open) return;
    faults_clear(&calcom.simulator.faults);
    apply_faults();
    for (uint32_t n = 0; n < calcom.simulator.world.account_count; n++) unlock(&calcom.simulator.world.accounts[n].limiter);
}

/* -- what is there -- */

/* The engine cancels doubles, and says so. Everybody else who ends or moves one is a host. */
static bool is_double(const struct sim_booking *b) { return !booking_is_live(b) && slice_equal(b->cancellation_reason, slice_of("duplicate of the same request")); }
static bool is_by_host(const struct sim_booking *b) { return b->rescheduled_from || b->rescheduled_to || (!booking_is_live(b) && !is_double(b)); }

static const char *text_of(struct slice s)
{
    char *text = calloc(1, s.length + 1);
    ensure(text);
    if (s.length) memcpy(text, s.start, s.length);
    return text;
}

/* Its texts are the world's own: whoever walks may keep them. */
static struct booking_at_calcom shown(const struct sim_booking *b)
{
    return (struct booking_at_calcom){
        .uid = b->uid, .reference = text_of(b->engine_reference), .status = sim_status_name(b->status), .event_type = b->type->id, .starts_at_us = b->starts_at_us,
        .ends_at_us = b->ends_at_us, .host = b->hosts[0]->id, .attendee_email = text_of(b->attendee_email), .by_host = is_by_host(b), .is_double = is_double(b),
    };
}

static void forget_shown(struct booking_at_calcom *b)
{
    free((char *)b->reference);
    free((char *)b->attendee_email);
}

void calcom_each_booking(void (*each)(void *context, const struct booking_at_calcom *b), void *context)
{
    for (uint32_t n = 0; n < calcom.kept_count; n++) each(context, &calcom.kept[n]);
    if (!calcom.is_open) return;
    for (const struct sim_booking *b = world_next_booking(&calcom.simulator.world, nullptr); b; b = world_next_booking(&calcom.simulator.world, b)) {
        struct booking_at_calcom row = shown(b);
        each(context, &row);
        forget_shown(&row);
    }
}

uint64_t calcom_fault_met(enum sim_fault f) { return calcom.is_open ? calcom.simulator.faults.met[f] : calcom.faults_met[f]; }

struct webhooks_of_calcom calcom_webhooks(void)
{
    if (!calcom.is_open) return calcom.webhooks;
    return (struct webhooks_of_calcom){ calcom.simulator.webhooks_delivered, calcom.simulator.webhooks_lost };
}

uint32_t calcom_overshoots(void)
{
    uint32_t overshoots = calcom.overshoots;
    for (uint32_t n = 0; calcom.is_open && n < calcom.simulator.world.account_count; n++) overshoots += calcom.simulator.world.accounts[n].limiter.overshoots;
    return overshoots;
}

void calcom_each_new_request(void (*each)(void *context, uint32_t account, int64_t at_us), void *context)
{
    static uint64_t seen;
    struct sim_request_log *l = &calcom.simulator.log;
    while (calcom.is_open && seen < l->count) {
        const struct sim_log_entry *e = request_log_find(l, ++seen);
        if (e && e->account >= 0) each(context, (uint32_t)e->account, e->at_us);
    }
}

static void keep_everything(void)
{
    memcpy(calcom.faults_met, calcom.simulator.faults.met, sizeof calcom.faults_met);
    calcom.webhooks = calcom_webhooks();
    calcom.overshoots = calcom_overshoots();
    struct booking_at_calcom *kept = calloc(calcom.simulator.world.booking_count + 1, sizeof *kept);
    ensure(kept);
    uint32_t count = 0;
    for (const struct sim_booking *b = world_next_booking(&calcom.simulator.world, nullptr); b; b = world_next_booking(&calcom.simulator.world, b)) {
        kept[count] = shown(b);
        kept[count++].uid = text_of(slice_from_text(b->uid));
    }
    calcom.kept = kept;
    calcom.kept_count = count;
    calcom.is_open = false;
}

/* -- what hosts do -- */

/* One of the engine's live ones; nullptr: there is none. */
static struct sim_booking *draw_booking(void)
{
    struct sim_world *w = &calcom.simulator.world;
    struct sim_booking *drawn = nullptr;
    uint64_t seen = 0;
    for (uint32_t n = 0; n < w->booking_count; n++)
        if (booking_is_live(&w->bookings[n]) && dice_between(DIE_WORKLOAD, 0, seen++) == 0) drawn = &w->bookings[n];
    return drawn;
}

static void block(void)
{
    struct sim_world *w = &calcom.simulator.world;
    struct sim_user *u = &w->users[dice_between(DIE_WORKLOAD, 0, w->user_count - 1)];
    int64_t from_us = world_wall_us() + (int64_t)dice_between(DIE_WORKLOAD, 0, 72) * hour_us;
    trace("host %lld is busy", (long long)u->id);
    (void)host_add_busy(u, (struct sim_stretch){ from_us, from_us + (int64_t)dice_between(DIE_WORKLOAD, 1, 4) * hour_us });
}

/* Somebody goes through all that waits for a word. */
static void settle_pending(void)
{
    struct sim_world *w = &calcom.simulator.world;
    for (uint32_t n = 0; n < w->booking_count; n++) {
        if (w->bookings[n].status != SIM_PENDING) continue;
        bool accepted = dice_happens(DIE_WORKLOAD, 0.7);
        trace("host %s %s", accepted ? "accepts" : "rejects", w->bookings[n].uid);
        ensure(host_settle(&calcom.simulator, &w->bookings[n], accepted));
    }
}

static void cancel_or_move(bool moves)
{
    struct sim_booking *b = draw_booking(), *moved;
    if (!b) return;
    trace("host %s %s", moves ? "moves" : "cancels", b->uid);
    if (moves) (void)host_move(&calcom.simulator, b, b->starts_at_us + (int64_t)dice_between(DIE_WORKLOAD, 1, 8) * 15 * minute_us, &moved);
    else host_cancel(&calcom.simulator, b, slice_absent);
}

void calcom_host_edits(enum host_edit what) { calcom.edits[what] += 1; }

static void edit(enum host_edit what)
{
    switch (what) {
    case HOST_CANCELS:
    case HOST_MOVES:            cancel_or_move(what == HOST_MOVES); return;
    case HOST_IS_BUSY:          block(); return;
    case HOST_SETTLES_PENDING:  settle_pending(); return;
    case HOST_EDITS:            break;
    }
    ensure(false);
}

static void do_edits(struct timer *t)
{
    for (uint64_t what = 0; what < HOST_EDITS; what++)
        for (; calcom.edits[what] > 0; calcom.edits[what]--) edit((enum host_edit)what);
    if (!world.is_calm) timer_start(&calcom.simulator.shard->timers, t, calcom.simulator.shard->now_us + edits_every_us, do_edits);
}

/* -- its process -- */

static bool start(struct shard *s, void *)
{
    struct simulator_error error;
    s->resident = &calcom.simulator;
    if (!simulator_open(&calcom.simulator, s, &calcom.config, &error)) world_broken("the plan's world file is one", "%s", error.text);
    calcom.simulator.world.settings = world.plan.calcom;
    calcom.is_open = true;
    apply_faults();
    timer_start(&s->timers, &calcom.edits_timer, s->now_us + edits_every_us, do_edits);
    return true;
}

static void stop(struct shard *s)
{
    timer_stop(&s->timers, &calcom.edits_timer);
    simulator_stop(s->resident);
}

static void finish(struct shard *s)
{
    keep_everything();
    simulator_close(s->resident);
}

static void run(void *)
{
    struct io_refusal refusal;
    const struct shard_config config = { .io = { ring_entries, 256, receive_buffer_bytes }, .start = start, .stop = stop, .finish = finish };
    calcom.config.worker = worker_start(&calcom.group);
    ensure(calcom.config.worker);
    if (!shard_group_start(&calcom.group, 1, &config, &refusal)) world_broken("the simulators start", "Cal.com: %s", refusal.text);
    while (!calcom.is_to_stop) fiber_wait();
    shard_group_stop(&calcom.group);
    shard_group_join(&calcom.group);
    worker_stop(calcom.config.worker);
}

void calcom_process_start(void)
{
    calcom.config = (struct simulator_config){ .world = plan_world_file(&world.plan), .seed = world.plan.seed, .calcom_port = world.calcom_port,
                                               .tls = world.plan.tls ? world_identity : nullptr, .subscriber_trust = world_trust };
    world.calcom = process_start("calcom", nullptr, run, nullptr);
    calcom.main = process_main(world.calcom);
}

void calcom_process_stop(void)
{
    calcom.is_to_stop = true;
    fiber_ready(calcom.main);
}
