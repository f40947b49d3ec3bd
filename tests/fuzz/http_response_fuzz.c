/* Any bytes as an answer, to GET or HEAD, whole and in pieces, ended by the connection: what counts as complete does not depend on the pieces. */
#include <stdlib.h>
#include "base/ensure.h"
#include "net/http_message.h"

struct outcome { enum message_progress progress; uint16_t status; uint64_t body_bytes; uint32_t interims; };

/* One piece. true: an answer is complete, or never will be. */
static bool feed(struct outcome *o, struct http_message *m, struct heap *heap, struct slice piece)
{
    for (;;) {
        o->progress = http_message_feed(m, &piece);
        if (o->progress == MESSAGE_HAS_HEAD) o->progress = http_message_accept_body(m, 64 * 1024);
        else if (o->progress == MESSAGE_WANTS_BYTES) return false;
        if (o->progress == MESSAGE_WANTS_BYTES) continue;
        bool is_interim = o->progress == MESSAGE_IS_COMPLETE && http_message_status(m) < 200;
        if (!is_interim || ++o->interims > 8) return true;
        enum message_kind kind = m->kind;
        http_message_end(m);
        http_message_begin(m, kind, heap);
    }
}

static struct outcome read_in_pieces(struct slice bytes, enum message_kind kind, size_t piece_bytes)
{
    struct outcome       o = { 0 };
    struct heap          heap;
    struct http_message *m = calloc(1, sizeof *m);
    bool                 settled = false;
    ensure(m);
    heap_init(&heap, 1024 * 1024);
    http_message_begin(m, kind, &heap);
    for (; bytes.length > 0 && !settled; bytes = slice_skip(bytes, piece_bytes)) settled = feed(&o, m, &heap, slice_take(bytes, piece_bytes));
    if (!settled) o.progress = http_message_feed_end(m);
    o.status = http_message_status(m);
    if (o.progress == MESSAGE_IS_COMPLETE) o.body_bytes = m->body.length;
    http_message_end(m);
    ensure(heap.used_bytes == 0);
    free(m);
    return o;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1) return 0;
    struct slice      bytes = slice_from(data + 1, size - 1);
    enum message_kind kind = data[0] & 1 ? MESSAGE_ANSWER_TO_HEAD : MESSAGE_ANSWER;
    struct outcome    whole = read_in_pieces(bytes, kind, SIZE_MAX), pieces = read_in_pieces(bytes, kind, 1 + data[0] / 2 % 64);
    bool whole_is_complete = whole.progress == MESSAGE_IS_COMPLETE, pieces_are_complete = pieces.progress == MESSAGE_IS_COMPLETE;
    ensure(whole_is_complete == pieces_are_complete && whole.body_bytes == pieces.body_bytes && whole.interims == pieces.interims);
    return 0;
}
