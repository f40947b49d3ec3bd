/* tests/simulation/process.c: processes, their descriptors, where they die, and the loop that runs them all. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/clock.h"
#include "base/ensure.h"
#include "disk.h"
#include "event.h"
#include "io/io.h"
#include "io/thread.h"
#include "process.h"

static struct process *condemned; /* the one whose fiber has just been left for ever */
static uint32_t        processes_started;

struct process *process_here(void) { return fiber_here() ? fiber_here()->process : nullptr; }
struct fiber *process_main(const struct process *p) { return p->main; }
struct disk *process_disk(const struct process *p) { return p->disk; }
bool process_is_over(const struct process *p) { return p->is_over; }
uint64_t seam_count(const struct process *p, enum seam_failure f) { return p->counts[f]; }
uint64_t seam_calls(const struct process *p) { return p->seams; }
struct process_remains process_remains(const struct process *p) { return p->remains; }

struct process *process_start(const char *name, struct disk *disk, fiber_main *main, void *argument)
{
    struct process *p = calloc(1, sizeof *p);
    ensure(p != nullptr);
    snprintf(p->name, sizeof p->name, "%s", name);
    p->number = ++processes_started;
    p->disk = disk;
    list_init(&p->fibers);
    list_init(&p->rings);
    list_init(&p->blocks);
    p->main = fiber_start(p, "main", main, argument);
    trace("%s %u starts", p->name, p->number);
    return p;
}

/* -- the end -- */

static void close_descriptors(struct process *p, bool died)
{
    for (int fd = 0; fd < DESCRIPTORS_MAX; fd++) {
        struct descriptor d = p->descriptors[fd];
        if (d.kind == DESCRIPTOR_FREE) continue;
        p->descriptors[fd] = (struct descriptor){};
        if (d.closed) d.closed(d.object, died);
    }
    p->descriptor_count = 0;
}

/* In this order: who watches an operation forgets it, then the rings, then the stacks and the memory that the operations were in. */
static void bury(struct process *p, bool died)
{
    p->is_over = true;
    event_cancel(&p->thaw);
    close_descriptors(p, died);
    rings_abandon(p);
    if (died && p->disk) disk_crash(p->disk);
    for (struct list_node *n = list_first(&p->fibers); n; n = list_first(&p->fibers)) fiber_free(container_of(n, struct fiber, node));
    memory_free_all(p);
}

void process_kill(struct process *p)
{
    if (p->is_over) return;
    trace("%s %u is killed", p->name, p->number);
    if (process_here() != p) {
        bury(p, true);
        return;
    }
    condemned = p;
    fiber_leave_for_ever();
}

static void end_by_itself(struct process *p)
{
    uint32_t fibers = 0;
    for (struct list_node *n = list_first(&p->fibers); n; n = list_next(&p->fibers, n)) fibers += !fiber_is_over(container_of(n, struct fiber, node));
    p->remains = (struct process_remains){ p->blocks.count, p->block_bytes, p->descriptor_count, p->rings.count, fibers };
    trace("%s %u ends", p->name, p->number);
    bury(p, false);
}

void process_forget(struct process *p)
{
    ensure(p->is_over);
    free(p);
}

static void thaw(struct event *e)
{
    struct process *p = container_of(e, struct process, thaw);
    trace("%s %u goes on", p->name, p->number);
    fiber_unpark(p);
}

void process_freeze(struct process *p, uint64_t until_us)
{
    if (p->is_over) return;
    trace("%s %u is stopped for %lu us", p->name, p->number, (unsigned long)(until_us - world_now_us()));
    p->frozen_until_us = until_us;
    event_cancel(&p->thaw);
    event_schedule(&p->thaw, until_us, thaw);
}

void process_shift_wall(struct process *p, int64_t by_us) { p->wall_shift_us += by_us; }
void process_kill_at_seam(struct process *p, uint64_t nth) { p->dies_at_seam = nth > 0 ? p->seams + nth : 0; }

void process_give_up(void)
{
    trace("gives up");
    process_kill(process_here());
    abort(); /* it does not return to those who are dead */
}

