/* tests/simulation/trace.c: the story of a world. The last steps are kept in any case, for whoever has to understand a broken promise. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "process.h"
#include "world.h"

enum { LAST_STEPS = 40, STEP_BYTES = 320 };

static bool     tells;
static uint64_t fingerprint = 0xcbf2'9ce4'8422'2325, steps;
static char     last[LAST_STEPS][STEP_BYTES];

void trace_tell(bool on) { tells = on; }
uint64_t trace_fingerprint(void) { return fingerprint; }

static void fold(const char *text)
{
    for (; *text; text++) fingerprint = (fingerprint ^ (uint8_t)*text) * UINT64_C(0x100'0000'01b3);
}

static void print_where(char *to, size_t room)
{
    uint64_t us = world_now_us() - UINT64_C(1'000'000'000);
    const struct process *p = process_here();
    snprintf(to, room, "%6" PRIu64 ".%06" PRIu64 " %s/%s", us / 1'000'000, us % 1'000'000, p ? p->name : "world", p ? fiber_here()->name : "");
}

void trace(const char *format, ...)
{
    char *step = last[steps++ % LAST_STEPS], where[64];
    va_list arguments;
    va_start(arguments, format);
    print_where(where, sizeof where);
    int used = snprintf(step, STEP_BYTES, "%-32s ", where);
    vsnprintf(step + used, STEP_BYTES - (size_t)used, format, arguments);
    va_end(arguments);
    fold(step);
    if (tells) puts(step);
}

void trace_print_last(void)
{
    uint64_t first = steps > LAST_STEPS ? steps - LAST_STEPS : 0;
    for (uint64_t n = first; n < steps; n++) printf("    %s\n", last[n % LAST_STEPS]);
}
