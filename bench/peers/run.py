#!/usr/bin/env python3
"""What one would use instead, side by side in one run: the same duty (verify Retell's signature, make the webhook durable, answer 2xx) by the engine, by Fastify with
BullMQ, by Go with PostgreSQL, and by nginx with php-fpm; with the same by the bare ring server, and servers that do less, as ceilings. One core for each server with all its processes, another for
the client (ringload), which is the same for all.

    bench/peers/run.py [--quick] [--peer NAME]… [--seconds S] [--rounds N] [--only TEXT] [--json FILE] [--prefix DIRECTORY]
                       [--nice N] [--lock FILE]

Bodies of 2 and 60 KB (call_ended); a closed loop on 64 and on 1,000 connections, and an open one at 1,000 and 10,000 a second on 1,000; and all of it with a disk
whose sync takes 5 ms longer. A round measures every peer in every cell, so a ratio is of two figures taken within seconds of each other. Every server is asked to
refuse forged signatures before it is measured, and must hold afterwards exactly what it acknowledged: if not, the run fails. Who acknowledges what it does later (a
worker, the engine's filing) is also counted until all of that is done. bench/peers/setup.sh installs."""

import argparse
import contextlib
import json
import os
import pathlib
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time

import servers
from servers import CLIENT_CPU, PEERS, ROOT, SERVER_CPU, core_us, forgeries, status_of, worlds

sys.path.insert(0, str(ROOT / "bench"))
from machine import children_of, cpu_us, turn  # noqa: E402

CONNECTING_S = 0.25 # at the beginning of a load, and not counted
RATES = (10_000, 1000)
ENGINES = ("instant", "ringmaster")


def say(text):
    print(text, file=sys.stderr, flush=True)


# -- one cell ------------------------------------------------------------------------------------------------------------------------------------


class Cell:
    """What is asked of each peer: body size, connections, events a second (None: closed loop), slow disk."""

    def __init__(self, body, connections, rate, slow):
        self.body, self.connections, self.rate, self.slow = body, connections, rate, slow

    def __eq__(self, other):
        return vars(self) == vars(other)

    def __hash__(self):
        return hash(tuple(vars(self).values()))

    def __str__(self):
        loop = f"open loop, {self.rate:,}/s" if self.rate else "closed loop"
        return f"{loop}, {self.body}B bodies, {self.connections:,} connections" + (", sync + 5 ms" if self.slow else "")

    def closed(self):
        return Cell(self.body, self.connections, None, self.slow)

    def arguments(self):
        shared = ["--bodies", f"{self.body}-{self.body}"]
        if self.rate:
            return [*shared, "--rate", str(self.rate), "--calls", "1", "--connections", str(self.connections), "--spread"]
        return [*shared, "--closed", str(self.connections)]


class Load:
    """One run of ringload against a peer: its own account, how many 2xx it was given in all, how many outcomes it does not know, and what share of the
    server's core others had meanwhile: on a machine that is not ours alone, that explains a figure. What is acknowledged now and done later has a second account."""

    def __init__(self, bench, peer, arguments, seconds):
        out = bench.directory / "ringload.json"
        out.unlink(missing_ok=True)
        bench.prefer({os.getpid(), *peer.pids()})
        self.began, busy, self.used_before = time.monotonic(), core_us(SERVER_CPU), cpu_us(peer.pids())
        done = subprocess.run(["taskset", "-c", str(CLIENT_CPU), bench.prefix / "bin" / "ringload", "--url", peer.url, "--key", peer.key, "--to", "+493023125001", "--event",
                               "call_ended", "--warmup", str(CONNECTING_S), "--duration", str(seconds + CONNECTING_S), *arguments, "--json", out],
                              capture_output=True, text=True, timeout=seconds + 120)
        if not out.exists():
            raise worlds.Trouble(f"ringload could not load {peer.name}: {done.stderr.strip()[-300:]}")
        self.result = json.loads(out.read_text())
        tail_s = self.result["seconds"] - CONNECTING_S - seconds # answers that came after the last event was due; ringload looks every 0.1 s
        self.result["acknowledged_per_second"] = self.result["acknowledged"] / (seconds + max(tail_s - 0.3, 0))
        self.unclear = sum(self.result[k] for k in ("timed_out", "broken", "status_5xx"))
        self.answered = self.result["sent"] - self.unclear - self.result["status_4xx"] - self.result["status_other"]
        used, busy = cpu_us(peer.pids()) - self.used_before, core_us(SERVER_CPU) - busy
        self.cpu_us = used / max(self.answered, 1)
        self.others = max(busy - used, 0) / (1e6 * (time.monotonic() - self.began))

    def until_done(self, peer):
        """From its first webhook until the last acknowledged one has arrived where it is kept: how many a second, and the CPU time of each."""
        seconds, used = time.monotonic() - self.began - CONNECTING_S, cpu_us(peer.pids()) - self.used_before
        return {"per_second": self.answered / seconds, "cpu_us": used / max(self.answered, 1)}


