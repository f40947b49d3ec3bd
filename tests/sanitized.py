"""Builds of our C with clang and what zig does not bring: ASan (with libFuzzer's coverage), TSan, counters of what was run. Objects are kept in .zig-cache/
and made again when a source or a header of theirs is newer."""

import concurrent.futures
import os
import pathlib
import subprocess

from folders import ROOT, folders, warnings, with_all_used

CLANG = "clang-19"
KINDS = {
    "address": ["-fsanitize=address,undefined,fuzzer-no-link", "-fno-sanitize-recover=undefined"],
    "thread": ["-fsanitize=thread"],
    # Counters live in the file from the first moment (the relocation), so a killed process has counted, too; atomic, so that two shards do not lose each other's.
    "coverage": ["-fprofile-instr-generate", "-fcoverage-mapping", "-fprofile-update=atomic", "-mllvm", "-runtime-counter-relocation"],
}
ENVIRONMENT = {
    "ASAN_OPTIONS": "detect_leaks=1:abort_on_error=0:exitcode=66:detect_stack_use_after_return=1:symbolize=1",
    "UBSAN_OPTIONS": "print_stacktrace=1:halt_on_error=1:exitcode=66",
    "TSAN_OPTIONS": "halt_on_error=0:exitcode=66:second_deadlock_stack=1",
    "ASAN_SYMBOLIZER_PATH": "/usr/bin/llvm-symbolizer-19",
    "TSAN_SYMBOLIZER_PATH": "/usr/bin/llvm-symbolizer-19",
}


class BuildFailed(Exception):
    pass


def _flags(kind):
    return [*warnings(), *KINDS[kind], "-g", "-O1", "-iquote", str(ROOT / "src"), "-iquote", str(ROOT)]


def _is_fresh(output):
    try:
        made = output.stat().st_mtime
        needs = output.with_suffix(".d").read_text().replace("\\\n", " ").split(":", 1)[1].split()
        return all(os.stat(ROOT / need).st_mtime <= made for need in needs)
    except (FileNotFoundError, IndexError):
        return False


def _compile(source, kind):
    output = ROOT / ".zig-cache" / "sanitized" / kind / pathlib.Path(source).relative_to(ROOT).with_suffix(".o")
    if _is_fresh(output):
        return output
    output.parent.mkdir(parents=True, exist_ok=True)
    done = subprocess.run([CLANG, *_flags(kind), "-MMD", "-MF", output.with_suffix(".d"), "-c", source, "-o", output], capture_output=True, text=True, cwd=ROOT)
    if done.returncode != 0:
        raise BuildFailed(f"{pathlib.Path(source).relative_to(ROOT)} ({kind}):\n{done.stderr}")
    return output


def objects(sources, kind):
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        return list(pool.map(lambda source: _compile(source, kind), sources))


def archive(folder, kind):
    """A folder is one static library here, too: a test may put a played part in the place of one that it then does not link."""
    members = objects(folder.sources, kind)
    output = ROOT / ".zig-cache" / "sanitized" / kind / f"lib{folder.name}.a"
    if not output.exists() or any(m.stat().st_mtime > output.stat().st_mtime for m in members):
        output.unlink(missing_ok=True)
        subprocess.run(["ar", "rcs", output, *members], check=True)
    return output


def folders_of(source):
    """The folders that a program's includes name, with all that those use. A unit test is linked with the folder that it tests, as build.zig does."""
    source = pathlib.Path(source)
    if source.is_relative_to(ROOT / "tests" / "unit"):
        return with_all_used([source.parent.name])
    named = {line.split('"')[1].split("/")[0] for line in source.read_text().splitlines() if line.startswith('#include "')}
    return with_all_used(named & folders().keys())


def _link(output, inputs, used, kind, extra_flags=(), extra_libraries=()):
    inputs = [*inputs, *(archive(folder, kind) for folder in used)]
    libraries = [f"-l{name}" for name in [*(name for folder in used for name in folder.system), *extra_libraries, "pthread", "m"]]
    if not output.exists() or any(i.stat().st_mtime > output.stat().st_mtime for i in inputs):
        done = subprocess.run([CLANG, *KINDS[kind], *extra_flags, *inputs, "-o", output, *libraries], capture_output=True, text=True, cwd=ROOT)
        if done.returncode != 0:
            raise BuildFailed(f"{output.name} does not link ({kind}):\n{done.stderr[-4000:]}")
    return output


def program(source, kind, extra_flags=(), extra_libraries=(), beside=()):
    """Builds one program from one file, others beside it, and the folders that the first one needs; its path."""
    inputs = objects([source, *beside], kind)
    return _link(inputs[0].with_suffix(""), inputs, folders_of(source), kind, extra_flags, extra_libraries)


DAEMONS = {"ringmaster": ("src/*.c", "ops"), "ringsim": ("src/sim/main/ringsim.c", "sim"), "ringload": ("bench/ringload/*.c", "sim")}


def daemon(name, kind, directory):
    """Builds ringmaster, ringsim or ringload into that directory; its path."""
    sources, folder = DAEMONS[name]
    return _link(directory / name, objects(sorted(ROOT.glob(sources)), kind), with_all_used([folder]), kind)
