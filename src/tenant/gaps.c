/* tenant/gaps.c: what a configuration that loads still lacks for calls to be filed and booked. Pure. */
#include "base/ensure.h"
#include "limits.h"
#include "tenant/tenant.h"

struct gaps { const struct tenant_snapshot *s; tenant_gap *each; void *context; };

static void tell(const struct gaps *g, int64_t company_id, const char *kind, struct slice parent, struct slice key, const char *gap)
{
    char          memory[2 * world_text_bytes_max + 32];
    struct buffer subject = buffer_over(memory, sizeof memory);
    buffer_print(&subject, "%s " SLICE_FORMAT "%s" SLICE_FORMAT, kind, slice_print(parent), slice_is_absent(parent) ? "" : "/", slice_print(key));
    ensure(!subject.overflowed);
    g->each(g->context, company_id, buffer_slice(&subject), gap);
}

static bool lists_agent(const struct workspace *w, struct slice agent_id)
{
    for (uint32_t n = 0; w && n < w->agent_count; n++)
        if (slice_equal(w->agents[n], agent_id)) return true;
    return false;
}

static void find_in_workspace(const struct gaps *g, const struct workspace *w)
{
    if (w->key_count == 0) tell(g, 0, "workspace", slice_absent, w->key, "has no Retell API key: none of its webhooks is accepted");
}

static void find_in_branch(const struct gaps *g, const struct branch *b)
{
    struct slice company = b->company->key;
    bool         has_number = false, has_agent = !slice_is_absent(b->retell_agent_id), is_listed = true;
    for (uint32_t n = 0; n < g->s->number_count; n++) {
        if (g->s->numbers[n].branch != b) continue;
        has_number = true;
        is_listed &= lists_agent(tenant_workspace_by_id(g->s, g->s->numbers[n].workspace_id), b->retell_agent_id);
    }
    if (!has_number) tell(g, b->company->id, "branch", company, b->key, "has no phone number: no call finds it");
    if (!has_agent) tell(g, b->company->id, "branch", company, b->key, "has no Retell agent id");
    if (has_agent && !is_listed) tell(g, b->company->id, "branch", company, b->key, "has a Retell agent id that its workspace does not list");
    if (b->calcom_event_type_id == 0) tell(g, b->company->id, "branch", company, b->key, "has no Cal.com event type: a caller who names no service cannot be booked");
}

static void find_in_service(const struct gaps *g, const struct service *service)
{
    bool is_mapped = service->calcom_event_type_id != 0;
    for (uint32_t n = 0; n < g->s->staff_service_count; n++)
        is_mapped |= g->s->staff_services[n].service == service && g->s->staff_services[n].calcom_event_type_id != 0;
    if (!is_mapped) tell(g, service->company->id, "service", service->company->key, service->key, "has no Cal.com event type, nor has any of its staff for it");
}

void tenant_find_gaps(const struct tenant_snapshot *s, tenant_gap *each, void *context)
{
    const struct gaps g = { s, each, context };
    for (uint32_t n = 0; n < s->workspace_count; n++) find_in_workspace(&g, &s->workspaces[n]);
    for (uint32_t n = 0; n < s->company_count; n++)
        if (!s->companies[n].credential) tell(&g, s->companies[n].id, "company", slice_absent, s->companies[n].key, "has no Cal.com API key: nothing can be booked");
    for (uint32_t n = 0; n < s->branch_count; n++) find_in_branch(&g, &s->branches[n]);
    for (uint32_t n = 0; n < s->service_count; n++) find_in_service(&g, &s->services[n]);
}
