#include "retell/arguments.h"

/* "new" and "neu" come last: such a field is only filled when an appointment was talked about twice, and then a plain one is the later word. */
static const struct { struct slice name; enum argument argument; } names[] = {
    { slice_of("booking_confirmed"), ARGUMENT_CONFIRMED },
    { slice_of("confirm_booking"), ARGUMENT_CONFIRMED },
    { slice_of("bestaetigung"), ARGUMENT_CONFIRMED },
    { slice_of("confirm_reschedule"), ARGUMENT_MOVE_CONFIRMED },

    { slice_of("datum"), ARGUMENT_DATE },
    { slice_of("date"), ARGUMENT_DATE },
    { slice_of("datum__termin"), ARGUMENT_DATE },
    { slice_of("appointment_date"), ARGUMENT_DATE },
    { slice_of("date_string"), ARGUMENT_DATE },
    { slice_of("preferred_date"), ARGUMENT_DATE },
    { slice_of("relative_day"), ARGUMENT_DATE },
    { slice_of("new_date"), ARGUMENT_DATE },
    { slice_of("new_datum"), ARGUMENT_DATE },
    { slice_of("neues_datum"), ARGUMENT_DATE },
    { slice_of("old_date"), ARGUMENT_OLD_DATE },
    { slice_of("old_datum"), ARGUMENT_OLD_DATE },
    { slice_of("altes_datum"), ARGUMENT_OLD_DATE },

    { slice_of("uhrzeit"), ARGUMENT_TIME },
    { slice_of("time"), ARGUMENT_TIME },
    { slice_of("uhrzeit__termin"), ARGUMENT_TIME },
    { slice_of("appointment_time"), ARGUMENT_TIME },
    { slice_of("preferred_time"), ARGUMENT_TIME },
    { slice_of("zeitraum"), ARGUMENT_TIME },
    { slice_of("new_time"), ARGUMENT_TIME },
    { slice_of("new_uhrzeit"), ARGUMENT_TIME },
    { slice_of("neue_uhrzeit"), ARGUMENT_TIME },
    { slice_of("datetime"), ARGUMENT_DATE_AND_TIME },

    { slice_of("dienstleistung"), ARGUMENT_SERVICE },
    { slice_of("service"), ARGUMENT_SERVICE },
    { slice_of("service_name"), ARGUMENT_SERVICE },
    { slice_of("service_type"), ARGUMENT_SERVICE },
    { slice_of("service_id"), ARGUMENT_SERVICE },

    { slice_of("mitarbeiter"), ARGUMENT_STAFF },
    { slice_of("mitarbeiter_wunsch"), ARGUMENT_STAFF },
    { slice_of("staff"), ARGUMENT_STAFF },
    { slice_of("preferred_staff_id"), ARGUMENT_STAFF }, /* a name or an id */

    { slice_of("name"), ARGUMENT_NAME },
    { slice_of("customer_name"), ARGUMENT_NAME },
    { slice_of("kundename"), ARGUMENT_NAME },
    { slice_of("kunde"), ARGUMENT_NAME },

    { slice_of("telefon"), ARGUMENT_PHONE },
    { slice_of("telefonnummer"), ARGUMENT_PHONE },
    { slice_of("customer_phone"), ARGUMENT_PHONE },
    { slice_of("phone_number"), ARGUMENT_PHONE },
    { slice_of("phone"), ARGUMENT_PHONE },

    { slice_of("email"), ARGUMENT_EMAIL },
    { slice_of("customer_email"), ARGUMENT_EMAIL },

    { slice_of("grund"), ARGUMENT_REASON },
    { slice_of("reason"), ARGUMENT_REASON },
    { slice_of("notizen"), ARGUMENT_NOTES },
    { slice_of("notes"), ARGUMENT_NOTES },
    { slice_of("kundenpraeferenzen"), ARGUMENT_PREFERENCES },
    { slice_of("duration"), ARGUMENT_DURATION },
};

struct argument_match argument_find(struct slice name)
{
    while (name.length > 0 && name.start[0] == '_') name = slice_skip(name, 1);
    for (uint32_t n = 0; n < sizeof names / sizeof *names; n++)
        if (names[n].name.length == name.length && slice_equal_ignoring_case(names[n].name, name)) /* nearly all differ in length: no call for those */
            return (struct argument_match){ true, names[n].argument, n };
    return (struct argument_match){};
}
