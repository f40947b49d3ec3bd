/* retell/events.c: from body to event. What an event says about its call is in facts.c. */
#include "retell/events.h"
#include "base/ensure.h"
#include "base/hmac.h"
#include "limits.h"

static const struct { struct slice name; enum retell_event_kind kind; bool once_per_call; } kinds[] = {
    { slice_of("call_started"), RETELL_CALL_STARTED, true },
    { slice_of("call_ended"), RETELL_CALL_ENDED, true },
    { slice_of("call_analyzed"), RETELL_CALL_ANALYZED, true },
    { slice_of("transfer_started"), RETELL_TRANSFER_STARTED, false },
    { slice_of("transfer_bridged"), RETELL_TRANSFER_BRIDGED, false },
    { slice_of("transfer_cancelled"), RETELL_TRANSFER_CANCELLED, false },
    { slice_of("transfer_ended"), RETELL_TRANSFER_ENDED, false },
    { slice_of("transcript_updated"), RETELL_TRANSCRIPT_UPDATED, false },
    { slice_of("chat_started"), RETELL_CHAT, true },
    { slice_of("chat_ended"), RETELL_CHAT, true },
    { slice_of("chat_analyzed"), RETELL_CHAT, true },
};

static const struct slice field_names[RETELL_FIELD_COUNT] = {
    [RETELL_FIELD_CALL_ID] = slice_of("call_id"),
    [RETELL_FIELD_CALL_TYPE] = slice_of("call_type"),
    [RETELL_FIELD_AGENT_ID] = slice_of("agent_id"),
    [RETELL_FIELD_AGENT_VERSION] = slice_of("agent_version"),
    [RETELL_FIELD_AGENT_NAME] = slice_of("agent_name"),
    [RETELL_FIELD_CALL_STATUS] = slice_of("call_status"),
    [RETELL_FIELD_DIRECTION] = slice_of("direction"),
    [RETELL_FIELD_FROM_NUMBER] = slice_of("from_number"),
    [RETELL_FIELD_TO_NUMBER] = slice_of("to_number"),
    [RETELL_FIELD_START_TIMESTAMP] = slice_of("start_timestamp"),
    [RETELL_FIELD_METADATA] = slice_of("metadata"),
    [RETELL_FIELD_DYNAMIC_VARIABLES] = slice_of("retell_llm_dynamic_variables"),
    [RETELL_FIELD_END_TIMESTAMP] = slice_of("end_timestamp"),
    [RETELL_FIELD_DURATION] = slice_of("duration_ms"),
    [RETELL_FIELD_DISCONNECTION_REASON] = slice_of("disconnection_reason"),
    [RETELL_FIELD_TRANSFER_DESTINATION] = slice_of("transfer_destination"),
    [RETELL_FIELD_COLLECTED_VARIABLES] = slice_of("collected_dynamic_variables"),
    [RETELL_FIELD_TRANSCRIPT] = slice_of("transcript"),
    [RETELL_FIELD_RECORDING_URL] = slice_of("recording_url"),
    [RETELL_FIELD_PUBLIC_LOG_URL] = slice_of("public_log_url"),
    [RETELL_FIELD_CALL_COST] = slice_of("call_cost"),
    [RETELL_FIELD_CALL_ANALYSIS] = slice_of("call_analysis"),
    [RETELL_FIELD_CHAT_ID] = slice_of("chat_id"),
    [RETELL_FIELD_CHAT_ANALYSIS] = slice_of("chat_analysis"),
};

/* ---- objects, also those that came as text ---- */

/* A text becomes part of what we write, so its depth and that of what stands around it must stay within json_depth_max together. */
static bool nests_within(struct slice json, uint32_t depth_max)
{
    uint32_t depth = 0;
    bool     quoted = false;
    for (size_t n = 0; n < json.length; n++) {
        char c = json.start[n];
        if (c == '"') quoted = !quoted;
        else if (quoted) n += c == '\\';
        else if ((c == '{' || c == '[') && ++depth > depth_max) return false;
        else if ((c == '}' || c == ']') && depth > 0) depth -= 1;
    }
    return true;
}

