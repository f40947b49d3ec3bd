/* Real threads on the inbox and on the whole wake path, with yields and naps at seeded places so that the rare interleavings happen.
 * Meant for ThreadSanitizer: what an envelope carries is plain memory, so a memory order that is too weak is a report.
 *
 *     inbox_interleave [SEEDS]      (200; a seed is one world of each kind; the seed of a failure is printed)
 *
 * What is checked for every seed: nothing is lost, each producer's order is kept, and a sleep ends by at most one wake (in the first
 * story, where nothing else ends a sleep, by exactly one). */
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "shard/shard.h"
#include "io/doorbell.h"
#include "shard/worker.h"

static uint32_t passed, failed;
static void check(bool holds, const char *promise, uint64_t seed)
{
    if (holds) {
        passed += 1;
        return;
    }
    failed += 1;
    printf("failed: %s (seed %llu)\n", promise, (unsigned long long)seed);
}

struct dice { uint64_t state; };
static uint64_t draw(struct dice *d) /* xorshift64* */
{
    d->state ^= d->state >> 12;
    d->state ^= d->state << 25;
    d->state ^= d->state >> 27;
    return d->state * UINT64_C(2685821657736338717);
}
static struct dice dice_of(uint64_t seed, uint64_t player) { return (struct dice){ (seed * 64 + player + 1) * UINT64_C(0x9E3779B97F4A7C15) }; }

