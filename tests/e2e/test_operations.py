"""Seen from outside: metrics, health, logs, commands (SCENARIOS PR-05), and ./run itself."""

import contextlib
import http.client as http_client
import json
import os
import re
import resource
import shutil
import signal
import socket
import subprocess
import sys

import pytest

from conftest import PREFIX, ROOT, a_world
from retell_caller import Caller, sign
from world import http, wait_until


def test_promtool_finds_nothing_to_say_about_the_metrics(world, caller):
    promtool = shutil.which("promtool") or ROOT / ".tools" / "promtool"
    caller.play(*world.slots.take())
    caller.booked()
    checked = subprocess.run([promtool, "check", "metrics"], input=world.engine.get("/metrics").body.decode(), capture_output=True, text=True)
    assert (checked.returncode, checked.stdout + checked.stderr) == (0, "")


def test_health_says_what_is_wrong_by_name(world):
    assert world.engine.get("/livez").status == 200
    ready = world.engine.get("/readyz")
    assert ready.status == 200 and all(ready.json()["checks"].values())
    assert {"tenants", "database", "journal"} <= ready.json()["checks"].keys()


def test_head_and_options_are_answered(world):
    assert http("HEAD", world.engine.url + "/livez").status == 200
    assert http("OPTIONS", world.engine.url + "/livez").status == 204


PRIVATE = {"name": "Wolfgang Amadeus Unverwechselbar", "phone": "+491701234567", "email": "unverwechselbar@example.org", "said": "Geheimnisvolle Krankengeschichte"}


def test_logs_metrics_and_errors_hold_nothing_personal_and_no_secret(world):  # PR-05
    caller = Caller(world, from_number=PRIVATE["phone"])
    caller.name = PRIVATE["name"]
    for fault in ("error_before_commit", "commit_then_reset", "refused_after_commit"):
        world.simulator.fault(fault, endpoint="create_booking")
        caller.call_id = Caller(world).call_id
        caller.tell(caller.started(), caller.ended(transcript="User: " + PRIVATE["said"]), caller.analyzed(caller.agreed(*world.slots.take(), email=PRIVATE["email"])))
        caller.intent_in("booked", "refused", seconds=45)
    caller.send('{"event":"call_started","call":"' + PRIVATE["name"] + '"}')
    caller.play("2023-01-01", "10:00")
    told = world.engine.child.log.read_text() + world.engine.get("/metrics").body.decode() + world.engine.get("/readyz").body.decode()
    for secret in [*PRIVATE.values(), "1701234567", "Unverwechselbar", world.workspace["retell_api_keys"][0], "cal_demo_fri_key", world.workspace["token"],
                   world.secret_key_file.read_text().strip(), *world.postgres.passwords.values()]:
        assert secret not in told, f"{secret} stands in a log, a metric or an error"


def test_every_line_of_the_log_is_json_with_an_event(world, caller):
    caller.play(*world.slots.take())
    caller.booked()
    lines = [line for line in world.engine.child.log.read_text().splitlines() if line.startswith("{")]
    events = [json.loads(line) for line in lines]
    assert events and all({"time", "level", "event"} <= e.keys() for e in events)
    of_the_booking = [e for e in events if e["event"].startswith("booking")]
    assert of_the_booking and all("company" in e for e in of_the_booking)


def test_the_configuration_is_shown_without_its_secrets(world):
    shown = world.engine.must("check-config")
    assert "calcom_url" in shown
    for secret in (world.secret_key_file.read_text().strip(), *world.postgres.passwords.values()):
        assert secret not in shown


@pytest.mark.parametrize("settings, named", [({"listen": "nowhere"}, "listen"), ({"shards": 1000}, "shards"), ({"calcom_url": "ftp://x"}, "calcom_url"), ({"at": "soon"}, "at"),
                                             ({"secret_key_file": "/nonexistent"}, "secret_key_file"), ({"journal_directory": ""}, "journal_directory"),
                                             ({"calcom_ca": "/nonexistent"}, "/nonexistent")])
def test_a_wrong_setting_is_named(world, settings, named):
    done = world.engine.command("check-config", **settings)
    assert done.returncode != 0 and named in done.stderr, done.stderr


