/* How a world is drawn from its seed. First the weather: which kinds of trouble there are at all, and how bad each is; then who lives there, what they do, and what
 * goes wrong when. Each call, fault and incident is drawn from dice of its own, so leaving one out changes nothing about the others. Pure. */
#include "plan.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/ensure.h"
#include "limits.h"
#include "world.h"

constexpr uint64_t second_us = 1'000'000, minute_us = 60 * second_us, hour_us = 60 * minute_us;
constexpr int64_t day_us = 24 * (int64_t)hour_us;
constexpr uint64_t late_ms_max = 100'000;                  /* F11: a minute after the engine has given up to wait */
constexpr uint64_t storm_after_calls_us = 6 * minute_us;   /* faults go on while the last calls end */
constexpr uint64_t settling_us = 3 * hour_us;              /* a call whose end never comes is closed after two hours and ten minutes */
enum { LATE_CALLS = 3, CALLS_PER_MINUTE_MIN = 50 + LATE_CALLS, CALLS_PER_MINUTE_MAX = 90 };

/* -- dice -- */

static struct prng dice_for(uint64_t seed, uint64_t purpose, uint64_t number)
{
    struct prng mix = { seed ^ purpose * UINT64_C(0x9e3779b97f4a7c15) ^ number * UINT64_C(0xd1342543de82ef95) };
    return (struct prng){ prng_next(&mix) };
}
enum { FOR_WEATHER = 1, FOR_TENANTS, FOR_CALLS, FOR_FAULTS, FOR_INCIDENTS, FOR_SPEECH, FOR_NAMES, FOR_ROOM, FOR_CALCOM, FOR_DISK, FOR_NETWORK, FOR_THEME, FOR_STALLS };

static uint64_t between(struct prng *d, uint64_t least, uint64_t most) { return least + prng_below(d, most - least + 1); }
static bool happens(struct prng *d, double probability) { return prng_happens(d, probability); }

/* Each order of magnitude is as likely as the next. */
static uint64_t magnitude(struct prng *d, uint64_t most)
{
    uint64_t bound = 1;
    for (uint64_t steps = prng_below(d, 7); steps > 0 && bound < most; steps--) bound *= 10;
    return prng_below(d, bound < most ? bound : most);
}

/* -- what it is about -- */

#define THEME_NAME(name) [THEME_##name] = #name,
static const char *const theme_names[] = { THEMES(THEME_NAME) };

static void draw_theme(struct plan *p)
{
    static const enum theme themes[] = { THEME_LATE_COMMITS, THEME_NARROW_BUDGET, THEME_RESTLESS_TENANTS, THEME_FALSE_REFUSALS, THEME_DOUBLES };
    struct prng d = dice_for(p->seed, FOR_THEME, 0);
    uint64_t drawn = prng_below(&d, 10);
    p->theme = drawn < sizeof themes / sizeof *themes ? themes[drawn] : THEME_NONE;
}

/* -- weather -- */

#define TROUBLES(X) X(NETWORK) X(DISK) X(DATABASE) X(CALCOM) X(CRASHES) X(OUTAGES) X(CLOCK) X(TENANTS) X(HOSTS) X(HAND_OVER)
#define TROUBLE_ENUMERATOR(name) TROUBLE_##name,
enum trouble : uint8_t { TROUBLES(TROUBLE_ENUMERATOR) TROUBLE_COUNT };
#define TROUBLE_NAME(name) #name,
static const char *const trouble_names[] = { TROUBLES(TROUBLE_NAME) };

struct weather { double of[TROUBLE_COUNT]; char text[160]; }; /* 0: none of it; 1: as bad as it gets */

static double severity(struct prng *d)
{
    static const double severities[] = { 0.03, 0.1, 0.3, 1.0 };
    return severities[prng_below(d, 4)];
}

/* A third of the worlds is nearly calm, a third has one kind of trouble, a third has everything. */
static struct weather draw_weather(struct prng *d)
{
    struct weather w = { 0 };
    uint64_t kind = prng_below(d, 3), only = prng_below(d, TROUBLE_COUNT);
    for (uint64_t t = 0; t < TROUBLE_COUNT; t++) {
        double drawn = severity(d);
        bool   in_a_storm = happens(d, 0.8);
        if (kind == 0) w.of[t] = happens(d, 0.1) ? 0.01 : 0;
        if (kind == 1) w.of[t] = t == only ? drawn : 0;
        if (kind == 2) w.of[t] = in_a_storm ? drawn : 0;
    }
    return w;
}

/* What people are promised hangs on Cal.com most of all: a third of the worlds has a bad one, whatever else there is. */
static void worsen_calcom(struct weather *w, uint64_t seed)
{
    struct prng d = dice_for(seed, FOR_CALCOM, 0);
    double bad = happens(&d, 0.5) ? 0.3 : 1.0;
    if (happens(&d, 0.33) && w->of[TROUBLE_CALCOM] < bad) w->of[TROUBLE_CALCOM] = bad;
}

static void name_weather(struct weather *w)
{
    struct buffer b = buffer_over(w->text, sizeof w->text - 1);
    for (uint64_t t = 0; t < TROUBLE_COUNT; t++)
        if (w->of[t] > 0) buffer_print(&b, "%s%s %.2f", b.length ? ", " : "", trouble_names[t], w->of[t]);
    if (b.length == 0) buffer_print(&b, "calm");
}

