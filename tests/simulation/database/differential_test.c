/* tests/simulation/database/differential_test.c: the store is PostgreSQL, as far as the engine can tell: the same random units of work, asked of both, have the same outcomes,
 * constraints, rows, nulls and orders, and leave the same tables. Ids may differ; each must stand for the same row throughout.
 *
 *     differential_test [SEED [UNITS]]      a difference is printed with its seed and its unit, and fails */
#include <postgresql/libpq-fe.h>
#include "db/sqlstate.h"
#include "db/unit.h"
#include "table_lines.h"
#include "tests/unit/db/database.h"

static struct generator g;
static struct store    *store;
static PGconn          *pg;
static uint64_t         seed = 1, units = 12'000, outcomes[6];

/* How often each refusal came, so that one can see what was tried. */
static struct tally { char what[80]; uint64_t count; } tallies[40];

static void count_refusal(const struct db_unit *u)
{
    char what[80];
    snprintf(what, sizeof what, "%s %s", u->sqlstate, u->constraint);
    struct tally *t = tallies;
    while (t->count > 0 && strcmp(t->what, what) != 0) ensure(++t < tallies + sizeof tallies / sizeof *tallies);
    memcpy(t->what, what, sizeof what);
    t->count += 1;
}

/* -- PostgreSQL, one unit at a time, as db/connection.c takes results -- */

static void open_real(void)
{
    uint32_t expected = 0;
    pg = PQconnectdb(database.runtime_url);
    ensure(PQstatus(pg) == CONNECTION_OK);
    PQclear(PQexec(pg, "SET synchronous_commit = off")); /* nothing crashes here */
    PQclear(PQexec(pg, "SET client_min_messages = error"));
    ensure(PQenterPipelineMode(pg) == 1 && unit_prepare_all(pg, &expected) && PQpipelineSync(pg) == 1);
    for (bool synced = false; !synced;) {
        PGresult *r = PQgetResult(pg);
        if (!r) continue;
        if (PQresultStatus(r) == PGRES_FATAL_ERROR) fail_msg("%s", PQresultErrorMessage(r));
        synced = PQresultStatus(r) == PGRES_PIPELINE_SYNC;
        PQclear(r);
    }
}

static void take_error(struct db_unit *u, const PGresult *r)
{
    const char *sqlstate = PQresultErrorField(r, PG_DIAG_SQLSTATE), *constraint = PQresultErrorField(r, PG_DIAG_CONSTRAINT_NAME);
    u->outcome = sqlstate_meaning(sqlstate).outcome;
    snprintf(u->sqlstate, sizeof u->sqlstate, "%s", sqlstate ? sqlstate : "");
    snprintf(u->constraint, sizeof u->constraint, "%s", constraint ? constraint : "");
}

static void run_real(struct db_unit *u)
{
    u->outcome = DB_OK;
    u->sqlstate[0] = u->constraint[0] = 0;
    ensure(unit_send(pg, u) && PQpipelineSync(pg) == 1);
    for (uint32_t seen = 0;;) {
        PGresult *r = PQgetResult(pg);
        if (!r) continue;
        const ExecStatusType status = PQresultStatus(r);
        const bool is_rows = status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK;
        if (is_rows && seen > 0) u->results[seen - 1] = r;
        else if (status == PGRES_FATAL_ERROR) take_error(u, r);
        if (!is_rows || seen == 0) PQclear(r);
        seen += 1;
        if (status == PGRES_PIPELINE_SYNC) return;
    }
}

/* -- one difference -- */

static void print_text(struct slice text)
{
    putchar('\'');
    for (size_t n = 0; n < text.length && n < 300; n++) {
        const unsigned char c = (unsigned char)text.start[n];
        if (c >= 0x20 && c < 0x7F) putchar(c);
        else printf("\\x%02x", c);
    }
    printf(text.length > 300 ? "…' (%zu bytes)" : "'", text.length);
}

