"""How far a study can be trusted, in sentences worked out from its counts, intervals and openings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from services.pipelines.card_text import line
from services.pipelines.study.report.blocks import Point
from services.pipelines.study.report.reading import ALL, SPLITS, Reading, judged, plural, share

_FEW_SLIDES: Final = 3
_FEW_CHROMOSOMES: Final = 30
_NAMED: Final = 8


def caveats(reading: Reading) -> tuple[Point, ...]:
    """How far the figures can be trusted."""
    made = (
        ("How much was tested.", _tested(reading)),
        ("Intervals.", _intervals(reading)),
        ("Luck.", _luck(reading)),
        ("The test split.", _opened(reading)),
        ("Seeds.", _seeds(reading)),
    )
    points = [Point(lead, text) for lead, text in made if text]
    points += [Point("Note.", line(note)) for note in reading.study.get("notes") or ()]
    return tuple(points)


def _tested(reading: Reading) -> str:
    counts = reading.counts(ALL, reading.split)
    aberrant = counts.get("aberration_chromosomes")
    if not counts:
        return ""
    slides = len(counts.get("groups") or ())
    told = (
        f"{SPLITS[reading.split]} holds {plural(counts.get('aberration') or 0, 'aberration')}"
        + (f" of {plural(aberrant, 'aberrant chromosome')}" if aberrant is not None else "")
        + (f" on {plural(slides, 'slide')}." if slides else ".")
    )
    if aberrant:
        told += f" One of these chromosomes is {share(1, aberrant)} of the recall per chromosome."
        if aberrant < _FEW_CHROMOSOMES:
            told += " That is few: another test set may well say something else."
    if slides and slides < _FEW_SLIDES:
        told += " So few slides say little of slides that are stained otherwise."
    return told


def _intervals(reading: Reading) -> str:
    if not reading.listed("comparisons"):
        return ""
    told = (
        "A difference counts as shown where its 95 % interval with slides and seeds drawn, and the one over "
        "seeds alone, both leave zero out. "
    )
    kinds = {str(one.get("resampled")) for one in _told_of(reading)}
    if any(kind.startswith("chromosome") for kind in kinds):
        told += (
            "Where too few slides hold aberrations, chromosomes were drawn within slides: such an interval "
            "does not hold what differs between slides, and is narrower than it should be. "
        )
    return f"{told}No difference shown does not mean that there is none."


def _told_of(reading: Reading) -> list[Mapping[str, Any]]:
    """Comparisons of what the report tells of: the test split, and lines left out."""
    return [
        one
        for one in reading.listed("comparisons")
        if one.get("split") in {reading.split, "left_out"}
        and one.get("metric") in {"f1", "average_precision"}
    ]


def _luck(reading: Reading) -> str:
    told = _told_of(reading)
    if not told:
        return ""
    clear = sum(judged(one) in {"better", "worse"} for one in told)
    return (
        f"About one of twenty intervals of 95 % leaves zero out by luck alone. {len(told):,} comparisons of "
        f"F1 and average precision were made; {clear:,} of them show a difference. Trust what crops, "
        "chromosomes and several conditions agree on."
    )


def _opened(reading: Reading) -> str:
    opened = reading.mapping("test_opened")
    if reading.split != "test":
        return (
            "It was not opened. The figures are those of validation, which also chose thresholds: they "
            "flatter."
        )
    earlier = [line(name) for name in opened.get("earlier_studies") or ()]
    told = (
        f"Each of {plural(opened.get('runs') or 0, 'network')} looked at it once; it chose no threshold, "
        "level or network."
    )
    if not earlier:
        return f"{told} No earlier study here had opened it."
    names = ", ".join(earlier[:_NAMED]) + (
        f" and {len(earlier) - _NAMED} more" if len(earlier) > _NAMED else ""
    )
    return (
        f"{told} It had been opened before, by {plural(len(earlier), 'earlier study', 'earlier studies')} "
        f"({names}): who chose this study's parameters after seeing those has tested on it more than once."
    )


def _seeds(reading: Reading) -> str:
    if reading.seeds == 1:
        return (
            "One network was trained in each arm, so nothing is known of how much another start changes, and "
            "no difference is called shown."
        )
    return (
        f"{plural(reading.seeds, 'network')} with different starts were trained in each arm; differences are "
        "between networks with the same start."
    )
