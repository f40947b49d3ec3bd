#pragma once
/* retell/booking_facts.h: what a call says about an appointment, field by field, and the appointment that this means, or nothing.
 *
 * An agent leaves the facts in three places; the more considered one counts: custom analysis data (made after the call) over collected variables
 * (during it) over dynamic variables (before it). A field that is null, blank, an unfilled "{{template}}" or, for who, a placeholder ("Unbekannt") was not given.
 * Nothing is ever made up: no default date, time, name or service, and no year is shifted. Pure; texts point into the JSON document or the given memory.
 */
#include "base/buffer.h"
#include "base/instant.h"
#include "base/json.h"

struct booking_facts {
    bool         confirmation_given, confirmed; /* confirmed exactly for true, 1, "true", "1", "yes", "ja" */
    struct slice date, time;                    /* as said. Absent: not given */
    struct slice name, service, staff, email, phone;
};

struct booking_sources { const struct json_value *custom_analysis, *collected_variables, *dynamic_variables; /* nullptr: none */ };

/* Room for the fields that came as numbers or worse and become texts. */
enum { BOOKING_MEMORY_BYTES = 512 };
/* Also reads what booking_facts_write() wrote: give it as the only source. */
void booking_facts_read(struct booking_facts *f, const struct booking_sources *sources, struct buffer *memory);
/* Writes what is known as "key": {booking_confirmed, datum, uhrzeit, name, dienstleistung, mitarbeiter, email, telefon}; nothing known: nothing. */
void booking_facts_write(struct json_writer *w, const char *key, const struct booking_facts *f);

enum appointment_reading : uint8_t {
    APPOINTMENT_READ,
    APPOINTMENT_DATE_MISSING,
    APPOINTMENT_TIME_MISSING,
    APPOINTMENT_DATE_NOT_UNDERSTOOD,
    APPOINTMENT_TIME_NOT_UNDERSTOOD,
};
[[nodiscard]] const char *appointment_reading_name(enum appointment_reading r); /* "date_missing", … */
/* Date: YYYY-MM-DD, DD.MM.YYYY or DDMMYYYY, a day that exists. Time: HH:MM, H:MM, or an hour alone ("14"), each with or without "Uhr".
 * Anything else is not understood, and *phrase is what was said. The time is that of the branch's clock; whether it is past is the caller's question. */
[[nodiscard]] enum appointment_reading booking_facts_appointment(const struct booking_facts *f, struct wall_time *at, struct slice *phrase);
