#pragma once
/* ops/metrics_table.h: every number that /metrics shows, in one table: name, labels, help, where it is. Rows of one name stand together: they are one family.
 * docs/OPERATING.md's table is printed from here (`ringmaster metrics`). `s` is a const struct ops_shard *. */

#define METRIC_COUNTERS(X)                                                                                                                                       \
    X("ringmaster_webhooks_accepted_total", "", "Webhooks that verified and were passed on to their call.", s->webhooks->accepted)                                \
    X("ringmaster_webhooks_answered_total", "status=\"204\"", "Webhooks answered, by status.", s->webhooks->answered_204)                                         \
    X("ringmaster_webhooks_answered_total", "status=\"401\"", "", s->webhooks->refused_401)                                                                       \
    X("ringmaster_webhooks_answered_total", "status=\"404\"", "", s->webhooks->refused_404)                                                                       \
    X("ringmaster_webhooks_answered_total", "status=\"503\"", "", s->webhooks->refused_503)                                                                       \
    X("ringmaster_webhook_signatures_total", "verdict=\"valid\"", "Signatures checked, by verdict.", s->webhooks->verdicts[0])                                    \
    X("ringmaster_webhook_signatures_total", "verdict=\"missing\"", "", s->webhooks->verdicts[1])                                                                 \
    X("ringmaster_webhook_signatures_total", "verdict=\"malformed\"", "", s->webhooks->verdicts[2])                                                               \
    X("ringmaster_webhook_signatures_total", "verdict=\"stale\"", "", s->webhooks->verdicts[3])                                                                   \
    X("ringmaster_webhook_signatures_total", "verdict=\"wrong\"", "", s->webhooks->verdicts[4])                                                                   \
    X("ringmaster_webhook_signatures_total", "verdict=\"no_key\"", "", s->webhooks->verdicts[5])                                                                  \
    X("ringmaster_webhook_duplicates_total", "known_by=\"memory\"", "Repeated webhooks that had no further effect.", s->webhooks->duplicates)                     \
    X("ringmaster_webhook_duplicates_total", "known_by=\"database\"", "", s->calls->duplicates)                                                                   \
    X("ringmaster_webhooks_quarantined_total", "", "Verified webhooks that were not understood and are kept aside.", s->webhooks->quarantined)                    \
    X("ringmaster_webhooks_refused_total", "reason=\"deliveries_full\"", "Webhooks answered 503 for lack of room, by what was full.", s->webhooks->full_deliveries) \
    X("ringmaster_webhooks_refused_total", "reason=\"memory_full\"", "", s->webhooks->full_memory)                                                                \
    X("ringmaster_webhooks_refused_total", "reason=\"call_full\"", "", s->webhooks->full_calls)                                                                   \
    X("ringmaster_webhooks_refused_total", "reason=\"journal_full\"", "", s->webhooks->full_journal)                                                              \
    X("ringmaster_webhooks_replayed_total", "", "Webhooks of an earlier life told to their calls again.", s->webhooks->replayed)                                  \
    X("ringmaster_webhooks_filed_total", "", "Webhooks whose effects are in PostgreSQL.", s->calls->filed)                                                        \
    X("ringmaster_webhooks_unrouted_total", "", "Webhooks of an unknown number: kept, no tenant guessed. Alarm on any.", s->calls->unrouted)                      \
    X("ringmaster_webhooks_kept_total", "", "Webhooks that belong to no call (chats): kept.", s->calls->kept)                                                     \
    X("ringmaster_webhooks_poisoned_total", "", "Webhooks that PostgreSQL refused for good. Alarm on any.", s->calls->poisoned)                                   \
    X("ringmaster_journal_records_total", "", "Records written.", s->journal->appended)                                                                           \
    X("ringmaster_journal_bytes_total", "", "Bytes of records written.", s->journal->bytes)                                                                       \
    X("ringmaster_journal_batches_total", "", "Durable writes: records per batch is the group commit.", s->journal->batches)                                      \
    X("ringmaster_journal_retired_total", "", "Records whose effects are in PostgreSQL.", s->journal->retired)                                                    \
    X("ringmaster_journal_full_total", "", "Admissions refused because disk or segments were full. Alarm on any.", s->journal->refused_full)                      \
    X("ringmaster_journal_segments_made_total", "", "Segments created.", s->journal->segments_made)                                                               \
    X("ringmaster_journal_segments_reused_total", "", "Segments used again.", s->journal->segments_reused)                                                        \
    X("ringmaster_db_units_total", "outcome=\"ok\"", "Units of work, by outcome.", s->db->ok)                                                                     \
    X("ringmaster_db_units_total", "outcome=\"conflict\"", "", s->db->conflicts)                                                                                  \
    X("ringmaster_db_units_total", "outcome=\"rejected\"", "", s->db->rejected)                                                                                   \
    X("ringmaster_db_units_total", "outcome=\"try_again\"", "", s->db->try_again)                                                                                 \
    X("ringmaster_db_units_total", "outcome=\"unavailable\"", "", s->db->unavailable)                                                                             \
    X("ringmaster_db_units_total", "outcome=\"busy\"", "", s->db->busy)                                                                                           \
    X("ringmaster_db_connects_total", "", "Connections to PostgreSQL opened.", s->db->connects)                                                                   \
    X("ringmaster_db_disconnects_total", "", "Connections to PostgreSQL lost.", s->db->disconnects)                                                               \
    X("ringmaster_db_timeouts_total", "", "Units that took too long and cost their connection.", s->db->timeouts)                                                 \
    X("ringmaster_calls_total", "", "Call actors made.", s->calls->created)                                                                                       \
    X("ringmaster_calls_restored_total", "", "Open calls taken over from an earlier life.", s->calls->restored)                                                   \
    X("ringmaster_calls_closed_unknown_total", "", "Calls whose end never came.", s->calls->closed_unknown)                                                       \
    X("ringmaster_calls_refused_total", "reason=\"table_full\"", "Calls or letters refused for lack of room.", s->calls->calls_full)                              \
    X("ringmaster_calls_refused_total", "reason=\"mailbox_full\"", "", s->calls->mailbox_full)                                                                    \
    X("ringmaster_bookings_wanted_total", "", "Calls that ended with a confirmed booking.", s->calls->bookings_wanted)                                            \
    X("ringmaster_bookings_impossible_total", "", "Confirmed bookings that cannot be made as they stand: a callback task has the reason.", s->calls->bookings_impossible) \
    X("ringmaster_booking_intents_total", "", "Intents written.", s->calls->intents_written)                                                                      \
    X("ringmaster_booking_outcomes_total", "outcome=\"booked\"", "Ends of booking flows, by outcome.", s->bookings->booked)                                       \
    X("ringmaster_booking_outcomes_total", "outcome=\"pending\"", "", s->bookings->pending)                                                                       \
    X("ringmaster_booking_outcomes_total", "outcome=\"refused\"", "", s->bookings->refused)                                                                       \
    X("ringmaster_booking_outcomes_total", "outcome=\"delayed\"", "", s->bookings->delayed)                                                                       \
    X("ringmaster_booking_outcomes_total", "outcome=\"parked\"", "", s->bookings->parked)                                                                         \
    X("ringmaster_booking_creates_total", "", "Creates sent to Cal.com.", s->bookings->creates)                                                                   \
    X("ringmaster_booking_lookups_total", "", "Look-ups of unknown outcomes.", s->bookings->lookups)                                                              \
    X("ringmaster_booking_retries_total", "", "Waits before something that was not sent is tried again.", s->bookings->retries)                                   \
    X("ringmaster_booking_doubles_cancelled_total", "", "Doubled bookings found and cancelled. Alarm on any.", s->bookings->doubles_cancelled)                    \
    X("ringmaster_booking_foreign_answers_total", "", "Creates that Cal.com answered with somebody else's booking.", s->bookings->foreign_answers)                \
    X("ringmaster_booking_notices_dropped_total", "", "Hand-overs that the sweep had to make up for.", s->bookings->notices_dropped)                              \
    X("ringmaster_calcom_answers_total", "outcome=\"ok\"", "Questions to Cal.com, by outcome.", s->bookings->calcom_outcomes[CALCOM_OK])                          \
    X("ringmaster_calcom_answers_total", "outcome=\"not_sent\"", "", s->bookings->calcom_outcomes[CALCOM_NOT_SENT])                                               \
    X("ringmaster_calcom_answers_total", "outcome=\"throttled\"", "", s->bookings->calcom_outcomes[CALCOM_THROTTLED])                                             \
    X("ringmaster_calcom_answers_total", "outcome=\"refused\"", "", s->bookings->calcom_outcomes[CALCOM_REFUSED])                                                 \
    X("ringmaster_calcom_answers_total", "outcome=\"unknown\"", "", s->bookings->calcom_outcomes[CALCOM_UNKNOWN])                                                 \
    X("ringmaster_calcom_answers_total", "outcome=\"unauthorized\"", "", s->bookings->calcom_outcomes[CALCOM_UNAUTHORIZED])                                       \
    X("ringmaster_calcom_answers_total", "outcome=\"not_found\"", "", s->bookings->calcom_outcomes[CALCOM_NOT_FOUND])                                             \
    X("ringmaster_http_requests_total", "", "Requests read whole.", s->http->requests)                                                                            \
    X("ringmaster_http_responses_total", "class=\"2xx\"", "Responses, by class.", s->http->responses_1xx_2xx)                                                     \
    X("ringmaster_http_responses_total", "class=\"4xx\"", "", s->http->responses_4xx)                                                                             \
    X("ringmaster_http_responses_total", "class=\"5xx\"", "", s->http->responses_5xx)                                                                             \
    X("ringmaster_http_connections_total", "", "Connections accepted.", s->http->accepted)                                                                        \
    X("ringmaster_http_connections_ended_total", "reason=\"full\"", "Connections ended early, by reason.", s->http->refused_full)                                 \
    X("ringmaster_http_connections_ended_total", "reason=\"idle\"", "", s->http->closed_idle)                                                                     \
    X("ringmaster_http_connections_ended_total", "reason=\"head_timeout\"", "", s->http->timed_out_head)                                                          \
    X("ringmaster_http_connections_ended_total", "reason=\"body_timeout\"", "", s->http->timed_out_body)                                                          \
    X("ringmaster_http_connections_ended_total", "reason=\"send_timeout\"", "", s->http->timed_out_send)                                                          \
    X("ringmaster_http_connections_ended_total", "reason=\"malformed\"", "", s->http->malformed)                                                                  \
    X("ringmaster_http_connections_ended_total", "reason=\"too_large\"", "", s->http->too_large)                                                                  \
    X("ringmaster_http_connections_ended_total", "reason=\"peer_gone\"", "", s->http->peer_gone)                                                                  \
    X("ringmaster_http_connections_ended_total", "reason=\"tls_failed\"", "", s->http->tls_failed)                                                                \
    X("ringmaster_http_received_bytes_total", "", "Bytes read.", s->http->bytes_in)                                                                               \
    X("ringmaster_http_sent_bytes_total", "", "Bytes written.", s->http->bytes_out)                                                                               \
    X("ringmaster_tenant_switches_total", "", "Snapshots of the tenants taken into use.", s->directory->switches)                                                 \
    X("ringmaster_shard_turns_total", "", "Turns of the loop.", s->shard->turns)                                                                                  \
    X("ringmaster_shard_envelopes_total", "", "Envelopes sent to shards.", s->shard->envelopes_sent)                                                              \
    X("ringmaster_shard_wakes_total", "", "Sleeping shards woken.", s->shard->wakes_sent)

