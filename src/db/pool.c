/* db/pool.c: the pool of one shard: which unit goes where, and who is told what. Lives from the shard's start to its finish, and holds the shard
 * in between, because its connections always watch their sockets.
 *
 * Three limits: connections, units under way on each (pipeline_depth), units waiting (queue_max). The queue is for a place in a pipeline, never for
 * a database: when the last connection is lost, everyone in it is told at once.
 */
#include "db/pool.h"
#include "base/ensure.h"
#include "base/log.h"
#include "db/unit.h"

constexpr uint32_t pool_magic = 0x64622e70;

/* -- outcomes -- */

static void count_outcome(struct db_pool_counters *n, enum db_outcome outcome)
{
    switch (outcome) {
    case DB_OK:          counter_add(&n->ok, 1); break;
    case DB_CONFLICT:    counter_add(&n->conflicts, 1); break;
    case DB_REJECTED:    counter_add(&n->rejected, 1); break;
    case DB_TRY_AGAIN:   counter_add(&n->try_again, 1); break;
    case DB_UNAVAILABLE: counter_add(&n->unavailable, 1); break;
    case DB_BUSY:        counter_add(&n->busy, 1); break;
    }
}

static void close_if_idle(struct db_pool *p);

void pool_unit_ended(struct db_pool *p, struct db_unit *u)
{
    count_outcome(&p->counters, u->outcome);
    histogram_record(&p->counters.unit_us, p->shard->now_us - u->submitted_at_us);
    gauge_add(&p->counters.in_flight, -1);
    u->running = false;
    u->done(u); /* its owner may submit again, or die */
    close_if_idle(p);
}

/* The unit gets its outcome now and its owner hears of it in the next turn: never inside db_submit(), a flush or another owner's callback. */
static void refuse(struct db_pool *p, struct db_unit *u, enum db_outcome outcome)
{
    u->outcome = outcome;
    list_push_back(&p->refused, &u->node);
    shard_make_ready(p->shard, &p->tell);
}

void pool_unit_lost(struct db_pool *p, struct db_unit *u)
{
    for (uint32_t call = 0; call < u->call_count; call++) PQclear(u->results[call]);
    memset(u->results, 0, sizeof u->results);
    refuse(p, u, DB_UNAVAILABLE);
}

/* Only those that are there now: who answers by asking again is told in the next turn. */
static void tell_refused(struct db_pool *p)
{
    for (uint32_t left = p->refused.count; left > 0; left--) {
        pool_unit_ended(p, container_of(list_pop_front(&p->refused), struct db_unit, node));
    }
}

static void tell_waiters(struct db_pool *p)
{
    for (uint32_t left = p->waiters.count; left > 0 && p->up_count > 0 && !list_is_empty(&p->waiters); left--) {
        struct db_waiter *w = container_of(list_pop_front(&p->waiters), struct db_waiter, node);
        w->up(w);
    }
}

static void tell(struct task *t)
{
    struct db_pool *p = container_of(t, struct db_pool, tell);
    tell_refused(p);
    tell_waiters(p);
    if (!list_is_empty(&p->refused) || (p->up_count > 0 && !list_is_empty(&p->waiters))) shard_make_ready(p->shard, &p->tell);
}

/* -- submitting -- */

void db_submit(struct db_pool *p, struct db_unit *u, db_unit_done *done)
{
    ensure_magic(p, pool_magic);
    ensure_on(p->shard);
    ensure(!u->running && done != nullptr);
    unit_check(u);
    for (uint32_t call = 0; call < DB_UNIT_CALLS_MAX; call++) ensure(u->results[call] == nullptr);
    u->done = done;
    u->running = true;
    u->submitted_at_us = p->shard->now_us;
    u->constraint[0] = u->sqlstate[0] = 0;
    counter_add(&p->counters.units, 1);
    gauge_add(&p->counters.in_flight, 1);
    if (p->up_count == 0 || p->draining) refuse(p, u, DB_UNAVAILABLE);
    else if (p->queue.count >= p->config.queue_max) refuse(p, u, DB_BUSY);
    else list_push_back(&p->queue, &u->node);
}

/* The one with the fewest units under way; nullptr: none has room. */
static struct connection *roomiest(struct db_pool *p)
{
    struct connection *best = nullptr;
    for (struct connection *c = p->connections; c < p->connections + p->config.connections; c++) {
        if (c->state != CONNECTION_READY || c->units.count >= p->config.pipeline_depth) continue;
        if (!best || c->units.count < best->units.count) best = c;
    }
    return best;
}

