#include "sim/routes.h"
#include "base/ensure.h"

struct route_pattern { enum http_method method; const char *path; /* '*': the segment */ enum sim_endpoint endpoint; bool needs_account; enum sim_resource resource; };

static const struct route_pattern patterns[] = {
    { HTTP_POST,   "/v2/bookings",              SIM_CREATE_BOOKING,     false, SIM_BOOKINGS },
    { HTTP_GET,    "/v2/bookings",              SIM_LIST_BOOKINGS,      true,  SIM_BOOKINGS },
    { HTTP_GET,    "/v2/bookings/*",            SIM_GET_BOOKING,        false, SIM_BOOKINGS },
    { HTTP_POST,   "/v2/bookings/*/cancel",     SIM_CANCEL_BOOKING,     false, SIM_BOOKINGS },
    { HTTP_POST,   "/v2/bookings/*/reschedule", SIM_RESCHEDULE_BOOKING, false, SIM_BOOKINGS },
    { HTTP_POST,   "/v2/bookings/*/confirm",    SIM_CONFIRM_BOOKING,    true,  SIM_BOOKINGS },
    { HTTP_POST,   "/v2/bookings/*/decline",    SIM_DECLINE_BOOKING,    true,  SIM_BOOKINGS },
    { HTTP_GET,    "/v2/bookings/*/references", SIM_BOOKING_REFERENCES, true,  SIM_BOOKINGS },
    { HTTP_GET,    "/v2/slots",                 SIM_SLOTS,              false, SIM_SLOTS_2024_09_04 },
    { HTTP_POST,   "/v2/slots/reservations",    SIM_RESERVE,            false, SIM_SLOTS_2024_09_04 },
    { HTTP_GET,    "/v2/slots/reservations/*",  SIM_GET_RESERVATION,    false, SIM_SLOTS_2024_09_04 },
    { HTTP_PATCH,  "/v2/slots/reservations/*",  SIM_CHANGE_RESERVATION, false, SIM_SLOTS_2024_09_04 },
    { HTTP_DELETE, "/v2/slots/reservations/*",  SIM_DELETE_RESERVATION, false, SIM_SLOTS_2024_09_04 },
    { HTTP_POST,   "/v2/auth/oauth2/token",     SIM_OAUTH_TOKEN,        false, SIM_UNVERSIONED },
    { HTTP_GET,    "/v2/me",                    SIM_ME,                 true,  SIM_UNVERSIONED },
    { HTTP_GET,    "/v2/event-types",           SIM_LIST_EVENT_TYPES,   true,  SIM_EVENT_TYPES },
    { HTTP_GET,    "/v2/event-types/*",         SIM_GET_EVENT_TYPE,     true,  SIM_EVENT_TYPES },
    { HTTP_POST,   "/v2/webhooks",              SIM_CREATE_WEBHOOK,     true,  SIM_UNVERSIONED },
    { HTTP_GET,    "/v2/webhooks",              SIM_LIST_WEBHOOKS,      true,  SIM_UNVERSIONED },
    { HTTP_GET,    "/v2/webhooks/*",            SIM_GET_WEBHOOK,        true,  SIM_UNVERSIONED },
    { HTTP_PATCH,  "/v2/webhooks/*",            SIM_CHANGE_WEBHOOK,     true,  SIM_UNVERSIONED },
    { HTTP_DELETE, "/v2/webhooks/*",            SIM_DELETE_WEBHOOK,     true,  SIM_UNVERSIONED },
};

/* Piece by piece between the slashes; '*' takes any piece that is not empty. */
static bool path_matches(struct slice pattern, struct slice path, struct slice *segment)
{
    while (!slice_is_absent(pattern) && !slice_is_absent(path)) {
        struct slice wanted = slice_split(&pattern, '/'), piece = slice_split(&path, '/');
        if (slice_equal(wanted, slice_of("*")) && !slice_is_empty(piece)) *segment = piece;
        else if (!slice_equal(wanted, piece)) return false;
    }
    return slice_is_absent(pattern) && slice_is_absent(path);
}

struct sim_route route_of(enum http_method method, struct slice path)
{
    for (uint32_t i = 0; i < sizeof patterns / sizeof *patterns; i++) {
        struct slice segment = slice_absent;
        if (patterns[i].method == method && path_matches(slice_from_text(patterns[i].path), path, &segment))
            return (struct sim_route){ patterns[i].endpoint, segment, patterns[i].needs_account, patterns[i].resource };
    }
    return (struct sim_route){ .endpoint = SIM_NOWHERE };
}

struct slice version_of(struct slice header)
{
    static const char *const known[] = { "2024-04-15", "2024-06-11", "2024-06-14", "2024-08-13", "2024-09-04", "2026-02-25" };
    for (uint32_t i = 0; i < sizeof known / sizeof *known; i++)
        if (slice_equal(header, slice_from_text(known[i]))) return header;
    return slice_of("2024-04-15");
}

bool version_fits(enum sim_resource resource, struct slice version)
{
    switch (resource) {
    case SIM_UNVERSIONED:      return true;
    case SIM_BOOKINGS:         return slice_equal(version, slice_of("2024-08-13")) || slice_equal(version, slice_of("2026-02-25"));
    case SIM_SLOTS_2024_09_04: return slice_equal(version, slice_of("2024-09-04"));
    case SIM_EVENT_TYPES:      return slice_equal(version, slice_of("2024-06-14"));
    }
    ensure(false);
}
