"""What peers and clients may hear, whatever strikes: the invariants of the wire.

Each looks at the peers and followers of a `House` that is closed, at what was said to them in their own order. A
connection may be lost at any point; what came until then, and what came to the next one of its session, has to fit.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

import orjson

from actors.fitting import fitted
from actors.testing.chaos.trial import Invariant
from actors.testing.chaos.world import House
from actors.testing.memory_server import Message, Peer
from protocol.dialects import DIALECTS, Dialect
from protocol.messages import Event

__all__ = ["HEARING"]

CONFIRMED: Final = frozenset({"workflow.subscribe", "subscription_confirmed"})
WITHDRAWN: Final = frozenset({"workflow.unsubscribe", "subscription_updated"})
SNAPSHOTS: Final = frozenset({"workflow.snapshot", "workflow_snapshot"})

Newest = dict[str, int]
"""Run id → seq."""


def _gapless(house: House) -> Iterator[str]:
    sessions: dict[str, Newest] = {}
    for number, peer in enumerate(house.peers, 1):
        before = sessions.setdefault(peer.session or f"the one of peer {number}", {})
        for text in _gaps(peer, before):
            yield f"peer {number} of session {peer.session}: {text}"


def _gaps(peer: Peer, before: Newest) -> Iterator[str]:
    """What one connection missed.

    Args:
        peer: of it.
        before: the newest that earlier connections of its session heard; brought up to date.
    """
    newest: Newest = {}
    filtered, everywhere = any(map(_filters, peer.said)), any(map(_means_all, peer.said))
    for message in peer.heard:
        fields, run_id = _fields(message), _run_of(message)
        if message["type"] in CONFIRMED and fields.get("from_seq") and fields.get("run_id"):
            # An explicit position moves the cursor, also back.
            newest[fields["run_id"]] = fields["from_seq"] - 1
        elif message["type"] in WITHDRAWN:
            newest.clear()
            before.clear()
            everywhere = True
        elif "seq" in message:
            seq, spared = message["seq"], message.get("conflated", 0)
            if run_id in newest:
                # Who starts the same once more is told its first event again.
                fits = seq == newest[run_id] + 1 + spared or seq == 1 or (filtered and seq > newest[run_id])
            else:
                # Who came back may hear things twice. Who hears all runs from now on begins anywhere.
                fits = seq <= before.get(run_id, 0) + 1 + spared or everywhere or filtered
            if not fits:
                heard = newest.get(run_id, before.get(run_id, 0))
                yield f"{run_id}:{seq}, with {spared} left out, comes after {heard}"
            newest[run_id] = max(seq, newest.get(run_id, 0))
    for run_id, seq in newest.items():
        before[run_id] = max(seq, before.get(run_id, 0))


def _committed(house: House) -> Iterator[str]:
    for number, peer in enumerate(house.peers, 1):
        for message in peer.heard:
            if "seq" not in message:
                continue
            events = house.journal.events(_run_of(message))
            event = events[message["seq"] - 1] if message["seq"] <= len(events) else None
            if event is None:
                yield f"peer {number} heard {message['id']}, which was never committed"
            elif (said := {**message, "conflated": None}) != {**_spelled(message, event), "conflated": None}:
                yield f"peer {number} heard {said}, where {event} was committed"


def _followed(house: House) -> Iterator[str]:
    for number, seen in enumerate(house.seen, 1):
        seqs = [event.seq for event in seen]
        if seen and seqs != list(range(seqs[0], seqs[0] + len(seqs))):
            yield f"follower {number} of {seen[0].run_id} saw {seqs}"
        for event in seen:
            events = house.journal.events(event.run_id)
            if event.seq > len(events) or type(events[event.seq - 1]) is not type(event):
                yield f"follower {number} saw {event}, which was never committed"


def _answered(house: House) -> Iterator[str]:
    for number, peer in enumerate(house.peers, 1):
        replies = Counter(
            answered
            for message in peer.heard
            if message["type"] not in SNAPSHOTS and (answered := _fields(message).get("reply_to"))
        )
        for command, count in replies.items():
            if count > 1:
                yield f"peer {number} got {count} answers to its command {command}"


def _forgotten(house: House) -> Iterator[str]:
    if not hasattr(house, "server"):
        return  # It was never opened.
    now = house.runtime.hub.statistics()
    if now.outlets or now.topics or now.subscriptions:
        yield f"everybody has gone, and the hub holds {now.outlets} outlets, {now.topics} topics"
    if connected := len(house.server.server.sessions):
        yield f"everybody has gone, and {connected} connections are in the table"


def _fields(message: Message) -> Mapping[str, Any]:
    """What a message says, as snake spells it: a payload and the keys beside it."""
    fields = {**message, **(message.get("payload") or {})}
    named = {"runId": "run_id", "fromSeq": "from_seq", "replyTo": "reply_to"}
    return {named.get(key, key): value for key, value in fields.items()}


def _run_of(message: Message) -> str:
    """The run of an event."""
    return str(message.get("id", "")).rpartition(":")[0]


def _filters(command: Message) -> bool:
    """Whether it asks for some types only."""
    types = _fields(command).get("types") or command.get("event_types") or ["*"]
    return "subscribe" in command["type"] and "*" not in types


def _means_all(command: Message) -> bool:
    """Whether it asks for all runs, which come from now on."""
    workflow = command.get("workflow_id") or command.get("workflowId")
    return command["type"] in {"workflow.subscribe", "subscribe"} and workflow in {None, "*"}


def _spelled(message: Message, event: Event) -> Message:
    """An event in the dialect of what was heard."""
    dialect: Dialect = DIALECTS["camel" if "workflowId" in message else "snake" if "payload" in message else "flat"]
    spelled: Message = orjson.loads(fitted(dialect, event))
    return spelled


def _frames(house: House) -> Iterable[str]:
    return house.faults


HEARING: Final[tuple[Invariant[House], ...]] = (
    Invariant("gapless at each peer, or it is said", _gapless),
    Invariant("what a peer hears was committed", _committed),
    Invariant("a follower sees each event once", _followed),
    Invariant("a command is answered once", _answered),
    Invariant("who has gone is forgotten", _forgotten),
    Invariant("no WebSocket protocol error", _frames),
)
"""All of them."""
