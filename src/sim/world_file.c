/* Reads with one small reader per object: it knows the path for messages, remembers the first thing that is wrong, and at the end refuses
 * fields that nobody asked for. After the first error the rest reads as absent, so no caller checks in between. */
#include "sim/world_file.h"
#include <stdarg.h>
#include <stdio.h>
#include "base/ensure.h"

struct reader {
    const struct json_value *object;
    struct sim_world_error  *error;
    char                     path[96];
    const char              *asked[24];
    uint32_t                 asked_count;
};

[[gnu::format(printf, 3, 4)]] static void complain(struct reader *r, const char *field, const char *format, ...)
{
    if (r->error->text[0]) return;
    char what[128];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(what, sizeof what, format, arguments);
    va_end(arguments);
    snprintf(r->error->text, sizeof r->error->text, "calcom.%s%s%s: %s", r->path, field[0] ? "." : "", field, what);
}

static struct reader reader_of(struct sim_world_error *error, const struct json_value *object, const char *list, uint32_t index)
{
    struct reader r = { .object = object, .error = error };
    snprintf(r.path, sizeof r.path, "%s[%u]", list, index);
    if (json_type_of(object) != JSON_OBJECT) complain(&r, "", "must be an object");
    return r;
}

static const struct json_value *ask(struct reader *r, const char *field)
{
    ensure(r->asked_count < sizeof r->asked / sizeof *r->asked);
    r->asked[r->asked_count++] = field;
    return json_get(r->object, field);
}

static struct slice read_text(struct reader *r, const char *field, bool required)
{
    const struct json_value *v = ask(r, field);
    if (!v && !required) return slice_absent;
    struct slice text = json_text(v);
    if (slice_is_empty(text)) complain(r, field, v ? "must be a text" : "is missing");
    return text;
}

static uint32_t read_count(struct reader *r, const char *field, uint32_t otherwise, uint32_t least)
{
    const struct json_value *v = ask(r, field);
    int64_t value = otherwise;
    if (!v && otherwise >= least) return otherwise;
    if (!json_integer(v, &value) || value < least || value > 1'000'000) complain(r, field, "must be an integer from %u", least);
    return (uint32_t)value;
}

static int64_t read_id(struct reader *r, const char *field)
{
    int64_t id = 0;
    if (!json_integer(ask(r, field), &id) || id < 1) complain(r, field, "must be a positive integer");
    return id;
}

static bool read_flag(struct reader *r, const char *field, bool otherwise)
{
    const struct json_value *v = ask(r, field);
    bool value = otherwise;
    if (v && !json_boolean(v, &value)) complain(r, field, "must be true or false");
    return value;
}

/* "HH:MM", and 24:00 for the end of a day. */
static uint16_t read_minute(struct reader *r, const char *field, bool required)
{
    struct slice text = read_text(r, field, required);
    if (slice_is_absent(text)) return 0;
    if (slice_equal(text, slice_of("24:00"))) return 24 * 60;
    struct wall_time w = { 0 };
    if (!time_of_day_parse(text, &w)) complain(r, field, "must be a time of day, HH:MM");
    return (uint16_t)(w.hour * 60 + w.minute);
}

static int64_t read_instant(struct reader *r, const char *field)
{
    int64_t at_us = 0;
    if (!instant_parse(read_text(r, field, true), &at_us)) complain(r, field, "must be an instant (RFC 3339)");
    return at_us;
}

static bool read_done(struct reader *r)
{
    struct json_iterator each = json_each(r->object);
    struct slice key;
    const struct json_value *value;
    while (json_next(&each, &key, &value)) {
        bool known = false;
        for (uint32_t i = 0; i < r->asked_count; i++) known |= slice_equal(key, slice_from_text(r->asked[i]));
        if (!known) complain(r, "", "unknown field \"" SLICE_FORMAT "\"", (int)(key.length < 40 ? key.length : 40), key.start);
    }
    return r->error->text[0] == 0;
}

/* A list of the object: how many items, at most `max`. */
static const struct json_value *read_list(struct reader *r, const char *field, uint32_t max)
{
    const struct json_value *list = ask(r, field);
    if (list && json_type_of(list) != JSON_ARRAY) complain(r, field, "must be a list");
    if (json_length(list) > max) complain(r, field, "holds more than %u", max);
    return r->error->text[0] ? nullptr : list;
}

