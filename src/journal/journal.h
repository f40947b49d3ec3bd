#pragma once
/* journal/journal.h: what was acknowledged survives. Per shard, append-only segments; one durable write per turn with all records of the turn.
 *
 *   journal_append() … journal_append() ── end of the turn: one write + fdatasync in the ring ──► journal_append_done() of each, in order
 *
 * A record holds one verified webhook. Its memory (the appender's) must live until its `done`. A record is retired when its effects are in
 * PostgreSQL; retirements are written along with the next batch and need no sync of their own: a lost one means a replay of
 * something that has been applied before, and every effect is idempotent. A segment with only retired records is used again.
 *
 * Files: DIRECTORY/journal-<number>.segment, each with a header (magic, format, engine's identity, number). Batches start at multiples of
 * 4,096 bytes and bear the segment's epoch, a sequence and a CRC32C of their own, so the end is found without a pointer to it:
 *   - bad bytes after the last good batch and no good batch behind them: a torn tail. Cut, reported, normal.
 *   - a bad batch with a good one of the same epoch behind it: damage. The start is refused with file and offset.
 * Disk full (at making a segment or writing): appends answer JOURNAL_FULL until there is room again; nothing restarts.
 * Any other failed write or sync is fatal for the process: the kernel may have dropped the pages, so only a restart and replay know the truth.
 *
 * Thread: its shard's, except journal_recover(), which runs at start before the shards do.
 */
#include <stdint.h>
#include "base/hash_map.h"
#include "base/histogram.h"
#include "base/metrics.h"
#include "io/io.h"
#include "shard/shard.h"

enum journal_type : uint8_t { JOURNAL_WEBHOOK = 1, JOURNAL_RETIRED = 2 };

/* Where a record is; names it for retirement. position 0: none. */
struct journal_position { uint64_t sequence; uint32_t segment; uint32_t bytes; };

struct journal_entry;
typedef void journal_append_done(struct journal_entry *e);
struct journal_entry {                  /* embedded in its owner */
    enum journal_type       type;
    uint8_t                 provider;   /* enum webhook_provider */
    struct hash128          call_key;   /* decides the home shard, also at replay */
    uint64_t                workspace_id;
    int64_t                 received_at_us; /* wall */
    struct slice            meta, body; /* small fixed facts beside the body (correlation id …); the verified bytes */
    journal_append_done    *done;       /* durable. There is no other outcome: see above */
    struct journal_position position;   /* set at append */
    struct journal_entry   *next;       /* of the batch */
};

enum journal_admission : uint8_t { JOURNAL_ADMITTED, JOURNAL_FULL };

struct journal_config { const char *directory; uint32_t segment_bytes, segments_max; bool truly_durable; /* false: no sync; benches only */ };

struct journal; /* opaque; one per shard, all in one directory */
/* In the shard's start. nullptr: *refusal says what is wrong. */
[[nodiscard]] struct journal *journal_open(struct shard *s, const struct journal_config *c, struct io_refusal *refusal);
/* May this many bytes be appended now? Called before anything is promised; a JOURNAL_ADMITTED append in the same turn cannot fail. */
[[nodiscard]] enum journal_admission journal_admit(struct journal *j, size_t record_bytes);
void journal_append(struct journal *j, struct journal_entry *e);
void journal_retire(struct journal *j, struct journal_position p);
void journal_close(struct journal *j); /* in finish: nothing under way */

/* -- at start, before the shards -- */

struct journal_replayed { struct journal_position position; enum journal_type type; uint8_t provider; struct hash128 call_key; uint64_t workspace_id;
                          int64_t received_at_us; struct slice meta, body; };
struct journal_report { uint64_t segments, records, replayed, retired, torn_bytes; char torn_file[256]; uint64_t torn_offset; };

/* Reads every segment of the directory whatever number of shards wrote it, and calls `each` for every record that is not retired, in the order
 * of its call key's sequence. false: *refusal names file and offset of the damage. `each` false stops. */
struct journal_recovery; /* opaque: what is left of the last life; journal_open() of each shard takes over what it may reuse */
[[nodiscard]] struct journal_recovery *journal_recover(const struct journal_config *c, struct journal_report *report, struct io_refusal *refusal);
/* On any shard's thread while the engine runs: the next record to replay, bytes valid until the next call; false: no more.
 * Blocking reads: called from the worker thread (shard/worker.h), a batch at a time. */
[[nodiscard]] bool journal_recovery_next(struct journal_recovery *r, struct journal_replayed *record);
/* The effects of a replayed record are in PostgreSQL. Thread-safe. When all of a segment are, its file becomes free for journal_open's. */
void journal_recovery_retire(struct journal_recovery *r, struct journal_position p);
void journal_recovery_close(struct journal_recovery *r);

struct journal_counters { struct counter appended, bytes, batches, retired, refused_full, segments_made, segments_reused; struct gauge segments_used, records_live, full;
                          struct histogram sync_us, batch_records; };
[[nodiscard]] const struct journal_counters *journal_counters(const struct journal *j);
