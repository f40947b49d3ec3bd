#include "database.h"
#include "base/ensure.h"
#include "session.h"

struct database database;
void (*database_executed)(const struct db_unit *u);

void database_open(const struct database_climate *c)
{
    database = (struct database){ .climate = *c, .store = store_new() };
    list_init(&database.sessions);
}

void database_set_climate(const struct database_climate *c) { database.climate = *c; }
void database_slow_down(uint64_t extra_us) { database.extra_us = extra_us; }
struct store *database_store(void) { return database.store; }
struct database_counters database_counters(void) { return database.counters; }
bool database_is_down(void) { return database.down_until_us > world_now_us(); }

uint32_t database_sessions(void)
{
    uint32_t open = 0;
    for (struct list_node *n = list_first(&database.sessions); n; n = list_next(&database.sessions, n)) open += container_of(n, PGconn, node)->state == SESSION_OPEN;
    return open;
}

void database_set_tenants(const char *text, size_t length)
{
    ensure(store_set_tenants(database.store, slice_from(text, length)));
    trace("database: the tenants change");
    for (struct list_node *n = list_first(&database.sessions); n; n = list_next(&database.sessions, n)) session_notify(container_of(n, PGconn, node));
}

void database_go_down(uint64_t until_us)
{
    trace("database: down");
    database.counters.downs += 1;
    database.down_until_us = until_us;
    for (struct list_node *n = list_first(&database.sessions), *next; n; n = next) {
        next = list_next(&database.sessions, n); /* the session may be gone afterwards */
        PGconn *s = container_of(n, PGconn, node);
        if (s->state != SESSION_OPEN) continue;
        session_execute_head_or_not(s);
        session_break(s, "terminating connection due to immediate shutdown command");
    }
}
