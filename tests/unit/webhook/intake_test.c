/* What the second half of a webhook's way promises: 2xx means durable; what there is no room for is 503 and leaves nothing behind; what is durable reaches
 * PostgreSQL or stays in the journal, also when the process ends at the worst moment. Door, desk and flows are real; journal, socket and PostgreSQL are played. */
#include "tests/unit/call/played.h"

#include "base/buffer.h"
#include "tests/unit/call/tenants.h"
#include "webhook/door.h"
#include "webhook/replay.h"

static const uint64_t minute_us = 60'000'000;

/* -- PostgreSQL -- */

static struct { uint32_t filed, kept; char kept_as[16]; enum db_outcome keep; } db;

static enum db_outcome play_statement(struct db_unit *u, struct played_row *a)
{
    if (statement_of(u) == DB_KEEP_WEBHOOK) {
        if (db.keep != DB_OK) return db.keep;
        text_of(u, 8, db.kept_as, sizeof db.kept_as);
        db.kept += 1;
        give_integer(a, 1);
        return DB_OK;
    }
    assert_int_equal(statement_of(u), DB_FILE_CALL_EVENT);
    db.filed += 1;
    give_integer(a, 1);
    give_integer(a, 101);
    give_integer(a, 17);
    give_text(a, "{}");
    give_integer(a, 0);
    give_integer(a, 0);
    return DB_OK;
}

void booking_hand_over(struct booking_desk *, int64_t, int64_t) { fail_msg("nothing is agreed here"); }

/* -- the journal: what is appended becomes durable when the test says so -- */

