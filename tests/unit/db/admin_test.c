/* What migrations and the commands' connection promise. Every test has a database of its own. */
#include <arpa/inet.h>
#include <sys/socket.h>
#include "tests/unit/db/database.h"

static struct db_admin_error error;

static int open_empty(void **)
{
    database_create_empty();
    return 0;
}

static void count_one(void *context, const char *) { *(uint32_t *)context += 1; }

static uint32_t migrate_and_count(void)
{
    uint32_t applied = 0;
    if (!db_migrate(database.owner, "rm_runtime", count_one, &applied, &error)) fail_msg("%s", error.text);
    return applied;
}

static void migrating_twice_does_nothing_the_second_time(void **)
{
    assert_false(db_schema_is_current(database.owner, &error));
    assert_non_null(strstr(error.text, "0001_tenants"));
    assert_true(migrate_and_count() > 0);
    const char *before = value(database.owner, "SELECT md5(string_agg(c::text, '' ORDER BY oid)) FROM pg_class c WHERE relnamespace = 'public'::regnamespace AND relkind <> 'S'");
    assert_int_equal(migrate_and_count(), 0);
    assert_string_equal(before, value(database.owner, "SELECT md5(string_agg(c::text, '' ORDER BY oid)) FROM pg_class c WHERE relnamespace = 'public'::regnamespace AND relkind <> 'S'"));
    assert_true(db_schema_is_current(database.owner, &error));
    struct db_admin *runtime = open_or_fail(database.runtime_url);
    assert_true(db_schema_is_current(runtime, &error)); /* serve asks as the role that it serves with */
    db_admin_close(runtime);
}

static void a_migration_that_is_missing_is_named(void **)
{
    (void)migrate_and_count();
    script(database.owner, "DELETE FROM schema_migrations WHERE name = '0003_bookings'");
    assert_false(db_schema_is_current(database.owner, &error));
    assert_non_null(strstr(error.text, "0003_bookings is missing"));
}

static void a_migration_changed_afterwards_is_noticed(void **)
{
    (void)migrate_and_count();
    script(database.owner, "UPDATE schema_migrations SET checksum = 'other' WHERE name = '0002_calls'");
    assert_false(db_schema_is_current(database.owner, &error));
    assert_non_null(strstr(error.text, "0002_calls was changed"));
    assert_false(db_migrate(database.owner, "rm_runtime", nullptr, nullptr, &error));
}

static void a_database_of_a_newer_program_is_left_alone(void **)
{
    (void)migrate_and_count();
    script(database.owner, "INSERT INTO schema_migrations VALUES ('9999_future', 'x', now())");
    assert_false(db_migrate(database.owner, "rm_runtime", nullptr, nullptr, &error));
    assert_non_null(strstr(error.text, "9999_future"));
}

static void a_migration_that_fails_leaves_nothing_of_itself_and_says_why(void **)
{
    script(database.owner, "CREATE TABLE call_events (mine text)"); /* in the way of the second migration, after it has made others */
    assert_false(db_migrate(database.owner, "rm_runtime", nullptr, nullptr, &error));
    assert_non_null(strstr(error.text, "migration 0002_calls: relation \"call_events\" already exists"));
    assert_string_equal(error.sqlstate, "42P07");
    assert_string_equal(value(database.owner, "SELECT string_agg(name, ',') FROM schema_migrations"), "0001_tenants");
    assert_string_equal(value(database.owner, "SELECT coalesce(to_regclass('customers')::text, 'none')"), "none");
    script(database.owner, "DROP TABLE call_events");
    assert_true(migrate_and_count() > 0);
}

static void a_role_that_is_not_there_or_owns_the_tables_cannot_be_the_runtime_role(void **)
{
    assert_false(db_migrate(database.owner, "nobody_at_all", nullptr, nullptr, &error));
    assert_non_null(strstr(error.text, "no role nobody_at_all"));
    assert_false(db_migrate(database.owner, "rm_owner", nullptr, nullptr, &error));
    assert_non_null(strstr(error.text, "cannot both own"));
}

static void an_error_says_why_and_not_the_password(void **)
{
    static const char *const urls[] = { "postgresql://u:secret@[broken", "postgresql://u:secret@/x?host=/nonexistent", "password=secret host" };
    for (uint32_t n = 0; n < sizeof urls / sizeof urls[0]; n++) {
        assert_null(db_admin_open(urls[n], &error));
        assert_true(strlen(error.text) > 10);
        assert_null(strstr(error.text, "secret"));
    }
}

