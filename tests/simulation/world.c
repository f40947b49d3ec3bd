/* tests/simulation/world.c: the life of one world: it begins, calls and incidents happen as planned, then all trouble ends, what is left is settled, and everything
 * stops of its own accord. Checkers look meanwhile and at the end. */
#include "world.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "base/ensure.h"
#include "base/hmac.h"

struct world world;
struct tls_client_config *world_trust;
struct tls_server_config *world_identity;
const char world_secret_text[] = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

static constexpr uint64_t second_us = 1'000'000, look_every_us = 500'000, restart_usual_us = 2 * second_us;

/* -- incidents -- */

struct incident_event { struct event event, ends; const struct planned_incident *incident; struct disk *disk; /* in service when it happened */ };
static struct incident_event incidents[PLAN_INCIDENTS_MAX];
static struct event          restart, calm, look, fault_ends[PLAN_FAULTS_MAX], fault_begins[PLAN_FAULTS_MAX];

static uint64_t incidents_met[INCIDENT_KIND_COUNT];

static void spoil_disk(const struct planned_incident *i)
{
    struct disk_climate c = world.plan.disk;
    if (i->kind == INCIDENT_DISK_FULL) c.full_per_write = 1.0, c.full_for_us = i->for_us;
    else c.fail_per_write = 0.2;
    disk_set_climate(world.disk, &c);
}

/* Of those that are a state of things; the others are over at once, or were told until when. */
static void end_incident(const struct incident_event *e)
{
    enum incident_kind kind = e->incident->kind;
    if (kind == INCIDENT_DATABASE_SLOW) database_slow_down(0);
    if (kind == INCIDENT_DISK_FULL || kind == INCIDENT_DISK_FAILS) disk_set_climate(e->disk, &world.plan.disk);
}

/* -- a machine that is taken for dead, and is not -- */

static struct event former_stops, former_dies;

static void former_died(struct event *) { process_kill(world.former_engine); }

/* It notices at last, and drains; what it holds of what was acknowledged is replayed from its disk later: see change_disks(). */
static void former_stopped(struct event *)
{
    engine_process_stop_former();
    event_schedule(&former_dies, world_now_us() + 30 * second_us, former_died);
}

static void hand_over(const struct planned_incident *i)
{
    if (world.former_engine || process_is_over(world.engine)) return; /* once in a world: there are two machines */
    world.other_disk = world.disk;
    process_freeze(world.engine, world_now_us() + i->for_us);
    event_schedule(&former_stops, world_now_us() + i->for_us + (uint64_t)i->extra, former_stopped);
    engine_process_hand_over(disk_new("other disk", &world.plan.disk));
}

/* The next start is on the other machine, which replays what it once acknowledged. */
static void change_disks(void)
{
    struct disk *disk = world.disk;
    if (!world.former_engine || !process_is_over(world.former_engine)) return;
    world.disk = world.other_disk;
    world.other_disk = disk;
}

static void happen(const struct planned_incident *i)
{
    incidents_met[i->kind] += 1;
    uint64_t until_us = world_now_us() + i->for_us;
    trace("incident %u: %s", i->number, incident_name(i->kind));
    switch (i->kind) {
    case INCIDENT_KILL_ENGINE:
        if (process_is_over(world.engine)) return;
        if (i->extra > 0) process_kill_at_seam(world.engine, (uint64_t)i->extra);
        else process_kill(world.engine);
        return;
    case INCIDENT_STOP_ENGINE:        engine_process_stop(); return;
    case INCIDENT_FREEZE_ENGINE:      process_freeze(world.engine, until_us); return;
    case INCIDENT_DATABASE_DOWN:      database_go_down(until_us); return;
    case INCIDENT_DATABASE_SLOW:      database_slow_down((uint64_t)i->extra); return;
    case INCIDENT_CALCOM_UNREACHABLE: network_partition(world.calcom_port, until_us, i->extra & 1); return;
    case INCIDENT_ENGINE_UNREACHABLE: network_partition(world.engine_port, until_us, i->extra & 1); return;
    case INCIDENT_DISK_FULL:
    case INCIDENT_DISK_FAILS:         spoil_disk(i); return;
    case INCIDENT_TENANTS_CHANGE:     world_change_tenants(); return;
    case INCIDENT_CLOCK_JUMPS:        process_shift_wall(world.engine, i->extra); return;
    case INCIDENT_HOST_EDITS:         calcom_host_edits((enum host_edit)i->extra); return;
    case INCIDENT_SHARDS_CHANGE:      world.shards = (uint32_t)i->extra; return;
    case INCIDENT_HAND_OVER:          hand_over(i); return;
    case INCIDENT_KIND_COUNT:         break;
    }
    ensure(false);
}

