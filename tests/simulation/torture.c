/* tests/simulation/torture.c: a world of two whole calls that end in a booking, one told in full and one by its analysis alone, which nothing else makes good.
 * Nothing is wrong in it but one thing: the n-th allocation, operation of a ring, unit of the database, descriptor or thread of the engine fails. The promises must
 * hold for every n. An engine that cannot start may say so and end; whoever restarts it does. One that serves has to go on, or end itself where the contract says so
 * (a journal that cannot write). */
#include "base/ensure.h"
#include "process.h"
#include "world.h"

static constexpr uint64_t second_us = 1'000'000;

static struct process   *tortured;
static enum seam_failure what;
static struct event      settled;
static uint64_t          counted;

static bool is_whole(const struct planned_call *c)
{
    enum { ALL = 1 << SCRIPT_STARTED | 1 << SCRIPT_ENDED | 1 << SCRIPT_ANALYZED };
    return c->wants_booking && c->starts_at_us != 0 && c->name[0] && c->from[0] == '+' && c->names_service && !c->unknown_number && c->tells == ALL && !c->body_is_long;
}

static void tell(struct planned_call *c, const struct plan *p, uint8_t tells, uint64_t after_us)
{
    if (c->is_late) plan_print_number(c->to, p, c->company, 0); /* nothing changes here */
    c->tells = tells;
    c->repeats = c->bogus = 0;
    c->reorders = false;
    c->begins_at_us = world_begins_at_us + after_us;
    c->duration_ms = 10'000;
}

/* Calm, and everybody stays at home but the first two whole callers. */
void torture_plan(struct plan *p)
{
    p->network = (struct network_climate){ .latency_us = p->network.latency_us, .segment_bytes_max = p->network.segment_bytes_max, .window_bytes = p->network.window_bytes };
    p->disk = (struct disk_climate){ .write_us = p->disk.write_us, .sync_us = p->disk.sync_us, .capacity_bytes = p->disk.capacity_bytes };
    p->database = (struct database_climate){ .connect_us = p->database.connect_us, .unit_us = p->database.unit_us };
    p->fault_count = p->incident_count = 0;
    p->stalls_per_step = 0;
    uint32_t callers = 0;
    for (uint32_t n = 0; n < p->call_count; n++) {
        struct planned_call *c = &p->calls[n];
        c->is_left_out = callers == 2 || !is_whole(c);
        if (c->is_left_out) continue;
        if (callers == 0) tell(c, p, c->tells, 5 * second_us);
        else tell(c, p, 1 << SCRIPT_ANALYZED, 25 * second_us);
        callers += 1;
    }
    ensure(callers == 2); /* there are fifty callers at least; another seed has two */
    p->calm_at_us = world_begins_at_us + 90 * second_us; /* told, filed and booked */
    p->ends_at_us = p->calm_at_us + 900 * second_us;     /* whatever was put off for minutes has come up again, and the call is forgotten */
}

/* What comes later is sweeps, one like the other. */
static void count(struct event *) { counted = process_is_over(tortured) ? 0 : seam_count(tortured, what); }

/* That there was no memory for what it needs to start is the engine's right to say. */
static bool has_not_started(void) { return process_here() == tortured && !engine_process_serves(); }

void torture_begin(const struct world_options *o)
{
    if (!o->is_torture) return;
    tortured = world.engine;
    what = o->tortures;
    seam_fail_nth(tortured, what, o->nth);
    process_may_abort = has_not_started;
    event_schedule(&settled, world.plan.calm_at_us, count);
}

uint64_t torture_counted(void) { return counted; }
bool torture_takes_memory(void) { return tortured && what == SEAM_ALLOCATION; }
