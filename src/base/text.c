#include "base/text.h"

size_t utf8_character_bytes(struct slice text)
{
    const uint8_t *bytes = (const uint8_t *)text.start;
    if (text.length == 0) return 0;
    if (bytes[0] < 0x80) return 1;

    /* The second byte's range shuts out overlong forms (e0, f0), surrogates (ed) and what lies past U+10FFFF (f4). */
    uint8_t low = 0x80, high = 0xbf;
    size_t  count;
    if (bytes[0] >= 0xc2 && bytes[0] <= 0xdf) count = 2;
    else if (bytes[0] >= 0xe0 && bytes[0] <= 0xef) count = 3;
    else if (bytes[0] >= 0xf0 && bytes[0] <= 0xf4) count = 4;
    else return 0;
    if (bytes[0] == 0xe0) low = 0xa0;
    if (bytes[0] == 0xed) high = 0x9f;
    if (bytes[0] == 0xf0) low = 0x90;
    if (bytes[0] == 0xf4) high = 0x8f;

    if (text.length < count || bytes[1] < low || bytes[1] > high) return 0;
    for (size_t n = 2; n < count; n++)
        if (bytes[n] < 0x80 || bytes[n] > 0xbf) return 0;
    return count;
}
