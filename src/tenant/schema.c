/* tenant/schema.c: the world file's schema as tables, and the walk over them. docs/WORLD_FILE.md says the same in words: change both. */
#include "tenant/schema.h"
#include "base/ensure.h"
#include "base/instant.h"
#include "base/text.h"
#include "limits.h"
#include "tenant/check.h"
#include "tenant/tenant.h"

/* ---- the schema ---- */

enum kind : uint8_t {
    TEXT,     /* for people: no control characters, not blank */
    KEY,      /* a name within the file: a-z, 0-9, '-', '_' */
    TOKEN,    /* part of a URL: letters, digits, '-', '_' */
    SECRET,   /* visible ASCII */
    ZONE,     /* an IANA name that ICU knows */
    PHONE,    /* E.164, exactly */
    EMAIL,
    URL,
    HOURS,    /* "09:00-19:00" */
    INTEGER,
    BOOLEAN,
    ANYTHING, /* somebody else's */
    OBJECT,
    LIST,
};

/* least, most: of an integer its value, of a list its length, of a text its bytes. */
struct field { const char *name; enum kind kind; enum { REQUIRED, OPTIONAL, NULLABLE } need; int64_t least, most; enum kind item; const struct field *fields; };

#define FIELD(name_, kind_, need_, least_, most_) { .name = (name_), .kind = (kind_), .need = (need_), .least = (least_), .most = (most_) }
#define FLAG(name_)                               { .name = (name_), .kind = BOOLEAN, .need = OPTIONAL }
#define TEXTS(name_, most_, item_)                { .name = (name_), .kind = LIST, .need = OPTIONAL, .most = (most_), .item = (item_) }
#define OBJECTS(name_, most_, fields_)            { .name = (name_), .kind = LIST, .need = OPTIONAL, .most = (most_), .item = OBJECT, .fields = (fields_) }
#define PART(name_, need_, fields_)               { .name = (name_), .kind = OBJECT, .need = (need_), .fields = (fields_) }

constexpr int64_t id_max = INT64_C(1) << 53; /* JSON numbers are exact up to here */
constexpr int64_t day_minutes = 24 * 60, year_minutes = 366 * day_minutes;

