#include "net/stream.h"
#include <stdlib.h>
#include "base/ensure.h"
#include "limits.h"

/* A TLS stream has a session, and while the helper thread has that, a stash for what arrives meanwhile. */
struct stream_tls {
    struct tls     *session;
    struct worker  *worker;
    struct stream  *stream;
    struct job      job;
    enum tls_status step; /* the helper's result */
    bool            input_has_ended;
    char           *stash;
    size_t          stash_length, stash_capacity;
};

static void received(struct io_op *op, struct io_result result);
static void advance(struct stream *s);

static bool is_live(const struct stream *s) { return s->state == STREAM_SHAKING_HANDS || s->state == STREAM_OPEN; }
static bool is_with_helper(const struct stream *s) { return s->tls && s->tls->job.running; }

/* -- closing -- */

static void finish(struct task *t)
{
    struct stream *s = container_of(t, struct stream, finish);
    ensure(s->state == STREAM_CLOSING && !s->receive.submitted && !s->send.submitted && !is_with_helper(s));
    io_close(s->fd);
    s->fd = -1;
    if (s->tls) {
        tls_close(s->tls->session);
        free(s->tls->stash);
        free(s->tls);
        s->tls = nullptr;
    }
    s->state = STREAM_CLOSED;
    s->owner->closed(s);
}

static void finish_if_joined(struct stream *s)
{
    ensure(s->state == STREAM_CLOSING);
    if (s->receive.submitted || s->send.submitted || is_with_helper(s)) return;
    shard_make_ready(s->shard, &s->finish);
}

void stream_close(struct stream *s)
{
    ensure_on(s->shard);
    if (s->state == STREAM_CLOSING || s->state == STREAM_CLOSED) return;
    s->state = STREAM_CLOSING;
    s->is_sending = false;
    io_shutdown(s->fd);
    io_cancel(s->shard->io, &s->receive);
    io_cancel(s->shard->io, &s->send);
    finish_if_joined(s);
}

static void end(struct stream *s, enum stream_end how)
{
    if (s->has_ended || s->state == STREAM_CLOSING) return;
    s->has_ended = true;
    s->owner->ended(s, how);
}

/* -- receiving -- */

static bool is_stash_full(const struct stream *s) { return s->tls && s->tls->stash_length >= tls_stash_bytes; }

static bool wants_bytes(const struct stream *s) { return !s->is_paused && !s->has_ended && !is_stash_full(s) && !(s->tls && s->tls->input_has_ended); }

static void arm_receive(struct stream *s)
{
    if (!s->receive.submitted && wants_bytes(s)) io_receive(s->shard->io, &s->receive, s->fd, received);
}

/* Keeps ciphertext that the session cannot take now. false: out of memory. */
static bool stash(struct stream_tls *tls, struct slice bytes)
{
    if (bytes.length == 0) return true;
    size_t needed = tls->stash_length + bytes.length;
    if (needed > tls->stash_capacity) {
        size_t capacity = tls->stash_capacity > 0 ? tls->stash_capacity * 2 : 8 * 1024;
        while (capacity < needed) capacity *= 2;
        char *grown = realloc(tls->stash, capacity);
        if (!grown) return false;
        tls->stash = grown;
        tls->stash_capacity = capacity;
    }
    memcpy(tls->stash + tls->stash_length, bytes.start, bytes.length);
    tls->stash_length = needed;
    return true;
}

static bool put_stash(struct stream_tls *tls)
{
    if (tls->stash_length == 0) {
        if (tls->input_has_ended) tls_put_end(tls->session);
        return false;
    }
    size_t taken = tls_put(tls->session, slice_from(tls->stash, tls->stash_length));
    memmove(tls->stash, tls->stash + taken, tls->stash_length - taken);
    tls->stash_length -= taken;
    return taken > 0;
}

static void receive_cipher(struct stream *s, struct slice bytes)
{
    struct stream_tls *tls = s->tls;
    bool was_full = is_stash_full(s);
    if (!tls->job.running && tls->stash_length == 0) bytes = slice_skip(bytes, tls_put(tls->session, bytes));
    if (!stash(tls, bytes)) return end(s, STREAM_BROKEN);
    advance(s);
    if (!was_full && is_stash_full(s)) io_cancel(s->shard->io, &s->receive); /* an honest peer may send a whole webhook behind its handshake */
}

static void receive_end(struct stream *s, enum io_status status)
{
    if (status != IO_END) {
        end(s, STREAM_BROKEN);
    } else if (!s->tls) {
        end(s, STREAM_FINISHED);
    } else {
        s->tls->input_has_ended = true;
        advance(s);
    }
}

