#pragma once
/* tests/unit/db/middleman.h: stands between a pool and a real PostgreSQL, passes on what they say, and mistreats one message of the server's.
 *
 * A thread of its own, from middleman_open() to middleman_close(); one session at a time, on a socket in a directory of its own, or on a port. Of the first
 * session the server's messages are counted from 0, and number `at` meets its fate; later ones are passed on whole. `slow_ms` holds up what ends a unit.
 */
#include <arpa/inet.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include "tests/unit/db/harness.h"

enum fate : uint8_t {
    FATE_CUT,    /* the first half of it, then the connection is gone */
    FATE_UNSEEN, /* all of it, and the connection is gone before the shard, which middleman_hold_shard() keeps busy, can look */
    FATE_GONE,   /* as before, and none of it */
    FATE_LOST,   /* left out */
    FATE_TWICE,  /* said twice */
    FATE_STALL,  /* this and all after it never arrive, and nobody hangs up */
};

enum { MESSAGE_BYTES_MAX = 64 * 1024, LETTERS_MAX = 256 };

struct middleman {
    char              directory[64], server[108], url[640];
    int               listener, wake;
    pthread_t         thread;
    enum fate         fate;
    uint32_t          at, slow_ms;

    pthread_mutex_t   lock;
    pthread_cond_t    moved;
    uint32_t          sessions;
    char              letters[LETTERS_MAX]; /* of the first session's messages, in order */
    bool              met;             /* message `at` has met its fate */
    bool              waits_for_shard, shard_is_held, stopping;
};

struct session { int client, server; uint32_t seen; size_t length; char bytes[MESSAGE_BYTES_MAX]; };

/* -- in its thread -- */

static bool send_whole(int fd, const char *bytes, size_t count)
{
    for (ssize_t sent; count > 0; bytes += sent, count -= (size_t)sent) {
        sent = send(fd, bytes, count, MSG_NOSIGNAL);
        if (sent <= 0) return false;
    }
    return true;
}

static void hang_up(struct session *s)
{
    close(s->client);
    close(s->server);
    s->client = s->server = -1;
}

static void say_met(struct middleman *m)
{
    pthread_mutex_lock(&m->lock);
    m->met = true;
    pthread_cond_broadcast(&m->moved);
    pthread_mutex_unlock(&m->lock);
}

static void wait_for_held_shard(struct middleman *m)
{
    pthread_mutex_lock(&m->lock);
    m->waits_for_shard = true;
    pthread_cond_broadcast(&m->moved);
    while (!m->shard_is_held && !m->stopping) pthread_cond_wait(&m->moved, &m->lock);
    pthread_mutex_unlock(&m->lock);
}

/* false: the session is over. */
static bool meet_fate(struct middleman *m, struct session *s, size_t length)
{
    switch (m->fate) {
    case FATE_CUT:
        (void)send_whole(s->client, s->bytes, length / 2);
        hang_up(s);
        break;
    case FATE_UNSEEN:
        wait_for_held_shard(m);
        (void)send_whole(s->client, s->bytes, length);
        hang_up(s);
        break;
    case FATE_GONE:
        wait_for_held_shard(m);
        hang_up(s);
        break;
    case FATE_TWICE:
        (void)send_whole(s->client, s->bytes, length);
        (void)send_whole(s->client, s->bytes, length);
        break;
    case FATE_LOST:
    case FATE_STALL:
        break;
    }
    say_met(m);
    return s->client >= 0;
}

/* A message of the server's: a letter, four bytes of length, the rest. 0: not whole yet. */
static size_t next_message(const struct session *s)
{
    if (s->length < 5) return 0;
    const unsigned char *b = (const unsigned char *)s->bytes + 1;
    size_t length = 1 + ((size_t)b[0] << 24 | (size_t)b[1] << 16 | (size_t)b[2] << 8 | b[3]);
    ensure(length <= sizeof s->bytes);
    return length <= s->length ? length : 0;
}

static bool pass_messages(struct middleman *m, struct session *s)
{
    for (size_t length; (length = next_message(s)) > 0;) {
        bool first = m->sessions == 1;
        if (first && s->seen < LETTERS_MAX - 1) m->letters[s->seen] = s->bytes[0];
        if (m->slow_ms && s->bytes[0] == 'Z') usleep(m->slow_ms * 1000); /* this is what the test is about */
        bool silent = first && m->fate == FATE_STALL && s->seen > m->at;
        if (first && s->seen == m->at) {
            if (!meet_fate(m, s, length)) return false;
        } else if (!silent && !send_whole(s->client, s->bytes, length)) {
            return false;
        }
        s->seen += 1;
        s->length -= length;
        memmove(s->bytes, s->bytes + length, s->length);
    }
    return true;
}

static bool pass_server(struct middleman *m, struct session *s)
{
    ssize_t count = recv(s->server, s->bytes + s->length, sizeof s->bytes - s->length, 0);
    if (count <= 0) return false;
    s->length += (size_t)count;
    return pass_messages(m, s);
}

static bool pass_client(const struct session *s)
{
    char bytes[16 * 1024];
    ssize_t count = recv(s->client, bytes, sizeof bytes, 0);
    return count > 0 && send_whole(s->server, bytes, (size_t)count);
}

