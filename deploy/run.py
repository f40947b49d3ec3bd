"""The part of ./run that is not set-up: one world, one call, and the story as it happens. ./run says what the modes are."""

import argparse
import contextlib
import fcntl
import json
import os
import pathlib
import shlex
import signal
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from world import Trouble, World, is_alive, parse_instant, private_file, started_at, stop_process, wait_until  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parent.parent
HOME = pathlib.Path(os.environ.get("RINGMASTER_RUN_DIRECTORY", ROOT / ".run"))
# As world.py stops them, for what a run that is gone has left: PostgreSQL takes SIGINT as "now, but clean".
STOP_SIGNALS = {"PostgreSQL": ((signal.SIGINT, 20), (signal.SIGQUIT, 10), (signal.SIGKILL, 5))}
STOP_SIGNALS_OTHERS = ((signal.SIGTERM, 40), (signal.SIGKILL, 5))


def say(text=""):
    print(text, flush=True)


# -- what is up ----------------------------------------------------------------------------------------------------------------------------------


class Ledger:
    """.run/processes: pid and start time of the run itself and of all it started, so that --stop and the next run stop those and no others."""

    path = HOME / "processes"

    def __init__(self):
        self.processes = []

    def add(self, child):
        self.processes.append({"name": child.name, "pid": child.pid, "start": child.start})
        self.write()

    def write(self):
        private_file(self.path, json.dumps({"run": {"pid": os.getpid(), "start": started_at(os.getpid())}, "processes": self.processes}, indent=1))

    @classmethod
    def read(cls):
        """(the run, its processes), those alive; the run is None when it has gone and left them."""
        try:
            written = json.loads(cls.path.read_text())
        except (FileNotFoundError, ValueError):
            return None, []
        alive = [p for p in written["processes"] if is_alive(p["pid"], p["start"])]
        run = written["run"]
        return (run if is_alive(run["pid"], run["start"]) else None), alive


def stop_left_overs(processes):
    """Engine, simulator, PostgreSQL: the reverse of how they started."""
    for process in reversed(processes):
        if not stop_process(process["pid"], process["start"], STOP_SIGNALS.get(process["name"], STOP_SIGNALS_OTHERS)):
            raise Trouble(f"{process['name']} (pid {process['pid']}) does not end.")


def forget():
    for name in ("processes", "world.env"):
        (HOME / name).unlink(missing_ok=True)


def stop():
    run, processes = Ledger.read()
    if run:
        os.kill(run["pid"], signal.SIGTERM)
        if not wait_until(lambda: not is_alive(run["pid"], run["start"]), 90):
            raise Trouble(f"The run (pid {run['pid']}) does not end.")
        run, processes = Ledger.read()
    elif not processes:
        say("Nothing is up.")
    stop_left_overs(processes)
    forget()
    return 0


def claim():
    """The one run of this checkout. The lock is held until the process ends, or, detached, is given up with the world still up."""
    try:
        HOME.mkdir(exist_ok=True)
        lock = open(HOME / "lock", "w")
    except PermissionError:
        raise Trouble(f"{HOME} belongs to another user, probably because ./run was started as root once: sudo rm -rf {HOME}") from None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise Trouble("A world is up in this checkout already: end it with Ctrl-C where it runs, or with ./run --stop.") from None
    _, processes = Ledger.read()
    detached = (HOME / "world.env").exists()
    if processes and detached:
        raise Trouble("A world is up in this checkout already (left by ./run --detach): end it with ./run --stop.")
    if processes:
        say("A run before this one ended without stopping what it had started; stopping it now.")
        stop_left_overs(processes)
    forget()
    return lock


# -- the call ------------------------------------------------------------------------------------------------------------------------------------


