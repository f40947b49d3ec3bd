#include "tenant/check.h"
#include <stdio.h>

constexpr uint32_t mistakes_max = 20; /* past it the reader has enough to do */

void complain(struct check *c, const char *format, ...)
{
    char    why[256];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(why, sizeof why, format, arguments);
    va_end(arguments);

    c->mistakes += 1;
    if (c->mistakes > mistakes_max) return;
    struct slice path = c->path.length > 0 ? buffer_slice(&c->path) : slice_of("the file");
    buffer_print(c->error, "%s" SLICE_FORMAT ": %s", c->mistakes == 1 ? "" : "\n", slice_print(path), why);
}

size_t step_into(struct check *c, const char *name)
{
    size_t before = c->path.length;
    buffer_print(&c->path, "%s%s", before > 0 ? "." : "", name);
    return before;
}

size_t step_into_item(struct check *c, uint32_t index)
{
    size_t before = c->path.length;
    buffer_print(&c->path, "[%u]", index);
    return before;
}

void step_out(struct check *c, size_t before) { c->path.length = before; }
