#include "jsonb.h"
#include <stdio.h>
#include <stdlib.h>
#include "base/ensure.h"

constexpr uint32_t depth_max = 512;              /* PostgreSQL's bound is its stack's; ours stays below it */
constexpr int64_t  numeric_digits_max = 131'072; /* before the point */
static const char  malformed[] = "22P02", too_deep[] = "54001", out_of_range[] = "22003", untranslatable[] = "22P05";

/* -- numbers -- */

struct decimal { bool negative; char *digits; int64_t count, point; /* digits before the point; may be negative, or past the end */ int64_t places; };

/* The text is one that the grammar has let through: sign, digits with at most one point among them, exponent. */
static bool read_decimal(struct arena *a, struct slice text, struct decimal *d)
{
    *d = (struct decimal){ .digits = arena_take(a, text.length + 1) };
    size_t at = 0;
    if (at < text.length && (text.start[at] == '-' || text.start[at] == '+')) d->negative = text.start[at++] == '-';
    bool after_point = false;
    for (; at < text.length && text.start[at] != 'e' && text.start[at] != 'E'; at++) {
        if (text.start[at] == '.') {
            after_point = true;
            continue;
        }
        d->digits[d->count++] = text.start[at];
        if (after_point) d->places += 1;
        else d->point += 1;
    }
    if (at == text.length) return true;
    struct slice exponent = slice_skip(text, at + 1);
    if (exponent.length > 12) return false;
    char digits[16];
    snprintf(digits, sizeof digits, SLICE_FORMAT, slice_print(exponent));
    const int64_t shift = strtoll(digits, nullptr, 10);
    d->point += shift;
    d->places = d->places > shift ? d->places - shift : 0;
    return true;
}

static char digit_at(const struct decimal *d, int64_t place) { return place >= 0 && place < d->count ? d->digits[place] : '0'; }

bool numeric_normalize(struct arena *a, struct slice text, struct slice *normal)
{
    struct decimal d;
    if (!read_decimal(a, text, &d) || d.point > numeric_digits_max || d.places > numeric_digits_max) return false;
    int64_t first = 0;
    while (first < d.count && d.digits[first] == '0') first += 1;
    const bool is_zero = first == d.count;
    char *out = arena_take(a, (size_t)((d.point > 0 ? d.point : 0) + d.places + 4)), *end = out;
    if (d.negative && !is_zero) *end++ = '-';
    if (is_zero || first >= d.point) *end++ = '0';
    else for (int64_t place = first; place < d.point; place++) *end++ = digit_at(&d, place);
    if (d.places > 0) *end++ = '.';
    for (int64_t place = d.point; place < d.point + d.places; place++) *end++ = digit_at(&d, place);
    *normal = slice_from(out, (size_t)(end - out));
    return true;
}

/* -- reading -- */

struct reader { struct arena *arena; const char *at, *end; uint32_t depth; const char *sqlstate; };

static const struct jsonb *refuse(struct reader *r, const char *sqlstate)
{
    if (!r->sqlstate) r->sqlstate = sqlstate;
    return nullptr;
}

static void skip_blanks(struct reader *r)
{
    while (r->at < r->end && memchr(" \t\n\r", *r->at, 4)) r->at += 1;
}

static bool take(struct reader *r, char byte)
{
    if (r->at == r->end || *r->at != byte) return false;
    r->at += 1;
    return true;
}

static struct jsonb *value_of(struct reader *r, enum jsonb_kind kind)
{
    struct jsonb *v = arena_take(r->arena, sizeof *v);
    v->kind = kind;
    return v;
}

static uint32_t read_digits(struct reader *r)
{
    const char *start = r->at;
    while (r->at < r->end && *r->at >= '0' && *r->at <= '9') r->at += 1;
    return (uint32_t)(r->at - start);
}

