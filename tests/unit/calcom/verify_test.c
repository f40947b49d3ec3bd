/* What verification promises: "booked" is said of our booking, as we wanted it, and of nothing else. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>
#include "calcom/calcom.h"

static const int64_t start_us = INT64_C(1'773'151'200'000'000), half_hour_us = INT64_C(1'800'000'000), minute_us = 60'000'000;

static struct calcom_find wish(void)
{
    return (struct calcom_find){ .event_type_id = 987, .starts_at_us = start_us, .ends_at_us = start_us + half_hour_us, .created_after_us = start_us - 60 * minute_us,
                                 .attendee_email = slice_of("zoe@example.com"), .attendee_phone = slice_of("+12125550123"), .reference = slice_of("t42-0001") };
}

static struct calcom_booking answer(void)
{
    return (struct calcom_booking){ .uid = "u", .id = 1, .event_type_id = 987, .starts_at_us = start_us, .ends_at_us = start_us + half_hour_us,
                                    .created_at_us = start_us - 59 * minute_us, .status = CALCOM_ACCEPTED, .has_metadata = true, .reference = "t42-0001",
                                    .attendee_email = "zoe@example.com" };
}

static void expect(struct calcom_booking b, enum calcom_verdict verdict)
{
    struct calcom_find f = wish();
    assert_int_equal(calcom_verify(&b, &f), verdict);
}
#define expect_when(change, verdict) do { struct calcom_booking b = answer(); change; expect(b, verdict); } while (0)
#define put(field, text) snprintf(b.field, sizeof b.field, "%s", (text))

static void ours_is_ours_when_everything_is_as_wanted(void **)
{
    expect(answer(), CALCOM_OURS);
    expect_when(b.status = CALCOM_PENDING, CALCOM_OURS_PENDING);
    expect_when(b.status = CALCOM_STATUS_OTHER, CALCOM_OURS_PENDING); /* awaiting_host, or what comes next: not booked yet */
    expect_when(b.status = CALCOM_CANCELLED, CALCOM_DEAD);
    expect_when(b.status = CALCOM_REJECTED, CALCOM_DEAD);
}

static void a_foreign_reference_is_foreign_however_equal_the_rest(void **)
{
    expect_when(put(reference, "t42-0002"), CALCOM_FOREIGN);
    expect_when(put(reference, "T42-0001"), CALCOM_FOREIGN);
    expect_when(put(reference, ""), CALCOM_FOREIGN); /* metadata, but none of ours */
    expect_when((put(reference, "t42-0002"), b.status = CALCOM_CANCELLED), CALCOM_FOREIGN);
}

static void our_reference_on_something_else_differs(void **)
{
    expect_when(b.starts_at_us += minute_us, CALCOM_DIFFERS);
    expect_when(b.ends_at_us += minute_us, CALCOM_DIFFERS);
    expect_when(b.event_type_id = 988, CALCOM_DIFFERS);
    expect_when(b.of_series = true, CALCOM_DIFFERS); /* one appointment was agreed, and there are several */
    expect_when(put(attendee_email, "other@example.com"), CALCOM_DIFFERS);
    expect_when((b.starts_at_us += minute_us, b.status = CALCOM_CANCELLED), CALCOM_DEAD); /* dead wherever it lies */
}

static void what_the_answer_leaves_out_is_not_held_against_it(void **)
{
    expect_when(b.event_type_id = 0, CALCOM_OURS);
    expect_when(put(attendee_email, ""), CALCOM_OURS);
    expect_when(b.created_at_us = 0, CALCOM_OURS);
}

static void an_attendee_is_known_by_any_of_its_names(void **)
{
    expect_when(put(attendee_email, "ZOE@Example.COM"), CALCOM_OURS);
    expect_when((put(attendee_email, "zoe+clxyz@example.com"), put(attendee_display_email, "zoe@example.com")), CALCOM_OURS);
    expect_when((put(attendee_email, "x@example.com"), put(attendee_phone, "+12125550123")), CALCOM_OURS);
    expect_when(put(attendee_email, "12125550123@sms.cal.com"), CALCOM_OURS);
    expect_when(put(attendee_email, "1212555012@sms.cal.com"), CALCOM_DIFFERS);
    expect_when(put(attendee_email, "12125550123@sms.cal.com.example.com"), CALCOM_DIFFERS);
    expect_when((put(attendee_email, ""), put(attendee_phone, "+12125550124")), CALCOM_DIFFERS);

    struct calcom_find    without_phone = wish();
    struct calcom_booking b = answer();
    without_phone.attendee_phone = slice_absent;
    put(attendee_email, "@sms.cal.com");
    assert_int_equal(calcom_verify(&b, &without_phone), CALCOM_DIFFERS);
}

/* Cal.com can lose metadata; then circumstance decides, and an older booking of the same person is not the one just made. */
static void without_any_metadata_circumstance_decides(void **)
{
#define bare b.has_metadata = false, put(reference, "")
    expect_when((bare), CALCOM_OURS);
    expect_when((bare, b.status = CALCOM_PENDING), CALCOM_OURS_PENDING);
    expect_when((bare, b.starts_at_us += minute_us), CALCOM_FOREIGN);
    expect_when((bare, put(attendee_email, "other@example.com")), CALCOM_FOREIGN);
    expect_when((bare, put(attendee_email, "")), CALCOM_FOREIGN); /* nothing says that it is ours */
    expect_when((bare, b.created_at_us = start_us - 64 * minute_us), CALCOM_OURS);    /* their clock may be 5 min behind */
    expect_when((bare, b.created_at_us = start_us - 66 * minute_us), CALCOM_FOREIGN);
    expect_when((bare, b.created_at_us = 0), CALCOM_FOREIGN);
    expect_when((bare, b.event_type_id = 988), CALCOM_DIFFERS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ours_is_ours_when_everything_is_as_wanted),
        cmocka_unit_test(a_foreign_reference_is_foreign_however_equal_the_rest),
        cmocka_unit_test(our_reference_on_something_else_differs),
        cmocka_unit_test(what_the_answer_leaves_out_is_not_held_against_it),
        cmocka_unit_test(an_attendee_is_known_by_any_of_its_names),
        cmocka_unit_test(without_any_metadata_circumstance_decides),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
