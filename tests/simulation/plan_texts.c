/* What a plan says in the two forms that others read: the world file of the simulated Cal.com, and the tenants as the schema's tenant_snapshot() would give them.
 * With each revision the tenants are other ones: names, the order of the staff, and keys under rotation. */
#include "plan.h"

#include <stdio.h>
#include <stdlib.h>
#include "base/ensure.h"
#include "base/hmac.h"

enum { TEXT_BYTES_MAX = 256 * 1024 };
enum { REVISION_WITH_NEXT_CALCOM_KEYS = 3 };

static struct json_writer begin(struct buffer *b)
{
    char *memory = malloc(TEXT_BYTES_MAX);
    ensure(memory);
    *b = buffer_over(memory, TEXT_BYTES_MAX);
    return json_writer_over(b);
}

static struct slice finish(const struct buffer *b)
{
    ensure(!b->overflowed);
    return buffer_slice(b);
}

[[gnu::format(printf, 3, 4)]] static void add_printed(struct json_writer *w, const char *key, const char *format, ...)
{
    char text[128];
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    ensure(length >= 0 && (size_t)length < sizeof text);
    json_add_text(w, key, slice_from_text(text));
}

/* -- the world file -- */

static void add_user(struct json_writer *w, const struct planned_company *c, int64_t id)
{
    bool all_day = id % 2 == 0;
    if (id == 0) return;
    json_begin_object(w, nullptr);
    json_add_integer(w, "id", id);
    add_printed(w, "name", "%s Host %lld", c->key, (long long)id);
    json_add_text(w, "time_zone", slice_from_text(c->time_zone));
    json_begin_array(w, "schedule");
    json_begin_object(w, nullptr);
    json_begin_array(w, "days");
    for (const char *const *day = (const char *const[]){ "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday", nullptr }; *day; day++)
        json_add_text(w, nullptr, slice_from_text(*day));
    json_end_array(w);
    json_add_text(w, "start", all_day ? slice_of("00:00") : slice_of("06:00"));
    json_add_text(w, "end", all_day ? slice_of("24:00") : slice_of("22:00"));
    json_end_object(w);
    json_end_array(w);
    json_end_object(w);
}

static bool is_first_of_its_host(const struct planned_company *c, uint32_t n)
{
    for (uint32_t before = 0; before < n; before++)
        if (c->services[before].host == c->services[n].host) return false;
    return true;
}

static void add_users(struct json_writer *w, const struct planned_company *c)
{
    for (uint32_t n = 0; n < c->service_count; n++) {
        if (!is_first_of_its_host(c, n)) continue;
        add_user(w, c, c->services[n].host);
        add_user(w, c, c->services[n].second_host);
    }
}

static void add_event_type(struct json_writer *w, const struct planned_service *s, int64_t id, int64_t host, int64_t second_host)
{
    json_begin_object(w, nullptr);
    json_add_integer(w, "id", id);
    add_printed(w, "slug", "type-%lld", (long long)id);
    json_add_text(w, "title", slice_from_text(s->name));
    json_add_text(w, "kind", s->kind == PLAN_ROUND_ROBIN ? slice_of("round_robin") : slice_of("individual"));
    json_begin_array(w, "user_ids");
    json_add_integer(w, nullptr, host);
    if (second_host) json_add_integer(w, nullptr, second_host);
    json_end_array(w);
    json_add_integer(w, "length_minutes", s->minutes);
    if (s->buffer_after_minutes) json_add_integer(w, "after_buffer_minutes", s->buffer_after_minutes);
    json_add_integer(w, "minimum_notice_minutes", 15);
    if (s->kind == PLAN_CONFIRMED) json_add_boolean(w, "requires_confirmation", true);
    json_end_object(w);
}

static void add_event_types(struct json_writer *w, const struct planned_company *c)
{
    for (uint32_t n = 0; n < c->service_count; n++) {
        const struct planned_service *s = &c->services[n];
        add_event_type(w, s, s->event_type, s->host, s->kind == PLAN_ROUND_ROBIN ? s->second_host : 0);
        if (s->second_event_type) add_event_type(w, s, s->second_event_type, s->second_host, 0);
    }
}

