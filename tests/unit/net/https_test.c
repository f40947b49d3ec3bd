/* Server and client over TLS, both on one shard: trust, resumption, the helper thread, and ends that are no ends. */
#include "tests/unit/net/loopback.h"
#include "net/http_client.h"
#include "net/http_server.h"
#include "tests/unit/net/certificates.h"

static struct certificates files;

struct world {
    struct loopback           loopback;
    struct tls_server_config *server_tls;
    struct tls_client_config *client_tls;
    struct http_server       *server;
    struct http_client       *client;
    const char               *host;
    bool                      with_helper, server_is_plain;
    struct http_client_counters seen;
};

static void handle(void *, struct http_request *r)
{
    if (slice_equal(r->path, slice_of("/cut")))
        assert_true(http_respond_raw(r->server, r->exchange, slice_of("HTTP/1.1 200 OK\r\n\r\nhalf of it"), HTTP_BREAKS));
    else if (slice_equal(r->path, slice_of("/until-the-end")))
        assert_true(http_respond_raw(r->server, r->exchange, slice_of("HTTP/1.1 200 OK\r\n\r\nall of it"), HTTP_CLOSES));
    else
        assert_true(http_respond(r->server, r->exchange, &(struct http_response){ .status = 200, .body = r->body, .close = slice_equal(r->path, slice_of("/close")) }));
}

static void open_both(struct shard *s, void *context)
{
    struct world             *w = context;
    struct io_refusal         refusal;
    struct http_server_config server = http_server_config_default();
    server.handler = handle;
    (void)inet_pton(AF_INET, w->host, &server.address.sin_addr); /* a name stays the default: loopback */
    server.connections_max = 16;
    server.heap_bytes = 16 * 1024 * 1024;
    server.tls = w->server_is_plain ? nullptr : w->server_tls;
    server.worker = w->with_helper ? w->loopback.worker : nullptr;
    w->server = http_server_open(s, &server, &refusal);
    assert_non_null(w->server);

    struct http_client_config client = http_client_config_default();
    char                      url[128];
    snprintf(url, sizeof url, "https://%s:%u", w->host, http_server_port(w->server));
    assert_true(http_origin_parse(slice_from_text(url), &client.origin));
    client.tls = w->client_tls;
    client.worker = w->loopback.worker;
    client.connections_max = 4;
    w->client = http_client_open(s, &client);
}

static void open_world(struct world *w, const char *host, const char *ca)
{
    struct tls_error error;
    w->host = host;
    w->server_tls = tls_server_config_open(files.certificate, files.key, &error);
    w->client_tls = tls_client_config_open(ca, &error);
    assert_true(w->server_tls && w->client_tls);
    loopback_start(&w->loopback);
    loopback_do(&w->loopback, open_both, w);
}

static void abort_both(struct shard *, void *context)
{
    struct world *w = context;
    http_client_close(w->client);
    http_server_abort(w->server);
}
static void close_server(struct shard *, void *context) { http_server_close(((struct world *)context)->server); }
static bool is_empty(void *context) { return gauge_read(&http_server_counters(((struct world *)context)->server)->open) == 0; }

static void close_world(struct world *w)
{
    loopback_do(&w->loopback, abort_both, w);
    loopback_wait_until(&w->loopback, is_empty, w);
    loopback_do(&w->loopback, close_server, w);
    loopback_stop(&w->loopback);
    tls_server_config_close(w->server_tls);
    tls_client_config_close(w->client_tls);
}

struct asked { struct world *world; struct http_call call; bool is_over; };

static void is_done(struct http_call *call)
{
    struct asked *a = container_of(call, struct asked, call);
    a->is_over = true;
    a->world->seen = *http_client_counters(a->world->client);
}
static void start_asking(struct shard *s, void *context)
{
    struct asked *a = context;
    a->call.deadline_us = s->now_us + PATIENCE_MS * UINT64_C(1000);
    a->call.done = is_done;
    http_call_start(a->world->client, &a->call);
}
static bool is_over(void *context) { return ((struct asked *)context)->is_over; }
static void release(struct shard *, void *context) { http_call_release(&((struct asked *)context)->call); }

/* Asks once and expects this outcome, and this body if there is one. */
static void ask(struct world *w, const char *path, struct slice body, enum http_outcome outcome, struct slice answer)
{
    struct asked a = { .world = w, .call = { .method = HTTP_POST, .target = slice_from_text(path), .body = body } };
    loopback_do(&w->loopback, start_asking, &a);
    loopback_wait_until(&w->loopback, is_over, &a);
    assert_int_equal(a.call.outcome, outcome);
    if (outcome == HTTP_ANSWERED) assert_true(slice_equal(a.call.answer, answer));
    bool nothing_sent = outcome == HTTP_NOT_CONNECTED || outcome == HTTP_NOT_TRUSTED;
    assert_int_equal(a.call.maybe_sent, !nothing_sent);
    loopback_do(&w->loopback, release, &a);
}

static void echo(struct world *w, const char *path) { ask(w, path, slice_of("hello"), HTTP_ANSWERED, slice_of("hello")); }

