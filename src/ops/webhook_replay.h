#pragma once
/* ops/webhook_replay.h: kept webhooks go the real way again: signed anew, over HTTP, into the running engine, which decides as it would have then. Every
 * lock on that way holds, so a webhook that is filed already changes nothing. The signature bears this command's time: in a world with --at, give --at here too. */
#include "config.h"

/* ids as `webhooks list` shows them. 0: each was filed, or had been already. */
int webhooks_replay(const struct config *c, int count, char **ids);
/* All that are unrouted or quarantined, oldest first. */
int webhooks_retry_failed(const struct config *c);