static void add_account(struct json_writer *w, const struct plan *p, uint32_t credential, const char *api_key)
{
    if (!api_key[0]) return;
    json_begin_object(w, nullptr);
    json_add_text(w, "api_key", slice_from_text(api_key));
    json_begin_array(w, "user_ids");
    for (uint32_t c = 0; c < p->company_count; c++)
        for (uint32_t n = 0; p->companies[c].credential == credential && n < p->companies[c].service_count; n++) {
            const struct planned_service *s = &p->companies[c].services[n];
            if (!is_first_of_its_host(&p->companies[c], n)) continue;
            json_add_integer(w, nullptr, s->host);
            if (s->second_host) json_add_integer(w, nullptr, s->second_host);
        }
    json_end_array(w);
    json_add_integer(w, "requests_per_minute", p->calcom_requests_per_minute);
    json_end_object(w);
}

/* Every account tells of everything; every second one signs. */
static void add_subscriptions(struct json_writer *w, const struct plan *p)
{
    uint16_t port = p->subscriber == PLAN_ENGINE_SUBSCRIBES ? plan_engine_port : plan_port_of_nobody;
    json_begin_array(w, "webhooks");
    for (uint32_t c = 0; c < p->company_count; c++) {
        if (p->companies[c].credential != c) continue;
        json_begin_object(w, nullptr);
        add_printed(w, "subscriber_url", p->tls ? "https://engine.simulated:%u/api/calcom/webhook" : "http://127.0.0.1:%u/api/calcom/webhook", port);
        json_add_text(w, "api_key", slice_from_text(p->companies[c].calcom_key));
        if (c % 2 == 0) json_add_text(w, "secret", slice_of("a secret of Cal.com's and its subscriber's"));
        json_begin_array(w, "triggers");
        for (const char *const *trigger = (const char *const[]){ "BOOKING_CREATED", "BOOKING_REQUESTED", "BOOKING_CANCELLED", "BOOKING_REJECTED", "BOOKING_RESCHEDULED", nullptr }; *trigger;
             trigger++)
            json_add_text(w, nullptr, slice_from_text(*trigger));
        json_end_array(w);
        json_end_object(w);
    }
    json_end_array(w);
}

struct slice plan_world_file(const struct plan *p)
{
    struct buffer b;
    struct json_writer w = begin(&b);
    json_begin_object(&w, nullptr);
    json_begin_object(&w, "calcom");
    json_begin_array(&w, "users");
    for (uint32_t c = 0; c < p->company_count; c++) add_users(&w, &p->companies[c]);
    json_end_array(&w);
    json_begin_array(&w, "accounts");
    for (uint32_t c = 0; c < p->company_count; c++) {
        if (p->companies[c].credential != c) continue; /* the first company with it has its number */
        add_account(&w, p, c, p->companies[c].calcom_key);
        add_account(&w, p, c, p->companies[c].next_calcom_key);
    }
    json_end_array(&w);
    if (p->subscriber != PLAN_NO_SUBSCRIBER) add_subscriptions(&w, p);
    json_begin_array(&w, "event_types");
    for (uint32_t c = 0; c < p->company_count; c++) add_event_types(&w, &p->companies[c]);
    json_end_array(&w);
    json_end_object(&w);
    json_end_object(&w);
    return finish(&b);
}

/* -- the tenants -- */

static void add_sealed(struct json_writer *w, const char *key, const struct secret_key *secret, const char *context, const char *plain)
{
    char sealed_memory[128], hex_memory[2 * sizeof sealed_memory];
    struct buffer sealed = buffer_over(sealed_memory, sizeof sealed_memory), hex = buffer_over(hex_memory, sizeof hex_memory);
    ensure(secret_seal(secret, slice_from_text(context), slice_from_text(plain), &sealed));
    hex_print(&hex, (const uint8_t *)sealed.start, sealed.length);
    json_add_text(w, key, buffer_slice(&hex));
}

