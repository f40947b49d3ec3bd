#pragma once
/* shard/envelope.h: the message between shards. It is embedded in what it carries (a webhook, a question to a calendar), which lives in a pool
 * of the shard where it was born: so the number of envelopes is bounded by the pools, and sending cannot fail.
 *
 *     home shard: envelope_send(to, arrived, came_home) ─► `arrived` runs on the other shard ─► envelope_return() ─► `came_home` runs at home
 *
 * While it travels the envelope, and what it is embedded in, belongs to the shard where it is: home touches neither until it is back.
 * Order from one shard to another is kept. To the own shard it costs no atomics and arrives in the same or the next turn.
 */
#include <stdbool.h>
#include <stdint.h>

struct shard;
struct shard_group;
struct envelope;
typedef void envelope_arrived(struct shard *at, struct envelope *e);

struct envelope {
    struct envelope  *next;      /* of the inbox */
    envelope_arrived *arrived;   /* what to do where it arrives */
    envelope_arrived *came_home; /* what to do when it is back; nullptr: it never comes back (it is freed by nobody, e.g. a static one) */
    uint16_t          home;      /* index of the shard that owns it */
    bool              travelling, returning;
};

/* On the home shard. Not travelling. */
void envelope_send(struct shard *from, struct envelope *e, uint16_t to, envelope_arrived *arrived, envelope_arrived *came_home);
/* On the shard where it arrived, exactly once per arrival. */
void envelope_return(struct shard *at, struct envelope *e);
/* From a thread that is no shard (helper threads: TLS handshakes, name resolution): sends it home. The helper got it by its own queue. */
void envelope_return_from_outside(struct shard_group *g, struct envelope *e);
