#pragma once
/* net/stream.h: one TCP connection as plain bytes both ways, with TLS or without it: what connections of the server and of the client share.
 *
 *   stream_accept / stream_connect ─► opened ─► received … sent … ─► ended ─► stream_close() ─► closed
 *
 * Embedded in its owner, on one shard, from the start until `closed`. Receiving is always armed, so a peer that goes away is noticed at once;
 * only stream_pause() stops it. Receive buffers go back to the ring before the next one is looked at.
 * Closing: shutdown, cancel, wait for what the kernel and the helper thread still have (join), close; then `closed`, always in a later step
 * than stream_close(), so that every callback may close.
 */
#include <netinet/in.h>
#include <stdint.h>
#include "io/io.h"
#include "net/tls.h"
#include "shard/shard.h"
#include "shard/worker.h"

enum stream_end : uint8_t {
    STREAM_FINISHED,    /* the peer has said all it will say; with TLS: said goodbye. We may still send */
    STREAM_UNREACHED,   /* connect failed */
    STREAM_UNTRUSTED,   /* TLS: certificate or name refused */
    STREAM_BROKEN,      /* reset, not TLS, or TLS that ended without goodbye: what came may not be all */
};

struct stream;
struct stream_owner {
    void (*opened)(struct stream *s);                         /* connected and handshaken; not called for an accepted plain stream */
    void (*received)(struct stream *s, struct slice bytes);   /* lent until it returns */
    void (*ended)(struct stream *s, enum stream_end how);     /* at most once; nothing more is received */
    void (*sent)(struct stream *s, bool is_sent);             /* of stream_send(); never from within it */
    void (*closed)(struct stream *s);                         /* joined: the memory is the owner's again */
};

enum stream_state : uint8_t { STREAM_CLOSED, STREAM_CONNECTING, STREAM_SHAKING_HANDS, STREAM_OPEN, STREAM_CLOSING };

struct stream {
    const struct stream_owner *owner;
    struct shard      *shard;
    struct stream_tls *tls;       /* nullptr: plain */
    struct task        finish;
    struct io_op       receive, send; /* `send` connects, too */
    struct slice       sending;   /* TLS: what is not yet encrypted */
    int                fd;
    enum stream_state  state;
    bool               is_sending, is_last, is_paused, has_ended;
};

/* What makes it a TLS stream. The session becomes the stream's. worker: takes the steps of the handshake; nullptr: they run here. */
struct stream_security { struct tls *session; struct worker *worker; };

/* session nullptr: plain. The socket becomes the stream's. false: no memory; socket and session are still the caller's. */
[[nodiscard]] bool stream_accept(struct stream *s, struct shard *shard, const struct stream_owner *owner, int fd, struct stream_security security);
/* false: out of descriptors or memory; nothing was started, and the session is still the caller's. */
[[nodiscard]] bool stream_connect(struct stream *s, struct shard *shard, const struct stream_owner *owner, const struct sockaddr_in *to,
                                  struct stream_security security);

/* One at a time; the bytes live until `sent`. last: with TLS, goodbye is said behind them. */
void stream_send(struct stream *s, struct slice bytes, bool last);
void stream_pause(struct stream *s);  /* a little may still come */
void stream_resume(struct stream *s);
void stream_close(struct stream *s);  /* breaks what is under way; again: nothing happens */

/* Only between opened and stream_close(); nullptr: plain. */
[[nodiscard]] struct tls *stream_session(const struct stream *s);
