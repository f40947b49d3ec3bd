/* Any bytes as the header: the check never reads past them, and only the one true header, in either case of hex, is valid. */
#include "base/ensure.h"
#include "retell/signature.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count);
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
    static const struct slice key = slice_of("key_fuzz"), body = slice_of("{}");
    char          memory[RETELL_SIGNATURE_BYTES_MAX];
    struct buffer genuine = buffer_over(memory, sizeof memory);
    struct slice  header = slice_from(bytes, count);
    retell_sign(&genuine, body, key, 1'780'000'000'000);

    enum signature_verdict v = retell_signature_verify(header, 1, body, &key, 1, 1'780'000'000'000);
    if (v == SIGNATURE_VALID && slice_starts_with(header, slice_of("v=1780000000000,"))) ensure(slice_equal_ignoring_case(header, buffer_slice(&genuine)));
    ensure((v == SIGNATURE_VALID) >= slice_equal(header, buffer_slice(&genuine)));
    ensure(v != SIGNATURE_MISSING && v != SIGNATURE_NO_KEY);
    ensure(signature_verdict_name(v));
    return 0;
}
