/* tests/simulation/engine.c: the real engine as a process of the world: what src/main.c does around it, without arguments, signals and a terminal. */
#include "engine.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/hmac.h"
#include "io/thread.h"
#include "process.h"
#include "webhook/door.h"
#include "world.h"

/* One start of the engine. In the world's memory: what asks it to stop outlives it. */
struct life {
    struct config        config;
    struct engine_shared shared;
    struct process      *process;
    struct thread        signals;
    bool                 was_signalled, is_over, serves;
};
static struct life *now, *former; /* former: of an engine that another has taken over from, and that may not know it */

/* -- settings: as few and small as a world needs; the rest are the defaults -- */

enum { ARGUMENTS_MAX = 64, ARGUMENT_BYTES = 128 };
struct arguments { char texts[ARGUMENTS_MAX][ARGUMENT_BYTES]; char *all[ARGUMENTS_MAX]; int count; };

[[gnu::format(printf, 3, 4)]] static void set(struct arguments *a, const char *name, const char *format, ...)
{
    ensure(a->count + 2 <= ARGUMENTS_MAX);
    snprintf(a->texts[a->count], ARGUMENT_BYTES, "--%s", name);
    va_list values;
    va_start(values, format);
    vsnprintf(a->texts[a->count + 1], ARGUMENT_BYTES, format, values);
    va_end(values);
    for (int n = 0; n < 2; n++) a->all[a->count + n] = a->texts[a->count + n];
    a->count += 2;
}

static void settle_config(struct life *l)
{
    struct arguments *a = calloc(1, sizeof *a); /* never freed: the configuration points into it */
    ensure(a != nullptr);
    set(a, "listen", "127.0.0.1:%u", world.engine_port);
    set(a, "shards", "%u", world.shards);
    set(a, "database-url", "postgresql://ringmaster@database/ringmaster");
    set(a, "database-connections", "2");
    set(a, "calcom-url", world.plan.tls ? "https://calcom.simulated:%u/v2" : world.plan.has_names ? "http://calcom.simulated:%u/v2" : "http://127.0.0.1:%u/v2",
        world.calcom_port);
    set(a, "secret-key", "%s", world_secret_text);
    set(a, "journal-directory", "/journal");
    set(a, "journal-segment-mib", "34");
    set(a, "connections", "%u", world.plan.room.connections);
    set(a, "webhook-heap-mib", "16");
    set(a, "breaker-failures", "%u", 2 + (unsigned)(world.plan.seed % 4));
    set(a, "budget-per-minute", "%u", world.plan.budget_per_minute);
    set(a, "log-level", "debug");
    struct config_error error;
    int left = a->count;
    if (!config_read(&l->config, &left, a->all, &error)) world_broken("the simulator's own settings are good", "%s", error.text);
    ensure(left == 0);
    l->config.calls = world.plan.room.calls; /* fewer than an operator may set: then there is no room for some */
    l->config.webhooks_waiting = world.plan.room.webhooks;
}

/* -- its main -- */

[[noreturn]] static void die(const struct io_refusal *refusal)
{
    trace("cannot start: %s", refusal->text);
    process_give_up();
}

/* The engine may also end without a signal: when it refuses its database. */
static void watch_signals(void *life)
{
    struct life *l = life;
    while (!l->was_signalled && !l->is_over) fiber_wait();
    if (l->was_signalled) engine_stop(&l->shared);
}

static void end_signal_watch(struct life *l)
{
    l->is_over = true;
    fiber_ready((struct fiber *)l->signals.handle);
    thread_join(&l->signals);
}

