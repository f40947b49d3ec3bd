#pragma once
/* db/steady.h: a unit of work that does not take an outage for an answer. For what must happen and may happen twice: every statement is idempotent,
 * so a unit whose fate is unknown is asked again, unchanged, until PostgreSQL has said yes or no.
 *
 *   DB_UNAVAILABLE → again when the pool is up      DB_BUSY, DB_TRY_AGAIN → again after a growing wait      anything else → done
 *
 * Once its shard is stopping nothing is asked again: the process would wait with it for a database that may not come back. Then the unit is done without
 * an answer: given_up, and what it asked for took effect or not.
 *
 * Embedded in its owner; one unit at a time. `done` runs on the shard, never from inside steady_submit(). */
#include "db/db.h"

struct steady_unit;
typedef void steady_unit_done(struct steady_unit *u);
struct steady_unit {
    struct db_pool   *pool;
    struct shard     *shard;
    steady_unit_done *done;
    struct db_waiter  waiter;
    struct timer      timer;
    uint32_t          tries;   /* that ended without an answer */
    bool              running; /* from steady_submit to done */
    bool              given_up; /* in done: the shard stops, and PostgreSQL has said neither yes nor no */
    struct db_unit    unit;    /* built by the owner with db_unit_begin, db_unit_call, db_add_…; last, because it ends in what need not be zeroed */
};

void steady_submit(struct steady_unit *u, struct shard *s, struct db_pool *p, steady_unit_done *done);
/* Forgets the wait of a unit that is waiting to be asked again. false: it is in the pool's hands, and done will come. */
[[nodiscard]] bool steady_abandon(struct steady_unit *u);
