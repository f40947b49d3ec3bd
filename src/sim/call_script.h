#pragma once
/* sim/call_script.h: what Retell says of one call: the bodies of call_started, call_ended and call_analyzed, with every field that its SDK knows and
 * a transcript as long as wanted. Used by `ringsim call` and by ringload. Pure. */
#include <stdint.h>
#include "base/buffer.h"
#include "base/slice.h"
#include "sim/prng.h"

enum call_event : uint8_t { SCRIPT_STARTED, SCRIPT_ENDED, SCRIPT_ANALYZED, SCRIPT_EVENTS };
[[nodiscard]] const char *call_event_name(enum call_event e);

struct call_script {
    struct slice call_id, agent_id, from_number, to_number;
    int64_t      started_at_ms;
    uint32_t     duration_ms;
    /* What was agreed; date absent: nothing was. */
    struct slice date, time, name, service; /* YYYY-MM-DD, HH:MM; service absent: none was named */
    uint32_t     body_bytes;                /* of call_ended and call_analyzed, about; 0: a short call */
    uint64_t     seed;                      /* of what is said */
};

enum { CALL_ID_BYTES = 32 };
/* "call_" and 27 hex digits. */
void call_script_make_id(char id[CALL_ID_BYTES + 1], struct prng *dice);

void call_script_print(struct buffer *b, const struct call_script *s, enum call_event e);
