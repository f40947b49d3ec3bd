/* tests/simulation/database/session.c: the server's side of a session, and the way between: how long things take, what fails, and who has got what when it does. Runs as the world, in events;
 * the client's calls come from its fibers. */
#include "session.h"
#include <stdlib.h>
#include "base/ensure.h"
#include "base/list.h"

constexpr double   full_per_flush = 0.01; /* the socket's buffer has no room just now */
constexpr uint64_t drain_us = 300, travel_us = 60, notice_us = 400;

void segment_free(struct segment *g)
{
    store_answer_free(&g->answer);
    arena_free(&g->memory);
    free(g);
}

static struct segment *head_of(const struct list *l)
{
    struct list_node *n = list_first(l);
    return n ? container_of(n, struct segment, node) : nullptr;
}

static void free_all(struct list *l)
{
    for (struct list_node *n; (n = list_pop_front(l));) segment_free(container_of(n, struct segment, node));
}

/* -- polls -- */

bool session_is_ready(const PGconn *s, uint8_t readiness)
{
    if (readiness & IO_READABLE) return s->has_news || s->state == SESSION_BROKEN;
    return s->state == SESSION_BROKEN || s->full_until_us <= world_now_us();
}

static void tell_poll(PGconn *s, struct io_op **poll, uint8_t readiness)
{
    struct io_op *op = *poll;
    if (!op || !session_is_ready(s, readiness)) return;
    *poll = nullptr;
    ring_complete(s->io, op, (struct io_result){ .status = IO_OK, .count = readiness, .fd = -1 });
}

static void tell_client(PGconn *s)
{
    if (!s->is_attached) return;
    s->has_news = true;
    tell_poll(s, &s->readable, IO_READABLE);
    if (s->state == SESSION_BROKEN) tell_poll(s, &s->writable, IO_WRITABLE);
}

/* -- the end of a session -- */

static void end_if_nobody_is_left(PGconn *s)
{
    if (s->is_attached || event_is_to_come(&s->work)) return;
    struct event *const events[] = { &s->arrival, &s->delivery, &s->notice, &s->drained };
    for (size_t n = 0; n < sizeof events / sizeof *events; n++) event_cancel(events[n]);
    struct list *const lists[] = { &s->unsent, &s->sent, &s->answered, &s->arrived };
    for (size_t n = 0; n < sizeof lists / sizeof *lists; n++) free_all(lists[n]);
    if (s->building) segment_free(s->building);
    list_remove(&database.sessions, &s->node);
    free(s);
}

/* What was answered and is still under way may come through before the end, or not. */
void session_break(PGconn *s, const char *why)
{
    trace("database: session %u ends: %s", s->number, why);
    event_cancel(&s->work);
    event_cancel(&s->delivery);
    event_cancel(&s->arrival);
    free_all(&s->sent);
    const bool comes_through = dice_happens(DIE_DATABASE, 0.5);
    for (struct list_node *n; (n = list_pop_front(&s->answered));) {
        if (comes_through) list_push_back(&s->arrived, n);
        else segment_free(container_of(n, struct segment, node));
    }
    s->state = SESSION_BROKEN;
    s->error = why;
    tell_client(s);
    end_if_nobody_is_left(s);
}

/* The server reads what it was sent before it sees that nobody is there any more: some of it, from the front. */
void session_detach(PGconn *s)
{
    ensure(s->is_attached);
    s->is_attached = false;
    s->io = nullptr;
    s->readable = s->writable = nullptr;
    for (uint32_t left = (uint32_t)dice_between(DIE_DATABASE, 0, s->sent.count), count = s->sent.count; count > left; count--) {
        struct list_node *last = s->sent.head.previous;
        list_remove(&s->sent, last);
        segment_free(container_of(last, struct segment, node));
    }
    if (list_is_empty(&s->sent)) event_cancel(&s->work);
    end_if_nobody_is_left(s);
}

/* -- the beginning -- */

static void arrived_at_server(struct event *e)
{
    PGconn *s = container_of(e, PGconn, arrival);
    if (database_is_down() || dice_happens(DIE_DATABASE, database.climate.refuse_per_connect)) {
        database.counters.refused += 1;
        session_break(s, "connection refused");
        return;
    }
    database.counters.connections += 1;
    s->state = SESSION_OPEN;
    tell_client(s);
}

