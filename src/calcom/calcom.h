#pragma once
/* calcom/calcom.h: Cal.com's API v2, as questions with closed sets of answers. Requests are structs; JSON stays in wire.c.
 *
 * A calcom_account is one credential on its home shard: connections (TLS, kept alive), request budget, circuit breaker. A calcom_op is embedded in
 * its owner, one request at a time. Nothing is repeated here: this layer says exactly what is known of one attempt, the booking flow decides.
 */
#include <stdint.h>
#include "base/instant.h"
#include "base/metrics.h"
#include "base/slice.h"
#include "guard/breaker.h"
#include "guard/budget.h"
#include "net/http_client.h"
#include "tenant/tenant.h"

enum calcom_outcome : uint8_t {
    CALCOM_OK,
    CALCOM_NOT_SENT,     /* no byte left: name, connect, TLS; breaker open; budget used up; deadline while waiting. Nothing happened there */
    CALCOM_THROTTLED,    /* 429: not processed; the account is blocked until retry_at_us */
    CALCOM_REFUSED,      /* a definite no that nothing of ours can have caused: `refusal` says which */
    CALCOM_UNKNOWN,      /* the request may have been carried out: timeout, reset, truncated or unreadable answer, 5xx, 409, 400 "not available" */
    CALCOM_UNAUTHORIZED, /* 401, 403, 498: the credential. Nothing was done */
    CALCOM_NOT_FOUND,    /* 404 */
};

enum calcom_refusal : uint8_t { /* for reasons on tasks and in metrics; from the table of messages in contracts (prefix match, status first) */
    CALCOM_REFUSAL_NONE, CALCOM_REFUSAL_BUSY, CALCOM_REFUSAL_TOO_SOON, CALCOM_REFUSAL_PAST, CALCOM_REFUSAL_ATTENDEE_LIMIT, CALCOM_REFUSAL_BAD_REQUEST,
    CALCOM_REFUSAL_EVENT_TYPE, CALCOM_REFUSAL_NO_HOSTS, CALCOM_REFUSAL_OTHER,
};
[[nodiscard]] const char *calcom_refusal_name(enum calcom_refusal r); /* stable: "busy", "too_soon", … */
[[nodiscard]] const char *calcom_outcome_name(enum calcom_outcome o);

enum calcom_booking_status : uint8_t { CALCOM_ACCEPTED, CALCOM_PENDING, CALCOM_CANCELLED, CALCOM_REJECTED, CALCOM_STATUS_OTHER };

enum { CALCOM_UID_BYTES_MAX = 64, CALCOM_REFERENCE_BYTES_MAX = 64, CALCOM_EMAIL_BYTES_MAX = 254 };
struct calcom_booking { /* as far as the answer had it; texts truncated to nothing when over their bound */
    char     uid[CALCOM_UID_BYTES_MAX + 1];
    int64_t  id, event_type_id;     /* 0: absent */
    int64_t  starts_at_us, ends_at_us, created_at_us; /* 0: absent */
    enum calcom_booking_status status;
    char     reference[CALCOM_REFERENCE_BYTES_MAX + 1]; /* metadata.engineRef; empty: none */
    char     attendee_email[CALCOM_EMAIL_BYTES_MAX + 1], attendee_display_email[CALCOM_EMAIL_BYTES_MAX + 1];
    char     attendee_phone[20];
    char     rescheduled_to_uid[CALCOM_UID_BYTES_MAX + 1];
    char     host_name[128];
};

struct calcom_account; /* opaque */
struct calcom_op;
typedef void calcom_done(struct calcom_op *op);

enum { CALCOM_BOOKINGS_PER_PAGE = 100, CALCOM_BOOKINGS_KEPT_MAX = 16, CALCOM_SLOTS_MAX = 512 };
struct calcom_op {
    enum calcom_outcome outcome;
    enum calcom_refusal refusal;
    uint16_t            status;       /* HTTP; 0: no answer */
    uint64_t            retry_at_us;  /* THROTTLED, or NOT_SENT for budget or breaker: when it makes sense to ask again; 0: any time */
    char                message[200]; /* the provider's words without personal data (redacted: quoted input is cut), for tasks */
    struct calcom_booking bookings[CALCOM_BOOKINGS_KEPT_MAX]; /* create, get: [0]. find: those that match, earliest created first */
    uint32_t            booking_count;
    bool                more_matches; /* find: there were more than fit */
    int64_t             slots_us[CALCOM_SLOTS_MAX]; /* list_slots: starts inside the asked range, ascending */
    uint32_t            slot_count;
    bool                running;
    calcom_done        *done;
    struct http_call    call;
    struct breaker_ticket ticket;
    struct calcom_account *account;
    struct timer        timer;        /* waits for the budget within the deadline */
    void               *private_;     /* of client.c: request memory */
};

