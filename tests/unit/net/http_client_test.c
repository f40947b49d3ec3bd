/* What the HTTP client promises to those who must not do a thing twice. The other side is played by the test, byte by byte. */
#include "tests/unit/net/loopback.h"
#include "net/http_client.h"

struct world {
    struct loopback     loopback;
    int                 listener;
    struct http_client *client;
    struct http_client_config config;
    struct http_client_counters seen;
};

struct asked {
    struct world    *world;
    struct http_call call;
    uint32_t         timeout_ms;
    bool             is_over, is_released;
};

static void open_client(struct shard *s, void *context)
{
    struct world *w = context;
    w->client = http_client_open(s, &w->config);
}
static void close_client(struct shard *, void *context) { http_client_close(((struct world *)context)->client); }

static void open_world_with(struct world *w, const char *host, const char *path)
{
    *w = (struct world){ .config = http_client_config_default() };
    loopback_start(&w->loopback);
    w->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t          length = sizeof at;
    assert_int_equal(bind(w->listener, (struct sockaddr *)&at, sizeof at), 0);
    assert_int_equal(listen(w->listener, 16), 0);
    assert_int_equal(getsockname(w->listener, (struct sockaddr *)&at, &length), 0);
    char url[128];
    snprintf(url, sizeof url, "http://%s:%u%s", host, ntohs(at.sin_port), path);
    assert_true(http_origin_parse(slice_from_text(url), &w->config.origin));
    w->config.worker = w->loopback.worker;
    w->config.answer_bytes_max = 256 * 1024;
}
static void open_world(struct world *w)
{
    open_world_with(w, "127.0.0.1", "");
    loopback_do(&w->loopback, open_client, w);
}

static void close_world(struct world *w)
{
    loopback_do(&w->loopback, close_client, w);
    close(w->listener);
    loopback_stop(&w->loopback); /* ends only when the client has let go of the shard */
}

/* -- asking -- */

static void is_done(struct http_call *call)
{
    struct asked *a = container_of(call, struct asked, call);
    a->is_over = true;
    a->world->seen = *http_client_counters(a->world->client);
}

static void start_asking(struct shard *s, void *context)
{
    struct asked *a = context;
    a->call.deadline_us = s->now_us + a->timeout_ms * UINT64_C(1000);
    a->call.done = is_done;
    http_call_start(a->world->client, &a->call);
    assert_false(a->is_over); /* never from within */
}

static void ask(struct world *w, struct asked *a)
{
    a->world = w;
    if (a->call.target.length == 0) a->call.target = slice_of("/x");
    if (a->timeout_ms == 0) a->timeout_ms = PATIENCE_MS;
    loopback_do(&w->loopback, start_asking, a);
}

static bool is_over(void *context) { return ((struct asked *)context)->is_over; }
static void wait_for(struct asked *a) { loopback_wait_until(&a->world->loopback, is_over, a); }
static void release(struct shard *, void *context) { http_call_release(&((struct asked *)context)->call); }
static void forget(struct asked *a) { loopback_do(&a->world->loopback, release, a); }

static void expect(struct asked *a, enum http_outcome outcome, bool maybe_sent)
{
    wait_for(a);
    assert_int_equal(a->call.outcome, outcome);
    assert_int_equal(a->call.maybe_sent, maybe_sent);
    forget(a);
}

static void expect_answer(struct asked *a, int status, const char *body)
{
    wait_for(a);
    assert_int_equal(a->call.outcome, HTTP_ANSWERED);
    assert_int_equal(a->call.status, status);
    assert_true(slice_equal(a->call.answer, slice_from_text(body)));
    forget(a);
}

/* -- the other side -- */

static int accept_peer(struct world *w)
{
    struct pollfd waiting = { .fd = w->listener, .events = POLLIN };
    assert_int_equal(poll(&waiting, 1, PATIENCE_MS), 1);
    return accept(w->listener, nullptr, nullptr);
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
        size_t      body = end && declared && declared < end ? (size_t)atol(declared + 18) : 0;
        if (end && length >= (size_t)(end + 4 - text) + body) return text;
        ssize_t count = peer_hear_some(fd, text + length, sizeof text - 1 - length);
        assert_true(count > 0);
        length += (size_t)count;
    }
}

