#pragma once
/* guard/backoff.h: how long to wait before the next try: base × 2^n, at most max, with up to a quarter taken off by chance, so that a herd
 * which failed together does not come back together. Pure. */
#include <stdint.h>

struct backoff { uint32_t base_ms, max_ms; };
[[nodiscard]] uint32_t backoff_ms(struct backoff b, uint32_t attempt /* 0: the first wait */, uint64_t random);
