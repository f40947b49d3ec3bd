#include "base/heap.h"
#include <stdlib.h>
#include "base/ensure.h"

void heap_init(struct heap *h, uint64_t budget_bytes) { *h = (struct heap){ .budget_bytes = budget_bytes }; }

void *heap_acquire(struct heap *h, size_t bytes) { return heap_resize(h, nullptr, 0, bytes); }

void *heap_resize(struct heap *h, void *memory, size_t bytes_before, size_t bytes)
{
    ensure(h->used_bytes <= h->budget_bytes && bytes_before <= h->used_bytes);
    uint64_t others_bytes = h->used_bytes - bytes_before;
    bool     fits = bytes <= h->budget_bytes - others_bytes;
    void    *resized = fits ? realloc(memory, bytes > 0 ? bytes : 1) : nullptr;
    if (!resized) {
        h->refused += 1;
        return nullptr;
    }
    h->used_bytes = others_bytes + bytes;
    if (h->used_bytes > h->used_bytes_max) h->used_bytes_max = h->used_bytes;
    return resized;
}

void heap_release(struct heap *h, void *memory, size_t bytes)
{
    if (!memory) return;
    ensure(h->used_bytes >= bytes); /* more comes back than was given: another heap's memory, or a wrong size */
    h->used_bytes -= bytes;
    free(memory);
}
