/* tests/simulation/disk_test.c: what disk.h promises, through io.h and file.h, to processes that die at any seam call. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "base/ensure.h"
#include "disk.h"
#include "io/file.h"
#include "io/io.h"
#include "sim_memory.h"
#include "world.h"

/* What a kernel without a world needs to be linked. */
struct world world;
void world_broken(const char *promise, const char *, ...)
{
    fprintf(stderr, "%s\n", promise);
    abort();
}

enum { BLOCK = 4096, SECTOR = 512, BLOCKS = 64, FILES = 2, WRITE_BLOCKS_MAX = 8, SEGMENT_BYTES = 34 << 20 };

static const struct disk_climate calm = { .write_us = 100, .sync_us = 500 };

static bool is_over(void *process) { return process_is_over(process); }

static void run(struct disk *d, fiber_main *main, void *argument, uint64_t dies_at_seam)
{
    struct process *p = process_start("writer", d, main, argument);
    process_kill_at_seam(p, dies_at_seam);
    assert_true(kernel_run(world_now_us() + UINT64_C(1'000'000'000), is_over, p));
    assert_true(process_is_over(p));
    assert_int_equal(process_remains(p).descriptors + process_remains(p).rings, 0);
}

/* -- a life: durable writes at any blocks of two files, until it dies or has done enough. What it knows is outside of its memory, as users are -- */

struct writing { struct life *life; struct io_op op; char *bytes; uint32_t file, block, blocks; };

struct life {
    struct disk   *disk;
    struct io     *io;
    int            fd[FILES];
    uint32_t       done, wanted, no_space, failed;
    bool           blocking;
    struct writing writings[3];
    /* Version of each block: the last that was said to be durable, and the last that was begun. */
    uint32_t       durable[FILES][BLOCKS], begun[FILES][BLOCKS];
};

static void fill_block(char *block, uint32_t file, uint32_t number, uint32_t version)
{
    for (uint32_t n = 0; n < BLOCK; n += 4) {
        uint32_t word = version == 0 ? 0 : version << 16 ^ number << 8 ^ file << 7 ^ n / SECTOR;
        memcpy(block + n, &word, sizeof word);
    }
}

static bool is_busy(const struct life *l, uint32_t file, uint32_t block, uint32_t blocks)
{
    for (uint32_t n = 0; n < 3; n++) {
        const struct writing *w = &l->writings[n];
        if (w->op.submitted && w->file == file && w->block < block + blocks && block < w->block + w->blocks) return true;
    }
    return false;
}

static void settle(struct writing *w, enum io_status status)
{
    struct life *l = w->life;
    for (uint32_t n = 0; n < w->blocks && status == IO_OK; n++) l->durable[w->file][w->block + n] = l->begun[w->file][w->block + n];
    l->done += 1;
    l->no_space += status == IO_NO_SPACE;
    l->failed += status == IO_FAILED;
    ensure(status == IO_OK || status == IO_NO_SPACE || status == IO_FAILED);
}

static void written(struct io_op *op, struct io_result result)
{
    struct writing *w = container_of(op, struct writing, op);
    ensure(result.status != IO_OK || result.count == w->blocks * BLOCK);
    settle(w, result.status);
    memset(w->bytes, '?', WRITE_BLOCKS_MAX * BLOCK);
}

static void write_something(struct life *l, struct writing *w)
{
    w->life = l;
    w->file = (uint32_t)dice_between(DIE_WORKLOAD, 0, FILES - 1);
    w->blocks = (uint32_t)dice_between(DIE_WORKLOAD, 1, WRITE_BLOCKS_MAX);
    w->block = (uint32_t)dice_between(DIE_WORKLOAD, 0, BLOCKS - w->blocks);
    if (is_busy(l, w->file, w->block, w->blocks)) return;
    for (uint32_t n = 0; n < w->blocks; n++) {
        uint32_t version = ++l->begun[w->file][w->block + n];
        fill_block(w->bytes + n * BLOCK, w->file, w->block + n, version);
    }
    uint64_t offset = (uint64_t)w->block * BLOCK;
    struct slice bytes = slice_from(w->bytes, (size_t)w->blocks * BLOCK);
    if (l->blocking) settle(w, file_write(l->fd[w->file], offset, bytes.start, bytes.length));
    else io_write_durably(l->io, &w->op, l->fd[w->file], bytes, offset, written);
}

static bool has_submitted(const struct life *l)
{
    for (uint32_t n = 0; n < 3; n++)
        if (l->writings[n].op.submitted) return true;
    return false;
}

static void open_files(struct life *l)
{
    for (uint32_t n = 0; n < FILES; n++) {
        char path[32];
        uint64_t bytes;
        snprintf(path, sizeof path, "/data/file-%u", n);
        ensure(file_open(path, &bytes, &l->fd[n]) == IO_OK && bytes == BLOCKS * BLOCK && file_is_direct(l->fd[n]));
    }
}

static void live(void *context)
{
    struct life *l = context;
    struct io_refusal refusal;
    const struct io_config config = { .entries = 64, .receive_buffers = 4, .receive_buffer_bytes = 1000 };
    l->io = io_open(&config, &refusal);
    open_files(l);
    char memory[3 * WRITE_BLOCKS_MAX + 1][BLOCK]; /* gone when it dies */
    char *aligned = (char *)(((uint64_t)memory + BLOCK - 1) / BLOCK * BLOCK);
    for (uint32_t n = 0; n < 3; n++) l->writings[n] = (struct writing){ .bytes = aligned + n * WRITE_BLOCKS_MAX * BLOCK };
    while (l->done < l->wanted || has_submitted(l)) {
        for (uint32_t n = 0; n < 3 && l->done < l->wanted; n++)
            if (!l->writings[n].op.submitted) write_something(l, &l->writings[n]);
        (void)io_turn(l->io, world_now_us() + 1'000);
    }
    for (uint32_t n = 0; n < FILES; n++) file_close(l->fd[n]);
    io_close_all(l->io);
}

/* -- what the next one finds -- */

struct finding { struct life *life; uint32_t old, new, torn, garbled; bool must_be_whole; };

/* 0: the durable version, 1: one that was begun after it, 2: neither. */
static uint32_t look_at_sector(const struct life *l, uint32_t file, uint32_t block, uint32_t sector, const char *bytes)
{
    char expected[BLOCK];
    for (uint32_t version = l->durable[file][block]; version <= l->begun[file][block]; version++) {
        fill_block(expected, file, block, version);
        if (memcmp(expected + sector * SECTOR, bytes + sector * SECTOR, SECTOR) == 0) return version > l->durable[file][block];
    }
    return 2;
}

static void look_at_block(struct finding *f, uint32_t file, uint32_t block, const char *bytes)
{
    const struct life *l = f->life;
    uint32_t kinds[3] = {};
    for (uint32_t sector = 0; sector < BLOCK / SECTOR; sector++) kinds[look_at_sector(l, file, block, sector, bytes)] += 1;
    if (l->durable[file][block] == l->begun[file][block]) ensure(kinds[0] == BLOCK / SECTOR); /* what was synced is there */
    f->old += kinds[1] == 0 && l->durable[file][block] != l->begun[file][block];
    f->new += kinds[1] == BLOCK / SECTOR;
    f->torn += kinds[0] > 0 && kinds[1] > 0;
    f->garbled += kinds[2];
}

static void find(void *context)
{
    struct finding *f = context;
    open_files(f->life);
    alignas(BLOCK) static char bytes[BLOCKS * BLOCK];
    for (uint32_t file = 0; file < FILES; file++) {
        size_t read;
        ensure(file_read(f->life->fd[file], 0, bytes, sizeof bytes, &read) == IO_OK && read == sizeof bytes);
        for (uint32_t block = 0; block < BLOCKS; block++) look_at_block(f, file, block, bytes + block * BLOCK);
        file_close(f->life->fd[file]);
    }
}

static struct disk *new_disk(const struct disk_climate *c)
{
    static char zeros[BLOCKS * BLOCK];
    struct disk *d = disk_new("test", c);
    disk_put(d, "/data/file-0", zeros, sizeof zeros);
    disk_put(d, "/data/file-1", zeros, sizeof zeros);
    return d;
}

/* -- the promises -- */

static void what_was_synced_is_there_after_a_crash(void **)
{
    struct finding all = {};
    for (uint64_t seed = 1; seed <= 1000; seed++) {
        dice_seed(seed);
        struct disk_climate c = calm;
        if (seed % 2) c.garble_per_sector = 0.05;
        if (seed % 3 == 0) c.full_per_write = c.full_per_blocking_call = 0.1, c.full_for_us = 1'000;
        if (seed % 5 == 0) c.fail_per_write = 0.1;
        struct life l = { .disk = new_disk(&c), .wanted = 60, .blocking = seed % 4 == 0 };
        run(l.disk, live, &l, dice_between(DIE_WORLD, 5, 200));
        disk_set_climate(l.disk, &calm);
        struct finding f = { .life = &l };
        run(l.disk, find, &f, 0);
        if (c.garble_per_sector == 0) assert_int_equal(f.garbled, 0);
        all.old += f.old, all.new += f.new, all.torn += f.torn, all.garbled += f.garbled;
    }
    assert_true(all.old > 100 && all.new > 100 && all.torn > 100 && all.garbled > 50);
}

static void without_a_crash_nothing_is_lost(void **)
{
    for (uint64_t seed = 1; seed <= 50; seed++) {
        dice_seed(seed);
        struct life l = { .disk = new_disk(&calm), .wanted = 100 };
        run(l.disk, live, &l, 0);
        assert_true(l.done >= l.wanted);
        disk_crash(l.disk);
        struct finding f = { .life = &l };
        run(l.disk, find, &f, 0);
        assert_int_equal(f.old + f.new + f.torn + f.garbled, 0);
        assert_true(disk_counters(l.disk).writes >= 90);
    }
}

static void a_full_disk_says_so_and_has_room_again_later(void **)
{
    dice_seed(9);
    struct disk_climate c = calm;
    c.full_per_write = 0.2;
    c.full_for_us = 5'000;
    struct life l = { .disk = new_disk(&c), .wanted = 200 };
    run(l.disk, live, &l, 0);
    assert_true(l.no_space > 20 && l.no_space < l.done);
    assert_int_equal(l.failed, 0);
    assert_int_equal(disk_counters(l.disk).full, l.no_space);
}

static void the_nth_write_can_be_made_to_fail(void **)
{
    dice_seed(10);
    struct life l = { .disk = new_disk(&calm), .wanted = 20 };
    struct process *p = process_start("writer", l.disk, live, &l);
    seam_fail_nth(p, SEAM_RING_OPERATION, 5);
    assert_true(kernel_run(UINT64_MAX, is_over, p));
    assert_int_equal(l.no_space + l.failed, 1);
}

/* -- segments -- */

struct making { enum io_status status; bool there, zeros, leftover; uint64_t bytes; };

static void make_segment(void *context)
{
    struct making *m = context;
    int fd;
    ensure(file_make_directory("/data/journal/") == IO_OK);
    m->status = file_create_filled("/data/journal/one", SEGMENT_BYTES, &fd);
    if (m->status == IO_OK) file_close(fd);
}

static bool see(void *context, const char *name)
{
    struct making *m = context;
    m->there |= strcmp(name, "one") == 0;
    ensure(name[0] != '.');
    return true;
}

static void look_for_segment(void *context)
{
    struct making *m = context;
    m->leftover = file_remove("/data/journal/.one.filling") == IO_OK;
    if (file_list("/data/journal", see, m) != IO_OK || !m->there) return;
    int fd;
    size_t read;
    alignas(BLOCK) static char bytes[1 << 20], zeros[1 << 20];
    ensure(file_open("/data/journal/one", &m->bytes, &fd) == IO_OK);
    m->zeros = true;
    for (uint64_t at = 0; at < m->bytes; at += sizeof bytes) {
        ensure(file_read(fd, at, bytes, sizeof bytes, &read) == IO_OK && read == sizeof bytes);
        m->zeros = m->zeros && memcmp(bytes, zeros, sizeof bytes) == 0;
    }
    file_close(fd);
}

static void a_segment_is_whole_or_not_there(void **)
{
    uint32_t there = 0, leftovers = 0;
    for (uint64_t nth = 0; nth < 10; nth++) {
        struct making m = {};
        struct disk *d = disk_new("test", &calm);
        disk_put(d, "/data/x", "x", 1);
        run(d, make_segment, &m, nth);
        run(d, look_for_segment, &m, 0);
        if (m.there) assert_true(m.zeros && m.bytes == SEGMENT_BYTES);
        assert_false(m.there && m.leftover);
        there += m.there;
        leftovers += m.leftover;
    }
    assert_true(there > 1 && leftovers > 1);
}

static void make_twice(void *context)
{
    struct making *m = context;
    int fd, again = -1;
    ensure(file_create_filled("/data/one", BLOCK, &fd) == IO_OK);
    m->status = file_create_filled("/data/one", BLOCK, &again);
    ensure(again == -1 && file_create_filled("/nowhere/one", BLOCK, &again) == IO_FAILED);
    file_close(fd);
}

static void names_are_kept_to(void **)
{
    struct making m = {};
    struct disk *d = disk_new("test", &calm);
    disk_put(d, "/data/x", "x", 1);
    run(d, make_twice, &m, 0);
    assert_int_equal(m.status, IO_FAILED);
    assert_int_equal(disk_used_bytes(d), BLOCK + 1);
    struct disk_climate small = calm;
    small.capacity_bytes = BLOCK;
    disk_set_climate(d, &small);
    run(d, make_segment, &m, 0);
    assert_int_equal(m.status, IO_NO_SPACE);
}

static void rename_and_remove(void *context)
{
    bool *good = context;
    char *text = nullptr;
    size_t count;
    uint64_t bytes;
    int fd;
    ensure(file_open("/data/a", &bytes, &fd) == IO_OK);
    *good = file_rename("/data/a", "/data/b") == IO_OK && file_rename("/data/a", "/data/b") == IO_FAILED;
    *good = *good && file_read_whole("/data/b", 5, &text, &count) == IO_OK && count == 5 && strcmp(text, "first") == 0;
    sim_free(text);
    *good = *good && file_read_whole("/data/b", 4, &text, &count) == IO_FAILED;
    *good = *good && file_remove("/data/b") == IO_OK && file_remove("/data/b") == IO_FAILED && file_open("/data/b", &bytes, &fd) == IO_FAILED;
    alignas(BLOCK) static char block[BLOCK];
    *good = *good && file_read(fd, 0, block, BLOCK, &count) == IO_OK && count == 5; /* still open */
    file_close(fd);
}

static void names_change_and_go(void **)
{
    bool good = false;
    struct disk *d = disk_new("test", &calm);
    disk_put(d, "/data/a", "first", 5);
    disk_put(d, "/data/b", "second", 6);
    run(d, rename_and_remove, &good, 0);
    assert_true(good);
    assert_int_equal(disk_used_bytes(d), 0);
}

/* -- locks -- */

static void lock_and_wait(void *context)
{
    bool *got = context;
    *got = file_lock("/data/lock");
    ensure(!*got || !file_lock("/data/lock"));
    fiber_wait();
}

static void a_lock_is_one_process_s_until_it_dies(void **)
{
    struct disk *d = disk_new("test", &calm);
    disk_put(d, "/data/x", "x", 1);
    bool first = false, second = true, third = false;
    struct process *one = process_start("one", d, lock_and_wait, &first);
    (void)kernel_run(world_now_us() + 1'000, nullptr, nullptr);
    struct process *two = process_start("two", d, lock_and_wait, &second);
    (void)kernel_run(world_now_us() + 1'000, nullptr, nullptr);
    assert_true(first && !second);
    process_kill(one);
    process_kill(two);
    struct process *three = process_start("three", d, lock_and_wait, &third);
    (void)kernel_run(world_now_us() + 1'000, nullptr, nullptr);
    assert_true(third);
    process_kill(three);
}

static void rot_turns_one_bit(void **)
{
    struct disk *d = disk_new("test", &calm);
    disk_rot(d, 7); /* nothing to rot */
    struct life l = { .disk = new_disk(&calm), .wanted = 50 };
    dice_seed(3);
    run(l.disk, live, &l, 0);
    disk_rot(l.disk, 1234567);
    struct life knows_nothing = l;
    memset(knows_nothing.durable, 0, sizeof knows_nothing.durable);
    struct finding f = { .life = &knows_nothing };
    run(l.disk, find, &f, 0);
    assert_int_equal(f.garbled, 1);
}

int main(void)
{
    disk_define();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_synced_is_there_after_a_crash), cmocka_unit_test(without_a_crash_nothing_is_lost),
        cmocka_unit_test(a_full_disk_says_so_and_has_room_again_later), cmocka_unit_test(the_nth_write_can_be_made_to_fail),
        cmocka_unit_test(a_segment_is_whole_or_not_there), cmocka_unit_test(names_are_kept_to), cmocka_unit_test(names_change_and_go),
        cmocka_unit_test(a_lock_is_one_process_s_until_it_dies), cmocka_unit_test(rot_turns_one_bit),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
