/* journal/append.c: from journal_append() to `done`.
 *
 *   journal_append          → the entry waits
 *   flush (end of the turn) → nothing under way: gather() copies what waits into one batch, write_batch() hands it to the ring
 *   write_done              → durable: `done` of each entry; what has come meanwhile goes with the flush of this same turn
 *
 * A journal lives on one shard, from its start to its finish. It copies a record once, at the last moment, so what waits costs nothing but
 * its owner's memory, and no segment is chosen before it is written to. That is why journal_admit() reckons with the worst that the gathering
 * may do: see space_needed().
 */
#include "journal/append.h"
#include <stdio.h>
#include <stdlib.h>
#include "base/clock.h"
#include "base/ensure.h"
#include "base/log.h"
#include "io/thread.h"

/* -- segments -- */

void segment_enter(struct journal *j, struct segment *s, enum segment_state state)
{
    s->state = state;
    if (state == SEGMENT_CURRENT) j->current = s;
    uint32_t used = 0;
    for (uint32_t n = 0; n < j->config.segments_max; n++) used += j->segments[n].state != SEGMENT_ABSENT;
    gauge_set(&j->counters.segments_used, used);
}

struct segment *journal_segment_in(const struct journal *j, enum segment_state state)
{
    for (uint32_t n = 0; n < j->config.segments_max; n++)
        if (j->segments[n].state == state) return &j->segments[n];
    return nullptr;
}

/* The current segment takes no more; a spare takes its place. false: there is none. */
static bool switch_segment(struct journal *j)
{
    struct segment *spare = journal_segment_in(j, SEGMENT_SPARE);
    if (!spare) return false;
    if (j->current) segment_enter(j, j->current, j->current->live > 0 ? SEGMENT_SEALED : SEGMENT_RETIRED);
    spare->first_sequence = j->next_sequence;
    segment_enter(j, spare, SEGMENT_CURRENT);
    j->census_due = true;
    j->census_is_durable = false;
    supply_look(j);
    return true;
}

/* -- room -- */

static uint64_t room_in(const struct segment *s) { return s->file.bytes - s->end; }

static uint64_t census_length(const struct journal *j)
{
    uint64_t length = 0;
    for (uint32_t n = 0; n < j->config.segments_max; n++)
        if (segment_is_behind(&j->segments[n])) length += retirement_length(&j->segments[n], true);
    return length + (j->keeper ? recovery_retirement_length(j->recovery, true) : 0);
}

/* What a census can say about one segment of ours at most. */
static uint64_t statement_length_max(const struct journal *j)
{
    uint64_t records = j->config.segment_bytes / journal_frame_bytes;
    if (records > journal_segment_records_max) records = journal_segment_records_max;
    return record_length_of(sizeof(struct retirement_head) + round_up(records, 64) / 8);
}

/* The census of the next segment states the current one, too, with records that are not in it yet. */
static uint64_t next_census_length_max(const struct journal *j) { return census_length(j) + statement_length_max(j); }

/* What records of `bytes` can take at most, in however many batches they go. Everything that waits is gathered at once, so a batch ends early
 * only when its memory is full, with more in it than one largest record leaves free, or when the segment is, which happens once. */
static uint64_t space_needed(uint64_t bytes)
{
    uint64_t batches_max = 2 + bytes / (journal_batch_bytes_max - journal_record_bytes_max);
    return bytes + batches_max * (sizeof(struct batch_header) + block_bytes);
}

static bool current_has_room(const struct journal *j, uint64_t bytes, uint32_t count)
{
    const struct segment *s = j->current;
    uint64_t census = j->census_due ? census_length(j) : 0;
    return s && census + space_needed(bytes) <= room_in(s) && count <= journal_segment_records_max - s->records;
}

/* As if nothing fitted into the current one any more. */
static bool spare_has_room(const struct journal *j, uint64_t bytes, uint32_t count)
{
    const struct segment *s = journal_segment_in(j, SEGMENT_SPARE);
    return s && next_census_length_max(j) + space_needed(bytes) <= room_in(s) && count <= journal_segment_records_max;
}

