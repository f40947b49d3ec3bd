#pragma once
/* calcom/wire.h: Cal.com's URLs and JSON as structs and back; the field names live in wire.c and nowhere else. Of this folder only.
 *
 * Reading is tolerant of what does not matter (unknown keys, absent or null optionals, numbers as texts) and says false where the answer
 * does not say what was asked: the caller then knows nothing (B31). Pure; `heap` is used within the call only.
 */
#include "base/heap.h"
#include "calcom/calcom.h"

/* Path and query, below the base URL. Everything that is not unreserved (RFC 3986) is percent-encoded. */
void calcom_print_booking_target(struct buffer *b, struct slice uid, const char *verb /* "" or "/cancel" */);
void calcom_print_find_target(struct buffer *b, const struct calcom_find *f, bool by_email, uint32_t skip);
void calcom_print_slots_target(struct buffer *b, int64_t event_type_id, int64_t from_us, int64_t until_us, struct slice time_zone);
void calcom_print_event_type_target(struct buffer *b, int64_t id);
void calcom_print_cancel(struct buffer *b, struct slice reason);

/* `data` is a booking, or an array that begins with one. Without uid, start, end (or duration) and status it is not a booking. */
[[nodiscard]] bool calcom_read_booking(struct slice answer, struct heap *heap, struct calcom_booking *b);

/* One page of a list. Adds what is ours to op->bookings: each uid once, earliest created first, the earliest kept if there are too many. */
struct calcom_page { uint32_t count; bool is_last; };
[[nodiscard]] bool calcom_read_page(struct slice answer, struct heap *heap, const struct calcom_find *wanted, struct calcom_op *op, struct calcom_page *page);

/* Starts in [from, until) into op->slots_us. A slot whose start cannot be read is left out. */
[[nodiscard]] bool calcom_read_slots(struct slice answer, struct heap *heap, int64_t from_us, int64_t until_us, struct calcom_op *op);
[[nodiscard]] bool calcom_read_event_type(struct slice answer, struct heap *heap, struct calcom_event_type *e);
[[nodiscard]] bool calcom_read_me(struct slice answer, struct heap *heap);
[[nodiscard]] bool calcom_read_success(struct slice answer, struct heap *heap); /* the envelope says success, whatever is in it */
