/* Whatever comes in: it is refused, or it can be walked within the bounds, printed, and read again as the same value. */
#include "base/ensure.h"
#include "base/json.h"

enum { HEAP_BYTES = 16 << 20, PRINTED_BYTES_MAX = 4 << 20 };

/* Every getter on every value, without recursion; returns how many values there are. */
static uint32_t walk(const struct json_value *root)
{
    struct json_iterator open[json_depth_max + 1] = { { .next = root, .left = 1 } };
    uint32_t             depth = 0, count = 0;
    for (;;) {
        struct slice             key;
        const struct json_value *value;
        if (!json_next(&open[depth], &key, &value)) {
            if (depth == 0) return count;
            depth -= 1;
            continue;
        }
        int64_t integer = 0;
        double  real;
        bool    boolean;
        count += 1;
        if (json_integer(value, &integer)) ensure(json_real(value, &real));
        ensure(json_real(value, &real) == (json_type_of(value) == JSON_NUMBER));
        ensure(json_boolean(value, &boolean) == (json_type_of(value) == JSON_BOOL));
        ensure(slice_is_absent(json_text(value)) == (json_type_of(value) != JSON_TEXT));
        (void)json_get(value, "event");
        if (json_length(value) == 0) continue;
        ensure(depth < json_depth_max);
        open[++depth] = json_each(value);
    }
}

static struct slice printed(const struct json_document *d, char *memory)
{
    struct buffer b = buffer_over(memory, PRINTED_BYTES_MAX);
    json_print(&b, json_root(d));
    ensure(!b.overflowed);
    return buffer_slice(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char       first[PRINTED_BYTES_MAX], second[PRINTED_BYTES_MAX];
    struct heap       heap;
    struct json_error error;
    heap_init(&heap, HEAP_BYTES);

    struct json_document *d = json_parse(slice_from(data, size), &heap, &error);
    ensure((d != nullptr) == (error.status == JSON_OK) && error.offset <= size);
    if (d) {
        struct slice          text = printed(d, first);
        struct json_document *again = json_parse(text, &heap, &error);
        ensure(again);
        ensure(walk(json_root(d)) == walk(json_root(again)));
        ensure(slice_equal(text, printed(again, second)));
        json_release(again, &heap);
    }
    json_release(d, &heap);
    ensure(heap.used_bytes == 0);
    return 0;
}
