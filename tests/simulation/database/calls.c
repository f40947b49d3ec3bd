/* tests/simulation/database/calls.c: deploy/migrations/0002_calls.sql: webhooks, customers, and calls as their events told them. Each function follows its SQL step by step, because which
 * step fails first is part of the answer. */
#include <stdlib.h>
#include "base/ensure.h"
#include "statement.h"

/* -- texts as PostgreSQL's types read them -- */

static struct slice trimmed(struct slice t)
{
    while (t.length && memchr(" \t\n\r\f\v", t.start[0], 6)) t = slice_skip(t, 1);
    while (t.length && memchr(" \t\n\r\f\v", t.start[t.length - 1], 6)) t.length -= 1;
    return t;
}

/* text::bigint; nullptr: *value has it, or it is NULL. Otherwise why not. */
static const char *read_integer(struct slice t, struct number *value)
{
    *value = (struct number){};
    if (slice_is_absent(t)) return nullptr;
    t = trimmed(t);
    const bool negative = t.length && t.start[0] == '-';
    if (t.length && (negative || t.start[0] == '+')) t = slice_skip(t, 1);
    if (slice_is_empty(t)) return sqlstate_malformed;
    int64_t sum = 0;
    for (size_t n = 0; n < t.length; n++) {
        if (t.start[n] < '0' || t.start[n] > '9') return sqlstate_malformed;
        if (__builtin_mul_overflow(sum, 10, &sum) || __builtin_sub_overflow(sum, t.start[n] - '0', &sum)) return sqlstate_no_integer; /* downwards: there is one more there */
    }
    if (!negative && sum == INT64_MIN) return sqlstate_no_integer;
    *value = (struct number){ negative ? sum : -sum, true };
    return nullptr;
}

static const char *read_instant(struct slice t, struct number *at)
{
    const char *wrong = read_integer(t, at);
    return wrong ? wrong : store_instant(*at, at) ? nullptr : sqlstate_no_instant;
}

/* text::boolean: any unambiguous beginning of true, false, yes, no, on, off; 1 and 0. */
static const char *read_boolean(struct slice t, struct number *value)
{
    static const struct { const char *word; size_t shortest; bool value; } words[] = { { "true", 1, true }, { "false", 1, false }, { "yes", 1, true }, { "no", 1, false },
                                                                                       { "on", 2, true }, { "off", 2, false }, { "1", 1, true }, { "0", 1, false } };
    *value = (struct number){};
    if (slice_is_absent(t)) return nullptr;
    t = trimmed(t);
    for (size_t n = 0; n < sizeof words / sizeof *words; n++) {
        if (t.length < words[n].shortest || t.length > strlen(words[n].word) || strncasecmp(t.start, words[n].word, t.length) != 0) continue;
        *value = (struct number){ words[n].value, true };
        return nullptr;
    }
    return sqlstate_malformed;
}

/* -- customers -- */

static uint64_t customer_hash(int64_t company, struct slice key) { return hash_text(hash_integer(0, company), key); }

struct customer_row *store_find_customer(struct store *s, int64_t company, int64_t id)
{
    for (struct customer_row *r = nullptr; (r = index_next(&s->customers_by_id, hash_integer(0, id), r));) {
        if (r->id == id && r->company_id == company) return r;
    }
    return nullptr;
}

/* Of the company that has set the tenant, or none. */
static struct customer_row *find_customer_by(const struct statement *q, const struct index *x, int64_t company, struct slice key, bool by_phone)
{
    if (!statement_may_see(q, company)) return nullptr;
    for (struct customer_row *r = nullptr; (r = index_next(x, customer_hash(company, key), r));) {
        if (r->company_id == company && slice_equal(by_phone ? r->phone : r->anonymous_call_id, key)) return r;
    }
    return nullptr;
}

