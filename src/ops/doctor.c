/* ops/doctor.c: proves what can be proven about a deployment, and names what is missing, tenant by tenant. Changes nothing. */
#include <inttypes.h>
#include "base/clock.h"
#include "base/ensure.h"
#include "base/hmac.h"
#include "db/admin.h"
#include "ops/calcom_probe.h"
#include "ops/command_line.h"
#include "ops/commands.h"
#include "ops/findings.h"
#include "tenant/tenant.h"

static void check(struct findings *f, const char *what, bool good, const struct db_admin_error *why)
{
    if (good) findings_pass(f, what);
    else findings_add(f, FINDING_FAULT, what, "%s", why->text);
}

/* -- the tenants -- */

static void say_gap(void *context, int64_t company_id, struct slice subject, const char *gap)
{
    (void)company_id;
    char what[FINDING_BYTES_MAX];
    snprintf(what, sizeof what, SLICE_FORMAT, slice_print(subject));
    findings_add(context, FINDING_FAULT, what, "%s", gap);
}

static struct tenant_snapshot *read_tenants(struct findings *f, const struct config *c, struct db_admin *a)
{
    struct db_admin_error error;
    struct tenant_error why;
    struct secret_key key;
    if (!command_secret_key(c, &key)) return findings_add(f, FINDING_FAULT, "secret key", "it cannot be read, so no API key can be opened"), nullptr;
    struct db_rows *rows = db_admin_query(a, "SELECT tenant_snapshot()", nullptr, 0, &error);
    if (!rows) return findings_add(f, FINDING_FAULT, "tenants", "%s", error.text), nullptr;
    struct tenant_snapshot *t = tenant_snapshot_parse(db_rows_text(rows, 0, 0), &key, slice_from_text(c->calcom_url), &why);
    db_rows_free(rows);
    if (!t) findings_add(f, FINDING_FAULT, "tenants", "%s", why.text);
    return t;
}

static void check_tenants(struct findings *f, const struct config *c, struct db_admin *a, bool offline)
{
    struct tenant_snapshot *t = read_tenants(f, c, a);
    if (!t) return;
    findings_pass(f, "the tenants can be read, and every sealed key opens");
    uint32_t before = f->counts[FINDING_FAULT];
    tenant_find_gaps(t, say_gap, f);
    if (f->counts[FINDING_FAULT] == before) findings_pass(f, "every branch, service and workspace is complete");
    if (!offline) calcom_probe(c, t, f);
    tenant_snapshot_free(t);
}

/* -- what is left undone, over all tenants: the owner's to see -- */

static const struct { const char *sql, *none, *some, *how; } undone[] = {
    { "SELECT count(*) FROM jobs WHERE kind = 'callback' AND state <> 'done' AND $1::bigint IS NOT NULL",
      "no caller waits to be called back", "callbacks are open", "ringmaster jobs list --kind callback" },
    { "SELECT count(*) FROM booking_intents WHERE state = 'unknown' AND updated_at < instant_of($1::bigint) - interval '60 seconds'",
      "no booking's outcome has been unknown for a minute", "bookings have been unknown for more than a minute", "ringmaster jobs list --kind reconcile" },
    { "SELECT count(*) FROM webhook_log WHERE outcome = 'unrouted' AND received_at > instant_of($1::bigint) - interval '24 hours'",
      "every webhook of the last 24 hours found its tenant", "webhooks of the last 24 hours found no tenant", "ringmaster webhooks list --outcome unrouted" },
    { "SELECT count(*) FROM webhook_log WHERE outcome = 'quarantined' AND received_at > instant_of($1::bigint) - interval '24 hours'",
      "every webhook of the last 24 hours was understood", "webhooks of the last 24 hours were not understood", "ringmaster webhooks list --outcome quarantined" },
};
enum { UNDONE = sizeof undone / sizeof undone[0] };

static void count_undone(struct findings *f, struct db_admin *a)
{
    char memory[32];
    struct buffer now = buffer_over(memory, sizeof memory);
    buffer_print(&now, "%" PRId64, clock_wall_us());
    for (size_t n = 0; n < UNDONE; n++) {
        struct db_admin_error error;
        struct db_rows *rows = db_admin_query(a, undone[n].sql, (struct slice[]){ buffer_slice(&now) }, 1, &error);
        uint64_t count = 0;
        if (rows) ensure(slice_to_u64(db_rows_text(rows, 0, 0), UINT64_MAX, &count));
        if (!rows) findings_add(f, FINDING_FAULT, undone[n].some, "%s", error.text);
        else if (count == 0) findings_pass(f, undone[n].none);
        else findings_add(f, FINDING_NOTE, undone[n].some, "%" PRIu64 " (%s)", count, undone[n].how);
        if (rows) db_rows_free(rows);
    }
}

static void look_at_undone(struct findings *f, const struct config *c)
{
    struct db_admin_error error;
    if (!*c->database_owner_url) return findings_add(f, FINDING_NOTE, "callbacks, unknown bookings and lost webhooks", "not counted: database_owner_url is not set");
    struct db_admin *a = db_admin_open(c->database_owner_url, &error);
    check(f, "PostgreSQL answers the owner role", a != nullptr, &error);
    if (!a) return;
    count_undone(f, a);
    db_admin_close(a);
}

int command_doctor(const struct config *c, int count, char **arguments)
{
    struct findings f;
    struct db_admin_error error;
    bool json = take_flag(&count, arguments, "--json"), offline = take_flag(&count, arguments, "--offline");
    if (count > 0) return command_misused("doctor [--offline] [--json]");
    if (!command_start_clock(c, "doctor")) return 1;
    findings_begin(&f, stdout, json);
    struct db_admin *a = db_admin_open(c->database_url, &error);
    check(&f, "PostgreSQL answers the runtime role", a != nullptr, &error);
    if (a) {
        bool current = db_schema_is_current(a, &error);
        check(&f, "the schema is this version's", current, &error);
        check(&f, "the runtime role cannot pass row-level security", db_role_is_confined(a, &error), &error);
        if (current) check_tenants(&f, c, a, offline);
        if (current) look_at_undone(&f, c);
        db_admin_close(a);
    }
    findings_end(&f);
    return f.counts[FINDING_FAULT] ? 1 : 0;
}
