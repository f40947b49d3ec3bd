/* The address of an upstream as an operator writes it. Pure. */
#include <stdlib.h>
#include "net/http_client.h"

static bool is_host_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.';
}

static bool take_host(struct slice text, struct http_origin *o)
{
    if (text.length == 0 || text.length >= sizeof o->host) return false;
    for (size_t n = 0; n < text.length; n++)
        if (!is_host_char(text.start[n])) return false;
    memcpy(o->host, text.start, text.length);
    return true;
}

static bool take_port(struct slice text, struct http_origin *o)
{
    uint64_t port;
    if (!slice_to_u64(text, UINT16_MAX, &port) || port == 0) return false;
    o->port = (uint16_t)port;
    return true;
}

/* Without the slash at its end: targets begin with one. */
static bool take_base_path(struct slice text, struct http_origin *o)
{
    while (text.length > 0 && text.start[text.length - 1] == '/') text.length -= 1;
    if (text.length >= sizeof o->base_path) return false;
    for (size_t n = 0; n < text.length; n++)
        if (text.start[n] <= ' ' || text.start[n] == '?' || text.start[n] == '#' || text.start[n] == 0x7f) return false;
    if (text.length > 0) memcpy(o->base_path, text.start, text.length);
    return true;
}

bool http_origin_parse(struct slice url, struct http_origin *o)
{
    static const struct slice plain = slice_of("http://"), secure = slice_of("https://");
    *o = (struct http_origin){ .tls = slice_starts_with(url, secure) };
    if (!o->tls && !slice_starts_with(url, plain)) return false;

    struct slice rest = slice_skip(url, o->tls ? secure.length : plain.length);
    const char  *path = rest.length > 0 ? memchr(rest.start, '/', rest.length) : nullptr;
    size_t       authority_length = path ? (size_t)(path - rest.start) : rest.length;
    struct slice port = slice_take(rest, authority_length);
    struct slice host = slice_split(&port, ':');
    o->port = o->tls ? 443 : 80;
    if (!slice_is_absent(port) && !take_port(port, o)) return false;
    return take_host(host, o) && take_base_path(slice_skip(rest, authority_length), o);
}
