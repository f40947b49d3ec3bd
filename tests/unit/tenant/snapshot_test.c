/* What the snapshot promises: one way to a tenant, no guesses, secrets only with the right key, and words that mean one thing or nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>
#include "tenant/tenant.h"

static const struct secret_key secret = { { 1, 2, 3 } };
static const struct slice      default_url = slice_of("https://api.cal.com/v2");

/* The sealed hex of a text in its place; one static buffer per call site's index. */
static const char *sealed(int n, const char *context, const char *plain)
{
    static char   hex[8][512];
    char          bytes[256];
    struct buffer b = buffer_over(bytes, sizeof bytes), h = buffer_over(hex[n], sizeof hex[n] - 1);
    assert_true(secret_seal(&secret, slice_from_text(context), slice_from_text(plain), &b));
    hex_print(&h, (const uint8_t *)b.start, b.length);
    hex[n][h.length] = 0;
    return hex[n];
}

static const char *world_json(void)
{
    static char json[16 * 1024];
    int length = snprintf(json, sizeof json,
        "{\"workspaces\":[{\"id\":7,\"key\":\"demo\",\"name\":\"Demo\",\"token\":\"wt_demo\",\"default\":true,\"keys\":[\"%s\",\"%s\"],\"agents\":[\"agent_fri\"]},"
                         "{\"id\":3,\"key\":\"bare\",\"name\":\"Bare\",\"token\":\"wt_bare\",\"default\":false,\"keys\":[],\"agents\":[]}],"
        "\"companies\":[{\"id\":2,\"key\":\"prx\",\"name\":\"Praxis\",\"time_zone\":\"Europe/Vienna\",\"calcom\":null},"
                       "{\"id\":1,\"key\":\"fri\",\"name\":\"Salon\",\"time_zone\":\"Europe/Berlin\",\"calcom\":{\"base_url\":null,\"api_key_sealed\":\"%s\","
                        "\"bookings_version\":null,\"slots_version\":\"2030-01-01\",\"event_types_version\":null}},"
                       "{\"id\":3,\"key\":\"twin\",\"name\":\"Twin\",\"time_zone\":\"Europe/Berlin\",\"calcom\":{\"base_url\":null,\"api_key_sealed\":\"%s\","
                        "\"bookings_version\":null,\"slots_version\":null,\"event_types_version\":null}},"
                       "{\"id\":4,\"key\":\"own\",\"name\":\"Own\",\"time_zone\":\"Europe/Berlin\",\"calcom\":{\"base_url\":\"https://cal.example/v2\",\"api_key_sealed\":\"%s\","
                        "\"bookings_version\":null,\"slots_version\":null,\"event_types_version\":null}}],"
        "\"branches\":[{\"id\":12,\"company_id\":2,\"key\":\"praxis\",\"name\":\"Praxis\",\"time_zone\":\"Europe/Vienna\",\"retell_agent_id\":null,\"calcom_event_type_id\":null},"
                      "{\"id\":11,\"company_id\":1,\"key\":\"berlin\",\"name\":\"Berlin\",\"time_zone\":\"Europe/Berlin\",\"retell_agent_id\":\"agent_fri\",\"calcom_event_type_id\":5001},"
                      "{\"id\":13,\"company_id\":1,\"key\":\"potsdam\",\"name\":\"Potsdam\",\"time_zone\":\"Europe/Berlin\",\"retell_agent_id\":\"agent_x\",\"calcom_event_type_id\":5999}],"
        "\"staff\":[{\"id\":21,\"company_id\":1,\"branch_id\":11,\"key\":\"lena\",\"name\":\"Lena\",\"calcom_user_id\":101},"
                   "{\"id\":22,\"company_id\":1,\"branch_id\":11,\"key\":\"tom\",\"name\":\"Tom Müller\",\"calcom_user_id\":null},"
                   "{\"id\":23,\"company_id\":1,\"branch_id\":13,\"key\":\"ida\",\"name\":\"Ida\",\"calcom_user_id\":103},"
                   "{\"id\":24,\"company_id\":1,\"branch_id\":11,\"key\":\"new\",\"name\":\"Nele\",\"calcom_user_id\":null},"
                   "{\"id\":25,\"company_id\":1,\"branch_id\":11,\"key\":\"lena2\",\"name\":\"LENA\",\"calcom_user_id\":null}],"
        "\"services\":[{\"id\":31,\"company_id\":1,\"key\":\"h\",\"name\":\"Herrenhaarschnitt\",\"synonyms\":[\"Männerhaarschnitt\",\"Schnitt\"],\"duration_minutes\":30,"
                       "\"buffer_before_minutes\":0,\"buffer_after_minutes\":5,\"notice_minutes\":15,\"calcom_event_type_id\":5001},"
                      "{\"id\":32,\"company_id\":1,\"key\":\"d\",\"name\":\"Damenhaarschnitt\",\"synonyms\":[\"Schnitt\"],\"duration_minutes\":60,"
                       "\"buffer_before_minutes\":0,\"buffer_after_minutes\":0,\"notice_minutes\":15,\"calcom_event_type_id\":null},"
                      "{\"id\":33,\"company_id\":1,\"key\":\"w\",\"name\":\"Dauerwelle\",\"synonyms\":[],\"duration_minutes\":135,"
                       "\"buffer_before_minutes\":0,\"buffer_after_minutes\":0,\"notice_minutes\":15,\"calcom_event_type_id\":null},"
                      "{\"id\":34,\"company_id\":1,\"key\":\"t\",\"name\":\"Beratung\",\"synonyms\":[],\"duration_minutes\":15,"
                       "\"buffer_before_minutes\":0,\"buffer_after_minutes\":0,\"notice_minutes\":0,\"calcom_event_type_id\":5010},"
                      "{\"id\":35,\"company_id\":2,\"key\":\"s\",\"name\":\"Sprechstunde\",\"synonyms\":[],\"duration_minutes\":20,"
                       "\"buffer_before_minutes\":0,\"buffer_after_minutes\":5,\"notice_minutes\":15,\"calcom_event_type_id\":6001}],"
        "\"staff_services\":[{\"staff_id\":24,\"service_id\":31,\"calcom_event_type_id\":null},{\"staff_id\":23,\"service_id\":31,\"calcom_event_type_id\":5009},"
                            "{\"staff_id\":22,\"service_id\":31,\"calcom_event_type_id\":5002},{\"staff_id\":21,\"service_id\":31,\"calcom_event_type_id\":5001},"
                            "{\"staff_id\":21,\"service_id\":32,\"calcom_event_type_id\":5007},{\"staff_id\":22,\"service_id\":32,\"calcom_event_type_id\":5007},"
                            "{\"staff_id\":21,\"service_id\":34,\"calcom_event_type_id\":5011},{\"staff_id\":25,\"service_id\":34,\"calcom_event_type_id\":5012}],"
        "\"numbers\":[{\"number\":\"+493023125001\",\"workspace_id\":7,\"branch_id\":11},{\"number\":\"+493023125001\",\"workspace_id\":3,\"branch_id\":12},"
                     "{\"number\":\"+493023125000\",\"workspace_id\":7,\"branch_id\":13}]}",
        sealed(0, "workspace_keys/demo/0", "key_new"), sealed(1, "workspace_keys/demo/1", "key_old"), sealed(2, "companies/fri/calcom_api_key", "cal_shared"),
        sealed(3, "companies/twin/calcom_api_key", "cal_shared"), sealed(4, "companies/own/calcom_api_key", "cal_shared"));
    assert_in_range(length, 1, sizeof json - 1);
    return json;
}

