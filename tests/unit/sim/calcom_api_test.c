/* What a client of the simulated Cal.com lives through: over real sockets, what it hears under each fault, and what is really booked then. */
#include "worlds.h"
#include "../net/loopback.h"
#include "base/hmac.h"
#include "base/json.h"
#include "net/http_connection.h"
#include "sim/simulator.h"

static struct simulator simulator;
static struct loopback  loop;

static void open_here(struct shard *s, void *)
{
    struct simulator_config config = { .world = slice_from_text(small_world), .seed = 1, .worker = loop.worker };
    struct simulator_error error;
    ensure(simulator_open(&simulator, s, &config, &error));
}

static void stop_here(struct shard *, void *) { simulator_stop(&simulator); }

static int start_simulator(void **)
{
    clock_start_at(at("2025-10-20T06:00:00Z"));
    loop = (struct loopback){ .on_stop = stop_here };
    loopback_start(&loop);
    loopback_do(&loop, open_here, nullptr);
    return 0;
}

static int end_simulator(void **)
{
    loopback_stop(&loop);
    simulator_close(&simulator);
    return 0;
}

/* -- asking -- */

static int dial_calcom(void) { return peer_dial(http_server_port(simulator.calcom)); }

/* What was heard until the connection ended. status 0: nothing. whole: as much body as the head had promised. */
struct heard { int status; bool whole; char text[16 * 1024]; const char *body; };

static void hear_all(int fd, struct heard *h)
{
    size_t length = 0;
    ssize_t count;
    while ((count = peer_hear_some(fd, h->text + length, sizeof h->text - 1 - length)) > 0) length += (size_t)count;
    close(fd);
    h->text[length] = 0;
    h->status = length ? atoi(h->text + strlen("HTTP/1.1 ")) : 0;
    const char *declared = strcasestr(h->text, "\r\nContent-Length: "), *end = strstr(h->text, "\r\n\r\n");
    h->body = end ? end + 4 : h->text + length;
    h->whole = declared && end && strlen(h->body) == (size_t)atol(declared + strlen("\r\nContent-Length: "));
}

static void say_request(int fd, uint16_t port, const char *method, const char *path, const char *headers, const char *body)
{
    char request[2048];
    snprintf(request, sizeof request, "%s %s HTTP/1.1\r\nHost: localhost:%u\r\nConnection: close\r\n%sContent-Length: %zu\r\n\r\n%s", method, path, port, headers, strlen(body), body);
    peer_say(fd, slice_from_text(request));
}

#define BOOKINGS_HEADERS "Authorization: Bearer cal_a\r\ncal-api-version: 2024-08-13\r\nContent-Type: application/json\r\n"

static void say_create(int fd, const char *start, const char *reference)
{
    char body[512];
    snprintf(body, sizeof body,
             "{\"start\":\"%s\",\"eventTypeId\":10,\"attendee\":{\"name\":\"N\",\"email\":\"a@b.example\",\"timeZone\":\"UTC\"},\"metadata\":{\"engineRef\":\"%s\"}}",
             start, reference);
    say_request(fd, http_server_port(simulator.calcom), "POST", "/v2/bookings", BOOKINGS_HEADERS, body);
}

static void create(const char *start, struct heard *h)
{
    int fd = dial_calcom();
    say_create(fd, start, "ref");
    hear_all(fd, h);
}

static void ask(const char *path, const char *headers, struct heard *h)
{
    int fd = dial_calcom();
    say_request(fd, http_server_port(simulator.calcom), "GET", path, headers, "");
    hear_all(fd, h);
}

static void control(const char *method, const char *path, const char *body, struct heard *h)
{
    int fd = peer_dial(http_server_port(simulator.control));
    say_request(fd, http_server_port(simulator.control), method, path, "", body);
    hear_all(fd, h);
    assert_int_equal(h->status, 200);
}

static void set_fault(const char *rule)
{
    struct heard h;
    control("POST", "/control/faults", rule, &h);
}

/* -- looking behind the scene -- */

struct count { const char *reference; bool live_only; uint32_t found; };
static void count_here(struct shard *, void *context)
{
    struct count *c = context;
    c->found = 0;
    for (uint32_t i = 0; i < simulator.world.booking_count; i++) {
        const struct sim_booking *b = &simulator.world.bookings[i];
        c->found += slice_equal(b->engine_reference, slice_from_text(c->reference)) && (!c->live_only || b->status == SIM_ACCEPTED);
    }
}
static uint32_t booked(const char *reference)
{
    struct count c = { .reference = reference, .live_only = true };
    loopback_do(&loop, count_here, &c);
    return c.found;
}
static bool ref_is_booked(void *)
{
    struct count c = { .reference = "ref", .live_only = true };
    count_here(nullptr, &c);
    return c.found == 1;
}

static bool stays_silent(int fd)
{
    struct pollfd waiting = { .fd = fd, .events = POLLIN };
    return poll(&waiting, 1, 100) == 0;
}

/* -- the promises -- */

#define TEN "2025-10-20T08:00:00Z"