static const struct field workspace_fields[] = {
    FIELD("key", KEY, REQUIRED, 1, 64),
    FIELD("name", TEXT, REQUIRED, 1, world_text_bytes_max),
    FIELD("token", TOKEN, REQUIRED, 8, 100),
    FLAG("default"),
    TEXTS("retell_api_keys", WORKSPACE_KEYS_MAX, SECRET),
    TEXTS("agents", 1000, SECRET),
    {},
};
static const struct field credential_fields[] = {
    FIELD("api_key", SECRET, REQUIRED, 1, world_text_bytes_max),
    FIELD("base_url", URL, NULLABLE, 1, world_text_bytes_max),
    FIELD("bookings_version", TOKEN, NULLABLE, 10, 10),
    FIELD("slots_version", TOKEN, NULLABLE, 10, 10),
    FIELD("event_types_version", TOKEN, NULLABLE, 10, 10),
    {},
};
static const struct field week_fields[] = {
    TEXTS("monday", 10, HOURS), TEXTS("tuesday", 10, HOURS),  TEXTS("wednesday", 10, HOURS), TEXTS("thursday", 10, HOURS),
    TEXTS("friday", 10, HOURS), TEXTS("saturday", 10, HOURS), TEXTS("sunday", 10, HOURS),    {},
};
static const struct field branch_fields[] = {
    FIELD("key", KEY, REQUIRED, 1, 64),
    FIELD("name", TEXT, REQUIRED, 1, world_text_bytes_max),
    FIELD("time_zone", ZONE, REQUIRED, 1, 64),
    FIELD("workspace", KEY, OPTIONAL, 1, 64),
    TEXTS("phone_numbers", 100, PHONE),
    FIELD("retell_agent_id", SECRET, NULLABLE, 1, world_text_bytes_max),
    FIELD("calcom_event_type_id", INTEGER, NULLABLE, 1, id_max),
    PART("opening_hours", OPTIONAL, week_fields),
    {},
};
static const struct field staff_fields[] = {
    FIELD("key", KEY, REQUIRED, 1, 64),
    FIELD("name", TEXT, REQUIRED, 1, world_text_bytes_max),
    FIELD("branch", KEY, REQUIRED, 1, 64),
    FIELD("calcom_user_id", INTEGER, NULLABLE, 1, id_max),
    {},
};
static const struct field service_staff_fields[] = {
    FIELD("staff", KEY, REQUIRED, 1, 64),
    FIELD("calcom_event_type_id", INTEGER, NULLABLE, 1, id_max),
    {},
};
static const struct field service_fields[] = {
    FIELD("key", KEY, REQUIRED, 1, 64),
    FIELD("name", TEXT, REQUIRED, 1, world_text_bytes_max),
    TEXTS("synonyms", 50, TEXT),
    FIELD("duration_minutes", INTEGER, REQUIRED, 1, day_minutes),
    FIELD("buffer_before_minutes", INTEGER, OPTIONAL, 0, day_minutes),
    FIELD("buffer_after_minutes", INTEGER, OPTIONAL, 0, day_minutes),
    FIELD("notice_minutes", INTEGER, OPTIONAL, 0, year_minutes),
    FIELD("calcom_event_type_id", INTEGER, NULLABLE, 1, id_max),
    OBJECTS("staff", 1000, service_staff_fields),
    {},
};
static const struct field customer_fields[] = {
    FIELD("key", KEY, REQUIRED, 1, 64),
    FIELD("name", TEXT, NULLABLE, 1, world_text_bytes_max),
    FIELD("phone", PHONE, NULLABLE, 1, 40),
    FIELD("email", EMAIL, NULLABLE, 3, 254),
    {},
};
static const struct field company_fields[] = {
    FIELD("key", KEY, REQUIRED, 1, 64),
    FIELD("name", TEXT, REQUIRED, 1, world_text_bytes_max),
    FIELD("time_zone", ZONE, REQUIRED, 1, 64),
    PART("calcom", NULLABLE, credential_fields),
    OBJECTS("branches", 1000, branch_fields),
    OBJECTS("staff", 10'000, staff_fields),
    OBJECTS("services", 10'000, service_fields),
    OBJECTS("customers", 1'000'000, customer_fields),
    {},
};
/* What the simulated Cal.com holds: the simulator reads and checks it. */
static const struct field simulator_fields[] = {
    TEXTS("accounts", 100'000, ANYTHING),
    TEXTS("users", 100'000, ANYTHING),
    TEXTS("event_types", 100'000, ANYTHING),
    {},
};
static const struct field world_fields[] = {
    OBJECTS("workspaces", 10'000, workspace_fields),
    OBJECTS("companies", 100'000, company_fields),
    PART("calcom", OPTIONAL, simulator_fields),
    {},
};

/* ---- the nearest known name ---- */

enum { NAME_BYTES_MAX = 40 };

static size_t least_of(size_t a, size_t b, size_t c) { return a < b ? (a < c ? a : c) : (b < c ? b : c); }

/* Letters to add, drop or replace (Levenshtein), one row of the table at a time. */
static size_t distance(struct slice a, struct slice b)
{
    size_t row[NAME_BYTES_MAX + 1];
    ensure(b.length <= NAME_BYTES_MAX);
    for (size_t n = 0; n <= b.length; n++) row[n] = n;
    for (size_t m = 1; m <= a.length; m++) {
        size_t diagonal = row[0];
        row[0] = m;
        for (size_t n = 1; n <= b.length; n++) {
            size_t above = row[n];
            row[n] = least_of(above + 1, row[n - 1] + 1, diagonal + (a.start[m - 1] != b.start[n - 1]));
            diagonal = above;
        }
    }
    return row[b.length];
}

static const char *nearest_name(const struct field *fields, struct slice name)
{
    const char *nearest = nullptr;
    size_t      nearest_distance = name.length / 2 + 1; /* further away it is another word */
    for (const struct field *f = fields; f->name && name.length <= NAME_BYTES_MAX; f++) {
        size_t d = distance(name, slice_from_text(f->name));
        if (d >= nearest_distance) continue;
        nearest = f->name;
        nearest_distance = d;
    }
    return nearest;
}

static const struct field *field_named(const struct field *fields, struct slice name)
{
    for (const struct field *f = fields; f->name; f++)
        if (slice_equal(slice_from_text(f->name), name)) return f;
    return nullptr;
}

/* ---- texts ---- */

static bool is_letter_or_digit(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'); }

static bool are_all(struct slice s, bool (*allowed)(char c))
{
    for (size_t n = 0; n < s.length; n++)
        if (!allowed(s.start[n])) return false;
    return true;
}
static bool fits_token(char c) { return is_letter_or_digit(c) || c == '-' || c == '_'; }
static bool fits_key(char c) { return fits_token(c) && (c < 'A' || c > 'Z'); }
static bool fits_secret(char c) { return c > ' ' && c < 0x7f; }
static bool fits_text(char c) { return (uint8_t)c >= ' ' && c != 0x7f; }

static bool is_comparable(struct slice name)
{
    char          memory[text_fold_bytes_max];
    struct buffer folded = buffer_over(memory, sizeof memory);
    text_fold(&folded, name);
    return folded.length > 0 && !folded.overflowed;
}

static bool is_zone(struct slice name)
{
    struct time_zone *z = time_zone_open(name);
    time_zone_close(z);
    return z != nullptr;
}

static bool is_email(struct slice s)
{
    struct slice domain = s;
    struct slice local = slice_split(&domain, '@');
    return local.length > 0 && domain.length > 0 && are_all(s, fits_secret) && !slice_contains(domain, slice_of("@"));
}

static bool is_url(struct slice s)
{
    bool is_http = slice_starts_with(s, slice_of("https://")) || slice_starts_with(s, slice_of("http://"));
    return is_http && are_all(s, fits_secret) && s.start[s.length - 1] != '/';
}

static bool is_hours(struct slice s)
{
    struct wall_time from, to;
    struct slice     end = s;
    struct slice     start = slice_split(&end, '-');
    if (!time_of_day_parse(start, &from)) return false;
    if (slice_equal(end, slice_of("24:00"))) return true;
    return time_of_day_parse(end, &to) && from.hour * 60 + from.minute < to.hour * 60 + to.minute;
}

/* nullptr: nothing is. */
static const char *wrong_with_text(enum kind kind, struct slice s)
{
    struct e164 number;
    switch (kind) {
    case TEXT:   return are_all(s, fits_text) && is_comparable(s) ? nullptr : "blank, too long to compare, or with control characters";
    case KEY:    return are_all(s, fits_key) ? nullptr : "a key has only a-z, 0-9, '-' and '_'";
    case TOKEN:  return are_all(s, fits_token) ? nullptr : "only letters, digits, '-' and '_' are allowed";
    case SECRET: return are_all(s, fits_secret) ? nullptr : "only visible ASCII characters are allowed";
    case ZONE:   return is_zone(s) ? nullptr : "no such zone";
    case PHONE:  return e164_parse(s, &number) && slice_equal(s, e164_slice(&number)) ? nullptr : "not a phone number in E.164 form (\"+493023125001\")";
    case EMAIL:  return is_email(s) ? nullptr : "not an e-mail address";
    case URL:    return is_url(s) ? nullptr : "not a URL (http:// or https://, without a slash at its end)";
    case HOURS:  return is_hours(s) ? nullptr : "not opening hours (\"09:00-19:00\")";
    case INTEGER:
    case BOOLEAN:
    case ANYTHING:
    case OBJECT:
    case LIST: break;
    }
    ensure(false); /* not a text */
    return nullptr;
}

/* ---- the walk: as deep as the tables are, and no deeper ---- */

static void check_value(struct check *c, const struct field *f, enum kind kind, const struct json_value *v);

static void check_text(struct check *c, const struct field *f, enum kind kind, const struct json_value *v)
{
    struct slice text = json_text(v);
    bool         is_item = f->kind == LIST;
    size_t       least = is_item ? 1 : (size_t)f->least, most = is_item ? world_text_bytes_max : (size_t)f->most;
    if (json_type_of(v) != JSON_TEXT) {
        complain(c, "must be a text");
    } else if (text.length < least || text.length > most) {
        complain(c, "must have %zu to %zu bytes", least, most);
    } else {
        const char *wrong = wrong_with_text(kind, text);
        if (wrong) complain(c, "%s", wrong);
    }
}

static void check_integer(struct check *c, const struct field *f, const struct json_value *v)
{
    int64_t value;
    if (!json_integer(v, &value)) complain(c, "must be an integer");
    else if (value < f->least || value > f->most) complain(c, "must be from %lld to %lld", (long long)f->least, (long long)f->most);
}

static void check_list(struct check *c, const struct field *f, const struct json_value *v)
{
    if (json_type_of(v) != JSON_ARRAY) {
        complain(c, "must be a list");
        return;
    }
    if (json_length(v) > f->most) complain(c, "must have at most %lld entries", (long long)f->most);
    struct json_iterator     items = json_each(v);
    const struct json_value *item;
    for (uint32_t index = 0; json_next(&items, nullptr, &item); index++) {
        size_t before = step_into_item(c, index);
        check_value(c, f, f->item, item);
        step_out(c, before);
    }
}

static void check_member(struct check *c, const struct field *fields, const struct json_value *object, struct slice key, const struct json_value *v)
{
    const struct field *f = field_named(fields, key);
    if (!f) {
        const char *nearest = nearest_name(fields, key);
        complain(c, "unknown field \"" SLICE_FORMAT "\"%s%s%s", slice_print(slice_take(key, NAME_BYTES_MAX)), nearest ? ": did you mean \"" : "", nearest ? nearest : "",
                 nearest ? "\"?" : "");
        return;
    }
    size_t before = step_into(c, f->name);
    if (json_get(object, f->name) != v) complain(c, "is there twice");
    else if (json_type_of(v) != JSON_NULL) check_value(c, f, f->kind, v);
    else if (f->need != NULLABLE) complain(c, "must not be null");
    step_out(c, before);
}

static void check_object(struct check *c, const struct field *fields, const struct json_value *object)
{
    if (json_type_of(object) != JSON_OBJECT) {
        complain(c, "must be an object");
        return;
    }
    struct json_iterator     members = json_each(object);
    struct slice             key;
    const struct json_value *v;
    while (json_next(&members, &key, &v))
        if (fields != simulator_fields || field_named(fields, key)) check_member(c, fields, object, key, v);

    for (const struct field *f = fields; f->name; f++)
        if (f->need == REQUIRED && !json_get(object, f->name)) complain(c, "%s is missing", f->name);
}

static void check_value(struct check *c, const struct field *f, enum kind kind, const struct json_value *v)
{
    bool truth;
    switch (kind) {
    case TEXT:
    case KEY:
    case TOKEN:
    case SECRET:
    case ZONE:
    case PHONE:
    case EMAIL:
    case URL:
    case HOURS:    check_text(c, f, kind, v); break;
    case INTEGER:  check_integer(c, f, v); break;
    case BOOLEAN:
        if (!json_boolean(v, &truth)) complain(c, "must be true or false");
        break;
    case ANYTHING: break;
    case OBJECT:   check_object(c, f->fields, v); break;
    case LIST:     check_list(c, f, v); break;
    }
}

/* ---- the whole ---- */

bool world_check(const struct json_value *world, struct buffer *error)
{
    struct check c = { .error = error };
    c.path = buffer_over(c.path_memory, sizeof c.path_memory);
    check_object(&c, world_fields, world);
    if (c.mistakes == 0) check_references(&c, world);
    return c.mistakes == 0;
}
