/* What a booking promises, whatever Cal.com and PostgreSQL answer: one intent, one booking; an outcome that is not known is looked up before anything else; and
 * what cannot be finished ends with people. The flow and its desk are real; Cal.com is played here, with a memory of what was booked. */
#include "tests/unit/call/played.h"

#include "call/booking.h"

/* -- the intent's row -- */

constexpr int64_t company_id = 3, intent_id = 7, event_type_id = 987, day_us = INT64_C(86'400'000'000), minute_us = 60'000'000;
static const char *const payload = "{\"exact\":\"bytes\"}";

static struct row {
    char    state[16], reason[64], last_error[64], uid[CALCOM_UID_BYTES_MAX + 1], status[16];
    int64_t attempts, created_at_us, starts_at_us, last_sent_at_us, next_attempt_at_us;
    bool    callback, reconcile, uid_is_anothers, may_not_be_sent, may_not_be_parked, may_not_be_refused;
} row;

static bool is_unfinished(void) { return strcmp(row.state, "written") == 0 || strcmp(row.state, "sending") == 0 || strcmp(row.state, "unknown") == 0; }

static void load(struct played_row *a)
{
    give_text(a, row.state);
    give_integer(a, 11); /* branch, call, customer */
    give_integer(a, 12);
    give_integer(a, 13);
    give_text(a, "after_call:call_1");
    give_text(a, "rm-ours");
    give_integer(a, 14);
    give_null(a);
    give_text(a, "user:5");
    give_integer(a, event_type_id);
    give_integer(a, row.starts_at_us);
    give_integer(a, row.starts_at_us + 30 * minute_us);
    give_text(a, "{\"name\":\"Zoe\",\"email\":\"zoe@example.com\",\"time_zone\":\"Europe/Berlin\"}");
    give_text(a, payload);
    give_integer(a, row.attempts);
    give_integer(a, row.created_at_us);
    give_null(a);
    give_integer(a, row.starts_at_us);
    give_integer(a, row.starts_at_us + 30 * minute_us);
    if (row.reason[0]) give_text(a, row.reason); else give_null(a);
}

static void record_send(const struct db_unit *u, struct played_row *a)
{
    int64_t now_us = integer_of(u, 2);
    bool again = strcmp(row.state, "sending") == 0 && row.last_sent_at_us == now_us;
    if (!is_unfinished() || (row.attempts != integer_of(u, 3) && !again)) return;
    row.attempts += again ? 0 : 1;
    row.last_sent_at_us = now_us;
    strcpy(row.state, "sending");
    give_integer(a, row.attempts);
}

static void delay(const struct db_unit *u)
{
    bool pending = strcmp(row.state, "pending") == 0;
    if (!is_unfinished() && !pending) return;
    if (!pending) text_of(u, 2, row.state, sizeof row.state);
    row.next_attempt_at_us = integer_of(u, 4);
    text_of(u, 5, row.last_error, sizeof row.last_error);
}

static enum db_outcome book(struct db_unit *u, struct played_row *a)
{
    if (row.uid_is_anothers) {
        strcpy(u->constraint, "appointments_calcom_uid");
        return DB_CONFLICT;
    }
    text_of(u, 2, row.uid, sizeof row.uid);
    text_of(u, 4, row.status, sizeof row.status);
    strcpy(row.state, strcmp(row.status, "accepted") == 0 ? "booked" : "pending");
    row.next_attempt_at_us = 0;
    row.reason[0] = 0;
    give_integer(a, 1);
    return DB_OK;
}

static void refuse(const struct db_unit *u, struct played_row *a)
{
    give_integer(a, strcmp(row.state, "booked") != 0 && integer_of(u, 5) == row.attempts);
    if (strcmp(row.state, "booked") == 0 || strcmp(row.state, "refused") == 0 || integer_of(u, 5) != row.attempts) return;
    strcpy(row.state, "refused");
    text_of(u, 2, row.reason, sizeof row.reason);
    row.callback = true;
}

static void park(const struct db_unit *u)
{
    if (!is_unfinished() && strcmp(row.state, "pending") != 0) return;
    strcpy(row.state, "unknown");
    text_of(u, 2, row.reason, sizeof row.reason);
    row.next_attempt_at_us = integer_of(u, 3);
    row.reconcile = true;
}

static enum db_outcome play_statement(struct db_unit *u, struct played_row *a)
{
    enum db_statement s = statement_of(u);
    assert_true(u->tenant.company_id == company_id && integer_of(u, 0) == company_id && integer_of(u, 1) == intent_id);
    if (s == DB_LOAD_INTENT) load(a);
    else if (s == DB_SEND_INTENT && row.may_not_be_sent) return DB_REJECTED;
    else if (s == DB_SEND_INTENT) record_send(u, a);
    else if (s == DB_DELAY_INTENT) delay(u);
    else if (s == DB_BOOK_INTENT) return book(u, a);
    else if (s == DB_REFUSE_INTENT && row.may_not_be_refused) return DB_REJECTED;
    else if (s == DB_REFUSE_INTENT) refuse(u, a);
    else if (s == DB_PARK_INTENT && row.may_not_be_parked) return DB_REJECTED;
    else if (s == DB_PARK_INTENT) park(u);
    else fail_msg("statement %d", s);
    return DB_OK;
}

/* -- Cal.com -- */

enum create_act {
    CREATE_MADE, CREATE_MADE_PENDING,
    CREATE_MADE_UNSAID,      /* booked, and the answer was lost */
    CREATE_MADE_UNSAID_LATE, /* the same, seen only when most look-ups are through */
    CREATE_UNSAID,           /* no answer, and nothing was booked */
    CREATE_SERVER_ERROR, CREATE_BUSY, CREATE_CONFLICT, CREATE_REFUSED,
    CREATE_FOREIGN, CREATE_MADE_DIFFERENT, CREATE_MADE_DEAD,
    CREATE_NOT_SENT, CREATE_THROTTLED, CREATE_UNAUTHORIZED, CREATE_NOT_FOUND,
    CREATE_ACTS,
};
enum answer_act { ANSWER_TRUE, ANSWER_LOST, ANSWER_NOT_SENT, ANSWER_THROTTLED, ANSWER_UNAUTHORIZED, ANSWER_NO, ANSWER_NOT_FOUND, ANSWER_REFUSED, ANSWER_ACTS };

struct calcom_account { int unused; };
static struct calcom_account account;
static struct breaker breaker = { .state = BREAKER_CLOSED };
static struct budget budget;

enum { BOOKINGS = 64, SCRIPT = 64, OPS = 8 };
static struct made { struct calcom_booking booking; uint64_t seen_from_us; } made[BOOKINGS];
static uint32_t made_count;
static struct calcom_op *under_way[OPS];
static struct { enum create_act creates[SCRIPT]; enum answer_act finds[SCRIPT], slots[SCRIPT], cancels[SCRIPT]; uint32_t create, find, slot, cancel; enum calcom_refusal refusal; } script;
static char trace[512];          /* one letter a question: s(lots) c(reate) f(ind) x (cancel) */
static bool may_be_there;        /* a create may have been carried out, and nobody has looked since */
static bool host_takes_two;      /* round robin: a second create makes a second booking */
static uint64_t seed;            /* 0: by the script */

static uint64_t chance(uint64_t below)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (seed >> 33) % below;
}

