/* What a letter to a call promises: it is settled when everything it asks for is in PostgreSQL, or it is still in the journal; one bad letter stops nothing;
 * and what was agreed on the phone ends as an intent or as a task, whatever comes late, twice or never. The desk, the flow and the decision are real. */
#include "tests/unit/call/played.h"

#include "call/call.h"
#include "tests/unit/call/tenants.h"

constexpr int64_t workspace_id = 4;
static const uint64_t minute_us = 60'000'000;

/* -- PostgreSQL -- */

static struct {
    enum db_outcome file, keep, write, refuse, close, open; /* what it says to each */
    const char *conflict_of[4];                    /* calendars that are taken; "*": all */
    char        facts[1024];                       /* of the merged call */
    bool        has_intent, is_closed;
    uint32_t    filed, kept, intents, refused, closed;
    size_t      told_bytes;                        /* facts of the last letter */
    char        events[8][32], kept_as[16], calendar[48], reason[64], operation_key[64];
    int64_t     open_since_us;                     /* of an open call of an earlier life; 0: none */
    uint32_t    open_more;                         /* of the same minutes, seven hundred in each */
    bool        open_is_undecided;
    uint32_t    pages;                             /* that were asked for */
} db;

static enum db_outcome file_event(const struct db_unit *u, struct played_row *a)
{
    assert_int_equal(u->tenant.company_id, 3);
    if (db.file != DB_OK) return db.file;
    text_of(u, 4, db.events[db.filed % 8], sizeof db.events[0]);
    struct slice facts = u->calls[0].parameters[10].text;
    assert_true(facts.length >= 2 && facts.start[0] == '{' && facts.start[facts.length - 1] == '}');
    db.told_bytes = facts.length;
    db.filed += 1;
    give_integer(a, 1); /* is_new, call, customer, booking facts, has_intent, is_closed */
    give_integer(a, 101);
    give_integer(a, 17);
    give_text(a, db.facts);
    give_integer(a, db.has_intent);
    give_integer(a, db.is_closed);
    return DB_OK;
}

static enum db_outcome write_intent(struct db_unit *u, struct played_row *a)
{
    if (db.write != DB_OK) return db.write;
    text_of(u, 8, db.calendar, sizeof db.calendar);
    for (size_t n = 0; n < 4; n++) {
        if (!db.conflict_of[n] || (strcmp(db.conflict_of[n], "*") != 0 && strcmp(db.conflict_of[n], db.calendar) != 0)) continue;
        strcpy(u->constraint, "busy_ranges_no_overlap");
        return DB_CONFLICT;
    }
    db.intents += 1;
    db.has_intent = true;
    give_integer(a, 77);
    give_text(a, "written");
    give_integer(a, 1);
    return DB_OK;
}

static enum db_outcome refuse_operation(const struct db_unit *u, struct played_row *a)
{
    if (db.refuse != DB_OK) return db.refuse;
    text_of(u, 4, db.operation_key, sizeof db.operation_key);
    text_of(u, 5, db.reason, sizeof db.reason);
    db.refused += 1;
    db.has_intent = true;
    give_integer(a, 1);
    return DB_OK;
}

static enum db_outcome keep_webhook(const struct db_unit *u, struct played_row *a)
{
    if (db.keep != DB_OK) return db.keep;
    text_of(u, 8, db.kept_as, sizeof db.kept_as);
    db.kept += 1;
    give_integer(a, 1);
    return DB_OK;
}

static void give_open_call(struct played_row *a, int64_t seen_at_us, uint32_t n)
{
    char id[32];
    snprintf(id, sizeof id, n > 0 ? "call_old_%u" : "call_old", n);
    give_integer(a, 3);
    give_integer(a, 21);
    give_integer(a, workspace_id);
    give_text(a, id);
    give_integer(a, db.open_since_us);
    give_integer(a, 101 + n);
    give_integer(a, 17);
    give_integer(a, seen_at_us);
}

static enum db_outcome page_of_calls(const struct db_unit *u, struct played_row *a)
{
    int64_t after_us = integer_of(u, 0), after_call = integer_of(u, 1), given = 0;
    assert_int_equal(integer_of(u, 2), calls_restored_per_page);
    db.pages += 1;
    if (db.open != DB_OK || db.open_is_undecided != (statement_of(u) == DB_UNDECIDED_CALLS) || !db.open_since_us) return db.open;
    for (uint32_t n = 0; n <= db.open_more && given < calls_restored_per_page; n++) {
        int64_t seen_at_us = db.open_since_us + n / 700 * (int64_t)minute_us;
        if (seen_at_us < after_us || (seen_at_us == after_us && 101 + n <= after_call)) continue;
        if (given++ > 0) a = next_row(a);
        give_open_call(a, seen_at_us, n);
    }
    return DB_OK;
}

