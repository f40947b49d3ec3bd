#!/usr/bin/env python3
"""Whole calls per second (started, ended, analyzed, filed; some of them booked at Cal.com) through the engine, against what PostgreSQL alone takes of the same statements
(bench/whole_calls/postgres_alone.c), on the same cluster and the same cores, by turns.

    bench/whole_calls_bench.py [--rounds N] [--seconds S] [--booked-in-hundred P] [--lock FILE]

The engine is told a burst of calls, half as many again as PostgreSQL alone would take in that time; what counts is the time until the last of them is filed and booked.
The load generator, the simulated Cal.com and its TLS run beside it on the same cores, and are in the engine's figure. 64 tenants with a Cal.com account each, since
an account bears some 120 requests a minute (here: a thousand, on both sides)."""

import argparse
import json
import os
import pathlib
import re
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "deploy"))
sys.path.insert(0, str(ROOT / "bench"))
import machine  # noqa: E402
import world as worlds  # noqa: E402

PREFIX = pathlib.Path(os.environ.get("RINGMASTER_PREFIX", ROOT / "zig-out")).absolute()
TENANTS = 64  # numbers that the load generator knows
REQUESTS_PER_MINUTE = 1000
UNFINISHED = "SELECT count(*) AS n FROM booking_intents WHERE state IN ('written', 'sending', 'unknown', 'pending')"


def number_of(tenant):
    return f"+4930{2_000_000 + tenant}"


def world_file(directory):
    """The demo's first company with its Cal.com account, that many times: a number, a key, people and event types of its own for each."""
    demo = json.loads((ROOT / "deploy" / "worlds" / "demo.json").read_text())
    world = {"workspaces": demo["workspaces"], "companies": [], "calcom": {**demo["calcom"], "accounts": [], "users": [], "event_types": []}}
    people = demo["calcom"]["accounts"][0]["user_ids"]
    parts = {"companies": demo["companies"][:1], "accounts": [{**demo["calcom"]["accounts"][0], "requests_per_minute": REQUESTS_PER_MINUTE}],
             "users": [u for u in demo["calcom"]["users"] if u["id"] in people],
             "event_types": [e for e in demo["calcom"]["event_types"] if e["user_ids"][0] in people]}
    for tenant in range(TENANTS):
        text = re.sub(r"\b(10[12]|500[1-4])\b", lambda number: str(int(number[0]) + 10_000 * (tenant + 1)), json.dumps(parts))
        text = text.replace("cal_demo_fri_key", f"cal_whole_{tenant:04}").replace("+493023125001", number_of(tenant)).replace('"key": "fri"', f'"key": "company-{tenant}"')
        for name, rows in json.loads(text).items():
            (world if name == "companies" else world["calcom"])[name].extend(rows)
    path = pathlib.Path(directory) / "world.json"
    path.write_text(json.dumps(world))
    return path


def postgres_alone(world, ids, options):
    world.engine.stop()  # it would look after the intents that are written here
    done = subprocess.run([PREFIX / "bench" / "postgres_alone", str(options.seconds), str(options.booked_in_hundred), *map(str, ids)], capture_output=True, text=True,
                          env={**os.environ, "DATABASE_URL": world.postgres.url(worlds.RUNTIME)}, timeout=options.seconds + 120)
    if done.returncode != 0:
        raise worlds.Trouble(f"postgres_alone: {done.stderr.strip()}")
    world.engine.start()
    return float(done.stdout)


def engine(world, rate, options):
    """(calls per second, bookings made)"""
    booked_before = booked_so_far(world)
    with tempfile.NamedTemporaryFile(suffix=".json") as out:
        began = time.monotonic()
        done = subprocess.run([PREFIX / "bin" / "ringload", "--url", f"{world.engine.url}/w/{world.workspace['token']}/retell/webhook", "--key", world.workspace["retell_api_keys"][0],
                        "--to", ",".join(map(number_of, range(TENANTS))), "--rate", str(rate), "--duration", str(options.seconds), "--calls", str(max(1, rate // 10)),
                        "--analysis-gap", "20", "--bodies", "2k-2k", "--book-share", str(options.booked_in_hundred / 100), "--control", world.simulator.control_url,
                        "--world", world.world_file, "--json", out.name], check=False, capture_output=True, text=True, timeout=options.seconds + 120)
        if pathlib.Path(out.name).stat().st_size == 0:
            raise worlds.Trouble(f"ringload: {done.stderr.strip()}")
        settled = worlds.wait_until(lambda: number(world, "ringmaster_webhooks_under_way") == 0 and world.postgres.query(UNFINISHED, role=worlds.ADMIN)[0]["n"] == 0, 120, every=0.05)
        took = time.monotonic() - began
        result = json.load(open(out.name))
    if not settled:
        raise worlds.Trouble("Not all calls were filed and booked within two minutes.")
    return result["acknowledged"] / 3 / took, booked_so_far(world) - booked_before


def number(world, name):
    """Of all shards together."""
    return sum(value for key, value in world.engine.metrics().items() if key.partition("{")[0] == name)


def booked_so_far(world):
    return sum(value for key, value in world.engine.metrics().items() if key.startswith("ringmaster_booking_outcomes_total") and 'outcome="booked"' in key)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=3)
    parser.add_argument("--booked-in-hundred", type=int, default=10)
    parser.add_argument("--lock", help="a file that is locked while a round is measured, for machines that several share")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="ringmaster-whole-") as directory:
        world = worlds.World(directory, world_file(directory), PREFIX, settings={"drain_s": 2, "budget_per_minute": REQUESTS_PER_MINUTE})
        world.up()
        try:
            ids = world.postgres.query("SELECT company_id, id, (SELECT max(id) FROM workspaces) AS workspace FROM branches ORDER BY id LIMIT 1", role=worlds.ADMIN)[0].values()
            rounds = []
            for _ in range(options.rounds + 1):
                with machine.turn(options.lock):
                    alone = postgres_alone(world, ids, options)
                    through, booked = engine(world, int(1.5 * alone), options)
                rounds.append((alone, through, booked))
        finally:
            world.down()
    rounds = rounds[1:]  # the first one warms up
    print("| PostgreSQL alone, whole calls/s | through the engine | booked at Cal.com | ratio |\n|---|---|---|---|")
    for alone, through, booked in rounds:
        print(f"| {alone:.0f} | {through:.0f} | {booked:.0f} | {through / alone:.2f} |")
    ratios = [through / alone for alone, through, _ in rounds]
    print(f"\nmin / median / max: {min(ratios):.2f} / {statistics.median(ratios):.2f} / {max(ratios):.2f}")


if __name__ == "__main__":
    try:
        main()
    except worlds.Trouble as trouble:
        sys.exit(f"whole_calls_bench: {trouble}")
