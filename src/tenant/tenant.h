#pragma once
/* tenant/tenant.h: who is who: workspaces, their keys and numbers, companies, branches, staff, services. An immutable snapshot, loaded from
 * PostgreSQL in one statement, swapped whole when the database notifies a change; every shard holds a reference to the one it uses.
 *
 * The way to a tenant is: workspace (URL token, or the default) → called number (E.164) → branch → company. Nothing else leads to one, and
 * nothing is guessed: an unknown number has no tenant.
 */
#include <stdint.h>
#include "base/hash_map.h"
#include "base/hmac.h"
#include "base/instant.h"
#include "base/slice.h"
#include "base/text.h"

enum { WORKSPACE_KEYS_MAX = 4 };

struct workspace {
    int64_t      id;
    struct slice key, name, token;
    bool         is_default;
    struct slice keys[WORKSPACE_KEYS_MAX]; /* opened; current first, then those of a rotation */
    uint32_t     key_count;                /* 0: nothing verifies (fails closed) */
    const struct slice *agents;            /* Retell agent ids */
    uint32_t     agent_count;
};

/* A Cal.com credential with everything that is bound to it: budget, breaker, connections live on the home shard of `key`. */
struct credential {
    int64_t        company_id;
    struct hash128 key;            /* of base URL and API key: two companies with one key share one budget */
    struct slice   base_url;       /* "https://api.cal.com/v2" unless the company has its own */
    struct slice   api_key;        /* opened; a secret */
    struct slice   bookings_version, slots_version, event_types_version; /* cal-api-version per resource */
};

struct company { int64_t id; struct slice key, name; struct slice time_zone; const struct credential *credential; /* nullptr: none configured */ };

struct branch {
    int64_t      id;
    const struct company *company;
    struct slice key, name, time_zone;
    struct slice retell_agent_id;      /* absent: not set */
    int64_t      calcom_event_type_id; /* 0: not set; used when no service is named */
    int64_t      default_service_id;   /* the service with that event type; 0: none */
};

struct staff_member { int64_t id; const struct company *company; int64_t branch_id; struct slice key, name, folded_name; int64_t calcom_user_id; /* 0: not set */ };

struct service {
    int64_t      id;
    const struct company *company;
    struct slice key, name;
    const struct slice *folded_names; /* name and synonyms, folded (text_fold) */
    uint32_t     folded_name_count;
    uint32_t     duration_minutes, buffer_before_minutes, buffer_after_minutes, notice_minutes;
    int64_t      calcom_event_type_id; /* 0: not set */
};

struct staff_service { const struct staff_member *staff; const struct service *service; int64_t calcom_event_type_id; /* 0: not mapped */ };

struct phone_number { struct e164 number; int64_t workspace_id; const struct branch *branch; };

struct tenant_snapshot {
    uint64_t version;        /* counts swaps of this process */
    int64_t  loaded_at_us;
    const struct workspace *workspaces;       uint32_t workspace_count;
    const struct company *companies;          uint32_t company_count;
    const struct credential *credentials;     uint32_t credential_count;
    const struct branch *branches;            uint32_t branch_count;
    const struct staff_member *staff;         uint32_t staff_count;
    const struct service *services;           uint32_t service_count;
    const struct staff_service *staff_services; uint32_t staff_service_count; /* by service, then in provisioning order */
    const struct phone_number *numbers;       uint32_t number_count; /* sorted by (workspace, number) */
    struct tenant_memory *memory; /* of snapshot.c: everything above lives in it */
};

struct tenant_error { char text[512]; bool no_memory; /* now: the same text may be read later */ };
/* From the JSON of DB_SNAPSHOT. Opens the sealed keys with `secret`. nullptr: *error. Freed by tenant_snapshot_free, on any thread. */
[[nodiscard]] struct tenant_snapshot *tenant_snapshot_parse(struct slice json, const struct secret_key *secret, struct slice default_calcom_url, struct tenant_error *error);
void tenant_snapshot_free(struct tenant_snapshot *s);

/* Look-ups; nullptr: no such. All linear or binary over arrays sorted at parse; pure. */
[[nodiscard]] const struct workspace *tenant_find_workspace(const struct tenant_snapshot *s, struct slice token); /* constant time in the token */
[[nodiscard]] const struct workspace *tenant_default_workspace(const struct tenant_snapshot *s);
[[nodiscard]] const struct workspace *tenant_workspace_by_id(const struct tenant_snapshot *s, int64_t id);
[[nodiscard]] const struct branch *tenant_find_branch(const struct tenant_snapshot *s, int64_t workspace_id, const struct e164 *called);
[[nodiscard]] const struct branch *tenant_branch_by_id(const struct tenant_snapshot *s, int64_t id);
[[nodiscard]] const struct company *tenant_company_by_id(const struct tenant_snapshot *s, int64_t id);
[[nodiscard]] const struct service *tenant_service_by_id(const struct tenant_snapshot *s, int64_t id);

/* What a caller's words "dienstleistung" and "mitarbeiter" mean at a branch. */
enum service_match : uint8_t {
    SERVICE_FOUND,
    SERVICE_UNNAMED_DEFAULT, /* nothing was named: the branch's own event type */
    SERVICE_UNKNOWN,         /* named, and there is none of that name */
    SERVICE_AMBIGUOUS,       /* named, and several fit */
    SERVICE_NONE,            /* nothing was named, and the branch has no event type */
    SERVICE_NOT_MAPPED,      /* known, but neither it nor any staff member for it has a Cal.com event type */
    STAFF_UNKNOWN,           /* a staff member was named whom the branch does not have, or who does not do this */
    STAFF_AMBIGUOUS,         /* two of that name do it */
    STAFF_NOT_MAPPED,        /* named, and without an event type for it that is nobody else's: of a team's, Cal.com chooses the host, and no request can name him */
};
struct service_choice { enum service_match match; const struct service *service; const struct staff_member *staff; /* nullptr: whoever the event type is of */ int64_t calcom_event_type_id; };
/* Exact match of folded names or synonyms only: similarity and history may suggest, never decide. staff_name absent or blank: the first mapped member of the
 * branch in provisioning order, or the service's own event type. Staff of another branch are unknown here. */
[[nodiscard]] struct service_choice tenant_choose_service(const struct tenant_snapshot *s, const struct branch *b, struct slice service_name, struct slice staff_name);

/* Whose event type it is for this service. nullptr: nobody's, or a team's, among whom Cal.com chooses. */
[[nodiscard]] const struct staff_member *tenant_only_host(const struct tenant_snapshot *s, const struct service *service, int64_t calcom_event_type_id);

/* What is missing for bookings and calls, for doctor and /readyz: subject and gap make a sentence: "branch fri/berlin" "has no Retell agent id".
 * company_id 0: of a workspace. The subject's text lives during the call of `each`. */
typedef void tenant_gap(void *context, int64_t company_id, struct slice subject, const char *gap);
void tenant_find_gaps(const struct tenant_snapshot *s, tenant_gap *each, void *context);
