/* What files at start and stop promise. Everything happens in a directory that the test makes and removes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include "io/file.h"

static constexpr uint64_t page = 4096;
static char directory[64];

static const char *in_directory(const char *name)
{
    static char path[4][128];
    static unsigned next;
    char *p = path[next++ % 4];
    snprintf(p, sizeof path[0], "%s/%s", directory, name);
    return p;
}

static int make_directory(void **)
{
    snprintf(directory, sizeof directory, "/tmp/ringmaster-file-XXXXXX");
    return mkdtemp(directory) ? 0 : -1;
}

static int remove_directory(void **)
{
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", directory);
    return system(command);
}

static void a_created_segment_is_all_zeros_of_the_size_asked_for(void **)
{
    uint64_t bytes = 3 * 1024 * 1024 + page, found;
    int fd;
    assert_int_equal(file_create_filled(in_directory("segment"), bytes, &fd), IO_OK);
    file_close(fd);
    assert_int_equal(file_open(in_directory("segment"), &found, &fd), IO_OK);
    assert_int_equal(found, bytes);

    char *content = aligned_alloc(page, bytes);
    size_t count;
    assert_int_equal(file_read(fd, 0, content, bytes, &count), IO_OK);
    assert_int_equal(count, bytes);
    for (uint64_t n = 0; n < bytes; n++) assert_int_equal(content[n], 0);
    free(content);
    file_close(fd);
}

static void a_created_segment_has_no_extents_left_to_write(void **)
{
    int fd;
    assert_int_equal(file_create_filled(in_directory("segment"), 1024 * 1024, &fd), IO_OK);
    struct stat s;
    assert_int_equal(fstat(fd, &s), 0);
    assert_true((uint64_t)s.st_blocks * 512 >= 1024 * 1024);
    file_close(fd);
}

static void a_segment_is_never_created_over_an_existing_one(void **)
{
    int fd;
    assert_int_equal(file_create_filled(in_directory("segment"), page, &fd), IO_OK);
    file_close(fd);
    assert_int_equal(file_create_filled(in_directory("segment"), 2 * page, &fd), IO_FAILED);
    uint64_t bytes;
    assert_int_equal(file_open(in_directory("segment"), &bytes, &fd), IO_OK);
    assert_int_equal(bytes, page);
    file_close(fd);
}

static void a_segment_that_cannot_be_filled_leaves_nothing_behind(void **)
{
    struct rlimit before, small = { .rlim_cur = 8 * page, .rlim_max = RLIM_INFINITY };
    getrlimit(RLIMIT_FSIZE, &before);
    small.rlim_max = before.rlim_max;
    signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &small);
    int fd = -7;
    enum io_status status = file_create_filled(in_directory("segment"), 64 * page, &fd);
    setrlimit(RLIMIT_FSIZE, &before);
    assert_int_not_equal(status, IO_OK);
    assert_int_equal(fd, -7);
    assert_int_not_equal(access(in_directory("segment"), F_OK), 0);
    assert_int_not_equal(access(in_directory(".segment.filling"), F_OK), 0);
}

static void what_was_written_is_read_back_up_to_the_end_of_the_file(void **)
{
    int fd;
    assert_int_equal(file_create_filled(in_directory("segment"), 4 * page, &fd), IO_OK);
    char *memory = aligned_alloc(page, 8 * page);
    memset(memory, 'w', page);
    assert_int_equal(file_write(fd, 2 * page, memory, page), IO_OK);
    size_t count;
    assert_int_equal(file_read(fd, 2 * page, memory, 8 * page, &count), IO_OK);
    assert_int_equal(count, 2 * page);
    assert_int_equal(memory[page - 1], 'w');
    assert_int_equal(memory[page], 0);
    free(memory);
    file_close(fd);
}

static void a_file_system_without_direct_access_is_served_all_the_same(void **)
{
    char path[64];
    snprintf(path, sizeof path, "/dev/shm/ringmaster-file-test-%d", getpid());
    int fd;
    assert_int_equal(file_create_filled(path, 2 * page, &fd), IO_OK);
    bool direct = fcntl(fd, F_GETFL) & O_DIRECT; /* a recent tmpfs takes the flag */
    assert_int_equal(file_is_direct(fd), direct);
    file_close(fd);
    assert_int_equal(file_remove(path), IO_OK);
}

