/* bench/ingest/slow_journal.c: the engine's journal as if its disk took longer. Linked into bench programs alone: build.zig compiles the engine's own files
 * there with journal_open spelled bench_journal_open, which is this one. Every durable write takes RINGMASTER_BENCH_SYNC_EXTRA_US longer; absent: as long as it takes. */
#include <stdlib.h>
#include "journal/journal.h"

struct journal *bench_journal_open(struct shard *s, const struct journal_config *c, struct io_refusal *refusal);

struct journal *bench_journal_open(struct shard *s, const struct journal_config *c, struct io_refusal *refusal)
{
    struct journal_config slow = *c;
    const char *extra_us = getenv("RINGMASTER_BENCH_SYNC_EXTRA_US");
    slow.sync_extra_us = extra_us ? (uint32_t)strtoul(extra_us, nullptr, 10) : 0;
    return journal_open(s, &slow, refusal);
}