static void received(struct io_op *op, struct io_result result)
{
    struct stream *s = container_of(op, struct stream, receive);
    if (result.status == IO_OK) {
        struct slice bytes = slice_from(result.received.bytes, result.received.count);
        if (is_live(s) && !s->has_ended) {
            if (s->tls) receive_cipher(s, bytes);
            else s->owner->received(s, bytes);
        }
        io_return_buffer(s->shard->io, result.received.buffer);
    }
    if (result.more) return;
    if (s->state == STREAM_CLOSING) return finish_if_joined(s);

    /* IO_NO_BUFFERS: those who have them give them back in this turn, and this is submitted at its end. IO_CANCELLED: it was paused. */
    if (result.status == IO_OK || result.status == IO_NO_BUFFERS || result.status == IO_CANCELLED) arm_receive(s);
    else receive_end(s, result.status);
}

void stream_pause(struct stream *s)
{
    if (s->is_paused || s->state != STREAM_OPEN) return;
    s->is_paused = true;
    io_cancel(s->shard->io, &s->receive);
}

void stream_resume(struct stream *s)
{
    if (!s->is_paused || s->state != STREAM_OPEN) return;
    s->is_paused = false;
    arm_receive(s); /* if the cancellation is still under way, its completion arms it */
}

/* -- sending -- */

static void send_ended(struct stream *s, bool is_sent)
{
    if (!s->is_sending) {
        if (!is_sent) end(s, STREAM_BROKEN); /* a handshake message, an alert */
        return;
    }
    s->is_sending = false;
    s->owner->sent(s, is_sent);
}

static void plain_sent(struct io_op *op, struct io_result result)
{
    struct stream *s = container_of(op, struct stream, send);
    if (s->state == STREAM_CLOSING) finish_if_joined(s);
    else send_ended(s, result.status == IO_OK);
}

static void cipher_sent(struct io_op *op, struct io_result result);

/* Encrypts what there is room for, and sends what is encrypted. */
static void flush_cipher(struct stream *s)
{
    if (s->send.submitted || is_with_helper(s) || !is_live(s)) return;
    struct tls *session = s->tls->session;
    while (s->sending.length > 0) {
        size_t          taken = 0;
        enum tls_status status = tls_write(session, s->sending, &taken);
        s->sending = slice_skip(s->sending, taken);
        if (status == TLS_WANT_ROOM) break;
        if (status != TLS_OK) return io_shutdown(s->fd); /* the session is broken: receiving ends, and tells the owner */
    }
    if (s->sending.length == 0 && s->is_last) {
        s->is_last = false;
        tls_say_goodbye(session);
    }
    struct slice cipher = tls_take(session);
    if (cipher.length > 0) io_send(s->shard->io, &s->send, s->fd, cipher, cipher_sent);
    else if (s->is_sending && s->sending.length == 0) send_ended(s, true);
}

static void cipher_sent(struct io_op *op, struct io_result result)
{
    struct stream *s = container_of(op, struct stream, send);
    if (s->state == STREAM_CLOSING) return finish_if_joined(s);
    if (result.status != IO_OK) return send_ended(s, false);
    tls_taken(s->tls->session, result.count);
    flush_cipher(s);
    if (!s->has_ended) advance(s); /* it may have waited for room */
}

void stream_send(struct stream *s, struct slice bytes, bool last)
{
    ensure(s->state == STREAM_OPEN && !s->is_sending);
    s->is_sending = true;
    if (!s->tls) {
        io_send(s->shard->io, &s->send, s->fd, bytes, plain_sent);
        return;
    }
    s->sending = bytes;
    s->is_last = last;
    flush_cipher(s);
}

/* -- TLS -- */

static void shake_on_helper(struct job *j)
{
    struct stream_tls *tls = container_of(j, struct stream_tls, job);
    tls->step = tls_handshake(tls->session);
}

/* What a step of the handshake came to. true: there may be more to do at once. */
static bool step_done(struct stream *s, enum tls_status status)
{
    switch (status) {
    case TLS_OK:
        s->state = STREAM_OPEN;
        s->owner->opened(s);
        return true;
    case TLS_WANT_BYTES:
    case TLS_WANT_ROOM:
        return false;
    case TLS_UNTRUSTED:
        end(s, STREAM_UNTRUSTED);
        return false;
    case TLS_END:
    case TLS_BROKEN:
        end(s, STREAM_BROKEN);
        return false;
    }
    ensure(false); /* not a status */
    return false;
}

