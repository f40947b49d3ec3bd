/* What was agreed, and what became of it: at Cal.com, in the database, and in the hands of people. While the world runs: "booked" only after Cal.com said so. When it is
 * calm: every agreement has come to exactly one end, and both sides tell the same. */
#include <stdio.h>
#include <stdlib.h>
#include "checkers.h"
#include "base/ensure.h"
#include "base/json.h"

/* -- Cal.com's side, as a list -- */

struct shown_booking { struct booking_at_calcom row; char uid[32], reference[64]; };
static struct shown_booking *shown;
static uint32_t shown_count, shown_room;

static void take_booking(void *, const struct booking_at_calcom *b)
{
    if (shown_count == shown_room) {
        shown_room = shown_room ? 2 * shown_room : 256;
        shown = realloc(shown, shown_room * sizeof *shown);
        ensure(shown);
    }
    struct shown_booking *s = &shown[shown_count++];
    *s = (struct shown_booking){ .row = *b };
    snprintf(s->uid, sizeof s->uid, "%s", b->uid);
    snprintf(s->reference, sizeof s->reference, "%s", b->reference);
    s->row.uid = s->row.reference = s->row.attendee_email = nullptr; /* were the walk's */
}

static void take_bookings(void)
{
    shown_count = 0;
    calcom_each_booking(take_booking, nullptr);
}

static bool is_accepted(const struct shown_booking *b) { return strcmp(b->row.status, "accepted") == 0; }
static bool is_live(const struct shown_booking *b) { return is_accepted(b) || strcmp(b->row.status, "pending") == 0; }
static bool is_engines(const struct shown_booking *b) { return strncmp(b->reference, "rm-", 3) == 0; }

static const struct shown_booking *booking_by_uid(struct slice uid)
{
    for (uint32_t n = 0; n < shown_count; n++)
        if (texts_equal(uid, shown[n].uid)) return &shown[n];
    return nullptr;
}

static uint32_t live_bookings_of(struct slice reference)
{
    uint32_t live = 0;
    for (uint32_t n = 0; n < shown_count; n++) live += is_live(&shown[n]) && texts_equal(reference, shown[n].reference);
    return live;
}

/* A host has changed something about it: then the two sides may differ, and it is the host who is right. */
static bool host_has_changed(struct slice reference)
{
    for (uint32_t n = 0; n < shown_count; n++)
        if (shown[n].row.by_host && texts_equal(reference, shown[n].reference)) return true;
    return false;
}

/* -- the database's side -- */

static bool is_in(const struct intent_row *i, const char *state) { return texts_equal(i->state, state); }

static const struct intent_row *intent_by_reference(const char *reference)
{
    const struct store *s = database_store();
    for (uint32_t n = 0; n < store_booking_intents_count(s); n++)
        if (texts_equal(store_booking_intents_at(s, n)->reference, reference)) return store_booking_intents_at(s, n);
    return nullptr;
}

static const struct intent_row *intent_by_id(int64_t company_id, int64_t id)
{
    const struct store *s = database_store();
    for (uint32_t n = 0; n < store_booking_intents_count(s); n++)
        if (store_booking_intents_at(s, n)->id == id && store_booking_intents_at(s, n)->company_id == company_id) return store_booking_intents_at(s, n);
    return nullptr;
}

static const struct appointment_row *appointment_of(const struct intent_row *i)
{
    const struct store *s = database_store();
    for (uint32_t n = 0; n < store_appointments_count(s); n++)
        if (store_appointments_at(s, n)->intent_id == i->id && store_appointments_at(s, n)->company_id == i->company_id) return store_appointments_at(s, n);
    return nullptr;
}

static const struct busy_range_row *range_of(const struct intent_row *i)
{
    const struct store *s = database_store();
    for (uint32_t n = 0; n < store_busy_ranges_count(s); n++)
        if (store_busy_ranges_at(s, n)->intent_id == i->id && store_busy_ranges_at(s, n)->company_id == i->company_id) return store_busy_ranges_at(s, n);
    return nullptr;
}

static const struct job_row *job_of(const struct intent_row *i, const char *kind)
{
    const struct store *s = database_store();
    for (uint32_t n = 0; n < store_jobs_count(s); n++) {
        const struct job_row *j = store_jobs_at(s, n);
        if (j->intent_id == i->id && j->company_id == i->company_id && texts_equal(j->kind, kind)) return j;
    }
    return nullptr;
}

