#pragma once
/* bare_server/batches.h: a journal at its barest: what comes in one turn is written in one go, framed and summed, and durable when that write is. One write at a time;
 * meanwhile the next batch fills. The file goes round and round, and nobody reads it. */
#include "io/io.h"

struct batches; /* opaque; lives as long as the process */

/* durable: of each append, in order. sync_extra_us: as if the disk took so much longer for every write. */
[[nodiscard]] struct batches *batches_open(struct io *io, const char *path, uint64_t sync_extra_us, void (*durable)(void *owner));
void batches_append(struct batches *b, struct slice body, void *owner);
/* At the end of a turn. By when the next one must come at the latest. */
uint64_t batches_write(struct batches *b);
[[nodiscard]] uint64_t batches_durable_count(const struct batches *b);
