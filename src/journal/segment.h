#pragma once
/* journal/segment.h: one segment in memory, and its file on disk.
 *
 *                  worker                  switch                 switch (or end of the life)
 *   ABSENT ─► PREPARING ─► SPARE ─────────► CURRENT ─────────────────► SEALED ─► RETIRED ─► PREPARING ─► SPARE or ABSENT
 *                                                                         last live record retired ▲
 *
 * A segment belongs to one journal, or, when it is from an earlier life, to struct journal_recovery; while PREPARING its file belongs to the
 * worker. Records are counted from 0 within the use of the file: record n has sequence first_sequence + n.
 *
 * The functions on files block: worker thread, or before the shards run.
 */
#include <stdint.h>
#include "io/file.h"
#include "io/io.h"
#include "journal/format.h"
#include "limits.h"

enum segment_state : uint8_t {
    SEGMENT_ABSENT,    /* no file */
    SEGMENT_PREPARING, /* the worker makes its file ready for the next use, or removes it */
    SEGMENT_SPARE,     /* ready: a new use is on disk, without a batch */
    SEGMENT_CURRENT,   /* batches go here */
    SEGMENT_SEALED,    /* takes no more, has live records */
    SEGMENT_RETIRED,   /* takes no more, has none */
};

struct segment_file { int fd; uint32_t number, use; uint64_t stamp, bytes; };

constexpr uint32_t segment_words = journal_segment_records_max / 64;

struct segment {
    enum segment_state  state;
    struct segment_file file;
    uint64_t            end;            /* where the next batch goes, or where the last one ended */
    uint64_t            first_sequence;
    uint32_t            records, live;
    uint32_t            unstated_from, unstated_to; /* words of `retired` with bits that no batch has told yet; empty: from ≥ to */
    uint64_t            retired[segment_words];     /* bit n % 64 of word n / 64: record n */
};

void segment_start(struct segment *s, enum segment_state state, struct segment_file file); /* as after a new use: no records */
[[nodiscard]] bool segment_is_retired(const struct segment *s, uint32_t record);
/* Of the record at this position: it must be there and live. true: it was the last live one. */
[[nodiscard]] bool segment_retire(struct segment *s, struct journal_position p);
[[nodiscard]] uint32_t segment_retired_count(const struct segment *s);
static inline bool segment_has_unstated(const struct segment *s) { return s->unstated_from < s->unstated_to; }
/* Takes no more, and its file is still the one that retirements speak of: what every first batch has to state (retirement.h). */
[[nodiscard]] bool segment_is_behind(const struct segment *s);

/* -- files -- */

constexpr size_t segment_path_bytes_max = 512;
void segment_path(char path[segment_path_bytes_max], const char *directory, uint32_t number);
[[nodiscard]] bool segment_number_of(const char *name, uint32_t *number);         /* false: not a segment's name */
[[nodiscard]] bool segment_name_is_unfinished(const char *name);                  /* of a file whose making was interrupted */
/* A new file under a new number, zeros and the header of use 1. It gets its name last, so a file with a segment's name is complete. */
[[nodiscard]] enum io_status segment_file_create(const char *directory, uint32_t number, uint64_t bytes, struct segment_file *f);
/* The next use of an old file. On failure the former use still stands. */
[[nodiscard]] enum io_status segment_file_renew(struct segment_file *f);
[[nodiscard]] enum io_status segment_file_remove(const char *directory, struct segment_file *f); /* closes it, too */
