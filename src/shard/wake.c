#include "shard/wake.h"
#include <errno.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include "shard/shard.h"

int wake_open(void) { return eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC); }

void wake_close(int fd) { io_close(fd); }

void wake_ring(int fd)
{
    ssize_t written;
    do written = eventfd_write(fd, 1);
    while (written < 0 && errno == EINTR);
    ensure(written == 0); /* the counter holds 2^64 - 2 wakes */
}

void wake_drain(int fd)
{
    eventfd_t wakes;
    ensure(eventfd_read(fd, &wakes) == 0 || errno == EAGAIN || errno == EINTR); /* left in it: one spurious wake more */
}

void wake_wait(int fd)
{
    struct pollfd rung = { .fd = fd, .events = POLLIN };
    ensure(poll(&rung, 1, -1) >= 0 || errno == EINTR);
    wake_drain(fd);
}

/* The message is in the inbox; the completion itself has nothing to say. */
static void woken(struct io_op *op, struct io_result result)
{
    struct shard *s = container_of(op, struct shard, wake_poll);
    wake_drain(s->wake_fd);
    ensure(result.status == IO_OK || result.status == IO_CANCELLED); /* a shard that cannot be woken is lost */
    if (!result.more && result.status == IO_OK) wake_watch(s);       /* a multishot may end at any completion */
}

void wake_watch(struct shard *s) { io_poll_forever(s->io, &s->wake_poll, s->wake_fd, woken); }

void wake_unwatch(struct shard *s)
{
    while (s->wake_poll.submitted) {
        io_cancel(s->io, &s->wake_poll);
        io_turn(s->io, UINT64_MAX);
    }
}

void wake_later(struct shard *from, uint16_t target) { from->wake_targets |= UINT64_C(1) << target; }

void wake_flush(struct shard *from)
{
    while (from->wake_targets != 0) {
        uint16_t target = (uint16_t)__builtin_ctzll(from->wake_targets);
        from->wake_targets &= from->wake_targets - 1;
        wake_ring(from->group->shards[target]->wake_fd);
        counter_add(&from->wakes_sent, 1);
    }
}