static void print_unit(const struct db_unit *u)
{
    printf("  tenant: company %lld, workspace %lld\n", (long long)u->tenant.company_id, (long long)u->tenant.workspace_id);
    for (uint32_t n = 0; n < u->call_count; n++) {
        printf("  %u %s:", n, db_statement_definition(u->calls[n].statement)->name);
        for (uint32_t p = 0; p < u->calls[n].parameter_count; p++) {
            const struct db_parameter *given = &u->calls[n].parameters[p];
            putchar(' ');
            if (given->kind == DB_NULL) printf("NULL");
            else if (given->kind == DB_INTEGER) printf("%lld", (long long)given->integer);
            else print_text(given->text);
        }
        putchar('\n');
    }
}

static void print_real_rows(uint32_t call)
{
    const char *types = db_statement_definition(g.of_real.calls[call].statement)->columns;
    printf("  PostgreSQL %u: %u rows\n", call, db_row_count(&g.of_real, call));
    for (uint32_t row = 0; row < db_row_count(&g.of_real, call) && row < 5; row++) {
        for (uint32_t column = 0; types[column]; column++) {
            if (db_is_null(&g.of_real, call, row, column)) printf(" NULL");
            else if (types[column] == 'i') printf(" %lld", (long long)db_integer(&g.of_real, call, row, column));
            else if (types[column] == 'b') printf(db_boolean(&g.of_real, call, row, column) ? " true" : " false");
            else if (types[column] == 't') putchar(' '), print_text(db_text(&g.of_real, call, row, column));
        }
        putchar('\n');
    }
}

static void print_store_rows(const struct store_rows *rows, uint32_t call)
{
    printf("  store %u: %u rows\n", call, rows->count);
    for (uint32_t n = 0; n < rows->count * rows->columns && n < 5 * rows->columns; n++) {
        const struct store_value *v = &rows->values[n];
        if (v->kind == STORE_NULL) printf(" NULL");
        else if (v->kind == STORE_TEXT) putchar(' '), print_text(v->text);
        else printf(" %lld", (long long)v->integer);
        if ((n + 1) % rows->columns == 0) putchar('\n');
    }
}

static void print_difference(const struct store_answer *answer, const char *what)
{
    printf("seed %llu, unit %u: %s\n", (unsigned long long)seed, g.unit_number, what);
    print_unit(&g.of_real);
    printf("  store: outcome %u, sqlstate '%s', constraint '%s'\n", answer->outcome, answer->sqlstate, answer->constraint);
    printf("  PostgreSQL: outcome %u, sqlstate '%s', constraint '%s'\n", g.of_real.outcome, g.of_real.sqlstate, g.of_real.constraint);
    if (answer->outcome != DB_OK || g.of_real.outcome != DB_OK) return;
    for (uint32_t call = 0; call < g.of_real.call_count; call++) {
        print_store_rows(&answer->rows[call], call);
        print_real_rows(call);
    }
}

/* -- comparing -- */

/* What a column of a statement names, one letter each: c call, k customer, i intent, w webhook, a appointment. */
static const char *ids_of(enum db_statement s)
{
    switch (s) {
    case DB_FILE_CALL_EVENT:  return "-ck---";
    case DB_KEEP_WEBHOOK:     return "w";
    case DB_OPEN_CALLS:
    case DB_UNDECIDED_CALLS:  return "-----ck-";
    case DB_WRITE_INTENT:     return "i--";
    case DB_DUE_INTENTS:      return "-i--";
    case DB_LOAD_INTENT:      return "--ck----------------";
    case DB_BOOK_INTENT:      return "a";
    case DB_SNAPSHOT:
    case DB_CLOSE_CALL:
    case DB_REFUSE_OPERATION:
    case DB_SEND_INTENT:
    case DB_DELAY_INTENT:
    case DB_REFUSE_INTENT:
    case DB_PARK_INTENT:
    case DB_AUDIT:
    case DB_PROBE:
    case DB_STATEMENT_COUNT:  return "--------------------";
    }
    return "";
}

