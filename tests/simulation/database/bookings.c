/* tests/simulation/database/bookings.c: deploy/migrations/0003_bookings.sql: intents, the time they occupy, appointments, jobs, audit. Each function follows its SQL step by step, because
 * which step fails first is part of the answer. */
#include <stdlib.h>
#include "base/ensure.h"
#include "statement.h"

/* -- finding -- */

static uint64_t pair_hash(int64_t a, int64_t b) { return hash_integer(hash_integer(0, a), b); }
static uint64_t key_hash(int64_t company, struct slice key) { return hash_text(hash_integer(0, company), key); }

bool store_has_intent(const struct store *s, int64_t company, int64_t call)
{
    for (const struct intent_row *r = nullptr; (r = index_next(&s->intents_by_call, pair_hash(company, call), r));) {
        if (r->company_id == company && r->call == call) return true;
    }
    return false;
}

static struct intent_row *find_operation(const struct store *s, int64_t company, struct slice key)
{
    for (struct intent_row *r = nullptr; (r = index_next(&s->intents_by_operation, key_hash(company, key), r));) {
        if (r->company_id == company && slice_equal(r->operation_key, key)) return r;
    }
    return nullptr;
}

/* What the unit may see of (company, intent), which are the first two parameters of everything that asks for one. */
static struct intent_row *find_intent(const struct statement *q)
{
    const int64_t company = parameter_integer(q, 0), id = parameter_integer(q, 1);
    if (!statement_may_see(q, company)) return nullptr;
    for (struct intent_row *r = nullptr; (r = index_next(&q->store->intents_by_id, hash_integer(0, id), r));) {
        if (r->id == id && r->company_id == company) return r;
    }
    return nullptr;
}

static bool state_is_one_of(const struct intent_row *i, const char *const *states)
{
    for (; *states; states++) {
        if (text_is(i->state, *states)) return true;
    }
    return false;
}
static const char *const unfinished[] = { "written", "sending", "unknown", nullptr }, *const waiting[] = { "written", "sending", "unknown", "pending", nullptr },
                  *const intent_states[] = { "written", "sending", "unknown", "pending", "booked", "refused", nullptr };

static struct intent_row *begin_change(struct statement *q, struct intent_row *i)
{
    table_before_set(&q->store->booking_intents, &q->store->changes, i);
    return i;
}

/* -- audit and jobs -- */

static void add_audit(struct statement *q, int64_t company, struct slice actor, struct slice action, struct slice subject, struct slice details, int64_t at)
{
    struct store *s = q->store;
    const uint64_t hash = hash_integer(hash_text(hash_text(key_hash(company, subject), action), actor), at);
    for (const struct audit_row *r = nullptr; (r = index_next(&s->audit_by_key, hash, r));) {
        if (r->company_id == company && slice_equal(r->subject, subject) && slice_equal(r->action, action) && slice_equal(r->actor, actor) && r->at == at) return;
    }
    struct audit_row *r = table_add(&s->audit_log, &s->changes);
    *r = (struct audit_row){ .id = ++s->audit_log.last_id, .company_id = company, .at = at, .actor = store_keep(s, actor), .action = store_keep(s, action), .subject = store_keep(s, subject),
                             .details = store_keep(s, slice_is_absent(details) ? slice_of("{}") : details) };
    index_add(&s->audit_by_key, &s->changes, hash, r);
}

/* By the engine, about an intent, with one detail. */
static void add_engine_audit(struct statement *q, const struct intent_row *i, struct slice action, const char *detail, struct slice value, int64_t at)
{
    const struct jsonb text = { .kind = slice_is_absent(value) ? JSONB_NULL : JSONB_TEXT, .text = value };
    struct jsonb_member member = { slice_from_text(detail), &text };
    const struct jsonb details = { .kind = JSONB_OBJECT, .count = 1, .members = &member };
    add_audit(q, i->company_id, slice_of("engine"), action, arena_print(q->memory, "intent/%lld", (long long)i->id), jsonb_print(q->memory, &details), at);
}

static struct job_row *find_job(const struct store *s, int64_t company, struct slice unique_key)
{
    for (struct job_row *r = nullptr; (r = index_next(&s->jobs_by_key, key_hash(company, unique_key), r));) {
        if (r->company_id == company && slice_equal(r->unique_key, unique_key)) return r;
    }
    return nullptr;
}

