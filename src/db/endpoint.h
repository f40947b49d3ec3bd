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

/* libpq's three lists, one entry a way to try. */
struct endpoint_route { char hosts[1024], addresses[1024], ports[256]; bool found; };
void endpoint_find_route(const struct endpoint *e, struct endpoint_route *r); /* blocks when the endpoint has names: any thread but a shard's */
[[nodiscard]] PGconn *endpoint_connect(const struct endpoint *e, const struct endpoint_route *r); /* PQconnectStart; nullptr: no memory */
