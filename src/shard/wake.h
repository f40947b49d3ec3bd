#pragma once
/* shard/wake.h: how a sleeping shard is woken: its ring watches its doorbell. Inside shard/ only.
 *
 * Rule:          only the pusher who found INBOX_ASLEEP wakes; a shard wakes each other shard once per turn at most, at its end.
 * Without it:    a system call and an interrupt per message: 5 to 8 µs where a push costs 50 ns.
 * What keeps it: inbox_push() says who must wake; wake_later() only sets the target's bit, wake_flush() at the end of the turn
 *                wakes each whose bit is set. A delayed wake may meet a target that woke by itself meanwhile: then it is spurious, no more.
 */
#include <stdint.h>

struct shard;

void wake_watch(struct shard *s);    /* the shard's ring watches its doorbell from now on … */
void wake_unwatch(struct shard *s);  /* … until this; runs turns of the ring until the poll is joined */
void wake_later(struct shard *from, uint16_t target);
void wake_flush(struct shard *from);
