/* What the client promises, over real sockets: each way in which an attempt can end, and that no byte is ever sent twice. Cal.com is played, byte by byte. */
#include "tests/unit/net/loopback.h"
#include "calcom/calcom.h"

static const int64_t start_us = INT64_C(1'773'151'200'000'000); /* 2026-03-10T14:00:00Z */
#define PAYLOAD "{\"start\":\"2026-03-10T14:00:00Z\"}"

struct world {
    struct loopback        loopback;
    int                    listener;
    char                   url[64];
    struct calcom_config   config;
    struct calcom_account *account;
};

struct asked { struct world *world; struct calcom_op op; struct calcom_find find; bool is_over; };

static void open_account(struct shard *s, void *context)
{
    struct world *w = context;
    struct credential c = { .company_id = 3, .base_url = slice_from_text(w->url), .api_key = slice_of("cal_live_x") };
    w->account = calcom_account_open(s, &c, &w->config);
    assert_non_null(w->account);
    budget_learn(calcom_account_budget(w->account), BUDGET_UNTOLD, 0); /* it has answered before */
}
static void close_account(struct shard *, void *context) { calcom_account_close(((struct world *)context)->account); }

static void listen_somewhere(struct world *w)
{
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t          length = sizeof at;
    w->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(w->listener, (struct sockaddr *)&at, sizeof at), 0);
    assert_int_equal(listen(w->listener, 16), 0);
    assert_int_equal(getsockname(w->listener, (struct sockaddr *)&at, &length), 0);
    snprintf(w->url, sizeof w->url, "http://127.0.0.1:%u/v2", ntohs(at.sin_port));
}

static void open_world_with(struct world *w, struct calcom_config config)
{
    *w = (struct world){ .config = config };
    loopback_start(&w->loopback);
    listen_somewhere(w);
    w->config.http.worker = w->loopback.worker;
    loopback_do(&w->loopback, open_account, w);
}

static void close_world(struct world *w)
{
    loopback_do(&w->loopback, close_account, w);
    close(w->listener);
    loopback_stop(&w->loopback);
}

/* -- asking -- */

static void done(struct calcom_op *op) { container_of(op, struct asked, op)->is_over = true; }
static bool is_over(void *context) { return ((struct asked *)context)->is_over; }

