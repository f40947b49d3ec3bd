#pragma once
/* Ready-made webhook bodies: printed once per event and size, with the places marked where a call's own id, number and times go. Making a request is then a
 * copy, a few patches and a signature, so the generator is not what is measured. Read by all lanes. */
#include <stdint.h>
#include "plan.h"

enum { BODY_SIZES = 8, PATCHES_MAX = 64 };

enum body_field : uint8_t { FIELD_CALL_ID, FIELD_CALLER, FIELD_CALLED, FIELD_STARTED_AT, FIELD_ENDED_AT, FIELD_DATE, FIELD_TIME, BODY_FIELDS };
struct body_patch { uint32_t offset; enum body_field field; };
struct body_template { char *text; uint32_t length; uint32_t patch_count; struct body_patch patches[PATCHES_MAX]; };

struct load_bodies { struct body_template templates[SCRIPT_EVENTS][2][BODY_SIZES]; uint32_t length_max; }; /* [books][size] */

void bodies_make(struct load_bodies *b, const struct load_options *o);
void bodies_free(struct load_bodies *b);
/* How long the body of this event of this call is, and the body itself, patched. */
[[nodiscard]] const struct body_template *bodies_choose(const struct load_bodies *b, const struct load_plan *p, uint64_t call, enum call_event e);
void bodies_fill(char *into, const struct body_template *t, const struct load_plan *p, uint64_t call, int64_t started_at_ms);
