#include "sim/faults.h"
#include "base/ensure.h"

#define ENDPOINT_NAME(name, text) text,
static const char *const endpoint_names[] = { SIM_ENDPOINTS(ENDPOINT_NAME) "any" };
#define FAULT_NAME(name, text, number, what) text,
static const char *const fault_names[] = { SIM_FAULTS(FAULT_NAME) };
#define FAULT_NUMBER(name, text, number, what) number,
static const char *const fault_numbers[] = { SIM_FAULTS(FAULT_NUMBER) };
#define FAULT_DESCRIPTION(name, text, number, what) what,
static const char *const fault_descriptions[] = { SIM_FAULTS(FAULT_DESCRIPTION) };

static_assert(SIM_FAULT_COUNT <= 64); /* sim_fault_rule.choices */

const char *sim_endpoint_name(enum sim_endpoint e) { return endpoint_names[e]; }
const char *sim_fault_name(enum sim_fault f)
{
    ensure(f < SIM_FAULT_COUNT);
    return fault_names[f];
}
const char *sim_fault_number(enum sim_fault f)
{
    ensure(f < SIM_FAULT_COUNT);
    return fault_numbers[f];
}
const char *sim_fault_description(enum sim_fault f)
{
    ensure(f < SIM_FAULT_COUNT);
    return fault_descriptions[f];
}

bool sim_fault_is_of_the_port(enum sim_fault f) { return f == SIM_FAULT_REFUSE_CONNECTIONS || f == SIM_FAULT_TLS_STALL || f == SIM_FAULT_TLS_FAIL; }

enum door_way sim_fault_door(enum sim_fault f)
{
    ensure(sim_fault_is_of_the_port(f));
    return f == SIM_FAULT_TLS_STALL ? DOOR_MUTE : f == SIM_FAULT_TLS_FAIL ? DOOR_SLAMS : DOOR_NOBODY;
}

static uint32_t or_else(uint32_t delay_ms, uint32_t otherwise_ms) { return delay_ms ? delay_ms : otherwise_ms; }