static struct tenant_snapshot *snapshot;

static int load(void **)
{
    struct tenant_error error = {};
    snapshot = tenant_snapshot_parse(slice_from_text(world_json()), &secret, default_url, &error);
    if (!snapshot) print_error("%s\n", error.text);
    return snapshot ? 0 : -1;
}
static int unload(void **)
{
    tenant_snapshot_free(snapshot);
    return 0;
}

static struct e164 number(const char *text)
{
    struct e164 n;
    assert_true(e164_parse(slice_from_text(text), &n));
    return n;
}

#define assert_text(s, literal) assert_true(slice_equal((s), slice_of(literal)))

static void the_way_to_a_branch_is_workspace_and_number_and_no_other(void **)
{
    struct e164 called = number("+493023125001"), unknown = number("+493023125009");
    assert_int_equal(tenant_find_branch(snapshot, 7, &called)->id, 11);
    assert_int_equal(tenant_find_branch(snapshot, 3, &called)->id, 12); /* one number may be another workspace's too */
    assert_null(tenant_find_branch(snapshot, 8, &called));
    assert_null(tenant_find_branch(snapshot, 7, &unknown));
    assert_text(tenant_find_branch(snapshot, 7, &called)->company->key, "fri");
}

static void a_workspace_is_found_by_its_whole_token_and_the_default_by_name(void **)
{
    assert_int_equal(tenant_find_workspace(snapshot, slice_of("wt_bare"))->id, 3);
    assert_null(tenant_find_workspace(snapshot, slice_of("wt_bar")));
    assert_null(tenant_find_workspace(snapshot, slice_of("wt_baree")));
    assert_null(tenant_find_workspace(snapshot, slice_of("")));
    assert_null(tenant_find_workspace(snapshot, slice_absent));
    assert_int_equal(tenant_default_workspace(snapshot)->id, 7);
    assert_int_equal(tenant_workspace_by_id(snapshot, 3)->key_count, 0);
    assert_null(tenant_workspace_by_id(snapshot, 4));
    assert_null(tenant_company_by_id(snapshot, 99));
}

