#pragma once
/* db/pool.h: inside db/: what a pool is made of. */
#include "db/connection.h"
#include "limits.h"

struct db_pool {
    uint32_t           magic;
    struct shard      *shard;
    struct db_config   config;
    struct endpoint    endpoint;
    bool               has_endpoint;  /* false: a URL that nobody can connect to */
    uint32_t           up_count;      /* connections that are READY */
    bool               draining, drained;

    /* State is location: a unit is on `queue`, on its connection's `units`, or on `refused`, and otherwise its owner's. */
    struct list        queue;         /* waits for a place in a pipeline */
    struct list        refused;       /* has an outcome, and waits for `tell` */
    struct list        waiters;
    struct task        tell;
    struct flush_hook  flush;

    const char        *channel;       /* nullptr: listens to nothing */
    void             (*heard)(void *context, struct slice payload);
    void              *heard_context;

    struct db_pool_counters counters;
    struct connection  connections[db_connections_max];
};

/* The connection that listens. */
static inline bool pool_listens_on(const struct db_pool *p, const struct connection *c) { return p->channel && c->index == 0; }
