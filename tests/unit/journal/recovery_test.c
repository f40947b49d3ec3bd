/* What the journal promises about files that a crash, a power cut or a bad disk has left. */
#include "life.h"
#include "base/crc32c.h"
#include <errno.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include "journal/retirement.h"

enum { SEGMENT = 64 * 1024, BATCHES_MAX = 64 };

/* -- three batches, the last of four blocks -- */

static void write_next(struct journal_entry *e);

static void write_batch_of(struct station *s)
{
    static const size_t lengths[] = { 300, 9000, 14000 };
    if (s->appended == 3) rest(s);
    else ensure(append_note(s, 0, s->appended, lengths[s->appended], write_next));
}

static void write_next(struct journal_entry *e)
{
    struct note *n = acknowledge(e);
    write_batch_of(n->station);
    free(n);
}

static char     image[SEGMENT];
static uint64_t batch_at[BATCHES_MAX + 1];
static uint32_t batch_count;

static void path_of(char path[128], uint32_t number) { snprintf(path, 128, "%s/journal-%06u.segment", directory, number); }

static void load(uint32_t number)
{
    char path[128];
    path_of(path, number);
    int fd = open(path, O_RDONLY);
    assert_true(fd >= 0);
    assert_int_equal(pread(fd, image, SEGMENT, 0), SEGMENT);
    close(fd);
}

static void store(uint32_t number, size_t bytes)
{
    char path[128];
    path_of(path, number);
    int fd = open(path, O_WRONLY | O_TRUNC);
    assert_int_equal(pwrite(fd, image, bytes, 0), bytes);
    close(fd);
}

static void find_batches(void)
{
    struct segment_header header;
    assert_int_equal(segment_header_read(image + block_bytes, &header), HEADER_GOOD); /* of use 1: the odd place */
    struct batch_header h;
    batch_count = 0;
    for (uint64_t at = first_batch_offset; at < SEGMENT && batch_starts_at(image + at, header.stamp, SEGMENT - at, &h); at += h.bytes) {
        assert_true(batch_is_whole(image + at, &h));
        batch_at[batch_count++] = at;
        batch_at[batch_count] = at + h.bytes; /* where the next one would be */
    }
}

static void write_three_batches(void)
{
    assert_int_equal(live(small_life(write_batch_of, nullptr)), ENDED);
    load(1);
    find_batches();
    assert_int_equal(batch_count, 3);
    assert_int_equal(batch_at[3] - batch_at[2], 4 * block_bytes);
}

static bool all_zero(const char *bytes, size_t count)
{
    for (size_t n = 0; n < count; n++)
        if (bytes[n]) return false;
    return true;
}

/* What stands in `image` is on the disk after a crash: nothing but the last batch may be missing, and never part of it. */
static void assert_recovers(bool with_last)
{
    store(1, SEGMENT);
    assert_int_equal(live(small_life(nullptr, replay_all)), ENDED);
    assert_int_equal(replayed_count(), with_last ? 3 : 2);
    assert_int_equal(chronicle->replayed[0][2], with_last);
}

/* -- torn -- */

static void a_last_batch_cut_at_any_sector_is_cut_off_and_nothing_else(void **)
{
    write_three_batches();
    char whole[SEGMENT];
    memcpy(whole, image, SEGMENT);
    for (uint64_t cut = 0; cut <= batch_at[3] - batch_at[2]; cut += 512) {
        uint64_t from = batch_at[2] + cut, count = batch_at[3] - from;
        memcpy(image, whole, SEGMENT);
        memset(image + from, 0, count);
        bool whole_still = all_zero(whole + from, count);
        assert_recovers(whole_still);
        assert_int_equal(chronicle->report.torn_bytes, whole_still || cut == 0 ? 0 : batch_at[3] - batch_at[2]);
        if (!whole_still && cut > 0) assert_int_equal(chronicle->report.torn_offset, batch_at[2]);
    }
}

