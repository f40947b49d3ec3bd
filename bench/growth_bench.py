#!/usr/bin/env python3
"""Does a call cost the same whatever there is beside it? The same load on worlds that differ in one thing: how many tenants there are, how many calls are in the
database already, how many calls the engine has handled since it started.

    bench/growth_bench.py [--rounds N] [--rate CALLS_PER_SECOND] [--seconds S] [--only beside|handled] [--lock FILE]

Beside: tenants and calls in the database, with the real engine and a real PostgreSQL, an open loop of whole calls (started, ended, analyzed; 2 KB each). All worlds are up at
once and take turns, so that each round compares them in the same minute; figures are medians over rounds. Handled: a closed loop on the engine with a database that says
yes at once, because PostgreSQL would need minutes for a hundred thousand calls."""

import argparse
import contextlib
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
import ingest_bench  # noqa: E402
import machine  # noqa: E402
import world as worlds  # noqa: E402

PREFIX = pathlib.Path(os.environ.get("RINGMASTER_PREFIX", ROOT / "zig-out")).absolute()
TENANTS, CALLS, HANDLED = (1, 10, 100, 1_000), (10, 100, 1_000, 10_000, 100_000), (1_000, 10_000, 30_000, 100_000, 200_000)
USUAL_TENANTS, USUAL_CALLS = 10, 1_000
NUMBERS_MAX = 64  # that the load generator knows at once
USUAL_CALLS_PER_S = 15_000  # of a closed loop; what is then still missing is told in a shorter one
MIB = 1 << 20


# -- worlds --------------------------------------------------------------------------------------------------------------------------------------


def number_of(tenant):
    return f"+4930{2_000_000 + tenant}"


def world_file(directory, tenants):
    """The demo's first company, that many times, each with a number of its own; all in one workspace."""
    demo = json.loads((ROOT / "deploy" / "worlds" / "demo.json").read_text())
    companies = []
    for tenant in range(tenants):
        company = json.loads(json.dumps(demo["companies"][0]))
        company["key"] = f"company-{tenant}"
        company["branches"][0]["phone_numbers"] = [number_of(tenant)]
        companies.append(company)
    path = pathlib.Path(directory) / "world.json"
    path.write_text(json.dumps({**demo, "companies": companies}))
    return path


def fill(world, calls):
    """Calls of the past, evenly over the tenants, each with its three webhooks."""
    for kind, event in enumerate(("call_started", "call_ended", "call_analyzed")):
        world.postgres.execute(f"""
            SELECT count(file_call_event(b.company_id, b.id, b.workspace_id, 'past_' || n, '{event}', {kind}::smallint, '', 1700000000000000 + n * 1000000::bigint, NULL, repeat('x', 2000),
                   '{{"call_status":"ended","direction":"inbound","agent_id":"agent_1"}}', '+491' || n, NULL))
            FROM generate_series(1, {calls}) n JOIN (SELECT company_id, id, (SELECT max(id) FROM workspaces) AS workspace_id, row_number() OVER (ORDER BY id) - 1 AS place, count(*) OVER () AS branches
                       FROM branches) b ON b.place = n % b.branches""",
                               role=worlds.ADMIN)
    world.postgres.execute("VACUUM ANALYZE", role=worlds.ADMIN)


def ticks_us(pids):
    """Processor time with that of children that have ended, as PostgreSQL has them; to a hundredth of a second."""
    total = 0
    for pid in machine.children_of(pids):
        with contextlib.suppress(OSError):
            total += sum(map(int, pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:15]))
    return 1e6 * total / os.sysconf("SC_CLK_TCK")


def resident_mib(pid):
    private = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text()
    return 1024 * sum(int(n) for n in re.findall(r"^Private_(?:Clean|Dirty):\s+(\d+)", private, re.M)) / MIB