static void keys_are_opened_in_order_and_only_in_their_place(void **)
{
    const struct workspace *w = tenant_default_workspace(snapshot);
    assert_int_equal(w->key_count, 2);
    assert_text(w->keys[0], "key_new");
    assert_text(w->keys[1], "key_old");

    struct tenant_error     error;
    const struct secret_key other = { { 9 } };
    assert_null(tenant_snapshot_parse(slice_from_text(world_json()), &other, default_url, &error));
    assert_non_null(strstr(error.text, "workspaces[0].keys: does not open"));

    char *moved = strdup(world_json()); /* the key of one workspace copied to another */
    memcpy(strstr(moved, "\"demo\""), "\"dem0\"", 6);
    assert_null(tenant_snapshot_parse(slice_from_text(moved), &secret, default_url, &error));
    assert_non_null(strstr(error.text, "workspaces[0].keys"));
    free(moved);
}

static void companies_with_one_key_share_a_credential_and_another_server_is_another(void **)
{
    const struct credential *fri = tenant_company_by_id(snapshot, 1)->credential, *twin = tenant_company_by_id(snapshot, 3)->credential;
    const struct credential *own = tenant_company_by_id(snapshot, 4)->credential;
    assert_null(tenant_company_by_id(snapshot, 2)->credential);
    assert_true(hash128_equal(fri->key, twin->key));
    assert_false(hash128_equal(fri->key, own->key));
    assert_true(slice_equal(fri->base_url, default_url));
    assert_text(own->base_url, "https://cal.example/v2");
    assert_text(fri->api_key, "cal_shared");
    assert_text(fri->bookings_version, "2024-08-13");
    assert_text(fri->slots_version, "2030-01-01");
    assert_int_equal(fri->company_id, 1);
}

struct wish { int64_t branch_id; const char *service, *staff; enum service_match match; int64_t service_id, staff_id, event_type_id; };

static void words_mean_one_service_and_one_event_type_or_nothing(void **)
{
    static const struct wish table[] = {
        { 11, "Herrenhaarschnitt", nullptr, SERVICE_FOUND, 31, 22, 5002 }, /* the first who is mapped and of this branch */
        { 13, "Herrenhaarschnitt", "", SERVICE_FOUND, 31, 23, 5009 },
        { 11, " HERREN\xc2\xadhaarschnitt ", nullptr, SERVICE_FOUND, 31, 22, 5002 }, /* a soft hyphen is no letter */
        { 11, "maennerhaarschnitt", "lena", SERVICE_FOUND, 31, 21, 5001 },
        { 11, "Männerhaarschnitt", "Tom  Mueller", SERVICE_FOUND, 31, 22, 5002 },
        { 11, "Damenhaarschnitt", nullptr, SERVICE_FOUND, 32, 0, 5007 }, /* a team's event type: whoever it is of */
        { 11, "Damenhaarschnitt", "Tom Müller", STAFF_NOT_MAPPED, 32, 0, 0 }, /* of that team it could become Lena */
        { 13, "Beratung", nullptr, SERVICE_FOUND, 34, 0, 5010 }, /* nobody of this branch: the service's own */
        { 11, "Herrenhaar", nullptr, SERVICE_UNKNOWN, 0, 0, 0 },
        { 11, "Sprechstunde", nullptr, SERVICE_UNKNOWN, 0, 0, 0 }, /* another company's */
        { 11, "Schnitt", nullptr, SERVICE_AMBIGUOUS, 0, 0, 0 },
        { 11, "Dauerwelle", nullptr, SERVICE_NOT_MAPPED, 33, 0, 0 },
        { 11, "Dauerwelle", "Lena", STAFF_UNKNOWN, 33, 0, 0 },
        { 11, "Herrenhaarschnitt", "Nele", STAFF_NOT_MAPPED, 31, 0, 0 },
        { 11, "Herrenhaarschnitt", "Ida", STAFF_UNKNOWN, 31, 0, 0 }, /* of the other branch */
        { 11, "Herrenhaarschnitt", "Tom", STAFF_UNKNOWN, 31, 0, 0 },
        { 11, "Beratung", "Lena", STAFF_AMBIGUOUS, 34, 0, 0 }, /* two of that name do it */
        { 11, nullptr, nullptr, SERVICE_UNNAMED_DEFAULT, 31, 21, 5001 },
        { 11, "  ", "Tom Müller", SERVICE_UNNAMED_DEFAULT, 31, 22, 5002 },
        { 11, nullptr, "Niemand", STAFF_UNKNOWN, 31, 0, 0 },
        { 13, nullptr, nullptr, SERVICE_UNNAMED_DEFAULT, 0, 0, 5999 }, /* an event type that is no service's */
        { 13, nullptr, "Ida", STAFF_UNKNOWN, 0, 0, 0 },
        { 12, nullptr, nullptr, SERVICE_NONE, 0, 0, 0 },
        { 12, "Sprechstunde", nullptr, SERVICE_FOUND, 35, 0, 6001 },
    };
    for (size_t n = 0; n < sizeof table / sizeof *table; n++) {
        const struct wish    *w = &table[n];
        struct service_choice c = tenant_choose_service(snapshot, tenant_branch_by_id(snapshot, w->branch_id), slice_from_text(w->service), slice_from_text(w->staff));
        if (c.match != w->match || (c.service ? c.service->id : 0) != w->service_id || (c.staff ? c.staff->id : 0) != w->staff_id || c.calcom_event_type_id != w->event_type_id)
            fail_msg("row %zu: match %d, service %lld, staff %lld, event type %lld", n, c.match, (long long)(c.service ? c.service->id : 0),
                     (long long)(c.staff ? c.staff->id : 0), (long long)c.calcom_event_type_id);
    }
}

