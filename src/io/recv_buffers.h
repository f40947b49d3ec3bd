#pragma once
/* io/recv_buffers.h: the memory that arriving bytes are put into, one set per shard. Inside io/ only.
 *
 * The buffers stand in a ring that the kernel takes from when bytes arrive, so memory is held by connections with data, not by
 * connections. A buffer is with the kernel, or lent to whoever got its bytes; `lent` knows which, and a buffer that comes back
 * twice stops the process: the kernel would fill it for two connections at once.
 */
#include <liburing.h>
#include <stdint.h>

enum { RECV_BUFFERS_GROUP = 0 };

struct recv_buffers {
    struct io_uring_buf_ring *ring;
    char     *memory;
    uint64_t *lent;         /* one bit a buffer */
    uint32_t  count, bytes_each, free;
};

/* count: a power of two up to 32,768 (the kernel's bound). 0, or the errno of the kernel's refusal. */
[[nodiscard]] int recv_buffers_open(struct recv_buffers *b, struct io_uring *ring, uint32_t count, uint32_t bytes_each);
void recv_buffers_close(struct recv_buffers *b, struct io_uring *ring);

[[nodiscard]] const char *recv_buffers_lend(struct recv_buffers *b, uint16_t buffer); /* the kernel has filled it */
void recv_buffers_return(struct recv_buffers *b, uint16_t buffer);
