#include "base/instant.h"
#include <unicode/ucal.h>
#include "base/ensure.h"

enum { ZONE_NAME_BYTES_MAX = 64 }; /* the longest of IANA's has 32 */
enum : uint32_t { TIME_ZONE_MAGIC = 0x71e20e01 };

static const int64_t second_us = 1'000'000, minute_us = 60 * second_us, hour_us = 60 * minute_us, day_us = 24 * hour_us;

/* Division that rounds down, before 1970 too. */
static int64_t floor_divide(int64_t a, int64_t b) { return a / b - (a % b < 0); }

static bool is_leap_year(int32_t year) { return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0); }

bool date_is_valid(int32_t year, uint8_t month, uint8_t day)
{
    static const uint8_t days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
    if (year < 1 || year > 9999 || month < 1 || month > 12 || day < 1) return false;
    return day <= days[month - 1] + (month == 2 && is_leap_year(year));
}

/* Days since 1970-01-01 in the Gregorian calendar. Years are counted from March, so that the leap day is the last of its year
 * and the months before a given one have (153 × month + 2) / 5 days. */
static int64_t days_of_date(int32_t year, uint8_t month, uint8_t day)
{
    int64_t march_year = year - (month <= 2);
    int64_t march_month = (month + 9) % 12;
    int64_t leap_days = floor_divide(march_year, 4) - floor_divide(march_year, 100) + floor_divide(march_year, 400);
    return march_year * 365 + leap_days + (153 * march_month + 2) / 5 + day - 1 - 719'468; /* to 1970 from the first of March of year 0 */
}

