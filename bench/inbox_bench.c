/* bench/inbox_bench.c: what a message through the inbox costs, and what it would cost through a list under a mutex.
 *
 *     inbox_bench [MESSAGES]        (2,000,000 per row; a few seconds)
 *
 * Producers push as fast as they can from all CPUs but the first; the consumer takes on the first and sleeps whenever there is nothing,
 * so wakes are part of the price. With two CPUs the producers share one and contend with the consumer only. Each figure is the median of
 * five rounds, both queues by turns in the same run: read the ratio, not the day. */
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include "base/list.h"
#include "shard/inbox.h"
#include "io/doorbell.h"

enum { PRODUCERS_MAX = 4, ROUNDS = 5 };

struct message { struct envelope envelope; uint32_t producer, number; };

/* The queue that everybody writes first. */
struct locked { pthread_mutex_t lock; pthread_cond_t filled; struct envelope *first, *last; bool asleep; };

static struct inbox     inbox;
static struct locked    locked = { .lock = PTHREAD_MUTEX_INITIALIZER, .filled = PTHREAD_COND_INITIALIZER };
static int              doorbell;
static uint32_t         producers, messages_each;
static struct message  *messages;
static pthread_barrier_t at_the_start;

struct outcome { double ns_per_message; uint64_t wakes; };

static int by_time(const void *a, const void *b)
{
    double x = ((const struct outcome *)a)->ns_per_message, y = ((const struct outcome *)b)->ns_per_message;
    return (x > y) - (x < y);
}

static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1'000'000'000 + (uint64_t)t.tv_nsec;
}

static cpu_set_t allowed;

static void pin_to(int nth)
{
    cpu_set_t one;
    int cpu = 0;
    while (!CPU_ISSET(cpu, &allowed) || nth-- > 0) cpu += 1;
    CPU_ZERO(&one);
    CPU_SET(cpu, &one);
    pthread_setaffinity_np(pthread_self(), sizeof one, &one);
}

static uint64_t push_all_to_inbox(struct message *mine)
{
    uint64_t wakes = 0;
    for (uint32_t n = 0; n < messages_each; n++) {
        if (!inbox_push(&inbox, &mine[n].envelope)) continue;
        wakes += 1;
        doorbell_ring(doorbell);
    }
    return wakes;
}

static uint64_t push_all_to_locked(struct message *mine)
{
    uint64_t wakes = 0;
    for (uint32_t n = 0; n < messages_each; n++) {
        struct envelope *e = &mine[n].envelope;
        e->next = nullptr;
        pthread_mutex_lock(&locked.lock);
        if (locked.last) locked.last->next = e;
        else locked.first = e;
        locked.last = e;
        bool must_wake = locked.asleep;
        locked.asleep = false;
        pthread_mutex_unlock(&locked.lock);
        if (must_wake) pthread_cond_signal(&locked.filled);
        wakes += must_wake;
    }
    return wakes;
}

static struct envelope *take_from_inbox(void)
{
    for (;;) {
        struct envelope *e = inbox_take_all(&inbox);
        if (e) return e;
        if (!inbox_try_sleep(&inbox)) continue;
        doorbell_wait(doorbell);
        inbox_wake_up(&inbox);
    }
}

static struct envelope *take_from_locked(void)
{
    pthread_mutex_lock(&locked.lock);
    while (locked.first == nullptr) {
        locked.asleep = true;
        pthread_cond_wait(&locked.filled, &locked.lock);
    }
    struct envelope *e = locked.first;
    locked.first = locked.last = nullptr;
    pthread_mutex_unlock(&locked.lock);
    return e;
}

struct producer { pthread_t thread; uint32_t number; bool uses_inbox; uint64_t wakes; };

static void *produce(void *argument)
{
    struct producer *p = argument;
    int others = CPU_COUNT(&allowed) - 1;
    if (others > 0) pin_to(1 + (int)p->number % others);
    struct message *mine = &messages[(size_t)p->number * messages_each];
    pthread_barrier_wait(&at_the_start);
    p->wakes = p->uses_inbox ? push_all_to_inbox(mine) : push_all_to_locked(mine);
    return nullptr;
}

static void check_order(const struct message *m, uint32_t *next)
{
    if (m->number == next[m->producer]++) return;
    printf("out of order\n");
    exit(1);
}

static struct outcome run(bool uses_inbox)
{
    struct producer all[PRODUCERS_MAX];
    uint32_t next[PRODUCERS_MAX] = {};
    for (uint32_t n = 0; n < producers * messages_each; n++)
        messages[n] = (struct message){ .producer = n / messages_each, .number = n % messages_each };
    pthread_barrier_init(&at_the_start, nullptr, producers + 1);
    for (uint32_t n = 0; n < producers; n++) {
        all[n] = (struct producer){ .number = n, .uses_inbox = uses_inbox };
        pthread_create(&all[n].thread, nullptr, produce, &all[n]);
    }
    pthread_barrier_wait(&at_the_start);
    uint64_t began_ns = now_ns();
    for (uint32_t taken = 0; taken < producers * messages_each;)
        for (struct envelope *e = uses_inbox ? take_from_inbox() : take_from_locked(); e != nullptr; e = e->next, taken++)
            check_order(container_of(e, struct message, envelope), next);
    struct outcome o = { .ns_per_message = (double)(now_ns() - began_ns) / (producers * messages_each) };
    for (uint32_t n = 0; n < producers; n++) {
        pthread_join(all[n].thread, nullptr);
        o.wakes += all[n].wakes;
    }
    pthread_barrier_destroy(&at_the_start);
    return o;
}

static void print_row(struct outcome with_inbox[ROUNDS], struct outcome with_mutex[ROUNDS])
{
    qsort(with_inbox, ROUNDS, sizeof *with_inbox, by_time);
    qsort(with_mutex, ROUNDS, sizeof *with_mutex, by_time);
    struct outcome ours = with_inbox[ROUNDS / 2], theirs = with_mutex[ROUNDS / 2];
    printf("| %u | %.1f (%.1f to %.1f) | %llu | %.1f (%.1f to %.1f) | %llu | %.2f |\n", producers,
           ours.ns_per_message, with_inbox[0].ns_per_message, with_inbox[ROUNDS - 1].ns_per_message, (unsigned long long)ours.wakes,
           theirs.ns_per_message, with_mutex[0].ns_per_message, with_mutex[ROUNDS - 1].ns_per_message, (unsigned long long)theirs.wakes,
           theirs.ns_per_message / ours.ns_per_message);
}

int main(int count, char **arguments)
{
    uint32_t total = count > 1 ? (uint32_t)strtoul(arguments[1], nullptr, 10) : 2'000'000;
    messages = malloc((size_t)total * sizeof *messages);
    doorbell = doorbell_open();
    if (messages == nullptr || doorbell < 0 || total < PRODUCERS_MAX) return 1;
    inbox_init(&inbox);
    sched_getaffinity(0, sizeof allowed, &allowed);
    pin_to(0);
    printf("| producers | inbox, ns a message | wakes | mutex and list, ns a message | wakes | ratio |\n|---|---|---|---|---|---|\n");
    for (producers = 1; producers <= PRODUCERS_MAX; producers *= 2) {
        struct outcome with_inbox[ROUNDS], with_mutex[ROUNDS];
        messages_each = total / producers;
        for (int round = 0; round < ROUNDS; round++) {
            with_inbox[round] = run(true);
            with_mutex[round] = run(false);
        }
        print_row(with_inbox, with_mutex);
    }
    free(messages);
    doorbell_close(doorbell);
    return 0;
}
