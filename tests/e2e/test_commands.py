"""What an operator types: provision, doctor, calls, webhooks, jobs. Each is judged by what it prints, by its exit status, and by what is there afterwards."""

import json
import re

import pytest

from conftest import a_world, quick_world_file
from retell_caller import Caller
from world import wait_until


def with_changes(world, *changes):
    description = json.loads(world.world_file.read_text())
    for change in changes:
        change(description)
    path = world.directory / "changed.json"
    path.write_text(json.dumps(description))
    return path


def rows(world, *command, **more):
    return json.loads(world.engine.must(*command, "--json", owner=True, **more))


# -- provision -----------------------------------------------------------------------------------------------------------------------------------


def test_provision_says_what_it_did_and_the_second_time_that_there_was_nothing_to_do(world):
    path = with_changes(world, lambda d: d["companies"][1]["staff"].append({"key": "vertretung", "name": "Dr. Vertretung", "branch": "praxis"}))
    dry = world.engine.must("provision", path, "--dry-run", owner=True)
    assert "staff prx/vertretung: added" in dry and "1 added, 0 changed" in dry and "nothing was written" in dry
    assert world.engine.must("provision", path, owner=True).splitlines()[-1].startswith("1 added, 0 changed, ")
    assert world.engine.must("provision", path, owner=True).splitlines()[-1].startswith("0 added, 0 changed, ")


@pytest.mark.parametrize("content, said", [('{"companies": [', "not JSON at byte 15"), ('{"companies": 7}', "companies"), ("[]", "object")])
def test_a_file_that_is_no_world_is_refused_in_a_sentence(world, content, said):
    path = world.directory / "broken.json"
    path.write_text(content)
    done = world.engine.command("provision", path, owner=True)
    assert done.returncode == 1 and said in done.stderr, done.stderr


def test_a_bad_field_is_named_by_its_path(world):
    path = with_changes(world, lambda d: d["companies"][0]["branches"][0].update(time_zone="Europe/Bremerhaven"))
    done = world.engine.command("provision", path, owner=True)
    assert done.returncode == 1 and "companies[0].branches[0].time_zone" in done.stderr, done.stderr


@pytest.mark.parametrize("arguments", [("provision",), ("doctor", "now"), ("calls", "recent", "--limit", "many"), ("calls", "recent", "--limit"), ("calls",), ("webhooks",),
                                       ("webhooks", "replay"), ("webhooks", "replay", "17"), ("webhooks", "retry-failed", "all"), ("jobs", "done", "first"), ("jobs", "list", "--kind")])
def test_wrong_arguments_are_answered_with_the_usage(world, arguments):
    done = world.engine.command(*arguments, owner=True)
    assert done.returncode == 2 and done.stderr.startswith("usage: ringmaster " + arguments[0]) and done.stdout == "", done.stderr


# -- doctor --------------------------------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def clinic():
    """A world without an engine: doctor needs none."""
    with a_world(engine=False) as w:
        yield w


@pytest.fixture
def doctor(clinic):
    """doctor(change): what it says of a world that was changed so, and its exit status. The world is mended afterwards."""
    nothing = {"slots_version": None, "event_types_version": None, "bookings_version": None}

    def mend():
        clinic.engine.must("provision", with_changes(clinic, lambda d: d["companies"][0]["calcom"].update(nothing)), owner=True)

    def ask(change=None, *arguments, owner=True, **settings):
        mend()
        if change:
            clinic.engine.must("provision", with_changes(clinic, lambda d: d["companies"][0]["calcom"].update(nothing), lambda d: change(d["companies"][0])), owner=True)
        done = clinic.engine.command("doctor", *arguments, owner=owner, **settings)
        assert done.stderr == "", done.stderr
        return done.stdout, done.returncode

    yield ask
    mend()


def test_doctor_finds_a_good_world_good_and_says_of_what(doctor):
    said, status = doctor()
    assert status == 0 and "FAIL" not in said and "note" not in said, said
    for line in ("the runtime role cannot pass row-level security", "every sealed key opens", "the clocks here and at", "company fri: Cal.com accepts its API key",
                 "company prx: Cal.com shows free slots", "company fri: its event types at Cal.com are as they are needed (4)", "no caller waits to be called back"):
        assert re.search(rf"^ok    .*{re.escape(line)}", said, re.M), f"{line!r} is not in\n{said}"