static void note(char question)
{
    size_t length = strlen(trace);
    if (length + 1 < sizeof trace) trace[length] = question;
}

static uint32_t live_count(void)
{
    uint32_t live = 0;
    for (uint32_t n = 0; n < made_count; n++) live += made[n].booking.status == CALCOM_ACCEPTED || made[n].booking.status == CALCOM_PENDING;
    return live;
}

static struct calcom_booking *make(enum calcom_booking_status status, const char *reference, uint64_t seen_in_us)
{
    assert_true(made_count < BOOKINGS);
    struct made *m = &made[made_count++];
    *m = (struct made){ .seen_from_us = shard.now_us + seen_in_us };
    m->booking = (struct calcom_booking){ .id = made_count, .event_type_id = event_type_id, .starts_at_us = row.starts_at_us, .ends_at_us = row.starts_at_us + 30 * minute_us,
                                          .created_at_us = shard.wall_us, .status = status, .has_metadata = true, .attendee_email = "zoe@example.com" };
    snprintf(m->booking.uid, sizeof m->booking.uid, "uid-%u", made_count);
    snprintf(m->booking.reference, sizeof m->booking.reference, "%s", reference);
    return &m->booking;
}

static void answer_in(struct calcom_op *op, uint64_t us, timer_fired *fired)
{
    for (uint32_t n = 0; n < OPS; n++)
        if (!under_way[n]) {
            under_way[n] = op;
            timer_start(&shard.timers, &op->timer, shard.now_us + us, fired);
            return;
        }
    fail_msg("too many questions at once");
}

static void begin(struct calcom_op *op, char question, calcom_done *done)
{
    assert_false(op->running);
    note(question);
    op->running = true;
    op->done = done;
    op->booking_count = op->slot_count = 0;
    op->status = 0;
    op->retry_at_us = 0;
    op->refusal = CALCOM_REFUSAL_NONE;
    op->message = "";
}

static void finish(struct calcom_op *op, enum calcom_outcome outcome)
{
    for (uint32_t n = 0; n < OPS; n++)
        if (under_way[n] == op) under_way[n] = nullptr;
    op->outcome = outcome;
    op->running = false;
    op->done(op);
}

static void finish_refused(struct calcom_op *op, enum calcom_outcome outcome, uint16_t status, enum calcom_refusal refusal)
{
    op->status = status;
    op->refusal = refusal;
    finish(op, outcome);
}

static void finish_without(struct calcom_op *op, enum calcom_outcome outcome)
{
    if (outcome == CALCOM_THROTTLED) op->retry_at_us = shard.now_us + 60 * played_second_us;
    finish(op, outcome);
}

static void create_answered(struct timer *t)
{
    struct calcom_op *op = container_of(t, struct calcom_op, timer);
    switch ((enum create_act)op->skip) {
    case CREATE_MADE:
    case CREATE_MADE_PENDING:
    case CREATE_MADE_DIFFERENT:
    case CREATE_MADE_DEAD:
        op->bookings[0] = made[made_count - 1].booking;
        op->booking_count = 1;
        may_be_there = false; /* it is told what is there */
        return finish(op, CALCOM_OK);
    case CREATE_FOREIGN:
        op->bookings[0] = (struct calcom_booking){ .uid = "another", .starts_at_us = row.starts_at_us, .ends_at_us = row.starts_at_us + 30 * minute_us,
                                                       .has_metadata = true, .reference = "rm-another" };
        op->booking_count = 1;
        return finish(op, CALCOM_OK);
    case CREATE_MADE_UNSAID:
    case CREATE_MADE_UNSAID_LATE:
    case CREATE_UNSAID:       return finish(op, CALCOM_UNKNOWN);
    case CREATE_SERVER_ERROR: return finish_refused(op, CALCOM_UNKNOWN, 500, CALCOM_REFUSAL_NONE);
    case CREATE_BUSY:         return finish_refused(op, CALCOM_UNKNOWN, 400, CALCOM_REFUSAL_BUSY);
    case CREATE_CONFLICT:     return finish_refused(op, CALCOM_UNKNOWN, 409, CALCOM_REFUSAL_BUSY);
    case CREATE_REFUSED:      return finish_refused(op, CALCOM_REFUSED, 400, script.refusal);
    case CREATE_NOT_SENT:     return finish_without(op, CALCOM_NOT_SENT);
    case CREATE_THROTTLED:    return finish_without(op, CALCOM_THROTTLED);
    case CREATE_UNAUTHORIZED: return finish_without(op, CALCOM_UNAUTHORIZED);
    case CREATE_NOT_FOUND:    return finish_refused(op, CALCOM_NOT_FOUND, 404, CALCOM_REFUSAL_NONE);
    case CREATE_ACTS:         break;
    }
    fail();
}

static bool makes_one(enum create_act act) { return act <= CREATE_MADE_UNSAID_LATE || act == CREATE_MADE_DIFFERENT || act == CREATE_MADE_DEAD; }
static bool leaves_nothing(enum create_act act) { return act == CREATE_NOT_SENT || act == CREATE_THROTTLED || act == CREATE_UNAUTHORIZED || act == CREATE_NOT_FOUND; }

static enum create_act next_create(void)
{
    enum create_act act = seed ? (chance(2) ? CREATE_MADE : (enum create_act)chance(CREATE_ACTS)) : script.creates[script.create++ % SCRIPT];
    bool taken = live_count() > 0 && !host_takes_two;
    return taken && makes_one(act) ? CREATE_BUSY : act;
}