static enum db_outcome play_statement(struct db_unit *u, struct played_row *a)
{
    enum db_statement s = statement_of(u);
    if (s == DB_FILE_CALL_EVENT) return file_event(u, a);
    if (s == DB_WRITE_INTENT) return write_intent(u, a);
    if (s == DB_REFUSE_OPERATION) return refuse_operation(u, a);
    if (s == DB_KEEP_WEBHOOK) return keep_webhook(u, a);
    if (s == DB_OPEN_CALLS || s == DB_UNDECIDED_CALLS) return page_of_calls(u, a);
    assert_int_equal(s, DB_CLOSE_CALL);
    if (db.close != DB_OK) return db.close;
    db.closed += 1;
    give_integer(a, 1);
    return DB_OK;
}

static int64_t handed_over;
void booking_hand_over(struct booking_desk *, int64_t company_id, int64_t intent_id)
{
    assert_int_equal(company_id, 3);
    handed_over = intent_id;
}

/* -- time zones: there is one -- */

static enum zone_outcome zone_is;
static uint32_t zones_wanted;

enum zone_outcome zones_get(struct zones *z, struct slice name, const struct time_zone **zone)
{
    zones_wanted += 1;
    if (zone_is == ZONE_FOUND && z->count == 0) z->entries[z->count++].zone = time_zone_open(name);
    *zone = zone_is == ZONE_FOUND ? z->entries[0].zone : nullptr;
    return zone_is;
}

void zones_close(struct zones *z)
{
    if (z->count > 0) time_zone_close(z->entries[0].zone);
}

/* -- letters -- */

enum { LETTERS = 400 };
static struct letter { struct call_mail mail; struct retell_event event; char body[6 * 1024]; bool is_out; enum mail_end end; } letters[LETTERS];
static uint32_t letter_count;
static struct heap bodies;
static struct call_desk *desk;
static uint32_t calls_of_desk;
static struct tenant_directory directory = { .current = &salon };

static void settled(struct call_mail *m, enum mail_end end)
{
    struct letter *l = container_of(m, struct letter, mail);
    assert_true(l->is_out); /* once */
    l->is_out = false;
    l->end = end;
}

[[gnu::format(printf, 1, 2)]] static struct letter *write_body(const char *format, ...)
{
    assert_true(letter_count < LETTERS);
    struct letter *l = &letters[letter_count++];
    va_list values;
    va_start(values, format);
    vsnprintf(l->body, sizeof l->body, format, values);
    va_end(values);
    assert_int_equal(retell_event_decode(&l->event, slice_from_text(l->body), &bodies), RETELL_UNDERSTOOD);
    l->mail = (struct call_mail){ .event = &l->event, .dedupe = slice_of(""), .correlation_id = slice_of("c0"), .workspace_id = workspace_id, .received_at_us = shard.wall_us, .done = settled };
    return l;
}

static struct letter *write_letter(const char *event, const char *call_id, const char *to)
{
    return write_body("{\"event\":\"%s\",\"call\":{\"call_id\":\"%s\",\"to_number\":\"%s\",\"from_number\":\"+491701234567\"}}", event, call_id, to);
}

/* Its facts are longer than what a filing has room for. */
static struct letter *write_long_letter(const char *call_id)
{
    return write_body("{\"event\":\"call_started\",\"call\":{\"call_id\":\"%s\",\"to_number\":\"+493012345678\",\"metadata\":{\"note\":\"%05000d\"}}}", call_id, 1);
}

static struct hash128 key_of(const struct letter *l) { return call_key(workspace_id, l->event.call_id); }
static bool admit(const struct letter *l) { return call_admit(desk, key_of(l), workspace_id, l->event.call_id); }

static void post(struct letter *l)
{
    l->is_out = true;
    call_post(desk, key_of(l), &l->mail);
}

