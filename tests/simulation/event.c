/* tests/simulation/event.c: what is to happen, by instant: a heap, and the world's clock beside it. */
#include "event.h"
#include <stdlib.h>
#include "base/ensure.h"

static constexpr uint64_t beginning_us = UINT64_C(1'000'000'000);

static struct event **heap; /* from 1; each event knows its place */
static uint32_t       count, capacity;
static uint64_t       next_number, now_us = beginning_us;
static int64_t        wall_at_beginning_us;

static bool is_before(const struct event *a, const struct event *b) { return a->at_us != b->at_us ? a->at_us < b->at_us : a->number < b->number; }

static void put(uint32_t place, struct event *e)
{
    heap[place] = e;
    e->place = place;
}

static void sift_up(struct event *e, uint32_t place)
{
    for (; place > 1 && is_before(e, heap[place / 2]); place /= 2) put(place, heap[place / 2]);
    put(place, e);
}

static void sift_down(struct event *e, uint32_t place)
{
    for (uint32_t child = 2 * place; child <= count; child = 2 * place) {
        if (child < count && is_before(heap[child + 1], heap[child])) child += 1;
        if (!is_before(heap[child], e)) break;
        put(place, heap[child]);
        place = child;
    }
    put(place, e);
}

void event_schedule(struct event *e, uint64_t at_us, event_happened *happened)
{
    ensure(e->place == 0 && happened != nullptr);
    if (count + 2 > capacity) {
        capacity = capacity > 0 ? 2 * capacity : 1024;
        heap = realloc(heap, capacity * sizeof *heap);
        ensure(heap != nullptr);
    }
    *e = (struct event){ .at_us = at_us > now_us ? at_us : now_us, .number = next_number++, .happened = happened };
    sift_up(e, ++count);
}

void event_cancel(struct event *e)
{
    uint32_t place = e->place;
    if (place == 0) return;
    ensure(heap[place] == e);
    struct event *last = heap[count--];
    e->place = 0;
    if (last == e) return;
    if (place > 1 && is_before(last, heap[place / 2])) sift_up(last, place);
    else sift_down(last, place);
}

struct event *event_first(void) { return count > 0 ? heap[1] : nullptr; }

void event_happen(struct event *e)
{
    event_cancel(e);
    e->happened(e); /* its owner may die here */
}

uint64_t world_now_us(void) { return now_us; }
int64_t world_wall_us(void) { return wall_at_beginning_us + (int64_t)(now_us - beginning_us); }
void world_set_wall(int64_t at_us) { wall_at_beginning_us = at_us - (int64_t)(now_us - beginning_us); }

void world_advance(uint64_t to_us)
{
    ensure(to_us >= now_us);
    now_us = to_us;
}
