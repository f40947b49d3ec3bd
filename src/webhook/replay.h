#pragma once
/* webhook/replay.h: the records of an earlier life that PostgreSQL does not have, told to their calls again. Runs on shard 0 while the engine serves: the helper thread
 * reads one record at a time (files may block), its call's home takes it as it would have then, and a bounded number is under way at once. */
#include "shard/worker.h"
#include "webhook/door.h"

constexpr uint32_t replays_under_way_max = 1024; /* the rest of the pool is for webhooks that come now */
constexpr uint64_t replay_again_us = 50'000;

struct replay {
    struct webhook_door     *door;     /* of shard 0 */
    struct worker           *worker;
    struct journal_recovery *recovery;
    struct job               job;
    struct timer             timer;
    struct journal_replayed  record;   /* read by the helper, good until the next reading */
    struct list              again;    /* deliveries that found no room: sent once more in a moment */
    bool                     found, stopped, exhausted;
    bool                     holding;  /* the record at hand waits for room; nothing else is read meanwhile */
    uint32_t                 under_way;
    uint64_t                 total, told;
};

void replay_start(struct replay *r, struct webhook_door *door, struct worker *w, struct journal_recovery *recovery, uint64_t total);
void replay_stop(struct replay *r);                              /* what is not told stays in the journal */
[[nodiscard]] bool replay_is_done(const struct replay *r);       /* every record of the earlier life has been told to its call */
