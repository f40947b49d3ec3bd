#include "call/zones.h"

static struct time_zone *remember(struct zones *z, struct slice name, struct time_zone *zone)
{
    uint32_t place = z->count < ZONES_MAX ? z->count++ : z->next_to_go++ % ZONES_MAX;
    if (z->entries[place].zone) time_zone_close(z->entries[place].zone);
    memcpy(z->entries[place].name, name.start, name.length);
    z->entries[place].name[name.length] = 0;
    return z->entries[place].zone = zone;
}

const struct time_zone *zones_get(struct zones *z, struct slice name)
{
    if (slice_is_empty(name) || name.length > ZONE_NAME_BYTES_MAX) return nullptr;
    for (uint32_t n = 0; n < z->count; n++)
        if (slice_equal(slice_from_text(z->entries[n].name), name)) return z->entries[n].zone;
    struct time_zone *zone = time_zone_open(name);
    return zone ? remember(z, name, zone) : nullptr;
}

void zones_close(struct zones *z)
{
    for (uint32_t n = 0; n < z->count; n++) time_zone_close(z->entries[n].zone);
    *z = (struct zones){};
}
