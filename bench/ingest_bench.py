#!/usr/bin/env python3
"""Ingest end to end, side by side in one run: the engine (verify, parse, hop, dedupe, journal, answer; one shard) against the ladder of the bare ring server
(bench/bare_server: the ring alone, + llhttp, + HMAC, + journal, which is the whole duty), with the same client (ringload, closed loop), server on one core and client
on the other. Beside the ladder: the ring with a journal and nothing verified. The lowest rungs are as fast as the client: there CPU each is the figure.

    bench/ingest_bench.py [--rounds N] [--seconds S] [--connections C] [--bodies 2k-2k] [--before PREFIX] [--flame-graph FILE.svg] [--json FILE]
    bench/ingest_bench.py --open RATE [--rounds N] …       so many a second, whatever the answers do: how long they take, beside the same duty and a server that stores nothing

Builds are taken from $RINGMASTER_PREFIX (zig-out). --before adds another build of the engine to every round: what a change is worth is the ratio of the two. The servers' journals
lie in $TMPDIR: in a directory of memory, they have no disk under them.

The engine is measured twice, each a build of bench/ingest/. *Ingest alone* ends where the bare server ends, with the durable 2xx: what it has taken in counts as filed. *Ringmaster* files it,
too, on the same core, with a pool in PostgreSQL's place that says yes at once: PostgreSQL is another stage with another limit (bench/db_pipeline_bench.c), and its server would take its
processor from the stages that are measured."""

import argparse
import contextlib
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "deploy"))
import world as worlds  # noqa: E402

PREFIX = pathlib.Path(os.environ.get("RINGMASTER_PREFIX", ROOT / "zig-out")).absolute()
SERVER_CPU, CLIENT_CPU, WARMUP_S = "0", "1", 0.5
SETTINGS = {"shards": 1, "drain_s": 1, "calls": 1_000_000}  # a finished call stays for half a minute; here ten thousand finish every second


def pin(pid, cpus):
    for task in os.listdir(f"/proc/{pid}/task"):
        os.sched_setaffinity(int(task), {int(cpu) for cpu in cpus.split(",")})


def cpu_seconds(pid):
    """(ours, the kernel's)"""
    fields = open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()
    return [int(ticks) / os.sysconf("SC_CLK_TCK") for ticks in fields[11:13]]


class Load:
    """The same for every server of a run."""

    def __init__(self, connections, bodies, seconds, rate=None):
        self.connections, self.bodies, self.seconds, self.rate = connections, bodies, seconds, rate

    @property
    def loop(self):
        """Open: every call tells one event, so that calls a second are events a second."""
        if not self.rate:
            return ["--closed", str(self.connections)]
        return ["--rate", str(self.rate), "--calls", "1", "--event", "call_ended", "--connections", str(self.connections), "--spread"]

    def put_on(self, url, key, seconds, warmup_s=WARMUP_S):
        with tempfile.NamedTemporaryFile(suffix=".json") as out:
            subprocess.run(["taskset", "-c", CLIENT_CPU, PREFIX / "bin" / "ringload", "--url", url, "--key", key, "--to", "+493023125001", *self.loop,
                            "--duration", str(seconds), "--warmup", str(warmup_s), "--bodies", self.bodies, "--json", out.name],
                           check=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=seconds + 60)
            return json.load(open(out.name))

    def measure(self, what, pid, url, key):
        before = cpu_seconds(pid)
        result = self.put_on(url, key, self.seconds)
        user, kernel = (after - b for after, b in zip(cpu_seconds(pid), before))
        events = result["sent"]  # with those of the warm-up, which are not in `acknowledged`
        latency = result["latency_ms"]["all"]
        return {"what": what, "per_second": result["acknowledged_per_second"], "cpu_us": 1e6 * (user + kernel) / events, "kernel_us": 1e6 * kernel / events,
                "p50_ms": latency["p50"], "p99_ms": latency["p99"], "p99.9_ms": latency["p99.9"]}


# -- the servers ---------------------------------------------------------------------------------------------------------------------------------


KEY = "key_bench"
LADDER = {"bare: ring": [], "bare: + llhttp": ["--parse", "llhttp"], "bare: + HMAC": ["--verify", KEY], "bare: + journal, same duty": ["--verify", KEY, "--journal"],
          "bare: ring, journal": ["--journal"]}  # a last --journal is followed by a file
IN_OPEN_LOOP = ("bare: + HMAC", "bare: + journal, same duty")  # without a disk, and with one


class Bare:
    def __init__(self, name, arguments):
        self.name, self.arguments = name, arguments

    def measure(self, load):
        with tempfile.TemporaryDirectory() as directory:
            command = [PREFIX / "bench" / "bare_server", "--cpu", SERVER_CPU, *self.arguments] + ([f"{directory}/bare.journal"] if self.arguments[-1:] == ["--journal"] else [])
            server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
            try:
                return load.measure(self.name, server.pid, f"http://127.0.0.1:{int(server.stdout.readline())}/w/x/retell/webhook", KEY)
            finally:
                server.terminate()
                server.wait(10)


class BenchEngine(worlds.Engine):
    """A build of bench/ingest/ in the place of ringmaster; the gate proves the role at a real PostgreSQL."""

    def __init__(self, world, settings, program):
        super().__init__(world, settings)
        self.stand_in = program

    def start(self, **more):
        real = self.world.program
        self.world.program = lambda name: self.world.prefix / "bench" / self.stand_in if name == "ringmaster" else real(name)
        try:
            super().start(**more)
        finally:
            self.world.program = real


