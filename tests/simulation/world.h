#pragma once
/* tests/simulation/world.h: a world: three processes (the engine, Retell, Cal.com), a database, a disk and a network, and what must hold in it.
 *
 *     plan.c      what this world is            retell.c    Retell: tells of the planned calls, again and again until it has a 2xx, and keeps a ledger
 *     engine.c    the real engine as a process  calcom.c    ringsim's own logic as a process
 *     world.c     begins, lets incidents happen, calms down, ends
 *     checkers.c  the promises, looked at while it runs and when it is calm */
#include "kernel.h"
#include "plan.h"

struct world; /* what all parts know of each other */
struct world {
    struct plan    plan;
    struct disk   *disk;
    struct process *engine, *calcom, *retell;
    struct process *former_engine; /* another has taken over from it on a machine of its own; it may not have noticed */
    struct disk    *other_disk;    /* of the machine that does not serve now; nullptr: there never was another */
    uint16_t       engine_port, calcom_port;
    uint32_t       shards, tenants_revision, engine_starts;
    bool           is_calm;        /* no fault from now on; everything is to be settled */
    bool           ends;           /* nobody is started again */
};
extern struct world world;
/* For worlds with TLS, made before any world begins: nullptr when this program was given no certificate. Cal.com is then calcom.simulated, and the engine's door speaks TLS too. */
extern struct tls_client_config *world_trust;
extern struct tls_server_config *world_identity;
extern const char world_secret_text[]; /* that API keys in the database are sealed with: 64 hex digits */

/* Draws the plan, lives it through, checks what must hold, and returns; or ends in world_broken(). Once per operating system process. `without`: entries of the plan to leave out. */
struct world_options { uint64_t seed; uint32_t minutes; const char *without; bool tells; bool is_torture; enum seam_failure tortures; uint64_t nth; /* torture.c; 0: none fails */ };
void world_live(const struct world_options *o);
[[nodiscard]] bool world_draw_plan(const struct world_options *o); /* without living it; false: it has no such entry, which stderr was told */
constexpr int world_not_understood = 2;                            /* the status with which a world ends that was asked for what is not in it */
/* What went wrong in it, by kind, and what there was. */
#define WORLD_FIGURES(X) X(calls) X(deliveries) X(acknowledged) X(bookings) X(engine_starts) X(kills) X(drains) X(freezes) X(clock_jumps) X(tenant_changes) X(host_edits)         \
    X(network_resets) X(network_half_opens) X(network_refused) X(network_partitions) X(disk_torn) X(disk_lost) X(disk_garbled) X(disk_full) X(disk_failed) X(database_downs)         \
    X(database_died_before) X(database_died_after) X(database_try_again) X(database_slow) X(database_orphans) X(stalls) X(names_unknown) X(calcom_webhooks) X(calcom_faults) X(seam_calls)
#define WORLD_FIGURE_FIELD(name) uint64_t name;
struct world_figures { WORLD_FIGURES(WORLD_FIGURE_FIELD) };
[[nodiscard]] struct world_figures world_figures(void);
[[nodiscard]] uint64_t world_names_unknown(void); /* libc.c: how often a name server did not know */
void world_change_tenants(void); /* written anew, and told to whoever listens */

/* -- engine.c -- */
void engine_process_start(void);             /* on world.disk, with world.shards; again after its end */
void engine_process_stop(void);              /* SIGTERM */
void engine_process_hand_over(struct disk *to); /* another one is started beside it, on that disk, and is the engine from now on */
void engine_process_stop_former(void);
[[nodiscard]] bool engine_process_serves(void);
[[nodiscard]] bool engine_process_is_at_work(void); /* it serves, is not asked to stop, and is not frozen: what it holds can be read */
[[nodiscard]] uint64_t engine_process_answered(uint16_t status); /* webhooks, by the counters of this life, which is at work */
/* A company is called so on every shard. false: *shard has another configuration, or none. */
[[nodiscard]] bool engine_process_knows_company(int64_t id, const char *name, uint32_t *shard);
[[nodiscard]] bool engine_process_forgets_message(uint32_t *shard); /* one was in the inbox of that shard already when this was asked last, and it has not turned since */

/* -- calcom.c -- */
void calcom_process_start(void);
void calcom_process_stop(void);              /* its bookings can still be walked */
void calcom_add_fault(const struct planned_fault *f);
void calcom_clear_faults(void);
void calcom_host_edits(enum host_edit what); /* out of band, in a moment, of a booking or a host that the dice choose */
/* A live or dead booking, for checkers. */
struct booking_at_calcom {
    const char *uid, *reference, *status;
    int64_t     event_type, starts_at_us, ends_at_us, host;
    const char *attendee_email;
    bool        by_host;   /* cancelled or moved out of band */
    bool        is_double; /* cancelled by the engine, as one too many */
};
void calcom_each_booking(void (*each)(void *context, const struct booking_at_calcom *b), void *context);
[[nodiscard]] uint64_t calcom_fault_met(enum sim_fault f); /* requests and webhooks that met it */
struct webhooks_of_calcom { uint64_t delivered, lost; };
[[nodiscard]] struct webhooks_of_calcom calcom_webhooks(void); /* delivered: a subscriber answered 2xx */
[[nodiscard]] uint32_t calcom_overshoots(void); /* requests beyond a key's limit: the budget's promise is 0 */
/* Those with a key that have come since the last time that this was asked, whatever became of them. account: which key, by its place in the world file. */
void calcom_each_new_request(void (*each)(void *context, uint32_t account, int64_t at_us), void *context);

