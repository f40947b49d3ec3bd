#include "journal/segment.h"
#include <stdio.h>
#include "base/clock.h"
#include "base/ensure.h"

void segment_start(struct segment *s, enum segment_state state, struct segment_file file)
{
    *s = (struct segment){ .state = state, .file = file, .end = first_batch_offset };
}

bool segment_is_retired(const struct segment *s, uint32_t record)
{
    ensure(record < journal_segment_records_max);
    return (s->retired[record / 64] >> (record % 64) & 1) == 1;
}

static void mark_unstated(struct segment *s, uint32_t word)
{
    bool none = !segment_has_unstated(s);
    if (none || word < s->unstated_from) s->unstated_from = word;
    if (none || word >= s->unstated_to) s->unstated_to = word + 1;
}

bool segment_retire(struct segment *s, struct journal_position p)
{
    ensure(p.sequence >= s->first_sequence && p.sequence - s->first_sequence < s->records);
    uint32_t record = (uint32_t)(p.sequence - s->first_sequence);
    ensure(!segment_is_retired(s, record)); /* or it is retired twice: its effects were counted twice, too */
    s->retired[record / 64] |= UINT64_C(1) << (record % 64);
    mark_unstated(s, record / 64);
    s->live -= 1;
    return s->live == 0;
}

uint32_t segment_retired_count(const struct segment *s)
{
    uint32_t count = 0;
    for (uint32_t record = 0; record < s->records; record++) count += segment_is_retired(s, record);
    return count;
}

bool segment_is_behind(const struct segment *s)
{
    switch (s->state) {
    case SEGMENT_SEALED:
    case SEGMENT_RETIRED:   return true;
    case SEGMENT_PREPARING: return s->end > first_batch_offset; /* until the worker is done, the former use may be what a crash finds */
    case SEGMENT_ABSENT:
    case SEGMENT_SPARE:
    case SEGMENT_CURRENT:   return false;
    }
    ensure(false);
}

/* -- files -- */

static constexpr char unfinished_suffix[] = ".new";

static constexpr char name_format[] = "journal-%06u.segment";

void segment_path(char path[segment_path_bytes_max], const char *directory, uint32_t number)
{
    int length = snprintf(path, segment_path_bytes_max, "%s/", directory);
    ensure(length > 0 && (size_t)length + 64 <= segment_path_bytes_max); /* journal_recover() refuses long directories */
    snprintf(path + length, segment_path_bytes_max - (size_t)length, name_format, number);
}

bool segment_number_of(const char *name, uint32_t *number)
{
    char again[64];
    if (sscanf(name, name_format, number) != 1) return false;
    snprintf(again, sizeof again, name_format, *number);
    return strcmp(name, again) == 0; /* exactly as we write it: two names never mean one number */
}

bool segment_name_is_unfinished(const char *name)
{
    struct slice whole = slice_from_text(name), suffix = slice_of(".segment.new");
    return slice_starts_with(whole, slice_of("journal-")) && whole.length > suffix.length &&
           slice_equal(slice_skip(whole, whole.length - suffix.length), suffix);
}

/* The other one of the two headers keeps the former use until this one is on the disk. */
static enum io_status write_header(const struct segment_file *f)
{
    alignas(block_bytes) char block[block_bytes];
    segment_header_write((struct segment_header){ .stamp = f->stamp, .bytes = f->bytes, .number = f->number, .use = f->use }, block);
    return file_write(f->fd, (uint64_t)(f->use % 2) * block_bytes, block, sizeof block);
}

enum io_status segment_file_create(const char *directory, uint32_t number, uint64_t bytes, struct segment_file *f)
{
    char path[segment_path_bytes_max], unfinished[segment_path_bytes_max];
    segment_path(path, directory, number);
    snprintf(unfinished, sizeof unfinished, "%s%s", path, unfinished_suffix);

    *f = (struct segment_file){ .fd = -1, .number = number, .use = 1, .stamp = random_u64(), .bytes = bytes };
    enum io_status status = file_create_filled(unfinished, bytes, &f->fd);
    if (status == IO_OK) status = write_header(f);
    if (status == IO_OK) status = file_rename(unfinished, path);
    if (status == IO_OK) return IO_OK;

    if (f->fd >= 0) file_close(f->fd);
    f->fd = -1;
    (void)file_remove(unfinished); /* what stays is removed at the next start */
    return status;
}

enum io_status segment_file_renew(struct segment_file *f)
{
    struct segment_file next = *f;
    next.use += 1;
    next.stamp = random_u64();
    enum io_status status = write_header(&next);
    if (status == IO_OK) *f = next;
    return status;
}

enum io_status segment_file_remove(const char *directory, struct segment_file *f)
{
    char path[segment_path_bytes_max];
    segment_path(path, directory, f->number);
    file_close(f->fd);
    f->fd = -1;
    return file_remove(path);
}
