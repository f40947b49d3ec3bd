/* What one message may look like. Every case is fed whole, then cut in two at every byte: where the network cuts must never matter. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <stdio.h>
#include <cmocka.h>
#include "net/http_message.h"

static const char *const progress_names[] = { "wants bytes", "has head", "complete", "malformed", "version unknown", "head too large", "body too large", "no memory" };

struct reading {
    struct heap           heap;
    struct http_message  *message;
    enum message_progress progress;
    size_t                left; /* bytes behind the message */
    uint64_t              body_bytes_max;
};

static struct reading begin(void)
{
    struct reading r = { .message = calloc(1, sizeof *r.message), .body_bytes_max = 1024 * 1024 };
    assert_non_null(r.message);
    heap_init(&r.heap, 4 * 1024 * 1024);
    return r;
}

static void feed(struct reading *r, struct slice bytes)
{
    do {
        r->progress = http_message_feed(r->message, &bytes);
        if (r->progress != MESSAGE_HAS_HEAD) continue;
        enum message_progress room = http_message_accept_body(r->message, r->body_bytes_max);
        if (room != MESSAGE_WANTS_BYTES) r->progress = room;
    } while (r->progress == MESSAGE_HAS_HEAD);
    r->left = bytes.length;
}

/* In two pieces, cut at `at`. The second is only fed if the first did not settle it. */
static void read_cut(struct reading *r, enum message_kind kind, struct slice bytes, size_t at)
{
    http_message_begin(r->message, kind, &r->heap);
    feed(r, slice_take(bytes, at));
    if (r->progress == MESSAGE_WANTS_BYTES) feed(r, slice_skip(bytes, at));
    else r->left += bytes.length - at;
}

static void end(struct reading *r)
{
    http_message_end(r->message);
    assert_int_equal(r->heap.used_bytes, 0);
}

struct request_case { enum message_progress progress; const char *bytes; size_t length; const char *body; };
#define CASE(progress_, text, body_) { MESSAGE_##progress_, text, sizeof text - 1, body_ }
#define HEAD "POST / HTTP/1.1\r\nHost: a\r\n"
#define CHUNKED HEAD "Transfer-Encoding: chunked\r\n\r\n"

