/* bench/db_pipeline_bench.c: webhooks filed in PostgreSQL per second, by how many units of work are under way at once.
 *
 *     zig-out/bench/db_pipeline_bench [SECONDS PER ROUND]        (puts itself under tests/with_postgres.sh when started without)
 *
 * A unit sets its tenant, files one webhook with a body of 2 KB (events of a call in their order, a new caller every call) and commits, durably. The
 * first row asks one at a time, as a client without a pipeline would; the others keep more under way on the same shard. Each figure is the median of
 * five rounds, all rows by turns, because a disk has moods: read the ratio. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/ensure.h"
#include "db/admin.h"
#include "db/db.h"
#include "limits.h"

enum { UNDER_WAY_MAX = 256, BODY_BYTES = 2048, ROUNDS = 5 };

static const struct row { uint32_t connections, depth, under_way; } rows[] = { { 1, 1, 1 }, { 1, 8, 8 }, { 1, 32, 32 }, { 3, 32, 96 }, { 8, 32, 256 } };

enum { ROW_COUNT = sizeof rows / sizeof rows[0] };

struct outcome { double per_second, p50_ms, p99_ms; };
struct filing { struct db_unit unit; char call_id[40], caller[24]; };

static struct {
    struct row         row;
    struct db_config   config;
    struct db_pool    *pool;
    struct db_waiter   waiter;
    struct shard_group group;
    struct filing      filings[UNDER_WAY_MAX];
    int64_t            company, branch, workspace;
    uint64_t           began_us, until_us, ended_us, filed, failed;
    struct histogram   unit_us; /* of the pool, before it goes */
    uint32_t           under_way;
} bench;

static uint64_t events_made;
static char     body[BODY_BYTES];
static double   seconds_per_round;

static void file_next(struct filing *f);

static void filed(struct db_unit *u)
{
    struct filing *f = container_of(u, struct filing, unit);
    if (u->outcome == DB_OK) bench.filed += 1;
    else bench.failed += 1;
    db_unit_release(u);
    bench.under_way -= 1;
    bench.ended_us = clock_monotonic_us();
    if (bench.ended_us < bench.until_us) file_next(f);
    else if (bench.under_way == 0) shard_group_stop(&bench.group);
}

