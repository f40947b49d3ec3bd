#include "guard/backoff.h"
#include "base/ensure.h"

uint32_t backoff_ms(struct backoff b, uint32_t attempt, uint64_t random)
{
    ensure(b.base_ms >= 1 && b.base_ms <= b.max_ms);
    uint64_t wait_ms = attempt < 32 ? (uint64_t)b.base_ms << attempt : b.max_ms; /* 32 bits shifted by 31 fit in 64 */
    if (wait_ms > b.max_ms) wait_ms = b.max_ms;
    return (uint32_t)(wait_ms - random % (wait_ms / 4 + 1));
}
