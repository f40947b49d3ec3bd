#pragma once
/* base/json.h: reading and writing JSON; yyjson behind it. Outside JSON is parsed once, into values that point into one document.
 *
 * A json_document owns its memory (heap budget of its owner) and a copy of nothing: texts without escapes still live in the
 * document's own copy of the input. Values are only valid while the document lives. All getters accept nullptr and a value of
 * another type, and answer "absent": a chain of getters needs no checks in between.
 */
#include <stdbool.h>
#include <stdint.h>
#include "base/buffer.h"
#include "base/heap.h"
#include "base/slice.h"
#include "limits.h"

struct json_document; /* opaque */
struct json_value;    /* opaque: a yyjson value */

enum json_status : uint8_t { JSON_OK, JSON_MALFORMED, JSON_NO_MEMORY };
struct json_error { enum json_status status; size_t offset; const char *message; /* static text */ };

/* Strict RFC 8259, UTF-8 checked, at most json_depth_max deep. Nothing here recurses. nullptr on failure, *error says why. Any thread; document belongs to the caller. */
[[nodiscard]] struct json_document *json_parse(struct slice text, struct heap *heap, struct json_error *error);
void json_release(struct json_document *d, struct heap *heap); /* nullptr is fine */
[[nodiscard]] const struct json_value *json_root(const struct json_document *d);

enum json_type : uint8_t { JSON_ABSENT, JSON_NULL, JSON_BOOL, JSON_NUMBER, JSON_TEXT, JSON_ARRAY, JSON_OBJECT };
[[nodiscard]] enum json_type json_type_of(const struct json_value *v);
[[nodiscard]] const struct json_value *json_find(const struct json_value *object, struct slice key); /* nullptr: absent. First one wins if doubled */
/* All that is wanted of an object in one walk: values[n] is that of keys[n], nullptr: absent. First one wins if doubled. Fastest when the keys are named in
 * the order in which the object has them; any other gives the same. */
void json_find_each(const struct json_value *object, const struct slice *keys, uint32_t count, const struct json_value **values);
[[nodiscard]] struct slice json_text(const struct json_value *v);              /* absent unless a text */
/* Inline, so that the length of a literal is known to the compiler. */
[[nodiscard]] static inline const struct json_value *json_get(const struct json_value *object, const char *key) { return json_find(object, slice_from_text(key)); }
[[nodiscard]] static inline struct slice json_get_text(const struct json_value *object, const char *key) { return json_text(json_get(object, key)); }
[[nodiscard]] bool json_integer(const struct json_value *v, int64_t *out);     /* true: an integral number that fits; 35.0 is one */
[[nodiscard]] bool json_real(const struct json_value *v, double *out);         /* any number */
[[nodiscard]] bool json_boolean(const struct json_value *v, bool *out);
[[nodiscard]] uint32_t json_length(const struct json_value *v);                /* of an array or object; 0 otherwise */

struct json_iterator { const struct json_value *next; uint32_t left; bool object; };
[[nodiscard]] struct json_iterator json_each(const struct json_value *array_or_object);
/* false: no more. *key is absent for arrays (may be nullptr when not wanted). */
bool json_next(struct json_iterator *i, struct slice *key, const struct json_value **value);

/* The value as compact JSON, appended to b. */
void json_print(struct buffer *b, const struct json_value *v);

/* Writing: straight into a buffer, commas placed by the writer. Depth at most json_depth_max. One root per writer. */
struct json_writer {
    struct buffer *out;
    uint8_t        depth;
    bool           has_key; /* json_add_key() was called: what comes next is its value */
    bool           has_item[json_depth_max + 1], is_object[json_depth_max + 1];
};
static inline struct json_writer json_writer_over(struct buffer *out) { return (struct json_writer){ .out = out }; }
void json_begin_object(struct json_writer *w, const char *key); /* key nullptr: inside an array, or the root */
void json_end_object(struct json_writer *w);
void json_begin_array(struct json_writer *w, const char *key);
void json_end_array(struct json_writer *w);
void json_add_key(struct json_writer *w, struct slice key);     /* a key that is no literal; its value follows with key nullptr */
void json_add_text(struct json_writer *w, const char *key, struct slice text);   /* absent → null. Invalid UTF-8 becomes U+FFFD */
void json_add_integer(struct json_writer *w, const char *key, int64_t value);
void json_add_unsigned(struct json_writer *w, const char *key, uint64_t value);
void json_add_real(struct json_writer *w, const char *key, double value);          /* NaN and infinity, which JSON does not know → null */
void json_add_boolean(struct json_writer *w, const char *key, bool value);
void json_add_null(struct json_writer *w, const char *key);
void json_add_value(struct json_writer *w, const char *key, const struct json_value *v);
void json_add_raw(struct json_writer *w, const char *key, struct slice json);    /* already JSON; absent → null */
