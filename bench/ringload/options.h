#pragma once
/* What a run is asked to do: ringload's flags, read once, read by everyone. */
#include <stdint.h>
#include "sim/call_script.h"

struct load_options {
    const char *url, *key, *agent, *to; /* to: numbers, comma between */
    uint64_t    calls;                  /* going on at once: a call lasts calls / rate seconds */
    double      rate;                   /* new calls a second */
    double      duration_s;             /* for so long new calls come */
    uint64_t    body_bytes_min, body_bytes_max;
    double      book_share;
    uint64_t    analysis_gap_ms;        /* from ended to analyzed */
    uint64_t    connections;
    uint64_t    threads, seed;
    uint64_t    closed;                 /* connections of a closed loop; 0: open loop */
    double      warmup_s;               /* what is due before is told and not counted */
    bool        spread;                 /* all connections are opened first, and used in turn */
    enum call_event told[SCRIPT_EVENTS];  /* of each call */
    uint32_t    told_count;
    const char *control_url, *world_path, *database_url, *json_path;
    double      settle_s;               /* how long the engine may take to drain */
    bool        verify;
};
