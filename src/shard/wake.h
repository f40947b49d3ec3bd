#pragma once
/* shard/wake.h: how a sleeping thread is woken: an eventfd, which works from any thread, shard or not. Inside shard/ only.
 *
 * Rule:          only the pusher who found INBOX_ASLEEP wakes; a shard wakes each other shard once per turn at most, at its end.
 * Without it:    a system call and an interrupt per message: 5 to 8 µs where a push costs 50 ns.
 * What keeps it: inbox_push() says who must wake; wake_later() only sets the target's bit, wake_flush() at the end of the turn
 *                wakes each whose bit is set. A delayed wake may meet a target that woke by itself meanwhile: then it is spurious, no more.
 */
#include <stdint.h>

struct shard;

[[nodiscard]] int wake_open(void);   /* -1: out of descriptors */
void wake_close(int fd);
void wake_ring(int fd);              /* any thread */
void wake_drain(int fd);             /* the owner: forgets all wakes up to now; none: nothing happens */
void wake_wait(int fd);              /* a helper without a ring: sleeps until woken */

void wake_watch(struct shard *s);    /* the shard's ring watches its wake_fd from now on … */
void wake_unwatch(struct shard *s);  /* … until this; runs turns of the ring until the poll is joined */
void wake_later(struct shard *from, uint16_t target);
void wake_flush(struct shard *from);
