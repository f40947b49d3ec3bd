/* journal/recovery.c: reads, before the shards run, what earlier lives left in the directory.
 *
 *   take the directory → list its segments → read their headers → order them by age → read their batches, newest first → count
 *
 * Newest first, because only newer segments tell which records of an older one are retired, and where a full one ends (retirement.h).
 * One with nothing live is passed over unread: damage in it concerns nobody.
 *
 * Torn or damaged: a journal has one batch under way, so a power cut can spoil the last batch of the segment it wrote to, nothing else; whichever
 * of its blocks reached the disk, none of the others bears the stamp of that use. So a bad batch is a torn tail when no good one stands
 * behind it and nobody has stated that the segment goes on. Otherwise acknowledged records are gone, and a human has to know: also where
 * they only may be, because something cannot be read.
 */
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include "base/ensure.h"
#include "journal/recovery.h"

/* -- refusing -- */

[[gnu::format(printf, 2, 3)]] static bool refuse(struct io_refusal *refusal, const char *format, ...)
{
    va_list values;
    va_start(values, format);
    vsnprintf(refusal->text, sizeof refusal->text, format, values);
    va_end(values);
    return false;
}

static bool refuse_file(const struct journal_recovery *r, uint32_t number, uint64_t offset, const char *what, struct io_refusal *refusal)
{
    return refuse(refusal,
                  "%s/journal-%06u.segment, offset %llu: %s. Webhooks that were acknowledged may be in it. Nothing has been changed: restore "
                  "the file, or move it out of the directory to start without what it holds.",
                  r->directory, number, (unsigned long long)offset, what);
}

/* -- the directory -- */

struct listing { const struct journal_recovery *recovery; uint32_t *numbers; uint32_t count, unfinished_count; char unfinished[16][64]; bool too_many; };

static bool list_file(void *context, const char *name)
{
    struct listing *l = context;
    uint32_t        number;
    if (segment_number_of(name, &number)) {
        l->too_many = l->count == journal_files_max;
        if (!l->too_many) l->numbers[l->count++] = number;
        return !l->too_many;
    }
    /* Those that find no place in the array go at the next start. */
    if (segment_name_is_unfinished(name) && l->unfinished_count < 16 && strlen(name) < sizeof l->unfinished[0])
        strcpy(l->unfinished[l->unfinished_count++], name);
    return true;
}

static void remove_unfinished(const struct listing *l)
{
    for (uint32_t n = 0; n < l->unfinished_count; n++) {
        char path[segment_path_bytes_max];
        snprintf(path, sizeof path, "%s/%s", l->recovery->directory, l->unfinished[n]);
        (void)file_remove(path); /* it holds nothing; if it stays, it is in nobody's way */
    }
}

static bool list_directory(const struct journal_recovery *r, struct listing *l, struct io_refusal *refusal)
{
    enum io_status status = file_list(r->directory, list_file, l);
    if (status != IO_OK) return refuse(refusal, "The journal's directory %s cannot be listed (%s).", r->directory, io_status_name(status));
    if (l->too_many) return refuse(refusal, "The journal's directory %s holds more than %u segments.", r->directory, journal_files_max);
    remove_unfinished(l);
    return true;
}

static bool take_directory(const struct journal_recovery *r, struct io_refusal *refusal)
{
    char lock[segment_path_bytes_max];
    snprintf(lock, sizeof lock, "%s/journal.lock", r->directory);
    enum io_status status = file_make_directory(r->directory);
    if (status != IO_OK) return refuse(refusal, "The journal's directory %s cannot be made (%s).", r->directory, io_status_name(status));
    if (file_lock(lock)) return true;
    return refuse(refusal, "The journal's directory %s cannot be locked: another engine uses it, or this user may not write there.", r->directory);
}

/* -- headers -- */

/* The header of the latest use. */
static bool read_headers(struct journal_recovery *r, uint32_t number, struct segment_file *f, struct io_refusal *refusal)
{
    const char *blocks = window_at(&r->window, 0, first_batch_offset);
    if (!blocks) return refuse_file(r, number, 0, "it is too short, or cannot be read", refusal);

    struct segment_header best = { .use = 0 }, h;
    for (uint64_t offset = 0; offset < first_batch_offset; offset += block_bytes) {
        switch (segment_header_read(blocks + offset, &h)) {
        case HEADER_GOOD:               if (h.use > best.use) best = h; break;
        case HEADER_BAD:                break; /* never written, or the power went while it was: then the other one counts */
        case HEADER_OF_ANOTHER_VERSION: return refuse_file(r, number, offset, "another version of the engine wrote it", refusal);
        }
    }
    if (best.use == 0) return refuse_file(r, number, 0, "neither of its headers is whole", refusal);
    if (best.number != number) return refuse_file(r, number, 0, "it bears another segment's number", refusal);
    if (best.bytes != f->bytes || f->bytes % block_bytes != 0) return refuse_file(r, number, f->bytes, "it has not the length it was made with", refusal);
    f->number = number;
    f->use = best.use;
    f->stamp = best.stamp;
    return true;
}

