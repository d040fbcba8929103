"""Tables that the paper does not have: every arm, differences with intervals, filters, lines left out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final

from services.pipelines.card_text import line
from services.pipelines.study.report.blocks import Row, Table, numbers, texts
from services.pipelines.study.report.reading import (
    ALL,
    FILTERS,
    GENERATORS,
    NONE,
    SPLITS,
    VERDICTS,
    Reading,
    difference,
    fixed,
    judged,
    share,
    spread,
    whole,
)
from services.pipelines.study.report.tables import SCORE_NOTE

Pair = tuple[str, str]

PAPERS_ARM: Final = "augmented-bbdm-filtered"
WITHOUT_AUGMENTATION: Final[tuple[Pair, ...]] = (
    ("real-bbdm", "real"),
    ("real-cyclegan", "real"),
    ("real-cyclegan", "real-bbdm"),
    ("real-painted", "real"),
)
FILTERING: Final[tuple[Pair, ...]] = (
    (PAPERS_ARM, "augmented-bbdm"),
    (PAPERS_ARM, "augmented-bbdm-random"),
    (PAPERS_ARM, "augmented-bbdm-mahalanobis"),
    (PAPERS_ARM, "augmented-bbdm-knn"),
    (PAPERS_ARM, "augmented-bbdm-probability"),
    ("augmented-painted-filtered", "augmented-painted"),
)
REMEDIES: Final[tuple[Pair, ...]] = (
    ("augmented-weights", "augmented"),
    ("augmented-oversampled", "augmented"),
    (PAPERS_ARM, "augmented-oversampled"),
    ("oversampled-bbdm-filtered", "augmented-oversampled"),
    ("oversampled-painted", "augmented-oversampled"),
    ("oversampled-painted-filtered", "augmented-oversampled"),
)
_SHORT: Final = MappingProxyType({**VERDICTS, "unsure": "not over seeds", "open": "not shown"})
_INTERVAL: Final = (
    "In brackets: 95 % interval of the mean difference over seeds, with slides and seeds drawn. Shown is "
    "what it and the interval over seeds alone agree on."
)
_SEEDS: Final = " Seeds: pairs of networks with the same seed where the arm's F1 per crop is higher."
_WITHIN: Final = (
    " Too few slides hold aberrations to draw slides: chromosomes were drawn within slides, so what differs "
    "between slides is not in these intervals."
)


def every_arm(reading: Reading, condition: str = ALL, split: str = "") -> Table | None:
    """Scores of every arm of a condition, the arms that belong together under one heading."""
    split = split or reading.split
    rows: list[Row] = []
    for title, group in _groups(reading).items():
        own = [row for arm in group if (row := _arm_row(reading, condition, arm, split)) is not None]
        rows += [Row((title,), heading=True), *own] if own else []
    if not rows:
        return None
    columns = (
        *texts("Trained on"),
        *numbers("Synthetic crops", "Precision", "Recall", "F1", "Average precision"),
        *numbers("F1 per chromosome", "Average precision per chromosome"),
    )
    caption = f"Every arm, per crop and per chromosome ({SPLITS[split].lower()})"
    return Table(None, caption, columns, tuple(rows), SCORE_NOTE)


def _groups(reading: Reading) -> dict[str, list[str]]:
    """Names of arms by what is done to real crops, in the order of the arms."""
    groups: dict[str, list[str]] = {}
    for arm in reading.listed("arms"):
        real = "Real crops augmented" if arm.get("augmented") else "Real crops as they are"
        made = "with synthetic crops" if arm.get("synthetic") else "no synthetic crops"
        groups.setdefault(f"{real}, {made}", []).append(str(arm["name"]))
    return groups


def _arm_row(reading: Reading, condition: str, arm: str, split: str) -> Row | None:
    crops = reading.summary(condition, arm, split=split)
    if crops is None:
        return None
    chromosomes = reading.summary(condition, arm, split=split, unit="chromosomes") or {}
    per_crop = (spread(crops.get(name)) for name in ("precision", "recall", "f1", "average_precision"))
    per_chromosome = (spread(chromosomes.get(name)) for name in ("f1", "average_precision"))
    made = _synthetic(reading, condition, arm)
    return Row((reading.titles.get(arm, arm), made, *per_crop, *per_chromosome))


def _synthetic(reading: Reading, condition: str, arm: str) -> str:
    """How many synthetic crops an arm's networks learn from; the range where seeds differ."""
    counts = [
        sum(((run.get("train") or {}).get("synthetic") or {}).values())
        for run in reading.listed("runs")
        if run.get("condition") == condition and run.get("arm") == arm
    ]
    if not counts or not max(counts):
        return NONE
    least, most = min(counts), max(counts)
    return whole(most) if least == most else f"{whole(least)} to {whole(most)}"


