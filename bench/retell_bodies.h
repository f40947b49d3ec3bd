#pragma once
/* bench/retell_bodies.h: bodies as Retell sends them, made up: a call_analyzed whose words stand in two arrays with their times, which is what makes it big. */
#include "base/buffer.h"
#include "base/ensure.h"

static inline void add_utterances(struct buffer *b, const char *list, size_t until)
{
    buffer_print(b, ",\"%s\":[{\"role\":\"agent\",\"content\":\"Salon FRI, guten Tag.\",\"words\":[{\"word\":\"Salon\",\"start\":0.5,\"end\":0.812}", list);
    for (unsigned n = 1; b->length < until; n++) buffer_print(b, ",{\"word\":\"Termin \",\"start\":%u.%u,\"end\":%u.%u12}", n / 3, n % 10, n / 3, n % 10);
    buffer_add(b, slice_of("]}]"));
}

/* Of about `bytes`, at least 1.2 KB. */
static inline struct slice retell_body(char *memory, size_t bytes)
{
    struct buffer b = buffer_over(memory, bytes + 1024);
    buffer_add(&b, slice_of("{\"event\":\"call_analyzed\",\"call\":{\"call_id\":\"call_1a2b3c4d5e6f7a8b9c0d1e2f3a4\",\"call_type\":\"phone_call\","
        "\"agent_id\":\"agent_0123456789abcdef0123456789\",\"agent_version\":3,\"agent_name\":\"Front desk\",\"call_status\":\"ended\",\"direction\":\"inbound\","
        "\"from_number\":\"+491713920001\",\"to_number\":\"+493023125001\",\"start_timestamp\":1780000000123,\"end_timestamp\":1780000061123,\"duration_ms\":61000,"
        "\"disconnection_reason\":\"user_hangup\",\"transfer_destination\":null,\"retell_llm_dynamic_variables\":{\"company_name\":\"Salon FRI\",\"today\":\"Freitag\"},"
        "\"collected_dynamic_variables\":{\"booking_confirmed\":\"true\",\"datum\":\"2026-11-20\",\"uhrzeit\":\"14:00\",\"name\":\"Maria Muster\"},"
        "\"transcript\":\"Agent: Salon FRI, guten Tag.\\nUser: Einen Termin, bitte.\",\"recording_url\":\"https://recordings.example/rec.wav\","
        "\"call_cost\":{\"combined_cost\":7.66,\"total_duration_seconds\":61},"
        "\"call_analysis\":{\"call_summary\":\"A haircut was booked.\",\"in_voicemail\":false,\"user_sentiment\":\"Positive\",\"call_successful\":true,"
        "\"custom_analysis_data\":{\"dienstleistung\":\"Herrenhaarschnitt\",\"_email\":\"m@example.org\"}}"));
    size_t head = b.length;
    add_utterances(&b, "transcript_object", head + (bytes - head) / 2);
    add_utterances(&b, "transcript_with_tool_calls", bytes);
    buffer_add(&b, slice_of("}}"));
    ensure(!b.overflowed);
    return buffer_slice(&b);
}
