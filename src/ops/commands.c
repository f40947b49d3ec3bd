#include "ops/commands.h"

#include <stdlib.h>
#include <string.h>
#include "base/clock.h"
#include "base/hmac.h"
#include "base/json.h"
#include "db/admin.h"
#include "io/file.h"
#include "ops/command_line.h"
#include "ops/table.h"
#include "ops/webhook_replay.h"
#include "tenant/provision.h"

enum { WORLD_BYTES_MAX = 16 * 1024 * 1024, KEY_FILE_BYTES_MAX = 4096, ERROR_BYTES_MAX = 64 * 1024 };

bool command_secret_key(const struct config *c, struct secret_key *key)
{
    if (*c->secret_key && *c->secret_key_file) {
        fputs("ringmaster: secret_key and secret_key_file: both are set; which one seals?\n", stderr);
        return false;
    }
    if (*c->secret_key) {
        if (secret_key_parse(slice_from_text(c->secret_key), key)) return true;
        fputs("ringmaster: secret_key: must be 64 hex digits\n", stderr);
        return false;
    }
    if (!*c->secret_key_file) {
        fputs("ringmaster: secret_key or secret_key_file: one must be set, or no API key can be opened\n", stderr);
        return false;
    }
    char *text = nullptr;
    size_t count;
    bool good = file_read_whole(c->secret_key_file, KEY_FILE_BYTES_MAX, &text, &count) == IO_OK && secret_key_parse(slice_trim(slice_from(text, count)), key);
    free(text);
    if (!good) fprintf(stderr, "ringmaster: secret_key_file: %s cannot be read, or does not hold 64 hex digits\n", c->secret_key_file);
    return good;
}

/* -- migrate -- */

static void say_applied(void *context, const char *name)
{
    *(unsigned *)context += 1;
    printf("applied %s\n", name);
}

int command_migrate(const struct config *c, int count, char **arguments)
{
    (void)arguments;
    char role[128];
    unsigned applied = 0;
    struct db_admin_error error;
    if (count > 0) return command_misused("migrate");
    if (!db_user_of(c->database_url, role, sizeof role)) return command_failed("migrate", "database_url: must name the runtime role, which is given its rights here");
    struct db_admin *a = command_open_as_owner(c, "migrate");
    if (!a) return 1;
    bool done = db_migrate(a, role, say_applied, &applied, &error);
    db_admin_close(a);
    if (!done) return command_failed("migrate", error.text);
    printf("the schema is current (%u applied)\n", applied);
    return 0;
}

/* -- provision -- */

static void say_line(void *context, const char *line)
{
    (void)context;
    puts(line);
}

static int provision_world(const struct config *c, const struct json_value *world, bool dry_run)
{
    struct secret_key key;
    if (!command_secret_key(c, &key)) return 1;
    struct db_admin *a = command_open_as_owner(c, "provision");
    if (!a) return 1;
    static char memory[ERROR_BYTES_MAX];
    struct buffer error = buffer_over(memory, sizeof memory - 1);
    struct provision_report report;
    bool done = provision(a, world, &key, dry_run, say_line, nullptr, &report, &error);
    db_admin_close(a);
    memory[error.length] = 0;
    if (!done) return command_failed("provision", memory);
    printf("%u added, %u changed, %u unchanged%s\n", report.added, report.changed, report.unchanged, dry_run ? " (dry run: nothing was written)" : "");
    return 0;
}

int command_provision(const struct config *c, int count, char **arguments)
{
    bool dry_run = take_flag(&count, arguments, "--dry-run");
    if (count != 1) return command_misused("provision FILE [--dry-run]");
    char *text;
    size_t bytes;
    if (file_read_whole(arguments[0], WORLD_BYTES_MAX, &text, &bytes) != IO_OK) {
        fprintf(stderr, "ringmaster provision: %s cannot be read, or is larger than 16 MiB\n", arguments[0]);
        return 1;
    }
    struct heap heap;
    struct json_error why;
    heap_init(&heap, (uint64_t)WORLD_BYTES_MAX * 32);
    struct json_document *d = json_parse(slice_from(text, bytes), &heap, &why);
    if (!d) {
        fprintf(stderr, "ringmaster provision: %s: not JSON at byte %zu: %s\n", arguments[0], why.offset, why.message);
        return 1;
    }
    int status = provision_world(c, json_root(d), dry_run);
    json_release(d, &heap);
    free(text);
    return status;
}

