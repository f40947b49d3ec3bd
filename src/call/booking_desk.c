/* Who runs booking flows: one desk per shard. It finds the account of a credential, keeps one writing flow per calendar, hears of new intents from other shards,
 * and sweeps up (on shard 0) what nobody told it. Everything here lives on its shard; only notices travel. */
#include "base/clock.h"
#include "base/log.h"
#include "call/booking_flow.h"

constexpr uint32_t booking_desk_magic = 0xde5c0001;
constexpr uint64_t sweep_every_us = 1'000'000;
/* As many as four shards can have under way, so those that are do not hide those that are not. With more shards, and all of them full, they do until some have ended. */
enum { SWEEP_LIMIT = 4 * bookings_max };

/* A calendar with a flow that writes, and those that wait for it. Here only while there is one. */
struct calendar_queue { struct hash128 key; struct booking *writing; struct list waiting; };

/* A credential that lives on this shard. */
struct account_entry { struct list_node node; struct hash128 key; int64_t company_id; struct calcom_account *account; uint32_t bookings; bool gone; };

/* From a call's shard to a credential's: this intent is yours. */
struct booking_notice { struct envelope envelope; struct booking_desk *from; int64_t company_id, intent_id; };

static struct hash128 key_of_intent(int64_t company_id, int64_t intent_id)
{
    const int64_t both[2] = { company_id, intent_id };
    return hash128_of(slice_from(both, sizeof both));
}

static void refresh_gauges(struct timer *t);

struct booking_desk *booking_desk_open(const struct booking_desk_config *c)
{
    ensure_on(c->shard);
    struct booking_desk *d = calloc(1, sizeof *d);
    ensure(d != nullptr);
    d->magic = booking_desk_magic;
    d->config = *c;
    d->shard = c->shard;
    pool_init(&d->bookings, "bookings", sizeof(struct booking), c->bookings_max);
    pool_init(&d->notices, "booking notices", sizeof(struct booking_notice), booking_notices_max);
    pool_init(&d->accounts, "calcom accounts", sizeof(struct account_entry), c->accounts_max);
    pool_init(&d->calendars, "calendars", sizeof(struct calendar_queue), c->bookings_max);
    hash_map_init(&d->by_intent, c->bookings_max);
    hash_map_init(&d->by_calendar, c->bookings_max);
    hash_map_init(&d->by_credential, c->accounts_max);
    list_init(&d->running);
    list_init(&d->open_accounts);
    d->locks = slot_locks_open(c->claims_max);
    d->shard->bookings = d;
    timer_start(&d->shard->timers, &d->gauge_timer, d->shard->now_us + sweep_every_us, refresh_gauges);
    return d;
}

uint64_t booking_desk_bytes(uint32_t bookings, uint32_t accounts)
{
    return (uint64_t)bookings * (sizeof(struct booking) + sizeof(struct calendar_queue)) + (uint64_t)booking_notices_max * sizeof(struct booking_notice) +
           (uint64_t)accounts * sizeof(struct account_entry);
}

/* -- accounts -- */

static void close_account(struct booking_desk *d, struct account_entry *a)
{
    ensure(a->bookings == 0);
    hash_map_remove(&d->by_credential, a->key);
    list_remove(&d->open_accounts, &a->node);
    calcom_account_close(a->account);
    pool_release(&d->accounts, a);
    gauge_set(&d->counters.accounts, d->accounts.used);
}

static struct account_entry *open_account(struct booking_desk *d, const struct credential *c)
{
    struct account_entry *a = pool_acquire(&d->accounts);
    if (!a) return nullptr;
    a->account = calcom_account_open(d->shard, c, &d->config.calcom);
    if (!a->account) {
        pool_release(&d->accounts, a);
        return nullptr;
    }
    a->key = c->key;
    a->company_id = c->company_id;
    a->gone = d->draining; /* of a booking that was loading its row when the end began: nobody retires accounts any more */
    ensure(hash_map_insert(&d->by_credential, a->key, a));
    list_push_back(&d->open_accounts, &a->node);
    gauge_set(&d->counters.accounts, d->accounts.used);
    return a;
}

