/* io/io_uring.c: io.h on the machine: one ring per shard, driven by that shard's thread.
 *
 * An operation becomes one submission entry whose user_data is its address; a durable write becomes two, of which one answers: the lowest bit says which.
 * Nothing is submitted before the next io_wait() (one system call a turn), unless the submission ring is full: then at once.
 * What every completion means is decided in complete(), by the operation's kind. */
#include <errno.h>
#include <liburing.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include "base/clock.h"
#include "base/ensure.h"
#include "base/metrics.h"
#include "io/io.h"
#include "io/io_refusal.h"
#include "io/io_status.h"
#include "io/recv_buffers.h"
#include "limits.h"

enum kind : uint8_t { OP_ACCEPT, OP_RECEIVE, OP_SEND, OP_CONNECT, OP_POLL, OP_POLL_FOREVER, OP_WRITE_DURABLY };

/* What the words of io_op.detail hold. */
enum { SEND_START, SEND_COUNT, SEND_SENT, SEND_CANCELLED };
enum { WRITE_COUNT };

/* user_data: an io_op is aligned to 8, so its lowest bits are free. */
static constexpr uint64_t sync_half = 1;   /* the fdatasync of a durable write */
static constexpr uint64_t nobody = 0;      /* the answer to a cancel: the cancelled operation answers for itself */
static_assert(alignof(struct io_op) >= 8);

struct completion { uint64_t user_data; int32_t result; uint32_t flags; };

