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
/* Completions called in one turn: at 1 to 10 µs each, a turn stays under the 5 ms that a caller's webhook has. The rest comes next turn. */
constexpr uint32_t ring_completions_per_turn_max = 512;

/* -- the loop of a shard -- */

/* Messages handled and tasks run in one turn, for the same reason. The rest keeps its order and comes next turn, without a sleep between. */
constexpr uint32_t shard_envelopes_per_turn_max = 1024;
constexpr uint32_t shard_tasks_per_turn_max = 1024;

/* -- HTTP -- */

/* A head that needs more is not one of Retell's, Cal.com's or a browser's (largest seen: 3 KiB). Past it: 431, closed. */
constexpr uint32_t http_head_bytes_max = 16 * 1024;
constexpr uint32_t http_headers_max = 64;
/* call_analyzed carries the transcript twice; an hour's call is about 1.3 MiB, two hours' 2.6 MiB. Past it: 413, closed. */
constexpr uint32_t http_body_bytes_max = 8 * 1024 * 1024;
/* Memory given for a declared length before its bytes are there; beyond it memory follows what has really come, so a peer that only
 * announces 8 MiB holds this much. All of a webhook but the longest transcripts. */
constexpr uint32_t http_body_bytes_at_once = 64 * 1024;
/* Pipelined bytes that wait, copied, behind a request under way. Past it: receiving pauses until that one is answered. */
constexpr uint32_t http_waiting_bytes_max = 16 * 1024;
/* After a refusal what still comes is read and thrown away for so long, so that the peer sees the answer and not a reset. Then: closed. */
constexpr uint32_t http_linger_ms = 1'000;
constexpr uint32_t http_linger_bytes_max = 256 * 1024;
/* An honest peer sends a head in one packet. Past it: 408, closed. */
constexpr uint32_t http_head_timeout_ms = 10'000;
/* Between two pieces of a body, and for the whole of it. 2.6 MiB at 100 kB/s is 26 s. Past it: 408, closed. */
constexpr uint32_t http_body_idle_timeout_ms = 10'000;
constexpr uint32_t http_body_timeout_ms = 60'000;
/* At a stop, what has begun to arrive has so long to be whole: an honest webhook takes milliseconds, and one that dribbles would hold up every stop. Past it: 408, closed. */
constexpr uint32_t http_drain_timeout_ms = 5'000;
/* Retell and proxies keep connections warm; 75 s outlives their usual 60 s. Past it: closed without a word. */
constexpr uint32_t http_keep_alive_timeout_ms = 75'000;
/* A peer that does not take its answer. Past it: reset. */
constexpr uint32_t http_send_timeout_ms = 10'000;
/* Per shard: 1,000 calls with a connection each, five times over. Past it: accepted and closed at once, counted. */
constexpr uint32_t http_connections_max = 8 * 1024;
constexpr uint32_t http_connection_bytes = 1024; /* of an idle one, about; a request under way takes 4 KiB more, and its body */
/* An answer of ours: /metrics is the largest, up to 50 KiB for each of 64 shards. Past it: 503. */
constexpr uint32_t http_response_bytes_max = 4 * 1024 * 1024;
/* Answers under way that are longer than half a KiB: thousands of /metrics that nobody takes. Past it: 503, and webhooks go on. */
constexpr uint64_t http_answers_bytes_max = UINT64_C(64) << 20;

/* -- HTTP to others (Cal.com) -- */
constexpr uint32_t http_client_connections_max = 16;        /* per credential and shard; the budget of 120 requests a minute needs far fewer */
constexpr uint32_t http_client_body_bytes_max = 8 * 1024 * 1024; /* a slots answer of a month is about 100 KiB; F25 sends 5 MB. Past it: an unreadable answer */
constexpr uint32_t http_client_idle_timeout_ms = 50'000;    /* before the usual 60 s of the other side: fewer writes meet a closing connection */

