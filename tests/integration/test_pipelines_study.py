"""A study as a job: everything is computed once, the test split is looked at once, and a report comes out."""

from __future__ import annotations

import csv
import io
from collections import Counter
from typing import Any, NamedTuple

import pytest
import torch
from pypdf import PdfReader

from api.wiring import Wiring
from services.errors import InvalidInputError
from services.jobs.types import Job
from services.storage.keys import content_key
from services.studies.service import REPORT_FILES
from tests.support.jobs import run_here
from tests.support.studied import (
    STUDY,
    Event,
    files_of,
    keys_of,
    lasting,
    results_of,
    simulated,
    studied,
    submit_study,
    watch,
)

pytestmark = pytest.mark.integration

NETWORKS = 4 * 2 + 2 * 2
STEPS = NETWORKS + 1 + 4 + 2 + 1  # and a bridge, four sets of candidates, two of embeddings, a filter
CONDITIONS = ("all", "without-line", "aberrations-5")
PLAIN: dict[str, Any] = {
    "arms": ("augmented", "augmented-painted"),
    "num_seeds": 1,
    "leave_out": {},
    "aberration_counts": (),
}
"""Two networks, and crops that need no training: the least that can be compared."""


class Ended(NamedTuple):
    """A study that has run, and what it did."""

    job: Job
    events: list[Event]
    results: dict[str, Any]


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> None:
    """Let torch use one thread: networks this small gain nothing from more."""
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def dataset(wiring: Wiring) -> str:
    """Reference of a simulated data set."""
    return simulated(wiring)


@pytest.fixture(scope="module")
def first(wiring: Wiring, dataset: str) -> Ended:
    """The first study on the data set: nothing was computed before."""
    with pytest.MonkeyPatch.context() as patch:
        events = watch(patch)
        job = studied(wiring, dataset)
    return Ended(job, events, results_of(wiring, job))


class TestReport:
    def test_has_a_line_for_every_network(self, first: Ended) -> None:
        """By condition, arm and seed, with figures of every split that it was held against."""
        runs = first.results["runs"]
        arms = {name: Counter(run["arm"] for run in runs if run["condition"] == name) for name in CONDITIONS}

        assert NETWORKS == len(runs) == first.results["plan"]["runs"]
        assert dict.fromkeys(STUDY["arms"], 2) == arms["all"]
        assert dict.fromkeys(STUDY["condition_arms"], 1) == arms["without-line"] == arms["aberrations-5"]
        assert all(run["test"]["crops"]["natural"]["f1"] is not None for run in runs)
        assert {"without-line"} == {run["condition"] for run in runs if run["left_out"] is not None}
        assert {4} == {run["steps"] for run in runs}

    def test_says_what_was_learnt_from(self, first: Ended) -> None:
        """Real crops by condition; synthetic ones by arm, as many at random as the filter lets in."""
        trained = {(run["condition"], run["arm"], run["seed"]): run["train"] for run in first.results["runs"]}
        (umap,) = first.results["filters"]

        assert {24, 12, 5} == {train["aberration"] for train in trained.values()}
        assert (36, 36) == tuple(trained[name, "augmented", 0]["normal"] for name in ("all", "aberrations-5"))
        assert {"painted": 16} == trained["all", "augmented-painted", 0]["synthetic"]
        assert ("bbdm", "umap", 16) == (umap["generator"], umap["method"], umap["before"])
        for arm in ("augmented-bbdm-filtered", "augmented-bbdm-random"):
            assert {"bbdm": umap["after"]} == trained["all", arm, 1]["synthetic"]

    def test_says_where_crops_came_from(self, first: Ended) -> None:
        """Generators, what they were made of, and how they look; each slide in one split."""
        results = first.results
        origins = {(one["condition"], one["method"]): one["origin"] for one in results["generators"]}
        left_out = next(one for one in results["conditions"] if one["name"] == "without-line")

        assert "trained in this study" == origins["all", "bbdm"]
        assert "no training" == origins["without-line", "painted"]
        assert {16} == {one["crops"] for one in results["candidates"]}
        assert ["T02"] == left_out["counts"]["left_out"]["groups"]
        assert ["T01"] == left_out["counts"]["train"]["groups"]

    def test_says_what_it_took(self, first: Ended) -> None:
        """Every step was computed; a first look at this test split."""
        results = first.results

        assert (STEPS, 0) == (results["plan"]["computed"], results["plan"]["from_cache"])
        assert (NETWORKS, []) == (results["test_opened"]["runs"], results["test_opened"]["earlier_studies"])
        assert STEPS == sum(one["steps"] for one in results["time"] if one["stage"] != "report")
        assert results["plan"]["actual_seconds"] > 0

    def test_job_ends_with_the_answer(self, first: Ended) -> None:
        """The paper's arm against the reference, and where to read more."""
        job = first.job

        assert ("succeeded", STEPS, STEPS) == (job.status, job.progress.done, job.progress.total)
        assert job.result is not None
        assert "augmented-bbdm-filtered" == job.result["headline"]["arm"]
        assert {"artifact", "report", "pdf", "results"} == set(job.result["links"])

    def test_is_six_files(self, wiring: Wiring, first: Ended) -> None:
        """A page, a document, numbers, and three tables with a row for each thing."""
        files = files_of(wiring, first.job)
        rows = {
            name: len(list(csv.DictReader(io.StringIO(files[f"{name}.csv"].decode()))))
            for name in ("runs", "summaries", "comparisons")
        }

        assert set(REPORT_FILES) == set(files)
        assert files["report.pdf"].startswith(b"%PDF")
        assert all(count >= NETWORKS for count in rows.values())

    def test_says_on_every_page_that_nothing_follows(self, wiring: Wiring, first: Ended) -> None:
        """The data are simulated, and the size is quick."""
        files = files_of(wiring, first.job)
        pages = [page.extract_text().lower() for page in PdfReader(io.BytesIO(files["report.pdf"])).pages]
        texts = [" ".join(page.split()) for page in (*pages, files["report.html"].decode().lower())]

        assert len(pages) > 1
        assert all("simulated" in text and "quick" in text for text in texts)