const struct planned_call *call_of_intent(const struct intent_row *i)
{
    const struct slice prefix = slice_of("after_call:");
    return slice_starts_with(i->operation_key, prefix) ? planned_call_by_id(slice_skip(i->operation_key, prefix.length)) : nullptr;
}

/* -- while it runs -- */

static bool *was_booked; /* by the place of the intent in its table */
static uint32_t was_booked_room;

static void watch_intent(uint32_t place, const struct intent_row *i)
{
    if (was_booked[place] || !is_in(i, "booked")) return;
    was_booked[place] = true;
    if (shown_count == 0) take_bookings();
    const struct appointment_row *a = appointment_of(i);
    const struct shown_booking *b = a ? booking_by_uid(a->calcom_booking_uid) : nullptr;
    PROMISE(b && texts_equal(i->reference, b->reference), "booked is only what Cal.com has confirmed as ours", "intent %lld of " SLICE_FORMAT, (long long)i->id, slice_print(i->operation_key));
    PROMISE(is_accepted(b) || b->row.by_host, "booked is only what Cal.com has confirmed as ours", "intent %lld is %s there", (long long)i->id, b->row.status);
}

void watch_bookings(void)
{
    const struct store *s = database_store();
    uint32_t count = store_booking_intents_count(s);
    if (count > was_booked_room) {
        was_booked = realloc(was_booked, 2 * count * sizeof *was_booked);
        ensure(was_booked);
        memset(was_booked + was_booked_room, 0, (2 * count - was_booked_room) * sizeof *was_booked);
        was_booked_room = 2 * count;
    }
    shown_count = 0; /* taken anew, if anybody needs them */
    for (uint32_t n = 0; n < count; n++) watch_intent(n, store_booking_intents_at(s, n));
}

/* -- an intent is what was said -- */

static void check_words(const struct intent_row *i, const struct planned_call *c)
{
    const struct planned_service *said = plan_service_said(&world.plan, c);
    if (is_in(i, "refused")) return; /* what could not even become a request has no times */
    PROMISE(c->starts_at_us != 0 && c->name[0], "nothing is booked that was not said", "%s said %s %s, name \"%s\"", c->id, c->date, c->time, c->name);
    PROMISE(i->starts_at.value == c->starts_at_us && i->ends_at.value == c->starts_at_us + said->minutes * INT64_C(60'000'000), "an intent is at the time that was said",
            "%s: from %lld to %lld, said %s %s for %u minutes", c->id, (long long)i->starts_at.value, (long long)i->ends_at.value, c->date, c->time, said->minutes);
    PROMISE(i->calcom_event_type_id.value == said->event_type || (said->second_event_type && i->calcom_event_type_id.value == said->second_event_type),
            "an intent is for the service that was said", "%s: event type %lld, said %lld", c->id, (long long)i->calcom_event_type_id.value, (long long)said->event_type);
    PROMISE(slice_contains(i->attendee, slice_from_text(c->name)), "an intent is for the person who was named", "%s", c->id);
}

static void check_tenant(const struct intent_row *i, const struct planned_call *c)
{
    const struct planned_company *company = company_of_call(c);
    const struct call_row *r = call_row_of(c);
    PROMISE(i->company_id == company->id && i->branch_id == company->branch_id && r && r->id == i->call && r->customer_id == i->customer_id, "an intent is its call's",
            "intent %lld of %s: company %lld, call %lld, customer %lld", (long long)i->id, c->id, (long long)i->company_id, (long long)i->call, (long long)i->customer_id);
}

/* What is to be looked at again has an instant for it. */
void watch_overdue(int64_t patience_us)
{
    const struct store *s = database_store();
    const struct intent_row *overdue = nullptr;
    for (uint32_t n = 0; n < store_booking_intents_count(s); n++) {
        const struct intent_row *i = store_booking_intents_at(s, n);
        bool is_late = i->next_attempt_at.is_there && world_wall_us() - i->next_attempt_at.value > patience_us;
        if (is_late && !is_in(i, "booked") && !is_in(i, "refused")) overdue = i;
    }
    PROMISE(!overdue, "what is due is done", "intent %lld is " SLICE_FORMAT ", and was due %lld s ago", (long long)overdue->id, slice_print(overdue->state),
            (long long)(world_wall_us() - overdue->next_attempt_at.value) / 1'000'000);
}

/* -- both sides tell the same -- */

