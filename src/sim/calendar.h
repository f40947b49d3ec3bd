#pragma once
/* sim/calendar.h: when hosts are free: schedules and overrides in their zones, busy times of other calendars, bookings and their buffers.
 *
 * A sim_calendar is one host's time in one window, gathered once and asked many times. Pure over the world: no clock but the caller's.
 * As at Cal.com the grid of starts exists only in the slots answer; whether a start can be booked depends on free time alone.
 */
#include "sim/world.h"

struct sim_calendar {
    struct sim_stretch window;
    struct sim_stretch working[sim_calendar_hours_max]; /* ascending, apart from each other */
    uint32_t           working_count;
    struct sim_stretch busy[sim_calendar_busy_max];     /* with the buffers of what is there; any order */
    uint32_t           busy_count;
    bool               overfull;                        /* more busy time than fits: counts as busy throughout */
};

/* What the host works and has, in a window. `ignored` (may be null): a booking that shall not count. */
void calendar_gather(struct sim_calendar *c, const struct sim_world *w, const struct sim_user *host, struct sim_stretch window, const struct sim_booking *ignored);
/* Is this host free for such an appointment, the type's own buffers included? */
[[nodiscard]] bool calendar_is_free(const struct sim_calendar *c, const struct sim_event_type *t, int64_t starts_at_us);

enum sim_timing : uint8_t { SIM_IN_TIME, SIM_PAST, SIM_TOO_SOON_OR_FAR };
[[nodiscard]] enum sim_timing event_type_timing(const struct sim_event_type *t, int64_t starts_at_us, int64_t now_us);

/* The hosts an appointment would have now, the organizer first; 0: nobody is free. Round robin: those who always attend, and the least recently booked of
 * the others. `ignored`: as above. */
[[nodiscard]] uint32_t event_type_free_hosts(const struct sim_world *w, const struct sim_event_type *t, int64_t starts_at_us, const struct sim_booking *ignored,
                                             struct sim_user *hosts[sim_hosts_max]);

/* Starts of the grid in [from, until), ascending; how many (at most `max`). Those under a live reservation of this type are hidden. */
[[nodiscard]] uint32_t event_type_slots(const struct sim_world *w, const struct sim_event_type *t, struct sim_stretch range, int64_t now_us, const struct sim_booking *ignored,
                                        int64_t *starts_us, uint32_t max);
