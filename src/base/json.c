/* base/json.c: reading. A json_document is a yyjson_doc and a json_value a yyjson_val, under names that keep yyjson out of every
 * other file. yyjson parses without recursion and puts all values in one array, parents before children. */
#include "base/json.h"
#include <math.h>
#include <yyjson.h>
#include "base/ensure.h"

/* yyjson frees without saying how much, the heap wants to know: every block carries its size, and keeps malloc's alignment. */
struct block { alignas(max_align_t) size_t bytes; };

static void *block_acquire(void *heap, size_t bytes)
{
    struct block *b = heap_acquire(heap, sizeof *b + bytes);
    if (!b) return nullptr;
    b->bytes = sizeof *b + bytes;
    return b + 1;
}

static void *block_resize(void *heap, void *memory, size_t, size_t bytes)
{
    struct block *before = (struct block *)memory - 1;
    struct block *b = heap_resize(heap, before, before->bytes, sizeof *b + bytes);
    if (!b) return nullptr;
    b->bytes = sizeof *b + bytes;
    return b + 1;
}

static void block_release(void *heap, void *memory)
{
    struct block *b = (struct block *)memory - 1;
    heap_release(heap, b, b->bytes);
}

static yyjson_doc *document_of(const struct json_document *d) { return (yyjson_doc *)d; }
static yyjson_val *value_of(const struct json_value *v) { return (yyjson_val *)v; }
static const struct json_value *our_value(const yyjson_val *v) { return (const struct json_value *)v; }

static bool is_too_deep(const yyjson_doc *d)
{
    const yyjson_val *ends[json_depth_max];
    uint32_t          depth = 0;
    yyjson_val       *end = d->root + d->val_read;
    for (yyjson_val *v = d->root; v < end; v++) {
        if (!yyjson_is_ctn(v)) continue; /* as most: what has ended by now is only asked for the next that can nest */
        while (depth > 0 && v >= ends[depth - 1]) depth -= 1;
        if (depth == json_depth_max) return true;
        ends[depth++] = unsafe_yyjson_get_next(v);
    }
    return false;
}

struct json_document *json_parse(struct slice text, struct heap *heap, struct json_error *error)
{
    yyjson_alc      memory = { block_acquire, block_resize, block_release, heap };
    yyjson_read_err failure = {};
    /* Without YYJSON_READ_INSITU the text is copied first, and not written to. */
    yyjson_doc *d = yyjson_read_opts((char *)text.start, text.length, YYJSON_READ_NOFLAG, &memory, &failure);
    if (!d) {
        bool starved = failure.code == YYJSON_READ_ERROR_MEMORY_ALLOCATION;
        *error = (struct json_error){ starved ? JSON_NO_MEMORY : JSON_MALFORMED, failure.pos, failure.msg };
        return nullptr;
    }
    if (is_too_deep(d)) {
        yyjson_doc_free(d);
        *error = (struct json_error){ JSON_MALFORMED, 0, "nested too deep" };
        return nullptr;
    }
    *error = (struct json_error){ .status = JSON_OK };
    return (struct json_document *)d;
}

void json_release(struct json_document *d, struct heap *heap)
{
    if (!d) return;
    ensure(document_of(d)->alc.ctx == heap); /* another heap's document would unbalance both budgets */
    yyjson_doc_free(document_of(d));
}

const struct json_value *json_root(const struct json_document *d) { return our_value(yyjson_doc_get_root(document_of(d))); }

enum json_type json_type_of(const struct json_value *v)
{
    switch (yyjson_get_type(value_of(v))) {
    case YYJSON_TYPE_NULL: return JSON_NULL;
    case YYJSON_TYPE_BOOL: return JSON_BOOL;
    case YYJSON_TYPE_NUM:  return JSON_NUMBER;
    case YYJSON_TYPE_STR:  return JSON_TEXT;
    case YYJSON_TYPE_ARR:  return JSON_ARRAY;
    case YYJSON_TYPE_OBJ:  return JSON_OBJECT;
    default:               return JSON_ABSENT; /* yyjson's types are plain numbers, not an enum of ours */
    }
}

const struct json_value *json_find(const struct json_value *object, struct slice key)
{
    return our_value(yyjson_obj_getn(value_of(object), key.start, key.length));
}

/* Looked for from `next` on and round to it again: as a rule the one behind the last that was found comes next. count: it is none of them. */
static uint32_t place_among(const struct slice *keys, uint32_t count, uint32_t next, struct slice key)
{
    for (uint32_t n = next; n < count; n++)
        if (slice_equal(keys[n], key)) return n;
    for (uint32_t n = 0; n < next; n++)
        if (slice_equal(keys[n], key)) return n;
    return count;
}

