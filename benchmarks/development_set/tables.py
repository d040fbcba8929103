"""What the development set's tables say: metaphases, colour views, and what each chromosome is in each.

A *view* shows two of a metaphase's fluorochromes as red and green, which turns a many-colour
metaphase into a picture of painted chromosomes. In a view, normal chromosomes count where they are
painted, and translocations where the change of colour shows.
"""

from __future__ import annotations

import csv
import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Verdict = Literal["normal", "aberration", "excluded"]
DAPI = "D"


@dataclass(frozen=True)
class View:
    """Two planes shown as red and green."""

    name: str
    red: str
    green: str

    @property
    def channels(self) -> dict[str, str]:
        """The upload's channel rule: the last letter of a file's name is its plane."""
        return {"red": f"*{self.red}.tif", "green": f"*{self.green}.tif", "dapi": f"*{DAPI}.tif"}

    def files(self, folder: Path, metaphase: str) -> list[Path]:
        """The three planes of a metaphase."""
        return [folder / f"{metaphase}{plane}.tif" for plane in (self.red, self.green, DAPI)]


@dataclass(frozen=True)
class Chromosome:
    """One labelled chromosome; `instance` is its number in the masks.

    `views` are those in which it counts: painted ones of a normal chromosome, those that show the
    junction of a translocation.
    """

    instance: int
    label: str
    views: frozenset[str]

    def verdict(self, view: str) -> Verdict | None:
        """What to say of it in a view; None leaves it without a verdict."""
        if self.label == "uncertain":
            return "excluded"
        if view not in self.views:
            return None
        return "normal" if self.label == "normal" else "aberration"


@dataclass(frozen=True)
class Metaphase:
    """One cell; `masks` is None where nobody drew any."""

    name: str
    masks: Path | None
    chromosomes: tuple[Chromosome, ...]


@dataclass(frozen=True)
class Slide:
    """All cells of a slide, which are always in one split, and how they can be viewed.

    `repeated` names cells whose pictures are those of another cell in `metaphases`, byte for byte: the
    service stores one image for both, and each chromosome must count once.
    """

    name: str
    split: str
    images: Path
    views: tuple[View, ...]
    metaphases: tuple[Metaphase, ...]
    repeated: tuple[str, ...] = ()

    @property
    def drawn(self) -> tuple[Metaphase, ...]:
        """Cells with masks."""
        return tuple(one for one in self.metaphases if one.masks is not None)

    @property
    def undrawn(self) -> tuple[Metaphase, ...]:
        """Cells without."""
        return tuple(one for one in self.metaphases if one.masks is None)


def read_slides(folder: Path, *, unpainted: bool = False) -> list[Slide]:
    """Read the tables.

    Parameters
    ----------
    folder
        Holds ``metaphases.csv``, ``chromosomes.csv``, ``views.json``, ``images`` and ``masks``.
    unpainted
        Whether a normal chromosome also counts in views that show it in DAPI alone.

    Raises
    ------
    ValueError
        A slide is in two subsets.
    """
    views = json.loads((folder / "views.json").read_text(encoding="utf-8"))["views"]
    everywhere = {view["name"] for of_set in views.values() for view in of_set} if unpainted else set()
    chromosomes = _chromosomes(folder / "chromosomes.csv", everywhere)
    rows: dict[str, list[dict[str, str]]] = defaultdict(list)
    for row in _rows(folder / "metaphases.csv"):
        rows[row["slide"]].append(row)
    return [_slide(folder, name, rows[name], views, chromosomes) for name in sorted(rows)]


def expected_counts(slides: Iterable[Slide]) -> dict[str, Counter[str]]:
    """How many crops of each class the tables promise, by split."""
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for slide in slides:
        for view in slide.views:
            for metaphase in slide.drawn:
                verdicts = (chromosome.verdict(view.name) for chromosome in metaphase.chromosomes)
                counts[slide.split].update(verdict for verdict in verdicts if verdict is not None)
    return dict(counts)


def _slide(
    folder: Path,
    name: str,
    rows: list[dict[str, str]],
    views: Mapping[str, list[dict[str, str]]],
    chromosomes: Mapping[str, tuple[Chromosome, ...]],
) -> Slide:
    splits = {row["subset"] for row in rows}
    if len(splits) > 1:
        raise ValueError(f"Slide {name} is in {len(splits)} subsets; a slide belongs to one.")
    images = folder / "images" / name
    metaphases, repeated = [], []
    seen: set[bytes] = set()
    for row in rows:
        picture = (images / f"{row['metaphase']}{DAPI}.tif").read_bytes()
        if picture in seen:
            repeated.append(row["metaphase"])
            continue
        seen.add(picture)
        masks = folder / "masks" / f"{row['metaphase']}.tif"
        found = chromosomes.get(row["metaphase"], ())
        metaphases.append(Metaphase(row["metaphase"], masks if masks.exists() else None, found))
    return Slide(
        name,
        splits.pop(),
        images,
        tuple(View(view["name"], view["red"], view["green"]) for view in views[rows[0]["probe_set"]]),
        tuple(metaphases),
        tuple(repeated),
    )


def _chromosomes(file: Path, everywhere: set[str]) -> dict[str, tuple[Chromosome, ...]]:
    found: dict[str, list[Chromosome]] = defaultdict(list)
    for row in _rows(file):
        views = row["visible_views"] if row["label"] == "translocation" else row["painted_views"]
        counting = set(views.split()) | (everywhere if row["label"] == "normal" else set())
        chromosome = Chromosome(int(row["instance_id"]), row["label"], frozenset(counting))
        found[row["metaphase"]].append(chromosome)
    return {metaphase: tuple(chromosomes) for metaphase, chromosomes in found.items()}


def _rows(file: Path) -> list[dict[str, str]]:
    with file.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))
