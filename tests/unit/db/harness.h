#pragma once
/* tests/unit/db/harness.h: one shard with a pool, and a test that asks it from outside and waits. So a test is straight text; what must happen in one
 * turn of the shard is one batch. */
#include <pthread.h>
#include <time.h>
#include "base/clock.h"
#include "db/db.h"
#include "limits.h"
#include "shard/worker.h"
#include "tests/unit/db/database.h"

struct harness {
    struct shard_group group;
    struct db_pool    *pool;
    struct db_config   config;
    const char        *channel;      /* listened to, when set */
    pthread_mutex_t    lock;
    pthread_cond_t     moved;
    uint32_t           heard;        /* how often `heard` ran */
    char               payload[64];  /* the last one that said something */
};

static void harness_signal(struct harness *h)
{
    pthread_cond_broadcast(&h->moved);
    pthread_mutex_unlock(&h->lock);
}

/* Under the lock. false: it took too long. */
static bool harness_wait(struct harness *h)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += 30;
    return pthread_cond_timedwait(&h->moved, &h->lock, &until) == 0;
}
#define wait_until(h, condition)                                                              \
    do {                                                                                      \
        pthread_mutex_lock(&(h)->lock);                                                       \
        bool in_time_ = true;                                                                 \
        while (!(condition) && in_time_) in_time_ = harness_wait(h);                          \
        pthread_mutex_unlock(&(h)->lock);                                                     \
        if (!in_time_) fail_msg("%s:%d: waited too long for %s", __FILE__, __LINE__, #condition); \
    } while (0)

/* -- work on the shard -- */

struct errand { struct envelope envelope; struct harness *h; void (*run)(struct harness *h, void *context); void *context; bool done; };

static void errand_arrived(struct shard *, struct envelope *e)
{
    struct errand *errand = container_of(e, struct errand, envelope);
    errand->run(errand->h, errand->context);
    pthread_mutex_lock(&errand->h->lock);
    errand->done = true;
    harness_signal(errand->h);
}

[[maybe_unused]] static void on_shard(struct harness *h, void (*run)(struct harness *h, void *context), void *context)
{
    struct errand errand = { .envelope = { .arrived = errand_arrived }, .h = h, .run = run, .context = context };
    envelope_post_from_outside(&h->group, &errand.envelope, 0);
    wait_until(h, errand.done);
}

/* -- units, all submitted in one turn -- */

struct asked { struct db_unit unit; struct harness *h; uint32_t *left; };
struct batch { struct asked *asked; uint32_t count, left; };

static void asked_done(struct db_unit *u)
{
    struct asked *a = container_of(u, struct asked, unit);
    pthread_mutex_lock(&a->h->lock);
    *a->left -= 1;
    harness_signal(a->h);
}

static void submit_batch(struct harness *h, void *context)
{
    struct batch *b = context;
    for (uint32_t n = 0; n < b->count; n++) {
        b->asked[n].h = h;
        b->asked[n].left = &b->left;
        db_submit(h->pool, &b->asked[n].unit, asked_done);
    }
}

[[maybe_unused]] static void ask_all(struct harness *h, struct asked *asked, uint32_t count)
{
    struct batch b = { asked, count, count };
    on_shard(h, submit_batch, &b);
    wait_until(h, b.left == 0);
}

[[maybe_unused]] static enum db_outcome ask(struct harness *h, struct db_unit *u)
{
    struct asked a = { .unit = *u };
    ask_all(h, &a, 1);
    *u = a.unit;
    u->node = (struct list_node){};
    return u->outcome;
}

/* -- up -- */

struct up_watch { struct db_waiter waiter; struct harness *h; bool up; };

static void watch_is_up(struct db_waiter *w)
{
    struct up_watch *watch = container_of(w, struct up_watch, waiter);
    pthread_mutex_lock(&watch->h->lock);
    watch->up = true;
    harness_signal(watch->h);
}

static void start_watch(struct harness *h, void *context) { db_pool_when_up(h->pool, &((struct up_watch *)context)->waiter); }

[[maybe_unused]] static void wait_up(struct harness *h)
{
    struct up_watch watch = { .waiter.up = watch_is_up, .h = h };
    on_shard(h, start_watch, &watch);
    wait_until(h, watch.up);
}

/* -- its life -- */

static void harness_heard(void *context, struct slice payload)
{
    struct harness *h = context;
    pthread_mutex_lock(&h->lock);
    h->heard += 1;
    if (!slice_is_empty(payload)) snprintf(h->payload, sizeof h->payload, SLICE_FORMAT, slice_print(payload));
    harness_signal(h);
}

static bool harness_start(struct shard *s, void *context)
{
    struct harness *h = s->resident = context;
    h->pool = db_pool_open(s, &h->config);
    if (h->channel) db_pool_listen(h->pool, h->channel, harness_heard, h);
    return true;
}
static void harness_stop(struct shard *s) { db_pool_drain(((struct harness *)s->resident)->pool); }
static void harness_finish(struct shard *s) { db_pool_close(((struct harness *)s->resident)->pool); }

static struct db_config harness_config(const char *url)
{
    return (struct db_config){ .url = url, .connections = 2, .pipeline_depth = db_pipeline_depth, .queue_max = db_queue_max, .unit_timeout_ms = db_unit_timeout_ms };
}

static void harness_open(struct harness *h, struct db_config config, const char *channel)
{
    *h = (struct harness){ .config = config, .channel = channel };
    pthread_mutex_init(&h->lock, nullptr);
    pthread_cond_init(&h->moved, nullptr);
    const struct shard_config shard = { .io = { .entries = 64, .receive_buffers = 16, .receive_buffer_bytes = 4096 },
                                        .start = harness_start, .stop = harness_stop, .finish = harness_finish, .context = h };
    struct io_refusal refusal;
    if (!shard_group_start(&h->group, 1, &shard, &refusal)) fail_msg("%s", refusal.text);
}

static void harness_close(struct harness *h)
{
    shard_group_stop(&h->group);
    shard_group_join(&h->group);
    pthread_cond_destroy(&h->moved);
    pthread_mutex_destroy(&h->lock);
}
