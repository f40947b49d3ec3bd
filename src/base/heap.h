#pragma once
/* base/heap.h: memory for what varies a thousandfold in size (bodies of 200 bytes to 8 MiB), under one budget per owner.
 * malloc underneath; the budget is the bound. One thread owns a heap and frees what it gave. */
#include <stddef.h>
#include <stdint.h>

struct heap { uint64_t budget_bytes, used_bytes, used_bytes_max, refused; };

void heap_init(struct heap *h, uint64_t budget_bytes);
[[nodiscard]] void *heap_acquire(struct heap *h, size_t bytes); /* nullptr: over the budget, or none left (counted); the caller answers at the edge. 0 bytes is a valid wish */
/* nullptr: as above, and the old memory stays as it was. `memory` may be nullptr with 0 bytes. */
[[nodiscard]] void *heap_resize(struct heap *h, void *memory, size_t bytes_before, size_t bytes);
void heap_release(struct heap *h, void *memory, size_t bytes);  /* the same number of bytes; nullptr is fine */
