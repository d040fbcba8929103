"""Filters as artifacts: taken from one installation to another, tampered with, promoted."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import httpx
import numpy as np
import pytest
import torch

from api.wiring import Wiring
from models.filtering.files import from_bytes, to_bytes
from services.artifacts.service import ArtifactService
from services.artifacts.shipped import register_shipped
from services.jobs.params import ArtifactImportParams
from services.jobs.types import Job
from tests.support.datasets import new_name
from tests.support.filters import add_filter, small_filter
from tests.support.fitting import bars, content_of, files_of, fitted, manifest_of
from tests.support.jobs import run_here

pytestmark = pytest.mark.integration

FILTER, MANIFEST = "filter.safetensors", "manifest.json"
STRANGE_PAGE = b"<script>fetch('https://example.org')</script>"
MEASURED = {"metrics": {"rows": {"validation": {"aberration": 3, "normal": 9}}}}


@pytest.fixture(scope="module")
def opened(address: str) -> Iterator[httpx.Client]:
    """A client for fixtures that many tests share."""
    with httpx.Client(base_url=address, timeout=60) as client:
        yield client


@pytest.fixture(scope="module")
def original(wiring: Wiring, opened: httpx.Client) -> Job:
    """A job that fitted a filter."""
    torch.set_num_threads(1)
    return fitted(wiring, opened, bars(opened), licence="CC-BY-4.0", description="Of bars.")


@pytest.fixture(scope="module")
def download(opened: httpx.Client, original: Job) -> bytes:
    """The ZIP that an installation gives of it."""
    return content_of(opened, original)


def packed(files: Mapping[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return stream.getvalue()


def unpacked(content: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def uploaded(wiring: Wiring, content: bytes, filename: str = "bars-1.zip", **said: Any) -> Job:
    """Import a filter as the API does once it has received it, and run the job."""
    params = ArtifactImportParams(name=new_name(), **said)
    job = wiring.submissions.import_artifact("filter", params, io.BytesIO(content), filename)
    return run_here(wiring, job.id)


def refusal(wiring: Wiring, content: bytes) -> str:
    """Why an upload is not taken."""
    job = uploaded(wiring, content)

    assert ("failed", True) == (job.status, job.error is not None)
    assert job.error is not None
    assert "internal_error" != job.error["code"]
    return str(job.error["detail"])


def promoted(client: httpx.Client, ref: str, alias: str = "production") -> httpx.Response:
    name, version = ref.split("/")
    return client.put(f"/v1/artifacts/filter/{name}/aliases/{alias}", json={"version": int(version)})


def with_manifest(download: bytes, change: Callable[[dict[str, Any]], None]) -> bytes:
    """The download, whose manifest somebody changed."""
    files = unpacked(download)
    manifest = json.loads(files[MANIFEST])
    change(manifest)
    return packed(files | {MANIFEST: json.dumps(manifest).encode()})


class TestRoundTrip:
    def test_scores_the_same_bits(
        self, wiring: Wiring, client: httpx.Client, original: Job, download: bytes
    ) -> None:
        """Under another name, whatever is asked of it."""
        job = uploaded(wiring, download)
        rows = np.random.default_rng(0).normal(size=(50, 512)).astype(np.float32)
        first, second = (
            from_bytes(files_of(client, one)[FILTER]).score(rows) for one in (original, linked(job))
        )

        assert all(
            np.array_equal(mine, vars(second)[name], equal_nan=True) for name, mine in vars(first).items()
        )

    def test_keeps_what_is_known_of_it(
        self, wiring: Wiring, client: httpx.Client, original: Job, download: bytes
    ) -> None:
        """Its fit, its figures, its licence; and where it comes from."""
        before = manifest_of(client, original)
        after = manifest_of(client, uploaded(wiring, download))
        known = ("filter", "manifold", "mixture", "classifier", "dataset", "fit", "metrics", "weights_sha256")

        assert {name: before[name] for name in known} == {name: after[name] for name in known}
        assert ("CC-BY-4.0", "Of bars.") == (after["licence"], after["description"])
        assert (before["name"], "bars-1.zip") == (after["imported"]["name"], after["imported"]["filename"])

    def test_draws_and_writes_anew(self, wiring: Wiring, client: httpx.Client, download: bytes) -> None:
        """No page of a stranger is ever shown here."""
        files = unpacked(download) | {"map.html": STRANGE_PAGE, "plot.png": b"no", "card.md": b"# Trust me"}
        job = uploaded(wiring, packed(files))
        made = files_of(client, job)

        assert b"example.org" not in made["map.html"]
        assert b"<canvas" in made["map.html"] or b"<svg" in made["map.html"]
        assert made["plot.png"].startswith(b"\x89PNG")
        assert "Uploaded as `bars-1.zip`" in made["card.md"].decode()

    def test_takes_the_shipped_filter(self, wiring: Wiring, client: httpx.Client) -> None:
        """No job of an installation fitted it; what is known of it is kept, and it may be promoted."""
        register_shipped(wiring.sessions, wiring.store)
        content = client.get("/v1/artifacts/filter/translocation/1/content").content
        job = uploaded(wiring, content, "translocation-1.zip")

        assert "succeeded" == job.status, job.error
        assert "Advanced Digital Imaging Research" in files_of(client, job)["card.md"].decode()
        assert 200 == promoted(client, job.result["artifact"]).status_code

    def test_takes_the_file_alone(self, wiring: Wiring, client: httpx.Client, download: bytes) -> None:
        """It can be applied, but nobody knows how good it is."""
        file = unpacked(download)[FILTER]
        job = uploaded(wiring, file, "filter.safetensors", licence="MIT")
        manifest = manifest_of(client, job)
        refused = promoted(client, job.result["artifact"])

        assert ("MIT", None) == (manifest["licence"], manifest["metrics"])
        assert file == files_of(client, job)[FILTER]
        assert (409, "promotion_refused") == (refused.status_code, refused.json()["code"])
        assert 200 == promoted(client, job.result["artifact"], "trial").status_code

    def test_the_uploader_may_describe_it_anew(
        self, wiring: Wiring, client: httpx.Client, download: bytes
    ) -> None:
        """What is said with the upload wins."""
        manifest = manifest_of(client, uploaded(wiring, download, licence="MIT", description="Tried here."))

        assert ("MIT", "Tried here.") == (manifest["licence"], manifest["description"])


def linked(job: Job) -> Job:
    """The job, once it has succeeded."""
    assert job.status == "succeeded", job.error
    return job


class TestTampering:
    @pytest.mark.parametrize("place", [0, 9, 200, 0.3, 0.6, 0.9, -1])
    def test_of_the_filter_is_noticed(self, wiring: Wiring, download: bytes, place: float) -> None:
        """One bit anywhere, whether its digest is told anew or not."""
        files = unpacked(download)
        changed = bytearray(files[FILTER])
        changed[place if isinstance(place, int) else int(place * len(changed))] ^= 4

        assert "cannot be used" in refusal(wiring, bytes(changed))
        assert "cannot be used" in refusal(wiring, packed(files | {FILTER: bytes(changed)}))

    def test_of_a_rule_that_fits_together_is_noticed(self, wiring: Wiring, download: bytes) -> None:
        """A sound filter is not the one of the manifest that comes with it."""
        files = unpacked(download)
        found = from_bytes(files[FILTER])
        other = small_filter(
            found.manifold.embeddings, classifier=found.spec.classifier, classifier_sha256="0" * 64
        )

        assert "weights_sha256" in refusal(wiring, packed(files | {FILTER: to_bytes(other)}))

    @pytest.mark.parametrize(
        ("change", "named"),
        [
            (lambda told: told.pop("weights_sha256"), "weights_sha256"),
            (lambda told: told.update(kind="classifier"), "this is a"),
            (lambda told: told["filter"].update(level=0.999), "entry filter"),
            (lambda told: told["filter"].update(classifier="mine/1"), "entry filter"),
            (lambda told: told["manifold"].update(seed=7), "entry manifold"),
            (lambda told: told.update(mixture=None), "entry mixture"),
            (lambda told: told.pop("fit"), "fit"),
            (lambda told: told.update(metrics="excellent"), "metrics"),
            (lambda told: told["metrics"]["acceptance"].update(val_normals=-1), "val_normals"),
            (lambda told: told["metrics"]["curve"].update(val_normals=[0.5]), "metrics"),
            (lambda told: told["metrics"]["rows"]["validation"].update(normal="many"), "normal"),
            (lambda told: told["fit"].update(aberrations=13), "other training crops"),
            (lambda told: told.update(licence=["MIT"]), "licence"),
            (lambda told: told.update(description="\x00"), "no database"),
            (lambda told: told.update(description="\ud800"), "no JSON"),
            (lambda told: told["parameters"].update(seed=float("inf")), "no JSON"),
        ],
    )
    def test_of_the_manifest_is_noticed(
        self, wiring: Wiring, download: bytes, change: Callable[[dict[str, Any]], None], named: str
    ) -> None:
        """It must be this filter's, and have the form of a manifest."""
        assert named in refusal(wiring, with_manifest(download, change))

    @pytest.mark.parametrize("content", [b"{", b"[]", b"[" * 100_000, b"\xff\xfe", b'{"kind": "filter"}'])
    def test_a_manifest_must_be_json(self, wiring: Wiring, download: bytes, content: bytes) -> None:
        """Deep, broken and empty ones are told apart from crashes."""
        assert MANIFEST in refusal(wiring, packed(unpacked(download) | {MANIFEST: content}))

    def test_a_manifest_is_bounded(self, wiring: Wiring, download: bytes) -> None:
        """Nothing of it is parsed if it is too long."""
        long = b'{"kind": "' + b"x" * (5 * 1024**2) + b'"}'

        assert "more than" in refusal(wiring, packed(unpacked(download) | {MANIFEST: long}))