static const struct credential *credential_of(const struct booking_desk *d, int64_t company_id)
{
    const struct tenant_snapshot *t = d->config.directory->current;
    const struct company *company = t ? tenant_company_by_id(t, company_id) : nullptr;
    return company ? company->credential : nullptr;
}

bool booking_join_account(struct booking *b)
{
    struct booking_desk *d = b->desk;
    const struct credential *c = credential_of(d, b->company_id);
    if (!c || shard_home_of(d->shard->group, c->key) != d->shard->index) return false;
    struct account_entry *a = hash_map_find(&d->by_credential, c->key);
    if (!a) a = open_account(d, c);
    if (!a) return false;
    a->bookings += 1;
    b->entry = a;
    b->account = a->account;
    return true;
}

static void leave_account(struct booking *b)
{
    struct account_entry *a = b->entry;
    if (!a) return;
    a->bookings -= 1;
    if (a->gone && a->bookings == 0) close_account(b->desk, a);
}

/* `each` may close the one that it is given. */
static void each_entry(struct booking_desk *d, void (*each)(struct booking_desk *d, struct account_entry *a))
{
    struct list_node *next;
    for (struct list_node *n = list_first(&d->open_accounts); n; n = next) {
        next = list_next(&d->open_accounts, n);
        each(d, container_of(n, struct account_entry, node));
    }
}

/* The key is the same, so the account is, with its budget; the versions that it is spoken to in may be others. */
static void renew_or_retire(struct booking_desk *d, struct account_entry *a)
{
    const struct credential *c = credential_of(d, a->company_id);
    a->gone = d->draining || !c || !hash128_equal(c->key, a->key) || !calcom_account_renew(a->account, c);
    if (a->gone && a->bookings == 0) close_account(d, a);
}

void booking_tenants_switched(struct booking_desk *d) { each_entry(d, renew_or_retire); }

/* Its connections hold the shard: they go with the last booking. */
static void retire(struct booking_desk *d, struct account_entry *a)
{
    a->gone = true;
    if (a->bookings == 0) close_account(d, a);
}

/* Breakers and budgets live in the accounts; scrapes come from other shards and may only read gauges. */
static void look_at(struct booking_desk *d, struct account_entry *a)
{
    uint32_t left = budget_left(calcom_account_budget(a->account), d->shard->now_us);
    if (left < gauge_read(&d->counters.budget_left_least)) gauge_set(&d->counters.budget_left_least, left);
    if (calcom_account_breaker(a->account)->state != BREAKER_CLOSED) gauge_add(&d->counters.breakers_open, 1);
}

static void refresh_gauges(struct timer *t)
{
    struct booking_desk *d = container_of(t, struct booking_desk, gauge_timer);
    gauge_set(&d->counters.breakers_open, 0);
    gauge_set(&d->counters.budget_left_least, d->config.calcom.budget.requests_per_window);
    each_entry(d, look_at);
    timer_start(&d->shard->timers, t, d->shard->now_us + sweep_every_us, refresh_gauges);
}

/* -- one writing flow per calendar -- */

void booking_join_calendar(struct booking *b)
{
    struct booking_desk *d = b->desk;
    struct calendar_queue *q = hash_map_find(&d->by_calendar, b->calendar);
    if (q) {
        list_push_back(&q->waiting, &b->queued);
        gauge_add(&d->counters.waiting_for_calendar, 1);
        return;
    }
    q = pool_acquire(&d->calendars);
    ensure(q != nullptr); /* as many as flows */
    q->key = b->calendar;
    q->writing = b;
    list_init(&q->waiting);
    ensure(hash_map_insert(&d->by_calendar, q->key, q));
    b->has_calendar = true;
}

