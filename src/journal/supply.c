/* journal/supply.c: a spare segment is ready before the current one is full.
 *
 * In this order, one job on the worker at a time:
 *   a segment of ours is retired     → renewed for its next use, or removed when there are spares enough
 *   there is no spare                → a file of an earlier life is renewed, or a new one is made
 *   earlier lives left too much      → removed (by the keeper)
 *
 * Nothing is renewed or removed before the first batch of the current segment is durable: it repeats what the old file said (retirement.h).
 * A failed job, for lack of space as a rule, is tried again after a second; meanwhile journal_admit() counts with what is there.
 */
#include "base/ensure.h"
#include "base/log.h"
#include "journal/append.h"

/* -- on the worker, or at start -- */

static enum io_status make_spare(struct supply_job *s)
{
    s->reused = recovery_take_file(s->recovery, &s->file);
    if (!s->reused) return segment_file_create(s->directory, recovery_draw_number(s->recovery), s->segment_bytes, &s->file);
    enum io_status status = segment_file_renew(&s->file);
    recovery_settle(s->recovery, s->file.number, status == IO_OK);
    return status;
}

static enum io_status remove_surplus(struct supply_job *s)
{
    if (!recovery_take_surplus(s->recovery, &s->file)) return IO_OK;
    uint32_t       number = s->file.number;
    enum io_status status = segment_file_remove(s->directory, &s->file);
    recovery_settle(s->recovery, number, true); /* a name that could not be removed is found again at the next start */
    return status;
}

static void supply_work(struct job *job)
{
    struct supply_job *s = container_of(job, struct supply_job, job);
    switch (s->what) {
    case SUPPLY_MAKE:           s->status = make_spare(s); break;
    case SUPPLY_RENEW:          s->status = segment_file_renew(&s->file); break;
    case SUPPLY_REMOVE:         s->status = segment_file_remove(s->directory, &s->file); break;
    case SUPPLY_REMOVE_SURPLUS: s->status = remove_surplus(s); break;
    }
}

/* -- on the shard -- */

static void log_failure(const struct journal *j)
{
    const struct supply_job *s = &j->supply;
    log_event(s->status == IO_NO_SPACE ? LOG_WARNING : LOG_ERROR, "journal_segment_failed", log_integer("shard", j->shard->index),
              log_integer("segment", s->file.number), log_cstring("reason", io_status_name(s->status)));
}

static void take_result(struct journal *j)
{
    struct supply_job *s = &j->supply;
    struct segment    *slot = j->supplied;
    j->supplied = nullptr;
    switch (s->what) {
    case SUPPLY_MAKE:
    case SUPPLY_RENEW:
        if (s->status == IO_OK) {
            counter_add(s->what == SUPPLY_RENEW || s->reused ? &j->counters.segments_reused : &j->counters.segments_made, 1);
            segment_start(slot, SEGMENT_PREPARING, s->file);
            segment_enter(j, slot, SEGMENT_SPARE);
            if (j->writer != WRITER_OUT_OF_SPACE) journal_note_fullness(j, false);
        } else {
            segment_enter(j, slot, s->what == SUPPLY_MAKE ? SEGMENT_ABSENT : SEGMENT_RETIRED);
        }
        return;
    case SUPPLY_REMOVE: /* closed in any case; see remove_surplus() */
        segment_start(slot, SEGMENT_PREPARING, (struct segment_file){ .fd = -1 });
        segment_enter(j, slot, SEGMENT_ABSENT);
        return;
    case SUPPLY_REMOVE_SURPLUS: return;
    }
}

static void supply_done(struct job *job)
{
    struct journal *j = container_of(container_of(job, struct supply_job, job), struct journal, supply);
    ensure_on(j->shard);
    take_result(j);
    if (j->supply.status == IO_OK) {
        supply_look(j);
    } else {
        log_failure(j);
        journal_retry_later(j);
    }
}

static uint32_t spares(const struct journal *j)
{
    uint32_t count = 0;
    for (uint32_t n = 0; n < j->config.segments_max; n++) count += j->segments[n].state == SEGMENT_SPARE;
    return count;
}

/* `slot` is the job's from here on. */
static void prepare_job(struct journal *j, struct segment *slot, uint8_t what)
{
    j->supply.recovery = j->recovery;
    j->supply.directory = j->config.directory;
    j->supply.segment_bytes = j->config.segment_bytes;
    j->supply.what = what;
    j->supplied = slot;
    if (!slot) return;
    j->supply.file = slot->file;
    segment_enter(j, slot, SEGMENT_PREPARING);
}

/* What to do next, and about which slot. false: nothing. */
static bool choose_job(struct journal *j)
{
    struct segment *retired = j->census_is_durable ? journal_segment_in(j, SEGMENT_RETIRED) : nullptr;
    struct segment *absent = journal_segment_in(j, SEGMENT_ABSENT);
    if (retired) prepare_job(j, retired, spares(j) < journal_spares_kept_max ? SUPPLY_RENEW : SUPPLY_REMOVE);
    else if (absent && spares(j) == 0) prepare_job(j, absent, SUPPLY_MAKE);
    else if (j->keeper && recovery_has_surplus(j->recovery)) prepare_job(j, nullptr, SUPPLY_REMOVE_SURPLUS);
    else return false;
    return true;
}

void supply_look(struct journal *j)
{
    if (j->supply.job.running || timer_is_running(&j->space_timer) || j->shard->stopping) return;
    if (choose_job(j)) worker_give(j->config.worker, j->shard, &j->supply.job, supply_work, supply_done);
}

enum io_status supply_now(struct journal *j)
{
    ensure(!j->supply.job.running);
    if (journal_segment_in(j, SEGMENT_SPARE) || !choose_job(j)) return IO_OK;
    supply_work(&j->supply.job);
    take_result(j);
    return j->supply.status;
}
