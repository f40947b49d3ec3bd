/* What the log promises: one line is one JSON object whatever is in it, no thread waits for it, and what is lost is counted. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>
#include "base/json.h"
#include "base/log.h"

static char written[4 << 20];

static struct slice all_of(int fd)
{
    ssize_t length = pread(fd, written, sizeof written, 0);
    assert_true(length >= 0);
    return slice_from(written, (size_t)length);
}

static int started(enum log_level least)
{
    int fd = memfd_create("log", 0);
    assert_true(fd >= 0);
    log_start(fd, least, "ringmaster", "1.2.3");
    return fd;
}

static struct slice stopped(int fd)
{
    log_stop();
    struct slice text = all_of(fd);
    close(fd);
    return text;
}

static bool next_line(struct slice *text, struct slice *line)
{
    if (slice_is_empty(*text)) return false;
    *line = slice_split(text, '\n');
    return true;
}

/* Parses the line, and answers whether `key` has that value. */
static bool line_has(struct slice line, const char *key, struct slice value)
{
    struct heap heap;
    struct json_error error;
    heap_init(&heap, 1 << 20);
    struct json_document *d = json_parse(line, &heap, &error);
    if (!d) fail_msg("not JSON: " SLICE_FORMAT, slice_print(line));
    bool has = slice_equal(json_get_text(json_root(d), key), value);
    json_release(d, &heap);
    return has;
}

static void every_line_says_when_what_and_who(void **)
{
    int fd = started(LOG_INFO);
    log_event(LOG_WARNING, "webhook_refused", log_cstring("reason", "signature"), log_integer("status", 401), log_text("call_id", slice_absent));
    log_event(LOG_INFO, "started");
    struct slice text = stopped(fd), line;
    assert_true(next_line(&text, &line));
    assert_true(line_has(line, "level", slice_of("warning")));
    assert_true(line_has(line, "event", slice_of("webhook_refused")));
    assert_true(line_has(line, "program", slice_of("ringmaster")));
    assert_true(line_has(line, "version", slice_of("1.2.3")));
    assert_true(line_has(line, "reason", slice_of("signature")));
    assert_true(slice_contains(line, slice_of("\"time\":\"20")) && slice_contains(line, slice_of("Z\"")));
    char name[16];
    assert_int_equal(pthread_getname_np(pthread_self(), name, sizeof name), 0);
    assert_true(line_has(line, "thread", slice_from_text(name)));
    assert_true(slice_contains(line, slice_of("\"status\":401,\"call_id\":null}")));
    assert_true(next_line(&text, &line));
    assert_true(line_has(line, "event", slice_of("started")));
    assert_false(next_line(&text, &line));
}

static void what_is_less_than_the_level_is_not_written(void **)
{
    int fd = started(LOG_WARNING);
    log_event(LOG_DEBUG, "a");
    log_event(LOG_INFO, "b");
    log_event(LOG_ERROR, "c");
    struct slice text = stopped(fd);
    assert_false(slice_contains(text, slice_of("\"a\"")) || slice_contains(text, slice_of("\"b\"")));
    assert_true(slice_contains(text, slice_of("\"c\"")));
}

static void no_text_can_forge_a_second_line(void **)
{
    int fd = started(LOG_DEBUG);
    struct slice evil = slice_of("x\"}\n{\"event\":\"forged\"}\r\n\x1b[2J\0\x7f\xff\xc3\u2028");
    log_event(LOG_INFO, "real", log_text("name", evil), log_text("na\nme", evil));
    struct slice text = stopped(fd), line;
    assert_true(next_line(&text, &line));
    assert_true(line_has(line, "event", slice_of("real")));
    assert_false(next_line(&text, &line));
    for (size_t n = 0; n < line.length; n++) assert_true((uint8_t)line.start[n] >= 0x20);
}

static void phone_numbers_are_not_in_clear(void **)
{
    static const struct { struct slice number, shown; } table[] = {
        { slice_of("+493023125001"), slice_of("\"from\":\"+49…01\"") },   { slice_of("+12025550142"), slice_of("\"from\":\"+1…42\"") },
        { slice_of("+4207312345678"), slice_of("\"from\":\"+420…78\"") }, { slice_of("anonymous"), slice_of("\"from\":\"…\"") },
        { slice_of("+491"), slice_of("\"from\":\"…\"") },                  { slice_of(""), slice_of("\"from\":null") },
    };
    for (size_t n = 0; n < sizeof table / sizeof *table; n++) {
        int fd = started(LOG_DEBUG);
        log_event(LOG_INFO, "call", log_phone("from", table[n].number));
        assert_true(slice_contains(stopped(fd), table[n].shown));
    }
}

static void long_texts_are_cut_at_a_character_and_long_lines_lose_their_fields(void **)
{
    static char umlauts[1001];
    umlauts[0] = 'a'; /* so that the cut falls into the middle of one */
    for (size_t n = 1; n < sizeof umlauts; n += 2) memcpy(umlauts + n, "ü", 2);
    struct slice text = slice_from(umlauts, sizeof umlauts);
    int fd = started(LOG_DEBUG);
    log_event(LOG_INFO, "cut", log_text("name", text));
    log_event(LOG_INFO, "long", log_text("a", text), log_text("b", text), log_text("c", text), log_text("d", text), log_text("e", text), log_text("f", text),
              log_text("g", text), log_text("h", text));
    struct slice all = stopped(fd), line;
    assert_true(next_line(&all, &line));
    assert_true(line_has(line, "name", slice_take(text, 511)));
    assert_true(next_line(&all, &line));
    assert_true(line_has(line, "event", slice_of("long")));
    assert_true(slice_contains(line, slice_of("\"truncated\":true")));
    assert_false(slice_contains(line, slice_of("\"a\":")));
}

