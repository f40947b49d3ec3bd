/* db/migrate.c: brings the schema to where this program needs it. The migrations are in the binary, in order; what was applied is in the table
 * schema_migrations with its checksum, so a file that was edited afterwards is noticed. Two of these at once: the second waits, and finds nothing to do.
 */
#include "base/ensure.h"
#include "base/hmac.h"
#include "db/admin.h"

static const char tenants_sql[] = {
#embed "../../deploy/migrations/0001_tenants.sql"
    , 0 };
static const char calls_sql[] = {
#embed "../../deploy/migrations/0002_calls.sql"
    , 0 };
static const char bookings_sql[] = {
#embed "../../deploy/migrations/0003_bookings.sql"
    , 0 };
static const char rights_sql[] = {
#embed "../../deploy/migrations/rights.sql"
    , 0 };

static const struct migration { const char *name, *sql; } migrations[] = {
    { "0001_tenants", tenants_sql },
    { "0002_calls", calls_sql },
    { "0003_bookings", bookings_sql },
};
constexpr uint32_t migration_count = sizeof migrations / sizeof migrations[0];

struct checksum { char text[65]; };

static struct checksum checksum_of(const struct migration *m)
{
    struct checksum c = {};
    struct hmac_digest digest = sha256_of(slice_from_text(m->sql));
    struct buffer b = buffer_over(c.text, sizeof c.text - 1);
    hex_print(&b, digest.bytes, sizeof digest.bytes);
    return c;
}

[[gnu::format(printf, 2, 3)]] static bool refuse(struct db_admin_error *error, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(error->text, sizeof error->text, format, arguments);
    va_end(arguments);
    error->sqlstate[0] = 0;
    error->may_pass = false;
    return false;
}

/* The applied ones must be the first of ours, byte for byte. */
static bool compare(const struct db_rows *rows, struct db_admin_error *error)
{
    for (uint32_t row = 0; row < db_rows_count(rows); row++) {
        struct slice name = db_rows_text(rows, row, 0);
        if (row >= migration_count || !slice_equal(name, slice_from_text(migrations[row].name))) {
            return refuse(error, "the database has migration " SLICE_FORMAT ", which this program does not know: it belongs to another version", slice_print(name));
        }
        if (!slice_equal(db_rows_text(rows, row, 1), slice_from_text(checksum_of(&migrations[row]).text))) {
            return refuse(error, "migration %s was changed after it had been applied: restore the file, and put the change into a new one", migrations[row].name);
        }
    }
    return true;
}

/* How many are applied; false: *error. */
static bool count_applied(struct db_admin *a, uint32_t *count, struct db_admin_error *error)
{
    struct db_rows *rows = db_admin_query(a, "SELECT name, checksum FROM schema_migrations ORDER BY name", nullptr, 0, error);
    if (!rows) return false;
    *count = db_rows_count(rows);
    bool comparable = compare(rows, error);
    db_rows_free(rows);
    return comparable;
}

/* Ends a transaction: commits if all went well, and otherwise undoes it without touching *error. */
static bool finish_transaction(struct db_admin *a, bool well, struct db_admin_error *error)
{
    struct db_admin_error ignored;
    if (well) return db_admin_script(a, "COMMIT", error);
    (void)db_admin_script(a, "ROLLBACK", &ignored);
    return false;
}

static bool apply(struct db_admin *a, const struct migration *m, struct db_admin_error *error)
{
    const struct checksum checksum = checksum_of(m);
    const struct slice parameters[] = { slice_from_text(m->name), slice_from_text(checksum.text) };
    bool well = db_admin_script(a, "BEGIN", error) && db_admin_script(a, m->sql, error)
             && db_admin_execute(a, "INSERT INTO schema_migrations (name, checksum, applied_at) VALUES ($1, $2, now())", parameters, 2, error);
    if (!well) {
        struct db_admin_error cause = *error;
        refuse(error, "migration %s: %.900s", m->name, cause.text);
        memcpy(error->sqlstate, cause.sqlstate, sizeof error->sqlstate);
    }
    return finish_transaction(a, well, error);
}

static bool grant_rights(struct db_admin *a, struct slice runtime_role, struct db_admin_error *error)
{
    bool well = db_admin_script(a, "BEGIN", error)
             && db_admin_execute(a, "SELECT set_config('ringmaster.runtime_role', $1, true)", &runtime_role, 1, error)
             && db_admin_script(a, rights_sql, error);
    return finish_transaction(a, well, error);
}

static bool runtime_role_is_usable(struct db_admin *a, struct slice runtime_role, struct db_admin_error *error)
{
    struct db_rows *rows = db_admin_query(a, "SELECT rolname = current_user FROM pg_roles WHERE rolname = $1", &runtime_role, 1, error);
    if (!rows) return false;
    bool exists = db_rows_count(rows) == 1;
    bool is_owner = exists && slice_equal(db_rows_text(rows, 0, 0), slice_of("t"));
    db_rows_free(rows);
    if (!exists) {
        return refuse(error, "there is no role " SLICE_FORMAT " to serve with: CREATE ROLE " SLICE_FORMAT " LOGIN PASSWORD '…'", slice_print(runtime_role), slice_print(runtime_role));
    }
    if (is_owner) return refuse(error, SLICE_FORMAT " cannot both own the tables and serve: tenants would be separated by nothing", slice_print(runtime_role));
    return true;
}

static bool apply_missing(struct db_admin *a, void (*applied)(void *, const char *), void *context, struct db_admin_error *error)
{
    uint32_t count;
    if (!count_applied(a, &count, error)) return false;
    for (const struct migration *m = migrations + count; m < migrations + migration_count; m++) {
        if (!apply(a, m, error)) return false;
        if (applied) applied(context, m->name);
    }
    return true;
}

bool db_migrate(struct db_admin *a, const char *runtime_role, void (*applied)(void *context, const char *name), void *context, struct db_admin_error *error)
{
    const struct slice role = slice_from_text(runtime_role);
    /* One lock for all migrations of one database; the number is arbitrary ("ringmast" in ASCII) and must never change. */
    bool well = runtime_role_is_usable(a, role, error) && db_admin_script(a, "SELECT pg_advisory_lock(x'72696e676d617374'::bigint)", error);
    if (!well) return false;
    well = db_admin_script(a, "CREATE TABLE IF NOT EXISTS schema_migrations (name text PRIMARY KEY, checksum text NOT NULL, applied_at timestamptz NOT NULL)", error)
        && apply_missing(a, applied, context, error) && grant_rights(a, role, error);
    struct db_admin_error ignored;
    (void)db_admin_script(a, "SELECT pg_advisory_unlock(x'72696e676d617374'::bigint)", &ignored);
    return well;
}

bool db_schema_is_current(struct db_admin *a, struct db_admin_error *error)
{
    uint32_t count;
    if (!count_applied(a, &count, error)) {
        if (strcmp(error->sqlstate, "42P01") == 0) return refuse(error, "the database is empty: migration %s is missing (ringmaster migrate)", migrations[0].name);
        return false;
    }
    if (count == migration_count) return true;
    return refuse(error, "migration %s is missing (ringmaster migrate)", migrations[count].name);
}
