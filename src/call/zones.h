#pragma once
/* call/zones.h: the time zones that this shard has opened. ICU opens one in tens of microseconds and keeps kilobytes; branches share a few.
 * Owned by one shard. Full: the oldest one makes room. */
#include "base/instant.h"

enum { ZONES_MAX = 32, ZONE_NAME_BYTES_MAX = 64 };
struct zones { struct { char name[ZONE_NAME_BYTES_MAX + 1]; struct time_zone *zone; } entries[ZONES_MAX]; uint32_t count, next_to_go; };

/* nullptr: ICU does not know that zone (provisioning refuses such a branch, so this is a change of ICU's data). */
[[nodiscard]] const struct time_zone *zones_get(struct zones *z, struct slice name);
void zones_close(struct zones *z);
