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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_was_acknowledged_is_found_whole_and_in_order_after_a_kill, set_up, tear_down),
        cmocka_unit_test_setup_teardown(records_of_one_turn_are_one_write, set_up, tear_down),
        cmocka_unit_test_setup_teardown(records_of_turns_during_a_write_share_the_next, set_up, tear_down),
        cmocka_unit_test_setup_teardown(everything_admitted_in_one_turn_finds_room, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_retired_stays_retired_after_a_clean_end, set_up, tear_down),
        cmocka_unit_test_setup_teardown(retirements_are_written_without_further_traffic, set_up, tear_down),
        cmocka_unit_test_setup_teardown(segments_with_only_retired_records_are_used_again, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_retired_stays_so_when_the_segment_that_told_it_is_used_again, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_an_earlier_life_retired_stays_so_when_its_files_are_used_again, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
