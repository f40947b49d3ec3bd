#pragma once
/* tests/simulation/kernel.h: the machine that a world runs on: one thread, virtual time, and dice for everything that a real machine leaves open.
 *
 *     event    something that will happen at an instant: a packet arrives, a write reaches the disk, a process is killed
 *     fiber    a thread of a process: its own stack; it runs until it waits, and the dice say who runs next
 *     process  what dies together: fibers, descriptors, memory. What it wrote to a disk or sent into the network lives on
 *     ring     struct io of one shard: operations are started when their shard waits, and completed in an order that the dice choose
 *
 * Time passes only here: a little for every stretch that a fiber runs, and otherwise by jumping to the next event. Every call of the engine that asks something of the
 * machine (io.h, file.h, thread.h, doorbell.h, libpq, admin.h) begins with seam_cross(): there the process may die, which is what "at any instruction that waits" means.
 *
 * One world per run of the program's child: nothing here is ever taken down, except processes.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/list.h"
#include "io/io.h"
#include "sim/prng.h"

/* -- dice: a stream each, so that leaving something out of one does not change what the others throw -- */

enum die : uint8_t { DIE_WORLD, DIE_SCHEDULE, DIE_NETWORK, DIE_DISK, DIE_DATABASE, DIE_CRASHES, DIE_WORKLOAD, DIE_RANDOM, DIE_STALLS, DIE_COUNT };
void dice_seed(uint64_t seed);
[[nodiscard]] struct prng *dice(enum die d);
[[nodiscard]] uint64_t dice_between(enum die d, uint64_t least, uint64_t most); /* both can come */
[[nodiscard]] bool dice_happens(enum die d, double probability);
/* Mostly near `usual_us`, now and then up to a hundred times as long: how delays are. */
[[nodiscard]] uint64_t dice_delay_us(enum die d, uint64_t usual_us);

/* -- events and time -- */

struct event;
typedef void event_happened(struct event *e);
struct event { uint64_t at_us, number; event_happened *happened; uint32_t place; /* in the heap, from 1; 0: not to come */ };
/* Embedded in its owner, which must not die before it has happened or was cancelled. A past instant: next. Equal instants: in the order of scheduling. */
void event_schedule(struct event *e, uint64_t at_us, event_happened *happened);
void event_cancel(struct event *e); /* not to come: nothing happens */
[[nodiscard]] static inline bool event_is_to_come(const struct event *e) { return e->place != 0; }

[[nodiscard]] uint64_t world_now_us(void);  /* monotonic, from the world's beginning + 1,000 s */
[[nodiscard]] int64_t world_wall_us(void);  /* the true one; processes may see it wrong */
void world_set_wall(int64_t at_us);         /* at the beginning */

/* Runs fibers and events until `until_us`, or until `enough` says so (looked at after each step; nullptr: never). false: nothing is left to happen. */
[[nodiscard]] bool kernel_run(uint64_t until_us, bool (*enough)(void *context), void *context);

/* -- fibers -- */

struct process;
struct fiber;
typedef void fiber_main(void *argument);
struct fiber *fiber_start(struct process *p, const char *name, fiber_main *main, void *argument);
[[nodiscard]] struct fiber *fiber_here(void); /* nullptr: the world itself runs (an event) */
[[nodiscard]] bool fiber_is_over(const struct fiber *f);
/* Of the fiber that runs. Waits for fiber_ready(), which may have come already since it last waited; may return for no reason. */
void fiber_wait(void);
void fiber_ready(struct fiber *f); /* from anywhere; already ready or over: nothing happens */
void fiber_yield(void);            /* others may go first */
/* At every step, with this probability: something else has the processor of the one whose turn it is for a while, and all others go on. */
void fibers_stall(double per_step);
[[nodiscard]] uint64_t fibers_stalled(void); /* so often */

/* -- processes -- */

struct disk;
/* `disk` is what file.h sees; nullptr: it has none. The process ends when its main fiber returns; then it must have nothing left: see process_ended. */
struct process *process_start(const char *name, struct disk *disk, fiber_main *main, void *argument);
[[nodiscard]] struct process *process_here(void); /* nullptr: the world itself */
[[nodiscard]] struct fiber *process_main(const struct process *p);
[[nodiscard]] struct disk *process_disk(const struct process *p);
[[nodiscard]] bool process_is_over(const struct process *p); /* killed, or its main has returned */
/* kill -9, now: fibers never run again, descriptors close as the kernel closes them, memory is gone. When it is the one that runs, this does not return. */
void process_kill(struct process *p);
void process_freeze(struct process *p, uint64_t until_us); /* stopped: nothing of it runs until then; what arrives meanwhile waits */
void process_shift_wall(struct process *p, int64_t by_us); /* its wall clock is wrong by this much from now on */
/* Dies at the n-th seam call from now (n ≥ 1). 0: takes it back. */
void process_kill_at_seam(struct process *p, uint64_t nth);
/* What a process that ended by itself has left behind: all 0, or it is a leak. Killed ones have nothing by definition. */
struct process_remains { uint64_t memory_blocks, memory_bytes, descriptors, rings, fibers; };
[[nodiscard]] struct process_remains process_remains(const struct process *p);
void process_forget(struct process *p); /* over: its record goes */

