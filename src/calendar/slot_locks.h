#pragma once
/* calendar/slot_locks.h: who has a claim on which stretch of one calendar: the sharded in-memory slot locks.
 *
 * One table per shard holds the claims of all calendars that live there; one thread decides, so there is nothing to lock. A claim is a half-open
 * interval [from, until), buffers included; two claims of different owners on one calendar never overlap; an owner's own claims never stand in its own way.
 * A hold expires by itself (the speaker's time); a claim of a booking lasts until it is released, since PostgreSQL's exclusion constraint judges
 * what memory forgets. Memory is for speed and for telling the second caller at once; losing it all on a crash costs nothing but that.
 *
 * All memory is taken at open: about 450 bytes per claim. A look at a calendar is linear in its live claims, of which an ordinary one has a handful.
 * `now_us` is a clock that never goes back; what has expired by then is gone before anything else is decided.
 */
#include <stdint.h>
#include "base/hash_map.h"
#include "base/pool.h"
#include "base/slice.h"

struct slot_claim_owner { struct hash128 key; }; /* of a call, or of an intent */

enum slot_answer : uint8_t {
    SLOT_CLAIMED,
    SLOT_TAKEN,   /* by another owner: *free_at_us says until when at most (UINT64_MAX: until released) */
    SLOT_NO_ROOM, /* the table is full of live claims */
};

enum : uint64_t { SLOT_UNTIL_RELEASED = UINT64_MAX }; /* as expires_at_us */

struct slot_locks; /* opaque */
[[nodiscard]] struct slot_locks *slot_locks_open(uint32_t claims_max);
void slot_locks_close(struct slot_locks *l); /* claims may still be there */

/* calendar: hash of (company, calendar name), tenant first. Claiming the same interval again extends it and never shortens it; the same owner may
 * hold several intervals, also ones that overlap. free_at_us may be nullptr. */
[[nodiscard]] enum slot_answer slot_claim(struct slot_locks *l, struct hash128 calendar, struct slot_claim_owner owner, int64_t from_us, int64_t until_us,
                                          uint64_t now_us, uint64_t expires_at_us, uint64_t *free_at_us);
void slot_release(struct slot_locks *l, struct hash128 calendar, struct slot_claim_owner owner, int64_t from_us, int64_t until_us); /* not there: nothing happens */
void slot_release_all(struct slot_locks *l, struct slot_claim_owner owner);
/* true: slot_claim() of this owner would not be SLOT_TAKEN. */
[[nodiscard]] bool slot_is_free(struct slot_locks *l, struct hash128 calendar, struct slot_claim_owner owner, int64_t from_us, int64_t until_us, uint64_t now_us);
[[nodiscard]] uint32_t slot_claims(const struct slot_locks *l); /* those that expired since the last claim or question still count */
