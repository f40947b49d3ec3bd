#pragma once
/* sim/query.h: parameters of a request's query, percent-decoded ('+' is a blank, as at Cal.com). Pure. */
#include "base/buffer.h"
#include "base/slice.h"

/* The first of that name, decoded into memory of b; absent: not there, not decodable, or no room. */
[[nodiscard]] struct slice query_get(struct slice query, const char *name, struct buffer *b);
/* Text that stands in a URL as it is: unreserved characters, the rest as %XX. */
void query_print(struct buffer *b, struct slice text);
