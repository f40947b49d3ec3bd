#include "webhook/dedupe.h"

#include <stdlib.h>
#include "base/ensure.h"

/* What will be forgotten so many webhooks later is fetched already: as a rule nobody has touched its entry since it was made. */
constexpr uint32_t forgotten_ahead = 3;

void dedupe_init(struct dedupe *d, uint32_t capacity)
{
    *d = (struct dedupe){ .capacity = capacity, .order = calloc(capacity, sizeof *d->order) };
    ensure(capacity > 0 && d->order != nullptr);
    hash_map_init(&d->seen, capacity);
}

/* The order, and a map at a load of at most one half: key and value. */
uint64_t dedupe_bytes(uint32_t capacity) { return (uint64_t)capacity * (sizeof(struct hash128) + 2 * (sizeof(struct hash128) + sizeof(void *))); }

void dedupe_deinit(struct dedupe *d)
{
    hash_map_deinit(&d->seen);
    free(d->order);
    *d = (struct dedupe){};
}

void dedupe_prefetch(const struct dedupe *d, struct hash128 identity) { hash_map_prefetch(&d->seen, identity); }

bool dedupe_knows(const struct dedupe *d, struct hash128 identity) { return hash_map_find(&d->seen, identity) != nullptr; }

void dedupe_remember(struct dedupe *d, struct hash128 identity)
{
    if (dedupe_knows(d, identity)) return;
    struct hash128 *place = &d->order[d->next % d->capacity];
    if (d->next >= d->capacity && hash_map_find(&d->seen, *place) == place) hash_map_remove(&d->seen, *place);
    *place = identity;
    d->next = d->next + 1 < 2 * d->capacity ? d->next + 1 : d->capacity;
    ensure(hash_map_insert(&d->seen, identity, place));
    dedupe_prefetch(d, d->order[(d->next + forgotten_ahead) % d->capacity]);
}

/* Its place in the order is passed over when its turn comes, also if it has been remembered again in another one. */
void dedupe_forget(struct dedupe *d, struct hash128 identity)
{
    if (dedupe_knows(d, identity)) hash_map_remove(&d->seen, identity);
}