static void a_directory_is_made_with_its_parents_and_for_us_alone(void **)
{
    assert_int_equal(file_make_directory(in_directory("a/b/c")), IO_OK);
    assert_int_equal(file_make_directory(in_directory("a/b/c")), IO_OK);
    struct stat s;
    assert_int_equal(stat(in_directory("a/b/c"), &s), 0);
    assert_int_equal(s.st_mode & 0777, 0700);
    int fd;
    assert_int_equal(file_create_filled(in_directory("plain"), page, &fd), IO_OK);
    file_close(fd);
    assert_int_equal(file_make_directory(in_directory("plain")), IO_FAILED);
}

static void a_lock_excludes_the_second(void **)
{
    assert_true(file_lock(in_directory("lock")));
    assert_false(file_lock(in_directory("lock")));
}

struct names { uint32_t count, enough; char last[64]; };
static bool note_name(void *context, const char *name)
{
    struct names *names = context;
    names->count += 1;
    snprintf(names->last, sizeof names->last, "%s", name);
    return names->count < names->enough;
}

static void a_listing_shows_names_and_hides_the_unfinished(void **)
{
    int fd;
    assert_int_equal(file_create_filled(in_directory("one"), page, &fd), IO_OK);
    file_close(fd);
    close(open(in_directory(".two.filling"), O_CREAT | O_WRONLY, 0600));
    struct names names = { .enough = 10 };
    assert_int_equal(file_list(directory, note_name, &names), IO_OK);
    assert_int_equal(names.count, 1);
    assert_string_equal(names.last, "one");

    assert_int_equal(file_rename(in_directory("one"), in_directory("three")), IO_OK);
    close(open(in_directory("four"), O_CREAT | O_WRONLY, 0600));
    names = (struct names){ .enough = 1 };
    assert_int_equal(file_list(directory, note_name, &names), IO_OK);
    assert_int_equal(names.count, 1);
    assert_int_equal(file_remove(in_directory("three")), IO_OK);
    assert_int_equal(file_remove(in_directory("three")), IO_FAILED);
    assert_int_equal(file_list(in_directory("nowhere"), note_name, &names), IO_FAILED);
}

static void a_small_file_is_read_whole_and_a_large_one_refused(void **)
{
    int fd = open(in_directory("small"), O_CREAT | O_WRONLY, 0600);
    assert_int_equal(write(fd, "12345", 5), 5);
    close(fd);
    char *text;
    size_t count;
    assert_int_equal(file_read_whole(in_directory("small"), 5, &text, &count), IO_OK);
    assert_int_equal(count, 5);
    assert_string_equal(text, "12345");
    free(text);
    assert_int_equal(file_read_whole(in_directory("small"), 4, &text, &count), IO_FAILED);
}

int main(void)
{
#define in_a_directory(test) cmocka_unit_test_setup_teardown(test, make_directory, remove_directory)
    const struct CMUnitTest tests[] = {
        in_a_directory(a_created_segment_is_all_zeros_of_the_size_asked_for),
        in_a_directory(a_created_segment_has_no_extents_left_to_write),
        in_a_directory(a_segment_is_never_created_over_an_existing_one),
        in_a_directory(a_segment_that_cannot_be_filled_leaves_nothing_behind),
        in_a_directory(what_was_written_is_read_back_up_to_the_end_of_the_file),
        in_a_directory(a_file_system_without_direct_access_is_served_all_the_same),
        in_a_directory(a_directory_is_made_with_its_parents_and_for_us_alone),
        in_a_directory(a_lock_excludes_the_second),
        in_a_directory(a_listing_shows_names_and_hides_the_unfinished),
        in_a_directory(a_small_file_is_read_whole_and_a_large_one_refused),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
