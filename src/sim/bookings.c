#include "sim/bookings.h"
#include <stdio.h>
#include "base/ensure.h"
#include "sim/calendar.h"
#include "sim/uuid5.h"
#include "sim/workspace.h"

static const int64_t minute_us = 60'000'000;

static bool text_equal(struct slice a, struct slice b)
{
    return slice_is_absent(a) == slice_is_absent(b) && slice_equal(a, b);
}

/* Round robin and requires-confirmation answer an identical create with what the first one made: same type, start, e-mail, and
 * telephone number if one came. A shared fallback e-mail makes it somebody else's booking (S10). */
static const struct sim_booking *find_earlier(const struct sim_world *w, const struct sim_create *c)
{
    if (c->type->kind != SIM_ROUND_ROBIN && !c->type->requires_confirmation) return nullptr;
    enum sim_status wanted = c->type->requires_confirmation ? SIM_PENDING : SIM_ACCEPTED;
    for (uint32_t i = 0; i < w->booking_count; i++) {
        const struct sim_booking *b = &w->bookings[i];
        if (b->type == c->type && b->status == wanted && b->starts_at_us == c->starts_at_us && slice_equal_ignoring_case(b->attendee_email, c->email) &&
            (slice_is_absent(c->phone) || text_equal(b->attendee_phone, c->phone)))
            return b;
    }
    return nullptr;
}

static bool is_in_time(const struct sim_create *c, int64_t now_us, struct sim_refusal *refusal)
{
    char memory[40] = { 0 };
    struct buffer start = buffer_over(memory, sizeof memory - 1);
    instant_print_millis(&start, c->starts_at_us);
    switch (event_type_timing(c->type, c->starts_at_us, now_us)) {
    case SIM_IN_TIME: return true;
    case SIM_PAST:    refuse(refusal, 400, SIM_SHAPE_EXCEPTION, "Attempting to book a meeting in the past."); return false;
    case SIM_TOO_SOON_OR_FAR:
        refuse(refusal, 400, SIM_SHAPE_EXCEPTION,
               "The event type can't be booked at the \"start\" time provided. This could be because it's too soon (violating the minimum booking notice) or too far in the "
               "future (outside the event's scheduling window). Try fetching available slots first using the GET /v2/slots endpoint and then make a booking with \"start\" "
               "time equal to one of the available slots: \"%s\".", memory);
        return false;
    }
    ensure(false);
}

/* Of collective and round robin types the core throws codes that the API's mapper does not know: "host busy" may surface as 500. Here it
 * is the 400 that both may give; the fault "error_before_commit" gives the other. */
static void refuse_busy(const struct sim_create *c, struct sim_refusal *refusal)
{
    bool team = c->type->kind != SIM_INDIVIDUAL;
    refuse(refusal, 400, SIM_SHAPE_EXCEPTION,
           team ? "One of the hosts either already has booking at this time or is not available" : "User either already has booking at this time or is not available");
}

/* Every so many days at the same time of day where the attendee lives; an hour that the clock skips there is kept in UTC. */
int64_t occurrence_start(const struct sim_create *c, uint32_t index)
{
    if (index == 0) return c->starts_at_us;
    int64_t later_us = (int64_t)index * c->type->recurrence_interval_days * 24 * 60 * minute_us, local_us, starts_at_us;
    struct time_zone *zone = time_zone_open(c->time_zone), *utc = time_zone_open(slice_of("UTC"));
    ensure(zone && utc); /* the first was read with the request */
    enum wall_outcome outcome = wall_to_instant(utc, instant_to_wall(zone, c->starts_at_us), &local_us);
    ensure(outcome == WALL_OK);
    outcome = wall_to_instant(zone, instant_to_wall(utc, local_us + later_us), &starts_at_us);
    if (outcome != WALL_OK && outcome != WALL_FOLD) starts_at_us = c->starts_at_us + later_us;
    time_zone_close(zone);
    time_zone_close(utc);
    return starts_at_us;
}

