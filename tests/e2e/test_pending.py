"""A booking that somebody at the business must still accept is never called booked, and what they decide is found out (contract B13)."""

import json
import pathlib

import pytest

from conftest import ROOT, a_world
from retell_caller import Caller
from world import wait_until


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    description = json.loads((ROOT / "deploy" / "worlds" / "demo.json").read_text())
    for event_type in description["calcom"]["event_types"]:
        event_type["requires_confirmation"] = True
    file = pathlib.Path(tmp_path_factory.mktemp("pending")) / "world.json"
    file.write_text(json.dumps(description))
    with a_world(world_file=file, booking_pending_s=1) as w:
        yield w


def pending(world):
    caller = Caller(world)
    caller.play(*world.slots.take())
    assert wait_until(lambda: (caller.intent() or {}).get("state") == "pending", 20, every=0.05), caller.intent()
    assert [a["status"] for a in caller.appointments()] == ["pending"]
    return caller, caller.appointments()[0]["calcom_booking_uid"]


def test_a_pending_booking_is_booked_when_the_host_accepts_it(world):
    caller, uid = pending(world)
    world.simulator.control("POST", f"bookings/{uid}/confirm")
    assert wait_until(lambda: caller.intent()["state"] == "booked", 20, every=0.1), caller.intent()
    assert [a["status"] for a in caller.appointments()] == ["accepted"]
    assert caller.jobs() == []


def test_a_pending_booking_becomes_a_callback_when_the_host_declines_it(world):
    caller, uid = pending(world)
    world.simulator.control("POST", f"bookings/{uid}/decline")
    assert wait_until(lambda: caller.intent()["state"] == "refused", 20, every=0.1), caller.intent()
    assert [a["status"] for a in caller.appointments()] == ["rejected"]
    assert [(j["kind"], j["reason"]) for j in caller.jobs()] == [("callback", "cancelled_at_calcom")]
