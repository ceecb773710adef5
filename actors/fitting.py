"""Makes a message fit into one frame: what is too large is replaced by a reference, or cut with a mark.

Theory of operation: many clients refuse messages beyond 1 MiB, so none that we send is larger. A message is encoded
first, as it is; only if its text is long is anything looked at closer. Then it is shortened by the rules of its class,
with limits that get stricter until it fits: results become `{"$ref": …}`, which HTTP serves whole; other values become
`{"$cut": bytes}`; texts and lists are cut behind their beginning and say how much is missing. Ids are never cut: they
are what a client holds on to.

A snapshot can not be cut without lying, so it is split: each of its parts fits, and together they are the whole.

The functions here are pure and keep nothing. The journal holds everything in full; only the wire is spared.
"""

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Final, Literal
from urllib.parse import quote

import attrs

from protocol.dialects import Dialect
from protocol.dialects.text import dumps
from protocol.graph import Problem
from protocol.messages import (
    ControlReply,
    ErrorReply,
    Event,
    InputReply,
    Iteration,
    Json,
    Logged,
    NodeChanged,
    NodeProgress,
    Progress,
    Reply,
    RunChanged,
    RunEnded,
    RunList,
    RunStarted,
    ServerMessage,
    Snapshot,
    StartRefused,
    Summary,
    Validated,
)

__all__ = ["PAYLOAD_BYTES", "RESULT_BYTES", "fit", "fitted", "parts"]

PAYLOAD_BYTES: Final = 2**20 - 4096
"""A message's text at most: 1 MiB, less the head of a frame and what a batch puts around it."""

RESULT_BYTES: Final = 256 * 2**10
"""A result beyond this is a reference on the wire."""

LIMITS_BYTES: Final = (RESULT_BYTES, 64 * 2**10, 4 * 2**10, 256)
"""For one value, tried in this order until the message fits."""

WORST_ESCAPE: Final = 6
"""Bytes that JSON may need for one character of a text."""

ENTRY_BYTES: Final = 64
"""A member of a list of ids or problems, counted roughly: a list keeps as many as fit into the limit."""


def fitted(dialect: Dialect, message: Event | Progress | NodeProgress, *, conflated: int = 0) -> bytes:
    """A message of a run as text that fits into a frame of 1 MiB.

    Args:
        dialect: how to spell it.
        message: as it happened.
        conflated: how many seqs were left out before it.
    """
    text = dialect.encode(message, conflated=conflated)
    return text if len(text) <= RESULT_BYTES else fit(message, partial(dialect.encode, conflated=conflated))


def fit(message: ServerMessage, encode: Callable[[ServerMessage], bytes]) -> bytes:
    """A message as text that fits into a frame of 1 MiB.

    Args:
        message: in full.
        encode: called once more for each limit that has to be tried.
    """
    text = encode(message)
    # A reply has no results to refer to.
    if len(text) <= (PAYLOAD_BYTES if isinstance(message, Reply) else RESULT_BYTES):
        return text
    for limit in LIMITS_BYTES:
        text = encode(_shortened(message, limit))
        if len(text) <= PAYLOAD_BYTES:
            break
    return text


