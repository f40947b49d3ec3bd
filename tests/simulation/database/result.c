/* tests/simulation/database/result.c: PGresult: one block in the memory of the process that reads it, so that it is lost with it, and counted when it is forgotten. Values are as
 * they come over the wire: integers in eight bytes, big endian. */
#include <endian.h>
#include <stdio.h>
#include "base/ensure.h"
#include "session.h"
#include "../sim_memory.h" /* by name: here the words malloc and free stay the world's */

struct value { uint32_t offset; int length; /* -1: NULL */ };
struct pg_result {
    ExecStatusType status;
    int            rows, columns;
    char           sqlstate[6], constraint[64];
    const char    *types;   /* letters of statements.h */
    struct value  *values;
    char          *bytes;
};

/* libpq's own memory is not what the torture of ours is about: asked again, it is given. */
void *process_memory(size_t bytes)
{
    void *memory;
    while (!(memory = sim_calloc(1, bytes))) {}
    return memory;
}
void process_memory_free(void *memory) { sim_free(memory); }

static size_t bytes_of(const struct store_value *v)
{
    switch (v->kind) {
    case STORE_NULL:
    case STORE_VOID:    return 0;
    case STORE_INTEGER: return sizeof v->integer;
    case STORE_BOOLEAN: return 1;
    case STORE_TEXT:    return v->text.length;
    }
    return 0;
}

static void write_value(char *to, const struct store_value *v)
{
    const uint64_t wire = htobe64((uint64_t)v->integer);
    switch (v->kind) {
    case STORE_NULL:
    case STORE_VOID:    break;
    case STORE_INTEGER: memcpy(to, &wire, sizeof wire); break;
    case STORE_BOOLEAN: *to = v->integer != 0; break;
    case STORE_TEXT:    memcpy(to, v->text.start, v->text.length); break;
    }
}

static PGresult *result_of_rows(const struct store_rows *rows, const char *types)
{
    const size_t count = (size_t)rows->count * rows->columns;
    size_t bytes = sizeof(PGresult) + count * sizeof(struct value);
    for (size_t n = 0; n < count; n++) bytes += bytes_of(&rows->values[n]) + 1; /* texts end in a zero, as libpq's do */
    PGresult *r = process_memory(bytes);
    r->status = rows->columns > 0 ? PGRES_TUPLES_OK : PGRES_COMMAND_OK;
    r->rows = (int)rows->count;
    r->columns = (int)rows->columns;
    r->types = types;
    r->values = (struct value *)(r + 1);
    r->bytes = (char *)(r->values + count);
    uint32_t offset = 0;
    for (size_t n = 0; n < count; n++) {
        const struct store_value *v = &rows->values[n];
        r->values[n] = (struct value){ offset, v->kind == STORE_NULL ? -1 : (int)bytes_of(v) };
        write_value(r->bytes + offset, v);
        offset += (uint32_t)bytes_of(v) + 1;
    }
    return r;
}

static PGresult *result_without_rows(ExecStatusType status)
{
    PGresult *r = process_memory(sizeof *r);
    r->status = status;
    r->types = "";
    return r;
}

PGresult *result_of_sync(void) { return result_without_rows(PGRES_PIPELINE_SYNC); }

PGresult *result_of_message(const struct segment *g, uint32_t message)
{
    const bool failed = g->answer.sqlstate[0] != 0;
    const uint32_t failing = g->answer.calls_run + 1; /* after the tenant */
    if (!failed || message < failing) {
        if (g->is_setup || message == 0) return result_without_rows(PGRES_COMMAND_OK);
        return result_of_rows(&g->answer.rows[message - 1], db_statement_definition(g->unit.calls[message - 1].statement)->columns);
    }
    PGresult *r = result_without_rows(message == failing ? PGRES_FATAL_ERROR : PGRES_PIPELINE_ABORTED);
    memcpy(r->sqlstate, g->answer.sqlstate, sizeof r->sqlstate);
    memcpy(r->constraint, g->answer.constraint, sizeof r->constraint);
    return r;
}

/* -- libpq's -- */

void PQclear(PGresult *r) { process_memory_free(r); }
ExecStatusType PQresultStatus(const PGresult *r) { return r ? r->status : PGRES_FATAL_ERROR; }
int PQntuples(const PGresult *r) { return r->rows; }
int PQnfields(const PGresult *r) { return r->columns; }
char *PQresultErrorMessage(const PGresult *r) { return r->status == PGRES_FATAL_ERROR ? (char *)"ERROR: as PostgreSQL says" : (char *)""; }

char *PQresultErrorField(const PGresult *r, int field)
{
    const char *found = field == PG_DIAG_SQLSTATE ? r->sqlstate : field == PG_DIAG_CONSTRAINT_NAME ? r->constraint : "";
    return found[0] ? (char *)found : nullptr;
}

Oid PQftype(const PGresult *r, int column)
{
    switch (r->types[column]) {
    case 'i': return 20;
    case 'b': return 16;
    case 't': return 25;
    case 'v': return 2278;
    }
    ensure(!"a letter of a column in statements.h is none of i, b, t, v");
    return 0;
}

static const struct value *value_at(const PGresult *r, int row, int column)
{
    ensure(row >= 0 && row < r->rows && column >= 0 && column < r->columns);
    return &r->values[row * r->columns + column];
}

int PQgetisnull(const PGresult *r, int row, int column) { return value_at(r, row, column)->length < 0; }
int PQgetlength(const PGresult *r, int row, int column) { return value_at(r, row, column)->length < 0 ? 0 : value_at(r, row, column)->length; }
char *PQgetvalue(const PGresult *r, int row, int column) { return r->bytes + value_at(r, row, column)->offset; }
