"""Builds the simulator with clang: build.py [VARIANT] prints the program's path, build.py --run ARGUMENT... runs it (zig build simulate -- ARGUMENT...). Seconds, not
minutes: objects are kept in .zig-cache/simulation/VARIANT and made again when a source, a header of theirs or their flags have changed.

    plain      -O2, UBSan as traps: what most worlds run on
    address    AddressSanitizer and UBSan
    coverage   clang's counters, for tests/coverage.py

The engine's sources are compiled with allocation.h before them, which takes the C library's allocator out of their hands, and are linked as one archive per folder
behind the simulator's own objects: what the simulator defines in a file's place is never looked for in the archive. An overlay is a folder with src/… or
tests/simulation/… in it: what stands there is compiled anew, with all that includes it, and linked in the place of ours."""

import concurrent.futures
import contextlib
import fcntl
import hashlib
import os
import pathlib
import shutil
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from folders import ROOT, folders, warnings  # noqa: E402
from sanitized import CLANG, KINDS, BuildFailed  # noqa: E402

CACHE = ROOT / ".zig-cache" / "simulation"
SIMULATOR = pathlib.PurePath("tests/simulation")
ALLOCATION = SIMULATOR / "allocation.h"
NOT_LINKED = {"uring", "pq"}  # what the simulator stands in for
VARIANTS = {
    "plain": ["-O2", "-fsanitize=undefined", "-fsanitize-trap=undefined"],
    "address": ["-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=undefined"],
    "coverage": ["-O1", *KINDS["coverage"]],
}


def engine_sources():
    """Of the engine and of ringsim, without what has a main(); paths from the root."""
    found = [*(ROOT / "src").glob("*.c"), *(ROOT / "src").glob("*/*.c")]
    return sorted(path.relative_to(ROOT) for path in found if path != ROOT / "src" / "main.c")


def simulator_sources():
    return sorted(path.relative_to(ROOT) for path in (ROOT / SIMULATOR).rglob("*.c") if not path.name.endswith("_test.c"))


def test_sources():
    """Of what is linked with the simulator's own parts: those of the database have the runner's ways."""
    return sorted(path.relative_to(ROOT) for path in (ROOT / SIMULATOR).glob("*_test.c"))


def is_engine(source):
    return source.parts[0] == "src"


