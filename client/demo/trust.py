"""How far to trust a classifier: read from its manifest, held against the slides that are shown."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from client.figures import SplitFigures, figures_of
from client.records import ArtifactVersion


@dataclass(frozen=True, slots=True)
class Trust:
    """Sentences and figures about one classifier version.

    Attributes
    ----------
    ref
        ``name/version``.
    learnt_from
        The data set and what of it was learnt from.
    seen
        Whether the slides shown had a part in its making; empty where that cannot be told.
    figures
        By split and unit; empty for a classifier that nobody measured.
    """

    ref: str
    learnt_from: str
    seen: str
    figures: tuple[SplitFigures, ...]

    @property
    def headline(self) -> SplitFigures | None:
        """The figures that count most: of the test split per crop, else of any split there is."""
        ranked = [row for row in self.figures if row.unit == "crops"]
        return next((row for row in ranked if row.split == "test"), ranked[0] if ranked else None)


def trust_of(version: ArtifactVersion, slides: Iterable[str]) -> Trust:
    """Read a manifest; what it does not tell is left out.

    Parameters
    ----------
    slides
        Names of the slides whose metaphases are shown.
    """
    manifest = version.manifest
    return Trust(
        ref=f"{version.name}/{version.version}",
        learnt_from=_learnt_from(manifest),
        seen=_seen(manifest, sorted(set(slides))),
        figures=tuple(figures_of(manifest.get("metrics"))),
    )


def _learnt_from(manifest: Mapping[str, Any]) -> str:
    dataset, training = manifest.get("dataset") or {}, manifest.get("training") or {}
    name = (
        f"data set {dataset['name']}/{dataset.get('version', '?')}"
        if dataset.get("name")
        else "data that its manifest does not name"
    )
    parts = []
    if training.get("normal") is not None and training.get("aberration") is not None:
        parts.append(f"{training['normal']} normal and {training['aberration']} aberrant crops")
    if training.get("groups"):
        parts.append(f"slides {', '.join(map(str, training['groups']))}")
    return f"{name} ({'; '.join(parts)})" if parts else name


def _seen(manifest: Mapping[str, Any], slides: list[str]) -> str:
    """Say it where a slide shown had a part in training, or in choosing the threshold."""
    training = manifest.get("training") or {}
    held_out = manifest.get("held_out_groups") or {}
    learnt = [slide for slide in slides if slide in (training.get("groups") or ())]
    chosen = [slide for slide in slides if slide in (held_out.get("val") or ())]
    told = []
    if learnt:
        told.append(f"It learnt from {_slides(learnt)} shown here, so what it says of them proves nothing.")
    if chosen:
        told.append(
            f"It did not learn from {_slides(chosen)} shown here, but its threshold and the network to keep "
            "were chosen on them: expect it to do worse on slides of yours."
        )
    return " ".join(told)


def _slides(names: list[str]) -> str:
    return f"slide{'' if len(names) == 1 else 's'} {', '.join(names)}"
