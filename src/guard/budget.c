#include "guard/budget.h"
#include "base/ensure.h"

static uint64_t sent_at(const struct budget *b, uint32_t nth) { return b->sent_at_us[(b->first + nth) % BUDGET_REQUESTS_MAX]; }
static uint64_t free_again_at(const struct budget *b, uint32_t nth) { return sent_at(b, nth) + b->config.window_ms * UINT64_C(1000); }

/* How many of a window this priority may fill; at least one. */
static uint32_t allowed_to(const struct budget *b, enum budget_priority p)
{
    uint32_t limit = b->config.requests_per_window;
    return limit - limit * b->config.reserve_percent[p] / 100;
}

static void forget_what_left_the_window(struct budget *b, uint64_t now_us)
{
    while (b->count > 0 && free_again_at(b, 0) <= now_us) {
        b->first = (b->first + 1) % BUDGET_REQUESTS_MAX;
        b->count -= 1;
    }
}

void budget_init(struct budget *b, struct budget_config config)
{
    ensure(config.requests_per_window >= 1 && config.requests_per_window <= BUDGET_REQUESTS_MAX && config.window_ms >= 1);
    for (int p = 0; p < BUDGET_PRIORITIES; p++) ensure(config.reserve_percent[p] < 100);
    *b = (struct budget){ .config = config };
}

struct budget_config budget_config_default(void)
{
    return (struct budget_config){
        .requests_per_window = 110,
        .window_ms = 65'000,
        .reserve_percent = { [BUDGET_SETTLE] = 0, [BUDGET_BOOKING] = 15, [BUDGET_CHECK] = 40, [BUDGET_SYNC] = 65 },
    };
}

bool budget_take(struct budget *b, enum budget_priority p, uint64_t now_us, uint64_t *retry_at_us)
{
    ensure(b->count == 0 || now_us >= sent_at(b, b->count - 1)); /* the clock never goes back */
    forget_what_left_the_window(b, now_us);

    uint32_t allowed = allowed_to(b, p);
    bool     full = b->count >= allowed;
    if (full || now_us < b->blocked_until_us) {
        /* Room for this priority comes when all but `allowed - 1` have left the window. */
        uint64_t room_at_us = full ? free_again_at(b, b->count - allowed) : now_us;
        *retry_at_us = room_at_us > b->blocked_until_us ? room_at_us : b->blocked_until_us;
        return false;
    }
    b->sent_at_us[(b->first + b->count) % BUDGET_REQUESTS_MAX] = now_us;
    b->count += 1;
    return true;
}

void budget_block(struct budget *b, uint64_t until_us)
{
    if (until_us > b->blocked_until_us) b->blocked_until_us = until_us;
}

uint32_t budget_left(const struct budget *b, uint64_t now_us)
{
    if (now_us < b->blocked_until_us) return 0;
    uint32_t gone = 0;
    while (gone < b->count && free_again_at(b, gone) <= now_us) gone += 1;

    uint32_t most = 0, used = b->count - gone;
    for (enum budget_priority p = 0; p < BUDGET_PRIORITIES; p++)
        if (allowed_to(b, p) > most) most = allowed_to(b, p);
    return used < most ? most - used : 0;
}
