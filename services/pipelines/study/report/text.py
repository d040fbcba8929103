"""The sentences of a study's report: what helped, worked out from its comparisons."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final

from services.pipelines.study.report.blocks import Callout, Point, Tone
from services.pipelines.study.report.reading import (
    ALL,
    SPLITS,
    VERDICTS,
    Reading,
    bracketed,
    difference,
    judged,
    spread,
)
from services.pipelines.study.report.tables_arms import (
    PAPERS_ARM,
    Pair,
    shown_of,
)

QUICK: Final = "A quick study: it shows that every part works, and proves nothing."
SIMULATED: Final = "Simulated data: nothing here was measured on real cells."
# What the summary tells; the tables have more pairs.
_FILTER: Final[tuple[Pair, ...]] = (
    (PAPERS_ARM, "augmented-bbdm"),
    (PAPERS_ARM, "augmented-bbdm-random"),
)
_REMEDIES: Final[tuple[Pair, ...]] = (
    ("augmented-weights", "augmented"),
    ("augmented-oversampled", "augmented"),
    (PAPERS_ARM, "augmented-oversampled"),
)
_PAINTED: Final[tuple[Pair, ...]] = (
    ("augmented-painted", "augmented"),
    ("augmented-painted-filtered", "augmented-painted"),
    ("oversampled-painted", "augmented-oversampled"),
)
_LEFT_OUT: Final = ("augmented-bbdm", "augmented-painted", "oversampled-painted")
_PLAIN: Final[tuple[Pair, ...]] = (("real-bbdm", "real"), ("real-cyclegan", "real"))
_ANSWERS: Final = MappingProxyType(
    {
        ("better", "better"): ("Synthetic crops helped, per crop and per chromosome", "better"),
        ("worse", "worse"): ("Synthetic crops made it worse, per crop and per chromosome", "worse"),
        ("open", "open"): ("Synthetic crops are not shown to help", "open"),
        ("better", "open"): ("Synthetic crops helped per crop; per chromosome that is not shown", "better"),
        ("open", "better"): ("Synthetic crops helped per chromosome; per crop that is not shown", "better"),
        ("worse", "open"): (
            "Synthetic crops made it worse per crop; per chromosome nothing is shown",
            "worse",
        ),
        ("open", "worse"): (
            "Synthetic crops made it worse per chromosome; per crop nothing is shown",
            "worse",
        ),
        ("better", "worse"): ("Synthetic crops helped per crop and made it worse per chromosome", "open"),
        ("worse", "better"): ("Synthetic crops helped per chromosome and made it worse per crop", "open"),
    }
)


def banner(reading: Reading) -> str:
    """Say what has to stand on every page: of quick studies and of simulated data; else nothing."""
    quick = bool(reading.study.get("proves_nothing")) or reading.study.get("size") == "quick"
    return " ".join(
        text for text, holds in ((QUICK, quick), (SIMULATED, bool(reading.study.get("simulated")))) if holds
    )


def question_arm(reading: Reading) -> str | None:
    """The arm with synthetic crops that the answer is about: the paper's, else the first that there is."""
    compared = [
        str(arm["name"])
        for arm in reading.listed("arms")
        if arm.get("synthetic") and _compared(reading, str(arm["name"]), reading.reference)
    ]
    return PAPERS_ARM if PAPERS_ARM in compared else next(iter(compared), None)


def _compared(reading: Reading, arm: str, other: str) -> bool:
    return reading.comparison(arm, other, split=reading.split) is not None


def answer(reading: Reading) -> Callout:
    """Answer whether synthetic crops help on these data, in no stronger words than the intervals allow."""
    arm = question_arm(reading)
    if arm is None:
        text = (
            "No arm with synthetic crops was compared with the reference, so this study says nothing about "
            "them."
        )
        return Callout("Nothing to compare", text)
    verdicts = tuple(
        judged(reading.comparison(arm, reading.reference, split=reading.split, unit=unit))
        for unit in ("crops", "chromosomes")
    )
    title, tone = _answer_of(verdicts)
    others = _others_better(reading, arm)
    if others and "better" not in verdicts:
        title = f"{title} in the arm asked about, but do in {len(others)} other{'s' * (len(others) > 1)}"
    if reading.split == "val":
        title, tone = f"On validation alone: {title[0].lower()}{title[1:]}", "open"
    if banner(reading):
        title, tone = f"{_reserve(reading)}: {title[0].lower()}{title[1:]}", "open"
    told = (
        f" Better per crop by F1 are {', '.join(_named(reading, one) for one in others)}." if others else ""
    )
    return Callout(f"{title}.", _answer_text(reading, arm) + told, tone)