static bool add_job(struct statement *q, const struct intent_row *i, const char *kind, struct slice reason, const struct jsonb *details, int64_t now)
{
    struct store *s = q->store;
    const struct slice key = arena_print(q->memory, "%s/%lld", kind, (long long)i->id);
    if (slice_is_absent(reason)) return statement_fail(q, sqlstate_is_null, nullptr);
    if (find_job(s, i->company_id, key)) return true;
    struct job_row *r = table_add(&s->jobs, &s->changes);
    *r = (struct job_row){ .id = ++s->jobs.last_id, .company_id = i->company_id, .branch_id = i->branch_id, .call = i->call, .customer_id = i->customer_id, .intent_id = i->id, .due_at = now,
                           .created_at = now, .kind = slice_from_text(kind), .unique_key = store_keep(s, key), .state = slice_of("open"), .reason = store_keep(s, reason),
                           .details = details ? store_keep(s, jsonb_print(q->memory, details)) : slice_of("{}") };
    index_add(&s->jobs_by_key, &s->changes, key_hash(r->company_id, key), r);
    return true;
}

static void finish_reconcile_job(struct statement *q, const struct intent_row *i, int64_t now)
{
    struct job_row *r = find_job(q->store, i->company_id, arena_print(q->memory, "reconcile/%lld", (long long)i->id));
    if (!r || text_is(r->state, "done")) return;
    table_before_set(&q->store->jobs, &q->store->changes, r);
    r->state = slice_of("done");
    r->finished_at = (struct number){ now, true };
}

bool statement_audit(struct statement *q)
{
    enum { COMPANY, ACTOR, ACTION, SUBJECT, DETAILS, AT };
    const struct jsonb *details;
    struct number at;
    if (!parameter_json(q, DETAILS, &details) || !parameter_instant(q, AT, &at)) return false;
    if (!statement_may_see(q, parameter_integer(q, COMPANY))) return statement_fail(q, sqlstate_no_right, nullptr);
    if (parameters_have_null(q, ACTOR, ACTION, SUBJECT) || !at.is_there) return statement_fail(q, sqlstate_is_null, nullptr);
    const struct slice printed = details ? jsonb_print(q->memory, details) : slice_absent;
    add_audit(q, parameter_integer(q, COMPANY), parameter_text(q, ACTOR), parameter_text(q, ACTION), parameter_text(q, SUBJECT), printed, at.value);
    answer_row(q);
    answer_null(q); /* what a function in SQL gives for void, unlike one in PL/pgSQL */
    return true;
}

/* -- new intents -- */

static bool is_after(struct number a, struct number b) { return a.is_there && b.is_there && a.value > b.value; }

/* Of a row that is not there yet; in the order in which the table's constraints are looked at. */
static bool intent_is_lawful(struct statement *q, const struct intent_row *i)
{
    const bool is_complete = !slice_is_absent(i->reference) && !slice_is_absent(i->calendar) && i->calcom_event_type_id.is_there && i->starts_at.is_there && i->ends_at.is_there
                             && i->busy_from.is_there && i->busy_until.is_there && !slice_is_absent(i->attendee) && !slice_is_absent(i->payload);
    if (!text_is(i->state, "refused") && !is_complete) return statement_fail(q, sqlstate_check, "booking_intents_check");
    const bool times_clash = is_after(i->starts_at, i->ends_at) || number_equal(i->starts_at, i->ends_at) || is_after(i->busy_from, i->starts_at) || is_after(i->ends_at, i->busy_until);
    if (times_clash) return statement_fail(q, sqlstate_check, "booking_intents_check1");
    size_t characters = 0;
    for (size_t n = 0; n < i->reference.length; n++) characters += (i->reference.start[n] & 0xC0) != 0x80;
    if (characters > 40) return statement_fail(q, sqlstate_check, "booking_intents_reference_check");
    return true;
}

static bool reference_is_taken(const struct store *s, struct slice reference)
{
    if (slice_is_absent(reference)) return false;
    for (const struct intent_row *r = nullptr; (r = index_next(&s->intents_by_reference, hash_text(0, reference), r));) {
        if (slice_equal(r->reference, reference)) return true;
    }
    return false;
}