def refuse_forgeries(peer):
    let_in = [what for what, header, body in forgeries(peer.key) if status_of(peer.url, header, body) != 401]
    if let_in:
        raise worlds.Trouble(f"{peer.name} does not refuse: {', '.join(let_in)}")


def check_what_is_stored(peer, loads):
    """What had no answer in time may have been stored all the same; nothing else may differ. The peer has settled."""
    answered, unclear = sum(load.answered for load in loads), sum(load.unclear for load in loads)
    stored = peer.stored()
    if not answered <= stored <= answered + unclear:
        raise worlds.Trouble(f"{peer.name} acknowledged {answered:,} webhooks and holds {stored:,} ({unclear:,} without a clear answer)")


def measure(bench, peer, cell, seconds):
    try:
        peer.start(cell.slow)
        if peer.verifies:
            refuse_forgeries(peer)
        if peer.keeps and peer.stored() != 0:
            raise worlds.Trouble(f"{peer.name} stored what it refused")
        warm_up = Load(bench, peer, ["--bodies", f"{cell.body}-{cell.body}", *peer.warm_up], peer.warm_up_s)
        peer.settle(warm_up.answered)
        load = Load(bench, peer, cell.arguments(), seconds)
        peer.settle(warm_up.answered + load.answered)
        done = load.until_done(peer) if peer.does_later else None
        if peer.keeps:
            check_what_is_stored(peer, [warm_up, load])
        return {"cpu_us": load.cpu_us, "others": load.others, "done": done, "result": load.result}
    finally:
        peer.stop()


# -- the matrix ----------------------------------------------------------------------------------------------------------------------------------


def cells(quick):
    """Closed loops first: they tell which rates a peer can hold."""
    if quick:
        return [Cell("2k", 64, None, False), Cell("2k", 64, 1000, False)]
    closed = [Cell(body, connections, None, slow) for slow in (False, True) for body in ("2k", "60k") for connections in (64, 1000)]
    return closed + [Cell(body, 1000, rate, slow) for rate in RATES for slow in (False, True) for body in ("2k", "60k")]


def says_something(cell, peer):
    """A disk is slow only for those who use it, and a ceiling is none far below it."""
    return (peer.syncs or not cell.slow) and (peer.verifies or cell.rate in (None, max(RATES)))


def can_hold(cell, found):
    """An arrival rate over nine tenths of what the peer did in a closed loop says nothing but that it cannot."""
    closed = [per_second(m) for m in found.get(cell.closed(), [])]
    return not cell.rate or not closed or cell.rate <= 0.9 * statistics.median(closed)


def run_matrix(bench, peers, options, found, failures):
    """A cell that fails does not end the others."""
    for number in range(options.rounds):
        for cell in (c for c in cells(options.quick) if options.only in str(c)):
            with turn(options.lock):
                for name, peer in ((n, p) for n, p in peers.items() if says_something(cell, p)):
                    if can_hold(cell, found[name]):
                        run_cell(bench, peer, cell, number, options.seconds, found[name], failures)
                    else:
                        found[name].setdefault(cell, [])


def run_cell(bench, peer, cell, number, seconds, found, failures):
    where, began = f"round {number + 1}: {cell}: {peer.name}", time.monotonic()
    try:
        measured = measure(bench, peer, cell, seconds)
    except worlds.Trouble as trouble:
        failures.append(f"{where}: {trouble}")
        say(failures[-1])
        return
    found.setdefault(cell, []).append({"round": number, **measured})
    done = measured["done"]
    later = f", done at {done['per_second']:,.0f}/s with {done['cpu_us']:.1f} us each" if done else ""
    say(f"{where}: {per_second(measured):,.0f}/s, {measured['cpu_us']:.1f} us each{later}, others {measured['others']:.0%} ({time.monotonic() - began:.1f} s)")


def build_release():
    prefix = servers.MADE / "release"
    say("building a release")
    subprocess.run([ROOT / ".tools" / "venv" / "bin" / "zig", "build", "install", "test-programs", "-Doptimize=ReleaseFast", "-Dcpu=x86_64_v3", "--prefix", prefix],
                   cwd=ROOT, check=True)
    return prefix


class Bench:
    """A folder on the disk that is measured, whom root becomes, and what the two engines share."""

    def __init__(self, prefix, nice=None):
        self.prefix, self.nice = pathlib.Path(prefix).resolve(), nice
        self.user = worlds.unprivileged_user()
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="ringmaster-peers-", dir="/var/tmp"))
        self.directory.chmod(0o755)
        self.engines = servers.Engines(self)

    def prefer(self, pids):
        """Asks the kernel for more of the cores than others get: by process, and by session where it schedules those."""
        for pid in children_of(pids) if self.nice is not None else ():
            with contextlib.suppress(OSError): # it has ended, or the kernel knows no groups of sessions
                for task in os.listdir(f"/proc/{pid}/task"):
                    os.setpriority(os.PRIO_PROCESS, int(task), self.nice)
                pathlib.Path(f"/proc/{pid}/autogroup").write_text(str(self.nice))

    def close(self):
        self.engines.close()
        shutil.rmtree(self.directory, ignore_errors=True)


