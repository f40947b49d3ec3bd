#include "kernel.h"
#include "base/ensure.h"

static struct prng streams[DIE_COUNT];

void dice_seed(uint64_t seed)
{
    struct prng first = { seed };
    for (enum die d = 0; d < DIE_COUNT; d++) streams[d].state = prng_next(&first);
}

struct prng *dice(enum die d) { return &streams[d]; }

uint64_t dice_between(enum die d, uint64_t least, uint64_t most)
{
    ensure(least <= most);
    return least + prng_below(&streams[d], most - least + 1);
}

bool dice_happens(enum die d, double probability) { return probability > 0 && prng_happens(&streams[d], probability); }

uint64_t dice_delay_us(enum die d, uint64_t usual_us)
{
    uint64_t delay_us = dice_between(d, usual_us / 2, usual_us + usual_us / 2);
    while (dice_happens(d, 0.05) && delay_us < 100 * usual_us) delay_us *= 4;
    return delay_us;
}
