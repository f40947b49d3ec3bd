#pragma once
/* tests/simulation/image.h: inside the disk: what a file holds, twice. A page of 4096 bytes that nobody ever wrote is zeros, and takes no memory.
 *
 * clean page: the platter has it, and a reader sees that. dirty page: a reader sees the cache; what the platter will have after a crash is not decided yet. */
#include "disk.h"

enum : uint64_t { PAGE_BYTES = 4096, SECTOR_BYTES = 512, PAGES_PER_LEAF = 512, LEAVES_MAX = 512, IMAGE_BYTES_MAX = PAGE_BYTES * PAGES_PER_LEAF * LEAVES_MAX };

struct page {
    struct list_node dirty;    /* of its image; off the list: clean */
    uint64_t         index;
    char            *platter;  /* nullptr: zeros */
    char            *cache;    /* nullptr: clean */
};

struct image {
    struct list_node node;     /* of its disk */
    struct list     *all;
    const struct process *lock_holder; /* may be over, which frees the lock; not forgotten */
    uint64_t     bytes;
    uint32_t     references;   /* names, open files, writes under way */
    struct page **leaves[LEAVES_MAX];
    struct list  dirty;
};

/* How one thing that was under way comes out at a crash. A real disk may keep all, nothing, the beginning, or any of its sectors. */
enum settling_mode : uint8_t { SETTLE_ALL_NEW, SETTLE_ALL_OLD, SETTLE_PREFIX, SETTLE_ANY, SETTLE_MODE_COUNT };
struct settling { enum settling_mode mode; double garble_per_sector; struct disk_counters *counters; bool prefix_is_over; };

[[nodiscard]] struct image *image_new(struct list *all, uint64_t bytes);
void image_release(struct image *i);
void image_read(const struct image *i, uint64_t offset, char *into, size_t count);
void image_write(struct image *i, uint64_t offset, const char *from, size_t count); /* into the cache */
void image_put(struct image *i, uint64_t offset, const char *from, size_t count);   /* onto the platter, at once; any alignment */
void image_resize(struct image *i, uint64_t bytes);
/* Of the pages from `offset` on: dirty ones get onto the platter; and at a crash, what becomes of them. */
void image_sync(struct image *i, uint64_t offset, uint64_t count);
void image_settle(struct image *i, uint64_t offset, uint64_t count, struct settling *s);
[[nodiscard]] bool image_shows(const struct image *i, uint64_t offset, const char *bytes, size_t count); /* a reader sees exactly these */
/* Turns a bit of the platter, in the `chosen`-th page that was ever written; false: there are not so many, and *chosen is less by as many as there are. */
[[nodiscard]] bool image_rot(struct image *i, uint64_t *chosen, uint64_t bit);
[[nodiscard]] uint64_t image_pages(const struct image *i);
