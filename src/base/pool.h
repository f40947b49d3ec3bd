#pragma once
/* base/pool.h: a fixed number of equal slots, made at start; and handles that survive what they point to.
 *
 * One thread owns a pool. Slots come back zeroed from pool_acquire(). Nothing is ever allocated after pool_init(): an empty
 * pool is the back-pressure signal, and its caller answers it at the edge.
 * A handle is index + generation: everything asynchronous keeps handles, and a slot that was released meanwhile is not found.
 */
#include <stdint.h>
#include "base/slice.h"

struct handle { uint32_t index, generation; }; /* generation 0: no handle */

struct pool {
    uint32_t    magic;
    const char *name;             /* for the memory table at start and the metrics */
    uint32_t    slot_bytes, capacity;
    uint32_t    used, used_max;
    uint32_t    first_free;
    uint64_t    exhausted;        /* how often acquire found nothing */
    char       *slots;
    struct pool_slot_state { uint32_t generation, next_free; } *states; /* generation odd: acquired */
};

/* slot_bytes is rounded up to 64. Stops the process when the memory is not to be had: this happens at start only. */
void pool_init(struct pool *p, const char *name, uint32_t slot_bytes, uint32_t capacity);
void pool_deinit(struct pool *p); /* every slot must be back */

[[nodiscard]] void *pool_acquire(struct pool *p);  /* zeroed, aligned to 64; nullptr: exhausted */
/* The same, but only its first bytes are zeroed: for slots that end in kilobytes of buffers which are written before they are read. */
[[nodiscard]] void *pool_acquire_head(struct pool *p, uint32_t zeroed_bytes);
void pool_release(struct pool *p, void *slot);

[[nodiscard]] struct handle pool_handle_of(const struct pool *p, const void *slot);
[[nodiscard]] void *pool_find(const struct pool *p, struct handle h); /* nullptr: released since */

uint64_t pool_bytes(const struct pool *p);
