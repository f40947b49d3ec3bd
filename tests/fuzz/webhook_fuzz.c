/* Any bytes as a webhook's body: decoding, dedupe, facts and the booking never crash, never leak and stay within their bounds; facts are always
 * JSON, without the secrets; and the booking reads back from them as it was. */
#include <stdlib.h>
#include "base/ensure.h"
#include "limits.h"
#include "retell/booking_facts.h"
#include "retell/events.h"

static struct heap heap = { .budget_bytes = 256 * 1024 * 1024 };

static void read_appointment(const struct booking_facts *f)
{
    struct wall_time at;
    struct slice     phrase;
    if (booking_facts_appointment(f, &at, &phrase) == APPOINTMENT_READ) ensure(date_is_valid(at.year, at.month, at.day) && at.hour < 24 && at.minute < 60);
    ensure(f->service.length <= booking_text_bytes_max && f->date.length <= booking_text_bytes_max);
}

static void check_facts(struct slice json)
{
    struct json_error     error;
    struct json_document *d = json_parse(json, &heap, &error);
    ensure(d);
    const struct json_value *facts = json_root(d);
    ensure(json_type_of(facts) == JSON_OBJECT && !slice_contains(json, slice_of("\\u0000")) == !slice_contains(json, slice_of("\\\\u0000")));
    ensure(!json_get(facts, "access_token") && !json_get(facts, "transcript"));

    struct json_iterator     members = json_each(facts);
    const struct json_value *value;
    while (json_next(&members, nullptr, &value)) ensure(json_type_of(value) != JSON_NULL);

    char                   memory[BOOKING_MEMORY_BYTES];
    struct buffer          texts = buffer_over(memory, sizeof memory);
    struct booking_sources sources = { .custom_analysis = json_get(facts, "booking") };
    struct booking_facts   booking;
    booking_facts_read(&booking, &sources, &texts);
    ensure(texts.length == 0); /* what we wrote are texts already */
    read_appointment(&booking);
    json_release(d, &heap);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count);
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
    struct retell_event e;
    enum retell_reading reading = retell_event_decode(&e, slice_from(bytes, count), &heap);
    ensure(retell_reading_text(reading) && reading != RETELL_NO_MEMORY);
    if (reading == RETELL_UNDERSTOOD) {
        char          dedupe_memory[RETELL_DEDUPE_BYTES_MAX];
        struct buffer dedupe = buffer_over(dedupe_memory, sizeof dedupe_memory);
        retell_event_dedupe(&e, &dedupe);
        ensure(dedupe.length == (e.once_per_call ? 0 : RETELL_DEDUPE_BYTES_MAX));
        ensure(e.call_id.length > 0 && e.call_id.length <= call_id_bytes_max && e.name.length > 0);

        size_t        room = retell_facts_bytes_max(&e);
        struct buffer facts = buffer_over(malloc(room), room);
        retell_event_facts(&e, &facts);
        ensure(!facts.overflowed);
        check_facts(buffer_slice(&facts));
        free(facts.start);
        retell_event_release(&e, &heap);
    }
    ensure(heap.used_bytes == 0);
    return 0;
}
