#pragma once
/* sim/prng.h: the simulator's dice (SplitMix64). One seed gives one run: uids, ids and seeded faults come from here, never from the kernel. */
#include <stdint.h>

struct prng { uint64_t state; };

[[nodiscard]] static inline uint64_t prng_next(struct prng *p)
{
    uint64_t z = p->state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

/* 0 … bound - 1. The bias of the modulus is below 2^-40 for the bounds used here. */
[[nodiscard]] static inline uint64_t prng_below(struct prng *p, uint64_t bound) { return prng_next(p) % bound; }

/* True with this probability. */
[[nodiscard]] static inline bool prng_happens(struct prng *p, double probability)
{
    return (double)(prng_next(p) >> 11) * 0x1p-53 < probability;
}
