/* db/confinement.c: proves that the role it is connected as sees one tenant at a time. Not by reading our own migrations, but by asking the
 * database as it is now: what an administrator granted since counts. Each question answers with the breaches it finds, in words; none is well.
 */
#include "base/buffer.h"
#include "base/ensure.h"
#include "db/admin.h"

static const char *const questions[] = {
    /* What it is. CREATEROLE makes itself a member of any role (PostgreSQL 15); REPLICATION copies the whole cluster. */
    "SELECT format('role %s is superuser, or has BYPASSRLS, CREATEROLE or REPLICATION', rolname) FROM pg_roles"
    " WHERE rolname IN (current_user, session_user) AND (rolsuper OR rolbypassrls OR rolcreaterole OR rolreplication)",

    /* What it can become. */
    "SELECT format('role %s can become %s, which is past row-level security', current_user, rolname) FROM pg_roles"
    " WHERE rolname <> current_user AND pg_has_role(current_user, oid, 'MEMBER')"
    "   AND (rolsuper OR rolbypassrls OR rolcreaterole OR rolreplication"
    "        OR rolname IN ('pg_execute_server_program', 'pg_read_server_files', 'pg_write_server_files'))",

    /* What it owns, itself or through a membership: an owner can switch row-level security off. */
    "SELECT format('role %s owns the database %s, or can become its owner', current_user, datname) FROM pg_database"
    " WHERE datname = current_database() AND pg_has_role(current_user, datdba, 'MEMBER')",
    "SELECT format('role %s owns %s, or can become its owner', current_user, oid::regclass) FROM pg_class"
    " WHERE relnamespace = 'public'::regnamespace AND pg_has_role(current_user, relowner, 'MEMBER')",
    "SELECT format('role %s owns the function %s, or can become its owner', current_user, oid::regprocedure) FROM pg_proc"
    " WHERE pronamespace = 'public'::regnamespace AND pg_has_role(current_user, proowner, 'MEMBER')",

    /* Tables without the rule; and TRUNCATE and TRIGGER, which no rule holds back. */
    "SELECT format('table %s has row-level security not enabled and forced', oid::regclass) FROM pg_class"
    " WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND relname <> 'schema_migrations'"
    "   AND NOT (relrowsecurity AND relforcerowsecurity)",
    "SELECT format('role %s may truncate %s, or put a trigger on it', current_user, oid::regclass) FROM pg_class"
    " WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND has_table_privilege(oid, 'TRUNCATE, TRIGGER')",

    /* Ways around it: views and functions that work with their owner's rights. */
    "SELECT format('view %s shows what its owner sees: it is not security_invoker', oid::regclass) FROM pg_class"
    " WHERE relnamespace = 'public'::regnamespace AND relkind IN ('v', 'm') AND has_any_column_privilege(oid, 'SELECT')"
    "   AND NOT coalesce(reloptions && ARRAY['security_invoker=true', 'security_invoker=on', 'security_invoker=1'], false)",
    "SELECT format('function %s works with the rights of its owner', oid::regprocedure) FROM pg_proc"
    " WHERE pronamespace = 'public'::regnamespace AND prosecdef AND has_function_privilege(oid, 'EXECUTE')"
    "   AND proname NOT IN ('tenant_snapshot', 'open_calls', 'undecided_calls', 'due_intents')",
};

/* false: *error names the first row of the answer, or says why there is none. */
static bool finds_nothing(struct db_admin *a, const char *question, struct db_admin_error *error)
{
    struct db_rows *rows = db_admin_query(a, question, nullptr, 0, error);
    if (!rows) return false;
    bool nothing = db_rows_count(rows) == 0;
    if (!nothing) snprintf(error->text, sizeof error->text, SLICE_FORMAT, slice_print(db_rows_text(rows, 0, 0)));
    db_rows_free(rows);
    return nothing;
}

/* One question over all tables that the role may read at all: whatever answers is shown to a role that has set no tenant. */
static bool shows_nothing_without_tenant(struct db_admin *a, struct db_admin_error *error)
{
    struct db_rows *tables = db_admin_query(a,
        "SELECT oid::regclass::text FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND relname <> 'schema_migrations'"
        " AND has_any_column_privilege(oid, 'SELECT')", nullptr, 0, error);
    if (!tables) return false;
    bool nothing = true;
    for (uint32_t row = 0; nothing && row < db_rows_count(tables); row++) {
        char question[512];
        struct buffer b = buffer_over(question, sizeof question);
        struct slice table = db_rows_text(tables, row, 0); /* quoted by the server where it must be */
        buffer_print(&b, "SELECT 'table ' || $$" SLICE_FORMAT "$$ || ' shows rows without a tenant' WHERE EXISTS (SELECT FROM " SLICE_FORMAT ")", slice_print(table), slice_print(table));
        ensure(!b.overflowed);
        nothing = finds_nothing(a, question, error);
    }
    db_rows_free(tables);
    return nothing;
}

bool db_role_is_confined(struct db_admin *a, struct db_admin_error *error)
{
    *error = (struct db_admin_error){};
    for (uint32_t q = 0; q < sizeof questions / sizeof questions[0]; q++) {
        if (!finds_nothing(a, questions[q], error)) return false;
    }
    return shows_nothing_without_tenant(a, error);
}
