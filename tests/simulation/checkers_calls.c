/* What was told, and what became of it. The ledger says which events the engine has promised to keep (it answered 2xx), which it may have got (no answer came), and
 * which it never got. Every row of a webhook must be one of the first two, once; all of the first must be there; and a call's row shows just the events that are. */
#include <math.h>
#include <stdlib.h>
#include "checkers.h"
#include "base/hmac.h"
#include "base/json.h"

constexpr int64_t never_ended_us = INT64_C(150) * 60'000'000; /* two hours, ten minutes, and two rounds of looking for open calls */

/* -- which rows are there -- */

static bool is_row_of_call(const struct call_event_row *r, const struct planned_call *c) { return texts_equal(r->call_id, c->id); }
static bool has_body(struct slice body, const struct retell_delivery *d) { return body.length == d->body_bytes && memcmp(body.start, d->body, d->body_bytes) == 0; }

static uint32_t count_filed(const struct retell_delivery *d)
{
    uint32_t count = 0;
    const struct store *s = database_store();
    for (uint32_t n = 0; n < store_call_events_count(s); n++) {
        const struct call_event_row *r = store_call_events_at(s, n);
        count += is_row_of_call(r, d->call) && texts_equal(r->event, d->event) && has_body(r->body, d);
    }
    return count;
}

static uint32_t count_logged(const struct retell_delivery *d, const char *outcome)
{
    uint32_t count = 0;
    const struct store *s = database_store();
    for (uint32_t n = 0; n < store_webhook_log_count(s); n++) {
        const struct webhook_row *r = store_webhook_log_at(s, n);
        count += texts_equal(r->outcome, outcome) && has_body(r->body, d);
    }
    return count;
}

static uint8_t kind_of_name(struct slice event)
{
    for (uint8_t e = 0; e < SCRIPT_EVENTS; e++)
        if (texts_equal(event, call_event_name((enum call_event)e))) return e;
    return SCRIPT_EVENTS;
}

uint8_t filed_events(const struct planned_call *c)
{
    uint8_t filed = 0;
    const struct store *s = database_store();
    for (uint32_t n = 0; n < store_call_events_count(s); n++)
        if (is_row_of_call(store_call_events_at(s, n), c)) filed |= (uint8_t)(1 << kind_of_name(store_call_events_at(s, n)->event));
    return filed & ((1 << SCRIPT_EVENTS) - 1);
}

const struct call_row *call_row_of(const struct planned_call *c)
{
    const struct store *s = database_store();
    for (uint32_t n = 0; n < store_calls_count(s); n++)
        if (texts_equal(store_calls_at(s, n)->call_id, c->id)) return store_calls_at(s, n);
    return nullptr;
}

/* -- every delivery has the effect that it must have -- */

/* What all deliveries of the same bytes together have come to. */
struct fate { const struct retell_delivery *of; bool acknowledged, maybe; };

static void add_to_fate(void *context, const struct retell_delivery *d)
{
    struct fate *f = context;
    if (d->body != f->of->body) return; /* repetitions share theirs */
    f->acknowledged |= d->acknowledged;
    f->maybe |= d->maybe_delivered;
}

static void check_effect(const struct fate *f, uint32_t rows, const char *where)
{
    const struct retell_delivery *d = f->of;
    PROMISE(!f->acknowledged || rows > 0, "what was acknowledged has its effect", "%s %s (%s) was answered 2xx, and has no row in %s", d->call->id, d->event, retell_shape_name(d->shape), where);
    PROMISE(rows <= 1, "an event has its effect once", "%s %s (%s) has %u rows in %s", d->call->id, d->event, retell_shape_name(d->shape), rows, where);
    PROMISE(rows == 0 || f->acknowledged || f->maybe, "what was refused has no effect", "%s %s (%s) was answered %u, and has a row in %s", d->call->id, d->event,
            retell_shape_name(d->shape), d->last_status, where);
}

/* It belongs to the tenant that an earlier message of its call has named, or to nobody when it was the first. */
static void check_lean(const struct fate *f)
{
    uint32_t filed = count_filed(f->of), logged = count_logged(f->of, "unrouted");
    if (filed > 0 && logged > 0) check_effect(f, filed, "call_events"), check_effect(f, logged, "webhook_log");
    else check_effect(f, filed + logged, "call_events or webhook_log");
}

