#include "plan.h"
#include <stdio.h>
#include <stdlib.h>
#include "base/ensure.h"
#include "base/instant.h"
#include "base/json.h"
#include "fetch.h"
#include "io/file.h"
#include "limits.h"
#include "sim/branches.h"
#include "sim/prng.h"

constexpr uint32_t slots_max = 200'000, slots_per_page = 4'000, pages_max = 64;

static bool fail(struct plan_error *error, const char *text)
{
    snprintf(error->text, sizeof error->text, "%s", text);
    return false;
}

uint32_t plan_choice(const struct load_plan *p, uint64_t call, uint32_t salt, uint32_t count)
{
    struct prng dice = { p->run ^ call * UINT64_C(0x2545f4914f6cdd1d) ^ (uint64_t)salt << 56 };
    return (uint32_t)prng_below(&dice, count);
}

uint32_t plan_number_of(const struct load_plan *p, uint64_t call) { return (uint32_t)(call % p->number_count); }

uint64_t plan_due_us(const struct load_plan *p, uint64_t call, enum call_event e)
{
    uint64_t begun_us = (uint64_t)((unsigned __int128)call * p->interval_ns / 1000);
    return begun_us + (e == SCRIPT_STARTED ? 0 : p->talk_us) + (e == SCRIPT_ANALYZED ? p->analysis_us : 0);
}

void plan_print_call_id(const struct load_plan *p, uint64_t call, char id[CALL_ID_BYTES + 1])
{
    snprintf(id, CALL_ID_BYTES + 1, "call_%011llx%016llx", (unsigned long long)p->run & 0xfff'ffff'ffff, (unsigned long long)call);
}

void plan_print_run(const struct load_plan *p, char prefix[17]) { snprintf(prefix, 17, "call_%011llx", (unsigned long long)p->run & 0xfff'ffff'ffff); }

void plan_print_caller(uint64_t call, char number[16]) { snprintf(number, 16, "+49151%08u", (unsigned)(call % 100'000'000)); }

/* -- slots to agree on -- */

/* Takes slots that do not touch each other with their buffers; returns the last start seen, for the next page. */
static int64_t take_slots(struct load_plan *p, const struct json_value *page, uint32_t number, int64_t *free_from_us, uint32_t *seen)
{
    int64_t length = 0, before = 0, after = 0, last_us = 0;
    (void)json_integer(json_get(page, "lengthMinutes"), &length);
    (void)json_integer(json_get(page, "beforeBufferMinutes"), &before);
    (void)json_integer(json_get(page, "afterBufferMinutes"), &after);
    struct json_iterator each = json_each(json_get(page, "slots"));
    const struct json_value *v;
    for (*seen = 0; json_next(&each, nullptr, &v); *seen += 1) {
        struct slice date = json_get_text(v, "date"), time = json_get_text(v, "time");
        if (!instant_parse(json_get_text(v, "start"), &last_us) || last_us < *free_from_us || p->slot_count == slots_max) continue;
        struct planned_slot *slot = &p->slots[p->slot_count++];
        snprintf(slot->date, sizeof slot->date, SLICE_FORMAT, slice_print(slice_take(date, 10)));
        snprintf(slot->time, sizeof slot->time, SLICE_FORMAT, slice_print(slice_take(time, 5)));
        slot->number = (uint16_t)number;
        *free_from_us = last_us + (length + before + after) * 60'000'000;
    }
    return last_us;
}

