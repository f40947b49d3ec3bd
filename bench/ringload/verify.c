#include "verify.h"
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/ensure.h"
#include "base/hash_map.h"
#include "base/instant.h"
#include "db/admin.h"
#include "fetch.h"

constexpr uint64_t poll_ms = 500;
constexpr uint32_t unchanged_polls = 6; /* three seconds without a change and without unsettled intents: nothing more will come */
constexpr uint32_t bookings_per_page = 400;

/* One engine reference: what the database says of it, and what Cal.com holds under it. */
struct reference {
    struct hash128 key;
    bool           in_database, of_this_run;
    enum : uint8_t { INTENT_BOOKED, INTENT_PENDING, INTENT_REFUSED, INTENT_UNSETTLED } state;
    char           booking_uid[64];
    int64_t        starts_at_us;
    uint32_t       live;
    bool           uid_is_live, start_differs;
};

struct verification {
    const struct load_plan *plan;
    struct verify_result   *result;
    struct db_admin        *database;
    char                    run_prefix[17];
    struct slice            like;         /* every call id of this run */
    char                    like_memory[24];
    uint8_t                *found;        /* bit per event, per call */
    uint8_t                *call_rows, *intents;
    struct hash_map         by_reference;
    struct reference       *references;
    uint32_t                reference_count, reference_max;
};

static bool trouble(struct verification *v, const char *what, const char *why)
{
    snprintf(v->result->trouble, sizeof v->result->trouble, "%s: %s", what, why);
    return false;
}

static struct db_rows *ask(struct verification *v, const char *sql)
{
    struct db_admin_error error;
    struct db_rows *rows = db_admin_query(v->database, sql, &v->like, 1, &error);
    if (!rows) trouble(v, "PostgreSQL", error.text);
    return rows;
}

static uint64_t number_at(const struct db_rows *rows, uint32_t row, uint32_t column)
{
    uint64_t value = 0;
    return slice_to_u64(db_rows_text(rows, row, column), UINT64_MAX, &value) ? value : 0;
}

/* -- waiting until the engine has drained -- */

struct drain_figures { uint64_t events, calls, unsettled; };

static bool read_figures(struct verification *v, struct drain_figures *f)
{
    struct db_rows *rows = ask(v, "SELECT (SELECT count(*) FROM call_events WHERE call_id LIKE $1), (SELECT count(*) FROM calls WHERE call_id LIKE $1),"
                                  " (SELECT count(*) FROM booking_intents i JOIN calls c ON c.company_id = i.company_id AND c.id = i.call"
                                  "   WHERE c.call_id LIKE $1 AND i.state IN ('written', 'sending', 'unknown'))");
    if (!rows) return false;
    *f = (struct drain_figures){ number_at(rows, 0, 0), number_at(rows, 0, 1), number_at(rows, 0, 2) };
    db_rows_free(rows);
    return true;
}

static uint64_t acknowledged_events(const struct load_plan *p)
{
    uint64_t events = 0;
    for (uint64_t i = 0; i < p->call_count; i++) events += (uint64_t)__builtin_popcount(p->calls[i].acknowledged);
    return events;
}

static bool wait_until_drained(struct verification *v)
{
    uint64_t began_us = clock_monotonic_us(), patience_us = (uint64_t)(v->plan->options->settle_s * 1e6), wanted = acknowledged_events(v->plan);
    struct drain_figures now = { 0 }, before = { 0 };
    for (uint32_t unchanged = 0; clock_monotonic_us() - began_us < patience_us; before = now) {
        if (!read_figures(v, &now)) return false;
        bool same = now.events == before.events && now.calls == before.calls && now.unsettled == before.unsettled;
        unchanged = same ? unchanged + 1 : 0;
        v->result->drained = now.unsettled == 0 && unchanged >= unchanged_polls;
        v->result->drained_after_s = (double)(clock_monotonic_us() - began_us) / 1e6;
        if (v->result->drained) return true;
        if (unchanged == 0)
            fprintf(stderr, "  draining: %llu of %llu events, %llu calls, %llu intents unsettled\n", (unsigned long long)now.events, (unsigned long long)wanted,
                    (unsigned long long)now.calls, (unsigned long long)now.unsettled);
        usleep(poll_ms * 1000);
    }
    return true;
}

/* -- events and calls -- */

/* The number of a call of this run; false: not one. */
static bool call_of(const struct verification *v, struct slice call_id, uint64_t *call)
{
    if (call_id.length != CALL_ID_BYTES || !slice_starts_with(call_id, slice_from_text(v->run_prefix))) return false;
    char digits[17];
    char *end;
    memcpy(digits, call_id.start + 16, 16);
    digits[16] = 0;
    *call = strtoull(digits, &end, 16);
    return *end == 0 && *call < v->plan->call_count;
}