struct calcom_config { struct http_client_config http; struct breaker_config breaker; struct budget_config budget; uint32_t connect_timeout_ms, read_timeout_ms, write_timeout_ms; };
[[nodiscard]] struct calcom_config calcom_config_default(void); /* connect 3 s, read 10 s, write 45 s: a write may take long and is still running there */

[[nodiscard]] struct calcom_account *calcom_account_open(struct shard *s, const struct credential *c, const struct calcom_config *config); /* copies what it needs of c */
void calcom_account_close(struct calcom_account *a); /* no op running */
[[nodiscard]] const struct breaker *calcom_account_breaker(const struct calcom_account *a);
[[nodiscard]] struct budget *calcom_account_budget(struct calcom_account *a);
void calcom_account_reset_breaker(struct calcom_account *a);

/* Exact bytes of a create: written once into the intent, sent unchanged at every try. E-mail: the customer's own, else one that is unique to the customer
 * (never shared between customers): customer-<id>@<company key>.invalid-free domain, see wire.c. Never allowConflicts, allowBookingOutOfBounds, overrideAvailability. */
struct calcom_create { int64_t event_type_id, starts_at_us; struct slice attendee_name, attendee_email, attendee_phone /* E.164 or absent */, attendee_time_zone, attendee_language /* "de" */,
                       reference; };
void calcom_print_create(struct buffer *b, const struct calcom_create *c);

/* Each starts one request; deadlines from calcom_config. The slices live until done. done is never called from inside the start. */
void calcom_create_booking(struct calcom_account *a, struct calcom_op *op, struct slice payload, calcom_done *done);
void calcom_get_booking(struct calcom_account *a, struct calcom_op *op, struct slice uid, calcom_done *done);
/* B5: live and dead bookings of this attendee (email absent: of the event type alone) starting within [from, until], all pages; only those whose reference equals `reference`,
 * or, where a booking has no metadata at all, same start, attendee and created at or after `created_after_us`. */
struct calcom_find { int64_t event_type_id, starts_at_us, ends_at_us, created_after_us; struct slice attendee_email, attendee_phone, reference; };
void calcom_find_booking(struct calcom_account *a, struct calcom_op *op, const struct calcom_find *f, calcom_done *done);
void calcom_list_slots(struct calcom_account *a, struct calcom_op *op, int64_t event_type_id, int64_t from_us, int64_t until_us, struct slice time_zone, calcom_done *done);
void calcom_cancel_booking(struct calcom_account *a, struct calcom_op *op, struct slice uid, struct slice reason, calcom_done *done); /* B12: removes a doubled one */
/* B32: credential, then what an event type is like. For doctor and the check at start. */
struct calcom_event_type { int64_t id; uint32_t length_minutes; bool requires_confirmation, seats, recurring, managed_parent, collective, round_robin; };
void calcom_get_me(struct calcom_account *a, struct calcom_op *op, calcom_done *done);
void calcom_get_event_type(struct calcom_account *a, struct calcom_op *op, int64_t id, struct calcom_event_type *out, calcom_done *done);
void calcom_cancel_op(struct calcom_op *op); /* running: done comes later with UNKNOWN or NOT_SENT */

/* B11: is this answer our booking? Reference, start, end, event type, attendee, and accepted or pending. */
enum calcom_verdict : uint8_t { CALCOM_OURS, CALCOM_OURS_PENDING, CALCOM_FOREIGN, CALCOM_DIFFERS /* our reference, another time or type */, CALCOM_DEAD /* ours, cancelled or rejected */ };
[[nodiscard]] enum calcom_verdict calcom_verify(const struct calcom_booking *b, const struct calcom_find *wanted);

struct calcom_counters { struct counter requests, ok, not_sent, throttled, refused, unknown, unauthorized, not_found, breaker_refused, budget_waited; struct histogram latency_us; };
[[nodiscard]] const struct calcom_counters *calcom_counters(const struct calcom_account *a);
