/* The promises of the engine, and when they are looked at: while the world runs, when it is calm, and when the engine has stopped. See checkers.h for who knows what. */
#include "checkers.h"

#include <inttypes.h>
#include <stdlib.h>
#include "base/ensure.h"
#include "limits.h"

constexpr uint64_t second_us = 1'000'000, minute_us = 60 * second_us;
constexpr uint64_t answer_within_us = 10 * second_us; /* Retell's patience */

static struct checkers {
    uint64_t promises;
    uint64_t unserved_at_us; /* when the engine was last seen not to serve */
} checkers;

void checkers_count(void) { checkers.promises += 1; }
uint64_t checkers_promises_checked(void) { return checkers.promises; }

const struct planned_call *planned_call_by_id(struct slice call_id)
{
    for (uint32_t n = 0; n < world.plan.call_count; n++)
        if (texts_equal(call_id, world.plan.calls[n].id)) return &world.plan.calls[n];
    return nullptr;
}

const struct planned_company *planned_company_by_id(int64_t id)
{
    for (uint32_t n = 0; n < world.plan.company_count; n++)
        if (world.plan.companies[n].id == id) return &world.plan.companies[n];
    return nullptr;
}

/* -- deadlines -- */

static void note_service(void)
{
    if (!engine_process_serves()) checkers.unserved_at_us = world_now_us();
}

/* By its climate at any moment until the calm; else as long as it is told to be. What begins to wait for room at the end of that waits as long again, and a little longer. */
static bool disk_is_bad(uint64_t from_us, uint64_t until_us)
{
    if (world.plan.disk.full_per_write > 0 || world.plan.disk.fail_per_write > 0) return from_us < world.plan.calm_at_us + 2 * minute_us;
    for (uint32_t n = 0; n < world.plan.incident_count; n++) {
        const struct planned_incident *i = &world.plan.incidents[n];
        bool matters = (i->kind == INCIDENT_DISK_FULL || i->kind == INCIDENT_DISK_FAILS) && !i->is_left_out;
        if (matters && i->at_us <= until_us && i->at_us + 2 * i->for_us + 2 * minute_us >= from_us) return true;
    }
    return false;
}

/* Something of the plan keeps the engine from answering at some moment of [from, until]. */
static bool is_hindered(uint64_t from_us, uint64_t until_us)
{
    if (disk_is_bad(from_us, until_us)) return true;
    for (uint32_t n = 0; n < world.plan.incident_count; n++) {
        const struct planned_incident *i = &world.plan.incidents[n];
        bool matters = i->kind == INCIDENT_FREEZE_ENGINE || i->kind == INCIDENT_HAND_OVER || i->kind == INCIDENT_ENGINE_UNREACHABLE || i->kind == INCIDENT_KILL_ENGINE ||
                       i->kind == INCIDENT_STOP_ENGINE;
        if (matters && !i->is_left_out && i->at_us <= until_us && i->at_us + i->for_us + minute_us >= from_us) return true;
    }
    return checkers.unserved_at_us != 0 && checkers.unserved_at_us + minute_us >= from_us;
}

/* A network that delivers: no connection of it is slow or dead, and a body needs few segments, however long one may take. */
static bool network_is_good(const struct retell_attempt *a)
{
    const struct network_climate *n = &world.plan.network;
    bool none_is_bad = n->half_open_per_connection == 0 && n->slow_per_connection == 0 && n->lost_per_connect == 0;
    return none_is_bad && n->latency_us <= 5'000 && a->delivery->body_bytes / n->segment_bytes_max < 20 && a->delivery->body_bytes < n->window_bytes;
}

static bool clock_is_right(void)
{
    for (uint32_t n = 0; n < world.plan.incident_count; n++)
        if (world.plan.incidents[n].kind == INCIDENT_CLOCK_JUMPS) return false;
    return true;
}

/* Whatever the configuration was and will be, these paths and keys are in it: who serves none yet says 503. */
static void see_refusal(const struct retell_attempt *a)
{
    const struct retell_delivery *d = a->delivery;
    bool may_be_void = d->with_old_key && plan_old_keys_are_void(world.tenants_revision);
    if (d->is_bogus || may_be_void || !clock_is_right()) return;
    PROMISE(a->status != 401 && a->status != 404, "what is signed with a key that is valid is not turned away", "%s %s (%s) was answered %u", d->call->id, d->event,
            retell_shape_name(d->shape), a->status);
}

/* Ten seconds are Retell's; what the network, the disk or the process's death take of them is theirs. */
void checkers_see_attempt(const struct retell_attempt *a)
{
    note_service();
    see_refusal(a);
    if (!a->sent_at_us || !network_is_good(a) || is_hindered(a->began_at_us, a->ended_at_us)) return;
    PROMISE(!a->timed_out && a->ended_at_us - a->sent_at_us <= answer_within_us, "a webhook is answered within ten seconds", "%s %s (%s): %.3f s", a->delivery->call->id,
            a->delivery->event, retell_shape_name(a->delivery->shape), (double)(a->ended_at_us - a->sent_at_us) / 1e6);
}

