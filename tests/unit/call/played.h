#pragma once
/* tests/unit/call/played.h: a shard whose clock is the test's, and a database that is a function of the test's.
 *
 * The desks and flows under test are the real ones. Their shard has no thread: play() runs what is ready, has the database answer what it was asked, fires
 * timers, and moves the clock to the next thing that happens, so an hour passes in no time and every run is the same.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>
#include <cmocka.h>
#include "base/log.h"
#include "db/db.h"
#include "shard/shard.h"

static const int64_t wall_start_us = INT64_C(1'773'151'200'000'000); /* 2026-03-10T14:00:00Z */
static const uint64_t played_second_us = 1'000'000;

/* -- the shard -- */

static struct shard shard;
static struct shard_group group = { .count = 1, .shards = { &shard } };

struct shard *shard_here(void) { return &shard; }
static uint16_t played_home; /* of everything; the one shard is all of them */
uint16_t shard_home_of(const struct shard_group *, struct hash128) { return played_home; }
void shard_make_ready(struct shard *s, struct task *t)
{
    if (!list_node_is_linked(&t->node)) list_push_back(&s->ready, &t->node);
}
void shard_hold(struct shard *s) { s->holds += 1; }
void shard_release(struct shard *s)
{
    assert_true(s->holds > 0);
    s->holds -= 1;
}

/* There is one shard: envelopes arrive in the next turn, in order. */
static struct envelope *first_envelope, **last_envelope = &first_envelope;
static void post_envelope(struct envelope *e)
{
    e->next = nullptr;
    *last_envelope = e;
    last_envelope = &e->next;
}
void envelope_send(struct shard *s, struct envelope *e, uint16_t to, envelope_arrived *arrived, envelope_arrived *came_home)
{
    assert_true(!e->travelling && to == played_home && came_home);
    *e = (struct envelope){ .arrived = arrived, .came_home = came_home, .travelling = true };
    shard_hold(s);
    post_envelope(e);
}
void envelope_return(struct shard *, struct envelope *e)
{
    assert_true(e->travelling && !e->returning);
    e->returning = true;
    post_envelope(e);
}
static void deliver_envelopes(void)
{
    struct envelope *next, *first = first_envelope;
    first_envelope = nullptr;
    last_envelope = &first_envelope;
    for (struct envelope *e = first; e; e = next) {
        next = e->next;
        if (!e->returning) {
            e->arrived(&shard, e);
            continue;
        }
        e->travelling = e->returning = false;
        e->came_home(&shard, e);
        shard_release(&shard);
    }
}

