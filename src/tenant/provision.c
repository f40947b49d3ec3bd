/* tenant/provision.c: the order in which a world comes to be, in one transaction: workspaces, then each company with its branches, staff, services and
 * customers, then where the numbers lead. What the file does not have stays as it is; a list that it has becomes equal to it. */
#include "tenant/provision.h"
#include <stdio.h>
#include <stdlib.h>
#include "base/ensure.h"
#include "limits.h"
#include "tenant/rows.h"
#include "tenant/schema.h"
#include "tenant/tenant.h"

#define COLUMN_OF(name_, write_, read_) { .name = #name_, .field = #name_, .write = (write_), .read = (read_) }
#define TEXT(name_)    COLUMN_OF(name_, "?::text", "t." #name_)
#define INTEGER(name_) COLUMN_OF(name_, "?::bigint", "t." #name_ "::text")
#define TABLE(name_, of_company_, columns_) \
    { .name = (name_), .of_company = (of_company_), .columns = (columns_), .column_count = sizeof(columns_) / sizeof *(columns_) }

/* A customer's data and what opens a door are in no line. */
#define HIDDEN(name_, field_, write_, read_) { .name = (name_), .field = (field_), .write = (write_), .read = (read_), .is_private = true }

static const struct column workspace_columns[] = {
    TEXT(name),
    HIDDEN("token", "token", "?::text", "t.token"),
    { .name = "is_default", .field = "default", .write = "?::boolean", .read = "t.is_default::text", .when_new = "false" },
};
static const struct column company_columns[] = { TEXT(name), TEXT(time_zone) };
static const struct column branch_columns[] = {
    TEXT(name), TEXT(time_zone), TEXT(retell_agent_id), INTEGER(calcom_event_type_id),
    COLUMN_OF(opening_hours, "?::jsonb", "t.opening_hours::text"),
};
static const struct column staff_columns[] = {
    TEXT(name), INTEGER(calcom_user_id),
    { .name = "branch_id", .field = "branch", .write = "(SELECT b.id FROM branches b WHERE b.company_id = $1 AND b.key = ?)",
      .read = "(SELECT b.key FROM branches b WHERE b.company_id = t.company_id AND b.id = t.branch_id)" },
};
static const struct column service_columns[] = {
    TEXT(name), INTEGER(duration_minutes), INTEGER(buffer_before_minutes), INTEGER(buffer_after_minutes), INTEGER(calcom_event_type_id),
    { .name = "notice_minutes", .field = "notice_minutes", .write = "?::bigint", .read = "t.notice_minutes::text", .when_new = "15" },
    COLUMN_OF(synonyms, "ARRAY(SELECT jsonb_array_elements_text(?::jsonb))", "array_to_string(t.synonyms, ', ')"),
};
static const struct column customer_columns[] = {
    HIDDEN("name", "name", "?::text", "NULL"), HIDDEN("phone", "phone", "?::text", "NULL"), HIDDEN("email", "email", "?::text", "NULL"),
};

static const struct table workspaces = TABLE("workspaces", false, workspace_columns), companies = TABLE("companies", false, company_columns);
static const struct table branches = TABLE("branches", true, branch_columns), staff = TABLE("staff", true, staff_columns);
static const struct table services = TABLE("event_types", true, service_columns), customers = TABLE("customers", true, customer_columns);

/* A company being provisioned. */
struct owner { struct row_id row; struct slice id, key; };

/* ---- secrets: sealed anew each time, so they are compared opened ---- */

/* Hex of the secret, sealed for its place. Lives until the next row. */
static struct slice seal(struct provisioning *p, struct slice context, struct slice plain)
{
    char          bytes[world_text_bytes_max + SECRET_OVERHEAD_BYTES];
    struct buffer sealed = buffer_over(bytes, sizeof bytes);
    size_t        before = p->texts.length;
    if (!secret_seal(p->secret, context, plain, &sealed)) provision_fail(p, "%s: a key could not be sealed", p->subject);
    hex_print(&p->texts, (const uint8_t *)sealed.start, sealed.length);
    ensure(!p->texts.overflowed);
    return slice_skip(buffer_slice(&p->texts), before);
}