/* Of a series only two are looked at, as there. */
static bool first_occurrences_are_free(const struct sim_world *w, const struct sim_create *c)
{
    struct sim_user *hosts[sim_hosts_max];
    return c->occurrences < 2 || event_type_free_hosts(w, c->type, occurrence_start(c, 1), nullptr, hosts) > 0;
}

enum sim_decision booking_decide(struct sim_world *w, const struct sim_create *c, bool authenticated, int64_t now_us, struct sim_plan *plan, struct sim_refusal *refusal)
{
    *plan = (struct sim_plan){ 0 };
    if (c->type->requires_authentication && !authenticated) {
        refuse(refusal, 401, SIM_SHAPE_EXCEPTION, "checkBookingRequiresAuthentication - You must be authenticated to book this event type.");
        return SIM_REFUSED;
    }
    if (!is_in_time(c, now_us, refusal)) return SIM_REFUSED;
    plan->earlier = find_earlier(w, c);
    if (plan->earlier) return SIM_EARLIER;
    if (first_occurrences_are_free(w, c)) plan->host_count = event_type_free_hosts(w, c->type, c->starts_at_us, nullptr, plan->hosts);
    if (plan->host_count) return SIM_MAY_COMMIT;
    refuse_busy(c, refusal);
    return SIM_REFUSED;
}

void booking_print_key(char key[37], int64_t starts_at_us, int64_t ends_at_us, int64_t organizer_id, int64_t reassigned_by)
{
    char name[96];
    int length = snprintf(name, sizeof name, "%lld.%lld.%lld", (long long)(starts_at_us / 1000), (long long)(ends_at_us / 1000), (long long)organizer_id);
    if (reassigned_by) length += snprintf(name + length, sizeof name - (size_t)length, ".%lld", (long long)reassigned_by);
    memcpy(key, uuid5_of_url(slice_from(name, (size_t)length)).text, 37);
}

static bool key_is_taken(const struct sim_world *w, const char key[37])
{
    for (uint32_t i = 0; i < w->booking_count; i++)
        if (memcmp(w->bookings[i].idempotency_key, key, 37) == 0) return true;
    return false;
}

static void refuse_loser(const struct sim_world *w, struct sim_refusal *refusal)
{
    switch (w->settings.loser) {
    case SIM_LOSER_409_PLAIN:   refuse(refusal, 409, SIM_SHAPE_PLAIN, "booking_conflict_error"); return;
    case SIM_LOSER_409_WRAPPED: refuse(refusal, 409, SIM_SHAPE_EXCEPTION, "booking_conflict_error"); return;
    case SIM_LOSER_500_PLAIN:   refuse(refusal, 500, SIM_SHAPE_PLAIN, "Internal server error"); return;
    }
    ensure(false);
}

static struct slice keep(struct buffer *memory, struct slice text)
{
    if (slice_is_absent(text)) return slice_absent;
    struct slice kept = { memory->start + memory->length, text.length };
    buffer_add(memory, text);
    return kept;
}

static struct slice keep_json(struct buffer *memory, const struct json_value *object)
{
    size_t from = memory->length;
    if (object) json_print(memory, object);
    else buffer_add(memory, slice_of("{}"));
    return (struct slice){ memory->start + from, memory->length - from };
}

enum { BOOKING_TEXTS = 10 };
static void list_texts(struct sim_booking *b, struct slice *texts[BOOKING_TEXTS])
{
    struct slice *const all[BOOKING_TEXTS] = { &b->attendee_name, &b->attendee_email, &b->attendee_phone, &b->attendee_time_zone, &b->attendee_language, &b->engine_reference,
                                               &b->metadata, &b->responses, &b->rescheduling_reason, &b->rescheduled_by };
    memcpy(texts, all, sizeof all);
}

static struct buffer gather_texts(struct sim_world *w) { return buffer_over(w->workspace->texts, sim_booking_text_bytes_max); }

