/* What fault rules promise: they hit the requests they name, no others, and a seed hits the same ones in every run. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "base/ensure.h"
#include "sim/faults.h"
#include "sim/routes.h"

static struct sim_faults with(const char *rule)
{
    static struct heap heap = { .budget_bytes = 1 << 20 };
    struct sim_faults f = { 0 };
    struct sim_fault_rule added;
    struct sim_refusal refusal;
    struct json_error error;
    struct json_document *d = json_parse(slice_from_text(rule), &heap, &error);
    ensure(d);
    bool taken = faults_add(&f, json_root(d), &added, &refusal);
    json_release(d, &heap);
    if (!taken) f.rule_count = UINT32_MAX;
    return f;
}

static bool is_refused(const char *rule) { return with(rule).rule_count == UINT32_MAX; }

static void hits_the_nth_request_and_so_many_after_it(void **)
{
    struct sim_faults f = with("{\"endpoint\":\"create_booking\",\"fault\":\"commit_then_no_reply\",\"nth\":2,\"count\":2}");
    const enum sim_fault wanted[] = { SIM_FAULT_NO_FAULT, SIM_FAULT_COMMIT_THEN_NO_REPLY, SIM_FAULT_COMMIT_THEN_NO_REPLY, SIM_FAULT_NO_FAULT };
    for (int i = 0; i < 4; i++) assert_int_equal(faults_meet(&f, SIM_CREATE_BOOKING).fault, wanted[i]);
}

static void counts_only_its_own_endpoint(void **)
{
    struct sim_faults f = with("{\"endpoint\":\"create_booking\",\"fault\":\"commit_then_reset\"}");
    for (int i = 0; i < 5; i++) assert_int_equal(faults_meet(&f, SIM_LIST_BOOKINGS).fault, SIM_FAULT_NO_FAULT);
    assert_int_equal(faults_meet(&f, SIM_CREATE_BOOKING).fault, SIM_FAULT_COMMIT_THEN_RESET);
}

static void any_endpoint_and_count_zero_hit_everything(void **)
{
    struct sim_faults f = with("{\"fault\":\"error_before_commit\",\"status\":503,\"count\":0}");
    for (int i = 0; i < 10; i++) {
        struct sim_behaviour b = faults_meet(&f, i % 2 ? SIM_SLOTS : SIM_CREATE_BOOKING);
        assert_true(b.gives_up_before_check && b.status == 503);
    }
}

static uint64_t pattern_of(const char *rule)
{
    struct sim_faults f = with(rule);
    uint64_t pattern = 0;
    for (int i = 0; i < 64; i++) pattern = pattern << 1 | (faults_meet(&f, SIM_CREATE_BOOKING).fault != SIM_FAULT_NO_FAULT);
    return pattern;
}

static void a_seed_hits_the_same_requests_in_every_run_and_another_seed_others(void **)
{
    uint64_t seven = pattern_of("{\"seed\":7,\"rate\":0.3,\"faults\":[\"late_commit\",\"truncated\"]}");
    assert_true(seven == pattern_of("{\"seed\":7,\"rate\":0.3,\"faults\":[\"late_commit\",\"truncated\"]}"));
    assert_true(seven != pattern_of("{\"seed\":8,\"rate\":0.3,\"faults\":[\"late_commit\",\"truncated\"]}"));
    int hits = __builtin_popcountll(seven);
    assert_in_range(hits, 8, 32); /* 19 expected */
}

static void rates_of_zero_and_one_are_never_and_always(void **)
{
    assert_true(pattern_of("{\"seed\":7,\"rate\":0,\"faults\":[\"late_commit\"]}") == 0);
    assert_true(pattern_of("{\"seed\":7,\"rate\":1,\"faults\":[\"late_commit\"]}") == UINT64_MAX);
}

static void a_seeded_rule_chooses_among_its_faults_and_no_others(void **)
{
    struct sim_faults f = with("{\"seed\":1,\"rate\":1,\"faults\":[\"vanishes\",\"truncated\"]}");
    uint32_t vanished = 0, truncated = 0;
    for (int i = 0; i < 100; i++) {
        enum sim_fault fault = faults_meet(&f, SIM_CREATE_BOOKING).fault;
        vanished += fault == SIM_FAULT_VANISHES;
        truncated += fault == SIM_FAULT_TRUNCATED;
    }
    assert_int_equal(vanished + truncated, 100);
    assert_true(vanished > 20 && truncated > 20);
}

static void every_fault_has_a_name_that_is_understood(void **)
{
    for (uint32_t i = 0; i < SIM_FAULT_COUNT; i++) {
        char rule[128];
        snprintf(rule, sizeof rule, "{\"fault\":\"%s\"}", sim_fault_name((enum sim_fault)i));
        struct sim_faults f = with(rule);
        assert_true(f.rule_count != UINT32_MAX);
        if (sim_fault_is_of_the_port((enum sim_fault)i)) continue;
        assert_int_equal(faults_meet(&f, sim_fault_is_of_webhooks((enum sim_fault)i) ? SIM_WEBHOOK : SIM_ME).fault, i);
    }
}

