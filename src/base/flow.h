#pragma once
/* base/flow.h: a flow is linear work that waits, written as straight text. Its locals live in its struct; its resume points have names.
 *
 * The steps of a flow are one X-macro; a step that no AWAIT uses, or that two use, does not compile (-Wswitch). The names appear in
 * logs and metrics and are stored where a crash must resume, so they are part of the contract: rename with care.
 *
 * Rules (tests/tidy checks the first two): no local variable lives across an AWAIT; no AWAIT inside a nested switch; a spurious run
 * of a waiting flow changes nothing; deadlines belong to the operation that is awaited, not to the flow.
 *
 *     #define BOOKING_STEPS(X) X(START) X(INTENT_WRITTEN) X(SLOT_CLAIMED)
 *     enum booking_step { BOOKING_STEPS(BOOKING_ENUMERATOR) };
 *     enum flow_status booking_run(struct booking *b)
 *     {
 *         FLOW_BEGIN(b, BOOKING_START);
 *         db_submit(...);
 *         AWAIT(b, BOOKING_INTENT_WRITTEN, db_unit_is_done(&b->unit));
 *         ...
 *         FLOW_END(b);
 *     }
 */
#include "base/ensure.h"

enum flow_status { FLOW_WAITING, FLOW_DONE };

#define FLOW_BEGIN(flow, start) switch ((flow)->step) { case (start):
#define AWAIT(flow, at, condition)                                   \
    do { (flow)->step = (at); [[fallthrough]];                       \
         case (at): if (!(condition)) return FLOW_WAITING; } while (0)
#define FLOW_END(flow) } return FLOW_DONE
