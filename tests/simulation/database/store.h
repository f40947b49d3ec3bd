#pragma once
/* tests/simulation/database/store.h: the tables of PostgreSQL, and what each named statement does to them. Pure: one unit at a time, all or nothing; no time passes, no dice
 * are thrown. The rules are those of deploy/migrations, and differential_test.c compares every answer and every row with a real PostgreSQL.
 *
 *     store.c     a unit: its tenant, its calls in order, commit or rollback        tenants.c    who is who, for foreign keys and the snapshot
 *     calls.c     webhooks, customers, calls                                        bookings.c   intents, busy ranges, appointments, jobs, audit
 *
 * Rows are read by checkers between units, and belong to the store. A text that is absent, and a number that is not there, is NULL. Instants are µs UTC. */
#include "arena.h"
#include "db/db.h"

struct number { int64_t value; bool is_there; };

struct call_row {
    int64_t id, company_id, branch_id, workspace_id, customer_id, first_seen_at, last_seen_at;
    struct slice call_id, correlation_id, close_reason, facts_started, facts_ended, facts_analyzed, transcript;
    struct number closed_at;
    /* shown from the facts */
    struct slice outcome, status, direction, from_number, to_number, agent_id, agent_version, disconnection_reason, recording_url, public_log_url, call_summary, user_sentiment;
    struct slice cost_cents, billed_seconds; /* numeric, in its digits */
    struct slice metadata, booking;
    struct number started_at, ended_at, duration_ms, call_successful, in_voicemail, booking_confirmed;
};
struct call_event_row { int64_t id, company_id, workspace_id, kind, received_at; struct slice call_id, event, dedupe, correlation_id, body; };
struct webhook_row { int64_t id, workspace_id, received_at; struct number company_id; struct slice provider, event, call_id, dedupe, correlation_id, outcome, reason, body; };
struct customer_row { int64_t id, company_id, created_at; struct slice phone, anonymous_call_id, name; };
struct intent_row {
    int64_t id, company_id, branch_id, call, customer_id, attempts, created_at, updated_at;
    struct slice operation_key, state, reference, calendar, attendee, payload, step, last_error, reason;
    struct number service_id, staff_id, calcom_event_type_id, starts_at, ends_at, busy_from, busy_until, first_sent_at, last_sent_at, next_attempt_at;
};
struct busy_range_row { int64_t company_id, intent_id, from, until; struct slice calendar; }; /* [from, until) */
struct appointment_row {
    int64_t id, company_id, branch_id, intent_id, call, customer_id, calcom_event_type_id, starts_at, ends_at, created_at, updated_at;
    struct slice calcom_booking_uid, status, attendee_name, host_name;
    struct number service_id, staff_id, calcom_booking_id;
};
struct job_row { int64_t id, company_id, branch_id, call, customer_id, intent_id, due_at, created_at; struct slice kind, unique_key, state, reason, details; struct number finished_at; };
struct audit_row { int64_t id, company_id, at; struct slice actor, action, subject, details; };

#define STORE_TABLES(X)                                                                                                                           \
    X(customers, customer_row) X(calls, call_row) X(call_events, call_event_row) X(webhook_log, webhook_row) X(booking_intents, intent_row)        \
    X(busy_ranges, busy_range_row) X(appointments, appointment_row) X(jobs, job_row) X(audit_log, audit_row)

struct store;
[[nodiscard]] struct store *store_new(void); /* of the world, for ever */
/* The tenants, as the text of SNAPSHOT; false: it is not one. */
[[nodiscard]] bool store_set_tenants(struct store *s, struct slice snapshot);
[[nodiscard]] struct slice store_tenants(const struct store *s);

/* store_calls_count(s), store_calls_at(s, 0 …), and so on for every table. In the order of their creation, but for busy ranges. */
#define STORE_DECLARE(name, row) [[nodiscard]] uint32_t store_##name##_count(const struct store *s); [[nodiscard]] const struct row *store_##name##_at(const struct store *s, uint32_t n);
STORE_TABLES(STORE_DECLARE)
#undef STORE_DECLARE

struct store_value { enum : uint8_t { STORE_NULL, STORE_INTEGER, STORE_BOOLEAN, STORE_TEXT, STORE_VOID } kind; int64_t integer; struct slice text; };
struct store_rows { uint32_t count, columns; struct store_value *values; /* row by row */ };
struct store_answer {
    enum db_outcome   outcome;   /* by sqlstate.h */
    char              sqlstate[6], constraint[64];
    uint32_t          calls_run; /* not DB_OK: those before the one that failed */
    struct store_rows rows[DB_UNIT_CALLS_MAX];
    struct arena      memory;    /* of the rows */
};
void store_run(struct store *s, const struct db_unit *u, struct store_answer *answer);
void store_answer_free(struct store_answer *answer);
[[nodiscard]] static inline const struct store_value *store_value_at(const struct store_rows *r, uint32_t row, uint32_t column) { return &r->values[row * r->columns + column]; }
