/* db/admin.c: a blocking connection for commands. One thread; nothing here is known to the serving shards. */
#include "db/admin.h"
#include <postgresql/libpq-fe.h>
#include "base/ensure.h"
#include "db/sqlstate.h"

constexpr uint32_t admin_parameters_max = 64; /* the widest INSERT of a command has a dozen. Past it: our bug */
static const char connect_timeout_s[] = "5";  /* for each address, unless the URL says otherwise: libpq by itself waits for ever */

struct db_admin { uint32_t magic; PGconn *pg; };
constexpr uint32_t admin_magic = 0x61646d6e;

static void say(struct db_admin_error *error, const char *sqlstate, const char *text)
{
    size_t length = strcspn(text, "\n"); /* further lines are details, which may hold the data of customers */
    snprintf(error->text, sizeof error->text, "%.*s", (int)length, text);
    snprintf(error->sqlstate, sizeof error->sqlstate, "%s", sqlstate ? sqlstate : "");
    enum db_outcome outcome = sqlstate_meaning(sqlstate).outcome;
    error->may_pass = outcome == DB_UNAVAILABLE || outcome == DB_TRY_AGAIN;
}

static void say_nothing(void *, const PGresult *) {} /* notices of migrations */

struct db_admin *db_admin_open(const char *url, struct db_admin_error *error)
{
    /* libpq quotes what it cannot parse, and that may hold the password: parsed here first, its own words are not repeated. */
    PQconninfoOption *options = PQconninfoParse(url, nullptr);
    if (!options) {
        say(error, nullptr, "the database URL is neither postgresql://user@host/name nor a list of key=value");
        error->may_pass = false;
        return nullptr;
    }
    PQconninfoFree(options);

    /* Of a keyword that comes twice libpq takes the last: what the URL says goes before ours. */
    const char *const keywords[] = { "connect_timeout", "dbname", nullptr }, *const values[] = { connect_timeout_s, url, nullptr };
    PGconn *pg = PQconnectdbParams(keywords, values, 1);
    if (PQstatus(pg) != CONNECTION_OK) {
        say(error, nullptr, PQerrorMessage(pg));
        PQfinish(pg);
        return nullptr;
    }
    PQsetNoticeReceiver(pg, say_nothing, nullptr);
    struct db_admin *a = calloc(1, sizeof *a);
    ensure(a != nullptr);
    *a = (struct db_admin){ .magic = admin_magic, .pg = pg };
    return a;
}

void db_admin_close(struct db_admin *a)
{
    if (!a) return;
    ensure_magic(a, admin_magic);
    PQfinish(a->pg);
    *a = (struct db_admin){};
    free(a);
}

/* libpq's own type is our opaque one: nothing is added to it. */
static struct db_rows *rows_or_error(struct db_admin *a, PGresult *result, struct db_admin_error *error)
{
    ExecStatusType status = PQresultStatus(result);
    if (status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK) return (struct db_rows *)result;
    const char *message = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
    say(error, PQresultErrorField(result, PG_DIAG_SQLSTATE), message ? message : PQerrorMessage(a->pg));
    PQclear(result);
    return nullptr;
}

struct db_rows *db_admin_query(struct db_admin *a, const char *sql, const struct slice *parameters, uint32_t count, struct db_admin_error *error)
{
    ensure_magic(a, admin_magic);
    ensure(count <= admin_parameters_max);
    /* Text format wants a zero at the end: one block holds a copy of each. */
    const char *values[admin_parameters_max];
    size_t bytes = 1;
    for (uint32_t p = 0; p < count; p++) bytes += parameters[p].length + 1;
    char *copies = malloc(bytes), *end = copies;
    ensure(copies != nullptr);
    for (uint32_t p = 0; p < count; p++) {
        values[p] = parameters[p].start ? end : nullptr;
        if (parameters[p].length) end = mempcpy(end, parameters[p].start, parameters[p].length);
        *end++ = 0;
    }
    PGresult *result = PQexecParams(a->pg, sql, (int)count, nullptr, values, nullptr, nullptr, 0);
    free(copies);
    return rows_or_error(a, result, error);
}

bool db_admin_execute(struct db_admin *a, const char *sql, const struct slice *parameters, uint32_t count, struct db_admin_error *error)
{
    struct db_rows *rows = db_admin_query(a, sql, parameters, count, error);
    db_rows_free(rows);
    return rows != nullptr;
}

bool db_admin_script(struct db_admin *a, const char *sql, struct db_admin_error *error)
{
    ensure_magic(a, admin_magic);
    struct db_rows *rows = rows_or_error(a, PQexec(a->pg, sql), error);
    db_rows_free(rows);
    return rows != nullptr;
}

uint32_t db_rows_count(const struct db_rows *r) { return (uint32_t)PQntuples((const PGresult *)r); }
uint32_t db_rows_columns(const struct db_rows *r) { return (uint32_t)PQnfields((const PGresult *)r); }

const char *db_rows_column_name(const struct db_rows *r, uint32_t column)
{
    ensure(column < db_rows_columns(r));
    return PQfname((const PGresult *)r, (int)column);
}

struct slice db_rows_text(const struct db_rows *r, uint32_t row, uint32_t column)
{
    ensure(row < db_rows_count(r) && column < db_rows_columns(r));
    const PGresult *result = (const PGresult *)r;
    if (PQgetisnull(result, (int)row, (int)column)) return slice_absent;
    return slice_from(PQgetvalue(result, (int)row, (int)column), (size_t)PQgetlength(result, (int)row, (int)column));
}

void db_rows_free(struct db_rows *r) { PQclear((PGresult *)r); }
