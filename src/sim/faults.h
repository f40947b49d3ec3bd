#pragma once
/* sim/faults.h: what goes wrong, when. A rule names an endpoint, a fault and which of the requests it meets (from the n-th on, so many); or a seed and a rate,
 * and then the dice say. The first rule that hits decides. A fault is nothing but a behaviour: how long the request waits at each arrow of
 *
 *     arrived ─┊ before_check ─► availability ─┊ before_commit ─► commit ─┊ before_reply ─► reply
 *
 * whether it gets to the commit, and what becomes of the reply. So every fault is one line of a table (faults.c).
 */
#include "base/json.h"
#include "sim/prng.h"
#include "sim/refusal.h"
#include "limits.h"

#define SIM_ENDPOINTS(X)                                                                                                         \
    X(CREATE_BOOKING, "create_booking") X(LIST_BOOKINGS, "list_bookings") X(GET_BOOKING, "get_booking")                           \
    X(CANCEL_BOOKING, "cancel_booking") X(BOOKING_REFERENCES, "booking_references") X(SLOTS, "slots")                             \
    X(RESERVE, "reserve") X(GET_RESERVATION, "get_reservation") X(CHANGE_RESERVATION, "change_reservation")                       \
    X(DELETE_RESERVATION, "delete_reservation") X(ME, "me") X(LIST_EVENT_TYPES, "list_event_types")                               \
    X(GET_EVENT_TYPE, "get_event_type") X(CREATE_WEBHOOK, "create_webhook") X(LIST_WEBHOOKS, "list_webhooks")                     \
    X(GET_WEBHOOK, "get_webhook") X(CHANGE_WEBHOOK, "change_webhook") X(DELETE_WEBHOOK, "delete_webhook") X(NOWHERE, "nowhere")

#define SIM_ENDPOINT_ENUMERATOR(name, text) SIM_##name,
enum sim_endpoint : uint8_t { SIM_ENDPOINTS(SIM_ENDPOINT_ENUMERATOR) SIM_ENDPOINT_COUNT };
constexpr uint8_t sim_any_endpoint = SIM_ENDPOINT_COUNT;
[[nodiscard]] const char *sim_endpoint_name(enum sim_endpoint e);

/* Names are those of the control port; F-numbers those of calcom.md 9. */
#define SIM_FAULTS(X)                                                                                                            \
    X(NO_FAULT, "none")                                                                                                          \
    X(NO_FIRST_BYTE, "no_first_byte")                 /* F2: done at once, answered after delay_ms */                            \
    X(SLOW_CHECK, "slow_check")                       /* F2: nothing happens for delay_ms, then all as usual */                  \
    X(COMMIT_THEN_NO_REPLY, "commit_then_no_reply")   /* F3 */                                                                   \
    X(COMMIT_THEN_RESET, "commit_then_reset")         /* F4 */                                                                   \
    X(RESET_BEFORE_COMMIT, "reset_before_commit")     /* F4's twin: nothing was done */                                          \
    X(RESET_MID_BODY, "reset_mid_body")               /* F5 */                                                                   \
    X(TRUNCATED, "truncated")                         /* F6: half the body under the right Content-Length, then closed */        \
    X(TRUNCATED_WRONG_LENGTH, "truncated_wrong_length") /* F6: half the body under a Content-Length that says so */              \
    X(ONE_BYTE_PER_SECOND, "one_byte_per_second")     /* F7: every delay_ms (1 s) a byte */                                      \
    X(ERROR_BEFORE_COMMIT, "error_before_commit")     /* F8: status (500) */                                                     \
    X(ERROR_AFTER_COMMIT, "error_after_commit")       /* F9: status (500) */                                                     \
    X(REFUSED_AFTER_COMMIT, "refused_after_commit")   /* F10: 400 "Missing payment credentials" */                               \
    X(LATE_COMMIT, "late_commit")                     /* F11: found free at once, committed after delay_ms (5 s) */              \
    X(RATE_LIMITED, "rate_limited")                   /* F12: 429, not processed */                                              \
    X(ACCOUNT_LOCKED, "account_locked")               /* F13: 429 for the account until reset */                                 \
    X(UNAUTHORIZED, "unauthorized")                   /* F14: 401 */                                                             \
    X(CONFLICT_OF_OUR_OWN, "conflict_of_our_own")     /* F16: committed, and answered with status 409 (or 400) as if another held it */ \
    X(STALE_FOREIGN, "stale_foreign")                 /* F17: 201 with somebody else's older booking of that start; ours is not made */ \
    X(VANISHES, "vanishes")                           /* F18: 201, and the host cancels at once */                               \
    X(NO_REFERENCES, "no_references")                 /* F19: 201 accepted, nothing in the host's calendar */                    \
    X(REPLICA_LAG, "replica_lag")                     /* F20: this list does not see rows younger than delay_ms (10 s) */        \
    X(LOOKUP_FAILS, "lookup_fails")                   /* F21: 500, for lists and gets */                                         \
    X(REFUSE_CONNECTIONS, "refuse_connections")       /* F1: for delay_ms nobody listens (0: until reset) */                     \
    X(TLS_STALL, "tls_stall")                         /* F1: for delay_ms connections are accepted and never spoken to */