constexpr uint32_t http_client_connect_timeout_ms = 5'000;  /* name, connect and handshake together. Past it: not connected */
constexpr uint32_t http_client_interim_max = 8;             /* 1xx before an answer; more is no conversation. Past it: broken */
constexpr uint32_t http_resolved_addresses_max = 4;         /* of one name, tried in turn */
constexpr uint32_t http_resolved_ttl_ms = 60'000;           /* getaddrinfo does not tell the real one; failover by DNS uses 60 s */
/* What of a TLS peer's bytes waits while the helper thread has its session; a flight with a long certificate chain is 16 KiB, but whole webhooks may
 * follow it. Past it: receiving pauses until the session takes them. What came in the same turn is kept, too. */
constexpr uint32_t tls_stash_bytes = 64 * 1024;

/* -- Cal.com -- */

/* One answer at a time is taken apart, and given back within the turn. JSON of 8 MiB takes up to 40 MiB as values. Past it: an unreadable answer. */
constexpr uint64_t calcom_answer_heap_bytes = UINT64_C(64) << 20;
/* A 429 is believed within these; the default is the length of Cal.com's own block. Longer ones are waited for in steps. */
constexpr uint32_t calcom_block_ms_min = 1'000, calcom_block_ms_default = 60'000, calcom_block_ms_max = 600'000;
/* The window of Cal.com's limits. */
constexpr uint32_t calcom_minute_ms = 60'000;
/* Of what Cal.com says is left, these stay, as 110 of 120 leave them: a life that has just begun must send one to know, and one more every 15 s as long as
 * nobody answers. Past it, with more than ten lives that end young within a minute: overshot by one, and a minute of 429. */
constexpr uint32_t calcom_requests_left_min = 10;
/* How long a booking or a look-up waits for room in the budget. Past it: not sent, and the flow plans its next try itself. */
constexpr uint32_t calcom_budget_wait_ms = 5'000;
/* A probe of a half-open breaker is answered within this, as a rule; then the next may go. */
constexpr uint32_t calcom_probe_wait_ms = 1'000;
/* Their clock and ours. Wider: an older booking without metadata could pass for the one just made. */
constexpr uint32_t calcom_clock_difference_ms_max = 5 * 60 * 1000;

/* -- webhooks and calls, per shard -- */

/* Webhooks between verification and PostgreSQL. With PostgreSQL gone they wait here and in the journal. Past it: 503 + Retry-After. */
constexpr uint32_t deliveries_max = 64 * 1024;
/* Their bodies and parsed forms (default of the setting). 2 KiB to 60 KiB each as a rule. Past it: 503 + Retry-After. */
constexpr uint64_t delivery_heap_bytes = UINT64_C(1) << 30;
/* Calls that are going on or have unfinished work: the aim of 100,000 on two shards. Past it: 503 + Retry-After. */
constexpr uint32_t calls_max = 64 * 1024;
/* What is asked for of the calls of an earlier life at a time, and taken over in one turn: 130 KiB of rows, a fifth of a millisecond. The rest comes page by page. */
constexpr uint32_t calls_restored_per_page = 512;
constexpr uint32_t call_id_bytes_max = 128; /* real ones: 32 to 37 characters; the shape is Retell's business. Past it: quarantined */
/* Webhooks of late whose repeats are answered from memory: an hour at 36/s. PostgreSQL knows the older ones. */
constexpr uint32_t dedupe_max = 128 * 1024;
/* Letters on their way into PostgreSQL: what its pipelines and their queue hold. Past it: letters wait in their mailboxes. */
constexpr uint32_t filings_max = 1024;
/* Their facts as JSON, where they are too long for the filing itself: four times a body and a little at most. Past it: the letter waits a moment. */
constexpr uint64_t filing_heap_bytes = UINT64_C(256) << 20;
constexpr uint32_t call_mailbox_max = 256;  /* letters not filed yet; transcript_updated may come at every turn of speech. Past it: 503 for that call */
/* Retell's own maximum is 2 h; grace covers the retries of a lost call_ended. Then: closed as ended_unknown. Defaults of settings. */
constexpr uint32_t call_duration_max_ms = 2 * 3600 * 1000;
constexpr uint32_t call_end_grace_ms = 10 * 60 * 1000;

