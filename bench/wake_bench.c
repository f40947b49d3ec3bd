/* bench/wake_bench.c: a hop to another shard and back, with the other shard awake and asleep.
 *
 *     wake_bench [HOPS]             (25,000 per row; a few seconds)
 *
 * Both shards are whole: pinned, with ring, loop and wake. The rows:
 *   asleep           one letter at a time: every hop wakes a sleeper, twice
 *   awake            the same with a task on each shard that keeps it from sleeping
 *   64 at once       many letters under way, as under load: what is waited for is shared, so the CPU time a hop is what counts
 *   eventfd alone    two plain threads, read() and write(): the floor under "asleep", what the machine itself takes to wake a core
 * A virtual machine wakes a core now in 12 µs, now in 20, and stays with it for seconds; so the rows are run by turns, five times, and their
 * ratio is what can be compared. */
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>
#include "shard/shard.h"

enum { LETTERS_MAX = 64, ROUNDS = 5 };

struct letter { struct envelope envelope; uint64_t left_at_ns; };

/* One row of the table, over all its rounds. */
struct row {
    const char      *name;
    struct histogram there_and_back_ns;
    uint64_t         hops, cpu_ns, wakes;
};

static struct shard_group group;
static struct letter      letters[LETTERS_MAX];
static struct task        spinners[2];
static struct row        *current;
static uint32_t           hops_wanted, letters_used, hops_done, letters_out;
static bool               stays_awake;
static uint64_t           wakes[2], cpu_ns[2];

static uint64_t read_ns(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (uint64_t)t.tv_sec * 1'000'000'000 + (uint64_t)t.tv_nsec;
}

static void send_letter(struct shard *home, struct letter *l);

static void arrived(struct shard *at, struct envelope *e) { envelope_return(at, e); }

static void came_home(struct shard *home, struct envelope *e)
{
    struct letter *l = container_of(e, struct letter, envelope);
    histogram_record(&current->there_and_back_ns, read_ns(CLOCK_MONOTONIC) - l->left_at_ns);
    letters_out -= 1;
    if (++hops_done + letters_out < hops_wanted) send_letter(home, l);
    else if (letters_out == 0) shard_group_stop(&group);
}

static void send_letter(struct shard *home, struct letter *l)
{
    letters_out += 1;
    l->left_at_ns = read_ns(CLOCK_MONOTONIC);
    envelope_send(home, &l->envelope, 1, arrived, came_home);
}

static void spin(struct task *t)
{
    struct shard *s = shard_here();
    if (!s->stopping) shard_make_ready(s, t);
}

static bool start(struct shard *s, void *)
{
    spinners[s->index] = (struct task){ .run = spin };
    if (stays_awake) shard_make_ready(s, &spinners[s->index]);
    for (uint32_t n = 0; s->index == 0 && n < letters_used; n++) send_letter(s, &letters[n]);
    return true;
}

static void finish(struct shard *s)
{
    wakes[s->index] = counter_read(&s->wakes_sent);
    cpu_ns[s->index] = read_ns(CLOCK_THREAD_CPUTIME_ID);
}

static double quantile_us(const struct row *r, double q) { return (double)histogram_quantile(&r->there_and_back_ns, q) / 1e3; }
static double cpu_us_per_hop(const struct row *r) { return (double)r->cpu_ns / 1e3 / (double)r->hops; }

static void print_row(const struct row *r)
{
    printf("| %-16s | %8.2f | %8.2f | %8.2f | %5.2f |\n", r->name, quantile_us(r, 0.5), quantile_us(r, 0.99), cpu_us_per_hop(r),
           (double)r->wakes / (double)r->hops);
}

static void run_shards(struct row *r, bool awake, uint32_t at_once, uint32_t hops)
{
    current = r;
    stays_awake = awake;
    letters_used = at_once;
    hops_wanted = hops;
    hops_done = letters_out = 0;
    memset(letters, 0, sizeof letters);
    struct shard_config config = { .io = { 64, 16, 1024 }, .pin = true, .start = start, .finish = finish };
    struct io_refusal refusal = {};
    if (!shard_group_start(&group, 2, &config, &refusal)) {
        printf("%s\n", refusal.text);
        exit(1);
    }
    shard_group_join(&group);
    r->hops += hops;
    r->cpu_ns += cpu_ns[0] + cpu_ns[1];
    r->wakes += wakes[0] + wakes[1];
}

