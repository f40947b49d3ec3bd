#include "db/connection.h"
#include "base/clock.h"
#include "base/ensure.h"
#include "base/log.h"
#include "db/pool.h"
#include "db/sqlstate.h"
#include "db/unit.h"

static void step(struct connection *c);
static io_done readable_done, writable_done;

static struct shard *shard_of(const struct connection *c) { return c->pool->shard; }

/* -- waiting -- */

static void wait_readable(struct connection *c)
{
    if (!c->readable.submitted) io_poll(shard_of(c)->io, &c->readable, PQsocket(c->pg), IO_READABLE, readable_done);
}

static void wait_writable(struct connection *c)
{
    if (!c->writable.submitted) io_poll(shard_of(c)->io, &c->writable, PQsocket(c->pg), IO_WRITABLE, writable_done);
}

static void rest_is_over(struct timer *t) { connection_open(container_of(t, struct connection, timer)); }

/* Doubles from failure to failure; a random half of it, so that shards do not come back in step. */
static uint64_t rest_us(const struct connection *c)
{
    uint64_t longest_us = db_reconnect_ms_min * UINT64_C(1000) << (c->failures < 16 ? c->failures : 16);
    if (longest_us > db_reconnect_ms_max * UINT64_C(1000)) longest_us = db_reconnect_ms_max * UINT64_C(1000);
    return longest_us / 2 + random_u64() % (longest_us / 2);
}

/* -- leaving -- */

/* The socket is libpq's, and closes in PQfinish(): a poll that outlived it would watch whatever gets its number next. */
static void leave(struct connection *c)
{
    if (c->readable.submitted || c->writable.submitted) return;
    PQfinish(c->pg);
    c->pg = nullptr;
    if (c->pool->draining) {
        c->state = CONNECTION_GONE;
        pool_connection_is_gone(c);
        return;
    }
    c->state = CONNECTION_RESTING;
    timer_start(&shard_of(c)->timers, &c->timer, shard_of(c)->now_us + rest_us(c), rest_is_over);
    c->failures += 1;
}

/* The first of several attempts that fail the same way is news, and then ever fewer of them. */
static void report(const struct connection *c, const char *reason)
{
    if (c->pool->draining || (c->failures & (c->failures - 1)) != 0) return;
    struct slice text = slice_from_text(reason);
    struct slice line = slice_split(&text, '\n');
    log_event(LOG_WARNING, "database_connection_lost", log_integer("connection", c->index), log_integer("attempts", c->failures), log_text("reason", line));
}

/* From any state that has a PGconn, or none yet. */
static void lose(struct connection *c, const char *reason)
{
    const bool was_up = c->state == CONNECTION_READY;
    report(c, reason);
    c->state = CONNECTION_LEAVING;
    c->unflushed = c->stale = false;
    timer_stop(&shard_of(c)->timers, &c->timer);
    io_cancel(shard_of(c)->io, &c->readable);
    io_cancel(shard_of(c)->io, &c->writable);
    for (struct list_node *n; (n = list_pop_front(&c->units));) pool_unit_lost(c->pool, container_of(n, struct db_unit, node));
    if (was_up) pool_connection_is_down(c);
    leave(c);
}

void connection_close(struct connection *c)
{
    switch (c->state) {
    case CONNECTION_RESTING:
        timer_stop(&shard_of(c)->timers, &c->timer);
        c->state = CONNECTION_GONE;
        pool_connection_is_gone(c);
        break;
    case CONNECTION_CONNECTING:
    case CONNECTION_PREPARING:
    case CONNECTION_READY:
        lose(c, "closing");
        break;
    case CONNECTION_LOOKING_UP: /* goes when the helper has answered */
    case CONNECTION_LEAVING:
    case CONNECTION_GONE:
        break;
    }
}

/* -- connecting -- */

static void opening_took_too_long(struct timer *t)
{
    struct connection *c = container_of(t, struct connection, timer);
    counter_add(&c->pool->counters.timeouts, 1);
    lose(c, c->state == CONNECTION_CONNECTING ? "connecting took too long" : "preparing took too long");
}

/* Warnings of the server. Their texts may hold data, so the log gets the five letters alone. */
static void take_warning(void *, const PGresult *result)
{
    log_event(LOG_DEBUG, "database_warning", log_cstring("sqlstate", PQresultErrorField(result, PG_DIAG_SQLSTATE)));
}

