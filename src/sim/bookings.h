#pragma once
/* sim/bookings.h: how a booking comes to be and ends, in Cal.com's own order of work (calcom.md 3.4):
 *
 *     read → find the earlier one → availability ─┊─ commit ─┊─ webhooks → answer
 *
 * There is no lock between availability and commit, as there: whoever waits at the first ┊ (calcom_api.c: race_window_ms, faults) has been told "free"
 * and may meet a row that came meanwhile. Then only the derived unique key stands in its way: same organizer, same start, same end, ACCEPTED.
 */
#include "sim/create_request.h"
#include "sim/world.h"

enum sim_decision : uint8_t {
    SIM_MAY_COMMIT, /* plan.hosts are free */
    SIM_EARLIER,    /* plan.earlier is returned as if it were new (round robin, requires confirmation) */
    SIM_REFUSED,
};
struct sim_plan { struct sim_user *hosts[sim_hosts_max]; uint32_t host_count; const struct sim_booking *earlier; };

/* authenticated: a valid credential came with the request. */
[[nodiscard]] enum sim_decision booking_decide(struct sim_world *w, const struct sim_create *c, bool authenticated, int64_t now_us, struct sim_plan *plan,
                                               struct sim_refusal *refusal);
/* nullptr: *refusal (the loser of two identical ones, or no room). Of a recurring type: its first occurrence alone. */
[[nodiscard]] struct sim_booking *booking_commit(struct sim_world *w, const struct sim_create *c, const struct sim_plan *plan, int64_t now_us, struct sim_refusal *refusal);
/* `count` occurrences, rows side by side. Fewer: *refusal says what stopped it, and those that were made stay (S16). */
struct sim_series { struct sim_booking *first; uint32_t count; };
[[nodiscard]] struct sim_series booking_commit_series(struct sim_world *w, const struct sim_create *c, const struct sim_plan *plan, uint32_t count, int64_t now_us,
                                                      struct sim_refusal *refusal);
[[nodiscard]] int64_t occurrence_start(const struct sim_create *c, uint32_t index);

[[nodiscard]] bool booking_is_live(const struct sim_booking *b); /* neither cancelled nor rejected */
/* by_host: the credential is one of a host's. false: *refusal. */
[[nodiscard]] bool booking_cancel(struct sim_world *w, struct sim_booking *b, bool by_host, struct slice reason, int64_t now_us, struct sim_refusal *refusal);
/* Of those of a series that are live and do not start before from_us. nullptr: none is left. */
[[nodiscard]] struct sim_booking *booking_cancel_one_of_series(struct sim_world *w, struct slice recurring_uid, int64_t from_us, struct slice reason, int64_t now_us);

/* A new booking with a new uid; the old one is cancelled in the same step, and each names the other (S14). What needs confirmation needs it again, unless `by`
 * is the organizer's address. unchecked: as a host can, at any time, by the same hosts, with the same status. nullptr: *refusal, and nothing has changed. */
struct sim_move { int64_t starts_at_us; struct slice reason, by; /* absent: not told */ bool unchecked; };
[[nodiscard]] struct sim_booking *booking_reschedule(struct sim_world *w, struct sim_booking *old, const struct sim_move *move, int64_t now_us, struct sim_refusal *refusal);

/* What hosts do out of band, without any check (S13, S21). */
void booking_cancel_by_host(struct sim_world *w, struct sim_booking *b, struct slice reason, int64_t now_us);
[[nodiscard]] bool booking_confirm_by_host(struct sim_booking *b, bool accepted, int64_t now_us);               /* false: it is not pending */
[[nodiscard]] bool booking_reassign_by_host(struct sim_booking *b, struct sim_user *to, int64_t now_us);        /* false: it is not live */

/* uuidv5 of "<start ms>.<end ms>.<organizer>[.<who reassigned it>]": Cal.com's unique key of an accepted booking. reassigned_by 0: nobody. */
void booking_print_key(char key[37], int64_t starts_at_us, int64_t ends_at_us, int64_t organizer_id, int64_t reassigned_by);
