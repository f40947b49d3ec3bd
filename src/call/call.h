#pragma once
/* call/call.h: the call actor. One per call that is going on or has unfinished work, on the call's home shard; nobody else touches it.
 *
 * It is told about webhooks by mail, in the order in which they became durable here, and files one at a time: customer, call and event in PostgreSQL, then what was
 * agreed becomes an intent (filing.c is that path, top to bottom). Its record needs no memory of its own: PostgreSQL merges, so an actor that was forgotten or lost
 * with the process is made again by the next message, in the state that message implies.
 *
 * The lifecycle is a table, state × event, every pair filled (lifecycle.c). A call whose end never comes is closed after its longest duration and a grace.
 */
#include "base/hash_map.h"
#include "base/metrics.h"
#include "base/pool.h"
#include "call/booking.h"
#include "call/zones.h"
#include "db/steady.h"
#include "limits.h"
#include "retell/events.h"
#include "shard/shard.h"
#include "tenant/directory.h"

/* -- lifecycle.c -- */

#define CALL_STATES(X) X(NEW) X(ONGOING) X(ENDED) X(ANALYZED) X(COMPLETE) X(LOST) X(OVER)
#define CALL_ENUMERATOR(name) CALL_##name,
enum call_state : uint8_t { CALL_STATES(CALL_ENUMERATOR) };
/* NEW: made, nothing filed yet. ENDED: the analysis may come. ANALYZED: the analysis came, the end did not. COMPLETE: both; stays a little for repeats.
 * LOST: the end never came. OVER: nothing more is expected; the actor goes when its mailbox is empty. */

enum call_happening : uint8_t { CALL_IT_STARTED, CALL_IT_ENDED, CALL_IT_WAS_ANALYZED, CALL_SOMETHING_ELSE, CALL_TIME_IS_UP };

[[nodiscard]] enum call_state call_next_state(enum call_state s, enum call_happening h);
[[nodiscard]] const char *call_state_name(enum call_state s);

/* -- mail -- */

enum mail_end : uint8_t {
    MAIL_FILED, /* its effects are in PostgreSQL */
    MAIL_KEPT,  /* kept in PostgreSQL, belongs to no tenant (yet): the same bytes may come again */
    MAIL_LEFT,  /* the process ends, or PostgreSQL takes it in no form: the journal keeps it */
};

/* What a call is told. Embedded in whatever brought it (a webhook's delivery); belongs to the call's shard until `done`. */
struct call_mail {
    struct list_node           node;
    const struct retell_event *event;
    struct slice               dedupe, correlation_id;
    int64_t                    workspace_id, received_at_us; /* wall */
    uint64_t                   posted_at_us;                 /* monotonic */
    void                     (*done)(struct call_mail *m, enum mail_end end);
};

struct call_id { char text[call_id_bytes_max + 1]; };

constexpr uint32_t call_magic = 0xca11ac70;
struct call {
    uint32_t         magic;
    enum call_state  state;
    bool             undecided;      /* a booking was confirmed, and something is missing that the analysis may bring */
    bool             time_is_up;     /* to be closed, or decided, in PostgreSQL */
    struct call_desk *desk;
    struct hash128   key;
    int64_t          workspace_id, company_id, branch_id; /* company and branch 0: not known (yet) */
    int64_t          row, customer_id;   /* in PostgreSQL; 0: nothing is filed (yet) */
    int64_t          first_seen_at_us;   /* wall */
    struct list      mailbox;
    uint32_t         expected;       /* letters that are admitted and not durable yet: the call stays until they come */
    struct filing   *filing;         /* nullptr: nothing is being filed */
    struct list_node waiting;        /* for a filing */
    struct timer     timer;
    struct call_id   id;
};

struct call_desk_config {
    struct shard                  *shard;
    struct db_pool                *pool;
    const struct tenant_directory *directory;
    struct booking_desk           *bookings;
    uint32_t calls_max, filings_max;
    uint64_t heap_bytes;             /* facts of webhooks that are being filed */
    uint64_t longest_call_us, end_grace_us;
};

struct call_desk; /* opaque; one per shard */
[[nodiscard]] struct call_desk *call_desk_open(const struct call_desk_config *c);
[[nodiscard]] uint64_t call_desk_bytes(uint32_t calls, uint32_t filings); /* of its pools */

/* The identity of a call everywhere in this process and in the journal: workspace and Retell's id, so two workspaces never meet. Stable across runs. */
[[nodiscard]] struct hash128 call_key(int64_t workspace_id, struct slice call_id);

/* Admission, before anything is durable: room for this call and this letter. The call stays until the letter is posted or dismissed, exactly once each,
 * however long the disk takes. false: 503, and neither follows. */
[[nodiscard]] bool call_admit(struct call_desk *d, struct hash128 key, int64_t workspace_id, struct slice call_id);
/* It will be admitted in a moment: see hash_map_prefetch(). */
void call_prefetch(const struct call_desk *d, struct hash128 key);
/* After call_admit in the same turn or later; cannot fail. */
void call_post(struct call_desk *d, struct hash128 key, struct call_mail *m);
void call_dismiss(struct call_desk *d, struct hash128 key); /* a letter that was admitted does not come after all */
/* At start: calls of an earlier life that are open, or wait for their analysis, get their actors and their deadlines back. */
void call_restore_start(struct call_desk *d);
void call_desk_drain(struct call_desk *d); /* what is not filed stays in the journal; the shard is held until running statements are answered */
void call_desk_close(struct call_desk *d); /* in finish */

struct call_desk_counters {
    struct counter created, restored, closed_unknown, filed, duplicates, unrouted, kept, poisoned, bookings_wanted, intents_written, bookings_impossible, mailbox_full, calls_full;
    struct gauge   active, mail_waiting, filings;
    struct histogram filed_us; /* from posted to effects in PostgreSQL */
};
[[nodiscard]] const struct call_desk_counters *call_desk_counters(const struct call_desk *d);
[[nodiscard]] uint32_t call_desk_filing(const struct call_desk *d); /* flows under way */
