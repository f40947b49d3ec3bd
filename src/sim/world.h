#pragma once
/* sim/world.h: what the simulated Cal.com holds: accounts, users with their schedules, event types (from the world file, section "calcom"),
 * and what has come since: bookings, reservations, webhook subscriptions.
 *
 * One world per simulator, made on its shard and used on it alone. Everything has a bound (limits.h); a world file over a bound
 * is refused with its path. Texts from the file live in its JSON document, which lives as long as the world. Rows never move: pointers to
 * them are good until world_reset().
 */
#include <stdint.h>
#include "base/heap.h"
#include "base/instant.h"
#include "base/json.h"
#include "base/slice.h"
#include "limits.h"
#include "sim/limiter.h"
#include "sim/prng.h"

struct sim_stretch { int64_t from_us, until_us; }; /* half open */

/* Wall times of the user's zone, minutes of the day: 24:00 is 1440. */
struct sim_hours { uint8_t weekdays; uint16_t start_minute, end_minute; }; /* bit 0: Monday */
struct sim_override { struct wall_time date; uint16_t start_minute, end_minute; }; /* equal minutes: off that day */

struct sim_user {
    int64_t             id;
    struct slice        name, username, email, time_zone;
    char                username_memory[32], email_memory[64]; /* of the defaults */
    struct time_zone   *zone;
    struct sim_hours    hours[sim_hours_max];
    uint32_t            hours_count;
    struct sim_override overrides[sim_overrides_max];
    uint32_t            override_count;
    struct sim_stretch  busy[sim_busy_max];
    uint32_t            busy_count, busy_count_at_start;
    uint64_t            last_booked; /* ordinal of the last booking as organizer: round robin takes the smallest */
};

/* An OAuth client's grant: refresh tokens are good for one use, access tokens until they expire (F15). */
enum { SIM_ACCESS_TOKENS = 4 }; /* the last ones of an account; older ones are expired */
struct sim_grant {
    char     refresh_token[64];       /* the one that may be used next; empty: this account has no OAuth client */
    struct { char text[32]; int64_t expires_at_us; } access[SIM_ACCESS_TOKENS];
    uint32_t access_count;            /* made so far */
};

struct sim_account {
    struct slice   api_key;
    struct slice   oauth_client_id, refresh_token; /* absent: none. The token is the first of this run */
    struct sim_grant grant;
    int64_t        user_ids[sim_account_users_max];
    uint32_t       user_count;
    bool           expired;
    uint32_t       requests_per_minute, lock_after_overshoots;
    struct limiter limiter;
};

enum sim_kind : uint8_t { SIM_INDIVIDUAL, SIM_COLLECTIVE, SIM_ROUND_ROBIN, SIM_MANAGED };

struct sim_event_type {
    int64_t          id;
    struct slice     slug, title;
    enum sim_kind    kind;
    struct sim_user *hosts[sim_hosts_max];
    uint32_t         host_count;
    uint32_t         mandatory_hosts;     /* round robin: the first so many always attend, and one of the others */
    uint32_t         length_minutes, slot_interval_minutes, before_buffer_minutes, after_buffer_minutes, minimum_notice_minutes, booking_window_days;
    uint32_t         recurrence_count, recurrence_interval_days; /* 0: it does not recur */
    bool             requires_confirmation, block_unconfirmed, requires_authentication, allow_cancelling, hidden_email;
};

enum sim_status : uint8_t { SIM_ACCEPTED, SIM_PENDING, SIM_CANCELLED, SIM_REJECTED };
[[nodiscard]] const char *sim_status_name(enum sim_status s); /* lower case, as in the REST answers */

struct sim_booking {
    int64_t          id;
    char             uid[23];
    enum sim_status  status;
    const struct sim_event_type *type;
    struct sim_user *hosts[sim_hosts_max]; /* the organizer first */
    uint32_t         host_count;
    int64_t          starts_at_us, ends_at_us, created_at_us, updated_at_us; /* the last two by the server's clock */
    int64_t          committed_at_us;     /* by the true one: what replicas go by */
    char             recurring_uid[37];   /* of its series; empty: none */
    const struct sim_booking *rescheduled_from, *rescheduled_to; /* the chain; nullptr: its end */
    char             idempotency_key[37]; /* empty: none */
    struct slice     attendee_name, attendee_email, attendee_phone, attendee_time_zone, attendee_language; /* phone absent: none */
    struct slice     metadata, responses; /* JSON objects */
    struct slice     engine_reference;    /* metadata.engineRef; absent: none */
    struct slice     rescheduling_reason, rescheduled_by; /* of the booking that came of it; absent: none */
    bool             has_references;      /* the event in the host's own calendar */
    char            *memory;              /* of the texts above */
    size_t           memory_bytes;
    struct slice     cancellation_reason; /* memory of its own; absent: none */
};

struct sim_reservation { char uid[37]; const struct sim_event_type *type; int64_t starts_at_us, ends_at_us, until_us; uint32_t duration_minutes; bool live; };

