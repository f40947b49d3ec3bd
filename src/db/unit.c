/* db/unit.c: how a unit of work is built, sent and read. Everything here belongs to whoever owns the unit, on its shard. */
#include "db/unit.h"
#include <endian.h>
#include "base/ensure.h"

constexpr Oid oid_boolean = 16, oid_bytes = 17, oid_integer = 20, oid_text = 25; /* fixed in PostgreSQL's catalogue (pg_type.dat) */

static const char tenant_statement[] = "tenant";
static const char tenant_sql[] = "SELECT set_config('ringmaster.company', $1, true), set_config('ringmaster.workspace', $2, true)";

/* -- building -- */

void db_unit_begin(struct db_unit *u, struct db_tenant tenant)
{
    ensure(!u->running);
    for (uint32_t call = 0; call < DB_UNIT_CALLS_MAX; call++) ensure(u->results[call] == nullptr);
    u->tenant = tenant;
    u->call_count = 0;
}

void db_unit_call(struct db_unit *u, enum db_statement statement)
{
    ensure(!u->running && u->call_count < DB_UNIT_CALLS_MAX);
    u->calls[u->call_count].statement = statement;
    u->calls[u->call_count].parameter_count = 0;
    u->call_count += 1;
}

static void add(struct db_unit *u, struct db_parameter parameter)
{
    ensure(!u->running && u->call_count > 0);
    struct db_call *call = &u->calls[u->call_count - 1];
    ensure(call->parameter_count < DB_PARAMETERS_MAX);
    call->parameters[call->parameter_count++] = parameter;
}

void db_add_integer(struct db_unit *u, int64_t value) { add(u, (struct db_parameter){ .kind = DB_INTEGER, .integer = value }); }
void db_add_null(struct db_unit *u) { add(u, (struct db_parameter){ .kind = DB_NULL }); }
void db_add_text(struct db_unit *u, struct slice text)
{
    add(u, slice_is_absent(text) ? (struct db_parameter){ .kind = DB_NULL } : (struct db_parameter){ .kind = DB_TEXT, .text = text });
}

static bool fits(const struct db_parameter *parameter, char letter)
{
    switch (parameter->kind) {
    case DB_NULL:    return true;
    case DB_INTEGER: return letter == 'i';
    case DB_TEXT:    return letter == 't' || letter == 'j' || letter == 'x';
    }
    ensure(false);
}

void unit_check(const struct db_unit *u)
{
    ensure(u->call_count > 0);
    for (uint32_t index = 0; index < u->call_count; index++) {
        const struct db_call *call = &u->calls[index];
        const char *letters = db_statement_definition(call->statement)->parameters;
        ensure(call->parameter_count == strlen(letters));
        for (uint32_t p = 0; p < call->parameter_count; p++) ensure(fits(&call->parameters[p], letters[p]));
    }
}

/* -- sending -- */

static Oid oid_of(char letter)
{
    switch (letter) {
    case 'i': return oid_integer;
    case 't':
    case 'j': return oid_text;
    case 'x': return oid_bytes;
    }
    ensure(!"a parameter's letter in statements.c is none of i, t, j, x");
}

bool unit_prepare_all(PGconn *pg, uint32_t *result_count)
{
    const Oid texts[] = { oid_text, oid_text };
    if (!PQsendPrepare(pg, tenant_statement, tenant_sql, 2, texts)) return false;
    *result_count += 1;
    for (enum db_statement s = 0; s < DB_STATEMENT_COUNT; s++) {
        const struct db_statement_definition *definition = db_statement_definition(s);
        Oid types[DB_PARAMETERS_MAX];
        int count = 0;
        for (const char *letter = definition->parameters; *letter; letter++) types[count++] = oid_of(*letter);
        if (!PQsendPrepare(pg, definition->name, definition->sql, count, types)) return false;
        *result_count += 1;
    }
    return true;
}

/* What libpq reads while it copies a call into its output buffer. */
struct encoded {
    const char *values[DB_PARAMETERS_MAX];
    int         lengths[DB_PARAMETERS_MAX], formats[DB_PARAMETERS_MAX];
    uint64_t    integers[DB_PARAMETERS_MAX]; /* big endian */
    void       *repaired[DB_PARAMETERS_MAX]; /* ours to free; nullptr as a rule */
};

/* A copy with every `what` replaced; absent when there is none, as nearly always. */
static struct slice replace_all(struct slice text, struct slice what, struct slice by)
{
    const char *found = text.length ? memmem(text.start, text.length, what.start, what.length) : nullptr;
    if (!found) return slice_absent;
    char *copy = malloc(text.length * by.length), *end = copy;
    ensure(copy != nullptr);
    for (; found; found = memmem(text.start, text.length, what.start, what.length)) {
        size_t before = (size_t)(found - text.start);
        end = mempcpy(mempcpy(end, text.start, before), by.start, by.length);
        text = slice_skip(text, before + what.length);
    }
    end = mempcpy(end, text.start, text.length);
    return slice_from(copy, (size_t)(end - copy));
}

