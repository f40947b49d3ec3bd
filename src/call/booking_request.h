#pragma once
/* call/booking_request.h: an after-call booking put into words once, before anything is sent: its key, its reference, the exact bytes for Cal.com, and what people
 * read when it cannot be made. The same call always gives the same key and reference, so doing it again, after a crash or a repeated webhook, is doing it once. Pure. */
#include "base/text.h"
#include "calcom/calcom.h"
#include "call/after_call.h"
#include "limits.h"

struct booking_request {
    char operation_key[16 + call_id_bytes_max]; /* "after_call:<call id>" */
    char reference[CALCOM_REFERENCE_BYTES_MAX + 1];
    char calendar[CALENDAR_NAME_BYTES_MAX];
    char attendee[2048];                        /* JSON: name, email, phone, time_zone, language */
    char payload[booking_payload_bytes_max];
    char details[2048];                         /* JSON for a task */
};

struct booking_person { int64_t company_id, workspace_id, customer_id; struct slice call_id; const struct e164 *caller; /* text empty: withheld */ };

void booking_request_name(struct booking_request *r, const struct booking_person *p); /* operation_key and reference */
/* After booking_request_name, for a decision to book. false: a text is longer than Cal.com could take ("name_too_long"). */
[[nodiscard]] bool booking_request_write(struct booking_request *r, const struct booking_person *p, const struct branch *b, const struct booking_facts *f, const struct after_call *a);
/* What people need on the task: what was asked for, and what is missing in the tenant's configuration. */
void booking_request_explain(struct booking_request *r, const struct branch *b, const struct booking_facts *f, const struct after_call *a);
