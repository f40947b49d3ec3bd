#pragma once
/* base/crc32c.h: the Castagnoli checksum (RFC 3720 B.4), by the CPU's instruction where it has one. Any thread. */
#include <stdint.h>
#include "base/slice.h"

[[nodiscard]] uint32_t crc32c(uint32_t so_far, struct slice bytes); /* start with 0; what comes in pieces gives the same as at once */
/* Of two texts one behind the other, from the sums of both (each started with 0). A multiple of eight bytes in the second. */
[[nodiscard]] uint32_t crc32c_join(uint32_t first, uint32_t second, size_t second_bytes);

/* What crc32c() does on a CPU without the instruction. For the test that both are the same, and for nobody else. */
[[nodiscard]] uint32_t crc32c_by_table(uint32_t so_far, struct slice bytes);
