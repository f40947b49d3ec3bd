/* Tenants do not mix: what row-level security shows to the runtime role, and that db_role_is_confined() finds every way around it. */
#include "tests/unit/db/database.h"

static struct db_admin_error error;
static char role[32]; /* of this program alone: what is granted to it is granted to nobody else */
static char suspect_url[600];

static const char *const tenant_tables[] = { "companies", "branches", "phone_numbers", "staff", "event_types", "staff_event_types", "customers", "calls",
                                             "call_events", "webhook_log", "booking_intents", "busy_ranges", "appointments", "jobs", "audit_log" };
enum { TENANT_TABLES = sizeof tenant_tables / sizeof tenant_tables[0] };

/* One row in every table, for each company. */
static void fill(uint32_t n)
{
    const long long c = database.companies[n], b = database.branches[n], w = database.workspace;
    struct db_admin *o = database.owner;
    long long staff = number(o, "INSERT INTO staff (company_id, branch_id, key, name) VALUES (%lld, %lld, 's', 'S') RETURNING id", c, b);
    long long type = number(o, "INSERT INTO event_types (company_id, key, name, duration_minutes) VALUES (%lld, 'e', 'E', 30) RETURNING id", c);
    value(o, "INSERT INTO staff_event_types (company_id, service_id, staff_id, position) VALUES (%lld, %lld, %lld, 0)", c, type, staff);
    value(o, "INSERT INTO phone_numbers (workspace_id, number, company_id, branch_id) VALUES (%lld, '+49302312500%u', %lld, %lld)", w, n, c, b);
    long long call = number(o, "SELECT call FROM file_call_event(%lld, %lld, %lld, 'call_%u', 'call_started', 0::smallint, '', 1, NULL, '{}', '{}', '+491713920001', NULL)", c, b, w, n);
    long long customer = number(o, "SELECT customer_id FROM calls WHERE id = %lld", call);
    value(o, "INSERT INTO webhook_log (workspace_id, company_id, provider, dedupe, received_at, outcome, body) VALUES (%lld, %lld, 'retell', '%u', now(), 'kept', '')", w, c, n);
    long long intent = number(o, "SELECT intent FROM write_intent(%lld, %lld, %lld, %lld, 'op', 'ref%u', NULL, NULL, 'cal', 1, 0, 60000000, 0, 60000000, '{}', '{}', 1)", c, b, call, customer, n);
    value(o, "SELECT book_intent(%lld, %lld, 'uid', 1, 'accepted', 0, 60000000, NULL, 1)", c, intent);
    value(o, "SELECT refuse_operation(%lld, %lld, %lld, %lld, 'op2', 'why', NULL, 1)", c, b, call, customer);
}

static int open_all(void **)
{
    database_create();
    for (uint32_t n = 0; n < 2; n++) fill(n);
    value(database.owner, "INSERT INTO workspace_keys VALUES (%lld, 0, 'sealed')", (long long)database.workspace);
    value(database.owner, "INSERT INTO workspace_agents VALUES (%lld, 'agent')", (long long)database.workspace);

    char sql[64];
    snprintf(role, sizeof role, "rm_suspect_%d", (int)getpid());
    snprintf(sql, sizeof sql, "CREATE ROLE %s LOGIN", role);
    struct db_admin *admin = open_or_fail(database.admin_url);
    script(admin, sql);
    db_admin_close(admin);
    if (!db_migrate(database.owner, role, nullptr, nullptr, &error)) fail_msg("%s", error.text);
    const char *place = strstr(database.runtime_url, "rm_runtime");
    snprintf(suspect_url, sizeof suspect_url, "%.*s%s%s", (int)(place - database.runtime_url), database.runtime_url, role, place + strlen("rm_runtime"));
    return 0;
}

static struct db_admin *as_company(int64_t company)
{
    struct db_admin *a = open_or_fail(database.runtime_url);
    if (company) value(a, "SELECT set_config('ringmaster.company', '%lld', false)", (long long)company);
    return a;
}

/* -- what the role sees -- */

static void without_a_tenant_every_table_shows_nothing(void **)
{
    struct db_admin *a = as_company(0);
    for (uint32_t t = 0; t < TENANT_TABLES; t++) assert_int_equal(number(a, "SELECT count(1) FROM %s", tenant_tables[t]), 0);
    assert_int_equal(number(a, "SELECT count(*) FROM webhooks"), 0);
    assert_int_equal(number(a, "SELECT count(*) FROM workspaces"), 0);
    assert_int_equal(number(a, "SELECT count(*) FROM workspace_agents"), 0);
    db_admin_close(a);
}