static void draw_network(struct plan *p, const struct weather *w, struct prng *d)
{
    struct prng own = dice_for(p->seed, FOR_NETWORK, 0);
    double      bad = w->of[TROUBLE_NETWORK];
    uint64_t    latency_us_most = happens(&own, 0.6) ? 3'000 : 20'000; /* a near one can be held to ten seconds */
    p->network = (struct network_climate){
        .latency_us = between(d, 50, latency_us_most), .segment_bytes_max = (uint32_t)(happens(d, 0.2) ? between(d, 1, 64) : between(d, 512, 16'384)),
        .window_bytes = (uint32_t)between(d, 4'096, 262'144),
        .reset_per_connection = 0.05 * bad, .half_open_per_connection = 0.02 * bad, .slow_per_connection = 0.02 * bad,
        .refuse_per_connect = 0.05 * bad, .unreachable_per_connect = 0.02 * bad, .lost_per_connect = 0.02 * bad,
    };
}

/* IO_FAILED of a journal ends the process, by contract: few of them are enough. Every second bad disk is good but for its incidents. */
static void draw_disk(struct plan *p, const struct weather *w, struct prng *d)
{
    struct prng own = dice_for(p->seed, FOR_DISK, 0);
    double garbles = 0.05 * w->of[TROUBLE_DISK], bad = happens(&own, 0.5) ? w->of[TROUBLE_DISK] : 0;
    p->disk = (struct disk_climate){
        .write_us = between(d, 20, 2'000), .sync_us = between(d, 50, 20'000),
        .full_per_write = 0.002 * bad, .fail_per_write = 0.0005 * bad, .full_per_blocking_call = 0.002 * bad, .fail_per_blocking_call = 0.0005 * bad,
        .full_for_us = between(d, second_us, 60 * second_us), .capacity_bytes = UINT64_C(1) << 34, .garble_per_sector = happens(d, 0.5) ? garbles : 0,
    };
}

static void draw_database(struct plan *p, const struct weather *w, struct prng *d)
{
    double bad = w->of[TROUBLE_DATABASE];
    p->database = (struct database_climate){
        .connect_us = between(d, 500, 20'000), .unit_us = between(d, 100, 10'000),
        .refuse_per_connect = 0.3 * bad, .die_before_per_unit = 0.01 * bad, .die_after_per_unit = 0.01 * bad, .try_again_per_unit = 0.05 * bad, .slow_per_unit = 0.01 * bad,
    };
}

static void draw_calcom(struct plan *p, const struct weather *w, struct prng *d)
{
    bool     narrow = happens(d, 0.3); /* few requests a minute: everything waits for room */
    p->calcom_requests_per_minute = narrow ? 30 : 120;
    p->budget_per_minute = narrow ? 26 : 110;
    p->calcom = (struct sim_settings){ .chunked = happens(d, 0.3), .reset_is_epoch = happens(d, 0.3) };
    uint64_t lag_ms = between(d, 100, 8'000), window_ms = between(d, 1, 500);
    enum sim_loser loser = (enum sim_loser)prng_below(d, SIM_LOSER_500_PLAIN + 1);
    enum sim_retry_after retry_after = (enum sim_retry_after)prng_below(d, SIM_RETRY_AFTER_NEGATIVE + 1);
    if (w->of[TROUBLE_CALCOM] == 0) return;
    p->calcom.replica_lag_ms = (uint32_t)lag_ms;
    p->calcom.race_window_ms = (uint32_t)window_ms;
    p->calcom.loser = loser;
    p->calcom.retry_after = retry_after;
}

/* What the settings say, what Cal.com's answers say, or the settings alone, for nobody else says anything. */
static void narrow_budget(struct plan *p)
{
    struct prng d = dice_for(p->seed, FOR_THEME, 1);
    uint32_t least = (uint32_t)between(&d, 8, 20);
    if (p->theme != THEME_NARROW_BUDGET) return;
    p->budget_per_minute = happens(&d, 0.3) ? 110 : least;
    p->calcom.limit_is_untold = p->budget_per_minute == least && happens(&d, 0.5);
    p->calcom_requests_per_minute = least + (p->calcom.limit_is_untold ? 2 : calcom_requests_left_min);
}

/* Mostly as good as never. */
static void draw_stalls(struct plan *p)
{
    static const double rates[] = { 0.002, 0.01, 0.03 };
    struct prng d = dice_for(p->seed, FOR_STALLS, 0);
    if (happens(&d, 0.2) || p->theme == THEME_RESTLESS_TENANTS) p->stalls_per_step = rates[prng_below(&d, 3)];
}

/* Names and subscribers have dice of their own. */
static void draw_names(struct plan *p, const struct weather *w)
{
    struct prng d = dice_for(p->seed, FOR_NAMES, 0);
    double bad = w->of[TROUBLE_NETWORK];
    p->has_names = happens(&d, 0.5);
    p->unknown_per_name = happens(&d, 0.5) ? 0.5 * bad : 0.05 * bad;
    enum planned_subscriber subscriber = happens(&d, 0.7) ? PLAN_ENGINE_SUBSCRIBES : PLAN_NOBODY_SUBSCRIBES;
    p->subscriber = happens(&d, 0.4) ? subscriber : PLAN_NO_SUBSCRIBER;
}

static void draw_room(struct plan *p, uint32_t minutes)
{
    struct prng d = dice_for(p->seed, FOR_ROOM, 0);
    bool narrow = happens(&d, 0.1);
    p->room = (struct planned_room){ .calls = 1'024 + 128 * minutes, .webhooks = 1'024, .connections = 256 };
    if (narrow) p->room = (struct planned_room){ .calls = (uint32_t)between(&d, 8, 64), .webhooks = (uint32_t)between(&d, 4, 64), .connections = (uint32_t)between(&d, 16, 32) };
}

/* -- when it is -- */

/* Both changes of daylight saving time in Berlin, New York and on Lord Howe. */
static const int64_t clock_changes_s[] = { 1'774'746'000, 1'792'890'000, 1'772'953'200, 1'793'512'800, 1'775'314'800, 1'790'953'200 };

static int64_t draw_beginning(struct prng *d)
{
    int64_t year_2026_s = 1'767'225'600, at_s = year_2026_s + (int64_t)prng_below(d, 365 * 86'400);
    int64_t change_s = clock_changes_s[prng_below(d, sizeof clock_changes_s / sizeof *clock_changes_s)];
    int64_t before_s = happens(d, 0.5) ? (int64_t)prng_below(d, 600) : (int64_t)prng_below(d, 3 * 86'400);
    return (happens(d, 0.33) ? change_s - before_s : at_s) * 1'000'000;
}

/* -- who lives in it -- */

[[gnu::format(printf, 3, 4)]] static void print_into(char *to, size_t room, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(to, room, format, arguments);
    va_end(arguments);
    ensure(length >= 0 && (size_t)length < room);
}
#define PRINT_INTO(array, ...) print_into((array), sizeof(array), __VA_ARGS__)

static void draw_workspaces(struct plan *p, const struct weather *w, struct prng *d)
{
    p->workspace_count = (uint32_t)between(d, 1, PLAN_WORKSPACES_MAX);
    for (uint32_t n = 0; n < p->workspace_count; n++) {
        struct planned_workspace *space = &p->workspaces[n];
        uint64_t secret = prng_next(d), old_secret = prng_next(d);
        *space = (struct planned_workspace){ .id = 11 + n, .is_default = n == 0 };
        PRINT_INTO(space->key, "ws%u", n);
        PRINT_INTO(space->token, "wt_%u_%012llx", n, (unsigned long long)(prng_next(d) >> 16));
        PRINT_INTO(space->api_key, "key_secret_%u_%016llx", n, (unsigned long long)secret);
        bool rotates = happens(d, 0.3) || w->of[TROUBLE_TENANTS] > 0;
        if (rotates) PRINT_INTO(space->old_api_key, "key_secret_old_%u_%016llx", n, (unsigned long long)old_secret);
    }
}

static void draw_service(struct planned_company *c, uint32_t company, uint32_t n, struct prng *d)
{
    static const enum planned_kind kinds[PLAN_SERVICES_MAX] = { PLAN_INDIVIDUAL, PLAN_SHARED, PLAN_ROUND_ROBIN, PLAN_CONFIRMED };
    static const uint32_t lengths[] = { 15, 20, 30, 45, 60, 90 };
    struct planned_service *s = &c->services[n];
    int64_t people = 100 + 10 * (int64_t)company, types = 70'000 + 100 * (int64_t)company + 10 * (int64_t)n;
    *s = (struct planned_service){ .kind = kinds[(n + 2 * (company % 2)) % PLAN_SERVICES_MAX], .minutes = lengths[prng_below(d, 6)], .id = 5'001 + 10 * (int64_t)company + n, .event_type = types };
    if (happens(d, 0.3)) s->buffer_after_minutes = 5;
    PRINT_INTO(s->name, "%s Dienst %u", c->key, n);
    switch (s->kind) {
    case PLAN_INDIVIDUAL:
        s->host = people;
        if (happens(d, 0.5)) s->second_host = people + 1, s->second_event_type = types + 1;
        break;
    case PLAN_SHARED:      s->host = people; break;
    case PLAN_ROUND_ROBIN: s->host = people + 2; s->second_host = people + 3; break;
    case PLAN_CONFIRMED:   s->host = people + 4; break;
    }
}

/* As long as each other: so two appointments of one host either are one start, which Cal.com books once, or do not meet. */
static void share_two_hosts(struct planned_company *c)
{
    for (uint32_t n = 0; n < c->service_count; n++) {
        struct planned_service *s = &c->services[n];
        s->kind = PLAN_ROUND_ROBIN;
        s->minutes = c->services[0].minutes;
        s->host = c->services[0].host;
        s->second_host = s->host + 1;
        s->second_event_type = 0;
    }
}

/* Of what is only pending Cal.com keeps no key: two creates that do not see each other are two bookings. Each with a host of its own, who may leave it pending. */
static void have_everything_confirmed(struct planned_company *c)
{
    int64_t first_host = 104 + 10 * (c->id - 101);
    for (uint32_t n = 0; n < c->service_count; n++) {
        struct planned_service *s = &c->services[n];
        s->kind = PLAN_CONFIRMED;
        s->host = first_host + n;
        s->second_host = s->second_event_type = 0;
    }
}

static void draw_company(struct plan *p, uint32_t n, struct prng *d, bool keys_change)
{
    static const char *const zones[] = { "Europe/Berlin", "Europe/Berlin", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata" };
    struct planned_company *c = &p->companies[n];
    bool shares = n > 0 && happens(d, p->theme == THEME_NARROW_BUDGET ? 0.8 : 0.35);
    uint32_t shared_with = n > 0 ? (uint32_t)prng_below(d, n) : 0;
    *c = (struct planned_company){ .workspace = (uint32_t)prng_below(d, p->workspace_count), .id = 101 + n, .branch_id = 1'001 + n };
    c->credential = shares ? p->companies[shared_with].credential : n;
    PRINT_INTO(c->key, "co%u-%05llx", n, (unsigned long long)(prng_next(d) & 0xfffff));
    PRINT_INTO(c->number, "+49305%u%06llu", n, (unsigned long long)prng_below(d, 1'000'000));
    PRINT_INTO(c->time_zone, "%s", zones[prng_below(d, 6)]);
    PRINT_INTO(c->calcom_key, "cal_secret_%u_%016llx", c->credential, (unsigned long long)dice_for(p->seed, FOR_TENANTS, c->credential).state);
    if (keys_change) PRINT_INTO(c->next_calcom_key, "cal_secret_next_%u_%012llx", c->credential, (unsigned long long)(dice_for(p->seed, FOR_TENANTS, c->credential).state >> 16));
    c->service_count = (uint32_t)between(d, 1, PLAN_SERVICES_MAX);
    for (uint32_t s = 0; s < c->service_count; s++) draw_service(c, n, s, d);
    if (p->theme == THEME_LATE_COMMITS) share_two_hosts(c);
    if (p->theme == THEME_DOUBLES) have_everything_confirmed(c);
}

static void draw_tenants(struct plan *p, const struct weather *w)
{
    struct prng d = dice_for(p->seed, FOR_TENANTS, 1'000);
    bool keys_change = w->of[TROUBLE_TENANTS] > 0 && happens(&d, 0.5);
    draw_workspaces(p, w, &d);
    p->company_count = (uint32_t)between(&d, 2, p->theme == THEME_LATE_COMMITS ? 3 : PLAN_COMPANIES_MAX);
    for (uint32_t n = 0; n < p->company_count; n++) draw_company(p, n, &d, keys_change);
}

/* -- what they do -- */

static void draw_caller(const struct plan *p, struct planned_call *c, struct prng *d)
{
    const struct planned_company *company = &p->companies[c->company];
    c->unknown_number = happens(d, 0.05);
    if (c->unknown_number) PRINT_INTO(c->to, "+4999%08u", c->number);
    else PRINT_INTO(c->to, "%s", company->number);
    if (happens(d, 0.15)) PRINT_INTO(c->from, "%s", happens(d, 0.5) ? "anonymous" : "");
    else if (happens(d, 0.2)) PRINT_INTO(c->from, "+4915990%02llu", (unsigned long long)prng_below(d, 10)); /* calls more than one company */
    else PRINT_INTO(c->from, "+49151%u%05u", c->company, c->number);
}

/* A wall time of the next days, on the grid of the slots as a rule. Few days and hours, so that callers meet. */
static void draw_appointment(const struct plan *p, struct planned_call *c, struct prng *d)
{
    const struct planned_service *s = plan_service_said(p, c);
    struct time_zone *zone = time_zone_open(slice_from_text(p->companies[c->company].time_zone));
    ensure(zone);
    uint64_t day = happens(d, 0.1) ? 0 : happens(d, 0.05) ? between(d, 360, 380) : between(d, 1, 3);
    uint64_t minute = prng_below(d, 1'440 / s->minutes) * s->minutes;
    if (happens(d, 0.7)) minute = (600 / s->minutes + prng_below(d, 240 / s->minutes + 1)) * s->minutes;
    if (happens(d, 0.05)) minute += 7;
    struct wall_time at = instant_to_wall(zone, p->wall_us + (int64_t)day * day_us);
    at.hour = (uint8_t)(minute / 60 % 24);
    at.minute = (uint8_t)(minute % 60);
    at.second = 0;
    bool german = happens(d, 0.3);
    if (german) PRINT_INTO(c->date, "%02u.%02u.%04d", at.day, at.month, at.year);
    else PRINT_INTO(c->date, "%04d-%02u-%02u", at.year, at.month, at.day);
    PRINT_INTO(c->time, "%02u:%02u", at.hour, at.minute);
    enum wall_outcome outcome = wall_to_instant(zone, at, &c->starts_at_us);
    if (outcome != WALL_OK && outcome != WALL_FOLD) c->starts_at_us = 0;
    time_zone_close(zone);
}

static void draw_booking(const struct plan *p, struct planned_call *c, struct prng *d)
{
    c->wants_booking = happens(d, 0.75);
    c->service = (uint32_t)prng_below(d, p->companies[c->company].service_count);
    c->names_service = happens(d, 0.85);
    if (!c->wants_booking) return;
    draw_appointment(p, c, d);
    if (happens(d, 0.03)) PRINT_INTO(c->date, "%s", happens(d, 0.5) ? "31.02.2026" : "demnächst"), c->starts_at_us = 0;
    if (!happens(d, 0.04)) PRINT_INTO(c->name, "%s Gast %u", p->companies[c->company].key, c->number);
}

static void draw_telling(struct planned_call *c, struct prng *d)
{
    enum { STARTED = 1 << SCRIPT_STARTED, ENDED = 1 << SCRIPT_ENDED, ANALYZED = 1 << SCRIPT_ANALYZED };
    static const uint8_t partly[] = { STARTED, STARTED | ENDED, STARTED | ENDED, STARTED | ANALYZED, ENDED | ANALYZED, ENDED, ANALYZED };
    c->tells = happens(d, 0.75) ? STARTED | ENDED | ANALYZED : partly[prng_below(d, sizeof partly)];
    c->repeats = (uint8_t)(happens(d, 0.3) ? between(d, 1, 3) : 0);
    c->reorders = happens(d, 0.2);
    c->body_is_long = happens(d, 0.05);
    c->bogus = (uint32_t)(happens(d, 0.15) ? between(d, 1, 4) : 0);
}

/* Long after the last change: whoever has missed it knows no such number. */
static void make_late(const struct plan *p, struct planned_call *c, struct prng *d)
{
    c->is_late = true;
    c->unknown_number = false;
    c->begins_at_us = p->calm_at_us + 10 * minute_us + prng_below(d, minute_us);
}

static void draw_call(struct plan *p, uint32_t n)
{
    struct prng d = dice_for(p->seed, FOR_CALLS, n);
    struct planned_call *c = &p->calls[n];
    *c = (struct planned_call){ .number = n, .company = (uint32_t)prng_below(&d, p->company_count) };
    c->begins_at_us = world_begins_at_us + second_us + prng_below(&d, p->busy_until_us - world_begins_at_us - second_us);
    c->duration_ms = (uint32_t)(happens(&d, 0.1) ? between(&d, 180'000, 600'000) : between(&d, 2'000, 120'000));
    PRINT_INTO(c->id, "call_%s_%04u_%08llx", p->companies[c->company].key, n, (unsigned long long)(prng_next(&d) >> 32));
    draw_caller(p, c, &d);
    draw_booking(p, c, &d);
    draw_telling(c, &d);
    if (n < LATE_CALLS) make_late(p, c, &d);
}

static void draw_calls(struct plan *p, struct prng *d, uint32_t minutes)
{
    uint64_t wanted = minutes * between(d, CALLS_PER_MINUTE_MIN, CALLS_PER_MINUTE_MAX);
    p->call_count = (uint32_t)(wanted < PLAN_CALLS_MAX ? wanted : PLAN_CALLS_MAX);
    for (uint32_t n = 0; n < p->call_count; n++) draw_call(p, n);
}

struct call_script plan_script(const struct plan *p, const struct planned_call *c)
{
    struct call_script s = {
        .call_id = slice_from_text(c->id), .agent_id = slice_of("agent_simulated"), .from_number = slice_from_text(c->from), .to_number = slice_from_text(c->to),
        .started_at_ms = plan_wall_us(p, c->begins_at_us) / 1'000, .duration_ms = c->duration_ms, .body_bytes = c->body_is_long ? 60 * 1024 : 0,
        .seed = dice_for(p->seed, FOR_SPEECH, c->number).state,
    };
    if (!c->wants_booking) return s;
    s.date = slice_from_text(c->date);
    s.time = slice_from_text(c->time);
    s.name = c->name[0] ? slice_from_text(c->name) : slice_absent;
    s.service = c->names_service ? slice_from_text(p->companies[c->company].services[c->service].name) : slice_absent;
    return s;
}

const struct planned_service *plan_service_said(const struct plan *p, const struct planned_call *c)
{
    return &p->companies[c->company].services[c->names_service ? c->service : 0];
}

/* -- what goes wrong -- */

/* Any fault of the simulator's table: new ones are drawn as soon as they are there. Those of webhooks where there are any. */
static bool is_drawn(const struct plan *p, enum sim_fault f)
{
    if (f == SIM_FAULT_REPLY_AFTER_WEBHOOKS || sim_fault_is_of_webhooks(f)) return p->subscriber != PLAN_NO_SUBSCRIBER;
    return f != SIM_FAULT_NO_FAULT;
}

/* The faults of a rule; a share of them are those after which nobody knows whether it is booked. */
static void add_kinds(struct json_writer *w, const struct plan *p, struct prng *d, uint64_t count, double about_outcomes)
{
    json_begin_array(w, "faults");
    while (count > 0) {
        bool           is_about_outcomes = about_outcomes > 0 && happens(d, about_outcomes);
        enum sim_fault fault = (enum sim_fault)prng_below(d, is_about_outcomes ? SIM_FAULT_LOOKUP_FAILS + 1 : SIM_FAULT_COUNT);
        if (!is_drawn(p, fault)) continue;
        json_add_text(w, nullptr, slice_from_text(sim_fault_name(fault)));
        count -= 1;
    }
    json_end_array(w);
}

/* What befalls webhooks themselves, whoever causes them. */
static void draw_webhook_faults(struct planned_fault *f, struct prng *d, double rate)
{
    struct buffer b = buffer_over(f->rule, sizeof f->rule - 1);
    struct json_writer w = json_writer_over(&b);
    json_begin_object(&w, nullptr);
    json_add_integer(&w, "seed", (int64_t)(prng_next(d) >> 12));
    json_add_real(&w, "rate", rate);
    json_add_text(&w, "endpoint", slice_of("webhook"));
    if (happens(d, 0.7)) json_add_integer(&w, "delay_ms", (int64_t)between(d, 1, late_ms_max));
    json_begin_array(&w, "faults");
    for (uint64_t more = between(d, 1, 4); more > 0;) {
        enum sim_fault fault = (enum sim_fault)prng_below(d, SIM_FAULT_COUNT);
        if (!sim_fault_is_of_webhooks(fault)) continue;
        json_add_text(&w, nullptr, slice_from_text(sim_fault_name(fault)));
        more -= 1;
    }
    json_end_array(&w);
    json_end_object(&w);
    ensure(!b.overflowed);
}

/* The rule that shows whoever asks again too early: nothing is there yet, a second create finds another host free, and then the first is committed after all. */
static void draw_late_commits(struct planned_fault *f, struct prng *d, double rate, double after_patience)
{
    uint64_t after_patience_ms = between(d, 46'000, 58'000); /* the engine has stopped to wait, and looks */
    print_into(f->rule, sizeof f->rule, "{\"seed\":%llu,\"rate\":%.3f,\"endpoint\":\"create_booking\",\"delay_ms\":%llu,\"faults\":[\"late_commit\"]}",
               (unsigned long long)(prng_next(d) >> 12), rate, (unsigned long long)(happens(d, after_patience) ? after_patience_ms : between(d, 500, 5'000)));
}

static void draw_fault(struct plan *p, uint32_t n, double rate)
{
    static const char *const endpoints[] = { "any", "any", "create_booking", "create_booking", "create_booking", "list_bookings", "list_bookings", "slots", "cancel_booking" };
    struct prng d = dice_for(p->seed, FOR_FAULTS, n);
    struct planned_fault *f = &p->faults[n];
    uint64_t busy_us = p->calm_at_us - world_begins_at_us;
    *f = (struct planned_fault){ .number = n, .at_us = world_begins_at_us + (happens(&d, 0.5) ? 0 : prng_below(&d, busy_us / 3)) };
    f->until_us = happens(&d, 0.7) ? p->calm_at_us : f->at_us + between(&d, second_us, busy_us / 2);
    if (happens(&d, 0.15)) return draw_late_commits(f, &d, rate, 0.5);
    if (p->subscriber != PLAN_NO_SUBSCRIBER && happens(&d, 0.25)) return draw_webhook_faults(f, &d, rate);
    struct buffer b = buffer_over(f->rule, sizeof f->rule - 1);
    struct json_writer w = json_writer_over(&b);
    json_begin_object(&w, nullptr);
    json_add_integer(&w, "seed", (int64_t)(prng_next(&d) >> 12));
    json_add_real(&w, "rate", rate);
    json_add_text(&w, "endpoint", slice_from_text(endpoints[prng_below(&d, sizeof endpoints / sizeof *endpoints)]));
    if (happens(&d, 0.7)) json_add_integer(&w, "delay_ms", (int64_t)between(&d, 1, happens(&d, 0.5) ? 5'000 : late_ms_max));
    add_kinds(&w, p, &d, between(&d, 1, 4), 0.6);
    json_end_object(&w);
    ensure(!b.overflowed);
}

static void draw_faults(struct plan *p, const struct weather *w, struct prng *d)
{
    double bad = w->of[TROUBLE_CALCOM];
    p->fault_count = bad > 0 ? (uint32_t)between(d, 1, 2 + (uint64_t)(bad * 12)) : 0;
    for (uint32_t n = 0; n < p->fault_count; n++) draw_fault(p, n, bad * 0.5 + 0.05);
}

/* From the beginning on, and before those of the weather, so that it meets what they do not. */
static struct planned_fault *set_fault(struct plan *p, uint32_t n)
{
    if (p->fault_count <= n) p->fault_count = n + 1;
    p->faults[n] = (struct planned_fault){ .number = n, .at_us = world_begins_at_us, .until_us = p->calm_at_us };
    return &p->faults[n];
}

/* A minute of look-ups after 45 s of patience. Nothing else goes wrong at Cal.com: what is decided there before the first create has landed nobody looks at again. */
static void draw_doubles(struct plan *p, struct prng *d, double rate)
{
    p->fault_count = 0;
    PRINT_INTO(set_fault(p, 0)->rule, "{\"seed\":%llu,\"rate\":%.3f,\"endpoint\":\"create_booking\",\"delay_ms\":%llu,\"faults\":[\"late_commit\"]}",
               (unsigned long long)(prng_next(d) >> 12), rate, (unsigned long long)between(d, 107'000, 118'000));
}

static void draw_faults_of_theme(struct plan *p)
{
    struct prng d = dice_for(p->seed, FOR_THEME, 2);
    double rate = 0.1 + 0.1 * (double)prng_below(&d, 3);
    unsigned long long create_seed = prng_next(&d) >> 12, list_seed = prng_next(&d) >> 12;
    if (p->theme == THEME_LATE_COMMITS) draw_late_commits(set_fault(p, 0), &d, rate, 1);
    if (p->theme == THEME_DOUBLES) draw_doubles(p, &d, 0.2 + rate);
    if (p->theme != THEME_FALSE_REFUSALS) return;
    PRINT_INTO(set_fault(p, 0)->rule, "{\"seed\":%llu,\"rate\":%.3f,\"status\":400,\"endpoint\":\"create_booking\",\"faults\":[\"refused_after_commit\",\"conflict_of_our_own\"]}",
               create_seed, 0.1 + rate);
    PRINT_INTO(set_fault(p, 1)->rule, "{\"seed\":%llu,\"rate\":%.3f,\"endpoint\":\"list_bookings\",\"faults\":[\"lookup_fails\"]}", list_seed, 0.7);
}

static bool has_room_for_more_faults(const struct plan *p)
{
    return p->fault_count > 0 && p->fault_count < PLAN_FAULTS_MAX && p->theme != THEME_DOUBLES;
}

/* F23: only of creates, and where webhooks are. */
static void draw_late_replies(struct plan *p, struct prng d)
{
    if (p->subscriber == PLAN_NO_SUBSCRIBER || !has_room_for_more_faults(p) || !happens(&d, 0.5)) return;
    PRINT_INTO(set_fault(p, p->fault_count)->rule, "{\"seed\":%llu,\"rate\":0.3,\"endpoint\":\"create_booking\",\"delay_ms\":%llu,\"faults\":[\"reply_after_webhooks\"]}",
               (unsigned long long)(prng_next(&d) >> 12), (unsigned long long)between(&d, 100, 20'000));
}

/* So many kinds that some dozens of worlds meet every one. */
static void draw_variety(struct plan *p, struct prng d)
{
    if (!has_room_for_more_faults(p) || !happens(&d, 0.6)) return;
    struct planned_fault *f = set_fault(p, p->fault_count);
    struct buffer b = buffer_over(f->rule, sizeof f->rule - 1);
    struct json_writer w = json_writer_over(&b);
    json_begin_object(&w, nullptr);
    json_add_integer(&w, "seed", (int64_t)(prng_next(&d) >> 12));
    json_add_real(&w, "rate", 0.12);
    add_kinds(&w, p, &d, 20, 0);
    json_end_object(&w);
    ensure(!b.overflowed);
}

/* What the rules of the weather meet in one world of a hundred. Only where Cal.com misbehaves anyway, and after its other rules. */
static void draw_rare_faults(struct plan *p)
{
    draw_late_replies(p, dice_for(p->seed, FOR_CALCOM, 1));
    draw_variety(p, dice_for(p->seed, FOR_CALCOM, 2));
}

/* Which trouble brings it, and how many of it there are at most. */
static const struct { enum trouble of; uint32_t most; } incident_table[INCIDENT_KIND_COUNT] = {
    [INCIDENT_KILL_ENGINE] = { TROUBLE_CRASHES, 6 },        [INCIDENT_STOP_ENGINE] = { TROUBLE_CRASHES, 2 },  [INCIDENT_FREEZE_ENGINE] = { TROUBLE_CRASHES, 1 },
    [INCIDENT_SHARDS_CHANGE] = { TROUBLE_CRASHES, 3 },      [INCIDENT_DATABASE_DOWN] = { TROUBLE_OUTAGES, 2 }, [INCIDENT_DATABASE_SLOW] = { TROUBLE_OUTAGES, 2 },
    [INCIDENT_CALCOM_UNREACHABLE] = { TROUBLE_OUTAGES, 2 }, [INCIDENT_ENGINE_UNREACHABLE] = { TROUBLE_OUTAGES, 2 },
    [INCIDENT_DISK_FULL] = { TROUBLE_DISK, 2 },             [INCIDENT_DISK_FAILS] = { TROUBLE_DISK, 1 },      [INCIDENT_CLOCK_JUMPS] = { TROUBLE_CLOCK, 3 },
    [INCIDENT_TENANTS_CHANGE] = { TROUBLE_TENANTS, 5 },     [INCIDENT_HOST_EDITS] = { TROUBLE_HOSTS, 8 },     [INCIDENT_HAND_OVER] = { TROUBLE_HAND_OVER, 2 },
};

static void draw_details(struct planned_incident *i, struct prng *d)
{
    switch (i->kind) {
    case INCIDENT_KILL_ENGINE:        i->extra = happens(d, 0.3) ? 0 : 1 + (int64_t)magnitude(d, 30'000); return;
    case INCIDENT_FREEZE_ENGINE:      i->for_us = between(d, second_us / 10, 40 * second_us); return;
    case INCIDENT_DATABASE_DOWN:
    case INCIDENT_CALCOM_UNREACHABLE:
    case INCIDENT_ENGINE_UNREACHABLE:
    case INCIDENT_DISK_FULL:          i->for_us = between(d, second_us / 10, happens(d, 0.3) ? 240 * second_us : 15 * second_us); return;
    case INCIDENT_DISK_FAILS:         i->for_us = between(d, second_us / 10, 60 * second_us); return;
    case INCIDENT_DATABASE_SLOW:      i->for_us = between(d, second_us, 60 * second_us); i->extra = (int64_t)magnitude(d, 15'000'000); return;
    case INCIDENT_CLOCK_JUMPS:        i->extra = ((int64_t)prng_below(d, 2) * 2 - 1) * (int64_t)magnitude(d, happens(d, 0.2) ? 10 * minute_us : 10 * second_us); return;
    case INCIDENT_HOST_EDITS:         i->extra = (int64_t)prng_below(d, HOST_EDITS); return;
    case INCIDENT_SHARDS_CHANGE:      i->extra = (int64_t)between(d, 1, PLAN_SHARDS_MAX); return;
    case INCIDENT_HAND_OVER:          i->for_us = between(d, second_us / 10, 90 * second_us); i->extra = (int64_t)magnitude(d, 60 * second_us); return;
    case INCIDENT_STOP_ENGINE:
    case INCIDENT_TENANTS_CHANGE:
    case INCIDENT_KIND_COUNT:         return;
    }
    ensure(false);
}

static void add_incident(struct plan *p, enum incident_kind kind)
{
    if (p->incident_count == PLAN_INCIDENTS_MAX) return;
    uint32_t n = p->incident_count++;
    struct prng d = dice_for(p->seed, FOR_INCIDENTS, n);
    struct planned_incident *i = &p->incidents[n];
    *i = (struct planned_incident){ .number = n, .kind = kind };
    uint64_t most_is_told_us = p->busy_until_us + 90 * second_us;
    i->at_us = world_begins_at_us + second_us + prng_below(&d, (happens(&d, 0.7) ? most_is_told_us : p->calm_at_us - minute_us) - world_begins_at_us);
    bool hurries = kind == INCIDENT_TENANTS_CHANGE && n > 0 && i[-1].kind == kind && happens(&d, 0.5);
    if (hurries) i->at_us = i[-1].at_us + prng_below(&d, second_us / 20); /* one while the one before is being read */
    draw_details(i, &d);
    if (i->for_us && i->at_us + i->for_us > p->calm_at_us) i->for_us = p->calm_at_us - i->at_us;
}

/* Who was away when it was told must ask. The last change of all, late enough that few starts follow, which ask anyway. */
static void change_in_an_outage(struct plan *p)
{
    struct prng d = dice_for(p->seed, FOR_INCIDENTS, PLAN_INCIDENTS_MAX);
    if (!happens(&d, 0.1) || p->incident_count + 2 > PLAN_INCIDENTS_MAX) return;
    add_incident(p, INCIDENT_DATABASE_DOWN);
    add_incident(p, INCIDENT_TENANTS_CHANGE);
    struct planned_incident *down = &p->incidents[p->incident_count - 2], *change = &p->incidents[p->incident_count - 1];
    down->at_us = p->calm_at_us - between(&d, 60 * second_us, 240 * second_us);
    down->for_us = between(&d, 2 * second_us, 20 * second_us);
    change->at_us = down->at_us + prng_below(&d, down->for_us);
}

/* So many changes at least, and often the next one, each while the one before is being loaded. */
static void change_at(struct plan *p, struct prng *d, uint64_t at_us, uint32_t times)
{
    for (uint32_t n = 0; n < times || happens(d, 0.4); n++) {
        add_incident(p, INCIDENT_TENANTS_CHANGE);
        p->incidents[p->incident_count - 1].at_us = at_us;
        at_us += between(d, 1, 3 * p->database.unit_us + second_us / 500);
    }
}

/* While most is told. And at the end, when few starts follow, twice: whoever has heard of the first alone is behind for ever. */
static void change_restlessly(struct plan *p)
{
    enum { CHANGES_MAX = 40, ROOM_FOR_THE_LAST = 16 };
    struct prng d = dice_for(p->seed, FOR_THEME, 3);
    uint64_t most_is_told_us = p->busy_until_us + minute_us;
    if (p->theme != THEME_RESTLESS_TENANTS) return;
    for (uint32_t n = 0; n < CHANGES_MAX && p->incident_count + ROOM_FOR_THE_LAST < PLAN_INCIDENTS_MAX; n++)
        change_at(p, &d, world_begins_at_us + second_us + prng_below(&d, most_is_told_us - world_begins_at_us), 1);
    change_at(p, &d, p->calm_at_us - between(&d, 5 * second_us, 90 * second_us), 2);
}

static void have_pending_decided(struct plan *p)
{
    uint32_t before = p->incident_count;
    for (uint32_t n = 0; n < 3; n++) add_incident(p, INCIDENT_HOST_EDITS);
    for (uint32_t n = before; n < p->incident_count; n++) p->incidents[n].extra = HOST_SETTLES_PENDING;
}

/* Somebody decides about what is pending, whatever the weather; but where it comes in pairs, nobody does. */
static void draw_incidents(struct plan *p, const struct weather *w, struct prng *d)
{
    for (uint64_t k = 0; k < INCIDENT_KIND_COUNT; k++) {
        double bad = w->of[incident_table[k].of];
        uint64_t most = bad > 0 ? 1 + (uint64_t)(bad * incident_table[k].most) : 0;
        if (k == INCIDENT_HOST_EDITS && p->theme == THEME_DOUBLES) continue;
        for (uint64_t count = prng_below(d, most + 1); count > 0; count--) add_incident(p, (enum incident_kind)k);
    }
    if (p->theme != THEME_DOUBLES) have_pending_decided(p);
    change_in_an_outage(p);
    change_restlessly(p);
}

/* How many changes of the configuration there will have been. */
static uint32_t last_revision(const struct plan *p)
{
    uint32_t changes = 0;
    for (uint32_t n = 0; n < p->incident_count; n++) changes += p->incidents[n].kind == INCIDENT_TENANTS_CHANGE && !p->incidents[n].is_left_out;
    return changes;
}

static void number_late_calls(struct plan *p)
{
    for (uint32_t n = 0; n < p->call_count; n++)
        if (p->calls[n].is_late) plan_print_number(p->calls[n].to, p, p->calls[n].company, last_revision(p));
}

void plan_print_number(char number[20], const struct plan *p, uint32_t company, uint32_t revision) { print_into(number, 20, "%s%02u", p->companies[company].number, revision); }

void plan_print_company_name(char name[40], const struct plan *p, uint32_t company, uint32_t revision)
{
    print_into(name, 40, "%s Salon (%u)", p->companies[company].key, revision);
}

void plan_draw(struct plan *p, uint64_t seed, uint32_t minutes)
{
    static struct weather weather; /* plan.weather points to its text */
    struct prng d = dice_for(seed, FOR_WEATHER, 0);
    weather = draw_weather(&d);
    worsen_calcom(&weather, seed);
    name_weather(&weather);
    *p = (struct plan){ .seed = seed, .weather = weather.text, .wall_us = draw_beginning(&d), .shards = (uint32_t)between(&d, 1, PLAN_SHARDS_MAX) };
    draw_theme(p);
    p->busy_until_us = world_begins_at_us + minutes * minute_us;
    p->calm_at_us = p->busy_until_us + storm_after_calls_us;
    p->ends_at_us = p->calm_at_us + settling_us;
    p->tls = happens(&d, 0.1) && world_trust != nullptr;
    draw_network(p, &weather, &d);
    draw_disk(p, &weather, &d);
    draw_database(p, &weather, &d);
    draw_calcom(p, &weather, &d);
    narrow_budget(p);
    draw_stalls(p);
    draw_names(p, &weather);
    draw_room(p, minutes);
    draw_tenants(p, &weather);
    draw_calls(p, &d, minutes);
    draw_faults(p, &weather, &d);
    draw_faults_of_theme(p);
    draw_rare_faults(p);
    draw_incidents(p, &weather, &d);
    number_late_calls(p);
}

/* -- for people -- */

#define INCIDENT_NAME(name) #name,
const char *incident_name(enum incident_kind k)
{
    static const char *const names[] = { INCIDENTS(INCIDENT_NAME) };
    ensure(k < INCIDENT_KIND_COUNT);
    return names[k];
}

static double seconds(uint64_t at_us) { return (double)(at_us - world_begins_at_us) / 1e6; }
static const char *left_out(bool is_left_out) { return is_left_out ? "  (left out)" : ""; }

static void print_call(const struct planned_call *c)
{
    printf("  c%-3u %8.3f s  %s %u s%s%s%s%s tells %u, repeats %u, bogus %u", c->number, seconds(c->begins_at_us), c->id, c->duration_ms / 1'000,
           c->unknown_number ? ", unknown number" : "", c->from[0] == '+' ? "" : ", withheld", c->reorders ? ", reordered" : "", c->body_is_long ? ", long" : "", c->tells,
           c->repeats, c->bogus);
    if (c->wants_booking) printf(", books %u at %s %s", c->service, c->date, c->time);
    printf("%s\n", left_out(c->is_left_out));
}

void plan_print(const struct plan *p)
{
    static const char *const subscribers[] = { "to nobody", "to the engine", "to a port where nobody listens" };
    char memory[40] = { 0 };
    struct buffer begins = buffer_over(memory, sizeof memory - 1);
    instant_print(&begins, p->wall_us);
    printf("seed %llu: from %s, %u shards%s, %s; about %s\n", (unsigned long long)p->seed, memory, p->shards, p->tls ? ", TLS" : "", p->weather, theme_names[p->theme]);
    printf("  Cal.com %s, webhooks %s; room for %u calls, %u webhooks, %u connections\n", p->has_names || p->tls ? "by its name" : "by its address", subscribers[p->subscriber],
           p->room.calls, p->room.webhooks, p->room.connections);
    printf("  %u requests a minute of a key%s, settings say %u; stalls %.3f\n", p->calcom_requests_per_minute, p->calcom.limit_is_untold ? ", untold" : "", p->budget_per_minute,
           p->stalls_per_step);
    printf("  busy for %.0f s, calm at %.0f s, ends at %.0f s\n", seconds(p->busy_until_us), seconds(p->calm_at_us), seconds(p->ends_at_us));
    for (uint32_t n = 0; n < p->company_count; n++)
        printf("  company %lld %s: workspace %lld, credential %u, %u services, %s\n", (long long)p->companies[n].id, p->companies[n].key,
               (long long)p->workspaces[p->companies[n].workspace].id, p->companies[n].credential, p->companies[n].service_count, p->companies[n].time_zone);
    for (uint32_t n = 0; n < p->fault_count; n++)
        printf("  f%-3u %8.3f s  until %.3f s %s%s\n", n, seconds(p->faults[n].at_us), seconds(p->faults[n].until_us), p->faults[n].rule, left_out(p->faults[n].is_left_out));
    for (uint32_t n = 0; n < p->incident_count; n++)
        printf("  i%-3u %8.3f s  %s for %.3f s, %lld%s\n", n, seconds(p->incidents[n].at_us), incident_name(p->incidents[n].kind), (double)p->incidents[n].for_us / 1e6,
               (long long)p->incidents[n].extra, left_out(p->incidents[n].is_left_out));
    for (uint32_t n = 0; n < p->call_count; n++) print_call(&p->calls[n]);
}

bool plan_leave_out(struct plan *p, const char *entry)
{
    char *end;
    unsigned long n = entry[0] ? strtoul(entry + 1, &end, 10) : 0;
    if (!entry[0] || end == entry + 1 || *end) return false;
    bool *out = entry[0] == 'c' && n < p->call_count ? &p->calls[n].is_left_out
              : entry[0] == 'f' && n < p->fault_count ? &p->faults[n].is_left_out
              : entry[0] == 'i' && n < p->incident_count ? &p->incidents[n].is_left_out : nullptr;
    if (!out) return false;
    *out = true;
    number_late_calls(p);
    return true;
}
