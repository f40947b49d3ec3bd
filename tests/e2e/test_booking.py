"""What was agreed on the phone becomes one booking, or a task with its reason (PRODUCT section 4 and promises 2, 3, 4, 9; SCENARIOS BK after the call)."""

import json
import time

import pytest

from retell_caller import Caller
from world import http, parse_instant, wait_until


def refused_for(caller, reason, seconds=20):
    """No booking anywhere, and a callback that says why."""
    job = wait_until(lambda: [j for j in caller.jobs() if j["kind"] == "callback"], seconds, every=0.05)
    assert job, f"no callback after {seconds} s; the intent: {caller.intent()}"
    assert job[0]["reason"] == reason, job[0]
    assert caller.appointments() == [] and caller.live_bookings() == []
    return job[0]


def test_an_agreed_appointment_is_booked_on_both_sides(world, caller):
    date, at = world.slots.take()
    caller.play(date, at)
    appointment = caller.booked()
    assert parse_instant(appointment["starts_at"]) == parse_instant(f"{date}T{at}:00+02:00") or date > "2025-10-25"
    assert (appointment["calcom_event_type_id"], appointment["attendee_name"]) == (5001, caller.name)
    assert caller.jobs() == []


def test_the_caller_becomes_a_customer_once(world, caller):
    caller.play(*world.slots.take())
    caller.booked()
    again = Caller(world, from_number=caller.from_number)
    again.play()
    assert again.filed(outcome="ended")["customer_id"] == caller.row()["customer_id"]
    assert caller.row()["customer_name"] == caller.name


@pytest.mark.parametrize("confirmed", [True, "true", 1, "1", "yes", "ja"])
def test_every_form_of_yes_books(world, caller, confirmed):
    caller.play(*world.slots.take(), booking_confirmed=confirmed)
    caller.booked()


@pytest.mark.parametrize("confirmed", [False, "false", 0, "0", "no", "nein", None, "", "vielleicht", "{{booking_confirmed}}", [], 2])
def test_nothing_else_books(world, caller, confirmed):
    caller.play(*world.slots.take(), booking_confirmed=confirmed)
    caller.filed(outcome="ended", call_summary="Termin vereinbart.")
    time.sleep(0.2)
    assert caller.intent() is None


@pytest.mark.parametrize("place", ["retell_llm_dynamic_variables", "collected_dynamic_variables"])
def test_the_facts_are_found_where_agents_leave_them(world, caller, place):
    facts = caller.agreed(*world.slots.take(), booking_confirmed="ja")
    caller.tell(caller.started(), caller.ended(**{place: facts}), caller.analyzed())
    caller.booked()


@pytest.mark.parametrize("date, at", [("{d}.{m}.{y}", "{h}:{i}"), ("{d}{m}{y}", "{h}:{i} Uhr"), ("{y}-{m}-{d}", "{h}:{i}")])
def test_dates_are_read_in_the_forms_that_agents_send(world, caller, date, at):
    day, clock = world.slots.take()
    (y, m, d), (h, i) = day.split("-"), clock.split(":")
    caller.play(date.format(y=y, m=m, d=d), at.format(h=h, i=i))
    assert caller.booked()["starts_at"][:10] == day


def test_the_service_chooses_the_event_type(world, caller):
    caller.play("2025-11-20", "15:00", service="Damenschnitt")
    assert caller.booked()["calcom_event_type_id"] == 5003


def test_the_practice_books_with_its_own_key(world):
    caller = Caller(world, to_number="+493023125002", agent="agent_demo_prx_0001")
    caller.play("2025-10-22", "09:00", service="Sprechstunde")
    appointment = caller.booked()
    assert (caller.row()["company"], appointment["calcom_event_type_id"]) == ("prx", 6001)


def test_a_withheld_number_books_as_a_customer_of_its_own(world):
    first, second = Caller(world, from_number="anonymous"), Caller(world, from_number="anonymous")
    for caller in (first, second):
        caller.play(*world.slots.take())
        caller.booked()
    assert first.row()["customer_id"] != second.row()["customer_id"]
    assert first.row()["phone"] is None


def test_repeats_of_the_analysis_book_once(world, caller):
    slot = world.slots.take()
    caller.play(*slot)
    caller.booked()
    caller.tell(caller.analyzed(caller.agreed(*slot)), caller.ended(), caller.analyzed(caller.agreed(*world.slots.take())))
    time.sleep(0.5)
    caller.booked()