static const struct json_value *opened(struct retell_event *e, struct slice json, struct heap *heap)
{
    struct json_error     error;
    struct json_document *d = json_parse(json, heap, &error);
    e->starved |= error.status == JSON_NO_MEMORY;
    if (!d) return nullptr;
    e->documents[e->document_count++] = d;
    return json_root(d);
}

/* The value if it is an object, or the object that it holds as text: agents and what stands between us and them encode twice at times. */
static const struct json_value *object_in(struct retell_event *e, const struct json_value *v, struct heap *heap)
{
    if (json_type_of(v) == JSON_OBJECT) return v;

    struct slice text = slice_trim(json_text(v));
    if (!slice_starts_with(text, slice_of("{")) || !nests_within(text, json_depth_max - 4)) return nullptr;
    ensure(e->document_count < RETELL_DOCUMENTS_MAX);
    return opened(e, text, heap);
}

/* ---- what every event must have ---- */

static bool is_usable(struct slice text, size_t bytes_max)
{
    for (size_t n = 0; n < text.length; n++)
        if ((uint8_t)text.start[n] < 0x20 || text.start[n] == 0x7f) return false;
    return text.length <= bytes_max;
}

static void name_kind(struct retell_event *e, bool is_chat)
{
    e->kind = is_chat ? RETELL_CHAT : RETELL_UNKNOWN;
    for (size_t n = 0; n < sizeof kinds / sizeof *kinds; n++) {
        if (!slice_equal(kinds[n].name, e->name)) continue;
        e->once_per_call = kinds[n].once_per_call;
        if (!is_chat) e->kind = kinds[n].kind;
    }
}

/* Of the call or chat object, or beside it. */
static struct slice id_in(const struct retell_event *e, const struct json_value *root, enum retell_field id)
{
    struct slice text = json_text(e->fields[id]);
    return text.length > 0 ? text : json_text(json_find(root, field_names[id]));
}

/* {event, call: {…}}, {event, chat: {…}}, or flat: the call's fields beside `event`. */
static enum retell_reading read_envelope(struct retell_event *e, const struct json_value *root, struct heap *heap)
{
    e->name = json_get_text(root, "event");
    if (e->name.length == 0) return RETELL_NO_EVENT_NAME;
    if (!is_usable(e->name, retell_event_name_bytes_max)) return RETELL_BAD_EVENT_NAME;

    const struct json_value *call = object_in(e, json_get(root, "call"), heap);
    const struct json_value *chat = call ? nullptr : object_in(e, json_get(root, "chat"), heap);
    json_find_each(call ? call : chat ? chat : root, field_names, RETELL_FIELD_COUNT, e->fields);
    name_kind(e, chat != nullptr);

    e->call_id = id_in(e, root, e->kind == RETELL_CHAT ? RETELL_FIELD_CHAT_ID : RETELL_FIELD_CALL_ID);
    if (e->call_id.length == 0) return RETELL_NO_CALL_ID;
    return is_usable(e->call_id, call_id_bytes_max) ? RETELL_UNDERSTOOD : RETELL_BAD_CALL_ID;
}

/* ---- what it may have ---- */

/* Up to the first U+0000: PostgreSQL's texts cannot hold one, and it would refuse the event for good. What stands behind it is in the body. */
static struct slice text_or_absent(const struct json_value *v)
{
    struct slice behind = json_text(v);
    struct slice text = slice_trim(slice_split(&behind, '\0'));
    return text.length > 0 ? text : slice_absent;
}

/* Beside the call it is an object with a number, inside the call a text. */
static struct slice transfer_destination_in(const struct retell_event *e, const struct json_value *root)
{
    const struct json_value *beside = json_get(root, "transfer_destination");
    struct slice             number = text_or_absent(json_get(beside, "number"));
    if (slice_is_absent(number)) number = text_or_absent(beside);
    return slice_is_absent(number) ? text_or_absent(e->fields[RETELL_FIELD_TRANSFER_DESTINATION]) : number;
}