def differences(
    reading: Reading, pairs: Sequence[Pair], caption: str, *, condition: str = ALL, split: str = ""
) -> Table | None:
    """Differences of the pairs that the study has, with their intervals and what they show."""
    split = split or reading.split
    where = {"condition": condition, "split": split}
    known = [pair for pair in pairs if reading.comparison(*pair, **where) is not None]
    if not known:
        return None
    columns = (
        *texts("Arm", "Against"),
        *numbers("F1 per crop", "Average precision per crop", "Seeds", "F1 per chromosome"),
        *texts("Shown for F1"),
    )
    rows = [_difference_row(reading, arm, other, where) for arm, other in known]
    caption = f"{caption} ({SPLITS[split].lower()})"
    if len({other for _, other in known}) == 1:
        # One for all needs no column.
        columns = (columns[0], *columns[2:])
        rows = [(row[0], *row[2:]) for row in rows]
    note = f"{_INTERVAL}{_SEEDS}{_within(reading, split)}"
    return Table(None, caption, columns, tuple(map(Row, rows)), note)


def against_reference(reading: Reading, *, condition: str = ALL, split: str = "") -> Table | None:
    """Differences of every arm from the reference."""
    pairs = [(arm, reading.reference) for arm in reading.titles]
    title = reading.titles.get(reading.reference, reading.reference)
    return differences(reading, pairs, f"Every arm against “{title}”", condition=condition, split=split)


def _difference_row(reading: Reading, arm: str, other: str, where: Mapping[str, str]) -> tuple[str, ...]:
    crops = reading.comparison(arm, other, **where) or {}
    area = reading.comparison(arm, other, metric="average_precision", **where)
    chromosomes = reading.comparison(arm, other, unit="chromosomes", **where)
    seeds = f"{crops.get('better_seeds', NONE)} of {crops.get('seeds', NONE)}"
    names = (reading.titles.get(arm, arm), reading.titles.get(other, other))
    shown = shown_of(judged(crops), judged(chromosomes) if chromosomes else "", _SHORT)
    return (*names, difference(crops), difference(area), seeds, difference(chromosomes), shown)


def shown_of(crops: str, chromosomes: str, words: Mapping[str, str] = VERDICTS) -> str:
    """Say what is shown in one phrase where crops and chromosomes agree, else in two."""
    if not chromosomes or crops == chromosomes:
        return words[crops]
    return f"{words[crops]} per crop, {words[chromosomes]} per chromosome"


def _within(reading: Reading, split: str) -> str:
    """Warn where chromosomes instead of slides were drawn."""
    drawn = {str(one.get("resampled")) for one in reading.listed("comparisons") if one.get("split") == split}
    return _WITHIN if any(kind.startswith("chromosome") for kind in drawn) else ""


def filters(reading: Reading) -> Table | None:
    """Filters side by side: what each lets in, and what that did to the classifier."""
    rows = [_filter_row(reading, one) for one in reading.listed("filters")]
    if not rows:
        return None
    columns = (
        *texts("Filter", "Crops of", "Condition"),
        *numbers("Level", "Before", "After", "Kept"),
        *numbers("Training aberrations kept, as if new", "Validation aberrations kept"),
        *numbers("Validation normals kept"),
    )
    reasons = {
        FILTERS.get(str(one.get("method")), str(one.get("method"))): line(one.get("level_reason") or "")
        for one in reading.listed("filters")
    }
    told = " ".join(f"{name}: {reason.rstrip('.')}." for name, reason in reasons.items() if reason)
    return Table(None, "Filters side by side", columns, tuple(rows), f"Levels. {told}" if told else "")


