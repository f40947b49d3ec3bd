/* base/json_writer.c: writing. No memory of its own, no recursion: text goes straight into the buffer. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include "base/ensure.h"
#include "base/json.h"
#include "base/text.h"

static bool is_plain(char c) { return (uint8_t)c >= 0x20 && (uint8_t)c < 0x80 && c != '"' && c != '\\'; }

/* Eight bytes at once. In each of them the top bit ends up set where it was, where the byte is below a blank, and where it is a quote or a backslash. */
static bool are_plain(const char *eight)
{
    constexpr uint64_t each = UINT64_C(0x0101010101010101), tops = 0x80 * each;
    uint64_t word;
    memcpy(&word, eight, sizeof word);
    uint64_t below_blank = word - ' ' * each, quote = (word ^ '"' * each) - each, backslash = (word ^ '\\' * each) - each;
    return ((word | below_blank | quote | backslash) & tops) == 0;
}

/* How many bytes stand in JSON as they are: nearly always all. */
static size_t plain_bytes(struct slice text)
{
    size_t plain = 0;
    while (plain + 8 <= text.length && are_plain(text.start + plain)) plain += 8;
    /* Fewer than eight are left: looked at together with some before them, which are plain. */
    if (text.length >= 8 && plain + 8 > text.length && are_plain(text.start + text.length - 8)) return text.length;
    while (plain < text.length && is_plain(text.start[plain])) plain += 1;
    return plain;
}

static void add_escaped(struct buffer *b, char c)
{
    switch (c) {
    case '"':  buffer_add(b, slice_of("\\\"")); break;
    case '\\': buffer_add(b, slice_of("\\\\")); break;
    case '\n': buffer_add(b, slice_of("\\n")); break;
    case '\r': buffer_add(b, slice_of("\\r")); break;
    case '\t': buffer_add(b, slice_of("\\t")); break;
    default:   buffer_print(b, "\\u%04x", (unsigned)c); break; /* the other control characters */
    }
}

static void add_quoted(struct buffer *b, struct slice text)
{
    buffer_add_byte(b, '"');
    while (text.length > 0) {
        size_t plain = plain_bytes(text);
        buffer_add(b, slice_take(text, plain));
        text = slice_skip(text, plain);
        if (text.length == 0) break;

        size_t character = utf8_character_bytes(text);
        if (character == 1) add_escaped(b, text.start[0]);
        else if (character > 1) buffer_add(b, slice_take(text, character));
        else buffer_add(b, slice_of("\xef\xbf\xbd")); /* U+FFFD */
        text = slice_skip(text, character > 0 ? character : 1);
    }
    buffer_add_byte(b, '"');
}

static void separate(struct json_writer *w)
{
    if (w->has_item[w->depth]) {
        ensure(w->depth > 0); /* a second root */
        buffer_add_byte(w->out, ',');
    }
    w->has_item[w->depth] = true;
}

void json_add_key(struct json_writer *w, struct slice key)
{
    ensure(w->is_object[w->depth] && !w->has_key);
    separate(w);
    add_quoted(w->out, key);
    buffer_add_byte(w->out, ':');
    w->has_key = true;
}

/* Everything but keys begins here. */
static void begin_item(struct json_writer *w, const char *key)
{
    if (key) json_add_key(w, slice_from_text(key));
    ensure(w->has_key == w->is_object[w->depth]);
    if (!w->has_key) separate(w);
    w->has_key = false;
}

static void open_container(struct json_writer *w, const char *key, bool object)
{
    begin_item(w, key);
    ensure(w->depth < json_depth_max);
    w->depth += 1;
    w->has_item[w->depth] = false;
    w->is_object[w->depth] = object;
    buffer_add_byte(w->out, object ? '{' : '[');
}

static void close_container(struct json_writer *w, bool object)
{
    ensure(w->depth > 0 && w->is_object[w->depth] == object && !w->has_key);
    w->depth -= 1;
    buffer_add_byte(w->out, object ? '}' : ']');
}

void json_begin_object(struct json_writer *w, const char *key) { open_container(w, key, true); }
void json_end_object(struct json_writer *w) { close_container(w, true); }
void json_begin_array(struct json_writer *w, const char *key) { open_container(w, key, false); }
void json_end_array(struct json_writer *w) { close_container(w, false); }

void json_add_raw(struct json_writer *w, const char *key, struct slice json)
{
    begin_item(w, key);
    buffer_add(w->out, slice_is_absent(json) ? slice_of("null") : json);
}

void json_add_null(struct json_writer *w, const char *key) { json_add_raw(w, key, slice_of("null")); }

void json_add_boolean(struct json_writer *w, const char *key, bool value)
{
    json_add_raw(w, key, value ? slice_of("true") : slice_of("false"));
}

void json_add_text(struct json_writer *w, const char *key, struct slice text)
{
    if (slice_is_absent(text)) {
        json_add_null(w, key);
        return;
    }
    begin_item(w, key);
    add_quoted(w->out, text);
}

void json_add_integer(struct json_writer *w, const char *key, int64_t value)
{
    begin_item(w, key);
    buffer_add_integer(w->out, value);
}

void json_add_unsigned(struct json_writer *w, const char *key, uint64_t value)
{
    begin_item(w, key);
    buffer_add_unsigned(w->out, value);
}

/* With at most three decimals, as prices and seconds have: the thousandths, if dividing them gives the same number back. It is the number that they are read as, because
 * a division is rounded as reading is; and with fifteen digits at most there is no shorter way to write it. false: it is not of that kind. */
static bool add_thousandths(struct json_writer *w, const char *key, double value)
{
    if (!(fabs(value) < 1e12)) return false;
    int64_t thousandths = llround(value * 1000);
    if ((double)thousandths / 1000 != value) return false;

    begin_item(w, key);
    uint64_t magnitude = (uint64_t)llabs(thousandths), fraction = magnitude % 1000;
    if (thousandths < 0) buffer_add_byte(w->out, '-');
    buffer_add_unsigned(w->out, magnitude / 1000);
    if (fraction > 0) buffer_add_byte(w->out, '.');
    for (uint64_t digit = 100; fraction > 0; fraction %= digit, digit /= 10) buffer_add_byte(w->out, (char)('0' + fraction / digit));
    return true;
}

void json_add_real(struct json_writer *w, const char *key, double value)
{
    if (!isfinite(value)) {
        json_add_null(w, key);
        return;
    }
    if (add_thousandths(w, key, value)) return;
    /* The fewest digits that read back as the same number; 17 always do. */
    char digits[32];
    for (int precision = 15; precision <= 17; precision++) {
        snprintf(digits, sizeof digits, "%.*g", precision, value);
        if (strtod(digits, nullptr) == value) break;
    }
    json_add_raw(w, key, slice_from_text(digits));
}

void json_add_value(struct json_writer *w, const char *key, const struct json_value *v)
{
    begin_item(w, key);
    json_print(w->out, v);
}
