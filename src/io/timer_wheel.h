#pragma once
/* io/timer_wheel.h: all deadlines of one shard, in user space: hierarchical wheel, 1 ms ticks, start and stop in O(1).
 * A timer is embedded in its owner and must be stopped before the owner dies. It fires on the shard's thread, never early,
 * and at most one tick plus one turn late. No system call: the loop waits until timer_wheel_next(). */
#include <stdint.h>
#include "base/list.h"

struct timer;
typedef void timer_fired(struct timer *t);
struct timer { struct list_node node; uint64_t at_us; timer_fired *fired; }; /* on a wheel list exactly while it runs */

enum { TIMER_LEVELS = 6, TIMER_SLOTS = 64 };
struct timer_wheel {
    uint32_t    magic;
    uint64_t    tick;  /* of 1,024 µs; everything before it has fired */
    uint32_t    running;
    uint64_t    occupied[TIMER_LEVELS]; /* one bit a slot */
    struct list slots[TIMER_LEVELS][TIMER_SLOTS];
};

void timer_wheel_init(struct timer_wheel *w, uint64_t now_us);
void timer_start(struct timer_wheel *w, struct timer *t, uint64_t at_us, timer_fired *fired); /* not running yet; a past instant fires in the next turn */
void timer_stop(struct timer_wheel *w, struct timer *t);                                      /* running or not */
static inline bool timer_is_running(const struct timer *t) { return list_node_is_linked(&t->node); }
uint32_t timer_wheel_advance(struct timer_wheel *w, uint64_t now_us);        /* fires what is due; how many */
[[nodiscard]] uint64_t timer_wheel_next(const struct timer_wheel *w);        /* when to look again, µs; UINT64_MAX: nothing runs. May be early, never late */
