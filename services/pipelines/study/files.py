"""A finished study as an artifact: the report twice, its numbers, and tables for spreadsheets."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from models.study.arms import ALL_ARMS, PAPERS_ARM, arms_of
from models.study.conditions import ALL
from services.artifacts.service import ArtifactService
from services.jobs.params import StudyParams
from services.pipelines.study.figures.every import figures_of
from services.pipelines.study.figures.gathering import pictures_of
from services.pipelines.study.header import header_of
from services.pipelines.study.report.page import report_html
from services.pipelines.study.report.pdf import report_pdf
from services.pipelines.study.report.reading import VERDICTS, judged
from services.pipelines.study.results import comparisons_csv, results_of, runs_csv, summaries_csv
from services.pipelines.study.unsealing import unsealed
from services.pipelines.study.work import StudyWork
from services.studies.repository import KIND, StudyRepository
from services.studies.service import Prepared

if TYPE_CHECKING:
    from services.pipelines.study.pipeline import Progress


def add_study(work: StudyWork, params: StudyParams, prepared: Prepared, progress: Progress) -> dict[str, Any]:
    """Open the seal, write the report, and add the study's version."""
    started = time.monotonic()
    with work.resources.session_factory() as session:
        earlier = StudyRepository(session).refs_on(prepared.dataset.sha256)
    header = header_of(work, params, prepared, progress, earlier)
    runs = unsealed(work)
    work.context.check()
    results = results_of(header, arms_of(_arms(work)), runs)
    results["time"].append(
        {"stage": "report", "seconds": round(time.monotonic() - started, 1), "steps": 1, "from_cache": 0}
    )
    figures = figures_of(results, pictures_of(work, runs))
    work.context.check()
    return _add(work, params, results, figures, progress)


def _arms(work: StudyWork) -> list[str]:
    used = {arm.name for arms in work.plan.arms.values() for arm in arms}
    return [name for name in ALL_ARMS if name in used]


def _add(
    work: StudyWork,
    params: StudyParams,
    results: dict[str, Any],
    figures: Mapping[str, bytes | None],
    progress: Progress,
) -> dict[str, Any]:
    headline = headline_of(results)
    manifest = {
        "kind": KIND,
        "name": params.name,
        "job_id": work.context.job.id,
        **{name: results[name] for name in ("study", "reduced", "environment", "plan", "test_opened")},
        "headline": headline,
        "paces": progress.watch.paces,
    }
    files = {
        "report.html": report_html(results, figures),
        "report.pdf": report_pdf(results, figures),
        "results.json": json.dumps(results, indent=1, allow_nan=False).encode(),
        "runs.csv": runs_csv(results),
        "summaries.csv": summaries_csv(results),
        "comparisons.csv": comparisons_csv(results),
    }
    with work.resources.session_factory.begin() as session:
        version = ArtifactService(session, work.resources.store).add(
            KIND, params.name, manifest, files, job_id=work.context.job.id
        )
    artifact = f"/v1/artifacts/{KIND}/{version.ref}"
    return {
        "artifact": version.ref,
        "headline": headline,
        "links": {
            "artifact": artifact,
            "report": f"{artifact}/report.html",
            "pdf": f"{artifact}/report.pdf",
            "results": f"{artifact}/results.json",
        },
    }


def headline_of(results: Mapping[str, Any]) -> dict[str, Any]:
    """Return the paper's arm, or the last one there is, against the reference on test crops."""
    mine = [
        one
        for one in results["comparisons"]
        if (one["condition"], one["split"], one["unit"], one["metric"]) == (ALL, "test", "crops", "f1")
        and one["reference"] == results["study"]["reference"]
    ]
    chosen = next((one for one in mine if one["arm"] == PAPERS_ARM), mine[-1] if mine else None)
    if chosen is None:
        return {}
    names = ("arm", "reference", "split", "unit", "metric", "difference", "both")
    return {**{name: chosen[name] for name in names}, "verdict": VERDICTS[judged(chosen)]}
