"""One intent, one booking (promise 2): whatever Cal.com does, answers or leaves unanswered (contracts F1-F25), there are 0 or 1 live bookings per intent, and
both sides agree. A fault is set for the first create of one call; the salon's two calendars are used by nobody else."""

import datetime
import pathlib
import zoneinfo

import pytest

from conftest import a_world
from retell_caller import Caller, all_settled, both_sides_agree
from world import http, wait_until


@pytest.fixture(scope="module")
def world():
    """Its breaker never opens: a fault of one test is not to be felt by the next."""
    with a_world(breaker_failures=1000) as w:
        yield w


def creates_of(caller):
    reference = caller.intent()["reference"]
    return [r for r in caller.world.simulator.requests("create_booking") if r["engineRef"] == reference]


BOOKED_IN_THE_END = [
    ("no_first_byte", {"delay_ms": 500}), ("no_first_byte", {"delay_ms": 4_000}), ("slow_check", {"delay_ms": 500}), ("slow_check", {"delay_ms": 3_500}),
    ("commit_then_no_reply", {}), ("commit_then_reset", {}), ("reset_before_commit", {}), ("reset_mid_body", {}), ("truncated", {}), ("truncated_wrong_length", {}),
    ("one_byte_per_second", {"delay_ms": 50}), ("error_before_commit", {"status": 500}), ("error_before_commit", {"status": 502}),
    ("error_before_commit", {"status": 503}), ("error_before_commit", {"status": 504}), ("error_after_commit", {"status": 500}), ("error_after_commit", {"status": 502}),
    ("error_after_commit", {"status": 503}), ("error_after_commit", {"status": 504}), ("late_commit", {"delay_ms": 3_000}),
    ("conflict_of_our_own", {"status": 409}), ("no_references", {}), ("reply_after_webhooks", {}), ("clock_fast", {}), ("clock_slow", {}), ("invalid_utf8", {}),
    ("deep_nesting", {}), ("huge_body", {}), ("doubled_keys", {}), ("numbers_as_texts", {}), ("unknown_host_id", {}), ("webhook_duplicated", {}),
]

BENT = ["invalid_utf8", "deep_nesting", "huge_body", "doubled_keys", "numbers_as_texts", "unknown_host_id"]  # F25, S12


@pytest.mark.parametrize("fault, rule", BOOKED_IN_THE_END, ids=lambda value: value if isinstance(value, str) else "-".join(map(str, value.values())))
def test_it_is_booked_once_in_spite_of(world, caller, fault, rule):
    world.simulator.fault(fault, endpoint="create_booking", **rule)
    caller.play(*world.slots.take())
    caller.booked(seconds=45)
    assert len(creates_of(caller)) <= 2


@pytest.mark.parametrize("fault", BENT)
def test_an_answer_that_cannot_be_read_is_no_failure(world, caller, fault):  # B31: it is unknown, and found by looking
    world.simulator.fault(fault, endpoint="create_booking")
    caller.play(*world.slots.take())
    caller.booked(seconds=45)
    assert len(creates_of(caller)) == 1


@pytest.mark.parametrize("fault", [*BENT, "clock_fast", "clock_slow"])
def test_a_look_up_that_cannot_be_read_says_nothing(world, caller, fault):  # B7
    world.simulator.fault("commit_then_reset", endpoint="create_booking")
    world.simulator.fault(fault, endpoint="list_bookings", count=2)
    caller.play(*world.slots.take())
    caller.booked(seconds=45)
    assert len(creates_of(caller)) == 1


@pytest.mark.parametrize("fault", [*BENT, "clock_fast", "clock_slow"])
def test_slots_that_cannot_be_read_are_asked_for_again(world, caller, fault):
    world.simulator.fault(fault, endpoint="slots")
    caller.play(*world.slots.take())
    caller.booked(seconds=45)


