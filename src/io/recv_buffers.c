#include "io/recv_buffers.h"
#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include "base/ensure.h"

static constexpr uint32_t count_max = 1 << 15;

static size_t memory_bytes(const struct recv_buffers *b) { return (size_t)b->count * b->bytes_each; }

static void give_to_kernel(struct recv_buffers *b, uint16_t buffer)
{
    int mask = io_uring_buf_ring_mask(b->count);
    io_uring_buf_ring_add(b->ring, b->memory + (size_t)buffer * b->bytes_each, b->bytes_each, buffer, mask, 0);
    io_uring_buf_ring_advance(b->ring, 1);
}

int recv_buffers_open(struct recv_buffers *b, struct io_uring *ring, uint32_t count, uint32_t bytes_each)
{
    ensure(count >= 1 && count <= count_max && (count & (count - 1)) == 0 && bytes_each >= 1);
    *b = (struct recv_buffers){ .count = count, .bytes_each = bytes_each, .free = count };

    int failure = 0;
    b->ring = io_uring_setup_buf_ring(ring, count, RECV_BUFFERS_GROUP, 0, &failure);
    if (b->ring == nullptr) return -failure;

    b->memory = mmap(nullptr, memory_bytes(b), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    b->lent = calloc((count + 63) / 64, sizeof *b->lent);
    if (b->memory == MAP_FAILED || b->lent == nullptr) {
        if (b->memory == MAP_FAILED) b->memory = nullptr;
        recv_buffers_close(b, ring);
        return ENOMEM;
    }
    for (uint32_t buffer = 0; buffer < count; buffer++) give_to_kernel(b, (uint16_t)buffer);
    return 0;
}

void recv_buffers_close(struct recv_buffers *b, struct io_uring *ring)
{
    ensure(b->free == b->count); /* somebody would still be reading */
    if (b->ring) io_uring_free_buf_ring(ring, b->ring, b->count, RECV_BUFFERS_GROUP);
    if (b->memory) munmap(b->memory, memory_bytes(b));
    free(b->lent);
    *b = (struct recv_buffers){};
}

const char *recv_buffers_lend(struct recv_buffers *b, uint16_t buffer)
{
    uint64_t bit = UINT64_C(1) << buffer % 64;
    ensure(buffer < b->count && !(b->lent[buffer / 64] & bit));
    b->lent[buffer / 64] |= bit;
    b->free -= 1;
    return b->memory + (size_t)buffer * b->bytes_each;
}

void recv_buffers_return(struct recv_buffers *b, uint16_t buffer)
{
    uint64_t bit = UINT64_C(1) << buffer % 64;
    ensure(buffer < b->count && b->lent[buffer / 64] & bit);
    b->lent[buffer / 64] &= ~bit;
    b->free += 1;
    give_to_kernel(b, buffer);
}
