/* base/crc32c.c: one chain of the CPU's instruction waits three cycles for each word, and the CPU can begin one in every cycle. So three pieces
 * are summed beside each other, and joined: to put a remainder in front of n words is to multiply it by x to the 64n. */
#include "base/crc32c.h"
#include <pthread.h>
#include "base/ensure.h"

static constexpr uint32_t polynomial = 0x82f63b78; /* reflected: the lowest bit is x^31 */

static uint32_t       table[256];
static bool           cpu_has_instructions;
static pthread_once_t prepared = PTHREAD_ONCE_INIT;

/* The remainder of each byte. */
static void fill_table(void)
{
    for (uint32_t byte = 0; byte < 256; byte++) {
        uint32_t remainder = byte;
        for (int bit = 0; bit < 8; bit++) remainder = remainder >> 1 ^ (remainder & 1 ? polynomial : 0);
        table[byte] = remainder;
    }
}

static uint32_t shift_by_table(uint32_t remainder, size_t words)
{
    for (size_t bytes = 8 * words; bytes > 0; bytes--) remainder = remainder >> 8 ^ table[remainder & 0xff];
    return remainder;
}

#if defined(__x86_64__)
#include <cpuid.h>
#include <immintrin.h>

enum : uint32_t { POWERS = 48, PIECE_LOG_MIN = 3 }; /* below 3 pieces of 8 words, joining them takes longer than it saves */
static uint32_t power[POWERS]; /* [n]: x to the (64 << n) - 33, which multiply() makes good for */

static bool detect_instructions(void)
{
    unsigned a, b, c, d;
    return __get_cpuid(1, &a, &b, &c, &d) && (c & bit_SSE4_2) && (c & bit_PCLMUL);
}

/* a * b * x^33: the product of two reflected words stands one bit too low, and the instruction multiplies by x^32 before it divides. */
[[gnu::target("sse4.2,crc32,pclmul")]] static uint32_t multiply(uint32_t a, uint32_t b)
{
    __m128i product = _mm_clmulepi64_si128(_mm_cvtsi32_si128((int)a), _mm_cvtsi32_si128((int)b), 0);
    return (uint32_t)_mm_crc32_u64(0, (uint64_t)_mm_cvtsi128_si64(product));
}

static void fill_powers(void)
{
    power[0] = 1; /* x^31 */
    for (uint32_t n = 1; n < POWERS; n++) power[n] = multiply(power[n - 1], power[n - 1]);
}

/* The remainder as it is behind so many words of zeros. */
[[gnu::target("sse4.2,crc32,pclmul")]] static uint32_t shift(uint32_t remainder, size_t words)
{
    for (uint32_t n = 0; words > 0; n++, words >>= 1)
        if (words & 1) remainder = multiply(remainder, power[n]);
    return remainder;
}

[[gnu::target("sse4.2,crc32")]] static uint64_t add_word(uint64_t remainder, const char *at)
{
    uint64_t word;
    memcpy(&word, at, 8);
    return _mm_crc32_u64(remainder, word);
}

/* Three pieces of 1 << piece_log words each. */
[[gnu::target("sse4.2,crc32,pclmul")]] static uint64_t add_three_pieces(uint64_t remainder, const char *at, uint32_t piece_log)
{
    const size_t bytes = (size_t)8 << piece_log;
    uint64_t     second = 0, third = 0;
    for (const char *end = at + bytes; at < end; at += 8) {
        remainder = add_word(remainder, at);
        second = add_word(second, at + bytes);
        third = add_word(third, at + 2 * bytes);
    }
    uint32_t two = multiply((uint32_t)remainder, power[piece_log]) ^ (uint32_t)second;
    return multiply(two, power[piece_log]) ^ (uint32_t)third;
}

[[gnu::target("sse4.2,crc32,pclmul")]] static uint32_t by_instructions(uint32_t so_far, struct slice bytes)
{
    uint64_t remainder = ~so_far;
    while (bytes.length >= (size_t)3 * 8 << PIECE_LOG_MIN) {
        uint32_t piece_log = 63 - (uint32_t)__builtin_clzll(bytes.length / 24); /* the largest that fit: more than half of what is left */
        remainder = add_three_pieces(remainder, bytes.start, piece_log);
        bytes = slice_skip(bytes, (size_t)24 << piece_log);
    }
    for (; bytes.length >= 8; bytes = slice_skip(bytes, 8)) remainder = add_word(remainder, bytes.start);
    for (size_t n = 0; n < bytes.length; n++) remainder = _mm_crc32_u8((uint32_t)remainder, (uint8_t)bytes.start[n]);
    return ~(uint32_t)remainder;
}
#else
static bool detect_instructions(void) { return false; }
static void fill_powers(void) { }
static uint32_t shift(uint32_t remainder, size_t words) { return shift_by_table(remainder, words); }
static uint32_t by_instructions(uint32_t so_far, struct slice bytes) { return crc32c_by_table(so_far, bytes); }
#endif

static void prepare(void)
{
    fill_table();
    cpu_has_instructions = detect_instructions();
    if (cpu_has_instructions) fill_powers();
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
    return cpu_has_instructions ? by_instructions(so_far, bytes) : crc32c_by_table(so_far, bytes);
}

uint32_t crc32c_join(uint32_t first, uint32_t second, size_t second_bytes)
{
    ensure(pthread_once(&prepared, prepare) == 0);
    ensure(second_bytes % 8 == 0);
    size_t words = second_bytes / 8;
    return (cpu_has_instructions ? shift(first, words) : shift_by_table(first, words)) ^ second;
}
