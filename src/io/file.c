#include "io/file.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/ensure.h"
#include "io/io_status.h"

static constexpr uint64_t alignment = 4096;
static constexpr size_t   fill_bytes = 1024 * 1024; /* at once: large enough for one extent, small enough to allocate */

static enum io_status last_status(void) { return io_status_from_errno(errno); }

static bool is_aligned(const void *memory, uint64_t offset, size_t count)
{
    return (uint64_t)memory % alignment == 0 && offset % alignment == 0 && count % alignment == 0;
}

/* The directory part of a path, "." when it has none. */
static bool directory_of(const char *path, char directory[static PATH_MAX])
{
    const char *slash = strrchr(path, '/');
    if (slash == nullptr) return snprintf(directory, PATH_MAX, ".") > 0;
    int length = slash == path ? 1 : (int)(slash - path);
    return snprintf(directory, PATH_MAX, "%.*s", length, path) < PATH_MAX;
}

/* A name is durable when its directory is. */
static enum io_status sync_directory_of(const char *path)
{
    char directory[PATH_MAX];
    if (!directory_of(path, directory)) return IO_FAILED;
    int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return last_status();
    enum io_status status = fsync(fd) == 0 ? IO_OK : last_status();
    file_close(fd);
    return status;
}

static enum io_status make_one_directory(const char *path)
{
    if (mkdir(path, 0700) == 0) return sync_directory_of(path);
    if (errno != EEXIST) return last_status();
    struct stat s;
    return stat(path, &s) == 0 && S_ISDIR(s.st_mode) ? IO_OK : IO_FAILED;
}

enum io_status file_make_directory(const char *path)
{
    char parent[PATH_MAX];
    if (snprintf(parent, sizeof parent, "%s", path) >= PATH_MAX) return IO_FAILED;
    for (char *slash = strchr(parent + 1, '/'); slash != nullptr; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        enum io_status status = make_one_directory(parent);
        if (status != IO_OK) return status;
        *slash = '/';
    }
    return make_one_directory(path);
}

/* EINVAL is how a file system says that it has no O_DIRECT. */
static int open_direct(const char *path, int flags)
{
    int fd = open(path, flags | O_RDWR | O_CLOEXEC | O_DIRECT, 0600);
    if (fd < 0 && errno == EINVAL) fd = open(path, flags | O_RDWR | O_CLOEXEC, 0600);
    return fd;
}

bool file_is_direct(int fd)
{
    int flags = fcntl(fd, F_GETFL);
    ensure(flags >= 0);
    return flags & O_DIRECT;
}

static enum io_status write_all(int fd, uint64_t offset, const char *from, size_t count)
{
    while (count > 0) {
        ssize_t written = pwrite(fd, from, count, (off_t)offset);
        if (written < 0 && errno == EINTR) continue;
        if (written < 0) return last_status();
        if ((uint64_t)written % alignment != 0 || written == 0) return IO_FAILED; /* O_DIRECT cannot go on from there */
        from += written;
        offset += (uint64_t)written;
        count -= (size_t)written;
    }
    return IO_OK;
}

/* Real zeros: fallocate() would leave extents marked unwritten, and every first write into one would change the file's metadata. */
static enum io_status fill_with_zeros(int fd, uint64_t bytes)
{
    void *zeros = aligned_alloc(alignment, fill_bytes);
    if (zeros == nullptr) return IO_NO_FILES;
    memset(zeros, 0, fill_bytes);
    enum io_status status = IO_OK;
    for (uint64_t offset = 0; offset < bytes && status == IO_OK; offset += fill_bytes)
        status = write_all(fd, offset, zeros, bytes - offset < fill_bytes ? bytes - offset : fill_bytes);
    free(zeros);
    if (status == IO_OK && fsync(fd) != 0) status = last_status();
    return status;
}

static enum io_status give_name(const char *unnamed, const char *path)
{
    bool named = renameat2(AT_FDCWD, unnamed, AT_FDCWD, path, RENAME_NOREPLACE) == 0;
    return named ? sync_directory_of(path) : last_status();
}

