/* What provisioning promises, against a real PostgreSQL: one file makes a world that the engine can load; a second run changes nothing; a dry run says
 * the same and changes nothing; a mistake changes nothing; no secret and no customer's data is ever in a line. */
#include "../db/database.h"
#include "limits.h"
#include "tenant/provision.h"
#include "tenant/tenant.h"

static const struct secret_key secret = { { 7 } }, other_secret = { { 8 } };

static struct heap             heap = { .budget_bytes = 64 * 1024 * 1024 };
static char                    said[256 * 1024], wrong[4096];
static struct buffer           lines;
static struct provision_report report;

static void keep_line(void *context, const char *line) { buffer_print(context, "%s\n", line); }

static bool run_with(const struct secret_key *key, const char *text, bool dry_run)
{
    struct json_error     json_error;
    struct json_document *d = json_parse(slice_from_text(text), &heap, &json_error);
    if (!d) fail_msg("not JSON: %s", text);
    struct buffer error = buffer_over(wrong, sizeof wrong - 1);
    lines = buffer_over(said, sizeof said - 1);
    bool done = provision(database.owner, json_root(d), key, dry_run, keep_line, &lines, &report, &error);
    assert_false(lines.overflowed);
    said[lines.length] = 0;
    wrong[error.length] = 0;
    json_release(d, &heap);
    return done;
}
static bool run(const char *text) { return run_with(&secret, text, false); }

static void assert_run(const char *text, const char *expected)
{
    if (!run(text)) fail_msg("%s", wrong);
    if (strcmp(said, expected) != 0) fail_msg("\n%s\nis not\n%s", said, expected);
}

static const char *demo(void)
{
    static char text[256 * 1024];
    FILE       *f = fopen("deploy/worlds/demo.json", "r");
    assert_non_null(f);
    text[fread(text, 1, sizeof text - 1, f)] = 0;
    fclose(f);
    return text;
}

/* The demo world with one text in it replaced. */
static const char *demo_with(const char *from, const char *to)
{
    static char text[256 * 1024];
    const char *whole = demo(), *at = strstr(whole, from);
    if (!at) fail_msg("the demo world has no %s", from);
    snprintf(text, sizeof text, "%.*s%s%s", (int)(at - whole), whole, to, at + strlen(from));
    return text;
}

/* Everything that provisioning writes, as one text. Sealed bytes are left out: they differ every time. */
static const char *rows_of_the_world(void)
{
    return value(database.owner, "SELECT md5(concat((SELECT string_agg(w::text, ',' ORDER BY w.id) FROM workspaces w), (SELECT string_agg(k.workspace_id || '/' || k.position, ',' "
                                 "ORDER BY 1) FROM workspace_keys k), (SELECT string_agg(a::text, ',' ORDER BY a::text) FROM workspace_agents a), (SELECT string_agg(concat_ws(',', c.id, c.key, "
                                 "c.name, c.time_zone, c.calcom_base_url), ',' ORDER BY c.id) FROM companies c), (SELECT string_agg(b::text, ',' ORDER BY b.id) FROM branches b), "
                                 "(SELECT string_agg(n::text, ',' ORDER BY n::text) FROM phone_numbers n), (SELECT string_agg(s::text, ',' ORDER BY s.id) FROM staff s), "
                                 "(SELECT string_agg(e::text, ',' ORDER BY e.id) FROM event_types e), (SELECT string_agg(x::text, ',' ORDER BY x::text) FROM staff_event_types x), "
                                 "(SELECT string_agg(c::text, ',' ORDER BY c.id) FROM customers c)))");
}

/* As the engine does: through the definer function, as the runtime role, which may see nothing else. */
static struct tenant_snapshot *load(void)
{
    struct tenant_error     error;
    struct db_admin_error   db_error;
    struct db_admin        *runtime = open_or_fail(database.runtime_url);
    struct db_rows         *rows = db_admin_query(runtime, "SELECT tenant_snapshot()", nullptr, 0, &db_error);
    if (!rows) fail_msg("%s", db_error.text);
    struct tenant_snapshot *s = tenant_snapshot_parse(db_rows_text(rows, 0, 0), &secret, slice_of("https://api.cal.com/v2"), &error);
    if (!s) fail_msg("%s", error.text);
    db_rows_free(rows);
    db_admin_close(runtime);
    return s;
}