static struct customer_row *add_customer(struct statement *q, int64_t company, struct slice phone, struct slice call_id, int64_t created_at)
{
    struct store *s = q->store;
    struct customer_row *r = table_add(&s->customers, &s->changes);
    *r = (struct customer_row){ .id = ++s->customers.last_id, .company_id = company, .created_at = created_at, .phone = store_keep(s, phone), .anonymous_call_id = store_keep(s, call_id) };
    index_add(&s->customers_by_id, &s->changes, hash_integer(0, r->id), r);
    if (!slice_is_absent(phone)) index_add(&s->customers_by_phone, &s->changes, customer_hash(company, phone), r);
    if (!slice_is_absent(call_id)) index_add(&s->customers_by_call, &s->changes, customer_hash(company, call_id), r);
    return r;
}

/* -- finding calls -- */

static uint64_t call_hash(struct slice call_id, int64_t workspace) { return hash_integer(hash_text(0, call_id), workspace); }
static uint64_t company_hash(int64_t company, struct slice call_id) { return hash_text(hash_integer(1, company), call_id); }

/* By the unique key, whoever it belongs to. */
static struct call_row *find_call_of(const struct store *s, struct slice call_id, int64_t workspace)
{
    for (struct call_row *r = nullptr; (r = index_next(&s->calls_by_call_id, call_hash(call_id, workspace), r));) {
        if (r->workspace_id == workspace && slice_equal(r->call_id, call_id)) return r;
    }
    return nullptr;
}

struct call_row *store_find_call(struct store *s, int64_t company, int64_t id)
{
    for (struct call_row *r = nullptr; (r = index_next(&s->calls_by_id, hash_integer(0, id), r));) {
        if (r->id == id && r->company_id == company) return r;
    }
    return nullptr;
}

/* -- what a call shows: the trigger show_facts -- */

static struct slice empty_object(void) { return slice_of("{}"); }

/* A row holds JSON that PostgreSQL has printed, so it parses. */
static const struct jsonb *facts_of(struct statement *q, struct slice kept)
{
    const char *sqlstate;
    const struct jsonb *v = jsonb_parse(q->memory, slice_is_absent(kept) ? empty_object() : kept, &sqlstate);
    ensure(v != nullptr);
    return v;
}

static const struct jsonb *booking_of(struct statement *q, const struct jsonb *facts)
{
    const struct jsonb *booking = jsonb_field(facts, "booking");
    return booking ? booking : facts_of(q, slice_absent);
}

static bool show_texts(struct statement *q, struct call_row *r, const struct jsonb *facts)
{
    const struct { const char *key; struct slice *column; } texts[] = {
        { "call_status", &r->status }, { "direction", &r->direction }, { "from_number", &r->from_number }, { "to_number", &r->to_number }, { "agent_id", &r->agent_id },
        { "agent_version", &r->agent_version }, { "disconnection_reason", &r->disconnection_reason }, { "recording_url", &r->recording_url },
        { "public_log_url", &r->public_log_url }, { "call_summary", &r->call_summary }, { "user_sentiment", &r->user_sentiment } };
    for (size_t n = 0; n < sizeof texts / sizeof *texts; n++) *texts[n].column = store_keep(q->store, jsonb_field_text(q->memory, facts, texts[n].key));
    return true;
}

/* text::numeric, of what cost and duration look like: a number in digits. NaN and infinity are numbers, too. */
static const char *read_numeric(struct statement *q, struct slice t, struct slice *value)
{
    static const char *const names[] = { "NaN", "Infinity", "+Infinity", "-Infinity", "inf", "+inf", "-inf" };
    static const char *const meanings[] = { "NaN", "Infinity", "Infinity", "-Infinity", "Infinity", "Infinity", "-Infinity" };
    *value = slice_absent;
    if (slice_is_absent(t)) return nullptr;
    t = trimmed(t);
    for (size_t n = 0; n < sizeof names / sizeof *names; n++) {
        if (t.length != strlen(names[n]) || strncasecmp(t.start, names[n], t.length) != 0) continue;
        *value = slice_from_text(meanings[n]);
        return nullptr;
    }
    size_t at = t.length && (t.start[0] == '-' || t.start[0] == '+'), digits = 0, points = 0;
    for (; at < t.length && (memchr("0123456789", t.start[at], 10) || (t.start[at] == '.' && points == 0)); at++) t.start[at] == '.' ? points++ : digits++;
    if (digits == 0) return sqlstate_malformed;
    if (at < t.length && (t.start[at] == 'e' || t.start[at] == 'E')) {
        at += 1 + (at + 1 < t.length && (t.start[at + 1] == '-' || t.start[at + 1] == '+'));
        const size_t exponent = at;
        while (at < t.length && t.start[at] >= '0' && t.start[at] <= '9') at += 1;
        if (at == exponent) return sqlstate_malformed;
    }
    if (at != t.length) return sqlstate_malformed;
    return numeric_normalize(q->memory, t, value) ? nullptr : sqlstate_no_integer;
}

