#pragma once
/* tests/unit/journal/life.h: lives of an engine that has nothing but a journal.
 *
 * A life is a forked process: it takes the directory, starts its shards and runs the test's `begin` on each; it ends when every shard rests, or
 * when somebody kills it. What a test wants to know afterwards stands in memory that parent and child share. Within a life, what
 * must be true is said with ensure(): a broken one ends the life by SIGABRT, and live() fails the test.
 *
 * A note is a record whose content follows from its call and number, so whoever finds it can tell whether it is whole.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>
#include "base/clock.h"
#include "journal/journal.h"
#include "limits.h"

enum { CALLS = 16, NOTES = 20'000 };

struct life;
struct station { /* one shard's */
    struct life    *life;
    struct shard   *shard;
    struct journal *journal;
    struct task     first_turn;
    struct timer    timer;
    uint32_t        appended, durable;
};

struct life {
    const char             *directory;
    uint16_t                shards;
    uint32_t                segment_bytes, segments_max, sync_extra_us;
    void                  (*begin)(struct station *s); /* in the first turn of each shard; nullptr: only recover */
    void                  (*replay)(struct life *l);   /* after recovery, before the shards; nullptr: nothing */
    struct journal_recovery *recovery;
    struct journal_report   report;
    struct worker          *worker;
    struct shard_group      group;
    struct station          stations[4];
    _Atomic(uint32_t)       awake;
};

/* Shared by the lives of a test and the test itself. */
struct chronicle {
    _Atomic(bool)         acknowledged[CALLS][NOTES], applied[CALLS][NOTES];
    uint32_t              replayed[CALLS][NOTES]; /* how often, in the last life that looked */
    struct journal_report report;
    struct io_refusal     refusal;
    uint64_t              batches, segments_reused, segments_used; /* of shard 0 */
    uint32_t              next_number[CALLS];
};
static struct chronicle *chronicle;

static void forget_replayed(void) { memset(chronicle->replayed, 0, sizeof chronicle->replayed); }

/* -- notes -- */

struct note { struct journal_entry entry; struct station *station; uint32_t call, number; char body[]; };

static struct hash128 key_of_call(uint32_t call)
{
    return hash128_stable(slice_from(&call, sizeof call));
}

static void write_body(char *body, size_t bytes, uint32_t call, uint32_t number)
{
    ensure(bytes >= 2 * sizeof call);
    for (size_t n = 0; n < bytes; n++) body[n] = (char)(n * 31 + call * 7 + number);
    memcpy(body, &call, sizeof call);
    memcpy(body + sizeof call, &number, sizeof number);
}

static bool append_note(struct station *s, uint32_t call, uint32_t number, size_t bytes, journal_append_done *done)
{
    if (journal_admit(s->journal, bytes + 4) != JOURNAL_ADMITTED) return false;
    struct note *n = calloc(1, sizeof *n + bytes);
    ensure(n && call < CALLS && number < NOTES);
    *n = (struct note){ .station = s, .call = call, .number = number };
    write_body(n->body, bytes, call, number);
    n->entry = (struct journal_entry){ .type = JOURNAL_WEBHOOK, .provider = 3, .call_key = key_of_call(call),
                                       .workspace_id = call + 1, .received_at_us = number,
                                       .meta = slice_of("meta"), .body = slice_from(n->body, bytes), .done = done };
    journal_append(s->journal, &n->entry);
    s->appended += 1;
    return true;
}

static struct note *acknowledge(struct journal_entry *e)
{
    struct note *n = container_of(e, struct note, entry);
    chronicle->acknowledged[n->call][n->number] = true;
    n->station->durable += 1;
    return n;
}

static void read_note(const struct journal_replayed *r, uint32_t *call, uint32_t *number)
{
    ensure(r->body.length >= 2 * sizeof *call);
    memcpy(call, r->body.start, sizeof *call);
    memcpy(number, r->body.start + sizeof *call, sizeof *number);
    ensure(*call < CALLS && *number < NOTES);
    char *expected = malloc(r->body.length);
    write_body(expected, r->body.length, *call, *number);
    ensure(slice_equal(r->body, slice_from(expected, r->body.length)) && slice_equal(r->meta, slice_of("meta")));
    ensure(hash128_equal(r->call_key, key_of_call(*call)) && r->workspace_id == *call + 1 && r->received_at_us == *number && r->provider == 3);
    free(expected);
}

/* Reads all that is to be replayed, each call's notes in their order. */
static void replay_all(struct life *l)
{
    forget_replayed();
    uint32_t next[CALLS] = {}, call, number;
    for (struct journal_replayed r; journal_recovery_next(l->recovery, &r);) {
        read_note(&r, &call, &number);
        ensure(number >= next[call]);
        next[call] = number + 1;
        chronicle->replayed[call][number] += 1;
    }
}

