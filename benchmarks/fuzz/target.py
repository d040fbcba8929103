"""What one format is to fuzzing: sound inputs, and what reads them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

ACCEPTED: Final = "accepted"


@dataclass(frozen=True)
class Target:
    """One format.

    Attributes
    ----------
    seeds
        Sound inputs; some are hostile in a known way.
    run
        Reads an input as the service would. It returns a code per file: `ACCEPTED`, or that of a named error
        which would be the client's fault. Any other exception leaves it, and is what fuzzing looks for.
    """

    seeds: Callable[[], Sequence[bytes]]
    run: Callable[[bytes], Sequence[str]]
