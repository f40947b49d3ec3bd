#pragma once
/* io/doorbell.h: how a sleeping thread is woken, from any thread: an eventfd. Part of the io seam. */

[[nodiscard]] int doorbell_open(void); /* -1: out of descriptors */
void doorbell_close(int fd);
void doorbell_ring(int fd);            /* any thread */
void doorbell_drain(int fd);           /* the owner: forgets all rings up to now; none: nothing happens */
void doorbell_wait(int fd);            /* a thread without a ring: sleeps until it rings, and drains it */
