#!/usr/bin/env python3
"""Ingest end to end, side by side in one run: the engine (verify, parse, hop, dedupe, journal, answer; one shard, 2 KB bodies) against the bare ring server
with and without a journal (bench/bare_server.c), with the same client (ringload, closed loop, 64 connections), server on one core and client on the other.

    bench/ingest_bench.py [--rounds N] [--seconds S] [--json FILE]

The engine is bench/ingest/: everything but PostgreSQL, in whose place a pool says yes at once. Filing is another stage with another limit
(bench/db_pipeline_bench.c); its server would take its processor from the stage that is measured."""

import argparse
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

BARE = ROOT / "zig-out" / "bench" / "bare_server"
INSTANT = ROOT / "zig-out" / "bench" / "ringmaster-instant"
LOAD = ROOT / "zig-out" / "bin" / "ringload"
SERVER_CPU, CLIENT_CPU, CONNECTIONS = "0", "1", 64


def pin(pid, cpus):
    for task in os.listdir(f"/proc/{pid}/task"):
        os.sched_setaffinity(int(task), {int(cpu) for cpu in cpus.split(",")})


def load(url, key, seconds):
    with tempfile.NamedTemporaryFile(suffix=".json") as out:
        subprocess.run(["taskset", "-c", CLIENT_CPU, LOAD, "--url", url, "--key", key, "--to", "+493023125001", "--closed", str(CONNECTIONS), "--duration", str(seconds),
                        "--warmup", "0.5", "--bodies", "2k-2k", "--json", out.name], check=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=seconds + 60)
        return json.load(open(out.name))


def cpu_seconds(pid):
    fields = open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def measure(name, pid, url, key, seconds):
    before = cpu_seconds(pid)
    result = load(url, key, seconds)
    return {"what": name, "cpu_s": cpu_seconds(pid) - before, "result": result}


def bare(seconds, journal):
    with tempfile.TemporaryDirectory() as directory:
        command = [BARE, "--port", "0", "--cpu", SERVER_CPU] + (["--journal", f"{directory}/bare.journal"] if journal else [])
        server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        try:
            port = int("".join(c for c in server.stdout.readline() if c.isdigit()))
            return measure("bare ring server, journal" if journal else "bare ring server", server.pid, f"http://127.0.0.1:{port}/w/x/retell/webhook", "key_bench", seconds)
        finally:
            server.terminate()
            server.wait(10)


SETTINGS = {"shards": 1, "drain_s": 1, "calls": 1_000_000} # a finished call stays for half a minute; here ten thousand finish every second


class InstantEngine(worlds.Engine):
    """ringmaster serve without PostgreSQL behind it; the gate still proves the role at a real one."""

    def start(self, **more):
        real = self.world.program
        self.world.program = lambda name: INSTANT if name == "ringmaster" else real(name)
        try:
            super().start(**more)
        finally:
            self.world.program = real


def an_engine(directory):
    w = worlds.World(directory, ROOT / "deploy" / "worlds" / "demo.json", ROOT / "zig-out", settings=SETTINGS)
    w.up(engine=False)
    tenants = w.directory / "tenants.json"
    tenants.write_text(w.postgres.query("SELECT tenant_snapshot() AS text")[0]["text"])
    w.engine = InstantEngine(w, SETTINGS)
    os.environ["RINGMASTER_BENCH_TENANTS"] = str(tenants)
    w.engine.start()
    pin(w.engine.child.process.pid, SERVER_CPU)
    return w


def engine(w, seconds):
    return measure("ringmaster", w.engine.child.process.pid, f"{w.engine.url}/w/{w.workspace['token']}/retell/webhook", w.workspace["retell_api_keys"][0], seconds)


def figures(measured):
    latency = measured["result"]["latency_ms"]["all"]
    acknowledged = measured["result"]["acknowledged"]
    return measured["result"]["acknowledged_per_second"], 1e6 * measured["cpu_s"] / (acknowledged * (1 + 0.5 / measured["result"]["seconds"])), latency["p50"], latency["p99"]


def table(rounds):
    print(f"{'':28}{'acknowledged/s':>16}{'CPU us each':>14}{'p50 ms':>9}{'p99 ms':>9}   (median of {len(rounds)} rounds, c = {CONNECTIONS}, 2 KB)")
    median = {}
    for n, what in enumerate(r["what"] for r in rounds[0]):
        columns = [statistics.median(column) for column in zip(*(figures(r[n]) for r in rounds))]
        median[what] = columns[0]
        print(f"{what:28}{columns[0]:16,.0f}{columns[1]:14.1f}{columns[2]:9.2f}{columns[3]:9.2f}")
    for base in (name for name in median if name != "ringmaster"):
        ratios = sorted(figures(r[-1])[0] / figures(next(x for x in r if x["what"] == base))[0] for r in rounds)
        print(f"ringmaster / {base:26}{statistics.median(ratios):6.2f}   ({', '.join(f'{x:.2f}' for x in ratios)})")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=2)
    parser.add_argument("--json")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="ringmaster-ingest-") as directory:
        w = an_engine(directory)
        try:
            engine(w, 1) # takes its memory from the kernel
            rounds = [[bare(options.seconds, False), bare(options.seconds, True), engine(w, options.seconds)] for _ in range(options.rounds)]
        finally:
            w.down()
    if options.json:
        pathlib.Path(options.json).write_text(json.dumps(rounds, indent=1))
    table(rounds)


if __name__ == "__main__":
    main()
