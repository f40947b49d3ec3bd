#pragma once
/* sim/uuid5.h: names as UUIDs (RFC 9562, version 5): Cal.com derives its unique booking key so. Pure. */
#include "base/slice.h"

struct uuid_text { char text[37]; }; /* lower case, zero-terminated */

/* In the URL name space. */
[[nodiscard]] struct uuid_text uuid5_of_url(struct slice name);