/* -- promises -- */

static void one_full_handshake_and_the_rest_kept_alive_or_resumed(void **)
{
    for (int with_helper = 0; with_helper < 2; with_helper++) {
        struct world w = { .with_helper = with_helper };
        open_world(&w, "localhost", files.ca);
        echo(&w, "/x");
        echo(&w, "/close");
        echo(&w, "/close");
        echo(&w, "/close");
        assert_int_equal(counter_read(&w.seen.handshakes_full), 1);
        assert_int_equal(counter_read(&w.seen.handshakes_resumed), 2);
        assert_int_equal(counter_read(&w.seen.reused), 1);
        close_world(&w);
    }
}

static void another_name_is_not_trusted_and_told_nothing(void **)
{
    struct world w = { 0 };
    open_world(&w, "127.0.0.2", files.ca); /* the same server, by a name that its certificate does not bear */
    ask(&w, "/x", slice_of("secret"), HTTP_NOT_TRUSTED, slice_absent);
    assert_int_equal(counter_read(&http_server_counters(w.server)->requests), 0);
    close_world(&w);
}

static void another_authority_is_not_trusted_and_told_nothing(void **)
{
    struct world w = { 0 };
    open_world(&w, "localhost", files.other_ca);
    ask(&w, "/x", slice_of("secret"), HTTP_NOT_TRUSTED, slice_absent);
    ask(&w, "/x", slice_of("secret"), HTTP_NOT_TRUSTED, slice_absent);
    assert_int_equal(counter_read(&http_server_counters(w.server)->requests), 0);
    close_world(&w);
}

static void a_plain_server_is_not_talked_to(void **)
{
    struct world w = { .server_is_plain = true };
    open_world(&w, "localhost", files.ca);
    ask(&w, "/x", slice_of("secret"), HTTP_NOT_CONNECTED, slice_absent);
    close_world(&w);
}

static void much_arrives_whole_both_ways(void **)
{
    struct world w = { 0 };
    open_world(&w, "localhost", files.ca);
    enum { BYTES = 400 * 1024 };
    char *body = malloc(BYTES);
    for (size_t n = 0; n < BYTES; n++) body[n] = (char)(n * 2654435761u >> 24);
    for (int n = 0; n < 3; n++) ask(&w, "/x", slice_from(body, BYTES), HTTP_ANSWERED, slice_from(body, BYTES));
    free(body);
    close_world(&w);
}

/* A helper that is busy with somebody else's name or handshake: until it may go on. */
struct busy_helper { struct job job; pthread_mutex_t gate; struct loopback *loopback; bool is_over; };
static void wait_at_gate(struct job *j)
{
    struct busy_helper *b = container_of(j, struct busy_helper, job);
    pthread_mutex_lock(&b->gate);
    pthread_mutex_unlock(&b->gate);
}
static void passed_gate(struct job *j) { container_of(j, struct busy_helper, job)->is_over = true; }
static void occupy(struct shard *s, void *context)
{
    struct busy_helper *b = context;
    worker_give(b->loopback->worker, s, &b->job, wait_at_gate, passed_gate);
}
static bool has_passed(void *context) { return ((struct busy_helper *)context)->is_over; }
static void look(struct shard *, void *) {}

static void peer_flush(int fd, struct tls *t)
{
    struct slice cipher = tls_take(t);
    peer_say(fd, cipher);
    tls_taken(t, cipher.length);
}

static void peer_shake_hands(int fd, struct tls *t)
{
    char some[4096];
    while (tls_handshake(t) == TLS_WANT_BYTES) {
        peer_flush(fd, t);
        ssize_t count = peer_hear_some(fd, some, sizeof some);
        assert_true(count > 0);
        assert_int_equal(tls_put(t, slice_from(some, (size_t)count)), count);
    }
}

static void peer_say_secretly(int fd, struct tls *t, struct slice plain)
{
    while (plain.length > 0) {
        size_t          taken = 0;
        enum tls_status status = tls_write(t, plain, &taken);
        assert_true(status == TLS_OK || status == TLS_WANT_ROOM);
        plain = slice_skip(plain, taken);
        peer_flush(fd, t);
    }
}

static bool answered(int fd, struct tls *t, char *plain, size_t capacity)
{
    char   some[4096];
    size_t length = 0;
    while (tls_read(t, plain, capacity, &length) == TLS_WANT_BYTES) {
        ssize_t count = peer_hear_some(fd, some, sizeof some);
        if (count <= 0) return false;
        assert_int_equal(tls_put(t, slice_from(some, (size_t)count)), count);
    }
    return length > 12 && memcmp(plain, "HTTP/1.1 200", 12) == 0;
}