/* Once a turn: all that was submitted in it goes out together. */
static void flush(struct flush_hook *h)
{
    struct db_pool *p = container_of(h, struct db_pool, flush);
    for (struct connection *c; !list_is_empty(&p->queue) && (c = roomiest(p));) {
        connection_send(c, container_of(list_pop_front(&p->queue), struct db_unit, node));
    }
    for (struct connection *c = p->connections; c < p->connections + p->config.connections; c++) connection_flush(c);
    gauge_set(&p->counters.queued, p->queue.count);
}

/* -- up and down -- */

void pool_connection_is_up(struct connection *c)
{
    struct db_pool *p = c->pool;
    p->up_count += 1;
    gauge_set(&p->counters.connections_up, p->up_count);
    counter_add(&p->counters.connects, 1);
    if (!list_is_empty(&p->waiters)) shard_make_ready(p->shard, &p->tell);
    if (pool_listens_on(p, c)) p->heard(p->heard_context, slice_of(""));
}

void pool_connection_is_down(struct connection *c)
{
    struct db_pool *p = c->pool;
    p->up_count -= 1;
    gauge_set(&p->counters.connections_up, p->up_count);
    counter_add(&p->counters.disconnects, 1);
    if (p->up_count > 0) return;
    for (struct list_node *n; (n = list_pop_front(&p->queue));) refuse(p, container_of(n, struct db_unit, node), DB_UNAVAILABLE);
}

void db_pool_when_up(struct db_pool *p, struct db_waiter *w)
{
    ensure_on(p->shard);
    list_push_back(&p->waiters, &w->node);
    if (p->up_count > 0) shard_make_ready(p->shard, &p->tell);
}

void db_pool_forget(struct db_pool *p, struct db_waiter *w)
{
    ensure_on(p->shard);
    if (list_node_is_linked(&w->node)) list_remove(&p->waiters, &w->node);
}

/* -- a pool's life -- */

static void open_connections(struct db_pool *p)
{
    for (struct connection *c = p->connections; c < p->connections + p->config.connections; c++) connection_open(c);
}

struct db_pool *db_pool_open(struct shard *s, const struct db_config *config)
{
    ensure_on(s);
    ensure(config->connections >= 1 && config->connections <= db_connections_max);
    ensure(config->pipeline_depth >= 1 && config->queue_max >= 1 && config->unit_timeout_ms >= 1);
    struct db_pool *p = calloc(1, sizeof *p);
    ensure(p != nullptr);
    *p = (struct db_pool){ .magic = pool_magic, .shard = s, .config = *config, .tell.run = tell, .flush.flush = flush };
    list_init(&p->queue);
    list_init(&p->refused);
    list_init(&p->waiters);
    p->has_endpoint = endpoint_open(&p->endpoint, config->url);
    for (uint32_t index = 0; index < config->connections; index++) connection_init(&p->connections[index], p, index);
    shard_add_flush(s, &p->flush);
    shard_hold(s);
    open_connections(p);
    return p;
}

void db_pool_listen(struct db_pool *p, const char *channel, void (*heard)(void *context, struct slice payload), void *context)
{
    ensure_on(p->shard);
    ensure(p->channel == nullptr && p->up_count == 0); /* in the shard's start: connections prepare themselves later, and listening is part of it */
    p->channel = channel;
    p->heard = heard;
    p->heard_context = context;
}

/* Draining: what runs may end; then the connections go, and with the last of them the hold. */
static void close_if_idle(struct db_pool *p)
{
    if (!p->draining || gauge_read(&p->counters.in_flight) > 0) return;
    for (struct connection *c = p->connections; c < p->connections + p->config.connections; c++) connection_close(c);
}

void pool_connection_is_gone(struct connection *c)
{
    struct db_pool *p = c->pool;
    for (const struct connection *other = p->connections; other < p->connections + p->config.connections; other++) {
        if (other->state != CONNECTION_GONE) return;
    }
    ensure(!p->drained);
    p->drained = true;
    shard_release(p->shard);
}

void db_pool_drain(struct db_pool *p)
{
    ensure_magic(p, pool_magic);
    ensure_on(p->shard);
    if (p->draining) return;
    p->draining = true;
    close_if_idle(p);
}

void db_pool_close(struct db_pool *p)
{
    ensure_magic(p, pool_magic);
    ensure(p->drained && list_is_empty(&p->queue) && list_is_empty(&p->refused));
    endpoint_close(&p->endpoint);
    *p = (struct db_pool){};
    free(p);
}

const struct db_pool_counters *db_pool_counters(const struct db_pool *p) { return &p->counters; }