static void a_create_is_answered_and_booked(void **)
{
    struct heard h;
    create(TEN, &h);
    assert_int_equal(h.status, 201);
    assert_true(h.whole);
    assert_non_null(strstr(h.body, "\"engineRef\":\"ref\""));
    assert_int_equal(booked("ref"), 1);
}

static void each_fault_is_heard_as_it_should_be_and_books_what_it_should(void **)
{
    static const struct { const char *fault; int heard; bool whole; uint32_t booked; } faults[] = {
        { "no_first_byte", 201, true, 1 },          { "slow_check", 201, true, 1 },           { "commit_then_reset", 0, false, 1 },
        { "reset_before_commit", 0, false, 0 },     { "reset_mid_body", 201, false, 1 },      { "truncated", 201, false, 1 },
        { "truncated_wrong_length", 201, true, 1 }, { "one_byte_per_second", 201, true, 1 },  { "error_before_commit", 500, true, 0 },
        { "error_after_commit", 500, true, 1 },     { "refused_after_commit", 400, true, 1 }, { "late_commit", 201, true, 1 },
        { "rate_limited", 429, true, 0 },           { "unauthorized", 401, true, 0 },         { "conflict_of_our_own", 409, true, 1 },
        { "stale_foreign", 201, true, 0 },          { "no_references", 201, true, 1 },        { "clock_fast", 201, true, 1 },
        { "clock_slow", 201, true, 1 },             { "deep_nesting", 201, false, 1 },        { "doubled_keys", 201, true, 1 },
        { "numbers_as_texts", 201, true, 1 },       { "invalid_utf8", 201, true, 1 },         { "unknown_host_id", 201, true, 1 },
        { "reply_after_webhooks", 201, true, 1 },   { "webhook_before_commit", 201, true, 1 }, { "partial_series", 500, true, 1 },
        { "webhook_lost", 201, true, 1 },           { "host_becomes_busy", 201, true, 1 },    { "token_used", 400, true, 0 },
    };
    for (uint32_t i = 0; i < sizeof faults / sizeof *faults; i++) {
        struct heard h;
        char rule[128];
        control("POST", "/control/reset", "", &h);
        snprintf(rule, sizeof rule, "{\"endpoint\":\"create_booking\",\"fault\":\"%s\",\"delay_ms\":1}", faults[i].fault);
        set_fault(rule);
        create(TEN, &h);
        if (h.status != faults[i].heard || h.whole != faults[i].whole || booked("ref") != faults[i].booked)
            fail_msg("%s: heard %d, whole %d, booked %u", faults[i].fault, h.status, h.whole, booked("ref"));
    }
}

static void what_the_host_does_at_once_is_not_in_the_answer_but_in_the_world(void **)
{
    static const struct { const char *fault; uint32_t booked; } acts[] = { { "vanishes", 0 }, { "host_moves", 1 } };
    for (uint32_t i = 0; i < 2; i++) {
        struct heard h;
        char rule[128];
        control("POST", "/control/reset", "", &h);
        snprintf(rule, sizeof rule, "{\"endpoint\":\"create_booking\",\"fault\":\"%s\"}", acts[i].fault);
        set_fault(rule);
        create(TEN, &h);
        assert_int_equal(h.status, 201);
        assert_non_null(strstr(h.body, "\"status\":\"accepted\""));
        assert_int_equal(booked("ref"), acts[i].booked);
        control("GET", "/control/bookings", "", &h);
        assert_non_null(strstr(h.body, "\"status\":\"cancelled\""));
        assert_true((strstr(h.body, "\"start\":\"2025-10-20T08:30:00.000Z\"") != nullptr) == (i == 1)); /* the next free one */
    }
}

static bool ref_is_gone(void *)
{
    struct count c = { .reference = "ref", .live_only = true };
    count_here(nullptr, &c);
    return c.found == 0;
}

static void what_the_host_does_in_a_moment_comes_by_itself(void **)
{
    struct heard h;
    set_fault("{\"endpoint\":\"create_booking\",\"fault\":\"vanishes\",\"delay_ms\":100}");
    create(TEN, &h);
    assert_int_equal(booked("ref"), 1);
    loopback_wait_until(&loop, ref_is_gone, nullptr);
}

static bool nothing_waits(void *) { return list_is_empty(&simulator.errands_waiting) && list_is_empty(&simulator.deliveries_waiting); }

static void a_reset_forgets_what_hosts_were_about_to_do(void **)
{
    struct heard h;
    set_fault("{\"endpoint\":\"create_booking\",\"fault\":\"vanishes\",\"delay_ms\":60000}");
    create(TEN, &h);
    control("POST", "/control/reset", "", &h);
    loopback_wait_until(&loop, nothing_waits, nullptr);
    create(TEN, &h);
    assert_int_equal(booked("ref"), 1);
}

/* The rest is thrown away. */
static size_t hear_length(int fd)
{
    static char some[64 * 1024];
    size_t length = 0;
    ssize_t count;
    while ((count = peer_hear_some(fd, some, sizeof some)) > 0) length += (size_t)count;
    close(fd);
    return length;
}

