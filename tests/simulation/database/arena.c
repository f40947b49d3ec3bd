#include "arena.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include "base/ensure.h"

struct arena_chunk { struct arena_chunk *next; size_t capacity, used; alignas(max_align_t) char bytes[]; };

constexpr size_t chunk_bytes = 16 * 1024;

static struct arena_chunk *chunk_with_room(struct arena *a, size_t bytes)
{
    if (a->chunks && a->chunks->capacity - a->chunks->used >= bytes) return a->chunks;
    const size_t capacity = bytes > chunk_bytes ? bytes : chunk_bytes;
    struct arena_chunk *c = malloc(sizeof *c + capacity);
    ensure(c != nullptr);
    *c = (struct arena_chunk){ .next = a->chunks, .capacity = capacity };
    a->chunks = c;
    return c;
}

void *arena_take(struct arena *a, size_t bytes)
{
    constexpr size_t alignment = alignof(max_align_t);
    bytes = (bytes + alignment - 1) / alignment * alignment;
    struct arena_chunk *c = chunk_with_room(a, bytes);
    void *taken = c->bytes + c->used;
    c->used += bytes;
    return memset(taken, 0, bytes);
}

struct slice arena_copy(struct arena *a, struct slice text)
{
    if (slice_is_absent(text)) return text;
    char *copy = arena_take(a, text.length + 1); /* never of no bytes, so that empty is not absent */
    memcpy(copy, text.start, text.length);
    return slice_from(copy, text.length);
}

struct slice arena_print(struct arena *a, const char *format, ...)
{
    char text[256];
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    ensure(length >= 0 && (size_t)length < sizeof text);
    return arena_copy(a, slice_from(text, (size_t)length));
}

void arena_free(struct arena *a)
{
    for (struct arena_chunk *c = a->chunks, *next; c; c = next) {
        next = c->next;
        free(c);
    }
    a->chunks = nullptr;
}
