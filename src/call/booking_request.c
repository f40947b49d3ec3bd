#include "call/booking_request.h"

#include <inttypes.h>
#include "base/ensure.h"
#include "base/hmac.h"
#include "base/json.h"

enum { REFERENCE_DIGEST_BYTES = 16, NAME_BYTES_MAX = 200, PHRASE_BYTES_MAX = 200 };

/* "rm-" and 32 hex digits of what the operation is: unguessable enough not to collide, and the same for the same operation for ever. */
static void print_reference(struct booking_request *r, const struct booking_person *p)
{
    char identity[sizeof r->operation_key + 64];
    int length = snprintf(identity, sizeof identity, "%" PRId64 "/%" PRId64 "/%s", p->company_id, p->workspace_id, r->operation_key);
    struct hmac_digest digest = sha256_of(slice_from(identity, (size_t)length));
    struct buffer out = buffer_over(r->reference, sizeof r->reference - 1);
    buffer_add(&out, slice_of("rm-"));
    hex_print(&out, digest.bytes, REFERENCE_DIGEST_BYTES);
    r->reference[out.length] = 0;
}

void booking_request_name(struct booking_request *r, const struct booking_person *p)
{
    snprintf(r->operation_key, sizeof r->operation_key, "after_call:" SLICE_FORMAT, slice_print(p->call_id));
    print_reference(r, p);
}

static bool looks_like_email(struct slice text)
{
    struct slice rest = text;
    struct slice local = slice_split(&rest, '@');
    return local.length > 0 && rest.length > 3 && text.length <= CALCOM_EMAIL_BYTES_MAX && slice_contains(rest, slice_of(".")) && !slice_contains(text, slice_of(" "));
}

static bool print_attendee(struct booking_request *r, const struct calcom_create *c)
{
    struct buffer out = buffer_over(r->attendee, sizeof r->attendee - 1);
    struct json_writer w = json_writer_over(&out);
    json_begin_object(&w, nullptr);
    json_add_text(&w, "name", c->attendee_name);
    json_add_text(&w, "email", c->attendee_email);
    json_add_text(&w, "phone", c->attendee_phone);
    json_add_text(&w, "time_zone", c->attendee_time_zone);
    json_add_text(&w, "language", c->attendee_language);
    json_end_object(&w);
    if (!out.overflowed) r->attendee[out.length] = 0;
    return !out.overflowed;
}

static bool print_payload(struct booking_request *r, const struct calcom_create *c)
{
    struct buffer out = buffer_over(r->payload, sizeof r->payload - 1);
    calcom_print_create(&out, c);
    if (!out.overflowed) r->payload[out.length] = 0;
    return !out.overflowed;
}

bool booking_request_write(struct booking_request *r, const struct booking_person *p, const struct branch *b, const struct booking_facts *f, const struct after_call *a)
{
    ensure(a->wish == AFTER_CALL_BOOK);
    if (f->name.length > NAME_BYTES_MAX) return false;
    char memory[CALCOM_EMAIL_BYTES_MAX + 1];
    struct buffer own_email = buffer_over(memory, sizeof memory);
    calcom_print_customer_email(&own_email, p->company_id, p->customer_id); /* B18: never one address for several people */
    struct calcom_create c = {
        .event_type_id = a->calcom_event_type_id, .starts_at_us = a->starts_at_us, .attendee_name = f->name,
        .attendee_email = looks_like_email(f->email) ? f->email : buffer_slice(&own_email),
        .attendee_phone = p->caller->text[0] ? e164_slice(p->caller) : slice_absent,
        .attendee_time_zone = b->time_zone, .attendee_language = slice_of("de"), .reference = slice_from_text(r->reference),
    };
    after_call_calendar_name(a, r->calendar);
    return print_attendee(r, &c) && print_payload(r, &c);
}

static void add_gap(struct json_writer *w, const struct branch *b)
{
    json_begin_array(w, "configuration_gaps");
    if (slice_is_absent(b->retell_agent_id)) json_add_text(w, nullptr, slice_of("the branch has no Retell agent id"));
    if (b->calcom_event_type_id == 0) json_add_text(w, nullptr, slice_of("the branch has no Cal.com event type"));
    if (!b->company->credential) json_add_text(w, nullptr, slice_of("the company has no Cal.com API key"));
    json_end_array(w);
}

void booking_request_explain(struct booking_request *r, const struct branch *b, const struct booking_facts *f, const struct after_call *a)
{
    struct buffer out = buffer_over(r->details, sizeof r->details - 1);
    struct json_writer w = json_writer_over(&out);
    json_begin_object(&w, nullptr);
    json_add_text(&w, "branch", b->key);
    json_add_text(&w, "datum", slice_take(f->date, PHRASE_BYTES_MAX));
    json_add_text(&w, "uhrzeit", slice_take(f->time, PHRASE_BYTES_MAX));
    json_add_text(&w, "name", slice_take(f->name, NAME_BYTES_MAX));
    json_add_text(&w, "dienstleistung", slice_take(f->service, PHRASE_BYTES_MAX));
    json_add_text(&w, "not_understood", slice_take(a->phrase, PHRASE_BYTES_MAX));
    add_gap(&w, b);
    json_end_object(&w);
    r->details[out.overflowed ? 0 : out.length] = 0;
}
