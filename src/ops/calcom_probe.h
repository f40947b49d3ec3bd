#pragma once
/* ops/calcom_probe.h: asks Cal.com whether it is as every company's configuration supposes: the key, each event type that something is booked under, the versions of
 * the API, free time. Reads only. At most calcom_probe_requests_max requests a credential, since the running engine spends the same key's budget. */
#include "config.h"
#include "ops/findings.h"
#include "tenant/tenant.h"

/* What the budget leaves for what can wait, of its default of 110: the key, event types, one look at the slots. Past it the other event types are not looked at, and that is said. */
enum { CALCOM_PROBE_TYPES_MAX = 36 };
constexpr uint32_t calcom_probe_requests_max = CALCOM_PROBE_TYPES_MAX + 2;

void calcom_probe(const struct config *c, const struct tenant_snapshot *tenants, struct findings *f);
