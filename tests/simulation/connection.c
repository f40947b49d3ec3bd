/* tests/simulation/connection.c: how bytes get from one end to the other.
 *
 *   send → the window takes what it has room for → segments, each with its own delay → arrived → receive, which makes room
 *
 * Faults are a property of a way, chosen at its birth: from which byte on it is silent, at which one both ends are reset, whether it trickles. */
#include "connection.h"
#include <stdlib.h>
#include <string.h>
#include "base/ensure.h"

enum { TRICKLE_BYTES_MAX = 16 };

static struct list connections;
static uint32_t    connections_made;

static struct way *way_from(const struct end *e) { return &e->connection->ways[e->side]; }
static struct way *way_to(const struct end *e) { return &e->connection->ways[1 - e->side]; }

/* -- life -- */

/* Most are short: as many below 16 bytes as between 4,096 and 65,536. */
static uint64_t draw_byte(void)
{
    uint64_t most = UINT64_C(1) << dice_between(DIE_NETWORK, 0, 16);
    return dice_between(DIE_NETWORK, 0, most);
}

static void draw_faults(struct connection *c)
{
    const struct network_climate *climate = &c->climate;
    struct way *chosen = &c->ways[dice_between(DIE_NETWORK, 0, 1)];
    if (dice_happens(DIE_NETWORK, climate->reset_per_connection)) chosen->reset_at = 1 + draw_byte();
    if (dice_happens(DIE_NETWORK, climate->half_open_per_connection)) chosen->silent_from = draw_byte();
    if (!dice_happens(DIE_NETWORK, climate->slow_per_connection)) return;
    chosen->is_slow = true;
    network_counted.slow += 1;
}

struct connection *connection_new(uint16_t port, const struct network_climate *climate)
{
    ensure(climate->window_bytes > 0 && climate->segment_bytes_max > 0);
    struct connection *c = calloc(1, sizeof *c);
    ensure(c != nullptr);
    c->number = ++connections_made;
    c->port = port;
    c->climate = *climate;
    for (uint8_t side = 0; side < 2; side++)
        c->ways[side] = (struct way){ .connection = c, .to = 1 - side, .silent_from = UINT64_MAX, .reset_at = UINT64_MAX };
    draw_faults(c);
    if (connections.head.next == nullptr) list_init(&connections);
    list_push_back(&connections, &c->node);
    network_counted.connections += 1;
    return c;
}

static void connection_free(struct connection *c)
{
    trace("connection %u is over", c->number);
    event_cancel(&c->handshake);
    for (uint8_t side = 0; side < 2; side++) {
        event_cancel(&c->ways[side].arrival);
        free(c->ways[side].window);
    }
    list_remove(&connections, &c->node);
    free(c);
}

uint32_t connections_open(void) { return connections.count; }

void connections_each(void (*each)(struct connection *c, const void *context), const void *context)
{
    if (connections.count == 0) return;
    for (struct list_node *n = list_first(&connections), *next; n; n = next) {
        next = list_next(&connections, n);
        each(container_of(n, struct connection, node), context);
    }
}

struct end *end_new(struct connection *c, uint8_t side, enum end_state state)
{
    struct end *e = calloc(1, sizeof *e);
    ensure(e != nullptr);
    *e = (struct end){ .connection = c, .side = side, .state = state };
    if (c) c->ends[side] = e;
    return e;
}

/* -- launching segments -- */

static void arrive(struct event *event);

static void schedule_arrival(struct way *w)
{
    event_cancel(&w->arrival);
    if (w->count > 0) event_schedule(&w->arrival, w->under_way[w->first].at_us, arrive);
}

static uint64_t draw_arrival_us(struct way *w)
{
    const struct connection *c = w->connection;
    uint64_t from_us = world_now_us() > c->held_until_us ? world_now_us() : c->held_until_us;
    if (w->is_slow && w->last_at_us > from_us) from_us = w->last_at_us;
    uint64_t at_us = from_us + dice_delay_us(DIE_NETWORK, c->climate.latency_us);
    return at_us > w->last_at_us ? at_us : w->last_at_us;
}

static void launch_one(struct way *w, enum segment_kind kind, uint64_t until)
{
    ensure(w->count < SEGMENTS_UNDER_WAY_MAX);
    w->last_at_us = draw_arrival_us(w);
    w->under_way[(w->first + w->count) % SEGMENTS_UNDER_WAY_MAX] = (struct segment){ kind, until, w->last_at_us };
    w->count += 1;
    network_counted.segments += 1;
    if (w->count == 1) schedule_arrival(w);
}

/* Any size; none reaches over a byte at which something is to happen. */
static uint64_t draw_segment_end(const struct way *w)
{
    uint64_t most = w->is_slow ? TRICKLE_BYTES_MAX : w->connection->climate.segment_bytes_max;
    if (most > w->taken - w->launched) most = w->taken - w->launched;
    uint64_t until = w->launched + (dice_happens(DIE_NETWORK, 0.7) ? most : dice_between(DIE_NETWORK, 1, most));
    if (w->launched < w->reset_at && w->reset_at < until) until = w->reset_at;
    if (w->launched < w->silent_from && w->silent_from < until) until = w->silent_from;
    return until;
}

