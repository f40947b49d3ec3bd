/* journal/replay.c: gives the records of earlier lives to the engine, while it runs.
 *
 * Segments from the oldest to the newest, each in the order of its batches: a call's records were appended by one journal per life, so this is
 * their order. What was retired when the engine started is passed over; a segment is left as soon as its last live record is given, because
 * from then on it may be retired and its file used again.
 */
#include <stdio.h>
#include "base/ensure.h"
#include "io/thread.h"
#include "journal/recovery.h"

/* The bytes were whole when the engine started. That they are not now is a broken disk: only a new start can tell what is left. */
[[noreturn, gnu::cold]] static void disk_changed(const struct journal_recovery *r, const struct segment *s)
{
    fprintf(stderr, "journal: %s/journal-%06u.segment, offset %llu: cannot be read again, though it could at start\n", r->directory,
            s->file.number, (unsigned long long)r->cursor.batch_offset);
    process_give_up();
}

static struct old_segment *segment_to_replay(struct journal_recovery *r)
{
    struct replay_cursor *c = &r->cursor;
    while (c->at > 0 && r->segments[c->at - 1]->to_replay == 0) *c = (struct replay_cursor){ .at = c->at - 1 };
    if (c->at == 0) return nullptr;

    struct old_segment *o = r->segments[c->at - 1];
    if (c->batch_offset == 0) {
        c->batch_offset = first_batch_offset;
        window_over(&r->window, o->segment.file.fd, o->segment.file.bytes);
    }
    return o;
}

static const char *batch_at_cursor(struct journal_recovery *r, const struct segment *s, struct batch_header *h)
{
    uint64_t    room = s->end - r->cursor.batch_offset;
    const char *memory = window_at(&r->window, r->cursor.batch_offset, block_bytes);
    if (!memory || !batch_starts_at(memory, s->file.stamp, room, h)) disk_changed(r, s);
    memory = window_at(&r->window, r->cursor.batch_offset, h->bytes);
    if (!memory) disk_changed(r, s);
    return memory;
}

static bool was_live_at_start(struct journal_recovery *r, const struct segment *s, uint32_t record)
{
    ensure(pthread_mutex_lock(&r->lock) == 0);
    bool live = !segment_is_retired(s, record); /* only what was given out can have been retired since */
    ensure(pthread_mutex_unlock(&r->lock) == 0);
    return live;
}

static void give(const struct segment *s, const struct record *from, struct journal_replayed *to)
{
    const struct record_frame *f = &from->frame;
    *to = (struct journal_replayed){ .position = { .sequence = f->sequence, .segment = s->file.number, .bytes = f->length },
                                     .type = JOURNAL_WEBHOOK, .provider = f->provider, .call_key = f->call_key,
                                     .workspace_id = f->workspace_id, .received_at_us = f->received_at_us,
                                     .meta = from->meta, .body = from->body };
}

/* Goes on in the batch at the cursor; at its end, steps behind it. true: `record` is the next webhook, live or not. */
static bool next_webhook(struct journal_recovery *r, const struct segment *s, struct record *record)
{
    struct replay_cursor *c = &r->cursor;
    struct batch_header   h;
    struct record_cursor  records = record_cursor_over(batch_at_cursor(r, s, &h), &h);
    if (c->record_offset > 0) records.offset = c->record_offset;

    while (records.offset < h.bytes && record_next(&records, record)) {
        c->record_offset = records.offset;
        if (record->frame.type != JOURNAL_RETIRED) return true;
    }
    if (c->records_before != h.webhooks) disk_changed(r, s);
    c->records_before = c->record_offset = 0;
    c->batch_offset += h.bytes;
    return false;
}

bool journal_recovery_next(struct journal_recovery *r, struct journal_replayed *to)
{
    ensure_magic(r, RECOVERY_MAGIC);
    for (struct old_segment *o; (o = segment_to_replay(r));) {
        struct record record;
        if (!next_webhook(r, &o->segment, &record)) continue;
        r->cursor.records_before += 1;
        if (!was_live_at_start(r, &o->segment, (uint32_t)(record.frame.sequence - o->segment.first_sequence))) continue;
        o->to_replay -= 1;
        give(&o->segment, &record, to);
        return true;
    }
    return false;
}

void journal_recovery_retire(struct journal_recovery *r, struct journal_position p)
{
    ensure_magic(r, RECOVERY_MAGIC);
    ensure(pthread_mutex_lock(&r->lock) == 0);
    struct segment *found = nullptr;
    for (uint32_t n = 0; n < r->count && !found; n++)
        if (r->segments[n]->segment.file.number == p.segment) found = &r->segments[n]->segment;
    ensure(found && found->state == SEGMENT_SEALED);
    if (segment_retire(found, p)) found->state = SEGMENT_RETIRED;
    ensure(pthread_mutex_unlock(&r->lock) == 0);
}
