/* ops/doctor.c: proves what can be proven about a deployment, and names what is missing, tenant by tenant. Changes nothing. */
#include <stdlib.h>
#include <string.h>
#include "base/hmac.h"
#include "db/admin.h"
#include "ops/commands.h"
#include "tenant/tenant.h"

struct findings { uint32_t passed, failed; };

static void pass(struct findings *f, const char *what)
{
    f->passed += 1;
    printf("ok    %s\n", what);
}

static void fault(struct findings *f, const char *what, const char *why)
{
    f->failed += 1;
    printf("FAIL  %s: %s\n", what, why);
}

static void check(struct findings *f, const char *what, bool good, const struct db_admin_error *why)
{
    if (good) pass(f, what);
    else fault(f, what, why->text);
}

static void say_gap(void *context, int64_t company_id, struct slice subject, const char *gap)
{
    (void)company_id;
    char what[256];
    snprintf(what, sizeof what, SLICE_FORMAT, slice_print(subject));
    fault(context, what, gap);
}

static void check_tenants(struct findings *f, const struct config *c, struct db_admin *a)
{
    struct db_admin_error error;
    struct tenant_error why;
    struct secret_key key;
    if (!command_secret_key(c, &key)) return fault(f, "secret key", "it cannot be read, so no API key can be opened");
    struct db_rows *rows = db_admin_query(a, "SELECT tenant_snapshot()", nullptr, 0, &error);
    if (!rows) return fault(f, "tenants", error.text);
    struct tenant_snapshot *t = tenant_snapshot_parse(db_rows_text(rows, 0, 0), &key, slice_from_text(c->calcom_url), &why);
    db_rows_free(rows);
    if (!t) return fault(f, "tenants", why.text);
    pass(f, "the tenants can be read, and every sealed key opens");
    uint32_t before = f->failed;
    tenant_find_gaps(t, say_gap, f);
    if (f->failed == before) pass(f, "every branch, service and workspace is complete");
    tenant_snapshot_free(t);
}

int command_doctor(const struct config *c, int count, char **arguments)
{
    (void)arguments;
    struct findings f = {};
    struct db_admin_error error;
    if (count > 0) {
        fputs("usage: ringmaster doctor\n", stderr);
        return 2;
    }
    struct db_admin *a = db_admin_open(c->database_url, &error);
    check(&f, "PostgreSQL answers the runtime role", a != nullptr, &error);
    if (a) {
        check(&f, "the schema is this version's", db_schema_is_current(a, &error), &error);
        check(&f, "the runtime role cannot pass row-level security", db_role_is_confined(a, &error), &error);
        check_tenants(&f, c, a);
        db_admin_close(a);
    }
    printf("%u good, %u to be mended\n", f.passed, f.failed);
    return f.failed ? 1 : 0;
}