static bool intent_refers_to_rows(struct statement *q, const struct intent_row *i)
{
    struct store *s = q->store;
    if (!tenants_have_branch(s->tenants, i->company_id, i->branch_id)) return statement_fail(q, sqlstate_foreign_key, "booking_intents_company_id_branch_id_fkey");
    if (!store_find_call(s, i->company_id, i->call)) return statement_fail(q, sqlstate_foreign_key, "booking_intents_company_id_call_fkey");
    if (!store_find_customer(s, i->company_id, i->customer_id)) return statement_fail(q, sqlstate_foreign_key, "booking_intents_company_id_customer_id_fkey");
    if (i->service_id.is_there && !tenants_have_service(s->tenants, i->company_id, i->service_id.value)) return statement_fail(q, sqlstate_foreign_key, "booking_intents_company_id_service_id_fkey");
    if (i->staff_id.is_there && !tenants_have_staff(s->tenants, i->company_id, i->staff_id.value)) return statement_fail(q, sqlstate_foreign_key, "booking_intents_company_id_staff_id_fkey");
    return true;
}

/* INSERT … ON CONFLICT ON CONSTRAINT booking_intents_operation DO NOTHING. *added null: there is one already. */
static bool add_intent(struct statement *q, const struct intent_row *proposed, struct intent_row **added)
{
    struct store *s = q->store;
    *added = nullptr;
    if (!statement_may_see(q, proposed->company_id)) return statement_fail(q, sqlstate_no_right, nullptr);
    if (!intent_is_lawful(q, proposed)) return false;
    if (find_operation(s, proposed->company_id, proposed->operation_key)) return true;
    if (reference_is_taken(s, proposed->reference)) return statement_fail(q, sqlstate_unique, "booking_intents_reference");
    if (!intent_refers_to_rows(q, proposed)) return false;
    struct intent_row *r = table_add(&s->booking_intents, &s->changes);
    *r = *proposed;
    r->id = ++s->booking_intents.last_id;
    index_add(&s->intents_by_id, &s->changes, hash_integer(0, r->id), r);
    index_add(&s->intents_by_operation, &s->changes, key_hash(r->company_id, r->operation_key), r);
    index_add(&s->intents_by_call, &s->changes, pair_hash(r->company_id, r->call), r);
    if (!slice_is_absent(r->reference)) index_add(&s->intents_by_reference, &s->changes, hash_text(0, r->reference), r);
    *added = r;
    return true;
}

static bool range_is_free(const struct store *s, const struct intent_row *i)
{
    for (const struct busy_range_row *r = nullptr; (r = index_next(&s->ranges_by_calendar, key_hash(i->company_id, i->calendar), r));) {
        if (r->company_id == i->company_id && slice_equal(r->calendar, i->calendar) && r->from < i->busy_until.value && i->busy_from.value < r->until) return false;
    }
    return true;
}

static struct busy_range_row *find_range(const struct store *s, const struct intent_row *i)
{
    for (struct busy_range_row *r = nullptr; (r = index_next(&s->ranges_by_intent, pair_hash(i->company_id, i->id), r));) {
        if (r->company_id == i->company_id && r->intent_id == i->id) return r;
    }
    return nullptr;
}

static void occupy(struct store *s, const struct intent_row *i)
{
    struct busy_range_row *r = table_add(&s->busy_ranges, &s->changes);
    *r = (struct busy_range_row){ .company_id = i->company_id, .intent_id = i->id, .from = i->busy_from.value, .until = i->busy_until.value, .calendar = i->calendar };
    index_add(&s->ranges_by_calendar, &s->changes, key_hash(r->company_id, r->calendar), r);
    index_add(&s->ranges_by_intent, &s->changes, pair_hash(r->company_id, r->intent_id), r);
}

static void free_range(struct store *s, const struct intent_row *i)
{
    struct busy_range_row *r = find_range(s, i);
    if (!r) return;
    index_remove(&s->ranges_by_calendar, &s->changes, key_hash(r->company_id, r->calendar), r);
    index_remove(&s->ranges_by_intent, &s->changes, pair_hash(r->company_id, r->intent_id), r);
    table_remove(&s->busy_ranges, &s->changes, r);
}

enum { I_COMPANY, I_BRANCH, I_CALL, I_CUSTOMER, I_OPERATION, I_REFERENCE, I_SERVICE, I_STAFF, I_CALENDAR, I_EVENT_TYPE, I_STARTS, I_ENDS, I_FROM, I_UNTIL, I_ATTENDEE, I_PAYLOAD, I_NOW };

