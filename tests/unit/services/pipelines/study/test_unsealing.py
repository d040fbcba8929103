"""The seal is opened when every network is done, and not before."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from models.classification.preprocessing import Preprocessing
from models.study.conditions import ALL
from models.study.plan import Step
from services.jobs.params import StudyParams
from services.pipelines.study.data import ConditionData
from services.pipelines.study.unsealing import SealError, unsealed
from services.pipelines.study.work import StudyWork
from services.storage.factory import open_store
from services.studies.cache import StepResult, StepStore
from services.studies.planning import planned
from tests.support.study_crops import SIDE, crops_of
from tests.support.study_items import SOUND

PARAMS = StudyParams(
    name="s",
    dataset="d/1",
    size="quick",
    arms=("real", "augmented"),
    condition_arms=("augmented",),
    condition_seeds=1,
    leave_out={"b": ("b",)},
)
FACTS = {"normal": 6, "aberration": 6, "synthetic": {}, "steps": 30, "seconds": 2.0, "loss": 0.5}
OPENING = re.compile(r"\.(open_sealed|truth)\(")
ROOT = Path(__file__).parents[5]


class WatchedStore(StepStore):
    """Takes note of every seal that is opened."""

    def __init__(self) -> None:
        super().__init__(open_store("memory:///"))
        self.opened: list[str] = []

    def open_sealed(self, key: str) -> StepResult | None:
        """Open a seal, and note whose."""
        self.opened.append(key)
        return super().open_sealed(key)


def logits(labels: NDArray[np.int64], seed: int = 0) -> NDArray[np.float32]:
    """Return what a network might say of crops whose class it mostly sees."""
    noise = np.random.default_rng(seed).normal(0, 1, len(labels))
    return np.stack([np.zeros(len(labels)), 3.0 * labels - 1.5 + noise], axis=1).astype(np.float32)


@pytest.fixture
def work() -> StudyWork:
    """A planned study of five networks, of which none is trained."""
    crops = crops_of(SOUND)
    plan = planned(PARAMS, "0" * 64, crops.items, {}).plan
    return StudyWork(
        context=cast("Any", None),  # opening the seal asks neither the job nor the machine
        resources=cast("Any", None),
        store=WatchedStore(),
        plan=plan,
        data={one.name: ConditionData(crops, one, normals=6, seed=0) for one in plan.conditions},
        generators={},
        preprocessing=Preprocessing(SIDE, 1.0),
        device=torch.device("cpu"),
        threads=1,
    )


def finish(work: StudyWork, step: Step, seed: int = 0, *, sealed: bool = True) -> None:
    """Keep what a network said of validation and, under seal, of the rest."""
    data = work.data_of(step)
    scored = {split: logits(truth.labels, seed) for split, truth in data.sealed.truth().items()}
    result = StepResult({"val": logits(data.val.labels)}, FACTS)
    work.store.put(step.key, result, StepResult(scored) if sealed else None)


def sources_of(package: str) -> Iterator[Path]:
    """Return the files of a package."""
    return (ROOT / package).rglob("*.py")


def opened(work: StudyWork) -> list[str]:
    """Keys whose seal was opened."""
    return cast("WatchedStore", work.store).opened


def thresholds(work: StudyWork) -> Mapping[tuple[str, str, int], Any]:
    """Return by run what its test scores are judged with."""
    return {run.place: run.test.thresholds for run in unsealed(work) if run.test is not None}


class TestUnsealed:
    def test_refuses_while_a_network_is_missing(self, work: StudyWork) -> None:
        """It says how many are, and no seal is broken, not even of those that are done."""
        *done, last = work.plan.of_kind("run")
        for step in done:
            finish(work, step)

        with pytest.raises(SealError, match=f"1 of 5 networks are not trained, {last.title} among them"):
            unsealed(work)
        assert [] == opened(work)

    def test_refuses_what_was_lost(self, work: StudyWork) -> None:
        """A run without test scores is no run."""
        for step in work.plan.of_kind("run"):
            finish(work, step, sealed=False)

        with pytest.raises(SealError, match="not in the store any more"):
            unsealed(work)

    def test_gives_every_run_with_its_scores(self, work: StudyWork) -> None:
        """Truth and scores row by row, left-out groups where there are some."""
        for step in work.plan.of_kind("run"):
            finish(work, step)
        runs = unsealed(work)

        assert [step.key for step in work.plan.of_kind("run")] == [run.key for run in runs] == opened(work)
        assert [(ALL, "real"), (ALL, "augmented"), ("without-b", "augmented")] == list(
            dict.fromkeys(run.place[:2] for run in runs)
        )
        for run in runs:
            assert {"t", "u"} == set(run.splits["test"].groups)
            assert ("left_out" in run.splits) == (run.condition == "without-b")
            assert (30, 2.0, 0.5) == (run.steps, run.seconds, run.loss)
            assert np.array_equal(run.splits["test"].logits, logits(run.splits["test"].labels))

    def test_nobody_else_opens_it(self) -> None:
        """Scores under seal, and the truth that they are held against, are read in one module alone."""
        packages = ("api", "models", "services", "workers")
        sources = [path for package in packages for path in sources_of(package)]
        opening = {path.name for path in sources if OPENING.search(path.read_text("utf-8"))}

        assert {"unsealing.py"} == opening

    def test_the_test_split_chooses_nothing(self, work: StudyWork) -> None:
        """Other test scores, the same temperature and thresholds: they are from validation."""
        found = []
        for seed in (1, 2):
            for step in work.plan.of_kind("run"):
                finish(work, step, seed)
            found.append(thresholds(work))

        assert found[0] == found[1]
