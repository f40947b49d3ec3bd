#include "base/clock.h"
#include <errno.h>
#include <sys/random.h>
#include <time.h>
#include "base/ensure.h"

/* Written by clock_start_at() before any other thread exists, read-only from then on. */
static bool    is_shifted;
static int64_t shifted_wall_us;      /* what was asked for */
static int64_t shifted_monotonic_us; /* when it was asked */

static int64_t read_us(clockid_t id)
{
    struct timespec t;
    ensure(clock_gettime(id, &t) == 0);
    return (int64_t)t.tv_sec * 1'000'000 + t.tv_nsec / 1000;
}

uint64_t clock_monotonic_us(void) { return (uint64_t)read_us(CLOCK_MONOTONIC); }

int64_t clock_wall_us(void)
{
    if (!is_shifted) return read_us(CLOCK_REALTIME);
    return shifted_wall_us + (read_us(CLOCK_MONOTONIC) - shifted_monotonic_us);
}

void clock_start_at(int64_t at_us)
{
    shifted_monotonic_us = read_us(CLOCK_MONOTONIC);
    shifted_wall_us = at_us;
    is_shifted = true;
}

void random_fill(void *bytes, size_t count)
{
    char *to = bytes;
    while (count > 0) {
        ssize_t got = getrandom(to, count, 0);
        if (got < 0 && errno == EINTR) continue; /* a long request, or one before the kernel's pool is ready */
        ensure(got > 0);
        to += got;
        count -= (size_t)got;
    }
}

uint64_t random_u64(void)
{
    uint64_t value;
    random_fill(&value, sizeof value);
    return value;
}
