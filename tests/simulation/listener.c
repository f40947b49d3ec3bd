/* tests/simulation/listener.c: ports, and who listens on them. Several may, of any processes (SO_REUSEPORT): the dice choose whose queue a connection gets into,
 * and there it waits until it is accepted, or until the listener is closed. */
#include <stdio.h>
#include <stdlib.h>
#include "base/ensure.h"
#include "connection.h"
#include "io/io.h"

enum { FREE_PORT_FIRST = 32768, FREE_PORT_LAST = 60999 };

struct listener {
    struct list_node node;
    uint16_t         port;
    uint32_t         backlog;
    struct list      queue;  /* of struct end */
    struct waiting   accept;
};

static struct list listeners;
static uint16_t    last_free_port = FREE_PORT_FIRST - 1;

/* -- ports -- */

static uint32_t count_at(uint16_t port)
{
    uint32_t count = 0;
    for (struct list_node *n = list_first(&listeners); n; n = list_next(&listeners, n)) count += container_of(n, struct listener, node)->port == port;
    return count;
}

static struct listener *choose_at(uint16_t port)
{
    uint32_t count = count_at(port);
    if (count == 0) return nullptr;
    uint64_t chosen = dice_between(DIE_NETWORK, 0, count - 1);
    for (struct list_node *n = list_first(&listeners); n; n = list_next(&listeners, n)) {
        struct listener *l = container_of(n, struct listener, node);
        if (l->port == port && chosen-- == 0) return l;
    }
    ensure(false); /* it was counted */
    return nullptr;
}

static uint16_t draw_port(void)
{
    for (uint32_t tried = 0; tried <= FREE_PORT_LAST - FREE_PORT_FIRST; tried++) {
        last_free_port = last_free_port >= FREE_PORT_LAST ? FREE_PORT_FIRST : last_free_port + 1;
        if (count_at(last_free_port) == 0) return last_free_port;
    }
    ensure(false); /* 28,000 listeners */
    return 0;
}

/* -- accepting -- */

static void look(struct listener *l)
{
    while (l->accept.op && !list_is_empty(&l->queue)) {
        struct end *e = container_of(list_first(&l->queue), struct end, queued);
        int fd = descriptor_open_in(ring_process(l->accept.io), DESCRIPTOR_SOCKET, e, end_descriptor_closed);
        if (fd < 0) {
            waiting_complete(&l->accept, (struct io_result){ .status = IO_NO_FILES, .fd = -1 });
            return;
        }
        list_remove(&l->queue, &e->queued);
        trace("connection %u is accepted", e->connection->number);
        waiting_complete(&l->accept, (struct io_result){ .status = IO_OK, .more = !dice_happens(DIE_NETWORK, 0.01), .fd = fd });
    }
}

enum io_status listener_offer(struct connection *c)
{
    struct listener *l = choose_at(c->port);
    if (l == nullptr) return IO_REFUSED;
    if (l->queue.count >= l->backlog) return IO_NO_BUFFERS;
    list_push_back(&l->queue, &end_new(c, 1, END_OPEN)->queued);
    look(l);
    return IO_OK;
}

static void start_accept(struct io *io, struct io_op *op)
{
    struct listener *l = (struct listener *)op->detail[0];
    ensure(l->accept.op == nullptr);
    l->accept.io = io;
    l->accept.op = op;
    if (l->accept.fails) waiting_complete(&l->accept, (struct io_result){ .status = IO_NO_FILES, .fd = -1 });
    else look(l);
}

static void cancel_accept(struct io *, struct io_op *op)
{
    struct listener *l = (struct listener *)op->detail[0];
    if (l->accept.op == op) waiting_complete(&l->accept, (struct io_result){ .status = IO_CANCELLED, .fd = -1 });
}

void listener_define(void)
{
    if (listeners.head.next == nullptr) list_init(&listeners);
    ring_define(RING_ACCEPT, (struct ring_kind_functions){ start_accept, cancel_accept });
}

void io_accept(struct io *io, struct io_op *op, int listener, io_done *done)
{
    seam_cross("io_accept");
    struct listener *l = descriptor_object(listener, DESCRIPTOR_LISTENER);
    ring_begin(io, op, RING_ACCEPT, listener, done);
    op->detail[0] = (uint64_t)l;
    l->accept.fails = seam_fails(SEAM_RING_OPERATION);
}

/* -- opening and closing -- */

static void listener_closed(void *object, bool died)
{
    struct listener *l = object;
    ensure(died || l->accept.op == nullptr || fiber_here() == nullptr);
    for (struct list_node *n = list_pop_front(&l->queue); n; n = list_pop_front(&l->queue)) end_close(container_of(n, struct end, queued), true);
    list_remove(&listeners, &l->node);
    trace("nobody accepts at port %u any more: %u others listen", l->port, count_at(l->port));
    free(l);
}

int io_listen(const struct sockaddr_in *at, uint32_t backlog, struct io_refusal *refusal)
{
    seam_cross("io_listen");
    struct listener *l = calloc(1, sizeof *l);
    ensure(l != nullptr);
    uint16_t asked = ntohs(at->sin_port);
    *l = (struct listener){ .port = asked != 0 ? asked : draw_port(), .backlog = backlog };
    int fd = descriptor_open(DESCRIPTOR_LISTENER, l, listener_closed);
    if (fd < 0) {
        snprintf(refusal->text, sizeof refusal->text, "There is no file descriptor left to listen on port %u.", asked);
        free(l);
        return -1;
    }
    list_init(&l->queue);
    list_push_back(&listeners, &l->node);
    trace("listens on port %u", l->port);
    return fd;
}

bool io_port_is_free(const struct sockaddr_in *at, struct io_refusal *refusal)
{
    seam_cross("io_port_is_free");
    uint16_t port = ntohs(at->sin_port);
    if (port == 0 || count_at(port) == 0) return true;
    snprintf(refusal->text, sizeof refusal->text, "Port %u is taken.", port);
    return false;
}

uint16_t io_port_of(int fd)
{
    seam_cross("io_port_of");
    const struct listener *l = descriptor_object(fd, DESCRIPTOR_LISTENER);
    return l->port;
}
