#include "sim/answers.h"
#include <stdio.h>
#include "base/ensure.h"
#include "sim/query.h"
#include "sim/world_file.h"

void answer_begin(struct json_writer *w, struct buffer *out)
{
    *w = json_writer_over(out);
    json_begin_object(w, nullptr);
    json_add_text(w, "status", slice_of("success"));
}

void answer_end(struct json_writer *w) { json_end_object(w); }

void add_instant(struct json_writer *w, const char *key, int64_t at_us)
{
    char memory[40];
    struct buffer b = buffer_over(memory, sizeof memory);
    instant_print_millis(&b, at_us);
    json_add_text(w, key, buffer_slice(&b));
}

/* -- errors -- */

struct status_words { uint16_t status; const char *exception, *reason, *code; };

static struct status_words words_of(uint16_t status)
{
    static const struct status_words all[] = {
        { 400, "BadRequestException", "Bad Request", "BAD_REQUEST" },
        { 401, "UnauthorizedException", "Unauthorized", "UNAUTHORIZED" },
        { 403, "ForbiddenException", "Forbidden", "FORBIDDEN" },
        { 404, "NotFoundException", "Not Found", "NOT_FOUND" },
        { 409, "ConflictException", "Conflict", "CONFLICT" },
        { 422, "UnprocessableEntityException", "Unprocessable Entity", "UNPROCESSABLE_ENTITY" },
        { 429, "ThrottlerException", "Too Many Requests", "TOO_MANY_REQUESTS" },
        { 502, "BadGatewayException", "Bad Gateway", "BAD_GATEWAY" },
        { 503, "ServiceUnavailableException", "Service Unavailable", "SERVICE_UNAVAILABLE" },
        { 504, "GatewayTimeoutException", "Gateway Timeout", "GATEWAY_TIMEOUT" },
    };
    for (uint32_t i = 0; i < sizeof all / sizeof *all; i++)
        if (all[i].status == status) return all[i];
    return (struct status_words){ status, "InternalServerErrorException", "Internal Server Error", "INTERNAL_SERVER_ERROR" };
}

static void begin_error(struct json_writer *w, struct buffer *out, struct slice path, int64_t now_us)
{
    *w = json_writer_over(out);
    json_begin_object(w, nullptr);
    json_add_text(w, "status", slice_of("error"));
    add_instant(w, "timestamp", now_us);
    json_add_text(w, "path", path);
    json_begin_object(w, "error");
}

static void end_error(struct json_writer *w)
{
    json_end_object(w);
    json_end_object(w);
}

static void print_exception(struct buffer *out, const struct sim_refusal *r, struct slice path, int64_t now_us)
{
    struct status_words words = words_of(r->status);
    struct slice message = slice_from_text(r->message);
    struct json_writer w;
    begin_error(&w, out, path, now_us);
    json_add_text(&w, "code", slice_from_text(words.exception));
    json_add_text(&w, "message", message);
    if (r->shape == SIM_SHAPE_EXCEPTION_TEXT) {
        json_add_text(&w, "details", message);
    } else {
        json_begin_object(&w, "details");
        json_add_text(&w, "message", message);
        json_add_text(&w, "error", slice_from_text(words.reason));
        json_add_integer(&w, "statusCode", r->status);
        json_end_object(&w);
    }
    end_error(&w);
}

static void print_validation(struct buffer *out, const struct sim_refusal *r, struct slice path, struct slice echo, int64_t now_us)
{
    struct json_writer w;
    begin_error(&w, out, path, now_us);
    json_add_text(&w, "code", slice_of("BadRequestException"));
    json_add_text(&w, "message", slice_of("Bad Request Exception"));
    json_begin_object(&w, "details");
    json_begin_array(&w, "errors");
    json_begin_object(&w, nullptr);
    json_add_raw(&w, "target", slice_is_empty(echo) ? slice_of("{}") : echo);
    json_begin_object(&w, "constraints");
    json_add_text(&w, "invalid", slice_from_text(r->message));
    json_end_object(&w);
    json_end_object(&w);
    json_end_array(&w);
    json_end_object(&w);
    end_error(&w);
}