static void connect_start(struct connection *c)
{
    if (!c->route.found) {
        lose(c, "the database's host name is not known");
        return;
    }
    c->pg = endpoint_connect(&c->pool->endpoint, &c->route);
    ensure(c->pg != nullptr); /* no memory for one struct at start: nothing would work */
    PQsetNoticeReceiver(c->pg, take_warning, nullptr);
    c->state = CONNECTION_CONNECTING;
    timer_start(&shard_of(c)->timers, &c->timer, shard_of(c)->now_us + c->pool->config.unit_timeout_ms * UINT64_C(1000), opening_took_too_long);
    if (PQstatus(c->pg) == CONNECTION_BAD) lose(c, PQerrorMessage(c->pg));
    else wait_writable(c); /* as libpq wants it: as if PQconnectPoll() had said PGRES_POLLING_WRITING */
}

static void look_up(struct job *j)
{
    struct connection *c = container_of(j, struct connection, look_up);
    endpoint_find_route(&c->pool->endpoint, c->failures, &c->route);
}

static void looked_up(struct job *j)
{
    struct connection *c = container_of(j, struct connection, look_up);
    ensure(c->state == CONNECTION_LOOKING_UP);
    if (c->pool->draining) lose(c, "closing");
    else connect_start(c);
}

void connection_init(struct connection *c, struct db_pool *p, uint32_t index)
{
    *c = (struct connection){ .pool = p, .index = index, .state = CONNECTION_RESTING };
    list_init(&c->units);
}

void connection_open(struct connection *c)
{
    struct db_pool *p = c->pool;
    ensure(c->state == CONNECTION_RESTING && c->pg == nullptr);
    if (!p->has_endpoint) {
        lose(c, "the database URL cannot be understood");
    } else if (endpoint_has_names(&p->endpoint)) {
        ensure(p->config.worker != nullptr); /* looking up blocks: whoever configures a name gives a helper */
        c->state = CONNECTION_LOOKING_UP;
        worker_give(p->config.worker, p->shard, &c->look_up, look_up, looked_up);
    } else {
        endpoint_find_route(&p->endpoint, c->failures, &c->route);
        connect_start(c);
    }
}

/* A session that hangs on the server's side ends there too: we drop the connection at the same age, and the server would not notice for long. */
static bool send_settings(struct connection *c)
{
    char timeout[16];
    const char *values[] = { timeout };
    snprintf(timeout, sizeof timeout, "%u", c->pool->config.unit_timeout_ms);
    return PQsendQueryParams(c->pg, "SELECT set_config('statement_timeout', $1, false), set_config('idle_in_transaction_session_timeout', $1, false)",
                             1, nullptr, values, nullptr, nullptr, 0) == 1;
}

static bool send_listen(struct connection *c)
{
    char sql[128];
    char *name = PQescapeIdentifier(c->pg, c->pool->channel, strlen(c->pool->channel));
    ensure(name != nullptr);
    snprintf(sql, sizeof sql, "LISTEN %s", name);
    PQfreemem(name);
    return PQsendQueryParams(c->pg, sql, 0, nullptr, nullptr, nullptr, nullptr, 0) == 1;
}

/* Sends everything that a session needs once, as one pipeline. Its sync's return makes the connection READY. */
static void prepare(struct connection *c)
{
    c->state = CONNECTION_PREPARING;
    c->setup_expected = c->setup_seen = 0;
    bool sent = PQsetnonblocking(c->pg, 1) == 0 && PQenterPipelineMode(c->pg) == 1;
    if (sent && (sent = send_settings(c))) c->setup_expected += 1;
    sent = sent && unit_prepare_all(c->pg, &c->setup_expected);
    if (sent && pool_listens_on(c->pool, c) && (sent = send_listen(c))) c->setup_expected += 1;
    if (!sent || PQpipelineSync(c->pg) != 1) {
        lose(c, PQerrorMessage(c->pg));
        return;
    }
    c->unflushed = true;
    step(c);
}

