"""The paper's six tables in the version of a study's own data, with the paper's numbers beside."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from services.pipelines.card_text import listed
from services.pipelines.study.report import paper
from services.pipelines.study.report.blocks import Row, Table, numbers, texts
from services.pipelines.study.report.reading import (
    ALL,
    GENERATORS,
    METRICS,
    NATURAL,
    NONE,
    SPLITS,
    TEN_TO_ONE,
    Reading,
    fixed,
    judged,
    share,
    spread,
    whole,
)

_SHOWN: Final = ("precision", "recall", "f1", "average_precision")
_VIEWS: Final = (
    ("Per crop, all crops of the split", "crops", NATURAL),
    ("Per crop, ten normal crops to an aberration", "crops", TEN_TO_ONE),
    ("Per chromosome, all chromosomes of the split", "chromosomes", NATURAL),
)
_COUNTS: Final = ("normal", "aberration", "normal_chromosomes", "aberration_chromosomes")
SCORE_NOTE: Final = (
    "Of the aberration class, mean ± standard deviation over seeds. A chromosome's score is that of its "
    "crops together."
)


def annotated(reading: Reading, condition: str = ALL) -> Table | None:
    """Table 1: the annotated crops by split."""
    counts = {split: reading.counts(condition, split) for split in SPLITS}
    rows = tuple(_split_row(split, found) for split, found in counts.items() if found)
    if not rows:
        return None
    slides = "; ".join(
        f"{SPLITS[split].lower()}: {listed(found['groups'])}"
        for split, found in counts.items()
        if found.get("groups")
    )
    columns = (
        *texts("Split"),
        *numbers("Normal crops", "Aberrations", "Normals per aberration", "Normal chromosomes"),
        *numbers("Aberrant chromosomes", "Slides", "Paper: normal", "Paper: aberrations"),
    )
    note = "A chromosome may be seen in several crops. Slides or groups lie in one split each."
    return Table(
        "1", "Annotated crops by split", columns, rows, f"{note} {slides[:1].upper()}{slides[1:]}.".strip()
    )


def _split_row(split: str, found: Mapping[str, Any]) -> Row:
    normal, aberration = found.get("normal"), found.get("aberration")
    ratio = fixed(normal / aberration, 1) if normal is not None and aberration else NONE
    normals, aberrations, *chromosomes = (whole(found.get(name)) for name in _COUNTS)
    theirs = (whole(count) for count in paper.SPLITS.get(split, (None, None)))
    slides = whole(len(found["groups"])) if "groups" in found else NONE
    return Row((SPLITS[split], normals, aberrations, ratio, *chromosomes, slides, *theirs))


def unannotated(reading: Reading) -> Table | None:
    """Table 2: crops without annotation, and what the generators made theirs from."""
    rows = []
    for name, condition in reading.conditions.items():
        found = condition.get("unlabelled") or {}
        rows += _source_rows(reading, name, found)
    if not rows:
        return None
    theirs = (
        f"The paper has {whole(paper.UNANNOTATED_CHROMOSOMES)} chromosomes of "
        f"{whole(paper.UNANNOTATED_METAPHASES)} metaphases without annotation and makes one crop from each. "
        "A study without such crops takes its sources from the training normals."
    )
    columns = (
        *texts("Condition"),
        *numbers("Crops without annotation", "Their slides"),
        *texts("Generator"),
        *numbers("Sources", "Crops made"),
    )
    return Table(
        "2", "Crops without annotation, and the sources of synthetic crops", columns, tuple(rows), theirs
    )


def _source_rows(reading: Reading, condition: str, unlabelled: Mapping[str, Any]) -> list[Row]:
    made = [one for one in reading.listed("candidates") if one.get("condition") == condition]
    if not made and not unlabelled.get("crops"):
        return []
    crops, slides = whole(unlabelled.get("crops")), whole(unlabelled.get("groups"))
    head = (reading.condition_title(condition), crops, slides)
    rows = [
        Row(
            (
                *(head if not place else ("", "", "")),
                GENERATORS.get(str(one.get("method")), str(one.get("method"))),
                whole(one.get("sources")),
                whole(one.get("crops")),
            )
        )
        for place, one in enumerate(made)
    ]
    return rows or [Row((*head, NONE, NONE, NONE))]


def filtered(reading: Reading) -> Table | None:
    """Table 4: crops before and after the UMAP filter."""
    rows = []
    for one in reading.listed("filters"):
        if one.get("method") != "umap":
            continue
        generator = str(one.get("generator"))
        before, after = one.get("before"), one.get("after")
        ours = (whole(before), whole(after), share(after, before), fixed(one.get("level")))
        is_papers = generator == "bbdm" and one.get("condition") == ALL
        theirs = (*map(whole, paper.FILTERED), share(paper.FILTERED[1], paper.FILTERED[0]))
        condition = reading.condition_title(str(one.get("condition")))
        name = GENERATORS.get(generator, generator)
        rows.append(Row((condition, name, *ours, *(theirs if is_papers else (NONE,) * 3))))
    if not rows:
        return None
    columns = (
        *texts("Condition", "Generator"),
        *numbers("Before", "After", "Kept", "Level", "Paper: before", "Paper: after", "Paper: kept"),
    )
    note = (
        "The level is the share of the mixture's dominant component that the ellipse holds. The paper's one "
        "line is its BBDM crops."
    )
    return Table("4", "Synthetic crops before and after the UMAP filter", columns, tuple(rows), note)


def baseline(reading: Reading) -> Table | None:
    """Table 3: real crops alone, without and with augmentation."""
    return scores(reading, ("real", "augmented"), number="3", caption="Real crops alone")


def without_augmentation(reading: Reading) -> Table | None:
    """Table 5: real crops, and with those of each generator, none of them augmented."""
    arms = ("real", "real-bbdm", "real-cyclegan", "real-painted")
    return scores(reading, arms, number="5", caption="Without augmentation: real, and with synthetic crops")


def with_augmentation(reading: Reading) -> Table | None:
    """Table 6: augmented real crops, and with the filtered ones of the BBDM."""
    arms = ("augmented", "augmented-bbdm", "augmented-bbdm-filtered")
    return scores(reading, arms, number="6", caption="With augmentation: real, and with BBDM crops")


def scores(
    reading: Reading,
    arms: Sequence[str],
    *,
    number: str | None,
    caption: str,
    condition: str = ALL,
    split: str = "",
) -> Table | None:
    """Set scores of some arms beside the paper's, in three views: as there are, at ten to one, by chromosome.

    Parameters
    ----------
    arms
        Their order; the first one that the study has is what a best value has to differ from.
    split
        Test, or validation where no test was scored, unless told otherwise.
    """
    split = split or reading.split
    papers = _papers_view(reading, arms, condition, split)
    rows: list[Row] = []
    for title, unit, ratio in _VIEWS:
        found = {
            arm: figures
            for arm in arms
            if (figures := reading.summary(condition, arm, split=split, unit=unit, ratio=ratio)) is not None
        }
        if not found:
            continue
        # Comparisons are of all crops; they say nothing of a view at ten to one.
        best = _best(reading, found, condition, split, unit) if ratio == NATURAL else ()
        rows.append(Row((title,), heading=True))
        rows += _score_rows(reading, found, best, beside_papers=(unit, ratio) == papers)
    if not rows:
        return None
    columns = (
        *texts("Trained on"),
        *numbers(*(METRICS[metric] for metric in _SHOWN)),
        *numbers("Paper: precision", "Paper: recall", "Paper: F1"),
    )
    return Table(number, f"{caption} ({SPLITS[split].lower()})", columns, tuple(rows), _score_note(rows))


def _score_rows(
    reading: Reading,
    found: Mapping[str, Mapping[str, Any]],
    best: Sequence[tuple[str, str]],
    *,
    beside_papers: bool,
) -> list[Row]:
    rows = []
    for arm, figures in found.items():
        ours = (spread(figures.get(metric)) for metric in _SHOWN)
        theirs = paper.SCORES.get(arm, (NONE,) * 3) if beside_papers else ("",) * 3
        marked = frozenset(1 + _SHOWN.index(metric) for metric, name in best if name == arm)
        rows.append(Row((reading.titles.get(arm, arm), *ours, *theirs), marked))
    return rows


def _papers_view(reading: Reading, arms: Sequence[str], condition: str, split: str) -> tuple[str, str]:
    """The view whose share of aberrations is nearest to the paper's."""
    has_ten = any(reading.summary(condition, arm, split=split, ratio=TEN_TO_ONE) is not None for arm in arms)
    return ("crops", TEN_TO_ONE if has_ten else NATURAL)


def _best(
    reading: Reading, found: Mapping[str, Mapping[str, Any]], condition: str, split: str, unit: str
) -> list[tuple[str, str]]:
    """Metrics, and the arm with the best mean, where it surely differs from the first arm."""
    first, chosen = next(iter(found)), []
    for metric in ("f1", "average_precision"):
        means = {
            arm: figures[metric]["mean"]
            for arm, figures in found.items()
            if (figures.get(metric) or {}).get("mean") is not None
        }
        arm = max(means, key=lambda name: means[name], default="")
        against = reading.comparison(arm, first, split=split, unit=unit, metric=metric, condition=condition)
        if judged(against) == "better":
            chosen.append((metric, arm))
    return chosen


def _score_note(rows: Sequence[Row]) -> str:
    note = (
        f"{SCORE_NOTE} The paper's test split has {paper.TEST_NORMALS_PER_ABERRATION} normals to an "
        "aberration, so its numbers stand beside ours at ten to one."
    )
    if any(row.best for row in rows):
        note += " Bold: the best, and its intervals say that it is better than the first line."
    return note
