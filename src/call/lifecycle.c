/* The life of a call as a table: state × happening, every pair filled. Retell sends in order, retries, and arrives in any order: so every pair happens. */
#include "call/call.h"

#define S(name) CALL_##name
static const enum call_state table[][5] = {
    /*                 it started   it ended     was analyzed  something else  time is up                                                      */
    [S(NEW)]      = { S(ONGOING),  S(ENDED),    S(ANALYZED),  S(ONGOING),     S(OVER)     /* admitted, and the letter never became durable */ },
    [S(ONGOING)]  = { S(ONGOING),  S(ENDED),    S(ANALYZED),  S(ONGOING),     S(LOST)     /* the end never came */                            },
    [S(ENDED)]    = { S(ENDED),    S(ENDED),    S(COMPLETE),  S(ENDED),       S(OVER)     /* no analysis: not every agent has one */          },
    [S(ANALYZED)] = { S(ANALYZED), S(COMPLETE), S(ANALYZED),  S(ANALYZED),    S(LOST)     /* analysed, so it is over; the end never came */   },
    [S(COMPLETE)] = { S(COMPLETE), S(COMPLETE), S(COMPLETE),  S(COMPLETE),    S(OVER)                                                         },
    [S(LOST)]     = { S(LOST),     S(ENDED),    S(ANALYZED),  S(LOST),        S(OVER)     /* late webhooks were waited for */                 },
    [S(OVER)]     = { S(ONGOING),  S(ENDED),    S(ANALYZED),  S(OVER),        S(OVER)     /* not forgotten yet: as if it were new */          },
};
#undef S

enum call_state call_next_state(enum call_state s, enum call_happening h)
{
    ensure(s <= CALL_OVER && h <= CALL_TIME_IS_UP);
    return table[s][h];
}

#define CALL_NAME(name) [CALL_##name] = #name,
const char *call_state_name(enum call_state s)
{
    static const char *const names[] = { CALL_STATES(CALL_NAME) };
    ensure(s <= CALL_OVER);
    return names[s];
}
