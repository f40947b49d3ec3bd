#include "store.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include "base/ensure.h"
#include "db/sqlstate.h"
#include "statement.h"

struct store *store_new(void)
{
    struct store *s = calloc(1, sizeof *s);
    ensure(s != nullptr);
#define STORE_INIT(name, row) table_init(&s->name, sizeof(struct row));
    STORE_TABLES(STORE_INIT)
#undef STORE_INIT
    s->tenants = tenants_new();
    return s;
}

bool store_set_tenants(struct store *s, struct slice snapshot) { return tenants_read(s->tenants, snapshot); }
struct slice store_tenants(const struct store *s) { return tenants_text(s->tenants); }

#define STORE_DEFINE(name, row)                                                          \
    uint32_t store_##name##_count(const struct store *s) { return s->name.count; }      \
    const struct row *store_##name##_at(const struct store *s, uint32_t n)                \
    {                                                                                     \
        ensure(n < s->name.count);                                                        \
        return s->name.rows[n];                                                           \
    }
STORE_TABLES(STORE_DEFINE)
#undef STORE_DEFINE

/* -- what statements have in common -- */

bool statement_fail(struct statement *q, const char *sqlstate, const char *constraint)
{
    snprintf(q->sqlstate, sizeof q->sqlstate, "%s", sqlstate);
    snprintf(q->constraint, sizeof q->constraint, "%s", constraint ? constraint : "");
    return false;
}

static const struct db_parameter *parameter(const struct statement *q, uint32_t n)
{
    ensure(n < q->call->parameter_count);
    return &q->call->parameters[n];
}

bool parameter_is_null(const struct statement *q, uint32_t n) { return parameter(q, n)->kind == DB_NULL; }
int64_t parameter_integer(const struct statement *q, uint32_t n) { return parameter_is_null(q, n) ? 0 : parameter(q, n)->integer; }
struct number parameter_number(const struct statement *q, uint32_t n) { return (struct number){ parameter_integer(q, n), !parameter_is_null(q, n) }; }
struct slice parameter_text(const struct statement *q, uint32_t n) { return parameter_is_null(q, n) ? slice_absent : parameter(q, n)->text; }

/* to_timestamp() counts in seconds as a double, from 2000 on, within what a timestamp can hold. */
bool store_instant(struct number us, struct number *at)
{
    constexpr double day_s = 86'400, julian_of_1970 = 2'440'588, julian_end = 109'203'528, from_1970_to_2000_s = 946'684'800;
    *at = us;
    if (!us.is_there) return true;
    const double seconds = (double)us.value / 1'000'000;
    if (seconds < -julian_of_1970 * day_s || seconds >= (julian_end - julian_of_1970) * day_s) return false;
    const int64_t since_2000_us = (int64_t)rint((seconds - from_1970_to_2000_s) * 1'000'000);
    if (__builtin_add_overflow(since_2000_us, (int64_t)from_1970_to_2000_s * 1'000'000, &at->value)) at->value = INT64_MAX; /* the last instant of all: nobody can read it back */
    return true;
}

bool parameter_instant(struct statement *q, uint32_t n, struct number *at) { return store_instant(parameter_number(q, n), at) || statement_fail(q, sqlstate_no_instant, nullptr); }

bool parameter_json(struct statement *q, uint32_t n, const struct jsonb **v)
{
    *v = nullptr;
    if (parameter_is_null(q, n)) return true;
    const char *sqlstate;
    *v = jsonb_parse(q->memory, parameter_text(q, n), &sqlstate);
    return *v || statement_fail(q, sqlstate, nullptr);
}

bool parameter_list_has_null(const struct statement *q, const uint8_t *places, size_t count)
{
    for (size_t n = 0; n < count; n++) {
        if (parameter_is_null(q, places[n])) return true;
    }
    return false;
}

