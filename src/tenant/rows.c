#include "tenant/rows.h"
#include <stdio.h>
#include "base/ensure.h"

/* ---- failing ---- */

void provision_fail(struct provisioning *p, const char *format, ...)
{
    if (p->failed) return;
    p->failed = true;
    char    why[1280];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(why, sizeof why, format, arguments);
    va_end(arguments);
    buffer_add(p->error, slice_from_text(why));
}

struct db_rows *provision_query(struct provisioning *p, const char *sql, const struct slice *parameters, uint32_t count)
{
    struct db_admin_error error;
    if (p->failed) return nullptr;
    struct db_rows *rows = db_admin_query(p->db, sql, parameters, count, &error);
    if (!rows) provision_fail(p, "%s: %s", p->subject, error.text);
    return rows;
}

void provision_execute(struct provisioning *p, const char *sql, const struct slice *parameters, uint32_t count)
{
    db_rows_free(provision_query(p, sql, parameters, count));
}

/* ---- entities ---- */

void entity_begin(struct provisioning *p, const char *kind, struct slice parent, struct slice key)
{
    snprintf(p->subject, sizeof p->subject, "%s " SLICE_FORMAT "%s" SLICE_FORMAT, kind, slice_print(parent), slice_is_absent(parent) ? "" : "/", slice_print(key));
    p->is_new = false;
    p->change = buffer_over(p->change_memory, sizeof p->change_memory);
}

void entity_note(struct provisioning *p, const char *format, ...)
{
    char    note[2048];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(note, sizeof note, format, arguments); /* a long list is cut: the line is for people */
    va_end(arguments);
    buffer_print(&p->change, "%s%s", p->change.length > 0 ? ", " : "", note);
}

void entity_finish(struct provisioning *p)
{
    char line[sizeof p->subject + sizeof p->change_memory + 16];
    if (p->failed) return;
    if (p->is_new) {
        p->report->added += 1;
        snprintf(line, sizeof line, "%s: added", p->subject);
    } else if (p->change.length > 0 || p->change.overflowed) {
        p->report->changed += 1;
        snprintf(line, sizeof line, "%s: " SLICE_FORMAT, p->subject, slice_print(buffer_slice(&p->change)));
    } else {
        p->report->unchanged += 1;
        return;
    }
    p->line(p->context, line);
}

/* ---- a row ---- */

enum { COLUMNS_MAX = 12 };
struct place { const struct table *table; struct slice company_id, key; };
struct given { const struct column *column; struct slice value; }; /* absent: NULL */

/* One statement being written: its text and its parameters. The first ones are those that name the row: $1 company, $2 key; or $1 key. */
struct statement { char memory[4096]; struct buffer sql; struct slice parameters[COLUMNS_MAX + 2]; uint32_t count; };

static void statement_begin(struct statement *s, const struct place *at)
{
    s->sql = buffer_over(s->memory, sizeof s->memory - 1);
    s->count = 0;
    if (at->table->of_company) s->parameters[s->count++] = at->company_id;
    s->parameters[s->count++] = at->key;
}

static void add(struct statement *s, const char *sql) { buffer_add(&s->sql, slice_from_text(sql)); }

/* The expression with its '?' as the next parameter. */
static void add_value(struct statement *s, const char *expression, struct slice value)
{
    struct slice behind = slice_from_text(expression);
    struct slice before = slice_split(&behind, '?');
    ensure(s->count < COLUMNS_MAX + 2);
    s->parameters[s->count++] = value;
    buffer_add(&s->sql, before);
    buffer_print(&s->sql, "$%u", s->count);
    buffer_add(&s->sql, behind);
}

static struct db_rows *statement_run(struct provisioning *p, struct statement *s)
{
    ensure(!s->sql.overflowed);
    s->memory[s->sql.length] = 0;
    return provision_query(p, s->memory, s->parameters, s->count);
}

static struct slice add_json(struct provisioning *p, const struct json_value *v)
{
    size_t before = p->texts.length;
    json_print(&p->texts, v);
    ensure(!p->texts.overflowed); /* the schema's bounds are smaller */
    return slice_skip(buffer_slice(&p->texts), before);
}

struct slice provision_json(struct provisioning *p, const struct json_value *v)
{
    p->texts.length = 0;
    return add_json(p, v);
}

/* The value as PostgreSQL reads it. Lives until the next row. */
static struct slice as_parameter(struct provisioning *p, const struct json_value *v)
{
    if (json_type_of(v) == JSON_NULL) return slice_absent;
    return json_type_of(v) == JSON_TEXT ? json_text(v) : add_json(p, v);
}

static uint32_t given_columns(struct provisioning *p, const struct table *t, const struct json_value *object, bool is_new, struct given *given)
{
    uint32_t count = 0;
    p->texts = buffer_over(p->text_memory, sizeof p->text_memory);
    for (uint32_t n = 0; n < t->column_count; n++) {
        const struct column     *c = &t->columns[n];
        const struct json_value *v = json_get(object, c->field);
        if (!v && !(is_new && c->when_new)) continue;
        given[count++] = (struct given){ c, v ? as_parameter(p, v) : slice_from_text(c->when_new) };
    }
    ensure(count <= COLUMNS_MAX);
    return count;
}

