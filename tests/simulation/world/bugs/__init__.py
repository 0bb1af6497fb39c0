"""Mistakes of the kind that peers made, or we, each planted into the real engine while a `with` lasts.

A simulation that finds none of them proves nothing. Each says whose mistake it was, or is.
"""

from tests.simulation.world.bugs import around, supervision
from tests.simulation.world.bugs.planting import BUGS, Bug, planted

__all__ = ["BUGS", "Bug", "around", "planted", "supervision"]