static bool is_lean(const struct retell_delivery *d) { return d->shape == RETELL_OTHER_EVENT && !slice_contains(slice_from(d->body, d->body_bytes), slice_of("to_number")); }

static void check_delivery(void *, const struct retell_delivery *d)
{
    struct fate f = { .of = d };
    retell_each_delivery(add_to_fate, &f);
    if (d->is_bogus) {
        PROMISE(!d->acknowledged, "what is bogus is refused", "%s %s (%s) was answered %u", d->call->id, d->event, retell_shape_name(d->shape), d->last_status);
        PROMISE(count_filed(d) + count_logged(d, "unrouted") + count_logged(d, "quarantined") == 0, "what is bogus has no effect", "%s %s (%s)", d->call->id, d->event,
                retell_shape_name(d->shape));
    } else if (d->shape == RETELL_BROKEN_BODY) check_effect(&f, count_logged(d, "quarantined"), "webhook_log");
    else if (is_lean(d)) check_lean(&f);
    else if (d->call->unknown_number) check_effect(&f, count_logged(d, "unrouted"), "webhook_log");
    else check_effect(&f, count_filed(d), "call_events");
}

/* -- no row comes from nowhere, or is another tenant's -- */

struct origin { struct slice body; bool is_known; };
static void look_for_origin(void *context, const struct retell_delivery *d)
{
    struct origin *o = context;
    o->is_known |= !d->is_bogus && has_body(o->body, d);
}

static bool was_told(struct slice body)
{
    struct origin o = { .body = body };
    retell_each_delivery(look_for_origin, &o);
    return o.is_known;
}

static void check_event_row(const struct call_event_row *r)
{
    const struct planned_call *c = planned_call_by_id(r->call_id);
    PROMISE(c && was_told(r->body), "nothing is filed that was not told", "event %lld of call " SLICE_FORMAT, (long long)r->id, slice_print(r->call_id));
    PROMISE(r->company_id == company_of_call(c)->id && r->workspace_id == workspace_of_call(c)->id, "an event is filed under its tenant", "%s: company %lld, workspace %lld", c->id,
            (long long)r->company_id, (long long)r->workspace_id);
}

static void check_log_row(const struct webhook_row *r)
{
    PROMISE(was_told(r->body), "nothing is kept that was not told", "webhook %lld: " SLICE_FORMAT, (long long)r->id, slice_print(r->outcome));
    PROMISE(!texts_equal(r->reason, "refused_by_database"), "the database takes what the engine files", "call " SLICE_FORMAT, slice_print(r->call_id));
    PROMISE(!r->company_id.is_there, "what belongs to nobody is shown to nobody", "webhook %lld is company %lld's", (long long)r->id, (long long)r->company_id.value);
}

/* -- a call's row -- */

static const struct planned_call *call_being_checked;
static void compare_text(const char *field, struct slice is, struct slice expected)
{
    bool same = slice_is_absent(is) == slice_is_absent(expected) && slice_equal(is, expected);
    PROMISE(same, "a call's row shows its events, field by field", "%s: %s is \"" SLICE_FORMAT "\", expected \"" SLICE_FORMAT "\"", call_being_checked->id, field,
            slice_print(slice_take(is, 200)), slice_print(slice_take(expected, 200)));
}

static void compare_number(const char *field, struct number is, bool expected_there, int64_t expected)
{
    PROMISE(is.is_there == expected_there && (!is.is_there || is.value == expected), "a call's row shows its events, field by field", "%s: %s is %s%lld, expected %s%lld",
            call_being_checked->id, field, is.is_there ? "" : "not there, ", (long long)is.value, expected_there ? "" : "nothing, ", (long long)expected);
}

static void compare_amount(const char *field, struct slice is, bool expected_there, double expected)
{
    char text[64] = { 0 };
    if (!slice_is_absent(is)) memcpy(text, is.start, is.length < sizeof text - 1 ? is.length : sizeof text - 1);
    bool same = slice_is_absent(is) == !expected_there && (!expected_there || fabs(strtod(text, nullptr) - expected) < 1e-9);
    PROMISE(same, "a call's row shows its events, field by field", "%s: %s is \"%s\", expected %s%g", call_being_checked->id, field, text, expected_there ? "" : "nothing, ", expected);
}

static struct slice when(bool there, const char *text) { return there ? slice_from_text(text) : slice_absent; }

