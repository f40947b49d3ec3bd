/* tests/simulation/database/tenants.c: who is who: the text that SNAPSHOT answers, and from it the rows that foreign keys may refer to. Whoever was once there stays referable,
 * since the schema does not let a company go that has calls. */
#include <stdlib.h>
#include "base/ensure.h"
#include "statement.h"

enum entity : uint8_t { ENTITY_COMPANY, ENTITY_BRANCH, ENTITY_SERVICE, ENTITY_STAFF, ENTITY_COUNT };
struct entity_row { int64_t company, id; };

struct tenants {
    struct slice   text;
    struct arena   memory;
    struct table   rows[ENTITY_COUNT];
    struct index   by_id[ENTITY_COUNT];
    struct changes changes;
};

struct tenants *tenants_new(void)
{
    struct tenants *t = calloc(1, sizeof *t);
    ensure(t != nullptr);
    for (enum entity e = 0; e < ENTITY_COUNT; e++) table_init(&t->rows[e], sizeof(struct entity_row));
    return t;
}

struct slice tenants_text(const struct tenants *t) { return t->text; }

static uint64_t hash_of(int64_t company, int64_t id) { return hash_integer(hash_integer(0, company), id); }

static bool has(const struct tenants *t, enum entity e, int64_t company, int64_t id)
{
    for (const struct entity_row *r = nullptr; (r = index_next(&t->by_id[e], hash_of(company, id), r));) {
        if (r->company == company && r->id == id) return true;
    }
    return false;
}

bool tenants_have_company(const struct tenants *t, int64_t company) { return has(t, ENTITY_COMPANY, company, company); }
bool tenants_have_branch(const struct tenants *t, int64_t company, int64_t branch) { return has(t, ENTITY_BRANCH, company, branch); }
bool tenants_have_service(const struct tenants *t, int64_t company, int64_t service) { return has(t, ENTITY_SERVICE, company, service); }
bool tenants_have_staff(const struct tenants *t, int64_t company, int64_t staff) { return has(t, ENTITY_STAFF, company, staff); }

static int64_t id_of(const struct jsonb *object, const char *key)
{
    const struct jsonb *v = jsonb_field(object, key);
    if (!v || v->kind != JSONB_NUMBER) return 0;
    char digits[24] = {};
    memcpy(digits, v->text.start, v->text.length < sizeof digits ? v->text.length : sizeof digits - 1);
    return strtoll(digits, nullptr, 10);
}

static void add_entity(struct tenants *t, enum entity e, int64_t company, int64_t id)
{
    if (has(t, e, company, id)) return;
    struct entity_row *r = table_add(&t->rows[e], &t->changes);
    *r = (struct entity_row){ company, id };
    index_add(&t->by_id[e], &t->changes, hash_of(company, id), r);
}

static bool read_entities(struct tenants *t, const struct jsonb *snapshot, const char *list, enum entity e)
{
    const struct jsonb *all = jsonb_field(snapshot, list);
    if (!all || all->kind != JSONB_ARRAY) return false;
    for (uint32_t n = 0; n < all->count; n++) {
        const struct jsonb *object = all->members[n].value;
        add_entity(t, e, id_of(object, e == ENTITY_COMPANY ? "id" : "company_id"), id_of(object, "id"));
    }
    return true;
}

bool tenants_read(struct tenants *t, struct slice snapshot)
{
    struct arena memory = {};
    const char *sqlstate;
    const struct jsonb *all = jsonb_parse(&memory, snapshot, &sqlstate);
    const bool good = all && read_entities(t, all, "companies", ENTITY_COMPANY) && read_entities(t, all, "branches", ENTITY_BRANCH)
                      && read_entities(t, all, "services", ENTITY_SERVICE) && read_entities(t, all, "staff", ENTITY_STAFF);
    if (good) t->text = arena_copy(&t->memory, snapshot);
    changes_keep(&t->changes);
    arena_free(&memory);
    return good;
}
