/* tests/simulation/file.c: io/file.h on the disk of the process that calls. Nobody else runs during such a call; where a real one could be cut off half-way, the seam is
 * crossed in the middle, with everything as a crash would find it. */
#include "io/file.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/ensure.h"
#include "sim_memory.h" /* what is read belongs to the process, which will free it */
#include "volume.h"

static struct disk *disk_here(void)
{
    ensure(process_here() != nullptr && process_disk(process_here()) != nullptr);
    struct disk *d = process_disk(process_here());
    ensure_magic(d, DISK_MAGIC);
    return d;
}

static bool is_aligned(const void *memory, uint64_t offset, size_t count)
{
    return (uint64_t)memory % PAGE_BYTES == 0 && offset % PAGE_BYTES == 0 && count % PAGE_BYTES == 0;
}

/* What the dice say about a call; one that takes no room cannot find the disk full. */
static enum io_status draw_status(struct disk *d, bool takes_room, uint64_t more_bytes)
{
    if (dice_happens(DIE_DISK, d->climate.fail_per_blocking_call)) {
        d->counters.failed += 1;
        trace("disk %s: a call fails", d->name);
        return IO_FAILED;
    }
    if (!takes_room) return IO_OK;
    if (dice_happens(DIE_DISK, d->climate.full_per_blocking_call)) disk_becomes_full(d);
    if (!disk_is_full(d, more_bytes)) return IO_OK;
    d->counters.full += 1;
    return IO_NO_SPACE;
}

/* -- descriptors -- */

static void file_closed(void *object, bool died)
{
    struct open_file *f = object;
    bool is_owner_ending = died || fiber_here() == nullptr;
    if (is_owner_ending) writes_abandon(f);
    ensure(!writes_use(f));
    image_release(f->image);
    free(f);
}

static enum io_status open_image(struct disk *d, struct image *i, int *fd)
{
    struct open_file *f = calloc(1, sizeof *f);
    ensure(f != nullptr);
    *f = (struct open_file){ .disk = d, .image = i };
    int opened = descriptor_open(DESCRIPTOR_FILE, f, file_closed);
    if (opened < 0) {
        free(f);
        return IO_NO_FILES;
    }
    i->references += 1;
    *fd = opened;
    return IO_OK;
}

void file_close(int fd)
{
    seam_cross("file_close");
    descriptor_close(fd);
}

bool file_is_direct(int fd)
{
    seam_cross("file_is_direct");
    (void)descriptor_object(fd, DESCRIPTOR_FILE);
    return true;
}

/* -- names -- */

static enum io_status make_one_directory(struct disk *d, const char *path)
{
    const struct name *n = name_find(d, path);
    if (n) return n->image ? IO_FAILED : IO_OK;
    (void)name_add(d, path, nullptr);
    return IO_OK;
}

enum io_status file_make_directory(const char *path)
{
    seam_cross("file_make_directory");
    struct disk *d = disk_here();
    char plain[PATH_BYTES_MAX];
    if (!path_plain(path, plain)) return IO_FAILED;
    enum io_status status = name_find(d, plain) ? IO_OK : draw_status(d, true, 0);
    for (char *slash = strchr(plain + 1, '/'); slash && status == IO_OK; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        status = make_one_directory(d, plain);
        *slash = '/';
    }
    return status == IO_OK ? make_one_directory(d, plain) : status;
}

enum io_status file_remove(const char *path)
{
    seam_cross("file_remove");
    struct disk *d = disk_here();
    char plain[PATH_BYTES_MAX];
    struct name *n = path_plain(path, plain) ? name_find(d, plain) : nullptr;
    if (n == nullptr || n->image == nullptr) return IO_FAILED;
    enum io_status status = draw_status(d, false, 0);
    if (status != IO_OK) return status;
    trace("disk %s: %s is removed", d->name, plain);
    name_remove(d, n);
    return IO_OK;
}

enum io_status file_rename(const char *from, const char *to)
{
    seam_cross("file_rename");
    struct disk *d = disk_here();
    char plain_from[PATH_BYTES_MAX], plain_to[PATH_BYTES_MAX];
    if (!path_plain(from, plain_from) || !path_plain(to, plain_to)) return IO_FAILED;
    struct name *n = name_find(d, plain_from), *former = name_find(d, plain_to);
    if (n == nullptr || !path_is_in_a_directory(d, plain_to) || (former && former->image == nullptr)) return IO_FAILED;
    enum io_status status = draw_status(d, false, 0);
    if (status != IO_OK) return status;
    trace("disk %s: %s becomes %s", d->name, plain_from, plain_to);
    if (former == n) return IO_OK;
    if (former) name_remove(d, former);
    snprintf(n->path, sizeof n->path, "%s", plain_to);
    return IO_OK;
}

/* Those from a place on that the dice choose, then the others. */
enum io_status file_list(const char *directory, bool (*each)(void *context, const char *name), void *context)
{
    seam_cross("file_list");
    struct disk *d = disk_here();
    char plain[PATH_BYTES_MAX];
    const struct name *place = path_plain(directory, plain) ? name_find(d, plain) : nullptr;
    if (place == nullptr || place->image) return IO_FAILED;
    enum io_status status = draw_status(d, false, 0);
    if (status != IO_OK) return status;

    uint64_t first = dice_between(DIE_DISK, 0, d->names.count - 1);
    bool wants_more = true;
    for (uint32_t round = 0; round < 2; round++) {
        uint64_t index = 0;
        for (struct list_node *l = list_first(&d->names), *next; l && wants_more; l = next, index++) {
            next = list_next(&d->names, l);
            const struct name *n = container_of(l, struct name, node);
            const char *last = strrchr(n->path, '/');
            last = last ? last + 1 : n->path;
            if ((index >= first) == (round == 0) && name_is_in(n, plain) && last[0] != '.') wants_more = each(context, last);
        }
    }
    return IO_OK;
}

