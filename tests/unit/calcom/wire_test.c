/* What wire.c promises: the same bytes at every try, nothing that Cal.com would refuse, and no answer taken for more than it says. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>
#include "calcom/wire.h"

static struct heap      heap;
static struct calcom_op op;
static char             memory[4096];

static const int64_t start_us = INT64_C(1'773'151'200'000'000); /* 2026-03-10T14:00:00Z */
static const int64_t half_hour_us = INT64_C(1'800'000'000), day_us = INT64_C(86'400'000'000);

static int set_up(void **)
{
    heap_init(&heap, 64 << 20);
    memset(&op, 0, sizeof op);
    return 0;
}
static int heap_is_empty(void **) { return heap.used_bytes == 0 ? 0 : -1; }

#define expect_text(expected, print, ...)                                                            \
    do {                                                                                             \
        struct buffer b_ = buffer_over(memory, sizeof memory - 1);                                   \
        print(&b_, __VA_ARGS__);                                                                     \
        memory[b_.length] = 0;                                                                       \
        assert_string_equal(memory, expected);                                                       \
    } while (0)

/* -- what is sent -- */

static struct calcom_create zoe(void)
{
    return (struct calcom_create){
        .event_type_id = 987, .starts_at_us = start_us, .attendee_name = slice_of("Zo\xc3\xab \"Z\" Example"), .attendee_email = slice_of("zoe@example.com"),
        .attendee_phone = slice_of("+12125550123"), .attendee_time_zone = slice_of("America/New_York"), .attendee_language = slice_of("en"), .reference = slice_of("t42-0001"),
    };
}

static void a_create_has_exactly_these_bytes(void **)
{
    struct calcom_create c = zoe();
    expect_text("{\"start\":\"2026-03-10T14:00:00Z\",\"eventTypeId\":987,\"attendee\":{\"name\":\"Zo\xc3\xab \\\"Z\\\" Example\",\"email\":\"zoe@example.com\","
                "\"phoneNumber\":\"+12125550123\",\"timeZone\":\"America/New_York\",\"language\":\"en\"},\"metadata\":{\"engineRef\":\"t42-0001\"}}",
                calcom_print_create, &c);
    c.attendee_phone = slice_absent;
    c.attendee_language = slice_absent;
    c.attendee_name = slice_of("Zoe");
    expect_text("{\"start\":\"2026-03-10T14:00:00Z\",\"eventTypeId\":987,\"attendee\":{\"name\":\"Zoe\",\"email\":\"zoe@example.com\",\"timeZone\":\"America/New_York\"},"
                "\"metadata\":{\"engineRef\":\"t42-0001\"}}", calcom_print_create, &c);
}

static void a_create_of_a_start_within_a_second_still_sends_whole_seconds(void **)
{
    struct calcom_create c = zoe();
    c.starts_at_us += 999'999;
    struct buffer b = buffer_over(memory, sizeof memory);
    calcom_print_create(&b, &c);
    assert_true(slice_starts_with(buffer_slice(&b), slice_of("{\"start\":\"2026-03-10T14:00:00Z\",")));
}

static void a_create_that_does_not_fit_says_so(void **)
{
    struct calcom_create c = zoe();
    struct buffer b = buffer_over(memory, 100);
    calcom_print_create(&b, &c);
    assert_true(b.overflowed);
}

static void every_customer_has_an_address_of_its_own(void **)
{
    expect_text("customer-17.company-3@ringmaster.invalid", calcom_print_customer_email, 3, 17);
    expect_text("customer-3.company-17@ringmaster.invalid", calcom_print_customer_email, 17, 3);
    expect_text("customer-9223372036854775807.company-9223372036854775807@ringmaster.invalid", calcom_print_customer_email, INT64_MAX, INT64_MAX);
}

static void a_look_up_asks_for_all_states_and_encodes_what_it_is_given(void **)
{
    struct calcom_find f = { .event_type_id = 987, .starts_at_us = start_us, .ends_at_us = start_us + half_hour_us, .attendee_email = slice_of("a+b&c=d@example.com") };
    expect_text("/bookings?eventTypeId=987&attendeeEmail=a%2Bb%26c%3Dd%40example.com&afterStart=2026-03-10T14%3A00%3A00Z&beforeEnd=2026-03-11T14%3A00%3A00Z"
                "&sortCreated=desc&take=100&skip=0", calcom_print_find_target, &f, true, 0);
    expect_text("/bookings?eventTypeId=987&afterStart=2026-03-10T14%3A00%3A00Z&beforeEnd=2026-03-11T14%3A00%3A00Z&sortCreated=desc&take=100&skip=200",
                calcom_print_find_target, &f, false, 200);
}