enum sim_trigger : uint8_t { SIM_BOOKING_CREATED = 1, SIM_BOOKING_REQUESTED = 2, SIM_BOOKING_CANCELLED = 4, SIM_BOOKING_REJECTED = 8,
                           SIM_BOOKING_RESCHEDULED = 16 };
enum { SIM_TRIGGER_LAST = SIM_BOOKING_RESCHEDULED };
struct sim_subscription {
    int64_t  id;
    bool     live, active;
    uint32_t account;         /* index */
    uint8_t  triggers;        /* of enum sim_trigger */
    struct slice url, secret; /* secret absent: none */
    char    *memory;
    size_t   memory_bytes;
};

/* How this Cal.com behaves today: changed by the control port, back to these at a reset. */
enum sim_retry_after : uint8_t { SIM_RETRY_AFTER_OFF, SIM_RETRY_AFTER_DELTA, SIM_RETRY_AFTER_DATE, SIM_RETRY_AFTER_ABSURD, SIM_RETRY_AFTER_NEGATIVE };
enum sim_slots_mode : uint8_t { SIM_SLOTS_NORMAL, SIM_SLOTS_LEAK, SIM_SLOTS_STALE, SIM_SLOTS_EMPTY, SIM_SLOTS_STRINGS };
enum sim_loser : uint8_t { SIM_LOSER_409_PLAIN, SIM_LOSER_409_WRAPPED, SIM_LOSER_500_PLAIN };
struct sim_settings {
    uint32_t             replica_lag_ms;  /* a row younger than this is not in lists yet */
    uint32_t             race_window_ms;  /* between the availability check and the commit of every create */
    enum sim_retry_after retry_after;
    bool                 reset_is_epoch;  /* X-RateLimit-Reset-Default as an instant instead of seconds left */
    enum sim_slots_mode  slots_mode;
    enum sim_loser       loser;           /* what the second of two identical creates is told */
    int32_t              clock_skew_ms;   /* how far the server's clock is ahead (F24) */
    bool                 limit_is_untold; /* no X-RateLimit-… headers: a proxy has taken them out */
    bool                 chunked;         /* answers without a Content-Length, in two chunks, with header names in capitals (S2) */
};

struct sim_workspace;

struct sim_world {
    struct heap           heap;           /* bookings' texts */
    struct sim_workspace *workspace;      /* workspace.h */
    struct json_document *file;
    struct prng           dice;
    uint64_t              seed;
    struct sim_settings   settings;
    struct sim_account      *accounts;      uint32_t account_count;
    struct sim_user         *users;         uint32_t user_count;
    struct sim_event_type   *event_types;   uint32_t event_type_count;
    struct sim_booking      *bookings;      uint32_t booking_count;
    struct sim_reservation  *reservations;  uint32_t reservation_count; /* places used so far; dead ones are used again */
    struct sim_subscription *subscriptions; uint32_t subscription_count;
    int64_t               next_subscription_id;
};

struct sim_world_error { char text[256]; };

/* Reads section "calcom" of a world file's text. false: *error names the path and what is wrong with it. On the thread that will use it (zones). */
[[nodiscard]] bool world_load(struct sim_world *w, struct slice text, uint64_t seed, struct sim_world_error *error);
void world_close(struct sim_world *w);
/* Back to what the file says: bookings, reservations, later subscriptions, busy times, limiters and dice. */
void world_reset(struct sim_world *w);

[[nodiscard]] struct sim_account *world_find_account(struct sim_world *w, struct slice api_key);
[[nodiscard]] struct sim_user *world_find_user(struct sim_world *w, int64_t id);
[[nodiscard]] struct sim_event_type *world_find_event_type(struct sim_world *w, int64_t id);
[[nodiscard]] struct sim_booking *world_find_booking(struct sim_world *w, struct slice uid);
[[nodiscard]] bool account_has_user(const struct sim_account *a, int64_t user_id);
[[nodiscard]] bool account_sees_booking(const struct sim_account *a, const struct sim_booking *b); /* one of its users hosts it */

/* The next free row, zeroed; nullptr: the bound is reached. */
[[nodiscard]] struct sim_booking *world_add_booking(struct sim_world *w);
[[nodiscard]] struct sim_reservation *world_add_reservation(struct sim_world *w, int64_t now_us);
[[nodiscard]] struct sim_subscription *world_add_subscription(struct sim_world *w);
void world_drop_subscription(struct sim_world *w, struct sim_subscription *s);

/* For checkers: every booking there has been, in the order in which they came to be, dead ones too. after nullptr: the first; nullptr: no more. */
[[nodiscard]] const struct sim_booking *world_next_booking(const struct sim_world *w, const struct sim_booking *after);

/* 22 characters of base 58, as Cal.com's uids look. */
void world_make_uid(struct sim_world *w, char uid[23]);
void world_make_uuid(struct sim_world *w, char uuid[37]);
