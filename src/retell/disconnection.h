#pragma once
/* retell/disconnection.h: what became of a call, from Retell's disconnection_reason. The call keeps the reason word for word; this is only its
 * kind, for statistics and follow-ups. call_status cannot tell: a voicemail "ended" like any call. Pure. */
#include <stdint.h>
#include "base/slice.h"

enum call_outcome : uint8_t {
    CALL_OUTCOME_ANSWERED,      /* a person talked with the agent */
    CALL_OUTCOME_NOT_CONNECTED, /* nobody picked up, or it never rang */
    CALL_OUTCOME_VOICEMAIL,
    CALL_OUTCOME_TRANSFERRED,   /* a person or another line took over */
    CALL_OUTCOME_ERROR,         /* Retell, the line or the account failed */
    CALL_OUTCOME_OTHER,         /* a machine answered, no reason given, or one that is newer than this table */
};
[[nodiscard]] enum call_outcome call_outcome_of(struct slice disconnection_reason);
[[nodiscard]] const char *call_outcome_name(enum call_outcome o);