/* -- what there is -- */

static int list(const struct config *c, const char *command, const char *sql, const struct slice *parameters, uint32_t parameter_count, bool json)
{
    struct db_admin_error error;
    struct db_admin *a = command_open_as_owner(c, command);
    if (!a) return 1;
    struct db_rows *rows = db_admin_query(a, sql, parameters, parameter_count, &error);
    if (rows) (json ? table_print_json : table_print)(rows);
    if (rows) db_rows_free(rows);
    db_admin_close(a);
    return rows ? 0 : command_failed(command, error.text);
}

enum { LIMIT_MAX = 10'000 };
static const char limit_default[] = "20";

/* The flags that lists have in common, taken out. false: one of them is wrong. */
struct list_flags { const char *limit, *company; bool json; };
static bool take_list_flags(int *count, char **arguments, struct list_flags *f)
{
    uint64_t number;
    *f = (struct list_flags){ .limit = limit_default, .json = take_flag(count, arguments, "--json") };
    return take_value(count, arguments, "--limit", &f->limit) && take_value(count, arguments, "--company", &f->company) &&
           slice_to_u64(slice_from_text(f->limit), LIMIT_MAX, &number);
}

/* Of --outcome and --kind: a mistyped one would list nothing, and be read as "there is nothing". */
static bool is_one_of(const char *value, const char *const *names, size_t count)
{
    if (!value) return true;
    for (size_t n = 0; n < count; n++)
        if (strcmp(value, names[n]) == 0) return true;
    return false;
}

int command_calls(const struct config *c, int count, char **arguments)
{
    struct list_flags f;
    if (!take_list_flags(&count, arguments, &f) || count != 1 || strcmp(arguments[0], "recent") != 0) return command_misused("calls recent [--company KEY] [--limit N] [--json]");
    const struct slice parameters[] = { slice_from_text(f.company), slice_from_text(f.limit) };
    return list(c, "calls",
                "SELECT m.key AS company, c.call_id, c.outcome, c.status, to_char(c.first_seen_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"') AS first_seen,"
                "       c.duration_ms / 1000 AS seconds, i.state AS booking, i.reason, to_char(i.starts_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI\"Z\"') AS starts,"
                "       a.calcom_booking_uid AS booking_uid, c.correlation_id"
                "  FROM calls c JOIN companies m ON m.id = c.company_id"
                "  LEFT JOIN booking_intents i ON i.company_id = c.company_id AND i.call = c.id"
                "  LEFT JOIN appointments a ON a.company_id = i.company_id AND a.intent_id = i.id"
                "  WHERE $1::text IS NULL OR m.key = $1 ORDER BY c.first_seen_at DESC, c.id DESC LIMIT $2::bigint",
                parameters, 2, f.json);
}

/* -- webhooks -- */

static int list_webhooks(const struct config *c, int count, char **arguments)
{
    struct list_flags f;
    const char *outcome = nullptr;
    static const char *const outcomes[] = { "filed", "unrouted", "quarantined", "kept", "replayed" };
    bool good = take_list_flags(&count, arguments, &f) && take_value(&count, arguments, "--outcome", &outcome) &&
                is_one_of(outcome, outcomes, sizeof outcomes / sizeof outcomes[0]);
    if (!good || count != 0) return command_misused("webhooks list [--outcome filed|unrouted|quarantined|kept|replayed] [--company KEY] [--limit N] [--json]");
    const struct slice parameters[] = { slice_from_text(outcome), slice_from_text(f.company), slice_from_text(f.limit) };
    return list(c, "webhooks",
                "SELECT source || ':' || h.id AS id, w.key AS workspace, m.key AS company, provider, event, call_id, outcome, reason,"
                "       to_char(received_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"') AS received, octet_length(body) AS bytes, correlation_id"
                "  FROM webhooks h JOIN workspaces w ON w.id = h.workspace_id LEFT JOIN companies m ON m.id = h.company_id"
                "  WHERE ($1::text IS NULL OR outcome = $1) AND ($2::text IS NULL OR m.key = $2) ORDER BY received_at DESC, h.id DESC LIMIT $3::bigint",
                parameters, 3, f.json);
}

int command_webhooks(const struct config *c, int count, char **arguments)
{
    if (count >= 1 && strcmp(arguments[0], "list") == 0) return list_webhooks(c, count - 1, arguments + 1);
    if (count >= 2 && strcmp(arguments[0], "replay") == 0) return webhooks_replay(c, count - 1, arguments + 1);
    if (count == 1 && strcmp(arguments[0], "retry-failed") == 0) return webhooks_retry_failed(c);
    return command_misused("webhooks list [--outcome O] [--company KEY] [--limit N] [--json] | replay ID... | retry-failed");
}

/* -- jobs -- */

static int list_jobs(const struct config *c, int count, char **arguments)
{
    struct list_flags f;
    const char *kind = nullptr;
    static const char *const kinds[] = { "callback", "reconcile" };
    bool good = take_list_flags(&count, arguments, &f) && take_value(&count, arguments, "--kind", &kind) && is_one_of(kind, kinds, sizeof kinds / sizeof kinds[0]);
    if (!good || count != 0) return command_misused("jobs list [--kind callback|reconcile] [--company KEY] [--limit N] [--json]");
    const struct slice parameters[] = { slice_from_text(kind), slice_from_text(f.company), slice_from_text(f.limit) };
    return list(c, "jobs",
                "SELECT j.id, m.key AS company, b.key AS branch, j.kind, j.state, j.reason, to_char(j.created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI\"Z\"') AS since,"
                "       coalesce(i.attendee ->> 'name', k.name) AS customer, k.phone, to_char(i.starts_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI\"Z\"') AS wanted, c.call_id"
                "  FROM jobs j JOIN companies m ON m.id = j.company_id"
                "  LEFT JOIN branches b ON b.company_id = j.company_id AND b.id = j.branch_id"
                "  LEFT JOIN calls c ON c.company_id = j.company_id AND c.id = j.call"
                "  LEFT JOIN customers k ON k.company_id = j.company_id AND k.id = j.customer_id"
                "  LEFT JOIN booking_intents i ON i.company_id = j.company_id AND i.id = j.intent_id"
                "  WHERE j.state <> 'done' AND ($1::text IS NULL OR j.kind = $1) AND ($2::text IS NULL OR m.key = $2)"
                "  ORDER BY j.due_at, j.id LIMIT $3::bigint",
                parameters, 3, f.json);
}

/* Only what people do themselves: a reconciliation ends when the engine has found out what became of the booking. */
static int finish_callback(struct db_admin *a, struct slice id)
{
    char memory[32];
    struct buffer now = buffer_over(memory, sizeof memory);
    struct db_admin_error error;
    buffer_print(&now, "%lld", (long long)clock_wall_us());
    const struct slice parameters[] = { id, buffer_slice(&now) };
    struct db_rows *rows = db_admin_query(a,
        "WITH finished AS (UPDATE jobs SET state = 'done', finished_at = instant_of($2::bigint) WHERE id = $1::bigint AND kind = 'callback' AND state <> 'done' RETURNING *)"
        "  SELECT audit(company_id, 'operator', 'callback_done', 'job/' || id, '{}', finished_at) FROM finished", parameters, 2, &error);
    if (!rows) return command_failed("jobs", error.text);
    bool finished = db_rows_count(rows) == 1;
    db_rows_free(rows);
    if (!finished) return command_failed("jobs", "there is no open callback of that id");
    printf("callback " SLICE_FORMAT " is done\n", slice_print(id));
    return 0;
}

int command_jobs(const struct config *c, int count, char **arguments)
{
    uint64_t id;
    if (count >= 1 && strcmp(arguments[0], "list") == 0) return list_jobs(c, count - 1, arguments + 1);
    if (count != 2 || strcmp(arguments[0], "done") != 0 || !slice_to_u64(slice_from_text(arguments[1]), INT64_MAX, &id))
        return command_misused("jobs list [--kind callback|reconcile] [--company KEY] [--limit N] [--json] | done ID");
    if (!command_start_clock(c, "jobs")) return 1;
    struct db_admin *a = command_open_as_owner(c, "jobs");
    if (!a) return 1;
    int status = finish_callback(a, slice_from_text(arguments[1]));
    db_admin_close(a);
    return status;
}
