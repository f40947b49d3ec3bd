#include "journal/window.h"
#include <stdlib.h>
#include "base/ensure.h"
#include "io/file.h"
#include "journal/format.h"

static constexpr size_t read_ahead_bytes = 1024 * 1024;

void window_over(struct window *w, int fd, uint64_t file_bytes)
{
    w->fd = fd;
    w->file_bytes = file_bytes;
    w->offset = w->valid = 0;
    w->failed = false;
}

void window_deinit(struct window *w)
{
    free(w->memory);
    *w = (struct window){ .fd = -1 };
}

static bool has_memory_for(struct window *w, size_t bytes)
{
    if (bytes <= w->capacity) return true;
    char *larger = aligned_alloc(block_bytes, bytes);
    if (!larger) return false;
    free(w->memory);
    w->memory = larger;
    w->capacity = bytes;
    w->valid = 0;
    return true;
}

const char *window_at(struct window *w, uint64_t offset, size_t count)
{
    ensure(offset % block_bytes == 0);
    if (offset > w->file_bytes || count > w->file_bytes - offset) return nullptr;
    if (offset >= w->offset && offset + count <= w->offset + w->valid) return w->memory + (offset - w->offset);

    uint64_t left = w->file_bytes - offset;
    size_t   wish = (size_t)round_up(count, block_bytes);
    if (wish < read_ahead_bytes) wish = left < read_ahead_bytes ? (size_t)round_up(left, block_bytes) : read_ahead_bytes;
    size_t   read = 0;
    w->valid = 0;
    w->failed = !has_memory_for(w, wish) || file_read(w->fd, offset, w->memory, wish, &read) != IO_OK || read < count || w->failed;
    if (w->failed) return nullptr;
    w->offset = offset;
    w->valid = read;
    return w->memory;
}
