/* bench/tls_bench.c: CPU time of a TLS connection on each side: full handshake, resumed handshake, and one request and answer of 2 KB on a connection that
 * is kept. It decides who runs what: anything of milliseconds has no place on a shard (shard/worker.h).
 *
 *     tls_bench        (a few seconds; needs the openssl command for its certificates)
 *
 * Client and server talk through memory, so nothing but cryptography and its framing is measured.
 */
#include <stdio.h>
#include <time.h>
#include "base/ensure.h"
#include "net/tls.h"
#include "rounds.h"
#include "tests/unit/net/certificates.h"

enum { HANDSHAKES = 60, REQUESTS = 20'000, BODY_BYTES = 2048 };

struct ends { struct tls *client, *server; };
struct cost { double client_us, server_us; };

static double cpu_us(void)
{
    struct timespec t;
    ensure(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t) == 0);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static void carry(struct tls *from, struct tls *to) { tls_taken(from, tls_put(to, tls_take(from))); }

static enum tls_status step(struct tls *t, enum tls_status last, double *us)
{
    if (last == TLS_OK) return last;
    double           begun = cpu_us();
    enum tls_status  status = tls_handshake(t);
    *us += cpu_us() - begun;
    ensure(status == TLS_OK || status == TLS_WANT_BYTES);
    return status;
}

static struct cost shake_hands(struct ends e)
{
    struct cost     cost = { 0 };
    enum tls_status here = TLS_WANT_BYTES, there = TLS_WANT_BYTES;
    while (here != TLS_OK || there != TLS_OK) {
        here = step(e.client, here, &cost.client_us);
        carry(e.client, e.server);
        there = step(e.server, there, &cost.server_us);
        carry(e.server, e.client);
    }
    return cost;
}

static void say(struct tls *from, struct tls *to, const char *bytes, double *from_us, double *to_us)
{
    char   heard[BODY_BYTES];
    size_t taken, count;
    double begun = cpu_us();
    ensure(tls_write(from, slice_from(bytes, BODY_BYTES), &taken) == TLS_OK && taken == BODY_BYTES);
    double written = cpu_us();
    carry(from, to);
    ensure(tls_read(to, heard, sizeof heard, &count) == TLS_OK && count == BODY_BYTES);
    *from_us += written - begun;
    *to_us += cpu_us() - written;
}

static struct ends open_ends(const struct tls_client_config *c, const struct tls_server_config *s, const struct tls_resume *resume)
{
    struct ends e = { tls_open_client(c, "localhost", resume), tls_open_server(s) };
    ensure(e.client && e.server);
    return e;
}

static void close_ends(struct ends e)
{
    tls_close(e.client);
    tls_close(e.server);
}

static struct tls_resume *ticket_of(struct ends e)
{
    char   none[16];
    size_t count;
    ensure(tls_read(e.server, none, sizeof none, &count) == TLS_WANT_BYTES); /* sends its ticket */
    carry(e.server, e.client);
    ensure(tls_read(e.client, none, sizeof none, &count) == TLS_WANT_BYTES); /* finds it */
    return tls_resume_of(e.client);
}

static struct cost median_handshake(const struct tls_client_config *c, const struct tls_server_config *s, const struct tls_resume *resume)
{
    double client[HANDSHAKES], server[HANDSHAKES];
    for (int n = 0; n < HANDSHAKES; n++) {
        struct ends e = open_ends(c, s, resume);
        struct cost cost = shake_hands(e);
        ensure(tls_was_resumed(e.client) == (resume != nullptr));
        client[n] = cost.client_us;
        server[n] = cost.server_us;
        close_ends(e);
    }
    qsort(client, HANDSHAKES, sizeof(double), compare_doubles);
    qsort(server, HANDSHAKES, sizeof(double), compare_doubles);
    return (struct cost){ client[HANDSHAKES / 2], server[HANDSHAKES / 2] };
}

static struct cost mean_request(struct ends e)
{
    static const char body[BODY_BYTES];
    struct cost       cost = { 0 };
    for (int n = 0; n < REQUESTS; n++) {
        say(e.client, e.server, body, &cost.client_us, &cost.server_us);
        say(e.server, e.client, body, &cost.server_us, &cost.client_us);
    }
    return (struct cost){ cost.client_us / REQUESTS, cost.server_us / REQUESTS };
}

int main(void)
{
    struct certificates files;
    struct tls_error    error;
    certificates_make(&files);
    struct tls_client_config *c = tls_client_config_open(files.ca, &error);
    struct tls_server_config *s = tls_server_config_open(files.certificate, files.key, &error);
    certificates_remove(&files);
    ensure(c && s);

    struct ends        first = open_ends(c, s, nullptr);
    shake_hands(first);
    struct tls_resume *ticket = ticket_of(first);
    ensure(ticket);
    struct cost full = median_handshake(c, s, nullptr), resumed = median_handshake(c, s, ticket), request = mean_request(first);

    printf("%-34s %10s %10s %18s\n", "CPU time, P-256 certificate", "client us", "server us", "client : request");
    printf("%-34s %10.0f %10.0f %18.0f\n", "full handshake", full.client_us, full.server_us, full.client_us / request.client_us);
    printf("%-34s %10.0f %10.0f %18.0f\n", "resumed handshake", resumed.client_us, resumed.server_us, resumed.client_us / request.client_us);
    printf("%-34s %10.1f %10.1f %18.1f\n", "2 KB there and back, kept alive", request.client_us, request.server_us, 1.0);
    tls_resume_free(ticket);
    close_ends(first);
    tls_client_config_close(c);
    tls_server_config_close(s);
    return 0;
}