static void say_behind_handshake(struct world *w, struct slice body)
{
    struct busy_helper busy = { .loopback = &w->loopback, .gate = PTHREAD_MUTEX_INITIALIZER };
    struct tls *t = tls_open_client(w->client_tls, "localhost", nullptr);
    int         fd = peer_dial(http_server_port(w->server));
    peer_shake_hands(fd, t);

    pthread_mutex_lock(&busy.gate);
    loopback_do(&w->loopback, occupy, &busy);
    char head[128];
    int  head_length = snprintf(head, sizeof head, "POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: %zu\r\n\r\n", body.length);
    peer_say_secretly(fd, t, slice_from(head, (size_t)head_length)); /* the end of its handshake, too */
    peer_say_secretly(fd, t, body);
    for (int turn = 0; turn < 50; turn++) loopback_do(&w->loopback, look, nullptr);
    pthread_mutex_unlock(&busy.gate);
    loopback_wait_until(&w->loopback, has_passed, &busy);

    char plain[4096];
    assert_true(answered(fd, t, plain, sizeof plain));
    close(fd);
    tls_close(t);
}

/* The peer's side of the handshake is over before ours: what it says then waits for the helper, however much it is. */
static void a_webhook_right_behind_the_handshake_waits_for_the_helper(void **)
{
    static char  body[300 * 1024];
    const size_t lengths[] = { 20'000, 35'000, 40'000, 50'000, 60'000, sizeof body }; /* less than the stash holds, and more */
    struct world w = { .with_helper = true };
    open_world(&w, "localhost", files.ca);
    for (size_t n = 0; n < sizeof lengths / sizeof *lengths; n++) say_behind_handshake(&w, slice_from(body, lengths[n]));
    close_world(&w);
}

/* Without a length only the goodbye tells that this was all: whoever cuts the line must not pass for it. */
static void an_answer_without_length_needs_the_goodbye(void **)
{
    struct world w = { 0 };
    open_world(&w, "localhost", files.ca);
    ask(&w, "/until-the-end", slice_absent, HTTP_ANSWERED, slice_of("all of it"));
    ask(&w, "/cut", slice_absent, HTTP_BROKEN, slice_absent);
    close_world(&w);
}

static void what_is_not_tls_is_counted_and_closed(void **)
{
    struct world w = { 0 };
    open_world(&w, "localhost", files.ca);
    int fd = peer_dial(http_server_port(w.server));
    peer_say_text(fd, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    char some[64];
    while (peer_hear_some(fd, some, sizeof some) > 0) {} /* an alert may come first */
    close(fd);
    loopback_wait_until(&w.loopback, is_empty, &w);
    assert_int_equal(counter_read(&http_server_counters(w.server)->tls_failed), 1);
    close_world(&w);
}

/* Peers come and go in the middle of their handshakes, also while the helper has the session. */
static void a_handshake_may_be_left_at_any_byte(void **)
{
    for (int with_helper = 0; with_helper < 2; with_helper++) {
        struct world w = { .with_helper = with_helper };
        open_world(&w, "localhost", files.ca);
        struct tls_client_config *config = w.client_tls;
        struct tls               *probe = tls_open_client(config, "localhost", nullptr);
        assert_int_equal(tls_handshake(probe), TLS_WANT_BYTES);
        struct slice hello = tls_take(probe);
        for (size_t length = 1; length <= hello.length; length += 16) {
            int fd = peer_dial(http_server_port(w.server));
            peer_say(fd, slice_take(hello, length));
            close(fd);
        }
        int fd = peer_dial(http_server_port(w.server));
        peer_say(fd, hello);
        close(fd);
        tls_close(probe);
        loopback_wait_until(&w.loopback, is_empty, &w);
        echo(&w, "/x");
        close_world(&w);
    }
}

static void drain(struct shard *, void *context) { http_server_drain(((struct world *)context)->server); }
static bool client_has_none(void *context) { return gauge_read(&http_client_counters(((struct world *)context)->client)->open) == 0; }

static void draining_says_goodbye_to_idle_peers(void **)
{
    struct world w = { 0 };
    open_world(&w, "localhost", files.ca);
    echo(&w, "/x");
    loopback_do(&w.loopback, drain, &w);
    loopback_wait_until(&w.loopback, client_has_none, &w);
    loopback_wait_until(&w.loopback, is_empty, &w);
    close_world(&w);
}

static int make(void **)
{
    certificates_make(&files);
    return 0;
}
static int remove_all(void **)
{
    certificates_remove(&files);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_full_handshake_and_the_rest_kept_alive_or_resumed),
        cmocka_unit_test(another_name_is_not_trusted_and_told_nothing),
        cmocka_unit_test(another_authority_is_not_trusted_and_told_nothing),
        cmocka_unit_test(a_plain_server_is_not_talked_to),
        cmocka_unit_test(much_arrives_whole_both_ways),
        cmocka_unit_test(a_webhook_right_behind_the_handshake_waits_for_the_helper),
        cmocka_unit_test(an_answer_without_length_needs_the_goodbye),
        cmocka_unit_test(what_is_not_tls_is_counted_and_closed),
        cmocka_unit_test(a_handshake_may_be_left_at_any_byte),
        cmocka_unit_test(draining_says_goodbye_to_idle_peers),
    };
    return cmocka_run_group_tests(tests, make, remove_all);
}
