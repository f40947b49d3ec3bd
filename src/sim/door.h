#pragma once
/* sim/door.h: the ways in which the simulated Cal.com is not to be spoken with (F1): nobody listens, or whoever does never says a word, or hangs up.
 *
 * The HTTP server shuts; for the other ways a listener of our own takes its port, accepts, and reads nothing, so a TLS handshake stalls, or fails.
 * On the simulator's shard; while that listener is there it holds the shard. */
#include "io/io.h"
#include "net/http_server.h"

enum { DOOR_GUESTS_MAX = 256 }; /* connections that are kept waiting; later ones are closed */

enum door_way : uint8_t { DOOR_NOBODY, DOOR_MUTE, DOOR_SLAMS };

struct sim_door {
    struct shard       *shard;
    struct http_server *server;
    struct timer        timer;
    struct io_op        accept;
    enum door_way       way;          /* while it is shut */
    int                 listener;     /* -1: none of our own */
    bool                reopens;      /* once the last accept has been joined */
    int                 guests[DOOR_GUESTS_MAX];
    uint32_t            guest_count;
};

void door_init(struct sim_door *d, struct shard *s, struct http_server *server);
/* for_ms 0: until door_open(). Shut already: the new way and time count. */
void door_shut(struct sim_door *d, enum door_way way, uint32_t for_ms);
void door_open(struct sim_door *d);
void door_stop(struct sim_door *d); /* in stop */
