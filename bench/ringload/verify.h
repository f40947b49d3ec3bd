#pragma once
/* Was anything lost or doubled? After the run: waits until the engine has drained, reads what PostgreSQL keeps (as the owner, who sees all tenants) and
 * what the simulated Cal.com holds, and compares both with what was acknowledged, event by event, call by call, booking by booking. */
#include "base/json.h"
#include "plan.h"

struct verify_result {
    bool     looked;            /* false: `trouble` says why nothing could be compared */
    char     trouble[512];
    bool     drained;           /* false: work was still going on at the end of the patience */
    double   drained_after_s;
    uint64_t events_acknowledged, events_found, events_lost, events_doubled, events_unacknowledged; /* the last: kept without a 2xx having arrived; lawful */
    uint64_t calls_acknowledged, calls_found, calls_lost, calls_doubled;
    uint64_t bookings_wanted, intents_found, intents_lost, intents_doubled;
    uint64_t booked, pending, refused, unsettled;
    uint64_t calcom_lost, calcom_doubled, calcom_differs, calcom_orphans, calcom_despite_refusal;
};

void verify_run(struct verify_result *v, const struct load_plan *p);
[[nodiscard]] bool verify_is_clean(const struct verify_result *v);
void verify_print(const struct verify_result *v);
void verify_write(struct json_writer *w, const char *key, const struct verify_result *v);