static void print_coded(struct buffer *out, const struct sim_refusal *r, struct slice path, int64_t now_us)
{
    struct json_writer w;
    begin_error(&w, out, path, now_us);
    json_add_text(&w, "code", slice_from_text(words_of(r->status).code));
    json_add_text(&w, "message", slice_from_text(r->message));
    end_error(&w);
}

static void print_plain(struct buffer *out, const struct sim_refusal *r)
{
    struct json_writer w = json_writer_over(out);
    json_begin_object(&w, nullptr);
    json_add_integer(&w, "statusCode", r->status);
    json_add_text(&w, "message", slice_from_text(r->message));
    json_end_object(&w);
}

static void print_oauth(struct buffer *out, const struct sim_refusal *r)
{
    struct json_writer w = json_writer_over(out);
    json_begin_object(&w, nullptr);
    json_add_text(&w, "error", slice_from_text(r->message));
    json_end_object(&w);
}

void answer_refusal(struct buffer *out, const struct sim_refusal *r, struct slice path, struct slice echo, int64_t now_us)
{
    switch (r->shape) {
    case SIM_SHAPE_EXCEPTION:
    case SIM_SHAPE_EXCEPTION_TEXT: print_exception(out, r, path, now_us); return;
    case SIM_SHAPE_VALIDATION:     print_validation(out, r, path, echo, now_us); return;
    case SIM_SHAPE_CODED:          print_coded(out, r, path, now_us); return;
    case SIM_SHAPE_PLAIN:          print_plain(out, r); return;
    case SIM_SHAPE_OAUTH:          print_oauth(out, r); return;
    case SIM_SHAPE_HTML:
        buffer_print(out, "<html><head><title>%d %s</title></head><body><center><h1>%d %s</h1></center></body></html>\n", r->status, words_of(r->status).reason, r->status,
                     words_of(r->status).reason);
        return;
    case SIM_SHAPE_EMPTY: return;
    }
    ensure(false);
}

/* -- objects -- */

static void add_host(struct json_writer *w, const struct sim_user *u)
{
    json_begin_object(w, nullptr);
    json_add_integer(w, "id", u->id);
    json_add_text(w, "name", u->name);
    json_add_text(w, "email", u->email);
    json_add_text(w, "displayEmail", u->email);
    json_add_text(w, "username", u->username);
    json_add_text(w, "timeZone", u->time_zone);
    json_end_object(w);
}

static void add_attendee(struct json_writer *w, struct slice name, struct slice email, struct slice time_zone, struct slice language, struct slice phone)
{
    json_begin_object(w, nullptr);
    json_add_text(w, "name", name);
    json_add_text(w, "email", email);
    json_add_text(w, "displayEmail", email);
    json_add_text(w, "timeZone", time_zone);
    json_add_text(w, "language", language);
    json_add_boolean(w, "absent", false);
    if (!slice_is_absent(phone)) json_add_text(w, "phoneNumber", phone);
    json_end_object(w);
}

/* Only the organizer is a host; co-hosts stand among the attendees. */
static void add_people(struct json_writer *w, const struct sim_booking *b)
{
    json_begin_array(w, "hosts");
    add_host(w, b->hosts[0]);
    json_end_array(w);
    json_begin_array(w, "attendees");
    add_attendee(w, b->attendee_name, b->attendee_email, b->attendee_time_zone, b->attendee_language, b->attendee_phone);
    for (uint32_t i = 1; i < b->host_count; i++)
        add_attendee(w, b->hosts[i]->name, b->hosts[i]->email, b->hosts[i]->time_zone, slice_of("en"), slice_absent);
    json_end_array(w);
    json_begin_array(w, "guests");
    json_end_array(w);
}