static void a_name_without_end_matches_nothing(void **)
{
    static char endless[64 * 1024];
    memset(endless, 'h', sizeof endless);
    assert_int_equal(tenant_choose_service(snapshot, tenant_branch_by_id(snapshot, 11), slice_from(endless, sizeof endless), slice_absent).match, SERVICE_UNKNOWN);
    assert_int_equal(tenant_choose_service(snapshot, tenant_branch_by_id(snapshot, 11), slice_of("Dauerwelle"), slice_from(endless, sizeof endless)).match, STAFF_UNKNOWN);
}

static void collect(void *context, int64_t company_id, struct slice subject, const char *gap)
{
    buffer_print(context, "%d " SLICE_FORMAT " %s\n", (int)company_id, slice_print(subject), gap);
}

static void what_is_missing_is_said_as_exactly_that(void **)
{
    char          memory[4096];
    struct buffer told = buffer_over(memory, sizeof memory);
    tenant_find_gaps(snapshot, collect, &told);
    buffer_add_byte(&told, 0);
    assert_string_equal(memory,
                        "0 workspace bare has no Retell API key: none of its webhooks is accepted\n"
                        "2 company prx has no Cal.com API key: nothing can be booked\n"
                        "2 branch prx/praxis has no Retell agent id\n"
                        "2 branch prx/praxis has no Cal.com event type: a caller who names no service cannot be booked\n"
                        "1 branch fri/potsdam has a Retell agent id that its workspace does not list\n"
                        "1 service fri/w has no Cal.com event type, nor has any of its staff for it\n");
}

static void a_configuration_that_contradicts_itself_is_not_taken(void **)
{
    static const struct { const char *from, *to, *error; } table[] = {
        { "\"branch_id\":12}", "\"branch_id\":99}", "numbers[1].branch_id: no such branch" },
        { "\"staff_id\":24", "\"staff_id\":99", "staff_services[0].staff_id: no such staff member" },
        { "\"service_id\":34", "\"service_id\":35", "staff_services[6].service_id: of another company" },
        { "\"company_id\":2,\"key\":\"praxis\"", "\"company_id\":9,\"key\":\"praxis\"", "branches[0].company_id: no such company" },
        { "\"number\":\"+4", "\"number\":\"x4", "numbers[0].number: not a phone number" },
        { "\"staff\":[", "\"stuff\":[", "staff[0].length: not a list" },
        { "\"name\":\"Ida\"", "\"name\":null ", "staff[2].name: not a text" },
        { "\"id\":21,", "\"id\":-1,", "staff[0].id: not an id" },
        { "{\"workspaces\"", "[\"workspaces\"", "snapshot[0].json" },
    };
    for (size_t n = 0; n < sizeof table / sizeof *table; n++) {
        struct tenant_error error = {};
        char *broken = strdup(world_json());
        char *at = strstr(broken, table[n].from);
        assert_non_null(at);
        assert_int_equal(strlen(table[n].from), strlen(table[n].to));
        memcpy(at, table[n].to, strlen(table[n].to));
        assert_null(tenant_snapshot_parse(slice_from_text(broken), &secret, default_url, &error));
        if (!strstr(error.text, table[n].error)) fail_msg("row %zu: %s", n, error.text);
        free(broken);
    }
}

