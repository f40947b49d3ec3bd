#pragma once
/* sim/faults.h: what goes wrong, when. A rule names an endpoint, a fault and which of the requests it meets (from the n-th on, so many); or a seed and a rate,
 * and then the dice say. The first rule that hits decides. A fault is nothing but a behaviour: how long the request waits at each arrow of
 *
 *     arrived ─┊ before_check ─► availability ─┊ before_commit ─► commit ─┊ before_reply ─► reply
 *
 * whether it gets to the commit, what becomes of the reply and of the webhooks that the commit causes, and what a host does meanwhile. So every fault is
 * one line of a table (faults.c). A webhook is a request in the other direction: it may meet a fault of its own, at the endpoint "webhook".
 */
#include "base/json.h"
#include "sim/door.h"
#include "sim/garble.h"
#include "sim/prng.h"
#include "sim/refusal.h"
#include "limits.h"

#define SIM_ENDPOINTS(X)                                                                                                         \
    X(CREATE_BOOKING, "create_booking") X(LIST_BOOKINGS, "list_bookings") X(GET_BOOKING, "get_booking")                           \
    X(CANCEL_BOOKING, "cancel_booking") X(BOOKING_REFERENCES, "booking_references") X(SLOTS, "slots")                             \
    X(RESERVE, "reserve") X(GET_RESERVATION, "get_reservation") X(CHANGE_RESERVATION, "change_reservation")                       \
    X(DELETE_RESERVATION, "delete_reservation") X(ME, "me") X(LIST_EVENT_TYPES, "list_event_types")                               \
    X(GET_EVENT_TYPE, "get_event_type") X(CREATE_WEBHOOK, "create_webhook") X(LIST_WEBHOOKS, "list_webhooks")                     \
    X(GET_WEBHOOK, "get_webhook") X(CHANGE_WEBHOOK, "change_webhook") X(DELETE_WEBHOOK, "delete_webhook")                          \
    X(RESCHEDULE_BOOKING, "reschedule_booking") X(CONFIRM_BOOKING, "confirm_booking") X(DECLINE_BOOKING, "decline_booking")        \
    X(OAUTH_TOKEN, "oauth_token") X(WEBHOOK, "webhook") /* to a subscriber */ X(NOWHERE, "nowhere")

#define SIM_ENDPOINT_ENUMERATOR(name, text) SIM_##name,
enum sim_endpoint : uint8_t { SIM_ENDPOINTS(SIM_ENDPOINT_ENUMERATOR) SIM_ENDPOINT_COUNT };
constexpr uint8_t sim_any_endpoint = SIM_ENDPOINT_COUNT; /* any request to Cal.com; not its webhooks */
[[nodiscard]] const char *sim_endpoint_name(enum sim_endpoint e);