static void add_workspace(struct json_writer *w, const struct planned_workspace *space, const struct secret_key *secret, uint32_t revision)
{
    char context[64];
    json_begin_object(w, nullptr);
    json_add_integer(w, "id", space->id);
    json_add_text(w, "key", slice_from_text(space->key));
    add_printed(w, "name", "Workspace %s (%u)", space->key, revision);
    json_add_text(w, "token", slice_from_text(space->token));
    json_add_boolean(w, "default", space->is_default);
    json_begin_array(w, "keys");
    snprintf(context, sizeof context, "workspace_keys/%s/0", space->key);
    add_sealed(w, nullptr, secret, context, space->api_key);
    snprintf(context, sizeof context, "workspace_keys/%s/1", space->key);
    if (space->old_api_key[0] && !plan_old_keys_are_void(revision + 1)) add_sealed(w, nullptr, secret, context, space->old_api_key);
    json_end_array(w);
    json_begin_array(w, "agents");
    json_add_text(w, nullptr, slice_of("agent_simulated"));
    json_end_array(w);
    json_end_object(w);
}

static void add_company(struct json_writer *w, const struct plan *p, const struct planned_company *c, const struct secret_key *secret, uint32_t revision)
{
    char context[64], name[40];
    plan_print_company_name(name, p, (uint32_t)(c - p->companies), revision);
    bool next = c->next_calcom_key[0] && revision >= REVISION_WITH_NEXT_CALCOM_KEYS;
    snprintf(context, sizeof context, "companies/%s/calcom_api_key", c->key);
    json_begin_object(w, nullptr);
    json_add_integer(w, "id", c->id);
    json_add_text(w, "key", slice_from_text(c->key));
    json_add_text(w, "name", slice_from_text(name));
    json_add_text(w, "time_zone", slice_from_text(c->time_zone));
    json_begin_object(w, "calcom");
    json_add_null(w, "base_url");
    add_sealed(w, "api_key_sealed", secret, context, next ? c->next_calcom_key : c->calcom_key);
    json_add_null(w, "bookings_version");
    json_add_null(w, "slots_version");
    json_add_null(w, "event_types_version");
    json_end_object(w);
    json_end_object(w);
}

static void add_branch(struct json_writer *w, const struct planned_company *c)
{
    json_begin_object(w, nullptr);
    json_add_integer(w, "id", c->branch_id);
    json_add_integer(w, "company_id", c->id);
    json_add_text(w, "key", slice_of("branch"));
    add_printed(w, "name", "%s Filiale", c->key);
    json_add_text(w, "time_zone", slice_from_text(c->time_zone));
    json_add_text(w, "retell_agent_id", slice_of("agent_simulated"));
    json_add_integer(w, "calcom_event_type_id", c->services[0].event_type);
    json_end_object(w);
}

/* A member of the staff has the number of the user that he is at Cal.com. */
static void add_staff_member(struct json_writer *w, const struct planned_company *c, int64_t user)
{
    json_begin_object(w, nullptr);
    json_add_integer(w, "id", user);
    json_add_integer(w, "company_id", c->id);
    json_add_integer(w, "branch_id", c->branch_id);
    add_printed(w, "key", "staff-%lld", (long long)user);
    add_printed(w, "name", "%s Person %lld", c->key, (long long)user);
    json_add_integer(w, "calcom_user_id", user);
    json_end_object(w);
}

/* The hosts of a round robin are Cal.com's business. */
static void add_staff(struct json_writer *w, const struct planned_company *c)
{
    for (uint32_t n = 0; n < c->service_count; n++) {
        const struct planned_service *s = &c->services[n];
        if (s->kind != PLAN_ROUND_ROBIN && is_first_of_its_host(c, n)) add_staff_member(w, c, s->host);
        if (s->second_event_type) add_staff_member(w, c, s->second_host);
    }
}

