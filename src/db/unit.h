#pragma once
/* db/unit.h: inside db/: a unit of work as libpq takes it. */
#include <postgresql/libpq-fe.h>
#include "db/db.h"

/* Every parameter and result travels in PostgreSQL's binary format: an integer is eight bytes, and a text is its bytes, so nothing is copied,
 * quoted or terminated on the way. */
enum { DB_BINARY = 1 };

void unit_check(const struct db_unit *u); /* every call as statements.h has it; stops the process otherwise */
[[nodiscard]] bool unit_prepare_all(PGconn *pg, uint32_t *result_count); /* into the pipeline, with the tenant's own statement */
[[nodiscard]] bool unit_send(PGconn *pg, const struct db_unit *u);       /* tenant first, then the calls; without the sync */
