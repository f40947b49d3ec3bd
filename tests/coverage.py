"""Which lines of src/ the tests run: coverage.py [STAGE...], clang's source-based coverage of unit, simulation, e2e and crash together.

Prints a table by folder and leaves a report in $RINGMASTER_PREFIX/coverage: html/index.html, and uncovered.txt with every line that nothing ran.
It fails when a test fails, and, if all stages were run, when one of FOLDERS has less than 95 % of its lines covered, when a line of theirs is neither
covered nor explained in tests/coverage_unreached.txt, or when that table explains a line that is covered, or gone. Ends with "N passed, N failed"."""

import collections
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys

sys.path[:0] = [str(pathlib.Path(__file__).parent / folder) for folder in (".", "tidy", "simulation")]
import build as simulator  # noqa: E402
import runner  # noqa: E402
import sanitized  # noqa: E402
import tidy  # noqa: E402
from folders import ROOT, folders  # noqa: E402
from runner import Count, say  # noqa: E402

OUT = runner.PREFIX / "coverage"
SRC = ROOT / "src"
UNREACHED = ROOT / "tests" / "coverage_unreached.txt"
FOLDERS, LINES_PERCENT_MIN = ("call", "calendar", "journal", "webhook", "guard", "db"), 95
CRASH_SECONDS, WORLDS = 12, 60


# -- the stages: each runs programs and says what it counted and which programs those were ------------------------------------------------------------


def unit():
    total, programs = Count(), []
    for source in runner.unit_sources([]):
        programs.append(sanitized.program(source, "coverage", extra_libraries=["cmocka"]))
        total += runner.run_unit_program(f"{source.parent.name}/{source.stem} (coverage)", programs[-1], source)
    return total, programs


def simulation():
    program = simulator.program("coverage")
    status, output = runner.run_program([program, "--seed", "1", "--worlds", str(WORLDS), "--jobs", "2"], 1800)
    sums = [json.loads(line) for line in output.splitlines() if line.startswith('{"worlds"')]
    if status not in (0, 1) or not sums:
        return runner.judge("simulation", status, output), [program]
    say("\n".join([f"{sums[-1]['worlds']} worlds, {sums[-1]['failed']} failed", *(line for line in output.splitlines() if "BROKEN" in line)]))
    return Count(sums[-1]["worlds"] - sums[-1]["failed"], sums[-1]["failed"]), [program]


def with_daemons(*kind):
    (OUT / "bin").mkdir(exist_ok=True)
    programs = [sanitized.daemon(name, "coverage", OUT / "bin") for name in sanitized.DAEMONS]
    done = subprocess.run([sys.executable, ROOT / "tests" / "runner.py", *kind], stdout=subprocess.PIPE, text=True, cwd=ROOT, env={**os.environ, "RINGMASTER_PREFIX": str(OUT)})
    say(done.stdout.strip())
    return runner.counted(done.stdout) or Count(failed=1), programs


def e2e():
    return with_daemons("e2e")


def crash():
    return with_daemons("crash", str(CRASH_SECONDS))


STAGES = {stage.__name__: stage for stage in (unit, simulation, e2e, crash)}


def run_stage(name):
    """What it counted, its profile and its programs. The profiles are files that a process writes from its first moment on (%c), so that a kill -9 loses nothing."""
    raw, merged = OUT / "profiles" / name, OUT / f"{name}.profdata"
    shutil.rmtree(raw, ignore_errors=True)
    raw.mkdir(parents=True)
    os.environ["LLVM_PROFILE_FILE"] = f"{raw}/%p-%c.profraw"
    count, programs = STAGES[name]()
    del os.environ["LLVM_PROFILE_FILE"]
    merge(merged, raw.iterdir())
    shutil.rmtree(raw)
    return count, merged, programs


# -- the report ----------------------------------------------------------------------------------------------------------------------------------


def merge(output, inputs):
    subprocess.run(["llvm-profdata-19", "merge", "-sparse", "--failure-mode=all", "-o", output, "--input-files=/dev/stdin"], check=True, text=True, input="".join(f"{i}\n" for i in inputs))


def llvm_cov(verb, profile, programs, *options):
    first, *others = programs
    return subprocess.run(["llvm-cov-19", verb, f"-instr-profile={profile}", *options, first, *(f"-object={p}" for p in others), SRC], check=True, capture_output=True, text=True).stdout


class File:
    def __init__(self, path):
        self.path = pathlib.Path(path)
        self.name = self.path.relative_to(SRC).as_posix()
        self.text = self.path.read_text().split("\n")
        self.lines, self.branches, self.functions = {}, {}, {}  # number, (number, place) or name → whether it was run

    @property
    def folder(self):
        return self.name.split("/")[0] if "/" in self.name else "main"

    def uncovered(self):
        return [number for number, covered in sorted(self.lines.items()) if not covered]

    def says(self, number):
        return self.text[number - 1].strip()