bool file_lock(const char *path)
{
    seam_cross("file_lock");
    struct disk *d = disk_here();
    char plain[PATH_BYTES_MAX];
    if (!path_plain(path, plain) || !path_is_in_a_directory(d, plain) || seam_fails(SEAM_DESCRIPTOR)) return false;
    struct name *n = name_find(d, plain);
    if (n == nullptr) n = name_add(d, plain, image_new(&d->images, 0));
    bool is_held = n->image == nullptr || (n->image->lock_holder && !process_is_over(n->image->lock_holder));
    trace("disk %s: %s is %s", d->name, plain, is_held ? "held by another one" : "locked");
    if (!is_held) n->image->lock_holder = process_here();
    return !is_held;
}

/* -- files -- */

/* Until it has its name it may be left behind by a crash, as the next try finds it. */
static enum io_status fill(struct disk *d, const char *unnamed, const char *path, uint64_t bytes, int *fd)
{
    struct name *former = name_find(d, unnamed);
    if (former) name_remove(d, former);
    struct image *image = image_new(&d->images, 0);
    enum io_status status = open_image(d, image, fd);
    struct name *n = name_add(d, unnamed, image);
    if (status == IO_OK) {
        image_resize(image, dice_between(DIE_DISK, 0, bytes / PAGE_BYTES - 1) * PAGE_BYTES);
        seam_cross("file_create_filled, while it fills");
        image_resize(image, bytes);
        seam_cross("file_create_filled, before it has its name");
        if (name_find(d, path) == nullptr) {
            snprintf(n->path, sizeof n->path, "%s", path);
            return IO_OK;
        }
        descriptor_close(*fd);
        status = IO_FAILED;
    }
    name_remove(d, n);
    return status;
}

enum io_status file_create_filled(const char *path, uint64_t bytes, int *fd)
{
    seam_cross("file_create_filled");
    ensure(bytes > 0 && bytes % PAGE_BYTES == 0);
    struct disk *d = disk_here();
    char plain[PATH_BYTES_MAX], unnamed[PATH_BYTES_MAX];
    if (!path_plain(path, plain) || !path_is_in_a_directory(d, plain)) return IO_FAILED;
    const char *slash = strrchr(plain, '/');
    int above = slash ? (int)(slash - plain) + 1 : 0;
    if (snprintf(unnamed, sizeof unnamed, "%.*s.%s.filling", above, plain, plain + above) >= (int)sizeof unnamed) return IO_FAILED;

    enum io_status status = draw_status(d, true, bytes);
    int created = -1;
    if (status == IO_OK) status = fill(d, unnamed, plain, bytes, &created);
    trace("disk %s: %s with %lu bytes: %s", d->name, plain, (unsigned long)bytes, io_status_name(status));
    if (status == IO_OK) *fd = created;
    return status;
}

enum io_status file_open(const char *path, uint64_t *bytes, int *fd)
{
    seam_cross("file_open");
    struct disk *d = disk_here();
    char plain[PATH_BYTES_MAX];
    const struct name *n = path_plain(path, plain) ? name_find(d, plain) : nullptr;
    if (n == nullptr || n->image == nullptr) return IO_FAILED;
    enum io_status status = draw_status(d, false, 0);
    if (status == IO_OK) status = open_image(d, n->image, fd);
    if (status == IO_OK) *bytes = n->image->bytes;
    return status;
}

enum io_status file_read(int fd, uint64_t offset, void *into, size_t count, size_t *read)
{
    seam_cross("file_read");
    ensure(is_aligned(into, offset, count));
    const struct open_file *f = descriptor_object(fd, DESCRIPTOR_FILE);
    *read = 0;
    enum io_status status = draw_status(f->disk, false, 0);
    if (status != IO_OK) return status;
    uint64_t there = offset < f->image->bytes ? f->image->bytes - offset : 0;
    *read = count < there ? count : there;
    image_read(f->image, offset, into, *read);
    return IO_OK;
}

enum io_status file_write(int fd, uint64_t offset, const void *from, size_t count)
{
    seam_cross("file_write");
    ensure(is_aligned(from, offset, count));
    const struct open_file *f = descriptor_object(fd, DESCRIPTOR_FILE);
    enum io_status status = draw_status(f->disk, true, 0);
    uint64_t reach = status == IO_OK ? count : dice_between(DIE_DISK, 0, count / PAGE_BYTES) * PAGE_BYTES;
    if (offset + reach > f->image->bytes) image_resize(f->image, offset + reach);
    image_write(f->image, offset, from, reach);
    f->disk->counters.writes += 1;
    seam_cross("file_write, before its sync");
    if (status == IO_OK) image_sync(f->image, offset, count);
    return status;
}

enum io_status file_read_whole(const char *path, size_t max, char **text, size_t *count)
{
    seam_cross("file_read_whole");
    struct disk *d = disk_here();
    char plain[PATH_BYTES_MAX];
    const struct name *n = path_plain(path, plain) ? name_find(d, plain) : nullptr;
    if (n == nullptr || n->image == nullptr) return IO_FAILED;
    if (seam_fails(SEAM_DESCRIPTOR)) return IO_NO_FILES;
    enum io_status status = draw_status(d, false, 0);
    if (status != IO_OK) return status;
    if (n->image->bytes > max) return IO_FAILED;
    char *whole = sim_malloc(max + 2);
    if (whole == nullptr) return IO_NO_FILES;
    *count = n->image->bytes;
    image_read(n->image, 0, whole, *count);
    whole[*count] = '\0';
    *text = whole;
    return IO_OK;
}
