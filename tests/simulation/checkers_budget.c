/* The budget of a key: what Cal.com allows is never overshot, and what the engine lets itself have of that is never more in any minute, whoever of its shards and tenants asks
 * with the key, and for what. Counted where the requests arrive. */
#include "base/ensure.h"
#include "checkers.h"
#include "limits.h"

constexpr int64_t minute_us = 60'000'000;

/* The last requests with one key, by number. */
enum { KEYS_MAX = 2 * PLAN_COMPANIES_MAX, REQUESTS_KEPT = 256 };
struct key_seen { int64_t at_us[REQUESTS_KEPT]; uint64_t count; };
static struct key_seen keys[KEYS_MAX];

/* By its settings, or by what Cal.com says, of which it leaves some to those who do not know yet what others have sent. */
static uint32_t allowed(void)
{
    const struct plan *p = &world.plan;
    uint32_t told = p->calcom.limit_is_untold ? UINT32_MAX : p->calcom_requests_per_minute - calcom_requests_left_min;
    return p->budget_per_minute < told ? p->budget_per_minute : told;
}

/* A minute there is a minute here: nothing is held up on its way, and nothing is asked twice because a connection broke. */
static bool way_is_even(void)
{
    const struct network_climate *n = &world.plan.network;
    bool is_even = n->reset_per_connection == 0 && n->half_open_per_connection == 0 && n->slow_per_connection == 0 && n->lost_per_connect == 0;
    for (uint32_t i = 0; i < world.plan.incident_count; i++)
        is_even &= world.plan.incidents[i].kind != INCIDENT_CALCOM_UNREACHABLE && world.plan.incidents[i].kind != INCIDENT_FREEZE_ENGINE;
    return is_even;
}

static bool is_one_life(void) { return world.engine_starts == 1; }

static void see_request(void *, uint32_t account, int64_t at_us)
{
    ensure(account < KEYS_MAX);
    struct key_seen *k = &keys[account];
    uint32_t most = allowed();
    bool must_hold = is_one_life() && way_is_even() && k->count >= most;
    int64_t since_us = must_hold ? at_us - k->at_us[(k->count - most) % REQUESTS_KEPT] : minute_us;
    k->at_us[k->count++ % REQUESTS_KEPT] = at_us;
    PROMISE(since_us >= minute_us, "no minute has more requests than the budget of a key", "%u with key %u, allowed are %u: within %lld ms", most + 1, account, most,
            (long long)since_us / 1'000);
}

/* A life that begins does not know what the one before has sent: it asks, and is told. */
void watch_budgets(void)
{
    calcom_each_new_request(see_request, nullptr);
    if (world.plan.calcom.limit_is_untold && !is_one_life()) return;
    PROMISE(calcom_overshoots() == 0, "the budget of a key is never exceeded", "Cal.com has refused %u times", calcom_overshoots());
}
