#pragma once
/* call/zones.h: the time zones that this shard has opened. ICU opens one in tens of microseconds and keeps kilobytes; branches share a few.
 * Owned by one shard. Full: the oldest one makes room. */
#include "base/instant.h"

enum { ZONES_MAX = 32, ZONE_NAME_BYTES_MAX = 64 };
struct zones { struct { char name[ZONE_NAME_BYTES_MAX + 1]; struct time_zone *zone; } entries[ZONES_MAX]; uint32_t count, next_to_go; };

enum zone_outcome : uint8_t {
    ZONE_FOUND,
    ZONE_UNKNOWN,   /* to ICU; provisioning refuses such a branch, so this is a change of ICU's data */
    ZONE_NO_MEMORY, /* to open it, now */
};
/* *zone is nullptr unless it is found; it is good for this turn. */
[[nodiscard]] enum zone_outcome zones_get(struct zones *z, struct slice name, const struct time_zone **zone);
void zones_close(struct zones *z);
