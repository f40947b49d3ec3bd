#pragma once
/* base/log.h: one JSON line per event on stderr, never blocking the shard.
 *
 * An event is a stable name with fields. Fields carry ids only: never a secret, a transcript, a phone number or a name in clear
 * (phone numbers, where needed, as log_phone: country code and last two digits).
 * A line goes into this thread's ring; a writer thread empties all rings. A full ring drops the line and counts it.
 */
#include <stdint.h>
#include "base/slice.h"

enum log_level : uint8_t { LOG_DEBUG, LOG_INFO, LOG_WARNING, LOG_ERROR };

struct log_field { const char *name; enum : uint8_t { LOG_TEXT, LOG_INTEGER } kind; struct slice text; int64_t integer; };
#define log_text(name_, value)    ((struct log_field){ .name = (name_), .kind = LOG_TEXT, .text = (value) })
#define log_cstring(name_, value) ((struct log_field){ .name = (name_), .kind = LOG_TEXT, .text = slice_from_text(value) })
#define log_integer(name_, value) ((struct log_field){ .name = (name_), .kind = LOG_INTEGER, .integer = (int64_t)(value) })

/* Once, before threads. version is on every line. fd is not closed. */
void log_start(int fd, enum log_level least, const char *program, const char *version);
void log_stop(void); /* writes out what is left; after all other threads have ended */

void log_write(enum log_level level, const char *event, const struct log_field *fields, uint32_t field_count);
#define log_event(level, event, ...)                                                                             \
    log_write((level), (event), (const struct log_field[]){ { .name = "" } __VA_OPT__(, ) __VA_ARGS__ } + 1,     \
              sizeof((const struct log_field[]){ { .name = "" } __VA_OPT__(, ) __VA_ARGS__ }) / sizeof(struct log_field) - 1)

[[nodiscard]] uint64_t log_lines_dropped(void);
[[nodiscard]] bool log_level_parse(struct slice text, enum log_level *level);
