#pragma once
/* io/io.h: everything the engine asks of the kernel while it runs, as operations that complete. With base/clock.h the first seam:
 * linked against io_uring.c this is the machine; the simulation links its own, in one thread with virtual time and seeded faults.
 *
 * One struct io per shard, used by that shard's thread alone (SINGLE_ISSUER).
 *
 * An operation is a struct embedded in its owner. `submitted` is true exactly while the kernel may still complete it: from the call that
 * starts it to its last completion. The owner may not die, and may not start the operation again, while it is submitted.
 * Closing is: stop → io_cancel() what is submitted → wait for the completions (join) → io_close().
 * Completions are collected first and called afterwards, so a callback never runs inside another; callbacks may start any operation.
 */
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>
#include "base/slice.h"

/* errno stops here. */
enum io_status : uint8_t {
    IO_OK,
    IO_END,         /* the peer has sent all it will send */
    IO_CANCELLED,   /* by io_cancel() */
    IO_RESET,       /* the peer broke the connection (ECONNRESET, EPIPE, ETIMEDOUT) */
    IO_REFUSED,     /* nobody listens there */
    IO_UNREACHABLE, /* no way there */
    IO_NO_BUFFERS,  /* all receive buffers are lent out: start again once some are back */
    IO_NO_SPACE,    /* the disk, the quota, or the limit on a file's size is full; also a write that fitted in part */
    IO_NO_FILES,    /* out of descriptors or kernel memory for sockets */
    IO_FAILED,      /* anything else: for files this is fatal, for sockets the end of the connection */
};
[[nodiscard]] const char *io_status_name(enum io_status s);

/* Bytes received, in one of the shard's receive buffers; lent until io_return_buffer(). */
struct io_received { const char *bytes; uint32_t count; uint16_t buffer; };

struct io_result {
    enum io_status     status;
    bool               more;     /* multishot: further completions follow, the operation stays submitted */
    uint32_t           count;    /* bytes sent or written; poll: what is ready, of enum io_readiness */
    int                fd;       /* accept: the new socket */
    struct io_received received; /* receive, when IO_OK */
};

struct io_op;
typedef void io_done(struct io_op *op, struct io_result result);

struct io_op {
    io_done *done;
    bool     submitted; /* see above */
    uint8_t  kind;      /* the rest is io_uring.c's */
    int      fd;
    uint64_t detail[4]; /* what the kernel reads until completion, and how far it has come */
};

struct io; /* opaque */

struct io_config {
    uint32_t entries;              /* submissions a turn; completions get eight times as many */
    uint32_t receive_buffers;      /* a power of two */
    uint32_t receive_buffer_bytes;
};

/* Tells why the ring could not be had, and what to do about it: io_uring_disabled sysctl, seccomp, memlock, kernel too old. */
struct io_refusal { char text[512]; };

/* On the thread that will use it. nullptr: *refusal says what is wrong and the remedy, in full sentences. */
[[nodiscard]] struct io *io_open(const struct io_config *config, struct io_refusal *refusal);
void io_close_all(struct io *io); /* no operation may be submitted, every receive buffer is back */

/* A turn has two halves, so that the loop can read the clock between them:
 * io_wait() submits what was started since, and waits until something completes or `until_us` (clock_monotonic_us; 0: do not wait;
 * UINT64_MAX: for ever). It may come back early, for a signal.
 * io_complete() calls the completions, at most a batch of them; what is left makes the next io_wait() return at once. How many. */
void io_wait(struct io *io, uint64_t until_us);
uint32_t io_complete(struct io *io);

/* Both halves, for whoever has nothing to do in between. */
static inline uint32_t io_turn(struct io *io, uint64_t until_us)
{
    io_wait(io, until_us);
    return io_complete(io);
}

/* -- sockets -- */

/* A listening TCP socket (SO_REUSEPORT: every shard has its own on the same port) or -1 with *refusal. Port 0: any free one; io_port_of() tells. */
[[nodiscard]] int io_listen(const struct sockaddr_in *at, uint32_t backlog, struct io_refusal *refusal);
/* Before the shards listen, since their sockets would share a port with another process of the same user without a word. false: *refusal says who cannot have it. */
[[nodiscard]] bool io_port_is_free(const struct sockaddr_in *at, struct io_refusal *refusal);
[[nodiscard]] uint16_t io_port_of(int fd);
[[nodiscard]] int io_socket(void); /* TCP, NODELAY; -1: out of descriptors */

void io_accept(struct io *io, struct io_op *op, int listener, io_done *done);  /* multishot */
void io_receive(struct io *io, struct io_op *op, int fd, io_done *done);       /* multishot, into the shard's buffers */
void io_return_buffer(struct io *io, uint16_t buffer);
[[nodiscard]] uint32_t io_buffers_free(const struct io *io);
void io_send(struct io *io, struct io_op *op, int fd, struct slice bytes, io_done *done); /* all of them, or a failure; bytes live until done */
void io_connect(struct io *io, struct io_op *op, int fd, const struct sockaddr_in *to, io_done *done);
void io_shutdown(int fd); /* both ways, at once: makes pending receives end */
void io_close(int fd);    /* nothing may be submitted on it */

/* One shot; result.count says what is ready. A broken connection counts as ready for both: the owner's next read or write finds out.
 * Level at submission counts, so arming late loses nothing. */
enum io_readiness : uint8_t { IO_READABLE = 1, IO_WRITABLE = 2 };
void io_poll(struct io *io, struct io_op *op, int fd, uint8_t readiness, io_done *done);
void io_poll_forever(struct io *io, struct io_op *op, int fd, io_done *done); /* multishot, readable: wake-ups (the reader must drain fd) */

/* Ends a submitted operation early; its own completion says IO_CANCELLED, or what it became before. Not submitted: nothing happens.
 * A durable write is not ended: it becomes what it becomes. */
void io_cancel(struct io *io, struct io_op *op);

/* -- files: the journal's -- */

/* Writes at `offset` and makes it durable (write, linked fdatasync); done only after both. bytes, offset and count are multiples of 4096. */
void io_write_durably(struct io *io, struct io_op *op, int fd, struct slice bytes, uint64_t offset, io_done *done);

/* -- figures -- */
/* overflows: turns in which completions did not fit their ring and took the kernel's slow path. Any thread. */
struct io_counters { uint64_t turns, submissions, completions, overflows, waits, buffers_exhausted; };
[[nodiscard]] struct io_counters io_counters_of(const struct io *io);
