#pragma once
/* io/io_refusal.h: what to tell an operator whose machine will not give us a ring or a port: the cause, and the command that mends it.
 * Inside io/ only. Each fills *refusal with full sentences. */
#include "io/io.h"

void io_refuse_ring(struct io_refusal *refusal, int error);
void io_refuse_kernel(struct io_refusal *refusal, const char *missing); /* the ring is there, but lacks what we need */
void io_refuse_listener(struct io_refusal *refusal, const struct sockaddr_in *at, int error);