/* Three events make a call. */
static void file_next(struct filing *f)
{
    static const char *const events[] = { "call_started", "call_ended", "call_analyzed" };
    const uint64_t number = events_made++, call = number / 3;
    snprintf(f->call_id, sizeof f->call_id, "call_%032llx", (unsigned long long)call);
    snprintf(f->caller, sizeof f->caller, "+49%010llu", (unsigned long long)call);
    struct db_unit *u = &f->unit;
    db_unit_begin(u, (struct db_tenant){ .company_id = bench.company, .workspace_id = bench.workspace });
    db_unit_call(u, DB_FILE_CALL_EVENT);
    db_add_integer(u, bench.company);
    db_add_integer(u, bench.branch);
    db_add_integer(u, bench.workspace);
    db_add_text(u, slice_from_text(f->call_id));
    db_add_text(u, slice_from_text(events[number % 3]));
    db_add_integer(u, (int64_t)(number % 3));
    db_add_text(u, slice_of(""));
    db_add_integer(u, 1'773'133'200'000'000 + (int64_t)number);
    db_add_text(u, slice_from_text(f->call_id));
    db_add_text(u, slice_from(body, sizeof body));
    db_add_text(u, slice_of("{\"call_status\":\"ended\",\"direction\":\"inbound\",\"from_number\":\"+491713920001\",\"to_number\":\"+493023125001\",\"agent_id\":\"agent_1\","
                            "\"started_at_us\":1773133200000000,\"ended_at_us\":1773133261000000,\"duration_ms\":61000,\"cost_cents\":12.5}"));
    db_add_text(u, slice_from_text(f->caller));
    db_add_null(u);
    bench.under_way += 1;
    db_submit(bench.pool, u, filed);
}

static void is_up(struct db_waiter *)
{
    if (gauge_read(&db_pool_counters(bench.pool)->connections_up) < bench.row.connections) { /* the row is about all of them */
        db_pool_when_up(bench.pool, &bench.waiter);
        return;
    }
    bench.began_us = clock_monotonic_us();
    bench.until_us = bench.began_us + (uint64_t)(seconds_per_round * 1e6);
    for (uint32_t n = 0; n < bench.row.under_way; n++) file_next(&bench.filings[n]);
}

static bool start(struct shard *s, void *)
{
    bench.pool = db_pool_open(s, &bench.config);
    bench.waiter = (struct db_waiter){ .up = is_up };
    db_pool_when_up(bench.pool, &bench.waiter);
    return true;
}
static void stop(struct shard *) { db_pool_drain(bench.pool); }
static void finish(struct shard *)
{
    histogram_add(&bench.unit_us, &db_pool_counters(bench.pool)->unit_us);
    db_pool_close(bench.pool);
}

static struct outcome run(struct row row)
{
    bench.row = row;
    bench.config = (struct db_config){ .url = getenv("RM_TEST_DATABASE_URL"), .connections = row.connections, .pipeline_depth = row.depth,
                                       .queue_max = db_queue_max, .unit_timeout_ms = db_unit_timeout_ms };
    bench.filed = bench.failed = 0;
    memset(&bench.unit_us, 0, sizeof bench.unit_us);
    const struct shard_config shard = { .io = { .entries = 64, .receive_buffers = 16, .receive_buffer_bytes = 4096 }, .start = start, .stop = stop, .finish = finish };
    struct io_refusal refusal;
    if (!shard_group_start(&bench.group, 1, &shard, &refusal)) {
        fprintf(stderr, "%s\n", refusal.text);
        exit(1);
    }
    shard_group_join(&bench.group);
    if (bench.failed > 0) {
        printf("%llu units failed: figures would mean nothing\n", (unsigned long long)bench.failed);
        exit(1);
    }
    return (struct outcome){ (double)bench.filed / ((double)(bench.ended_us - bench.began_us) / 1e6),
                             (double)histogram_quantile(&bench.unit_us, 0.5) / 1000, (double)histogram_quantile(&bench.unit_us, 0.99) / 1000 };
}

static int by_rate(const void *a, const void *b)
{
    double x = ((const struct outcome *)a)->per_second, y = ((const struct outcome *)b)->per_second;
    return (x > y) - (x < y);
}

/* outcomes of `first` are sorted already: it is printed first. */
static void print_row(struct row row, struct outcome outcomes[ROUNDS], const struct outcome first[ROUNDS])
{
    qsort(outcomes, ROUNDS, sizeof *outcomes, by_rate);
    struct outcome median = outcomes[ROUNDS / 2];
    printf("| %u | %u | %.0f (%.0f to %.0f) | %.2f | %.2f | %.1f |\n", row.connections, row.under_way, median.per_second, outcomes[0].per_second,
           outcomes[ROUNDS - 1].per_second, median.p50_ms, median.p99_ms, median.per_second / first[ROUNDS / 2].per_second);
}

static int64_t id_of(struct db_admin *a, const char *sql)
{
    struct db_admin_error error;
    struct db_rows *result = db_admin_query(a, sql, nullptr, 0, &error);
    if (!result) {
        fprintf(stderr, "%s\n", error.text);
        exit(1);
    }
    int64_t id = strtoll(db_rows_text(result, 0, 0).start, nullptr, 10);
    db_rows_free(result);
    return id;
}

static void make_world(void)
{
    struct db_admin_error error;
    struct db_admin *owner = db_admin_open(getenv("RM_TEST_DATABASE_OWNER_URL"), &error);
    if (!owner || !db_migrate(owner, "rm_runtime", nullptr, nullptr, &error)) {
        fprintf(stderr, "%s\n", error.text);
        exit(1);
    }
    bench.workspace = id_of(owner, "INSERT INTO workspaces (key, name, token) VALUES ('bench', 'Bench', 'wt') RETURNING id");
    bench.company = id_of(owner, "INSERT INTO companies (key, name, time_zone) VALUES ('bench', 'Bench', 'Europe/Berlin') RETURNING id");
    bench.branch = id_of(owner, "INSERT INTO branches (company_id, key, name, time_zone) SELECT max(id), 'b', 'B', 'Europe/Berlin' FROM companies RETURNING id");
    db_admin_close(owner);
}

/* Half as compressible as a real one: words in no order. */
static void make_body(void)
{
    static const char *const words[] = { "\"transcript\":", "guten ", "Tag, ", "ich ", "hätte ", "gern ", "einen ", "Termin ", "um ", "zehn ", "Uhr, ", "{}", "agent", "user" };
    uint32_t seed = 1;
    for (size_t at = 0; at < sizeof body;) {
        seed = seed * 1664525 + 1013904223;
        const char *word = words[(seed >> 16) % (sizeof words / sizeof words[0])];
        size_t length = strlen(word) < sizeof body - at ? strlen(word) : sizeof body - at;
        memcpy(body + at, word, length);
        at += length;
    }
    memset(body + sizeof body - 2, ' ', 2); /* a word cut in the middle of a letter is no text */
}

int main(int count, char **arguments)
{
    if (!getenv("RM_TEST_DATABASE_URL")) {
        execv("tests/with_postgres.sh", (char *[]){ (char *)"tests/with_postgres.sh", arguments[0], count > 1 ? arguments[1] : nullptr, nullptr });
        fprintf(stderr, "run me from the root of the source: tests/with_postgres.sh is not here\n");
        return 1;
    }
    seconds_per_round = count > 1 ? strtod(arguments[1], nullptr) : 0.3;
    make_world();
    make_body();
    (void)run((struct row){ 1, 32, 32 }); /* warms the server */
    static struct outcome outcomes[ROW_COUNT][ROUNDS];
    for (uint32_t round = 0; round < ROUNDS; round++)
        for (uint32_t n = 0; n < ROW_COUNT; n++) outcomes[n][round] = run(rows[n]);
    printf("| connections | units under way | webhooks/s (slowest to fastest round) | unit p50 ms | p99 ms | ratio |\n|---|---|---|---|---|---|\n");
    for (uint32_t n = 0; n < ROW_COUNT; n++) print_row(rows[n], outcomes[n], outcomes[0]);
    return 0;
}
