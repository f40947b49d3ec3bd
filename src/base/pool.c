#include "base/pool.h"
#include "base/ensure.h"

#if __has_feature(address_sanitizer)
#include <sanitizer/asan_interface.h>
#else /* a free slot is poisoned, so that AddressSanitizer sees who still uses it */
#define ASAN_POISON_MEMORY_REGION(memory, bytes)   ((void)(memory), (void)(bytes))
#define ASAN_UNPOISON_MEMORY_REGION(memory, bytes) ((void)(memory), (void)(bytes))
#endif

enum : uint32_t { POOL_MAGIC = 0x9001a11c, CACHE_LINE_BYTES = 64, NO_SLOT = UINT32_MAX };

static bool is_acquired(uint32_t generation) { return (generation & 1) == 1; }

static void *slot_at(const struct pool *p, uint32_t index) { return p->slots + (size_t)index * p->slot_bytes; }

static uint32_t index_of(const struct pool *p, const void *slot)
{
    ensure_magic(p, POOL_MAGIC);
    ensure((const char *)slot >= p->slots);
    size_t offset = (size_t)((const char *)slot - p->slots);
    size_t index = offset / p->slot_bytes;
    ensure(offset % p->slot_bytes == 0 && index < p->capacity);
    return (uint32_t)index;
}

void pool_init(struct pool *p, const char *name, uint32_t slot_bytes, uint32_t capacity)
{
    ensure(slot_bytes > 0 && slot_bytes <= UINT32_MAX - CACHE_LINE_BYTES);
    ensure(capacity > 0 && capacity < NO_SLOT);
    uint32_t rounded = (slot_bytes + CACHE_LINE_BYTES - 1) / CACHE_LINE_BYTES * CACHE_LINE_BYTES;
    *p = (struct pool){ .magic = POOL_MAGIC, .name = name, .slot_bytes = rounded, .capacity = capacity };

    /* Not touched here: a slot becomes resident when it is first acquired. */
    p->slots = aligned_alloc(CACHE_LINE_BYTES, (size_t)rounded * capacity);
    p->states = calloc(capacity, sizeof *p->states);
    ensure(p->slots && p->states);
    for (uint32_t n = 0; n < capacity; n++) p->states[n].next_free = n + 1 < capacity ? n + 1 : NO_SLOT;
    ASAN_POISON_MEMORY_REGION(p->slots, (size_t)rounded * capacity);
}

void pool_deinit(struct pool *p)
{
    ensure_magic(p, POOL_MAGIC);
    ensure(p->used == 0);
    ASAN_UNPOISON_MEMORY_REGION(p->slots, (size_t)p->slot_bytes * p->capacity);
    free(p->slots);
    free(p->states);
    *p = (struct pool){ .magic = 0 };
}

void *pool_acquire(struct pool *p) { return pool_acquire_head(p, p->slot_bytes); }

void *pool_acquire_head(struct pool *p, uint32_t zeroed_bytes)
{
    ensure_magic(p, POOL_MAGIC);
    ensure(zeroed_bytes <= p->slot_bytes);
    uint32_t index = p->first_free;
    if (index == NO_SLOT) {
        p->exhausted += 1;
        return nullptr;
    }
    struct pool_slot_state *state = &p->states[index];
    ensure(!is_acquired(state->generation));
    p->first_free = state->next_free;
    state->generation += 1;
    p->used += 1;
    if (p->used > p->used_max) p->used_max = p->used;

    void *slot = slot_at(p, index);
    ASAN_UNPOISON_MEMORY_REGION(slot, p->slot_bytes);
    return memset(slot, 0, zeroed_bytes);
}

void pool_release(struct pool *p, void *slot)
{
    uint32_t                index = index_of(p, slot);
    struct pool_slot_state *state = &p->states[index];
    ensure(is_acquired(state->generation)); /* or it is released twice */
    state->generation += 1;
    state->next_free = p->first_free; /* last in, first out: the next user finds it in the cache */
    p->first_free = index;
    p->used -= 1;
    ASAN_POISON_MEMORY_REGION(slot, p->slot_bytes);
}

struct handle pool_handle_of(const struct pool *p, const void *slot)
{
    uint32_t index = index_of(p, slot);
    ensure(is_acquired(p->states[index].generation));
    return (struct handle){ .index = index, .generation = p->states[index].generation };
}

void *pool_find(const struct pool *p, struct handle h)
{
    ensure_magic(p, POOL_MAGIC);
    if (h.index >= p->capacity || !is_acquired(h.generation)) return nullptr;
    return p->states[h.index].generation == h.generation ? slot_at(p, h.index) : nullptr;
}

uint64_t pool_bytes(const struct pool *p)
{
    ensure_magic(p, POOL_MAGIC);
    return (uint64_t)p->capacity * (p->slot_bytes + sizeof *p->states);
}
