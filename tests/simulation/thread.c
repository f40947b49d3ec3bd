/* tests/simulation/thread.c: io/thread.h over fibers: whoever starts a thread gets a fiber of its own process. */
#include "io/thread.h"
#include "base/ensure.h"
#include "process.h"

thread_local void *thread_resident;

bool thread_start(struct thread *t, const char *name, thread_main *main, void *argument)
{
    seam_cross("thread_start");
    if (seam_fails(SEAM_THREAD)) return false;
    t->handle = (pthread_t)fiber_start(process_here(), name, main, argument);
    return true;
}

void thread_join(struct thread *t)
{
    seam_cross("thread_join");
    struct fiber *f = (struct fiber *)t->handle;
    f->joiner = fiber_here();
    while (!fiber_is_over(f)) fiber_wait();
    fiber_free(f);
}

void thread_yield(void)
{
    seam_cross("thread_yield");
    fiber_yield();
}

void thread_pin(uint16_t) {}

/* Nobody else runs between two waits, so a monitor is always free; only the wait itself is one. */
void monitor_init(struct monitor *) {}
void monitor_deinit(struct monitor *) {}
void monitor_enter(struct monitor *) {}
void monitor_leave(struct monitor *) {}

void monitor_wait(struct monitor *m)
{
    seam_cross("monitor_wait");
    fiber_here()->waits_for = m;
    fiber_wait();
    fiber_here()->waits_for = nullptr;
}

void monitor_change(struct monitor *m)
{
    struct process *p = process_here();
    for (struct list_node *n = list_first(&p->fibers); n; n = list_next(&p->fibers, n)) {
        struct fiber *f = container_of(n, struct fiber, node);
        if (f->waits_for == m) fiber_ready(f);
    }
}
