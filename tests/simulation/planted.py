"""Are the checkers any good? planted.py plants each bug of tests/simulation/planted in a copy of the sources and lives worlds until one of them notices.

    planted.py [--only NAME] [--budget WORLDS] [--first-seed N] [--jobs J] [--write]     searches; --write keeps what it found, and docs/PLANTED_BUGS.md
    planted.py --known [--only NAME] [--share K/N]     each with the seed that found it (planted/found.txt), as a rule in one world: for every day

A bug is a unified diff against src/ or tests/simulation/, and its first line says which promise it breaks. What finds it is a world that breaks a promise with the
bug in it and none without: a seed that fails on its own finds nothing. Ends with "N passed, N failed"; not found, or not applicable any more, is failed."""

import argparse
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import build  # noqa: E402
from build import ROOT  # noqa: E402

PATCHES, FOUND = ROOT / "tests" / "simulation" / "planted", ROOT / "tests" / "simulation" / "planted" / "found.txt"
TABLE = ROOT / "docs" / "PLANTED_BUGS.md"
CHUNK_MAX, CHUNK_SECONDS, KNOWN_BUDGET, KNOWN_WORLDS_MAX, WORLD_SECONDS = 40, 3600, 60, 25, 15  # a world takes half a second; one that hangs is found, too


def say(text):
    print(text, flush=True)


# -- what a world said ---------------------------------------------------------------------------------------------------------------------------


def words_of(output, seed):
    """The promise that broke in that world, as the simulator says it; an ensure() by its place."""
    broken = re.search(rf"^seed {seed}: BROKEN: (.*)", output, re.M)
    ensured = re.search(r"(\S+?\.[ch]):\d+: broken: (.*)", output)
    failed = re.search(rf"^seed {seed}: FAILED at commit \S+ \((.*?)\)", output, re.M)
    if ensured and (not broken or broken[1].startswith("an ensure()")):
        return f"ensure({ensured[2]}) in {ensured[1].split('src/')[-1]}"
    return broken[1] if broken else "it hangs" if failed and failed[1] == "Killed" else failed[1] if failed else "?"


