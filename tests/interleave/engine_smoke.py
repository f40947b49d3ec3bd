#!/usr/bin/env python3
"""The whole engine under ThreadSanitizer: two shards, the helper thread, load with bookings, tenants that change meanwhile, a drain. Any report fails it.
Prints "N passed, N failed"."""

import os
import pathlib
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "deploy")]
import sanitized  # noqa: E402
from world import World  # noqa: E402

PREFIX = pathlib.Path(os.environ.get("RINGMASTER_PREFIX", ROOT / "zig-out")).absolute()
WORLD = ROOT / "deploy" / "worlds" / "demo.json"


def build(prefix):
    """ringmaster with TSan, beside the ordinary simulator and load harness."""
    (prefix / "bin").mkdir()
    sanitized.daemon("ringmaster", "thread", prefix / "bin")
    for name in ("ringsim", "ringload"):
        (prefix / "bin" / name).symlink_to(PREFIX / "bin" / name)


def load(w):
    branch = w.example()[1]
    return subprocess.Popen([w.program("ringload"), "--url", f"{w.engine.url}/w/{w.workspace['token']}/retell/webhook", "--key", w.workspace["retell_api_keys"][0],
                             "--to", branch["phone_numbers"][0], "--calls", "60", "--rate", "30", "--duration", "6", "--book-share", "0.1", "--control", w.simulator.control_url,
                             "--world", str(WORLD), "--database-owner-url", w.postgres.url("ringmaster_owner"), "--verify"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def play(prefix, directory):
    """(what is checked, does it hold)"""
    os.environ["TSAN_OPTIONS"] = f"{sanitized.ENVIRONMENT['TSAN_OPTIONS']}:log_path={directory}/tsan"
    w = World(directory / "world", WORLD, prefix, settings={"shards": 2, "drain_s": 20}).up()
    try:
        harness = load(w)
        for _ in range(4):
            w.engine.must("provision", WORLD, owner=True)
            w.postgres.execute("NOTIFY ringmaster_tenants")
        yield "nothing is lost or doubled", harness.wait(120) == 0
    finally:
        status = w.down()
    reports = [path.read_text() for path in directory.glob("tsan.*")]
    print("\n".join(reports)[:20_000], end="")
    yield "the drain ends well", status == 0
    yield "ThreadSanitizer has nothing to say", not reports


def main():
    with tempfile.TemporaryDirectory(prefix="ringmaster-tsan-", dir="/var/tmp") as name:
        directory = pathlib.Path(name)
        os.chmod(directory, 0o755)
        prefix = directory / "prefix"
        prefix.mkdir()
        build(prefix)
        results = list(play(prefix, directory))
    for what, holds in results:
        print(f"{'ok     ' if holds else 'FAILED '} {what}")
    failed = sum(not holds for _, holds in results)
    print(f"{len(results) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
