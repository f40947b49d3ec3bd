#pragma once
/* shard/envelope.h: the message between shards. It is embedded in what it carries (a webhook, a question to a calendar), which lives in a pool
 * of the shard where it was born: so the number of envelopes is bounded by the pools, and sending cannot fail.
 *
 *     home shard: envelope_send(to, arrived, came_home) ─► `arrived` runs on the other shard ─► envelope_return() ─► `came_home` runs at home
 *
 * While it travels the envelope, and what it is embedded in, belongs to the shard where it is: home touches neither until it is back.
 * Home does not end before it is back (it counts as a hold), and no shard ends while any of them is held: so whoever is sent to is there.
 * Order from one shard to another is kept. To the own shard it costs no atomics and arrives in the same or the next turn.
 */
#include <stdbool.h>
#include <stdint.h>

struct shard;
struct shard_group;
struct envelope;
typedef void envelope_arrived(struct shard *at, struct envelope *e);

struct envelope {
    struct envelope  *next;       /* of the inbox, or of the shard's own queue */
    envelope_arrived *arrived;    /* what to do where it arrives */
    envelope_arrived *came_home;  /* what to do when it is back; nullptr: it never comes back, and belongs to the shard where it arrives */
    uint16_t          home;       /* index of the shard that owns it */
    bool              travelling; /* from the sending until `came_home`; home alone writes it */
    bool              returning;
};

/* On the home shard. Not travelling. */
void envelope_send(struct shard *from, struct envelope *e, uint16_t to, envelope_arrived *arrived, envelope_arrived *came_home);
/* On the shard where it arrived, exactly once per arrival; it may be long after `arrived`. */
void envelope_return(struct shard *at, struct envelope *e);

/* To and from a thread that is no shard (worker.h: TLS handshakes, name resolution). The first, on the home shard, only marks it as
 * travelling: the helper gets it by a queue of its own. The second, on the helper, sends it home. */
void envelope_lend(struct shard *from, struct envelope *e, envelope_arrived *came_home);
void envelope_return_from_outside(struct shard_group *g, struct envelope *e);

/* For the loop: handles what has come, oldest first, at most a batch; the rest waits for the next turn. How many. */
uint32_t envelope_handle_arrivals(struct shard *s);
/* For threads that are no shard: pushes, and wakes at once, for they have no turn at whose end it could be done. */
void envelope_post_from_outside(struct shard_group *g, struct envelope *e, uint16_t to);
