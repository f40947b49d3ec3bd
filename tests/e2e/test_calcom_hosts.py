"""While the engine books, the people at the business go on living (contract S12 to S16, S21), and Cal.com tells whoever subscribed (F22, F23). Booked is what is
booked there; what is not is told to people; nothing is booked twice."""

import json
import time

import pytest

from conftest import a_world, quick_world_file
from retell_caller import Caller, both_sides_agree
from world import http, wait_until


@pytest.fixture(scope="module")
def world():
    with a_world(breaker_failures=1000, booking_pending_s=1) as w:
        yield w


def with_event_types(directory, change):
    """The demo's world in which each event type of the salon is changed."""
    path = quick_world_file(directory)
    description = json.loads(path.read_text())
    for event_type in description["calcom"]["event_types"]:
        if event_type["user_ids"] != [201]:
            change(event_type)
    path.write_text(json.dumps(description))
    return path


def committed_and_not_answered(world, caller):
    """The booking at Cal.com, of which the engine does not know yet."""
    world.simulator.fault("no_first_byte", endpoint="create_booking", delay_ms=8_000)
    caller.play(*world.slots.take())
    assert wait_until(caller.live_bookings, 20), caller.intent()
    return caller.live_bookings()[0]


# -- hosts


def test_a_start_that_is_taken_between_the_question_and_the_booking_is_not_booked(world, caller):  # S21
    world.simulator.fault("host_becomes_busy", endpoint="slots")
    caller.play(*world.slots.take())
    caller.intent_in("refused")
    assert caller.live_bookings() == [] and caller.appointments() == []
    assert [j["kind"] for j in caller.jobs()] == ["callback"]


def test_a_booking_that_the_host_cancels_before_we_hear_of_it_is_not_called_booked(world, caller):  # S21
    booking = committed_and_not_answered(world, caller)
    world.simulator.control("POST", f"bookings/{booking['uid']}/cancel")
    caller.intent_in("refused", seconds=45)
    assert caller.live_bookings() == [] and [j["reason"] for j in caller.jobs()] == ["cancelled_at_calcom"]


@pytest.mark.parametrize("days", [0, 30], ids=["the_same_day", "a_month_later"])
def test_a_booking_that_the_host_moves_before_we_hear_of_it_is_neither_booked_nor_said_to_be_cancelled(world, caller, days):  # S14, B20
    booking = committed_and_not_answered(world, caller)
    day = booking["start"][:10] if days == 0 else "2026-01-14"
    world.simulator.control("POST", f"bookings/{booking['uid']}/move", {"start": f"{day}T21:{len(world.simulator.bookings()) % 60:02}:00Z"})
    assert wait_until(lambda: caller.jobs(), 45), caller.intent()
    assert len(caller.live_bookings()) == 1
    assert [j["reason"] for j in caller.jobs()] != ["cancelled_at_calcom"], "people are told that it is gone, and it is not"
    assert caller.intent()["state"] == "unknown"
    assert len([r for r in world.simulator.requests("create_booking") if r["engineRef"] == caller.intent()["reference"]]) == 1


def test_a_booking_that_is_reassigned_before_we_hear_of_it_is_booked(world, caller):  # S21
    booking = committed_and_not_answered(world, caller)
    other = 102 if booking["hosts"][0]["id"] == 101 else 101
    world.simulator.control("POST", f"bookings/{booking['uid']}/reassign", {"userId": other})
    caller.booked(seconds=45)


# -- kinds of event types


@pytest.mark.parametrize("kind", [{"kind": "round_robin"}, {"kind": "round_robin", "mandatory_hosts": 1}, {"kind": "collective"}], ids=["round_robin", "mandatory", "collective"])
def test_co_hosts_among_the_attendees_are_not_taken_for_the_caller(tmp_path, kind):  # S12
    file = with_event_types(tmp_path, lambda event_type: event_type.update(kind, user_ids=[101, 102]))
    with a_world(world_file=file) as world:
        callers = [Caller(world) for _ in range(4)]
        world.simulator.fault("unknown_host_id", endpoint="create_booking", count=2)
        world.simulator.fault("commit_then_no_reply", endpoint="create_booking", nth=3)
        for caller in callers:
            caller.play(*world.slots.take())
        for caller in callers:
            caller.booked(seconds=45)
        both_sides_agree(world)


def test_hosts_who_decide_on_their_own_time_are_believed(tmp_path):  # S13
    file = with_event_types(tmp_path, lambda event_type: event_type.update(requires_confirmation=True))
    with a_world(world_file=file, booking_pending_s=1) as world:
        world.simulator.fault("host_confirms", endpoint="create_booking", delay_ms=1_500)
        world.simulator.fault("host_declines", endpoint="create_booking", nth=2, delay_ms=1_500)
        world.simulator.fault("host_confirms", endpoint="create_booking", nth=3)  # at once: before the answer has left
        said_yes, said_no, at_once = [Caller(world) for _ in range(3)]
        for caller in (said_yes, said_no, at_once):
            caller.play(*world.slots.take())
            assert wait_until(lambda: world.simulator.requests("create_booking") and caller.intent() and caller.intent()["state"] != "written", 20)
            caller.intent_in("pending", "booked", "refused")
        said_yes.booked()
        at_once.booked()
        said_no.intent_in("refused")
        assert said_no.live_bookings() == [] and [j["kind"] for j in said_no.jobs()] == ["callback"]