/* -- the seam -- */

/* What can be made to fail: the n-th of its kind in a process. */
#define SEAM_FAILURES(X) X(ALLOCATION) X(RING_OPERATION) X(DATABASE_UNIT) X(DESCRIPTOR) X(THREAD)
#define SEAM_FAILURE_ENUMERATOR(name) SEAM_##name,
enum seam_failure : uint8_t { SEAM_FAILURES(SEAM_FAILURE_ENUMERATOR) SEAM_FAILURE_COUNT };
void seam_cross(const char *call);                           /* outside of processes: nothing */
[[nodiscard]] bool seam_fails(enum seam_failure f);          /* counts one of its kind; true: this one is to fail */
void seam_fail_nth(struct process *p, enum seam_failure f, uint64_t nth); /* from now; 0: none */
[[nodiscard]] uint64_t seam_count(const struct process *p, enum seam_failure f);
[[nodiscard]] uint64_t seam_calls(const struct process *p);

/* -- descriptors: of the process that runs -- */

enum descriptor_kind : uint8_t { DESCRIPTOR_FREE, DESCRIPTOR_BELL, DESCRIPTOR_LISTENER, DESCRIPTOR_SOCKET, DESCRIPTOR_FILE };
/* close: by io_close(), or at the end of the process (died: killed, so nothing of its memory is there any more). */
typedef void descriptor_closed(void *object, bool died);
[[nodiscard]] int descriptor_open(enum descriptor_kind kind, void *object, descriptor_closed *closed); /* -1: out of descriptors, by seam_fails() or for real */
[[nodiscard]] int descriptor_open_in(struct process *p, enum descriptor_kind kind, void *object, descriptor_closed *closed);
[[nodiscard]] void *descriptor_object(int fd, enum descriptor_kind kind); /* stops the world when it is not one of these */
void descriptor_close(int fd); /* no operation of a ring is on it any more: `closed` makes sure */

/* -- rings -- */

/* Every kind of operation: what happens when it reaches the kernel, and when it is to end early. Both run as the world, not as a fiber, in the order in which the
 * shard began them. cancel must lead to a completion, sooner or later: IO_CANCELLED, or what it became before. */
enum ring_kind : uint8_t { RING_ACCEPT, RING_RECEIVE, RING_SEND, RING_CONNECT, RING_POLL, RING_POLL_FOREVER, RING_WRITE_DURABLY, RING_KIND_COUNT };
struct ring_kind_functions { void (*start)(struct io *io, struct io_op *op); void (*cancel)(struct io *io, struct io_op *op); };
void ring_define(enum ring_kind kind, struct ring_kind_functions functions); /* once, by who carries it: socket.c, listener.c, write.c, ring.c, database/ */

void ring_begin(struct io *io, struct io_op *op, enum ring_kind kind, int fd, io_done *done);
/* From events and from start and cancel. The op is no longer the kernel's afterwards, unless result.more. */
void ring_complete(struct io *io, struct io_op *op, struct io_result result);
[[nodiscard]] struct process *ring_process(const struct io *io);
/* A receive buffer of this ring, filled with `count` bytes; false: all are lent (tell IO_NO_BUFFERS). *received says where. */
[[nodiscard]] bool ring_fill_buffer(struct io *io, const char *bytes, uint32_t count, struct io_received *received);
[[nodiscard]] uint32_t ring_buffer_bytes(const struct io *io);

/* -- the story -- */

/* One line of the story, "time process/thread what"; told when tracing, and part of the world's fingerprint in any case: no addresses, no secrets of the machine. */
[[gnu::format(printf, 1, 2)]] void trace(const char *format, ...);
void trace_tell(bool on);
[[nodiscard]] uint64_t trace_fingerprint(void);
void trace_print_last(void); /* the last steps, to stdout: for a failure */

/* A promise was broken: tells which with the last steps, and ends the world with status 1. */
[[noreturn, gnu::format(printf, 2, 3)]] void world_broken(const char *promise, const char *format, ...);
