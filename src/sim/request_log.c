#include "sim/request_log.h"
#include <stdlib.h>
#include "base/ensure.h"
#include "sim/answers.h"

void request_log_init(struct sim_request_log *l)
{
    *l = (struct sim_request_log){ .entries = calloc(sim_request_log_max, sizeof *l->entries) };
    ensure(l->entries);
}

void request_log_deinit(struct sim_request_log *l)
{
    free(l->entries);
    *l = (struct sim_request_log){ 0 };
}

void request_log_clear(struct sim_request_log *l)
{
    memset(l->entries, 0, sim_request_log_max * sizeof *l->entries);
    l->count = 0;
}

struct sim_log_entry *request_log_add(struct sim_request_log *l)
{
    struct sim_log_entry *e = &l->entries[l->count % sim_request_log_max];
    l->count += 1;
    *e = (struct sim_log_entry){ .number = l->count };
    return e;
}

struct sim_log_entry *request_log_find(struct sim_request_log *l, uint64_t number)
{
    struct sim_log_entry *e = &l->entries[(number - 1) % sim_request_log_max];
    return e->number == number ? e : nullptr;
}

static void print_entry(struct json_writer *w, const struct sim_log_entry *e)
{
    json_begin_object(w, nullptr);
    json_add_unsigned(w, "number", e->number);
    add_instant(w, "at", e->at_us);
    json_add_text(w, "method", slice_from_text(http_method_name(e->method)));
    json_add_text(w, "target", slice_from_text(e->target));
    json_add_text(w, "endpoint", slice_from_text(sim_endpoint_name(e->endpoint)));
    if (e->account >= 0) json_add_integer(w, "account", e->account);
    else json_add_null(w, "account");
    if (e->status) json_add_integer(w, "status", e->status);
    else json_add_null(w, "status");
    if (e->answered_at_us) json_add_real(w, "ms", (double)(e->answered_at_us - e->at_us) / 1000);
    else json_add_null(w, "ms");
    json_add_text(w, "engineRef", e->engine_reference[0] ? slice_from_text(e->engine_reference) : slice_absent);
    json_add_text(w, "bookingUid", e->booking_uid[0] ? slice_from_text(e->booking_uid) : slice_absent);
    json_add_text(w, "fault", e->fault == SIM_FAULT_NO_FAULT ? slice_absent : slice_from_text(sim_fault_name(e->fault)));
    json_end_object(w);
}

void request_log_print(struct json_writer *w, const struct sim_request_log *l, uint64_t after, uint32_t take)
{
    uint64_t oldest = l->count > sim_request_log_max ? l->count - sim_request_log_max : 0;
    if (after < oldest) after = oldest;
    json_begin_array(w, "requests");
    for (; after < l->count && take > 0; after++, take--) print_entry(w, &l->entries[after % sim_request_log_max]);
    json_end_array(w);
}
