"""What the benches ask of the machine: who belongs to a server, what it has used, and whose turn it is to measure."""

import contextlib
import fcntl
import os
import pathlib


def children_of(pids):
    """The processes and all that descend from them."""
    parents = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            with contextlib.suppress(OSError):
                parents[int(entry)] = int(pathlib.Path(f"/proc/{entry}/stat").read_text().rpartition(")")[2].split()[1])
    found, more = set(pids), set(pids)
    while more:
        more = {pid for pid, parent in parents.items() if parent in more} - found
        found |= more
    return found


def cpu_us(pids):
    """Processor time of the processes and their children, by the scheduler's own clock. What has ended meanwhile is not in it."""
    total = 0
    for pid in children_of(pids):
        with contextlib.suppress(OSError):
            for task in os.listdir(f"/proc/{pid}/task"):
                total += int(pathlib.Path(f"/proc/{pid}/task/{task}/schedstat").read_text().split()[0])
    return total / 1000


@contextlib.contextmanager
def turn(lock, alone=True):
    """alone, to measure: others wait meanwhile, and this one for them. Not alone: for work that only must not disturb who measures. No lock: nobody is asked."""
    if not lock:
        yield
        return
    with open(lock, "a") as file:
        fcntl.flock(file, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
        yield
