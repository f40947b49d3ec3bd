/* The desk of a shard's calls: admission, mailboxes, deadlines, and the end. What happens to a letter is in filing.c. */
#include "call/filing.h"

#include "base/clock.h"
#include "base/log.h"

constexpr uint32_t call_desk_magic = 0xca11de5c;
constexpr uint64_t second_us = 1'000'000, minute_us = 60 * second_us;
constexpr uint64_t admitted_wait_us = 60 * minute_us;  /* the journal may be waiting for room on the disk */
constexpr uint64_t analysis_wait_us = 10 * minute_us;  /* Retell publishes no bound; minutes at most were seen */
constexpr uint64_t repeats_wait_us = 30 * second_us;   /* so that repeats in a row meet the same actor; PostgreSQL knows them anyway */
constexpr uint64_t restore_every_us = 10 * minute_us;
constexpr int64_t undecided_wait_us = 30 * 24 * 60 * (int64_t)minute_us; /* an analysis that has not come for a month is not waited for by another life */

struct call_desk *call_desk_open(const struct call_desk_config *c)
{
    ensure_on(c->shard);
    struct call_desk *d = calloc(1, sizeof *d);
    ensure(d != nullptr);
    d->magic = call_desk_magic;
    d->config = *c;
    d->shard = c->shard;
    pool_init(&d->calls, "calls", sizeof(struct call), c->calls_max);
    pool_init(&d->filings, "filings", sizeof(struct filing), c->filings_max);
    hash_map_init(&d->by_key, c->calls_max);
    list_init(&d->waiting);
    list_init(&d->running);
    heap_init(&d->heap, c->heap_bytes);
    return d;
}

uint64_t call_desk_bytes(uint32_t calls, uint32_t filings) { return (uint64_t)calls * sizeof(struct call) + (uint64_t)filings * sizeof(struct filing); }

struct hash128 call_key(int64_t workspace_id, struct slice call_id)
{
    return hash128_mix(hash128_stable(slice_from(&workspace_id, sizeof workspace_id)), hash128_stable(call_id));
}

/* -- deadlines -- */

static void work(struct call *c);

static void time_is_up(struct timer *t)
{
    struct call *c = container_of(t, struct call, timer);
    ensure_magic(c, call_magic);
    c->time_is_up = true;
    work(c);
}

/* How long a state may last. */
static uint64_t patience_us(const struct call *c)
{
    const struct call_desk *d = c->desk;
    switch (c->state) {
    case CALL_NEW:      return admitted_wait_us;
    case CALL_ONGOING:
    case CALL_ANALYZED: {
        if (!c->company_id) return repeats_wait_us; /* of no tenant, or a chat: there is nothing to be closed */
        int64_t seen_for_us = d->shard->wall_us - c->first_seen_at_us;
        uint64_t longest_us = d->config.longest_call_us + d->config.end_grace_us;
        return seen_for_us > 0 && (uint64_t)seen_for_us < longest_us ? longest_us - (uint64_t)seen_for_us : seen_for_us > 0 ? 0 : longest_us;
    }
    case CALL_ENDED:    return c->undecided ? analysis_wait_us : analysis_wait_us / 10;
    case CALL_COMPLETE:
    case CALL_LOST:     return repeats_wait_us;
    case CALL_OVER:     return 0;
    }
    ensure(false);
}

static void restart_deadline(struct call *c)
{
    timer_stop(&c->desk->shard->timers, &c->timer);
    c->time_is_up = false; /* an earlier deadline that was not acted upon is void: it was another state's */
    if (c->state != CALL_OVER) timer_start(&c->desk->shard->timers, &c->timer, c->desk->shard->now_us + patience_us(c), time_is_up);
}

static void happen(struct call *c, enum call_happening h)
{
    c->state = call_next_state(c->state, h);
    restart_deadline(c);
}

/* -- calls -- */

static struct call *create(struct call_desk *d, struct hash128 key, int64_t workspace_id, struct slice call_id)
{
    ensure(call_id.length <= call_id_bytes_max);
    struct call *c = pool_acquire(&d->calls);
    if (!c) return nullptr;
    c->magic = call_magic;
    c->desk = d;
    c->key = key;
    c->workspace_id = workspace_id;
    c->first_seen_at_us = d->shard->wall_us;
    memcpy(c->id.text, call_id.start, call_id.length);
    list_init(&c->mailbox);
    ensure(hash_map_insert(&d->by_key, key, c));
    counter_add(&d->counters.created, 1);
    gauge_set(&d->counters.active, d->calls.used);
    return c;
}