/* Told when it is found out, not only at the next admission: without room there may be none, because nobody sends to an engine that is not ready. */
void journal_note_fullness(struct journal *j, bool full)
{
    if (full == (gauge_read(&j->counters.full) != 0)) return;
    gauge_set(&j->counters.full, full);
    if (full) log_event(LOG_ERROR, "journal_full", log_integer("shard", j->shard->index), log_cstring("directory", j->config.directory));
    else log_event(LOG_INFO, "journal_has_room", log_integer("shard", j->shard->index));
}

enum journal_admission journal_admit(struct journal *j, size_t record_bytes)
{
    ensure_magic(j, JOURNAL_MAGIC);
    ensure_on(j->shard);
    uint64_t length = record_length_of(record_bytes);
    ensure(length <= journal_record_bytes_max);
    uint64_t bytes = j->waiting_bytes + j->promised_bytes + length;
    uint32_t count = j->waiting_count + j->promised_count + 1;
    bool     admitted = j->writer != WRITER_OUT_OF_SPACE && (current_has_room(j, bytes, count) || spare_has_room(j, bytes, count));
    journal_note_fullness(j, !admitted);
    if (!admitted) {
        counter_add(&j->counters.refused_full, 1);
        return JOURNAL_FULL;
    }
    j->promised_bytes += length;
    j->promised_count += 1;
    return JOURNAL_ADMITTED;
}

/* -- appending -- */

static uint64_t length_of(const struct journal_entry *e) { return record_length_of(e->meta.length + e->body.length); }

void journal_append(struct journal *j, struct journal_entry *e)
{
    ensure_magic(j, JOURNAL_MAGIC);
    ensure_on(j->shard);
    uint64_t length = length_of(e);
    ensure(e->type == JOURNAL_WEBHOOK && e->done != nullptr);
    ensure(j->promised_count > 0 && j->promised_bytes >= length); /* admitted in this turn */
    j->promised_count -= 1;
    j->promised_bytes -= length;

    e->next = nullptr;
    e->position = (struct journal_position){ .sequence = 0 };
    if (j->waiting_last) j->waiting_last->next = e;
    else j->waiting_first = e;
    j->waiting_last = e;
    j->waiting_bytes += length;
    j->waiting_count += 1;
}

/* -- gathering -- */

static void state_census(struct journal *j)
{
    for (uint32_t n = 0; n < j->config.segments_max; n++)
        if (segment_is_behind(&j->segments[n])) retirement_state(&j->segments[n], &j->batch, true);
    if (j->keeper) recovery_state_retirements(j->recovery, &j->batch, true);
}

static void state_news(struct journal *j)
{
    for (uint32_t n = 0; n < j->config.segments_max; n++)
        retirement_state(&j->segments[n], &j->batch, false); /* a segment without any adds nothing */
    if (j->keeper) recovery_state_retirements(j->recovery, &j->batch, false);
}

static bool has_news(const struct journal *j)
{
    for (uint32_t n = 0; n < j->config.segments_max; n++)
        if (segment_has_unstated(&j->segments[n])) return true;
    return j->keeper && recovery_retirement_length(j->recovery, false) > 0;
}

/* At most: in segments of earlier lives any thread may retire more before it is stated. */
static uint64_t news_length_max(const struct journal *j)
{
    uint64_t length = 0;
    for (uint32_t n = 0; n < j->config.segments_max; n++) length += retirement_length(&j->segments[n], false);
    return length + (j->keeper ? recovery_retirement_length(j->recovery, true) : 0);
}

/* The census is part of what journal_admit() reckons with. News are not: where they would take room that was promised, they stay due. */
static void state_retirements(struct journal *j)
{
    if (j->census_due) {
        state_census(j);
        j->census_due = j->statement_due = false;
    } else if (j->statement_due && news_length_max(j) + space_needed(j->waiting_bytes) <= room_in(j->current)) {
        state_news(j);
        j->statement_due = false;
    }
}

static struct journal_entry *take_waiting(struct journal *j)
{
    struct journal_entry *e = j->waiting_first;
    j->waiting_first = e->next;
    if (!e->next) j->waiting_last = nullptr;
    j->waiting_bytes -= length_of(e);
    j->waiting_count -= 1;
    e->next = nullptr;
    return e;
}

