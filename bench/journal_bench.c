/* bench/journal_bench.c: what durability costs. Commits and acknowledgements per second, and how long one waits for its `done`.
 *
 *     journal_bench [DIRECTORY]        (works in folders of its own under it, default the current one; bounded to about 12 s)
 *
 * One shard in a closed loop: `batch` records of 2 KiB are appended in one turn, and when all are durable the next ones. Every record is retired
 * when it is durable, as with a PostgreSQL that keeps up, so segments are used again. The last rows make the disk slower by 5 ms a
 * sync: what a sync costs is then shared by whatever has been appended meanwhile.
 * At the end, recovery: how long a start takes that has a million retired records to pass over, in segments that cannot be used again because
 * one record in each is live.
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/ensure.h"
#include "base/histogram.h"
#include "journal/journal.h"
#include "limits.h"

enum { BATCH_MAX = 1024, RUN_MS = 1200, MILLION = 1'000'000, PINNED_EVERY = 60'000 };

struct run {
    const char        *directory;
    uint32_t           batch, sync_extra_us, body_bytes;
    uint64_t           records_max; /* 0: as many as go into RUN_MS */
    bool               pins;        /* one record in PINNED_EVERY is never retired */
    struct journal_recovery *recovery;
    struct worker     *worker;
    struct shard_group group;
    struct journal    *journal;
    struct task        first_turn;
    struct timer       retry;
    struct slot { struct journal_entry entry; struct run *run; uint64_t appended_at_us; } slots[BATCH_MAX];
    uint32_t           under_way;
    uint64_t           begun_at_us, ended_at_us, acknowledged;
    struct histogram   wait_us;
};

static char body[2048];

static void append_all(struct run *r);

static void retry_fired(struct timer *t) { append_all(container_of(t, struct run, retry)); }

static void came_through(struct journal_entry *e)
{
    struct slot *s = container_of(e, struct slot, entry);
    struct run  *r = s->run;
    histogram_record(&r->wait_us, clock_monotonic_us() - s->appended_at_us);
    if (!r->pins || e->position.sequence % PINNED_EVERY != 0) journal_retire(r->journal, e->position);
    r->acknowledged += 1;
    r->under_way -= 1;
    if (r->under_way == 0) append_all(r);
}

static void append_all(struct run *r)
{
    struct shard *shard = shard_here();
    r->ended_at_us = clock_monotonic_us();
    bool over = r->records_max > 0 ? r->acknowledged >= r->records_max : r->ended_at_us - r->begun_at_us > RUN_MS * UINT64_C(1000);
    if (over) {
        shard_group_stop(&r->group);
        return;
    }
    for (uint32_t n = 0; n < r->batch; n++) {
        if (journal_admit(r->journal, r->body_bytes) != JOURNAL_ADMITTED) break; /* the next segment is still being made */
        struct slot *s = &r->slots[n];
        s->run = r;
        s->appended_at_us = r->ended_at_us;
        s->entry = (struct journal_entry){ .type = JOURNAL_WEBHOOK, .body = slice_from(body, r->body_bytes), .done = came_through };
        journal_append(r->journal, &s->entry);
        r->under_way += 1;
    }
    if (r->under_way == 0) timer_start(&shard->timers, &r->retry, shard->now_us + 1000, retry_fired);
}

static void first_turn(struct task *t)
{
    struct run *r = container_of(t, struct run, first_turn);
    r->begun_at_us = clock_monotonic_us();
    append_all(r);
}

static bool start(struct shard *s, void *context)
{
    struct run           *r = context;
    struct io_refusal     refusal;
    struct journal_config c = { .directory = r->directory, .segment_bytes = journal_segment_bytes, .segments_max = 32,
                                .sync_extra_us = r->sync_extra_us, .worker = r->worker, .recovery = r->recovery };
    r->journal = journal_open(s, &c, &refusal);
    if (!r->journal) fprintf(stderr, "%s\n", refusal.text);
    else shard_make_ready(s, &r->first_turn);
    s->resident = r;
    return r->journal != nullptr;
}

static void print_row(const struct run *r, const struct journal_counters *c)
{
    double seconds = (double)(r->ended_at_us - r->begun_at_us) / 1e6;
    double batches = (double)counter_read(&c->batches);
    printf("%7u %9u %11.0f %11.0f %9llu %9llu %9llu %9llu %9llu\n", r->batch, r->sync_extra_us, batches / seconds, (double)r->acknowledged / seconds,
           (unsigned long long)histogram_quantile(&c->sync_us, 0.5), (unsigned long long)histogram_quantile(&c->sync_us, 0.99),
           (unsigned long long)histogram_quantile(&r->wait_us, 0.5), (unsigned long long)histogram_quantile(&r->wait_us, 0.99),
           (unsigned long long)counter_read(&c->refused_full));
    fflush(stdout);
}

