/* Recovery over files that anybody may have written: it never crashes, never loops, and gives out exactly what it said it would.
 *
 * Two segments are made from the input. Its first byte says how: raw bytes under a good header, or a row of pieces, each of them a batch with its
 * checksums made good (so that what is inside is reached), bytes, or a gap. Statements of one segment about the other one are among them.
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/ensure.h"
#include "journal/format.h"
#include "journal/journal.h"
#include "journal/retirement.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count);
int LLVMFuzzerInitialize(int *argc, char ***argv);

enum { SEGMENT = 64 * 1024, STAMP = 0x57a4 };

struct input { const uint8_t *at; size_t left; };

static uint64_t take(struct input *in, size_t bytes)
{
    uint64_t value = 0;
    if (bytes > in->left) bytes = in->left;
    memcpy(&value, in->at, bytes);
    in->at += bytes;
    in->left -= bytes;
    return value;
}

static struct slice take_bytes(struct input *in, size_t wish)
{
    size_t bytes = wish < in->left ? wish : in->left;
    struct slice s = slice_from(in->at, bytes);
    in->at += bytes;
    in->left -= bytes;
    return s;
}

/* -- pieces -- */

static void add_webhook(struct batch *b, struct input *in)
{
    struct journal_entry e = { .type = JOURNAL_WEBHOOK, .meta = take_bytes(in, take(in, 1) % 16), .body = take_bytes(in, take(in, 1)) };
    e.position.sequence = b->header.first_sequence + b->header.webhooks;
    if (batch_has_room(b, record_length_of(e.meta.length + e.body.length), SEGMENT)) batch_add_webhook(b, &e);
}

static void add_retirement(struct batch *b, struct input *in)
{
    struct retirement_head h = { .stamp = STAMP + take(in, 1) % 3, .segment = (uint32_t)take(in, 1) % 3,
                                 .end = take(in, 3), .records = (uint32_t)take(in, 3),
                                 .first_word = (uint32_t)take(in, 2), .word_count = (uint32_t)take(in, 2) };
    struct slice words = take_bytes(in, take(in, 1));
    if (h.word_count % 4 != 0) h.word_count = (uint32_t)(words.length / 8); /* mostly as it has to be */
    if (batch_has_room(b, record_length_of(sizeof h + words.length), SEGMENT))
        batch_add_retirement(b, slice_from(&h, sizeof h), slice_take(words, h.word_count * 8));
}

static struct slice whole_batch(struct batch *b, struct input *in)
{
    for (uint64_t records = take(in, 1) % 8; records > 0; records--) {
        if (take(in, 1) % 3 == 0) add_retirement(b, in);
        else add_webhook(b, in);
    }
    return batch_finish(b);
}

/* The frames are the input's own, and only the batch's checksum is made good. */
static struct slice forged_batch(struct batch *b, struct input *in)
{
    struct slice frames = take_bytes(in, take(in, 2) % 8192);
    memcpy(b->memory + b->used, frames.start, frames.length);
    b->used += frames.length;
    b->header.webhooks = (uint32_t)take(in, 1);
    b->header.retirements = (uint32_t)take(in, 1) % 4;
    return batch_finish(b);
}

static void make_pieces(char *image, uint64_t stamp, struct input *in)
{
    static alignas(4096) char memory[SEGMENT];
    struct batch b = { .memory = memory, .capacity = SEGMENT };
    uint64_t     number = take(in, 1), sequence = take(in, 2), at = first_batch_offset;
    while (in->left > 0 && at < SEGMENT) {
        uint64_t kind = take(in, 1);
        batch_begin(&b, stamp, kind & 0x80 ? take(in, 8) : number, kind & 0x40 ? take(in, 8) : sequence);
        struct slice piece = kind % 4 == 0 ? take_bytes(in, take(in, 2)) : kind % 4 == 1 ? forged_batch(&b, in) : whole_batch(&b, in);
        piece = slice_take(piece, SEGMENT - at);
        memcpy(image + at, piece.start, piece.length);
        if (kind & 0x20 && piece.length > 0) image[at + take(in, 2) % piece.length] ^= 1;
        at += round_up(piece.length + (kind & 0x10 ? block_bytes : 0), block_bytes);
        number += 1;
        sequence += b.header.webhooks;
    }
}

/* -- files -- */

static char directory[64];
static int  lowest_descriptor;

static void write_segment(uint32_t number, struct input *in)
{
    static alignas(4096) char image[SEGMENT];
    uint8_t how = (uint8_t)take(in, 1);
    memset(image, 0, sizeof image);
    struct segment_header h = { .stamp = STAMP + number, .bytes = SEGMENT, .number = number, .use = how };
    if (how != 1) segment_header_write(h, image + (how % 2) * block_bytes);
    if (how % 8 == 0) {
        struct slice raw = take_bytes(in, SEGMENT);
        memcpy(image + (how & 8 ? 0 : first_batch_offset), raw.start, raw.length <= SEGMENT - first_batch_offset ? raw.length : SEGMENT - first_batch_offset);
    } else {
        struct input half = { in->at, in->left / number };
        in->at += half.left;
        in->left -= half.left;
        make_pieces(image, h.stamp, &half);
    }
    char path[segment_path_bytes_max];
    segment_path(path, directory, number);
    int fd = open(path, O_CREAT | O_TRUNC | O_WRONLY, 0600);
    ensure(fd >= 0 && write(fd, image, SEGMENT) == SEGMENT);
    close(fd);
}

static void replay(struct journal_recovery *r, const struct journal_report *report)
{
    struct journal_replayed record;
    uint64_t                count = 0;
    for (; journal_recovery_next(r, &record); count++) {
        ensure(count < report->replayed);
        ensure(record.meta.length + record.body.length + sizeof(struct record_frame) <= SEGMENT);
        if (record.body.length % 2 == 0) journal_recovery_retire(r, record.position);
    }
    ensure(count == report->replayed && report->replayed + report->retired == report->records);
}

int LLVMFuzzerInitialize(int *, char ***)
{
    snprintf(directory, sizeof directory, "%s/journal-fuzz-XXXXXX", access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    ensure(mkdtemp(directory));
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
    struct input in = { bytes, count };
    lowest_descriptor = dup(0);
    close(lowest_descriptor);
    write_segment(2, &in);
    write_segment(1, &in);

    struct journal_config c = { .directory = directory, .segment_bytes = SEGMENT, .segments_max = 8 };
    struct journal_report report;
    struct io_refusal     refusal = { .text = "" };
    struct journal_recovery *r = journal_recover(&c, &report, &refusal);
    if (r) {
        replay(r, &report);
        journal_recovery_close(r);
    } else {
        ensure(refusal.text[0] != '\0');
    }
    close_range((unsigned)lowest_descriptor, ~0U, 0); /* the lock on the directory: an engine keeps it until it ends */
    return 0;
}