/* What a caller who names no service is booked: own event types before those of the staff, the first of several, and nothing of another company. */
static void a_branch_finds_the_service_of_its_event_type(void **)
{
#define COMPANY(id) "{\"id\":" id ",\"key\":\"c" id "\",\"name\":\"C\",\"time_zone\":\"Europe/Berlin\",\"calcom\":null}"
#define BRANCH(id, company, type) \
    "{\"id\":" id ",\"company_id\":" company ",\"key\":\"b" id "\",\"name\":\"B\",\"time_zone\":\"Europe/Berlin\",\"retell_agent_id\":null,\"calcom_event_type_id\":" type "}"
#define SERVICE(id, company, type) \
    "{\"id\":" id ",\"company_id\":" company ",\"key\":\"s" id "\",\"name\":\"S\",\"synonyms\":[],\"duration_minutes\":30,\"buffer_before_minutes\":0," \
    "\"buffer_after_minutes\":0,\"notice_minutes\":0,\"calcom_event_type_id\":" type "}"
    static const char json[] = "{\"workspaces\":[],\"numbers\":[],\"companies\":[" COMPANY("1") "," COMPANY("2") "],"
        "\"branches\":[" BRANCH("11", "1", "70") "," BRANCH("12", "1", "71") "," BRANCH("13", "1", "70") "," BRANCH("14", "2", "70") "," BRANCH("15", "1", "null") "," BRANCH("16", "1", "72") "],"
        "\"staff\":[{\"id\":21,\"company_id\":1,\"branch_id\":11,\"key\":\"l\",\"name\":\"L\",\"calcom_user_id\":null}],"
        "\"services\":[" SERVICE("31", "1", "null") "," SERVICE("32", "1", "70") "," SERVICE("33", "1", "70") "],"
        "\"staff_services\":[{\"staff_id\":21,\"service_id\":31,\"calcom_event_type_id\":70},{\"staff_id\":21,\"service_id\":32,\"calcom_event_type_id\":null},"
                            "{\"staff_id\":21,\"service_id\":33,\"calcom_event_type_id\":71}]}";
    static const int64_t expected[][2] = { { 11, 32 }, { 12, 33 }, { 13, 32 }, { 14, 0 }, { 15, 0 }, { 16, 0 } };
    struct tenant_error     error;
    struct tenant_snapshot *s = tenant_snapshot_parse(slice_from_text(json), &secret, default_url, &error);
    if (!s) fail_msg("%s", error.text);
    for (size_t n = 0; n < sizeof expected / sizeof *expected; n++)
        assert_int_equal(tenant_branch_by_id(s, expected[n][0])->default_service_id, expected[n][1]);
    tenant_snapshot_free(s);
}

static void an_empty_world_is_a_world(void **)
{
    struct tenant_error     error;
    struct tenant_snapshot *s = tenant_snapshot_parse(slice_of("{\"workspaces\":[],\"companies\":[],\"branches\":[],\"staff\":[],\"services\":[],\"staff_services\":[],\"numbers\":[]}"),
                                                      &secret, default_url, &error);
    struct e164 called = number("+493023125001");
    assert_non_null(s);
    assert_null(tenant_find_branch(s, 1, &called));
    assert_null(tenant_default_workspace(s));
    assert_null(tenant_branch_by_id(s, 1));
    tenant_snapshot_free(s);
    tenant_snapshot_free(nullptr);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_way_to_a_branch_is_workspace_and_number_and_no_other),
        cmocka_unit_test(a_workspace_is_found_by_its_whole_token_and_the_default_by_name),
        cmocka_unit_test(keys_are_opened_in_order_and_only_in_their_place),
        cmocka_unit_test(companies_with_one_key_share_a_credential_and_another_server_is_another),
        cmocka_unit_test(words_mean_one_service_and_one_event_type_or_nothing),
        cmocka_unit_test(a_name_without_end_matches_nothing),
        cmocka_unit_test(what_is_missing_is_said_as_exactly_that),
        cmocka_unit_test(a_configuration_that_contradicts_itself_is_not_taken),
        cmocka_unit_test(a_branch_finds_the_service_of_its_event_type),
        cmocka_unit_test(an_empty_world_is_a_world),
    };
    return cmocka_run_group_tests(tests, load, unload);
}