static bool read_times(struct statement *q, struct intent_row *i, struct number *now)
{
    return parameter_instant(q, I_NOW, now) && parameter_instant(q, I_STARTS, &i->starts_at) && parameter_instant(q, I_ENDS, &i->ends_at) && parameter_instant(q, I_FROM, &i->busy_from)
           && parameter_instant(q, I_UNTIL, &i->busy_until);
}

static bool propose_intent(struct statement *q, struct intent_row *i)
{
    struct store *s = q->store;
    const struct jsonb *attendee;
    struct number now;
    *i = (struct intent_row){ .company_id = parameter_integer(q, I_COMPANY), .branch_id = parameter_integer(q, I_BRANCH), .call = parameter_integer(q, I_CALL),
                              .customer_id = parameter_integer(q, I_CUSTOMER), .operation_key = kept_text(q, I_OPERATION), .state = slice_of("written"), .reference = kept_text(q, I_REFERENCE),
                              .calendar = kept_text(q, I_CALENDAR), .payload = kept_text(q, I_PAYLOAD), .service_id = parameter_number(q, I_SERVICE),
                              .staff_id = parameter_number(q, I_STAFF), .calcom_event_type_id = parameter_number(q, I_EVENT_TYPE) };
    if (!parameter_json(q, I_ATTENDEE, &attendee) || !read_times(q, i, &now)) return false;
    if (attendee) i->attendee = store_keep(s, jsonb_print(q->memory, attendee));
    i->created_at = i->updated_at = now.value;
    i->next_attempt_at = now;
    if (!statement_may_see(q, i->company_id)) return statement_fail(q, sqlstate_no_right, nullptr);
    const bool has_all = !parameters_have_null(q, I_BRANCH, I_CALL, I_CUSTOMER, I_OPERATION) && now.is_there;
    return has_all || statement_fail(q, sqlstate_is_null, nullptr);
}

bool statement_write_intent(struct statement *q)
{
    struct intent_row proposed, *added;
    if (!propose_intent(q, &proposed) || !add_intent(q, &proposed, &added)) return false;
    if (added && !range_is_free(q->store, added)) return statement_fail(q, sqlstate_exclusion, "busy_ranges_no_overlap");
    if (added) occupy(q->store, added);
    const struct intent_row *i = added ? added : find_operation(q->store, proposed.company_id, proposed.operation_key);
    answer_row(q);
    answer_integer(q, i->id);
    answer_text(q, i->state);
    answer_boolean(q, added != nullptr);
    return true;
}

bool statement_refuse_operation(struct statement *q)
{
    enum { COMPANY, BRANCH, CALL, CUSTOMER, OPERATION, REASON, DETAILS, NOW };
    const struct jsonb *details;
    struct number now;
    if (!parameter_json(q, DETAILS, &details) || !parameter_instant(q, NOW, &now)) return false;
    struct intent_row proposed = { .company_id = parameter_integer(q, COMPANY), .branch_id = parameter_integer(q, BRANCH), .call = parameter_integer(q, CALL),
                                   .customer_id = parameter_integer(q, CUSTOMER), .operation_key = kept_text(q, OPERATION), .state = slice_of("refused"), .reason = kept_text(q, REASON),
                                   .created_at = now.value, .updated_at = now.value }, *added;
    if (!statement_may_see(q, proposed.company_id)) return statement_fail(q, sqlstate_no_right, nullptr);
    if (parameters_have_null(q, BRANCH, CALL, CUSTOMER, OPERATION) || !now.is_there) return statement_fail(q, sqlstate_is_null, nullptr);
    if (!add_intent(q, &proposed, &added)) return false;
    if (added && !add_job(q, added, "callback", added->reason, details, now.value)) return false;
    if (added) add_engine_audit(q, added, slice_of("booking_refused"), "reason", added->reason, now.value);
    answer_row(q);
    answer_boolean(q, added != nullptr);
    return true;
}

/* -- what is to be done -- */

static int by_next_attempt(const void *a, const void *b)
{
    const struct intent_row *x = *(const struct intent_row *const *)a, *y = *(const struct intent_row *const *)b;
    if (x->next_attempt_at.value != y->next_attempt_at.value) return x->next_attempt_at.value < y->next_attempt_at.value ? -1 : 1;
    return (x->id > y->id) - (x->id < y->id);
}

