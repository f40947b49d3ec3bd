#pragma once
/* bench/rounds.h: how long a small pure function takes, beside what it is compared with. The two take turns, a round each, so what else happens on the
 * machine meets both; the median round counts. */
#include <stdlib.h>
#include "base/clock.h"

enum { ROUNDS = 7, ROUND_US = 60'000 };

static inline double round_ns(void (*run)(void *context), void *context)
{
    uint64_t begun_us = clock_monotonic_us(), count = 0, now_us;
    do {
        for (int n = 0; n < 16; n++) run(context);
        count += 16;
        now_us = clock_monotonic_us();
    } while (now_us - begun_us < ROUND_US);
    return (double)(now_us - begun_us) * 1000.0 / (double)count;
}

static inline int compare_doubles(const void *a, const void *b)
{
    double left = *(const double *)a, right = *(const double *)b;
    return (left > right) - (left < right);
}

/* Median nanoseconds of each of `count` functions, the same context for all. */
static inline void measure_ns(void (*const *runs)(void *context), void *context, uint32_t count, double *ns)
{
    double rounds[8][ROUNDS];
    for (int r = 0; r < ROUNDS; r++)
        for (uint32_t n = 0; n < count; n++) rounds[n][r] = round_ns(runs[n], context);
    for (uint32_t n = 0; n < count; n++) {
        qsort(rounds[n], ROUNDS, sizeof(double), compare_doubles);
        ns[n] = rounds[n][ROUNDS / 2];
    }
}
