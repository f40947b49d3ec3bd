#include "ops/commands.h"

#include <stdlib.h>
#include <string.h>
#include "base/hmac.h"
#include "base/json.h"
#include "db/admin.h"
#include "io/file.h"
#include "ops/table.h"
#include "tenant/provision.h"

enum { WORLD_BYTES_MAX = 16 * 1024 * 1024, KEY_FILE_BYTES_MAX = 4096, ERROR_BYTES_MAX = 64 * 1024 };

static int complain(const char *command, const char *why)
{
    fprintf(stderr, "ringmaster %s: %s\n", command, why);
    return 1;
}

static int misuse(const char *usage)
{
    fprintf(stderr, "usage: ringmaster %s\n", usage);
    return 2;
}

/* Takes `--name` (with its value) out of the arguments. */
static bool take_flag(int *count, char **arguments, const char *name, const char **value)
{
    for (int n = 0; n < *count; n++) {
        if (strcmp(arguments[n], name) != 0) continue;
        int taken = value ? 2 : 1;
        if (n + taken > *count) return false;
        if (value) *value = arguments[n + 1];
        memmove(arguments + n, arguments + n + taken, (size_t)(*count - n - taken) * sizeof *arguments);
        *count -= taken;
        return true;
    }
    return false;
}

bool command_secret_key(const struct config *c, struct secret_key *key)
{
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

static struct db_admin *open_as_owner(const struct config *c, const char *command)
{
    struct db_admin_error error;
    if (!*c->database_owner_url) return complain(command, "database_owner_url is not set"), nullptr;
    struct db_admin *a = db_admin_open(c->database_owner_url, &error);
    if (!a) complain(command, error.text);
    return a;
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
    if (count > 0) return misuse("migrate");
    if (!db_user_of(c->database_url, role, sizeof role)) return complain("migrate", "database_url: must name the runtime role, which is given its rights here");
    struct db_admin *a = open_as_owner(c, "migrate");
    if (!a) return 1;
    bool done = db_migrate(a, role, say_applied, &applied, &error);
    db_admin_close(a);
    if (!done) return complain("migrate", error.text);
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
    struct db_admin *a = open_as_owner(c, "provision");
    if (!a) return 1;
    static char memory[ERROR_BYTES_MAX];
    struct buffer error = buffer_over(memory, sizeof memory - 1);
    struct provision_report report;
    bool done = provision(a, world, &key, dry_run, say_line, nullptr, &report, &error);
    db_admin_close(a);
    memory[error.length] = 0;
    if (!done) return complain("provision", memory);
    printf("%u added, %u changed, %u unchanged%s\n", report.added, report.changed, report.unchanged, dry_run ? " (dry run: nothing was written)" : "");
    return 0;
}

int command_provision(const struct config *c, int count, char **arguments)
{
    bool dry_run = take_flag(&count, arguments, "--dry-run", nullptr);
    if (count != 1) return misuse("provision FILE [--dry-run]");
    char *text;
    size_t bytes;
    if (file_read_whole(arguments[0], WORLD_BYTES_MAX, &text, &bytes) != IO_OK) return complain("provision", "the file cannot be read");
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
    struct db_admin *a = open_as_owner(c, command);
    if (!a) return 1;
    struct db_rows *rows = db_admin_query(a, sql, parameters, parameter_count, &error);
    if (rows) (json ? table_print_json : table_print)(rows);
    if (rows) db_rows_free(rows);
    db_admin_close(a);
    return rows ? 0 : complain(command, error.text);
}

static const char *limit_of(int *count, char **arguments)
{
    const char *limit = "20";
    uint64_t number;
    (void)take_flag(count, arguments, "--limit", &limit);
    return slice_to_u64(slice_from_text(limit), 10'000, &number) ? limit : nullptr;
}

int command_calls(const struct config *c, int count, char **arguments)
{
    static const char usage[] = "calls recent [--company KEY] [--limit N] [--json]";
    const char *company = nullptr;
    bool json = take_flag(&count, arguments, "--json", nullptr);
    (void)take_flag(&count, arguments, "--company", &company);
    const char *limit = limit_of(&count, arguments);
    if (count != 1 || strcmp(arguments[0], "recent") != 0 || !limit) return misuse(usage);
    const struct slice parameters[] = { slice_from_text(company), slice_from_text(limit) };
    return list(c, "calls",
                "SELECT m.key AS company, c.call_id, c.outcome, c.status, to_char(c.first_seen_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"') AS first_seen,"
                "       c.duration_ms / 1000 AS seconds, i.state AS booking, i.reason, to_char(i.starts_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI\"Z\"') AS starts,"
                "       a.calcom_booking_uid AS booking_uid, c.correlation_id"
                "  FROM calls c JOIN companies m ON m.id = c.company_id"
                "  LEFT JOIN booking_intents i ON i.company_id = c.company_id AND i.call = c.id"
                "  LEFT JOIN appointments a ON a.company_id = i.company_id AND a.intent_id = i.id"
                "  WHERE $1::text IS NULL OR m.key = $1 ORDER BY c.first_seen_at DESC, c.id DESC LIMIT $2::bigint",
                parameters, 2, json);
}

static int list_webhooks(const struct config *c, int count, char **arguments)
{
    const char *outcome = nullptr;
    bool json = take_flag(&count, arguments, "--json", nullptr);
    (void)take_flag(&count, arguments, "--outcome", &outcome);
    const char *limit = limit_of(&count, arguments);
    if (count != 0 || !limit) return misuse("webhooks list [--outcome filed|unrouted|quarantined|kept] [--limit N] [--json]");
    const struct slice parameters[] = { slice_from_text(outcome), slice_from_text(limit) };
    return list(c, "webhooks",
                "SELECT source || ':' || h.id AS id, w.key AS workspace, provider, event, call_id, outcome, reason,"
                "       to_char(received_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"') AS received, octet_length(body) AS bytes, correlation_id"
                "  FROM webhooks h JOIN workspaces w ON w.id = h.workspace_id"
                "  WHERE $1::text IS NULL OR outcome = $1 ORDER BY received_at DESC, h.id DESC LIMIT $2::bigint",
                parameters, 2, json);
}

int command_webhooks(const struct config *c, int count, char **arguments)
{
    static const char usage[] = "webhooks list [--outcome O] [--limit N] [--json] | replay ID... | retry-failed";
    if (count < 1) return misuse(usage);
    if (strcmp(arguments[0], "list") == 0) return list_webhooks(c, count - 1, arguments + 1);
    return misuse(usage);
}
