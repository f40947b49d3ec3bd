/* tests/simulation/ring.c: struct io of one shard: what it began is started when it waits, in order; what completed is called when it looks, in an order that the dice
 * choose among operations (those of one multishot keep theirs), and not always all of it. The rest of io.h is in socket.c, listener.c and write.c.
 *
 * In the world's memory, for completions come from events; given back when the shard closes it, or when its process dies. */
#include <stdlib.h>
#include <string.h>
#include "base/ensure.h"
#include "base/metrics.h"
#include "io/doorbell.h"
#include "io/io.h"
#include "limits.h"
#include "process.h"

enum : uint32_t { RING_MAGIC = 0x5151'7201 };

struct beginning { struct io_op *op; bool is_cancel; };
struct completion { struct io_op *op; struct io_result result; };

struct io {
    uint32_t          magic;
    struct list_node  node;     /* of its process */
    struct process   *process;
    struct fiber     *sleeper;  /* in io_wait() */
    struct event      alarm;
    struct beginning *begun;       uint32_t begun_count, begun_capacity;
    struct completion *completed;  uint32_t completed_count, completed_capacity;
    uint32_t          submitted;
    struct io_config  config;
    char             *buffers;
    bool             *lent;
    uint32_t          buffers_free;
    struct counter    turns, submissions, completions, overflows, waits, buffers_exhausted;
};

static struct ring_kind_functions kinds[RING_KIND_COUNT];

void ring_define(enum ring_kind kind, struct ring_kind_functions functions) { kinds[kind] = functions; }
struct process *ring_process(const struct io *io) { return io->process; }
uint32_t ring_buffer_bytes(const struct io *io) { return io->config.receive_buffer_bytes; }

static void *grow(void *array, uint32_t count, uint32_t *capacity, size_t each)
{
    if (count < *capacity) return array;
    *capacity = *capacity > 0 ? 2 * *capacity : 64;
    array = realloc(array, *capacity * each);
    ensure(array != nullptr);
    return array;
}

/* -- open and close -- */

struct io *io_open(const struct io_config *config, struct io_refusal *)
{
    seam_cross("io_open");
    struct io *io = calloc(1, sizeof *io);
    ensure(io != nullptr && process_here() != nullptr);
    io->magic = RING_MAGIC;
    io->process = process_here();
    io->config = *config;
    io->buffers = malloc((size_t)config->receive_buffers * config->receive_buffer_bytes);
    io->lent = calloc(config->receive_buffers, sizeof *io->lent);
    io->buffers_free = config->receive_buffers;
    ensure(io->buffers != nullptr && io->lent != nullptr);
    list_push_back(&io->process->rings, &io->node);
    return io;
}

static void free_ring(struct io *io)
{
    event_cancel(&io->alarm);
    list_remove(&io->process->rings, &io->node);
    io->magic = 0;
    free(io->begun);
    free(io->completed);
    free(io->buffers);
    free(io->lent);
    free(io);
}

void io_close_all(struct io *io)
{
    ensure_magic(io, RING_MAGIC);
    ensure(io->submitted == 0 && io->buffers_free == io->config.receive_buffers);
    free_ring(io);
}

void rings_abandon(struct process *p)
{
    for (struct list_node *n = list_first(&p->rings); n; n = list_first(&p->rings)) free_ring(container_of(n, struct io, node));
}

/* -- beginning -- */

static void queue(struct io *io, struct io_op *op, bool is_cancel)
{
    io->begun = grow(io->begun, io->begun_count, &io->begun_capacity, sizeof *io->begun);
    io->begun[io->begun_count++] = (struct beginning){ op, is_cancel };
    counter_add(&io->submissions, 1);
}

void ring_begin(struct io *io, struct io_op *op, enum ring_kind kind, int fd, io_done *done)
{
    ensure_magic(io, RING_MAGIC);
    ensure(!op->submitted && done != nullptr && kinds[kind].start != nullptr);
    op->done = done;
    op->submitted = true;
    op->kind = kind;
    op->fd = fd;
    io->submitted += 1;
    queue(io, op, false);
}

void io_cancel(struct io *io, struct io_op *op)
{
    seam_cross("io_cancel");
    ensure_magic(io, RING_MAGIC);
    if (op->submitted && op->kind != RING_WRITE_DURABLY) queue(io, op, true);
}

static bool has_ended(const struct io *io, const struct io_op *op)
{
    for (uint32_t n = 0; n < io->completed_count; n++)
        if (io->completed[n].op == op && !io->completed[n].result.more) return true;
    return false;
}

static void start_begun(struct io *io)
{
    for (uint32_t n = 0; n < io->begun_count; n++) {
        struct beginning b = io->begun[n];
        if (b.op == nullptr) continue;
        if (!b.is_cancel) kinds[b.op->kind].start(io, b.op);
        else if (!has_ended(io, b.op)) kinds[b.op->kind].cancel(io, b.op);
    }
    io->begun_count = 0;
}

/* -- completing -- */

void ring_complete(struct io *io, struct io_op *op, struct io_result result)
{
    ensure_magic(io, RING_MAGIC);
    ensure(op->submitted && !has_ended(io, op));
    io->completed = grow(io->completed, io->completed_count, &io->completed_capacity, sizeof *io->completed);
    io->completed[io->completed_count++] = (struct completion){ op, result };
    if (io->sleeper) fiber_ready(io->sleeper);
}

/* The first one of an operation that the dice choose. */
static struct completion take_one(struct io *io)
{
    uint32_t chosen = (uint32_t)prng_below(dice(DIE_SCHEDULE), io->completed_count);
    for (uint32_t n = 0; n < chosen; n++)
        if (io->completed[n].op == io->completed[chosen].op) chosen = n;
    struct completion c = io->completed[chosen];
    io->completed_count -= 1;
    memmove(&io->completed[chosen], &io->completed[chosen + 1], (io->completed_count - chosen) * sizeof c);
    return c;
}

/* Its cancel may still be waiting here when an operation ends by itself; then there is nothing to cancel, and soon perhaps no operation. */
static void forget_cancels(struct io *io, const struct io_op *op)
{
    for (uint32_t n = 0; n < io->begun_count; n++)
        if (io->begun[n].op == op) io->begun[n].op = nullptr;
}

static void finish(struct io *io, struct completion c)
{
    struct io_op *op = c.op;
    ensure(op->submitted);
    if (!c.result.more) {
        forget_cancels(io, op);
        op->submitted = false;
        io->submitted -= 1;
    }
    counter_add(&io->completions, 1);
    op->done(op, c.result); /* last: the owner may die here */
}

uint32_t io_complete(struct io *io)
{
    ensure_magic(io, RING_MAGIC);
    uint32_t at_entry = io->completed_count;
    if (at_entry > ring_completions_per_turn_max) at_entry = ring_completions_per_turn_max;
    if (at_entry > 1 && dice_happens(DIE_SCHEDULE, 0.1)) at_entry = (uint32_t)dice_between(DIE_SCHEDULE, 1, at_entry);
    for (uint32_t n = 0; n < at_entry; n++) {
        seam_cross("a completion");
        finish(io, take_one(io));
    }
    return at_entry;
}

static void ring_alarm(struct event *e)
{
    struct io *io = container_of(e, struct io, alarm);
    if (io->sleeper) fiber_ready(io->sleeper);
}

void io_wait(struct io *io, uint64_t until_us)
{
    seam_cross("io_wait");
    ensure_magic(io, RING_MAGIC);
    counter_add(&io->turns, 1);
    if (until_us != 0) counter_add(&io->waits, 1);
    start_begun(io);
    io->sleeper = fiber_here();
    fiber_yield(); /* the others' turn, in any case */
    if (io->completed_count == 0 && world_now_us() < until_us) {
        if (until_us != UINT64_MAX) event_schedule(&io->alarm, until_us, ring_alarm);
        do fiber_wait();
        while (io->completed_count == 0 && world_now_us() < until_us && !dice_happens(DIE_SCHEDULE, 0.01)); /* early, as for a signal */
        event_cancel(&io->alarm);
    }
    io->sleeper = nullptr;
}

/* -- receive buffers -- */

bool ring_fill_buffer(struct io *io, const char *bytes, uint32_t count, struct io_received *received)
{
    ensure(count > 0 && count <= io->config.receive_buffer_bytes);
    if (io->buffers_free == 0) {
        counter_add(&io->buffers_exhausted, 1);
        return false;
    }
    uint32_t buffer = (uint32_t)prng_below(dice(DIE_SCHEDULE), io->config.receive_buffers);
    while (io->lent[buffer]) buffer = (buffer + 1) % io->config.receive_buffers;
    io->lent[buffer] = true;
    io->buffers_free -= 1;
    char *to = io->buffers + (size_t)buffer * io->config.receive_buffer_bytes;
    memcpy(to, bytes, count);
    *received = (struct io_received){ to, count, (uint16_t)buffer };
    return true;
}

void io_return_buffer(struct io *io, uint16_t buffer)
{
    ensure_magic(io, RING_MAGIC);
    ensure(buffer < io->config.receive_buffers && io->lent[buffer]);
    io->lent[buffer] = false;
    io->buffers_free += 1;
    memset(io->buffers + (size_t)buffer * io->config.receive_buffer_bytes, 0xdb, io->config.receive_buffer_bytes); /* whoever still reads it reads this */
}

uint32_t io_buffers_free(const struct io *io) { return io->buffers_free; }

struct io_counters io_counters_of(const struct io *io)
{
    return (struct io_counters){ counter_read(&io->turns), counter_read(&io->submissions), counter_read(&io->completions), counter_read(&io->overflows), counter_read(&io->waits),
                                 counter_read(&io->buffers_exhausted) };
}

/* -- doorbells -- */

struct bell { bool rings; struct fiber *listener; struct io *io; struct io_op *poll; };

static void bell_closed(void *object, bool died)
{
    struct bell *b = object;
    ensure(died || b->poll == nullptr);
    free(b);
}

int doorbell_open(void)
{
    seam_cross("doorbell_open");
    struct bell *b = calloc(1, sizeof *b);
    ensure(b != nullptr);
    int fd = descriptor_open(DESCRIPTOR_BELL, b, bell_closed);
    if (fd < 0) free(b);
    return fd;
}

void doorbell_close(int fd) { io_close(fd); }

void doorbell_ring(int fd)
{
    seam_cross("doorbell_ring");
    struct bell *b = descriptor_object(fd, DESCRIPTOR_BELL);
    bool rang = b->rings;
    b->rings = true;
    if (b->listener) fiber_ready(b->listener);
    if (b->poll && !rang) ring_complete(b->io, b->poll, (struct io_result){ .status = IO_OK, .more = true, .count = IO_READABLE, .fd = -1 });
}

void doorbell_drain(int fd) { ((struct bell *)descriptor_object(fd, DESCRIPTOR_BELL))->rings = false; }

void doorbell_wait(int fd)
{
    seam_cross("doorbell_wait");
    struct bell *b = descriptor_object(fd, DESCRIPTOR_BELL);
    b->listener = fiber_here();
    while (!b->rings) fiber_wait();
    b->listener = nullptr;
    b->rings = false;
}

static void poll_bell(struct io *io, struct io_op *op)
{
    struct bell *b = descriptor_object(op->fd, DESCRIPTOR_BELL);
    ensure(b->poll == nullptr);
    b->io = io;
    b->poll = op;
    if (b->rings) ring_complete(io, op, (struct io_result){ .status = IO_OK, .more = true, .count = IO_READABLE, .fd = -1 });
}

static void poll_cancelled(struct io *io, struct io_op *op)
{
    struct bell *b = descriptor_object(op->fd, DESCRIPTOR_BELL);
    ensure(b->poll == op);
    b->poll = nullptr;
    ring_complete(io, op, (struct io_result){ .status = IO_CANCELLED, .fd = -1 });
}

void io_poll_forever(struct io *io, struct io_op *op, int fd, io_done *done)
{
    seam_cross("io_poll_forever");
    ring_begin(io, op, RING_POLL_FOREVER, fd, done);
}

[[gnu::constructor]] static void define_own_kind(void) { ring_define(RING_POLL_FOREVER, (struct ring_kind_functions){ poll_bell, poll_cancelled }); }
