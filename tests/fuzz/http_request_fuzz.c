/* Any bytes as pipelined requests, whole and in pieces: nothing breaks, nothing leaks, and where the pieces end makes no difference. */
#include <stdlib.h>
#include "base/ensure.h"
#include "net/http_message.h"

/* What the requests of one connection came to, in one number: two ways of cutting must agree. */
struct outcome { uint64_t sum; uint32_t messages; enum message_progress progress; };

static void add(struct outcome *o, struct slice text)
{
    for (size_t n = 0; n < text.length; n++) o->sum = (o->sum ^ (unsigned char)text.start[n]) * UINT64_C(0x100000001b3);
    o->sum = (o->sum ^ text.length) * UINT64_C(0x100000001b3);
}

static void add_message(struct outcome *o, const struct http_message *m)
{
    ensure(m->header_count <= http_headers_max);
    add(o, m->target);
    add(o, slice_from(m->body.start, m->body.length));
    for (uint32_t n = 0; n < m->header_count; n++) {
        ensure(memchr(m->headers[n].name.start, '\n', m->headers[n].name.length) == nullptr);
        add(o, m->headers[n].name);
        add(o, m->headers[n].value);
    }
    o->messages += 1;
}

/* One piece. false: the connection is over. */
static bool feed(struct outcome *o, struct http_message *m, struct heap *heap, struct slice piece)
{
    for (;;) {
        o->progress = http_message_feed(m, &piece);
        if (o->progress == MESSAGE_HAS_HEAD) o->progress = http_message_accept_body(m, 64 * 1024);
        else if (o->progress == MESSAGE_WANTS_BYTES) return true;
        if (o->progress == MESSAGE_WANTS_BYTES) continue;
        if (o->progress != MESSAGE_IS_COMPLETE) return false;
        add_message(o, m);
        http_message_end(m);
        http_message_begin(m, MESSAGE_REQUEST, heap);
    }
}

static struct outcome read_in_pieces(struct slice bytes, size_t piece_bytes)
{
    struct outcome       o = { 0 };
    struct heap          heap;
    struct http_message *m = calloc(1, sizeof *m);
    ensure(m);
    heap_init(&heap, 1024 * 1024);
    http_message_begin(m, MESSAGE_REQUEST, &heap);
    while (bytes.length > 0 && feed(&o, m, &heap, slice_take(bytes, piece_bytes))) bytes = slice_skip(bytes, piece_bytes);
    http_message_end(m);
    ensure(heap.used_bytes == 0);
    free(m);
    return o;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1) return 0;
    struct slice   bytes = slice_from(data + 1, size - 1);
    struct outcome whole = read_in_pieces(bytes, SIZE_MAX), pieces = read_in_pieces(bytes, 1 + data[0] % 64);
    bool whole_is_refused = whole.progress > MESSAGE_IS_COMPLETE, pieces_are_refused = pieces.progress > MESSAGE_IS_COMPLETE;
    ensure(whole.sum == pieces.sum && whole.messages == pieces.messages && whole_is_refused == pieces_are_refused); /* of two faults either may be met first */
    return 0;
}
