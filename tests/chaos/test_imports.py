"""What the package gives, and what it takes to import it: who tests his own nodes need not have pytest."""

import subprocess
import sys

import pytest

from actors.testing import chaos
from actors.testing.chaos import Cancel, Invariant, flow


def test_the_kit_needs_no_pytest():
    """Nor pytest-trio, nor the journals' conformance suite."""
    code = """
import sys
sys.modules.update(dict.fromkeys(("pytest", "_pytest", "pytest_trio")))
import actors.testing.chaos
print([name for name in sys.modules if name.startswith("actors.testing.journals")])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_callboard_is_imported_when_it_is_asked_for():
    """Who explores another world takes no server along; and a name that there is not is an error."""
    code = """
import sys
import actors.testing.chaos as chaos
print([name for name in sys.modules if name in ("actors.runtime", "actors.server", "trio_websocket")])
print(len(chaos.STANDARD) > 1, chaos.open_world.__name__, sorted(set(chaos.__all__) - set(dir(chaos))))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\nTrue open_world ['House']\n"
    with pytest.raises(AttributeError):
        chaos.nothing  # noqa: B018  looking is all


async def three(world):
    """A scenario of callboard."""
    await world.run(flow("s >> a", a="log"))


def test_the_default_world_is_callboards():
    """With what holds of it, unless others are named; and a replay has the same."""
    report = chaos.explore(three, faults=[Cancel("node:*")])
    report.check()
    assert report.complete
    chaos.replay(three, report.injections[0].id).check()
    broken: Invariant[chaos.House] = Invariant("never", lambda world: [f"{len(world.runs)} runs"])
    report = chaos.explore(three, faults=[Cancel("node:s")], invariants=[broken])
    assert [one.invariant for one in report.broken] == ["never"]
