#pragma once
/* calendar/slot_locks.h: who has a claim on which stretch of one calendar: the sharded in-memory slot locks.
 *
 * One table per shard holds the claims of all calendars that live there; one thread decides, so there is nothing to lock. A claim is a half-open
 * interval [from, until), buffers included; two claims of different owners on one calendar never overlap; an owner's own claims never stand in its own way.
 * A hold expires by itself (the speaker's time); a claim of a booking lasts until it is released, since PostgreSQL's exclusion constraint judges
 * what memory forgets. Memory is for speed and for telling the second caller at once; losing it all on a crash costs nothing but that.
 */
#include <stdint.h>
#include "base/hash_map.h"
#include "base/pool.h"
#include "base/slice.h"

struct slot_claim_owner { struct hash128 key; }; /* of a call, or of an intent */

enum slot_answer : uint8_t { SLOT_CLAIMED, SLOT_TAKEN /* by another owner: *free_at_us says until when at most */, SLOT_NO_ROOM /* the table is full */ };

struct slot_locks; /* opaque */
[[nodiscard]] struct slot_locks *slot_locks_open(uint32_t claims_max);
void slot_locks_close(struct slot_locks *l);
/* calendar: hash of (company, calendar name), tenant first. expires_at_us UINT64_MAX: until released. Claiming again extends; the same owner may hold several intervals. */
[[nodiscard]] enum slot_answer slot_claim(struct slot_locks *l, struct hash128 calendar, struct slot_claim_owner owner, int64_t from_us, int64_t until_us, uint64_t now_us, uint64_t expires_at_us, uint64_t *free_at_us);
void slot_release(struct slot_locks *l, struct hash128 calendar, struct slot_claim_owner owner, int64_t from_us, int64_t until_us); /* not there: nothing happens */
void slot_release_all(struct slot_locks *l, struct slot_claim_owner owner);
[[nodiscard]] bool slot_is_free(struct slot_locks *l, struct hash128 calendar, struct slot_claim_owner owner, int64_t from_us, int64_t until_us, uint64_t now_us);
[[nodiscard]] uint32_t slot_claims(const struct slot_locks *l);
