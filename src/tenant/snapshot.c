/* tenant/snapshot.c: the JSON of DB_SNAPSHOT becomes a tenant_snapshot: one block of memory, arrays sorted for their look-ups, secrets opened.
 *
 * This is the shape that the definer function answers. All keys are always there; null stands for "not set". Ids are the rows' own, integers.
 * A sealed secret is lower-case hex of secret_seal()'s bytes; its context binds it to its place, so a row copied to another tenant does not open:
 * "workspace_keys/<workspace key>/<position>" and "companies/<company key>/calcom_api_key".
 *
 *   { "workspaces":     [{ "id", "key", "name", "token", "default": bool,
 *                          "keys":   ["<hex>", …]   in order of position, which counts from 0 without holes; the current one first
 *                          "agents": ["agent_…", …] in order of their text }],
 *     "companies":      [{ "id", "key", "name", "time_zone",
 *                          "calcom": null or { "base_url": text or null, "api_key_sealed": "<hex>",
 *                                              "bookings_version", "slots_version", "event_types_version": text or null (null: ours) } }],
 *     "branches":       [{ "id", "company_id", "key", "name", "time_zone", "retell_agent_id": text or null, "calcom_event_type_id": integer or null }],
 *     "staff":          [{ "id", "company_id", "branch_id", "key", "name", "calcom_user_id": integer or null }],
 *     "services":       [{ "id", "company_id", "key", "name", "synonyms": [text, …], "duration_minutes", "buffer_before_minutes", "buffer_after_minutes",
 *                          "notice_minutes", "calcom_event_type_id": integer or null }],
 *     "staff_services": [{ "staff_id", "service_id", "calcom_event_type_id": integer or null }]  ordered by service, then position (provisioning order),
 *     "numbers":        [{ "number": E.164, "workspace_id", "branch_id" }] }
 */
#include <stdio.h>
#include <stdlib.h>
#include "base/ensure.h"
#include "base/heap.h"
#include "base/json.h"
#include "limits.h"
#include "tenant/tenant.h"

/* ---- memory: chunks that are filled from the front and freed together ---- */

constexpr size_t chunk_bytes = 64 * 1024;

struct chunk { struct chunk *next; size_t capacity, used; alignas(max_align_t) char bytes[]; };
struct tenant_memory { struct heap heap; struct chunk *chunks; };

static struct chunk *chunk_with_room(struct tenant_memory *m, size_t bytes)
{
    if (m->chunks && m->chunks->capacity - m->chunks->used >= bytes) return m->chunks;
    size_t        capacity = bytes > chunk_bytes ? bytes : chunk_bytes;
    struct chunk *c = heap_acquire(&m->heap, sizeof *c + capacity);
    if (!c) return nullptr;
    *c = (struct chunk){ .next = m->chunks, .capacity = capacity };
    m->chunks = c;
    return c;
}

/* Zeroed; nullptr: over the budget. */
static void *take(struct tenant_memory *m, size_t bytes)
{
    constexpr size_t alignment = alignof(max_align_t);
    bytes = (bytes + alignment - 1) / alignment * alignment;
    struct chunk *c = chunk_with_room(m, bytes);
    if (!c) return nullptr;
    void *taken = c->bytes + c->used;
    c->used += bytes;
    return memset(taken, 0, bytes);
}

static void free_memory(struct tenant_memory *m)
{
    while (m->chunks) {
        struct chunk *c = m->chunks;
        m->chunks = c->next;
        explicit_bzero(c->bytes, c->used); /* keys were in it */
        heap_release(&m->heap, c, sizeof *c + c->capacity);
    }
    free(m);
}

/* ---- reading one list after the other; the first thing that is wrong ends it ---- */

struct reading {
    struct tenant_snapshot  *s;
    struct tenant_memory    *memory;
    const struct secret_key *secret;
    struct slice             default_calcom_url;
    struct tenant_error     *error;
    bool                     failed;
    /* where it is */
    const char              *list;
    uint32_t                 index;
    const struct json_value *row;
};

