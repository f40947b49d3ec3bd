#pragma once
/* tests/simulation/event.h: inside the kernel: what the scheduler does with events and the clock. */
#include "kernel.h"

[[nodiscard]] struct event *event_first(void); /* nullptr: none is to come */
void event_happen(struct event *e);
void world_advance(uint64_t to_us);            /* never back */