static bool open_segment(struct journal_recovery *r, uint32_t number, struct io_refusal *refusal)
{
    char                path[segment_path_bytes_max];
    struct segment_file f = { .fd = -1, .number = number };
    segment_path(path, r->directory, number);
    if (file_open(path, &f.bytes, &f.fd) != IO_OK) return refuse_file(r, number, 0, "it cannot be opened", refusal);

    struct old_segment *o = calloc(1, sizeof *o);
    ensure(o); /* at start: with so little memory nothing else will run either */
    r->segments[r->count++] = o;
    segment_start(&o->segment, SEGMENT_CURRENT, f);
    if (number >= r->next_number) r->next_number = number + 1;

    window_over(&r->window, f.fd, f.bytes);
    if (!read_headers(r, number, &o->segment.file, refusal)) return false;

    struct batch_header first;
    const char         *block = window_at(&r->window, first_batch_offset, block_bytes);
    if (block && batch_starts_at(block, o->segment.file.stamp, f.bytes - first_batch_offset, &first)) o->first_batch = first.number;
    return true;
}

static int newest_first(const void *a, const void *b)
{
    uint64_t x = (*(struct old_segment *const *)a)->first_batch, y = (*(struct old_segment *const *)b)->first_batch;
    return x < y ? 1 : x > y ? -1 : 0;
}

static bool open_segments(struct journal_recovery *r, struct io_refusal *refusal)
{
    struct listing l = { .recovery = r, .numbers = calloc(journal_files_max, sizeof *l.numbers) };
    ensure(l.numbers);
    bool good = list_directory(r, &l, refusal);
    if (good) {
        r->segments = calloc(l.count + 1, sizeof *r->segments);
        ensure(r->segments);
    }
    for (uint32_t n = 0; good && n < l.count; n++) good = open_segment(r, l.numbers[n], refusal);
    free(l.numbers);
    if (good && r->count > 1) qsort(r->segments, r->count, sizeof *r->segments, newest_first);
    return good;
}

/* -- batches -- */

/* `reading` and what is older: a segment does not speak of newer ones. */
static void learn(struct journal_recovery *r, uint32_t reading, const struct record *record)
{
    struct retirement_head h;
    if (!retirement_read(record, &h)) return;
    for (uint32_t n = reading; n < r->count; n++) {
        struct segment *s = &r->segments[n]->segment;
        if (s->file.number != h.segment || s->file.stamp != h.stamp) continue;
        bool end_is_possible = h.end == 0 || (h.end >= first_batch_offset && h.end <= s->file.bytes && h.end % block_bytes == 0);
        if (end_is_possible) retirement_learn(s, record, &h);
    }
}

static void learn_all(struct journal_recovery *r, uint32_t reading, const char *memory, const struct batch_header *h)
{
    if (h->retirements == 0) return;
    struct record_cursor c = record_cursor_over(memory, h);
    for (struct record record; record_next(&c, &record);)
        if (record.frame.type == JOURNAL_RETIRED) learn(r, reading, &record);
}

/* What has been read of a segment so far. */
struct scan { uint64_t at, limit, next_batch, next_sequence; uint32_t records; };

/* A whole batch of this use at this offset, wherever in the segment it belongs; nullptr: there is none. */
static const char *batch_at(struct journal_recovery *r, const struct segment *s, uint64_t offset, uint64_t limit, struct batch_header *h)
{
    const char *memory = window_at(&r->window, offset, block_bytes);
    if (!memory || !batch_starts_at(memory, s->file.stamp, limit - offset, h)) return nullptr;
    memory = window_at(&r->window, offset, h->bytes);
    return memory && batch_is_whole(memory, h) ? memory : nullptr;
}

static bool follows(const struct scan *scan, const struct batch_header *h)
{
    constexpr uint64_t never = UINT64_MAX / 2; /* both count from 1, one by one */
    bool possible = h->number > 0 && h->number < never && h->first_sequence > 0 && h->first_sequence < never;
    if (!possible || h->webhooks > journal_segment_records_max - scan->records) return false;
    return scan->at == first_batch_offset || (h->number == scan->next_batch && h->first_sequence == scan->next_sequence);
}

static void read_batches(struct journal_recovery *r, uint32_t reading, struct scan *scan)
{
    struct segment     *s = &r->segments[reading]->segment;
    struct batch_header h;
    for (const char *memory; scan->at < scan->limit && (memory = batch_at(r, s, scan->at, scan->limit, &h));) {
        if (!follows(scan, &h)) return;
        if (scan->at == first_batch_offset) s->first_sequence = h.first_sequence;
        learn_all(r, reading, memory, &h);
        scan->at += h.bytes;
        scan->records += h.webhooks;
        scan->next_batch = h.number + 1;
        scan->next_sequence = h.first_sequence + h.webhooks;
    }
    if (scan->next_batch > r->next_batch) r->next_batch = scan->next_batch;
    if (scan->next_sequence > r->next_sequence) r->next_sequence = scan->next_sequence;
}