static void say_ok(int fd) { peer_say_text(fd, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"); }

/* -- promises -- */

static void sends_what_was_asked_and_brings_the_answer(void **)
{
    struct world w;
    open_world_with(&w, "127.0.0.1", "/v2/");
    loopback_do(&w.loopback, open_client, &w);
    struct http_header headers[] = { { slice_of("Authorization"), slice_of("Bearer x") }, { slice_of("Content-Type"), slice_of("application/json") } };
    struct asked a = { .call = { .method = HTTP_POST, .target = slice_of("/bookings?a=b"), .headers = headers, .header_count = 2, .body = slice_of("{}") } };
    ask(&w, &a);
    int  fd = accept_peer(&w);
    char expected[512];
    snprintf(expected, sizeof expected,
             "POST /v2/bookings?a=b HTTP/1.1\r\nHost: 127.0.0.1:%u\r\nAuthorization: Bearer x\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}",
             w.config.origin.port);
    assert_string_equal(hear_request(fd), expected);
    peer_say_text(fd, "HTTP/1.1 201 Created\r\nContent-Type: text/x\r\nX-Empty:\r\nContent-Length: 5\r\n\r\nhello");
    wait_for(&a);
    assert_int_equal(a.call.outcome, HTTP_ANSWERED);
    assert_int_equal(a.call.status, 201);
    assert_true(slice_equal(a.call.answer, slice_of("hello")));
    assert_true(slice_equal(http_call_header(&a.call, slice_of("content-TYPE")), slice_of("text/x")));
    assert_false(slice_is_absent(http_call_header(&a.call, slice_of("x-empty"))));
    assert_true(slice_is_absent(http_call_header(&a.call, slice_of("x-none"))));
    assert_true(a.call.started_at_us <= a.call.sent_at_us && a.call.sent_at_us <= a.call.answered_at_us);
    forget(&a);
    close(fd);
    close_world(&w);
}

static void uses_a_connection_again(void **)
{
    struct world w;
    open_world(&w);
    int fd = -1;
    for (int n = 0; n < 3; n++) {
        struct asked a = { 0 };
        ask(&w, &a);
        if (fd < 0) fd = accept_peer(&w);
        hear_request(fd);
        say_ok(fd);
        expect_answer(&a, 200, "ok");
    }
    assert_int_equal(counter_read(&w.seen.connects), 1);
    assert_int_equal(counter_read(&w.seen.reused), 2);
    close(fd);
    close_world(&w);
}

static bool has_none_open(void *context) { return gauge_read(&http_client_counters(((struct world *)context)->client)->open) == 0; }

static void does_not_use_a_connection_that_the_peer_has_closed(void **)
{
    struct world w;
    open_world(&w);
    struct asked first = { 0 }, second = { 0 };
    ask(&w, &first);
    int fd = accept_peer(&w);
    hear_request(fd);
    say_ok(fd);
    expect_answer(&first, 200, "ok");
    close(fd);
    loopback_wait_until(&w.loopback, has_none_open, &w); /* noticed without being asked */
    ask(&w, &second);
    fd = accept_peer(&w);
    hear_request(fd);
    say_ok(fd);
    expect_answer(&second, 200, "ok");
    close(fd);
    close_world(&w);
}

/* The peer closes in the very moment in which it is asked: nobody knows, and nobody asks twice. */
static void never_sends_twice_even_on_a_stale_connection(void **)
{
    struct world w;
    open_world(&w);
    struct asked first = { 0 }, second = { 0 };
    ask(&w, &first);
    int fd = accept_peer(&w);
    hear_request(fd);
    say_ok(fd);
    expect_answer(&first, 200, "ok");
    ask(&w, &second);
    hear_request(fd);
    close(fd);
    expect(&second, HTTP_BROKEN, true);
    struct pollfd nobody = { .fd = w.listener, .events = POLLIN };
    assert_int_equal(poll(&nobody, 1, 20), 0);
    close_world(&w);
}

static void a_connection_is_not_used_again_after_doubt(void **)
{
    static const char *doubtful[] = {
        "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok",
        "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nnot ours",
    };
    struct world w;
    open_world(&w);
    for (size_t n = 0; n < sizeof doubtful / sizeof *doubtful; n++) {
        struct asked a = { 0 };
        ask(&w, &a);
        int fd = accept_peer(&w);
        hear_request(fd);
        peer_say(fd, slice_from_text(doubtful[n]));
        expect_answer(&a, 200, "ok");
        assert_true(peer_is_at_end(fd));
        close(fd);
    }
    close_world(&w);
}

static void bytes_that_nobody_asked_for_end_an_idle_connection(void **)
{
    struct world w;
    open_world(&w);
    struct asked a = { 0 };
    ask(&w, &a);
    int fd = accept_peer(&w);
    hear_request(fd);
    say_ok(fd);
    expect_answer(&a, 200, "ok");
    peer_say_text(fd, "HTTP/1.1 408 Request Timeout\r\n\r\n");
    assert_true(peer_is_at_end(fd));
    close(fd);
    close_world(&w);
}

static void understands_every_lawful_form_of_an_answer(void **)
{
    static const struct { const char *bytes; int status; const char *body; bool ends; } forms[] = {
        { "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n3;x=y\r\ndef\r\n0\r\nT: t\r\n\r\n", 200, "abcdef", false },
        { "HTTP/1.1 204 No Content\r\n\r\n", 204, "", false },
        { "HTTP/1.1 304 Not Modified\r\nContent-Length: 100\r\n\r\n", 304, "", false },
        { "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na", 200, "a", false },
        { "HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n", 500, "", false },
        { "HTTP/1.1 200 OK\r\n\r\nuntil the end", 200, "until the end", true },
        { "HTTP/1.0 200 OK\r\n\r\nuntil the end", 200, "until the end", true },
    };
    struct world w;
    open_world(&w);
    for (size_t n = 0; n < sizeof forms / sizeof *forms; n++) {
        for (int pieces = 0; pieces < 2; pieces++) {
            struct asked a = { 0 };
            ask(&w, &a);
            struct pollfd waiting = { .fd = w.listener, .events = POLLIN };
            static int fd = -1;
            if (poll(&waiting, 1, fd < 0 ? PATIENCE_MS : 20) == 1) {
                if (fd >= 0) close(fd);
                fd = accept_peer(&w);
            }
            hear_request(fd);
            struct slice bytes = slice_from_text(forms[n].bytes);
            if (pieces) for (size_t at = 0; at < bytes.length; at++) peer_say(fd, slice_take(slice_skip(bytes, at), 1));
            else peer_say(fd, bytes);
            if (forms[n].ends) shutdown(fd, SHUT_WR);
            expect_answer(&a, forms[n].status, forms[n].body);
        }
    }
    close_world(&w);
}

/* Behind a framework's, a proxy's and a network's own stand those that say what is left of the minute; they decide whether Cal.com locks the account. */
static void the_last_of_many_headers_is_told_too(void **)
{
    char          memory[4096];
    struct buffer b = buffer_over(memory, sizeof memory);
    buffer_print(&b, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n");
    for (uint32_t n = 2; n < http_headers_max; n++) buffer_print(&b, "X-Other-%u: x\r\n", n);
    buffer_print(&b, "X-RateLimit-Remaining-Default: 7\r\n\r\n");
    struct world w;
    open_world(&w);
    struct asked a = { 0 };
    ask(&w, &a);
    int fd = accept_peer(&w);
    hear_request(fd);
    peer_say(fd, buffer_slice(&b));
    wait_for(&a);
    assert_true(slice_equal(http_call_header(&a.call, slice_of("x-ratelimit-remaining-default")), slice_of("7")));
    expect_answer(&a, 200, "");
    close(fd);
    close_world(&w);
}

static void an_answer_to_head_has_no_body(void **)
{
    struct world w;
    open_world(&w);
    struct asked head = { .call.method = HTTP_HEAD }, get = { 0 };
    ask(&w, &head);
    int fd = accept_peer(&w);
    hear_request(fd);
    peer_say_text(fd, "HTTP/1.1 200 OK\r\nContent-Length: 2000\r\n\r\n");
    expect_answer(&head, 200, "");
    ask(&w, &get);
    hear_request(fd);
    say_ok(fd);
    expect_answer(&get, 200, "ok");
    close(fd);
    close_world(&w);
}

static void a_broken_answer_is_never_taken_for_a_whole_one(void **)
{
    static const char *broken[] = {
        "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabcdeX\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 4\r\n\r\nokok",
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
        "HTTP/1.1 200 O",
        "SSH-2.0-OpenSSH_9.2\r\n",
        "",
    };
    struct world w;
    open_world(&w);
    for (size_t n = 0; n < sizeof broken / sizeof *broken; n++) {
        struct asked a = { 0 };
        ask(&w, &a);
        int fd = accept_peer(&w);
        hear_request(fd);
        peer_say(fd, slice_from_text(broken[n]));
        shutdown(fd, SHUT_WR);
        expect(&a, HTTP_BROKEN, true);
        assert_true(peer_is_at_end(fd));
        close(fd);
    }
    close_world(&w);
}

static void an_answer_past_its_bound_is_refused(void **)
{
    struct world w;
    open_world(&w);
    struct asked declared = { 0 }, chunked = { 0 };
    ask(&w, &declared);
    int fd = accept_peer(&w);
    hear_request(fd);
    peer_say_text(fd, "HTTP/1.1 200 OK\r\nContent-Length: 262145\r\n\r\n");
    expect(&declared, HTTP_TOO_LARGE, true);
    close(fd);
    ask(&w, &chunked);
    fd = accept_peer(&w);
    hear_request(fd);
    char chunk[0x10000 + 10];
    memcpy(chunk, "10000\r\n", 7);
    memset(chunk + 7, 'x', 0x10000);
    memcpy(chunk + 7 + 0x10000, "\r\n", 2);
    peer_say_text(fd, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
    for (int n = 0; n < 5; n++) (void)peer_try_say(fd, slice_from(chunk, 7 + 0x10000 + 2));
    expect(&chunked, HTTP_TOO_LARGE, true);
    close(fd);
    close_world(&w);
}

/* -- time -- */

static void a_deadline_holds_whether_it_waits_or_was_sent(void **)
{
    struct world w;
    open_world_with(&w, "127.0.0.1", "");
    w.config.connections_max = 1;
    loopback_do(&w.loopback, open_client, &w);
    struct asked sent = { .timeout_ms = 60 }, waiting = { .timeout_ms = 30 };
    ask(&w, &sent);
    int fd = accept_peer(&w);
    hear_request(fd);
    ask(&w, &waiting);
    expect(&waiting, HTTP_TIMED_OUT, false);
    expect(&sent, HTTP_TIMED_OUT, true);
    assert_true(peer_is_at_end(fd)); /* a late answer finds nobody */
    close(fd);
    close_world(&w);
}

static void half_an_answer_at_the_deadline_is_no_answer(void **)
{
    struct world w;
    open_world(&w);
    struct asked a = { .timeout_ms = 50 };
    ask(&w, &a);
    int fd = accept_peer(&w);
    hear_request(fd);
    peer_say_text(fd, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf");
    expect(&a, HTTP_TIMED_OUT, true);
    close(fd);
    close_world(&w);
}

static void an_idle_connection_is_closed_in_time(void **)
{
    struct world w;
    open_world_with(&w, "127.0.0.1", "");
    w.config.idle_timeout_ms = 20;
    loopback_do(&w.loopback, open_client, &w);
    struct asked a = { 0 };
    ask(&w, &a);
    int fd = accept_peer(&w);
    hear_request(fd);
    say_ok(fd);
    expect_answer(&a, 200, "ok");
    assert_true(peer_is_at_end(fd));
    close(fd);
    close_world(&w);
}

/* -- connecting -- */

static void nobody_there_means_nothing_was_sent(void **)
{
    struct world w;
    open_world(&w);
    close(w.listener);
    w.listener = dup(STDIN_FILENO);
    struct asked a[3] = { 0 };
    for (int n = 0; n < 3; n++) ask(&w, &a[n]);
    for (int n = 0; n < 3; n++) expect(&a[n], HTTP_NOT_CONNECTED, false);
    close_world(&w);
}

static void a_name_is_resolved_without_the_shard_waiting(void **)
{
    struct world w;
    open_world_with(&w, "localhost", "");
    loopback_do(&w.loopback, open_client, &w);
    for (int n = 0; n < 2; n++) {
        struct asked a = { 0 };
        ask(&w, &a);
        int fd = accept_peer(&w);
        hear_request(fd);
        peer_say_text(fd, "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok");
        expect_answer(&a, 200, "ok");
        close(fd);
    }
    close_world(&w);
}

static void an_unknown_name_means_nothing_was_sent(void **)
{
    struct world w;
    open_world_with(&w, "nowhere.invalid", "");
    loopback_do(&w.loopback, open_client, &w);
    struct asked a = { 0 };
    ask(&w, &a);
    expect(&a, HTTP_NOT_CONNECTED, false);
    close_world(&w);
}

static void opens_no_more_connections_than_it_may_and_serves_all(void **)
{
    struct world w;
    open_world_with(&w, "127.0.0.1", "");
    w.config.connections_max = 2;
    loopback_do(&w.loopback, open_client, &w);
    struct asked a[6] = { 0 };
    for (int n = 0; n < 6; n++) ask(&w, &a[n]);
    int fds[2] = { accept_peer(&w), accept_peer(&w) };
    for (int n = 0; n < 6; n++) {
        hear_request(fds[n % 2]);
        say_ok(fds[n % 2]);
    }
    for (int n = 0; n < 6; n++) expect_answer(&a[n], 200, "ok");
    assert_int_equal(counter_read(&w.seen.connects), 2);
    close(fds[0]);
    close(fds[1]);
    close_world(&w);
}

/* -- giving up -- */

static void cancel(struct shard *, void *context)
{
    struct asked *a = context;
    http_call_cancel(&a->call);
    assert_false(a->is_over);
}

static void a_cancelled_call_ends_and_its_connection_with_it(void **)
{
    struct world w;
    open_world_with(&w, "127.0.0.1", "");
    w.config.connections_max = 1;
    loopback_do(&w.loopback, open_client, &w);
    struct asked sent = { 0 }, waiting = { 0 };
    ask(&w, &sent);
    int fd = accept_peer(&w);
    hear_request(fd);
    ask(&w, &waiting);
    loopback_do(&w.loopback, cancel, &waiting);
    expect(&waiting, HTTP_GIVEN_UP, false);
    loopback_do(&w.loopback, cancel, &sent);
    expect(&sent, HTTP_GIVEN_UP, true);
    assert_true(peer_is_at_end(fd));
    close(fd);
    close_world(&w);
}

/* -- origins -- */

static void an_origin_is_a_scheme_a_host_a_port_and_a_base_path(void **)
{
    struct http_origin o;
    assert_true(http_origin_parse(slice_of("https://api.cal.com/v2/"), &o));
    assert_true(o.tls && o.port == 443);
    assert_string_equal(o.host, "api.cal.com");
    assert_string_equal(o.base_path, "/v2");
    assert_true(http_origin_parse(slice_of("http://127.0.0.1:8080"), &o));
    assert_true(!o.tls && o.port == 8080 && o.base_path[0] == '\0');

    static const char *wrong[] = { "", "api.cal.com", "ftp://a", "https://", "https:///x", "https://a:0", "https://a:65536", "https://a:", "https://a:x",
                                   "https://user@a", "https://a/x?y", "https://a/x#y", "https://a/x y", "https://[::1]/", "https://a b/" };
    for (size_t n = 0; n < sizeof wrong / sizeof *wrong; n++)
        if (http_origin_parse(slice_from_text(wrong[n]), &o)) fail_msg("accepted: %s", wrong[n]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sends_what_was_asked_and_brings_the_answer),
        cmocka_unit_test(uses_a_connection_again),
        cmocka_unit_test(does_not_use_a_connection_that_the_peer_has_closed),
        cmocka_unit_test(never_sends_twice_even_on_a_stale_connection),
        cmocka_unit_test(a_connection_is_not_used_again_after_doubt),
        cmocka_unit_test(bytes_that_nobody_asked_for_end_an_idle_connection),
        cmocka_unit_test(understands_every_lawful_form_of_an_answer),
        cmocka_unit_test(the_last_of_many_headers_is_told_too),
        cmocka_unit_test(an_answer_to_head_has_no_body),
        cmocka_unit_test(a_broken_answer_is_never_taken_for_a_whole_one),
        cmocka_unit_test(an_answer_past_its_bound_is_refused),
        cmocka_unit_test(a_deadline_holds_whether_it_waits_or_was_sent),
        cmocka_unit_test(half_an_answer_at_the_deadline_is_no_answer),
        cmocka_unit_test(an_idle_connection_is_closed_in_time),
        cmocka_unit_test(nobody_there_means_nothing_was_sent),
        cmocka_unit_test(a_name_is_resolved_without_the_shard_waiting),
        cmocka_unit_test(an_unknown_name_means_nothing_was_sent),
        cmocka_unit_test(opens_no_more_connections_than_it_may_and_serves_all),
        cmocka_unit_test(a_cancelled_call_ends_and_its_connection_with_it),
        cmocka_unit_test(an_origin_is_a_scheme_a_host_a_port_and_a_base_path),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
