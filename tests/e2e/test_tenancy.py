"""Tenants never mix (promises 5 and 6), and change while the engine serves (SCENARIOS ING-04)."""

import json

import pytest

from conftest import ROOT, a_world
from retell_caller import Caller
from world import OWNER, RUNTIME, Trouble, wait_until


@pytest.fixture(scope="module")
def filed(world):
    """Something in every table."""
    caller = Caller(world)
    caller.play(*world.slots.take())
    caller.booked()
    nobody = Caller(world, to_number="+493023129999")
    nobody.tell(nobody.started())
    late = Caller(world)
    late.play("2023-01-01", "10:00")
    assert wait_until(late.jobs, 20)
    return caller


def tables_with_row_security(world):
    return [r["name"] for r in world.postgres.query("SELECT relname AS name FROM pg_class WHERE relrowsecurity AND relkind = 'r' ORDER BY 1")]


def test_every_table_of_tenants_forces_its_policies(world):
    free = world.postgres.query("SELECT c.relname AS name FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = 'public' AND c.relkind = 'r' "
                                "AND NOT (c.relrowsecurity AND c.relforcerowsecurity) ORDER BY 1")
    assert [r["name"] for r in free] in ([], ["schema_migrations"])


def test_the_runtime_role_sees_nothing_without_a_tenant(world, filed):  # promise 6
    tables = tables_with_row_security(world)
    assert {"calls", "customers", "call_events", "appointments", "booking_intents", "jobs", "companies"} <= set(tables)
    for table in tables:
        try:
            assert world.postgres.query(f"SELECT count(*) AS n FROM {table}", role=RUNTIME) == [{"n": 0}], table
        except Trouble as refused:
            assert "permission denied" in str(refused)


def test_the_runtime_role_sees_one_tenant_and_no_other(world, filed):
    ids = {r["key"]: r["id"] for r in world.postgres.query("SELECT key, id FROM companies")}
    own, other = (json.loads(world.postgres.execute(f"SET ringmaster.company = '{ids[key]}'; SELECT json_agg(call_id) FROM calls;", role=RUNTIME).strip() or "null") for key in ("fri", "prx"))
    assert filed.call_id in own
    assert not other or filed.call_id not in other


def test_the_runtime_role_cannot_write_into_another_tenant(world, filed):
    ids = {r["key"]: r["id"] for r in world.postgres.query("SELECT key, id FROM companies")}
    with pytest.raises(Trouble, match="row-level security"):
        world.postgres.execute(f"SET ringmaster.company = '{ids['fri']}'; INSERT INTO customers (company_id, phone, created_at) VALUES ({ids['prx']}, '+4912345678', now());", role=RUNTIME)


def test_doctor_proves_that_the_role_is_confined(world):
    done = world.engine.command("doctor", "--json")
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_engine_refuses_a_role_that_could_bypass_security():  # promise 6
    with a_world(engine=False) as world:
        with pytest.raises(Trouble) as refused:
            world.engine.start(database_url=world.postgres.url(OWNER))
        assert "owner" in str(refused.value) or "owns" in str(refused.value), str(refused.value)
        done = world.engine.command("doctor", database_url=world.postgres.url(OWNER))
        assert done.returncode != 0


def test_secrets_are_sealed_in_the_database(world):
    rows = world.postgres.query("SELECT encode(sealed, 'escape') AS sealed FROM workspace_keys UNION ALL SELECT encode(calcom_api_key_sealed, 'escape') FROM companies")
    assert len(rows) >= 3
    for secret in ("key_demo", "cal_demo"):
        assert all(secret not in r["sealed"] for r in rows)


def test_no_model_written_id_reaches_another_tenant(world, filed):  # promise 5, TEN-01
    """What an agent puts into variables is no identity."""
    caller = Caller(world, to_number="+493023125002", agent="agent_demo_prx_0001")
    caller.tell(caller.started(), caller.ended(), caller.analyzed({"company_id": 1, "call_id": filed.call_id, "branch": "berlin", "to_number": "+493023125001"}))
    assert caller.filed(outcome="ended")["company"] == "prx"


# -- provision -----------------------------------------------------------------------------------------------------------------------------------


def changed(world, change):
    description = json.loads(world.world_file.read_text())
    change(description)
    path = world.directory / "changed.json"
    path.write_text(json.dumps(description))
    return path


def test_provision_twice_changes_nothing(world):
    done = world.engine.must("provision", world.world_file, "--dry-run", owner=True) + world.engine.must("provision", world.world_file, owner=True)
    assert ": added" not in done and "→" not in done