def _filter_row(reading: Reading, one: Any) -> Row:
    method, generator = str(one.get("method")), str(one.get("generator"))
    accepted = one.get("acceptance") or {}
    kept = (
        share(accepted.get(name))
        for name in ("train_aberrations_out_of_sample", "val_aberrations", "val_normals")
    )
    names = (FILTERS.get(method, method), GENERATORS.get(generator, generator))
    condition = reading.condition_title(str(one.get("condition")))
    before, after = one.get("before"), one.get("after")
    return Row(
        (*names, condition, fixed(one.get("level")), whole(before), whole(after), share(after, before), *kept)
    )


def left_out(reading: Reading, condition: str) -> Table | None:
    """The same networks on lines that they know and on those that were kept from them."""
    rows = []
    for arm, title in reading.titles.items():
        unknown = reading.summary(condition, arm, split="left_out")
        if unknown is None:
            continue
        known = reading.summary(condition, arm, split="test") or {}
        chromosomes = reading.summary(condition, arm, split="left_out", unit="chromosomes") or {}
        found = reading.comparison(arm, reading.reference, split="left_out", condition=condition)
        figures = (
            known.get("f1"),
            unknown.get("f1"),
            unknown.get("average_precision"),
            chromosomes.get("f1"),
        )
        shown = _single(reading, arm, found)
        rows.append(Row((title, *map(spread, figures), difference(found), shown)))
    if not rows:
        return None
    columns = (
        *texts("Trained on"),
        *numbers("F1, known lines", "F1, left out", "Average precision, left out"),
        *numbers("F1 per chromosome, left out", "F1 left out, against the reference"),
        *texts("Shown"),
    )
    names = ", ".join(line(name) for name in reading.conditions[condition].get("left_out_groups") or ())
    caption = f"{reading.condition_title(condition)}: on known lines and on those left out"
    note = f"Left out: {names}. {_INTERVAL}{_within(reading, 'left_out')}"
    return Table(None, caption, columns, tuple(rows), note)


def learning_curve(reading: Reading) -> Table | None:
    """F1 by how many aberrations there are to learn from, one heading for each number."""
    rows: list[Row] = []
    for condition in (*reading.limited, ALL) if reading.limited else ():
        own = [row for arm in reading.titles if (row := _curve_row(reading, condition, arm)) is not None]
        count = reading.counts(condition, "train").get("aberration")
        title = f"{'All ' if condition == ALL else ''}{whole(count)} training aberrations"
        rows += [Row((title,), heading=True), *own] if own else []
    if not rows:
        return None
    columns = (
        *texts("Trained on"),
        *numbers("Recall", "F1", "Average precision", "F1 against the reference"),
        *texts("Shown"),
    )
    caption = f"Fewer aberrations to learn from ({SPLITS[reading.split].lower()})"
    return Table(None, caption, columns, tuple(rows), f"{_INTERVAL}{_within(reading, reading.split)}")


def _curve_row(reading: Reading, condition: str, arm: str) -> Row | None:
    figures = reading.summary(condition, arm, split=reading.split)
    compared = {one["arm"] for one in reading.listed("runs") if one.get("condition") in reading.limited}
    if figures is None or arm not in compared:
        return None
    found = reading.comparison(arm, reading.reference, split=reading.split, condition=condition)
    ours = (spread(figures.get(name)) for name in ("recall", "f1", "average_precision"))
    return Row((reading.titles[arm], *ours, difference(found), _single(reading, arm, found)))


def _single(reading: Reading, arm: str, found: Mapping[str, Any] | None) -> str:
    """Say what one comparison with the reference shows."""
    if arm == reading.reference:
        return "the reference"
    return _SHORT[judged(found)] if found else NONE