void json_find_each(const struct json_value *object, const struct slice *keys, uint32_t count, const struct json_value **values)
{
    uint32_t                 next = 0;
    struct json_iterator     members = json_each(object);
    struct slice             key;
    const struct json_value *value;
    for (uint32_t n = 0; n < count; n++) values[n] = nullptr;
    while (members.object && json_next(&members, &key, &value)) {
        uint32_t place = place_among(keys, count, next, key);
        if (place == count) continue;
        if (!values[place]) values[place] = value;
        next = place + 1;
    }
}

struct slice json_text(const struct json_value *v)
{
    return slice_from(yyjson_get_str(value_of(v)), yyjson_is_str(value_of(v)) ? yyjson_get_len(value_of(v)) : 0);
}

bool json_integer(const struct json_value *v, int64_t *out)
{
    yyjson_val *number = value_of(v);
    if (yyjson_is_uint(number) && yyjson_get_uint(number) > INT64_MAX) return false;
    if (yyjson_is_int(number)) {
        *out = yyjson_get_sint(number);
        return true;
    }
    double real;
    /* Below 2^63 and not below -2^63, both of which a double holds exactly. */
    if (!json_real(v, &real) || real != floor(real) || real < -0x1p63 || real >= 0x1p63) return false;
    *out = (int64_t)real;
    return true;
}

bool json_real(const struct json_value *v, double *out)
{
    if (!yyjson_is_num(value_of(v))) return false;
    *out = yyjson_get_num(value_of(v));
    return true;
}

bool json_boolean(const struct json_value *v, bool *out)
{
    if (!yyjson_is_bool(value_of(v))) return false;
    *out = yyjson_get_bool(value_of(v));
    return true;
}

uint32_t json_length(const struct json_value *v)
{
    return yyjson_is_ctn(value_of(v)) ? (uint32_t)yyjson_get_len(value_of(v)) : 0;
}

struct json_iterator json_each(const struct json_value *array_or_object)
{
    uint32_t length = json_length(array_or_object);
    return (struct json_iterator){
        .next = length > 0 ? our_value(unsafe_yyjson_get_first(value_of(array_or_object))) : nullptr,
        .left = length,
        .object = yyjson_is_obj(value_of(array_or_object)),
    };
}

bool json_next(struct json_iterator *i, struct slice *key, const struct json_value **value)
{
    if (i->left == 0) return false;
    yyjson_val *at = value_of(i->next);
    if (key) *key = i->object ? json_text(i->next) : slice_absent;
    if (i->object) at += 1; /* the value follows its key */
    *value = our_value(at);
    i->next = our_value(unsafe_yyjson_get_next(at));
    i->left -= 1;
    return true;
}

static void add_scalar(struct json_writer *w, const struct json_value *v)
{
    yyjson_val *scalar = value_of(v);
    switch (json_type_of(v)) {
    case JSON_TEXT: json_add_text(w, nullptr, json_text(v)); break;
    case JSON_BOOL: json_add_boolean(w, nullptr, yyjson_get_bool(scalar)); break;
    case JSON_NUMBER:
        if (yyjson_is_real(scalar)) json_add_real(w, nullptr, yyjson_get_real(scalar));
        else if (yyjson_is_sint(scalar)) json_add_integer(w, nullptr, yyjson_get_sint(scalar));
        else json_add_unsigned(w, nullptr, yyjson_get_uint(scalar));
        break;
    case JSON_ABSENT:
    case JSON_NULL:   json_add_null(w, nullptr); break;
    case JSON_ARRAY:
    case JSON_OBJECT: ensure(false); break; /* json_print() opens these */
    }
}

void json_print(struct buffer *b, const struct json_value *v)
{
    struct json_writer   w = json_writer_over(b);
    struct json_iterator open[json_depth_max + 1]; /* as far as w.depth */
    open[0] = (struct json_iterator){ .next = v, .left = 1 }; /* below all: a list that is only the value itself */
    if (!v) json_add_null(&w, nullptr);

    while (v) {
        struct slice             key;
        const struct json_value *item;
        bool                     object = open[w.depth].object;
        if (json_next(&open[w.depth], &key, &item)) {
            if (object) json_add_key(&w, key);
            enum json_type type = json_type_of(item);
            if (type == JSON_OBJECT) json_begin_object(&w, nullptr);
            if (type == JSON_ARRAY) json_begin_array(&w, nullptr);
            if (type == JSON_OBJECT || type == JSON_ARRAY) open[w.depth] = json_each(item);
            else add_scalar(&w, item);
        } else if (w.depth == 0) {
            return;
        } else if (object) {
            json_end_object(&w);
        } else {
            json_end_array(&w);
        }
    }
}
