"""Runs the tests: runner.py KIND [ARGUMENT...], or several KINDs, or `all`. The last line of its output is the sum, "N passed, N failed" (", N skipped" where
some were, each said aloud before), and its exit status goes by it.

    unit        the programs of tests/unit, as zig built them (UBSan), and again under clang's AddressSanitizer
    simulation  worlds of the whole engine on virtual time, torture, planted bugs; the tables they live on beside a real PostgreSQL (simulation WORLDS)
    interleave  what crosses threads, under ThreadSanitizer
    model       the wake-up and stop protocols in spin, and the mistakes planted in them
    fuzz        each parser of outside bytes for a few seconds (fuzz SECONDS: for longer)
    tidy        layers, function lengths, banned calls, headers that compile alone
    e2e         real processes, a real PostgreSQL, Retell's own SDK
    crash       kill -9 of the engine under load (crash SECONDS: for longer)
    bench       every program of bench/; figures, not judgements

What zig builds is expected in $RINGMASTER_PREFIX (zig-out)."""

import collections
import concurrent.futures
import json
import os
import pathlib
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree

sys.path[:0] = [str(pathlib.Path(__file__).parent), str(pathlib.Path(__file__).parent / "simulation")]
import build as simulator  # noqa: E402
import sanitized  # noqa: E402
from folders import ROOT  # noqa: E402

PREFIX = pathlib.Path(os.environ.get("RINGMASTER_PREFIX", ROOT / "zig-out")).absolute()
PYTHON = ROOT / ".tools" / "venv" / "bin" / "python"
FUZZ_SECONDS, PROGRAM_SECONDS, CRASH_SECONDS, SIMULATION_SECONDS = 6, 180, 40, 900
JOBS, TORTURED_SEED, PLANTED_PARTS = min(os.cpu_count() or 1, 64), 3, 5  # worlds at a time; whose caller's booking goes well; each run plants a fifth


class Count:
    def __init__(self, passed=0, failed=0, skipped=0):
        self.passed, self.failed, self.skipped = passed, failed, skipped

    def __add__(self, other):
        return Count(self.passed + other.passed, self.failed + other.failed, self.skipped + other.skipped)

    def __str__(self):
        return f"{self.passed} passed, {self.failed} failed" + (f", {self.skipped} skipped" if self.skipped else "")


def say(text):
    print(text, flush=True)


# -- programs ------------------------------------------------------------------------------------------------------------------------------------


def end_group(process):
    os.killpg(process.pid, signal.SIGTERM)
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def run_program(command, seconds, environment=None):
    """(exit status, output). What runs too long is ended with all it started, and has failed."""
    with tempfile.TemporaryFile("w+b") as output:
        process = subprocess.Popen([str(c) for c in command], stdout=output, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, cwd=ROOT,
                                   env={**os.environ, "PATH": f"{os.environ['PATH']}:{ROOT / '.tools'}", **sanitized.ENVIRONMENT, **(environment or {})},
                                   start_new_session=True)
        try:
            status = process.wait(seconds)
        except subprocess.TimeoutExpired:
            end_group(process)
            status = f"none: still running after {seconds} s"
        except BaseException:
            end_group(process)
            raise
        output.seek(0)
        return status, output.read().decode(errors="replace")


def counted(output):
    """The tests that a program's output tells of: cmocka's summary, or a closing line like ours. None: it tells of none."""
    ours = re.findall(r"^(\d+) passed, (\d+) failed", output, re.M)
    if ours:
        return Count(*map(int, ours[-1]))
    numbers = {word: sum(map(int, re.findall(rf"^\[  {word}\s*\] (\d+) test\(s\)", output, re.M))) for word in ("PASSED", "FAILED", "SKIPPED")}
    return Count(numbers["PASSED"], numbers["FAILED"], numbers["SKIPPED"]) if any(numbers.values()) else None


def judge(name, status, output):
    count = counted(output)
    if count is None:
        count = Count(failed=1) if status != 0 else Count(passed=1)
    elif status != 0 and count.failed == 0:
        count.failed = 1  # died on the way, or a sanitizer had a word
    if count.failed:
        say(f"FAILED  {name} (status {status})")
        say("\n".join("        " + line for line in output.strip().splitlines()[-60:]))
    else:
        say(f"ok      {name}: {count}")
    if count.skipped:
        say("\n".join("skipped " + line for line in output.splitlines() if "SKIPPED" in line))
    return count


