#pragma once
/* A shard in a thread of its own, for tests of net/: the test drives it from outside with plain blocking sockets, as a peer would. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <arpa/inet.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/slice.h"
#include "limits.h"
#include "shard/shard.h"
#include "shard/worker.h"

enum { PATIENCE_MS = 10'000 }; /* how long a test waits for what must come: only a failing one waits so long */

struct loopback {
    struct shard_group group;
    struct worker     *worker;
    void (*on_stop)(struct shard *s, void *context);
    void *context;
};

/* -- work on the shard, asked for from the test's thread -- */

struct loopback_errand {
    struct envelope envelope;
    void (*work)(struct shard *s, void *context);
    void           *context;
    pthread_mutex_t lock;
    pthread_cond_t  moved;
    bool            is_done;
};

static inline void loopback_errand_arrived(struct shard *at, struct envelope *e)
{
    struct loopback_errand *errand = container_of(e, struct loopback_errand, envelope);
    errand->work(at, errand->context);
    pthread_mutex_lock(&errand->lock);
    errand->is_done = true;
    pthread_cond_signal(&errand->moved);
    pthread_mutex_unlock(&errand->lock);
}

/* Runs `work` on the shard, and returns when it has. */
static inline void loopback_do(struct loopback *l, void (*work)(struct shard *s, void *context), void *context)
{
    struct loopback_errand errand = { .envelope.arrived = loopback_errand_arrived, .work = work, .context = context };
    pthread_mutex_init(&errand.lock, nullptr);
    pthread_cond_init(&errand.moved, nullptr);
    envelope_post_from_outside(&l->group, &errand.envelope, 0);
    pthread_mutex_lock(&errand.lock);
    while (!errand.is_done) pthread_cond_wait(&errand.moved, &errand.lock);
    pthread_mutex_unlock(&errand.lock);
    pthread_cond_destroy(&errand.moved);
    pthread_mutex_destroy(&errand.lock);
}

/* Asks on the shard, again and again, until `is_so` says yes. */
struct loopback_question { bool (*is_so)(void *context); void *context; bool answer; };
static inline void loopback_ask(struct shard *, void *context)
{
    struct loopback_question *q = context;
    q->answer = q->is_so(q->context);
}
static inline void loopback_wait_until(struct loopback *l, bool (*is_so)(void *context), void *context)
{
    uint64_t give_up_at_us = clock_monotonic_us() + PATIENCE_MS * UINT64_C(1000);
    struct loopback_question q = { .is_so = is_so, .context = context };
    for (;;) {
        loopback_do(l, loopback_ask, &q);
        if (q.answer) return;
        assert_true(clock_monotonic_us() < give_up_at_us);
        poll(nullptr, 0, 1);
    }
}

static inline bool loopback_started(struct shard *s, void *context)
{
    s->resident = context;
    shard_hold(s); /* until the test is over */
    return true;
}
static inline void loopback_stopped(struct shard *s)
{
    struct loopback *l = s->resident;
    if (l->on_stop) l->on_stop(s, l->context);
    shard_release(s);
}

static inline void loopback_start(struct loopback *l)
{
    struct shard_config config = {
        .io = { .entries = 256, .receive_buffers = 256, .receive_buffer_bytes = receive_buffer_bytes },
        .start = loopback_started, .stop = loopback_stopped, .context = l,
    };
    struct io_refusal refusal = { 0 };
    if (!shard_group_start(&l->group, 1, &config, &refusal)) fail_msg("no shard: %s", refusal.text);
    l->worker = worker_start(&l->group);
    assert_non_null(l->worker);
}

static inline void loopback_stop(struct loopback *l)
{
    shard_group_stop(&l->group);
    shard_group_join(&l->group);
    worker_stop(l->worker);
}

/* -- a peer -- */

static inline int peer_dial(uint16_t port)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
    return fd;
}

/* false: the other side would not take it all. */
static inline bool peer_try_say(int fd, struct slice bytes)
{
    while (bytes.length > 0) {
        ssize_t count = send(fd, bytes.start, bytes.length, MSG_NOSIGNAL);
        if (count <= 0) return false;
        bytes = slice_skip(bytes, (size_t)count);
    }
    return true;
}
static inline void peer_say(int fd, struct slice bytes) { assert_true(peer_try_say(fd, bytes)); }
#define peer_say_text(fd, text) peer_say((fd), slice_of(text))

/* Bytes, 0 at the end, -1 for a reset. */
static inline ssize_t peer_hear_some(int fd, char *into, size_t capacity)
{
    struct pollfd waiting = { .fd = fd, .events = POLLIN };
    if (poll(&waiting, 1, PATIENCE_MS) != 1) fail_msg("the peer has waited %d ms in vain", PATIENCE_MS);
    return recv(fd, into, capacity, 0);
}

static inline bool peer_is_at_end(int fd)
{
    char byte;
    return peer_hear_some(fd, &byte, 1) <= 0;
}

/* One answer: its head and the body that the head announces. status 0: the connection ended before. */
struct peer_answer { int status; char head[4096]; char *body; size_t body_length; };

static inline const char *peer_header(const struct peer_answer *a, const char *name)
{
    static char value[512];
    char        line[128];
    snprintf(line, sizeof line, "\r\n%s: ", name);
    const char *at = strcasestr(a->head, line);
    if (!at) return nullptr;
    at += strlen(line);
    snprintf(value, sizeof value, "%.*s", (int)strcspn(at, "\r"), at);
    return value;
}

static inline struct peer_answer peer_hear_answer_to(int fd, bool is_head)
{
    struct peer_answer a = { 0 };
    size_t length = 0;
    while (length < 4 || memcmp(a.head + length - 4, "\r\n\r\n", 4) != 0) { /* a byte at a time: what follows belongs to others */
        assert_true(length < sizeof a.head - 1);
        if (peer_hear_some(fd, a.head + length, 1) <= 0) return (struct peer_answer){ 0 };
        length += 1;
    }
    assert_int_equal(sscanf(a.head, "HTTP/1.1 %d ", &a.status), 1);
    const char *declared = peer_header(&a, "Content-Length");
    a.body_length = declared && !is_head ? (size_t)atol(declared) : 0;
    a.body = calloc(1, a.body_length + 1);
    for (size_t here = 0; here < a.body_length;) {
        ssize_t count = peer_hear_some(fd, a.body + here, a.body_length - here);
        assert_true(count > 0);
        here += (size_t)count;
    }
    return a;
}
static inline struct peer_answer peer_hear_answer(int fd) { return peer_hear_answer_to(fd, false); }

static inline int peer_hear_status(int fd)
{
    struct peer_answer a = peer_hear_answer(fd);
    free(a.body);
    return a.status;
}
