#pragma once
/* db/db.h: PostgreSQL as the engine sees it, and the second seam: units of work made of named statements with typed parameters and rows.
 * What a statement means stands in statements.h; its SQL in statements.c; a simulated database can carry the same names over plain tables.
 *
 * A unit is one transaction: the tenant is set first, in the same pipeline, then its calls run in order, and all or none take effect.
 * A unit is embedded in its owner (a flow), which keeps every parameter's bytes alive until `done`, and reads the rows before
 * db_unit_release(). The same unit may be submitted again after release: byte for byte the same question.
 *
 * Per shard a pool of few connections, each with a pipeline: one sync per unit, one flush per turn. An outage of any length fails units with
 * DB_UNAVAILABLE at once (nobody waits in the dark); the pool reconnects with backoff, and db_pool_when_up() tells.
 */
#include <stdint.h>
#include "base/metrics.h"
#include "base/histogram.h"
#include "base/slice.h"
#include "db/statements.h"
#include "shard/shard.h"

/* Row-level security shows a unit the rows of this company, or of this workspace where no company is known. 0: none of that kind. */
struct db_tenant { int64_t company_id, workspace_id; };

enum db_outcome : uint8_t {
    DB_OK,
    DB_CONFLICT,    /* a unique key or exclusion constraint said no: unit.constraint names it. Nothing took effect */
    DB_REJECTED,    /* the statement failed for another reason (unit.sqlstate, logged): our bug, or a role without rights. Nothing took effect */
    DB_TRY_AGAIN,   /* deadlock, serialization, shutting down: nothing took effect */
    DB_UNAVAILABLE, /* no connection, or it broke or timed out: the unit took effect or not, ask again idempotently */
    DB_BUSY,        /* the queue is full: nothing was sent */
};

enum { DB_UNIT_CALLS_MAX = 6, DB_PARAMETERS_MAX = 32 };

struct db_parameter { enum : uint8_t { DB_NULL, DB_INTEGER, DB_TEXT } kind; int64_t integer; struct slice text; };
struct db_call { enum db_statement statement; uint8_t parameter_count; struct db_parameter parameters[DB_PARAMETERS_MAX]; };

struct db_unit;
typedef void db_unit_done(struct db_unit *u);
struct db_unit {
    struct db_tenant  tenant;
    uint8_t           call_count;
    db_unit_done     *done;
    enum db_outcome   outcome;
    char              constraint[64]; /* DB_CONFLICT */
    char              sqlstate[6];
    bool              running;
    /* of the pool */
    struct list_node  node;
    uint64_t          submitted_at_us;
    void             *results[DB_UNIT_CALLS_MAX];
    uint8_t           results_seen;
    struct db_call    calls[DB_UNIT_CALLS_MAX]; /* last, and large: need not be zeroed, db_unit_call() sets what it counts */
};

void db_unit_begin(struct db_unit *u, struct db_tenant tenant); /* forgets earlier calls; results must have been released */
/* Appends a call; parameters follow in the order of statements.h. Absent slices become NULL. A zero byte in a text, and \u0000 in JSON, which PostgreSQL
 * cannot hold, are stored as U+FFFD. */
void db_unit_call(struct db_unit *u, enum db_statement statement);
void db_add_integer(struct db_unit *u, int64_t value);
void db_add_text(struct db_unit *u, struct slice text);
void db_add_null(struct db_unit *u);

struct db_pool; /* opaque; one per shard */
/* Always calls done, never from inside db_submit(). */
void db_submit(struct db_pool *p, struct db_unit *u, db_unit_done *done);
void db_unit_release(struct db_unit *u); /* frees the rows; nothing to release is fine */

/* Rows of call `call` of a unit that ended DB_OK. Columns in the order of statements.h. Texts live until release. */
[[nodiscard]] uint32_t db_row_count(const struct db_unit *u, uint32_t call);
[[nodiscard]] bool db_is_null(const struct db_unit *u, uint32_t call, uint32_t row, uint32_t column);
[[nodiscard]] int64_t db_integer(const struct db_unit *u, uint32_t call, uint32_t row, uint32_t column); /* NULL: 0 */
[[nodiscard]] bool db_boolean(const struct db_unit *u, uint32_t call, uint32_t row, uint32_t column);    /* NULL: false */
[[nodiscard]] struct slice db_text(const struct db_unit *u, uint32_t call, uint32_t row, uint32_t column); /* NULL: absent */

struct db_config { const char *url; uint32_t connections, pipeline_depth, queue_max, unit_timeout_ms; struct worker *worker; };
/* In the shard's start; connects in the background. Never fails: an unreachable database is an outage like any other. */
[[nodiscard]] struct db_pool *db_pool_open(struct shard *s, const struct db_config *c);
/* Calls back, once, in the turn in which the pool is up (the next one if it is). For whoever was told DB_UNAVAILABLE. Embedded in its owner. */
struct db_waiter { struct list_node node; void (*up)(struct db_waiter *w); };
void db_pool_when_up(struct db_pool *p, struct db_waiter *w);
void db_pool_forget(struct db_pool *p, struct db_waiter *w);
/* In the shard's start, once. LISTEN on one connection of this pool, again after every reconnect; `heard` also runs, with an empty payload, whenever listening
 * begins: something may have been missed. */
void db_pool_listen(struct db_pool *p, const char *channel, void (*heard)(void *context, struct slice payload), void *context);
/* An open pool holds its shard. From here on new units are DB_UNAVAILABLE; when the running ones have ended the connections close and the hold is released. */
void db_pool_drain(struct db_pool *p);
void db_pool_close(struct db_pool *p);  /* in finish */

struct db_pool_counters { struct counter units, ok, conflicts, rejected, try_again, unavailable, busy, connects, disconnects, timeouts;
                          struct gauge connections_up, in_flight, queued; struct histogram unit_us; };
[[nodiscard]] const struct db_pool_counters *db_pool_counters(const struct db_pool *p);