static bool count_events(struct verification *v)
{
    struct db_rows *rows = ask(v, "SELECT call_id, event, count(*) FROM call_events WHERE call_id LIKE $1 GROUP BY 1, 2");
    if (!rows) return false;
    for (uint32_t row = 0; row < db_rows_count(rows); row++) {
        uint64_t call, copies = number_at(rows, row, 2);
        struct slice event = db_rows_text(rows, row, 1);
        if (!call_of(v, db_rows_text(rows, row, 0), &call)) continue;
        for (uint8_t e = 0; e < SCRIPT_EVENTS; e++)
            if (slice_equal(event, slice_from_text(call_event_name((enum call_event)e)))) v->found[call] |= (uint8_t)(1 << e);
        v->result->events_found += 1;
        v->result->events_doubled += copies > 1;
    }
    db_rows_free(rows);
    return true;
}

static bool count_calls(struct verification *v)
{
    struct db_rows *rows = ask(v, "SELECT call_id, count(*) FROM calls WHERE call_id LIKE $1 GROUP BY 1");
    if (!rows) return false;
    for (uint32_t row = 0; row < db_rows_count(rows); row++) {
        uint64_t call, copies = number_at(rows, row, 1);
        if (!call_of(v, db_rows_text(rows, row, 0), &call)) continue;
        v->call_rows[call] = 1;
        v->result->calls_found += 1;
        v->result->calls_doubled += copies > 1;
    }
    db_rows_free(rows);
    return true;
}

static void compare_calls(struct verification *v)
{
    struct verify_result *r = v->result;
    for (uint64_t i = 0; i < v->plan->call_count; i++) {
        uint8_t acknowledged = v->plan->calls[i].acknowledged;
        r->events_acknowledged += (uint64_t)__builtin_popcount(acknowledged);
        r->events_lost += (uint64_t)__builtin_popcount(acknowledged & ~v->found[i]);
        r->events_unacknowledged += (uint64_t)__builtin_popcount(v->found[i] & ~acknowledged);
        r->calls_acknowledged += acknowledged != 0;
        r->calls_lost += acknowledged && !v->call_rows[i];
    }
}

/* -- bookings -- */

static struct reference *find_reference(struct verification *v, struct slice text)
{
    struct hash128 key = hash128_of(text);
    struct reference *r = hash_map_find(&v->by_reference, key);
    if (r || v->reference_count == v->reference_max) return r;
    r = &v->references[v->reference_count++];
    r->key = key;
    ensure(hash_map_insert(&v->by_reference, key, r));
    return r;
}

static void read_intent(struct verification *v, const struct db_rows *rows, uint32_t row)
{
    struct slice state = db_rows_text(rows, row, 2), reference = db_rows_text(rows, row, 1);
    uint64_t call;
    bool of_this_run = call_of(v, db_rows_text(rows, row, 0), &call);
    if (of_this_run) {
        v->result->intents_found += 1;
        v->result->intents_doubled += v->intents[call] == 1;
        v->intents[call] += v->intents[call] < 2;
    }
    struct reference *r = slice_is_absent(reference) ? nullptr : find_reference(v, reference);
    bool booked = slice_equal(state, slice_of("booked")), pending = slice_equal(state, slice_of("pending")), refused = slice_equal(state, slice_of("refused"));
    if (of_this_run) {
        v->result->booked += booked;
        v->result->pending += pending;
        v->result->refused += refused;
        v->result->unsettled += !booked && !pending && !refused;
    }
    if (!r) return;
    r->in_database = true;
    r->of_this_run = of_this_run;
    r->state = booked ? INTENT_BOOKED : pending ? INTENT_PENDING : refused ? INTENT_REFUSED : INTENT_UNSETTLED;
    r->starts_at_us = (int64_t)number_at(rows, row, 3);
    snprintf(r->booking_uid, sizeof r->booking_uid, SLICE_FORMAT, slice_print(slice_take(db_rows_text(rows, row, 4), 63)));
}

