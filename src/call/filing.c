/* The filing flow: a webhook's effects in PostgreSQL, top to bottom in filing_run(). Outages are waited out (db/steady.h); what PostgreSQL refuses for good is
 * quarantined, so one bad letter never stops a call. A letter is settled when everything it asks for is there: only then may the journal forget it. */
#include "call/filing.h"

#include "base/json.h"
#include "base/log.h"

constexpr uint64_t room_retry_us = 20'000; /* the heap is full of other letters' facts, which leave soon; or there is no memory, which passes */
constexpr uint32_t decision_tries_max = 3'000; /* a minute of them. Past it, it is no passing shortage: the journal keeps the letter for the next life */
static_assert(filing_heap_bytes >= UINT64_C(4) * http_body_bytes_max + 4096 + booking_json_bytes_max); /* retell_facts_bytes_max(): the largest letter finds room, or it would wait for ever */

/* -- what the letter says -- */

enum call_happening filing_happening(const struct retell_event *e)
{
    switch (e->kind) {
    case RETELL_CALL_STARTED:       return CALL_IT_STARTED;
    case RETELL_CALL_ENDED:         return CALL_IT_ENDED;
    case RETELL_CALL_ANALYZED:      return CALL_IT_WAS_ANALYZED;
    case RETELL_TRANSFER_STARTED:
    case RETELL_TRANSFER_BRIDGED:
    case RETELL_TRANSFER_CANCELLED:
    case RETELL_TRANSFER_ENDED:
    case RETELL_TRANSCRIPT_UPDATED:
    case RETELL_CHAT:
    case RETELL_UNKNOWN:            return CALL_SOMETHING_ELSE;
    }
    ensure(false);
}

/* As DB_FILE_CALL_EVENT counts them. */
static int64_t statement_kind(const struct retell_event *e)
{
    enum call_happening h = filing_happening(e);
    return h == CALL_SOMETHING_ELSE ? 3 : (int64_t)h;
}

/* Ours is the number that was called; when we call out, it is the one that calls. The other one is the caller's, or the customer's. */
static void read_numbers(struct filing *f)
{
    const struct retell_event *e = f->mail->event;
    bool outbound = slice_equal(e->direction, slice_of("outbound"));
    if (!e164_parse(outbound ? e->from_number : e->to_number, &f->called)) f->called = (struct e164){};
    if (!e164_parse(outbound ? e->to_number : e->from_number, &f->caller)) f->caller = (struct e164){};
}

/* The tenant that an earlier message of the call has named: its number may have moved since, and a message may come without (a transfer names only the call). */
static const struct branch *branch_of(const struct filing *f)
{
    const struct tenant_snapshot *t = f->desk->config.directory->current;
    if (!t) return nullptr;
    const struct branch *known = f->call->branch_id ? tenant_branch_by_id(t, f->call->branch_id) : nullptr;
    if (known || !f->called.text[0]) return known;
    return tenant_find_branch(t, f->call->workspace_id, &f->called);
}

/* -- statements -- */

static void answered(struct steady_unit *u)
{
    struct filing *f = container_of(u, struct filing, steady);
    f->leave = f->leave || u->given_up;
    shard_make_ready(f->desk->shard, &f->task);
}

static struct db_unit *statement(struct filing *f, enum db_statement s)
{
    struct db_unit *u = &f->steady.unit;
    db_unit_release(u);
    db_unit_begin(u, (struct db_tenant){ .company_id = f->call->company_id, .workspace_id = f->call->workspace_id });
    db_unit_call(u, s);
    return u;
}

static void ask(struct filing *f) { steady_submit(&f->steady, f->desk->shard, f->desk->config.pool, answered); }

static struct slice call_id_of(const struct filing *f) { return slice_from_text(f->call->id.text); }