/* Names are those of the control port, numbers those of Cal.com's known failures and traps. `ringsim faults` prints this table for the manual. */
#define SIM_FAULTS(X)                                                                                                                           \
    X(NO_FAULT, "none", "", "nothing: for seeds that are to spare some")                                                                        \
    X(REFUSE_CONNECTIONS, "refuse_connections", "F1", "nobody listens for delay_ms (0: until reset; met by a request: 2 s)")                    \
    X(TLS_STALL, "tls_stall", "F1", "connections are accepted and never spoken to, as long")                                                    \
    X(TLS_FAIL, "tls_fail", "F1", "connections are accepted and closed at once, as long")                                                       \
    X(NO_FIRST_BYTE, "no_first_byte", "F2", "done at once, answered after delay_ms (5 s)")                                                      \
    X(SLOW_CHECK, "slow_check", "F2", "nothing happens for delay_ms (5 s), then all as usual")                                                  \
    X(COMMIT_THEN_NO_REPLY, "commit_then_no_reply", "F3", "done, and never answered")                                                           \
    X(COMMIT_THEN_RESET, "commit_then_reset", "F4", "done, and the connection reset")                                                           \
    X(RESET_BEFORE_COMMIT, "reset_before_commit", "F4", "its twin: nothing was done")                                                           \
    X(RESET_MID_BODY, "reset_mid_body", "F5", "reset after half the body")                                                                      \
    X(TRUNCATED, "truncated", "F6", "half the body under the right Content-Length, then closed")                                                \
    X(TRUNCATED_WRONG_LENGTH, "truncated_wrong_length", "F6", "half the body under a Content-Length that says so")                              \
    X(ONE_BYTE_PER_SECOND, "one_byte_per_second", "F7", "a byte every delay_ms (1 s)")                                                          \
    X(ERROR_BEFORE_COMMIT, "error_before_commit", "F8", "status (500), and nothing was done")                                                   \
    X(ERROR_AFTER_COMMIT, "error_after_commit", "F9", "status (500), and it was done")                                                          \
    X(REFUSED_AFTER_COMMIT, "refused_after_commit", "F10", "400 \"Missing payment credentials\", and it was done")                              \
    X(LATE_COMMIT, "late_commit", "F11", "found free at once, committed after delay_ms (5 s), gone or not whoever asked")                       \
    X(RATE_LIMITED, "rate_limited", "F12", "429, not processed")                                                                                \
    X(ACCOUNT_LOCKED, "account_locked", "F13", "429 for the account until reset")                                                               \
    X(UNAUTHORIZED, "unauthorized", "F14", "401, not processed")                                                                                \
    X(TOKEN_USED, "token_used", "F15", "the refresh token is refused as one that was used before")                                              \
    X(CONFLICT_OF_OUR_OWN, "conflict_of_our_own", "F16", "done, and answered with status 409 (or 400) as if another held it")                   \
    X(STALE_FOREIGN, "stale_foreign", "F17", "201 with somebody else's older booking of that start; ours is not made")                          \
    X(VANISHES, "vanishes", "F18, S21", "201, and delay_ms (0) after the commit the host cancels")                                              \
    X(NO_REFERENCES, "no_references", "F19", "201 accepted, nothing in the host's own calendar")                                                \
    X(REPLICA_LAG, "replica_lag", "F20", "this list does not see rows younger than delay_ms (10 s)")                                            \
    X(LOOKUP_FAILS, "lookup_fails", "F21", "status (500), for lists and gets")                                                                  \
    X(WEBHOOK_DUPLICATED, "webhook_duplicated", "F22", "delivered twice, the same bytes")                                                       \
    X(WEBHOOK_REORDERED, "webhook_reordered", "F22", "held until the next one to that subscriber has left, delay_ms (60 s) at most")            \
    X(WEBHOOK_LOST, "webhook_lost", "F22", "never delivered")                                                                                   \
    X(WEBHOOK_WRONG_TRIGGER, "webhook_wrong_trigger", "F22", "REQUESTED for RESCHEDULED, and such")                                             \
    X(WEBHOOK_BAD_SIGNATURE, "webhook_bad_signature", "F22", "one digit of the signature is another")                                           \
    X(WEBHOOK_UNSIGNED, "webhook_unsigned", "F22", "no-secret-provided, though there is a secret")                                              \
    X(WEBHOOK_FORM_ENCODED, "webhook_form_encoded", "F22", "as of a subscription with a template that is not JSON")                             \
    X(WEBHOOK_DELAYED, "webhook_delayed", "F22", "delivered after delay_ms (2 h)")                                                              \
    X(WEBHOOK_BEFORE_COMMIT, "webhook_before_commit", "F22", "a cancellation is told delay_ms (2 s) before it can be seen")                     \
    X(REPLY_AFTER_WEBHOOKS, "reply_after_webhooks", "F22, F23", "the reply waits until the subscribers have answered, delay_ms (10 s) at most") \
    X(CLOCK_FAST, "clock_fast", "F24", "for this request the server's clock is delay_ms (5 min) ahead: Date, createdAt, notice")                \
    X(CLOCK_SLOW, "clock_slow", "F24", "behind")                                                                                                \
    X(INVALID_UTF8, "invalid_utf8", "F25", "the true answer with bytes in its last text that are none")                                         \
    X(DEEP_NESTING, "deep_nesting", "F25", "the true answer and one more member, a hundred thousand arrays deep")                               \
    X(HUGE_BODY, "huge_body", "F25", "the true answer and one more member, of 5 MB")                                                            \
    X(DOUBLED_KEYS, "doubled_keys", "F25", "the true answer, every member of it and of its data twice, first as null")                          \
    X(NUMBERS_AS_TEXTS, "numbers_as_texts", "F25", "the true answer, every number as a text")                                                   \
    X(UNKNOWN_HOST_ID, "unknown_host_id", "S12", "the true answer, hosts[0].id is the text \"unknown\"")                                        \
    X(HOST_CONFIRMS, "host_confirms", "S13", "of a pending booking: delay_ms (0) after the commit the host accepts it")                         \
    X(HOST_DECLINES, "host_declines", "S13", "or declines it")                                                                                  \
    X(PARTIAL_SERIES, "partial_series", "S16", "half of the occurrences are made, then status (500)")                                           \
    X(HOST_MOVES, "host_moves", "S21", "delay_ms (0) after the commit the host moves it to the next free start")                                \
    X(HOST_BECOMES_BUSY, "host_becomes_busy", "S21", "of slots: right after the answer the hosts have no time at its first start")

