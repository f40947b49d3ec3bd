/* The booking flow: booking_run() is the whole story, top to bottom. Above it stand the judges, which turn an answer into a plan, and the small starts. */
#include "call/booking_flow.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/json.h"
#include "guard/backoff.h"

/* B6: replica lag and late commits both exist. "Absent" is believed after the last of these; each wait begins when the answer before it came. */
static const uint32_t lookup_waits_ms[] = { 500, 1'500, 3'000, 10'000, 15'000, 30'000 };
enum {
    LOOKUPS_FULL = 6,
    LOOKUPS_OF_A_NO = 4,     /* a commit may have preceded it, and a list may lag behind by ten seconds (calcom.md S18): until fifteen are over */
    LOOKUPS_OF_PARKED = 2,   /* it is asked after again and again */
    LOOKUP_FAILURES_MAX = 5,
    RETRIES_MAX = 3,
};

constexpr int64_t second_us = 1'000'000, minute_us = 60 * second_us;
constexpr int64_t unauthorized_patience_us = 120 * minute_us; /* a key that is refused for so long will not come back by itself */
constexpr int64_t reconcile_after_start_us = 24 * 60 * minute_us;
constexpr int64_t unknown_patience_us = 10 * minute_us;       /* so long, what may be at Cal.com and cannot be looked up is the engine's affair; then people are told */

#define BOOKING_NAME(name) [BOOKING_##name] = #name,
const char *booking_step_name(enum booking_step s)
{
    static const char *const names[] = { BOOKING_STEPS(BOOKING_NAME) };
    ensure(s < sizeof names / sizeof names[0]);
    return names[s];
}

/* -- plans -- */

static void plan_refuse(struct booking *b, const char *reason) { b->plan = PLAN_REFUSE; b->reason = reason; }

static void plan_park(struct booking *b, const char *reason)
{
    b->unknown = true;
    b->plan = PLAN_PARK;
    b->reason = reason;
}

/* The older an intent, the less often it is tried: half its age, between 5 s and 5 min. No later than its start: then people must know. They must know
 * sooner of one that may be at Cal.com and that nobody gets to see. */
/* Retries of its own within an attempt; people want to hear of a no before the appointment. */
static constexpr int64_t attempt_takes_us = 10 * second_us;

static void plan_delay(struct booking *b, const char *reason, uint64_t retry_at_us)
{
    const struct shard *s = b->desk->shard;
    int64_t wait_us = (s->wall_us - b->created_at_us) / 2;
    if (wait_us < 5 * second_us) wait_us = 5 * second_us;
    if (wait_us > 5 * minute_us) wait_us = 5 * minute_us;
    bool in_time = s->wall_us + wait_us + attempt_takes_us < b->starts_at_us;
    wait_us -= (int64_t)(random_u64() % (uint64_t)(wait_us / 4)); /* else those that wait as long meet each other, and a small budget that they have used up, each time */
    if (wait_us < 5 * second_us) wait_us = 5 * second_us;
    if (retry_at_us > s->now_us && (int64_t)(retry_at_us - s->now_us) > wait_us) wait_us = (int64_t)(retry_at_us - s->now_us);
    b->plan = PLAN_DELAY;
    b->reason = reason;
    b->next_attempt_at_us = s->wall_us + wait_us;
    if (!b->unknown && (!in_time || b->next_attempt_at_us >= b->starts_at_us)) plan_refuse(b, reason);
    if (b->unknown && !b->awaited && s->wall_us - b->created_at_us > unknown_patience_us) plan_park(b, reason);
}

static void look_up_next(struct booking *b, uint32_t lookups, enum booking_plan if_absent, const char *reason)
{
    b->unknown = true;
    b->lookups = 0;
    b->lookups_wanted = lookups;
    b->if_absent = if_absent;
    b->reason = reason;
    b->plan = PLAN_TRY;
}

/* An outcome that cannot be known from the answer: the whole schedule; then the same bytes again, as often as is allowed. */
static void look_up_whole(struct booking *b, const char *reason)
{
    bool may_repeat = b->attempts < b->desk->config.attempts_max && !b->parked;
    look_up_next(b, b->parked ? LOOKUPS_OF_PARKED : LOOKUPS_FULL, may_repeat ? PLAN_TRY : PLAN_PARK, reason);
}

/* -- the intent's row -- */

static void copy_text(char *to, size_t room, struct slice text)
{
    size_t length = text.length < room ? text.length : room - 1;
    if (length) memcpy(to, text.start, length);
    to[length] = 0;
}

/* False: there is no memory for it. Without the attendee our own booking would look like somebody else's. */
static bool read_attendee(struct booking *b, struct slice json)
{
    struct heap heap;
    heap_init(&heap, 64 * 1024);
    struct json_document *d = json_parse(json, &heap, &(struct json_error){});
    const struct json_value *attendee = json_root(d);
    copy_text(b->attendee_email, sizeof b->attendee_email, json_get_text(attendee, "email"));
    copy_text(b->attendee_phone, sizeof b->attendee_phone, json_get_text(attendee, "phone"));
    copy_text(b->time_zone, sizeof b->time_zone, json_get_text(attendee, "time_zone"));
    json_release(d, &heap);
    return d != nullptr;
}

/* Columns as in db/statements.h, LOAD_INTENT. */
static bool read_row(struct booking *b)
{
    const struct db_unit *u = &b->steady.unit;
    copy_text(b->reference, sizeof b->reference, db_text(u, 0, 0, 5));
    b->calcom_event_type_id = db_integer(u, 0, 0, 9);
    b->starts_at_us = db_integer(u, 0, 0, 10);
    b->ends_at_us = db_integer(u, 0, 0, 11);
    struct slice payload = db_text(u, 0, 0, 13);
    ensure(payload.length > 0 && payload.length <= sizeof b->payload); /* bounded where it was written */
    memcpy(b->payload, payload.start, payload.length);
    b->payload_bytes = payload.length;
    b->attempts = (uint32_t)db_integer(u, 0, 0, 14);
    b->created_at_us = db_integer(u, 0, 0, 15);
    b->busy_from_us = db_integer(u, 0, 0, 17);
    b->busy_until_us = db_integer(u, 0, 0, 18);
    b->parked = !db_is_null(u, 0, 0, 19);
    struct hash128 tenant = hash128_stable(slice_from(&b->company_id, sizeof b->company_id));
    b->calendar = hash128_mix(tenant, hash128_stable(db_text(u, 0, 0, 8)));
    return read_attendee(b, db_text(u, 0, 0, 12));
}

/* B13: a pending booking is asked after until somebody at Cal.com has decided, or nobody has and its time is past. It is never created again. */
static void look_whether_decided(struct booking *b)
{
    look_up_next(b, 1, PLAN_DELAY, "awaits_confirmation");
    b->next_attempt_at_us = b->desk->shard->wall_us + (int64_t)b->desk->config.pending_ms * 1'000;
    if (b->desk->shard->wall_us > b->starts_at_us + reconcile_after_start_us) plan_refuse(b, "never_confirmed");
}

/* False: nothing to do for this flow, or no memory to do it: the row waits for the sweep. */
static bool read_intent(struct booking *b)
{
    const struct db_unit *u = &b->steady.unit;
    if (b->plan == PLAN_LEAVE || u->outcome != DB_OK || db_row_count(u, 0) != 1) return false;

    struct slice state = db_text(u, 0, 0, 0);
    bool sent = slice_equal(state, slice_of("sending")) || slice_equal(state, slice_of("unknown"));
    b->awaited = slice_equal(state, slice_of("pending"));
    if (!sent && !b->awaited && !slice_equal(state, slice_of("written"))) return false; /* settled */
    if (!read_row(b)) return false;
    b->maybe_sent = sent || b->awaited;
    b->plan = PLAN_TRY;
    if (sent) look_up_whole(b, "found_unfinished");
    if (b->awaited) look_whether_decided(b);
    if (b->plan == PLAN_TRY && !booking_join_account(b)) plan_delay(b, "company_without_calcom_key", 0);
    return true;
}

static struct calcom_find wanted_of(const struct booking *b)
{
    return (struct calcom_find){
        .event_type_id = b->calcom_event_type_id, .starts_at_us = b->starts_at_us, .ends_at_us = b->ends_at_us, .created_after_us = b->created_at_us,
        .attendee_email = slice_from_text(b->attendee_email), .attendee_phone = slice_from_text(b->attendee_phone), .reference = slice_from_text(b->reference),
    };
}

/* -- starts: each leaves an operation running that wakes the flow -- */

static void statement_answered(struct steady_unit *u)
{
    struct booking *b = container_of(u, struct booking, steady);
    if (u->given_up) b->plan = PLAN_LEAVE;
    booking_wake(b);
}

static void calcom_answered(struct calcom_op *op)
{
    struct booking *b = container_of(op, struct booking, op);
    counter_add(&b->desk->counters.calcom_outcomes[op->outcome], 1);
    histogram_record(&b->desk->counters.calcom_us, b->desk->shard->now_us - b->asked_at_us);
    booking_wake(b);
}

static void waited(struct timer *t)
{
    struct booking *b = container_of(t, struct booking, timer);
    b->waiting = false;
    booking_wake(b);
}

/* While the process drains nobody waits: the row does. */
static void wait_ms(struct booking *b, uint64_t ms)
{
    if (b->desk->draining) {
        b->plan = PLAN_LEAVE;
        return;
    }
    b->waiting = true;
    timer_start(&b->desk->shard->timers, &b->timer, b->desk->shard->now_us + ms * 1'000, waited);
}

static struct db_unit *statement(struct booking *b, enum db_statement s)
{
    db_unit_release(&b->steady.unit);
    db_unit_begin(&b->steady.unit, (struct db_tenant){ .company_id = b->company_id });
    db_unit_call(&b->steady.unit, s);
    db_add_integer(&b->steady.unit, b->company_id);
    db_add_integer(&b->steady.unit, b->intent_id);
    return &b->steady.unit;
}

static void ask_statement(struct booking *b) { steady_submit(&b->steady, b->desk->shard, b->desk->config.pool, statement_answered); }

static void load_intent(struct booking *b)
{
    statement(b, DB_LOAD_INTENT);
    ask_statement(b);
}

static void wait_for_lookup(struct booking *b)
{
    wait_ms(b, (uint64_t)lookup_waits_ms[b->lookups] * b->desk->config.lookup_percent / 100);
}

static void look_up(struct booking *b)
{
    struct calcom_find wanted = wanted_of(b);
    counter_add(&b->desk->counters.lookups, 1);
    b->asked_at_us = b->desk->shard->now_us;
    calcom_find_booking(b->account, &b->op, &wanted, calcom_answered);
}

/* B15: only a start that Cal.com itself offers for this event type, asked just now. Exactly that stretch: no cache, no guess. */
static void list_slots(struct booking *b)
{
    b->asked_at_us = b->desk->shard->now_us;
    calcom_list_slots(b->account, &b->op, b->calcom_event_type_id, b->starts_at_us, b->ends_at_us, slice_from_text(b->time_zone), calcom_answered);
}

/* Durable before the first byte leaves: whoever finds the row in state 'sending' knows that something may be there. */
static void record_send(struct booking *b)
{
    struct db_unit *u = statement(b, DB_SEND_INTENT);
    db_add_integer(u, b->desk->shard->wall_us);
    db_add_integer(u, b->attempts);
    ask_statement(b);
}

/* False: the row was settled or sent by somebody else, or cannot be written: nothing may be sent. */
static bool send_is_recorded(struct booking *b)
{
    const struct db_unit *u = &b->steady.unit;
    if (b->plan == PLAN_LEAVE) return false;
    if (u->outcome != DB_OK || db_row_count(u, 0) != 1) {
        log_event(LOG_ERROR, "booking_send_not_recorded", log_integer("company", b->company_id), log_integer("intent", b->intent_id), log_cstring("sqlstate", u->sqlstate));
        b->plan = PLAN_LEAVE;
        return false;
    }
    b->attempts = (uint32_t)db_integer(u, 0, 0, 0);
    return true;
}

static void create(struct booking *b)
{
    counter_add(&b->desk->counters.creates, 1);
    b->asked_at_us = b->desk->shard->now_us;
    calcom_create_booking(b->account, &b->op, slice_from(b->payload, b->payload_bytes), calcom_answered);
}

/* 1, 2, 4 s: for what certainly was not sent. */
static void wait_for_retry(struct booking *b)
{
    struct backoff retry = { .base_ms = b->desk->config.retry_ms, .max_ms = b->desk->config.retry_ms * 4 };
    wait_ms(b, backoff_ms(retry, b->retries, random_u64()));
    b->retries += 1;
    counter_add(&b->desk->counters.retries, 1);
}

/* -- judges: an answer becomes a plan -- */

static void take_found(struct booking *b, const struct calcom_booking *found, bool pending)
{
    b->found = *found;
    b->pending = pending;
    b->unknown = false;
    b->plan = PLAN_BOOK;
}

static bool is_shown(const struct booking *b, const char *uid)
{
    for (uint32_t n = 0; n < b->op.booking_count; n++)
        if (strcmp(b->op.bookings[n].uid, uid) == 0) return true;
    return false;
}

/* A host moves by cancelling and making a new one. While that is not seen, there is an appointment that nobody here knows: it is for people (B20). */
static void judge_dead(struct booking *b)
{
    for (uint32_t n = 0; n < b->op.booking_count; n++) {
        const char *successor = b->op.bookings[n].rescheduled_to_uid;
        if (successor[0] != 0 && !is_shown(b, successor)) return plan_park(b, "moved_at_calcom");
    }
    b->unknown = false;
    plan_refuse(b, "cancelled_at_calcom");
}

/* The earliest live one counts; further ones of the same reference are doubles (B12). One that is ours and not as we asked for it is there all the same:
 * another create would be a second booking, so it is for people (B8). */
static void judge_found(struct booking *b)
{
    struct calcom_find wanted = wanted_of(b);
    bool dead = false, differs = false;
    b->doubles_left = 0;
    for (uint32_t n = 0; n < b->op.booking_count; n++) {
        enum calcom_verdict verdict = calcom_verify(&b->op.bookings[n], &wanted);
        bool live = verdict == CALCOM_OURS || verdict == CALCOM_OURS_PENDING;
        if (live && b->plan != PLAN_BOOK) take_found(b, &b->op.bookings[n], verdict == CALCOM_OURS_PENDING);
        else if (live) memcpy(b->doubles[b->doubles_left++], b->op.bookings[n].uid, sizeof b->doubles[0]);
        dead = dead || verdict == CALCOM_DEAD;
        differs = differs || verdict == CALCOM_DIFFERS;
    }
    if (b->plan == PLAN_BOOK) return;
    if (differs) {
        plan_park(b, "answer_differs");
    } else if (dead) {
        judge_dead(b);
    }
}

static void judge_absent(struct booking *b)
{
    b->lookups += 1;
    if (b->lookups < b->lookups_wanted) return;
    b->plan = b->if_absent;
    b->unknown = b->plan == PLAN_PARK;
}

static void judge_lookup(struct booking *b)
{
    if (b->op.outcome == CALCOM_OK) {
        judge_found(b);
        if (b->plan == PLAN_TRY) judge_absent(b);
        return;
    }
    b->lookup_failures += 1; /* B7: a failed look-up says nothing */
    if (b->op.outcome == CALCOM_THROTTLED || b->lookup_failures >= LOOKUP_FAILURES_MAX) plan_delay(b, "lookup_failed", b->op.retry_at_us);
}

static void judge_not_sent(struct booking *b, const char *reason)
{
    bool soon = b->op.retry_at_us <= b->desk->shard->now_us + UINT64_C(4) * b->desk->config.retry_ms * 1'000;
    if (b->retries < RETRIES_MAX && soon) b->plan = PLAN_RETRY;
    else plan_delay(b, reason, b->op.retry_at_us);
}

static void judge_unauthorized(struct booking *b)
{
    if (b->desk->shard->wall_us - b->created_at_us > unauthorized_patience_us) plan_refuse(b, "calcom_key_refused");
    else judge_not_sent(b, "calcom_key_refused");
}

static bool slot_offered(const struct booking *b)
{
    for (uint32_t n = 0; n < b->op.slot_count; n++)
        if (b->op.slots_us[n] == b->starts_at_us) return true;
    return false;
}

static void judge_slots(struct booking *b)
{
    switch (b->op.outcome) {
    case CALCOM_OK:           if (!slot_offered(b)) plan_refuse(b, "slot_not_available"); return;
    case CALCOM_NOT_FOUND:    plan_refuse(b, "calcom_event_type_not_found"); return;
    case CALCOM_REFUSED:      plan_refuse(b, calcom_refusal_name(b->op.refusal)); return;
    case CALCOM_UNAUTHORIZED: judge_unauthorized(b); return;
    case CALCOM_THROTTLED:
    case CALCOM_NOT_SENT:
    case CALCOM_UNKNOWN:      judge_not_sent(b, "calcom_unreachable"); return; /* only read: nothing can have happened there */
    }
    ensure(false);
}

/* B11: a 201 is believed when it is our booking. */
static void judge_answer(struct booking *b)
{
    struct calcom_find wanted = wanted_of(b);
    switch (calcom_verify(&b->op.bookings[0], &wanted)) {
    case CALCOM_OURS:         take_found(b, &b->op.bookings[0], false); return;
    case CALCOM_OURS_PENDING: take_found(b, &b->op.bookings[0], true); return;
    case CALCOM_DEAD:         plan_refuse(b, "cancelled_at_calcom"); return;
    case CALCOM_DIFFERS:      plan_park(b, "answer_differs"); return;
    case CALCOM_FOREIGN:
        counter_add(&b->desk->counters.foreign_answers, 1);
        look_up_next(b, LOOKUPS_OF_A_NO, PLAN_REFUSE, "answered_with_foreign_booking");
        return;
    }
    ensure(false);
}

/* A no that our own earlier attempt, or a commit before the error, may have caused is looked into first; one that names the request is believed. */
static void judge_refusal(struct booking *b)
{
    switch (b->op.refusal) {
    case CALCOM_REFUSAL_TOO_SOON:
    case CALCOM_REFUSAL_PAST:
    case CALCOM_REFUSAL_ATTENDEE_LIMIT:
    case CALCOM_REFUSAL_EVENT_TYPE:
    case CALCOM_REFUSAL_NO_HOSTS:
        if (b->attempts > 1) look_up_next(b, LOOKUPS_FULL, PLAN_REFUSE, calcom_refusal_name(b->op.refusal));
        else plan_refuse(b, calcom_refusal_name(b->op.refusal));
        return;
    case CALCOM_REFUSAL_BUSY:
    case CALCOM_REFUSAL_BAD_REQUEST:
    case CALCOM_REFUSAL_OTHER:
    case CALCOM_REFUSAL_NONE:
        look_up_next(b, b->attempts > 1 ? LOOKUPS_FULL : LOOKUPS_OF_A_NO, PLAN_REFUSE, calcom_refusal_name(b->op.refusal));
        return;
    }
    ensure(false);
}

/* 400, 409, and words that say so, are a no whose cause may be our own booking: believed once it is looked for and not there. */
static void judge_unknown(struct booking *b)
{
    bool a_no = b->op.status == 400 || b->op.status == 409 || b->op.refusal == CALCOM_REFUSAL_BUSY;
    bool somebody_was_faster = b->op.status == 400 && b->op.refusal == CALCOM_REFUSAL_BUSY && b->attempts == 1;
    const char *reason = b->op.refusal == CALCOM_REFUSAL_BUSY ? "slot_taken" : calcom_refusal_name(b->op.refusal);
    if (a_no) look_up_next(b, somebody_was_faster ? LOOKUPS_OF_A_NO : LOOKUPS_FULL, PLAN_REFUSE, reason);
    else look_up_whole(b, "outcome_unknown");
}

static void judge_create(struct booking *b)
{
    bool not_done = b->op.outcome == CALCOM_NOT_SENT || b->op.outcome == CALCOM_THROTTLED || b->op.outcome == CALCOM_UNAUTHORIZED;
    b->maybe_sent = b->maybe_sent || !not_done;
    switch (b->op.outcome) {
    case CALCOM_OK:           judge_answer(b); return;
    case CALCOM_REFUSED:      judge_refusal(b); return;
    case CALCOM_NOT_FOUND:    plan_refuse(b, "calcom_event_type_not_found"); return;
    case CALCOM_UNKNOWN:      judge_unknown(b); return;
    case CALCOM_UNAUTHORIZED: judge_unauthorized(b); return;
    case CALCOM_NOT_SENT:     judge_not_sent(b, "calcom_unreachable"); return;
    case CALCOM_THROTTLED:    plan_delay(b, "calcom_throttled", b->op.retry_at_us); return;
    }
    ensure(false);
}

/* -- the outcome's row -- */

static void cancel_next_double(struct booking *b)
{
    b->doubles_left -= 1;
    b->asked_at_us = b->desk->shard->now_us;
    calcom_cancel_booking(b->account, &b->op, slice_from_text(b->doubles[b->doubles_left]), slice_of("duplicate of the same request"), calcom_answered);
}

/* A double that is still there is looked for and cancelled again, so the row stays unknown. One that Cal.com does not let us cancel is for the log and the
 * people who read it: the booking itself stands. */
static void judge_cancelled(struct booking *b)
{
    switch (b->op.outcome) {
    case CALCOM_OK:
    case CALCOM_NOT_FOUND:
        counter_add(&b->desk->counters.doubles_cancelled, 1);
        return;
    case CALCOM_REFUSED:
        log_event(LOG_ERROR, "booking_double_remains", log_integer("company", b->company_id), log_integer("intent", b->intent_id), log_cstring("provider_says", b->op.message));
        return;
    case CALCOM_NOT_SENT:
    case CALCOM_THROTTLED:
    case CALCOM_UNAUTHORIZED:
    case CALCOM_UNKNOWN:
        b->unknown = true;
        plan_delay(b, "double_not_cancelled", b->op.retry_at_us);
        return;
    }
    ensure(false);
}

static void add_delay(struct booking *b, struct db_unit *u)
{
    db_add_text(u, b->unknown || b->maybe_sent ? slice_of("unknown") : slice_of("written"));
    db_add_text(u, slice_from_text(booking_step_name(b->step)));
    db_add_integer(u, b->next_attempt_at_us);
    db_add_text(u, slice_from_text(b->reason));
    db_add_integer(u, b->desk->shard->wall_us);
    db_add_integer(u, b->attempts);
}

/* In the same transaction: when to ask whether it has been decided. */
static void ask_again_later(struct booking *b, struct db_unit *u)
{
    b->reason = "awaits_confirmation";
    b->next_attempt_at_us = b->desk->shard->wall_us + (int64_t)b->desk->config.pending_ms * 1'000;
    db_unit_call(u, DB_DELAY_INTENT);
    db_add_integer(u, b->company_id);
    db_add_integer(u, b->intent_id);
    add_delay(b, u);
}

static void save_booked(struct booking *b)
{
    struct db_unit *u = statement(b, DB_BOOK_INTENT);
    db_add_text(u, slice_from_text(b->found.uid));
    db_add_integer(u, b->found.id);
    db_add_text(u, b->pending ? slice_of("pending") : slice_of("accepted"));
    db_add_integer(u, b->starts_at_us);
    db_add_integer(u, b->ends_at_us);
    db_add_text(u, b->found.host_name[0] ? slice_from_text(b->found.host_name) : slice_absent);
    db_add_integer(u, b->desk->shard->wall_us);
    if (b->pending) ask_again_later(b, u);
    if (!b->pending) counter_add(&b->desk->counters.booked, 1);
    else if (!b->awaited) counter_add(&b->desk->counters.pending, 1);
}

static void save_delayed(struct booking *b)
{
    add_delay(b, statement(b, DB_DELAY_INTENT));
    counter_add(&b->desk->counters.delayed, 1);
}

static void save_refused(struct booking *b)
{
    struct db_unit *u = statement(b, DB_REFUSE_INTENT);
    db_add_text(u, slice_from_text(b->reason));
    db_add_text(u, slice_of("{}"));
    db_add_integer(u, b->desk->shard->wall_us);
    db_add_integer(u, b->attempts);
}

/* People are told once; after that it is only looked at again. */
static void save_parked(struct booking *b)
{
    b->next_attempt_at_us = b->desk->shard->wall_us + 5 * minute_us;
    if (b->parked) return save_delayed(b);
    struct db_unit *u = statement(b, DB_PARK_INTENT);
    db_add_text(u, slice_from_text(b->reason));
    db_add_integer(u, b->next_attempt_at_us);
    db_add_integer(u, b->desk->shard->wall_us);
    db_add_integer(u, b->attempts);
    counter_add(&b->desk->counters.parked, 1);
}

static void save_outcome(struct booking *b)
{
    bool over = b->plan == PLAN_PARK && b->desk->shard->wall_us > b->starts_at_us + reconcile_after_start_us;
    if (over) plan_refuse(b, "never_confirmed");
    switch (b->plan) {
    case PLAN_BOOK:   save_booked(b); break;
    case PLAN_REFUSE: save_refused(b); break;
    case PLAN_DELAY:  save_delayed(b); break;
    case PLAN_PARK:   save_parked(b); break;
    case PLAN_TRY:
    case PLAN_RETRY:
    case PLAN_LEAVE:  ensure(false); /* the flow does not come here with them */
    }
    ask_statement(b);
}

/* A no that does not stand is left to those who know more: the row was booked, or sent once more, since it was loaded here. */
static void take_refusal(struct booking *b)
{
    if (db_boolean(&b->steady.unit, 0, 0, 0)) counter_add(&b->desk->counters.refused, 1);
    else b->plan = PLAN_LEAVE;
}

/* False: PostgreSQL took something else to be true (a conflict: this Cal.com booking is filed under another intent). Then people have to see it, and
 * the row must not come back at every sweep: it is parked. */
static bool outcome_is_saved(struct booking *b)
{
    const struct db_unit *u = &b->steady.unit;
    if (b->plan == PLAN_REFUSE && u->outcome == DB_OK) take_refusal(b);
    if (b->plan == PLAN_LEAVE || u->outcome == DB_OK) return true;
    log_event(LOG_ERROR, "booking_outcome_not_saved", log_integer("company", b->company_id), log_integer("intent", b->intent_id), log_cstring("constraint", u->constraint),
              log_cstring("sqlstate", u->sqlstate));
    if (b->plan == PLAN_PARK || b->plan == PLAN_REFUSE) return true; /* nothing is left to try */
    plan_park(b, "outcome_not_saved");
    return false;
}

static enum flow_status finish(struct booking *b)
{
    static const char *const names[] = {
        [PLAN_TRY] = "unfinished", [PLAN_RETRY] = "unfinished", [PLAN_BOOK] = "booked", [PLAN_REFUSE] = "refused",
        [PLAN_DELAY] = "delayed", [PLAN_PARK] = "parked", [PLAN_LEAVE] = "left",
    };
    db_unit_release(&b->steady.unit);
    booking_leave_calendar(b);
    if (b->plan != PLAN_LEAVE)
        log_event(b->plan == PLAN_BOOK ? LOG_INFO : LOG_WARNING, "booking_outcome", log_cstring("outcome", names[b->plan]), log_cstring("reason", b->reason ? b->reason : ""),
                  log_integer("company", b->company_id), log_integer("intent", b->intent_id), log_integer("attempts", b->attempts), log_cstring("provider_says", b->op.message));
    return FLOW_DONE;
}

/* -- the flow -- */

enum flow_status booking_run(struct booking *b)
{
    FLOW_BEGIN(b, BOOKING_START);

    load_intent(b);
    AWAIT(b, BOOKING_INTENT_LOADED, !b->steady.running);
    if (!read_intent(b)) { b->plan = PLAN_LEAVE; return finish(b); }

    booking_join_calendar(b);
    AWAIT(b, BOOKING_CALENDAR_FREE, b->has_calendar || b->plan == PLAN_LEAVE);
    if (b->plan == PLAN_TRY && !booking_claim_slot(b)) plan_delay(b, "slot_held", 0);

    while (b->plan == PLAN_TRY) {
        while (b->plan == PLAN_TRY && b->unknown) { /* something may be there: look before anything else */
            wait_for_lookup(b);
            AWAIT(b, BOOKING_LOOKUP_DUE, !b->waiting);
            if (b->plan == PLAN_LEAVE) break;
            look_up(b);
            AWAIT(b, BOOKING_LOOKED_UP, !b->op.running);
            judge_lookup(b);
        }
        while (b->plan == PLAN_BOOK && b->doubles_left > 0) {
            cancel_next_double(b);
            AWAIT(b, BOOKING_DOUBLE_CANCELLED, !b->op.running);
            judge_cancelled(b);
        }
        if (b->plan != PLAN_TRY) break;

        if (!b->maybe_sent) {
            list_slots(b);
            AWAIT(b, BOOKING_SLOTS_LISTED, !b->op.running);
            judge_slots(b);
        }
        if (b->plan == PLAN_TRY && b->desk->draining) b->plan = PLAN_LEAVE; /* nothing is sent that was not sent before: the row says all */
        if (b->plan == PLAN_TRY) {
            record_send(b);
            AWAIT(b, BOOKING_SEND_RECORDED, !b->steady.running);
            if (!send_is_recorded(b)) break;
            create(b);
            AWAIT(b, BOOKING_CREATED, !b->op.running);
            judge_create(b);
        }
        if (b->plan == PLAN_RETRY) {
            wait_for_retry(b);
            AWAIT(b, BOOKING_RETRY_DUE, !b->waiting);
            if (b->plan == PLAN_RETRY) b->plan = PLAN_TRY;
        }
    }
    if (b->plan == PLAN_LEAVE) return finish(b);

    do {
        save_outcome(b);
        AWAIT(b, BOOKING_OUTCOME_SAVED, !b->steady.running);
    } while (!outcome_is_saved(b));
    return finish(b);

    FLOW_END(b);
}
