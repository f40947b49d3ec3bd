#pragma once
/* sim/request_log.h: the requests that the simulated Cal.com has seen, the last ones (limits.h). A test asks here what the engine really did:
 * how often it wrote, with which reference, what it was told. No credential stands in it: an account is named by its place in the world file. */
#include <stdint.h>
#include "base/json.h"
#include "limits.h"
#include "net/http.h"
#include "sim/faults.h"

struct sim_log_entry {
    uint64_t          number;       /* counts from 1 */
    int64_t           at_us, answered_at_us;
    enum http_method  method;
    enum sim_endpoint endpoint;
    enum sim_fault    fault;
    uint16_t          status;       /* 0: not answered (yet) */
    int32_t           account;      /* index; -1: none */
    char              target[240];
    char              engine_reference[64], booking_uid[23];
};

struct sim_request_log { struct sim_log_entry *entries; uint64_t count; };

void request_log_init(struct sim_request_log *l);
void request_log_deinit(struct sim_request_log *l);
void request_log_clear(struct sim_request_log *l);
[[nodiscard]] struct sim_log_entry *request_log_add(struct sim_request_log *l);
[[nodiscard]] struct sim_log_entry *request_log_find(struct sim_request_log *l, uint64_t number); /* nullptr: pushed out since, or cleared */
/* Those after number `after`, at most `take`, oldest first. */
void request_log_print(struct json_writer *w, const struct sim_request_log *l, uint64_t after, uint32_t take);
