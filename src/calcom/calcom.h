#pragma once
/* calcom/calcom.h: Cal.com's API v2, as questions with closed sets of answers. Requests are structs; JSON stays in wire.c.
 *
 * A calcom_account is one credential on its home shard: connections (TLS, kept alive), request budget, circuit breaker. A calcom_op is embedded in
 * its owner, one question at a time. Nothing is repeated here: this layer says exactly what is known of one attempt, the booking flow decides.
 *
 *     op → breaker → budget ──(bookings and what settles them wait a little for room)──► HTTP → outcome → done
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
    CALCOM_NOT_SENT,     /* no byte left: name, connect, TLS; breaker open; budget used up; given up while waiting. Nothing happened there */
    CALCOM_THROTTLED,    /* 429: not processed; the account is blocked until retry_at_us */
    CALCOM_REFUSED,      /* a definite no that nothing of ours can have caused: `refusal` says which. It speaks of this attempt alone: an earlier one
                            that was UNKNOWN stays so */
    CALCOM_UNKNOWN,      /* the request may have been carried out: timeout, reset, truncated or unreadable answer, 5xx, 409, a 400 that a booking of
                            ours can have caused (`refusal`: BUSY, ATTENDEE_LIMIT) or that no table knows. Of a question that changes nothing: no answer */
    CALCOM_UNAUTHORIZED, /* 401, 403, 498: the credential. Nothing was done */
    CALCOM_NOT_FOUND,    /* 404; of a create it is REFUSED or UNKNOWN */
};
enum { CALCOM_OUTCOMES = CALCOM_NOT_FOUND + 1 };

enum calcom_refusal : uint8_t { /* for reasons on tasks and in metrics: see errors.c */
    CALCOM_REFUSAL_NONE, CALCOM_REFUSAL_BUSY, CALCOM_REFUSAL_TOO_SOON, CALCOM_REFUSAL_PAST, CALCOM_REFUSAL_ATTENDEE_LIMIT, CALCOM_REFUSAL_BAD_REQUEST,
    CALCOM_REFUSAL_EVENT_TYPE, CALCOM_REFUSAL_NO_HOSTS, CALCOM_REFUSAL_OTHER,
};
enum { CALCOM_REFUSALS = CALCOM_REFUSAL_OTHER + 1 };
[[nodiscard]] const char *calcom_refusal_name(enum calcom_refusal r); /* stable: "busy", "too_soon", … */
[[nodiscard]] const char *calcom_outcome_name(enum calcom_outcome o);

enum calcom_booking_status : uint8_t { CALCOM_ACCEPTED, CALCOM_PENDING, CALCOM_CANCELLED, CALCOM_REJECTED, CALCOM_STATUS_OTHER };

enum { CALCOM_UID_BYTES_MAX = 64, CALCOM_REFERENCE_BYTES_MAX = 64, CALCOM_EMAIL_BYTES_MAX = 254 };
struct calcom_booking { /* as far as the answer had it; texts over their bound are empty */
    char     uid[CALCOM_UID_BYTES_MAX + 1];
    int64_t  id, event_type_id;     /* 0: absent */
    int64_t  starts_at_us, ends_at_us, created_at_us; /* the last, 0: absent */
    enum calcom_booking_status status;
    bool     of_series;             /* one occurrence of a recurring booking */
    bool     has_metadata;          /* anything at all in it: then an empty reference means another's booking */
    char     reference[CALCOM_REFERENCE_BYTES_MAX + 1]; /* metadata.engineRef; empty: none */
    char     attendee_email[CALCOM_EMAIL_BYTES_MAX + 1], attendee_display_email[CALCOM_EMAIL_BYTES_MAX + 1]; /* of the booker, not of a co-host */
    char     attendee_phone[20];
    char     rescheduled_to_uid[CALCOM_UID_BYTES_MAX + 1];
    char     host_name[128];
};