static void a_tenant_sees_its_own_rows_and_no_others(void **)
{
    for (uint32_t n = 0; n < 2; n++) {
        struct db_admin *a = as_company(database.companies[n]);
        for (uint32_t t = 0; t < TENANT_TABLES; t++) {
            const char *column = t == 0 ? "id" : "company_id";
            assert_true(number(a, "SELECT count(1) FROM %s", tenant_tables[t]) > 0);
            assert_int_equal(number(a, "SELECT count(1) FROM %s WHERE %s <> %lld", tenant_tables[t], column, (long long)database.companies[n]), 0);
        }
        db_admin_close(a);
    }
}

static void a_row_without_a_company_is_shown_to_its_workspace_alone(void **)
{
    value(database.owner, "INSERT INTO webhook_log (workspace_id, provider, dedupe, received_at, outcome, body)"
                          " VALUES (%lld, 'retell', 'nobody', now(), 'unrouted', '')", (long long)database.workspace);
    struct db_admin *a = as_company(database.companies[0]);
    static const char nobodys[] = "SELECT count(*) FROM webhooks WHERE company_id IS NULL";
    assert_int_equal(number(a, nobodys), 0);
    value(a, "SELECT set_config('ringmaster.workspace', '%lld', false)", (long long)database.workspace + 1);
    assert_int_equal(number(a, nobodys), 0);
    value(a, "SELECT set_config('ringmaster.workspace', '%lld', false)", (long long)database.workspace);
    assert_int_equal(number(a, nobodys), 1);
    db_admin_close(a);
}

static void a_foreign_row_can_be_neither_changed_nor_made(void **)
{
    struct db_admin *a = as_company(database.companies[0]);
    const long long foreign = database.companies[1], own = database.companies[0];
    assert_string_equal(value(a, "WITH u AS (UPDATE customers SET name = 'stolen' WHERE company_id = %lld RETURNING 1) SELECT count(*) FROM u", foreign), "0");
    assert_string_equal(value(a, "WITH u AS (DELETE FROM busy_ranges WHERE company_id = %lld RETURNING 1) SELECT count(*) FROM u", foreign), "0");
    char sql[256];
    snprintf(sql, sizeof sql, "INSERT INTO customers (company_id, phone) VALUES (%lld, '+491')", foreign);
    assert_false(db_admin_script(a, sql, &error));
    assert_string_equal(error.sqlstate, "42501");
    snprintf(sql, sizeof sql, "UPDATE customers SET company_id = %lld WHERE company_id = %lld", foreign, own);
    assert_false(db_admin_script(a, sql, &error));
    assert_string_equal(error.sqlstate, "42501");
    db_admin_close(a);
}

/* Foreign keys are checked past row-level security; that they carry the company is what keeps them inside it. */
static void a_row_cannot_refer_to_another_companys(void **)
{
    struct db_admin *a = as_company(database.companies[0]);
    char sql[256];
    snprintf(sql, sizeof sql, "UPDATE calls SET customer_id = %lld", number(database.owner, "SELECT id FROM customers WHERE company_id = %lld", (long long)database.companies[1]));
    assert_false(db_admin_script(a, sql, &error));
    assert_string_equal(error.sqlstate, "23503");
    db_admin_close(a);
}

static void sealed_keys_are_out_of_the_roles_reach(void **)
{
    struct db_admin *a = as_company(database.companies[0]);
    assert_false(db_admin_script(a, "SELECT sealed FROM workspace_keys", &error));
    assert_false(db_admin_script(a, "SELECT calcom_api_key_sealed FROM companies", &error));
    assert_false(db_admin_script(a, "UPDATE audit_log SET actor = 'nobody'", &error));
    assert_false(db_admin_script(a, "DELETE FROM calls", &error));
    db_admin_close(a);
}

/* -- what doctor finds -- */

static void expect_confined(void)
{
    struct db_admin *a = open_or_fail(suspect_url);
    if (!db_role_is_confined(a, &error)) fail_msg("%s", error.text);
    db_admin_close(a);
}

