/* tests/simulation/plan_test.c: what a world is comes from its seed alone, entry by entry, and is taken by those who read it: ringsim, its fault rules, and the engine. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "base/hmac.h"
#include "sim_memory.h"
#include "tenant/tenant.h"
#include "world.h"

enum { SEEDS = 100 };

/* What the plan, and those who read it, need to be linked. */
struct tls_client_config *world_trust;
void *sim_malloc(size_t bytes) { return malloc(bytes); }
void *sim_calloc(size_t count, size_t bytes) { return calloc(count, bytes); }
void *sim_realloc(void *memory, size_t bytes) { return realloc(memory, bytes); }
void  sim_free(void *memory) { free(memory); }
void  sim_abort(void) { abort(); }

static struct plan a, b; /* a megabyte each */

/* The weather's text is shared by all plans. */
static bool same(const struct plan *x, const struct plan *y) { return memcmp(x, y, sizeof *x) == 0; }

static void draw(struct plan *p, uint64_t seed)
{
    memset(p, 0, sizeof *p); /* padding, too */
    plan_draw(p, seed, 1);
}

static void the_same_seed_is_the_same_plan(void **)
{
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        draw(&a, seed);
        draw(&b, seed);
        assert_true(same(&a, &b));
        draw(&b, seed + 1);
        assert_false(same(&a, &b));
    }
}

static bool *left_out(struct plan *p, char kind, uint32_t n) { return kind == 'c' ? &p->calls[n].is_left_out : kind == 'f' ? &p->faults[n].is_left_out : &p->incidents[n].is_left_out; }

/* But for the numbers of the late calls, which the last of the configurations has: leaving a change of it out takes one number away. */
static void leave_out_each(uint64_t seed, char kind, uint32_t count)
{
    for (uint32_t n = 0; n < count; n++) {
        char entry[16];
        snprintf(entry, sizeof entry, "%c%u", kind, n);
        draw(&b, seed);
        assert_true(plan_leave_out(&b, entry));
        assert_true(*left_out(&b, kind, n));
        *left_out(&b, kind, n) = false;
        for (uint32_t c = 0; c < b.call_count; c++)
            if (b.calls[c].is_late) memcpy(b.calls[c].to, a.calls[c].to, sizeof b.calls[c].to);
        assert_true(same(&a, &b));
    }
}

static void leaving_an_entry_out_changes_no_other(void **)
{
    for (uint64_t seed = 1; seed <= 3; seed++) {
        draw(&a, seed);
        leave_out_each(seed, 'c', 20);
        leave_out_each(seed, 'f', a.fault_count);
        leave_out_each(seed, 'i', a.incident_count);
    }
    assert_false(plan_leave_out(&a, "c999999"));
    assert_false(plan_leave_out(&a, "x1"));
    assert_false(plan_leave_out(&a, ""));
    assert_false(plan_leave_out(&a, "c1,"));
}

static void ringsim_reads_every_world_file(void **)
{
    static struct sim_world w;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct sim_world_error error;
        draw(&a, seed);
        struct slice text = plan_world_file(&a);
        if (!world_load(&w, text, seed, &error)) fail_msg("seed %llu: %s", (unsigned long long)seed, error.text);
        assert_int_equal(w.subscription_count > 0, a.subscriber != PLAN_NO_SUBSCRIBER);
        world_close(&w);
        free((char *)text.start);
    }
}

static void every_fault_is_a_rule(void **)
{
    static struct sim_faults faults;
    struct heap heap;
    heap_init(&heap, 1 << 20);
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        draw(&a, seed);
        for (uint32_t n = 0; n < a.fault_count; n++) {
            struct sim_fault_rule added;
            struct sim_refusal refusal;
            struct json_document *rule = json_parse(slice_from_text(a.faults[n].rule), &heap, &(struct json_error){});
            assert_non_null(rule);
            faults_clear(&faults);
            if (!faults_add(&faults, json_root(rule), &added, &refusal)) fail_msg("seed %llu, f%u: %s", (unsigned long long)seed, n, refusal.message);
            json_release(rule, &heap);
        }
    }
}