/* One that does not open, because it was sealed under another secret key, is as good as another key: the file has the right one. */
static bool is_sealed_form_of(struct provisioning *p, struct slice context, struct slice hex, struct slice plain)
{
    uint8_t       sealed[1024];
    char          opened[sizeof sealed];
    struct buffer b = buffer_over(opened, sizeof opened);
    size_t        bytes = hex.length / 2;
    bool          same = bytes <= sizeof sealed && hex_parse(hex, sealed, bytes) && secret_open(p->secret, context, slice_from(sealed, bytes), &b) &&
                slice_equal(buffer_slice(&b), plain);
    explicit_bzero(opened, sizeof opened);
    return same;
}

static struct slice key_context(struct buffer *b, struct slice workspace, uint32_t position)
{
    b->length = 0;
    buffer_print(b, "workspace_keys/" SLICE_FORMAT "/%u", slice_print(workspace), position);
    return buffer_slice(b);
}

static bool has_these_keys(struct provisioning *p, struct slice workspace, const struct json_value *keys, const struct db_rows *rows)
{
    char                     memory[world_text_bytes_max];
    struct buffer            context = buffer_over(memory, sizeof memory);
    struct json_iterator     items = json_each(keys);
    const struct json_value *key;
    bool                     same = db_rows_count(rows) == items.left;
    for (uint32_t n = 0; same && json_next(&items, nullptr, &key); n++)
        same = is_sealed_form_of(p, key_context(&context, workspace, n), db_rows_text(rows, n, 0), json_text(key));
    return same;
}

static void replace_keys(struct provisioning *p, struct slice id, struct slice workspace, const struct json_value *keys)
{
    char                     memory[world_text_bytes_max], digits[16];
    struct buffer            context = buffer_over(memory, sizeof memory);
    struct json_iterator     items = json_each(keys);
    const struct json_value *key;
    provision_execute(p, "DELETE FROM workspace_keys WHERE workspace_id = $1::bigint", &id, 1);
    for (uint32_t n = 0; json_next(&items, nullptr, &key); n++) {
        snprintf(digits, sizeof digits, "%u", n);
        p->texts.length = 0;
        struct slice parameters[] = { id, slice_from_text(digits), seal(p, key_context(&context, workspace, n), json_text(key)) };
        provision_execute(p, "INSERT INTO workspace_keys (workspace_id, position, sealed) VALUES ($1::bigint, $2::smallint, decode($3, 'hex'))", parameters, 3);
    }
    entity_note(p, "keys changed");
}

static void put_keys(struct provisioning *p, struct slice id, struct slice workspace, const struct json_value *keys)
{
    if (!keys) return;
    struct db_rows *rows = provision_query(p, "SELECT encode(sealed, 'hex') FROM workspace_keys WHERE workspace_id = $1::bigint ORDER BY position", &id, 1);
    if (rows && !has_these_keys(p, workspace, keys, rows)) replace_keys(p, id, workspace, keys);
    db_rows_free(rows);
}

/* ---- workspaces ---- */

static const char compare_agents[] =
    "SELECT (SELECT string_agg(agent_id, ', ' ORDER BY agent_id COLLATE \"C\") FROM workspace_agents WHERE workspace_id = $1::bigint), "
    "(SELECT string_agg(DISTINCT a COLLATE \"C\", ', ' ORDER BY a COLLATE \"C\") FROM jsonb_array_elements_text($2::jsonb) a)";
static const char clear_agents[] = "DELETE FROM workspace_agents WHERE workspace_id = $1::bigint";
static const char fill_agents[] =
    "INSERT INTO workspace_agents (workspace_id, agent_id) SELECT DISTINCT $1::bigint, a FROM jsonb_array_elements_text($2::jsonb) a";

static void put_agents(struct provisioning *p, struct slice id, const struct json_value *agents)
{
    if (!agents) return;
    struct slice    parameters[] = { id, provision_json(p, agents) };
    struct db_rows *rows = provision_query(p, compare_agents, parameters, 2);
    if (!rows) return;
    struct slice before = db_rows_text(rows, 0, 0), after = db_rows_text(rows, 0, 1);
    if (!slice_equal(before, after)) {
        provision_execute(p, clear_agents, &id, 1);
        provision_execute(p, fill_agents, parameters, 2);
        entity_note(p, "agents [" SLICE_FORMAT "] → [" SLICE_FORMAT "]", slice_print(before), slice_print(after));
    }
    db_rows_free(rows);
}

