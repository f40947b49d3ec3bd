#include "net/resolver.h"
#include <arpa/inet.h>
#include <netdb.h>
#include "base/ensure.h"

void resolver_init(struct resolver *r, struct shard *s, struct worker *w, const char *host, resolver_done *done)
{
    *r = (struct resolver){ .shard = s, .worker = w, .host = host, .done = done };
    if (inet_pton(AF_INET, host, &r->addresses[0]) != 1) return;
    r->is_numeric = true;
    r->count = 1;
}

bool resolver_has_address(const struct resolver *r)
{
    return r->count > 0 && (r->is_numeric || r->shard->now_us < r->fresh_until_us);
}

struct in_addr resolver_address(const struct resolver *r)
{
    ensure(r->count > 0);
    return r->addresses[r->current % r->count];
}

void resolver_skip_address(struct resolver *r) { r->current += 1; }
bool resolver_is_busy(const struct resolver *r) { return r->job.running; }

/* On the helper thread: this blocks, for seconds when the name servers are gone. */
static void look_up(struct job *j)
{
    struct resolver       *r = container_of(j, struct resolver, job);
    const struct addrinfo  wanted = { .ai_family = AF_INET, .ai_socktype = SOCK_STREAM };
    struct addrinfo       *all = nullptr;
    r->found_count = 0;
    if (getaddrinfo(r->host, nullptr, &wanted, &all) != 0) return;
    for (const struct addrinfo *a = all; a && r->found_count < http_resolved_addresses_max; a = a->ai_next)
        r->found[r->found_count++] = ((const struct sockaddr_in *)(const void *)a->ai_addr)->sin_addr;
    freeaddrinfo(all);
}

static void looked_up(struct job *j)
{
    struct resolver *r = container_of(j, struct resolver, job);
    if (r->found_count > 0) {
        memcpy(r->addresses, r->found, sizeof r->found);
        r->count = r->found_count;
        r->current = 0;
    }
    r->fresh_until_us = r->shard->now_us + http_resolved_ttl_ms * UINT64_C(1000);
    r->done(r);
}

bool resolver_ask(struct resolver *r)
{
    if (!r->worker || r->is_numeric) return false;
    if (!r->job.running) worker_give(r->worker, r->shard, &r->job, look_up, looked_up);
    return true;
}
