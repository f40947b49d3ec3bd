/* calendar/slot_locks.c: a claim is on three lists for as long as it lives: its calendar's (sorted by beginning), its owner's, and that of the
 * claims that expire (sorted by expiry) or that of those that last. A calendar or an owner is in its map exactly while it has claims. */
#include "calendar/slot_locks.h"
#include "base/ensure.h"
#include "base/list.h"

enum : uint32_t { SLOT_LOCKS_MAGIC = 0x5107a10c };

/* All claims on one calendar, or all of one owner. */
struct claim_group { struct hash128 key; struct list claims; };

struct claim {
    struct list_node    in_calendar, in_owner, in_lifetime;
    struct claim_group *calendar, *owner;
    int64_t             from_us, until_us;
    uint64_t            expires_at_us;
};

struct claim_groups { struct hash_map by_key; struct pool pool; };

struct slot_locks {
    uint32_t            magic;
    struct pool         claims;
    struct claim_groups calendars, owners;
    struct list         expiring; /* soonest first */
    struct list         lasting;  /* until they are released */
};

static void groups_init(struct claim_groups *g, const char *name, uint32_t capacity)
{
    hash_map_init(&g->by_key, capacity);
    pool_init(&g->pool, name, sizeof(struct claim_group), capacity);
}

static void groups_deinit(struct claim_groups *g)
{
    pool_deinit(&g->pool);
    hash_map_deinit(&g->by_key);
}

/* There is one for every claim at most, so neither the pool nor the map can be full where a claim was to be had. */
static struct claim_group *group_of(struct claim_groups *g, struct hash128 key)
{
    struct claim_group *group = hash_map_find(&g->by_key, key);
    if (group) return group;
    group = pool_acquire(&g->pool);
    ensure(group);
    group->key = key;
    list_init(&group->claims);
    ensure(hash_map_insert(&g->by_key, key, group));
    return group;
}

static void remove_from_group(struct claim_groups *g, struct claim_group *group, struct list_node *claim)
{
    list_remove(&group->claims, claim);
    if (!list_is_empty(&group->claims)) return;
    hash_map_remove(&g->by_key, group->key);
    pool_release(&g->pool, group);
}

static struct claim *claim_in_calendar(struct list_node *n) { return n ? container_of(n, struct claim, in_calendar) : nullptr; }
static struct claim *claim_in_owner(struct list_node *n) { return n ? container_of(n, struct claim, in_owner) : nullptr; }
static struct claim *claim_in_lifetime(struct list_node *n) { return n ? container_of(n, struct claim, in_lifetime) : nullptr; }

static struct list *lifetime_of(struct slot_locks *l, uint64_t expires_at_us) { return expires_at_us == SLOT_UNTIL_RELEASED ? &l->lasting : &l->expiring; }

static void end_claim(struct slot_locks *l, struct claim *c)
{
    list_remove(lifetime_of(l, c->expires_at_us), &c->in_lifetime);
    remove_from_group(&l->calendars, c->calendar, &c->in_calendar);
    remove_from_group(&l->owners, c->owner, &c->in_owner);
    pool_release(&l->claims, c);
}

static void drop_expired(struct slot_locks *l, uint64_t now_us)
{
    ensure_magic(l, SLOT_LOCKS_MAGIC);
    struct claim *c;
    while ((c = claim_in_lifetime(list_first(&l->expiring))) && c->expires_at_us <= now_us) end_claim(l, c);
}

/* `node` before `next`; nullptr: at the end. */
static void list_insert_before(struct list *l, struct list_node *node, struct list_node *next)
{
    ensure(!list_node_is_linked(node));
    struct list_node *after = next ? next : &l->head;
    node->next = after;
    node->previous = after->previous;
    after->previous->next = node;
    after->previous = node;
    l->count += 1;
}

/* From the back: holds last about equally long, so a new one is nearly always the last to expire. */
static void expire_at(struct slot_locks *l, struct claim *c, uint64_t expires_at_us)
{
    if (list_node_is_linked(&c->in_lifetime)) list_remove(lifetime_of(l, c->expires_at_us), &c->in_lifetime);
    c->expires_at_us = expires_at_us;

    struct list      *lifetime = lifetime_of(l, expires_at_us);
    struct list_node *next = &lifetime->head;
    while (next->previous != &lifetime->head && claim_in_lifetime(next->previous)->expires_at_us > expires_at_us) next = next->previous;
    list_insert_before(lifetime, &c->in_lifetime, next);
}

static bool is_of(const struct claim *c, struct slot_claim_owner owner) { return hash128_equal(c->owner->key, owner.key); }

/* What stands in the way of [from, until): until when at most. 0: nothing does. */
static uint64_t taken_until(const struct claim_group *calendar, struct slot_claim_owner owner, int64_t from_us, int64_t until_us)
{
    uint64_t taken_until_us = 0;
    if (!calendar) return 0;
    for (struct claim *c = claim_in_calendar(list_first(&calendar->claims)); c && c->from_us < until_us;
         c = claim_in_calendar(list_next(&calendar->claims, &c->in_calendar))) {
        if (c->until_us <= from_us || is_of(c, owner)) continue;
        if (c->expires_at_us > taken_until_us) taken_until_us = c->expires_at_us;
    }
    return taken_until_us;
}