static void forget(struct call *c)
{
    struct call_desk *d = c->desk;
    ensure(list_is_empty(&c->mailbox) && c->expected == 0 && !c->filing && !list_node_is_linked(&c->waiting));
    timer_stop(&d->shard->timers, &c->timer);
    hash_map_remove(&d->by_key, c->key);
    c->magic = 0;
    pool_release(&d->calls, c);
    gauge_set(&d->counters.active, d->calls.used);
}

/* -- filings -- */

static void send_off(struct call *c, struct call_mail *m, enum mail_end end)
{
    list_remove(&c->mailbox, &m->node);
    gauge_add(&c->desk->counters.mail_waiting, -1);
    if (end == MAIL_FILED) histogram_record(&c->desk->counters.filed_us, c->desk->shard->now_us - m->posted_at_us);
    m->done(m, end); /* the letter is gone after this */
}

/* Not every call that has waited still needs one. */
static void give_to_waiting(struct call_desk *d)
{
    while (!d->draining && d->filings.used < d->filings.capacity && !list_is_empty(&d->waiting))
        work(container_of(list_pop_front(&d->waiting), struct call, waiting));
}

/* It is over, as PostgreSQL knows it: the end was filed by an actor that has been forgotten since, and will not come once more. */
static void hear_of_end(struct call *c)
{
    if (c->state == CALL_ONGOING || c->state == CALL_ANALYZED) happen(c, CALL_IT_ENDED);
}

static void end_filing(struct filing *f)
{
    struct call_desk *d = f->desk;
    struct call *c = f->call;
    if (f->mail) send_off(c, f->mail, f->leave ? MAIL_LEFT : f->kept ? MAIL_KEPT : MAIL_FILED);
    if (f->is_closed) hear_of_end(c);
    if (f->mail) restart_deadline(c); /* whose it is, and what it waits for, is known only now */
    db_unit_release(&f->steady.unit);
    filing_give_room_back(f);
    timer_stop(&d->shard->timers, &f->timer);
    list_remove(&d->running, &f->node);
    c->filing = nullptr;
    f->magic = 0;
    pool_release(&d->filings, f);
    gauge_set(&d->counters.filings, d->filings.used);
    shard_release(d->shard);

    give_to_waiting(d);
    work(c);
}

static void run_filing(struct task *t)
{
    struct filing *f = container_of(t, struct filing, task);
    ensure_magic(f, filing_magic);
    switch (filing_run(f)) {
    case FLOW_WAITING: return;
    case FLOW_DONE:    end_filing(f); return;
    }
}

/* false: the call waits in line, and is worked on again when a filing has ended. */
static bool filing_is_free(struct call *c)
{
    struct call_desk *d = c->desk;
    if (d->filings.used < d->filings.capacity) return true;
    list_push_back(&d->waiting, &c->waiting);
    return false;
}

static void start_filing(struct call *c, struct call_mail *m)
{
    struct call_desk *d = c->desk;
    struct filing *f = pool_acquire_head(&d->filings, offsetof(struct filing, steady.unit.calls)); /* half a KiB of 19 */
    ensure(f != nullptr); /* filing_is_free() */
    f->request.details[0] = 0;
    f->magic = filing_magic;
    f->desk = d;
    f->call = c;
    f->mail = m;
    f->task.run = run_filing;
    c->filing = f;
    list_push_back(&d->running, &f->node);
    gauge_set(&d->counters.filings, d->filings.used);
    shard_hold(d->shard);
    shard_make_ready(d->shard, &f->task);
}

static void open_letter(struct call *c, struct call_mail *m)
{
    if (!filing_is_free(c)) return;
    happen(c, filing_happening(m->event));
    start_filing(c, m);
}

