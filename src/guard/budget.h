#pragma once
/* guard/budget.h: how many requests one Cal.com credential may still send, so that the limit is never overshot (repeated overshoot gets the whole
 * account locked until support unlocks it). A sliding window of send times, exact: at most `requests_per_window` in any `window_ms`.
 * Low-value requests stop earlier, so that bookings and the look-ups that settle them always find room. Owned by the shard of the credential. */
#include <stdint.h>

enum budget_priority : uint8_t { BUDGET_BOOKING, BUDGET_SETTLE /* look-ups of unknown outcomes, cancels */, BUDGET_CHECK /* slots for a caller */, BUDGET_SYNC, BUDGET_PRIORITIES };

enum { BUDGET_REQUESTS_MAX = 1024 };
struct budget_config { uint32_t requests_per_window, window_ms, reserve[BUDGET_PRIORITIES]; /* how much must stay free for the ones above */ };
struct budget {
    struct budget_config config;
    uint64_t sent_at_us[BUDGET_REQUESTS_MAX]; /* ring of the last sends */
    uint32_t first, count;
    uint64_t blocked_until_us;                /* the provider said 429 */
};
void budget_init(struct budget *b, struct budget_config config);
[[nodiscard]] struct budget_config budget_config_default(void); /* 110 of Cal.com's 120 per 60 s */
/* true: counted as sent now. false: *retry_at_us says when to ask again. */
[[nodiscard]] bool budget_take(struct budget *b, enum budget_priority p, uint64_t now_us, uint64_t *retry_at_us);
void budget_block(struct budget *b, uint64_t until_us); /* 429: nothing at all until then; never shortens a block */
[[nodiscard]] uint32_t budget_left(const struct budget *b, uint64_t now_us);