static void incident_ended(struct event *e) { end_incident(container_of(e, struct incident_event, ends)); }

static void incident_happened(struct event *e)
{
    struct incident_event *i = container_of(e, struct incident_event, event);
    i->disk = world.disk;
    happen(i->incident);
    if (i->incident->for_us > 0) event_schedule(&i->ends, world_now_us() + i->incident->for_us, incident_ended);
}

static void fault_begins_now(struct event *e) { calcom_add_fault(&world.plan.faults[e - fault_begins]); }
static void fault_ends_now(struct event *) { calcom_clear_faults(); }

static void schedule_trouble(void)
{
    struct plan *p = &world.plan;
    for (uint32_t n = 0; n < p->incident_count; n++) {
        if (p->incidents[n].is_left_out) continue;
        incidents[n].incident = &p->incidents[n];
        event_schedule(&incidents[n].event, p->incidents[n].at_us, incident_happened);
    }
    for (uint32_t n = 0; n < p->fault_count; n++) {
        if (p->faults[n].is_left_out) continue;
        event_schedule(&fault_begins[n], p->faults[n].at_us, fault_begins_now);
        if (p->faults[n].until_us > p->faults[n].at_us) event_schedule(&fault_ends[n], p->faults[n].until_us, fault_ends_now);
    }
}

void world_change_tenants(void)
{
    struct secret_key secret;
    ensure(secret_key_parse(slice_from_text(world_secret_text), &secret));
    struct slice tenants = plan_tenants(&world.plan, &secret, world.tenants_revision++);
    database_set_tenants(tenants.start, tenants.length);
}

/* -- whoever restarts the engine, as systemd would -- */

static void restarted(struct event *)
{
    static uint32_t starts_when_calm;
    if (!process_is_over(world.engine)) return;
    starts_when_calm += world.is_calm;
    if (starts_when_calm > 20) world_broken("a calm engine serves", "it was started %u times, and ended each time", starts_when_calm - 1);
    change_disks();
    engine_process_start();
}

static void restart_if_over(void)
{
    if (!process_is_over(world.engine) || event_is_to_come(&restart) || world.ends) return;
    event_schedule(&restart, world_now_us() + dice_delay_us(DIE_CRASHES, restart_usual_us), restarted);
}

static void look_again(struct event *)
{
    restart_if_over();
    checkers_look();
    event_schedule(&look, world_now_us() + look_every_us, look_again);
}

/* -- calm: every fault ends, what is out is let in -- */

/* Both machines have had their journals replayed after this, and each has been drained. */
static struct event machine_changes;
static uint32_t     changes_left = 2;

static void change_machine(struct event *)
{
    if (changes_left-- == 0) return;
    engine_process_stop();
    event_schedule(&machine_changes, world_now_us() + 600 * second_us, change_machine);
}

static void calm_down(struct event *)
{
    trace("calm");
    world.is_calm = true;
    fibers_stall(0);
    for (uint32_t n = 0; n < world.plan.incident_count; n++) {
        event_cancel(&incidents[n].event);
        event_cancel(&incidents[n].ends);
    }
    calcom_clear_faults();
    struct network_climate network = { .latency_us = world.plan.network.latency_us, .segment_bytes_max = 1 << 14, .window_bytes = 1 << 18 };
    struct disk_climate disk = { .write_us = world.plan.disk.write_us, .sync_us = world.plan.disk.sync_us, .capacity_bytes = world.plan.disk.capacity_bytes };
    struct database_climate database = { .connect_us = world.plan.database.connect_us, .unit_us = world.plan.database.unit_us };
    network_set_climate(&network);
    disk_set_climate(world.disk, &disk);
    database_set_climate(&database);
    database_slow_down(0);
    process_kill_at_seam(world.engine, 0);
    if (!world.former_engine) return;
    disk_set_climate(world.other_disk, &disk);
    process_kill_at_seam(world.former_engine, 0);
    event_schedule(&machine_changes, world_now_us() + 600 * second_us, change_machine);
}

/* -- figures -- */

static void count_delivery(void *context, const struct retell_delivery *d)
{
    struct world_figures *f = context;
    f->deliveries += 1;
    f->acknowledged += d->acknowledged;
}

static void count_booking(void *context, const struct booking_at_calcom *) { ((struct world_figures *)context)->bookings += 1; }

/* Of both machines, where there were two. */
static struct disk_counters disks(void)
{
    struct disk_counters d = disk_counters(world.disk), other = world.other_disk ? disk_counters(world.other_disk) : (struct disk_counters){};
    return (struct disk_counters){ d.writes + other.writes, d.torn + other.torn, d.lost + other.lost, d.garbled + other.garbled, d.full + other.full, d.failed + other.failed };
}