/* Every host's day begins with the hour, and every appointment lasts a multiple of five minutes: so does every start that Cal.com offers. It would take others, too. */
static bool may_be_offered(const struct planned_call *c) { return c && (c->time[4] == '0' || c->time[4] == '5'); }

static void check_booked(const struct intent_row *i, const char *status)
{
    PROMISE(may_be_offered(call_of_intent(i)), "only what Cal.com offers is booked", "intent %lld of " SLICE_FORMAT, (long long)i->id, slice_print(i->operation_key));
    const struct appointment_row *a = appointment_of(i);
    PROMISE(a && texts_equal(a->status, strcmp(status, "accepted") == 0 ? "accepted" : "pending"), "what is booked is an appointment", "intent %lld: " SLICE_FORMAT, (long long)i->id,
            slice_print(a ? a->status : slice_absent));
    const struct shown_booking *b = booking_by_uid(a->calcom_booking_uid);
    PROMISE(b && texts_equal(i->reference, b->reference), "an appointment is our booking at Cal.com", "intent %lld, uid " SLICE_FORMAT, (long long)i->id, slice_print(a->calcom_booking_uid));
    PROMISE(is_live(b) || !is_in(i, "pending") || live_bookings_of(i->reference) > 0, "what a host has declined is not waited for", "intent %lld is %s at Cal.com",
            (long long)i->id, b->row.status);
    if (host_has_changed(i->reference)) return;
    PROMISE(strcmp(b->row.status, status) == 0, "Cal.com and the database agree", "intent %lld is " SLICE_FORMAT ", and %s at Cal.com", (long long)i->id, slice_print(i->state), b->row.status);
    PROMISE(b->row.starts_at_us == a->starts_at && b->row.ends_at_us == a->ends_at && b->row.event_type == a->calcom_event_type_id, "Cal.com and the database agree",
            "intent %lld: from %lld to %lld here, %lld to %lld there", (long long)i->id, (long long)a->starts_at, (long long)a->ends_at, (long long)b->row.starts_at_us,
            (long long)b->row.ends_at_us);
}

/* -- a refusal has a cause -- */

/* Cal.com, the way to it and the people there have done nothing unexpected. */
static bool calcom_was_honest(void)
{
    const struct plan *p = &world.plan;
    bool honest = p->fault_count == 0 && p->calcom.race_window_ms == 0 && p->network.reset_per_connection == 0;
    for (uint32_t n = 0; n < p->incident_count; n++) {
        const struct planned_incident *i = &p->incidents[n];
        honest &= i->kind != INCIDENT_CALCOM_UNREACHABLE && !(i->kind == INCIDENT_HOST_EDITS && i->extra != HOST_SETTLES_PENDING);
    }
    return honest;
}

/* Somebody else of the company has wanted time that meets this one's, buffers included. */
static bool has_rival(const struct planned_call *c)
{
    constexpr int64_t minute_us = 60'000'000, buffer_us = 5 * minute_us;
    int64_t ends_at_us = c->starts_at_us + plan_service_said(&world.plan, c)->minutes * minute_us;
    for (uint32_t n = 0; n < world.plan.call_count; n++) {
        const struct planned_call *other = &world.plan.calls[n];
        int64_t other_ends_at_us = other->starts_at_us + plan_service_said(&world.plan, other)->minutes * minute_us;
        bool wants = other != c && other->company == c->company && other->wants_booking && other->starts_at_us != 0;
        if (wants && c->starts_at_us < other_ends_at_us + buffer_us && other->starts_at_us < ends_at_us + buffer_us) return true;
    }
    return false;
}

/* Cal.com offers starts that are so many lengths after midnight, and at night none of every second host's. Around a change of the clock the grid moves. */
static bool is_on_offer(const struct planned_call *c)
{
    unsigned hour, minute;
    if (sscanf(c->time, "%u:%u", &hour, &minute) != 2) return false;
    int64_t from_change_us = INT64_C(96) * 3'600'000'000;
    struct time_zone *zone = time_zone_open(slice_from_text(company_of_call(c)->time_zone));
    struct wall_time before = instant_to_wall(zone, c->starts_at_us - from_change_us), after = instant_to_wall(zone, c->starts_at_us + from_change_us);
    time_zone_close(zone);
    bool no_change = after.hour == before.hour && after.minute == before.minute;
    return no_change && hour >= 6 && hour < 19 && (hour * 60 + minute) % plan_service_said(&world.plan, c)->minutes == 0;
}

static bool is_of(const struct intent_row *i, const char *reason) { return texts_equal(i->reason, reason); }