static void check_beginning(const struct call_row *r, const struct planned_call *c, uint8_t filed)
{
    bool any = filed != 0, over = filed >> SCRIPT_ENDED != 0;
    compare_text("outcome", r->outcome, over ? slice_of("ended") : slice_of("ended_unknown"));
    compare_text("status", r->status, over ? slice_of("ended") : when(any, "ongoing"));
    compare_text("direction", r->direction, when(any, "inbound"));
    compare_text("from_number", r->from_number, when(any && c->from[0], c->from));
    compare_text("to_number", r->to_number, when(any, c->to));
    compare_text("agent_id", r->agent_id, when(any, "agent_simulated"));
    compare_text("agent_version", r->agent_version, when(any, "0"));
    compare_number("started_at", r->started_at, any, plan_wall_us(&world.plan, c->begins_at_us) / 1'000 * 1'000);
}

static void check_end(const struct call_row *r, const struct planned_call *c, uint8_t filed)
{
    bool over = filed >> SCRIPT_ENDED != 0, analyzed = filed >> SCRIPT_ANALYZED != 0;
    uint32_t billed_s = (c->duration_ms + 999) / 1'000;
    compare_number("ended_at", r->ended_at, over, plan_wall_us(&world.plan, c->begins_at_us) / 1'000 * 1'000 + c->duration_ms * INT64_C(1'000));
    compare_number("duration_ms", r->duration_ms, over, c->duration_ms);
    compare_text("disconnection_reason", r->disconnection_reason, when(over, "user_hangup"));
    compare_text("recording_url", r->recording_url, when(over, "https://recordings.example/rec.wav"));
    compare_text("public_log_url", r->public_log_url, when(over, "https://logs.example/log.txt"));
    compare_amount("cost_cents", r->cost_cents, over, 0.125 * billed_s);
    compare_amount("billed_seconds", r->billed_seconds, over, billed_s);
    compare_text("call_summary", r->call_summary, when(analyzed, c->wants_booking ? "Ein Termin wurde vereinbart." : "Die Anruferin hatte eine Frage."));
    compare_text("user_sentiment", r->user_sentiment, when(analyzed, "Positive"));
    compare_number("call_successful", r->call_successful, analyzed, 1);
    compare_number("in_voicemail", r->in_voicemail, analyzed, 0);
}

static void check_agreement(const struct call_row *r, const struct planned_call *c, uint8_t filed)
{
    bool over = filed >> SCRIPT_ENDED != 0, agreed = over && c->wants_booking, analyzed = filed >> SCRIPT_ANALYZED != 0;
    struct heap heap;
    heap_init(&heap, 1 << 20);
    struct json_document *d = json_parse(r->booking, &heap, &(struct json_error){});
    const struct json_value *booking = json_root(d);
    compare_number("booking_confirmed", r->booking_confirmed, agreed || analyzed, c->wants_booking);
    compare_text("booking.datum", json_get_text(booking, "datum"), when(agreed, c->date));
    compare_text("booking.uhrzeit", json_get_text(booking, "uhrzeit"), when(agreed, c->time));
    compare_text("booking.name", json_get_text(booking, "name"), when(agreed && c->name[0], c->name));
    compare_text("booking.dienstleistung", json_get_text(booking, "dienstleistung"), when(agreed && c->names_service, plan_service_said(&world.plan, c)->name));
    json_release(d, &heap);
}

/* The text of what was said, as it was sent. */
struct said { const struct planned_call *call; struct slice body; };
static void look_for_end(void *context, const struct retell_delivery *d)
{
    struct said *s = context;
    if (d->call == s->call && d->shape == RETELL_HONEST && d->kind != SCRIPT_STARTED) s->body = slice_from(d->body, d->body_bytes);
}

static void check_transcript(const struct call_row *r, const struct planned_call *c, uint8_t filed)
{
    struct said s = { .call = c };
    if (filed >> SCRIPT_ENDED == 0) return compare_text("transcript", r->transcript, slice_absent);
    retell_each_delivery(look_for_end, &s);
    struct heap heap;
    heap_init(&heap, 16 << 20);
    struct json_document *d = json_parse(s.body, &heap, &(struct json_error){});
    compare_text("transcript", r->transcript, slice_trim(json_get_text(json_get(json_root(d), "call"), "transcript")));
    json_release(d, &heap);
}

static const struct customer_row *customer_of(const struct call_row *r)
{
    const struct store *s = database_store();
    for (uint32_t n = 0; n < store_customers_count(s); n++)
        if (store_customers_at(s, n)->id == r->customer_id && store_customers_at(s, n)->company_id == r->company_id) return store_customers_at(s, n);
    return nullptr;
}

struct numbered { const struct planned_call *call; bool is_told; };
static void look_for_number(void *context, const struct retell_delivery *d)
{
    struct numbered *n = context;
    n->is_told |= d->call == n->call && !d->is_bogus && d->shape != RETELL_BROKEN_BODY && !is_lean(d) && count_filed(d) > 0;
}

/* By the number, as soon as one message had it; else of this call alone. */
static void check_customer(const struct call_row *r, const struct planned_call *c)
{
    const struct customer_row *k = customer_of(r);
    struct numbered n = { .call = c };
    retell_each_delivery(look_for_number, &n);
    bool by_number = c->from[0] == '+' && n.is_told;
    PROMISE(k != nullptr, "every call has its customer", "%s", c->id);
    compare_text("customer's phone", k->phone, when(by_number, c->from));
    compare_text("customer's call", k->anonymous_call_id, by_number ? slice_absent : slice_from_text(c->id));
}

static void check_call_row(const struct call_row *r)
{
    const struct planned_call *c = planned_call_by_id(r->call_id);
    PROMISE(c && !c->unknown_number, "no call is made up", "call " SLICE_FORMAT, slice_print(r->call_id));
    const struct planned_company *company = company_of_call(c);
    call_being_checked = c;
    PROMISE(r->company_id == company->id && r->branch_id == company->branch_id && r->workspace_id == workspace_of_call(c)->id, "a call is its tenant's",
            "%s: company %lld, branch %lld, workspace %lld", c->id, (long long)r->company_id, (long long)r->branch_id, (long long)r->workspace_id);
    PROMISE(!texts_equal(r->outcome, "open") || world_wall_us() - r->first_seen_at < never_ended_us, "no call stays open for ever", "%s, first seen %.0f s ago", c->id,
            (double)(world_wall_us() - r->first_seen_at) / 1e6);
    uint8_t filed = filed_events(c);
    check_beginning(r, c, filed);
    check_end(r, c, filed);
    check_agreement(r, c, filed);
    check_transcript(r, c, filed);
    check_customer(r, c);
}

/* -- customers: no tenant has another's -- */

static bool has_called(const struct customer_row *k)
{
    for (uint32_t n = 0; n < world.plan.call_count; n++) {
        const struct planned_call *c = &world.plan.calls[n];
        bool same = slice_is_absent(k->phone) ? texts_equal(k->anonymous_call_id, c->id) : texts_equal(k->phone, c->from);
        if (same && company_of_call(c)->id == k->company_id) return true;
    }
    return false;
}

static void check_customer_row(const struct customer_row *k)
{
    PROMISE(has_called(k), "a customer has called this company", "customer %lld of company %lld", (long long)k->id, (long long)k->company_id);
    const struct planned_company *company = planned_company_by_id(k->company_id);
    PROMISE(slice_is_absent(k->name) || slice_starts_with(k->name, slice_from_text(company->key)), "no tenant has a name of another's", "customer %lld of %s", (long long)k->id, company->key);
}

static void check_every_call_has_a_row(void)
{
    for (uint32_t n = 0; n < world.plan.call_count; n++) {
        const struct planned_call *c = &world.plan.calls[n];
        bool filed = filed_events(c) != 0;
        PROMISE(!filed || call_row_of(c), "a call that was filed has a row", "%s", c->id);
    }
}

void check_calls(void)
{
    const struct store *s = database_store();
    retell_each_delivery(check_delivery, nullptr);
    for (uint32_t n = 0; n < store_call_events_count(s); n++) check_event_row(store_call_events_at(s, n));
    for (uint32_t n = 0; n < store_webhook_log_count(s); n++) check_log_row(store_webhook_log_at(s, n));
    for (uint32_t n = 0; n < store_calls_count(s); n++) check_call_row(store_calls_at(s, n));
    for (uint32_t n = 0; n < store_customers_count(s); n++) check_customer_row(store_customers_at(s, n));
    check_every_call_has_a_row();
}
