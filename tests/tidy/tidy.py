"""What a reviewer should not have to look for. Each check returns its complaints; one check is one test. Prints the complaints and "N passed, N failed".

What may include what is build.zig's table of folders; the exceptions that are meant stand in the tables here, each with its reason."""

import concurrent.futures
import os
import pathlib
import re
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from folders import ROOT, folders, warnings  # noqa: E402

SRC = ROOT / "src"
LINE_MAX, FUNCTION_MAX = 200, 70
LONGER = ROOT / "tests" / "tidy" / "longer_functions.txt"

# Whose secret a library is: header pattern → the files that may know it.
KEEPERS = {
    r"liburing\.h": r"io/",
    r"(postgresql/)?libpq-fe\.h": r"db/",
    r"(mbedtls|psa)/.*": r"net/tls",
    r"openssl/.*": r"base/hmac\.c",
    r"llhttp\.h": r"net/http_",
    r"yyjson\.h": r"base/json\.c",
    r"unicode/.*": r"base/(instant|text)\.c",
}

# What may be called from src/ although it is banned: (file, name) → why.
BANNED = "strcpy strcat sprintf vsprintf gets atoi atol atof strtok rand srand random system popen sleep usleep alloca".split()
ALLOWED = {
    ("io/io_refusal.c", "atoi"): "reads a sysctl file of the kernel's, at start; anything else than a number is 0, as meant",
    ("main.c", "usleep"): "the last breath before _exit(), on a thread that serves nobody: the log's writer is to see the last line",
    ("journal/recovery.c", "strcpy"): "the length was checked in the condition above it",
}

# Kernel and network calls that belong behind the seam.
SEAM = {r"\b(io_uring_\w+)\(": r"io/", r"\b(PQ\w+)\(": r"db/"}


def files(*suffixes, under=SRC):
    return sorted(path for path in under.rglob("*") if path.suffix in suffixes)


def inside(path):
    return path.relative_to(SRC).as_posix()


def without_comments_and_texts(text):
    """Same lines, same columns; what is in comments, strings and characters is blank."""
    token = re.compile(r"//[^\n]*|/\*.*?\*/|\"(?:\\.|[^\"\\\n])*\"|(?<![0-9a-fA-FxX])'(?:\\.|[^'\\\n])+'", re.S)

    def blank(match):
        text = match[0]
        if text[0] in "\"'":
            return text[0] + " " * (len(text) - 2) + text[0]
        return re.sub(r"[^\n]", " ", text)

    return token.sub(blank, text)


class Function:
    def __init__(self, path, name, first, body):
        self.path, self.name, self.first, self.body = path, name, first, body  # first: line number of the signature; body: lines after "{"
        self.lines = 0

    @property
    def where(self):
        return f"{self.path.relative_to(ROOT)}:{self.first}"


def functions(path):
    """Every function whose brace stands alone in column 0, as ours do."""
    lines = without_comments_and_texts(path.read_text()).split("\n")
    start = None
    for number, line in enumerate(lines):
        if line == "{" and number:
            first = number - 1
            while first > 0 and re.match(r"\s", lines[first]) and lines[first].strip():
                first -= 1
            name = re.search(r"(\w+)\s*\(", re.sub(r"\[\[.*?\]\]", "", lines[first]))
            start = (first, name[1] if name else "?", number)
        elif line == "}" and start:
            function = Function(path, start[1], start[0] + 1, lines[start[2] + 1 : number])
            function.lines = number - start[0] + 1
            start = None
            yield function


# -- the checks ----------------------------------------------------------------------------------------------------------------------------------


def a_file_includes_only_its_own_layer_and_those_below():
    table = folders()
    for path in files(".c", ".h"):
        name = inside(path)
        folder = name.split("/")[0] if "/" in name else None
        for include in re.findall(r'^#include "([^"]+)"', path.read_text(), re.M):
            target = include.split("/")[0] if "/" in include else None
            if not (SRC / include).exists():
                yield f"{name}: includes {include}, which src/ does not have (includes are written from src/)"
            elif folder is None or target == folder or include == "limits.h":
                continue
            elif folder not in table:
                yield f"{name}: its folder is not in build.zig's table"
            elif target is None and folder != "ops":
                yield f"{name}: includes {include}; only main and ops know the whole"
            elif target is not None and target not in table[folder].uses:
                yield f"{name}: includes {include}, but {folder} may use only: {', '.join(table[folder].uses) or 'nothing'}"


def only_its_keeper_knows_a_library():
    for path in files(".c", ".h"):
        name = inside(path)
        for include in re.findall(r"^#include <([^>]+)>", path.read_text(), re.M):
            for header, keeper in KEEPERS.items():
                if re.fullmatch(header, include) and not re.match(keeper, name):
                    yield f"{name}: includes <{include}>, which belongs to {keeper}"


def nothing_goes_around_the_seams():
    for path in files(".c", ".h"):
        text = without_comments_and_texts(path.read_text())
        for call, keeper in SEAM.items():
            if not re.match(keeper, inside(path)):
                for name in set(re.findall(call, text)):
                    yield f"{inside(path)}: calls {name}, which belongs to {keeper}"


def every_header_compiles_alone():
    def compile_header(path):
        done = subprocess.run(["clang-19", *warnings(), "-Wno-unused-const-variable", "-Wno-unused-function", "-iquote", SRC, "-x", "c", "-fsyntax-only", "-include", path, "/dev/null"],
                              capture_output=True, text=True)
        return f"{inside(path)}: {done.stderr.splitlines()[0]}" if done.returncode else None

    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        yield from filter(None, pool.map(compile_header, files(".h")))


