/* What checking a world file promises: every mistake is named by its path, before anything is done; and the worlds that we ship are right. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>
#include "tenant/schema.h"

static struct heap heap = { .budget_bytes = 64 * 1024 * 1024 };
static char        told[8192];

static bool check(struct slice text)
{
    struct json_error     error;
    struct json_document *d = json_parse(text, &heap, &error);
    if (!d) fail_msg("not JSON (%s at %zu): " SLICE_FORMAT, error.message, error.offset, slice_print(text));
    struct buffer b = buffer_over(told, sizeof told - 1);
    bool          right = world_check(json_root(d), &b);
    told[b.length] = 0;
    json_release(d, &heap);
    return right;
}

static void assert_wrong(const char *world, const char *expected)
{
    if (check(slice_from_text(world))) fail_msg("passes: %s", world);
    if (strcmp(told, expected) != 0) fail_msg("\n%s\nis not\n%s\nfor %s", told, expected, world);
}

static void assert_right(const char *world)
{
    if (!check(slice_from_text(world))) fail_msg("%s: %s", world, told);
}

/* A world with one company, whose members `company` are put in. */
static const char *with(const char *company)
{
    static char world[4096];
    snprintf(world, sizeof world, "{\"companies\":[{\"key\":\"fri\",\"name\":\"FRI\",\"time_zone\":\"Europe/Berlin\"%s%s}]}", *company ? "," : "", company);
    return world;
}

static struct slice file(const char *path)
{
    static char text[256 * 1024];
    FILE       *f = fopen(path, "r");
    assert_non_null(f);
    size_t length = fread(text, 1, sizeof text - 1, f);
    text[length] = 0;
    fclose(f);
    return slice_from(text, length);
}

static void the_demo_world_and_the_documented_one_are_right(void **)
{
    if (!check(file("deploy/worlds/demo.json"))) fail_msg("%s", told);

    const char *example = strstr(file("docs/WORLD_FILE.md").start, "```json\n");
    assert_non_null(example);
    example += strlen("```json\n");
    if (!check(slice_from(example, (size_t)(strstr(example, "```") - example)))) fail_msg("%s", told);
}

static void the_least_worlds_are_right(void **)
{
    assert_right("{}");
    assert_right(with(""));
    assert_right("{\"calcom\":{\"accounts\":[],\"users\":[{\"whatever\":1}],\"event_types\":[],\"newer\":true}}"); /* the simulator's business */
    assert_right(with("\"calcom\":null,\"branches\":[{\"key\":\"b\",\"name\":\"B\",\"time_zone\":\"UTC\",\"retell_agent_id\":null,\"phone_numbers\":[],"
                      "\"opening_hours\":{\"friday\":[\"9:00-12:30\",\"14:00-24:00\"]}}]"));
}

static void an_unknown_field_is_a_mistake_and_the_nearest_name_is_told(void **)
{
    assert_wrong("{\"companys\":[]}", "the file: unknown field \"companys\": did you mean \"companies\"?");
    assert_wrong(with("\"timezone\":\"Europe/Berlin\""), "companies[0]: unknown field \"timezone\": did you mean \"time_zone\"?");
    assert_wrong(with("\"services\":[{\"key\":\"s\",\"name\":\"S\",\"duration_minutes\":30,\"calcom_event_type\":1}]"),
                 "companies[0].services[0]: unknown field \"calcom_event_type\": did you mean \"calcom_event_type_id\"?");
    assert_wrong(with("\"xyzzy\":1"), "companies[0]: unknown field \"xyzzy\"");
    assert_wrong(with("\"\":1"), "companies[0]: unknown field \"\"");
}

static void every_mistake_is_named_by_its_path(void **)
{
    assert_wrong("[]", "the file: must be an object");
    assert_wrong("{\"companies\":{}}", "companies: must be a list");
    assert_wrong("{\"companies\":[7]}", "companies[0]: must be an object");
    assert_wrong("{\"companies\":[{\"key\":\"fri\"}]}", "companies[0]: name is missing\ncompanies[0]: time_zone is missing");
    assert_wrong(with("\"key\":\"fri2\""), "companies[0].key: is there twice");
    assert_wrong(with("\"branches\":[{\"key\":\"a\",\"name\":\"A\",\"time_zone\":\"UTC\"},{\"key\":\"b\",\"name\":\"B\",\"time_zone\":\"Europe/Atlantis\"}]"),
                 "companies[0].branches[1].time_zone: no such zone");
    assert_wrong(with("\"branches\":[{\"key\":\"A\",\"name\":\" \",\"time_zone\":null}]"),
                 "companies[0].branches[0].key: a key has only a-z, 0-9, '-' and '_'\n"
                 "companies[0].branches[0].name: blank, too long to compare, or with control characters\n"
                 "companies[0].branches[0].time_zone: must not be null");
    assert_wrong(with("\"branches\":[{\"key\":\"b\",\"name\":\"B\",\"time_zone\":\"UTC\",\"workspace\":\"w\",\"phone_numbers\":[\"+493023125001\",\"030 23125002\"]}]"),
                 "companies[0].branches[0].phone_numbers[1]: not a phone number in E.164 form (\"+493023125001\")");
    assert_wrong(with("\"branches\":[{\"key\":\"b\",\"name\":\"B\",\"time_zone\":\"UTC\",\"phone_numbers\":[\"+493023125001\"]}]"),
                 "companies[0].branches[0]: workspace is missing: phone_numbers belong to one");
    assert_wrong(with("\"branches\":[{\"key\":\"b\",\"name\":\"B\",\"time_zone\":\"UTC\",\"opening_hours\":{\"friday\":[\"12:00-09:00\"],\"freitag\":[]}}]"),
                 "companies[0].branches[0].opening_hours.friday[0]: not opening hours (\"09:00-19:00\")\n"
                 "companies[0].branches[0].opening_hours: unknown field \"freitag\": did you mean \"friday\"?");
    assert_wrong(with("\"services\":[{\"key\":\"s\",\"name\":\"S\",\"duration_minutes\":0,\"notice_minutes\":\"15\",\"calcom_event_type_id\":1.5}]"),
                 "companies[0].services[0].duration_minutes: must be from 1 to 1440\n"
                 "companies[0].services[0].notice_minutes: must be an integer\n"
                 "companies[0].services[0].calcom_event_type_id: must be an integer");
    assert_wrong(with("\"calcom\":{\"api_key\":\"a b\",\"base_url\":\"api.cal.com\"}"),
                 "companies[0].calcom.api_key: only visible ASCII characters are allowed\n"
                 "companies[0].calcom.base_url: not a URL (http:// or https://, without a slash at its end)");
    assert_wrong("{\"workspaces\":[{\"key\":\"w\",\"name\":\"W\",\"token\":\"short\",\"default\":1,\"retell_api_keys\":[\"1\",\"2\",\"3\",\"4\",\"5\"]}]}",
                 "workspaces[0].token: must have 8 to 100 bytes\nworkspaces[0].default: must be true or false\nworkspaces[0].retell_api_keys: must have at most 4 entries");
    assert_wrong(with("\"customers\":[{\"key\":\"k\",\"email\":\"a@b@c\"}]"), "companies[0].customers[0].email: not an e-mail address");
}

