#include "io/timer_wheel.h"

enum { WHEEL_MAGIC = 0x7731'4c01, DIGIT_BITS = 6, TICK_BITS = 10 };
static_assert(TIMER_SLOTS == 1 << DIGIT_BITS);
static_assert(TIMER_LEVELS * DIGIT_BITS + TICK_BITS == 64); /* every instant of a uint64_t has its place: nothing lies beyond the wheel */

static constexpr uint64_t tick_max = (UINT64_C(1) << (TIMER_LEVELS * DIGIT_BITS)) - 1;

static uint32_t digit_of(uint64_t tick, uint32_t level) { return tick >> (level * DIGIT_BITS) & (TIMER_SLOTS - 1); }

/* The first tick that begins at or after the instant: a timer waits for it, so it is never early. */
static uint64_t tick_not_before(uint64_t at_us)
{
    uint64_t tick = at_us >> TICK_BITS;
    bool begins_there = tick << TICK_BITS == at_us;
    return begins_there || tick == tick_max ? tick : tick + 1;
}

static uint32_t level_of(uint64_t now, uint64_t then)
{
    uint64_t differing = now ^ then;
    return differing == 0 ? 0 : (63 - (uint32_t)__builtin_clzll(differing)) / DIGIT_BITS;
}

static struct list *list_at(struct timer_wheel *w, uint16_t place)
{
    return place == TIMER_DUE ? &w->due : &w->slots[place / TIMER_SLOTS][place % TIMER_SLOTS];
}

static void put(struct timer_wheel *w, struct timer *t)
{
    uint64_t tick = t->at_us <= w->now_us ? w->tick : tick_not_before(t->at_us);
    uint32_t level = level_of(w->tick, tick);
    uint32_t slot = digit_of(tick, level);
    w->occupied[level] |= UINT64_C(1) << slot;
    t->place = (uint16_t)(level * TIMER_SLOTS + slot);
    list_push_back(list_at(w, t->place), &t->node);
}

static void take(struct timer_wheel *w, struct timer *t)
{
    struct list *l = list_at(w, t->place);
    list_remove(l, &t->node);
    if (t->place != TIMER_DUE && list_is_empty(l)) w->occupied[t->place / TIMER_SLOTS] &= ~(UINT64_C(1) << t->place % TIMER_SLOTS);
}

void timer_wheel_init(struct timer_wheel *w, uint64_t now_us)
{
    *w = (struct timer_wheel){ .magic = WHEEL_MAGIC, .now_us = now_us, .tick = now_us >> TICK_BITS };
    for (uint32_t level = 0; level < TIMER_LEVELS; level++)
        for (uint32_t slot = 0; slot < TIMER_SLOTS; slot++) list_init(&w->slots[level][slot]);
    list_init(&w->due);
}

void timer_start(struct timer_wheel *w, struct timer *t, uint64_t at_us, timer_fired *fired)
{
    ensure_magic(w, WHEEL_MAGIC);
    ensure(fired != nullptr && !timer_is_running(t));
    t->at_us = at_us;
    t->fired = fired;
    put(w, t);
    w->running += 1;
}

void timer_stop(struct timer_wheel *w, struct timer *t)
{
    ensure_magic(w, WHEEL_MAGIC);
    if (!timer_is_running(t)) return;
    take(w, t);
    w->running -= 1;
}

/* The nearest occupied slot: where it is and the tick at which it begins. false: nothing runs. */
static bool find_next(const struct timer_wheel *w, uint16_t *place, uint64_t *begins)
{
    for (uint32_t level = 0; level < TIMER_LEVELS; level++) {
        if (w->occupied[level] == 0) continue;
        uint32_t slot = (uint32_t)__builtin_ctzll(w->occupied[level]);
        uint64_t higher_digits = w->tick >> (level * DIGIT_BITS) & ~(uint64_t)(TIMER_SLOTS - 1);
        *place = (uint16_t)(level * TIMER_SLOTS + slot);
        *begins = (higher_digits | slot) << (level * DIGIT_BITS);
        return true;
    }
    return false;
}

/* The wheel stands at the beginning of this slot: its timers are due (level 0), or move to a lower level. */
static void open_slot(struct timer_wheel *w, uint16_t place)
{
    struct list *slot = list_at(w, place);
    for (struct list_node *n = list_first(slot); n != nullptr; n = list_first(slot)) {
        struct timer *t = container_of(n, struct timer, node);
        take(w, t);
        if (place >= TIMER_SLOTS) {
            put(w, t);
            continue;
        }
        t->place = TIMER_DUE;
        list_push_back(&w->due, &t->node);
    }
}

/* Collected first and called afterwards: what a callback starts belongs to the next advance. */
static void collect_due(struct timer_wheel *w, uint64_t target)
{
    uint16_t place;
    uint64_t begins;
    while (find_next(w, &place, &begins) && begins <= target) {
        ensure(begins >= w->tick);
        w->tick = begins;
        open_slot(w, place);
    }
    w->tick = target;
}

uint32_t timer_wheel_advance(struct timer_wheel *w, uint64_t now_us)
{
    ensure_magic(w, WHEEL_MAGIC);
    ensure(list_is_empty(&w->due)); /* not from inside a callback */
    ensure(now_us >= w->now_us);    /* the clock never goes back */
    collect_due(w, now_us >> TICK_BITS);
    w->now_us = now_us; /* only now: put() takes what lies before it for a past instant, and a timer on its way down the levels is none */

    uint32_t fired = 0;
    for (struct list_node *n = list_pop_front(&w->due); n != nullptr; n = list_pop_front(&w->due)) {
        struct timer *t = container_of(n, struct timer, node);
        w->running -= 1;
        fired += 1;
        t->fired(t);
    }
    return fired;
}

uint64_t timer_wheel_next(const struct timer_wheel *w)
{
    ensure_magic(w, WHEEL_MAGIC);
    uint16_t place;
    uint64_t begins;
    return find_next(w, &place, &begins) ? begins << TICK_BITS : UINT64_MAX;
}
