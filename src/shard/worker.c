#include "shard/worker.h"
#include <signal.h>
#include "shard/wake.h"

enum { WORKER_MAGIC = 0x776f'7201 };

struct worker {
    uint32_t            magic;
    struct shard_group *group;
    struct inbox        inbox;     /* jobs, by their envelopes */
    int                 wake_fd;
    pthread_t           thread;
    bool                stopping;  /* the helper's own: the last job has said so */
    struct job          last;      /* given by worker_stop() */
};

static void give(struct worker *w, struct job *j)
{
    if (inbox_push(&w->inbox, &j->envelope)) wake_ring(w->wake_fd);
}

static void stop_working(struct job *j) { container_of(j, struct worker, last)->stopping = true; }

static void run_job(struct worker *w, struct job *j)
{
    j->work(j);
    if (j != &w->last) envelope_return_from_outside(w->group, &j->envelope);
}

static void *worker_main(void *argument)
{
    struct worker *w = argument;
    while (!w->stopping) {
        struct envelope *next;
        for (struct envelope *e = inbox_take_all(&w->inbox); e != nullptr; e = next) {
            next = e->next; /* it goes home in run_job() */
            run_job(w, container_of(e, struct job, envelope));
        }
        if (w->stopping || !inbox_try_sleep(&w->inbox)) continue;
        wake_wait(w->wake_fd);
        inbox_wake_up(&w->inbox);
    }
    return nullptr;
}

static void worker_free(struct worker *w)
{
    if (w->wake_fd >= 0) wake_close(w->wake_fd);
    w->magic = 0;
    free(w);
}

static bool start_thread(struct worker *w)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before); /* signals are for the thread that waits for them */
    bool started = pthread_create(&w->thread, nullptr, worker_main, w) == 0;
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
    if (started) pthread_setname_np(w->thread, "worker");
    return started;
}

struct worker *worker_start(struct shard_group *g)
{
    struct worker *w = aligned_alloc(alignof(struct worker), sizeof *w);
    ensure(w != nullptr);
    *w = (struct worker){ .magic = WORKER_MAGIC, .group = g, .wake_fd = wake_open() };
    inbox_init(&w->inbox);
    if (w->wake_fd >= 0 && start_thread(w)) return w;
    worker_free(w);
    return nullptr;
}

void worker_stop(struct worker *w)
{
    ensure_magic(w, WORKER_MAGIC);
    w->last = (struct job){ .work = stop_working };
    give(w, &w->last);
    pthread_join(w->thread, nullptr);
    worker_free(w);
}

static void job_came_home(struct shard *, struct envelope *e)
{
    struct job *j = container_of(e, struct job, envelope);
    j->running = false;
    j->done(j);
}

void worker_give(struct worker *w, struct shard *from, struct job *j, void (*work)(struct job *), void (*done)(struct job *))
{
    ensure_magic(w, WORKER_MAGIC);
    ensure(!j->running && work != nullptr && done != nullptr);
    j->work = work;
    j->done = done;
    j->running = true;
    envelope_lend(from, &j->envelope, job_came_home);
    give(w, j);
}