static void run(void *life)
{
    struct life *l = life;
    struct engine_shared *shared = &l->shared;
    struct io_refusal refusal = {};
    if (!engine_recover(shared, &refusal)) die(&refusal);
    shared->worker = worker_start(&shared->group);
    if (!shared->worker || !engine_start(shared, (uint16_t)world.shards, &refusal)) die(&refusal);
    if (!thread_start(&l->signals, "signals", watch_signals, l)) die(&refusal);
    l->serves = true;
    trace("serves, with %u shards", world.shards);
    engine_join(shared);
    end_signal_watch(l);
    worker_stop(shared->worker);
    journal_recovery_close(shared->recovery);
    l->serves = false;
    if (atomic_load(&shared->refused)) world_broken("a confined role is served", "the engine refused its database");
}

void engine_process_start(void)
{
    ensure(world.engine == nullptr || process_is_over(world.engine));
    now = calloc(1, sizeof *now);
    ensure(now != nullptr);
    settle_config(now);
    now->shared.config = &now->config;
    now->shared.version = "simulated";
    now->shared.calcom_tls = world_trust;
    now->shared.server_tls = world.plan.tls ? world_identity : nullptr;
    ensure(secret_key_parse(slice_from_text(world_secret_text), &now->shared.secret) && config_address(now->config.listen, &now->shared.address));
    world.engine_starts += 1;
    world.engine = now->process = process_start("engine", world.disk, run, now);
}

static void signal_life(struct life *l)
{
    if (process_is_over(l->process)) return;
    trace("engine: SIGTERM");
    l->was_signalled = true;
    if (l->serves) fiber_ready((struct fiber *)l->signals.handle);
}

void engine_process_stop(void) { signal_life(now); }

void engine_process_hand_over(struct disk *to)
{
    former = now;
    world.former_engine = world.engine;
    world.engine = nullptr;
    world.disk = to;
    engine_process_start();
}

void engine_process_stop_former(void) { signal_life(former); }

/* -- between its threads -- */

struct inbox_seen { const struct envelope *top; uint64_t turns, stalls; };

static struct inbox_seen see_inbox(struct shard *s)
{
    const struct envelope *top = atomic_load(&s->inbox.top);
    return (struct inbox_seen){ top == INBOX_ASLEEP ? nullptr : top, counter_read(&s->turns), fibers_stalled() };
}

bool engine_process_is_at_work(void) { return engine_process_serves() && !now->was_signalled && now->process->frozen_until_us + 1'000'000 < world_now_us(); }

uint64_t engine_process_answered(uint16_t status)
{
    uint64_t answered = 0;
    for (uint32_t n = 0; n < now->shared.group.count; n++) {
        const struct webhook_counters *c = &webhook_door_of(now->shared.group.shards[n])->counters;
        answered += counter_read(status == 204 ? &c->answered_204 : status == 401 ? &c->refused_401 : status == 404 ? &c->refused_404 : &c->refused_503);
    }
    return answered;
}

bool engine_process_knows_company(int64_t id, const char *name, uint32_t *shard)
{
    for (*shard = 0; *shard < now->shared.group.count; *shard += 1) {
        const struct tenant_snapshot *t = webhook_door_of(now->shared.group.shards[*shard])->config.directory->current;
        const struct company         *c = t ? tenant_company_by_id(t, id) : nullptr;
        if (!c || !slice_equal(c->name, slice_from_text(name))) return false;
    }
    return true;
}

bool engine_process_forgets_message(uint32_t *shard)
{
    static struct inbox_seen before[SHARD_COUNT_MAX];
    static struct life      *of;
    struct shard_group      *g = &now->shared.group;
    bool is_of_now = of == now, is_at_work = engine_process_is_at_work();
    of = is_at_work ? now : nullptr;
    for (uint32_t n = 0; is_at_work && n < g->count; n++) {
        struct inbox_seen seen = see_inbox(g->shards[n]);
        bool has_processor = seen.stalls == before[n].stalls; /* and so has whoever is about to wake it */
        bool waits = is_of_now && has_processor && seen.top && seen.top == before[n].top && seen.turns == before[n].turns;
        before[n] = seen;
        if (!waits) continue;
        *shard = n;
        return true;
    }
    return false;
}

bool engine_process_serves(void) { return now && !process_is_over(world.engine) && now->serves; }
