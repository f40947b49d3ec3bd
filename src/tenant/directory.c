#include "tenant/directory.h"

#include "base/clock.h"
#include "base/log.h"

constexpr uint32_t reload_retry_ms = 1'000, parse_retry_ms = 10'000;

void tenant_directory_init(struct tenant_directory *d, struct shard *s, void (*switched)(void *context), void *context)
{
    *d = (struct tenant_directory){ .magic = tenant_directory_magic, .shard = s, .switched = switched, .context = context };
}

/* -- the swap: one envelope to every shard, itself included -- */

static void load(struct tenant_loader *l);

static void swap_came_home(struct shard *at, struct envelope *e)
{
    struct tenant_swap *swap = container_of(e, struct tenant_swap, envelope);
    struct tenant_loader *l = swap->loader;
    ensure_on(at);
    l->swaps_out -= 1;
    if (l->swaps_out > 0) return;

    tenant_snapshot_free(l->serving); /* every shard has let go of it */
    l->serving = l->parsed;
    l->parsed = nullptr;
    l->state = TENANT_IDLE;
    shard_release(l->shard);
    if (l->again) load(l);
}

static void swap_arrived(struct shard *at, struct envelope *e)
{
    struct tenant_swap *swap = container_of(e, struct tenant_swap, envelope);
    struct tenant_directory *d = swap->directory;
    ensure_magic(d, tenant_directory_magic);
    ensure_on(d->shard);
    d->current = swap->next;
    counter_add(&d->switches, 1);
    if (d->switched) d->switched(d->context);
    envelope_return(at, e);
}

static void start_swap(struct tenant_loader *l)
{
    l->state = TENANT_SWAPPING;
    l->swaps_out = l->shard->group->count;
    for (uint16_t n = 0; n < l->shard->group->count; n++) {
        struct tenant_swap *swap = &l->swaps[n];
        swap->loader = l;
        swap->directory = l->directories[n];
        swap->next = l->parsed;
        envelope_send(l->shard, &swap->envelope, n, swap_arrived, swap_came_home);
    }
}

/* -- ask, parse -- */

static void retry_later(struct timer *t) { load(container_of(t, struct tenant_loader, timer)); }
static void retry_in_ms(struct tenant_loader *l, uint32_t ms) { timer_start(&l->shard->timers, &l->timer, l->shard->now_us + ms * UINT64_C(1000), retry_later); }
static void database_is_up(struct db_waiter *w) { load(container_of(w, struct tenant_loader, waiter)); }

static void give_up_for_now(struct tenant_loader *l)
{
    l->state = TENANT_IDLE;
    shard_release(l->shard);
}

static void parse(struct job *j)
{
    struct tenant_loader *l = container_of(j, struct tenant_loader, job);
    l->parsed = tenant_snapshot_parse(db_text(&l->unit, 0, 0, 0), &l->secret, l->default_calcom_url, &l->error);
}

static void parsed(struct job *j)
{
    struct tenant_loader *l = container_of(j, struct tenant_loader, job);
    db_unit_release(&l->unit);
    l->failed = l->parsed == nullptr;
    if (l->failed) {
        log_event(LOG_ERROR, "tenants_unusable", log_cstring("reason", l->error.text));
        give_up_for_now(l);
        if (l->again) load(l); /* it has been changed since it was asked for */
        else if (l->error.no_memory && !l->shard->stopping) retry_in_ms(l, parse_retry_ms);
        return;
    }
    l->parsed->version = ++l->version;
    l->parsed->loaded_at_us = l->shard->wall_us;
    log_event(LOG_INFO, "tenants_loaded", log_integer("version", l->version), log_integer("companies", l->parsed->company_count),
              log_integer("numbers", l->parsed->number_count));
    start_swap(l);
}

static void asked(struct db_unit *u)
{
    struct tenant_loader *l = container_of(u, struct tenant_loader, unit);
    if (u->outcome == DB_OK && db_row_count(u, 0) == 1) {
        l->state = TENANT_PARSING;
        worker_give(l->worker, l->shard, &l->job, parse, parsed);
        return;
    }
    bool outage = u->outcome == DB_UNAVAILABLE;
    db_unit_release(u);
    give_up_for_now(l);
    if (outage) db_pool_when_up(l->pool, &l->waiter);
    else retry_in_ms(l, reload_retry_ms);
}

static void load(struct tenant_loader *l)
{
    if (l->state != TENANT_IDLE) { l->again = true; return; }
    if (l->shard->stopping) return;
    timer_stop(&l->shard->timers, &l->timer);
    db_pool_forget(l->pool, &l->waiter); /* the connection that listens may say so before the pool does */
    l->again = false;
    l->state = TENANT_ASKING;
    shard_hold(l->shard);
    db_unit_begin(&l->unit, (struct db_tenant){});
    db_unit_call(&l->unit, DB_SNAPSHOT);
    db_submit(l->pool, &l->unit, asked);
}

static void heard(void *context, struct slice payload)
{
    (void)payload;
    struct tenant_loader *l = context;
    if (l->shard) load(l); /* before the start: the start loads anyway */
}

void tenant_loader_listen(struct tenant_loader *l, struct db_pool *p) { db_pool_listen(p, "ringmaster_tenants", heard, l); }

void tenant_loader_start(struct tenant_loader *l, struct shard *s, const struct tenant_loader_config *c)
{
    ensure(s->index == 0);
    *l = (struct tenant_loader){ .shard = s, .pool = c->pool, .worker = c->worker, .secret = c->secret, .default_calcom_url = c->default_calcom_url, .directories = c->directories };
    l->waiter.up = database_is_up;
    load(l);
}

void tenant_loader_stop(struct tenant_loader *l)
{
    timer_stop(&l->shard->timers, &l->timer);
    db_pool_forget(l->pool, &l->waiter);
}

void tenant_loader_close(struct tenant_loader *l)
{
    ensure(l->state == TENANT_IDLE && l->parsed == nullptr);
    tenant_snapshot_free(l->serving);
    l->serving = nullptr;
}
