#pragma once
/* sim/simulator.h: the simulated Cal.com as one process: its world, its two doors, and what is under way. Lives on one shard, as its resident.
 *
 *     calcom_api.c    the door of api.cal.com: who may, how often, what goes wrong, when the answer leaves
 *     endpoints.c     what each endpoint does to the world and says
 *     webhook_sender.c tells subscribers
 *     host.c          what the people at the business do meanwhile
 *     control.c       the other door: for tests and people
 */
#include "base/list.h"
#include "base/pool.h"
#include "net/http_client.h"
#include "net/http_server.h"
#include "sim/bookings.h"
#include "sim/door.h"
#include "sim/faults.h"
#include "sim/request_log.h"
#include "sim/world.h"

enum : uint32_t { SIMULATOR_MAGIC = 0x51a11a70 };

struct simulator {
    uint32_t               magic;
    struct shard          *shard;
    struct sim_world       world;
    struct sim_faults      faults;
    struct sim_request_log log;
    struct limiter         strangers;      /* requests without a credential: Cal.com counts them by address, and here there is one */
    struct http_server    *calcom, *control;
    struct pool            exchanges;      /* of struct sim_exchange, calcom_api.c */
    struct list            exchanges_open;
    struct pool            deliveries;     /* of struct sim_delivery, webhook_sender.c */
    struct list            subscribers, deliveries_waiting, deliveries_running; /* of struct sim_subscriber and struct sim_delivery */
    struct pool            errands;        /* of struct sim_errand, host.c */
    struct list            errands_waiting;
    bool                   stopping;
    const struct tls_client_config *subscriber_trust; /* nullptr: https subscribers cannot be reached */
    struct worker         *worker;
    struct sim_door        door;           /* of calcom */
    uint64_t               webhooks_delivered, webhooks_lost;
    char                  *scratch;        /* sim_answer_bytes_max: the answer being written; one at a time */
};

/* What the webhooks of a request are subject to. Zero: nobody's request. */
struct sim_cause { struct handle exchange; enum sim_telling telling; uint32_t telling_ms; };

/* One question to the simulated Cal.com, taken apart. Slices are those of the HTTP request and live until its answer. */
struct sim_request {
    enum sim_endpoint    endpoint;
    enum http_method     method;
    struct slice         path, query, body;
    struct slice         segment;         /* the {uid} or {id} in the path */
    const struct json_value *json;        /* of the body; nullptr: none, or not JSON */
    struct sim_account  *account;         /* nullptr: no credential */
    int64_t              now_us;          /* by the server's clock */
    int64_t              visible_until_us; /* by the true one: the replica has no younger rows */
    struct sim_cause     cause;
    enum sim_host_act    host_act;        /* what a host does right after the answer */
    bool                 is_told;         /* its webhooks have gone already */
};

struct sim_answer { uint16_t status; const char *content_type; struct buffer body; };

struct simulator_config {
    struct slice   world;                  /* the world file's text */
    uint64_t       seed;
    uint16_t       calcom_port, control_port; /* 0: any free one */
    const struct tls_server_config *tls;   /* nullptr: plain */
    const struct tls_client_config *subscriber_trust;
    struct worker *worker;
};
struct simulator_error { char text[512]; };

/* In the shard's start. false: *error; close it all the same. */
[[nodiscard]] bool simulator_open(struct simulator *s, struct shard *shard, const struct simulator_config *config, struct simulator_error *error);
void simulator_stop(struct simulator *s);  /* in stop: what is held back is broken, then everything closes */
void simulator_close(struct simulator *s); /* in finish */

/* For whoever links the simulator into his process; the control port does the same by HTTP. On its shard.
 * rule: one rule as JSON (faults.h). false: *refusal. */
[[nodiscard]] bool simulator_add_fault(struct simulator *s, struct slice rule, struct sim_refusal *refusal);
[[nodiscard]] bool simulator_apply_fault(struct simulator *s, const struct json_value *rule, struct sim_refusal *refusal);
/* Everything as the world file says, no faults, empty log. Answers under way are broken: what they stand for is gone. */
void simulator_reset(struct simulator *s);

/* The server's clock: the shard's, and how far it is wrong. */
[[nodiscard]] int64_t simulator_time_us(const struct simulator *s);

/* calcom_api.c */
[[nodiscard]] bool calcom_api_open(struct simulator *s, const struct http_server_config *config, struct io_refusal *refusal);
void calcom_api_drop_all(struct simulator *s); /* at the end: what is held back will not be answered */
/* A webhook that this request caused is on its way, and is no longer. The request may be over. */
void calcom_api_webhook_began(struct simulator *s, struct handle exchange);
void calcom_api_webhook_ended(struct simulator *s, struct handle exchange);

/* endpoints.c */
void endpoint_answer(struct simulator *s, const struct sim_request *r, struct sim_answer *a); /* all but create_booking, which takes its time */
void endpoint_announce(struct simulator *s, struct sim_request *r); /* the webhook of a cancellation that cannot be seen yet */
void endpoint_refuse(const struct sim_request *r, struct sim_answer *a, const struct sim_refusal *refusal);
void endpoint_say_booking(struct sim_answer *a, uint16_t status, const struct sim_booking *b);
void endpoint_say_series(struct sim_answer *a, uint16_t status, const struct sim_booking *first, uint32_t count); /* as an array */

/* webhook_sender.c */
void webhooks_open(struct simulator *s);
void webhooks_send(struct simulator *s, enum sim_trigger trigger, const struct sim_booking *b, const struct sim_cause *cause); /* to every subscriber of the hosts' accounts */
void webhooks_forget_waiting(struct simulator *s); /* at a reset */
void webhooks_close(struct simulator *s); /* once it is stopping: gives up what is under way */

/* control.c */
[[nodiscard]] bool control_open(struct simulator *s, const struct http_server_config *config, struct io_refusal *refusal);
