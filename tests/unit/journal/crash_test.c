/* What the journal promises over many lives: through kill -9, other numbers of shards, and a disk without room. */
#include "life.h"

static void replay_and_retire_all(struct life *l)
{
    forget_replayed();
    uint32_t call, number;
    for (struct journal_replayed r; journal_recovery_next(l->recovery, &r);) {
        read_note(&r, &call, &number);
        chronicle->replayed[call][number] += 1;
        chronicle->applied[call][number] = true;
        journal_recovery_retire(l->recovery, r.position);
    }
}

/* -- lives of any number of shards -- */

static constexpr uint32_t notes_of_a_life = 60; /* per call */

static void rest_when_all_are_durable(struct journal_entry *e)
{
    struct note *n = acknowledge(e);
    struct station *s = n->station;
    free(n);
    if (s->durable == s->appended) rest(s);
}

static uint16_t home_of(const struct life *l, uint32_t call) { return (uint16_t)(call % l->shards); }

/* Each call's notes go to its home, numbered on from the last life. */
static void append_on_homes(struct station *s)
{
    for (uint32_t call = 0; call < CALLS; call++) {
        if (home_of(s->life, call) != s->shard->index) continue;
        for (uint32_t n = 0; n < notes_of_a_life; n++)
            ensure(append_note(s, call, chronicle->next_number[call]++, 100 + n, rest_when_all_are_durable));
    }
}

static struct life life_of(uint16_t shards)
{
    struct life l = small_life(append_on_homes, nullptr);
    l.shards = shards;
    l.segment_bytes = 1024 * 1024;
    return l;
}

static void records_are_found_in_order_whatever_number_of_shards_wrote_them(void **)
{
    const uint16_t shards[] = { 1, 3, 2 };
    for (uint32_t n = 0; n < 3; n++) {
        struct life l = life_of(shards[n]);
        l.replay = replay_all; /* stops the life when a call's notes are out of order */
        assert_int_equal(live(l), ENDED);
        assert_int_equal(replayed_count(), n * CALLS * notes_of_a_life);
    }
    struct life last = life_of(1);
    last.begin = nullptr;
    last.replay = replay_all;
    assert_int_equal(live(last), ENDED);
    for (uint32_t call = 0; call < CALLS; call++)
        for (uint32_t n = 0; n < 3 * notes_of_a_life; n++) assert_int_equal(chronicle->replayed[call][n], 1);
}

/* -- what is left of earlier lives -- */

static void retire_a_third(struct life *l)
{
    uint32_t call, number;
    for (struct journal_replayed r; journal_recovery_next(l->recovery, &r);) {
        read_note(&r, &call, &number);
        if (number % 3 == 0) journal_recovery_retire(l->recovery, r.position);
    }
}

static void rest_at_once(struct station *s) { rest(s); }

static void records_of_an_earlier_life_stay_retired_in_the_next(void **)
{
    assert_int_equal(live(life_of(3)), ENDED);
    struct life second = life_of(2), third = life_of(1);
    second.replay = retire_a_third;
    second.begin = rest_at_once;
    third.replay = replay_all;
    third.begin = nullptr;
    assert_int_equal(live(second), ENDED);
    assert_int_equal(live(third), ENDED);
    for (uint32_t call = 0; call < CALLS; call++)
        for (uint32_t n = 0; n < notes_of_a_life; n++) assert_int_equal(chronicle->replayed[call][n], n % 3 != 0);
}

static uint32_t files(void)
{
    uint32_t count = 0;
    DIR *d = opendir(directory);
    for (struct dirent *e; (e = readdir(d));) count += strstr(e->d_name, ".segment") != nullptr;
    closedir(d);
    return count;
}