static bool is_same_id(char letter, int64_t of_store, int64_t of_real)
{
    static const char letters[] = "ckiwa"; /* in the order of enum thing */
    const char *found = strchr(letters, letter);
    return found ? things_meet(&g, (enum thing)(found - letters), of_store, of_real) : of_store == of_real;
}

static bool is_same_value(const struct store_value *v, uint32_t call, uint32_t row, uint32_t column, char letter)
{
    const struct db_unit *u = &g.of_real;
    if ((v->kind == STORE_NULL) != db_is_null(u, call, row, column)) return false;
    switch (v->kind) {
    case STORE_NULL:
    case STORE_VOID:    return true;
    case STORE_INTEGER: return is_same_id(letter, v->integer, db_integer(u, call, row, column));
    case STORE_BOOLEAN: return v->integer == db_boolean(u, call, row, column);
    case STORE_TEXT:    return slice_equal(v->text, db_text(u, call, row, column));
    }
    return false;
}

static bool are_same_rows(const struct store_rows *rows, uint32_t call)
{
    const char *ids = ids_of(g.of_real.calls[call].statement);
    if (rows->count != db_row_count(&g.of_real, call)) return false;
    for (uint32_t row = 0; row < rows->count; row++) {
        for (uint32_t column = 0; column < rows->columns; column++) {
            if (!is_same_value(store_value_at(rows, row, column), call, row, column, ids[column])) return false;
        }
    }
    return true;
}

static bool is_same_answer(const struct store_answer *answer)
{
    const struct db_unit *u = &g.of_real;
    if (answer->outcome != u->outcome || strcmp(answer->sqlstate, u->sqlstate) != 0 || strcmp(answer->constraint, u->constraint) != 0) return false;
    for (uint32_t call = 0; u->outcome == DB_OK && call < u->call_count; call++) {
        if (!are_same_rows(&answer->rows[call], call)) return false;
    }
    return true;
}

/* A refused operation is an intent whose id nobody was told. */
static void meet_refused_operations(const struct store_answer *answer)
{
    for (uint32_t call = 0; answer->outcome == DB_OK && call < g.of_store.call_count; call++) {
        if (g.of_store.calls[call].statement != DB_REFUSE_OPERATION || !answer->rows[call].values[0].integer) continue;
        const struct db_parameter *p = g.of_store.calls[call].parameters;
        for (uint32_t n = store_booking_intents_count(store); n-- > 0;) {
            const struct intent_row *i = store_booking_intents_at(store, n);
            if (i->company_id != p[0].integer || !slice_equal(i->operation_key, p[4].text)) continue;
            const int64_t of_real = number(database.owner, "SELECT id FROM booking_intents WHERE company_id = %lld AND operation_key = '" SLICE_FORMAT "'",
                                           (long long)i->company_id, slice_print(p[4].text));
            ensure(things_meet(&g, THING_INTENT, i->id, of_real));
            break;
        }
    }
}

static bool run_unit(void)
{
    struct store_answer answer;
    next_unit(&g);
    store_run(store, &g.of_store, &answer);
    run_real(&g.of_real);
    const bool same = is_same_answer(&answer);
    if (same) meet_refused_operations(&answer);
    else print_difference(&answer, "the answers differ");
    outcomes[g.of_real.outcome] += 1;
    if (g.of_real.outcome != DB_OK) count_refusal(&g.of_real);
    db_unit_release(&g.of_real);
    store_answer_free(&answer);
    return same;
}

/* -- the tables at the end -- */

static char *line_of_real(const struct db_rows *rows, uint32_t row)
{
    struct line l = begin_line(&g);
    for (uint32_t column = 0; column < db_rows_columns(rows); column++) put_text(&l, db_rows_text(rows, row, column));
    fclose(l.to);
    return l.text;
}

