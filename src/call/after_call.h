#pragma once
/* call/after_call.h: what is to be booked once a call is over, decided from what the call said. Pure: no I/O, no clock of its own.
 *
 * A decision is one of: nothing was agreed; book this; or it was agreed and cannot be booked, with the reason that people will read on the task.
 * No date, time, name, service or year is ever made up or shifted. */
#include "base/instant.h"
#include "retell/booking_facts.h"
#include "tenant/tenant.h"

enum after_call_wish : uint8_t {
    AFTER_CALL_NOTHING,    /* not confirmed */
    AFTER_CALL_INCOMPLETE, /* confirmed; date, time or name is not there yet: the analysis may still bring it */
    AFTER_CALL_IMPOSSIBLE, /* confirmed; cannot be booked as it stands */
    AFTER_CALL_BOOK,
};

struct after_call {
    enum after_call_wish        wish;
    const char                 *reason; /* INCOMPLETE, IMPOSSIBLE: a stable name ("missing_name", "branch_without_calcom_event_type", "past_time", …) */
    struct slice                phrase; /* what was said and not understood; may be absent */
    const struct service       *service;
    const struct staff_member  *staff;  /* nullptr: whoever the event type is of */
    int64_t                     calcom_event_type_id;
    int64_t                     starts_at_us, ends_at_us, busy_from_us, busy_until_us;
};

/* Further than this ahead nobody meant it (SCENARIOS 3.2: horizon of twelve months). */
constexpr int64_t booking_horizon_us = INT64_C(366) * 86'400 * 1'000'000;

/* choice: 0 first; 1, 2, … the next staff member who could do it, when nobody was asked for by name. Past the last one: IMPOSSIBLE, "slot_taken".
 * zone: the branch's. now_us: wall. */
[[nodiscard]] struct after_call after_call_decide(const struct tenant_snapshot *tenants, const struct branch *branch, const struct booking_facts *facts,
                                                  const struct time_zone *zone, int64_t now_us, uint32_t choice);

enum { CALENDAR_NAME_BYTES_MAX = 48 };
/* The calendar that a booking occupies: its host's, so that different event types of one host exclude each other; else the event type's own. */
void after_call_calendar_name(const struct after_call *a, char name[CALENDAR_NAME_BYTES_MAX]);