static bool has_good_batch_behind(struct journal_recovery *r, const struct segment *s, uint64_t offset)
{
    struct batch_header h;
    for (; offset < s->file.bytes && !r->window.failed; offset += block_bytes)
        if (batch_at(r, s, offset, s->file.bytes, &h)) return true;
    return false;
}

static void report_torn(struct journal_recovery *r, const struct segment *s, uint64_t offset, struct journal_report *report)
{
    struct batch_header h;
    const char         *block = window_at(&r->window, offset, block_bytes);
    if (!block || !batch_starts_at(block, s->file.stamp, s->file.bytes - offset, &h)) return; /* nothing of it to be seen */
    report->torn_bytes += h.bytes;
    report->torn_offset = offset;
    snprintf(report->torn_file, sizeof report->torn_file, "journal-%06u.segment", s->file.number);
}

static bool read_segment(struct journal_recovery *r, uint32_t reading, struct journal_report *report, struct io_refusal *refusal)
{
    struct segment *s = &r->segments[reading]->segment;
    bool            stated = s->state == SEGMENT_SEALED;
    struct scan     scan = { .at = first_batch_offset, .limit = stated ? s->end : s->file.bytes };
    window_over(&r->window, s->file.fd, s->file.bytes);
    read_batches(r, reading, &scan);
    bool goes_on = !stated && has_good_batch_behind(r, s, scan.at);
    if (r->window.failed) /* what could not be read now may be whole: no tail is cut for that */
        return refuse_file(r, s->file.number, scan.at, "it cannot be read from here on, or there is no memory for it", refusal);
    if (stated && scan.at != scan.limit)
        return refuse_file(r, s->file.number, scan.at, "damaged: a batch is not whole, and the journal went on behind it", refusal);
    if (goes_on)
        return refuse_file(r, s->file.number, scan.at, "damaged: a batch is not whole, and there are good ones behind it", refusal);
    if (!stated && scan.at < scan.limit) report_torn(r, s, scan.at, report);
    s->end = scan.at;
    s->records = scan.records;
    return true;
}

/* -- counting -- */

static void settle(struct old_segment *o, struct journal_report *report)
{
    struct segment *s = &o->segment;
    uint32_t        retired = segment_retired_count(s);
    s->live = o->to_replay = s->records - retired;
    s->state = s->live > 0 ? SEGMENT_SEALED : s->end > first_batch_offset ? SEGMENT_RETIRED : SEGMENT_SPARE;
    report->segments += 1;
    report->records += s->records;
    report->retired += retired;
    report->replayed += s->live;
}

static bool read_segments(struct journal_recovery *r, struct journal_report *report, struct io_refusal *refusal)
{
    for (uint32_t n = 0; n < r->count; n++) {
        struct segment *s = &r->segments[n]->segment;
        bool nothing_live = s->state == SEGMENT_SEALED && segment_retired_count(s) == s->records;
        if (!nothing_live && !read_segment(r, n, report, refusal)) return false;
    }
    for (uint32_t n = 0; n < r->count; n++) settle(r->segments[n], report); /* only now: a segment may speak of itself */
    r->cursor.at = r->count;
    return true;
}

struct journal_recovery *journal_recover(const struct journal_config *c, struct journal_report *report, struct io_refusal *refusal)
{
    *report = (struct journal_report){ .segments = 0 };
    struct journal_recovery *r = calloc(1, sizeof *r);
    ensure(r);
    *r = (struct journal_recovery){ .magic = RECOVERY_MAGIC, .segment_bytes = c->segment_bytes, .lock = PTHREAD_MUTEX_INITIALIZER,
                                    .next_sequence = 1, .next_batch = 1, .next_number = 1, .window = { .fd = -1 } };
    bool fits = (size_t)snprintf(r->directory, sizeof r->directory, "%s", c->directory) < sizeof r->directory;
    if (!fits) (void)refuse(refusal, "The path of the journal's directory is longer than %zu bytes.", sizeof r->directory - 1);

    if (fits && take_directory(r, refusal) && open_segments(r, refusal) && read_segments(r, report, refusal)) return r;
    journal_recovery_close(r);
    return nullptr;
}

void journal_recovery_close(struct journal_recovery *r)
{
    ensure_magic(r, RECOVERY_MAGIC);
    for (uint32_t n = 0; n < r->count; n++) {
        struct segment *s = &r->segments[n]->segment;
        ensure(s->state != SEGMENT_PREPARING); /* the worker is done: the journals are closed */
        if (s->state != SEGMENT_ABSENT) file_close(s->file.fd);
        free(r->segments[n]);
    }
    free(r->segments);
    window_deinit(&r->window);
    pthread_mutex_destroy(&r->lock);
    r->magic = 0;
    free(r);
}