def take_behind_our_back(world, date, at):
    """Somebody books at Cal.com itself; for a while its cache still offers that start."""
    start = datetime.datetime.fromisoformat(f"{date}T{at}").replace(tzinfo=zoneinfo.ZoneInfo("Europe/Berlin"))
    body = {"start": start.astimezone(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ"), "eventTypeId": 5001, "attendee": {"name": "S", "email": "s@example.com", "timeZone": "UTC"}}
    answer = http("POST", f"{world.simulator.url}/bookings", body, {"cal-api-version": "2024-08-13"}, ca=world.certificates.ca)
    assert answer.status == 201, answer.body
    world.simulator.control("POST", "settings", {"slots_mode": "stale"})


@pytest.mark.parametrize("fault", ["none", *BENT])
def test_a_refusal_that_cannot_be_read_books_nothing_and_is_told_to_people(world, caller, fault):
    slot = world.slots.take()
    take_behind_our_back(world, *slot)
    world.simulator.fault(fault, endpoint="create_booking")
    try:
        caller.play(*slot, mitarbeiter="Lena")
        caller.intent_in("refused", seconds=45)
    finally:
        world.simulator.control("POST", "settings", {"slots_mode": "normal"})
    assert caller.live_bookings() == [] and [j["kind"] for j in caller.jobs()] == ["callback"]
    assert [r["status"] for r in creates_of(caller)] == [400]


def test_answers_of_five_megabytes_do_not_stay_in_memory(world):
    """What the engine holds before and after: a dozen of them are 60 MB, and what a parser makes of them is more."""

    def resident_bytes():
        text = pathlib.Path(f"/proc/{world.engine.child.pid}/status").read_text()
        return 1024 * int(next(line for line in text.splitlines() if line.startswith("VmRSS:")).split()[1])

    def book_with_huge_answers():
        callers = [Caller(world) for _ in range(6)]
        world.simulator.fault("huge_body", endpoint="create_booking", count=6)
        world.simulator.fault("huge_body", endpoint="slots", count=6)
        for caller in callers:
            caller.play(*world.slots.take())
        for caller in callers:
            caller.booked(seconds=60)

    book_with_huge_answers()
    before = resident_bytes()
    for _ in range(3):
        book_with_huge_answers()
    assert resident_bytes() < before + 32 * 1024 * 1024


@pytest.mark.parametrize("fault, rule", [("refused_after_commit", {}), ("conflict_of_our_own", {"status": 400})], ids=lambda v: v if isinstance(v, str) else "")
def test_a_refusal_after_the_commit_leaves_both_sides_agreed(world, caller, fault, rule):  # F10, F16
    world.simulator.fault(fault, endpoint="create_booking", **rule)
    caller.play(*world.slots.take())
    intent = caller.intent_in("booked", "refused", seconds=45)
    assert len(caller.live_bookings()) == (intent["state"] == "booked")
    assert len(caller.appointments()) == len(caller.live_bookings())


@pytest.mark.parametrize("lookup", [("replica_lag", {"delay_ms": 3_000}), ("lookup_fails", {}), ("truncated", {}), ("no_first_byte", {"delay_ms": 3_000})], ids=lambda v: v[0])
@pytest.mark.parametrize("create", ["commit_then_no_reply", "error_after_commit", "commit_then_reset"])
def test_a_look_up_that_fails_or_lags_does_not_book_twice(world, caller, create, lookup):  # F20, F21, B7
    world.simulator.fault(create, endpoint="create_booking")
    world.simulator.fault(lookup[0], endpoint="list_bookings", count=2, **lookup[1])
    caller.play(*world.slots.take())
    caller.booked(seconds=45)


def test_nothing_done_and_nothing_told_is_tried_again_with_the_same_bytes(world, caller):  # B8, B9
    before = len(world.simulator.requests("create_booking"))
    world.simulator.fault("reset_before_commit", endpoint="create_booking")
    caller.play(*world.slots.take())
    caller.booked(seconds=45)
    assert len(world.simulator.requests("create_booking")) == before + 2
    assert caller.intent()["attempts"] == 2


def test_somebody_elses_booking_is_not_taken_for_ours(world):  # F17, R33
    slot = world.slots.take()
    first = Caller(world)
    first.play(*slot)
    uid = first.booked()["calcom_booking_uid"]
    second = Caller(world)
    world.simulator.fault("stale_foreign", endpoint="create_booking")
    second.play(*world.slots.take())
    second.intent_in("booked", "refused", "unknown", seconds=45)
    assert uid not in [a["calcom_booking_uid"] for a in second.appointments()]
    assert len(second.appointments()) == len(second.live_bookings())
    assert first.booked()["calcom_booking_uid"] == uid


def test_a_booking_that_the_host_cancels_at_once_is_at_most_one(world, caller):  # F18
    world.simulator.fault("vanishes", endpoint="create_booking")
    caller.play(*world.slots.take())
    caller.intent_in("booked", "refused", "unknown", seconds=45)
    assert len(creates_of(caller)) == 1 and caller.live_bookings() == []


def test_a_server_that_cannot_be_reached_is_waited_for():  # F1
    with a_world(breaker_failures=1000) as world:
        for fault in ("refuse_connections", "tls_stall", "tls_fail"):
            world.simulator.fault(fault, delay_ms=2_500)
            caller = Caller(world)
            caller.play(*world.slots.take())
            caller.booked(seconds=60)


def test_a_rejected_key_is_told_to_people_and_nothing_is_lost():  # F14
    with a_world() as world:
        world.simulator.fault("unauthorized", count=3)
        caller = Caller(world)
        caller.play(*world.slots.take())
        wait_until(lambda: caller.jobs() or (caller.intent() or {}).get("state") == "booked", 30)
        intent = caller.intent()
        assert caller.jobs() or intent["state"] == "booked", intent
        assert len(caller.live_bookings()) == (intent["state"] == "booked")


@pytest.mark.parametrize("fault", ["rate_limited", "account_locked"])
def test_a_429_stops_all_questions_on_that_key_and_no_other(fault):  # F12, F13, B22
    with a_world() as world:
        world.simulator.fault(fault, endpoint="create_booking")
        limited, other = Caller(world), Caller(world, to_number="+493023125002", agent="agent_demo_prx_0001")
        limited.play(*world.slots.take())
        assert wait_until(lambda: [r for r in world.simulator.requests() if r["status"] == 429], 20)
        asked = len([r for r in world.simulator.requests() if r["account"] == 0])
        other.play("2025-10-22", "09:00", service="Sprechstunde")
        other.booked()
        late = Caller(world)
        late.play(*world.slots.take())
        wait_until(lambda: late.intent(), 10)
        assert len([r for r in world.simulator.requests() if r["account"] == 0]) <= asked + 1
        for caller in (limited, late):
            assert caller.intent()["state"] in ("written", "unknown", "sending") and caller.intent()["next_attempt_at"], "it is neither done nor waiting"
            assert caller.live_bookings() == []


def test_a_breaker_opens_for_one_key_and_closes_by_itself():
    with a_world(breaker_failures=3, breaker_open_ms=1000) as world:
        world.simulator.fault("error_before_commit", endpoint="slots", count=6)
        callers = [Caller(world) for _ in range(6)]
        for caller in callers:
            caller.play(*world.slots.take())

        def breakers_open():
            return sum(value for name, value in world.engine.metrics().items() if name.startswith("ringmaster_calcom_breakers_open"))

        assert wait_until(lambda: breakers_open() == 1, 30), "no breaker has opened"
        other = Caller(world, to_number="+493023125002", agent="agent_demo_prx_0001")
        other.play("2025-10-22", "09:00", service="Sprechstunde")
        for caller in [other, *callers]:
            caller.booked(seconds=60)
        assert wait_until(lambda: breakers_open() == 0, 10), "the breaker has not closed"


def test_twenty_callers_while_cal_com_is_away_are_all_served_afterwards():  # FR-05
    with a_world(breaker_failures=5, breaker_open_ms=500) as world:
        world.simulator.fault("refuse_connections", delay_ms=8_000)
        callers = [Caller(world) for _ in range(20)]
        for caller in callers:
            caller.play(*world.slots.take())
        for caller in callers:
            caller.intent_in("booked", "refused", seconds=120)
        assert [c.intent()["state"] for c in callers] == ["booked"] * 20
        both_sides_agree(world)


@pytest.mark.parametrize("seed", [1, 2])
def test_fifty_calls_through_a_storm_of_faults(seed):  # B34, short
    with a_world(breaker_failures=20, breaker_open_ms=200) as world:
        world.simulator.seeded_faults(seed, 0.3, ["commit_then_no_reply", "commit_then_reset", "reset_before_commit", "reset_mid_body", "truncated", "truncated_wrong_length",
                                                  "error_before_commit", "error_after_commit", "late_commit", "conflict_of_our_own", "no_first_byte",
                                                  "invalid_utf8", "deep_nesting", "doubled_keys", "numbers_as_texts"], endpoint="create_booking", delay_ms=2_500)
        world.simulator.seeded_faults(seed + 100, 0.15, ["lookup_fails", "replica_lag", "truncated", "no_first_byte", "deep_nesting", "doubled_keys"], endpoint="list_bookings", delay_ms=2_500)
        callers = [Caller(world) for _ in range(50)]
        for caller in callers:
            caller.play(*world.slots.take())
        for caller in callers:
            caller.filed(outcome="ended", call_summary="Termin vereinbart.")
        all_settled(world, seconds=150)
        intents = both_sides_agree(world)
        assert len(intents) == 50 and all(i["state"] == "booked" for i in intents.values())
