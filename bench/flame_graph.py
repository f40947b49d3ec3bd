#!/usr/bin/env python3
"""Draws where the time went: `perf script` in, a flame graph as SVG out.

    perf record --call-graph dwarf -p PID -- sleep 2
    perf script --no-inline -F comm,ip,sym,dso | bench/flame_graph.py --title "what ran" > graph.svg
    perf script --no-inline -F comm,ip,sym,dso | bench/flame_graph.py --functions 40

Each box is a function, as wide as its share of the samples; what it called stands on it. Hovering over a box shows the name and the share. Colours say whose code it is:
ours, a library's, the kernel's. Boxes narrower than a fifth of a percent are left out, so a picture stays small and says nothing about one sample. No addresses, no paths."""

import argparse
import collections
import html
import pathlib
import re
import sys

WIDTH, ROW, MARGIN, NARROWEST = 1200, 16, 8, 0.002
COLOURS = {"ours": "#f2a65a", "library": "#8fc1a9", "kernel": "#9db4d6", "thread": "#d9d9d9"}
BENEATH = {"clone3", "start_thread", "entry_SYSCALL_64_after_hwframe", "do_syscall_64"}  # the same beneath everything: they say nothing
FRAME = re.compile(r"^\s+(?:[0-9a-f]+\s+)?(.+?)(?:\+0x[0-9a-f]+)?\s+\((.*)\)$")


def owner_of(object_name):
    if object_name.startswith("[") and "vdso" not in object_name:
        return "kernel"
    return "library" if ".so" in object_name or "vdso" in object_name else "ours"


def frame_of(line):
    """(function, whose), or None for what is no frame."""
    found = FRAME.match(line)
    if not found:
        return None
    function, object_name = found.groups()
    if function == "[unknown]":
        function = pathlib.PurePath(object_name).name.partition(".so")[0]
    return function.removeprefix("compiler_rt.").partition(".")[0], owner_of(object_name)


def stacks_in(lines):
    """{(thread, frame, …): samples}, outermost first."""
    counted, thread, frames = collections.Counter(), None, []
    for line in [*lines, ""]:
        line = line.rstrip("\n")
        if not line.strip():
            if thread:
                called = [f for f in reversed(frames) if f[0] not in BENEATH]
                counted[((thread, "thread"), *called)] += 1
            thread, frames = None, []
        elif not line[0].isspace():
            thread = re.sub(r"-\d+$", "", line.split()[0])
        elif frame := frame_of(line):
            if not frames or frames[-1] != frame:  # recursion, and the pieces that a library without names is made of
                frames.append(frame)
    return counted


class Box:
    def __init__(self):
        self.samples, self.children = 0, {}


def tree_of(stacks):
    root = Box()
    for stack, samples in stacks.items():
        box = root
        box.samples += samples
        for frame in stack:
            box = box.children.setdefault(frame, Box())
            box.samples += samples
    return root


def depth_of(box, whole):
    wide = [child for child in box.children.values() if child.samples >= whole * NARROWEST]
    return 1 + max((depth_of(child, whole) for child in wide), default=0)


def draw(box, whole, x, row, rows, out):
    for frame in sorted(box.children):
        child = box.children[frame]
        if child.samples >= whole * NARROWEST:
            draw_box(frame, child.samples / whole, x, (rows - row) * ROW, out)
            draw(child, whole, x, row + 1, rows, out)
        x += (WIDTH - 2 * MARGIN) * child.samples / whole


def draw_box(frame, share, x, y, out):
    width = share * (WIDTH - 2 * MARGIN)
    name, whose = html.escape(frame[0]), frame[1]
    room = int(width / 6.2) - 1
    text = f'<text x="{x + 3:.1f}" y="{y + 11.5:.0f}">{html.escape(frame[0][:room])}</text>' if room >= 3 else ""
    out.append(f'<g><title>{name}: {share:.1%}</title><rect x="{x:.1f}" y="{y}" width="{max(width - 0.4, 0.3):.1f}" height="{ROW - 1}" class="{whose}"/>{text}</g>')


def picture(stacks, title):
    root = tree_of(stacks)
    rows = depth_of(root, root.samples)
    height = rows * ROW + 44
    style = "".join(f".{whose}{{fill:{colour}}}" for whose, colour in COLOURS.items())
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" font-family="monospace" font-size="10">',
           f'<style>{style}</style><rect width="100%" height="100%" fill="#fff"/>',
           f'<text x="{MARGIN}" y="14" font-size="12">{html.escape(title)}: {root.samples} samples. Orange: ours; green: libraries; blue: the kernel.</text>']
    boxes = []
    draw(root, root.samples, MARGIN, 0, rows, boxes)
    return "\n".join([*out, f'<g transform="translate(0 8)">{"".join(boxes)}</g>', "</svg>"]) + "\n"


def functions(stacks, count):
    """The share of each function, with what it called and alone."""
    whole, with_called, alone = sum(stacks.values()), collections.Counter(), collections.Counter()
    for stack, samples in stacks.items():
        for frame in set(stack):
            with_called[frame] += samples
        alone[stack[-1]] += samples
    lines = [f"{'function':44}{'whose':10}{'in all':>8}{'alone':>8}"]
    lines += [f"{name[:43]:44}{whose:10}{n / whole:8.1%}{alone[(name, whose)] / whole:8.1%}" for (name, whose), n in with_called.most_common(count)]
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--title", default="CPU time")
    parser.add_argument("--functions", type=int, metavar="COUNT", help="a table of the widest functions in place of the picture")
    options = parser.parse_args()
    stacks = stacks_in(sys.stdin)
    if not stacks:
        sys.exit("flame_graph: no samples in what was read. It reads what `perf script` prints.")
    print(functions(stacks, options.functions) if options.functions else picture(stacks, options.title), end="\n" if options.functions else "")


if __name__ == "__main__":
    main()
