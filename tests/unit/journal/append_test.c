/* What the journal promises while it runs, and to the life after. */
#include "life.h"

[[noreturn]] static void die(void)
{
    kill(getpid(), SIGKILL);
    for (;;) pause();
}

/* -- round trip -- */

enum { ROUND_TRIP_NOTES = 200 };
static size_t odd_length(uint32_t n) { return 8 + (size_t)n * n * 7 % 20'000; }

static void die_when_all_are_durable(struct journal_entry *e)
{
    struct note *n = acknowledge(e);
    if (n->station->durable == ROUND_TRIP_NOTES) die();
    free(n);
}

static void append_many(struct station *s)
{
    for (uint32_t n = 0; n < ROUND_TRIP_NOTES; n++) ensure(append_note(s, n % 3, n, odd_length(n), die_when_all_are_durable));
}

static void what_was_acknowledged_is_found_whole_and_in_order_after_a_kill(void **)
{
    struct life first = small_life(append_many, nullptr), second = small_life(nullptr, replay_all);
    first.segment_bytes = second.segment_bytes = 16 * 1024 * 1024;
    assert_int_equal(live(first), KILLED);
    assert_int_equal(live(second), ENDED);
    for (uint32_t n = 0; n < ROUND_TRIP_NOTES; n++) assert_int_equal(chronicle->replayed[n % 3][n], 1);
    assert_int_equal(replayed_count(), ROUND_TRIP_NOTES);
    assert_int_equal(chronicle->report.replayed, ROUND_TRIP_NOTES);
    assert_int_equal(chronicle->report.torn_bytes, 0);
}

/* -- group commit -- */

static void rest_after_forty(struct journal_entry *e)
{
    struct note *n = acknowledge(e);
    ensure(n->number == n->station->durable - 1); /* in the order of appending */
    if (n->station->durable == 40) rest(n->station);
    free(n);
}

static void append_twenty(struct station *s)
{
    for (uint32_t n = 0; n < 20; n++) ensure(append_note(s, 0, s->appended, 500, rest_after_forty));
}

/* Later turns, while the first write is under way: all of it is one further write. */
static void append_one_by_one(struct task *t)
{
    struct station *s = container_of(t, struct station, first_turn);
    ensure(append_note(s, 0, s->appended, 500, rest_after_forty));
    if (s->appended < 40) shard_make_ready(s->shard, t);
}

static void one_turn_is_one_write(struct station *s)
{
    append_twenty(s);
    append_twenty(s);
}

static void records_of_one_turn_are_one_write(void **)
{
    assert_int_equal(live(small_life(one_turn_is_one_write, nullptr)), ENDED);
    assert_int_equal(chronicle->batches, 1);
}

static void a_write_and_then_single_ones(struct station *s)
{
    append_twenty(s);
    s->first_turn.run = append_one_by_one;
    shard_make_ready(s->shard, &s->first_turn);
}

static void records_of_turns_during_a_write_share_the_next(void **)
{
    assert_int_equal(live(small_life(a_write_and_then_single_ones, nullptr)), ENDED);
    assert_true(chronicle->batches < 21); /* one each would be 21; how many turns fit into a write is the disk's business */
    assert_true(chronicle->batches >= 2);
}

/* -- admission -- */

static void free_and_rest(struct journal_entry *e)
{
    struct note *n = acknowledge(e);
    struct station *s = n->station;
    free(n);
    if (s->durable == s->appended) rest(s);
}

/* All in one turn: as many as are admitted have to become durable. */
static void append_until_full(struct station *s)
{
    for (uint32_t number = 0; append_note(s, 0, number, 8 + number * 37 % 3000, free_and_rest);) number += 1;
    chronicle->next_number[0] = s->appended;
}

static void everything_admitted_in_one_turn_finds_room(void **)
{
    assert_int_equal(live(small_life(append_until_full, nullptr)), ENDED);
    assert_true(chronicle->next_number[0] > 10);
    assert_int_equal(live(small_life(nullptr, replay_all)), ENDED);
    assert_int_equal(replayed_count(), chronicle->next_number[0]);
}

/* -- retirement -- */

static void retire_even_ones(struct journal_entry *e)
{
    struct note *n = acknowledge(e);
    struct station *s = n->station;
    if (n->number % 2 == 0) journal_retire(s->journal, e->position);
    free(n);
    if (s->durable == 100) rest(s);
}

static void append_hundred(struct station *s)
{
    for (uint32_t n = 0; n < 100; n++) ensure(append_note(s, 1, n, 100, retire_even_ones));
}

static void assert_only_odd_ones_are_replayed(void)
{
    assert_int_equal(live(small_life(nullptr, replay_all)), ENDED);
    for (uint32_t n = 0; n < 100; n++) assert_int_equal(chronicle->replayed[1][n], n % 2);
}

static void what_is_retired_stays_retired_after_a_clean_end(void **)
{
    assert_int_equal(live(small_life(append_hundred, nullptr)), ENDED);
    assert_only_odd_ones_are_replayed();
    assert_only_odd_ones_are_replayed(); /* looking changes nothing */
}

/* The journal states retirements by itself: the batch that does it is the event to wait for. */
static void die_after_the_statement(struct timer *t)
{
    struct station *s = container_of(t, struct station, timer);
    if (counter_read(&journal_counters(s->journal)->batches) >= 2) die();
    timer_start(&s->shard->timers, t, s->shard->now_us + 10'000, die_after_the_statement);
}

static void retire_then_wait(struct journal_entry *e)
{
    struct note *n = acknowledge(e);
    struct station *s = n->station;
    if (n->number % 2 == 0) journal_retire(s->journal, e->position);
    if (s->durable == 100) timer_start(&s->shard->timers, &s->timer, s->shard->now_us, die_after_the_statement);
    free(n);
}

static void append_hundred_then_wait(struct station *s)
{
    for (uint32_t n = 0; n < 100; n++) ensure(append_note(s, 1, n, 100, retire_then_wait));
}

static void retirements_are_written_without_further_traffic(void **)
{
    assert_int_equal(live(small_life(append_hundred_then_wait, nullptr)), KILLED);
    assert_only_odd_ones_are_replayed();
}

static void forbid_writing(void);

static void retire_and_break_the_disk(struct journal_entry *e)
{
    struct note *n = acknowledge(e);
    struct station *s = n->station;
    journal_retire(s->journal, e->position);
    free(n);
    forbid_writing();
    rest(s);
}

static void append_one_and_break_the_disk(struct station *s) { ensure(append_note(s, 0, 0, 100, retire_and_break_the_disk)); }

/* The last words cannot be written: then what was retired is told once more, and nothing worse. */
static void a_clean_end_on_a_broken_disk_costs_a_replay(void **)
{
    assert_int_equal(live(small_life(append_one_and_break_the_disk, nullptr)), ENDED);
    assert_int_equal(live(small_life(nullptr, replay_all)), ENDED);
    assert_int_equal(replayed_count(), 1);
}

/* -- very many, very small -- */

enum { CROWD = journal_segment_records_max + 4'464 };

static void rest_after_the_crowd(struct journal_entry *e)
{
    struct note *n = acknowledge(e);
    if (n->station->durable == CROWD) rest(n->station);
    free(n);
}

static void append_the_crowd(struct timer *t)
{
    struct station *s = container_of(t, struct station, timer);
    while (s->appended < CROWD && append_note(s, s->appended % CALLS, s->appended / CALLS, 8, rest_after_the_crowd)) {}
    if (s->appended < CROWD) timer_start(&s->shard->timers, t, s->shard->now_us + 1000, append_the_crowd);
}

static void begin_the_crowd(struct station *s) { append_the_crowd(&s->timer); }

/* The bitmap of a segment ends before its bytes do. */
static void a_segment_takes_no_more_records_than_it_can_say_of_which_are_retired(void **)
{
    struct life l = small_life(begin_the_crowd, nullptr);
    l.segment_bytes = 16 * 1024 * 1024;
    assert_int_equal(live(l), ENDED);
    assert_true(chronicle->segments_used >= 2); /* in bytes, one would have been enough */
    assert_int_equal(live(small_life(nullptr, replay_all)), ENDED);
    assert_int_equal(replayed_count(), CROWD);
}

/* -- reuse -- */

enum { MANY = 3000, PINNED = 7 };

static void append_next(struct timer *t);

static void retire_at_once_but_for_one(struct journal_entry *e)
{
    struct note *n = acknowledge(e);
    struct station *s = n->station;
    if (n->number != PINNED) journal_retire(s->journal, e->position);
    free(n);
    if (s->durable == MANY) rest(s);
    else if (s->durable == s->appended) append_next(&s->timer);
}

/* Ten at a time, so that many segments are filled one after the other: 3,000 × 1 KiB through 8 × 64 KiB. So small a segment may be full
 * before the next one is ready: then the journal says so, and we come again. */
static void append_next(struct timer *t)
{
    struct station *s = container_of(t, struct station, timer);
    for (uint32_t n = 0; n < 10; n++)
        if (!append_note(s, 2, s->appended, 1000, retire_at_once_but_for_one)) break;
    if (s->durable == s->appended) timer_start(&s->shard->timers, t, s->shard->now_us + 1000, append_next);
}

static void append_three_thousand(struct station *s) { append_next(&s->timer); }

static void segments_with_only_retired_records_are_used_again(void **)
{
    assert_int_equal(live(small_life(append_three_thousand, nullptr)), ENDED);
    assert_true(chronicle->segments_reused > 10);
    assert_true(chronicle->segments_used <= 8);
}

/* Segment A keeps one live record. That its others are retired was told by B, C, … which have been used again many times since. */
static void what_is_retired_stays_so_when_the_segment_that_told_it_is_used_again(void **)
{
    assert_int_equal(live(small_life(append_three_thousand, nullptr)), ENDED);
    assert_int_equal(live(small_life(nullptr, replay_all)), ENDED);
    assert_int_equal(replayed_count(), 1);
    assert_int_equal(chronicle->replayed[2][PINNED], 1);
}

/* -- reuse over lives -- */

enum { KEPT = 300 };

static void rest_after_three_hundred(struct journal_entry *e)
{
    struct note *n = acknowledge(e);
    if (n->station->durable == KEPT) rest(n->station);
    free(n);
}

static void append_and_keep(struct timer *t)
{
    struct station *s = container_of(t, struct station, timer);
    while (s->appended < KEPT && append_note(s, 3, s->appended, 1000, rest_after_three_hundred)) {}
    if (s->appended < KEPT) timer_start(&s->shard->timers, t, s->shard->now_us + 1000, append_and_keep);
}

static void append_three_hundred(struct station *s) { append_and_keep(&s->timer); }

/* The second life needs every file that the first one left, also that which told what was retired in the segment that still has a live record. */
static void what_an_earlier_life_retired_stays_so_when_its_files_are_used_again(void **)
{
    assert_int_equal(live(small_life(append_three_thousand, nullptr)), ENDED);
    assert_int_equal(live(small_life(append_three_hundred, nullptr)), ENDED);
    assert_true(chronicle->segments_reused >= 2);
    assert_int_equal(live(small_life(nullptr, replay_all)), ENDED);
    assert_int_equal(chronicle->replayed[2][PINNED], 1);
    for (uint32_t n = 0; n < KEPT; n++) assert_int_equal(chronicle->replayed[3][n], 1);
    assert_int_equal(replayed_count(), 1 + KEPT);
}

/* -- back to the disk -- */

enum { BURST = 600 }; /* a dozen segments of 64 KiB */
static struct journal_position burst[BURST];

static uint32_t files(void)
{
    uint32_t count = 0;
    DIR *d = opendir(directory);
    for (struct dirent *e; (e = readdir(d));) count += strstr(e->d_name, ".segment") != nullptr;
    closedir(d);
    return count;
}

static void rest_when_the_spares_are_left(struct timer *t)
{
    struct station *s = container_of(t, struct station, timer);
    if (files() <= journal_spares_kept_max + 1) rest(s); /* and the current one */
    else timer_start(&s->shard->timers, t, s->shard->now_us + 10'000, rest_when_the_spares_are_left);
}

static void retire_the_burst(struct journal_entry *e)
{
    struct note *n = acknowledge(e);
    struct station *s = n->station;
    burst[n->number] = e->position;
    free(n);
    if (s->durable < BURST) return;
    ensure(files() > journal_spares_kept_max + 4);
    for (uint32_t number = 0; number < BURST; number++) journal_retire(s->journal, burst[number]);
    timer_start(&s->shard->timers, &s->timer, s->shard->now_us, rest_when_the_spares_are_left);
}

static void append_the_burst(struct timer *t)
{
    struct station *s = container_of(t, struct station, timer);
    while (s->appended < BURST && append_note(s, 1, s->appended, 1000, retire_the_burst)) {}
    if (s->appended < BURST) timer_start(&s->shard->timers, t, s->shard->now_us + 1000, append_the_burst);
}

static void begin_the_burst(struct station *s) { append_the_burst(&s->timer); }

static void what_a_burst_needed_goes_back_to_the_disk(void **)
{
    struct life l = small_life(begin_the_burst, nullptr);
    l.segments_max = 24;
    assert_int_equal(live(l), ENDED);
    assert_int_equal(live(small_life(nullptr, replay_all)), ENDED);
    assert_int_equal(replayed_count(), 0);
}

/* -- a disk that fails -- */

/* In the place of every segment that is open: the same file, that cannot be written to. */
static void forbid_writing(void)
{
    DIR *d = opendir("/proc/self/fd");
    for (struct dirent *e; (e = readdir(d));) {
        char path[300] = {};
        if (readlinkat(dirfd(d), e->d_name, path, sizeof path - 1) < 0 || !strstr(path, ".segment")) continue;
        int readable = open(path, O_RDONLY);
        ensure(readable >= 0 && dup2(readable, (int)strtol(e->d_name, nullptr, 10)) >= 0);
        close(readable);
    }
    closedir(d);
}

static void rest_in_spite_of_it(struct journal_entry *e)
{
    struct note *n = acknowledge(e);
    rest(n->station);
    free(n);
}

static void append_to_a_broken_disk(struct journal_entry *e)
{
    struct note *n = acknowledge(e);
    forbid_writing();
    ensure(append_note(n->station, 0, 1, 1000, rest_in_spite_of_it));
    free(n);
}

static void append_then_break_the_disk(struct station *s) { ensure(append_note(s, 0, 0, 1000, append_to_a_broken_disk)); }

static void a_failed_write_is_never_acknowledged_and_ends_the_life(void **)
{
    assert_int_equal(live(small_life(append_then_break_the_disk, nullptr)), GAVE_UP);
    assert_true(chronicle->acknowledged[0][0]);
    assert_false(chronicle->acknowledged[0][1]);
    assert_int_equal(live(small_life(nullptr, replay_all)), ENDED);
    assert_int_equal(replayed_count(), 1);
}

/* -- a disk that is slower than this one -- */

enum { EXTRA_MS = 20 };
static uint64_t appended_at_us;

static void rest_when_it_took_long(struct journal_entry *e)
{
    struct note *n = acknowledge(e);
    ensure(clock_monotonic_us() >= appended_at_us + EXTRA_MS * 1000);
    rest(n->station);
    free(n);
}

static void append_to_a_slow_disk(struct station *s)
{
    appended_at_us = clock_monotonic_us();
    ensure(append_note(s, 0, 0, 1000, rest_when_it_took_long));
}

static void a_bench_can_ask_for_a_slower_disk(void **)
{
    struct life l = small_life(append_to_a_slow_disk, nullptr);
    l.sync_extra_us = EXTRA_MS * 1000;
    assert_int_equal(live(l), ENDED);
    assert_true(chronicle->acknowledged[0][0]);
}

/* -- settings -- */

static void nothing(struct station *s) { rest(s); }

static void a_segment_size_or_count_that_makes_no_sense_refuses_the_start(void **)
{
    struct life odd = small_life(nothing, nullptr), small = odd, few = odd, many = odd;
    odd.segment_bytes += 512;
    small.segment_bytes /= 2;
    few.segments_max = 1;
    many.segments_max = journal_segments_max + 1;
    const struct life wrong[] = { odd, small, few, many };
    for (uint32_t n = 0; n < 4; n++) {
        assert_int_equal(live(wrong[n]), REFUSED);
        assert_non_null(strstr(chronicle->refusal.text, "multiple of 4096"));
    }
    assert_int_equal(live(small_life(nothing, nullptr)), ENDED);
}

static void remove_the_directory(struct life *) { remove_all(); }

static void a_directory_that_takes_no_file_refuses_the_start(void **)
{
    assert_int_equal(live(small_life(nothing, remove_the_directory)), REFUSED);
    assert_non_null(strstr(chronicle->refusal.text, "cannot make a segment"));
}

/* A dozen notes fill a segment of 64 KiB. Each file left behind takes some hundred bytes of every later segment's first batch. */
static void keep(struct journal_entry *e) { free(acknowledge(e)); }

static void fill_all_segments(struct timer *t)
{
    struct station *s = container_of(t, struct station, timer);
    while (append_note(s, s->shard->index, s->appended, 5000, keep)) {}
    if (gauge_read(&journal_counters(s->journal)->segments_used) == s->life->segments_max && s->durable == s->appended) rest(s);
    else timer_start(&s->shard->timers, t, s->shard->now_us + 1000, fill_all_segments);
}

static void begin_to_fill(struct station *s) { fill_all_segments(&s->timer); }

static void more_left_behind_than_a_segment_can_state_refuses_the_start_until_they_are_larger(void **)
{
    struct life full = small_life(begin_to_fill, nullptr), next = small_life(nothing, nullptr);
    full.segments_max = journal_segments_max;
    full.shards = 4;
    for (uint32_t n = 0; n < 2; n++) assert_int_equal(live(full), ENDED); /* 512 files */
    assert_int_equal(live(next), REFUSED);
    assert_non_null(strstr(chronicle->refusal.text, "too small to state what is retired"));
    next.segment_bytes = 1024 * 1024;
    assert_int_equal(live(next), ENDED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_was_acknowledged_is_found_whole_and_in_order_after_a_kill, set_up, tear_down),
        cmocka_unit_test_setup_teardown(records_of_one_turn_are_one_write, set_up, tear_down),
        cmocka_unit_test_setup_teardown(records_of_turns_during_a_write_share_the_next, set_up, tear_down),
        cmocka_unit_test_setup_teardown(everything_admitted_in_one_turn_finds_room, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_retired_stays_retired_after_a_clean_end, set_up, tear_down),
        cmocka_unit_test_setup_teardown(retirements_are_written_without_further_traffic, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_clean_end_on_a_broken_disk_costs_a_replay, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_segment_takes_no_more_records_than_it_can_say_of_which_are_retired, set_up, tear_down),
        cmocka_unit_test_setup_teardown(segments_with_only_retired_records_are_used_again, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_retired_stays_so_when_the_segment_that_told_it_is_used_again, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_an_earlier_life_retired_stays_so_when_its_files_are_used_again, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_a_burst_needed_goes_back_to_the_disk, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_failed_write_is_never_acknowledged_and_ends_the_life, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_bench_can_ask_for_a_slower_disk, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_segment_size_or_count_that_makes_no_sense_refuses_the_start, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_directory_that_takes_no_file_refuses_the_start, set_up, tear_down),
        cmocka_unit_test_setup_teardown(more_left_behind_than_a_segment_can_state_refuses_the_start_until_they_are_larger, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
