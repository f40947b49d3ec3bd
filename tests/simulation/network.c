/* tests/simulation/network.c: what the network is like, cuts in it, and how a connection comes about.
 *
 *   io_connect → a knock travels → listener_offer() → the answer travels → the connect completes
 *
 * Whoever finds no room in a listener's queue, or a cut in between, knocks again, as TCP does. */
#include "network.h"
#include "base/ensure.h"
#include "connection.h"

enum { PARTITIONS_MAX = 16, KNOCK_AGAIN_US = 1'000'000 };

struct partition { uint16_t port; uint64_t until_us; };

struct network_counters       network_counted;
static struct network_climate climate;
static struct partition       partitions[PARTITIONS_MAX];

void network_open(const struct network_climate *c)
{
    network_set_climate(c);
    socket_define();
    listener_define();
}

void network_set_climate(const struct network_climate *c) { climate = *c; }
struct network_counters network_counters(void) { return network_counted; }
uint32_t network_connections_open(void) { return connections_open(); }

/* -- partitions -- */

/* 0: there is no cut. */
static uint64_t partitioned_until_us(uint16_t port)
{
    uint64_t until_us = 0;
    for (uint32_t n = 0; n < PARTITIONS_MAX; n++)
        if (partitions[n].port == port && partitions[n].until_us > world_now_us() && partitions[n].until_us > until_us) until_us = partitions[n].until_us;
    return until_us;
}

static void hold_if_at(struct connection *c, const void *context)
{
    const struct partition *p = context;
    if (c->port == p->port) connection_hold(c, p->until_us);
}

static void break_if_at(struct connection *c, const void *context)
{
    const struct partition *p = context;
    if (c->port == p->port) connection_break(c);
}

void network_partition(uint16_t port, uint64_t until_us, bool reset)
{
    trace("the network is cut at port %u for %lu us", port, (unsigned long)(until_us - world_now_us()));
    uint32_t place = 0;
    while (place < PARTITIONS_MAX && partitions[place].until_us > world_now_us()) place += 1;
    ensure(place < PARTITIONS_MAX);
    partitions[place] = (struct partition){ port, until_us };
    network_counted.partitions += 1;
    connections_each(reset ? break_if_at : hold_if_at, &partitions[place]);
}

/* -- connecting -- */

static void answered(struct event *event)
{
    struct connection *c = container_of(event, struct connection, handshake);
    struct end *e = c->ends[0];
    if (e->state == END_BROKEN) c->answer = IO_RESET; /* whoever accepted it has reset it already */
    else e->state = c->answer == IO_OK ? END_OPEN : END_BROKEN;
    trace("connection %u: %s", c->number, io_status_name(c->answer));
    if (e->connect.op) waiting_complete(&e->connect, (struct io_result){ .status = c->answer, .fd = -1 });
    end_look(e);
}

static void answer(struct connection *c, enum io_status status)
{
    c->answer = status;
    if (status == IO_REFUSED) network_counted.refused += 1;
    event_schedule(&c->handshake, world_now_us() + dice_delay_us(DIE_NETWORK, c->climate.latency_us), answered);
}

static void knocked(struct event *event)
{
    struct connection *c = container_of(event, struct connection, handshake);
    enum io_status status = IO_NO_BUFFERS;
    if (partitioned_until_us(c->port) == 0) status = c->knock == KNOCK_UNREACHABLE ? IO_UNREACHABLE : c->knock == KNOCK_REFUSED ? IO_REFUSED : listener_offer(c);
    if (status != IO_NO_BUFFERS) answer(c, status);
    else event_schedule(&c->handshake, world_now_us() + KNOCK_AGAIN_US, knocked);
}

static enum knock draw_knock(void)
{
    if (dice_happens(DIE_NETWORK, climate.unreachable_per_connect)) return KNOCK_UNREACHABLE;
    if (dice_happens(DIE_NETWORK, climate.refuse_per_connect)) return KNOCK_REFUSED;
    return dice_happens(DIE_NETWORK, climate.lost_per_connect) ? KNOCK_LOST : KNOCK_ARRIVES;
}

void network_knock(struct end *e, uint16_t port)
{
    struct connection *c = connection_new(port, &climate);
    e->connection = c;
    e->state = END_CONNECTING;
    c->ends[0] = e;
    c->knock = draw_knock();
    trace("connection %u: a knock at port %u%s", c->number, port, c->knock == KNOCK_LOST ? ", which is lost" : "");
    if (c->knock == KNOCK_LOST) network_counted.lost += 1;
    else event_schedule(&c->handshake, world_now_us() + dice_delay_us(DIE_NETWORK, c->climate.latency_us), knocked);
}
