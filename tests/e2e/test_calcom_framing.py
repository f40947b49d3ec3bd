"""Cal.com's answers are understood however they are framed (contract S2, B31)."""

from conftest import a_world
from retell_caller import Caller


def test_answers_in_chunks_with_capital_header_names_are_understood():
    with a_world() as world:
        world.simulator.control("POST", "settings", {"chunked": True})
        caller = Caller(world)
        caller.play(*world.slots.take())
        caller.booked()
