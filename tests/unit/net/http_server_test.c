/* What the HTTP server promises its peers and its handlers. Each test is named for the promise that it guards. */
#include "tests/unit/net/loopback.h"
#include "net/http_server.h"

/* -- the server under test, and a handler that does what the path says -- */

struct world {
    struct loopback     loopback;
    struct http_server *server;
    uint16_t            port;
    struct http_server_config config;
    struct http_exchange kept;          /* /later: answered when the test says so */
    const struct http_request *kept_request;
    uint32_t            kept_count;
    bool                later_was_answered;
    char                bodies_seen[64];
};

static void answer_text(struct http_request *r, uint16_t status, struct slice body)
{
    struct http_header type = { slice_of("Content-Type"), slice_of("text/plain") };
    assert_true(http_respond(r->server, r->exchange, &(struct http_response){ .status = status, .headers = &type, .header_count = 1, .body = body }));
}

static void handle(void *context, struct http_request *r)
{
    struct world *w = context;
    if (slice_equal(r->path, slice_of("/echo"))) {
        answer_text(r, 200, r->body.length > 0 ? r->body : r->query);
    } else if (slice_equal(r->path, slice_of("/later"))) {
        w->kept = r->exchange;
        w->kept_request = r;
        w->kept_count += 1;
    } else if (slice_equal(r->path, slice_of("/take"))) {
        struct http_body body = http_request_take_body(r);
        assert_true(http_respond_status(r->server, r->exchange, 204));
        assert_int_equal(body.capacity, body.length);
        heap_release(http_server_heap(w->server), body.start, body.capacity); /* it outlives the request */
    } else if (slice_equal(r->path, slice_of("/large"))) {
        static char large[600 * 1024];
        memset(large, 'x', sizeof large);
        answer_text(r, 200, slice_from(large, sizeof large));
    } else {
        assert_true(http_respond_status(r->server, r->exchange, 404));
    }
}

static uint16_t admit(void *, const struct http_request *r, int64_t body_bytes, uint64_t *body_bytes_max)
{
    if (slice_equal(r->path, slice_of("/refuse"))) return 503;
    if (slice_equal(r->path, slice_of("/only-get")) && r->method != HTTP_GET) {
        struct http_header allow = { slice_of("Allow"), slice_of("GET") };
        assert_true(http_respond(r->server, r->exchange, &(struct http_response){ .status = 405, .headers = &allow, .header_count = 1 }));
        return 405;
    }
    if (slice_equal(r->path, slice_of("/length")) && body_bytes < 0) return 411;
    if (slice_equal(r->path, slice_of("/small"))) *body_bytes_max = 10;
    return 0;
}

static void open_server(struct shard *s, void *context)
{
    struct world     *w = context;
    struct io_refusal refusal = { 0 };
    w->config.context = w;
    w->server = http_server_open(s, &w->config, &refusal);
    if (!w->server) fail_msg("no server: %s", refusal.text);
    w->port = http_server_port(w->server);
}

static struct http_server_config quick(void)
{
    struct http_server_config c = http_server_config_default();
    c.handler = handle;
    c.admission = admit;
    c.connections_max = 64;
    c.heap_bytes = 16 * 1024 * 1024;
    return c;
}

static void open_world(struct world *w, struct http_server_config config)
{
    *w = (struct world){ .config = config };
    loopback_start(&w->loopback);
    loopback_do(&w->loopback, open_server, w);
}

static void drain_server(struct shard *, void *context) { http_server_drain(((struct world *)context)->server); }
static void abort_server(struct shard *, void *context) { http_server_abort(((struct world *)context)->server); }
static void close_server(struct shard *, void *context)
{
    struct world *w = context;
    assert_int_equal(gauge_read(&http_server_counters(w->server)->open), 0);
    struct heap *heap = http_server_heap(w->server);
    uint64_t     left = heap->used_bytes;
    http_server_close(w->server);
    assert_int_equal(left, 0); /* every body, head and answer came back */
}

static bool is_empty(void *context) { return gauge_read(&http_server_counters(((struct world *)context)->server)->open) == 0; }

static void close_world(struct world *w)
{
    loopback_do(&w->loopback, abort_server, w);
    loopback_wait_until(&w->loopback, is_empty, w);
    loopback_do(&w->loopback, close_server, w);
    loopback_stop(&w->loopback);
}

