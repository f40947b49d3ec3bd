#include "net/http_message.h"
#include "base/ensure.h"

/* A lawful sender may cut a body into chunks of one byte, which is five bytes of frame to each. More than that, or more than a head's
 * worth of extensions and trailers, is only sent to keep us busy. */
enum : uint32_t { CHUNK_FRAME_RATIO_MAX = 8 };

static struct http_message *message_of(llhttp_t *parser) { return parser->data; }

static int stop(struct http_message *m, enum message_progress reached)
{
    m->reached = reached;
    return HPE_USER;
}

/* -- the head -- */

static void move_slice(struct slice *s, const char *from, char *to)
{
    if (s->start) s->start = to + (s->start - from);
}

/* The head outgrew the message's own text: it gets all it may ever need, and the slices follow. */
static bool grow_text(struct http_message *m)
{
    ensure(m->text == m->small_text); /* the grown text holds every head that passes http_head_bytes_max */
    char *grown = heap_acquire(m->heap, http_head_bytes_max);
    if (!grown) return false;
    memcpy(grown, m->text, m->text_length);
    move_slice(&m->target, m->text, grown);
    for (uint32_t n = 0; n <= m->header_count; n++) { /* the one under construction too */
        move_slice(&m->headers[n].name, m->text, grown);
        move_slice(&m->headers[n].value, m->text, grown);
    }
    m->text = grown;
    m->text_capacity = http_head_bytes_max;
    return true;
}

/* Adds a piece of text to what `s` names; pieces of one slice come one after the other. */
static int add_text(struct http_message *m, struct slice *s, const char *piece, size_t length)
{
    if (m->in_body) return HPE_OK;
    if (length > m->text_capacity - m->text_length && !grow_text(m)) return stop(m, MESSAGE_HAS_NO_MEMORY);
    ensure(length <= m->text_capacity - m->text_length);
    if (!s->start) s->start = m->text + m->text_length;
    memcpy(m->text + m->text_length, piece, length);
    m->text_length += (uint32_t)length;
    s->length += length;
    return HPE_OK;
}

static int on_url(llhttp_t *parser, const char *piece, size_t length)
{
    struct http_message *m = message_of(parser);
    return add_text(m, &m->target, piece, length);
}

static int on_header_field(llhttp_t *parser, const char *piece, size_t length)
{
    struct http_message *m = message_of(parser);
    if (m->header_count == http_headers_max && m->kind == MESSAGE_REQUEST && !m->in_body) return stop(m, MESSAGE_HEAD_TOO_LARGE);
    return add_text(m, &m->headers[m->header_count].name, piece, length);
}

static int on_header_value(llhttp_t *parser, const char *piece, size_t length)
{
    struct http_message *m = message_of(parser);
    return add_text(m, &m->headers[m->header_count].value, piece, length);
}

static int on_header_value_complete(llhttp_t *parser)
{
    struct http_message *m = message_of(parser);
    if (m->in_body) return HPE_OK;
    struct http_header *h = &m->headers[m->header_count];
    h->value = h->value.start ? slice_trim(h->value) : slice_from(m->text + m->text_length, 0); /* present, though empty */
    if (m->header_count < http_headers_max) m->header_count += 1;
    m->headers[m->header_count] = (struct http_header){ 0 };
    return HPE_OK;
}

/* RFC 9112 6.3, rule 1: whatever its head says. */
static bool answer_has_no_body(const struct http_message *m)
{
    uint16_t status = m->parser.status_code;
    return m->kind == MESSAGE_ANSWER_TO_HEAD || status < 200 || status == 204 || status == 304;
}

static int on_headers_complete(llhttp_t *parser)
{
    struct http_message *m = message_of(parser);
    parser->upgrade = 0; /* we never upgrade: CONNECT and Upgrade are requests like others, for the handler to refuse */
    if (m->kind != MESSAGE_REQUEST && answer_has_no_body(m)) parser->flags |= F_SKIPBODY;
    m->reached = MESSAGE_HAS_HEAD;
    return HPE_PAUSED;
}

/* -- what llhttp lets through and we do not -- */

static bool is_authority_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || strchr("-._~%:[]", c) != nullptr;
}

/* RFC 9112 3.2: exactly one Host; a 1.0 peer may leave it out. One that two parsers could read differently is refused. */
static bool host_is_sound(const struct http_message *m)
{
    uint32_t     count;
    struct slice host = http_header_find(m->headers, m->header_count, slice_of("host"), &count);
    if (count == 0) return http_message_is_1_0(m);
    if (count > 1) return false;
    for (size_t n = 0; n < host.length; n++)
        if (host.start[n] == '\0' || !is_authority_char(host.start[n])) return false;
    return true;
}

static bool is_digits(struct slice s)
{
    for (size_t n = 0; n < s.length; n++)
        if (s.start[n] < '0' || s.start[n] > '9') return false;
    return s.length > 0;
}