static void place(struct journal *j, struct journal_entry *e)
{
    struct segment *s = j->current;
    e->position = (struct journal_position){ .sequence = j->next_sequence++, .segment = s->file.number, .bytes = (uint32_t)length_of(e) };
    s->records += 1;
    s->live += 1;
    batch_add_webhook(&j->batch, e);
    if (j->batch_last) j->batch_last->next = e;
    else j->batch_first = e;
    j->batch_last = e;
}

static bool next_fits(const struct journal *j)
{
    const struct journal_entry *e = j->waiting_first;
    return e && j->current->records < journal_segment_records_max && batch_has_room(&j->batch, length_of(e), room_in(j->current));
}

static void begin_batch(struct journal *j)
{
    batch_begin(&j->batch, j->current->file.stamp, j->next_batch, j->next_sequence);
    state_retirements(j);
    while (next_fits(j)) place(j, take_waiting(j));
}

/* Makes a batch of what waits and what is to be stated. false: there is nothing, or nowhere to put it. */
static bool gather(struct journal *j)
{
    if (!j->waiting_first && !j->statement_due) return false;
    if (!j->current && !switch_segment(j)) return false;
    begin_batch(j);
    bool is_full = batch_is_empty(&j->batch) && (j->waiting_first || has_news(j));
    if (is_full && switch_segment(j)) begin_batch(j);
    ensure(!j->waiting_first || !batch_is_empty(&j->batch)); /* journal_admit() has seen that there is room */
    if (batch_is_empty(&j->batch)) return false;

    j->batch_bytes = batch_finish(&j->batch);
    j->batch_offset = j->current->end;
    j->current->end += j->batch_bytes.length;
    j->next_batch += 1;
    return true;
}

/* -- writing -- */

[[noreturn, gnu::cold]] static void write_failed(const struct journal *j, enum io_status status)
{
    log_event(LOG_ERROR, "journal_write_failed", log_integer("shard", j->shard->index), log_integer("segment", j->current->file.number),
              log_integer("offset", j->batch_offset), log_cstring("reason", io_status_name(status)));
    fprintf(stderr, "journal: %s/journal-%06u.segment, offset %llu: a write failed (%s). What the disk holds now only a restart can tell.\n",
            j->config.directory, j->current->file.number, (unsigned long long)j->batch_offset, io_status_name(status));
    process_give_up();
}

static void count_batch(struct journal *j)
{
    uint32_t records = j->batch.header.webhooks;
    counter_add(&j->counters.batches, 1);
    counter_add(&j->counters.bytes, j->batch_bytes.length);
    counter_add(&j->counters.appended, records);
    histogram_record(&j->counters.sync_us, clock_monotonic_us() - j->write_started_us);
    histogram_record(&j->counters.batch_records, records);
    j->records_live += records;
    gauge_set(&j->counters.records_live, (int64_t)j->records_live);
}

static void batch_is_durable(struct journal *j)
{
    count_batch(j);
    j->writer = WRITER_IDLE;
    journal_note_fullness(j, false);
    if (!j->census_is_durable) {
        j->census_is_durable = true; /* it was in this batch or in an earlier one of this segment */
        if (j->keeper) recovery_facts_are_kept(j->recovery);
        supply_look(j);
    }
    struct journal_entry *e = j->batch_first;
    j->batch_first = j->batch_last = nullptr;
    while (e) {
        struct journal_entry *next = e->next; /* `done` may end the entry's life */
        e->done(e);
        e = next;
    }
}

static void slow_fired(struct timer *t)
{
    struct journal *j = container_of(t, struct journal, slow_timer);
    shard_release(j->shard);
    batch_is_durable(j);
}