static void connect_step(struct connection *c)
{
    switch (PQconnectPoll(c->pg)) { /* libpq's enum: its PGRES_POLLING_ACTIVE is never returned */
    case PGRES_POLLING_READING: wait_readable(c); break;
    case PGRES_POLLING_WRITING: wait_writable(c); break;
    case PGRES_POLLING_OK:      prepare(c); break;
    case PGRES_POLLING_ACTIVE:
    case PGRES_POLLING_FAILED:  lose(c, PQerrorMessage(c->pg)); break;
    }
}

static void become_ready(struct connection *c)
{
    timer_stop(&shard_of(c)->timers, &c->timer);
    c->state = CONNECTION_READY;
    if (c->failures > 0) log_event(LOG_INFO, "database_connected", log_integer("connection", c->index), log_integer("attempts", c->failures));
    c->failures = 0;
    pool_connection_is_up(c);
}

/* Results of the setup. An error here is a schema that is not migrated, or a role without rights: it stays until a person acts. */
static void take_setup_result(struct connection *c, const PGresult *result)
{
    switch ((int)PQresultStatus(result)) {
    case PGRES_TUPLES_OK:
    case PGRES_COMMAND_OK:
        c->setup_seen += 1;
        break;
    case PGRES_PIPELINE_SYNC:
        if (c->setup_seen == c->setup_expected) become_ready(c);
        else lose(c, "answers and questions do not match");
        break;
    default: /* of libpq's many, only these two go on */
        lose(c, PQresultErrorMessage(result));
        break;
    }
}

/* -- answers -- */

static void head_took_too_long(struct timer *t)
{
    struct connection *c = container_of(t, struct connection, timer);
    if (list_is_empty(&c->units)) return;
    /* Restarted here alone, not with every head: a head that came later has more time. */
    const uint64_t until_us = c->head_since_us + c->pool->config.unit_timeout_ms * UINT64_C(1000);
    if (until_us > shard_of(c)->now_us) {
        timer_start(&shard_of(c)->timers, &c->timer, until_us, head_took_too_long);
        return;
    }
    counter_add(&c->pool->counters.timeouts, 1);
    lose(c, "a unit of work took too long");
}

static void take_error(struct connection *c, struct db_unit *u, const PGresult *result)
{
    const char *sqlstate = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    const char *constraint = PQresultErrorField(result, PG_DIAG_CONSTRAINT_NAME);
    const struct sqlstate_meaning meaning = sqlstate_meaning(sqlstate);
    u->outcome = meaning.outcome;
    c->stale |= meaning.renew_connection;
    snprintf(u->sqlstate, sizeof u->sqlstate, "%s", sqlstate ? sqlstate : "");
    snprintf(u->constraint, sizeof u->constraint, "%s", constraint ? constraint : "");
    if (meaning.outcome != DB_REJECTED) return;
    const char *statement = u->results_seen == 0 ? "tenant" : db_statement_definition(u->calls[u->results_seen - 1].statement)->name;
    log_event(LOG_ERROR, "database_rejected", log_cstring("statement", statement), log_cstring("sqlstate", u->sqlstate), log_cstring("constraint", u->constraint),
              log_integer("company", u->tenant.company_id));
}

static void end_head(struct connection *c)
{
    struct db_unit *u = container_of(list_pop_front(&c->units), struct db_unit, node);
    c->head_since_us = shard_of(c)->now_us;
    if (u->outcome != DB_OK) {
        for (uint32_t call = 0; call < u->call_count; call++) PQclear(u->results[call]);
        memset(u->results, 0, sizeof u->results);
    }
    const bool renew = c->stale;
    pool_unit_ended(c->pool, u);
    if (renew && c->state == CONNECTION_READY) lose(c, "the session had to be renewed");
}

/* Takes the result, for the unit or to free it. */
static void take_unit_result(struct connection *c, PGresult *result)
{
    struct db_unit *u = container_of(list_first(&c->units), struct db_unit, node);
    const int status = (int)PQresultStatus(result);
    if (status == PGRES_PIPELINE_SYNC) {
        PQclear(result);
        if (u->outcome == DB_OK && u->results_seen != u->call_count + 1) lose(c, "answers and questions do not match");
        else end_head(c);
        return;
    }
    const bool rows = status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK;
    if (u->results_seen > u->call_count) {
        PQclear(result);
        lose(c, "answers and questions do not match");
    } else if (rows && u->results_seen > 0) {
        u->results[u->results_seen++ - 1] = result;
    } else {
        if (!rows && u->outcome == DB_OK) take_error(c, u, result); /* what comes after the first error was not even tried */
        u->results_seen += 1;
        PQclear(result);
        if (u->outcome == DB_UNAVAILABLE) lose(c, "the server ends the session");
    }
}

