/* ops/calcom_probe.c: one credential after the other, one question after the other, on the shard of an errand:
 *
 *     open_next_account → check_clock → ask_me → ask_event_type … → ask_slots → close_account ─► the next credential
 *
 * An answer that says that the rest would fail too (no connection, a refused key, no budget) leads straight to close_account. Companies with one key come one
 * after the other and share one budget, as they share Cal.com's limit. */
#include "ops/calcom_probe.h"

#include <inttypes.h>
#include "calcom/calcom.h"
#include "ops/clock_check.h"
#include "ops/errand.h"

constexpr int64_t slots_range_us = INT64_C(7) * 86'400 * 1'000'000;
/* Seconds. A request and its answer take one or two; past half of what Retell's signatures allow, the next step of a wandering clock refuses every webhook. */
constexpr int64_t clock_agrees_s = 5, clock_tolerated_s = 150;
enum { SUBJECT_BYTES_MAX = 2 * world_text_bytes_max + 64 };

struct calcom_probe {
    const struct tenant_snapshot *tenants;
    struct calcom_config          calcom;
    struct findings              *findings;
    struct errand                 errand;
    struct clock_check            clock;
    const struct company         *first; /* of those with the key at hand */
    struct budget                 spent; /* by those before */
    /* of the company at hand */
    const struct company         *company;
    struct calcom_account        *account;
    struct calcom_op              op;
    struct calcom_event_type      event_type;
    int64_t                       ids[CALCOM_PROBE_TYPES_MAX];
    uint32_t                      count, left_out, next, good;
    int64_t                       good_id; /* 0: none yet */
    char                          subject[SUBJECT_BYTES_MAX];
};

#define say(p, kind, ...) findings_add((p)->findings, (kind), (p)->subject, __VA_ARGS__)

static void name_company(struct calcom_probe *p)
{
    snprintf(p->subject, sizeof p->subject, "company " SLICE_FORMAT, slice_print(p->company->key));
}

static void name_part(struct calcom_probe *p, const char *kind, struct slice key)
{
    snprintf(p->subject, sizeof p->subject, "%s " SLICE_FORMAT "/" SLICE_FORMAT, kind, slice_print(p->company->key), slice_print(key));
}

/* -- what the company books under -- */

/* minutes 0: whatever it lasts. */
typedef void mapping_visit(struct calcom_probe *p, int64_t event_type_id, const char *kind, struct slice key, uint32_t minutes);

static void visit_mappings(struct calcom_probe *p, mapping_visit *visit)
{
    const struct tenant_snapshot *t = p->tenants;
    for (uint32_t n = 0; n < t->service_count; n++)
        if (t->services[n].company == p->company) visit(p, t->services[n].calcom_event_type_id, "service", t->services[n].key, t->services[n].duration_minutes);
    for (uint32_t n = 0; n < t->staff_service_count; n++) {
        const struct service *s = t->staff_services[n].service;
        if (s->company == p->company && t->staff_services[n].calcom_event_type_id != s->calcom_event_type_id)
            visit(p, t->staff_services[n].calcom_event_type_id, "service", s->key, s->duration_minutes);
    }
    for (uint32_t n = 0; n < t->branch_count; n++)
        if (t->branches[n].company == p->company) visit(p, t->branches[n].calcom_event_type_id, "branch", t->branches[n].key, 0);
}

static void collect(struct calcom_probe *p, int64_t id, const char *kind, struct slice key, uint32_t minutes)
{
    (void)kind;
    (void)key;
    (void)minutes;
    if (id == 0) return;
    for (uint32_t n = 0; n < p->count; n++)
        if (p->ids[n] == id) return;
    if (p->count < CALCOM_PROBE_TYPES_MAX) p->ids[p->count++] = id;
    else p->left_out += 1;
}

/* -- what the answers say -- */

/* true: it was answered by the API, whatever it said. */
static bool was_answered(struct calcom_probe *p)
{
    const struct calcom_op *op = &p->op;
    switch (op->outcome) {
    case CALCOM_OK:
    case CALCOM_NOT_FOUND:    return true;
    case CALCOM_UNAUTHORIZED: say(p, FINDING_FAULT, "Cal.com refuses its API key (%u)", op->status); return false;
    case CALCOM_THROTTLED:    say(p, FINDING_NOTE, "Cal.com is not looked at: its limit of requests is used up (429)"); return false;
    case CALCOM_NOT_SENT:     say(p, op->retry_at_us ? FINDING_NOTE : FINDING_FAULT, "Cal.com is not %s: %s", op->retry_at_us ? "looked at" : "reached", op->message); return false;
    case CALCOM_REFUSED:
    case CALCOM_UNKNOWN:      return op->status != 0 || (say(p, FINDING_FAULT, "Cal.com does not answer: %s", op->message), false);
    }
    ensure(false);
}

static struct slice version_or(struct slice configured, struct slice known) { return configured.length > 0 ? configured : known; }

