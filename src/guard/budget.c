#include "guard/budget.h"
#include "base/ensure.h"

/* As a rule a request that asks is answered within this; then the others may try again. */
static const uint64_t probe_answered_us = 1'000'000;

static uint32_t place_of(const struct budget *b, uint32_t nth) { return (b->first + nth) % BUDGET_REQUESTS_MAX; }
static uint64_t sent_at(const struct budget *b, uint32_t nth) { return b->sent_at_us[place_of(b, nth)]; }
static uint64_t later(uint64_t a_us, uint64_t b_us) { return a_us > b_us ? a_us : b_us; }
static uint64_t free_again_at(const struct budget *b, uint32_t nth) { return sent_at(b, nth) + b->config.window_ms * UINT64_C(1000); }

/* How many of a window this priority may fill; at least one. */
static uint32_t allowed_to(const struct budget *b, enum budget_priority p)
{
    return b->limit - b->limit * b->config.reserve_percent[p] / 100;
}

static void forget_what_left_the_window(struct budget *b, uint64_t now_us)
{
    while (b->count > 0 && free_again_at(b, 0) <= now_us) {
        b->first = place_of(b, 1);
        b->count -= 1;
    }
}

/* When one of this priority may go; now_us: now. */
static uint64_t room_at(const struct budget *b, enum budget_priority p, uint64_t now_us)
{
    uint32_t allowed = allowed_to(b, p);
    uint64_t at_us = later(now_us, b->blocked_until_us);
    /* Room for this priority comes when all but `allowed - 1` have left the window. */
    if (b->count >= allowed) at_us = later(at_us, free_again_at(b, b->count - allowed));
    bool asking = !b->heard && now_us < b->probe_until_us;
    if (asking) at_us = later(at_us, b->probe_until_us < now_us + probe_answered_us ? b->probe_until_us : now_us + probe_answered_us);
    return at_us;
}

void budget_init(struct budget *b, struct budget_config config)
{
    ensure(config.requests_per_window >= 1 && config.requests_per_window <= BUDGET_REQUESTS_MAX && config.window_ms >= 1);
    for (int p = 0; p < BUDGET_PRIORITIES; p++) ensure(config.reserve_percent[p] < 100);
    *b = (struct budget){ .config = config, .limit = config.requests_per_window };
}

struct budget_config budget_config_default(void)
{
    return (struct budget_config){
        .requests_per_window = 110,
        .window_ms = 65'000,
        .probe_ms = 15'000,
        .reserve_percent = { [BUDGET_SETTLE] = 0, [BUDGET_BOOKING] = 15, [BUDGET_CHECK] = 40, [BUDGET_SYNC] = 65 },
    };
}

bool budget_take(struct budget *b, enum budget_priority p, uint64_t now_us, uint64_t *retry_at_us)
{
    ensure(b->count == 0 || now_us >= sent_at(b, b->count - 1)); /* the clock never goes back */
    forget_what_left_the_window(b, now_us);

    uint64_t room_at_us = room_at(b, p, now_us);
    if (room_at_us > now_us) {
        *retry_at_us = room_at_us;
        return false;
    }
    b->sent_at_us[place_of(b, b->count)] = now_us;
    b->count += 1;
    b->probe_until_us = now_us + b->config.probe_ms * UINT64_C(1000);
    return true;
}

void budget_block(struct budget *b, uint64_t until_us)
{
    b->heard = true;
    b->blocked_until_us = later(b->blocked_until_us, until_us);
}

void budget_cap(struct budget *b, uint32_t requests)
{
    ensure(requests >= 1);
    b->limit = requests < b->config.requests_per_window ? requests : b->config.requests_per_window;
}

void budget_learn(struct budget *b, uint32_t left, uint64_t since_us)
{
    b->heard = true;
    if (left >= b->limit) return;

    uint32_t used = b->limit - left;
    for (; b->count < used; b->count++) { /* what others have sent */
        b->first = place_of(b, BUDGET_REQUESTS_MAX - 1);
        b->sent_at_us[b->first] = 0;
    }
    for (uint32_t n = b->count - used; n < b->count && sent_at(b, n) < since_us; n++) b->sent_at_us[place_of(b, n)] = since_us;
}

void budget_ask_again(struct budget *b) { b->probe_until_us = 0; }

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