static bool show_numbers(struct statement *q, struct call_row *r, const struct jsonb *facts)
{
    const struct { const char *key; const char *(*read)(struct slice t, struct number *value); struct number *column; } numbers[] = {
        { "started_at_us", read_instant, &r->started_at }, { "ended_at_us", read_instant, &r->ended_at }, { "duration_ms", read_integer, &r->duration_ms },
        { "call_successful", read_boolean, &r->call_successful }, { "in_voicemail", read_boolean, &r->in_voicemail } };
    for (size_t n = 0; n < sizeof numbers / sizeof *numbers; n++) {
        const char *wrong = numbers[n].read(jsonb_field_text(q->memory, facts, numbers[n].key), numbers[n].column);
        if (wrong) return statement_fail(q, wrong, nullptr);
    }
    const struct { const char *key; struct slice *column; } numerics[] = { { "cost_cents", &r->cost_cents }, { "billed_seconds", &r->billed_seconds } };
    for (size_t n = 0; n < sizeof numerics / sizeof *numerics; n++) {
        struct slice value;
        const char *wrong = read_numeric(q, jsonb_field_text(q->memory, facts, numerics[n].key), &value);
        if (wrong) return statement_fail(q, wrong, nullptr);
        *numerics[n].column = store_keep(q->store, value);
    }
    return true;
}

static bool show_facts(struct statement *q, struct call_row *r)
{
    const struct jsonb *started = facts_of(q, r->facts_started), *ended = facts_of(q, r->facts_ended), *analyzed = facts_of(q, r->facts_analyzed);
    const struct jsonb *facts = jsonb_concatenate(q->memory, jsonb_concatenate(q->memory, started, ended), analyzed);
    const bool has_ended = !slice_is_absent(r->facts_ended) || !slice_is_absent(r->facts_analyzed);
    r->outcome = has_ended ? slice_of("ended") : r->closed_at.is_there ? slice_of("ended_unknown") : slice_of("open");
    if (!show_texts(q, r, facts) || !show_numbers(q, r, facts)) return false;
    const struct jsonb *metadata = jsonb_field(facts, "metadata");
    r->metadata = metadata ? store_keep(q->store, jsonb_print(q->memory, metadata)) : slice_absent;
    const struct jsonb *booking = jsonb_concatenate(q->memory, jsonb_concatenate(q->memory, booking_of(q, started), booking_of(q, ended)), booking_of(q, analyzed));
    r->booking = store_keep(q->store, jsonb_print(q->memory, booking));
    const char *wrong = read_boolean(jsonb_field_text(q->memory, booking, "booking_confirmed"), &r->booking_confirmed);
    return !wrong || statement_fail(q, wrong, nullptr);
}

/* -- FILE_CALL_EVENT -- */

enum { P_COMPANY, P_BRANCH, P_WORKSPACE, P_CALL_ID, P_EVENT, P_KIND, P_DEDUPE, P_RECEIVED, P_CORRELATION, P_BODY, P_FACTS, P_CALLER, P_TRANSCRIPT };

static uint64_t event_hash(const struct statement *q)
{
    return hash_text(hash_text(hash_integer(hash_text(0, parameter_text(q, P_CALL_ID)), parameter_integer(q, P_WORKSPACE)), parameter_text(q, P_EVENT)), parameter_text(q, P_DEDUPE));
}

