/* What the kinds of ends promise: each of the 34 reasons has one, and a new reason is no guess. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "retell/disconnection.h"

static void assert_all(const char *const *reasons, size_t count, enum call_outcome outcome)
{
    for (size_t n = 0; n < count; n++) assert_int_equal(call_outcome_of(slice_from_text(reasons[n])), outcome);
}
#define assert_each(outcome, ...) \
    assert_all((const char *const[]){ __VA_ARGS__ }, sizeof((const char *const[]){ __VA_ARGS__ }) / sizeof(char *), outcome)

static void every_known_reason_has_its_kind(void **)
{
    assert_each(CALL_OUTCOME_ANSWERED, "user_hangup", "agent_hangup", "inactivity", "max_duration_reached", "manual_stopped", "transfer_cancelled");
    assert_each(CALL_OUTCOME_TRANSFERRED, "call_transfer", "transfer_bridged", "call_take_over", "no_concurrency_fallback");
    assert_each(CALL_OUTCOME_VOICEMAIL, "voicemail_reached");
    assert_each(CALL_OUTCOME_OTHER, "ivr_reached");
    assert_each(CALL_OUTCOME_NOT_CONNECTED, "dial_busy", "dial_failed", "dial_no_answer", "invalid_destination", "telephony_provider_permission_denied",
                "telephony_provider_unavailable", "sip_routing_error", "marked_as_spam", "user_declined");
    assert_each(CALL_OUTCOME_ERROR, "concurrency_limit_reached", "no_valid_payment", "scam_detected", "error_llm_websocket_open",
                "error_llm_websocket_lost_connection", "error_llm_websocket_runtime", "error_llm_websocket_corrupt_payload", "error_no_audio_received",
                "error_asr", "error_retell", "error_unknown", "error_user_not_joined", "registered_call_timeout");
}

static void a_reason_that_nobody_knows_yet_is_other(void **)
{
    assert_int_equal(call_outcome_of(slice_of("error_of_next_year")), CALL_OUTCOME_OTHER);
    assert_int_equal(call_outcome_of(slice_of("USER_HANGUP")), CALL_OUTCOME_OTHER);
    assert_int_equal(call_outcome_of(slice_absent), CALL_OUTCOME_OTHER);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_known_reason_has_its_kind),
        cmocka_unit_test(a_reason_that_nobody_knows_yet_is_other),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
