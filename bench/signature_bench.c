/* bench/signature_bench.c: what it costs to know that a body is from Retell, beside the bare hash of it, which no check can do without.
 *
 *     signature_bench        (bounded to about 4 s)
 */
#include <stdio.h>
#include "base/ensure.h"
#include "base/hmac.h"
#include "retell_bodies.h"
#include "rounds.h"
#include "retell/signature.h"

struct sample { struct slice body, header, keys[2]; };
static const int64_t at_ms = 1'780'000'000'000;

static void hash(void *context)
{
    struct hmac_digest d = sha256_of(((struct sample *)context)->body);
    ensure((d.bytes[0] | d.bytes[1] | d.bytes[2] | d.bytes[3]) != 0 || d.bytes[4] != 0); /* keeps the compiler from leaving it out */
}

static void verify(const struct sample *s, uint32_t key_count) { ensure(retell_signature_verify(s->header, 1, s->body, s->keys, key_count, at_ms) == SIGNATURE_VALID); }
static void verify_one_key(void *context) { verify(context, 1); }
static void verify_two_keys(void *context) { verify(context, 2); }

int main(void)
{
    static char body[70 * 1024];
    static const size_t sizes[] = { 2 * 1024, 60 * 1024 };
    void (*const runs[])(void *) = { hash, verify_one_key, verify_two_keys };

    printf("%8s %12s %12s %12s %10s %10s\n", "bytes", "sha256 ns", "1 key ns", "2 keys ns", "1 : sha", "2 : sha");
    for (size_t n = 0; n < sizeof sizes / sizeof *sizes; n++) {
        char          memory[RETELL_SIGNATURE_BYTES_MAX];
        struct buffer header = buffer_over(memory, sizeof memory);
        struct sample s = { .body = retell_body(body, sizes[n]), .keys = { slice_of("key_0123456789abcdef0123456789ab"), slice_of("key_previous") } };
        double        ns[3];
        retell_sign(&header, s.body, s.keys[0], at_ms);
        s.header = buffer_slice(&header);
        measure_ns(runs, &s, 3, ns);
        printf("%8zu %12.0f %12.0f %12.0f %10.2f %10.2f\n", s.body.length, ns[0], ns[1], ns[2], ns[1] / ns[0], ns[2] / ns[0]);
    }
    return 0;
}