static void check_cause(const struct intent_row *i, const struct planned_call *c)
{
    constexpr int64_t second_us = 1'000'000, notice_us = 15 * 60 * second_us, day_us = 86'400 * second_us;
    int64_t until_us = c->starts_at_us - i->updated_at; /* when it was refused, which may be after a first try */
    bool is_taken = is_of(i, "slot_taken") || is_of(i, "slot_not_available"), holds = true;
    if (is_of(i, "past_time")) holds = until_us <= second_us;
    else if (is_of(i, "too_soon")) holds = until_us <= notice_us + second_us;
    else if (is_of(i, "too_far_ahead")) holds = until_us >= 366 * day_us - second_us;
    else if (is_of(i, "missing_name")) holds = !c->name[0];
    else if (is_of(i, "analysis_never_came")) holds = !c->name[0] || world.former_engine; /* it may lie in the other machine's journal until that is replayed */
    else if (is_of(i, "date_not_understood") || is_of(i, "time_does_not_exist")) holds = c->starts_at_us == 0;
    else if (is_of(i, "unknown_time_zone")) holds = false; /* every zone of this world is one of IANA's */
    else if (is_of(i, "cancelled_at_calcom")) holds = host_has_changed(i->reference);
    else if (is_taken && calcom_was_honest()) holds = has_rival(c) || !is_on_offer(c) || c->starts_at_us - i->updated_at < notice_us;
    else if (!is_taken) holds = !calcom_was_honest();
    PROMISE(holds, "a refusal has its cause", "%s: " SLICE_FORMAT ", and it said %s %s, name \"%s\"", c->id, slice_print(i->reason), c->date, c->time, c->name);
}

static void check_refused(const struct intent_row *i)
{
    const struct job_row *callback = job_of(i, "callback");
    PROMISE(callback && texts_equal(callback->state, "open"), "every refusal is a task for people", "intent %lld: " SLICE_FORMAT, (long long)i->id, slice_print(i->reason));
    PROMISE(!range_of(i), "what is refused occupies no time", "intent %lld", (long long)i->id);
    if (slice_is_absent(i->reference) || host_has_changed(i->reference)) return;
    PROMISE(live_bookings_of(i->reference) == 0, "what is refused is not booked at Cal.com", "intent %lld: refused because " SLICE_FORMAT ", and a booking of " SLICE_FORMAT " lives there",
            (long long)i->id, slice_print(i->reason), slice_print(i->reference));
}

static void check_parked(const struct intent_row *i)
{
    const struct job_row *job = job_of(i, "reconcile");
    PROMISE(job && texts_equal(job->state, "open") && i->next_attempt_at.is_there, "what stays unknown is a task for people, and is looked at again", "intent %lld, " SLICE_FORMAT,
            (long long)i->id, slice_print(i->last_error));
}

static void check_range(const struct intent_row *i)
{
    const struct busy_range_row *r = range_of(i);
    PROMISE(r && r->from == i->busy_from.value && r->until == i->busy_until.value && slice_equal(r->calendar, i->calendar), "what may be booked occupies its time", "intent %lld is " SLICE_FORMAT,
            (long long)i->id, slice_print(i->state));
}

static void check_intent(const struct intent_row *i)
{
    const struct planned_call *c = call_of_intent(i);
    PROMISE(c && c->wants_booking, "no intent is made up", "intent %lld, " SLICE_FORMAT, (long long)i->id, slice_print(i->operation_key));
    check_tenant(i, c);
    check_words(i, c);
    PROMISE(slice_is_absent(i->reference) || live_bookings_of(i->reference) <= 1, "an intent has one booking at most", "intent %lld of %s has %u at Cal.com", (long long)i->id, c->id,
            live_bookings_of(i->reference));
    PROMISE(!torture_takes_memory() || !job_of(i, "reconcile"), "no memory for a moment is no doubt about a booking", "intent %lld of %s is " SLICE_FORMAT, (long long)i->id, c->id,
            slice_print(i->last_error));
    if (!is_in(i, "refused")) check_range(i);
    if (is_in(i, "booked")) check_booked(i, "accepted");
    else if (is_in(i, "pending")) check_booked(i, "pending");
    else if (is_in(i, "refused")) check_refused(i), check_cause(i, c);
    else if (is_in(i, "unknown")) check_parked(i);
    else PROMISE(false, "every agreement comes to an end", "intent %lld of %s is still " SLICE_FORMAT, (long long)i->id, c->id, slice_print(i->state));
}

