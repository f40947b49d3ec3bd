#pragma once
/* tests/simulation/disk.h: the disk of one machine, under io/file.h and io_write_durably(): what was synced is there after a crash; what was not may be there, or not,
 * or in part, sector by sector, or with a bit turned.
 *
 * A file is two images: what a reader sees (the page cache), and what the platter has. A durable write completes when its bytes are in both. A blocking call of
 * file.h takes no turn of anybody else; it may be where the process dies. Directory entries (create, rename, remove) are durable when the call returns, as file.c syncs
 * them. When the process that uses it is killed, disk_crash() settles every write that was under way. */
#include "kernel.h"

struct disk_climate {
    uint64_t write_us, sync_us;   /* usual */
    double   full_per_write,      /* IO_NO_SPACE: the disk is full for a while */
             fail_per_write,      /* IO_FAILED: fatal for the process, by contract */
             fail_per_blocking_call, full_per_blocking_call;
    uint64_t full_for_us, capacity_bytes;
    /* at a crash, for what was under way: each sector of 512 bytes by itself: old, new, or (with this probability) with a bit turned or zeros */
    double   garble_per_sector;
};
struct disk *disk_new(const char *name, const struct disk_climate *c);
void disk_set_climate(struct disk *d, const struct disk_climate *c);
void disk_define(void); /* the ring's durable write; once per world */
/* A file is there, whole and synced, with the directories above it: what an operator has put there before a process starts. */
void disk_put(struct disk *d, const char *path, const void *bytes, size_t count);
/* Settles what was under way: by the end of the process that used it. */
void disk_crash(struct disk *d);
/* Turns a bit of what is synced. */
void disk_rot(struct disk *d, uint64_t dice_throw);
[[nodiscard]] uint64_t disk_used_bytes(const struct disk *d);

struct disk_counters { uint64_t writes, torn, lost, garbled, full, failed; };
[[nodiscard]] struct disk_counters disk_counters(const struct disk *d);
