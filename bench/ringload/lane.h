#pragma once
/* One shard's part of the load: its calls of the plan (every threads-th), its connections, its figures.
 *
 * Open loop: each event is due at an instant that was fixed before the run; its latency counts from that instant, whatever kept it: the generator, a
 * connection, the engine. What gets no 2xx is sent again up to three times, as Retell does.
 *
 *     due → (waits for a connection) → sent → 2xx: acknowledged
 *                                           └ else: again after 1, 2, 4 s; after the fourth try: given up
 *
 * Closed loop: so many connections, each sends the next event as soon as the last one is answered. For throughput; its latencies are those of
 * a client that waits, and say nothing about an arrival rate.
 */
#include <netinet/in.h>
#include "base/histogram.h"
#include "base/metrics.h"
#include "base/pool.h"
#include "bodies.h"
#include "metronome.h"
#include "plan.h"
#include "wire.h"

enum { LANES_MAX = 16 };

struct lane_counters {
    struct counter sent, acknowledged, given_up, retried, overrun;     /* overrun: the generator had no room for an event: the run is void */
    struct counter refused_4xx, refused_5xx, other_status, timed_out, broken, unreached, connects;
    struct gauge   open;                                                /* events due and not settled */
};

struct lane {
    struct shard              *shard;
    uint32_t                   index, count;      /* of lanes */
    struct load_plan          *plan;
    const struct load_bodies  *bodies;
    struct sockaddr_in         engine;
    const char                *host, *path;
    struct pool                deliveries, wires;
    struct list                waiting, idle;     /* deliveries without a connection; connections without a delivery */
    uint32_t                   wires_open, wires_connecting, wires_max;
    uint64_t                   next_call[SCRIPT_EVENTS];
    struct metronome           metronome;
    uint64_t                   began_at_us, counts_from_us, ends_at_us;
    int64_t                    began_at_ms;       /* wall */
    bool                       finishing;
    _Atomic bool               finished;
    struct histogram           latency_us[SCRIPT_EVENTS]; /* due → acknowledged */
    struct histogram           wire_us;                 /* sent → answered, each try */
    struct histogram           late_us;                 /* due → sent, first try: what the generator and its connections cost */
    struct lane_counters       counters;
};

/* In the shard's start. begins_at_us: the same for all lanes. */
void lane_begin(struct lane *l, struct shard *s, uint64_t begins_at_us);
void lane_end(struct lane *l); /* in finish */
