#pragma once
/* base/ensure.h: what must be true, in production too. A broken one is our bug: say where, and stop before it spreads. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#define ensure(condition) ((condition) ? (void)0 : ensure_failed(#condition, __FILE__, __LINE__))

/* Every long-lived struct begins with `uint32_t magic`; a function that takes one checks it at the door, so a stale or
 * foreign pointer stops at once, by name. deinit sets it to zero. */
#define ensure_magic(object, expected) ensure((object) != nullptr && (object)->magic == (expected))

[[noreturn, gnu::cold]] static inline void ensure_failed(const char *condition, const char *file, int line)
{
    fprintf(stderr, "%s:%d: broken: %s\n", file, line, condition);
    abort();
}