static void finish(struct shard *s)
{
    struct run *r = s->resident;
    if (r->records_max == 0) print_row(r, journal_counters(r->journal));
    journal_close(r->journal);
}

/* -- a directory each -- */

static void make_directory(const char *under, char path[256])
{
    snprintf(path, 256, "%s/journal-bench-XXXXXX", under);
    if (mkdtemp(path)) return;
    perror(under);
    exit(1);
}

static void remove_directory(const char *path)
{
    DIR *d = opendir(path);
    for (struct dirent *e; d && (e = readdir(d));) unlinkat(dirfd(d), e->d_name, 0); /* not the dots: they are directories */
    if (d) closedir(d);
    rmdir(path);
}

static struct journal_recovery *recover(const char *directory, struct journal_report *report)
{
    struct journal_config    c = { .directory = directory, .segment_bytes = journal_segment_bytes, .segments_max = 32 };
    struct io_refusal        refusal;
    struct journal_recovery *r = journal_recover(&c, report, &refusal);
    if (r) return r;
    fprintf(stderr, "%s\n", refusal.text);
    exit(1);
}

static void run_in(const char *directory, struct run settings)
{
    struct journal_report report;
    struct io_refusal     refusal;
    struct run           *r = calloc(1, sizeof *r);
    ensure(r);
    *r = settings;
    r->directory = directory;
    r->first_turn.run = first_turn;
    r->recovery = recover(directory, &report);
    struct shard_config c = { .io = { .entries = ring_entries, .receive_buffers = 8, .receive_buffer_bytes = 4096 }, .pin = true,
                              .start = start, .finish = finish, .context = r };
    r->worker = worker_start(&r->group);
    ensure(r->worker);
    if (!shard_group_start(&r->group, 1, &c, &refusal)) {
        fprintf(stderr, "%s\n", refusal.text);
        exit(1);
    }
    shard_group_join(&r->group);
    worker_stop(r->worker);
    journal_recovery_close(r->recovery);
    free(r);
}

static void measure(const char *under, uint32_t batch, uint32_t sync_extra_us)
{
    char directory[256];
    make_directory(under, directory);
    run_in(directory, (struct run){ .batch = batch, .sync_extra_us = sync_extra_us, .body_bytes = sizeof body });
    remove_directory(directory);
}

/* The life that writes is a process of its own: a directory is its engine's until that ends. */
static void measure_recovery(const char *under)
{
    char directory[256];
    make_directory(under, directory);
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        run_in(directory, (struct run){ .batch = BATCH_MAX, .body_bytes = 100, .records_max = MILLION, .pins = true });
        _exit(0);
    }
    int status;
    ensure(waitpid(pid, &status, 0) == pid && status == 0);

    struct journal_report    report;
    struct journal_replayed  record;
    uint64_t                 from_us = clock_monotonic_us();
    struct journal_recovery *r = recover(directory, &report);
    uint64_t                 read_us = clock_monotonic_us(), given = 0;
    while (journal_recovery_next(r, &record)) given += 1;
    printf("\nrecovery: %llu segments, %llu records, of them retired %llu: read in %llu ms; %llu live ones found and given out in %llu ms\n",
           (unsigned long long)report.segments, (unsigned long long)report.records, (unsigned long long)report.retired,
           (unsigned long long)(read_us - from_us) / 1000, (unsigned long long)given, (unsigned long long)(clock_monotonic_us() - read_us) / 1000);
    journal_recovery_close(r);
    remove_directory(directory);
}

int main(int count, char **arguments)
{
    const char *under = count > 1 ? arguments[1] : ".";
    memset(body, 'x', sizeof body);
    printf("%7s %9s %11s %11s %9s %9s %9s %9s %9s\n", "batch", "extra µs", "commits/s", "acks/s", "sync p50", "sync p99", "wait p50", "wait p99", "refused");
    const uint32_t batches[] = { 1, 16, 64, 256 };
    for (size_t n = 0; n < sizeof batches / sizeof *batches; n++) measure(under, batches[n], 0);
    measure(under, 512, 5000);
    measure(under, BATCH_MAX, 5000);
    measure_recovery(under);
}