bool statement_due_intents(struct statement *q)
{
    enum { NOW, LIMIT };
    const struct table *intents = &q->store->booking_intents;
    struct number now;
    if (!parameter_instant(q, NOW, &now)) return false;
    const struct number limit = parameter_number(q, LIMIT);
    if (limit.is_there && limit.value < 0) return statement_fail(q, sqlstate_limit, nullptr);
    const struct intent_row **due = arena_take(q->memory, (intents->count + 1) * sizeof *due);
    size_t count = 0;
    for (uint32_t n = 0; n < intents->count; n++) {
        const struct intent_row *i = intents->rows[n];
        if (state_is_one_of(i, waiting) && i->next_attempt_at.is_there && now.is_there && i->next_attempt_at.value <= now.value) due[count++] = i;
    }
    qsort(due, count, sizeof *due, by_next_attempt);
    for (size_t n = 0; n < count && (!limit.is_there || (int64_t)n < limit.value); n++) {
        answer_row(q);
        answer_integer(q, due[n]->company_id);
        answer_integer(q, due[n]->id);
        answer_number(q, due[n]->calcom_event_type_id);
        answer_text(q, due[n]->state);
    }
    return true;
}

bool statement_load_intent(struct statement *q)
{
    const struct intent_row *i = find_intent(q);
    if (!i) return true;
    answer_row(q);
    answer_text(q, i->state);
    answer_integer(q, i->branch_id);
    answer_integer(q, i->call);
    answer_integer(q, i->customer_id);
    answer_text(q, i->operation_key);
    answer_text(q, i->reference);
    answer_number(q, i->service_id);
    answer_number(q, i->staff_id);
    answer_text(q, i->calendar);
    answer_number(q, i->calcom_event_type_id);
    answer_number(q, i->starts_at);
    answer_number(q, i->ends_at);
    answer_text(q, i->attendee);
    answer_text(q, i->payload);
    answer_integer(q, i->attempts);
    answer_integer(q, i->created_at);
    answer_number(q, i->first_sent_at);
    answer_number(q, i->busy_from);
    answer_number(q, i->busy_until);
    answer_text(q, i->reason);
    return true;
}

static bool knows_of_all_creates(const struct statement *q, uint32_t parameter, const struct intent_row *i)
{
    return number_equal((struct number){ i->attempts, true }, parameter_number(q, parameter));
}

bool statement_send_intent(struct statement *q)
{
    enum { NOW = 2, ATTEMPTS };
    struct number now;
    if (!parameter_instant(q, NOW, &now)) return false;
    struct intent_row *i = find_intent(q);
    if (!i || !state_is_one_of(i, unfinished)) return true;
    const bool is_again = number_equal(i->last_sent_at, now) && text_is(i->state, "sending");
    if (!is_again && !knows_of_all_creates(q, ATTEMPTS, i)) return true;
    if (!now.is_there) return statement_fail(q, sqlstate_is_null, nullptr);
    begin_change(q, i);
    i->attempts += is_again ? 0 : 1;
    i->state = slice_of("sending");
    if (!i->first_sent_at.is_there) i->first_sent_at = now;
    i->last_sent_at = now;
    i->updated_at = now.value;
    answer_row(q);
    answer_integer(q, i->attempts);
    return true;
}

bool statement_delay_intent(struct statement *q)
{
    enum { STATE = 2, STEP, NEXT, ERROR, NOW, ATTEMPTS };
    struct number next, now;
    if (!parameter_instant(q, NEXT, &next) || !parameter_instant(q, NOW, &now)) return false;
    struct intent_row *i = find_intent(q);
    if (!i || !state_is_one_of(i, waiting)) return true;
    const bool stays = text_is(i->state, "pending");
    if (!stays && !knows_of_all_creates(q, ATTEMPTS, i)) return true;
    if ((!stays && parameter_is_null(q, STATE)) || !now.is_there) return statement_fail(q, sqlstate_is_null, nullptr);
    begin_change(q, i);
    if (!stays) i->state = kept_text(q, STATE);
    i->step = kept_text(q, STEP);
    i->next_attempt_at = next;
    i->last_error = kept_text(q, ERROR);
    i->updated_at = now.value;
    return state_is_one_of(i, intent_states) || statement_fail(q, sqlstate_check, "booking_intents_state_check");
}

