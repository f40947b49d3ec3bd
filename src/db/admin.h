#pragma once
/* db/admin.h: one blocking connection for commands (migrate, provision, doctor, operator commands), never in the serving process's shards. */
#include <stdbool.h>
#include <stdint.h>
#include "base/slice.h"

struct db_admin; /* opaque */
/* may_pass: no answer to what was asked: the connection was not to be had or broke, the server starts, stops or is short of something. Ask again later. */
struct db_admin_error { char text[1024]; char sqlstate[6]; bool may_pass; };

[[nodiscard]] struct db_admin *db_admin_open(const char *url, struct db_admin_error *error); /* nullptr: *error says why, without the password. Waits 5 s for each address at most */
void db_admin_close(struct db_admin *a);
/* The role that a connection URL names. false: it names none. */
[[nodiscard]] bool db_user_of(const char *url, char *user, size_t room);

struct db_rows; /* opaque result */
/* $1… from texts (nullptr start: NULL). nullptr: *error. Released by db_rows_free. */
[[nodiscard]] struct db_rows *db_admin_query(struct db_admin *a, const char *sql, const struct slice *parameters, uint32_t count, struct db_admin_error *error);
[[nodiscard]] bool db_admin_execute(struct db_admin *a, const char *sql, const struct slice *parameters, uint32_t count, struct db_admin_error *error);
[[nodiscard]] bool db_admin_script(struct db_admin *a, const char *sql, struct db_admin_error *error); /* several statements, no parameters */
[[nodiscard]] uint32_t db_rows_count(const struct db_rows *r);
[[nodiscard]] uint32_t db_rows_columns(const struct db_rows *r);
[[nodiscard]] const char *db_rows_column_name(const struct db_rows *r, uint32_t column);
[[nodiscard]] struct slice db_rows_text(const struct db_rows *r, uint32_t row, uint32_t column); /* NULL: absent */
void db_rows_free(struct db_rows *r);

/* deploy/migrations/NNNN_name.sql, compiled in: applied in order, each in its transaction, each once (table schema_migrations with checksums).
 * The runtime role `runtime_role` gets what it needs and no more. `applied` is called for each. */
[[nodiscard]] bool db_migrate(struct db_admin *a, const char *runtime_role, void (*applied)(void *context, const char *name), void *context, struct db_admin_error *error);
[[nodiscard]] bool db_schema_is_current(struct db_admin *a, struct db_admin_error *error); /* false: *error says which migration is missing */

/* What doctor and serve must know of the runtime role: it must not be superuser, owner, BYPASSRLS, nor able to become one; every table with rows of
 * tenants must have row-level security enabled and forced; and without a tenant every table must show nothing. false: *error names the first breach. */
[[nodiscard]] bool db_role_is_confined(struct db_admin *a, struct db_admin_error *error);