static void say_missing_type(struct calcom_probe *p, int64_t id, const char *kind, struct slice key, uint32_t minutes)
{
    (void)minutes;
    if (id != p->ids[p->next]) return;
    name_part(p, kind, key);
    say(p, FINDING_FAULT, "its event type %" PRId64 " does not exist at Cal.com, or is not of this API key", id);
}

static void say_wrong_length(struct calcom_probe *p, int64_t id, const char *kind, struct slice key, uint32_t minutes)
{
    if (id != p->ids[p->next] || minutes == 0 || minutes == p->event_type.length_minutes) return;
    name_part(p, kind, key);
    say(p, FINDING_FAULT, "lasts %u minutes here, and its event type %" PRId64 " %u minutes at Cal.com", minutes, id, p->event_type.length_minutes);
}

static void judge_event_type(struct calcom_probe *p)
{
    const struct calcom_event_type *e = &p->event_type;
    uint32_t faults = p->findings->counts[FINDING_FAULT];
    snprintf(p->subject, sizeof p->subject, "event type %" PRId64 " of company " SLICE_FORMAT, p->ids[p->next], slice_print(p->company->key));
    if (e->managed_parent) say(p, FINDING_FAULT, "is the template of managed event types: nobody can be booked under it, map its children");
    if (e->recurring) say(p, FINDING_FAULT, "is recurring, which is not supported");
    if (e->seats) say(p, FINDING_FAULT, "has seats, which is not supported");
    if (e->collective) say(p, FINDING_FAULT, "is collective, which is not supported");
    if (e->requires_confirmation) say(p, FINDING_NOTE, "needs the host's confirmation: its bookings stay pending until then");
    visit_mappings(p, say_wrong_length);
    if (p->findings->counts[FINDING_FAULT] > faults) return;
    p->good += 1;
    if (p->good_id == 0) p->good_id = p->ids[p->next];
}

/* -- the questions, last to first -- */

static void open_next_account(struct calcom_probe *p);

static void close_account(struct calcom_probe *p)
{
    p->spent = *calcom_account_budget(p->account);
    calcom_account_close(p->account);
    open_next_account(p);
}

/* On an event type that is there: a 404 can only mean the path, which Cal.com routes by the header. */
static void slots_answered(struct calcom_op *op)
{
    struct calcom_probe *p = container_of(op, struct calcom_probe, op);
    struct slice version = version_or(p->company->credential->slots_version, slice_of("2024-09-04"));
    if (was_answered(p)) {
        if (op->outcome == CALCOM_NOT_FOUND)
            say(p, FINDING_FAULT, "slots are answered 404: Cal.com does not know cal-api-version " SLICE_FORMAT " for them (slots_version)", slice_print(version));
        else if (op->outcome != CALCOM_OK) say(p, FINDING_FAULT, "slots are answered %u: %s", op->status, op->message);
        else if (op->slot_count == 0) say(p, FINDING_NOTE, "event type %" PRId64 " has no free slot in the next 7 days", p->good_id);
        else say(p, FINDING_OK, "Cal.com shows free slots");
    }
    close_account(p);
}

static void ask_slots(struct calcom_probe *p)
{
    name_company(p);
    if (p->good > 0 && p->good == p->count) say(p, FINDING_OK, "its event types at Cal.com are as they are needed (%u)", p->good);
    if (p->left_out > 0) say(p, FINDING_NOTE, "%u event types were not looked at, to leave Cal.com's limit of requests to the calls", p->left_out);
    int64_t from_us = p->errand.shard->wall_us;
    if (p->good_id == 0) close_account(p);
    else calcom_list_slots(p->account, &p->op, p->good_id, from_us, from_us + slots_range_us, p->company->time_zone, slots_answered);
}

static void ask_event_type(struct calcom_probe *p);

static void event_type_answered(struct calcom_op *op)
{
    struct calcom_probe *p = container_of(op, struct calcom_probe, op);
    name_company(p);
    if (!was_answered(p)) return close_account(p);
    if (op->outcome == CALCOM_OK) judge_event_type(p);
    else if (op->outcome == CALCOM_NOT_FOUND) visit_mappings(p, say_missing_type);
    else if (op->status / 100 == 2) {
        struct slice version = version_or(p->company->credential->event_types_version, slice_of("2024-06-14"));
        say(p, FINDING_FAULT, "event types are answered in another shape than that of cal-api-version " SLICE_FORMAT ": Cal.com does not know that version (event_types_version)",
            slice_print(version));
        return close_account(p);
    } else say(p, FINDING_FAULT, "event type %" PRId64 " is answered %u: %s", p->ids[p->next], op->status, op->message);
    p->next += 1;
    ask_event_type(p);
}

static void ask_event_type(struct calcom_probe *p)
{
    if (p->next == p->count) ask_slots(p);
    else calcom_get_event_type(p->account, &p->op, p->ids[p->next], &p->event_type, event_type_answered);
}