static void add_title(struct json_writer *w, const struct sim_booking *b)
{
    char title[512];
    snprintf(title, sizeof title, SLICE_FORMAT " between " SLICE_FORMAT " and " SLICE_FORMAT, slice_print(slice_take(b->type->title, 150)),
             slice_print(slice_take(b->hosts[0]->name, 100)), slice_print(slice_take(b->attendee_name, 150)));
    json_add_text(w, "title", slice_from_text(title));
}

static void add_chain(struct json_writer *w, const struct sim_booking *b)
{
    json_add_text(w, "reschedulingReason", b->rescheduling_reason);
    json_add_text(w, "rescheduledByEmail", b->rescheduled_by);
    json_add_text(w, "rescheduledFromUid", b->rescheduled_from ? slice_from_text(b->rescheduled_from->uid) : slice_absent);
    json_add_text(w, "rescheduledToUid", b->rescheduled_to ? slice_from_text(b->rescheduled_to->uid) : slice_absent);
}

void answer_booking(struct json_writer *w, const char *key, const struct sim_booking *b)
{
    char ics_uid[48];
    snprintf(ics_uid, sizeof ics_uid, "%s@Cal.com", b->uid);
    json_begin_object(w, key);
    json_add_integer(w, "id", b->id);
    json_add_text(w, "uid", slice_from_text(b->uid));
    add_title(w, b);
    json_add_text(w, "description", slice_of(""));
    json_add_text(w, "status", slice_from_text(sim_status_name(b->status)));
    add_people(w, b);
    add_instant(w, "start", b->starts_at_us);
    add_instant(w, "end", b->ends_at_us);
    json_add_integer(w, "duration", (b->ends_at_us - b->starts_at_us) / 60'000'000);
    json_begin_object(w, "eventType");
    json_add_integer(w, "id", b->type->id);
    json_add_text(w, "slug", b->type->slug);
    json_end_object(w);
    json_add_integer(w, "eventTypeId", b->type->id);
    json_add_text(w, "location", slice_of("integrations:daily"));
    json_add_raw(w, "bookingFieldsResponses", b->responses);
    json_add_boolean(w, "absentHost", false);
    if (b->status == SIM_CANCELLED) json_add_text(w, "cancellationReason", slice_is_absent(b->cancellation_reason) ? slice_of("") : b->cancellation_reason);
    add_instant(w, "createdAt", b->created_at_us);
    add_instant(w, "updatedAt", b->updated_at_us);
    json_add_raw(w, "metadata", b->metadata);
    json_add_null(w, "rating");
    json_add_text(w, "icsUid", slice_from_text(ics_uid));
    add_chain(w, b);
    if (b->recurring_uid[0]) json_add_text(w, "recurringBookingUid", slice_from_text(b->recurring_uid));
    json_end_object(w);
}

static void add_team(struct json_writer *w, const struct sim_event_type *t)
{
    if (t->kind == SIM_INDIVIDUAL) return;
    json_add_text(w, "schedulingType",
                  t->kind == SIM_COLLECTIVE ? slice_of("collective") : t->kind == SIM_ROUND_ROBIN ? slice_of("roundRobin") : slice_of("managed"));
    json_begin_array(w, "hosts");
    for (uint32_t i = 0; i < t->host_count; i++) {
        json_begin_object(w, nullptr);
        json_add_integer(w, "userId", t->hosts[i]->id);
        json_add_text(w, "name", t->hosts[i]->name);
        json_add_boolean(w, "mandatory", i < t->mandatory_hosts);
        json_end_object(w);
    }
    json_end_array(w);
}

static void add_recurrence(struct json_writer *w, const struct sim_event_type *t)
{
    if (t->recurrence_count) {
        json_begin_object(w, "recurrence");
        json_add_integer(w, "interval", t->recurrence_interval_days % 7 ? t->recurrence_interval_days : t->recurrence_interval_days / 7);
        json_add_integer(w, "occurrences", t->recurrence_count);
        json_add_text(w, "frequency", t->recurrence_interval_days % 7 ? slice_of("daily") : slice_of("weekly"));
        json_end_object(w);
    } else {
        json_add_null(w, "recurrence");
    }
}