def live(program, seed, worlds=1, jobs=1, minutes=1):
    options = {"--seed": seed, "--worlds": worlds, "--minutes": minutes, "--jobs": jobs, "--patience": WORLD_SECONDS}
    done = subprocess.run([program, *(str(word) for option in options.items() for word in option)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
                          timeout=CHUNK_SECONDS, cwd=ROOT)
    return done.returncode, done.stdout


def failed_seeds(output):
    return sorted({int(seed) for seed in re.findall(r"^seed (\d+): FAILED", output, re.M)})


# -- planting ------------------------------------------------------------------------------------------------------------------------------------


class Planted:
    def __init__(self, patch):
        self.patch, self.name = patch, patch.stem
        self.promise = patch.read_text().split("\n", 1)[0]
        self.files = re.findall(r"^\+\+\+ b/(\S+)", patch.read_text(), re.M)
        self.words = self.seed = self.worlds = None
        self.seconds = 0.0

    def overlay(self, directory):
        """The patched copies; BuildFailed where the sources have moved on."""
        for file in self.files:
            (directory / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / file, directory / file)
        done = subprocess.run(["patch", "--silent", "--strip=1", "--fuzz=1", "--input", self.patch], cwd=directory, capture_output=True, text=True)
        if done.returncode != 0:
            raise build.BuildFailed(f"{self.patch.name} does not apply any more:\n{done.stdout}{done.stderr}")
        for leftover in directory.rglob("*.orig"):
            leftover.unlink()
        return directory

    def program(self, directory):
        return build.program("plain", self.overlay(pathlib.Path(directory)))

    def finds(self, program, base, seed):
        """Whether that world fails with the bug and holds without."""
        status, output = live(program, seed)
        if status == 0 or live(base, seed)[0] != 0:
            return False
        self.seed, self.words = seed, words_of(output, seed)
        return True

    def search(self, base, budget, first_seed, jobs):
        begin = time.monotonic()
        with tempfile.TemporaryDirectory(prefix="planted-") as directory:
            program, lived, chunk = self.program(directory), 0, jobs
            while self.seed is None and lived < budget:
                chunk = min(chunk, budget - lived)
                _, output = live(program, first_seed + lived, chunk, jobs)
                for seed in failed_seeds(output):
                    if self.finds(program, base, seed):
                        self.worlds = seed - first_seed + 1
                        break
                lived, chunk = lived + chunk, min(2 * chunk, CHUNK_MAX)
        self.seconds += time.monotonic() - begin

    def find_again(self, base, seed, jobs):
        """With the seed that found it; where the worlds have changed since, with others."""
        self.search(base, 1, seed, 1)
        if self.seed is None:
            self.search(base, KNOWN_BUDGET, 1, jobs)


# -- the table -----------------------------------------------------------------------------------------------------------------------------------


def known():
    """name → (seed, worlds, seconds, words) of earlier searches; seed None: not found in so many worlds."""
    rows = [line.split(" | ", 4) for line in FOUND.read_text().splitlines() if line and not line.startswith("#")] if FOUND.exists() else []
    return {name: (None if seed == "-" else int(seed), int(worlds), int(seconds), words) for name, seed, worlds, seconds, words in rows}


def known_seeds():
    """Of those that were found soon: when worlds change, the others take luck."""
    return {name: seed for name, (seed, worlds, *_) in known().items() if seed is not None and worlds <= KNOWN_WORLDS_MAX}


def row(cells):
    return "| " + " | ".join(str(c).replace("|", "\\|") for c in cells) + " |"


def write(bugs, budget):
    """What these searches came to takes the place of what is known of the same bugs."""
    results = known() | {b.name: (b.seed, b.worlds or budget, round(b.seconds), b.words or "") for b in bugs}
    all_bugs = chosen("", "0/1")
    results = {b.name: results[b.name] for b in all_bugs if b.name in results}
    FOUND.write_text("# Planted bug | seed of a world that finds it | worlds lived until then, from seed 1 on | seconds | noticed as. By planted.py --write.\n" +
                     "".join(f"{name} | {'-' if seed is None else seed} | {worlds} | {seconds} | {words}\n" for name, (seed, worlds, seconds, words) in results.items()))
    found = sum(seed is not None for seed, *_ in results.values())
    lines = ["# Planted bugs", "",
             "Each of these mistakes was planted in the sources, one at a time, and worlds were lived from seed 1 on until one of them noticed: a world that breaks a promise",
             f"with the bug in it, and holds without. {found} of {len(results)} were found. Written by `tests/simulation/planted.py --write`, on a machine with others on it: the",
             "seconds, which count building, are for orders of magnitude. Each row is of the day its bug was last looked for: another day's simulator draws other worlds.", "",
             row(["planted", "what it breaks", "noticed as", "worlds", "seed", "seconds"]), row(["---", "---", "---", "--:", "--:", "--:"])]
    for bug in all_bugs:
        seed, worlds, seconds, words = results.get(bug.name, (None, 0, 0, ""))
        lines.append(row([f"`{bug.name}`", bug.promise, "**not found**" if seed is None else words, f"> {worlds}" if seed is None else worlds, "" if seed is None else seed, seconds]))
    TABLE.write_text("\n".join(lines) + "\n")


def tell(bug):
    if bug.seed is None:
        say(f"FAILED  {bug.name}: not found ({bug.promise}), {bug.seconds:.0f} s")
    else:
        say(f"ok      {bug.name}: world {bug.worlds}, seed {bug.seed}, {bug.seconds:.0f} s: {bug.words}")


# -- both ways -----------------------------------------------------------------------------------------------------------------------------------


def chosen(only, share):
    bugs = [Planted(p) for p in sorted(PATCHES.glob("*.patch")) if only in p.stem]
    part, parts = map(int, share.split("/"))
    return bugs[part::parts]


def run(bugs, look, budget_to_write=0):
    passed = failed = 0
    for bug in bugs:
        try:
            look(bug)
            tell(bug)
            if budget_to_write:
                write([bug], budget_to_write)
            passed, failed = passed + (bug.seed is not None), failed + (bug.seed is None)
        except (build.BuildFailed, subprocess.TimeoutExpired) as trouble:
            say(f"FAILED  {bug.name}: {trouble}")
            failed += 1
    return passed, failed


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="")
    parser.add_argument("--budget", type=int, default=300)
    parser.add_argument("--first-seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--known", action="store_true")
    parser.add_argument("--share", default="0/1", metavar="K/N", help="every N-th bug, from the K-th on")
    parser.add_argument("--write", action="store_true")
    a = parser.parse_args()
    base, bugs, seeds = build.program("plain"), chosen(a.only, a.share), known_seeds()
    if a.known:
        passed, failed = run([b for b in bugs if b.name in seeds], lambda bug: bug.find_again(base, seeds[bug.name], a.jobs))
    else:
        passed, failed = run(bugs, lambda bug: bug.search(base, a.budget, a.first_seed, a.jobs), a.budget if a.write else 0)
    say(f"\n{passed} passed, {failed} failed")
    return failed > 0 or passed == 0


if __name__ == "__main__":
    sys.exit(main())