/* -- from the agreement on -- */

static void check_agreement(const struct planned_call *c)
{
    uint8_t over = filed_events(c) >> SCRIPT_ENDED;
    uint32_t intents = 0;
    const struct store *s = database_store();
    for (uint32_t n = 0; n < store_booking_intents_count(s); n++) intents += call_of_intent(store_booking_intents_at(s, n)) == c;
    uint32_t expected = over && c->wants_booking && !c->unknown_number;
    PROMISE(intents == expected, "every agreement is an intent, once", "%s has %u, expected %u", c->id, intents, expected);
}

/* -- from Cal.com on -- */

static bool overlap(const struct shown_booking *a, const struct shown_booking *b)
{
    return a->row.host == b->row.host && a->row.starts_at_us < b->row.ends_at_us && b->row.starts_at_us < a->row.ends_at_us;
}

static void check_at_calcom(uint32_t n)
{
    const struct shown_booking *b = &shown[n];
    if (!is_engines(b)) return; /* a fault's */
    const struct intent_row *i = intent_by_reference(b->reference);
    PROMISE(i != nullptr, "nothing is sent to Cal.com that was not written down before", "booking %s, reference %s", b->uid, b->reference);
    for (uint32_t m = 0; m < n; m++) {
        bool both = is_live(b) && is_live(&shown[m]) && is_engines(&shown[m]) && !b->row.by_host && !shown[m].row.by_host;
        PROMISE(!both || !overlap(b, &shown[m]), "no host has two appointments at once", "host %lld: %s and %s", (long long)b->row.host, b->uid, shown[m].uid);
    }
}

/* -- what hangs on an intent -- */

static void check_busy_ranges(void)
{
    const struct store *s = database_store();
    for (uint32_t n = 0; n < store_busy_ranges_count(s); n++) {
        const struct busy_range_row *a = store_busy_ranges_at(s, n);
        PROMISE(intent_by_id(a->company_id, a->intent_id), "a busy range is an intent's", "of company %lld, intent %lld", (long long)a->company_id, (long long)a->intent_id);
        for (uint32_t m = 0; m < n; m++) {
            const struct busy_range_row *b = store_busy_ranges_at(s, m);
            bool meet = a->company_id == b->company_id && slice_equal(a->calendar, b->calendar) && a->from < b->until && b->from < a->until;
            PROMISE(!meet, "no time of a calendar is taken twice", "company %lld, intents %lld and %lld", (long long)a->company_id, (long long)a->intent_id, (long long)b->intent_id);
        }
    }
}

static void check_appointments(void)
{
    const struct store *s = database_store();
    for (uint32_t n = 0; n < store_appointments_count(s); n++) {
        const struct appointment_row *a = store_appointments_at(s, n);
        const struct intent_row *i = intent_by_id(a->company_id, a->intent_id);
        PROMISE(i && a->call == i->call && a->customer_id == i->customer_id, "an appointment is its intent's", "appointment %lld", (long long)a->id);
        PROMISE(slice_starts_with(a->attendee_name, slice_from_text(planned_company_by_id(a->company_id)->key)), "no tenant has an appointment of another's", "appointment %lld", (long long)a->id);
    }
}

static void check_jobs(void)
{
    const struct store *s = database_store();
    for (uint32_t n = 0; n < store_jobs_count(s); n++) {
        const struct job_row *j = store_jobs_at(s, n);
        const struct intent_row *i = intent_by_id(j->company_id, j->intent_id);
        PROMISE(i && i->call == j->call && i->branch_id == j->branch_id, "a task is its intent's", "job %lld of company %lld", (long long)j->id, (long long)j->company_id);
        bool is_over = texts_equal(j->kind, "reconcile") && !is_in(i, "unknown");
        PROMISE(!is_over || texts_equal(j->state, "done"), "nobody is asked to find out what is known", "job %lld, intent %lld is " SLICE_FORMAT, (long long)j->id, (long long)i->id,
                slice_print(i->state));
    }
}

void check_bookings(void)
{
    const struct store *s = database_store();
    take_bookings();
    for (uint32_t n = 0; n < store_booking_intents_count(s); n++) check_intent(store_booking_intents_at(s, n));
    for (uint32_t n = 0; n < world.plan.call_count; n++) check_agreement(&world.plan.calls[n]);
    for (uint32_t n = 0; n < shown_count; n++) check_at_calcom(n);
    check_busy_ranges();
    check_appointments();
    check_jobs();
}