static void add_where(struct statement *s, const struct place *at) { add(s, at->table->of_company ? " WHERE t.company_id = $1::bigint AND t.key = $2" : " WHERE t.key = $1"); }

static void keep_id(struct row_id *id, struct slice text) { snprintf(id->text, sizeof id->text, SLICE_FORMAT, slice_print(text)); }

static void row_insert(struct provisioning *p, const struct place *at, const struct json_value *object, struct row_id *id)
{
    struct statement s;
    struct given     given[COLUMNS_MAX];
    uint32_t         count = given_columns(p, at->table, object, true, given);
    statement_begin(&s, at);
    buffer_print(&s.sql, "INSERT INTO %s (%skey", at->table->name, at->table->of_company ? "company_id, " : "");
    for (uint32_t n = 0; n < count; n++) buffer_print(&s.sql, ", %s", given[n].column->name);
    add(&s, at->table->of_company ? ") VALUES ($1::bigint, $2" : ") VALUES ($1");
    for (uint32_t n = 0; n < count; n++) {
        add(&s, ", ");
        add_value(&s, given[n].column->write, given[n].value);
    }
    add(&s, ") RETURNING id");
    struct db_rows *rows = statement_run(p, &s);
    if (!rows) return;
    p->is_new = true;
    keep_id(id, db_rows_text(rows, 0, 0));
    db_rows_free(rows);
}

/* The id, and of each column how it reads and whether it is as given. */
static struct db_rows *row_find(struct provisioning *p, const struct place *at, const struct given *given, uint32_t count)
{
    struct statement s;
    statement_begin(&s, at);
    add(&s, "SELECT t.id");
    for (uint32_t n = 0; n < count; n++) {
        buffer_print(&s.sql, ", %s, t.%s IS NOT DISTINCT FROM ", given[n].column->read, given[n].column->name);
        add_value(&s, given[n].column->write, given[n].value);
    }
    buffer_print(&s.sql, " FROM %s t", at->table->name);
    add_where(&s, at);
    return statement_run(p, &s);
}

/* How the columns read now, in their order. */
static struct db_rows *row_update(struct provisioning *p, const struct place *at, const struct given *given, uint32_t count)
{
    struct statement s;
    statement_begin(&s, at);
    buffer_print(&s.sql, "UPDATE %s t", at->table->name);
    for (uint32_t n = 0; n < count; n++) {
        buffer_print(&s.sql, "%s %s = ", n > 0 ? "," : " SET", given[n].column->name);
        add_value(&s, given[n].column->write, given[n].value);
    }
    add_where(&s, at);
    for (uint32_t n = 0; n < count; n++) buffer_print(&s.sql, "%s %s", n > 0 ? "," : " RETURNING", given[n].column->read);
    return statement_run(p, &s);
}

static void note_column(struct provisioning *p, const struct column *c, struct slice before, struct slice after)
{
    const struct slice none = slice_of("(none)");
    if (c->is_private) entity_note(p, "%s changed", c->field);
    else entity_note(p, "%s " SLICE_FORMAT " → " SLICE_FORMAT, c->field, slice_print(slice_is_empty(before) ? none : before), slice_print(slice_is_empty(after) ? none : after));
}

static void row_compare(struct provisioning *p, const struct place *at, const struct given *given, uint32_t count, const struct db_rows *found)
{
    struct given different[COLUMNS_MAX];
    struct slice before[COLUMNS_MAX];
    uint32_t     changes = 0;
    for (uint32_t n = 0; n < count; n++) {
        if (slice_equal(db_rows_text(found, 0, 2 * n + 2), slice_of("t"))) continue;
        before[changes] = db_rows_text(found, 0, 2 * n + 1);
        different[changes++] = given[n];
    }
    if (changes == 0) return;
    struct db_rows *now = row_update(p, at, different, changes);
    if (!now) return;
    for (uint32_t n = 0; n < changes; n++) note_column(p, different[n].column, before[n], db_rows_text(now, 0, n));
    db_rows_free(now);
}

/* false: there is no such row, or it failed. */
static bool row_change(struct provisioning *p, const struct place *at, const struct json_value *object, struct row_id *id)
{
    struct given    given[COLUMNS_MAX];
    uint32_t        count = given_columns(p, at->table, object, false, given);
    struct db_rows *found = row_find(p, at, given, count);
    bool            is_there = found && db_rows_count(found) > 0;
    if (is_there) {
        keep_id(id, db_rows_text(found, 0, 0));
        row_compare(p, at, given, count, found);
    }
    db_rows_free(found);
    return is_there;
}

void row_put(struct provisioning *p, const struct table *t, struct slice company_id, const struct json_value *object, struct row_id *id)
{
    const struct place at = { t, company_id, json_get_text(object, "key") };
    *id = (struct row_id){};
    if (!row_change(p, &at, object, id)) row_insert(p, &at, object, id);
}

void row_set(struct provisioning *p, const struct table *t, struct slice key, const struct json_value *object)
{
    const struct place at = { t, slice_absent, key };
    struct row_id      id;
    if (!row_change(p, &at, object, &id)) provision_fail(p, "%s: its row is gone", p->subject);
}