static const struct jsonb *read_number(struct reader *r)
{
    const char *start = r->at;
    (void)take(r, '-');
    const char *digits = r->at;
    const uint32_t count = read_digits(r);
    if (count == 0 || (count > 1 && *digits == '0')) return refuse(r, malformed);
    if (take(r, '.') && read_digits(r) == 0) return refuse(r, malformed);
    if (take(r, 'e') || take(r, 'E')) {
        if (!take(r, '-')) (void)take(r, '+');
        if (read_digits(r) == 0) return refuse(r, malformed);
    }
    struct jsonb *v = value_of(r, JSONB_NUMBER);
    return numeric_normalize(r->arena, slice_from(start, (size_t)(r->at - start)), &v->text) ? v : refuse(r, out_of_range);
}

/* Four hex digits. */
static bool read_unit(struct reader *r, uint32_t *unit)
{
    if (r->end - r->at < 4) return false;
    *unit = 0;
    for (uint32_t n = 0; n < 4; n++) {
        const char c = *r->at++;
        const char *const found = memchr("0123456789abcdefABCDEF", c, 22);
        if (!found) return false;
        *unit = *unit * 16 + (uint32_t)(c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10);
    }
    return true;
}

static char *put_utf8(char *to, uint32_t point)
{
    if (point < 0x80) *to++ = (char)point;
    else if (point < 0x800) {
        *to++ = (char)(0xC0 | point >> 6);
        *to++ = (char)(0x80 | (point & 0x3F));
    } else if (point < 0x10000) {
        *to++ = (char)(0xE0 | point >> 12);
        *to++ = (char)(0x80 | (point >> 6 & 0x3F));
        *to++ = (char)(0x80 | (point & 0x3F));
    } else {
        *to++ = (char)(0xF0 | point >> 18);
        *to++ = (char)(0x80 | (point >> 12 & 0x3F));
        *to++ = (char)(0x80 | (point >> 6 & 0x3F));
        *to++ = (char)(0x80 | (point & 0x3F));
    }
    return to;
}

static bool read_point(struct reader *r, uint32_t *point)
{
    if (!read_unit(r, point)) return refuse(r, malformed), false;
    if (*point == 0) return refuse(r, untranslatable), false;
    if (*point < 0xD800 || *point > 0xDFFF) return true;
    uint32_t low;
    if (*point > 0xDBFF || !take(r, '\\') || !take(r, 'u') || !read_unit(r, &low) || low < 0xDC00 || low > 0xDFFF) return refuse(r, malformed), false;
    *point = 0x10000 + ((*point - 0xD800) << 10) + (low - 0xDC00);
    return true;
}

/* What stands behind a backslash; the end of what was written, nullptr when it is nothing known. */
static char *read_escape(struct reader *r, char *to)
{
    static const char letters[] = "\"\\/bfnrt", meanings[] = "\"\\/\b\f\n\r\t";
    if (r->at == r->end) return refuse(r, malformed), nullptr;
    const char c = *r->at++;
    if (c == 'u') {
        uint32_t point;
        return read_point(r, &point) ? put_utf8(to, point) : nullptr;
    }
    const char *known = c ? strchr(letters, c) : nullptr;
    if (!known) return refuse(r, malformed), nullptr;
    *to++ = meanings[known - letters];
    return to;
}

static bool read_text(struct reader *r, struct slice *text)
{
    if (!take(r, '"')) return refuse(r, malformed), false;
    const char *close = r->at;
    while (close < r->end && *close != '"') close += *close == '\\' ? 2 : 1;
    if (close >= r->end) return refuse(r, malformed), false;
    char *start = arena_take(r->arena, (size_t)(close - r->at) + 1), *to = start; /* no escape is shorter than what it means */
    while (r->at < close) {
        if ((unsigned char)*r->at < 0x20) return refuse(r, malformed), false;
        if (!take(r, '\\')) *to++ = *r->at++;
        else if (!(to = read_escape(r, to))) return false;
    }
    *text = slice_from(start, (size_t)(to - start));
    return take(r, '"');
}

static const struct jsonb *read_value(struct reader *r);