def test_doctor_tells_programs_the_same(doctor):
    said, status = doctor(None, "--json")
    told = json.loads(said)
    assert status == 0 and told["failed"] == 0 and told["notes"] == 0 and told["ok"] == len(told["checks"]) > 10
    assert {"result": "ok", "what": "company fri", "why": "Cal.com accepts its API key"} in told["checks"]
    said, status = doctor(lambda c: c["branches"][0].update(retell_agent_id=None), "--json")
    told = json.loads(said)
    assert status == 1 and told["failed"] == 1
    assert [c for c in told["checks"] if c["result"] == "fail"] == [{"result": "fail", "what": "branch fri/berlin", "why": "has no Retell agent id"}]


@pytest.mark.parametrize("change, line", [
    (lambda c: c["branches"][0].update(calcom_event_type_id=None), "branch fri/berlin: has no Cal.com event type: a caller who names no service cannot be booked"),
    (lambda c: c["branches"][0].update(retell_agent_id=None), "branch fri/berlin: has no Retell agent id"),
    (lambda c: c["calcom"].update(api_key="cal_of_somebody_else"), "company fri: Cal.com refuses its API key (401)"),
    (lambda c: c["calcom"].update(slots_version="2020-01-01"), "company fri: slots are answered 404: Cal.com does not know cal-api-version 2020-01-01 for them (slots_version)"),
    (lambda c: c["calcom"].update(event_types_version="2020-01-01"), "company fri: event types are answered in another shape than that of cal-api-version 2020-01-01"),
    (lambda c: c["services"][2].update(duration_minutes=120), "service fri/dauerwelle: lasts 120 minutes here, and its event type 5004 135 minutes at Cal.com"),
    (lambda c: c["services"][2]["staff"][0].update(calcom_event_type_id=999), "service fri/dauerwelle: its event type 999 does not exist at Cal.com, or is not of this API key"),
], ids=["no_event_type", "no_agent", "wrong_key", "wrong_slots_version", "wrong_event_types_version", "wrong_length", "no_such_event_type"])
def test_doctor_names_each_gap(doctor, change, line):
    said, status = doctor(change)
    assert status == 1 and f"FAIL  {line}" in said, said
    assert said.count("FAIL") == 1 and "1 to be mended" in said, said


def test_doctor_says_which_event_types_cannot_be_booked(tmp_path):
    description = json.loads(quick_world_file(tmp_path).read_text())
    kinds = {5001: {"kind": "managed"}, 5002: {"requires_confirmation": True}, 5003: {"kind": "collective"}}
    for event_type in description["calcom"]["event_types"]:
        event_type.update(kinds.get(event_type["id"], {}))
    (tmp_path / "kinds.json").write_text(json.dumps(description))
    with a_world(engine=False, world_file=tmp_path / "kinds.json") as w:
        done = w.engine.command("doctor", owner=True)
    assert done.returncode == 1
    for line in ("FAIL  event type 5001 of company fri: is the template of managed event types", "note  event type 5002 of company fri: needs the host's confirmation",
                 "FAIL  event type 5003 of company fri: is collective, which is not supported"):
        assert line in done.stdout, done.stdout


def test_doctor_asks_no_more_than_the_budget_leaves():
    def a_lot(description):
        for n in range(60):
            description["companies"][1]["services"].append({"key": f"s{n}", "name": f"Dienst {n}", "duration_minutes": 30, "calcom_event_type_id": 7000 + n})

    with a_world(engine=False) as w:
        w.engine.must("provision", with_changes(w, a_lot), owner=True)
        said = w.engine.command("doctor", owner=True, budget_per_minute=110)
        asked = {endpoint: len(w.simulator.requests(endpoint)) for endpoint in ("get_event_type", "slots")}
    assert said.returncode == 1 and "note  company prx: 25 event types were not looked at" in said.stdout, said.stdout
    assert asked == {"get_event_type": 4 + 36, "slots": 2}, asked # fri's four, and as many of prx's as there may be