/* What was gathered in the workspace becomes the booking's own, in one piece. */
static bool own_texts(struct sim_world *w, struct sim_booking *b, const struct buffer *gathered)
{
    struct slice *texts[BOOKING_TEXTS];
    b->memory = gathered->overflowed ? nullptr : heap_acquire(&w->heap, gathered->length);
    if (!b->memory) return false;
    b->memory_bytes = gathered->length;
    memcpy(b->memory, gathered->start, gathered->length);
    list_texts(b, texts);
    for (uint32_t i = 0; i < BOOKING_TEXTS; i++)
        if (!slice_is_absent(*texts[i])) texts[i]->start = b->memory + (texts[i]->start - gathered->start);
    return true;
}

/* A value that is no text makes all metadata read back as {} (S20). */
static bool keep_created_texts(struct sim_world *w, struct sim_booking *b, const struct sim_create *c)
{
    struct buffer m = gather_texts(w);
    b->attendee_name = keep(&m, c->name);
    b->attendee_email = keep(&m, c->email);
    b->attendee_phone = keep(&m, c->phone);
    b->attendee_time_zone = keep(&m, c->time_zone);
    b->attendee_language = keep(&m, c->language);
    b->engine_reference = keep(&m, c->engine_reference);
    b->metadata = keep_json(&m, c->metadata && metadata_is_readable(c->metadata) ? c->metadata : nullptr);
    b->responses = keep_json(&m, c->responses);
    return own_texts(w, b, &m);
}

static bool keep_moved_texts(struct sim_world *w, struct sim_booking *b, const struct sim_booking *old, const struct sim_move *move)
{
    struct sim_booking before = *old;
    struct slice *to[BOOKING_TEXTS], *from[BOOKING_TEXTS];
    struct buffer m = gather_texts(w);
    before.rescheduling_reason = slice_take(move->reason, 500);
    before.rescheduled_by = slice_take(move->by, 254);
    list_texts(b, to);
    list_texts(&before, from);
    for (uint32_t i = 0; i < BOOKING_TEXTS; i++) *to[i] = keep(&m, *from[i]);
    return own_texts(w, b, &m);
}

static void refuse_for_want_of_room(struct sim_refusal *refusal) { refuse(refusal, 503, SIM_SHAPE_PLAIN, "the simulator is full"); }

/* The unique key of what is about to become ACCEPTED. false: somebody has it. */
static bool claim_key(struct sim_world *w, char key[37], int64_t starts_at_us, int64_t ends_at_us, int64_t organizer_id, struct sim_refusal *refusal)
{
    booking_print_key(key, starts_at_us, ends_at_us, organizer_id, 0);
    if (!key_is_taken(w, key)) return true;
    refuse_loser(w, refusal);
    return false;
}

static void begin_booking(struct sim_world *w, struct sim_booking *b, enum sim_status status, const char key[37], int64_t now_us)
{
    world_make_uid(w, b->uid);
    b->status = status;
    b->hosts[0]->last_booked = (uint64_t)b->id;
    b->created_at_us = b->updated_at_us = b->committed_at_us = now_us;
    b->has_references = true;
    memcpy(b->idempotency_key, key, sizeof b->idempotency_key);
}

struct sim_booking *booking_commit(struct sim_world *w, const struct sim_create *c, const struct sim_plan *plan, int64_t now_us, struct sim_refusal *refusal)
{
    ensure(plan->host_count > 0);
    int64_t ends_at_us = c->starts_at_us + c->type->length_minutes * minute_us;
    bool accepted = !c->type->requires_confirmation;
    char key[37] = { 0 };
    if (accepted && !claim_key(w, key, c->starts_at_us, ends_at_us, plan->hosts[0]->id, refusal)) return nullptr;

