"""The record of a call, however its events come (SCENARIOS OP-05, R07, R13, FR-09, R40)."""

import time

from conftest import a_world
from retell_caller import Caller
from world import wait_until


def test_costs_are_cents_as_given_and_seconds_rounded_up(world, caller):  # OP-05
    caller.tell(caller.started(), caller.ended(), caller.ended(), caller.analyzed())
    row = caller.filed(outcome="ended", call_summary="Termin vereinbart.")
    facts = row["facts_ended"]
    assert (facts["cost_cents"], facts["billed_seconds"]) == (7.66, 36)


def test_a_late_null_never_erases(world, caller):
    caller.tell(caller.started(), caller.ended())
    caller.filed(outcome="ended", disconnection_reason="user_hangup")
    caller.tell(caller.analyzed(disconnection_reason=None, transcript=None, recording_url=None, duration_ms=None))
    row = caller.filed(call_summary="Termin vereinbart.", disconnection_reason="user_hangup", duration_ms=61_000)
    assert row["recording_url"] == "https://recordings.example/a.wav" and row["transcript"]


def test_timestamps_and_the_flat_envelope_of_older_agents_are_read(world, caller):
    flat = {"event": "call_ended", **caller.call(call_status="ended", start_timestamp="2025-10-20T08:00:00.000Z", end_timestamp="2025-10-20T08:01:00.000Z", duration_ms=60_000)}
    caller.tell(flat)
    row = caller.filed(outcome="ended")
    assert row["ended_at"].startswith("2025-10-20T08:01:00")


def test_a_call_that_never_connected_is_filed(world, caller):
    caller.tell(caller.ended(call_status="not_connected", disconnection_reason="dial_no_answer", transcript=None))
    assert caller.filed(outcome="ended")["disconnection_reason"] == "dial_no_answer"


def test_metadata_and_analysis_are_kept(world, caller):
    caller.tell(caller.started(metadata={"kampagne": "herbst"}), caller.ended(metadata={"kampagne": "herbst"}), caller.analyzed({"grund": "Schnitt", "zufrieden": True}))
    row = caller.filed(call_summary="Termin vereinbart.")
    assert row["facts_started"]["metadata"] == {"kampagne": "herbst"}
    assert row["facts_analyzed"]["analysis"] == {"grund": "Schnitt", "zufrieden": True}


def test_text_of_every_kind_comes_through(world, caller):
    said = "User: Müller \U0001f600 \\ \" ' \u202e ß; DROP TABLE calls; -- \u0000 the end"
    caller.tell(caller.ended(transcript=said))
    kept = caller.filed(outcome="ended")["transcript"]
    assert "Müller \U0001f600" in kept and "DROP TABLE calls" in kept
    assert "the end" in caller.rows("SELECT body FROM call_events WHERE call_id = $CALL")[0]["body"]  # PostgreSQL's text ends at U+0000; the body has it all


def test_every_event_carries_one_correlation_id(world, caller):
    caller.tell(caller.started(), caller.ended(), caller.analyzed())
    caller.filed(call_summary="Termin vereinbart.")
    ids = {e["correlation_id"] for e in caller.rows("SELECT correlation_id FROM call_events WHERE call_id = $CALL")}
    assert ids == {caller.row()["correlation_id"]} and None not in ids


def test_one_call_id_in_two_workspaces_would_be_two_calls_but_here_it_is_one(world, caller):
    """The default workspace's URL and its token's are one workspace: the copy is a copy."""
    body = caller.started()
    caller.tell(body)
    caller.path = "/api/mcp/retell/webhook"
    caller.tell(body)
    caller.filed()
    assert len(caller.rows("SELECT 1 AS x FROM call_events WHERE call_id = $CALL")) == 1


def test_a_call_whose_end_never_comes_is_closed_and_a_late_end_is_still_accepted():  # FR-09
    with a_world(call_duration_max_s=2, call_end_grace_s=1) as world:
        caller = Caller(world)
        caller.tell(caller.started())
        caller.filed(outcome="open")
        row = caller.filed(outcome="ended_unknown", seconds=15)
        assert row["closed_at"]
        caller.tell(caller.ended(), caller.analyzed(caller.agreed(*world.slots.take())))
        caller.filed(outcome="ended", duration_ms=61_000)
        caller.booked()


def test_the_deadline_of_an_open_call_outlives_the_engine():  # FR-09, R06
    with a_world(call_duration_max_s=3, call_end_grace_s=1) as world:
        caller = Caller(world)
        caller.tell(caller.started())
        caller.filed(outcome="open")
        world.engine.kill()
        world.engine.start()
        caller.filed(outcome="ended_unknown", seconds=20)


def test_three_hundred_calls_at_once_are_three_hundred_rows(world):
    callers = [Caller(world) for _ in range(300)]
    begin = time.monotonic()
    for caller in callers:
        caller.tell(caller.started())
    ids = ", ".join(f"'{c.call_id}'" for c in callers)
    assert wait_until(lambda: world.postgres.query(f"SELECT count(*) AS n FROM calls WHERE call_id IN ({ids})")[0]["n"] == 300, 30), time.monotonic() - begin
