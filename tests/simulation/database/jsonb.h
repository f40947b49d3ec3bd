#pragma once
/* tests/simulation/database/jsonb.h: jsonb as PostgreSQL understands it: numbers keep the digits they were written with, of a key that comes twice the last one stays,
 * and keys stand in order of length, then of bytes. base/json.h is for what the engine reads, and makes doubles of numbers; so it cannot stand in for this. */
#include <stdint.h>
#include "arena.h"

enum jsonb_kind : uint8_t { JSONB_NULL, JSONB_FALSE, JSONB_TRUE, JSONB_NUMBER, JSONB_TEXT, JSONB_ARRAY, JSONB_OBJECT };
struct jsonb;
struct jsonb_member { struct slice key; const struct jsonb *value; };
struct jsonb {
    enum jsonb_kind      kind;
    struct slice         text;    /* of a number: its digits; of a text: without escapes */
    uint32_t             count;   /* of an array or object */
    struct jsonb_member *members; /* of an array: without keys */
};

/* nullptr: *sqlstate says why. */
[[nodiscard]] const struct jsonb *jsonb_parse(struct arena *a, struct slice text, const char **sqlstate);
[[nodiscard]] struct slice jsonb_print(struct arena *a, const struct jsonb *v);                             /* v::text */
[[nodiscard]] const struct jsonb *jsonb_concatenate(struct arena *a, const struct jsonb *left, const struct jsonb *right); /* left || right */
[[nodiscard]] const struct jsonb *jsonb_field(const struct jsonb *v, const char *key);                      /* v -> key; nullptr: NULL; of nullptr, too */
[[nodiscard]] struct slice jsonb_field_text(struct arena *a, const struct jsonb *v, const char *key);       /* v ->> key; absent: NULL */

/* What numeric makes of a number in digits, '-', '.' and 'e': all of its decimal places, no exponent. false: too large. */
[[nodiscard]] bool numeric_normalize(struct arena *a, struct slice text, struct slice *normal);
