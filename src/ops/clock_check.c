#include "ops/clock_check.h"

#include <time.h>

constexpr uint64_t answer_timeout_us = 5'000'000;

bool http_date_parse(struct slice text, int64_t *at_s)
{
    char memory[40];
    struct tm t = {};
    if (text.length >= sizeof memory || slice_is_absent(text)) return false;
    memcpy(memory, text.start, text.length);
    memory[text.length] = 0;
    const char *rest = strptime(memory, "%a, %d %b %Y %H:%M:%S GMT", &t);
    if (!rest || *rest) return false;
    *at_s = timegm(&t);
    return true;
}

static void answered(struct http_call *call)
{
    struct clock_check *c = container_of(call, struct clock_check, call);
    int64_t theirs_s;
    c->known = call->outcome == HTTP_ANSWERED && http_date_parse(http_call_header(call, slice_of("Date")), &theirs_s);
    if (c->known) c->ahead_s = c->shard->wall_us / 1'000'000 - theirs_s;
    http_call_release(call);
    http_client_close(c->client);
    c->done(c);
}

void clock_check_start(struct clock_check *c, struct shard *s, const struct http_client_config *http, clock_check_done *done)
{
    *c = (struct clock_check){ .done = done, .shard = s, .client = http_client_open(s, http) };
    ensure(c->client != nullptr); /* a command that finds no memory ends */
    c->call = (struct http_call){ .method = HTTP_GET, .target = slice_of("/me"), .deadline_us = s->now_us + answer_timeout_us, .done = answered };
    http_call_start(c->client, &c->call);
}
