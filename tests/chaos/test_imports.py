"""Who tests his own nodes need not have pytest."""

import subprocess
import sys


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
