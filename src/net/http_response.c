#include "net/http_response.h"
#include <time.h>
#include "base/ensure.h"
#include "limits.h"

static struct slice reason_of(uint16_t status)
{
    switch (status) { /* an integer: statuses are an open set */
    case 200: return slice_of("OK");
    case 201: return slice_of("Created");
    case 202: return slice_of("Accepted");
    case 204: return slice_of("No Content");
    case 302: return slice_of("Found");
    case 303: return slice_of("See Other");
    case 304: return slice_of("Not Modified");
    case 400: return slice_of("Bad Request");
    case 401: return slice_of("Unauthorized");
    case 403: return slice_of("Forbidden");
    case 404: return slice_of("Not Found");
    case 405: return slice_of("Method Not Allowed");
    case 406: return slice_of("Not Acceptable");
    case 408: return slice_of("Request Timeout");
    case 409: return slice_of("Conflict");
    case 410: return slice_of("Gone");
    case 411: return slice_of("Length Required");
    case 413: return slice_of("Content Too Large");
    case 415: return slice_of("Unsupported Media Type");
    case 417: return slice_of("Expectation Failed");
    case 422: return slice_of("Unprocessable Content");
    case 429: return slice_of("Too Many Requests");
    case 431: return slice_of("Request Header Fields Too Large");
    case 500: return slice_of("Internal Server Error");
    case 501: return slice_of("Not Implemented");
    case 502: return slice_of("Bad Gateway");
    case 503: return slice_of("Service Unavailable");
    case 504: return slice_of("Gateway Timeout");
    case 505: return slice_of("HTTP Version Not Supported");
    default:  return slice_of("Status");
    }
}

struct slice http_date_at(struct http_date *d, int64_t wall_us)
{
    static const char days[7][4] = { "Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat" };
    static const char months[12][4] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };

    int64_t second = wall_us / 1'000'000;
    if (d->second != second || d->text[0] == '\0') {
        time_t    at = (time_t)second;
        struct tm utc;
        ensure(gmtime_r(&at, &utc) != nullptr); /* only years past 2^31 fail */
        struct buffer b = buffer_over(d->text, sizeof d->text);
        buffer_print(&b, "%s, %02d %s %04d %02d:%02d:%02d GMT", days[utc.tm_wday], utc.tm_mday, months[utc.tm_mon], utc.tm_year + 1900,
                     utc.tm_hour, utc.tm_min, utc.tm_sec);
        ensure(!b.overflowed);
        d->second = second;
    }
    return slice_from_text(d->text);
}

/* A line end in a name or value would let a text from outside write headers, or a second answer. */
static void ensure_one_line(struct slice text)
{
    ensure(text.length == 0 || (!memchr(text.start, '\r', text.length) && !memchr(text.start, '\n', text.length)));
}

static void add_header(struct buffer *b, struct slice name, struct slice value)
{
    buffer_add(b, name);
    buffer_add(b, slice_of(": "));
    buffer_add(b, value);
    buffer_add(b, slice_of("\r\n"));
}

/* RFC 9110 8.6: neither has a length. */
static bool has_length(uint16_t status) { return status != 204 && status != 304; }

size_t http_response_bytes(const struct http_response *r, const struct http_answer_frame *frame)
{
    size_t bytes = 256 + frame->server_name.length; /* status line and the headers that we add */
    for (uint32_t n = 0; n < r->header_count; n++) bytes += r->headers[n].name.length + r->headers[n].value.length + 4;
    bytes += frame->is_head ? 0 : r->body.length;
    return bytes > http_response_bytes_max ? 0 : bytes;
}

void http_response_print(struct buffer *b, const struct http_response *r, const struct http_answer_frame *frame)
{
    ensure(r->status >= 200 && r->status <= 599);
    ensure(r->body.length == 0 || has_length(r->status));

    buffer_add(b, slice_of("HTTP/1.1 "));
    buffer_add_unsigned(b, r->status);
    buffer_add_byte(b, ' ');
    buffer_add(b, reason_of(r->status));
    buffer_add(b, slice_of("\r\n"));
    add_header(b, slice_of("Date"), frame->date);
    if (frame->server_name.length > 0) add_header(b, slice_of("Server"), frame->server_name);
    if (frame->retry_after) add_header(b, slice_of("Retry-After"), slice_of("1"));
    if (frame->closes) add_header(b, slice_of("Connection"), slice_of("close"));
    else if (frame->is_1_0) add_header(b, slice_of("Connection"), slice_of("keep-alive"));
    for (uint32_t n = 0; n < r->header_count; n++) {
        ensure_one_line(r->headers[n].name);
        ensure_one_line(r->headers[n].value);
        add_header(b, r->headers[n].name, r->headers[n].value);
    }
    if (has_length(r->status)) {
        buffer_add(b, slice_of("Content-Length: "));
        buffer_add_unsigned(b, r->body.length);
        buffer_add(b, slice_of("\r\n"));
    }
    buffer_add(b, slice_of("\r\n"));
    if (!frame->is_head) buffer_add(b, r->body);
}
