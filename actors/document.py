"""A graph in a file: what editors export, and the messages that would start it.

A file holds the graph itself (`{"nodes": […], "edges": […]}`, perhaps with a `config`), or it is wrapped: in the
`payload` of a `workflow.start`, or in the `workflow` of an `execute_workflow`. Whether the graph is good is not judged
here, only found.
"""

import json
from collections.abc import Mapping
from typing import Any, Final

import attrs
import orjson

from protocol.messages import Json

__all__ = ["Document", "DocumentError", "read_document"]

_WRAPPERS: Final = ("payload", "workflow")


class DocumentError(ValueError):
    """The file is not JSON; the text says in which line and column."""


@attrs.frozen(kw_only=True)
class Document:
    """What a file asks for."""

    graph: Json
    config: Mapping[str, Any]
    """The ExecutionConfig, as written."""
    needs_start: bool
    """Whether a graph without a `start` node is an error; the spelling with `connections` knows no start kind."""


def read_document(data: bytes) -> Document:
    """Find the graph and its config in the bytes of a file.

    Raises:
        DocumentError: they are not JSON in UTF-8, or the config is no object.
    """
    try:
        found = orjson.loads(data.removeprefix(b"\xef\xbb\xbf"))
    except json.JSONDecodeError as error:
        raise DocumentError(f"line {error.lineno}, column {error.colno}: not JSON: {error.msg}") from None
    for name in _WRAPPERS:
        if isinstance(found, Mapping) and "nodes" not in found and isinstance(found.get(name), Mapping):
            found = found[name]
    config = found.get("config") or {} if isinstance(found, Mapping) else {}
    if not isinstance(config, Mapping):
        raise DocumentError("config must be an object")
    return Document(
        graph=found,
        config=dict(config),
        needs_start=not (isinstance(found, Mapping) and "connections" in found),
    )