/* What belongs to no call of a tenant is kept all the same. */
static void keep(struct filing *f, struct slice outcome, struct slice reason)
{
    const struct retell_event *e = f->mail->event;
    struct db_unit *u = statement(f, DB_KEEP_WEBHOOK);
    db_add_integer(u, f->call->workspace_id);
    if (f->call->company_id) db_add_integer(u, f->call->company_id); else db_add_null(u);
    db_add_text(u, slice_of("retell"));
    db_add_text(u, e->name);
    db_add_text(u, call_id_of(f));
    db_add_text(u, f->mail->dedupe);
    db_add_integer(u, f->mail->received_at_us);
    db_add_text(u, f->mail->correlation_id);
    db_add_text(u, outcome);
    db_add_text(u, reason);
    db_add_text(u, e->body);
    ask(f);
}

static void keep_unrouted(struct filing *f)
{
    bool chat = f->mail->event->kind == RETELL_CHAT;
    counter_add(chat ? &f->desk->counters.kept : &f->desk->counters.unrouted, 1);
    if (!chat)
        log_event(LOG_WARNING, "unknown_number", log_integer("workspace", f->call->workspace_id), log_text("call", call_id_of(f)), log_text("webhook", f->mail->event->name),
                  log_cstring("number", f->called.text[0] ? "not_provisioned" : "missing"));
    keep(f, chat ? slice_of("kept") : slice_of("unrouted"), chat ? slice_of("chat") : slice_of("unknown_number"));
}

static void file(struct filing *f)
{
    const struct retell_event *e = f->mail->event;
    struct db_unit *u = statement(f, DB_FILE_CALL_EVENT);
    db_add_integer(u, f->call->company_id);
    db_add_integer(u, f->call->branch_id);
    db_add_integer(u, f->call->workspace_id);
    db_add_text(u, call_id_of(f));
    db_add_text(u, e->name);
    db_add_integer(u, statement_kind(e));
    db_add_text(u, f->mail->dedupe);
    db_add_integer(u, f->mail->received_at_us);
    db_add_text(u, f->mail->correlation_id);
    db_add_text(u, e->body);
    db_add_text(u, f->facts);
    db_add_text(u, f->caller.text[0] ? e164_slice(&f->caller) : slice_absent);
    db_add_text(u, e->transcript);
    ask(f);
}

/* -- room for the facts -- */

static void room_may_be_there(struct timer *t)
{
    struct filing *f = container_of(t, struct filing, timer);
    f->waiting = false;
    shard_make_ready(f->desk->shard, &f->task);
}

static void wait_for_room(struct filing *f)
{
    f->waiting = true;
    timer_start(&f->desk->shard->timers, &f->timer, f->desk->shard->now_us + room_retry_us, room_may_be_there);
}

static bool take_room(struct filing *f)
{
    f->room_bytes = retell_facts_bytes_max(f->mail->event);
    f->room = heap_acquire(&f->desk->heap, f->room_bytes);
    if (!f->room) wait_for_room(f);
    return f->room != nullptr;
}

void filing_give_room_back(struct filing *f)
{
    heap_release(&f->desk->heap, f->room, f->room_bytes);
    f->room = nullptr;
    f->room_bytes = 0;
}

/* Into the filing's own memory: those of nearly every letter fit, for no transcript is among them. Longer ones get as much as they can need at most.
 * False: there is none at the moment. */
static bool write_facts(struct filing *f)
{
    struct buffer json = buffer_over(f->short_facts, sizeof f->short_facts);
    retell_event_facts(f->mail->event, &json);
    if (json.overflowed) {
        if (!take_room(f)) return false;
        json = buffer_over(f->room, f->room_bytes);
        retell_event_facts(f->mail->event, &json);
        ensure(!json.overflowed); /* retell_facts_bytes_max() is always enough */
    }
    f->facts = buffer_slice(&json);
    return true;
}

/* -- what PostgreSQL said -- */

