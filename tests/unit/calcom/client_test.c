/* What the client promises about one attempt: what is known of it, no more; and that it asks neither a sick provider nor a strict one too often.
 *
 * The transport and the shard's clock are played here, so that a minute passes in no time; client_loopback_test.c has the real ones. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>
#include "calcom/calcom.h"

static const uint64_t second_us = 1'000'000;
static const int64_t  start_us = INT64_C(1'773'151'200'000'000); /* 2026-03-10T14:00:00Z */

/* -- the played shard and transport -- */

enum { CALLS_MAX = 512, BODY_BYTES_MAX = 64 * 1024 };
static struct shard       shard;
static struct http_call  *under_way[CALLS_MAX];
static uint32_t           under_way_count, sent_count, cancelled_count, released_count;
static char               targets[CALLS_MAX][CALCOM_TARGET_BYTES_MAX];
static struct http_header answer_headers[4];
static uint32_t           answer_header_count;

struct shard *shard_here(void) { return &shard; }
void shard_make_ready(struct shard *s, struct task *t)
{
    if (!list_node_is_linked(&t->node)) list_push_back(&s->ready, &t->node);
}

static char client; /* http_client is opaque: its address is enough */
struct http_client_config http_client_config_default(void) { return (struct http_client_config){ .connections_max = 1 }; }
struct http_client *http_client_open(struct shard *, const struct http_client_config *) { return (struct http_client *)&client; }
void http_client_close(struct http_client *) {}
bool http_origin_parse(struct slice url, struct http_origin *o) { return *o = (struct http_origin){ .port = 80 }, slice_starts_with(url, slice_of("http://")); }
void http_call_start(struct http_client *, struct http_call *call)
{
    assert_true(under_way_count < CALLS_MAX);
    call->running = true;
    call->started_at_us = shard.now_us;
    snprintf(targets[sent_count % CALLS_MAX], sizeof targets[0], SLICE_FORMAT, slice_print(call->target));
    under_way[under_way_count++] = call;
    sent_count += 1;
}
void http_call_cancel(struct http_call *call) { cancelled_count += call->running; } /* done follows by end_call() */
void http_call_release(struct http_call *) { released_count += 1; }
struct slice http_call_header(const struct http_call *c, struct slice name)
{
    for (uint32_t n = 0; n < c->answer_header_count; n++)
        if (slice_equal_ignoring_case(c->answer_headers[n].name, name)) return c->answer_headers[n].value;
    return slice_absent;
}

/* -- the world of one test -- */

static struct calcom_account *account;
static struct calcom_op       op, ops[CALLS_MAX];
static uint32_t               done_count;

static void done(struct calcom_op *o)
{
    assert_false(o->running);
    done_count += 1;
}

static const struct credential credential = { .company_id = 3, .base_url = slice_of("http://cal.test/v2"), .api_key = slice_of("cal_live_x"),
                                              .bookings_version = slice_of("2026-02-25") };

static struct calcom_find wanted(void)
{
    return (struct calcom_find){ .event_type_id = 987, .starts_at_us = start_us, .ends_at_us = start_us + 1'800'000'000, .created_after_us = start_us - 3'600'000'000,
                                 .attendee_email = slice_of("zoe@example.com"), .reference = slice_of("t42-0001") };
}