/* Of every run, not only of this: a booking at Cal.com that belongs to none of them is an orphan. $1 is asked for so that one helper serves all. */
static bool read_intents(struct verification *v)
{
    struct db_rows *rows = ask(v, "SELECT c.call_id, i.reference, i.state, (extract(epoch FROM i.starts_at) * 1000000)::bigint, a.calcom_booking_uid"
                                  " FROM booking_intents i JOIN calls c ON c.company_id = i.company_id AND c.id = i.call"
                                  " LEFT JOIN appointments a ON a.company_id = i.company_id AND a.intent_id = i.id WHERE $1::text IS NOT NULL");
    if (!rows) return false;
    v->reference_max = db_rows_count(rows) + 256 * 1024;
    v->references = calloc(v->reference_max, sizeof *v->references);
    ensure(v->references);
    hash_map_init(&v->by_reference, v->reference_max);
    for (uint32_t row = 0; row < db_rows_count(rows); row++) read_intent(v, rows, row);
    db_rows_free(rows);
    return true;
}

static void read_booking(struct verification *v, const struct json_value *item)
{
    const struct json_value *booking = json_get(item, "booking");
    struct slice reference = json_get_text(item, "engineRef"), status = json_get_text(booking, "status");
    bool live = slice_equal(status, slice_of("accepted")) || slice_equal(status, slice_of("pending"));
    struct reference *r = !live || slice_is_absent(reference) || slice_equal(reference, slice_of("foreign")) ? nullptr : find_reference(v, reference);
    if (!r) return;
    int64_t starts_at_us = 0;
    r->live += 1;
    r->uid_is_live |= slice_equal(json_get_text(booking, "uid"), slice_from_text(r->booking_uid));
    r->start_differs |= !instant_parse(json_get_text(booking, "start"), &starts_at_us) || starts_at_us != r->starts_at_us;
}

static bool read_bookings(struct verification *v)
{
    struct heap heap;
    heap_init(&heap, UINT64_C(64) << 20);
    int64_t total = 1;
    for (uint32_t skip = 0, read = 1; skip < total && read > 0; skip += read) {
        char path[96];
        struct fetched f;
        struct json_error error;
        snprintf(path, sizeof path, "/control/bookings?skip=%u&take=%u", skip, bookings_per_page);
        if (!fetch(v->plan->options->control_url, path, &f)) return trouble(v, "simulator", "its control port does not answer");
        struct json_document *page = f.status == 200 ? json_parse(f.body, &heap, &error) : nullptr;
        struct json_iterator each = json_each(page ? json_get(json_root(page), "bookings") : nullptr);
        const struct json_value *item;
        if (!page || !json_integer(json_get(json_root(page), "total"), &total)) total = -1;
        for (read = 0; json_next(&each, nullptr, &item); read++) read_booking(v, item);
        json_release(page, &heap);
        fetch_free(&f);
        if (total < 0) return trouble(v, "simulator", "/control/bookings answers something else");
    }
    return true;
}

static void judge_reference(struct verify_result *v, const struct reference *r)
{
    if (!r->in_database) {
        v->calcom_orphans += 1;
        return;
    }
    v->calcom_doubled += r->live > 1;
    if (!r->of_this_run) return; /* the simulator may have been reset since */
    switch (r->state) {
    case INTENT_BOOKED:
    case INTENT_PENDING:
        v->calcom_lost += r->live == 0;
        v->calcom_differs += r->live == 1 && (!r->uid_is_live || r->start_differs);
        return;
    case INTENT_REFUSED:   v->calcom_despite_refusal += r->live > 0; return;
    case INTENT_UNSETTLED: return; /* counted as unsettled */
    }
    ensure(false);
}

/* A call that books and whose end or analysis was acknowledged has told of its booking. */
static void compare_bookings(struct verification *v)
{
    for (uint64_t i = 0; i < v->plan->call_count; i++) {
        const struct planned_call *c = &v->plan->calls[i];
        bool told = c->slot >= 0 && (c->acknowledged & (1 << SCRIPT_ENDED | 1 << SCRIPT_ANALYZED));
        v->result->bookings_wanted += told;
        v->result->intents_lost += told && v->intents[i] == 0;
    }
    for (uint32_t i = 0; i < v->reference_count; i++) judge_reference(v->result, &v->references[i]);
}

/* -- the verdict -- */

static bool open_database(struct verification *v)
{
    struct db_admin_error error;
    if (!v->plan->options->database_url) return trouble(v, "--verify", "needs --database-owner-url");
    v->database = db_admin_open(v->plan->options->database_url, &error);
    return v->database || trouble(v, "PostgreSQL", error.text);
}