#define METRIC_GAUGES(X)                                                                                                                                         \
    X("ringmaster_webhooks_under_way", "", "Webhooks between verification and PostgreSQL.", s->webhooks->under_way)                                               \
    X("ringmaster_calls_active", "", "Call actors.", s->calls->active)                                                                                            \
    X("ringmaster_mailbox_letters", "", "Letters that wait in the mailboxes of calls.", s->calls->mail_waiting)                                                   \
    X("ringmaster_filings", "", "Letters on their way into PostgreSQL.", s->calls->filings)                                                                       \
    X("ringmaster_journal_segments", "", "Segments in use.", s->journal->segments_used)                                                                           \
    X("ringmaster_journal_live_records", "", "Records whose effects are not in PostgreSQL yet.", s->journal->records_live)                                        \
    X("ringmaster_journal_is_full", "", "1 while nothing can be promised. Alarm.", s->journal->full)                                                              \
    X("ringmaster_db_connections", "", "Connections to PostgreSQL that are ready.", s->db->connections_up)                                                        \
    X("ringmaster_db_units_in_flight", "", "Units sent and not answered.", s->db->in_flight)                                                                      \
    X("ringmaster_db_units_queued", "", "Units that wait for a place in a pipeline.", s->db->queued)                                                              \
    X("ringmaster_bookings_running", "", "Booking flows.", s->bookings->running)                                                                                  \
    X("ringmaster_bookings_waiting_for_calendar", "", "Booking flows that wait for another one of their calendar.", s->bookings->waiting_for_calendar)            \
    X("ringmaster_calcom_accounts", "", "Cal.com credentials in use.", s->bookings->accounts)                                                                     \
    X("ringmaster_calcom_breakers_open", "", "Circuit breakers that are not closed.", s->bookings->breakers_open)                                                 \
    X("ringmaster_calcom_budget_left", "", "Requests that the most used credential may still send in this minute.", s->bookings->budget_left_least)               \
    X("ringmaster_slot_claims", "", "Claims in the slot locks.", s->bookings->claims)                                                                             \
    X("ringmaster_http_connections", "", "Open connections.", s->http->open)

