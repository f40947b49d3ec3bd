"""The long run: soak.py [--hours H] [--jobs J] [--corpus FOLDER] [--report FILE], on all cores until the time is over:

    worlds     of the simulator, over seeds that nobody has lived yet
    fuzz       each parser of outside bytes in turn, with the corpora of former runs
    crash      kill -9 of the real daemon under load, with outages of PostgreSQL and Cal.com, checked after each kill

Nothing that fails stops it: failures are collected, each with the command that shows it again. Ends with a table and one line that counts."""

import argparse
import collections
import json
import os
import pathlib
import random
import re
import signal
import sys
import threading
import time

sys.path[:0] = [str(pathlib.Path(__file__).parent), str(pathlib.Path(__file__).parent / "simulation")]
import build  # noqa: E402
import planted  # noqa: E402
import runner  # noqa: E402
from folders import ROOT  # noqa: E402
from runner import say  # noqa: E402

WORLDS_PER_CHUNK, CHUNK_SECONDS_MAX = 50, 50 * 180
FUZZ_SECONDS, CRASH_SECONDS, CRASH_PATIENCE_SECONDS = 20, 240, 240 * 3 + 900


class Soak:
    def __init__(self, seconds, jobs, corpus):
        self.begin, self.seconds, self.jobs, self.corpus = time.monotonic(), seconds, jobs, corpus
        self.lock, self.is_stopped = threading.Lock(), threading.Event()
        self.sums = {"worlds": collections.Counter(), "fuzz": collections.Counter(), "crash": collections.Counter()}
        self.failures = []  # (what broke, the command that shows it again)

    def left(self):
        return 0 if self.is_stopped.is_set() else max(0, self.seconds - (time.monotonic() - self.begin))

    def add(self, lane, figures):
        with self.lock:
            for name, number in figures.items():
                if isinstance(number, dict):  # of the worlds: each fault of Cal.com, and in how many of them each thing was met
                    self.sums[lane].update({f"{name}: {kind}": count for kind, count in number.items()})
                else:
                    self.sums[lane].update({name: number})

    def fail(self, what, again):
        with self.lock:
            self.failures.append((what, again))
        say(f"FAILED  {what}\n        {again}")

    # -- the lanes

    def live_worlds(self):
        program, seed = build.program("plain"), random.SystemRandom().randrange(1, 2**48)
        while self.left() > 0:
            status, output = runner.run_program([program, "--seed", str(seed), "--worlds", str(WORLDS_PER_CHUNK), "--jobs", str(self.jobs)], CHUNK_SECONDS_MAX)
            self.take_worlds(seed, status, output)
            seed += WORLDS_PER_CHUNK

    def take_worlds(self, seed, status, output):
        sums = re.findall(r'^\{"worlds":.*\}$', output, re.M)
        if not sums:
            self.fail(f"the simulator ended with status {status}", f"zig build simulate -- --seed {seed} --worlds {WORLDS_PER_CHUNK}")
            return
        self.add("worlds", json.loads(sums[-1]))
        for failed in planted.failed_seeds(output):
            self.fail(planted.words_of(output, failed), f"zig build simulate -- --seed {failed} --trace")

    def fuzz_all(self):
        for source in runner.fuzz_sources():
            if self.left() == 0:
                return
            inputs, count = runner.fuzz_one(source, FUZZ_SECONDS, self.corpus)
            self.add("fuzz", {"inputs": inputs, "runs": 1, "failed": count.failed})
            if count.failed:
                self.fail(f"fuzz {source.stem}", f"zig build fuzz, with the input in {self.corpus / source.stem.removesuffix('_fuzz')}")

    def kill_the_daemon(self):
        seconds = int(min(CRASH_SECONDS, self.left()))
        if seconds < 10:
            return
        seed = random.SystemRandom().randrange(1, 1_000_000)
        status, output = runner.run_program([sys.executable, ROOT / "tests" / "runner.py", "crash", str(seconds)], CRASH_PATIENCE_SECONDS,
                                            {"RINGMASTER_CRASH_SEED": str(seed), "RINGMASTER_PREFIX": str(runner.PREFIX)})
        sums = re.findall(r'^\{"worlds":.*\}$', output, re.M)
        if sums:
            self.add("crash", json.loads(sums[-1]))
        if status != 0:
            self.add("crash", {"failed": 1})
            self.fail("kill -9: " + "; ".join(re.findall(r"^E\s+(.*)$", output, re.M)[:3]), f"RINGMASTER_CRASH_SEED={seed} zig build crash -- {seconds}")

    def kill_and_fuzz(self):
        while self.left() > 0:
            self.kill_the_daemon()
            self.fuzz_all()

    # -- the whole

    def run(self):
        lanes = [threading.Thread(target=lane, daemon=True) for lane in (self.live_worlds, self.kill_and_fuzz)]
        for lane in lanes:
            lane.start()
        for lane in lanes:
            while lane.is_alive():
                lane.join(1)

    def table(self):
        rows = [(lane, name, number) for lane, figures in self.sums.items() for name, number in figures.items()]
        lines = [f"{'what':8} {'counted':36} {'number':>16}", *(f"{lane:8} {name:36} {number:16,}" for lane, name, number in rows), ""]
        lines += [f"{len(self.failures)} failures in {(time.monotonic() - self.begin) / 3600:.2f} hours", *(f"  {what}\n    {again}" for what, again in self.failures)]
        return "\n".join(lines)

    def line(self):
        return json.dumps({"hours": round((time.monotonic() - self.begin) / 3600, 3), "failures": len(self.failures),
                           **{lane: dict(figures) for lane, figures in self.sums.items()}})


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hours", type=float, default=1)
    parser.add_argument("--jobs", type=int, default=max(1, (os.cpu_count() or 2) - 1), help="worlds at a time")
    parser.add_argument("--corpus", type=pathlib.Path, default=ROOT / ".zig-cache" / "fuzz")
    parser.add_argument("--report", type=pathlib.Path)
    a = parser.parse_args()
    soak = Soak(a.hours * 3600, a.jobs, a.corpus)
    for number in (signal.SIGINT, signal.SIGTERM):  # ends what is under way as if the time were over, and tells
        signal.signal(number, lambda *_: soak.is_stopped.set())
    soak.run()
    text = f"\n{soak.table()}\n\n{soak.line()}"
    say(text)
    if a.report:
        a.report.write_text(text)
    return 1 if soak.failures else 0


if __name__ == "__main__":
    sys.exit(main())