void answer_event_type(struct json_writer *w, const char *key, const struct sim_event_type *t)
{
    json_begin_object(w, key);
    json_add_integer(w, "id", t->id);
    if (t->kind == SIM_INDIVIDUAL) json_add_integer(w, "ownerId", t->hosts[0]->id);
    else json_add_null(w, "ownerId");
    json_add_text(w, "title", t->title);
    json_add_text(w, "slug", t->slug);
    json_add_integer(w, "lengthInMinutes", t->length_minutes);
    json_add_integer(w, "slotInterval", t->slot_interval_minutes);
    json_add_integer(w, "minimumBookingNotice", t->minimum_notice_minutes);
    json_add_integer(w, "beforeEventBuffer", t->before_buffer_minutes);
    json_add_integer(w, "afterEventBuffer", t->after_buffer_minutes);
    json_add_null(w, "scheduleId");
    json_begin_object(w, "confirmationPolicy");
    if (t->requires_confirmation) {
        json_add_text(w, "type", slice_of("always"));
        json_add_boolean(w, "blockUnconfirmedBookingsInBooker", t->block_unconfirmed);
    } else {
        json_add_boolean(w, "disabled", true);
    }
    json_end_object(w);
    json_add_boolean(w, "bookingRequiresAuthentication", t->requires_authentication);
    json_add_boolean(w, "hidden", false);
    add_recurrence(w, t);
    json_add_null(w, "seats");
    add_team(w, t);
    json_end_object(w);
}

void answer_user(struct json_writer *w, const char *key, const struct sim_user *u)
{
    json_begin_object(w, key);
    json_add_integer(w, "id", u->id);
    json_add_text(w, "username", u->username);
    json_add_text(w, "email", u->email);
    json_add_text(w, "name", u->name);
    json_add_text(w, "timeZone", u->time_zone);
    json_add_text(w, "weekStart", slice_of("Monday"));
    json_add_integer(w, "timeFormat", 24);
    json_add_integer(w, "defaultScheduleId", u->id);
    json_add_null(w, "organizationId");
    json_end_object(w);
}

void answer_reservation(struct json_writer *w, const char *key, const struct sim_reservation *r, uint32_t reservation_minutes)
{
    if (!r) {
        json_add_null(w, key);
        return;
    }
    json_begin_object(w, key);
    json_add_integer(w, "eventTypeId", r->type->id);
    add_instant(w, "slotStart", r->starts_at_us);
    add_instant(w, "slotEnd", r->ends_at_us);
    json_add_integer(w, "slotDuration", r->duration_minutes);
    json_add_text(w, "reservationUid", slice_from_text(r->uid));
    if (reservation_minutes) json_add_integer(w, "reservationDuration", reservation_minutes);
    add_instant(w, "reservationUntil", r->until_us);
    json_end_object(w);
}

void answer_subscription(struct json_writer *w, const char *key, const struct sim_world *world, const struct sim_subscription *s)
{
    json_begin_object(w, key);
    json_add_integer(w, "id", s->id);
    json_add_integer(w, "userId", world->accounts[s->account].user_ids[0]);
    json_add_text(w, "subscriberUrl", s->url);
    json_add_boolean(w, "active", s->active);
    json_begin_array(w, "triggers");
    for (uint8_t t = SIM_BOOKING_CREATED; t <= SIM_TRIGGER_LAST; t = (uint8_t)(t << 1))
        if (s->triggers & t) json_add_text(w, nullptr, slice_from_text(sim_trigger_name((enum sim_trigger)t)));
    json_end_array(w);
    json_add_null(w, "payloadTemplate");
    json_add_text(w, "secret", s->secret);
    json_end_object(w);
}