static int open_provisioned(void **)
{
    database_create_empty();
    migrate_or_fail();
    return run(demo()) ? 0 : -1;
}

static void a_new_world_is_added_and_the_second_run_changes_nothing(void **)
{
    assert_int_equal(report.added, 1 + 2 + 2 + 3 + 4 + 1 + 2); /* workspace, companies, branches, staff, services, customer, numbers */
    assert_int_equal(report.changed, 0);
    assert_non_null(strstr(said, "branch fri/berlin: added\n"));
    assert_non_null(strstr(said, "number demo/+493023125001: added\n"));
    assert_run(demo(), "");
    assert_int_equal(report.added + report.changed, 0);
    assert_int_equal(report.unchanged, 15);
}

static void the_engine_loads_what_was_provisioned(void **)
{
    struct tenant_snapshot *s = load();
    struct e164             called;
    assert_true(e164_parse(slice_of("+493023125001"), &called));
    const struct workspace *w = tenant_default_workspace(s);
    assert_true(slice_equal(w->token, slice_of("wt_demo_5f1c0a7e2b")));
    assert_true(slice_equal(w->keys[0], slice_of("key_demo_0123456789abcdef0123456789")));
    assert_int_equal(w->agent_count, 2);

    const struct branch *b = tenant_find_branch(s, w->id, &called);
    assert_true(slice_equal(b->key, slice_of("berlin")));
    assert_true(slice_equal(b->company->credential->api_key, slice_of("cal_demo_fri_key")));
    struct service_choice c = tenant_choose_service(s, b, slice_of("maennerhaarschnitt"), slice_of("TOM"));
    assert_int_equal(c.match, SERVICE_FOUND);
    assert_int_equal(c.calcom_event_type_id, 5002);
    assert_int_equal(c.service->notice_minutes, 15);
    assert_int_equal(tenant_choose_service(s, b, slice_absent, slice_absent).calcom_event_type_id, 5001);
    tenant_snapshot_free(s);
}

static void collect_gap(void *context, int64_t company_id, struct slice subject, const char *gap)
{
    buffer_print(context, "%lld " SLICE_FORMAT " %s\n", (long long)company_id, slice_print(subject), gap);
}

static void the_demo_world_has_no_gaps_worth_telling(void **)
{
    struct tenant_snapshot *s = load();
    char                    memory[1024];
    struct buffer           gaps = buffer_over(memory, sizeof memory);
    tenant_find_gaps(s, collect_gap, &gaps);
    assert_int_equal(gaps.length, 0);
    tenant_snapshot_free(s);
}

static void a_change_is_said_as_before_and_after(void **)
{
    assert_run(demo_with("\"time_zone\": \"Europe/Berlin\",\n          \"workspace\"", "\"time_zone\": \"Europe/Vienna\",\n          \"workspace\""),
               "branch fri/berlin: time_zone Europe/Berlin → Europe/Vienna\n");
    assert_int_equal(report.changed, 1);
    assert_run(demo_with("\"calcom_event_type_id\": 6001,\n          \"opening", "\"calcom_event_type_id\": null,\n          \"opening"),
               "branch fri/berlin: time_zone Europe/Vienna → Europe/Berlin\nbranch prx/praxis: calcom_event_type_id 6001 → (none)\n");
    assert_run(demo_with("[\"Herrenschnitt\", \"Männerhaarschnitt\"]", "[\"Herrenschnitt\"]"),
               "service fri/herrenhaarschnitt: synonyms Herrenschnitt, Männerhaarschnitt → Herrenschnitt\nbranch prx/praxis: calcom_event_type_id (none) → 6001\n");
    assert_run(demo(), "service fri/herrenhaarschnitt: synonyms Herrenschnitt → Herrenschnitt, Männerhaarschnitt\n");
}