/* -- the floor -- */

static int plain_fds[2];

static void pin_to(int nth)
{
    cpu_set_t allowed, one;
    sched_getaffinity(0, sizeof allowed, &allowed);
    nth %= CPU_COUNT(&allowed);
    int cpu = 0;
    while (!CPU_ISSET(cpu, &allowed) || nth-- > 0) cpu += 1;
    CPU_ZERO(&one);
    CPU_SET(cpu, &one);
    pthread_setaffinity_np(pthread_self(), sizeof one, &one);
}

static void *answer_plainly(void *)
{
    eventfd_t n;
    pin_to(1);
    for (uint32_t hop = 0; hop < hops_wanted; hop++)
        if (eventfd_read(plain_fds[1], &n) != 0 || eventfd_write(plain_fds[0], 1) != 0) abort();
    cpu_ns[1] = read_ns(CLOCK_THREAD_CPUTIME_ID);
    return nullptr;
}

static void *ask_plainly(void *)
{
    eventfd_t n;
    pin_to(0);
    for (uint32_t hop = 0; hop < hops_wanted; hop++) {
        uint64_t left_at_ns = read_ns(CLOCK_MONOTONIC);
        if (eventfd_write(plain_fds[1], 1) != 0 || eventfd_read(plain_fds[0], &n) != 0) abort();
        histogram_record(&current->there_and_back_ns, read_ns(CLOCK_MONOTONIC) - left_at_ns);
    }
    cpu_ns[0] = read_ns(CLOCK_THREAD_CPUTIME_ID);
    return nullptr;
}

static void run_plainly(struct row *r, uint32_t hops)
{
    pthread_t asking, answering;
    current = r;
    hops_wanted = hops;
    for (int n = 0; n < 2; n++) plain_fds[n] = eventfd(0, EFD_CLOEXEC);
    pthread_create(&answering, nullptr, answer_plainly, nullptr);
    pthread_create(&asking, nullptr, ask_plainly, nullptr);
    pthread_join(asking, nullptr);
    pthread_join(answering, nullptr);
    for (int n = 0; n < 2; n++) close(plain_fds[n]);
    r->hops += hops;
    r->cpu_ns += cpu_ns[0] + cpu_ns[1];
    r->wakes += 2 * (uint64_t)hops;
}

int main(int count, char **arguments)
{
    uint32_t hops = (count > 1 ? (uint32_t)strtoul(arguments[1], nullptr, 10) : 25'000) / ROUNDS;
    if (hops < LETTERS_MAX) hops = LETTERS_MAX;
    static struct row plain = { .name = "eventfd alone" }, asleep = { .name = "asleep" }, awake = { .name = "awake" }, loaded = { .name = "64 at once" };
    for (int round = 0; round < ROUNDS; round++) {
        run_plainly(&plain, hops);
        run_shards(&asleep, false, 1, hops);
        run_shards(&awake, true, 1, hops);
        run_shards(&loaded, true, LETTERS_MAX, hops * 20); /* each is cheap */
    }
    printf("| there and back   | p50 µs   | p99 µs   | CPU µs   | wakes |\n|---|---|---|---|---|\n");
    print_row(&plain);
    print_row(&asleep);
    print_row(&awake);
    print_row(&loaded);
    printf("\nasleep : eventfd alone = %.2f    asleep : awake = %.1f    CPU a hop, asleep : 64 at once = %.1f\n",
           quantile_us(&asleep, 0.5) / quantile_us(&plain, 0.5), quantile_us(&asleep, 0.5) / quantile_us(&awake, 0.5),
           cpu_us_per_hop(&asleep) / cpu_us_per_hop(&loaded));
    return 0;
}