struct slice kept_text(const struct statement *q, uint32_t n) { return store_keep(q->store, parameter_text(q, n)); }
struct slice store_keep(struct store *s, struct slice text) { return arena_copy(&s->memory, text); }
bool number_equal(struct number a, struct number b) { return a.is_there && b.is_there && a.value == b.value; }
bool statement_may_see(const struct statement *q, int64_t company) { return company != 0 && company == q->tenant.company_id; }

/* -- the answer -- */

void answer_row(struct statement *q)
{
    if (q->rows->count == q->room) {
        struct store_value *larger = arena_take(q->memory, (q->room ? q->room * 2 : 1) * q->rows->columns * sizeof *larger);
        if (q->room) memcpy(larger, q->rows->values, (size_t)q->room * q->rows->columns * sizeof *larger);
        q->room = q->room ? q->room * 2 : 1;
        q->rows->values = larger;
    }
    q->rows->count += 1;
    q->column = 0;
}

static void add(struct statement *q, struct store_value value)
{
    ensure(q->column < q->rows->columns);
    q->rows->values[(q->rows->count - 1) * q->rows->columns + q->column++] = value;
}

void answer_integer(struct statement *q, int64_t value) { add(q, (struct store_value){ .kind = STORE_INTEGER, .integer = value }); }
void answer_boolean(struct statement *q, bool value) { add(q, (struct store_value){ .kind = STORE_BOOLEAN, .integer = value }); }
void answer_null(struct statement *q) { add(q, (struct store_value){ .kind = STORE_NULL }); }

void answer_number(struct statement *q, struct number value)
{
    if (value.is_there) answer_integer(q, value.value);
    else answer_null(q);
}

/* Copied: the row that it is of may change before the answer is read. */
void answer_text(struct statement *q, struct slice value)
{
    if (slice_is_absent(value)) answer_null(q);
    else add(q, (struct store_value){ .kind = STORE_TEXT, .text = arena_copy(q->memory, value) });
}

void answer_void(struct statement *q)
{
    answer_row(q);
    add(q, (struct store_value){ .kind = STORE_VOID });
}

/* -- parameters as they arrive -- */

/* db.h: what PostgreSQL cannot hold becomes U+FFFD. */
static struct slice replace_all(struct arena *a, struct slice given, struct slice what, struct slice by)
{
    const char *found = given.length ? memmem(given.start, given.length, what.start, what.length) : nullptr;
    if (!found) return given;
    char *start = arena_take(a, given.length * by.length), *to = start;
    for (; found; found = given.length ? memmem(given.start, given.length, what.start, what.length) : nullptr) {
        const size_t before = (size_t)(found - given.start);
        to = mempcpy(mempcpy(to, given.start, before), by.start, by.length);
        given = slice_skip(given, before + what.length);
    }
    to = mempcpy(to, given.start, given.length);
    return slice_from(start, (size_t)(to - start));
}

/* How many bytes the character there has; 0: none that UTF-8 knows (not the shortest form, a surrogate, past U+10FFFF, cut off). */
static size_t character_bytes(const unsigned char *at, size_t left)
{
    const size_t bytes = at[0] < 0x80 ? 1 : at[0] >= 0xC2 && at[0] < 0xE0 ? 2 : at[0] >= 0xE0 && at[0] < 0xF0 ? 3 : at[0] >= 0xF0 && at[0] < 0xF5 ? 4 : 0;
    if (bytes > left) return 0;
    for (size_t n = 1; n < bytes; n++) {
        if ((at[n] & 0xC0) != 0x80) return 0;
    }
    if ((at[0] == 0xE0 && at[1] < 0xA0) || (at[0] == 0xED && at[1] > 0x9F) || (at[0] == 0xF0 && at[1] < 0x90) || (at[0] == 0xF4 && at[1] > 0x8F)) return 0;
    return bytes;
}

static bool is_utf8(struct slice given)
{
    for (size_t at = 0, bytes; at < given.length; at += bytes) {
        bytes = character_bytes((const unsigned char *)given.start + at, given.length - at);
        if (bytes == 0) return false;
    }
    return true;
}