/* -- the page of figures -- */

/* The sum over all series of this name whose labels hold `label`. There are some: a figure that has another name by now would be 0 for ever. */
static double figure(struct slice page, const char *name, const char *label)
{
    double sum = 0;
    uint32_t series = 0;
    for (struct slice rest = page; !slice_is_absent(rest);) {
        struct slice line = slice_split(&rest, '\n');
        struct slice behind = slice_skip(line, strlen(name));
        bool is_it = slice_starts_with(line, slice_from_text(name)) && behind.length > 0 && (behind.start[0] == ' ' || behind.start[0] == '{');
        if (!is_it || !slice_contains(behind, slice_from_text(label))) continue;
        const char *number = behind.start + behind.length;
        while (number > behind.start && number[-1] != ' ') number -= 1;
        sum += strtod(number, nullptr);
        series += 1;
    }
    PROMISE(series > 0, "a figure that is looked at is on the page", "%s%s%s", name, label[0] ? " of " : "", label);
    return sum;
}

static const char *const nothing_left[] = {
    "ringmaster_webhooks_under_way", "ringmaster_calls_active", "ringmaster_mailbox_letters", "ringmaster_filings", "ringmaster_journal_live_records",
    "ringmaster_journal_is_full", "ringmaster_bookings_running", "ringmaster_bookings_waiting_for_calendar", "ringmaster_slot_claims", "ringmaster_db_units_queued",
};

/* The name of what is; nullptr: nothing. */
static const char *what_is_left(struct slice page)
{
    for (uint32_t n = 0; n < sizeof nothing_left / sizeof *nothing_left; n++)
        if (figure(page, nothing_left[n], "") != 0) return nothing_left[n];
    return nullptr;
}

static bool page_is_there(void *) { return !slice_is_absent(retell_metrics()); }

static struct slice ask_for_page(void)
{
    retell_ask_metrics();
    (void)kernel_run(world_now_us() + 30 * second_us, page_is_there, nullptr);
    PROMISE(page_is_there(nullptr), "a calm engine shows its figures", "no answer within 30 s");
    return retell_metrics();
}

/* What is pending or parked is asked after now and then, so one look may meet it: ten in a row do not. */
static void check_nothing_is_left(void)
{
    const char *left = nullptr;
    for (uint32_t look = 0; look < 10; look++) {
        left = what_is_left(ask_for_page());
        if (!left) break;
        (void)kernel_run(world_now_us() + 17 * second_us, nullptr, nullptr);
    }
    PROMISE(!left, "no actor, lock or letter is left behind", "%s is %g", left, figure(retell_metrics(), left, ""));
}

static void check_no_tenant_is_shown(struct slice page)
{
    for (uint32_t n = 0; n < world.plan.company_count; n++)
        PROMISE(!slice_contains(page, slice_from_text(world.plan.companies[n].key)) && !slice_contains(page, slice_from_text(world.plan.companies[n].number)),
                "no figure names a tenant", "%s", world.plan.companies[n].key);
    for (uint32_t n = 0; n < world.plan.workspace_count; n++)
        PROMISE(!slice_contains(page, slice_from_text(world.plan.workspaces[n].token)) && !slice_contains(page, slice_of("secret")), "no figure holds a secret", "%s", world.plan.workspaces[n].key);
}

/* -- what is counted while it lives -- */

static const uint16_t counted_statuses[] = { 204, 401, 404, 503 };
enum { COUNTED_STATUSES = sizeof counted_statuses / sizeof *counted_statuses };

/* What Retell had seen when this life began to be watched: it may have had its last answers of the life before until its patience was over. */
static struct watched_life { uint32_t starts; uint64_t since_us, seen_before[COUNTED_STATUSES]; bool is_watched; } watched;

static void watch_new_life(void)
{
    watched = (struct watched_life){ .starts = world.engine_starts, .since_us = world_now_us(), .is_watched = world.engine_starts == 1 };
}

static void begin_to_watch(void)
{
    for (uint32_t n = 0; n < COUNTED_STATUSES; n++) watched.seen_before[n] = retell_answers(counted_statuses[n]);
    watched.is_watched = true;
}

/* It counts before it answers. Beside an engine that was taken for dead nobody knows who has answered. */
static void watch_counters(void)
{
    if (watched.starts != world.engine_starts) watch_new_life();
    if (!engine_process_is_at_work() || world.former_engine) return;
    if (!watched.is_watched && world_now_us() > watched.since_us + answer_within_us + second_us) begin_to_watch();
    for (uint32_t n = 0; watched.is_watched && n < COUNTED_STATUSES; n++) {
        if (counted_statuses[n] == 503 && torture_takes_memory()) continue; /* refused before it was a webhook */
        uint64_t seen = retell_answers(counted_statuses[n]) - watched.seen_before[n], counted = engine_process_answered(counted_statuses[n]);
        PROMISE(counted >= seen, "every answer is counted", "%u: %" PRIu64 " counted, %" PRIu64 " seen by then", counted_statuses[n], counted, seen);
    }
}

