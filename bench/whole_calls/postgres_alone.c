/* bench/whole_calls/postgres_alone.c: how many whole calls PostgreSQL alone takes in a second: the statements that the engine asks for one (started, ended and analyzed
 * filed; for a booked one its intent written, loaded, sent and booked), each in a transaction of its own, one after the other for a call, many calls beside each other.
 * No HTTP, no journal, no Cal.com.
 *
 *     DATABASE_URL=… postgres_alone SECONDS BOOKED_IN_HUNDRED COMPANY BRANCH WORKSPACE      (bench/whole_calls_bench.py starts it)
 *
 * Prints the whole calls per second. */
#include <stdio.h>
#include <stdlib.h>
#include "base/clock.h"
#include "base/ensure.h"
#include "bench/retell_bodies.h"
#include "db/db.h"
#include "limits.h"
#include "retell/events.h"

enum { CONNECTIONS = 2 * db_connections, UNDER_WAY = CONNECTIONS * db_pipeline_depth, BODY_BYTES = 2048, FACTS_BYTES = 16 * 1024 }; /* as an engine with two shards has */

enum step : uint8_t { STARTED, ENDED, ANALYZED, INTENT_WRITTEN, INTENT_LOADED, INTENT_SENT, INTENT_BOOKED };

struct whole_call {
    struct db_unit unit;
    enum step      step;
    uint64_t       number;
    int64_t        row, customer, intent;
    char           call_id[48], caller[24], key[64], calendar[48];
};

static struct {
    struct db_config   config;
    struct db_pool    *pool;
    struct db_waiter   waiter;
    struct shard_group group;
    struct whole_call  calls[UNDER_WAY];
    int64_t            company, branch, workspace;
    uint64_t           booked_in_hundred, began, finished, began_us, until_us, ended_us;
    uint32_t           under_way;
    struct slice       body, facts;
} bench;

static bool is_booked(const struct whole_call *c) { return c->number % 100 < bench.booked_in_hundred; }

/* -- the statements -- */

static void file(struct whole_call *c, struct slice event, struct slice facts)
{
    struct db_unit *u = &c->unit;
    db_unit_call(u, DB_FILE_CALL_EVENT);
    db_add_integer(u, bench.company);
    db_add_integer(u, bench.branch);
    db_add_integer(u, bench.workspace);
    db_add_text(u, slice_from_text(c->call_id));
    db_add_text(u, event);
    db_add_integer(u, c->step);
    db_add_text(u, slice_of(""));
    db_add_integer(u, clock_wall_us());
    db_add_text(u, slice_from_text(c->call_id));
    db_add_text(u, bench.body);
    db_add_text(u, facts);
    db_add_text(u, slice_from_text(c->caller));
    db_add_null(u);
}

static void write_intent(struct whole_call *c)
{
    constexpr int64_t half_hour_us = 1'800'000'000;
    const int64_t starts_at_us = 1'900'000'000'000'000 + (int64_t)c->number * half_hour_us;
    struct db_unit *u = &c->unit;
    db_unit_call(u, DB_WRITE_INTENT);
    db_add_integer(u, bench.company);
    db_add_integer(u, bench.branch);
    db_add_integer(u, c->row);
    db_add_integer(u, c->customer);
    db_add_text(u, slice_from_text(c->key));
    db_add_text(u, slice_from_text(c->call_id));
    db_add_null(u);
    db_add_null(u);
    db_add_text(u, slice_from_text(c->calendar));
    db_add_integer(u, 5001);
    db_add_integer(u, starts_at_us);
    db_add_integer(u, starts_at_us + half_hour_us);
    db_add_integer(u, starts_at_us);
    db_add_integer(u, starts_at_us + half_hour_us);
    db_add_text(u, slice_of("{\"name\":\"Maria Muster\",\"email\":\"caller@example.org\",\"phone\":\"+491713920001\",\"time_zone\":\"Europe/Berlin\",\"language\":\"de\"}"));
    db_add_text(u, slice_take(bench.body, 500));
    db_add_integer(u, clock_wall_us());
}

static void of_intent(struct whole_call *c, enum db_statement s)
{
    db_unit_call(&c->unit, s);
    db_add_integer(&c->unit, bench.company);
    db_add_integer(&c->unit, c->intent);
}