static void write_done(struct io_op *op, struct io_result result)
{
    struct journal *j = container_of(op, struct journal, write);
    ensure_on(j->shard);
    ensure(j->writer == WRITER_WRITING);
    if (result.status == IO_NO_SPACE) {
        j->writer = WRITER_OUT_OF_SPACE;
        journal_note_fullness(j, true);
        journal_retry_later(j);
    } else if (result.status != IO_OK) {
        write_failed(j, result.status);
    } else if (j->config.sync_extra_us > 0) {
        j->writer = WRITER_SLOWED;
        timer_start(&j->shard->timers, &j->slow_timer, j->shard->now_us + j->config.sync_extra_us, slow_fired);
        return;
    } else {
        batch_is_durable(j);
    }
    shard_release(j->shard);
}

static void write_batch(struct journal *j)
{
    ensure(j->writer == WRITER_IDLE || j->writer == WRITER_OUT_OF_SPACE);
    j->writer = WRITER_WRITING;
    j->write_started_us = clock_monotonic_us();
    shard_hold(j->shard);
    io_write_durably(j->shard->io, &j->write, j->current->file.fd, j->batch_bytes, j->batch_offset, write_done);
}

static void flush(struct flush_hook *h)
{
    struct journal *j = container_of(h, struct journal, flush);
    j->promised_bytes = j->promised_count = 0; /* a promise ends with its turn */
    if (j->writer == WRITER_IDLE && gather(j)) write_batch(j);
}

static void space_timer_fired(struct timer *t)
{
    struct journal *j = container_of(t, struct journal, space_timer);
    if (j->writer == WRITER_OUT_OF_SPACE) write_batch(j);
    supply_look(j);
}

void journal_retry_later(struct journal *j)
{
    if (timer_is_running(&j->space_timer)) return;
    timer_start(&j->shard->timers, &j->space_timer, j->shard->now_us + journal_space_retry_ms * UINT64_C(1000), space_timer_fired);
}

/* -- retiring -- */

static void statement_timer_fired(struct timer *t);

static void state_later(struct journal *j)
{
    if (timer_is_running(&j->statement_timer)) return;
    timer_start(&j->shard->timers, &j->statement_timer, j->shard->now_us + journal_retirement_delay_ms * UINT64_C(1000), statement_timer_fired);
}

/* The keeper looks again as long as there is something of earlier lives: it is retired from any thread, which cannot start a timer here. */
static void statement_timer_fired(struct timer *t)
{
    struct journal *j = container_of(t, struct journal, statement_timer);
    j->statement_due = true; /* the flush of this turn writes it, or that of the write under way */
    if (!j->keeper || !recovery_has_segments_behind(j->recovery)) return;
    state_later(j);
    supply_look(j);
}

void journal_retire(struct journal *j, struct journal_position p)
{
    ensure_magic(j, JOURNAL_MAGIC);
    ensure_on(j->shard);
    struct segment *s = nullptr;
    for (uint32_t n = 0; n < j->config.segments_max && !s; n++)
        if (j->segments[n].state != SEGMENT_ABSENT && j->segments[n].file.number == p.segment) s = &j->segments[n];
    ensure(s && (s->state == SEGMENT_CURRENT || s->state == SEGMENT_SEALED));

    bool was_last = segment_retire(s, p);
    counter_add(&j->counters.retired, 1);
    j->records_live -= 1;
    gauge_set(&j->counters.records_live, (int64_t)j->records_live);
    state_later(j);
    if (!was_last || s->state == SEGMENT_CURRENT) return;
    segment_enter(j, s, SEGMENT_RETIRED);
    supply_look(j);
}

/* -- opening and closing -- */

static bool settings_are_sound(const struct journal_config *c, struct io_refusal *refusal)
{
    ensure(c->worker && c->recovery && c->directory);
    bool sound = c->segment_bytes % block_bytes == 0 && c->segment_bytes >= journal_segment_bytes_min && c->segments_max >= 2 &&
                 c->segments_max <= journal_segments_max;
    if (!sound)
        snprintf(refusal->text, sizeof refusal->text, "The journal's segments have to be a multiple of %u bytes, at least %u, and 2 to %u per shard.",
                 block_bytes, journal_segment_bytes_min, journal_segments_max);
    return sound;
}