static int connect_to(const char *path)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ensure(connect(fd, (struct sockaddr *)&address, sizeof address) == 0);
    return fd;
}

static void serve(struct middleman *m)
{
    struct session *s = calloc(1, sizeof *s);
    ensure(s != nullptr);
    s->client = accept(m->listener, nullptr, nullptr);
    s->server = connect_to(m->server);
    pthread_mutex_lock(&m->lock);
    m->sessions += 1;
    pthread_mutex_unlock(&m->lock);
    for (bool goes_on = true; goes_on;) {
        struct pollfd watched[] = { { s->client, POLLIN, 0 }, { s->server, POLLIN, 0 }, { m->wake, POLLIN, 0 } };
        ensure(poll(watched, 3, -1) > 0);
        if (watched[2].revents) break;
        if (watched[0].revents) goes_on = pass_client(s);
        if (goes_on && watched[1].revents) goes_on = pass_server(m, s);
    }
    if (s->client >= 0) hang_up(s);
    free(s);
}

static void *middleman_main(void *argument)
{
    struct middleman *m = argument;
    for (;;) {
        struct pollfd watched[] = { { m->listener, POLLIN, 0 }, { m->wake, POLLIN, 0 } };
        ensure(poll(watched, 2, -1) > 0);
        if (watched[1].revents) return nullptr;
        serve(m);
    }
}

/* -- from the test -- */

static void middleman_path(const struct middleman *m, char path[108]) { snprintf(path, 108, "%s/.s.PGSQL.5432", m->directory); }

static int listen_at(int family, const void *address, socklen_t length)
{
    int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ensure(bind(fd, address, length) == 0 && listen(fd, 8) == 0);
    return fd;
}

static void begin_serving(struct middleman *m, const char *url, int listener)
{
    const char *host = strstr(url, "?host="); /* of a server with a socket in that directory */
    ensure(host != nullptr);
    snprintf(m->server, sizeof m->server, "%.80s/.s.PGSQL.5432", host + strlen("?host="));
    m->listener = listener;
    m->wake = eventfd(0, EFD_CLOEXEC);
    pthread_mutex_init(&m->lock, nullptr);
    pthread_cond_init(&m->moved, nullptr);
    ensure(pthread_create(&m->thread, nullptr, middleman_main, m) == 0);
}

/* In front of the server of `url`. m->url leads through us. */
static void middleman_open(struct middleman *m, const char *url)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    snprintf(m->directory, sizeof m->directory, "/tmp/rmmm.XXXXXX");
    ensure(mkdtemp(m->directory) != nullptr);
    middleman_path(m, address.sun_path);
    snprintf(m->url, sizeof m->url, "%.*s?host=%s", (int)strcspn(url, "?"), url, m->directory);
    begin_serving(m, url, listen_at(AF_UNIX, &address, sizeof address));
}

/* The same, on a port of a host that has to be looked up. */
[[maybe_unused]] static void middleman_open_by_name(struct middleman *m, const char *url)
{
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t length = sizeof address;
    int listener = listen_at(AF_INET, &address, sizeof address);
    ensure(getsockname(listener, (struct sockaddr *)&address, &length) == 0);
    snprintf(m->url, sizeof m->url, "%.*s?host=localhost&port=%u&sslmode=disable", (int)strcspn(url, "?"), url, ntohs(address.sin_port));
    begin_serving(m, url, listener);
}

static void middleman_close(struct middleman *m)
{
    pthread_mutex_lock(&m->lock);
    m->stopping = true;
    pthread_cond_broadcast(&m->moved);
    pthread_mutex_unlock(&m->lock);
    ensure(eventfd_write(m->wake, 1) == 0);
    pthread_join(m->thread, nullptr);
    close(m->listener);
    close(m->wake);
    if (m->directory[0]) {
        char path[108];
        middleman_path(m, path);
        unlink(path);
        rmdir(m->directory);
    }
    pthread_cond_destroy(&m->moved);
    pthread_mutex_destroy(&m->lock);
}

static void middleman_wait_until_met(struct middleman *m)
{
    pthread_mutex_lock(&m->lock);
    while (!m->met) pthread_cond_wait(&m->moved, &m->lock);
    pthread_mutex_unlock(&m->lock);
}

/* FATE_UNSEEN and FATE_GONE wait for a shard that is held. */
static void middleman_wait_for_fate(struct middleman *m)
{
    pthread_mutex_lock(&m->lock);
    while (!m->waits_for_shard) pthread_cond_wait(&m->moved, &m->lock);
    pthread_mutex_unlock(&m->lock);
}

/* On the shard: it sees nothing until the middleman has done what he had to and hung up. */
static void be_held(struct harness *, void *context)
{
    struct middleman *m = context;
    pthread_mutex_lock(&m->lock);
    m->shard_is_held = true;
    pthread_cond_broadcast(&m->moved);
    pthread_mutex_unlock(&m->lock);
    middleman_wait_until_met(m);
}

static void middleman_hold_shard(struct middleman *m, struct harness *h)
{
    middleman_wait_for_fate(m);
    on_shard(h, be_held, m);
}
