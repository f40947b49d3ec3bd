#pragma once
/* tests/simulation/database/database.h: PostgreSQL of a world, under src/db/: the same named statements over plain tables in memory.
 *
 *     store.h        tables and what each statement does to them: pure, one unit at a time, all or nothing. Compared with a real PostgreSQL, unit by unit
 *     session.h      the server's side of a connection: delays, and sessions that die before, during and after a commit
 *     libpq.c        libpq's functions over a session, so that all of src/db/ is the real one
 *     admin.c        in the place of src/db/{admin,confinement,migrate}.c: what the gate asks
 *
 * The database lives in the world and outlives the engine: a unit that was sent is executed although its sender is dead, if the dice say so. */
#include "../kernel.h"

struct database_climate {
    uint64_t connect_us, unit_us;       /* usual */
    double   refuse_per_connect,
             die_before_per_unit,       /* the connection dies, and the unit with it: nothing took effect */
             die_after_per_unit,        /* the effect is there, the answer is not */
             try_again_per_unit,        /* deadlock, serialization: DB_TRY_AGAIN */
             slow_per_unit;             /* a hundred times as long: past time-outs at times */
};

struct store;
void database_open(const struct database_climate *c); /* once per world */
void database_set_climate(const struct database_climate *c);
/* Tenants as the JSON text of SNAPSHOT; whoever listens is told (NOTIFY). */
void database_set_tenants(const char *text, size_t length);
void database_go_down(uint64_t until_us);  /* every connection dies where it is; nobody is let in until then */
void database_slow_down(uint64_t extra_us); /* 0: as usual */
[[nodiscard]] struct store *database_store(void);
/* Told of each unit in the instant in which it took effect, whoever hears of it. nullptr: nobody listens. */
struct db_unit;
extern void (*database_executed)(const struct db_unit *u);

struct database_counters { uint64_t connections, units, refused, died_before, died_after, try_again, slow, orphans_executed, downs; };
[[nodiscard]] struct database_counters database_counters(void);
[[nodiscard]] uint32_t database_sessions(void); /* open now */