/* There is one default at most, so another one steps back first; it need not be in the file. */
static void step_back(struct provisioning *p, struct slice key)
{
    struct db_rows *rows = provision_query(p, "UPDATE workspaces SET is_default = false WHERE is_default AND key <> $1 RETURNING key", &key, 1);
    for (uint32_t n = 0; rows && n < db_rows_count(rows); n++) {
        entity_begin(p, "workspace", slice_absent, db_rows_text(rows, n, 0));
        entity_note(p, "default true → false");
        entity_finish(p);
    }
    db_rows_free(rows);
}

static void put_workspace(struct provisioning *p, const struct json_value *workspace)
{
    struct row_id id;
    struct slice  key = json_get_text(workspace, "key");
    bool          is_default;
    entity_begin(p, "workspace", slice_absent, key);
    if (json_boolean(json_get(workspace, "default"), &is_default) && is_default) step_back(p, key);
    entity_begin(p, "workspace", slice_absent, key);
    row_put(p, &workspaces, slice_absent, workspace, &id);
    put_keys(p, slice_from_text(id.text), key, json_get(workspace, "retell_api_keys"));
    put_agents(p, slice_from_text(id.text), json_get(workspace, "agents"));
    entity_finish(p);
}

/* ---- a company's own things ---- */

static const struct column credential_columns[] = {
    { .name = "calcom_base_url", .field = "base_url", .write = "?::text", .read = "t.calcom_base_url" },
    { .name = "calcom_bookings_version", .field = "bookings_version", .write = "?::text", .read = "t.calcom_bookings_version" },
    { .name = "calcom_slots_version", .field = "slots_version", .write = "?::text", .read = "t.calcom_slots_version" },
    { .name = "calcom_event_types_version", .field = "event_types_version", .write = "?::text", .read = "t.calcom_event_types_version" },
};
static const struct table credentials = TABLE("companies", false, credential_columns);

static const char clear_credential[] =
    "UPDATE companies SET calcom_api_key_sealed = NULL, calcom_base_url = NULL, calcom_bookings_version = NULL, calcom_slots_version = NULL, "
    "calcom_event_types_version = NULL WHERE id = $1::bigint AND calcom_api_key_sealed IS NOT NULL RETURNING id";

static void remove_credential(struct provisioning *p, const struct owner *o)
{
    struct db_rows *rows = provision_query(p, clear_credential, &o->id, 1);
    if (rows && db_rows_count(rows) > 0) entity_note(p, "calcom removed");
    db_rows_free(rows);
}

static void put_api_key(struct provisioning *p, const struct owner *o, struct slice api_key)
{
    char            memory[world_text_bytes_max];
    struct buffer   context = buffer_over(memory, sizeof memory);
    struct db_rows *rows = provision_query(p, "SELECT encode(calcom_api_key_sealed, 'hex') FROM companies WHERE id = $1::bigint", &o->id, 1);
    if (!rows) return;
    buffer_print(&context, "companies/" SLICE_FORMAT "/calcom_api_key", slice_print(o->key));
    if (!is_sealed_form_of(p, buffer_slice(&context), db_rows_text(rows, 0, 0), api_key)) {
        p->texts.length = 0;
        struct slice parameters[] = { o->id, seal(p, buffer_slice(&context), api_key) };
        provision_execute(p, "UPDATE companies SET calcom_api_key_sealed = decode($2, 'hex') WHERE id = $1::bigint", parameters, 2);
        entity_note(p, "calcom.api_key changed");
    }
    db_rows_free(rows);
}

static void put_company(struct provisioning *p, const struct json_value *company, struct owner *o)
{
    const struct json_value *calcom = json_get(company, "calcom");
    o->key = json_get_text(company, "key");
    entity_begin(p, "company", slice_absent, o->key);
    row_put(p, &companies, slice_absent, company, &o->row);
    o->id = slice_from_text(o->row.text);
    if (json_type_of(calcom) == JSON_NULL) remove_credential(p, o);
    if (json_type_of(calcom) == JSON_OBJECT) {
        row_set(p, &credentials, o->key, calcom);
        put_api_key(p, o, json_get_text(calcom, "api_key"));
    }
    entity_finish(p);
}