/* -- what became of it -- */

enum { B_COMPANY, B_INTENT, B_UID, B_BOOKING_ID, B_STATUS, B_STARTS, B_ENDS, B_HOST, B_NOW };

static struct appointment_row *find_appointment(const struct store *s, const struct intent_row *i)
{
    for (struct appointment_row *r = nullptr; (r = index_next(&s->appointments_by_intent, pair_hash(i->company_id, i->id), r));) {
        if (r->company_id == i->company_id && r->intent_id == i->id) return r;
    }
    return nullptr;
}

static bool uid_is_taken(const struct store *s, int64_t company, struct slice uid)
{
    for (const struct appointment_row *r = nullptr; (r = index_next(&s->appointments_by_uid, key_hash(company, uid), r));) {
        if (r->company_id == company && slice_equal(r->calcom_booking_uid, uid)) return true;
    }
    return false;
}

static struct slice attendee_name(struct statement *q, const struct intent_row *i)
{
    const char *sqlstate;
    return slice_is_absent(i->attendee) ? slice_absent : jsonb_field_text(q->memory, jsonb_parse(q->memory, i->attendee, &sqlstate), "name");
}

static bool propose_appointment(struct statement *q, const struct intent_row *i, struct number starts, struct number ends, struct number now)
{
    static const char *const statuses[] = { "accepted", "pending", "cancelled", "rejected" };
    const bool has_all = !parameter_is_null(q, B_UID) && i->calcom_event_type_id.is_there && !parameter_is_null(q, B_STATUS) && starts.is_there && ends.is_there && now.is_there;
    if (!has_all) return statement_fail(q, sqlstate_is_null, nullptr);
    for (size_t n = 0; n < sizeof statuses / sizeof *statuses; n++) {
        if (text_is(parameter_text(q, B_STATUS), statuses[n])) return true;
    }
    return statement_fail(q, sqlstate_check, "appointments_status_check");
}

static void add_appointment(struct statement *q, const struct intent_row *i, int64_t starts_at, int64_t ends_at, int64_t now, const struct appointment_row **added)
{
    struct store *s = q->store;
    struct appointment_row *r = table_add(&s->appointments, &s->changes);
    *r = (struct appointment_row){ .id = ++s->appointments.last_id, .company_id = i->company_id, .branch_id = i->branch_id, .intent_id = i->id, .call = i->call, .customer_id = i->customer_id,
                                   .calcom_event_type_id = i->calcom_event_type_id.value, .starts_at = starts_at, .ends_at = ends_at, .created_at = now, .updated_at = now,
                                   .calcom_booking_uid = kept_text(q, B_UID), .status = kept_text(q, B_STATUS), .attendee_name = store_keep(s, attendee_name(q, i)),
                                   .host_name = kept_text(q, B_HOST), .service_id = i->service_id, .staff_id = i->staff_id, .calcom_booking_id = parameter_number(q, B_BOOKING_ID) };
    index_add(&s->appointments_by_intent, &s->changes, pair_hash(r->company_id, r->intent_id), r);
    index_add(&s->appointments_by_uid, &s->changes, key_hash(r->company_id, r->calcom_booking_uid), r);
    *added = r;
}

static bool write_appointment(struct statement *q, const struct intent_row *i, struct number now, const struct appointment_row **written)
{
    struct store *s = q->store;
    struct number starts, ends;
    if (!parameter_instant(q, B_STARTS, &starts) || !parameter_instant(q, B_ENDS, &ends) || !propose_appointment(q, i, starts, ends, now)) return false;
    struct appointment_row *known = find_appointment(s, i);
    if (!known) {
        if (uid_is_taken(s, i->company_id, parameter_text(q, B_UID))) return statement_fail(q, sqlstate_unique, "appointments_calcom_uid");
        add_appointment(q, i, starts.value, ends.value, now.value, written);
        return true;
    }
    if (!slice_equal(known->calcom_booking_uid, parameter_text(q, B_UID))) return statement_fail(q, sqlstate_unique, "appointments_one_per_intent");
    table_before_set(&s->appointments, &s->changes, known);
    if (!text_is(i->state, "booked")) known->status = kept_text(q, B_STATUS);
    known->updated_at = now.value;
    *written = known;
    return true;
}

