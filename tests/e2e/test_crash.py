"""kill -9 of the engine at random moments under load, with outages of PostgreSQL and Cal.com in between: 0 lost, 0 doubled (promises 1 and 2). After each kill
everything that was acknowledged before it is looked for in PostgreSQL, while the load goes on; some lives are killed again before they have replayed. A world
lives four minutes at most, and at its end both sides are compared, booking by booking.

`zig build crash -- SECONDS` runs it for longer, in one world after the other; RINGMASTER_CRASH_SEED repeats the moments of a run. The last line counts."""

import json
import os
import random
import time

from conftest import a_world
from retell_caller import Load, all_settled, both_sides_agree
from world import wait_until

SECONDS = int(os.environ.get("RINGMASTER_CRASH_SECONDS", 40))
SEED = int(os.environ.get("RINGMASTER_CRASH_SEED", time.time_ns() % 1_000_000))
WORLD_SECONDS = 240


def test_kill_at_random_moments_loses_nothing_and_doubles_nothing():
    begin, counts, worlds = time.monotonic(), {}, 0
    print(f"\nseed {SEED}, {SECONDS} s")
    while worlds == 0 or time.monotonic() - begin < SECONDS:
        seconds = min(WORLD_SECONDS, SECONDS - (time.monotonic() - begin))
        for name, number in Killing(random.Random(SEED + worlds), SEED + worlds).go(seconds).items():
            counts[name] = counts.get(name, 0) + number
        worlds += 1
    print(json.dumps({"worlds": worlds, **counts}))


class Killing:
    """One world, killed again and again."""

    def __init__(self, dice, seed):
        self.dice, self.seed = dice, seed
        self.counts = dict.fromkeys(("kills", "checks", "checked_events", "database_outages", "calcom_outages", "calls", "acknowledged", "repeated", "bookings"), 0)
        self.checked = 0  # of what was acknowledged, so many are found

    def count(self, name, number=1):
        self.counts[name] += number

    def go(self, seconds):
        with a_world() as world:  # Cal.com's budget allows five bookings a second, no more
            world.simulator.seeded_faults(self.seed, 0.1, ["commit_then_reset", "no_first_byte", "error_after_commit", "late_commit"], endpoint="create_booking", delay_ms=800)
            end = time.monotonic() + seconds
            with Load(world, threads=6, calls_per_second=25, books_every=6) as load:
                while time.monotonic() < end:
                    self.one_life(world, load)
                world.engine.wait_until_ready()
            self.check_the_end(world, load)
        return self.counts

    def one_life(self, world, load):
        """Ends with a kill, as a rule while calls come in; sometimes the next life is killed before it has replayed. Then what was acknowledged is looked for."""
        time.sleep(self.dice.choice([0.02, 0.1, 0.3, 1, 2]) * self.dice.uniform(0.5, 1.5))
        database_is_down = self.dice.random() < 0.05
        if database_is_down:
            world.postgres.crash()
            self.count("database_outages")
            time.sleep(self.dice.uniform(0, 1))
        if self.dice.random() < 0.05:
            world.simulator.fault("refuse_connections", delay_ms=self.dice.randint(100, 3_000))
            self.count("calcom_outages")
        self.kill(world)
        while self.dice.random() < 0.25:
            time.sleep(self.dice.uniform(0, 0.2))
            self.kill(world)
        acknowledged = len(load.acknowledged)
        if database_is_down:
            world.postgres.start()
        self.check_what_was_acknowledged(world, load.acknowledged[self.checked : acknowledged])
        self.checked = acknowledged

    def kill(self, world):
        assert world.engine.child.is_running(), f"the engine ended by itself:\n{world.engine.child.last_words(30)}"
        world.engine.kill()
        self.count("kills")
        world.engine.start(until_ready=False, shards=self.dice.choice([1, 2, 2, 3]))

    def check_what_was_acknowledged(self, world, events):
        wanted = set(events)
        calls = ", ".join(f"'{call_id}'" for call_id in {call_id for call_id, _ in wanted})
        sql = f"SELECT call_id, event, count(*) AS n FROM call_events WHERE call_id IN ({calls}) GROUP BY 1, 2"

        def missing():
            found = world.postgres.query(sql) if wanted else []
            doubled = [r for r in found if r["n"] != 1]
            assert not doubled, f"filed more than once: {doubled[:5]}"
            return wanted - {(r["call_id"], r["event"]) for r in found}

        wait_until(lambda: not missing(), 60, every=0.1)
        lost = missing()
        assert not lost, f"{len(lost)} of {len(wanted)} acknowledged events are lost after a kill, such as {sorted(lost)[:3]}"
        self.count("checks")
        self.count("checked_events", len(wanted))

    def check_the_end(self, world, load):
        load.check_nothing_is_lost(seconds=120)
        all_settled(world, seconds=240)
        intents = both_sides_agree(world)
        # Every call that agreed on an appointment, at a time that was free, has it.
        wanted = load.agreed & {call_id for call_id, event in load.acknowledged if event == "call_analyzed"}
        assert len(intents) == len(wanted)
        assert all(i["state"] == "booked" for i in intents.values()), [i for i in intents.values() if i["state"] != "booked"][:5]
        for name, number in (("calls", len(load.callers)), ("acknowledged", len(load.acknowledged)), ("repeated", load.refusals), ("bookings", len(intents))):
            self.count(name, number)
        print(f"{self.counts['kills']} kills, {self.counts['checks']} checks of {self.counts['checked_events']} events; {len(intents)} bookings, the same on both sides")