struct world_figures world_figures(void)
{
    struct network_counters n = network_counters();
    struct disk_counters d = disks();
    struct database_counters b = database_counters();
    struct world_figures f = {
        .engine_starts = world.engine_starts, .kills = incidents_met[INCIDENT_KILL_ENGINE], .drains = incidents_met[INCIDENT_STOP_ENGINE], .freezes = incidents_met[INCIDENT_FREEZE_ENGINE],
        .clock_jumps = incidents_met[INCIDENT_CLOCK_JUMPS], .tenant_changes = incidents_met[INCIDENT_TENANTS_CHANGE], .host_edits = incidents_met[INCIDENT_HOST_EDITS],
        .network_resets = n.resets, .network_half_opens = n.half_opens, .network_refused = n.refused + n.lost, .network_partitions = n.partitions,
        .disk_torn = d.torn, .disk_lost = d.lost, .disk_garbled = d.garbled, .disk_full = d.full, .disk_failed = d.failed, .database_downs = b.downs,
        .database_died_before = b.died_before, .database_died_after = b.died_after, .database_try_again = b.try_again, .database_slow = b.slow, .database_orphans = b.orphans_executed,
        .stalls = fibers_stalled(), .names_unknown = world_names_unknown(), .calcom_webhooks = calcom_webhooks().delivered + calcom_webhooks().lost, .seam_calls = seam_calls(world.engine),
    };
    for (uint64_t fault = SIM_FAULT_NO_FAULT + 1; fault < SIM_FAULT_COUNT; fault++) f.calcom_faults += calcom_fault_met((enum sim_fault)fault);
    for (uint32_t c = 0; c < world.plan.call_count; c++) f.calls += !world.plan.calls[c].is_left_out;
    retell_each_delivery(count_delivery, &f);
    calcom_each_booking(count_booking, &f);
    return f;
}

/* -- from the beginning to the end -- */

static bool leave_out(struct slice entries)
{
    while (!slice_is_empty(entries)) {
        struct slice one = slice_split(&entries, ',');
        char entry[16];
        snprintf(entry, sizeof entry, SLICE_FORMAT, slice_print(one));
        if (plan_leave_out(&world.plan, entry)) continue;
        fprintf(stderr, "simulate: --without: the plan of seed %" PRIu64 " has no %s\n", world.plan.seed, entry);
        return false;
    }
    return true;
}

bool world_draw_plan(const struct world_options *o)
{
    dice_seed(o->seed);
    plan_draw(&world.plan, o->seed, o->minutes);
    if (o->is_torture) torture_plan(&world.plan);
    return !o->without || leave_out(slice_from_text(o->without));
}

static void begin(const struct world_options *o)
{
    if (!world_draw_plan(o)) _exit(world_not_understood);
    world_set_wall(world.plan.wall_us);
    world.shards = world.plan.shards;
    fibers_stall(world.plan.stalls_per_step);
    world.engine_port = plan_engine_port;
    world.calcom_port = 9080;
    network_open(&world.plan.network);
    disk_define();
    world.disk = disk_new("disk", &world.plan.disk);
    database_open(&world.plan.database);
    world_change_tenants();
    checkers_open();
}

static bool engine_is_over(void *) { return process_is_over(world.engine); }
static bool all_are_over(void *) { return process_is_over(world.engine) && process_is_over(world.calcom) && process_is_over(world.retell); }

static void end(void)
{
    world.ends = true;
    event_cancel(&look);
    event_cancel(&restart);
    constexpr uint64_t patience_us = 120 * second_us; /* past every deadline of what may be under way */
    engine_process_stop();
    (void)kernel_run(world_now_us() + patience_us, engine_is_over, nullptr);
    if (!process_is_over(world.engine)) world_broken("a calm engine drains", "it still runs after %" PRIu64 " s", patience_us / second_us);
    checkers_look_when_stopped();
    retell_process_stop();
    calcom_process_stop();
    (void)kernel_run(world_now_us() + patience_us, all_are_over, nullptr);
    if (!all_are_over(nullptr)) world_broken("the simulators end", "Retell: %d, Cal.com: %d", process_is_over(world.retell), process_is_over(world.calcom));
}

void world_live(const struct world_options *o)
{
    trace_tell(o->tells);
    begin(o);
    if (o->tells) plan_print(&world.plan);
    calcom_process_start();
    engine_process_start();
    torture_begin(o);
    retell_process_start();
    schedule_trouble();
    event_schedule(&calm, world.plan.calm_at_us, calm_down);
    event_schedule(&look, world_now_us(), look_again);
    (void)kernel_run(world.plan.ends_at_us, nullptr, nullptr);
    if (!retell_has_finished()) world_broken("a calm world is settled in time", "Retell still tells");
    checkers_look_when_calm();
    end();
}