/* -- retell.c -- */
void retell_process_start(void);             /* begins to tell of the planned calls */
void retell_process_stop(void);
[[nodiscard]] bool retell_has_finished(void); /* every delivery has its 2xx, or was given up as Retell does */
/* HONEST: an event of the call. OTHER_EVENT: signed, of the call, but none of the three that make its row. BROKEN_BODY: signed nonsense, which is kept. The rest is
 * bogus: nobody may ever see an effect of it. */
#define RETELL_SHAPES(X) X(HONEST) X(OTHER_EVENT) X(BROKEN_BODY) X(BAD_SIGNATURE) X(UNSIGNED) X(STALE) X(FROM_FUTURE) X(OTHER_KEY) X(VOID_KEY) X(WRONG_PATH) X(OVERSIZED)
#define RETELL_SHAPE_ENUMERATOR(name) RETELL_##name,
enum retell_shape : uint8_t { RETELL_SHAPES(RETELL_SHAPE_ENUMERATOR) RETELL_SHAPE_COUNT };
[[nodiscard]] const char *retell_shape_name(enum retell_shape s);
/* What Retell knows of each delivery it has tried. maybe_delivered: some attempt ended without an answer, after a byte of it may have left. */
struct retell_delivery {
    const struct planned_call *call;
    const char  *event;
    enum retell_shape shape;
    enum call_event kind;         /* of HONEST */
    bool         is_bogus, acknowledged, maybe_delivered, is_over, with_old_key; /* with_old_key: the last attempt was signed with what becomes void */
    uint16_t     last_status;     /* 0: no answer */
    uint32_t     attempts;
    uint64_t     first_at_us, acknowledged_at_us;
    const char  *body;
    size_t       body_bytes;
};
void retell_each_delivery(void (*each)(void *context, const struct retell_delivery *d), void *context);
/* How often each status was answered; 0: no answer. */
[[nodiscard]] uint64_t retell_answers(uint16_t status);
/* Has the engine asked for /metrics; the page is there some moments later, if it serves. */
void retell_ask_metrics(void);
[[nodiscard]] struct slice retell_metrics(void); /* the last page; absent: none since it was asked for */

/* -- torture.c -- */
void torture_plan(struct plan *p);                       /* one whole call, and no trouble */
void torture_begin(const struct world_options *o);       /* of world.engine, from now on */
[[nodiscard]] uint64_t torture_counted(void);            /* of what was to fail, so many were there */
[[nodiscard]] bool torture_takes_memory(void);

/* -- checkers.c -- */
void checkers_open(void);
void checkers_look(void);      /* while it runs, every half second: what must hold at every instant */
void checkers_look_when_calm(void);
void checkers_look_when_stopped(void); /* the engine has drained: nothing is left behind */
[[nodiscard]] uint64_t checkers_promises_checked(void);
/* By retell.c: one attempt has ended. status 0: no answer; sent_at_us 0: it never had a connection. */
struct retell_attempt { const struct retell_delivery *delivery; uint64_t began_at_us, sent_at_us, ended_at_us; uint16_t status; bool timed_out; };
void checkers_see_attempt(const struct retell_attempt *a);
/* By log.c: each line that the engine logs (JSON): nothing of one tenant under another, no secrets. */
void checkers_see_log(const char *line, size_t length);

/* -- sights.c -- */
/* What was met of what worlds are lived for. slots_wanted_twice: pairs of agreements about the same start of the same service; keys_shared: companies that have another's
 * Cal.com key; changed_mid_call: calls during which the configuration was written anew; intents_unknown, intents_pending: at some time; parked: people were asked to find out. */
#define WORLD_SIGHTS(X) X(intents_booked) X(intents_refused) X(intents_pending) X(hosts_accepted) X(hosts_declined) X(intents_unknown) X(unknown_booked) X(unknown_refused)       \
    X(intents_parked) X(parked_settled) X(second_attempts) X(third_attempts) X(doubles_cancelled) X(calls_never_ended) X(webhooks_quarantined) X(webhooks_unrouted)                 \
    X(journals_full) X(refused_for_full_journal) X(refused_for_no_room) X(answered_503) X(never_answered) X(torn_tails) X(replays) X(replays_on_other_shards) X(breakers_opened)     \
    X(throttled) X(budgets_used_up) X(slots_wanted_twice) X(numbers_withheld) X(keys_shared) X(changed_mid_call) X(handed_over) X(with_tls)
struct world_sights { WORLD_SIGHTS(WORLD_FIGURE_FIELD) };
[[nodiscard]] struct world_sights world_sights(void); /* at the end, once */