static void what_the_file_does_not_have_stays(void **)
{
    const char *before = rows_of_the_world();
    assert_run("{\"companies\":[{\"key\":\"fri\",\"name\":\"Salon FRI\",\"time_zone\":\"Europe/Berlin\",\"staff\":[{\"key\":\"lena\",\"name\":\"Lena\",\"branch\":\"berlin\"}],"
               "\"branches\":[{\"key\":\"berlin\",\"name\":\"FRI Berlin\",\"time_zone\":\"Europe/Berlin\"}],\"services\":[]}]}", "");
    assert_string_equal(rows_of_the_world(), before);
}

static void lists_become_equal_to_the_file(void **)
{
    assert_run("{\"workspaces\":[{\"key\":\"demo\",\"name\":\"Demo workspace\",\"token\":\"wt_demo_5f1c0a7e2b\",\"retell_api_keys\":[\"new\",\"key_demo_0123456789abcdef0123456789\"],"
               "\"agents\":[\"agent_b\",\"agent_a\"]}]}",
               "workspace demo: keys changed, agents [agent_demo_fri_0001, agent_demo_prx_0001] → [agent_a, agent_b]\n");
    assert_string_equal(value(database.owner, "SELECT count(*) FROM workspace_keys"), "2");
    assert_run(demo_with("{ \"staff\": \"lena\", \"calcom_event_type_id\": 5001 },", ""), /* and back again, all but one */
               "workspace demo: keys changed, agents [agent_a, agent_b] → [agent_demo_fri_0001, agent_demo_prx_0001]\n"
               "service fri/herrenhaarschnitt: staff [lena 5001, tom 5002] → [tom 5002]\n");
    assert_run(demo_with("[\"+493023125002\"]", "[\"+493023125003\"]"),
               "service fri/herrenhaarschnitt: staff [tom 5002] → [lena 5001, tom 5002]\nnumber demo/+493023125003: added\nnumber demo/+493023125002: removed from branch prx/praxis\n");
    assert_run(demo(), "number demo/+493023125002: added\nnumber demo/+493023125003: removed from branch prx/praxis\n");
}

/* Each list that docs/WORLD_FILE.md allows, at its longest: none is cut on its way into the database. */
static void the_longest_lists_go_in_whole(void **)
{
    static char   text[2 * 1024 * 1024];
    struct buffer b = buffer_over(text, sizeof text - 1);
    buffer_print(&b, "{\"workspaces\":[{\"key\":\"long\",\"name\":\"Long\",\"token\":\"wt_long_long\",\"agents\":[");
    for (uint32_t n = 0; n < 1000; n++) {
        buffer_print(&b, "%s\"%04u", n > 0 ? "," : "", n);
        for (uint32_t c = 4; c < world_text_bytes_max; c++) buffer_print(&b, "\\\""); /* the only two that take more room in JSON */
        buffer_print(&b, "\"");
    }
    buffer_print(&b, "]}],\"companies\":[{\"key\":\"long\",\"name\":\"Long\",\"time_zone\":\"Europe/Berlin\","
                     "\"branches\":[{\"key\":\"b\",\"name\":\"B\",\"time_zone\":\"Europe/Berlin\"}],\"staff\":[");
    for (uint32_t n = 0; n < 1000; n++) buffer_print(&b, "%s{\"key\":\"%064u\",\"name\":\"S\",\"branch\":\"b\"}", n > 0 ? "," : "", n);
    buffer_print(&b, "],\"services\":[{\"key\":\"s\",\"name\":\"S\",\"duration_minutes\":30,\"staff\":[");
    for (uint32_t n = 0; n < 1000; n++) buffer_print(&b, "%s{\"staff\":\"%064u\",\"calcom_event_type_id\":%llu}", n > 0 ? "," : "", n, 1LLU << 53);
    buffer_print(&b, "]}]}]}");
    assert_false(b.overflowed);
    text[b.length] = 0;

    if (!run_with(&secret, text, false)) fail_msg("%s", wrong);
    assert_string_equal(value(database.owner, "SELECT sum(length(agent_id)) FROM workspace_agents a JOIN workspaces w ON w.id = a.workspace_id WHERE w.key = 'long'"), "200000");
    assert_string_equal(value(database.owner, "SELECT count(*) FROM staff_event_types x JOIN companies c ON c.id = x.company_id WHERE c.key = 'long'"), "1000");
    script(database.owner, "DELETE FROM companies WHERE key = 'long'; DELETE FROM workspaces WHERE key = 'long'");
}

