/* bench/bare_server.c: the least that a server on this ring can do for a webhook: find the end of each request by its Content-Length, answer 204.
 * No parser, no signature, no tenant. With --journal it also writes the bodies of each turn, framed and summed, in one durable write, and answers
 * when that is done. Ingest is measured beside it, with the same client in the same run: what is lost against it is the price of everything else.
 *
 *     bare_server [--port N] [--journal FILE] [--sync-extra-us N] [--cpu N]      (prints its port; ends on SIGTERM or SIGINT)
 *
 * --sync-extra-us: as if the disk took so much longer for every write.
 * It trusts its client: heads in one piece, "Content-Length" in that spelling, bodies below 64 KiB.
 */
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include "base/clock.h"
#include "base/crc32c.h"
#include "base/ensure.h"
#include "base/list.h"
#include "io/file.h"
#include "io/io.h"
#include "limits.h"

enum : uint32_t { ANSWERS_AT_ONCE = 64, PAGE_BYTES = 4096, BODY_BYTES_MAX = 64 * 1024 };
enum : size_t { BATCH_BYTES = 80 * 1024 * 1024 /* a thousand of the largest */, JOURNAL_BYTES = 256 * 1024 * 1024 };

#define ANSWER "HTTP/1.1 204 No Content\r\n\r\n"
static char answers[ANSWERS_AT_ONCE * (sizeof ANSWER - 1)];

struct connection {
    struct io_op     receive, send;
    int              fd;
    bool             is_closing;
    uint32_t         missing_bytes;   /* of the request that is being received */
    uint32_t         body_length;
    uint32_t         owed, under_way; /* answers */
    uint32_t         in_journal;      /* requests whose answers wait for a write */
    struct list_node ready;           /* has answers to send in this turn */
    char            *body;            /* of a request that comes in pieces */
};

struct record { uint32_t length, sum; };

/* What is written in one go, and for whom. */
struct batch { char *bytes; size_t length; struct connection **owners; uint32_t count; };

static struct io   *io;
static struct list  ready;
static struct io_op accepting;
static volatile sig_atomic_t is_over;

static int          journal = -1;
static struct batch batches[2];
static uint32_t     filling; /* which of them; the other one is being written */
static struct io_op writing;
static uint64_t     journal_offset;
static uint64_t     sync_extra_us;
static uint64_t     durable_at_us = UINT64_MAX; /* of a batch that is written, and held back for the slow disk's sake */

static void received(struct io_op *op, struct io_result result);

/* -- connections -- */

static void forget_if_joined(struct connection *c)
{
    if (c->receive.submitted || c->send.submitted || c->in_journal > 0) return;
    if (list_node_is_linked(&c->ready)) list_remove(&ready, &c->ready);
    io_close(c->fd);
    free(c->body);
    free(c);
}

static void close_connection(struct connection *c)
{
    c->is_closing = true;
    io_shutdown(c->fd);
    forget_if_joined(c);
}

static void owe_answer(struct connection *c)
{
    c->owed += 1;
    if (!list_node_is_linked(&c->ready)) list_push_back(&ready, &c->ready);
}

static void sent(struct io_op *op, struct io_result result)
{
    struct connection *c = container_of(op, struct connection, send);
    if (c->is_closing) return forget_if_joined(c);
    if (result.status != IO_OK) return close_connection(c);
    c->owed -= c->under_way;
    if (c->owed > 0 && !list_node_is_linked(&c->ready)) list_push_back(&ready, &c->ready);
}

/* At the end of a turn: all answers of a connection in one send. */
static void send_answers(void)
{
    for (struct list_node *n = list_pop_front(&ready); n; n = list_pop_front(&ready)) {
        struct connection *c = container_of(n, struct connection, ready);
        if (c->send.submitted || c->is_closing) continue; /* sent() comes back to what is owed then */
        c->under_way = c->owed < ANSWERS_AT_ONCE ? c->owed : ANSWERS_AT_ONCE;
        io_send(io, &c->send, c->fd, slice_from(answers, c->under_way * (sizeof ANSWER - 1)), sent);
    }
}