static void other_targets_are_encoded_too(void **)
{
    expect_text("/slots?eventTypeId=987&start=2026-03-10T14%3A00%3A00Z&end=2026-03-11T14%3A00%3A00Z&timeZone=Europe%2FBerlin",
                calcom_print_slots_target, 987, start_us, start_us + day_us, slice_of("Europe/Berlin"));
    expect_text("/bookings/7kYb%2F..%3Fx/cancel", calcom_print_booking_target, slice_of("7kYb/..?x"), "/cancel");
    expect_text("/bookings/7kYb2nQmXr4TzVw9LdPq3a", calcom_print_booking_target, slice_of("7kYb2nQmXr4TzVw9LdPq3a"), "");
    expect_text("/event-types/987", calcom_print_event_type_target, 987);
    expect_text("{\"cancellationReason\":\"doubled\"}", calcom_print_cancel, slice_of("doubled"));
}

/* -- what comes back -- */

#define BOOKING                                                                                                                                       \
    "{\"id\":4211,\"uid\":\"7kYb2nQmXr4TzVw9LdPq3a\",\"title\":\"x\",\"description\":\"\",\"status\":\"accepted\","                                    \
    "\"hosts\":[{\"id\":\"unknown\",\"name\":\"Jane\",\"email\":\"jane@example.com\"}],"                                                              \
    "\"start\":\"2026-03-10T14:00:00.000Z\",\"end\":\"2026-03-10T14:30:00.000Z\",\"duration\":30,\"eventType\":{\"id\":987,\"slug\":\"cut\"},"        \
    "\"eventTypeId\":987,\"location\":null,\"attendees\":[{\"name\":\"Z\",\"email\":\"zoe+x@example.com\",\"displayEmail\":\"zoe@example.com\","      \
    "\"timeZone\":\"America/New_York\",\"absent\":false,\"phoneNumber\":\"+12125550123\"}],\"guests\":[],\"rating\":null,"                            \
    "\"createdAt\":\"2026-03-02T15:04:05.678Z\",\"metadata\":{\"engineRef\":\"t42-0001\",\"engineAttempt\":\"1\"},\"rescheduledToUid\":null,"         \
    "\"isPlatformManagedUserBooking\":true,\"displayGuests\":[]}"
#define SUCCESS(data) "{\"status\":\"success\",\"data\":" data "}"

static bool reads(const char *answer, struct calcom_booking *b) { return calcom_read_booking(slice_from_text(answer), &heap, b); }