class Ringmaster:
    def __init__(self, name, prefix, directory, program="ringmaster-instant"):
        self.name, self.world = name, worlds.World(directory, ROOT / "deploy" / "worlds" / "demo.json", prefix, settings=SETTINGS)
        try:
            self.start(program)
        except BaseException:
            self.world.down()  # nobody else knows of it yet
            raise

    def start(self, program):
        self.world.up(engine=False)
        tenants = self.world.directory / "tenants.json"
        tenants.write_text(self.world.postgres.query("SELECT tenant_snapshot() AS text")[0]["text"])
        self.world.engine = BenchEngine(self.world, SETTINGS, program)
        os.environ["RINGMASTER_BENCH_TENANTS"] = str(tenants)
        self.world.engine.start()
        self.pid = self.world.engine.child.process.pid
        pin(self.pid, SERVER_CPU)

    @property
    def where(self):
        return f"{self.world.engine.url}/w/{self.world.workspace['token']}/retell/webhook", self.world.workspace["retell_api_keys"][0]

    def warm_up(self, load):
        """Takes its memory from the kernel: pools and maps become resident where they are first used."""
        load.put_on(*self.where, 4)

    def measure(self, load):
        return load.measure(self.name, self.pid, *self.where)

    def draw(self, load, file, title):
        with tempfile.NamedTemporaryFile(suffix=".data") as samples:
            recorder = subprocess.Popen(["perf", "record", "-q", "-F", "1999", "--call-graph", "dwarf,8192", "-o", samples.name, "-p", str(self.pid), "--", "sleep", "3"])
            load.put_on(*self.where, 3)
            recorder.wait(60)
            script = subprocess.run(["perf", "script", "--no-inline", "-F", "comm,tid,event,ip,sym,dso", "-i", samples.name], capture_output=True, text=True, timeout=300).stdout
        drawn = subprocess.run([ROOT / "bench" / "flame_graph.py", "--title", title], input=script, capture_output=True, text=True, check=True).stdout
        pathlib.Path(file).write_text(drawn)


# -- figures -------------------------------------------------------------------------------------------------------------------------------------


def spread(values):
    return f"{min(values):.2f} / {statistics.median(values):.2f} / {max(values):.2f}"


def table(rounds, load):
    print(f"median of {len(rounds)} rounds, {load.connections} connections, bodies {load.bodies}")
    print(f"{'':28}{'acknowledged/s':>16}{'CPU us each':>14}{'kernel us':>11}{'p50 ms':>9}{'p99 ms':>9}")
    for n, what in enumerate(r["what"] for r in rounds[0]):
        median = {key: statistics.median(r[n][key] for r in rounds) for key in rounds[0][n] if key != "what"}
        print(f"{what:28}{median['per_second']:16,.0f}{median['cpu_us']:14.1f}{median['kernel_us']:11.1f}{median['p50_ms']:9.2f}{median['p99_ms']:9.2f}")
    for engine in (-2, -1):
        print(f"{rounds[0][engine]['what']} to each, within a round: min / median / max")
        for n, what in enumerate(r["what"] for r in rounds[0][:engine]):
            rates, costs = ([r[engine][key] / r[n][key] for r in rounds] for key in ("per_second", "cpu_us"))
            print(f"  {what:28} acknowledged/s {spread(rates)}   CPU each {spread(costs)}")


def table_of_waiting(rounds, load):
    print(f"{len(rounds)} rounds, {load.rate:,}/s, {load.connections} connections, bodies {load.bodies}; ms from due to answered, min / median / max of the rounds")
    print(f"{'':28}{'acknowledged/s':>16}{'CPU us each':>14}   {'p50':22}{'p99':24}p99.9")
    for n, what in enumerate(r["what"] for r in rounds[0]):
        rate, cost = (statistics.median(r[n][key] for r in rounds) for key in ("per_second", "cpu_us"))
        p50, p99, p999 = (spread([r[n][key] for r in rounds]) for key in ("p50_ms", "p99_ms", "p99.9_ms"))
        print(f"{what:28}{rate:16,.0f}{cost:14.1f}   {p50:22}{p99:24}{p999}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=2)
    parser.add_argument("--connections", type=int, help="64; 1,000 in an open loop")
    parser.add_argument("--open", type=int, metavar="RATE", help="an open loop of so many events a second")
    parser.add_argument("--bodies", default="2k-2k")
    parser.add_argument("--before", metavar="PREFIX")
    parser.add_argument("--flame-graph", metavar="FILE")
    parser.add_argument("--json")
    options = parser.parse_args()
    load = Load(options.connections or (1000 if options.open else 64), options.bodies, options.seconds, options.open)
    with contextlib.ExitStack() as stack:

        def ringmaster(name, prefix, *program):
            engine = Ringmaster(name, prefix, stack.enter_context(tempfile.TemporaryDirectory(prefix="ringmaster-ingest-")), *program)
            stack.callback(engine.world.down)
            engine.warm_up(load)
            return engine

        servers = [Bare(name, arguments) for name, arguments in LADDER.items() if not options.open or name in IN_OPEN_LOOP]
        servers += [ringmaster("ringmaster, before", options.before)] if options.before else []
        servers += [ringmaster("ringmaster, ingest alone", PREFIX, "ringmaster-ingest"), ringmaster("ringmaster", PREFIX)]
        rounds = [[server.measure(load) for server in servers] for _ in range(options.rounds)]
        if options.flame_graph:
            servers[-1].draw(load, options.flame_graph, f"ringmaster, one shard, {load.connections} connections, bodies {options.bodies}")
    if options.json:
        pathlib.Path(options.json).write_text(json.dumps(rounds, indent=1))
    (table_of_waiting if options.open else table)(rounds, load)


if __name__ == "__main__":
    main()
