/* tests/simulation/database/admin.c: in the place of src/db/{admin,migrate,confinement}.c: what the engine's gate asks before it lets tenants in. The database of a world is migrated, and its role is
 * confined; it is there or it is not. Commands, which write SQL of their own, are not run in worlds. */
#include "db/admin.h"
#include "base/ensure.h"
#include "session.h"

struct db_admin { uint32_t magic; };
constexpr uint32_t admin_magic = 0x61646d6e;

/* It blocks: others go first. */
static bool is_there(double failures, struct db_admin_error *error)
{
    fiber_yield();
    if (!database_is_down() && !dice_happens(DIE_DATABASE, failures) && !seam_fails(SEAM_DATABASE_UNIT)) return true;
    *error = (struct db_admin_error){ .text = "could not connect, or the server closed the connection", .may_pass = true };
    return false;
}

struct db_admin *db_admin_open(const char *, struct db_admin_error *error)
{
    seam_cross("db_admin_open");
    if (!is_there(database.climate.refuse_per_connect, error)) return nullptr;
    struct db_admin *a = process_memory(sizeof *a);
    a->magic = admin_magic;
    return a;
}

void db_admin_close(struct db_admin *a)
{
    if (!a) return;
    ensure_magic(a, admin_magic);
    process_memory_free(a);
}

/* As any question of the gate, these find the database there or gone. */
bool db_schema_is_current(struct db_admin *a, struct db_admin_error *error)
{
    seam_cross("db_schema_is_current");
    ensure_magic(a, admin_magic);
    return is_there(database.climate.die_before_per_unit, error);
}

bool db_role_is_confined(struct db_admin *a, struct db_admin_error *error)
{
    seam_cross("db_role_is_confined");
    ensure_magic(a, admin_magic);
    return is_there(database.climate.die_before_per_unit, error);
}

/* -- of commands -- */

static void no_command_runs_here(void) { ensure(!"a command's SQL, in a world"); }

struct db_rows *db_admin_query(struct db_admin *, const char *, const struct slice *, uint32_t, struct db_admin_error *) { return no_command_runs_here(), nullptr; }
bool db_admin_execute(struct db_admin *, const char *, const struct slice *, uint32_t, struct db_admin_error *) { return no_command_runs_here(), false; }
bool db_admin_script(struct db_admin *, const char *, struct db_admin_error *) { return no_command_runs_here(), false; }
bool db_migrate(struct db_admin *, const char *, void (*)(void *context, const char *name), void *, struct db_admin_error *) { return no_command_runs_here(), false; }
uint32_t db_rows_count(const struct db_rows *) { return no_command_runs_here(), 0; }
uint32_t db_rows_columns(const struct db_rows *) { return no_command_runs_here(), 0; }
const char *db_rows_column_name(const struct db_rows *, uint32_t) { return no_command_runs_here(), nullptr; }
struct slice db_rows_text(const struct db_rows *, uint32_t, uint32_t) { return no_command_runs_here(), slice_absent; }
void db_rows_free(struct db_rows *) { no_command_runs_here(); }