static void a_whole_booking_is_read_with_its_hazards(void **)
{
    struct calcom_booking b;
    assert_true(reads(SUCCESS(BOOKING), &b));
    assert_string_equal(b.uid, "7kYb2nQmXr4TzVw9LdPq3a");
    assert_int_equal(b.id, 4211);
    assert_int_equal(b.event_type_id, 987);
    assert_int_equal(b.starts_at_us, start_us);
    assert_int_equal(b.ends_at_us, start_us + half_hour_us);
    assert_int_equal(b.created_at_us, INT64_C(1'772'463'845'678'000));
    assert_int_equal(b.status, CALCOM_ACCEPTED);
    assert_true(b.has_metadata);
    assert_string_equal(b.reference, "t42-0001");
    assert_string_equal(b.attendee_email, "zoe+x@example.com");
    assert_string_equal(b.attendee_display_email, "zoe@example.com");
    assert_string_equal(b.attendee_phone, "+12125550123");
    assert_string_equal(b.host_name, "Jane");
    assert_string_equal(b.rescheduled_to_uid, "");
}

static void the_least_that_is_a_booking_is_one(void **)
{
    struct calcom_booking b;
    assert_true(reads(SUCCESS("{\"uid\":\"u\",\"start\":\"2026-03-10T10:00:00-04:00\",\"duration\":\"30\",\"status\":\"AWAITING_HOST\",\"id\":\"12\",\"eventType\":{\"id\":\"987\"},"
                              "\"metadata\":null,\"attendees\":null,\"hosts\":[],\"rescheduledToUid\":\"v\"}"), &b));
    assert_int_equal(b.starts_at_us, start_us);
    assert_int_equal(b.ends_at_us, start_us + half_hour_us);
    assert_int_equal(b.status, CALCOM_STATUS_OTHER);
    assert_int_equal(b.id, 12);
    assert_int_equal(b.event_type_id, 987);
    assert_int_equal(b.created_at_us, 0);
    assert_false(b.has_metadata);
    assert_string_equal(b.rescheduled_to_uid, "v");
}

static void a_recurring_answer_is_its_first_occurrence(void **)
{
    struct calcom_booking b;
    assert_true(reads(SUCCESS("[" BOOKING ",{}]"), &b));
    assert_string_equal(b.uid, "7kYb2nQmXr4TzVw9LdPq3a");
}

static void an_occurrence_of_a_series_is_known_as_one(void **)
{
    struct calcom_booking b;
    assert_true(reads(SUCCESS(BOOKING), &b) && !b.of_series);
    assert_true(reads(SUCCESS("[{\"uid\":\"u\",\"start\":\"2026-03-10T14:00:00Z\",\"duration\":30,\"status\":\"accepted\",\"recurringBookingUid\":\"r\"}]"), &b));
    assert_true(b.of_series);
}

static void an_answer_that_is_no_booking_is_unreadable(void **)
{
    static const char *const answers[] = {
        "", "{", "null", "[]", "7", "\"uid\"", "<html></html>", "{}", SUCCESS("null"), SUCCESS("\"7kYb\""), SUCCESS("[]"), SUCCESS("{}"), SUCCESS("7"),
        BOOKING, "{\"status\":\"error\",\"data\":" BOOKING "}", "{\"data\":" BOOKING "}",
        SUCCESS("{\"start\":\"2026-03-10T14:00:00Z\",\"duration\":30,\"status\":\"accepted\"}"),                  /* no uid */
        SUCCESS("{\"uid\":\"u\",\"duration\":30,\"status\":\"accepted\"}"),                                        /* no start */
        SUCCESS("{\"uid\":\"u\",\"start\":\"2026-03-10T14:00:00\",\"duration\":30,\"status\":\"accepted\"}"),     /* a start without a zone */
        SUCCESS("{\"uid\":\"u\",\"start\":\"2026-03-10T14:00:00Z\",\"status\":\"accepted\"}"),                     /* no end */
        SUCCESS("{\"uid\":\"u\",\"start\":\"2026-03-10T14:00:00Z\",\"duration\":30}"),                             /* no status */
        SUCCESS("{\"uid\":\"u\\u0000v\",\"start\":\"2026-03-10T14:00:00Z\",\"duration\":30,\"status\":\"accepted\"}"),
        "{\"status\":\"success\",\"data\":{\"uid\":\"7kYb2nQmXr4TzVw9LdPq3a\",\"start\":\"2026-03-10T14:0",       /* truncated */
        SUCCESS("{\"uid\":\"\xff\",\"start\":\"2026-03-10T14:00:00Z\",\"duration\":30,\"status\":\"accepted\"}"), /* no UTF-8 */
    };
    struct calcom_booking b;
    for (size_t n = 0; n < sizeof answers / sizeof *answers; n++)
        if (reads(answers[n], &b)) fail_msg("read as a booking: %s", answers[n]);
}

static void the_booker_is_told_from_co_hosts(void **)
{
    struct calcom_booking b;
    assert_true(reads(SUCCESS("{\"uid\":\"u\",\"start\":\"2026-03-10T14:00:00Z\",\"duration\":30,\"status\":\"accepted\",\"bookingFieldsResponses\":{\"email\":\"zoe@example.com\"},"
                              "\"attendees\":[{\"email\":\"cohost@example.com\"},{\"email\":\"Zoe@Example.com\",\"phoneNumber\":\"+1\"}]}"), &b));
    assert_string_equal(b.attendee_email, "Zoe@Example.com");
    assert_string_equal(b.attendee_phone, "+1");
}

static void texts_over_their_bound_are_dropped_whole(void **)
{
    char          answer[1024];
    struct calcom_booking b;
    snprintf(answer, sizeof answer, "{\"status\":\"success\",\"data\":{\"uid\":\"u\",\"start\":\"2026-03-10T14:00:00Z\",\"duration\":30,\"status\":\"accepted\","
             "\"metadata\":{\"engineRef\":\"%065d\"},\"attendees\":[{\"email\":\"%0255d\",\"phoneNumber\":\"%020d\"}]}}", 0, 0, 0);
    assert_true(reads(answer, &b));
    assert_string_equal(b.reference, "");
    assert_true(b.has_metadata);
    assert_string_equal(b.attendee_email, "");
    assert_string_equal(b.attendee_phone, "");
}

/* -- pages -- */

static const struct calcom_find wanted = { .event_type_id = 987, .starts_at_us = start_us, .ends_at_us = start_us + half_hour_us, .created_after_us = start_us - day_us,
                                           .attendee_email = slice_of("zoe@example.com"), .reference = slice_of("t42-0001") };

static size_t add_listed(char *to, size_t room, const char *uid, const char *reference, int created_minute)
{
    return (size_t)snprintf(to, room, "{\"uid\":\"%s\",\"id\":%d,\"start\":\"2026-03-10T14:00:00Z\",\"end\":\"2026-03-10T14:30:00Z\",\"status\":\"accepted\",\"eventTypeId\":987,"
                            "\"createdAt\":\"2026-03-10T09:%02d:00Z\",\"metadata\":{\"engineRef\":\"%s\"}}", uid, created_minute, created_minute, reference);
}

static bool reads_page(const char *items, const char *pagination, struct calcom_page *page)
{
    static char answer[64 * 1024];
    int length = snprintf(answer, sizeof answer, "{\"status\":\"success\",\"data\":[%s]%s}", items, pagination);
    assert_in_range(length, 1, sizeof answer - 1);
    return calcom_read_page(slice_from_text(answer), &heap, &wanted, &op, page);
}

static void a_page_gives_what_is_ours_earliest_first_and_each_once(void **)
{
    char items[2048], *to = items;
    struct calcom_page page;
    to += add_listed(to, 400, "third", "t42-0001", 30), *to++ = ',';
    to += add_listed(to, 400, "foreign", "t42-0002", 5), *to++ = ',';
    to += add_listed(to, 400, "first", "t42-0001", 10), *to++ = ',';
    to += add_listed(to, 400, "third", "t42-0001", 30), *to++ = ',';
    to += add_listed(to, 400, "second", "t42-0001", 20);
    assert_true(reads_page(items, "", &page));
    assert_int_equal(page.count, 5);
    assert_true(page.is_last);
    assert_int_equal(op.booking_count, 3);
    assert_false(op.more_matches);
    assert_string_equal(op.bookings[0].uid, "first");
    assert_string_equal(op.bookings[1].uid, "second");
    assert_string_equal(op.bookings[2].uid, "third");
}

static void of_too_many_the_earliest_are_kept(void **)
{
    for (int n = 0; n < 20; n++) {
        char item[512], uid[16];
        struct calcom_page page;
        snprintf(uid, sizeof uid, "u%d", 20 - n);
        (void)add_listed(item, sizeof item, uid, "t42-0001", 20 - n); /* newest first, as it is asked for */
        assert_true(reads_page(item, "", &page));
    }
    assert_int_equal(op.booking_count, CALCOM_BOOKINGS_KEPT_MAX);
    assert_true(op.more_matches);
    for (uint32_t n = 0; n < op.booking_count; n++) assert_int_equal(op.bookings[n].id, n + 1);
}

static void whether_more_follows_is_told_by_the_answer_or_by_a_full_page(void **)
{
    static char items[64 * 1024];
    struct calcom_page page;
    assert_true(reads_page("", ",\"pagination\":{\"hasNextPage\":true}", &page));
    assert_true(page.is_last); /* an empty page is the end, whatever it says */

    char *to = items;
    to += add_listed(to, 400, "u", "x", 1);
    assert_true(reads_page(items, ",\"pagination\":{\"hasNextPage\":true}", &page));
    assert_false(page.is_last);
    for (int n = 1; n < CALCOM_BOOKINGS_PER_PAGE; n++) *to++ = ',', to += add_listed(to, 400, "u", "x", 1);
    assert_true(reads_page(items, "", &page));
    assert_false(page.is_last);
    assert_true(reads_page(items, ",\"pagination\":{\"hasNextPage\":false}", &page));
    assert_true(page.is_last);
}

static void what_cannot_be_read_does_not_pass_for_absent(void **)
{
    struct calcom_page page;
    assert_false(reads_page("{\"uid\":\"u\"}", "", &page));
    assert_false(reads_page("null", "", &page));
    assert_false(calcom_read_page(slice_of(SUCCESS("null")), &heap, &wanted, &op, &page));
    assert_false(calcom_read_page(slice_of(SUCCESS("{}")), &heap, &wanted, &op, &page));
    assert_false(calcom_read_page(slice_of(""), &heap, &wanted, &op, &page));
    assert_int_equal(op.booking_count, 0);
}

/* -- slots -- */

static bool reads_slots(const char *data)
{
    char answer[2048];
    snprintf(answer, sizeof answer, "{\"status\":\"success\",\"data\":%s}", data);
    op.slot_count = 0;
    return calcom_read_slots(slice_from_text(answer), &heap, start_us, start_us + day_us, &op);
}

static void slots_come_as_objects_texts_or_ranges(void **)
{
    static const char *const shapes[] = {
        "{\"2026-03-10\":[{\"start\":\"2026-03-10T10:00:00.000-04:00\"},{\"start\":\"2026-03-10T10:30:00.000-04:00\"}]}",
        "{\"2026-03-10\":[\"2026-03-10T14:30:00.000Z\",\"2026-03-10T14:00:00.000Z\",\"2026-03-10T14:00:00.000Z\"]}",
        "{\"2026-03-10\":[{\"start\":\"2026-03-10T14:00:00.000Z\",\"end\":\"2026-03-10T14:30:00.000Z\"}],\"2026-03-11\":[{\"start\":\"2026-03-10T14:30:00+00:00\",\"end\":null}]}",
        "{\"2026-03-10\":[{\"start\":\"2026-03-10T14:00:00Z\",\"seatsBooked\":1},{\"start\":\"2026-03-10T14:30:00Z\",\"bookingUid\":\"x\"}],\"2026-03-11\":[],\"2026-03-12\":null}",
        "{\"2026-03-10\":[{\"start\":null},null,7,{},\"noon\",\"2026-03-10T14:00:00\",\"2026-03-10T14:00:00Z\",\"2026-03-10T14:30:00Z\"]}",
    };
    for (size_t n = 0; n < sizeof shapes / sizeof *shapes; n++) {
        assert_true(reads_slots(shapes[n]));
        assert_int_equal(op.slot_count, 2);
        assert_int_equal(op.slots_us[0], start_us);
        assert_int_equal(op.slots_us[1], start_us + half_hour_us);
    }
}

static void slots_outside_the_asked_range_are_left_out(void **)
{
    assert_true(reads_slots("{\"2026-03-10\":[\"2026-03-10T13:59:59Z\",\"2026-03-10T14:00:00Z\",\"2026-03-11T13:59:59Z\",\"2026-03-11T14:00:00Z\"]}"));
    assert_int_equal(op.slot_count, 2);
    assert_int_equal(op.slots_us[0], start_us);
    assert_int_equal(op.slots_us[1], start_us + day_us - 1'000'000);
}

static void no_slots_is_an_answer_and_no_answer_is_not(void **)
{
    assert_true(reads_slots("{}"));
    assert_int_equal(op.slot_count, 0);
    assert_false(reads_slots("null"));
    assert_false(reads_slots("[]"));
    assert_false(reads_slots("\"x\""));
    assert_false(calcom_read_slots(slice_of("{\"status\":\"error\",\"data\":{}}"), &heap, start_us, start_us + day_us, &op));
}

static void of_too_many_slots_the_earliest_are_kept(void **)
{
    static char answer[64 * 1024];
    char *to = stpcpy(answer, "{\"status\":\"success\",\"data\":{\"d\":[\"2026-03-10T14:00:00Z\"");
    for (int n = 599; n > 0; n--) to += sprintf(to, ",\"2026-03-10T%02d:%02d:%02dZ\"", 14 + n / 3600, n / 60 % 60, n % 60);
    stpcpy(to, "]}}");
    assert_true(calcom_read_slots(slice_from_text(answer), &heap, start_us, start_us + day_us, &op));
    assert_int_equal(op.slot_count, CALCOM_SLOTS_MAX);
    for (int64_t n = 0; n < CALCOM_SLOTS_MAX; n++) assert_int_equal(op.slots_us[n], start_us + n * 1'000'000);
}

/* -- event types -- */

static struct calcom_event_type event_type(const char *more)
{
    char answer[1024];
    struct calcom_event_type e;
    snprintf(answer, sizeof answer, "{\"status\":\"success\",\"data\":{\"id\":987,\"lengthInMinutes\":45%s}}", more);
    assert_true(calcom_read_event_type(slice_from_text(answer), &heap, &e));
    assert_int_equal(e.id, 987);
    assert_int_equal(e.length_minutes, 45);
    return e;
}

static void an_event_type_says_what_we_do_not_book(void **)
{
    struct calcom_event_type e = event_type("");
    assert_false(e.requires_confirmation || e.seats || e.recurring || e.managed_parent || e.collective || e.round_robin);
    e = event_type(",\"confirmationPolicy\":{\"disabled\":true},\"seats\":{\"disabled\":true},\"recurrence\":null,\"schedulingType\":null");
    assert_false(e.requires_confirmation || e.seats || e.recurring || e.managed_parent || e.collective || e.round_robin);
    assert_true(event_type(",\"confirmationPolicy\":{\"type\":\"always\"}").requires_confirmation);
    assert_true(event_type(",\"seats\":{\"seatsPerTimeSlot\":4}").seats);
    assert_true(event_type(",\"recurrence\":{\"interval\":1,\"occurrences\":4,\"frequency\":\"weekly\"}").recurring);
    assert_true(event_type(",\"schedulingType\":\"collective\"").collective);
    assert_true(event_type(",\"schedulingType\":\"roundRobin\"").round_robin);
    assert_true(event_type(",\"schedulingType\":\"managed\"").managed_parent);
    assert_false(event_type(",\"schedulingType\":\"managed\",\"parentEventTypeId\":5").managed_parent);
}

static void an_event_type_without_length_is_unreadable(void **)
{
    struct calcom_event_type e;
    assert_false(calcom_read_event_type(slice_of(SUCCESS("{\"id\":987}")), &heap, &e));
    assert_false(calcom_read_event_type(slice_of(SUCCESS("null")), &heap, &e));
    assert_false(calcom_read_me(slice_of(SUCCESS("{}")), &heap));
    assert_true(calcom_read_me(slice_of(SUCCESS("{\"id\":42,\"email\":\"jane@example.com\"}")), &heap));
    assert_true(calcom_read_success(slice_of("{\"status\":\"success\"}"), &heap));
    assert_false(calcom_read_success(slice_of("{\"status\":\"error\"}"), &heap));
}

#define in_world(test) cmocka_unit_test_setup_teardown(test, set_up, heap_is_empty)

int main(void)
{
    const struct CMUnitTest tests[] = {
        in_world(a_create_has_exactly_these_bytes),
        in_world(a_create_of_a_start_within_a_second_still_sends_whole_seconds),
        in_world(a_create_that_does_not_fit_says_so),
        in_world(every_customer_has_an_address_of_its_own),
        in_world(a_look_up_asks_for_all_states_and_encodes_what_it_is_given),
        in_world(other_targets_are_encoded_too),
        in_world(a_whole_booking_is_read_with_its_hazards),
        in_world(the_least_that_is_a_booking_is_one),
        in_world(a_recurring_answer_is_its_first_occurrence),
        in_world(an_occurrence_of_a_series_is_known_as_one),
        in_world(an_answer_that_is_no_booking_is_unreadable),
        in_world(the_booker_is_told_from_co_hosts),
        in_world(texts_over_their_bound_are_dropped_whole),
        in_world(a_page_gives_what_is_ours_earliest_first_and_each_once),
        in_world(of_too_many_the_earliest_are_kept),
        in_world(whether_more_follows_is_told_by_the_answer_or_by_a_full_page),
        in_world(what_cannot_be_read_does_not_pass_for_absent),
        in_world(slots_come_as_objects_texts_or_ranges),
        in_world(slots_outside_the_asked_range_are_left_out),
        in_world(no_slots_is_an_answer_and_no_answer_is_not),
        in_world(of_too_many_slots_the_earliest_are_kept),
        in_world(an_event_type_says_what_we_do_not_book),
        in_world(an_event_type_without_length_is_unreadable),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
