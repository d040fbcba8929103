"""What a study knows besides its runs: data, parameters, machine, generators, filters and time."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import torch

from models.quality.distances import frechet_distance
from models.quality.reading import read_colours
from models.quality.ssim import max_ssim
from models.study.plan import Step
from models.study.sizes import PROVES_NOTHING, reduced
from services.artifacts.service import ArtifactService
from services.jobs.params import StudyParams
from services.pipelines.device import default_threads
from services.pipelines.study.filters import Selector
from services.pipelines.study.work import STAGES, StudyWork
from services.studies.advice import warnings_of
from services.studies.facts import counts_of, unlabelled_of
from services.studies.service import Prepared
from services.version import VERSION

if TYPE_CHECKING:
    from services.pipelines.study.pipeline import Progress

_LIBRARIES: Final = ("torch", "numpy", "umap-learn", "scikit-learn", "numba")
_QUALITY_CROPS: Final = 500  # more would tell little more
_QUALITY_SEED: Final = 0


def header_of(
    work: StudyWork, params: StudyParams, prepared: Prepared, progress: Progress, earlier: list[str]
) -> dict[str, Any]:
    """Describe a finished study, but for its runs.

    Parameters
    ----------
    earlier
        Studies that had looked at the same test split before.
    """
    dataset, settings = prepared.dataset, work.plan.settings
    return {
        "study": {
            "name": params.name,
            "version": None,
            "size": params.size,
            "proves_nothing": params.size in PROVES_NOTHING,
            "simulated": dataset.simulated,
            "dataset": {
                "ref": dataset.ref,
                "sha256": dataset.sha256,
                "licence": dataset.manifest.get("licence"),
                "description": dataset.manifest.get("description") or "",
            },
            "description": params.description,
            "licence": params.licence,
            "created_at": datetime.now(UTC).isoformat(timespec="seconds"),
            "seeds": [params.seed + number for number in range(settings.num_seeds)],
            "notes": warnings_of(params, dataset, prepared.items, work.plan, earlier),
        },
        "parameters": {"request": params.model_dump(mode="json"), "settings": settings.to_json()},
        "reduced": reduced(settings),
        "environment": environment(work),
        "conditions": [_condition(prepared, one) for one in work.plan.conditions],
        "generators": [_generator(work, step) for step in work.plan.of_kind("candidates")],
        "candidates": [_candidates(work, step) for step in work.plan.of_kind("candidates")],
        "filters": _filters(work),
        "time": _time(work, progress),
        "plan": _plan(work, progress),
        "test_opened": {"runs": sum(1 for _ in work.plan.compared()), "earlier_studies": earlier},
    }


def environment(work: StudyWork) -> dict[str, Any]:
    """Name the versions and the machine."""
    device = torch.cuda.get_device_name() if work.device.type == "cuda" else "cpu"
    return {
        "karyobridge": VERSION,
        "python": platform.python_version(),
        **{name: version(name) for name in _LIBRARIES},
        "device": device,
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)),
        "threads": work.resources.settings.torch_threads or default_threads(),
    }


def _processor() -> str:
    """Return the processor's own name; Linux tells it in /proc/cpuinfo, others by platform."""
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        lines = []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, "") or platform.processor() or platform.machine()


def _condition(prepared: Prepared, condition: Any) -> dict[str, Any]:
    return {
        "name": condition.name,
        "title": condition.title,
        "left_out_groups": list(condition.left_out_groups),
        "max_aberrations": condition.max_aberrations,
        "counts": counts_of(prepared.items, condition),
        "unlabelled": dict(unlabelled_of(prepared.items)),
    }


def _generator(work: StudyWork, step: Step) -> dict[str, Any]:
    method = step.spec["method"]
    told: dict[str, Any] = {
        "condition": step.condition.name,
        "method": method,
        "origin": "no training",
        "aberrations": len(work.data_of(step).aberrations),
        "steps": None,
        "parameters_millions": None,
        "seconds": 0.0,
        "settings": {},
        "history": [],
    }
    if "artifact" in step.spec:
        ref = work.generators[step.condition.name][method]
        return told | given_generator(ref, _manifest(work, ref))
    if "generator" not in step.needs:
        return told
    made = work.result_of(step.needs["generator"])
    facts = made.facts
    loss = "loss" if method == "bbdm" else "loss_generator"
    return told | {
        "origin": "trained in this study",
        "steps": facts["steps"],
        "parameters_millions": round(made.arrays["weights"].nbytes / 4e6, 2),
        "seconds": facts["seconds"],
        "settings": facts["settings"],
        "history": [[record["step"], record[loss]] for record in facts["history"] if loss in record],
    }


def _manifest(work: StudyWork, ref: str) -> Mapping[str, Any]:
    with work.resources.session_factory() as session:
        return ArtifactService(session, work.resources.store).resolve("generator", ref).manifest