static void a_huge_answer_is_five_megabytes(void **)
{
    set_fault("{\"endpoint\":\"create_booking\",\"fault\":\"huge_body\"}");
    int fd = dial_calcom();
    say_create(fd, TEN, "ref");
    assert_true(hear_length(fd) > 5'000'000);
    assert_int_equal(booked("ref"), 1);
}

static void a_server_whose_clock_is_wrong_dates_and_stamps_by_it(void **)
{
    struct heard h;
    set_fault("{\"endpoint\":\"create_booking\",\"fault\":\"clock_fast\"}");
    create(TEN, &h);
    assert_non_null(strstr(h.text, "Date: Mon, 20 Oct 2025 06:05:"));
    assert_non_null(strstr(h.body, "\"createdAt\":\"2025-10-20T06:05:"));
    control("POST", "/control/settings", "{\"clock_skew_ms\":-300000}", &h);
    create("2025-10-20T09:00:00Z", &h);
    assert_non_null(strstr(h.text, "Date: Mon, 20 Oct 2025 05:55:"));
    assert_non_null(strstr(h.body, "\"createdAt\":\"2025-10-20T05:55:"));
    int fd = dial_calcom();
    say_request(fd, http_server_port(simulator.calcom), "GET", "/v2/bookings?attendeeEmail=a%40b.example", BOOKINGS_HEADERS, "");
    hear_all(fd, &h);
    assert_non_null(strstr(h.body, "\"totalItems\":2")); /* a row from the future is there all the same */
}

/* -- between the question for slots and the booking -- */

static void a_start_that_was_offered_may_be_taken_meanwhile(void **)
{
    struct heard h;
    set_fault("{\"endpoint\":\"slots\",\"fault\":\"host_becomes_busy\"}");
    int fd = dial_calcom();
    say_request(fd, http_server_port(simulator.calcom), "GET", "/v2/slots?eventTypeId=10&start=" TEN "&end=2025-10-20T08:30:00Z", "cal-api-version: 2024-09-04\r\n", "");
    hear_all(fd, &h);
    assert_non_null(strstr(h.body, "2025-10-20T08:00:00.000Z"));
    create(TEN, &h);
    assert_int_equal(h.status, 400);
    assert_int_equal(booked("ref"), 0);
}

/* -- moving, deciding, recurring -- */

static void post(const char *path, const char *body, struct heard *h)
{
    int fd = dial_calcom();
    say_request(fd, http_server_port(simulator.calcom), "POST", path, BOOKINGS_HEADERS, body);
    hear_all(fd, h);
}

static void copy_uid(const struct heard *h, char uid[23]) { snprintf(uid, 23, "%s", strstr(h->body, "\"uid\":\"") + strlen("\"uid\":\"")); }

static void a_booking_is_moved_by_its_uid_and_the_old_uid_leads_on(void **)
{
    struct heard h;
    char uid[23], moved[23], path[64];
    create(TEN, &h);
    copy_uid(&h, uid);
    snprintf(path, sizeof path, "/v2/bookings/%s/reschedule", uid);
    post(path, "{\"start\":\"2025-10-20T09:00:00Z\",\"unheardOf\":1}", &h);
    assert_int_equal(h.status, 400);
    post(path, "{\"start\":\"2025-10-20T09:00:00Z\",\"reschedulingReason\":\"later\"}", &h);
    assert_int_equal(h.status, 201);
    copy_uid(&h, moved);
    assert_string_not_equal(uid, moved);
    post(path, "{\"start\":\"2025-10-20T09:00:00Z\"}", &h);
    assert_true(h.status == 400 && strstr(h.body, moved));
    snprintf(path, sizeof path, "/v2/bookings/%s", uid);
    ask(path, BOOKINGS_HEADERS, &h);
    assert_true(strstr(h.body, "\"status\":\"cancelled\"") && strstr(h.body, "\"rescheduledToUid\":\"") && strstr(h.body, moved));
    assert_int_equal(booked("ref"), 1);
}

static void who_hosts_decides_on_a_pending_booking_once(void **)
{
    struct heard h;
    char uid[23], path[64];
    post("/v2/bookings", "{\"start\":\"" TEN "\",\"eventTypeId\":13,\"attendee\":{\"name\":\"N\",\"email\":\"a@b.example\",\"timeZone\":\"UTC\"}}", &h);
    assert_true(h.status == 201 && strstr(h.body, "\"status\":\"pending\""));
    copy_uid(&h, uid);
    snprintf(path, sizeof path, "/v2/bookings/%s/confirm", uid);
    post(path, "", &h);
    assert_true(h.status == 200 && strstr(h.body, "\"status\":\"accepted\""));
    post(path, "", &h);
    assert_true(h.status == 400 && strstr(h.body, "Booking already confirmed"));
}