static bool are_same_lines(const char *name, struct lines *of_store, struct lines *of_real)
{
    qsort(of_store->list, of_store->count, sizeof(char *), by_text);
    qsort(of_real->list, of_real->count, sizeof(char *), by_text);
    for (uint32_t n = 0; n < of_store->count || n < of_real->count; n++) {
        const char *a = n < of_store->count ? of_store->list[n] : "nothing", *b = n < of_real->count ? of_real->list[n] : "nothing";
        if (strcmp(a, b) == 0) continue;
        printf("seed %llu: table %s differs (%u rows, %u rows)\n  store:      %.1500s\n  PostgreSQL: %.1500s\n", (unsigned long long)seed, name, of_store->count, of_real->count, a, b);
        return false;
    }
    printf("  %-16s %6u rows, the same\n", name, of_real->count);
    return true;
}

static bool is_same_table(size_t table)
{
    struct lines of_store = {}, of_real = {};
    struct db_admin_error error;
    struct db_rows *rows = db_admin_query(database.owner, tables[table].sql, nullptr, 0, &error);
    if (!rows) fail_msg("%s", error.text);
    for (uint32_t row = 0; row < db_rows_count(rows); row++) add_line(&of_real, line_of_real(rows, row));
    db_rows_free(rows);
    tables[table].lines_of_store(&of_store, &g, store);
    const bool same = are_same_lines(tables[table].name, &of_store, &of_real);
    free_lines(&of_store);
    free_lines(&of_real);
    return same;
}

/* -- the world that both know -- */

static void people_it(void)
{
    database_create();
    g.is.workspaces[0] = database.workspace;
    g.is.workspaces[1] = number(database.owner, "INSERT INTO workspaces (key, name, token) VALUES ('w2', 'W2', 'wt_2') RETURNING id");
    for (uint32_t n = 0; n < COMPANIES; n++) {
        const bool is_there = n < sizeof database.companies / sizeof *database.companies;
        g.is.companies[n] = is_there ? database.companies[n] : number(database.owner, "INSERT INTO companies (key, name, time_zone) VALUES ('c%u', 'C', 'Europe/Berlin') RETURNING id", n);
        const long long company = g.is.companies[n];
        g.is.branches[n] = is_there ? database.branches[n]
                                    : number(database.owner, "INSERT INTO branches (company_id, key, name, time_zone) VALUES (%lld, 'b', 'B', 'Europe/Berlin') RETURNING id", company);
        g.is.services[n] = number(database.owner, "INSERT INTO event_types (company_id, key, name, duration_minutes) VALUES (%lld, 's', 'S', 30) RETURNING id", company);
        g.is.staff[n] = number(database.owner, "INSERT INTO staff (company_id, branch_id, key, name) VALUES (%lld, %lld, 'm', 'M') RETURNING id", company, (long long)g.is.branches[n]);
    }
    store = store_new();
    ensure(store_set_tenants(store, slice_from_text(value(database.owner, "SELECT tenant_snapshot()"))));
}

int main(int count, char **arguments)
{
    need_postgres(arguments);
    if (count > 1) seed = strtoull(arguments[1], nullptr, 10);
    if (count > 2) units = strtoull(arguments[2], nullptr, 10);
    g.dice.state = seed;
    things_open(&g);
    people_it();
    open_real();
    uint32_t failed = 0, passed = 0;
    while (g.unit_number < units && failed == 0) run_unit() ? passed++ : failed++; /* after a difference everything differs */
    printf("differential: seed %llu, %u units: %llu ok, %llu conflicts, %llu rejected\n", (unsigned long long)seed, g.unit_number,
           (unsigned long long)outcomes[DB_OK], (unsigned long long)outcomes[DB_CONFLICT], (unsigned long long)outcomes[DB_REJECTED]);
    for (const struct tally *t = tallies; t->count > 0; t++) printf("  %6llu %s\n", (unsigned long long)t->count, t->what);
    for (size_t table = 0; table < sizeof tables / sizeof *tables && failed == 0; table++) is_same_table(table) ? passed++ : failed++;
    PQfinish(pg);
    close_database(nullptr);
    printf("%u passed, %u failed\n", passed, failed);
    return failed > 0;
}
