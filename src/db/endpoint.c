#include "db/endpoint.h"
#include <arpa/inet.h>
#include <netdb.h>
#include <string.h>
#include "base/ensure.h"

constexpr uint32_t addresses_per_host_max = 4; /* a host has one or two; the others of a round robin are not missed */
constexpr uint32_t keywords_max = 64;          /* libpq 15 knows 40 */

bool endpoint_open(struct endpoint *e, const char *url)
{
    e->options = PQconninfoParse(url, nullptr);
    return e->options != nullptr;
}

void endpoint_close(struct endpoint *e)
{
    PQconninfoFree(e->options);
    e->options = nullptr;
}

static struct slice option(const struct endpoint *e, const char *keyword)
{
    for (const PQconninfoOption *o = e->options; o->keyword; o++) {
        if (strcmp(o->keyword, keyword) == 0) return slice_from_text(o->val);
    }
    return slice_absent;
}

static bool is_name(struct slice host)
{
    if (slice_is_empty(host) || host.start[0] == '/' || host.start[0] == '@') return false; /* a socket of this machine */
    char text[256], address[sizeof(struct in6_addr)];
    if (host.length >= sizeof text) return true;
    snprintf(text, sizeof text, SLICE_FORMAT, slice_print(host));
    return inet_pton(AF_INET, text, address) != 1 && inet_pton(AF_INET6, text, address) != 1;
}

bool endpoint_has_names(const struct endpoint *e)
{
    if (!slice_is_absent(option(e, "hostaddr"))) return false;
    for (struct slice rest = option(e, "host"); !slice_is_absent(rest);) {
        if (is_name(slice_split(&rest, ','))) return true;
    }
    return false;
}

/* -- the route -- */

struct route_writer { struct buffer hosts, addresses, ports; uint32_t entries; };

static void add_entry(struct route_writer *w, struct slice host, struct slice address, struct slice port)
{
    struct buffer *const lists[] = { &w->hosts, &w->addresses, &w->ports };
    const struct slice texts[] = { host, address, port };
    for (uint32_t n = 0; n < 3; n++) {
        if (w->entries > 0) buffer_add_byte(lists[n], ',');
        buffer_add(lists[n], texts[n]);
    }
    w->entries += 1;
}

/* One entry per address, under the same name. A name without an address adds none. */
static void add_addresses_of(struct route_writer *w, struct slice host, struct slice port)
{
    char name[256];
    struct buffer b = buffer_over(name, sizeof name - 1);
    buffer_add(&b, host);
    name[b.length] = 0;
    const struct addrinfo wanted = { .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM };
    struct addrinfo *found = nullptr;
    if (b.overflowed || getaddrinfo(name, nullptr, &wanted, &found) != 0) return;

    uint32_t count = 0;
    for (const struct addrinfo *a = found; a && count < addresses_per_host_max; a = a->ai_next, count++) {
        char address[INET6_ADDRSTRLEN];
        if (getnameinfo(a->ai_addr, a->ai_addrlen, address, sizeof address, nullptr, 0, NI_NUMERICHOST) != 0) continue;
        add_entry(w, host, slice_from_text(address), port);
    }
    freeaddrinfo(found);
}

static void end_list(const struct buffer *b, char *memory) { memory[b->length] = 0; }

/* Those before entry `first` go behind the others. */
static void begin_list_at(char *list, uint32_t first)
{
    char turned[route_bytes_max], *rest = list;
    for (; first > 0; first--) rest = strchr(rest, ',') + 1;
    if (rest == list) return;
    snprintf(turned, sizeof turned, "%s,%.*s", rest, (int)(rest - list) - 1, list);
    memcpy(list, turned, strlen(list));
}

void endpoint_find_route(const struct endpoint *e, uint32_t attempt, struct endpoint_route *r)
{
    struct route_writer w = { buffer_over(r->hosts, sizeof r->hosts - 1), buffer_over(r->addresses, sizeof r->addresses - 1),
                              buffer_over(r->ports, sizeof r->ports - 1), 0 };
    struct slice hosts = option(e, "host"), addresses = option(e, "hostaddr"), ports = option(e, "port"), port = slice_of("");
    const bool has_names = endpoint_has_names(e), is_default = slice_is_absent(hosts) && slice_is_absent(addresses);
    while (!slice_is_absent(hosts) || !slice_is_absent(addresses)) {
        struct slice host = slice_split(&hosts, ','), address = slice_split(&addresses, ',');
        if (!slice_is_absent(ports)) port = slice_split(&ports, ','); /* one port for all, or one each */
        if (has_names && is_name(host)) add_addresses_of(&w, host, port);
        else add_entry(&w, host, address, port);
    }
    end_list(&w.hosts, r->hosts);
    end_list(&w.addresses, r->addresses);
    end_list(&w.ports, r->ports);
    r->entries = w.entries;
    r->found = is_default || (w.entries > 0 && !w.hosts.overflowed && !w.addresses.overflowed && !w.ports.overflowed);
    if (!r->found || is_default) return;
    begin_list_at(r->hosts, attempt % w.entries);
    begin_list_at(r->addresses, attempt % w.entries);
    begin_list_at(r->ports, attempt % w.entries);
}

/* -- connecting -- */

struct keyword_list { const char *keywords[keywords_max + 1], *values[keywords_max + 1]; uint32_t count; };

static void set(struct keyword_list *l, const char *keyword, const char *value)
{
    ensure(l->count < keywords_max);
    l->keywords[l->count] = keyword;
    l->values[l->count] = value;
    l->count += 1;
}

PGconn *endpoint_connect(const struct endpoint *e, const struct endpoint_route *r)
{
    ensure(r->found);
    struct keyword_list list = {};
    /* Of a keyword that comes twice libpq takes the last: ours first are defaults, ours last are set. */
    set(&list, "fallback_application_name", "ringmaster");
    set(&list, "gssencmode", "disable"); /* its handshake may block on files and on a key server */
    for (const PQconninfoOption *o = e->options; o->keyword; o++) {
        if (o->val) set(&list, o->keyword, o->val);
    }
    if (r->entries > 0) {
        set(&list, "host", r->hosts);
        set(&list, "hostaddr", r->addresses);
        set(&list, "port", r->ports);
    }
    set(&list, "client_encoding", "UTF8");
    return PQconnectStartParams(list.keywords, list.values, 0);
}
