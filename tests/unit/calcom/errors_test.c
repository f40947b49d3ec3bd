/* What the error table promises: nothing that may have been carried out passes for refused, and nothing of what we sent comes back out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "calcom/errors.h"

static struct heap heap;

static int open_heap(void **) { return heap_init(&heap, 1 << 20), 0; }
static int heap_is_empty(void **) { return heap.used_bytes == 0 ? 0 : -1; }

static struct calcom_judgement judge(enum calcom_question q, uint16_t status, const char *answer)
{
    return calcom_judge(q, status, slice_from_text(answer), &heap);
}

static void expect(enum calcom_question q, uint16_t status, const char *answer, enum calcom_outcome outcome, enum calcom_refusal refusal)
{
    struct calcom_judgement j = judge(q, status, answer);
    assert_string_equal(calcom_outcome_name(j.outcome), calcom_outcome_name(outcome));
    assert_string_equal(calcom_refusal_name(j.refusal), calcom_refusal_name(refusal));
    assert_true(strlen(j.message) > 0);
}

/* The same words in each shape in which Cal.com says them. */
static void expect_in_all_shapes(uint16_t status, const char *words, enum calcom_outcome outcome, enum calcom_refusal refusal)
{
    static const char *const shapes[] = {
        ("{\"status\":\"error\",\"path\":\"/v2/bookings\",\"error\":{\"code\":\"BadRequestException\",\"message\":\"%s\",\"details\":"
        "{\"message\":\"%s\",\"error\":\"Bad Request\",\"statusCode\":400}}}"),
        "{\"status\":\"error\",\"error\":{\"code\":\"X\",\"message\":\"Bad Request Exception\",\"details\":\"%s\"}}",
        "{\"status\":\"error\",\"error\":{\"code\":\"X\",\"message\":\"Bad Request Exception\",\"details\":{\"message\":[\"other\",\"%s\"]}}}",
        "{\"status\":\"error\",\"error\":{\"code\":\"CONFLICT\",\"message\":\"%s\"},\"message\":\"%s\"}",
        "{\"statusCode\":400,\"message\":\"%s\"}",
        "{\"statusCode\":400,\"message\":[\"%s\"]}",
    };
    for (size_t n = 0; n < sizeof shapes / sizeof *shapes; n++) {
        char answer[1024], *to = answer;
        for (const char *at = shapes[n]; *at;) {
            if (at[0] == '%') to = stpcpy(to, words), at += 2;
            else *to++ = *at++;
        }
        *to = 0;
        expect(CALCOM_CREATE, status, answer, outcome, refusal);
    }
}

static void a_busy_host_may_be_our_own_earlier_attempt(void **)
{
    expect_in_all_shapes(400, "User either already has booking at this time or is not available", CALCOM_UNKNOWN, CALCOM_REFUSAL_BUSY);
    expect_in_all_shapes(400, "One of the hosts either already has booking at this time or is not available", CALCOM_UNKNOWN, CALCOM_REFUSAL_BUSY);
    expect_in_all_shapes(409, "booking_conflict_error", CALCOM_UNKNOWN, CALCOM_REFUSAL_BUSY);
    expect_in_all_shapes(500, "booking_conflict_error", CALCOM_UNKNOWN, CALCOM_REFUSAL_BUSY);
    expect_in_all_shapes(409, "already_signed_up_for_this_booking_error", CALCOM_UNKNOWN, CALCOM_REFUSAL_BUSY);
    expect_in_all_shapes(409, "No more seats left at this seated booking.", CALCOM_UNKNOWN, CALCOM_REFUSAL_BUSY);
    expect_in_all_shapes(409, "Invalid Input: Trying to create a record that already exists.", CALCOM_UNKNOWN, CALCOM_REFUSAL_BUSY);
    expect_in_all_shapes(400, "no_available_users_found_error", CALCOM_UNKNOWN, CALCOM_REFUSAL_BUSY);
    expect_in_all_shapes(500, "round_robin_host_unavailable_for_booking", CALCOM_UNKNOWN, CALCOM_REFUSAL_BUSY);
}

static void the_limit_of_an_attendee_may_be_our_own_earlier_attempt(void **)
{
    expect_in_all_shapes(400, "Attendee with this email can't book because the maximum number of active bookings has been reached. You can reschedule (uid)",
                         CALCOM_UNKNOWN, CALCOM_REFUSAL_ATTENDEE_LIMIT);
}