static void carry_out(enum create_act act)
{
    uint64_t lag_us = seed ? chance(45) * played_second_us : 0;
    struct calcom_booking *b = nullptr;
    if (act == CREATE_MADE || act == CREATE_MADE_UNSAID) b = make(CALCOM_ACCEPTED, "rm-ours", act == CREATE_MADE ? 0 : lag_us);
    if (act == CREATE_MADE_UNSAID_LATE) b = make(CALCOM_ACCEPTED, "rm-ours", 50 * played_second_us);
    if (act == CREATE_MADE_PENDING) b = make(CALCOM_PENDING, "rm-ours", 0);
    if (act == CREATE_MADE_DEAD) b = make(CALCOM_CANCELLED, "rm-ours", 0);
    if (act == CREATE_MADE_DIFFERENT) b = make(CALCOM_ACCEPTED, "rm-ours", 0), b->ends_at_us += 30 * minute_us;
}

void calcom_create_booking(struct calcom_account *, struct calcom_op *op, struct slice bytes, calcom_done *done)
{
    begin(op, 'c', done);
    assert_true(slice_equal(bytes, slice_from_text(payload)));
    assert_string_equal(row.state, "sending"); /* durable before the first byte */
    assert_false(may_be_there);                /* or it was looked for since */
    enum create_act act = next_create();
    op->skip = act;
    may_be_there = !leaves_nothing(act);
    carry_out(act);
    answer_in(op, seed ? 1 + chance(45 * played_second_us) : 100'000, create_answered);
}

static enum calcom_outcome outcome_of(enum answer_act act)
{
    switch (act) {
    case ANSWER_TRUE:
    case ANSWER_NO:           return CALCOM_OK;
    case ANSWER_LOST:         return CALCOM_UNKNOWN;
    case ANSWER_NOT_SENT:     return CALCOM_NOT_SENT;
    case ANSWER_THROTTLED:    return CALCOM_THROTTLED;
    case ANSWER_UNAUTHORIZED: return CALCOM_UNAUTHORIZED;
    case ANSWER_NOT_FOUND:    return CALCOM_NOT_FOUND;
    case ANSWER_REFUSED:      return CALCOM_REFUSED;
    case ANSWER_ACTS:         break;
    }
    fail();
    return CALCOM_OK;
}

static enum answer_act next_answer(const enum answer_act *acts, uint32_t *at)
{
    if (!seed) return acts[(*at)++ % SCRIPT];
    return chance(5) ? ANSWER_TRUE : (enum answer_act)chance(ANSWER_NO);
}

static void found(struct timer *t)
{
    struct calcom_op *op = container_of(t, struct calcom_op, timer);
    enum calcom_outcome outcome = outcome_of((enum answer_act)op->skip);
    for (uint32_t n = 0; n < made_count && outcome == CALCOM_OK; n++)
        if (made[n].seen_from_us <= shard.now_us) op->bookings[op->booking_count++] = made[n].booking;
    if (outcome == CALCOM_OK) may_be_there = false;
    finish_without(op, outcome);
}

void calcom_find_booking(struct calcom_account *, struct calcom_op *op, const struct calcom_find *f, calcom_done *done)
{
    begin(op, 'f', done);
    assert_true(slice_equal(f->reference, slice_of("rm-ours")));
    op->skip = next_answer(script.finds, &script.find);
    answer_in(op, 50'000, found);
}

static void slots_listed(struct timer *t)
{
    struct calcom_op *op = container_of(t, struct calcom_op, timer);
    if ((enum answer_act)op->skip == ANSWER_TRUE) op->slots_us[op->slot_count++] = op->from_us;
    op->refusal = script.refusal;
    finish_without(op, outcome_of((enum answer_act)op->skip));
}

void calcom_list_slots(struct calcom_account *, struct calcom_op *op, int64_t type, int64_t from_us, int64_t until_us, struct slice zone, calcom_done *done)
{
    begin(op, 's', done);
    assert_true(type == event_type_id && from_us < until_us && slice_equal(zone, slice_of("Europe/Berlin")));
    op->from_us = from_us;
    op->skip = next_answer(script.slots, &script.slot);
    answer_in(op, 50'000, slots_listed);
}

static void cancelled(struct timer *t)
{
    struct calcom_op *op = container_of(t, struct calcom_op, timer);
    enum answer_act act = (enum answer_act)op->skip;
    if (act == ANSWER_NO) finish_refused(op, CALCOM_REFUSED, 400, CALCOM_REFUSAL_EVENT_TYPE);
    else finish_without(op, outcome_of(act));
}

void calcom_cancel_booking(struct calcom_account *, struct calcom_op *op, struct slice uid, struct slice reason, calcom_done *done)
{
    begin(op, 'x', done);
    assert_true(reason.length > 0);
    op->skip = next_answer(script.cancels, &script.cancel);
    for (uint32_t n = 0; n < made_count && op->skip == ANSWER_TRUE; n++)
        if (slice_equal(slice_from_text(made[n].booking.uid), uid)) made[n].booking.status = CALCOM_CANCELLED;
    answer_in(op, 50'000, cancelled);
}

static uint32_t accounts_open, accounts_renewed;
static bool no_account_opens; /* its base URL is none, or there is no memory for it */
struct calcom_account *calcom_account_open(struct shard *, const struct credential *, const struct calcom_config *)
{
    accounts_open += !no_account_opens;
    return no_account_opens ? nullptr : &account;
}
void calcom_account_close(struct calcom_account *) { accounts_open -= 1; }
bool calcom_account_renew(struct calcom_account *, const struct credential *) { return accounts_renewed += 1; }
const struct breaker *calcom_account_breaker(const struct calcom_account *) { return &breaker; }
struct budget *calcom_account_budget(struct calcom_account *) { return &budget; }
void calcom_account_reset_breaker(struct calcom_account *) {}

/* -- a life -- */

static const struct credential credential = { .company_id = company_id, .key = { 1, 2 } };
static struct company companies[] = { { .id = company_id, .credential = &credential } };
static const struct tenant_snapshot tenants = { .companies = companies, .company_count = 1 };
static const struct tenant_directory directory = { .current = &tenants };
static struct booking_desk *desk;

static void open_desk(void)
{
    shard.stopping = false;
    database_is_up = true;
    desk = booking_desk_open(&(struct booking_desk_config){ .shard = &shard, .directory = &directory, .retry_ms = 1'000, .lookup_percent = 100, .attempts_max = 3, .pending_ms = 300'000,
                                                            .bookings_max = 4, .claims_max = 8, .accounts_max = 2, .calcom.budget.requests_per_window = 100 });
}

static void run_flows(void)
{
    for (uint64_t began_at_us = shard.now_us; booking_desk_running(desk) > 0; ) {
        while (is_busy()) play_turn();
        if (booking_desk_running(desk) == 0) return;
        if (shard.now_us - began_at_us > 3'600 * played_second_us) fail_msg("stuck after %s", trace);
        uint64_t next_us = timer_wheel_next(&shard.timers);
        move_clock(next_us > shard.now_us ? next_us : shard.now_us + 1'024);
    }
}

static void drain(void)
{
    shard.stopping = true;
    booking_desk_drain(desk);
    run_flows();
}

static void end_life(void)
{
    drain();
    assert_int_equal(shard.holds, 0);
    booking_desk_close(desk);
    assert_int_equal(accounts_open, 0);
    desk = nullptr;
}

static void attempt(void)
{
    booking_hand_over(desk, company_id, intent_id);
    run_flows();
    assert_int_equal(shard.holds, 0);
}

static void play_until(char question)
{
    while (!strchr(trace, question)) {
        while (is_busy()) play_turn();
        move_clock(shard.now_us + 1'024);
    }
}

/* As the sweep does it: when its time has come. */
static void attempt_when_due(void)
{
    int64_t wait_us = row.next_attempt_at_us - shard.wall_us;
    if (wait_us > 0) move_clock(shard.now_us + (uint64_t)wait_us);
    attempt();
}

static int set_up(void **)
{
    play_shard();
    play_database();
    memset(under_way, 0, sizeof under_way);
    memset(&script, 0, sizeof script);
    memset(trace, 0, sizeof trace);
    made_count = 0;
    seed = 0;
    may_be_there = host_takes_two = no_account_opens = false;
    companies[0].credential = &credential;
    budget_init(&budget, budget_config_default());
    row = (struct row){ .state = "written", .created_at_us = wall_start_us, .starts_at_us = wall_start_us + day_us, .next_attempt_at_us = wall_start_us };
    open_desk();
    return 0;
}

static int tear_down(void **)
{
    if (desk) end_life();
    return 0;
}

static void expect(const char *state, const char *reason, const char *questions)
{
    assert_string_equal(row.state, state);
    assert_string_equal(row.reason, reason);
    assert_string_equal(trace, questions);
}

#define CREATES(...) memcpy(script.creates, (enum create_act[]){ __VA_ARGS__ }, sizeof(enum create_act[]){ __VA_ARGS__ })
#define FINDS(...) memcpy(script.finds, (enum answer_act[]){ __VA_ARGS__ }, sizeof(enum answer_act[]){ __VA_ARGS__ })
#define SLOTS(...) memcpy(script.slots, (enum answer_act[]){ __VA_ARGS__ }, sizeof(enum answer_act[]){ __VA_ARGS__ })
#define CANCELS(...) memcpy(script.cancels, (enum answer_act[]){ __VA_ARGS__ }, sizeof(enum answer_act[]){ __VA_ARGS__ })

/* -- what a create answers -- */

static void books_what_is_offered_with_one_create(void **)
{
    attempt();
    expect("booked", "", "sc");
    assert_string_equal(row.uid, "uid-1");
    assert_int_equal(row.attempts, 1);
    attempt(); /* told again, it does nothing */
    assert_string_equal(trace, "sc");
}

static void never_says_booked_of_what_is_pending(void **)
{
    CREATES(CREATE_MADE_PENDING);
    attempt();
    expect("pending", "", "sc");
    assert_string_equal(row.status, "pending");
}

static void creates_nothing_that_cal_com_does_not_offer(void **)
{
    SLOTS(ANSWER_NO);
    attempt();
    expect("refused", "slot_not_available", "s");
    assert_true(row.callback);
}

/* Two engines on one database, as while a machine is exchanged: this one loaded the row before the other one sent it. */
static void a_no_to_what_another_engine_has_sent_since_is_left_to_it(void **)
{
    listen_to_log();
    SLOTS(ANSWER_NO);
    booking_hand_over(desk, company_id, intent_id);
    play_until('s');
    strcpy(row.state, "sending");
    row.attempts = 1;
    run_flows();
    assert_int_equal(lines_heard("booking_outcome"), 0);
    expect("sending", "", "s");
    assert_false(row.callback);
    assert_int_equal(counter_read(&booking_desk_counters(desk)->refused), 0);
}

static void an_event_type_that_is_gone_is_for_people(void **)
{
    SLOTS(ANSWER_NOT_FOUND);
    attempt();
    expect("refused", "calcom_event_type_not_found", "s");
}

static void an_event_type_that_goes_before_the_create_is_for_people(void **)
{
    CREATES(CREATE_NOT_FOUND);
    attempt();
    expect("refused", "calcom_event_type_not_found", "sc");
    assert_true(row.callback);
}

static void a_refused_question_for_slots_is_for_people(void **)
{
    SLOTS(ANSWER_REFUSED);
    script.refusal = CALCOM_REFUSAL_EVENT_TYPE;
    attempt();
    expect("refused", "event_type", "s");
    assert_true(row.callback);
}

static void a_foreign_answer_is_neither_claimed_nor_cancelled(void **)
{
    CREATES(CREATE_FOREIGN);
    attempt();
    expect("refused", "answered_with_foreign_booking", "scffff");
    assert_int_equal(counter_read(&booking_desk_counters(desk)->foreign_answers), 1);
}

static void an_answer_that_differs_is_parked_and_never_created_beside(void **)
{
    host_takes_two = true;
    CREATES(CREATE_MADE_DIFFERENT);
    attempt();
    expect("unknown", "answer_differs", "sc");
    assert_true(row.reconcile);
    for (int n = 0; n < 3; n++) attempt_when_due();
    expect("unknown", "answer_differs", "scfff");
    assert_int_equal(live_count(), 1);
}

static void one_that_differs_and_was_not_told_is_found_and_not_created_beside(void **)
{
    host_takes_two = true;
    CREATES(CREATE_UNSAID, CREATE_MADE);
    struct calcom_booking *b = make(CALCOM_ACCEPTED, "rm-ours", 2 * played_second_us);
    b->ends_at_us += 15 * minute_us;
    attempt();
    expect("unknown", "answer_differs", "scff");
    assert_int_equal(live_count(), 1);
}

static void one_that_is_cancelled_already_is_for_people(void **)
{
    CREATES(CREATE_MADE_DEAD);
    attempt();
    expect("refused", "cancelled_at_calcom", "sc");
}

/* A host moves by cancelling and making a new one: as long as that one is not seen, it is a live appointment that nobody here knows (B20). */
static void one_that_was_moved_out_of_sight_is_not_said_to_be_cancelled(void **)
{
    CREATES(CREATE_UNSAID);
    struct calcom_booking *b = make(CALCOM_CANCELLED, "rm-ours", 2 * played_second_us);
    strcpy(b->rescheduled_to_uid, "elsewhere");
    attempt();
    expect("unknown", "moved_at_calcom", "scff");
    assert_true(row.reconcile && !row.callback);
    attempt_when_due();
    expect("unknown", "moved_at_calcom", "scfff");
}

static void one_that_was_moved_and_then_cancelled_is_cancelled(void **)
{
    CREATES(CREATE_UNSAID);
    struct calcom_booking *old = make(CALCOM_CANCELLED, "rm-ours", 2 * played_second_us), *moved = make(CALCOM_CANCELLED, "rm-ours", 2 * played_second_us);
    strcpy(old->rescheduled_to_uid, moved->uid);
    attempt();
    expect("refused", "cancelled_at_calcom", "scff");
}

static void a_definite_no_to_the_first_create_is_believed(void **)
{
    static const struct { enum calcom_refusal refusal; const char *reason, *questions; } nos[] = {
        { CALCOM_REFUSAL_TOO_SOON, "too_soon", "sc" },     { CALCOM_REFUSAL_PAST, "past", "sc" },
        { CALCOM_REFUSAL_ATTENDEE_LIMIT, "attendee_limit", "sc" }, { CALCOM_REFUSAL_EVENT_TYPE, "event_type", "sc" },
        { CALCOM_REFUSAL_NO_HOSTS, "no_hosts", "sc" },     { CALCOM_REFUSAL_BUSY, "busy", "scffff" },
        { CALCOM_REFUSAL_BAD_REQUEST, "bad_request", "scffff" }, { CALCOM_REFUSAL_OTHER, "other", "scffff" },
        { CALCOM_REFUSAL_NONE, "none", "scffff" },
    };
    for (size_t n = 0; n < sizeof nos / sizeof *nos; n++) {
        tear_down(nullptr);
        set_up(nullptr);
        CREATES(CREATE_REFUSED);
        script.refusal = nos[n].refusal;
        attempt();
        expect("refused", nos[n].reason, nos[n].questions);
    }
}

static void a_no_to_a_repetition_is_looked_into_by_the_whole_schedule(void **)
{
    CREATES(CREATE_UNSAID, CREATE_REFUSED);
    script.refusal = CALCOM_REFUSAL_TOO_SOON;
    attempt();
    expect("refused", "too_soon", "scffffffcffffff");
}

static void somebody_who_was_faster_is_believed_after_fifteen_seconds(void **)
{
    CREATES(CREATE_BUSY);
    attempt();
    expect("refused", "slot_taken", "scffff");
}

static void a_conflict_is_looked_into_by_the_whole_schedule(void **)
{
    CREATES(CREATE_CONFLICT);
    attempt();
    expect("refused", "slot_taken", "scffffff");
}

/* -- unknown -- */

static void what_was_booked_and_not_told_is_found(void **)
{
    CREATES(CREATE_MADE_UNSAID);
    attempt();
    expect("booked", "", "scf");
    assert_int_equal(live_count(), 1);
}

static void what_shows_late_is_found_before_absent_is_believed(void **)
{
    host_takes_two = true;
    CREATES(CREATE_MADE_UNSAID_LATE);
    attempt();
    expect("booked", "", "scffffff");
    assert_int_equal(live_count(), 1);
}

static void what_is_absent_is_created_once_more_with_the_same_bytes(void **)
{
    CREATES(CREATE_UNSAID, CREATE_MADE);
    attempt();
    expect("booked", "", "scffffffc");
    assert_int_equal(row.attempts, 2);
}

static void the_busy_answer_to_a_repetition_finds_our_own_booking(void **)
{
    CREATES(CREATE_UNSAID, CREATE_MADE); /* the second one is answered "busy": there is one already */
    (void)make(CALCOM_ACCEPTED, "rm-ours", 61 * played_second_us);
    attempt();
    expect("booked", "", "scffffffcf");
}

static void three_unknowns_are_parked_and_never_created_again(void **)
{
    CREATES(CREATE_UNSAID, CREATE_SERVER_ERROR, CREATE_UNSAID, CREATE_MADE);
    attempt();
    expect("unknown", "outcome_unknown", "scffffffcffffffcffffff");
    assert_true(row.reconcile);
    assert_int_equal(counter_read(&booking_desk_counters(desk)->parked), 1);
    attempt_when_due();
    expect("unknown", "outcome_unknown", "scffffffcffffffcffffffff");
    assert_int_equal(counter_read(&booking_desk_counters(desk)->parked), 1); /* people are told once */
}

static void what_is_parked_and_shows_after_all_is_booked(void **)
{
    CREATES(CREATE_UNSAID, CREATE_UNSAID, CREATE_UNSAID);
    attempt();
    assert_true(row.reconcile);
    (void)make(CALCOM_ACCEPTED, "rm-ours", 0);
    attempt_when_due();
    assert_string_equal(row.state, "booked");
}

static void what_is_never_confirmed_ends_a_day_after_its_start(void **)
{
    CREATES(CREATE_UNSAID, CREATE_UNSAID, CREATE_UNSAID);
    for (int n = 0; n < 1'000 && is_unfinished(); n++) attempt_when_due();
    assert_string_equal(row.state, "refused");
    assert_string_equal(row.reason, "never_confirmed");
    assert_true(shard.wall_us > row.starts_at_us + day_us && shard.wall_us < row.starts_at_us + day_us + 10 * minute_us);
    assert_true(row.callback);
}

static void a_failed_look_up_is_no_absence(void **)
{
    CREATES(CREATE_UNSAID, CREATE_MADE);
    FINDS(ANSWER_TRUE, ANSWER_LOST, ANSWER_NOT_SENT, ANSWER_TRUE, ANSWER_TRUE, ANSWER_TRUE, ANSWER_TRUE, ANSWER_TRUE);
    attempt();
    expect("booked", "", "scffffffffc");
}

static void look_ups_that_keep_failing_are_put_off_and_begin_anew(void **)
{
    CREATES(CREATE_MADE_UNSAID);
    FINDS(ANSWER_LOST, ANSWER_LOST, ANSWER_LOST, ANSWER_LOST, ANSWER_LOST, ANSWER_TRUE);
    attempt();
    expect("unknown", "", "scfffff");
    assert_string_equal(row.last_error, "lookup_failed");
    attempt_when_due();
    expect("booked", "", "scffffff");
}

static void what_can_never_be_looked_up_is_not_kept_from_people(void **)
{
    CREATES(CREATE_UNSAID);
    for (size_t n = 0; n < SCRIPT; n++) script.finds[n] = ANSWER_UNAUTHORIZED;
    for (int n = 0; n < 100 && !row.reconcile; n++) attempt_when_due();
    assert_true(row.reconcile);
    assert_true(shard.wall_us < wall_start_us + 20 * minute_us);
}

static void what_people_were_told_of_is_never_created_again(void **)
{
    CREATES(CREATE_UNSAID);
    for (size_t n = 0; n < SCRIPT; n++) script.finds[n] = ANSWER_LOST;
    while (!row.reconcile) attempt_when_due();
    memset(script.finds, ANSWER_TRUE, sizeof script.finds);
    for (int n = 0; n < 5; n++) attempt_when_due();
    assert_int_equal(row.attempts, 1);
    assert_string_equal(row.state, "unknown");
}

static void what_was_sent_under_a_credential_that_is_gone_is_not_kept_from_people(void **)
{
    strcpy(row.state, "sending");
    row.attempts = 1;
    companies[0].credential = nullptr;
    for (int n = 0; n < 100 && !row.reconcile; n++) attempt_when_due();
    expect("unknown", "company_without_calcom_key", "");
}

static void an_interrupted_send_is_looked_for_first(void **)
{
    host_takes_two = true;
    strcpy(row.state, "sending");
    row.attempts = 1;
    (void)make(CALCOM_ACCEPTED, "rm-ours", 0);
    attempt();
    expect("booked", "", "f");
}

/* -- not sent -- */

static void what_was_not_sent_is_tried_three_times_more_and_then_put_off(void **)
{
    SLOTS(ANSWER_NOT_SENT, ANSWER_LOST, ANSWER_NOT_SENT, ANSWER_NOT_SENT);
    attempt();
    expect("written", "", "ssss");
    assert_string_equal(row.last_error, "calcom_unreachable");
    assert_true(row.next_attempt_at_us >= shard.wall_us + 4'000'000);
    attempt_when_due();
    expect("booked", "", "sssssc");
}

static void a_create_that_was_not_sent_needs_no_look_up(void **)
{
    CREATES(CREATE_NOT_SENT, CREATE_MADE);
    attempt();
    expect("booked", "", "scsc");
}

static void a_throttled_create_waits_as_long_as_cal_com_says(void **)
{
    CREATES(CREATE_THROTTLED, CREATE_MADE);
    attempt();
    expect("written", "", "sc");
    assert_true(row.next_attempt_at_us >= wall_start_us + 60 * 1'000'000);
    attempt_when_due();
    expect("booked", "", "scsc");
}

static void a_key_that_stays_refused_is_for_people_after_two_hours(void **)
{
    for (size_t n = 0; n < SCRIPT; n++) script.creates[n] = CREATE_UNAUTHORIZED;
    for (int n = 0; n < 1'000 && is_unfinished(); n++) attempt_when_due();
    assert_string_equal(row.state, "refused");
    assert_string_equal(row.reason, "calcom_key_refused");
    assert_true(shard.wall_us > wall_start_us + 120 * minute_us && shard.wall_us < wall_start_us + 130 * minute_us);
    assert_null(strchr(trace, 'f')); /* nothing of ours can be there */
}

static void what_cannot_be_tried_before_its_start_is_for_people(void **)
{
    row.starts_at_us = wall_start_us + 2 * minute_us;
    for (size_t n = 0; n < SCRIPT; n++) script.slots[n] = ANSWER_NOT_SENT;
    for (int n = 0; n < 100 && is_unfinished(); n++) attempt_when_due();
    assert_string_equal(row.state, "refused");
    assert_true(shard.wall_us < row.starts_at_us);
}

/* -- pending -- */

static struct calcom_booking *pending_one(void)
{
    CREATES(CREATE_MADE_PENDING);
    attempt();
    expect("pending", "", "sc");
    return &made[0].booking;
}

static void a_pending_booking_is_booked_when_it_is_accepted(void **)
{
    struct calcom_booking *b = pending_one();
    assert_int_equal(row.next_attempt_at_us, shard.wall_us + 5 * minute_us);
    attempt_when_due();
    expect("pending", "", "scf");
    b->status = CALCOM_ACCEPTED;
    attempt_when_due();
    expect("booked", "", "scff");
    assert_string_equal(row.status, "accepted");
}

static void a_pending_booking_is_for_people_when_it_is_declined(void **)
{
    pending_one()->status = CALCOM_REJECTED;
    attempt_when_due();
    expect("refused", "cancelled_at_calcom", "scf");
    assert_true(row.callback);
}

static void a_pending_booking_that_does_not_show_is_never_created_again(void **)
{
    (void)pending_one();
    made[0].seen_from_us = UINT64_MAX;
    for (int n = 0; n < 5; n++) attempt_when_due();
    expect("pending", "", "scfffff");
    assert_int_equal(row.attempts, 1);
}

static void a_pending_booking_that_was_changed_is_for_people_and_not_asked_after_without_pause(void **)
{
    pending_one()->ends_at_us += 15 * minute_us;
    attempt_when_due();
    assert_true(row.reconcile);
    assert_int_equal(row.next_attempt_at_us, shard.wall_us + 5 * minute_us);
}

static void a_pending_booking_that_nobody_decides_ends_a_day_after_its_start(void **)
{
    (void)pending_one();
    companies[0].credential = nullptr; /* nor can it be asked after */
    for (int n = 0; n < 1'000 && strcmp(row.state, "pending") == 0; n++) attempt_when_due();
    assert_string_equal(row.reason, "never_confirmed");
    assert_true(shard.wall_us < row.starts_at_us + day_us + 10 * minute_us);
}

/* -- doubles -- */

static void two_doubles(void)
{
    strcpy(row.state, "unknown");
    row.attempts = 1;
    for (int n = 0; n < 3; n++) (void)make(CALCOM_ACCEPTED, "rm-ours", 0);
}

static void of_several_the_first_counts_and_the_rest_are_cancelled(void **)
{
    two_doubles();
    attempt();
    expect("booked", "", "fxx");
    assert_string_equal(row.uid, "uid-1");
    assert_int_equal(live_count(), 1);
    assert_int_equal(counter_read(&booking_desk_counters(desk)->doubles_cancelled), 2);
}

static void a_double_that_is_still_there_is_cancelled_again(void **)
{
    static const enum answer_act not_cancelled[] = { ANSWER_LOST, ANSWER_NOT_SENT, ANSWER_THROTTLED, ANSWER_UNAUTHORIZED };
    for (size_t n = 0; n < sizeof not_cancelled / sizeof *not_cancelled; n++) {
        tear_down(nullptr);
        set_up(nullptr);
        two_doubles();
        CANCELS(not_cancelled[n]);
        attempt();
        expect("unknown", "", "fx");
        assert_string_equal(row.last_error, "double_not_cancelled");
        attempt_when_due();
        expect("booked", "", "fxfxx");
        assert_int_equal(live_count(), 1);
    }
}

static void a_double_that_may_not_be_cancelled_does_not_undo_the_booking(void **)
{
    two_doubles();
    CANCELS(ANSWER_NO, ANSWER_TRUE);
    attempt();
    expect("booked", "", "fxx");
    assert_int_equal(counter_read(&booking_desk_counters(desk)->doubles_cancelled), 1);
}

/* -- the account -- */

static void an_account_that_cannot_be_opened_puts_the_booking_off(void **)
{
    no_account_opens = true;
    attempt();
    expect("written", "", "");
    no_account_opens = false;
    attempt_when_due();
    expect("booked", "", "sc");
    assert_int_equal(accounts_open, 1);
}

static void an_account_whose_credential_is_gone_is_closed_with_its_last_booking(void **)
{
    booking_hand_over(desk, company_id, intent_id);
    play_until('c');
    companies[0].credential = nullptr;
    booking_tenants_switched(desk);
    assert_int_equal(accounts_open, 1); /* the create is still under way */
    run_flows();
    expect("booked", "", "sc");
    assert_int_equal(accounts_open, 0);

    companies[0].credential = &credential;
    row = (struct row){ .state = "written", .created_at_us = shard.wall_us, .starts_at_us = shard.wall_us + day_us };
    made_count = 0;
    attempt();
    accounts_renewed = 0;
    booking_tenants_switched(desk); /* another tenant's change, or of ours what leaves the key as it is: the account stays */
    assert_int_equal(accounts_open, 1);
    assert_int_equal(accounts_renewed, 1);
    companies[0].credential = nullptr;
    booking_tenants_switched(desk);
    assert_int_equal(accounts_open, 0);
}

/* -- the database, and the end -- */

static void a_booking_that_another_intent_has_is_parked(void **)
{
    row.uid_is_anothers = true;
    attempt();
    expect("unknown", "outcome_not_saved", "sc");
    assert_true(row.reconcile);
}

static void what_cannot_be_recorded_is_not_sent(void **)
{
    row.may_not_be_sent = true;
    attempt();
    expect("written", "", "s");
    row.may_not_be_sent = false;
    attempt();
    expect("booked", "", "ssc");
}

/* Nothing is left to try in this flow: the row is as it was, and the next one looks first. */
static void an_end_that_the_database_does_not_take_leaves_the_row_to_the_next_flow(void **)
{
    row.uid_is_anothers = row.may_not_be_parked = true;
    attempt();
    expect("sending", "", "sc");
    row.uid_is_anothers = row.may_not_be_parked = false;
    attempt();
    expect("booked", "", "scf");
}

static void a_no_that_the_database_does_not_take_leaves_the_row_to_the_next_flow(void **)
{
    SLOTS(ANSWER_NO, ANSWER_NO);
    row.may_not_be_refused = true;
    attempt();
    expect("written", "", "s");
    row.may_not_be_refused = false;
    attempt();
    expect("refused", "slot_not_available", "ss");
}

static void an_outage_of_the_database_is_waited_out_and_nothing_is_sent_in_it(void **)
{
    database_is_up = false;
    booking_hand_over(desk, company_id, intent_id);
    for (int n = 0; n < 50; n++) play_turn();
    assert_string_equal(trace, "");
    database_is_up = true;
    run_flows();
    expect("booked", "", "sc");
}

static void a_drain_waits_for_the_create_under_way_and_keeps_what_it_says(void **)
{
    booking_hand_over(desk, company_id, intent_id);
    play_until('c');
    end_life();
    expect("booked", "", "sc");
}

static void a_drain_does_not_wait_for_a_database_that_is_gone(void **)
{
    booking_hand_over(desk, company_id, intent_id);
    play_until('c');
    database_is_up = false;
    drain(); /* run_flows() fails when it does not end */
    expect("sending", "", "sc");
    assert_int_equal(counter_read(&booking_desk_counters(desk)->parked), 0); /* no answer is no refusal */
    booking_desk_close(desk);
    open_desk();
    attempt();
    expect("booked", "", "scf");
}

static void a_drain_begins_no_create(void **)
{
    booking_hand_over(desk, company_id, intent_id);
    play_until('s');
    end_life();
    expect("written", "", "s");
}

static void a_drain_ends_a_wait_for_a_look_up(void **)
{
    CREATES(CREATE_UNSAID);
    booking_hand_over(desk, company_id, intent_id);
    play_until('f');
    end_life();
    assert_string_equal(row.state, "sending");
    assert_true(strlen(trace) <= 4);
}

static void an_intent_is_never_under_way_twice(void **)
{
    for (int n = 0; n < 3; n++) booking_hand_over(desk, company_id, intent_id);
    assert_int_equal(booking_desk_running(desk), 1);
    run_flows();
    expect("booked", "", "sc");
}

static void of_two_engines_only_the_one_that_knows_all_attempts_sends(void **)
{
    booking_hand_over(desk, company_id, intent_id);
    play_until('s');
    row.attempts = 1; /* another engine has sent meanwhile */
    strcpy(row.state, "sending");
    run_flows();
    assert_string_equal(trace, "s");
}

/* -- any order of misfortunes -- */

/* As kill -9 sees it from outside: what was asked may be carried out, no answer is heard, and nothing is begun any more. */
static void kill_life(void)
{
    shard.stopping = true;
    for (struct list_node *n = list_first(&asked); n; n = list_next(&asked, n)) {
        struct db_unit *u = container_of(n, struct db_unit, node);
        if (!chance(2)) continue;
        (void)play_unit(u);
        u->running = false; /* for the release alone */
        db_unit_release(u);
        u->running = true;
    }
    database_is_up = false;
    booking_desk_drain(desk);
    for (uint32_t n = 0; n < OPS; n++) {
        struct calcom_op *op = under_way[n];
        if (!op) continue;
        timer_stop(&shard.timers, &op->timer);
        finish(op, CALCOM_NOT_SENT);
    }
    run_flows();
    booking_desk_close(desk);
    open_desk();
}

static void run_flows_with_kills(void)
{
    booking_hand_over(desk, company_id, intent_id);
    uint64_t turns_left = chance(3) ? UINT64_MAX : chance(60);
    for (uint64_t n = 0; booking_desk_running(desk) > 0 && n < turns_left; n++) {
        if (is_busy()) {
            play_turn();
            continue;
        }
        uint64_t next_us = timer_wheel_next(&shard.timers);
        move_clock(next_us > shard.now_us ? next_us : shard.now_us + 1'024);
        if (n > 100'000) fail_msg("stuck after %s", trace);
    }
    if (booking_desk_running(desk) > 0) kill_life();
}

static void check_end(uint64_t number)
{
    uint32_t live = live_count();
    bool right = live <= 1;
    if (strcmp(row.state, "booked") == 0 || strcmp(row.state, "pending") == 0) right = right && live == 1 && strcmp(row.uid, made[made_count - 1].booking.uid) == 0;
    else if (strcmp(row.state, "refused") == 0) right = right && live == 0 && row.callback;
    else right = right && row.reconcile;
    if (!right) fail_msg("seed %lu: %s (%s), %u live, after %s", (unsigned long)number, row.state, row.reason, live, trace);
}

static void whatever_happens_one_intent_is_one_booking_and_the_row_says_so(void **)
{
    enum { SEEDS = 10'000, LIVES = 60 };
    uint32_t ends[3] = {};
    for (uint64_t number = 1; number <= SEEDS; number++) {
        tear_down(nullptr);
        set_up(nullptr);
        seed = number * 2'654'435'761u + 1;
        host_takes_two = chance(2);
        script.refusal = (enum calcom_refusal)chance(CALCOM_REFUSALS);
        for (int n = 0; n < LIVES && is_unfinished() && !row.reconcile; n++) {
            int64_t wait_us = row.next_attempt_at_us - shard.wall_us;
            if (wait_us > 0) move_clock(shard.now_us + (uint64_t)wait_us);
            run_flows_with_kills();
        }
        check_end(number);
        ends[is_unfinished() ? 2 : row.callback] += 1;
    }
    assert_true(ends[0] > SEEDS / 4 && ends[1] > SEEDS / 100 && ends[2] > SEEDS / 100); /* the misfortunes reach every end */
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(books_what_is_offered_with_one_create),
        TEST(never_says_booked_of_what_is_pending),
        TEST(creates_nothing_that_cal_com_does_not_offer),
        TEST(a_no_to_what_another_engine_has_sent_since_is_left_to_it),
        TEST(an_event_type_that_is_gone_is_for_people),
        TEST(an_event_type_that_goes_before_the_create_is_for_people),
        TEST(a_refused_question_for_slots_is_for_people),
        TEST(a_foreign_answer_is_neither_claimed_nor_cancelled),
        TEST(an_answer_that_differs_is_parked_and_never_created_beside),
        TEST(one_that_differs_and_was_not_told_is_found_and_not_created_beside),
        TEST(one_that_is_cancelled_already_is_for_people),
        TEST(one_that_was_moved_out_of_sight_is_not_said_to_be_cancelled),
        TEST(one_that_was_moved_and_then_cancelled_is_cancelled),
        TEST(a_definite_no_to_the_first_create_is_believed),
        TEST(a_no_to_a_repetition_is_looked_into_by_the_whole_schedule),
        TEST(somebody_who_was_faster_is_believed_after_fifteen_seconds),
        TEST(a_conflict_is_looked_into_by_the_whole_schedule),
        TEST(what_was_booked_and_not_told_is_found),
        TEST(what_shows_late_is_found_before_absent_is_believed),
        TEST(what_is_absent_is_created_once_more_with_the_same_bytes),
        TEST(the_busy_answer_to_a_repetition_finds_our_own_booking),
        TEST(three_unknowns_are_parked_and_never_created_again),
        TEST(what_is_parked_and_shows_after_all_is_booked),
        TEST(what_is_never_confirmed_ends_a_day_after_its_start),
        TEST(a_failed_look_up_is_no_absence),
        TEST(look_ups_that_keep_failing_are_put_off_and_begin_anew),
        TEST(what_can_never_be_looked_up_is_not_kept_from_people),
        TEST(what_people_were_told_of_is_never_created_again),
        TEST(what_was_sent_under_a_credential_that_is_gone_is_not_kept_from_people),
        TEST(an_interrupted_send_is_looked_for_first),
        TEST(what_was_not_sent_is_tried_three_times_more_and_then_put_off),
        TEST(a_create_that_was_not_sent_needs_no_look_up),
        TEST(a_throttled_create_waits_as_long_as_cal_com_says),
        TEST(a_key_that_stays_refused_is_for_people_after_two_hours),
        TEST(what_cannot_be_tried_before_its_start_is_for_people),
        TEST(a_pending_booking_is_booked_when_it_is_accepted),
        TEST(a_pending_booking_is_for_people_when_it_is_declined),
        TEST(a_pending_booking_that_does_not_show_is_never_created_again),
        TEST(a_pending_booking_that_was_changed_is_for_people_and_not_asked_after_without_pause),
        TEST(a_pending_booking_that_nobody_decides_ends_a_day_after_its_start),
        TEST(of_several_the_first_counts_and_the_rest_are_cancelled),
        TEST(a_double_that_is_still_there_is_cancelled_again),
        TEST(a_double_that_may_not_be_cancelled_does_not_undo_the_booking),
        TEST(an_account_that_cannot_be_opened_puts_the_booking_off),
        TEST(an_account_whose_credential_is_gone_is_closed_with_its_last_booking),
        TEST(a_booking_that_another_intent_has_is_parked),
        TEST(what_cannot_be_recorded_is_not_sent),
        TEST(an_end_that_the_database_does_not_take_leaves_the_row_to_the_next_flow),
        TEST(a_no_that_the_database_does_not_take_leaves_the_row_to_the_next_flow),
        TEST(an_outage_of_the_database_is_waited_out_and_nothing_is_sent_in_it),
        TEST(a_drain_waits_for_the_create_under_way_and_keeps_what_it_says),
        TEST(a_drain_does_not_wait_for_a_database_that_is_gone),
        TEST(a_drain_begins_no_create),
        TEST(a_drain_ends_a_wait_for_a_look_up),
        TEST(an_intent_is_never_under_way_twice),
        TEST(of_two_engines_only_the_one_that_knows_all_attempts_sends),
        TEST(whatever_happens_one_intent_is_one_booking_and_the_row_says_so),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