static void add_service(struct json_writer *w, const struct planned_company *c, const struct planned_service *s)
{
    json_begin_object(w, nullptr);
    json_add_integer(w, "id", s->id);
    json_add_integer(w, "company_id", c->id);
    add_printed(w, "key", "service-%lld", (long long)s->id);
    json_add_text(w, "name", slice_from_text(s->name));
    json_begin_array(w, "synonyms");
    json_end_array(w);
    json_add_integer(w, "duration_minutes", s->minutes);
    json_add_integer(w, "buffer_before_minutes", 0);
    json_add_integer(w, "buffer_after_minutes", s->buffer_after_minutes);
    json_add_integer(w, "notice_minutes", 15);
    json_add_integer(w, "calcom_event_type_id", s->event_type);
    json_end_object(w);
}

static void add_pair(struct json_writer *w, int64_t staff, int64_t service, int64_t event_type)
{
    json_begin_object(w, nullptr);
    json_add_integer(w, "staff_id", staff);
    json_add_integer(w, "service_id", service);
    json_add_integer(w, "calcom_event_type_id", event_type);
    json_end_object(w);
}

/* In order of preference, which changes with the revision. */
static void add_pairs(struct json_writer *w, const struct planned_service *s, uint32_t revision)
{
    bool turned = s->second_event_type && revision % 2 == 1;
    if (s->kind == PLAN_ROUND_ROBIN) return;
    if (turned) add_pair(w, s->second_host, s->id, s->second_event_type);
    add_pair(w, s->host, s->id, s->event_type);
    if (s->second_event_type && !turned) add_pair(w, s->second_host, s->id, s->second_event_type);
}

static void add_number(struct json_writer *w, const struct plan *p, const struct planned_company *c, const char *number)
{
    json_begin_object(w, nullptr);
    json_add_text(w, "number", slice_from_text(number));
    json_add_integer(w, "workspace_id", p->workspaces[c->workspace].id);
    json_add_integer(w, "branch_id", c->branch_id);
    json_end_object(w);
}

static void add_numbers(struct json_writer *w, const struct plan *p, const struct planned_company *c, uint32_t revision)
{
    char number[20];
    plan_print_number(number, p, (uint32_t)(c - p->companies), revision);
    add_number(w, p, c, c->number);
    add_number(w, p, c, number);
}

static void add_services(struct json_writer *w, const struct planned_company *c)
{
    for (uint32_t n = 0; n < c->service_count; n++) add_service(w, c, &c->services[n]);
}

static void add_all_pairs(struct json_writer *w, const struct planned_company *c, uint32_t revision)
{
    for (uint32_t n = 0; n < c->service_count; n++) add_pairs(w, &c->services[n], revision);
}

#define ADD_LIST(w, p, name, expression)                                                  \
    do {                                                                                  \
        json_begin_array((w), (name));                                                    \
        for (const struct planned_company *c = (p)->companies; c < (p)->companies + (p)->company_count; c++) expression; \
        json_end_array(w);                                                                \
    } while (0)

struct slice plan_tenants(const struct plan *p, const struct secret_key *secret, uint32_t revision)
{
    struct buffer b;
    struct json_writer w = begin(&b);
    json_begin_object(&w, nullptr);
    json_begin_array(&w, "workspaces");
    for (uint32_t n = 0; n < p->workspace_count; n++) add_workspace(&w, &p->workspaces[n], secret, revision);
    json_end_array(&w);
    ADD_LIST(&w, p, "companies", add_company(&w, p, c, secret, revision));
    ADD_LIST(&w, p, "branches", add_branch(&w, c));
    ADD_LIST(&w, p, "staff", add_staff(&w, c));
    ADD_LIST(&w, p, "services", add_services(&w, c));
    ADD_LIST(&w, p, "staff_services", add_all_pairs(&w, c, revision));
    ADD_LIST(&w, p, "numbers", add_numbers(&w, p, c, revision));
    json_end_object(&w);
    return finish(&b);
}
