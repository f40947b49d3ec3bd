#pragma once
/* base/log.h: one JSON line per event on stderr, never blocking the shard.
 *
 * An event is a stable name with fields. Fields carry ids only: never a secret, a transcript, a phone number or a name in clear
 * (phone numbers, where needed, as log_phone: country code and last two digits).
 *
 * A line goes into this thread's ring; a writer thread empties all rings. A full ring drops the line and counts it. Writing to the
 * file may block or fail; only the writer thread notices.
 *
 * Rule:          a line that was put into a ring is written soon, without another line having to follow it.
 * Without it:    the last words before a quiet hour are read an hour later; or the writer has to look ten times a second.
 * What keeps it: whoever puts a line swaps `work_is_announced` to true after it, and wakes the writer if it was false. The writer swaps
 *                it to false before it looks. The swaps have one order: a line put before the writer's swap is seen by the look that
 *                follows; one put after it finds false, and wakes.
 */
#include <stdint.h>
#include "base/slice.h"

enum log_level : uint8_t { LOG_DEBUG, LOG_INFO, LOG_WARNING, LOG_ERROR };

struct log_field { const char *name; enum : uint8_t { LOG_TEXT, LOG_INTEGER, LOG_PHONE } kind; struct slice text; int64_t integer; };
#define log_text(name_, value)    ((struct log_field){ .name = (name_), .kind = LOG_TEXT, .text = (value) })
#define log_cstring(name_, value) ((struct log_field){ .name = (name_), .kind = LOG_TEXT, .text = slice_from_text(value) })
#define log_integer(name_, value) ((struct log_field){ .name = (name_), .kind = LOG_INTEGER, .integer = (int64_t)(value) })
#define log_phone(name_, e164)     ((struct log_field){ .name = (name_), .kind = LOG_PHONE, .text = (e164) }) /* "+49…01" */

/* Once, before threads. version is on every line. fd is not closed. */
void log_start(int fd, enum log_level least, const char *program, const char *version);
void log_stop(void); /* writes out what is left; after all other threads have ended */

/* Any thread. Nothing happens before log_start() and after log_stop(). Bounds and what happens past them: limits.h. */
void log_write(enum log_level level, const char *event, const struct log_field *fields, uint32_t field_count);
#define log_event(level, event, ...)                                                                             \
    log_write((level), (event), (const struct log_field[]){ { .name = "" } __VA_OPT__(, ) __VA_ARGS__ } + 1,     \
              sizeof((const struct log_field[]){ { .name = "" } __VA_OPT__(, ) __VA_ARGS__ }) / sizeof(struct log_field) - 1)

[[nodiscard]] uint64_t log_lines_dropped(void); /* no room in the ring, or the file refused it. Any thread */
[[nodiscard]] bool log_level_parse(struct slice text, enum log_level *level); /* debug, info, warning, error */
