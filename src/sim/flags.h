#pragma once
/* sim/flags.h: the flags of ringsim and ringload, from a table: "--name VALUE", "--name=VALUE", or "--name" alone for yes. Pure. */
#include <stdint.h>
#include "base/slice.h"

enum flag_kind : uint8_t { FLAG_TEXT, FLAG_NUMBER, FLAG_REAL, FLAG_INSTANT, FLAG_YES };
struct flag {
    const char    *name;   /* without "--" */
    enum flag_kind kind;
    void          *value;  /* const char *, uint64_t, double, int64_t (µs), bool */
    const char    *help;
};
struct flag_error { char text[256]; };

/* The rest of the command line must be flags of the table. false: *error names the one that is wrong. */
[[nodiscard]] bool flags_read(const struct flag *flags, uint32_t count, int argc, char **argv, struct flag_error *error);
void flags_print_help(const struct flag *flags, uint32_t count); /* to stdout */