static bool expects_results(const struct connection *c)
{
    return c->state == CONNECTION_PREPARING || (c->state == CONNECTION_READY && !list_is_empty(&c->units));
}

/* A null stands between the results of two statements; two in a row: libpq has nothing, though we wait for something. */
static void take_results(struct connection *c)
{
    bool after_null = false;
    while (expects_results(c) && !PQisBusy(c->pg)) {
        PGresult *result = PQgetResult(c->pg);
        if (!result && after_null) {
            lose(c, "answers and questions do not match");
            return;
        }
        after_null = !result;
        if (!result) continue;
        if (c->state == CONNECTION_READY) {
            take_unit_result(c, result);
        } else {
            take_setup_result(c, result);
            PQclear(result);
        }
    }
}

static void take_notices(struct connection *c)
{
    for (PGnotify *notice; c->state == CONNECTION_READY && (notice = PQnotifies(c->pg));) {
        if (c->pool->heard) c->pool->heard(c->pool->heard_context, slice_from_text(notice->extra));
        PQfreemem(notice);
    }
}

/* -- the loop of one connection -- */

void connection_flush(struct connection *c)
{
    if (!c->unflushed) return;
    switch (PQflush(c->pg)) {
    case 0:  c->unflushed = false; break;
    case 1:  wait_writable(c); break;
    default: lose(c, PQerrorMessage(c->pg)); break;
    }
}

/* On either readiness both are done: two full socket buffers, each side waiting to be read, would wait for ever. */
static void step(struct connection *c)
{
    if (PQconsumeInput(c->pg) != 1) {
        take_results(c); /* what came before the end still counts */
        if (c->state != CONNECTION_LEAVING && c->pg) lose(c, PQerrorMessage(c->pg));
        return;
    }
    take_results(c);
    if (c->state == CONNECTION_READY) take_notices(c);
    if (c->state != CONNECTION_READY && c->state != CONNECTION_PREPARING) return;
    connection_flush(c);
    if (c->state == CONNECTION_READY || c->state == CONNECTION_PREPARING) wait_readable(c);
}

static void socket_moved(struct connection *c)
{
    switch (c->state) {
    case CONNECTION_CONNECTING: connect_step(c); break;
    case CONNECTION_PREPARING:
    case CONNECTION_READY:      step(c); break;
    case CONNECTION_LEAVING:    leave(c); break;
    case CONNECTION_RESTING:
    case CONNECTION_LOOKING_UP:
    case CONNECTION_GONE:       ensure(!"nothing watches the socket in these states"); break;
    }
}

/* The result says nothing that libpq will not find out by itself. */
static void readable_done(struct io_op *op, struct io_result) { socket_moved(container_of(op, struct connection, readable)); }
static void writable_done(struct io_op *op, struct io_result) { socket_moved(container_of(op, struct connection, writable)); }

/* -- questions -- */

static bool send_sync(PGconn *pg)
{
#ifdef LIBPQ_HAS_SEND_PIPELINE_SYNC
    return PQsendPipelineSync(pg) == 1;
#else
    return PQpipelineSync(pg) == 1; /* before libpq 17 it flushes: a system call per unit instead of one per turn */
#endif
}

void connection_send(struct connection *c, struct db_unit *u)
{
    ensure(c->state == CONNECTION_READY);
    if (list_is_empty(&c->units)) {
        c->head_since_us = shard_of(c)->now_us;
        if (!timer_is_running(&c->timer)) {
            timer_start(&shard_of(c)->timers, &c->timer, c->head_since_us + c->pool->config.unit_timeout_ms * UINT64_C(1000), head_took_too_long);
        }
    }
    list_push_back(&c->units, &u->node); /* first, so that it is among those that are lost */
    u->outcome = DB_OK;
    u->results_seen = 0;
    c->unflushed = true;
    if (!unit_send(c->pg, u) || !send_sync(c->pg)) lose(c, PQerrorMessage(c->pg));
}