def needs_postgres(source):
    headers = list(source.parent.glob("*.h"))
    return any("RM_TEST_DATABASE" in path.read_text() for path in [source, *(h for h in headers if f'{h.name}"' in source.read_text())])


def run_unit_program(name, program, source):
    command = [ROOT / "tests" / "with_postgres.sh", program] if needs_postgres(source) else [program]
    return judge(name, *run_program(command, PROGRAM_SECONDS))


# -- the kinds -----------------------------------------------------------------------------------------------------------------------------------


def unit_sources(wanted):
    sources = sorted((ROOT / "tests" / "unit").glob("*/*_test.c"))
    return [s for s in sources if not wanted or any(w in f"{s.parent.name}/{s.stem}" for w in wanted)]


def unit(arguments):
    total = Count()
    for source in unit_sources(arguments):
        name = f"{source.parent.name}/{source.stem}"
        program = PREFIX / "tests" / source.parent.name / source.stem
        if not program.exists():
            say(f"FAILED  {name}: {program} is not built")
            total += Count(failed=1)
            continue
        total += run_unit_program(name, program, source)
    return total + unit_under_asan(arguments)


def unit_under_asan(arguments):
    total = Count()
    for source in unit_sources(arguments):
        name = f"{source.parent.name}/{source.stem} (AddressSanitizer)"
        try:
            program = sanitized.program(source, "address", extra_libraries=["cmocka"])
        except sanitized.BuildFailed as failure:
            say(f"FAILED  {name}\n{failure}")
            total += Count(failed=1)
            continue
        total += run_unit_program(name, program, source)
    return total


def differential(seeds_and_units):
    """The simulator's tables and a real PostgreSQL, asked the same."""
    folder = ROOT / "tests" / "simulation" / "database"
    beside = [folder / f"{name}.c" for name in ("store", "tenants", "calls", "bookings", "table", "jsonb", "arena")]
    total = Count()
    for seed, units in seeds_and_units:
        name = f"differential seed {seed}, {units} units (AddressSanitizer)"
        try:
            program = sanitized.program(folder / "differential_test.c", "address", extra_libraries=["cmocka"], beside=beside)
        except sanitized.BuildFailed as failure:
            say(f"FAILED  {name}\n{failure}")
            return Count(failed=1)
        count = judge(name, *run_program([ROOT / "tests" / "with_postgres.sh", program, seed, units], PROGRAM_SECONDS))
        total += Count(failed=1) if count.failed else Count(passed=1)  # it counts every unit; here a seed is one test
    return total


def worlds(program, name, *arguments, look=None):
    """Worlds of the simulator; each is one test. What breaks is said with its seed, and how to see it again. look(what its last line counts): a Count more."""
    status, output = run_program([program, *arguments, "--jobs", JOBS], SIMULATION_SECONDS)
    sums = re.findall(r'^\{"worlds":.*\}$', output, re.M)
    counts = json.loads(sums[-1]) if sums else {"worlds": 0, "failed": 0}
    lived, failed = counts["worlds"], counts["failed"]
    if status != 0 or lived == 0:
        failed = max(failed, 1)
        say(f"FAILED  {name} (status {status})")
        say("\n".join("        " + line for line in output.splitlines() if not line.startswith("     ")) or output[-2000:])
    else:
        say(f"ok      {name}: {lived} worlds")
    return Count(lived - failed if lived else 0, failed) + (look(counts) if look and sums else Count())


def every_fault(counts):
    """What no world has met, none has proven: of Cal.com's known failures and traps, F1 to F25, each was met. Worlds that have changed may need other seeds, or dice."""
    met = collections.Counter()
    for name, numbers in re.findall(r'X\(\w+, "(\w+)", "([^"]+)"', (ROOT / "src" / "sim" / "faults.h").read_text()):
        for number in numbers.split(", "):
            met[number] += counts["faults"][name]
    missing = [f"F{n}" for n in range(1, 26) if met[f"F{n}"] == 0]
    say(f"FAILED  faults of Cal.com that no fixed seed has met: {', '.join(missing)}" if missing else "ok      every fault of Cal.com was met, F1 to F25")
    return Count(failed=1) if missing else Count(passed=1)


