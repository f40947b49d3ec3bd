#pragma once
/* retell/arguments.h: what agents call things. Prompts are written by many hands, in two languages, over years; every name that was seen for one
 * meaning stands in one table, in order of preference. Pure. */
#include <stdint.h>
#include "base/slice.h"

enum argument : uint8_t {
    ARGUMENT_CONFIRMED,      /* the caller said yes to the booking */
    ARGUMENT_DATE,
    ARGUMENT_TIME,
    ARGUMENT_DATE_AND_TIME,  /* both in one text */
    ARGUMENT_NAME,
    ARGUMENT_SERVICE,
    ARGUMENT_STAFF,
    ARGUMENT_EMAIL,
    ARGUMENT_PHONE,
    ARGUMENT_OLD_DATE,       /* of the appointment that is to be moved: never the date to book */
    ARGUMENT_MOVE_CONFIRMED, /* the caller said yes to a move: never a yes to a booking */
    ARGUMENT_REASON,
    ARGUMENT_NOTES,
    ARGUMENT_PREFERENCES,
    ARGUMENT_DURATION,
    ARGUMENT_COUNT,
};

struct argument_match { bool found; enum argument argument; uint32_t rank; /* of two names for one argument the lower rank counts */ };
/* Case and leading underscores do not matter: analysis fields come as "_datum__termin". */
[[nodiscard]] struct argument_match argument_find(struct slice name);
