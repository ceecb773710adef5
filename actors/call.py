"""One HTTP call as a handler sees it, and what every handler uses to read and to answer."""

from collections.abc import Mapping
from typing import Final, NoReturn

import attrs

from actors.commands import Commands
from actors.http import HttpError, Request
from actors.runtime import Runtime
from protocol.dialects import DIALECTS
from protocol.dialects.text import loads
from protocol.errors import BadJson
from protocol.messages import Json, ServerMessage

__all__ = ["MAX_PAGE", "SNAKE", "Call", "bad_field", "payload"]

SNAKE: Final = DIALECTS["snake"]
"""Bodies are spelled as the payloads of this dialect."""

MAX_PAGE: Final = 1000
"""Rows or events of one answer."""


@attrs.frozen(kw_only=True, eq=False)
class Call:
    """One request that was admitted, its path matched and its body read."""

    commands: Commands
    request: Request
    params: Mapping[str, str]
    """What the path names, decoded."""
    body: bytes

    @property
    def runtime(self) -> Runtime:
        """What is served."""
        return self.commands.runtime

    def json(self) -> Mapping[str, Json]:
        """The body as a JSON object; none at all is an empty one.

        Raises:
            HttpError: 400.
        """
        try:
            value = loads(self.body) if self.body else {}
        except BadJson as error:
            raise HttpError(400, error.code, str(error)) from error
        if not isinstance(value, dict):
            raise HttpError(400, "bad_message", "the body must be a JSON object")
        return value

    def number(self, name: str, default: int, *, most: int | None = None) -> int:
        """A whole number of the query, not below 0; cut to `most`.

        Raises:
            HttpError: 400.
        """
        said = self.request.query.get(name, "")
        if not said:
            return default
        if not (said.isascii() and said.isdecimal()) or len(said) > len(str(2**63)):
            bad_field(name, "must be a whole number, 0 or more")
        return int(said) if most is None else min(int(said), most)


def bad_field(name: str, what: str) -> NoReturn:
    """Refuse a field of the query or the body."""
    raise HttpError(400, "bad_field", f"{name}: {what}", path=name)


def payload(message: ServerMessage) -> dict[str, Json]:
    """What a message says, in snake spelling, without its envelope but for the workflow it is about."""
    body = SNAKE.body(message)
    return {"workflow_id": body["workflow_id"], **body["payload"]}