class Build:
    """One variant, as it is or with an overlay."""

    def __init__(self, variant, overlay=None):
        self.variant, self.overlay = variant, overlay
        self.directory = CACHE / variant if not overlay else overlay / "objects" / variant
        self.replaced = {path.relative_to(overlay) for top in ("src", "tests") for path in (overlay / top).rglob("*.[ch]")} if overlay else set()

    # -- one object

    def path_of(self, source):
        return (self.overlay if source in self.replaced else ROOT) / source

    def flags(self, source):
        tops = [self.overlay, ROOT] if self.overlay else [ROOT]
        found = [*warnings(), *VARIANTS[self.variant], "-g", *(flag for top in tops for flag in ("-iquote", str(top / "src"), "-iquote", str(top)))]
        if self.overlay:  # a file that moved into the overlay finds what stood beside it
            found += ["-iquote", str(ROOT / source.parent)]
        return found + ["-include", str(self.path_of(ALLOCATION))] if is_engine(source) else found

    def is_fresh(self, source, output):
        """Made with these flags, and after everything that went into it."""
        try:
            made = output.stat().st_mtime
            lines = output.with_suffix(".d").read_text().replace("\\\n", " ").split(":", 1)[1].split()
            return output.with_suffix(".flags").read_text() == self.stamp(source) and all(os.stat(ROOT / need).st_mtime < made for need in lines)
        except (FileNotFoundError, IndexError):
            return False

    def stamp(self, source):
        return hashlib.sha256(" ".join(self.flags(source)).encode()).hexdigest()

    def compile(self, source):
        output = (self.directory / source).with_suffix(".o")
        if self.is_fresh(source, output):
            return output
        output.parent.mkdir(parents=True, exist_ok=True)
        done = subprocess.run([CLANG, *self.flags(source), "-MMD", "-MF", output.with_suffix(".d"), "-c", self.path_of(source), "-o", output], capture_output=True, text=True, cwd=ROOT)
        if done.returncode != 0:
            raise BuildFailed(f"{source} ({self.variant}):\n{done.stderr[-6000:]}")
        output.with_suffix(".flags").write_text(self.stamp(source))
        return output

    def compile_all(self, sources):
        with concurrent.futures.ThreadPoolExecutor(min(2, os.cpu_count())) as pool:
            return list(pool.map(self.compile, sources))

    # -- the program

    def archive(self, folder, objects):
        output = self.directory / f"lib{folder}.a"
        wanted = "\n".join(str(o) for o in objects)
        listed = output.with_suffix(".members")
        if not output.exists() or not listed.exists() or listed.read_text() != wanted or any(o.stat().st_mtime >= output.stat().st_mtime for o in objects):
            output.unlink(missing_ok=True)
            subprocess.run(["ar", "rcs", output, *objects], check=True)
            listed.write_text(wanted)
        return output

    def archives(self):
        """Top folder first, as a linker wants them."""
        by_folder = {}
        for source, built in zip(engine_sources(), self.compile_all(engine_sources())):
            by_folder.setdefault(source.parts[1] if len(source.parts) > 2 else "engine", []).append(built)
        order = ["engine", *reversed(folders())]
        return [self.archive(name, by_folder[name]) for name in order if name in by_folder]

    def link(self, inputs, archives, name="simulate", more_libraries=()):
        output = self.directory / name
        certify(self.directory)
        (self.directory / "commit").write_text(commit())  # also of a program that is as it was: a commit since then may have changed nothing of it
        if output.exists() and all(i.stat().st_mtime < output.stat().st_mtime for i in [*inputs, *archives]):
            return output
        libraries = dict.fromkeys(name for folder in folders().values() for name in folder.system if name not in NOT_LINKED)
        fresh = output.with_suffix(f".{os.getpid()}")  # a program that runs keeps its file
        done = subprocess.run([CLANG, *VARIANTS[self.variant], *inputs, *archives, "-o", fresh,
                               *(f"-l{library}" for library in [*libraries, *more_libraries]), "-lpthread", "-lm"], capture_output=True, text=True, cwd=ROOT)
        if done.returncode != 0:
            raise BuildFailed(f"the simulator does not link ({self.variant}):\n{done.stderr[-6000:]}")
        fresh.replace(output)
        return output

    def test_program(self, source):
        """The simulator is an archive behind the test: what the test plays itself is not looked for there."""
        parts = self.archive("simulator", self.compile_all([s for s in simulator_sources() if s.name != "main.c"]))
        return self.link([self.compile(source)], [parts, *self.archives()], source.stem, ["cmocka"])

    def needs(self, source):
        """What the base's object of this source was made from."""
        try:
            words = (CACHE / self.variant / source).with_suffix(".d").read_text().replace("\\\n", " ").split(":", 1)[1].split()
            return {pathlib.PurePath(os.path.normpath(ROOT / word)) for word in words}
        except FileNotFoundError:
            return set()

    def is_touched(self, source):
        return source in self.replaced or any(ROOT / changed in self.needs(source) for changed in self.replaced)

    def program(self):
        if not self.overlay:
            return self.link(self.compile_all(simulator_sources()), self.archives())
        base = Build(self.variant)
        base.program()
        simulators, engines = simulator_sources(), [s for s in engine_sources() if self.is_touched(s)]
        own = self.compile_all([s for s in simulators if self.is_touched(s)] + engines)
        kept = base.compile_all([s for s in simulators if not self.is_touched(s)])
        return self.link([*own, *kept], base.archives())


def commit():
    """What a failure names. A machine need not have git to live worlds."""
    try:
        return subprocess.run(["git", "describe", "--always", "--dirty"], capture_output=True, text=True, cwd=ROOT, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def certify(directory):
    """For the worlds with TLS: who Cal.com is, and who the engine is. One for all variants, in lengths that do not vary, so that a world is the same with each."""
    common = CACHE / "tls"
    if not (common / "certificate.pem").exists():
        common.mkdir(parents=True, exist_ok=True)
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "36500", "-set_serial", "1", "-subj", "/CN=calcom.simulated", "-addext",
                        "subjectAltName=DNS:calcom.simulated,DNS:engine.simulated,IP:127.0.0.1", "-keyout", common / "key.pem", "-out", common / "certificate.part"],
                       check=True, capture_output=True)
        (common / "certificate.part").replace(common / "certificate.pem")
    for name in ("key.pem", "certificate.pem"):
        if not (directory / name).exists():
            shutil.copy(common / name, directory / name)


@contextlib.contextmanager
def one_at_a_time(directory):
    directory.mkdir(parents=True, exist_ok=True)
    with open(directory / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def program(variant="plain", overlay=None):
    """The simulator of that variant; its path. BuildFailed says what the compiler said."""
    with one_at_a_time(CACHE / variant):
        return Build(variant, overlay).program()


def test_program(source, variant="plain"):
    with one_at_a_time(CACHE / variant):
        return Build(variant).test_program(source)


if __name__ == "__main__":
    try:
        if sys.argv[1:2] == ["--run"]:
            simulator = program()
            os.execv(simulator, [simulator, *sys.argv[2:]])
        print(program(*sys.argv[1:2]))
    except BuildFailed as failure:
        sys.exit(str(failure))