PGconn *session_new(void)
{
    PGconn *s = calloc(1, sizeof *s);
    ensure(s != nullptr);
    *s = (PGconn){ .number = ++database.sessions_made, .state = SESSION_CONNECTING, .error = "", .is_attached = true, .fd = -1 };
    struct list *const lists[] = { &s->unsent, &s->sent, &s->answered, &s->arrived };
    for (size_t n = 0; n < sizeof lists / sizeof *lists; n++) list_init(lists[n]);
    list_push_back(&database.sessions, &s->node);
    event_schedule(&s->arrival, world_now_us() + dice_delay_us(DIE_DATABASE, database.climate.connect_us), arrived_at_server);
    return s;
}

/* -- answers on their way -- */

static void delivered(struct event *e)
{
    PGconn *s = container_of(e, PGconn, delivery);
    struct list_node *n = list_pop_front(&s->answered);
    list_push_back(&s->arrived, n);
    const struct segment *next = head_of(&s->answered);
    if (next) event_schedule(&s->delivery, next->arrives_at_us, delivered);
    if (container_of(n, struct segment, node)->fate == FATE_IS_SHUT_DOWN) session_break(s, "terminating connection due to administrator command");
    else tell_client(s);
}

static void deliver(PGconn *s, struct segment *g)
{
    const struct list_node *last = list_is_empty(&s->answered) ? nullptr : s->answered.head.previous;
    const uint64_t not_before_us = last ? container_of(last, struct segment, node)->arrives_at_us : 0;
    g->arrives_at_us = world_now_us() + dice_delay_us(DIE_DATABASE, travel_us);
    if (g->arrives_at_us < not_before_us) g->arrives_at_us = not_before_us;
    list_push_back(&s->answered, &g->node);
    if (!event_is_to_come(&s->delivery)) event_schedule(&s->delivery, g->arrives_at_us, delivered);
}

static void notice_arrived(struct event *e)
{
    PGconn *s = container_of(e, PGconn, notice);
    s->notices += 1;
    tell_client(s);
}

void session_notify(PGconn *s)
{
    if (!s->listens || s->state != SESSION_OPEN || event_is_to_come(&s->notice)) return;
    event_schedule(&s->notice, world_now_us() + dice_delay_us(DIE_DATABASE, notice_us), notice_arrived);
}

/* -- a unit at the server -- */

static void begin_work(PGconn *s);

static void say_error(struct segment *g, const char *sqlstate) { snprintf(g->answer.sqlstate, sizeof g->answer.sqlstate, "%s", sqlstate); }

static void tell_story(const PGconn *s, const struct segment *g)
{
    static const char *const outcomes[] = { "ok", "conflict", "rejected", "try again", "unavailable", "busy" };
    char names[160] = "";
    struct buffer b = buffer_over(names, sizeof names - 1);
    for (uint32_t call = 0; call < g->unit.call_count; call++) buffer_print(&b, " %s", db_statement_definition(g->unit.calls[call].statement)->name);
    trace("database: session %u%s%s: %s%s%s", s->number, s->is_attached ? "" : " (nobody waits)", names, outcomes[g->answer.outcome], g->answer.constraint[0] ? ", " : "", g->answer.constraint);
}

static void execute(PGconn *s, struct segment *g)
{
    if (g->is_setup) {
        s->listens |= g->listens;
        s->timeout_ms = g->timeout_ms;
        return;
    }
    database.counters.units += 1;
    if (!s->is_attached) database.counters.orphans_executed += 1;
    store_run(database.store, &g->unit, &g->answer);
    tell_story(s, g);
    if (database_executed && g->answer.outcome == DB_OK) database_executed(&g->unit);
}

