#pragma once
/* call/filing.h: one letter on its way into PostgreSQL, as call.c (who owns the calls) and filing.c (the flow) see it. Nobody else includes this. */
#include "call/after_call.h"
#include "call/booking_request.h"
#include "call/call.h"

#define FILING_STEPS(X) X(START) X(ANALYSIS_GIVEN_UP) X(CALL_CLOSED) X(ROOM_FOUND) X(FILED) X(MEMORY_FOUND) X(INTENT_WRITTEN) X(OPERATION_REFUSED) X(KEPT)
#define FILING_ENUMERATOR(name) FILING_##name,
enum filing_step : uint8_t { FILING_STEPS(FILING_ENUMERATOR) };

constexpr uint32_t filing_magic = 0xf111a600;

struct filing {                     /* in the desk's pool while a letter, or the closing of a call, is being filed */
    uint32_t           magic;
    enum filing_step   step;
    struct call_desk  *desk;
    struct call       *call;
    struct call_mail  *mail;        /* nullptr: time is up for the call */
    struct list_node   node;        /* of the desk's running list */
    struct task        task;
    struct timer       timer;
    bool               waiting;
    bool               kept;        /* put into the webhook log, not filed under a call */
    bool               is_closed;   /* the call is over, as PostgreSQL knows it */
    bool               leave;       /* the letter is not settled: the process ends, or PostgreSQL takes it in no form. The journal keeps it */

    struct slice       facts;       /* of the letter: in short_facts, or in room */
    char              *room;        /* heap; room_bytes. nullptr: the facts are short */
    size_t             room_bytes;
    struct e164        caller, called;
    size_t             booking_facts_bytes; /* 0: nothing to book from */
    uint32_t           choice;      /* of staff: 0 first */
    uint32_t           tries;       /* to decide, for which there was no memory */
    struct after_call  decision;    /* its pointers: within a turn only */
    const char        *reason;      /* of a refusal: static text */
    struct steady_unit steady;      /* from its unit's calls on, nothing is zeroed: see start_filing() */
    union {
        char           short_facts[4096];   /* of the letter, until FILE_CALL_EVENT has answered */
        char           booking_facts[4096]; /* then: of the merged call, as it answered */
    };
    struct booking_request request;
};

enum flow_status filing_run(struct filing *f);
void filing_give_room_back(struct filing *f);

/* Calls of an earlier life, read page by page; the next one begins behind (seen_at_us, call). */
struct restoring {
    struct steady_unit unit;
    struct timer       timer;       /* of the next round */
    enum db_statement  statement;   /* first DB_OPEN_CALLS, then DB_UNDECIDED_CALLS */
    int64_t            seen_at_us, call;
};

struct call_desk {
    uint32_t                magic;
    struct call_desk_config config;
    struct shard           *shard;
    struct pool             calls, filings;
    struct hash_map         by_key;
    struct list             waiting; /* calls with mail and no filing */
    struct list             running; /* filings */
    struct heap             heap;
    struct zones            zones;
    struct restoring        restoring;
    bool                    draining;
    struct call_desk_counters counters;
};

/* The happening that a letter means for its call. */
[[nodiscard]] enum call_happening filing_happening(const struct retell_event *e);
