#pragma once
/* sim/host.h: what the people at the business do in Cal.com while nobody asks them: they cancel, move, confirm, decline, reassign, and have other things to
 * do (S13, S21). Their webhooks go out as for everybody. By the control port, by whoever links the simulator, or by a fault, in a moment: an errand is what
 * waits for its moment; it dies with it, at a reset, or at the end. On the simulator's shard.
 */
#include "sim/simulator.h"

void hosts_open(struct simulator *s);
void hosts_forget(struct simulator *s); /* their errands: at a reset, and at the end */

void host_cancel(struct simulator *s, struct sim_booking *b, struct slice reason);
[[nodiscard]] bool host_settle(struct simulator *s, struct sim_booking *b, bool accepted);             /* false: it is not pending */
[[nodiscard]] bool host_move(struct simulator *s, struct sim_booking *b, int64_t starts_at_us, struct sim_booking **moved); /* false: it is not live, or no room */
[[nodiscard]] bool host_reassign(struct simulator *s, struct sim_booking *b, struct sim_user *to);     /* false: it is not live */
[[nodiscard]] bool host_add_busy(struct sim_user *u, struct sim_stretch busy);                          /* false: no room */

/* act: one of those on bookings; after_ms 0: now. */
void host_act_later(struct simulator *s, struct sim_booking *b, enum sim_host_act act, uint32_t after_ms);
