"""The folders of src/: what each may use and which libraries it brings. There is one table, in build.zig; this reads it."""

import pathlib
import re

ROOT = pathlib.Path(__file__).resolve().parent.parent


class Folder:
    def __init__(self, name, uses, system):
        self.name, self.uses, self.system = name, uses, system

    @property
    def sources(self):
        return sorted((ROOT / "src" / self.name).glob("*.c"))


def _names(text):
    return re.findall(r'"([^"]+)"', text or "")


def folders():
    """name → Folder, in link order from the bottom."""
    table = re.search(r"const folders = \[_\]Folder\{(.*?)\n\};", (ROOT / "build.zig").read_text(), re.S)
    found = {}
    for row in re.finditer(r'\.name = "(\w+)"(?:, \.uses = &\.\{([^}]*)\})?(?:, \.system = &\.\{([^}]*)\})?', table[1]):
        found[row[1]] = Folder(row[1], _names(row[2]), _names(row[3]))
    return found


def warnings():
    table = re.search(r"const warnings = \[_\]\[\]const u8\{(.*?)\};", (ROOT / "build.zig").read_text(), re.S)
    return _names(table[1])


def with_all_used(names):
    """Those folders and all that they use, top first, as a linker wants them."""
    table = folders()
    wanted = {used for name in names for used in [name, *table[name].uses]}
    return [table[name] for name in reversed(table) if name in wanted]
