"""kill -9 of the engine at random moments under load: 0 lost, 0 doubled (promises 1 and 2). `zig build crash -- SECONDS` runs it for longer; RINGMASTER_CRASH_SEED
repeats the moments of a run."""

import os
import random
import time

from conftest import a_world
from retell_caller import Load, all_settled, both_sides_agree

SECONDS = int(os.environ.get("RINGMASTER_CRASH_SECONDS", 40))
SEED = int(os.environ.get("RINGMASTER_CRASH_SEED", time.time_ns() % 1_000_000))


def test_kill_at_random_moments_loses_nothing_and_doubles_nothing():
    dice = random.Random(SEED)
    print(f"\nseed {SEED}, {SECONDS} s")
    with a_world() as world:  # Cal.com's budget allows five bookings a second, no more
        world.simulator.seeded_faults(SEED, 0.1, ["commit_then_reset", "no_first_byte", "error_after_commit", "late_commit"], endpoint="create_booking", delay_ms=800)
        kills, begin = 0, time.monotonic()
        with Load(world, threads=6, calls_per_second=25, books_every=6) as load:
            while time.monotonic() - begin < SECONDS:
                time.sleep(dice.choice([0.02, 0.1, 0.3, 1, 2]) * dice.uniform(0.5, 1.5))
                world.engine.kill()
                kills += 1
                world.engine.start(until_ready=False, shards=dice.choice([1, 2, 2, 3]))
            world.engine.wait_until_ready()
        print(f"{kills} kills; {len(load.callers)} calls, {len(load.acknowledged)} acknowledged events, {load.refusals} deliveries had to be repeated")
        load.check_nothing_is_lost(seconds=120)
        all_settled(world, seconds=180)
        intents = both_sides_agree(world)
        # Every call that agreed on an appointment, at a time that was free, has it.
        wanted = load.agreed & {call_id for call_id, event in load.acknowledged if event == "call_analyzed"}
        assert len(intents) == len(wanted)
        assert all(i["state"] == "booked" for i in intents.values()), [i for i in intents.values() if i["state"] != "booked"][:5]
        print(f"{len(intents)} bookings, the same on both sides")
