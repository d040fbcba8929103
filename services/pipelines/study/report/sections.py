"""The report of a study as sections of blocks, in the order in which it is read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from services.pipelines.card_text import line
from services.pipelines.study.report import paper, text
from services.pipelines.study.report import tables as papers
from services.pipelines.study.report import tables_arms as arms
from services.pipelines.study.report import tables_making as making
from services.pipelines.study.report.blocks import (
    Block,
    Facts,
    Heading,
    Points,
    Report,
    Section,
    Table,
    Text,
    with_numbers,
)
from services.pipelines.study.report.captions import figure
from services.pipelines.study.report.caveats import caveats
from services.pipelines.study.report.reading import ALL, NONE, SPLITS, Reading, plural, whole

Figures = Mapping[str, bytes | None]
NUMBERS_NOTE: Final = (
    "Tables 1 to 6 and figures 3 to 8 have the numbers that they have in the paper, "
    f"{paper.NAME}; those with an A are additions. Figures are of the aberration class. Thresholds and "
    "temperatures were chosen on validation; why the filter has its level stands below the filters' table."
)


def report_of(results: Mapping[str, Any], figures: Figures) -> Report:
    """Lay a study's report out.

    Parameters
    ----------
    results
        What ``results.json`` holds, schema 1. Parts that a study lacks are left out, with a sentence.
    figures
        PNG by name, see `services.pipelines.study_captions.KEYS`; None for one that could not be drawn.
    """
    reading = Reading(results)
    made = (
        _summary(reading, figures),
        _data(reading),
        _baseline(reading),
        _synthetic(reading, figures),
        _filter(reading, figures),
        _retraining(reading, figures),
        _left_out(reading, figures),
        _fewer(reading, figures),
        _making(reading, figures),
    )
    dataset = reading.study.get("dataset") or {}
    return Report(
        title=line(reading.study.get("name") or "Study"),
        subtitle=f"Do synthetic crops help on {line(dataset.get('ref') or 'these data')}?",
        banner=text.banner(reading),
        facts=_facts(reading),
        sections=with_numbers([section for section in made if section.blocks]),
    )


def _present(blocks: Iterable[Block | None]) -> tuple[Block, ...]:
    return tuple(block for block in blocks if block is not None)


def _facts(reading: Reading) -> tuple[tuple[str, str], ...]:
    study, dataset = reading.study, reading.study.get("dataset") or {}
    version = study.get("version")
    made = (
        ("Study", line(study.get("name") or "") + (f"/{version}" if version is not None else "")),
        ("What for", line(study.get("description") or "")),
        ("Data set", line(dataset.get("ref") or "")),
        ("Content SHA-256", line(dataset.get("sha256") or "")),
        ("Licence of the data", line(dataset.get("licence") or "")),
        ("What its makers say", line(dataset.get("description") or "")),
        ("Licence of this report", line(study.get("licence") or "")),
        ("Size", line(study.get("size") or "")),
        ("Made", _when(study.get("created_at"))),
        ("With", f"Karyobridge {line(reading.mapping('environment').get('karyobridge') or '')}".strip()),
    )
    return tuple((name, value) for name, value in made if value)


def _when(created_at: object) -> str:
    """A time in words, as it stands if it is none."""
    try:
        moment = datetime.fromisoformat(str(created_at)).astimezone(UTC)
    except ValueError:
        return line(created_at or "")
    return f"{moment.day} {moment:%B %Y, %H:%M} UTC"


def _summary(reading: Reading, figures: Figures) -> Section:
    counts, split = reading.counts(ALL, reading.split), SPLITS[reading.split].lower()
    facts = (
        ("Arms", whole(len(reading.titles))),
        ("Seeds", whole(reading.seeds)),
        ("Networks", whole(len(reading.listed("runs")))),
        (f"Aberrations, {split}", whole(counts.get("aberration"))),
        ("Aberrant chromosomes", whole(counts.get("aberration_chromosomes"))),
        (f"Slides, {split}", whole(len(counts["groups"])) if counts.get("groups") else NONE),
    )
    found = text.findings(reading)
    blocks = (
        text.answer(reading),
        Facts(facts),
        Heading("What was found") if found else None,
        Points(found) if found else None,
        Heading("How far to trust it"),
        Points(caveats(reading)),
        figure(reading, figures, "forest"),
        Text(NUMBERS_NOTE, small=True),
    )
    return Section("Summary", "summary", _present(blocks))


def _data(reading: Reading) -> Section:
    blocks = _present((papers.annotated(reading), papers.unannotated(reading), making.conditions(reading)))
    return Section("Data", "data", blocks)


def _baseline(reading: Reading) -> Section:
    blocks = (
        papers.baseline(reading),
        arms.differences(reading, arms.REMEDIES[:2], "Simple remedies against augmentation alone"),
    )
    return Section("Real crops alone", "baseline", _present(blocks))


def _synthetic(reading: Reading, figures: Figures) -> Section:
    if not reading.listed("candidates"):
        return Section("Synthetic crops", "synthetic", (Text("This study made no synthetic crops."),))
    blocks = (
        making.generators(reading),
        figure(reading, figures, "losses"),
        figure(reading, figures, "figure3"),
        figure(reading, figures, "figure4"),
        making.qualities(reading),
        figure(reading, figures, "figure5"),
        figure(reading, figures, "gallery"),
    )
    return Section("Synthetic crops", "synthetic", _present(blocks))


def _filter(reading: Reading, figures: Figures) -> Section:
    if not reading.listed("filters"):
        return Section("The filter", "filter", ())
    blocks = (
        figure(reading, figures, "figure6"),
        papers.filtered(reading),
        figure(reading, figures, "figure7"),
        figure(reading, figures, "figure8"),
        arms.filters(reading),
        arms.differences(
            reading, arms.FILTERING, "Does the filter matter? Against all, and as many at random"
        ),
    )
    return Section("The filter", "filter", _present(blocks))


def _retraining(reading: Reading, figures: Figures) -> Section:
    if not reading.listed("runs"):
        return Section("Retraining", "retraining", (Text("No network was trained."),))
    blocks = (
        papers.without_augmentation(reading),
        arms.differences(reading, arms.WITHOUT_AUGMENTATION, "Without augmentation, generators compared"),
        papers.with_augmentation(reading),
        arms.against_reference(reading),
        arms.differences(reading, arms.REMEDIES[2:], "Synthetic crops against and with over-sampling"),
        arms.every_arm(reading),
        figure(reading, figures, "dots"),
        figure(reading, figures, "pr"),
    )
    return Section("Retraining", "retraining", _present(blocks))


def _left_out(reading: Reading, figures: Figures) -> Section:
    if not reading.left_out:
        return Section("Lines left out", "left-out", ())
    tables: list[Table | None] = [arms.left_out(reading, condition) for condition in reading.left_out]
    what = (
        "A new patient is a slide that nothing was trained on. In these conditions whole groups are kept "
        "out of training and validation, and scored apart."
    )
    drawn = (figure(reading, figures, "left_out"), figure(reading, figures, "forest_left_out"))
    return Section("Lines left out", "left-out", _present((Text(what), *tables, *drawn)))


def _fewer(reading: Reading, figures: Figures) -> Section:
    if not reading.limited:
        return Section("Fewer aberrations", "fewer", ())
    blocks = (figure(reading, figures, "learning_curve"), arms.learning_curve(reading))
    return Section("Fewer aberrations to learn from", "fewer", _present(blocks))


def _making(reading: Reading, figures: Figures) -> Section:
    notes = _opened(reading)
    blocks = (
        making.reduced(reading),
        making.time(reading),
        figure(reading, figures, "time"),
        making.parameters(reading),
        making.environment(reading),
        Text(notes) if notes else None,
    )
    return Section("How it was made", "making", _present(blocks))


def _opened(reading: Reading) -> str:
    """Seeds and what was opened of the test split, where one looks for them again."""
    seeds = ", ".join(str(seed) for seed in reading.study.get("seeds") or ())
    opened = reading.mapping("test_opened")
    runs = opened.get("runs") or 0
    told = [f"Seeds: {seeds}."] if seeds else []
    if opened:
        told.append(f"The test split was opened by {plural(runs, 'network')} of this study.")
    return " ".join(told)