static void faults_of_webhooks_are_for_the_webhooks_unless_an_endpoint_is_named(void **)
{
    struct sim_faults f = with("{\"fault\":\"webhook_lost\"}");
    assert_int_equal(faults_meet(&f, SIM_CREATE_BOOKING).fault, SIM_FAULT_NO_FAULT);
    assert_int_equal(faults_meet(&f, SIM_WEBHOOK).telling, SIM_TELL_NOT);
    f = with("{\"endpoint\":\"cancel_booking\",\"fault\":\"webhook_lost\"}");
    assert_int_equal(faults_meet(&f, SIM_WEBHOOK).fault, SIM_FAULT_NO_FAULT);
    assert_int_equal(faults_meet(&f, SIM_CANCEL_BOOKING).telling, SIM_TELL_NOT);
    f = with("{\"seed\":1,\"rate\":1,\"faults\":[\"webhook_lost\",\"webhook_unsigned\"]}");
    assert_true(sim_fault_is_of_webhooks(faults_meet(&f, SIM_WEBHOOK).fault));
}

static void a_rule_for_any_request_does_not_meet_webhooks(void **)
{
    struct sim_faults f = with("{\"seed\":1,\"rate\":1,\"faults\":[\"webhook_lost\",\"truncated\"]}");
    assert_int_equal(faults_meet(&f, SIM_WEBHOOK).fault, SIM_FAULT_NO_FAULT);
    assert_int_not_equal(faults_meet(&f, SIM_ME).fault, SIM_FAULT_NO_FAULT);
}

static bool add(struct sim_faults *f, const char *rule)
{
    static struct heap heap = { .budget_bytes = 1 << 20 };
    struct sim_fault_rule added;
    struct sim_refusal refusal;
    struct json_error error;
    struct json_document *d = json_parse(slice_from_text(rule), &heap, &error);
    bool taken = faults_add(f, json_root(d), &added, &refusal);
    json_release(d, &heap);
    return taken;
}

static void rules_that_have_had_their_turn_make_room(void **)
{
    struct sim_faults f = { 0 };
    for (uint32_t i = 0; i < sim_fault_rules_max; i++) assert_true(add(&f, i % 2 ? "{\"fault\":\"truncated\"}" : "{\"fault\":\"truncated\",\"nth\":2,\"count\":2}"));
    assert_false(add(&f, "{\"fault\":\"truncated\"}"));
    (void)faults_meet(&f, SIM_ME);
    assert_true(add(&f, "{\"fault\":\"truncated\"}"));
    assert_int_equal(f.rule_count, sim_fault_rules_max / 2 + 1);
}

static void a_wrong_rule_is_refused(void **)
{
    assert_true(is_refused("{\"fault\":\"truncated\",\"endpoint\":\"webhook\"}"));
    assert_true(is_refused("{\"fault\":\"nonsense\"}"));
    assert_true(is_refused("{\"fault\":\"truncated\",\"endpoint\":\"nonsense\"}"));
    assert_true(is_refused("{\"fault\":\"truncated\",\"nth\":-1}"));
    assert_true(is_refused("{\"fault\":\"error_after_commit\",\"status\":99}"));
    assert_true(is_refused("{\"seed\":1,\"rate\":2,\"faults\":[\"truncated\"]}"));
    assert_true(is_refused("{\"seed\":1,\"rate\":0.5}"));
    assert_true(is_refused("{}"));
}

static void a_missing_or_unknown_version_means_the_oldest(void **)
{
    assert_true(version_fits(SIM_BOOKINGS, version_of(slice_of("2024-08-13"))) && version_fits(SIM_BOOKINGS, version_of(slice_of("2026-02-25"))));
    assert_false(version_fits(SIM_BOOKINGS, version_of(slice_absent)) || version_fits(SIM_BOOKINGS, version_of(slice_of("2099-01-01"))));
    assert_false(version_fits(SIM_SLOTS_2024_09_04, version_of(slice_of("2024-08-13"))));
    assert_true(version_fits(SIM_UNVERSIONED, version_of(slice_absent)));
}

static void paths_lead_to_their_endpoint_with_their_segment(void **)
{
    struct sim_route r = route_of(HTTP_POST, slice_of("/v2/bookings/abc/cancel"));
    assert_true(r.endpoint == SIM_CANCEL_BOOKING && slice_equal(r.segment, slice_of("abc")));
    assert_int_equal(route_of(HTTP_GET, slice_of("/v2/slots/reservations/abc")).endpoint, SIM_GET_RESERVATION);
    assert_int_equal(route_of(HTTP_POST, slice_of("/v2/bookings")).endpoint, SIM_CREATE_BOOKING);
    assert_int_equal(route_of(HTTP_POST, slice_of("/v2/bookings//cancel")).endpoint, SIM_NOWHERE);
    assert_int_equal(route_of(HTTP_GET, slice_of("/v2/bookings/abc/cancel")).endpoint, SIM_NOWHERE);
    assert_int_equal(route_of(HTTP_GET, slice_of("/")).endpoint, SIM_NOWHERE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hits_the_nth_request_and_so_many_after_it),
        cmocka_unit_test(counts_only_its_own_endpoint),
        cmocka_unit_test(any_endpoint_and_count_zero_hit_everything),
        cmocka_unit_test(a_seed_hits_the_same_requests_in_every_run_and_another_seed_others),
        cmocka_unit_test(rates_of_zero_and_one_are_never_and_always),
        cmocka_unit_test(a_seeded_rule_chooses_among_its_faults_and_no_others),
        cmocka_unit_test(every_fault_has_a_name_that_is_understood),
        cmocka_unit_test(faults_of_webhooks_are_for_the_webhooks_unless_an_endpoint_is_named),
        cmocka_unit_test(a_rule_for_any_request_does_not_meet_webhooks),
        cmocka_unit_test(rules_that_have_had_their_turn_make_room),
        cmocka_unit_test(a_wrong_rule_is_refused),
        cmocka_unit_test(a_missing_or_unknown_version_means_the_oldest),
        cmocka_unit_test(paths_lead_to_their_endpoint_with_their_segment),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
