"""The human chromosomes: how long each is beside the others, and where its centromere lies."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final


@dataclass(frozen=True)
class ChromosomeClass:
    """Proportions of one chromosome in metaphase.

    Attributes
    ----------
    relative_length
        As a share of chromosome 1's length.
    centromere
        Share of the length that its short arm takes.
    """

    relative_length: float
    centromere: float


# Sequence lengths of the human reference genome (GRCh38), and the middle of each centromere in it. A
# chromosome's length in metaphase follows its DNA closely.
_MEGABASES: Final = {
    "1": (248.9, 123.4),
    "2": (242.2, 93.9),
    "3": (198.3, 90.9),
    "4": (190.2, 50.0),
    "5": (181.5, 48.8),
    "6": (170.8, 59.8),
    "7": (159.3, 60.1),
    "8": (145.1, 45.2),
    "9": (138.4, 43.0),
    "10": (133.8, 39.8),
    "11": (135.1, 53.4),
    "12": (133.3, 35.5),
    "13": (114.4, 17.7),
    "14": (107.0, 17.2),
    "15": (102.0, 19.0),
    "16": (90.3, 36.8),
    "17": (83.3, 25.1),
    "18": (80.4, 18.5),
    "19": (58.6, 26.2),
    "20": (64.4, 28.1),
    "21": (46.7, 12.0),
    "22": (50.8, 15.0),
    "X": (156.0, 61.0),
    "Y": (57.2, 10.4),
}

KARYOTYPE: Final[Mapping[str, ChromosomeClass]] = MappingProxyType(
    {
        name: ChromosomeClass(length / _MEGABASES["1"][0], centromere / length)
        for name, (length, centromere) in _MEGABASES.items()
    }
)
