#include "call/after_call.h"

#include <inttypes.h>
#include "base/ensure.h"
#include "base/text.h"

static struct after_call incomplete(const char *reason) { return (struct after_call){ .wish = AFTER_CALL_INCOMPLETE, .reason = reason }; }
static struct after_call impossible(const char *reason, struct slice phrase)
{
    return (struct after_call){ .wish = AFTER_CALL_IMPOSSIBLE, .reason = reason, .phrase = phrase };
}

static int64_t minutes_us(uint32_t minutes) { return (int64_t)minutes * 60 * 1'000'000; }

/* -- when -- */

static struct after_call read_start(const struct booking_facts *f, const struct time_zone *zone, int64_t *starts_at_us)
{
    struct wall_time at;
    struct slice phrase = slice_absent;
    switch (booking_facts_appointment(f, &at, &phrase)) {
    case APPOINTMENT_READ:                break;
    case APPOINTMENT_DATE_MISSING:        return incomplete("missing_date");
    case APPOINTMENT_TIME_MISSING:        return incomplete("missing_time");
    case APPOINTMENT_DATE_NOT_UNDERSTOOD: return impossible("date_not_understood", phrase);
    case APPOINTMENT_TIME_NOT_UNDERSTOOD: return impossible("time_not_understood", phrase);
    }
    switch (wall_to_instant(zone, at, starts_at_us)) {
    case WALL_OK:
    case WALL_FOLD:    return (struct after_call){ .wish = AFTER_CALL_BOOK }; /* the hour that comes twice: the first of the two */
    case WALL_GAP:     return impossible("time_does_not_exist", f->time);     /* skipped when the clocks go forward */
    case WALL_INVALID: return impossible("date_not_understood", f->date);
    }
    ensure(false);
}

static struct after_call check_start(const struct after_call *chosen, int64_t now_us)
{
    if (chosen->starts_at_us <= now_us) return impossible("past_time", slice_absent);
    if (chosen->starts_at_us < now_us + minutes_us(chosen->service->notice_minutes)) return impossible("too_soon", slice_absent);
    if (chosen->starts_at_us > now_us + booking_horizon_us) return impossible("too_far_ahead", slice_absent);
    return *chosen;
}

/* -- what, and with whom -- */

/* AFTER_CALL_BOOK, or why not. */
static struct after_call judge_match(enum service_match match, const struct booking_facts *f)
{
    switch (match) {
    case SERVICE_FOUND:
    case SERVICE_UNNAMED_DEFAULT: return (struct after_call){ .wish = AFTER_CALL_BOOK };
    case SERVICE_UNKNOWN:         return impossible("unknown_service", f->service);
    case SERVICE_AMBIGUOUS:       return impossible("ambiguous_service", f->service);
    case SERVICE_NONE:            return impossible("branch_without_calcom_event_type", slice_absent);
    case SERVICE_NOT_MAPPED:      return impossible("service_without_calcom_event_type", f->service);
    case STAFF_UNKNOWN:           return impossible("unknown_staff", f->staff);
    case STAFF_AMBIGUOUS:         return impossible("ambiguous_staff", f->staff);
    case STAFF_NOT_MAPPED:        return impossible("staff_without_calcom_event_type", f->staff);
    }
    ensure(false);
}

/* The choice-th staff member of the branch, in provisioning order, who does this service and is not the one already tried first. */
static const struct staff_service *next_staff(const struct tenant_snapshot *t, const struct branch *b, const struct service_choice *first, uint32_t choice)
{
    uint32_t seen = 0;
    for (uint32_t n = 0; n < t->staff_service_count; n++) {
        const struct staff_service *pair = &t->staff_services[n];
        bool other = pair->service == first->service && pair->calcom_event_type_id != 0 && pair->calcom_event_type_id != first->calcom_event_type_id;
        if (other && pair->staff->branch_id == b->id && ++seen == choice) return pair;
    }
    return nullptr;
}

static bool choose(const struct tenant_snapshot *t, const struct branch *b, const struct booking_facts *f, uint32_t choice, struct after_call *chosen)
{
    struct service_choice c = tenant_choose_service(t, b, f->service, f->staff);
    *chosen = judge_match(c.match, f);
    if (chosen->wish != AFTER_CALL_BOOK) return false;
    if (!c.service) { /* an event type of the branch that no service describes: how long would it be? */
        *chosen = impossible("branch_event_type_without_service", slice_absent);
        return false;
    }
    if (choice > 0) {
        const struct staff_service *next = slice_is_absent(f->staff) ? next_staff(t, b, &c, choice) : nullptr;
        if (!next) {
            *chosen = impossible("slot_taken", slice_absent);
            return false;
        }
        c.staff = tenant_only_host(t, c.service, next->calcom_event_type_id);
        c.calcom_event_type_id = next->calcom_event_type_id;
    }
    *chosen = (struct after_call){ .wish = AFTER_CALL_BOOK, .service = c.service, .staff = c.staff, .calcom_event_type_id = c.calcom_event_type_id };
    return true;
}

struct after_call after_call_decide(const struct tenant_snapshot *tenants, const struct branch *branch, const struct booking_facts *facts,
                                    const struct time_zone *zone, int64_t now_us, uint32_t choice)
{
    if (!facts->confirmed) return (struct after_call){ .wish = AFTER_CALL_NOTHING };
    if (!zone) return impossible("unknown_time_zone", branch->time_zone);

    int64_t starts_at_us;
    struct after_call start = read_start(facts, zone, &starts_at_us);
    if (start.wish != AFTER_CALL_BOOK) return start;
    if (slice_is_empty(facts->name)) return incomplete("missing_name");

    struct after_call chosen;
    if (!choose(tenants, branch, facts, choice, &chosen)) return chosen;
    if (!branch->company->credential) return impossible("company_without_calcom_key", slice_absent);

    chosen.starts_at_us = starts_at_us;
    chosen.ends_at_us = starts_at_us + minutes_us(chosen.service->duration_minutes);
    chosen.busy_from_us = starts_at_us - minutes_us(chosen.service->buffer_before_minutes);
    chosen.busy_until_us = chosen.ends_at_us + minutes_us(chosen.service->buffer_after_minutes);
    return check_start(&chosen, now_us);
}

void after_call_calendar_name(const struct after_call *a, char name[CALENDAR_NAME_BYTES_MAX])
{
    if (a->staff && a->staff->calcom_user_id) snprintf(name, CALENDAR_NAME_BYTES_MAX, "user:%" PRId64, a->staff->calcom_user_id);
    else snprintf(name, CALENDAR_NAME_BYTES_MAX, "type:%" PRId64, a->calcom_event_type_id);
}