static void play_shard(void)
{
    shard = (struct shard){ .group = &group, .now_us = 1'000 * played_second_us, .wall_us = wall_start_us };
    played_home = 0;
    list_init(&shard.ready);
    timer_wheel_init(&shard.timers, shard.now_us);
}

/* -- the database -- */

enum { PLAYED_COLUMNS = 24, PLAYED_TEXT_BYTES = 8192 };
struct played_value { enum : uint8_t { PLAYED_NULL, PLAYED_INTEGER, PLAYED_TEXT } kind; int64_t integer; const char *text; };
struct played_row { bool is_there; uint32_t columns, text_bytes; struct played_value values[PLAYED_COLUMNS]; char texts[PLAYED_TEXT_BYTES]; struct played_row *next; };

static struct list asked;   /* units without an answer */
static struct list waiters; /* for the database to come back */
static bool database_is_up;
static uint32_t played_call; /* of the unit that is being answered */
/* The test's: what the statement at played_call does, and what it answers. */
static enum db_outcome play_statement(struct db_unit *u, struct played_row *answer);

static void play_database(void)
{
    list_init(&asked);
    list_init(&waiters);
    database_is_up = true;
}

static struct played_row *new_row(void)
{
    struct played_row *row = calloc(1, sizeof *row);
    assert_non_null(row);
    return row;
}
[[maybe_unused]] static struct played_row *next_row(struct played_row *answer) { return answer->next = new_row(); } /* behind one that has values */

static struct played_value *next_value(struct played_row *answer)
{
    assert_true(answer->columns < PLAYED_COLUMNS);
    answer->is_there = true;
    return &answer->values[answer->columns++];
}
[[maybe_unused]] static void give_integer(struct played_row *answer, int64_t value) { *next_value(answer) = (struct played_value){ .kind = PLAYED_INTEGER, .integer = value }; }
[[maybe_unused]] static void give_null(struct played_row *answer) { *next_value(answer) = (struct played_value){ .kind = PLAYED_NULL }; }
[[maybe_unused]] static void give_text(struct played_row *answer, const char *text)
{
    size_t bytes = strlen(text) + 1;
    assert_true(answer->text_bytes + bytes <= sizeof answer->texts);
    char *copy = memcpy(answer->texts + answer->text_bytes, text, bytes);
    answer->text_bytes += (uint32_t)bytes;
    *next_value(answer) = (struct played_value){ .kind = PLAYED_TEXT, .text = copy };
}

static const struct db_parameter *parameter_of(const struct db_unit *u, uint32_t n)
{
    assert_true(played_call < u->call_count && n < u->calls[played_call].parameter_count);
    return &u->calls[played_call].parameters[n];
}
[[maybe_unused]] static enum db_statement statement_of(const struct db_unit *u) { return u->calls[played_call].statement; }
[[maybe_unused]] static int64_t integer_of(const struct db_unit *u, uint32_t n)
{
    assert_true(parameter_of(u, n)->kind == DB_INTEGER);
    return parameter_of(u, n)->integer;
}
[[maybe_unused]] static void text_of(const struct db_unit *u, uint32_t n, char *text, size_t room)
{
    const struct db_parameter *p = parameter_of(u, n);
    assert_true(p->kind == DB_TEXT && p->text.length < room);
    memcpy(text, p->text.start, p->text.length);
    text[p->text.length] = 0;
}

void db_unit_begin(struct db_unit *u, struct db_tenant tenant)
{
    assert_false(u->running);
    for (uint32_t n = 0; n < DB_UNIT_CALLS_MAX; n++) assert_null(u->results[n]); /* released */
    u->tenant = tenant;
    u->call_count = 0;
}
void db_unit_call(struct db_unit *u, enum db_statement s)
{
    assert_true(u->call_count < DB_UNIT_CALLS_MAX);
    u->calls[u->call_count++] = (struct db_call){ .statement = s };
}
static void add_parameter(struct db_unit *u, struct db_parameter p)
{
    struct db_call *call = &u->calls[u->call_count - 1];
    call->parameters[call->parameter_count++] = p;
}
void db_add_integer(struct db_unit *u, int64_t value) { add_parameter(u, (struct db_parameter){ .kind = DB_INTEGER, .integer = value }); }
void db_add_null(struct db_unit *u) { add_parameter(u, (struct db_parameter){ .kind = DB_NULL }); }
void db_add_text(struct db_unit *u, struct slice text)
{
    if (slice_is_absent(text)) db_add_null(u);
    else add_parameter(u, (struct db_parameter){ .kind = DB_TEXT, .text = text });
}
void db_unit_release(struct db_unit *u)
{
    assert_false(u->running);
    for (uint32_t n = 0; n < DB_UNIT_CALLS_MAX; n++) {
        for (struct played_row *next, *row = u->results[n]; row; row = next) {
            next = row->next;
            free(row);
        }
        u->results[n] = nullptr;
    }
}
void db_submit(struct db_pool *, struct db_unit *u, db_unit_done *done)
{
    assert_false(u->running);
    for (played_call = 0; played_call < u->call_count; played_call++) {
        const char *letters = db_statement_definition(statement_of(u))->parameters;
        assert_int_equal(u->calls[played_call].parameter_count, strlen(letters));
        for (uint32_t n = 0; letters[n]; n++) {
            bool integer = parameter_of(u, n)->kind == DB_INTEGER;
            assert_true(parameter_of(u, n)->kind == DB_NULL || integer == (letters[n] == 'i'));
        }
    }
    u->running = true;
    u->done = done;
    list_push_back(&asked, &u->node);
}
void db_pool_when_up(struct db_pool *, struct db_waiter *w) { list_push_back(&waiters, &w->node); }
void db_pool_forget(struct db_pool *, struct db_waiter *w)
{
    if (list_node_is_linked(&w->node)) list_remove(&waiters, &w->node);
}

static const struct played_value *value_of(const struct db_unit *u, uint32_t call, uint32_t row, uint32_t column)
{
    const struct played_row *answer = u->results[call];
    for (; answer && row > 0; row--) answer = answer->next;
    assert_true(!u->running && u->outcome == DB_OK && answer && answer->is_there && column < answer->columns);
    return &answer->values[column];
}
uint32_t db_row_count(const struct db_unit *u, uint32_t call)
{
    uint32_t count = 0;
    for (const struct played_row *row = u->results[call]; row; row = row->next) count += row->is_there;
    return count;
}
bool db_is_null(const struct db_unit *u, uint32_t call, uint32_t row, uint32_t column) { return value_of(u, call, row, column)->kind == PLAYED_NULL; }
int64_t db_integer(const struct db_unit *u, uint32_t call, uint32_t row, uint32_t column) { return value_of(u, call, row, column)->integer; }
bool db_boolean(const struct db_unit *u, uint32_t call, uint32_t row, uint32_t column) { return value_of(u, call, row, column)->integer != 0; }
struct slice db_text(const struct db_unit *u, uint32_t call, uint32_t row, uint32_t column)
{
    const struct played_value *v = value_of(u, call, row, column);
    return v->kind == PLAYED_TEXT ? slice_from_text(v->text) : slice_absent;
}

/* One transaction: the first statement that fails ends it. What its earlier ones did is not undone, so let the test's fail first. */
static enum db_outcome play_unit(struct db_unit *u)
{
    enum db_outcome outcome = DB_OK;
    u->constraint[0] = u->sqlstate[0] = 0;
    for (played_call = 0; played_call < u->call_count && outcome == DB_OK; played_call++) {
        outcome = play_statement(u, u->results[played_call] = new_row());
    }
    return outcome;
}

static void answer_statement(struct db_unit *u)
{
    u->running = false;
    u->outcome = database_is_up ? play_unit(u) : DB_UNAVAILABLE;
    if (u->outcome != DB_OK) db_unit_release(u);
    u->done(u);
}

/* What was there when it began, so who asks again is answered in the next turn. */
static void answer_statements(void)
{
    for (uint32_t left = asked.count; left > 0; left--) answer_statement(container_of(list_pop_front(&asked), struct db_unit, node));
    for (uint32_t left = database_is_up ? waiters.count : 0; left > 0; left--) {
        struct db_waiter *w = container_of(list_pop_front(&waiters), struct db_waiter, node);
        w->up(w);
    }
}

/* -- time -- */

[[maybe_unused]] static bool is_busy(void) { return first_envelope || !list_is_empty(&shard.ready) || !list_is_empty(&asked) || (database_is_up && !list_is_empty(&waiters)); }

[[maybe_unused]] static void run_ready(void)
{
    deliver_envelopes();
    for (uint32_t left = shard.ready.count; left > 0 && !list_is_empty(&shard.ready); left--) {
        struct task *t = container_of(list_pop_front(&shard.ready), struct task, node);
        t->run(t);
    }
}

[[maybe_unused]] static void play_turn(void)
{
    run_ready();
    answer_statements();
    (void)timer_wheel_advance(&shard.timers, shard.now_us);
}

[[maybe_unused]] static void move_clock(uint64_t to_us)
{
    assert_true(to_us >= shard.now_us);
    shard.wall_us += (int64_t)(to_us - shard.now_us);
    shard.now_us = to_us;
    (void)timer_wheel_advance(&shard.timers, shard.now_us);
}

/* -- the log: what is said between the two -- */

static int played_log;

[[maybe_unused]] static void listen_to_log(void)
{
    played_log = memfd_create("log", MFD_CLOEXEC);
    assert_true(played_log >= 0);
    log_start(played_log, LOG_DEBUG, "test", "0");
}

/* How many lines tell of that event. */
[[maybe_unused]] static uint32_t lines_heard(const char *event)
{
    char     said[4'096] = {};
    uint32_t lines = 0;
    log_stop();
    assert_true(pread(played_log, said, sizeof said - 1, 0) >= 0);
    close(played_log);
    for (const char *at = said; (at = strstr(at, event)); at += strlen(event)) lines += 1;
    return lines;
}