static void answer_later(struct shard *, void *context)
{
    struct world *w = context;
    w->later_was_answered = http_respond_status(w->server, w->kept, 204);
}
static bool has_kept(void *context) { return ((struct world *)context)->kept_count > 0; }

static int status_of(uint16_t port, struct slice bytes)
{
    int fd = peer_dial(port);
    peer_say(fd, bytes);
    int status = peer_hear_status(fd);
    close(fd);
    return status;
}
#define STATUS_OF(port, text) status_of((port), slice_of(text))

/* -- requests and answers -- */

static void answers_what_it_was_asked_and_keeps_the_connection(void **)
{
    struct world w;
    open_world(&w, quick());
    int fd = peer_dial(w.port);
    for (int n = 0; n < 3; n++) {
        peer_say_text(fd, "POST /echo?q=1 HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello");
        struct peer_answer a = peer_hear_answer(fd);
        assert_int_equal(a.status, 200);
        assert_string_equal(a.body, "hello");
        assert_string_equal(peer_header(&a, "Content-Type"), "text/plain");
        assert_non_null(peer_header(&a, "Date"));
        assert_null(peer_header(&a, "Connection"));
        free(a.body);
    }
    assert_int_equal(counter_read(&http_server_counters(w.server)->accepted), 1);
    close(fd);
    close_world(&w);
}

static void answers_pipelined_requests_in_their_order(void **)
{
    struct world w;
    open_world(&w, quick());
    int fd = peer_dial(w.port);
    char  burst[64 * 1024];
    size_t length = 0;
    for (int n = 0; n < 500; n++)
        length += (size_t)snprintf(burst + length, sizeof burst - length, "GET /echo?%03d HTTP/1.1\r\nHost: a\r\n\r\n", n);
    peer_say(fd, slice_from(burst, length));
    for (int n = 0; n < 500; n++) {
        struct peer_answer a = peer_hear_answer(fd);
        assert_int_equal(atoi(a.body), n);
        free(a.body);
    }
    close(fd);
    close_world(&w);
}

/* 300 KiB behind a request that is not answered: more than may wait in memory, so receiving has to pause, and go on. */
static void pipelined_bytes_wait_bounded_until_their_turn(void **)
{
    struct world w;
    open_world(&w, quick());
    int fd = peer_dial(w.port);
    enum { BODY = 300 * 1024 };
    char *body = malloc(BODY);
    memset(body, 'b', BODY);
    peer_say_text(fd, "GET /later HTTP/1.1\r\nHost: a\r\n\r\nPOST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 307200\r\n\r\n");
    peer_say(fd, slice_from(body, BODY));
    loopback_wait_until(&w.loopback, has_kept, &w);
    loopback_do(&w.loopback, answer_later, &w);
    assert_true(w.later_was_answered);
    assert_int_equal(peer_hear_status(fd), 204);
    struct peer_answer a = peer_hear_answer(fd);
    assert_int_equal(a.body_length, BODY);
    assert_memory_equal(a.body, body, BODY);
    free(a.body);
    free(body);
    close(fd);
    close_world(&w);
}

static void understands_a_request_that_comes_byte_by_byte(void **)
{
    struct world w;
    open_world(&w, quick());
    int          fd = peer_dial(w.port);
    struct slice text = slice_of("POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nTrailer: t\r\n\r\n");
    for (size_t n = 0; n < text.length; n++) peer_say(fd, slice_take(slice_skip(text, n), 1));
    struct peer_answer a = peer_hear_answer(fd);
    assert_string_equal(a.body, "abcde");
    free(a.body);
    close(fd);
    close_world(&w);
}

static void sends_no_body_to_head_but_its_length(void **)
{
    struct world w;
    open_world(&w, quick());
    int fd = peer_dial(w.port);
    peer_say_text(fd, "HEAD /echo?12345 HTTP/1.1\r\nHost: a\r\n\r\nGET /echo?next HTTP/1.1\r\nHost: a\r\n\r\n");
    struct peer_answer a = peer_hear_answer_to(fd, true);
    assert_string_equal(peer_header(&a, "Content-Length"), "5");
    free(a.body);
    a = peer_hear_answer(fd);
    assert_string_equal(a.body, "next");
    free(a.body);
    close(fd);
    close_world(&w);
}