static struct journal_entry *writing[16];
static uint32_t writing_count, appended, retired, recovered_retired, recovered_next, recovered_total;
static bool journal_is_full;
static const char *recovered_bodies[2'000];

enum journal_admission journal_admit(struct journal *, size_t) { return journal_is_full ? JOURNAL_FULL : JOURNAL_ADMITTED; }
void journal_append(struct journal *, struct journal_entry *e)
{
    assert_true(writing_count < 16 && e->body.length > 0);
    e->position.sequence = ++appended;
    writing[writing_count++] = e;
}
void journal_retire(struct journal *, struct journal_position p)
{
    assert_true(p.sequence >= 1 && p.sequence <= appended);
    retired += 1;
}
void journal_recovery_retire(struct journal_recovery *, struct journal_position) { recovered_retired += 1; }
bool journal_recovery_next(struct journal_recovery *, struct journal_replayed *r)
{
    if (recovered_next == recovered_total) return false;
    *r = (struct journal_replayed){ .position.sequence = recovered_next + 1, .type = JOURNAL_WEBHOOK, .workspace_id = 4, .received_at_us = wall_start_us,
                                    .body = slice_from_text(recovered_bodies[recovered_next]) };
    recovered_next += 1;
    return true;
}

/* The helper thread is done at once, and tells in the next turn. */
static void job_came_home(struct shard *, struct envelope *e)
{
    struct job *j = container_of(e, struct job, envelope);
    j->running = false;
    j->done(j);
}
void worker_give(struct worker *, struct shard *s, struct job *j, void (*work)(struct job *), void (*done)(struct job *))
{
    assert_false(j->running);
    j->running = true;
    j->done = done;
    work(j);
    j->envelope = (struct envelope){ .came_home = job_came_home, .travelling = true, .returning = true };
    shard_hold(s);
    post_envelope(&j->envelope);
}

static void become_durable(void)
{
    for (uint32_t n = 0; n < writing_count; n++) writing[n]->done(writing[n]);
    writing_count = 0;
}

/* -- the socket -- */

static uint32_t answers, last_status;
bool http_respond_status(struct http_server *, struct http_exchange, uint16_t status)
{
    answers += 1;
    last_status = status;
    return true;
}

/* -- a shard with a door and a desk -- */

static struct tenant_directory directory = { .current = &salon };
static struct webhook_door door;
static struct call_desk *desk;
static struct heap heap;
static struct replay replay;
static char server; /* opaque: its address is enough */

static void open_door(uint32_t deliveries)
{
    webhook_door_open(&door, &(struct webhook_door_config){ .shard = &shard, .calls = desk, .directory = &directory, .heap = &heap, .deliveries_max = deliveries, .dedupe_max = 64 });
    webhook_door_serve(&door, (struct http_server *)&server);
}

static int set_up(void **)
{
    play_shard();
    play_database();
    memset(&db, 0, sizeof db);
    writing_count = appended = retired = recovered_retired = recovered_next = recovered_total = answers = last_status = 0;
    journal_is_full = false;
    directory.current = &salon;
    replay = (struct replay){};
    heap_init(&heap, 8 << 20);
    desk = call_desk_open(&(struct call_desk_config){ .shard = &shard, .directory = &directory, .calls_max = 4, .filings_max = 4, .heap_bytes = 1 << 20,
                                                      .longest_call_us = 120 * minute_us, .end_grace_us = 10 * minute_us });
    open_door(16);
    return 0;
}

static void play(void)
{
    for (int n = 0; n < 100'000 && is_busy(); n++) play_turn();
}

static void play_for(uint64_t us)
{
    uint64_t until_us = shard.now_us + us;
    for (play(); shard.now_us < until_us; play()) {
        uint64_t next_us = timer_wheel_next(&shard.timers);
        if (next_us <= shard.now_us) next_us = shard.now_us + 1'024;
        move_clock(next_us < until_us ? next_us : until_us);
    }
}

/* As the engine stops a shard. Whatever is still held then would hold the process. */
static void drain(void)
{
    shard.stopping = true;
    webhook_door_drain(&door);
    call_desk_drain(desk);
    if (replay.door) replay_stop(&replay);
    play_for(minute_us);
}

static int tear_down(void **)
{
    if (!shard.stopping) drain();
    assert_int_equal(shard.holds, 0);
    assert_int_equal(heap.used_bytes, 0);
    webhook_door_close(&door);
    call_desk_close(desk);
    return 0;
}

static void receive(int64_t workspace, const char *body)
{
    struct delivery *d = pool_acquire(&door.deliveries);
    assert_non_null(d);
    *d = (struct delivery){ .magic = delivery_magic, .door = &door, .workspace_id = workspace, .received_at_us = shard.wall_us, .complete_at_us = shard.now_us };
    size_t bytes = strlen(body);
    d->body = (struct http_body){ .start = heap_acquire(&heap, bytes), .length = bytes, .capacity = bytes };
    memcpy(d->body.start, body, bytes);
    d->reading = retell_event_decode(&d->event, slice_from(d->body.start, bytes), &heap);
    delivery_travel(d);
    play();
}

#define STARTED(id) "{\"event\":\"call_started\",\"call\":{\"call_id\":\"" id "\",\"to_number\":\"+493012345678\",\"from_number\":\"+491701234567\"}}"
#define ENDED(id)   "{\"event\":\"call_ended\",\"call\":{\"call_id\":\"" id "\",\"to_number\":\"+493012345678\",\"from_number\":\"+491701234567\"}}"
static const char unrouted[] = "{\"event\":\"call_started\",\"call\":{\"call_id\":\"call_u\",\"to_number\":\"+493099999999\"}}", nonsense[] = "no JSON at all";

static uint64_t count(const struct counter *c) { return counter_read(c); }

/* -- promises -- */

static void nothing_is_acknowledged_before_it_is_durable(void **)
{
    receive(4, STARTED("call_1"));
    assert_int_equal(answers, 0);
    become_durable();
    play();
    assert_int_equal(last_status, 204);
    assert_int_equal(db.filed, 1);
    assert_int_equal(retired, 1);
    assert_int_equal(door.deliveries.used, 0);
}

static void the_answer_does_not_wait_for_postgresql_and_the_journal_does(void **)
{
    database_is_up = false;
    receive(4, STARTED("call_1"));
    become_durable();
    play();
    assert_int_equal(last_status, 204);
    assert_int_equal(retired, 0);
    assert_int_equal(door.deliveries.used, 1);
    database_is_up = true;
    play();
    assert_int_equal(retired, 1);
}

static void a_repetition_is_answered_from_memory(void **)
{
    receive(4, STARTED("call_1"));
    become_durable();
    play();
    receive(4, STARTED("call_1"));
    assert_int_equal(answers, 2);
    assert_int_equal(last_status, 204);
    assert_int_equal(appended, 1);
    assert_int_equal(count(&door.counters.duplicates), 1);
}

static void a_copy_is_not_acknowledged_for_a_first_one_that_is_not_durable(void **)
{
    receive(4, STARTED("call_1"));
    receive(4, STARTED("call_1"));
    assert_int_equal(answers, 0);
    assert_int_equal(appended, 2);
    become_durable();
    play();
    assert_int_equal(answers, 2);
    assert_int_equal(retired, 2);
}

static void another_event_or_workspace_is_no_repetition(void **)
{
    receive(4, STARTED("call_1"));
    receive(4, ENDED("call_1"));
    receive(5, STARTED("call_1"));
    become_durable();
    play();
    assert_int_equal(appended, 3);
    assert_int_equal(count(&door.counters.duplicates), 0);
}

static void a_full_journal_is_503_and_leaves_nothing_behind(void **)
{
    journal_is_full = true;
    for (int n = 0; n < 100; n++) {
        char body[256];
        snprintf(body, sizeof body, "{\"event\":\"call_started\",\"call\":{\"call_id\":\"call_%d\"}}", n);
        receive(4, body);
        assert_int_equal(last_status, 503);
    }
    assert_int_equal(count(&door.counters.full_journal), 100); /* the calls that were made for them are gone: there is room for four */
    journal_is_full = false;
    receive(4, STARTED("call_1"));
    become_durable();
    play();
    assert_int_equal(last_status, 204);
}

static void no_room_for_another_call_is_503(void **)
{
    receive(4, STARTED("call_1"));
    receive(4, STARTED("call_2"));
    receive(4, STARTED("call_3"));
    receive(4, STARTED("call_4"));
    receive(4, STARTED("call_5"));
    assert_int_equal(answers, 1);
    assert_int_equal(last_status, 503);
    become_durable();
}

static void what_is_not_understood_is_acknowledged_kept_and_retired(void **)
{
    receive(4, nonsense);
    become_durable();
    play();
    assert_int_equal(last_status, 204);
    assert_int_equal(db.kept, 1);
    assert_string_equal(db.kept_as, "quarantined");
    assert_int_equal(retired, 1);
}

static void two_workspaces_that_send_the_same_nonsense_do_not_meet(void **)
{
    receive(4, nonsense);
    become_durable();
    play();
    receive(5, nonsense);
    assert_int_equal(appended, 2);
    become_durable();
    play();
    assert_int_equal(db.kept, 2);
}

/* No form of it is taken: it stays in the journal for whoever mends the database, and holds up nobody. */
static void what_the_quarantine_may_not_keep_stays_in_the_journal(void **)
{
    db.keep = DB_REJECTED;
    receive(4, nonsense);
    become_durable();
    play();
    assert_int_equal(last_status, 204);
    assert_int_equal(retired, 0);
    assert_int_equal(door.deliveries.used, 0);
    db.keep = DB_OK;
    receive(5, nonsense);
    become_durable();
    play();
    assert_int_equal(db.kept, 1);
    assert_int_equal(retired, 1);
}

/* The first is being kept; the others are told to come again by the next life. */
static void a_drain_keeps_the_one_that_is_being_kept_and_leaves_the_rest(void **)
{
    receive(4, nonsense);
    receive(5, nonsense);
    become_durable();
    play_turn(); /* the first statement is asked and answered in this turn or the next */
    drain();
    assert_int_equal(retired, db.kept);
    assert_int_equal(door.deliveries.used, 0);
    assert_int_equal(shard.holds, 0);
}

static void what_had_no_tenant_may_find_one_when_it_is_sent_again(void **)
{
    for (uint32_t n = 1; n <= 2; n++) {
        receive(4, unrouted);
        become_durable();
        play();
        assert_int_equal(db.kept, n);
        assert_int_equal(retired, n);
    }
    assert_string_equal(db.kept_as, "unrouted");
}

static void what_becomes_durable_while_draining_is_left_to_the_journal(void **)
{
    receive(4, STARTED("call_1"));
    receive(4, nonsense);
    shard.stopping = true;
    webhook_door_drain(&door);
    call_desk_drain(desk);
    become_durable();
    play_for(minute_us);
    assert_int_equal(answers, 2);
    assert_int_equal(last_status, 204);
    assert_int_equal(retired, 0);
    assert_int_equal(shard.holds, 0); /* and nothing keeps the process */
}

static void a_drain_without_a_database_lets_go_of_the_quarantine(void **)
{
    database_is_up = false;
    receive(4, nonsense);
    receive(5, nonsense);
    become_durable();
    play_for(minute_us);
    drain();
    assert_int_equal(retired, 0);
    assert_int_equal(shard.holds, 0);
}

static void a_drain_whose_database_goes_away_lets_go_of_what_it_was_asked(void **)
{
    receive(4, nonsense);
    become_durable(); /* and the statement is on its way */
    assert_int_equal(asked.count, 1);
    database_is_up = false;
    drain();
    assert_int_equal(retired, 0);
    assert_int_equal(shard.holds, 0);
}

static void a_webhook_that_comes_while_draining_comes_again_elsewhere(void **)
{
    drain();
    receive(4, STARTED("call_1"));
    assert_int_equal(last_status, 503);
    assert_int_equal(appended, 0);
    assert_int_equal(count(&door.counters.full_calls), 0); /* nothing was full */
}

/* The shard at whose socket it came has them already. Taken, it would be kept as one of an unknown number. */
static void where_there_are_no_tenants_yet_it_is_503(void **)
{
    directory.current = nullptr;
    receive(4, STARTED("call_1"));
    assert_int_equal(last_status, 503);
    assert_int_equal(appended + db.kept, 0);
    directory.current = &salon;
    receive(4, STARTED("call_1"));
    become_durable();
    play();
    assert_int_equal(last_status, 204);
    assert_int_equal(db.filed, 1);
}

/* -- replay -- */

static void recover(uint32_t total, const char *const *bodies)
{
    for (uint32_t n = 0; n < total; n++) recovered_bodies[n] = bodies[n];
    recovered_total = total;
    replay_start(&replay, &door, nullptr, nullptr, total);
}

static void every_record_of_an_earlier_life_is_told_and_retired_without_an_answer(void **)
{
    recover(3, (const char *const[]){ STARTED("call_1"), nonsense, ENDED("call_1") });
    assert_false(replay_is_done(&replay));
    play();
    assert_true(replay_is_done(&replay));
    assert_int_equal(recovered_retired, 3);
    assert_int_equal(db.filed, 2);
    assert_int_equal(db.kept, 1);
    assert_int_equal(answers + retired + appended, 0);
}

static void records_that_find_no_room_are_told_later(void **)
{
    static char bodies[40][256];
    const char *all[40];
    for (int n = 0; n < 40; n++) {
        snprintf(bodies[n], sizeof bodies[n], "{\"event\":\"call_ended\",\"call\":{\"call_id\":\"call_%d\",\"to_number\":\"+493012345678\"}}", n);
        all[n] = bodies[n];
    }
    recover(40, all); /* there is room for four calls and sixteen deliveries */
    play_for(minute_us);
    assert_false(replay_is_done(&replay));
    play_for(60 * minute_us);
    assert_true(replay_is_done(&replay));
    assert_int_equal(recovered_retired, 40);
    assert_int_equal(db.filed, 40);
}

/* Bodies of webhooks that come meanwhile fill the memory. */
static void a_record_that_finds_no_memory_is_told_when_there_is_some(void **)
{
    uint64_t taken_bytes = heap.budget_bytes - 16;
    void *taken = heap_acquire(&heap, taken_bytes);
    recover(1, (const char *const[]){ STARTED("call_1") });
    play_for(played_second_us);
    assert_false(replay_is_done(&replay));
    assert_int_equal(door.deliveries.used, 0);
    heap_release(&heap, taken, taken_bytes);
    play_for(played_second_us);
    assert_true(replay_is_done(&replay));
    assert_int_equal(recovered_retired, 1);
    assert_int_equal(db.filed, 1);
}

static void more_records_than_may_be_under_way_are_told_as_others_are_settled(void **)
{
    enum { RECORDS = 1'500 };
    static char bodies[RECORDS][200];
    static const char *all[RECORDS];
    for (int n = 0; n < RECORDS; n++) {
        snprintf(bodies[n], sizeof bodies[n], "no JSON, number %d", n);
        all[n] = bodies[n];
    }
    webhook_door_close(&door);
    open_door(RECORDS);
    database_is_up = false;
    recover(RECORDS, all);
    play_for(played_second_us);
    assert_int_equal(door.deliveries.used, replays_under_way_max); /* the rest of the pool is for those who come now */
    database_is_up = true;
    play_for(minute_us);
    assert_true(replay_is_done(&replay));
    assert_int_equal(recovered_retired, RECORDS);
    assert_int_equal(db.kept, RECORDS);
}

static void a_drain_forgets_the_record_that_is_being_read(void **)
{
    recover(1, (const char *const[]){ STARTED("call_1") });
    drain(); /* the helper comes home to a replay that has stopped */
    assert_int_equal(recovered_retired, 0);
    assert_int_equal(door.deliveries.used, 0);
    assert_int_equal(shard.holds, 0);
}

static void a_drain_leaves_what_is_not_told_in_the_journal(void **)
{
    database_is_up = false;
    static const char *const all[] = { STARTED("call_1"), STARTED("call_2"), STARTED("call_3"), STARTED("call_4"), STARTED("call_5"), STARTED("call_6"), nonsense };
    recover(7, all);
    play_for(played_second_us);
    drain();
    assert_int_equal(recovered_retired, 0);
    assert_int_equal(shard.holds, 0);
    assert_int_equal(door.deliveries.used, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(nothing_is_acknowledged_before_it_is_durable),
        TEST(the_answer_does_not_wait_for_postgresql_and_the_journal_does),
        TEST(a_repetition_is_answered_from_memory),
        TEST(a_copy_is_not_acknowledged_for_a_first_one_that_is_not_durable),
        TEST(another_event_or_workspace_is_no_repetition),
        TEST(a_full_journal_is_503_and_leaves_nothing_behind),
        TEST(no_room_for_another_call_is_503),
        TEST(what_is_not_understood_is_acknowledged_kept_and_retired),
        TEST(two_workspaces_that_send_the_same_nonsense_do_not_meet),
        TEST(what_the_quarantine_may_not_keep_stays_in_the_journal),
        TEST(a_drain_keeps_the_one_that_is_being_kept_and_leaves_the_rest),
        TEST(what_had_no_tenant_may_find_one_when_it_is_sent_again),
        TEST(what_becomes_durable_while_draining_is_left_to_the_journal),
        TEST(a_drain_without_a_database_lets_go_of_the_quarantine),
        TEST(a_drain_whose_database_goes_away_lets_go_of_what_it_was_asked),
        TEST(a_webhook_that_comes_while_draining_comes_again_elsewhere),
        TEST(where_there_are_no_tenants_yet_it_is_503),
        TEST(every_record_of_an_earlier_life_is_told_and_retired_without_an_answer),
        TEST(records_that_find_no_room_are_told_later),
        TEST(a_record_that_finds_no_memory_is_told_when_there_is_some),
        TEST(more_records_than_may_be_under_way_are_told_as_others_are_settled),
        TEST(a_drain_forgets_the_record_that_is_being_read),
        TEST(a_drain_leaves_what_is_not_told_in_the_journal),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
