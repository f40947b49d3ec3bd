#include "sim/limiter.h"
#include "base/ensure.h"

void limiter_init(struct limiter *l, uint32_t limit, uint32_t lock_after_overshoots)
{
    ensure(limit >= 1);
    *l = (struct limiter){ .limit = limit, .lock_after_overshoots = lock_after_overshoots };
}

void limiter_lock(struct limiter *l) { l->state = LIMITER_LOCKED; }

void limiter_block(struct limiter *l, uint64_t now_us)
{
    l->overshoots += 1;
    l->blocked_until_us = now_us + limiter_block_us;
    l->state = l->lock_after_overshoots && l->overshoots >= l->lock_after_overshoots ? LIMITER_LOCKED : LIMITER_BLOCKED;
}

static void open_window(struct limiter *l, uint64_t now_us)
{
    l->state = LIMITER_OPEN;
    l->used = 0;
    l->window_began_at_us = now_us;
}

static uint32_t seconds_until(uint64_t at_us, uint64_t now_us)
{
    return at_us > now_us ? (uint32_t)((at_us - now_us + 999'999) / 1'000'000) : 0;
}

static uint32_t reset_after_s(const struct limiter *l, uint64_t now_us)
{
    switch (l->state) {
    case LIMITER_OPEN:    return seconds_until(l->window_began_at_us + limiter_window_us, now_us);
    case LIMITER_BLOCKED: return seconds_until(l->blocked_until_us, now_us);
    case LIMITER_LOCKED:  return limiter_block_us / 1'000'000;
    }
    ensure(false);
}

struct limiter_answer limiter_ask(struct limiter *l, uint64_t now_us)
{
    if (l->state == LIMITER_BLOCKED && now_us >= l->blocked_until_us) open_window(l, now_us);
    if (l->state == LIMITER_OPEN) {
        if (l->used == 0 || now_us - l->window_began_at_us >= limiter_window_us) open_window(l, now_us);
        if (l->used == l->limit) limiter_block(l, now_us);
        else l->used += 1;
    }
    return (struct limiter_answer){ .state = l->state,
                                    .limit = l->limit,
                                    .remaining = l->state == LIMITER_OPEN ? l->limit - l->used : 0,
                                    .reset_after_s = reset_after_s(l, now_us) };
}
