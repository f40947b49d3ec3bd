#pragma once
/* engine.h: how the modules of one shard are put together, and the routes of its HTTP server. One engine per shard; made on its thread, gone with it. */
#include "config.h"
#include "net/tls.h"
#include "ops/view.h"
#include "shard/worker.h"

struct engine; /* of one shard; engine.c */

/* What all shards share: immutable once they run, but for what is atomic. Its owner keeps it until the shards and the helper have been joined. */
struct engine_shared {
    const struct config      *config;
    const char               *version;
    struct secret_key         secret;
    struct worker            *worker;
    struct journal_recovery  *recovery;       /* by engine_recover() */
    uint64_t                  recovered;      /* records to replay */
    struct tls_client_config *calcom_tls;
    struct tls_server_config *server_tls;     /* nullptr: plain HTTP */
    struct sockaddr_in        address;
    atomic_bool               refused;        /* the database is not one to serve from: see the log */
    struct shard_group        group;
    _Atomic(struct engine *)  engines[SHARD_COUNT_MAX];     /* each set by its shard before it serves, and taken back at its end; read by whoever answers /metrics */
    struct tenant_directory  *directories[SHARD_COUNT_MAX]; /* of all engines: shard 0's, for the loader */
};

/* Before the shards: takes the journal and reads what earlier lives left; journal_recovery_close() after their end. false: *refusal says file and offset. */
[[nodiscard]] bool engine_recover(struct engine_shared *shared, struct io_refusal *refusal);
/* Starts all shards. false: *refusal says what is wrong and what to do. */
[[nodiscard]] bool engine_start(struct engine_shared *shared, uint16_t shards, struct io_refusal *refusal);
void engine_stop(struct engine_shared *shared);  /* begins to drain; any thread */
void engine_join(struct engine_shared *shared);  /* waits until all shards have ended */
/* What a shard is given at start, and may take: for people, and for the log. */
void engine_print_memory(const struct config *c, FILE *out);
void engine_log_memory(const struct config *c);
