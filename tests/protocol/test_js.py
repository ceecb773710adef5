"""The JavaScript client: its types are those of this server, its own tests pass, it needs nothing but itself."""

import json

import pytest

from tests.npm import ROOT

PACKAGE = "protocol/js"


@pytest.mark.npm(PACKAGE, "npm", "run", "check")
def test_the_types_hold(npm):
    """Of every file, strictly."""
    npm()


@pytest.mark.npm(PACKAGE, "npm", "test")
def test_its_own_tests_pass(npm):
    """The golden vectors among them, which the Python tests read as well."""
    npm()


@pytest.mark.npm(PACKAGE, "npm", "run", "generate", "--", "--check")
def test_its_types_are_those_of_the_schema(npm):
    """What it calls a message is what the server says; if this fails: `cd protocol/js && ../../bin/js npm run generate`."""
    npm()


def test_it_depends_on_nothing():
    """What may be there beside it, React and a WebSocket for old Node.js, is optional."""
    package = json.loads((ROOT / PACKAGE / "package.json").read_text())
    assert "dependencies" not in package
    optional = package["peerDependenciesMeta"]
    assert set(package["peerDependencies"]) == {name for name in optional if optional[name]["optional"]}