static void book(struct whole_call *c)
{
    of_intent(c, DB_BOOK_INTENT);
    db_add_text(&c->unit, slice_from_text(c->call_id));
    db_add_integer(&c->unit, (int64_t)c->number);
    db_add_text(&c->unit, slice_of("accepted"));
    db_add_integer(&c->unit, 1'900'000'000'000'000);
    db_add_integer(&c->unit, 1'900'001'800'000'000);
    db_add_text(&c->unit, slice_of("Lena"));
    db_add_integer(&c->unit, clock_wall_us());
}

static void answered(struct db_unit *u);

static void ask(struct whole_call *c)
{
    static const struct slice started_facts = slice_of("{\"call_status\":\"ongoing\",\"direction\":\"inbound\",\"from_number\":\"+491713920001\",\"started_at_us\":1773133200000000}");
    db_unit_begin(&c->unit, (struct db_tenant){ .company_id = bench.company, .workspace_id = bench.workspace });
    switch (c->step) {
    case STARTED:        file(c, slice_of("call_started"), started_facts); break;
    case ENDED:          file(c, slice_of("call_ended"), bench.facts); break;
    case ANALYZED:       file(c, slice_of("call_analyzed"), bench.facts); break;
    case INTENT_WRITTEN: write_intent(c); break;
    case INTENT_LOADED:  of_intent(c, DB_LOAD_INTENT); break;
    case INTENT_SENT:
        of_intent(c, DB_SEND_INTENT);
        db_add_integer(&c->unit, clock_wall_us());
        db_add_integer(&c->unit, 0);
        break;
    case INTENT_BOOKED:  book(c); break;
    }
    db_submit(bench.pool, &c->unit, answered);
}

/* -- one call after the other -- */

static void begin(struct whole_call *c)
{
    c->number = bench.began++;
    c->step = STARTED;
    const unsigned long long run = (unsigned long long)bench.began_us, number = (unsigned long long)c->number;
    snprintf(c->call_id, sizeof c->call_id, "call_%llx_%llx", run, number);
    snprintf(c->caller, sizeof c->caller, "+49%010llu", (run + number) % 10'000'000'000);
    snprintf(c->key, sizeof c->key, "after_call:%.47s", c->call_id);
    snprintf(c->calendar, sizeof c->calendar, "%llx/%llu", run, number % 64);
    bench.under_way += 1;
    ask(c);
}

static void end(struct whole_call *c)
{
    bench.finished += 1;
    bench.under_way -= 1;
    bench.ended_us = clock_monotonic_us();
    if (bench.ended_us < bench.until_us) begin(c);
    else if (bench.under_way == 0) shard_group_stop(&bench.group);
}

static void answered(struct db_unit *u)
{
    struct whole_call *c = container_of(u, struct whole_call, unit);
    if (u->outcome == DB_TRY_AGAIN) { /* two waited for each other */
        db_unit_release(u);
        return ask(c);
    }
    if (u->outcome != DB_OK) fprintf(stderr, "step %d: outcome %d, %s %s\n", c->step, u->outcome, u->sqlstate, u->constraint);
    ensure(u->outcome == DB_OK && db_row_count(u, 0) == 1); /* else the figure would mean nothing */
    if (c->step == ANALYZED) c->row = db_integer(u, 0, 0, 1), c->customer = db_integer(u, 0, 0, 2);
    if (c->step == INTENT_WRITTEN) c->intent = db_integer(u, 0, 0, 0);
    db_unit_release(u);
    if (c->step == (is_booked(c) ? INTENT_BOOKED : ANALYZED)) return end(c);
    c->step += 1;
    ask(c);
}

static void is_up(struct db_waiter *)
{
    if (gauge_read(&db_pool_counters(bench.pool)->connections_up) < CONNECTIONS) return db_pool_when_up(bench.pool, &bench.waiter);
    bench.began_us = clock_monotonic_us();
    bench.until_us += bench.began_us;
    for (uint32_t n = 0; n < UNDER_WAY; n++) begin(&bench.calls[n]);
}

static bool start(struct shard *s, void *)
{
    bench.pool = db_pool_open(s, &bench.config);
    bench.waiter = (struct db_waiter){ .up = is_up };
    db_pool_when_up(bench.pool, &bench.waiter);
    return true;
}
static void stop(struct shard *) { db_pool_drain(bench.pool); }
static void finish(struct shard *) { db_pool_close(bench.pool); }

/* What the engine would write for such a call. */
static void prepare_texts(void)
{
    static char body[BODY_BYTES + 1024], facts[FACTS_BYTES];
    struct buffer out = buffer_over(facts, sizeof facts);
    struct heap heap;
    struct retell_event e;
    heap_init(&heap, 1 << 20);
    bench.body = retell_body(body, BODY_BYTES);
    ensure(retell_event_decode(&e, bench.body, &heap) == RETELL_UNDERSTOOD);
    retell_event_facts(&e, &out);
    retell_event_release(&e, &heap);
    bench.facts = buffer_slice(&out);
}

int main(int count, char **arguments)
{
    const char *url = getenv("DATABASE_URL");
    if (count != 6 || !url) {
        fprintf(stderr, "postgres_alone SECONDS BOOKED_IN_HUNDRED COMPANY BRANCH WORKSPACE, with DATABASE_URL of the runtime role\n");
        return 2;
    }
    bench.until_us = (uint64_t)(strtod(arguments[1], nullptr) * 1e6);
    bench.booked_in_hundred = strtoull(arguments[2], nullptr, 10);
    bench.company = strtoll(arguments[3], nullptr, 10);
    bench.branch = strtoll(arguments[4], nullptr, 10);
    bench.workspace = strtoll(arguments[5], nullptr, 10);
    bench.config = (struct db_config){ .url = url, .connections = CONNECTIONS, .pipeline_depth = db_pipeline_depth, .queue_max = db_queue_max, .unit_timeout_ms = db_unit_timeout_ms };
    prepare_texts();
    const struct shard_config shard = { .io = { .entries = 64, .receive_buffers = 16, .receive_buffer_bytes = 4096 }, .start = start, .stop = stop, .finish = finish };
    struct io_refusal refusal;
    if (!shard_group_start(&bench.group, 1, &shard, &refusal)) {
        fprintf(stderr, "%s\n", refusal.text);
        return 1;
    }
    shard_group_join(&bench.group);
    printf("%.1f\n", (double)bench.finished / ((double)(bench.ended_us - bench.began_us) / 1e6));
    return 0;
}