/* "lena 5001, tom 5002", from the table and from the file alike. */
static const char compare_service_staff[] =
    "SELECT (SELECT string_agg(concat_ws(' ', s.key, x.calcom_event_type_id), ', ' ORDER BY x.position) FROM staff_event_types x "
    "JOIN staff s ON s.company_id = x.company_id AND s.id = x.staff_id WHERE x.company_id = $1::bigint AND x.service_id = $2::bigint), "
    "(SELECT string_agg(concat_ws(' ', e.v ->> 'staff', e.v ->> 'calcom_event_type_id'), ', ' ORDER BY e.n) "
    "FROM jsonb_array_elements($3::jsonb) WITH ORDINALITY e (v, n))";
static const char clear_service_staff[] = "DELETE FROM staff_event_types WHERE company_id = $1::bigint AND service_id = $2::bigint";
static const char fill_service_staff[] =
    "INSERT INTO staff_event_types (company_id, service_id, staff_id, position, calcom_event_type_id) "
    "SELECT $1::bigint, $2::bigint, s.id, e.n - 1, (e.v ->> 'calcom_event_type_id')::bigint FROM jsonb_array_elements($3::jsonb) WITH ORDINALITY e (v, n) "
    "JOIN staff s ON s.company_id = $1::bigint AND s.key = e.v ->> 'staff'";

static void put_service_staff(struct provisioning *p, const struct owner *o, struct slice service_id, const struct json_value *list)
{
    if (!list) return;
    struct slice    parameters[] = { o->id, service_id, provision_json(p, list) };
    struct db_rows *rows = provision_query(p, compare_service_staff, parameters, 3);
    if (!rows) return;
    struct slice before = db_rows_text(rows, 0, 0), after = db_rows_text(rows, 0, 1);
    if (!slice_equal(before, after)) {
        provision_execute(p, clear_service_staff, parameters, 2);
        provision_execute(p, fill_service_staff, parameters, 3);
        entity_note(p, "staff [" SLICE_FORMAT "] → [" SLICE_FORMAT "]", slice_print(before), slice_print(after));
    }
    db_rows_free(rows);
}

/* A customer who called before he was in the file has a row already, known by the number. */
static const char adopt_customer[] =
    "UPDATE customers c SET key = $2 WHERE c.company_id = $1::bigint AND c.phone = $3 AND c.key IS NULL "
    "AND NOT EXISTS (SELECT 1 FROM customers k WHERE k.company_id = $1::bigint AND k.key = $2) RETURNING id";

static void adopt_by_phone(struct provisioning *p, const struct owner *o, const struct json_value *customer)
{
    struct slice    parameters[] = { o->id, json_get_text(customer, "key"), json_get_text(customer, "phone") };
    struct db_rows *rows = provision_query(p, adopt_customer, parameters, 3);
    if (rows && db_rows_count(rows) > 0) entity_note(p, "is the caller already known by this number");
    db_rows_free(rows);
}

static void put_list(struct provisioning *p, const struct owner *o, const char *kind, const struct table *t, const struct json_value *list)
{
    struct json_iterator     items = json_each(list);
    const struct json_value *item;
    struct row_id            id;
    while (!p->failed && json_next(&items, nullptr, &item)) {
        entity_begin(p, kind, o->key, json_get_text(item, "key"));
        if (t == &customers) adopt_by_phone(p, o, item);
        row_put(p, t, o->id, item, &id);
        if (t == &services) put_service_staff(p, o, slice_from_text(id.text), json_get(item, "staff"));
        entity_finish(p);
    }
}

/* ---- where the numbers lead ---- */

struct number_place { struct slice workspace, number, branch, company_id, company; };

/* $1 workspace, $2 number, $3 company's id, $4 branch */
static const char insert_number[] =
    "INSERT INTO phone_numbers (workspace_id, number, company_id, branch_id) SELECT w.id, $2, b.company_id, b.id "
    "FROM workspaces w, branches b WHERE w.key = $1 AND b.company_id = $3::bigint AND b.key = $4";
