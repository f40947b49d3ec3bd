#pragma once
/* webhook/dedupe.h: which webhooks of late are durable already. Owned by the shard where their calls live, so two copies of one delivery meet here.
 * It remembers a fixed number, the oldest is forgotten first: PostgreSQL's unique key judges what memory forgets. Only what is durable is remembered: a copy
 * that comes while the first is being written is written too, and its effects meet in PostgreSQL. */
#include <stdbool.h>
#include <stdint.h>
#include "base/hash_map.h"

struct dedupe { struct hash_map seen; struct hash128 *order; uint32_t capacity, next; };

void dedupe_init(struct dedupe *d, uint32_t capacity);
[[nodiscard]] uint64_t dedupe_bytes(uint32_t capacity);
void dedupe_deinit(struct dedupe *d);
[[nodiscard]] bool dedupe_knows(const struct dedupe *d, struct hash128 identity);
void dedupe_prefetch(const struct dedupe *d, struct hash128 identity); /* dedupe_knows() comes in a moment: see hash_map_prefetch() */
void dedupe_remember(struct dedupe *d, struct hash128 identity); /* known already: nothing happens */
void dedupe_forget(struct dedupe *d, struct hash128 identity);   /* not known: nothing happens */
