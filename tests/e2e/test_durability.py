"""A 2xx survives kill -9 and outages (promise 1); what cannot be stored gets 503, and what was promised is done, once (SCENARIOS FR-01, FR-10, FR-11)."""

import os
import pathlib
import signal
import subprocess
import threading
import time

import pytest

from conftest import a_world
from retell_caller import Caller, Load, all_settled, both_sides_agree
from world import wait_until


def checked(world, load, seconds=60):
    load.check_nothing_is_lost(seconds)
    all_settled(world, seconds)
    return both_sides_agree(world)


def test_kill_right_after_the_2xx_loses_nothing():
    """The acknowledgement is the last thing that the engine does: what follows is done by the next life."""
    with a_world() as world:
        callers = []
        for _ in range(5):
            caller = Caller(world)
            caller.tell(caller.started(), caller.ended(), caller.analyzed(caller.agreed(*world.slots.take())))
            world.engine.kill()
            world.engine.start()
            callers.append(caller)
        for caller in callers:
            caller.filed(outcome="ended", call_summary="Termin vereinbart.")
            caller.booked()
            caller.tell(caller.analyzed(caller.agreed(*world.slots.take())))  # again, to a life that did not hear it the first time
        both_sides_agree(world)
        assert len(world.simulator.live_bookings()) == len(callers)


@pytest.mark.parametrize("moment, rule", [
    ("before_the_commit", {"fault": "slow_check", "delay_ms": 2_500}), ("after_the_commit", {"fault": "no_first_byte", "delay_ms": 2_500}),
    ("with_the_commit_still_to_come", {"fault": "late_commit", "delay_ms": 2_500}),
], ids=lambda value: value if isinstance(value, str) else "")
def test_kill_while_cal_com_has_the_question(moment, rule):  # FR-01
    """The intent is there, the create is under way: the next life looks before it asks again."""
    with a_world(calcom_write_timeout_ms=10_000) as world:
        caller = Caller(world)
        world.simulator.fault(endpoint="create_booking", **rule)
        caller.play(*world.slots.take())
        assert wait_until(lambda: [r for r in world.simulator.requests("create_booking") if r["status"] is None], 10, every=0.02)
        world.engine.kill()
        world.engine.start()
        caller.booked(seconds=60)
        both_sides_agree(world)


def test_kill_between_the_answer_and_the_record_finds_the_booking():  # FR-01
    """PostgreSQL is gone when Cal.com answers, so the result cannot be written; then the engine is killed."""
    with a_world(calcom_write_timeout_ms=10_000) as world:
        caller = Caller(world)
        world.simulator.fault("no_first_byte", endpoint="create_booking", delay_ms=1_500)
        caller.play(*world.slots.take())
        assert wait_until(lambda: [r for r in world.simulator.requests("create_booking") if r["status"] is None], 10, every=0.02)
        world.postgres.crash()
        assert wait_until(lambda: [r for r in world.simulator.requests("create_booking") if r["status"] == 201], 10)
        world.engine.kill()
        world.postgres.start()
        world.engine.start()
        caller.booked(seconds=60)
        assert len(world.simulator.requests("create_booking")) == 1


@pytest.mark.parametrize("shards", [(2, 1), (1, 2), (2, 3)], ids=lambda n: f"{n[0]}-to-{n[1]}")
def test_a_journal_is_replayed_by_any_number_of_shards(shards):
    with a_world(shards=shards[0]) as world:
        world.postgres.crash()
        callers = [Caller(world) for _ in range(20)]
        for caller in callers:
            caller.play(*world.slots.take())
        world.engine.kill()
        world.postgres.start()
        world.engine.start(shards=shards[1])
        for caller in callers:
            caller.booked(seconds=60)
        both_sides_agree(world)


def test_webhooks_are_accepted_while_postgresql_is_away_and_filed_when_it_is_back():
    with a_world() as world:
        world.postgres.crash()
        callers = [Caller(world) for _ in range(30)]
        for caller in callers:
            caller.play(*world.slots.take())
        assert world.engine.get("/livez").status == 200
        assert world.engine.get("/readyz").json()["checks"]["database"] is False
        world.postgres.start()
        for caller in callers:
            caller.booked(seconds=60)
        both_sides_agree(world)


def test_postgresql_stopped_and_started_under_load_loses_nothing():
    with a_world() as world:
        with Load(world, threads=4, calls_per_second=15) as load:
            for stop in (world.postgres.stop, world.postgres.crash):
                time.sleep(2)
                stop()
                time.sleep(3)
                world.postgres.start()
            time.sleep(2)
        checked(world, load, seconds=120)