static const char update_number[] =
    "UPDATE phone_numbers n SET company_id = b.company_id, branch_id = b.id FROM workspaces w, branches b "
    "WHERE n.workspace_id = w.id AND w.key = $1 AND n.number = $2 AND b.company_id = $3::bigint AND b.key = $4";
static const char branch_of_number[] =
    "SELECT c.key || '/' || b.key FROM phone_numbers n JOIN workspaces w ON w.id = n.workspace_id JOIN companies c ON c.id = n.company_id "
    "JOIN branches b ON b.company_id = n.company_id AND b.id = n.branch_id WHERE w.key = $1 AND n.number = $2";
/* $1 company's id, $2 branch, $3 workspace of the numbers that stay, $4 these */
static const char delete_other_numbers[] =
    "DELETE FROM phone_numbers n USING workspaces w, branches b WHERE w.id = n.workspace_id AND b.company_id = n.company_id AND b.id = n.branch_id "
    "AND b.company_id = $1::bigint AND b.key = $2 AND NOT (w.key = $3 AND $4::jsonb ? n.number) RETURNING w.key, n.number";

static void add_number(struct provisioning *p, const struct number_place *n)
{
    const struct slice parameters[] = { n->workspace, n->number, n->company_id, n->branch };
    provision_execute(p, insert_number, parameters, 4);
    p->is_new = true;
}

static void move_number(struct provisioning *p, const struct number_place *n, struct slice before)
{
    const struct slice parameters[] = { n->workspace, n->number, n->company_id, n->branch };
    provision_execute(p, update_number, parameters, 4);
    entity_note(p, "branch " SLICE_FORMAT " → " SLICE_FORMAT "/" SLICE_FORMAT, slice_print(before), slice_print(n->company), slice_print(n->branch));
}

static void put_number(struct provisioning *p, const struct number_place *n)
{
    char         memory[2 * world_text_bytes_max];
    struct buffer here = buffer_over(memory, sizeof memory);
    buffer_print(&here, SLICE_FORMAT "/" SLICE_FORMAT, slice_print(n->company), slice_print(n->branch));

    entity_begin(p, "number", n->workspace, n->number);
    const struct slice parameters[] = { n->workspace, n->number };
    struct db_rows    *rows = provision_query(p, branch_of_number, parameters, 2);
    if (!rows) return;
    if (db_rows_count(rows) == 0) add_number(p, n);
    else if (!slice_equal(db_rows_text(rows, 0, 0), buffer_slice(&here))) move_number(p, n, db_rows_text(rows, 0, 0));
    entity_finish(p);
    db_rows_free(rows);
}

static void require_workspace(struct provisioning *p, struct slice workspace, uint32_t company_index, uint32_t branch_index)
{
    struct db_rows *rows = provision_query(p, "SELECT 1 FROM workspaces WHERE key = $1", &workspace, 1);
    if (rows && db_rows_count(rows) == 0)
        provision_fail(p, "companies[%u].branches[%u].workspace: neither the file nor the database has a workspace \"" SLICE_FORMAT "\"", company_index,
                       branch_index, slice_print(workspace));
    db_rows_free(rows);
}

/* Also when the branch is to have no number now, or has moved to another workspace. */
static void remove_other_numbers(struct provisioning *p, const struct owner *o, const struct json_value *branch)
{
    struct slice    workspace = json_get_text(branch, "workspace"), numbers = provision_json(p, json_get(branch, "phone_numbers"));
    struct slice    parameters[] = { o->id, json_get_text(branch, "key"), slice_is_absent(workspace) ? slice_of("") : workspace, numbers };
    struct db_rows *rows = provision_query(p, delete_other_numbers, parameters, 4);
    for (uint32_t n = 0; rows && n < db_rows_count(rows); n++) {
        entity_begin(p, "number", db_rows_text(rows, n, 0), db_rows_text(rows, n, 1));
        entity_note(p, "removed from branch " SLICE_FORMAT "/" SLICE_FORMAT, slice_print(o->key), slice_print(parameters[1]));
        entity_finish(p);
    }
    db_rows_free(rows);
}

