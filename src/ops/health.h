#pragma once
/* ops/health.h: /livez says that the loop turns; /readyz says, check by check, whether this engine should get traffic. Any shard's thread. */
#include "base/buffer.h"
#include "ops/view.h"

/* {"ready":true,"checks":{"tenants":true,"database":true,"journal":true,"replay":true}} and whether all hold.
 * tenants: the first snapshot has come, so signatures can be verified. journal: there is room to promise. database and replay are told, but an outage of
 * PostgreSQL does not make an engine unready: it goes on taking webhooks, and no other engine would do better. */
[[nodiscard]] bool health_write(struct buffer *json, const struct ops_view *view, bool draining);
