#pragma once
/* tenant/check.h: where a check of the world file is, and what it found wrong there. For schema.c and references.c. */
#include "base/buffer.h"
#include "base/json.h"

struct check { struct buffer *error; uint32_t mistakes; char path_memory[512]; struct buffer path; };

[[gnu::format(printf, 2, 3)]] void complain(struct check *c, const char *format, ...);

/* Both return what step_out() wants. */
size_t step_into(struct check *c, const char *name);
size_t step_into_item(struct check *c, uint32_t index);
void step_out(struct check *c, size_t before);

/* Nothing is doubled, every reference leads somewhere. Only asked when every value is of its type. */
void check_references(struct check *c, const struct json_value *world);
