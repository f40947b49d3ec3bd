#pragma once
/* sim/routes.h: which endpoint a request of Cal.com's API means, and in which version it has to be asked (calcom.md 1.2). Pure. */
#include "net/http.h"
#include "sim/faults.h"

struct sim_route {
    enum sim_endpoint endpoint;  /* SIM_NOWHERE: there is none */
    struct slice      segment;   /* the {uid} or {id} */
    bool              needs_account;
    enum sim_resource : uint8_t { SIM_UNVERSIONED, SIM_BOOKINGS, SIM_SLOTS_2024_09_04, SIM_EVENT_TYPES } resource;
};
[[nodiscard]] struct sim_route route_of(enum http_method method, struct slice path);

/* A header that is absent, or not in the server's list, silently means 2024-04-15. */
[[nodiscard]] struct slice version_of(struct slice header);
[[nodiscard]] bool version_fits(enum sim_resource resource, struct slice version);
