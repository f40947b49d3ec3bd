/* bench/ingest/filed_at_once.c: ingest with nothing behind it, for `ringmaster-ingest`: the engine up to the durable 2xx (verify, parse, hop, admit, duplicates, journal,
 * answer), whose letters count as filed the moment they would be posted to their call. build.zig compiles src/webhook/ there with call_post spelled bench_call_post. */
#include "call/call.h"

void bench_call_post(struct call_desk *d, struct hash128 key, struct call_mail *m);

void bench_call_post(struct call_desk *d, struct hash128 key, struct call_mail *m)
{
    call_dismiss(d, key);
    m->done(m, MAIL_FILED);
}