static void pass_on(struct booking_desk *d, struct calendar_queue *q)
{
    struct list_node *next = list_pop_front(&q->waiting);
    if (!next) {
        hash_map_remove(&d->by_calendar, q->key);
        pool_release(&d->calendars, q);
        return;
    }
    gauge_add(&d->counters.waiting_for_calendar, -1);
    q->writing = container_of(next, struct booking, queued);
    q->writing->has_calendar = true;
    booking_wake(q->writing);
}

bool booking_claim_slot(struct booking *b)
{
    struct slot_claim_owner owner = { b->intent_key };
    uint64_t free_at_us;
    b->holds_claim = slot_claim(b->desk->locks, b->calendar, owner, b->busy_from_us, b->busy_until_us, b->desk->shard->now_us, UINT64_MAX, &free_at_us) == SLOT_CLAIMED;
    gauge_set(&b->desk->counters.claims, slot_claims(b->desk->locks));
    return b->holds_claim;
}

/* The claim has done its work: from here on the row's busy range stands for it. */
static void release_claim(struct booking *b)
{
    if (b->holds_claim) slot_release(b->desk->locks, b->calendar, (struct slot_claim_owner){ b->intent_key }, b->busy_from_us, b->busy_until_us);
    b->holds_claim = false;
    gauge_set(&b->desk->counters.claims, slot_claims(b->desk->locks));
}

void booking_leave_calendar(struct booking *b)
{
    struct booking_desk *d = b->desk;
    release_claim(b);
    struct calendar_queue *q = hash_map_find(&d->by_calendar, b->calendar);
    if (b->has_calendar) {
        ensure(q && q->writing == b);
        b->has_calendar = false;
        pass_on(d, q);
    } else if (list_node_is_linked(&b->queued)) {
        list_remove(&q->waiting, &b->queued);
        gauge_add(&d->counters.waiting_for_calendar, -1);
    }
}

/* -- flows -- */

void booking_wake(struct booking *b) { shard_make_ready(b->desk->shard, &b->task); }

static void end(struct booking *b)
{
    struct booking_desk *d = b->desk;
    leave_account(b);
    histogram_record(&d->counters.whole_us, d->shard->now_us - b->started_at_us);
    timer_stop(&d->shard->timers, &b->timer);
    list_remove(&d->running, &b->node);
    hash_map_remove(&d->by_intent, b->intent_key);
    b->magic = 0;
    pool_release(&d->bookings, b);
    gauge_set(&d->counters.running, d->bookings.used);
    shard_release(d->shard);
}

static void run(struct task *t)
{
    struct booking *b = container_of(t, struct booking, task);
    ensure_magic(b, booking_magic);
    switch (booking_run(b)) {
    case FLOW_WAITING: return;
    case FLOW_DONE:    end(b); return;
    }
}

static void start(struct booking_desk *d, int64_t company_id, int64_t intent_id)
{
    struct hash128 key = key_of_intent(company_id, intent_id);
    if (d->draining || hash_map_find(&d->by_intent, key)) return; /* under way already */
    struct booking *b = pool_acquire(&d->bookings);
    if (!b) return; /* the row waits; the sweep comes back */
    b->magic = booking_magic;
    b->desk = d;
    b->company_id = company_id;
    b->intent_id = intent_id;
    b->intent_key = key;
    b->task.run = run;
    b->started_at_us = d->shard->now_us;
    ensure(hash_map_insert(&d->by_intent, key, b));
    list_push_back(&d->running, &b->node);
    shard_hold(d->shard);
    gauge_set(&d->counters.running, d->bookings.used);
    booking_wake(b);
}

/* -- notices -- */

static void notice_came_home(struct shard *at, struct envelope *e)
{
    struct booking_notice *n = container_of(e, struct booking_notice, envelope);
    ensure_on(at);
    pool_release(&n->from->notices, n);
}

