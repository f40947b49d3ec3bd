#pragma once
/* net/http_response.h: an answer as bytes. Pure: the server says what time it is and how the connection goes on. */
#include "base/buffer.h"
#include "net/http_server.h"

/* The Date of this second, printed once. */
struct http_date { int64_t second; char text[32]; };
[[nodiscard]] struct slice http_date_at(struct http_date *d, int64_t wall_us);

struct http_answer_frame {
    struct slice date;
    struct slice server_name; /* absent: no Server header */
    bool         is_head;     /* HEAD: the length of the body, and no body */
    bool         closes;
    bool         is_1_0;      /* an old peer that asked to keep the connection is told so */
    bool         retry_after;
};

/* More than http_response_print will need; 0: it is larger than an answer may be. */
[[nodiscard]] size_t http_response_bytes(const struct http_response *r, const struct http_answer_frame *frame);
void http_response_print(struct buffer *b, const struct http_response *r, const struct http_answer_frame *frame);