def test_sigterm_finishes_what_is_under_way_and_takes_nothing_new():
    with a_world() as world:
        with Load(world, threads=4, calls_per_second=30) as load:
            time.sleep(2)
            status = world.engine.stop()
            assert status == 0, f"the drain ended with {status}"
            world.engine.start()
            time.sleep(1)
        checked(world, load)


def test_sigterm_waits_for_a_slow_answer_and_records_it():
    with a_world(calcom_write_timeout_ms=10_000) as world:
        caller = Caller(world)
        world.simulator.fault("no_first_byte", endpoint="create_booking", delay_ms=3_000)
        caller.play(*world.slots.take())
        assert wait_until(lambda: [r for r in world.simulator.requests("create_booking") if r["status"] is None], 10, every=0.02)
        assert world.engine.stop() == 0
        caller.booked(seconds=1)


def test_a_second_sigterm_stops_at_once():
    with a_world(calcom_write_timeout_ms=60_000, drain_s=60) as world:
        caller = Caller(world)
        world.simulator.fault("no_first_byte", endpoint="create_booking", delay_ms=45_000)
        caller.play(*world.slots.take())
        assert wait_until(lambda: [r for r in world.simulator.requests("create_booking") if r["status"] is None], 10, every=0.02)
        process = world.engine.child.process
        process.send_signal(signal.SIGTERM)
        time.sleep(1)
        assert process.poll() is None, "the first signal waits for what is under way"
        process.send_signal(signal.SIGTERM)
        process.wait(5)
        world.engine.start()
        caller.booked(seconds=60)


def segments(world):
    """Those that hold records, the one written last at the end; not a spare, nor one that is being made."""
    return sorted((p for p in world.journal.glob("*.segment") if written_bytes(p) > 2 * BLOCK), key=lambda p: p.stat().st_mtime)


def written_bytes(path):
    """Where the last written byte of a preallocated file is."""
    data = path.read_bytes()
    return len(data.rstrip(b"\0"))


def with_a_journal_to_replay(world, calls):
    """Calls that are acknowledged, and in the journal alone; the engine is dead."""
    world.postgres.crash()
    callers = [Caller(world) for _ in range(calls)]
    for caller in callers:
        caller.play(*world.slots.take())
    world.engine.kill()
    world.postgres.start()
    return callers


BLOCK = 4096