/* The table: what each fault does to a request. delay_ms and status 0 take the default that stands here. */
static struct sim_behaviour behaviour_of(enum sim_fault f, uint32_t delay_ms, uint16_t status)
{
    uint32_t delay = or_else(delay_ms, 5'000);
    uint16_t error = status ? status : 500;
    switch (f) {
    case SIM_FAULT_NO_FAULT:               return (struct sim_behaviour){ 0 };
    case SIM_FAULT_NO_FIRST_BYTE:          return (struct sim_behaviour){ .before_reply_ms = delay };
    case SIM_FAULT_SLOW_CHECK:             return (struct sim_behaviour){ .before_check_ms = delay };
    case SIM_FAULT_COMMIT_THEN_NO_REPLY:   return (struct sim_behaviour){ .reply = SIM_REPLY_NEVER };
    case SIM_FAULT_COMMIT_THEN_RESET:      return (struct sim_behaviour){ .reply = SIM_REPLY_RESET };
    case SIM_FAULT_RESET_BEFORE_COMMIT:    return (struct sim_behaviour){ .gives_up_before_check = true, .reply = SIM_REPLY_RESET };
    case SIM_FAULT_RESET_MID_BODY:         return (struct sim_behaviour){ .reply = SIM_REPLY_RESET_MID_BODY };
    case SIM_FAULT_TRUNCATED:              return (struct sim_behaviour){ .reply = SIM_REPLY_TRUNCATED };
    case SIM_FAULT_TRUNCATED_WRONG_LENGTH: return (struct sim_behaviour){ .reply = SIM_REPLY_TRUNCATED_WRONG_LENGTH };
    case SIM_FAULT_ONE_BYTE_PER_SECOND:    return (struct sim_behaviour){ .reply = SIM_REPLY_DRIPPING, .delay_ms = or_else(delay_ms, 1'000) };
    case SIM_FAULT_ERROR_BEFORE_COMMIT:
    case SIM_FAULT_LOOKUP_FAILS:           return (struct sim_behaviour){ .gives_up_before_check = true, .status = error };
    case SIM_FAULT_ERROR_AFTER_COMMIT:     return (struct sim_behaviour){ .status = error };
    case SIM_FAULT_REFUSED_AFTER_COMMIT:   return (struct sim_behaviour){ .status = 400 };
    case SIM_FAULT_LATE_COMMIT:            return (struct sim_behaviour){ .before_commit_ms = delay };
    case SIM_FAULT_RATE_LIMITED:
    case SIM_FAULT_ACCOUNT_LOCKED:         return (struct sim_behaviour){ .gives_up_before_check = true, .status = 429 };
    case SIM_FAULT_UNAUTHORIZED:           return (struct sim_behaviour){ .gives_up_before_check = true, .status = 401 };
    case SIM_FAULT_CONFLICT_OF_OUR_OWN:    return (struct sim_behaviour){ .status = status ? status : 409 };
    case SIM_FAULT_REPLICA_LAG:            return (struct sim_behaviour){ .delay_ms = or_else(delay_ms, 10'000) };
    case SIM_FAULT_TOKEN_USED:             return (struct sim_behaviour){ .gives_up_before_check = true, .status = 400 };
    case SIM_FAULT_WEBHOOK_DUPLICATED:     return (struct sim_behaviour){ .telling = SIM_TELL_TWICE };
    case SIM_FAULT_WEBHOOK_REORDERED:      return (struct sim_behaviour){ .telling = SIM_TELL_AFTER_NEXT, .delay_ms = or_else(delay_ms, 60'000) };
    case SIM_FAULT_WEBHOOK_LOST:           return (struct sim_behaviour){ .telling = SIM_TELL_NOT };
    case SIM_FAULT_WEBHOOK_WRONG_TRIGGER:  return (struct sim_behaviour){ .telling = SIM_TELL_WRONG_TRIGGER };
    case SIM_FAULT_WEBHOOK_BAD_SIGNATURE:  return (struct sim_behaviour){ .telling = SIM_TELL_BADLY_SIGNED };
    case SIM_FAULT_WEBHOOK_UNSIGNED:       return (struct sim_behaviour){ .telling = SIM_TELL_UNSIGNED };
    case SIM_FAULT_WEBHOOK_FORM_ENCODED:   return (struct sim_behaviour){ .telling = SIM_TELL_AS_FORM };
    case SIM_FAULT_WEBHOOK_DELAYED:        return (struct sim_behaviour){ .telling = SIM_TELL_LATE, .delay_ms = or_else(delay_ms, 7'200'000) };
    case SIM_FAULT_WEBHOOK_BEFORE_COMMIT:  return (struct sim_behaviour){ .tells_before_commit = true, .before_commit_ms = or_else(delay_ms, 2'000) };
    case SIM_FAULT_REPLY_AFTER_WEBHOOKS:   return (struct sim_behaviour){ .replies_after_subscribers = true, .before_reply_ms = or_else(delay_ms, 10'000) };
    case SIM_FAULT_CLOCK_FAST:             return (struct sim_behaviour){ .clock_skew_ms = (int32_t)or_else(delay_ms, 300'000) };
    case SIM_FAULT_CLOCK_SLOW:             return (struct sim_behaviour){ .clock_skew_ms = -(int32_t)or_else(delay_ms, 300'000) };
    case SIM_FAULT_INVALID_UTF8:           return (struct sim_behaviour){ .garble = SIM_GARBLE_UTF8 };
    case SIM_FAULT_DEEP_NESTING:           return (struct sim_behaviour){ .garble = SIM_GARBLE_NESTING };
    case SIM_FAULT_HUGE_BODY:              return (struct sim_behaviour){ .garble = SIM_GARBLE_HUGE };
    case SIM_FAULT_DOUBLED_KEYS:           return (struct sim_behaviour){ .garble = SIM_GARBLE_DOUBLED_KEYS };
    case SIM_FAULT_NUMBERS_AS_TEXTS:       return (struct sim_behaviour){ .garble = SIM_GARBLE_NUMBERS };
    case SIM_FAULT_UNKNOWN_HOST_ID:        return (struct sim_behaviour){ .garble = SIM_GARBLE_HOST_ID };
    case SIM_FAULT_PARTIAL_SERIES:         return (struct sim_behaviour){ .commits_half = true, .status = error };
    case SIM_FAULT_VANISHES:               return (struct sim_behaviour){ .host_act = SIM_HOST_CANCELS, .delay_ms = delay_ms };
    case SIM_FAULT_HOST_MOVES:             return (struct sim_behaviour){ .host_act = SIM_HOST_MOVES, .delay_ms = delay_ms };
    case SIM_FAULT_HOST_CONFIRMS:          return (struct sim_behaviour){ .host_act = SIM_HOST_CONFIRMS, .delay_ms = delay_ms };
    case SIM_FAULT_HOST_DECLINES:          return (struct sim_behaviour){ .host_act = SIM_HOST_DECLINES, .delay_ms = delay_ms };
    case SIM_FAULT_HOST_BECOMES_BUSY:      return (struct sim_behaviour){ .host_act = SIM_HOST_BECOMES_BUSY };
    case SIM_FAULT_STALE_FOREIGN:
    case SIM_FAULT_NO_REFERENCES:
    case SIM_FAULT_REFUSE_CONNECTIONS:
    case SIM_FAULT_TLS_STALL:
    case SIM_FAULT_TLS_FAIL:               return (struct sim_behaviour){ 0 };
    case SIM_FAULT_COUNT:                  break;
    }
    ensure(false);
}

bool sim_fault_is_of_webhooks(enum sim_fault f) { return behaviour_of(f, 0, 0).telling != SIM_TELL; }

static bool find_name(struct slice name, const char *const *names, uint32_t count, uint32_t *index)
{
    for (*index = 0; *index < count; *index += 1)
        if (slice_equal(name, slice_from_text(names[*index]))) return true;
    return false;
}

static bool read_faults(const struct json_value *rule, struct sim_fault_rule *r, struct sim_refusal *refusal)
{
    struct json_iterator each = json_each(json_get(rule, "faults"));
    const struct json_value *v;
    uint32_t index;
    while (json_next(&each, nullptr, &v)) {
        if (!find_name(json_text(v), fault_names, SIM_FAULT_COUNT, &index)) {
            refuse(refusal, 400, SIM_SHAPE_PLAIN, "faults: no such fault: " SLICE_FORMAT, slice_print(slice_take(json_text(v), 60)));
            return false;
        }
        r->choices |= UINT64_C(1) << index;
    }
    if (r->choices) return true;
    refuse(refusal, 400, SIM_SHAPE_PLAIN, "faults: a list of at least one name is needed beside a seed");
    return false;
}

static bool read_number(const struct json_value *rule, const char *field, uint32_t max, uint32_t *out, struct sim_refusal *refusal)
{
    const struct json_value *v = json_get(rule, field);
    int64_t value = *out;
    if (v && (!json_integer(v, &value) || value < 0 || value > max)) {
        refuse(refusal, 400, SIM_SHAPE_PLAIN, "%s: must be an integer from 0 to %u", field, max);
        return false;
    }
    *out = (uint32_t)value;
    return true;
}

static bool read_seed(const struct json_value *rule, struct sim_fault_rule *r, struct sim_refusal *refusal)
{
    int64_t seed;
    r->seeded = json_integer(json_get(rule, "seed"), &seed);
    if (!r->seeded) return true;
    r->dice = (struct prng){ (uint64_t)seed };
    r->count = 0;
    if (!json_real(json_get(rule, "rate"), &r->rate) || r->rate < 0 || r->rate > 1) {
        refuse(refusal, 400, SIM_SHAPE_PLAIN, "rate: must be a number from 0 to 1");
        return false;
    }
    return read_faults(rule, r, refusal);
}

/* Where faults of webhooks alone are named, they are for the webhooks, whatever causes them, unless the rule says which requests' they are. */
static bool settle_endpoint(struct sim_fault_rule *r, bool is_named, struct sim_refusal *refusal)
{
    bool only_webhooks = true;
    for (uint32_t i = 0; i < SIM_FAULT_COUNT; i++) only_webhooks &= !(r->choices & UINT64_C(1) << i) || sim_fault_is_of_webhooks((enum sim_fault)i);
    if (!is_named && only_webhooks) r->endpoint = SIM_WEBHOOK;
    if (r->endpoint != SIM_WEBHOOK || only_webhooks) return true;
    refuse(refusal, 400, SIM_SHAPE_PLAIN, "endpoint: a webhook meets only the faults whose names begin with webhook_ (and not webhook_before_commit)");
    return false;
}

static bool read_rule(const struct json_value *rule, struct sim_fault_rule *r, struct sim_refusal *refusal)
{
    uint32_t endpoint = sim_any_endpoint, fault = SIM_FAULT_NO_FAULT, status = 0;
    *r = (struct sim_fault_rule){ .nth = 1, .count = 1 };
    if (json_get(rule, "endpoint") && !find_name(json_get_text(rule, "endpoint"), endpoint_names, SIM_ENDPOINT_COUNT + 1, &endpoint)) {
        refuse(refusal, 400, SIM_SHAPE_PLAIN, "endpoint: no such endpoint: " SLICE_FORMAT, slice_print(slice_take(json_get_text(rule, "endpoint"), 60)));
        return false;
    }
    if (!read_seed(rule, r, refusal)) return false;
    if (!r->seeded && !find_name(json_get_text(rule, "fault"), fault_names, SIM_FAULT_COUNT, &fault)) {
        refuse(refusal, 400, SIM_SHAPE_PLAIN, "fault: no such fault: " SLICE_FORMAT, slice_print(slice_take(json_get_text(rule, "fault"), 60)));
        return false;
    }
    r->endpoint = (uint8_t)endpoint;
    r->fault = (enum sim_fault)fault;
    if (!r->seeded) r->choices = UINT64_C(1) << fault;
    if (!settle_endpoint(r, json_get(rule, "endpoint") != nullptr, refusal)) return false;
    bool read = read_number(rule, "nth", 1'000'000, &r->nth, refusal) && read_number(rule, "count", 1'000'000, &r->count, refusal) &&
                read_number(rule, "delay_ms", 86'400'000, &r->delay_ms, refusal) && read_number(rule, "status", 599, &status, refusal);
    if (!read) return false;
    if (status && status < 200) {
        refuse(refusal, 400, SIM_SHAPE_PLAIN, "status: must be from 200 to 599");
        return false;
    }
    r->status = (uint16_t)status;
    return true;
}

/* Their requests have come; they can hit no more. */
static bool is_spent(const struct sim_fault_rule *r) { return r->count > 0 && r->seen >= (uint64_t)r->nth + r->count - 1; }

static void drop_spent(struct sim_faults *f)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < f->rule_count; i++)
        if (!is_spent(&f->rules[i])) f->rules[kept++] = f->rules[i];
    f->rule_count = kept;
}

bool faults_add(struct sim_faults *f, const struct json_value *rule, struct sim_fault_rule *added, struct sim_refusal *refusal)
{
    if (!read_rule(rule, added, refusal)) return false;
    if (!added->seeded && sim_fault_is_of_the_port(added->fault)) return true; /* nothing to wait for */
    if (f->rule_count == sim_fault_rules_max) drop_spent(f);
    if (f->rule_count == sim_fault_rules_max) {
        refuse(refusal, 409, SIM_SHAPE_PLAIN, "%u rules are there already; DELETE /control/faults", sim_fault_rules_max);
        return false;
    }
    f->rules[f->rule_count++] = *added;
    return true;
}

void faults_clear(struct sim_faults *f) { f->rule_count = 0; }

/* The k-th of the faults that are set. */
static enum sim_fault choose(struct sim_fault_rule *r)
{
    uint32_t left = (uint32_t)prng_below(&r->dice, (uint32_t)__builtin_popcountll(r->choices));
    for (uint32_t i = 0; i < SIM_FAULT_COUNT; i++)
        if (r->choices & UINT64_C(1) << i && left-- == 0) return (enum sim_fault)i;
    ensure(false);
}

static enum sim_fault rule_meets(struct sim_fault_rule *r)
{
    r->seen += 1;
    bool in_turn = r->seen >= r->nth && (r->count == 0 || r->seen < r->nth + r->count);
    if (!in_turn || (r->seeded && !prng_happens(&r->dice, r->rate))) return SIM_FAULT_NO_FAULT;
    r->hit += 1;
    return r->seeded ? choose(r) : r->fault;
}

struct sim_behaviour faults_meet(struct sim_faults *f, enum sim_endpoint e)
{
    struct sim_behaviour met = { 0 };
    for (uint32_t i = 0; i < f->rule_count; i++) {
        struct sim_fault_rule *r = &f->rules[i];
        if (r->endpoint != e && (r->endpoint != sim_any_endpoint || e == SIM_WEBHOOK)) continue;
        enum sim_fault fault = rule_meets(r);
        if (met.fault != SIM_FAULT_NO_FAULT || fault == SIM_FAULT_NO_FAULT) continue;
        met = behaviour_of(fault, r->delay_ms, r->status);
        met.fault = fault;
    }
    f->met[met.fault] += 1;
    return met;
}

void faults_print(struct json_writer *w, const struct sim_faults *f)
{
    json_begin_array(w, "faults");
    for (uint32_t i = 0; i < f->rule_count; i++) {
        const struct sim_fault_rule *r = &f->rules[i];
        json_begin_object(w, nullptr);
        json_add_text(w, "endpoint", slice_from_text(endpoint_names[r->endpoint]));
        json_add_text(w, "fault", r->seeded ? slice_of("seeded") : slice_from_text(sim_fault_name(r->fault)));
        json_add_integer(w, "nth", r->nth);
        json_add_integer(w, "count", r->count);
        json_add_integer(w, "seen", r->seen);
        json_add_integer(w, "hit", r->hit);
        json_end_object(w);
    }
    json_end_array(w);
    json_begin_object(w, "met");
    for (uint32_t i = SIM_FAULT_NO_FAULT + 1; i < SIM_FAULT_COUNT; i++)
        if (f->met[i]) json_add_unsigned(w, fault_names[i], f->met[i]);
    json_end_object(w);
}
