#pragma once
/* One kept-alive connection to the engine: a request as ready bytes goes out, a status comes back. It reads just enough of HTTP for that (a status line,
 * Content-Length, Connection), so it costs a fraction of what it measures; whoever wants all of HTTP uses net/http_client.h.
 *
 *     CONNECTING → IDLE → (wire_send) BUSY → answered → IDLE … → CLOSING → gone
 */
#include "net/stream.h"

enum wire_state : uint8_t { WIRE_CONNECTING, WIRE_IDLE, WIRE_BUSY, WIRE_CLOSING };
enum wire_end : uint8_t { WIRE_ANSWERED, WIRE_TIMED_OUT, WIRE_BROKEN, WIRE_UNREACHED };

struct wire;
struct wire_owner {
    void (*ready)(struct wire *w);                                        /* connected */
    void (*answered)(struct wire *w, enum wire_end how, uint16_t status); /* of wire_send(); idle again when WIRE_ANSWERED and still open */
    void (*gone)(struct wire *w, bool was_connected);                     /* closed and joined: the memory is free */
};

enum { WIRE_HEAD_BYTES_MAX = 2048 };
struct wire {
    struct stream            stream;
    struct shard            *shard;
    const struct wire_owner *owner;
    struct list_node         node;       /* the owner's */
    void                    *exchange;   /* the owner's: what is under way */
    enum wire_state          state;
    bool                     was_connected, closes, is_sending, has_answer;
    struct timer             timer;
    uint64_t                 body_left;
    uint16_t                 status;
    uint32_t                 head_length;
    char                     head[WIRE_HEAD_BYTES_MAX];
};

[[nodiscard]] bool wire_open(struct wire *w, struct shard *s, const struct wire_owner *owner, const struct sockaddr_in *to); /* false: out of descriptors */
void wire_send(struct wire *w, struct slice request, uint64_t deadline_us); /* idle; the bytes live until answered */
void wire_close(struct wire *w);
