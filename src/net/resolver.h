#pragma once
/* net/resolver.h: the IPv4 addresses of one host name. A numeric one is its own address; a name is asked for on the helper thread and
 * remembered for a minute. If a later question fails, the old addresses stay in use: who is behind them is for TLS to tell.
 * Embedded in its owner, on one shard; the owner may not die while resolver_is_busy(). */
#include <netinet/in.h>
#include "limits.h"
#include "shard/worker.h"

struct resolver;
typedef void resolver_done(struct resolver *r);

struct resolver {
    struct shard  *shard;
    struct worker *worker; /* nullptr: only numeric hosts */
    const char    *host;   /* the owner's */
    resolver_done *done;
    bool           is_numeric;
    uint64_t       fresh_until_us;
    uint32_t       count, current;
    struct in_addr addresses[http_resolved_addresses_max];
    struct job     job;
    uint32_t       found_count; /* the helper's */
    struct in_addr found[http_resolved_addresses_max];
};

void resolver_init(struct resolver *r, struct shard *s, struct worker *w, const char *host, resolver_done *done);
[[nodiscard]] bool resolver_has_address(const struct resolver *r);
[[nodiscard]] struct in_addr resolver_address(const struct resolver *r);
/* Asks, if nobody has yet; `done` comes later, with an address or without. false: there is nobody to ask. */
[[nodiscard]] bool resolver_ask(struct resolver *r);
void resolver_skip_address(struct resolver *r); /* nobody answers there: the next one, next time */
[[nodiscard]] bool resolver_is_busy(const struct resolver *r);