static void a_series_is_answered_as_a_list_and_cancelled_by_its_own_uid(void **)
{
    struct heard h;
    char path[96], recurring[37];
    post("/v2/bookings", "{\"start\":\"" TEN "\",\"eventTypeId\":19,\"recurrenceCount\":3,\"attendee\":{\"name\":\"N\",\"email\":\"a@b.example\",\"timeZone\":\"UTC\"},"
                         "\"metadata\":{\"engineRef\":\"ref\"}}", &h);
    assert_true(h.status == 201 && strstr(h.body, "\"data\":[{"));
    assert_int_equal(booked("ref"), 3);
    snprintf(recurring, sizeof recurring, "%s", strstr(h.body, "\"recurringBookingUid\":\"") + strlen("\"recurringBookingUid\":\""));
    snprintf(path, sizeof path, "/v2/bookings/%s", recurring);
    ask(path, BOOKINGS_HEADERS, &h);
    assert_true(h.status == 200 && strstr(h.body, "\"data\":[{"));
    snprintf(path, sizeof path, "/v2/bookings/%s/cancel", recurring);
    post(path, "{\"cancellationReason\":\"no more\"}", &h);
    assert_int_equal(h.status, 200);
    assert_int_equal(booked("ref"), 0);
}

static void a_partial_series_is_an_error_with_bookings(void **)
{
    struct heard h;
    set_fault("{\"endpoint\":\"create_booking\",\"fault\":\"partial_series\"}");
    post("/v2/bookings", "{\"start\":\"" TEN "\",\"eventTypeId\":19,\"attendee\":{\"name\":\"N\",\"email\":\"a@b.example\",\"timeZone\":\"UTC\"},\"metadata\":{\"engineRef\":\"ref\"}}", &h);
    assert_int_equal(h.status, 500);
    assert_int_equal(booked("ref"), 2);
}

/* It is not a series, and its only row was not made: the refusal is said, whatever the fault would have said of half a series. */
static void the_loser_of_a_race_has_no_half_to_show(void **)
{
    struct heard one, two;
    control("POST", "/control/settings", "{\"race_window_ms\":100}", &one);
    set_fault("{\"endpoint\":\"create_booking\",\"fault\":\"partial_series\",\"count\":2}");
    int first = dial_calcom(), second = dial_calcom();
    say_create(first, TEN, "ref");
    say_create(second, TEN, "other");
    hear_all(first, &one);
    hear_all(second, &two);
    assert_true((one.status == 500 && two.status == 409) || (one.status == 409 && two.status == 500));
    assert_int_equal(booked("ref") + booked("other"), 1);
}

/* -- OAuth -- */

static void refresh(const char *token, struct heard *h)
{
    char body[256];
    int fd = dial_calcom();
    snprintf(body, sizeof body, "grant_type=refresh_token&client_id=client&refresh_token=%s", token);
    say_request(fd, http_server_port(simulator.calcom), "POST", "/v2/auth/oauth2/token", "Content-Type: application/x-www-form-urlencoded\r\n", body);
    hear_all(fd, h);
}

static void copy_token(const struct heard *h, const char *name, char token[64])
{
    char before[32];
    snprintf(before, sizeof before, "\"%s\":\"", name);
    const char *at_token = strstr(h->body, before);
    assert_non_null(at_token);
    snprintf(token, 64, "%.*s", (int)strcspn(at_token + strlen(before), "\""), at_token + strlen(before));
}

static void a_refresh_token_is_good_for_one_use(void **)
{
    struct heard h;
    char next[64], access[64], header[128];
    refresh("rt_first", &h);
    assert_int_equal(h.status, 200);
    assert_null(strstr(h.body, "\"status\"")); /* no envelope */
    copy_token(&h, "refresh_token", next);
    copy_token(&h, "access_token", access);
    snprintf(header, sizeof header, "Authorization: Bearer %s\r\n", access);
    ask("/v2/me", header, &h);
    assert_int_equal(h.status, 200);
    refresh("rt_first", &h);
    assert_int_equal(h.status, 400);
    assert_string_equal(h.body, "{\"error\":\"invalid_grant\"}");
    refresh(next, &h);
    assert_int_equal(h.status, 200);
}

static void a_refresh_whose_answer_is_lost_has_used_the_token(void **)
{
    struct heard h;
    set_fault("{\"endpoint\":\"oauth_token\",\"fault\":\"commit_then_reset\"}");
    refresh("rt_first", &h);
    assert_int_equal(h.status, 0);
    refresh("rt_first", &h);
    assert_int_equal(h.status, 400);
}

static void a_half_body_under_its_own_length_is_no_json(void **)
{
    struct heard h;
    struct heap heap;
    struct json_error error;
    heap_init(&heap, 1 << 20);
    set_fault("{\"endpoint\":\"create_booking\",\"fault\":\"truncated_wrong_length\"}");
    create(TEN, &h);
    assert_true(h.whole);
    assert_null(json_parse(slice_from_text(h.body), &heap, &error));
}

static void a_reply_that_never_comes_leaves_a_booking(void **)
{
    set_fault("{\"endpoint\":\"create_booking\",\"fault\":\"commit_then_no_reply\"}");
    int fd = dial_calcom();
    say_create(fd, TEN, "ref");
    loopback_wait_until(&loop, ref_is_booked, nullptr);
    assert_true(stays_silent(fd));
    close(fd);
}