static void a_number_that_moves_is_said_to_move_and_two_may_swap(void **)
{
    char swapped[64 * 1024];
    snprintf(swapped, sizeof swapped, "%s", demo_with("[\"+493023125001\"]", "[\"+493023125009\"]"));
    memcpy(strstr(swapped, "+493023125002"), "+493023125001", 13);
    memcpy(strstr(swapped, "+493023125009"), "+493023125002", 13);
    assert_run(swapped, "number demo/+493023125002: branch prx/praxis → fri/berlin\nnumber demo/+493023125001: branch fri/berlin → prx/praxis\n");
    assert_run(demo(), "number demo/+493023125001: branch prx/praxis → fri/berlin\nnumber demo/+493023125002: branch fri/berlin → prx/praxis\n");
}

static void secrets_are_sealed_compared_opened_and_never_said(void **)
{
    assert_run(demo_with("\"calcom\": { \"api_key\": \"cal_demo_fri_key\" }", "\"calcom\": { \"api_key\": \"cal_other_key\", \"base_url\": \"https://cal.example/v2\" }"),
               "company fri: base_url (none) → https://cal.example/v2, calcom.api_key changed\n");
    assert_run(demo_with("\"calcom\": { \"api_key\": \"cal_demo_fri_key\" }", "\"calcom\": null"), "company fri: calcom removed\n");
    assert_run(demo_with("\"calcom\": { \"api_key\": \"cal_demo_fri_key\" }", "\"calcom\": null"), "");
    assert_run(demo(), "company fri: calcom.api_key changed\n");
    assert_run(demo_with("wt_demo_5f1c0a7e2b", "wt_demo_other"), "workspace demo: token changed\n");
    assert_run(demo(), "workspace demo: token changed\n");
    assert_string_equal(value(database.owner, "SELECT count(*) FROM workspace_keys WHERE position(convert_to('key_demo', 'UTF8') IN sealed) > 0"), "0");
}

static void another_secret_key_seals_anew(void **)
{
    assert_true(run_with(&other_secret, demo(), false));
    assert_string_equal(said, "workspace demo: keys changed\ncompany fri: calcom.api_key changed\ncompany prx: calcom.api_key changed\n");
    assert_run(demo(), "workspace demo: keys changed\ncompany fri: calcom.api_key changed\ncompany prx: calcom.api_key changed\n");
}

static void a_dry_run_says_the_same_and_changes_nothing(void **)
{
    const char *before = rows_of_the_world();
    char        dry[4096];
    const char *world = demo_with("\"name\": \"Lena\", \"branch\"", "\"name\": \"Helena\", \"branch\"");
    assert_true(run_with(&secret, world, true));
    snprintf(dry, sizeof dry, "%s", said);
    assert_string_equal(dry, "staff fri/lena: name Lena → Helena\n");
    assert_string_equal(rows_of_the_world(), before);
    assert_run(world, dry);
    assert_run(demo(), "staff fri/lena: name Helena → Lena\n");
}

static void a_mistake_anywhere_changes_nothing_at_all(void **)
{
    const char *before = rows_of_the_world();
    assert_false(run(demo_with("\"name\": \"Demo workspace\"", "\"name\": \"Other\", \"nmae\": 1")));
    assert_string_equal(wrong, "workspaces[0]: unknown field \"nmae\": did you mean \"name\"?");

    /* Only the database can see these, and only after others were written. */
    assert_false(run("{\"companies\":[{\"key\":\"neu\",\"name\":\"Neu\",\"time_zone\":\"UTC\",\"branches\":[{\"key\":\"b\",\"name\":\"B\",\"time_zone\":\"UTC\",\"workspace\":\"nowhere\","
                     "\"phone_numbers\":[\"+493023125007\"]}]}]}"));
    assert_string_equal(wrong, "companies[0].branches[0].workspace: neither the file nor the database has a workspace \"nowhere\"");
    assert_false(run("{\"companies\":[{\"key\":\"neu\",\"name\":\"Neu\",\"time_zone\":\"UTC\"}],\"workspaces\":[{\"key\":\"w2\",\"name\":\"W\",\"token\":\"wt_demo_5f1c0a7e2b\"}]}"));
    assert_non_null(strstr(wrong, "workspace w2: "));
    assert_null(strstr(wrong, "wt_demo_5f1c0a7e2b"));
    assert_string_equal(rows_of_the_world(), before);
    assert_run(demo(), ""); /* and the connection is usable */
}

