#pragma once
/* tests/simulation/database/table.h: inside the store: rows, ways to find them, and how to take everything back that a unit has done so far.
 *
 * A row is a struct of its own memory and never moves. Each change is written down before it is made; rollback walks the list from its end. */
#include <stdint.h>
#include "arena.h"

struct table { void **rows; uint32_t count, capacity; size_t row_bytes; int64_t last_id; /* counts on, whatever is taken back: as a sequence does */ };

/* From a hash to the rows under it; several may be, and whoever asks compares the rest. */
struct index_entry { uint64_t hash; void *row; struct index_entry *next; };
struct index { struct index_entry **buckets; uint32_t bucket_count, count; };

enum change_kind : uint8_t { CHANGE_ROW_ADDED, CHANGE_ROW_SET, CHANGE_ROW_REMOVED, CHANGE_INDEX_ADDED, CHANGE_INDEX_REMOVED };
struct change { enum change_kind kind; struct table *table; struct index *index; void *row, *before; uint64_t hash; uint32_t place; };
struct changes { struct change *list; uint32_t count, capacity; };

void table_init(struct table *t, size_t row_bytes);
[[nodiscard]] void *table_add(struct table *t, struct changes *c);        /* zeroed */
void table_before_set(struct table *t, struct changes *c, void *row);     /* remembers it as it is */
void table_remove(struct table *t, struct changes *c, void *row);         /* its place is taken by the last one */

void index_add(struct index *x, struct changes *c, uint64_t hash, void *row);
void index_remove(struct index *x, struct changes *c, uint64_t hash, void *row);
/* The next row under this hash after `row` (nullptr: the first); nullptr: no more. */
[[nodiscard]] void *index_next(const struct index *x, uint64_t hash, const void *row);

void changes_keep(struct changes *c); /* the unit is committed */
void changes_undo(struct changes *c);

/* Hashes of keys: begin with 0, and mix in one part after the other. */
[[nodiscard]] uint64_t hash_integer(uint64_t hash, int64_t value);
[[nodiscard]] uint64_t hash_text(uint64_t hash, struct slice text); /* absent and empty differ */
