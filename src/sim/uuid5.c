/* SHA-1 as FIPS 180-4 gives it: nothing else in the product wants it, so it stands here and not in base/. */
#include "sim/uuid5.h"
#include <stdint.h>
#include <stdio.h>
#include "base/ensure.h"

struct sha1 { uint32_t h[5]; };

static uint32_t rotate_left(uint32_t x, uint32_t by) { return x << by | x >> (32 - by); }

static uint32_t mixed(uint32_t round, uint32_t b, uint32_t c, uint32_t d)
{
    if (round < 20) return ((b & c) | (~b & d)) + 0x5a827999;
    if (round < 40) return (b ^ c ^ d) + 0x6ed9eba1;
    if (round < 60) return ((b & c) | (b & d) | (c & d)) + 0x8f1bbcdc;
    return (b ^ c ^ d) + 0xca62c1d6;
}

static void sha1_block(struct sha1 *s, const uint8_t block[64])
{
    uint32_t w[80];
    for (uint32_t i = 0; i < 16; i++)
        w[i] = (uint32_t)block[4 * i] << 24 | (uint32_t)block[4 * i + 1] << 16 | (uint32_t)block[4 * i + 2] << 8 | block[4 * i + 3];
    for (uint32_t i = 16; i < 80; i++) w[i] = rotate_left(w[i - 3] ^ w[i - 8] ^ w[i - 14] ^ w[i - 16], 1);

    uint32_t a = s->h[0], b = s->h[1], c = s->h[2], d = s->h[3], e = s->h[4];
    for (uint32_t i = 0; i < 80; i++) {
        uint32_t next = rotate_left(a, 5) + mixed(i, b, c, d) + e + w[i];
        e = d;
        d = c;
        c = rotate_left(b, 30);
        b = a;
        a = next;
    }
    s->h[0] += a;
    s->h[1] += b;
    s->h[2] += c;
    s->h[3] += d;
    s->h[4] += e;
}

/* Of a message short enough for our names: padded in place, in at most four blocks. */
static void sha1_of(const uint8_t *message, size_t count, uint8_t digest[20])
{
    uint8_t padded[256] = { 0 };
    ensure(count + 9 <= sizeof padded);
    memcpy(padded, message, count);
    padded[count] = 0x80;
    size_t blocks = (count + 9 + 63) / 64;
    for (uint32_t i = 0; i < 8; i++) padded[blocks * 64 - 1 - i] = (uint8_t)((uint64_t)count * 8 >> 8 * i);

    struct sha1 s = { { 0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0 } };
    for (size_t i = 0; i < blocks; i++) sha1_block(&s, padded + i * 64);
    for (uint32_t i = 0; i < 20; i++) digest[i] = (uint8_t)(s.h[i / 4] >> (24 - 8 * (i % 4)));
}

struct uuid_text uuid5_of_url(struct slice name)
{
    static const uint8_t url_namespace[16] = { 0x6b, 0xa7, 0xb8, 0x11, 0x9d, 0xad, 0x11, 0xd1, 0x80, 0xb4, 0x00, 0xc0, 0x4f, 0xd4, 0x30, 0xc8 };
    uint8_t message[16 + 128];
    ensure(name.length <= 128);
    memcpy(message, url_namespace, 16);
    if (name.length) memcpy(message + 16, name.start, name.length);

    uint8_t d[20];
    sha1_of(message, 16 + name.length, d);
    d[6] = (uint8_t)((d[6] & 0x0f) | 0x50); /* version 5 */
    d[8] = (uint8_t)((d[8] & 0x3f) | 0x80); /* the variant of RFC 9562 */
    struct uuid_text u;
    snprintf(u.text, sizeof u.text, "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", d[0], d[1], d[2], d[3], d[4], d[5], d[6],
             d[7], d[8], d[9], d[10], d[11], d[12], d[13], d[14], d[15]);
    return u;
}