def test_companies_with_one_key_share_what_doctor_may_ask():
    def a_chain(description):
        fri = description["companies"][0]
        for n in range(20):
            service = {"key": "schnitt", "name": "Schnitt", "duration_minutes": 30, "calcom_event_type_id": 5001}
            description["companies"].append({"key": f"kette{n}", "name": f"Kette {n}", "time_zone": "Europe/Berlin", "calcom": fri["calcom"], "branches": [], "services": [service]})

    with a_world(engine=False) as w:
        w.engine.must("provision", with_changes(w, a_chain), owner=True)
        said = w.engine.command("doctor", owner=True, budget_per_minute=110)
        asked = [r for r in w.simulator.requests() if r["endpoint"] in ("me", "get_event_type")]
    assert "ok    company kette3: Cal.com accepts its API key" in said.stdout, said.stdout
    assert "note  company kette19: Cal.com is not looked at: The request budget is used up" in said.stdout, said.stdout
    assert len(asked) < 60, len(asked)


def test_doctor_without_cal_com(clinic, doctor):
    asked = len(clinic.simulator.requests())
    said, status = doctor(None, "--offline")
    assert status == 0 and "Cal.com" not in said and len(clinic.simulator.requests()) == asked
    said, status = doctor(None, calcom_url="https://127.0.0.1:1/v2")
    assert status == 1 and "FAIL  company fri: Cal.com is not reached: No connection" in said, said
    said, status = doctor(None, calcom_ca="/etc/ssl/certs/ca-certificates.crt")
    assert status == 1 and "FAIL  company fri: Cal.com is not reached: The certificate was refused" in said, said


def test_doctor_sees_a_clock_that_is_wrong(clinic, doctor):
    said, status = doctor(None, at="2025-10-20T08:00:00Z") # the world's clock began there, and has run on since
    assert status == 0, said
    said, status = doctor(None, at="2025-10-20T09:00:00Z")
    assert status == 1 and re.search(r"^FAIL  the clocks here and at https://.*: ours is 3[56]\d\d s ahead$", said, re.M), said


def test_doctor_counts_only_what_it_may_see(doctor):
    said, status = doctor(None, owner=False)
    assert status == 0 and "note  callbacks, unknown bookings and lost webhooks: not counted: database_owner_url is not set" in said, said


# -- calls and jobs ------------------------------------------------------------------------------------------------------------------------------


def test_calls_recent_shows_a_call_with_its_booking(world, caller):
    caller.play(*world.slots.take())
    uid = caller.booked()["calcom_booking_uid"]
    listed = next(r for r in rows(world, "calls", "recent") if r["call_id"] == caller.call_id)
    assert (listed["company"], listed["booking"], listed["booking_uid"], listed["seconds"]) == ("fri", "booked", uid, "61")
    table = world.engine.must("calls", "recent", owner=True).splitlines()
    line = next(text for text in table if caller.call_id in text)
    assert table[0].startswith("company") and line.index(uid) == table[0].index("booking_uid"), "the columns do not stand straight"


def test_a_callback_is_listed_until_somebody_has_done_it(world):
    caller = Caller(world)
    caller.name = "Jörg Müßiggänger"
    caller.play("2025-10-19", "10:00") # yesterday: cannot be booked, and is not forgotten
    assert wait_until(caller.jobs, 20)
    job = next(r for r in rows(world, "jobs", "list", "--kind", "callback", "--company", "fri") if r["call_id"] == caller.call_id)
    assert job["phone"] == caller.from_number and job["state"] == "open" and job["reason"]
    assert not any(r["call_id"] == caller.call_id for r in rows(world, "jobs", "list", "--kind", "reconcile") + rows(world, "jobs", "list", "--company", "prx"))
    assert re.search(r"^note  callbacks are open: \d+ ", world.engine.must("doctor", "--offline", owner=True), re.M)

    assert f"callback {job['id']} is done" in world.engine.must("jobs", "done", job["id"], owner=True)
    assert not any(r["id"] == job["id"] for r in rows(world, "jobs", "list"))
    assert caller.jobs()[0]["state"] == "done" and caller.jobs()[0]["finished_at"]
    assert world.postgres.query(f"SELECT actor FROM audit_log WHERE subject = 'job/{job['id']}' AND action = 'callback_done'") == [{"actor": "operator"}]
    again = world.engine.command("jobs", "done", job["id"], owner=True)
    assert again.returncode == 1 and "no open callback" in again.stderr