static void act_on_deadline(struct call *c)
{
    bool to_be_filed = c->undecided || call_next_state(c->state, CALL_TIME_IS_UP) == CALL_LOST;
    if (to_be_filed && !filing_is_free(c)) return; /* the time stays up */
    happen(c, CALL_TIME_IS_UP);
    if (to_be_filed) start_filing(c, nullptr);
    else forget(c);
}

/* Whatever the call has to do next: a letter, a deadline, or nothing any more. */
static void work(struct call *c)
{
    if (c->filing || c->desk->draining || list_node_is_linked(&c->waiting)) return;
    struct list_node *first = list_first(&c->mailbox);
    if (first) open_letter(c, container_of(first, struct call_mail, node));
    else if (c->expected > 0) return; /* a letter is on its way: nothing is decided without it */
    else if (c->time_is_up) act_on_deadline(c);
    else if (c->state == CALL_OVER) forget(c);
}

/* -- from outside -- */

bool call_admit(struct call_desk *d, struct hash128 key, int64_t workspace_id, struct slice call_id)
{
    ensure_on(d->shard);
    struct call *c = hash_map_find(&d->by_key, key);
    if (c && c->mailbox.count + c->expected >= call_mailbox_max) {
        counter_add(&d->counters.mailbox_full, 1);
        return false;
    }
    if (!c) {
        c = create(d, key, workspace_id, call_id);
        if (c) restart_deadline(c);
    }
    if (!c) {
        counter_add(&d->counters.calls_full, 1);
        return false;
    }
    c->expected += 1;
    return true;
}

void call_prefetch(const struct call_desk *d, struct hash128 key) { hash_map_prefetch(&d->by_key, key); }

static struct call *expecting(struct call_desk *d, struct hash128 key)
{
    ensure_on(d->shard);
    struct call *c = hash_map_find(&d->by_key, key);
    ensure_magic(c, call_magic);
    ensure(c->expected > 0); /* admitted, once for each */
    c->expected -= 1;
    return c;
}

void call_dismiss(struct call_desk *d, struct hash128 key)
{
    struct call *c = expecting(d, key);
    bool made_for_it = c->state == CALL_NEW && c->expected == 0 && list_is_empty(&c->mailbox) && !d->draining && !list_node_is_linked(&c->waiting);
    if (made_for_it) forget(c);
    else work(c);
}

void call_post(struct call_desk *d, struct hash128 key, struct call_mail *m)
{
    struct call *c = expecting(d, key);
    m->posted_at_us = d->shard->now_us;
    list_push_back(&c->mailbox, &m->node);
    gauge_add(&d->counters.mail_waiting, 1);
    if (d->draining) send_off(c, m, MAIL_LEFT);
    else work(c);
}

/* -- open calls of an earlier life: their ends, or the analyses that they wait for, may still come --
 *
 * However many there are, one page of them is here at a time, and it is taken over in the turn in which it comes. A round goes through all of them; every shard
 * reads the same list and picks its own. A call that is new in it, or changes its place, while it is read is just being filed, and so has its actor. */

static void restore_one(struct call_desk *d, const struct db_unit *u, uint32_t row)
{
    int64_t workspace_id = db_integer(u, 0, row, 2);
    struct slice id = db_text(u, 0, row, 3);
    struct hash128 key = call_key(workspace_id, id);
    if (id.length > call_id_bytes_max || shard_home_of(d->shard->group, key) != d->shard->index || hash_map_find(&d->by_key, key)) return;
    struct call *c = create(d, key, workspace_id, id);
    if (!c) return; /* full: the next round finds it */
    c->company_id = db_integer(u, 0, row, 0);
    c->branch_id = db_integer(u, 0, row, 1);
    c->first_seen_at_us = db_integer(u, 0, row, 4);
    c->row = db_integer(u, 0, row, 5);
    c->customer_id = db_integer(u, 0, row, 6);
    c->undecided = d->restoring.statement == DB_UNDECIDED_CALLS;
    counter_add(&d->counters.restored, 1);
    happen(c, c->undecided ? CALL_IT_ENDED : CALL_IT_STARTED);
}

static void ask_for_page(struct call_desk *d);

static void restore(struct call_desk *d, enum db_statement s, int64_t seen_since_us)
{
    d->restoring.statement = s;
    d->restoring.seen_at_us = seen_since_us;
    d->restoring.call = 0;
    ask_for_page(d);
}

