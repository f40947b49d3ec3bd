#pragma once
/* tests/simulation/database/session.h: inside the database: one session, from the client's PQconnectStartParams() on. It is libpq's PGconn, so that src/db/ holds it by its own name,
 * but it lives in the world: when its client is killed it goes on with what it has been sent, if the dice say so, and then ends.
 *
 *     client   building ──sync──► unsent ──socket──► sent        server   sent: the head is being worked on ──► answered ──network──► arrived   client
 *
 * A segment is what lies between two syncs: a unit of work, or all that a session needs once. */
#include <postgresql/libpq-fe.h>
#include "database.h"
#include "store.h"

enum session_state : uint8_t {
    SESSION_CONNECTING, /* until `arrival` */
    SESSION_OPEN,
    SESSION_BROKEN,     /* the server's end is gone, or was never to be had */
};

enum segment_fate : uint8_t { FATE_COMMITS, FATE_DIES_BEFORE, FATE_IS_SHUT_DOWN /* dies before, and says so */, FATE_DIES_AFTER, FATE_DEADLOCK, FATE_TIMES_OUT };

struct segment {
    struct list_node    node;
    struct db_unit      unit;          /* of a unit: what is asked */
    struct arena        memory;        /* of its texts */
    uint32_t            message_count; /* the sync not among them. Of a unit: the tenant, and then its calls */
    bool                is_setup, is_doomed, listens;
    uint32_t            timeout_ms;    /* setup: for each unit from now on */
    enum segment_fate   fate;
    struct store_answer answer;
    uint64_t            arrives_at_us; /* its answer, at the client */
    uint32_t            items_read;    /* by the client: result, null, result, null, …, sync */
};

struct pg_conn {
    struct list_node   node;
    uint32_t           number;
    enum session_state state;
    const char        *error;
    /* The client's end; is_attached is false once it has hung up or died. */
    bool               is_attached, has_news; /* something came since the client has last read */
    int                fd;
    struct io         *io;
    struct io_op      *readable, *writable;   /* polls that wait */
    struct segment    *building;
    struct list        unsent, arrived;
    uint64_t           full_until_us;         /* the socket takes nothing before */
    uint32_t           notices;               /* that arrived, and were not taken */
    /* The server's. */
    struct list        sent, answered;
    struct event       arrival, work, delivery, notice, drained;
    bool               listens;
    uint32_t           timeout_ms;
};

/* session.c: what the client does. */
[[nodiscard]] PGconn *session_new(void);
void session_detach(PGconn *s);         /* the client is gone: no memory of its process is touched from now on */
void session_end_segment(PGconn *s);    /* the sync: `building` is on its way, or waits for room in the socket */
[[nodiscard]] bool session_flush(PGconn *s); /* false: the socket is full */
[[nodiscard]] bool session_is_ready(const PGconn *s, uint8_t readiness);
void segment_free(struct segment *g);

/* result.c: what the client reads; in the memory of its process. */
[[nodiscard]] PGresult *result_of_sync(void);
[[nodiscard]] PGresult *result_of_message(const struct segment *g, uint32_t message);
[[nodiscard]] void *process_memory(size_t bytes); /* as libpq has it: zeroed, freed by PQfreemem() and its like */
void process_memory_free(void *memory);

/* How the database is just now: session.c asks, database.c knows. */
struct database {
    struct database_climate  climate;
    struct database_counters counters;
    struct store            *store;
    struct list              sessions;
    uint64_t                 down_until_us, extra_us;
    uint32_t                 sessions_made;
};
extern struct database database;
[[nodiscard]] bool database_is_down(void);
void session_break(PGconn *s, const char *why);
void session_notify(PGconn *s);
void session_execute_head_or_not(PGconn *s); /* the server goes down in the middle of it */