# -- webhooks ------------------------------------------------------------------------------------------------------------------------------------


def test_webhooks_list_shows_what_came_and_what_became_of_it(world, caller):
    caller.tell(caller.started())
    caller.filed()
    newest = rows(world, "webhooks", "list", "--outcome", "filed", "--company", "fri", "--limit", "1")
    assert [(r["event"], r["call_id"], r["outcome"], r["workspace"]) for r in newest] == [("call_started", caller.call_id, "filed", "demo")]
    assert newest[0]["id"].startswith("call:")
    assert not any(r["call_id"] == caller.call_id for r in rows(world, "webhooks", "list", "--company", "prx"))


def ids_of(world, caller):
    return [r["id"] for r in world.postgres.query(f"SELECT 'log:' || id AS id FROM webhook_log WHERE call_id = '{caller.call_id}' ORDER BY id")]


def test_what_found_no_tenant_is_filed_and_booked_once_its_number_is_provisioned():
    with a_world() as world:
        caller, other = Caller(world, to_number="+493023125055"), Caller(world, to_number="+493023129998")
        slot = world.slots.take()
        caller.tell(caller.started(), caller.ended(), caller.analyzed(caller.agreed(*slot)))
        other.tell(other.started())
        assert caller.send('{"event":"call_started","call":{}}').status == 204
        assert wait_until(lambda: len(ids_of(world, caller)) == 3 and len(rows(world, "webhooks", "list")) == 5, 10)

        before = world.engine.command("webhooks", "retry-failed", owner=True)
        assert before.returncode == 1 and "0 filed, 0 already filed, 5 failed" in before.stdout, before.stdout
        assert before.stdout.count("FAILED: no number leads it to a branch") == 4 and caller.row() is None

        path = with_changes(world, lambda d: d["companies"][0]["branches"][0]["phone_numbers"].append("+493023125055"))
        world.engine.must("provision", path, owner=True)
        # At once: an engine that has not heard of the number yet is asked again.
        after = world.engine.command("webhooks", "retry-failed", owner=True)
        assert after.returncode == 1 and "3 filed, 0 already filed, 2 failed" in after.stdout, after.stdout + after.stderr
        for event in ("call_started", "call_ended", "call_analyzed"):
            assert re.search(rf"^log:\d+ +{event} +{caller.call_id} +204  filed$", after.stdout, re.M), after.stdout
        caller.booked()

        # The log remembers what it was, the tenant can see it now, and what still fails stays listed.
        listed = {r["id"]: r for r in rows(world, "webhooks", "list")}
        assert all((listed[i]["outcome"], listed[i]["company"]) == ("replayed", "fri") for i in ids_of(world, caller))
        assert [r["call_id"] for r in listed.values() if r["outcome"] == "unrouted"] == [other.call_id]
        assert [r["reason"] for r in listed.values() if r["outcome"] == "quarantined"] == ["there is no call id"]

        # Again changes nothing: neither by id, nor under the name of the call that it has become, nor after a restart, when memory knows nothing.
        filed = [r["id"] for r in listed.values() if r["id"].startswith("call:")]
        for _ in range(2):
            again = world.engine.command("webhooks", "replay", *ids_of(world, caller), *filed, owner=True)
            assert again.returncode == 0 and "0 filed, 6 already filed, 0 failed" in again.stdout, again.stdout + again.stderr
            world.engine.restart()
        caller.booked()
        assert len(caller.rows("SELECT 1 AS x FROM call_events WHERE call_id = $CALL")) == 3
        assert len(caller.rows("SELECT 1 AS x FROM webhook_log WHERE call_id = $CALL")) == 3


