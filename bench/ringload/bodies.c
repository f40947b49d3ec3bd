#include "bodies.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include "base/ensure.h"

/* What stands in a template where something will be written: texts of the same length that occur nowhere else. Called numbers are padded to
 * the longest, which E.164 does not mind: what is written is the number and blanks behind its quote. */
static const char *const marks[BODY_FIELDS] = {
    [FIELD_CALL_ID] = "call_mark000000000000000000000id", [FIELD_CALLER] = "+4915177777771", [FIELD_CALLED] = "+999999999999999", [FIELD_STARTED_AT] = "1777000000001",
    [FIELD_ENDED_AT] = "1777000061001", [FIELD_DATE] = "2001-02-03", [FIELD_TIME] = "04:05",
};
constexpr uint32_t call_duration_ms = 61'000;
constexpr uint32_t template_bytes_max = 1024 * 1024;

static void find_patches(struct body_template *t)
{
    for (uint8_t f = 0; f < BODY_FIELDS; f++) {
        size_t length = strlen(marks[f]);
        const char *at = t->text, *end = t->text + t->length;
        while ((at = memmem(at, (size_t)(end - at), marks[f], length))) {
            ensure(t->patch_count < PATCHES_MAX);
            t->patches[t->patch_count++] = (struct body_patch){ (uint32_t)(at - t->text), (enum body_field)f };
            at += length;
        }
    }
}

static void make_template(struct body_template *t, const struct load_options *o, enum call_event e, bool books, uint32_t bytes)
{
    struct call_script s = { .call_id = slice_from_text(marks[FIELD_CALL_ID]), .agent_id = slice_from_text(o->agent), .from_number = slice_from_text(marks[FIELD_CALLER]),
                             .to_number = slice_from_text(marks[FIELD_CALLED]), .started_at_ms = 1777000000001, .duration_ms = call_duration_ms,
                             .name = slice_of("Erika Beispiel"), .body_bytes = bytes, .seed = bytes };
    if (books) {
        s.date = slice_from_text(marks[FIELD_DATE]);
        s.time = slice_from_text(marks[FIELD_TIME]);
    }
    char *memory = malloc(template_bytes_max);
    ensure(memory);
    struct buffer b = buffer_over(memory, template_bytes_max);
    call_script_print(&b, &s, e);
    ensure(!b.overflowed);
    *t = (struct body_template){ .text = realloc(memory, b.length), .length = (uint32_t)b.length };
    ensure(t->text);
    find_patches(t);
}

/* Evenly spaced in the logarithm: most calls are short, some are long. */
static uint32_t size_of(const struct load_options *o, uint32_t n)
{
    double ratio = (double)o->body_bytes_max / (double)o->body_bytes_min;
    return (uint32_t)((double)o->body_bytes_min * pow(ratio, n / (double)(BODY_SIZES - 1)));
}

void bodies_make(struct load_bodies *b, const struct load_options *o)
{
    *b = (struct load_bodies){ 0 };
    for (uint8_t e = 0; e < SCRIPT_EVENTS; e++)
        for (uint32_t books = 0; books < 2; books++)
            for (uint32_t n = 0; n < BODY_SIZES; n++) {
                struct body_template *t = &b->templates[e][books][n];
                make_template(t, o, (enum call_event)e, books, size_of(o, n));
                if (t->length > b->length_max) b->length_max = t->length;
            }
}

void bodies_free(struct load_bodies *b)
{
    for (uint8_t e = 0; e < SCRIPT_EVENTS; e++)
        for (uint32_t books = 0; books < 2; books++)
            for (uint32_t n = 0; n < BODY_SIZES; n++) free(b->templates[e][books][n].text);
}

const struct body_template *bodies_choose(const struct load_bodies *b, const struct load_plan *p, uint64_t call, enum call_event e)
{
    bool books = p->calls && p->calls[call].slot >= 0;
    return &b->templates[e][books][plan_choice(p, call, 2, BODY_SIZES)];
}

/* The called number may be shorter than its mark: then its quote and comma move forward, and blanks fill up. JSON does not mind. */
static void write_called(char *at, struct slice number)
{
    size_t room = strlen(marks[FIELD_CALLED]) + 1; /* with the closing quote */
    ensure(number.length < room);
    memcpy(at, number.start, number.length);
    at[number.length] = '"';
    memset(at + number.length + 1, ' ', room - number.length - 1);
}

void bodies_fill(char *into, const struct body_template *t, const struct load_plan *p, uint64_t call, int64_t started_at_ms)
{
    char texts[BODY_FIELDS][CALL_ID_BYTES + 1];
    const struct planned_slot *slot = p->calls && p->calls[call].slot >= 0 ? &p->slots[p->calls[call].slot] : nullptr;
    plan_print_call_id(p, call, texts[FIELD_CALL_ID]);
    plan_print_caller(call, texts[FIELD_CALLER]);
    snprintf(texts[FIELD_STARTED_AT], 14, "%013lld", (long long)started_at_ms);
    snprintf(texts[FIELD_ENDED_AT], 14, "%013lld", (long long)started_at_ms + call_duration_ms);
    snprintf(texts[FIELD_DATE], 11, "%s", slot ? slot->date : "");
    snprintf(texts[FIELD_TIME], 6, "%s", slot ? slot->time : "");
    memcpy(into, t->text, t->length);
    for (uint32_t i = 0; i < t->patch_count; i++) {
        char *at = into + t->patches[i].offset;
        enum body_field f = t->patches[i].field;
        if (f == FIELD_CALLED) write_called(at, p->numbers[plan_number_of(p, call)]);
        else memcpy(at, texts[f], strlen(marks[f]));
    }
}
