#include "batches.h"
#include <stdlib.h>
#include "base/clock.h"
#include "base/crc32c.h"
#include "base/ensure.h"
#include "base/list.h"
#include "io/file.h"

enum : uint32_t { PAGE_BYTES = 4096 };
enum : size_t { BATCH_BYTES = 80 * 1024 * 1024 /* a thousand of the largest */, FILE_BYTES = 256 * 1024 * 1024 };

struct record { uint32_t length, sum; };

/* What is written in one go, and for whom. */
struct batch { char *bytes; size_t length; void **owners; uint32_t count; };

struct batches {
    struct io   *io;
    int          fd;
    uint64_t     offset;
    struct batch both[2];
    uint32_t     filling; /* which of them; the other one is being written */
    struct io_op writing;
    uint64_t     sync_extra_us;
    uint64_t     held_until_us; /* a batch is written, and held back for the slow disk's sake; UINT64_MAX: none is */
    uint64_t     durable_count;
    void (*durable)(void *owner);
};

static void tell_owners(struct batches *b)
{
    struct batch *written = &b->both[1 - b->filling];
    for (uint32_t n = 0; n < written->count; n++) b->durable(written->owners[n]);
    b->durable_count += written->count;
    written->length = written->count = 0;
    b->held_until_us = UINT64_MAX;
}

static void is_written(struct io_op *op, struct io_result result)
{
    struct batches *b = container_of(op, struct batches, writing);
    ensure(result.status == IO_OK);
    if (b->sync_extra_us > 0) b->held_until_us = clock_monotonic_us() + b->sync_extra_us;
    else tell_owners(b);
}

static void start_writing(struct batches *b)
{
    struct batch *full = &b->both[b->filling];
    size_t whole = (full->length + PAGE_BYTES - 1) / PAGE_BYTES * PAGE_BYTES;
    memset(full->bytes + full->length, 0, whole - full->length);
    if (b->offset + whole > FILE_BYTES) b->offset = 0;
    b->filling = 1 - b->filling;
    io_write_durably(b->io, &b->writing, b->fd, slice_from(full->bytes, whole), b->offset, is_written);
    b->offset += whole;
}

uint64_t batches_write(struct batches *b)
{
    if (b->held_until_us != UINT64_MAX && clock_monotonic_us() >= b->held_until_us) tell_owners(b);
    if (b->both[b->filling].count > 0 && !b->writing.submitted && b->held_until_us == UINT64_MAX) start_writing(b);
    return b->held_until_us;
}

void batches_append(struct batches *b, struct slice body, void *owner)
{
    struct batch *to = &b->both[b->filling];
    struct record r = { (uint32_t)body.length, crc32c(0, body) };
    ensure(to->length + sizeof r + body.length + 8 <= BATCH_BYTES - PAGE_BYTES);
    memcpy(to->bytes + to->length, &r, sizeof r);
    memcpy(to->bytes + to->length + sizeof r, body.start, body.length);
    to->length += (sizeof r + body.length + 7) / 8 * 8;
    to->owners[to->count++] = owner;
}

uint64_t batches_durable_count(const struct batches *b) { return b->durable_count; }

struct batches *batches_open(struct io *io, const char *path, uint64_t sync_extra_us, void (*durable)(void *owner))
{
    struct batches *b = malloc(sizeof *b);
    ensure(b);
    *b = (struct batches){ .io = io, .sync_extra_us = sync_extra_us, .held_until_us = UINT64_MAX, .durable = durable };
    ensure(file_create_filled(path, FILE_BYTES, &b->fd) == IO_OK);
    for (int n = 0; n < 2; n++) {
        b->both[n].bytes = aligned_alloc(PAGE_BYTES, BATCH_BYTES);
        b->both[n].owners = calloc(BATCH_BYTES / sizeof(struct record), sizeof *b->both[n].owners);
        ensure(b->both[n].bytes && b->both[n].owners);
    }
    return b;
}
