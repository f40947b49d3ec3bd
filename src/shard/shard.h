#pragma once
/* shard/shard.h: one pinned thread with one ring, and the loop that everything in the engine runs in.
 *
 *     reap completions → take the inbox → run what is ready → fire timers → flush (journal, databases, wakes) → sleep
 *
 * Every stage is bounded: it runs what was there when it began, at most a batch. What is left, or was added meanwhile, comes next turn,
 * and a shard with anything left does not sleep.
 *
 * A shard shares nothing mutable. What it owns is embedded in structs that live on it, and dies on it. Shards talk by envelopes
 * (envelope.h). Blocking calls are forbidden on a shard: whatever waits is an operation (io.h), a timer, or an envelope.
 */
#include <stdatomic.h>
#include <stdint.h>
#include "base/hash_map.h"
#include "base/histogram.h"
#include "base/list.h"
#include "base/metrics.h"
#include "io/io.h"
#include "io/thread.h"
#include "io/timer_wheel.h"
#include "shard/envelope.h"
#include "shard/inbox.h"

struct shard;
struct shard_group;

/* Work for later in this turn or the next: an actor with mail, a flow whose wait is over. Embedded in its owner. */
struct task { struct list_node node; void (*run)(struct task *t); };

/* Called once at the end of every turn in which anything ran, in order of registration: one journal write, one flush per database
 * connection, whatever the turn has gathered. */
struct flush_hook { struct flush_hook *next; void (*flush)(struct flush_hook *h); };

struct shard_config {
    struct io_config io;
    bool  pin;                                    /* thread i to the i-th CPU we may use */
    bool (*start)(struct shard *s, void *context); /* on the shard's own thread, before its first turn; false: give up */
    void (*stop)(struct shard *s);                 /* on the shard's own thread, when shard_group_stop() arrives: begin to drain, release holds; may be null */
    void (*finish)(struct shard *s);               /* after the last turn, when `start` had succeeded: deinit; may be null */
    void *context;
};

struct shard {
    uint32_t            magic;
    uint16_t            index;      /* 0 … group->count - 1 */
    struct shard_group *group;
    struct shard_config config;
    struct io          *io;
    struct timer_wheel  timers;
    uint64_t            now_us;     /* monotonic, read once per turn, after the sleep */
    int64_t             wall_us;    /* UTC, read in the same moment */
    struct list         ready;      /* of struct task */
    struct flush_hook  *first_flush, *last_flush;
    void               *resident;   /* what main placed here: the engine, the simulator, the load generator */
    void               *webhooks, *bookings; /* what upper layers placed here, for their envelopes that arrive: each knows its own */
    bool                stopping;   /* shard_group_stop() has arrived: the loop ends once nothing holds any shard */
    bool                signed_off; /* this shard is ready to end (see is_over() in shard.c) */
    uint32_t            holds;      /* reasons not to end yet: see shard_hold() */
    struct inbox        inbox;
    struct envelope    *arrived_first, *arrived_last; /* taken from the inbox or sent to ourselves, not handled yet */
    struct envelope     stop_letter;                  /* shard_group_stop()'s: the one envelope that no shard sends */
    uint64_t            wake_targets;             /* bit per shard that must be woken at the end of this turn */
    struct io_op        wake_poll;
    int                 doorbell;
    struct thread       thread;
    struct histogram    turn_us;    /* how long a turn ran, without the sleep */
    struct counter      envelopes_sent, wakes_sent, turns, sleeps;
};

enum shard_gate : uint8_t { SHARD_GATE_CLOSED, SHARD_GATE_OPEN, SHARD_GATE_ABANDONED };

enum { SHARD_COUNT_MAX = 64 };
static_assert(SHARD_COUNT_MAX <= 64); /* wake_targets has a bit for each */
struct shard_group {
    uint16_t          count;
    struct shard     *shards[SHARD_COUNT_MAX];
    _Atomic(uint32_t) awake;         /* shards that have not signed off; 0: all end */
    _Atomic(uint32_t) outsiders;     /* other threads that are sending to a shard at this moment */
    atomic_bool       stop_was_asked;

    /* The start: every shard reports, then all are let through, or none. */
    struct monitor     gate_monitor;
    enum shard_gate    gate;
    uint16_t           reported, refused;
    struct io_refusal *refusal;      /* of the first that refused */
};

/* Starts `count` threads and returns when all have started. false: *refusal says why (the first failure), nothing runs. */
[[nodiscard]] bool shard_group_start(struct shard_group *g, uint16_t count, const struct shard_config *config, struct io_refusal *refusal);
/* Any thread, but not from a signal handler: every shard's stop is called. All loops end together, once no shard is held and no envelope
 * travels. A second call does nothing. */
void shard_group_stop(struct shard_group *g);
void shard_group_join(struct shard_group *g); /* waits for the end of all, then frees them */

/* The shard of this thread; stops the process when there is none. */
[[nodiscard]] struct shard *shard_here(void);
#define ensure_on(shard) ensure((shard) == shard_here())

void shard_make_ready(struct shard *s, struct task *t);        /* already ready: nothing happens */
void shard_forget_task(struct shard *s, struct task *t);       /* ready or not: it will not run */
void shard_add_flush(struct shard *s, struct flush_hook *h);   /* during start */
/* A reason not to end: a connection, a write under way. Counted; every hold is released exactly once. Whatever has an operation
 * submitted holds its shard: `finish` finds the ring empty. An envelope of ours that travels is a hold by itself. */
void shard_hold(struct shard *s);
void shard_release(struct shard *s);

/* The home of a key among `count` shards. Stable: the same on every machine and in every run (journal replay depends on it only
 * for balance, not for correctness). */
[[nodiscard]] uint16_t shard_home_of(const struct shard_group *g, struct hash128 key);
