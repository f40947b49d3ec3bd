#include "sim/simulator.h"
#include <stdio.h>
#include <stdlib.h>
#include "base/ensure.h"
#include "limits.h"
#include "sim/host.h"

static bool open_doors(struct simulator *s, const struct simulator_config *config, struct io_refusal *refusal)
{
    struct http_server_config calcom = http_server_config_default(), control = calcom;
    calcom.address.sin_port = htons(config->calcom_port);
    calcom.tls = config->tls;
    calcom.worker = config->worker;
    calcom.heap_bytes = control.heap_bytes = sim_heap_bytes;
    control.address.sin_port = htons(config->control_port);
    control.connections_max = sim_control_connections_max;
    if (!calcom_api_open(s, &calcom, refusal)) return false;
    if (control_open(s, &control, refusal)) return true;
    http_server_drain(s->calcom);
    return false;
}

bool simulator_open(struct simulator *s, struct shard *shard, const struct simulator_config *config, struct simulator_error *error)
{
    struct sim_world_error world_error;
    struct io_refusal refusal;
    *s = (struct simulator){ .magic = SIMULATOR_MAGIC, .shard = shard, .worker = config->worker, .subscriber_trust = config->subscriber_trust };
    s->scratch = malloc(sim_answer_bytes_max);
    ensure(s->scratch);
    request_log_init(&s->log);
    webhooks_open(s);
    hosts_open(s);
    if (!world_load(&s->world, config->world, config->seed, &world_error)) {
        snprintf(error->text, sizeof error->text, "%s", world_error.text);
        return false;
    }
    if (!open_doors(s, config, &refusal)) {
        snprintf(error->text, sizeof error->text, "%s", refusal.text);
        return false;
    }
    return true;
}

int64_t simulator_time_us(const struct simulator *s) { return s->shard->wall_us + s->world.settings.clock_skew_ms * INT64_C(1000); }

bool simulator_apply_fault(struct simulator *s, const struct json_value *rule, struct sim_refusal *refusal)
{
    struct sim_fault_rule added;
    if (!faults_add(&s->faults, rule, &added, refusal)) return false;
    if (!added.seeded && sim_fault_is_of_the_port(added.fault)) door_shut(&s->door, sim_fault_door(added.fault), added.delay_ms);
    return true;
}

bool simulator_add_fault(struct simulator *s, struct slice rule, struct sim_refusal *refusal)
{
    struct json_error error;
    struct json_document *document = json_parse(rule, &s->world.heap, &error);
    bool taken = document && simulator_apply_fault(s, json_root(document), refusal);
    if (!document) refuse(refusal, 400, SIM_SHAPE_PLAIN, "not JSON at byte %zu: %s", error.offset, error.message);
    json_release(document, &s->world.heap);
    return taken;
}

void simulator_reset(struct simulator *s)
{
    calcom_api_drop_all(s);
    hosts_forget(s);
    webhooks_forget_waiting(s);
    s->faults = (struct sim_faults){ 0 };
    request_log_clear(&s->log);
    world_reset(&s->world);
    limiter_init(&s->strangers, s->strangers.limit, 0);
    s->webhooks_delivered = s->webhooks_lost = 0;
    door_open(&s->door);
}

void simulator_stop(struct simulator *s)
{
    ensure_magic(s, SIMULATOR_MAGIC);
    s->stopping = true;
    door_stop(&s->door);
    calcom_api_drop_all(s);
    hosts_forget(s);
    webhooks_close(s);
    http_server_abort(s->calcom);
    http_server_abort(s->control);
}

void simulator_close(struct simulator *s)
{
    ensure_magic(s, SIMULATOR_MAGIC);
    if (s->calcom) {
        http_server_close(s->calcom);
        pool_deinit(&s->exchanges);
    }
    if (s->control) http_server_close(s->control);
    pool_deinit(&s->deliveries);
    pool_deinit(&s->errands);
    world_close(&s->world);
    request_log_deinit(&s->log);
    free(s->scratch);
    s->magic = 0;
}
