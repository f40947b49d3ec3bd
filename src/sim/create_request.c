#include "sim/create_request.h"
#include <stdio.h>
#include "base/ensure.h"
#include "base/text.h"

/* The flat string grows property by property: "<name> property is wrong,<constraints> <nested>", joined by ", ". */
struct complaint { struct buffer text; char memory[480]; bool any; };

[[gnu::format(printf, 3, 4)]] static void complain(struct complaint *c, const char *property, const char *format, ...)
{
    char what[160];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(what, sizeof what, format, arguments);
    va_end(arguments);
    buffer_print(&c->text, "%s%s property is wrong,%s ", c->any ? ", " : "", property, what);
    c->any = true;
}

static void refuse_unknown(struct complaint *c, const struct json_value *object, const char *const *known, uint32_t known_count)
{
    struct json_iterator each = json_each(object);
    struct slice key;
    const struct json_value *value;
    while (json_next(&each, &key, &value)) {
        bool found = false;
        for (uint32_t i = 0; i < known_count; i++) found |= slice_equal(key, slice_from_text(known[i]));
        if (found) continue;
        char name[48];
        snprintf(name, sizeof name, SLICE_FORMAT, slice_print(slice_take(key, 40)));
        complain(c, name, "property %s should not exist", name);
    }
}

static const char *const body_fields[] = {
    "start", "attendee", "eventTypeId", "eventTypeSlug", "username", "teamSlug", "organizationSlug", "guests", "location", "metadata", "bookingFieldsResponses",
    "lengthInMinutes", "routing", "emailVerificationCode", "meetingUrl", "allowConflicts", "allowBookingOutOfBounds", "rrHostSubsetIds", "recurrenceCount",
};
static const char *const attendee_fields[] = { "name", "timeZone", "email", "phoneNumber", "language" };
static const char *const languages[] = { "ar", "ca", "de", "es", "eu", "he", "id", "ja", "lv", "pl", "ro", "sr", "th", "vi", "az", "cs", "el", "es-419", "fi", "hr", "it",
                                         "km", "nl", "pt", "ru", "sv", "tr", "zh-CN", "bg", "en", "et", "fr", "hu", "ko", "no", "pt-BR", "sk", "ta", "uk", "zh-TW" };
#define count_of(list) ((uint32_t)(sizeof(list) / sizeof *(list)))

static bool is_email(struct slice text)
{
    struct slice rest = text, local = slice_split(&rest, '@');
    return !slice_is_absent(rest) && local.length > 0 && rest.length > 2 && slice_contains(rest, slice_of(".")) && !slice_contains(rest, slice_of("@"));
}

/* Without a zone a start is taken as UTC. */
static bool read_start(struct slice text, int64_t *at_us)
{
    if (instant_parse(text, at_us)) return true;
    char with_zone[48];
    if (slice_is_absent(text) || text.length > 40) return false;
    snprintf(with_zone, sizeof with_zone, SLICE_FORMAT "Z", slice_print(text));
    return instant_parse(slice_from_text(with_zone), at_us);
}

static void read_attendee(struct complaint *c, const struct json_value *attendee, struct sim_create *r)
{
    if (json_type_of(attendee) != JSON_OBJECT) {
        complain(c, "attendee", "nested property attendee must be either object or array");
        return;
    }
    refuse_unknown(c, attendee, attendee_fields, count_of(attendee_fields));
    r->name = json_get_text(attendee, "name");
    r->time_zone = json_get_text(attendee, "timeZone");
    r->email = json_get_text(attendee, "email");
    r->phone = json_get_text(attendee, "phoneNumber");
    r->language = json_get(attendee, "language") ? json_get_text(attendee, "language") : slice_of("en");
    if (slice_is_empty(r->name)) complain(c, "name", "name should not be empty, name must be a string");

    struct time_zone *zone = slice_is_empty(r->time_zone) ? nullptr : time_zone_open(r->time_zone);
    if (!zone) complain(c, "timeZone", "timeZone must be a valid IANA time-zone");
    if (zone) time_zone_close(zone);

    struct e164 number;
    if (json_get(attendee, "email") && !is_email(r->email)) complain(c, "email", "email must be an email");
    if (json_get(attendee, "phoneNumber") && !(slice_starts_with(r->phone, slice_of("+")) && e164_parse(r->phone, &number)))
        complain(c, "phoneNumber", "phoneNumber must match /^\\+[1-9]\\d{1,14}$/ regular expression");
    if (!json_get(attendee, "email") && !json_get(attendee, "phoneNumber"))
        complain(c, "attendee", "Attendee must have at least one contact method: either email or phone number.");

    bool spoken = false;
    for (uint32_t i = 0; i < count_of(languages); i++) spoken |= slice_equal(r->language, slice_from_text(languages[i]));
    if (!spoken) complain(c, "language", "language must be one of the following values: ar, ca, de, es, eu, …");
}

static void read_metadata(struct complaint *c, const struct json_value *metadata, struct sim_create *r)
{
    if (!metadata) return;
    if (json_type_of(metadata) != JSON_OBJECT) {
        complain(c, "metadata", "metadata must be an object");
        return;
    }
    struct json_iterator each = json_each(metadata);
    struct slice key;
    const struct json_value *value;
    bool fits = json_length(metadata) <= 50;
    while (json_next(&each, &key, &value)) fits &= key.length <= 40 && json_text(value).length <= 500;
    if (!fits) complain(c, "metadata", "Metadata must have at most 50 keys, each key up to 40 characters, and string values up to 500 characters.");
    r->metadata = metadata;
    if (metadata_is_readable(metadata)) r->engine_reference = json_get_text(metadata, "engineRef");
}