def regressions():
    rows = [line.split(" ", 2) for line in (ROOT / "tests" / "simulation" / "regressions.txt").read_text().splitlines() if line and not line.startswith("#")]
    return [(f"once: {what}", ["--seed", seed, "--minutes", minutes]) for seed, minutes, what in rows]


def simulation(arguments):
    """The simulator's own parts, worlds (simulation WORLDS: so many fresh ones), torture, some of the planted bugs, and its tables beside PostgreSQL."""
    fresh, total = int(arguments[0]) if arguments else 40, Count()
    try:
        program = simulator.program()
        for source in simulator.test_sources():
            total += judge(f"simulation/{source.stem}", *run_program([simulator.test_program(source)], PROGRAM_SECONDS))
    except sanitized.BuildFailed as failure:
        say(f"FAILED  simulation\n{failure}")
        return Count(failed=1)
    total += worlds(program, "fixed seeds", "--seed", 1, "--worlds", 60, look=every_fault)
    total += worlds(program, "the same seed is the same world", "--seed", 1001, "--worlds", 6, "--twice")
    total += worlds(program, "fresh seeds", "--seed", random.SystemRandom().randrange(1, 2**48), "--worlds", fresh)
    for name, options in regressions():
        total += worlds(program, name, *options)
    for failure in ("allocation", "ring_operation", "database_unit", "descriptor", "thread"):
        total += worlds(program, f"torture, every {failure}", "--seed", TORTURED_SEED, "--torture", failure)
    part = random.SystemRandom().randrange(PLANTED_PARTS)
    total += judge("planted bugs, some", *run_program([sys.executable, ROOT / "tests" / "simulation" / "planted.py", "--known", "--share", f"{part}/{PLANTED_PARTS}"], SIMULATION_SECONDS))
    return total + differential([(1, 10_000), (int(time.time()), 3_000)])


def interleave(arguments):
    total = Count()
    for source in sorted((ROOT / "tests" / "interleave").glob("*_interleave.c")):
        try:
            program = sanitized.program(source, "thread")
        except sanitized.BuildFailed as failure:
            say(f"FAILED  {source.stem}\n{failure}")
            total += Count(failed=1)
            continue
        count = judge(source.stem, *run_program([program, *(arguments or ["40"])], PROGRAM_SECONDS))
        total += Count(failed=1) if count.failed else Count(passed=1)  # it counts every check of every seed; here it is one test
    return total + judge("engine_smoke", *run_program(["/usr/bin/python3", ROOT / "tests" / "interleave" / "engine_smoke.py"], PROGRAM_SECONDS))


def model(_):
    status, output = run_program([ROOT / "tests" / "models" / "run.sh"], 900)
    say(output.strip())
    return counted(output) or Count(failed=1)


def fuzz_sources():
    return sorted((ROOT / "tests" / "fuzz").glob("*_fuzz.c"))


def fuzz_one(source, seconds, kept):
    """One fuzzer, with the inputs of former runs in kept/NAME, where new ones go; how many inputs, and the count."""
    name = source.stem.removesuffix("_fuzz")
    found = kept / name
    found.mkdir(parents=True, exist_ok=True)
    try:
        program = sanitized.program(source, "address", extra_flags=["-fsanitize=fuzzer"])
    except sanitized.BuildFailed as failure:
        say(f"FAILED  fuzz {name}\n{failure}")
        return 0, Count(failed=1)
    seeds = [path for path in [ROOT / "tests" / "fuzz" / "corpus" / name] if path.is_dir()]
    status, output = run_program([program, f"-max_total_time={seconds}", "-timeout=10", "-rss_limit_mb=3072", "-close_fd_mask=1", "-print_final_stats=1",
                                  f"-artifact_prefix={found}/failure-", found, *seeds], seconds + 120)
    runs = re.search(r"stat::number_of_executed_units: (\d+)", output)
    inputs = int(runs[1]) if runs else 0
    if status != 0:
        return inputs, judge(f"fuzz {name}", status, output)
    say(f"ok      fuzz {name}: {inputs} inputs in {seconds} s")
    return inputs, Count(passed=1)


def fuzz(arguments):
    seconds = int(arguments[0]) if arguments else FUZZ_SECONDS
    return sum((fuzz_one(source, seconds, ROOT / ".zig-cache" / "fuzz")[1] for source in fuzz_sources()), Count())


def tidy(_):
    status, output = run_program(["/usr/bin/python3", ROOT / "tests" / "tidy" / "tidy.py"], 300, {"RINGMASTER_PREFIX": str(PREFIX)})
    say(output.strip())
    return counted(output) or Count(failed=1)


