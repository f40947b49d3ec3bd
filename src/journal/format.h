#pragma once
/* journal/format.h: the bytes of a segment file. Pure: no I/O, no clock, no memory of its own.
 *
 *      0  header of the even uses
 *   4096  header of the odd uses
 *   8192  batch, batch, …         each starts and ends at a multiple of 4,096: the unit that O_DIRECT writes
 *
 *   batch:   batch_header, record, record, …, zeros
 *   record:  record_frame, meta, body, zeros up to a multiple of 8
 *
 * A file is used many times. Every use has a number and a stamp: 64 random bits in its header and in each of its batches. What bears another
 * stamp is left from an earlier use, or was sent to us by somebody to look like a batch: nobody outside has ever seen a stamp.
 * The two headers take turns, so a power cut while one is written leaves the other, and with it the former use, whole.
 *
 * Batch numbers and record sequences never repeat in a directory: a life starts behind the highest it finds. Within one use, batch numbers are
 * consecutive, and so are the sequences of its webhooks; the n-th webhook of a use is its record n, whatever batch it is in.
 *
 * All integers are little-endian, as on every machine we run on.
 */
#include <stdint.h>
#include "base/slice.h"
#include "journal/journal.h"
#include "limits.h"

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__);

constexpr uint32_t format_version = 1;
constexpr uint32_t block_bytes = 4096;
constexpr uint32_t first_batch_offset = 2 * block_bytes;

struct segment_header {
    uint64_t magic;
    uint32_t crc;     /* of what follows, to the end of the struct */
    uint32_t version;
    uint64_t stamp;
    uint64_t bytes;   /* of the file */
    uint32_t number;  /* as in its name: a file under another's name is noticed */
    uint32_t use;     /* 1, 2, …; the higher of two good headers counts */
};

struct batch_header {
    uint32_t magic;
    uint32_t crc;            /* of everything behind it up to the end of the batch, zeros included */
    uint64_t stamp;
    uint64_t number;
    uint64_t first_sequence; /* of its first webhook; without one, of the next that will come */
    uint32_t bytes;          /* with this header and the zeros */
    uint32_t webhooks;
    uint32_t retirements;
    uint32_t zero[5];
};
static_assert(sizeof(struct batch_header) == 64);

struct record_frame {
    uint32_t       length;   /* with this frame and the zeros */
    uint32_t       crc;      /* of everything behind it up to the end of the record */
    uint64_t       sequence; /* of a webhook; 0: it has none */
    struct hash128 call_key;
    uint64_t       workspace_id;
    int64_t        received_at_us;
    uint32_t       body_bytes;
    uint16_t       meta_bytes;
    uint8_t        type;     /* enum journal_type */
    uint8_t        provider;
    uint64_t       zero;
};
static_assert(sizeof(struct record_frame) == journal_frame_bytes);

static inline uint64_t round_up(uint64_t bytes, uint32_t to) { return (bytes + to - 1) / to * to; }
/* A record with this many bytes of meta and body, as it stands in a batch. */
static inline uint64_t record_length_of(uint64_t bytes) { return round_up(journal_frame_bytes + bytes, 8); }

/* -- headers -- */

void segment_header_write(struct segment_header h, char block[block_bytes]); /* magic, version and CRC are filled in here */
enum header_verdict : uint8_t { HEADER_GOOD, HEADER_BAD, HEADER_OF_ANOTHER_VERSION };
[[nodiscard]] enum header_verdict segment_header_read(const char *block, struct segment_header *h);

/* -- writing a batch -- */

struct batch {
    char               *memory;
    size_t              capacity, used;
    struct batch_header header;
    uint32_t            sum; /* of what is used behind the header: joined from the sums of the records, so that no byte is summed twice */
};
void batch_begin(struct batch *b, uint64_t stamp, uint64_t number, uint64_t first_sequence);
/* Would the batch, with this record and its zeros, take at most `room` bytes of the file and fit its memory? */
[[nodiscard]] bool batch_has_room(const struct batch *b, uint64_t record_length, uint64_t room);
void batch_add_webhook(struct batch *b, const struct journal_entry *e);
void batch_add_retirement(struct batch *b, struct slice head, struct slice words);
static inline bool batch_is_empty(const struct batch *b) { return b->header.webhooks == 0 && b->header.retirements == 0; }
[[nodiscard]] struct slice batch_finish(struct batch *b); /* the bytes to write */

/* -- reading one -- */

/* The block bears the stamp and a length that fits the room: the start of a batch, whole or torn. */
[[nodiscard]] bool batch_starts_at(const char *block, uint64_t stamp, uint64_t room, struct batch_header *h);
/* Every byte is as it was written, and everything in it is where it belongs. `memory` holds h->bytes. */
[[nodiscard]] bool batch_is_whole(const char *memory, const struct batch_header *h);

/* Walks the records of a batch. Everything read is checked against the batch's end first, so any bytes may be walked. */
struct record_cursor { const char *memory; uint32_t offset, bytes; };
static inline struct record_cursor record_cursor_over(const char *memory, const struct batch_header *h)
{
    return (struct record_cursor){ memory, sizeof *h, h->bytes };
}
struct record { struct record_frame frame; struct slice meta, body; };
[[nodiscard]] bool record_next(struct record_cursor *c, struct record *r); /* false: no further good one */
