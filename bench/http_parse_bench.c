/* bench/http_parse_bench.c: what it costs to read one webhook request (head of 600 bytes) into a head and a body, beside bare llhttp without a single
 * callback, and beside copying the same bytes once.
 *
 *     http_parse_bench        (bounded to about 6 s)
 */
#include <stdio.h>
#include "base/ensure.h"
#include "net/http_message.h"
#include "retell_bodies.h"
#include "rounds.h"

struct sample { struct slice request; size_t cut; struct heap heap; struct http_message message; };

static void copy(void *context)
{
    static char          into[80 * 1024];
    const struct sample *s = context;
    memcpy(into, s->request.start, s->request.length);
    __asm__ volatile("" : : "r"(into) : "memory"); /* keeps the compiler from leaving it out */
}

static void parse_bare(void *context)
{
    static const llhttp_settings_t none;
    const struct sample           *s = context;
    llhttp_t                       parser;
    llhttp_init(&parser, HTTP_REQUEST, &none);
    ensure(llhttp_execute(&parser, s->request.start, s->request.length) == HPE_OK);
}

static enum message_progress feed(struct http_message *m, struct slice piece)
{
    enum message_progress progress = http_message_feed(m, &piece);
    if (progress != MESSAGE_HAS_HEAD) return progress;
    ensure(http_message_accept_body(m, http_body_bytes_max) == MESSAGE_WANTS_BYTES);
    return http_message_feed(m, &piece);
}

static void read_in_one(void *context)
{
    struct sample *s = context;
    http_message_begin(&s->message, MESSAGE_REQUEST, &s->heap);
    ensure(feed(&s->message, s->request) == MESSAGE_IS_COMPLETE);
    http_message_end(&s->message);
}

/* As a request of more than one receive buffer comes. */
static void read_in_buffers(void *context)
{
    struct sample        *s = context;
    enum message_progress progress = MESSAGE_WANTS_BYTES;
    http_message_begin(&s->message, MESSAGE_REQUEST, &s->heap);
    for (size_t at = 0; at < s->request.length; at += receive_buffer_bytes)
        progress = feed(&s->message, slice_take(slice_skip(s->request, at), receive_buffer_bytes));
    ensure(progress == MESSAGE_IS_COMPLETE);
    http_message_end(&s->message);
}

static struct slice request_with_body(char *memory, size_t capacity, struct slice body)
{
    struct buffer b = buffer_over(memory, capacity);
    buffer_print(&b, "POST /w/3f9c2a7e51d84b60a1c7/retell/webhook HTTP/1.1\r\nHost: ringmaster.example.com\r\nUser-Agent: axios/1.7.7\r\n"
                     "Accept: application/json, text/plain, */*\r\nAccept-Encoding: gzip, compress, deflate, br\r\nContent-Type: application/json\r\n"
                     "X-Retell-Signature: v=1780000061999,d=6a09e667f3bcc908b2fb1366ea957d3e3adec17512775099da2f590b0667322a\r\n"
                     "X-Forwarded-For: 100.20.5.228\r\nX-Forwarded-Proto: https\r\nTraceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\r\n"
                     "Content-Length: %zu\r\nConnection: keep-alive\r\n\r\n", body.length);
    buffer_add(&b, body);
    ensure(!b.overflowed);
    return buffer_slice(&b);
}

int main(void)
{
    static char         body[70 * 1024], request[72 * 1024];
    static const size_t sizes[] = { 0, 2 * 1024, 60 * 1024 };
    void (*const runs[])(void *) = { copy, parse_bare, read_in_one, read_in_buffers };

    printf("%10s %10s %12s %12s %14s %14s\n", "request B", "copy ns", "llhttp ns", "in one ns", "in buffers ns", "one : llhttp");
    for (size_t n = 0; n < sizeof sizes / sizeof *sizes; n++) {
        static struct sample s;
        double               ns[4];
        s = (struct sample){ .request = request_with_body(request, sizeof request, sizes[n] > 0 ? retell_body(body, sizes[n]) : slice_of("")) };
        heap_init(&s.heap, 64 * 1024 * 1024);
        measure_ns(runs, &s, 4, ns);
        printf("%10zu %10.0f %12.0f %12.0f %14.0f %14.2f\n", s.request.length, ns[0], ns[1], ns[2], ns[3], ns[2] / ns[1]);
    }
    return 0;
}