static bool is_known_event(const struct statement *q)
{
    for (const struct call_event_row *r = nullptr; (r = index_next(&q->store->events_by_key, event_hash(q), r));) {
        if (slice_equal(r->call_id, parameter_text(q, P_CALL_ID)) && r->workspace_id == parameter_integer(q, P_WORKSPACE) && slice_equal(r->event, parameter_text(q, P_EVENT))
            && slice_equal(r->dedupe, parameter_text(q, P_DEDUPE))) return true;
    }
    return false;
}

/* ON CONFLICT DO NOTHING: a copy is one whoever it belongs to. */
static bool keep_event(struct statement *q, struct number received, bool *is_new)
{
    struct store *s = q->store;
    if (!statement_may_see(q, parameter_integer(q, P_COMPANY))) return statement_fail(q, sqlstate_no_right, nullptr);
    if (parameters_have_null(q, P_WORKSPACE, P_CALL_ID, P_EVENT, P_DEDUPE, P_KIND, P_BODY) || !received.is_there) return statement_fail(q, sqlstate_is_null, nullptr);
    *is_new = !is_known_event(q);
    if (!*is_new) return true;
    struct call_event_row *r = table_add(&s->call_events, &s->changes);
    *r = (struct call_event_row){ .id = ++s->call_events.last_id, .company_id = parameter_integer(q, P_COMPANY), .workspace_id = parameter_integer(q, P_WORKSPACE),
                                  .kind = parameter_integer(q, P_KIND), .received_at = received.value, .call_id = kept_text(q, P_CALL_ID), .event = kept_text(q, P_EVENT),
                                  .dedupe = kept_text(q, P_DEDUPE), .correlation_id = kept_text(q, P_CORRELATION), .body = kept_text(q, P_BODY) };
    index_add(&s->events_by_key, &s->changes, event_hash(q), r);
    return true;
}

static bool customer_of_call(struct statement *q, int64_t received_at, int64_t *customer)
{
    struct store *s = q->store;
    const int64_t company = parameter_integer(q, P_COMPANY);
    const struct slice caller = parameter_text(q, P_CALLER), call_id = parameter_text(q, P_CALL_ID);
    const bool is_withheld = slice_is_absent(caller);
    const struct call_row *call = is_withheld ? find_call_of(s, call_id, parameter_integer(q, P_WORKSPACE)) : nullptr;
    if (call && statement_may_see(q, call->company_id)) {
        *customer = call->customer_id;
        return true;
    }
    const struct customer_row *known = is_withheld ? find_customer_by(q, &s->customers_by_call, company, call_id, false) : find_customer_by(q, &s->customers_by_phone, company, caller, true);
    if (!known && !tenants_have_company(s->tenants, company)) return statement_fail(q, sqlstate_foreign_key, "customers_company_id_fkey");
    if (!known) known = add_customer(q, company, caller, is_withheld ? call_id : slice_absent, received_at);
    *customer = known->id;
    return true;
}

static bool propose_call(struct statement *q, struct number received, const struct jsonb *facts, struct call_row *r)
{
    struct store *s = q->store;
    const int64_t kind = parameter_integer(q, P_KIND);
    const struct slice kept = facts ? store_keep(s, jsonb_print(q->memory, facts)) : slice_absent;
    *r = (struct call_row){ .company_id = parameter_integer(q, P_COMPANY), .branch_id = parameter_integer(q, P_BRANCH), .workspace_id = parameter_integer(q, P_WORKSPACE),
                            .first_seen_at = received.value, .last_seen_at = received.value, .call_id = kept_text(q, P_CALL_ID),
                            .correlation_id = kept_text(q, P_CORRELATION), .transcript = kept_text(q, P_TRANSCRIPT),
                            .facts_started = kind == 0 ? kept : slice_absent, .facts_ended = kind == 1 ? kept : slice_absent, .facts_analyzed = kind == 2 ? kept : slice_absent };
    if (!customer_of_call(q, received.value, &r->customer_id) || !show_facts(q, r)) return false;
    return !parameter_is_null(q, P_BRANCH) || statement_fail(q, sqlstate_is_null, nullptr);
}