/* A census comes on top of the records. This one is the largest there can be: no segment is added to those of earlier lives. */
static bool make_batch_memory(struct journal *j, struct io_refusal *refusal)
{
    uint64_t census_max = j->config.segments_max * statement_length_max(j) + (j->keeper ? recovery_retirement_length(j->recovery, true) : 0);
    if (first_batch_offset + census_max + space_needed(0) > j->config.segment_bytes) {
        snprintf(refusal->text, sizeof refusal->text, "The journal's segments are too small to state what is retired in all segments of %s. Make them "
                 "larger.", j->config.directory);
        return false;
    }
    j->batch.capacity = round_up(journal_batch_bytes_max + census_max, block_bytes);
    j->batch.memory = aligned_alloc(block_bytes, j->batch.capacity); /* resident as far as batches have ever filled it */
    ensure(j->batch.memory);
    return true;
}

static bool make_first_segment(struct journal *j, struct io_refusal *refusal)
{
    enum io_status status = supply_now(j);
    if (status == IO_OK || status == IO_NO_SPACE) return true;
    snprintf(refusal->text, sizeof refusal->text, "The journal cannot make a segment in %s (%s).", j->config.directory, io_status_name(status));
    return false;
}

/* Gives the worker nothing yet: if another shard cannot start, this one never turns, and closes at once. The first batch takes the spare. */
static void begin_life(struct journal *j)
{
    if (!journal_segment_in(j, SEGMENT_SPARE)) journal_retry_later(j);
    if (j->keeper && recovery_has_segments_behind(j->recovery)) /* a census at once, so that files of earlier lives can be used */
        timer_start(&j->shard->timers, &j->statement_timer, j->shard->now_us, statement_timer_fired);
}

struct journal *journal_open(struct shard *s, const struct journal_config *c, struct io_refusal *refusal)
{
    ensure_on(s);
    if (!settings_are_sound(c, refusal)) return nullptr;
    struct journal *j = calloc(1, sizeof *j);
    struct segment *segments = calloc(c->segments_max, sizeof *segments);
    ensure(j && segments); /* at start only */
    j->magic = JOURNAL_MAGIC;
    j->shard = s;
    j->config = *c;
    j->recovery = c->recovery;
    j->segments = segments;
    j->next_sequence = c->recovery->next_sequence;
    j->next_batch = c->recovery->next_batch;
    j->keeper = recovery_become_keeper(c->recovery);
    if (!make_batch_memory(j, refusal) || !make_first_segment(j, refusal)) {
        journal_close(j);
        return nullptr;
    }
    j->flush = (struct flush_hook){ .flush = flush };
    shard_add_flush(s, &j->flush);
    begin_life(j);
    return j;
}

/* The last words: what was retired since the last batch, so that the next life replays nothing of it. Where they fail, it does. */
static void write_last_statement(struct journal *j)
{
    if (j->writer != WRITER_IDLE || !has_news(j)) return;
    (void)supply_now(j); /* in case the current segment is full; without a spare there is nowhere to write to, and that is that */
    j->statement_due = true;
    if (!gather(j)) return;
    enum io_status status = file_write(j->current->file.fd, j->batch_offset, j->batch_bytes.start, j->batch_bytes.length);
    if (status != IO_OK) log_event(LOG_WARNING, "journal_last_statement_failed", log_cstring("reason", io_status_name(status)));
}

void journal_close(struct journal *j)
{
    ensure_magic(j, JOURNAL_MAGIC);
    ensure_on(j->shard);
    ensure(!j->write.submitted && !j->supply.job.running && !timer_is_running(&j->slow_timer));
    timer_stop(&j->shard->timers, &j->statement_timer);
    timer_stop(&j->shard->timers, &j->space_timer);
    write_last_statement(j);
    for (uint32_t n = 0; n < j->config.segments_max; n++)
        if (j->segments[n].state != SEGMENT_ABSENT) file_close(j->segments[n].file.fd);
    free(j->segments);
    free(j->batch.memory);
    j->magic = 0;
    free(j);
}

const struct journal_counters *journal_counters(const struct journal *j)
{
    ensure_magic(j, JOURNAL_MAGIC);
    return &j->counters;
}