/* The inverse: a cycle of 400 years has 146,097 days; within it, leap days are taken out before dividing by 365. */
static struct wall_time date_of_days(int64_t days)
{
    int64_t since_march_0 = days + 719'468;
    int64_t cycle = floor_divide(since_march_0, 146'097);
    int64_t day_of_cycle = since_march_0 - cycle * 146'097;
    int64_t year_of_cycle = (day_of_cycle - day_of_cycle / 1460 + day_of_cycle / 36'524 - day_of_cycle / 146'096) / 365;
    int64_t day_of_year = day_of_cycle - (365 * year_of_cycle + year_of_cycle / 4 - year_of_cycle / 100);
    int64_t march_month = (5 * day_of_year + 2) / 153;
    return (struct wall_time){
        .year = (int32_t)(cycle * 400 + year_of_cycle + (march_month >= 10)),
        .month = (uint8_t)(march_month < 10 ? march_month + 3 : march_month - 9),
        .day = (uint8_t)(day_of_year - (153 * march_month + 2) / 5 + 1),
    };
}

/* The wall time as if its zone were UTC. */
static int64_t utc_of_wall(struct wall_time w)
{
    return days_of_date(w.year, w.month, w.day) * day_us + w.hour * hour_us + w.minute * minute_us + w.second * second_us;
}

static struct wall_time wall_of_utc(int64_t at_us)
{
    int64_t          days = floor_divide(at_us, day_us);
    int64_t          of_day_us = at_us - days * day_us;
    struct wall_time w = date_of_days(days);
    w.hour = (uint8_t)(of_day_us / hour_us);
    w.minute = (uint8_t)(of_day_us % hour_us / minute_us);
    w.second = (uint8_t)(of_day_us % minute_us / second_us);
    return w;
}

uint8_t wall_weekday(struct wall_time w)
{
    int64_t since_a_monday = days_of_date(w.year, w.month, w.day) + 3; /* 1970 began on a Thursday */
    return (uint8_t)(since_a_monday - 7 * floor_divide(since_a_monday, 7));
}

/* Takes exactly `count` digits off the front. */
static bool take_digits(struct slice *text, size_t count, int32_t *value)
{
    if (text->length < count) return false;
    int32_t sum = 0;
    for (size_t n = 0; n < count; n++) {
        if (text->start[n] < '0' || text->start[n] > '9') return false;
        sum = sum * 10 + (text->start[n] - '0');
    }
    *value = sum;
    *text = slice_skip(*text, count);
    return true;
}

static bool take_byte(struct slice *text, char byte)
{
    if (text->length == 0 || text->start[0] != byte) return false;
    *text = slice_skip(*text, 1);
    return true;
}

static bool take_date(struct slice *text, struct wall_time *w)
{
    int32_t year, month, day;
    if (!take_digits(text, 4, &year) || !take_byte(text, '-') || !take_digits(text, 2, &month)) return false;
    if (!take_byte(text, '-') || !take_digits(text, 2, &day)) return false;
    if (!date_is_valid(year, (uint8_t)month, (uint8_t)day)) return false;
    w->year = year;
    w->month = (uint8_t)month;
    w->day = (uint8_t)day;
    return true;
}

static bool take_hour_and_minute(struct slice *text, size_t hour_digits, int32_t *hour, int32_t *minute)
{
    return take_digits(text, hour_digits, hour) && *hour < 24 && take_byte(text, ':') && take_digits(text, 2, minute) && *minute < 60;
}

bool date_parse(struct slice text, struct wall_time *w)
{
    struct wall_time date = *w;
    if (!take_date(&text, &date) || text.length > 0) return false;
    *w = date;
    return true;
}

bool time_of_day_parse(struct slice text, struct wall_time *w)
{
    int32_t hour, minute;
    if (!take_hour_and_minute(&text, text.length == 4 ? 1 : 2, &hour, &minute) || text.length > 0) return false;
    w->hour = (uint8_t)hour;
    w->minute = (uint8_t)minute;
    w->second = 0;
    return true;
}

/* ":SS" and ".fraction" where they are there. */
static bool take_seconds(struct slice *text, int64_t *us)
{
    int32_t second, digit;
    *us = 0;
    if (!take_byte(text, ':')) return true;
    if (!take_digits(text, 2, &second) || second > 59) return false;
    *us = second * second_us;
    if (!take_byte(text, '.')) return true;

    size_t before = text->length;
    for (int64_t unit_us = second_us / 10; take_digits(text, 1, &digit); unit_us /= 10) *us += digit * unit_us; /* past microseconds: nothing */
    return text->length < before;
}

/* "Z", "+HH:MM", "+HHMM" or "+HH". */
static bool take_offset(struct slice *text, int64_t *us)
{
    int32_t hour, minute = 0;
    *us = 0;
    if (take_byte(text, 'Z') || take_byte(text, 'z')) return true;
    bool minus = take_byte(text, '-');
    if (!minus && !take_byte(text, '+')) return false;
    if (!take_digits(text, 2, &hour) || hour > 23) return false;
    bool colon = take_byte(text, ':');
    if ((colon || text->length > 0) && (!take_digits(text, 2, &minute) || minute > 59)) return false;
    *us = (hour * hour_us + minute * minute_us) * (minus ? -1 : 1);
    return true;
}

bool instant_parse(struct slice text, int64_t *at_us)
{
    struct wall_time w = {};
    int32_t          hour, minute;
    int64_t          seconds_us, offset_us;
    if (!take_date(&text, &w)) return false;
    if (!take_byte(&text, 'T') && !take_byte(&text, 't') && !take_byte(&text, ' ')) return false;
    if (!take_hour_and_minute(&text, 2, &hour, &minute)) return false;
    if (!take_seconds(&text, &seconds_us) || !take_offset(&text, &offset_us) || text.length > 0) return false;
    *at_us = utc_of_wall(w) + hour * hour_us + minute * minute_us + seconds_us - offset_us;
    return true;
}

static void print_to_the_second(struct buffer *b, int64_t at_us)
{
    struct wall_time w = wall_of_utc(at_us);
    buffer_print(b, "%04d-%02u-%02uT%02u:%02u:%02u", w.year, w.month, w.day, w.hour, w.minute, w.second);
}

void instant_print(struct buffer *b, int64_t at_us)
{
    print_to_the_second(b, at_us);
    buffer_add_byte(b, 'Z');
}

void instant_print_millis(struct buffer *b, int64_t at_us)
{
    int64_t second = floor_divide(at_us, second_us);
    print_to_the_second(b, at_us);
    buffer_print(b, ".%03d", (int)((at_us - second * second_us) / 1000));
    buffer_add_byte(b, 'Z');
}

/* A period is a stretch of time with one offset: [from_us, until_us). ICU is asked once for each; a branch lives in one or two
 * of them for months, and a look at next year's calendar needs two or three more. */
struct period { int64_t from_us, until_us, offset_us; };
enum { PERIODS_KEPT = 8 };

struct time_zone {
    uint32_t   magic;
    UCalendar *calendar; /* only ever used to ask for offsets: its time is set before each question */
    struct zone_memory { struct period periods[PERIODS_KEPT]; uint32_t count, oldest; } *memory;
};

/* The name in ICU's form; 0: not a zone of IANA's. ICU itself would take any text, and mean GMT. */
static int32_t known_zone_name(struct slice name, UChar *out)
{
    UChar      canonical[ZONE_NAME_BYTES_MAX * 2];
    UBool      is_listed = false;
    UErrorCode status = U_ZERO_ERROR;
    if (name.length == 0 || name.length > ZONE_NAME_BYTES_MAX || slice_equal(name, slice_of("Etc/Unknown"))) return 0;
    for (size_t n = 0; n < name.length; n++) {
        if (name.start[n] <= ' ' || name.start[n] > '~') return 0;
        out[n] = (UChar)name.start[n];
    }
    ucal_getCanonicalTimeZoneID(out, (int32_t)name.length, canonical, ZONE_NAME_BYTES_MAX * 2, &is_listed, &status);
    return U_SUCCESS(status) && is_listed ? (int32_t)name.length : 0;
}

bool time_zone_is_known(struct slice iana_name)
{
    UChar name[ZONE_NAME_BYTES_MAX];
    return known_zone_name(iana_name, name) > 0;
}

struct time_zone *time_zone_open(struct slice iana_name)
{
    UChar   name[ZONE_NAME_BYTES_MAX];
    int32_t length = known_zone_name(iana_name, name);
    if (length == 0) return nullptr;