/* JSON may say U+0000, and neither text nor jsonb can hold it: it becomes U+FFFD, so that no caller can word himself unfileable. */
static struct slice without_zeros(struct slice text, char letter)
{
    switch (letter) {
    case 't': return replace_all(text, slice_of("\0"), slice_of("\xEF\xBF\xBD"));
    case 'j': return replace_all(text, slice_of("\\u0000"), slice_of("\\ufffd"));
    }
    return slice_absent; /* bytes */
}

static void encode_text(struct encoded *e, uint32_t at, struct slice text, char letter)
{
    struct slice repaired = without_zeros(text, letter);
    if (!slice_is_absent(repaired)) text = repaired;
    ensure(text.length < INT32_MAX);
    e->values[at] = text.start;
    e->lengths[at] = (int)text.length;
    e->repaired[at] = (void *)repaired.start;
}

static void encode(struct encoded *e, uint32_t at, const struct db_parameter *parameter, char letter)
{
    e->formats[at] = DB_BINARY;
    e->repaired[at] = nullptr;
    switch (parameter->kind) {
    case DB_NULL:
        e->values[at] = nullptr;
        e->lengths[at] = 0;
        break;
    case DB_INTEGER:
        e->integers[at] = htobe64((uint64_t)parameter->integer);
        e->values[at] = (const char *)&e->integers[at];
        e->lengths[at] = sizeof e->integers[at];
        break;
    case DB_TEXT:
        encode_text(e, at, parameter->text, letter);
        break;
    }
}

static bool send_call(PGconn *pg, const struct db_call *call)
{
    const struct db_statement_definition *definition = db_statement_definition(call->statement);
    struct encoded e;
    for (uint32_t p = 0; p < call->parameter_count; p++) encode(&e, p, &call->parameters[p], definition->parameters[p]);
    bool sent = PQsendQueryPrepared(pg, definition->name, call->parameter_count, e.values, e.lengths, e.formats, DB_BINARY);
    for (uint32_t p = 0; p < call->parameter_count; p++) free(e.repaired[p]);
    return sent;
}

/* 0 becomes the empty text, which current_company() and current_workspace() of the schema read as "none". */
static int print_id(char *text, size_t size, int64_t id) { return id == 0 ? (text[0] = 0, 0) : snprintf(text, size, "%lld", (long long)id); }

static bool send_tenant(PGconn *pg, struct db_tenant tenant)
{
    char company[24], workspace[24];
    const char *values[] = { company, workspace };
    const int formats[] = { DB_BINARY, DB_BINARY };
    const int lengths[] = { print_id(company, sizeof company, tenant.company_id), print_id(workspace, sizeof workspace, tenant.workspace_id) };
    return PQsendQueryPrepared(pg, tenant_statement, 2, values, lengths, formats, DB_BINARY);
}

bool unit_send(PGconn *pg, const struct db_unit *u)
{
    if (!send_tenant(pg, u->tenant)) return false;
    for (uint32_t call = 0; call < u->call_count; call++) {
        if (!send_call(pg, &u->calls[call])) return false;
    }
    return true;
}

/* -- reading -- */

void db_unit_release(struct db_unit *u)
{
    ensure(!u->running);
    for (uint32_t call = 0; call < DB_UNIT_CALLS_MAX; call++) {
        PQclear(u->results[call]);
        u->results[call] = nullptr;
    }
}

static const PGresult *result_of(const struct db_unit *u, uint32_t call)
{
    ensure(!u->running && u->outcome == DB_OK && call < u->call_count && u->results[call]);
    return u->results[call];
}

/* The bytes of one value; absent: NULL. A wrong row, column or type is our bug. */
static struct slice value_of(const struct db_unit *u, uint32_t call, uint32_t row, uint32_t column, Oid type)
{
    const PGresult *result = result_of(u, call);
    ensure(row < (uint32_t)PQntuples(result) && column < (uint32_t)PQnfields(result));
    ensure(type == InvalidOid || PQftype(result, (int)column) == type);
    if (PQgetisnull(result, (int)row, (int)column)) return slice_absent;
    return slice_from(PQgetvalue(result, (int)row, (int)column), (size_t)PQgetlength(result, (int)row, (int)column));
}

uint32_t db_row_count(const struct db_unit *u, uint32_t call) { return (uint32_t)PQntuples(result_of(u, call)); }

bool db_is_null(const struct db_unit *u, uint32_t call, uint32_t row, uint32_t column)
{
    return slice_is_absent(value_of(u, call, row, column, InvalidOid));
}

int64_t db_integer(const struct db_unit *u, uint32_t call, uint32_t row, uint32_t column)
{
    struct slice bytes = value_of(u, call, row, column, oid_integer);
    if (slice_is_absent(bytes)) return 0;
    uint64_t big_endian;
    ensure(bytes.length == sizeof big_endian);
    memcpy(&big_endian, bytes.start, sizeof big_endian);
    return (int64_t)be64toh(big_endian);
}

bool db_boolean(const struct db_unit *u, uint32_t call, uint32_t row, uint32_t column)
{
    struct slice bytes = value_of(u, call, row, column, oid_boolean);
    return bytes.length == 1 && bytes.start[0] != 0;
}

struct slice db_text(const struct db_unit *u, uint32_t call, uint32_t row, uint32_t column) { return value_of(u, call, row, column, oid_text); }
