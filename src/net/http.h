#pragma once
/* net/http.h: the words that server and client share. Pure. */
#include <stdint.h>
#include "base/slice.h"

enum http_method : uint8_t { HTTP_GET, HTTP_HEAD, HTTP_POST, HTTP_PUT, HTTP_PATCH, HTTP_DELETE, HTTP_OPTIONS, HTTP_OTHER };
[[nodiscard]] const char *http_method_name(enum http_method m);

struct http_header { struct slice name, value; };

/* The value of the only header of that name (any case); absent when there is none or several, and *count (may be null) tells how many. */
[[nodiscard]] struct slice http_header_find(const struct http_header *headers, uint32_t header_count, struct slice name, uint32_t *count);

/* Memory of a heap (base/heap.h) with `capacity` bytes. */
struct http_body { char *start; size_t length, capacity; };