/* False: PostgreSQL refuses this letter for good. */
static bool read_filed(struct filing *f)
{
    const struct db_unit *u = &f->steady.unit;
    if (u->outcome != DB_OK || db_row_count(u, 0) != 1) return false;

    bool is_new = db_boolean(u, 0, 0, 0);
    counter_add(is_new ? &f->desk->counters.filed : &f->desk->counters.duplicates, 1);
    f->call->row = db_integer(u, 0, 0, 1);
    f->call->customer_id = db_integer(u, 0, 0, 2);
    struct slice facts = db_text(u, 0, 0, 3);
    bool has_intent = db_boolean(u, 0, 0, 4);
    f->is_closed = db_boolean(u, 0, 0, 5);
    f->booking_facts_bytes = has_intent || facts.length > sizeof f->booking_facts ? 0 : facts.length; /* longer than any honest one: nothing is booked from it */
    if (f->booking_facts_bytes) memcpy(f->booking_facts, facts.start, f->booking_facts_bytes);
    return true;
}

static void note_poison(struct filing *f)
{
    counter_add(&f->desk->counters.poisoned, 1);
    log_event(LOG_ERROR, "webhook_refused_by_database", log_integer("workspace", f->call->workspace_id), log_text("call", call_id_of(f)),
              log_cstring("sqlstate", f->steady.unit.sqlstate), log_cstring("constraint", f->steady.unit.constraint));
}

/* -- what is to be booked -- */

static void refuse(struct filing *f, const char *reason)
{
    f->decision.wish = AFTER_CALL_IMPOSSIBLE;
    f->decision.reason = f->reason = reason;
}

/* What is missing at the end of a call may come with its analysis; what is missing then is missing. */
static void wait_for_analysis(struct filing *f)
{
    bool may_come = f->call->state == CALL_ENDED;
    f->call->undecided = may_come;
    if (may_come) f->decision.wish = AFTER_CALL_NOTHING;
    else refuse(f, f->decision.reason);
}

static void put_into_words(struct filing *f, const struct branch *b, const struct booking_facts *facts)
{
    struct booking_person person = { f->call->company_id, f->call->workspace_id, f->call->customer_id, call_id_of(f), &f->caller };
    booking_request_name(&f->request, &person);
    bool writable = f->decision.wish != AFTER_CALL_BOOK || booking_request_write(&f->request, &person, b, facts, &f->decision);
    if (!writable) refuse(f, "name_too_long");
    booking_request_explain(&f->request, b, facts, &f->decision);
}

static bool decide_from(struct filing *f, const struct branch *b, const struct booking_facts *facts)
{
    struct call_desk *d = f->desk;
    const struct time_zone *zone;
    if (zones_get(&d->zones, b->time_zone, &zone) == ZONE_NO_MEMORY) return false;
    f->decision = after_call_decide(d->config.directory->current, b, facts, zone, d->shard->wall_us, f->choice);
    f->call->undecided = false;
    if (f->decision.wish == AFTER_CALL_INCOMPLETE) wait_for_analysis(f);
    if (f->decision.wish != AFTER_CALL_NOTHING) put_into_words(f, b, facts);
    f->reason = f->decision.reason;
    return true;
}

/* Only the end of a call and its analysis decide. f->decision's pointers are good for this turn. False: there is no memory for it at the moment. */
static bool find_decision(struct filing *f)
{
    f->decision = (struct after_call){ .wish = AFTER_CALL_NOTHING };
    const struct tenant_snapshot *t = f->desk->config.directory->current;
    const struct branch *branch = t ? tenant_branch_by_id(t, f->call->branch_id) : nullptr;
    bool decides = filing_happening(f->mail->event) == CALL_IT_ENDED || filing_happening(f->mail->event) == CALL_IT_WAS_ANALYZED;
    if (!decides || f->booking_facts_bytes == 0 || !branch) return true;

    struct heap heap;
    heap_init(&heap, 256 * 1024);
    struct json_error error;
    char memory[BOOKING_MEMORY_BYTES];
    struct buffer numbers = buffer_over(memory, sizeof memory);
    struct booking_facts facts;
    struct json_document *d = json_parse(slice_from(f->booking_facts, f->booking_facts_bytes), &heap, &error);
    if (!d) return false; /* PostgreSQL wrote them, so they are JSON */
    booking_facts_read(&facts, &(struct booking_sources){ .custom_analysis = json_root(d) }, &numbers);
    bool found = decide_from(f, branch, &facts);
    json_release(d, &heap);
    return found;
}

