/* bench/bare_server: what a webhook's duty costs on this ring when nothing stands around it: the yardstick of ingest, measured beside it with the same client in the same
 * run. A ladder, of which each rung contains those below:
 *
 *     bare_server                                    the ring alone: finds the end of each request by its Content-Length, answers 204
 *     bare_server --parse llhttp                     + llhttp
 *     bare_server --verify KEY                       + Retell's signature, by the engine's own base/hmac.h; what does not verify is answered with 401 and closed
 *     bare_server --verify KEY --journal FILE        + each turn's bodies in one durable write, and 204 when that is done: the whole duty
 *
 * and beside it --journal without the others. No tenant, no JSON, no duplicates, no limits. reader.h reads requests, batches.h is the journal, this file is the connections.
 *
 *     also: [--port N] [--sync-extra-us N] [--cpu N]      (prints its port; on SIGUSR1 how many webhooks are in its journal; ends on SIGTERM or SIGINT)
 */
#include <inttypes.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include "base/clock.h"
#include "base/ensure.h"
#include "base/list.h"
#include "batches.h"
#include "io/io.h"
#include "limits.h"
#include "reader.h"

enum : uint32_t { ANSWERS_AT_ONCE = 64 };

#define ANSWER "HTTP/1.1 204 No Content\r\n\r\n"
#define REFUSAL "HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
static char answers[ANSWERS_AT_ONCE * (sizeof ANSWER - 1)];

struct connection {
    struct io_op     receive, send;
    int              fd;
    bool             is_closing;
    bool             is_refused;      /* what it still sends is not looked at; 401 follows the answers that are owed */
    uint32_t         owed, under_way; /* answers */
    uint32_t         in_journal;      /* requests whose answers wait for a write */
    struct list_node ready;           /* has answers to send in this turn */
    struct reader    reader;
};

static struct options { const char *journal; struct slice key; uint16_t port; uint64_t sync_extra_us; } options;

static struct io      *io;
static struct batches *batches; /* nullptr: no journal */
static struct list     ready;
static struct io_op    accepting;
static volatile sig_atomic_t is_over, is_asked;

/* -- connections -- */

static void forget_if_joined(struct connection *c)
{
    if (c->receive.submitted || c->send.submitted || c->in_journal > 0) return;
    if (list_node_is_linked(&c->ready)) list_remove(&ready, &c->ready);
    io_close(c->fd);
    reader_deinit(&c->reader);
    free(c);
}

static void close_connection(struct connection *c)
{
    c->is_closing = true;
    io_shutdown(c->fd);
    forget_if_joined(c);
}

static void make_ready(struct connection *c)
{
    if (!list_node_is_linked(&c->ready)) list_push_back(&ready, &c->ready);
}

static void owe_answer(struct connection *c)
{
    c->owed += 1;
    make_ready(c);
}

static void refused(struct io_op *op, struct io_result) { close_connection(container_of(op, struct connection, send)); }

static void sent(struct io_op *op, struct io_result result)
{
    struct connection *c = container_of(op, struct connection, send);
    if (c->is_closing) return forget_if_joined(c);
    if (result.status != IO_OK) return close_connection(c);
    c->owed -= c->under_way;
    if (c->owed > 0 || c->is_refused) make_ready(c);
}

/* At the end of a turn: all answers of a connection in one send. */
static void send_answers(void)
{
    for (struct list_node *n = list_pop_front(&ready); n; n = list_pop_front(&ready)) {
        struct connection *c = container_of(n, struct connection, ready);
        if (c->send.submitted || c->is_closing) continue; /* sent() comes back to what is owed then */
        c->under_way = c->owed < ANSWERS_AT_ONCE ? c->owed : ANSWERS_AT_ONCE;
        if (c->under_way > 0) io_send(io, &c->send, c->fd, slice_from(answers, c->under_way * (sizeof ANSWER - 1)), sent);
        else if (c->in_journal == 0) io_send(io, &c->send, c->fd, slice_of(REFUSAL), refused);
    }
}

static void durable(void *owner)
{
    struct connection *c = owner;
    c->in_journal -= 1;
    if (c->is_closing) forget_if_joined(c);
    else owe_answer(c);
}

