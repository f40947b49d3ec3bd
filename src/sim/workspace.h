#pragma once
/* sim/workspace.h: large memory that one question needs while it is decided, and nobody between two: one of each per world, so that several worlds may
 * live in one process, also in one thread. */
#include "sim/calendar.h"

struct sim_workspace {
    struct sim_calendar calendar;
    int64_t             starts_us[sim_slots_max];
    struct sim_booking *found[sim_bookings_max];
    char                texts[sim_booking_text_bytes_max];
};