/* What an earlier use of the file left there: a whole batch, but of another stamp. */
static void make_old_block(char block[block_bytes])
{
    struct batch b = { .memory = block, .capacity = block_bytes };
    struct journal_entry e = { .type = JOURNAL_WEBHOOK, .position = { .sequence = 5 }, .body = slice_of("an earlier use") };
    batch_begin(&b, 0x1234, 3, 5);
    batch_add_webhook(&b, &e);
    (void)batch_finish(&b);
}

/* A power cut may leave each block old, zero or new, whatever was sent first. */
static void a_last_batch_with_any_of_its_blocks_missing_is_cut_off(void **)
{
    write_three_batches();
    static char whole[SEGMENT], old[block_bytes];
    memcpy(whole, image, SEGMENT);
    make_old_block(old);
    for (uint32_t mix = 0; mix < 3 * 3 * 3 * 3; mix++) {
        memcpy(image, whole, SEGMENT);
        for (uint32_t block = 0, rest = mix; block < 4; block++, rest /= 3) {
            char *at = image + batch_at[2] + block * block_bytes;
            if (rest % 3 == 1) memset(at, 0, block_bytes);
            if (rest % 3 == 2) memcpy(at, old, block_bytes);
        }
        assert_recovers(mix == 0);
    }
}

/* -- damaged -- */

static void assert_refused_at(uint32_t number, uint64_t offset)
{
    char file[64], place[64];
    snprintf(file, sizeof file, "journal-%06u.segment", number);
    snprintf(place, sizeof place, "offset %llu:", (unsigned long long)offset);
    chronicle->refusal.text[0] = '\0';
    assert_int_equal(live(small_life(nullptr, replay_all)), REFUSED);
    assert_non_null(strstr(chronicle->refusal.text, file));
    assert_non_null(strstr(chronicle->refusal.text, place));
}

static void a_flipped_bit_before_a_good_batch_refuses_the_start_and_names_the_place(void **)
{
    write_three_batches();
    for (uint32_t batch = 0; batch < 2; batch++) {
        uint64_t bytes = batch_at[batch + 1] - batch_at[batch];
        const uint64_t places[] = { 0, 5, 8, 17, 25, 33, 36, 64, 70, 100, 200, bytes / 2, bytes - 1 };
        for (size_t n = 0; n < sizeof places / sizeof *places; n++) {
            image[batch_at[batch] + places[n]] ^= 0x10;
            store(1, SEGMENT);
            assert_refused_at(1, batch_at[batch]);
            image[batch_at[batch] + places[n]] ^= 0x10;
        }
    }
    assert_recovers(true); /* as it was */
}

/* Whole batches, each for itself; but the second one is not there. */
static void a_batch_that_is_missing_in_the_middle_refuses_the_start(void **)
{
    write_three_batches();
    uint64_t bytes = batch_at[3] - batch_at[2];
    memmove(image + batch_at[1], image + batch_at[2], bytes);
    memset(image + batch_at[1] + bytes, 0, SEGMENT - batch_at[1] - bytes);
    store(1, SEGMENT);
    assert_refused_at(1, batch_at[1]);
}

