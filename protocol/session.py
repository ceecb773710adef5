"""One peer's conversation, sans I/O: text in, commands or errors; replies out, as text.

Theory of operation: a session belongs to one connection and is used by that one task. It decides the peer's dialect
once – from what the connection says of itself (subprotocol, query), from what is remembered of the session, from the
path, else from the first valid message – and keeps to it. Until then a peer is *undecided*: what it is sent carries
the shapes of all dialects at once, and it should be sent nothing but its hello, heartbeats, errors and broadcasts.
A session knows no clock, no socket and no run; whoever owns the connection closes nothing here.
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final

from protocol.dialects import DIALECTS, Dialect
from protocol.dialects.text import dumps, loads
from protocol.errors import BadField, BadJson, BadMessage, ProtocolError
from protocol.messages import Broadcast, Command, ErrorReply, Hello, Json, Reply, ServerMessage
from protocol.workflow import MAX_ID_CHARS

__all__ = ["Session"]

_NO_QUERY: Final[Mapping[str, str]] = MappingProxyType({})
_SUBPROTOCOLS: Final[Mapping[str, tuple[str, bool]]] = {
    f"callboard.{name}.v1{suffix}": (name, bool(suffix)) for name in DIALECTS for suffix in ("", ".batch")
}
"""Subprotocol → (dialect, whether frames may be arrays). A token's subprotocol is not among them: never echoed."""
_ENVELOPE: Final = frozenset({"type", "id", "timestamp", "workflow_id"})
_SNAKE, _CAMEL, _FLAT = DIALECTS["snake"], DIALECTS["camel"], DIALECTS["flat"]


class Session:
    """One peer's conversation.

    Args:
        session_id: the peer's id.
        path: of its URL, without the query.
        subprotocols: what it offered, in its order.
        query: of its URL.
        dialect: the one remembered of this session, if it had one before.
        replies: how many replies the session had before; their ids go on from there.
    """

    def __init__(
        self,
        *,
        session_id: str,
        path: str,
        subprotocols: Sequence[str] = (),
        query: Mapping[str, str] = _NO_QUERY,
        dialect: str | None = None,
        replies: int = 0,
    ) -> None:
        self.session_id = session_id
        self.hears_all = path == "/"
        """Whether the peer hears every run without asking."""
        self.subprotocol = next((offer for offer in subprotocols if offer in _SUBPROTOCOLS), None)
        """What the handshake answers."""
        offered, batched = _SUBPROTOCOLS[self.subprotocol] if self.subprotocol else (None, False)
        self.batch = batched or query.get("batch") in {"1", "true"}
        """Whether a frame to the peer may hold an array of messages."""
        by_path = "camel" if self.hears_all else None
        chosen = next((name for name in (offered, query.get("dialect"), dialect, by_path) if name in DIALECTS), None)
        self.dialect: Dialect | None = DIALECTS[chosen] if chosen else None
        """None: undecided."""
        self.replies = replies
        """How many replies were encoded."""

    def hello(self, *, resumed: bool = False) -> Hello | None:
        """What to say first; None: nothing (snake and camel peers)."""
        if self.dialect not in (None, _FLAT):
            return None
        return Hello(session_id=self.session_id, resumed=resumed or None)

    def receive(self, text: str) -> Command:
        """What the peer said. The first valid message decides the dialect of an undecided peer.

        Raises:
            ProtocolError: it can not be understood; `refuse` makes the answer.
        """
        message = loads(text)
        if not isinstance(message, dict):
            raise BadMessage("A message must be a JSON object")
        dialect = self.dialect or _likely(message)
        command = dialect.parse(message)
        self.dialect = dialect
        return command

    def refuse(self, error: ProtocolError, text: str) -> ErrorReply:
        """The one answer to a bad message.

        Args:
            error: what `receive` raised, or what its command was refused with.
            text: the message.
        """
        message = _object(text)
        type_ = message.get("type")
        dialect = self.dialect or _FLAT
        answers = dialect.answers(type_) if isinstance(type_, str) else None
        action = message.get("action")
        return ErrorReply(
            workflow_id=_text(message.get("workflow_id")) or _text(message.get("workflowId")) or "",
            reply_to=_text(message.get("id")),
            code=error.code,
            message=str(error),
            path=next(iter(error.paths), None) if isinstance(error, BadField) else None,
            answers=answers,
            action=_text(action) if answers == "control" and isinstance(action, str) else None,
        )

    def encode(self, message: ServerMessage, *, at: float) -> bytes:
        """A message to this peer as JSON text in UTF-8.

        Args:
            message: a reply gets the next id, `<session>:<n>`.
            at: the time of a reply, in seconds since the epoch.
        """
        id_ = ""
        if isinstance(message, Reply):
            self.replies += 1
            id_ = f"{self.session_id}:{self.replies}"
        if self.dialect is not None:
            return self.dialect.encode(message, id=id_, at=at)
        body = _FLAT.body(message, id=id_, at=at)
        if not isinstance(message, Broadcast):
            body["payload"] = {key: value for key, value in body.items() if key not in _ENVELOPE}
        return dumps(body)


def _likely(message: Mapping[str, Json]) -> Dialect:
    """The dialect that an undecided peer's message is in, if it is in any."""
    type_ = message.get("type")
    if isinstance(type_, str) and _FLAT.knows(type_):
        return _FLAT
    return _CAMEL if "workflowId" in message else _SNAKE


def _object(text: str) -> Mapping[str, Json]:
    try:
        message = loads(text)
    except BadJson:
        return {}
    return message if isinstance(message, dict) else {}


def _text(value: Json) -> str | None:
    """An id as far as it can be said back."""
    if not isinstance(value, str | int) or isinstance(value, bool):
        return None
    text = str(value)
    return text if 0 < len(text) <= MAX_ID_CHARS else None
