#pragma once
/* tests/simulation/sim_memory.h: the allocator of the process that runs, by its own names: memory.c carries it, and allocation.h puts it in the C library's place. */
#include <stddef.h>

void *sim_malloc(size_t bytes);
void *sim_calloc(size_t count, size_t bytes);
void *sim_realloc(void *memory, size_t bytes);
void *sim_aligned_alloc(size_t alignment, size_t bytes);
void  sim_free(void *memory);
[[noreturn]] void sim_abort(void);