/* False: not now. What was agreed is neither refused nor forgotten because memory is short for a moment. */
static bool decide(struct filing *f)
{
    if (find_decision(f)) return true;
    bool is_passing = ++f->tries < decision_tries_max;
    if (!is_passing) log_event(LOG_ERROR, "booking_not_decided", log_integer("company", f->call->company_id), log_text("call", call_id_of(f)));
    f->leave = !is_passing || f->desk->draining;
    if (!f->leave) wait_for_room(f);
    return false;
}

static void write_intent(struct filing *f)
{
    const struct after_call *a = &f->decision;
    if (f->choice == 0) counter_add(&f->desk->counters.bookings_wanted, 1);
    struct db_unit *u = statement(f, DB_WRITE_INTENT);
    db_add_integer(u, f->call->company_id);
    db_add_integer(u, f->call->branch_id);
    db_add_integer(u, f->call->row);
    db_add_integer(u, f->call->customer_id);
    db_add_text(u, slice_from_text(f->request.operation_key));
    db_add_text(u, slice_from_text(f->request.reference));
    db_add_integer(u, a->service->id);
    if (a->staff) db_add_integer(u, a->staff->id); else db_add_null(u);
    db_add_text(u, slice_from_text(f->request.calendar));
    db_add_integer(u, a->calcom_event_type_id);
    db_add_integer(u, a->starts_at_us);
    db_add_integer(u, a->ends_at_us);
    db_add_integer(u, a->busy_from_us);
    db_add_integer(u, a->busy_until_us);
    db_add_text(u, slice_from_text(f->request.attendee));
    db_add_text(u, slice_from_text(f->request.payload));
    db_add_integer(u, f->desk->shard->wall_us);
    ask(f);
}

/* The exclusion constraint has judged: somebody has that time. Another staff member may be free, where none was asked for. */
static bool slot_is_taken(const struct filing *f)
{
    return f->steady.unit.outcome == DB_CONFLICT && strcmp(f->steady.unit.constraint, "busy_ranges_no_overlap") == 0;
}

/* False: there is no intent, and what to do instead is to be decided, or is f->decision. */
static bool hand_over(struct filing *f)
{
    const struct db_unit *u = &f->steady.unit;
    if (slot_is_taken(f)) {
        f->choice += 1;
        return false;
    }
    if (u->outcome != DB_OK || db_row_count(u, 0) != 1) { /* a service or a staff member that is gone by now, or our bug: people book it */
        note_poison(f);
        refuse(f, "refused_by_database");
        return false;
    }
    if (db_boolean(u, 0, 0, 2)) counter_add(&f->desk->counters.intents_written, 1);
    booking_hand_over(f->desk->config.bookings, f->call->company_id, db_integer(u, 0, 0, 0));
    return true;
}

static void refuse_operation(struct filing *f)
{
    counter_add(&f->desk->counters.bookings_impossible, 1);
    log_event(LOG_WARNING, "booking_impossible", log_cstring("reason", f->reason), log_integer("company", f->call->company_id), log_integer("branch", f->call->branch_id),
              log_text("call", call_id_of(f)));
    struct db_unit *u = statement(f, DB_REFUSE_OPERATION);
    db_add_integer(u, f->call->company_id);
    db_add_integer(u, f->call->branch_id);
    db_add_integer(u, f->call->row);
    db_add_integer(u, f->call->customer_id);
    db_add_text(u, slice_from_text(f->request.operation_key));
    db_add_text(u, slice_from_text(f->reason));
    db_add_text(u, f->request.details[0] ? slice_from_text(f->request.details) : slice_of("{}"));
    db_add_integer(u, f->desk->shard->wall_us);
    ask(f);
}

