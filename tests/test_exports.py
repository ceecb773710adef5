"""The public names: whoever adds or takes away one changes this list, and knows it."""

import subprocess
import sys

import actors
import actors.testing
import actors.testing.chaos
import protocol


def test_the_public_names_of_actors():
    """What a program that embeds callboard imports."""
    assert sorted(actors.__all__) == [
        "ActorGone",
        "ActorsError",
        "Busy",
        "Driver",
        "ExpressionError",
        "Fired",
        "NodeContext",
        "NodeError",
        "Observer",
        "Registry",
        "Run",
        "RunActive",
        "Runtime",
        "Settings",
        "ShuttingDown",
        "UnknownRun",
        "open_runtime",
        "serve",
    ]
    assert all(getattr(actors, name).__name__ == name for name in actors.__all__)


def test_the_public_names_of_protocol():
    """What it meets in events and errors."""
    assert sorted(protocol.__all__) == [
        "BadField",
        "ControlReply",
        "Event",
        "InputReply",
        "InvalidWorkflow",
        "Logged",
        "NodeChanged",
        "NodeStatus",
        "Problem",
        "ProtocolError",
        "RunChanged",
        "RunEnded",
        "RunStarted",
        "RunStatus",
        "Snapshot",
        "Summary",
        "Validation",
        "Workflow",
        "validate",
    ]
    assert all(getattr(protocol, name).__name__ == name for name in protocol.__all__)


def test_the_public_names_of_the_testing_kit():
    """What the author of a journal imports."""
    assert sorted(actors.testing.__all__) == ["DurableJournalConformance", "JournalConformance"]
    assert all(getattr(actors.testing, name).__name__ == name for name in actors.testing.__all__)


def test_the_public_names_of_the_chaos_kit():
    """What the author of a node imports."""
    assert sorted(actors.testing.chaos.__all__) == [
        "Budget",
        "Call",
        "Cancel",
        "ChaosError",
        "ChaosFailure",
        "Crash",
        "Crashed",
        "Delay",
        "Fault",
        "House",
        "Invariant",
        "NotDeterministic",
        "Report",
        "STANDARD",
        "Skip",
        "Trial",
        "Violation",
        "World",
        "every_checkpoint",
        "explore",
        "flow",
        "open_world",
        "pct",
        "replay",
        "walk",
    ]
    assert all(hasattr(actors.testing.chaos, name) for name in actors.testing.chaos.__all__)


def test_the_server_runs_without_the_testing_kit():
    """Nor pytest, which only that needs: whoever installs callboard to run it has neither."""
    code = "import sys, actors.cli, actors.server; print([m for m in sys.modules if m.startswith(('actors.testing', 'pytest'))])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_importing_the_packages_imports_nothing_else():
    """Names are imported on first use: `callboard --help` does not wait for a server."""
    code = "import sys, actors, protocol; print([m for m in sys.modules if m.startswith(('trio', 'orjson', 'cel'))])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