static enum segment_fate throw_fate(const PGconn *s, const struct segment *g, uint64_t *takes_us)
{
    const struct database_climate *c = &database.climate;
    *takes_us = dice_delay_us(DIE_DATABASE, c->unit_us) + database.extra_us;
    if (g->is_doomed) return dice_happens(DIE_DATABASE, 0.5) ? FATE_DIES_BEFORE : FATE_DIES_AFTER;
    if (dice_happens(DIE_DATABASE, c->die_before_per_unit)) return dice_happens(DIE_DATABASE, 0.5) ? FATE_DIES_BEFORE : FATE_IS_SHUT_DOWN;
    if (dice_happens(DIE_DATABASE, c->die_after_per_unit)) return FATE_DIES_AFTER;
    if (!g->is_setup && dice_happens(DIE_DATABASE, c->try_again_per_unit)) return FATE_DEADLOCK;
    if (dice_happens(DIE_DATABASE, c->slow_per_unit)) {
        database.counters.slow += 1;
        *takes_us *= 100;
    }
    const uint64_t timeout_us = s->timeout_ms * UINT64_C(1000);
    if (g->is_setup || timeout_us == 0 || *takes_us <= timeout_us) return FATE_COMMITS;
    *takes_us = timeout_us;
    return FATE_TIMES_OUT;
}

static void fail_without_effect(PGconn *s, struct segment *g, const char *sqlstate, enum db_outcome outcome)
{
    if (outcome == DB_TRY_AGAIN) database.counters.try_again += 1;
    else database.counters.died_before += 1;
    g->answer.outcome = outcome;
    say_error(g, sqlstate);
    tell_story(s, g);
    deliver(s, g);
}

/* The head of `sent` has had its time. What happens to it is decided since begin_work(). */
static void worked(struct event *e)
{
    PGconn *s = container_of(e, PGconn, work);
    struct segment *g = head_of(&s->sent);
    if (g->fate == FATE_DIES_BEFORE) {
        database.counters.died_before += 1;
        session_break(s, "server closed the connection unexpectedly");
        return;
    }
    if (g->fate == FATE_DIES_AFTER) {
        database.counters.died_after += 1;
        execute(s, g);
        session_break(s, "server closed the connection unexpectedly");
        return;
    }
    list_remove(&s->sent, &g->node);
    switch (g->fate) {
    case FATE_COMMITS:
        execute(s, g);
        deliver(s, g);
        break;
    case FATE_DEADLOCK:     fail_without_effect(s, g, "40P01", DB_TRY_AGAIN); break;
    case FATE_TIMES_OUT:    fail_without_effect(s, g, "57014", DB_TRY_AGAIN); break;
    case FATE_IS_SHUT_DOWN: fail_without_effect(s, g, "57P01", DB_UNAVAILABLE); return; /* and no other begins: see delivered() */
    case FATE_DIES_BEFORE:
    case FATE_DIES_AFTER:   ensure(!"dealt with above"); break;
    }
    begin_work(s);
    end_if_nobody_is_left(s);
}

static void begin_work(PGconn *s)
{
    struct segment *g = head_of(&s->sent);
    if (!g || event_is_to_come(&s->work)) return;
    uint64_t takes_us;
    g->fate = throw_fate(s, g, &takes_us);
    event_schedule(&s->work, world_now_us() + takes_us, worked);
}

void session_execute_head_or_not(PGconn *s)
{
    struct segment *g = head_of(&s->sent);
    if (!g || !event_is_to_come(&s->work) || !dice_happens(DIE_DATABASE, 0.5)) return;
    database.counters.died_after += !g->is_setup;
    execute(s, g);
}

/* -- what the client sends -- */

static void drained(struct event *e)
{
    PGconn *s = container_of(e, PGconn, drained);
    if (s->is_attached) tell_poll(s, &s->writable, IO_WRITABLE);
}

bool session_flush(PGconn *s)
{
    if (s->full_until_us > world_now_us()) return list_is_empty(&s->unsent);
    if (!list_is_empty(&s->unsent) && s->state == SESSION_OPEN && dice_happens(DIE_DATABASE, full_per_flush)) {
        s->full_until_us = world_now_us() + dice_delay_us(DIE_DATABASE, drain_us);
        event_cancel(&s->drained);
        event_schedule(&s->drained, s->full_until_us, drained);
        return false;
    }
    for (struct list_node *n; (n = list_pop_front(&s->unsent));) {
        if (s->state == SESSION_OPEN) list_push_back(&s->sent, n);
        else segment_free(container_of(n, struct segment, node)); /* into a socket that nobody reads */
    }
    begin_work(s);
    return true;
}

void session_end_segment(PGconn *s)
{
    struct segment *g = s->building;
    ensure(g != nullptr);
    s->building = nullptr;
    list_push_back(&s->unsent, &g->node);
}
