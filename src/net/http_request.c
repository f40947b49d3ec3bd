#include "net/http_request.h"
#include "base/ensure.h"

/* A line end in what we are given would let a text from outside write headers, or a second request. */
static void add_line_part(struct buffer *b, struct slice text)
{
    ensure(text.length == 0 || (!memchr(text.start, '\r', text.length) && !memchr(text.start, '\n', text.length)));
    buffer_add(b, text);
}

static bool port_is_usual(const struct http_origin *o) { return o->port == (o->tls ? 443 : 80); }

/* RFC 9110 8.6: methods that are expected to have a body say so, also when it is empty. */
static bool says_length(const struct http_call *c)
{
    bool has_body_by_nature = c->method == HTTP_POST || c->method == HTTP_PUT || c->method == HTTP_PATCH;
    return has_body_by_nature || c->body.length > 0;
}

size_t http_request_bytes(const struct http_origin *o, const struct http_call *c)
{
    size_t bytes = 128 + strlen(o->host) + strlen(o->base_path) + c->target.length + c->body.length;
    for (uint32_t n = 0; n < c->header_count; n++) bytes += c->headers[n].name.length + c->headers[n].value.length + 4;
    return bytes;
}

void http_request_print(struct buffer *b, const struct http_origin *o, const struct http_call *c)
{
    ensure(c->method != HTTP_OTHER);
    ensure(c->target.length > 0 && c->target.start[0] == '/' && !memchr(c->target.start, ' ', c->target.length));

    buffer_add(b, slice_from_text(http_method_name(c->method)));
    buffer_add_byte(b, ' ');
    buffer_add(b, slice_from_text(o->base_path));
    add_line_part(b, c->target);
    buffer_add(b, slice_of(" HTTP/1.1\r\nHost: "));
    buffer_add(b, slice_from_text(o->host));
    if (!port_is_usual(o)) buffer_print(b, ":%u", o->port);
    buffer_add(b, slice_of("\r\n"));
    for (uint32_t n = 0; n < c->header_count; n++) {
        add_line_part(b, c->headers[n].name);
        buffer_add(b, slice_of(": "));
        add_line_part(b, c->headers[n].value);
        buffer_add(b, slice_of("\r\n"));
    }
    if (says_length(c)) buffer_print(b, "Content-Length: %zu\r\n", c->body.length);
    buffer_add(b, slice_of("\r\n"));
    buffer_add(b, c->body);
    ensure(!b->overflowed);
}