/* The figures are of the engine's last life: only where it had one can they be compared with all that Retell has seen. An answer may be lost on its way, none comes
 * from nowhere. */
static void check_answers_are_counted(struct slice page)
{
    static const struct { uint16_t status; const char *label; } statuses[] = { { 204, "\"204\"" }, { 401, "\"401\"" }, { 404, "\"404\"" }, { 503, "\"503\"" } };
    if (world.engine_starts != 1) return;
    for (uint32_t n = 0; n < sizeof statuses / sizeof *statuses; n++) {
        if (statuses[n].status == 503 && torture_takes_memory()) continue; /* refused before it was a webhook: it is among the 5xx */
        double counted = figure(page, "ringmaster_webhooks_answered_total", statuses[n].label);
        PROMISE(counted >= (double)retell_answers(statuses[n].status), "every answer is counted", "%u: %g counted, %" PRIu64 " seen", statuses[n].status, counted,
                retell_answers(statuses[n].status));
    }
    double dropped = figure(page, "ringmaster_webhooks_refused_total", ""), refused = figure(page, "ringmaster_webhooks_answered_total", "\"503\"");
    PROMISE(dropped <= refused, "every drop is counted once", "%g by reason, %g in all", dropped, refused);
}

/* -- the configuration -- */

/* Nothing is written anew any more, and what failed was tried again. Looked at before anybody is started again for another reason: a start asks anyway. */
static void watch_tenants(void)
{
    const struct planned_company *c = world.plan.companies;
    uint32_t shard = 0;
    char name[40];
    bool has_had_time = world.is_calm && world_now_us() > world.plan.calm_at_us + minute_us && world_now_us() > watched.since_us + minute_us;
    if (!has_had_time || !engine_process_is_at_work()) return;
    plan_print_company_name(name, &world.plan, 0, world.tenants_revision - 1);
    PROMISE(engine_process_knows_company(c->id, name, &shard), "the last configuration is the one that is served", "shard %u does not know of %s", shard, name);
}

/* -- what is due -- */

/* A calm engine that serves since long enough takes up what is due, and lets no more of it wait for a key's room than a narrow budget makes wait. */
static void watch_due(void)
{
    constexpr uint64_t patience_us = 10 * minute_us;
    bool has_had_time = world.is_calm && world_now_us() > world.plan.calm_at_us + patience_us && world_now_us() > watched.since_us + patience_us;
    if (has_had_time && engine_process_is_at_work() && clock_is_right()) watch_overdue((int64_t)patience_us);
}

/* -- the looks -- */

/* Half a second later Cal.com may have done what was not done yet. */
static void see_unit(const struct db_unit *u)
{
    for (uint32_t n = 0; n < u->call_count; n++)
        if (u->calls[n].statement == DB_BOOK_INTENT) return watch_bookings();
}

void checkers_open(void)
{
    checkers = (struct checkers){ 0 };
    watched = (struct watched_life){ 0 };
    database_executed = see_unit;
}

void checkers_look(void)
{
    uint32_t shard = 0;
    note_service();
    check_lines();
    watch_bookings();
    watch_budgets();
    watch_counters();
    watch_tenants();
    watch_due();
    PROMISE(!engine_process_forgets_message(&shard), "no message waits for a shard that sleeps", "shard %u", shard);
    watch_sights();
}

void checkers_look_when_calm(void)
{
    check_lines();
    watch_bookings();
    watch_sights();
    check_calls();
    check_bookings();
    PROMISE(calcom_webhooks().delivered == 0, "what nobody listens to is not accepted", "Cal.com has had a 2xx for %" PRIu64 " webhooks", calcom_webhooks().delivered);
    PROMISE(engine_process_serves(), "a calm engine serves", "it does not");
    struct slice page = ask_for_page();
    check_no_tenant_is_shown(page);
    check_answers_are_counted(page);
    double refused = figure(page, "ringmaster_webhooks_refused_total", ""), for_journal = figure(page, "ringmaster_webhooks_refused_total", "journal_full");
    sights_see_refusals(for_journal, refused - for_journal);
    check_nothing_is_left();
}

void checkers_look_when_stopped(void)
{
    check_lines();
    struct process_remains r = process_remains(world.engine);
    PROMISE(r.memory_blocks == 0 && r.descriptors == 0 && r.rings == 0 && r.fibers == 0, "who drains leaves nothing behind",
            "%" PRIu64 " blocks (%" PRIu64 " bytes), %" PRIu64 " descriptors, %" PRIu64 " rings, %" PRIu64 " fibers", r.memory_blocks, r.memory_bytes, r.descriptors, r.rings, r.fibers);
    PROMISE(database_sessions() == 0, "who drains leaves no session behind", "%u", database_sessions());
}
