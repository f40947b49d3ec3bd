#pragma once
/* journal/append.h: the inside of a journal; append.c writes batches, supply.c sees to it that there is a segment to write to. */
#include "base/list.h"
#include "io/timer_wheel.h"
#include "journal/recovery.h"
#include "journal/retirement.h"
#include "journal/segment.h"
#include "shard/worker.h"

enum writer_state : uint8_t {
    WRITER_IDLE,
    WRITER_WRITING,   /* the batch is with the kernel */
    WRITER_SLOWED,    /* durable, but a bench wants a slower disk */
    WRITER_OUT_OF_SPACE, /* the batch is kept, and tried again every second */
};

/* What the worker does for a journal: one thing at a time. The worker sees this struct and the recovery, never the journal's segments. */
struct supply_job {
    struct job               job;
    enum : uint8_t { SUPPLY_MAKE, SUPPLY_RENEW, SUPPLY_REMOVE, SUPPLY_REMOVE_SURPLUS } what;
    struct journal_recovery *recovery;
    const char              *directory;
    uint64_t                 segment_bytes;
    struct segment_file      file;    /* RENEW, REMOVE: the former use, afterwards the new one */
    bool                     reused;  /* MAKE: out: a file of an earlier life */
    enum io_status           status;  /* out */
};

struct journal {
    uint32_t                 magic;
    struct shard            *shard;
    struct journal_config    config;
    struct journal_recovery *recovery;
    bool                     keeper;

    struct segment          *segments; /* config.segments_max slots */
    struct segment          *current;  /* nullptr until the first batch */
    uint64_t                 next_sequence, next_batch;

    /* Appended, and in no batch yet. `promised` was admitted in this turn and may still be appended. */
    struct journal_entry    *waiting_first, *waiting_last;
    uint64_t                 waiting_bytes, promised_bytes;
    uint32_t                 waiting_count, promised_count;

    struct batch             batch;
    struct slice             batch_bytes;  /* finished; under way unless IDLE */
    uint64_t                 batch_offset;
    struct journal_entry    *batch_first, *batch_last;
    enum writer_state        writer;
    struct io_op             write;
    uint64_t                 write_started_us;

    bool                     statement_due; /* with the next batch, or alone */
    bool                     census_due;    /* the next batch is the current segment's first, and states everything (retirement.h) */
    bool                     census_is_durable;

    struct flush_hook        flush;
    struct timer             statement_timer, space_timer, slow_timer;
    struct supply_job        supply;
    struct segment          *supplied; /* the slot that the job is about; nullptr: none */
    uint64_t                 records_live;
    struct journal_counters  counters;
};

enum : uint32_t { JOURNAL_MAGIC = 0x10c0ba7c };

void segment_enter(struct journal *j, struct segment *s, enum segment_state state); /* the one function that changes it */
[[nodiscard]] struct segment *journal_segment_in(const struct journal *j, enum segment_state state); /* the first, or nullptr */

/* At start and finish, blocking: if there is no spare, what brings one nearest. */
[[nodiscard]] enum io_status supply_now(struct journal *j);
/* Whenever something has changed: gives the worker what there is to do. */
void supply_look(struct journal *j);
void journal_note_fullness(struct journal *j, bool full);
void journal_retry_later(struct journal *j); /* in a second: the write that found no room, and the supply */
