#include "ops/command_line.h"

#include <string.h>
#include "base/clock.h"
#include "base/instant.h"
#include "db/admin.h"

static int place_of(int count, char **arguments, const char *name)
{
    for (int n = 0; n < count; n++)
        if (strcmp(arguments[n], name) == 0) return n;
    return -1;
}

static void take_out(int *count, char **arguments, int at, int taken)
{
    memmove(arguments + at, arguments + at + taken, (size_t)(*count - at - taken) * sizeof *arguments);
    *count -= taken;
}

bool take_flag(int *count, char **arguments, const char *name)
{
    int at = place_of(*count, arguments, name);
    if (at >= 0) take_out(count, arguments, at, 1);
    return at >= 0;
}

bool take_value(int *count, char **arguments, const char *name, const char **value)
{
    int at = place_of(*count, arguments, name);
    if (at < 0) return true;
    if (at + 1 == *count) return false;
    *value = arguments[at + 1];
    take_out(count, arguments, at, 2);
    return true;
}

int command_failed(const char *command, const char *why)
{
    fprintf(stderr, "ringmaster %s: %s\n", command, why);
    return 1;
}

int command_misused(const char *usage)
{
    fprintf(stderr, "usage: ringmaster %s\n", usage);
    return 2;
}

bool command_start_clock(const struct config *c, const char *command)
{
    int64_t at_us;
    if (!*c->at) return true;
    if (!instant_parse(slice_from_text(c->at), &at_us)) return command_failed(command, "at: must be an instant like 2026-03-10T14:00:00Z"), false;
    clock_start_at(at_us);
    return true;
}

struct db_admin *command_open_as_owner(const struct config *c, const char *command)
{
    struct db_admin_error error;
    if (!*c->database_owner_url) return command_failed(command, "database_owner_url is not set"), nullptr;
    struct db_admin *a = db_admin_open(c->database_owner_url, &error);
    if (!a) command_failed(command, error.text);
    return a;
}