void answer_pagination(struct json_writer *w, uint32_t total, uint32_t skipped, uint32_t returned, uint32_t per_page)
{
    uint32_t seen = skipped + returned < total ? skipped + returned : total;
    json_begin_object(w, "pagination");
    json_add_integer(w, "totalItems", total);
    json_add_integer(w, "remainingItems", total - seen);
    json_add_integer(w, "returnedItems", returned);
    json_add_integer(w, "itemsPerPage", per_page);
    json_add_integer(w, "currentPage", skipped / per_page + 1);
    json_add_integer(w, "totalPages", (total + per_page - 1) / per_page);
    json_add_boolean(w, "hasNextPage", seen < total);
    json_add_boolean(w, "hasPreviousPage", skipped > 0);
    json_end_object(w);
}

/* -- slots -- */

/* In the asked zone: 2026-03-10T10:00:00.000-04:00; in UTC with Z. The offset is what wall time and instant differ by. */
static void print_local(struct buffer *b, const struct time_zone *zone, int64_t at_us)
{
    struct wall_time w = instant_to_wall(zone, at_us);
    char memory[40];
    struct buffer utc_text = buffer_over(memory, sizeof memory);
    char local_text[48];
    int64_t local_as_utc_us;
    snprintf(local_text, sizeof local_text, "%04d-%02d-%02dT%02d:%02d:%02d.000", (int)w.year, w.month, w.day, w.hour, w.minute, w.second);
    buffer_print(&utc_text, "%sZ", local_text);
    ensure(instant_parse(buffer_slice(&utc_text), &local_as_utc_us));
    int64_t offset_minutes = (local_as_utc_us - at_us) / 60'000'000;
    if (offset_minutes == 0) buffer_print(b, "%sZ", local_text);
    else buffer_print(b, "%s%c%02d:%02d", local_text, offset_minutes < 0 ? '-' : '+', (int)(llabs(offset_minutes) / 60), (int)(llabs(offset_minutes) % 60));
}

static void add_slot(struct json_writer *w, int64_t starts_at_us, const struct answer_slots_form *form)
{
    char memory[96];
    struct buffer start = buffer_over(memory, 48), end = buffer_over(memory + 48, 48);
    print_local(&start, form->zone, starts_at_us);
    if (form->strings) {
        json_add_text(w, nullptr, buffer_slice(&start));
        return;
    }
    json_begin_object(w, nullptr);
    json_add_text(w, "start", buffer_slice(&start));
    if (form->range) {
        print_local(&end, form->zone, starts_at_us + form->length_minutes * INT64_C(60'000'000));
        json_add_text(w, "end", buffer_slice(&end));
    }
    json_end_object(w);
}

