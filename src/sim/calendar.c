#include "sim/calendar.h"
#include <stdlib.h>
#include "base/ensure.h"
#include "sim/workspace.h"

static const int64_t minute_us = 60'000'000, day_us = 24 * 60 * minute_us;

static bool overlap(struct sim_stretch a, struct sim_stretch b) { return a.from_us < b.until_us && b.from_us < a.until_us; }

static struct sim_stretch widened(struct sim_stretch s, uint32_t before_minutes, uint32_t after_minutes)
{
    return (struct sim_stretch){ s.from_us - before_minutes * minute_us, s.until_us + after_minutes * minute_us };
}

/* -- working time -- */

/* A time of day that the clock skips means the first minute after the gap. */
static int64_t instant_of(const struct time_zone *z, struct wall_time date, uint16_t minute)
{
    if (minute == 24 * 60) { /* midnight at its end: the next day's beginning may lie in a gap, so it is asked for as the last minute, and one more */
        date.hour = 23;
        date.minute = 59;
    } else {
        date.hour = (uint8_t)(minute / 60);
        date.minute = (uint8_t)(minute % 60);
    }
    int64_t at_us = 0;
    enum wall_outcome outcome = wall_to_instant(z, date, &at_us);
    for (uint32_t later = 0; outcome == WALL_GAP && later < 24 * 60; later++) {
        date.minute = (uint8_t)((date.minute + 1) % 60);
        if (date.minute == 0) date.hour = (uint8_t)((date.hour + 1) % 24);
        outcome = wall_to_instant(z, date, &at_us);
    }
    return minute == 24 * 60 ? at_us + minute_us : at_us;
}

static bool same_date(struct wall_time a, struct wall_time b) { return a.year == b.year && a.month == b.month && a.day == b.day; }

static void add_working(struct sim_calendar *c, const struct sim_user *host, struct wall_time date, uint16_t start_minute, uint16_t end_minute)
{
    struct sim_stretch s = { instant_of(host->zone, date, start_minute), instant_of(host->zone, date, end_minute) };
    if (s.from_us < s.until_us && overlap(s, c->window) && c->working_count < sim_calendar_hours_max) c->working[c->working_count++] = s;
}

/* An override replaces the day's hours, however many there are. */
static void add_working_day(struct sim_calendar *c, const struct sim_user *host, struct wall_time date)
{
    bool overridden = false;
    for (uint32_t i = 0; i < host->override_count; i++) {
        const struct sim_override *o = &host->overrides[i];
        if (!same_date(o->date, date)) continue;
        overridden = true;
        if (o->start_minute != o->end_minute) add_working(c, host, date, o->start_minute, o->end_minute);
    }
    if (overridden) return;
    uint8_t today = (uint8_t)(1 << wall_weekday(date));
    for (uint32_t i = 0; i < host->hours_count; i++)
        if (host->hours[i].weekdays & today) add_working(c, host, date, host->hours[i].start_minute, host->hours[i].end_minute);
}

static int earlier_stretch(const void *a, const void *b)
{
    const struct sim_stretch *x = a, *y = b;
    return x->from_us < y->from_us ? -1 : x->from_us > y->from_us;
}

/* Hours that touch are one stretch: an appointment may lie across 12:00 where 09:00-12:00 and 12:00-15:00 are worked. */
static void join_working(struct sim_calendar *c)
{
    qsort(c->working, c->working_count, sizeof *c->working, earlier_stretch);
    uint32_t kept = 0;
    for (uint32_t i = 0; i < c->working_count; i++) {
        if (kept && c->working[i].from_us <= c->working[kept - 1].until_us) {
            if (c->working[i].until_us > c->working[kept - 1].until_us) c->working[kept - 1].until_us = c->working[i].until_us;
        } else {
            c->working[kept++] = c->working[i];
        }
    }
    c->working_count = kept;
}

static void gather_working(struct sim_calendar *c, const struct sim_user *host)
{
    struct wall_time last = { 0 };
    /* By instants at steps of a day from the window's first date: a day of 23 or 25 hours may be met twice or be met late, so half days, and each date once. */
    for (int64_t at_us = c->window.from_us - day_us; at_us < c->window.until_us + day_us; at_us += day_us / 2) {
        struct wall_time date = instant_to_wall(host->zone, at_us);
        date.hour = date.minute = date.second = 0;
        if (!same_date(date, last)) add_working_day(c, host, date);
        last = date;
    }
    join_working(c);
}

/* -- busy time -- */

