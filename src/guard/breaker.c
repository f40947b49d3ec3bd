#include "guard/breaker.h"
#include "base/ensure.h"

static void enter(struct breaker *b, enum breaker_state state)
{
    b->state = state;
    b->epoch += 1;
    b->failures = b->successes = b->probes = 0;
}

static void open_at(struct breaker *b, uint64_t now_us)
{
    enter(b, BREAKER_OPEN);
    b->opened_at_us = now_us;
}

static bool rested(const struct breaker *b, uint64_t now_us)
{
    ensure(now_us >= b->opened_at_us); /* the clock never goes back */
    return now_us - b->opened_at_us >= b->config.open_ms * UINT64_C(1000);
}

void breaker_init(struct breaker *b, struct breaker_config config)
{
    ensure(config.failures_to_open >= 1 && config.successes_to_close >= 1);
    *b = (struct breaker){ .config = config, .state = BREAKER_CLOSED };
}

struct breaker_ticket breaker_admit(struct breaker *b, uint64_t now_us)
{
    if (b->state == BREAKER_OPEN && rested(b, now_us)) enter(b, BREAKER_HALF_OPEN);

    bool admitted = false;
    switch (b->state) {
    case BREAKER_CLOSED:    admitted = true; break;
    case BREAKER_OPEN:      break;
    case BREAKER_HALF_OPEN: admitted = b->probes < b->config.successes_to_close; break;
    }
    if (admitted && b->state == BREAKER_HALF_OPEN) b->probes += 1;
    return (struct breaker_ticket){ .epoch = b->epoch, .admitted = admitted };
}

static void report_closed(struct breaker *b, enum breaker_answer answer, uint64_t now_us)
{
    switch (answer) {
    case BREAKER_SUCCEEDED: b->failures = 0; break;
    case BREAKER_ABANDONED: break;
    case BREAKER_FAILED:
        b->failures += 1;
        if (b->failures == b->config.failures_to_open) open_at(b, now_us);
        break;
    }
}

static void report_half_open(struct breaker *b, enum breaker_answer answer, uint64_t now_us)
{
    ensure(b->probes > 0);
    b->probes -= 1;
    switch (answer) {
    case BREAKER_FAILED:    open_at(b, now_us); break;
    case BREAKER_ABANDONED: break;
    case BREAKER_SUCCEEDED:
        b->successes += 1;
        if (b->successes == b->config.successes_to_close) enter(b, BREAKER_CLOSED);
        break;
    }
}

void breaker_report(struct breaker *b, struct breaker_ticket ticket, enum breaker_answer answer, uint64_t now_us)
{
    ensure(ticket.admitted);
    if (ticket.epoch != b->epoch) return; /* asked before the last change of state */

    switch (b->state) {
    case BREAKER_CLOSED:    report_closed(b, answer, now_us); break;
    case BREAKER_HALF_OPEN: report_half_open(b, answer, now_us); break;
    case BREAKER_OPEN:      ensure(false); break; /* OPEN admits nobody, so no ticket bears its epoch */
    }
}

void breaker_reset(struct breaker *b) { enter(b, BREAKER_CLOSED); }