static void the_default_moves_from_one_workspace_to_another(void **)
{
    assert_run("{\"workspaces\":[{\"key\":\"second\",\"name\":\"Second\",\"token\":\"wt_second\",\"default\":true}]}",
               "workspace demo: default true → false\nworkspace second: added\n");
    assert_run(demo(), "workspace second: default true → false\nworkspace demo: default false → true\n");
    script(database.owner, "DELETE FROM workspaces WHERE key = 'second'");
}

static void a_branch_may_use_a_workspace_that_only_the_database_has(void **)
{
    assert_run("{\"companies\":[{\"key\":\"neu\",\"name\":\"Neu\",\"time_zone\":\"UTC\",\"branches\":[{\"key\":\"b\",\"name\":\"B\",\"time_zone\":\"UTC\",\"workspace\":\"demo\","
               "\"phone_numbers\":[\"+493023125007\"]}]}]}",
               "company neu: added\nbranch neu/b: added\nnumber demo/+493023125007: added\n");
    script(database.owner, "DELETE FROM companies WHERE key = 'neu'");
}

static void a_caller_who_is_known_by_his_number_becomes_the_customer(void **)
{
    script(database.owner, "INSERT INTO customers (company_id, phone) SELECT id, '+491713920002' FROM companies WHERE key = 'fri'");
    assert_run(demo_with("\"customers\": [\n", "\"customers\": [\n{ \"key\": \"k2\", \"name\": \"Erika Beispiel\", \"phone\": \"+491713920002\" },\n"),
               "customer fri/k2: is the caller already known by this number, name changed\n");
    assert_string_equal(value(database.owner, "SELECT count(*) || min(name) FROM customers WHERE phone = '+491713920002'"), "1Erika Beispiel");
    assert_null(strstr(said, "Erika"));
    assert_null(strstr(said, "+49171"));
    assert_run(demo(), "");
}

static void a_second_run_writes_no_row_so_nobody_is_notified(void **)
{
    const char *xmin = "SELECT string_agg(xmin::text, ',') FROM branches";
    const char *before = value(database.owner, "%s", xmin);
    assert_run(demo(), "");
    assert_string_equal(value(database.owner, "%s", xmin), before); /* not a row is written, so no trigger fires */
}

int main(int, char **arguments)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_new_world_is_added_and_the_second_run_changes_nothing),
        cmocka_unit_test(the_engine_loads_what_was_provisioned),
        cmocka_unit_test(the_demo_world_has_no_gaps_worth_telling),
        cmocka_unit_test(a_change_is_said_as_before_and_after),
        cmocka_unit_test(what_the_file_does_not_have_stays),
        cmocka_unit_test(lists_become_equal_to_the_file),
        cmocka_unit_test(the_longest_lists_go_in_whole),
        cmocka_unit_test(a_number_that_moves_is_said_to_move_and_two_may_swap),
        cmocka_unit_test(secrets_are_sealed_compared_opened_and_never_said),
        cmocka_unit_test(another_secret_key_seals_anew),
        cmocka_unit_test(a_dry_run_says_the_same_and_changes_nothing),
        cmocka_unit_test(a_mistake_anywhere_changes_nothing_at_all),
        cmocka_unit_test(the_default_moves_from_one_workspace_to_another),
        cmocka_unit_test(a_branch_may_use_a_workspace_that_only_the_database_has),
        cmocka_unit_test(a_caller_who_is_known_by_his_number_becomes_the_customer),
        cmocka_unit_test(a_second_run_writes_no_row_so_nobody_is_notified),
    };
    need_postgres(arguments);
    return cmocka_run_group_tests(tests, open_provisioned, close_database);
}
