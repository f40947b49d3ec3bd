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
        { "stale_foreign", 201, true, 0 },          { "vanishes", 201, true, 0 },             { "no_references", 201, true, 1 },
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

static void ask(const char *path, const char *headers, struct heard *h)
{
    int fd = dial_calcom();
    say_request(fd, http_server_port(simulator.calcom), "GET", path, headers, "");
    hear_all(fd, h);
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

static void subscribers_are_told_with_a_signature_over_the_raw_body(void **)
{
    struct heard h;
    uint16_t port;
    char body[256], text[8192], signature[65] = { 0 };
    const char *told;
    int listener = listen_somewhere(&port);
    snprintf(body, sizeof body, "{\"subscriberUrl\":\"http://127.0.0.1:%u/hook\",\"active\":true,\"triggers\":[\"BOOKING_CREATED\"],\"secret\":\"clé-secrète-β\"}", port);
    int fd = dial_calcom();
    say_request(fd, http_server_port(simulator.calcom), "POST", "/v2/webhooks", "Authorization: Bearer cal_a\r\n", body);
    hear_all(fd, &h);
    assert_int_equal(h.status, 201);
    create(TEN, &h);
    assert_int_equal(h.status, 201);

    fd = accept(listener, nullptr, nullptr);
    hear_request(fd, text, sizeof text, &told);
    assert_true(slice_starts_with(slice_from_text(text), slice_of("POST /hook HTTP/1.1\r\n")));
    assert_true(slice_starts_with(slice_from_text(told), slice_of("{\"triggerEvent\":\"BOOKING_CREATED\",")));
    assert_non_null(strstr(told, "\"startTime\":\"" TEN "\""));
    struct slice raw = slice_from_text(told);
    struct buffer b = buffer_over(signature, sizeof signature);
    hex_print(&b, hmac_sha256(slice_of("clé-secrète-β"), &raw, 1).bytes, 32);
    assert_non_null(strstr(text, signature));
    peer_say_text(fd, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    close(fd);
    close(listener);
}

#define simulated(test) cmocka_unit_test_setup_teardown(test, start_simulator, end_simulator)

int main(void)
{
    const struct CMUnitTest tests[] = {
        simulated(a_create_is_answered_and_booked),
        simulated(each_fault_is_heard_as_it_should_be_and_books_what_it_should),
        simulated(a_half_body_under_its_own_length_is_no_json),
        simulated(a_reply_that_never_comes_leaves_a_booking),
        simulated(a_late_commit_comes_after_the_client_has_gone),
        simulated(two_in_the_race_window_one_is_booked_and_the_other_told_of_a_conflict),
        simulated(a_replica_that_lags_does_not_show_the_young_row),
        simulated(one_too_many_is_refused_with_the_limit_in_its_headers),
        simulated(credentials_and_versions_are_asked_for),
        simulated(a_door_that_is_shut_refuses_and_opens_again),
        simulated(a_mute_door_takes_connections_and_says_nothing),
        simulated(subscribers_are_told_with_a_signature_over_the_raw_body),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
