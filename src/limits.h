#pragma once
/* limits.h: everything has a bound. Each says why it is this number and what happens when it is reached.
 * What an operator may change is a setting (config.h) whose default stands here. */
#include <stdint.h>

/* -- the ring -- */

/* Submissions of one turn; a fuller turn submits twice. Completions get eight times as many, so a burst does not overflow. */
constexpr uint32_t ring_entries = 1024;
/* Bytes that have arrived and nobody has parsed yet. 2,048 × 4 KiB = 8 MiB a shard. All lent: receiving pauses until some are back. */
constexpr uint32_t receive_buffers = 2048;
constexpr uint32_t receive_buffer_bytes = 4096;
static_assert((receive_buffers & (receive_buffers - 1)) == 0);

/* -- HTTP -- */

/* A head that needs more is not one of Retell's, Cal.com's or a browser's (largest seen: 3 KiB). Past it: 431, closed. */
constexpr uint32_t http_head_bytes_max = 16 * 1024;
constexpr uint32_t http_headers_max = 64;
/* call_analyzed carries the transcript twice; an hour's call is about 1.3 MiB, two hours' 2.6 MiB. Past it: 413, closed. */
constexpr uint32_t http_body_bytes_max = 8 * 1024 * 1024;
/* An honest peer sends a head in one packet. Past it: 408, closed. */
constexpr uint32_t http_head_timeout_ms = 10'000;
/* Between two pieces of a body, and for the whole of it. 2.6 MiB at 100 kB/s is 26 s. Past it: 408, closed. */
constexpr uint32_t http_body_idle_timeout_ms = 10'000;
constexpr uint32_t http_body_timeout_ms = 60'000;
/* Retell and proxies keep connections warm; 75 s outlives their usual 60 s. Past it: closed without a word. */
constexpr uint32_t http_keep_alive_timeout_ms = 75'000;
/* A peer that does not take its answer. Past it: reset. */
constexpr uint32_t http_send_timeout_ms = 10'000;
/* Per shard: 1,000 calls with a connection each, five times over. Past it: accepted and closed at once, counted. */
constexpr uint32_t http_connections_max = 8 * 1024;
/* An answer of ours: /metrics is the largest (see ops/). */
constexpr uint32_t http_response_bytes_max = 1024 * 1024;

/* -- HTTP to others (Cal.com) -- */
constexpr uint32_t http_client_connections_max = 16;        /* per credential and shard; the budget of 120 requests a minute needs far fewer */
constexpr uint32_t http_client_body_bytes_max = 8 * 1024 * 1024; /* a slots answer of a month is about 100 KiB; F25 sends 5 MB. Past it: an unreadable answer */
constexpr uint32_t http_client_idle_timeout_ms = 50'000;    /* before the usual 60 s of the other side: fewer writes meet a closing connection */

/* -- webhooks and calls, per shard -- */

/* Webhooks between verification and PostgreSQL. With PostgreSQL gone they wait here and in the journal. Past it: 503 + Retry-After. */
constexpr uint32_t deliveries_max = 64 * 1024;
/* Their bodies and parsed forms (default of the setting). 2 KiB to 60 KiB each as a rule. Past it: 503 + Retry-After. */
constexpr uint64_t delivery_heap_bytes = UINT64_C(1) << 30;
/* Calls that are going on or have unfinished work: the aim of 100,000 on two shards. Past it: 503 + Retry-After. */
constexpr uint32_t calls_max = 64 * 1024;
constexpr uint32_t call_id_bytes_max = 128; /* real ones: 32 to 37 characters; the shape is Retell's business. Past it: quarantined */
constexpr uint32_t call_mailbox_max = 256;  /* transcript_updated may come at every turn of speech, coalesced. Past it: 503 for that call */
/* Retell's own maximum is 2 h; grace covers the retries of a lost call_ended. Then: closed as ended_unknown. Defaults of settings. */
constexpr uint32_t call_duration_max_ms = 2 * 3600 * 1000;
constexpr uint32_t call_end_grace_ms = 10 * 60 * 1000;

/* -- journal -- */

/* A record is one body and its frame; it may not straddle segments, so a segment holds several of the largest. */
constexpr uint32_t journal_frame_bytes = 64;
constexpr uint32_t journal_record_bytes_max = http_body_bytes_max + 4096;
constexpr uint32_t journal_segment_bytes = 64 * 1024 * 1024; /* default of the setting */
static_assert(journal_segment_bytes >= 4 * journal_record_bytes_max);
constexpr uint32_t journal_segments_max = 64; /* per shard: 4 GiB hold a day of PostgreSQL being gone at 1 webhook/s of 40 KiB. Past it: 503 */

/* -- PostgreSQL, per shard -- */
constexpr uint32_t db_connections = 3;             /* default of the setting: two shards use six, and a stock server allows 100 */
constexpr uint32_t db_pipeline_depth = 32;         /* units under way on a connection: an error fails its unit alone, a lost connection fails 32 */
constexpr uint32_t db_queue_max = 8 * 1024;        /* units waiting for a place. Past it: DB_BUSY, the caller tries later */
constexpr uint32_t db_unit_timeout_ms = 10'000;    /* a unit that takes longer costs its connection */
constexpr uint32_t db_reconnect_ms_min = 100, db_reconnect_ms_max = 5'000;
