#pragma once
/* guard/budget.h: how many requests one credential may still send, so that the provider's limit is never overshot: Cal.com locks the whole
 * account after repeated overshoot, until its support unlocks it.
 *
 * An exact sliding window of send times: at most `requests_per_window` in any `window_ms`. Requests of little value stop earlier, so that
 * bookings, and above all the look-ups that settle them, always find room. One budget per credential, owned by the shard where the
 * credential lives: not shared, not locked. It keeps no clock: the caller says what time it is (microseconds of a clock that never goes back).
 */
#include <stdint.h>

enum budget_priority : uint8_t {
    BUDGET_BOOKING,
    BUDGET_SETTLE, /* look-ups of unknown outcomes, cancels: what a booking may leave behind, so it has the last word on the budget */
    BUDGET_CHECK,  /* slots for a caller */
    BUDGET_SYNC,
};
enum { BUDGET_PRIORITIES = BUDGET_SYNC + 1 };

enum { BUDGET_REQUESTS_MAX = 1024 }; /* Cal.com sells limits up to 800 a minute */

struct budget_config {
    uint32_t requests_per_window; /* 1 … BUDGET_REQUESTS_MAX */
    uint32_t window_ms;
    uint32_t reserve_percent[BUDGET_PRIORITIES]; /* how much of it this priority leaves free for the others; under 100, so each may send in the end */
};

struct budget {
    struct budget_config config;
    uint64_t sent_at_us[BUDGET_REQUESTS_MAX]; /* ring of the sends within the window, oldest at `first` */
    uint32_t first, count;
    uint64_t blocked_until_us;                /* the provider said 429 */
};

void budget_init(struct budget *b, struct budget_config config);
/* 110 of Cal.com's 120 per 60 s, counted over 65 s: a request is counted when it is let go, and may wait 3 s for its connection and some on the
 * way; counted over 60 s, a late burst and a prompt one could meet in one minute of theirs. */
[[nodiscard]] struct budget_config budget_config_default(void);

/* true: counted as sent now. false: *retry_at_us says when to ask again; others may have been first then. */
[[nodiscard]] bool budget_take(struct budget *b, enum budget_priority p, uint64_t now_us, uint64_t *retry_at_us);
void budget_block(struct budget *b, uint64_t until_us); /* 429: nothing at all until then; never shortens a block */
[[nodiscard]] uint32_t budget_left(const struct budget *b, uint64_t now_us); /* for the priority that reserves least; 0 while blocked */
