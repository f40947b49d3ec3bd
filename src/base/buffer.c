#include "base/buffer.h"
#include <stdio.h>
#include "base/ensure.h"

static size_t room_in(const struct buffer *b)
{
    ensure(b->length <= b->capacity);
    return b->overflowed ? 0 : b->capacity - b->length;
}

void buffer_add(struct buffer *b, struct slice text)
{
    if (text.length == 0) return;
    if (text.length > room_in(b)) {
        b->overflowed = true;
        return;
    }
    memcpy(b->start + b->length, text.start, text.length);
    b->length += text.length;
}

void buffer_add_byte(struct buffer *b, char byte) { buffer_add(b, slice_from(&byte, 1)); }

void buffer_print(struct buffer *b, const char *format, ...)
{
    size_t room = room_in(b);
    if (room == 0) {
        b->overflowed = true;
        return;
    }
    va_list arguments;
    va_start(arguments, format);
    int written = vsnprintf(b->start + b->length, room, format, arguments);
    va_end(arguments);

    ensure(written >= 0); /* only a broken format fails */
    if ((size_t)written < room) b->length += (size_t)written;
    else b->overflowed = true;
}
