#include "sim/query.h"
#include "base/hmac.h"

static bool decode(struct slice text, struct buffer *b)
{
    for (size_t i = 0; i < text.length; i++) {
        char c = text.start[i];
        uint8_t byte = (uint8_t)c;
        if (c == '%') {
            if (!hex_parse(slice_take(slice_skip(text, i + 1), 2), &byte, 1)) return false;
            i += 2;
        } else if (c == '+') {
            byte = ' ';
        }
        buffer_add_byte(b, (char)byte);
    }
    return !b->overflowed;
}

struct slice query_get(struct slice query, const char *name, struct buffer *b)
{
    while (!slice_is_absent(query)) {
        struct slice value = slice_split(&query, '&'), key = slice_split(&value, '=');
        if (!slice_equal(key, slice_from_text(name)) || slice_is_absent(value)) continue;
        size_t from = b->length;
        if (!decode(value, b)) return slice_absent;
        return slice_from(b->start + from, b->length - from);
    }
    return slice_absent;
}

void query_print(struct buffer *b, struct slice text)
{
    for (size_t i = 0; i < text.length; i++) {
        char c = text.start[i];
        bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_' || c == '~';
        if (plain) buffer_add_byte(b, c);
        else buffer_print(b, "%%%02X", (unsigned)(uint8_t)c);
    }
}
