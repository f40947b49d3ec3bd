#pragma once
/* The run as it was decided before it began: when each event of each call is to be sent, and what it says. Nothing the engine does changes it
 * (open loop): a late answer delays no later request, so a slow engine cannot hide behind a client that waits for it.
 *
 * Call i begins at i / rate; its end follows calls / rate seconds later, its analysis a little after that. So each of the three streams of events is in
 * order of i, and three cursors walk the plan. What became of each event is noted beside it, by the lane whose call it is.
 */
#include <stdint.h>
#include "base/slice.h"
#include "options.h"
#include "sim/call_script.h"

struct planned_call {
    uint8_t acknowledged, given_up; /* bit per call_event */
    int32_t slot;                   /* index of its slot; -1: books nothing */
};
struct planned_slot { char date[11], time[6]; uint16_t number; /* index of the called number */ };

enum { NUMBERS_MAX = 64 };
struct load_plan {
    const struct load_options *options;
    struct planned_call *calls;
    uint64_t             call_count;
    uint64_t             run;             /* 44 bits in every call id of this run */
    uint64_t             interval_ns, talk_us, analysis_us;
    struct slice         numbers[NUMBERS_MAX];
    uint32_t             number_count;
    struct planned_slot *slots;
    uint32_t             slot_count;
    uint64_t             bookings, bookings_without_slot;
};

struct plan_error { char text[256]; };
[[nodiscard]] bool plan_make(struct load_plan *p, const struct load_options *o, struct plan_error *error);
void plan_free(struct load_plan *p);

[[nodiscard]] uint64_t plan_due_us(const struct load_plan *p, uint64_t call, enum call_event e); /* since the beginning */
[[nodiscard]] uint32_t plan_number_of(const struct load_plan *p, uint64_t call);
void plan_print_call_id(const struct load_plan *p, uint64_t call, char id[CALL_ID_BYTES + 1]);
void plan_print_run(const struct load_plan *p, char prefix[17]); /* what every call id of this run begins with */
/* A number of its own for every call, in a block where nobody lives (+49 151 …). */
void plan_print_caller(uint64_t call, char number[16]);
/* 0 … count - 1, the same in every run of the seed. */
[[nodiscard]] uint32_t plan_choice(const struct load_plan *p, uint64_t call, uint32_t salt, uint32_t count);
