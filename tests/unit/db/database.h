#pragma once
/* tests/unit/db/database.h: a migrated database for one test program, with two companies in it. Private to the program; it dies with the cluster of
 * tests/with_postgres.sh, under which the program puts itself when it was started without. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>
#include "base/ensure.h"
#include "db/admin.h"

struct database {
    char owner_url[512], runtime_url[512], admin_url[512];
    struct db_admin *owner;
    int64_t workspace, companies[2], branches[2]; /* fri and prx */
};
static struct database database;

static void need_postgres(char **arguments)
{
    if (getenv("RM_TEST_DATABASE_ADMIN_URL")) return;
    execv("tests/with_postgres.sh", (char *[]){ (char *)"tests/with_postgres.sh", arguments[0], nullptr });
    fprintf(stderr, "run me from the root of the source: tests/with_postgres.sh is not here\n");
    exit(1);
}

/* The URL of an environment variable, with another database in it. */
static void url_of(char *url, size_t size, const char *variable, const char *name)
{
    const char *given = getenv(variable), *place = strstr(given, "/rm_test?");
    ensure(place != nullptr);
    snprintf(url, size, "%.*s/%s%s", (int)(place - given), given, name, place + strlen("/rm_test"));
}

static struct db_admin *open_or_fail(const char *url)
{
    struct db_admin_error error;
    struct db_admin *a = db_admin_open(url, &error);
    if (!a) fail_msg("%s", error.text);
    return a;
}

static void script(struct db_admin *a, const char *sql)
{
    struct db_admin_error error;
    if (!db_admin_script(a, sql, &error)) fail_msg("%s: %s", error.text, sql);
}

/* The first value of the answer, as text; "" when there is none. Valid until the next call but seven. */
[[gnu::format(printf, 2, 3)]] static const char *value(struct db_admin *a, const char *format, ...)
{
    static char kept[8][8192];
    static uint32_t next;
    char sql[4096], *into = kept[next++ % 8];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(sql, sizeof sql, format, arguments);
    va_end(arguments);
    struct db_admin_error error;
    struct db_rows *rows = db_admin_query(a, sql, nullptr, 0, &error);
    if (!rows) fail_msg("%s: %s", error.text, sql);
    struct slice text = db_rows_count(rows) > 0 ? db_rows_text(rows, 0, 0) : slice_of("");
    snprintf(into, sizeof kept[0], SLICE_FORMAT, slice_print(text));
    db_rows_free(rows);
    return into;
}

#define number(...) strtoll(value(__VA_ARGS__), nullptr, 10)

[[maybe_unused]] static void database_create_empty(void)
{
    char name[64], sql[128];
    static uint32_t created;
    snprintf(name, sizeof name, "rm_%d_%u", (int)getpid(), created++);
    struct db_admin *admin = open_or_fail(getenv("RM_TEST_DATABASE_ADMIN_URL"));
    snprintf(sql, sizeof sql, "CREATE DATABASE %s OWNER rm_owner", name);
    script(admin, sql);
    db_admin_close(admin);
    url_of(database.admin_url, sizeof database.admin_url, "RM_TEST_DATABASE_ADMIN_URL", name);
    url_of(database.owner_url, sizeof database.owner_url, "RM_TEST_DATABASE_OWNER_URL", name);
    url_of(database.runtime_url, sizeof database.runtime_url, "RM_TEST_DATABASE_URL", name);
    database.owner = open_or_fail(database.owner_url);
}

static void migrate_or_fail(void)
{
    struct db_admin_error error;
    if (!db_migrate(database.owner, "rm_runtime", nullptr, nullptr, &error)) fail_msg("%s", error.text);
}

[[maybe_unused]] static void database_create(void)
{
    static const char *const keys[] = { "fri", "prx" };
    database_create_empty();
    migrate_or_fail();
    database.workspace = number(database.owner, "INSERT INTO workspaces (key, name, token, is_default) VALUES ('w', 'W', 'wt_1', true) RETURNING id");
    for (uint32_t n = 0; n < 2; n++) {
        database.companies[n] = number(database.owner, "INSERT INTO companies (key, name, time_zone) VALUES ('%s', '%s', 'Europe/Berlin') RETURNING id", keys[n], keys[n]);
        database.branches[n] = number(database.owner, "INSERT INTO branches (company_id, key, name, time_zone) VALUES (%lld, 'b', 'B', 'Europe/Berlin') RETURNING id",
                                      (long long)database.companies[n]);
    }
}

[[maybe_unused]] static int open_database(void **) { database_create(); return 0; }
[[maybe_unused]] static int close_database(void **) { db_admin_close(database.owner); return 0; }
