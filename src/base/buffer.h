#pragma once
/* base/buffer.h: text being written into memory of a fixed size. Writing past the end sets `overflowed` and writes nothing more:
 * the writer checks once, at the end. Owns nothing; any thread, one at a time. */
#include <stdarg.h>
#include "base/ensure.h"
#include "base/slice.h"

struct buffer { char *start; size_t length, capacity; bool overflowed; };

static inline struct buffer buffer_over(char *memory, size_t capacity) { return (struct buffer){ memory, 0, capacity, false }; }
static inline struct slice buffer_slice(const struct buffer *b) { return (struct slice){ b->start, b->length }; }
static inline void buffer_add(struct buffer *b, struct slice text) /* inline: a literal becomes a store or two */
{
    if (text.length == 0) return;
    ensure(b->length <= b->capacity);
    if (b->overflowed || text.length > b->capacity - b->length) {
        b->overflowed = true;
        return;
    }
    memcpy(b->start + b->length, text.start, text.length);
    b->length += text.length;
}
static inline void buffer_add_byte(struct buffer *b, char byte)
{
    if (b->overflowed || b->length >= b->capacity) b->overflowed = true;
    else b->start[b->length++] = byte;
}
void buffer_add_integer(struct buffer *b, int64_t value); /* in decimal, as buffer_add() adds it; a tenth of what buffer_print() takes */
void buffer_add_unsigned(struct buffer *b, uint64_t value);
/* Wants one byte of room beyond what it adds (the zero that vsnprintf writes), so it may report an overflow one byte early. */
[[gnu::format(printf, 2, 3)]] void buffer_print(struct buffer *b, const char *format, ...);