/* -- the journal -- */

static void answer_batch(void)
{
    struct batch *b = &batches[1 - filling];
    for (uint32_t n = 0; n < b->count; n++) {
        struct connection *c = b->owners[n];
        c->in_journal -= 1;
        if (c->is_closing) forget_if_joined(c);
        else owe_answer(c);
    }
    b->length = b->count = 0;
    durable_at_us = UINT64_MAX;
}

static void written(struct io_op *, struct io_result result)
{
    ensure(result.status == IO_OK);
    if (sync_extra_us > 0) durable_at_us = clock_monotonic_us() + sync_extra_us;
    else answer_batch();
}

static void write_batch(void)
{
    struct batch *b = &batches[filling];
    if (b->count == 0 || writing.submitted || durable_at_us != UINT64_MAX) return;
    size_t whole = (b->length + PAGE_BYTES - 1) / PAGE_BYTES * PAGE_BYTES;
    memset(b->bytes + b->length, 0, whole - b->length);
    if (journal_offset + whole > JOURNAL_BYTES) journal_offset = 0; /* round and round: nobody reads it */
    filling = 1 - filling;
    io_write_durably(io, &writing, journal, slice_from(b->bytes, whole), journal_offset, written);
    journal_offset += whole;
}

static void append(struct connection *c, struct slice body)
{
    struct batch *b = &batches[filling];
    struct record r = { (uint32_t)body.length, crc32c(0, body) };
    ensure(b->length + sizeof r + body.length + 8 <= BATCH_BYTES - PAGE_BYTES);
    memcpy(b->bytes + b->length, &r, sizeof r);
    memcpy(b->bytes + b->length + sizeof r, body.start, body.length);
    b->length += (sizeof r + body.length + 7) / 8 * 8;
    b->owners[b->count++] = c;
    c->in_journal += 1;
}

/* -- requests -- */

static void request_is_complete(struct connection *c, struct slice body)
{
    if (journal >= 0) append(c, body);
    else owe_answer(c);
}

/* The length of the request that begins here, and where its body begins. 0: not what this server is for. */
static size_t measure(struct slice bytes, size_t *head_bytes)
{
    const char *end = memmem(bytes.start, bytes.length, "\r\n\r\n", 4);
    if (!end) return 0;
    *head_bytes = (size_t)(end - bytes.start) + 4;
    const char *declared = memmem(bytes.start, *head_bytes, "Content-Length: ", 16);
    return *head_bytes + (declared ? strtoul(declared + 16, nullptr, 10) : 0);
}

static void keep_body(struct connection *c, struct slice piece)
{
    if (journal < 0) return;
    if (!c->body) c->body = malloc(BODY_BYTES_MAX);
    ensure(c->body && c->body_length + piece.length <= BODY_BYTES_MAX);
    memcpy(c->body + c->body_length, piece.start, piece.length);
    c->body_length += (uint32_t)piece.length;
}

/* false: it cannot be understood. */
static bool take(struct connection *c, struct slice bytes)
{
    while (bytes.length > 0) {
        if (c->missing_bytes > 0) {
            struct slice piece = slice_take(bytes, c->missing_bytes);
            keep_body(c, piece);
            c->missing_bytes -= (uint32_t)piece.length;
            bytes = slice_skip(bytes, piece.length);
            if (c->missing_bytes == 0) request_is_complete(c, slice_from(c->body, c->body_length));
            continue;
        }
        size_t head_bytes, length = measure(bytes, &head_bytes);
        if (length == 0) return false;
        if (length <= bytes.length) {
            request_is_complete(c, slice_skip(slice_take(bytes, length), head_bytes));
            bytes = slice_skip(bytes, length);
        } else {
            c->body_length = 0;
            keep_body(c, slice_skip(bytes, head_bytes));
            c->missing_bytes = (uint32_t)(length - bytes.length);
            return true;
        }
    }
    return true;
}

