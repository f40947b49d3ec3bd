#pragma once
/* tests/simulation/connection.h: inside the network: a connection, its two ends and its two ways.
 *
 *     end         what a process holds by a descriptor; gone when that is closed
 *     way         from one end to the other: a window of bytes, segments under way, what has arrived and was not read yet
 *     connection  both, from the first knock until neither end is held any more
 */
#include "network.h"

enum { SEGMENTS_UNDER_WAY_MAX = 16 };

enum end_state : uint8_t {
    END_FRESH,      /* a socket that was never connected */
    END_CONNECTING,
    END_OPEN,
    END_SHUT,       /* by its own owner: reading ends, writing fails */
    END_BROKEN,     /* reset, or never reached: what had arrived can still be read */
};

/* An operation that this end has to complete; op is nullptr when there is none. */
struct waiting { struct io *io; struct io_op *op; bool fails; /* the seam said so when it was begun */ };

struct connection;
struct end {
    struct connection *connection; /* nullptr while fresh */
    enum end_state     state;
    uint8_t            side;       /* 0 has connected, 1 was accepted */
    bool               is_reset_told;
    struct waiting     receive, send, connect;
    struct event       look;       /* see end_look_soon() */
    struct list_node   queued;     /* of its listener, until it is accepted */
};

enum segment_kind : uint8_t { SEGMENT_BYTES, SEGMENT_END, SEGMENT_RESET };
struct segment { enum segment_kind kind; uint64_t until, at_us; /* until: which byte of the way it reaches */ };

/* Bytes are numbered from the way's beginning: read ≤ arrived ≤ launched ≤ taken ≤ read + window. */
struct way {
    struct connection *connection;
    uint8_t            to;           /* the side it leads to */
    char              *window;       /* nullptr until the first byte */
    uint64_t           taken, launched, arrived, read;
    struct segment     under_way[SEGMENTS_UNDER_WAY_MAX];
    uint32_t           first, count;
    struct event       arrival;      /* of the first of them */
    uint64_t           last_at_us;   /* when the last one that was launched arrives: none overtakes it */
    bool               wants_end, has_end, is_broken; /* no byte follows: to be said, said, cut off */
    bool               end_has_arrived, is_silent, is_slow;
    uint64_t           silent_from, reset_at; /* UINT64_MAX: never */
};

/* What becomes of the knock. */
enum knock : uint8_t { KNOCK_ARRIVES, KNOCK_REFUSED, KNOCK_UNREACHABLE, KNOCK_LOST };

struct connection {
    struct list_node       node;   /* of all */
    uint32_t               number;
    uint16_t               port;   /* that was knocked at */
    struct network_climate climate;
    enum knock             knock;
    enum io_status         answer;
    struct event           handshake;
    uint64_t               held_until_us; /* a partition: what is launched before arrives after it */
    struct end            *ends[2];
    struct way             ways[2];       /* by the side it leads from */
};

extern struct network_counters network_counted;

/* -- connection.c -- */
[[nodiscard]] struct connection *connection_new(uint16_t port, const struct network_climate *climate);
[[nodiscard]] struct end *end_new(struct connection *c, uint8_t side, enum end_state state);
/* Without an end, whoever sends to it is reset. `hard`: so is the other end, whatever was read. */
void end_close(struct end *e, bool hard);
void end_shut(struct end *e);
void end_look(struct end *e);         /* completes what can be completed, takes what there is room for */
void end_look_soon(struct end *e);    /* as an event: when a process is in the middle of something */
void connection_break(struct connection *c);   /* both ends are reset, now */
void connection_hold(struct connection *c, uint64_t until_us);
[[nodiscard]] uint32_t connections_open(void);
void connections_each(void (*each)(struct connection *c, const void *context), const void *context);

/* -- socket.c -- */
void socket_define(void);
void waiting_complete(struct waiting *w, struct io_result result); /* and it waits no more, unless result.more */
void end_descriptor_closed(void *object, bool died);

/* -- network.c -- */
void network_knock(struct end *e, uint16_t port); /* connects it, or not: waiting_complete(&e->connect) */

/* -- listener.c -- */
void listener_define(void);
/* Puts the other end of `c` into the queue of a listener at its port. IO_REFUSED: nobody listens there; IO_NO_BUFFERS: the chosen one's queue is full. */
[[nodiscard]] enum io_status listener_offer(struct connection *c);