class TestSeal:
    def test_is_opened_when_all_is_done(self, first: Ended) -> None:
        """No truth is told, and no score read, before the last step is computed."""
        kinds = [kind for kind, _ in first.events]
        opened = min(kinds.index("opened"), kinds.index("truth"))

        assert not {"computed", "trained", "scored"} & set(kinds[opened:])

    def test_each_network_is_scored_once(self, first: Ended) -> None:
        """And each seal is opened once."""
        trained, scored, opened = (keys_of(first.events, kind) for kind in ("trained", "scored", "opened"))

        assert NETWORKS == len(set(trained)) == len(trained) == len(scored)
        assert sorted(trained) == sorted(opened)


class TestCache:
    def test_a_second_study_computes_nothing(
        self, wiring: Wiring, dataset: str, first: Ended, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """It gives the same results, and says that someone looked before."""
        events = watch(monkeypatch)
        again = results_of(wiring, studied(wiring, dataset))

        assert [] == keys_of(events, "computed", "trained", "scored")
        assert (0, STEPS) == (again["plan"]["computed"], again["plan"]["from_cache"])
        assert lasting(first.results) == lasting(again)
        assert first.job.result is not None
        assert first.job.result["artifact"] in again["test_opened"]["earlier_studies"]

    def test_one_more_arm_computes_its_own_steps(
        self, wiring: Wiring, dataset: str, first: Ended, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Its networks; the others' figures stay."""
        events, arms = watch(monkeypatch), ("augmented-oversampled", *STUDY["arms"])
        more = results_of(wiring, studied(wiring, dataset, arms=arms))
        others = [run for run in lasting(more)["runs"] if run["arm"] != "augmented-oversampled"]

        assert 2 == len(keys_of(events, "trained"))
        assert [] == keys_of(events, "computed")
        assert lasting(first.results)["runs"] == others

    def test_what_is_damaged_is_computed_again(
        self, wiring: Wiring, dataset: str, first: Ended, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Be it what a network stands on, or what it scored; with the same results."""
        made, trained = (keys_of(first.events, kind)[-1] for kind in ("computed", "trained"))
        wiring.store.put(content_key("studies", made, ".safetensors"), b"half a step")
        wiring.store.put(content_key("studies", trained, ".sealed"), b"half a step")
        events = watch(monkeypatch)
        again = results_of(wiring, studied(wiring, dataset))

        assert [made, trained] == keys_of(events, "computed", "trained")
        assert lasting(first.results) == lasting(again)


class TestInterrupted:
    def test_goes_on_where_a_worker_stopped(
        self, wiring: Wiring, dataset: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Nothing is computed twice, and no seal is opened by the attempt that stopped."""
        events = watch(monkeypatch)
        job = submit_study(wiring, dataset, **PLAIN, seed=7)
        left = run_here(wiring, job.id, stopping=lambda: len(keys_of(events, "trained")) > 0)
        before = list(events)
        ended = run_here(wiring, job.id)

        assert ("queued", "succeeded") == (left.status, ended.status)
        assert [] == keys_of(before, "opened")
        assert 3 == len(keys_of(events, "computed", "trained"))
        assert 2 == results_of(wiring, ended)["plan"]["from_cache"]

    def test_a_cancelled_one_ends_and_leaves_its_steps(
        self, wiring: Wiring, dataset: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Whoever asks for it again has them."""
        events = watch(monkeypatch)
        job = submit_study(wiring, dataset, **PLAIN, seed=8)
        asked: list[str] = []

        def stopping() -> bool:
            if keys_of(events, "trained") and not asked:
                asked.append(wiring.jobs.cancel(job.id).status)
            return bool(asked)

        run_here(wiring, job.id, stopping)
        cancelled = run_here(wiring, job.id)
        again = results_of(wiring, studied(wiring, dataset, **PLAIN, seed=8))

        assert (["cancelling"], "cancelled", {}) == (asked, cancelled.status, cancelled.result)
        assert (1, 2) == (again["plan"]["computed"], again["plan"]["from_cache"])


class TestRefusals:
    def test_nothing_to_choose_thresholds_with(self, wiring: Wiring) -> None:
        """Before anything is queued."""
        untuned = simulated(wiring, val_aberrations=0)

        with pytest.raises(InvalidInputError, match="validation lacks one of the classes"):
            submit_study(wiring, untuned, **PLAIN)

    def test_too_few_aberrations_for_a_filter(self, wiring: Wiring, dataset: str) -> None:
        """Not after everything else was trained; the condition is named."""
        with pytest.raises(InvalidInputError, match=r"In the condition 'aberrations-5' .* a filter needs 10"):
            submit_study(wiring, dataset, condition_arms=("augmented-bbdm-filtered",))