def test_a_taken_port_is_said_in_a_sentence(world):
    done = subprocess.run([PREFIX / "bin" / "ringmaster", "serve", "--listen", f"127.0.0.1:{world.engine.port}"], capture_output=True, text=True, timeout=30,
                          env={**os.environ, **world.engine.environment(journal_directory=world.directory / "another-journal")})
    assert done.returncode != 0 and "taken" in done.stderr, done.stderr


def start_beside(world, *, preexec=None, **settings):
    """An engine that is none of the world's own: at a port of its own, in this process's hands."""
    return subprocess.Popen([PREFIX / "bin" / "ringmaster", "serve", "--listen", "127.0.0.1:0"], stderr=subprocess.PIPE, text=True, preexec_fn=preexec, cwd="/",
                            env={**os.environ, **world.engine.environment(**settings)})


def what_it_said(engine, seconds=20):
    """Status and last words of one that ends by itself, or is ended after so long."""
    try:
        said = engine.communicate(timeout=seconds)[1]
    except subprocess.TimeoutExpired:
        engine.terminate()
        said = engine.communicate(timeout=30)[1]
    return engine.returncode, said


@pytest.mark.skipif(os.geteuid() != 0, reason="another user's threads can be counted by root alone")
def test_a_thread_that_is_not_to_be_had_is_said_in_a_sentence(world):
    def as_somebody_with_few_threads():
        resource.setrlimit(resource.RLIMIT_NPROC, (6, 6))
        os.setgroups([])
        os.setgid(64321)  # nobody's, so that nothing else counts
        os.setuid(64321)

    folder = world.directory / "for-anybody"
    folder.mkdir()
    os.chmod(folder, 0o777)
    status, said = what_it_said(start_beside(world, preexec=as_somebody_with_few_threads, shards=8, journal_directory=folder / "journal", secret_key_file="", secret_key="0" * 64))
    assert status == 1 and "got no thread. Raise the limit" in said and "broken" not in said, said


@pytest.mark.parametrize("name", ["", "absent/ready"])  # a directory; in a directory that is not there
def test_a_ready_file_that_cannot_be_written_is_said_in_a_sentence(world, tmp_path, name):
    status, said = what_it_said(start_beside(world, shards=1, journal_directory=tmp_path / "journal", ready_file=tmp_path / name))
    assert status == 1 and "ready_file: cannot be written" in said, said


def test_without_a_stderr_no_line_goes_elsewhere(world, tmp_path):
    what_it_said(start_beside(world, preexec=lambda: os.close(2), shards=1, journal_directory=tmp_path / "journal"), seconds=2)
    assert (tmp_path / "journal" / "journal.lock").read_bytes() == b""


def test_who_opens_every_connection_takes_no_descriptor_of_the_journal(tmp_path):
    descriptors, ready = 80, tmp_path / "ready"
    with a_world(at=None, engine=False) as world, contextlib.ExitStack() as held:
        engine = start_beside(world, preexec=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (descriptors, descriptors)), shards=1, ready_file=ready, log_level="error",
                              journal_directory=tmp_path / "journal")
        try:
            world.engine.port = wait_until(lambda: ready.exists() and json.loads(ready.read_text())["port"], 30)
            world.engine.child = world.postgres.child  # only asked whether it runs
            world.engine.wait_until_ready()
            caller = Caller(world)
            known = held.enter_context(contextlib.closing(http_client.HTTPConnection("127.0.0.1", world.engine.port, timeout=30)))
            known.connect()
            for _ in range(descriptors):
                held.enter_context(socket.create_connection(("127.0.0.1", world.engine.port)))
            for _ in range(40):  # 40 MB: more than a segment of 34 MiB
                body = json.dumps(caller.ended(transcript="User: " + "ja " * 330_000)).encode()
                caller.call_id = Caller(world).call_id
                known.request("POST", caller.path, body, {"X-Retell-Signature": sign(body, caller.key, world.clock.now_ms())})
                answer = known.getresponse()
                assert (answer.status, answer.read()) == (204, b"")
        finally:
            assert what_it_said(engine, seconds=0)[0] == 0
            world.engine.child = None


def test_calls_recent_lists_one_company(world, caller):
    caller.play()
    caller.filed(outcome="ended")
    prx = Caller(world, to_number="+493023125002", agent="agent_demo_prx_0001")
    prx.play()
    prx.filed(outcome="ended")
    listed = world.engine.must("calls", "recent", "--company", "fri", "--limit", "5", "--json", owner=True)
    assert caller.call_id in listed and prx.call_id not in listed
    assert world.engine.must("calls", "recent", "--company", "fri", owner=True)