/* What states retirements is whole; what it states cannot be. It is passed over, and nothing is taken for retired. */
static void a_retirement_that_makes_no_sense_retires_nothing(void **)
{
    write_three_batches();
    struct segment_header header;
    assert_int_equal(segment_header_read(image + block_bytes, &header), HEADER_GOOD);
    const uint64_t all = UINT64_MAX;
    const struct retirement_head sound = { .stamp = header.stamp, .segment = 1, .first_word = 0, .word_count = 1 };
    struct retirement_head heads[8];
    for (uint32_t n = 0; n < 8; n++) heads[n] = sound;
    heads[0].stamp += 1;                                        /* of another use */
    heads[1].segment = 2;                                       /* of another file */
    heads[2].first_word = journal_segment_records_max / 64 + 1; /* words that no segment has */
    heads[3].first_word = journal_segment_records_max / 64;
    heads[4].word_count = 2;                                    /* more than follow */
    heads[5].records = journal_segment_records_max + 1;
    heads[6].end = SEGMENT + block_bytes;                       /* behind the end of the file */
    heads[7].end = batch_at[3] + 1;                             /* no batch ends there */
    for (uint32_t n = 0; n < 8; n++) {
        struct batch b = { .memory = image + batch_at[3], .capacity = block_bytes };
        batch_begin(&b, header.stamp, 4, 4);
        batch_add_retirement(&b, slice_from((const char *)&heads[n], sizeof heads[n]), slice_from((const char *)&all, sizeof all));
        (void)batch_finish(&b);
        assert_recovers(true);
    }
    struct batch b = { .memory = image + batch_at[3], .capacity = block_bytes };
    batch_begin(&b, header.stamp, 4, 4);
    batch_add_retirement(&b, slice_from((const char *)&sound, sizeof sound), slice_from((const char *)&all, sizeof all));
    (void)batch_finish(&b);
    store(1, SEGMENT);
    assert_int_equal(live(small_life(nullptr, replay_all)), ENDED);
    assert_int_equal(replayed_count(), 0); /* the sound one is believed */
}

static void keep_hundred(struct journal_entry *e)
{
    struct note *n = acknowledge(e);
    struct station *s = n->station;
    free(n);
    if (s->durable == 100) rest(s);
}

static void append_in_tens(struct timer *t)
{
    struct station *s = container_of(t, struct station, timer);
    for (uint32_t n = 0; n < 10 && s->appended < 100; n++)
        if (!append_note(s, 1, s->appended, 1000, keep_hundred)) break;
    if (s->appended < 100) timer_start(&s->shard->timers, t, s->shard->now_us + 1000, append_in_tens);
}

static void append_two_segments(struct station *s) { append_in_tens(&s->timer); }

/* Within its segment the last batch looks torn; but the next segment knows where this one ended. */
static void a_damaged_last_batch_of_a_full_segment_refuses_the_start(void **)
{
    assert_int_equal(live(small_life(append_two_segments, nullptr)), ENDED);
    load(1);
    find_batches();
    image[batch_at[batch_count - 1] + 500] ^= 1;
    store(1, SEGMENT);
    assert_refused_at(1, batch_at[batch_count - 1]);
}

static void a_lost_header_refuses_the_start(void **)
{
    write_three_batches();
    memset(image, 0, first_batch_offset);
    store(1, SEGMENT);
    assert_refused_at(1, 0);
}

static void a_shortened_file_refuses_the_start(void **)
{
    write_three_batches();
    store(1, SEGMENT / 2);
    assert_refused_at(1, SEGMENT / 2);
    store(1, 100);
    assert_refused_at(1, 0);
}

static void a_file_under_anothers_name_refuses_the_start(void **)
{
    write_three_batches();
    char from[128], to[128];
    path_of(from, 1);
    path_of(to, 77);
    assert_int_equal(rename(from, to), 0);
    assert_refused_at(77, 0);
}

/* The two headers take turns: while one is written, the other one stands. */
static void a_header_torn_while_the_file_is_renewed_leaves_the_former_use(void **)
{
    write_three_batches();
    memset(image, 0xee, block_bytes); /* use 1 is in the odd place; use 2 never came to be */
    assert_recovers(true);
}

/* -- the directory -- */

static void expect_refusal(struct life l, const char *why)
{
    chronicle->refusal.text[0] = '\0';
    assert_int_equal(live(l), REFUSED);
    assert_non_null(strstr(chronicle->refusal.text, why));
}

static void a_directory_that_cannot_be_used_refuses_the_start_and_says_why(void **)
{
    char below_a_file[128], long_path[2000];
    struct life l = small_life(nullptr, replay_all);
    write_three_batches();
    path_of(below_a_file, 1);
    strcat(below_a_file, "/journal");
    l.directory = below_a_file;
    expect_refusal(l, "cannot be made");
    memset(long_path, 'x', sizeof long_path - 1);
    long_path[0] = '/';
    long_path[sizeof long_path - 1] = '\0';
    l.directory = long_path;
    expect_refusal(l, "longer than");
}

