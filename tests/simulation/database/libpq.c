/* tests/simulation/database/libpq.c: libpq as src/db/ calls it, over a session of the world. So the whole of src/db/ is what runs in a simulation: its connections, their time-outs and how they
 * leave, the encoding of parameters, the order of results. What is asked of libpq and is not here does not link. */
#include <endian.h>
#include <stdio.h>
#include <stdlib.h>
#include "base/ensure.h"
#include "db/db.h"
#include "session.h"

/* -- where it is -- */

/* Of postgresql://USER@HOST/NAME the two that src/db/ asks for: a world has one database, whatever its name. */
PQconninfoOption *PQconninfoParse(const char *url, char **)
{
    static char keywords[][5] = { "user", "host" };
    const char *user = strstr(url, "://"), *at = user ? strchr(user, '@') : nullptr, *end = at ? strchr(at, '/') : nullptr;
    if (!end) return nullptr;
    user += 3;
    PQconninfoOption *options = process_memory(3 * sizeof *options + (size_t)(end - user) + 2);
    char *user_copy = (char *)(options + 3), *host_copy = user_copy + (at - user) + 1;
    memcpy(user_copy, user, (size_t)(at - user));
    memcpy(host_copy, at + 1, (size_t)(end - at - 1));
    options[0] = (PQconninfoOption){ .keyword = keywords[0], .val = user_copy };
    options[1] = (PQconninfoOption){ .keyword = keywords[1], .val = host_copy };
    return options;
}

void PQconninfoFree(PQconninfoOption *options) { process_memory_free(options); }
void PQfreemem(void *memory) { process_memory_free(memory); }

/* -- connecting -- */

static void socket_closed(void *object, bool) { session_detach(object); }

PGconn *PQconnectStartParams(const char *const *, const char *const *, int)
{
    seam_cross("db_connect");
    PGconn *s = session_new();
    s->fd = descriptor_open(DESCRIPTOR_SOCKET, s, socket_closed);
    if (s->fd < 0) session_break(s, "could not create socket: too many open files");
    return s;
}

ConnStatusType PQstatus(const PGconn *s) { return s->state == SESSION_BROKEN ? CONNECTION_BAD : s->state == SESSION_OPEN ? CONNECTION_OK : CONNECTION_STARTED; }
int PQsocket(const PGconn *s) { return s->fd; }
char *PQerrorMessage(const PGconn *s) { return (char *)s->error; }
PQnoticeReceiver PQsetNoticeReceiver(PGconn *, PQnoticeReceiver, void *) { return nullptr; }
int PQsetnonblocking(PGconn *, int) { return 0; }
int PQenterPipelineMode(PGconn *) { return 1; }

PostgresPollingStatusType PQconnectPoll(PGconn *s)
{
    seam_cross("db_connect_poll");
    s->has_news = false;
    switch (s->state) {
    case SESSION_CONNECTING: return PGRES_POLLING_READING;
    case SESSION_OPEN:       return PGRES_POLLING_OK;
    case SESSION_BROKEN:     return PGRES_POLLING_FAILED;
    }
    return PGRES_POLLING_FAILED;
}

void PQfinish(PGconn *s)
{
    if (!s) return;
    seam_cross("db_close");
    if (s->fd >= 0) descriptor_close(s->fd);
    else session_detach(s);
}

/* -- waiting: io_poll(), which nobody else calls -- */

static struct io_op **poll_of(PGconn *s, const struct io_op *op) { return op->detail[0] & IO_READABLE ? &s->readable : &s->writable; }

static void poll_started(struct io *io, struct io_op *op)
{
    PGconn *s = descriptor_object(op->fd, DESCRIPTOR_SOCKET);
    const uint8_t readiness = (uint8_t)op->detail[0];
    if (session_is_ready(s, readiness)) {
        ring_complete(io, op, (struct io_result){ .status = IO_OK, .count = readiness, .fd = -1 });
        return;
    }
    ensure(*poll_of(s, op) == nullptr);
    s->io = io;
    *poll_of(s, op) = op;
}

static void poll_cancelled(struct io *io, struct io_op *op)
{
    PGconn *s = descriptor_object(op->fd, DESCRIPTOR_SOCKET);
    ensure(*poll_of(s, op) == op);
    *poll_of(s, op) = nullptr;
    ring_complete(io, op, (struct io_result){ .status = IO_CANCELLED, .fd = -1 });
}

void io_poll(struct io *io, struct io_op *op, int fd, uint8_t readiness, io_done *done)
{
    seam_cross("io_poll");
    op->detail[0] = readiness;
    ring_begin(io, op, RING_POLL, fd, done);
}

[[gnu::constructor]] static void define_poll(void) { ring_define(RING_POLL, (struct ring_kind_functions){ poll_started, poll_cancelled }); }

/* -- asking -- */

static struct segment *segment_of(PGconn *s)
{
    if (!s->building) {
        s->building = calloc(1, sizeof *s->building);
        ensure(s->building != nullptr);
    }
    return s->building;
}

