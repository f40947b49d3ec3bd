#include "shard/wake.h"
#include "io/doorbell.h"
#include "shard/shard.h"

/* The message is in the inbox; the completion itself has nothing to say. */
static void woken(struct io_op *op, struct io_result result)
{
    struct shard *s = container_of(op, struct shard, wake_poll);
    doorbell_drain(s->doorbell);
    ensure(result.status == IO_OK || result.status == IO_CANCELLED); /* a shard that cannot be woken is lost */
    if (!result.more && result.status == IO_OK) wake_watch(s);       /* a multishot may end at any completion */
}

void wake_watch(struct shard *s) { io_poll_forever(s->io, &s->wake_poll, s->doorbell, woken); }

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
        doorbell_ring(from->group->shards[target]->doorbell);
        counter_add(&from->wakes_sent, 1);
    }
}
