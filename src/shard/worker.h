#pragma once
/* shard/worker.h: one helper thread for work that takes milliseconds of CPU or blocks by nature: TLS handshake steps, name resolution.
 * A job is embedded in its owner; it runs on the helper, then its envelope comes home and `done` runs on the shard that gave it.
 * While the helper has it, its owner touches nothing that the job touches. Jobs of one process run in the order given, one at a time. */
#include "shard/envelope.h"
#include "shard/shard.h"

struct worker; /* opaque; one per process */
struct job {
    struct envelope envelope; /* home: the shard that gave the job */
    struct job     *next;
    void          (*work)(struct job *j); /* on the helper thread */
    void          (*done)(struct job *j); /* at home */
    bool            running;              /* given, and not yet done */
};

[[nodiscard]] struct worker *worker_start(struct shard_group *g);
void worker_stop(struct worker *w); /* after the shards have joined; waits for the job under way */
void worker_give(struct worker *w, struct shard *from, struct job *j, void (*work)(struct job *), void (*done)(struct job *));