bool metadata_is_readable(const struct json_value *metadata)
{
    struct json_iterator each = json_each(metadata);
    const struct json_value *value;
    while (json_next(&each, nullptr, &value))
        if (json_type_of(value) != JSON_TEXT) return false;
    return true;
}

static const struct sim_event_type *find_by_slug(const struct sim_world *w, struct slice slug, struct slice username)
{
    for (uint32_t i = 0; i < w->event_type_count; i++)
        if (slice_equal(w->event_types[i].slug, slug) && slice_equal(w->event_types[i].hosts[0]->username, username)) return &w->event_types[i];
    return nullptr;
}

static bool find_type(struct sim_world *w, const struct json_value *body, struct sim_create *c, struct sim_refusal *refusal)
{
    int64_t id = 0;
    if (json_integer(json_get(body, "eventTypeId"), &id)) {
        c->type = world_find_event_type(w, id);
        if (!c->type) refuse(refusal, 404, SIM_SHAPE_EXCEPTION, "Event type with id %lld not found.", (long long)id);
    } else {
        struct slice slug = json_get_text(body, "eventTypeSlug"), username = json_get_text(body, "username");
        c->type = find_by_slug(w, slug, username);
        if (!c->type) refuse(refusal, 404, SIM_SHAPE_EXCEPTION, "Event type with slug " SLICE_FORMAT " not found.", slice_print(slice_take(slug, 60)));
    }
    if (!c->type) return false;
    if (c->type->kind != SIM_MANAGED) return true;
    refuse(refusal, 400, SIM_SHAPE_EXCEPTION,
           "Event type with id=%lld is the parent managed event type that can't be booked. You have to provide the child event type id aka id of event type that has been "
           "assigned to one of the users.",
           (long long)c->type->id);
    return false;
}

static bool has_right_length(const struct json_value *body, const struct sim_event_type *t, struct sim_refusal *refusal)
{
    if (!json_get(body, "lengthInMinutes")) return true;
    refuse(refusal, 400, SIM_SHAPE_EXCEPTION, "Can't specify 'lengthInMinutes' because event type does not have multiple possible lengths. Please, remove the "
                                              "'lengthInMinutes' field from the request. (event type %lld)", (long long)t->id);
    return false;
}

/* Without a wish, as many as the type has. */
static bool read_occurrences(const struct json_value *body, struct sim_create *c, struct sim_refusal *refusal)
{
    const struct json_value *wish = json_get(body, "recurrenceCount");
    int64_t count = c->type->recurrence_count ? c->type->recurrence_count : 1;
    if (wish && !c->type->recurrence_count) {
        refuse(refusal, 400, SIM_SHAPE_EXCEPTION, "Event type with id=%lld is not a recurring event type.", (long long)c->type->id);
        return false;
    }
    if (wish && (!json_integer(wish, &count) || count < 1 || count > c->type->recurrence_count)) {
        refuse(refusal, 400, SIM_SHAPE_EXCEPTION, "recurrenceCount must be from 1 to %u", c->type->recurrence_count);
        return false;
    }
    c->occurrences = (uint32_t)count;
    return true;
}

/* S19: a phone-only attendee gets an address made of the digits; so does everyone where the type hides the e-mail field. */
static void synthesize_email(struct sim_create *c)
{
    if (!slice_is_absent(c->email) && !(c->type->hidden_email && !slice_is_absent(c->phone))) return;
    struct slice digits = slice_skip(c->phone, 1);
    snprintf(c->synthetic_email, sizeof c->synthetic_email, SLICE_FORMAT "@sms.cal.com", slice_print(slice_take(digits, 20)));
    c->email = slice_from_text(c->synthetic_email);
}

bool create_request_read(struct sim_world *w, const struct json_value *body, struct sim_create *c, struct sim_refusal *refusal)
{
    *c = (struct sim_create){ 0 };
    if (json_type_of(body) != JSON_OBJECT) {
        refuse(refusal, 400, SIM_SHAPE_EXCEPTION, "Request body is missing or is not an object");
        return false;
    }
    struct complaint complaint = { 0 };
    complaint.text = buffer_over(complaint.memory, sizeof complaint.memory);
    refuse_unknown(&complaint, body, body_fields, count_of(body_fields));
    if (!read_start(json_get_text(body, "start"), &c->starts_at_us)) complain(&complaint, "start", "start must be a valid ISO 8601 date string");
    read_attendee(&complaint, json_get(body, "attendee"), c);
    read_metadata(&complaint, json_get(body, "metadata"), c);
    c->responses = json_get(body, "bookingFieldsResponses");
    if (c->responses && json_type_of(c->responses) != JSON_OBJECT) complain(&complaint, "bookingFieldsResponses", "bookingFieldsResponses must be an object");
    if (complaint.any) {
        refuse(refusal, 400, SIM_SHAPE_EXCEPTION, SLICE_FORMAT, slice_print(buffer_slice(&complaint.text)));
        return false;
    }
    if (!find_type(w, body, c, refusal) || !has_right_length(body, c->type, refusal) || !read_occurrences(body, c, refusal)) return false;
    synthesize_email(c);
    return true;
}
