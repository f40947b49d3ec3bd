#pragma once
/* io/thread.h: threads, and how they meet at a start. Part of the io seam: the simulation runs every thread in one, each on a stack of its own,
 * and lets a seed say who goes on.
 *
 * Signals are for the thread that waits for them: every thread started here has them all blocked. */
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

typedef void thread_main(void *argument);
struct thread { pthread_t handle; thread_main *main; void *argument; };

/* The struct lives until thread_join(). name: 15 characters at most. false: no thread was to be had. */
[[nodiscard]] bool thread_start(struct thread *t, const char *name, thread_main *main, void *argument);
void thread_join(struct thread *t);
void thread_yield(void);
/* This thread to the index-th of the CPUs that we may use, round and round. A machine that will not pin us still runs us. */
void thread_pin(uint16_t index);

/* The end of the whole process, status 1, where only a new start can tell what is true; why has been said before, on stderr. */
[[noreturn]] void process_give_up(void);

/* What this thread runs, where one thread runs one thing: the shard of a shard's thread. */
extern thread_local void *thread_resident;

/* A lock, and the wait for a change of what it guards. */
struct monitor { pthread_mutex_t lock; pthread_cond_t changed; };
void monitor_init(struct monitor *m);
void monitor_deinit(struct monitor *m);
void monitor_enter(struct monitor *m);
void monitor_leave(struct monitor *m);
void monitor_wait(struct monitor *m);   /* entered: leaves it, waits for monitor_change(), enters again; also for no reason */
void monitor_change(struct monitor *m); /* entered: whoever waits looks again */
