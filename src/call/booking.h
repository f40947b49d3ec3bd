#pragma once
/* call/booking.h: an intent becomes a booking at Cal.com, exactly once, or a task for people. Never silently neither.
 *
 * An intent is a row in PostgreSQL before this begins (WRITE_INTENT): what is to be booked, the exact bytes to send, a reference that travels in the booking's
 * metadata. Its booking flow runs on the home shard of the Cal.com credential, where budget, breaker and connections live, one flow per intent, one writing flow
 * per calendar. Whatever ends the process in between, the row remains, the sweep finds it, and a flow that may have sent something looks before it sends again.
 *
 *     load → wait for the calendar → [look up, if something may be there] → slots → record the send → create → verify → save
 *                                          ▲                                                          │
 *                                          └────────────── outcome unknown ───────────────────────────┘
 *
 * Outcomes of a create are three: booked, refused, unknown. Unknown is looked up on a schedule before anything else, never retried blindly; what is believed absent
 * is tried again with the same bytes, a bounded number of times; then people are told, and the look-ups go on. (contracts: B1-B34.)
 */
#include "base/flow.h"
#include "calcom/calcom.h"
#include "calendar/slot_locks.h"
#include "db/steady.h"
#include "limits.h"
#include "tenant/directory.h"

/* The names are kept in booking_intents.step and in metrics. */
#define BOOKING_STEPS(X) \
    X(START) X(INTENT_LOADED) X(CALENDAR_FREE) X(LOOKUP_DUE) X(LOOKED_UP) X(DOUBLE_CANCELLED) X(SLOTS_LISTED) X(SEND_RECORDED) X(CREATED) X(RETRY_DUE) X(OUTCOME_SAVED)
#define BOOKING_ENUMERATOR(name) BOOKING_##name,
enum booking_step : uint8_t { BOOKING_STEPS(BOOKING_ENUMERATOR) };
[[nodiscard]] const char *booking_step_name(enum booking_step s);

struct booking_desk_config {
    struct shard                  *shard;
    struct db_pool                *pool;
    const struct tenant_directory *directory;
    struct calcom_config           calcom;       /* the origin comes from each credential */
    uint32_t retry_ms, lookup_percent, attempts_max, pending_ms;
    uint32_t bookings_max, claims_max, accounts_max;
};

struct booking_desk; /* opaque; one per shard */
[[nodiscard]] struct booking_desk *booking_desk_open(const struct booking_desk_config *c);
[[nodiscard]] uint64_t booking_desk_bytes(uint32_t bookings, uint32_t accounts); /* of its pools */

/* To the desk of this shard, from its own thread: an intent has been written (or found unfinished); its flow is to run at home. Cheap; may be repeated. If there is
 * no room to tell, the sweep will: nothing is lost. */
void booking_hand_over(struct booking_desk *d, int64_t company_id, int64_t intent_id);
/* Shard 0: looks for unfinished intents whose time has come, now and every second. */
void booking_sweep_start(struct booking_desk *d);
void booking_tenants_switched(struct booking_desk *d); /* forgets the accounts of credentials that are gone; the others take what has changed */
void booking_desk_drain(struct booking_desk *d);       /* no new flows; waiting ones end, their intents stay; the shard is held until requests under way are answered */
void booking_desk_close(struct booking_desk *d);       /* in finish */

struct booking_desk_counters {
    struct counter booked, pending, refused, delayed, parked, lookups, creates, retries, doubles_cancelled, notices_dropped, foreign_answers;
    struct gauge   running, waiting_for_calendar, accounts, breakers_open, claims, budget_left_least;
    struct counter calcom_outcomes[CALCOM_OUTCOMES];
    struct histogram calcom_us, whole_us; /* one answer of Cal.com; a flow from its start to its outcome being saved */
};
[[nodiscard]] const struct booking_desk_counters *booking_desk_counters(const struct booking_desk *d);
[[nodiscard]] uint32_t booking_desk_running(const struct booking_desk *d);
