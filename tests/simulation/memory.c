/* tests/simulation/memory.c: sim_memory.h: every block knows the process that acquired it. Beside its bounds it is the C library's, so AddressSanitizer sees each for itself.
 * Outside of processes, which is where the world's own parts call into src/, blocks belong to nobody, and none is refused. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "base/ensure.h"
#include "io/thread.h"
#include "process.h"
#include "sim_memory.h"

enum : uint32_t { BLOCK_MAGIC = 0xb10c'b10c };
#if defined(__has_feature) && __has_feature(address_sanitizer)
static constexpr size_t poisoned_bytes_max = 0; /* it sees for itself who still looks, and pools have forbidden it places of theirs */
#else
static constexpr size_t poisoned_bytes_max = 256 * 1024; /* larger ones are pools, mostly pages that nobody has touched */
#endif

/* Before what is lent; `start` is what the C library gave. */
struct block {
    struct list_node node;
    struct process  *owner;
    void            *start;
    size_t           bytes;
    uint32_t         magic;
    alignas(16) char lent[];
};

static struct block *block_of(void *memory)
{
    struct block *b = container_of(memory, struct block, lent);
    ensure_magic(b, BLOCK_MAGIC);
    return b;
}

static void *lend(void *start, struct block *b, size_t bytes)
{
    struct process *p = process_here();
    *b = (struct block){ .owner = p, .start = start, .bytes = bytes, .magic = BLOCK_MAGIC };
    if (p) {
        list_push_back(&p->blocks, &b->node);
        p->block_bytes += bytes;
    }
    return b->lent;
}

static void take_back(struct block *b)
{
    if (b->owner) {
        list_remove(&b->owner->blocks, &b->node);
        b->owner->block_bytes -= b->bytes;
    }
    b->magic = 0;
    if (b->bytes <= poisoned_bytes_max) memset(b->lent, 0xdb, b->bytes); /* who still looks here finds nonsense, the same each time */
    free(b->start);
}

void *sim_malloc(size_t bytes)
{
    if (seam_fails(SEAM_ALLOCATION)) return nullptr;
    struct block *b = malloc(sizeof *b + bytes);
    ensure(b != nullptr);
    return lend(b, b, bytes);
}

void *sim_calloc(size_t count, size_t bytes)
{
    size_t all;
    if (__builtin_mul_overflow(count, bytes, &all) || seam_fails(SEAM_ALLOCATION)) return nullptr;
    struct block *b = calloc(1, sizeof *b + all); /* large ones stay untouched pages */
    ensure(b != nullptr);
    return lend(b, b, all);
}

void *sim_aligned_alloc(size_t alignment, size_t bytes)
{
    if (seam_fails(SEAM_ALLOCATION)) return nullptr;
    size_t before = (sizeof(struct block) + alignment - 1) / alignment * alignment;
    char *start = aligned_alloc(alignment, (before + bytes + alignment - 1) / alignment * alignment);
    ensure(start != nullptr);
    return lend(start, container_of(start + before, struct block, lent), bytes);
}

void *sim_realloc(void *memory, size_t bytes)
{
    if (memory == nullptr) return sim_malloc(bytes);
    struct block *b = block_of(memory);
    void *larger = sim_malloc(bytes);
    if (larger == nullptr) return nullptr;
    memcpy(larger, memory, bytes < b->bytes ? bytes : b->bytes);
    take_back(b);
    return larger;
}

void sim_free(void *memory)
{
    if (memory) take_back(block_of(memory));
}

/* The engine's abort(), which is how its ensure() ends. */
bool (*process_may_abort)(void);

void sim_abort(void)
{
    if (process_may_abort && process_may_abort()) process_give_up();
    abort();
}

void memory_free_all(struct process *p)
{
    for (struct list_node *n = list_first(&p->blocks); n; n = list_first(&p->blocks)) take_back(container_of(n, struct block, node));
    ensure(p->block_bytes == 0);
}