enum { IO_MAGIC = 0x696f'7201 };

struct io {
    uint32_t            magic;
    uint32_t            submitted; /* operations whose `submitted` is set */
    bool                completing;
    struct io_uring     ring;
    struct recv_buffers buffers;
    struct counter      turns, submissions, completions, overflows, waits, buffers_exhausted;
    struct completion   batch[ring_completions_per_turn_max];
};

/* -- open and close -- */

/* DEFER_TASKRUN runs completions only when we ask for them, in our own time; COOP_TASKRUN is the next best, for Linux 6.0. */
static int set_up_ring(struct io_uring *ring, uint32_t entries)
{
    unsigned common = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_SUBMIT_ALL | IORING_SETUP_CQSIZE;
    struct io_uring_params p = { .flags = common | IORING_SETUP_DEFER_TASKRUN, .cq_entries = entries * 8 };
    int failure = io_uring_queue_init_params(entries, ring, &p);
    if (failure != -EINVAL) return -failure;
    p = (struct io_uring_params){ .flags = common | IORING_SETUP_COOP_TASKRUN, .cq_entries = entries * 8 };
    return -io_uring_queue_init_params(entries, ring, &p);
}

/* The name of something we cannot do without and this kernel does not have; nullptr: all is there. */
static const char *find_missing(struct io_uring *ring)
{
    static const struct { int opcode; const char *name; } required[] = {
        { IORING_OP_ACCEPT, "accept in io_uring" },
        { IORING_OP_RECV, "recv in io_uring" },
        { IORING_OP_SEND, "send in io_uring" },
        { IORING_OP_CONNECT, "connect in io_uring" },
        { IORING_OP_POLL_ADD, "poll in io_uring" },
        { IORING_OP_ASYNC_CANCEL, "cancellation in io_uring" },
        { IORING_OP_WRITE, "write in io_uring" },
        { IORING_OP_FSYNC, "fsync in io_uring" },
        { IORING_OP_SEND_ZC, "multishot receive in io_uring" }, /* which has no opcode of its own; both came with Linux 6.0 */
    };
    if (!(ring->features & IORING_FEAT_EXT_ARG)) return "waiting with a timeout in io_uring";
    if (!(ring->features & IORING_FEAT_NODROP)) return "lossless completions in io_uring";
    if (!(ring->features & IORING_FEAT_CQE_SKIP)) return "links that answer once in io_uring";

    struct io_uring_probe *probe = io_uring_get_probe_ring(ring);
    if (probe == nullptr) return "the list of its operations in io_uring";
    const char *missing = nullptr;
    for (size_t n = 0; n < sizeof required / sizeof *required && missing == nullptr; n++)
        if (!io_uring_opcode_supported(probe, required[n].opcode)) missing = required[n].name;
    io_uring_free_probe(probe);
    return missing;
}

static bool prepare_ring(struct io *io, const struct io_config *config, struct io_refusal *refusal)
{
    const char *missing = find_missing(&io->ring);
    if (missing) {
        io_refuse_kernel(refusal, missing);
        return false;
    }
    /* Saves a reference count per system call; without it everything works the same, so a refusal is none. */
    (void)io_uring_register_ring_fd(&io->ring);

    int failure = recv_buffers_open(&io->buffers, &io->ring, config->receive_buffers, config->receive_buffer_bytes);
    if (failure) io_refuse_ring(refusal, failure);
    return failure == 0;
}

struct io *io_open(const struct io_config *config, struct io_refusal *refusal)
{
    struct io *io = calloc(1, sizeof *io);
    int failure = io ? set_up_ring(&io->ring, config->entries) : ENOMEM;
    if (failure) {
        io_refuse_ring(refusal, failure);
        free(io);
        return nullptr;
    }
    if (!prepare_ring(io, config, refusal)) {
        io_uring_queue_exit(&io->ring);
        free(io);
        return nullptr;
    }
    io->magic = IO_MAGIC;
    return io;
}

void io_close_all(struct io *io)
{
    ensure_magic(io, IO_MAGIC);
    ensure(io->submitted == 0);
    recv_buffers_close(&io->buffers, &io->ring);
    io_uring_queue_exit(&io->ring);
    io->magic = 0;
    free(io);
}

/* -- submitting -- */

/* Entries that belong together must go in one submission: a link does not reach over its end. */
static void make_room(struct io *io, uint32_t entries)
{
    constexpr int attempts_max = 100; /* the kernel takes at least one entry each time, or is out of memory for good */
    for (int attempt = 0; io_uring_sq_space_left(&io->ring) < entries; attempt++) {
        ensure(attempt < attempts_max);
        int taken = io_uring_submit(&io->ring);
        ensure(taken >= 0 || taken == -EINTR || taken == -EAGAIN || taken == -EBUSY);
    }
}

static struct io_uring_sqe *next_entry(struct io *io)
{
    make_room(io, 1);
    struct io_uring_sqe *entry = io_uring_get_sqe(&io->ring);
    ensure(entry != nullptr);
    counter_add(&io->submissions, 1);
    return entry;
}

static void begin(struct io *io, struct io_op *op, enum kind kind, int fd, io_done *done)
{
    ensure_magic(io, IO_MAGIC);
    ensure(!op->submitted && done != nullptr && fd >= 0);
    *op = (struct io_op){ .done = done, .submitted = true, .kind = kind, .fd = fd };
    io->submitted += 1;
}

void io_accept(struct io *io, struct io_op *op, int listener, io_done *done)
{
    begin(io, op, OP_ACCEPT, listener, done);
    struct io_uring_sqe *entry = next_entry(io);
    io_uring_prep_multishot_accept(entry, listener, nullptr, nullptr, SOCK_CLOEXEC);
    io_uring_sqe_set_data(entry, op);
}

void io_receive(struct io *io, struct io_op *op, int fd, io_done *done)
{
    begin(io, op, OP_RECEIVE, fd, done);
    struct io_uring_sqe *entry = next_entry(io);
    io_uring_prep_recv_multishot(entry, fd, nullptr, 0, 0);
    entry->flags |= IOSQE_BUFFER_SELECT;
    entry->buf_group = RECV_BUFFERS_GROUP;
    io_uring_sqe_set_data(entry, op);
}

/* What is left of the bytes. WAITALL: the kernel itself goes on after a full socket buffer, and stops short only for an error or a cancel. */
static void send_rest(struct io *io, struct io_op *op)
{
    const char *start = (const char *)op->detail[SEND_START];
    struct io_uring_sqe *entry = next_entry(io);
    io_uring_prep_send(entry, op->fd, start + op->detail[SEND_SENT], op->detail[SEND_COUNT] - op->detail[SEND_SENT], MSG_NOSIGNAL | MSG_WAITALL);
    io_uring_sqe_set_data(entry, op);
}

void io_send(struct io *io, struct io_op *op, int fd, struct slice bytes, io_done *done)
{
    ensure(bytes.length > 0 && bytes.length <= INT32_MAX); /* a completion counts in 32 bits */
    begin(io, op, OP_SEND, fd, done);
    op->detail[SEND_START] = (uint64_t)bytes.start;
    op->detail[SEND_COUNT] = bytes.length;
    send_rest(io, op);
}

void io_connect(struct io *io, struct io_op *op, int fd, const struct sockaddr_in *to, io_done *done)
{
    begin(io, op, OP_CONNECT, fd, done);
    static_assert(sizeof *to <= sizeof op->detail);
    memcpy(op->detail, to, sizeof *to); /* lives until completion, unlike the caller's */
    struct io_uring_sqe *entry = next_entry(io);
    io_uring_prep_connect(entry, fd, (const struct sockaddr *)op->detail, sizeof *to);
    io_uring_sqe_set_data(entry, op);
}

void io_poll(struct io *io, struct io_op *op, int fd, uint8_t readiness, io_done *done)
{
    ensure(readiness != 0 && (readiness & ~(IO_READABLE | IO_WRITABLE)) == 0);
    begin(io, op, OP_POLL, fd, done);
    unsigned events = (readiness & IO_READABLE ? POLLIN : 0) | (readiness & IO_WRITABLE ? POLLOUT : 0);
    struct io_uring_sqe *entry = next_entry(io);
    io_uring_prep_poll_add(entry, fd, events);
    io_uring_sqe_set_data(entry, op);
}

void io_poll_forever(struct io *io, struct io_op *op, int fd, io_done *done)
{
    begin(io, op, OP_POLL_FOREVER, fd, done);
    struct io_uring_sqe *entry = next_entry(io);
    io_uring_prep_poll_multishot(entry, fd, POLLIN);
    io_uring_sqe_set_data(entry, op);
}

/* The sync is linked: it starts when the write has written all, and is cancelled when it has not. One of them answers, so the shard is not woken between
 * the two: the write, which skips its completion on success, or else the sync, which has none when the write has failed (Linux 5.17, "io_uring: add option
 * to skip CQE posting"; a short write counts as failed, io_uring_enter(2), IOSQE_IO_LINK). */
void io_write_durably(struct io *io, struct io_op *op, int fd, struct slice bytes, uint64_t offset, io_done *done)
{
    constexpr uint64_t alignment = 4096;
    ensure(bytes.length > 0 && bytes.length <= INT32_MAX);
    ensure((uint64_t)bytes.start % alignment == 0 && bytes.length % alignment == 0 && offset % alignment == 0);
    begin(io, op, OP_WRITE_DURABLY, fd, done);
    op->detail[WRITE_COUNT] = bytes.length;

    make_room(io, 2);
    struct io_uring_sqe *write = next_entry(io);
    io_uring_prep_write(write, fd, bytes.start, (unsigned)bytes.length, offset);
    write->flags |= IOSQE_IO_LINK | IOSQE_CQE_SKIP_SUCCESS;
    io_uring_sqe_set_data(write, op);
    struct io_uring_sqe *sync = next_entry(io);
    io_uring_prep_fsync(sync, fd, IORING_FSYNC_DATASYNC);
    io_uring_sqe_set_data64(sync, (uint64_t)op | sync_half);
}

void io_cancel(struct io *io, struct io_op *op)
{
    ensure_magic(io, IO_MAGIC);
    if (!op->submitted || op->kind == OP_WRITE_DURABLY) return;
    /* The cancel may come between a short send and the sending of the rest, and find nothing: then the rest is not sent. */
    if (op->kind == OP_SEND) op->detail[SEND_CANCELLED] = true;
    struct io_uring_sqe *entry = next_entry(io);
    io_uring_prep_cancel64(entry, (uint64_t)op, 0);
    io_uring_sqe_set_data64(entry, nobody);
}

/* -- waiting -- */

/* EINTR: a signal; ETIME: `until_us` has come; EAGAIN and EBUSY: the kernel wants its completions reaped first, which is what comes next. */
static bool is_expected(int entered)
{
    return entered >= 0 || entered == -EINTR || entered == -ETIME || entered == -EAGAIN || entered == -EBUSY;
}

static int enter(struct io *io, uint64_t until_us)
{
    if (until_us == UINT64_MAX) return io_uring_submit_and_wait(&io->ring, 1);
    uint64_t now_us = until_us == 0 ? 0 : clock_monotonic_us();
    if (until_us <= now_us) return io_uring_submit_and_get_events(&io->ring);

    uint64_t wait_us = until_us - now_us;
    struct __kernel_timespec wait = { .tv_sec = (int64_t)(wait_us / 1'000'000), .tv_nsec = (int64_t)(wait_us % 1'000'000) * 1000 };
    struct io_uring_cqe *first;
    return io_uring_submit_and_wait_timeout(&io->ring, &first, 1, &wait, nullptr);
}

void io_wait(struct io *io, uint64_t until_us)
{
    ensure_magic(io, IO_MAGIC);
    ensure(!io->completing);
    counter_add(&io->turns, 1);
    if (until_us != 0) counter_add(&io->waits, 1);
    ensure(is_expected(enter(io, until_us)));
    if (io_uring_cq_has_overflow(&io->ring)) counter_add(&io->overflows, 1);
    ensure(*io->ring.cq.koverflow == 0); /* a completion was lost for want of memory: its owner would wait for ever */
}

/* -- completing -- */

static void finish(struct io *io, struct io_op *op, struct io_result result)
{
    if (!result.more) {
        op->submitted = false;
        io->submitted -= 1;
    }
    op->done(op, result); /* last: the owner may die here */
}

static struct io_result result_of(const struct completion *c)
{
    return (struct io_result){ .status = c->result < 0 ? io_status_from_errno(-c->result) : IO_OK, .more = c->flags & IORING_CQE_F_MORE, .fd = -1 };
}

static void complete_accept(struct io *io, struct io_op *op, const struct completion *c)
{
    struct io_result result = result_of(c);
    if (result.status == IO_OK) result.fd = c->result;
    finish(io, op, result);
}

static void complete_receive(struct io *io, struct io_op *op, const struct completion *c)
{
    struct io_result result = result_of(c);
    bool has_buffer = c->flags & IORING_CQE_F_BUFFER;
    uint16_t buffer = (uint16_t)(c->flags >> IORING_CQE_BUFFER_SHIFT);
    if (c->result > 0) {
        ensure(has_buffer);
        result.received = (struct io_received){ recv_buffers_lend(&io->buffers, buffer), (uint32_t)c->result, buffer };
    } else {
        if (has_buffer) { /* taken for nothing */
            (void)recv_buffers_lend(&io->buffers, buffer);
            recv_buffers_return(&io->buffers, buffer);
        }
        if (c->result == 0) result.status = IO_END;
        if (c->result == -ENOBUFS) {
            result.status = IO_NO_BUFFERS;
            counter_add(&io->buffers_exhausted, 1);
        }
    }
    finish(io, op, result);
}

static void complete_send(struct io *io, struct io_op *op, const struct completion *c)
{
    struct io_result result = result_of(c);
    if (c->result > 0) op->detail[SEND_SENT] += (uint64_t)c->result;
    bool all_sent = op->detail[SEND_SENT] == op->detail[SEND_COUNT];
    bool may_go_on = c->result > 0 || c->result == -EINTR;
    if (!all_sent && may_go_on && !op->detail[SEND_CANCELLED]) {
        send_rest(io, op);
        return;
    }
    if (!all_sent && may_go_on) result.status = IO_CANCELLED;
    if (!all_sent && c->result == 0) result.status = IO_FAILED; /* a stream that takes nothing never will */
    result.count = (uint32_t)op->detail[SEND_SENT];
    finish(io, op, result);
}

static void complete_poll(struct io *io, struct io_op *op, const struct completion *c)
{
    struct io_result result = result_of(c);
    uint32_t events = c->result > 0 ? (uint32_t)c->result : 0;
    if (events & POLLNVAL) result.status = IO_FAILED;
    if (events & (POLLIN | POLLERR | POLLHUP)) result.count |= IO_READABLE;
    if (events & (POLLOUT | POLLERR | POLLHUP)) result.count |= IO_WRITABLE;
    finish(io, op, result);
}

static void complete_write(struct io *io, struct io_op *op, const struct completion *c)
{
    struct io_result result = result_of(c);
    bool     is_sync = c->user_data & sync_half;
    uint64_t count = op->detail[WRITE_COUNT];
    ensure(is_sync || c->result < 0 || (uint64_t)c->result < count); /* a whole write answers by its sync */
    if (!is_sync && c->result >= 0) result.status = IO_NO_SPACE;     /* short: how it is said when some of it still fitted */
    if (is_sync && result.status == IO_OK) result.count = (uint32_t)count;
    finish(io, op, result);
}

static void complete(struct io *io, const struct completion *c)
{
    if (c->user_data == nobody) return;
    struct io_op *op = (struct io_op *)(c->user_data & ~sync_half);
    ensure(op->submitted);
    switch ((enum kind)op->kind) {
    case OP_ACCEPT:        complete_accept(io, op, c); break;
    case OP_RECEIVE:       complete_receive(io, op, c); break;
    case OP_SEND:          complete_send(io, op, c); break;
    case OP_CONNECT:       finish(io, op, result_of(c)); break;
    case OP_POLL:
    case OP_POLL_FOREVER:  complete_poll(io, op, c); break;
    case OP_WRITE_DURABLY: complete_write(io, op, c); break;
    }
}

/* Out of the ring first, so that callbacks meet a ring with room, however much they start. */
static uint32_t copy_out(struct io *io)
{
    struct io_uring_cqe *cqes[ring_completions_per_turn_max];
    uint32_t count = io_uring_peek_batch_cqe(&io->ring, cqes, ring_completions_per_turn_max);
    for (uint32_t n = 0; n < count; n++)
        io->batch[n] = (struct completion){ cqes[n]->user_data, cqes[n]->res, cqes[n]->flags };
    io_uring_cq_advance(&io->ring, count);
    counter_add(&io->completions, count);
    return count;
}

uint32_t io_complete(struct io *io)
{
    ensure_magic(io, IO_MAGIC);
    ensure(!io->completing); /* not from inside a callback */
    io->completing = true;
    uint32_t count = copy_out(io);
    for (uint32_t n = 0; n < count; n++) complete(io, &io->batch[n]);
    io->completing = false;
    return count;
}

/* -- buffers and figures -- */

void io_return_buffer(struct io *io, uint16_t buffer)
{
    ensure_magic(io, IO_MAGIC);
    recv_buffers_return(&io->buffers, buffer);
}

uint32_t io_buffers_free(const struct io *io)
{
    ensure_magic(io, IO_MAGIC);
    return io->buffers.free;
}

struct io_counters io_counters_of(const struct io *io)
{
    ensure_magic(io, IO_MAGIC);
    return (struct io_counters){
        .turns = counter_read(&io->turns),
        .submissions = counter_read(&io->submissions),
        .completions = counter_read(&io->completions),
        .overflows = counter_read(&io->overflows),
        .waits = counter_read(&io->waits),
        .buffers_exhausted = counter_read(&io->buffers_exhausted),
    };
}