static void start_create(struct shard *, void *context)
{
    struct asked *a = context;
    calcom_create_booking(a->world->account, &a->op, slice_of(PAYLOAD), done);
    assert_false(a->is_over);
}
static void start_me(struct shard *, void *context)
{
    struct asked *a = context;
    calcom_get_me(a->world->account, &a->op, done);
}
static void start_find(struct shard *, void *context)
{
    struct asked *a = context;
    a->find = (struct calcom_find){ .event_type_id = 987, .starts_at_us = start_us, .ends_at_us = start_us + 1'800'000'000, .reference = slice_of("t42-0001") };
    calcom_find_booking(a->world->account, &a->op, &a->find, done);
}

static void ask(struct world *w, struct asked *a, void (*start)(struct shard *, void *))
{
    *a = (struct asked){ .world = w };
    loopback_do(&w->loopback, start, a);
}

static void expect(struct asked *a, enum calcom_outcome outcome)
{
    loopback_wait_until(&a->world->loopback, is_over, a);
    assert_string_equal(calcom_outcome_name(a->op.outcome), calcom_outcome_name(outcome));
}

/* -- the other side -- */

static int accept_peer(struct world *w)
{
    struct pollfd waiting = { .fd = w->listener, .events = POLLIN };
    assert_int_equal(poll(&waiting, 1, PATIENCE_MS), 1);
    return accept(w->listener, nullptr, nullptr);
}

static bool nobody_dials(struct world *w)
{
    struct pollfd waiting = { .fd = w->listener, .events = POLLIN };
    return poll(&waiting, 1, 20) == 0;
}

/* Reads one request whole; its text. */
static const char *hear_request(int fd)
{
    static char text[8192];
    size_t      length = 0;
    memset(text, 0, sizeof text);
    for (;;) {
        const char *end = strstr(text, "\r\n\r\n");
        const char *declared = strcasestr(text, "\r\nContent-Length: ");
        size_t      body = end && declared ? (size_t)atol(declared + 18) : 0;
        if (end && length >= (size_t)(end + 4 - text) + body) return text;
        ssize_t count = peer_hear_some(fd, text + length, sizeof text - 1 - length);
        assert_true(count > 0);
        length += (size_t)count;
    }
}

static void say(int fd, int status, const char *headers, const char *body)
{
    char answer[4096];
    int  length = snprintf(answer, sizeof answer, "HTTP/1.1 %d X\r\n%sContent-Length: %zu\r\n\r\n%s", status, headers, strlen(body), body);
    peer_say(fd, slice_from(answer, (size_t)length));
}

static void reset(int fd)
{
    struct linger now = { .l_onoff = 1 };
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    close(fd);
}

#define BOOKING(uid) "{\"uid\":\"" uid "\",\"start\":\"2026-03-10T14:00:00.000Z\",\"end\":\"2026-03-10T14:30:00.000Z\",\"status\":\"accepted\",\"eventTypeId\":987," \
                     "\"metadata\":{\"engineRef\":\"t42-0001\"}}"
static const char booked[] = "{\"status\":\"success\",\"data\":" BOOKING("7kYb") "}";
static const char me[] = "{\"status\":\"success\",\"data\":{\"id\":42}}";

/* true: a request has come. false: the op is over without one. */
static bool is_asked(int fd, struct asked *a)
{
    struct loopback_question over = { .is_so = is_over, .context = a };
    struct pollfd            waiting = { .fd = fd, .events = POLLIN };
    while (!over.answer) {
        if (poll(&waiting, 1, 1) == 1) return true;
        loopback_do(&a->world->loopback, loopback_ask, &over);
    }
    return false;
}

/* -- promises -- */

static void a_booking_is_asked_for_as_cal_com_demands(void **)
{
    struct world w;
    struct asked a;
    open_world_with(&w, calcom_config_default());
    ask(&w, &a, start_create);
    int         fd = accept_peer(&w);
    const char *request = hear_request(fd);
    assert_int_equal(strncmp(request, "POST /v2/bookings HTTP/1.1\r\n", 28), 0);
    assert_non_null(strstr(request, "\r\nAuthorization: Bearer cal_live_x\r\n"));
    assert_non_null(strstr(request, "\r\ncal-api-version: 2024-08-13\r\n"));
    assert_non_null(strstr(request, "\r\nContent-Type: application/json\r\n"));
    assert_string_equal(strstr(request, "\r\n\r\n") + 4, PAYLOAD);
    say(fd, 201, "", booked);
    expect(&a, CALCOM_OK);
    assert_string_equal(a.op.bookings[0].uid, "7kYb");
    close(fd);
    close_world(&w);
}

static void a_look_up_reads_its_pages_one_after_the_other(void **)
{
    struct world w;
    struct asked a;
    open_world_with(&w, calcom_config_default());
    ask(&w, &a, start_find);
    int fd = accept_peer(&w);
    assert_non_null(strstr(hear_request(fd), "GET /v2/bookings?eventTypeId=987&afterStart=2026-03-10T14%3A00%3A00Z"));
    say(fd, 200, "", "{\"status\":\"success\",\"data\":[" BOOKING("a") "],\"pagination\":{\"hasNextPage\":true}}");
    assert_non_null(strstr(hear_request(fd), "&skip=1 HTTP/1.1"));
    say(fd, 200, "", "{\"status\":\"success\",\"data\":[" BOOKING("a") "," BOOKING("b") "],\"pagination\":{\"hasNextPage\":false}}");
    expect(&a, CALCOM_OK);
    assert_int_equal(a.op.booking_count, 2);
    close(fd);
    close_world(&w);
}

static void where_nobody_listens_nothing_happened(void **)
{
    struct world w;
    struct asked a;
    open_world_with(&w, calcom_config_default());
    close(w.listener);
    ask(&w, &a, start_create);
    expect(&a, CALCOM_NOT_SENT);
    listen_somewhere(&w);
    close_world(&w);
}

static void a_write_that_is_not_answered_in_time_is_unknown(void **)
{
    struct world w;
    struct asked a;
    struct calcom_config config = calcom_config_default();
    config.write_timeout_ms = 50;
    open_world_with(&w, config);
    ask(&w, &a, start_create);
    int fd = accept_peer(&w);
    hear_request(fd); /* taken, and carried out, but never answered */
    expect(&a, CALCOM_UNKNOWN);
    assert_string_equal(a.op.message, "No answer in time");
    assert_true(peer_is_at_end(fd)); /* and the connection is not used for anything else */
    assert_true(nobody_dials(&w));
    close(fd);
    close_world(&w);
}

static void what_waits_for_a_connection_until_its_time_is_up_was_not_sent(void **)
{
    struct world w;
    struct asked slow, late;
    struct calcom_config config = calcom_config_default();
    config.http.connections_max = 1;
    config.read_timeout_ms = 50;
    open_world_with(&w, config);
    ask(&w, &slow, start_create);
    int fd = accept_peer(&w);
    hear_request(fd);
    ask(&w, &late, start_me);
    expect(&late, CALCOM_NOT_SENT);
    say(fd, 201, "", booked);
    expect(&slow, CALCOM_OK);
    close(fd);
    close_world(&w);
}

static void a_connection_that_breaks_after_the_request_is_unknown(void **)
{
    static const char *const halves[] = { "", "HTTP/1.1 20", "HTTP/1.1 201 Created\r\nContent-Length: 500\r\n\r\n{\"status\":\"success\",\"data\":{\"uid\":\"7kYb\"" };
    struct world w;
    struct asked a;
    struct calcom_config config = calcom_config_default();
    config.breaker.failures_to_open = 100;
    open_world_with(&w, config);
    for (size_t n = 0; n < sizeof halves / sizeof *halves; n++)
        for (int with_reset = 0; with_reset < 2; with_reset++) {
            ask(&w, &a, start_create);
            int fd = accept_peer(&w);
            hear_request(fd);
            peer_say(fd, slice_from_text(halves[n]));
            if (with_reset) reset(fd);
            else close(fd);
            expect(&a, CALCOM_UNKNOWN);
            assert_true(nobody_dials(&w)); /* nothing is tried again here */
        }
    close_world(&w);
}

static void a_success_cut_short_without_a_length_is_unknown(void **)
{
    struct world w;
    struct asked a;
    open_world_with(&w, calcom_config_default());
    ask(&w, &a, start_create);
    int fd = accept_peer(&w);
    hear_request(fd);
    peer_say_text(fd, "HTTP/1.1 201 Created\r\n\r\n{\"status\":\"success\",\"data\":{\"uid\":\"7kYb\"");
    close(fd);
    expect(&a, CALCOM_UNKNOWN);
    assert_string_equal(a.op.message, "An answer that cannot be read");
    close_world(&w);
}

static void a_stale_connection_is_not_a_reason_to_book_twice(void **)
{
    struct world w;
    struct asked first, second;
    open_world_with(&w, calcom_config_default());
    ask(&w, &first, start_create);
    int fd = accept_peer(&w);
    hear_request(fd);
    say(fd, 201, "", booked);
    expect(&first, CALCOM_OK);
    ask(&w, &second, start_create);
    hear_request(fd);
    reset(fd);
    expect(&second, CALCOM_UNKNOWN);
    assert_true(nobody_dials(&w));
    close_world(&w);
}

static void a_429_is_heard_once(void **)
{
    struct world w;
    struct asked a;
    open_world_with(&w, calcom_config_default());
    ask(&w, &a, start_create);
    int fd = accept_peer(&w);
    hear_request(fd);
    say(fd, 429, "X-RateLimit-Reset-Default: 60\r\n", "{\"status\":\"error\",\"error\":{\"code\":\"ThrottlerException\",\"message\":\"CustomThrottlerGuard - Too many requests.\"}}");
    expect(&a, CALCOM_THROTTLED);
    uint64_t blocked_until_us = a.op.retry_at_us;
    for (int n = 0; n < 5; n++) {
        ask(&w, &a, start_create);
        expect(&a, CALCOM_NOT_SENT);
        assert_int_equal(a.op.retry_at_us, blocked_until_us);
    }
    struct pollfd silence = { .fd = fd, .events = POLLIN };
    assert_int_equal(poll(&silence, 1, 20), 0);
    close(fd);
    close_world(&w);
}

static void a_sick_provider_is_left_alone_and_found_well_again(void **)
{
    struct world w;
    struct asked a;
    struct calcom_config config = calcom_config_default();
    config.breaker.open_ms = 30;
    open_world_with(&w, config);
    ask(&w, &a, start_me);
    int fd = accept_peer(&w);
    for (int n = 0; n < 5; n++) {
        if (n > 0) ask(&w, &a, start_me);
        hear_request(fd);
        say(fd, n % 2 ? 502 : 500, "", "<html>Bad Gateway</html>");
        expect(&a, CALCOM_UNKNOWN);
    }
    ask(&w, &a, start_me);
    expect(&a, CALCOM_NOT_SENT);
    uint64_t retry_at_us = a.op.retry_at_us;
    for (int well = 0; well < 2;) { /* asked all the time, it lets nobody through before its rest is over */
        ask(&w, &a, start_me);
        if (!is_asked(fd, &a)) {
            expect(&a, CALCOM_NOT_SENT);
            continue;
        }
        assert_true(clock_monotonic_us() >= retry_at_us);
        hear_request(fd);
        say(fd, 200, "", me);
        expect(&a, CALCOM_OK);
        well += 1;
    }
    assert_int_equal(calcom_account_breaker(w.account)->state, BREAKER_CLOSED);
    close(fd);
    close_world(&w);
}

static void give_up(struct shard *, void *context) { calcom_cancel_op(&((struct asked *)context)->op); }

static void what_is_given_up_after_it_was_sent_is_unknown(void **)
{
    struct world w;
    struct asked a;
    open_world_with(&w, calcom_config_default());
    ask(&w, &a, start_create);
    int fd = accept_peer(&w);
    hear_request(fd);
    loopback_do(&w.loopback, give_up, &a);
    expect(&a, CALCOM_UNKNOWN);
    assert_string_equal(a.op.message, "Given up");
    close(fd);
    close_world(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_booking_is_asked_for_as_cal_com_demands),
        cmocka_unit_test(a_look_up_reads_its_pages_one_after_the_other),
        cmocka_unit_test(where_nobody_listens_nothing_happened),
        cmocka_unit_test(a_write_that_is_not_answered_in_time_is_unknown),
        cmocka_unit_test(what_waits_for_a_connection_until_its_time_is_up_was_not_sent),
        cmocka_unit_test(a_connection_that_breaks_after_the_request_is_unknown),
        cmocka_unit_test(a_success_cut_short_without_a_length_is_unknown),
        cmocka_unit_test(a_stale_connection_is_not_a_reason_to_book_twice),
        cmocka_unit_test(a_429_is_heard_once),
        cmocka_unit_test(a_sick_provider_is_left_alone_and_found_well_again),
        cmocka_unit_test(what_is_given_up_after_it_was_sent_is_unknown),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
