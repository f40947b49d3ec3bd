#!/usr/bin/env python3
"""A hundred thousand call actors alive at once, in the real engine with a real PostgreSQL: what one of them costs, and how long they take to come back after kill -9.

    bench/actors_bench.py [--actors N] [--rate R] [--waiting W]

Only call_started is told of each call, so none of them ends. Memory is what the kernel counts for the process (resident, without what it shares with others), when
nothing is under way any more. What the load itself left behind (memory of webhooks that waited for PostgreSQL, which malloc keeps) is in it; a process that has just been
started again has none of that, so an actor's own share is told from there.

Then the engine is killed twice. First in peace: all calls come back from PostgreSQL (OPEN_CALLS). Then after an outage of PostgreSQL, in which W more webhooks were
acknowledged: these are replayed from the journal. Both times: until /readyz says ready, and until all actors are back."""

import argparse
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "deploy"))
import world as worlds  # noqa: E402

PREFIX = pathlib.Path(os.environ.get("RINGMASTER_PREFIX", ROOT / "zig-out")).absolute()
MIB = 1 << 20


def tell_started(world, calls, rate):
    """call_started of that many new calls, in an open loop; all acknowledged."""
    with tempfile.NamedTemporaryFile(suffix=".json") as out:
        subprocess.run([PREFIX / "bin" / "ringload", "--url", f"{world.engine.url}/w/{world.workspace['token']}/retell/webhook", "--key", world.workspace["retell_api_keys"][0],
                        "--to", "+493023125001", "--event", "call_started", "--bodies", "2k-2k", "--rate", str(rate), "--duration", str(calls / rate), "--calls", str(rate),
                        "--connections", "64", "--json", out.name], check=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=600)
        acknowledged = json.load(open(out.name))["acknowledged"]
    if acknowledged < 0.99 * calls:
        raise worlds.Trouble(f"Of {calls} webhooks {acknowledged} were acknowledged: the machine is too busy for {rate} a second.")
    return acknowledged


def number(world, name):
    """Of all shards together."""
    return sum(value for key, value in world.engine.metrics().items() if key.partition("{")[0] == name)


def wait_until_settled(world):
    if not worlds.wait_until(lambda: number(world, "ringmaster_webhooks_under_way") == 0, 300, every=0.25):
        raise worlds.Trouble("The webhooks are not filed after five minutes.")
    time.sleep(1.5)  # what is filed is stated in the journal within a second


def resident_bytes(world):
    text = pathlib.Path(f"/proc/{world.engine.child.pid}/smaps_rollup").read_text()
    return 1024 * sum(int(n) for n in re.findall(r"^Private_(?:Clean|Dirty):\s+(\d+)", text, re.M))


def rebuild(world, actors, before_start=lambda: None):
    """Kills, starts again: seconds until ready, seconds until all are back, resident bytes then."""
    world.engine.kill()
    before_start()
    began = time.monotonic()
    world.engine.start(until_ready=False)
    world.engine.wait_until_ready(300)
    ready = time.monotonic() - began
    if not worlds.wait_until(lambda: number(world, "ringmaster_calls_active") >= actors, 300, every=0.01):
        raise worlds.Trouble(f"Of {actors} actors {number(world, 'ringmaster_calls_active'):.0f} are back after five minutes.")
    return ready, time.monotonic() - began, resident_bytes(world)


def measure(world, options):
    at_start = resident_bytes(world)
    told = tell_started(world, options.actors, options.rate)
    wait_until_settled(world)
    alive, after_load = int(number(world, "ringmaster_calls_active")), resident_bytes(world)
    print(f"{'':44}{'ready, s':>10}{'all, s':>10}{'MiB':>10}{'replayed':>10}")
    print(f"{'without a call':64}{at_start / MIB:10.1f}")
    print(f"{f'{alive:,} calls, just told':64}{after_load / MIB:10.1f}", flush=True)

    ready, back, memory = rebuild(world, alive)
    print(f"{f'killed; {alive:,} calls in PostgreSQL':44}{ready:10.2f}{back:10.2f}{memory / MIB:10.1f}{number(world, 'ringmaster_webhooks_replayed_total'):10.0f}", flush=True)
    of_an_actor = (memory - at_start) / alive

    world.postgres.stop()
    waiting = tell_started(world, options.waiting, options.rate)
    ready, back, memory = rebuild(world, told + waiting, world.postgres.start)
    replayed = number(world, "ringmaster_webhooks_replayed_total")
    print(f"{f'killed; {waiting:,} more in the journal alone':44}{ready:10.2f}{back:10.2f}{memory / MIB:10.1f}{replayed:10.0f}")
    print(f"an idle actor, with its part of everything that is there for it: {of_an_actor:.0f} bytes")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--actors", type=int, default=100_000)
    parser.add_argument("--rate", type=int, default=2_000, help="webhooks a second while telling")
    parser.add_argument("--waiting", type=int, default=20_000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="ringmaster-actors-") as directory:
        world = worlds.World(directory, ROOT / "deploy" / "worlds" / "demo.json", PREFIX, settings={"drain_s": 2})
        world.up()
        try:
            measure(world, options)
        finally:
            world.down()


if __name__ == "__main__":
    try:
        main()
    except worlds.Trouble as trouble:
        sys.exit(f"actors_bench: {trouble}")
