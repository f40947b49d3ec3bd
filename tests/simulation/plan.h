#pragma once
/* tests/simulation/plan.h: what one world is, drawn from its seed before it begins: who lives in it, what they will do, and what goes wrong. Everything that a shrinker
 * may leave out is an entry of a list here, with a number that stays its own; what happens in the world beyond that is thrown by the dice of its part.
 *
 * Swarm: each world draws its own weights first (which faults there are at all, how often), then the entries; a uniform mix never gets into the corners. */
#include "disk.h"
#include "kernel.h"
#include "network.h"
#include "sim/call_script.h"
#include "sim/faults.h"
#include "sim/world.h"
#include "database/database.h"

constexpr uint64_t world_begins_at_us = UINT64_C(1'000'000'000); /* world_now_us() at plan.wall_us */
constexpr uint16_t plan_engine_port = 8080, plan_port_of_nobody = 7;
enum { PLAN_WORKSPACES_MAX = 3, PLAN_COMPANIES_MAX = 6, PLAN_SERVICES_MAX = 4, PLAN_CALLS_MAX = 4'096, PLAN_FAULTS_MAX = 24, PLAN_INCIDENTS_MAX = 96, PLAN_SHARDS_MAX = 4 };

/* -- who lives in it -- */

/* old_api_key empty: no rotation under way; from the second TENANTS_CHANGE on it is void. */
struct planned_workspace { int64_t id; char key[24], token[40], api_key[48], old_api_key[48]; bool is_default; };

/* Whose calendar a booking fills. Every one has hosts of his own, but INDIVIDUAL and SHARED: two event types of one host, which the engine must keep apart. */
enum planned_kind : uint8_t { PLAN_INDIVIDUAL, PLAN_SHARED, PLAN_ROUND_ROBIN, PLAN_CONFIRMED /* pending until somebody at Cal.com says so */ };
/* second_event_type: of another member of the staff who does the same; 0: nobody. host: the user at Cal.com; the second host, where there is one, is the next. */
struct planned_service { char name[32]; enum planned_kind kind; uint32_t minutes, buffer_after_minutes; int64_t id, event_type, second_event_type, host, second_host; };
/* credential: companies with the same one share a Cal.com key, so a budget, a breaker and a home shard. next_calcom_key: taken into use at the third
 * TENANTS_CHANGE; empty: never. The names of everything begin with the company's key, so that what is seen under another company is recognised. */
struct planned_company {
    char     key[16], number[20], time_zone[32];
    uint32_t workspace, credential;
    char     calcom_key[40], next_calcom_key[40];
    struct planned_service services[PLAN_SERVICES_MAX];
    uint32_t service_count;
    int64_t  id, branch_id; /* in the database */
};

/* -- what they do -- */

/* A call as Retell will tell of it: the shapes of SCENARIOS. */
struct planned_call {
    uint32_t number, company;     /* number: its own for ever */
    bool     is_left_out;         /* by the shrinker */
    uint64_t begins_at_us;        /* world time */
    uint32_t duration_ms;
    char     id[40], from[20];    /* from empty: withheld ("anonymous" is another shape of it) */
    char     to[20];
    bool     unknown_number;      /* the called number is nobody's */
    bool     is_late;             /* when all is calm, to a number that only the last of the configurations has */
    bool     wants_booking, names_service;
    uint32_t service;
    char     date[16], time[8], name[40]; /* as said; name empty: it was never asked for */
    int64_t  starts_at_us;        /* what was said as an instant: two callers may want the same. 0: there is no such instant */
    uint8_t  tells;               /* bit per call_event: those that are not in it are never sent (lost ends) */
    uint8_t  repeats;             /* each event is sent so many times more, on other connections */
    bool     reorders, body_is_long;
    uint32_t bogus;               /* of what else is sent in its name: bad signatures, stale timestamps, broken JSON, other kinds of events */
};

/* -- what goes wrong, at an instant -- */

#define INCIDENTS(X)                                                                                                                                        \
    X(KILL_ENGINE)        /* kill -9 of the engine at an instant; `extra`: it dies at the so-many-th seam call after it instead (0: at once) */              \
    X(STOP_ENGINE)        /* SIGTERM: it drains, and is started again */                                                                                    \
    X(FREEZE_ENGINE)      /* stopped for `for_us`, then it goes on as if nothing had been */                                                                \
    X(DATABASE_DOWN)      /* for_us; connections die at once, in the middle of what they do */                                                              \
    X(DATABASE_SLOW)      /* every unit takes `extra` µs more */                                                                                            \
    X(CALCOM_UNREACHABLE) X(ENGINE_UNREACHABLE) /* a cut in the network, for_us */                                                                           \
    X(DISK_FULL) X(DISK_FAILS)                                                                                                                              \
    X(TENANTS_CHANGE)     /* the configuration is written anew while calls run: a name, an order, a key rotated */                                          \
    X(CLOCK_JUMPS)        /* the engine's wall clock is off by `extra` µs (signed) from now on */                                                           \
    X(HOST_EDITS)         /* out of band at Cal.com (S21): `extra` is an enum host_edit */                                                           \
    X(SHARDS_CHANGE)      /* the next start has `extra` shards */                                                                                            \
    X(HAND_OVER)          /* the engine's machine stops for for_us and is taken for dead: another one takes over; then the old one goes on, for `extra` µs */
enum host_edit : uint8_t { HOST_CANCELS, HOST_MOVES, HOST_IS_BUSY, HOST_SETTLES_PENDING, HOST_EDITS };
#define INCIDENT_ENUMERATOR(name) INCIDENT_##name,
enum incident_kind : uint8_t { INCIDENTS(INCIDENT_ENUMERATOR) INCIDENT_KIND_COUNT };
[[nodiscard]] const char *incident_name(enum incident_kind k);
struct planned_incident { uint32_t number; bool is_left_out; enum incident_kind kind; uint64_t at_us, for_us; int64_t extra; };

/* What is met only where several things come together is drawn together: half of the worlds are about one such thing. The weather is theirs as everybody's. */
#define THEMES(X)                                                                                                                                           \
    X(NONE)                                                                                                                                                 \
    X(LATE_COMMITS)     /* Cal.com books what its client has given up, and meanwhile another one got the host whose turn it was: every event type has the same two */ \
    X(NARROW_BUDGET)    /* one key for nearly everybody, and a few requests a minute */                                                                     \
    X(RESTLESS_TENANTS) /* the configuration is written anew all the time, twice in a moment at last, and shards are out of step */                         \
    X(FALSE_REFUSALS)   /* Cal.com says no to what it has booked, and who looks for it is often told nothing */                                             \
    X(DOUBLES)          /* Cal.com books what its client has looked for six times and then sent again; all of it waits for a host's word, so both are there */
#define THEME_ENUMERATOR(name) THEME_##name,
enum theme : uint8_t { THEMES(THEME_ENUMERATOR) THEME_COUNT };

/* What the engine may hold at once; too little of it in some worlds: it says 503 then. */
struct planned_room { uint32_t calls, webhooks, connections; };

/* Cal.com tells webhooks at the engine's door, which knows no such path; or where nobody listens. */
enum planned_subscriber : uint8_t { PLAN_NO_SUBSCRIBER, PLAN_ENGINE_SUBSCRIBES, PLAN_NOBODY_SUBSCRIBES };

/* A rule for ringsim's faults.c, as its JSON. */
struct planned_fault { uint32_t number; bool is_left_out; uint64_t at_us, until_us; char rule[768]; };

struct plan {
    uint64_t seed;
    int64_t  wall_us;             /* when it begins; some worlds lie on a change of daylight saving time */
    uint64_t busy_until_us, calm_at_us, ends_at_us; /* calls begin until the first; faults end at the second; everything must be settled at the third */
    uint32_t shards;
    enum theme theme;
    bool     tls;                 /* between engine and Cal.com, and at the engine's own door */
    bool     has_names;           /* Cal.com is called calcom.simulated; with TLS always */
    double   unknown_per_name;    /* how often nobody knows a name */
    enum planned_subscriber subscriber; /* of what Cal.com's webhooks tell */
    struct network_climate  network;
    struct disk_climate     disk;
    struct database_climate database;
    struct sim_settings     calcom; /* how Cal.com is throughout, faults apart */
    struct planned_room     room;
    double                  stalls_per_step; /* of threads: see fibers_stall() */
    uint32_t calcom_requests_per_minute, budget_per_minute; /* what Cal.com allows a key, and what the engine's settings say that it may use */
    const char             *weather; /* for people: which kinds of trouble there are */
    struct planned_workspace workspaces[PLAN_WORKSPACES_MAX]; uint32_t workspace_count;
    struct planned_company   companies[PLAN_COMPANIES_MAX];   uint32_t company_count;
    struct planned_call      calls[PLAN_CALLS_MAX];           uint32_t call_count;
    struct planned_fault     faults[PLAN_FAULTS_MAX];         uint32_t fault_count;
    struct planned_incident  incidents[PLAN_INCIDENTS_MAX];   uint32_t incident_count;
};

/* The wall clock that is right, at an instant of the world. */
[[nodiscard]] static inline int64_t plan_wall_us(const struct plan *p, uint64_t at_us) { return p->wall_us + (int64_t)(at_us - world_begins_at_us); }
/* What Retell will say of the call. Its texts are the call's. */
[[nodiscard]] struct call_script plan_script(const struct plan *p, const struct planned_call *c);
[[nodiscard]] const struct planned_service *plan_service_said(const struct plan *p, const struct planned_call *c); /* the branch's own when none is named */

/* The number that a company has in this revision of the tenants alone. */
void plan_print_number(char number[20], const struct plan *p, uint32_t company, uint32_t revision);

/* And the name that a company has in it. */
void plan_print_company_name(char name[40], const struct plan *p, uint32_t company, uint32_t revision);

/* minutes: how long calls begin; ≥ 50 calls in each. */
void plan_draw(struct plan *p, uint64_t seed, uint32_t minutes);
void plan_print(const struct plan *p); /* for people, and what --without takes: c12 f3 i4 */
[[nodiscard]] bool plan_leave_out(struct plan *p, const char *entry); /* "c12", "f3", "i4"; false: there is none */

/* The world file's text (docs/WORLD_FILE.md, section "calcom") for ringsim, and the tenants as tenant_snapshot() of the schema would give them (keys
 * sealed with `secret`). Into memory of the world. */
[[nodiscard]] struct slice plan_world_file(const struct plan *p);
/* written: how many revisions there have been, the first counted. Retell stops to sign with old keys before they are void. */
[[nodiscard]] static inline bool plan_old_keys_are_used(uint32_t written) { return written <= 1; }
[[nodiscard]] static inline bool plan_old_keys_are_void(uint32_t written) { return written > 2; }
struct secret_key;
[[nodiscard]] struct slice plan_tenants(const struct plan *p, const struct secret_key *secret, uint32_t revision); /* revision: how many TENANTS_CHANGE there have been */