static void fail(struct reading *r, const char *key, const char *why)
{
    if (!r->failed) snprintf(r->error->text, sizeof r->error->text, "%s[%u].%s: %s", r->list, r->index, key, why);
    r->failed = true;
}

static void starve(struct reading *r, const char *key)
{
    r->error->no_memory |= !r->failed;
    fail(r, key, "no memory");
}

static struct slice kept(struct reading *r, struct slice text)
{
    if (slice_is_absent(text)) return text;
    char *copy = take(r->memory, text.length + 1); /* an empty text is a present one */
    if (!copy) {
        starve(r, "text");
        return slice_absent;
    }
    if (text.length > 0) memcpy(copy, text.start, text.length);
    return slice_from(copy, text.length);
}

static struct slice optional_text(struct reading *r, const char *key) { return kept(r, json_get_text(r->row, key)); }

static struct slice text_of(struct reading *r, const char *key)
{
    struct slice text = optional_text(r, key);
    if (slice_is_absent(text)) fail(r, key, "not a text");
    return text;
}

/* null: 0 */
static int64_t optional_integer(struct reading *r, const char *key)
{
    const struct json_value *v = json_get(r->row, key);
    int64_t                  value = 0;
    if (json_type_of(v) != JSON_NULL && !json_integer(v, &value)) fail(r, key, "not an integer");
    return value;
}

static int64_t id_of(struct reading *r, const char *key)
{
    int64_t id = optional_integer(r, key);
    if (id <= 0) fail(r, key, "not an id");
    return id;
}

static uint32_t minutes_of(struct reading *r, const char *key)
{
    int64_t minutes = optional_integer(r, key);
    if (minutes < 0 || minutes > INT32_MAX) fail(r, key, "not a number of minutes");
    return (uint32_t)minutes;
}

/* Absent when it does not fit: then it matches nothing, and everyone else's configuration still loads. */
static struct slice folded(struct reading *r, struct slice name)
{
    char          memory[text_fold_bytes_max];
    struct buffer b = buffer_over(memory, sizeof memory);
    text_fold(&b, name);
    return b.overflowed ? slice_absent : kept(r, buffer_slice(&b));
}

/* Rows for a list, zeroed; 0 of them when it is no list, or there is no memory. */
static void *rows_for(struct reading *r, const struct json_value *root, const char *list, size_t row_bytes, uint32_t *count)
{
    const struct json_value *array = json_get(root, list);
    r->list = list;
    r->index = 0;
    if (json_type_of(array) != JSON_ARRAY) fail(r, "length", "not a list");
    void *rows = take(r->memory, row_bytes * json_length(array));
    if (!rows) starve(r, "length");
    *count = r->failed ? 0 : json_length(array);
    return rows;
}

/* Calls read_row for each row of the list. */
static void read_rows(struct reading *r, const struct json_value *root, void *rows, size_t row_bytes, void (*read_row)(struct reading *r, void *row))
{
    struct json_iterator items = json_each(json_get(root, r->list));
    while (!r->failed && json_next(&items, nullptr, &r->row)) {
        read_row(r, (char *)rows + r->index * row_bytes);
        r->index += 1;
    }
}

/* Every row that is looked up by id begins with it. */
static_assert(offsetof(struct workspace, id) == 0 && offsetof(struct company, id) == 0 && offsetof(struct branch, id) == 0);
static_assert(offsetof(struct staff_member, id) == 0 && offsetof(struct service, id) == 0);

static int compare_ids(const void *a, const void *b)
{
    int64_t left = *(const int64_t *)a, right = *(const int64_t *)b;
    return (left > right) - (left < right);
}

static const void *row_by_id(const void *rows, uint32_t count, size_t row_bytes, int64_t id)
{
    return count == 0 ? nullptr : bsearch(&id, rows, count, row_bytes, compare_ids);
}

