#pragma once
/* sim/garble.h: the true answer, bent on its way out (F25, S12). What comes in is JSON or a page of a proxy's; a page is left as it is. Pure. */
#include "base/buffer.h"

enum sim_garble : uint8_t {
    SIM_GARBLE_NOTHING,
    SIM_GARBLE_UTF8,           /* bytes that are none stand in the last text */
    SIM_GARBLE_NESTING,        /* one more member, a hundred thousand arrays deep */
    SIM_GARBLE_HUGE,           /* one more member, of 5 MB */
    SIM_GARBLE_DOUBLED_KEYS,   /* every member of the answer stands twice, first as null */
    SIM_GARBLE_NUMBERS,        /* every number as a text */
    SIM_GARBLE_HOST_ID,        /* hosts[0].id is the text "unknown" */
};

[[nodiscard]] size_t garble_bytes_max(enum sim_garble g, size_t answer_bytes); /* of what garble_print() writes */
void garble_print(struct buffer *out, enum sim_garble g, struct slice answer);