static void a_late_commit_comes_after_the_client_has_gone(void **)
{
    set_fault("{\"endpoint\":\"create_booking\",\"fault\":\"late_commit\",\"delay_ms\":150}");
    int fd = dial_calcom();
    say_create(fd, TEN, "ref");
    assert_true(stays_silent(fd));
    close(fd);
    loopback_wait_until(&loop, ref_is_booked, nullptr);
}

static void two_in_the_race_window_one_is_booked_and_the_other_told_of_a_conflict(void **)
{
    struct heard one, other;
    control("POST", "/control/settings", "{\"race_window_ms\":100}", &one);
    int a = dial_calcom(), b = dial_calcom();
    say_create(a, TEN, "ref");
    say_create(b, TEN, "ref");
    hear_all(a, &one);
    hear_all(b, &other);
    assert_int_equal(one.status + other.status, 201 + 409);
    assert_int_equal(booked("ref"), 1);
}

static void a_replica_that_lags_does_not_show_the_young_row(void **)
{
    struct heard h;
    create(TEN, &h);
    set_fault("{\"endpoint\":\"list_bookings\",\"fault\":\"replica_lag\"}");
    for (int n = 0; n < 2; n++) {
        int fd = dial_calcom();
        say_request(fd, http_server_port(simulator.calcom), "GET", "/v2/bookings?attendeeEmail=a%40b.example&afterStart=" TEN "&beforeEnd=2025-10-20T08:30:00Z", BOOKINGS_HEADERS, "");
        hear_all(fd, &h);
        assert_int_equal(h.status, 200);
        assert_true((strstr(h.body, "\"totalItems\":1") != nullptr) == (n == 1)); /* the fault met the first */
    }
}

static void one_too_many_is_refused_with_the_limit_in_its_headers(void **)
{
    struct heard h;
    for (int n = 0; n < 120; n++) {
        ask("/v2/me", "Authorization: Bearer cal_a\r\n", &h);
        assert_int_equal(h.status, 200);
    }
    assert_non_null(strstr(h.text, "X-RateLimit-Remaining-Default: 0\r\n"));
    ask("/v2/me", "Authorization: Bearer cal_a\r\n", &h);
    assert_int_equal(h.status, 429);
    assert_non_null(strstr(h.body, "\"details\":\"CustomThrottlerGuard - Too many requests. Please try again later.\""));
    assert_null(strcasestr(h.text, "Retry-After"));
}

static void a_limit_may_be_untold_and_holds_all_the_same(void **)
{
    struct heard h;
    control("POST", "/control/settings", "{\"limit_is_untold\":true}", &h);
    for (int n = 0; n <= 120; n++) {
        ask("/v2/me", "Authorization: Bearer cal_a\r\n", &h);
        assert_null(strcasestr(h.text, "X-RateLimit"));
        assert_int_equal(h.status, n < 120 ? 200 : 429);
    }
}

static void credentials_and_versions_are_asked_for(void **)
{
    struct heard h;
    ask("/v2/me", "", &h);
    assert_int_equal(h.status, 401);
    ask("/v2/me", "Authorization: Bearer cal_b\r\n", &h);
    assert_int_equal(h.status, 401);
    assert_non_null(strstr(h.body, "CustomThrottlerGuard - Invalid API Key"));
    ask("/v2/slots?eventTypeId=10&start=2025-10-21&end=2025-10-21", "cal-api-version: 2024-08-13\r\n", &h);
    assert_int_equal(h.status, 404);
    ask("/v2/slots?eventTypeId=10&start=2025-10-21&end=2025-10-21&timeZone=Europe/Berlin", "cal-api-version: 2024-09-04\r\n", &h);
    assert_int_equal(h.status, 200);
    assert_non_null(strstr(h.body, "{\"2025-10-21\":[{\"start\":\"2025-10-21T09:00:00.000+02:00\"}"));
}

/* -- the door -- */

static bool nobody_listens(void)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(http_server_port(simulator.calcom)), .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    bool refused = connect(fd, (struct sockaddr *)&to, sizeof to) != 0;
    close(fd);
    return refused;
}

static bool door_is_open_here(void *) { return !simulator.calcom->is_shut && simulator.calcom->accept.submitted; }
static bool door_is_shut_here(void *) { return simulator.calcom->is_shut && simulator.calcom->listener < 0; }

static void a_door_that_is_shut_refuses_and_opens_again(void **)
{
    struct heard h;
    set_fault("{\"fault\":\"refuse_connections\"}");
    loopback_wait_until(&loop, door_is_shut_here, nullptr);
    assert_true(nobody_listens());
    control("POST", "/control/reset", "", &h);
    loopback_wait_until(&loop, door_is_open_here, nullptr);
    create(TEN, &h);
    assert_int_equal(h.status, 201);
}