/* -- tenants -- */

/* JSON values and the finished snapshot together, while one is read. 10,000 companies with ten services each need about 150 MiB. Past it: the new
 * configuration is not taken, said in the log, and the old one serves on. */
constexpr uint64_t tenant_snapshot_heap_bytes = UINT64_C(512) << 20;
/* A name, key, token or synonym of the world file; Cal.com's own titles are shorter. Past it: an error that names the path. */
constexpr uint32_t world_text_bytes_max = 200;

/* -- Retell -- */

/* Its longest event name has 18 characters. Past it: quarantined. */
constexpr uint32_t retell_event_name_bytes_max = 64;
/* A field of a booking (date, name, service, e-mail: at most 254). A longer one is cut, and then not understood rather than booked. */
constexpr uint32_t booking_text_bytes_max = 256;
/* All that was said of a booking, as JSON: seven such texts whose every byte may take six (\b becomes \u0008), and their names. */
constexpr uint32_t booking_json_bytes_max = 7 * 6 * booking_text_bytes_max + 512;

/* -- journal -- */

/* A record is one body and its frame; it may not straddle segments, so a segment holds several of the largest. */
constexpr uint32_t journal_frame_bytes = 64;
constexpr uint32_t journal_record_bytes_max = http_body_bytes_max + 4096;
constexpr uint32_t journal_segment_bytes = 64 * 1024 * 1024; /* default of the setting */
static_assert(journal_segment_bytes >= 4 * journal_record_bytes_max);
constexpr uint32_t journal_segments_max = 64; /* per shard: 4 GiB hold a day of PostgreSQL being gone at 1 webhook/s of 40 KiB. Past it: 503 */
/* Small ones are for tests; a record that does not fit into an empty segment is refused like one that the disk has no room for. */
constexpr uint32_t journal_segment_bytes_min = 64 * 1024;
/* 8 KiB of bitmap say which records of a segment are retired. At 1 KiB a record the segment is full first; smaller ones leave some of it unused. */
constexpr uint32_t journal_segment_records_max = 64 * 1024;
/* One write: two of the largest, or a few thousand usual ones. What waits beyond it goes with the next. */
constexpr uint32_t journal_batch_bytes_max = 2 * journal_record_bytes_max;
/* Files kept ready when they are no longer needed, per shard; more are removed, so an outage's 4 GiB go back to the disk. */
constexpr uint32_t journal_spares_kept_max = 4;
/* A record retired is written down this much later at most: what a crash may have to replay in vain. */
constexpr uint32_t journal_retirement_delay_ms = 1'000;
/* How often a full disk is asked whether it has room again. */
constexpr uint32_t journal_space_retry_ms = 1'000;
/* Files of all lives in one directory: 64 shards with all of theirs. More is another program's mistake: the start is refused. */
constexpr uint32_t journal_files_max = 64 * journal_segments_max;

/* -- PostgreSQL, per shard -- */
constexpr uint32_t db_connections = 3;             /* default of the setting: two shards use six, and a stock server allows 100 */
constexpr uint32_t db_connections_max = 16;        /* of the setting: a shard of ours cannot keep more busy. Past it: refused at start */
constexpr uint32_t db_pipeline_depth = 32;         /* units under way on a connection: an error fails its unit alone, a lost connection fails 32 */
constexpr uint32_t db_queue_max = 8 * 1024;        /* units waiting for a place. Past it: DB_BUSY, the caller tries later */
constexpr uint32_t db_unit_timeout_ms = 10'000;    /* a unit that takes longer costs its connection */
constexpr uint32_t db_reconnect_ms_min = 100, db_reconnect_ms_max = 5'000;

/* -- bookings, per shard -- */
constexpr uint32_t bookings_max = 512;          /* flows at once; a credential's budget is two requests a second, so more would only wait. Past it: the intent waits in PostgreSQL */
constexpr uint32_t booking_notices_max = 1024;  /* words from a call's shard to a credential's. Past it: the sweep tells, within a second */
constexpr uint32_t slot_claims_max = 64 * 1024; /* claims of running calls and bookings. Past it: no room, the booking waits */
constexpr uint32_t calcom_accounts_max = 4096;  /* credentials that live on a shard */
constexpr uint32_t booking_payload_bytes_max = 4096; /* name, e-mail and reference are bounded; the rest is ours */