#define METRIC_HISTOGRAMS(X)                                                                                                                                     \
    X("ringmaster_webhook_answer_seconds", "", "Last body byte to the answer.", s->webhooks->answer_us)                                                           \
    X("ringmaster_webhook_stage_seconds", "stage=\"verify\"", "One stage of a webhook.", s->webhooks->verify_us)                                                  \
    X("ringmaster_webhook_stage_seconds", "stage=\"decode\"", "", s->webhooks->decode_us)                                                                         \
    X("ringmaster_webhook_stage_seconds", "stage=\"journal\"", "", s->webhooks->durable_us)                                                                       \
    X("ringmaster_webhook_stage_seconds", "stage=\"file\"", "", s->calls->filed_us)                                                                               \
    X("ringmaster_journal_sync_seconds", "", "One durable write.", s->journal->sync_us)                                                                           \
    X("ringmaster_db_unit_seconds", "", "One unit of work, queueing included.", s->db->unit_us)                                                                   \
    X("ringmaster_calcom_answer_seconds", "", "One question to Cal.com, waiting for budget included.", s->bookings->calcom_us)                                    \
    X("ringmaster_booking_seconds", "", "One booking flow.", s->bookings->whole_us)                                                                               \
    X("ringmaster_shard_turn_seconds", "", "One turn of the loop, without the sleep.", s->shard->turn_us)