static void an_old_peer_gets_its_answer_and_the_end(void **)
{
    struct world w;
    open_world(&w, quick());
    int fd = peer_dial(w.port);
    peer_say_text(fd, "GET /echo?x HTTP/1.0\r\n\r\n");
    struct peer_answer a = peer_hear_answer(fd);
    assert_string_equal(peer_header(&a, "Connection"), "close");
    assert_true(peer_is_at_end(fd));
    free(a.body);
    close(fd);

    fd = peer_dial(w.port);
    for (int n = 0; n < 2; n++) {
        peer_say_text(fd, "GET /echo?x HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
        a = peer_hear_answer(fd);
        assert_string_equal(peer_header(&a, "Connection"), "keep-alive");
        free(a.body);
    }
    close(fd);
    close_world(&w);
}

static void a_body_can_be_taken_and_fits_its_memory(void **)
{
    struct world w;
    open_world(&w, quick());
    char  request[70 * 1024 + 128];
    for (size_t body = 1; body <= 70 * 1024; body = body * 3 + 7) {
        int length = snprintf(request, sizeof request, "POST /take HTTP/1.1\r\nHost: a\r\nContent-Length: %zu\r\n\r\n", body);
        memset(request + length, 'b', body);
        assert_int_equal(status_of(w.port, slice_from(request, (size_t)length + body)), 204);
    }
    close_world(&w);
}

static void a_large_answer_arrives_whole(void **)
{
    struct world w;
    open_world(&w, quick());
    int fd = peer_dial(w.port);
    peer_say_text(fd, "GET /large HTTP/1.1\r\nHost: a\r\n\r\n");
    struct peer_answer a = peer_hear_answer(fd);
    assert_int_equal(a.body_length, 600 * 1024);
    free(a.body);
    close(fd);
    close_world(&w);
}

/* -- Expect -- */

static void says_continue_only_after_admission(void **)
{
    struct world w;
    open_world(&w, quick());
    int fd = peer_dial(w.port);
    peer_say_text(fd, "POST /echo HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n");
    assert_int_equal(peer_hear_status(fd), 100);
    peer_say_text(fd, "ok");
    assert_int_equal(peer_hear_status(fd), 200);
    close(fd);

    assert_int_equal(STATUS_OF(w.port, "POST /refuse HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n"), 503);
    assert_int_equal(STATUS_OF(w.port, "POST /small HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 11\r\n\r\n"), 413);
    assert_int_equal(STATUS_OF(w.port, "POST /echo HTTP/1.1\r\nHost: a\r\nExpect: a-miracle\r\nContent-Length: 2\r\n\r\n"), 417);
    /* who does not wait is not told */
    assert_int_equal(STATUS_OF(w.port, "POST /echo HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\nok"), 200);
    close_world(&w);
}

/* -- refusals -- */

static void malformed_requests_get_their_status_and_the_end(void **)
{
    static const struct { int status; const char *bytes; } cases[] = {
        { 400, "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\nabc" },
        { 400, "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" },
        { 400, "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n" },
        { 400, "GET /echo HTTP/1.1\r\nHost: a\r\nX: a\r\n b\r\n\r\n" },
        { 400, "GET /echo HTTP/1.1\nHost: a\n\n" },
        { 400, "GET /echo HTTP/1.1\r\n\r\n" },
        { 400, "BREW /pot HTTP/1.1\r\nHost: a\r\n\r\n" },
        { 400, "\x16\x03\x01\x02" },
        { 505, "GET /echo HTTP/2.0\r\nHost: a\r\n\r\n" },
        { 404, "GET /nothing HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n" },
        { 411, "POST /length HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" },
        { 503, "POST /refuse HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello" },
    };
    struct world w;
    open_world(&w, quick());
    for (size_t n = 0; n < sizeof cases / sizeof *cases; n++) {
        int fd = peer_dial(w.port);
        peer_say(fd, slice_from_text(cases[n].bytes));
        struct peer_answer a = peer_hear_answer(fd);
        if (a.status != cases[n].status) fail_msg("%d instead of %d for: %s", a.status, cases[n].status, cases[n].bytes);
        assert_string_equal(peer_header(&a, "Connection"), "close");
        if (a.status == 503) assert_string_equal(peer_header(&a, "Retry-After"), "1");
        free(a.body);
        shutdown(fd, SHUT_WR);
        assert_true(peer_is_at_end(fd));
        close(fd);
    }
    close_world(&w);
}

/* The second request hides in what a lenient server would take for the first one's body, or the other way round. */
static void nothing_behind_a_refused_request_is_served(void **)
{
    struct world w;
    open_world(&w, quick());
    int fd = peer_dial(w.port);
    peer_say_text(fd, "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 40\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /echo?smuggled HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_int_equal(peer_hear_status(fd), 400);
    shutdown(fd, SHUT_WR);
    assert_true(peer_is_at_end(fd));
    close(fd);
    assert_int_equal(counter_read(&http_server_counters(w.server)->requests), 0);
    close_world(&w);
}

static void an_admission_may_answer_by_itself(void **)
{
    struct world w;
    open_world(&w, quick());
    int fd = peer_dial(w.port);
    peer_say_text(fd, "DELETE /only-get HTTP/1.1\r\nHost: a\r\n\r\n");
    struct peer_answer a = peer_hear_answer(fd);
    assert_int_equal(a.status, 405);
    assert_string_equal(peer_header(&a, "Allow"), "GET");
    free(a.body);
    close(fd);
    close_world(&w);
}

static void a_head_past_its_bound_gets_431(void **)
{
    struct world w;
    open_world(&w, quick());
    char   head[20 * 1024];
    size_t length = (size_t)snprintf(head, sizeof head, "GET /echo HTTP/1.1\r\nHost: a\r\nX: ");
    memset(head + length, 'x', sizeof head - length);
    assert_int_equal(status_of(w.port, slice_from(head, sizeof head)), 431);
    memset(head + length, ' ', sizeof head - length); /* blanks that no slice would ever show */
    assert_int_equal(status_of(w.port, slice_from(head, sizeof head)), 431);

    length = (size_t)snprintf(head, sizeof head, "GET /echo HTTP/1.1\r\nHost: a\r\n");
    for (int n = 0; n < 70; n++) length += (size_t)snprintf(head + length, sizeof head - length, "X-%d: y\r\n", n);
    length += (size_t)snprintf(head + length, sizeof head - length, "\r\n");
    assert_int_equal(status_of(w.port, slice_from(head, length)), 431);

    length = (size_t)snprintf(head, sizeof head, "GET /echo?ok HTTP/1.1\r\nHost: a\r\nX: ");
    memset(head + length, 'x', 15 * 1024);
    memcpy(head + length + 15 * 1024, "\r\n\r\n", 4);
    assert_int_equal(status_of(w.port, slice_from(head, length + 15 * 1024 + 4)), 200);
    close_world(&w);
}

/* The peer pushes 200 KiB after it was refused: it must still be able to read the refusal. */
static void a_declared_body_past_its_bound_gets_413_which_the_peer_can_read(void **)
{
    struct world w;
    open_world(&w, quick());
    int  fd = peer_dial(w.port);
    char push[200 * 1024];
    memset(push, 'x', sizeof push);
    peer_say_text(fd, "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 999999999\r\n\r\n");
    peer_say(fd, slice_from(push, sizeof push));
    assert_int_equal(peer_hear_status(fd), 413);
    close(fd);
    assert_int_equal(STATUS_OF(w.port, "POST /small HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nb\r\n12345678901\r\n0\r\n\r\n"), 413);
    assert_int_equal(STATUS_OF(w.port, "POST /small HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n1234567890"), 404);
    close_world(&w);
}

static void a_peer_that_goes_on_pushing_after_a_refusal_is_cut_off(void **)
{
    struct world w;
    open_world(&w, quick());
    int   fd = peer_dial(w.port);
    char *push = calloc(1, 64 * 1024);
    peer_say_text(fd, "POST /refuse HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999\r\n\r\n");
    uint64_t pushed = 0;
    while (pushed < 64 * 1024 * 1024 && peer_try_say(fd, slice_from(push, 64 * 1024))) pushed += 64 * 1024;
    assert_true(pushed < 64 * 1024 * 1024);
    free(push);
    close(fd);
    close_world(&w);
}

static void out_of_memory_gets_503_and_retry_after(void **)
{
    struct world              w;
    struct http_server_config config = quick();
    config.heap_bytes = 8 * 1024;
    open_world(&w, config);
    int fd = peer_dial(w.port);
    peer_say_text(fd, "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 9000\r\n\r\n");
    struct peer_answer a = peer_hear_answer(fd);
    assert_int_equal(a.status, 503);
    assert_string_equal(peer_header(&a, "Retry-After"), "1");
    free(a.body);
    close(fd);
    assert_int_equal(STATUS_OF(w.port, "GET /large HTTP/1.1\r\nHost: a\r\n\r\n"), 503);
    assert_int_equal(STATUS_OF(w.port, "GET /echo?small HTTP/1.1\r\nHost: a\r\n\r\n"), 200);
    close_world(&w);
}

static bool have_bodies_come(void *context) { return counter_read(&http_server_counters(((struct world *)context)->server)->bytes_in) > 1500 * 1024; }
static void bodies_take_no_room_from_answers(void **)
{
    struct world              w;
    struct http_server_config config = quick();
    config.heap_bytes = 2 * 1024 * 1024; /* of which the two bodies leave less than /large needs */
    open_world(&w, config);
    static const struct slice heads[] = { slice_of("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 1024000\r\n\r\n"),
                                          slice_of("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 524288\r\n\r\n") };
    static const size_t      bytes[] = { 1'024'000, 524'288 };
    static char              body[1'024'000];
    int                      fds[2];
    for (int n = 0; n < 2; n++) {
        fds[n] = peer_dial(w.port);
        peer_say(fds[n], heads[n]);
        peer_say(fds[n], slice_from(body, bytes[n] - 1));
    }
    loopback_wait_until(&w.loopback, have_bodies_come, &w);
    assert_int_equal(STATUS_OF(w.port, "GET /large HTTP/1.1\r\nHost: a\r\n\r\n"), 200);
    for (int n = 0; n < 2; n++) close(fds[n]);
    close_world(&w);
}

static void a_full_house_closes_at_once_and_recovers(void **)
{
    struct world              w;
    struct http_server_config config = quick();
    config.connections_max = 2;
    open_world(&w, config);
    int first = peer_dial(w.port), second = peer_dial(w.port), third = peer_dial(w.port);
    assert_true(peer_is_at_end(third));
    assert_int_equal(counter_read(&http_server_counters(w.server)->refused_full), 1);
    close(first);
    close(second);
    close(third);
    loopback_wait_until(&w.loopback, is_empty, &w);
    assert_int_equal(STATUS_OF(w.port, "GET /echo?x HTTP/1.1\r\nHost: a\r\n\r\n"), 200);
    close_world(&w);
}

/* -- time -- */

static void slow_heads_and_bodies_get_408_while_others_are_served(void **)
{
    struct world              w;
    struct http_server_config config = quick();
    config.head_timeout_ms = 60;
    config.body_idle_timeout_ms = 60;
    open_world(&w, config);
    int slow_head = peer_dial(w.port), slow_body = peer_dial(w.port);
    peer_say_text(slow_head, "POST /echo HTTP/1.1\r\nHo");
    peer_say_text(slow_body, "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc");
    assert_int_equal(STATUS_OF(w.port, "GET /echo?quick HTTP/1.1\r\nHost: a\r\n\r\n"), 200);
    assert_int_equal(peer_hear_status(slow_head), 408);
    assert_int_equal(peer_hear_status(slow_body), 408);
    close(slow_head);
    close(slow_body);
    assert_int_equal(counter_read(&http_server_counters(w.server)->timed_out_head), 1);
    assert_int_equal(counter_read(&http_server_counters(w.server)->timed_out_body), 1);
    close_world(&w);
}

/* A byte now and then keeps the silence short, but not the whole. */
static void a_body_that_trickles_is_ended_too(void **)
{
    struct world              w;
    struct http_server_config config = quick();
    config.body_idle_timeout_ms = 5'000;
    config.body_timeout_ms = 100;
    open_world(&w, config);
    int fd = peer_dial(w.port);
    peer_say_text(fd, "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n");
    struct pollfd answered = { .fd = fd, .events = POLLIN };
    while (poll(&answered, 1, 5) == 0) peer_say_text(fd, "x");
    assert_int_equal(peer_hear_status(fd), 408);
    close(fd);
    close_world(&w);
}

static void an_idle_connection_ends_without_a_word(void **)
{
    struct world              w;
    struct http_server_config config = quick();
    config.keep_alive_timeout_ms = 30;
    open_world(&w, config);
    int fd = peer_dial(w.port);
    peer_say_text(fd, "GET /echo?x HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_int_equal(peer_hear_status(fd), 200);
    assert_true(peer_is_at_end(fd));
    close(fd);
    close_world(&w);
}

static void a_peer_that_does_not_take_its_answer_is_cut_off(void **)
{
    struct world              w;
    struct http_server_config config = quick();
    config.send_timeout_ms = 50;
    open_world(&w, config);
    int fd = peer_dial(w.port), small = 4096;
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    for (int n = 0; n < 20; n++) peer_say_text(fd, "GET /large HTTP/1.1\r\nHost: a\r\n\r\n"); /* more than any socket buffer takes */
    loopback_wait_until(&w.loopback, is_empty, &w);
    assert_int_equal(counter_read(&http_server_counters(w.server)->timed_out_send), 1);
    close(fd);
    close_world(&w);
}

/* -- peers that go away -- */

static void reset(int fd)
{
    struct linger at_once = { .l_onoff = 1, .l_linger = 0 };
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    close(fd);
}

static void read_kept_request(struct shard *, void *context)
{
    struct world *w = context;
    assert_true(slice_equal(w->kept_request->body, slice_of("abc"))); /* AddressSanitizer sees it if this is gone */
    assert_true(slice_equal(w->kept_request->path, slice_of("/later")));
}

static void an_answer_to_a_peer_that_is_gone_is_dropped_and_counted(void **)
{
    struct world w;
    open_world(&w, quick());
    int fd = peer_dial(w.port);
    peer_say_text(fd, "POST /later HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc");
    loopback_wait_until(&w.loopback, has_kept, &w);
    reset(fd);
    loopback_wait_until(&w.loopback, is_empty, &w);
    loopback_do(&w.loopback, read_kept_request, &w); /* the handler may still read it */
    loopback_do(&w.loopback, answer_later, &w);
    assert_false(w.later_was_answered);
    assert_int_equal(counter_read(&http_server_counters(w.server)->peer_gone), 1);
    loopback_do(&w.loopback, answer_later, &w); /* and a second answer finds nobody */
    assert_false(w.later_was_answered);
    assert_int_equal(counter_read(&http_server_counters(w.server)->peer_gone), 1);
    close_world(&w);
}

static void a_peer_that_ended_its_own_half_gets_its_answer(void **)
{
    struct world w;
    open_world(&w, quick());
    int fd = peer_dial(w.port);
    peer_say_text(fd, "GET /later HTTP/1.1\r\nHost: a\r\n\r\n");
    shutdown(fd, SHUT_WR);
    loopback_wait_until(&w.loopback, has_kept, &w);
    loopback_do(&w.loopback, answer_later, &w);
    assert_int_equal(peer_hear_status(fd), 204);
    assert_true(peer_is_at_end(fd));
    close(fd);
    close_world(&w);
}

static void half_a_request_is_never_handed_over(void **)
{
    struct world w;
    open_world(&w, quick());
    int fd = peer_dial(w.port);
    peer_say_text(fd, "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc");
    shutdown(fd, SHUT_WR);
    assert_true(peer_is_at_end(fd));
    close(fd);
    assert_int_equal(counter_read(&http_server_counters(w.server)->requests), 0);
    close_world(&w);
}

/* -- drain -- */

static bool has_two(void *context) { return gauge_read(&http_server_counters(((struct world *)context)->server)->open) == 2; }

static void draining_ends_the_idle_at_once_and_the_busy_after_their_answer(void **)
{
    struct world w;
    open_world(&w, quick());
    int idle = peer_dial(w.port), busy = peer_dial(w.port);
    peer_say_text(busy, "GET /later HTTP/1.1\r\nHost: a\r\n\r\n");
    loopback_wait_until(&w.loopback, has_kept, &w);
    loopback_wait_until(&w.loopback, has_two, &w);
    loopback_do(&w.loopback, drain_server, &w);
    assert_true(peer_is_at_end(idle));
    loopback_do(&w.loopback, answer_later, &w);
    struct peer_answer a = peer_hear_answer(busy);
    assert_int_equal(a.status, 204);
    assert_string_equal(peer_header(&a, "Connection"), "close");
    assert_true(peer_is_at_end(busy));
    free(a.body);
    close(idle);
    close(busy);
    loopback_wait_until(&w.loopback, is_empty, &w);
    close_world(&w);
}

static bool has_begun(void *context) { return counter_read(&http_server_counters(((struct world *)context)->server)->bytes_in) > 0; }

static int status_of_half_a_request(uint32_t drain_timeout_ms, const char *rest)
{
    struct world              w;
    struct http_server_config config = quick();
    config.drain_timeout_ms = drain_timeout_ms;
    config.head_timeout_ms = config.body_idle_timeout_ms = config.body_timeout_ms; /* a minute: none of them is what ends it here */
    open_world(&w, config);
    int fd = peer_dial(w.port);
    peer_say_text(fd, "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhe");
    loopback_wait_until(&w.loopback, has_begun, &w);
    loopback_do(&w.loopback, drain_server, &w);
    peer_say(fd, slice_from_text(rest));
    int status = peer_hear_status(fd);
    close(fd);
    loopback_wait_until(&w.loopback, is_empty, &w);
    close_world(&w);
    return status;
}

static void a_drain_waits_for_what_arrives_but_not_for_who_dribbles(void **)
{
    assert_int_equal(status_of_half_a_request(PATIENCE_MS, "llo"), 200);
    assert_int_equal(status_of_half_a_request(50, "l"), 408);
}

static void aborting_breaks_what_is_still_open(void **)
{
    struct world w;
    open_world(&w, quick());
    int fd = peer_dial(w.port);
    peer_say_text(fd, "GET /later HTTP/1.1\r\nHost: a\r\n\r\n");
    loopback_wait_until(&w.loopback, has_kept, &w);
    loopback_do(&w.loopback, abort_server, &w);
    assert_true(peer_is_at_end(fd));
    close(fd);
    close_world(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_what_it_was_asked_and_keeps_the_connection),
        cmocka_unit_test(answers_pipelined_requests_in_their_order),
        cmocka_unit_test(pipelined_bytes_wait_bounded_until_their_turn),
        cmocka_unit_test(understands_a_request_that_comes_byte_by_byte),
        cmocka_unit_test(sends_no_body_to_head_but_its_length),
        cmocka_unit_test(an_old_peer_gets_its_answer_and_the_end),
        cmocka_unit_test(a_body_can_be_taken_and_fits_its_memory),
        cmocka_unit_test(a_large_answer_arrives_whole),
        cmocka_unit_test(says_continue_only_after_admission),
        cmocka_unit_test(malformed_requests_get_their_status_and_the_end),
        cmocka_unit_test(nothing_behind_a_refused_request_is_served),
        cmocka_unit_test(an_admission_may_answer_by_itself),
        cmocka_unit_test(a_head_past_its_bound_gets_431),
        cmocka_unit_test(a_declared_body_past_its_bound_gets_413_which_the_peer_can_read),
        cmocka_unit_test(a_peer_that_goes_on_pushing_after_a_refusal_is_cut_off),
        cmocka_unit_test(out_of_memory_gets_503_and_retry_after),
        cmocka_unit_test(bodies_take_no_room_from_answers),
        cmocka_unit_test(a_full_house_closes_at_once_and_recovers),
        cmocka_unit_test(slow_heads_and_bodies_get_408_while_others_are_served),
        cmocka_unit_test(a_body_that_trickles_is_ended_too),
        cmocka_unit_test(an_idle_connection_ends_without_a_word),
        cmocka_unit_test(a_peer_that_does_not_take_its_answer_is_cut_off),
        cmocka_unit_test(an_answer_to_a_peer_that_is_gone_is_dropped_and_counted),
        cmocka_unit_test(a_peer_that_ended_its_own_half_gets_its_answer),
        cmocka_unit_test(half_a_request_is_never_handed_over),
        cmocka_unit_test(draining_ends_the_idle_at_once_and_the_busy_after_their_answer),
        cmocka_unit_test(a_drain_waits_for_what_arrives_but_not_for_who_dribbles),
        cmocka_unit_test(aborting_breaks_what_is_still_open),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
