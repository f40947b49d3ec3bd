/* Where a URL leads, without a server: names become addresses, everything else stays as it was written. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "db/admin.h"
#include "db/endpoint.h"

static struct endpoint opened(const char *url)
{
    struct endpoint e;
    assert_true(endpoint_open(&e, url));
    return e;
}

static void sockets_and_addresses_need_no_looking_up(void **)
{
    static const struct { const char *url, *hosts, *addresses, *ports; } rows[] = {
        { "postgresql://u@/db?host=/run/postgresql", "/run/postgresql", "", "" },
        { "postgresql://u@127.0.0.1:5432/db", "127.0.0.1", "", "5432" },
        { "postgresql://u@[::1]/db", "::1", "", "" },
        { "host=db.example hostaddr=192.0.2.1 dbname=x", "db.example", "192.0.2.1", "" },
        { "postgresql:///db", "", "", "" },
        { "host=@abstract dbname=x", "@abstract", "", "" },
        { "hostaddr=192.0.2.1,192.0.2.2 port=5433 dbname=x", ",", "192.0.2.1,192.0.2.2", "5433,5433" },
    };
    for (uint32_t n = 0; n < sizeof rows / sizeof rows[0]; n++) {
        struct endpoint e = opened(rows[n].url);
        struct endpoint_route r;
        assert_false(endpoint_has_names(&e));
        endpoint_find_route(&e, 0, &r);
        assert_true(r.found);
        assert_string_equal(r.hosts, rows[n].hosts);
        assert_string_equal(r.addresses, rows[n].addresses);
        assert_string_equal(r.ports, rows[n].ports);
        endpoint_close(&e);
    }
}

/* Whoever keeps silent would otherwise be the first to be asked each time, and the only one. */
static void every_attempt_begins_one_further_and_none_is_left_out(void **)
{
    static const char *const hosts[] = { "/a,192.0.2.1,192.0.2.2", "192.0.2.1,192.0.2.2,/a", "192.0.2.2,/a,192.0.2.1", "/a,192.0.2.1,192.0.2.2" };
    static const char *const ports[] = { "1,20,3", "20,3,1", "3,1,20", "1,20,3" };
    struct endpoint e = opened("host=/a,192.0.2.1,192.0.2.2 port=1,20,3 dbname=x");
    struct endpoint_route r;
    for (uint32_t attempt = 0; attempt < 4; attempt++) {
        endpoint_find_route(&e, attempt, &r);
        assert_string_equal(r.hosts, hosts[attempt]);
        assert_string_equal(r.addresses, ",,");
        assert_string_equal(r.ports, ports[attempt]);
    }
    endpoint_close(&e);
}

/* As many entries in each list, or libpq refuses them. */
static uint32_t entries(const char *list)
{
    uint32_t count = 1;
    for (; *list; list++) count += *list == ',';
    return count;
}

static void a_name_becomes_its_addresses_each_with_its_name_and_port(void **)
{
    struct endpoint e = opened("host=localhost,/tmp,192.0.2.7 port=5433,5434,5435 dbname=db");
    struct endpoint_route r;
    assert_true(endpoint_has_names(&e));
    endpoint_find_route(&e, 0, &r);
    assert_true(r.found);
    assert_true(strncmp(r.hosts, "localhost", 9) == 0);
    assert_true(strncmp(r.ports, "5433", 4) == 0);
    assert_true(strncmp(r.addresses, "127.0.0.1", 9) == 0 || strncmp(r.addresses, "::1", 3) == 0);
    assert_non_null(strstr(r.hosts, ",/tmp,192.0.2.7"));
    assert_non_null(strstr(r.ports, ",5434,5435"));
    assert_int_equal(entries(r.hosts), entries(r.addresses));
    assert_int_equal(entries(r.hosts), entries(r.ports));
    endpoint_close(&e);
}

static void a_name_without_an_address_is_no_route(void **)
{
    struct endpoint e = opened("postgresql://u@name.invalid/db");
    struct endpoint_route r;
    endpoint_find_route(&e, 0, &r);
    assert_false(r.found);
    endpoint_close(&e);
}

/* libpq would be given lists of different lengths, or half a name. */
static void names_that_are_too_long_or_too_many_are_no_route(void **)
{
    char url[40'000] = "host=";
    struct endpoint_route r;
    memset(url + strlen(url), 'x', 300);
    strcat(url, " dbname=db");
    struct endpoint e = opened(url);
    assert_true(endpoint_has_names(&e));
    endpoint_find_route(&e, 0, &r);
    assert_false(r.found);
    endpoint_close(&e);

    strcpy(url, "dbname=db host=localhost");
    for (uint32_t n = 0; n < 2'000; n++) strcat(url, ",192.0.2.7");
    e = opened(url);
    endpoint_find_route(&e, 0, &r);
    assert_false(r.found);
    endpoint_close(&e);
}

static void a_url_may_name_a_role(void **)
{
    char user[8];
    assert_true(db_user_of("postgresql://zoe@/db", user, sizeof user));
    assert_string_equal(user, "zoe");
    assert_true(db_user_of("host=/tmp user=mia dbname=db", user, sizeof user));
    assert_string_equal(user, "mia");
    assert_false(db_user_of("postgresql:///db", user, sizeof user));
    assert_false(db_user_of("postgresql://somebody@/db", user, sizeof user)); /* cut, it would be another role */
    assert_false(db_user_of("this is no URL", user, sizeof user));
}

static void what_is_no_url_is_refused(void **)
{
    struct endpoint e;
    assert_false(endpoint_open(&e, "this is no URL"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sockets_and_addresses_need_no_looking_up),
        cmocka_unit_test(every_attempt_begins_one_further_and_none_is_left_out),
        cmocka_unit_test(a_name_becomes_its_addresses_each_with_its_name_and_port),
        cmocka_unit_test(a_name_without_an_address_is_no_route),
        cmocka_unit_test(names_that_are_too_long_or_too_many_are_no_route),
        cmocka_unit_test(a_url_may_name_a_role),
        cmocka_unit_test(what_is_no_url_is_refused),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