static void launch(struct way *w)
{
    constexpr uint32_t for_end_and_reset = 2;
    while (!w->is_broken && w->launched < w->taken && w->count < SEGMENTS_UNDER_WAY_MAX - for_end_and_reset) {
        w->launched = draw_segment_end(w);
        launch_one(w, SEGMENT_BYTES, w->launched);
    }
    if (w->is_broken || w->has_end || !w->wants_end || w->launched < w->taken) return;
    w->has_end = true;
    launch_one(w, SEGMENT_END, w->launched);
}

static void launch_reset(struct way *w)
{
    if (w->is_broken) return;
    trace("connection %u: side %u resets it after %lu bytes", w->connection->number, 1u - w->to, (unsigned long)w->launched);
    w->is_broken = true;
    w->taken = w->launched;
    network_counted.resets += 1;
    launch_one(w, SEGMENT_RESET, w->launched);
}

/* -- arriving -- */

static bool is_lost(struct way *w, const struct segment *s)
{
    bool behind = s->kind == SEGMENT_BYTES ? s->until > w->silent_from : s->until >= w->silent_from;
    if (!w->is_silent && behind) {
        w->is_silent = true;
        network_counted.half_opens += 1;
        trace("connection %u: nothing comes to side %u any more after %lu bytes", w->connection->number, w->to, (unsigned long)w->silent_from);
    }
    return w->is_silent;
}

static void bytes_arrive(struct way *w, uint64_t until)
{
    struct connection *c = w->connection;
    struct end *e = c->ends[w->to];
    network_counted.bytes += until - w->arrived;
    trace("connection %u: %lu bytes arrive at side %u", c->number, (unsigned long)(until - w->arrived), w->to);
    w->arrived = until;
    if (e == nullptr || e->state == END_SHUT || e->state == END_BROKEN) {
        w->read = until;
        if (e == nullptr || e->state == END_SHUT) launch_reset(&c->ways[w->to]); /* nobody will read this */
        return;
    }
    if (until == w->reset_at) connection_break(c);
    else end_look(e);
}

static void segment_arrives(struct way *w, const struct segment *s)
{
    struct end *e = w->connection->ends[w->to];
    if (is_lost(w, s)) return;
    switch (s->kind) {
    case SEGMENT_BYTES:
        bytes_arrive(w, s->until);
        return;
    case SEGMENT_END:
        trace("connection %u: the end arrives at side %u", w->connection->number, w->to);
        w->end_has_arrived = true;
        if (e) end_look(e);
        return;
    case SEGMENT_RESET:
        trace("connection %u: a reset arrives at side %u", w->connection->number, w->to);
        w->connection->ways[w->to].is_broken = true;
        if (!e) return;
        e->state = END_BROKEN;
        end_look(e);
        return;
    }
    ensure(false);
}

static void arrive(struct event *event)
{
    struct way *w = container_of(event, struct way, arrival);
    struct segment s = w->under_way[w->first];
    w->first = (w->first + 1) % SEGMENTS_UNDER_WAY_MAX;
    w->count -= 1;
    segment_arrives(w, &s);
    launch(w);
    if (!event_is_to_come(&w->arrival)) schedule_arrival(w);
}

/* -- what an end does with it -- */

static void fill_window(struct way *w, const char *bytes, uint64_t count)
{
    uint64_t size = w->connection->climate.window_bytes;
    if (w->window == nullptr) w->window = malloc(size);
    ensure(w->window != nullptr && w->taken + count - w->read <= size);
    uint64_t at = w->taken % size, first = count < size - at ? count : size - at;
    memcpy(w->window + at, bytes, first);
    memcpy(w->window, bytes + first, count - first);
    w->taken += count;
}

/* detail: the end, where the bytes are, how many, how many of them are sent. */
static void take_from_sender(struct end *e)
{
    struct io_op *op = e->send.op;
    if (op == nullptr || e->state == END_CONNECTING) return;
    if (e->state != END_OPEN || e->send.fails || way_from(e)->is_broken) {
        waiting_complete(&e->send, (struct io_result){ .status = IO_RESET, .count = (uint32_t)op->detail[3], .fd = -1 });
        return;
    }
    struct way *w = way_from(e);
    uint64_t room = e->connection->climate.window_bytes - (w->taken - w->read), left = op->detail[2] - op->detail[3];
    uint64_t count = left < room ? left : room;
    if (count > 0) fill_window(w, (const char *)op->detail[1] + op->detail[3], count);
    op->detail[3] += count;
    launch(w);
    if (count == left) waiting_complete(&e->send, (struct io_result){ .status = IO_OK, .count = (uint32_t)op->detail[2], .fd = -1 });
}