/* Rows are sorted before anything points to them. */
#define READ_LIST(r, root, list, rows, row_count, read_row)                                    \
    do {                                                                                       \
        (rows) = rows_for((r), (root), (list), sizeof *(rows), &(row_count));                  \
        read_rows((r), (root), (void *)(rows), sizeof *(rows), (read_row));                    \
    } while (0)
#define SORT_BY_ID(rows, row_count) \
    do { if ((row_count) > 1) qsort((void *)(rows), (row_count), sizeof *(rows), compare_ids); } while (0)

static const struct company *company_of(struct reading *r)
{
    const struct company *c = tenant_company_by_id(r->s, id_of(r, "company_id"));
    if (!c) fail(r, "company_id", "no such company");
    return c;
}

static const struct branch *branch_of(struct reading *r)
{
    const struct branch *b = tenant_branch_by_id(r->s, id_of(r, "branch_id"));
    if (!b) fail(r, "branch_id", "no such branch");
    return b;
}

/* ---- secrets ---- */

/* Sealed hex → opened text. */
static struct slice opened(struct reading *r, const char *key, struct slice hex, struct slice context)
{
    uint8_t       sealed[1024];
    char          plain[sizeof sealed];
    struct buffer b = buffer_over(plain, sizeof plain);
    size_t        bytes = hex.length / 2;
    if (bytes > sizeof sealed || !hex_parse(hex, sealed, bytes)) fail(r, key, "not a sealed secret");
    else if (!secret_open(r->secret, context, slice_from(sealed, bytes), &b)) fail(r, key, "does not open: another secret key, or a damaged row");
    struct slice text = r->failed ? slice_absent : kept(r, buffer_slice(&b));
    explicit_bzero(plain, sizeof plain);
    return text;
}

static void read_workspace_keys(struct reading *r, struct workspace *w)
{
    struct json_iterator     keys = json_each(json_get(r->row, "keys"));
    const struct json_value *hex;
    if (keys.left > WORKSPACE_KEYS_MAX) fail(r, "keys", "too many");
    while (!r->failed && json_next(&keys, nullptr, &hex)) {
        char          memory[64 + world_text_bytes_max];
        struct buffer context = buffer_over(memory, sizeof memory);
        buffer_print(&context, "workspace_keys/" SLICE_FORMAT "/%u", slice_print(w->key), w->key_count);
        w->keys[w->key_count++] = opened(r, "keys", json_text(hex), buffer_slice(&context));
    }
}

static void read_credential(struct reading *r, const struct company *c, struct credential *credential)
{
    char          memory[64 + world_text_bytes_max];
    struct buffer context = buffer_over(memory, sizeof memory);
    buffer_print(&context, "companies/" SLICE_FORMAT "/calcom_api_key", slice_print(c->key));

    struct slice base_url = optional_text(r, "base_url"), bookings = optional_text(r, "bookings_version");
    struct slice slots = optional_text(r, "slots_version"), event_types = optional_text(r, "event_types_version");
    *credential = (struct credential){
        .company_id = c->id,
        .base_url = slice_is_absent(base_url) ? r->default_calcom_url : base_url,
        .api_key = opened(r, "calcom.api_key_sealed", json_get_text(r->row, "api_key_sealed"), buffer_slice(&context)),
        /* The versions that this engine was written for; newer ones make an older self-hosted Cal.com fall back to its first. */
        .bookings_version = slice_is_absent(bookings) ? slice_of("2024-08-13") : bookings,
        .slots_version = slice_is_absent(slots) ? slice_of("2024-09-04") : slots,
        .event_types_version = slice_is_absent(event_types) ? slice_of("2024-06-14") : event_types,
    };
    credential->key = hash128_mix(hash128_stable(credential->base_url), hash128_stable(credential->api_key));
}

/* ---- rows ---- */