static bool add_call(struct statement *q, const struct call_row *proposed, struct call_row **call)
{
    struct store *s = q->store;
    if (!tenants_have_branch(s->tenants, proposed->company_id, proposed->branch_id)) return statement_fail(q, sqlstate_foreign_key, "calls_company_id_branch_id_fkey");
    struct call_row *r = table_add(&s->calls, &s->changes);
    *r = *proposed;
    r->id = ++s->calls.last_id;
    index_add(&s->calls_by_id, &s->changes, hash_integer(0, r->id), r);
    index_add(&s->calls_by_call_id, &s->changes, call_hash(r->call_id, r->workspace_id), r);
    index_add(&s->calls_by_company, &s->changes, company_hash(r->company_id, r->call_id), r);
    *call = r;
    return true;
}

static struct slice first_of(struct slice a, struct slice b) { return slice_is_absent(a) ? b : a; }

/* The longer one; of two as long, the one whose bytes come later. */
static struct slice longest(struct slice a, struct slice b)
{
    if (slice_is_absent(b)) return a;
    if (slice_is_absent(a)) return b;
    if (a.length != b.length) return a.length > b.length ? a : b;
    return memcmp(a.start, b.start, a.length) >= 0 ? a : b;
}

static bool merge_call(struct statement *q, struct call_row *old, const struct call_row *proposed)
{
    struct store *s = q->store;
    if (!statement_may_see(q, old->company_id)) return statement_fail(q, sqlstate_no_right, nullptr);
    table_before_set(&s->calls, &s->changes, old);
    const struct customer_row *customer = store_find_customer(s, old->company_id, old->customer_id);
    if (customer && !slice_is_absent(customer->anonymous_call_id)) old->customer_id = proposed->customer_id;
    if (proposed->first_seen_at < old->first_seen_at) old->correlation_id = proposed->correlation_id, old->first_seen_at = proposed->first_seen_at;
    if (proposed->last_seen_at > old->last_seen_at) old->last_seen_at = proposed->last_seen_at;
    old->facts_started = first_of(old->facts_started, proposed->facts_started);
    old->facts_ended = first_of(old->facts_ended, proposed->facts_ended);
    old->facts_analyzed = first_of(old->facts_analyzed, proposed->facts_analyzed);
    old->transcript = longest(old->transcript, proposed->transcript);
    return show_facts(q, old);
}

static void answer_filed(struct statement *q, bool is_new, const struct call_row *call)
{
    answer_row(q);
    answer_boolean(q, is_new);
    if (!call) {
        for (uint32_t n = 1; n < 6; n++) answer_null(q);
        return;
    }
    answer_integer(q, call->id);
    answer_integer(q, call->customer_id);
    answer_text(q, call->booking);
    answer_boolean(q, store_has_intent(q->store, call->company_id, call->id));
    answer_boolean(q, !text_is(call->outcome, "open"));
}

bool statement_file_call_event(struct statement *q)
{
    const struct jsonb *facts;
    struct number received;
    bool is_new;
    if (!parameter_is_null(q, P_KIND) && (parameter_integer(q, P_KIND) < INT16_MIN || parameter_integer(q, P_KIND) > INT16_MAX)) return statement_fail(q, sqlstate_no_integer, nullptr);
    if (!parameter_json(q, P_FACTS, &facts) || !parameter_instant(q, P_RECEIVED, &received) || !keep_event(q, received, &is_new)) return false;
    struct call_row *call = find_call_of(q->store, parameter_text(q, P_CALL_ID), parameter_integer(q, P_WORKSPACE));
    if (is_new) {
        struct call_row proposed;
        if (!propose_call(q, received, facts, &proposed)) return false;
        if (!(call ? merge_call(q, call, &proposed) : add_call(q, &proposed, &call))) return false;
    }
    answer_filed(q, is_new, call && statement_may_see(q, call->company_id) ? call : nullptr);
    return true;
}

