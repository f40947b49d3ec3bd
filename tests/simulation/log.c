/* tests/simulation/log.c: base/log.h for a world: a line goes into the story at once, and before the checkers, which know what may not stand in one. */
#include "base/log.h"
#include "base/json.h"
#include "world.h"

enum { LINE_BYTES = 8192 };

void log_start(int, enum log_level, const char *, const char *) {}
void log_stop(void) {}
uint64_t log_lines_dropped(void) { return 0; }

void log_write(enum log_level, const char *event, const struct log_field *fields, uint32_t field_count)
{
    if (process_here() == nullptr || (process_here() != world.engine && process_here() != world.former_engine)) return;
    char line[LINE_BYTES];
    struct buffer out = buffer_over(line, sizeof line - 1);
    struct json_writer w = json_writer_over(&out);
    json_begin_object(&w, nullptr);
    json_add_text(&w, "event", slice_from_text(event));
    for (uint32_t n = 0; n < field_count; n++) {
        const struct log_field *f = &fields[n];
        if (f->kind == LOG_INTEGER) json_add_integer(&w, f->name, f->integer);
        else json_add_text(&w, f->name, f->kind == LOG_PHONE ? slice_of("(phone)") : f->text);
    }
    json_end_object(&w);
    struct slice text = buffer_slice(&out);
    trace("log " SLICE_FORMAT, slice_print(text));
    checkers_see_log(text.start, text.length);
}
