/* tests/simulation/fiber.c: threads that take turns, each on a stack of its own. The scheduler is whoever called kernel_run(): a fiber runs until it waits, and then the
 * scheduler goes on. What a real thread has for itself besides its stack is thread_resident (io/thread.h), so it is exchanged along. */
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>
#include "base/ensure.h"
#include "event.h"
#include "io/thread.h"
#include "process.h"

#if defined(__has_feature) && __has_feature(address_sanitizer)
#include <sanitizer/common_interface_defs.h>
/* A fake stack per fiber would stay behind with every one that is killed; and what a killed process leaves in libraries is no leak of ours. */
const char *__asan_default_options(void);
const char *__asan_default_options(void) { return "detect_stack_use_after_return=0:detect_leaks=0"; }
#else
static void __sanitizer_start_switch_fiber(void **, const void *, size_t) {}
static void __sanitizer_finish_switch_fiber(void *, const void **, size_t *) {}
#endif

static struct fiber *here;
static struct fiber *ready[FIBERS_MAX];
static uint32_t      ready_count;
static jmp_buf       scheduler;
static void         *scheduler_sanitizer;
static const void   *scheduler_stack;
static size_t        scheduler_stack_bytes;
static char         *free_stacks[FIBERS_MAX]; /* of fibers that are gone */
static uint32_t      free_stack_count;

struct fiber *fiber_here(void) { return here; }
bool fiber_is_over(const struct fiber *f) { return f->state == FIBER_OVER; }

/* -- stacks: with a page below that nobody may touch -- */

static constexpr size_t guard_bytes = 4096;

