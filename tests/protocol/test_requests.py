"""Request ids: the same start is the same run, on both ends of the wire."""

from protocol.requests import run_id_of


def test_a_run_id_is_of_its_session_and_request():
    """The same start is the same run; session and request cannot be confused."""
    assert run_id_of("a", "b") == run_id_of("a", "b")
    assert len({run_id_of("a", "b"), run_id_of("ab", ""), run_id_of("", "ab"), run_id_of("b", "a")}) == 4
    assert run_id_of("\ud800", "")


def test_a_run_id_never_changes():
    """A client may ask again after an upgrade of the server; runs of the past keep their ids."""
    assert run_id_of("session", "request") == "r-67de8a4e9f226ee89705ff5e"