/* Opens the breach as `breaker` (a URL), expects it to be found and named, and closes it again. %s is the role. */
static void expect_breach(const char *breaker, const char *open, const char *close, const char *named)
{
    char sql[512];
    struct db_admin *b = open_or_fail(breaker);
    expect_confined();
    snprintf(sql, sizeof sql, open, role, role);
    script(b, sql);
    struct db_admin *a = open_or_fail(suspect_url);
    if (db_role_is_confined(a, &error)) fail_msg("not found: %s", open);
    if (!strstr(error.text, named)) fail_msg("'%s' does not name '%s'", error.text, named);
    db_admin_close(a);
    snprintf(sql, sizeof sql, close, role, role);
    script(b, sql);
    db_admin_close(b);
    expect_confined();
}

static void a_role_that_is_or_can_become_more_than_it_should_is_found(void **)
{
    const char *admin = database.admin_url;
    expect_breach(admin, "ALTER ROLE %s SUPERUSER", "ALTER ROLE %s NOSUPERUSER", "superuser");
    expect_breach(admin, "ALTER ROLE %s BYPASSRLS", "ALTER ROLE %s NOBYPASSRLS", "BYPASSRLS");
    expect_breach(admin, "ALTER ROLE %s CREATEROLE", "ALTER ROLE %s NOCREATEROLE", "CREATEROLE");
    expect_breach(admin, "ALTER ROLE %s REPLICATION", "ALTER ROLE %s NOREPLICATION", "REPLICATION");
    expect_breach(admin, "GRANT rm_admin TO %s", "REVOKE rm_admin FROM %s", "can become rm_admin");
    expect_breach(admin, "GRANT rm_owner TO %s", "REVOKE rm_owner FROM %s", "owner");
    expect_breach(admin, "GRANT pg_execute_server_program TO %s", "REVOKE pg_execute_server_program FROM %s", "pg_execute_server_program");
    expect_breach(admin, "ALTER TABLE jobs OWNER TO %s", "ALTER TABLE jobs OWNER TO rm_owner", "jobs");
}

static void a_table_that_is_not_confined_is_found(void **)
{
    const char *owner = database.owner_url;
    expect_breach(owner, "ALTER TABLE customers NO FORCE ROW LEVEL SECURITY", "ALTER TABLE customers FORCE ROW LEVEL SECURITY", "customers");
    expect_breach(owner, "ALTER TABLE workspace_keys DISABLE ROW LEVEL SECURITY", "ALTER TABLE workspace_keys ENABLE ROW LEVEL SECURITY", "workspace_keys");
    expect_breach(owner, "CREATE TABLE notes (company_id bigint)", "DROP TABLE notes", "notes");
    expect_breach(owner, "GRANT TRUNCATE ON calls TO %s", "REVOKE TRUNCATE ON calls FROM %s", "truncate calls");
    expect_breach(owner, "CREATE POLICY open ON calls USING (true)", "DROP POLICY open ON calls", "table calls shows rows without a tenant");
}

static void a_way_around_is_found(void **)
{
    const char *owner = database.owner_url;
    expect_breach(owner, "CREATE VIEW leak AS SELECT * FROM calls; GRANT SELECT ON leak TO %s", "DROP VIEW leak", "leak");
    expect_breach(owner, "CREATE FUNCTION leak() RETURNS bigint LANGUAGE sql SECURITY DEFINER AS 'SELECT 1::bigint'", "DROP FUNCTION leak()", "leak()");
    char setting[128];
    snprintf(setting, sizeof setting, "ALTER ROLE %%s SET ringmaster.company = '%lld'", (long long)database.companies[0]);
    expect_breach(database.admin_url, setting, "ALTER ROLE %s RESET ringmaster.company", "shows rows without a tenant");
}

int main(int, char **arguments)
{
    need_postgres(arguments);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_a_tenant_every_table_shows_nothing),
        cmocka_unit_test(a_tenant_sees_its_own_rows_and_no_others),
        cmocka_unit_test(a_row_without_a_company_is_shown_to_its_workspace_alone),
        cmocka_unit_test(a_foreign_row_can_be_neither_changed_nor_made),
        cmocka_unit_test(a_row_cannot_refer_to_another_companys),
        cmocka_unit_test(sealed_keys_are_out_of_the_roles_reach),
        cmocka_unit_test(a_role_that_is_or_can_become_more_than_it_should_is_found),
        cmocka_unit_test(a_table_that_is_not_confined_is_found),
        cmocka_unit_test(a_way_around_is_found),
    };
    return cmocka_run_group_tests(tests, open_all, close_database);
}
