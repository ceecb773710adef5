"""What the tests of graphs share: a few kinds, and validate() with them."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import attrs
import pytest

from protocol.graph import Kind, Validation, validate


@attrs.frozen
class StubKind:
    """A kind as validate() sees it: its ports, and the keys that its config must have."""

    name: str
    ports: tuple[str, ...] | Callable[[Mapping[str, Any]], tuple[str, ...]] | None = None
    required: tuple[str, ...] = ()

    def ports_of(self, config: Mapping[str, Any]) -> tuple[str, ...] | None:
        return self.ports(config) if callable(self.ports) else self.ports

    def check(self, config: Mapping[str, Any], driver: str) -> Sequence[tuple[str, str, str, Any]]:
        found: list[tuple[str, str, str, Any]] = [
            ("bad_config", key, "is required", "error") for key in self.required if key not in config
        ]
        found += [("bad_expression", key, "has no end", "error") for key, value in config.items() if value == "{{"]
        if "selektor" in config:
            found.append(("bad_config", "selektor", "is not known", "warning"))
        if self.name == "click" and isinstance(config.get("timeout"), str):
            found.append(("bad_config", "timeout", "must be a number", "error"))
        return found


def _cases(config: Mapping[str, Any]) -> tuple[str, ...]:
    return (*(case["port"] for case in config["cases"]), config.get("default", "default"))


KINDS: Mapping[str, Kind] = {
    kind.name: kind
    for kind in (
        StubKind("start"),
        StubKind("set"),
        StubKind("input"),
        StubKind("wait"),
        StubKind("log"),
        StubKind("fail"),
        StubKind("screenshot"),
        StubKind("click", required=("selector",)),
        StubKind("condition", ports=("true", "false")),
        StubKind("loop", ports=("body", "done")),
        StubKind("switch", ports=_cases, required=("cases",)),
        StubKind("end", ports=()),
        StubKind("break"),
        StubKind("continue"),
    )
}


@pytest.fixture(scope="session")
def kinds() -> Mapping[str, Kind]:
    """Kinds by name."""
    return KINDS


@pytest.fixture(scope="session")
def check() -> Callable[..., Validation]:
    """validate() with these kinds."""

    def call(graph: Any, **options: Any) -> Validation:
        return validate(graph, KINDS, **options)

    return call


@pytest.fixture(scope="session")
def draw() -> Callable[..., dict[str, Any]]:
    """A graph from a drawing: `draw("start>a a.true>b", a="condition")`; a node's kind is `set`, or its own name's."""

    def call(arrows: str, *, flat: bool = False, **kinds: str | dict[str, Any]) -> dict[str, Any]:
        names: dict[str, None] = dict.fromkeys(kinds)
        ends = []
        for arrow in arrows.split():
            source, _, target = arrow.partition(">")
            source, _, handle = source.partition(".")
            names[source] = None
            if target:
                names[target] = None
                ends.append((source, handle or None, target))
        nodes = []
        for name in names:
            node = kinds.get(name, name if name in {"start", "break", "continue"} else "set")
            nodes.append({"id": name, "type": node} if isinstance(node, str) else {"id": name, **node})
        keys = ("from_node", "from_output", "to_node") if flat else ("source", "sourceHandle", "target")
        edges = [dict(zip(keys, end, strict=True)) for end in ends]
        return {"nodes": nodes, "connections" if flat else "edges": edges}

    return call