static int open_unheard(void **)
{
    memset(&op, 0, sizeof op);
    memset(ops, 0, sizeof ops);
    shard = (struct shard){ .now_us = 1'000 * second_us, .wall_us = start_us };
    list_init(&shard.ready);
    timer_wheel_init(&shard.timers, shard.now_us);
    under_way_count = sent_count = cancelled_count = released_count = done_count = answer_header_count = 0;
    struct calcom_config config = calcom_config_default();
    account = calcom_account_open(&shard, &credential, &config);
    assert_non_null(account);
    return 0;
}

/* As nearly always: Cal.com has answered before, and did not speak of limits. */
static int set_up(void **state)
{
    int failed = open_unheard(state);
    budget_learn(calcom_account_budget(account), BUDGET_UNTOLD, 0);
    return failed;
}

static int tear_down(void **)
{
    calcom_account_close(account);
    return 0;
}

static void run_ready(void)
{
    while (!list_is_empty(&shard.ready)) {
        struct task *t = container_of(list_pop_front(&shard.ready), struct task, node);
        t->run(t);
    }
}

static void pass(uint64_t us)
{
    shard.now_us += us;
    (void)timer_wheel_advance(&shard.timers, shard.now_us);
    run_ready();
}

/* The oldest call under way comes to its end. */
static void end_call(enum http_outcome outcome, bool maybe_sent, uint16_t status, struct slice body)
{
    assert_true(under_way_count > 0);
    struct http_call *call = under_way[0];
    memmove(under_way, under_way + 1, --under_way_count * sizeof *under_way);
    call->running = false;
    call->outcome = outcome;
    call->maybe_sent = maybe_sent;
    call->status = status;
    call->answer = body;
    call->answered_at_us = shard.now_us;
    call->answer_header_count = answer_header_count;
    memcpy(call->answer_headers, answer_headers, sizeof answer_headers);
    call->done(call);
    run_ready();
}

static void answer(uint16_t status, const char *body) { end_call(HTTP_ANSWERED, true, status, slice_from_text(body)); }

static void create(struct calcom_op *o) { calcom_create_booking(account, o, slice_of("{\"start\":\"x\"}"), done); }

static void expect(const struct calcom_op *o, enum calcom_outcome outcome)
{
    assert_false(o->running);
    assert_string_equal(calcom_outcome_name(o->outcome), calcom_outcome_name(outcome));
    assert_non_null(o->message);
}

static const char booking[] = "{\"status\":\"success\",\"data\":{\"uid\":\"7kYb\",\"id\":1,\"start\":\"2026-03-10T14:00:00Z\",\"end\":\"2026-03-10T14:30:00Z\","
                              "\"status\":\"accepted\",\"eventTypeId\":987,\"metadata\":{\"engineRef\":\"t42-0001\"}}}";

/* -- one attempt -- */

static void a_create_is_sent_once_with_its_exact_bytes(void **)
{
    create(&op);
    assert_int_equal(under_way_count, 1);
    const struct http_call *call = under_way[0];
    assert_int_equal(call->method, HTTP_POST);
    assert_string_equal(targets[0], "/bookings");
    assert_true(slice_equal(call->body, slice_of("{\"start\":\"x\"}")));
    assert_int_equal(call->deadline_us, shard.now_us + 45 * second_us);
    assert_int_equal(call->header_count, 5);
    assert_true(slice_equal(call->headers[0].name, slice_of("cal-api-version")) && slice_equal(call->headers[0].value, slice_of("2026-02-25")));
    assert_true(slice_equal(call->headers[1].name, slice_of("Authorization")) && slice_equal(call->headers[1].value, slice_of("Bearer cal_live_x")));
    answer(201, booking);
    expect(&op, CALCOM_OK);
    assert_string_equal(op.bookings[0].uid, "7kYb");
    assert_string_equal(op.message, "");
    assert_int_equal(sent_count, 1);
    assert_int_equal(released_count, 1);
}

static void every_resource_has_its_own_version(void **)
{
    struct calcom_event_type e;
    calcom_list_slots(account, &op, 987, start_us, start_us + 1, slice_absent, done);
    assert_int_equal(under_way[0]->header_count, 4); /* no body, no Content-Type */
    assert_true(slice_equal(under_way[0]->headers[0].value, slice_of("2024-09-04")));
    assert_int_equal(under_way[0]->deadline_us, shard.now_us + 10 * second_us);
    answer(200, "{\"status\":\"success\",\"data\":{\"d\":[\"2026-03-10T14:00:00Z\"]}}");
    expect(&op, CALCOM_OK);
    assert_int_equal(op.slot_count, 1);

    calcom_get_event_type(account, &op, 987, &e, done);
    assert_true(slice_equal(under_way[0]->headers[0].value, slice_of("2024-06-14")));
    answer(200, "{\"status\":\"success\",\"data\":{\"id\":987,\"lengthInMinutes\":30}}");
    assert_int_equal(e.length_minutes, 30);

    calcom_get_me(account, &op, done);
    assert_true(slice_equal(under_way[0]->headers[0].name, slice_of("Authorization")));
    answer(200, "{\"status\":\"success\",\"data\":{\"id\":42}}");
    expect(&op, CALCOM_OK);
}

/* What doctor has found to be wrong, and somebody has mended, holds at once. */
static void other_versions_of_the_same_key_are_taken_by_an_account_in_use(void **)
{
    struct credential other = credential;
    other.bookings_version = slice_of("2024-08-13");
    other.slots_version = slice_of("2030-01-01");
    create(&op); /* still waits for its connection */
    assert_true(calcom_account_renew(account, &other));
    assert_true(slice_equal(under_way[0]->headers[0].value, slice_of("2024-08-13")));
    assert_true(slice_equal(under_way[0]->headers[1].value, slice_of("Bearer cal_live_x")));
    answer(201, booking);

    other.slots_version = slice_of("2024 or so");
    assert_false(calcom_account_renew(account, &other));
    calcom_list_slots(account, &op, 987, start_us, start_us + 1, slice_absent, done);
    assert_true(slice_equal(under_way[0]->headers[0].value, slice_of("2030-01-01")));
    answer(200, "{\"status\":\"success\",\"data\":{}}");
}

static void only_what_left_no_byte_there_did_not_happen(void **)
{
    static const struct { enum http_outcome http; bool maybe_sent; enum calcom_outcome outcome; } rows[] = {
        { HTTP_NOT_CONNECTED, false, CALCOM_NOT_SENT }, { HTTP_NOT_TRUSTED, false, CALCOM_NOT_SENT }, { HTTP_TIMED_OUT, false, CALCOM_NOT_SENT },
        { HTTP_BROKEN, false, CALCOM_NOT_SENT },        { HTTP_GIVEN_UP, false, CALCOM_NOT_SENT },    { HTTP_TIMED_OUT, true, CALCOM_UNKNOWN },
        { HTTP_BROKEN, true, CALCOM_UNKNOWN },          { HTTP_TOO_LARGE, true, CALCOM_UNKNOWN },     { HTTP_GIVEN_UP, true, CALCOM_UNKNOWN },
    };
    for (size_t n = 0; n < sizeof rows / sizeof *rows; n++) {
        create(&op);
        end_call(rows[n].http, rows[n].maybe_sent, 0, slice_absent);
        expect(&op, rows[n].outcome);
        assert_int_equal(op.status, 0);
        calcom_account_reset_breaker(account);
    }
}

static void answers_mean_what_the_table_says(void **)
{
    static const struct { uint16_t status; const char *body; enum calcom_outcome outcome; enum calcom_refusal refusal; } rows[] = {
        { 201, "", CALCOM_UNKNOWN, CALCOM_REFUSAL_NONE },
        { 201, "{\"status\":\"success\",\"data\":null}", CALCOM_UNKNOWN, CALCOM_REFUSAL_NONE },
        { 204, "", CALCOM_UNKNOWN, CALCOM_REFUSAL_NONE },
        { 302, "", CALCOM_UNKNOWN, CALCOM_REFUSAL_NONE },
        { 400, "{\"error\":{\"message\":\"User either already has booking at this time or is not available\"}}", CALCOM_UNKNOWN, CALCOM_REFUSAL_BUSY },
        { 400, "{\"error\":{\"message\":\"Attempting to book a meeting in the past.\"}}", CALCOM_REFUSED, CALCOM_REFUSAL_PAST },
        { 401, "", CALCOM_UNAUTHORIZED, CALCOM_REFUSAL_NONE },
        { 404, "{\"error\":{\"message\":\"Event type with id 987 not found.\"}}", CALCOM_REFUSED, CALCOM_REFUSAL_EVENT_TYPE },
        { 409, "{\"statusCode\":409,\"message\":\"booking_conflict_error\"}", CALCOM_UNKNOWN, CALCOM_REFUSAL_BUSY },
        { 502, "<html></html>", CALCOM_UNKNOWN, CALCOM_REFUSAL_NONE },
    };
    for (size_t n = 0; n < sizeof rows / sizeof *rows; n++) {
        create(&op);
        answer(rows[n].status, rows[n].body);
        expect(&op, rows[n].outcome);
        assert_string_equal(calcom_refusal_name(op.refusal), calcom_refusal_name(rows[n].refusal));
        assert_int_equal(op.status, rows[n].status);
        assert_int_equal(op.booking_count, 0);
    }
    assert_int_equal(released_count, sizeof rows / sizeof *rows);
}

static void a_cancelled_booking_is_a_success_in_both_ways_of_saying_so(void **)
{
    calcom_cancel_booking(account, &op, slice_of("7kYb"), slice_of("doubled"), done);
    assert_string_equal(targets[0], "/bookings/7kYb/cancel");
    assert_true(slice_equal(under_way[0]->body, slice_of("{\"cancellationReason\":\"doubled\"}")));
    answer(200, booking);
    expect(&op, CALCOM_OK);
    calcom_cancel_booking(account, &op, slice_of("7kYb"), slice_of("doubled"), done);
    answer(400, "{\"error\":{\"message\":\"Can't cancel booking with uid=7kYb because it has been cancelled already\"}}");
    expect(&op, CALCOM_OK);
    assert_string_equal(op.message, "");
}

/* -- look-ups -- */

static const char none[] = "{\"status\":\"success\",\"data\":[]}";

static void page_of(char *to, const char *uid, bool has_next)
{
    snprintf(to, 1024, "{\"status\":\"success\",\"data\":[{\"uid\":\"%s\",\"start\":\"2026-03-10T14:00:00Z\",\"end\":\"2026-03-10T14:30:00Z\",\"status\":\"accepted\","
             "\"metadata\":{\"engineRef\":\"%s\"}}],\"pagination\":{\"hasNextPage\":%s}}", uid, uid[0] == 'x' ? "foreign" : "t42-0001", has_next ? "true" : "false");
}

static void a_look_up_reads_all_pages_before_it_says_anything(void **)
{
    char page[1024];
    struct calcom_find f = wanted();
    calcom_find_booking(account, &op, &f, done);
    page_of(page, "x1", true);
    answer(200, page);
    assert_true(op.running);
    page_of(page, "a", true);
    answer(200, page);
    page_of(page, "x2", false);
    answer(200, page);
    expect(&op, CALCOM_OK);
    assert_int_equal(op.booking_count, 1);
    assert_non_null(strstr(targets[0], "attendeeEmail=zoe%40example.com"));
    assert_non_null(strstr(targets[1], "skip=1"));
    assert_non_null(strstr(targets[2], "skip=2"));
    assert_int_equal(sent_count, 3);
}

static void nothing_under_the_address_is_asked_again_without_it(void **)
{
    char page[1024];
    struct calcom_find f = wanted();
    calcom_find_booking(account, &op, &f, done);
    answer(200, none);
    assert_true(op.running);
    assert_null(strstr(targets[1], "attendeeEmail"));
    page_of(page, "a", false);
    answer(200, page);
    expect(&op, CALCOM_OK);
    assert_int_equal(op.booking_count, 1);

    calcom_find_booking(account, &op, &f, done);
    answer(200, none);
    answer(200, none);
    expect(&op, CALCOM_OK);
    assert_int_equal(op.booking_count, 0);
}

static void a_look_up_that_fails_on_any_page_knows_nothing(void **)
{
    char page[1024];
    struct calcom_find f = wanted();
    page_of(page, "x1", true);
    calcom_find_booking(account, &op, &f, done);
    answer(200, page);
    answer(503, "");
    expect(&op, CALCOM_UNKNOWN);
    calcom_find_booking(account, &op, &f, done);
    answer(200, page);
    answer(200, "{\"status\":\"success\",\"data\":[{}]}");
    expect(&op, CALCOM_UNKNOWN);

    calcom_find_booking(account, &op, &f, done); /* pages without end */
    for (int n = 0; n < CALCOM_PAGES_MAX; n++) answer(200, page);
    expect(&op, CALCOM_UNKNOWN);
}

static void a_look_up_that_was_given_up_asks_for_no_further_page(void **)
{
    char page[1024];
    struct calcom_find f = wanted();
    page_of(page, "a", true);
    calcom_find_booking(account, &op, &f, done);
    calcom_cancel_op(&op);
    answer(200, page); /* it had come already */
    expect(&op, CALCOM_NOT_SENT);
    assert_int_equal(sent_count, 1);
}

/* -- breaker -- */

static void the_fifth_failure_opens_the_breaker_and_two_successes_close_it(void **)
{
    for (int n = 0; n < 5; n++) {
        create(&op);
        answer(503, "");
        expect(&op, CALCOM_UNKNOWN);
    }
    uint64_t opened_at_us = shard.now_us;
    assert_int_equal(calcom_account_breaker(account)->state, BREAKER_OPEN);
    create(&op);
    assert_true(op.running); /* done is never called from within */
    run_ready();
    expect(&op, CALCOM_NOT_SENT);
    assert_int_equal(op.retry_at_us, opened_at_us + 60 * second_us);
    assert_int_equal(sent_count, 5);

    pass(60 * second_us);
    for (int n = 0; n < 3; n++) create(&ops[n]);
    run_ready();
    expect(&ops[2], CALCOM_NOT_SENT); /* two probes at once */
    assert_int_equal(ops[2].retry_at_us, shard.now_us + second_us);
    answer(201, booking);
    assert_int_equal(calcom_account_breaker(account)->state, BREAKER_HALF_OPEN);
    answer(400, ""); /* a lawful no shows that it is well */
    assert_int_equal(calcom_account_breaker(account)->state, BREAKER_CLOSED);
    assert_int_equal(counter_read(&calcom_counters(account)->breaker_refused), 2);
}

static void what_we_gave_up_says_nothing_about_them(void **)
{
    for (int n = 0; n < 10; n++) {
        create(&op);
        calcom_cancel_op(&op);
        calcom_cancel_op(&op);
        assert_true(op.running);
        end_call(HTTP_GIVEN_UP, true, 0, slice_absent);
        expect(&op, CALCOM_UNKNOWN);
    }
    assert_int_equal(calcom_account_breaker(account)->state, BREAKER_CLOSED);
    assert_int_equal(done_count, 10);
    assert_int_equal(cancelled_count, 10);
}

static void a_refusal_or_429_is_no_failure_of_theirs(void **)
{
    static const uint16_t statuses[] = { 400, 401, 404, 409, 422 };
    for (int n = 0; n < 50; n++) {
        create(&op);
        answer(statuses[n % 5], "");
    }
    assert_int_equal(calcom_account_breaker(account)->state, BREAKER_CLOSED);
}

/* -- budget -- */

static void a_429_stops_the_account_until_it_says(void **)
{
    answer_headers[0] = (struct http_header){ slice_of("x-ratelimit-reset-default"), slice_of("42") };
    answer_header_count = 1;
    create(&op);
    answer(429, "");
    expect(&op, CALCOM_THROTTLED);
    uint64_t until_us = shard.now_us + 42 * second_us;
    assert_int_equal(op.retry_at_us, until_us);

    calcom_get_booking(account, &op, slice_of("7kYb"), done);
    run_ready();
    expect(&op, CALCOM_NOT_SENT);
    assert_int_equal(op.retry_at_us, until_us);
    assert_int_equal(sent_count, 1);

    pass(40 * second_us);
    create(&op); /* a booking waits out what is left */
    assert_int_equal(sent_count, 1);
    pass(2 * second_us + 2'000);
    assert_int_equal(sent_count, 2);
    answer_header_count = 0;
    answer(201, booking);
    expect(&op, CALCOM_OK);
    assert_int_equal(counter_read(&calcom_counters(account)->budget_waited), 1);
}

static void the_last_one_allowed_is_believed_without_a_429(void **)
{
    answer_headers[0] = (struct http_header){ slice_of("X-RateLimit-Remaining-Default"), slice_of("0") };
    answer_headers[1] = (struct http_header){ slice_of("X-RateLimit-Reset-Default"), slice_of("30") };
    answer_header_count = 2;
    create(&op);
    answer(201, booking);
    expect(&op, CALCOM_OK);
    calcom_get_me(account, &op, done);
    run_ready();
    expect(&op, CALCOM_NOT_SENT);
    assert_int_equal(op.retry_at_us, shard.now_us + 35 * second_us); /* counted over 65 s */
}

static void say_left(const char *remaining, const char *reset)
{
    answer_headers[0] = (struct http_header){ slice_of("X-RateLimit-Remaining-Default"), slice_from_text(remaining) };
    answer_headers[1] = (struct http_header){ slice_of("X-RateLimit-Reset-Default"), slice_from_text(reset) };
    answer_header_count = 2;
}

static void every_answer_tells_what_the_key_has_left_whoever_used_it(void **)
{
    say_left("30", "30");
    calcom_get_booking(account, &op, slice_of("7kYb"), done);
    answer(200, booking);
    assert_int_equal(budget_left(calcom_account_budget(account), shard.now_us), 20);
    say_left("20", "30");
    calcom_get_booking(account, &op, slice_of("7kYb"), done);
    answer(503, "");
    assert_int_equal(budget_left(calcom_account_budget(account), shard.now_us), 10);
    say_left("3", "30");
    calcom_get_booking(account, &op, slice_of("7kYb"), done);
    answer(404, "");
    assert_int_equal(budget_left(calcom_account_budget(account), shard.now_us), 0);
    pass(36 * second_us);
    assert_int_equal(budget_left(calcom_account_budget(account), shard.now_us), 110 - 3);
}

static void absurd_words_about_what_is_left_change_nothing(void **)
{
    static const struct { const char *remaining, *reset; } rows[] = {
        { "-1", "30" }, { "", "30" }, { "none", "30" }, { "0", "-30" }, { "0", "" }, { "18446744073709551616", "30" }, { "4294967295", "30" }, { "1000000", "0" },
    };
    for (uint32_t n = 0; n < sizeof rows / sizeof *rows; n++) {
        say_left(rows[n].remaining, rows[n].reset);
        create(&op);
        answer(201, booking);
        expect(&op, CALCOM_OK);
        assert_int_equal(budget_left(calcom_account_budget(account), shard.now_us), 110 - 1 - n);
    }
}

/* The life before may have used the key's minute up: kill -9 forgets what was sent. */
static void one_asks_first_what_the_life_before_has_left(void **)
{
    for (int n = 0; n < 20; n++) create(&ops[n]);
    calcom_list_slots(account, &ops[20], 987, start_us, start_us + 1, slice_absent, done);
    run_ready();
    expect(&ops[20], CALCOM_NOT_SENT);
    assert_int_equal(sent_count, 1);
    pass(second_us + 2'000);
    assert_int_equal(sent_count, 1);
    say_left("36", "30");
    answer(201, booking);
    pass(second_us + 2'000);
    assert_int_equal(sent_count, 1 + 10); /* 26 for us, of which bookings leave 16 to look-ups */
    while (under_way_count > 0) answer(201, booking);
    pass(10 * second_us);
    for (int n = 0; n < 20; n++) assert_false(ops[n].running);
}

static void a_silent_cal_com_is_asked_again_after_a_while(void **)
{
    create(&ops[0]);
    pass(14 * second_us);
    create(&ops[1]);
    assert_int_equal(sent_count, 1);
    pass(1 * second_us + 2'000);
    assert_int_equal(sent_count, 2);
    while (under_way_count > 0) answer(201, booking);
}

static void a_proxy_that_knows_no_limits_does_not_speak_for_cal_com(void **)
{
    create(&ops[0]);
    answer(502, "<html></html>");
    create(&ops[1]);
    create(&ops[2]);
    assert_int_equal(sent_count, 2);
    end_call(HTTP_NOT_CONNECTED, false, 0, slice_absent);
    create(&ops[3]);
    assert_int_equal(sent_count, 3);
    answer(201, booking); /* no headers on limits: our own count is all there is */
    pass(second_us + 2'000);
    assert_int_equal(sent_count, 4);
    answer(201, booking);
}

static void checks_run_out_before_bookings_and_bookings_before_look_ups(void **)
{
    uint32_t checks = 0, creates = 0, gets = 0;
    for (uint32_t n = 0; n < 120; n++) {
        calcom_list_slots(account, &ops[n], 987, start_us, start_us + 1, slice_absent, done);
        run_ready();
        checks += ops[n].running;
        if (ops[n].running) answer(200, "{\"status\":\"success\",\"data\":{}}");
    }
    for (uint32_t n = 0; n < 120; n++, creates++) {
        create(&op);
        if (under_way_count == 0) break;
        answer(201, booking);
    }
    run_ready();
    expect(&op, CALCOM_NOT_SENT); /* room comes in a minute, and a booking waits for seconds */
    for (uint32_t n = 0; n < 120; n++, gets++) {
        calcom_get_booking(account, &op, slice_of("u"), done);
        if (under_way_count == 0) break;
        answer(200, booking);
    }
    run_ready();
    assert_true(checks >= 50 && creates >= 15 && gets >= 10);
    assert_int_equal(checks + creates + gets, 110);
}

static void a_check_is_told_at_once_what_a_look_up_waits_for(void **)
{
    uint64_t until_us = shard.now_us + 3 * second_us;
    budget_block(calcom_account_budget(account), until_us);
    calcom_get_booking(account, &ops[0], slice_of("7kYb"), done);
    calcom_list_slots(account, &ops[1], 987, start_us, start_us + 1, slice_absent, done);
    run_ready();
    assert_true(ops[0].running);
    expect(&ops[1], CALCOM_NOT_SENT);
    assert_int_equal(ops[1].retry_at_us, until_us);
    pass(3 * second_us + 2'000);
    answer(200, booking);
    expect(&ops[0], CALCOM_OK);
}

static void a_booking_that_is_given_up_while_it_waits_was_never_sent(void **)
{
    budget_block(calcom_account_budget(account), shard.now_us + 3 * second_us);
    create(&op);
    assert_true(timer_is_running(&op.timer));
    calcom_cancel_op(&op);
    assert_true(op.running);
    run_ready();
    expect(&op, CALCOM_NOT_SENT);
    pass(10 * second_us);
    assert_int_equal(sent_count, 0);
    assert_int_equal(done_count, 1);
}

static void waiting_gives_the_probe_of_a_half_open_breaker_back(void **)
{
    for (int n = 0; n < 5; n++) create(&op), answer(503, "");
    pass(60 * second_us);
    budget_block(calcom_account_budget(account), shard.now_us + 3 * second_us);
    for (int n = 0; n < 3; n++) create(&ops[n]);
    assert_int_equal(calcom_account_breaker(account)->probes, 0);
    pass(3 * second_us + 2'000);
    assert_int_equal(under_way_count, 2);
    answer(201, booking);
    answer(201, booking);
    assert_int_equal(calcom_account_breaker(account)->state, BREAKER_CLOSED);
}

static void a_credential_that_could_not_be_sent_opens_no_account(void **)
{
    struct calcom_config config = calcom_config_default();
    static const struct credential bad[] = {
        { .base_url = slice_of("ftp://x"), .api_key = slice_of("k") },
        { .base_url = slice_of("http://x"), .api_key = slice_of("") },
        { .base_url = slice_of("http://x"), .api_key = slice_of("k\r\nX-Evil: 1") },
        { .base_url = slice_of("http://x"), .api_key = slice_of("k"), .slots_version = slice_of("2024 09") },
    };
    for (size_t n = 0; n < sizeof bad / sizeof *bad; n++) assert_null(calcom_account_open(&shard, &bad[n], &config));
}

#define in_new_world(test) cmocka_unit_test_setup_teardown(test, open_unheard, tear_down)
#define in_world(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        in_world(a_create_is_sent_once_with_its_exact_bytes),
        in_world(every_resource_has_its_own_version),
        in_world(other_versions_of_the_same_key_are_taken_by_an_account_in_use),
        in_world(only_what_left_no_byte_there_did_not_happen),
        in_world(answers_mean_what_the_table_says),
        in_world(a_cancelled_booking_is_a_success_in_both_ways_of_saying_so),
        in_world(a_look_up_reads_all_pages_before_it_says_anything),
        in_world(nothing_under_the_address_is_asked_again_without_it),
        in_world(a_look_up_that_fails_on_any_page_knows_nothing),
        in_world(a_look_up_that_was_given_up_asks_for_no_further_page),
        in_world(the_fifth_failure_opens_the_breaker_and_two_successes_close_it),
        in_world(what_we_gave_up_says_nothing_about_them),
        in_world(a_refusal_or_429_is_no_failure_of_theirs),
        in_world(a_429_stops_the_account_until_it_says),
        in_world(the_last_one_allowed_is_believed_without_a_429),
        in_world(every_answer_tells_what_the_key_has_left_whoever_used_it),
        in_world(absurd_words_about_what_is_left_change_nothing),
        in_new_world(one_asks_first_what_the_life_before_has_left),
        in_new_world(a_silent_cal_com_is_asked_again_after_a_while),
        in_new_world(a_proxy_that_knows_no_limits_does_not_speak_for_cal_com),
        in_world(checks_run_out_before_bookings_and_bookings_before_look_ups),
        in_world(a_check_is_told_at_once_what_a_look_up_waits_for),
        in_world(a_booking_that_is_given_up_while_it_waits_was_never_sent),
        in_world(waiting_gives_the_probe_of_a_half_open_breaker_back),
        in_world(a_credential_that_could_not_be_sent_opens_no_account),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