static void restore_again(struct timer *t) { call_restore_start(container_of(t, struct call_desk, restoring.timer)); }

static void take_over(struct call_desk *d, const struct db_unit *u, uint32_t rows)
{
    for (uint32_t row = 0; row < rows; row++) restore_one(d, u, row);
    if (rows == 0) return;
    d->restoring.seen_at_us = db_integer(u, 0, rows - 1, 7);
    d->restoring.call = db_integer(u, 0, rows - 1, 5);
}

static void page_came(struct steady_unit *s)
{
    struct call_desk *d = container_of(s, struct call_desk, restoring.unit);
    uint32_t rows = s->unit.outcome == DB_OK && !d->draining ? db_row_count(&s->unit, 0) : 0;
    take_over(d, &s->unit, rows);
    db_unit_release(&s->unit);
    if (d->draining) return;
    if (rows == calls_restored_per_page) ask_for_page(d);
    else if (d->restoring.statement == DB_OPEN_CALLS) restore(d, DB_UNDECIDED_CALLS, d->shard->wall_us - undecided_wait_us);
    else timer_start(&d->shard->timers, &d->restoring.timer, d->shard->now_us + restore_every_us, restore_again);
}

static void ask_for_page(struct call_desk *d)
{
    struct restoring *r = &d->restoring;
    db_unit_begin(&r->unit.unit, (struct db_tenant){});
    db_unit_call(&r->unit.unit, r->statement);
    db_add_integer(&r->unit.unit, r->seen_at_us);
    db_add_integer(&r->unit.unit, r->call);
    db_add_integer(&r->unit.unit, calls_restored_per_page);
    steady_submit(&r->unit, d->shard, d->config.pool, page_came);
}

void call_restore_start(struct call_desk *d) { restore(d, DB_OPEN_CALLS, 0); }

/* -- the end -- */

static void leave_if_waiting(struct filing *f)
{
    bool statement_waits = f->steady.running && steady_abandon(&f->steady);
    if (!statement_waits && !f->waiting) return; /* PostgreSQL will answer */
    timer_stop(&f->desk->shard->timers, &f->timer);
    f->waiting = false;
    f->leave = true;
    shard_make_ready(f->desk->shard, &f->task);
}

static void each_call(struct call_desk *d, void (*each)(struct call *c))
{
    for (uint32_t n = 0; n < d->calls.capacity; n++)
        if (d->calls.states[n].generation % 2 == 1) each((struct call *)(d->calls.slots + (size_t)n * d->calls.slot_bytes));
}

/* Letters go home as they are: what they ask for is in the journal. The one that is being filed goes when PostgreSQL has answered. */
static void return_letters(struct call *c)
{
    struct list_node *next;
    for (struct list_node *n = list_first(&c->mailbox); n; n = next) {
        next = list_next(&c->mailbox, n);
        struct call_mail *m = container_of(n, struct call_mail, node);
        if (!c->filing || c->filing->mail != m) send_off(c, m, MAIL_LEFT);
    }
}

void call_desk_drain(struct call_desk *d)
{
    d->draining = true;
    timer_stop(&d->shard->timers, &d->restoring.timer);
    (void)steady_abandon(&d->restoring.unit);
    each_call(d, return_letters);
    for (struct list_node *n = list_first(&d->running); n; n = list_next(&d->running, n)) leave_if_waiting(container_of(n, struct filing, node));
}

static void abandon(struct call *c)
{
    if (list_node_is_linked(&c->waiting)) list_remove(&c->desk->waiting, &c->waiting);
    c->expected = 0; /* a journal that ended first took their letters with it, unacknowledged */
    forget(c);
}

void call_desk_close(struct call_desk *d)
{
    ensure_magic(d, call_desk_magic);
    ensure(d->filings.used == 0);
    each_call(d, abandon);
    zones_close(&d->zones);
    hash_map_deinit(&d->by_key);
    pool_deinit(&d->calls);
    pool_deinit(&d->filings);
    d->magic = 0;
    free(d);
}

const struct call_desk_counters *call_desk_counters(const struct call_desk *d) { return &d->counters; }
uint32_t call_desk_filing(const struct call_desk *d) { return d->filings.used; }
