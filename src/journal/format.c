#include "journal/format.h"
#include "base/crc32c.h"
#include "base/ensure.h"

static constexpr uint64_t segment_magic = UINT64_C(0x4c4e4a5245474e52); /* "RNGERJNL" */
static constexpr uint32_t batch_magic = 0x48435442;                     /* "BTCH" */

/* -- headers -- */

static uint32_t header_crc(const struct segment_header *h)
{
    const size_t from = offsetof(struct segment_header, version);
    return crc32c(0, slice_from((const char *)h + from, sizeof *h - from));
}

void segment_header_write(struct segment_header h, char block[block_bytes])
{
    h.magic = segment_magic;
    h.version = format_version;
    h.crc = header_crc(&h);
    memset(block, 0, block_bytes);
    memcpy(block, &h, sizeof h);
}

enum header_verdict segment_header_read(const char *block, struct segment_header *h)
{
    memcpy(h, block, sizeof *h);
    if (h->magic != segment_magic || h->crc != header_crc(h)) return HEADER_BAD;
    return h->version == format_version ? HEADER_GOOD : HEADER_OF_ANOTHER_VERSION;
}

/* -- writing -- */

void batch_begin(struct batch *b, uint64_t stamp, uint64_t number, uint64_t first_sequence)
{
    b->header = (struct batch_header){ .magic = batch_magic, .stamp = stamp, .number = number, .first_sequence = first_sequence };
    b->used = sizeof b->header;
    b->sum = 0;
}

bool batch_has_room(const struct batch *b, uint64_t record_length, uint64_t room)
{
    uint64_t bytes = round_up(b->used + record_length, block_bytes);
    return bytes <= room && bytes <= b->capacity;
}

static void put(char **to, struct slice bytes)
{
    if (bytes.length > 0) memcpy(*to, bytes.start, bytes.length); /* an absent one has no address to copy from */
    *to += bytes.length;
}

static void add_record(struct batch *b, struct record_frame frame, struct slice meta, struct slice body)
{
    frame.meta_bytes = (uint16_t)meta.length;
    frame.body_bytes = (uint32_t)body.length;
    frame.length = (uint32_t)record_length_of(meta.length + body.length);
    ensure(meta.length <= UINT16_MAX && batch_has_room(b, frame.length, UINT64_MAX));

    char *start = b->memory + b->used, *end = start + frame.length, *to = start;
    put(&to, slice_from(&frame, sizeof frame));
    put(&to, meta);
    put(&to, body);
    memset(to, 0, (size_t)(end - to));

    const size_t from = offsetof(struct record_frame, sequence);
    frame.crc = crc32c(0, slice_from(start + from, frame.length - from));
    memcpy(start + offsetof(struct record_frame, crc), &frame.crc, sizeof frame.crc);
    b->sum = crc32c_join(crc32c(b->sum, slice_from(start, from)), frame.crc, frame.length - from);
    b->used += frame.length;
}

void batch_add_webhook(struct batch *b, const struct journal_entry *e)
{
    ensure(e->position.sequence == b->header.first_sequence + b->header.webhooks);
    struct record_frame frame = { .sequence = e->position.sequence, .call_key = e->call_key, .workspace_id = e->workspace_id,
                                  .received_at_us = e->received_at_us, .type = e->type, .provider = e->provider };
    add_record(b, frame, e->meta, e->body);
    b->header.webhooks += 1;
}

void batch_add_retirement(struct batch *b, struct slice head, struct slice words)
{
    add_record(b, (struct record_frame){ .type = JOURNAL_RETIRED }, head, words);
    b->header.retirements += 1;
}

struct slice batch_finish(struct batch *b)
{
    b->header.bytes = (uint32_t)round_up(b->used, block_bytes);
    ensure(b->header.bytes <= b->capacity);

    char *end = b->memory + b->used;
    memset(end, 0, b->header.bytes - b->used);
    b->sum = crc32c(b->sum, slice_from(end, b->header.bytes - b->used));
    const size_t from = offsetof(struct batch_header, stamp);
    uint32_t     of_header = crc32c(0, slice_from((const char *)&b->header + from, sizeof b->header - from));
    b->header.crc = crc32c_join(of_header, b->sum, b->header.bytes - sizeof b->header);
    memcpy(b->memory, &b->header, sizeof b->header);
    return slice_from(b->memory, b->header.bytes);
}

/* -- reading -- */

bool batch_starts_at(const char *block, uint64_t stamp, uint64_t room, struct batch_header *h)
{
    memcpy(h, block, sizeof *h);
    return h->magic == batch_magic && h->stamp == stamp && h->bytes >= block_bytes && h->bytes % block_bytes == 0 && h->bytes <= room;
}

bool record_next(struct record_cursor *c, struct record *r)
{
    struct record_frame *f = &r->frame;
    uint32_t left = c->bytes - c->offset;
    if (left < sizeof *f) return false;
    const char *start = c->memory + c->offset;
    memcpy(f, start, sizeof *f);
    if (f->length > left || f->length != record_length_of((uint64_t)f->meta_bytes + f->body_bytes)) return false;

    const size_t from = offsetof(struct record_frame, sequence);
    if (f->crc != crc32c(0, slice_from(start + from, f->length - from))) return false;
    r->meta = slice_from(start + sizeof *f, f->meta_bytes);
    r->body = slice_from(r->meta.start + f->meta_bytes, f->body_bytes);
    c->offset += f->length;
    return true;
}

bool batch_is_whole(const char *memory, const struct batch_header *h)
{
    const size_t from = offsetof(struct batch_header, stamp);
    if (h->crc != crc32c(0, slice_from(memory + from, h->bytes - from))) return false;

    struct record_cursor cursor = record_cursor_over(memory, h);
    struct record        r;
    uint32_t             webhooks = 0, retirements = 0;
    while (record_next(&cursor, &r)) {
        if (r.frame.type == JOURNAL_RETIRED) retirements += 1;
        else if (r.frame.type != JOURNAL_WEBHOOK || r.frame.sequence != h->first_sequence + webhooks++) return false;
    }
    return webhooks == h->webhooks && retirements == h->retirements;
}