enum { THREADS = 100, AT_ONCE = 4, LINES_EACH = 200 };

static void *log_many(void *thread_number)
{
    for (int n = 0; n < LINES_EACH; n++) log_event(LOG_INFO, "line", log_integer("from", *(int *)thread_number), log_integer("n", n));
    return nullptr;
}

/* Finds out which line of which thread it is, by the only two integers in it. */
static void read_numbers(struct slice line, int64_t *from, int64_t *n)
{
    struct heap heap;
    struct json_error error;
    heap_init(&heap, 1 << 20);
    struct json_document *d = json_parse(line, &heap, &error);
    assert_non_null(d);
    assert_true(json_integer(json_get(json_root(d), "from"), from) && json_integer(json_get(json_root(d), "n"), n));
    json_release(d, &heap);
}

static void lines_stay_whole_and_in_the_order_of_their_thread(void **)
{
    uint64_t dropped = log_lines_dropped();
    int fd = started(LOG_DEBUG), numbers[THREADS];
    for (int begun = 0; begun < THREADS; begun += AT_ONCE) { /* more threads than rings: they are taken over */
        pthread_t threads[AT_ONCE];
        for (int n = 0; n < AT_ONCE; n++) {
            numbers[begun + n] = begun + n;
            assert_int_equal(pthread_create(&threads[n], nullptr, log_many, &numbers[begun + n]), 0);
        }
        for (int n = 0; n < AT_ONCE; n++) pthread_join(threads[n], nullptr);
    }
    struct slice text = stopped(fd), line;
    uint64_t lines = 0;
    int64_t least[THREADS] = {};
    while (next_line(&text, &line)) {
        int64_t from, n;
        read_numbers(line, &from, &n);
        assert_true(n >= least[from]); /* some may be missing (counted), none is out of order or doubled */
        least[from] = n + 1;
        lines += 1;
    }
    assert_int_equal(lines + log_lines_dropped() - dropped, THREADS * LINES_EACH);
}

static void *stop(void *)
{
    log_stop();
    return nullptr;
}

static void a_reader_who_does_not_read_costs_lines_but_no_time(void **)
{
    int ends[2];
    uint64_t dropped = log_lines_dropped();
    assert_int_equal(pipe2(ends, 0), 0); /* the writer thread blocks on it; nobody else does */
    log_start(ends[1], LOG_DEBUG, "ringmaster", "1");
    for (int n = 0; n < 10'000; n++) log_event(LOG_INFO, "flood", log_integer("n", n));
    assert_true(log_lines_dropped() > dropped);

    pthread_t stopper;
    assert_int_equal(pthread_create(&stopper, nullptr, stop, nullptr), 0);
    uint64_t lines = 0;
    ssize_t got;
    while (lines + (log_lines_dropped() - dropped) < 10'000 && (got = read(ends[0], written, sizeof written)) > 0)
        for (ssize_t n = 0; n < got; n++) lines += written[n] == '\n';
    pthread_join(stopper, nullptr);
    assert_int_equal(lines + log_lines_dropped() - dropped, 10'000);
    close(ends[0]);
    close(ends[1]);
}

static void a_file_that_refuses_is_counted_and_kills_nobody(void **)
{
    int ends[2];
    uint64_t dropped = log_lines_dropped();
    assert_int_equal(pipe2(ends, 0), 0);
    close(ends[0]); /* writing raises SIGPIPE, unless the thread has it blocked */
    log_start(ends[1], LOG_DEBUG, "ringmaster", "1");
    log_event(LOG_INFO, "a");
    log_event(LOG_INFO, "b");
    log_stop();
    close(ends[1]);
    assert_int_equal(log_lines_dropped() - dropped, 2);
}

static void before_the_start_nothing_happens(void **)
{
    uint64_t dropped = log_lines_dropped();
    log_event(LOG_ERROR, "early");
    assert_int_equal(log_lines_dropped(), dropped);
}

static void levels_have_names(void **)
{
    enum log_level level = LOG_DEBUG;
    assert_true(log_level_parse(slice_of("warning"), &level));
    assert_int_equal(level, LOG_WARNING);
    assert_false(log_level_parse(slice_of("WARN"), &level) || log_level_parse(slice_absent, &level));
    assert_int_equal(level, LOG_WARNING);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(before_the_start_nothing_happens),
        cmocka_unit_test(every_line_says_when_what_and_who),
        cmocka_unit_test(what_is_less_than_the_level_is_not_written),
        cmocka_unit_test(no_text_can_forge_a_second_line),
        cmocka_unit_test(phone_numbers_are_not_in_clear),
        cmocka_unit_test(long_texts_are_cut_at_a_character_and_long_lines_lose_their_fields),
        cmocka_unit_test(lines_stay_whole_and_in_the_order_of_their_thread),
        cmocka_unit_test(a_reader_who_does_not_read_costs_lines_but_no_time),
        cmocka_unit_test(a_file_that_refuses_is_counted_and_kills_nobody),
        cmocka_unit_test(levels_have_names),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