/* Somebody who takes the connection and says nothing: a pooler that hangs, a machine that is half gone. The engine's helper waits here before it serves. */
static void a_server_that_says_nothing_is_waited_for_a_few_seconds_and_not_for_ever(void **)
{
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t length = sizeof address;
    int silent = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(silent, (struct sockaddr *)&address, length), 0);
    assert_int_equal(listen(silent, 8), 0);
    assert_int_equal(getsockname(silent, (struct sockaddr *)&address, &length), 0);
    char url[64];
    snprintf(url, sizeof url, "postgresql://u@127.0.0.1:%u/db", ntohs(address.sin_port));
    alarm(30); /* for ever would be longer */
    assert_null(db_admin_open(url, &error));
    alarm(0);
    assert_true(error.may_pass);
    assert_non_null(strstr(error.text, "timeout"));
    close(silent);
}

/* Otherwise an engine that starts while the database goes away takes the broken connection for a role that is not confined, and ends. */
static void a_lost_connection_is_no_verdict(void **)
{
    (void)migrate_and_count();
    struct db_admin *runtime = open_or_fail(database.runtime_url);
    assert_false(db_admin_execute(runtime, "SELECT pg_terminate_backend(pg_backend_pid())", nullptr, 0, &error));
    assert_true(error.may_pass);
    assert_false(db_schema_is_current(runtime, &error));
    assert_true(error.may_pass);
    assert_false(db_role_is_confined(runtime, &error));
    assert_true(error.may_pass);
    db_admin_close(runtime);

    script(database.owner, "DELETE FROM schema_migrations WHERE name = '0003_bookings'");
    assert_false(db_schema_is_current(database.owner, &error));
    assert_false(error.may_pass);
}

static void an_errors_details_which_may_hold_data_are_not_repeated(void **)
{
    script(database.owner, "CREATE TABLE t (phone text UNIQUE); INSERT INTO t VALUES ('+491713920001')");
    assert_false(db_admin_script(database.owner, "INSERT INTO t VALUES ('+491713920001')", &error));
    assert_string_equal(error.sqlstate, "23505");
    assert_null(strstr(error.text, "+49"));
}

static void values_go_in_and_come_out_as_they_are(void **)
{
    const struct slice parameters[] = { slice_of("it's; --"), slice_absent, slice_of(""), slice_take(slice_of("cut here"), 3) };
    struct db_rows *rows = db_admin_query(database.owner, "SELECT $1::text AS a, $2::text AS b, $3::text AS c, $4::text AS d", parameters, 4, &error);
    assert_non_null(rows);
    assert_int_equal(db_rows_count(rows), 1);
    assert_int_equal(db_rows_columns(rows), 4);
    assert_string_equal(db_rows_column_name(rows, 3), "d");
    assert_true(slice_equal(db_rows_text(rows, 0, 0), slice_of("it's; --")));
    assert_true(slice_is_absent(db_rows_text(rows, 0, 1)));
    assert_true(slice_is_empty(db_rows_text(rows, 0, 2)) && !slice_is_absent(db_rows_text(rows, 0, 2)));
    assert_true(slice_equal(db_rows_text(rows, 0, 3), slice_of("cut")));
    db_rows_free(rows);
}

#define in_its_own_database(test) cmocka_unit_test_setup_teardown(test, open_empty, close_database)

int main(int, char **arguments)
{
    need_postgres(arguments);
    const struct CMUnitTest tests[] = {
        in_its_own_database(migrating_twice_does_nothing_the_second_time),
        in_its_own_database(a_migration_that_is_missing_is_named),
        in_its_own_database(a_migration_changed_afterwards_is_noticed),
        in_its_own_database(a_database_of_a_newer_program_is_left_alone),
        in_its_own_database(a_migration_that_fails_leaves_nothing_of_itself_and_says_why),
        in_its_own_database(a_role_that_is_not_there_or_owns_the_tables_cannot_be_the_runtime_role),
        in_its_own_database(a_lost_connection_is_no_verdict),
        cmocka_unit_test(an_error_says_why_and_not_the_password),
        cmocka_unit_test(a_server_that_says_nothing_is_waited_for_a_few_seconds_and_not_for_ever),
        in_its_own_database(an_errors_details_which_may_hold_data_are_not_repeated),
        in_its_own_database(values_go_in_and_come_out_as_they_are),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
