"""Makes a failure small: shrink.py SEED [--minutes K] [--program PATH] leaves out calls, faults and incidents of that world, by halves and then one by one, as long as
the same promise breaks, and prints the command of what is left. The rest of the world stays as it was: every entry of a plan has dice of its own."""

import argparse
import concurrent.futures
import pathlib
import re
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import build  # noqa: E402
from planted import words_of  # noqa: E402

WORLD_SECONDS = 300


class World:
    def __init__(self, program, seed, minutes):
        self.program, self.seed, self.minutes = program, seed, minutes
        self.lived = 0

    def command(self, without):
        more = ["--without", ",".join(without)] if without else []
        return ["--seed", str(self.seed), "--minutes", str(self.minutes), *more]

    def entries(self):
        """Of its plan, the faults and incidents first: they are few, and each explains more."""
        plan = subprocess.run([self.program, *self.command([]), "--plan"], capture_output=True, text=True, check=True).stdout
        found = dict.fromkeys(re.findall(r"^\s*([cfi]\d+)\b", plan, re.M))
        return sorted(found, key=lambda entry: ("ifc".index(entry[0]), int(entry[1:])))

    def breaks(self, without):
        """Which promise; None: all hold."""
        self.lived += 1
        try:
            done = subprocess.run([self.program, *self.command(without)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", timeout=WORLD_SECONDS)
        except subprocess.TimeoutExpired:
            return "it does not end"
        return words_of(done.stdout, self.seed) if done.returncode != 0 else None


def without_more(world, promise, left, out, size):
    """One pass over what is left, in pieces of that size; (left, out) afterwards. Two pieces are tried at a time, and the first that is not needed goes."""
    at = 0
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        while at < len(left):
            pieces = [left[start : start + size] for start in (at, at + size) if start < len(left)]
            needless = [said == promise for said in pool.map(lambda piece: world.breaks(out + piece), pieces)]
            gone = next((piece for piece, is_needless in zip(pieces, needless) if is_needless), None)
            if gone is None:
                at += size * len(pieces)
                continue
            at += size * (gone is not pieces[0])
            left, out = [e for e in left if e not in gone], out + gone
    return left, out


def shrink(world, promise):
    left, out = world.entries(), []
    size = max(1, len(left) // 2)
    while left:
        before = len(left)
        left, out = without_more(world, promise, left, out, size)
        print(f"    {len(left)} entries are left, tried by {size}", file=sys.stderr, flush=True)
        if size == 1 and len(left) == before:
            break
        size = max(1, min(size, len(left)) // 2)
    return left, out


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("seed", type=int)
    parser.add_argument("--minutes", type=int, default=1)
    parser.add_argument("--program", type=pathlib.Path)
    a = parser.parse_args()
    world = World(a.program or build.program("plain"), a.seed, a.minutes)
    promise = world.breaks([])
    if promise is None:
        sys.exit(f"Seed {a.seed} breaks nothing.")
    print(f"seed {a.seed}: {promise}")
    left, out = shrink(world, promise)
    print(f"{world.lived} worlds later, what it takes: {' '.join(left) or 'nothing of the plan'}")
    print("zig build simulate -- " + " ".join([*world.command(out), "--trace"]))


if __name__ == "__main__":
    main()