/* -- the flows -- */

/* Which tenant this is. False: none, and none is guessed. */
static bool find_tenant(struct filing *f)
{
    read_numbers(f);
    const struct branch *b = f->mail->event->kind == RETELL_CHAT ? nullptr : branch_of(f);
    if (!b) return false;
    f->call->company_id = b->company->id;
    f->call->branch_id = b->id;
    return true;
}

/* Time is up: the analysis that was to complete a booking did not come, or the end did not. */
static void give_up_analysis(struct filing *f)
{
    f->call->undecided = false;
    f->reason = "analysis_never_came";
    booking_request_name(&f->request, &(struct booking_person){ f->call->company_id, f->call->workspace_id, f->call->customer_id, call_id_of(f), &f->caller });
    refuse_operation(f);
}

static void close_call(struct filing *f)
{
    counter_add(&f->desk->counters.closed_unknown, 1);
    log_event(LOG_WARNING, "call_end_never_came", log_integer("company", f->call->company_id), log_text("call", call_id_of(f)));
    struct db_unit *u = statement(f, DB_CLOSE_CALL);
    db_add_integer(u, f->call->company_id);
    db_add_text(u, call_id_of(f));
    db_add_integer(u, f->desk->shard->wall_us);
    db_add_text(u, slice_of("ended_unknown"));
    ask(f);
}

static enum flow_status kept(struct filing *f)
{
    bool taken = f->steady.unit.outcome == DB_OK;
    if (!taken && !f->leave) note_poison(f);
    f->kept = taken;
    f->leave = f->leave || !taken;
    return FLOW_DONE;
}

enum flow_status filing_run(struct filing *f)
{
    FLOW_BEGIN(f, FILING_START);

    if (!f->mail) {
        if (f->call->undecided) {
            give_up_analysis(f);
            AWAIT(f, FILING_ANALYSIS_GIVEN_UP, !f->steady.running);
        } else if (f->call->state == CALL_LOST && f->call->company_id) {
            close_call(f);
            AWAIT(f, FILING_CALL_CLOSED, !f->steady.running);
        }
        if (!f->leave && f->steady.unit.outcome != DB_OK) note_poison(f);
        return FLOW_DONE;
    }

    if (find_tenant(f)) {
        while (!write_facts(f)) {
            AWAIT(f, FILING_ROOM_FOUND, !f->waiting);
            if (f->leave) return FLOW_DONE;
        }
        file(f);
        AWAIT(f, FILING_FILED, !f->steady.running);
        filing_give_room_back(f);
        if (f->leave) return FLOW_DONE;

        if (read_filed(f)) {
            do {
                while (!decide(f)) {
                    AWAIT(f, FILING_MEMORY_FOUND, !f->waiting);
                    if (f->leave) return FLOW_DONE;
                }
                if (f->decision.wish != AFTER_CALL_BOOK) break;
                write_intent(f);
                AWAIT(f, FILING_INTENT_WRITTEN, !f->steady.running);
                if (f->leave || hand_over(f)) return FLOW_DONE;
            } while (f->decision.wish == AFTER_CALL_BOOK);
            if (f->decision.wish != AFTER_CALL_IMPOSSIBLE) return FLOW_DONE;
            refuse_operation(f);
            AWAIT(f, FILING_OPERATION_REFUSED, !f->steady.running);
            if (f->leave || f->steady.unit.outcome == DB_OK) return FLOW_DONE;
        }
        note_poison(f);
        keep(f, slice_of("quarantined"), slice_of("refused_by_database"));
    } else {
        keep_unrouted(f);
    }
    AWAIT(f, FILING_KEPT, !f->steady.running);
    return kept(f);

    FLOW_END(f);
}