def parts(dialect: Dialect, snapshot: Snapshot) -> tuple[Snapshot, ...]:
    """A snapshot as messages that fit into a frame of 1 MiB each; itself, where it fits.

    Nodes, edges and variables are divided among the parts, each of which carries the rest of the fields.
    """
    if len(dialect.encode(snapshot)) <= RESULT_BYTES:
        return (snapshot,)
    if snapshot.summary is not None:
        snapshot = attrs.evolve(snapshot, summary=_summary(snapshot.summary, RESULT_BYTES // 4))
    for limit in LIMITS_BYTES:
        if len(dumps(snapshot.breakpoints)) <= RESULT_BYTES:
            break
        snapshot = attrs.evolve(snapshot, breakpoints=_some(snapshot.breakpoints, limit))
    pages = list(_pages(dialect, snapshot))
    if len(pages) == 1:
        return tuple(pages)
    return tuple(attrs.evolve(page, part=part, parts=len(pages)) for part, page in enumerate(pages, 1))


def _pages(dialect: Dialect, snapshot: Snapshot) -> Iterator[Snapshot]:
    nodes: dict[str, NodeChanged] = {}
    edges: dict[str, Literal["taken", "dead"]] = {}
    variables: dict[str, Json] = {}
    room = budget = PAYLOAD_BYTES - len(dialect.encode(attrs.evolve(snapshot, nodes={}, edges={}, variables={})))

    def page() -> Snapshot:
        return attrs.evolve(snapshot, nodes=dict(nodes), edges=dict(edges), variables=dict(variables))

    for kind, key, entry, size in _entries(dialect, snapshot):
        if size > room and room < budget:
            yield page()
            nodes, edges, variables = {}, {}, {}
            room = budget
        room -= size
        match kind:
            case "node":
                nodes[key] = entry
            case "edge":
                edges[key] = entry
            case "variable":
                variables[key] = entry
    yield page()


def _entries(
    dialect: Dialect, snapshot: Snapshot
) -> Iterator[tuple[Literal["node", "edge", "variable"], str, Json, int]]:
    """What a snapshot holds: (which, key, value, at most so many bytes in a part)."""
    for node_id, event in snapshot.nodes.items():
        short = _shortened_event(event, RESULT_BYTES)
        size = len(dialect.encode(short))
        if size > RESULT_BYTES:
            short = _shortened_event(event, LIMITS_BYTES[1])
            size = len(dialect.encode(short))
        yield "node", node_id, short, size + len(dumps(node_id))
    for edge_id, state in snapshot.edges.items():
        yield "edge", edge_id, state, len(dumps(edge_id)) + ENTRY_BYTES
    for name, value in snapshot.variables.items():
        short = _value(value, RESULT_BYTES)
        name = _text(name, RESULT_BYTES)  # noqa: PLW2901  the only name that has no bound where it is made
        yield "variable", name, short, len(dumps(short)) + len(dumps(name)) + ENTRY_BYTES


def _shortened(message: ServerMessage, limit: int) -> ServerMessage:
    """The same message with no value beyond `limit` bytes."""
    return _shortened_reply(message, limit) if isinstance(message, Reply) else _shortened_event(message, limit)


def _shortened_reply(message: Reply, limit: int) -> Reply:
    match message:
        case StartRefused():
            problems = _problems(message.problems, limit)
            return attrs.evolve(message, error=_text(message.error, limit), problems=problems)
        case Validated():
            errors, warnings = _problems(message.errors, limit), _problems(message.warnings, limit)
            return attrs.evolve(message, errors=errors, warnings=warnings)
        case ControlReply():
            summary = None if message.summary is None else _summary(message.summary, limit)
            held = message.breakpoints
            return attrs.evolve(
                message,
                error=_maybe_text(message.error, limit),
                summary=summary,
                breakpoints=None if held is None else _some(held, limit),
            )
        case InputReply():
            return attrs.evolve(message, error=_maybe_text(message.error, limit))
        case RunList():
            runs = [attrs.evolve(run, error=_maybe_text(run.error, limit // 256)) for run in message.runs]
            return attrs.evolve(message, runs=tuple(runs))
        case ErrorReply():
            return attrs.evolve(message, message=_text(message.message, limit))
        case _:
            return message


def _shortened_event(message: ServerMessage, limit: int) -> ServerMessage:
    match message:
        case NodeChanged():
            waiting = message.waiting
            if waiting is not None:
                waiting = attrs.evolve(
                    waiting, prompt=_text(waiting.prompt, limit), schema=_value(waiting.schema, limit)
                )
            return attrs.evolve(
                message,
                message=_text(message.message, limit),
                result=_result(message.run_id, message.node_id, message.iteration, message.result, limit),
                fired=_some(message.fired, limit),
                values=None,
                error=_maybe_text(message.error, limit),
                waiting=waiting,
            )
        case Logged():
            return attrs.evolve(message, message=_text(message.message, limit), context=_value(message.context, limit))
        case RunStarted():
            return attrs.evolve(message, warnings=_problems(message.warnings, limit))
        case RunChanged():
            flying = message.in_flight
            return attrs.evolve(
                message,
                in_flight=None if flying is None else _some(flying, limit),
                error=_maybe_text(message.error, limit),
            )
        case RunEnded():
            return attrs.evolve(
                message,
                message=_text(message.message, limit),
                summary=_summary(message.summary, limit),
                results=_results(message.run_id, message.results, limit),
                error=_maybe_text(message.error, limit),
            )
        case NodeProgress():
            return attrs.evolve(message, message=_text(message.message, limit))
        case _:
            return message


def _summary(summary: Summary, limit: int) -> Summary:
    abandoned = summary.abandoned
    return attrs.evolve(
        summary,
        error=_maybe_text(summary.error, limit),
        abandoned=None if abandoned is None else _some(abandoned, limit),
    )


def _result(run_id: str, node_id: str, iteration: Iteration, value: Json, limit: int) -> Json:
    """A node's result, or where HTTP serves it."""
    if len(dumps(value)) <= limit:
        return value
    where = f"/api/runs/{quote(run_id, safe='')}/nodes/{quote(node_id, safe='')}/result"
    return {"$ref": f"{where}?iteration={','.join(map(str, iteration))}" if iteration else where}


def _results(run_id: str, results: Mapping[str, Json] | None, limit: int) -> Mapping[str, Json] | None:
    if results is None:
        return None
    short = {node_id: _result(run_id, node_id, (), value, limit) for node_id, value in results.items()}
    if limit > LIMITS_BYTES[-1] or len(dumps(short)) <= PAYLOAD_BYTES // 2:
        return short
    # So many leaves that even references to them are too much.
    return {"$ref": f"/api/runs/{quote(run_id, safe='')}"}


def _value(value: Json, limit: int) -> Json:
    size = len(dumps(value))
    return value if size <= limit else {"$cut": size}


def _text(text: str, limit: int) -> str:
    keep = limit // WORST_ESCAPE
    return text if len(text) <= keep else f"{text[:keep]}… (cut: {len(text) - keep} more characters)"


def _maybe_text(text: str | None, limit: int) -> str | None:
    return None if text is None else _text(text, limit)


def _some(ids: tuple[str, ...], limit: int) -> tuple[str, ...]:
    keep = limit // ENTRY_BYTES
    return ids if len(ids) <= keep else (*ids[:keep], f"… (cut: {len(ids) - keep} more)")


def _problems(problems: tuple[Problem, ...], limit: int) -> tuple[Problem, ...]:
    """As many as fit, the first first."""
    kept: list[Problem] = []
    room = limit
    for problem in problems:
        short = attrs.evolve(
            problem, message=_text(problem.message, limit // 16), path=_text(problem.path, limit // 16)
        )
        room -= len(dumps(attrs.astuple(short))) + ENTRY_BYTES
        if room < 0:
            more = f"and {len(problems) - len(kept)} more"
            return (*kept, Problem(code="cut", message=more, path="", severity=problem.severity))
        kept.append(short)
    return tuple(kept)
