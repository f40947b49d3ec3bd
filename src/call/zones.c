#include "call/zones.h"

static struct time_zone *remember(struct zones *z, struct slice name, struct time_zone *zone)
{
    uint32_t place = z->count < ZONES_MAX ? z->count++ : z->next_to_go++ % ZONES_MAX;
    if (z->entries[place].zone) time_zone_close(z->entries[place].zone);
    memcpy(z->entries[place].name, name.start, name.length);
    z->entries[place].name[name.length] = 0;
    return z->entries[place].zone = zone;
}

static struct time_zone *remembered(const struct zones *z, struct slice name)
{
    for (uint32_t n = 0; n < z->count; n++)
        if (slice_equal(slice_from_text(z->entries[n].name), name)) return z->entries[n].zone;
    return nullptr;
}

enum zone_outcome zones_get(struct zones *z, struct slice name, const struct time_zone **zone)
{
    *zone = nullptr;
    if (slice_is_empty(name) || name.length > ZONE_NAME_BYTES_MAX) return ZONE_UNKNOWN;
    *zone = remembered(z, name);
    if (*zone) return ZONE_FOUND;
    struct time_zone *opened = time_zone_open(name);
    if (!opened) return time_zone_is_known(name) ? ZONE_NO_MEMORY : ZONE_UNKNOWN;
    *zone = remember(z, name, opened);
    return ZONE_FOUND;
}

void zones_close(struct zones *z)
{
    for (uint32_t n = 0; n < z->count; n++) time_zone_close(z->entries[n].zone);
    *z = (struct zones){};
}
