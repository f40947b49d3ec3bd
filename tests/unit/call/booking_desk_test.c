/* What the desk of bookings promises about many of them: one writer per calendar, no intent forgotten whoever was not told of it, and an end at any time.
 * Desk and flow are real; PostgreSQL and Cal.com, who books whatever he is asked, are played here. */
#include "tests/unit/call/played.h"

#include "call/booking.h"

constexpr int64_t company_id = 3, day_us = INT64_C(86'400'000'000), minute_us = 60'000'000;
enum { INTENTS = 12, FLOWS = 4 };

/* -- PostgreSQL -- */

static struct intent { char state[16]; const char *calendar; } intents[INTENTS]; /* by id; state "": there is none */
static uint32_t sweeps, loads;
static bool sweep_is_refused;

static int64_t starts_at_us(int64_t id) { return wall_start_us + day_us + id * 60 * minute_us; }

static void load(struct played_row *a, int64_t id)
{
    char text[32];
    loads += 1;
    give_text(a, intents[id].state);
    for (int n = 0; n < 3; n++) give_integer(a, 1); /* branch, call, customer */
    give_text(a, "key");
    snprintf(text, sizeof text, "rm-%d", (int)id);
    give_text(a, text);
    give_integer(a, 14);
    give_null(a);
    give_text(a, intents[id].calendar);
    give_integer(a, 987);
    give_integer(a, starts_at_us(id));
    give_integer(a, starts_at_us(id) + 30 * minute_us);
    give_text(a, "{\"name\":\"Zoe\",\"email\":\"zoe@example.com\",\"time_zone\":\"Europe/Berlin\"}");
    give_text(a, text); /* the payload: enough for our Cal.com to know which one it is */
    give_integer(a, 0);
    give_integer(a, wall_start_us);
    give_null(a);
    give_integer(a, starts_at_us(id));
    give_integer(a, starts_at_us(id) + 30 * minute_us);
    give_null(a);
}

/* The oldest that nobody works at. As many as are asked for would come; one at a time is the hardest for the desk. */
static enum db_outcome due(struct played_row *a)
{
    sweeps += 1;
    if (sweep_is_refused) return DB_REJECTED;
    for (int64_t id = 1; id < INTENTS; id++) {
        if (strcmp(intents[id].state, "written") != 0) continue;
        give_integer(a, company_id);
        give_integer(a, id);
        give_integer(a, 987);
        give_text(a, intents[id].state);
        return DB_OK;
    }
    return DB_OK;
}

static enum db_outcome play_statement(struct db_unit *u, struct played_row *a)
{
    enum db_statement s = statement_of(u);
    if (s == DB_DUE_INTENTS) return due(a);
    int64_t id = integer_of(u, 1);
    assert_true(integer_of(u, 0) == company_id && id < INTENTS);
    if (s == DB_LOAD_INTENT) {
        load(a, id);
    } else if (s == DB_SEND_INTENT) {
        strcpy(intents[id].state, "sending");
        give_integer(a, 1);
    } else if (s != DB_DELAY_INTENT) { /* that one leaves the row as it is */
        assert_int_equal(s, DB_BOOK_INTENT);
        strcpy(intents[id].state, "booked");
        give_integer(a, 1);
    }
    return DB_OK;
}

/* -- Cal.com -- */

struct calcom_account { int unused; };
static struct calcom_account account;
static struct breaker breaker = { .state = BREAKER_CLOSED };
static struct budget budget;
static uint32_t creates, creates_now, creates_now_most;

static void begin(struct calcom_op *op, calcom_done *done, uint64_t us, timer_fired *fired)
{
    op->running = true;
    op->done = done;
    op->booking_count = op->slot_count = 0;
    op->message = "";
    timer_start(&shard.timers, &op->timer, shard.now_us + us, fired);
}

static void finish(struct calcom_op *op)
{
    op->outcome = CALCOM_OK;
    op->running = false;
    op->done(op);
}

static void slots_listed(struct timer *t)
{
    struct calcom_op *op = container_of(t, struct calcom_op, timer);
    op->slots_us[op->slot_count++] = op->from_us;
    finish(op);
}

void calcom_list_slots(struct calcom_account *, struct calcom_op *op, int64_t, int64_t from_us, int64_t, struct slice, calcom_done *done)
{
    op->from_us = from_us;
    begin(op, done, 50'000, slots_listed);
}

static void created(struct timer *t)
{
    struct calcom_op *op = container_of(t, struct calcom_op, timer);
    creates_now -= 1;
    op->booking_count = 1;
    finish(op);
}

void calcom_create_booking(struct calcom_account *, struct calcom_op *op, struct slice payload, calcom_done *done)
{
    creates += 1;
    if (++creates_now > creates_now_most) creates_now_most = creates_now;
    begin(op, done, played_second_us, created);
    struct calcom_booking *b = &op->bookings[0];
    *b = (struct calcom_booking){ .id = creates, .event_type_id = 987, .status = CALCOM_ACCEPTED, .has_metadata = true, .attendee_email = "zoe@example.com", .created_at_us = shard.wall_us };
    snprintf(b->reference, sizeof b->reference, SLICE_FORMAT, slice_print(payload));
    snprintf(b->uid, sizeof b->uid, "uid-%u", creates);
    b->starts_at_us = starts_at_us(strtol(b->reference + strlen("rm-"), nullptr, 10));
    b->ends_at_us = b->starts_at_us + 30 * minute_us;
}

void calcom_find_booking(struct calcom_account *, struct calcom_op *, const struct calcom_find *, calcom_done *) { fail_msg("nothing is unknown here"); }
void calcom_cancel_booking(struct calcom_account *, struct calcom_op *, struct slice, struct slice, calcom_done *) { fail_msg("nothing is double here"); }
/* Its connections hold the shard as long as it is open. */
struct calcom_account *calcom_account_open(struct shard *s, const struct credential *, const struct calcom_config *)
{
    shard_hold(s);
    return &account;
}
void calcom_account_close(struct calcom_account *) { shard_release(&shard); }
bool calcom_account_renew(struct calcom_account *, const struct credential *) { return true; }
const struct breaker *calcom_account_breaker(const struct calcom_account *) { return &breaker; }
struct budget *calcom_account_budget(struct calcom_account *) { return &budget; }

/* -- a life -- */

static const struct credential credential = { .company_id = company_id, .key = { 1, 2 } };
static struct company companies[] = { { .id = company_id, .credential = &credential } };
static const struct tenant_snapshot tenants = { .companies = companies, .company_count = 1 };
static const struct tenant_directory directory = { .current = &tenants };
static struct booking_desk *desk;

static void open_desk(uint32_t claims_max)
{
    desk = booking_desk_open(&(struct booking_desk_config){ .shard = &shard, .directory = &directory, .retry_ms = 1'000, .lookup_percent = 100, .attempts_max = 3, .pending_ms = 300'000,
                                                            .bookings_max = FLOWS, .claims_max = claims_max, .accounts_max = 2, .calcom.budget.requests_per_window = 100 });
}

static int set_up(void **)
{
    play_shard();
    play_database();
    memset(intents, 0, sizeof intents);
    sweeps = loads = creates = creates_now = creates_now_most = 0;
    sweep_is_refused = false;
    budget_init(&budget, budget_config_default());
    breaker.state = BREAKER_CLOSED;
    open_desk(8);
    return 0;
}

static void play_for(uint64_t us)
{
    for (uint64_t until_us = shard.now_us + us; shard.now_us < until_us;) {
        while (is_busy()) play_turn();
        uint64_t next_us = timer_wheel_next(&shard.timers);
        if (next_us <= shard.now_us) next_us = shard.now_us + 1'024;
        move_clock(next_us < until_us ? next_us : until_us);
    }
    while (is_busy()) play_turn();
}

static void drain(void)
{
    shard.stopping = true;
    booking_desk_drain(desk);
    play_for(10 * played_second_us);
    assert_int_equal(booking_desk_running(desk), 0);
    assert_int_equal(shard.holds, 0);
}

static int tear_down(void **)
{
    if (!shard.stopping) drain();
    booking_desk_close(desk);
    return 0;
}

static void write_intent(int64_t id, const char *calendar)
{
    strcpy(intents[id].state, "written");
    intents[id].calendar = calendar;
}

static uint32_t booked(void)
{
    uint32_t count = 0;
    for (uint32_t id = 1; id < INTENTS; id++) count += strcmp(intents[id].state, "booked") == 0;
    return count;
}

static const struct booking_desk_counters *counters(void) { return booking_desk_counters(desk); }

/* -- promises -- */

static void flows_of_one_calendar_write_one_after_the_other(void **)
{
    for (int64_t id = 1; id <= 3; id++) {
        write_intent(id, "user:1");
        booking_hand_over(desk, company_id, id);
    }
    play_for(played_second_us / 2);
    assert_int_equal(gauge_read(&counters()->waiting_for_calendar), 2);
    play_for(10 * played_second_us);
    assert_int_equal(booked(), 3);
    assert_int_equal(creates_now_most, 1);
    assert_int_equal(gauge_read(&counters()->waiting_for_calendar), 0);
}

static void flows_of_other_calendars_do_not_wait(void **)
{
    static const char *const calendars[] = { "user:1", "user:2", "user:3" };
    for (int64_t id = 1; id <= 3; id++) {
        write_intent(id, calendars[id - 1]);
        booking_hand_over(desk, company_id, id);
    }
    play_for(10 * played_second_us);
    assert_int_equal(booked(), 3);
    assert_int_equal(creates_now_most, 3);
}

static void a_drain_lets_go_of_those_who_wait_for_a_calendar(void **)
{
    for (int64_t id = 1; id <= 3; id++) {
        write_intent(id, "user:1");
        booking_hand_over(desk, company_id, id);
    }
    play_for(played_second_us / 2);
    assert_int_equal(creates_now, 1);
    drain();
    assert_string_equal(intents[1].state, "booked"); /* it was under way */
    assert_string_equal(intents[2].state, "written");
    assert_string_equal(intents[3].state, "written");
    assert_int_equal(creates, 1);
    assert_int_equal(gauge_read(&counters()->waiting_for_calendar), 0);
}

static void a_booking_that_was_loading_its_row_holds_up_no_drain(void **)
{
    write_intent(1, "user:1");
    booking_hand_over(desk, company_id, 1);
    drain(); /* asserts that nothing holds the shard: its account goes with it */
    assert_int_equal(gauge_read(&counters()->accounts), 0);
}

/* Nothing is asked of Cal.com for a slot that is not claimed. */
static void a_flow_that_finds_no_room_for_its_claim_is_put_off(void **)
{
    drain();
    booking_desk_close(desk);
    shard.stopping = false;
    open_desk(1);
    write_intent(1, "user:1");
    write_intent(2, "user:2");
    booking_hand_over(desk, company_id, 1);
    booking_hand_over(desk, company_id, 2);
    play_for(10 * played_second_us);
    assert_int_equal(booked(), 1);
    assert_int_equal(creates, 1);
    assert_int_equal(counter_read(&counters()->delayed), 1);
    booking_hand_over(desk, company_id, 2);
    play_for(10 * played_second_us);
    assert_int_equal(booked(), 2);
}

/* -- who was not told -- */

static void the_sweep_finds_what_nobody_was_told_of(void **)
{
    booking_sweep_start(desk);
    play_for(3 * played_second_us);
    assert_true(sweeps >= 3); /* it goes on when there is nothing */
    for (int64_t id = 1; id < INTENTS; id++) write_intent(id, "user:1");
    play_for(60 * played_second_us);
    assert_int_equal(booked(), INTENTS - 1);
    assert_int_equal(creates, INTENTS - 1);
}

static void a_sweep_that_fails_comes_again(void **)
{
    sweep_is_refused = true;
    booking_sweep_start(desk);
    write_intent(1, "user:1");
    play_for(5 * played_second_us);
    assert_int_equal(booked(), 0);
    assert_true(sweeps >= 4);
    sweep_is_refused = false;
    play_for(5 * played_second_us);
    assert_int_equal(booked(), 1);
}

static void a_sweep_ends_with_the_drain_even_without_a_database(void **)
{
    database_is_up = false;
    booking_sweep_start(desk);
    play_turn();
    drain();
    uint32_t asked_until_now = sweeps;
    database_is_up = true;
    play_for(10 * played_second_us);
    assert_int_equal(sweeps, asked_until_now);
}

static void more_than_there_are_flows_for_wait_in_postgresql(void **)
{
    static const char *const calendars[] = { "", "a", "b", "c", "d", "e", "f" };
    for (int64_t id = 1; id <= 6; id++) {
        write_intent(id, calendars[id]);
        booking_hand_over(desk, company_id, id);
    }
    assert_int_equal(booking_desk_running(desk), FLOWS);
    play_for(10 * played_second_us);
    assert_int_equal(booked(), FLOWS);
    booking_sweep_start(desk);
    play_for(10 * played_second_us);
    assert_int_equal(booked(), 6);
}

/* From the shard of a call to that of a credential. */
static void a_notice_starts_the_flow_where_the_credential_lives(void **)
{
    write_intent(1, "user:1");
    played_home = 1;
    booking_hand_over(desk, company_id, 1);
    assert_int_equal(booking_desk_running(desk), 0);
    played_home = 0; /* and here it arrives */
    play_for(10 * played_second_us);
    assert_int_equal(booked(), 1);
    assert_int_equal(counter_read(&counters()->notices_dropped), 0);
}

static void notices_beyond_the_bound_are_counted_and_their_intents_found_by_the_sweep(void **)
{
    write_intent(1, "user:1");
    write_intent(2, "user:1");
    played_home = 1;
    for (uint32_t n = 0; n < booking_notices_max; n++) booking_hand_over(desk, company_id, 1);
    assert_int_equal(counter_read(&counters()->notices_dropped), 0);
    booking_hand_over(desk, company_id, 2);
    assert_int_equal(counter_read(&counters()->notices_dropped), 1);
    played_home = 0;
    play_for(10 * played_second_us);
    assert_int_equal(booked(), 1);
    booking_sweep_start(desk);
    play_for(10 * played_second_us);
    assert_int_equal(booked(), 2);
    assert_int_equal(creates, 2);
}

/* The account lives on another shard by now: whoever works on it here would have a budget of his own. */
static void a_flow_whose_credential_has_moved_away_asks_nothing_of_cal_com(void **)
{
    write_intent(1, "user:1");
    booking_hand_over(desk, company_id, 1);
    played_home = 1;
    play_for(10 * played_second_us);
    assert_string_equal(intents[1].state, "written");
    assert_int_equal(loads, 1);
    assert_int_equal(creates, 0);
    assert_int_equal(gauge_read(&counters()->accounts), 0);
    assert_int_equal(counter_read(&counters()->delayed), 1);
}

/* -- what is shown -- */

static void gauges_show_open_breakers_and_the_least_budget(void **)
{
    write_intent(1, "user:1");
    booking_hand_over(desk, company_id, 1);
    play_for(3 * played_second_us);
    assert_int_equal(gauge_read(&counters()->breakers_open), 0);
    assert_int_equal(gauge_read(&counters()->budget_left_least), 100);
    breaker.state = BREAKER_OPEN;
    budget_init(&budget, (struct budget_config){ .requests_per_window = 7, .window_ms = 60'000, .reserve_percent = { 0 } });
    play_for(2 * played_second_us);
    assert_int_equal(gauge_read(&counters()->breakers_open), 1);
    assert_int_equal(gauge_read(&counters()->budget_left_least), 7);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(flows_of_one_calendar_write_one_after_the_other),
        TEST(flows_of_other_calendars_do_not_wait),
        TEST(a_drain_lets_go_of_those_who_wait_for_a_calendar),
        TEST(a_booking_that_was_loading_its_row_holds_up_no_drain),
        TEST(a_flow_that_finds_no_room_for_its_claim_is_put_off),
        TEST(the_sweep_finds_what_nobody_was_told_of),
        TEST(a_sweep_that_fails_comes_again),
        TEST(a_sweep_ends_with_the_drain_even_without_a_database),
        TEST(more_than_there_are_flows_for_wait_in_postgresql),
        TEST(a_notice_starts_the_flow_where_the_credential_lives),
        TEST(notices_beyond_the_bound_are_counted_and_their_intents_found_by_the_sweep),
        TEST(a_flow_whose_credential_has_moved_away_asks_nothing_of_cal_com),
        TEST(gauges_show_open_breakers_and_the_least_budget),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
