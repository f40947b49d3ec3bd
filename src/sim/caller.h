#pragma once
/* sim/caller.h: `ringsim call`: Retell as one call's worth of webhooks: started, ended, analyzed, signed, each retried up to three times when no 2xx comes,
 * none waiting for the other. It can also do what networks do: duplicate, reorder, delay, drop. One shard, one call, then it ends.
 *
 *     find_slot (with --next-free) ─► plan_deliveries ─► each: due → sent → answered ─ 2xx → done
 *                                                                            └ else → again after 1, 2, 4 s (ours: Retell publishes no spacing)
 */
#include <stdint.h>
#include "base/slice.h"

struct caller_options {
    const char *url, *key, *agent, *from, *to, *call_id;
    const char *date, *time, *name, *service;
    bool        no_booking, next_free;
    const char *control_url, *world_path, *after; /* of next_free */
    uint64_t    event_type;
    const char *ca_path;
    uint64_t    gap_ms, delay_ms, body_bytes, seed;
    double      duplicate, drop;
    bool        reorder, json;
};

/* Plays the call and prints a line per delivery to stdout. Exit status: 0: every event that was not dropped on purpose got its 2xx; 1: not; 2: it could not begin. */
[[nodiscard]] int caller_run(const struct caller_options *o);