static void notice_arrived(struct shard *at, struct envelope *e)
{
    struct booking_notice *n = container_of(e, struct booking_notice, envelope);
    start(at->bookings, n->company_id, n->intent_id);
    envelope_return(at, e);
}

void booking_hand_over(struct booking_desk *d, int64_t company_id, int64_t intent_id)
{
    ensure_on(d->shard);
    const struct credential *c = credential_of(d, company_id);
    uint16_t home = c ? shard_home_of(d->shard->group, c->key) : d->shard->index;
    if (home == d->shard->index) {
        start(d, company_id, intent_id);
        return;
    }
    struct booking_notice *n = pool_acquire(&d->notices);
    if (!n) {
        counter_add(&d->counters.notices_dropped, 1);
        return;
    }
    n->from = d;
    n->company_id = company_id;
    n->intent_id = intent_id;
    envelope_send(d->shard, &n->envelope, home, notice_arrived, notice_came_home);
}

/* -- the sweep -- */

static void sweep(struct booking_desk *d);
static void sweep_again(struct timer *t) { sweep(container_of(t, struct booking_desk, sweep_timer)); }

static void swept(struct steady_unit *u)
{
    struct booking_desk *d = container_of(u, struct booking_desk, sweep);
    uint32_t found = u->unit.outcome == DB_OK ? db_row_count(&u->unit, 0) : 0;
    for (uint32_t n = 0; n < found; n++) booking_hand_over(d, db_integer(&u->unit, 0, n, 0), db_integer(&u->unit, 0, n, 1));
    db_unit_release(&u->unit);
    if (!d->draining) timer_start(&d->shard->timers, &d->sweep_timer, d->shard->now_us + sweep_every_us, sweep_again);
}

static void sweep(struct booking_desk *d)
{
    struct db_unit *u = &d->sweep.unit;
    db_unit_begin(u, (struct db_tenant){});
    db_unit_call(u, DB_DUE_INTENTS);
    db_add_integer(u, d->shard->wall_us);
    db_add_integer(u, SWEEP_LIMIT);
    steady_submit(&d->sweep, d->shard, d->config.pool, swept);
}

void booking_sweep_start(struct booking_desk *d)
{
    ensure(d->shard->index == 0);
    sweep(d);
}

/* -- the end -- */

static void leave_if_waiting(struct booking *b)
{
    bool statement_waits = b->steady.running && steady_abandon(&b->steady);
    bool queued = list_node_is_linked(&b->queued);
    if (!statement_waits && !queued && !b->waiting) return; /* Cal.com or PostgreSQL will answer */
    timer_stop(&b->desk->shard->timers, &b->timer);
    b->waiting = false;
    b->plan = PLAN_LEAVE;
    booking_wake(b);
}

void booking_desk_drain(struct booking_desk *d)
{
    d->draining = true;
    timer_stop(&d->shard->timers, &d->gauge_timer);
    timer_stop(&d->shard->timers, &d->sweep_timer);
    (void)steady_abandon(&d->sweep);
    for (struct list_node *n = list_first(&d->running); n; n = list_next(&d->running, n)) leave_if_waiting(container_of(n, struct booking, node));
    each_entry(d, retire);
}

void booking_desk_close(struct booking_desk *d)
{
    ensure_magic(d, booking_desk_magic);
    ensure(d->bookings.used == 0);
    each_entry(d, close_account);
    d->shard->bookings = nullptr;
    slot_locks_close(d->locks);
    hash_map_deinit(&d->by_intent);
    hash_map_deinit(&d->by_calendar);
    hash_map_deinit(&d->by_credential);
    pool_deinit(&d->bookings);
    pool_deinit(&d->notices);
    pool_deinit(&d->accounts);
    pool_deinit(&d->calendars);
    d->magic = 0;
    free(d);
}

const struct booking_desk_counters *booking_desk_counters(const struct booking_desk *d) { return &d->counters; }
uint32_t booking_desk_running(const struct booking_desk *d) { return d->bookings.used; }
