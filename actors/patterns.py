r"""What a regular expression may cost, told from its text before anything compiles it.

The engine takes linear time, but compiles each pattern whenever it is asked, in code that nothing interrupts, and eight
characters (`\w{1000}`) take it 0.3 s. So the atoms are counted as often as their repetitions write them out, and
weighed by kind, as measured with common-expression-language 0.10 on the machine of the README's figures. This is no
parser: what it does not know counts as a character.
"""

import math
import re
from typing import Final

import attrs

__all__ = ["Cost", "cost"]

MAX_LENGTH: Final = 1_000
"""Characters of a pattern; a longer one is not even weighed."""

BASE_US: Final = 10.0
CHARACTER_US: Final = 0.5
OPTIONAL_US: Final = 10.0
"""More for each `?`, `*`, `|`: a state that may be passed by."""
CLASS_US: Final = 10.0
NARROW_US: Final = 50.0
"""`.`, `\\d`, `\\s`, `[^a]`."""
WIDE_US: Final = 450.0
"""`\\w`, `\\b`, `\\pL`: most of Unicode."""

SCAN_US: Final = 0.015
"""For each character of the text and each atom, at worst."""

_TOKEN: Final = re.compile(
    r"""
      (?P<class>   \[ \^? \]? (?: \\. | \[:\^?\w+:\] | [^\]\\] )* \] )
    | (?P<open>    \( (?: \?P?<\w+> | \? [A-Za-z-]* [:)] )? )
    | (?P<close>   \) )
    | (?P<count>   \{ \s* (?P<least>\d*) \s* (?: , \s* (?P<most>\d*) \s* )? \} )
    | (?P<pass>    [?*+|] )
    | (?P<wide>    \\[wWbB] | \\[pP] (?: \{[^}]*\} | . ) )
    | (?P<narrow>  \\[dDsS] | \. )
    | (?P<one>     \\. | . )
    """,
    re.VERBOSE | re.DOTALL,
)


@attrs.frozen
class Cost:
    """An estimate."""

    compile_us: float
    """Microseconds before it looks at any text."""
    atoms: float
    """What it looks for, written out."""

    def scan_us(self, length: int) -> float:
        """Microseconds for a text of this many characters."""
        return 0.0 if not length else length * SCAN_US * (1 + self.atoms)


@attrs.define
class _Sum:
    us: float = 0.0
    atoms: float = 0.0

    def add(self, other: "_Sum", times: float = 1.0) -> None:
        self.us += other.us * times
        self.atoms += other.atoms * times


def cost(pattern: str) -> Cost:
    """What a pattern may cost; it need not be right."""
    if len(pattern) > MAX_LENGTH:
        return Cost(math.inf, math.inf)
    groups = [_Sum()]
    last = _Sum()
    for token in _TOKEN.finditer(pattern):
        text = token.group()
        match token.lastgroup:
            case "open" if not text.endswith(")"):
                groups.append(_Sum())
                continue
            case "close" if len(groups) > 1:
                last = groups.pop()
            case "count" | "least" | "most":
                counts = [int(count[:6]) for count in (token["least"], token["most"]) if count]
                # Once it is counted already.
                groups[-1].add(last, max(counts, default=1) - 1)
                continue
            case "pass":
                groups[-1].us += OPTIONAL_US
                last = _Sum(last.us + OPTIONAL_US, last.atoms)
                continue
            case "class":
                wide = len(re.findall(r"\\[wWpP]|\[:", text))
                last = _Sum(CLASS_US + wide * WIDE_US + (NARROW_US if "\\" in text or "^" in text[:2] else 0.0), 1.0)
            case "wide":
                last = _Sum(WIDE_US, 1.0)
            case "narrow":
                last = _Sum(NARROW_US, 1.0)
            case _:
                last = _Sum(CHARACTER_US, 1.0)
        groups[-1].add(last)
    total = _Sum(BASE_US)
    for group in groups:
        total.add(group)
    flags = "".join(re.findall(r"\(\?([a-zA-Z]*)", pattern))
    if "x" in flags:
        # Blanks are not what they seem then.
        return Cost(math.inf, total.atoms)
    # Without regard to case every class is one of Unicode's.
    return Cost(total.us * (3 if "i" in flags else 1), total.atoms)