/* The claim of this owner on exactly this interval, or nullptr. */
static struct claim *claim_of(const struct claim_group *calendar, struct slot_claim_owner owner, int64_t from_us, int64_t until_us)
{
    if (!calendar) return nullptr;
    for (struct claim *c = claim_in_calendar(list_first(&calendar->claims)); c && c->from_us <= from_us;
         c = claim_in_calendar(list_next(&calendar->claims, &c->in_calendar)))
        if (c->from_us == from_us && c->until_us == until_us && is_of(c, owner)) return c;
    return nullptr;
}

static struct claim *begin_claim(struct slot_locks *l, struct hash128 calendar, struct slot_claim_owner owner, int64_t from_us, int64_t until_us)
{
    struct claim *c = pool_acquire(&l->claims);
    if (!c) return nullptr;
    c->calendar = group_of(&l->calendars, calendar);
    c->owner = group_of(&l->owners, owner.key);
    c->from_us = from_us;
    c->until_us = until_us;

    struct list      *claims = &c->calendar->claims;
    struct list_node *next = list_first(claims);
    while (next && claim_in_calendar(next)->from_us <= from_us) next = list_next(claims, next);
    list_insert_before(claims, &c->in_calendar, next);
    list_push_back(&c->owner->claims, &c->in_owner);
    return c;
}

struct slot_locks *slot_locks_open(uint32_t claims_max)
{
    struct slot_locks *l = calloc(1, sizeof *l);
    ensure(l); /* at start only */
    pool_init(&l->claims, "slot_claims", sizeof(struct claim), claims_max);
    groups_init(&l->calendars, "slot_calendars", claims_max);
    groups_init(&l->owners, "slot_owners", claims_max);
    list_init(&l->expiring);
    list_init(&l->lasting);
    l->magic = SLOT_LOCKS_MAGIC;
    return l;
}

void slot_locks_close(struct slot_locks *l)
{
    drop_expired(l, UINT64_MAX);
    while (!list_is_empty(&l->lasting)) end_claim(l, claim_in_lifetime(list_first(&l->lasting)));
    groups_deinit(&l->owners);
    groups_deinit(&l->calendars);
    pool_deinit(&l->claims);
    l->magic = 0;
    free(l);
}

enum slot_answer slot_claim(struct slot_locks *l, struct hash128 calendar, struct slot_claim_owner owner, int64_t from_us, int64_t until_us,
                            uint64_t now_us, uint64_t expires_at_us, uint64_t *free_at_us)
{
    ensure(from_us < until_us && now_us < expires_at_us);
    drop_expired(l, now_us);

    const struct claim_group *group = hash_map_find(&l->calendars.by_key, calendar);
    uint64_t                  taken_until_us = taken_until(group, owner, from_us, until_us);
    if (taken_until_us > 0) {
        if (free_at_us) *free_at_us = taken_until_us;
        return SLOT_TAKEN;
    }
    struct claim *c = claim_of(group, owner, from_us, until_us);
    if (c && c->expires_at_us >= expires_at_us) return SLOT_CLAIMED;
    if (!c) c = begin_claim(l, calendar, owner, from_us, until_us);
    if (!c) return SLOT_NO_ROOM;
    expire_at(l, c, expires_at_us);
    return SLOT_CLAIMED;
}

void slot_release(struct slot_locks *l, struct hash128 calendar, struct slot_claim_owner owner, int64_t from_us, int64_t until_us)
{
    ensure_magic(l, SLOT_LOCKS_MAGIC);
    struct claim *c = claim_of(hash_map_find(&l->calendars.by_key, calendar), owner, from_us, until_us);
    if (c) end_claim(l, c);
}

void slot_release_all(struct slot_locks *l, struct slot_claim_owner owner)
{
    ensure_magic(l, SLOT_LOCKS_MAGIC);
    const struct claim_group *group = hash_map_find(&l->owners.by_key, owner.key);
    if (!group) return;
    /* The group goes with its last claim, so it is not asked after that. */
    for (uint32_t left = group->claims.count; left > 0; left--) end_claim(l, claim_in_owner(list_first(&group->claims)));
}

bool slot_is_free(struct slot_locks *l, struct hash128 calendar, struct slot_claim_owner owner, int64_t from_us, int64_t until_us, uint64_t now_us)
{
    ensure(from_us < until_us);
    drop_expired(l, now_us);
    return taken_until(hash_map_find(&l->calendars.by_key, calendar), owner, from_us, until_us) == 0;
}

uint32_t slot_claims(const struct slot_locks *l)
{
    ensure_magic(l, SLOT_LOCKS_MAGIC);
    return l->claims.used;
}
