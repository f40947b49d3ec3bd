#include "reader.h"
#include <stdlib.h>
#include "base/ensure.h"

/* -- bodies -- */

/* Into memory of its own, before the bytes that it is in are gone. */
static void keep_body(struct reader *r)
{
    if (r->body.length == 0 || r->body.start == r->memory) return;
    if (!r->memory) r->memory = malloc(BODY_BYTES_MAX);
    ensure(r->memory && r->body.length <= BODY_BYTES_MAX);
    memcpy(r->memory, r->body.start, r->body.length);
    r->body.start = r->memory;
}

static void add_to_body(struct reader *r, struct slice piece)
{
    if (!r->config->shows_bodies) return;
    if (r->body.length == 0) {
        r->body = piece;
        return;
    }
    keep_body(r);
    ensure(r->body.length + piece.length <= BODY_BYTES_MAX);
    memcpy(r->memory + r->body.length, piece.start, piece.length);
    r->body.length += piece.length;
}

static void complete(struct reader *r)
{
    r->config->complete(r, (struct request){ r->body, buffer_slice(&r->signature), r->signature_count });
    r->body = slice_absent;
}

/* -- by Content-Length -- */

/* Of the head that begins here. 0: there is no whole one. */
static size_t measure_head(struct slice bytes)
{
    const char *end = memmem(bytes.start, bytes.length, "\r\n\r\n", 4);
    return end ? (size_t)(end - bytes.start) + 4 : 0;
}

static uint32_t declared_bytes(struct slice head)
{
    const char *declared = memmem(head.start, head.length, "Content-Length: ", 16);
    return declared ? (uint32_t)strtoul(declared + 16, nullptr, 10) : 0;
}

static bool read_by_length(struct reader *r, struct slice bytes)
{
    while (bytes.length > 0) {
        if (r->missing_bytes == 0) {
            size_t head_bytes = measure_head(bytes);
            if (head_bytes == 0) return false;
            r->missing_bytes = declared_bytes(slice_take(bytes, head_bytes));
            bytes = slice_skip(bytes, head_bytes);
        }
        struct slice piece = slice_take(bytes, r->missing_bytes);
        add_to_body(r, piece);
        bytes = slice_skip(bytes, piece.length);
        r->missing_bytes -= (uint32_t)piece.length;
        if (r->missing_bytes == 0) complete(r);
    }
    return true;
}

/* -- by llhttp -- */

static int on_message_begin(llhttp_t *parser)
{
    struct reader *r = parser->data;
    r->signature = buffer_over(r->signature_memory, sizeof r->signature_memory);
    r->signature_count = 0;
    return HPE_OK;
}

static int on_header_field(llhttp_t *parser, const char *piece, size_t length)
{
    struct reader *r = parser->data;
    buffer_add(&r->name, slice_from(piece, length));
    return HPE_OK;
}

static int on_header_field_complete(llhttp_t *parser)
{
    struct reader *r = parser->data;
    r->in_signature = !r->name.overflowed && slice_equal_ignoring_case(buffer_slice(&r->name), slice_of("x-retell-signature"));
    r->signature_count += r->in_signature;
    r->name = buffer_over(r->name_memory, sizeof r->name_memory);
    return HPE_OK;
}

static int on_header_value(llhttp_t *parser, const char *piece, size_t length)
{
    struct reader *r = parser->data;
    if (r->in_signature) buffer_add(&r->signature, slice_from(piece, length));
    return HPE_OK;
}

static int on_body(llhttp_t *parser, const char *piece, size_t length)
{
    add_to_body(parser->data, slice_from(piece, length));
    return HPE_OK;
}

static int on_message_complete(llhttp_t *parser)
{
    complete(parser->data);
    return HPE_OK;
}

static const llhttp_settings_t callbacks = {
    .on_message_begin = on_message_begin,
    .on_header_field = on_header_field,
    .on_header_field_complete = on_header_field_complete,
    .on_header_value = on_header_value,
    .on_body = on_body,
    .on_message_complete = on_message_complete,
};

/* -- either -- */

void reader_init(struct reader *r, const struct reader_config *config)
{
    *r = (struct reader){ .config = config, .name = buffer_over(r->name_memory, sizeof r->name_memory) };
    llhttp_init(&r->parser, HTTP_REQUEST, &callbacks);
    r->parser.data = r;
}

void reader_deinit(struct reader *r) { free(r->memory); }

bool reader_feed(struct reader *r, struct slice bytes)
{
    bool is_understood = r->config->by_llhttp ? llhttp_execute(&r->parser, bytes.start, bytes.length) == HPE_OK : read_by_length(r, bytes);
    keep_body(r);
    return is_understood;
}