static void a_segment_that_cannot_be_opened_refuses_the_start(void **)
{
    write_three_batches();
    char path[128];
    path_of(path, 7);
    assert_int_equal(mkdir(path, 0700), 0);
    assert_refused_at(7, 0);
    assert_int_equal(rmdir(path), 0);
    assert_recovers(true);
}

static void touch(const char *name)
{
    char path[128];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    int fd = open(path, O_WRONLY | O_CREAT, 0600);
    assert_true(fd >= 0);
    close(fd);
}

static bool is_there(const char *name)
{
    char path[128];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    return access(path, F_OK) == 0;
}

/* A process that died while it made a segment has left its beginning. Files that are none of ours are none of our business. */
static void what_was_begun_is_cleared_away_and_nothing_else(void **)
{
    static const char *const others[] = { "journal-000009.segment.old", "notes.segment.new", "journal-9.segment", "journal-0000009.segment", "core" };
    write_three_batches();
    touch("journal-000009.segment.new");
    for (uint32_t n = 0; n < 5; n++) touch(others[n]);
    assert_recovers(true);
    assert_false(is_there("journal-000009.segment.new"));
    for (uint32_t n = 0; n < 5; n++) assert_true(is_there(others[n]));
}

static void more_segments_than_an_engine_can_leave_refuse_the_start(void **)
{
    char name[64];
    write_three_batches();
    for (uint32_t n = 2; n <= journal_files_max + 1; n++) {
        snprintf(name, sizeof name, "journal-%06u.segment", n);
        touch(name);
    }
    expect_refusal(small_life(nullptr, replay_all), "more than 4096 segments");
}

/* An engine of the next year has written it: ours cannot know what is in it. */
static void a_file_of_another_version_refuses_the_start(void **)
{
    write_three_batches();
    struct segment_header h;
    assert_int_equal(segment_header_read(image + block_bytes, &h), HEADER_GOOD);
    h.version += 1;
    h.crc = crc32c(0, slice_from((const char *)&h.version, sizeof h - offsetof(struct segment_header, version)));
    memcpy(image + block_bytes, &h, sizeof h);
    store(1, SEGMENT);
    assert_refused_at(1, block_bytes);
    assert_non_null(strstr(chronicle->refusal.text, "another version"));
}

/* As the refusal says: who moves the file away starts without what it holds, and with all else. */
static void a_damaged_file_that_is_moved_away_takes_only_its_own_records_along(void **)
{
    assert_int_equal(live(small_life(append_two_segments, nullptr)), ENDED);
    load(1);
    find_batches();
    image[batch_at[0] + 100] ^= 1;
    store(1, SEGMENT);
    assert_refused_at(1, batch_at[0]);

    char path[128];
    path_of(path, 1);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(live(small_life(nullptr, replay_all)), ENDED);
    uint32_t left = replayed_count();
    assert_true(left > 0 && left < 100);
    for (uint32_t n = 0; n < 100; n++) assert_int_equal(chronicle->replayed[1][n], n >= 100 - left);
}

/* -- a disk that does not show all -- */

static uint64_t unreadable_at; /* 0: everything can be read */

/* In the place of the C library's. */
ssize_t pread(int fd, void *to, size_t count, off_t offset);
ssize_t pread(int fd, void *to, size_t count, off_t offset)
{
    if (unreadable_at > 0 && (uint64_t)offset <= unreadable_at && unreadable_at < (uint64_t)offset + count) {
        errno = EIO;
        return -1;
    }
    return syscall(SYS_pread64, fd, to, count, offset);
}

static void write_next_long(struct journal_entry *e);

