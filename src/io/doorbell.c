#include "io/doorbell.h"
#include <errno.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include "base/ensure.h"
#include "io/io.h"

int doorbell_open(void) { return eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC); }

void doorbell_close(int fd) { io_close(fd); }

void doorbell_ring(int fd)
{
    ssize_t written;
    do written = eventfd_write(fd, 1);
    while (written < 0 && errno == EINTR);
    ensure(written == 0); /* the counter holds 2^64 - 2 rings */
}

void doorbell_drain(int fd)
{
    eventfd_t rings;
    ensure(eventfd_read(fd, &rings) == 0 || errno == EAGAIN || errno == EINTR); /* left in it: one spurious wake more */
}

void doorbell_wait(int fd)
{
    struct pollfd rung = { .fd = fd, .events = POLLIN };
    ensure(poll(&rung, 1, -1) >= 0 || errno == EINTR);
    doorbell_drain(fd);
}
