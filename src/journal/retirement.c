#include "journal/retirement.h"
#include "base/ensure.h"

struct words { uint32_t from, to; };

static struct words words_to_state(const struct segment *s, bool whole)
{
    if (whole) return (struct words){ 0, (uint32_t)round_up(s->records, 64) / 64 };
    if (!segment_has_unstated(s)) return (struct words){ 0, 0 };
    return (struct words){ s->unstated_from, s->unstated_to };
}

uint64_t retirement_length(const struct segment *s, bool whole)
{
    struct words w = words_to_state(s, whole);
    if (!whole && w.from == w.to) return 0;
    return record_length_of(sizeof(struct retirement_head) + (w.to - w.from) * sizeof *s->retired);
}

void retirement_state(struct segment *s, struct batch *b, bool whole)
{
    struct words w = words_to_state(s, whole);
    if (!whole && w.from == w.to) return;
    bool behind = segment_is_behind(s);
    struct retirement_head head = { .stamp = s->file.stamp, .segment = s->file.number, .end = behind ? s->end : 0,
                                    .records = behind ? s->records : 0, .first_word = w.from, .word_count = w.to - w.from };
    batch_add_retirement(b, slice_from(&head, sizeof head), slice_from(s->retired + w.from, (w.to - w.from) * sizeof *s->retired));
    s->unstated_from = s->unstated_to = 0;
}

bool retirement_read(const struct record *r, struct retirement_head *h)
{
    if (r->frame.type != JOURNAL_RETIRED || r->meta.length != sizeof *h) return false;
    memcpy(h, r->meta.start, sizeof *h);
    return h->first_word <= segment_words && h->word_count <= segment_words - h->first_word &&
           r->body.length == h->word_count * sizeof(uint64_t) && h->records <= journal_segment_records_max;
}

void retirement_learn(struct segment *s, const struct record *r, const struct retirement_head *h)
{
    ensure(s->file.number == h->segment && s->file.stamp == h->stamp);
    for (uint32_t n = 0; n < h->word_count; n++) {
        uint64_t word;
        memcpy(&word, r->body.start + n * sizeof word, sizeof word);
        s->retired[h->first_word + n] |= word;
    }
    if (h->end == 0) return;
    s->state = SEGMENT_SEALED;
    s->end = h->end;
    s->records = h->records;
}