static void name_customer(struct statement *q, const struct intent_row *i)
{
    struct store *s = q->store;
    const struct slice name = attendee_name(q, i);
    struct customer_row *c = store_find_customer(s, i->company_id, i->customer_id);
    if (!c || !slice_is_absent(c->name) || slice_is_absent(name)) return;
    table_before_set(&s->customers, &s->changes, c);
    c->name = store_keep(s, name);
}

static void finish_booking(struct statement *q, struct intent_row *i, struct slice state, int64_t now)
{
    struct store *s = q->store;
    begin_change(q, i);
    i->state = state;
    i->next_attempt_at = (struct number){};
    i->last_error = i->reason = slice_absent;
    i->updated_at = now;
    if (!find_range(s, i) && range_is_free(s, i)) occupy(s, i);
    name_customer(q, i);
    finish_reconcile_job(q, i, now);
    char action[32];
    struct buffer b = buffer_over(action, sizeof action);
    buffer_add(&b, slice_of("booking_"));
    buffer_add(&b, parameter_text(q, B_STATUS));
    add_engine_audit(q, i, buffer_slice(&b), "uid", parameter_text(q, B_UID), now);
}

bool statement_book_intent(struct statement *q)
{
    struct number now;
    const struct appointment_row *appointment = nullptr;
    if (!parameter_instant(q, B_NOW, &now)) return false;
    struct intent_row *i = find_intent(q);
    if (i && !write_appointment(q, i, now, &appointment)) return false;
    const struct slice state = !parameter_is_null(q, B_STATUS) && text_is(parameter_text(q, B_STATUS), "accepted") ? slice_of("booked") : slice_of("pending");
    if (i && !text_is(i->state, "booked") && !slice_equal(i->state, state)) finish_booking(q, i, state, now.value);
    answer_row(q);
    if (i) answer_integer(q, appointment->id);
    else answer_null(q);
    return true;
}

static void reject_pending_appointment(struct statement *q, const struct intent_row *i, int64_t now)
{
    struct appointment_row *a = find_appointment(q->store, i);
    if (!a || !text_is(a->status, "pending")) return;
    table_before_set(&q->store->appointments, &q->store->changes, a);
    a->status = slice_of("rejected");
    a->updated_at = now;
}

bool statement_refuse_intent(struct statement *q)
{
    enum { REASON = 2, DETAILS, NOW, ATTEMPTS };
    const struct jsonb *details;
    struct number now;
    if (!parameter_json(q, DETAILS, &details) || !parameter_instant(q, NOW, &now)) return false;
    struct intent_row *i = find_intent(q);
    if (i && state_is_one_of(i, waiting) && (parameter_is_null(q, ATTEMPTS) || knows_of_all_creates(q, ATTEMPTS, i))) {
        if (!now.is_there) return statement_fail(q, sqlstate_is_null, nullptr);
        begin_change(q, i);
        i->state = slice_of("refused");
        i->reason = kept_text(q, REASON);
        i->next_attempt_at = (struct number){};
        i->updated_at = now.value;
        free_range(q->store, i);
        reject_pending_appointment(q, i, now.value);
        finish_reconcile_job(q, i, now.value);
        if (!add_job(q, i, "callback", i->reason, details, now.value)) return false;
        add_engine_audit(q, i, slice_of("booking_refused"), "reason", i->reason, now.value);
    }
    answer_row(q);
    answer_boolean(q, i && text_is(i->state, "refused"));
    return true;
}

bool statement_park_intent(struct statement *q)
{
    enum { REASON = 2, NEXT, NOW, ATTEMPTS };
    struct number next, now;
    if (!parameter_instant(q, NOW, &now)) return false;
    struct intent_row *i = find_intent(q);
    if (i && !parameter_instant(q, NEXT, &next)) return false;
    if (i && state_is_one_of(i, waiting) && knows_of_all_creates(q, ATTEMPTS, i)) {
        if (!now.is_there) return statement_fail(q, sqlstate_is_null, nullptr);
        begin_change(q, i);
        i->state = slice_of("unknown");
        i->reason = kept_text(q, REASON);
        i->next_attempt_at = next;
        i->updated_at = now.value;
        if (!add_job(q, i, "reconcile", i->reason, nullptr, now.value)) return false;
        add_engine_audit(q, i, slice_of("booking_parked"), "reason", i->reason, now.value);
    }
    answer_void(q);
    return true;
}
