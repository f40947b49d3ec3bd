#pragma once
/* io/file.h: files at start and stop, when blocking is allowed: the journal's directory, its segments, configuration, certificates.
 * Part of the io seam: the simulation keeps files in memory. Nothing here may be called from a running shard, except where it says so. */
#include <stdbool.h>
#include <stdint.h>
#include "base/slice.h"
#include "io/io.h"

[[nodiscard]] enum io_status file_make_directory(const char *path);                 /* with its parents; mode 0700; there already: IO_OK */
/* A segment: created at `bytes` (a multiple of 4096), zero-filled and synced, so that no later write changes its extents. It gets its name
 * last: after a crash it is whole or not there (a leftover ".NAME.filling" is overwritten by the next try). There already: IO_FAILED. */
[[nodiscard]] enum io_status file_create_filled(const char *path, uint64_t bytes, int *fd);
[[nodiscard]] enum io_status file_open(const char *path, uint64_t *bytes, int *fd); /* read and write */
/* Both open O_DIRECT where the file system can. Where it cannot (tmpfs), writes are as durable, through the page cache: this tells which. */
[[nodiscard]] bool file_is_direct(int fd);
[[nodiscard]] enum io_status file_read(int fd, uint64_t offset, void *into, size_t count, size_t *read); /* aligned to 4096, all three; *read < count: the end */
[[nodiscard]] enum io_status file_write(int fd, uint64_t offset, const void *from, size_t count);        /* aligned to 4096; durable on return */
[[nodiscard]] enum io_status file_remove(const char *path);
[[nodiscard]] enum io_status file_rename(const char *from, const char *to); /* within one directory; replaces `to` */
void file_close(int fd);
/* Exclusive for this process (flock): false when another one holds it. The descriptor stays open until the process ends. */
[[nodiscard]] bool file_lock(const char *path);
/* Names in no order, without those that begin with a dot; `each` returns false when it has seen enough. */
[[nodiscard]] enum io_status file_list(const char *directory, bool (*each)(void *context, const char *name), void *context);
/* A whole small file, malloc'd and zero-terminated, the caller's to free. Over max bytes: IO_FAILED. */
[[nodiscard]] enum io_status file_read_whole(const char *path, size_t max, char **text, size_t *count);
