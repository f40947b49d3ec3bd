#pragma once
/* base/slice.h: some bytes of somebody else's memory. The only form in which text crosses a function.
 * A slice owns nothing and need not end in a zero byte. {nullptr, 0} is "absent"; a present but empty text has a non-null start. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct slice { const char *start; size_t length; };

#define slice_of(literal) ((struct slice){ "" literal, sizeof(literal) - 1 })
#define slice_absent      ((struct slice){ nullptr, 0 })
#define SLICE_FORMAT      "%.*s"
#define slice_print(s)    ((int)(s).length), ((s).start ? (s).start : "")

static inline struct slice slice_from(const void *start, size_t length) { return (struct slice){ start, length }; }
static inline struct slice slice_from_text(const char *text) { return text ? (struct slice){ text, strlen(text) } : slice_absent; }
static inline bool slice_is_absent(struct slice s) { return s.start == nullptr; }
static inline bool slice_is_empty(struct slice s) { return s.length == 0; }
static inline bool slice_equal(struct slice a, struct slice b)
{
    return a.length == b.length && (a.length == 0 || memcmp(a.start, b.start, a.length) == 0);
}
static inline bool slice_starts_with(struct slice s, struct slice prefix)
{
    return s.length >= prefix.length && (prefix.length == 0 || memcmp(s.start, prefix.start, prefix.length) == 0);
}
/* Bytes from `from` on; past the end: empty. Of an absent slice: absent. */
static inline struct slice slice_skip(struct slice s, size_t from)
{
    if (!s.start) return s; /* a null pointer plus anything is undefined */
    return from > s.length ? (struct slice){ s.start + s.length, 0 } : (struct slice){ s.start + from, s.length - from };
}
static inline struct slice slice_take(struct slice s, size_t length)
{
    return (struct slice){ s.start, length < s.length ? length : s.length };
}
/* ASCII only: header names, tokens, enumerations. Names of people go through base/text.h. */
[[nodiscard]] bool slice_equal_ignoring_case(struct slice a, struct slice b);
[[nodiscard]] bool slice_contains(struct slice s, struct slice part); /* the empty part is in every slice */
[[nodiscard]] struct slice slice_trim(struct slice s);                /* without blanks, tabs and line ends around it */
/* Splits at the first `separator`: returns what stands before it, leaves the rest (without it) in *rest. No separator: all, and *rest absent. */
[[nodiscard]] struct slice slice_split(struct slice *rest, char separator);
/* Decimal digits only, no sign, no space, no leading zero unless "0". false: not that, or over max. */
[[nodiscard]] bool slice_to_u64(struct slice s, uint64_t max, uint64_t *value);
