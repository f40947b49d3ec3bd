#pragma once
/* tests/simulation/volume.h: inside the disk: names, files that are open, writes that are under way. */
#include "disk.h"
#include "image.h"

enum : uint32_t { DISK_MAGIC = 0x6469'7301, PATH_BYTES_MAX = 512 };

/* A directory has no image. */
struct name { struct list_node node; char path[PATH_BYTES_MAX]; struct image *image; };

struct disk {
    uint32_t             magic;
    char                 name[16];
    struct disk_climate  climate;
    struct disk_counters counters;
    struct list          names, images, writes;
    uint64_t             full_until_us;
};

struct open_file { struct disk *disk; struct image *image; };

/* -- disk.c -- */
[[nodiscard]] struct name *name_find(const struct disk *d, const char *path);             /* nullptr: there is none */
[[nodiscard]] struct name *name_add(struct disk *d, const char *path, struct image *image); /* its reference becomes the name's */
void name_remove(struct disk *d, struct name *n);
[[nodiscard]] bool name_is_in(const struct name *n, const char *directory);
[[nodiscard]] bool path_is_in_a_directory(const struct disk *d, const char *path);
/* One spelling for each file: without a "/" at the end, two in a row, or "./" at the beginning. false: too long. */
[[nodiscard]] bool path_plain(const char *path, char plain[static PATH_BYTES_MAX]);
[[nodiscard]] bool disk_is_full(const struct disk *d, uint64_t more_bytes);
void disk_becomes_full(struct disk *d);
[[nodiscard]] struct settling disk_draw_settling(struct disk *d);

/* -- write.c -- */
void writes_abandon(const struct open_file *f); /* its process is over: they become what the dice say */
[[nodiscard]] bool writes_are_under_way(const struct disk *d, const struct image *i);
[[nodiscard]] bool writes_use(const struct open_file *f);
