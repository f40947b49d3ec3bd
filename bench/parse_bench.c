/* bench/parse_bench.c: what it costs to understand a webhook, once: decoding, and the facts for the database; beside the bare hash of the same bytes.
 *
 *     parse_bench        (bounded to about 4 s)
 */
#include <stdio.h>
#include "base/ensure.h"
#include "base/hmac.h"
#include "retell_bodies.h"
#include "rounds.h"
#include "retell/events.h"

struct sample { struct slice body; struct heap heap; size_t facts_bytes; };

static void hash(void *context)
{
    struct hmac_digest d = sha256_of(((struct sample *)context)->body);
    ensure((d.bytes[0] | d.bytes[1] | d.bytes[2] | d.bytes[3]) != 0 || d.bytes[4] != 0); /* keeps the compiler from leaving it out */
}

static void decode(void *context)
{
    struct sample      *s = context;
    struct retell_event e;
    ensure(retell_event_decode(&e, s->body, &s->heap) == RETELL_UNDERSTOOD);
    retell_event_release(&e, &s->heap);
}

static void decode_and_facts(void *context)
{
    static char         memory[512 * 1024];
    struct sample      *s = context;
    struct buffer       facts = buffer_over(memory, sizeof memory);
    struct retell_event e;
    ensure(retell_event_decode(&e, s->body, &s->heap) == RETELL_UNDERSTOOD);
    retell_event_facts(&e, &facts);
    retell_event_release(&e, &s->heap);
    s->facts_bytes = facts.length;
}

int main(void)
{
    static char body[70 * 1024];
    static const size_t sizes[] = { 2 * 1024, 60 * 1024 };
    void (*const runs[])(void *) = { hash, decode, decode_and_facts };

    printf("%8s %8s %12s %12s %12s %14s %10s\n", "bytes", "facts", "sha256 ns", "decode ns", "+ facts ns", "decode : sha", "both : sha");
    for (size_t n = 0; n < sizeof sizes / sizeof *sizes; n++) {
        struct sample s = { .body = retell_body(body, sizes[n]) };
        double        ns[3];
        heap_init(&s.heap, 64 * 1024 * 1024);
        measure_ns(runs, &s, 3, ns);
        printf("%8zu %8zu %12.0f %12.0f %12.0f %14.2f %10.2f\n", s.body.length, s.facts_bytes, ns[0], ns[1], ns[2], ns[1] / ns[0], ns[2] / ns[0]);
    }
    return 0;
}