static struct slice *texts_in(struct reading *r, const char *key, uint32_t extra, uint32_t *count)
{
    struct json_iterator     items = json_each(json_get(r->row, key));
    const struct json_value *item;
    struct slice            *texts = take(r->memory, (items.left + extra) * sizeof *texts);
    *count = 0;
    if (!texts) starve(r, key);
    while (!r->failed && json_next(&items, nullptr, &item)) texts[(*count)++] = kept(r, json_text(item));
    return texts;
}

static void read_workspace(struct reading *r, void *row)
{
    struct workspace *w = row;
    *w = (struct workspace){ .id = id_of(r, "id"), .key = text_of(r, "key"), .name = text_of(r, "name"), .token = text_of(r, "token") };
    if (!json_boolean(json_get(r->row, "default"), &w->is_default)) fail(r, "default", "not a truth value");
    w->agents = texts_in(r, "agents", 0, &w->agent_count);
    read_workspace_keys(r, w);
}

static void read_company(struct reading *r, void *row)
{
    struct company *c = row;
    *c = (struct company){ .id = id_of(r, "id"), .key = text_of(r, "key"), .name = text_of(r, "name"), .time_zone = text_of(r, "time_zone") };

    const struct json_value *company = r->row, *calcom = json_get(company, "calcom");
    if (json_type_of(calcom) != JSON_OBJECT) return;
    struct credential *credentials = (struct credential *)r->s->credentials; /* ours until the reading has ended */
    c->credential = &credentials[r->s->credential_count];
    r->row = calcom;
    read_credential(r, c, &credentials[r->s->credential_count++]);
    r->row = company;
}

static void read_branch(struct reading *r, void *row)
{
    *(struct branch *)row = (struct branch){
        .id = id_of(r, "id"),
        .company = company_of(r),
        .key = text_of(r, "key"),
        .name = text_of(r, "name"),
        .time_zone = text_of(r, "time_zone"),
        .retell_agent_id = optional_text(r, "retell_agent_id"),
        .calcom_event_type_id = optional_integer(r, "calcom_event_type_id"),
    };
}

static void read_staff_member(struct reading *r, void *row)
{
    struct slice name = text_of(r, "name");
    *(struct staff_member *)row = (struct staff_member){
        .id = id_of(r, "id"),
        .company = company_of(r),
        .branch_id = id_of(r, "branch_id"),
        .key = text_of(r, "key"),
        .name = name,
        .folded_name = folded(r, name),
        .calcom_user_id = optional_integer(r, "calcom_user_id"),
    };
}

static void read_service(struct reading *r, void *row)
{
    struct service *service = row;
    uint32_t        count;
    struct slice    name = text_of(r, "name");
    struct slice   *names = texts_in(r, "synonyms", 1, &count);
    if (r->failed) return;
    names[count++] = name;
    for (uint32_t n = 0; n < count; n++) names[n] = folded(r, names[n]);

    *service = (struct service){
        .id = id_of(r, "id"),
        .company = company_of(r),
        .key = text_of(r, "key"),
        .name = name,
        .folded_names = names,
        .folded_name_count = count,
        .duration_minutes = minutes_of(r, "duration_minutes"),
        .buffer_before_minutes = minutes_of(r, "buffer_before_minutes"),
        .buffer_after_minutes = minutes_of(r, "buffer_after_minutes"),
        .notice_minutes = minutes_of(r, "notice_minutes"),
        .calcom_event_type_id = optional_integer(r, "calcom_event_type_id"),
    };
}

static void read_staff_service(struct reading *r, void *row)
{
    struct staff_service *x = row;
    *x = (struct staff_service){
        .staff = row_by_id(r->s->staff, r->s->staff_count, sizeof *r->s->staff, id_of(r, "staff_id")),
        .service = tenant_service_by_id(r->s, id_of(r, "service_id")),
        .calcom_event_type_id = optional_integer(r, "calcom_event_type_id"),
    };
    if (!x->staff) fail(r, "staff_id", "no such staff member");
    else if (!x->service) fail(r, "service_id", "no such service");
    else if (x->staff->company != x->service->company) fail(r, "service_id", "of another company");
}