static void a_definite_no_says_of_what_kind_it_is(void **)
{
    expect_in_all_shapes(400, "The event type can't be booked at the \\\"start\\\" time provided. This could be because it's too soon (violating the minimum "
                              "booking notice) or too far in the future", CALCOM_REFUSED, CALCOM_REFUSAL_TOO_SOON);
    expect_in_all_shapes(400, "Attempting to book a meeting in the past.", CALCOM_REFUSED, CALCOM_REFUSAL_PAST);
    expect_in_all_shapes(400, "Missing attendee phone number - it is required", CALCOM_REFUSED, CALCOM_REFUSAL_BAD_REQUEST);
    expect_in_all_shapes(400, "Missing required booking field response: notes - it is required", CALCOM_REFUSED, CALCOM_REFUSAL_BAD_REQUEST);
    expect_in_all_shapes(400, "foo property is wrong,property foo should not exist ", CALCOM_REFUSED, CALCOM_REFUSAL_BAD_REQUEST);
    expect_in_all_shapes(400, "Provided 'lengthInMinutes' is not one of the possible lengths", CALCOM_REFUSED, CALCOM_REFUSAL_BAD_REQUEST);
    expect_in_all_shapes(400, "email_verification_required", CALCOM_REFUSED, CALCOM_REFUSAL_BAD_REQUEST);
    expect_in_all_shapes(400, "Event type with id=987 is the parent managed event type that can't be booked.", CALCOM_REFUSED, CALCOM_REFUSAL_EVENT_TYPE);
    expect_in_all_shapes(404, "Event type with id 987 not found.", CALCOM_REFUSED, CALCOM_REFUSAL_EVENT_TYPE);
    expect_in_all_shapes(404, "Team with slug x not found", CALCOM_REFUSED, CALCOM_REFUSAL_EVENT_TYPE);
    expect_in_all_shapes(422, "Can't book this team event type because it has no hosts.", CALCOM_REFUSED, CALCOM_REFUSAL_NO_HOSTS);
}

static void an_error_that_comes_after_the_commit_is_unknown(void **)
{
    expect_in_all_shapes(400, "Missing payment credentials", CALCOM_UNKNOWN, CALCOM_REFUSAL_OTHER);
    expect_in_all_shapes(404, "Booking with uid=7kYb2n was not found in the database", CALCOM_UNKNOWN, CALCOM_REFUSAL_OTHER);
    expect_in_all_shapes(500, "Booking with uid=7kYb2n was not found in the database", CALCOM_UNKNOWN, CALCOM_REFUSAL_OTHER);
}

static void words_that_no_table_knows_are_not_taken_for_a_no(void **)
{
    expect_in_all_shapes(400, "Something new", CALCOM_UNKNOWN, CALCOM_REFUSAL_OTHER);
    expect_in_all_shapes(422, "Something new", CALCOM_UNKNOWN, CALCOM_REFUSAL_OTHER);
    expect_in_all_shapes(404, "Something new", CALCOM_UNKNOWN, CALCOM_REFUSAL_OTHER);
    expect_in_all_shapes(409, "Something new", CALCOM_UNKNOWN, CALCOM_REFUSAL_BUSY);
    expect(CALCOM_CREATE, 302, "", CALCOM_UNKNOWN, CALCOM_REFUSAL_NONE);
}

static void status_comes_before_words(void **)
{
    expect_in_all_shapes(422, "Attempting to book a meeting in the past.", CALCOM_UNKNOWN, CALCOM_REFUSAL_OTHER);
    expect_in_all_shapes(500, "Attempting to book a meeting in the past.", CALCOM_UNKNOWN, CALCOM_REFUSAL_NONE);
    expect_in_all_shapes(429, "booking_conflict_error", CALCOM_THROTTLED, CALCOM_REFUSAL_NONE);
}

static void a_server_error_is_unknown_in_any_dress(void **)
{
    static const char *const dresses[] = {
        "", "<html><body><h1>502 Bad Gateway</h1></body></html>", "{\"statusCode\":500,\"message\":\"Internal server error\"}", "null", "[]", "\"text\"", "{", "\xff\xfe",
        "{\"status\":\"error\",\"error\":{\"code\":\"X\",\"message\":\"There was an error, please try again later.\"}}", "{\"error\":\"text\"}", "{\"error\":null,\"message\":7}",
    };
    for (uint16_t status = 500; status <= 504; status++)
        for (size_t n = 0; n < sizeof dresses / sizeof *dresses; n++) {
            expect(CALCOM_CREATE, status, dresses[n], CALCOM_UNKNOWN, CALCOM_REFUSAL_NONE);
            expect(CALCOM_FIND, status, dresses[n], CALCOM_UNKNOWN, CALCOM_REFUSAL_NONE);
        }
}

