#include "ops/findings.h"

#include <stdarg.h>
#include "base/json.h"

enum { JSON_LINE_BYTES_MAX = 2 * 6 * FINDING_BYTES_MAX + 128 }; /* a byte may take six in JSON */

void findings_begin(struct findings *f, FILE *out, bool json)
{
    *f = (struct findings){ .out = out, .json = json };
    if (json) fputs("{\"checks\":[", out);
}

static uint32_t said(const struct findings *f) { return f->counts[FINDING_OK] + f->counts[FINDING_FAULT] + f->counts[FINDING_NOTE]; }

static void print_json(const struct findings *f, enum finding kind, const char *what, const char *why)
{
    static const char *const words[FINDINGS] = { [FINDING_OK] = "ok", [FINDING_FAULT] = "fail", [FINDING_NOTE] = "note" };
    char memory[JSON_LINE_BYTES_MAX];
    struct buffer line = buffer_over(memory, sizeof memory);
    struct json_writer w = json_writer_over(&line);
    json_begin_object(&w, nullptr);
    json_add_text(&w, "result", slice_from_text(words[kind]));
    json_add_text(&w, "what", slice_from_text(what));
    json_add_text(&w, "why", *why ? slice_from_text(why) : slice_absent);
    json_end_object(&w);
    fprintf(f->out, "%s\n  " SLICE_FORMAT, said(f) ? "," : "", slice_print(buffer_slice(&line)));
}

static void print_text(const struct findings *f, enum finding kind, const char *what, const char *why)
{
    static const char *const words[FINDINGS] = { [FINDING_OK] = "ok  ", [FINDING_FAULT] = "FAIL", [FINDING_NOTE] = "note" };
    fprintf(f->out, "%s  %s%s%s\n", words[kind], what, *why ? ": " : "", why);
}

static void add(struct findings *f, enum finding kind, const char *what, const char *why)
{
    char subject[FINDING_BYTES_MAX];
    snprintf(subject, sizeof subject, "%s", what);
    (f->json ? print_json : print_text)(f, kind, subject, why);
    fflush(f->out); /* the next answer may take seconds */
    f->counts[kind] += 1;
}

void findings_pass(struct findings *f, const char *what) { add(f, FINDING_OK, what, ""); }

void findings_add(struct findings *f, enum finding kind, const char *what, const char *why, ...)
{
    char text[FINDING_BYTES_MAX];
    va_list arguments;
    va_start(arguments, why);
    vsnprintf(text, sizeof text, why, arguments);
    va_end(arguments);
    add(f, kind, what, text);
}

void findings_end(struct findings *f)
{
    const uint32_t *n = f->counts;
    if (f->json) fprintf(f->out, "\n ],\"ok\":%u,\"failed\":%u,\"notes\":%u}\n", n[FINDING_OK], n[FINDING_FAULT], n[FINDING_NOTE]);
    else fprintf(f->out, "%u good, %u to be mended, %u to be known\n", n[FINDING_OK], n[FINDING_FAULT], n[FINDING_NOTE]);
}
