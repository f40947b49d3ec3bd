#include "sim/flags.h"
#include <stdio.h>
#include <stdlib.h>
#include "base/ensure.h"
#include "base/instant.h"

static const struct flag *find_flag(const struct flag *flags, uint32_t count, struct slice name)
{
    for (uint32_t i = 0; i < count; i++)
        if (slice_equal(name, slice_from_text(flags[i].name))) return &flags[i];
    return nullptr;
}

static bool read_real(struct slice text, double *value)
{
    char *end;
    *value = strtod(text.start, &end);
    return text.length > 0 && *end == 0 && *value >= 0;
}

/* Values are zero-terminated: they end where their argument ends. */
static const char *take_value(const struct flag *f, struct slice text)
{
    switch (f->kind) {
    case FLAG_TEXT:    *(const char **)f->value = text.start; return nullptr;
    case FLAG_NUMBER:  return slice_to_u64(text, UINT64_MAX, f->value) ? nullptr : "wants a whole number";
    case FLAG_REAL:    return read_real(text, f->value) ? nullptr : "wants a number";
    case FLAG_INSTANT: return instant_parse(text, f->value) ? nullptr : "wants an instant (RFC 3339)";
    case FLAG_YES:     *(bool *)f->value = true; return nullptr;
    }
    ensure(false);
}

bool flags_read(const struct flag *flags, uint32_t count, int argc, char **argv, struct flag_error *error)
{
    for (int i = 0; i < argc; i++) {
        struct slice rest = slice_from_text(argv[i]);
        bool is_flag = slice_starts_with(rest, slice_of("--"));
        rest = slice_skip(rest, is_flag ? 2 : 0);
        struct slice name = slice_split(&rest, '=');
        const struct flag *f = is_flag ? find_flag(flags, count, name) : nullptr;
        if (!f) {
            snprintf(error->text, sizeof error->text, "%s: no such flag (see --help)", argv[i]);
            return false;
        }
        bool has_value = !slice_is_absent(rest);
        if (f->kind != FLAG_YES && !has_value) {
            if (++i < argc) rest = slice_from_text(argv[i]);
        }
        const char *wrong = f->kind == FLAG_YES && has_value           ? "takes no value"
                            : f->kind != FLAG_YES && slice_is_absent(rest) ? "wants a value"
                                                                           : take_value(f, rest);
        if (wrong) {
            snprintf(error->text, sizeof error->text, "--%s: %s", f->name, wrong);
            return false;
        }
    }
    return true;
}

void flags_print_help(const struct flag *flags, uint32_t count)
{
    static const char *const kinds[] = { "TEXT", "N", "X", "INSTANT", "" };
    for (uint32_t i = 0; i < count; i++) {
        char left[64];
        snprintf(left, sizeof left, "--%s %s", flags[i].name, kinds[flags[i].kind]);
        printf("  %-28s %s\n", left, flags[i].help);
    }
}