static void a_credential_is_refused_and_nothing_was_done(void **)
{
    static const char throttler[] = "{\"status\":\"error\",\"error\":{\"code\":\"UnauthorizedException\",\"message\":\"CustomThrottlerGuard - Invalid API Key\","
                                    "\"details\":\"CustomThrottlerGuard - Invalid API Key\"}}";
    expect(CALCOM_CREATE, 401, throttler, CALCOM_UNAUTHORIZED, CALCOM_REFUSAL_NONE);
    expect(CALCOM_CREATE, 403, "{\"error\":{\"message\":\"checkBookingRequiresAuthentication - x\"}}", CALCOM_UNAUTHORIZED, CALCOM_REFUSAL_NONE);
    expect(CALCOM_LIST_SLOTS, 498, "", CALCOM_UNAUTHORIZED, CALCOM_REFUSAL_NONE);
    /* A blocked attendee is not our credential's fault. */
    expect(CALCOM_CREATE, 403, "{\"statusCode\":403,\"message\":\"x\"}", CALCOM_REFUSED, CALCOM_REFUSAL_OTHER);
}

static void a_question_without_effect_is_refused_or_not_found_plainly(void **)
{
    expect(CALCOM_GET, 404, "", CALCOM_NOT_FOUND, CALCOM_REFUSAL_NONE);
    expect(CALCOM_LIST_SLOTS, 400, "{\"error\":{\"message\":\"Invalid time range given\"}}", CALCOM_REFUSED, CALCOM_REFUSAL_OTHER);
    expect(CALCOM_FIND, 400, "{\"status\":\"error\",\"error\":{\"code\":\"BadRequestException\",\"message\":\"Bad Request Exception\",\"details\":{\"errors\":[{\"target\":{},"
                             "\"value\":\"x\",\"property\":\"slotStart\",\"children\":[],\"constraints\":{\"isDateString\":\"y\"}}]}}}", CALCOM_REFUSED, CALCOM_REFUSAL_BAD_REQUEST);
}

static void cancelling_what_is_cancelled_is_a_success(void **)
{
    expect(CALCOM_CANCEL, 400, "{\"error\":{\"message\":\"Can't cancel booking with uid=7kYb because it has been cancelled already. Please provide\"}}",
           CALCOM_OK, CALCOM_REFUSAL_NONE);
    expect(CALCOM_CANCEL, 400, "{\"error\":{\"message\":\"Can't cancel booking with uid=7kYb because of rain\"}}", CALCOM_REFUSED, CALCOM_REFUSAL_OTHER);
    expect(CALCOM_CANCEL, 404, "", CALCOM_NOT_FOUND, CALCOM_REFUSAL_NONE);
    expect(CALCOM_CANCEL, 500, "", CALCOM_UNKNOWN, CALCOM_REFUSAL_NONE);
}

static void nothing_that_was_sent_is_repeated(void **)
{
    static const char *const answers[] = {
        "{\"error\":{\"message\":\"Missing required booking field response: zoe@example.com +12125550123\"}}",
        "{\"error\":{\"message\":\"Can't cancel booking with uid=zoe@example.com because it has been cancelled already\"}}",
        "{\"error\":{\"message\":\"zoe@example.com property is wrong,+12125550123 must be\"}}",
        "{\"error\":{\"message\":\"zoe@example.com +12125550123\",\"details\":{\"errors\":[{\"value\":\"zoe@example.com\"}]}}}",
    };
    static const uint16_t statuses[] = { 400, 401, 403, 404, 409, 422, 429, 500 };
    for (size_t n = 0; n < sizeof answers / sizeof *answers; n++)
        for (size_t s = 0; s < sizeof statuses / sizeof *statuses; s++)
            for (int q = CALCOM_CREATE; q <= CALCOM_GET_EVENT_TYPE; q++) {
                const char *message = judge((enum calcom_question)q, statuses[s], answers[n]).message;
                assert_null(strstr(message, "zoe"));
                assert_null(strstr(message, "555"));
            }
}

/* -- 429 -- */

static const int64_t noon_us = INT64_C(784'111'777) * 1'000'000; /* Sun, 06 Nov 1994 08:49:37 GMT */

static uint64_t block_s(const char *retry_after, const char *reset, const char *date)
{
    struct calcom_rate_headers h = { .retry_after = slice_from_text(retry_after), .reset = slice_from_text(reset), .date = slice_from_text(date) };
    uint64_t us = calcom_block_us(h, noon_us);
    assert_int_equal(us % 1'000'000, 0);
    return us / 1'000'000;
}

static void a_429_is_waited_out_as_long_as_it_says(void **)
{
    assert_int_equal(block_s("17", "45", nullptr), 17);
    assert_int_equal(block_s(nullptr, "45", nullptr), 45);
    assert_int_equal(block_s(nullptr, "784111807", nullptr), 600);  /* under 1e9: seconds, and absurd ones */
    assert_int_equal(block_s("Sun, 06 Nov 1994 08:50:07 GMT", nullptr, nullptr), 30);
    assert_int_equal(block_s(nullptr, nullptr, nullptr), 60);
}

