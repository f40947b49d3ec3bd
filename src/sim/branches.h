#pragma once
/* sim/branches.h: what callers need of the tenants' side of a world file. Pure. */
#include <stdint.h>
#include "base/json.h"

/* The Cal.com event type of the branch that is called by this number; 0: no branch, or it has none. world: the file's root. */
[[nodiscard]] uint64_t branch_event_type(const struct json_value *world, struct slice called_number);