static void the_engine_reads_all_tenants(void **)
{
    struct secret_key secret;
    assert_true(secret_key_parse(slice_of("00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"), &secret));
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        draw(&a, seed);
        for (uint32_t revision = 0; revision < 5; revision++) {
            struct tenant_error error;
            struct slice text = plan_tenants(&a, &secret, revision);
            struct tenant_snapshot *t = tenant_snapshot_parse(text, &secret, slice_of("http://calcom.simulated:9080/v2"), &error);
            if (!t) fail_msg("seed %llu, revision %u: %s", (unsigned long long)seed, revision, error.text);
            tenant_snapshot_free(t);
            free((char *)text.start);
        }
    }
}

/* A fault that no seed draws is one that no world meets. */
static void every_fault_of_the_table_is_drawn(void **)
{
    static bool drawn[SIM_FAULT_COUNT];
    for (uint64_t seed = 1; seed <= 5 * SEEDS; seed++) {
        draw(&a, seed);
        for (uint32_t n = 0; n < a.fault_count; n++)
            for (uint64_t f = 0; f < SIM_FAULT_COUNT; f++) {
                char name[64];
                snprintf(name, sizeof name, "\"%s\"", sim_fault_name((enum sim_fault)f));
                drawn[f] |= strstr(a.faults[n].rule, name) != nullptr;
            }
    }
    for (uint64_t f = SIM_FAULT_NO_FAULT + 1; f < SIM_FAULT_COUNT; f++)
        if (!drawn[f]) fail_msg("%s", sim_fault_name((enum sim_fault)f));
}

/* One agreement in two bookings comes to an end only where each create lands unseen by the next, and nobody at Cal.com decides in between. */
static void assert_doubles_can_be(const struct plan *p)
{
    assert_true(p->fault_count == 1 && strstr(p->faults[0].rule, "late_commit"));
    for (uint32_t c = 0; c < p->company_count; c++)
        for (uint32_t s = 0; s < p->companies[c].service_count; s++) assert_int_equal(p->companies[c].services[s].kind, PLAN_CONFIRMED);
    for (uint32_t n = 0; n < p->incident_count; n++) assert_int_not_equal(p->incidents[n].kind, INCIDENT_HOST_EDITS);
}

/* Some worlds are about each of these, half of them about none; and what a theme needs is there. */
static void every_theme_is_drawn(void **)
{
    uint32_t drawn[THEME_COUNT] = {};
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        draw(&a, seed);
        drawn[a.theme] += 1;
        uint32_t changes = 0, late = a.fault_count > 0 && strstr(a.faults[0].rule, "late_commit") != nullptr, fails = a.fault_count > 1 && strstr(a.faults[1].rule, "lookup_fails");
        for (uint32_t n = 0; n < a.incident_count; n++) changes += a.incidents[n].kind == INCIDENT_TENANTS_CHANGE;
        if (a.theme == THEME_LATE_COMMITS) assert_true(late && a.companies[0].services[0].kind == PLAN_ROUND_ROBIN);
        if (a.theme == THEME_FALSE_REFUSALS) assert_true(fails);
        if (a.theme == THEME_NARROW_BUDGET) assert_true(a.calcom_requests_per_minute <= 30 && a.budget_per_minute >= 8);
        if (a.theme == THEME_RESTLESS_TENANTS) assert_true(changes > 10 && a.stalls_per_step > 0);
        if (a.theme == THEME_DOUBLES) assert_doubles_can_be(&a);
    }
    for (uint64_t t = 0; t < THEME_COUNT; t++) assert_true(t == THEME_NONE ? drawn[t] > SEEDS / 3 : drawn[t] > 0 && drawn[t] < SEEDS / 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_same_seed_is_the_same_plan), cmocka_unit_test(leaving_an_entry_out_changes_no_other), cmocka_unit_test(ringsim_reads_every_world_file),
        cmocka_unit_test(every_fault_is_a_rule), cmocka_unit_test(every_fault_of_the_table_is_drawn), cmocka_unit_test(the_engine_reads_all_tenants),
        cmocka_unit_test(every_theme_is_drawn),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
