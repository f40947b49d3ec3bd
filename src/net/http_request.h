#pragma once
/* net/http_request.h: a request as bytes. Pure. */
#include "base/buffer.h"
#include "net/http_client.h"

/* More than http_request_print() will need. */
[[nodiscard]] size_t http_request_bytes(const struct http_origin *o, const struct http_call *c);
void http_request_print(struct buffer *b, const struct http_origin *o, const struct http_call *c);