static uint32_t read_ids(struct reader *r, const char *field, int64_t *ids, uint32_t max)
{
    struct json_iterator each = json_each(read_list(r, field, max));
    const struct json_value *v;
    uint32_t count = 0;
    while (json_next(&each, nullptr, &v))
        if (!json_integer(v, &ids[count++])) complain(r, field, "must hold integers");
    if (count == 0) complain(r, field, "must name at least one user");
    return count;
}

static bool read_account(struct sim_world *w, struct reader *r)
{
    struct sim_account *a = &w->accounts[w->account_count++];
    a->api_key = read_text(r, "api_key", true);
    a->user_count = read_ids(r, "user_ids", a->user_ids, sim_account_users_max);
    a->oauth_client_id = read_text(r, "oauth_client_id", false);
    a->refresh_token = read_text(r, "refresh_token", !slice_is_absent(a->oauth_client_id));
    if (a->refresh_token.length >= sizeof a->grant.refresh_token) complain(r, "refresh_token", "is longer than %zu bytes", sizeof a->grant.refresh_token - 1);
    a->expired = read_flag(r, "expired", false);
    a->requests_per_minute = read_count(r, "requests_per_minute", 120, 1);
    a->lock_after_overshoots = read_count(r, "lock_after_overshoots", 0, 0);
    for (uint32_t i = 0; i < a->user_count; i++)
        if (!world_find_user(w, a->user_ids[i])) complain(r, "user_ids", "there is no user %lld", (long long)a->user_ids[i]);
    return read_done(r);
}

static uint8_t read_weekdays(struct reader *r)
{
    static const char *const names[] = { "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday" };
    struct json_iterator each = json_each(read_list(r, "days", 7));
    const struct json_value *v;
    uint8_t weekdays = 0;
    while (json_next(&each, nullptr, &v)) {
        uint8_t day = 0;
        while (day < 7 && !slice_equal(json_text(v), slice_from_text(names[day]))) day++;
        if (day == 7) complain(r, "days", "must hold names of days in English");
        else weekdays |= (uint8_t)(1 << day);
    }
    return weekdays;
}

static void read_hours(struct sim_user *u, struct reader *r)
{
    struct sim_hours *h = &u->hours[u->hours_count++];
    h->weekdays = read_weekdays(r);
    h->start_minute = read_minute(r, "start", true);
    h->end_minute = read_minute(r, "end", true);
    if (h->end_minute <= h->start_minute) complain(r, "end", "must be after start");
    (void)read_done(r);
}

static void read_override(struct sim_user *u, struct reader *r)
{
    struct sim_override *o = &u->overrides[u->override_count++];
    if (!date_parse(read_text(r, "date", true), &o->date)) complain(r, "date", "must be a date, YYYY-MM-DD");
    o->start_minute = read_minute(r, "start", false);
    o->end_minute = read_minute(r, "end", false);
    if (o->end_minute < o->start_minute) complain(r, "end", "must be after start");
    (void)read_done(r);
}

static void read_busy(struct sim_user *u, struct reader *r)
{
    struct sim_stretch *b = &u->busy[u->busy_count++];
    b->from_us = read_instant(r, "start");
    b->until_us = read_instant(r, "end");
    if (b->until_us <= b->from_us) complain(r, "end", "must be after start");
    u->busy_count_at_start = u->busy_count;
    (void)read_done(r);
}

static void read_user_list(struct sim_user *u, struct reader *r, const char *field, uint32_t max, void (*read_item)(struct sim_user *, struct reader *))
{
    struct json_iterator each = json_each(read_list(r, field, max));
    const struct json_value *v;
    for (uint32_t i = 0; json_next(&each, nullptr, &v); i++) {
        char list[128];
        snprintf(list, sizeof list, "%s.%s", r->path, field);
        struct reader item = reader_of(r->error, v, list, i);
        read_item(u, &item);
    }
}

