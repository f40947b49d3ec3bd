#pragma once
/* config.h: every setting of the engine, from one table: flags win over the environment, the environment over the file, the file over the default.
 * --calcom-url on the command line is RINGMASTER_CALCOM_URL in the environment and `calcom_url = …` in the file. Read once, then immutable.
 * docs/OPERATING.md's table of settings is printed from here (`ringmaster settings`). */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include "base/slice.h"
#include "limits.h"

/* kind, name, default, least, most, what it is for. SECRET is a text that is never shown. */
#define SETTINGS(X)                                                                                                                                          \
    X(TEXT, listen, "127.0.0.1:8080", 0, 0, "IPv4 address and port of the HTTP server; port 0 takes any free one")                                          \
    X(TEXT, url, "http://127.0.0.1:8080", 0, 0, "where the running engine is reached, for commands that ask it")                                             \
    X(TEXT, ready_file, "", 0, 0, "written as JSON once the engine serves: {\"port\":…,\"pid\":…}")                                                         \
    X(INTEGER, shards, 0, 0, 64, "threads with a ring each; 0: one per CPU")                                                                                \
    X(BOOLEAN, pin, 0, 0, 1, "pin each shard to its CPU (a machine of its own)")                                                                            \
    X(SECRET, database_url, "", 0, 0, "PostgreSQL of the runtime role, as libpq understands it")                                                            \
    X(SECRET, database_owner_url, "", 0, 0, "PostgreSQL of the owner role: migrate and provision only")                                                     \
    X(INTEGER, database_connections, db_connections, 1, db_connections_max, "connections per shard")                                                                        \
    X(INTEGER, database_timeout_ms, db_unit_timeout_ms, 100, 600'000, "a unit of work that takes longer costs its connection")                              \
    X(TEXT, journal_directory, "journal", 0, 0, "where acknowledged webhooks are kept until PostgreSQL has them")                                           \
    X(INTEGER, journal_segment_mib, journal_segment_bytes / (1024 * 1024), 34, 1024, "size of a journal segment")                                           \
    X(INTEGER, journal_segments, journal_segments_max, 2, journal_segments_max, "segments per shard at most; when all are full: 503")                                       \
    X(SECRET, secret_key, "", 0, 0, "64 hex digits that API keys in the database are sealed with")                                                          \
    X(TEXT, secret_key_file, "", 0, 0, "a file with that key, instead of secret_key")                                                                       \
    X(TEXT, calcom_url, "https://api.cal.com/v2", 0, 0, "Cal.com's API for companies without a base URL of their own")                                      \
    X(TEXT, calcom_ca, "", 0, 0, "CA bundle for Cal.com; empty: the system's")                                                                              \
    X(INTEGER, calcom_write_timeout_ms, 45'000, 1'000, 120'000, "how long a create may take before its outcome counts as unknown")                           \
    X(INTEGER, calcom_read_timeout_ms, 10'000, 500, 120'000, "how long a look-up may take")                                                                  \
    X(INTEGER, budget_per_minute, 110, 1, 1000, "requests per Cal.com credential and minute (Cal.com's own limit is 120)")                                   \
    X(INTEGER, breaker_failures, 5, 1, 1000, "failures in a row that open the circuit breaker of a credential")                                              \
    X(INTEGER, breaker_open_ms, 60'000, 10, 3'600'000, "how long an open breaker asks nothing")                                                              \
    X(INTEGER, breaker_successes, 2, 1, 100, "successes in a row that close it again")                                                                       \
    X(INTEGER, booking_retry_ms, 1'000, 1, 60'000, "first of the waits of a booking that was not sent: 1, 2, 4 times this; then its row waits in PostgreSQL")              \
    X(INTEGER, booking_lookup_percent, 100, 1, 1000, "scales the look-ups of an unknown outcome (0.5, 2, 5, 15, 30, 60 s)")                                  \
    X(INTEGER, booking_attempts, 3, 1, 10, "creates of one intent at most; then it is parked for people")                                                    \
    X(INTEGER, booking_pending_s, 300, 1, 86'400, "how often Cal.com is asked whether a pending booking has been accepted")                                   \
    X(INTEGER, call_duration_max_s, call_duration_max_ms / 1000, 1, 86'400, "Retell's longest call")                                                         \
    X(INTEGER, call_end_grace_s, call_end_grace_ms / 1000, 1, 86'400, "how long after that a missing end is waited for")                                     \
    X(INTEGER, body_bytes_max, http_body_bytes_max, 65'536, http_body_bytes_max, "largest body of a request; past it: 413")                                  \
    X(INTEGER, body_timeout_ms, http_body_timeout_ms, 100, 600'000, "longest time a body may take to arrive; past it: 408")                                  \
    X(INTEGER, head_timeout_ms, http_head_timeout_ms, 100, 600'000, "longest time a head may take to arrive; past it: 408")                                  \
    X(INTEGER, connections, http_connections_max, 16, 1'000'000, "connections per shard at most")                                                            \
    X(INTEGER, webhooks_waiting, deliveries_max, 1'024, 4'194'304, "webhooks between verification and PostgreSQL, per shard; past it: 503")                     \
    X(INTEGER, calls, calls_max, 1'024, 4'194'304, "calls with unfinished work, per shard; past it: 503")                                                    \
    X(INTEGER, webhook_heap_mib, delivery_heap_bytes / (1024 * 1024), 16, 65'536, "memory for webhooks that wait for PostgreSQL, per shard; past it: 503")   \
    X(TEXT, tls_certificate, "", 0, 0, "certificate chain (PEM) for HTTPS; empty: plain HTTP")                                                               \
    X(TEXT, tls_key, "", 0, 0, "its private key (PEM)")                                                                                                      \
    X(INTEGER, drain_s, 25, 0, 3600, "how long SIGTERM waits for what is under way")                                                                         \
    X(TEXT, at, "", 0, 0, "starts the wall clock at this instant (RFC 3339) and lets it run on: for tests and demos")                                        \
    X(TEXT, log_level, "info", 0, 0, "debug, info, warning or error")                                                                                        \
    X(TEXT, config, "", 0, 0, "file of settings, one `name = value` a line")

#define SETTING_FIELD_TEXT(name)    const char *name;
#define SETTING_FIELD_SECRET(name)  const char *name;
#define SETTING_FIELD_INTEGER(name) int64_t name;
#define SETTING_FIELD_BOOLEAN(name) bool name;
#define SETTING_FIELD(kind, name, default_, least, most, help) SETTING_FIELD_##kind(name)
struct config { SETTINGS(SETTING_FIELD) };

struct config_error { char text[512]; };

/* Takes the settings out of the arguments, wherever they stand; what is not a setting stays, in order, and *count says how many. Flags that a command has of its
 * own stay too. Texts point into arguments, the environment or memory that is never freed. false: *error names the setting and what it should be. */
[[nodiscard]] bool config_read(struct config *c, int *count, char **arguments, struct config_error *error);
void config_print(const struct config *c, FILE *out);   /* effective, secrets masked */
void config_print_markdown(FILE *out);                  /* the table for docs/OPERATING.md */

/* "127.0.0.1:8080" → address and port. */
struct sockaddr_in;
[[nodiscard]] bool config_address(const char *text, struct sockaddr_in *address);