static void add_busy(struct sim_calendar *c, struct sim_stretch s)
{
    if (!overlap(s, c->window)) return;
    if (c->busy_count == sim_calendar_busy_max) c->overfull = true;
    else c->busy[c->busy_count++] = s;
}

static bool holds_its_time(const struct sim_booking *b)
{
    switch (b->status) {
    case SIM_ACCEPTED:  return true;
    case SIM_PENDING:   return b->type->block_unconfirmed;
    case SIM_CANCELLED:
    case SIM_REJECTED:  return false;
    }
    ensure(false);
}

static bool is_hosted_by(const struct sim_booking *b, const struct sim_user *host)
{
    for (uint32_t i = 0; i < b->host_count; i++)
        if (b->hosts[i] == host) return true;
    return false;
}

static void gather_busy(struct sim_calendar *c, const struct sim_world *w, const struct sim_user *host, const struct sim_booking *ignored)
{
    for (uint32_t i = 0; i < host->busy_count; i++) add_busy(c, host->busy[i]);
    for (uint32_t i = 0; i < w->booking_count; i++) {
        const struct sim_booking *b = &w->bookings[i];
        if (b == ignored || !holds_its_time(b) || !is_hosted_by(b, host)) continue;
        add_busy(c, widened((struct sim_stretch){ b->starts_at_us, b->ends_at_us }, b->type->before_buffer_minutes, b->type->after_buffer_minutes));
    }
}

void calendar_gather(struct sim_calendar *c, const struct sim_world *w, const struct sim_user *host, struct sim_stretch window, const struct sim_booking *ignored)
{
    c->window = (struct sim_stretch){ window.from_us - day_us, window.until_us + day_us }; /* buffers and appointments reach over its edges */
    c->working_count = c->busy_count = 0;
    c->overfull = false;
    gather_working(c, host);
    gather_busy(c, w, host, ignored);
}

bool calendar_is_free(const struct sim_calendar *c, const struct sim_event_type *t, int64_t starts_at_us)
{
    struct sim_stretch wanted = { starts_at_us, starts_at_us + t->length_minutes * minute_us };
    bool is_worked = false;
    for (uint32_t i = 0; i < c->working_count && !is_worked; i++)
        is_worked = c->working[i].from_us <= wanted.from_us && wanted.until_us <= c->working[i].until_us;
    if (!is_worked || c->overfull) return false;

    struct sim_stretch held = widened(wanted, t->before_buffer_minutes, t->after_buffer_minutes);
    for (uint32_t i = 0; i < c->busy_count; i++)
        if (overlap(c->busy[i], held)) return false;
    return true;
}

/* -- event types -- */

enum sim_timing event_type_timing(const struct sim_event_type *t, int64_t starts_at_us, int64_t now_us)
{
    if (starts_at_us < now_us) return SIM_PAST;
    if (starts_at_us < now_us + t->minimum_notice_minutes * minute_us) return SIM_TOO_SOON_OR_FAR;
    if (t->booking_window_days && starts_at_us > now_us + t->booking_window_days * day_us) return SIM_TOO_SOON_OR_FAR;
    return SIM_IN_TIME;
}

/* Of the hosts who are free, in the order of the type. 0: a mandatory one is not among them, or only mandatory ones. */
static uint32_t choose_in_turn(const struct sim_event_type *t, struct sim_user *hosts[sim_hosts_max], uint32_t free_count)
{
    uint32_t mandatory = t->mandatory_hosts;
    if (free_count <= mandatory) return 0;
    for (uint32_t i = 0; i < mandatory; i++)
        if (hosts[i] != t->hosts[i]) return 0;
    for (uint32_t i = mandatory + 1; i < free_count; i++)
        if (hosts[i]->last_booked < hosts[mandatory]->last_booked) hosts[mandatory] = hosts[i];
    return mandatory + 1;
}

uint32_t event_type_free_hosts(const struct sim_world *w, const struct sim_event_type *t, int64_t starts_at_us, const struct sim_booking *ignored,
                               struct sim_user *hosts[sim_hosts_max])
{
    struct sim_calendar *calendar = &w->workspace->calendar;
    struct sim_stretch window = { starts_at_us, starts_at_us + t->length_minutes * minute_us };
    uint32_t free_count = 0;
    for (uint32_t i = 0; i < t->host_count; i++) {
        calendar_gather(calendar, w, t->hosts[i], window, ignored);
        if (calendar_is_free(calendar, t, starts_at_us)) hosts[free_count++] = t->hosts[i];
    }
    switch (t->kind) {
    case SIM_INDIVIDUAL:  return free_count && hosts[0] == t->hosts[0] ? 1 : 0;
    case SIM_COLLECTIVE:  return free_count == t->host_count ? free_count : 0;
    case SIM_MANAGED:     return 0;
    case SIM_ROUND_ROBIN: return choose_in_turn(t, hosts, free_count);
    }
    ensure(false);
}

