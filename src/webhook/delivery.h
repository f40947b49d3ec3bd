#pragma once
/* webhook/delivery.h: one webhook on its way from a socket to PostgreSQL. Lives in the pool of the shard that accepted it, and dies there.
 *
 *   accepting shard: find workspace → verify → decode ──travel──► home of the call: duplicate? → admit → journal ═ durable ═► the call's mailbox … settled
 *                                                    ◄──answer── (204, or 503)  ◄────────────────────────┘                              │
 *                                                    ◄──travel── (memory goes home) ◄─────────────────────────────────────────────────┘
 *
 * Two envelopes, because the answer leaves as soon as the bytes are durable, and the delivery stays until PostgreSQL has its effects. While `travel` is out, the
 * accepting shard touches only what the answer brought: exchange and status.
 */
#include "base/hash_map.h"
#include "call/call.h"
#include "journal/journal.h"
#include "net/http_server.h"
#include "retell/events.h"
#include "shard/envelope.h"

enum webhook_provider : uint8_t { PROVIDER_RETELL = 1 };

struct webhook_door;
constexpr uint32_t delivery_magic = 0xde11fe27;

struct delivery {
    uint32_t             magic;
    struct webhook_door *door;            /* where it was accepted */
    struct envelope      travel, answer;
    uint8_t              out;             /* envelopes that are not back */
    bool                 replayed;        /* from the journal of an earlier life: nobody waits for an answer */
    uint16_t             status;          /* to answer; replayed: 204 it is being worked on, 503 again later */
    struct http_exchange exchange;
    struct http_body     body;
    struct retell_event  event;
    enum retell_reading  reading;
    int64_t              workspace_id, received_at_us; /* wall */
    uint64_t             complete_at_us;  /* monotonic: the last body byte */
    struct hash128       call_key, identity; /* identity: of (workspace, event, call, dedupe) */
    char                 dedupe[RETELL_DEDUPE_BYTES_MAX + 1], correlation_id[33];
    struct journal_entry entry;
    struct journal_position recovered;    /* replayed: its record */
    uint64_t             appended_at_us;
    struct call_mail     mail;
    struct list_node     node;            /* of the quarantine, or of replays that found no room */
};

static inline bool delivery_is_understood(const struct delivery *d) { return d->reading == RETELL_UNDERSTOOD; }