static void read_fields(struct retell_event *e, const struct json_value *root, struct heap *heap)
{
    e->from_number = text_or_absent(e->fields[RETELL_FIELD_FROM_NUMBER]);
    e->to_number = text_or_absent(e->fields[RETELL_FIELD_TO_NUMBER]);
    e->direction = text_or_absent(e->fields[RETELL_FIELD_DIRECTION]);
    e->agent_id = text_or_absent(e->fields[RETELL_FIELD_AGENT_ID]);
    e->transcript = text_or_absent(e->fields[RETELL_FIELD_TRANSCRIPT]);
    e->transfer_destination = transfer_destination_in(e, root);
    if (!json_integer(e->fields[RETELL_FIELD_AGENT_VERSION], &e->agent_version) || e->agent_version < 0) e->agent_version = -1;

    e->metadata = object_in(e, e->fields[RETELL_FIELD_METADATA], heap);
    e->dynamic_variables = object_in(e, e->fields[RETELL_FIELD_DYNAMIC_VARIABLES], heap);
    e->collected_variables = object_in(e, e->fields[RETELL_FIELD_COLLECTED_VARIABLES], heap);
    e->analysis = object_in(e, e->fields[e->kind == RETELL_CHAT ? RETELL_FIELD_CHAT_ANALYSIS : RETELL_FIELD_CALL_ANALYSIS], heap);
    e->custom_analysis = object_in(e, json_get(e->analysis, "custom_analysis_data"), heap);
}

static enum retell_reading decode(struct retell_event *e, struct heap *heap)
{
    const struct json_value *outer = opened(e, e->body, heap);
    if (!outer) return RETELL_NOT_JSON;
    const struct json_value *root = object_in(e, outer, heap);
    if (!root) return RETELL_NOT_AN_OBJECT;

    enum retell_reading reading = read_envelope(e, root, heap);
    if (reading == RETELL_UNDERSTOOD) read_fields(e, root, heap);
    return reading;
}

enum retell_reading retell_event_decode(struct retell_event *e, struct slice body, struct heap *heap)
{
    *e = (struct retell_event){ .body = body, .agent_version = -1 };
    enum retell_reading reading = decode(e, heap);
    if (e->starved) reading = RETELL_NO_MEMORY; /* whatever seems to be missing may be what did not fit */
    if (reading != RETELL_UNDERSTOOD) retell_event_release(e, heap);
    return reading;
}

void retell_event_release(struct retell_event *e, struct heap *heap)
{
    for (uint32_t n = 0; n < e->document_count; n++) json_release(e->documents[n], heap);
    *e = (struct retell_event){ .agent_version = -1 };
}

void retell_event_dedupe(const struct retell_event *e, struct buffer *dedupe)
{
    if (e->once_per_call) return;
    struct hmac_digest digest = sha256_of(e->body);
    hex_print(dedupe, digest.bytes, sizeof digest.bytes);
}

const char *retell_reading_text(enum retell_reading r)
{
    switch (r) {
    case RETELL_UNDERSTOOD:     return "understood";
    case RETELL_NO_MEMORY:      return "no memory to decode it";
    case RETELL_NOT_JSON:       return "the body is not JSON";
    case RETELL_NOT_AN_OBJECT:  return "the body is not a JSON object";
    case RETELL_NO_EVENT_NAME:  return "there is no event name";
    case RETELL_BAD_EVENT_NAME: return "the event name is longer than 64 bytes or holds control characters";
    case RETELL_NO_CALL_ID:     return "there is no call id";
    case RETELL_BAD_CALL_ID:    return "the call id is longer than 128 bytes or holds control characters";
    }
    ensure(false);
    return nullptr;
}
static_assert(retell_event_name_bytes_max == 64 && call_id_bytes_max == 128); /* said in the texts above */