def test_a_dry_run_shows_the_difference_and_leaves_it(world):
    def rename(description):
        description["companies"][1]["name"] = "Praxis am Park"

    path = changed(world, rename)
    assert "Praxis am Park" in world.engine.must("provision", path, "--dry-run", owner=True)
    assert world.postgres.query("SELECT name FROM companies WHERE key = 'prx'") == [{"name": "Praxis PRX"}]


@pytest.mark.parametrize("change, path", [
    (lambda d: d["companies"][0]["branches"][0].update(time_zone="Europe/Atlantis"), "companies[0].branches[0].time_zone"),
    (lambda d: d["companies"][0]["branches"][0].update(phone_numbers=["030 23125001"]), "companies[0].branches[0].phone_numbers[0]"),
    (lambda d: d["companies"][0].update(colour="red"), "companies[0]: unknown field"),
    (lambda d: d["companies"][0]["services"][0].update(duration_minutes=-5), "companies[0].services[0].duration_minutes"),
    (lambda d: d["companies"][0]["services"][0]["staff"][0].update(staff="nobody"), "companies[0].services[0].staff[0]"),
    (lambda d: d["workspaces"][0].pop("token"), "workspaces[0]"),
], ids=lambda v: v if isinstance(v, str) else "")
def test_an_error_in_the_file_names_its_path_and_changes_nothing(world, change, path):
    before = world.postgres.query("SELECT count(*) AS n FROM audit_log")
    done = world.engine.command("provision", changed(world, change), owner=True)
    assert done.returncode != 0 and path in done.stderr + done.stdout, done.stderr + done.stdout
    assert world.postgres.query("SELECT count(*) AS n FROM audit_log") == before


def test_keys_rotate_while_the_engine_serves():  # ING-04
    with a_world() as world:
        old, new = world.workspace["retell_api_keys"][0], "key_new_0123456789abcdef0123456789"

        def keys(*wanted):
            return changed(world, lambda d: d["workspaces"][0].update(retell_api_keys=list(wanted)))

        def status(key):
            caller = Caller(world)
            return caller.send(caller.started(), key=key).status

        assert (status(old), status(new)) == (204, 401)
        world.engine.must("provision", keys(new, old), owner=True)
        assert wait_until(lambda: status(new) == 204, 10), "the new key is not taken"
        assert status(old) == 204, "the old one counts until the window closes"
        world.engine.must("provision", keys(new), owner=True)
        assert wait_until(lambda: status(old) == 401, 10), "the old key still counts"
        assert status(new) == 204


def test_a_new_company_is_served_without_a_restart():
    with a_world() as world:
        number = "+493023125003"

        def add(description):
            description["companies"].append({"key": "neu", "name": "Neu", "time_zone": "Europe/Vienna", "branches": [
                {"key": "wien", "name": "Wien", "time_zone": "Europe/Vienna", "workspace": "demo", "phone_numbers": [number]}]})

        world.engine.must("provision", changed(world, add), owner=True)

        def filed():
            caller = Caller(world, to_number=number)
            caller.tell(caller.started())
            return wait_until(caller.row, 1)

        row = wait_until(filed, 20)
        assert row and row["company"] == "neu"
        # It has neither an event type nor an agent, and that is said as exactly that.
        caller = Caller(world, to_number=number)
        caller.play(*world.slots.take(), service=None)
        job = wait_until(caller.jobs, 20)
        assert job and "event_type" in job[0]["reason"], job
        told = world.engine.command("doctor")
        assert "event type" in told.stdout + told.stderr and "agent" in told.stdout + told.stderr, told.stdout + told.stderr


def test_a_number_rings_only_in_its_own_workspace():
    """The same called number under another workspace's URL and key belongs to nobody there."""
    with a_world() as world:
        def add(description):
            description["workspaces"].append({"key": "second", "name": "Second", "token": "wt_second_1234567890", "retell_api_keys": ["key_second_0123456789abcdef01234567"], "agents": []})

        world.engine.must("provision", changed(world, add), owner=True)
        caller = Caller(world)
        caller.path, caller.key = "/w/wt_second_1234567890/retell/webhook", "key_second_0123456789abcdef01234567"
        assert wait_until(lambda: caller.send(caller.started()).status == 204, 10)
        assert wait_until(lambda: caller.rows("SELECT outcome FROM webhooks WHERE call_id = $CALL"), 10) == [{"outcome": "unrouted"}]
        assert caller.row() is None
        # A foreign tenant's key is no key here.
        assert caller.send(caller.started(), path=f"/w/{world.workspace['token']}/retell/webhook").status == 401


def test_the_demo_world_is_what_the_documents_say():
    world = json.loads((ROOT / "deploy" / "worlds" / "demo.json").read_text())
    assert [c["key"] for c in world["companies"]] == ["fri", "prx"]