def test_two_pending_bookings_of_one_slot_that_are_both_confirmed_are_one_each(tmp_path):  # S13: Cal.com does not look again
    file = with_event_types(tmp_path, lambda event_type: event_type.update(requires_confirmation=True))
    with a_world(world_file=file, booking_pending_s=1) as world:
        caller = Caller(world)
        slot = world.slots.take()
        caller.play(*slot, mitarbeiter="Lena")
        caller.intent_in("pending")
        ours = caller.live_bookings()[0]
        stranger = {"start": ours["start"], "eventTypeId": ours["eventTypeId"], "attendee": {"name": "S", "email": "stranger@example.com", "timeZone": "UTC"}}
        answer = http("POST", f"{world.simulator.url}/bookings", stranger, {"cal-api-version": "2024-08-13"}, ca=world.certificates.ca)
        assert answer.status == 201
        for uid in (answer.json()["data"]["uid"], ours["uid"]):
            world.simulator.control("POST", f"bookings/{uid}/confirm")
        caller.booked()


def test_a_pending_booking_that_the_host_moves_is_for_people(tmp_path):  # S13, S14
    file = with_event_types(tmp_path, lambda event_type: event_type.update(requires_confirmation=True))
    with a_world(world_file=file, booking_pending_s=1) as world:
        caller = Caller(world)
        caller.play(*world.slots.take())
        caller.intent_in("pending")
        world.simulator.control("POST", f"bookings/{caller.live_bookings()[0]['uid']}/move", {"start": "2026-01-14T10:00:00Z"})
        assert wait_until(caller.jobs, 30), caller.intent()
        assert [(j["kind"], j["reason"]) for j in caller.jobs()] == [("reconcile", "moved_at_calcom")]
        assert [a["status"] for a in caller.appointments()] == ["pending"]


@pytest.mark.parametrize("fault", ["none", "partial_series", "commit_then_no_reply"])
def test_a_series_that_nobody_asked_for_is_not_called_booked(tmp_path, fault):  # S16, B28: event types that recur are not supported, and doctor says so
    file = with_event_types(tmp_path, lambda event_type: event_type.update(recurrence_count=3))
    with a_world(world_file=file) as world:
        world.simulator.fault(fault, endpoint="create_booking")
        caller = Caller(world)
        caller.play(*world.slots.take())
        assert wait_until(caller.jobs, 30), caller.intent()
        assert [(j["kind"], j["reason"]) for j in caller.jobs()] == [("reconcile", "answer_differs")]
        assert caller.intent()["state"] == "unknown" and caller.appointments() == []
        assert len(world.simulator.requests("create_booking")) == 1


# -- subscribers


def subscribe(world):
    body = {"subscriberUrl": f"http://127.0.0.1:{world.engine.port}/w/{world.workspace['token']}/calcom/webhook", "active": True, "secret": "s",
            "triggers": ["BOOKING_CREATED", "BOOKING_CANCELLED", "BOOKING_REQUESTED", "BOOKING_RESCHEDULED"]}
    key = json.loads(world.world_file.read_text())["calcom"]["accounts"][0]["api_key"]
    answer = http("POST", f"{world.simulator.url}/webhooks", body, {"Authorization": f"Bearer {key}"}, ca=world.certificates.ca)
    assert answer.status == 201, answer.body


def webhooks_told(world):
    health = world.simulator.control("GET", "health")
    return health["webhooks_delivered"] + health["webhooks_lost"]


def test_a_reply_that_waits_for_our_own_answer_is_not_waited_for_in_vain():  # F22, F23: the deadlock trap
    with a_world() as world:
        subscribe(world)
        world.simulator.fault("reply_after_webhooks", endpoint="create_booking", count=0)
        callers = [Caller(world) for _ in range(5)]
        for caller in callers:
            caller.play(*world.slots.take())
        for caller in callers:
            caller.booked(seconds=45)
        creates = world.simulator.requests("create_booking")
        assert len(creates) == 5 and webhooks_told(world) == 5
        assert all(r["ms"] < 2_000 for r in creates), "the engine gave up on a reply that waited for the engine"


def test_webhooks_of_every_kind_do_no_harm():  # F22
    with a_world() as world:
        subscribe(world)
        world.simulator.seeded_faults(3, 0.8, ["webhook_duplicated", "webhook_reordered", "webhook_lost", "webhook_wrong_trigger", "webhook_bad_signature", "webhook_unsigned",
                                               "webhook_form_encoded", "webhook_delayed"], delay_ms=300)
        callers = [Caller(world) for _ in range(12)]
        for caller in callers:
            caller.play(*world.slots.take())
        for caller in callers:
            caller.booked(seconds=45)
        time.sleep(0.5)  # what was delayed has been told, too
        assert world.engine.child.is_running()
        both_sides_agree(world)
