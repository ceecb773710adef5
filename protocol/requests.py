"""What a request id means: which command is the same one again, and which run a start gives.

A request id is of one session, so it counts together with the session's id. The run id of a start follows from both:
whoever starts a run with a request id knows its events from everybody else's, and may ask again whatever was lost.
"""

import hashlib

__all__ = ["request_key", "run_id_of"]


def request_key(session_id: str, request_id: str) -> str:
    """The name of a request among those of all sessions."""
    return hashlib.sha256(f"{session_id}\0{request_id}".encode(errors="surrogatepass")).hexdigest()[:24]


def run_id_of(session_id: str, request_id: str) -> str:
    """The run id of a start with a request id: the same start is the same run, whatever happened in between."""
    return f"r-{request_key(session_id, request_id)}"