static char *stack_acquire(void)
{
    if (free_stack_count > 0) return free_stacks[--free_stack_count];
    char *memory = mmap(nullptr, guard_bytes + FIBER_STACK_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    ensure(memory != MAP_FAILED && mprotect(memory, guard_bytes, PROT_NONE) == 0);
    return memory + guard_bytes;
}

static void stack_release(char *stack)
{
    ensure(free_stack_count < FIBERS_MAX);
    free_stacks[free_stack_count++] = stack;
}

/* -- switching -- */

static void set_ready(struct fiber *f)
{
    ensure(ready_count < FIBERS_MAX);
    f->state = FIBER_READY;
    f->place = ready_count;
    ready[ready_count++] = f;
}

static void unset_ready(struct fiber *f)
{
    ensure(ready[f->place] == f);
    ready[f->place] = ready[--ready_count];
    ready[f->place]->place = f->place;
}

/* To the scheduler, in the state that the fiber has now. */
static void leave(bool for_ever)
{
    struct fiber *f = here;
    f->resident = thread_resident;
    __sanitizer_start_switch_fiber(for_ever ? nullptr : &f->sanitizer, scheduler_stack, scheduler_stack_bytes);
    if (_setjmp(f->left_at) == 0) _longjmp(scheduler, 1);
    __sanitizer_finish_switch_fiber(f->sanitizer, nullptr, nullptr);
}

static void begin(void)
{
    __sanitizer_finish_switch_fiber(nullptr, &scheduler_stack, &scheduler_stack_bytes);
    struct fiber *f = here;
    f->main(f->argument);
    f->state = FIBER_OVER;
    if (f->joiner) fiber_ready(f->joiner);
    leave(true);
    ensure(false); /* nobody goes on with what is over */
}

/* swapcontext() would ask the kernel for the signal mask at every switch: it is needed for the first step on a new stack alone. */
[[noreturn]] static void go_on(struct fiber *f)
{
    if (f->has_begun) _longjmp(f->left_at, 1);
    f->has_begun = true;
    setcontext(&f->beginning);
    abort();
}

static void enter(struct fiber *f)
{
    ensure(here == nullptr);
    here = f;
    f->state = FIBER_RUNNING;
    thread_resident = f->resident;
    __sanitizer_start_switch_fiber(&scheduler_sanitizer, f->stack, FIBER_STACK_BYTES);
    if (_setjmp(scheduler) == 0) go_on(f);
    __sanitizer_finish_switch_fiber(scheduler_sanitizer, nullptr, nullptr);
    thread_resident = nullptr;
    here = nullptr;
}

/* -- their life -- */

struct fiber *fiber_start(struct process *p, const char *name, fiber_main *main, void *argument)
{
    struct fiber *f = calloc(1, sizeof *f);
    ensure(f != nullptr);
    f->process = p;
    f->main = main;
    f->argument = argument;
    f->stack = stack_acquire();
    snprintf(f->name, sizeof f->name, "%s", name);
    ensure(getcontext(&f->beginning) == 0);
    f->beginning.uc_stack = (stack_t){ .ss_sp = f->stack, .ss_size = FIBER_STACK_BYTES };
    makecontext(&f->beginning, begin, 0);
    list_push_back(&p->fibers, &f->node);
    set_ready(f);
    return f;
}

void fiber_free(struct fiber *f)
{
    ensure(f != here);
    if (f->state == FIBER_READY) unset_ready(f);
    event_cancel(&f->resumes);
    list_remove(&f->process->fibers, &f->node);
    stack_release(f->stack);
    free(f);
}

void fiber_ready(struct fiber *f)
{
    if (f->state == FIBER_RUNNING) f->was_woken = true;
    if (f->state == FIBER_WAITING) set_ready(f);
}

void fiber_wait(void)
{
    ensure(here != nullptr);
    if (here->was_woken) {
        here->was_woken = false;
        fiber_yield();
        return;
    }
    here->state = FIBER_WAITING;
    leave(false);
    here->was_woken = false;
}

void fiber_yield(void)
{
    ensure(here != nullptr);
    set_ready(here);
    leave(false);
}

void fiber_leave_for_ever(void)
{
    here->state = FIBER_OVER;
    leave(true);
    abort();
}

void fiber_unpark(struct process *p)
{
    for (struct list_node *n = list_first(&p->fibers); n; n = list_next(&p->fibers, n)) {
        struct fiber *f = container_of(n, struct fiber, node);
        if (f->state == FIBER_PARKED) set_ready(f);
    }
}

/* -- turns -- */

static double   stalls_per_step;
static uint64_t stalls_counted;

void fibers_stall(double per_step) { stalls_per_step = per_step; }
uint64_t fibers_stalled(void) { return stalls_counted; }

static void resumed(struct event *e) { set_ready(container_of(e, struct fiber, resumes)); }

/* Then what the others have done meanwhile finds it in the state that it had. */
static bool stalls(struct fiber *f)
{
    if (!dice_happens(DIE_STALLS, stalls_per_step)) return false;
    uint64_t for_us = dice_between(DIE_STALLS, 500, 30'000);
    f->state = FIBER_STALLED;
    stalls_counted += 1;
    event_schedule(&f->resumes, world_now_us() + (dice_happens(DIE_STALLS, 0.1) ? 10 * for_us : for_us), resumed);
    return true;
}

/* A stretch of a real thread takes microseconds; now and then something else has its processor for a while. */
static uint64_t stretch_us(void)
{
    return dice_happens(DIE_SCHEDULE, 0.0005) ? dice_between(DIE_SCHEDULE, 1'000, 30'000) : dice_between(DIE_SCHEDULE, 1, 15);
}

struct fiber *fiber_run_one(void)
{
    while (ready_count > 0) {
        struct fiber *f = ready[prng_below(dice(DIE_SCHEDULE), ready_count)];
        unset_ready(f);
        if (f->process->frozen_until_us > world_now_us()) {
            f->state = FIBER_PARKED;
            continue;
        }
        if (stalls(f)) continue;
        enter(f);
        world_advance(world_now_us() + stretch_us());
        return f;
    }
    return nullptr;
}