static bool is_genuine(struct request r)
{
    return retell_signature_verify(r.signature, r.signature_count, r.body, &options.key, 1, clock_wall_us() / 1000) == SIGNATURE_VALID;
}

static void request_is_complete(struct reader *r, struct request request)
{
    struct connection *c = container_of(r, struct connection, reader);
    if (c->is_refused) return;
    if (options.key.length > 0 && !is_genuine(request)) {
        c->is_refused = true;
        make_ready(c);
    } else if (batches) {
        c->in_journal += 1;
        batches_append(batches, request.body, c);
    } else {
        owe_answer(c);
    }
}

static struct reader_config reading = { .complete = request_is_complete };

static void received(struct io_op *op, struct io_result result)
{
    struct connection *c = container_of(op, struct connection, receive);
    if (result.status == IO_OK) {
        bool is_understood = c->is_closing || reader_feed(&c->reader, slice_from(result.received.bytes, result.received.count));
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
    reader_init(&c->reader, &reading);
    io_receive(io, &c->receive, c->fd, received);
}

/* -- start -- */

static void on_signal(int number) { *(number == SIGUSR1 ? &is_asked : &is_over) = 1; }

static void listen_to_signals(void)
{
    static const int numbers[] = { SIGTERM, SIGINT, SIGUSR1 };
    struct sigaction action = { .sa_handler = on_signal };
    for (size_t n = 0; n < sizeof numbers / sizeof *numbers; n++) sigaction(numbers[n], &action, nullptr);
}

static void pin_to(int cpu)
{
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(cpu, &one);
    ensure(sched_setaffinity(0, sizeof one, &one) == 0);
}

[[noreturn]] static void fail(const char *why)
{
    fprintf(stderr, "bare_server: %s\n", why);
    exit(1);
}

static void read_options(int count, char **words)
{
    static const char usage[] = "usage: bare_server [--parse llhttp] [--verify KEY] [--journal FILE] [--port N] [--sync-extra-us N] [--cpu N]";
    if (count % 2 == 0) fail(usage);
    for (int n = 1; n < count; n += 2) {
        const char *name = words[n], *value = words[n + 1];
        if (strcmp(name, "--parse") == 0) reading.by_llhttp = strcmp(value, "llhttp") == 0;
        else if (strcmp(name, "--verify") == 0) options.key = slice_from_text(value);
        else if (strcmp(name, "--journal") == 0) options.journal = value;
        else if (strcmp(name, "--port") == 0) options.port = (uint16_t)atoi(value);
        else if (strcmp(name, "--sync-extra-us") == 0) options.sync_extra_us = strtoul(value, nullptr, 10);
        else if (strcmp(name, "--cpu") == 0) pin_to(atoi(value));
        else fail(usage);
    }
    reading.by_llhttp |= options.key.length > 0;
    reading.shows_bodies = options.journal || options.key.length > 0;
}

static void say(uint64_t number)
{
    printf("%" PRIu64 "\n", number);
    fflush(stdout);
}

static void start(void)
{
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons(options.port) };
    struct io_refusal  refusal;
    io = io_open(&(struct io_config){ ring_entries, receive_buffers, receive_buffer_bytes }, &refusal);
    if (!io) fail(refusal.text);
    int listener = io_listen(&at, 4096, &refusal);
    if (listener < 0) fail(refusal.text);
    if (options.journal) batches = batches_open(io, options.journal, options.sync_extra_us, durable);
    for (uint32_t n = 0; n < ANSWERS_AT_ONCE; n++) memcpy(answers + n * (sizeof ANSWER - 1), ANSWER, sizeof ANSWER - 1);
    list_init(&ready);
    io_accept(io, &accepting, listener, accepted);
    say(io_port_of(listener));
}

static void serve(void)
{
    for (uint64_t next_turn_us = UINT64_MAX; !is_over;) {
        io_turn(io, next_turn_us);
        if (batches) next_turn_us = batches_write(batches);
        send_answers();
        if (is_asked) is_asked = 0, say(batches ? batches_durable_count(batches) : 0);
    }
}

int main(int count, char **words)
{
    read_options(count, words);
    listen_to_signals();
    start();
    serve();
    return 0; /* the kernel takes the rest down with us */
}
