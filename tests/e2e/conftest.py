"""Worlds to test in. A module has one, made once: real binaries, real PostgreSQL, a simulated Cal.com over TLS, two shards.

A test rings with numbers, call ids and slots of its own (see `caller`), so it needs no empty world; what it asserts, it asserts of its own call."""

import contextlib
import json
import os
import pathlib
import shutil
import sys
import tempfile

import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "deploy"))
from world import World  # noqa: E402

from retell_caller import Caller, Slots  # noqa: E402

PREFIX = pathlib.Path(os.environ.get("RINGMASTER_PREFIX", ROOT / "zig-out"))

# SCENARIOS' clock C2: Monday 2025-10-20, 10:00 in Berlin; the week after holds a change of the clocks.
C2 = "2025-10-20T10:00:00+02:00"

# What takes minutes in life takes seconds here: a look-up schedule of 0.05 to 6 s, short deadlines, and no limit on what a test may ask.
QUICK = {"shards": 2, "booking_lookup_percent": 10, "booking_retry_ms": 50, "calcom_write_timeout_ms": 2000, "calcom_read_timeout_ms": 1500,
         "breaker_open_ms": 1000, "head_timeout_ms": 2000, "body_timeout_ms": 4000, "budget_per_minute": 1000, "drain_s": 20, "webhook_heap_mib": 256, "journal_segment_mib": 34}


def quick_world_file(directory):
    """The demo's world, with a Cal.com that does not limit the tests."""
    world = json.loads((ROOT / "deploy" / "worlds" / "demo.json").read_text())
    for account in world["calcom"]["accounts"]:
        account["requests_per_minute"] = 100_000
    path = pathlib.Path(directory) / "world.json"
    path.write_text(json.dumps(world))
    return path


@contextlib.contextmanager
def a_world(at=C2, world_file=None, engine=True, **settings):
    directory = pathlib.Path(tempfile.mkdtemp(prefix="ringmaster-e2e-", dir="/var/tmp"))
    os.chmod(directory, 0o755)
    world = World(directory, world_file or quick_world_file(directory), PREFIX, at=at, settings={**QUICK, **settings})
    world.slots = Slots()
    try:
        yield world.up(engine=engine)
    finally:
        world.down()
        shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture(scope="module")
def world():
    with a_world() as w:
        yield w
        assert w.engine.child.is_running(), f"the engine ended by itself:\n{w.engine.child.last_words(30)}"


@pytest.fixture
def caller(world):
    return Caller(world)