    UErrorCode        status = U_ZERO_ERROR;
    struct time_zone *z = calloc(1, sizeof *z);
    if (!z) return nullptr;
    z->magic = TIME_ZONE_MAGIC;
    z->calendar = ucal_open(name, length, "en_US", UCAL_GREGORIAN, &status);
    z->memory = calloc(1, sizeof *z->memory);
    if (U_SUCCESS(status) && z->memory) return z;
    time_zone_close(z);
    return nullptr;
}

void time_zone_close(struct time_zone *z)
{
    if (!z) return;
    ensure_magic(z, TIME_ZONE_MAGIC);
    ucal_close(z->calendar);
    free(z->memory);
    z->magic = 0;
    free(z);
}

static int64_t transition_or(const UCalendar *calendar, UTimeZoneTransitionType which, int64_t none_us)
{
    UErrorCode status = U_ZERO_ERROR;
    UDate      at_ms;
    bool       found = ucal_getTimeZoneTransitionDate(calendar, which, &at_ms, &status);
    ensure(U_SUCCESS(status));
    return found ? (int64_t)at_ms * 1000 : none_us;
}

static struct period ask_icu(const struct time_zone *z, int64_t at_us)
{
    UErrorCode status = U_ZERO_ERROR;
    ucal_setMillis(z->calendar, (UDate)floor_divide(at_us, 1000), &status);
    int64_t offset_ms = ucal_get(z->calendar, UCAL_ZONE_OFFSET, &status) + ucal_get(z->calendar, UCAL_DST_OFFSET, &status);
    ensure(U_SUCCESS(status));
    return (struct period){
        .from_us = transition_or(z->calendar, UCAL_TZ_TRANSITION_PREVIOUS_INCLUSIVE, INT64_MIN),
        .until_us = transition_or(z->calendar, UCAL_TZ_TRANSITION_NEXT, INT64_MAX),
        .offset_us = offset_ms * 1000,
    };
}

static struct period period_at(const struct time_zone *z, int64_t at_us)
{
    ensure_magic(z, TIME_ZONE_MAGIC);
    struct zone_memory *m = z->memory;
    for (uint32_t n = 0; n < m->count; n++)
        if (m->periods[n].from_us <= at_us && at_us < m->periods[n].until_us) return m->periods[n];

    struct period p = ask_icu(z, at_us);
    if (m->count < PERIODS_KEPT) return m->periods[m->count++] = p;
    m->periods[m->oldest] = p;
    m->oldest = (m->oldest + 1) % PERIODS_KEPT;
    return p;
}

struct wall_time instant_to_wall(const struct time_zone *z, int64_t at_us) { return wall_of_utc(at_us + period_at(z, at_us).offset_us); }

/* No zone was ever further from UTC (16 h: Manila and Alaska, each on the other's side of the date line). So all instants that can show
 * this wall time lie within so much of it, and every period that reaches into that stretch is asked whether one of them is its own. */
enum wall_outcome wall_to_instant(const struct time_zone *z, struct wall_time w, int64_t *at_us)
{
    const int64_t reach_us = 16 * hour_us;
    if (!date_is_valid(w.year, w.month, w.day) || w.hour > 23 || w.minute > 59 || w.second > 59) return WALL_INVALID;

    int64_t       as_utc_us = utc_of_wall(w);
    uint32_t      found = 0;
    struct period p = period_at(z, as_utc_us - reach_us);
    for (;;) {
        int64_t candidate_us = as_utc_us - p.offset_us;
        if (p.from_us <= candidate_us && candidate_us < p.until_us) {
            if (found == 0) *at_us = candidate_us; /* periods come in order: the first is the earlier */
            found += 1;
        }
        if (p.until_us > as_utc_us + reach_us) break;
        p = period_at(z, p.until_us);
    }
    if (found == 0) return WALL_GAP;
    return found == 1 ? WALL_OK : WALL_FOLD;
}