static bool fetch_slots_of(struct load_plan *p, uint64_t event_type, uint32_t number, uint32_t wanted, struct plan_error *error)
{
    struct heap heap;
    heap_init(&heap, UINT64_C(64) << 20);
    char after[48] = "";
    int64_t free_from_us = 0;
    uint32_t before = p->slot_count, seen = 1;
    for (uint32_t n = 0; n < pages_max && seen > 0 && p->slot_count - before < wanted; n++) {
        char path[160];
        struct json_error json_error;
        struct fetched f;
        snprintf(path, sizeof path, "/control/slots?eventTypeId=%llu&take=%u%s%s", (unsigned long long)event_type, slots_per_page, after[0] ? "&after=" : "", after);
        if (!fetch(p->options->control_url, path, &f)) return fail(error, "--control: the simulator's control port does not answer");
        struct json_document *page = f.status == 200 ? json_parse(f.body, &heap, &json_error) : nullptr;
        int64_t last_us = page ? take_slots(p, json_root(page), number, &free_from_us, &seen) : 0;
        json_release(page, &heap);
        fetch_free(&f);
        if (!page) return fail(error, "--control: /control/slots refuses that event type");
        struct buffer b = buffer_over(after, sizeof after - 1);
        instant_print(&b, last_us + 60'000'000);
        after[b.length] = 0;
    }
    return true;
}

static bool fetch_slots(struct load_plan *p, struct plan_error *error)
{
    if (!p->options->control_url || !p->options->world_path) return fail(error, "--book-share needs --control and --world");
    char *text = nullptr;
    size_t length = 0;
    if (file_read_whole(p->options->world_path, world_file_bytes_max, &text, &length) != IO_OK) return fail(error, "--world: cannot read that file");
    struct heap heap;
    struct json_error json_error;
    heap_init(&heap, UINT64_C(256) << 20);
    struct json_document *world = json_parse(slice_from(text, length), &heap, &json_error);
    bool fetched = world != nullptr;
    if (!world) fail(error, "--world: not JSON");
    uint32_t wanted = (uint32_t)((double)p->call_count * p->options->book_share * 1.2 / p->number_count) + 16;
    for (uint32_t n = 0; n < p->number_count && fetched; n++) {
        uint64_t event_type = branch_event_type(json_root(world), p->numbers[n]);
        if (event_type) fetched = fetch_slots_of(p, event_type, n, wanted, error);
    }
    json_release(world, &heap);
    free(text);
    return fetched;
}

/* Every booking call gets a slot of its own number's calendar, in order; when they run out, calls only talk. */
static void assign_slots(struct load_plan *p)
{
    uint32_t next[NUMBERS_MAX];
    for (uint32_t n = 0; n < p->number_count; n++) {
        next[n] = 0;
        while (next[n] < p->slot_count && p->slots[next[n]].number != n) next[n]++;
    }
    uint32_t share = (uint32_t)(p->options->book_share * 1'000'000);
    for (uint64_t i = 0; i < p->call_count; i++) {
        uint32_t n = plan_number_of(p, i);
        if (plan_choice(p, i, 1, 1'000'000) >= share) continue;
        if (next[n] >= p->slot_count || p->slots[next[n]].number != n) {
            p->bookings_without_slot += 1;
            continue;
        }
        p->calls[i].slot = (int32_t)next[n]++;
        p->bookings += 1;
    }
}

bool plan_make(struct load_plan *p, const struct load_options *o, struct plan_error *error)
{
    *p = (struct load_plan){ .options = o, .run = o->seed & 0xfff'ffff'ffff };
    for (struct slice rest = slice_from_text(o->to); !slice_is_absent(rest) && p->number_count < NUMBERS_MAX;) p->numbers[p->number_count++] = slice_split(&rest, ',');
    if (o->closed) return true;
    p->call_count = (uint64_t)(o->rate * o->duration_s + 0.5);
    p->interval_ns = (uint64_t)(1e9 / o->rate);
    p->talk_us = (uint64_t)((double)o->calls / o->rate * 1e6);
    p->analysis_us = o->analysis_gap_ms * 1000;
    if (p->call_count == 0 || p->call_count > 50'000'000) return fail(error, "--rate × --duration must make 1 to 50,000,000 calls");
    p->calls = calloc(p->call_count, sizeof *p->calls);
    p->slots = calloc(slots_max, sizeof *p->slots);
    ensure(p->calls && p->slots);
    for (uint64_t i = 0; i < p->call_count; i++) p->calls[i].slot = -1;
    if (o->book_share == 0) return true;
    if (!fetch_slots(p, error)) return false;
    assign_slots(p);
    return true;
}

void plan_free(struct load_plan *p)
{
    free(p->calls);
    free(p->slots);
}