static void put_branch_numbers(struct provisioning *p, const struct owner *o, const struct json_value *branch)
{
    struct json_iterator     items = json_each(json_get(branch, "phone_numbers"));
    const struct json_value *number;
    while (!p->failed && json_next(&items, nullptr, &number))
        put_number(p, &(struct number_place){ json_get_text(branch, "workspace"), json_text(number), json_get_text(branch, "key"), o->id, o->key });
}

/* All moves before all removals: a number that two branches swap is moved twice, and never gone. */
enum number_pass : uint8_t { NUMBERS_PUT, NUMBERS_REMOVE };

static void each_branch(struct provisioning *p, const struct json_value *company, uint32_t company_index, const struct owner *o, enum number_pass pass)
{
    struct json_iterator     items = json_each(json_get(company, "branches"));
    const struct json_value *branch;
    for (uint32_t index = 0; !p->failed && json_next(&items, nullptr, &branch); index++) {
        if (!json_get(branch, "phone_numbers")) continue;
        struct slice workspace = json_get_text(branch, "workspace");
        switch (pass) {
        case NUMBERS_PUT:
            if (!slice_is_absent(workspace)) require_workspace(p, workspace, company_index, index);
            put_branch_numbers(p, o, branch);
            break;
        case NUMBERS_REMOVE: remove_other_numbers(p, o, branch); break;
        }
    }
}

/* ---- the whole ---- */

static void put_world(struct provisioning *p, const struct json_value *world, struct owner *owners)
{
    struct json_iterator     items = json_each(json_get(world, "workspaces"));
    const struct json_value *item;
    while (!p->failed && json_next(&items, nullptr, &item)) put_workspace(p, item);

    items = json_each(json_get(world, "companies"));
    for (uint32_t n = 0; !p->failed && json_next(&items, nullptr, &item); n++) {
        put_company(p, item, &owners[n]);
        put_list(p, &owners[n], "branch", &branches, json_get(item, "branches"));
        put_list(p, &owners[n], "staff", &staff, json_get(item, "staff"));
        put_list(p, &owners[n], "service", &services, json_get(item, "services"));
        put_list(p, &owners[n], "customer", &customers, json_get(item, "customers"));
    }
    for (enum number_pass pass = NUMBERS_PUT; pass <= NUMBERS_REMOVE; pass++) {
        items = json_each(json_get(world, "companies"));
        for (uint32_t n = 0; !p->failed && json_next(&items, nullptr, &item); n++) each_branch(p, item, n, &owners[n], pass);
    }
}

/* Begins, does, and ends the transaction; two that run at once wait for each other. */
static void in_one_transaction(struct provisioning *p, const struct json_value *world, bool dry_run)
{
    uint32_t      companies_count = json_length(json_get(world, "companies"));
    struct owner *owners = calloc(companies_count > 0 ? companies_count : 1, sizeof *owners);
    ensure(owners);
    provision_execute(p, "BEGIN", nullptr, 0);
    provision_execute(p, "SELECT pg_advisory_xact_lock(hashtext('ringmaster provision'))", nullptr, 0);
    put_world(p, world, owners);
    snprintf(p->subject, sizeof p->subject, "the transaction");
    if (!p->failed && !dry_run) provision_execute(p, "COMMIT", nullptr, 0);

    struct db_admin_error error; /* the reason that counts is there already; a lost connection rolls back by itself */
    if (p->failed || dry_run) (void)!db_admin_execute(p->db, "ROLLBACK", nullptr, 0, &error);
    free(owners);
}

bool provision(struct db_admin *a, const struct json_value *world, const struct secret_key *secret, bool dry_run, provision_line *line, void *context,
               struct provision_report *report, struct buffer *error)
{
    *report = (struct provision_report){};
    if (!world_check(world, error)) return false;

    struct provisioning *p = calloc(1, sizeof *p);
    ensure(p);
    *p = (struct provisioning){ .db = a, .secret = secret, .line = line, .context = context, .report = report, .error = error, .subject = "the transaction" };
    p->texts = buffer_over(p->text_memory, sizeof p->text_memory);
    in_one_transaction(p, world, dry_run);
    bool done = !p->failed;
    free(p);
    return done;
}
