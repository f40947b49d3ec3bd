#pragma once
/* ops/commands.h: what an operator does beside serving. Each reads the settings it needs, talks to PostgreSQL by a blocking connection, prints to stdout, and returns the
 * process's exit status: 0 done, 1 could not (a sentence on stderr says why), 2 wrong arguments. --json prints one JSON document instead of text. */
#include "config.h"

int command_migrate(const struct config *c, int count, char **arguments);
int command_provision(const struct config *c, int count, char **arguments); /* FILE [--dry-run] */
int command_doctor(const struct config *c, int count, char **arguments);    /* [--offline] [--json]: role, schema, gaps of every tenant, what is left undone, Cal.com */
int command_calls(const struct config *c, int count, char **arguments);     /* recent [--company KEY] [--limit N] [--json] */
int command_webhooks(const struct config *c, int count, char **arguments);  /* list [--outcome O] [--company KEY] [--limit N] [--json] | replay ID… | retry-failed */
int command_jobs(const struct config *c, int count, char **arguments);      /* list [--kind K] [--company KEY] [--limit N] [--json] | done ID */

/* The key that API keys are sealed with: secret_key, or the content of secret_key_file. false: a sentence on stderr. */
struct secret_key;
[[nodiscard]] bool command_secret_key(const struct config *c, struct secret_key *key);