/* One length, said once, in one way. A body whose coding we do not undo cannot be told from the next request either. */
static bool framing_is_sound(const struct http_message *m)
{
    uint32_t     codings, lengths;
    struct slice coding = http_header_find(m->headers, m->header_count, slice_of("transfer-encoding"), &codings);
    struct slice length = http_header_find(m->headers, m->header_count, slice_of("content-length"), &lengths);
    if (codings + lengths > 1) return false;
    if (codings == 1) return slice_equal_ignoring_case(coding, slice_of("chunked")) && !http_message_is_1_0(m);
    return lengths == 0 || is_digits(length);
}

static bool target_is_sound(struct slice target)
{
    return target.length > 0 && memchr(target.start, '#', target.length) == nullptr; /* a fragment never leaves the browser */
}

/* llhttp counts content_length down as the body comes, so this is asked once. */
static int64_t declared_bytes(const struct http_message *m)
{
    if (m->parser.flags & F_SKIPBODY) return 0;
    if (m->parser.flags & F_CHUNKED) return -1;
    if (m->parser.flags & F_CONTENT_LENGTH) return m->parser.content_length > INT64_MAX ? INT64_MAX : (int64_t)m->parser.content_length;
    return llhttp_message_needs_eof(&m->parser) ? -1 : 0;
}

static enum message_progress judge_head(struct http_message *m)
{
    m->in_body = true;
    m->body_bytes_declared = declared_bytes(m);
    if (m->parser.http_major != 1 || m->parser.http_minor > 1) return MESSAGE_VERSION_UNKNOWN;
    bool is_sound = framing_is_sound(m);
    if (m->kind == MESSAGE_REQUEST) is_sound = is_sound && host_is_sound(m) && target_is_sound(m->target);
    else is_sound = is_sound || m->body_bytes_declared == 0; /* an answer without a body may describe one: HEAD, 304 */
    return is_sound ? MESSAGE_HAS_HEAD : MESSAGE_IS_MALFORMED;
}

/* -- the body -- */

static uint64_t doubled(uint64_t bytes, uint64_t at_most) { return bytes > at_most / 2 ? at_most : 2 * bytes; }

/* Room for `needed` bytes in all. A length that is known bounds the growth, so the last step fits it exactly. */
static enum message_progress reserve_body(struct http_message *m, uint64_t needed)
{
    if (needed > m->body_bytes_max) return MESSAGE_BODY_TOO_LARGE;
    if (needed <= m->body.capacity) return MESSAGE_WANTS_BYTES;

    uint64_t at_most = m->body_bytes_declared >= 0 ? (uint64_t)m->body_bytes_declared : m->body_bytes_max;
    uint64_t capacity = m->body.capacity > 0 ? doubled(m->body.capacity, at_most) : needed;
    if (capacity < needed) capacity = needed;

    char *grown = heap_acquire(m->heap, capacity);
    if (!grown) return MESSAGE_HAS_NO_MEMORY;
    if (m->body.length > 0) memcpy(grown, m->body.start, m->body.length);
    heap_release(m->heap, m->body.start, m->body.capacity);
    m->body.start = grown;
    m->body.capacity = capacity;
    return MESSAGE_WANTS_BYTES;
}

static int on_body(llhttp_t *parser, const char *piece, size_t length)
{
    struct http_message  *m = message_of(parser);
    enum message_progress room = reserve_body(m, m->body.length + length);
    if (room != MESSAGE_WANTS_BYTES) return stop(m, room);
    memcpy(m->body.start + m->body.length, piece, length);
    m->body.length += length;
    return HPE_OK;
}

static int on_message_complete(llhttp_t *parser)
{
    message_of(parser)->reached = MESSAGE_IS_COMPLETE;
    return HPE_PAUSED;
}

static const llhttp_settings_t callbacks = {
    .on_url = on_url,
    .on_header_field = on_header_field,
    .on_header_value = on_header_value,
    .on_header_value_complete = on_header_value_complete,
    .on_headers_complete = on_headers_complete,
    .on_body = on_body,
    .on_message_complete = on_message_complete,
};

/* -- the verbs -- */

void http_message_begin(struct http_message *m, enum message_kind kind, struct heap *heap)
{
    ensure(!m->body.start && (!m->text || m->text == m->small_text)); /* nothing of the last message is left */
    llhttp_init(&m->parser, kind == MESSAGE_REQUEST ? HTTP_REQUEST : HTTP_RESPONSE, &callbacks);
    m->parser.data = m;
    m->heap = heap;
    m->kind = kind;
    m->in_body = false;
    m->head_bytes = 0;
    m->body_bytes_declared = 0;
    m->body_raw_bytes = m->body_bytes_max = 0;
    m->target = slice_absent;
    m->header_count = 0;
    m->headers[0] = (struct http_header){ 0 };
    m->text = m->small_text;
    m->text_length = 0;
    m->text_capacity = message_text_bytes;
}

