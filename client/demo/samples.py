"""What is known of the sample metaphases: the table in the README beside them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

README = "README.md"


@dataclass(frozen=True, slots=True)
class SampleNote:
    """What the owner of the images says of one metaphase.

    Attributes
    ----------
    karyotype
        In words; nobody has marked the single chromosomes.
    """

    slide: str
    karyotype: str

    @property
    def is_normal(self) -> bool:
        """Whether there is no translocation to be found."""
        return self.karyotype.startswith("normal")


def read_notes(samples: Path) -> dict[str, SampleNote]:
    """Notes by the metaphase's name; images of one's own have none."""
    try:
        lines = (samples / README).read_text(encoding="utf-8").splitlines()
    except OSError:
        return {}
    notes: dict[str, SampleNote] = {}
    header: list[str] = []
    for line in lines:
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if {"metaphase", "slide", "karyotype"} <= set(cells):
            header = cells
        elif len(cells) == len(header) and not line.startswith("|-"):
            row = dict(zip(header, cells, strict=True))
            notes[row["metaphase"]] = SampleNote(row["slide"], row["karyotype"])
    return notes