static void received(struct io_op *op, struct io_result result)
{
    struct connection *c = container_of(op, struct connection, receive);
    if (result.status == IO_OK) {
        bool is_understood = c->is_closing || take(c, slice_from(result.received.bytes, result.received.count));
        io_return_buffer(io, result.received.buffer);
        if (!is_understood) c->is_closing = true, io_shutdown(c->fd);
    }
    if (result.more) return;
    if (c->is_closing) forget_if_joined(c);
    else if (result.status == IO_OK || result.status == IO_NO_BUFFERS) io_receive(io, &c->receive, c->fd, received);
    else close_connection(c);
}

static void accepted(struct io_op *, struct io_result result)
{
    if (result.status != IO_OK) return;
    struct connection *c = calloc(1, sizeof *c);
    ensure(c && result.more);
    c->fd = result.fd;
    io_receive(io, &c->receive, c->fd, received);
}

/* -- start -- */

static void on_signal(int) { is_over = 1; }

static void open_journal(const char *path)
{
    ensure(file_create_filled(path, JOURNAL_BYTES, &journal) == IO_OK);
    for (int n = 0; n < 2; n++) {
        batches[n].bytes = aligned_alloc(PAGE_BYTES, BATCH_BYTES);
        batches[n].owners = calloc(BATCH_BYTES / sizeof(struct record), sizeof *batches[n].owners);
        ensure(batches[n].bytes && batches[n].owners);
    }
}

static void pin_to(int cpu)
{
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(cpu, &one);
    ensure(sched_setaffinity(0, sizeof one, &one) == 0);
}

static void fail(const char *why)
{
    fprintf(stderr, "bare_server: %s\n", why);
    exit(1);
}

static uint16_t port_of_arguments(int count, char **words)
{
    uint16_t port = 0;
    for (int n = 1; n < count; n += 2) {
        if (n + 1 == count) fail("every option wants a value: [--port N] [--journal FILE] [--sync-extra-us N] [--cpu N]");
        if (strcmp(words[n], "--port") == 0) port = (uint16_t)atoi(words[n + 1]);
        else if (strcmp(words[n], "--journal") == 0) open_journal(words[n + 1]);
        else if (strcmp(words[n], "--sync-extra-us") == 0) sync_extra_us = strtoul(words[n + 1], nullptr, 10);
        else if (strcmp(words[n], "--cpu") == 0) pin_to(atoi(words[n + 1]));
        else fail("usage: bare_server [--port N] [--journal FILE] [--sync-extra-us N] [--cpu N]");
    }
    return port;
}

int main(int count, char **words)
{
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons(port_of_arguments(count, words)) };
    struct io_refusal  refusal;
    io = io_open(&(struct io_config){ ring_entries, receive_buffers, receive_buffer_bytes }, &refusal);
    if (!io) fail(refusal.text);
    int listener = io_listen(&at, 4096, &refusal);
    if (listener < 0) fail(refusal.text);
    for (uint32_t n = 0; n < ANSWERS_AT_ONCE; n++) memcpy(answers + n * (sizeof ANSWER - 1), ANSWER, sizeof ANSWER - 1);
    list_init(&ready);
    struct sigaction stop = { .sa_handler = on_signal };
    sigaction(SIGTERM, &stop, nullptr);
    sigaction(SIGINT, &stop, nullptr);
    io_accept(io, &accepting, listener, accepted);
    printf("%u\n", io_port_of(listener));
    fflush(stdout);

    while (!is_over) {
        io_turn(io, durable_at_us);
        if (clock_monotonic_us() >= durable_at_us) answer_batch();
        write_batch();
        send_answers();
    }
    return 0; /* the kernel takes the rest down with us */
}