void verify_run(struct verify_result *result, const struct load_plan *p)
{
    struct verification v = { .plan = p, .result = result };
    *result = (struct verify_result){ 0 };
    plan_print_run(p, v.run_prefix);
    snprintf(v.like_memory, sizeof v.like_memory, "%s%%", v.run_prefix);
    v.like = slice_from_text(v.like_memory);
    v.found = calloc(p->call_count, 1);
    v.call_rows = calloc(p->call_count, 1);
    v.intents = calloc(p->call_count, 1);
    ensure(v.found && v.call_rows && v.intents);

    bool read = open_database(&v) && wait_until_drained(&v) && count_events(&v) && count_calls(&v) && read_intents(&v);
    if (read && p->options->control_url) read = read_bookings(&v);
    if (read) {
        compare_calls(&v);
        compare_bookings(&v);
    }
    result->looked = read;
    if (v.references) hash_map_deinit(&v.by_reference);
    if (v.database) db_admin_close(v.database);
    free(v.references);
    free(v.found);
    free(v.call_rows);
    free(v.intents);
}

bool verify_is_clean(const struct verify_result *v)
{
    return v->looked && v->drained && v->events_lost + v->events_doubled + v->calls_lost + v->calls_doubled + v->intents_lost + v->intents_doubled == 0 &&
           v->unsettled + v->calcom_lost + v->calcom_doubled + v->calcom_differs + v->calcom_orphans + v->calcom_despite_refusal == 0;
}

#define ull(x) ((unsigned long long)(x))

void verify_print(const struct verify_result *v)
{
    if (!v->looked) {
        printf("\n  NOT VERIFIED: %s\n", v->trouble);
        return;
    }
    printf("\n  verification (%s after %.1f s)\n", v->drained ? "drained" : "STILL BUSY", v->drained_after_s);
    printf("    events    %llu acknowledged, %llu found: %llu lost, %llu doubled; %llu kept whose 2xx did not arrive\n", ull(v->events_acknowledged), ull(v->events_found),
           ull(v->events_lost), ull(v->events_doubled), ull(v->events_unacknowledged));
    printf("    calls     %llu acknowledged, %llu found: %llu lost, %llu doubled\n", ull(v->calls_acknowledged), ull(v->calls_found), ull(v->calls_lost), ull(v->calls_doubled));
    printf("    bookings  %llu wanted, %llu intents: %llu lost, %llu doubled; %llu booked, %llu pending, %llu refused, %llu unsettled\n", ull(v->bookings_wanted),
           ull(v->intents_found), ull(v->intents_lost), ull(v->intents_doubled), ull(v->booked), ull(v->pending), ull(v->refused), ull(v->unsettled));
    printf("    Cal.com   %llu missing there, %llu doubled, %llu differ, %llu of no intent, %llu in spite of a refusal\n", ull(v->calcom_lost), ull(v->calcom_doubled),
           ull(v->calcom_differs), ull(v->calcom_orphans), ull(v->calcom_despite_refusal));
    printf("  %s\n", verify_is_clean(v) ? "nothing lost, nothing doubled, both sides agree" : "NOT CLEAN");
}

void verify_write(struct json_writer *w, const char *key, const struct verify_result *v)
{
    json_begin_object(w, key);
    json_add_boolean(w, "clean", verify_is_clean(v));
    json_add_text(w, "trouble", v->trouble[0] ? slice_from_text(v->trouble) : slice_absent);
    json_add_boolean(w, "drained", v->drained);
    json_add_real(w, "drained_after_s", v->drained_after_s);
    const struct { const char *name; uint64_t value; } figures[] = {
        { "events_acknowledged", v->events_acknowledged }, { "events_found", v->events_found }, { "events_lost", v->events_lost }, { "events_doubled", v->events_doubled },
        { "events_unacknowledged", v->events_unacknowledged }, { "calls_acknowledged", v->calls_acknowledged }, { "calls_found", v->calls_found },
        { "calls_lost", v->calls_lost }, { "calls_doubled", v->calls_doubled }, { "bookings_wanted", v->bookings_wanted }, { "intents_found", v->intents_found },
        { "intents_lost", v->intents_lost }, { "intents_doubled", v->intents_doubled }, { "booked", v->booked }, { "pending", v->pending }, { "refused", v->refused },
        { "unsettled", v->unsettled }, { "calcom_lost", v->calcom_lost }, { "calcom_doubled", v->calcom_doubled }, { "calcom_differs", v->calcom_differs },
        { "calcom_orphans", v->calcom_orphans }, { "calcom_despite_refusal", v->calcom_despite_refusal },
    };
    for (uint32_t i = 0; i < sizeof figures / sizeof *figures; i++) json_add_unsigned(w, figures[i].name, figures[i].value);
    json_end_object(w);
}