def test_two_callers_never_get_the_same_slot(world):  # promise 4
    slot = world.slots.take()
    callers = [Caller(world) for _ in range(4)]
    for caller in callers:
        caller.tell(caller.started(), caller.ended())
    for caller in callers:
        caller.tell(caller.analyzed(caller.agreed(*slot, mitarbeiter="Lena")))
    for caller in callers:
        caller.intent_in("booked", "refused")
    states = sorted(caller.intent()["state"] for caller in callers)
    assert states == ["booked", "refused", "refused", "refused"]
    for caller in callers:
        if caller.intent()["state"] == "refused":
            assert [j["kind"] for j in caller.jobs()] == ["callback"]
        else:
            caller.booked()


def test_overlapping_services_of_one_person_exclude_each_other(world):
    first, second = Caller(world), Caller(world)
    first.play("2025-11-21", "10:00", service="Damenhaarschnitt")
    first.booked()
    second.play("2025-11-21", "10:30", service="Herrenhaarschnitt", mitarbeiter="Lena")
    second.intent_in("refused")
    assert [j["kind"] for j in second.jobs()] == ["callback"]


def test_without_a_wish_the_next_one_who_is_free_is_taken(world):
    first, second = Caller(world), Caller(world)
    slot = ("2025-11-22", "11:00")
    first.play(*slot)
    first.booked()
    second.play(*slot)
    assert second.booked()["calcom_event_type_id"] == 5002


@pytest.mark.parametrize("facts, reason", [
    ({"datum": ...}, "missing_date"), ({"uhrzeit": ...}, "missing_time"), ({"datum": "irgendwann"}, "date_not_understood"), ({"datum": "2025-02-30"}, "date_not_understood"),
    ({"uhrzeit": "nach dem Essen"}, "time_not_understood"),
])
def test_what_is_missing_or_unclear_becomes_a_callback_with_that_reason(world, caller, facts, reason):
    date, at = world.slots.take()
    analysis = {name: value for name, value in {**caller.agreed(date, at), **facts}.items() if value is not ...}
    caller.tell(caller.started(), caller.ended(), caller.analyzed(analysis))
    refused_for(caller, reason)


def test_a_time_that_is_past_is_never_shifted(world, caller):
    caller.play("2023-06-13", "10:00")
    refused_for(caller, "past_time")


def test_an_unknown_service_is_not_guessed(world, caller):
    caller.play(*world.slots.take(), service="Fußpflege")
    refused_for(caller, "unknown_service")


@pytest.mark.parametrize("name", [..., "Unbekannt", "{{customer_name}}"])
def test_nobody_is_booked_without_a_name(world, caller, name):
    caller.play(*world.slots.take(), name=name)
    refused_for(caller, "missing_name")


def test_an_hour_that_does_not_exist_is_not_booked(world, caller):  # promise 9: 2026-03-29, 02:00 → 03:00
    caller.play("2026-03-29", "02:30")
    job = wait_until(caller.jobs, 20)
    assert job and caller.live_bookings() == []


@pytest.mark.parametrize("date, at, instant", [("2025-10-25", "16:00", "2025-10-25T14:00:00Z"), ("2025-10-27", "16:00", "2025-10-27T15:00:00Z"),
                                               ("2026-03-28", "16:00", "2026-03-28T15:00:00Z"), ("2026-03-30", "16:00", "2026-03-30T14:00:00Z")])
def test_wall_time_is_that_of_the_branch_on_either_side_of_a_change(world, caller, date, at, instant):  # promise 9
    caller.play(date, at, mitarbeiter="Tom")
    assert parse_instant(caller.booked()["starts_at"]) == parse_instant(instant)


def test_a_closed_day_is_not_booked(world, caller):
    caller.play("2025-11-02", "10:00")  # a Sunday
    job = wait_until(caller.jobs, 20)
    assert job and caller.live_bookings() == []


def test_what_cal_com_was_told_follows_its_contract(world, caller):
    """B2, B14, B17: our reference in string metadata, UTC, and none of the overrides."""
    caller.play(*world.slots.take())
    caller.booked()
    payload = json.loads(caller.intent()["payload"])
    assert payload["start"].endswith("Z")
    assert not {"allowConflicts", "allowBookingOutOfBounds", "overrideAvailability", "instant"} & payload.keys()
    assert all(isinstance(v, str) for v in payload["metadata"].values())
    assert caller.intent()["reference"] in payload["metadata"].values()
    creates = [r for r in world.simulator.requests("create_booking") if r["engineRef"] == caller.intent()["reference"]]
    assert len(creates) == 1 and creates[0]["status"] == 201


def test_customers_do_not_share_an_address(world):  # B18, R33
    addresses = set()
    for number in ("anonymous", "anonymous", None):
        caller = Caller(world, from_number=number)
        caller.play(*world.slots.take())
        caller.booked()
        addresses.add(json.loads(caller.intent()["payload"])["attendee"]["email"])
    assert len(addresses) == 3


def test_cal_com_is_spoken_to_only_over_verified_tls(world):
    assert http("GET", f"{world.simulator.url}/me", ca=world.certificates.ca).status == 401