/* As the server takes what db/unit.c sends. */
static bool bind_parameters(struct statement *q, struct db_call *bound, const struct db_call *given)
{
    const char *letters = db_statement_definition(given->statement)->parameters;
    bound->statement = given->statement;
    bound->parameter_count = given->parameter_count;
    for (uint32_t n = 0; n < given->parameter_count; n++) {
        struct db_parameter *p = &bound->parameters[n];
        *p = given->parameters[n];
        if (p->kind != DB_TEXT || letters[n] == 'x') continue;
        p->text = letters[n] == 't' ? replace_all(q->memory, p->text, slice_of("\0"), slice_of("\xEF\xBF\xBD")) : replace_all(q->memory, p->text, slice_of("\\u0000"), slice_of("\\ufffd"));
        if (!is_utf8(p->text) || memchr(p->text.start, 0, p->text.length)) return statement_fail(q, sqlstate_no_text, nullptr);
    }
    return true;
}

/* -- a unit -- */

static bool snapshot(struct statement *q)
{
    answer_row(q);
    answer_text(q, tenants_text(q->store->tenants));
    return true;
}

static bool probe(struct statement *q)
{
    answer_row(q);
    answer_integer(q, 1);
    return true;
}

static bool run(struct statement *q)
{
    switch (q->call->statement) {
    case DB_SNAPSHOT:         return snapshot(q);
    case DB_FILE_CALL_EVENT:  return statement_file_call_event(q);
    case DB_KEEP_WEBHOOK:     return statement_keep_webhook(q);
    case DB_CLOSE_CALL:       return statement_close_call(q);
    case DB_OPEN_CALLS:       return statement_open_calls(q);
    case DB_UNDECIDED_CALLS:  return statement_undecided_calls(q);
    case DB_WRITE_INTENT:     return statement_write_intent(q);
    case DB_REFUSE_OPERATION: return statement_refuse_operation(q);
    case DB_DUE_INTENTS:      return statement_due_intents(q);
    case DB_LOAD_INTENT:      return statement_load_intent(q);
    case DB_SEND_INTENT:      return statement_send_intent(q);
    case DB_DELAY_INTENT:     return statement_delay_intent(q);
    case DB_BOOK_INTENT:      return statement_book_intent(q);
    case DB_REFUSE_INTENT:    return statement_refuse_intent(q);
    case DB_PARK_INTENT:      return statement_park_intent(q);
    case DB_AUDIT:            return statement_audit(q);
    case DB_PROBE:            return probe(q);
    case DB_STATEMENT_COUNT:  break;
    }
    ensure(!"a statement that statements.h does not know");
    return false;
}

static bool run_call(struct store *s, const struct db_unit *u, uint32_t call, struct store_answer *answer)
{
    struct db_call bound;
    struct statement q = { .store = s, .call = &bound, .tenant = u->tenant, .memory = &answer->memory, .rows = &answer->rows[call] };
    q.rows->columns = (uint32_t)strlen(db_statement_definition(u->calls[call].statement)->columns);
    if (bind_parameters(&q, &bound, &u->calls[call]) && run(&q)) return true;
    memcpy(answer->sqlstate, q.sqlstate, sizeof answer->sqlstate);
    memcpy(answer->constraint, q.constraint, sizeof answer->constraint);
    return false;
}

void store_run(struct store *s, const struct db_unit *u, struct store_answer *answer)
{
    ensure(s->changes.count == 0);
    *answer = (struct store_answer){ .outcome = DB_OK };
    while (answer->calls_run < u->call_count && run_call(s, u, answer->calls_run, answer)) answer->calls_run += 1;
    if (answer->calls_run == u->call_count) {
        changes_keep(&s->changes);
        return;
    }
    changes_undo(&s->changes);
    answer->outcome = sqlstate_meaning(answer->sqlstate).outcome;
}

void store_answer_free(struct store_answer *answer)
{
    arena_free(&answer->memory);
    *answer = (struct store_answer){};
}
