#pragma once
/* call/booking_flow.h: one booking under way, as booking.c (the flow) and booking_desk.c (who runs it) see it. Nobody else includes this. */
#include "base/flow.h"
#include "call/booking.h"

/* What is to happen next, decided by the judges after every answer. */
enum booking_plan : uint8_t {
    PLAN_TRY,    /* create, if nothing is there */
    PLAN_RETRY,  /* nothing was sent: the same again in a moment */
    PLAN_BOOK,   /* it is there and ours: save it */
    PLAN_REFUSE, /* a definite no: free the range, tell people */
    PLAN_DELAY,  /* not now: the row waits, the sweep comes back */
    PLAN_PARK,   /* still unknown after every bound: tell people, and go on looking */
    PLAN_LEAVE,  /* the process is ending, or nothing is left to do: the row says all */
};

constexpr uint32_t booking_magic = 0xb00c1e55;

struct account_entry;

struct booking {                      /* in the desk's pool; from the intent's home-coming to its outcome */
    uint32_t               magic;
    enum booking_step      step;
    enum booking_plan      plan, if_absent; /* if_absent: what "looked up, and not there" leads to */
    struct task            task;
    struct booking_desk   *desk;
    struct list_node       node;      /* of the desk's running list */
    struct list_node       queued;    /* of its calendar's queue */
    int64_t                company_id, intent_id;
    struct hash128         intent_key, calendar;
    struct steady_unit     steady;    /* also holds the intent's row, from INTENT_LOADED to the first write: see texts */
    struct calcom_account *account;   /* of entry */
    struct account_entry  *entry;     /* of the desk; nullptr: none joined */
    struct calcom_op       op;
    struct timer           timer;
    bool                   waiting;   /* for the timer */
    bool                   has_calendar, holds_claim;

    /* of the row */
    int64_t  calcom_event_type_id;
    int64_t  starts_at_us, ends_at_us, busy_from_us, busy_until_us, created_at_us;
    uint32_t attempts;                /* creates recorded, over all lives */
    char     reference[CALCOM_REFERENCE_BYTES_MAX + 1];
    char     attendee_email[CALCOM_EMAIL_BYTES_MAX + 1], attendee_phone[20], time_zone[65];
    char     payload[booking_payload_bytes_max];
    size_t   payload_bytes;

    /* of the judges */
    bool        unknown;              /* something of ours may be at Cal.com: look before anything else */
    bool        maybe_sent;           /* in this life or an earlier one */
    bool        awaited;              /* Cal.com has it as pending: somebody there will accept or reject it */
    bool        parked;               /* people know: the engine only looks, and never creates again */
    uint32_t    lookups, lookups_wanted, lookup_failures, retries;
    uint32_t    doubles_left;         /* live bookings beside the one that counts */
    char        doubles[CALCOM_BOOKINGS_KEPT_MAX][CALCOM_UID_BYTES_MAX + 1];
    const char *reason;               /* stable name, for REFUSE, DELAY and PARK */
    int64_t     next_attempt_at_us;   /* wall */
    struct calcom_booking found;      /* PLAN_BOOK */
    bool        pending;
    uint64_t    started_at_us, asked_at_us; /* monotonic */
};

enum flow_status booking_run(struct booking *b);

/* -- of the desk, for the flow -- */
struct booking_desk {
    uint32_t                   magic;
    struct booking_desk_config config;
    struct shard              *shard;
    struct pool                bookings, notices, accounts;
    struct hash_map            by_intent, by_calendar, by_credential;
    struct pool                calendars;
    struct list                running, open_accounts;
    struct slot_locks         *locks;
    struct timer               sweep_timer, gauge_timer;
    struct steady_unit         sweep;
    bool                       draining;
    struct booking_desk_counters counters;
};

void booking_wake(struct booking *b);
void booking_join_calendar(struct booking *b);  /* has_calendar becomes true now, or when those before it have left */
void booking_leave_calendar(struct booking *b);
[[nodiscard]] bool booking_claim_slot(struct booking *b); /* false: a running call holds it, or there is no room */
[[nodiscard]] bool booking_join_account(struct booking *b); /* false: no credential, or it lives elsewhere by now, or no room */
