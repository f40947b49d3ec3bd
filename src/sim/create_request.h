#pragma once
/* sim/create_request.h: the body of POST /v2/bookings, read as strictly as Cal.com reads it: unknown fields, also nested ones, are refused
 * with one flat string. Slices point into the JSON document of the request. */
#include "base/json.h"
#include "sim/refusal.h"
#include "sim/world.h"

struct sim_create {
    const struct sim_event_type *type;
    int64_t      starts_at_us;
    struct slice name, email, phone, time_zone, language; /* email or phone may be absent, not both */
    const struct json_value *metadata, *responses;        /* nullptr: none */
    struct slice engine_reference;
    uint32_t     occurrences;                             /* 1: it does not recur */
    char         synthetic_email[48]; /* of a phone-only attendee */
};

/* false: *refusal. */
[[nodiscard]] bool create_request_read(struct sim_world *w, const struct json_value *body, struct sim_create *c, struct sim_refusal *refusal);
/* S20: one value that is no text, and all metadata reads back as {}. */
[[nodiscard]] bool metadata_is_readable(const struct json_value *metadata);
