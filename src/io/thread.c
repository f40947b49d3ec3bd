#include "io/thread.h"
#include <sched.h>
#include <signal.h>
#include <unistd.h>
#include "base/ensure.h"

thread_local void *thread_resident;

static void *run(void *thread)
{
    struct thread *t = thread;
    t->main(t->argument);
    return nullptr;
}

bool thread_start(struct thread *t, const char *name, thread_main *main, void *argument)
{
    *t = (struct thread){ .main = main, .argument = argument };
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    bool started = pthread_create(&t->handle, nullptr, run, t) == 0;
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
    if (started) pthread_setname_np(t->handle, name);
    return started;
}

void thread_join(struct thread *t) { ensure(pthread_join(t->handle, nullptr) == 0); }
void thread_yield(void) { sched_yield(); }
void process_give_up(void) { _exit(1); }

void thread_pin(uint16_t index)
{
    cpu_set_t allowed, one;
    if (sched_getaffinity(0, sizeof allowed, &allowed) != 0) return;
    int wanted = index % CPU_COUNT(&allowed), cpu = 0;
    while (!CPU_ISSET(cpu, &allowed) || wanted-- > 0) cpu += 1;
    CPU_ZERO(&one);
    CPU_SET(cpu, &one);
    (void)sched_setaffinity(0, sizeof one, &one);
}

void monitor_init(struct monitor *m)
{
    ensure(pthread_mutex_init(&m->lock, nullptr) == 0);
    ensure(pthread_cond_init(&m->changed, nullptr) == 0);
}

void monitor_deinit(struct monitor *m)
{
    ensure(pthread_cond_destroy(&m->changed) == 0);
    ensure(pthread_mutex_destroy(&m->lock) == 0);
}

void monitor_enter(struct monitor *m) { ensure(pthread_mutex_lock(&m->lock) == 0); }
void monitor_leave(struct monitor *m) { ensure(pthread_mutex_unlock(&m->lock) == 0); }
void monitor_wait(struct monitor *m) { ensure(pthread_cond_wait(&m->changed, &m->lock) == 0); }
void monitor_change(struct monitor *m) { ensure(pthread_cond_broadcast(&m->changed) == 0); }