def tear(path):
    """Leaves what a power loss may leave of a write that nobody was told of: the first block of a batch, and nothing of the rest (src/journal/format.h)."""
    data = path.read_bytes()
    magic = data[2 * BLOCK : 2 * BLOCK + 4]
    end = -(-written_bytes(path) // BLOCK) * BLOCK
    last = max(offset for offset in range(2 * BLOCK, end, BLOCK) if data[offset : offset + 4] == magic)
    header = bytearray(data[last : last + 64])
    header[16:24] = (int.from_bytes(header[16:24], "little") + 1).to_bytes(8, "little")  # its number
    header[32:36] = (4 * BLOCK).to_bytes(4, "little")  # its length
    with open(path, "r+b") as file:
        file.seek(end)
        file.write(bytes(header) + os.urandom(BLOCK - len(header)))


def test_a_torn_tail_is_cut_and_reported():  # FR-11
    with a_world(shards=1) as world:
        callers = with_a_journal_to_replay(world, 5)
        tear(segments(world)[-1])
        world.engine.start()
        for caller in callers:
            caller.booked(seconds=60)
        assert "journal_torn_tail_cut" in world.engine.child.log.read_text()


def test_a_corrupt_middle_refuses_to_start_with_file_and_offset():
    with a_world(shards=1) as world:
        with_a_journal_to_replay(world, 10)
        last = segments(world)[-1]
        with open(last, "r+b") as file:
            file.seek(written_bytes(last) // 2)
            file.write(os.urandom(64))
        world.engine.child.log.write_text("")
        with pytest.raises(Exception) as refused:
            world.engine.start()
        said = str(refused.value)
        assert last.name in said and "offset" in said, said


def test_two_engines_do_not_share_a_journal():
    with a_world() as world:
        first = world.engine.child
        port, world.engine.port = world.engine.port, None
        with pytest.raises(Exception, match="journal"):
            world.engine.start()
        world.engine.child, world.engine.port = first, port
        caller = Caller(world)
        caller.play()
        caller.filed(outcome="ended")


@pytest.fixture
def small_disk(tmp_path_factory):
    if os.geteuid() != 0:
        pytest.skip("a small disk is mounted by root alone")
    directory = pathlib.Path(f"/var/tmp/ringmaster-disk-{os.getpid()}")
    directory.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=150m", "tmpfs", directory], capture_output=True, text=True)
    if mounted.returncode != 0:
        directory.rmdir()
        pytest.skip(f"no small disk can be mounted here: {mounted.stderr.strip()}")
    yield directory
    subprocess.run(["umount", "-l", directory], check=True)
    directory.rmdir()


def test_a_full_disk_is_503_and_heals_without_a_restart(small_disk):  # FR-10
    with a_world(journal_directory=small_disk / "journal", shards=1) as world:
        (small_disk / "journal").mkdir(exist_ok=True)
        world.engine.restart()
        ballast = small_disk / "ballast"
        with open(ballast, "wb") as file:
            try:
                while True:
                    file.write(b"\0" * 65536)
            except OSError:
                pass
        world.postgres.crash()
        promised, refused = [], None
        for _ in range(400):
            caller = Caller(world)
            answer = caller.send(caller.ended(transcript="User: " + "ja " * 170_000))
            if answer.status != 204:
                refused = answer
                break
            promised.append(caller)
        assert refused is not None, "the disk never was full"
        assert refused.status == 503 and int(refused.headers["Retry-After"]) > 0
        assert world.engine.get("/readyz").status == 503
        ballast.unlink()
        world.postgres.start()
        for caller in promised:
            caller.filed(outcome="ended", seconds=60)
        fresh = Caller(world)
        assert wait_until(lambda: fresh.send(fresh.started()).status == 204, 20, every=0.2), "it has not healed"
        fresh.filed()


def test_a_full_journal_is_503_until_postgresql_is_back():
    with a_world(shards=1, journal_segments=2) as world:
        world.postgres.crash()
        statuses, promised = set(), []
        for _ in range(250):
            caller = Caller(world)
            status = caller.send(caller.ended(transcript="User: " + "ja " * 170_000)).status
            statuses.add(status)
            if status != 204:
                break
            promised.append(caller)
        assert statuses == {204, 503}
        world.postgres.start()
        for caller in promised:
            caller.filed(outcome="ended", seconds=60)
        fresh = Caller(world)
        assert wait_until(lambda: fresh.send(fresh.started()).status == 204, 30, every=0.2)


def test_what_has_no_room_gets_503_and_nothing_that_was_promised_is_lost():
    """Sixteen MiB for what waits for PostgreSQL, and PostgreSQL is away."""
    with a_world(shards=1, webhook_heap_mib=16) as world:
        world.postgres.crash()
        promised, refused = [], None
        while refused is None and len(promised) < 100:
            caller = Caller(world)
            answer = caller.send(caller.ended(transcript="User: " + "ja " * 170_000))
            if answer.status == 204:
                promised.append(caller)
            else:
                refused = answer
        assert refused is not None and refused.status == 503 and int(refused.headers["Retry-After"]) > 0
        assert world.engine.get("/metrics").status == 200, "this is when one wants to look"
        world.postgres.start()
        for caller in promised:
            caller.filed(outcome="ended", seconds=60)
        fresh = Caller(world)
        assert wait_until(lambda: fresh.send(fresh.started()).status == 204, 30, every=0.2)


def test_the_engine_starts_without_postgresql_and_serves_when_it_comes():
    with a_world() as world:
        caller = Caller(world)
        world.postgres.crash()
        caller.play(*world.slots.take())
        world.engine.kill()
        world.engine.start(until_ready=False)
        assert world.engine.get("/livez").status == 200
        assert world.engine.get("/readyz").status == 503
        assert caller.send(caller.started()).status == 503, "nobody is known yet: neither 401 nor 404 would be true"
        world.postgres.start()
        world.engine.wait_until_ready()
        caller.booked(seconds=60)


def children_of(parent):
    for status in pathlib.Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = status.read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(fields[1]) == parent:
            yield int(status.parent.name)


def test_nobody_waits_for_a_slow_postgresql():
    """Its whole cluster stops for a while without closing anything; webhooks are answered meanwhile."""
    with a_world() as world:
        postmaster = world.postgres.child.pid
        pids = [postmaster, *children_of(postmaster)]
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        thaw = threading.Timer(4, lambda: [os.kill(pid, signal.SIGCONT) for pid in pids])
        thaw.start()
        try:
            callers = [Caller(world) for _ in range(20)]
            begin = time.monotonic()
            for caller in callers:
                caller.play(*world.slots.take())
            assert time.monotonic() - begin < 3.5, "the answers waited for PostgreSQL"
        finally:
            thaw.join()
        for caller in callers:
            caller.booked(seconds=60)
