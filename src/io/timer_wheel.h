#pragma once
/* io/timer_wheel.h: all deadlines of one shard, in user space: hierarchical wheel, ticks of 1,024 µs, start and stop in O(1).
 * A timer is embedded in its owner and must be stopped before the owner dies. It fires on the shard's thread, never early,
 * and at most one tick plus one turn late. No system call: the loop waits until timer_wheel_next().
 *
 * A tick is a number of nine digits to the base 64. A timer stands on the level of the highest digit in which its tick differs from
 * the wheel's, in the slot of that digit. So all timers of a lower level come before all of a higher one, a slot lies always ahead,
 * never a round ahead, and when the wheel reaches a slot its timers differ in a lower digit only: they move down, at last to level 0.
 */
#include <stdint.h>
#include "base/list.h"

struct timer;
typedef void timer_fired(struct timer *t);
struct timer {
    struct list_node node;  /* on a list of the wheel exactly while it runs */
    uint64_t         at_us;
    timer_fired     *fired;
    uint16_t         place; /* which list: level × TIMER_SLOTS + slot, or TIMER_DUE */
};

enum { TIMER_LEVELS = 9, TIMER_SLOTS = 64, TIMER_DUE = TIMER_LEVELS * TIMER_SLOTS };
struct timer_wheel {
    uint32_t    magic;
    uint32_t    running;
    uint64_t    now_us; /* of the last advance */
    uint64_t    tick;   /* now_us in ticks: everything before it has fired */
    uint64_t    occupied[TIMER_LEVELS]; /* one bit a slot */
    struct list slots[TIMER_LEVELS][TIMER_SLOTS];
    struct list due;   /* reached in this advance, not yet called */
};

void timer_wheel_init(struct timer_wheel *w, uint64_t now_us);
/* Not running yet. A past instant fires in the next advance, never in the one that is under way: a timer that restarts itself does not
 * hold up the turn. */
void timer_start(struct timer_wheel *w, struct timer *t, uint64_t at_us, timer_fired *fired);
void timer_stop(struct timer_wheel *w, struct timer *t); /* running or not; also from another timer's `fired` */
static inline bool timer_is_running(const struct timer *t) { return list_node_is_linked(&t->node); }
uint32_t timer_wheel_advance(struct timer_wheel *w, uint64_t now_us);        /* fires what is due; how many */
[[nodiscard]] uint64_t timer_wheel_next(const struct timer_wheel *w);        /* when to look again, µs; UINT64_MAX: nothing runs. May be early, never late */
