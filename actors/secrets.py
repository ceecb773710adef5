"""Secrets: what expressions and nodes may use, and nobody may read – and how they are blotted out of all that is said.

`secrets.X` is the environment variable `CALLBOARD_SECRET_X`, read once when a runtime opens.

Theory of operation: what a node says becomes state in few places – its result and ports, variables, log lines, errors,
progress, questions, `once` results, items of loops – and each of them asks `blot` or `blot_json` *before* it does. So
the journal, the hub and every client get the same text, and a run that goes on after a crash sees what it saw before.
Names that become keys (of a `once`, a sleep, a variable, an artifact) are not blotted, which could make two into one,
but refused. A runtime without secrets asks one `if` each time.

A secret counts as said when its value stands anywhere in a text, as it is or encoded: for JSON or as a Python literal
(once or twice), for URLs and HTML, in hexadecimal or base64 (also amid other data, as in `Basic` authorization); and,
in texts for people, when the text was cut behind its first eight characters. Of one with several lines each line
counts. Whoever reverses, hashes or encrypts one can say the outcome. What a client itself writes into its graph stays
there.

A key of fifty lines has some 450 forms, and a result some megabytes, on the thread that serves everybody. So all forms
are looked for at once, by an Aho–Corasick automaton: the time grows with the text, not with the forms. It works on
UTF-8, in which no character begins amid another one. Beginnings at a cut are looked for in the same way, by their first
eight characters, and only as far before the cut as the longest form goes.
"""

import base64
import html
import json
import logging
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Final
from urllib.parse import quote, quote_plus

import orjson
from ahocorasick_rs import BytesAhoCorasick, MatchKind

from actors.errors import NodeError, SettingsError, UnknownSecret
from protocol.messages import Json

__all__ = ["MARK", "MIN_LENGTH", "NO_SECRETS", "PREFIX", "BlottingFormatter", "Secrets", "is_set", "quoted", "unknown"]

PREFIX: Final = "CALLBOARD_SECRET_"
"""Of the environment variables."""

MARK: Final = "***"
"""Stands where a secret stood."""

MIN_LENGTH: Final = 8
"""Characters; a shorter one stands in too many texts by chance to be blotted out of all of them."""

CUT: Final = "…"
"""Behind a text that was cut, everywhere here."""

MAX_CUTS: Final = 8
"""Places, from the end, at which a text is looked at as cut: callboard cuts one text once or twice."""


_MARK: Final = MARK.encode()

_NUMERIC: Final = frozenset("0123456789+-.e")
"""What numbers are spelled with."""


def is_set(name: str, environ: Mapping[str, str] | None = None) -> bool:
    """Whether the environment has this secret."""
    return bool((os.environ if environ is None else environ).get(f"{PREFIX}{name}"))


def quoted(text: str, limit: int) -> str:
    """The text as a Python literal, for an error; a longer one is cut, and marked so that `Secrets.blot` sees it."""
    return repr(text if len(text) <= limit else f"{text[:limit]}{CUT}")


def _fault(value: str) -> str:
    """Why a secret can not be kept; "" if it can."""
    if len(value.strip()) < MIN_LENGTH:
        return (
            f"a secret needs {MIN_LENGTH} characters: a shorter one can not be blotted out of texts in which it stands "
            f"by chance"
        )
    if any("\ud800" <= char <= "\udfff" for char in value):
        return "a secret is text in UTF-8; encode other bytes, in base64 for instance"
    return ""


def _encoded(text: str) -> bytes:
    """UTF-8, also of a half of a surrogate pair."""
    return text.encode(errors="surrogatepass")


def _automaton(forms: Iterable[bytes]) -> BytesAhoCorasick:
    """Finds what the leftmost form is and, of those that begin there, the longest: what holds another goes whole."""
    return BytesAhoCorasick(forms, matchkind=MatchKind.LeftmostLongest)