static void me_answered(struct calcom_op *op)
{
    struct calcom_probe *p = container_of(op, struct calcom_probe, op);
    if (!was_answered(p)) return close_account(p);
    if (op->outcome != CALCOM_OK) {
        say(p, FINDING_FAULT, "what answers at its base URL is not Cal.com's API v2 (%u: %s)", op->status, op->message);
        return close_account(p);
    }
    say(p, FINDING_OK, "Cal.com accepts its API key");
    ask_event_type(p);
}

static void ask_me(struct calcom_probe *p)
{
    name_company(p);
    calcom_get_me(p->account, &p->op, me_answered);
}

static void clock_answered(struct clock_check *c)
{
    struct calcom_probe *p = container_of(c, struct calcom_probe, clock);
    struct slice url = p->company->credential->base_url;
    int64_t away_s = c->ahead_s < 0 ? -c->ahead_s : c->ahead_s;
    snprintf(p->subject, sizeof p->subject, "the clocks here and at " SLICE_FORMAT, slice_print(url));
    if (c->known && away_s <= clock_agrees_s) say(p, FINDING_OK, "agree");
    else if (c->known) say(p, away_s > clock_tolerated_s ? FINDING_FAULT : FINDING_NOTE, "ours is %" PRId64 " s %s", away_s, c->ahead_s > 0 ? "ahead" : "behind");
    ask_me(p); /* without an answer: which of the reasons it was, the account will say */
}

/* Once for each address. */
static bool clock_is_checked(const struct calcom_probe *p)
{
    for (const struct company *other = p->tenants->companies; other < p->company; other++)
        if (other->credential && slice_equal(other->credential->base_url, p->company->credential->base_url)) return true;
    return false;
}

static void check_clock(struct calcom_probe *p)
{
    struct http_client_config http = p->calcom.http;
    if (clock_is_checked(p) || !http_origin_parse(p->company->credential->base_url, &http.origin)) ask_me(p);
    else clock_check_start(&p->clock, p->errand.shard, &http, clock_answered);
}

static bool shares_key(const struct company *a, const struct company *b)
{
    if (!a->credential || !b->credential) return false;
    struct hash128 ours = a->credential->key, theirs = b->credential->key;
    return ours.high == theirs.high && ours.low == theirs.low;
}

static const struct company *next_with_key(const struct calcom_probe *p)
{
    const struct company *end = p->tenants->companies + p->tenants->company_count;
    if (!p->company) return nullptr;
    for (const struct company *c = p->company + 1; c < end; c++)
        if (shares_key(c, p->company)) return c;
    return nullptr;
}

static bool is_first_with_key(const struct calcom_probe *p, const struct company *c)
{
    for (const struct company *other = p->tenants->companies; other < c; other++)
        if (shares_key(other, c)) return false;
    return c->credential != nullptr; /* none is a gap, and told as one */
}

static const struct company *next_first(const struct calcom_probe *p)
{
    const struct company *end = p->tenants->companies + p->tenants->company_count;
    for (const struct company *c = p->first ? p->first + 1 : p->tenants->companies; c < end; c++)
        if (is_first_with_key(p, c)) return c;
    return nullptr;
}

static void open_next_account(struct calcom_probe *p)
{
    const struct company *same = next_with_key(p);
    if (!same) p->first = next_first(p);
    p->company = same ? same : p->first;
    if (!p->company) return errand_done(&p->errand);

    p->count = p->left_out = p->next = p->good = 0;
    p->good_id = 0;
    visit_mappings(p, collect);
    p->account = calcom_account_open(p->errand.shard, p->company->credential, &p->calcom);
    if (p->account && same) *calcom_account_budget(p->account) = p->spent;
    if (p->account) return check_clock(p);
    name_company(p);
    say(p, FINDING_FAULT, "its Cal.com base URL or API key is none that could be sent");
    open_next_account(p); /* as deep as such companies stand in a row: they are few, provisioning refuses them */
}

static void begin(struct errand *e)
{
    struct calcom_probe *p = container_of(e, struct calcom_probe, errand);
    p->calcom.http.worker = e->worker;
    open_next_account(p);
}

void calcom_probe(const struct config *c, const struct tenant_snapshot *tenants, struct findings *f)
{
    static struct calcom_probe probe; /* one per process; too large for a stack */
    struct tls_error error;
    struct io_refusal refusal;
    probe = (struct calcom_probe){ .tenants = tenants, .findings = f, .calcom = calcom_config_default() };
    struct tls_client_config *tls = tls_client_config_open(*c->calcom_ca ? c->calcom_ca : nullptr, &error);
    if (!tls) return findings_add(f, FINDING_FAULT, "Cal.com", "is not looked at: %s", error.text);
    probe.calcom.http.tls = tls;
    probe.calcom.read_timeout_ms = (uint32_t)c->calcom_read_timeout_ms;
    probe.calcom.budget.requests_per_window = (uint32_t)c->budget_per_minute;
    if (!errand_run(&probe.errand, begin, &refusal)) findings_add(f, FINDING_FAULT, "Cal.com", "is not looked at: %s", refusal.text);
    tls_client_config_close(tls);
}