static void read_number(struct reading *r, void *row)
{
    struct phone_number *n = row;
    *n = (struct phone_number){ .workspace_id = id_of(r, "workspace_id"), .branch = branch_of(r) };
    if (!e164_parse(json_get_text(r->row, "number"), &n->number)) fail(r, "number", "not a phone number");
}

static int compare_numbers(const void *a, const void *b)
{
    const struct phone_number *left = a, *right = b;
    if (left->workspace_id != right->workspace_id) return left->workspace_id < right->workspace_id ? -1 : 1;
    return strcmp(left->number.text, right->number.text);
}

/* ---- the whole ---- */

static int compare_event_types(const struct branch *b, const struct company *company, int64_t calcom_event_type_id)
{
    if (b->company != company) return b->company < company ? -1 : 1;
    return (b->calcom_event_type_id > calcom_event_type_id) - (b->calcom_event_type_id < calcom_event_type_id);
}

static int compare_branches(const void *a, const void *b)
{
    const struct branch *right = *(struct branch *const *)b;
    return compare_event_types(*(struct branch *const *)a, right->company, right->calcom_event_type_id);
}

/* The branches that have this event type, and no service for it yet. */
static void offer_service(struct branch *const *sorted, uint32_t count, const struct service *service, int64_t calcom_event_type_id)
{
    uint32_t first = 0;
    for (uint32_t end = count; first < end;) {
        uint32_t middle = first + (end - first) / 2;
        if (compare_event_types(sorted[middle], service->company, calcom_event_type_id) < 0) first = middle + 1;
        else end = middle;
    }
    for (uint32_t n = first; n < count && compare_event_types(sorted[n], service->company, calcom_event_type_id) == 0; n++)
        if (sorted[n]->default_service_id == 0) sorted[n]->default_service_id = service->id;
}

/* A service's own event type counts before that of its staff, and the first of several. Sorted, because this thread has more to do than to compare every branch with
 * every service. */
static void find_default_services(struct reading *r, struct branch *branches)
{
    struct tenant_snapshot *s = r->s;
    struct branch         **sorted = take(r->memory, s->branch_count * sizeof *sorted);
    uint32_t                count = 0;
    if (!sorted) return starve(r, "default service");
    for (uint32_t n = 0; n < s->branch_count; n++)
        if (branches[n].calcom_event_type_id != 0) sorted[count++] = &branches[n];
    if (count > 1) qsort(sorted, count, sizeof *sorted, compare_branches);

    for (uint32_t n = 0; n < s->service_count; n++) offer_service(sorted, count, &s->services[n], s->services[n].calcom_event_type_id);
    for (uint32_t n = 0; n < s->staff_service_count; n++) offer_service(sorted, count, s->staff_services[n].service, s->staff_services[n].calcom_event_type_id);
}

static void read_companies(struct reading *r, const struct json_value *root)
{
    struct tenant_snapshot *s = r->s;
    s->credentials = take(r->memory, json_length(json_get(root, "companies")) * sizeof *s->credentials); /* at most one each */
    if (!s->credentials) starve(r, "length");
    READ_LIST(r, root, "companies", s->companies, s->company_count, read_company);
    SORT_BY_ID(s->companies, s->company_count);
}

