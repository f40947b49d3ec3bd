#pragma once
/* ops/view.h: what may be seen of a running engine from any thread: per shard, pointers to what its modules count. Read only, by relaxed atomics. */
#include "call/booking.h"
#include "call/call.h"
#include "db/db.h"
#include "journal/journal.h"
#include "net/http_server.h"
#include "tenant/directory.h"
#include "webhook/door.h"

struct ops_shard {
    const struct shard                 *shard;
    const struct http_server_counters  *http;
    const struct webhook_counters      *webhooks;
    const struct journal_counters      *journal;
    const struct db_pool_counters      *db;
    const struct call_desk_counters    *calls;
    const struct booking_desk_counters *bookings;
    const struct tenant_directory      *directory;
    const struct heap                  *heap;      /* budget only */
    const _Atomic(bool)                *tenants_known, *replaying;
};

struct ops_view { uint16_t count; struct ops_shard shards[SHARD_COUNT_MAX]; };
