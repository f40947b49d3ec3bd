#include "base/crc32c.h"
#include <pthread.h>
#include "base/ensure.h"

static uint32_t       table[256];
static bool           cpu_has_instruction;
static pthread_once_t prepared = PTHREAD_ONCE_INIT;

/* The remainder of each byte, for the reflected polynomial. */
static void fill_table(void)
{
    for (uint32_t byte = 0; byte < 256; byte++) {
        uint32_t remainder = byte;
        for (int bit = 0; bit < 8; bit++) remainder = remainder >> 1 ^ (remainder & 1 ? UINT32_C(0x82f63b78) : 0);
        table[byte] = remainder;
    }
}

#if defined(__x86_64__)
#include <cpuid.h>
#include <nmmintrin.h>

static bool detect_instruction(void)
{
    unsigned a, b, c, d;
    return __get_cpuid(1, &a, &b, &c, &d) && (c & bit_SSE4_2);
}

[[gnu::target("sse4.2,crc32")]] static uint32_t by_instruction(uint32_t so_far, struct slice bytes)
{
    uint64_t remainder = ~so_far;
    for (; bytes.length >= 8; bytes = slice_skip(bytes, 8)) {
        uint64_t word;
        memcpy(&word, bytes.start, 8);
        remainder = _mm_crc32_u64(remainder, word);
    }
    for (size_t n = 0; n < bytes.length; n++) remainder = _mm_crc32_u8((uint32_t)remainder, (uint8_t)bytes.start[n]);
    return ~(uint32_t)remainder;
}
#else
static bool detect_instruction(void) { return false; }
static uint32_t by_instruction(uint32_t so_far, struct slice bytes) { return crc32c_by_table(so_far, bytes); }
#endif

static void prepare(void)
{
    fill_table();
    cpu_has_instruction = detect_instruction();
}

uint32_t crc32c_by_table(uint32_t so_far, struct slice bytes)
{
    ensure(pthread_once(&prepared, prepare) == 0);
    uint32_t remainder = ~so_far;
    for (size_t n = 0; n < bytes.length; n++) remainder = remainder >> 8 ^ table[(remainder ^ (uint8_t)bytes.start[n]) & 0xff];
    return ~remainder;
}

uint32_t crc32c(uint32_t so_far, struct slice bytes)
{
    ensure(pthread_once(&prepared, prepare) == 0);
    return cpu_has_instruction ? by_instruction(so_far, bytes) : crc32c_by_table(so_far, bytes);
}