def test_tls_is_served_when_there_is_a_certificate():
    with a_world(engine=False) as world:
        world.engine.start(until_ready=False, tls_certificate=world.certificates.certificate, tls_key=world.certificates.key)
        assert http("GET", f"https://127.0.0.1:{world.engine.port}/livez", ca=world.certificates.ca).status == 200


# -- ./run ---------------------------------------------------------------------------------------------------------------------------------------


@pytest.fixture
def run(tmp_path_factory):
    """./run without its set-up, in a folder of its own, with the binaries under test."""
    directory = ROOT / ".zig-cache" / f"run-{os.getpid()}"
    environment = {**os.environ, "RINGMASTER_RUN_DIRECTORY": str(directory), "RINGMASTER_PREFIX": str(PREFIX)}
    world = str(ROOT / "deploy" / "worlds" / "demo.json")

    def start(mode, *more):
        return subprocess.Popen([sys.executable, ROOT / "deploy" / "run.py", "--mode", mode, "--world", world, *more], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    start.directory = directory
    yield start
    start("stop").wait(60)
    shutil.rmtree(directory, ignore_errors=True)


def finished(process, seconds=120):
    out, err = process.communicate(timeout=seconds)
    return process.returncode, out, err


def test_run_once_books_on_both_sides_twice_in_a_row(run):
    for at in ([], ["--at", "2025-10-18T10:00:00+02:00"]):
        status, out, err = finished(run("once", *at))
        assert status == 0, out + err
        assert out.count("call_") >= 3 and " 204 " in out and "accepted" in out and "/metrics" in out
        assert not (run.directory / "world.env").exists()


def test_run_detach_leaves_a_world_that_its_file_describes(run):
    status, out, err = finished(run("detach"))
    assert status == 0, out + err
    path = run.directory / "world.env"
    assert path.stat().st_mode & 0o777 == 0o600
    names = ["RINGMASTER_URL", "WORKSPACE_TOKEN", "RETELL_API_KEY", "RETELL_AGENT_ID", "CALLED_NUMBER", "CALCOM_URL", "CALCOM_CA", "SIM_CONTROL_URL", "DATABASE_URL", "DATABASE_OWNER_URL"]
    shell = subprocess.run(["sh", "-c", f"set -a; . {path}; env"], capture_output=True, text=True, env={"PATH": "/usr/bin:/bin"}).stdout
    variables = dict(line.split("=", 1) for line in shell.splitlines() if "=" in line)
    assert [name for name in names if not variables.get(name)] == []
    assert http("GET", variables["RINGMASTER_URL"] + "/readyz").status == 200
    assert http("GET", variables["SIM_CONTROL_URL"] + "/control/bookings").json()["total"] == 0
    status, out, err = finished(run("once"))
    assert status != 0 and "up" in err and "--stop" in err
    assert finished(run("stop"))[0] == 0
    with pytest.raises(OSError):
        http("GET", variables["RINGMASTER_URL"] + "/livez")
    assert finished(run("stop"))[:2] == (0, "Nothing is up.\n")


def test_run_ends_with_ctrl_c_and_takes_everything_with_it(run):
    process = run("stay")
    lines = iter(process.stdout.readline, "")
    url = next(re.search(r"(http://\S+)/metrics", line) for line in lines if "/metrics" in line)[1]
    assert http("GET", url + "/livez").status == 200
    process.send_signal(signal.SIGINT)
    assert process.wait(60) == 0
    with pytest.raises(OSError):
        http("GET", url + "/livez")


def test_a_run_that_was_killed_is_cleaned_up_by_the_next(run):
    process = run("stay")
    for line in iter(process.stdout.readline, ""):
        if "Ctrl-C" in line:
            break
    process.kill()
    process.wait()
    status, out, err = finished(run("once"))
    assert status == 0 and "stopping it now" in out, out + err


def test_run_says_how_it_is_used():
    done = subprocess.run([ROOT / "run", "--nonsense"], capture_output=True, text=True)
    assert done.returncode == 2 and "--nonsense" in done.stderr and "--once" in done.stderr
    done = subprocess.run([ROOT / "run", "--world", "/nonexistent.json"], capture_output=True, text=True)
    assert done.returncode == 1 and "/nonexistent.json" in done.stderr
