#include "metronome.h"
#include <sys/timerfd.h>
#include <unistd.h>
#include "base/ensure.h"

static void on_tick(struct io_op *op, struct io_result result)
{
    struct metronome *m = container_of(op, struct metronome, poll);
    uint64_t expirations;
    ensure(result.status == IO_OK && read(m->fd, &expirations, sizeof expirations) == sizeof expirations);
    m->beat(m);
}

void metronome_init(struct metronome *m, struct shard *s, metronome_beat *beat)
{
    *m = (struct metronome){ .shard = s, .fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC), .beat = beat };
    ensure(m->fd >= 0);
}

void metronome_set(struct metronome *m, uint64_t at_us)
{
    struct itimerspec when = { .it_value = { .tv_sec = (time_t)(at_us / 1'000'000), .tv_nsec = (long)(at_us % 1'000'000 * 1'000) } };
    ensure(!m->poll.submitted && timerfd_settime(m->fd, TFD_TIMER_ABSTIME, &when, nullptr) == 0);
    m->at_us = at_us;
    io_poll(m->shard->io, &m->poll, m->fd, IO_READABLE, on_tick);
}

void metronome_close(struct metronome *m)
{
    ensure(!m->poll.submitted);
    close(m->fd);
}
