#pragma once
/* guard/budget.h: how many requests one credential may still send, so that the provider's limit is never overshot: Cal.com locks the whole
 * account after repeated overshoot, until its support unlocks it.
 *
 * An exact sliding window of send times: at most `requests_per_window` in any `window_ms`. Requests of little value stop earlier, so that
 * bookings, and above all the look-ups that settle them, always find room. One budget per credential, owned by the shard where the
 * credential lives: not shared, not locked. It keeps no clock: the caller says what time it is (microseconds of a clock that never goes back).
 *
 * It lives in memory, and is not alone: the life before this one, another engine or another program may have sent with the same key. So the
 * provider's own count is listened to. What it has counted beyond ours is counted as if we had sent it; no answer ever makes room. And until the
 * first answer is there, nothing is known: one request at a time goes out, to ask.
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
    uint32_t probe_ms; /* until something was heard: how long a request without an answer keeps the next one waiting. 0: trusts its own count at once */
    uint32_t reserve_percent[BUDGET_PRIORITIES]; /* how much of it this priority leaves free for the others; under 100, so each may send in the end */
};

struct budget {
    struct budget_config config;
    uint32_t limit;                           /* a window's requests: as configured, or fewer, see budget_cap() */
    uint64_t sent_at_us[BUDGET_REQUESTS_MAX]; /* ring of the sends within the window, oldest at `first` */
    uint32_t first, count;
    uint64_t blocked_until_us;                /* the provider said 429 */
    bool     heard;                           /* from the provider, since it was made */
    uint64_t probe_until_us;                  /* not heard: a request is out to ask */
};

void budget_init(struct budget *b, struct budget_config config);
/* 110 of Cal.com's 120 per 60 s, counted over 65 s: a request is counted when it is let go, and may wait 3 s for its connection and some on the
 * way; counted over 60 s, a late burst and a prompt one could meet in one minute of theirs. */
[[nodiscard]] struct budget_config budget_config_default(void);

/* true: counted as sent now. false: *retry_at_us says when to ask again; others may have been first then. */
[[nodiscard]] bool budget_take(struct budget *b, enum budget_priority p, uint64_t now_us, uint64_t *retry_at_us);
/* The provider allows so many in a window at all. Where that is fewer than were configured, the reserves, and what others have sent, are reckoned from these. */
void budget_cap(struct budget *b, uint32_t requests);
void budget_block(struct budget *b, uint64_t until_us); /* 429: nothing at all until then; never shortens a block */
/* An answer: `left` more may be sent in a window that began at `since_us` (no later than now), so the newest of ours are no older than that, and what
 * is missing was sent by others. BUDGET_UNTOLD: an answer that does not say; our own count is all there is. */
void budget_learn(struct budget *b, uint32_t left, uint64_t since_us);
enum : uint32_t { BUDGET_UNTOLD = UINT32_MAX };
/* What was let go has never left, or never reached who counts: if it was to ask, the next may ask at once. It stays counted. */
void budget_ask_again(struct budget *b);
[[nodiscard]] uint32_t budget_left(const struct budget *b, uint64_t now_us); /* for the priority that reserves least; 0 while blocked */
