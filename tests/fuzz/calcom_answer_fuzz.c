/* Whatever Cal.com, or a proxy before it, answers: it is read within the bounds or called unreadable; what was read is text that ends, bookings that are
 * what was looked for, slots in order and in range; an error is never taken for a no that it does not say, and nothing of it is repeated.
 *
 * The first byte says what was asked, the second with which status it came. */
#include <string.h>
#include "base/ensure.h"
#include "calcom/errors.h"
#include "calcom/wire.h"

static const int64_t start_us = INT64_C(1'773'151'200'000'000), day_us = INT64_C(86'400'000'000);
static const struct calcom_find wanted = { .event_type_id = 987, .starts_at_us = start_us, .ends_at_us = start_us + 1'800'000'000, .created_after_us = start_us - day_us,
                                           .attendee_email = slice_of("zoe@example.com"), .attendee_phone = slice_of("+12125550123"), .reference = slice_of("t42-0001") };
static struct calcom_op op;

static void check_booking(const struct calcom_booking *b)
{
    ensure(b->uid[0] != 0 && memchr(b->uid, 0, sizeof b->uid) && memchr(b->reference, 0, sizeof b->reference));
    ensure(memchr(b->attendee_email, 0, sizeof b->attendee_email) && memchr(b->attendee_display_email, 0, sizeof b->attendee_display_email));
    ensure(memchr(b->attendee_phone, 0, sizeof b->attendee_phone) && memchr(b->host_name, 0, sizeof b->host_name));
    ensure(b->reference[0] == 0 || b->has_metadata);
    ensure(b->status <= CALCOM_STATUS_OTHER);
    if (calcom_verify(b, &wanted) == CALCOM_OURS) ensure(b->status == CALCOM_ACCEPTED && b->starts_at_us == start_us);
}

static void check_page(struct slice answer, struct heap *heap)
{
    struct calcom_page page;
    op.booking_count = 0;
    op.more_matches = false;
    for (int again = 0; again < 2; again++) /* a page seen twice changes nothing */
        if (!calcom_read_page(answer, heap, &wanted, &op, &page)) return;
    ensure(op.booking_count <= CALCOM_BOOKINGS_KEPT_MAX && (op.booking_count <= page.count));
    for (uint32_t n = 0; n < op.booking_count; n++) {
        check_booking(&op.bookings[n]);
        ensure(calcom_verify(&op.bookings[n], &wanted) != CALCOM_FOREIGN);
        ensure(n == 0 || op.bookings[n - 1].created_at_us <= op.bookings[n].created_at_us);
        for (uint32_t other = 0; other < n; other++) ensure(strcmp(op.bookings[n].uid, op.bookings[other].uid) != 0);
    }
}

static void check_slots(struct slice answer, struct heap *heap)
{
    op.slot_count = 0;
    if (!calcom_read_slots(answer, heap, start_us, start_us + day_us, &op)) return;
    ensure(op.slot_count <= CALCOM_SLOTS_MAX);
    for (uint32_t n = 0; n < op.slot_count; n++) {
        ensure(op.slots_us[n] >= start_us && op.slots_us[n] < start_us + day_us);
        ensure(n == 0 || op.slots_us[n - 1] < op.slots_us[n]);
    }
}

static void check_error(enum calcom_question q, uint16_t status, struct slice answer, struct heap *heap)
{
    struct calcom_judgement j = calcom_judge(q, status, answer, heap);
    ensure(j.message && (j.message < answer.start || j.message >= answer.start + answer.length));
    ensure(strlen(calcom_outcome_name(j.outcome)) > 0 && strlen(calcom_refusal_name(j.refusal)) > 0);
    if (status == 429) ensure(j.outcome == CALCOM_THROTTLED);
    if (j.outcome == CALCOM_OK) ensure(q == CALCOM_CANCEL && status == 400);
    if (status >= 500 || status == 409) ensure(j.outcome == CALCOM_UNKNOWN);
    struct calcom_rate_headers headers = { .retry_after = answer, .reset = slice_skip(answer, 1), .date = slice_skip(answer, 2), .remaining = answer, .limit = slice_skip(answer, 3) };
    struct calcom_minute minute;
    (void)calcom_block_us(headers, start_us);
    (void)calcom_read_minute(headers, start_us, &minute);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint16_t statuses[] = { 301, 400, 401, 403, 404, 409, 422, 429, 498, 500, 502, 504 };
    if (size < 2) return 0;
    struct slice answer = slice_from(data + 2, size - 2);
    struct heap  heap;
    heap_init(&heap, 16 << 20);

    struct calcom_booking    b;
    struct calcom_event_type e;
    switch (data[0] % 6) {
    case 0: if (calcom_read_booking(answer, &heap, &b)) check_booking(&b); break;
    case 1: check_page(answer, &heap); break;
    case 2: check_slots(answer, &heap); break;
    case 3: if (calcom_read_event_type(answer, &heap, &e)) ensure(e.id != 0 && e.length_minutes > 0); break;
    case 4: (void)(calcom_read_me(answer, &heap) + calcom_read_success(answer, &heap)); break;
    case 5: check_error((enum calcom_question)(data[0] / 6 % (CALCOM_GET_EVENT_TYPE + 1)), statuses[data[1] % (sizeof statuses / sizeof *statuses)], answer, &heap); break;
    }
    ensure(heap.used_bytes == 0);
    return 0;
}
