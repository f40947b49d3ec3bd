#include "ops/errand.h"

/* An errand asks one question at a time: its answers wait in few buffers. */
enum { ERRAND_RING_ENTRIES = 64, ERRAND_BUFFERS = 64, ERRAND_BUFFER_BYTES = 4096 };

static void begin(struct task *t)
{
    struct errand *e = container_of(t, struct errand, task);
    e->begin(e);
}

static bool start(struct shard *s, void *context)
{
    struct errand *e = context;
    e->shard = s;
    e->task.run = begin;
    shard_make_ready(s, &e->task);
    return true;
}

bool errand_run(struct errand *e, errand_begin *begin_it, struct io_refusal *refusal)
{
    const struct shard_config config = {
        .io = { .entries = ERRAND_RING_ENTRIES, .receive_buffers = ERRAND_BUFFERS, .receive_buffer_bytes = ERRAND_BUFFER_BYTES }, .start = start, .context = e,
    };
    e->group = (struct shard_group){};
    e->task = (struct task){};
    e->begin = begin_it;
    e->worker = worker_start(&e->group);
    if (!e->worker) {
        snprintf(refusal->text, sizeof refusal->text, "no thread was to be had for the helper");
        return false;
    }
    bool started = shard_group_start(&e->group, 1, &config, refusal);
    if (started) shard_group_join(&e->group);
    worker_stop(e->worker);
    return started;
}

void errand_done(struct errand *e) { shard_group_stop(&e->group); }