enum io_status file_create_filled(const char *path, uint64_t bytes, int *fd)
{
    ensure(bytes > 0 && bytes % alignment == 0);
    char directory[PATH_MAX], unnamed[PATH_MAX];
    const char *slash = strrchr(path, '/');
    if (!directory_of(path, directory)) return IO_FAILED;
    if (snprintf(unnamed, sizeof unnamed, "%s/.%s.filling", directory, slash ? slash + 1 : path) >= PATH_MAX) return IO_FAILED;

    int created = open_direct(unnamed, O_CREAT | O_TRUNC);
    if (created < 0) return last_status();
    enum io_status status = fill_with_zeros(created, bytes);
    if (status == IO_OK) status = give_name(unnamed, path);
    if (status == IO_OK) {
        *fd = created;
        return IO_OK;
    }
    unlink(unnamed); /* gives the space back; where that fails too, the next try overwrites it */
    file_close(created);
    return status;
}

enum io_status file_open(const char *path, uint64_t *bytes, int *fd)
{
    int opened = open_direct(path, 0);
    if (opened < 0) return last_status();
    struct stat s;
    if (fstat(opened, &s) != 0) {
        enum io_status status = last_status();
        file_close(opened);
        return status;
    }
    *bytes = (uint64_t)s.st_size;
    *fd = opened;
    return IO_OK;
}

enum io_status file_read(int fd, uint64_t offset, void *into, size_t count, size_t *read)
{
    ensure(is_aligned(into, offset, count));
    *read = 0;
    while (*read < count) {
        ssize_t got = pread(fd, (char *)into + *read, count - *read, (off_t)(offset + *read));
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return last_status();
        *read += (size_t)got;
        if ((uint64_t)got % alignment != 0 || got == 0) return IO_OK; /* the end of the file */
    }
    return IO_OK;
}

enum io_status file_write(int fd, uint64_t offset, const void *from, size_t count)
{
    ensure(is_aligned(from, offset, count));
    enum io_status status = write_all(fd, offset, from, count);
    if (status == IO_OK && fdatasync(fd) != 0) status = last_status();
    return status;
}

enum io_status file_remove(const char *path)
{
    return unlink(path) == 0 ? sync_directory_of(path) : last_status();
}

enum io_status file_rename(const char *from, const char *to)
{
    return rename(from, to) == 0 ? sync_directory_of(to) : last_status();
}

void file_close(int fd) { io_close(fd); }

bool file_lock(const char *path)
{
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0) return false;
    if (flock(fd, LOCK_EX | LOCK_NB) == 0) return true; /* fd stays open: closing it would unlock */
    file_close(fd);
    return false;
}

enum io_status file_list(const char *directory, bool (*each)(void *context, const char *name), void *context)
{
    DIR *open_directory = opendir(directory);
    if (open_directory == nullptr) return last_status();
    bool wants_more = true;
    errno = 0; /* readdir() says "end" and "failed" in the same way, except here */
    for (struct dirent *entry = readdir(open_directory); entry != nullptr && wants_more; entry = readdir(open_directory)) {
        if (entry->d_name[0] != '.') wants_more = each(context, entry->d_name);
        errno = 0;
    }
    enum io_status status = last_status();
    closedir(open_directory);
    return status;
}

static enum io_status read_up_to(int fd, size_t max, char *text, size_t *count)
{
    *count = 0;
    for (;;) {
        ssize_t got = read(fd, text + *count, max + 1 - *count); /* one more than allowed: so a file that is too long shows */
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return last_status();
        *count += (size_t)got;
        if (*count > max) return IO_FAILED;
        if (got == 0) return IO_OK;
    }
}

enum io_status file_read_whole(const char *path, size_t max, char **text, size_t *count)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return last_status();
    char *whole = malloc(max + 2);
    enum io_status status = whole ? read_up_to(fd, max, whole, count) : IO_NO_FILES;
    file_close(fd);
    if (status != IO_OK) {
        free(whole);
        return status;
    }
    whole[*count] = '\0';
    *text = whole;
    return IO_OK;
}
