"""The fields of commands that are read in a way of their own: an id, a graph, and what a user may nest.

A graph is only looked at as far as it must be to hand it on: its lists are lists. What is in them is the business of
`protocol.graph.validate`, which names every problem with its path.
"""

import math
from collections.abc import Mapping
from typing import Final

from protocol.dialects import strict
from protocol.dialects.text import MAX_DEPTH, deeper_than
from protocol.dialects.units import Unit
from protocol.messages import Json
from protocol.workflow import MAX_ID_CHARS

__all__ = ["COMMAND_UNITS", "GRAPH", "NEEDED_WITH", "PartFaults"]

GRAPH: Final = ("nodes", "edges", "connections")
"""The keys of a graph."""

MAX_REQUEST_ID_CHARS: Final = 200
"""It is kept, for minutes, with its answer."""

MAX_TYPES: Final = 1_000
"""Of one subscription."""


MAX_BREAKPOINTS: Final = 1_000
"""Of one run, where a command sets them: each subscriber is told all of them whenever they change."""


class PartFaults(Exception):
    """What is wrong with the parts of a value: pairs of (path from the value on, text)."""


def _at_most(text: str, chars: int) -> str:
    if len(text) > chars:
        raise ValueError(f"must not be longer than {chars} characters")
    return text


def _id(value: Json) -> str:
    # Some clients count their messages.
    if isinstance(value, str | int) and not isinstance(value, bool):
        return _at_most(str(value), MAX_ID_CHARS)
    raise TypeError("must be a string")


def _name(value: Json) -> str:
    if isinstance(value, str):
        return _at_most(value, MAX_ID_CHARS)
    raise TypeError("must be a string")


def _request_id(value: Json) -> str | None:
    if isinstance(value, str):
        # An empty one is none: else all who have nothing to say here would be answered as the first of them.
        return _at_most(value, MAX_REQUEST_ID_CHARS) or None
    raise TypeError("must be a string")


def _texts(most: int, *, chars: float = math.inf) -> Unit:
    """A list of so many strings at most, each of so many characters at most."""

    def read(value: Json) -> tuple[str, ...]:
        if not isinstance(value, list):
            raise TypeError("must be a list")
        # Looked at before its members: to tell a million faults would take as many exceptions.
        if len(value) > most:
            raise ValueError(f"must not have more than {most} members")
        faults = [(f"[{index}]", "must be a string") for index, text in enumerate(value) if not isinstance(text, str)]
        long = (index for index, text in enumerate(value) if isinstance(text, str) and len(text) > chars)
        faults += ((f"[{index}]", f"must not be longer than {chars} characters") for index in long)
        if faults:
            raise PartFaults(faults)
        return tuple(value)

    text: dict[str, Json] = {"type": "string"} if chars == math.inf else {"type": "string", "maxLength": chars}
    return Unit(spell=None, read=read, schema={"type": "array", "items": text, "maxItems": most})


def _graph(value: Json) -> Mapping[str, Json]:
    graph = strict.json_object(value)
    faults = [(f".{key}", "must be a list") for key in GRAPH if not isinstance(graph.get(key, []), list)]
    if faults:
        raise PartFaults(faults)
    missing: dict[str, Json] = {"nodes": []} if "connections" in graph else {"nodes": [], "edges": []}
    return {**missing, **graph}


def _shallow(value: Json) -> Json:
    if deeper_than(value, MAX_DEPTH):
        raise ValueError(f"must not be nested deeper than {MAX_DEPTH} levels")
    return value


def _shallow_object(value: Json) -> Mapping[str, Json]:
    return strict.json_object(_shallow(value))


_NAME: Final = Unit(spell=None, read=_name, schema={"type": "string", "maxLength": MAX_ID_CHARS})

COMMAND_UNITS: Final[Mapping[str, Unit]] = {
    "id": Unit(spell=None, read=_id, schema={"type": ["string", "integer"]}),
    "workflow_id": _NAME,
    "run_id": _NAME,
    "node_id": _NAME,
    "after": _NAME,
    "cursor": _NAME,
    "request_id": Unit(spell=None, read=_request_id, schema={"type": "string", "maxLength": MAX_REQUEST_ID_CHARS}),
    "types": _texts(MAX_TYPES),
    "node_ids": _texts(MAX_BREAKPOINTS, chars=MAX_ID_CHARS),
    "graph": Unit(spell=None, read=_graph, schema={"type": "object"}),
    "config": Unit(spell=None, read=_shallow_object, schema={"type": "object"}),
    "value": Unit(spell=None, read=_shallow, schema={}),
}
"""Field of a command → how it is read."""

NEEDED_WITH: Final[Mapping[str, tuple[str, str]]] = {"node_ids": ("action", "breakpoints")}
"""Field of a command that has a default → (another field, the value of that) with which it must be there all the same.

To clear all breakpoints is to say so.
"""