static void nothing_is_there_twice(void **)
{
    assert_wrong("{\"workspaces\":[{\"key\":\"w\",\"name\":\"W\",\"token\":\"token_one\",\"default\":true},{\"key\":\"w\",\"name\":\"W\",\"token\":\"token_one\",\"default\":true}]}",
                 "workspaces[1].key: another entry has the same\nworkspaces[1].token: another entry has the same\nworkspaces: more than one is the default");
    assert_wrong(with("\"staff\":[{\"key\":\"a\",\"name\":\"A\",\"branch\":\"b\"},{\"key\":\"a\",\"name\":\"A\",\"branch\":\"b\"}],"
                      "\"branches\":[{\"key\":\"b\",\"name\":\"B\",\"time_zone\":\"UTC\"}]"),
                 "companies[0].staff[1].key: another entry has the same");
    assert_wrong(with("\"customers\":[{\"key\":\"a\",\"phone\":\"+491713920001\"},{\"key\":\"b\",\"phone\":null},{\"key\":\"c\",\"phone\":\"+491713920001\"}]"),
                 "companies[0].customers[2].phone: another customer has the same");
    assert_wrong("{\"companies\":[{\"key\":\"a\",\"name\":\"A\",\"time_zone\":\"UTC\",\"branches\":[{\"key\":\"b\",\"name\":\"B\",\"time_zone\":\"UTC\","
                  "\"workspace\":\"w\",\"phone_numbers\":[\"+493023125001\"]},"
                 "{\"key\":\"c\",\"name\":\"C\",\"time_zone\":\"UTC\",\"workspace\":\"v\",\"phone_numbers\":[\"+493023125001\"]}]},"
                 "{\"key\":\"d\",\"name\":\"D\",\"time_zone\":\"UTC\",\"branches\":[{\"key\":\"b\",\"name\":\"B\",\"time_zone\":\"UTC\",\"workspace\":\"w\",\"phone_numbers\":[\"+493023125001\"]}]}]}",
                 "companies[1].branches[0].phone_numbers[0]: the same workspace has this number twice");
}

static void a_reference_leads_somewhere(void **)
{
    assert_wrong(with("\"staff\":[{\"key\":\"a\",\"name\":\"A\",\"branch\":\"b\"}]"), "companies[0].staff[0].branch: this company has no such key in \"branches\"");
    assert_wrong(with("\"services\":[{\"key\":\"s\",\"name\":\"S\",\"duration_minutes\":30,\"staff\":[{\"staff\":\"x\"},{\"staff\":\"x\"}]}]"),
                 "companies[0].services[0].staff[1].staff: another entry has the same\n"
                 "companies[0].services[0].staff[0].staff: this company has no such key in \"staff\"\n"
                 "companies[0].services[0].staff[1].staff: this company has no such key in \"staff\"");
}

static void after_twenty_mistakes_it_is_enough(void **)
{
    char          world[4096];
    struct buffer b = buffer_over(world, sizeof world);
    buffer_add(&b, slice_of("{\"companies\":[0"));
    for (int n = 0; n < 500; n++) buffer_add(&b, slice_of(",0"));
    buffer_add(&b, slice_of("]}"));
    assert_false(check(buffer_slice(&b)));
    size_t lines = 1;
    for (const char *c = told; *c; c++) lines += *c == '\n';
    assert_int_equal(lines, 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_demo_world_and_the_documented_one_are_right),
        cmocka_unit_test(the_least_worlds_are_right),
        cmocka_unit_test(an_unknown_field_is_a_mistake_and_the_nearest_name_is_told),
        cmocka_unit_test(every_mistake_is_named_by_its_path),
        cmocka_unit_test(nothing_is_there_twice),
        cmocka_unit_test(a_reference_leads_somewhere),
        cmocka_unit_test(after_twenty_mistakes_it_is_enough),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
