#include "db/sqlstate.h"

static bool is_one_of(const char *sqlstate, const char *const *list)
{
    for (; *list; list++) {
        if (strncmp(sqlstate, *list, strlen(*list)) == 0) return true;
    }
    return false;
}

/* Two letters name a class, five one condition (PostgreSQL manual, appendix A). */
static const char *const conflicts[] = { "23505", "23P01", nullptr };
/* Rolled back, lock not to be had, cancelled by statement_timeout, no disk or memory just now, a file system in trouble. */
static const char *const passing[] = { "40", "55P03", "57014", "53", "58", nullptr };
/* A prepared statement that a migration or a pooler took away, or whose result type it changed. */
static const char *const stale[] = { "26000", "0A000", nullptr };
/* The server or this backend ends, or has become a standby. Whether the unit took effect is not said. */
static const char *const ending[] = { "08", "57P", "25006", nullptr };

struct sqlstate_meaning sqlstate_meaning(const char *sqlstate)
{
    if (!sqlstate || is_one_of(sqlstate, ending)) return (struct sqlstate_meaning){ DB_UNAVAILABLE, true };
    if (is_one_of(sqlstate, stale))               return (struct sqlstate_meaning){ DB_TRY_AGAIN, true };
    if (is_one_of(sqlstate, conflicts))           return (struct sqlstate_meaning){ DB_CONFLICT, false };
    if (is_one_of(sqlstate, passing))             return (struct sqlstate_meaning){ DB_TRY_AGAIN, false };
    return (struct sqlstate_meaning){ DB_REJECTED, false };
}