static void shaken_on_helper(struct job *j)
{
    struct stream_tls *tls = container_of(j, struct stream_tls, job);
    struct stream     *s = tls->stream;
    if (s->state == STREAM_CLOSING) return finish_if_joined(s);
    flush_cipher(s);
    bool goes_on = step_done(s, tls->step) || tls->stash_length > 0 || tls->input_has_ended;
    if (goes_on && !s->has_ended) advance(s);
}

static bool shake_hands(struct stream *s)
{
    struct stream_tls *tls = s->tls;
    if (tls->worker) {
        if (s->send.submitted) return false; /* its bytes are in the session: cipher_sent() comes back here */
        worker_give(tls->worker, s->shard, &tls->job, shake_on_helper, shaken_on_helper);
        return false;
    }
    enum tls_status status = tls_handshake(tls->session);
    flush_cipher(s);
    return step_done(s, status);
}

/* Hands on what can be decrypted now. true: there may be more. */
static bool read_plain(struct stream *s)
{
    char            plain[4096];
    size_t          count = 0;
    enum tls_status status = tls_read(s->tls->session, plain, sizeof plain, &count);
    switch (status) {
    case TLS_OK:
        s->owner->received(s, slice_from(plain, count));
        return true;
    case TLS_WANT_BYTES:
    case TLS_WANT_ROOM:
        return false;
    case TLS_END:
        end(s, STREAM_FINISHED);
        return false;
    case TLS_UNTRUSTED:
    case TLS_BROKEN:
        end(s, STREAM_BROKEN);
        return false;
    }
    ensure(false); /* not a status */
    return false;
}

/* Whatever can be done with the bytes that are here: steps of the handshake, then plain bytes. */
static void advance(struct stream *s)
{
    bool goes_on = true;
    while (goes_on && is_live(s) && !s->has_ended && !is_with_helper(s)) {
        bool moved = put_stash(s->tls);
        goes_on = s->state == STREAM_OPEN ? read_plain(s) : shake_hands(s);
        /* A session that was too full for the stash and now wants bytes has room again: no peer will send what waits here a second time. */
        if (!goes_on && !is_with_helper(s)) goes_on = moved || put_stash(s->tls);
    }
    if (!is_live(s)) return;
    arm_receive(s);  /* a full stash had stopped it */
    flush_cipher(s); /* reading may have made something to send: a key update, an alert */
}

/* -- opening -- */

static void init(struct stream *s, struct shard *shard, const struct stream_owner *owner, int fd)
{
    ensure(s->state == STREAM_CLOSED);
    *s = (struct stream){ .owner = owner, .shard = shard, .finish.run = finish, .fd = fd };
}

/* false: no memory. */
static bool secure(struct stream *s, struct stream_security security)
{
    if (!security.session) return true;
    s->tls = calloc(1, sizeof *s->tls);
    if (!s->tls) return false;
    *s->tls = (struct stream_tls){ .session = security.session, .worker = security.worker, .stream = s };
    return true;
}

bool stream_accept(struct stream *s, struct shard *shard, const struct stream_owner *owner, int fd, struct stream_security security)
{
    init(s, shard, owner, fd);
    if (!secure(s, security)) return false;
    s->state = s->tls ? STREAM_SHAKING_HANDS : STREAM_OPEN;
    arm_receive(s);
    return true;
}

static void connected(struct io_op *op, struct io_result result)
{
    struct stream *s = container_of(op, struct stream, send);
    if (s->state == STREAM_CLOSING) return finish_if_joined(s);
    if (result.status != IO_OK) return end(s, STREAM_UNREACHED);
    s->state = s->tls ? STREAM_SHAKING_HANDS : STREAM_OPEN;
    arm_receive(s);
    if (s->tls) advance(s);
    else s->owner->opened(s);
}

bool stream_connect(struct stream *s, struct shard *shard, const struct stream_owner *owner, const struct sockaddr_in *to,
                    struct stream_security security)
{
    int fd = io_socket();
    if (fd < 0) return false;
    init(s, shard, owner, fd);
    if (!secure(s, security)) {
        io_close(fd);
        return false;
    }
    s->state = STREAM_CONNECTING;
    io_connect(s->shard->io, &s->send, fd, to, connected);
    return true;
}

struct tls *stream_session(const struct stream *s) { return s->tls && s->state == STREAM_OPEN ? s->tls->session : nullptr; }