class Secrets(Mapping[str, str]):
    """Name → value. Falsy without any; its `repr` has names only.

    Args:
        values: by name, each of `MIN_LENGTH` characters at least.

    Raises:
        SettingsError: some are too short, or no text; all of them are named.
    """

    def __init__(self, values: Mapping[str, str] | None = None) -> None:
        self._values = dict(values or {})
        faults = [
            f"{PREFIX}{name}: {fault}" for name, value in sorted(self._values.items()) if (fault := _fault(value))
        ]
        if faults:
            raise SettingsError("\n".join(faults))
        forms: set[str] = set()
        for value in self._values.values():
            forms |= _forms(value)
        self._longest = max(map(len, forms), default=0)
        self._text = _automaton(map(_encoded, forms))
        self._json = _automaton({orjson.dumps(form)[1:-1] for form in forms})
        self._numeric = any(_NUMERIC.issuperset(form) for form in forms)
        begun: dict[bytes, list[bytes]] = {}
        for form in forms:
            begun.setdefault(_encoded(form[:MIN_LENGTH]), []).append(_encoded(form))
        self._begun_by = list(begun.values())
        # Of the standard kind, which finds those that overlap as well.
        self._beginnings = BytesAhoCorasick(begun)

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] | None = None) -> "Secrets":
        """Those of an environment, default: the process's. An empty variable counts as not set.

        Raises:
            SettingsError: as above.
        """
        environ = os.environ if environ is None else environ
        return cls(
            {key.removeprefix(PREFIX): value for key, value in environ.items() if key.startswith(PREFIX) and value}
        )

    def __getitem__(self, name: str) -> str:
        try:
            return self._values[name]
        except KeyError:
            raise UnknownSecret(unknown(name)) from None

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __bool__(self) -> bool:
        return bool(self._values)

    def __repr__(self) -> str:
        return f"Secrets({', '.join(sorted(self._values))})"

    def blot(self, text: str, limit: int | None = None) -> str:
        """A text for people without any secret, nor the beginning of one at which it was cut.

        Args:
            text: of any length.
            limit: characters of `text`: what stands behind them is left out, and not searched. The mark of a secret
                that begins before it may stand across it.
        """
        if not self._values:
            return text
        text = self._without(text, limit)
        end = len(text)
        for _ in range(MAX_CUTS):
            if (length := self._begun(text, end)) > 0:
                text = f"{text[: end - length]}{MARK}{text[end:]}"
            if (end := text.rfind(CUT, 0, end - length)) < 0:
                break
        return text

    def blot_json(self, value: Json, text: bytes | None = None) -> Json:
        """JSON without any secret: in its texts, its keys and its numbers.

        Args:
            value: of lists, dicts, texts, numbers and constants; not changed.
            text: how `orjson` spells it, if that is known.
        """
        if not self._values or not self._json.find_matches_as_indexes(orjson.dumps(value) if text is None else text):
            return value
        return self._blotted(value)

    def refuse_in(self, name: str, what: str) -> str:
        """The name, which becomes a key.

        Raises:
            NodeError: code `bad_name`: a secret is in it.
        """
        if self._values and self._text.find_matches_as_indexes(_encoded(name)):
            raise NodeError(f"the name of {what} holds a secret: it is kept, so choose another", code="bad_name")
        return name

    def _blotted(self, value: Json) -> Json:
        match value:
            case str():
                return self._without(value)
            case Mapping():
                return {self._without(key): self._blotted(member) for key, member in value.items()}
            case list() | tuple():
                return [self._blotted(member) for member in value]
            case int() | float() if self._numeric and not isinstance(value, bool):
                return MARK if self._json.find_matches_as_indexes(orjson.dumps(value)) else value
        return value

    def _without(self, text: str, limit: int | None = None) -> str:
        """The text up to the limit with marks for the secrets that begin before it; of two the longer one."""
        if len(text) < MIN_LENGTH:
            return text[:limit]
        if limit is None or limit >= len(text):
            data = _encoded(text)
            kept = len(data)
        else:
            # As much more as the longest needs to be whole.
            data = _encoded(text[: limit + self._longest])
            kept = len(_encoded(text[:limit]))
        found = self._text.find_matches_as_indexes(data)
        if not found:
            return text[:limit]
        parts: list[bytes] = []
        at = 0
        for _, begin, end in found:
            if begin >= kept:
                break
            parts += (data[at:begin], _MARK)
            at = end
        parts.append(data[at:kept])
        return b"".join(parts).decode(errors="surrogatepass")

    def _begun(self, text: str, end: int) -> int:
        """How many characters right before `end` are the beginning of a secret; 0 if fewer than `MIN_LENGTH`."""
        data = _encoded(text[max(0, end - self._longest) : end])
        size = len(data)
        for which, begin, _ in self._beginnings.find_matches_as_indexes(data, overlapping=True):
            for form in self._begun_by[which]:
                if len(form) >= size - begin and form.startswith(data[begin:]):
                    return len(data[begin:].decode(errors="surrogatepass"))
        return 0


NO_SECRETS: Final = Secrets()


class BlottingFormatter(logging.Formatter):
    """Formats records of the program's own log without any secret, tracebacks included.

    Args:
        secrets: to be blotted out.
        form: as `logging.Formatter` takes it.
    """

    def __init__(self, secrets: Secrets, form: str | None = None) -> None:
        super().__init__(form)
        self._secrets = secrets

    def format(self, record: logging.LogRecord) -> str:
        """The record as text."""
        return self._secrets.blot(super().format(record))


def unknown(name: str) -> str:
    """What to do about a secret that is not there."""
    return f"there is no secret {name!r}: set {PREFIX}{name} in the environment of the server, and start it again"


def _forms(value: str) -> set[str]:
    """How a secret may be spelled."""
    plain = {value, value.strip()}
    if "\n" in value:
        plain |= {line.strip() for line in value.splitlines() if not line.startswith("-----")}
    forms: set[str] = set()
    for text in plain:
        if len(text) < MIN_LENGTH:
            continue
        data = text.encode(errors="surrogateescape")
        once = _literals(text)
        forms |= {text, repr(data)[2:-1]} | once | {twice for each in once for twice in _literals(each)}
        forms |= {html.escape(text), html.escape(text, quote=False), data.hex(), data.hex().upper()}
        quoted = {quote(data, safe=""), quote(data), quote_plus(data)}
        forms |= quoted | {re.sub("%..", lambda spot: spot[0].lower(), each) for each in quoted}
        for before in range(3):
            for encode in (base64.b64encode, base64.urlsafe_b64encode):
                # The digits that hold bits of what stands before or behind are left out.
                digits = encode(b"\0" * before + data).rstrip(b"=").decode()
                whole = (before + len(data)) * 8 // 6
                forms.add(digits[-(-before * 8 // 6) : whole])
    return {form for form in forms if len(form) >= MIN_LENGTH}


def _literals(text: str) -> set[str]:
    """How JSON and Python spell a text between its quotes; in Python that depends on the text around it."""
    return {json.dumps(text, ensure_ascii=only)[1:-1] for only in (False, True)} | {
        repr(text)[1:-1],
        repr(f'"{text}')[2:-1],
    }
