/* tests/simulation/disk.c: names and images of one machine's disk; they live as long as the world. What processes do with them is in file.c and write.c. */
#include "disk.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/ensure.h"
#include "volume.h"

struct disk *disk_new(const char *name, const struct disk_climate *c)
{
    struct disk *d = calloc(1, sizeof *d);
    ensure(d != nullptr);
    d->magic = DISK_MAGIC;
    d->climate = *c;
    snprintf(d->name, sizeof d->name, "%s", name);
    list_init(&d->names);
    list_init(&d->images);
    list_init(&d->writes);
    return d;
}

void disk_set_climate(struct disk *d, const struct disk_climate *c)
{
    ensure_magic(d, DISK_MAGIC);
    d->climate = *c;
    if (c->full_per_write == 0 && c->full_per_blocking_call == 0) d->full_until_us = 0; /* somebody has made room */
}

struct disk_counters disk_counters(const struct disk *d) { return d->counters; }

/* -- paths and names -- */

bool path_plain(const char *path, char plain[static PATH_BYTES_MAX])
{
    while (path[0] == '.' && path[1] == '/') path += 2;
    size_t length = 0;
    for (; *path; path++) {
        if (*path == '/' && length > 0 && plain[length - 1] == '/') continue;
        if (length + 1 >= PATH_BYTES_MAX) return false;
        plain[length++] = *path;
    }
    if (length > 1 && plain[length - 1] == '/') length -= 1;
    plain[length] = '\0';
    return true;
}

/* Of a plain path. */
static void directory_of(const char *path, char directory[static PATH_BYTES_MAX])
{
    const char *slash = strrchr(path, '/');
    int length = slash == nullptr ? 0 : slash == path ? 1 : (int)(slash - path);
    snprintf(directory, PATH_BYTES_MAX, "%.*s", length, path);
    if (slash == nullptr) snprintf(directory, PATH_BYTES_MAX, ".");
}

struct name *name_find(const struct disk *d, const char *path)
{
    for (struct list_node *n = list_first(&d->names); n; n = list_next(&d->names, n))
        if (strcmp(container_of(n, struct name, node)->path, path) == 0) return container_of(n, struct name, node);
    return nullptr;
}

struct name *name_add(struct disk *d, const char *path, struct image *image)
{
    struct name *n = calloc(1, sizeof *n);
    ensure(n != nullptr && name_find(d, path) == nullptr);
    snprintf(n->path, sizeof n->path, "%s", path);
    n->image = image;
    list_push_back(&d->names, &n->node);
    return n;
}

void name_remove(struct disk *d, struct name *n)
{
    list_remove(&d->names, &n->node);
    if (n->image) image_release(n->image);
    free(n);
}

bool name_is_in(const struct name *n, const char *directory)
{
    char above[PATH_BYTES_MAX];
    directory_of(n->path, above);
    return strcmp(above, directory) == 0;
}

bool path_is_in_a_directory(const struct disk *d, const char *path)
{
    char above[PATH_BYTES_MAX];
    directory_of(path, above);
    if (strcmp(above, "/") == 0 || strcmp(above, ".") == 0) return true;
    const struct name *n = name_find(d, above);
    return n && n->image == nullptr;
}

static void put_directories(struct disk *d, const char *path)
{
    char above[PATH_BYTES_MAX];
    if (path_is_in_a_directory(d, path)) return;
    directory_of(path, above);
    put_directories(d, above);
    (void)name_add(d, above, nullptr);
}

void disk_put(struct disk *d, const char *path, const void *bytes, size_t count)
{
    ensure_magic(d, DISK_MAGIC);
    char plain[PATH_BYTES_MAX];
    ensure(path_plain(path, plain));
    put_directories(d, plain);
    struct name *former = name_find(d, plain);
    if (former) name_remove(d, former);
    struct image *image = image_new(&d->images, count);
    image_put(image, 0, bytes, count);
    (void)name_add(d, plain, image);
}

/* -- room -- */

uint64_t disk_used_bytes(const struct disk *d)
{
    uint64_t used = 0;
    for (struct list_node *n = list_first(&d->images); n; n = list_next(&d->images, n)) used += container_of(n, struct image, node)->bytes;
    return used;
}

bool disk_is_full(const struct disk *d, uint64_t more_bytes)
{
    bool is_over_capacity = more_bytes > 0 && d->climate.capacity_bytes > 0 && disk_used_bytes(d) + more_bytes > d->climate.capacity_bytes;
    return is_over_capacity || world_now_us() < d->full_until_us;
}

void disk_becomes_full(struct disk *d)
{
    uint64_t until_us = world_now_us() + d->climate.full_for_us;
    if (until_us > d->full_until_us) d->full_until_us = until_us;
    trace("disk %s is full for %lu us", d->name, (unsigned long)d->climate.full_for_us);
}

/* -- crashes and rot -- */

struct settling disk_draw_settling(struct disk *d)
{
    enum settling_mode mode = (enum settling_mode)dice_between(DIE_DISK, 0, SETTLE_MODE_COUNT - 1);
    return (struct settling){ .mode = mode, .garble_per_sector = d->climate.garble_per_sector, .counters = &d->counters };
}

/* What is dirty and no write under way answers for: a write that failed, a blocking one in which the process died. */
void disk_crash(struct disk *d)
{
    ensure_magic(d, DISK_MAGIC);
    struct disk_counters before = d->counters;
    for (struct list_node *n = list_first(&d->images); n; n = list_next(&d->images, n)) {
        struct image *i = container_of(n, struct image, node);
        if (i->dirty.count == 0 || writes_are_under_way(d, i)) continue; /* those are another process's, which lives */
        struct settling s = disk_draw_settling(d);
        image_settle(i, 0, UINT64_MAX, &s);
    }
    trace("disk %s after the crash: %lu torn, %lu lost, %lu sectors garbled", d->name, (unsigned long)(d->counters.torn - before.torn),
          (unsigned long)(d->counters.lost - before.lost), (unsigned long)(d->counters.garbled - before.garbled));
}

void disk_rot(struct disk *d, uint64_t dice_throw)
{
    ensure_magic(d, DISK_MAGIC);
    uint64_t pages = 0;
    for (struct list_node *n = list_first(&d->images); n; n = list_next(&d->images, n)) pages += image_pages(container_of(n, struct image, node));
    if (pages == 0) return;
    uint64_t chosen = dice_throw % pages, bit = dice_throw / pages;
    for (struct list_node *n = list_first(&d->images); n; n = list_next(&d->images, n))
        if (image_rot(container_of(n, struct image, node), &chosen, bit)) return;
}
