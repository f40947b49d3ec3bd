#pragma once
/* tenant/directory.h: which snapshot of the tenants a shard works with, and who renews it.
 *
 * Every shard has a directory with one pointer. Shard 0 also has the loader: it asks PostgreSQL for the snapshot at start and at every
 * notification, has it parsed on the helper thread, hands it to all shards by envelope, and frees the old one when the last shard has let go.
 * A shard switches between two turns' work, never inside one: so nobody keeps a pointer into a snapshot across a wait; ids are kept instead.
 */
#include "base/hmac.h"
#include "db/db.h"
#include "shard/shard.h"
#include "shard/worker.h"
#include "tenant/tenant.h"

constexpr uint32_t tenant_directory_magic = 0x7e4a47d1;

struct tenant_directory;
struct tenant_loader;
struct tenant_swap { struct envelope envelope; struct tenant_loader *loader; struct tenant_directory *directory; const struct tenant_snapshot *next; };

enum tenant_loading : uint8_t { TENANT_IDLE, TENANT_ASKING, TENANT_PARSING, TENANT_SWAPPING };

struct tenant_loader {
    enum tenant_loading      state;
    bool                     again;      /* a notification came meanwhile */
    bool                     failed;     /* the newest configuration could not be used: see the log; the old one serves on */
    struct shard            *shard;      /* 0 */
    struct db_pool          *pool;
    struct worker           *worker;
    struct secret_key        secret;
    struct slice             default_calcom_url;
    struct db_unit           unit;
    struct db_waiter         waiter;
    struct job               job;
    struct timer             timer;
    struct tenant_snapshot  *parsed, *serving;
    struct tenant_error      error;
    struct tenant_swap       swaps[SHARD_COUNT_MAX];
    uint16_t                 swaps_out;
    uint64_t                 version;
    struct tenant_directory *const *directories; /* one per shard, by index */
};

struct tenant_directory {
    uint32_t                      magic;
    struct shard                 *shard;
    const struct tenant_snapshot *current; /* nullptr until the first one has come: nothing verifies, 503 */
    void                        (*switched)(void *context); /* after every switch, on this shard; may be nullptr */
    void                         *context;
    struct counter                switches;
};

void tenant_directory_init(struct tenant_directory *d, struct shard *s, void (*switched)(void *context), void *context);

/* On shard 0, before its pool is up: hears every NOTIFY on ringmaster_tenants, and every reconnect, from then on. */
void tenant_loader_listen(struct tenant_loader *l, struct db_pool *p);
/* On shard 0, when all directories are there and the database may be believed. Loads now, and again whenever something was heard. */
struct tenant_loader_config { struct db_pool *pool; struct worker *worker; struct secret_key secret; struct slice default_calcom_url; struct tenant_directory *const *directories; };
void tenant_loader_start(struct tenant_loader *l, struct shard *s, const struct tenant_loader_config *c);
void tenant_loader_stop(struct tenant_loader *l);
/* When every shard has ended its work: frees the snapshot that was served last. A loader that never started has none. */
void tenant_loader_close(struct tenant_loader *l);
