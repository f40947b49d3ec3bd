#include "table.h"
#include <stdlib.h>
#include "base/ensure.h"

static struct change *write_down(struct changes *c, struct change change)
{
    if (c->count == c->capacity) {
        c->capacity = c->capacity ? c->capacity * 2 : 64;
        c->list = realloc(c->list, c->capacity * sizeof *c->list);
        ensure(c->list != nullptr);
    }
    c->list[c->count] = change;
    return &c->list[c->count++];
}

/* -- rows -- */

void table_init(struct table *t, size_t row_bytes) { *t = (struct table){ .row_bytes = row_bytes }; }

static void append(struct table *t, void *row)
{
    if (t->count == t->capacity) {
        t->capacity = t->capacity ? t->capacity * 2 : 64;
        t->rows = realloc(t->rows, t->capacity * sizeof *t->rows);
        ensure(t->rows != nullptr);
    }
    t->rows[t->count++] = row;
}

void *table_add(struct table *t, struct changes *c)
{
    void *row = calloc(1, t->row_bytes);
    ensure(row != nullptr);
    append(t, row);
    write_down(c, (struct change){ .kind = CHANGE_ROW_ADDED, .table = t, .row = row });
    return row;
}

void table_before_set(struct table *t, struct changes *c, void *row)
{
    void *before = malloc(t->row_bytes);
    ensure(before != nullptr);
    memcpy(before, row, t->row_bytes);
    write_down(c, (struct change){ .kind = CHANGE_ROW_SET, .table = t, .row = row, .before = before });
}

void table_remove(struct table *t, struct changes *c, void *row)
{
    uint32_t place = 0;
    while (t->rows[place] != row) ensure(++place < t->count);
    t->rows[place] = t->rows[--t->count];
    write_down(c, (struct change){ .kind = CHANGE_ROW_REMOVED, .table = t, .row = row, .place = place });
}

/* -- indexes -- */

static void grow(struct index *x)
{
    struct index larger = { .bucket_count = x->bucket_count ? x->bucket_count * 2 : 64, .count = x->count };
    larger.buckets = calloc(larger.bucket_count, sizeof *larger.buckets);
    ensure(larger.buckets != nullptr);
    for (uint32_t n = 0; n < x->bucket_count; n++) {
        for (struct index_entry *e = x->buckets[n], *next; e; e = next) {
            struct index_entry **bucket = &larger.buckets[e->hash & (larger.bucket_count - 1)];
            next = e->next;
            e->next = *bucket;
            *bucket = e;
        }
    }
    free(x->buckets);
    *x = larger;
}

static void link_entry(struct index *x, uint64_t hash, void *row)
{
    if (x->count == x->bucket_count) grow(x);
    struct index_entry *e = malloc(sizeof *e), **bucket = &x->buckets[hash & (x->bucket_count - 1)];
    ensure(e != nullptr);
    *e = (struct index_entry){ .hash = hash, .row = row, .next = *bucket };
    *bucket = e;
    x->count += 1;
}

static void unlink_entry(struct index *x, uint64_t hash, const void *row)
{
    struct index_entry **link = &x->buckets[hash & (x->bucket_count - 1)];
    while (*link && (*link)->row != row) link = &(*link)->next;
    struct index_entry *e = *link;
    ensure(e != nullptr && e->hash == hash);
    *link = e->next;
    free(e);
    x->count -= 1;
}

void index_add(struct index *x, struct changes *c, uint64_t hash, void *row)
{
    link_entry(x, hash, row);
    write_down(c, (struct change){ .kind = CHANGE_INDEX_ADDED, .index = x, .row = row, .hash = hash });
}

void index_remove(struct index *x, struct changes *c, uint64_t hash, void *row)
{
    unlink_entry(x, hash, row);
    write_down(c, (struct change){ .kind = CHANGE_INDEX_REMOVED, .index = x, .row = row, .hash = hash });
}

void *index_next(const struct index *x, uint64_t hash, const void *row)
{
    if (x->bucket_count == 0) return nullptr;
    bool is_behind = row == nullptr;
    for (const struct index_entry *e = x->buckets[hash & (x->bucket_count - 1)]; e; e = e->next) {
        if (is_behind && e->hash == hash) return e->row;
        is_behind |= e->row == row;
    }
    return nullptr;
}

/* -- commit and rollback -- */

void changes_keep(struct changes *c)
{
    for (uint32_t n = 0; n < c->count; n++) {
        if (c->list[n].kind == CHANGE_ROW_REMOVED) free(c->list[n].row);
        free(c->list[n].before);
    }
    c->count = 0;
}

static void undo_removal(struct table *t, void *row, uint32_t place)
{
    append(t, row);
    t->rows[t->count - 1] = t->rows[place];
    t->rows[place] = row;
}

static void undo(struct change *change)
{
    switch (change->kind) {
    case CHANGE_ROW_ADDED:
        ensure(change->table->rows[change->table->count - 1] == change->row); /* from the end: what came later is gone already */
        change->table->count -= 1;
        free(change->row);
        break;
    case CHANGE_ROW_SET:
        memcpy(change->row, change->before, change->table->row_bytes);
        free(change->before);
        break;
    case CHANGE_ROW_REMOVED:   undo_removal(change->table, change->row, change->place); break;
    case CHANGE_INDEX_ADDED:   unlink_entry(change->index, change->hash, change->row); break;
    case CHANGE_INDEX_REMOVED: link_entry(change->index, change->hash, change->row); break;
    }
}

void changes_undo(struct changes *c)
{
    while (c->count > 0) undo(&c->list[--c->count]);
}

/* -- hashes: FNV-1a -- */

static uint64_t mix(uint64_t hash, const void *bytes, size_t count)
{
    const unsigned char *at = bytes;
    hash ^= UINT64_C(0xcbf29ce484222325);
    for (size_t n = 0; n < count; n++) hash = (hash ^ at[n]) * UINT64_C(0x100000001b3);
    return hash ^ hash >> 29;
}

uint64_t hash_integer(uint64_t hash, int64_t value) { return mix(hash, &value, sizeof value); }
uint64_t hash_text(uint64_t hash, struct slice text) { return slice_is_absent(text) ? hash_integer(hash, -1) : mix(hash_integer(hash, (int64_t)text.length), text.start, text.length); }