static void play(void)
{
    for (int n = 0; n < 10'000 && is_busy(); n++) play_turn();
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

static struct letter *tell(const char *event)
{
    struct letter *l = write_letter(event, "call_1", "+493012345678");
    assert_true(admit(l));
    post(l);
    play();
    return l;
}

static uint32_t active(void) { return (uint32_t)gauge_read(&call_desk_counters(desk)->active); }

/* -- a life -- */

static void open_desk(uint32_t filings, uint64_t heap_bytes)
{
    desk = call_desk_open(&(struct call_desk_config){ .shard = &shard, .directory = &directory, .calls_max = calls_of_desk, .filings_max = filings, .heap_bytes = heap_bytes,
                                                      .longest_call_us = 120 * minute_us, .end_grace_us = 10 * minute_us });
}

static int set_up(void **)
{
    play_shard();
    play_database();
    memset(&db, 0, sizeof db);
    heap_init(&bodies, 1 << 20);
    letter_count = 0;
    handed_over = 0;
    directory.current = &salon;
    calls_of_desk = 8;
    zone_is = ZONE_FOUND;
    zones_wanted = 0;
    open_desk(4, 64 * 1024);
    return 0;
}

static void drain(void)
{
    shard.stopping = true;
    call_desk_drain(desk);
    play_for(minute_us);
    assert_int_equal(shard.holds, 0);
}

static int tear_down(void **)
{
    if (!shard.stopping) drain();
    call_desk_close(desk);
    for (uint32_t n = 0; n < letter_count; n++) {
        assert_false(letters[n].is_out);
        retell_event_release(&letters[n].event, &bodies);
    }
    return 0;
}

static void open_desk_anew(uint32_t filings, uint64_t heap_bytes)
{
    drain();
    call_desk_close(desk);
    shard.stopping = false;
    open_desk(filings, heap_bytes);
}

static void agree(const char *date)
{
    snprintf(db.facts, sizeof db.facts, "{\"booking_confirmed\":true,\"uhrzeit\":\"10:30\",\"name\":\"Zoe\",\"dienstleistung\":\"Haarschnitt\"%s%s%s}",
             *date ? ",\"datum\":\"" : "", date, *date ? "\"" : "");
}

static void expect_end(const struct letter *l, enum mail_end end)
{
    assert_false(l->is_out);
    assert_int_equal(l->end, end);
}

/* -- filing -- */

static void a_letter_is_settled_when_it_is_filed(void **)
{
    expect_end(tell("call_started"), MAIL_FILED);
    assert_int_equal(db.filed, 1);
    assert_int_equal(db.intents + db.refused + db.kept, 0);
}

static void letters_of_a_call_are_filed_one_by_one_in_their_order(void **)
{
    static const char *const events[] = { "call_started", "transcript_updated", "call_ended", "call_analyzed" };
    struct letter *sent[4];
    for (int n = 0; n < 4; n++) {
        sent[n] = write_letter(events[n], "call_1", "+493012345678");
        assert_true(admit(sent[n]));
        post(sent[n]);
        assert_int_equal(call_desk_filing(desk), 1);
    }
    play();
    for (int n = 0; n < 4; n++) {
        assert_string_equal(db.events[n], events[n]);
        expect_end(sent[n], MAIL_FILED);
    }
}

/* PostgreSQL refuses to file under another company what is filed under this one: nothing of the rest of the call would be booked. */
static void a_call_stays_with_its_tenant_when_its_number_moves(void **)
{
    struct company other = { .id = 5, .key = slice_of("bad") };
    struct branch branches[] = { salon_branches[0], salon_branches[1], { .id = 61, .company = &other, .key = slice_of("bad/ulm") } };
    struct phone_number number = salon_numbers[0];
    number.branch = &branches[2];
    struct tenant_snapshot moved = salon;
    moved.branches = branches;
    moved.branch_count = 3;
    moved.numbers = &number;

    expect_end(tell("call_started"), MAIL_FILED);
    directory.current = &moved;
    expect_end(tell("call_ended"), MAIL_FILED);
    assert_int_equal(db.filed, 2);
    directory.current = &salon;
}

static void an_outage_is_waited_out(void **)
{
    database_is_up = false;
    struct letter *l = tell("call_started");
    play_for(120 * minute_us);
    assert_true(l->is_out);
    database_is_up = true;
    play_for(minute_us);
    expect_end(l, MAIL_FILED);
}

static void a_database_that_is_busy_is_asked_again(void **)
{
    db.file = DB_TRY_AGAIN;
    struct letter *l = tell("call_started");
    play_for(minute_us);
    assert_true(l->is_out);
    db.file = DB_OK;
    play_for(minute_us);
    expect_end(l, MAIL_FILED);
}

static void what_postgresql_refuses_is_quarantined_and_stops_nothing(void **)
{
    db.file = DB_REJECTED;
    expect_end(tell("call_started"), MAIL_KEPT);
    assert_string_equal(db.kept_as, "quarantined");
    db.file = DB_OK;
    expect_end(tell("call_ended"), MAIL_FILED);
}

static void what_postgresql_takes_in_no_form_stays_in_the_journal(void **)
{
    db.file = db.keep = DB_REJECTED;
    expect_end(tell("call_started"), MAIL_LEFT);
    assert_int_equal(counter_read(&call_desk_counters(desk)->poisoned), 2);
}

static void an_unknown_number_has_no_tenant_and_is_kept(void **)
{
    struct letter *l = write_letter("call_started", "call_2", "+493099999999");
    assert_true(admit(l));
    post(l);
    play();
    expect_end(l, MAIL_KEPT);
    assert_string_equal(db.kept_as, "unrouted");
    assert_int_equal(db.filed, 0);
}

static void a_chat_is_kept_and_is_no_unknown_number(void **)
{
    struct letter *l = write_body("{\"event\":\"chat_ended\",\"chat\":{\"chat_id\":\"chat_1\"}}");
    assert_true(admit(l));
    post(l);
    play();
    expect_end(l, MAIL_KEPT);
    assert_string_equal(db.kept_as, "kept");
    assert_int_equal(counter_read(&call_desk_counters(desk)->unrouted), 0);
    assert_int_equal(counter_read(&call_desk_counters(desk)->kept), 1);
    play_for(2 * minute_us);
    assert_int_equal(active(), 0); /* no end will come for which its place would have to wait */
}

/* -- booking -- */

static void what_was_agreed_becomes_an_intent_and_is_handed_over(void **)
{
    agree("2026-03-12");
    tell("call_started");
    assert_int_equal(db.intents, 0); /* only the end of a call decides */
    expect_end(tell("call_ended"), MAIL_FILED);
    assert_int_equal(db.intents, 1);
    assert_int_equal(handed_over, 77);
    tell("call_analyzed");
    assert_int_equal(db.intents, 1);
}

static void a_taken_slot_goes_to_the_next_of_the_staff(void **)
{
    agree("2026-03-12");
    db.conflict_of[0] = "user:901";
    expect_end(tell("call_ended"), MAIL_FILED);
    assert_string_equal(db.calendar, "user:902");
    assert_int_equal(handed_over, 77);
}

static void a_slot_that_nobody_has_is_a_task(void **)
{
    agree("2026-03-12");
    db.conflict_of[0] = "*";
    expect_end(tell("call_ended"), MAIL_FILED);
    assert_string_equal(db.reason, "slot_taken");
    assert_string_equal(db.operation_key, "after_call:call_1");
    assert_int_equal(handed_over, 0);
}

static void an_intent_that_postgresql_refuses_is_a_task(void **)
{
    agree("2026-03-12");
    db.write = DB_REJECTED;
    expect_end(tell("call_ended"), MAIL_FILED);
    assert_string_equal(db.reason, "refused_by_database");
    assert_int_equal(db.refused, 1);
}

/* Only the exclusion constraint says that somebody else has that time. */
static void a_conflict_that_is_not_about_the_time_is_a_task(void **)
{
    agree("2026-03-12");
    db.write = DB_CONFLICT;
    expect_end(tell("call_ended"), MAIL_FILED);
    assert_string_equal(db.reason, "refused_by_database");
}

static void a_name_that_cal_com_could_not_take_is_a_task(void **)
{
    char name[221] = {};
    memset(name, 'z', sizeof name - 1);
    snprintf(db.facts, sizeof db.facts, "{\"booking_confirmed\":true,\"datum\":\"2026-03-12\",\"uhrzeit\":\"10:30\",\"name\":\"%s\",\"dienstleistung\":\"Haarschnitt\"}", name);
    expect_end(tell("call_ended"), MAIL_FILED);
    assert_string_equal(db.reason, "name_too_long");
    assert_int_equal(db.intents, 0);
}

static void a_task_that_postgresql_refuses_is_quarantined(void **)
{
    agree("2026-03-12");
    db.write = db.refuse = DB_REJECTED;
    expect_end(tell("call_ended"), MAIL_KEPT);
    assert_string_equal(db.kept_as, "quarantined");
}

static void an_outage_between_the_call_and_its_intent_loses_neither(void **)
{
    agree("2026-03-12");
    db.write = DB_TRY_AGAIN;
    struct letter *l = tell("call_ended");
    database_is_up = false;
    play_for(30 * minute_us);
    assert_true(l->is_out);
    database_is_up = true;
    db.write = DB_OK;
    play_for(minute_us);
    expect_end(l, MAIL_FILED);
    assert_int_equal(db.intents, 1);
}

/* -- what is missing at the end -- */

static void the_analysis_may_bring_what_is_missing_minutes_later(void **)
{
    agree("");
    tell("call_ended");
    play_for(9 * minute_us);
    assert_int_equal(db.refused, 0);
    agree("2026-03-12");
    tell("call_analyzed");
    assert_int_equal(db.intents, 1);
    assert_int_equal(handed_over, 77);
}

static void what_is_missing_then_is_a_task(void **)
{
    agree("");
    tell("call_ended");
    tell("call_analyzed");
    assert_string_equal(db.reason, "missing_date");
}

static void an_analysis_that_never_comes_leaves_a_task(void **)
{
    agree("");
    tell("call_ended");
    play_for(11 * minute_us);
    assert_string_equal(db.reason, "analysis_never_came");
    assert_int_equal(active(), 0);
}

static void the_task_is_not_lost_when_everything_is_busy(void **)
{
    open_desk_anew(1, 64 * 1024);
    agree("");
    tell("call_ended");
    db.file = DB_TRY_AGAIN; /* another call takes the only filing */
    struct letter *other = write_letter("call_started", "call_2", "+493012345678");
    assert_true(admit(other));
    post(other);
    play_for(30 * minute_us);
    assert_int_equal(db.refused, 0);
    db.file = DB_OK;
    play_for(minute_us);
    assert_string_equal(db.reason, "analysis_never_came");
}

/* -- deadlines -- */

/* It is said, and the call does not come back to it: the sweep of open calls does. */
static void an_end_that_postgresql_does_not_take_is_counted(void **)
{
    tell("call_started");
    db.close = DB_REJECTED;
    play_for(200 * minute_us);
    assert_int_equal(counter_read(&call_desk_counters(desk)->poisoned), 1);
    assert_int_equal(active(), 0);
}

static void a_call_whose_end_never_comes_is_closed(void **)
{
    tell("call_started");
    play_for(129 * minute_us);
    assert_int_equal(db.closed, 0);
    play_for(2 * minute_us);
    assert_int_equal(db.closed, 1);
    play_for(minute_us);
    assert_int_equal(active(), 0);
}

static void an_analysis_long_after_the_end_waits_for_no_other_end(void **)
{
    tell("call_ended");
    play_for(2 * minute_us);
    assert_int_equal(active(), 0);
    db.is_closed = true;
    tell("call_analyzed");
    assert_int_equal(active(), 1); /* for repeats */
    play_for(minute_us);
    assert_int_equal(active(), 0);
    assert_int_equal(db.closed, 0);
}

static void a_deadline_that_has_passed_does_not_judge_the_next_state(void **)
{
    tell("call_started");
    play_for(129 * minute_us + 59 * played_second_us);
    agree("");
    db.file = DB_TRY_AGAIN; /* the end is being filed while the deadline passes */
    struct letter *end = write_letter("call_ended", "call_1", "+493012345678"), *more = write_letter("transcript_updated", "call_1", "+493012345678");
    assert_true(admit(more) && admit(end));
    post(more);
    post(end);
    play_for(2 * minute_us);
    db.file = DB_OK;
    play_for(5 * minute_us);
    expect_end(end, MAIL_FILED);
    assert_int_equal(db.refused, 0);
    assert_int_equal(db.closed, 0);
}

static void a_call_that_is_promised_a_letter_stays_until_it_comes(void **)
{
    tell("call_ended");
    struct letter *l = write_letter("call_analyzed", "call_1", "+493012345678");
    assert_true(admit(l));
    play_for(120 * minute_us); /* the disk takes its time */
    post(l);
    play();
    expect_end(l, MAIL_FILED);
}

static void a_letter_that_does_not_come_after_all_holds_nothing(void **)
{
    struct letter *l = write_letter("call_started", "call_1", "+493012345678");
    assert_true(admit(l));
    assert_int_equal(active(), 1);
    call_dismiss(desk, key_of(l));
    assert_int_equal(active(), 0);

    tell("call_ended");
    assert_true(admit(l));
    play_for(5 * minute_us);
    assert_int_equal(active(), 1);
    call_dismiss(desk, key_of(l));
    play();
    assert_int_equal(active(), 0);
}

static void an_open_call_of_an_earlier_life_is_closed_in_its_time(void **)
{
    db.open_since_us = shard.wall_us - 100 * (int64_t)minute_us;
    call_restore_start(desk);
    play_for(29 * minute_us);
    assert_int_equal(db.closed, 0);
    db.open_since_us = 0;
    play_for(2 * minute_us);
    assert_int_equal(db.closed, 1);
}

static uint32_t taken_over(void) { return (uint32_t)counter_read(&call_desk_counters(desk)->restored); }

static void leave_open(uint32_t calls)
{
    calls_of_desk = 2'000;
    open_desk_anew(4, 64 * 1024);
    db.open_since_us = shard.wall_us - 10 * (int64_t)minute_us;
    db.open_more = calls - 1;
}

static void open_calls_are_taken_over_page_by_page_and_asked_for_anew_in_ten_minutes(void **)
{
    leave_open(1'500);
    call_restore_start(desk);
    play_for(minute_us);
    assert_int_equal(taken_over(), 1'500);
    assert_int_equal(db.pages, 3 + 1); /* the undecided are none */
    db.open_more += 36; /* the last page is full */
    play_for(8 * minute_us);
    assert_int_equal(taken_over(), 1'500);
    play_for(2 * minute_us);
    assert_int_equal(taken_over(), 3 * calls_restored_per_page);
    assert_int_equal(db.pages, (3 + 1) + (4 + 1)); /* that a full page was the last one is not known before */
}

static void undecided_calls_are_taken_over_page_by_page(void **)
{
    leave_open(2 * calls_restored_per_page);
    db.open_is_undecided = true;
    call_restore_start(desk);
    play_for(minute_us);
    assert_int_equal(taken_over(), 2 * calls_restored_per_page);
    assert_int_equal(db.pages, 1 + 3);
    db.open_since_us = 0;
}

static void an_outage_between_two_pages_loses_none(void **)
{
    leave_open(1'500);
    call_restore_start(desk);
    play_turn();
    assert_int_equal(taken_over(), calls_restored_per_page);
    database_is_up = false;
    play_for(minute_us);
    assert_int_equal(taken_over(), calls_restored_per_page);
    database_is_up = true;
    play_for(minute_us);
    assert_int_equal(taken_over(), 1'500);
}

static void a_drain_between_two_pages_asks_for_no_more(void **)
{
    leave_open(1'500);
    call_restore_start(desk);
    play_turn();
    call_desk_drain(desk); /* the second page is on its way */
    play_for(minute_us);
    assert_int_equal(taken_over(), calls_restored_per_page);
    assert_int_equal(db.pages, 2);
}

static void what_has_been_undecided_for_a_month_is_not_taken_over(void **)
{
    constexpr int64_t day_us = INT64_C(86'400'000'000);
    db.open_is_undecided = true;
    db.open_since_us = shard.wall_us - 31 * day_us;
    call_restore_start(desk);
    play();
    assert_int_equal(taken_over(), 0);
    db.open_since_us = shard.wall_us - 29 * day_us;
    play_for(11 * minute_us);
    assert_int_equal(taken_over(), 1);
    db.open_since_us = 0;
}

static void an_open_call_that_is_overdue_is_closed_at_once(void **)
{
    db.open_since_us = shard.wall_us - 300 * (int64_t)minute_us;
    call_restore_start(desk);
    play_for(minute_us);
    assert_int_equal(db.closed, 1);
}

static void open_calls_of_other_shards_or_known_already_are_not_taken_over(void **)
{
    db.open_since_us = shard.wall_us - 10 * (int64_t)minute_us;
    played_home = 1;
    call_restore_start(desk);
    play();
    assert_int_equal(active(), 0);
    played_home = 0;
    play_for(11 * minute_us); /* it is asked again */
    assert_int_equal(counter_read(&call_desk_counters(desk)->restored), 1);
    play_for(11 * minute_us);
    assert_int_equal(counter_read(&call_desk_counters(desk)->restored), 1);
    db.open_since_us = 0;
}

static void open_calls_that_find_no_room_or_no_answer_are_asked_for_again(void **)
{
    database_is_up = true;
    db.open_since_us = shard.wall_us - 10 * (int64_t)minute_us;
    db.open = DB_REJECTED;
    call_restore_start(desk);
    play();
    assert_int_equal(active(), 0);
    db.open = DB_OK;
    const struct letter *promised = write_letter("call_started", "call_9", "+493012345678");
    for (int n = 0; n < 8; n++) {
        char id[16];
        snprintf(id, sizeof id, "call_%d", n + 10);
        assert_true(admit(write_letter("call_started", id, "+493012345678")));
    }
    assert_false(admit(promised));
    play_for(11 * minute_us);
    assert_int_equal(counter_read(&call_desk_counters(desk)->restored), 0);
    for (int n = 0; n < 8; n++) call_dismiss(desk, key_of(&letters[letter_count - 8 + (uint32_t)n]));
    play_for(11 * minute_us);
    assert_int_equal(counter_read(&call_desk_counters(desk)->restored), 1);
    db.open_since_us = 0;
}

static void what_an_earlier_life_left_undecided_is_waited_for_and_then_a_task(void **)
{
    db.open_since_us = shard.wall_us - 100 * (int64_t)minute_us;
    db.open_is_undecided = true;
    call_restore_start(desk);
    play_for(9 * minute_us);
    assert_int_equal(db.refused, 0);
    db.open_since_us = 0;
    play_for(2 * minute_us);
    assert_string_equal(db.reason, "analysis_never_came");
    assert_string_equal(db.operation_key, "after_call:call_old");
}

/* -- limits and the end -- */

/* Two letters of two calls, and memory for the facts of one. The first is being filed, and the database is away. */
static struct letter *second_without_room(struct letter **first)
{
    struct letter *second = write_long_letter("call_2");
    open_desk_anew(4, retell_facts_bytes_max(&second->event));
    database_is_up = false;
    *first = write_long_letter("call_1");
    assert_true(admit(*first));
    post(*first);
    play();
    assert_true(admit(second));
    post(second);
    play();
    assert_int_equal(call_desk_filing(desk), 2);
    assert_int_equal(waiters.count, 1); /* the second has asked nothing yet */
    return second;
}

static void short_facts_need_no_memory(void **)
{
    open_desk_anew(4, 0);
    expect_end(tell("call_started"), MAIL_FILED);
    expect_end(tell("call_ended"), MAIL_FILED);
}

static void a_letter_that_finds_no_room_for_its_facts_is_filed_when_there_is_some(void **)
{
    struct letter *first, *second = second_without_room(&first);
    play_for(played_second_us);
    assert_true(first->is_out && second->is_out);
    database_is_up = true;
    play_for(played_second_us);
    expect_end(first, MAIL_FILED);
    expect_end(second, MAIL_FILED);
    assert_int_equal(db.filed, 2);
    assert_true(db.told_bytes > 5'000);
}

static void a_drain_leaves_a_letter_that_waits_for_room_to_the_journal(void **)
{
    struct letter *first, *second = second_without_room(&first);
    drain();
    expect_end(first, MAIL_LEFT);
    expect_end(second, MAIL_LEFT);
    assert_int_equal(counter_read(&call_desk_counters(desk)->poisoned), 0);
}

static void a_full_mailbox_and_a_full_desk_refuse(void **)
{
    database_is_up = false;
    struct letter *l = write_letter("transcript_updated", "call_1", "+493012345678");
    for (uint32_t n = 0; n < call_mailbox_max; n++) assert_true(admit(l));
    assert_false(admit(l)); /* what is promised counts */
    for (uint32_t n = 0; n < call_mailbox_max; n++) call_dismiss(desk, key_of(l));
    for (int n = 0; n < 8; n++) {
        char id[16];
        snprintf(id, sizeof id, "call_%d", n + 10);
        assert_true(admit(write_letter("call_started", id, "+493012345678")));
    }
    assert_false(admit(write_letter("call_started", "call_99", "+493012345678")));
    assert_int_equal(counter_read(&call_desk_counters(desk)->calls_full), 1);
}

static void a_drain_without_a_database_leaves_every_letter_to_the_journal(void **)
{
    database_is_up = false;
    struct letter *first = tell("call_started"), *second = tell("call_ended");
    drain();
    expect_end(first, MAIL_LEFT);
    expect_end(second, MAIL_LEFT);
}

static void a_drain_whose_database_goes_away_ends_all_the_same(void **)
{
    struct letter *l = write_letter("call_started", "call_1", "+493012345678");
    assert_true(admit(l));
    post(l);
    run_ready();
    assert_int_equal(asked.count, 1);
    shard.stopping = true;
    call_desk_drain(desk); /* the statement is on its way: it waits */
    database_is_up = false;
    play_for(minute_us);
    assert_int_equal(shard.holds, 0);
    expect_end(l, MAIL_LEFT);
    assert_int_equal(counter_read(&call_desk_counters(desk)->poisoned), 0);
}

/* One filing for two calls, and the database is away. */
static void two_calls_for_one_filing(struct letter *sent[3])
{
    open_desk_anew(1, 64 * 1024);
    database_is_up = false;
    sent[0] = tell("call_started");
    sent[1] = tell("call_ended");
    sent[2] = write_letter("call_started", "call_2", "+493012345678");
    assert_true(admit(sent[2]));
    post(sent[2]);
    play();
    assert_int_equal(call_desk_filing(desk), 1);
}

static void a_call_that_finds_no_filing_waits_in_line(void **)
{
    struct letter *sent[3];
    two_calls_for_one_filing(sent);
    database_is_up = true;
    play();
    for (int n = 0; n < 3; n++) expect_end(sent[n], MAIL_FILED);
    assert_int_equal(db.filed, 3);
}

static void a_drain_lets_go_of_the_line_and_of_the_letters_behind_the_first(void **)
{
    struct letter *sent[3];
    two_calls_for_one_filing(sent);
    drain();
    for (int n = 0; n < 3; n++) expect_end(sent[n], MAIL_LEFT);
}

static void a_drain_between_a_call_and_its_intent_leaves_the_letter_to_the_journal(void **)
{
    agree("2026-03-12");
    db.write = DB_TRY_AGAIN;
    struct letter *l = tell("call_ended");
    assert_true(l->is_out);
    drain();
    expect_end(l, MAIL_LEFT);
    assert_int_equal(db.refused, 0);
}

static void a_drain_between_a_decision_and_its_task_leaves_the_letter_to_the_journal(void **)
{
    agree("2026-03-01"); /* past */
    db.refuse = DB_TRY_AGAIN;
    struct letter *l = tell("call_ended");
    assert_true(l->is_out);
    drain();
    expect_end(l, MAIL_LEFT);
    assert_int_equal(db.kept, 0);
}

static void a_zone_that_finds_no_memory_is_tried_again_and_nothing_is_refused(void **)
{
    agree("2026-03-12");
    zone_is = ZONE_NO_MEMORY;
    struct letter *l = tell("call_ended");
    play_for(played_second_us);
    assert_true(l->is_out);
    assert_in_range(zones_wanted, 10, 60);
    zone_is = ZONE_FOUND;
    play_for(played_second_us);
    expect_end(l, MAIL_FILED);
    assert_int_equal(handed_over, 77);
    assert_int_equal(db.refused, 0);
}

static void a_zone_that_finds_no_memory_when_the_slot_was_taken_is_tried_again(void **)
{
    agree("2026-03-12");
    db.conflict_of[0] = "user:901";
    db.write = DB_TRY_AGAIN;
    struct letter *l = tell("call_ended");
    assert_true(l->is_out);
    zone_is = ZONE_NO_MEMORY;
    db.write = DB_OK;
    play_for(played_second_us);
    assert_true(l->is_out);
    assert_int_equal(db.intents + db.refused, 0);
    zone_is = ZONE_FOUND;
    play_for(played_second_us);
    expect_end(l, MAIL_FILED);
    assert_int_equal(db.intents, 1);
}

static void a_zone_that_is_unknown_is_a_task_at_once(void **)
{
    agree("2026-03-12");
    zone_is = ZONE_UNKNOWN;
    expect_end(tell("call_ended"), MAIL_FILED);
    assert_string_equal(db.reason, "unknown_time_zone");
    assert_int_equal(zones_wanted, 1);
}

static void a_letter_that_nobody_can_decide_for_a_minute_is_left_to_the_journal(void **)
{
    agree("2026-03-12");
    zone_is = ZONE_NO_MEMORY;
    struct letter *l = tell("call_ended");
    play_for(2 * minute_us);
    expect_end(l, MAIL_LEFT);
    assert_int_equal(db.refused + db.intents, 0);
    zone_is = ZONE_FOUND;
    expect_end(tell("call_analyzed"), MAIL_FILED); /* it stops nothing */
    assert_int_equal(db.intents, 1);
}

static void a_drain_waits_for_no_memory_to_decide(void **)
{
    agree("2026-03-12");
    zone_is = ZONE_NO_MEMORY;
    struct letter *waits = tell("call_ended"), *is_filed = write_letter("call_ended", "call_2", "+493012345678");
    assert_true(waits->is_out);
    assert_true(admit(is_filed));
    post(is_filed);
    run_ready(); /* its statement is on its way */
    uint64_t began_us = shard.now_us;
    shard.stopping = true;
    call_desk_drain(desk);
    play();
    assert_int_equal(shard.now_us, began_us);
    assert_int_equal(shard.holds, 0);
    expect_end(waits, MAIL_LEFT);
    expect_end(is_filed, MAIL_LEFT);
}

static void a_letter_that_comes_while_draining_is_left(void **)
{
    struct letter *l = write_letter("call_started", "call_1", "+493012345678");
    assert_true(admit(l));
    drain();
    post(l);
    expect_end(l, MAIL_LEFT);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_letter_is_settled_when_it_is_filed),
        TEST(letters_of_a_call_are_filed_one_by_one_in_their_order),
        TEST(a_call_stays_with_its_tenant_when_its_number_moves),
        TEST(an_outage_is_waited_out),
        TEST(a_database_that_is_busy_is_asked_again),
        TEST(what_postgresql_refuses_is_quarantined_and_stops_nothing),
        TEST(what_postgresql_takes_in_no_form_stays_in_the_journal),
        TEST(an_unknown_number_has_no_tenant_and_is_kept),
        TEST(a_chat_is_kept_and_is_no_unknown_number),
        TEST(what_was_agreed_becomes_an_intent_and_is_handed_over),
        TEST(a_taken_slot_goes_to_the_next_of_the_staff),
        TEST(a_slot_that_nobody_has_is_a_task),
        TEST(an_intent_that_postgresql_refuses_is_a_task),
        TEST(a_conflict_that_is_not_about_the_time_is_a_task),
        TEST(a_name_that_cal_com_could_not_take_is_a_task),
        TEST(a_task_that_postgresql_refuses_is_quarantined),
        TEST(an_outage_between_the_call_and_its_intent_loses_neither),
        TEST(the_analysis_may_bring_what_is_missing_minutes_later),
        TEST(what_is_missing_then_is_a_task),
        TEST(an_analysis_that_never_comes_leaves_a_task),
        TEST(the_task_is_not_lost_when_everything_is_busy),
        TEST(a_call_whose_end_never_comes_is_closed),
        TEST(an_analysis_long_after_the_end_waits_for_no_other_end),
        TEST(an_end_that_postgresql_does_not_take_is_counted),
        TEST(a_deadline_that_has_passed_does_not_judge_the_next_state),
        TEST(a_call_that_is_promised_a_letter_stays_until_it_comes),
        TEST(a_letter_that_does_not_come_after_all_holds_nothing),
        TEST(an_open_call_of_an_earlier_life_is_closed_in_its_time),
        TEST(open_calls_are_taken_over_page_by_page_and_asked_for_anew_in_ten_minutes),
        TEST(undecided_calls_are_taken_over_page_by_page),
        TEST(an_outage_between_two_pages_loses_none),
        TEST(a_drain_between_two_pages_asks_for_no_more),
        TEST(what_has_been_undecided_for_a_month_is_not_taken_over),
        TEST(an_open_call_that_is_overdue_is_closed_at_once),
        TEST(open_calls_of_other_shards_or_known_already_are_not_taken_over),
        TEST(open_calls_that_find_no_room_or_no_answer_are_asked_for_again),
        TEST(what_an_earlier_life_left_undecided_is_waited_for_and_then_a_task),
        TEST(a_full_mailbox_and_a_full_desk_refuse),
        TEST(short_facts_need_no_memory),
        TEST(a_letter_that_finds_no_room_for_its_facts_is_filed_when_there_is_some),
        TEST(a_drain_leaves_a_letter_that_waits_for_room_to_the_journal),
        TEST(a_drain_without_a_database_leaves_every_letter_to_the_journal),
        TEST(a_drain_whose_database_goes_away_ends_all_the_same),
        TEST(a_call_that_finds_no_filing_waits_in_line),
        TEST(a_drain_lets_go_of_the_line_and_of_the_letters_behind_the_first),
        TEST(a_drain_between_a_call_and_its_intent_leaves_the_letter_to_the_journal),
        TEST(a_drain_between_a_decision_and_its_task_leaves_the_letter_to_the_journal),
        TEST(a_zone_that_finds_no_memory_is_tried_again_and_nothing_is_refused),
        TEST(a_zone_that_finds_no_memory_when_the_slot_was_taken_is_tried_again),
        TEST(a_zone_that_is_unknown_is_a_task_at_once),
        TEST(a_letter_that_nobody_can_decide_for_a_minute_is_left_to_the_journal),
        TEST(a_drain_waits_for_no_memory_to_decide),
        TEST(a_letter_that_comes_while_draining_is_left),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