/* -- KEEP_WEBHOOK -- */

enum { W_WORKSPACE, W_COMPANY, W_PROVIDER, W_EVENT, W_CALL_ID, W_DEDUPE, W_RECEIVED, W_CORRELATION, W_OUTCOME, W_REASON, W_BODY };

static uint64_t webhook_hash(const struct statement *q)
{
    const struct slice texts[] = { parameter_text(q, W_PROVIDER), parameter_text(q, W_EVENT), parameter_text(q, W_CALL_ID), parameter_text(q, W_DEDUPE) };
    uint64_t hash = hash_integer(0, parameter_integer(q, W_WORKSPACE));
    for (size_t n = 0; n < sizeof texts / sizeof *texts; n++) hash = hash_text(hash, texts[n]);
    return hash;
}

/* NULLS NOT DISTINCT. */
static bool is_same(struct slice a, struct slice b) { return slice_is_absent(a) == slice_is_absent(b) && slice_equal(a, b); }

static const struct webhook_row *find_webhook(const struct statement *q)
{
    for (const struct webhook_row *r = nullptr; (r = index_next(&q->store->webhooks_by_key, webhook_hash(q), r));) {
        if (r->workspace_id == parameter_integer(q, W_WORKSPACE) && is_same(r->provider, parameter_text(q, W_PROVIDER)) && is_same(r->event, parameter_text(q, W_EVENT))
            && is_same(r->call_id, parameter_text(q, W_CALL_ID)) && is_same(r->dedupe, parameter_text(q, W_DEDUPE))) return r;
    }
    return nullptr;
}

static bool is_ours(const struct statement *q, struct number company, int64_t workspace)
{
    return company.is_there ? statement_may_see(q, company.value) : workspace != 0 && workspace == q->tenant.workspace_id;
}

static bool is_webhook_outcome(struct slice outcome) { return text_is(outcome, "unrouted") || text_is(outcome, "quarantined") || text_is(outcome, "kept") || text_is(outcome, "replayed"); }

bool statement_keep_webhook(struct statement *q)
{
    struct store *s = q->store;
    struct number received;
    if (!parameter_instant(q, W_RECEIVED, &received)) return false;
    if (!is_ours(q, parameter_number(q, W_COMPANY), parameter_integer(q, W_WORKSPACE))) return statement_fail(q, sqlstate_no_right, nullptr);
    if (parameters_have_null(q, W_WORKSPACE, W_PROVIDER, W_DEDUPE, W_OUTCOME, W_BODY) || !received.is_there) return statement_fail(q, sqlstate_is_null, nullptr);
    if (!is_webhook_outcome(parameter_text(q, W_OUTCOME))) return statement_fail(q, sqlstate_check, "webhook_log_outcome_check");
    const struct webhook_row *known = find_webhook(q);
    if (known && !is_ours(q, known->company_id, known->workspace_id)) return statement_fail(q, sqlstate_no_right, nullptr);
    if (!known) {
        struct webhook_row *r = table_add(&s->webhook_log, &s->changes);
        *r = (struct webhook_row){ .id = ++s->webhook_log.last_id, .workspace_id = parameter_integer(q, W_WORKSPACE), .received_at = received.value, .company_id = parameter_number(q, W_COMPANY),
                                   .provider = kept_text(q, W_PROVIDER), .event = kept_text(q, W_EVENT), .call_id = kept_text(q, W_CALL_ID), .dedupe = kept_text(q, W_DEDUPE),
                                   .correlation_id = kept_text(q, W_CORRELATION), .outcome = kept_text(q, W_OUTCOME), .reason = kept_text(q, W_REASON), .body = kept_text(q, W_BODY) };
        index_add(&s->webhooks_by_key, &s->changes, webhook_hash(q), r);
        known = r;
    }
    answer_row(q);
    answer_integer(q, known->id);
    return true;
}

/* -- CLOSE_CALL -- */

