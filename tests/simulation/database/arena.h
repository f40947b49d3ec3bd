#pragma once
/* tests/simulation/database/arena.h: memory that is freed all at once: of an answer, of a unit under way, or of the store, which is never freed. The world's, never a process's. */
#include <stddef.h>
#include "base/slice.h"

struct arena { struct arena_chunk *chunks; };

[[nodiscard]] void *arena_take(struct arena *a, size_t bytes); /* zeroed */
[[nodiscard]] struct slice arena_copy(struct arena *a, struct slice text); /* absent stays absent */
[[nodiscard, gnu::format(printf, 2, 3)]] struct slice arena_print(struct arena *a, const char *format, ...);
void arena_free(struct arena *a); /* and it may be used again */
