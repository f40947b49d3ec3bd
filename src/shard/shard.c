#include "shard/shard.h"
#include <stdio.h>
#include <string.h>
#include "base/clock.h"
#include "io/doorbell.h"
#include "limits.h"
#include "shard/wake.h"

enum { SHARD_MAGIC = 0x7368'6401 };

struct shard *shard_here(void)
{
    struct shard *here = thread_resident;
    ensure_magic(here, SHARD_MAGIC);
    return here;
}

/* -- the end --
 *
 * Rule:          no shard ends while any of them may still need it: all end together, when none is held and no envelope travels.
 * Without it:    a shard that is held asks one that has ended, and waits for ever for the answer.
 * What keeps it: a shard signs off when it goes to sleep with nothing held, and signs on again before it looks at what woke it.
 *                Whoever sends an envelope is held until it is back, so has not signed off: `awake` is not 0 before the receiver,
 *                woken by it, has signed on. When `awake` is 0, nothing is under way anywhere, and it never rises again.
 */

/* true: this was the last. acq_rel: what every shard did before it signed off has happened before any of them ends. */
static bool sign_off(struct shard *s)
{
    if (s->signed_off || !s->stopping || s->holds > 0) return false;
    s->signed_off = true;
    if (atomic_fetch_sub_explicit(&s->group->awake, 1, memory_order_acq_rel) > 1) return false;
    for (uint16_t n = 0; n < s->group->count; n++) doorbell_ring(s->group->shards[n]->doorbell);
    return true;
}

/* false: all have signed off, it is over. */
static bool sign_on(struct shard *s)
{
    if (!s->signed_off) return true;
    uint32_t awake = atomic_load_explicit(&s->group->awake, memory_order_acquire);
    do if (awake == 0) return false;
    while (!atomic_compare_exchange_weak_explicit(&s->group->awake, &awake, awake + 1, memory_order_acq_rel, memory_order_acquire));
    s->signed_off = false;
    return true;
}

static void stop_arrived(struct shard *s, struct envelope *)
{
    s->stopping = true;
    if (s->config.stop) s->config.stop(s);
}

void shard_group_stop(struct shard_group *g)
{
    if (atomic_exchange_explicit(&g->stop_was_asked, true, memory_order_relaxed)) return; /* hands nothing over: the letters do */
    atomic_fetch_add_explicit(&g->outsiders, 1, memory_order_relaxed);
    uint16_t count = g->count;
    for (uint16_t n = 0; n < count; n++) {
        struct envelope *letter = &g->shards[n]->stop_letter;
        *letter = (struct envelope){ .home = n, .arrived = stop_arrived };
        envelope_post_from_outside(g, letter, n);
    }
    atomic_fetch_sub_explicit(&g->outsiders, 1, memory_order_release); /* as in envelope_post_from_outside(), for the whole loop */
}

/* -- the loop -- */

static void read_clocks(struct shard *s)
{
    s->now_us = clock_monotonic_us();
    s->wall_us = clock_wall_us();
}

static bool has_work(const struct shard *s) { return s->arrived_first != nullptr || !list_is_empty(&s->ready); }

/* Submits what the last turn started; sleeps when there is nothing to do, until a completion, a wake or a timer. */
static void submit_and_sleep(struct shard *s)
{
    if (has_work(s) || !inbox_try_sleep(&s->inbox)) {
        io_wait(s->io, 0);
        return;
    }
    counter_add(&s->sleeps, 1);
    io_wait(s->io, timer_wheel_next(&s->timers));
    inbox_wake_up(&s->inbox);
}

static uint32_t run_ready(struct shard *s)
{
    uint32_t at_entry = s->ready.count < shard_tasks_per_turn_max ? s->ready.count : shard_tasks_per_turn_max;
    uint32_t ran = 0;
    for (; ran < at_entry && !list_is_empty(&s->ready); ran++) { /* a task may forget others */
        struct task *t = container_of(list_pop_front(&s->ready), struct task, node);
        t->run(t);
    }
    return ran;
}

static void flush(struct shard *s)
{
    for (struct flush_hook *h = s->first_flush; h != nullptr; h = h->next) h->flush(h);
    wake_flush(s); /* last: the hooks may send */
}

static void run_turn(struct shard *s)
{
    read_clocks(s);
    uint32_t ran = io_complete(s->io);
    ran += envelope_handle_arrivals(s);
    ran += run_ready(s);
    ran += timer_wheel_advance(&s->timers, s->now_us);
    if (ran == 0) return;
    flush(s);
    counter_add(&s->turns, 1);
    histogram_record(&s->turn_us, clock_monotonic_us() - s->now_us);
}

static void run_turns(struct shard *s)
{
    flush(s); /* what `start` has begun */
    for (;;) {
        if (!has_work(s) && sign_off(s)) return;
        submit_and_sleep(s);
        if (!sign_on(s)) return;
        run_turn(s);
    }
}

/* -- start and end of a thread -- */

static bool refuse(struct io_refusal *refusal, uint16_t index, const char *why)
{
    snprintf(refusal->text, sizeof refusal->text, "Shard %u %s", index, why);
    return false;
}

/* On the shard's thread. false: *refusal says why, and nothing is left open. */
static bool set_up(struct shard *s, struct io_refusal *refusal)
{
    if (s->config.pin) thread_pin(s->index);
    s->io = io_open(&s->config.io, refusal);
    if (s->io == nullptr) return false;
    s->doorbell = doorbell_open();
    if (s->doorbell < 0) {
        io_close_all(s->io);
        return refuse(refusal, s->index, "got no file descriptor. Raise the limit (ulimit -n 65536; in a systemd unit: LimitNOFILE=65536).");
    }
    wake_watch(s);
    read_clocks(s);
    timer_wheel_init(&s->timers, s->now_us);
    if (s->config.start(s, s->config.context)) return true;
    wake_unwatch(s);
    io_close_all(s->io);
    return refuse(refusal, s->index, "could not set up what runs on it; a message before this one says why.");
}

static void tear_down(struct shard *s)
{
    if (s->config.finish) s->config.finish(s);
    wake_unwatch(s);
    io_close_all(s->io);
}

/* Tells how the start went, and waits until all have told. true: all went well. */
static bool pass_gate(struct shard_group *g, bool started, const struct io_refusal *refusal)
{
    monitor_enter(&g->gate_monitor);
    g->reported += 1;
    if (!started && g->refused++ == 0) *g->refusal = *refusal;
    monitor_change(&g->gate_monitor);
    while (g->gate == SHARD_GATE_CLOSED) monitor_wait(&g->gate_monitor);
    bool open = g->gate == SHARD_GATE_OPEN;
    monitor_leave(&g->gate_monitor);
    return open;
}

static void shard_main(void *argument)
{
    struct shard *s = argument;
    struct io_refusal refusal = {};
    thread_resident = s;
    bool started = set_up(s, &refusal);
    if (pass_gate(s->group, started, &refusal)) run_turns(s);
    if (started) tear_down(s);
}

/* -- the group -- */

static struct shard *shard_new(struct shard_group *g, uint16_t index, const struct shard_config *config)
{
    struct shard *s = aligned_alloc(alignof(struct shard), sizeof *s);
    ensure(s != nullptr);
    memset(s, 0, sizeof *s);
    s->magic = SHARD_MAGIC;
    s->index = index;
    s->group = g;
    s->config = *config;
    s->doorbell = -1;
    list_init(&s->ready);
    inbox_init(&s->inbox);
    return s;
}

/* How many threads there are. */
static uint16_t create_threads(struct shard_group *g)
{
    uint16_t created = 0;
    for (; created < g->count; created++) {
        struct shard *s = g->shards[created];
        char name[16];
        snprintf(name, sizeof name, "shard-%u", created);
        if (!thread_start(&s->thread, name, shard_main, s)) break;
    }
    return created;
}

static bool open_gate(struct shard_group *g, uint16_t created)
{
    monitor_enter(&g->gate_monitor);
    while (g->reported < created) monitor_wait(&g->gate_monitor);
    if (created < g->count && g->refused == 0)
        (void)refuse(g->refusal, created, "got no thread. Raise the limit (ulimit -u; in a systemd unit: TasksMax=).");
    bool open = created == g->count && g->refused == 0;
    g->gate = open ? SHARD_GATE_OPEN : SHARD_GATE_ABANDONED;
    monitor_change(&g->gate_monitor);
    monitor_leave(&g->gate_monitor);
    return open;
}

/* Join all before the first is freed: a shard that ends wakes the others. */
static void join_and_free(struct shard_group *g, uint16_t created)
{
    for (uint16_t n = 0; n < created; n++) thread_join(&g->shards[n]->thread);
    /* acquire: pairs with the release of whoever leaves, so its wake has been made before we close what it wakes. A system call at most. */
    while (atomic_load_explicit(&g->outsiders, memory_order_acquire) > 0) thread_yield();
    for (uint16_t n = 0; n < g->count; n++) {
        struct shard *s = g->shards[n];
        if (s->doorbell >= 0) doorbell_close(s->doorbell);
        s->magic = 0;
        free(s);
        g->shards[n] = nullptr;
    }
    monitor_deinit(&g->gate_monitor);
    g->count = 0;
}

bool shard_group_start(struct shard_group *g, uint16_t count, const struct shard_config *config, struct io_refusal *refusal)
{
    ensure(count >= 1 && count <= SHARD_COUNT_MAX && config->start != nullptr);
    *g = (struct shard_group){ .count = count, .awake = count, .gate = SHARD_GATE_CLOSED, .refusal = refusal };
    monitor_init(&g->gate_monitor);
    for (uint16_t n = 0; n < count; n++) g->shards[n] = shard_new(g, n, config);

    uint16_t created = create_threads(g);
    bool all_started = open_gate(g, created);
    if (!all_started) join_and_free(g, created);
    return all_started;
}

void shard_group_join(struct shard_group *g)
{
    ensure(g->count > 0);
    join_and_free(g, g->count);
}

/* -- what runs on a shard uses these -- */

void shard_make_ready(struct shard *s, struct task *t)
{
    ensure_on(s);
    if (!list_node_is_linked(&t->node)) list_push_back(&s->ready, &t->node);
}

void shard_forget_task(struct shard *s, struct task *t)
{
    ensure_on(s);
    if (list_node_is_linked(&t->node)) list_remove(&s->ready, &t->node);
}

void shard_add_flush(struct shard *s, struct flush_hook *h)
{
    ensure_on(s);
    ensure(h->flush != nullptr);
    h->next = nullptr;
    if (s->last_flush) s->last_flush->next = h;
    else s->first_flush = h;
    s->last_flush = h;
}

void shard_hold(struct shard *s)
{
    ensure_on(s);
    s->holds += 1;
}

void shard_release(struct shard *s)
{
    ensure_on(s);
    ensure(s->holds > 0);
    s->holds -= 1;
}

uint16_t shard_home_of(const struct shard_group *g, struct hash128 key)
{
    return (uint16_t)((unsigned __int128)key.high * g->count >> 64); /* even over the shards, without a division */
}
