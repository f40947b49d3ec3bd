#pragma once
/* ops/errand.h: a shard for a moment: how a command asks others over HTTP with the engine's own client. One shard and its helper thread live from errand_run() to
 * errand_done(); meanwhile the command's own thread waits, so the errand may use whatever the command has. */
#include "shard/shard.h"
#include "shard/worker.h"

struct errand;
typedef void errand_begin(struct errand *e);
struct errand {
    errand_begin      *begin;  /* on the shard: starts what has to be done, and returns */
    struct shard      *shard;
    struct worker     *worker;
    struct task        task;
    struct shard_group group;
};

/* Returns when errand_done() was called and everything is closed. false: *refusal says why there was no shard, and `begin` was not called. */
[[nodiscard]] bool errand_run(struct errand *e, errand_begin *begin, struct io_refusal *refusal);
/* On the shard, once, with nothing under way; the clients are closed before it. */
void errand_done(struct errand *e);
