/* What the checksum promises: RFC 3720's vectors, and the same from the instruction, from the table, at once, in pieces and joined. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "base/crc32c.h"

static void equals_the_vectors_of_rfc_3720(void **)
{
    char zeros[32] = {}, ones[32], rising[32], falling[32];
    memset(ones, 0xff, 32);
    for (char n = 0; n < 32; n++) rising[(int)n] = n, falling[(int)n] = (char)(31 - n);
    const struct { struct slice bytes; uint32_t sum; } vectors[] = {
        { slice_from(zeros, 32), 0x8a9136aa },  { slice_from(ones, 32), 0x62a8ab43 },  { slice_from(rising, 32), 0x46dd794e },
        { slice_from(falling, 32), 0x113fdb5c }, { slice_of("123456789"), 0xe3069283 }, { slice_absent, 0 },
    };
    for (size_t n = 0; n < sizeof vectors / sizeof *vectors; n++) {
        assert_int_equal(crc32c(0, vectors[n].bytes), vectors[n].sum);
        assert_int_equal(crc32c_by_table(0, vectors[n].bytes), vectors[n].sum);
    }
}

static struct slice many_bytes(void)
{
    static char bytes[80'000];
    for (size_t n = 0; n < sizeof bytes; n++) bytes[n] = (char)(n * n + n / 7);
    return slice_from(bytes, sizeof bytes);
}

static void the_instruction_and_the_table_agree_at_any_length_and_alignment(void **)
{
    struct slice all = many_bytes();
    for (size_t from = 0; from < 9; from++)
        for (size_t length = 0; length < 1200; length++) { /* three pieces of 32 words and of 16 and of 8, and all that can be left behind them */
            struct slice part = slice_take(slice_skip(all, from), length);
            assert_int_equal(crc32c(7, part), crc32c_by_table(7, part));
        }
    for (size_t length = 1200; length < all.length; length += length / 3 + 1)
        assert_int_equal(crc32c(7, slice_take(all, length)), crc32c_by_table(7, slice_take(all, length)));
}

static void pieces_give_the_same_as_the_whole(void **)
{
    struct slice text = slice_of("a record is one body and its frame, written in pieces");
    for (size_t cut = 0; cut <= text.length; cut++)
        assert_int_equal(crc32c(crc32c(0, slice_take(text, cut)), slice_skip(text, cut)), crc32c(0, text));
}

static void two_texts_are_joined_by_their_sums(void **)
{
    struct slice all = many_bytes();
    for (size_t first = 0; first < 20; first++)
        for (size_t second = 0; first + second <= all.length; second = 3 * second / 2 / 8 * 8 + 8) {
            struct slice behind = slice_take(slice_skip(all, first), second);
            uint32_t     joined = crc32c_join(crc32c(0, slice_take(all, first)), crc32c(0, behind), second);
            assert_int_equal(joined, crc32c_by_table(0, slice_take(all, first + second)));
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equals_the_vectors_of_rfc_3720),
        cmocka_unit_test(the_instruction_and_the_table_agree_at_any_length_and_alignment),
        cmocka_unit_test(pieces_give_the_same_as_the_whole),
        cmocka_unit_test(two_texts_are_joined_by_their_sums),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
