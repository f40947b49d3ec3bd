#include "net/http.h"

const char *http_method_name(enum http_method m)
{
    switch (m) {
    case HTTP_GET:     return "GET";
    case HTTP_HEAD:    return "HEAD";
    case HTTP_POST:    return "POST";
    case HTTP_PUT:     return "PUT";
    case HTTP_PATCH:   return "PATCH";
    case HTTP_DELETE:  return "DELETE";
    case HTTP_OPTIONS: return "OPTIONS";
    case HTTP_OTHER:   break;
    }
    return "OTHER";
}

struct slice http_header_find(const struct http_header *headers, uint32_t header_count, struct slice name, uint32_t *count)
{
    struct slice found = slice_absent;
    uint32_t     times = 0;
    for (uint32_t n = 0; n < header_count; n++) {
        if (headers[n].name.length != name.length || !slice_equal_ignoring_case(headers[n].name, name)) continue; /* most are told by their length */
        found = headers[n].value;
        times += 1;
    }
    if (count) *count = times;
    return times == 1 ? found : slice_absent;
}