class TestOtherUploads:
    @pytest.mark.parametrize(
        "content",
        [b"", b"not a filter", b"\x80\x04\x95\x0b\x00\x00\x00\x00\x00\x00\x00\x8c\x07", b"PK\x03\x04"],
    )
    def test_other_bytes_fail_the_job_with_a_reason(self, wiring: Wiring, content: bytes) -> None:
        """A pickle among them: nothing in it is run."""
        assert refusal(wiring, content)

    @pytest.mark.parametrize(
        ("name", "named"),
        [
            ("../filter.safetensors", "absolute names"),
            ("/etc/passwd", "absolute names"),
            ("umap.pkl", "umap.pkl"),
            ("other.zip", "archive itself"),
        ],
    )
    def test_other_members_are_refused(self, wiring: Wiring, download: bytes, name: str, named: str) -> None:
        """A download has five files, and no path leads out of it."""
        assert named in refusal(wiring, packed(unpacked(download) | {name: b"strange"}))

    @pytest.mark.parametrize("name", [FILTER, MANIFEST])
    def test_a_missing_member_is_named(self, wiring: Wiring, download: bytes, name: str) -> None:
        """Half a download is none."""
        files = unpacked(download)
        del files[name]

        assert f"no {name}" in refusal(wiring, packed(files))

    def test_a_filter_has_no_scale(self, wiring: Wiring, download: bytes) -> None:
        """Whoever says one thinks of a generator, and is told."""
        job = uploaded(wiring, download, scale=1.0)

        assert job.error is not None
        assert "A filter has no scale" in job.error["detail"]


