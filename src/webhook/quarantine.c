/* webhook/quarantine.c: what verified and was not understood. It was acknowledged, because a repeat would not be understood either; it is durable, counted, kept in
 * PostgreSQL with the reason, and `ringmaster webhooks list --outcome quarantined` shows it. One at a time: there should be none. */
#include "webhook/door.h"

#include "base/hmac.h"
#include "base/log.h"

static void keep_first(struct webhook_door *home);

static struct delivery *first(const struct webhook_door *home)
{
    struct list_node *n = list_first(&home->quarantine);
    return n ? container_of(n, struct delivery, node) : nullptr;
}

static void kept(struct steady_unit *u)
{
    struct webhook_door *home = container_of(u, struct webhook_door, keep);
    struct delivery *d = first(home);
    bool taken = !u->given_up && u->unit.outcome == DB_OK;
    if (!taken && !u->given_up) log_event(LOG_ERROR, "quarantine_refused_by_database", log_integer("workspace", d->workspace_id), log_cstring("sqlstate", u->unit.sqlstate));
    db_unit_release(&u->unit);
    list_remove(&home->quarantine, &d->node);
    delivery_settled(d, taken ? MAIL_FILED : MAIL_LEFT);
    keep_first(home);
}

static void keep_first(struct webhook_door *home)
{
    struct delivery *d = first(home);
    if (!d || home->keep.running || home->draining) return;
    struct db_unit *u = &home->keep.unit;
    db_unit_begin(u, (struct db_tenant){ .workspace_id = d->workspace_id });
    db_unit_call(u, DB_KEEP_WEBHOOK);
    db_add_integer(u, d->workspace_id);
    db_add_null(u);
    db_add_text(u, slice_of("retell"));
    db_add_null(u); /* event and call: not understood */
    db_add_null(u);
    db_add_text(u, slice_from_text(d->correlation_id)); /* the hash of its bytes: the same body is kept once */
    db_add_integer(u, d->received_at_us);
    db_add_text(u, slice_from_text(d->correlation_id));
    db_add_text(u, slice_of("quarantined"));
    db_add_text(u, slice_from_text(retell_reading_text(d->reading)));
    db_add_text(u, slice_from(d->body.start, d->body.length));
    steady_submit(&home->keep, home->shard, home->config.pool, kept);
}

void quarantine_put(struct webhook_door *home, struct delivery *d)
{
    counter_add(&home->counters.quarantined, 1);
    log_event(LOG_WARNING, "webhook_quarantined", log_integer("workspace", d->workspace_id), log_cstring("reason", retell_reading_text(d->reading)),
              log_cstring("correlation", d->correlation_id));
    if (home->draining) {
        delivery_settled(d, MAIL_LEFT); /* it became durable while the drain was under way: the journal keeps it */
        return;
    }
    list_push_back(&home->quarantine, &d->node);
    keep_first(home);
}

/* Those that wait go home as they are: the journal keeps them. The one under way goes when PostgreSQL has answered. */
void quarantine_drain(struct webhook_door *home)
{
    bool under_way = home->keep.running && !steady_abandon(&home->keep);
    struct list_node *next;
    for (struct list_node *n = list_first(&home->quarantine); n; n = next) {
        next = list_next(&home->quarantine, n);
        struct delivery *d = container_of(n, struct delivery, node);
        if (under_way && d == first(home)) continue;
        list_remove(&home->quarantine, n);
        delivery_settled(d, MAIL_LEFT);
    }
}