    struct sim_booking *b = world_add_booking(w);
    if (!b || !keep_created_texts(w, b, c)) {
        if (b) w->booking_count -= 1;
        refuse_for_want_of_room(refusal);
        return nullptr;
    }
    b->type = c->type;
    b->host_count = plan->host_count;
    memcpy(b->hosts, plan->hosts, sizeof b->hosts);
    b->starts_at_us = c->starts_at_us;
    b->ends_at_us = ends_at_us;
    begin_booking(w, b, accepted ? SIM_ACCEPTED : SIM_PENDING, key, now_us);
    return b;
}

struct sim_series booking_commit_series(struct sim_world *w, const struct sim_create *c, const struct sim_plan *plan, uint32_t count, int64_t now_us, struct sim_refusal *refusal)
{
    struct sim_series made = { 0 };
    char uuid[37];
    world_make_uuid(w, uuid);
    while (made.count < count) {
        struct sim_create occurrence = *c;
        occurrence.starts_at_us = occurrence_start(c, made.count);
        struct sim_booking *b = booking_commit(w, &occurrence, plan, now_us, refusal);
        if (!b) return made;
        if (made.count == 0) made.first = b;
        memcpy(b->recurring_uid, uuid, sizeof uuid);
        made.count += 1;
    }
    return made;
}

static void end_booking(struct sim_world *w, struct sim_booking *b, enum sim_status status, struct slice reason, int64_t now_us)
{
    b->status = status;
    b->updated_at_us = now_us;
    b->idempotency_key[0] = 0;
    if (slice_is_empty(reason) || !slice_is_absent(b->cancellation_reason)) return;
    reason = slice_take(reason, 500);
    char *memory = heap_acquire(&w->heap, reason.length);
    if (!memory) return; /* the reason is lost, not the cancellation */
    memcpy(memory, reason.start, reason.length);
    b->cancellation_reason = slice_from(memory, reason.length);
}

bool booking_is_live(const struct sim_booking *b) { return b->status == SIM_ACCEPTED || b->status == SIM_PENDING; }

bool booking_cancel(struct sim_world *w, struct sim_booking *b, bool by_host, struct slice reason, int64_t now_us, struct sim_refusal *refusal)
{
    if (!booking_is_live(b)) {
        refuse(refusal, 400, SIM_SHAPE_EXCEPTION,
               "Can't cancel booking with uid=%s because it has been cancelled already. Please provide uid of a booking that is not cancelled.", b->uid);
        return false;
    }
    if (!b->type->allow_cancelling) {
        refuse(refusal, 400, SIM_SHAPE_EXCEPTION, "This event type does not allow cancellations");
        return false;
    }
    if (by_host && slice_is_empty(reason)) {
        refuse(refusal, 400, SIM_SHAPE_EXCEPTION, "Cancellation reason is required when you are the host");
        return false;
    }
    end_booking(w, b, SIM_CANCELLED, reason, now_us);
    return true;
}

struct sim_booking *booking_cancel_one_of_series(struct sim_world *w, struct slice recurring_uid, int64_t from_us, struct slice reason, int64_t now_us)
{
    for (uint32_t i = 0; i < w->booking_count; i++) {
        struct sim_booking *b = &w->bookings[i];
        if (!booking_is_live(b) || b->starts_at_us < from_us || !slice_equal(recurring_uid, slice_from_text(b->recurring_uid))) continue;
        end_booking(w, b, SIM_CANCELLED, reason, now_us);
        return b;
    }
    return nullptr;
}

/* -- rescheduling -- */

static bool may_be_moved(const struct sim_booking *b, struct sim_refusal *refusal)
{
    if (booking_is_live(b)) return true;
    if (b->rescheduled_to)
        refuse(refusal, 400, SIM_SHAPE_EXCEPTION,
               "Can't reschedule booking with uid=%s because it has been cancelled and rescheduled already to booking with uid=%s. You probably want to reschedule %s instead.",
               b->uid, b->rescheduled_to->uid, b->rescheduled_to->uid);
    else
        refuse(refusal, 400, SIM_SHAPE_EXCEPTION, "Can't reschedule booking with uid=%s because it has been cancelled. Please provide uid of a booking that is not cancelled.", b->uid);
    return false;
}