bool statement_close_call(struct statement *q)
{
    enum { COMPANY, CALL_ID, AT, REASON };
    struct store *s = q->store;
    struct number at;
    bool changed = false;
    if (!parameter_instant(q, AT, &at)) return false;
    const uint64_t hash = company_hash(parameter_integer(q, COMPANY), parameter_text(q, CALL_ID));
    for (struct call_row *r = nullptr; (r = index_next(&s->calls_by_company, hash, r));) {
        if (r->company_id != parameter_integer(q, COMPANY) || !statement_may_see(q, r->company_id) || parameter_is_null(q, CALL_ID) || !slice_equal(r->call_id, parameter_text(q, CALL_ID))) continue;
        if (text_is(r->outcome, "ended") || (r->closed_at.is_there && !number_equal(r->closed_at, at))) continue;
        table_before_set(&s->calls, &s->changes, r);
        r->closed_at = at;
        r->close_reason = kept_text(q, REASON);
        if (!show_facts(q, r)) return false;
        changed = true;
    }
    answer_row(q);
    answer_boolean(q, changed);
    return true;
}

/* -- OPEN_CALLS, UNDECIDED_CALLS -- */

struct placed { int64_t seen_at; const struct call_row *call; };

static int by_place(const void *a, const void *b)
{
    const struct placed *x = a, *y = b;
    if (x->seen_at != y->seen_at) return x->seen_at > y->seen_at ? 1 : -1;
    return (x->call->id > y->call->id) - (x->call->id < y->call->id);
}

/* As SQL compares rows: with NULL in it, it is known only where the left side has decided. */
static bool is_behind(const struct placed *p, struct number seen_at, struct number call)
{
    if (!seen_at.is_there || p->seen_at < seen_at.value) return false;
    return p->seen_at > seen_at.value || (call.is_there && p->call->id > call.value);
}

static bool is_open(const struct store *, const struct call_row *c) { return text_is(c->outcome, "open"); }

static bool is_undecided(const struct store *s, const struct call_row *c)
{
    return text_is(c->outcome, "ended") && c->booking_confirmed.is_there && c->booking_confirmed.value && slice_is_absent(c->facts_analyzed)
           && !store_has_intent(s, c->company_id, c->id);
}

static void answer_placed(struct statement *q, const struct placed *p)
{
    answer_row(q);
    answer_integer(q, p->call->company_id);
    answer_integer(q, p->call->branch_id);
    answer_integer(q, p->call->workspace_id);
    answer_text(q, p->call->call_id);
    answer_integer(q, p->call->first_seen_at);
    answer_integer(q, p->call->id);
    answer_integer(q, p->call->customer_id);
    answer_integer(q, p->seen_at);
}

static bool answer_page(struct statement *q, bool (*is_listed)(const struct store *s, const struct call_row *c), bool by_last_seen)
{
    enum { AFTER_SEEN_AT, AFTER_CALL, LIMIT };
    const struct table *calls = &q->store->calls;
    const struct number limit = parameter_number(q, LIMIT);
    struct placed *found = arena_take(q->memory, (calls->count + 1) * sizeof *found);
    struct number after;
    size_t count = 0;
    if (!parameter_instant(q, AFTER_SEEN_AT, &after)) return false;
    if (limit.is_there && limit.value < 0) return statement_fail(q, sqlstate_limit, nullptr);
    for (uint32_t n = 0; n < calls->count; n++) {
        const struct call_row *c = calls->rows[n];
        found[count] = (struct placed){ by_last_seen ? c->last_seen_at : c->first_seen_at, c };
        if (is_behind(&found[count], after, parameter_number(q, AFTER_CALL)) && is_listed(q->store, c)) count += 1;
    }
    qsort(found, count, sizeof *found, by_place);
    for (size_t n = 0; n < count && (!limit.is_there || (int64_t)n < limit.value); n++) answer_placed(q, &found[n]);
    return true;
}

bool statement_open_calls(struct statement *q) { return answer_page(q, is_open, false); }
bool statement_undecided_calls(struct statement *q) { return answer_page(q, is_undecided, true); }
