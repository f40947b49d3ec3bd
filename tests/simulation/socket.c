/* tests/simulation/socket.c: what io.h can do with a socket, as operations of a ring. A connection's end knows at most one of each kind; it lives in a process's memory,
 * so it is forgotten with its completion, and when that process dies. */
#include "base/ensure.h"
#include "connection.h"
#include "io/io.h"

void waiting_complete(struct waiting *w, struct io_result result)
{
    struct io    *io = w->io;
    struct io_op *op = w->op;
    if (!result.more) *w = (struct waiting){};
    ring_complete(io, op, result);
}

static struct end *end_of(const struct io_op *op) { return (struct end *)op->detail[0]; }

static void await(struct waiting *w, struct io *io, struct io_op *op)
{
    ensure(w->op == nullptr);
    w->io = io;
    w->op = op;
}

static void cancel(struct waiting *w, const struct io_op *op)
{
    if (w->op != op) return;
    waiting_complete(w, (struct io_result){ .status = IO_CANCELLED, .fd = -1 });
}

/* -- receiving -- */

static void start_receive(struct io *io, struct io_op *op)
{
    struct end *e = end_of(op);
    await(&e->receive, io, op);
    if (e->connection == nullptr) {
        waiting_complete(&e->receive, (struct io_result){ .status = IO_FAILED, .fd = -1 });
        return;
    }
    if (e->receive.fails) connection_break(e->connection);
    else end_look(e);
}

static void cancel_receive(struct io *, struct io_op *op) { cancel(&end_of(op)->receive, op); }

void io_receive(struct io *io, struct io_op *op, int fd, io_done *done)
{
    seam_cross("io_receive");
    struct end *e = descriptor_object(fd, DESCRIPTOR_SOCKET);
    ring_begin(io, op, RING_RECEIVE, fd, done);
    op->detail[0] = (uint64_t)e;
    e->receive.fails = seam_fails(SEAM_RING_OPERATION);
}

/* -- sending -- */

static void start_send(struct io *io, struct io_op *op)
{
    struct end *e = end_of(op);
    await(&e->send, io, op);
    if (e->connection == nullptr) waiting_complete(&e->send, (struct io_result){ .status = IO_RESET, .fd = -1 });
    else if (e->send.fails) connection_break(e->connection);
    else end_look(e);
}

static void cancel_send(struct io *, struct io_op *op)
{
    struct waiting *w = &end_of(op)->send;
    if (w->op == op) waiting_complete(w, (struct io_result){ .status = IO_CANCELLED, .count = (uint32_t)op->detail[3], .fd = -1 });
}

void io_send(struct io *io, struct io_op *op, int fd, struct slice bytes, io_done *done)
{
    seam_cross("io_send");
    ensure(bytes.length > 0 && bytes.length <= INT32_MAX);
    struct end *e = descriptor_object(fd, DESCRIPTOR_SOCKET);
    ring_begin(io, op, RING_SEND, fd, done);
    op->detail[0] = (uint64_t)e;
    op->detail[1] = (uint64_t)bytes.start;
    op->detail[2] = bytes.length;
    op->detail[3] = 0; /* sent */
    e->send.fails = seam_fails(SEAM_RING_OPERATION);
}

/* -- connecting -- */

static void start_connect(struct io *io, struct io_op *op)
{
    struct end *e = end_of(op);
    await(&e->connect, io, op);
    network_knock(e, (uint16_t)op->detail[1]);
    if (e->connect.fails) connection_break(e->connection);
}

static void cancel_connect(struct io *, struct io_op *op) { cancel(&end_of(op)->connect, op); }

void io_connect(struct io *io, struct io_op *op, int fd, const struct sockaddr_in *to, io_done *done)
{
    seam_cross("io_connect");
    struct end *e = descriptor_object(fd, DESCRIPTOR_SOCKET);
    ensure(e->state == END_FRESH);
    ring_begin(io, op, RING_CONNECT, fd, done);
    op->detail[0] = (uint64_t)e;
    op->detail[1] = ntohs(to->sin_port);
    e->connect.fails = seam_fails(SEAM_RING_OPERATION);
}

void socket_define(void)
{
    ring_define(RING_RECEIVE, (struct ring_kind_functions){ start_receive, cancel_receive });
    ring_define(RING_SEND, (struct ring_kind_functions){ start_send, cancel_send });
    ring_define(RING_CONNECT, (struct ring_kind_functions){ start_connect, cancel_connect });
}

/* -- at once -- */

void end_descriptor_closed(void *object, bool died)
{
    struct end *e = object;
    bool is_owner_ending = died || fiber_here() == nullptr;
    ensure(is_owner_ending || (e->receive.op == nullptr && e->send.op == nullptr && e->connect.op == nullptr));
    end_close(e, false);
}

int io_socket(void)
{
    seam_cross("io_socket");
    struct end *e = end_new(nullptr, 0, END_FRESH);
    int fd = descriptor_open(DESCRIPTOR_SOCKET, e, end_descriptor_closed);
    if (fd < 0) end_close(e, false);
    return fd;
}

void io_shutdown(int fd)
{
    seam_cross("io_shutdown");
    end_shut(descriptor_object(fd, DESCRIPTOR_SOCKET));
}
