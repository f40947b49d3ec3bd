/* calcom/verify.c: whose booking is this? "Booked" is only ever said after this file said so. */
#include <stdio.h>
#include "calcom/calcom.h"
#include "limits.h"

enum attendee : uint8_t { ATTENDEE_SAME, ATTENDEE_OTHER, ATTENDEE_NOT_TOLD };

/* Where the form has no e-mail field, Cal.com puts <digits>@sms.cal.com in its place. */
static bool is_phone_address(struct slice email, struct slice phone)
{
    struct slice digits = slice_starts_with(phone, slice_of("+")) ? slice_skip(phone, 1) : phone;
    return digits.length > 0 && slice_starts_with(email, digits) && slice_equal_ignoring_case(slice_skip(email, digits.length), slice_of("@sms.cal.com"));
}

static enum attendee compare_attendee(const struct calcom_booking *b, const struct calcom_find *wanted)
{
    struct slice email = slice_from_text(b->attendee_email), display = slice_from_text(b->attendee_display_email), phone = slice_from_text(b->attendee_phone);
    if (email.length == 0 && display.length == 0 && phone.length == 0) return ATTENDEE_NOT_TOLD; /* hidden from whom the event type does not show it to */

    bool same_email = wanted->attendee_email.length > 0
                   && (slice_equal_ignoring_case(email, wanted->attendee_email) || slice_equal_ignoring_case(display, wanted->attendee_email));
    bool same_phone = wanted->attendee_phone.length > 0 && slice_equal(phone, wanted->attendee_phone);
    return same_email || same_phone || is_phone_address(email, wanted->attendee_phone) ? ATTENDEE_SAME : ATTENDEE_OTHER;
}

/* Without any metadata there is no reference to go by. An older booking of the same person at the same time is what Cal.com answers to a create that it takes
 * for a repetition; so it must have been made since the intent was written, as far as two clocks can agree. */
static bool is_ours_by_circumstance(const struct calcom_booking *b, const struct calcom_find *wanted)
{
    return b->starts_at_us == wanted->starts_at_us && compare_attendee(b, wanted) == ATTENDEE_SAME
        && b->created_at_us >= wanted->created_after_us - (int64_t)calcom_clock_difference_ms_max * 1000;
}

static bool is_ours(const struct calcom_booking *b, const struct calcom_find *wanted)
{
    if (b->reference[0] != 0) return slice_equal(slice_from_text(b->reference), wanted->reference);
    return !b->has_metadata && is_ours_by_circumstance(b, wanted);
}

static bool is_as_wanted(const struct calcom_booking *b, const struct calcom_find *wanted)
{
    return !b->of_series && b->starts_at_us == wanted->starts_at_us && b->ends_at_us == wanted->ends_at_us
        && (b->event_type_id == 0 || b->event_type_id == wanted->event_type_id) && compare_attendee(b, wanted) != ATTENDEE_OTHER;
}

enum calcom_verdict calcom_verify(const struct calcom_booking *b, const struct calcom_find *wanted)
{
    if (!is_ours(b, wanted)) return CALCOM_FOREIGN;
    if (b->status == CALCOM_CANCELLED || b->status == CALCOM_REJECTED) return CALCOM_DEAD;
    if (!is_as_wanted(b, wanted)) return CALCOM_DIFFERS;
    return b->status == CALCOM_ACCEPTED ? CALCOM_OURS : CALCOM_OURS_PENDING;
}
