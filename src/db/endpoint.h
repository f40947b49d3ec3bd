#pragma once
/* db/endpoint.h: inside db/: where PostgreSQL is, from a URL. libpq looks host names up with a call that blocks, so they are looked up before, on
 * the helper thread, and libpq is given the addresses beside the names (which it still needs to check a certificate). */
#include <postgresql/libpq-fe.h>
#include "base/buffer.h"
#include "base/slice.h"

struct endpoint { PQconninfoOption *options; }; /* as libpq read the URL */

[[nodiscard]] bool endpoint_open(struct endpoint *e, const char *url); /* false: not a URL that libpq understands */
void endpoint_close(struct endpoint *e);
[[nodiscard]] bool endpoint_has_names(const struct endpoint *e); /* hosts that must be looked up */

/* libpq's three lists, one entry a way to try; none: libpq's own default. libpq goes on to the next when one refuses; when one keeps silent nobody goes on, as the
 * time-out ends the whole attempt: so each attempt begins one further. */
constexpr uint32_t route_bytes_max = 1024;
struct endpoint_route { char hosts[route_bytes_max], addresses[route_bytes_max], ports[route_bytes_max]; uint32_t entries; bool found; };
/* Blocks when the endpoint has names: any thread but a shard's. */
void endpoint_find_route(const struct endpoint *e, uint32_t attempt, struct endpoint_route *r);
[[nodiscard]] PGconn *endpoint_connect(const struct endpoint *e, const struct endpoint_route *r); /* PQconnectStart; nullptr: no memory */
