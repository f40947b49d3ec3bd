#pragma once
/* db/sqlstate.h: what PostgreSQL's five letters mean for a unit of work. Pure. */
#include <stdbool.h>
#include "db/db.h"

struct sqlstate_meaning {
    enum db_outcome outcome;
    bool            renew_connection; /* this session cannot go on: it ends, or what it has prepared is stale, or it may not write */
};
[[nodiscard]] struct sqlstate_meaning sqlstate_meaning(const char *sqlstate); /* nullptr: an error without one, which libpq makes itself */
