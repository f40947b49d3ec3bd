/* What doctor says can be read by people in one column, and by programs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "base/json.h"
#include "ops/findings.h"

struct heard { char *text; size_t length; FILE *out; struct findings f; };

static struct heard *listen(bool json)
{
    struct heard *h = calloc(1, sizeof *h);
    h->out = open_memstream(&h->text, &h->length);
    findings_begin(&h->f, h->out, json);
    return h;
}

static void hush(struct heard *h)
{
    fclose(h->out);
    free(h->text);
    free(h);
}

static void say_three(struct findings *f)
{
    findings_pass(f, "the schema is this version's");
    findings_add(f, FINDING_FAULT, "branch für/\"süd\"", "has no %s", "Retell agent id");
    findings_add(f, FINDING_NOTE, "callbacks are open", "%d", 3);
    findings_end(f);
    fflush(f->out);
}

static void the_subjects_stand_under_each_other(void **)
{
    struct heard *h = listen(false);
    say_three(&h->f);
    assert_string_equal(h->text, "ok    the schema is this version's\n"
                                 "FAIL  branch für/\"süd\": has no Retell agent id\n"
                                 "note  callbacks are open: 3\n"
                                 "1 good, 1 to be mended, 1 to be known\n");
    hush(h);
}

static const struct json_value *check_at(const struct json_value *root, uint32_t wanted)
{
    const struct json_value *check = nullptr;
    struct json_iterator each = json_each(json_get(root, "checks"));
    for (uint32_t n = 0; n <= wanted; n++) assert_true(json_next(&each, nullptr, &check));
    return check;
}

static void assert_text(const struct json_value *v, const char *key, const char *wanted)
{
    assert_true(slice_equal(json_get_text(v, key), slice_from_text(wanted)));
}

static void a_program_reads_the_same(void **)
{
    struct heard *h = listen(true);
    struct heap heap;
    struct json_error error;
    int64_t failed = 0;
    say_three(&h->f);
    heap_init(&heap, 1 << 20);
    struct json_document *d = json_parse(slice_from(h->text, h->length), &heap, &error);
    assert_non_null(d);
    assert_int_equal(json_length(json_get(json_root(d), "checks")), 3);
    assert_text(check_at(json_root(d), 0), "result", "ok");
    assert_int_equal(json_type_of(json_get(check_at(json_root(d), 0), "why")), JSON_NULL);
    assert_text(check_at(json_root(d), 1), "result", "fail");
    assert_text(check_at(json_root(d), 1), "what", "branch für/\"süd\"");
    assert_text(check_at(json_root(d), 1), "why", "has no Retell agent id");
    assert_true(json_integer(json_get(json_root(d), "failed"), &failed) && failed == 1);
    json_release(d, &heap);
    hush(h);
}

static void nothing_said_is_a_whole_document_too(void **)
{
    struct heard *h = listen(true);
    struct heap heap;
    struct json_error error;
    findings_end(&h->f);
    fflush(h->out);
    heap_init(&heap, 1 << 20);
    struct json_document *d = json_parse(slice_from(h->text, h->length), &heap, &error);
    assert_non_null(d);
    json_release(d, &heap);
    hush(h);
}

static void what_is_too_long_is_cut_and_stays_one_line(void **)
{
    struct heard *h = listen(true);
    char longest[4 * FINDING_BYTES_MAX];
    memset(longest, '\n', sizeof longest - 1); /* six bytes each in JSON, at most */
    longest[sizeof longest - 1] = 0;
    findings_add(&h->f, FINDING_FAULT, longest, "%s", longest);
    findings_end(&h->f);
    fflush(h->out);
    struct heap heap;
    struct json_error error;
    heap_init(&heap, 1 << 20);
    struct json_document *d = json_parse(slice_from(h->text, h->length), &heap, &error);
    assert_non_null(d);
    assert_int_equal(json_get_text(check_at(json_root(d), 0), "why").length, FINDING_BYTES_MAX - 1);
    json_release(d, &heap);
    hush(h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_subjects_stand_under_each_other),
        cmocka_unit_test(a_program_reads_the_same),
        cmocka_unit_test(nothing_said_is_a_whole_document_too),
        cmocka_unit_test(what_is_too_long_is_cut_and_stays_one_line),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