static bool is_reserved(const struct sim_world *w, const struct sim_event_type *t, int64_t starts_at_us, int64_t now_us)
{
    struct sim_stretch wanted = { starts_at_us, starts_at_us + t->length_minutes * minute_us };
    for (uint32_t i = 0; i < w->reservation_count; i++) {
        const struct sim_reservation *r = &w->reservations[i];
        if (r->live && r->type == t && r->until_us > now_us && overlap(wanted, (struct sim_stretch){ r->starts_at_us, r->ends_at_us })) return true;
    }
    return false;
}

static int earlier_start(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return x < y ? -1 : x > y;
}

/* One host's free starts of the grid, appended. The grid begins anew with every working stretch. */
static uint32_t add_host_starts(const struct sim_calendar *c, const struct sim_event_type *t, struct sim_stretch range, int64_t *starts_us, uint32_t count, uint32_t max)
{
    for (uint32_t i = 0; i < c->working_count; i++)
        for (int64_t at_us = c->working[i].from_us; at_us < c->working[i].until_us && count < max; at_us += t->slot_interval_minutes * minute_us)
            if (at_us >= range.from_us && at_us < range.until_us && calendar_is_free(c, t, at_us)) starts_us[count++] = at_us;
    return count;
}

/* Sorts, and keeps once each those starts that occur at least so often: one host or another is free then, or all are. */
static uint32_t settle_starts(int64_t *starts_us, uint32_t count, uint32_t times)
{
    qsort(starts_us, count, sizeof *starts_us, earlier_start);
    uint32_t kept = 0;
    for (uint32_t i = 0, same; i < count; i += same) {
        for (same = 1; i + same < count && starts_us[i + same] == starts_us[i]; same++) {}
        if (same >= times) starts_us[kept++] = starts_us[i];
    }
    return kept;
}

/* The starts of the grid at which so many of these hosts are free, appended. */
static uint32_t add_starts(const struct sim_world *w, const struct sim_event_type *t, uint32_t first_host, uint32_t host_count, uint32_t needed, struct sim_stretch range,
                           const struct sim_booking *ignored, int64_t *starts_us, uint32_t max)
{
    struct sim_calendar *calendar = &w->workspace->calendar;
    uint32_t count = 0;
    for (uint32_t i = 0; i < host_count; i++) {
        calendar_gather(calendar, w, t->hosts[first_host + i], range, ignored);
        count = add_host_starts(calendar, t, range, starts_us, count, max);
    }
    return settle_starts(starts_us, count, needed);
}

static uint32_t starts_of_kind(const struct sim_world *w, const struct sim_event_type *t, struct sim_stretch range, const struct sim_booking *ignored, int64_t *starts_us, uint32_t max)
{
    uint32_t mandatory = t->mandatory_hosts, others = t->host_count - mandatory;
    switch (t->kind) {
    case SIM_INDIVIDUAL:  return add_starts(w, t, 0, 1, 1, range, ignored, starts_us, max);
    case SIM_COLLECTIVE:  return add_starts(w, t, 0, t->host_count, t->host_count, range, ignored, starts_us, max);
    case SIM_MANAGED:     return 0;
    case SIM_ROUND_ROBIN: break;
    }
    if (mandatory == 0) return add_starts(w, t, 0, others, 1, range, ignored, starts_us, max);
    uint32_t count = add_starts(w, t, 0, mandatory, mandatory, range, ignored, starts_us, max);
    count += add_starts(w, t, mandatory, others, 1, range, ignored, starts_us + count, max - count);
    return settle_starts(starts_us, count, 2);
}

uint32_t event_type_slots(const struct sim_world *w, const struct sim_event_type *t, struct sim_stretch range, int64_t now_us, const struct sim_booking *ignored, int64_t *starts_us,
                          uint32_t max)
{
    uint32_t count = starts_of_kind(w, t, range, ignored, starts_us, max);
    uint32_t kept = 0;
    for (uint32_t i = 0; i < count; i++)
        if (event_type_timing(t, starts_us[i], now_us) == SIM_IN_TIME && !is_reserved(w, t, starts_us[i], now_us)) starts_us[kept++] = starts_us[i];
    return kept;
}