static void a_mute_door_takes_connections_and_says_nothing(void **)
{
    struct heard h;
    set_fault("{\"fault\":\"tls_stall\",\"delay_ms\":300}");
    loopback_wait_until(&loop, door_is_shut_here, nullptr);
    int fd = dial_calcom();
    say_create(fd, TEN, "ref");
    assert_true(stays_silent(fd));
    assert_true(peer_is_at_end(fd)); /* after the 300 ms */
    close(fd);
    loopback_wait_until(&loop, door_is_open_here, nullptr);
    create(TEN, &h);
    assert_int_equal(h.status, 201);
}

static void a_door_that_is_slammed_takes_connections_and_ends_them(void **)
{
    struct heard h;
    set_fault("{\"fault\":\"tls_fail\",\"delay_ms\":300}");
    loopback_wait_until(&loop, door_is_shut_here, nullptr);
    int fd = dial_calcom();
    assert_true(peer_is_at_end(fd));
    close(fd);
    loopback_wait_until(&loop, door_is_open_here, nullptr);
    create(TEN, &h);
    assert_int_equal(h.status, 201);
}

/* -- webhooks -- */

static int listen_somewhere(uint16_t *port)
{
    struct sockaddr_in here = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t length = sizeof here;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(bind(fd, (struct sockaddr *)&here, sizeof here) == 0 && listen(fd, 8) == 0 && getsockname(fd, (struct sockaddr *)&here, &length) == 0);
    *port = ntohs(here.sin_port);
    return fd;
}

/* One request as it came: head and body. */
static void hear_request(int fd, char *text, size_t capacity, const char **body)
{
    size_t length = 0, wanted = capacity;
    while (length < wanted) {
        ssize_t count = peer_hear_some(fd, text + length, capacity - 1 - length);
        assert_true(count > 0);
        length += (size_t)count;
        text[length] = 0;
        const char *end = strstr(text, "\r\n\r\n"), *declared = strcasestr(text, "\r\nContent-Length: ");
        if (!end || !declared) continue;
        *body = end + 4;
        wanted = (size_t)(*body - text) + (size_t)atol(declared + strlen("\r\nContent-Length: "));
    }
}

/* A subscriber of the test's own: who is told, what he hears. */
struct hook { int listener, connection; char text[8192]; const char *body; };

static void subscribe(struct hook *hook, const char *triggers)
{
    struct heard h;
    uint16_t port;
    char body[320];
    hook->listener = listen_somewhere(&port);
    snprintf(body, sizeof body, "{\"subscriberUrl\":\"http://127.0.0.1:%u/hook\",\"active\":true,\"triggers\":[%s],\"secret\":\"clé-secrète-β\"}", port, triggers);
    int fd = dial_calcom();
    say_request(fd, http_server_port(simulator.calcom), "POST", "/v2/webhooks", "Authorization: Bearer cal_a\r\n", body);
    hear_all(fd, &h);
    assert_int_equal(h.status, 201);
}

static void hear_told(struct hook *hook)
{
    hook->connection = accept(hook->listener, nullptr, nullptr);
    hear_request(hook->connection, hook->text, sizeof hook->text, &hook->body);
}