class TestPromotion:
    def test_takes_one_that_was_measured(self, client: httpx.Client, original: Job) -> None:
        """On held-out crops of both classes, and whose classifier is here."""
        assert 200 == promoted(client, original.result["artifact"]).status_code

    def test_refuses_one_whose_classifier_is_not_here(self, wiring: Wiring, client: httpx.Client) -> None:
        """The answer names the version to import."""
        rows = np.random.default_rng(0).normal(size=(40, 512)).astype(np.float32)
        found = small_filter(rows, classifier="elsewhere/3", classifier_sha256="ab" * 32)
        refused = promoted(client, add_filter(wiring, found, **MEASURED))

        assert (409, "filter_classifier_missing") == (refused.status_code, refused.json()["code"])
        assert "elsewhere/3" in refused.json()["detail"]

    def test_does_not_move_the_alias_when_it_refuses(self, wiring: Wiring, client: httpx.Client) -> None:
        """What was in production stays there."""
        rows = np.random.default_rng(0).normal(size=(40, 512)).astype(np.float32)
        found = small_filter(rows, classifier="elsewhere/3", classifier_sha256="ab" * 32)
        name, _ = add_filter(wiring, found, **MEASURED).split("/")
        promoted(client, f"{name}/1")
        with wiring.readers() as session:
            _, aliases = ArtifactService(session, wiring.store).describe("filter", name)

        assert [] == aliases