#define SIM_FAULT_ENUMERATOR(name, text) SIM_FAULT_##name,
enum sim_fault : uint8_t { SIM_FAULTS(SIM_FAULT_ENUMERATOR) SIM_FAULT_COUNT };
[[nodiscard]] const char *sim_fault_name(enum sim_fault f);
[[nodiscard]] bool sim_fault_is_of_the_port(enum sim_fault f); /* acts on the listener at once, not on a request */

/* What a request meets. */
enum sim_reply : uint8_t { SIM_REPLY_WHOLE, SIM_REPLY_NEVER, SIM_REPLY_RESET, SIM_REPLY_RESET_MID_BODY, SIM_REPLY_TRUNCATED, SIM_REPLY_TRUNCATED_WRONG_LENGTH, SIM_REPLY_DRIPPING };
struct sim_behaviour {
    enum sim_fault fault;
    uint32_t       before_check_ms, before_commit_ms, before_reply_ms;
    bool           gives_up_before_check; /* nothing is done; `status` says what is answered (0: the reply's own way) */
    uint16_t       status;                /* over the true answer; 0: the true one */
    enum sim_reply reply;
    uint32_t       delay_ms;              /* of REPLICA_LAG and ONE_BYTE_PER_SECOND */
};

struct sim_fault_rule {
    uint8_t        endpoint;      /* enum sim_endpoint, or sim_any_endpoint */
    enum sim_fault fault;
    uint32_t       nth, count;    /* the nth request that it fits is the first to be hit, and count are; count 0: all from there */
    uint32_t       seen, hit;
    uint32_t       delay_ms;
    uint16_t       status;
    bool           seeded;
    struct prng    dice;
    double         rate;
    uint32_t       choices;       /* seeded: bit per fault */
};

struct sim_faults { struct sim_fault_rule rules[sim_fault_rules_max]; uint32_t rule_count; };

/* {"endpoint":"create_booking","fault":"commit_then_no_reply","nth":1,"count":1,"delay_ms":0,"status":500}
 * {"seed":7,"rate":0.2,"faults":["late_commit",…],"endpoint":"create_booking","delay_ms":…} — false: *refusal (400). */
[[nodiscard]] bool faults_add(struct sim_faults *f, const struct json_value *rule, struct sim_fault_rule *added, struct sim_refusal *refusal);
void faults_clear(struct sim_faults *f);
/* Counts the request at every rule that it fits. */
[[nodiscard]] struct sim_behaviour faults_meet(struct sim_faults *f, enum sim_endpoint e);
void faults_print(struct json_writer *w, const struct sim_faults *f);