static void answer_told(struct hook *hook)
{
    peer_say_text(hook->connection, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    close(hook->connection);
}

static bool is_told(struct hook *hook, const char *trigger)
{
    char begin[64];
    hear_told(hook);
    answer_told(hook);
    snprintf(begin, sizeof begin, "{\"triggerEvent\":\"%s\",", trigger);
    return slice_starts_with(slice_from_text(hook->body), slice_from_text(begin));
}

static bool is_rightly_signed(const struct hook *hook)
{
    char signature[65] = { 0 };
    struct slice raw = slice_from_text(hook->body);
    struct buffer b = buffer_over(signature, sizeof signature);
    hex_print(&b, hmac_sha256(slice_of("clé-secrète-β"), &raw, 1).bytes, 32);
    return strstr(hook->text, signature) != nullptr;
}

static void subscribers_are_told_with_a_signature_over_the_raw_body(void **)
{
    struct heard h;
    struct hook hook;
    subscribe(&hook, "\"BOOKING_CREATED\"");
    create(TEN, &h);
    assert_int_equal(h.status, 201);
    assert_true(is_told(&hook, "BOOKING_CREATED"));
    assert_true(slice_starts_with(slice_from_text(hook.text), slice_of("POST /hook HTTP/1.1\r\n")));
    assert_non_null(strstr(hook.body, "\"startTime\":\"" TEN "\""));
    assert_true(is_rightly_signed(&hook));
    close(hook.listener);
}

static void a_webhook_that_is_bent_is_still_told_but_not_to_be_believed(void **)
{
    static const struct { const char *fault, *is_there, *trigger; bool rightly_signed; } bent[] = {
        { "webhook_bad_signature", "X-Cal-Signature-256: ", "BOOKING_CREATED", false },
        { "webhook_unsigned", "X-Cal-Signature-256: no-secret-provided", "BOOKING_CREATED", false },
        { "webhook_wrong_trigger", "X-Cal-Signature-256: ", "BOOKING_REQUESTED", true },
        { "webhook_form_encoded", "Content-Type: application/x-www-form-urlencoded", nullptr, true },
    };
    for (uint32_t i = 0; i < sizeof bent / sizeof *bent; i++) {
        struct heard h;
        struct hook hook;
        char rule[96];
        control("POST", "/control/reset", "", &h);
        subscribe(&hook, "\"BOOKING_CREATED\"");
        snprintf(rule, sizeof rule, "{\"fault\":\"%s\"}", bent[i].fault);
        set_fault(rule);
        create(TEN, &h);
        bool told = is_told(&hook, bent[i].trigger ? bent[i].trigger : "");
        if ((bent[i].trigger && !told) || !strstr(hook.text, bent[i].is_there) || is_rightly_signed(&hook) != bent[i].rightly_signed) fail_msg("%s: %s", bent[i].fault, hook.text);
        if (!bent[i].trigger) assert_true(slice_starts_with(slice_from_text(hook.body), slice_of("triggerEvent=BOOKING_CREATED&uid=")));
        close(hook.listener);
    }
}

static void a_webhook_is_told_twice_or_never_as_the_fault_says(void **)
{
    struct heard h;
    struct hook hook;
    char first[8192];
    subscribe(&hook, "\"BOOKING_CREATED\"");
    set_fault("{\"endpoint\":\"create_booking\",\"fault\":\"webhook_lost\"}");
    set_fault("{\"endpoint\":\"create_booking\",\"fault\":\"webhook_duplicated\",\"nth\":2}");
    create(TEN, &h);
    create("2025-10-20T09:00:00Z", &h);
    assert_true(is_told(&hook, "BOOKING_CREATED"));
    assert_non_null(strstr(hook.body, "2025-10-20T09:00:00Z")); /* the first one was lost */
    strcpy(first, hook.body);
    assert_true(is_told(&hook, "BOOKING_CREATED"));
    assert_string_equal(hook.body, first);
    close(hook.listener);
}

static void a_webhook_is_overtaken_by_the_next_one(void **)
{
    struct heard h;
    struct hook hook;
    subscribe(&hook, "\"BOOKING_CREATED\",\"BOOKING_CANCELLED\"");
    set_fault("{\"fault\":\"webhook_reordered\"}");
    set_fault("{\"endpoint\":\"create_booking\",\"fault\":\"vanishes\"}");
    create(TEN, &h);
    assert_true(is_told(&hook, "BOOKING_CANCELLED") && is_told(&hook, "BOOKING_CREATED"));
    close(hook.listener);
}

static bool one_waits(void *) { return simulator.deliveries_waiting.count == 1 && list_is_empty(&simulator.deliveries_running); }

static void a_delayed_webhook_waits_and_then_comes(void **)
{
    struct heard h;
    struct hook hook;
    subscribe(&hook, "\"BOOKING_CREATED\"");
    set_fault("{\"fault\":\"webhook_delayed\",\"delay_ms\":200}");
    create(TEN, &h);
    loopback_wait_until(&loop, one_waits, nullptr);
    assert_true(is_told(&hook, "BOOKING_CREATED"));
    close(hook.listener);
}

static void a_cancellation_is_told_before_it_can_be_seen(void **)
{
    struct heard h;
    struct hook hook;
    char uid[23], path[64];
    create(TEN, &h);
    copy_uid(&h, uid);
    subscribe(&hook, "\"BOOKING_CANCELLED\"");
    set_fault("{\"endpoint\":\"cancel_booking\",\"fault\":\"webhook_before_commit\",\"delay_ms\":300}");
    snprintf(path, sizeof path, "/v2/bookings/%s/cancel", uid);
    int fd = dial_calcom();
    say_request(fd, http_server_port(simulator.calcom), "POST", path, BOOKINGS_HEADERS, "{\"cancellationReason\":\"no\"}");
    assert_true(is_told(&hook, "BOOKING_CANCELLED"));
    assert_int_equal(booked("ref"), 1);
    hear_all(fd, &h);
    assert_int_equal(h.status, 200);
    assert_int_equal(booked("ref"), 0);
    assert_true(stays_silent(hook.listener)); /* told once */
    close(hook.listener);
}

/* An occurrence that was cancelled by itself before was told of then. */
static void of_a_cancelled_series_is_told_what_was_still_live(void **)
{
    struct heard h;
    struct hook hook;
    char uid[23], path[96], recurring[37];
    post("/v2/bookings", "{\"start\":\"" TEN "\",\"eventTypeId\":19,\"recurrenceCount\":3,\"attendee\":{\"name\":\"N\",\"email\":\"a@b.example\",\"timeZone\":\"UTC\"}}", &h);
    copy_uid(&h, uid);
    snprintf(recurring, sizeof recurring, "%s", strstr(h.body, "\"recurringBookingUid\":\"") + strlen("\"recurringBookingUid\":\""));
    snprintf(path, sizeof path, "/v2/bookings/%s/cancel", uid);
    post(path, "{\"cancellationReason\":\"not the first\"}", &h);
    assert_int_equal(h.status, 200);
    subscribe(&hook, "\"BOOKING_CANCELLED\"");
    snprintf(path, sizeof path, "/v2/bookings/%s/cancel", recurring);
    post(path, "{\"cancellationReason\":\"no more\"}", &h);
    assert_int_equal(h.status, 200);
    for (int n = 0; n < 2; n++) assert_true(is_told(&hook, "BOOKING_CANCELLED") && !strstr(hook.body, uid));
    assert_true(stays_silent(hook.listener));
    close(hook.listener);
}

static void a_reply_waits_for_the_subscriber_but_not_for_ever(void **)
{
    struct heard h;
    struct hook hook;
    subscribe(&hook, "\"BOOKING_CREATED\"");
    set_fault("{\"endpoint\":\"create_booking\",\"fault\":\"reply_after_webhooks\"}");
    set_fault("{\"endpoint\":\"create_booking\",\"fault\":\"reply_after_webhooks\",\"nth\":2,\"delay_ms\":200}");
    int fd = dial_calcom();
    say_create(fd, TEN, "ref");
    hear_told(&hook);
    assert_int_equal(booked("ref"), 1);
    assert_true(stays_silent(fd));
    answer_told(&hook);
    hear_all(fd, &h);
    assert_int_equal(h.status, 201);

    create("2025-10-20T09:00:00Z", &h); /* whose subscriber says nothing */
    assert_int_equal(h.status, 201);
    hear_told(&hook);
    close(hook.connection);
    close(hook.listener);
}

static void hosts_moves_are_told_with_where_it_was(void **)
{
    struct heard h;
    struct hook hook;
    char uid[23], path[64];
    create(TEN, &h);
    copy_uid(&h, uid);
    subscribe(&hook, "\"BOOKING_RESCHEDULED\"");
    snprintf(path, sizeof path, "/control/bookings/%s/move", uid);
    control("POST", path, "{\"start\":\"2025-10-20T11:00:00Z\"}", &h);
    assert_true(is_told(&hook, "BOOKING_RESCHEDULED"));
    assert_true(strstr(hook.body, "\"rescheduleUid\":\"") && strstr(hook.body, uid) && strstr(hook.body, "\"rescheduleStartTime\":\"" TEN "\""));
    close(hook.listener);
}

#define simulated(test) cmocka_unit_test_setup_teardown(test, start_simulator, end_simulator)

int main(void)
{
    const struct CMUnitTest tests[] = {
        simulated(a_create_is_answered_and_booked),
        simulated(each_fault_is_heard_as_it_should_be_and_books_what_it_should),
        simulated(what_the_host_does_at_once_is_not_in_the_answer_but_in_the_world),
        simulated(what_the_host_does_in_a_moment_comes_by_itself),
        simulated(a_reset_forgets_what_hosts_were_about_to_do),
        simulated(a_huge_answer_is_five_megabytes),
        simulated(a_server_whose_clock_is_wrong_dates_and_stamps_by_it),
        simulated(a_start_that_was_offered_may_be_taken_meanwhile),
        simulated(a_booking_is_moved_by_its_uid_and_the_old_uid_leads_on),
        simulated(who_hosts_decides_on_a_pending_booking_once),
        simulated(a_series_is_answered_as_a_list_and_cancelled_by_its_own_uid),
        simulated(a_partial_series_is_an_error_with_bookings),
        simulated(the_loser_of_a_race_has_no_half_to_show),
        simulated(a_refresh_token_is_good_for_one_use),
        simulated(a_refresh_whose_answer_is_lost_has_used_the_token),
        simulated(a_half_body_under_its_own_length_is_no_json),
        simulated(a_reply_that_never_comes_leaves_a_booking),
        simulated(a_late_commit_comes_after_the_client_has_gone),
        simulated(two_in_the_race_window_one_is_booked_and_the_other_told_of_a_conflict),
        simulated(a_replica_that_lags_does_not_show_the_young_row),
        simulated(one_too_many_is_refused_with_the_limit_in_its_headers),
        simulated(a_limit_may_be_untold_and_holds_all_the_same),
        simulated(credentials_and_versions_are_asked_for),
        simulated(a_door_that_is_shut_refuses_and_opens_again),
        simulated(a_mute_door_takes_connections_and_says_nothing),
        simulated(a_door_that_is_slammed_takes_connections_and_ends_them),
        simulated(subscribers_are_told_with_a_signature_over_the_raw_body),
        simulated(a_webhook_that_is_bent_is_still_told_but_not_to_be_believed),
        simulated(a_webhook_is_told_twice_or_never_as_the_fault_says),
        simulated(a_webhook_is_overtaken_by_the_next_one),
        simulated(a_delayed_webhook_waits_and_then_comes),
        simulated(a_cancellation_is_told_before_it_can_be_seen),
        simulated(of_a_cancelled_series_is_told_what_was_still_live),
        simulated(a_reply_waits_for_the_subscriber_but_not_for_ever),
        simulated(hosts_moves_are_told_with_where_it_was),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
