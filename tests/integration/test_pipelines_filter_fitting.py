"""Fitting a filter as a job, from an imported data set to a version that others filter with."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from typing import Any

import httpx
import pytest
import torch

from api.wiring import Wiring
from models.classification.classifier import Classifier
from models.filtering.files import from_bytes
from models.state_files import sha256_of
from services.artifacts.service import ArtifactService
from services.pipelines import filter_data
from services.predictions.assembly import part_key
from tests.support.classifiers import add_classifier
from tests.support.datasets import archive, imported, labelled_archive, new_name, png
from tests.support.fitting import bars, files_of, fitted, manifest_of, submit_fit
from tests.support.jobs import run_here
from tests.support.painted import SLIDES, painted

pytestmark = pytest.mark.integration

FILTER = "filter.safetensors"


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> None:
    """Let torch use one thread: networks this small gain nothing from more."""
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def opened(address: str) -> Iterator[httpx.Client]:
    """A client for fixtures that many tests share."""
    with httpx.Client(base_url=address, timeout=60) as client:
        yield client


@pytest.fixture(scope="module")
def dataset(opened: httpx.Client) -> str:
    """Reference of a data set with 48 crops to fit on, 12 of them aberrations."""
    return bars(opened, description="Drawn bars.", licence="CC0-1.0")


@pytest.fixture(scope="module")
def classifier(wiring: Wiring) -> str:
    """Reference of a classifier that makes embeddings."""
    return add_classifier(wiring, new_name())


def with_other_test_split(seed: int) -> bytes:
    """Drawn bars like those of `bars`, whose test slide alone is another."""
    members = {}
    for number, (split, slide) in enumerate(SLIDES):
        for index in range(24):
            name = "aberration" if index % 4 == 0 else "normal"
            one = painted(
                1000 * number + index + (seed if split == "test" else 0), aberrant=name == "aberration"
            )
            members[f"{split}/{name}/{slide}/{index}.png"] = png(one)
    return archive(members)


def trained_on(wiring: Wiring, classifier: str, dataset: str, groups: list[str]) -> str:
    """Add a classifier with the same weights whose manifest says what it had learnt from."""
    name, version = dataset.split("/")
    with wiring.sessions.begin() as session:
        artifacts = ArtifactService(session, wiring.store)
        known = artifacts.resolve("classifier", classifier)
        manifest = dict(known.manifest) | {
            "dataset": {"name": name, "version": int(version), "sha256": "0" * 64},
            "training": {"groups": groups},
        }
        weights = artifacts.open_file(known, "weights.safetensors")
        return artifacts.add("classifier", known.name, manifest, {"weights.safetensors": weights}).ref


class TestFitting:
    def test_makes_a_version_that_tells_what_it_is(
        self, wiring: Wiring, client: httpx.Client, dataset: str, classifier: str
    ) -> None:
        """Whose embeddings, which crops, which level and why; with a card and pictures beside it."""
        job = fitted(wiring, client, dataset, classifier, licence="CC-BY-4.0", description="Bars.")
        manifest, files = manifest_of(client, job), files_of(client, job)

        assert ("filter", "umap", classifier) == (
            manifest["kind"],
            manifest["filter"]["method"],
            manifest["classifier"]["ref"],
        )
        assert (12, 36, ["T1", "T2"]) == tuple(
            manifest["fit"][name] for name in ("aberrations", "normals", "groups")
        )
        assert {"val": ["V1"], "test": ["E1"]} == manifest["held_out_groups"]
        assert {"aberration": 6, "normal": 18} == manifest["metrics"]["rows"]["validation"]
        assert manifest["filter"]["level_reason"]
        assert sha256_of(files[FILTER]) == manifest["weights_sha256"]
        assert {FILTER, "card.md", "plot.png", "map.html", "manifest.json"} == set(files)
        assert "> Drawn bars." in files["card.md"].decode()
        assert files["plot.png"].startswith(b"\x89PNG")
        assert (job.progress.total, "steps") == (job.progress.done, job.progress.unit)
        assert not wiring.store.exists(part_key(job.id, 0))

    def test_gives_a_filter_that_loads(
        self, wiring: Wiring, client: httpx.Client, dataset: str, classifier: str
    ) -> None:
        """Its arrays are the training embeddings, and its rule is the one of the manifest."""
        job = fitted(wiring, client, dataset, classifier, method="knn", level=0.8)
        manifest, found = manifest_of(client, job), from_bytes(files_of(client, job)[FILTER])

        assert (48, 512) == found.manifold.embeddings.shape
        assert manifest["filter"] == found.spec.to_json()
        assert (0.8, None) == (found.spec.level, manifest["mixture"])

    def test_reads_embeddings_that_are_stored(
        self,
        wiring: Wiring,
        client: httpx.Client,
        dataset: str,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """The same bits come out, and no network runs."""
        ref = add_classifier(wiring, new_name())
        computed = fitted(wiring, client, dataset, ref)
        body = {"kind": "classification", "dataset": dataset, "classifier": ref}
        classified = run_here(wiring, client.post("/v1/jobs", json=body).json()["id"])
        monkeypatch.setattr(Classifier, "score", None)
        read = fitted(wiring, client, dataset, ref)

        assert "succeeded" == classified.status
        assert files_of(client, computed)[FILTER] == files_of(client, read)[FILTER]

    def test_never_looks_at_the_test_split(
        self, wiring: Wiring, client: httpx.Client, classifier: str
    ) -> None:
        """Two data sets that differ there alone give the same filter, and the same figures."""
        made = []
        for seed in (0, 500):
            version = imported(client, with_other_test_split(seed))
            job = fitted(wiring, client, f"{version['name']}/{version['version']}", classifier)
            made.append((files_of(client, job)[FILTER], manifest_of(client, job)["metrics"]))

        assert made[0] == made[1]

    def test_keeps_groups_out(
        self, wiring: Wiring, client: httpx.Client, dataset: str, classifier: str
    ) -> None:
        """Neither fitted nor measured."""
        changes = {"leave_out_groups": ["T2", "V1"], "method": "probability"}
        job = fitted(wiring, client, dataset, classifier, **changes)
        manifest = manifest_of(client, job)

        assert ["T1"] == manifest["fit"]["groups"]
        assert {"val": [], "test": ["E1"], "left_out": ["T2", "V1"]} == manifest["held_out_groups"]
        assert {"aberration": 0, "normal": 0} == manifest["metrics"]["rows"]["validation"]

    def test_thins_normals_and_says_so(
        self, wiring: Wiring, client: httpx.Client, dataset: str, classifier: str
    ) -> None:
        """Manifest, card and the job's result tell how many were drawn of how many."""
        job = fitted(wiring, client, dataset, classifier, normal_ratio=2, seed=4, method="knn")
        manifest, told = (
            manifest_of(client, job),
            "Of the 36 normal crops of the training split 24 were fitted",
        )

        assert (12, 24) == (manifest["fit"]["aberrations"], manifest["fit"]["normals"])
        assert (2.0, 4) == (manifest["parameters"]["normal_ratio"], manifest["parameters"]["seed"])
        assert {"aberration": 6, "normal": 18} == manifest["metrics"]["rows"]["validation"]
        assert told in manifest["fit"]["notes"][0]
        assert told in job.result["notes"][0]
        assert f"{told}, at most 2 for each aberration" in files_of(client, job)["card.md"].decode()

    def test_fits_every_normal_unless_told(
        self, wiring: Wiring, client: httpx.Client, dataset: str, classifier: str
    ) -> None:
        """And has nothing to say of it."""
        job = fitted(wiring, client, dataset, classifier, normal_ratio=3, method="knn")

        assert 36 == manifest_of(client, job)["fit"]["normals"]
        assert not any("were fitted" in note for note in job.result["notes"])

    def test_tells_what_the_classifier_had_seen(
        self, wiring: Wiring, client: httpx.Client, dataset: str, classifier: str
    ) -> None:
        """Crops that it learnt from lie better apart than new ones: manifest and card say so."""
        ref = trained_on(wiring, classifier, dataset, ["T1", "T2"])
        job = fitted(wiring, client, dataset, ref)

        assert {"train": ["T1", "T2"], "val": []} == manifest_of(client, job)["fit"]["classifier_saw"]
        assert "had learnt from crops of these groups" in files_of(client, job)["card.md"].decode()

    def test_goes_on_where_a_worker_stopped(
        self,
        wiring: Wiring,
        client: httpx.Client,
        dataset: str,
        classifier: str,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """What was embedded is kept, and the filter is that of an undisturbed job."""
        monkeypatch.setattr(filter_data, "CROPS_PER_PART", 1)
        undisturbed = fitted(wiring, client, dataset, classifier)
        job_id, calls = submit_fit(client, dataset, classifier), count()
        left = run_here(wiring, job_id, stopping=lambda: next(calls) >= 4)
        kept = wiring.store.exists(part_key(job_id, 0))
        ended = run_here(wiring, job_id)

        assert ("queued", True) == (left.status, kept)
        assert files_of(client, undisturbed)[FILTER] == files_of(client, ended)[FILTER]
        assert not wiring.store.exists(part_key(job_id, 0))

    def test_embeds_again_what_is_damaged(
        self, wiring: Wiring, client: httpx.Client, dataset: str, classifier: str
    ) -> None:
        """A part that is not whole costs time, and no job."""
        job_id = submit_fit(client, dataset, classifier)
        wiring.store.put(part_key(job_id, 0), b"half a part")

        assert "succeeded" == run_here(wiring, job_id).status


class TestRefusals:
    def test_too_few_aberrations(self, wiring: Wiring, client: httpx.Client, classifier: str) -> None:
        """The job says how many are missing, and what to do."""
        version = imported(client, labelled_archive(seed=79, per_class=6))
        job = fitted(wiring, client, f"{version['name']}/{version['version']}", classifier)

        assert job.error is not None
        assert ("failed", "invalid_input") == (job.status, job.error["code"])
        assert "at least 4 more" in job.error["detail"]

    def test_fewer_crops_than_neighbours(self, wiring: Wiring, client: httpx.Client, classifier: str) -> None:
        """It says what n_neighbors may be."""
        version = imported(client, labelled_archive(seed=80, per_class=2))
        job = fitted(wiring, client, f"{version['name']}/{version['version']}", classifier)

        assert job.error is not None
        assert "set n_neighbors to 3" in job.error["detail"]

    @pytest.mark.parametrize(
        "refused",
        [
            ({"leave_out_groups": ["Z9"]}, "no group 'Z9'"),
            ({"leave_out_groups": ["T1", "T2"]}, "no labelled crop outside"),
            ({"level": "validation", "leave_out_groups": ["V1"]}, "10 crops of either class"),
        ],
    )
    def test_what_cannot_be_fitted(
        self,
        wiring: Wiring,
        client: httpx.Client,
        dataset: str,
        classifier: str,
        refused: tuple[dict[str, Any], str],
    ) -> None:
        """A sentence, and no traceback."""
        changes, message = refused
        job = fitted(wiring, client, dataset, classifier, **changes)

        assert job.error is not None
        assert ("failed", "invalid_input") == (job.status, job.error["code"])
        assert message in job.error["detail"]

    def test_a_data_set_that_does_not_exist(self, client: httpx.Client, classifier: str) -> None:
        """Before anything is queued."""
        body = {
            "kind": "filter_fitting",
            "name": "x",
            "dataset": "nowhere/1",
            "classifier": classifier,
        }

        assert 404 == client.post("/v1/jobs", json=body).status_code

    def test_a_classifier_that_nobody_trained(
        self, wiring: Wiring, client: httpx.Client, dataset: str
    ) -> None:
        """Its embeddings know cats and dogs."""
        body = {
            "kind": "filter_fitting",
            "name": "x",
            "dataset": dataset,
            "classifier": add_classifier(wiring, new_name(), trained=False),
        }
        answer = client.post("/v1/jobs", json=body)

        assert (422, True) == (answer.status_code, "starting point" in answer.text)