static bool read_user(struct sim_world *w, struct reader *r)
{
    struct sim_user *u = &w->users[w->user_count++];
    u->id = read_id(r, "id");
    u->name = read_text(r, "name", true);
    u->username = read_text(r, "username", false);
    u->email = read_text(r, "email", false);
    u->time_zone = read_text(r, "time_zone", true);
    if (slice_is_absent(u->username)) {
        snprintf(u->username_memory, sizeof u->username_memory, "user-%lld", (long long)u->id);
        u->username = slice_from_text(u->username_memory);
    }
    if (slice_is_absent(u->email)) {
        snprintf(u->email_memory, sizeof u->email_memory, "user-%lld@calcom.example", (long long)u->id);
        u->email = slice_from_text(u->email_memory);
    }
    u->zone = time_zone_open(u->time_zone);
    if (!u->zone) complain(r, "time_zone", "no such time zone");
    read_user_list(u, r, "schedule", sim_hours_max, read_hours);
    read_user_list(u, r, "overrides", sim_overrides_max, read_override);
    read_user_list(u, r, "busy", sim_busy_max, read_busy);
    return read_done(r);
}

static enum sim_kind read_kind(struct reader *r)
{
    static const struct { const char *name; enum sim_kind kind; } kinds[] = {
        { "individual", SIM_INDIVIDUAL }, { "collective", SIM_COLLECTIVE }, { "round_robin", SIM_ROUND_ROBIN }, { "managed", SIM_MANAGED },
    };
    struct slice name = read_text(r, "kind", false);
    if (slice_is_absent(name)) return SIM_INDIVIDUAL;
    for (uint32_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (slice_equal(name, slice_from_text(kinds[i].name))) return kinds[i].kind;
    complain(r, "kind", "must be individual, collective, round_robin or managed");
    return SIM_INDIVIDUAL;
}

static bool read_event_type(struct sim_world *w, struct reader *r)
{
    struct sim_event_type *t = &w->event_types[w->event_type_count++];
    t->id = read_id(r, "id");
    t->slug = read_text(r, "slug", true);
    t->title = read_text(r, "title", true);
    t->kind = read_kind(r);
    t->length_minutes = read_count(r, "length_minutes", 0, 1);
    t->slot_interval_minutes = read_count(r, "slot_interval_minutes", t->length_minutes, 1);
    t->before_buffer_minutes = read_count(r, "before_buffer_minutes", 0, 0);
    t->after_buffer_minutes = read_count(r, "after_buffer_minutes", 0, 0);
    t->minimum_notice_minutes = read_count(r, "minimum_notice_minutes", 0, 0);
    t->booking_window_days = read_count(r, "booking_window_days", 0, 0);
    t->recurrence_count = read_count(r, "recurrence_count", 0, 0);
    t->recurrence_interval_days = read_count(r, "recurrence_interval_days", 7, 1);
    if (t->recurrence_count > sim_occurrences_max) complain(r, "recurrence_count", "is more than %u", sim_occurrences_max);
    t->requires_confirmation = read_flag(r, "requires_confirmation", false);
    t->block_unconfirmed = read_flag(r, "block_unconfirmed", false);
    t->requires_authentication = read_flag(r, "requires_authentication", false);
    t->allow_cancelling = read_flag(r, "allow_cancelling", true);
    t->hidden_email = read_flag(r, "hidden_email", false);

    int64_t ids[sim_hosts_max];
    t->host_count = read_ids(r, "user_ids", ids, sim_hosts_max);
    for (uint32_t i = 0; i < t->host_count; i++) {
        t->hosts[i] = world_find_user(w, ids[i]);
        if (!t->hosts[i]) complain(r, "user_ids", "there is no user %lld", (long long)ids[i]);
    }
    t->mandatory_hosts = read_count(r, "mandatory_hosts", 0, 0);
    if (t->mandatory_hosts && (t->kind != SIM_ROUND_ROBIN || t->mandatory_hosts >= t->host_count)) complain(r, "mandatory_hosts", "is for round_robin, and below the number of its users");
    return read_done(r);
}

static bool read_rows(struct sim_world *w, const struct json_value *calcom, const char *list, uint32_t max, bool (*read_row)(struct sim_world *, struct reader *),
                      struct sim_world_error *error)
{
    const struct json_value *rows = json_get(calcom, list);
    if (json_length(rows) > max) {
        snprintf(error->text, sizeof error->text, "calcom.%s: holds more than %u", list, max);
        return false;
    }
    struct json_iterator each = json_each(rows);
    const struct json_value *v;
    for (uint32_t i = 0; json_next(&each, nullptr, &v); i++) {
        struct reader r = reader_of(error, v, list, i);
        if (!read_row(w, &r)) return false;
    }
    return true;
}

static bool lists_are_known(const struct json_value *calcom, struct sim_world_error *error)
{
    struct json_iterator each = json_each(calcom);
    struct slice key;
    const struct json_value *value;
    while (json_next(&each, &key, &value)) {
        bool known = slice_equal(key, slice_of("accounts")) || slice_equal(key, slice_of("users")) || slice_equal(key, slice_of("event_types")) ||
                     slice_equal(key, slice_of("webhooks"));
        if (known && json_type_of(value) == JSON_ARRAY) continue;
        snprintf(error->text, sizeof error->text, "calcom." SLICE_FORMAT ": %s", (int)(key.length < 40 ? key.length : 40), key.start,
                 known ? "must be a list" : "unknown field");
        return false;
    }
    return true;
}

bool world_file_read(struct sim_world *w, struct slice text, struct sim_world_error *error)
{
    *error = (struct sim_world_error){ 0 };
    struct json_error json;
    w->file = json_parse(text, &w->heap, &json);
    if (!w->file) {
        snprintf(error->text, sizeof error->text, "not JSON at byte %zu: %s", json.offset, json.message);
        return false;
    }
    const struct json_value *calcom = json_get(json_root(w->file), "calcom");
    if (json_type_of(calcom) != JSON_OBJECT) {
        snprintf(error->text, sizeof error->text, "calcom: is missing; it says what the simulated Cal.com holds");
        return false;
    }
    return lists_are_known(calcom, error) && read_rows(w, calcom, "users", sim_users_max, read_user, error) &&
           read_rows(w, calcom, "accounts", sim_accounts_max, read_account, error) &&
           read_rows(w, calcom, "event_types", sim_event_types_max, read_event_type, error);
}

uint8_t sim_trigger_parse(struct slice name)
{
    for (uint8_t t = SIM_BOOKING_CREATED; t <= SIM_TRIGGER_LAST; t = (uint8_t)(t << 1))
        if (slice_equal(name, slice_from_text(sim_trigger_name((enum sim_trigger)t)))) return t;
    return 0;
}

const char *sim_trigger_name(enum sim_trigger t)
{
    switch (t) {
    case SIM_BOOKING_CREATED:   return "BOOKING_CREATED";
    case SIM_BOOKING_REQUESTED: return "BOOKING_REQUESTED";
    case SIM_BOOKING_CANCELLED: return "BOOKING_CANCELLED";
    case SIM_BOOKING_REJECTED:  return "BOOKING_REJECTED";
    case SIM_BOOKING_RESCHEDULED: return "BOOKING_RESCHEDULED";
    }
    ensure(false);
}

bool subscription_fill(struct sim_world *w, struct sim_subscription *s, struct slice url, struct slice secret, uint8_t triggers)
{
    size_t bytes = url.length + secret.length + 1; /* never nothing, so never null */
    char *memory = heap_acquire(&w->heap, bytes);
    if (!memory) return false;
    if (url.length) memcpy(memory, url.start, url.length);
    if (secret.length) memcpy(memory + url.length, secret.start, secret.length);
    heap_release(&w->heap, s->memory, s->memory_bytes);
    s->memory = memory;
    s->memory_bytes = bytes;
    s->url = slice_from(memory, url.length);
    s->secret = slice_is_absent(secret) ? slice_absent : slice_from(memory + url.length, secret.length);
    s->triggers = triggers;
    return true;
}

static bool read_subscription(struct sim_world *w, struct reader *r)
{
    struct slice url = read_text(r, "subscriber_url", true), secret = read_text(r, "secret", false);
    struct sim_account *a = world_find_account(w, read_text(r, "api_key", true));
    if (!a) complain(r, "api_key", "is no account's");

    uint8_t triggers = 0;
    const struct json_value *list = read_list(r, "triggers", 32), *v;
    struct json_iterator each = json_each(list);
    while (json_next(&each, nullptr, &v)) triggers |= sim_trigger_parse(json_text(v));
    if (!list) triggers = SIM_BOOKING_CREATED | SIM_BOOKING_CANCELLED;
    if (!read_done(r)) return false;

    struct sim_subscription *s = world_add_subscription(w);
    ensure(s); /* the list is within the bound and nothing else has subscribed yet */
    s->account = (uint32_t)(a - w->accounts);
    return subscription_fill(w, s, url, secret, triggers);
}

bool world_file_subscribe(struct sim_world *w, struct sim_world_error *error)
{
    *error = (struct sim_world_error){ 0 };
    return read_rows(w, json_get(json_root(w->file), "calcom"), "webhooks", sim_subscriptions_max, read_subscription, error);
}
