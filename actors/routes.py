"""Which HTTP call is answered by what: one table, and the status of every error.

Theory of operation: the table is the whole interface. A path that is in it with another method is 405 and says which
methods it has, one that is not is 404; HEAD is answered as GET (the body is left out where it is sent), OPTIONS by the
table itself. A handler raises what it likes: errors of callboard become their status by the second table, and anything
else is a bug, logged with its traceback and told as 500.
"""

import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Final, TypeAlias
from urllib.parse import unquote

from actors import node_calls, run_calls, server_calls
from actors.call import Call, payload
from actors.commands import Commands
from actors.errors import ActorsError, Busy, RunActive, ShuttingDown, UnknownRun
from actors.http import HttpError, Request, Response
from protocol.errors import BadField, InvalidWorkflow, ProtocolError
from protocol.messages import Json, StartRefused

__all__ = ["Routes"]

Handler: TypeAlias = Callable[[Call], Response | Awaitable[Response]]

ROUTES: Final[tuple[tuple[str, str, Handler], ...]] = (
    ("GET", "/", server_calls.page),
    ("GET", "/ws", server_calls.upgrade_needed),
    ("GET", "/ws/{session_id}", server_calls.upgrade_needed),
    ("GET", "/health", server_calls.health),
    ("GET", "/metrics", server_calls.metrics),
    ("GET", "/api/connections", server_calls.connections),
    ("POST", "/api/broadcast", server_calls.broadcast),
    ("GET", "/api/kinds", server_calls.kinds),
    ("GET", "/api/schema", server_calls.messages),
    ("GET", "/api/runs", run_calls.runs),
    ("POST", "/api/runs", run_calls.start),
    ("GET", "/api/runs/{run_id}", run_calls.snapshot),
    ("GET", "/api/runs/{run_id}/graph", run_calls.graph),
    ("GET", "/api/runs/{run_id}/events", run_calls.events),
    ("POST", "/api/runs/{run_id}/{action:pause,resume,stop,breakpoints}", run_calls.control),
    ("GET", "/api/runs/{run_id}/profile", node_calls.profile),
    ("GET", "/api/runs/{run_id}/nodes/{node_id}", node_calls.node),
    ("GET", "/api/runs/{run_id}/nodes/{node_id}/result", node_calls.result),
    ("GET", "/api/runs/{run_id}/nodes/{node_id}/executions", node_calls.executions),
    ("GET", "/api/runs/{run_id}/artifacts", node_calls.artifacts),
    ("GET", "/api/runs/{run_id}/artifacts/{name}", node_calls.artifact),
)

STATUSES: Final[tuple[tuple[type[Exception], int], ...]] = (
    (InvalidWorkflow, 422),
    (BadField, 422),
    (ProtocolError, 400),
    (RunActive, 409),
    (UnknownRun, 404),
    (ShuttingDown, 503),
    (Busy, 503),
    (ActorsError, 500),
)
"""The first class that fits."""

logger = logging.getLogger(__name__)


class Routes:
    """The answers of one server.

    Args:
        commands: what is served.
    """

    def __init__(self, commands: Commands) -> None:
        self._commands = commands

    async def answer(self, request: Request, body: bytes) -> Response:
        """The response to a request that was admitted.

        Raises:
            HttpError: it is answered with an error.
        """
        found = _match(request.path)
        if not found:
            raise HttpError(404, "not_found", f"nothing is at {request.path[:200]}")
        allowed = ", ".join(sorted({*found, "OPTIONS", *(("HEAD",) if "GET" in found else ())}))
        if request.method == "OPTIONS":
            return Response(status=204, headers={"Allow": allowed})  # noqa: ASYNC910  a look-up
        method = "GET" if request.method == "HEAD" else request.method
        if method not in found:
            raise HttpError(405, "method_not_allowed", f"only {allowed}", headers={"Allow": allowed})
        handler, params = found[method]
        try:
            answered = handler(Call(commands=self._commands, request=request, params=params, body=body))
            return answered if isinstance(answered, Response) else await answered  # noqa: ASYNC910  a look-up
        except HttpError:
            raise
        except Exception as error:
            raise _as_http(error) from error


def _match(path: str) -> Mapping[str, tuple[Handler, Mapping[str, str]]]:
    """Method → handler and parameters, of all rows that a path fits."""
    segments = path.split("/")
    found: dict[str, tuple[Handler, Mapping[str, str]]] = {}
    for method, pattern, handler in ROUTES:
        params = _params(pattern.split("/"), segments)
        if params is not None:
            found[method] = (handler, params)
    return found


def _params(pattern: list[str], segments: list[str]) -> dict[str, str] | None:
    if len(pattern) != len(segments):
        return None
    params: dict[str, str] = {}
    for wanted, segment in zip(pattern, segments, strict=True):
        if wanted.startswith("{"):
            name, _, choices = wanted[1:-1].partition(":")
            if not segment or (choices and segment not in choices.split(",")):
                return None
            # Split first, then decode: an encoded slash is part of a name.
            params[name] = unquote(segment)
        elif wanted != segment:
            return None
    return params


def _as_http(error: Exception) -> HttpError:
    if isinstance(error, BadField):
        # A body is the payload of a command, so that is what its paths begin in.
        error = BadField([(path.removeprefix("payload."), text) for path, text in error.faults])
    for kind, status in STATUSES:
        if isinstance(error, kind):
            return HttpError(status, getattr(error, "code", "error"), str(error), **_details(error))
    logger.error("an HTTP call failed", exc_info=error)
    return HttpError(500, "internal_error", "internal error")


def _details(error: Exception) -> Mapping[str, Json]:
    match error:
        case InvalidWorkflow():
            refused = StartRefused(code=error.code, error=str(error), problems=error.problems)
            return {"errors": payload(refused)["errors"]}
        case BadField():
            return {"paths": list(error.paths)}
        case RunActive():
            return {"run_id": error.run_id}
    return {}
