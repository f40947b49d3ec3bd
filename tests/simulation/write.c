/* tests/simulation/write.c: io_write_durably(): a write with its linked sync.
 *
 *   begun → started: the bytes are in the cache, or a part of them → both times have passed → on the platter, or not, and completed
 *
 * A write is in the world's memory; it knows its bytes in the process's until it completes, and looks at the end whether they are still the same. */
#include <stdlib.h>
#include "base/ensure.h"
#include "volume.h"

enum outcome : uint8_t { WRITE_SUCCEEDS, WRITE_FINDS_NO_SPACE, WRITE_FAILS, SYNC_FAILS };

struct write {
    struct list_node        node; /* of its disk */
    struct disk            *disk;
    const struct open_file *file;
    struct io              *io;
    struct io_op           *op;
    struct slice            bytes;
    uint64_t                offset;
    enum outcome            outcome;
    bool                    is_started;
    struct event            done;
};

static struct write *write_at(struct list_node *n) { return container_of(n, struct write, node); }

static void forget(struct write *w)
{
    event_cancel(&w->done);
    list_remove(&w->disk->writes, &w->node);
    free(w);
}

/* -- begun -- */

void io_write_durably(struct io *io, struct io_op *op, int fd, struct slice bytes, uint64_t offset, io_done *done)
{
    seam_cross("io_write_durably");
    ensure(bytes.length > 0 && bytes.length <= INT32_MAX);
    ensure((uint64_t)bytes.start % PAGE_BYTES == 0 && bytes.length % PAGE_BYTES == 0 && offset % PAGE_BYTES == 0);
    const struct open_file *f = descriptor_object(fd, DESCRIPTOR_FILE);
    struct write *w = calloc(1, sizeof *w);
    ensure(w != nullptr);
    *w = (struct write){ .disk = f->disk, .file = f, .io = io, .op = op, .bytes = bytes, .offset = offset };
    if (seam_fails(SEAM_RING_OPERATION)) w->outcome = dice_happens(DIE_DISK, 0.5) ? WRITE_FINDS_NO_SPACE : WRITE_FAILS;
    list_push_back(&f->disk->writes, &w->node);
    ring_begin(io, op, RING_WRITE_DURABLY, fd, done);
    op->detail[0] = (uint64_t)w;
}

/* -- started -- */

static enum outcome draw_outcome(struct disk *d)
{
    if (dice_happens(DIE_DISK, d->climate.full_per_write)) disk_becomes_full(d);
    if (disk_is_full(d, 0)) return WRITE_FINDS_NO_SPACE;
    if (dice_happens(DIE_DISK, d->climate.fail_per_write)) return dice_happens(DIE_DISK, 0.5) ? WRITE_FAILS : SYNC_FAILS;
    return WRITE_SUCCEEDS;
}

static bool overlaps(const struct write *a, const struct write *b)
{
    return a->file->image == b->file->image && a->offset < b->offset + b->bytes.length && b->offset < a->offset + a->bytes.length;
}

static void ensure_alone(const struct write *w)
{
    for (struct list_node *n = list_first(&w->disk->writes); n; n = list_next(&w->disk->writes, n)) {
        const struct write *other = write_at(n);
        if (other == w || !other->is_started || !overlaps(w, other)) continue;
        world_broken("no two writes are under way to the same place", "offset %lu", (unsigned long)w->offset);
    }
}

/* A write that fails has got somewhere in the meantime. */
static uint64_t draw_reach(const struct write *w)
{
    switch (w->outcome) {
    case WRITE_SUCCEEDS:
    case SYNC_FAILS:           return w->bytes.length;
    case WRITE_FINDS_NO_SPACE:
    case WRITE_FAILS:          return dice_between(DIE_DISK, 0, w->bytes.length / PAGE_BYTES - 1) * PAGE_BYTES;
    }
    ensure(false);
    return 0;
}

static void done(struct event *event);

static void start(struct io *, struct io_op *op)
{
    struct write *w = (struct write *)op->detail[0];
    struct disk  *d = w->disk;
    ensure_alone(w);
    w->is_started = true;
    if (w->outcome == WRITE_SUCCEEDS) w->outcome = draw_outcome(d);
    uint64_t reach = draw_reach(w);
    trace("disk %s: %lu bytes to offset %lu", d->name, (unsigned long)w->bytes.length, (unsigned long)w->offset);
    image_write(w->file->image, w->offset, w->bytes.start, reach);
    d->counters.writes += 1;
    uint64_t takes_us = dice_delay_us(DIE_DISK, d->climate.write_us) + dice_delay_us(DIE_DISK, d->climate.sync_us);
    event_schedule(&w->done, world_now_us() + takes_us, done);
}

static void cancel(struct io *, struct io_op *) {} /* it becomes what it becomes */

/* -- done -- */

bool writes_are_under_way(const struct disk *d, const struct image *i)
{
    for (struct list_node *n = list_first(&d->writes); n; n = list_next(&d->writes, n))
        if (write_at(n)->is_started && write_at(n)->file->image == i) return true;
    return false;
}

bool writes_use(const struct open_file *f)
{
    for (struct list_node *n = list_first(&f->disk->writes); n; n = list_next(&f->disk->writes, n))
        if (write_at(n)->file == f) return true;
    return false;
}

/* A sync is of the whole file; only what other writes have under way is not its matter. */
static void reach_platter(struct write *w)
{
    struct image *i = w->file->image;
    if (!image_shows(i, w->offset, w->bytes.start, w->bytes.length))
        world_broken("bytes under a durable write stay as they are until it is done", "offset %lu", (unsigned long)w->offset);
    image_sync(i, w->offset, w->bytes.length);
    w->is_started = false;
    if (!writes_are_under_way(w->disk, i)) image_sync(i, 0, UINT64_MAX);
}

static enum io_status status_of(enum outcome o)
{
    switch (o) {
    case WRITE_SUCCEEDS:       return IO_OK;
    case WRITE_FINDS_NO_SPACE: return IO_NO_SPACE;
    case WRITE_FAILS:
    case SYNC_FAILS:           return IO_FAILED;
    }
    ensure(false);
    return IO_FAILED;
}

static void done(struct event *event)
{
    struct write    *w = container_of(event, struct write, done);
    struct disk     *d = w->disk;
    struct io       *io = w->io;
    struct io_op    *op = w->op;
    struct io_result result = { .status = status_of(w->outcome), .fd = -1 };
    if (result.status == IO_OK) {
        reach_platter(w);
        result.count = (uint32_t)w->bytes.length;
    }
    d->counters.full += result.status == IO_NO_SPACE;
    d->counters.failed += result.status == IO_FAILED;
    trace("disk %s: offset %lu: %s", d->name, (unsigned long)w->offset, io_status_name(result.status));
    forget(w);
    ring_complete(io, op, result);
}

void writes_abandon(const struct open_file *f)
{
    for (struct list_node *n = list_first(&f->disk->writes), *next; n; n = next) {
        struct write *w = write_at(n);
        next = list_next(&f->disk->writes, n);
        if (w->file != f) continue;
        struct settling s = disk_draw_settling(w->disk);
        if (w->is_started) image_settle(f->image, w->offset, w->bytes.length, &s);
        forget(w);
    }
}

void disk_define(void) { ring_define(RING_WRITE_DURABLY, (struct ring_kind_functions){ start, cancel }); }
