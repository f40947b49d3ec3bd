#pragma once
/* shard/worker.h: one helper thread for work that takes milliseconds of CPU or blocks by nature: TLS handshake steps, name resolution.
 * A job is embedded in its owner; it runs on the helper, then its envelope comes home and `done` runs on the shard that gave it.
 * While the helper has it, its owner touches nothing that the job touches; the shard does not end before it is back.
 * Jobs of one process run one at a time, those of one shard in the order given. The helper's queue is an inbox like a shard's.
 */
#include "shard/envelope.h"
#include "shard/shard.h"

struct worker; /* opaque; one per process */
struct job {
    struct envelope envelope; /* home: the shard that gave the job */
    void          (*work)(struct job *j); /* on the helper thread */
    void          (*done)(struct job *j); /* at home */
    bool            running;              /* given, and not yet done */
};

[[nodiscard]] struct worker *worker_start(struct shard_group *g); /* nullptr: no thread or descriptor was to be had */
void worker_stop(struct worker *w); /* before or after the shards have joined, but nothing is given any more; finishes what it was given */
void worker_give(struct worker *w, struct shard *from, struct job *j, void (*work)(struct job *), void (*done)(struct job *));
