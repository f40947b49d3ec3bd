#pragma once
/* tests/simulation/checkers.h: what the files of checkers share. They are plain: each promise is computed anew from the plan, Retell's ledger, Cal.com's bookings and
 * the database's rows, by rules of their own, never by the engine's code.
 *
 *     checkers.c            who is called when; what must hold while it runs; figures and what is left behind
 *     checkers_calls.c      what was told, and what became of it: rows of webhooks, calls and customers
 *     checkers_bookings.c   what was agreed, and what became of it: intents, appointments, jobs, Cal.com
 *     checkers_budget.c     how often Cal.com is asked
 *     checkers_log.c        lines: whose they are, and what may stand in none */
#include "database/store.h"
#include "world.h"

/* Counts it, and ends the world if it is broken. */
#define PROMISE(kept, promise, ...)                              \
    do {                                                         \
        checkers_count();                                        \
        if (!(kept)) world_broken((promise), __VA_ARGS__);       \
    } while (0)
void checkers_count(void);

[[nodiscard]] const struct planned_call *planned_call_by_id(struct slice call_id); /* nullptr: nobody planned it */
[[nodiscard]] const struct planned_company *planned_company_by_id(int64_t id);
[[nodiscard]] static inline const struct planned_company *company_of_call(const struct planned_call *c) { return &world.plan.companies[c->company]; }
[[nodiscard]] static inline const struct planned_workspace *workspace_of_call(const struct planned_call *c) { return &world.plan.workspaces[company_of_call(c)->workspace]; }
[[nodiscard]] static inline bool texts_equal(struct slice a, const char *b) { return slice_equal(a, slice_from_text(b)); }

/* -- checkers_calls.c -- */
void check_calls(void); /* calm */
/* Which of its events have been filed: a bit per call_event. */
[[nodiscard]] uint8_t filed_events(const struct planned_call *c);
[[nodiscard]] const struct call_row *call_row_of(const struct planned_call *c); /* nullptr: none */

/* -- checkers_bookings.c -- */
void watch_bookings(void); /* while it runs */
[[nodiscard]] const struct planned_call *call_of_intent(const struct intent_row *i); /* nullptr: nobody planned it */
void watch_overdue(int64_t patience_us); /* while it runs */
void check_bookings(void); /* calm */

/* -- checkers_budget.c -- */
void watch_budgets(void); /* while it runs */

/* -- sights.c -- */
struct json_value;
void watch_sights(void); /* while it runs */
void sights_see_line(const struct json_value *line);
void sights_see_refusals(double for_full_journal, double for_no_room);

/* -- checkers_log.c -- */
void check_lines(void); /* those since the last look */
