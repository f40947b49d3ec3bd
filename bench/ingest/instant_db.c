/* bench/ingest/instant_db.c: a database pool that says yes at once, linked instead of db/pool.c into `ringmaster-instant`: so that ingest can be measured with filing
 * going on and its memory coming back, and without PostgreSQL taking the processor. Units are answered in the turn after they were submitted, with rows as
 * db/statements.h has them: every webhook is new, nothing is to be booked. The tenants are the text in the file that RINGMASTER_BENCH_TENANTS names. */
#include <endian.h>
#include <postgresql/libpq-fe.h>
#include <stdlib.h>
#include <string.h>
#include "db/db.h"
#include "io/file.h"

struct db_pool {
    struct shard   *shard;
    struct list     submitted;
    struct task     answer;
    struct db_waiter *first;
    char           *tenants;
    size_t          tenants_bytes;
    struct db_pool_counters counters;
};

static PGresult *no_rows(void) { return PQmakeEmptyPGresult(nullptr, PGRES_TUPLES_OK); }

enum { BOOLEAN_OID = 16, INTEGER_OID = 20, TEXT_OID = 25 };

/* types: as in db/statements.c, a letter a column. */
static PGresult *a_row(const char *types)
{
    static char name[] = "column";
    PGresAttDesc columns[8];
    int count = (int)strlen(types);
    for (int n = 0; n < count; n++)
        columns[n] = (PGresAttDesc){ .name = name, .format = 1, .typid = types[n] == 'b' ? BOOLEAN_OID : types[n] == 'i' ? INTEGER_OID : TEXT_OID };
    PGresult *r = no_rows();
    ensure(PQsetResultAttrs(r, count, columns));
    return r;
}

static void set(PGresult *r, int column, const void *bytes, int count) { ensure(PQsetvalue(r, 0, column, (char *)bytes, count)); }

static void set_integer(PGresult *r, int column, int64_t value)
{
    uint64_t wire = htobe64((uint64_t)value);
    set(r, column, &wire, sizeof wire);
}

static PGresult *filed(void)
{
    static const char yes = 1, no = 0;
    PGresult *r = a_row("biitbb");
    set(r, 0, &yes, 1);
    set_integer(r, 1, 1);
    set_integer(r, 2, 1);
    set(r, 3, "{}", 2);
    set(r, 4, &no, 1);
    set(r, 5, &no, 1);
    return r;
}

static PGresult *answer_to(const struct db_pool *p, enum db_statement s)
{
    PGresult *r;
    if (s == DB_FILE_CALL_EVENT) return filed();
    if (s != DB_SNAPSHOT) return no_rows();
    r = a_row("t");
    set(r, 0, p->tenants, (int)p->tenants_bytes);
    return r;
}

static void answer_all(struct task *t)
{
    struct db_pool *p = container_of(t, struct db_pool, answer);
    for (uint32_t left = p->submitted.count; left > 0; left--) {
        struct db_unit *u = container_of(list_pop_front(&p->submitted), struct db_unit, node);
        for (uint32_t n = 0; n < u->call_count; n++) u->results[n] = answer_to(p, u->calls[n].statement);
        u->outcome = DB_OK;
        u->running = false;
        counter_add(&p->counters.ok, 1);
        u->done(u);
    }
}

struct db_pool *db_pool_open(struct shard *s, const struct db_config *c)
{
    (void)c;
    struct db_pool *p = calloc(1, sizeof *p);
    const char *path = getenv("RINGMASTER_BENCH_TENANTS");
    ensure(p && path && file_read_whole(path, 16 * 1024 * 1024, &p->tenants, &p->tenants_bytes) == IO_OK);
    p->shard = s;
    p->answer.run = answer_all;
    list_init(&p->submitted);
    gauge_set(&p->counters.connections_up, 1);
    return p;
}

void db_submit(struct db_pool *p, struct db_unit *u, db_unit_done *done)
{
    u->done = done;
    u->running = true;
    list_push_back(&p->submitted, &u->node);
    shard_make_ready(p->shard, &p->answer);
}

void db_pool_when_up(struct db_pool *p, struct db_waiter *w) { (void)p, (void)w; }
void db_pool_forget(struct db_pool *p, struct db_waiter *w) { (void)p, (void)w; }
void db_pool_listen(struct db_pool *p, const char *channel, void (*heard)(void *context, struct slice payload), void *context) { (void)p, (void)channel, (void)heard, (void)context; }
void db_pool_drain(struct db_pool *p) { (void)p; }
const struct db_pool_counters *db_pool_counters(const struct db_pool *p) { return &p->counters; }

void db_pool_close(struct db_pool *p)
{
    free(p->tenants);
    free(p);
}