/* -- the simulator (ringsim); a world over one of these is refused with its path -- */
constexpr uint32_t world_file_bytes_max = 16 * 1024 * 1024; /* a thousand companies. Past it: refused */
constexpr uint32_t sim_accounts_max = 64;
constexpr uint32_t sim_account_users_max = 64;
constexpr uint32_t sim_users_max = 256;
constexpr uint32_t sim_event_types_max = 512;
constexpr uint32_t sim_hosts_max = 16;             /* of one event type */
constexpr uint32_t sim_hours_max = 32, sim_overrides_max = 64, sim_busy_max = 256; /* of one user */
constexpr uint32_t sim_bookings_max = 64 * 1024;   /* an hour of 18 creates a second. Past it: 503 */
constexpr uint32_t sim_booking_text_bytes_max = 256 * 1024; /* of one: 50 keys of metadata are 28 KiB. Past it: 503 */
constexpr uint32_t sim_occurrences_max = 52;       /* of one recurring booking */
constexpr uint32_t sim_reservations_max = 4096;    /* live at once. Past it: 503 */
constexpr uint32_t sim_subscriptions_max = 64;
constexpr uint32_t sim_deliveries_max = 512;       /* webhooks under way. Past it: lost, as at Cal.com, and counted */
constexpr uint32_t sim_errands_max = 1024;         /* what hosts will do out of band in a moment. Past it: they do not */
constexpr uint32_t sim_exchanges_max = 4096;       /* requests without an answer yet; faults hold answers back. Past it: 503 */
constexpr uint32_t sim_control_connections_max = 256; /* tests and people */
constexpr uint32_t sim_fault_rules_max = 64;
constexpr uint32_t sim_request_log_max = 16 * 1024; /* the last ones stay; older ones are counted */
constexpr uint32_t sim_calendar_busy_max = 8192;   /* busy stretches of one host in one question. Past it: the host counts as busy */
constexpr uint32_t sim_calendar_hours_max = 2048;  /* working stretches in one question: a year of four a day. Past it: the rest is not worked */
constexpr uint32_t sim_slots_max = 16 * 1024;      /* starts in one slots answer. Past it: the rest is left out */
constexpr uint64_t sim_heap_bytes = UINT64_C(256) << 20;
constexpr uint32_t sim_answer_bytes_max = 1024 * 1024; /* a page of 250 bookings is about 400 KiB */

/* -- texts and logs -- */
constexpr uint32_t json_depth_max = 64;             /* of outside JSON; Retell's and Cal.com's stays under 10. Past it: malformed. Walkers keep a stack of this height */
constexpr uint32_t text_fold_bytes_max = 1024;      /* of a name or a service to be compared. Past it: the buffer is overflowed */
constexpr uint32_t secret_bytes_max = 64 * 1024;    /* keys and tokens; the longest are certificates of a few KiB. Past it: not sealed, not opened */
constexpr uint32_t log_text_bytes_max = 512;        /* of one field. Past it: cut at a character */
constexpr uint32_t log_line_bytes_max = 4096;       /* Past it: the event stays, its fields go ("truncated":true) */
constexpr uint32_t log_ring_bytes = 256 * 1024;     /* per thread: 800 lines of the usual length, many times what a shard logs while the writer rests. Past it: dropped, counted */
constexpr uint32_t log_threads_max = 72;            /* that log at once: 64 shards, the helper, the main thread, its signal watch. Past it: their lines are dropped, counted */
constexpr uint32_t log_rest_ms = 5;                 /* between two looks of the writer: at most 200 wake-ups a second, however much is logged */
constexpr uint32_t log_file_patience_ms = 1000;     /* for a file that takes nothing. Past it: lines are dropped, counted */
static_assert((log_ring_bytes & (log_ring_bytes - 1)) == 0 && log_line_bytes_max <= log_ring_bytes);