static void a_reset_over_a_billion_is_an_epoch(void **)
{
    const int64_t now_us = INT64_C(1'773'151'200) * 1'000'000;
    assert_int_equal(calcom_block_us((struct calcom_rate_headers){ .reset = slice_of("1773151242") }, now_us), 42'000'000);
    assert_int_equal(calcom_block_us((struct calcom_rate_headers){ .reset = slice_of("1773151100") }, now_us), 60'000'000); /* past: as good as none */
}

static void their_date_counts_where_the_clocks_differ(void **)
{
    /* Their clock is four minutes behind ours: 30 s from their now, which is long past on ours. */
    assert_int_equal(block_s("Sun, 06 Nov 1994 08:46:07 GMT", nullptr, "Sun, 06 Nov 1994 08:45:37 GMT"), 30);
}

static void what_is_left_of_a_minute_is_believed_only_in_numbers(void **)
{
    static const struct { const char *remaining, *reset, *date; bool told; uint32_t left, ends_in_s; } rows[] = {
        { "0", "45", nullptr, true, 0, 45 },
        { " 119 ", "60", nullptr, true, 119, 60 },
        { "7", "0", nullptr, true, 7, 0 },
        { "7", "86400", nullptr, true, 7, 60 },                                            /* no window of theirs is longer */
        { "7", "1773151242", "Tue, 10 Mar 2026 14:00:00 GMT", true, 7, 42 },               /* an epoch, by their own clock */
        { nullptr, "45", nullptr, false, 0, 0 },
        { "7", nullptr, nullptr, false, 0, 0 },
        { "", "45", nullptr, false, 0, 0 },
        { "-1", "45", nullptr, false, 0, 0 },
        { "7.5", "45", nullptr, false, 0, 0 },
        { "7", "-45", nullptr, false, 0, 0 },
        { "99999999999999999999", "45", nullptr, false, 0, 0 },
        { "4294967295", "45", nullptr, false, 0, 0 },
        { "many", "soon", nullptr, false, 0, 0 },
        { "7", "1773151100", "Tue, 10 Mar 2026 14:00:00 GMT", false, 0, 0 },               /* it is over */
    };
    for (size_t n = 0; n < sizeof rows / sizeof *rows; n++) {
        struct calcom_rate_headers h = { .reset = slice_from_text(rows[n].reset), .date = slice_from_text(rows[n].date), .remaining = slice_from_text(rows[n].remaining) };
        struct calcom_minute m = {};
        assert_int_equal(calcom_read_minute(h, noon_us, &m), rows[n].told);
        assert_int_equal(m.left, rows[n].left);
        assert_int_equal(m.ends_in_us, rows[n].ends_in_s * UINT64_C(1'000'000));
    }
}

static void absurd_waits_are_bounded(void **)
{
    assert_int_equal(block_s("86400", nullptr, nullptr), 600);
    assert_int_equal(block_s("0", nullptr, nullptr), 1);
    assert_int_equal(block_s("-5", nullptr, nullptr), 60);
    assert_int_equal(block_s("-5", "45", nullptr), 45);
    assert_int_equal(block_s("soon", nullptr, nullptr), 60);
    assert_int_equal(block_s("99999999999999999999", nullptr, nullptr), 60);
    assert_int_equal(block_s("Sun, 31 Feb 1994 08:50:07 GMT", nullptr, nullptr), 60);
    assert_int_equal(block_s("Sun, 06 anF 1995 08:50:07 GMT", nullptr, nullptr), 60);
    assert_int_equal(block_s("Fri, 31 Dec 9999 23:59:59 GMT", nullptr, nullptr), 600);
}

#define with_heap(test) cmocka_unit_test_setup_teardown(test, open_heap, heap_is_empty)

int main(void)
{
    const struct CMUnitTest tests[] = {
        with_heap(a_busy_host_may_be_our_own_earlier_attempt),
        with_heap(the_limit_of_an_attendee_may_be_our_own_earlier_attempt),
        with_heap(a_definite_no_says_of_what_kind_it_is),
        with_heap(an_error_that_comes_after_the_commit_is_unknown),
        with_heap(words_that_no_table_knows_are_not_taken_for_a_no),
        with_heap(status_comes_before_words),
        with_heap(a_server_error_is_unknown_in_any_dress),
        with_heap(a_credential_is_refused_and_nothing_was_done),
        with_heap(a_question_without_effect_is_refused_or_not_found_plainly),
        with_heap(cancelling_what_is_cancelled_is_a_success),
        with_heap(nothing_that_was_sent_is_repeated),
        cmocka_unit_test(a_429_is_waited_out_as_long_as_it_says),
        cmocka_unit_test(a_reset_over_a_billion_is_an_epoch),
        cmocka_unit_test(their_date_counts_where_the_clocks_differ),
        cmocka_unit_test(what_is_left_of_a_minute_is_believed_only_in_numbers),
        cmocka_unit_test(absurd_waits_are_bounded),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
