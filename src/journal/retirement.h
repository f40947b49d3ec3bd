#pragma once
/* journal/retirement.h: how the journal remembers what is retired, though the memory itself is in segments that are used again.
 *
 * A record of type JOURNAL_RETIRED states, for one use of one segment, bits of its bitmap of retired records. It may be written in any later
 * batch of any journal. That alone has a hole: segment B says that a record in A is retired; B's own records are all retired; B is used again;
 * and A's record comes back to life.
 *
 * Rule:          the segment that a journal writes to says, alone, all that is known about every segment behind it.
 * Without it:    retired records are replayed after a restart, as many as B told of. (Harmless, as effects are idempotent, but endless.)
 * What keeps it: the first batch of every segment states the whole bitmap of each segment behind (and its end, so a damaged end is told from
 *                a torn tail). A segment behind is used again only when that batch is durable. By induction nothing is ever
 *                known only from a segment behind.
 *
 * Segments of an earlier life are behind the journal that opened first: the keeper. Until its first batch is durable none of them is used
 * again, but for the oldest, which no other one depends on.
 *
 * Read newest first (by batch number), a segment's retirements are complete before the segment itself is read; one with nothing
 * live is not read at all.
 */
#include "journal/segment.h"

struct retirement_head {
    uint64_t stamp;      /* of the use that is meant: a later use of the file is another segment */
    uint64_t end;        /* where its last batch ended; 0: it is still written to */
    uint32_t segment;    /* number of the file */
    uint32_t records;    /* how many it holds; 0: it is still written to */
    uint32_t first_word, word_count; /* of the bitmap; the words follow */
};

/* What it takes in a batch: all of its bitmap, or only what has not been stated yet. */
[[nodiscard]] uint64_t retirement_length(const struct segment *s, bool whole);
/* Adds the statement to the batch: from then on it counts as stated. Nothing to state: adds nothing. */
void retirement_state(struct segment *s, struct batch *b, bool whole);

/* Of a record read: false when it is not one that makes sense. */
[[nodiscard]] bool retirement_read(const struct record *r, struct retirement_head *h);
/* What r (with head h) says is true of s: its number and stamp are those of h. */
void retirement_learn(struct segment *s, const struct record *r, const struct retirement_head *h);
