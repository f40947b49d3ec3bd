#pragma once
/* journal/recovery.h: the directory, and what earlier lives left in it.
 *
 * Made by journal_recover() before the shards run; ends after the last journal. It holds the segments of earlier lives until their records
 * are replayed and retired, then gives their files to the journals. One journal, the keeper, writes down what is retired in them
 * (retirement.h).
 *
 * Rule:          everything but `window` and the cursor is touched under `lock`, and no file is, while it is held.
 * Without it:    a record retired by one shard is lost in the word that another shard writes; or a shard waits for a disk.
 * What keeps it: only recovery.c, replay.c and directory.c see inside; each function takes the lock once, for a walk over the segments
 *                at most. The window and the cursor belong to whoever replays: one thread at a time.
 */
#include <pthread.h>
#include "journal/retirement.h"
#include "journal/segment.h"
#include "journal/window.h"

/* A segment of an earlier life. While recovery reads, CURRENT means: nobody has said that it is full. */
struct old_segment {
    struct segment segment;
    uint64_t       first_batch; /* its number: orders segments by age. 0: it has none */
    uint32_t       to_replay;   /* live records not yet given out by journal_recovery_next() */
};

struct replay_cursor { uint32_t at; uint64_t batch_offset; uint32_t record_offset; uint32_t records_before; };

struct journal_recovery {
    uint32_t              magic;
    char                  directory[256];
    uint32_t              segment_bytes;
    pthread_mutex_t       lock;
    struct old_segment  **segments; /* newest first */
    uint32_t              count;
    uint64_t              next_sequence, next_batch; /* of every journal of this life */
    uint32_t              next_number;
    bool                  has_keeper, facts_kept;
    struct window         window;
    struct replay_cursor  cursor;
};

enum : uint32_t { RECOVERY_MAGIC = 0x2ec07e24 };

/* -- what the journals ask of it; any thread -- */

/* true: the caller writes down from now on what is retired in segments of earlier lives, beginning with its first batch. */
[[nodiscard]] bool recovery_become_keeper(struct journal_recovery *r);
void recovery_facts_are_kept(struct journal_recovery *r); /* that batch is durable */
[[nodiscard]] bool recovery_has_segments_behind(struct journal_recovery *r);
[[nodiscard]] uint64_t recovery_retirement_length(struct journal_recovery *r, bool whole);
void recovery_state_retirements(struct journal_recovery *r, struct batch *b, bool whole);

/* A file of an earlier life for a next use. false: there is none to have. The taker renews it and says so. */
[[nodiscard]] bool recovery_take_file(struct journal_recovery *r, struct segment_file *f);
/* One that nobody needs, to be removed. */
[[nodiscard]] bool recovery_has_surplus(struct journal_recovery *r);
[[nodiscard]] bool recovery_take_surplus(struct journal_recovery *r, struct segment_file *f);
/* What was taken is gone from here: renewed or removed. false: it is not, and may be taken again. */
void recovery_settle(struct journal_recovery *r, uint32_t number, bool gone);
[[nodiscard]] uint32_t recovery_draw_number(struct journal_recovery *r);