# -- what came out -------------------------------------------------------------------------------------------------------------------------------


HEADS_CLOSED = ["", "2xx/s", "CPU us each", "done/s", "CPU us until done", "p50 ms", "p99 ms", "p99.9 ms", "instant / it", "by CPU", "ringmaster / it", "by CPU", "others", ""]
HEADS_OPEN = ["", "2xx/s", "CPU us each", "done/s", "CPU us until done", "p50 ms", "p99 ms", "p99.9 ms", "p99 to be sent", "others", ""]


def per_second(measured):
    return measured["result"]["acknowledged_per_second"]


def per_cpu(measured):
    return 1 / measured["cpu_us"]


def median(measured, figure):
    return statistics.median(figure(m) for m in measured)


def ratio(found, engine, name, cell, figure):
    """The engine's figure / the peer's, round by round; the median."""
    ours = {m["round"]: m for m in found.get(engine, {}).get(cell, [])}
    pairs = [figure(ours[m["round"]]) / figure(m) for m in found[name][cell] if m["round"] in ours and figure(m) > 0]
    return f"{statistics.median(pairs):.2f}" if pairs else ""


def remark(measured):
    counts = {what: sum(m["result"][key] for m in measured) for what, key in (("answered 503", "status_5xx"), ("timed out", "timed_out"), ("broken", "broken"))}
    sent = sum(m["result"]["sent"] for m in measured)
    return ", ".join(f"{count / sent:.1%} {what}" for what, count in counts.items() if count)


def until_done(measured):
    """Empty for whoever does all of it in the request."""
    if not measured[0]["done"]:
        return ["", ""]
    return [f"{median(measured, lambda m: m['done']['per_second']):,.0f}", f"{median(measured, lambda m: m['done']['cpu_us']):.1f}"]


def row(found, name, title, cell):
    measured = found[name][cell]
    latency = [median(measured, lambda m, q=q: m["result"]["latency_ms"]["all"][q]) for q in ("p50", "p99", "p99.9")]
    if cell.rate:
        more = [f"{median(measured, lambda m: m['result']['latency_ms']['due_to_sent']['p99']):.2f}"]
    else:
        more = [ratio(found, engine, name, cell, figure) for engine in ENGINES for figure in (per_second, per_cpu)]
    return [title, f"{median(measured, per_second):,.0f}", f"{median(measured, lambda m: m['cpu_us']):.1f}", *until_done(measured), *(f"{ms:.2f}" for ms in latency), *more,
            f"{median(measured, lambda m: m['others']):.0%}", remark(measured)]


def print_cell(found, peers, cell):
    heads = HEADS_OPEN if cell.rate else HEADS_CLOSED
    print(f"\n### {cell}\n\n| " + " | ".join(heads) + " |\n|" + "---|" * len(heads))
    for name, peer in peers.items():
        if found[name].get(cell):
            print("| " + " | ".join(row(found, name, peer.name, cell)) + " |")
        elif cell in found[name]:
            print(f"| {peer.name} | cannot hold it" + " |" * (len(heads) - 1))


def print_tables(found, peers):
    for cell in dict.fromkeys(cell for measured in found.values() for cell in measured):
        print_cell(found, peers, cell)
    print("\nMedians of the rounds.")


def as_json(found, peers):
    return [{"peer": name, "title": peers[name].name, **vars(cell), "rounds": measured} for name, by_cell in found.items() for cell, measured in by_cell.items()]


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="two cells, to see that all work")
    parser.add_argument("--peer", action="append", choices=PEERS, help="only this one (and others so named)")
    parser.add_argument("--seconds", type=float, default=2, help="that count, of each cell (2)")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--json", type=pathlib.Path, help="where everything is written, too")
    parser.add_argument("--only", default="", metavar="TEXT", help="only cells whose name holds this, as 'closed loop, 2kB'")
    parser.add_argument("--prefix", help="where a release of the engine is installed with its test-programs (absent: it is built)")
    parser.add_argument("--nice", type=int, help="of servers and client; below 0 (root only) keeps others off the cores, on machines that several share")
    parser.add_argument("--lock", help="a file that is locked while a cell is measured, for machines that several share")
    return parser.parse_args()


def main():
    options = parse()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143)) # so that what was started is stopped
    subprocess.run([ROOT / "bench" / "peers" / "setup.sh"], check=True)
    bench = Bench(options.prefix or build_release(), options.nice)
    peers = {name: PEERS[name](bench) for name in options.peer or PEERS}
    found, failures = {name: {} for name in peers}, [] # peer → cell → what was measured, round by round
    try:
        run_matrix(bench, peers, options, found, failures)
    finally:
        bench.close()
        if options.json:
            options.json.write_text(json.dumps(as_json(found, peers), indent=1))
        print_tables(found, peers)
    if failures:
        raise worlds.Trouble("not everything is as it should be:\n  " + "\n  ".join(failures))


if __name__ == "__main__":
    try:
        main()
    except worlds.Trouble as trouble:
        sys.exit(f"peers: {trouble}")
