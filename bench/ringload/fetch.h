#pragma once
/* One blocking GET of the simulator's control port: before and after a run, when blocking disturbs nobody. Plain HTTP, one connection each. */
#include "base/slice.h"

struct fetched { uint16_t status; struct slice body; char *memory; };
[[nodiscard]] bool fetch(const char *origin_url, const char *path, struct fetched *f); /* false: no whole answer */
void fetch_free(struct fetched *f);