static void add_member(struct reader *r, struct jsonb *v, uint32_t *room, struct jsonb_member member)
{
    if (v->count == *room) {
        *room = *room ? *room * 2 : 8;
        struct jsonb_member *larger = arena_take(r->arena, *room * sizeof *larger);
        if (v->count) memcpy(larger, v->members, v->count * sizeof *larger);
        v->members = larger;
    }
    v->members[v->count++] = member;
}

static int by_key(struct slice a, struct slice b)
{
    if (a.length != b.length) return a.length < b.length ? -1 : 1;
    return memcmp(a.start, b.start, a.length);
}

/* By insertion: few keys, and the later one of two equal ones must win. */
static void put_in_order(struct jsonb *object)
{
    uint32_t kept = 0;
    for (uint32_t n = 0; n < object->count; n++) {
        const struct jsonb_member member = object->members[n];
        uint32_t place = kept;
        while (place > 0 && by_key(object->members[place - 1].key, member.key) > 0) place -= 1;
        if (place > 0 && by_key(object->members[place - 1].key, member.key) == 0) {
            object->members[place - 1] = member;
            continue;
        }
        memmove(&object->members[place + 1], &object->members[place], (kept - place) * sizeof member);
        object->members[place] = member;
        kept += 1;
    }
    object->count = kept;
}

static bool read_member(struct reader *r, bool has_key, struct jsonb_member *member)
{
    *member = (struct jsonb_member){};
    skip_blanks(r);
    if (has_key) {
        if (!read_text(r, &member->key)) return refuse(r, malformed), false;
        skip_blanks(r);
        if (!take(r, ':')) return refuse(r, malformed), false;
    }
    member->value = read_value(r);
    skip_blanks(r);
    return member->value != nullptr;
}

static const struct jsonb *read_members(struct reader *r, enum jsonb_kind kind)
{
    const char close = kind == JSONB_OBJECT ? '}' : ']';
    struct jsonb *v = value_of(r, kind);
    uint32_t room = 0;
    if (++r->depth > depth_max) return refuse(r, too_deep);
    skip_blanks(r);
    if (!take(r, close)) {
        do {
            struct jsonb_member member;
            if (!read_member(r, kind == JSONB_OBJECT, &member)) return nullptr;
            add_member(r, v, &room, member);
        } while (take(r, ','));
        if (!take(r, close)) return refuse(r, malformed);
    }
    r->depth -= 1;
    if (kind == JSONB_OBJECT) put_in_order(v);
    return v;
}

static const struct jsonb *read_word(struct reader *r, const char *word, enum jsonb_kind kind)
{
    const size_t length = strlen(word);
    if ((size_t)(r->end - r->at) < length || memcmp(r->at, word, length) != 0) return refuse(r, malformed);
    r->at += length;
    return value_of(r, kind);
}

static const struct jsonb *read_value(struct reader *r)
{
    skip_blanks(r);
    if (r->at == r->end) return refuse(r, malformed);
    switch (*r->at) {
    case '{': r->at += 1; return read_members(r, JSONB_OBJECT);
    case '[': r->at += 1; return read_members(r, JSONB_ARRAY);
    case 't': return read_word(r, "true", JSONB_TRUE);
    case 'f': return read_word(r, "false", JSONB_FALSE);
    case 'n': return read_word(r, "null", JSONB_NULL);
    case '"': {
        struct jsonb *v = value_of(r, JSONB_TEXT);
        return read_text(r, &v->text) ? v : refuse(r, malformed);
    }
    }
    return read_number(r);
}

const struct jsonb *jsonb_parse(struct arena *a, struct slice text, const char **sqlstate)
{
    struct reader r = { .arena = a, .at = text.start, .end = text.start + text.length };
    const struct jsonb *v = read_value(&r);
    skip_blanks(&r);
    if (v && r.at != r.end) v = refuse(&r, malformed);
    *sqlstate = r.sqlstate;
    return v;
}

