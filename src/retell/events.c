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

static struct slice first_text(const struct json_value *a, const struct json_value *b, const char *key)
{
    struct slice text = json_get_text(a, key);
    return text.length > 0 ? text : json_get_text(b, key);
}

/* {event, call: {…}}, {event, chat: {…}}, or flat: the call's fields beside `event`. */
static enum retell_reading read_envelope(struct retell_event *e, const struct json_value *root, struct heap *heap)
{
    e->name = json_get_text(root, "event");
    if (e->name.length == 0) return RETELL_NO_EVENT_NAME;
    if (!is_usable(e->name, retell_event_name_bytes_max)) return RETELL_BAD_EVENT_NAME;

    const struct json_value *call = object_in(e, json_get(root, "call"), heap);
    const struct json_value *chat = call ? nullptr : object_in(e, json_get(root, "chat"), heap);
    e->call = call ? call : chat ? chat : root;
    name_kind(e, chat != nullptr);

    e->call_id = first_text(e->call, root, e->kind == RETELL_CHAT ? "chat_id" : "call_id");
    if (e->call_id.length == 0) return RETELL_NO_CALL_ID;
    return is_usable(e->call_id, call_id_bytes_max) ? RETELL_UNDERSTOOD : RETELL_BAD_CALL_ID;
}

/* ---- what it may have ---- */

/* Up to the first U+0000: PostgreSQL's texts cannot hold one, and it would refuse the event for good. What stands behind it is in the body. */
static struct slice text_or_absent(const struct json_value *object, const char *key)
{
    struct slice behind = json_get_text(object, key);
    struct slice text = slice_trim(slice_split(&behind, '\0'));
    return text.length > 0 ? text : slice_absent;
}

/* Beside the call it is an object with a number, inside the call a text. */
static struct slice transfer_destination_in(const struct retell_event *e, const struct json_value *root)
{
    const struct json_value *beside = json_get(root, "transfer_destination");
    struct slice             number = text_or_absent(beside, "number");
    if (slice_is_absent(number)) number = text_or_absent(root, "transfer_destination");
    return slice_is_absent(number) ? text_or_absent(e->call, "transfer_destination") : number;
}

static void read_fields(struct retell_event *e, const struct json_value *root, struct heap *heap)
{
    e->from_number = text_or_absent(e->call, "from_number");
    e->to_number = text_or_absent(e->call, "to_number");
    e->direction = text_or_absent(e->call, "direction");
    e->agent_id = text_or_absent(e->call, "agent_id");
    e->transcript = text_or_absent(e->call, "transcript");
    e->transfer_destination = transfer_destination_in(e, root);
    if (!json_integer(json_get(e->call, "agent_version"), &e->agent_version) || e->agent_version < 0) e->agent_version = -1;

    e->metadata = object_in(e, json_get(e->call, "metadata"), heap);
    e->dynamic_variables = object_in(e, json_get(e->call, "retell_llm_dynamic_variables"), heap);
    e->collected_variables = object_in(e, json_get(e->call, "collected_dynamic_variables"), heap);
    e->analysis = object_in(e, json_get(e->call, e->kind == RETELL_CHAT ? "chat_analysis" : "call_analysis"), heap);
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