def _others_better(reading: Reading, arm: str) -> list[str]:
    """Other arms with synthetic crops whose F1 per crop is shown to be better than the reference's."""
    synthetic = [str(one["name"]) for one in reading.listed("arms") if one.get("synthetic")]
    return [
        one
        for one in synthetic
        if one != arm and judged(reading.comparison(one, reading.reference, split=reading.split)) == "better"
    ]


def _answer_of(verdicts: tuple[str, ...]) -> tuple[str, Tone]:
    """Title and tone; one unit alone decides nothing where the other cannot be told."""
    known = tuple(verdict if verdict in {"better", "worse"} else "open" for verdict in verdicts)
    if set(verdicts) == {"unknown"}:
        return "Whether synthetic crops help cannot be told from this study", "open"
    title, tone = _ANSWERS[known[0], known[1]]
    return title, tone  # type: ignore[return-value]


def _reserve(reading: Reading) -> str:
    quick = "In a quick run that proves nothing" if QUICK in banner(reading) else ""
    simulated = "on simulated data" if reading.study.get("simulated") else ""
    text = ", ".join(part for part in (quick, simulated) if part)
    return f"{text[0].upper()}{text[1:]}"


def _answer_text(reading: Reading, arm: str) -> str:
    other = reading.reference
    told = [f"{_named(reading, arm)} against {_named(reading, other)}, {SPLITS[reading.split].lower()}."]
    for unit, name in (("crops", "Per crop"), ("chromosomes", "Per chromosome")):
        ours, theirs = (
            reading.summary(ALL, one, split=reading.split, unit=unit) or {} for one in (arm, other)
        )
        found = reading.comparison(arm, other, split=reading.split, unit=unit)
        told.append(
            f"{name} F1 is {spread(ours.get('f1'))} against {spread(theirs.get('f1'))}, "
            f"a difference of {difference(found)}: {VERDICTS[judged(found)]}{_over_seeds(found)}."
        )
    return " ".join(told)


def _over_seeds(found: Mapping[str, Any] | None) -> str:
    """Give the interval over seeds where it is what forbids a claim."""
    if found is None or judged(found) != "unsure":
        return ""
    return f", {bracketed(found['over_seeds'])}"


def _named(reading: Reading, arm: str) -> str:
    """An arm's title in quotation marks, since some hold commas."""
    return f"“{reading.titles.get(arm, arm)}”"


def findings(reading: Reading) -> tuple[Point, ...]:
    """What the comparisons say to each question, one point a question."""
    asked = (
        ("Lines that were left out.", _left_out(reading)),
        ("The filter.", _pairs(reading, _FILTER)),
        ("Simple remedies.", _pairs(reading, _REMEDIES)),
        ("Painted crops.", _pairs(reading, _PAINTED)),
        ("Without augmentation.", _pairs(reading, _PLAIN)),
        ("Fewer aberrations to learn from.", _fewer(reading)),
    )
    return tuple(Point(lead, text) for lead, text in asked if text)


def _pairs(reading: Reading, pairs: Sequence[Pair], *, condition: str = ALL, split: str = "") -> str:
    """Tell pairs of arms, each in a sentence that ends in what is shown."""
    split = split or reading.split
    told = []
    for arm, other in pairs:
        found = {
            unit: reading.comparison(arm, other, split=split, condition=condition, unit=unit)
            for unit in ("crops", "chromosomes")
        }
        if found["crops"] is None:
            continue
        names = f"{_named(reading, arm)} against {_named(reading, other)}"
        crops, chromosomes = (difference(one) for one in found.values())
        shown = shown_of(judged(found["crops"]), judged(found["chromosomes"]) if found["chromosomes"] else "")
        told.append(f"{names}: {crops} per crop, {chromosomes} per chromosome: {shown}.")
    return " ".join(told)


def _left_out(reading: Reading) -> str:
    told = []
    arms = dict.fromkeys((question_arm(reading) or "", *_LEFT_OUT))
    pairs = tuple((arm, reading.reference) for arm in arms if arm)
    for condition in reading.left_out:
        text = _pairs(reading, pairs, condition=condition, split="left_out")
        if text:
            told.append(f"{reading.condition_title(condition)}. {text}")
    return " ".join(told)


def _fewer(reading: Reading) -> str:
    arm = question_arm(reading)
    told = []
    for condition in reading.limited:
        found = reading.comparison(arm or "", reading.reference, split=reading.split, condition=condition)
        if found is not None:
            count = int(reading.conditions[condition]["max_aberrations"])
            told.append(f"with {count} {difference(found)} ({VERDICTS[judged(found)]})")
    if not told or arm is None:
        return ""
    names = f"{_named(reading, arm)} against {_named(reading, reading.reference)}"
    return f"F1 per crop of {names}: {'; '.join(told)}."