/* As much as has arrived, or less. */
static void give_bytes(struct end *e, struct way *w)
{
    uint64_t size = e->connection->climate.window_bytes, at = w->read % size, count = w->arrived - w->read;
    if (count > size - at) count = size - at;
    if (count > ring_buffer_bytes(e->receive.io)) count = ring_buffer_bytes(e->receive.io);
    if (dice_happens(DIE_NETWORK, 0.1)) count = dice_between(DIE_NETWORK, 1, count);

    struct io_result result = { .status = IO_OK, .more = !dice_happens(DIE_NETWORK, 0.01), .fd = -1 };
    if (ring_fill_buffer(e->receive.io, w->window + at, (uint32_t)count, &result.received)) {
        w->read += count;
    } else {
        result.status = IO_NO_BUFFERS;
        result.more = false;
    }
    waiting_complete(&e->receive, result);
    struct end *sender = e->connection->ends[1 - e->side];
    if (sender) take_from_sender(sender);
}

/* What a reader is told who has read everything; false: it has to wait. As a kernel does, an error is told once, and then it is the end. */
static bool find_outcome(struct end *e, const struct way *w, enum io_status *status)
{
    bool is_reset = e->state == END_BROKEN && !e->is_reset_told;
    if (is_reset) e->is_reset_told = true;
    *status = is_reset ? IO_RESET : IO_END;
    return e->state == END_BROKEN || e->state == END_SHUT || w->end_has_arrived;
}

static void give_to_receiver(struct end *e)
{
    while (e->receive.op != nullptr && e->state != END_CONNECTING) {
        struct way *w = way_to(e);
        enum io_status status;
        if (w->arrived > w->read) give_bytes(e, w);
        else if (find_outcome(e, w, &status)) waiting_complete(&e->receive, (struct io_result){ .status = status, .fd = -1 });
        else return;
    }
}

void end_look(struct end *e)
{
    if (e->connection == nullptr) return;
    if (e->state == END_BROKEN || e->state == END_SHUT) { /* a connect that was given up */
        if (e->connect.op) waiting_complete(&e->connect, (struct io_result){ .status = IO_RESET, .fd = -1 });
    }
    take_from_sender(e);
    give_to_receiver(e);
}

static void look(struct event *event) { end_look(container_of(event, struct end, look)); }

void end_look_soon(struct end *e)
{
    if (!event_is_to_come(&e->look)) event_schedule(&e->look, world_now_us(), look);
}

/* -- ends of it -- */

void end_shut(struct end *e)
{
    if (e->connection == nullptr || e->state == END_BROKEN || e->state == END_SHUT) return;
    trace("connection %u: side %u shuts it", e->connection->number, e->side);
    bool was_open = e->state == END_OPEN;
    e->state = was_open ? END_SHUT : END_BROKEN;
    if (was_open) {
        way_from(e)->wants_end = true;
        launch(way_from(e));
    } else {
        event_cancel(&e->connection->handshake);
        if (e->connection->ends[1 - e->side]) launch_reset(way_from(e));
    }
    end_look_soon(e);
}

/* With bytes unread, or before it ever stood, whoever is at the other end is reset. */
static void leave_other_end(struct end *e, bool hard)
{
    struct way *to = way_to(e), *from = way_from(e);
    if (e->state == END_CONNECTING) event_cancel(&e->connection->handshake);
    if (hard || e->state == END_CONNECTING || to->arrived > to->read) launch_reset(from);
    from->wants_end = true;
    launch(from);
    to->read = to->arrived;
}

void end_close(struct end *e, bool hard)
{
    struct connection *c = e->connection;
    event_cancel(&e->look);
    if (c) {
        trace("connection %u: side %u closes it", c->number, e->side);
        c->ends[e->side] = nullptr;
        if (c->ends[1 - e->side]) leave_other_end(e, hard);
        else connection_free(c);
    }
    free(e);
}

static void stop_way(struct way *w)
{
    w->is_broken = true;
    w->count = 0;
    event_cancel(&w->arrival);
}

void connection_break(struct connection *c)
{
    trace("connection %u is reset after %lu and %lu bytes", c->number, (unsigned long)c->ways[0].arrived, (unsigned long)c->ways[1].arrived);
    network_counted.resets += 1;
    event_cancel(&c->handshake);
    for (uint8_t side = 0; side < 2; side++) stop_way(&c->ways[side]);
    for (uint8_t side = 0; side < 2; side++) {
        struct end *e = c->ends[side];
        if (e == nullptr) continue;
        e->state = END_BROKEN;
        end_look(e);
    }
}

void connection_hold(struct connection *c, uint64_t until_us)
{
    if (until_us <= c->held_until_us) return;
    c->held_until_us = until_us;
    for (uint8_t side = 0; side < 2; side++) {
        struct way *w = &c->ways[side];
        for (uint32_t n = 0; n < w->count; n++) {
            struct segment *s = &w->under_way[(w->first + n) % SEGMENTS_UNDER_WAY_MAX];
            if (s->at_us < until_us) s->at_us = until_us + n;
            if (s->at_us > w->last_at_us) w->last_at_us = s->at_us;
        }
        schedule_arrival(w);
    }
}