/* Exact bytes of a create: written once into the intent, sent unchanged at every try. At least one of e-mail and phone. Never allowConflicts,
 * allowBookingOutOfBounds, overrideAvailability. */
struct calcom_create {
    int64_t      event_type_id, starts_at_us;
    struct slice attendee_name, attendee_email, attendee_phone /* E.164; both: or absent */, attendee_time_zone, attendee_language /* "de" */, reference;
};
void calcom_print_create(struct buffer *b, const struct calcom_create *c);

/* The address of a customer who has given none: customer-17.company-3@ringmaster.invalid. The same at every call, because Cal.com takes two bookings
 * under one address for one person's; never shared between customers, because then a second caller would be told of the first one's booking.
 * RFC 2606 reserves .invalid: it passes for an address, and no mail to it ever leaves. At most 80 bytes. */
void calcom_print_customer_email(struct buffer *b, int64_t company_id, int64_t customer_id);

/* What a booking of ours looks like. */
struct calcom_find { int64_t event_type_id, starts_at_us, ends_at_us, created_after_us; struct slice attendee_email, attendee_phone, reference; };

/* B11: is this answer our booking? Reference, start, end, event type, attendee, and accepted or pending. A booking without any metadata (Cal.com can lose
 * them) is ours if it is the same start and attendee, created since. What the answer leaves out (event type, attendee) is not held against it. Pure. */
enum calcom_verdict : uint8_t {
    CALCOM_OURS,
    CALCOM_OURS_PENDING, /* also: a status that is neither accepted nor dead. Never said to be booked */
    CALCOM_FOREIGN,
    CALCOM_DIFFERS,      /* our reference, another time, type or attendee, or one of a series: nobody has asked for one */
    CALCOM_DEAD,         /* ours, cancelled or rejected; rescheduled_to_uid says where it went, if it did */
};
[[nodiscard]] enum calcom_verdict calcom_verify(const struct calcom_booking *b, const struct calcom_find *wanted);

/* B32: what an event type is like. For doctor and the check at start. */
struct calcom_event_type { int64_t id; uint32_t length_minutes; bool requires_confirmation, seats, recurring, managed_parent, collective, round_robin; };

struct calcom_account; /* opaque */
struct calcom_op;
typedef void calcom_done(struct calcom_op *op);

/* What is asked. The priority in the budget and the time an answer may take follow from it. */
enum calcom_question : uint8_t { CALCOM_CREATE, CALCOM_GET, CALCOM_FIND, CALCOM_LIST_SLOTS, CALCOM_CANCEL, CALCOM_GET_ME, CALCOM_GET_EVENT_TYPE };

enum { CALCOM_BOOKINGS_PER_PAGE = 100, CALCOM_PAGES_MAX = 10, CALCOM_BOOKINGS_KEPT_MAX = 16, CALCOM_SLOTS_MAX = 512 };
enum { CALCOM_TARGET_BYTES_MAX = 1280, CALCOM_REASON_BYTES_MAX = 200, CALCOM_CANCEL_BYTES_MAX = 6 * CALCOM_REASON_BYTES_MAX + 64 /* a byte may take six in JSON */ };
struct calcom_op { /* zeroed before its first use; may be used again after done. 23 KiB: for a pool of those who book, not for every call */
    /* the answer */
    enum calcom_outcome outcome;
    enum calcom_refusal refusal;
    uint16_t            status;       /* HTTP; 0: no answer */
    uint64_t            retry_at_us;  /* THROTTLED, or NOT_SENT for budget or breaker: when it makes sense to ask again (monotonic); 0: any time */
    const char         *message;      /* for tasks; static text without anything that was sent: never nullptr, empty when OK */
    struct calcom_booking bookings[CALCOM_BOOKINGS_KEPT_MAX]; /* create, get, cancel: [0]. find: those that match, earliest created first */
    uint32_t            booking_count;
    bool                more_matches; /* find: there were more than fit */
    int64_t             slots_us[CALCOM_SLOTS_MAX]; /* list_slots: starts inside the asked range, ascending, each once; the earliest if there are more */
    uint32_t            slot_count;
    bool                running;
    /* of client.c */
    calcom_done          *done;
    struct calcom_account *account;
    enum calcom_question  question;
    bool                  given_up;
    bool                  by_email;    /* find: this round asks for the attendee's address */
    uint32_t              pages, skip; /* find: of this round */
    struct calcom_find    find;
    int64_t               from_us, until_us; /* list_slots */
    struct calcom_event_type *event_type;
    uint64_t              wait_until_us; /* for the budget */
    struct breaker_ticket ticket;
    struct http_call      call;
    struct timer          timer;       /* waits for the budget */
    struct task           finished;    /* calls done */
    struct slice          body;
    struct slice          target;
    char                  target_memory[CALCOM_TARGET_BYTES_MAX], body_memory[CALCOM_CANCEL_BYTES_MAX];
};

