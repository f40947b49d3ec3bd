#pragma once
/* sim/limiter.h: Cal.com's rate limit of one credential: so many requests in 60 s from the first of them; the next one blocks the credential
 * for 60 s. Repeated overshoot locks the account until support unlocks it (here: until reset), where that is switched on.
 *
 *     OPEN ── over the limit ──► BLOCKED ── 60 s ──► OPEN          BLOCKED for the n-th time ──► LOCKED
 *
 * A pure state machine over the caller's clock (microseconds). */
#include <stdint.h>

constexpr uint64_t limiter_window_us = 60'000'000, limiter_block_us = 60'000'000;

enum limiter_state : uint8_t { LIMITER_OPEN, LIMITER_BLOCKED, LIMITER_LOCKED };

struct limiter {
    uint32_t           limit;                 /* requests per window, ≥ 1 */
    uint32_t           lock_after_overshoots; /* 0: never */
    enum limiter_state state;
    uint32_t           used, overshoots;
    uint64_t           window_began_at_us, blocked_until_us;
};

struct limiter_answer { enum limiter_state state; uint32_t limit, remaining, reset_after_s; };

void limiter_init(struct limiter *l, uint32_t limit, uint32_t lock_after_overshoots);
/* Counts one request. OPEN in the answer: it is served. */
[[nodiscard]] struct limiter_answer limiter_ask(struct limiter *l, uint64_t now_us);
void limiter_block(struct limiter *l, uint64_t now_us); /* as if it had just been overshot: a burst of 429 on demand */
void limiter_lock(struct limiter *l);
