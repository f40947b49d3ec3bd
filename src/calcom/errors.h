#pragma once
/* calcom/errors.h: what an answer that is no success means: a table of Cal.com's own words, status first. Of this folder only. Pure. */
#include "base/heap.h"
#include "calcom/calcom.h"

struct calcom_judgement { enum calcom_outcome outcome; enum calcom_refusal refusal; const char *message; /* static text of ours */ };

/* `status`: any that is not 2xx. `answer`: whatever came with it, also nothing or HTML. Error bodies echo what was sent, personal data included: nothing of
 * them leaves this function. */
[[nodiscard]] struct calcom_judgement calcom_judge(enum calcom_question q, uint16_t status, struct slice answer, struct heap *heap);

/* How long a 429 keeps the account silent. Retry-After (seconds or a date), else X-RateLimit-Reset-Default (seconds or an epoch), else a minute: Cal.com's own
 * block. Between 1 s and 10 min; what is negative or unreadable counts as absent. Dates are counted from the answer's own Date, since clocks differ. */
struct calcom_rate_headers { struct slice retry_after, reset, date, remaining, limit; };
[[nodiscard]] uint64_t calcom_block_us(struct calcom_rate_headers h, int64_t wall_us);

/* What the answer says of the key's minute: so many requests are left of it, and it ends in so long (at most a minute, whatever is said). false: it does not
 * say both, in numbers. */
struct calcom_minute { uint32_t left, limit; uint64_t ends_in_us; }; /* limit: of a whole minute; 0: it does not say */
[[nodiscard]] bool calcom_read_minute(struct calcom_rate_headers h, int64_t wall_us, struct calcom_minute *m);