/* -- printing -- */

/* Measures when `to` is null, and writes otherwise. */
struct printer { char *to; size_t length; };

static void put(struct printer *p, const char *bytes, size_t count)
{
    if (p->to) memcpy(p->to + p->length, bytes, count);
    p->length += count;
}

static void put_text(struct printer *p, struct slice text)
{
    static const char letters[] = "\"\\bfnrt", meanings[] = "\"\\\b\f\n\r\t";
    put(p, "\"", 1);
    for (size_t n = 0; n < text.length; n++) {
        const char c = text.start[n];
        const char *special = c ? strchr(meanings, c) : nullptr;
        char escape[8];
        if (special) put(p, (char[]){ '\\', letters[special - meanings] }, 2);
        else if ((unsigned char)c < 0x20) put(p, escape, (size_t)snprintf(escape, sizeof escape, "\\u%04x", c));
        else put(p, &c, 1);
    }
    put(p, "\"", 1);
}

static void put_value(struct printer *p, const struct jsonb *v);

static void put_members(struct printer *p, const struct jsonb *v)
{
    const bool is_object = v->kind == JSONB_OBJECT;
    put(p, is_object ? "{" : "[", 1);
    for (uint32_t n = 0; n < v->count; n++) {
        if (n > 0) put(p, ", ", 2);
        if (is_object) put_text(p, v->members[n].key), put(p, ": ", 2);
        put_value(p, v->members[n].value);
    }
    put(p, is_object ? "}" : "]", 1);
}

static void put_value(struct printer *p, const struct jsonb *v)
{
    switch (v->kind) {
    case JSONB_NULL:   put(p, "null", 4); break;
    case JSONB_FALSE:  put(p, "false", 5); break;
    case JSONB_TRUE:   put(p, "true", 4); break;
    case JSONB_NUMBER: put(p, v->text.start, v->text.length); break;
    case JSONB_TEXT:   put_text(p, v->text); break;
    case JSONB_ARRAY:
    case JSONB_OBJECT: put_members(p, v); break;
    }
}

struct slice jsonb_print(struct arena *a, const struct jsonb *v)
{
    struct printer p = {};
    put_value(&p, v);
    p = (struct printer){ .to = arena_take(a, p.length) };
    put_value(&p, v);
    return slice_from(p.to, p.length);
}

/* -- operators -- */

const struct jsonb *jsonb_concatenate(struct arena *a, const struct jsonb *left, const struct jsonb *right)
{
    const bool objects = left->kind == JSONB_OBJECT && right->kind == JSONB_OBJECT;
    struct jsonb *all = arena_take(a, sizeof *all);
    all->kind = objects ? JSONB_OBJECT : JSONB_ARRAY;
    const struct jsonb *const sides[] = { left, right };
    const uint32_t most = (left->count + 1) + (right->count + 1);
    all->members = arena_take(a, most * sizeof *all->members);
    for (uint32_t side = 0; side < 2; side++) {
        const struct jsonb *v = sides[side];
        if (!objects && v->kind != JSONB_ARRAY) all->members[all->count++] = (struct jsonb_member){ .value = v }; /* as an array of one */
        else for (uint32_t n = 0; n < v->count; n++) all->members[all->count++] = v->members[n];
    }
    if (objects) put_in_order(all);
    return all;
}

const struct jsonb *jsonb_field(const struct jsonb *v, const char *key)
{
    if (!v || v->kind != JSONB_OBJECT) return nullptr;
    for (uint32_t n = 0; n < v->count; n++) {
        if (slice_equal(v->members[n].key, slice_from_text(key))) return v->members[n].value;
    }
    return nullptr;
}

struct slice jsonb_field_text(struct arena *a, const struct jsonb *v, const char *key)
{
    const struct jsonb *field = jsonb_field(v, key);
    if (!field || field->kind == JSONB_NULL) return slice_absent;
    return field->kind == JSONB_TEXT ? field->text : jsonb_print(a, field);
}