struct calcom_config {
    struct http_client_config http;
    struct breaker_config     breaker;
    struct budget_config      budget;
    uint32_t connect_timeout_ms, read_timeout_ms, write_timeout_ms, budget_wait_ms;
};
/* connect 3 s, read 10 s, write 45 s: a write may take long and is still running there. http.tls and http.worker are the caller's to set. */
[[nodiscard]] struct calcom_config calcom_config_default(void);

/* Copies what it needs of c. nullptr: the base URL or the API key is none that could be sent, or no memory. */
[[nodiscard]] struct calcom_account *calcom_account_open(struct shard *s, const struct credential *c, const struct calcom_config *config);
/* The same base URL and key, and versions that may be others: whatever has not left yet bears them. false: they could not be sent, and nothing is changed. */
[[nodiscard]] bool calcom_account_renew(struct calcom_account *a, const struct credential *c);
void calcom_account_close(struct calcom_account *a); /* no op running */
[[nodiscard]] const struct breaker *calcom_account_breaker(const struct calcom_account *a);
[[nodiscard]] struct budget *calcom_account_budget(struct calcom_account *a);
void calcom_account_reset_breaker(struct calcom_account *a);

/* Each asks one question; deadlines from calcom_config. The slices live until done. done is never called from inside the start. On the shard of the account. */
void calcom_create_booking(struct calcom_account *a, struct calcom_op *op, struct slice payload, calcom_done *done);
void calcom_get_booking(struct calcom_account *a, struct calcom_op *op, struct slice uid, calcom_done *done);
/* B5: live and dead bookings of this event type between start and end, all pages: those that calcom_verify() does not call foreign. OK with none means that
 * Cal.com did not show any at this moment, no more (B6). Asked by the attendee's address first; if that shows nothing, once more without it, since Cal.com may
 * have put another address in its place. */
void calcom_find_booking(struct calcom_account *a, struct calcom_op *op, const struct calcom_find *f, calcom_done *done);
/* Starts in [from, until). time_zone may be absent. */
void calcom_list_slots(struct calcom_account *a, struct calcom_op *op, int64_t event_type_id, int64_t from_us, int64_t until_us, struct slice time_zone,
                       calcom_done *done);
/* B12: removes a doubled one. OK also when it was cancelled before. The reason may not be empty; past its bound it is cut. */
void calcom_cancel_booking(struct calcom_account *a, struct calcom_op *op, struct slice uid, struct slice reason, calcom_done *done);
void calcom_get_me(struct calcom_account *a, struct calcom_op *op, calcom_done *done);
void calcom_get_event_type(struct calcom_account *a, struct calcom_op *op, int64_t id, struct calcom_event_type *out, calcom_done *done);
void calcom_cancel_op(struct calcom_op *op); /* running: done comes later with UNKNOWN or NOT_SENT, or with what it became before */

struct calcom_counters { struct counter requests, outcomes[CALCOM_OUTCOMES], breaker_refused, budget_refused, budget_waited; struct histogram latency_us; };
[[nodiscard]] const struct calcom_counters *calcom_counters(const struct calcom_account *a);