static uint32_t replayed_count(void)
{
    uint32_t count = 0;
    for (uint32_t call = 0; call < CALLS; call++)
        for (uint32_t n = 0; n < NOTES; n++) count += chronicle->replayed[call][n];
    return count;
}

/* -- a life, inside the child -- */

static void note_counters(const struct journal_counters *c)
{
    chronicle->batches = counter_read(&c->batches);
    chronicle->segments_reused = counter_read(&c->segments_reused);
    chronicle->segments_used = (uint64_t)gauge_read(&c->segments_used);
}

static void rest(struct station *s)
{
    if (s->shard->index == 0) note_counters(journal_counters(s->journal));
    if (atomic_fetch_sub(&s->life->awake, 1) == 1) shard_group_stop(&s->life->group);
}

static void first_turn(struct task *t)
{
    struct station *s = container_of(t, struct station, first_turn);
    s->life->begin(s);
}

static bool start_station(struct shard *shard, void *context)
{
    struct life *l = context;
    struct station *s = &l->stations[shard->index];
    struct journal_config c = { .directory = l->directory, .segment_bytes = l->segment_bytes, .segments_max = l->segments_max,
                                .sync_extra_us = l->sync_extra_us, .worker = l->worker, .recovery = l->recovery };
    *s = (struct station){ .life = l, .shard = shard, .first_turn = { .run = first_turn } };
    shard->resident = s;
    s->journal = journal_open(shard, &c, &chronicle->refusal);
    if (s->journal) shard_make_ready(shard, &s->first_turn);
    return s->journal != nullptr;
}

static void finish_station(struct shard *shard)
{
    struct station *s = shard->resident;
    if (s->journal) journal_close(s->journal);
}

static bool run_life(struct life *l)
{
    struct journal_config c = { .directory = l->directory, .segment_bytes = l->segment_bytes, .segments_max = l->segments_max };
    l->recovery = journal_recover(&c, &l->report, &chronicle->refusal);
    chronicle->report = l->report;
    if (!l->recovery) return false;
    if (l->replay) l->replay(l);
    if (l->begin) {
        struct shard_config s = { .io = { .entries = 64, .receive_buffers = 8, .receive_buffer_bytes = 4096 },
                                  .start = start_station, .finish = finish_station, .context = l };
        l->awake = l->shards;
        l->worker = worker_start(&l->group);
        ensure(l->worker);
        struct io_refusal why;
        bool started = shard_group_start(&l->group, l->shards, &s, &why);
        if (started) shard_group_join(&l->group);
        worker_stop(l->worker);
        if (!started) return false;
    }
    journal_recovery_close(l->recovery);
    return true;
}

/* -- a life, from outside -- */

enum ending { ENDED, GAVE_UP, REFUSED, KILLED }; /* a life's exit status, but for the last; giving up is process_give_up() */

static pid_t begin_life_of(struct life *l)
{
    fflush(nullptr);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid > 0) return pid;
    _exit(run_life(l) ? ENDED : REFUSED);
}

static enum ending ending_of(pid_t pid)
{
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) return KILLED;
    assert_true(WIFEXITED(status));
    assert_true(WEXITSTATUS(status) <= REFUSED); /* else: ensure() or a sanitizer; it has said why */
    return (enum ending)WEXITSTATUS(status);
}

static enum ending live(struct life l) { return ending_of(begin_life_of(&l)); }

/* -- a directory per test -- */

static char directory[64];

static void remove_all(void)
{
    DIR *d = opendir(directory);
    for (struct dirent *e; d && (e = readdir(d));)
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0) unlinkat(dirfd(d), e->d_name, 0);
    if (d) closedir(d);
    rmdir(directory);
}

static int set_up(void **)
{
    chronicle = mmap(nullptr, sizeof *chronicle, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    const char *under = getenv("TMPDIR");
    snprintf(directory, sizeof directory, "%.40s/journal-XXXXXX", under ? under : "/tmp");
    return chronicle == MAP_FAILED || !mkdtemp(directory) ? -1 : 0;
}

static int tear_down(void **)
{
    remove_all();
    return munmap(chronicle, sizeof *chronicle);
}

static struct life small_life(void (*begin)(struct station *s), void (*replay)(struct life *l))
{
    return (struct life){ .directory = directory, .shards = 1, .segment_bytes = 64 * 1024, .segments_max = 8, .begin = begin, .replay = replay };
}
