#pragma once
/* db/statements.h: the named statements, what each takes, does and answers. Their SQL is in statements.c, and nowhere else.
 *
 * i integer (also ids, and instants as µs UTC), b boolean (of columns alone), t text (also JSON); small letters after "→" are the columns of the rows.
 * Every statement is idempotent: asked twice with the same parameters it leaves the same rows and gives the same answer.
 */
#include <stdint.h>

#define DB_STATEMENTS(X)                                                                                                                   \
    /* ── tenants ──                                                                                                                       \
     * SNAPSHOT () → t: every workspace, number, company, branch, staff member and service as one JSON text (see tenant/snapshot.c);       \
     * keys in it are sealed. By a security-definer function: the only way to see across tenants, and it shows no customers or calls. */   \
    X(SNAPSHOT)                                                                                                                            \
    /* ── webhooks ──                                                                                                                      \
     * FILE_CALL_EVENT (i company, i branch, i workspace, t call_id, t event, i kind, t dedupe, i received_at, t correlation_id, t body,   \
     *   t facts, t caller, t transcript) → b is_new, i call, i customer, t booking_facts, b has_intent, b is_closed                       \
     * Keeps one webhook of a call and merges it. kind: 0 started, 1 ended, 2 analyzed, 3 other. (workspace, event, call_id, dedupe) seen     \
     * before: nothing changes, is_new false. Customer: found or created by (company, caller); caller NULL (withheld, not a number): one   \
     * customer record of its own per call. facts: a JSON object without nulls; calls keeps the one of started, ended, analyzed apart and  \
     * shows analyzed over ended over started, field by field, so any order and multiplicity gives the same row and a late null erases     \
     * nothing. transcript: the longest one stays. booking_facts: JSON of the merged booking fields (retell/events.h). */                  \
    X(FILE_CALL_EVENT)                                                                                                                     \
    /* KEEP_WEBHOOK (i workspace, i company or NULL, t provider, t event, t call_id, t dedupe, i received_at, t correlation_id, t outcome, t reason, t body) → i id \
     * What belongs to no call of a tenant; the body may be any bytes. outcome 'unrouted' (unknown number), 'quarantined' (not understood), 'kept' (chat and other kinds). */ \
    X(KEEP_WEBHOOK)                                                                                                                        \
    /* ── calls ──                                                                                                                         \
     * CLOSE_CALL (i company, t call_id, i at, t reason) → b changed: the end never came (reason 'ended_unknown'). A later call_ended still merges. */ \
    X(CLOSE_CALL)                                                                                                                          \
    /* OPEN_CALLS (i after seen_at, i after call, i limit) → i company, i branch, i workspace, t call_id, i first_seen_at, i call, i customer, i seen_at: calls without \
     *   an end, across tenants (definer): a page of them, behind that place in the order of (seen_at, call). Oldest first; (0, 0): from the first. */ \
    X(OPEN_CALLS)                                                                                                                          \
    /* UNDECIDED_CALLS (i after seen_at, i after call, i limit) → as OPEN_CALLS: calls that ended with a booking agreed, no intent and no analysis; seen_at: last. */ \
    X(UNDECIDED_CALLS)                                                                                                                     \
    /* ── bookings ──                                                                                                                      \
     * WRITE_INTENT (i company, i branch, i call, i customer, t operation_key, t reference, i service, i staff or NULL, t calendar, i calcom_event_type,    \
     *   i starts_at, i ends_at, i busy_from, i busy_until, t attendee JSON, t payload, i now) → i intent, t state, b is_new                \
     * The decision, before the first byte goes to Cal.com. One per (company, operation_key). The busy range is excluded against every live  \
     * one of the same (company, calendar): DB_CONFLICT with constraint busy_ranges_no_overlap. */                                         \
    X(WRITE_INTENT)                                                                                                                        \
    /* REFUSE_OPERATION (i company, i branch, i call, i customer, t operation_key, t reason, t details JSON, i now) → b is_new             \
     * A booking that was asked for and cannot be made: an intent in state 'refused' when none exists for that key, and a callback job with the reason. */ \
    X(REFUSE_OPERATION)                                                                                                                    \
    /* DUE_INTENTS (i now, i limit) → i company, i intent, i calcom_event_type, t state: unfinished ones whose next_attempt_at has come, oldest first (definer). */ \
    X(DUE_INTENTS)                                                                                                                         \
    /* LOAD_INTENT (i company, i intent) → t state, i branch, i call, i customer, t operation_key, t reference, i service, i staff, t calendar, i calcom_event_type, \
     *   i starts_at, i ends_at, t attendee, t payload, i attempts, i created_at, i first_sent_at or NULL, i busy_from, i busy_until,                            \
     *   t why it is parked, or NULL */                                                                                                    \
    X(LOAD_INTENT)                                                                                                                         \
    /* SEND_INTENT (i company, i intent, i now, i attempts known of) → i attempts: state 'sending', attempts + 1, counted once per instant: durable before each   \
     *   create leaves. No row: the intent is finished, or somebody else has sent meanwhile, and nothing may leave. */                     \
    X(SEND_INTENT)                                                                                                                         \
    /* DELAY_INTENT (i company, i intent, t state 'written' or 'unknown', t step, i next_attempt_at, t error, i now, i attempts known of) → nothing. A finished \
     *   intent stays as it is, and so does one that somebody else has sent meanwhile; a pending one stays pending and is looked at again then. */ \
    X(DELAY_INTENT)                                                                                                                        \
    /* BOOK_INTENT (i company, i intent, t booking_uid, i booking_id, t status 'accepted' or 'pending', i starts_at, i ends_at, t host_name or NULL, i now) \
     *   → i appointment or NULL (no such intent): Cal.com confirmed our booking. Intent 'booked' (or 'pending'), appointment written once, audit. The customer gets   \
     *   the attendee's name if he had none. DB_CONFLICT: appointments_calcom_uid (another intent's booking), appointments_one_per_intent (booked under another uid). */ \
    X(BOOK_INTENT)                                                                                                                         \
    /* REFUSE_INTENT (i company, i intent, t reason, t details JSON, i now, i attempts known of) → b is_refused: a definite no. Busy range freed, callback job with \
     *   the reason, audit. false: it is booked, or somebody else has sent meanwhile and knows more. */                                   \
    X(REFUSE_INTENT)                                                                                                                       \
    /* PARK_INTENT (i company, i intent, t reason, i next_attempt_at, i now, i attempts known of) → nothing: still unknown after every bound: state 'unknown', a \
     *   'reconcile' job for people, looked up again at next_attempt_at; the busy range stays. Somebody else has sent meanwhile: nothing changes. */ \
    X(PARK_INTENT)                                                                                                                         \
    /* AUDIT (i company, t actor, t action, t subject, t details JSON, i now) → nothing */                                                 \
    X(AUDIT)                                                                                                                               \
    /* PROBE () → i: 1. The least that can be asked: for tests. */                                                                         \
    X(PROBE)

#define DB_STATEMENT_ENUMERATOR(name) DB_##name,
enum db_statement : uint8_t { DB_STATEMENTS(DB_STATEMENT_ENUMERATOR) DB_STATEMENT_COUNT };

/* One letter per parameter and column: i, b, t as above; j: a text parameter that is JSON; x: one that is kept as bytes; v: a column of no value. */
struct db_statement_definition { const char *name, *parameters, *columns, *sql; };
[[nodiscard]] const struct db_statement_definition *db_statement_definition(enum db_statement s);
