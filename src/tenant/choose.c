/* tenant/choose.c: which service, staff member and Cal.com event type a caller's words mean at a branch. Pure. */
#include "base/ensure.h"
#include "tenant/tenant.h"

/* A name as it is compared. Longer than any name here: matches none. */
struct wanted { char memory[text_fold_bytes_max]; struct buffer folded; };

static bool is_named(struct slice words) { return slice_trim(words).length > 0; }

static struct slice fold(struct wanted *w, struct slice words)
{
    w->folded = buffer_over(w->memory, sizeof w->memory);
    text_fold(&w->folded, words);
    return w->folded.overflowed ? slice_absent : buffer_slice(&w->folded);
}

static struct service_choice no(enum service_match why, const struct service *service) { return (struct service_choice){ .match = why, .service = service }; }

static bool is_called(const struct service *service, struct slice folded)
{
    for (uint32_t n = 0; n < service->folded_name_count; n++)
        if (folded.length > 0 && slice_equal(service->folded_names[n], folded)) return true;
    return false;
}

const struct staff_member *tenant_only_host(const struct tenant_snapshot *s, const struct service *service, int64_t calcom_event_type_id)
{
    const struct staff_member *host = nullptr;
    for (uint32_t n = 0; n < s->staff_service_count; n++) {
        const struct staff_service *x = &s->staff_services[n];
        if (x->service != service || x->calcom_event_type_id != calcom_event_type_id) continue;
        if (host) return nullptr;
        host = x->staff;
    }
    return host;
}

static const struct staff_service *first_mapped(const struct tenant_snapshot *s, const struct branch *b, const struct service *service)
{
    for (uint32_t n = 0; n < s->staff_service_count; n++) {
        const struct staff_service *x = &s->staff_services[n];
        if (x->service == service && x->staff->branch_id == b->id && x->calcom_event_type_id != 0) return x;
    }
    return nullptr;
}

static struct service_choice with_named_staff(const struct tenant_snapshot *s, const struct branch *b, const struct service *service, struct slice staff_name)
{
    struct wanted               wanted;
    struct slice                folded = fold(&wanted, staff_name);
    const struct staff_service *found = nullptr;
    for (uint32_t n = 0; n < s->staff_service_count; n++) {
        const struct staff_service *x = &s->staff_services[n];
        if (x->service != service || x->staff->branch_id != b->id || folded.length == 0 || !slice_equal(x->staff->folded_name, folded)) continue;
        if (found) return no(STAFF_AMBIGUOUS, service);
        found = x;
    }
    if (!found) return no(STAFF_UNKNOWN, service);
    if (found->calcom_event_type_id == 0 || !tenant_only_host(s, service, found->calcom_event_type_id)) return no(STAFF_NOT_MAPPED, service);
    return (struct service_choice){ SERVICE_FOUND, service, found->staff, found->calcom_event_type_id };
}

static struct service_choice with_any_staff(const struct tenant_snapshot *s, const struct branch *b, const struct service *service)
{
    const struct staff_service *first = first_mapped(s, b, service);
    if (first) return (struct service_choice){ SERVICE_FOUND, service, tenant_only_host(s, service, first->calcom_event_type_id), first->calcom_event_type_id };
    if (service->calcom_event_type_id != 0) return (struct service_choice){ SERVICE_FOUND, service, nullptr, service->calcom_event_type_id };
    return no(SERVICE_NOT_MAPPED, service);
}

static struct service_choice choose_default(const struct tenant_snapshot *s, const struct branch *b, struct slice staff_name)
{
    if (b->calcom_event_type_id == 0) return no(SERVICE_NONE, nullptr);

    const struct service *service = tenant_service_by_id(s, b->default_service_id);
    if (is_named(staff_name)) { /* then it is not the branch's event type that is wanted, but that member's for the same service */
        if (!service) return no(STAFF_UNKNOWN, nullptr);
        struct service_choice c = with_named_staff(s, b, service, staff_name);
        if (c.match == SERVICE_FOUND) c.match = SERVICE_UNNAMED_DEFAULT;
        return c;
    }
    const struct staff_member *host = service ? tenant_only_host(s, service, b->calcom_event_type_id) : nullptr;
    return (struct service_choice){ SERVICE_UNNAMED_DEFAULT, service, host, b->calcom_event_type_id };
}

struct service_choice tenant_choose_service(const struct tenant_snapshot *s, const struct branch *b, struct slice service_name, struct slice staff_name)
{
    if (!is_named(service_name)) return choose_default(s, b, staff_name);

    struct wanted         wanted;
    struct slice          folded = fold(&wanted, service_name);
    const struct service *found = nullptr;
    for (uint32_t n = 0; n < s->service_count; n++) {
        if (s->services[n].company != b->company || !is_called(&s->services[n], folded)) continue;
        if (found) return no(SERVICE_AMBIGUOUS, nullptr);
        found = &s->services[n];
    }
    if (!found) return no(SERVICE_UNKNOWN, nullptr);
    return is_named(staff_name) ? with_named_staff(s, b, found, staff_name) : with_any_staff(s, b, found);
}