static void read_snapshot(struct reading *r, const struct json_value *root)
{
    struct tenant_snapshot *s = r->s;
    struct branch          *branches;
    READ_LIST(r, root, "workspaces", s->workspaces, s->workspace_count, read_workspace);
    SORT_BY_ID(s->workspaces, s->workspace_count);
    read_companies(r, root);
    READ_LIST(r, root, "branches", branches, s->branch_count, read_branch);
    SORT_BY_ID(branches, s->branch_count);
    s->branches = branches;
    READ_LIST(r, root, "staff", s->staff, s->staff_count, read_staff_member);
    SORT_BY_ID(s->staff, s->staff_count);
    READ_LIST(r, root, "services", s->services, s->service_count, read_service);
    SORT_BY_ID(s->services, s->service_count);
    READ_LIST(r, root, "staff_services", s->staff_services, s->staff_service_count, read_staff_service);
    READ_LIST(r, root, "numbers", s->numbers, s->number_count, read_number);
    if (r->failed) return;

    if (s->number_count > 1) qsort((void *)s->numbers, s->number_count, sizeof *s->numbers, compare_numbers);
    find_default_services(r, branches);
}

static void read_document(struct reading *r, struct slice json)
{
    struct json_error     error;
    struct json_document *d = json_parse(json, &r->memory->heap, &error);
    r->list = "snapshot";
    if (!d) {
        if (error.status == JSON_NO_MEMORY) starve(r, "json");
        else fail(r, "json", error.message);
        return;
    }
    read_snapshot(r, json_root(d));
    json_release(d, &r->memory->heap);
}

struct tenant_snapshot *tenant_snapshot_parse(struct slice json, const struct secret_key *secret, struct slice default_calcom_url, struct tenant_error *error)
{
    *error = (struct tenant_error){ .text = "no memory", .no_memory = true };
    struct tenant_memory *memory = calloc(1, sizeof *memory);
    if (!memory) return nullptr;
    heap_init(&memory->heap, tenant_snapshot_heap_bytes);

    struct reading r = { .memory = memory, .secret = secret, .error = error, .list = "snapshot", .s = take(memory, sizeof *r.s) };
    if (r.s) {
        error->no_memory = false;
        r.s->memory = memory;
        r.default_calcom_url = kept(&r, default_calcom_url);
        read_document(&r, json);
        if (!r.failed) return r.s;
    }
    free_memory(memory);
    return nullptr;
}

void tenant_snapshot_free(struct tenant_snapshot *s)
{
    if (s) free_memory(s->memory);
}

/* ---- look-ups ---- */

const struct workspace *tenant_find_workspace(const struct tenant_snapshot *s, struct slice token)
{
    const struct workspace *found = nullptr;
    for (uint32_t n = 0; n < s->workspace_count; n++) {
        struct slice candidate = s->workspaces[n].token;
        if (candidate.length == token.length && candidate.length > 0 && constant_time_equal(candidate.start, token.start, token.length)) found = &s->workspaces[n];
    }
    return found;
}

const struct workspace *tenant_default_workspace(const struct tenant_snapshot *s)
{
    for (uint32_t n = 0; n < s->workspace_count; n++)
        if (s->workspaces[n].is_default) return &s->workspaces[n];
    return nullptr;
}

const struct branch *tenant_find_branch(const struct tenant_snapshot *s, int64_t workspace_id, const struct e164 *called)
{
    const struct phone_number  wanted = { .workspace_id = workspace_id, .number = *called };
    const struct phone_number *found = s->number_count == 0 ? nullptr : bsearch(&wanted, s->numbers, s->number_count, sizeof wanted, compare_numbers);
    return found ? found->branch : nullptr;
}

const struct workspace *tenant_workspace_by_id(const struct tenant_snapshot *s, int64_t id) { return row_by_id(s->workspaces, s->workspace_count, sizeof *s->workspaces, id); }
const struct company *tenant_company_by_id(const struct tenant_snapshot *s, int64_t id) { return row_by_id(s->companies, s->company_count, sizeof *s->companies, id); }
const struct branch *tenant_branch_by_id(const struct tenant_snapshot *s, int64_t id) { return row_by_id(s->branches, s->branch_count, sizeof *s->branches, id); }
const struct service *tenant_service_by_id(const struct tenant_snapshot *s, int64_t id) { return row_by_id(s->services, s->service_count, sizeof *s->services, id); }