void answer_slots(struct json_writer *w, const char *key, const int64_t *starts_us, uint32_t count, const struct answer_slots_form *form)
{
    char day[16] = "";
    json_begin_object(w, key);
    for (uint32_t i = 0; i < count; i++) {
        struct wall_time wall = instant_to_wall(form->zone, starts_us[i]);
        char this_day[16];
        snprintf(this_day, sizeof this_day, "%04u-%02u-%02u", (unsigned)wall.year % 10'000, wall.month % 100u, wall.day % 100u);
        if (strcmp(day, this_day) != 0) {
            if (day[0]) json_end_array(w);
            json_add_key(w, slice_from_text(this_day));
            json_begin_array(w, nullptr);
            memcpy(day, this_day, sizeof day);
        }
        add_slot(w, starts_us[i], form);
    }
    if (day[0]) json_end_array(w);
    json_end_object(w);
}

/* -- webhooks -- */

static struct slice upper_status(enum sim_status s)
{
    switch (s) {
    case SIM_ACCEPTED:  return slice_of("ACCEPTED");
    case SIM_PENDING:   return slice_of("PENDING");
    case SIM_CANCELLED: return slice_of("CANCELLED");
    case SIM_REJECTED:  return slice_of("REJECTED");
    }
    ensure(false);
}

/* Created ones end in Z, cancelled ones in +00:00: as documented, and a trap for whoever compares texts. */
static void add_webhook_time(struct json_writer *w, const char *key, int64_t at_us, bool with_z)
{
    char memory[48];
    struct buffer b = buffer_over(memory, sizeof memory);
    instant_print(&b, at_us);
    ensure(b.length > 0 && memory[b.length - 1] == 'Z');
    if (!with_z) {
        b.length -= 1;
        buffer_add(&b, slice_of("+00:00"));
    }
    json_add_text(w, key, buffer_slice(&b));
}

static void add_webhook_person(struct json_writer *w, const char *key, const struct sim_user *host, const struct sim_booking *b)
{
    json_begin_object(w, key);
    if (host) json_add_integer(w, "id", host->id);
    json_add_text(w, "name", host ? host->name : b->attendee_name);
    json_add_text(w, "email", host ? host->email : b->attendee_email);
    if (host) json_add_text(w, "username", host->username);
    else json_add_text(w, "phoneNumber", b->attendee_phone);
    json_add_text(w, "timeZone", host ? host->time_zone : b->attendee_time_zone);
    json_begin_object(w, "language");
    json_add_text(w, "locale", host ? slice_of("en") : b->attendee_language);
    json_end_object(w);
    json_end_object(w);
}

static void add_webhook_origin(struct json_writer *w, const struct sim_booking *old)
{
    json_add_text(w, "rescheduleUid", slice_from_text(old->uid));
    json_add_integer(w, "rescheduleId", old->id);
    add_webhook_time(w, "rescheduleStartTime", old->starts_at_us, true);
    add_webhook_time(w, "rescheduleEndTime", old->ends_at_us, true);
}

static void add_webhook_payload(struct json_writer *w, enum sim_trigger trigger, const struct sim_booking *b)
{
    bool cancelled = trigger == SIM_BOOKING_CANCELLED;
    json_add_text(w, "uid", slice_from_text(b->uid));
    json_add_integer(w, "bookingId", b->id);
    add_title(w, b);
    json_add_text(w, "type", b->type->slug);
    add_webhook_time(w, "startTime", b->starts_at_us, !cancelled);
    add_webhook_time(w, "endTime", b->ends_at_us, !cancelled);
    json_add_integer(w, "eventTypeId", b->type->id);
    json_add_text(w, "status", cancelled ? slice_of("CANCELLED") : upper_status(b->status));
    add_webhook_person(w, "organizer", b->hosts[0], b);
    json_begin_array(w, "attendees");
    add_webhook_person(w, nullptr, nullptr, b);
    json_end_array(w);
    json_add_text(w, "location", slice_of("integrations:daily"));
    if (cancelled) json_add_text(w, "cancellationReason", b->cancellation_reason);
    else json_add_raw(w, "metadata", b->metadata);
    if (trigger == SIM_BOOKING_RESCHEDULED && b->rescheduled_from) add_webhook_origin(w, b->rescheduled_from);
    json_add_integer(w, "length", b->type->length_minutes);
    json_add_boolean(w, "requiresConfirmation", b->type->requires_confirmation);
}

void answer_webhook_form(struct buffer *out, enum sim_trigger trigger, const struct sim_booking *b)
{
    buffer_print(out, "triggerEvent=%s&uid=%s&bookingId=%lld&title=", sim_trigger_name(trigger), b->uid, (long long)b->id);
    query_print(out, b->type->title);
    buffer_add(out, slice_of("&startTime="));
    char memory[40];
    struct buffer start = buffer_over(memory, sizeof memory);
    instant_print(&start, b->starts_at_us);
    query_print(out, buffer_slice(&start));
}

void answer_webhook(struct buffer *out, enum sim_trigger trigger, const struct sim_booking *b, int64_t now_us)
{
    struct json_writer w = json_writer_over(out);
    json_begin_object(&w, nullptr);
    json_add_text(&w, "triggerEvent", slice_from_text(sim_trigger_name(trigger)));
    add_instant(&w, "createdAt", now_us);
    json_begin_object(&w, "payload");
    add_webhook_payload(&w, trigger, b);
    json_end_object(&w);
    json_end_object(&w);
}
