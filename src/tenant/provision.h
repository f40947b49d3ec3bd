#pragma once
/* tenant/provision.h: makes tenants from one declarative file (docs/WORLD_FILE.md): companies, branches, numbers, workspaces, staff, services, customers.
 * The same file describes to ringsim what its Cal.com holds, so one file is a whole world. Idempotent: what is equal is left alone.
 * Blocking; a command, not for shards. */
#include "base/buffer.h"
#include "base/hmac.h"
#include "base/json.h"
#include "db/admin.h"

struct provision_report { uint32_t added, changed, unchanged; };
/* line: one change in words ("company fri: added", "branch fri/berlin: time_zone Europe/Berlin → Europe/Vienna"); never a secret or a customer's data. */
typedef void provision_line(void *context, const char *line);

/* Checks the whole file first: errors name the path in it ("companies[0].branches[1].time_zone: no such zone"), a line each. dry_run: says what would
 * change, changes nothing. One transaction: false means that nothing has changed, also what was said before the error. As the owner of the schema. */
[[nodiscard]] bool provision(struct db_admin *a, const struct json_value *world, const struct secret_key *secret, bool dry_run, provision_line *line, void *context,
                             struct provision_report *report, struct buffer *error);