def read_files(lcov):
    """One File per file of src/. The far side of an ensure() is no branch: whoever takes it stops the process. Nor is the default that a closed switch has not."""
    found, file = [], None
    for kind, _, value in (line.partition(":") for line in lcov.splitlines()):
        if kind == "SF":
            file = File(value)
            found.append(file)
        elif kind == "DA":
            number, times = value.split(",")
            file.lines[int(number)] = times != "0"
        elif kind == "BRDA" and not re.search(r"\bensure|\bswitch \(", file.text[int(value.split(",")[0]) - 1]):
            *place, times = value.split(",")
            file.branches[tuple(place)] = file.branches.get(tuple(place), False) or times not in ("-", "0")
        elif kind == "FNDA":
            times, name = value.split(",", 1)
            name = name.rsplit(":", 1)[-1]
            file.functions[name] = file.functions.get(name, False) or times != "0"
    return sorted(found, key=lambda f: f.name)


def share(happened):
    return f"{sum(happened)}/{len(happened)}", 100 * sum(happened) / max(1, len(happened))


def print_table(files):
    by_folder = collections.defaultdict(list)
    for file in files:
        by_folder[file.folder].append(file)
    rows = [(name, by_folder[name]) for name in [*folders(), "main"] if name in by_folder] + [("all", files)]
    say(f"\n{'folder':10} {'lines':>15} {'%':>6} {'branches':>15} {'%':>6} {'functions':>12} {'%':>6}")
    for name, own in rows:
        (lines, l), (branches, b), (functions, f) = (share([v for file in own for v in getattr(file, what).values()]) for what in ("lines", "branches", "functions"))
        say(f"{name:10} {lines:>15} {l:6.1f} {branches:>15} {b:6.1f} {functions:>12} {f:6.1f}")


def write_report(files, profile, programs):
    (OUT / "uncovered.txt").write_text("".join(f"{f.name}:{n}: {f.says(n)}\n" for f in files for n in f.uncovered()))
    shutil.rmtree(OUT / "html", ignore_errors=True)
    llvm_cov("show", profile, programs, "-format=html", f"-output-dir={OUT / 'html'}", "-show-branches=count")
    say(f"\n{OUT / 'html' / 'index.html'}\n{OUT / 'uncovered.txt'}")


# -- the judgement -------------------------------------------------------------------------------------------------------------------------------


def explained():
    """(file, function, text of the line) of what stands in the table; a row is `file | function | line | reason`."""
    rows = [line.split(" | ") for line in UNREACHED.read_text().splitlines() if line and not line.startswith("#")]
    for row in rows:
        if len(row) < 4:
            raise SystemExit(f"{UNREACHED.name}: a row is `file | function | line | reason`: {' | '.join(row)}")
    return {(row[0], row[1], " | ".join(row[2:-1])) for row in rows}  # the line itself may hold a |


def function_at(file):
    """line number → name of the function that it is in"""
    return {number: f.name for f in tidy.functions(file.path) for number in range(f.first, f.first + f.lines + 1)}


def says_nothing(text):
    return re.fullmatch(r"[{};\s]*|/\*.*\*/|(\} )?else \{", text) is not None


def unreached(file):
    """[(key, number)] of what nothing ran; a brace goes with the line above it."""
    where, found, above = function_at(file), [], 0
    for number in file.uncovered():
        if not (says_nothing(file.says(number)) and above == number - 1):
            found.append(((file.name, where.get(number, "-"), file.says(number)), number))
        above = number
    return found


def judge(files):
    """Complaints, by what is promised."""
    own = [f for f in files if f.folder in FOLDERS]
    table, seen, gaps = explained(), set(), []
    for file in own:
        for key, number in unreached(file):
            seen.add(key)
            if key not in table:
                gaps.append(f"{file.name}:{number}: {key[2]}")
    for folder in FOLDERS:
        text, percent = share([v for f in own if f.folder == folder for v in f.lines.values()])
        yield f"{folder}: at least {LINES_PERCENT_MIN} % of its lines are run", [] if percent >= LINES_PERCENT_MIN else [f"{text} = {percent:.1f} %"]
    yield f"what nothing runs is explained in {UNREACHED.name}", gaps
    yield f"what {UNREACHED.name} explains is there, and nothing runs it", [" | ".join(key) for key in sorted(table - seen)]


def main(arguments):
    if unknown := set(arguments) - set(STAGES):
        print(f"{__doc__}\n\nNo stage: {' '.join(unknown)}. There are: {' '.join(STAGES)}", file=sys.stderr)
        return 2
    OUT.mkdir(parents=True, exist_ok=True)
    os.chmod(OUT, 0o755)
    total, profiles, programs = Count(), [], []
    for name in arguments or STAGES:
        say(f"== {name}")
        count, profile, own = run_stage(name)
        total += count
        profiles.append(profile)
        programs += [p for p in own if p not in programs]
    merge(OUT / "all.profdata", profiles)
    files = read_files(llvm_cov("export", OUT / "all.profdata", programs, "-format=lcov"))
    write_report(files, OUT / "all.profdata", programs)
    print_table(files)
    for promise, complaints in judge(files) if not arguments else []:
        say("\n".join([f"{'FAILED ' if complaints else 'ok     '} {promise}", *(f"        {c}" for c in complaints)]))
        total += Count(failed=1) if complaints else Count(passed=1)
    say(f"\n{total}")
    return 1 if total.failed or not total.passed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
