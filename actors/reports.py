"""What a node's task says to its run: one `Outcome`, and on the way notes, log lines and questions.

Each is put into the run's mailbox as a report, which always fits. The value of an outcome has been through `to_json`.
"""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final

import attrs
import orjson

from actors.errors import NodeError
from actors.journal import Ticket
from actors.secrets import NO_SECRETS, Secrets
from protocol.messages import Json, Level, Waiting

if TYPE_CHECKING:
    from actors.node import NodeTask

__all__ = ["Asked", "LogLine", "Noted", "Outcome", "Rested", "Unasked", "describe", "to_json"]

MAX_ERROR: Final = 10_000
"""Characters of an error: it is said several times, and to everybody who hears the run."""


@attrs.frozen(eq=False)
class Outcome:
    """How an attempt ended. Exactly one of `value` and `error` means something, unless it was `interrupted`."""

    task: "NodeTask"
    value: object = None
    """The result as JSON, or a `Fired` whose values are JSON."""
    error: BaseException | None = None
    interrupted: bool = False
    cause: str | None = None
    """Why it was being cancelled when it reported. None: it was not, whatever it has been told since."""


@attrs.frozen(eq=False)
class Noted:
    """A note to be written; `written` is called with its ticket as soon as the journal has it (None: it is durable)."""

    key: str
    value: Json
    task: "NodeTask"
    written: Callable[[Ticket | None], None] | None = None


@attrs.frozen(eq=False)
class LogLine:
    """A line for the run's log."""

    task: "NodeTask"
    level: Level
    message: str
    context: Mapping[str, Json] | None


@attrs.frozen(eq=False)
class Asked:
    """A node waits for a person; `answer` is called with the value."""

    task: "NodeTask"
    key: str
    """Of the note that keeps the answer."""
    waiting: Waiting
    answer: Callable[[Json], None]


@attrs.frozen(eq=False)
class Unasked:
    """It does not wait for that answer any more."""

    task: "NodeTask"
    key: str


@attrs.frozen(eq=False)
class Rested:
    """A node that a pause may cut sleeps or waits for a person."""

    task: "NodeTask"


def describe(error: BaseException) -> str:
    """What a node raised, for people; whatever it is, and however long it says it."""
    name = type(error).__name__
    try:
        text = str(error)
    except Exception:  # noqa: BLE001  its author's mistake is not to be the run's
        return f"{name}, which can not be shown"
    if len(text) > MAX_ERROR:
        text = f"{text[:MAX_ERROR]}… ({len(text) - MAX_ERROR} characters more)"
    return text or name if isinstance(error, NodeError) else f"{name}: {text}"


def to_json(value: object, *, what: str, limit: int, secrets: Secrets = NO_SECRETS) -> Json:
    """The value as JSON says it, detached from the node's own objects: tuples are lists, NaN is null.

    Args:
        value: what a node said.
        what: names it in the error.
        limit: bytes of the text at most.
        secrets: blotted out of it.

    Raises:
        NodeError: code `bad_result` if JSON can not say it, `result_too_large` if it is over the limit.
    """
    if value is None or value is True or value is False:
        return value
    try:
        text = orjson.dumps(value)
    except (TypeError, ValueError, RecursionError) as error:
        raise NodeError(f"{what} is not JSON: {error}", code="bad_result") from error
    if len(text) > limit:
        raise NodeError(f"{what} has {len(text)} bytes as JSON; the limit is {limit}", code="result_too_large")
    said = orjson.loads(text)
    return secrets.blot_json(said, text) if secrets else said
