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
    plan->host_count = event_type_free_hosts(w, c->type, c->starts_at_us, plan->hosts);
    if (plan->host_count) return SIM_MAY_COMMIT;
    refuse_busy(c, refusal);
    return SIM_REFUSED;
}

void booking_print_key(char key[37], int64_t starts_at_us, int64_t ends_at_us, int64_t organizer_id)
{
    char name[96];
    int length = snprintf(name, sizeof name, "%lld.%lld.%lld", (long long)(starts_at_us / 1000), (long long)(ends_at_us / 1000), (long long)organizer_id);
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

/* All texts of a booking in one piece. A value that is no text makes all metadata read back as {} (S20). */
static bool keep_texts(struct sim_world *w, struct sim_booking *b, const struct sim_create *c)
{
    char *scratch = w->workspace->texts;
    struct buffer m = buffer_over(scratch, sim_booking_text_bytes_max);
    struct slice *const texts[] = { &b->attendee_name, &b->attendee_email, &b->attendee_phone, &b->attendee_time_zone, &b->attendee_language, &b->engine_reference,
                                    &b->metadata, &b->responses };
    b->attendee_name = keep(&m, c->name);
    b->attendee_email = keep(&m, c->email);
    b->attendee_phone = keep(&m, c->phone);
    b->attendee_time_zone = keep(&m, c->time_zone);
    b->attendee_language = keep(&m, c->language);
    b->engine_reference = keep(&m, c->engine_reference);
    b->metadata = keep_json(&m, c->metadata && metadata_is_readable(c->metadata) ? c->metadata : nullptr);
    b->responses = keep_json(&m, c->responses);
    if (m.overflowed) return false;
    b->memory_bytes = m.length;
    b->memory = heap_acquire(&w->heap, m.length);
    if (!b->memory) return false;
    memcpy(b->memory, scratch, m.length);
    for (uint32_t i = 0; i < sizeof texts / sizeof *texts; i++)
        if (!slice_is_absent(*texts[i])) texts[i]->start = b->memory + (texts[i]->start - scratch);
    return true;
}

struct sim_booking *booking_commit(struct sim_world *w, const struct sim_create *c, const struct sim_plan *plan, int64_t now_us, struct sim_refusal *refusal)
{
    ensure(plan->host_count > 0);
    int64_t ends_at_us = c->starts_at_us + c->type->length_minutes * minute_us;
    bool accepted = !c->type->requires_confirmation;
    char key[37] = { 0 };
    if (accepted) booking_print_key(key, c->starts_at_us, ends_at_us, plan->hosts[0]->id);
    if (accepted && key_is_taken(w, key)) {
        refuse_loser(w, refusal);
        return nullptr;
    }
    struct sim_booking *b = world_add_booking(w);
    if (!b || !keep_texts(w, b, c)) {
        if (b) w->booking_count -= 1;
        refuse(refusal, 503, SIM_SHAPE_PLAIN, "the simulator is full");
        return nullptr;
    }
    world_make_uid(w, b->uid);
    b->status = accepted ? SIM_ACCEPTED : SIM_PENDING;
    b->type = c->type;
    b->host_count = plan->host_count;
    memcpy(b->hosts, plan->hosts, sizeof b->hosts);
    b->hosts[0]->last_booked = (uint64_t)b->id;
    b->starts_at_us = c->starts_at_us;
    b->ends_at_us = ends_at_us;
    b->created_at_us = b->updated_at_us = now_us;
    b->has_references = true;
    memcpy(b->idempotency_key, key, sizeof key);
    return b;
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

bool booking_cancel(struct sim_world *w, struct sim_booking *b, bool by_host, struct slice reason, int64_t now_us, struct sim_refusal *refusal)
{
    if (b->status == SIM_CANCELLED || b->status == SIM_REJECTED) {
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

void booking_cancel_by_host(struct sim_world *w, struct sim_booking *b, struct slice reason, int64_t now_us) { end_booking(w, b, SIM_CANCELLED, reason, now_us); }

bool booking_confirm_by_host(struct sim_booking *b, bool accepted, int64_t now_us)
{
    if (b->status != SIM_PENDING) return false;
    b->status = accepted ? SIM_ACCEPTED : SIM_REJECTED; /* the unique key is never set here, and conflicts are not looked at again: as there */
    b->updated_at_us = now_us;
    return true;
}
