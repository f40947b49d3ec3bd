#pragma once
/* tests/simulation/database/table_lines.h: for differential_test.c: all rows of a table as lines of text, from the store and from PostgreSQL alike: columns between bars, NULL as ~, instants as µs,
 * ids that each side has given by itself as PostgreSQL's. The row's own id is left out, so the lines are compared as a set. */
#include <inttypes.h>
#include <stdio.h>
#include "random_units.h"
#include "store.h"

struct lines { char **list; uint32_t count, capacity; };

static void add_line(struct lines *l, char *line)
{
    if (l->count == l->capacity) {
        l->capacity = l->capacity ? l->capacity * 2 : 256;
        l->list = realloc(l->list, l->capacity * sizeof *l->list);
        ensure(l->list != nullptr);
    }
    l->list[l->count++] = line;
}

static int by_text(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

static void free_lines(struct lines *l)
{
    for (uint32_t n = 0; n < l->count; n++) free(l->list[n]);
    free(l->list);
    *l = (struct lines){};
}

/* -- a row of the store -- */

struct line { FILE *to; char *text; size_t length; const struct generator *g; };

static struct line begin_line(const struct generator *g)
{
    struct line l = { .g = g };
    l.to = open_memstream(&l.text, &l.length);
    ensure(l.to != nullptr);
    return l;
}

static void put_integer(struct line *l, int64_t value) { fprintf(l->to, "%" PRId64 "|", value); }
static void put_text(struct line *l, struct slice text)
{
    if (slice_is_absent(text)) fputc('~', l->to);
    fwrite(text.start ? text.start : "", 1, text.length, l->to);
    fputc('|', l->to);
}
static void put_number(struct line *l, struct number n) { n.is_there ? put_integer(l, n.value) : put_text(l, slice_absent); }
static void put_boolean(struct line *l, struct number n) { put_text(l, !n.is_there ? slice_absent : n.value ? slice_of("true") : slice_of("false")); }
static void put_id(struct line *l, enum thing t, int64_t id) { put_integer(l, id > 0 && id < THINGS_MAX ? l->g->things[t].real_by_store[id] : -1); }

/* "callback/17", "intent/17": the number is an intent's. */
static void put_key(struct line *l, struct slice key)
{
    struct slice rest = key, kind = slice_split(&rest, '/');
    uint64_t id;
    const bool names_intent = slice_equal(kind, slice_of("callback")) || slice_equal(kind, slice_of("reconcile")) || slice_equal(kind, slice_of("intent"));
    if (!slice_is_absent(rest) && names_intent && slice_to_u64(rest, THINGS_MAX - 1, &id)) {
        fprintf(l->to, SLICE_FORMAT "/", slice_print(kind));
        put_id(l, THING_INTENT, (int64_t)id);
    } else put_text(l, key);
}

static void put_hex(struct line *l, struct slice bytes)
{
    for (size_t n = 0; n < bytes.length; n++) fprintf(l->to, "%02x", (unsigned char)bytes.start[n]);
    fputc('|', l->to);
}

static void line_of_customers(struct line *l, const struct customer_row *r)
{
    put_integer(l, r->company_id), put_text(l, r->phone), put_text(l, r->anonymous_call_id), put_text(l, r->name), put_integer(l, r->created_at);
}
static const char sql_of_customers[] = "SELECT company_id, phone, anonymous_call_id, name, us_of(created_at) FROM customers";

static void line_of_calls(struct line *l, const struct call_row *r)
{
    put_id(l, THING_CALL, r->id), put_integer(l, r->company_id), put_integer(l, r->branch_id), put_integer(l, r->workspace_id), put_text(l, r->call_id),
    put_id(l, THING_CUSTOMER, r->customer_id);
    put_text(l, r->correlation_id), put_integer(l, r->first_seen_at), put_integer(l, r->last_seen_at), put_number(l, r->closed_at), put_text(l, r->close_reason),
    put_text(l, r->facts_started);
    put_text(l, r->facts_ended), put_text(l, r->facts_analyzed), put_text(l, r->transcript), put_text(l, r->outcome), put_text(l, r->status), put_text(l, r->direction),
    put_text(l, r->from_number);
    put_text(l, r->to_number), put_text(l, r->agent_id), put_text(l, r->agent_version), put_number(l, r->started_at), put_number(l, r->ended_at), put_number(l, r->duration_ms);
    put_text(l, r->disconnection_reason), put_text(l, r->recording_url), put_text(l, r->public_log_url), put_text(l, r->call_summary), put_text(l, r->user_sentiment),
    put_boolean(l, r->call_successful);
    put_boolean(l, r->in_voicemail), put_text(l, r->cost_cents), put_text(l, r->billed_seconds), put_text(l, r->metadata), put_text(l, r->booking), put_boolean(l, r->booking_confirmed);
}
static const char sql_of_calls[] =
    "SELECT id, company_id, branch_id, workspace_id, call_id, customer_id, correlation_id, us_of(first_seen_at), us_of(last_seen_at), us_of(closed_at), close_reason,"
    " facts_started, facts_ended, facts_analyzed,"
    " transcript, outcome, status, direction, from_number, to_number, agent_id, agent_version, us_of(started_at), us_of(ended_at), duration_ms, disconnection_reason,"
    " recording_url, public_log_url, call_summary,"
    " user_sentiment, call_successful::text, in_voicemail::text, cost_cents, billed_seconds, metadata, booking, booking_confirmed::text FROM calls";

static void line_of_call_events(struct line *l, const struct call_event_row *r)
{
    put_integer(l, r->company_id), put_integer(l, r->workspace_id), put_text(l, r->call_id), put_text(l, r->event), put_text(l, r->dedupe), put_integer(l, r->kind),
    put_integer(l, r->received_at);
    put_text(l, r->correlation_id), put_text(l, r->body);
}
static const char sql_of_call_events[] = "SELECT company_id, workspace_id, call_id, event, dedupe, kind, us_of(received_at), correlation_id, body FROM call_events";

static void line_of_webhook_log(struct line *l, const struct webhook_row *r)
{
    put_id(l, THING_WEBHOOK, r->id), put_integer(l, r->workspace_id), put_number(l, r->company_id), put_text(l, r->provider), put_text(l, r->event), put_text(l, r->call_id),
    put_text(l, r->dedupe);
    put_integer(l, r->received_at), put_text(l, r->correlation_id), put_text(l, r->outcome), put_text(l, r->reason), put_hex(l, r->body);
}
static const char sql_of_webhook_log[] =
    "SELECT id, workspace_id, company_id, provider, event, call_id, dedupe, us_of(received_at), correlation_id, outcome, reason, encode(body, 'hex') FROM webhook_log";

static void line_of_booking_intents(struct line *l, const struct intent_row *r)
{
    put_id(l, THING_INTENT, r->id), put_integer(l, r->company_id), put_integer(l, r->branch_id), put_id(l, THING_CALL, r->call), put_id(l, THING_CUSTOMER, r->customer_id),
    put_text(l, r->operation_key);
    put_text(l, r->state), put_text(l, r->reference), put_number(l, r->service_id), put_number(l, r->staff_id), put_text(l, r->calendar), put_number(l, r->calcom_event_type_id),
    put_number(l, r->starts_at);
    put_number(l, r->ends_at), put_number(l, r->busy_from), put_number(l, r->busy_until), put_text(l, r->attendee), put_text(l, r->payload), put_text(l, r->step),
    put_integer(l, r->attempts);
    put_number(l, r->first_sent_at), put_number(l, r->last_sent_at), put_number(l, r->next_attempt_at), put_text(l, r->last_error), put_text(l, r->reason),
    put_integer(l, r->created_at), put_integer(l, r->updated_at);
}
static const char sql_of_booking_intents[] =
    "SELECT id, company_id, branch_id, call, customer_id, operation_key, state, reference, service_id, staff_id, calendar, calcom_event_type_id, us_of(starts_at),"
    " us_of(ends_at), us_of(busy_from), us_of(busy_until),"
    " attendee, payload, step, attempts, us_of(first_sent_at), us_of(last_sent_at), us_of(next_attempt_at), last_error, reason, us_of(created_at),"
    " us_of(updated_at) FROM booking_intents";

static void line_of_busy_ranges(struct line *l, const struct busy_range_row *r)
{
    put_integer(l, r->company_id), put_id(l, THING_INTENT, r->intent_id), put_text(l, r->calendar), put_integer(l, r->from), put_integer(l, r->until);
}
static const char sql_of_busy_ranges[] = "SELECT company_id, intent_id, calendar, us_of(lower(during)), us_of(upper(during)) FROM busy_ranges";

static void line_of_appointments(struct line *l, const struct appointment_row *r)
{
    put_id(l, THING_APPOINTMENT, r->id), put_integer(l, r->company_id), put_integer(l, r->branch_id), put_id(l, THING_INTENT, r->intent_id), put_id(l, THING_CALL, r->call),
    put_id(l, THING_CUSTOMER, r->customer_id);
    put_number(l, r->service_id), put_number(l, r->staff_id), put_text(l, r->calcom_booking_uid), put_number(l, r->calcom_booking_id), put_integer(l, r->calcom_event_type_id),
    put_text(l, r->status);
    put_integer(l, r->starts_at), put_integer(l, r->ends_at), put_text(l, r->attendee_name), put_text(l, r->host_name), put_integer(l, r->created_at), put_integer(l, r->updated_at);
}
static const char sql_of_appointments[] =
    "SELECT id, company_id, branch_id, intent_id, call, customer_id, service_id, staff_id, calcom_booking_uid, calcom_booking_id, calcom_event_type_id, status,"
    " us_of(starts_at), us_of(ends_at), attendee_name,"
    " host_name, us_of(created_at), us_of(updated_at) FROM appointments";

static void line_of_jobs(struct line *l, const struct job_row *r)
{
    put_integer(l, r->company_id), put_integer(l, r->branch_id), put_text(l, r->kind), put_key(l, r->unique_key), put_text(l, r->state), put_text(l, r->reason),
    put_text(l, r->details), put_id(l, THING_CALL, r->call);
    put_id(l, THING_CUSTOMER, r->customer_id), put_id(l, THING_INTENT, r->intent_id), put_integer(l, r->due_at), put_integer(l, r->created_at), put_number(l, r->finished_at);
}
static const char sql_of_jobs[] =
    "SELECT company_id, branch_id, kind, unique_key, state, reason, details, call, customer_id, intent_id, us_of(due_at), us_of(created_at), us_of(finished_at) FROM jobs";

static void line_of_audit_log(struct line *l, const struct audit_row *r)
{
    put_integer(l, r->company_id), put_integer(l, r->at), put_text(l, r->actor), put_text(l, r->action), put_key(l, r->subject), put_text(l, r->details);
}
static const char sql_of_audit_log[] = "SELECT company_id, us_of(at), actor, action, subject, details FROM audit_log";

#define DEFINE_LINES(name, row)                                                                             \
    static void lines_of_##name(struct lines *lines, const struct generator *g, const struct store *s)      \
    {                                                                                                       \
        for (uint32_t n = 0; n < store_##name##_count(s); n++) {                                            \
            struct line l = begin_line(g);                                                                  \
            line_of_##name(&l, store_##name##_at(s, n));                                                    \
            fclose(l.to);                                                                                   \
            add_line(lines, l.text);                                                                        \
        }                                                                                                   \
    }
STORE_TABLES(DEFINE_LINES)

#define TABLE_ENTRY(name, row) { #name, sql_of_##name, lines_of_##name },
static const struct { const char *name, *sql; void (*lines_of_store)(struct lines *lines, const struct generator *g, const struct store *s); } tables[] = { STORE_TABLES(TABLE_ENTRY) };
