#pragma once
/* ops/clock_check.h: how far this machine's clock is from a server's, by the Date of one answer of its. Retell's signatures are refused past five minutes, and a slot's
 * notice is counted by Cal.com's clock. Asks without a credential: a refusal bears a date, too. On an errand's shard. */
#include "net/http_client.h"

struct clock_check;
typedef void clock_check_done(struct clock_check *c);
struct clock_check {
    clock_check_done   *done;
    struct shard       *shard;
    struct http_client *client;
    struct http_call    call;
    bool                known;   /* there was an answer with a date */
    int64_t             ahead_s; /* of ours before theirs; a second either way means nothing */
};
void clock_check_start(struct clock_check *c, struct shard *s, const struct http_client_config *http, clock_check_done *done);

/* "Tue, 21 Oct 2025 08:00:00 GMT": the one form that servers may send (RFC 9110, 5.6.7). Pure. */
[[nodiscard]] bool http_date_parse(struct slice text, int64_t *at_s);
