#pragma once
/* tests/simulation/process.h: inside the kernel: what fibers, memory, descriptors and rings have to do with the process they belong to. */
#include <setjmp.h>
#include <ucontext.h>
#include "kernel.h"

enum { DESCRIPTORS_MAX = 4096, FIBERS_MAX = 256, FIBER_STACK_BYTES = 1 << 20 };

enum fiber_state : uint8_t { FIBER_READY, FIBER_RUNNING, FIBER_WAITING, FIBER_PARKED, FIBER_STALLED, FIBER_OVER }; /* PARKED: ready, but its process is frozen; STALLED: without a processor */

struct fiber {
    struct list_node node;       /* of its process */
    struct process  *process;
    char             name[16];
    enum fiber_state state;
    bool             was_woken;  /* fiber_ready() came while it ran */
    uint32_t         place;      /* in the array of those that are ready */
    fiber_main      *main;
    void            *argument;
    void            *resident;   /* thread_resident, while it does not run */
    const void      *waits_for;  /* a monitor */
    struct fiber    *joiner;
    struct event     resumes;    /* of one that is stalled */
    ucontext_t       beginning;
    jmp_buf          left_at;    /* where it waits */
    bool             has_begun;
    char            *stack;
    void            *sanitizer;  /* AddressSanitizer's idea of the stack that was left */
};

struct descriptor { enum descriptor_kind kind; void *object; descriptor_closed *closed; };

struct process {
    struct list_node  node;
    char              name[16];
    uint32_t          number;
    struct disk      *disk;
    struct list       fibers, rings; /* of struct fiber; of struct io */
    struct fiber     *main;
    struct list       blocks;        /* memory.c */
    uint64_t          block_bytes;
    struct descriptor descriptors[DESCRIPTORS_MAX];
    uint32_t          descriptor_count;
    bool              is_over, is_condemned; /* condemned: to be buried as soon as its stack is left */
    uint64_t          frozen_until_us;
    struct event      thaw;
    int64_t           wall_shift_us;
    uint64_t          seams, dies_at_seam;  /* 0: at none */
    uint64_t          counts[SEAM_FAILURE_COUNT], fails_at[SEAM_FAILURE_COUNT];
    struct process_remains remains;
};

/* fiber.c */
[[nodiscard]] struct fiber *fiber_run_one(void); /* one of the ready ones, chosen by the dice; nullptr: none is ready. Its process may be condemned afterwards */
[[noreturn]] void fiber_leave_for_ever(void);    /* of the fiber that runs: its process is condemned */
void fiber_free(struct fiber *f);                /* not the one that runs */
void fiber_unpark(struct process *p);

/* memory.c */
void memory_free_all(struct process *p);
extern bool (*process_may_abort)(void); /* whether the engine's abort() is the end of a process, and not of the world; nullptr: never */

/* ring.c */
void rings_abandon(struct process *p);
