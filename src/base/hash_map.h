#pragma once
/* base/hash_map.h: a fixed-capacity map from a 128-bit key to a pointer. One thread owns it; nothing is allocated after init.
 * Keys are hashes already (hash128_of): who maps texts mixes the whole identity in, tenant first, so two tenants cannot meet. */
#include <stdint.h>
#include "base/slice.h"

struct hash128 { uint64_t high, low; };

/* SipHash-2-4-128 under a key drawn once per process: outside text cannot choose its bucket.
 * Not for anything that leaves the process: see hash128_stable() for what is stored or decides a shard. */
[[nodiscard]] struct hash128 hash128_of(struct slice text);
/* One key of two; the order counts. Same on every machine, so a mix of stable ones is stable. */
[[nodiscard]] struct hash128 hash128_mix(struct hash128 a, struct hash128 b);
/* Same on every machine and in every run (SipHash under a fixed key): homes of calls, keys in the journal. */
[[nodiscard]] struct hash128 hash128_stable(struct slice text);
static inline bool hash128_equal(struct hash128 a, struct hash128 b) { return a.high == b.high && a.low == b.low; }

struct hash_map { uint32_t magic, capacity, used; struct hash_map_entry *entries; uint32_t mask; };

void hash_map_init(struct hash_map *m, uint32_t capacity); /* holds `capacity` entries at a load of at most 1/2 */
void hash_map_deinit(struct hash_map *m);
[[nodiscard]] void *hash_map_find(const struct hash_map *m, struct hash128 key);
[[nodiscard]] bool hash_map_insert(struct hash_map *m, struct hash128 key, void *value); /* key must be absent; value not null. false: full */
void hash_map_remove(struct hash_map *m, struct hash128 key);                            /* key must be present */
/* The key, present or not, will be asked for in a moment: its entry of a large map is fetched into the cache meanwhile. Changes nothing. */
void hash_map_prefetch(const struct hash_map *m, struct hash128 key);
