#include "config.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include "base/ensure.h"
#include "io/file.h"

enum setting_kind : uint8_t { TEXT, SECRET, INTEGER, BOOLEAN };

/* A default stands as text or as number, whichever the kind reads. */
struct setting { const char *name; enum setting_kind kind; size_t offset; const char *default_text; int64_t default_integer, least, most; const char *help; };

#define DEFAULT_TEXT_TEXT(value)       (value)
#define DEFAULT_TEXT_SECRET(value)     (value)
#define DEFAULT_TEXT_INTEGER(value)    nullptr
#define DEFAULT_TEXT_BOOLEAN(value)    nullptr
#define DEFAULT_INTEGER_TEXT(value)    0
#define DEFAULT_INTEGER_SECRET(value)  0
#define DEFAULT_INTEGER_INTEGER(value) (value)
#define DEFAULT_INTEGER_BOOLEAN(value) (value)
#define SETTING_ROW(kind_, name_, default_, least_, most_, help_)                                                                                        \
    { .name = #name_, .kind = kind_, .offset = offsetof(struct config, name_), .default_text = DEFAULT_TEXT_##kind_(default_),                           \
      .default_integer = DEFAULT_INTEGER_##kind_(default_), .least = (least_), .most = (most_), .help = (help_) },
static const struct setting settings[] = { SETTINGS(SETTING_ROW) };
enum { SETTING_COUNT = sizeof settings / sizeof settings[0], CONFIG_FILE_BYTES_MAX = 64 * 1024 };

static const char **text_of(struct config *c, const struct setting *s) { return (const char **)((char *)c + s->offset); }
static int64_t *integer_of(struct config *c, const struct setting *s) { return (int64_t *)((char *)c + s->offset); }
static bool *boolean_of(struct config *c, const struct setting *s) { return (bool *)((char *)c + s->offset); }

static const struct setting *setting_named(struct slice name)
{
    for (size_t n = 0; n < SETTING_COUNT; n++) {
        const char *own = settings[n].name;
        if (strlen(own) != name.length) continue;
        size_t i = 0;
        while (i < name.length && (own[i] == name.start[i] || (own[i] == '_' && name.start[i] == '-'))) i++;
        if (i == name.length) return &settings[n];
    }
    return nullptr;
}

static bool refuse(struct config_error *e, const struct setting *s, const char *origin, const char *why)
{
    snprintf(e->text, sizeof e->text, "%s (%s): %s", s->name, origin, why);
    return false;
}

static bool set_integer(struct config *c, const struct setting *s, const char *value, const char *origin, struct config_error *e)
{
    char why[128];
    uint64_t number;
    if (!slice_to_u64(slice_from_text(value), INT64_MAX, &number) || (int64_t)number < s->least || (int64_t)number > s->most) {
        snprintf(why, sizeof why, "must be a whole number from %lld to %lld", (long long)s->least, (long long)s->most);
        return refuse(e, s, origin, why);
    }
    *integer_of(c, s) = (int64_t)number;
    return true;
}

static bool set_boolean(struct config *c, const struct setting *s, const char *value, const char *origin, struct config_error *e)
{
    bool yes = strcmp(value, "true") == 0 || strcmp(value, "1") == 0 || strcmp(value, "yes") == 0;
    bool no = strcmp(value, "false") == 0 || strcmp(value, "0") == 0 || strcmp(value, "no") == 0;
    if (!yes && !no) return refuse(e, s, origin, "must be true or false");
    *boolean_of(c, s) = yes;
    return true;
}

static bool set(struct config *c, const struct setting *s, const char *value, const char *origin, struct config_error *e)
{
    switch (s->kind) {
    case TEXT:
    case SECRET:  *text_of(c, s) = value; return true;
    case INTEGER: return set_integer(c, s, value, origin, e);
    case BOOLEAN: return set_boolean(c, s, value, origin, e);
    }
    ensure(false);
}

static void set_default(struct config *c, const struct setting *s)
{
    switch (s->kind) {
    case TEXT:
    case SECRET:  *text_of(c, s) = s->default_text; return;
    case INTEGER: *integer_of(c, s) = s->default_integer; return;
    case BOOLEAN: *boolean_of(c, s) = s->default_integer != 0; return;
    }
}

static bool read_line(struct config *c, char *line, const char *path, unsigned number, struct config_error *e)
{
    struct slice value = slice_absent, all = slice_trim(slice_from_text(line));
    if (slice_is_empty(all) || all.start[0] == '#') return true;
    value = all;
    struct slice name = slice_trim(slice_split(&value, '='));
    char origin[300];
    snprintf(origin, sizeof origin, "%s line %u", path, number);
    const struct setting *s = setting_named(name);
    if (!s || slice_is_absent(value)) {
        snprintf(e->text, sizeof e->text, "%s: %s", origin, s ? "needs `name = value`" : "no such setting");
        return false;
    }
    value = slice_trim(value);
    return set(c, s, strndup(value.start, value.length), origin, e);
}

static bool read_file(struct config *c, const char *path, struct config_error *e)
{
    char *text;
    size_t count;
    if (file_read_whole(path, CONFIG_FILE_BYTES_MAX, &text, &count) != IO_OK) {
        snprintf(e->text, sizeof e->text, "config: %s cannot be read", path);
        return false;
    }
    unsigned number = 0;
    bool good = true;
    for (char *rest = text, *line; good && (line = strsep(&rest, "\n")); ) good = read_line(c, line, path, ++number, e);
    free(text);
    return good;
}

static bool read_environment(struct config *c, struct config_error *e)
{
    for (size_t n = 0; n < SETTING_COUNT; n++) {
        char name[96];
        int length = snprintf(name, sizeof name, "RINGMASTER_%s", settings[n].name);
        for (int i = 0; i < length; i++) name[i] = (char)toupper((unsigned char)name[i]);
        const char *value = getenv(name);
        if (value && !set(c, &settings[n], value, name, e)) return false;
    }
    return true;
}

/* --name value, --name=value, or --name alone for a boolean. How many arguments it took; 0: not a setting, or *error. */
static int read_flag(struct config *c, int count, char **arguments, struct config_error *e)
{
    struct slice value = slice_from_text(arguments[0]);
    if (!slice_starts_with(value, slice_of("--"))) return 0;
    value = slice_skip(value, 2);
    const struct setting *s = setting_named(slice_split(&value, '='));
    if (!s) return 0;
    if (!slice_is_absent(value)) return set(c, s, value.start, arguments[0], e) ? 1 : 0;
    if (s->kind == BOOLEAN && (count < 2 || arguments[1][0] == '-')) return set(c, s, "true", arguments[0], e) ? 1 : 0;
    if (count < 2) {
        snprintf(e->text, sizeof e->text, "%s: needs a value", arguments[0]);
        return 0;
    }
    return set(c, s, arguments[1], arguments[0], e) ? 2 : 0;
}

/* `left` collects what is not a setting; it may be the same array. */
static bool read_flags(struct config *c, int count, char **arguments, char **left, int *left_count, struct config_error *e)
{
    *left_count = 0;
    for (int n = 0; n < count; ) {
        int taken = read_flag(c, count - n, arguments + n, e);
        if (taken == 0 && e->text[0]) return false;
        if (taken == 0) left[(*left_count)++] = arguments[n++];
        n += taken;
    }
    return true;
}

/* The file is named by a flag or the environment, and yields to both: so these are read before it and after it. */
bool config_read(struct config *c, int *count, char **arguments, struct config_error *error)
{
    enum { ARGUMENTS_MAX = 1024 };
    static char *ignored[ARGUMENTS_MAX];
    *c = (struct config){};
    *error = (struct config_error){};
    int ignored_count;
    if (*count > ARGUMENTS_MAX) {
        snprintf(error->text, sizeof error->text, "more than %d arguments", ARGUMENTS_MAX);
        return false;
    }
    for (size_t n = 0; n < SETTING_COUNT; n++) set_default(c, &settings[n]);
    if (!read_environment(c, error) || !read_flags(c, *count, arguments, ignored, &ignored_count, error)) return false;
    if (*c->config && (!read_file(c, c->config, error) || !read_environment(c, error))) return false;
    return read_flags(c, *count, arguments, arguments, count, error);
}

void config_print(const struct config *c, FILE *out)
{
    struct config *readable = (struct config *)c; /* text_of and its like only read here */
    for (size_t n = 0; n < SETTING_COUNT; n++) {
        const struct setting *s = &settings[n];
        switch (s->kind) {
        case TEXT:    fprintf(out, "%s = %s\n", s->name, *text_of(readable, s)); break;
        case SECRET:  fprintf(out, "%s = %s\n", s->name, **text_of(readable, s) ? "(set, not shown)" : ""); break;
        case INTEGER: fprintf(out, "%s = %lld\n", s->name, (long long)*integer_of(readable, s)); break;
        case BOOLEAN: fprintf(out, "%s = %s\n", s->name, *boolean_of(readable, s) ? "true" : "false"); break;
        }
    }
}

void config_print_markdown(FILE *out)
{
    fputs("| setting | default | from … to | what it is for |\n|---|---|---|---|\n", out);
    for (size_t n = 0; n < SETTING_COUNT; n++) {
        const struct setting *s = &settings[n];
        switch (s->kind) {
        case TEXT:
        case SECRET:  fprintf(out, "| `%s` | %s | | %s |\n", s->name, s->default_text, s->help); break;
        case INTEGER: fprintf(out, "| `%s` | %lld | %lld … %lld | %s |\n", s->name, (long long)s->default_integer, (long long)s->least, (long long)s->most, s->help); break;
        case BOOLEAN: fprintf(out, "| `%s` | %s | | %s |\n", s->name, s->default_integer ? "true" : "false", s->help); break;
        }
    }
}

bool config_address(const char *text, struct sockaddr_in *address)
{
    char host[64];
    const char *colon = strrchr(text, ':');
    uint64_t port;
    if (!colon || (size_t)(colon - text) >= sizeof host || !slice_to_u64(slice_from_text(colon + 1), 65'535, &port)) return false;
    memcpy(host, text, (size_t)(colon - text));
    host[colon - text] = 0;
    *address = (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
    return inet_pton(AF_INET, host, &address->sin_addr) == 1;
}