/* Here another thread may come between. */
static void maybe_yield(struct dice *d)
{
    uint64_t n = draw(d) >> 32;
    if (n % 4 == 0) sched_yield();
    if (n % 61 == 0) nanosleep(&(struct timespec){ .tv_nsec = 20'000 }, nullptr);
}

/* -- the inbox and its wake alone: many producers, one consumer that sleeps as soon as there is nothing -- */

enum { PRODUCERS = 4, MESSAGES = 400 };

struct message { struct envelope envelope; uint32_t producer, number; };

static struct {
    struct inbox   inbox;
    int            doorbell;
    uint64_t       seed;
    struct message messages[PRODUCERS][MESSAGES];
    uint64_t       wakes[PRODUCERS], sleeps;
    uint32_t       taken[PRODUCERS];
    bool           in_order;
} lone;

static void *produce(void *argument)
{
    uint32_t producer = *(uint32_t *)argument;
    struct dice dice = dice_of(lone.seed, producer);
    for (uint32_t n = 0; n < MESSAGES; n++) {
        struct message *m = &lone.messages[producer][n];
        *m = (struct message){ .producer = producer, .number = n };
        maybe_yield(&dice);
        bool must_wake = inbox_push(&lone.inbox, &m->envelope);
        maybe_yield(&dice);
        if (!must_wake) continue;
        lone.wakes[producer] += 1;
        doorbell_ring(lone.doorbell);
    }
    return nullptr;
}

static uint32_t take(void)
{
    uint32_t count = 0;
    for (struct envelope *e = inbox_take_all(&lone.inbox); e != nullptr; e = e->next, count++) {
        struct message *m = container_of(e, struct message, envelope);
        if (m->number != lone.taken[m->producer]++) lone.in_order = false;
    }
    return count;
}

static void consume(void)
{
    struct dice dice = dice_of(lone.seed, PRODUCERS);
    for (uint32_t count = 0; count < PRODUCERS * MESSAGES;) {
        uint32_t took = take();
        count += took;
        maybe_yield(&dice);
        if (took > 0 || !inbox_try_sleep(&lone.inbox)) continue;
        lone.sleeps += 1;
        maybe_yield(&dice);
        doorbell_wait(lone.doorbell);
        maybe_yield(&dice);
        inbox_wake_up(&lone.inbox);
    }
}

static void play_lone_inbox(uint64_t seed)
{
    memset(&lone, 0, sizeof lone);
    lone.seed = seed;
    lone.in_order = true;
    lone.doorbell = doorbell_open();
    inbox_init(&lone.inbox);
    pthread_t threads[PRODUCERS];
    uint32_t numbers[PRODUCERS];
    for (uint32_t n = 0; n < PRODUCERS; n++) {
        numbers[n] = n;
        pthread_create(&threads[n], nullptr, produce, &numbers[n]);
    }
    consume();
    uint64_t wakes = 0;
    for (uint32_t n = 0; n < PRODUCERS; n++) {
        pthread_join(threads[n], nullptr);
        wakes += lone.wakes[n];
        check(lone.taken[n] == MESSAGES, "inbox: every message is taken", seed);
    }
    check(lone.in_order, "inbox: a producer's messages keep their order", seed);
    check(wakes == lone.sleeps, "inbox: every sleep is ended by exactly one wake", seed);
    doorbell_close(lone.doorbell);
}

/* -- whole shards: rings, loops, batched wakes, a helper thread, and a stop in the middle of it -- */

enum { SHARDS = 3, TRAVELLERS = 24, JOURNEYS = 60 };

struct traveller {
    struct envelope envelope;
    struct job      job;
    uint16_t        to;
    uint32_t        journeys;
    uint64_t        number;   /* of its sending: from one shard to one other they rise */
    uint64_t        cargo;    /* written at home, changed abroad, read at home */
};

struct town {
    struct traveller travellers[TRAVELLERS];
    struct dice      dice;
    struct timer     alarm;                /* sleeps also end by timers */
    uint64_t         sent_to[SHARDS];      /* on the sending shard */
    uint64_t         arrived_from[SHARDS]; /* on the receiving shard */
    bool             in_order, cargo_whole;
    uint32_t         at_home, done;
    uint64_t         wakes, sleeps;
};

static struct shard_group group;
static struct town        towns[SHARDS];
static struct worker     *worker;
static uint64_t           world_seed;
static _Atomic(uint32_t)  towns_done;

static void set_out(struct shard *home, struct traveller *t);

static void visited(struct shard *at, struct envelope *e)
{
    struct town *town = &towns[at->index];
    struct traveller *t = container_of(e, struct traveller, envelope);
    if (t->number != town->arrived_from[e->home]++) town->in_order = false;
    t->cargo += 1;
    maybe_yield(&town->dice);
    envelope_return(at, e);
}

static void back_home(struct shard *home, struct traveller *t)
{
    struct town *town = &towns[home->index];
    town->at_home += 1;
    t->journeys += 1;
    if (t->cargo != t->journeys) town->cargo_whole = false;
    maybe_yield(&town->dice);
    if (t->journeys < JOURNEYS) set_out(home, t);
    else if (++town->done == TRAVELLERS && atomic_fetch_add(&towns_done, 1) + 1 == SHARDS / 2 + 1) shard_group_stop(&group);
}
static void came_home(struct shard *home, struct envelope *e) { back_home(home, container_of(e, struct traveller, envelope)); }

static void work(struct job *j) { container_of(j, struct traveller, job)->cargo += 1; }
static void work_done(struct job *j) { back_home(shard_here(), container_of(j, struct traveller, job)); }

static void set_out(struct shard *home, struct traveller *t)
{
    struct town *town = &towns[home->index];
    town->at_home -= 1;
    uint64_t where = draw(&town->dice) >> 32;
    if (where % 8 == 0) {
        worker_give(worker, home, &t->job, work, work_done);
        return;
    }
    t->to = where % SHARDS;
    t->number = town->sent_to[t->to]++;
    envelope_send(home, &t->envelope, t->to, visited, came_home);
}

static void alarm_rang(struct timer *t)
{
    struct shard *s = shard_here();
    struct town *town = container_of(t, struct town, alarm);
    maybe_yield(&town->dice);
    if (town->done < TRAVELLERS) timer_start(&s->timers, t, s->now_us + 1'000, alarm_rang);
}

static bool start_town(struct shard *s, void *)
{
    struct town *town = &towns[s->index];
    *town = (struct town){ .dice = dice_of(world_seed, s->index), .in_order = true, .cargo_whole = true, .at_home = TRAVELLERS };
    for (uint32_t n = 0; n < TRAVELLERS; n++) set_out(s, &town->travellers[n]);
    timer_start(&s->timers, &town->alarm, s->now_us + 1'000, alarm_rang);
    return true;
}

static void finish_town(struct shard *s)
{
    struct town *town = &towns[s->index];
    timer_stop(&s->timers, &town->alarm);
    town->wakes = counter_read(&s->wakes_sent);
    town->sleeps = counter_read(&s->sleeps);
}

static void play_shards(uint64_t seed)
{
    world_seed = seed;
    atomic_store(&towns_done, 0);
    struct shard_config config = { .io = { .entries = 16, .receive_buffers = 4, .receive_buffer_bytes = 64 }, .start = start_town, .finish = finish_town };
    struct io_refusal refusal = {};
    worker = worker_start(&group);
    if (!shard_group_start(&group, SHARDS, &config, &refusal)) {
        printf("%s\n", refusal.text);
        check(false, "shards: start", seed);
        return;
    }
    shard_group_join(&group);
    worker_stop(worker);

    uint64_t wakes = 0, sleeps = 0;
    for (uint32_t n = 0; n < SHARDS; n++) {
        struct town *town = &towns[n];
        check(town->in_order, "shards: envelopes from one shard to another keep their order", seed);
        check(town->cargo_whole, "shards: what an envelope carries is seen whole on both sides", seed);
        check(town->done == TRAVELLERS && town->at_home == TRAVELLERS, "shards: every envelope comes home before the end, stop or no stop", seed);
        for (uint32_t from = 0; from < SHARDS; from++)
            check(town->arrived_from[from] == towns[from].sent_to[n], "shards: every envelope arrives once", seed);
        wakes += town->wakes;
        sleeps += town->sleeps;
    }
    check(wakes <= sleeps, "shards: no sleep is ended by two wakes", seed);
}

/* A lost wake-up shows as a standstill. */
static void stood_still(int)
{
    static const char text[] = "failed: a wake-up was lost: nothing has moved for a minute\n0 passed, 1 failed\n";
    (void)!write(STDOUT_FILENO, text, sizeof text - 1);
    _exit(1);
}

int main(int count, char **arguments)
{
    signal(SIGALRM, stood_still);
    uint64_t seeds = count > 1 ? strtoull(arguments[1], nullptr, 10) : 200;
    for (uint64_t seed = 1; seed <= seeds; seed++) {
        alarm(60);
        play_lone_inbox(seed);
        play_shards(seed);
    }
    printf("%u passed, %u failed\n", passed, failed);
    return failed > 0;
}
