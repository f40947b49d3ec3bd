#include "sim/door.h"
#include "base/ensure.h"
#include "base/log.h"

void door_init(struct sim_door *d, struct shard *s, struct http_server *server)
{
    *d = (struct sim_door){ .shard = s, .server = server, .listener = -1 };
}

static void reopen_server(struct sim_door *d)
{
    struct io_refusal refusal;
    if (!http_server_reopen(d->server, &refusal)) log_event(LOG_ERROR, "sim_door_stays_shut", log_cstring("reason", refusal.text));
}

static void stop_listening(struct sim_door *d)
{
    for (uint32_t i = 0; i < d->guest_count; i++) io_close(d->guests[i]);
    d->guest_count = 0;
    io_close(d->listener);
    d->listener = -1;
    if (d->reopens) reopen_server(d);
    d->reopens = false;
    shard_release(d->shard);
}

static void guest_came(struct io_op *op, struct io_result result)
{
    struct sim_door *d = container_of(op, struct sim_door, accept);
    if (result.status == IO_OK) {
        if (d->way == DOOR_MUTE && d->guest_count < DOOR_GUESTS_MAX) d->guests[d->guest_count++] = result.fd;
        else io_close(result.fd);
    }
    if (!result.more) stop_listening(d);
}

static void begin_listening(struct sim_door *d)
{
    if (d->listener >= 0) return;
    struct io_refusal refusal;
    struct sockaddr_in here = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons(http_server_port(d->server)) };
    d->listener = io_listen(&here, 64, &refusal);
    if (d->listener < 0) {
        log_event(LOG_ERROR, "sim_door_not_mute", log_cstring("reason", refusal.text));
        return;
    }
    shard_hold(d->shard);
    io_accept(d->shard->io, &d->accept, d->listener, guest_came);
}

static void time_is_over(struct timer *t) { door_open(container_of(t, struct sim_door, timer)); }

void door_shut(struct sim_door *d, enum door_way way, uint32_t for_ms)
{
    timer_stop(&d->shard->timers, &d->timer);
    if (for_ms) timer_start(&d->shard->timers, &d->timer, d->shard->now_us + for_ms * UINT64_C(1000), time_is_over);
    d->reopens = false;
    d->way = way;
    http_server_shut(d->server);
    if (way != DOOR_NOBODY) begin_listening(d);
    else io_cancel(d->shard->io, &d->accept);
}

void door_open(struct sim_door *d)
{
    timer_stop(&d->shard->timers, &d->timer);
    if (d->listener < 0) return reopen_server(d);
    d->reopens = true;
    io_cancel(d->shard->io, &d->accept);
}

void door_stop(struct sim_door *d)
{
    timer_stop(&d->shard->timers, &d->timer);
    d->reopens = false;
    io_cancel(d->shard->io, &d->accept);
}
