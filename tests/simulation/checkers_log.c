/* What stands in the engine's log: ids of one tenant at a time, and nothing that only people and providers may know. The plan has made everything recognisable: what is
 * a company's begins with its key, names of callers hold " Gast ", numbers begin with +49, keys hold "secret". */
#include <stdlib.h>
#include "checkers.h"
#include "base/ensure.h"
#include "base/json.h"

static const char *const never_logged[] = { "secret", "Gast ", "+49", "Guten Tag", "Assistentin", "@", "wt_", "\"transcript\":", "Agent: ", "User: " };

/* Whose the line is, as far as it says. Each id must lead to the same. */
struct owner { const struct planned_company *company; const struct planned_workspace *workspace; };

static void claim(struct owner *o, const struct planned_company *company, struct slice line)
{
    PROMISE(!o->company || o->company == company, "no line shows two tenants", SLICE_FORMAT, slice_print(line));
    o->company = company;
    const struct planned_workspace *workspace = &world.plan.workspaces[company->workspace];
    PROMISE(!o->workspace || o->workspace == workspace, "no line shows two workspaces", SLICE_FORMAT, slice_print(line));
    o->workspace = workspace;
}

static void claim_company(struct owner *o, int64_t id, struct slice line)
{
    const struct planned_company *company = planned_company_by_id(id);
    if (id == 0) return; /* of nobody yet */
    PROMISE(company, "a line's company is one", SLICE_FORMAT, slice_print(line));
    claim(o, company, line);
}

static void claim_branch(struct owner *o, int64_t id, struct slice line)
{
    for (uint32_t n = 0; n < world.plan.company_count; n++)
        if (world.plan.companies[n].branch_id == id) return claim(o, &world.plan.companies[n], line);
    PROMISE(id == 0, "a line's branch is one", SLICE_FORMAT, slice_print(line));
}

static void claim_workspace(struct owner *o, int64_t id, struct slice line)
{
    const struct planned_workspace *workspace = nullptr;
    for (uint32_t n = 0; n < world.plan.workspace_count; n++)
        if (world.plan.workspaces[n].id == id) workspace = &world.plan.workspaces[n];
    PROMISE(workspace && (!o->workspace || o->workspace == workspace), "no line shows two workspaces", SLICE_FORMAT, slice_print(line));
    o->workspace = workspace;
}

static void claim_call(struct owner *o, struct slice id, struct slice line)
{
    const struct planned_call *c = planned_call_by_id(id);
    PROMISE(c, "a line's call is one", SLICE_FORMAT, slice_print(line));
    if (c->unknown_number) return claim_workspace(o, workspace_of_call(c)->id, line);
    claim(o, company_of_call(c), line);
}

/* The tenant of an intent is a part of its name: the line must have it, and it must be there. */
static void check_intent(const struct owner *o, int64_t id, struct slice line)
{
    const struct store *s = database_store();
    bool is_there = false;
    for (uint32_t n = 0; n < store_booking_intents_count(s); n++)
        is_there |= store_booking_intents_at(s, n)->id == id && o->company && store_booking_intents_at(s, n)->company_id == o->company->id;
    PROMISE(is_there, "a line's intent is its company's", SLICE_FORMAT, slice_print(line));
}

static void check_ids(const struct json_value *fields, struct slice line)
{
    struct owner o = { 0 };
    int64_t id;
    if (json_integer(json_get(fields, "company"), &id)) claim_company(&o, id, line);
    if (json_integer(json_get(fields, "workspace"), &id)) claim_workspace(&o, id, line);
    if (json_integer(json_get(fields, "branch"), &id)) claim_branch(&o, id, line);
    if (json_type_of(json_get(fields, "call")) == JSON_TEXT) claim_call(&o, json_get_text(fields, "call"), line);
    if (json_integer(json_get(fields, "intent"), &id)) check_intent(&o, id, line);
    for (uint32_t n = 0; n < world.plan.company_count; n++) /* a name that a company's begins with */
        if (o.company && o.company != &world.plan.companies[n] && slice_contains(line, slice_from_text(world.plan.companies[n].key)))
            PROMISE(false, "no line shows two tenants", SLICE_FORMAT, slice_print(line));
}

static void check_line(struct slice line)
{
    struct heap heap;
    heap_init(&heap, 1 << 20);
    struct json_error error;
    struct json_document *d = json_parse(line, &heap, &error);
    PROMISE(d, "a line is JSON", "%s in " SLICE_FORMAT, error.message, slice_print(line));
    check_ids(json_root(d), line);
    sights_see_line(json_root(d));
    json_release(d, &heap);
}

/* Lines are taken apart at the next look: the engine is at work when it writes one, and its memory is not ours to use. */
static struct { char *bytes; size_t length, room; } lines;

static void keep(struct slice line)
{
    if (lines.room - lines.length < line.length + 1) {
        lines.room = 2 * (lines.length + line.length + 1);
        lines.bytes = realloc(lines.bytes, lines.room);
        ensure(lines.bytes);
    }
    memcpy(lines.bytes + lines.length, line.start, line.length);
    lines.bytes[lines.length + line.length] = '\n';
    lines.length += line.length + 1;
}

void check_lines(void)
{
    for (struct slice rest = slice_from(lines.bytes, lines.length); rest.length > 0;) check_line(slice_split(&rest, '\n'));
    lines.length = 0;
}

void checkers_see_log(const char *start, size_t length)
{
    struct slice line = slice_from(start, length);
    for (uint32_t n = 0; n < sizeof never_logged / sizeof *never_logged; n++)
        PROMISE(!slice_contains(line, slice_from_text(never_logged[n])), "no line holds a secret, a number, a name or what was said", "\"%s\" in " SLICE_FORMAT, never_logged[n],
                slice_print(line));
    keep(line);
}
