/* tests/simulation/image.c: pages in two levels of tables; a segment of 34 MiB of zeros is nine pointers. In the world's memory: the disk outlives processes. */
#include "image.h"
#include <stdlib.h>
#include <string.h>
#include "base/ensure.h"

/* -- pages -- */

static struct page *find_page(const struct image *i, uint64_t index)
{
    struct page **leaf = i->leaves[index / PAGES_PER_LEAF];
    return leaf ? leaf[index % PAGES_PER_LEAF] : nullptr;
}

static struct page *make_page(struct image *i, uint64_t index)
{
    struct page ***leaf = &i->leaves[index / PAGES_PER_LEAF];
    if (*leaf == nullptr) *leaf = calloc(PAGES_PER_LEAF, sizeof **leaf);
    ensure(*leaf != nullptr);
    struct page **page = &(*leaf)[index % PAGES_PER_LEAF];
    if (*page == nullptr) *page = calloc(1, sizeof **page);
    ensure(*page != nullptr);
    (*page)->index = index;
    return *page;
}

static const char *seen(const struct page *p) { return p == nullptr ? nullptr : p->cache ? p->cache : p->platter; }

static char *make_cache(struct image *i, struct page *p)
{
    if (p->cache) return p->cache;
    p->cache = calloc(1, PAGE_BYTES);
    ensure(p->cache != nullptr);
    if (p->platter) memcpy(p->cache, p->platter, PAGE_BYTES);
    list_push_back(&i->dirty, &p->dirty);
    return p->cache;
}

static void become_clean(struct image *i, struct page *p)
{
    list_remove(&i->dirty, &p->dirty);
    free(p->platter);
    p->platter = p->cache;
    p->cache = nullptr;
}

/* -- life -- */

struct image *image_new(struct list *all, uint64_t bytes)
{
    ensure(bytes <= IMAGE_BYTES_MAX);
    struct image *i = calloc(1, sizeof *i);
    ensure(i != nullptr);
    i->bytes = bytes;
    i->references = 1;
    i->all = all;
    list_init(&i->dirty);
    list_push_back(all, &i->node);
    return i;
}

void image_release(struct image *i)
{
    ensure(i->references > 0);
    i->references -= 1;
    if (i->references > 0) return;
    for (uint64_t leaf = 0; leaf < LEAVES_MAX; leaf++) {
        if (i->leaves[leaf] == nullptr) continue;
        for (uint64_t n = 0; n < PAGES_PER_LEAF; n++) {
            struct page *p = i->leaves[leaf][n];
            if (p == nullptr) continue;
            free(p->platter);
            free(p->cache);
            free(p);
        }
        free(i->leaves[leaf]);
    }
    list_remove(i->all, &i->node);
    free(i);
}

void image_resize(struct image *i, uint64_t bytes)
{
    ensure(bytes <= IMAGE_BYTES_MAX);
    i->bytes = bytes;
}

/* -- reading and writing -- */

static uint64_t within_page(uint64_t offset, uint64_t count)
{
    uint64_t left = PAGE_BYTES - offset % PAGE_BYTES;
    return count < left ? count : left;
}

void image_read(const struct image *i, uint64_t offset, char *into, size_t count)
{
    while (count > 0) {
        uint64_t part = within_page(offset, count);
        const char *bytes = seen(find_page(i, offset / PAGE_BYTES));
        if (bytes) memcpy(into, bytes + offset % PAGE_BYTES, part);
        else memset(into, 0, part);
        offset += part;
        into += part;
        count -= part;
    }
}

bool image_shows(const struct image *i, uint64_t offset, const char *bytes, size_t count)
{
    ensure(offset % PAGE_BYTES == 0 && count % PAGE_BYTES == 0);
    for (; count > 0; offset += PAGE_BYTES, bytes += PAGE_BYTES, count -= PAGE_BYTES) {
        const char *page = seen(find_page(i, offset / PAGE_BYTES));
        if (page == nullptr || memcmp(page, bytes, PAGE_BYTES) != 0) return false;
    }
    return true;
}

void image_write(struct image *i, uint64_t offset, const char *from, size_t count)
{
    ensure(offset + count <= i->bytes);
    while (count > 0) {
        uint64_t part = within_page(offset, count);
        memcpy(make_cache(i, make_page(i, offset / PAGE_BYTES)) + offset % PAGE_BYTES, from, part);
        offset += part;
        from += part;
        count -= part;
    }
}