int PQsendPrepare(PGconn *s, const char *, const char *, int, const Oid *)
{
    struct segment *g = segment_of(s);
    g->is_setup = true;
    g->message_count += 1;
    return 1;
}

/* Of a session's beginning: its time-outs, and LISTEN. */
int PQsendQueryParams(PGconn *s, const char *sql, int count, const Oid *, const char *const *values, const int *, const int *, int)
{
    struct segment *g = segment_of(s);
    g->is_setup = true;
    g->message_count += 1;
    if (strncmp(sql, "LISTEN ", 7) == 0) g->listens = true;
    else if (count == 1 && strstr(sql, "statement_timeout")) g->timeout_ms = (uint32_t)strtoul(values[0], nullptr, 10);
    else ensure(!"src/db/ asks something that this database does not know");
    return 1;
}

char *PQescapeIdentifier(PGconn *, const char *name, size_t length)
{
    char *quoted = process_memory(length + 3);
    quoted[0] = quoted[length + 1] = '"';
    memcpy(quoted + 1, name, length);
    return quoted;
}

static enum db_statement statement_named(const char *name)
{
    for (enum db_statement n = 0; n < DB_STATEMENT_COUNT; n++) {
        if (strcmp(db_statement_definition(n)->name, name) == 0) return n;
    }
    ensure(!"a statement that was not prepared");
    return DB_STATEMENT_COUNT;
}

static int64_t id_of(struct arena *a, const char *digits, int length)
{
    return strtoll(arena_copy(a, slice_from(digits, (size_t)length)).start, nullptr, 10); /* the empty text, which is no tenant: 0, as in struct db_tenant */
}

static struct db_parameter parameter_of(struct arena *a, char letter, const char *value, int length)
{
    uint64_t wire;
    if (!value) return (struct db_parameter){ .kind = DB_NULL };
    if (letter == 'i') {
        ensure(length == (int)sizeof wire);
        memcpy(&wire, value, sizeof wire);
        return (struct db_parameter){ .kind = DB_INTEGER, .integer = (int64_t)be64toh(wire) };
    }
    return (struct db_parameter){ .kind = DB_TEXT, .text = arena_copy(a, slice_from(value, (size_t)length)) };
}

int PQsendQueryPrepared(PGconn *s, const char *name, int count, const char *const *values, const int *lengths, const int *, int)
{
    struct segment *g = segment_of(s);
    const bool is_tenant = g->message_count++ == 0;
    ensure(is_tenant == (strcmp(name, "tenant") == 0)); /* set first, in every unit, or the last one's would be seen */
    if (is_tenant) {
        g->unit.tenant = (struct db_tenant){ id_of(&g->memory, values[0], lengths[0]), id_of(&g->memory, values[1], lengths[1]) };
        return 1;
    }
    struct db_call *call = &g->unit.calls[g->unit.call_count++];
    call->statement = statement_named(name);
    call->parameter_count = (uint8_t)count;
    const char *letters = db_statement_definition(call->statement)->parameters;
    ensure((size_t)count == strlen(letters));
    for (int n = 0; n < count; n++) call->parameters[n] = parameter_of(&g->memory, letters[n], values[n], lengths[n]);
    return 1;
}

int PQpipelineSync(PGconn *s)
{
    seam_cross("db_send");
    if (!segment_of(s)->is_setup) s->building->is_doomed = seam_fails(SEAM_DATABASE_UNIT);
    session_end_segment(s);
    (void)session_flush(s);
    return 1;
}

int PQflush(PGconn *s)
{
    seam_cross("db_flush");
    return session_flush(s) ? 0 : 1;
}

/* -- answers -- */

int PQconsumeInput(PGconn *s)
{
    seam_cross("db_read");
    s->has_news = false;
    return s->state != SESSION_BROKEN;
}

/* What the client can still take of the oldest segment that came. */
static uint32_t items_of(const struct segment *g)
{
    const uint32_t failing = g->answer.calls_run + 1;
    return g->fate == FATE_IS_SHUT_DOWN ? 2 * failing + 1 : 2 * g->message_count + 1; /* the one that is shut down has no sync */
}

static struct segment *first_arrived(const PGconn *s)
{
    struct list_node *n = list_first(&s->arrived);
    return n ? container_of(n, struct segment, node) : nullptr;
}

int PQisBusy(PGconn *s) { return first_arrived(s) == nullptr; }

PGresult *PQgetResult(PGconn *s)
{
    struct segment *g = first_arrived(s);
    if (!g) return nullptr;
    const uint32_t item = g->items_read++;
    PGresult *r = item % 2 == 1 ? nullptr : item == 2 * g->message_count ? result_of_sync() : result_of_message(g, item / 2);
    if (g->items_read < items_of(g)) return r;
    list_remove(&s->arrived, &g->node);
    segment_free(g);
    return r;
}

PGnotify *PQnotifies(PGconn *s)
{
    if (s->notices == 0) return nullptr;
    s->notices -= 1;
    PGnotify *n = process_memory(sizeof *n + 1);
    n->extra = (char *)(n + 1); /* the schema sends no payload */
    return n;
}
