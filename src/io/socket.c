/* io/socket.c: the few things asked of a socket at once, not through the ring.
 *
 * Sockets stay in blocking mode. The ring waits by itself until one is ready; on a non-blocking one it would hand EAGAIN to the owner.
 * Nobody else reads or writes them, so nothing ever blocks on one. */
#include <errno.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>
#include "base/ensure.h"
#include "io/io.h"
#include "io/io_refusal.h"

static bool switch_on(int fd, int level, int option)
{
    int on = 1;
    return setsockopt(fd, level, option, &on, sizeof on) == 0;
}

int io_listen(const struct sockaddr_in *at, uint32_t backlog, struct io_refusal *refusal)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool listening = fd >= 0
        && switch_on(fd, SOL_SOCKET, SO_REUSEADDR)
        && switch_on(fd, SOL_SOCKET, SO_REUSEPORT)
        && switch_on(fd, IPPROTO_TCP, TCP_NODELAY) /* inherited by what is accepted: an answer goes out at once */
        && bind(fd, (const struct sockaddr *)at, sizeof *at) == 0
        && listen(fd, (int)backlog) == 0;
    if (listening) return fd;

    io_refuse_listener(refusal, at, errno);
    if (fd >= 0) io_close(fd);
    return -1;
}

/* Without SO_REUSEPORT the kernel says whether anybody else is there. */
bool io_port_is_free(const struct sockaddr_in *at, struct io_refusal *refusal)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool is_free = fd >= 0 && switch_on(fd, SOL_SOCKET, SO_REUSEADDR) && bind(fd, (const struct sockaddr *)at, sizeof *at) == 0;
    if (!is_free) io_refuse_listener(refusal, at, errno);
    if (fd >= 0) io_close(fd);
    return is_free;
}

uint16_t io_port_of(int fd)
{
    struct sockaddr_in at = {};
    socklen_t length = sizeof at;
    ensure(getsockname(fd, (struct sockaddr *)&at, &length) == 0);
    return ntohs(at.sin_port);
}

int io_socket(void)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0) ensure(switch_on(fd, IPPROTO_TCP, TCP_NODELAY));
    return fd;
}

void io_shutdown(int fd)
{
    int failed = shutdown(fd, SHUT_RDWR);
    ensure(failed == 0 || errno == ENOTCONN); /* the peer was faster */
}

void io_close(int fd)
{
    int failed = close(fd);
    ensure(failed == 0 || errno != EBADF); /* closing what is not ours would close somebody else's next one */
}