PYTESTS = []


def pytest(arguments, seconds, environment=None, output=None):
    """Counts from pytest's own report. `output`: where it prints; else here, as it goes."""
    with tempfile.TemporaryDirectory() as directory:
        report = pathlib.Path(directory) / "report.xml"
        process = subprocess.Popen([PYTHON, "-m", "pytest", "-p", "no:cacheprovider", "--junitxml", report, *arguments], cwd=ROOT, stdout=output, stderr=output,
                                   env={**os.environ, **sanitized.ENVIRONMENT, **(environment or {}), "RINGMASTER_PREFIX": str(PREFIX)})
        late = False
        PYTESTS.append(process)
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            say(f"FAILED  pytest: still running after {seconds} s")
            late = True
            process.send_signal(signal.SIGINT)  # it ends its worlds
            process.wait(120)
        except BaseException:
            process.send_signal(signal.SIGINT)
            process.wait(120)
            raise
        if late or not report.exists():
            return Count(failed=1)
        suite = next(iter(xml.etree.ElementTree.parse(report).getroot().iter("testsuite")))
        number = {name: int(suite.get(name, 0)) for name in ("tests", "failures", "errors", "skipped")}
        failed = number["failures"] + number["errors"]
        return Count(max(0, number["tests"] - failed - number["skipped"]), failed or int(process.returncode not in (0,)), number["skipped"])


E2E_SLOWEST_FIRST = ["test_calcom_faults.py", "test_durability.py", "test_operations.py"]


def e2e_file(path):
    with tempfile.TemporaryFile("w+") as output:
        count = pytest(["-q", "-rs", "--durations=3", path], 900, output=output)
        output.seek(0)
        say(f"-- {path.name}: {count}\n{output.read().strip()}")
        return count


def e2e(arguments):
    """Two files at a time, each in a world of its own: most of what they do is wait."""
    if arguments:
        return pytest(["-q", "-rs", *arguments], 1200)
    paths = sorted(p for p in (ROOT / "tests" / "e2e").glob("test_*.py") if p.name != "test_crash.py")
    paths.sort(key=lambda p: p.name not in E2E_SLOWEST_FIRST)
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        try:
            return sum(pool.map(e2e_file, paths), Count())
        except KeyboardInterrupt:
            pool.shutdown(wait=False, cancel_futures=True)
            for process in PYTESTS:
                process.send_signal(signal.SIGINT)  # each ends its world
            raise


def crash(arguments):
    seconds = int(arguments[0]) if arguments else CRASH_SECONDS
    return pytest(["-q", "-rs", "-s", "tests/e2e/test_crash.py"], seconds * 3 + 600, {"RINGMASTER_CRASH_SECONDS": str(seconds)})


def bench(arguments):
    total = Count()
    for program in sorted((PREFIX / "bench").glob("*_bench")): # the others are servers that benches start
        if arguments and program.name not in arguments:
            continue
        say(f"-- {program.name}")
        status, output = run_program([program], 900)
        say(output.strip())
        total += Count(passed=1) if status == 0 else Count(failed=1)
    return total


KINDS = {f.__name__: f for f in (unit, simulation, interleave, model, fuzz, tidy, e2e, crash, bench)}
ALL = ["tidy", "unit", "simulation", "interleave", "model", "fuzz", "e2e", "crash"]


def interrupted(*_):
    raise KeyboardInterrupt


def main(arguments):
    for number in (signal.SIGTERM, signal.SIGINT):  # SIGINT, too: a job in the background begins with it ignored, and so would its children
        signal.signal(number, interrupted)
    kinds = ALL if arguments == ["all"] else [a for a in arguments if a in KINDS]
    if not kinds or arguments[0] not in [*KINDS, "all"]:
        print(__doc__, file=sys.stderr)
        return 2
    rest = [a for a in arguments if a not in KINDS and a != "all"]
    total = Count()
    for kind in kinds:
        begin = time.monotonic()
        if len(kinds) > 1:
            say(f"\n== {kind}")
        count = KINDS[kind](rest)
        if len(kinds) > 1:
            say(f"== {kind}: {count}, {time.monotonic() - begin:.0f} s")
        total += count
    say(f"\n{total}")
    return 1 if total.failed or not total.passed else 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit("interrupted")
