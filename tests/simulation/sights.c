/* tests/simulation/sights.c: what a world has met of what it is lived for: two callers for one slot, an outcome that stayed unknown, a journal that was full. It
 * judges nothing. A promise about something that no world ever meets is no promise: main.c counts in how many worlds each was met, so that "never" can be seen. */
#include <stdlib.h>
#include "base/ensure.h"
#include "base/json.h"
#include "checkers.h"

static struct world_sights seen;

/* -- agreements: some states are left again -- */

static struct passed { bool pending, unknown; } *passed; /* by the place of the intent in its table */
static uint32_t passed_room;

static void make_room(uint32_t count)
{
    if (count <= passed_room) return;
    passed = realloc(passed, 2 * count * sizeof *passed);
    ensure(passed);
    memset(passed + passed_room, 0, (2 * count - passed_room) * sizeof *passed);
    passed_room = 2 * count;
}

void watch_sights(void)
{
    const struct store *s = database_store();
    uint32_t count = store_booking_intents_count(s);
    make_room(count);
    for (uint32_t n = 0; n < count; n++) {
        const struct intent_row *i = store_booking_intents_at(s, n);
        passed[n].pending |= texts_equal(i->state, "pending");
        passed[n].unknown |= texts_equal(i->state, "unknown");
    }
}

static bool was_parked(const struct intent_row *i)
{
    const struct store *s = database_store();
    for (uint32_t n = 0; n < store_jobs_count(s); n++) {
        const struct job_row *j = store_jobs_at(s, n);
        if (j->intent_id == i->id && j->company_id == i->company_id && texts_equal(j->kind, "reconcile")) return true;
    }
    return false;
}

static void add_intent(const struct intent_row *i, struct passed p)
{
    bool booked = texts_equal(i->state, "booked"), refused = texts_equal(i->state, "refused"), parked = was_parked(i);
    seen.intents_booked += booked;
    seen.intents_refused += refused;
    seen.intents_pending += p.pending;
    seen.hosts_accepted += p.pending && booked;
    seen.hosts_declined += p.pending && refused;
    seen.intents_unknown += p.unknown;
    seen.unknown_booked += p.unknown && booked;
    seen.unknown_refused += p.unknown && refused;
    seen.intents_parked += parked;
    seen.parked_settled += parked && (booked || refused);
    seen.second_attempts += i->attempts > 1;
    seen.third_attempts += i->attempts > 2;
}

/* -- calls and webhooks -- */

static void add_rows(void)
{
    const struct store *s = database_store();
    for (uint32_t n = 0; n < store_booking_intents_count(s); n++) add_intent(store_booking_intents_at(s, n), passed[n]);
    for (uint32_t n = 0; n < store_calls_count(s); n++) seen.calls_never_ended += texts_equal(store_calls_at(s, n)->outcome, "ended_unknown");
    for (uint32_t n = 0; n < store_webhook_log_count(s); n++) {
        seen.webhooks_quarantined += texts_equal(store_webhook_log_at(s, n)->outcome, "quarantined");
        seen.webhooks_unrouted += texts_equal(store_webhook_log_at(s, n)->outcome, "unrouted");
    }
}

static void add_booking(void *, const struct booking_at_calcom *b) { seen.doubles_cancelled += b->is_double; }

/* -- who lived there, and what they did -- */

static bool is_same_wish(const struct planned_call *a, const struct planned_call *b)
{
    return a->company == b->company && a->starts_at_us == b->starts_at_us && plan_service_said(&world.plan, a) == plan_service_said(&world.plan, b);
}

static void add_rivals(void)
{
    const struct store *s = database_store();
    for (uint32_t n = 0; n < store_booking_intents_count(s); n++)
        for (uint32_t m = 0; m < n; m++) {
            const struct planned_call *a = call_of_intent(store_booking_intents_at(s, n)), *b = call_of_intent(store_booking_intents_at(s, m));
            seen.slots_wanted_twice += a && b && a->starts_at_us != 0 && is_same_wish(a, b);
        }
}

static bool is_changed_during(const struct planned_call *c)
{
    for (uint32_t n = 0; n < world.plan.incident_count; n++) {
        const struct planned_incident *i = &world.plan.incidents[n];
        bool is_change = i->kind == INCIDENT_TENANTS_CHANGE && !i->is_left_out;
        if (is_change && i->at_us > c->begins_at_us && i->at_us < c->begins_at_us + c->duration_ms * UINT64_C(1'000)) return true;
    }
    return false;
}

static void add_plan(void)
{
    const struct plan *p = &world.plan;
    for (uint32_t n = 0; n < p->call_count; n++) {
        const struct planned_call *c = &p->calls[n];
        bool is_filed = !c->is_left_out && call_row_of(c);
        seen.numbers_withheld += is_filed && c->from[0] != '+';
        seen.changed_mid_call += is_filed && is_changed_during(c);
    }
    for (uint32_t n = 0; n < p->company_count; n++) seen.keys_shared += p->companies[n].credential != n;
    seen.handed_over = world.former_engine != nullptr;
    seen.with_tls = p->tls;
}

/* -- what the engine says of itself -- */

void sights_see_line(const struct json_value *line)
{
    static uint32_t shards_before;
    int64_t records;
    struct slice event = json_get_text(line, "event");
    seen.journals_full += texts_equal(event, "journal_full");
    seen.torn_tails += texts_equal(event, "journal_torn_tail_cut");
    seen.breakers_opened += texts_equal(event, "calcom_breaker_opened");
    seen.throttled += texts_equal(event, "calcom_throttled");
    seen.budgets_used_up += texts_equal(json_get_text(line, "provider_says"), "The request budget is used up");
    if (!texts_equal(event, "journal_recovered")) return;
    bool replays = json_integer(json_get(line, "to_replay"), &records) && records > 0;
    seen.replays += replays;
    seen.replays_on_other_shards += replays && shards_before != 0 && shards_before != world.shards;
    shards_before = world.shards;
}

/* Of the engine's last life. */
void sights_see_refusals(double for_full_journal, double for_no_room)
{
    seen.refused_for_full_journal += (uint64_t)for_full_journal;
    seen.refused_for_no_room += (uint64_t)for_no_room;
}

struct world_sights world_sights(void)
{
    make_room(1);
    add_rows();
    add_rivals();
    add_plan();
    calcom_each_booking(add_booking, nullptr);
    seen.answered_503 = retell_answers(503);
    seen.never_answered = retell_answers(0);
    return seen;
}