static void write_long_batch(struct station *s)
{
    if (s->appended == 4) rest(s);
    else ensure(append_note(s, 0, s->appended, 300'000, write_next_long));
}

static void write_next_long(struct journal_entry *e)
{
    struct note *n = acknowledge(e);
    write_long_batch(n->station);
    free(n);
}

/* The last batch is whole and acknowledged. That it cannot be read at the moment does not make it a torn tail. */
static void a_last_batch_that_cannot_be_read_refuses_the_start(void **)
{
    struct life four = small_life(write_long_batch, nullptr);
    four.segment_bytes = 2 * 1024 * 1024;
    assert_int_equal(live(four), ENDED);
    const uint64_t batch_bytes = round_up(sizeof(struct batch_header) + record_length_of(300'000), block_bytes), last_at = first_batch_offset + 3 * batch_bytes;
    ensure(last_at < 1024 * 1024 && last_at + batch_bytes > 1024 * 1024); /* read in two pieces */
    unreadable_at = last_at + batch_bytes - 1;
    assert_refused_at(1, last_at);
    unreadable_at = 0;
    assert_int_equal(live(small_life(nullptr, replay_all)), ENDED);
    assert_int_equal(replayed_count(), 4);
}

/* -- a disk that forgets what it has shown -- */

static uint64_t spoiled_at;

static void spoil_then_replay(struct life *l)
{
    char path[128], block[block_bytes] = {};
    path_of(path, 1);
    int fd = open(path, O_WRONLY);
    ensure(pwrite(fd, block, sizeof block, (off_t)spoiled_at) == sizeof block);
    close(fd);
    replay_all(l);
}

/* The start has seen them whole. Nothing is passed over: the process ends, and the next start says what is left. */
static void a_record_that_cannot_be_read_again_is_not_passed_over(void **)
{
    write_three_batches();
    const uint64_t places[] = { batch_at[1], batch_at[1] + block_bytes }; /* its header; the middle of its record */
    for (uint32_t n = 0; n < 2; n++) {
        store(1, SEGMENT);
        spoiled_at = places[n];
        assert_int_equal(live(small_life(nullptr, spoil_then_replay)), GAVE_UP);
        assert_int_equal(chronicle->replayed[0][2], 0);
        assert_refused_at(1, batch_at[1]);
    }
}

/* -- one engine a directory -- */

static void stay(struct journal_entry *e) { (void)acknowledge(e); } /* and never rests */
static void append_one_and_stay(struct station *s) { ensure(append_note(s, 0, 0, 100, stay)); }

static void a_second_engine_is_refused_the_directory(void **)
{
    struct life first = small_life(append_one_and_stay, nullptr);
    pid_t pid = begin_life_of(&first);
    while (!chronicle->acknowledged[0][0] && waitpid(pid, nullptr, WNOHANG) == 0) sched_yield();
    assert_int_equal(live(small_life(nullptr, nullptr)), REFUSED);
    assert_non_null(strstr(chronicle->refusal.text, "another engine"));
    kill(pid, SIGKILL);
    assert_int_equal(ending_of(pid), KILLED);
    assert_int_equal(live(small_life(nullptr, replay_all)), ENDED);
    assert_int_equal(replayed_count(), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_last_batch_cut_at_any_sector_is_cut_off_and_nothing_else, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_last_batch_with_any_of_its_blocks_missing_is_cut_off, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_flipped_bit_before_a_good_batch_refuses_the_start_and_names_the_place, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_batch_that_is_missing_in_the_middle_refuses_the_start, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_retirement_that_makes_no_sense_retires_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_directory_that_cannot_be_used_refuses_the_start_and_says_why, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_segment_that_cannot_be_opened_refuses_the_start, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_was_begun_is_cleared_away_and_nothing_else, set_up, tear_down),
        cmocka_unit_test_setup_teardown(more_segments_than_an_engine_can_leave_refuse_the_start, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_damaged_last_batch_of_a_full_segment_refuses_the_start, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_lost_header_refuses_the_start, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_shortened_file_refuses_the_start, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_file_under_anothers_name_refuses_the_start, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_header_torn_while_the_file_is_renewed_leaves_the_former_use, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_file_of_another_version_refuses_the_start, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_damaged_file_that_is_moved_away_takes_only_its_own_records_along, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_last_batch_that_cannot_be_read_refuses_the_start, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_record_that_cannot_be_read_again_is_not_passed_over, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_second_engine_is_refused_the_directory, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
