#include "base/buffer.h"
#include <stdio.h>
#include "base/ensure.h"

static size_t room_in(const struct buffer *b)
{
    ensure(b->length <= b->capacity);
    return b->overflowed ? 0 : b->capacity - b->length;
}

static void add_decimal(struct buffer *b, bool is_negative, uint64_t magnitude)
{
    char  digits[20], *first = digits + sizeof digits; /* 2^64 has 20 digits, 2^63 with its sign as well */
    do *--first = (char)('0' + magnitude % 10);
    while ((magnitude /= 10) > 0);
    if (is_negative) *--first = '-';
    buffer_add(b, slice_from(first, (size_t)(digits + sizeof digits - first)));
}

void buffer_add_integer(struct buffer *b, int64_t value) { add_decimal(b, value < 0, value < 0 ? -(uint64_t)value : (uint64_t)value); }
void buffer_add_unsigned(struct buffer *b, uint64_t value) { add_decimal(b, false, value); }

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
