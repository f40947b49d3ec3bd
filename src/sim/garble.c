#include "sim/garble.h"
#include "base/ensure.h"

constexpr size_t nesting_depth = 100'000, padding_bytes = 5'000'000;

static void add_times(struct buffer *out, char byte, size_t count)
{
    for (size_t i = 0; i < count; i++) buffer_add_byte(out, byte);
}

/* Where the text that begins at `from` (its opening quote) ends: behind its closing quote. */
static size_t text_end(struct slice json, size_t from)
{
    size_t i = from + 1;
    while (i < json.length && json.start[i] != '"') i += json.start[i] == '\\' ? 2 : 1;
    return i < json.length ? i + 1 : json.length;
}

static bool begins_number(char c) { return c == '-' || (c >= '0' && c <= '9'); }
static bool is_of_number(char c) { return begins_number(c) || c == '+' || c == '.' || c == 'e' || c == 'E'; }

static void print_numbers_as_texts(struct buffer *out, struct slice json)
{
    for (size_t i = 0; i < json.length;) {
        size_t end = i + 1;
        bool number = begins_number(json.start[i]);
        if (json.start[i] == '"') end = text_end(json, i);
        while (number && end < json.length && is_of_number(json.start[end])) end++;
        if (number) buffer_add_byte(out, '"');
        buffer_add(out, slice_take(slice_skip(json, i), end - i));
        if (number) buffer_add_byte(out, '"');
        i = end;
    }
}

/* The members of the answer and of its data: what lies deeper stays as it is. */
static void print_doubled_keys(struct buffer *out, struct slice json)
{
    enum { DEPTH_MAX = 2 };
    bool is_object[DEPTH_MAX + 1] = { false }, awaits_key = false;
    uint32_t depth = 0;
    for (size_t i = 0, end; i < json.length; i = end) {
        char c = json.start[i];
        end = c == '"' ? text_end(json, i) : i + 1;
        struct slice piece = slice_take(slice_skip(json, i), end - i);
        if (c == '"' && awaits_key) {
            buffer_add(out, piece);
            buffer_add(out, slice_of(":null,"));
        }
        buffer_add(out, piece);
        if (c == '}' || c == ']') depth--;
        if (c == '{' || c == '[') depth++;
        if ((c == '{' || c == '[') && depth <= DEPTH_MAX) is_object[depth] = c == '{';
        awaits_key = (c == '{' || c == ',') && depth <= DEPTH_MAX && is_object[depth];
    }
}

/* One more member at the end of the answer, written by what stands between the two calls. */
static size_t begin_member(struct buffer *out, struct slice json)
{
    size_t end = json.length;
    while (end > 0 && json.start[end - 1] != '}') end--;
    ensure(end > 0); /* it begins with '{' and was written by us */
    buffer_add(out, slice_take(json, end - 1));
    buffer_add(out, slice_of(",\"more\":"));
    return end - 1;
}

static void end_member(struct buffer *out, struct slice json, size_t at) { buffer_add(out, slice_skip(json, at)); }

static void print_nesting(struct buffer *out, struct slice json)
{
    size_t at = begin_member(out, json);
    add_times(out, '[', nesting_depth);
    add_times(out, ']', nesting_depth);
    end_member(out, json, at);
}

static void print_huge(struct buffer *out, struct slice json)
{
    size_t at = begin_member(out, json);
    buffer_add_byte(out, '"');
    add_times(out, 'x', padding_bytes);
    buffer_add_byte(out, '"');
    end_member(out, json, at);
}

static size_t last_quote(struct slice json)
{
    size_t at = json.length;
    while (at > 0 && json.start[at - 1] != '"') at--;
    return at > 0 ? at - 1 : json.length;
}

static void print_invalid_utf8(struct buffer *out, struct slice json)
{
    size_t at = last_quote(json);
    buffer_add(out, slice_take(json, at));
    buffer_add(out, slice_of("\xff\xc3\x28\xed\xa0\x80"));
    buffer_add(out, slice_skip(json, at));
}

static void print_unknown_host(struct buffer *out, struct slice json)
{
    static const char hosts[] = "\"hosts\":[{\"id\":";
    const char *at;
    while (json.length > 0 && (at = memmem(json.start, json.length, hosts, sizeof hosts - 1))) {
        size_t before = (size_t)(at - json.start) + sizeof hosts - 1;
        buffer_add(out, slice_take(json, before));
        buffer_add(out, slice_of("\"unknown\""));
        json = slice_skip(json, before);
        while (json.length > 0 && is_of_number(json.start[0])) json = slice_skip(json, 1);
    }
    buffer_add(out, json);
}

size_t garble_bytes_max(enum sim_garble g, size_t answer_bytes)
{
    switch (g) {
    case SIM_GARBLE_NOTHING:      return answer_bytes;
    case SIM_GARBLE_UTF8:         return answer_bytes + 16;
    case SIM_GARBLE_NESTING:      return answer_bytes + 2 * nesting_depth + 16;
    case SIM_GARBLE_HUGE:         return answer_bytes + padding_bytes + 16;
    case SIM_GARBLE_DOUBLED_KEYS: return 8 * answer_bytes; /* "":1, becomes "":null,"":1, */
    case SIM_GARBLE_NUMBERS:      return 3 * answer_bytes;
    case SIM_GARBLE_HOST_ID:      return 2 * answer_bytes;
    }
    ensure(false);
}

void garble_print(struct buffer *out, enum sim_garble g, struct slice answer)
{
    if (!slice_starts_with(answer, slice_of("{"))) return buffer_add(out, answer);
    switch (g) {
    case SIM_GARBLE_NOTHING:      return buffer_add(out, answer);
    case SIM_GARBLE_UTF8:         return print_invalid_utf8(out, answer);
    case SIM_GARBLE_NESTING:      return print_nesting(out, answer);
    case SIM_GARBLE_HUGE:         return print_huge(out, answer);
    case SIM_GARBLE_DOUBLED_KEYS: return print_doubled_keys(out, answer);
    case SIM_GARBLE_NUMBERS:      return print_numbers_as_texts(out, answer);
    case SIM_GARBLE_HOST_ID:      return print_unknown_host(out, answer);
    }
    ensure(false);
}
