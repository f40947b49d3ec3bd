#pragma once
/* A small Cal.com for the tests of the simulator: Ada and Ben in Berlin, Mon-Fri 09:00-17:00; and how to ask it. Its clock is the caller's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#include "base/ensure.h"
#include "sim/bookings.h"
#include "sim/calendar.h"

#define HOURS "\"schedule\":[{\"days\":[\"Monday\",\"Tuesday\",\"Wednesday\",\"Thursday\",\"Friday\"],\"start\":\"09:00\",\"end\":\"17:00\"}]"
static const char small_world[] =
    "{\"calcom\":{\"accounts\":[{\"api_key\":\"cal_a\",\"user_ids\":[1,2],\"oauth_client_id\":\"client\",\"refresh_token\":\"rt_first\"}],"
    "\"users\":[{\"id\":1,\"name\":\"Ada\",\"time_zone\":\"Europe/Berlin\"," HOURS "},"
    "{\"id\":2,\"name\":\"Ben\",\"time_zone\":\"Europe/Berlin\"," HOURS "},"
    "{\"id\":3,\"name\":\"Night\",\"time_zone\":\"Europe/Berlin\",\"schedule\":[{\"days\":[\"Sunday\"],\"start\":\"00:00\",\"end\":\"06:00\"}]}],"
    "\"event_types\":["
    "{\"id\":10,\"slug\":\"cut\",\"title\":\"Cut\",\"user_ids\":[1],\"length_minutes\":30,\"minimum_notice_minutes\":15},"
    "{\"id\":11,\"slug\":\"rr\",\"title\":\"Round\",\"kind\":\"round_robin\",\"user_ids\":[1,2],\"length_minutes\":30},"
    "{\"id\":12,\"slug\":\"both\",\"title\":\"Both\",\"kind\":\"collective\",\"user_ids\":[1,2],\"length_minutes\":30},"
    "{\"id\":13,\"slug\":\"ask\",\"title\":\"Ask\",\"user_ids\":[1],\"length_minutes\":30,\"requires_confirmation\":true},"
    "{\"id\":14,\"slug\":\"long\",\"title\":\"Long\",\"user_ids\":[1],\"length_minutes\":60,\"slot_interval_minutes\":30,\"before_buffer_minutes\":10,\"after_buffer_minutes\":20},"
    "{\"id\":15,\"slug\":\"night\",\"title\":\"Night\",\"user_ids\":[3],\"length_minutes\":60},"
    "{\"id\":16,\"slug\":\"parent\",\"title\":\"Parent\",\"kind\":\"managed\",\"user_ids\":[1],\"length_minutes\":30},"
    "{\"id\":17,\"slug\":\"mine\",\"title\":\"Mine\",\"user_ids\":[1],\"length_minutes\":30,\"requires_authentication\":true},"
    "{\"id\":18,\"slug\":\"duo\",\"title\":\"Duo\",\"kind\":\"round_robin\",\"user_ids\":[1,2,3],\"mandatory_hosts\":1,\"length_minutes\":30},"
    "{\"id\":19,\"slug\":\"weekly\",\"title\":\"Weekly\",\"user_ids\":[1],\"length_minutes\":30,\"recurrence_count\":4}]}}";

[[maybe_unused]] static int64_t at(const char *instant)
{
    int64_t at_us;
    ensure(instant_parse(slice_from_text(instant), &at_us));
    return at_us;
}

[[maybe_unused]] static int open_world(void **state)
{
    static struct sim_world w;
    struct sim_world_error error;
    ensure(world_load(&w, slice_from_text(small_world), 1, &error));
    *state = &w;
    return 0;
}

[[maybe_unused]] static int close_world(void **state)
{
    world_close(*state);
    return 0;
}

/* One create, from its body on. The JSON is kept as long as the process: bookings copy what they need, plans do not. */
struct asked { struct sim_create create; struct sim_plan plan; struct sim_refusal refusal; bool read; enum sim_decision decision; };

[[maybe_unused]] static struct asked decide_body(struct sim_world *w, const char *body, const char *now)
{
    static struct heap heap = { .budget_bytes = 1 << 24 };
    static struct json_document *documents[64];
    static uint32_t used;
    struct json_error error;
    struct asked a = { 0 };
    struct json_document **place = &documents[used++ % 64];
    json_release(*place, &heap);
    *place = json_parse(slice_from_text(body), &heap, &error);
    ensure(*place);
    a.read = create_request_read(w, json_root(*place), &a.create, &a.refusal);
    if (a.read) a.decision = booking_decide(w, &a.create, true, at(now), &a.plan, &a.refusal);
    return a;
}

[[maybe_unused]] static struct asked decide(struct sim_world *w, int type, const char *start, const char *email, const char *reference)
{
    char body[512];
    snprintf(body, sizeof body, "{\"start\":\"%s\",\"eventTypeId\":%d,\"attendee\":{\"name\":\"N\",\"email\":\"%s\",\"timeZone\":\"Europe/Berlin\"},\"metadata\":{\"engineRef\":\"%s\"}}",
             start, type, email, reference);
    return decide_body(w, body, "2025-10-20T06:00:00Z"); /* a Monday, 08:00 in Berlin */
}

[[maybe_unused]] static struct sim_booking *commit(struct sim_world *w, struct asked *a) { return booking_commit(w, &a->create, &a->plan, at("2025-10-20T06:00:00Z"), &a->refusal); }

[[maybe_unused]] static struct sim_booking *book(struct sim_world *w, int type, const char *start, const char *email, const char *reference)
{
    struct asked a = decide(w, type, start, email, reference);
    ensure(a.read && a.decision == SIM_MAY_COMMIT);
    struct sim_booking *b = commit(w, &a);
    ensure(b);
    return b;
}
