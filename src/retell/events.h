#pragma once
/* retell/events.h: a verified webhook body, decoded once. The event owns its JSON; all slices and values point into it and die with it.
 *
 * Only the event's name and the call's id must be there. Everything else may be missing, null, of another type, new, or written in one of the
 * ways that have been seen: flat or with a `call` object, times in milliseconds or as ISO text, objects as text that holds JSON, web calls without
 * numbers, chats. What does not make sense is left out, never guessed; the body itself is kept by the caller.
 * Pure but for the heap; any thread, one at a time.
 */
#include "base/json.h"

enum retell_event_kind : uint8_t {
    RETELL_CALL_STARTED,
    RETELL_CALL_ENDED,
    RETELL_CALL_ANALYZED,
    RETELL_TRANSFER_STARTED,
    RETELL_TRANSFER_BRIDGED,
    RETELL_TRANSFER_CANCELLED,
    RETELL_TRANSFER_ENDED,
    RETELL_TRANSCRIPT_UPDATED,
    RETELL_CHAT,    /* anything about a chat; call_id is the chat's id */
    RETELL_UNKNOWN, /* of a call, but newer than this code */
};

/* What is read of a call or chat object, in the order in which Retell writes it (json_find_each() likes that). */
enum retell_field : uint8_t {
    RETELL_FIELD_CALL_ID,
    RETELL_FIELD_CALL_TYPE,
    RETELL_FIELD_AGENT_ID,
    RETELL_FIELD_AGENT_VERSION,
    RETELL_FIELD_AGENT_NAME,
    RETELL_FIELD_CALL_STATUS,
    RETELL_FIELD_DIRECTION,
    RETELL_FIELD_FROM_NUMBER,
    RETELL_FIELD_TO_NUMBER,
    RETELL_FIELD_START_TIMESTAMP,
    RETELL_FIELD_METADATA,
    RETELL_FIELD_DYNAMIC_VARIABLES,
    RETELL_FIELD_END_TIMESTAMP,
    RETELL_FIELD_DURATION,
    RETELL_FIELD_DISCONNECTION_REASON,
    RETELL_FIELD_TRANSFER_DESTINATION,
    RETELL_FIELD_COLLECTED_VARIABLES,
    RETELL_FIELD_TRANSCRIPT,
    RETELL_FIELD_RECORDING_URL,
    RETELL_FIELD_PUBLIC_LOG_URL,
    RETELL_FIELD_CALL_COST,
    RETELL_FIELD_CALL_ANALYSIS,
    RETELL_FIELD_CHAT_ID,
    RETELL_FIELD_CHAT_ANALYSIS,
    RETELL_FIELD_COUNT,
};

enum retell_reading : uint8_t {
    RETELL_UNDERSTOOD,
    RETELL_NO_MEMORY, /* says nothing about the body: 503, it comes again */
    /* The rest are signed and not understood: quarantined. */
    RETELL_NOT_JSON,
    RETELL_NOT_AN_OBJECT,
    RETELL_NO_EVENT_NAME,
    RETELL_BAD_EVENT_NAME,
    RETELL_NO_CALL_ID,
    RETELL_BAD_CALL_ID,
};
[[nodiscard]] const char *retell_reading_text(enum retell_reading r); /* "the call id is longer than 128 bytes or holds control characters" */

/* One for the body, and one for each object that came as text: the body once more, its call, and five within that. */
enum { RETELL_DOCUMENTS_MAX = 8 };

struct retell_event {
    enum retell_event_kind kind;
    bool         once_per_call; /* Retell sends it once: a second one is a retry, whatever its bytes */
    struct slice name;          /* as sent, at most retell_event_name_bytes_max */
    struct slice call_id;       /* at most call_id_bytes_max, no control characters */
    struct slice body;          /* the caller's */
    /* Absent when not given; never empty, never with U+0000. Numbers as sent: "anonymous" is one. */
    struct slice from_number, to_number, direction, agent_id, transcript, transfer_destination;
    int64_t      agent_version; /* -1: not given; the first version is 0 */
    const struct json_value *fields[RETELL_FIELD_COUNT]; /* of the call or chat object, as sent; nullptr: not there */
    const struct json_value *metadata, *dynamic_variables, *collected_variables, *analysis, *custom_analysis; /* objects; nullptr: not given */

    struct json_document *documents[RETELL_DOCUMENTS_MAX]; /* of events.c */
    uint32_t document_count;
    bool     starved;
};

/* body must outlive the event. Anything but RETELL_UNDERSTOOD leaves nothing to release. */
[[nodiscard]] enum retell_reading retell_event_decode(struct retell_event *e, struct slice body, struct heap *heap);
void retell_event_release(struct retell_event *e, struct heap *heap);

/* What makes two deliveries of (workspace, event, call) different events. Lifecycle: nothing, empty. Transfers, transcript updates and unknown
 * ones happen several times in a call, and no field of theirs tells them apart: SHA-256 of the body, 64 hex digits. */
enum { RETELL_DEDUPE_BYTES_MAX = 64 };
void retell_event_dedupe(const struct retell_event *e, struct buffer *dedupe);

/* What the event says about its call, as one JSON object without nulls, empty texts or U+0000 (which PostgreSQL's JSON cannot hold):
 *
 *   every event:       call_status, call_type, direction, from_number, to_number, agent_id, agent_version, agent_name, started_at_us, metadata {}
 *   ended, analyzed:   ended_at_us, duration_ms, disconnection_reason, recording_url, public_log_url, cost_cents (fractional, as given),
 *                      billed_seconds, call_summary, user_sentiment, call_successful, in_voicemail, analysis {custom_analysis_data},
 *                      booking {booking_facts_write()}
 *
 * Never access_token, never the transcript. Merging two events of a call goes field by field, inside `booking` too.
 * retell_facts_bytes_max() is always enough room: numbers may grow (1e14 has 15 digits), and so do control characters (\b becomes \u0008); what was said of
 * a booking stands twice, and of the second time we only know how long it gets. */
void retell_event_facts(const struct retell_event *e, struct buffer *json);
static inline size_t retell_facts_bytes_max(const struct retell_event *e) { return 4 * e->body.length + 4096 + booking_json_bytes_max; }