def test_a_number_that_memory_has_forgotten_belongs_to_the_tenant_of_its_call(world):
    """A transfer names only its call: it is filed where the call is."""
    caller = Caller(world, to_number="+493023125056")
    transfer = {"event": "transfer_started", "call": caller.call(to_number=..., from_number=...), "transfer_destination": {"number": "+493023125099"}}
    caller.tell(caller.started(), transfer)
    assert wait_until(lambda: len(ids_of(world, caller)) == 2, 10)
    world.engine.must("provision", with_changes(world, lambda d: d["companies"][1]["branches"][0]["phone_numbers"].append("+493023125056")), owner=True)
    done = world.engine.command("webhooks", "replay", *ids_of(world, caller), owner=True)
    assert done.returncode == 0 and "2 filed, 0 already filed, 0 failed" in done.stdout, done.stdout + done.stderr
    assert caller.filed()["company"] == "prx"


def test_more_than_a_batch_is_sent_in_the_order_in_which_it_came(world):
    callers = [Caller(world, to_number="+493023125057") for _ in range(20)]
    for caller in callers:
        caller.tell(caller.started())
    assert wait_until(lambda: all(ids_of(world, c) for c in callers), 10)
    world.engine.must("provision", with_changes(world, lambda d: d["companies"][0]["branches"][0]["phone_numbers"].append("+493023125057")), owner=True)
    done = world.engine.command("webhooks", "retry-failed", owner=True)
    order = re.findall(r"call_started +(call_\w+) +204  filed$", done.stdout, re.M)
    assert order == [c.call_id for c in callers], done.stdout


def test_replay_says_what_it_cannot_send(world, caller):
    missing = world.engine.command("webhooks", "replay", "log:999999", owner=True)
    assert missing.returncode == 1 and "there is no webhook log:999999" in missing.stderr
    caller.tell(caller.started())
    caller.filed()
    webhook = f"call:{caller.rows('SELECT id FROM call_events WHERE call_id = $CALL')[0]['id']}"
    nobody = world.engine.command("webhooks", "replay", webhook, owner=True, url="http://127.0.0.1:1")
    assert nobody.returncode == 1 and "no engine answers at http://127.0.0.1:1" in nobody.stderr, nobody.stderr
    wrong_clock = world.engine.command("webhooks", "replay", webhook, owner=True, at="2025-10-20T18:00:00+02:00")
    assert wrong_clock.returncode == 1 and "401  FAILED: its signature was refused: is the clock the engine's?" in wrong_clock.stdout, wrong_clock.stdout
    assert world.engine.command("webhooks", "replay", webhook).returncode == 1  # without the owner's URL


def test_what_a_replay_tells_steers_no_terminal(world):  # a call id is what the sender says it is
    caller = Caller(world, to_number="+493099999998")
    caller.call_id += "\x9b2J"  # U+009B, which is ESC [ in one character
    caller.tell(caller.started())

    def kept():
        listed = json.loads(world.engine.must("webhooks", "list", "--outcome", "unrouted", "--json", owner=True))
        return next((w["id"] for w in listed if w["call_id"] == caller.call_id), None)

    done = world.engine.command("webhooks", "replay", wait_until(kept, 15, every=0.1), owner=True)
    told = done.stdout + done.stderr
    assert caller.call_id.replace("\x9b", "?") in told and "\x9b" not in told, told


@pytest.mark.parametrize("arguments, word", [(["serve", "--lissten", "1"], "--lissten"), (["serve", "extra"], "extra"), (["check-config", "x"], "x")])
def test_what_a_command_does_not_know_is_refused_by_name(world, arguments, word):
    done = world.engine.command(*arguments)
    assert done.returncode == 2 and word in done.stderr, done.stderr


def test_the_value_of_a_mistyped_setting_is_not_repeated(world):  # it may be a password
    done = world.engine.command("serve", "--databse-url=postgresql://ringmaster:geheim@db/ringmaster")
    assert done.returncode == 2 and "--databse-url:" in done.stderr and "geheim" not in done.stderr, done.stderr


def test_asking_for_help_starts_nothing(world):
    done = world.engine.command("serve", "--help")
    assert done.returncode == 0 and "usage" in done.stdout, done.stdout


@pytest.mark.parametrize("arguments", [["webhooks", "list", "--outcome", "nope"], ["jobs", "list", "--kind", "nope"]])
def test_a_list_of_what_cannot_be_is_refused_not_empty(world, arguments):
    assert world.engine.command(*arguments, owner=True).returncode == 2
