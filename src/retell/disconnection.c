#include "retell/disconnection.h"
#include "base/ensure.h"

/* The 34 reasons of Retell's SDK 5.66, and one that older versions sent. */
static const struct { struct slice reason; enum call_outcome outcome; } reasons[] = {
    { slice_of("user_hangup"), CALL_OUTCOME_ANSWERED },
    { slice_of("agent_hangup"), CALL_OUTCOME_ANSWERED },
    { slice_of("inactivity"), CALL_OUTCOME_ANSWERED },
    { slice_of("max_duration_reached"), CALL_OUTCOME_ANSWERED },
    { slice_of("manual_stopped"), CALL_OUTCOME_ANSWERED },
    { slice_of("transfer_cancelled"), CALL_OUTCOME_ANSWERED }, /* the transfer did not happen, the talk did */

    { slice_of("call_transfer"), CALL_OUTCOME_TRANSFERRED },
    { slice_of("transfer_bridged"), CALL_OUTCOME_TRANSFERRED },
    { slice_of("call_take_over"), CALL_OUTCOME_TRANSFERRED },
    { slice_of("no_concurrency_fallback"), CALL_OUTCOME_TRANSFERRED }, /* no agent was free: sent to the fallback number */

    { slice_of("voicemail_reached"), CALL_OUTCOME_VOICEMAIL },
    { slice_of("ivr_reached"), CALL_OUTCOME_OTHER },

    { slice_of("dial_busy"), CALL_OUTCOME_NOT_CONNECTED },
    { slice_of("dial_failed"), CALL_OUTCOME_NOT_CONNECTED },
    { slice_of("dial_no_answer"), CALL_OUTCOME_NOT_CONNECTED },
    { slice_of("invalid_destination"), CALL_OUTCOME_NOT_CONNECTED },
    { slice_of("telephony_provider_permission_denied"), CALL_OUTCOME_NOT_CONNECTED },
    { slice_of("telephony_provider_unavailable"), CALL_OUTCOME_NOT_CONNECTED },
    { slice_of("sip_routing_error"), CALL_OUTCOME_NOT_CONNECTED },
    { slice_of("marked_as_spam"), CALL_OUTCOME_NOT_CONNECTED },
    { slice_of("user_declined"), CALL_OUTCOME_NOT_CONNECTED },

    { slice_of("concurrency_limit_reached"), CALL_OUTCOME_ERROR },
    { slice_of("no_valid_payment"), CALL_OUTCOME_ERROR },
    { slice_of("scam_detected"), CALL_OUTCOME_ERROR },
    { slice_of("error_llm_websocket_open"), CALL_OUTCOME_ERROR },
    { slice_of("error_llm_websocket_lost_connection"), CALL_OUTCOME_ERROR },
    { slice_of("error_llm_websocket_runtime"), CALL_OUTCOME_ERROR },
    { slice_of("error_llm_websocket_corrupt_payload"), CALL_OUTCOME_ERROR },
    { slice_of("error_no_audio_received"), CALL_OUTCOME_ERROR },
    { slice_of("error_asr"), CALL_OUTCOME_ERROR },
    { slice_of("error_retell"), CALL_OUTCOME_ERROR },
    { slice_of("error_unknown"), CALL_OUTCOME_ERROR },
    { slice_of("error_user_not_joined"), CALL_OUTCOME_ERROR },
    { slice_of("registered_call_timeout"), CALL_OUTCOME_ERROR },
    { slice_of("error_inbound_webhook"), CALL_OUTCOME_ERROR },
};

enum call_outcome call_outcome_of(struct slice disconnection_reason)
{
    for (size_t n = 0; n < sizeof reasons / sizeof *reasons; n++)
        if (slice_equal(reasons[n].reason, disconnection_reason)) return reasons[n].outcome;
    return CALL_OUTCOME_OTHER;
}

const char *call_outcome_name(enum call_outcome o)
{
    switch (o) {
    case CALL_OUTCOME_ANSWERED:      return "answered";
    case CALL_OUTCOME_NOT_CONNECTED: return "not_connected";
    case CALL_OUTCOME_VOICEMAIL:     return "voicemail";
    case CALL_OUTCOME_TRANSFERRED:   return "transferred";
    case CALL_OUTCOME_ERROR:         return "error";
    case CALL_OUTCOME_OTHER:         return "other";
    }
    ensure(false);
    return nullptr;
}