/* The hosts at the new time. false: *refusal. */
static bool plan_move(struct sim_world *w, const struct sim_booking *old, const struct sim_move *move, int64_t now_us, struct sim_plan *plan, struct sim_refusal *refusal)
{
    const struct sim_create as_new = { .type = old->type, .starts_at_us = move->starts_at_us };
    plan->host_count = old->host_count;
    memcpy(plan->hosts, old->hosts, sizeof plan->hosts);
    if (move->unchecked) return true;
    if (!is_in_time(&as_new, now_us, refusal)) return false;
    plan->host_count = event_type_free_hosts(w, old->type, move->starts_at_us, old, plan->hosts);
    if (plan->host_count) return true;
    refuse_busy(&as_new, refusal);
    return false;
}

static enum sim_status status_after(const struct sim_booking *old, const struct sim_move *move, const struct sim_user *organizer)
{
    bool by_owner = slice_equal_ignoring_case(move->by, organizer->email);
    if (move->unchecked) return old->status;
    return old->type->requires_confirmation && !by_owner ? SIM_PENDING : SIM_ACCEPTED;
}

struct sim_booking *booking_reschedule(struct sim_world *w, struct sim_booking *old, const struct sim_move *move, int64_t now_us, struct sim_refusal *refusal)
{
    struct sim_plan plan = { 0 };
    if (!may_be_moved(old, refusal) || !plan_move(w, old, move, now_us, &plan, refusal)) return nullptr;
    int64_t ends_at_us = move->starts_at_us + (old->ends_at_us - old->starts_at_us);
    enum sim_status status = status_after(old, move, plan.hosts[0]);
    char key[37] = { 0 }, given_up[37];
    memcpy(given_up, old->idempotency_key, sizeof given_up);
    old->idempotency_key[0] = 0; /* within the transaction: the same start again is no conflict with itself */
    if (status == SIM_ACCEPTED && !claim_key(w, key, move->starts_at_us, ends_at_us, plan.hosts[0]->id, refusal)) {
        memcpy(old->idempotency_key, given_up, sizeof given_up);
        return nullptr;
    }
    struct sim_booking *b = world_add_booking(w);
    if (!b || !keep_moved_texts(w, b, old, move)) {
        if (b) w->booking_count -= 1;
        memcpy(old->idempotency_key, given_up, sizeof given_up);
        refuse_for_want_of_room(refusal);
        return nullptr;
    }
    b->type = old->type;
    b->host_count = plan.host_count;
    memcpy(b->hosts, plan.hosts, sizeof b->hosts);
    b->starts_at_us = move->starts_at_us;
    b->ends_at_us = ends_at_us;
    memcpy(b->recurring_uid, old->recurring_uid, sizeof b->recurring_uid);
    begin_booking(w, b, status, key, now_us);
    b->rescheduled_from = old;
    end_booking(w, old, SIM_CANCELLED, slice_absent, now_us);
    old->rescheduled_to = b;
    return b;
}

/* -- what hosts do -- */

void booking_cancel_by_host(struct sim_world *w, struct sim_booking *b, struct slice reason, int64_t now_us) { end_booking(w, b, SIM_CANCELLED, reason, now_us); }

bool booking_confirm_by_host(struct sim_booking *b, bool accepted, int64_t now_us)
{
    if (b->status != SIM_PENDING) return false;
    b->status = accepted ? SIM_ACCEPTED : SIM_REJECTED; /* the unique key is never set here, and conflicts are not looked at again: as there */
    b->updated_at_us = now_us;
    return true;
}

bool booking_reassign_by_host(struct sim_booking *b, struct sim_user *to, int64_t now_us)
{
    if (!booking_is_live(b)) return false;
    if (b->idempotency_key[0]) booking_print_key(b->idempotency_key, b->starts_at_us, b->ends_at_us, to->id, b->hosts[0]->id);
    b->hosts[0] = to;
    b->updated_at_us = now_us;
    return true;
}
