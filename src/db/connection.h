#pragma once
/* db/connection.h: inside db/: one session with PostgreSQL, on its shard, for ever: what fails is connected again.
 *
 *     RESTING ──► LOOKING_UP ──► CONNECTING ──► PREPARING ──► READY         a step that fails, takes too long or loses the socket: LEAVING,
 *        ▲                            └─────────────┴───────────┤           which waits until no operation watches the socket any more; then
 *        └──────────────────────────── LEAVING ◄────────────────┘           RESTING for a while, or GONE when the pool is draining
 *
 * READY: units go out as they come, a pipeline deep; their answers come back in the same order, so `units` is a queue and its head is the one
 * whose results come next. One sync per unit makes it a transaction of its own: an error ends that unit and no other.
 */
#include <postgresql/libpq-fe.h>
#include "db/db.h"
#include "db/endpoint.h"
#include "shard/worker.h"

enum connection_state : uint8_t {
    CONNECTION_RESTING,    /* until `timer` fires */
    CONNECTION_LOOKING_UP, /* the helper has `look_up` and `route` */
    CONNECTION_CONNECTING, /* PQconnectPoll() says what to wait for; the socket may change at each step */
    CONNECTION_PREPARING,  /* the statements are on their way, as one pipeline */
    CONNECTION_READY,
    CONNECTION_LEAVING,    /* `readable` or `writable` is still submitted on the socket */
    CONNECTION_GONE,
};

struct connection {
    struct db_pool       *pool;
    uint32_t              index;
    enum connection_state state;
    PGconn               *pg;
    struct io_op          readable, writable;
    struct timer          timer;            /* RESTING: the end of it. CONNECTING, PREPARING: their end. READY: see head_since_us */
    struct list           units;            /* sent; oldest first */
    uint64_t              head_since_us;    /* when the head became it: its time-out counts from here */
    bool                  unflushed;        /* libpq holds bytes that the socket has not taken */
    bool                  stale;            /* to be renewed after the head's sync */
    uint32_t              failures;         /* since it was last ready */
    uint32_t              setup_expected, setup_seen; /* PREPARING: results */
    struct endpoint_route route;
    struct job            look_up;
};

void connection_init(struct connection *c, struct db_pool *p, uint32_t index);
void connection_open(struct connection *c);              /* RESTING or new */
void connection_send(struct connection *c, struct db_unit *u); /* READY, with room; flushed later */
void connection_flush(struct connection *c);             /* once a turn */
void connection_close(struct connection *c);             /* the pool is draining, and no unit is under way here */

/* What a connection tells its pool. */
void pool_connection_is_up(struct connection *c);
void pool_connection_is_down(struct connection *c);      /* it was up */
void pool_connection_is_gone(struct connection *c);
void pool_unit_ended(struct db_pool *p, struct db_unit *u); /* u->outcome is set: tells the owner */
void pool_unit_lost(struct db_pool *p, struct db_unit *u);  /* DB_UNAVAILABLE: told later, outside of whatever goes on now */
