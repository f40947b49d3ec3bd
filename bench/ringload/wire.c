#include "wire.h"
#include "base/ensure.h"

static struct wire *wire_of(struct stream *s) { return container_of(s, struct wire, stream); }

void wire_close(struct wire *w)
{
    if (w->state == WIRE_CLOSING) return;
    w->state = WIRE_CLOSING;
    timer_stop(&w->shard->timers, &w->timer);
    stream_close(&w->stream);
}

static void finish(struct wire *w, enum wire_end how)
{
    ensure(w->state == WIRE_BUSY);
    timer_stop(&w->shard->timers, &w->timer);
    uint16_t status = w->status;
    bool stays_open = how == WIRE_ANSWERED && !w->closes;
    if (stays_open) w->state = WIRE_IDLE;
    else wire_close(w);
    w->owner->answered(w, how, status);
}

/* Both the whole answer and the whole request must be through: an answer can overtake its request's end. */
static void finish_if_through(struct wire *w)
{
    if (w->state == WIRE_BUSY && w->has_answer && !w->is_sending) finish(w, WIRE_ANSWERED);
}

/* -- answers in -- */

/* The value of a header of the head, by its lower-case name with colon; absent: none. */
static struct slice header_of(const struct wire *w, const char *name)
{
    struct slice rest = slice_from(w->head, w->head_length), wanted = slice_from_text(name);
    while (!slice_is_absent(rest)) {
        struct slice line = slice_trim(slice_split(&rest, '\n'));
        if (line.length > wanted.length && slice_equal_ignoring_case(slice_take(line, wanted.length), wanted)) return slice_trim(slice_skip(line, wanted.length));
    }
    return slice_absent;
}

/* false: not an answer that this reader knows. */
static bool read_head(struct wire *w)
{
    uint64_t status;
    struct slice head = slice_from(w->head, w->head_length), length = header_of(w, "content-length:");
    if (!slice_starts_with(head, slice_of("HTTP/1.1 ")) || !slice_to_u64(slice_take(slice_skip(head, 9), 3), 999, &status)) return false;
    w->status = (uint16_t)status;
    w->closes = slice_equal_ignoring_case(header_of(w, "connection:"), slice_of("close"));
    w->body_left = 0;
    if (slice_is_absent(length)) return status == 204 || status == 304;
    return slice_to_u64(length, UINT32_MAX, &w->body_left);
}

/* Adds bytes to the head until its empty line; true: it is complete. */
static bool collect_head(struct wire *w, struct slice *bytes)
{
    while (bytes->length > 0 && w->head_length < WIRE_HEAD_BYTES_MAX) {
        w->head[w->head_length++] = bytes->start[0];
        *bytes = slice_skip(*bytes, 1);
        if (w->head_length >= 4 && memcmp(w->head + w->head_length - 4, "\r\n\r\n", 4) == 0) return true;
    }
    return false;
}

static void received(struct stream *s, struct slice bytes)
{
    struct wire *w = wire_of(s);
    if (w->state != WIRE_BUSY || w->has_answer) return wire_close(w); /* nothing was asked */
    if (w->status == 0) {
        bool complete = collect_head(w, &bytes);
        if (!complete && w->head_length < WIRE_HEAD_BYTES_MAX) return;
        if (!complete || !read_head(w)) return finish(w, WIRE_BROKEN);
    }
    w->body_left -= bytes.length < w->body_left ? bytes.length : w->body_left;
    w->has_answer = w->body_left == 0;
    finish_if_through(w);
}

/* -- the rest of what the stream tells -- */

static void opened(struct stream *s)
{
    struct wire *w = wire_of(s);
    if (w->state == WIRE_CLOSING) return;
    w->state = WIRE_IDLE;
    w->was_connected = true;
    w->owner->ready(w);
}

static void ended(struct stream *s, enum stream_end how)
{
    struct wire *w = wire_of(s);
    (void)how;
    if (w->state == WIRE_BUSY) finish(w, WIRE_BROKEN);
    else wire_close(w);
}

static void sent(struct stream *s, bool is_sent)
{
    struct wire *w = wire_of(s);
    w->is_sending = false;
    if (!is_sent && w->state == WIRE_BUSY && !w->has_answer) return finish(w, WIRE_BROKEN);
    finish_if_through(w);
}

static void closed(struct stream *s)
{
    struct wire *w = wire_of(s);
    w->owner->gone(w, w->was_connected);
}

static const struct stream_owner callbacks = { .opened = opened, .received = received, .ended = ended, .sent = sent, .closed = closed };

bool wire_open(struct wire *w, struct shard *s, const struct wire_owner *owner, const struct sockaddr_in *to)
{
    *w = (struct wire){ .shard = s, .owner = owner, .state = WIRE_CONNECTING };
    return stream_connect(&w->stream, s, &callbacks, to, (struct stream_security){ 0 });
}

static void too_late(struct timer *t) { finish(container_of(t, struct wire, timer), WIRE_TIMED_OUT); }

void wire_send(struct wire *w, struct slice request, uint64_t deadline_us)
{
    ensure(w->state == WIRE_IDLE);
    w->state = WIRE_BUSY;
    w->status = 0;
    w->head_length = 0;
    w->has_answer = false;
    w->is_sending = true;
    timer_start(&w->shard->timers, &w->timer, deadline_us, too_late);
    stream_send(&w->stream, request, false);
}
