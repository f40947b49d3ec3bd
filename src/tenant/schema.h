#pragma once
/* tenant/schema.h: whether a world file is one (docs/WORLD_FILE.md), before anything is done with it: every field known, of its type and within its
 * bounds, nothing doubled, every reference to something that is there. Pure but for ICU's zones. */
#include "base/buffer.h"
#include "base/json.h"

/* false: one line per mistake in *error, each beginning with the path ("companies[0].branches[1].time_zone: no such zone"), 20 at most.
 * A reference to a workspace may also be to one that the database has: only who asks the database can say. */
[[nodiscard]] bool world_check(const struct json_value *world, struct buffer *error);
