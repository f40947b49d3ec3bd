#pragma once
/* Wakes a lane at an exact instant. The shard's timers count in milliseconds, which is as much as the latencies that are measured here; a kernel
 * timer is a thousand times finer, and one system call per wake-up is what a load generator can afford. */
#include <stdint.h>
#include "shard/shard.h"

struct metronome;
typedef void metronome_beat(struct metronome *m);
struct metronome { struct shard *shard; struct io_op poll; int fd; uint64_t at_us; metronome_beat *beat; };

void metronome_init(struct metronome *m, struct shard *s, metronome_beat *beat);
void metronome_set(struct metronome *m, uint64_t at_us); /* monotonic; once per beat */
void metronome_close(struct metronome *m);               /* no beat is awaited */
