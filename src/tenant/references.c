/* tenant/references.c: what the tables of schema.c cannot say about a world file: nothing is there twice, and every key that is referred to exists. */
#include "base/ensure.h"
#include "base/hash_map.h"
#include "base/text.h"
#include "tenant/check.h"

static void sees_init(struct hash_map *seen, uint32_t count) { hash_map_init(seen, count > 0 ? count : 1); }

/* false: it was there before. Absent texts are no texts. */
static bool sees_first(struct hash_map *seen, struct slice scope, struct slice text)
{
    static char      there;
    struct hash128 key = hash128_mix(hash128_of(scope), hash128_of(text));
    if (slice_is_absent(text)) return true;
    if (hash_map_find(seen, key)) return false;
    ensure(hash_map_insert(seen, key, &there));
    return true;
}

static void check_distinct(struct check *c, const struct json_value *object, const char *list, const char *field)
{
    struct json_iterator     items = json_each(json_get(object, list));
    const struct json_value *item;
    struct hash_map          seen;
    sees_init(&seen, items.left);
    size_t in_list = step_into(c, list);
    for (uint32_t index = 0; json_next(&items, nullptr, &item); index++) {
        size_t in_item = step_into_item(c, index), in_field = step_into(c, field);
        if (!sees_first(&seen, slice_absent, json_get_text(item, field))) complain(c, "another entry has the same");
        step_out(c, in_field);
        step_out(c, in_item);
    }
    step_out(c, in_list);
    hash_map_deinit(&seen);
}

static bool has_entry(const struct json_value *object, const char *list, struct slice key)
{
    struct json_iterator     items = json_each(json_get(object, list));
    const struct json_value *item;
    while (json_next(&items, nullptr, &item))
        if (slice_equal(json_get_text(item, "key"), key)) return true;
    return false;
}

/* Each entry's `field` must be the key of an entry of company[in]. */
static void check_leads(struct check *c, const struct json_value *company, const struct json_value *holder, const char *list, const char *field, const char *in)
{
    struct json_iterator     items = json_each(json_get(holder, list));
    const struct json_value *item;
    size_t                   in_list = step_into(c, list);
    for (uint32_t index = 0; json_next(&items, nullptr, &item); index++) {
        size_t in_item = step_into_item(c, index), in_field = step_into(c, field);
        if (!has_entry(company, in, json_get_text(item, field))) complain(c, "this company has no such key in \"%s\"", in);
        step_out(c, in_field);
        step_out(c, in_item);
    }
    step_out(c, in_list);
}

static void check_services(struct check *c, const struct json_value *company)
{
    struct json_iterator     services = json_each(json_get(company, "services"));
    const struct json_value *service;
    size_t                   in_list = step_into(c, "services");
    for (uint32_t index = 0; json_next(&services, nullptr, &service); index++) {
        size_t in_item = step_into_item(c, index);
        check_distinct(c, service, "staff", "staff");
        check_leads(c, company, service, "staff", "staff", "staff");
        step_out(c, in_item);
    }
    step_out(c, in_list);
}

static void check_customers(struct check *c, const struct json_value *company)
{
    struct json_iterator     customers = json_each(json_get(company, "customers"));
    const struct json_value *customer;
    struct hash_map          seen;
    sees_init(&seen, customers.left);
    size_t in_list = step_into(c, "customers");
    for (uint32_t index = 0; json_next(&customers, nullptr, &customer); index++) {
        size_t in_item = step_into_item(c, index), in_field = step_into(c, "phone");
        if (!sees_first(&seen, slice_absent, json_get_text(customer, "phone"))) complain(c, "another customer has the same");
        step_out(c, in_field);
        step_out(c, in_item);
    }
    step_out(c, in_list);
    hash_map_deinit(&seen);
}

/* A number leads to one branch of its workspace, in the whole file. */
static void check_numbers(struct check *c, const struct json_value *company, struct hash_map *seen)
{
    struct json_iterator     branches = json_each(json_get(company, "branches"));
    const struct json_value *branch, *text;
    size_t                   in_list = step_into(c, "branches");
    for (uint32_t index = 0; json_next(&branches, nullptr, &branch); index++) {
        size_t               in_item = step_into_item(c, index);
        struct json_iterator numbers = json_each(json_get(branch, "phone_numbers"));
        struct slice         workspace = json_get_text(branch, "workspace");
        if (numbers.left > 0 && slice_is_absent(workspace)) complain(c, "workspace is missing: phone_numbers belong to one");
        size_t in_numbers = step_into(c, "phone_numbers");
        for (uint32_t n = 0; json_next(&numbers, nullptr, &text); n++) {
            size_t in_number = step_into_item(c, n);
            if (!sees_first(seen, workspace, json_text(text))) complain(c, "the same workspace has this number twice");
            step_out(c, in_number);
        }
        step_out(c, in_numbers);
        step_out(c, in_item);
    }
    step_out(c, in_list);
}

static uint32_t numbers_in(const struct json_value *world)
{
    uint32_t                 count = 0;
    struct json_iterator     companies = json_each(json_get(world, "companies"));
    const struct json_value *company, *branch;
    while (json_next(&companies, nullptr, &company)) {
        struct json_iterator branches = json_each(json_get(company, "branches"));
        while (json_next(&branches, nullptr, &branch)) count += json_length(json_get(branch, "phone_numbers"));
    }
    return count;
}

static void check_companies(struct check *c, const struct json_value *world)
{
    struct json_iterator     companies = json_each(json_get(world, "companies"));
    const struct json_value *company;
    struct hash_map          numbers;
    sees_init(&numbers, numbers_in(world));
    size_t in_list = step_into(c, "companies");
    for (uint32_t index = 0; json_next(&companies, nullptr, &company); index++) {
        size_t in_item = step_into_item(c, index);
        check_distinct(c, company, "branches", "key");
        check_distinct(c, company, "staff", "key");
        check_distinct(c, company, "services", "key");
        check_distinct(c, company, "customers", "key");
        check_leads(c, company, company, "staff", "branch", "branches");
        check_services(c, company);
        check_customers(c, company);
        check_numbers(c, company, &numbers);
        step_out(c, in_item);
    }
    step_out(c, in_list);
    hash_map_deinit(&numbers);
}

static void check_defaults(struct check *c, const struct json_value *world)
{
    struct json_iterator     workspaces = json_each(json_get(world, "workspaces"));
    const struct json_value *workspace;
    uint32_t                 defaults = 0;
    bool                     is_default;
    while (json_next(&workspaces, nullptr, &workspace)) defaults += json_boolean(json_get(workspace, "default"), &is_default) && is_default;
    size_t before = step_into(c, "workspaces");
    if (defaults > 1) complain(c, "more than one is the default");
    step_out(c, before);
}

void check_references(struct check *c, const struct json_value *world)
{
    check_distinct(c, world, "workspaces", "key");
    check_distinct(c, world, "workspaces", "token");
    check_distinct(c, world, "companies", "key");
    check_defaults(c, world);
    check_companies(c, world);
}
