#pragma once
/* tests/simulation/network.h: TCP between the processes of a world, under io.h: the same struct io_op, the same outcomes, and all that a network may do.
 *
 * A connection is two directions. Bytes that were sent travel in segments of any size, each with a delay; order within a direction is kept, that is all. A receive
 * completes with as much as has arrived, or less. A send completes when the bytes are in the peer's window (bounded): a slow reader makes a slow writer. Either side
 * may be reset at any byte; a peer may be half open (its bytes go nowhere, and nobody says so), so only time-outs end it.
 * A killed process's connections end as a kernel ends them: with data unread a reset, else an end. Connecting to a port on which nobody listens is refused.
 * One address is one machine; what listens on a port may be several sockets (SO_REUSEPORT): the dice choose. Bytes are in the world's memory, never in a process's. */
#include "kernel.h"

/* What this world's network is like; all probabilities per connection or per segment. */
struct network_climate {
    uint64_t latency_us;          /* usual, one way */
    double   reset_per_connection, /* somewhere in its life, at a byte that the dice choose */
             half_open_per_connection, /* from some byte on one direction carries nothing any more, silently */
             slow_per_connection, /* a trickle: a few bytes per delay */
             refuse_per_connect, unreachable_per_connect, lost_per_connect; /* lost: neither answered nor refused; the connect ends when it is cancelled */
    uint32_t segment_bytes_max, window_bytes;
};
void network_open(const struct network_climate *c); /* defines the ring's kinds; once per world */
void network_set_climate(const struct network_climate *c); /* for connections from now on: calm again */
/* Nothing new gets through to or from this port until `until_us`; what is open goes silent (cut) or is reset. */
void network_partition(uint16_t port, uint64_t until_us, bool reset);

struct network_counters { uint64_t connections, segments, bytes, resets, half_opens, slow, refused, lost, partitions; };
[[nodiscard]] struct network_counters network_counters(void);
[[nodiscard]] uint32_t network_connections_open(void); /* with at least one end still open */
