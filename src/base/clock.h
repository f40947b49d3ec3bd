#pragma once
/* base/clock.h: what time it is, and randomness. With io.h this is the first of the two seams: the simulation links its own.
 *
 * Monotonic time measures waits; wall time names instants (UTC, microseconds since 1970). A shard reads both once per turn
 * (shard.h) and everything in that turn sees the same reading. Any thread.
 */
#include <stddef.h>
#include <stdint.h>

[[nodiscard]] uint64_t clock_monotonic_us(void); /* never goes back */
[[nodiscard]] int64_t  clock_wall_us(void);

/* Starts wall time at `at_us` now and lets it run on (--at). Before any other thread exists. */
void clock_start_at(int64_t at_us);

/* Unpredictable bytes from the kernel. Never fails once the process has started. */
void random_fill(void *bytes, size_t count);
[[nodiscard]] uint64_t random_u64(void);