def play_call(world):
    """Rings once; prints each webhook as it is answered. The call's id."""
    company, branch = world.example()
    service = (company.get("services") or [{}])[0].get("name")
    arguments = [world.program("ringsim"), "call", "--json", "--url", f"{world.engine.url}/w/{world.workspace['token']}/retell/webhook",
                 "--key", world.workspace["retell_api_keys"][0], "--agent", world.variables()["RETELL_AGENT_ID"], "--from", "+491713920002",
                 "--to", branch["phone_numbers"][0], "--name", "Erika Beispiel", "--next-free", "--control", world.simulator.control_url, "--world", world.world_file]
    if service:
        arguments += ["--service", service]
    if world.clock.is_set:
        arguments += ["--at", world.clock.text()]
    say(f"\nErika Beispiel calls {branch.get('name', branch['key'])} ({branch['phone_numbers'][0]})" + (f" and wants: {service}" if service else ""))
    call = subprocess.Popen([str(a) for a in arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd="/", start_new_session=True)
    call_id = None
    with call:
        for line in call.stdout:
            told = json.loads(line)
            call_id = told.get("call_id", call_id)
            if "event" in told:
                say(f"  webhook      {told['event']:<14} {told['status']}   {told['ms']:.1f} ms")
        errors = call.stderr.read().strip()
    if call.returncode != 0 or call_id is None:
        raise Trouble(f"The call could not be played. {errors}".strip())
    return call_id


INTENT_OF = "SELECT i.state, i.reason, i.last_error FROM booking_intents i JOIN calls c ON c.company_id = i.company_id AND c.id = i.call WHERE c.call_id = '{}'"
APPOINTMENT_OF = """
    SELECT k.key AS company, b.name AS branch, e.name AS service, s.name AS staff, a.attendee_name AS attendee, a.status,
           to_char(a.starts_at AT TIME ZONE b.time_zone, 'YYYY-MM-DD HH24:MI') AS starts, to_char(a.ends_at AT TIME ZONE b.time_zone, 'HH24:MI') AS ends,
           extract(epoch FROM a.starts_at)::bigint AS starts_at, a.calcom_booking_uid AS uid
    FROM appointments a JOIN calls c ON c.company_id = a.company_id AND c.id = a.call JOIN companies k ON k.id = a.company_id
         JOIN branches b ON b.company_id = a.company_id AND b.id = a.branch_id
         LEFT JOIN event_types e ON e.company_id = a.company_id AND e.id = a.service_id LEFT JOIN staff s ON s.company_id = a.company_id AND s.id = a.staff_id
    WHERE c.call_id = '{}'"""


def show_booking(world, call_id):
    """True if the booking is real on both sides: the row in PostgreSQL, and at Cal.com an accepted booking of that uid and start."""
    assert "'" not in call_id
    begin = time.monotonic()
    rows = wait_until(lambda: world.postgres.query(APPOINTMENT_OF.format(call_id)), 60, every=0.1)
    if not rows:
        intents = world.postgres.query(INTENT_OF.format(call_id))
        say(f"  appointment  none. {'Its intent: ' + json.dumps(intents[0], ensure_ascii=False) if intents else 'No booking was even intended.'}")
        return False
    row = rows[0]
    say(f"  appointment  {row['service'] or '-'} with {row['staff'] or '-'}, {row['starts']}-{row['ends']}, for {row['attendee']}: {row['status']}"
        f"   (row in PostgreSQL, {time.monotonic() - begin:.1f} s after the call)")
    booking = next((b for b in world.simulator.bookings() if b["uid"] == row["uid"]), None)
    if booking is None:
        say(f"  Cal.com      knows no booking {row['uid']}")
        return False
    say(f"  Cal.com      booking {booking['uid']}, {booking['start']}, {booking['status']}   (read back from the simulator)")
    return len(rows) == 1 and row["status"] == booking["status"] == "accepted" and starts_at(booking) == row["starts_at"]


def starts_at(booking):
    return int(parse_instant(booking["start"]).timestamp())


def say_where(world):
    say(f"\n  {world.engine.url}/metrics\n  {world.engine.url}/livez\n  {world.engine.url}/readyz\n"
        f"  {world.simulator.control_url}/control/bookings   (what Cal.com holds)\n  logs: {HOME}/ringmaster.log, {HOME}/ringsim.log, {world.postgres.log}")


# -- the modes -----------------------------------------------------------------------------------------------------------------------------------


class Ended(BaseException):
    """SIGTERM, SIGHUP or Ctrl-C."""


def end(*_):
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN) # once is enough: what follows is the stopping
    raise Ended


def watch(world):
    """Until somebody ends it, or one of the three ends by itself."""
    say("\nCtrl-C ends it all.")
    while True:
        for child in (world.engine.child, world.simulator.child, world.postgres.child):
            if not child.is_running():
                raise Trouble(f"{child.name} has ended by itself. Its last words:\n{child.last_words()}")
        time.sleep(0.5)


def detach(world):
    private_file(HOME / "world.env", "".join(f"{name}={shlex.quote(value)}\n" for name, value in world.variables().items()))
    say_where(world)
    say(f"\nThe world stays up. How to reach it: {HOME}/world.env. ./run --stop ends it.")


def show(world, mode):
    try:
        good = show_booking(world, play_call(world))
    except Trouble as trouble:
        if mode == "once":
            raise
        say(f"  {trouble}")
        good = False
    say_where(world)
    say("\nBooked on both sides." if good else "\nNOT booked on both sides.")
    if mode == "stay":
        watch(world)
    return 0 if good else 1


def run(mode, world_file, at):
    lock = claim()
    ledger = Ledger()
    ledger.write()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, end)
    world = None
    try:
        say("Ringmaster: a phone call becomes an appointment\n")
        world = World(HOME, world_file, pathlib.Path(os.environ.get("RINGMASTER_PREFIX", ROOT / "zig-out")), at=at, say=lambda text: say(f"  {text}"), on_start=ledger.add)
        engine_can_run(world)
        world.up()
        if mode == "detach":
            detach(world)
            world = None
            return 0
        return show(world, mode)
    except Ended:
        say("\nEnding.")
        return 0 if mode == "stay" else 130
    finally:
        if world is not None:
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
                signal.signal(number, signal.SIG_IGN)
            world.down()
            forget()
        lock.close()


def engine_can_run(world):
    """Before anything is started: what this machine refuses, in the engine's own words (io_uring, memory, a port)."""
    done = subprocess.run([world.program("ringmaster"), "check-config", "--listen", "127.0.0.1:0", "--journal-directory", "/tmp",
                           "--database-url", "postgresql://nobody@127.0.0.1/none", "--secret-key", "0" * 64], capture_output=True, text=True, cwd="/")
    if done.returncode != 0:
        raise Trouble(f"ringmaster cannot run here: {(done.stderr or done.stdout).strip()}")


def main():
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--mode", choices=["stay", "once", "detach", "stop"], required=True)
    parser.add_argument("--world", required=True)
    parser.add_argument("--at")
    arguments = parser.parse_args()
    try:
        return stop() if arguments.mode == "stop" else run(arguments.mode, arguments.world, arguments.at)
    except Trouble as trouble:
        print(f"run: {trouble}", file=sys.stderr)
    except OSError as error:
        full = f"The disk is full ({error.filename or HOME}): free some space, then run this again." if error.errno == 28 else f"{error.strerror}: {error.filename or ''}"
        print(f"run: {full}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    with contextlib.suppress(BrokenPipeError):
        sys.exit(main())
