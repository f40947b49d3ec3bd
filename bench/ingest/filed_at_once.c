/* bench/ingest/filed_at_once.c: ingest with nothing behind it, for `ringmaster-ingest`: the engine up to the durable 2xx (verify, parse, hop, admit, duplicates, journal,
 * answer), whose letters count as filed the moment they would be posted to their call. build.zig compiles src/webhook/ there with call_post spelled bench_call_post. */
#include "call/filing.h"

void bench_call_post(struct call_desk *d, struct hash128 key, struct call_mail *m);

/* The call waits for its next event, as it does in the engine, and goes with the last one. */
void bench_call_post(struct call_desk *d, struct hash128 key, struct call_mail *m)
{
    struct call *c = hash_map_find(&d->by_key, key);
    if (filing_happening(m->event) == CALL_IT_WAS_ANALYZED) call_dismiss(d, key);
    else c->expected -= 1;
    m->done(m, MAIL_FILED);
}