void http_message_end(struct http_message *m)
{
    heap_release(m->heap, m->body.start, m->body.capacity);
    m->body = (struct http_body){ 0 };
    if (m->text != m->small_text) heap_release(m->heap, m->text, http_head_bytes_max);
    m->text = m->small_text;
}

/* What llhttp made of the bytes, in our terms. */
static enum message_progress progress_after(struct http_message *m, llhttp_errno_t error)
{
    if (error == HPE_OK) return MESSAGE_WANTS_BYTES;
    if (error != HPE_PAUSED && error != HPE_USER) return MESSAGE_IS_MALFORMED;
    return m->reached == MESSAGE_HAS_HEAD ? judge_head(m) : m->reached;
}

static enum message_progress feed_head(struct http_message *m, size_t used, enum message_progress progress)
{
    m->head_bytes += (uint32_t)used;
    bool full = m->head_bytes == http_head_bytes_max;
    return progress == MESSAGE_WANTS_BYTES && full ? MESSAGE_HEAD_TOO_LARGE : progress;
}

static enum message_progress feed_body(struct http_message *m, size_t used, enum message_progress progress)
{
    m->body_raw_bytes += used;
    bool babbles = m->body_raw_bytes > http_head_bytes_max + CHUNK_FRAME_RATIO_MAX * (uint64_t)m->body.length;
    return babbles && progress <= MESSAGE_IS_COMPLETE ? MESSAGE_IS_MALFORMED : progress;
}

enum message_progress http_message_feed(struct http_message *m, struct slice *bytes)
{
    bool         in_head = !m->in_body;
    struct slice part = in_head ? slice_take(*bytes, http_head_bytes_max - m->head_bytes) : *bytes;
    if (!part.start) part = slice_of(""); /* llhttp computes with it */

    if (llhttp_get_errno(&m->parser) == HPE_PAUSED) llhttp_resume(&m->parser);
    llhttp_errno_t        error = llhttp_execute(&m->parser, part.start, part.length);
    size_t                used = error == HPE_OK ? part.length : (size_t)(llhttp_get_error_pos(&m->parser) - part.start);
    enum message_progress progress = progress_after(m, error);
    ensure(used <= part.length);
    *bytes = slice_skip(*bytes, used);
    return in_head ? feed_head(m, used, progress) : feed_body(m, used, progress);
}

enum message_progress http_message_feed_end(struct http_message *m)
{
    if (!m->in_body) return MESSAGE_IS_MALFORMED;
    if (llhttp_get_errno(&m->parser) == HPE_PAUSED) llhttp_resume(&m->parser);
    m->reached = MESSAGE_WANTS_BYTES;
    llhttp_errno_t error = llhttp_finish(&m->parser);
    bool complete = (error == HPE_OK || error == HPE_PAUSED) && m->reached == MESSAGE_IS_COMPLETE;
    return complete ? MESSAGE_IS_COMPLETE : MESSAGE_IS_MALFORMED;
}

enum message_progress http_message_accept_body(struct http_message *m, uint64_t body_bytes_max)
{
    m->body_bytes_max = body_bytes_max;
    if (m->body_bytes_declared <= 0) return MESSAGE_WANTS_BYTES;
    uint64_t declared = (uint64_t)m->body_bytes_declared;
    if (declared > body_bytes_max) return MESSAGE_BODY_TOO_LARGE;
    return reserve_body(m, declared < http_body_bytes_at_once ? declared : http_body_bytes_at_once);
}

struct http_body http_message_take_body(struct http_message *m)
{
    struct http_body taken = m->body;
    m->body = (struct http_body){ 0 };
    return taken;
}

enum http_method http_message_method(const struct http_message *m)
{
    switch (m->parser.method) { /* llhttp's numbers: http_llhttp.h */
    case LLHTTP_GET:     return HTTP_GET;
    case LLHTTP_HEAD:    return HTTP_HEAD;
    case LLHTTP_POST:    return HTTP_POST;
    case LLHTTP_PUT:     return HTTP_PUT;
    case LLHTTP_PATCH:   return HTTP_PATCH;
    case LLHTTP_DELETE:  return HTTP_DELETE;
    case LLHTTP_OPTIONS: return HTTP_OPTIONS;
    default:             return HTTP_OTHER; /* an integer, not an enum of ours: llhttp knows forty more */
    }
}

uint16_t http_message_status(const struct http_message *m) { return m->parser.status_code; }
bool     http_message_is_1_0(const struct http_message *m) { return m->parser.http_minor == 0; }
bool     http_message_keeps_alive(const struct http_message *m) { return llhttp_should_keep_alive(&m->parser) != 0; }