class Grown:
    def __init__(self, tenants, calls, directory):
        self.tenants, self.calls = tenants, calls
        self.world = worlds.World(directory, world_file(directory, tenants), PREFIX, settings={"shards": 1, "drain_s": 2})
        self.world.up(engine=False)
        try:
            fill(self.world, calls)
            self.world.engine.start()
        except BaseException:
            self.world.down()
            raise

    def cpu(self):
        return machine.cpu_us([self.world.engine.child.pid]), ticks_us([self.world.postgres.child.pid])

    def measure(self, options):
        w = self.world
        step = max(1, self.tenants // NUMBERS_MAX)
        numbers = ",".join(number_of(tenant) for tenant in list(range(0, self.tenants, step))[:NUMBERS_MAX])
        before = self.cpu()
        with tempfile.NamedTemporaryFile(suffix=".json") as out:
            subprocess.run([PREFIX / "bin" / "ringload", "--url", f"{w.engine.url}/w/{w.workspace['token']}/retell/webhook", "--key", w.workspace["retell_api_keys"][0], "--to", numbers,
                            "--rate", str(options.rate), "--calls", str(options.rate), "--duration", str(options.seconds), "--bodies", "2k-2k", "--analysis-gap", "200", "--json", out.name],
                           check=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=options.seconds + 120)
            result = json.load(open(out.name))
        worlds.wait_until(lambda: sum(v for k, v in w.engine.metrics().items() if k.startswith("ringmaster_webhooks_under_way")) == 0, 60)
        engine, postgres = ((after - b) / result["acknowledged"] for after, b in zip(self.cpu(), before))
        latency = result["latency_ms"]["all"]
        return {"engine_us": engine, "postgres_us": postgres, "p50_ms": latency["p50"], "p99_ms": latency["p99"], "resident_mib": resident_mib(w.engine.child.pid)}


# -- calls handled -------------------------------------------------------------------------------------------------------------------------------


def handled(directory):
    """(calls before, calls after, CPU of a webhook between them, resident then), in one life of an engine with a database that says yes at once."""
    engine = ingest_bench.Ringmaster("ringmaster", PREFIX, directory)
    load = ingest_bench.Load(64, "2k-2k", 0)

    def made():
        return sum(v for k, v in engine.world.engine.metrics().items() if k.startswith("ringmaster_calls_total"))

    try:
        after = made()
        for until in HANDLED:
            calls, events, used = after, 0, 0
            while after < until:
                before = machine.cpu_us([engine.pid])
                # a closed loop begins a tenth of a second before its time counts
                events += load.put_on(*engine.where, max((until - after) / USUAL_CALLS_PER_S - 0.1, 0.001), warmup_s=0)["sent"]
                used += machine.cpu_us([engine.pid]) - before
                after = made()
            yield calls, after, used / events, resident_mib(engine.pid)
    finally:
        engine.world.down()


# -- tables --------------------------------------------------------------------------------------------------------------------------------------


def table(title, kept, rounds, label):
    print(f"\n{title}\n\n| {label} | engine, CPU µs a webhook | PostgreSQL, CPU µs | p50 ms | p99 ms | engine, MiB | engine, ratio to the first |\n|---|---|---|---|---|---|---|")
    base = None
    for n, value in kept:
        of = {key: [r[n][key] for r in rounds] for key in rounds[0][n]}
        base = base or of["engine_us"]
        ratio = statistics.median(a / b for a, b in zip(of["engine_us"], base))
        print(f"| {value:,} | {statistics.median(of['engine_us']):.1f} | {statistics.median(of['postgres_us']):.0f} | {statistics.median(of['p50_ms']):.2f} |"
              f" {statistics.median(of['p99_ms']):.1f} | {max(of['resident_mib']):.1f} | {ratio:.2f} |")


def beside(options):
    shapes = sorted({(tenants, USUAL_CALLS) for tenants in TENANTS} | {(USUAL_TENANTS, calls) for calls in CALLS})
    with contextlib.ExitStack() as stack:
        grown = []
        for tenants, calls in shapes:
            with machine.turn(options.lock, alone=False):
                grown.append(Grown(tenants, calls, stack.enter_context(tempfile.TemporaryDirectory(prefix="ringmaster-growth-"))))
                stack.callback(grown[-1].world.down)
                grown[-1].measure(options)  # sessions settle on their plans, memory becomes resident
        rounds = []
        for n in range(options.rounds):
            with machine.turn(options.lock):
                order = grown if n % 2 == 0 else grown[::-1]
                measured = {(g.tenants, g.calls): g.measure(options) for g in order}
            rounds.append([measured[shape] for shape in shapes])
    table(f"Tenants, with {USUAL_CALLS:,} calls in the database", [(shapes.index((t, USUAL_CALLS)), t) for t in TENANTS], rounds, "tenants")
    table(f"Calls in the database, {USUAL_TENANTS} tenants", [(shapes.index((USUAL_TENANTS, c)), c) for c in CALLS], rounds, "calls")


def table_of_handled(options):
    print("\nCalls handled, in one life of the engine\n\n| calls handled before | and after | engine, CPU µs a webhook | engine, MiB |\n|---|---|---|---|")
    with tempfile.TemporaryDirectory(prefix="ringmaster-growth-") as directory, machine.turn(options.lock):
        for before, after, cost, resident in handled(directory):
            print(f"| {before:,.0f} | {after:,.0f} | {cost:.1f} | {resident:.0f} |", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--rate", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=3)
    parser.add_argument("--only", choices=["beside", "handled"])
    parser.add_argument("--lock", help="a file that is locked while something is measured, for machines that several share")
    options = parser.parse_args()
    if options.only != "handled":
        beside(options)
    if options.only != "beside":
        table_of_handled(options)


if __name__ == "__main__":
    started = time.monotonic()
    main()
    print(f"\n({time.monotonic() - started:.0f} s)")
