/* journal/directory.c: what the journals of this life ask of the directory (recovery.h). Any thread, under the lock. */
#include "base/ensure.h"
#include "journal/recovery.h"

static void enter(struct journal_recovery *r)
{
    ensure_magic(r, RECOVERY_MAGIC);
    ensure(pthread_mutex_lock(&r->lock) == 0);
}

static void leave(struct journal_recovery *r) { ensure(pthread_mutex_unlock(&r->lock) == 0); }

static bool has_segments_behind(const struct journal_recovery *r)
{
    for (uint32_t n = 0; n < r->count; n++)
        if (segment_is_behind(&r->segments[n]->segment)) return true;
    return false;
}

bool recovery_become_keeper(struct journal_recovery *r)
{
    enter(r);
    bool first = !r->has_keeper;
    r->has_keeper = true;
    if (first && !has_segments_behind(r)) r->facts_kept = true; /* there are none */
    leave(r);
    return first;
}

void recovery_facts_are_kept(struct journal_recovery *r)
{
    enter(r);
    r->facts_kept = true;
    leave(r);
}

bool recovery_has_segments_behind(struct journal_recovery *r)
{
    enter(r);
    bool has = has_segments_behind(r);
    leave(r);
    return has;
}

uint64_t recovery_retirement_length(struct journal_recovery *r, bool whole)
{
    enter(r);
    uint64_t length = 0;
    for (uint32_t n = 0; n < r->count; n++)
        if (segment_is_behind(&r->segments[n]->segment)) length += retirement_length(&r->segments[n]->segment, whole);
    leave(r);
    return length;
}

void recovery_state_retirements(struct journal_recovery *r, struct batch *b, bool whole)
{
    enter(r);
    for (uint32_t n = 0; n < r->count; n++)
        if (segment_is_behind(&r->segments[n]->segment)) retirement_state(&r->segments[n]->segment, b, whole);
    leave(r);
}

uint32_t recovery_draw_number(struct journal_recovery *r)
{
    enter(r);
    uint32_t number = r->next_number++;
    leave(r);
    return number;
}

/* -- files for a next use -- */

/* Of those that hold batches; o is one of r's. Nothing depends on what the oldest says. */
static bool is_oldest(const struct journal_recovery *r, const struct old_segment *o)
{
    for (uint32_t n = r->count; r->segments[n - 1] != o; n--)
        if (segment_is_behind(&r->segments[n - 1]->segment)) return false;
    return true;
}

static bool may_be_taken(const struct journal_recovery *r, const struct old_segment *o)
{
    switch (o->segment.state) {
    case SEGMENT_SPARE:     return true;
    case SEGMENT_RETIRED:   return r->facts_kept || is_oldest(r, o);
    case SEGMENT_ABSENT:
    case SEGMENT_PREPARING:
    case SEGMENT_CURRENT:
    case SEGMENT_SEALED:    return false;
    }
    ensure(false);
}

static void take(struct old_segment *o, struct segment_file *f)
{
    o->segment.state = SEGMENT_PREPARING;
    *f = o->segment.file;
}

bool recovery_take_file(struct journal_recovery *r, struct segment_file *f)
{
    enter(r);
    struct old_segment *found = nullptr;
    for (uint32_t n = r->count; n > 0 && !found; n--) {
        struct old_segment *o = r->segments[n - 1];
        if (may_be_taken(r, o) && o->segment.file.bytes == r->segment_bytes) found = o;
    }
    if (found) take(found, f);
    leave(r);
    return found != nullptr;
}

static struct old_segment *surplus(const struct journal_recovery *r)
{
    uint32_t kept = 0;
    for (uint32_t n = 0; n < r->count; n++) {
        struct old_segment *o = r->segments[n];
        if (!may_be_taken(r, o)) continue;
        bool fits = o->segment.file.bytes == r->segment_bytes; /* or the setting has changed, and it cannot be used again */
        if (!fits || kept == journal_spares_kept_max) return o;
        kept += 1;
    }
    return nullptr;
}

bool recovery_has_surplus(struct journal_recovery *r)
{
    enter(r);
    bool has = surplus(r) != nullptr;
    leave(r);
    return has;
}

bool recovery_take_surplus(struct journal_recovery *r, struct segment_file *f)
{
    enter(r);
    struct old_segment *found = surplus(r);
    if (found) take(found, f);
    leave(r);
    return found != nullptr;
}

void recovery_settle(struct journal_recovery *r, uint32_t number, bool gone)
{
    enter(r);
    for (uint32_t n = 0; n < r->count; n++) {
        struct segment *s = &r->segments[n]->segment;
        if (s->state != SEGMENT_PREPARING || s->file.number != number) continue;
        s->state = gone ? SEGMENT_ABSENT : segment_is_behind(s) ? SEGMENT_RETIRED : SEGMENT_SPARE;
    }
    leave(r);
}
