#pragma once
/* base/instant.h: instants as text, and wall times in a zone. Inside the engine an instant is int64 microseconds UTC; text and wall
 * time exist only at the edges. ICU behind the zones. Any thread, except that a time_zone belongs to the thread that opened it. */
#include <stdbool.h>
#include <stdint.h>
#include "base/buffer.h"
#include "base/slice.h"

/* RFC 3339 / ISO 8601 with Z or an offset, seconds optional, fraction optional and cut to microseconds; years 1 to 9999.
 * false: not that (a text without zone is refused, so is a leap second). Pure. */
[[nodiscard]] bool instant_parse(struct slice text, int64_t *at_us);
void instant_print(struct buffer *b, int64_t at_us);         /* 2026-03-10T14:00:00Z        (what Cal.com is sent) */
void instant_print_millis(struct buffer *b, int64_t at_us);  /* 2026-03-10T14:00:00.000Z */

struct wall_time { int32_t year; uint8_t month, day, hour, minute, second; };

enum wall_outcome : uint8_t {
    WALL_OK,
    WALL_GAP,     /* does not exist: the clock was set forward over it */
    WALL_FOLD,    /* exists twice: the earlier instant is given */
    WALL_INVALID, /* no such date or time */
};

struct time_zone; /* opaque */
[[nodiscard]] struct time_zone *time_zone_open(struct slice iana_name); /* nullptr: ICU does not know it, or has no memory for it */
[[nodiscard]] bool time_zone_is_known(struct slice iana_name);
void time_zone_close(struct time_zone *z);
/* *at_us is written for WALL_OK and WALL_FOLD only. */
[[nodiscard]] enum wall_outcome wall_to_instant(const struct time_zone *z, struct wall_time w, int64_t *at_us);
[[nodiscard]] struct wall_time instant_to_wall(const struct time_zone *z, int64_t at_us);
/* Monday = 0 … Sunday = 6. */
[[nodiscard]] uint8_t wall_weekday(struct wall_time w);
[[nodiscard]] bool date_is_valid(int32_t year, uint8_t month, uint8_t day); /* years 1 to 9999 */

/* Each writes its own part of *w and leaves the other: a date and a time of day can be read into one. false: *w is as it was. */
[[nodiscard]] bool date_parse(struct slice text, struct wall_time *w);       /* YYYY-MM-DD, exactly; a day that exists */
[[nodiscard]] bool time_of_day_parse(struct slice text, struct wall_time *w); /* HH:MM or H:MM (24 h), exactly */