/* -- the loop -- */

static void run_fiber(void)
{
    struct fiber *f = fiber_run_one();
    if (f == nullptr) return;
    if (condemned) {
        struct process *p = condemned;
        condemned = nullptr;
        bury(p, true);
    } else if (f == f->process->main && fiber_is_over(f)) end_by_itself(f->process);
}

static bool is_due(const struct event *e) { return e && e->at_us <= world_now_us(); }

bool kernel_run(uint64_t until_us, bool (*enough)(void *context), void *context)
{
    while (world_now_us() < until_us) {
        if (enough && enough(context)) return true;
        struct event *next = event_first();
        if (is_due(next) && dice_happens(DIE_SCHEDULE, 0.5)) {
            event_happen(next);
            continue;
        }
        uint64_t before_us = world_now_us();
        run_fiber();
        if (world_now_us() > before_us) continue;
        next = event_first(); /* nothing was ready */
        if (next == nullptr) return false;
        if (next->at_us > until_us) break;
        if (next->at_us > world_now_us()) world_advance(next->at_us);
        event_happen(next);
    }
    if (world_now_us() < until_us) world_advance(until_us);
    return true;
}

/* -- the seam -- */

void seam_cross(const char *call)
{
    struct process *p = process_here();
    if (p == nullptr) return;
    p->seams += 1;
    if (p->dies_at_seam != p->seams) return;
    trace("at %s", call);
    process_kill(p);
}

bool seam_fails(enum seam_failure f)
{
    struct process *p = process_here();
    if (p == nullptr) return false;
    p->counts[f] += 1;
    bool fails = p->fails_at[f] == p->counts[f];
    if (fails) trace("failure injected: kind %u, the %lu.", f, (unsigned long)p->counts[f]);
    return fails;
}

void seam_fail_nth(struct process *p, enum seam_failure f, uint64_t nth) { p->fails_at[f] = nth > 0 ? p->counts[f] + nth : 0; }

/* -- descriptors -- */

int descriptor_open_in(struct process *p, enum descriptor_kind kind, void *object, descriptor_closed *closed)
{
    for (int fd = 3; fd < DESCRIPTORS_MAX; fd++) {
        if (p->descriptors[fd].kind != DESCRIPTOR_FREE) continue;
        p->descriptors[fd] = (struct descriptor){ kind, object, closed };
        p->descriptor_count += 1;
        return fd;
    }
    return -1;
}

int descriptor_open(enum descriptor_kind kind, void *object, descriptor_closed *closed)
{
    ensure(process_here() != nullptr);
    return seam_fails(SEAM_DESCRIPTOR) ? -1 : descriptor_open_in(process_here(), kind, object, closed);
}

static struct descriptor *descriptor_at(int fd)
{
    ensure(process_here() != nullptr && fd >= 0 && fd < DESCRIPTORS_MAX);
    return &process_here()->descriptors[fd];
}

void *descriptor_object(int fd, enum descriptor_kind kind)
{
    struct descriptor *d = descriptor_at(fd);
    ensure(d->kind == kind); /* a descriptor that is closed, or somebody else's by now */
    return d->object;
}

void descriptor_close(int fd)
{
    struct descriptor d = *descriptor_at(fd);
    ensure(d.kind != DESCRIPTOR_FREE);
    *descriptor_at(fd) = (struct descriptor){};
    process_here()->descriptor_count -= 1;
    if (d.closed) d.closed(d.object, false);
}

void io_close(int fd)
{
    seam_cross("io_close");
    descriptor_close(fd);
}

/* -- base/clock.h -- */

uint64_t clock_monotonic_us(void) { return world_now_us(); }
int64_t clock_wall_us(void) { return world_wall_us() + (process_here() ? process_here()->wall_shift_us : 0); }
void clock_start_at(int64_t) {}

uint64_t random_u64(void) { return prng_next(dice(DIE_RANDOM)); }

void random_fill(void *bytes, size_t count)
{
    uint8_t *to = bytes;
    for (size_t n = 0; n < count; n++) to[n] = (uint8_t)(random_u64() >> 32);
}