void image_put(struct image *i, uint64_t offset, const char *from, size_t count)
{
    image_write(i, offset, from, count);
    image_sync(i, offset, count);
}

/* -- what becomes of dirty pages -- */

/* In the order of their places, not of their writing: so a prefix is one. */
static struct page *next_dirty(const struct image *i, uint64_t *index, uint64_t end)
{
    for (; *index < end; *index += 1) {
        if (i->leaves[*index / PAGES_PER_LEAF] == nullptr) {
            *index |= PAGES_PER_LEAF - 1;
            continue;
        }
        struct page *p = find_page(i, *index);
        if (p == nullptr || p->cache == nullptr) continue;
        *index += 1;
        return p;
    }
    return nullptr;
}

static uint64_t pages_until(uint64_t offset, uint64_t count)
{
    uint64_t end = count > IMAGE_BYTES_MAX - offset ? IMAGE_BYTES_MAX : offset + count;
    return (end + PAGE_BYTES - 1) / PAGE_BYTES;
}

void image_sync(struct image *i, uint64_t offset, uint64_t count)
{
    uint64_t index = offset / PAGE_BYTES, end = pages_until(offset, count);
    for (struct page *p; i->dirty.count > 0 && (p = next_dirty(i, &index, end)) != nullptr;) become_clean(i, p);
}

static bool keeps_new(struct settling *s)
{
    switch (s->mode) {
    case SETTLE_ALL_NEW: return true;
    case SETTLE_ALL_OLD: return false;
    case SETTLE_PREFIX:
        if (dice_happens(DIE_DISK, 0.05)) s->prefix_is_over = true;
        return !s->prefix_is_over;
    case SETTLE_ANY:
        return dice_happens(DIE_DISK, 0.5);
    case SETTLE_MODE_COUNT: break;
    }
    ensure(false);
    return false;
}

static void garble(char *sector, struct settling *s)
{
    s->counters->garbled += 1;
    if (dice_happens(DIE_DISK, 0.5)) memset(sector, 0, SECTOR_BYTES);
    else sector[dice_between(DIE_DISK, 0, SECTOR_BYTES - 1)] ^= (char)(1 << dice_between(DIE_DISK, 0, 7));
}

/* Which of its sectors came out otherwise than they were written. */
static uint32_t settle_page(struct page *p, struct settling *s)
{
    uint32_t old = 0;
    for (uint64_t at = 0; at < PAGE_BYTES; at += SECTOR_BYTES) {
        char        zeros[SECTOR_BYTES] = {};
        const char *before = p->platter ? p->platter + at : zeros;
        if (memcmp(p->cache + at, before, SECTOR_BYTES) == 0) continue;
        if (dice_happens(DIE_DISK, s->garble_per_sector)) {
            garble(p->cache + at, s);
        } else if (!keeps_new(s)) {
            memcpy(p->cache + at, before, SECTOR_BYTES);
            old += 1;
        }
    }
    return old;
}

void image_settle(struct image *i, uint64_t offset, uint64_t count, struct settling *s)
{
    uint64_t index = offset / PAGE_BYTES, end = pages_until(offset, count), old = 0, pages = 0;
    for (struct page *p; i->dirty.count > 0 && (p = next_dirty(i, &index, end)) != nullptr; pages++) {
        old += settle_page(p, s);
        become_clean(i, p);
    }
    if (pages == 0 || old == 0) return;
    if (s->mode == SETTLE_ALL_OLD) s->counters->lost += 1;
    else s->counters->torn += 1;
}

/* -- rot -- */

static struct page *nth_written(const struct image *i, uint64_t *chosen)
{
    for (uint64_t leaf = 0; leaf < LEAVES_MAX; leaf++) {
        if (i->leaves[leaf] == nullptr) continue;
        for (uint64_t n = 0; n < PAGES_PER_LEAF; n++) {
            struct page *p = i->leaves[leaf][n];
            if (p == nullptr || p->platter == nullptr) continue;
            if (*chosen == 0) return p;
            *chosen -= 1;
        }
    }
    return nullptr;
}

bool image_rot(struct image *i, uint64_t *chosen, uint64_t bit)
{
    struct page *p = nth_written(i, chosen);
    if (p == nullptr) return false;
    bit %= PAGE_BYTES * 8;
    p->platter[bit / 8] ^= (char)(1 << bit % 8);
    return true;
}

uint64_t image_pages(const struct image *i)
{
    uint64_t all = UINT64_MAX, left = all;
    (void)nth_written(i, &left);
    return all - left;
}