def functions_stay_short():
    """None over the limit but those written down, and those may only shrink: what got shorter is to be written down shorter."""
    allowed = dict(line.rsplit(" ", 1) for line in LONGER.read_text().splitlines() if line and not line.startswith("#"))
    seen = set()
    for path in files(".c", ".h"):
        for function in functions(path):
            key = f"{inside(path)} {function.name}"
            bound = int(allowed.get(key, FUNCTION_MAX))
            if function.lines > bound:
                yield f"{function.where}: {function.name} has {function.lines} lines, more than {bound}"
            if key in allowed:
                seen.add(key)
                if function.lines < bound:
                    yield f"{LONGER.name}: {key} has shrunk to {function.lines} lines: write that down" + (", or strike it" if function.lines <= FUNCTION_MAX else "")
    for key in allowed.keys() - seen:
        yield f"{LONGER.name}: {key} is no more: strike it"


def nothing_banned_is_called():
    word = re.compile(r"(?<![\w.>])(" + "|".join(BANNED) + r")\s*\(")
    for path in files(".c", ".h"):
        for number, line in enumerate(without_comments_and_texts(path.read_text()).split("\n"), 1):
            for name in word.findall(line):
                if (inside(path), name) not in ALLOWED:
                    yield f"{path.relative_to(ROOT)}:{number}: calls {name}"


def no_local_lives_across_an_await():
    """In a function that waits, nothing is declared at its own level: what must survive is in the flow's struct, the rest in a block."""
    declaration = re.compile(r"    (?!return\b|goto\b|else\b|case\b|break\b|continue\b|do\b|AWAIT|FLOW_)(?:\w+\s+)+\**\w+\s*(?:=[^=]|;|\[|,)")
    for path in files(".c"):
        for function in functions(path):
            first = next((n for n, line in enumerate(function.body) if re.search(r"\bAWAIT\s*\(", line)), None)
            if first is None:
                continue
            for number, line in enumerate(function.body, function.first + 2):
                if declaration.match(line):
                    yield f"{path.relative_to(ROOT)}:{number}: {function.name} waits, and declares a local: {line.strip()}"


def no_await_stands_in_a_nested_switch():
    for path in files(".c"):
        for function in functions(path):
            depth, switches = 0, []
            for number, line in enumerate(function.body, function.first + 2):
                if re.search(r"\bswitch\s*\(", line):
                    switches.append(depth)
                if switches and re.search(r"\bAWAIT\s*\(", line):
                    yield f"{path.relative_to(ROOT)}:{number}: AWAIT in a switch of its own"
                depth += line.count("{") - line.count("}")
                while switches and depth <= switches[-1] and "}" in line:
                    switches.pop()


def every_source_is_built():
    table, build = folders(), (ROOT / "build.zig").read_text()
    for path in files(".c"):
        name = inside(path)
        in_a_folder = name.count("/") == 1 and name.split("/")[0] in table
        if not in_a_folder and f'"src/{name}"' not in build and not re.search(r'sourcesIn\(b, "src"\)' if "/" not in name else "(?!)", build):
            yield f"src/{name} is in no folder of build.zig's table and no program of it"
    for path in files(".h"):
        name = inside(path)
        users = [p for p in [*files(".c", ".h"), *files(".c", ".h", under=ROOT / "tests"), *files(".c", ".h", under=ROOT / "bench")] if p != path and f'"{name}"' in p.read_text()]
        if not users:
            yield f"src/{name} is included by nobody"


def text_is_plain():
    """No tabs, no trailing space, no line over the limit, nothing left to do."""
    sources = [*files(".c", ".h"), *files(".c", ".h", ".py", ".sh", ".pml", under=ROOT / "tests"), *files(".c", ".h", under=ROOT / "bench"),
               *files(".py", ".sh", ".sql", under=ROOT / "deploy"), ROOT / "run", ROOT / "test", ROOT / "build.zig"]
    for path in sources:
        for number, line in enumerate(path.read_text(errors="replace").split("\n"), 1):
            where = f"{path.relative_to(ROOT)}:{number}"
            if "\t" in line and path.suffix != ".sh":
                yield f"{where}: a tab"
            if line != line.rstrip():
                yield f"{where}: trailing space"
            if len(line) > LINE_MAX:
                yield f"{where}: {len(line)} characters, more than {LINE_MAX}"
            if re.search(r"\b(TO" + r"DO|FIX" + r"ME|X" + r"XX)\b", line):
                yield f"{where}: something is left to do"


def the_manual_has_the_tables_of_the_binary():
    """docs/OPERATING.md: every setting and every metric. docs/SIMULATED_CALCOM.md: every fault."""
    done = subprocess.run([ROOT / "docs" / "regenerate.sh", "--check"], capture_output=True, text=True)
    return (done.stdout + done.stderr).strip().splitlines() if done.returncode else []


CHECKS = [
    a_file_includes_only_its_own_layer_and_those_below, only_its_keeper_knows_a_library, nothing_goes_around_the_seams, every_header_compiles_alone,
    functions_stay_short, nothing_banned_is_called, no_local_lives_across_an_await, no_await_stands_in_a_nested_switch, every_source_is_built, text_is_plain,
    the_manual_has_the_tables_of_the_binary,
]


def main():
    failed = 0
    for check in CHECKS:
        complaints = list(check())
        failed += bool(complaints)
        print(f"{'FAILED' if complaints else 'ok    '}  {check.__name__.replace('_', ' ')}")
        for complaint in complaints[:40]:
            print(f"        {complaint}")
        if len(complaints) > 40:
            print(f"        … and {len(complaints) - 40} more")
    print(f"{len(CHECKS) - failed} passed, {failed} failed")
    return failed > 0


if __name__ == "__main__":
    sys.exit(main())
