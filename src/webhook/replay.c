#include "webhook/replay.h"

#include "base/log.h"

static void read_next(struct replay *r);

static void read_record(struct job *j)
{
    struct replay *r = container_of(j, struct replay, job);
    r->found = journal_recovery_next(r->recovery, &r->record);
}

static void send_again(struct timer *t)
{
    struct replay *r = container_of(t, struct replay, timer);
    for (struct list_node *n; (n = list_pop_front(&r->again)); ) delivery_travel(container_of(n, struct delivery, node));
    read_next(r);
}

static void try_again_soon(struct replay *r)
{
    struct shard *s = r->door->shard;
    if (!timer_is_running(&r->timer)) timer_start(&s->timers, &r->timer, s->now_us + replay_again_us, send_again);
}

/* nullptr: no room now. The record stays readable until the next reading. */
static struct delivery *copy_record(struct replay *r)
{
    struct webhook_door *door = r->door;
    struct slice body = r->record.body;
    struct delivery *d = pool_acquire(&door->deliveries);
    if (!d) return nullptr;
    *d = (struct delivery){ .magic = delivery_magic, .door = door, .replayed = true, .workspace_id = (int64_t)r->record.workspace_id,
                            .received_at_us = r->record.received_at_us, .recovered = r->record.position };
    d->body.start = heap_acquire(door->config.heap, body.length ? body.length : 1);
    d->body.length = body.length;
    d->body.capacity = d->body.start ? (body.length ? body.length : 1) : 0;
    if (d->body.start && body.length) memcpy(d->body.start, body.start, body.length);
    d->reading = d->body.start ? retell_event_decode(&d->event, slice_from(d->body.start, body.length), door->config.heap) : RETELL_NO_MEMORY;
    if (d->reading != RETELL_NO_MEMORY) return d;
    delivery_give_back(d);
    return nullptr;
}

static void finish_if_done(struct replay *r)
{
    if (!replay_is_done(r)) return;
    log_event(LOG_INFO, "journal_replayed", log_integer("records", r->told));
}

static void tell(struct replay *r)
{
    struct delivery *d = copy_record(r);
    r->holding = d == nullptr;
    if (r->holding) {
        try_again_soon(r);
        return;
    }
    r->under_way += 1;
    r->told += 1;
    delivery_travel(d);
    read_next(r);
}

static void was_read(struct job *j)
{
    struct replay *r = container_of(j, struct replay, job);
    if (r->stopped) return;
    r->exhausted = !r->found;
    if (r->found) tell(r);
    else finish_if_done(r);
}

static void read_next(struct replay *r)
{
    if (r->stopped || r->exhausted || r->job.running) return;
    if (r->holding) tell(r);
    else if (r->under_way < replays_under_way_max) worker_give(r->worker, r->door->shard, &r->job, read_record, was_read);
}

void replay_came_home(struct replay *r, struct delivery *d)
{
    if (d->status == 503 && !r->stopped) {
        list_push_back(&r->again, &d->node);
        try_again_soon(r);
        return;
    }
    d->out = 0;
    delivery_give_back(d);
    r->under_way -= 1;
    if (r->exhausted) finish_if_done(r);
    else read_next(r);
}

void replay_start(struct replay *r, struct webhook_door *door, struct worker *w, struct journal_recovery *recovery, uint64_t total)
{
    ensure(door->shard->index == 0);
    *r = (struct replay){ .door = door, .worker = w, .recovery = recovery, .total = total };
    list_init(&r->again);
    door->replay = r;
    read_next(r);
}

void replay_stop(struct replay *r)
{
    r->stopped = true;
    timer_stop(&r->door->shard->timers, &r->timer);
    for (struct list_node *n; (n = list_pop_front(&r->again)); ) {
        delivery_give_back(container_of(n, struct delivery, node));
        r->under_way -= 1;
    }
}

bool replay_is_done(const struct replay *r) { return r->exhausted && r->under_way == 0; }
