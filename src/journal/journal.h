#pragma once
/* journal/journal.h: what was acknowledged survives. Per shard, append-only segments; one durable write per turn with all records of the turn.
 *
 *   journal_append() … journal_append() ── end of the turn: one write + fdatasync in the ring ──► journal_append_done() of each, in order
 *
 * One write is under way at a time; what is appended meanwhile goes out together when it is done (group commit). So the number of syncs is
 * the disk's to choose, and the number of records per sync is the load's.
 *
 * A record holds one verified webhook. Its memory (the appender's) must live until its `done`: it is copied once, when its batch is written.
 * A record is retired when its effects are in PostgreSQL. Retirements are written within about a second and need no sync of their own: a lost
 * one means a replay of something that has been applied before, and every effect is idempotent. A segment with only retired records is
 * used again.
 *
 * Files: DIRECTORY/journal-<number>.segment. Their bytes are described in format.h, who keeps what retired in retirement.h.
 *   - bad bytes after the last good batch and no good batch behind them: a torn tail. Cut, reported, normal.
 *   - a bad batch with a good one of the same use behind it, or in a segment that is known to go on: damage. The start is refused with file
 *     and offset. So it is where something cannot be read: it may be whole.
 * Disk full (at making a segment or writing): appends answer JOURNAL_FULL until there is room again; nothing restarts.
 * Any other failed write or sync is fatal for the process: the kernel may have dropped the pages, so only a restart and replay know the truth.
 *
 * Thread: its shard's, except journal_recover(), which runs at start before the shards do, and the journal_recovery functions, which say so.
 */
#include <stdint.h>
#include "base/hash_map.h"
#include "base/histogram.h"
#include "base/metrics.h"
#include "io/io.h"
#include "shard/shard.h"
#include "shard/worker.h"

enum journal_type : uint8_t { JOURNAL_WEBHOOK = 1, JOURNAL_RETIRED = 2 };

/* Where a record is; names it for retirement. sequence 0: nowhere yet. */
struct journal_position { uint64_t sequence; uint32_t segment; uint32_t bytes; };

struct journal_entry;
typedef void journal_append_done(struct journal_entry *e);
struct journal_entry {                  /* embedded in its owner */
    enum journal_type       type;       /* JOURNAL_WEBHOOK; the other one is the journal's own */
    uint8_t                 provider;   /* enum webhook_provider */
    struct hash128          call_key;   /* decides the home shard, also at replay */
    uint64_t                workspace_id;
    int64_t                 received_at_us; /* wall */
    struct slice            meta, body; /* small fixed facts beside the body (correlation id …); the verified bytes */
    journal_append_done    *done;       /* durable. There is no other outcome: see above */
    struct journal_position position;   /* known when `done` is called */
    struct journal_entry   *next;       /* of those that wait, or of the batch */
};

enum journal_admission : uint8_t { JOURNAL_ADMITTED, JOURNAL_FULL };

struct journal_recovery; /* opaque: what is left of earlier lives, and the directory itself */
struct journal_config {
    const char              *directory;
    uint32_t                 segment_bytes; /* a multiple of 4,096, at least journal_segment_bytes_min */
    uint32_t                 segments_max;  /* per shard, 2 … journal_segments_max */
    uint32_t                 sync_extra_us; /* benches only: as if the disk took so much longer for every batch */
    struct worker           *worker;        /* makes segments: 64 MiB of zeros take longer than a shard may stop */
    struct journal_recovery *recovery;      /* from journal_recover(), which itself does not look at this or at worker */
};

struct journal; /* opaque; one per shard, all in one directory */
/* In the shard's start. nullptr: *refusal says what is wrong. A full disk is no refusal: it opens, and is FULL until there is room. */
[[nodiscard]] struct journal *journal_open(struct shard *s, const struct journal_config *c, struct io_refusal *refusal);
/* May a record with this many bytes of meta and body be appended now? Called before anything is promised; an append that was admitted in the
 * same turn cannot fail. */
[[nodiscard]] enum journal_admission journal_admit(struct journal *j, size_t record_bytes);
/* Admitted in this turn. `done` comes in a later turn, in the order of appending. */
void journal_append(struct journal *j, struct journal_entry *e);
/* Once per record of this journal; those of earlier lives go to journal_recovery_retire(). */
void journal_retire(struct journal *j, struct journal_position p);
/* In finish: nothing under way. Writes down what is retired. Records that still waited for room on the disk were never acknowledged: they go. */
void journal_close(struct journal *j);

/* -- at start, before the shards -- */

struct journal_replayed { struct journal_position position; enum journal_type type; uint8_t provider; struct hash128 call_key; uint64_t workspace_id;
                          int64_t received_at_us; struct slice meta, body; };
struct journal_report { uint64_t segments, records, replayed, retired, torn_bytes; char torn_file[256]; uint64_t torn_offset; };

/* Takes the directory for this process (a second engine is refused) and reads every segment in it, whatever number of shards wrote it.
 * nullptr: *refusal names what is wrong: file and offset of the damage. *report counts what there was; `replayed` is what
 * journal_recovery_next() will give. */
[[nodiscard]] struct journal_recovery *journal_recover(const struct journal_config *c, struct journal_report *report, struct io_refusal *refusal);
/* The next record that was not retired when the engine started, in the order in which each call's were appended; false: no more. Its bytes are
 * valid until the next call. Blocking reads: called from the worker thread (shard/worker.h), a batch at a time. */
[[nodiscard]] bool journal_recovery_next(struct journal_recovery *r, struct journal_replayed *record);
/* The effects of a replayed record are in PostgreSQL. Any thread. When all of a segment are, its file becomes free for the journals. */
void journal_recovery_retire(struct journal_recovery *r, struct journal_position p);
/* After the last journal_close(): the journals use the directory through it. */
void journal_recovery_close(struct journal_recovery *r);

struct journal_counters { struct counter appended, bytes, batches, retired, refused_full, segments_made, segments_reused; struct gauge segments_used, records_live, full;
                          struct histogram sync_us, batch_records; };
[[nodiscard]] const struct journal_counters *journal_counters(const struct journal *j);
