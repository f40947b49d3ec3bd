#pragma once
/* webhook/door.h: where webhooks come in on a shard, and where those of its calls are settled. Every shard has one door and plays both parts. */
#include "base/metrics.h"
#include "call/call.h"
#include "journal/journal.h"
#include "net/http_server.h"
#include "tenant/directory.h"
#include "webhook/dedupe.h"
#include "webhook/delivery.h"

struct webhook_counters {
    struct counter accepted, answered_204, refused_401, refused_404, refused_503;                    /* on the accepting shard */
    struct counter verdicts[6];                                                                      /* by enum signature_verdict */
    struct counter duplicates, quarantined, journalled, full_calls, full_journal, replayed;                   /* where they are settled */
    struct counter full_deliveries, full_memory;                                                     /* on the accepting shard */
    struct gauge   under_way;
    struct histogram verify_us, decode_us, durable_us, answer_us; /* answer: last body byte to the answer being handed to the socket */
};

struct webhook_door_config {
    struct shard                  *shard;
    struct journal                *journal;
    struct journal_recovery       *recovery;
    struct db_pool                *pool;
    struct call_desk              *calls;
    const struct tenant_directory *directory;
    struct heap                   *heap;  /* the HTTP server's: bodies, and what is decoded from them */
    uint32_t deliveries_max, dedupe_max;
};

struct replay;
constexpr uint32_t webhook_door_magic = 0xd00bd00b;
struct webhook_door {
    uint32_t                   magic;
    struct webhook_door_config config;
    struct shard              *shard;
    struct http_server        *server;
    struct pool                deliveries;
    struct dedupe              dedupe;
    struct list                quarantine; /* deliveries that wait to be kept */
    struct steady_unit         keep;       /* the first of them */
    struct replay             *replay;     /* shard 0, while an earlier life is being replayed */
    bool                       draining;
    uint64_t                   unverified_silent_until_us; /* monotonic */
    struct webhook_counters    counters;
};

void webhook_door_open(struct webhook_door *d, const struct webhook_door_config *c);
void webhook_door_serve(struct webhook_door *d, struct http_server *s); /* the server that its exchanges belong to */
void webhook_door_drain(struct webhook_door *d);
void webhook_door_close(struct webhook_door *d); /* in finish */
/* The door of this shard. */
[[nodiscard]] struct webhook_door *webhook_door_of(const struct shard *s);

/* -- between the files of this folder -- */
void delivery_travel(struct delivery *d);               /* to the home of its call; see intake.c */
void delivery_give_back(struct delivery *d);            /* at the door, when no envelope is out */
void delivery_settled(struct delivery *d, enum mail_end end); /* on the home of its call */
void replay_came_home(struct replay *r, struct delivery *d); /* takes a replayed delivery back: frees it, or sends it once more */
void quarantine_put(struct webhook_door *home, struct delivery *d);
void quarantine_drain(struct webhook_door *home);