#define SIM_FAULT_ENUMERATOR(name, text, number, what) SIM_FAULT_##name,
enum sim_fault : uint8_t { SIM_FAULTS(SIM_FAULT_ENUMERATOR) SIM_FAULT_COUNT };
[[nodiscard]] const char *sim_fault_name(enum sim_fault f);
[[nodiscard]] const char *sim_fault_number(enum sim_fault f);      /* "F22", or nothing */
[[nodiscard]] const char *sim_fault_description(enum sim_fault f);
[[nodiscard]] bool sim_fault_is_of_the_port(enum sim_fault f); /* acts on the listener at once, not on a request */
[[nodiscard]] enum door_way sim_fault_door(enum sim_fault f);  /* of such a one */

[[nodiscard]] bool sim_fault_is_of_webhooks(enum sim_fault f); /* met by a request: acts on the webhooks that it causes */

/* What a request meets. */
enum sim_reply : uint8_t { SIM_REPLY_WHOLE, SIM_REPLY_NEVER, SIM_REPLY_RESET, SIM_REPLY_RESET_MID_BODY, SIM_REPLY_TRUNCATED, SIM_REPLY_TRUNCATED_WRONG_LENGTH, SIM_REPLY_DRIPPING };
enum sim_telling : uint8_t { SIM_TELL, SIM_TELL_TWICE, SIM_TELL_AFTER_NEXT, SIM_TELL_NOT, SIM_TELL_WRONG_TRIGGER, SIM_TELL_BADLY_SIGNED, SIM_TELL_UNSIGNED, SIM_TELL_AS_FORM, SIM_TELL_LATE };
enum sim_host_act : uint8_t { SIM_HOST_RESTS, SIM_HOST_CANCELS, SIM_HOST_MOVES, SIM_HOST_CONFIRMS, SIM_HOST_DECLINES, SIM_HOST_BECOMES_BUSY };
struct sim_behaviour {
    enum sim_fault    fault;
    uint32_t          before_check_ms, before_commit_ms, before_reply_ms;
    bool              gives_up_before_check;     /* nothing is done; `status` says what is answered (0: the reply's own way) */
    bool              tells_before_commit;       /* webhooks, of a cancellation */
    bool              replies_after_subscribers; /* before_reply_ms at most */
    bool              commits_half;              /* of a series */
    uint16_t          status;                    /* over the true answer; 0: the true one */
    enum sim_reply    reply;
    enum sim_garble   garble;
    enum sim_telling  telling;
    enum sim_host_act host_act;
    int32_t           clock_skew_ms;
    uint32_t          delay_ms;                  /* of the telling, the host's act, REPLICA_LAG and ONE_BYTE_PER_SECOND */
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
    uint64_t       choices;       /* bit per fault; of a rule without a seed, one */
};

struct sim_faults {
    struct sim_fault_rule rules[sim_fault_rules_max];
    uint32_t              rule_count;
    uint64_t              met[SIM_FAULT_COUNT]; /* requests and webhooks, of all rules there have been */
};

/* {"endpoint":"create_booking","fault":"commit_then_no_reply","nth":1,"count":1,"delay_ms":0,"status":500}
 * {"seed":7,"rate":0.2,"faults":["late_commit",…],"endpoint":"create_booking","delay_ms":…} — false: *refusal (400).
 * Without an endpoint: any request; or, where only faults of webhooks are named, the webhooks. */
[[nodiscard]] bool faults_add(struct sim_faults *f, const struct json_value *rule, struct sim_fault_rule *added, struct sim_refusal *refusal);
void faults_clear(struct sim_faults *f);
/* Counts the request, or the webhook, at every rule that it fits. */
[[nodiscard]] struct sim_behaviour faults_meet(struct sim_faults *f, enum sim_endpoint e);
void faults_print(struct json_writer *w, const struct sim_faults *f);