static const struct request_case request_cases[] = {
    /* lawful */
    CASE(IS_COMPLETE, "GET / HTTP/1.1\r\nHost: a\r\n\r\n", ""),
    CASE(IS_COMPLETE, "GET / HTTP/1.0\r\n\r\n", ""),
    CASE(IS_COMPLETE, "\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", ""), /* RFC 9112 2.2: an empty line before a request is forgiven */
    CASE(IS_COMPLETE, "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", ""),
    CASE(IS_COMPLETE, "CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n", ""),
    CASE(IS_COMPLETE, "GET http://a/x HTTP/1.1\r\nHost: a\r\n\r\n", ""),
    CASE(IS_COMPLETE, "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n", ""),
    CASE(IS_COMPLETE, "POST / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: h2c\r\nContent-Length: 3\r\n\r\nabc", "abc"),
    CASE(IS_COMPLETE, HEAD "Content-Length: 3\r\n\r\nabc", "abc"),
    CASE(IS_COMPLETE, HEAD "Content-Length: 3 \r\n\r\nabc", "abc"),
    CASE(IS_COMPLETE, HEAD "Content-Length: 0\r\n\r\n", ""),
    CASE(IS_COMPLETE, CHUNKED "3\r\nabc\r\n0\r\n\r\n", "abc"),
    CASE(IS_COMPLETE, CHUNKED "3;a=b\r\nabc\r\n002\r\nde\r\n0\r\nX: y\r\n\r\n", "abcde"),
    CASE(IS_COMPLETE, HEAD "Transfer-Encoding: CHUNKED\r\n\r\n0\r\n\r\n", ""),
    /* lengths */
    CASE(IS_MALFORMED, HEAD "Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc", nullptr),
    CASE(IS_MALFORMED, HEAD "Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd", nullptr),
    CASE(IS_MALFORMED, HEAD "Content-Length: 3, 3\r\n\r\nabc", nullptr),
    CASE(IS_MALFORMED, HEAD "Content-Length: +3\r\n\r\nabc", nullptr),
    CASE(IS_MALFORMED, HEAD "Content-Length: -3\r\n\r\nabc", nullptr),
    CASE(IS_MALFORMED, HEAD "Content-Length: 0x3\r\n\r\nabc", nullptr),
    CASE(IS_MALFORMED, HEAD "Content-Length: 3 3\r\n\r\nabc", nullptr),
    CASE(IS_MALFORMED, HEAD "Content-Length:\r\n\r\nabc", nullptr),
    CASE(IS_MALFORMED, HEAD "Content-Length: 99999999999999999999\r\n\r\nabc", nullptr),
    /* both lengths, and codings that hide a length */
    CASE(IS_MALFORMED, HEAD "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", nullptr),
    CASE(IS_MALFORMED, HEAD "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n", nullptr),
    CASE(IS_MALFORMED, HEAD "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", nullptr),
    CASE(IS_MALFORMED, HEAD "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", nullptr),
    CASE(IS_MALFORMED, HEAD "Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n", nullptr),
    CASE(IS_MALFORMED, HEAD "Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n", nullptr),
    CASE(IS_MALFORMED, HEAD "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", nullptr),
    CASE(IS_MALFORMED, HEAD "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n", nullptr),
    CASE(IS_MALFORMED, HEAD "Transfer-Encoding: identity\r\n\r\n0\r\n\r\n", nullptr),
    CASE(IS_MALFORMED, HEAD "Transfer-Encoding:\r\n\r\n0\r\n\r\n", nullptr),
    CASE(IS_MALFORMED, HEAD "Transfer-Encoding:\x0b" "chunked\r\n\r\n0\r\n\r\n", nullptr),
    CASE(IS_MALFORMED, HEAD "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n", nullptr),
    CASE(IS_MALFORMED, HEAD "Transfer-Encoding\r\n : chunked\r\n\r\n0\r\n\r\n", nullptr),
    CASE(IS_MALFORMED, "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", nullptr),
    /* chunks */
    CASE(IS_MALFORMED, CHUNKED "xyz\r\n", nullptr),
    CASE(IS_MALFORMED, CHUNKED "3 \r\nabc\r\n0\r\n\r\n", nullptr),
    CASE(IS_MALFORMED, CHUNKED "0x3\r\nabc\r\n0\r\n\r\n", nullptr),
    CASE(IS_MALFORMED, CHUNKED "-3\r\nabc\r\n0\r\n\r\n", nullptr),
    CASE(IS_MALFORMED, CHUNKED "\r\nabc\r\n0\r\n\r\n", nullptr),
    CASE(IS_MALFORMED, CHUNKED "FFFFFFFFFFFFFFFFF\r\nabc\r\n0\r\n\r\n", nullptr),
    CASE(IS_MALFORMED, CHUNKED "3\nabc\r\n0\r\n\r\n", nullptr),
    CASE(IS_MALFORMED, CHUNKED "3\r\nabc0\r\n\r\n", nullptr),
    CASE(IS_MALFORMED, CHUNKED "3\r\nabcX\r\n0\r\n\r\n", nullptr),
    CASE(IS_MALFORMED, CHUNKED "3;a\nb\r\nabc\r\n0\r\n\r\n", nullptr),
    CASE(IS_MALFORMED, CHUNKED "3;\x01\r\nabc\r\n0\r\n\r\n", nullptr),
    CASE(IS_MALFORMED, CHUNKED "3\r\nabc\r\n0\r\nContent-Length: 4\r\n\r\n", nullptr),
    /* line ends, folds, blanks */
    CASE(IS_MALFORMED, HEAD "X: a\r\n b\r\n\r\n", nullptr),
    CASE(IS_MALFORMED, HEAD "X: a\r\n\tb\r\n\r\n", nullptr),
    CASE(IS_MALFORMED, HEAD "X: a\nY: b\r\n\r\n", nullptr),
    CASE(IS_MALFORMED, HEAD "X: a\rY: b\r\n\r\n", nullptr),
    CASE(IS_MALFORMED, "GET / HTTP/1.1\nHost: a\r\n\r\n", nullptr),
    CASE(IS_MALFORMED, "GET / HTTP/1.1\r\nHost: a\n\n", nullptr),
    CASE(IS_MALFORMED, "GET / HTTP/1.1\r\nHost: a\r\n\n", nullptr),
    CASE(IS_MALFORMED, "GET / HTTP/1.1\r\n Host: a\r\n\r\n", nullptr),
    CASE(IS_MALFORMED, "GET / HTTP/1.1\r\nHost : a\r\n\r\n", nullptr),
    CASE(IS_MALFORMED, "GET / HTTP/1.1 \r\nHost: a\r\n\r\n", nullptr),
    CASE(IS_MALFORMED, " GET / HTTP/1.1\r\nHost: a\r\n\r\n", nullptr),
    CASE(IS_MALFORMED, "GET /a b HTTP/1.1\r\nHost: a\r\n\r\n", nullptr),
    CASE(IS_MALFORMED, "GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n", nullptr),
    CASE(IS_MALFORMED, "GET / \r\n\r\n", nullptr),
    /* names, values, hosts, methods */
    CASE(IS_MALFORMED, HEAD ": x\r\n\r\n", nullptr),
    CASE(IS_MALFORMED, HEAD "X\r\n\r\n", nullptr),
    CASE(IS_MALFORMED, HEAD "X: a\x00" "b\r\n\r\n", nullptr),
    CASE(IS_MALFORMED, HEAD "X\x00: b\r\n\r\n", nullptr),
    CASE(IS_MALFORMED, HEAD "X: a\x01" "b\r\n\r\n", nullptr),
    CASE(IS_MALFORMED, "GET / HTTP/1.1\r\n\r\n", nullptr),
    CASE(IS_MALFORMED, "GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", nullptr),
    CASE(IS_MALFORMED, "GET / HTTP/1.1\r\nHost: a b\r\n\r\n", nullptr),
    CASE(IS_MALFORMED, "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", nullptr),
    CASE(IS_MALFORMED, "GET / HTTP/1.1\r\nHost: a, b\r\n\r\n", nullptr),
    CASE(IS_MALFORMED, "GET / HTTP/1.1\r\nHost: a@b\r\n\r\n", nullptr),
    CASE(IS_MALFORMED, "BREW / HTTP/1.1\r\nHost: a\r\n\r\n", nullptr),
    CASE(IS_MALFORMED, "get / HTTP/1.1\r\nHost: a\r\n\r\n", nullptr),
    CASE(IS_MALFORMED, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", nullptr),
    CASE(IS_MALFORMED, "\x16\x03\x01\x02\x00\x01\x00", nullptr),
    /* versions */
    CASE(VERSION_UNKNOWN, "GET / HTTP/2.0\r\nHost: a\r\n\r\n", nullptr),
    CASE(VERSION_UNKNOWN, "GET / HTTP/0.9\r\nHost: a\r\n\r\n", nullptr),
    CASE(VERSION_UNKNOWN, "GET /\r\n\r\n", nullptr),
    CASE(IS_MALFORMED, "GET / HTTP/1.2\r\nHost: a\r\n\r\n", nullptr),
    CASE(IS_MALFORMED, "GET / HTTP/11\r\nHost: a\r\n\r\n", nullptr),
    /* not all there */
    CASE(WANTS_BYTES, "GET / HTTP/1.1\r\nHost: a\r\n", nullptr),
    CASE(WANTS_BYTES, HEAD "Content-Length: 3\r\n\r\nab", nullptr),
    CASE(WANTS_BYTES, CHUNKED "3\r\nabc\r\n0\r\n", nullptr),
};

static void a_request_is_the_same_wherever_the_network_cuts_it(void **)
{
    struct reading r = begin();
    for (size_t n = 0; n < sizeof request_cases / sizeof *request_cases; n++) {
        const struct request_case *c = &request_cases[n];
        for (size_t at = 0; at <= c->length; at++) {
            read_cut(&r, MESSAGE_REQUEST, slice_from(c->bytes, c->length), at);
            if (r.progress != c->progress)
                fail_msg("%s instead of %s, cut at %zu: %s", progress_names[r.progress], progress_names[c->progress], at, c->bytes);
            if (c->body) assert_true(slice_equal(slice_from(r.message->body.start, r.message->body.length), slice_from_text(c->body)));
            end(&r);
        }
    }
    free(r.message);
}

/* The limits of a message are where a second one hides: the first must end exactly where it says. */
static void what_follows_a_request_is_left_alone(void **)
{
    static const char *const firsts[] = { "GET / HTTP/1.1\r\nHost: a\r\n\r\n", HEAD "Content-Length: 3\r\n\r\nabc", CHUNKED "3\r\nabc\r\n0\r\nT: t\r\n\r\n" };
    static const char        second[] = "GET /second HTTP/1.1\r\nHost: a\r\n\r\n";
    struct reading           r = begin();
    for (size_t n = 0; n < sizeof firsts / sizeof *firsts; n++) {
        char both[256];
        int  length = snprintf(both, sizeof both, "%s%s", firsts[n], second);
        for (size_t at = 0; at <= (size_t)length; at++) {
            read_cut(&r, MESSAGE_REQUEST, slice_from(both, (size_t)length), at);
            assert_int_equal(r.progress, MESSAGE_IS_COMPLETE);
            assert_int_equal(r.left, sizeof second - 1);
            end(&r);
        }
    }
    free(r.message);
}

static void heads_keep_their_texts_also_when_they_outgrow_their_first_memory(void **)
{
    struct reading r = begin();
    char           head[12 * 1024];
    size_t         length = (size_t)snprintf(head, sizeof head, "GET /a?b=c HTTP/1.1\r\nHost:  a.example:80 \r\nX-Empty:\r\n");
    for (int n = 0; n < 60; n++) length += (size_t)snprintf(head + length, sizeof head - length, "X-Name-%d: %0150d\r\n", n, n);
    length += (size_t)snprintf(head + length, sizeof head - length, "\r\n");
    for (size_t at = 0; at <= length; at += 97) {
        read_cut(&r, MESSAGE_REQUEST, slice_from(head, length), at);
        const struct http_message *m = r.message;
        assert_int_equal(r.progress, MESSAGE_IS_COMPLETE);
        assert_int_equal(m->header_count, 62);
        assert_true(slice_equal(m->target, slice_of("/a?b=c")));
        assert_true(slice_equal(http_header_find(m->headers, m->header_count, slice_of("HOST"), nullptr), slice_of("a.example:80")));
        struct slice empty = http_header_find(m->headers, m->header_count, slice_of("x-empty"), nullptr);
        assert_true(!slice_is_absent(empty) && empty.length == 0);
        for (int n = 0; n < 60; n++) {
            char name[16], value[160];
            snprintf(name, sizeof name, "x-name-%d", n);
            snprintf(value, sizeof value, "%0150d", n);
            assert_true(slice_equal(http_header_find(m->headers, m->header_count, slice_from_text(name), nullptr), slice_from_text(value)));
        }
        end(&r);
    }
    free(r.message);
}

static void a_header_that_comes_twice_is_not_taken_for_one(void **)
{
    struct reading r = begin();
    uint32_t       count;
    read_cut(&r, MESSAGE_REQUEST, slice_of("GET / HTTP/1.1\r\nHost: a\r\nX: 1\r\nx: 2\r\n\r\n"), 0);
    assert_true(slice_is_absent(http_header_find(r.message->headers, r.message->header_count, slice_of("X"), &count)));
    assert_int_equal(count, 2);
    end(&r);
    free(r.message);
}

static void bodies_are_bounded_and_their_memory_follows_what_came(void **)
{
    struct reading r = begin();
    r.body_bytes_max = 1000;
    read_cut(&r, MESSAGE_REQUEST, slice_of(HEAD "Content-Length: 1001\r\n\r\n"), 0);
    assert_int_equal(r.progress, MESSAGE_BODY_TOO_LARGE); /* before a byte of it is here */
    end(&r);
    read_cut(&r, MESSAGE_REQUEST, slice_of(HEAD "Content-Length: 1000\r\n\r\n"), 0);
    assert_int_equal(r.progress, MESSAGE_WANTS_BYTES);
    assert_int_equal(r.message->body.capacity, 1000); /* exactly, at once */
    end(&r);

    r.body_bytes_max = 1024 * 1024;
    read_cut(&r, MESSAGE_REQUEST, slice_of(HEAD "Content-Length: 1000000\r\n\r\n"), 0);
    assert_int_equal(r.message->body.capacity, http_body_bytes_at_once); /* announced is not sent */
    char piece[10'000] = { 0 };
    for (int n = 0; n < 100; n++) feed(&r, slice_from(piece, sizeof piece));
    assert_int_equal(r.progress, MESSAGE_IS_COMPLETE);
    assert_int_equal(r.message->body.length, 1'000'000);
    assert_int_equal(r.message->body.capacity, 1'000'000);
    end(&r);
    free(r.message);
}

static void chunk_frames_that_are_only_there_to_keep_us_busy_are_refused(void **)
{
    struct reading r = begin();
    read_cut(&r, MESSAGE_REQUEST, slice_of(CHUNKED "1;"), 0);
    char extension[1024];
    memset(extension, 'x', sizeof extension);
    for (int n = 0; n < 64 && r.progress == MESSAGE_WANTS_BYTES; n++) feed(&r, slice_from(extension, sizeof extension));
    assert_int_equal(r.progress, MESSAGE_IS_MALFORMED);
    end(&r);
    read_cut(&r, MESSAGE_REQUEST, slice_of(CHUNKED), 0); /* lawful, if silly: a chunk a byte */
    for (int n = 0; n < 10'000; n++) feed(&r, slice_of("1\r\nx\r\n"));
    feed(&r, slice_of("0\r\n\r\n"));
    assert_int_equal(r.progress, MESSAGE_IS_COMPLETE);
    end(&r);
    free(r.message);
}

/* Every allocation fails once; each time the message says so, and gives back what it had. */
static void without_memory_it_says_so(void **)
{
    struct reading r = begin();
    char           request[8 * 1024];
    size_t         length = (size_t)snprintf(request, sizeof request, HEAD "X: %02000d\r\nTransfer-Encoding: chunked\r\n\r\n800\r\n%02048d\r\n0\r\n\r\n", 0, 0);
    bool           was_refused = false;
    for (uint64_t budget = 0; budget <= 20 * 1024; budget += 512) {
        r.heap.budget_bytes = budget;
        read_cut(&r, MESSAGE_REQUEST, slice_from(request, length), length / 2);
        if (r.progress == MESSAGE_HAS_NO_MEMORY) was_refused = true;
        else assert_int_equal(r.progress, MESSAGE_IS_COMPLETE);
        end(&r);
    }
    assert_true(was_refused);
    assert_int_equal(r.progress, MESSAGE_IS_COMPLETE);
    free(r.message);
}

/* -- answers -- */

static void an_answer_ends_by_its_length_its_chunks_or_its_connection(void **)
{
    static const struct { const char *bytes; const char *body; bool ends_with_connection; enum message_kind kind; } cases[] = {
        { "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", "ok", false, MESSAGE_ANSWER },
        { "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", "ok", false, MESSAGE_ANSWER },
        { "HTTP/1.1 200 OK\r\n\r\nok", "ok", true, MESSAGE_ANSWER },
        { "HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n", "", false, MESSAGE_ANSWER },
        { "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", "", false, MESSAGE_ANSWER },
        { "HTTP/1.1 100 Continue\r\n\r\n", "", false, MESSAGE_ANSWER },
        { "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", "", false, MESSAGE_ANSWER_TO_HEAD },
        { "HTTP/1.1 200\r\nContent-Length: 2\r\n\r\nok", "ok", false, MESSAGE_ANSWER },
    };
    struct reading r = begin();
    for (size_t n = 0; n < sizeof cases / sizeof *cases; n++) {
        struct slice bytes = slice_from_text(cases[n].bytes);
        for (size_t at = 0; at <= bytes.length; at++) {
            read_cut(&r, cases[n].kind, bytes, at);
            if (cases[n].ends_with_connection) {
                assert_int_equal(r.progress, MESSAGE_WANTS_BYTES);
                r.progress = http_message_feed_end(r.message);
            }
            if (r.progress != MESSAGE_IS_COMPLETE) fail_msg("%s, cut at %zu: %s", progress_names[r.progress], at, cases[n].bytes);
            assert_true(slice_equal(slice_from(r.message->body.start, r.message->body.length), slice_from_text(cases[n].body)));
            end(&r);
        }
    }
    free(r.message);
}

static void an_answer_that_is_cut_short_is_never_complete(void **)
{
    static const char *const cases[] = { "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nok", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n",
                                         "HTTP/1.1 200 OK\r\nConte", "" };
    struct reading r = begin();
    for (size_t n = 0; n < sizeof cases / sizeof *cases; n++) {
        read_cut(&r, MESSAGE_ANSWER, slice_from_text(cases[n]), 0);
        assert_int_equal(r.progress, MESSAGE_WANTS_BYTES);
        assert_int_equal(http_message_feed_end(r.message), MESSAGE_IS_MALFORMED);
        end(&r);
    }
    free(r.message);
}

static void an_answer_with_too_many_headers_loses_the_surplus_only(void **)
{
    struct reading r = begin();
    char           head[4096];
    size_t         length = (size_t)snprintf(head, sizeof head, "HTTP/1.1 200 OK\r\n");
    for (int n = 0; n < 100; n++) length += (size_t)snprintf(head + length, sizeof head - length, "X-%d: %d\r\n", n, n);
    length += (size_t)snprintf(head + length, sizeof head - length, "Content-Length: 2\r\n\r\nok");
    read_cut(&r, MESSAGE_ANSWER, slice_from(head, length), 0);
    assert_int_equal(r.progress, MESSAGE_IS_COMPLETE);
    assert_int_equal(r.message->header_count, http_headers_max);
    assert_int_equal(r.message->body.length, 2);
    end(&r);
    free(r.message);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_is_the_same_wherever_the_network_cuts_it),
        cmocka_unit_test(what_follows_a_request_is_left_alone),
        cmocka_unit_test(heads_keep_their_texts_also_when_they_outgrow_their_first_memory),
        cmocka_unit_test(a_header_that_comes_twice_is_not_taken_for_one),
        cmocka_unit_test(bodies_are_bounded_and_their_memory_follows_what_came),
        cmocka_unit_test(chunk_frames_that_are_only_there_to_keep_us_busy_are_refused),
        cmocka_unit_test(without_memory_it_says_so),
        cmocka_unit_test(an_answer_ends_by_its_length_its_chunks_or_its_connection),
        cmocka_unit_test(an_answer_that_is_cut_short_is_never_complete),
        cmocka_unit_test(an_answer_with_too_many_headers_loses_the_surplus_only),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