def given_generator(ref: str, manifest: Mapping[str, Any]) -> dict[str, Any]:
    """Tell of a generator that was trained before; None where its manifest says nothing."""
    training = manifest.get("training") or {}
    return {
        "origin": f"artifact {ref}",
        "aberrations": training.get("aberrations"),
        "steps": training.get("steps"),
        "settings": manifest.get("recipe") or {},
    }


def _candidates(work: StudyWork, step: Step) -> dict[str, Any]:
    made = work.result_of(step.key)
    names = made.facts["names"]
    return {
        "condition": step.condition.name,
        "method": step.spec["method"],
        "sources": len(set(names)),
        "crops": len(names),
        "quality": _quality(work, step),
    }


def _quality(work: StudyWork, step: Step) -> dict[str, Any]:
    """Tell how like real aberrations some of the candidates are; distances only where they were embedded."""
    made = work.result_of(step.key).arrays
    real = work.data_of(step).aberrations
    rows = np.random.default_rng(_QUALITY_SEED).permutation(len(made["canvases"]))[:_QUALITY_CROPS]
    check = work.context.check
    ssim = max_ssim(made["canvases"][rows], real.canvases, check=check).values
    reading = read_colours(made["canvases"][rows], made["masks"][rows], check=check)
    told: dict[str, Any] = {
        "median_max_ssim": float(np.median(ssim)),
        "two_colours": float(reading.two_coloured.mean()),
        "frechet": None,
        "mean_probability": None,
    }
    embedded = embeddings_of(work, step)
    if embedded is None:
        return told
    crops, train = embedded
    labels = work.data_of(step).train.labels
    return told | {
        "frechet": frechet_distance(crops.arrays["embeddings"][rows], train.arrays["train"][labels == 1]),
        "mean_probability": float(crops.arrays["probabilities"].mean()),
    }


def embeddings_of(work: StudyWork, step: Step) -> tuple[Any, Any] | None:
    """Results of the steps that embedded a generator's candidates, and the real crops; None if none did."""
    mine = [one for one in work.plan.of_kind("embeddings") if one.condition == step.condition]
    found = {one.spec["of"]: one.key for one in mine}
    method = step.spec["method"]
    if method not in found or "real" not in found:
        return None
    return work.result_of(found[method]), work.result_of(found["real"])


def _filters(work: StudyWork) -> list[dict[str, Any]]:
    """List every filter with the crops before and after it, once for each generator that it is used on."""
    told: dict[tuple[str, str, str], dict[str, Any]] = {}
    for condition in work.plan.conditions:
        selector = Selector(work)
        for step in work.plan.of_kind("run"):
            if step.condition == condition and any(name.startswith("filter-") for name in step.needs):
                for method in step.spec["arm"]["synthetic"]:
                    _tell_filters(work, step, selector, method, told)
    return list(told.values())


def _tell_filters(
    work: StudyWork, step: Step, selector: Selector, method: str, told: dict[tuple[str, str, str], Any]
) -> None:
    for rule, rows in selector.kept(step, method).items():
        place = (step.condition.name, method, rule)
        if place in told:
            continue
        facts = work.result_of(step.needs[f"filter-{rule}"]).facts
        acceptance = facts["report"]["acceptance"]
        shown = ("train_aberrations_out_of_sample", "val_aberrations", "val_normals")
        told[place] = {
            "condition": step.condition.name,
            "generator": method,
            "method": rule,
            "level": facts["level"],
            "level_reason": facts["level_reason"],
            "before": len(work.result_of(step.needs[f"candidates-{method}"]).arrays["canvases"]),
            "after": len(rows),
            "acceptance": {name: acceptance[name] for name in shown},
        }


def _time(work: StudyWork, progress: Progress) -> list[dict[str, Any]]:
    """Say by stage how long it took when it was computed, in this study or an earlier one."""
    told = []
    for kind, stage in STAGES.items():
        steps = list(work.plan.of_kind(kind))
        if steps:
            results = [work.store.get(step.key) for step in steps]
            seconds = sum(float(one.facts["seconds"]) for one in results if one is not None)
            told.append(
                {
                    "stage": stage,
                    "seconds": seconds,
                    "steps": len(steps),
                    "from_cache": progress.cached[kind],
                }
            )
    return told


def _plan(work: StudyWork, progress: Progress) -> Mapping[str, Any]:
    return {
        "runs": sum(1 for _ in work.plan.compared()),
        "computed": sum(progress.computed.values()),
        "from_cache": sum(progress.cached.values()),
        "estimated_seconds": progress.estimated_s,
        "actual_seconds": sum(progress.seconds.values()),
        "key": work.plan.key,
    }