/* The directory is what tells that the surplus is gone. */
static void rest_when_few_files_are_left(struct timer *t)
{
    struct station *s = container_of(t, struct station, timer);
    if (files() <= journal_spares_kept_max + 2) rest(s);
    else timer_start(&s->shard->timers, t, s->shard->now_us + 10'000, rest_when_few_files_are_left);
}

static void wait_for_few_files(struct station *s) { timer_start(&s->shard->timers, &s->timer, s->shard->now_us, rest_when_few_files_are_left); }

static void rest_after_eight_hundred(struct journal_entry *e)
{
    struct note *n = acknowledge(e);
    if (n->station->durable == 800) rest(n->station);
    free(n);
}

static void fill_sixteen_segments(struct station *s);

static void fill_again(struct timer *t) { fill_sixteen_segments(container_of(t, struct station, timer)); }

static void fill_sixteen_segments(struct station *s)
{
    while (s->appended < 800 && append_note(s, 1, s->appended, 1000, rest_after_eight_hundred)) {}
    if (s->appended < 800) timer_start(&s->shard->timers, &s->timer, s->shard->now_us + 1000, fill_again);
}

static void files_that_an_outage_left_go_back_to_the_disk(void **)
{
    struct life first = small_life(fill_sixteen_segments, nullptr), second = small_life(wait_for_few_files, replay_and_retire_all);
    first.segments_max = 32;
    assert_int_equal(live(first), ENDED);
    assert_true(files() >= 14);
    assert_int_equal(live(second), ENDED);
    assert_int_equal(replayed_count(), 800);
    assert_true(files() <= journal_spares_kept_max + 2);
    assert_int_equal(live(small_life(nullptr, replay_all)), ENDED);
    assert_int_equal(replayed_count(), 0);
}

/* -- kill -9 -- */

static void append_on(struct journal_entry *e);

static void append_some(struct station *s)
{
    for (uint32_t n = 0; n < 4; n++) {
        uint32_t call = (uint32_t)(random_u64() % (CALLS / s->life->shards)) * s->life->shards + s->shard->index;
        uint32_t number = chronicle->next_number[call];
        if (number < NOTES && append_note(s, call, number, 8 + random_u64() % 3000, append_on)) chronicle->next_number[call] += 1;
    }
}

static void append_again(struct timer *t) { append_some(container_of(t, struct station, timer)); }

/* Applied means: in PostgreSQL. About half is, at once; the rest waits for the next life. */
static void append_on(struct journal_entry *e)
{
    struct note *n = acknowledge(e);
    struct station *s = n->station;
    if (random_u64() % 2 == 0) {
        chronicle->applied[n->call][n->number] = true;
        journal_retire(s->journal, e->position);
    }
    free(n);
    if (s->durable != s->appended) return;
    append_some(s);
    if (s->durable == s->appended) timer_start(&s->shard->timers, &s->timer, s->shard->now_us + 1000, append_again); /* full: later */
}

static void assert_nothing_acknowledged_is_lost(void)
{
    for (uint32_t call = 0; call < CALLS; call++)
        for (uint32_t n = 0; n < NOTES; n++)
            if (chronicle->acknowledged[call][n]) assert_true(chronicle->applied[call][n]);
}

static uint32_t acknowledged_count(void)
{
    uint32_t count = 0;
    for (uint32_t call = 0; call < CALLS; call++)
        for (uint32_t n = 0; n < NOTES; n++) count += chronicle->acknowledged[call][n];
    return count;
}

/* Every life replays all that it finds, then goes on until it is killed. What was acknowledged before must be applied once it has replayed. */
static void nothing_acknowledged_is_lost_by_kills_at_random_moments(void **)
{
    const uint16_t shards[] = { 1, 2, 4 };
    for (uint32_t round = 0; round < 24; round++) {
        struct life l = small_life(append_some, replay_and_retire_all);
        l.shards = shards[round % 3];
        l.segments_max = 32;
        pid_t pid = begin_life_of(&l);
        usleep(2000 + (useconds_t)(random_u64() % 60'000)); /* the moment is the point: no event is waited for */
        kill(pid, SIGKILL);
        assert_int_equal(ending_of(pid), KILLED);

        struct life look = small_life(nullptr, replay_and_retire_all); /* retires in memory only: it has no journal to say so */
        assert_int_equal(live(look), ENDED);
        assert_nothing_acknowledged_is_lost();
    }
    assert_true(acknowledged_count() > 100);
}

/* -- a full disk -- */

static void limit_files(rlim_t bytes)
{
    signal(SIGXFSZ, SIG_IGN);
    ensure(setrlimit(RLIMIT_FSIZE, &(struct rlimit){ .rlim_cur = bytes, .rlim_max = RLIM_INFINITY }) == 0);
}

static void note_only(struct journal_entry *e)
{
    (void)acknowledge(e);
}

static void rest_when_admitted_again(struct timer *t)
{
    struct station *s = container_of(t, struct station, timer);
    limit_files(RLIM_INFINITY);
    if (append_note(s, 0, s->appended, 1000, rest_when_all_are_durable)) return;
    timer_start(&s->shard->timers, t, s->shard->now_us + 10'000, rest_when_admitted_again);
}

static void fill_what_there_is(struct timer *t)
{
    struct station *s = container_of(t, struct station, timer);
    limit_files(4096); /* no new segment can be made; the one we have lies beyond the limit, too, but nothing is written in this turn */
    while (append_note(s, 0, s->appended, 1000, note_only)) {}
    ensure(s->appended > 0 && counter_read(&journal_counters(s->journal)->refused_full) > 0);
    ensure(gauge_read(&journal_counters(s->journal)->full) == 1);
    timer_start(&s->shard->timers, t, s->shard->now_us + 20'000, rest_when_admitted_again);
}

static void fill_without_room(struct station *s) { timer_start(&s->shard->timers, &s->timer, s->shard->now_us, fill_what_there_is); }

/* The write of what was admitted fails with the limit, is kept, and succeeds when there is room: so nothing admitted is lost, either. */
static void a_full_disk_refuses_until_there_is_room_and_then_goes_on(void **)
{
    assert_int_equal(live(small_life(fill_without_room, nullptr)), ENDED);
    assert_int_equal(live(small_life(nullptr, replay_all)), ENDED);
    assert_int_equal(replayed_count(), acknowledged_count());
    assert_true(acknowledged_count() > 10);
}

/* From the very start: not even a first segment can be made. */
static void begin_full(struct life *) { limit_files(4096); }

static void refuse_then_go_on(struct station *s)
{
    ensure(!append_note(s, 0, 0, 1000, note_only));
    timer_start(&s->shard->timers, &s->timer, s->shard->now_us, rest_when_admitted_again);
}

static void an_engine_starts_on_a_full_disk_and_refuses_until_there_is_room(void **)
{
    assert_int_equal(live(small_life(refuse_then_go_on, begin_full)), ENDED);
    assert_int_equal(live(small_life(nullptr, replay_all)), ENDED);
    assert_int_equal(replayed_count(), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(records_are_found_in_order_whatever_number_of_shards_wrote_them, set_up, tear_down),
        cmocka_unit_test_setup_teardown(records_of_an_earlier_life_stay_retired_in_the_next, set_up, tear_down),
        cmocka_unit_test_setup_teardown(files_that_an_outage_left_go_back_to_the_disk, set_up, tear_down),
        cmocka_unit_test_setup_teardown(nothing_acknowledged_is_lost_by_kills_at_random_moments, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_full_disk_refuses_until_there_is_room_and_then_goes_on, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_engine_starts_on_a_full_disk_and_refuses_until_there_is_room, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
