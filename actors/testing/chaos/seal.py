"""Two runs that are alike: everything random comes from one seed, and the garbage collector stays out of it.

`random`, its unseeded instances, `os.urandom`, `secrets` and `uuid.uuid4` are sealed. Not sealed are the wall clock,
which is the world's to give, and the order of a set, which is the code's to avoid.
"""

import gc
import os
import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ["sealed"]


@contextmanager
def sealed(seed: int = 0) -> Iterator[None]:
    """Within it, whoever asks for randomness gets that of the seed. All is as it was afterwards."""
    source = random.Random(seed)
    module: Any = random
    state = random.getstate()
    kept = os.urandom, module._urandom, random.Random.seed  # noqa: SLF001  `secrets` and SystemRandom draw from it
    collecting = gc.isenabled()

    def seeded(self: random.Random, a: Any = None, version: int = 2) -> None:
        kept[2](self, source.getrandbits(64) if a is None else a, version)

    os.urandom = module._urandom = source.randbytes  # noqa: SLF001  as above
    module.Random.seed = seeded
    random.seed(seed)
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()
        os.urandom, module._urandom, module.Random.seed = kept  # noqa: SLF001  as above
        random.setstate(state)
