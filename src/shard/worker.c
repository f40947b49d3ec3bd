#include "shard/worker.h"
#include "io/doorbell.h"
#include "io/thread.h"

enum { WORKER_MAGIC = 0x776f'7201 };

struct worker {
    uint32_t            magic;
    struct shard_group *group;
    struct inbox        inbox;     /* jobs, by their envelopes */
    int                 doorbell;
    struct thread       thread;
    bool                stopping;  /* the helper's own: the last job has said so */
    struct job          last;      /* given by worker_stop() */
};

static void give(struct worker *w, struct job *j)
{
    if (inbox_push(&w->inbox, &j->envelope)) doorbell_ring(w->doorbell);
}

static void stop_working(struct job *j) { container_of(j, struct worker, last)->stopping = true; }

static void run_job(struct worker *w, struct job *j)
{
    j->work(j);
    if (j != &w->last) envelope_return_from_outside(w->group, &j->envelope);
}

static void worker_main(void *argument)
{
    struct worker *w = argument;
    while (!w->stopping) {
        struct envelope *next;
        for (struct envelope *e = inbox_take_all(&w->inbox); e != nullptr; e = next) {
            next = e->next; /* it goes home in run_job() */
            run_job(w, container_of(e, struct job, envelope));
        }
        if (w->stopping || !inbox_try_sleep(&w->inbox)) continue;
        doorbell_wait(w->doorbell);
        inbox_wake_up(&w->inbox);
    }
}

static void worker_free(struct worker *w)
{
    if (w->doorbell >= 0) doorbell_close(w->doorbell);
    w->magic = 0;
    free(w);
}

struct worker *worker_start(struct shard_group *g)
{
    struct worker *w = aligned_alloc(alignof(struct worker), sizeof *w);
    ensure(w != nullptr);
    *w = (struct worker){ .magic = WORKER_MAGIC, .group = g, .doorbell = doorbell_open() };
    inbox_init(&w->inbox);
    if (w->doorbell >= 0 && thread_start(&w->thread, "worker", worker_main, w)) return w;
    worker_free(w);
    return nullptr;
}

void worker_stop(struct worker *w)
{
    ensure_magic(w, WORKER_MAGIC);
    w->last = (struct job){ .work = stop_working };
    give(w, &w->last);
    thread_join(&w->thread);
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
